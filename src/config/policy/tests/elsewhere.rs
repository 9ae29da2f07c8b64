//! Keys that are named by `source`, and whose services have a say.

use std::time::Duration;

use super::*;
use crate::keys::KeyCache;
use crate::trust::{Algorithm, PssSalt, PublicKey};

const KMS: &str = "alikms://key-1/v-1?region=cn-hangzhou";

fn fingerprint(pem: &str, algorithm: Algorithm) -> String {
    PublicKey::from_pem(pem, algorithm, PssSalt::default()).unwrap().fingerprint().to_owned()
}

fn p256() -> String {
    fingerprint(P256, Algorithm::EcdsaSha256)
}

/// A policy with one authenticator with one key, of which `key` and `more` say the rest.
fn policy(key: &str, more: &str) -> String {
    format!(
        "default = \"deny\"\n[authenticator.a]\nalgorithm = \"ECDSA_SHA_256\"\n{more}\nkeys = [{{ {key} }}]\n\
         [[namespace]]\nscope = \"nginx\"\nrequire = {{ all = [\"a\"] }}\n"
    )
}

fn at(place: &str) -> String {
    format!("source = \"{place}\", fingerprint = \"{}\"", p256())
}

/// What becomes of a policy when the cache holds these keys.
fn survey(text: &str, kept: &[(&str, &str)]) -> Survey {
    let directory = directory(&[("policy.toml", text)]);
    let cache = directory.path().join("cache");
    fs::create_dir(&cache).unwrap();
    for (fingerprint, pem) in kept {
        fs::write(cache.join(format!("{}.pem", fingerprint.trim_start_matches("sha256:"))), pem).unwrap();
    }
    let known = KnownKeys { cache: KeyCache::new(cache), ..KnownKeys::default() };
    survey_policy(directory.path(), &known, NOW.parse().unwrap(), ROOT_NOTICE)
}

#[test]
fn a_key_that_is_kept_is_what_its_fingerprint_says_or_missing() {
    let text = policy(&at(KMS), "");
    let found = survey(&text, &[(&p256(), P256)]);
    let loaded = found.loaded.unwrap();
    let key = &loaded.policy.authenticator("a").unwrap().keys()[0];
    assert_eq!((key.public.fingerprint(), key.origin.as_str()), (p256().as_str(), KMS));
    assert!(key.remote.is_none(), "it is verified here, unless something else is asked for");
    assert!(found.declared[0].cached);
    for kept in [
        vec![],
        vec![(p256(), RSA)],
        vec![(p256(), "")],
        vec![(fingerprint(RSA, Algorithm::RsaPssSha256), P256)],
    ] {
        let kept: Vec<_> = kept.iter().map(|(name, pem)| (name.as_str(), *pem)).collect();
        let found = survey(&text, &kept);
        let said = found.loaded.unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("policy.toml:5:20: key `{KMS}` has not been fetched into ")),
            "{said}"
        );
        assert!(
            said.ends_with(
                "hint: the daemon fetches the key; to fetch it now, run `pullgate-signer keys fetch`"
            ),
            "{said}"
        );
        assert_eq!((found.declared.len(), found.declared[0].cached), (1, false));
        assert_eq!(found.declared[0].key.location.to_string(), KMS);
    }
}

#[test]
fn why_a_key_could_not_be_had_is_what_is_wrong_with_the_policy() {
    let directory = directory(&[("policy.toml", &policy(&at(KMS), ""))]);
    let known = KnownKeys {
        cache: KeyCache::new(directory.path().join("cache")),
        failures: [(KMS.to_owned(), "KMS did not answer in time".to_owned())].into(),
    };
    let said = survey_policy(directory.path(), &known, NOW.parse().unwrap(), ROOT_NOTICE)
        .loaded
        .unwrap_err()
        .to_string();
    assert!(said.contains(&format!("key `{KMS}` cannot be fetched: KMS did not answer in time")), "{said}");
}

#[test]
fn what_is_demanded_of_a_service_is_the_keys_own_or_its_authenticators() {
    let remote = |key: &str, more: &str| {
        let loaded = survey(&policy(&format!("{}{key}", at(KMS)), more), &[(&p256(), P256)]).loaded.unwrap();
        let remote = loaded.policy.authenticator("a").unwrap().keys()[0].remote.clone();
        let told = remote.map(|it| (it.timeout.as_millis(), it.rate, it.memory.as_secs()));
        (told, loaded.policy.hash().to_owned())
    };
    let wanted = "verify = \"remote\"";
    let set = "remote-timeout = \"200ms\"\nremote-rate = 3\nremote-cache-ttl = \"2m\"";
    let rows = [
        ("", "", None),
        ("", "verify = \"local\"", None),
        ("", wanted, Some((5000, 10, 3600))),
        (", verify = \"remote\"", "", Some((5000, 10, 3600))),
        ("", &format!("{wanted}\n{set}"), Some((200, 3, 120))),
        (", remote-rate = 4", &format!("{wanted}\n{set}"), Some((200, 4, 120))),
        (", verify = \"remote\", remote-cache-ttl = \"1440m\"", "", Some((5000, 10, 86_400))),
        (", verify = \"remote\", remote-cache-ttl = \"0s\"", "", Some((5000, 10, 0))),
    ];
    let mut hashes = std::collections::BTreeSet::new();
    for (key, more, expected) in rows {
        let (told, hash) = remote(key, more);
        assert_eq!(told, expected, "{key} {more}");
        hashes.insert(hash);
    }
    assert_eq!(hashes.len(), 6, "a verdict under one of them is none under another");
}

