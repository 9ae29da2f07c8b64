//! Each key of `policy.toml`.

use pullgate::trust::PssSalt;
use pullgate_test::registry::MANIFEST;
use pullgate_test::signer::attach_bundle;
use pullgate_test::sigstore::{ISSUER, Person, SUBJECT, Sigstore};

use super::*;

/// Each row adds to this.
fn authenticators() -> String {
    format!("{RELEASE}{}", pullgate_test::policy::SECURITY)
}

/// The keys of a rule, and their defaults.
#[tokio::test]
pub(crate) async fn rules_and_defaults() {
    let world = World::start().await;
    let app = world.signed();
    let both = world.registry.image("team/both", "1", "both");
    let text = payload(&format!("{}/team/both", world.registry.host()), &both);
    let p384 = Signer::of("p384", Algorithm::EcdsaSha384);
    attach_classic(
        &world.registry,
        "team/both",
        &both,
        &[(text.clone(), p256().sign(&text)), (text.clone(), p384.sign(&text))],
    );
    // Signed under another name of the same registry.
    let renamed = world.registry.image("team/renamed", "1", "renamed");
    let text = payload("registry.example.com/old/renamed", &renamed);
    attach_classic(&world.registry, "team/renamed", &renamed, &[(text.clone(), p256().sign(&text))]);
    let bundled = world.registry.image("team/bundled", "1", "bundled");
    sign_bundle(&world.registry, "team/bundled", &bundled, &p256());
    let unsigned = world.registry.image("team/unsigned", "1", "unsigned");
    let annotated = world.registry.image("team/annotated", "1", "annotated");
    sign_annotated(&world.registry, "team/annotated", &annotated, &p256());
    let host = world.registry.host();
    let rule = |rest: &str| {
        format!("default = \"deny\"\n{}[[namespace]]\nscope = \"{host}/team\"\n{rest}", authenticators())
    };
    let allow = "allow = \"unsigned\"\nreason = \"a test\"";
    let release = "require = { all = [\"release\"] }";
    for (policy, image, namespace, expected) in [
        ("default = \"deny\"".to_owned(), "team/app", None, "denied-by-rule"),
        (
            "default = \"allow-unsigned\"\ndefault-reason = \"a test\"".to_owned(),
            "team/app",
            None,
            "unsigned-allowed",
        ),
        (rule(release), "team/app", None, "verified"),
        (rule(release), "elsewhere/app", None, "denied-by-rule"),
        (rule(release).replace("/team\"", "/elsewhere\""), "team/app", None, "denied-by-rule"),
        (rule(release), "team/unsigned", None, "no-signature"),
        (rule("require = { all = [\"release\", \"security\"] }"), "team/app", None, "not-enough-signatures"),
        (rule("require = { all = [\"release\", \"security\"] }"), "team/both", None, "verified"),
        (rule("require = { any = [\"security\"] }"), "team/app", None, "no-valid-signature"),
        (rule("require = { any = [\"release\", \"security\"] }"), "team/app", None, "verified"),
        (rule("require = { at-least = 1, of = [\"release\", \"security\"] }"), "team/app", None, "verified"),
        (
            rule("require = { at-least = 2, of = [\"release\", \"security\"] }"),
            "team/app",
            None,
            "not-enough-signatures",
        ),
        (rule("require = { at-least = 1, of = [\"security\"] }"), "team/app", None, "no-valid-signature"),
        (
            rule("require = { all = [\"release\"], annotations = { build = \"42\" } }"),
            "team/annotated",
            None,
            "verified",
        ),
        (
            rule("require = { all = [\"release\"], annotations = { build = \"43\" } }"),
            "team/annotated",
            None,
            "no-valid-signature",
        ),
        (
            rule("require = { all = [\"release\"], annotations = { build = \"42\" } }"),
            "team/app",
            None,
            "no-valid-signature",
        ),
        (rule(allow), "team/unsigned", None, "unsigned-allowed"),
        (rule("deny = \"a test\""), "team/app", None, "denied-by-rule"),
        (rule(&format!("{allow}\ndigests = [\"{unsigned}\"]")), "team/unsigned", None, "unsigned-allowed"),
        (rule(&format!("{allow}\ndigests = [\"{app}\"]")), "team/unsigned", None, "digest-not-allowed"),
        (rule(&format!("{allow}\nuntil = 2100-01-01T00:00:00Z")), "team/unsigned", None, "unsigned-allowed"),
        (rule(&format!("{allow}\nuntil = 2024-01-01T00:00:00Z")), "team/unsigned", None, "allowance-over"),
        (rule(&format!("{allow}\npods = [\"lab-*\"]")), "team/unsigned", Some("lab-1"), "unsigned-allowed"),
        (rule(&format!("{allow}\npods = [\"lab-*\"]")), "team/unsigned", Some("payments"), "denied-by-rule"),
        (rule(release), "team/renamed", None, "other-repository"),
        (
            rule(&format!("{release}\naliases = [\"registry.example.com/old\"]")),
            "team/renamed",
            None,
            "verified",
        ),
        (rule(release), "team/bundled", None, "verified"),
        (rule(&format!("{release}\nlayouts = [\"bundle\"]")), "team/bundled", None, "verified"),
        (rule(&format!("{release}\nidentity = \"optional\"")), "team/bundled", None, "verified"),
        (rule(&format!("{release}\nidentity = \"required\"")), "team/bundled", None, "other-repository"),
        (rule(&format!("{release}\nidentity = \"required\"")), "team/app", None, "verified"),
        (rule(&format!("{release}\nlayouts = [\"classic\"]")), "team/bundled", None, "no-valid-signature"),
        (rule(&format!("{release}\nlayouts = [\"classic\"]")), "team/app", None, "verified"),
        (rule(&format!("{release}\nlayouts = [\"bundle\"]")), "team/app", None, "no-valid-signature"),
        (rule(&format!("{release}\nmode = \"enforce\"")), "team/unsigned", None, "no-signature"),
        (rule(&format!("{release}\nmode = \"audit\"")), "team/unsigned", None, "audit-only"),
        (rule(&format!("{release}\nmode = \"off\"")), "team/unsigned", None, "rule-off"),
        (
            rule(&format!("{release}\n[deny]\ndigests = [{{ digest = \"{app}\", reason = \"a test\" }}]")),
            "team/app",
            None,
            "digest-denied",
        ),
        (
            rule(&format!("{release}\n[deny]\ndigests = [{{ digest = \"{both}\", reason = \"a test\" }}]")),
            "team/app",
            None,
            "verified",
        ),
        (
            rule(&format!(
                "{release}\n[deny]\nkeys = [{{ key = \"{}\", reason = \"a test\" }}]",
                fingerprint("p256")
            )),
            "team/app",
            None,
            "key-revoked",
        ),
        (
            rule(&format!(
                "{release}\n[deny]\nkeys = [{{ key = \"{}\", reason = \"a test\" }}]",
                fingerprint("p384")
            )),
            "team/app",
            None,
            "verified",
        ),
    ] {
        let gate = world.gate_of("", &policy);
        let namespace = namespace.map(str::to_owned);
        let question =
            AdmissionRequest { namespace: namespace.clone(), ..gate::request(&format!("{host}/{image}:1")) };
        let decided = gate.admit(&question, &mut Explanation::default()).await;
        let found = decided.map_or_else(|refusal| refusal.reason(), |pinned| pinned.reason()).code();
        assert_eq!(found, expected, "{image} for {namespace:?}:\n{policy}");
    }
}

