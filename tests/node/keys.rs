//! `pullgate-signer keys`, and keys of other tools: encrypted by the real cosign and openssl, and in the real SoftHSM2.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pullgate_test::node::directory::{self, Directory};
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::notation::{Authority, FORMATS};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{Daemon, LIMIT};
use pullgate_test::node::{Node, RELEASE, Release, environment, process};
use pullgate_test::programs;
use pullgate_test::secrets::{self, Secret};

const PIN: &str = "pg5ECRET-pin";

/// A SoftHSM2 token with keys that pullgate generated in it.
struct Token {
    directory: PathBuf,
}

impl Token {
    fn new(at: &Path) -> Self {
        let token = Self { directory: at.join("softhsm") };
        directory::make(&token.directory.join("tokens"));
        let configuration = format!("directories.tokendir = {}\n", token.directory.join("tokens").display());
        directory::write(&token.directory.join("softhsm2.conf"), configuration);
        token.secret("pin", PIN);
        process::must_run(token.with(Command::new("softhsm2-util")).args([
            "--init-token",
            "--free",
            "--label",
            "ci token",
            "--so-pin",
            "pg5ECRET-so-pin",
            "--pin",
            PIN,
        ]));
        token
    }

    fn with(&self, mut command: Command) -> Command {
        command.env("SOFTHSM2_CONF", self.directory.join("softhsm2.conf"));
        command
    }

    fn command(&self) -> Command {
        self.with(Command::new(programs::signer()))
    }

    fn secret(&self, name: &str, text: impl Into<Secret>) -> PathBuf {
        let path = self.directory.join(name);
        directory::write(&path, text.into().as_str());
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the file is there");
        path
    }

    fn location(&self, object: &str) -> String {
        let pin = self.directory.join("pin");
        format!("pkcs11:token=ci%20token;object={object}?module-name=softhsm2&pin-source={}", pin.display())
    }

    /// A new key in the token, and its public half in a file.
    fn generate(&self, name: &str, words: &str, kind: Kind) -> PrivateKey {
        let location = self.location(name);
        process::must_run(self.command().args(["keys", "generate", &location, "--kind", words]));
        let public = process::must_run(self.command().args(["keys", "public", &location]));
        let public_file = self.directory.join(format!("{name}.pub"));
        directory::write(&public_file, public);
        PrivateKey { name: name.to_owned(), kind, file: PathBuf::from(location), public_file }
    }
}

#[test]
fn signatures_by_keys_in_softhsm_are_accepted_by_cosign_and_the_gate() {
    let node = Node::start(Release::V2_1);
    let token = Token::new(node.directory());
    for (words, kind, by_cosign) in [
        ("RSA_2048", Kind::RsaPss, false),
        ("RSA_2048", Kind::RsaPkcs1, true),
        ("EC_P256", Kind::P256, true),
        ("EC_P384", Kind::P384, true),
        ("EC_P521", Kind::P521, true),
        ("ED25519", Kind::Ed25519, true),
    ] {
        let name = kind.algorithm().to_lowercase();
        let key = token.generate(&name, words, kind);
        let other = token.generate(&format!("other-{name}"), words, kind);
        node.pullgate.reload(&Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]));
        let (image, unsigned) = (node.push(&format!("team/{name}:1")), node.push(&format!("team/{name}:2")));
        for (image, key) in [(&image, &key), (&unsigned, &other)] {
            let mut sign = token.command();
            sign.args(["sign", &image.by_digest(), "--algorithm", kind.algorithm(), "--key"]);
            process::must_run(sign.arg(&key.file));
        }
        let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
        assert!(pulled.is_ok(), "{name}: {pulled:?}");
        let waiting = node.kubelet().ensure_image(&Pod::of(unsigned.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-valid-signature", "{name}: {}", waiting.message);
        // cosign verifies RSA only with PKCS #1 v1.5.
        let options = [&["--new-bundle-format=false"], kind.cosign_options()].concat();
        let result = node.cosign().verify(&image.by_digest(), &key, &options);
        assert_eq!(result.is_ok(), by_cosign, "{name}: {result:?}");
        let result = node.cosign().verify(&unsigned.by_digest(), &key, &options);
        assert!(result.is_err(), "{name}, by another key: {result:?}");
    }
}