#[test]
fn says_what_is_wrong_with_a_key_that_is_elsewhere() {
    let remote = |place: &str| policy(&format!("{}, verify = \"remote\"", at(place)), "");
    let file = |more: &str| policy(&format!("file = \"keys/p256.pem\"{more}"), "");
    for (text, expected) in [
        (
            policy(&format!("source = \"{KMS}\""), ""),
            "policy.toml:5:20: the key has a `source`, but no `fingerprint`\n  hint: run `pullgate-signer keys public 'alikms://key-1/v-1?region=cn-hangzhou'`, compare the fingerprint",
        ),
        (
            policy(&format!("source = \"{KMS}\", fingerprint = \"ab\""), ""),
            "`ab` is not the fingerprint of a key",
        ),
        (
            policy(&format!("{}, file = \"keys/p256.pem\"", at(KMS)), ""),
            "the key has more than one of `file`, `pem` and `source`",
        ),
        (
            file(&format!(", fingerprint = \"{}\"", p256())),
            "`fingerprint` cannot be combined with `file` or `pem`",
        ),
        (
            policy(&at("/etc/key.pem"), ""),
            "`source` is a file\n  hint: name a public key in a file by `file`",
        ),
        (policy(&at("vault://release"), ""), "`source` names no version of the key\n  hint: add `version=`"),
        (policy(&at("awskms://release"), ""), "`source`: `awskms:` is not a supported kind of location"),
        (policy(&at("pkcs11:token=a;object=b?pin-value=1"), ""), "`pin-value` would put a secret"),
        (
            remote("pkcs11:token=a;object=b"),
            "`verify` is `remote`, but `pkcs11:token=a;object=b` cannot confirm signatures: a PKCS#11 token",
        ),
        (
            file(", verify = \"remote\""),
            "`verify` is `remote`, but the key has no `source` that could confirm its signatures",
        ),
        (
            policy("file = \"keys/p256.pem\"", "verify = \"remote\""),
            "`verify` is `remote`, but the key has no `source`",
        ),
        (
            policy(&at(KMS), "verify = \"always\""),
            "unknown value `always` for `verify`\n  hint: known are `local`, `remote`",
        ),
        (
            policy(&at(KMS), "remote-rate = 5"),
            "a `remote-` option is set, but no key here has `verify = \"remote\"`",
        ),
        (policy(&format!("{}, remote-cache-ttl = \"1m\"", at(KMS)), ""), "a `remote-` option is set"),
        (
            policy(&at(KMS), "verify = \"remote\"\nremote-timeout = \"1ms\""),
            "`remote-timeout` is out of range\n  hint: write a value from 100ms to 1m; the default is 5s",
        ),
        (policy(&at(KMS), "verify = \"remote\"\nremote-rate = 0"), "`remote-rate` is out of range"),
        (
            policy(&at(KMS), "verify = \"remote\"\nremote-cache-ttl = \"1441m\""),
            "`remote-cache-ttl` is out of range\n  hint: write a value from 0s to 1440m; the default is 60m",
        ),
        (
            policy(&format!("{}, verify = \"remote\", algorithm = \"ED25519\"", at(KMS)), ""),
            "cannot confirm signatures: KMS verifies only RSA_PSS_SHA_256",
        ),
        (
            policy(
                &format!("{}, verify = \"remote\", algorithm = \"ED25519PH\"", at("vault://a?version=1")),
                "",
            ),
            "cannot confirm signatures: the transit engine verifies pure Ed25519 only, not ED25519PH",
        ),
        (
            policy(
                &format!(
                    "{}, verify = \"remote\", algorithm = \"RSA_PSS_SHA_256\", salt-length = 20",
                    at(KMS)
                ),
                "",
            ),
            "cannot confirm signatures: its service verifies only salts of 32 bytes\n  hint: leave `salt-length` out",
        ),
    ] {
        let said = survey(&text, &[(&p256(), P256)]).loaded.map(drop).expect_err(&text).to_string();
        assert!(said.contains(expected), "{text}\n{said}");
    }
    // The same is right where it belongs.
    for text in [
        policy(&at("vault://release?version=2"), "verify = \"remote\""),
        policy(&at("pkcs11:token=a;object=b"), ""),
        policy(&format!("{}, verify = \"local\"", at(KMS)), "verify = \"remote\""),
    ] {
        survey(&text, &[(&p256(), P256)]).loaded.map(drop).unwrap_or_else(|said| panic!("{text}\n{said}"));
    }
    assert_eq!(crate::keys::LONGEST_MEMORY, Duration::from_secs(86_400));
}

#[test]
fn keys_that_are_denied_are_denied_wherever_they_are() {
    let text =
        format!("{}[deny]\nkeys = [{{ key = \"{}\", reason = \"lost\" }}]\n", policy(&at(KMS), ""), p256());
    let loaded = survey(&text, &[(&p256(), P256)]).loaded.unwrap();
    assert!(loaded.policy.authenticator("a").unwrap().keys().is_empty());
}