/// As `pullgate verify` shows it.
fn fingerprint(key: &str) -> String {
    let pem = std::fs::read_to_string(key_file(key, "pub")).unwrap();
    pullgate::trust::PublicKey::from_pem(&pem, algorithm_of(key), PssSalt::default())
        .unwrap()
        .fingerprint()
        .to_owned()
}

fn algorithm_of(key: &str) -> Algorithm {
    if key == "p256" { Algorithm::EcdsaSha256 } else { Algorithm::EcdsaSha384 }
}

/// The key, algorithm, salt and time with which a signature is valid.
#[tokio::test]
pub(crate) async fn authenticators_and_their_keys() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let signer = Signer::with_salt("rsa-2048", Algorithm::RsaPssSha256, PssSalt::Length(20));
    sign_classic(&world.registry, "team/app", &digest, &signer);
    let [right, wrong] = ["rsa-2048", "rsa-3072"].map(|key| key_file(key, "pub"));
    let pem = |path: &PathBuf| format!("pem = '''{}'''", std::fs::read_to_string(path).unwrap());
    let file = |path: &PathBuf| format!("file = \"{}\"", path.display());
    let (pss, salted) = ("algorithm = \"RSA_PSS_SHA_256\"", "salt-length = 20");
    let both = format!("{pss}\n{salted}");
    for (settings, key, expected) in [
        (both.clone(), file(&right), "verified"),
        (format!("type = \"key\"\n{both}"), file(&right), "verified"),
        (both.clone(), file(&wrong), "no-valid-signature"),
        (both.clone(), pem(&right), "verified"),
        (both.clone(), pem(&wrong), "no-valid-signature"),
        ("algorithm = \"RSA_PKCS1_SHA_256\"".to_owned(), file(&right), "no-valid-signature"),
        // From the authenticator, or from the key, which takes precedence.
        (pss.to_owned(), file(&right), "no-valid-signature"),
        (pss.to_owned(), format!("{}, {salted}", file(&right)), "verified"),
        (both.clone(), format!("{}, salt-length = 32", file(&right)), "no-valid-signature"),
        (
            "algorithm = \"RSA_PKCS1_SHA_256\"".to_owned(),
            format!("{}, {pss}, {salted}", file(&right)),
            "verified",
        ),
        (both.clone(), format!("{}, not-after = 2024-01-01T00:00:00Z", file(&right)), "key-not-valid-now"),
        (both.clone(), format!("{}, not-after = 2100-01-01T00:00:00Z", file(&right)), "verified"),
        (both.clone(), format!("{}, not-before = 2100-01-01T00:00:00Z", file(&right)), "key-not-valid-now"),
        (both, format!("{}, not-before = 2024-01-01T00:00:00Z", file(&right)), "verified"),
    ] {
        let policy = format!(
            "default = \"deny\"\n[authenticator.release]\n{settings}\nkeys = [{{ {key} }}]\n\
             [[namespace]]\nscope = \"**\"\nrequire = {{ all = [\"release\"] }}\n"
        );
        let gate = world.gate_of("", &policy);
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "{policy}");
    }
    // One key, two tools: cosign up to 2.5 signs with SHA-256, later ones with SHA-384.
    for (name, algorithm) in [("old", Algorithm::EcdsaP384Sha256), ("new", Algorithm::EcdsaSha384)] {
        let digest = world.registry.image("team/p384", name, name);
        sign_classic(&world.registry, "team/p384", &digest, &Signer::of("p384", algorithm));
    }
    let (new, old) = ("\"ECDSA_SHA_384\"", "\"ECDSA_P384_SHA_256\"");
    for (algorithm, of_old, of_new) in [
        (new.to_owned(), "no-valid-signature", "verified"),
        (old.to_owned(), "verified", "no-valid-signature"),
        (format!("[{new}, {old}]"), "verified", "verified"),
    ] {
        for (authenticator, key) in [(&algorithm, ""), (&new.to_owned(), algorithm.as_str())] {
            let own = if key.is_empty() { String::new() } else { format!(", algorithm = {key}") };
            let policy = format!(
                "default = \"deny\"\n[authenticator.release]\nalgorithm = {authenticator}\n\
                 keys = [{{ {}{own} }}]\n[[namespace]]\nscope = \"**\"\nrequire = {{ all = [\"release\"] }}\n",
                file(&key_file("p384", "pub"))
            );
            let gate = world.gate_of("", &policy);
            assert_eq!(world.verdict(&gate, "team/p384:old").await, of_old, "{policy}");
            assert_eq!(world.verdict(&gate, "team/p384:new").await, of_new, "{policy}");
        }
    }
}