#[test]
fn notation_accepts_signatures_by_keys_in_softhsm() {
    let node = Node::start(Release::V2_1);
    let (token, notation) = (Token::new(node.directory()), node.notation());
    let authority = Authority::make(node.directory(), "acme");
    notation.trust(&authority, "acme", "strict");
    let ca = authority.certificate().display().to_string();
    node.pullgate.reload(
        &Policy::deny()
            .add_lines(&format!(
                "[authenticator.{RELEASE}]\ntype = \"notation\"\nca = [{ca:?}]\nidentities = [\"*\"]"
            ))
            .require("**", &[RELEASE]),
    );
    for (words, kind) in [("RSA_2048", Kind::RsaPss), ("EC_P256", Kind::P256), ("EC_P521", Kind::P521)] {
        let key = token.generate(&words.to_lowercase(), words, kind);
        let chain = authority.certify(("acme", words), &key.public_file);
        for format in FORMATS {
            let image = node.push(&format!("team/{}:{format}", words.to_lowercase()));
            let mut sign = token.command();
            sign.args(["sign", &image.by_digest(), "--layout", "notation", "--envelope", format, "--key"]);
            process::must_run(sign.arg(&key.file).arg("--certificate-chain").arg(&chain));
            let verified = notation.verify(&image.by_digest());
            assert!(verified.is_ok(), "{words} {format}: {verified:?}");
            let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
            assert!(pulled.is_ok(), "{words} {format}: {pulled:?}");
        }
    }
}

#[test]
fn keys_in_softhsm_are_never_overwritten_and_need_their_pin() {
    let at = Directory::new();
    let token = Token::new(at.path());
    let key = token.generate("release", "EC_P256", Kind::P256);
    let location = token.location("release");
    let public = |location: &str| process::run(token.command().args(["keys", "public", location]));
    let again = process::run(token.command().args(["keys", "generate", &location, "--kind", "EC_P256"]));
    assert!(again.unwrap_err().contains("keys are never overwritten"));
    let result = public(&location).unwrap();
    assert_eq!(result, std::fs::read_to_string(&key.public_file).unwrap());
    let without_pin = location.split("&pin-source").next().unwrap().to_owned();
    for (location, problem) in [
        (location.replace("ci%20token", "other"), "no token matches"),
        (location.replace("object=release", "object=other"), "has no private key"),
        (location.replace("softhsm2", "nosuch"), "no PKCS#11 module nosuch"),
        (location.replace("module-name=softhsm2", "module-path=/etc/passwd"), "it is not a PKCS#11 module"),
        (without_pin.clone(), "requires a PIN"),
        (format!("{without_pin}&pin-value={PIN}"), "a secret on a command line"),
    ] {
        let error = public(&location).unwrap_err();
        assert!(error.contains(problem), "{location}: {error}");
        assert!(!error.contains(PIN), "{error}");
    }
    token.secret("pin", "pg5ECRET-wrong");
    let error = public(&location).unwrap_err();
    assert!(error.contains("rejects the PIN") && !error.contains("pg5ECRET-wrong"), "{error}");
    let pin = token.secret("other-pin", PIN);
    let mut with_file = token.command();
    with_file.args(["keys", "public", &without_pin, "--pin-file"]).arg(pin);
    assert_eq!(process::run(&mut with_file).unwrap(), result);
    std::fs::set_permissions(token.directory.join("pin"), Permissions::from_mode(0o644)).unwrap();
    assert!(public(&location).unwrap_err().contains("gives other users access"));
}

