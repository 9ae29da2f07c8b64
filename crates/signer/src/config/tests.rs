use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{Address, Limits, Trigger};
use pullgate_core::signature::EnvelopeType;
use pullgate_core::trust::Algorithm;
use pullgate_keys::Location;
use pullgate_sign::Layout;
use pullgate_test::schema::agrees;

fn load(text: &str) -> Result<SignerSettings, String> {
    let read = read("signer.toml", text, Path::new("/etc/pullgate")).map_err(|problems| problems.to_string());
    agrees("signer", text, read.as_ref().map(drop).map_err(Clone::clone));
    read
}

const WHOLE: &str = r#"
[registry]
host = "r.example:5000"

[authenticator.release]
key = "keys/release.key"
algorithm = "RSA_PSS_SHA_256"
signatures-per-second = 200

[[rule]]
name = "payments"
authenticator = "release"
algorithm = "RSA_PSS_SHA_256"
scope = ["r.example:5000/payments", "r.example:5000/*/app"]
trigger = "manual"
layout = "both"
tags = { include = ["v*"], exclude = ["*-dev"] }
"#;

#[test]
fn a_complete_file_is_read() {
    let settings = load(WHOLE).unwrap();
    assert_eq!(settings.registry.host, "r.example:5000");
    assert_eq!(settings.listen.address, Address::Tcp("127.0.0.1:8790".parse().unwrap()));
    assert!(settings.reconcile.baseline && settings.reconcile.interval.is_none());
    let key = &settings.authenticators["release"];
    assert_eq!(key.location, Location::File(PathBuf::from("/etc/pullgate/keys/release.key")));
    assert_eq!((key.algorithm, key.per_second), (Algorithm::RsaPssSha256, 200));
    let [rule] = settings.rules.as_slice() else { panic!("{:?}", settings.rules) };
    assert_eq!((rule.name.as_str(), rule.trigger, rule.layout), ("payments", Trigger::Manual, Layout::Both));
    assert_eq!(rule.scopes.len(), 2);
    assert_eq!(rule.tags.to_string(), "v*, !*-dev");
}

#[test]
fn missing_options_have_their_defaults() {
    let text = WHOLE.replace("trigger = \"manual\"\nlayout = \"both\"\n", "");
    let rule = &load(&text).unwrap().rules[0];
    assert_eq!((rule.trigger, rule.layout), (Trigger::Automatic, Layout::Both));
    let limits = load("[registry]\nhost = \"r.example\"").unwrap().limits;
    assert_eq!(limits, Limits::default());
}

#[test]
fn notation_needs_a_key_that_it_has() {
    let chain = "certificate-chain = \"keys/release.pem\"\n";
    let text = WHOLE.replace("\"both\"", "\"notation\"").replace("[[rule]]", &format!("{chain}[[rule]]"));
    let settings = load(&text).unwrap();
    let path = settings.authenticators["release"].certificate_chain.clone();
    assert_eq!(path, Some(PathBuf::from("/etc/pullgate/keys/release.pem")));
    assert_eq!(
        (settings.rules[0].layout, settings.rules[0].attaching.envelope),
        (Layout::Notation, EnvelopeType::Jws)
    );
    let refused: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| {
            let error = load(&text.replace("RSA_PSS_SHA_256", algorithm.name())).err().unwrap_or_default();
            error.contains("which Notation signatures do not have")
        })
        .collect();
    use Algorithm::*;
    assert_eq!(
        refused,
        [
            RsaPkcs1Sha256,
            RsaPkcs1Sha384,
            RsaPkcs1Sha512,
            EcdsaP384Sha256,
            EcdsaP521Sha256,
            Ed25519,
            Ed25519ph
        ]
    );
}

#[test]
fn the_installed_file_is_valid() {
    let text = include_str!("../../../../config/signer.toml");
    let defaults = load("[registry]\nhost = \"registry.example.com\"").unwrap();
    assert_eq!(load(text).unwrap(), defaults, "what is set there is the default");
}