/// The roots, identities and claims with which a keyless signature counts.
#[tokio::test]
pub(crate) async fn keyless_authenticators() {
    let world = World::start().await;
    let sigstore = Sigstore::new();
    let person = Person::builder();
    let logged = world.registry.image("team/logged", "1", "app");
    attach_bundle(&world.registry, "team/logged", &logged, &sigstore.bundle(&person, &logged).to_string());
    let stamped = world.registry.image("team/stamped", "1", "app");
    let bundle = sigstore.bundle_without_log(&person, &stamped);
    attach_bundle(&world.registry, "team/stamped", &stamped, &bundle.to_string());
    let file = |name: &str, root: serde_json::Value| {
        let path = world.etc().join(name);
        std::fs::write(&path, root.to_string()).unwrap();
        format!("trust-root = {path:?}")
    };
    let own = file("own.json", sigstore.trusted_root());
    let other = file("other.json", Sigstore::new().trusted_root());
    let without = file("without.json", sigstore.root_without_logs());
    let both = format!(
        "trust-root = [{}, {}]",
        other.replace("trust-root = ", ""),
        own.replace("trust-root = ", "")
    );
    let issuer = format!("issuer = \"{ISSUER}\"");
    let base = format!("{issuer}\nsource-repository = \"https://git.example/team/app\"");
    let mut rows = vec![
        (format!("{own}\n{base}"), "team/logged", "verified"),
        (format!("{other}\n{base}"), "team/logged", "untrusted-log"),
        (format!("{both}\n{base}"), "team/logged", "verified"),
        (
            format!("{own}\n{}", base.replace(ISSUER, "https://other.example")),
            "team/logged",
            "wrong-identity",
        ),
        (format!("{own}\n{base}"), "team/stamped", "no-log-entry"),
        (format!("{own}\n{base}\nlog = \"required\""), "team/stamped", "no-log-entry"),
        (format!("{without}\n{base}\nlog = \"none\""), "team/stamped", "verified"),
    ];
    for (key, good, bad) in [
        ("subject", SUBJECT, "https://git.example/team/app/*"),
        (
            "workflow",
            "https://git.example/team/app/.github/workflows/release.yml@**",
            "https://git.example/team/a",
        ),
        ("runner", "github-*", "self-hosted"),
        ("source-repository", "https://git.example/team/*", "https://git.example/team/b"),
        ("source-ref", "refs/tags/v*", "refs/heads/*"),
        ("source-repository-id", "1001", "100"),
        ("source-repository-owner-id", "77", "7"),
        (
            "build-config",
            "https://git.example/team/app/.github/workflows/top.yml@**",
            "https://git.example/team/a",
        ),
        ("trigger", "release", "push"),
    ] {
        for (value, expected) in [(good, "verified"), (bad, "wrong-identity")] {
            let rest = if key == "source-repository" { &issuer } else { &base };
            rows.push((format!("{own}\n{rest}\n{key} = \"{value}\""), "team/logged", expected));
        }
    }
    for (settings, image, expected) in rows {
        let policy = format!(
            "default = \"deny\"\n[authenticator.ci]\ntype = \"keyless\"\n{settings}\n\
             [[namespace]]\nscope = \"**\"\nrequire = {{ all = [\"ci\"] }}\n"
        );
        let gate = world.gate_of("", &policy);
        assert_eq!(world.verdict(&gate, &format!("{image}:1")).await, expected, "{policy}");
    }
}