#[test]
pub(crate) fn the_signer_uses_keys_in_softhsm() {
    let node = Node::start(Release::V2_1);
    let token = Token::new(node.directory());
    let key = token.generate("signer", "RSA_2048", Kind::RsaPkcs1);
    let at = node.directory().join("signer");
    directory::make(&at);
    // The file names PIN and module, the key's URI does not.
    let module = "/usr/lib/softhsm/libsofthsm2.so";
    let write = |keys: &str| {
        let (host, place) = (node.registry.host(), at.display());
        let config = format!(
            "[registry]\nhost = {host:?}\n[listen]\naddress = \"unix:{place}/notify.sock\"\n\
             [control]\nsocket = \"{place}/control.sock\"\n[state]\ndirectory = \"{place}/state\"\n{keys}\n\
             [authenticator.release]\nkey = \"pkcs11:token=ci%20token;object=signer\"\n\
             algorithm = \"RSA_PKCS1_SHA_256\"\n\
             [[rule]]\nname = \"release\"\nauthenticator = \"release\"\nscope = \"{host}/team\"\n",
        );
        directory::write(&at.join("signer.toml"), config);
    };
    let signer = || {
        let mut command = token.command();
        command.arg("--config").arg(&at);
        command
    };
    write("");
    let error = process::run(signer().arg("serve")).unwrap_err();
    assert!(error.contains("no PKCS#11 module is given"), "{error}");
    let pin = token.directory.join("pin");
    write(&format!(
        "[keys.pkcs11]\nmodule = {module:?}\npin-file = {:?}\nsessions = 2\n",
        pin.display().to_string()
    ));
    let environment = token.directory.join("softhsm2.conf");
    let mut daemon = Daemon::start(
        &programs::signer(),
        |command| {
            command.env("SOFTHSM2_CONF", &environment).arg("--config").arg(&at).arg("serve");
        },
        &at.join("log"),
    );
    let image = node.push("team/app:1");
    daemon.wait_until("serving", || process::run(signer().args(["status"])).ok());
    process::must_run(signer().args(["request", "--rule", "release", &image.by_tag()]));
    let cosign = node.cosign();
    let options = ["--new-bundle-format=false"];
    let signed = process::wait(LIMIT, || cosign.verify(&image.by_digest(), &key, &options).ok());
    assert!(signed.is_some(), "{}", daemon.log());
    let other = node.push("team/other:1");
    assert!(cosign.verify(&other.by_digest(), &key, &options).is_err());
}

/// The public half that pullgate reads from a key file, with the passphrase in a file.
fn public_half(key: &Path, passphrase: &Path) -> Result<String, String> {
    let mut public = Command::new(programs::signer());
    process::run(public.args(["keys", "public"]).arg(key).arg("--passphrase-file").arg(passphrase))
}

#[test]
fn keys_encrypted_by_cosign_are_opened() {
    let at = Directory::new();
    let passphrase = at.path().join("passphrase");
    let secret = |text: &str| {
        directory::write(&passphrase, text);
        std::fs::set_permissions(&passphrase, Permissions::from_mode(0o600)).unwrap();
    };
    let mut cosign = Command::new(environment::tool("cosign"));
    cosign.env("HOME", at.path()).env("COSIGN_PASSWORD", "pg5ECRET-two").current_dir(at.path());
    process::must_run(cosign.arg("generate-key-pair"));
    let key = at.path().join("cosign.key");
    let expected = std::fs::read_to_string(at.path().join("cosign.pub")).unwrap();
    secret("pg5ECRET-two\n");
    assert_eq!(public_half(&key, &passphrase).unwrap(), expected);
    secret("pg5ECRET-three\n");
    let error = public_half(&key, &passphrase).unwrap_err();
    assert!(error.contains("the passphrase is wrong") && !error.contains("pg5ECRET-three"), "{error}");
    // cosign's own variable; then no passphrase.
    let public = || {
        let mut public = Command::new(programs::signer());
        public.args(["keys", "public"]).arg(&key).env_remove("COSIGN_PASSWORD");
        public
    };
    assert_eq!(process::run(public().env("COSIGN_PASSWORD", "pg5ECRET-two")).unwrap(), expected);
    assert!(process::run(&mut public()).unwrap_err().contains("no passphrase;"));
    // Through a file descriptor.
    let mut shell = Command::new("sh");
    let script = "printf pg5ECRET-two | \"$0\" keys public \"$1\" --passphrase-fd 0";
    shell.args(["-c", script]).arg(programs::signer()).arg(&key);
    assert_eq!(process::run(&mut shell).unwrap(), expected);
}

