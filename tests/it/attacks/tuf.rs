//! Repositories that trusted roots come from: T88.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pullgate::service::ServiceSettings;
use pullgate::tuf_client::{self, State, TrustRepository};
use pullgate_core::untrusted::error_chain;
use pullgate_test::registry::{Body, Scripted};
use pullgate_test::sigstore::Sigstore;
use pullgate_test::tuf::{Repository, TARGET, pin};
use tempfile::TempDir;

/// A node that refreshes its trusted root from a repository.
struct Client {
    repository: Repository,
    directory: TempDir,
    now: Timestamp,
}

impl Client {
    /// With a first root, which is not fetched yet.
    async fn start() -> (Self, String) {
        let root = new_root();
        let repository = Repository::start(&root).await;
        let directory = tempfile::tempdir().unwrap();
        let client = Self { repository, directory, now: Timestamp::now() };
        client.pin(&client.repository.root_json());
        (client, root)
    }

    /// Makes this the root that everything begins with.
    fn pin(&self, root: &str) {
        std::fs::write(self.pinned(), root).unwrap();
    }

    fn pinned(&self) -> PathBuf {
        self.directory.path().join("pinned.json")
    }

    async fn refresh(&self) -> Result<bool, String> {
        let repository = TrustRepository {
            name: "own".to_owned(),
            url: self.repository.url(),
            targets: None,
            root: self.pinned(),
            target: TARGET.to_owned(),
        };
        let settings = ServiceSettings { step: Duration::from_secs(2), ..ServiceSettings::default() };
        let directory = self.directory.path().join("trust");
        let refreshed = tuf_client::refresh(&repository, &directory, settings, self.now).await;
        refreshed.map(|it| it.changed).map_err(|error| error_chain(&error))
    }

    /// The trusted root, if there is one.
    fn file(&self) -> Option<String> {
        std::fs::read_to_string(State::file_of(&self.directory.path().join("trust"), "own")).ok()
    }

    /// Asserts that a refresh fails for this reason and leaves the trusted root as it is.
    async fn assert_refused(&self, about: &str, expected: &str) {
        let before = self.file();
        let refreshed = self.refresh().await;
        let why = refreshed.expect_err(about);
        assert!(why.contains(expected), "{about}: {why}");
        assert_eq!(self.file(), before, "{about}");
        let state = State::of(&self.directory.path().join("trust"), "own").checked().unwrap();
        assert_eq!(state.problem.as_deref(), Some(why.as_str()), "{about}");
    }

    async fn assert_refreshed(&self, about: &str, root: &str) {
        self.refresh().await.unwrap_or_else(|why| panic!("{about}: {why}"));
        assert_eq!(self.file().as_deref(), Some(root), "{about}");
    }
}

/// A trusted root that no other equals.
fn new_root() -> String {
    Sigstore::new().trusted_root().to_string()
}

fn past() -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(1)
}

/// The same answer with another text.
fn with(text: &str) -> Scripted {
    Scripted::ok("application/json", text.to_owned())
}

type Change = fn(&mut Repository, &str);