/// The stores, identities and levels with which a Notary signature is valid.
#[tokio::test]
pub(crate) async fn authenticators_of_the_notary_project() {
    let world = World::start().await;
    let digest = notation_image(&world.registry, "team/app");
    attach_notation(&world.registry, "team/app", &digest, &notation("p256.jws"));
    let cose = notation_image(&world.registry, "team/cose");
    attach_notation(&world.registry, "team/cose", &cose, &notation("p521.cose"));
    let file = |name: &str| format!("[\"{}\"]", notation_file(name).display());
    let (right, wrong) = (file("p256.root.pem"), file("p384.root.pem"));
    let list = file("../crl/list.pem");
    let stores = world.directory.path().join("stores");
    std::fs::create_dir(&stores).unwrap();
    for key in ["p256", "p384"] {
        std::fs::copy(notation_file(&format!("{key}.root.pem")), stores.join(format!("{key}.crt"))).unwrap();
    }
    let host = world.registry.host();
    let subject = "x509.subject: C=US, ST=WA, O=pullgate";
    for (settings, image, expected) in [
        (format!("ca = {right}\nidentities = [\"*\"]"), "team/app", "verified"),
        (format!("ca = {wrong}\nidentities = [\"*\"]"), "team/app", "untrusted-certificate"),
        (format!("ca = [\"{}\"]\nidentities = [\"*\"]", stores.display()), "team/app", "verified"),
        (
            format!("ca = [\"{}\"]\nidentities = [\"*\"]", stores.display()),
            "team/cose",
            "untrusted-certificate",
        ),
        (format!("ca = {}\nidentities = [\"*\"]", file("p521.root.pem")), "team/cose", "verified"),
        (format!("signing-authority = {right}\nidentities = [\"*\"]"), "team/app", "untrusted-certificate"),
        (format!("ca = {right}\nidentities = [\"{subject}\"]"), "team/app", "verified"),
        (format!("ca = {right}\nidentities = [\"{subject}, CN=p384-leaf\"]"), "team/app", "wrong-identity"),
        (format!("ca = {right}\ntsa = {right}\nidentities = [\"*\"]"), "team/app", "no-signing-time"),
        (
            format!("ca = {right}\ntsa = {right}\ntimestamps = \"after-expiry\"\nidentities = [\"*\"]"),
            "team/app",
            "verified",
        ),
        (
            format!("ca = {right}\ntsa = {right}\nlevel = \"permissive\"\nidentities = [\"*\"]"),
            "team/app",
            "verified",
        ),
        // The list of another CA; and the certificates name none.
        (format!("ca = {right}\ncrl = {list}\nidentities = [\"*\"]"), "team/app", "revocation-unknown"),
        (
            format!("ca = {right}\ncrl = {list}\nrevocation = \"if-known\"\nidentities = [\"*\"]"),
            "team/app",
            "verified",
        ),
        (
            format!("ca = {right}\ndistribution-points = \"fetch\"\nidentities = [\"*\"]"),
            "team/app",
            "revocation-unknown",
        ),
    ] {
        let policy = format!(
            "default = \"deny\"\n[authenticator.notary]\ntype = \"notation\"\n{settings}\n\
             [[namespace]]\nscope = \"{host}/team\"\nrequire = {{ all = [\"notary\"] }}\n"
        );
        let gate = world.gate_of("", &policy);
        let question = gate::request(&format!("{host}/{image}:1"));
        let decided = gate.admit(&question, &mut Explanation::default()).await;
        let found = decided.map_or_else(|refusal| refusal.reason(), |pinned| pinned.reason()).code();
        assert_eq!(found, expected, "{image}:\n{policy}");
    }
}