#[test]
fn problems_are_reported_with_their_position() {
    for (from, to, expected) in [
        ("host = \"r.example:5000\"", "host = \"https://r.example\"", ":3:8: `host` is not the host"),
        ("host = \"r.example:5000\"", "", "[registry] has no `host`"),
        ("host = \"r.example:5000\"", "host = \"r.example:5000\"\nusername = \"x\"", "must be set together"),
        ("host = \"r.example:5000\"", "hosts = \"a\"\nhost = \"r.example:5000\"", "absolute"),
        ("RSA_PSS_SHA_256\"\nsignatures", "RSA_PSS\"\nsignatures", ":7:13: unknown algorithm `RSA_PSS`"),
        (
            "algorithm = \"RSA_PSS_SHA_256\"\nscope",
            "algorithm = \"ECDSA_SHA_256\"\nscope",
            "signs with RSA_PSS_SHA_256",
        ),
        ("authenticator = \"release\"", "authenticator = \"relase\"", "did you mean `release`"),
        ("key = \"keys/release.key\"\n", "", "has no `key`"),
        ("keys/release.key", "ftp://x", "is not the location of a key"),
        ("\"r.example:5000/*/app\"", "\"other.example/app\"", "is not in the registry that [registry] names"),
        ("\"r.example:5000/*/app\"", "\"**\"", "is not in the registry that [registry] names"),
        ("\"r.example:5000/*/app\"", "\"r.example:5000/App\"", "upper-case"),
        ("[\"r.example:5000/payments\", \"r.example:5000/*/app\"]", "[]", "must name 1 to"),
        ("\"manual\"", "\"automatc\"", "did you mean `automatic`"),
        ("\"both\"", "\"cosign\"", "unknown value `cosign` for `layout`"),
        ("\"both\"", "\"both\"\nenvelope = \"jws\"", "are for Notation signatures only"),
        ("\"both\"", "\"both\"\nexpires-in = \"90d\"", "are for Notation signatures only"),
        ("\"both\"", "\"notation\"", "authenticator `release` has no `certificate-chain`"),
        ("\"both\"", "\"both\"\ntimestamp = \"http://tsa.example\"", "must be set together"),
        ("\"both\"", "\"both\"\ntimestamp-ca = [\"/root.pem\"]", "must be set together"),
        (
            "\"both\"",
            "\"both\"\ntimestamp = \"http://tsa.example\"\ntimestamp-ca = []",
            "`timestamp-ca` names no file",
        ),
        (
            "\"both\"",
            "\"classic\"\ntimestamp = \"http://tsa.example\"\ntimestamp-ca = [\"/root.pem\"]",
            "classic signatures have no timestamps",
        ),
        (
            "\"both\"",
            "\"both\"\ntimestamp = \"ftp://tsa.example\"\ntimestamp-ca = [\"/root.pem\"]",
            "`timestamp` is not the URL of a timestamp authority",
        ),
        ("\"v*\"", "\"v/*\"", "tag pattern `v/*` cannot match any tag"),
        ("name = \"payments\"", "name = \"a b\"", "cannot be the name of a rule"),
        ("name = \"payments\"", "nam = \"payments\"", "did you mean `name`"),
        ("signatures-per-second = 200", "signatures-per-second = 0", "out of range"),
        (
            "[[rule]]",
            "[listen]\naddress = \"0.0.0.0:8790\"\n[[rule]]",
            "senders of notifications are not authenticated",
        ),
        ("[[rule]]", "[listen]\naddress = \"unix:x\"\n[[rule]]", "not an address to listen at"),
        ("[[rule]]", "[listen]\ncertificate = \"/x\"\n[[rule]]", "must be set together"),
        ("[[rule]]", "[reconcile]\ninterval = \"0s\"\n[[rule]]", "neither \"off\" nor a time in range"),
        ("[[rule]]", "[reconcile]\nbaseline = false\ninterval = \"1m\"\n[[rule]]", "needs `baseline`"),
        (
            "[[rule]]",
            "[reconcile]\nrepositories = [\"other/app\"]\n[[rule]]",
            "not a repository of this registry",
        ),
        ("[[rule]]", "[limits]\nqueued = 1\n[[rule]]", "`queued` is out of range"),
        ("[[rule]]", "[limits]\nqueue = 1\n[[rule]]", "did you mean `queued`"),
    ] {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, WHOLE, "{from}");
        let problems = load(&text).unwrap_err();
        assert!(problems.contains(expected), "{to}: {problems}");
    }
    assert!(load("").unwrap_err().contains("[registry] is missing, so the signer has no registry"));
}

#[test]
fn a_network_address_needs_a_valid_secret() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let text = format!(
        "[listen]\naddress = \"0.0.0.0:1\"\nsecret-file = {:?}\n{WHOLE}",
        secret.display().to_string()
    );
    for (mode, fine) in [(0o600, true), (0o644, false)] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(load(&text).is_ok(), fine, "{mode:o}: {:?}", load(&text));
    }
}

