//! Rules that decide before signatures, or without them: deny lists, allowances.

use super::*;
use pullgate_test::registry::Scripted;

#[tokio::test]
async fn the_deny_list_revokes_earlier_admissions() {
    let mut world = World::new().await;
    let (digest, id) = world.signed_index("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let child = world.held.manifests.keys().find(|key| **key != digest.as_str()).unwrap().clone();
    let key = [RELEASE];
    let other = Digest::of(b"another").to_string();
    for (denied, expected) in [
        (digest.as_str(), "digest-denied"),
        (child.as_str(), "digest-denied"),
        (id.as_str(), "digest-denied"),
        (other.as_str(), "verified"),
    ] {
        let more = format!("[deny]\ndigests = [{{ digest = \"{denied}\", reason = \"a test\" }}]");
        world.set_policy(&gate, &key, r#"all = ["release"]"#, &more);
        for requested in [world.image("team/app:1"), id.to_string()] {
            let decided = world.check_present(&gate, &requested, &id).await;
            assert_eq!(reason(&decided), expected, "{denied}, {requested}: {decided:?}");
        }
        let pinned = world.admit(&gate, &format!("team/app@{digest}")).await;
        let refused = pinned.err().map(|refusal| refusal.reason().code());
        assert_eq!(
            refused,
            (expected != "verified" && denied != id.as_str()).then_some(expected),
            "{denied}"
        );
    }
}

#[tokio::test]
async fn an_allowance_for_digests_covers_only_their_images() {
    let world = World::new().await;
    let digest = world.registry.image("tools/shell", "1", "shell");
    let (id, other) = (config_of("shell"), config_of("another"));
    let gate = world.gate();
    let allow = |digest: &Digest| {
        let more = format!(
            "[[namespace]]\nscope = \"%HOST/tools\"\nallow = \"unsigned\"\nreason = \"a test\"\ndigests = [\"{digest}\"]"
        );
        world.set_policy(&gate, &[RELEASE], r#"all = ["release"]"#, &more);
    };
    allow(&digest);
    let name = world.image("tools/shell:1");
    assert_eq!(reason(&world.check_present(&gate, &name, &id).await), "digest-not-allowed", "no evidence");
    world.pull(&gate, "tools/shell:1", &id).await.unwrap();
    assert_eq!(reason(&world.check_present(&gate, &name, &id).await), "unsigned-allowed");
    assert_eq!(reason(&world.check_present(&gate, &name, &other).await), "digest-not-allowed");
    allow(&Digest::of(b"another"));
    assert_eq!(reason(&world.check_present(&gate, &name, &id).await), "digest-not-allowed");
}

/// If the image itself must be signed, the signature of an index that lists it does not count, whenever it was recorded.
#[tokio::test]
async fn a_signature_of_the_index_does_not_count_if_the_image_must_be_signed() {
    let mut world = World::new().await;
    let (digest, id) = world.signed_index("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    // An unsigned index that lists the signed image for this platform.
    let size = world.registry.tagged("team/app", "1").unwrap().len();
    let mut entry = descriptor((&digest, size, MANIFEST, &[]));
    let platform = pullgate::registry::Platform::of_node().to_string();
    let (os, architecture) = platform.split_once('/').unwrap();
    let architecture = architecture.split('/').next().unwrap();
    entry["platform"] = serde_json::json!({ "os": os, "architecture": architecture });
    let outer = world.registry.manifest("team/app", INDEX, index(&[entry]));
    world.registry.tag("team/app", "outer", &outer);
    let key = [RELEASE];
    for (accept, present, pull) in [
        ("index", "verified", "no-signature"),
        // The image could not be read, so the refusal is not final.
        ("either", "verified", "bad-manifest"),
        ("platform", "not-verified", "bad-manifest"),
    ] {
        let more = format!(
            "[[namespace]]\nscope = \"%HOST/team/app\"\nrequire = {{ all = [\"release\"] }}\naccept = \"{accept}\""
        );
        world.set_policy(&gate, &key, r#"all = ["release"]"#, &more);
        let decided = world.check_present(&gate, &world.image("team/app:1"), &id).await;
        assert_eq!(reason(&decided), present, "{accept}: {decided:?}");
        let pulled = world.admit(&gate, "team/app:outer").await;
        let refused = pulled.as_ref().err().map(|refusal| refusal.reason().code());
        assert_eq!(refused, Some(pull), "{accept}: {pulled:?}");
    }
}

/// Audit mode admits what its own rule refuses, but not what the deny list may refuse: an unresolved image may be denied.
#[tokio::test]
async fn audit_mode_admits_nothing_that_may_be_denied() {
    let world = World::new().await;
    let digest = world.registry.image("watched/app", "1", "app");
    let gate = world.gate();
    let key = [RELEASE];
    let other = Digest::of(b"another");
    let ask = r#"require = { all = ["release"] }"#;
    for (rule, denied, answers, expected) in [
        (ask, None, true, Ok(true)),
        (ask, None, false, Ok(false)),
        (ask, Some(&digest), true, Err("digest-denied")),
        (ask, Some(&digest), false, Err("registry-unauthorized")),
        (ask, Some(&other), true, Ok(true)),
        ("deny = \"a test\"", None, true, Ok(false)),
        ("deny = \"a test\"", Some(&digest), true, Err("digest-denied")),
        ("deny = \"a test\"", Some(&digest), false, Err("registry-unauthorized")),
        ("deny = \"a test\"", Some(&other), true, Ok(true)),
    ] {
        let mut more = format!("[[namespace]]\nscope = \"%HOST/watched\"\nmode = \"audit\"\n{rule}\n");
        if let Some(denied) = denied {
            more += &format!("[deny]\ndigests = [{{ digest = \"{denied}\", reason = \"a test\" }}]");
        }
        world.set_policy(&gate, &key, r#"all = ["release"]"#, &more);
        world.registry.hook(move |_| (!answers).then(|| Scripted::status(403)));
        let decided = world.admit(&gate, "watched/app:1").await;
        let decided = decided.as_ref().map(|pinned| pinned.digest() == Some(&digest));
        let decided = decided.map_err(|refusal| refusal.reason().code());
        assert_eq!(decided, expected, "{rule}, {denied:?} denied, the registry answers: {answers}");
    }
}
