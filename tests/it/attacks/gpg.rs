//! GPG signatures that say something else or must not count, and lookaside servers that misbehave: T71, T147.

use pullgate::digest::Digest;
use pullgate::registry::{HostCredential, Keyring, Limits, Lookaside, RegistrySettings, SignatureSource};

use super::outcome::Expect;
use super::world::{World, node};
use pullgate_test::registry::{Auth, Options, Recorded, Registry, Scripted};
use pullgate_test::secrets::file as secret_file;
use pullgate_test::signer::{gpg, gpg_file, notation_image};

/// The requests of a pull by tag of an image with one GPG signature: the second one is missing.
const SIGNED: &str = "tag sig fallback referrers lookaside*2";

/// A node whose registry has a lookaside beside it.
async fn start(limits: Limits) -> World {
    World::start(node().settings(move |_, registry| {
        let sources = vec![source(registry, &registry.host())];
        RegistrySettings { sources, limits, ..RegistrySettings::default() }
    }))
    .await
}

/// The images of a registry have signatures at this lookaside.
fn source(registry: &Registry, lookaside: &str) -> SignatureSource {
    let lookaside = Lookaside::parse(&format!("http://{lookaside}/lookaside"));
    let scope = registry.host();
    SignatureSource { scope, image: true, repository: None, directory: None, lookaside, grafeas: None }
}

fn keyring(name: &str) -> String {
    format!("keyrings = [{:?}]", gpg_file(&format!("{name}.keyring.gpg")))
}

/// Requires these authenticators of type gpg, each with its settings.
fn require(world: &World, requirement: &str, authenticators: &[(&str, &str)]) {
    let mut text = "default = \"deny\"\n".to_owned();
    for (name, settings) in authenticators {
        text += &format!("[authenticator.{name}]\ntype = \"gpg\"\n{settings}\n");
    }
    // The signatures of the fixtures are for this repository.
    let scope = world.image("team");
    text += &format!(
        "[[namespace]]\nscope = \"{scope}\"\naliases = [\"registry.example/team\"]\nrequire = {{ {requirement} }}\n"
    );
    world.set_policy(&text);
}

/// The number of the signature that a request to the lookaside is for, if it is for this image.
fn number(request: &Recorded, path: &str, digest: &Digest) -> Option<usize> {
    let place = format!("/lookaside/{path}@sha256={}/signature-", digest.hex());
    request.uri.path().strip_prefix(&place)?.parse().ok()
}

/// The lookaside has these files for the image, and no others.
fn serve(world: &World, path: &str, digest: &Digest, files: &[&str]) {
    let files: Vec<Vec<u8>> = files.iter().map(|name| gpg(&format!("{name}.signature"))).collect();
    let (path, digest) = (path.to_owned(), digest.clone());
    world.registry.hook(move |request| {
        let number = number(request, &path, &digest)?;
        let file = files.get(number.checked_sub(1)?);
        Some(
            file.map_or(Scripted::status(404), |file| Scripted::ok("application/octet-stream", file.clone())),
        )
    });
}

#[tokio::test]
async fn t71_a_gpg_signature_counts_only_by_a_key_of_the_policy_that_is_valid() {
    for (name, settings, signature, expected) in [
        ("signed", keyring("ed25519"), "ed25519", "verified"),
        ("by a sub-key", keyring("family"), "family-1", "verified"),
        ("another key", keyring("nistp256"), "ed25519", "unknown-key"),
        ("a changed message", keyring("ed25519"), "ed25519", "no-valid-signature"),
        ("not signed", keyring("ed25519"), "unsigned", "no-valid-signature"),
        ("encrypted", keyring("ed25519"), "symmetric", "no-valid-signature"),
        ("two signers", keyring("several"), "two-signers", "no-valid-signature"),
        ("a key that ended", keyring("ending"), "ending", "key-not-valid-now"),
        ("a sub-key that ended", keyring("ending-subkey"), "ending-subkey", "key-not-valid-now"),
        ("a signature that ended", keyring("ed25519"), "ending-signature", "signature-expired"),
        ("a revoked key", keyring("revoked"), "revoked", "key-revoked"),
        ("a revoked sub-key", keyring("revoked-subkey"), "revoked-subkey", "key-revoked"),
        ("SHA-1", keyring("rsa2048"), "rsa2048-sha1", "weak-signature"),
        ("a sub-key bound with SHA-1", keyring("weakly-bound"), "weakly-bound", "no-valid-signature"),
        ("made in the future", keyring("ed25519"), "future", "future-signing-time"),
    ] {
        // Each with a node of its own: evidence of one would count for the next.
        let world = start(Limits::default()).await;
        let path = "team/app";
        let digest = notation_image(&world.registry, path);
        serve(&world, path, &digest, &[signature]);
        if name == "a changed message" {
            let mut changed = gpg("uncompressed.signature");
            let middle = changed.len() / 2;
            changed[middle] ^= 1;
            let digest = digest.clone();
            world.registry.hook(move |request| match number(request, "team/app", &digest)? {
                1 => Some(Scripted::ok("application/octet-stream", changed.clone())),
                _ => Some(Scripted::status(404)),
            });
        }
        require(&world, "all = [\"gpg\"]", &[("gpg", &settings)]);
        let pinned = world.pinned(path, &digest);
        let expect = match expected {
            "verified" => Expect::verified(&pinned),
            reason => Expect::refused(reason),
        };
        let outcome = world.outcome(&format!("{path}:1")).await;
        outcome.assert(name, Expect { requests: SIGNED, ..expect });
    }
    // Only some keys of a keyring.
    let world = start(Limits::default()).await;
    let digest = notation_image(&world.registry, "team/app");
    serve(&world, "team/app", &digest, &["ed25519"]);
    let other = format!("{}\nfingerprints = [{:?}]", keyring("several"), fingerprint("nistp256"));
    require(&world, "all = [\"gpg\"]", &[("gpg", &other)]);
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("fingerprints", Expect { requests: SIGNED, ..Expect::refused("wrong-identity") });
}

