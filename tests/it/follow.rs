//! A policy and a deny list from a registry: refreshes in this process, and the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use pullgate::config::{self, DaemonConfig};
use pullgate::digest::Digest;
use pullgate::follow::{FollowSettings, Follower, Following, Refreshed};
use pullgate::node;
use pullgate::reference::Reference;
use pullgate::registry::Registry as Client;
use pullgate::trust::Algorithm;
use pullgate_core::followed::{
    Accepted, Content, Document, EMPTY_CONFIG, FilePath, Kind, Label, Version, manifest,
};
use pullgate_core::untrusted::error_chain;
use pullgate_test::registry::{MANIFEST, Options, Registry};
use pullgate_test::signer::{Signer, attach_bundle, bundle, key_file};
use tempfile::TempDir;

pub(crate) mod options;
pub(crate) mod serving;

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
pub(crate) const PATH: &str = "fleet/policy";

/// A policy without authenticators, which allows images below `open`.
pub(crate) const OPEN: &str = "default = \"deny\"\n[[namespace]]\nscope = \"r.example/open\"\nallow = \"unsigned\"\nreason = \"a test\"\n";

/// A registry, and the directory of a node that follows what is there.
pub(crate) struct Fleet {
    pub(crate) registry: Registry,
    pub(crate) directory: TempDir,
}

