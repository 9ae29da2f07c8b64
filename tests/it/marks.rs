//! The search of pullgate's output (`tests/environment/secrets`) finds every secret of a test.
//!
//! Helpers that take a password or a token take a [`Secret`], which contains the mark; the fakes in `pullgate_test` fail a
//! test that uses another secret. New private keys come from [`secrets::new_key`], or are registered by
//! [`secrets::register_key`].

use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::registry::Credentials;
use pullgate_test::registry::{Auth, Options, Registry};
use pullgate_test::secrets::{self, MARK, REGISTERED, Secret};

#[test]
fn every_secret_of_a_test_contains_the_mark() {
    for secret in ["hush", "user:hush", "pg5ECRE", "PG5ECRET"] {
        assert!(catch_unwind(|| Secret::marked(secret)).is_err(), "{secret}");
    }
    let marked = format!("{MARK}-1");
    for secret in [marked.as_str(), MARK, REGISTERED[0], "", &format!("user:{marked}")] {
        assert_eq!(Secret::from(secret).as_str(), secret);
    }
}

#[tokio::test]
async fn a_literal_secret_is_found_in_each_usual_place() {
    let registry =
        pullgate::registry::Registry::new(pullgate::registry::RegistrySettings::default()).unwrap();
    for (secret, marked) in [(format!("{MARK}-1"), true), ("hush".to_owned(), false)] {
        for (auth, credentials) in [
            (Auth::basic("user", MARK), Credentials::password("user", &secret)),
            (Auth::bearer(Some(MARK)), Credentials::password("user", &secret)),
            (Auth::bearer(Some(MARK)), Credentials::identity_token(&secret)),
        ] {
            let server = Registry::with(Options { auth, ..Options::default() }).await;
            let result = registry.resolve(&server.reference("team/app:1"), &credentials).await;
            assert!(result.is_err(), "{secret} lets nobody in");
            let ended = catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
            assert_eq!(ended.is_ok(), marked, "{credentials:?}");
        }
    }
}

/// The result of the search of a run in which this was written.
fn search(directory: &Path, written: &str) -> Option<i32> {
    std::fs::write(directory.join("registered"), format!("{}\n{MARK}\n", REGISTERED.join("\n"))).unwrap();
    std::fs::write(directory.join("test.written"), format!("before {written} after\n")).unwrap();
    let script = pullgate_test::repository().join("tests/environment/secrets");
    Command::new(script).arg(directory).output().expect("python3 is there").status.code()
}

#[test]
fn private_keys_are_made_only_where_they_are_registered() {
    let directory = tempfile::tempdir().unwrap();
    let pem = secrets::new_key().serialize_pem();
    let line = secrets::secret_line(&pem);
    std::fs::write(directory.path().join("keys-1"), format!("{line}\n")).unwrap();
    assert_eq!(search(directory.path(), "nothing"), Some(0));
    let hex: String = format!("{MARK}-2").bytes().map(|byte| format!("{byte:02x}")).collect();
    for (how, written) in [
        ("a key", pem.as_str()),
        ("as it is", MARK),
        ("in base64", &STANDARD.encode(format!("user:{MARK}-2"))),
        ("in hexadecimal", &hex),
    ] {
        assert_eq!(search(directory.path(), written), Some(1), "{how}");
    }
}
