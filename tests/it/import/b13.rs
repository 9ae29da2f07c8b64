//! Imports that were once wider than the original without a note, or that wrote a policy that does not load.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use pullgate_import::{self as import, Effect, Imported, Options, SecurityCenter};

use super::{PSS, base64, document, expect, key, load};

/// A policy.json with one scope that accepts everything, and a default that rejects.
fn accepting(scope: &str) -> Imported {
    import_containers(&format!(
        r#"{{"default": [{{"type": "reject"}}],
            "transports": {{"docker": {{"{scope}": [{{"type": "insecureAcceptAnything"}}]}}}}}}"#
    ))
}

fn import_containers(document: &str) -> Imported {
    let no_files = |_: &str| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    import::containers(document.as_bytes(), &no_files, None, Options::default()).unwrap()
}

fn differs(imported: &Imported) -> bool {
    imported.notes().iter().any(|note| note.effect.differs())
}

/// containers/image compares the text of a scope with the text of a name and of its parents, and no name has a `*`
/// (containers/image `docker/policyconfiguration/naming.go`).
#[test]
fn b13_star_scopes_of_policy_json_are_literal() {
    for scope in [
        "registry.example.com/*",
        "registry.example.com/**",
        "registry.example.com/team/*",
        "registry.example.com/te*",
        "reg*.example.com",
        "registry.*.com",
        "*.example.com/team",
        "*.example.com:5000",
        "*",
        "**",
        "docker.io/*",
    ] {
        let imported = accepting(scope);
        let policy = load(&imported);
        for image in [
            "registry.example.com/app",
            "registry.example.com/team/app",
            "registry.example.com:5000/team/app",
            "docker.io/library/nginx",
            "docker.io/team/app",
        ] {
            expect(&policy, &[("default", image, "deny")]);
        }
        let notes: Vec<String> = imported.notes().iter().map(ToString::to_string).collect();
        assert!(notes.iter().any(|note| note.contains(scope)), "{scope}: {notes:?}");
        assert!(!differs(&imported), "{scope}: {notes:?}");
    }
}

/// containers/image strips the port from the host before it looks for scopes with `*.`.
#[test]
fn b13_a_wildcard_host_of_policy_json_covers_ports() {
    let rejecting = r#"{"default": [{"type": "insecureAcceptAnything"}],
        "transports": {"docker": {"*.corp.example": [{"type": "reject"}]}}}"#;
    for (imported, inside, outside) in
        [(accepting("*.corp.example"), "allow", "deny"), (import_containers(rejecting), "deny", "allow")]
    {
        expect(
            &load(&imported),
            &[
                ("default", "a.corp.example/app", inside),
                ("default", "a.corp.example:5000/app", inside),
                ("default", "a.b.corp.example:5000/team/app", inside),
                ("default", "corp.example/app", outside),
                ("default", "corp.example:5000/app", outside),
                ("default", "a.corp.example.evil.example:5000/app", outside),
            ],
        );
    }
    // The original has no limit to the labels. With a default that admits, a limit here would be wider.
    let deep = format!("{}corp.example:5000/app", "a.".repeat(100));
    expect(&load(&import_containers(rejecting)), &[("default", &deep, "deny")]);
}

#[test]
fn b13_a_scope_with_a_trailing_slash_writes_a_policy_that_loads() {
    for scope in [
        "registry.example.com/team/",
        "registry.example.com/",
        "registry.example.com//team",
        "/registry.example.com",
        "docker.io/team",
        "docker.io/nginx",
        "https://registry.example.com",
        "registry.example.com/Team",
        "nginx",
        "team/app",
        "library",
        "registry.example.com/team app",
    ] {
        let imported = accepting(scope);
        expect(
            &load(&imported),
            &[
                ("default", "registry.example.com/team/app", "deny"),
                ("default", "docker.io/library/nginx", "deny"),
                ("default", "docker.io/team/app", if scope == "docker.io/team" { "allow" } else { "deny" }),
            ],
        );
    }
}

/// The documentation of Security Center has `enable` and `enabled`, `disable` and `disabled`.
#[test]
fn b13_a_security_center_status_is_read_in_any_case() {
    let keys =
        BTreeMap::from([("release".to_owned(), key("rsa-2048")), ("安全".to_owned(), key("rsa-3072"))]);
    let attestors = [document("security-center/attestors.json").into_bytes()];
    let whole = document("security-center/policies.json");
    for (status, payments, note) in [
        ("enabled", "all of authenticator, release", None),
        ("ENABLED", "all of authenticator, release", None),
        ("Enable", "all of authenticator, release", None),
        ("DISABLED", "allow", Some(Effect::None)),
        ("paused", "deny", Some(Effect::Stricter)),
        ("", "deny", Some(Effect::Stricter)),
    ] {
        let policies = whole.replacen(r#""Status": "enabled""#, &format!(r#""Status": "{status}""#), 1);
        let policies = [policies.into_bytes()];
        let source = SecurityCenter {
            attestors: &attestors,
            policies: &policies,
            cluster: "c0123456789",
            public_keys: &keys,
        };
        let imported = import::security_center(&source, PSS).unwrap();
        expect(
            &load(&imported),
            &[
                ("payments", "registry.example.com/app", payments),
                // Another policy of this namespace, which alone suffices, is enabled.
                ("shop", "registry.example.com/app", "release"),
            ],
        );
        let found = imported.notes().iter().find(|note| note.subject == "policy \"payments\"");
        assert_eq!(found.map(|note| note.effect), note, "{status}: {:#?}", imported.notes());
    }
}

/// Two patterns that no policy can order: neither is more specific, and a name can be covered by both.
const TIE: &str = "---\napiVersion: kritis.grafeas.io/v1beta1\nkind: AdmissionAllowlist\nmetadata: { name: it }\nspec:\n  patterns:\n  \
                   - namePattern: 'reg*.example.com/team/*'\n  - namePattern: '*reg.example.com/team/*'\n";

#[test]
fn b13_an_import_that_does_not_load_is_not_written() {
    let resources = format!(
        "apiVersion: kritis.grafeas.io/v1beta1\nkind: AttestationAuthority\nmetadata: {{ name: a }}\nspec:\n  publicKeyData: {}\n---\n\
         apiVersion: kritis.grafeas.io/v1beta1\nkind: GenericAttestationPolicy\nmetadata: {{ name: it }}\nspec:\n  \
         attestationAuthorityNames: [a]\n",
        base64(&key("p256"))
    );
    for (document, written) in [(resources.clone(), true), (format!("{resources}{TIE}"), false)] {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("resources.yaml");
        std::fs::write(&source, &document).unwrap();
        let target: PathBuf = directory.path().join("policy.toml");
        for to_file in [true, false] {
            let mut command = Command::new(pullgate_test::programs::signer());
            command.args(["import", "kritis"]).arg(&source);
            if to_file {
                command.arg("--out-file").arg(&target);
            }
            let output = command.output().unwrap();
            let messages = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(if written { 0 } else { 2 }), "{messages}");
            assert_eq!(output.stdout.is_empty(), to_file || !written, "{messages}");
            assert_eq!(messages.contains("policy is not valid"), !written, "{messages}");
        }
        assert_eq!(target.exists(), written);
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, if written { 2 } else { 1 }, "files beside the source");
    }
}