/// The key that `[follow]` of the tests names.
pub(crate) fn own() -> Signer {
    Signer::of("ed25519", Algorithm::Ed25519)
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let options = Options { referrers: true, conditions: true, ..Options::default() };
        Self { registry: Registry::with(options).await, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn reference(&self, tag: &str) -> Reference {
        self.registry.reference(&format!("{PATH}:{tag}"))
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.path().join("follow")
    }

    /// A `pullgate.toml` that follows the policy `stable`, with these lines in `[follow]`.
    pub(crate) fn config(&self, lines: &str) -> DaemonConfig {
        let keys = if lines.contains("keys") || lines.contains("issuer") {
            String::new()
        } else {
            format!("keys = [{:?}]\n", key_file("ed25519", "pub"))
        };
        let policy = if lines.contains("policy =") || lines.contains("deny-list =") {
            String::new()
        } else {
            format!("policy = \"{}\"\n", self.reference("stable"))
        };
        let text = format!(
            "[registry]\nhosts = {:?}\n[follow]\n{policy}{keys}directory = {:?}\n{lines}\n[limits]\nnegative-cache-ttl = \"0s\"\n",
            self.directory.path().join("certs.d"),
            self.store(),
        );
        pullgate_test::schema::check(config::DAEMON_FILE, &text);
        config::load_daemon_text(&text).unwrap_or_else(|problems| panic!("{text}: {problems}"))
    }

    /// A follower of a node that has just started.
    pub(crate) fn follower(&self, lines: &str) -> Follower {
        let config = self.config(lines);
        let kind = if config.follow.policy.is_some() { Kind::Policy } else { Kind::DenyList };
        let reference = config.follow.reference(kind).unwrap().clone();
        let client: Client = node::registry(&config).unwrap();
        let stored = Following::stored(&config.follow, Timestamp::now());
        Follower::new((kind, reference), config.follow.clone(), Arc::new(client), stored.accepted(kind))
    }

    /// What the node has stored.
    pub(crate) fn stored(&self, lines: &str) -> Following {
        Following::stored(&self.config(lines).follow, Timestamp::now())
    }

    pub(crate) fn document(&self, version: u64, policy: &str) -> Content {
        Content {
            version: Version::new(version).unwrap(),
            references: BTreeSet::from([self.reference("stable")]),
            labels: BTreeSet::new(),
            expires: None,
            files: BTreeMap::from([(FilePath::parse("policy.toml").unwrap(), policy.as_bytes().to_vec())]),
        }
    }

    /// Stores an artifact with this document, and returns its digest.
    pub(crate) fn store_document(&self, kind: Kind, document: Vec<u8>) -> Digest {
        let manifest = manifest(kind, &document);
        self.registry.blob(PATH, document);
        self.registry.blob(PATH, Bytes::from_static(EMPTY_CONFIG.1));
        self.registry.manifest(PATH, MANIFEST, manifest)
    }

    /// Stores, signs and tags a policy.
    pub(crate) fn publish(&self, content: Content, signer: &Signer) -> Digest {
        let document = Document::write(Kind::Policy, content).unwrap();
        let digest = self.store_document(Kind::Policy, document);
        attach_bundle(&self.registry, PATH, &digest, &bundle(&digest, SIGN, signer));
        self.registry.tag(PATH, "stable", &digest);
        digest
    }

    /// Publishes version `version` of a policy that differs by its version.
    pub(crate) fn publish_version(&self, version: u64) -> Digest {
        self.publish(self.document(version, &format!("# {version}\n{OPEN}")), &own())
    }
}

/// The new document, if there is one; a failure with its causes.
pub(crate) async fn refresh(follower: &mut Follower) -> Result<Option<Box<Accepted>>, String> {
    match follower.refresh(Timestamp::now()).await {
        Ok(Refreshed::New(accepted)) => Ok(Some(accepted)),
        Ok(Refreshed::Current) => Ok(None),
        Err(error) => Err(error_chain(&error)),
    }
}

/// The version of the new document.
pub(crate) async fn version(follower: &mut Follower) -> Result<Option<u64>, String> {
    let found = refresh(follower).await?;
    Ok(found.map(|accepted| accepted.verified().document().version().number()))
}

#[tokio::test]
async fn an_unchanged_artifact_costs_one_conditional_request() {
    let fleet = Fleet::start().await;
    fleet.publish_version(1);
    let mut follower = fleet.follower("");
    assert_eq!(version(&mut follower).await, Ok(Some(1)));
    fleet.registry.forget_requests();
    assert_eq!(version(&mut follower).await, Ok(None));
    let requests = fleet.registry.requests();
    let [request] = requests.as_slice() else { panic!("{:?}", fleet.registry.lines()) };
    assert_eq!(request.line(), format!("GET /v2/{PATH}/manifests/stable"));
    assert!(request.header("if-none-match").is_some(), "{:?}", request.headers);
    fleet.publish_version(2);
    assert_eq!(version(&mut follower).await, Ok(Some(2)));
}

#[tokio::test]
async fn the_last_good_document_is_verified_again_at_each_start() {
    let fleet = Fleet::start().await;
    fleet.publish_version(3);
    let accepted = refresh(&mut fleet.follower("")).await.unwrap().unwrap();
    let before = fleet.stored("");
    assert_eq!(before.problems().count(), 1, "nothing is stored before it was loaded");
    let following = before.with(*accepted);
    assert_eq!(following.problems().count(), 0);
    following.keep(&before).unwrap();
    let found = |lines: &str| {
        let stored = fleet.stored(lines);
        let version = stored.document(Kind::Policy).map(|document| document.version().number());
        (version, stored.problems().collect::<Vec<_>>().join("; "))
    };
    assert_eq!(found(""), (Some(3), String::new()));
    let (version, problem) = found(&format!("keys = [{:?}]", key_file("p384", "pub")));
    assert_eq!(version, None);
    assert!(problem.contains("not accepted any more"), "{problem}");
    let other = format!("policy = \"{}\"\n", fleet.reference("canary"));
    assert!(found(&other).1.contains("it is for other references"), "{}", found(&other).1);
    // What is stored is changed on the disk.
    let path = fleet.store().join("policy.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (name, damaged) in [
        ("cut", text[..text.len() / 2].to_owned()),
        ("exchanged", text.replace("deny", "allow")),
        ("empty", String::new()),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let (version, problem) = found("");
        assert_eq!(version, None, "{name}");
        assert!(!problem.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn without_a_readable_highest_version_nothing_new_is_accepted() {
    let fleet = Fleet::start().await;
    fleet.publish_version(3);
    version(&mut fleet.follower("")).await.unwrap();
    let path = fleet.store().join("policy.seen.json");
    std::fs::write(&path, "{").unwrap();
    fleet.publish_version(4);
    let error = version(&mut fleet.follower("")).await.unwrap_err();
    assert!(error.contains("is damaged; remove it"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(version(&mut fleet.follower("")).await, Ok(Some(4)));
}

#[tokio::test]
async fn a_document_for_other_labels_is_ignored() {
    let fleet = Fleet::start().await;
    fleet.publish_version(1);
    let mut node = fleet.follower("");
    assert_eq!(version(&mut node).await, Ok(Some(1)));
    let mut canary = fleet.document(2, OPEN);
    canary.labels.insert(Label::parse("pool=canary").unwrap());
    fleet.publish(canary, &own());
    assert_eq!(version(&mut node).await, Ok(None));
    fleet.publish_version(3);
    assert_eq!(version(&mut node).await, Ok(Some(3)));
}

fn settings_of(text: &str) -> Result<FollowSettings, String> {
    config::load_daemon_text(text).map(|config| config.follow).map_err(|problems| problems.to_string())
}

#[test]
fn a_section_that_leaves_the_signer_open_does_not_load() {
    let policy = "policy = \"r.example/fleet/policy:stable\"\n";
    let identity = "issuer = \"https://i.example\"\nsubject = \"s\"\ntrust-root = \"/r.json\"\n";
    let key = "keys = [\"/k.pub\"]\n";
    for (lines, expected) in [
        (format!("{policy}{key}"), ""),
        (format!("{policy}{identity}"), ""),
        (policy.to_owned(), "does not say who signs"),
        (format!("{policy}issuer = \"https://i.example\"\n"), "identity in [follow] is incomplete"),
        (format!("{policy}{key}{identity}"), "has `keys` and a keyless identity"),
        (format!("{policy}{}", identity.replace("\"s\"", "\"s*\"")), "is not an exact subject"),
        (format!("policy = \"r.example/fleet/policy\"\n{key}"), "is not a reference with a tag"),
        (format!("policy = \"policy:1\"\n{key}"), "is not a reference with a tag"),
        (format!("{policy}{}{key}", policy.replace("policy =", "deny-list =")), "are the same reference"),
        (format!("{policy}{key}labels = [\"edge\"]\n"), "has an entry that is not a label"),
        (format!("{policy}{key}interval = \"0s\"\n"), "`interval`"),
    ] {
        let found = settings_of(&format!("[follow]\n{lines}")).err().unwrap_or_default();
        assert_eq!(found.is_empty(), expected.is_empty(), "{lines}: {found}");
        assert!(found.contains(expected), "{lines}: {found}");
    }
}

/// The signer was not readable at the start, and only one of the two documents has come since.
#[tokio::test]
async fn no_policy_is_in_force_while_one_of_the_documents_is_absent() {
    let fleet = Fleet::start().await;
    fleet.publish_version(3);
    let accepted = refresh(&mut fleet.follower("")).await.unwrap().unwrap();
    let key = fleet.directory.path().join("late.pub");
    let (policy, deny_list) = (fleet.reference("stable"), fleet.reference("deny-list"));
    let before =
        fleet.stored(&format!("policy = \"{policy}\"\ndeny-list = \"{deny_list}\"\nkeys = [{key:?}]\n"));
    std::fs::copy(key_file("ed25519", "pub"), &key).unwrap();
    let following = before.with(*accepted);
    let known = config::KnownKeys::default();
    let notice = config::Trust::default().notice_span();
    let survey =
        config::survey_following(fleet.directory.path(), &following, &known, Timestamp::now(), notice);
    let problems = survey.loaded.unwrap_err().to_string();
    assert!(problems.contains("the followed deny list") && problems.contains("is missing"), "{problems}");
}

/// The version before is stored, because the disk was full, and the registry has it again.
#[tokio::test]
async fn a_stored_version_below_the_highest_that_was_seen_is_not_current() {
    let fleet = Fleet::start().await;
    let old = fleet.publish_version(7);
    let accepted = refresh(&mut fleet.follower("")).await.unwrap().unwrap();
    let before = fleet.stored("");
    before.with(*accepted).keep(&before).unwrap();
    fleet.publish_version(8);
    assert_eq!(version(&mut fleet.follower("")).await, Ok(Some(8)));
    // Version 8 was never stored.
    fleet.registry.tag(PATH, "stable", &old);
    let problem = version(&mut fleet.follower("")).await.unwrap_err();
    assert!(problem.contains("version 7 is lower than 8"), "{problem}");
    assert_eq!(fleet.follower("").seen_before().unwrap().0, 8);
    fleet.publish_version(8);
    assert_eq!(version(&mut fleet.follower("")).await, Ok(Some(8)));
}

/// A file of the signer may be unreadable for a moment, at a start or at a reload.
#[tokio::test]
async fn documents_count_again_when_the_signer_can_be_read_again() {
    let fleet = Fleet::start().await;
    fleet.publish_version(1);
    let accepted = refresh(&mut fleet.follower("")).await.unwrap().unwrap();
    let before = fleet.stored("");
    before.with(*accepted).keep(&before).unwrap();
    let key = fleet.directory.path().join("late.pub");
    let lines = format!("keys = [{key:?}]\n");
    let at_the_start = fleet.stored(&lines);
    let now = Timestamp::now();
    let found = |following: &Following| {
        let version = following.document(Kind::Policy).map(|document| document.version().number());
        (version, following.problems().count())
    };
    assert_eq!(found(&at_the_start), (None, 1));
    std::fs::copy(key_file("ed25519", "pub"), &key).unwrap();
    let later = at_the_start.verified_again(now);
    assert_eq!(found(&later), (Some(1), 0));
    std::fs::remove_file(&key).unwrap();
    let without = later.verified_again(now);
    assert_eq!(found(&without), (Some(1), 1), "it stays, and does not count");
    assert!(later.with_that_of(&without, Kind::Policy).is_none());
    std::fs::copy(key_file("ed25519", "pub"), &key).unwrap();
    assert_eq!(found(&without.verified_again(now)), (Some(1), 0));
}

#[tokio::test]
async fn an_old_document_for_other_labels_is_a_rollback() {
    let fleet = Fleet::start().await;
    let mut edge = fleet.document(2, OPEN);
    edge.labels.insert(Label::parse("pool=edge").unwrap());
    let edge = fleet.publish(edge, &own());
    fleet.publish_version(3);
    let mut node = fleet.follower("");
    assert_eq!(version(&mut node).await, Ok(Some(3)));
    fleet.registry.tag(PATH, "stable", &edge);
    let problem = version(&mut node).await.unwrap_err();
    assert!(problem.contains("version 2 is lower than 3"), "{problem}");
}

/// The node's token for Vault goes only where the node's own files say.
#[test]
fn a_followed_policy_does_not_say_where_vault_is() {
    let policy = |address: &str| {
        format!(
            "default = \"deny\"\n[authenticator.a]\nalgorithm = \"ECDSA_SHA_256\"\n\
             keys = [{{ source = \"vault://release?mount=transit&version=1{address}\", fingerprint = \"sha256:{}\" }}]\n",
            "0".repeat(64)
        )
    };
    let now = Timestamp::now();
    let notice = config::Trust::default().notice_span();
    for (address, found) in [("", (1, false)), ("&address=https://evil.example:8200", (0, true))] {
        let content = Content {
            version: Version::new(1).unwrap(),
            references: BTreeSet::from([Reference::parse("r.io/policy:stable").unwrap()]),
            labels: BTreeSet::new(),
            expires: None,
            files: BTreeMap::from([(FilePath::parse("policy.toml").unwrap(), policy(address).into_bytes())]),
        };
        let document = Document::write(Kind::Policy, content).unwrap();
        let document = Document::parse(Kind::Policy, &document).unwrap();
        let survey = config::survey_document(&document, &config::KnownKeys::default(), now, notice);
        let problems = survey.loaded.err().map(|it| it.to_string()).unwrap_or_default();
        assert_eq!((survey.declared.len(), problems.contains("has an `address`")), found, "{problems}");
    }
}