/// What a repository, or somebody between, does after its first refresh, and why the next one fails.
const ATTACKS: &[(&str, Change, &str)] = &[
    (
        "expired timestamp",
        |it, next| {
            it.timestamp.expires = past();
            it.publish_next(next);
        },
        "timestamp.json is not trusted: timestamp expired at",
    ),
    (
        "expired snapshot",
        |it, next| {
            it.snapshot.expires = past();
            it.publish_next(next);
        },
        "2.snapshot.json is not trusted: snapshot expired at",
    ),
    (
        "expired targets",
        |it, next| {
            it.targets.expires = past();
            it.publish_next(next);
        },
        "2.targets.json is not trusted: targets expired at",
    ),
    (
        "expired root",
        |it, next| {
            it.next_root(|it| it.root.expires = past());
            it.publish_next(next);
        },
        "2.root.json is not trusted: root expired at",
    ),
    (
        "version 0",
        |it, next| {
            it.timestamp.version = 0;
            it.publish(next);
        },
        "not TUF metadata of version 1: `version` is 0",
    ),
    (
        "other timestamp of the same version",
        |it, next| it.publish(next),
        "timestamp has changed, but still has version 1",
    ),
    (
        "too few signatures of targets",
        |it, next| {
            it.targets.signing = 1;
            it.publish_next(next);
        },
        "2.targets.json is not trusted: targets has valid signatures by 1 of its keys, but needs 2",
    ),
    (
        "timestamp rotated without a root",
        |it, next| {
            it.timestamp.rotate();
            it.publish_next(next);
        },
        "timestamp.json is not trusted: timestamp has valid signatures by 0 of its keys, but needs 1",
    ),
    (
        "snapshot rotated without a root",
        |it, next| {
            it.snapshot.rotate();
            it.publish_next(next);
        },
        "2.snapshot.json is not trusted: snapshot has valid signatures by 0 of its keys, but needs 1",
    ),
    (
        "targets rotated without a root",
        |it, next| {
            it.targets.rotate();
            it.publish_next(next);
        },
        "2.targets.json is not trusted: targets has valid signatures by 0 of its keys, but needs 2",
    ),
    (
        "snapshot without one of its names",
        |it, next| {
            it.delegates = false;
            it.publish_next(next);
        },
        "2.snapshot.json is not trusted: snapshot no longer lists \"delegated.json\", which the previous snapshot listed",
    ),
    (
        "root that its own keys do not sign enough",
        |it, next| {
            it.next_root(|it| {
                it.root.rotate();
                it.root.signing = 1;
            });
            it.publish_next(next);
        },
        "2.root.json is not trusted: root has valid signatures by 1 of its keys, but needs 2",
    ),
    (
        "root that is skipped",
        |it, next| {
            it.next_root(|_| ());
            it.next_root(|_| ());
            it.script("/2.root.json", it.answer("/3.root.json"));
            it.publish_next(next);
        },
        "2.root.json is not trusted: new root has version 3, but must have the version after 1, the version of the trusted root",
    ),
    (
        "no timestamp",
        |it, next| {
            it.publish_next(next);
            it.remove("/timestamp.json");
        },
        "the repository answered 404 to the request for timestamp.json",
    ),
    (
        "forbidden timestamp",
        |it, next| {
            it.publish_next(next);
            it.script("/timestamp.json", Scripted::status(403));
        },
        "the repository answered 403 to the request for timestamp.json",
    ),
    (
        "no snapshot",
        |it, next| {
            it.publish_next(next);
            it.remove("/2.snapshot.json");
        },
        "the repository answered 404 to the request for 2.snapshot.json",
    ),
    (
        "error for the next root",
        |it, next| {
            it.publish_next(next);
            it.script("/2.root.json", Scripted::status(500));
        },
        "the repository answered 500 to the request for 2.root.json",
    ),
    (
        "redirect",
        |it, next| {
            it.publish_next(next);
            it.script("/timestamp.json", Scripted::redirect("http://127.0.0.1:1/timestamp.json"));
        },
        "answered with a redirect, which pullgate does not follow",
    ),
    (
        "endless timestamp",
        |it, next| {
            it.publish_next(next);
            it.script("/timestamp.json", Scripted::status(200).body(Body::Endless));
        },
        "has more than 524288 bytes",
    ),
    (
        "timestamp that never comes",
        |it, next| {
            it.publish_next(next);
            it.script("/timestamp.json", Scripted::status(200).body(Body::Hang));
        },
        "did not answer within 2s",
    ),
    (
        "large timestamp",
        |it, next| {
            it.publish_next(next);
            let padded = it.answer("/timestamp.json").text() + &" ".repeat(16 << 10);
            it.script("/timestamp.json", with(&padded));
        },
        "more than the limit of 16384",
    ),
    (
        "truncated snapshot",
        |it, next| {
            it.publish_next(next);
            let text = it.answer("/2.snapshot.json").text();
            let body = Body::Truncated { announced: text.len() as u64, bytes: text[..20].to_owned().into() };
            it.script("/2.snapshot.json", Scripted::status(200).body(body));
        },
        "2.snapshot.json could not be fetched from the repository",
    ),
    (
        "longer snapshot",
        |it, next| {
            it.publish_next(next);
            let padded = it.answer("/2.snapshot.json").text() + " ";
            it.script("/2.snapshot.json", with(&padded));
        },
        "2.snapshot.json has",
    ),
    (
        "other snapshot of the same length",
        |it, next| {
            it.publish_next(next);
            let text = it.answer("/2.snapshot.json").text().replacen("\"signatures\"", "\"Signatures\"", 1);
            it.script("/2.snapshot.json", with(&text));
        },
        "2.snapshot.json is not trusted: snapshot does not have the digest that the signed metadata names",
    ),
    (
        "snapshot of another version than announced",
        |it, next| {
            it.publish_next(next);
            let text = it.answer("/2.snapshot.json").text();
            it.timestamp.version += 1;
            it.script("/3.snapshot.json", with(&text));
            it.publish_timestamp(&pin(3, &text));
        },
        "3.snapshot.json is not trusted: snapshot has version 2, but the signed metadata names version 3",
    ),
    (
        "targets in place of the snapshot",
        |it, next| {
            it.publish_next(next);
            let text = it.answer("/2.targets.json").text();
            it.timestamp.version += 1;
            it.script("/2.snapshot.json", with(&text));
            it.publish_timestamp(&pin(2, &text));
        },
        "metadata does not belong to the role snapshot",
    ),
    (
        "key twice",
        |it, next| {
            it.publish_next(next);
            let text = it.answer("/timestamp.json").text().replacen('{', "{\"signatures\":[],", 1);
            it.script("/timestamp.json", with(&text));
        },
        "it has a duplicate key",
    ),
    (
        "no JSON",
        |it, next| {
            it.publish_next(next);
            it.script("/timestamp.json", with("<html>"));
        },
        "timestamp.json is not trusted: it is not JSON",
    ),
    (
        "other file of the same length",
        |it, next| {
            it.publish_next(next);
            let path = target_path(it);
            let other = it.answer(&path).text().replacen("mediaType", "mediatype", 1);
            it.script(&path, with(&other));
        },
        "trusted_root.json is not trusted: the file does not have the digest that the signed metadata names",
    ),
    (
        "shorter file",
        |it, next| {
            it.publish_next(next);
            it.script(&target_path(it), with("{}"));
        },
        "trusted_root.json is not trusted: the file has 2 bytes",
    ),
    (
        "no file",
        |it, next| {
            it.publish_next(next);
            it.remove(&target_path(it));
        },
        "the repository answered 404 to the request for",
    ),
    (
        "file that is not a trusted root",
        |it, _| it.publish_next("{}"),
        "the file that the repository signs is not a usable trusted root: the file is not a valid trusted root",
    ),
];