#[tokio::test]
pub(crate) async fn authenticators_of_openpgp_keys() {
    let world = World::start().await;
    let digest = notation_image(&world.registry, "team/app");
    let place = format!("lookaside/team/app@sha256={}", digest.hex());
    let place = world.directory.path().join(place);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("signature-1"), gpg("nistp256.signature")).unwrap();
    std::fs::write(place.join("signature-2"), gpg("ed25519.signature")).unwrap();
    let host = world.registry.host();
    let lookaside = |scope: &str| {
        let root = world.directory.path().join("lookaside");
        format!(
            "[[registry.signatures]]\nscope = \"{scope}\"\nimage = true\nlookaside = \"file://{}\"\n",
            root.display()
        )
    };
    let keyrings = |name: &str| format!("keyrings = [{:?}]", gpg_file(&format!("{name}.keyring.gpg")));
    let armored = String::from_utf8(gpg("ed25519.keyring.asc")).unwrap();
    let fingerprints = |name: &str| {
        let read = pullgate::trust::openpgp::read_keyring(&gpg(&format!("{name}.keyring.gpg"))).unwrap();
        format!("{}\nfingerprints = [\"{}\"]", keyrings("several"), read[0].fingerprint())
    };
    let rsa = keyrings("rsa2048");
    let denied = |name: &str| {
        let key = pullgate::trust::openpgp::read_keyring(&gpg(&format!("{name}.keyring.gpg"))).unwrap();
        format!("[deny]\nkeys = [{{ key = \"openpgp4fpr:{}\", reason = \"lost\" }}]\n", key[0].fingerprint())
    };
    for (configured, settings, more, expected) in [
        (lookaside(&host), keyrings("ed25519"), String::new(), "verified"),
        (lookaside("**"), keyrings("ed25519"), String::new(), "verified"),
        (lookaside("r.example"), keyrings("ed25519"), String::new(), "no-signature"),
        (String::new(), keyrings("ed25519"), String::new(), "no-signature"),
        (lookaside(&host), rsa.clone(), String::new(), "unknown-key"),
        (lookaside(&host), format!("{rsa}\narmored = '''\n{armored}'''"), String::new(), "verified"),
        (lookaside(&host), format!("armored = '''\n{armored}'''"), String::new(), "verified"),
        (lookaside(&host), fingerprints("ed25519"), String::new(), "verified"),
        (lookaside(&host), keyrings("several"), String::new(), "verified"),
        (lookaside(&host), keyrings("several"), denied("ed25519"), "verified"),
        (lookaside(&host), keyrings("ed25519"), denied("ed25519"), "key-revoked"),
        (lookaside(&host), keyrings("ed25519"), denied("nistp256"), "verified"),
    ] {
        let policy = format!(
            "default = \"deny\"\n[authenticator.gpg]\ntype = \"gpg\"\n{settings}\n\
             [[namespace]]\nscope = \"{host}/team\"\naliases = [\"registry.example/team\"]\n\
             require = {{ all = [\"gpg\"] }}\n{more}"
        );
        let gate = world.gate_of(&configured, &policy);
        let question = gate::request(&format!("{host}/team/app:1"));
        let decided = gate.admit(&question, &mut Explanation::default()).await;
        let found = decided.map_or_else(|refusal| refusal.reason(), |pinned| pinned.reason()).code();
        assert_eq!(found, expected, "{configured}{policy}");
    }
}

