//! `policy`: valid policies, and the messages about broken files.

use super::transcript::Transcript;

const GOOD: &str = r#"
default = "deny"
default-reason = "ask the platform team"
[authenticator.release]
algorithm = "ECDSA_SHA_256"
keys = [{ file = "keys/p256.pem" }]
[authenticator.security]
algorithm = "RSA_PSS_SHA_256"
keys = [{ file = "keys/rsa.pem" }]
[[namespace]]
scope = "registry.example.com"
require = { any = ["release", "security"] }
[[namespace]]
scope = "registry.example.com/payments"
require = { all = ["release", "security"] }
accept = "either"
[[namespace]]
scope = "registry.example.com/payments"
pods = ["sandbox-*"]
require = { any = ["release"] }
mode = "audit"
[[namespace]]
scope = "registry.k8s.io"
allow = "unsigned"
reason = "images of the cluster itself"
until = 2020-01-01T00:00:00Z
[[namespace]]
scope = "quay.io/tools"
allow = "unsigned"
reason = "one tool"
digests = ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
[[namespace]]
scope = "docker.io/bitnami/**"
deny = "use the images of registry.example.com/base instead"
[deny]
digests = [{ digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000", reason = "backdoor" }]
"#;

const CASES: &str = r#"
[[case]]
image = "registry.example.com/app"
action = "require"
rule = "registry.example.com"
[[case]]
image = "registry.example.com/payments/app"
pod-namespace = "sandbox-1"
mode = "enforce"
[[case]]
image = "registry.k8s.io/pause"
action = "allow"
[[case]]
image = "UPPER"
action = "deny"
[[case]]
image = "ghcr.io/any"
rule = "default"
"#;

/// Rules and authenticators, each with an error.
const BROKEN: &str = r#"
defualt = "deny"
[authenticator.release]
algorithm = "ECDSA_SHA_256"
keys = [{ file = "keys/p256.pem" }]
[authenticator.empty]
algorithm = "ECDSA_SHA_256"
keys = []
[authenticator.kind]
algorithm = "RSA_PSS_SHA_256"
keys = [{ file = "keys/p256.pem" }, { file = "keys/small.pem" }, { file = "keys/missing.pem" }, { file = "keys/private.pem" }, { file = "keys/open.pem" }]
[authenticator.algorithm]
algorithm = "ECDSA_SHA_265"
keys = [{ file = "keys/p256.pem", not-after = 2027-01-01 }]
[authenticator.salt]
algorithm = "ECDSA_SHA_256"
salt-length = 32
keys = [{ file = "keys/p256.pem", not-before = 2027-01-01T00:00:00Z, not-after = 2026-01-01T00:00:00Z }]
[authenticator.source]
algorithm = "ECDSA_SHA_256"
keys = [{ source = "alikms://key-1/v-1?region=cn-hangzhou" }, { source = "ftp://x", fingerprint = "ab" }, { source = "vault://a", fingerprint = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }]
[authenticator."b c"]
keys = [{}]
[[namespace]]
scope = "UPPER.example/Team"
require = { all = [] }
[[namespace]]
scope = "a.example"
require = { all = ["relaese"] }
[[namespace]]
scope = "b.example"
require = { at-least = 2, of = ["release"] }
[[namespace]]
scope = "c.example"
require = { all = ["release"], any = ["release"] }
[[namespace]]
scope = "d.example"
[[namespace]]
scope = "e.example"
allow = "all"
[[namespace]]
scope = "f.example"
allow = "unsigned"
[[namespace]]
scope = "g.example"
allow = "unsigned"
deny = "x"
reason = "y"
[[namespace]]
scope = "docker.io/evil"
deny = "two\nlines"
[[namespace]]
scope = "h.example"
deny = "x"
reason = "y"
mode = "audti"
accept = "all"
aliases = ["other.example"]
pods = ["A b"]
[[namespace]]
deny = "x"
scop = "i.example"
[deny]
digests = [{ digest = "sha256:00", reason = "" }]
keys = [{ key = "sha256:00" }]
"#;

const BROKEN_DAEMON: &str = r#"
[listn]
[listen]
socket = "run/x.sock"
group = ""
mode = "0666"
[control]
socket = "unix:///run/x.sock"
[runtime]
socket = 1
[registry]
hosts = "/a:b"
token-services = ["https://auth.example.com"]
wait-for-signature = "2m"
docker-config = "/nonexistent"
[[registry.credential]]
host = "*.example"
[[registry.credential]]
host = "r.example"
[registry.acr]
instance = "i"
region = "a/b"
hosts = []
[[registry.signatures]]
scope = "*.example"
[gate]
image-status = "on"
checkpoint-restore = true
pin-user-specified-image = "yes"
sandbox-image = "Pause"
[scan]
interval = "1ms"
[ledger]
directory = "var"
max-entries = 1
max-bytes = "1KiB"
[keys]
authorities = ["ca.pem"]
fetch-timeout = "0s"
[keys.kms]
access-key-id = "id"
[keys.vault]
address = "http://v.example"
role-id = "r"
[log]
level = "warning"
format = "jsn"
[limits]
pull_timeout = "1m"
pull-timeout = "1w"
manifest-bytes = "1GiB"
signatures = 0
"#;

const BROKEN_SIGNER: &str = r#"
[registry]
host = "https://r.example"
username = "x"
[listen]
address = "0.0.0.0:8790"
certificate = "/x"
[control]
socket = "c.sock"
[reconcile]
baseline = false
interval = "1m"
repositories = ["other/app"]
[keys]
passphrase-file = "/nonexistent"
[keys.pkcs11]
sessions = 65
[limits]
queued = 1
queue = 1
[authenticator.release]
algorithm = "RSA_PSS"
[authenticator.other]
key = "ftp://x"
algorithm = "ECDSA_SHA_256"
signatures-per-second = 0
[[rule]]
name = "a b"
authenticator = "relase"
algorithm = "RSA_PSS_SHA_256"
scope = []
trigger = "automatc"
layout = "cosign"
tags = { include = ["v/*"] }
[[rule]]
nam = "x"
"#;

fn with_keys() -> Transcript {
    let transcript = Transcript::new();
    transcript.key("p256.pub", "keys/p256.pem", 0o644);
    transcript.key("rsa-2048.pub", "keys/rsa.pem", 0o644);
    transcript.key("rsa-1024.pub", "keys/small.pem", 0o644);
    transcript.key("p256.key", "keys/private.pem", 0o600);
    transcript.key("p384.pub", "keys/open.pem", 0o666);
    transcript
}

#[test]
fn good() {
    let mut transcript = with_keys();
    transcript.file("policy.toml", GOOD, 0o600);
    transcript.file("cases.toml", CASES, 0o600);
    for line in [
        "pullgate policy check --config .",
        "pullgate policy explain --config . registry.example.com/app",
        "pullgate policy explain --config . registry.example.com/payments/app",
        "pullgate policy explain --config . registry.example.com/payments/app --pod-namespace sandbox-1",
        "pullgate policy explain --config . registry.example.com/payments/app --pod-namespace shop --output json",
        "pullgate policy explain --config . registry.k8s.io/pause:3",
        "pullgate policy explain --config . quay.io/tools/one@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "pullgate policy explain --config . bitnami/redis",
        "pullgate policy explain --config . UPPER",
        "pullgate policy test --config . cases.toml",
        "pullgate policy test --config . cases.toml --output json",
    ] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn good_with_warnings_and_break_glass() {
    let mut transcript = with_keys();
    transcript.file("policy.toml", GOOD, 0o600);
    transcript.file(
        "pullgate.toml",
        "[listen]\ngroup = \"root\"\nmode = \"0600\"\n[registry]\ncontainerd-config = \"/nonexistent\"\n[scan]\nremove-unused = true\n",
        0o600,
    );
    transcript.run("pullgate policy check --config .");
    transcript.file(
        "break-glass.toml",
        "[[open]]\nscope = \"r.example\"\nreason = \"outage\"\nuntil = 2020-01-01T00:00:00Z\n",
        0o600,
    );
    transcript.file("pullgate.toml", "[listen]\ngroup = \"nosuchgroup\"\n", 0o600);
    transcript.run("pullgate policy check --config .");
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn broken() {
    let mut transcript = with_keys();
    transcript.run("pullgate policy check --config nowhere");
    transcript.run("pullgate policy check --config .");
    transcript.remark("not TOML");
    transcript.file("policy.toml", "default = \"deny\"\n[[namespace\n", 0o600);
    transcript.run("pullgate policy check --config .");
    transcript.remark("open to others");
    transcript.file("policy.toml", GOOD, 0o666);
    transcript.run("pullgate policy check --config .");
    transcript.remark("two rules for the same names, and a requirement that cannot be met");
    let twice = "[[namespace]]\nscope = \"a.example\"\ndeny = \"x\"\n".repeat(2);
    let never =
        "[[namespace]]\nscope = \"b.example\"\nrequire = { at-least = 2, of = [\"release\", \"same\"] }\n";
    let same = "[authenticator.same]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]\n";
    transcript.file("policy.toml", &format!("{GOOD}{twice}{same}{never}"), 0o600);
    transcript.file("policy.d/10.toml", "default = \"deny\"\n[authenticator.release]\nkeys = []\n", 0o600);
    transcript.run("pullgate policy check --config .");
    transcript.remark("everything at once");
    transcript.file("policy.toml", BROKEN, 0o600);
    transcript.file("pullgate.toml", BROKEN_DAEMON, 0o600);
    transcript.file(
        "break-glass.toml",
        "[[open]]\nscope = \"A\"\nreason = \"\"\nuntil = 2094-01-01T00:00:00Z\n[[open]]\ndigest = \"sha256:00\"\nscope = \"a.example\"\n[[opne]]\n",
        0o600,
    );
    transcript.run("pullgate policy check --config .");
    for line in ["pullgate policy explain --config . app", "pullgate policy test --config . cases.toml"] {
        transcript.run(line);
    }
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn broken_expectations() {
    let mut transcript = with_keys();
    transcript.file("policy.toml", GOOD, 0o600);
    transcript.file(
        "cases.toml",
        "[[case]]\nimage = \"a\"\n[[case]]\naction = \"deny\"\n[[case]]\nimage = \"a\"\naction = \"den\"\n[[case]]\nimage = \"a\"\nrule = \"A B\"\nmode = \"x\"\nactoin = \"deny\"\n",
        0o600,
    );
    transcript.run("pullgate policy test --config . cases.toml");
    transcript.file("cases.toml", "", 0o600);
    transcript.run("pullgate policy test --config . cases.toml");
    transcript.run("pullgate policy test --config . nowhere.toml");
    insta::assert_snapshot!(transcript.end());
}

#[test]
fn broken_signer() {
    let mut transcript = with_keys();
    transcript.file("signer.toml", BROKEN_SIGNER, 0o600);
    transcript.run("pullgate-signer check --config .");
    transcript.run("pullgate-signer serve --config .");
    transcript.file("signer.toml", "", 0o600);
    transcript.run("pullgate-signer check --config .");
    insta::assert_snapshot!(transcript.end());
}
