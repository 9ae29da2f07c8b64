//! Policies of other systems: the imported policy, and that it decides as they do.

mod b13;
mod containers;
mod credential_providers;
mod kritis;
mod notation;
mod policy_json;
mod registries_d;
mod security_center;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use pullgate::config::load_policy;
use pullgate::digest::Digest;
use pullgate::policy::{Action, Policy};
use pullgate::reference::Repository;
use pullgate::trust::Algorithm;
use pullgate_import::{
    self as import, BinaryAuthorization, Effect, ImportError, Imported, Options, SecurityCenter,
};
use pullgate_test::signer::gpg;

const KEYS: [&str; 6] = ["p256", "p384", "p521", "ed25519", "rsa-2048", "rsa-3072"];

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn key(name: &str) -> String {
    std::fs::read_to_string(fixtures().join(format!("keys/throw-away-{name}.pub.pem"))).unwrap()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A document with its keys inserted.
fn document(name: &str) -> String {
    let text = std::fs::read_to_string(fixtures().join("import").join(name)).unwrap();
    let text = text.replace("@base64:pgp@", &base64(&String::from_utf8(gpg("ed25519.keyring.asc")).unwrap()));
    KEYS.iter().fold(text, |text, name| text.replace(&format!("@base64:{name}@"), &base64(&key(name))))
}

/// Compares with the golden policy; `PULLGATE_WRITE_GOLDEN=1` writes it instead, to be reviewed and committed.
fn golden(name: &str, imported: &Imported) {
    let path = fixtures().join("import").join(name);
    let made = KEYS
        .iter()
        .fold(imported.policy(), |text, name| text.replace(&key(name), &format!("@pem:{name}@\n")));
    if std::env::var_os("PULLGATE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(made, expected, "{name}");
}

fn load(imported: &Imported) -> Policy {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("policy.toml");
    std::fs::write(path, imported.policy()).unwrap();
    match load_policy(root.path(), Timestamp::now()) {
        Ok(loaded) => loaded.policy,
        Err(problems) => panic!("{problems}\n{}", imported.policy()),
    }
}

/// The rule for an image in a pod's namespace: `allow`, `deny`, `all a b`, `any a b`.
fn verdict(policy: &Policy, image: &str, namespace: &str) -> String {
    let applicable = policy.applicable_rules(&Repository::parse(image).unwrap(), Some(namespace));
    assert_eq!(applicable.rules().count(), 1);
    match applicable.strictest().action() {
        Action::AllowUnsigned(_) => "allow".to_owned(),
        Action::Deny { .. } => "deny".to_owned(),
        Action::Require(requirement) => requirement.to_string(),
    }
}

fn expect(policy: &Policy, rows: &[(&str, &str, &str)]) {
    for (namespace, image, expected) in rows {
        assert_eq!(verdict(policy, image, namespace), *expected, "{image} for {namespace}");
    }
}

const PSS: Options = Options { algorithm: Some(Algorithm::RsaPssSha256), widen: false };
const WIDEN: Options = Options { algorithm: Some(Algorithm::RsaPssSha256), widen: true };

#[test]
fn the_validation_hook_s_resources() {
    let texts = [document("hook/resources.yaml")];
    let imported = import::kritis(&texts, PSS).unwrap();
    golden("hook/policy.toml", &imported);
    expect(
        &load(&imported),
        &[
            ("default", "registry.example.com/app", "release"),
            ("elsewhere", "registry.example.com/app", "allow"),
            ("default", "registry-vpc.cn-hangzhou.aliyuncs.com/acs/agent", "allow"),
            // The `*` of the list does not cross a `/`.
            ("default", "registry-vpc.cn-hangzhou.aliyuncs.com/acs/agent/deeper", "release"),
            ("elsewhere", "registry-vpc.cn-hangzhou.aliyuncs.com/acs/agent/deeper", "allow"),
            ("default", "registry-vpc.cn-hangzhou.aliyuncs.com.evil.example/acs/agent", "release"),
            ("default", "registry.example.com/sidecars/proxy", "allow"),
            ("default", "registry.example.com/sidecars/proxy/deeper", "release"),
            // One tag is not a repository.
            ("default", "docker.io/library/busybox", "release"),
        ]
        .map(|(namespace, image, verdict)| {
            (namespace, image, if verdict == "release" { "demo-aa" } else { verdict })
        }),
    );
    let wider = import::kritis(&texts, WIDEN).unwrap();
    expect(
        &load(&wider),
        &[
            ("default", "docker.io/library/busybox", "allow"),
            ("default", "docker.io/library/busybox/deeper", "demo-aa"),
        ],
    );
    assert!(
        wider.notes().iter().any(|note| note.effect == Effect::Wider && note.subject.contains("busybox"))
    );
    assert!(matches!(
        import::kritis(&texts, Options::default()),
        Err(ImportError::Algorithm { subject }) if subject == "AttestationAuthority demo-aa"
    ));
}

#[test]
fn kritis_resources() {
    let imported = import::kritis(&[document("kritis/resources.yaml")], Options::default()).unwrap();
    golden("kritis/policy.toml", &imported);
    expect(
        &load(&imported),
        &[
            // Either of two policies would suffice for kritis.
            ("prod", "gcr.io/example/app", "all of build, pgp, quality"),
            ("prod", "gcr.io/example/base/debian", "allow"),
            ("prod", "gcr.io/example/base/debian/deeper", "all of build, pgp, quality"),
            ("prod", "gcr.io/example/toolbox", "allow"),
            ("prod", "gcr.io/example/other", "all of build, pgp, quality"),
            // Its authority is in another namespace.
            ("staging", "gcr.io/example/app", "deny"),
            // Without authorities nothing is admitted, not even listed images.
            ("closed", "gcr.io/example/app", "deny"),
            ("closed", "gcr.io/example/base/debian", "deny"),
            ("anything", "gcr.io/example/app", "allow"),
        ],
    );
    let about = |text: &str| imported.notes().iter().any(|note| note.to_string().contains(text));
    for text in [
        "a key of type PGP",
        "salt-length",
        "ImageSecurityPolicy no-critical",
        "AttestationAuthority pgp",
        "projects/example/notes/pgp",
    ] {
        assert!(about(text), "{text}: {:#?}", imported.notes());
    }
}

/// An export that failed must not become a policy that admits everything.
#[test]
fn nothing_is_imported_if_nothing_requires_signatures() {
    let whole = document("hook/resources.yaml");
    let policy =
        "apiVersion: kritis.grafeas.io/v1beta1\nkind: GenericAttestationPolicy\nmetadata: { name: it }\n";
    let group = |kind: &str| {
        format!("apiVersion: kritis.grafeas.io/v1beta1\nkind: {kind}\nmetadata: {{ name: it }}\nspec: {{}}\n")
    };
    let (typo, policies) = (group("GenericAttestationPolicies"), group("ImageSecurityPolicy"));
    for (texts, expected) in [
        (&[""][..], "file 1: it is empty"),
        (&["---\n---\n# nothing\n"], "file 1: it is empty"),
        (&[&whole, ""], "file 2: it is empty"),
        (&["apiVersion: v1\nkind: List\nitems: []\n"], "no GenericAttestationPolicy"),
        (&["apiVersion: v1\nkind: List\n"], "List: it has no items"),
        (&["apiVersion: v1\nkind: List\nitems: [null]\n"], "no kind and apiVersion"),
        (&["apiVersion: v1\nkind: ConfigMap\nmetadata: { name: it }\n"], "no GenericAttestationPolicy"),
        (
            &["Error from server (Forbidden): genericattestationpolicies is forbidden\n"],
            "no kind and apiVersion",
        ),
        (&[&key("p256")], "no kind and apiVersion"),
        (&[&whole, "error: You must be logged in to the server\n"], "no kind and apiVersion"),
        (&[&whole, "kind: GenericAttestationPolicy\nmetadata: { name: it }\n"], "no kind and apiVersion"),
        (&[&typo], "unknown kind of kritis resource"),
        (&[&whole, &typo], "unknown kind of kritis resource"),
        (&[&whole, &policy.replace(".io/", ".oi/")], "its apiVersion is \"kritis.grafeas.oi/v1beta1\""),
        // It does not require signatures.
        (&[&policies], "no GenericAttestationPolicy"),
    ] {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let error = import::kritis(&texts, PSS).map(|imported| imported.policy()).unwrap_err().to_string();
        assert!(error.contains(expected), "{texts:?}: {error}");
    }
    // A policy without authorities counts, and admits nothing.
    let imported = import::kritis(&[policy.to_owned()], PSS).unwrap();
    expect(&load(&imported), &[("default", "registry.example.com/app", "deny")]);
}

#[test]
fn the_exit_code_shows_whether_the_policy_differs() {
    let import = |text: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("resources.yaml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(pullgate_test::programs::signer());
        let output =
            command.args(["import", "kritis", "--algorithm", "RSA_PSS_SHA_256"]).arg(file).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let whole = document("hook/resources.yaml");
    let policy =
        "apiVersion: kritis.grafeas.io/v1beta1\nkind: GenericAttestationPolicy\nmetadata: { name: it }\n";
    let other = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: it }\n";
    for (document, code, notes) in [
        (policy.to_owned(), 0, ""),
        (format!("{policy}{other}"), 0, "not imported: ConfigMap it"),
        (whole, 1, "stricter: "),
        (other.to_owned(), 2, "error: nothing was imported"),
        (String::new(), 2, "error: nothing was imported"),
    ] {
        let (exit, written, report) = import(&document);
        assert_eq!(exit, Some(code), "{document}: {report}");
        assert!(report.starts_with(notes), "{document}: {report}");
        assert_eq!(written.is_empty(), code == 2, "{document}: {written}");
    }
}

#[test]
fn one_of_several_policies_suffices() {
    let authority = |name: &str, key_name: &str| {
        format!(
            "---\napiVersion: kritis.grafeas.io/v1beta1\nkind: AttestationAuthority\nmetadata: {{ name: {name} }}\nspec:\n  \
             publicKeyData: {}\n",
            base64(&key(key_name))
        )
    };
    let policy = |name: &str, authorities: &str| {
        format!(
            "---\napiVersion: kritis.grafeas.io/v1beta1\nkind: GenericAttestationPolicy\nmetadata: {{ name: {name} }}\nspec:\n  \
             attestationAuthorityNames: {authorities}\n"
        )
    };
    let authorities = [authority("a", "p256"), authority("b", "p384"), authority("c", "ed25519")].concat();
    for (policies, expected, strict) in [
        (vec!["[a]", "[b]"], "any of a, b", false),
        (vec!["[a]", "[a, b]"], "a", false),
        (vec!["[a, b]"], "all of a, b", false),
        (vec!["[a, b]", "[c]"], "all of a, b, c", true),
        (vec!["[a]", "[]"], "deny", false),
        (vec!["[a]", "[unknown]"], "a", true),
        // An authority that does not exist is an error in kritis, and policies are evaluated by name.
        (vec!["[unknown]", "[a]"], "deny", true),
    ] {
        let policies: String =
            policies.iter().enumerate().map(|(at, it)| policy(&format!("policy-{at}"), it)).collect();
        let imported = import::kritis(&[format!("{authorities}{policies}")], Options::default()).unwrap();
        expect(&load(&imported), &[("default", "registry.example.com/app", expected)]);
        let stricter = imported.notes().iter().any(|note| note.effect == Effect::Stricter);
        assert_eq!(stricter, strict, "{policies}: {:#?}", imported.notes());
    }
}

fn authorization(cluster: Option<&str>, options: Options) -> Result<Imported, ImportError> {
    let (policy, attestors) = (document("binauthz/policy.yaml"), [document("binauthz/attestors.yaml")]);
    import::binauthz(&BinaryAuthorization { policy: &policy, attestors: &attestors, cluster }, options)
}

#[test]
fn binary_authorization() {
    let imported = authorization(Some("europe-west1.prod"), Options::default()).unwrap();
    golden("binauthz/policy.toml", &imported);
    let policy = load(&imported);
    expect(
        &policy,
        &[
            ("default", "gcr.io/example/app", "all of built, qa"),
            ("open", "gcr.io/example/app", "allow"),
            // An attestor that is not in the documents, and a service account with a rule of its own.
            ("shop", "gcr.io/example/app", "deny"),
            ("batch", "gcr.io/example/app", "deny"),
            ("default", "gcr.io/google-containers/pause", "allow"),
            ("shop", "gcr.io/google-containers/pause", "allow"),
            ("default", "gcr.io/google-containers/pause/deeper", "all of built, qa"),
            ("open", "gcr.io/google-containers/pause/deeper", "allow"),
            ("default", "europe-docker.pkg.dev/example/base/debian", "allow"),
            ("default", "europe-docker.pkg.dev/example/base/debian/slim", "allow"),
            ("default", "europe-docker.pkg.dev/example/base", "all of built, qa"),
            // One tag is not a repository.
            ("default", "gcr.io/example/one", "all of built, qa"),
        ],
    );
    let kinds = |name: &str| policy.authenticator(name).unwrap().set().kind();
    assert_eq!([kinds("built"), kinds("qa")], ["attestor"; 2]);
    let about = |text: &str| imported.notes().iter().any(|note| note.to_string().contains(text));
    for text in [
        "stricter: globalPolicyEvaluationMode",
        "attestors/elsewhere is not in the documents",
        "stricter: batch:runner",
        "gcr.io/example/one:1.0",
        "gcr.io/example**",
        "projects/example/notes/qa",
    ] {
        assert!(about(text), "{text}: {:#?}", imported.notes());
    }
    // The rule of the cluster, which only logs.
    let test = load(&authorization(Some("europe-west1.test"), WIDEN).unwrap());
    expect(&test, &[("default", "gcr.io/example/app", "built"), ("batch", "gcr.io/example/app", "built")]);
    let applicable =
        test.applicable_rules(&Repository::parse("gcr.io/example/app").unwrap(), Some("default"));
    assert_eq!(applicable.strictest().mode(), pullgate::policy::Mode::Audit);
    // Which cluster it is for must be said.
    assert!(matches!(authorization(None, Options::default()), Err(ImportError::Shape { .. })));
}

#[test]
fn what_binary_authorization_would_not_accept_is_rejected() {
    let rule =
        "defaultAdmissionRule: { evaluationMode: MODE, enforcementMode: ENFORCED_BLOCK_AND_AUDIT_LOG }";
    for (policy, expected) in [
        (rule.replace("MODE", "ALWAYS_ALLOW"), "no rule that requires attestations found"),
        (rule.replace("MODE", "ALWAYS_ALOW"), "unknown evaluationMode"),
        (
            rule.replace("MODE", "ALWAYS_DENY").replace("ENFORCED_BLOCK_AND_AUDIT_LOG", "X"),
            "unknown enforcementMode",
        ),
        (format!("{}\nmore: 1", rule.replace("MODE", "ALWAYS_DENY")), "unknown field"),
        ("{}".to_owned(), "missing field"),
        (String::new(), "it must be exactly one document"),
    ] {
        let source = BinaryAuthorization { policy: &policy, attestors: &[], cluster: None };
        let error = import::binauthz(&source, Options::default()).map(|it| it.policy()).unwrap_err();
        assert!(error.to_string().contains(expected), "{policy}: {error}");
    }
    // It names no attestor.
    let policy = rule.replace("MODE", "REQUIRE_ATTESTATION");
    let source = BinaryAuthorization { policy: &policy, attestors: &[], cluster: None };
    let imported = import::binauthz(&source, Options::default()).unwrap();
    expect(&load(&imported), &[("default", "gcr.io/example/app", "deny")]);
}

/// `ns` of a SPIFFE identity is a part of its path, wherever the trust domain has these letters.
#[test]
fn an_identity_of_istio_is_of_the_namespace_in_its_path() {
    let rule = "{ evaluationMode: ALWAYS_DENY, enforcementMode: ENFORCED_BLOCK_AND_AUDIT_LOG }";
    let policy = format!(
        "defaultAdmissionRule: {rule}\nistioServiceIdentityAdmissionRules: {{ 'spiffe://acme.dns/ns/prod/sa/x': {rule} }}"
    );
    let source = BinaryAuthorization { policy: &policy, attestors: &[], cluster: None };
    let imported = import::binauthz(&source, Options::default()).unwrap();
    let about = |text: &str| imported.notes().iter().any(|note| note.to_string().contains(text));
    assert!(about("all images for namespace prod are refused"), "{:#?}", imported.notes());
}

/// An attestation counts by its key, whatever the note of the attestor is.
#[test]
fn attestors_that_share_a_key_admit_more() {
    let policy = document("binauthz/policy.yaml").replace("attestors/elsewhere", "attestors/second");
    let attestors = document("binauthz/attestors.yaml");
    let (built, _) = attestors.split_once("- name: projects/example/attestors/qa").unwrap();
    let second = built.replace("attestors/built", "attestors/second").replace("notes/built", "notes/second");
    for (attestors, expected) in [(vec![attestors.clone()], false), (vec![attestors.clone(), second], true)] {
        let cluster = Some("europe-west1.test");
        let source = BinaryAuthorization { policy: &policy, attestors: &attestors, cluster };
        let imported = import::binauthz(&source, Options::default()).unwrap();
        let wider = |text: &str| text.starts_with("wider") && text.contains("does not compare the notes");
        let found = imported.notes().iter().any(|note| wider(&note.to_string()));
        assert_eq!(found, expected, "{:#?}", imported.notes());
    }
}

fn center(cluster: &str, keys: &BTreeMap<String, String>) -> Result<Imported, ImportError> {
    let attestors = [document("security-center/attestors.json").into_bytes()];
    let policies = [document("security-center/policies.json").into_bytes()];
    let source = SecurityCenter { attestors: &attestors, policies: &policies, cluster, public_keys: keys };
    import::security_center(&source, PSS)
}

#[test]
fn security_center_s_answers() {
    let keys =
        BTreeMap::from([("release".to_owned(), key("rsa-2048")), ("安全".to_owned(), key("rsa-3072"))]);
    let imported = center("c0123456789", &keys).unwrap();
    golden("security-center/policy.toml", &imported);
    expect(
        &load(&imported),
        &[
            ("payments", "registry.example.com/app", "all of authenticator, release"),
            // A second policy that one attestor satisfies.
            ("shop", "registry.example.com/app", "release"),
            ("default", "registry.example.com/app", "allow"),
            ("batch", "registry.example.com/app", "allow"),
        ],
    );
    let other = center("c9", &keys).unwrap();
    expect(
        &load(&other),
        &[
            ("default", "registry.example.com/app", "release"),
            ("payments", "registry.example.com/app", "allow"),
        ],
    );
    let one = BTreeMap::from([("release".to_owned(), key("rsa-2048"))]);
    let Err(ImportError::PublicKeys(missing)) = center("c0123456789", &one) else {
        panic!("a key is missing")
    };
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0]
            .contains("alikms://key-hzz00000000000000000/key-hzz00000000000000000-1?region=cn-hangzhou"),
        "{missing:?}"
    );
    // A mistake in the id must not admit everything.
    assert!(matches!(center("c01234567890", &keys), Err(ImportError::NothingRequired(_))));
    // It is optional if no policy depends on it.
    center("c9", &one).unwrap();
}

