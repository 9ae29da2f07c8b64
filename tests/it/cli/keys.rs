//! `keys`: valid and invalid ones.

use super::transcript::Transcript;

const POLICY: &str = r#"
default = "deny"
[authenticator.release]
algorithm = "ECDSA_SHA_256"
keys = [{ file = "keys/p256.pub", not-after = 2020-01-01T00:00:00Z }, { file = "keys/ed25519.pub", algorithm = "ED25519" }]
[authenticator.late]
algorithm = "RSA_PSS_SHA_256"
keys = [{ file = "keys/rsa.pub", not-before = 2094-01-01T00:00:00Z }]
[authenticator.revoked]
algorithm = "ECDSA_SHA_384"
keys = [{ file = "keys/p384.pub" }]
[deny]
keys = [{ key = "sha256:25aa41834a72f61d3b5b2c83e0b8cb7ad1dd9a4ca1a4ca9ae4fcd3bd11e3a1ea", reason = "laptop stolen" }]
"#;

const ELSEWHERE: &str = r#"
default = "deny"
[authenticator.remote]
algorithm = "ECDSA_SHA_256"
keys = [{ source = "vault://release", fingerprint = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }]
"#;

#[test]
fn of_a_policy() {
    let mut transcript = Transcript::new();
    transcript.file("pullgate.toml", "[keys]\ndirectory = \"@/kept\"\nfetch-timeout = \"1s\"\n", 0o600);
    transcript.file("policy.toml", POLICY, 0o600);
    for (fixture, name) in [("p256", "p256"), ("p384", "p384"), ("ed25519", "ed25519"), ("rsa-2048", "rsa")] {
        transcript.key(&format!("{fixture}.pub"), &format!("keys/{name}.pub"), 0o644);
    }
    transcript.run("pullgate-signer keys list --config .");
    transcript.run("pullgate-signer keys list --config . --output json");
    transcript.run("pullgate-signer keys fetch --config .");
    transcript.file("policy.toml", ELSEWHERE, 0o600);
    transcript.run("pullgate-signer keys list --config .");
    transcript.run("pullgate-signer keys fetch --config .");
    transcript.run("pullgate-signer keys list --config nowhere");
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn public_halves() {
    let mut transcript = Transcript::new();
    transcript.key("p256.key", "p256.key", 0o600);
    transcript.key("p256.key", "open.key", 0o644);
    transcript.key("rsa-2048.key", "rsa.key", 0o600);
    transcript.key("p256.encrypted.key", "encrypted.key", 0o600);
    for line in [
        "pullgate-signer keys public p256.key",
        "pullgate-signer keys public rsa.key --output json",
        "pullgate-signer keys public p256.key --algorithm ED25519",
        "pullgate-signer keys public missing.key",
        "pullgate-signer keys public open.key",
        "pullgate-signer keys public encrypted.key",
        "pullgate-signer keys public vault://release",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

/// The transcript shows that a key was generated, and no part of it.
#[test]
fn generated() {
    let mut transcript = Transcript::new();
    transcript.file("there.key", "", 0o600);
    for line in [
        "pullgate-signer keys generate there.key --kind EC_P256",
        "pullgate-signer keys generate nowhere/new.key --kind EC_P256",
        "pullgate-signer keys generate new.key --kind EC_P256 --encrypt",
        "pullgate-signer keys generate new.key --kind RSA_2048 --passphrase-file nowhere --encrypt",
    ] {
        transcript.run(line);
    }
    transcript.run("pullgate-signer keys generate new.key --kind EC_P256");
    pullgate_test::secrets::register_key(
        &std::fs::read_to_string(transcript.path().join("new.key")).unwrap(),
    );
    insta::assert_snapshot!(without_pem(&transcript.end()));
}

fn without_pem(text: &str) -> String {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        inside |= line.starts_with("-----BEGIN");
        if !inside {
            lines.push(line);
        }
        if line.starts_with("-----END") {
            inside = false;
            lines.push("[PEM]");
        }
    }
    lines.join("\n")
}
