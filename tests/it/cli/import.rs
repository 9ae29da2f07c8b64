//! `import` of the fixtures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::transcript::{Transcript, fixtures};

/// The documents of the fixtures with their keys inserted, and the keys.
fn documents() -> Transcript {
    let transcript = Transcript::new();
    let key = |name: &str| {
        std::fs::read_to_string(fixtures().join(format!("keys/throw-away-{name}.pub.pem"))).unwrap()
    };
    let keys = ["p256", "p384", "ed25519", "rsa-2048", "rsa-3072"];
    for (from, to) in [
        ("containers/policy.json", "policy.json"),
        ("hook/resources.yaml", "hook.yaml"),
        ("kritis/resources.yaml", "kritis.yaml"),
        ("security-center/attestors.json", "attestors.json"),
        ("security-center/policies.json", "policies.json"),
    ] {
        let text = std::fs::read_to_string(fixtures().join("import").join(from)).unwrap();
        let text = keys
            .iter()
            .fold(text, |text, name| text.replace(&format!("@base64:{name}@"), &STANDARD.encode(key(name))));
        let pgp = STANDARD.encode(pullgate_test::signer::gpg("ed25519.keyring.asc"));
        let text = text.replace("@base64:pgp@", &pgp);
        transcript.file(to, &text.replace('@', "(at)"), 0o600);
    }
    for name in keys {
        transcript.key(&format!("{name}.pub"), &format!("{name}.pub"), 0o644);
    }
    transcript
}

#[test]
fn policies_of_other_systems() {
    let mut transcript = documents();
    for line in [
        "pullgate-signer import kritis hook.yaml --algorithm RSA_PSS_SHA_256",
        "pullgate-signer import kritis hook.yaml --algorithm RSA_PSS_SHA_256 --widen",
        "pullgate-signer import kritis kritis.yaml",
        "pullgate-signer import cosign p256.pub rsa-2048.pub ed25519.pub --scope registry.example.com/team",
        "pullgate-signer import containers policy.json",
        "pullgate-signer import containers policy.json --widen",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn security_center() {
    let mut transcript = documents();
    let line = "pullgate-signer import security-center --attestors attestors.json --policies policies.json --cluster";
    let cluster = "c0123456789";
    transcript.run(&format!("{line} nowhere"));
    transcript.run(&format!("{line} {cluster}"));
    transcript.run(&format!("{line} {cluster} --public-key a=missing.pub"));
    let keys = "--public-key release=p256.pub --public-key 安全=p384.pub";
    transcript.run(&format!("{line} {cluster} {keys}"));
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn nothing_imported() {
    let mut transcript = documents();
    transcript.file("empty.yaml", "", 0o600);
    transcript.file("not.yaml", "a: [", 0o600);
    transcript.file("other.yaml", "kind: Pod\napiVersion: v1\nmetadata: { name: a }\n", 0o600);
    transcript.file("text.yaml", "error: no connection\n", 0o600);
    transcript.file(
        "kind.yaml",
        "kind: Surprise\napiVersion: kritis.grafeas.io/v1beta1\nmetadata: { name: a }\n",
        0o600,
    );
    transcript.file("not.json", "{", 0o600);
    transcript.file("shape.json", "{\"default\": 1}", 0o600);
    transcript.file("none.json", "{\"default\": []}", 0o600);
    transcript.file("written.toml", "", 0o600);
    for line in [
        "pullgate-signer import kritis missing.yaml",
        "pullgate-signer import kritis empty.yaml",
        "pullgate-signer import kritis not.yaml",
        "pullgate-signer import kritis other.yaml",
        "pullgate-signer import kritis text.yaml",
        "pullgate-signer import kritis kind.yaml",
        "pullgate-signer import kritis hook.yaml",
        "pullgate-signer import containers not.json",
        "pullgate-signer import containers shape.json",
        "pullgate-signer import containers none.json",
        "pullgate-signer import cosign p256.pub --scope A",
        "pullgate-signer import cosign not.json --scope a.example",
        "pullgate-signer import cosign p256.pub --scope a.example --out-file written.toml",
        "pullgate-signer import cosign p256.pub --scope a.example --out-file new.toml",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}