/// The fingerprint of the one key in a keyring.
fn fingerprint(name: &str) -> String {
    let read = pullgate::trust::openpgp::read_keyring(&gpg(&format!("{name}.keyring.gpg"))).unwrap();
    read[0].fingerprint().to_string()
}

#[tokio::test]
async fn t71_a_gpg_signature_counts_only_for_its_digest_in_its_repository() {
    let world = start(Limits::default()).await;
    require(&world, "all = [\"gpg\"]", &[("gpg", &keyring("ed25519"))]);
    let signed = notation_image(&world.registry, "team/app");
    serve(&world, "team/app", &signed, &["ed25519"]);
    let pinned = world.pinned("team/app", &signed);
    world
        .outcome("team/app:1")
        .await
        .assert("signed", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
    let refused = |reason| Expect { requests: SIGNED, ..Expect::refused(reason) };
    let other = world.registry.image("team/app", "1", "another image");
    serve(&world, "team/app", &other, &["ed25519"]);
    let outcome = world.outcome("team/app:1").await;
    assert!(outcome.line.contains("signature is for another digest"), "{outcome:?}");
    outcome.assert("another digest", refused("other-digest"));
    let copied = notation_image(&world.registry, "team/copy");
    serve(&world, "team/copy", &copied, &["ed25519"]);
    let outcome = world.outcome("team/copy:1").await;
    assert!(outcome.line.contains("signature is for another repository"), "{outcome:?}");
    outcome.assert("another repository", refused("other-repository"));
}

#[tokio::test]
async fn t71_one_primary_key_counts_once() {
    let world = start(Limits::default()).await;
    let digest = notation_image(&world.registry, "team/app");
    let both =
        format!("keyrings = [{:?}, {:?}]", gpg_file("family.keyring.gpg"), gpg_file("ed25519.keyring.gpg"));
    require(&world, "at-least = 2, of = [\"one\", \"two\"]", &[("one", &keyring("family")), ("two", &both)]);
    serve(&world, "team/app", &digest, &["family-1", "family-2"]);
    let requests = "tag sig fallback referrers lookaside*3";
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("two sub-keys", Expect { requests, ..Expect::refused("not-enough-signatures") });
    serve(&world, "team/app", &digest, &["family-1", "family-2", "ed25519"]);
    let requests = "tag sig fallback referrers lookaside*4";
    let pinned = world.pinned("team/app", &digest);
    world.outcome("team/app:1").await.assert("two keys", Expect { requests, ..Expect::verified(&pinned) });
}

/// What a lookaside server sends for the signature with a number.
type Answer = Box<dyn Fn(usize) -> Scripted + Send + Sync>;

#[tokio::test]
pub(crate) async fn t147_a_lookaside_server_gets_few_requests_and_no_credentials() {
    let limits = Limits { signatures: 3, retries: 1, ..super::world::impatient() };
    let world = start(limits).await;
    let digest = notation_image(&world.registry, "team/app");
    let settings = keyring("ed25519");
    let key = [("gpg", settings.as_str())];
    require(&world, "all = [\"gpg\"]", &key);
    let good = || Scripted::ok("application/octet-stream", gpg("ed25519.signature"));
    let wrong = || Scripted::ok("application/octet-stream", gpg("nistp256.signature"));
    let page = || Scripted::ok("text/html", "<html>no such page</html>");
    let answers: [(&str, Answer, &str, &str); 6] = [
        ("without end", Box::new(move |_| wrong()), "lookaside*4", "too-many-signatures"),
        (
            "as many as the limit",
            Box::new(move |number| if number > 3 { Scripted::status(404) } else { wrong() }),
            "lookaside*4",
            "unknown-key",
        ),
        ("a page for everything", Box::new(move |_| page()), "lookaside", "no-valid-signature"),
        ("broken", Box::new(|_| Scripted::status(500)), "lookaside*2", "registry-unavailable"),
        ("forbidden", Box::new(|_| Scripted::status(403)), "lookaside", "registry-unauthorized"),
        (
            "large",
            Box::new(|_| Scripted::ok("application/octet-stream", vec![0x90; 1 << 20])),
            "lookaside",
            "signature-too-large",
        ),
    ];
    for (name, answer, asked, expected) in answers {
        let digest = digest.clone();
        world.registry.hook(move |request| number(request, "team/app", &digest).map(&answer));
        let requests = format!("tag sig fallback referrers {asked}");
        let expect = match expected {
            "registry-unavailable" | "registry-unauthorized" => Expect::unavailable(expected),
            reason => Expect::refused(reason),
        };
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(name, Expect { requests: &requests, bytes: 1..=2 << 20, ..expect });
    }
    // What is wrong with one signature does not matter for another.
    let subject = digest.clone();
    world.registry.hook(move |request| {
        let number = number(request, "team/app", &subject)?;
        Some(match number {
            1 => wrong(),
            2 => good(),
            _ => Scripted::status(404),
        })
    });
    let pinned = world.pinned("team/app", &digest);
    let requests = "tag sig fallback referrers lookaside*3";
    world
        .outcome("team/app:1")
        .await
        .assert("the second one", Expect { requests, ..Expect::verified(&pinned) });
    // A rule without GPG asks nobody; and an image that is not signed at all.
    world.require("all = [\"release\"]", &[pullgate_test::policy::RELEASE]);
    let requests = "tag sig fallback referrers";
    let unsigned = world.registry.image("team/unsigned", "1", "unsigned");
    world
        .outcome("team/unsigned:1")
        .await
        .assert("keys", Expect { requests, ..Expect::refused("no-signature") });
    require(&world, "all = [\"gpg\"]", &key);
    serve(&world, "team/unsigned", &unsigned, &[]);
    let requests = "tag sig fallback referrers lookaside";
    world
        .outcome("team/unsigned:1")
        .await
        .assert("unsigned", Expect { requests, ..Expect::refused("no-signature") });
}

#[tokio::test]
async fn t147_a_lookaside_server_gets_no_credentials_of_the_operator() {
    let server = Registry::start().await;
    for same_host in [true, false] {
        let elsewhere = server.host();
        let auth = Auth::basic("node", "pg5ECRET-node");
        let registry = Options { auth, referrers: true, ..Options::default() };
        let world = World::start(node().registry(registry).settings(|directory, registry| {
            let lookaside = if same_host { registry.host() } else { elsewhere };
            let credential = |host: &str| HostCredential {
                host: host.to_owned(),
                username: "node".to_owned(),
                password_file: secret_file(directory, "password", "pg5ECRET-node"),
            };
            let credentials = vec![credential(&registry.host()), credential(&lookaside)];
            let keyring = Keyring { credentials, ..Keyring::default() };
            RegistrySettings {
                sources: vec![source(registry, &lookaside)],
                keyring,
                ..RegistrySettings::default()
            }
        }))
        .await;
        world.watch("server", &server);
        world.mark("node", "pg5ECRET-node");
        let digest = notation_image(&world.registry, "team/app");
        let settings = keyring("ed25519");
        require(&world, "all = [\"gpg\"]", &[("gpg", &settings)]);
        let beside = if same_host { &world.registry } else { &server };
        let scheme = match same_host {
            true => "Basic realm=\"test\"".to_owned(),
            false => format!("Bearer realm=\"http://{}/token\",service=\"test\"", beside.host()),
        };
        let challenge = move || Scripted::status(401).header("www-authenticate", &scheme);
        let subject = digest.clone();
        beside.hook(move |request| number(request, "team/app", &subject).map(|_| challenge()));
        // The tag is read first, so that there is a grant for the registry and the repository.
        let lookaside = if same_host { "lookaside" } else { "server:lookaside" };
        let requests = format!("tag*2 sig fallback referrers {lookaside}");
        let refused = Expect { requests: &requests, ..Expect::unavailable("registry-unauthorized") };
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(("challenged", same_host), Expect { credentials: "node", ..refused });
        let subject = digest.clone();
        beside.hook(move |request| {
            Some(match number(request, "team/app", &subject)? {
                1 => Scripted::ok("application/octet-stream", gpg("ed25519.signature")),
                _ => Scripted::status(404),
            })
        });
        let requests = format!("tag sig fallback referrers {lookaside}*2");
        let pinned = world.pinned("team/app", &digest);
        let signed = Expect { requests: &requests, credentials: "node", ..Expect::verified(&pinned) };
        world.outcome("team/app:1").await.assert(("signed", same_host), signed);
        let asked = beside.requests();
        let mut asked = asked.iter().filter(|request| number(request, "team/app", &digest).is_some());
        assert!(asked.all(|request| request.header("authorization").is_none()), "same host: {same_host}");
    }
}
