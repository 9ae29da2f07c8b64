//! Whole policies in directories of their own, and word for word what is said of those that are wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use pullgate_test::schema::agrees;
use tempfile::TempDir;

use super::*;
use crate::policy::Action;
use crate::reference::Repository;

mod attestations;
mod elsewhere;

const P256: &str = include_str!("../../../tests/fixtures/keys/throw-away-p256.pub.pem");
const P256_PRIVATE: &str = include_str!("../../../tests/fixtures/keys/throw-away-p256.key.pem");
const RSA: &str = include_str!("../../../tests/fixtures/keys/throw-away-rsa-2048.pub.pem");
const SMALL_RSA: &str = include_str!("../../../tests/fixtures/keys/throw-away-rsa-1024.pub.pem");

const NOW: &str = "2026-06-01T00:00:00Z";

/// A configuration directory with a key of each kind and these files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    for (name, text) in [
        ("keys/p256.pem", P256),
        ("keys/rsa.pem", RSA),
        ("keys/small.pem", SMALL_RSA),
        ("keys/private.pem", P256_PRIVATE),
        ("keys/empty.pem", ""),
    ]
    .iter()
    .chain(files)
    {
        let path = directory.path().join(name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }
    directory
}

/// The same under a name that a test's own directory does not hide.
fn directory_of(files: &[(&str, &str)]) -> TempDir {
    directory(files)
}

fn load(directory: &TempDir) -> Result<Loaded, Problems> {
    let loaded = load_policy(directory.path(), NOW.parse().unwrap());
    let (file, more) = (directory.path().join("policy.toml"), directory.path().join("policy.d"));
    // Reading a pipe would wait for its writer.
    if file.is_file()
        && !more.exists()
        && let Ok(text) = fs::read_to_string(file)
    {
        agrees("policy", &text, loaded.as_ref().map(drop).map_err(ToString::to_string));
    }
    loaded
}

fn guarded(root: &Path, guard: Guard) -> Result<Loaded, Problems> {
    load_guarded(root, (NOW.parse().unwrap(), ROOT_NOTICE), guard, &KnownKeys::default()).loaded
}

/// What is said of these files; each must keep the policy from loading.
fn said(files: &[(&str, &str)]) -> String {
    load(&directory(files)).map(|_| ()).expect_err("loads").to_string()
}

/// A policy with one authenticator and more.
fn with(more: &str) -> String {
    format!(
        "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = \"keys/p256.pem\" }}]\n{more}"
    )
}