#[test]
fn openssl_and_pullgate_open_each_other_s_encrypted_keys() {
    let at = Directory::new();
    let passphrase = at.path().join("passphrase");
    directory::write(&passphrase, "pg5ECRET-two\n");
    std::fs::set_permissions(&passphrase, Permissions::from_mode(0o600)).unwrap();
    let openssl = |arguments: &[&str]| {
        let mut openssl = Command::new("openssl");
        process::must_run(openssl.current_dir(at.path()).args(arguments))
    };
    openssl(&[
        "genpkey",
        "-aes256",
        "-pass",
        "pass:pg5ECRET-two",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        "rsa.key",
    ]);
    let plain = |name: &str| openssl(&["pkey", "-in", name, "-passin", "pass:pg5ECRET-two"]);
    secrets::register_key(&plain("rsa.key"));
    let expected = openssl(&["pkey", "-in", "rsa.key", "-passin", "pass:pg5ECRET-two", "-pubout"]);
    assert_eq!(public_half(&at.path().join("rsa.key"), &passphrase).unwrap(), expected);
    let ours = at.path().join("ours.key");
    let mut generate = Command::new(programs::signer());
    generate.args(["keys", "generate", "--kind", "EC_P256", "--encrypt", "--passphrase-file"]);
    process::must_run(generate.arg(&passphrase).arg(&ours));
    secrets::register_key(&plain("ours.key"));
    let seen = openssl(&["pkey", "-in", "ours.key", "-passin", "pass:pg5ECRET-two", "-pubout"]);
    assert_eq!(public_half(&ours, &passphrase).unwrap(), seen);
}

#[test]
fn keys_are_shown_with_all_their_names_and_as_in_the_policy() {
    let at = Directory::new();
    let key = PrivateKey::make(at.path(), RELEASE, Kind::P256);
    let mut public = Command::new(programs::signer());
    let result = process::must_run(public.args(["keys", "public", "--output", "json"]).arg(&key.file));
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let mut digest = Command::new("sh");
    digest.args(["-c", "openssl pkey -pubin -in \"$0\" -outform DER | sha256sum | cut -c-64"]);
    let digest = process::must_run(digest.arg(&key.public_file));
    assert_eq!(result["ids"]["sha256"], digest.trim());
    assert_eq!(result["fingerprint"], format!("sha256:{}", digest.trim()));
    assert!(result["ids"]["ni"].as_str().unwrap().starts_with("ni:///sha-256;"));
    assert_eq!(result["pem"], std::fs::read_to_string(&key.public_file).unwrap());
    let root = at.path().join("etc");
    directory::make(&root);
    Policy::deny().authenticator(RELEASE, &[&key]).require("**", &[RELEASE]).write(&root);
    let mut list = Command::new(programs::signer());
    let listed =
        process::must_run(list.arg("--config").arg(&root).args(["keys", "list", "--output", "json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["authenticator"], RELEASE);
    let listed = &listed[0]["keys"][0];
    assert_eq!(listed["fingerprint"], result["fingerprint"]);
    assert_eq!(
        (listed["algorithm"].as_str(), listed["status"].as_str()),
        (Some("ECDSA_SHA_256"), Some("valid"))
    );
}
