//! Valid signatures that say less, or something else, than a rule requires: T133, T134.

use pullgate::digest::Digest;
use pullgate_test::signer::{
    annotated_bundle, attach_bundle, attach_classic, attach_notation, notation, notation_file,
    notation_image, payload_with,
};
use serde_json::{Value, json};

use super::outcome::{Expect, FETCHED, SIGNED, UNSIGNED};
use super::world::{World, node, p256};

const BUNDLED: &str = "tag sig fallback referrers manifest blob";

/// The rule of the world with more in its requirement.
fn require(world: &World, more: &str) -> String {
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    let required = "require = { all = [\"release\"] }";
    assert!(policy.contains(required), "{policy}");
    policy.replace(required, more)
}

/// Signs the image of `path` in one layout, under the name of its repository and with these annotations.
fn sign(world: &World, path: &str, layout: &str, annotations: &Value) -> Digest {
    let digest = world.registry.image(path, "1", path);
    if layout == "classic" {
        let text = payload_with(&world.image(path), &digest, annotations);
        attach_classic(&world.registry, path, &digest, &[(text.clone(), p256().sign(&text))]);
    } else {
        attach_bundle(&world.registry, path, &digest, &annotated_bundle(&digest, annotations, &p256()));
    }
    digest
}

#[tokio::test]
async fn t133_a_signature_without_the_required_annotations_does_not_count() {
    let world = World::start(node()).await;
    let lax = require(&world, "require = { all = [\"release\"] }");
    let strict = require(
        &world,
        "require = { all = [\"release\"], annotations = { team = \"payments\", stage = \"prod\" } }",
    );
    for (name, annotations, found) in [
        ("exact", json!({ "team": "payments", "stage": "prod" }), None),
        ("more", json!({ "team": "payments", "stage": "prod", "build": "42" }), None),
        (
            "another-team",
            json!({ "team": "shop", "stage": "prod" }),
            Some("team\" = \"payments\", but the signature has \"shop\""),
        ),
        ("one-of-two", json!({ "team": "payments" }), Some("stage\" = \"prod\", but the signature has none")),
        ("case", json!({ "Team": "payments", "stage": "prod" }), Some("signature has none")),
        ("empty", json!({ "team": "", "stage": "prod" }), Some("signature has \"\"")),
        ("list", json!({ "team": ["payments"], "stage": "prod" }), Some("a value that is not a string")),
        ("null", json!(null), Some("stage\" = \"prod\", but the signature has none")),
    ] {
        for (layout, requests) in [("classic", FETCHED), ("bundle", BUNDLED)] {
            let path = format!("team/{layout}-{name}");
            let digest = sign(&world, &path, layout, &annotations);
            let pinned = world.pinned(&path, &digest);
            // A payload without annotations is known and not fetched.
            let usual = annotations.is_null() && layout == "classic";
            let requests = if usual { UNSIGNED } else { requests };
            let refused = || Expect { requests, ..Expect::refused("no-valid-signature") };
            world.set_policy(&strict);
            let judged = world.outcome(&format!("{path}:1")).await;
            let Some(found) = found else {
                judged.assert(&path, Expect { requests, ..Expect::verified(&pinned) });
                continue;
            };
            judged.assert(&path, refused());
            assert!(judged.line.contains(found), "{path}: {}", judged.line);
            assert!(judged.line.contains("with annotations stage = "), "{path}: {}", judged.line);
            // A verdict by the laxer rule does not serve the stricter one.
            world.set_policy(&lax);
            let requests = if usual { SIGNED } else { requests };
            let admitted = world.outcome(&format!("{path}:1")).await;
            admitted.assert(&path, Expect { requests, ..Expect::verified(&pinned) });
            world.set_policy(&strict);
            world.outcome(&format!("{path}:1")).await.assert(&path, refused());
        }
    }
}

#[tokio::test]
async fn t134_a_bundle_that_was_copied_from_another_repository_does_not_count_where_it_must_name_its_own() {
    let world = World::start(node()).await;
    let required = "require = { all = [\"release\"] }";
    let lax = require(&world, required);
    let strict = require(&world, &format!("{required}\nidentity = \"required\""));
    let (own, other) = (world.image("team/app"), world.image("team/build"));
    let cases = [
        ("own", json!({ "docker-reference": own }), None),
        ("with-a-tag", json!({ "docker-reference": format!("{own}:1") }), None),
        ("copied", json!({ "docker-reference": other }), Some("for another repository")),
        (
            "another-host",
            json!({ "docker-reference": "evil.example/team/app" }),
            Some("for another repository"),
        ),
        ("by-cosign", json!({}), Some("signature does not name its repository, but the rule has identity")),
        ("list", json!({ "docker-reference": [own] }), Some("signature does not name its repository")),
    ];
    for (name, annotations, found) in cases {
        let digest = world.registry.image("team/app", "1", name);
        attach_bundle(
            &world.registry,
            "team/app",
            &digest,
            &annotated_bundle(&digest, &annotations, &p256()),
        );
        let pinned = world.pinned("team/app", &digest);
        world.set_policy(&strict);
        let judged = world.outcome("team/app:1").await;
        let Some(found) = found else {
            judged.assert(name, Expect { requests: BUNDLED, ..Expect::verified(&pinned) });
            continue;
        };
        let refused = || Expect { requests: BUNDLED, ..Expect::refused("other-repository") };
        judged.assert(name, refused());
        assert!(judged.line.contains(found), "{name}: {}", judged.line);
        world.set_policy(&lax);
        let admitted = world.outcome("team/app:1").await;
        admitted.assert(name, Expect { requests: BUNDLED, ..Expect::verified(&pinned) });
        world.set_policy(&strict);
        world.outcome("team/app:1").await.assert(name, refused());
    }
    // An envelope by notation, which names none.
    let digest = notation_image(&world.registry, "team/notation");
    attach_notation(&world.registry, "team/notation", &digest, &notation("p256.jws"));
    let pinned = world.pinned("team/notation", &digest);
    for (identity, expect) in
        [("required", Expect::refused("other-repository")), ("optional", Expect::verified(&pinned))]
    {
        world.set_policy(&format!(
            "default = \"deny\"\n[authenticator.notary]\ntype = \"notation\"\nca = [{:?}]\nidentities = [\"*\"]\n\
             [[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ all = [\"notary\"] }}\nidentity = \"{identity}\"\n",
            notation_file("p256.root.pem")
        ));
        let judged = world.outcome("team/notation:1").await;
        judged.assert(identity, Expect { requests: BUNDLED, ..expect });
    }
    world.set_policy(&strict);
    // A classic signature names its repository anyway.
    let digest = sign(&world, "team/classic", "classic", &json!(null));
    let pinned = world.pinned("team/classic", &digest);
    let classic = world.outcome("team/classic:1").await;
    classic.assert("classic", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
}
