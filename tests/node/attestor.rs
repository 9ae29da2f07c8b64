//! Attestations of attestors on a real node, made by openssl and gpg as Binary Authorization documents it.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate_test::node::gpg::Gpg;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, directory, process};
use serde_json::json;

on_every_release!(attestations_in_files_admit_images_and_are_known_afterwards);

/// The payload of an attestation, and an occurrence with a signature of it; as gcloud makes both.
struct Attested<'a> {
    node: &'a Node,
    image: &'a Image,
}

impl Attested<'_> {
    fn repository_and_digest(&self) -> (String, String) {
        let name = self.image.by_digest();
        let (repository, digest) = name.split_once('@').expect("it has a digest");
        (repository.to_owned(), digest.to_owned())
    }

    fn payload(&self) -> String {
        let (repository, digest) = self.repository_and_digest();
        let critical = json!({
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": digest },
            "type": "Google cloud binauthz container signature",
        });
        format!("{:#}\n", json!({ "critical": critical }))
    }

    /// Writes the occurrence to where the node looks for it.
    fn write(&self, signature: &[u8]) {
        let (repository, digest) = self.repository_and_digest();
        let occurrence = json!({
            "resourceUri": format!("https://{repository}@{digest}"),
            "noteName": "projects/p/notes/n",
            "kind": "ATTESTATION",
            "attestation": {
                "serializedPayload": STANDARD.encode(self.payload()),
                "signatures": [{ "publicKeyId": "key", "signature": STANDARD.encode(signature) }],
            },
        });
        let place =
            self.node.directory().join("attestations").join(repository).join(digest.replace(':', "-"));
        std::fs::create_dir_all(&place).expect("the directory can be made");
        directory::write(&place.join("1.attestation.json"), occurrence.to_string());
    }

    /// Signs it with openssl, by the key in a file.
    fn by_openssl(&self, key: &std::path::Path) {
        let (payload, signature) =
            (self.node.directory().join("payload"), self.node.directory().join("signature"));
        directory::write(&payload, self.payload());
        let mut sign = Command::new("openssl");
        process::must_run(
            sign.args(["dgst", "-sha512", "-sign"]).arg(key).arg("-out").arg(&signature).arg(&payload),
        );
        self.write(&std::fs::read(signature).expect("openssl wrote the signature"));
    }
}

fn attestations_in_files_admit_images_and_are_known_afterwards(release: pullgate_test::node::Release) {
    let mut node = Node::start(release);
    let gpg = Gpg::of(node.directory().join("gpg"));
    let keyring = gpg.key("release");
    let (key, public) = (node.directory().join("attestor.key"), node.directory().join("attestor.pem"));
    let mut make = Command::new("openssl");
    process::must_run(make.args(["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out"]).arg(&key));
    let mut show = Command::new("openssl");
    process::must_run(show.args(["pkey", "-pubout", "-in"]).arg(&key).arg("-out").arg(&public));
    let configuration = format!(
        "[[registry.signatures]]\nscope = \"**\"\nimage = true\ndirectory = {:?}\n",
        node.directory().join("attestations")
    );
    let settings =
        format!("algorithm = \"ECDSA_SHA_512\"\nkeys = [{{ file = {public:?} }}]\nkeyrings = [{keyring:?}]");
    let policy = Policy::deny()
        .add_lines(&format!("[authenticator.attestor]\ntype = \"attestor\"\n{settings}"))
        .require("**", &["attestor"]);
    node.pullgate.restart_with(&policy);
    node.pullgate.restart_configured(&configuration);

    let images = ["team/app:1", "team/app:2", "team/app:3", "team/app:4"].map(|name| node.push(name));
    let [by_openssl, by_gpg, changed, none] = &images;
    let attested = |image| Attested { node: &node, image };
    attested(by_openssl).by_openssl(&key);
    attested(by_gpg).write(&gpg.message(&attested(by_gpg).payload(), "release"));
    // A good attestation of another image.
    attested(changed).write(&gpg.message(&attested(by_gpg).payload(), "release"));
    for image in [by_openssl, by_gpg] {
        let ran =
            node.kubelet().run(&Pod::of(image.by_tag())).unwrap_or_else(|waiting| panic!("{waiting:?}"));
        assert_eq!(ran.user, 1000);
    }
    for (image, expected) in [(changed, "other-payload"), (none, "no-signature")] {
        let waiting = node.kubelet().ensure_image(&Pod::of(image.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), expected, "{}", waiting.message);
    }

    std::fs::remove_dir_all(node.directory().join("attestations")).expect("the directory is there");
    let other = Policy::deny()
        .add_lines(&format!(
            "[authenticator.attestor]\ntype = \"attestor\"\nkeyrings = [{:?}]",
            gpg.key("mallory")
        ))
        .require("**", &["attestor"]);
    super::rows::assert_evidence_decides(&mut node, &configuration, &[by_openssl, by_gpg], &other);
}