/// The CAs and names with which a signature by a certificate of a private PKI is valid.
#[tokio::test]
pub(crate) async fn authenticators_of_a_private_pki() {
    let world = World::start().await;
    let file = |name: &str| pullgate_test::repository().join("tests/fixtures/pki").join(name);
    let content = |name: &str| std::fs::read(file(name)).unwrap();
    let digest = world.registry.manifest("team/app", MANIFEST, content("image.json"));
    world.registry.tag("team/app", "1", &digest);
    let bundle = String::from_utf8(content("bundle.json")).unwrap();
    attach_bundle(&world.registry, "team/app", &digest, &bundle);
    let host = world.registry.host();
    let [ca, middle] =
        ["ca.pem", "middle.pem"].map(|name| format!("[{:?}]", file(name).display().to_string()));
    let name = "names = [\"email:release@example.com\"]";
    for (settings, expected) in [
        (format!("ca = {ca}\nintermediates = {middle}\n{name}"), "verified"),
        (format!("ca = {ca}\n{name}"), "untrusted-certificate"),
        (format!("ca = {middle}\n{name}"), "verified"),
        (format!("ca = {middle}\nnames = [\"email:*@example.com\"]"), "verified"),
        (format!("ca = {middle}\nnames = [\"email:other@example.com\"]"), "wrong-identity"),
        (format!("ca = {middle}\n{name}\ndistribution-points = \"fetch\""), "revocation-unknown"),
    ] {
        let policy = format!(
            "default = \"deny\"\n[authenticator.corp]\ntype = \"certificate\"\n{settings}\n\
             [[namespace]]\nscope = \"{host}/team\"\nrequire = {{ all = [\"corp\"] }}\n"
        );
        let gate = world.gate_of("", &policy);
        let question = gate::request(&format!("{host}/team/app:1"));
        let decided = gate.admit(&question, &mut Explanation::default()).await;
        let found = decided.map_or_else(|refusal| refusal.reason(), |pinned| pinned.reason()).code();
        assert_eq!(found, expected, "{policy}");
    }
}
