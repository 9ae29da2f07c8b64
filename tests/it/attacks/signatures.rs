//! Signatures that say something else: T60 to T65, T69, T130.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pullgate::digest::Digest;
use pullgate::trust::Algorithm;

use super::world::{PULLED, World, p256};
use crate::support::signer::{
    Signer, attach_bundle, attach_classic, attach_classic_text, bundle, payload, sign_bundle, sign_classic,
};

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

#[tokio::test]
async fn t60_a_signature_of_another_digest_says_nothing_about_this_one() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let other = Digest::of(b"another image");
    let text = payload(&world.image("team/app"), &other);
    attach_classic(&world.registry, "team/app", &digest, &[(text.clone(), p256().sign(&text))]);
    attach_bundle(&world.registry, "team/app", &digest, &bundle(&other, SIGN, &p256()));
    assert_eq!(world.verdict("team/app:1").await, "no-valid-signature");
    assert_eq!(world.runtime.calls().len(), 0);
}

#[tokio::test]
async fn t61_a_signature_for_another_repository_is_not_for_this_one() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    for (name, expected) in [
        (world.image("team/other"), "no-valid-signature"),
        ("evil.example/team/app".to_owned(), "no-valid-signature"),
        (world.image("team/app-evil"), "no-valid-signature"),
        (world.image("team"), "no-valid-signature"),
        (world.image("team/app"), PULLED),
    ] {
        let text = payload(&name, &digest);
        attach_classic(&world.registry, "team/app", &digest, &[(text.clone(), p256().sign(&text))]);
        assert_eq!(world.verdict("team/app:1").await, expected, "{name}");
    }
    assert_eq!(world.pulled().len(), 1);
}

#[tokio::test]
async fn t62_a_payload_means_one_thing_or_nothing() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let good = String::from_utf8(payload(&world.image("team/app"), &digest).to_vec()).unwrap();
    let rows = [
        good.replace("cosign container image signature", "atomic"),
        good.replace("\"critical\"", "\"Critical\""),
        good.replace("docker-manifest-digest", "docker-manifest"),
        good.replacen('{', "{\"critical\":{},", 1),
        format!("{good}{good}"),
        good.replace(digest.as_str(), &digest.as_str().to_uppercase().replace("SHA256", "sha256")),
        "null".to_owned(),
        String::new(),
    ];
    for text in rows {
        assert_ne!(text, good);
        let bytes = Bytes::from(text.clone());
        attach_classic(&world.registry, "team/app", &digest, &[(bytes.clone(), p256().sign(&bytes))]);
        assert_eq!(world.verdict("team/app:1").await, "no-valid-signature", "{text}");
    }
    assert_eq!(world.runtime.calls().len(), 0);
    let bytes = Bytes::from(good);
    attach_classic(&world.registry, "team/app", &digest, &[(bytes.clone(), p256().sign(&bytes))]);
    assert_eq!(world.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn t63_a_bad_one_hides_no_good_one_and_is_none() {
    let world = World::start().await;
    let image = world.image("team/app");
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&image, &digest);
    let good = (text.clone(), p256().sign(&text));
    let foreign = (text.clone(), Signer::of("p384", Algorithm::EcdsaSha384).sign(&text));
    let broken = (text.clone(), b"no signature".to_vec());
    let of_other = payload(&image, &Digest::of(b"other"));
    let of_other = (of_other.clone(), p256().sign(&of_other));
    for (signatures, expected) in [
        (vec![foreign.clone(), broken.clone(), of_other.clone()], "no-valid-signature"),
        (vec![foreign.clone(), good.clone()], PULLED),
        (vec![good.clone(), foreign], PULLED),
        (vec![broken, of_other, good], PULLED),
    ] {
        // Verdicts are remembered: each row is judged by a policy of its own.
        attach_classic(&world.registry, "team/app", &digest, &signatures);
        world.require(
            &format!("any = [\"release\", \"spare-{}\"]", signatures.len() * 10 + world.pulled().len()),
            &[
                ("release", "p256", "ECDSA_SHA_256"),
                (
                    &format!("spare-{}", signatures.len() * 10 + world.pulled().len()),
                    "rsa-2048",
                    "RSA_PSS_SHA_256",
                ),
            ],
        );
        assert_eq!(world.verdict("team/app:1").await, expected);
    }
    assert_eq!(world.pulled().len(), 3);
}