/// Where the current target is.
fn target_path(repository: &Repository) -> String {
    let text = repository.answer(&format!("/{}.targets.json", repository.targets.version)).text();
    let targets: serde_json::Value = serde_json::from_str(&text).unwrap();
    let digest = targets["signed"]["targets"][TARGET]["hashes"]["sha256"].as_str().unwrap().to_owned();
    format!("/targets/{digest}.{TARGET}")
}

#[tokio::test]
async fn t88_repositories_that_are_not_right_change_no_trusted_root() {
    for (about, change, expected) in ATTACKS {
        let (mut client, first) = Client::start().await;
        client.assert_refreshed(about, &first).await;
        let next = new_root();
        let good = client.repository.copy();
        change(&mut client.repository, &next);
        client.assert_refused(about, expected).await;
        // Without the attack, the same client goes on.
        client.repository.restore(good);
        let roles = [
            &mut client.repository.timestamp,
            &mut client.repository.snapshot,
            &mut client.repository.targets,
        ];
        for role in roles {
            role.expires = Timestamp::now() + SignedDuration::from_hours(1);
            role.signing = role.keys.len();
        }
        client.repository.delegates = true;
        if client.repository.root.version == 1 && !about.ends_with(" rotated without a root") {
            client.repository.timestamp.version = 4;
            client.repository.snapshot.version = 4;
            client.repository.targets.version = 4;
            client.repository.publish(&next);
            client.assert_refreshed(about, &next).await;
        }
    }
}

#[tokio::test]
async fn t88_what_is_older_than_before_is_refused() {
    let (mut client, first) = Client::start().await;
    client.assert_refreshed("first", &first).await;
    let old = client.repository.copy();
    let next = new_root();
    client.repository.publish_next(&next);
    client.assert_refreshed("next", &next).await;
    let current = client.repository.copy();
    client.repository.restore(old.clone());
    client.assert_refused("all", "timestamp is rolled back from version 2 to version 1").await;
    // A new timestamp for an old snapshot, and a new snapshot for old targets.
    client.repository.restore(current.clone());
    client.repository.timestamp.version = 3;
    client.repository.publish_timestamp(&pin(1, &old["/1.snapshot.json"].text()));
    client.assert_refused("snapshot", "snapshot is rolled back from version 2 to version 1").await;
    client.repository.timestamp.version = 4;
    client.repository.snapshot.version = 3;
    client.repository.publish_snapshot(&pin(1, &old["/1.targets.json"].text()));
    client.assert_refused("targets", "targets is rolled back from version 2 to version 1").await;
    // What was seen does not stop counting when it expires.
    client.repository.restore(old);
    client.now += SignedDuration::from_hours(48);
    let repository = &mut client.repository;
    for role in [&mut repository.targets, &mut repository.snapshot, &mut repository.timestamp] {
        role.version = 1;
        role.expires += SignedDuration::from_hours(72);
    }
    repository.root.expires += SignedDuration::from_hours(72);
    repository.next_root(|_| ());
    repository.publish(&first);
    client.assert_refused("later", "timestamp is rolled back from version 4 to version 1").await;
    client.repository.timestamp.version = 5;
    client.repository.snapshot.version = 5;
    client.repository.targets.version = 5;
    client.repository.publish(&first);
    client.assert_refreshed("newer", &first).await;
}

