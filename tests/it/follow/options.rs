//! Each option of `[follow]` changes an outcome.

use pullgate_core::followed::{Document, Kind};
use pullgate_test::signer::{attach_bundle, key_file};
use pullgate_test::sigstore::{ISSUER, Person, SUBJECT, Sigstore};

use super::{Fleet, OPEN, PATH, own, version};
use pullgate_core::followed::{Content, FilePath, Label};
use std::collections::BTreeMap;

#[tokio::test]
pub(crate) async fn a_node_takes_what_its_key_signed_from_its_reference_for_its_labels() {
    let fleet = Fleet::start().await;
    let mut content = fleet.document(1, OPEN);
    content.labels.insert(Label::parse("pool=edge").unwrap());
    fleet.publish(content, &own());
    let canary = format!("policy = \"{}\"\n", fleet.reference("canary"));
    fleet.registry.tag(PATH, "canary", &fleet.registry_digest());
    for (lines, expected) in [
        ("labels = [\"pool=edge\", \"gpu=no\"]".to_owned(), "1"),
        ("labels = [\"pool=core\"]".to_owned(), "none"),
        (
            format!("labels = [\"pool=edge\"]\nkeys = [{:?}]", key_file("p384", "pub")),
            "none of them by the signer",
        ),
        (format!("labels = [\"pool=edge\"]\n{canary}"), "it is for other references"),
        (format!("keys = [{:?}]", key_file("rsa-2048", "pub")), "is not a public key (EC or Ed25519)"),
        ("keys = [\"/nonexistent.pub\"]".to_owned(), "file does not exist"),
    ] {
        let found = match version(&mut fleet.follower(&lines)).await {
            Ok(Some(version)) => version.to_string(),
            Ok(None) => "none".to_owned(),
            Err(error) => error,
        };
        assert!(found.contains(expected), "{lines}: {found}");
        let _ = std::fs::remove_dir_all(fleet.store());
    }
}

#[tokio::test]
pub(crate) async fn an_identity_can_sign_instead_of_a_key() {
    let fleet = Fleet::start().await;
    let sigstore = Sigstore::new();
    let digest =
        fleet.store_document(Kind::Policy, Document::write(Kind::Policy, fleet.document(1, OPEN)).unwrap());
    let person = Person::builder();
    attach_bundle(&fleet.registry, PATH, &digest, &sigstore.bundle(&person, &digest).to_string());
    fleet.registry.tag(PATH, "stable", &digest);
    let root = |name: &str, sigstore: &Sigstore| {
        let path = fleet.directory.path().join(name);
        std::fs::write(&path, sigstore.trusted_root().to_string()).unwrap();
        path
    };
    let (own_root, other_root) = (root("root.json", &sigstore), root("other.json", &Sigstore::new()));
    let lines = |issuer: &str, subject: &str, root: &std::path::Path| {
        format!("issuer = \"{issuer}\"\nsubject = \"{subject}\"\ntrust-root = {root:?}")
    };
    for (lines, is_accepted) in [
        (lines(ISSUER, SUBJECT, &own_root), true),
        (lines("https://other.example", SUBJECT, &own_root), false),
        (lines(ISSUER, "https://git.example/team/other", &own_root), false),
        (lines(ISSUER, SUBJECT, &other_root), false),
    ] {
        let found = version(&mut fleet.follower(&lines)).await;
        assert_eq!(found == Ok(Some(1)), is_accepted, "{lines}: {found:?}");
        let _ = std::fs::remove_dir_all(fleet.store());
    }
}

#[tokio::test]
pub(crate) async fn a_deny_list_is_followed_by_its_own_reference() {
    let fleet = Fleet::start().await;
    let reference = fleet.reference("deny-list");
    let content = Content {
        references: [reference.clone()].into(),
        files: BTreeMap::from([(FilePath::deny_list(), b"[deny]\n".to_vec())]),
        ..fleet.document(7, "")
    };
    let document = Document::write(Kind::DenyList, content).unwrap();
    let digest = fleet.store_document(Kind::DenyList, document);
    attach_bundle(
        &fleet.registry,
        PATH,
        &digest,
        &pullgate_test::signer::bundle(&digest, super::SIGN, &own()),
    );
    fleet.registry.tag(PATH, "deny-list", &digest);
    fleet.registry.tag(PATH, "stable", &digest);
    let lines = format!("deny-list = \"{reference}\"");
    assert_eq!(version(&mut fleet.follower(&lines)).await, Ok(Some(7)));
    assert!(fleet.store().join("deny-list.seen.json").exists(), "in the directory of [follow]");
    // It is no policy.
    let error = version(&mut fleet.follower("")).await.unwrap_err();
    assert!(error.contains("not an artifact with one layer of type"), "{error}");
}

impl Fleet {
    /// What `stable` is.
    fn registry_digest(&self) -> pullgate::digest::Digest {
        pullgate::digest::Digest::of(&self.registry.tagged(PATH, "stable").unwrap())
    }
}
