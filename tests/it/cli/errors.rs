//! Invalid command lines, and commands that fail.

use super::transcript::Transcript;

/// A closed port: connections are refused at once.
const REGISTRY: &str = "127.0.0.1:1";

const DAEMON: &str = r#"
[listen]
socket = "@/pullgate.sock"
[control]
socket = "@/control.sock"
[runtime]
socket = "@/containerd.sock"
[registry]
hosts = "@/certs.d"
[ledger]
directory = "@/ledger"
[keys]
directory = "@/kept-keys"
"#;

const POLICY: &str = r#"
default = "deny"
[authenticator.release]
algorithm = "ECDSA_SHA_256"
keys = [{ file = "keys/p256.pub" }]
[[namespace]]
scope = "127.0.0.1:1"
require = { all = ["release"] }
[[namespace]]
scope = "127.0.0.1:1/denied"
deny = "use the images of registry.example.com/base instead"
"#;

/// A configuration whose services do not exist.
fn alone() -> Transcript {
    let transcript = Transcript::new();
    transcript.file("pullgate.toml", DAEMON, 0o600);
    transcript.file("policy.toml", POLICY, 0o600);
    transcript.file(
        "signer.toml",
        "[registry]\nhost = \"127.0.0.1:1\"\n[control]\nsocket = \"@/signer.sock\"\n",
        0o600,
    );
    transcript.key("p256.pub", "keys/p256.pub", 0o644);
    transcript
}

