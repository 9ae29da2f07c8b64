//! Options whose effect is that they reach the settings of a module, which has its own tests of what the settings do; and
//! options that have to be there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pullgate::config;
use pullgate::cri::CriSettings;
use pullgate_signer::load_signer;
use tempfile::TempDir;

use pullgate_test::policy::RELEASE;

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "s3cret\n").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    directory
}

/// What `load` reads from a file with `text`, in which `AT` is the directory of a file `secret`.
fn read<T>(text: &str, (schema, load): (&str, impl Fn(&Path) -> Result<T, config::Problems>)) -> T {
    let directory = directory();
    let file = directory.path().join("options.toml");
    let text = &text.replace("AT", &directory.path().display().to_string());
    fs::write(&file, text).unwrap();
    pullgate_test::schema::agrees(schema, text, Ok(()));
    load(&file).unwrap_or_else(|problems| panic!("{text}: {problems}"))
}

/// Loads each of `rows` without and with its last line, and asserts that `settings` differ. The directory of the secret is
/// another one each time, so it is left out.
fn each_changes_the_settings(rows: &[(&str, &str)], settings: impl Fn(&str) -> String) {
    let plain = |text: &str| {
        let shown = settings(text);
        let temporary = format!("{}/", std::env::temp_dir().display());
        let parts = shown.split(&temporary).enumerate();
        parts
            .map(|(at, part)| if at == 0 { part } else { part.split_once('/').unwrap().1 })
            .collect::<String>()
    };
    for (before, line) in rows {
        assert_eq!(plain(before), plain(before), "{before}: the comparison is stable");
        assert_ne!(plain(before), plain(&format!("{before}\n{line}")), "{line}");
    }
}

/// The settings of the proxy from a `pullgate.toml` with this text.
pub(crate) fn proxy(text: &str) -> CriSettings {
    pullgate::node::proxy_settings(&read(text, ("daemon", config::load_daemon)))
}

#[test]
pub(crate) fn what_is_set_for_key_services_of_the_node_is_used() {
    let file = "[keys.kms]\ncredentials-file = \"AT/secret\"";
    let role = "[keys.kms]\nram-role = \"Node\"";
    let assumed = "[keys.kms]\nram-role = \"Node\"\nassume-role = \"acs:ram::1:role/r\"";
    let rows = [
        ("[keys]", "authorities = [\"/etc/ca.pem\"]"),
        ("[keys.kms]", "ram-role = \"Node\""),
        ("[keys.kms]", "credentials-file = \"AT/secret\""),
        (file, "profile = \"p\""),
        (role, "assume-role = \"acs:ram::1:role/r\""),
        (assumed, "external-id = \"x\""),
        (assumed, "sts = \"https://sts.example\""),
        ("[keys.vault]", "address = \"https://v.example\""),
        ("[keys.vault]", "namespace = \"team\""),
        ("[keys.vault]", "token-file = \"AT/secret\""),
        ("[keys.vault]", "role-id = \"r\"\nsecret-id-file = \"AT/secret\""),
        ("[keys.vault]\nrole-id = \"r\"\nsecret-id-file = \"AT/secret\"", "mount = \"ci\""),
    ];
    each_changes_the_settings(&rows, |text| {
        format!("{:?}", read(text, ("daemon", config::load_daemon)).keys.settings())
    });
}

#[test]
pub(crate) fn what_is_set_for_the_signer_is_used() {
    let mut rows = vec![
        ("[limits]", "remembered = 2000"),
        ("[limits]", "longest-pause = \"2s\""),
        ("[keys.pkcs11]", "module-directories = [\"/lib\"]"),
        ("[keys.pkcs11]", "sessions = 2"),
        ("[keys.pkcs11]", "timeout = \"7s\""),
        ("[authenticator.a]\nkey = \"a.key\"\nalgorithm = \"ED25519\"", "signatures-per-second = 7"),
    ];
    for service in ["[keys.kms]", "[keys.vault]"] {
        rows.extend([
            (service, "authorities = [\"/ca.pem\"]"),
            (service, "request-timeout = \"3s\""),
            (service, "connect-timeout = \"2s\""),
            (service, "requests-per-second = 7"),
            (service, "concurrency = 3"),
        ]);
    }
    each_changes_the_settings(&rows, |text| {
        format!("{:?}", read(&format!("[registry]\nhost = \"r.example\"\n{text}"), ("signer", load_signer)))
    });
}

/// The problems of a directory with these files.
fn problems(name: &str, text: &str) -> String {
    let directory = directory();
    fs::write(directory.path().join(name), text).unwrap();
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let read = if name == config::BREAK_GLASS_FILE {
        config::BreakGlassFile::of(directory.path()).read(now).map(drop)
    } else if name == pullgate_signer::SIGNER_FILE {
        load_signer(&directory.path().join(name)).map(drop)
    } else {
        config::load_policy(directory.path(), now).map(drop)
    };
    read.err().map_or(String::new(), |problems| problems.to_string())
}

#[test]
pub(crate) fn a_reason_is_needed() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for (without, reason) in [
        ("[[namespace]]\nscope = \"r.io\"\nallow = \"unsigned\"\n".to_owned(), "reason = \"x\"\n"),
        (format!("[deny]\ndigests = [{{ digest = \"{digest}\"REASON }}]\n"), ", reason = \"x\""),
        (format!("[deny]\nkeys = [{{ key = \"{digest}\"REASON }}]\n"), ", reason = \"x\""),
    ] {
        let policy = |reason: &str| {
            let rule = if without.contains("REASON") {
                without.replace("REASON", reason)
            } else {
                format!("{without}{reason}")
            };
            problems("policy.toml", &format!("default = \"deny\"\n{RELEASE}{rule}"))
        };
        assert!(policy("").contains("reason"), "{without}");
        assert_eq!(policy(reason), "", "{without}");
    }
}

#[test]
pub(crate) fn an_exception_needs_a_reason() {
    let open = "[[open]]\nscope = \"r.io/team\"\nuntil = 2026-06-02T00:00:00Z\n";
    assert!(problems(config::BREAK_GLASS_FILE, open).contains("`reason`"));
    assert_eq!(problems(config::BREAK_GLASS_FILE, &format!("{open}reason = \"outage\"\n")), "");
}

#[test]
pub(crate) fn a_rule_has_the_algorithm_of_its_key() {
    let rule = "[registry]\nhost = \"r.example\"\n[authenticator.a]\nkey = \"a.key\"\nalgorithm = \"ED25519\"\n\
                [[rule]]\nname = \"a\"\nauthenticator = \"a\"\nscope = \"r.example/a\"\n";
    for (algorithm, expected) in [("ED25519", ""), ("ECDSA_SHA_256", "signs with ED25519")] {
        let found = problems(pullgate_signer::SIGNER_FILE, &format!("{rule}algorithm = \"{algorithm}\"\n"));
        assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
        assert!(found.contains(expected), "{found}");
    }
}