#[tokio::test]
async fn t64_one_key_counts_once() {
    let world = World::start().await;
    let keys = [("a", "p256", "ECDSA_SHA_256"), ("b", "p384", "ECDSA_SHA_384")];
    world.require("at-least = 2, of = [\"a\", \"b\"]", &keys);
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let twice = [(text.clone(), p256().sign(&text)), (text.clone(), p256().sign(&text))];
    attach_classic(&world.registry, "team/app", &digest, &twice);
    sign_bundle(&world.registry, "team/app", &digest, &p256());
    assert_eq!(world.verdict("team/app:1").await, "not-enough-signatures");
    let second = (text.clone(), Signer::of("p384", Algorithm::EcdsaSha384).sign(&text));
    attach_classic(&world.registry, "team/app", &digest, &[twice[0].clone(), second]);
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(world.pulled().len(), 1);
}

#[tokio::test]
async fn t65_a_statement_of_another_kind_is_no_signature() {
    let world = World::start().await;
    for (number, kind) in
        ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document", ""].iter().enumerate()
    {
        let path = format!("team/app-{number}");
        let digest = world.registry.image(&path, "1", &path);
        attach_bundle(&world.registry, &path, &digest, &bundle(&digest, kind, &p256()));
        assert_eq!(world.verdict(&format!("{path}:1")).await, "no-valid-signature", "{kind}");
    }
    let digest = world.registry.image("team/app", "1", "app");
    attach_bundle(&world.registry, "team/app", &digest, &bundle(&digest, SIGN, &p256()));
    assert_eq!(world.verdict("team/app:1").await, PULLED);
    assert_eq!(world.pulled().len(), 1);
}

#[tokio::test]
async fn t69_a_signature_has_one_spelling() {
    let world = World::start().await;
    let digest = world.registry.image("team/app", "1", "app");
    let text = payload(&world.image("team/app"), &digest);
    let good = STANDARD.encode(p256().sign(&text));
    let mut broken = good.clone();
    broken.insert(10, '\n');
    let bare = good.trim_end_matches('=').to_owned();
    let rows =
        [format!("{good}\n"), broken, format!(" {good}"), format!("{good}="), good.replace('=', "%3D"), bare];
    for spelling in rows.into_iter().filter(|spelling| *spelling != good) {
        attach_classic_text(&world.registry, "team/app", &digest, &[(text.clone(), spelling.clone())]);
        assert_eq!(world.verdict("team/app:1").await, "no-valid-signature", "{spelling:?}");
    }
    attach_classic_text(&world.registry, "team/app", &digest, &[(text, good)]);
    assert_eq!(world.verdict("team/app:1").await, PULLED);
}

#[tokio::test]
async fn t130_any_valid_one_of_either_layout_will_do() {
    let world = World::start().await;
    let wrong = Signer::of("p384", Algorithm::EcdsaSha384);
    for (path, classic, bundled, expected) in [
        ("team/a", &p256(), &wrong, PULLED),
        ("team/b", &wrong, &p256(), PULLED),
        ("team/c", &wrong, &wrong, "no-valid-signature"),
    ] {
        let digest = world.registry.image(path, "1", path);
        sign_classic(&world.registry, path, &digest, classic);
        sign_bundle(&world.registry, path, &digest, bundled);
        assert_eq!(world.verdict(&format!("{path}:1")).await, expected, "{path}");
    }
    assert_eq!(world.pulled().len(), 2);
}