#[test]
fn usage() {
    let mut transcript = Transcript::new();
    for line in [
        "pullgate",
        "pullgate verfy",
        "pullgate verify",
        "pullgate verify --outputt json a",
        "pullgate verify --output yaml a",
        "pullgate verify --username u a",
        "pullgate policy",
        "pullgate policy explain",
        "pullgate policy test",
        "pullgate scan --daemon never",
        "pullgate scan --daemon-timeout 0",
        "pullgate status now",
        "pullgate-signer sign a",
        "pullgate-signer sign --key k",
        "pullgate-signer sign --key k --tag v* a",
        "pullgate-signer sign --key k --algorithm MD5 a",
        "pullgate-signer sign --key k --layout round a",
        "pullgate-signer sign --key ftp://x a",
        "pullgate-signer sign --key pkcs11:token=a;object=b?pin-value=1 a",
        "pullgate-signer sign --key k --passphrase-fd 0 --passphrase-file f a",
        "pullgate-signer status --output yaml",
        "pullgate-signer request",
        "pullgate-signer keys",
        "pullgate-signer keys generate k",
        "pullgate-signer keys generate k --kind DSA",
        "pullgate-signer keys generate vault://k --kind EC_P256",
        "pullgate-signer keys public",
        "pullgate-signer keys public k --config c",
        "pullgate-signer keys list --output yaml",
        "pullgate-signer import",
        "pullgate-signer import kritis",
        "pullgate-signer import kritis f --config c",
        "pullgate-signer import cosign f",
        "pullgate-signer import security-center --attestors a --policies p --cluster c --public-key k",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

/// Each is an error that names the new option.
#[test]
fn retired_names() {
    let mut transcript = Transcript::new();
    for line in [
        "pullgate verifier -name a",
        "pullgate sign --key k a",
        "pullgate signer",
        "pullgate signer status",
        "pullgate keys list",
        "pullgate import kritis f",
        "pullgate status --json",
        "pullgate scan --output table",
        "pullgate-signer sign --key k --existing a.example/team",
        "pullgate-signer sign --key k --list f",
        "pullgate-signer request --existing",
        "pullgate-signer keys list --json",
        "pullgate-signer keys public k --format json",
        "pullgate-signer import cosign f --scope s --output policy.toml",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn verify() {
    let mut transcript = alone();
    for image in [
        "app:1",
        "denied/app:1",
        "app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        transcript.run(&format!("pullgate verify --config . {REGISTRY}/{image}"));
    }
    transcript.run(&format!("pullgate verify --config . {REGISTRY}/denied/app:1 --output json"));
    transcript.run("pullgate verify --config . other.example/app:1 UPPER");
    transcript.run("pullgate verify --config nowhere app");
    transcript.remark("A file, one that does not exist, and the directory of man pages.");
    transcript.run("pullgate policy check --config policy.toml");
    transcript.run("pullgate policy check --config nowhere/policy.toml");
    transcript.run("pullgate-signer check --config ./signer.toml");
    transcript.run("pullgate generate man new/pages");
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn daemon_and_runtime() {
    let mut transcript = alone();
    for line in [
        "pullgate status --config .",
        "pullgate status --config . --output json",
        "pullgate scan --config .",
        "pullgate scan --config . --daemon require",
        "pullgate scan --config . --daemon off --output json",
        "pullgate image-verifier --config .",
        "pullgate image-verifier --config . -name 127.0.0.1:1/app -digest sha256:00 -stdin-media-type text/plain",
        "pullgate image-verifier --config . -name a -name b",
        "pullgate image-verifier --config . -surprise a",
        "pullgate-signer status --config .",
        "pullgate-signer status --config nowhere",
        "pullgate-signer request --config . --all-tags",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn serve() {
    let mut transcript = alone();
    transcript.file("pullgate.toml", "[listn]\n", 0o600);
    transcript.run("pullgate serve --config .");
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn sign() {
    let mut transcript = alone();
    transcript.key("p256.key", "closed.key", 0o600);
    transcript.key("p256.key", "open.key", 0o644);
    transcript.key("p256.pub", "public.key", 0o600);
    transcript.key("p256.encrypted.key", "encrypted.key", 0o600);
    transcript.key("rsa-2048.key", "rsa.key", 0o600);
    transcript.key("rsa-1024.key", "small.key", 0o600);
    transcript.file("list", "\n# what to sign\n127.0.0.1:1/one:1\nUPPER\n", 0o600);
    for more in [
        "--key missing.key",
        "--key open.key",
        "--key public.key",
        "--key small.key",
        "--key encrypted.key",
        "--key encrypted.key --passphrase-file nowhere",
        "--key rsa.key",
        "--key closed.key --algorithm RSA_PSS_SHA_256",
        "--key closed.key -a nothing",
        "--key closed.key -a a=1 -a a=2",
        "--key closed.key --from-file nowhere",
        "--key closed.key --all-tags **",
        "--key closed.key --all-tags 127.0.0.1:1/UPPER",
        "--key closed.key --all-tags 127.0.0.1:1/team --tag /",
        "--key closed.key --from-file - --passphrase-fd 0",
        "--key closed.key",
        "--key closed.key --dry-run --output json",
        "--key closed.key --from-file list",
        "--key closed.key --all-tags 127.0.0.1:1/team",
        "--key vault://release",
        "--key alikms://k/1?region=cn-hangzhou",
        "--key pkcs11:token=a;object=b --pkcs11-module /nowhere/module.so",
    ] {
        let image = if more.contains("--all-tags") { "" } else { " 127.0.0.1:1/app:1" };
        transcript.run(&format!("pullgate-signer sign --config . {more}{image}"));
    }
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn signer_check() {
    let mut transcript = alone();
    transcript.run("pullgate-signer check --config .");
    transcript.run("pullgate-signer check --config nowhere");
    transcript.key("p256.encrypted.key", "encrypted.key", 0o600);
    transcript.key("p256.key", "open.key", 0o644);
    let signer = |authenticators: &str| format!("[registry]\nhost = \"127.0.0.1:1\"\n{authenticators}");
    let encrypted = "[authenticator.a]\nkey = \"encrypted.key\"\nalgorithm = \"ECDSA_SHA_256\"\n";
    let elsewhere = "[authenticator.b]\nkey = \"vault://k\"\nalgorithm = \"ECDSA_SHA_256\"\n";
    let open = "[authenticator.c]\nkey = \"open.key\"\nalgorithm = \"ECDSA_SHA_256\"\n";
    transcript.file("signer.toml", &signer(&format!("{encrypted}{elsewhere}")), 0o600);
    transcript.run("pullgate-signer check --config .");
    transcript.file("signer.toml", &signer(&format!("{encrypted}{open}")), 0o600);
    transcript.run("pullgate-signer check --config .");
    insta::assert_snapshot!(transcript.end());
}