#[tokio::test]
async fn t88_a_root_of_somebody_else_is_refused() {
    let (mut client, first) = Client::start().await;
    client.assert_refreshed("first", &first).await;
    let mut other = Repository::start(&new_root()).await;
    other.next_root(|_| ());
    client.repository.script("/2.root.json", other.answer("/2.root.json"));
    client.assert_refused("foreign", "root has valid signatures by 0 of its keys, but needs 2").await;
    client.repository.remove("/2.root.json");
    client.assert_refreshed("without", &first).await;
    // What was kept of the repository means nothing with another pinned root.
    client.repository.next_root(|_| ());
    client.assert_refreshed("second root", &first).await;
    client.pin(&other.answer("/1.root.json").text());
    client
        .assert_refused("other pinned root", "2.root.json is not trusted: root has valid signatures by 0")
        .await;
    client.pin("{}");
    client.assert_refused("no root", "the pinned root (`root`) is not a usable TUF root").await;
    std::fs::remove_file(client.pinned()).unwrap();
    client.assert_refused("nothing", "cannot read the pinned root").await;
}

/// Two at once could write into each other's files, or replace what one of them saw last by something older.
#[tokio::test]
async fn one_refresh_of_a_repository_runs_at_a_time() {
    let (client, first) = Client::start().await;
    let (one, other) = tokio::join!(client.refresh(), client.refresh());
    assert_eq!(one, Ok(true));
    assert_eq!(other, Err("another refresh of it is running".to_owned()));
    assert_eq!(client.file(), Some(first.clone()));
    client.assert_refreshed("afterwards", &first).await;
}

/// If what was seen could be made unreadable, a rollback would not be noticed.
#[tokio::test]
async fn t88_what_was_seen_counts_as_long_as_it_is_there() {
    for name in ["timestamp.json", "snapshot.json", "2.root.json"] {
        let (mut client, first) = Client::start().await;
        client.repository.next_root(|_| ());
        client.assert_refreshed(name, &first).await;
        let path = client.directory.path().join("trust/own").join(name);
        let seen = std::fs::read(&path).unwrap();
        let named =
            |what: &str| format!("{}, which an earlier refresh wrote, cannot be {what}", path.display());
        std::fs::write(&path, "{").unwrap();
        client.assert_refused(name, &named("used: it is not JSON")).await;
        std::fs::write(&path, [0xff]).unwrap();
        client.assert_refused(name, &named("read: file is not UTF-8 text")).await;
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        client.assert_refused(name, &named("read: is not a regular file")).await;
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, seen).unwrap();
        client.assert_refreshed(name, &first).await;
    }
}

#[tokio::test]
async fn keys_are_followed_over_several_roots() {
    let (mut client, first) = Client::start().await;
    client.assert_refreshed("first", &first).await;
    assert_eq!(client.refresh().await, Ok(false), "nothing new");
    let next = new_root();
    for version in [2, 3] {
        client.repository.next_root(|it| {
            it.root.rotate();
            it.targets.rotate();
        });
        assert_eq!(client.repository.root.version, version);
    }
    client.repository.publish_next(&next);
    client.assert_refreshed("two roots later", &next).await;
    // A root that was fetched is not needed again, and one that is pinned later neither.
    client.repository.remove("/2.root.json");
    client.repository.remove("/3.root.json");
    client.assert_refreshed("kept", &next).await;
    client.pin(&client.repository.copy().get("/1.root.json").unwrap().text());
    client.assert_refreshed("pinned", &next).await;
    // With new keys of timestamp and snapshot, what the old ones signed is forgotten: somebody who had them may have
    // used the highest version there is.
    client.repository.next_root(|it| {
        it.timestamp.rotate();
        it.snapshot.rotate();
    });
    client.repository.timestamp.version = 1;
    client.repository.snapshot.version = 1;
    client.repository.publish(&first);
    client.assert_refreshed("new keys", &first).await;
}

#[tokio::test]
async fn many_roots_are_followed_in_several_refreshes() {
    let (mut client, first) = Client::start().await;
    let publish = |client: &mut Client, roots| (0..roots).for_each(|_| client.repository.next_root(|_| ()));
    publish(&mut client, 64);
    client.assert_refreshed("64", &first).await;
    publish(&mut client, 65);
    client.assert_refused("65", "more than 64 new root versions").await;
    client.assert_refreshed("the rest", &first).await;
}