#[test]
fn one_page_of_several_is_rejected() {
    let policies =
        document("security-center/policies.json").replace("\"TotalCount\": 4", "\"TotalCount\": 40");
    let keys = BTreeMap::new();
    let attestors = [document("security-center/attestors.json").into_bytes()];
    let policies = [policies.into_bytes()];
    let source =
        SecurityCenter { attestors: &attestors, policies: &policies, cluster: "c9", public_keys: &keys };
    assert!(matches!(import::security_center(&source, PSS), Err(ImportError::Shape { .. })));
}

#[test]
fn containers_policy() {
    let files = |path: &str| match path {
        "/keys/release.pub" => Ok(key("p256").into_bytes()),
        "/etc/pki/rpm-gpg/RPM-GPG-KEY" => Ok(gpg("family.keyring.gpg")),
        "/keys/gpg.asc" => Ok(gpg("ed25519.keyring.asc")),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    let document = document("containers/policy.json");
    let imported = import::containers(document.as_bytes(), &files, None, Options::default()).unwrap();
    golden("containers/policy.toml", &imported);
    let rows = [
        ("default", "quay.io/any/thing", "deny"),
        ("default", "docker.io/library/nginx", "allow"),
        ("default", "docker.io/library/evil", "deny"),
        ("default", "registry.example.com/app", "release"),
        ("default", "registry.example.com/both/app", "all of key-2, release"),
        ("default", "registry.example.com/keyless/app", "deny"),
        ("default", "registry.example.com/one/app", "deny"),
        // One of its tags has to be signed: a rule for the repository would admit more.
        ("default", "registry.example.com/two", "deny"),
        ("default", "registry.gpg.example/app", "gpg"),
        ("default", "registry.gpg.example/both/app", "all of gpg, release"),
        ("default", "registry.gpg.example/weak/app", "deny"),
        ("default", "a.mirrors.example.com/app", "release"),
        ("default", "a.b.mirrors.example.com/app", "release"),
        ("default", "mirrors.example.com/app", "deny"),
    ];
    let policy = load(&imported);
    expect(&policy, &rows);
    expect(
        &policy,
        &[
            ("default", "registry.redhat.example/ubi", "deny"),
            ("default", "registry.example.com/tagged/a", "deny"),
            ("default", "registry.example.com/logged/a", "deny"),
        ],
    );
    let wider = load(
        &import::containers(document.as_bytes(), &files, None, Options { widen: true, ..Options::default() })
            .unwrap(),
    );
    expect(&wider, &rows);
    expect(
        &wider,
        &[
            ("default", "registry.redhat.example/ubi", "RPM-GPG-KEY"),
            ("default", "registry.example.com/tagged/a", "release"),
            ("default", "registry.example.com/logged/a", "release"),
        ],
    );
    let digest = Digest::parse("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(policy.deny_list().of_digest(&digest.unwrap()).is_some());
}

#[test]
fn what_containers_rejects_is_rejected() {
    let files = |_: &str| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    for document in [
        r#"{"default": []}"#,
        r#"{"default": [{"type": "reject"}], "more": 1}"#,
        r#"{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}"#,
        r#"{"default": [{"type": "unknown"}]}"#,
        r#"{"default": [{"type": "sigstoreSigned", "keyPath": "/none", "signedIdentity": {"type": "matchRepository"}}]}"#,
        r#"{"default": [{"type": "sigstoreSigned", "signedIdentity": {"type": "matchRepository"}}]}"#,
        "[]",
        "",
    ] {
        assert!(
            import::containers(document.as_bytes(), &files, None, Options::default()).is_err(),
            "{document}"
        );
    }
}

#[test]
fn cosign_s_keys() {
    let keys = [
        ("cosign".to_owned(), key("p256")),
        ("cosign".to_owned(), key("rsa-2048")),
        ("ed".to_owned(), key("ed25519")),
    ];
    let imported = import::cosign(&keys, "registry.example.com/team", Options::default()).unwrap();
    golden("cosign/policy.toml", &imported);
    let policy = load(&imported);
    expect(
        &policy,
        &[
            ("default", "registry.example.com/team/app", "any of cosign, cosign-2, ed"),
            ("default", "registry.example.com/other", "deny"),
        ],
    );
    let algorithm = |name: &str| policy.authenticator(name).unwrap().keys()[0].public.algorithm();
    assert_eq!(algorithm("cosign-2"), Algorithm::RsaPkcs1Sha256);
    assert_eq!(algorithm("ed"), Algorithm::Ed25519ph);
    for (chosen, rsa, ed25519) in [
        (Algorithm::RsaPssSha256, Algorithm::RsaPssSha256, Algorithm::Ed25519ph),
        (Algorithm::Ed25519, Algorithm::RsaPkcs1Sha256, Algorithm::Ed25519),
        (Algorithm::Ed25519ph, Algorithm::RsaPkcs1Sha256, Algorithm::Ed25519ph),
    ] {
        let options = Options { algorithm: Some(chosen), widen: false };
        let policy = load(&import::cosign(&keys, "registry.example.com/team", options).unwrap());
        let algorithm = |name: &str| policy.authenticator(name).unwrap().keys()[0].public.algorithm();
        assert_eq!((algorithm("cosign-2"), algorithm("ed")), (rsa, ed25519), "{chosen}");
    }
    let wrong =
        [("cosign".to_owned(), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned())];
    assert!(import::cosign(&wrong, "registry.example.com", Options::default()).is_err());
    for (scope, expected) in [
        ("registry.example.com/team/**", true),
        ("*.example.com", true),
        ("bad scope", false),
        ("", false),
        ("https://registry.example.com/team", false),
    ] {
        let imported = import::cosign(&keys, scope, Options::default());
        match &imported {
            Ok(imported) => drop(load(imported)),
            Err(error) => assert!(matches!(error, ImportError::Scope { .. }), "{error:?}"),
        }
        assert_eq!(imported.is_ok(), expected, "{scope}");
    }
}

#[test]
fn imported_text_cannot_inject_toml() {
    let evil = "x\"]\ndefault = \"allow-unsigned\"\n#";
    let keys = [(evil.to_owned(), key("p256"))];
    let imported = import::cosign(&keys, "registry.example.com", Options::default()).unwrap();
    expect(&load(&imported), &[("default", "quay.io/other", "deny")]);
}
