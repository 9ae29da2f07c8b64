//! Where signatures are looked up, and that the policy applies to the requested name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::registry::{Limits, RegistrySettings, SignatureSource};

use super::world::{PULLED, World, node, p256, password};
use pullgate_test::policy::{Authenticator, RELEASE};
use pullgate_test::registry::{Auth, Options, Registry};
use pullgate_test::signer::{attach_classic, bundle, payload};

fn source(scope: String) -> SignatureSource {
    SignatureSource { scope, image: false, repository: None, directory: None, lookaside: None, grafeas: None }
}

#[tokio::test]
pub(crate) async fn signatures_in_another_repository_are_found() {
    let signatures = Registry::with(Options { auth: Auth::Nothing, ..Options::default() }).await;
    let elsewhere = signatures.repository("signatures");
    for (configured, image, expected) in
        [(true, false, PULLED), (true, true, PULLED), (false, true, "no-signature")]
    {
        let options = Options { auth: Auth::basic("u", "pg5ECRET"), ..Options::default() };
        let elsewhere = elsewhere.clone();
        let world = World::start(node().registry(options).settings(|_, registry| {
            let scope = if configured { registry.host() } else { "r.example".to_owned() };
            let source = SignatureSource { repository: Some(elsewhere), image, ..source(scope) };
            RegistrySettings { sources: vec![source], ..RegistrySettings::default() }
        }))
        .await;
        world.only_verdicts();
        let digest = world.registry.image("team/app", "1", "app");
        let text = payload(&world.image("team/app"), &digest);
        attach_classic(&signatures, "signatures", &digest, &[(text.clone(), p256().sign(&text))]);
        signatures.forget_requests();
        let auth = password("u", "pg5ECRET");
        assert_eq!(world.pull(&world.image("team/app:1"), auth).await.0, expected, "{configured} {image}");
        let asked_beside = world.request_paths("manifests").iter().any(|path| path.ends_with(".sig"));
        assert_eq!(asked_beside, image, "the image's own repository is searched if configured");
        assert!(signatures.requests().iter().all(|request| request.header("authorization").is_none()));
        // A signature for another name does not become valid in the place for this one.
        let other = world.registry.image("team/other", "1", "other");
        attach_classic(&signatures, "signatures", &other, &[(text.clone(), p256().sign(&text))]);
        let verdict = world.pull(&world.image("team/other:1"), password("u", "pg5ECRET")).await.0;
        assert_eq!(verdict, if configured { "other-digest" } else { "no-signature" });
    }
}

#[tokio::test]
pub(crate) async fn signatures_in_a_directory_are_found() {
    let limits = Limits { signatures: 4, ..Limits::default() };
    let world =
        World::start(node().registry(Options::default()).settings(|directory, registry| RegistrySettings {
            limits,
            sources: vec![SignatureSource {
                directory: Some(directory.path().join("signatures")),
                ..source(format!("{}/team", registry.host()))
            }],
            ..RegistrySettings::default()
        }))
        .await;
    world.only_verdicts();
    let place = |path: &str, digest: &pullgate::digest::Digest| {
        let place = world.directory.path().join("signatures").join(world.registry.host()).join(path);
        let place = place.join(format!("sha256-{}", digest.hex()));
        std::fs::create_dir_all(&place).unwrap();
        place
    };
    let sign = "https://sigstore.dev/cosign/sign/v1";
    let classic = world.registry.image("team/classic", "1", "classic");
    let text = payload(&world.image("team/classic"), &classic);
    let directory = place("team/classic", &classic);
    std::fs::write(directory.join("0.payload"), &text).unwrap();
    std::fs::write(directory.join("0.sig"), format!("{}\n", STANDARD.encode(p256().sign(&text)))).unwrap();
    let bundled = world.registry.image("team/bundled", "1", "bundled");
    std::fs::write(place("team/bundled", &bundled).join("0.bundle.json"), bundle(&bundled, sign, &p256()))
        .unwrap();
    let replayed = world.registry.image("team/replayed", "1", "replayed");
    std::fs::write(place("team/replayed", &replayed).join("0.bundle.json"), bundle(&bundled, sign, &p256()))
        .unwrap();
    world.registry.image("team/none", "1", "none");
    let lone = world.registry.image("team/lone", "1", "lone");
    std::fs::write(place("team/lone", &lone).join("0.payload"), &text).unwrap();
    let many = world.registry.image("team/many", "1", "many");
    for number in 0..6 {
        std::fs::write(place("team/many", &many).join(format!("{number}.bundle.json")), "{}").unwrap();
    }
    let large = world.registry.image("team/large", "1", "large");
    std::fs::write(place("team/large", &large).join("0.payload"), vec![b' '; 70_000]).unwrap();
    for (rest, expected) in [
        ("team/classic:1", PULLED),
        ("team/bundled:1", PULLED),
        ("team/replayed:1", "other-digest"),
        ("team/none:1", "no-signature"),
        ("team/lone:1", "registry-unavailable"),
        ("team/many:1", "too-many-signatures"),
        ("team/large:1", "signature-too-large"),
    ] {
        assert_eq!(world.verdict(rest).await, expected, "{rest}");
    }
    assert!(
        world.request_paths("manifests").iter().all(|path| path.ends_with("/1")),
        "{:?}",
        world.request_paths("manifests")
    );
    assert!(world.request_paths("referrers").is_empty());
}

#[tokio::test]
pub(crate) async fn a_mirror_is_tried_before_the_origin() {
    let mirror = Registry::start().await;
    let host = mirror.host();
    let world = World::start(node().registry(Options::default()).settings(|directory, registry| {
        let place = directory.path().join("certs.d/r.example");
        std::fs::create_dir_all(&place).unwrap();
        let text = format!(
            "server = \"http://{}\"\n[host.\"http://{host}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
            registry.host()
        );
        std::fs::write(place.join("hosts.toml"), text).unwrap();
        // The hosts come from containerd's own configuration.
        let config = directory.path().join("config.toml");
        let section = "[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path";
        let path = directory.path().join("certs.d");
        std::fs::write(&config, format!("version = 3\n{section} = \"{}\"\n", path.display())).unwrap();
        RegistrySettings { containerd_config: Some(config), ..RegistrySettings::default() }
    }))
    .await;
    world.only_verdicts();
    // The image is at the mirror, its signature only at the origin.
    let digest = mirror.image("team/app", "1", "app");
    for (name, expected) in [("127.0.0.1/team/app", "other-repository"), ("r.example/team/app", PULLED)] {
        let text = payload(name, &digest);
        attach_classic(&world.registry, "team/app", &digest, &[(text.clone(), p256().sign(&text))]);
        world.require(
            "any = [\"release\"]",
            &[
                RELEASE,
                Authenticator {
                    name: &format!("x{}", name.len() + name.matches('e').count()),
                    key: "rsa-2048",
                    algorithm: "RSA_PSS_SHA_256",
                },
            ],
        );
        let (verdict, line) = world.pull("r.example/team/app:1", None).await;
        assert_eq!(verdict, expected, "{line}");
    }
    assert_eq!(world.pulled(), [format!("r.example/team/app@{digest}")]);
    assert!(mirror.lines().iter().all(|line| line.contains("?ns=r.example")), "{:?}", mirror.lines());
    let origin = world.request_paths("manifests");
    assert!(
        origin.iter().all(|path| path.contains("sha256-")),
        "the tag was had from the mirror: {origin:?}"
    );
}