/// Every option of `[keys]`, with secrets in `directory`.
const KEYS: &str = r#"
[keys]
passphrase-file = "AT/secret"
[keys.pkcs11]
module = "/lib/m.so"
module-directories = ["/lib"]
pin-file = "AT/secret"
sessions = 2
timeout = "7s"
[keys.kms]
access-key-id = "LTAI"
access-key-secret-file = "AT/secret"
assume-role = "acs:ram::1:role/signer"
external-id = "x"
sts = "https://sts.cn-hangzhou.aliyuncs.com"
authorities = ["/ca.pem"]
timeout = "8s"
request-timeout = "3s"
connect-timeout = "2s"
requests-per-second = 50
concurrency = 4
[keys.vault]
address = "https://vault.example:8200/"
namespace = "team"
role-id = "signer"
secret-id-file = "AT/secret"
mount = "ci"
authorities = ["/vault.pem"]
timeout = "9s"
request-timeout = "4s"
connect-timeout = "1s"
requests-per-second = 7
concurrency = 2
"#;

#[test]
fn key_options_are_read() {
    use pullgate_keys::{Passphrase, VaultAuth};
    use pullgate_net::alibaba::Identity;
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("{KEYS}{WHOLE}").replace("AT", &directory.path().display().to_string());
    let keys = load(&text).unwrap().keys;
    assert_eq!(keys.passphrase, Passphrase::File(secret.clone()));
    let token = &keys.token;
    assert_eq!((token.sessions, token.deadline.as_secs()), (2, 7));
    assert_eq!((&token.module, &token.pin_file), (&Some(PathBuf::from("/lib/m.so")), &Some(secret.clone())));
    assert_eq!(token.module_directories, [PathBuf::from("/lib")]);
    let Identity::Assumed(assume) = &keys.kms.identity else { panic!("{:?}", keys.kms) };
    assert_eq!(assume.by, Identity::Key { id: "LTAI".to_owned(), secret_file: secret.clone() });
    assert_eq!((assume.role.as_str(), assume.external_id.as_deref()), ("acs:ram::1:role/signer", Some("x")));
    assert_eq!(assume.endpoint, "https://sts.cn-hangzhou.aliyuncs.com");
    let (service, bounds) = (&keys.kms.service, &keys.kms.bounds);
    assert_eq!((service.step.as_secs(), service.connect.as_secs()), (3, 2));
    assert_eq!(service.authorities, [PathBuf::from("/ca.pem")]);
    assert_eq!((bounds.deadline.as_secs(), bounds.rate, bounds.concurrency), (8, 50, 4));
    let vault = &keys.transit;
    assert_eq!(vault.address.as_deref(), Some("https://vault.example:8200"));
    assert_eq!((vault.namespace.as_deref(), vault.bounds.rate), (Some("team"), 7));
    let (service, bounds) = (&vault.service, &vault.bounds);
    assert_eq!((service.step.as_secs(), service.connect.as_secs()), (4, 1));
    assert_eq!(service.authorities, [PathBuf::from("/vault.pem")]);
    assert_eq!((bounds.deadline.as_secs(), bounds.concurrency), (9, 2));
    let secret_id_file = secret.clone();
    let login = VaultAuth::AppRole { mount: "ci".to_owned(), role_id: "signer".to_owned(), secret_id_file };
    assert_eq!(vault.login, login);
    for (kms, identity) in [
        ("ram-role = \"r\"", Identity::Role("r".to_owned())),
        (
            "credentials-file = \"AT/secret\"",
            Identity::File { path: secret.clone(), profile: "default".to_owned() },
        ),
        (
            "credentials-file = \"AT/secret\"\nprofile = \"p\"",
            Identity::File { path: secret.clone(), profile: "p".to_owned() },
        ),
        ("", Identity::Environment),
    ] {
        let lines = kms.replace("AT", &directory.path().display().to_string());
        let keys = load(&format!("[keys.kms]\n{lines}\n{WHOLE}")).unwrap().keys;
        assert_eq!(keys.kms.identity, identity, "{kms}");
    }
    // Missing options have the defaults of the library.
    for empty in ["", "[keys]\n", "[keys.pkcs11]\n[keys.kms]\n[keys.vault]\n"] {
        assert_eq!(
            load(&format!("{empty}{WHOLE}")).unwrap().keys,
            pullgate_keys::KeySettings::default(),
            "{empty}"
        );
    }
    for (from, to, expected) in [
        (
            "assume-role",
            "ram-role = \"r\"\nassume-role",
            "must set all options of exactly one way to authenticate",
        ),
        ("access-key-id = \"LTAI\"\n", "", "must set all options of exactly one way to authenticate"),
        ("assume-role = \"acs:ram::1:role/signer\"\n", "", "need `assume-role`"),
        ("https://sts", "http://sts", "`sts`: the address"),
        ("https://vault", "http://vault", "`address`: the address"),
        (
            "role-id = \"signer\"\n",
            "",
            "[keys.vault] must set all options of exactly one way to authenticate",
        ),
        ("namespace = \"team\"", "namespace = \"a b\"", "`namespace` is not valid"),
        ("sessions = 2", "sessions = 65", "`sessions` is out of range"),
        ("timeout = \"7s\"", "timeout = 7", "`timeout` is not"),
        ("[\"/ca.pem\"]", "[\"ca.pem\"]", "is not an absolute path"),
        ("[\"/ca.pem\"]", "\"/ca.pem\"", "an array of texts"),
        ("/secret\"\nsessions", "/none\"\nsessions", "`pin-file`"),
        ("sessions = 2", "session = 2", "did you mean `sessions`"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from}");
        let problems = load(&wrong).unwrap_err();
        assert!(problems.contains(expected), "{to}: {problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
}

#[test]
fn an_invalid_option_is_not_also_reported_as_missing() {
    let registry = "[registry]\nhost = \"r.example\"\n";
    for (wrong, halves) in [
        ("username = \"u\"\npassword-file = \"/none\"", "must be set together"),
        ("username = 3\npassword-file = \"/none\"", "must be set together"),
        ("[listen]\ncertificate = \"/c\"\nkey = \"/none\"\nclients = \"/a\"", "must be set together"),
        ("[listen]\ncertificate = \"c\"\nkey = \"/none\"", "must be set together"),
        ("[keys.kms]\naccess-key-id = \"i\"\naccess-key-secret-file = \"/none\"", "way to authenticate"),
        ("[keys.kms]\ncredentials-file = \"/none\"\nprofile = \"p\"", "way to authenticate"),
        ("[keys.vault]\nrole-id = \"i\"\nsecret-id-file = \"/none\"\nmount = \"m\"", "way to authenticate"),
        ("[keys.vault]\ntoken-file = \"/none\"", "way to authenticate"),
    ] {
        let problems = load(&format!("{registry}{wrong}")).unwrap_err();
        assert!(problems.contains("/none cannot be read") && !problems.contains(halves), "{problems}");
    }
    for (half, expected) in [
        ("username = 3", "must be set together"),
        ("password-file = \"/none\"", "must be set together"),
        ("[listen]\nkey = \"/none\"", "must be set together"),
        ("[listen]\nclients = \"/a\"", "must be set together"),
        ("[keys.kms]\naccess-key-secret-file = \"/none\"", "way to authenticate"),
        ("[keys.vault]\nsecret-id-file = \"/none\"", "way to authenticate"),
    ] {
        let problems = load(&format!("{registry}{half}")).unwrap_err();
        assert!(problems.contains(expected), "{half}: {problems}");
    }
}

#[test]
fn the_control_socket_is_read_despite_other_problems() {
    let directory =
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap();
    let file = directory.path().join(SIGNER_FILE);
    assert!(load_signer_control(&file).unwrap_err().to_string().contains(SIGNER_FILE), "the file is missing");
    for (text, expected) in [
        ("", Ok("/run/pullgate-signer/control.sock")),
        ("[control]\nsocket = \"/x/c.sock\"\n[[rule]\n", Ok("/x/c.sock")),
        ("rule = \n[control]\nsocket = \"/x/c.sock\"\n", Ok("/x/c.sock")),
        ("[registry]\nhst = 1\n[control]\nsocket = \"/x/c.sock\"\n", Ok("/x/c.sock")),
        ("[control]\nsocket = \"c.sock\"", Err("`socket` is not an absolute path")),
        ("[control]\nsockt = \"/x/c.sock\"", Err("did you mean `socket`")),
    ] {
        std::fs::write(&file, text).unwrap();
        match (load_signer_control(&file), expected) {
            (Ok(socket), Ok(expected)) => assert_eq!(socket, Path::new(expected), "{text}"),
            (Err(problems), Err(expected)) => assert!(problems.to_string().contains(expected), "{problems}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}