/// The warnings about a policy with this default and these rules below it.
fn warned(text: &str) -> Vec<String> {
    let loaded = load(&directory(&[("policy.toml", text)])).unwrap();
    loaded.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn b9_a_lax_catch_all_beside_rules_for_hosts_is_reported() {
    let strict = "[[namespace]]\nscope = \"registry.example.com/team\"\nrequire = { all = [\"release\"] }\n";
    let lax_default = with(strict)
        .replace("default = \"deny\"", "default = \"allow-unsigned\"\ndefault-reason = \"migration\"");
    let catch_all = |action: &str| with(&format!("{strict}[[namespace]]\nscope = \"**\"\n{action}\n"));
    let allowed = "allow = \"unsigned\"\nreason = \"migration\"";
    for (text, reported) in [
        (lax_default.clone(), true),
        (lax_default.replace("scope = \"registry.example.com/team\"", "scope = \"**/team\""), false),
        (catch_all(allowed), true),
        (catch_all(&format!("{allowed}\nuntil = 2020-01-01T00:00:00Z")), false),
        (catch_all("require = { all = [\"release\"] }\nmode = \"audit\""), true),
        (catch_all("require = { all = [\"release\"] }"), false),
        (with(&format!("{strict}[[namespace]]\nscope = \"quay.io\"\n{allowed}\n")), false),
    ] {
        let warnings = warned(&text);
        let found = warnings.iter().any(|it| it.contains("and so are images of"));
        assert_eq!(found, reported, "{text}\n{warnings:?}");
    }
    assert_eq!(
        warned(&catch_all(allowed)),
        [
            "policy.toml:9:9: images of every other host are admitted unsigned, and so are images of `registry.example.com/team` that are pulled by another name of the registry\n  hint: deny by default, and allow hosts by name, because a registry also answers under its address, other ports and DNS aliases"
        ]
    );
    let never = with("[[namespace]]\nscope = \"*.docker.io\"\nrequire = { all = [\"release\"] }\n");
    assert!(
        warned(&never)[0].contains("scope `*.docker.io` does not match Docker Hub"),
        "{:?}",
        warned(&never)
    );
}

#[test]
fn loads_what_is_right() {
    let directory = directory(&[
        (
            "policy.toml",
            r#"
default = "deny"
default-reason = "ask the platform team"

[authenticator.release]
algorithm = "RSA_PSS_SHA_256"
salt-length = "maximum"
keys = [
    { file = "keys/rsa.pem", not-before = 2026-01-01T00:00:00+02:00, not-after = 2027-01-01T00:00:00Z },
    { file = "keys/p256.pem", algorithm = "ECDSA_SHA_256" },
]

[[namespace]]
scope = "registry.example.com/payments"
require = { all = ["release"] }
aliases = ["registry-vpc.example.com/payments"]
"#,
        ),
        (
            "policy.d/20-more.toml",
            &format!(
                r#"
[authenticator.security]
keys = [{{ pem = """{RSA}""", algorithm = "RSA_PKCS1_SHA_256" }}]

[[namespace]]
scope = "registry.example.com"
require = {{ at-least = 1, of = ["release", "security"] }}

[[namespace]]
scope = "registry.k8s.io"
allow = "unsigned"
reason = "bootstrap"
"#
            ),
        ),
        ("policy.d/10-deny.toml", "[[namespace]]\nscope = \"bitnami/**\"\ndeny = \"moved\"\n"),
        ("policy.d/notes.md", "not read"),
        ("policy.d/.hidden.toml", "not read"),
    ]);
    let loaded = load(&directory).unwrap();
    let warned: Vec<_> = loaded.warnings.iter().map(Problem::message).collect();
    assert!(matches!(warned[..], [shared] if shared.contains(" is required for `")), "{warned:?}");
    let files: Vec<_> = loaded
        .files
        .iter()
        .map(|file| file.strip_prefix(directory.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        files,
        ["policy.toml", "keys/rsa.pem", "keys/p256.pem", "policy.d/10-deny.toml", "policy.d/20-more.toml"]
    );
    let policy = loaded.policy;
    for (name, label) in [
        ("nginx", "default (policy.toml:2)"),
        ("bitnami/redis", "namespace \"bitnami/**\" (policy.d/10-deny.toml:2)"),
        ("registry.k8s.io/pause", "namespace \"registry.k8s.io\" (policy.d/20-more.toml:19)"),
        ("registry.example.com/x", "namespace \"registry.example.com\" (policy.d/20-more.toml:15)"),
        ("registry.example.com/payments/x", "namespace \"registry.example.com/payments\" (policy.toml:14)"),
    ] {
        assert_eq!(
            policy.applicable_rules(&Repository::parse(name).unwrap(), None).strictest().label(),
            label,
            "{name}"
        );
    }
    let default = policy.default_rule().action();
    assert_eq!(default, &Action::Deny { reason: Some("ask the platform team".to_owned()) });
    let payments = Repository::parse("registry.example.com/payments/x").unwrap();
    let rule = policy.applicable_rules(&payments, None).strictest();
    assert_eq!(
        rule.accepted_repositories(&payments),
        ["registry.example.com/payments/x", "registry-vpc.example.com/payments/x"]
    );
    let Action::Require(requirement) = rule.action() else { panic!("{rule}") };
    assert_eq!(requirement.to_string(), "release");
    let release = policy.authenticator("release").unwrap();
    assert_eq!(release.keys().len(), 2);
    assert_eq!(release.keys()[0].not_before.unwrap().to_string(), "2025-12-31T22:00:00Z");
    assert_eq!(release.keys()[0].public.salt(), crate::trust::PssSalt::Maximum);
    assert_eq!(release.keys()[1].public.algorithm(), crate::trust::Algorithm::EcdsaSha256);
    assert_eq!(policy.authenticator("security").unwrap().keys()[0].origin, "key in policy.d/20-more.toml:3");
}

#[test]
fn says_what_is_wrong_with_a_file() {
    for (more, expected) in GOLDEN_FILE {
        assert_eq!(said(&[("policy.toml", &with(more))]), *expected, "{more}");
    }
}

const GOLDEN_FILE: &[(&str, &str)] = &[
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\"] }\n[[namespace]]\nscope = \"docker.io/library/nginx\"\ndeny = \"x\"",
        "policy.toml:9:9: scope `docker.io/library/nginx` is as specific as `nginx` of policy.toml:6, and some image names match both scopes\n  hint: remove one of the two rules, or make the scope of one more specific",
    ),
    (
        "[[namespace]]\nscop = \"nginx\"\nrequire = { all = [\"release\"] }",
        "policy.toml:5:1: [[namespace]] has no `scope`\n  hint: add for example `scope = \"registry.example.com/team\"`\npolicy.toml:6:1: unknown key `scop` in [[namespace]]\n  hint: did you mean `scope`? Known are `scope`, `pods`, `allow`, `deny`, `reason`, `digests`, `until`, `aliases`, `layouts`, `accept`, `identity`, `mode`, `require`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nscope = \"redis\"\ndeny = \"x\"",
        "policy.toml:7:1: duplicate key `scope`\n  hint: keep one of them",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [] }",
        "policy.toml:7:11: requirement names no authenticator, so it would require no signature\n  hint: write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { at-least = 0, of = [\"release\"] }",
        "policy.toml:7:11: `at-least = 0` would require nothing\n  hint: write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { at-least = 2, of = [\"release\"] }",
        "policy.toml:7:11: `at-least` is 2, more than the number of authenticators in `of` (1)\n  hint: write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { at-least = -1, of = [\"release\"] }",
        "policy.toml:7:24: `at-least` is out of range\n  hint: the value must be zero or a positive number",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\", \"release\"] }",
        "policy.toml:7:11: requirement names authenticator `release` twice\n  hint: write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\"], any = [\"release\"] }",
        "policy.toml:7:11: `require` must have one of its three forms\n  hint: write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = [\"release\"]",
        "policy.toml:7:11: `require` is an array\n  hint: the value must be a table",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"relaese\"] }",
        "policy.toml:7:20: authenticator `relaese` does not exist\n  hint: did you mean `release`? Known are `release`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { any = [1] }",
        "policy.toml:7:20: the name of an authenticator is an integer\n  hint: the value must be a string",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"",
        "policy.toml:5:1: [[namespace]] has none of `require`, `allow` and `deny`\n  hint: add for example `require = { all = [\"release\"] }`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nallow = \"unsigned\"\ndeny = \"x\"\nreason = \"y\"",
        "policy.toml:8:8: [[namespace]] has `allow` and `deny`\n  hint: keep one of `require`, `allow` and `deny`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nallow = \"unsigned\"",
        "policy.toml:7:9: `allow = \"unsigned\"` has no reason\n  hint: add `reason = \"…\"`, which says why the images may run unsigned",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nallow = \"all\"\nreason = \"x\"",
        "policy.toml:7:9: unknown value `all` for `allow`\n  hint: the only value is `unsigned`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nallow = \"unsigned\"\nreason = \"  \"",
        "policy.toml:8:10: `reason` is empty\n  hint: write the reason in one line",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\ndeny = \"x\"\nreason = \"y\"",
        "policy.toml:8:10: `reason` cannot be combined with `deny`\n  hint: write the reason as the value of `deny`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\ndeny = \"a\\nb\"",
        "policy.toml:7:8: `deny` has a line break or another control character in it\n  hint: write it in one line",
    ),
    (
        "[[namespace]]\ndeny = \"x\"",
        "policy.toml:5:1: [[namespace]] has no `scope`\n  hint: add for example `scope = \"registry.example.com/team\"`",
    ),
    (
        "[[namespace]]\nscope = \"docker.io/evil\"\ndeny = \"x\"",
        "policy.toml:6:9: `docker.io/evil` could mean the official image docker.io/library/evil or all images of the user evil\n  hint: write `docker.io/library/evil` or `docker.io/evil/**`",
    ),
    (
        "[[namespace]]\nscope = \"https://ghcr.io\"\ndeny = \"x\"",
        "policy.toml:6:9: scope begins with a scheme, such as https://\n  hint: remove everything before the host",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\ndeny = \"x\"\naliases = [\"ghcr.io/x\"]",
        "policy.toml:8:11: aliases have no effect in a rule that requires no signature\n  hint: an alias is another name of the same images, such as \"registry-vpc.example.com/team\"",
    ),
    (
        "[[namespace]]\nscope = \"a.io/*/x\"\nrequire = { all = [\"release\"] }\naliases = [\"b.io/*/x\"]",
        "policy.toml:8:11: a rule with `aliases` must have a scope without `*`\n  hint: an alias is another name of the same images, such as \"registry-vpc.example.com/team\"",
    ),
    (
        "[namespace]\nscope = \"nginx\"\ndeny = \"x\"",
        "policy.toml:5:1: `namespace` is a table\n  hint: the value must be written as [[namespace]], once for each rule",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\ndeny = \"x",
        "policy.toml:7:10: invalid basic string, expected `\"`\n  hint: the file is not valid TOML, see https://toml.io",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"",
        "policy.toml:5:16: authenticator `b` has no `keys`\n  hint: add for example `keys = [{ file = \"keys/release.pem\" }]`",
    ),
    (
        "[authenticator.b]\ntype = \"keys\"\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:8: unknown value `keys` for `type`\n  hint: did you mean `key`? Known are `key`, `keyless`, `notation`, `certificate`, `gpg`, `attestor`",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nidentities = [\"*\"]",
        "policy.toml:5:16: authenticator `b` has neither `ca` nor `signing-authority`\n  hint: add for example `ca = [\"trust/ca.pem\"]`",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nca = [\"keys/p256.pem\"]\nidentities = [\"*\"]",
        "policy.toml:7:7: `ca` `keys/p256.pem`: the file has a PEM block that is not a certificate\n  hint: put the certificates of CAs, or a self-signed certificate of a signer, into this file as PEM",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nca = [\"keys\"]\nidentities = [\"*\"]\nlevel = \"audit\"",
        "policy.toml:7:7: `ca` `keys`: `empty.pem`: the file is not PEM: the file has no PEM block\n  hint: put the certificates of CAs, or a self-signed certificate of a signer, into this file as PEM\npolicy.toml:9:9: unknown value `audit` for `level`\n  hint: known are `strict`, `permissive`",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nca = []\nidentities = [\"C=US\"]\ntimestamps = \"always\"",
        "policy.toml:7:6: `ca` is empty\n  hint: name a file, or remove the option\npolicy.toml:8:14: `identities`: an identity is `*` or begins with `x509.subject:`\n  hint: write `x509.subject: ` and then the subject, as `notation inspect` shows it\npolicy.toml:9:14: `timestamps` needs `tsa`\n  hint: remove `timestamps`, or name the root certificates of timestamp authorities in `tsa`",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nsigning-authority = [\"gone.pem\"]\ntsa = [\"gone.pem\"]",
        "policy.toml:5:16: `tsa` needs `ca`\n  hint: remove `tsa`, which is only for signers below `ca`; signatures of a signing authority contain their own signing time\npolicy.toml:5:16: authenticator `b` has no `identities`\n  hint: add for example `identities = [\"x509.subject: C=US, ST=WA, O=example\"]`\npolicy.toml:7:22: `signing-authority` `gone.pem`: file does not exist\n  hint: create the file, or correct the name\npolicy.toml:8:8: `tsa` `gone.pem`: file does not exist\n  hint: create the file, or correct the name",
    ),
    (
        "[authenticator.b]\ntype = \"gpg\"\nfingerprints = []",
        "policy.toml:5:16: authenticator `b` has neither `keyrings` nor `armored`\n  hint: add for example `keyrings = [\"keys/release.gpg\"]`\npolicy.toml:7:16: `fingerprints` has 0 elements\n  hint: name 1 to 64 primary keys, or remove `fingerprints` to accept all keys of the keyrings",
    ),
    (
        "[authenticator.b]\ntype = \"gpg\"\nkeyrings = [\"keys/p256.pem\", \"gone.gpg\"]\narmored = \"-----BEGIN PGP PRIVATE KEY BLOCK-----\"\nfingerprints = [\"199E2F91FD431D51\"]",
        "policy.toml:7:13: `keyrings` `keys/p256.pem`: the file is not an OpenPGP keyring\n  hint: write it with `gpg --export`\npolicy.toml:7:30: `keyrings` `gone.gpg`: file does not exist\n  hint: create the file, or correct the name\npolicy.toml:8:11: `armored`: the file contains an OpenPGP secret key\n  hint: write the public key with `gpg --export`, delete this file, and replace the key, because the secret key may be compromised\npolicy.toml:9:17: `199E2F91FD431D51` is not the fingerprint of an OpenPGP key\n  hint: write all 40 digits that `gpg --list-keys` shows; a key ID is not enough",
    ),
    (
        "[authenticator.b]\ntype = \"gpg\"\nkeys = [{ file = \"keys/p256.pem\" }]\nkeyrings = []",
        "policy.toml:7:1: unknown key `keys` in [authenticator.b]\n  hint: known are `type`, `keyrings`, `armored`, `fingerprints`\npolicy.toml:8:12: `keyrings` is empty\n  hint: name a file, or remove `keyrings`",
    ),
    (
        "[authenticator.b]\ntype = \"attestor\"\nalgorithm = \"ECDSA_SHA_256\"",
        "policy.toml:5:16: attestor `b` has neither `keys` nor `keyrings` nor `armored`\n  hint: add for example `keys = [{ file = \"keys/attestor.pem\" }]`",
    ),
    (
        "[authenticator.b]\ntype = \"attestor\"\nalgorithm = \"ECDSA_SHA_256\"\nkeyrings = [\"gone.gpg\"]\nverify = \"local\"",
        "policy.toml:7:13: `algorithm` has no effect without `keys`\n  hint: add `keys`, or remove `algorithm`\npolicy.toml:8:13: `keyrings` `gone.gpg`: file does not exist\n  hint: create the file, or correct the name\npolicy.toml:9:10: `verify` has no effect without `keys`\n  hint: add `keys`, or remove `verify`",
    ),
    (
        "[authenticator.b]\ntype = \"attestor\"\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]\nfingerprints = [\"x\"]",
        "policy.toml:9:16: `fingerprints` has no effect without `keyrings`\n  hint: add `keyrings`, or remove `fingerprints`",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nca = [\"gone.pem\"]\nidentities = [\"*\"]\nrevocation = \"if-known\"",
        "policy.toml:7:7: `ca` `gone.pem`: file does not exist\n  hint: create the file, or correct the name\npolicy.toml:9:14: `revocation` needs certificate revocation lists (CRLs)\n  hint: name CRL files in `crl`, or add `distribution-points = \"fetch\"`",
    ),
    (
        "[authenticator.b]\ntype = \"notation\"\nca = [\"gone.pem\"]\nidentities = [\"*\"]\ncrl = [\"keys/p256.pem\"]\ndistribution-points = \"always\"",
        "policy.toml:7:7: `ca` `gone.pem`: file does not exist\n  hint: create the file, or correct the name\npolicy.toml:9:8: `crl` `keys/p256.pem`: the file has a PEM block that is not a CRL\n  hint: put complete CRLs into this file, as the CA issues them (`openssl ca -gencrl`)\npolicy.toml:10:23: unknown value `always` for `distribution-points`\n  hint: known are `ignore`, `fetch`",
    ),
    (
        "[authenticator.b]\ntype = \"certificate\"\nnames = [\"release@example.com\"]",
        "policy.toml:5:16: authenticator `b` has no `ca`\n  hint: add for example `ca = [\"trust/ca.pem\"]`\npolicy.toml:7:9: `names`: a name must begin with `email:`, `dns:` or `uri:`\n  hint: write for example \"email:release@example.com\", \"uri:https://host/acme/**\" or \"dns:build.example.com\"",
    ),
    (
        "[authenticator.b]\ntype = \"certificate\"\nca = [\"gone.pem\"]",
        "policy.toml:5:16: authenticator `b` has no `names`\n  hint: add for example `names = [\"email:release@example.com\"]`\npolicy.toml:7:7: `ca` `gone.pem`: file does not exist\n  hint: create the file, or correct the name",
    ),
    (
        "[authenticator.b]\ntype = 1\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:1: `type` is an integer\n  hint: the value must be a string",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = []",
        "policy.toml:7:8: authenticator \"b\" has no keys\n  hint: correct the list of keys",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_265\"\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:13: unknown algorithm `ECDSA_SHA_265`\n  hint: did you mean `ECDSA_SHA_256`? Known are `RSA_PSS_SHA_256`, `RSA_PSS_SHA_384`, `RSA_PSS_SHA_512`, `RSA_PKCS1_SHA_256`, `RSA_PKCS1_SHA_384`, `RSA_PKCS1_SHA_512`, `ECDSA_SHA_256`, `ECDSA_SHA_384`, `ECDSA_SHA_512`, `ECDSA_P384_SHA_256`, `ECDSA_P521_SHA_256`, `ED25519`, `ED25519PH`",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\"], annotations = {} }",
        "policy.toml:7:46: `annotations` is empty, so it would require nothing\n  hint: write for example annotations = { team = \"payments\" }, or remove the option",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\"], annotations = { \"\" = \"x\" } }",
        "policy.toml:7:46: `annotations` is empty, so it would require nothing\n  hint: write for example annotations = { team = \"payments\" }, or remove the option",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\"], annotations = { build = 42 } }",
        "policy.toml:7:56: an annotation is an integer\n  hint: the value must be a string",
    ),
    (
        "[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\"], annotations = [\"build=42\"] }",
        "policy.toml:7:46: `annotations` is an array\n  hint: the value must be a table",
    ),
    (
        "[authenticator.b]\nalgorithm = []\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:13: `algorithm` is an empty list\n  hint: write each algorithm that the key signs with once",
    ),
    (
        "[authenticator.b]\nalgorithm = [\"ECDSA_SHA_256\", \"ECDSA_SHA_256\"]\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:13: `algorithm` names an algorithm more than once\n  hint: write each algorithm that the key signs with once",
    ),
    (
        "[authenticator.b]\nalgorithm = [\"ECDSA_SHA_256\", 384]\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:31: `algorithm` is an integer\n  hint: the value must be a string",
    ),
    (
        "[authenticator.b]\nalgorithm = [\"ECDSA_SHA_256\", \"ECDSA_P384_SHA_256\"]\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:7:18: keys/p256.pem: algorithm ECDSA_P384_SHA_256 needs a key of type P-384, but this key is P-256\n  hint: write `ECDSA_SHA_256` for this key, or use another key",
    ),
    (
        "[authenticator.b]\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:6:9: the key has no `algorithm`\n  hint: add `algorithm` to the authenticator or the key; known are `RSA_PSS_SHA_256`, `RSA_PSS_SHA_384`, `RSA_PSS_SHA_512`, `RSA_PKCS1_SHA_256`, `RSA_PKCS1_SHA_384`, `RSA_PKCS1_SHA_512`, `ECDSA_SHA_256`, `ECDSA_SHA_384`, `ECDSA_SHA_512`, `ECDSA_P384_SHA_256`, `ECDSA_P521_SHA_256`, `ED25519`, `ED25519PH`",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nsalt-length = 32\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:7:15: `salt-length` is set, but no key here uses RSASSA-PSS\n  hint: remove it",
    ),
    (
        "[authenticator.b]\nalgorithm = \"RSA_PSS_SHA_256\"\nsalt-length = \"32\"\nkeys = [{ file = \"keys/rsa.pem\" }]",
        "policy.toml:7:15: `salt-length` is neither a number of bytes nor \"maximum\"\n  hint: write 32, unless the signer uses another length",
    ),
    (
        "[authenticator.b]\nalgorithm = \"RSA_PSS_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:7:18: keys/p256.pem: algorithm RSA_PSS_SHA_256 needs a key of type RSA, but this key is P-256\n  hint: write `ECDSA_SHA_256` for this key, or use another key",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ED25519\"\nkeys = [{ file = \"keys/rsa.pem\" }]",
        "policy.toml:7:18: keys/rsa.pem: algorithm ED25519 needs a key of type Ed25519, but this key is RSA\n  hint: write `RSA_PSS_SHA_256` or `RSA_PSS_SHA_384` or `RSA_PSS_SHA_512` or `RSA_PKCS1_SHA_256` or `RSA_PKCS1_SHA_384` or `RSA_PKCS1_SHA_512` for this key, or use another key",
    ),
    (
        "[authenticator.b]\nalgorithm = \"RSA_PSS_SHA_256\"\nkeys = [{ file = \"keys/small.pem\" }]",
        "policy.toml:7:18: keys/small.pem: RSA key has 1024 bits\n  hint: use a key of 2048 to 4096 bits, a multiple of 8",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/private.pem\" }]",
        "policy.toml:7:18: keys/private.pem: found a private key where a public key belongs\n  hint: write its public key here (`openssl pkey -pubout`), delete this file, and replace the key pair, because the private key may be compromised",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/empty.pem\" }]",
        "policy.toml:7:18: keys/empty.pem: key file is not one PEM block: the file has no PEM block\n  hint: put the public key as one PEM block of type PUBLIC KEY here",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/none.pem\" }]",
        "policy.toml:7:18: key `keys/none.pem`: file does not exist\n  hint: create the file, or correct the name",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys\" }]",
        "policy.toml:7:18: key `keys`: is not a regular file\n  hint: name a file",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }, { file = \"keys/p256.pem\" }]",
        "policy.toml:7:8: keys/p256.pem and keys/p256.pem are the same key sha256:32101e6b9499ba045234aca7583ccaaed71bab305063939bdc185224c0679d0b\n  hint: keep one of them",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ not-before = 2026-01-01T00:00:00Z }]",
        "policy.toml:7:9: the key has neither `file` nor `pem` nor `source`\n  hint: write `file`, `pem` or `source`",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\", not-after = 2026-01-01T00:00:00 }]",
        "policy.toml:7:47: `not-after` is a local date or time, which means a different moment in each time zone\n  hint: write date, time and offset, as in 2027-01-01T00:00:00Z",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\", not-after = \"2026-01-01T00:00:00Z\" }]",
        "policy.toml:7:47: `not-after` is a string\n  hint: the value must be a date-time such as 2027-01-01T00:00:00Z, without quotes",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\", not-before = 2027-01-01T00:00:00Z, not-after = 2026-01-01T00:00:00Z }]",
        "policy.toml:7:82: `not-after` is not later than `not-before`\n  hint: `not-before` is the first moment at which the key counts, `not-after` the first moment at which it no longer counts",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ pem = \"-----BEGIN PRIVATE KEY-----\\nMIG\\n-----END PRIVATE KEY-----\" }]",
        "policy.toml:7:17: key in policy.toml:7: found a private key where a public key belongs\n  hint: write its public key here (`openssl pkey -pubout`), delete this file, and replace the key pair, because the private key may be compromised",
    ),
    (
        "[authenticator.\"b c\"]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]",
        "policy.toml:5:16: `b c` cannot be the name of an authenticator\n  hint: use at most 64 letters, digits, `-`, `_` and `.`",
    ),
    (
        "[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]\n[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"release\", \"b\"] }",
        "policy.toml:9:9: requirement can never be met: it needs signatures by 2 different keys, but its authenticators have only 1\n  hint: a key counts once, even if several authenticators have it; give each authenticator its own key",
    ),
    (
        "[[namespaces]]\nscope = \"nginx\"",
        "policy.toml:5:3: unknown key `namespaces` in the file\n  hint: did you mean `namespace`? Known are `default`, `default-reason`, `authenticator`, `attestation`, `namespace`, `deny`",
    ),
];

#[test]
fn says_what_is_wrong_with_files_together() {
    for (files, expected) in GOLDEN_FILES {
        assert_eq!(said(files), *expected, "{files:?}");
    }
}

const RULE: &str = "[[namespace]]\nscope = \"nginx\"\ndeny = \"x\"\n";

const GOLDEN_FILES: &[(&[(&str, &str)], &str)] = &[
    (
        &[],
        "policy.toml: the policy is missing, so every pull is refused\n  hint: write policy.toml or a file in policy.d; start with `default = \"deny\"`",
    ),
    (
        &[("policy.toml", "")],
        "policy.toml: missing `default`: the policy must say what happens to images that no rule matches\n  hint: write `default = \"deny\"` at the top of policy.toml",
    ),
    (
        &[("policy.d/10.toml", RULE)],
        "policy.toml: missing `default`: the policy must say what happens to images that no rule matches\n  hint: write `default = \"deny\"` at the top of policy.toml",
    ),
    (
        &[("policy.toml", "default = \"alow\"")],
        "policy.toml:1:11: unknown value `alow` for `default`\n  hint: known are `deny`, `allow-unsigned`",
    ),
    (
        &[("policy.toml", "default = \"allow-unsigned\"")],
        "policy.toml:1:11: `default = \"allow-unsigned\"` has no reason\n  hint: add `default-reason`, or write `default = \"deny\"`",
    ),
    (
        &[("policy.toml", "default-reason = \"x\"")],
        "policy.toml: missing `default`: the policy must say what happens to images that no rule matches\n  hint: write `default = \"deny\"` at the top of policy.toml\npolicy.toml:1:18: `default-reason` needs `default`\n  hint: write `default` and `default-reason` in one file",
    ),
    (
        &[("policy.toml", "default = true")],
        "policy.toml:1:11: `default` is a boolean\n  hint: the value must be a string",
    ),
    (
        &[("policy.toml", "default = \"deny\""), ("policy.d/10.toml", "default = \"deny\"")],
        "policy.d/10.toml:1:11: `default` is also set in policy.toml:1\n  hint: keep one of them",
    ),
    (
        &[("policy.toml", "default = \"deny\"\n"), ("policy.d/10.toml", RULE), ("policy.d/20.toml", RULE)],
        "policy.d/20.toml:2:9: scope `nginx` is as specific as `nginx` of policy.d/10.toml:2, and some image names match both scopes\n  hint: remove one of the two rules, or make the scope of one more specific",
    ),
    (
        &[
            (
                "policy.toml",
                "default = \"deny\"\n[authenticator.a]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]",
            ),
            (
                "policy.d/10.toml",
                "[authenticator.a]\nalgorithm = \"RSA_PSS_SHA_256\"\nkeys = [{ file = \"../keys/rsa.pem\" }]",
            ),
        ],
        "policy.d/10.toml:1:16: authenticator `a` is also declared in policy.toml:2\n  hint: remove one of them",
    ),
    // All of it at once: every file, and several in one. What an unreadable file may have had is not missed.
    (
        &[
            (
                "policy.toml",
                "defualt = \"deny\"\n[[namespace]]\nscope = \"UPPER.io/Team\"\nrequire = { all = [] }\n[[namespace]]\nscope = \"x:y/z\"\nrequire = { all = [\"nobody\"] }\nbogus = 1\n",
            ),
            ("policy.d/10.toml", "[[namespace]\n"),
            (
                "policy.d/20.toml",
                "[authenticator.a]\nkeys = [{ file = \"gone.pem\", not-after = 2027-01-01 }, { fiel = \"x\" }]\n",
            ),
        ],
        "policy.d/10.toml:1:13: unclosed array table, expected `]`\n  hint: the file is not valid TOML, see https://toml.io\npolicy.d/20.toml:2:9: the key has no `algorithm`\n  hint: add `algorithm` to the authenticator or the key; known are `RSA_PSS_SHA_256`, `RSA_PSS_SHA_384`, `RSA_PSS_SHA_512`, `RSA_PKCS1_SHA_256`, `RSA_PKCS1_SHA_384`, `RSA_PKCS1_SHA_512`, `ECDSA_SHA_256`, `ECDSA_SHA_384`, `ECDSA_SHA_512`, `ECDSA_P384_SHA_256`, `ECDSA_P521_SHA_256`, `ED25519`, `ED25519PH`\npolicy.d/20.toml:2:18: key `gone.pem`: file does not exist\n  hint: create the file, or correct the name\npolicy.d/20.toml:2:42: `not-after` is a local date or time, which means a different moment in each time zone\n  hint: write date, time and offset, as in 2027-01-01T00:00:00Z\npolicy.d/20.toml:2:56: the key has neither `file` nor `pem` nor `source`\n  hint: write `file`, `pem` or `source`\npolicy.d/20.toml:2:56: the key has no `algorithm`\n  hint: add `algorithm` to the authenticator or the key; known are `RSA_PSS_SHA_256`, `RSA_PSS_SHA_384`, `RSA_PSS_SHA_512`, `RSA_PKCS1_SHA_256`, `RSA_PKCS1_SHA_384`, `RSA_PKCS1_SHA_512`, `ECDSA_SHA_256`, `ECDSA_SHA_384`, `ECDSA_SHA_512`, `ECDSA_P384_SHA_256`, `ECDSA_P521_SHA_256`, `ED25519`, `ED25519PH`\npolicy.d/20.toml:2:58: unknown key `fiel` in a key\n  hint: did you mean `file`? Known are `file`, `pem`, `source`, `fingerprint`, `algorithm`, `salt-length`, `not-before`, `not-after`, `verify`, `remote-timeout`, `remote-rate`, `remote-cache-ttl`\npolicy.toml:1:1: unknown key `defualt` in the file\n  hint: did you mean `default`? Known are `default`, `default-reason`, `authenticator`, `attestation`, `namespace`, `deny`\npolicy.toml:3:9: `Team` has upper-case letters, but repository names are lower case\n  hint: write `team`\npolicy.toml:4:11: requirement names no authenticator, so it would require no signature\n  hint: write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }\npolicy.toml:6:9: `x:y` is not a registry host\n  hint: write a host as in `registry.example.com` or `localhost:5000`\npolicy.toml:8:1: unknown key `bogus` in [[namespace]]\n  hint: known are `scope`, `pods`, `allow`, `deny`, `reason`, `digests`, `until`, `aliases`, `layouts`, `accept`, `identity`, `mode`, `require`",
    ),
];

#[test]
fn never_repeats_what_is_in_a_key() {
    let body: Vec<&str> = P256_PRIVATE.lines().filter(|line| !line.contains("-----")).collect();
    for text in [
        format!("pem = \"\"\"{P256_PRIVATE}\"\"\""),
        format!("pem = \"\"\"{P256_PRIVATE}"),
        format!("file = \"\"\"{P256_PRIVATE}\"\"\""),
        format!("algorithm = \"\"\"{P256_PRIVATE}\"\"\", file = \"keys/p256.pem\""),
        "file = \"keys/private.pem\"".to_owned(),
    ] {
        let said = said(&[(
            "policy.toml",
            &with(&format!("[authenticator.b]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ {text} }}]")),
        )]);
        assert!(body.iter().all(|line| !said.contains(&line[..12])), "{said}");
    }
}

const SIMPLE: &str = "default = \"deny\"\n[authenticator.a]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{ file = \"keys/p256.pem\" }]\n[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"a\"] }\n";

#[test]
fn files_that_others_could_change_are_refused() {
    type Spoil = fn(&Path);
    let cases: &[(&str, Spoil, &str)] = &[
        ("", |_| {}, ""),
        (
            "policy.toml",
            |path| set_mode(path, 0o664),
            "policy.toml: is writable by its group or by everybody (mode 0664)\n  hint: chmod go-w ROOT/policy.toml",
        ),
        (
            "policy.toml",
            |path| set_mode(path, 0o602),
            "policy.toml: is writable by its group or by everybody (mode 0602)\n  hint: chmod go-w ROOT/policy.toml",
        ),
        (
            "keys/p256.pem",
            |path| set_mode(path, 0o666),
            "policy.toml:4:18: key `keys/p256.pem`: is writable by its group or by everybody (mode 0666)\n  hint: chmod go-w ROOT/keys/p256.pem",
        ),
        (
            "keys",
            |path| set_mode(path, 0o775),
            "policy.toml:4:18: key `keys/p256.pem`: directory ROOT/keys is writable by its group or by everybody (mode 0775)\n  hint: chmod go-w ROOT/keys",
        ),
        (
            "",
            |path| set_mode(path, 0o770),
            "policy.d/10.toml: directory ROOT is writable by its group or by everybody (mode 0770)\n  hint: chmod go-w ROOT\npolicy.toml: directory ROOT is writable by its group or by everybody (mode 0770)\n  hint: chmod go-w ROOT",
        ),
        (
            "policy.d",
            |path| set_mode(path, 0o777),
            "policy.d: is writable by its group or by everybody (mode 0777)\n  hint: chmod go-w ROOT/policy.d",
        ),
    ];
    for (name, spoil, expected) in cases {
        let directory = directory(&[("policy.toml", SIMPLE), ("policy.d/10.toml", "")]);
        // `join("")` would add a slash.
        let path = if name.is_empty() { directory.path().to_owned() } else { directory.path().join(name) };
        spoil(&path);
        let said = load(&directory).err().map(|problems| problems.to_string()).unwrap_or_default();
        assert_eq!(said.replace(directory.path().to_str().unwrap(), "ROOT"), *expected, "{name}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_of_somebody_else_are_refused() {
    let directory = directory(&[("policy.toml", SIMPLE)]);
    // Not root, and not who owns the files: as root by giving one away, else by taking it for another's.
    let guard = if nix::unistd::geteuid().is_root() {
        chown(directory.path().join("keys/p256.pem"), Some(12345), None).unwrap();
        Guard::of_process()
    } else {
        Guard::of_user(12345)
    };
    let said = guarded(directory.path(), guard).unwrap_err().to_string();
    assert!(said.contains("belongs to user") && said.contains("hint: chown root"), "{said}");
    let owner = Guard::of_user(12345);
    assert_eq!(guarded(directory.path(), owner).is_ok(), nix::unistd::geteuid().is_root());
}

#[test]
fn links_are_followed_and_what_they_lead_to_is_checked() {
    // As the kubelet mounts a ConfigMap.
    let directory = directory(&[("..2026_01/policy.toml", SIMPLE), ("..2026_01/keys/p256.pem", P256)]);
    let root = directory.path();
    symlink("..2026_01", root.join("..data")).unwrap();
    symlink("..data/policy.toml", root.join("policy.toml")).unwrap();
    let loaded = load(&directory).unwrap();
    assert_eq!(loaded.files.len(), 2);
    set_mode(&root.join("..2026_01"), 0o775);
    assert!(load(&directory).unwrap_err().to_string().contains("..2026_01 is writable"));
    set_mode(&root.join("..2026_01"), 0o755);

    // Out of the directory: what is there counts too.
    let elsewhere = directory_of(&[("open/key.pem", P256)]);
    fs::remove_file(root.join("keys/p256.pem")).unwrap();
    symlink(elsewhere.path().join("open/key.pem"), root.join("keys/p256.pem")).unwrap();
    load(&directory).unwrap();
    set_mode(&elsewhere.path().join("open"), 0o777);
    assert!(load(&directory).unwrap_err().to_string().contains("open is writable"));
}

#[test]
fn files_that_are_no_texts_are_refused() {
    let limit = usize::try_from(MAX_POLICY_BYTES).unwrap();
    for (content, expected) in [
        (vec![0xff], "policy.toml: file is not UTF-8 text\n  hint: save the file as UTF-8"),
        (vec![b'#'; limit + 1], "policy.toml: file is larger than 4194304 bytes\n  hint: split it"),
    ] {
        let directory = directory(&[("policy.toml", "")]);
        fs::write(directory.path().join("policy.toml"), content).unwrap();
        assert_eq!(load(&directory).unwrap_err().to_string(), expected);
    }
    let directory = directory(&[("policy.toml/x", "")]);
    assert_eq!(
        load(&directory).unwrap_err().to_string(),
        "policy.toml: is not a regular file\n  hint: name a file"
    );
    let pipe = directory_of(&[]);
    nix::unistd::mkfifo(&pipe.path().join("policy.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        load(&pipe).unwrap_err().to_string(),
        "policy.toml: is not a regular file\n  hint: name a file"
    );
    let broken = directory_of(&[]);
    symlink("nowhere", broken.path().join("policy.toml")).unwrap();
    assert_eq!(
        load(&broken).unwrap_err().to_string(),
        "policy.toml: file does not exist\n  hint: create the file, or correct the name"
    );
}

#[test]
fn drop_ins_that_a_link_no_longer_leads_to_are_missed() {
    let directory = directory(&[("policy.toml", "default = \"deny\"")]);
    load(&directory).unwrap();
    symlink("nowhere", directory.path().join("policy.d")).unwrap();
    assert_eq!(
        load(&directory).unwrap_err().to_string(),
        "policy.d: file does not exist\n  hint: create the file, or correct the name"
    );
}

#[test]
fn warns_of_what_is_hardly_meant() {
    let text = "default = \"deny\"
[authenticator.unused]
algorithm = \"ECDSA_SHA_256\"
keys = [{ file = \"keys/p256.pem\" }]
[authenticator.old]
algorithm = \"ECDSA_SHA_256\"
keys = [{ file = \"keys/p256.pem\", not-after = 2026-01-01T00:00:00Z }]
[authenticator.new]
algorithm = \"ECDSA_SHA_256\"
keys = [{ file = \"keys/p256.pem\", not-after = 2026-07-01T00:00:00Z }]
[[namespace]]
scope = \"nginx\"
require = { any = [\"old\", \"new\"] }
";
    let warnings: Vec<String> = load(&directory(&[("policy.toml", text)]))
        .unwrap()
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "policy.toml:2:16: authenticator `unused` is required by no rule\n  hint: require it in a rule, or remove it from the policy",
            "policy.toml:5:16: authenticator `old` has no key that is valid now, so it accepts no signature\n  hint: add a key whose `not-before` has passed and whose `not-after` has not",
        ]
    );
}

#[test]
fn ten_thousand_rules_fit_and_so_do_ten_thousand_mistakes() {
    let rules = |from: &str| -> String {
        (0..10_000)
            .map(|n| format!("[[namespace]]\nscope = \"registry.example.com/team-{n}\"\n{from}\n"))
            .collect()
    };
    let good = directory(&[("policy.toml", &format!("default = \"deny\"\n{}", rules("deny = \"x\"")))]);
    assert_eq!(load(&good).unwrap().policy.rules().count(), 10_000);
    let bad = directory(&[("policy.toml", &format!("default = \"deny\"\n{}", rules("deny = 1")))]);
    assert_eq!(load(&bad).unwrap_err().iter().count(), MAX_PROBLEMS);
}

#[test]
fn the_policy_that_is_installed_loads_and_denies() {
    let directory = directory(&[("policy.toml", include_str!("../../../config/policy.toml"))]);
    let loaded = load(&directory).unwrap();
    assert_eq!(loaded.warnings, []);
    let rule = loaded.policy.applicable_rules(&Repository::parse("nginx").unwrap(), None).strictest().clone();
    assert!(matches!(rule.action(), Action::Deny { .. }), "{rule:?}");
    assert_eq!(loaded.policy.rules().count(), 0);
}

/// The examples in the comments of the installed policy are right too, once there are keys.
#[test]
fn the_examples_in_the_installed_policy_load() {
    let text: String = include_str!("../../../config/policy.toml")
        .lines()
        .map(|line| line.strip_prefix("#! ").unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let keys = [("keys/release-2026.pem", RSA), ("keys/release-2027.pem", P256), ("keys/security.pem", P256)];
    let mut files = vec![("policy.toml", text.as_str())];
    files.extend(keys);
    files.push(("trust/public-good.json", PUBLIC_GOOD));
    let loaded = load(&directory(&files)).unwrap();
    // Two of its authenticators serve several scopes, and the key that the example denies is in no authenticator.
    let (shared, warned): (Vec<_>, Vec<_>) = loaded
        .warnings
        .iter()
        .map(Problem::message)
        .partition(|message| message.contains(" is required for `"));
    assert_eq!(shared.len(), 2, "{shared:?}");
    let zeros = format!(
        "denied key sha256:{} belongs to no authenticator, so denying it has no effect",
        "0".repeat(64)
    );
    assert_eq!(warned, [zeros]);
    assert!(loaded.policy.rules().count() >= 3);
}

#[test]
fn reads_pods_modes_bounds_and_the_deny_list() {
    let zeros = format!("sha256:{}", "0".repeat(64));
    let rules = format!(
        r#"
[[namespace]]
scope = "r.io/team"
pods = ["payments", "payments-*"]
require = {{ all = ["release"] }}
accept = "either"
mode = "audit"

[[namespace]]
scope = "r.io/team"
allow = "unsigned"
reason = "bootstrap"
digests = ["{zeros}"]
until = 2026-05-01T00:00:00Z

[deny]
digests = [{{ digest = "{zeros}", reason = "broken" }}]
keys = [{{ key = "{zeros}", reason = "lost" }}]
"#
    );
    let loaded = load(&directory(&[("policy.toml", &with(&rules))])).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "policy.toml:14:9: `until` (2026-05-01T00:00:00Z) has passed, so the rule now refuses the images that it allowed\n  hint: remove the rule, or set another time".to_owned(),
            format!("policy.toml:22:17: {}", unknown_key(&zeros)),
        ]
    );
    let team = Repository::parse("r.io/team").unwrap();
    let applicable = loaded.policy.applicable_rules(&team, Some("payments-eu"));
    let rule = applicable.strictest();
    assert_eq!(
        (rule.mode(), rule.signed_object()),
        (crate::policy::Mode::Audit, crate::policy::SignedObject::Either)
    );
    let Action::AllowUnsigned(allowance) =
        loaded.policy.applicable_rules(&team, Some("web")).strictest().action()
    else {
        panic!("another rule");
    };
    assert_eq!(allowance.digests.len(), 1);
    assert_eq!(loaded.policy.deny_list().keys().collect::<Vec<_>>(), [(zeros.as_str(), "lost")]);
    assert_eq!(loaded.policy.deny_list().digests().len(), 1);
    let without = load(&directory(&[("policy.toml", &with(rules.split("[deny]").next().unwrap()))])).unwrap();
    assert_ne!(without.policy.hash(), loaded.policy.hash());
}

/// The warning about a denied key that no authenticator has.
fn unknown_key(fingerprint: &str) -> String {
    format!(
        "denied key {fingerprint} belongs to no authenticator, so denying it has no effect\n  hint: compare this fingerprint with the one that `pullgate verify --wide` shows; if the key was removed from the policy, remove the entry, too"
    )
}

#[test]
fn b18_a_key_is_denied_in_every_encoding_and_a_mistake_is_reported() {
    let rule = "[[namespace]]\nscope = \"r.io\"\nrequire = { all = [\"release\"] }\n";
    // throw-away-p256: its DER with the point uncompressed, and compressed.
    for (fingerprint, known) in [
        ("sha256:32101e6b9499ba045234aca7583ccaaed71bab305063939bdc185224c0679d0b", true),
        ("sha256:7686e06c35167851cefbf0e658333783cc3c0f6ff3675d3f7d5b43f7c08012b3", true),
        ("sha256:7686e06c35167851cefbf0e658333783cc3c0f6ff3675d3f7d5b43f7c08012b4", false),
    ] {
        let deny = format!("{rule}[deny]\nkeys = [{{ key = \"{fingerprint}\", reason = \"lost\" }}]\n");
        let loaded = load(&directory(&[("policy.toml", &with(&deny))])).unwrap();
        let authenticator = loaded.policy.authenticator("release").unwrap();
        assert_eq!(authenticator.keys().is_empty(), known, "{fingerprint}");
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        let reported = warnings.contains(&format!("policy.toml:9:17: {}", unknown_key(fingerprint)));
        assert_eq!(reported, !known, "{warnings:?}");
    }
}

#[test]
fn c_a_byte_order_mark_is_reported() {
    assert_eq!(
        said(&[("policy.toml", "\u{feff}default = \"deny\"\n")]),
        "policy.toml: file begins with a byte order mark\n  hint: save the file as UTF-8 without a byte order mark (BOM)"
    );
}

#[test]
fn warns_of_an_authenticator_whose_keys_are_all_denied() {
    let rule = "[[namespace]]\nscope = \"r.io\"\nrequire = { all = [\"release\"] }\n";
    let loaded = load(&directory(&[("policy.toml", &with(rule))])).unwrap();
    let key = loaded.policy.authenticator("release").unwrap().keys()[0].public.fingerprint().to_owned();
    let deny = format!("{rule}[deny]\nkeys = [{{ key = \"{key}\", reason = \"lost\" }}]\n");
    let denied = load(&directory(&[("policy.toml", &with(&deny))])).unwrap();
    let said = denied.warnings.first().unwrap().message();
    assert_eq!(said, "every key of authenticator `release` is on the deny list, so it accepts no signature");
    assert!(denied.policy.authenticator("release").unwrap().keys().is_empty());
}

#[test]
fn b10_an_authenticator_of_several_scopes_that_accept_bundles_is_reported() {
    let rule = |scope: &str, more: &str| {
        format!("[[namespace]]\nscope = \"{scope}\"\nrequire = {{ any = [\"release\"] }}\n{more}\n")
    };
    let classic = "layouts = [\"classic\"]";
    for (rules, reported) in [
        (rule("r.io/a", ""), false),
        (rule("r.io/a", "") + &rule("r.io/a", "pods = [\"x\"]"), false),
        (rule("r.io/a", "") + &rule("r.io/b", ""), true),
        (
            rule("r.io/a", "layouts = [\"bundle\"]") + &rule("r.io/b", "layouts = [\"bundle\", \"classic\"]"),
            true,
        ),
        (rule("r.io/a", "") + &rule("r.io/b", classic), false),
        (rule("r.io/a", classic) + &rule("r.io/b", classic), false),
    ] {
        let warnings = warned(&with(&rules));
        assert_eq!(!warnings.is_empty(), reported, "{rules}\n{warnings:?}");
    }
    assert_eq!(
        warned(&with(&(rule("r.io/a", "") + &rule("r.io/b", "") + &rule("r.io/c", "")))),
        [
            "policy.toml:2:16: authenticator `release` is required for `r.io/a` and `r.io/b` and others: a bundle need not name its repository, so a signature made for one of these scopes is valid for all of them\n  hint: add `identity = \"required\"` if `pullgate-signer` signs, or `layouts = [\"classic\"]`, or use a separate key for each scope"
        ]
    );
}

#[test]
fn says_what_is_wrong_with_pods_modes_bounds_and_the_deny_list() {
    let rule = |more: &str| with(&format!("[[namespace]]\nscope = \"r.io\"\n{more}\n"));
    let require = "require = { all = [\"release\"] }";
    let allow = "allow = \"unsigned\"\nreason = \"x\"";
    for (text, message) in [
        (rule(&format!("{require}\npods = []")), "`pods` is empty, so the rule would never apply"),
        (rule(&format!("{require}\npods = [\"a/b\"]")), "`a/b` cannot match any Kubernetes namespace"),
        (rule(&format!("{require}\npods = \"a\"")), "`pods` is a string"),
        (rule(&format!("{require}\nmode = \"of\"")), "unknown value `of` for `mode`"),
        (rule(&format!("{require}\naccept = \"all\"")), "unknown value `all` for `accept`"),
        (
            rule(&format!("{allow}\naccept = \"index\"")),
            "`accept` is set in a rule that requires no signature",
        ),
        (
            rule(&format!("{allow}\nlayouts = [\"classic\"]")),
            "`layouts` is set in a rule that requires no signature",
        ),
        (
            rule("require = { attestations = [\"c\"] }\nidentity = \"required\"")
                + "[attestation.c]\ntype = \"sbom\"\nby = \"release\"\n",
            "`identity` is set in a rule that requires only attestations",
        ),
        (rule(&format!("{require}\nlayouts = []")), "`layouts` is empty, so no signature would count"),
        (rule(&format!("{require}\nlayouts = [\"both\"]")), "unknown value `both` for `layouts`"),
        (rule(&format!("{require}\nlayouts = \"classic\"")), "`layouts` is a string"),
        (rule(&format!("{require}\ndigests = []")), "`digests` cannot be combined with `require`"),
        (rule("deny = \"x\"\nuntil = 2027-01-01T00:00:00Z"), "`until` cannot be combined with `deny`"),
        (rule(&format!("{allow}\ndigests = []")), "`digests` has 0 entries, but must have 1 to 10000"),
        (rule(&format!("{allow}\ndigests = [\"sha1:0\"]")), "a digest, `sha1:0`, is not valid"),
        (rule(&format!("{allow}\nuntil = 2027-01-01")), "`until` is a local date or time"),
        (rule(&format!("{require}\n[deny]\nkey = []")), "unknown key `key` in [deny]"),
        (
            rule(&format!("{require}\n[deny]\nkeys = [{{ key = \"ab\", reason = \"x\" }}]")),
            "`ab` is not the fingerprint of a key",
        ),
        (
            rule(&format!("{require}\n[deny]\nkeys = [{{ key = \"ab\" }}]")),
            "an entry of `keys` has no `key` or no `reason`",
        ),
        (rule(&format!("{require}\n[deny]\ndigests = [\"x\"]")), "an entry of `digests` is a string"),
        (
            format!(
                "{}[[namespace]]\nscope = \"r.io\"\npods = [\"ab\"]\n{require}\n",
                rule(&format!("pods = [\"a*\"]\n{require}"))
            ),
            "scope `r.io` is as specific as `r.io` of policy.toml:6",
        ),
    ] {
        let said = said(&[("policy.toml", &text)]);
        assert!(said.contains(message), "{text}\n{said}");
    }
}

#[test]
fn a_reload_follows_the_swap_of_a_mounted_config_map() {
    // As the kubelet mounts it: the names lead through `..data`, which is replaced by a rename.
    let mounted = directory(&[]);
    let root = mounted.path();
    let version = |name: &str, text: &str| {
        let version = root.join(name);
        fs::create_dir(&version).unwrap();
        fs::set_permissions(&version, Permissions::from_mode(0o755)).unwrap();
        fs::write(version.join("policy.toml"), text).unwrap();
        fs::set_permissions(version.join("policy.toml"), Permissions::from_mode(0o644)).unwrap();
        symlink(name, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    version("..v1", &with("[[namespace]]\nscope = \"r.io\"\nrequire = { all = [\"release\"] }\n"));
    symlink("..data/policy.toml", root.join("policy.toml")).unwrap();
    let first = load(&mounted).unwrap().policy;
    version("..v2", "default = \"deny\"\n");
    let second = load(&mounted).unwrap().policy;
    assert_eq!((first.rules().count(), second.rules().count()), (1, 0));
    assert_ne!(first.hash(), second.hash());
    version("..v3", "default = \"dny\"\n");
    assert!(load(&mounted).is_err(), "the new one is read, and is wrong");
}

const PUBLIC_GOOD: &str = include_str!("../../../tests/fixtures/sigstore/roots/production.json");
const GITHUB: &str = include_str!("../../../tests/fixtures/sigstore/roots/github.json");

#[test]
fn keyless_authenticators_that_would_accept_too_much_do_not_load() {
    let issuer = "issuer = \"https://token.actions.githubusercontent.com\"";
    let root = "trust-root = \"trust/public-good.json\"";
    let subject = "subject = \"https://github.com/acme/**\"";
    for (lines, problem) in [
        (format!("{root}\n{issuer}\n{subject}"), None),
        (format!("{root}\n{issuer}\nsource-repository-id = \"1\""), None),
        (format!("trust-root = [\"trust/github.json\"]\n{issuer}\n{subject}\nlog = \"none\""), None),
        (
            format!("{issuer}\n{subject}"),
            Some(
                "policy.toml:2:16: authenticator `ci` has no `trust-root`\n  hint: add for example `trust-root = \"trust/public-good.json\"`, the trusted_root.json of the instance",
            ),
        ),
        (
            format!("{root}\n{subject}"),
            Some(
                "policy.toml:2:16: authenticator `ci` has no `issuer`\n  hint: write the issuer of the signer's tokens, such as \"https://token.actions.githubusercontent.com\"",
            ),
        ),
        (
            format!("{root}\n{issuer}"),
            Some(
                "policy.toml:2:16: authenticator `ci` would accept every identity of its issuer\n  hint: add `subject` or one of `workflow`, `source-repository`, `source-repository-id`, `source-repository-owner-id`, `build-config`; a pattern for URLs must have a whole path segment before the first `*`, as in `https://host/acme/**`",
            ),
        ),
        (
            format!("{root}\n{issuer}\nsubject = \"\""),
            Some(
                "policy.toml:6:11: `subject` is empty\n  hint: write the exact text, or a pattern: `*` stands for any characters except `/`, `**` for any characters",
            ),
        ),
        (
            format!("{root}\nissuer = \"\"\n{subject}"),
            Some(
                "policy.toml:5:10: `issuer` is not a URL\n  hint: write it as in the certificates, such as \"https://token.actions.githubusercontent.com\"",
            ),
        ),
        (
            format!("trust-root = \"trust/none.json\"\n{issuer}\n{subject}"),
            Some("policy.toml:4:14: trusted root `trust/none.json`: file does not exist"),
        ),
        (
            format!("trust-root = \"keys/p256.pem\"\n{issuer}\n{subject}"),
            Some(
                "policy.toml:4:14: trusted root `keys/p256.pem`: it is not JSON (line 1, column 2)\n  hint: write the trusted_root.json of the instance into it, version 0.1 or 0.2",
            ),
        ),
        (
            format!(
                "trust-root = [\"trust/public-good.json\", \"trust/public-good.json\"]\n{issuer}\n{subject}"
            ),
            Some(
                "policy.toml:4:14: trust/public-good.json and trust/public-good.json are the same trusted root\n  hint: keep one of them",
            ),
        ),
        (
            format!("trust-root = \"trust/github.json\"\n{issuer}\n{subject}"),
            Some(
                "policy.toml:4:14: trusted root trust/github.json has no logs\n  hint: if the Sigstore instance runs without logs, write `log = \"none\"`",
            ),
        ),
        (
            format!("{root}\n{issuer}\n{subject}\nlog = \"none\""),
            Some(
                "policy.toml:4:14: trusted root trust/public-good.json has logs, but `log = \"none\"` would ignore them\n  hint: name the trusted root of the Sigstore instance that signs, or correct `log`",
            ),
        ),
        (
            format!("{root}\n{issuer}\n{subject}\nlog = \"off\""),
            Some("policy.toml:7:7: unknown value `off` for `log`\n  hint: known are `required`, `none`"),
        ),
        (
            format!("{root}\n{issuer}\n{subject}\nalgorithm = \"ED25519\""),
            Some("policy.toml:7:1: unknown key `algorithm` in [authenticator.ci]"),
        ),
    ] {
        let text = format!(
            "default = \"deny\"\n[authenticator.ci]\ntype = \"keyless\"\n{lines}\n[[namespace]]\nscope = \"**\"\nrequire = {{ all = [\"ci\"] }}\n"
        );
        let directory = directory(&[
            ("policy.toml", &text),
            ("trust/public-good.json", PUBLIC_GOOD),
            ("trust/github.json", GITHUB),
        ]);
        let loaded = load_policy(directory.path(), NOW.parse().unwrap());
        match (loaded, problem) {
            (Ok(loaded), None) => {
                assert!(loaded.files.iter().any(|file| file.ends_with(if lines.contains("github.json") {
                    "trust/github.json"
                } else {
                    "trust/public-good.json"
                })))
            }
            (Err(problems), Some(expected)) => {
                let text = problems.to_string();
                assert!(text.starts_with(expected), "{lines}\n{text}");
            }
            (loaded, _) => {
                panic!("{lines}: {:?}", loaded.map(|_| ()).map_err(|problems| problems.to_string()))
            }
        }
    }
}

#[test]
fn a_trusted_root_that_ends_soon_is_a_warning() {
    let text = "default = \"deny\"\n[authenticator.ci]\ntype = \"keyless\"\ntrust-root = \"trust/a.json\"\nissuer = \"https://issuer.example\"\nsubject = \"a@b.example\"\n[[namespace]]\nscope = \"nginx\"\nrequire = { all = [\"ci\"] }\n";
    let directory = directory(&[("policy.toml", text), ("trust/a.json", PUBLIC_GOOD)]);
    let warnings = |now: &str| load_policy(directory.path(), now.parse().unwrap()).unwrap().warnings;
    assert_eq!(warnings(NOW), []);
    let warned: Vec<_> = warnings("2031-09-30T00:00:00Z").iter().map(ToString::to_string).collect();
    let expected = "policy.toml:2:16: trusted root trust/a.json will not cover signatures made after 2031-10-05T13:56:58Z, when its last certificate authority expires\n  hint: replace its file with a newer version";
    assert_eq!(warned, [expected]);
}
