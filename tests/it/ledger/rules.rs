//! What stands above signatures, or beside them: deny lists, allowances.

use super::*;

#[tokio::test]
async fn the_deny_list_takes_back_what_was_admitted() {
    let mut world = World::new().await;
    let (digest, id) = world.signed_index("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let child = world.held.0.keys().next().unwrap().clone();
    let key = [("release", "p256", "ECDSA_SHA_256")];
    let other = Digest::of(b"another").to_string();
    for (denied, expected) in [
        (digest.as_str(), "digest-denied"),
        (child.as_str(), "digest-denied"),
        (id.as_str(), "digest-denied"),
        (other.as_str(), "verified"),
    ] {
        let more = format!("[deny]\ndigests = [{{ digest = \"{denied}\", reason = \"a test\" }}]");
        world.set_policy(&gate, &key, r#"all = ["release"]"#, &more);
        for asked in [world.name("team/app:1"), id.to_string()] {
            let decided = world.standing(&gate, &asked, &id).await;
            assert_eq!(reason(&decided), expected, "{denied}, {asked}: {decided:?}");
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
async fn an_allowance_for_some_digests_is_for_these_images() {
    let world = World::new().await;
    let digest = world.registry.image("tools/shell", "1", "shell");
    let (id, other) = (config_of("shell"), config_of("another"));
    let gate = world.gate();
    let allow = |digest: &Digest| {
        let more = format!(
            "[[namespace]]\nscope = \"%HOST/tools\"\nallow = \"unsigned\"\nreason = \"a test\"\ndigests = [\"{digest}\"]"
        );
        world.set_policy(&gate, &[("release", "p256", "ECDSA_SHA_256")], r#"all = ["release"]"#, &more);
    };
    allow(&digest);
    let name = world.name("tools/shell:1");
    assert_eq!(
        reason(&world.standing(&gate, &name, &id).await),
        "digest-not-allowed",
        "nothing shows what it is"
    );
    world.pull(&gate, "tools/shell:1", &id).await.unwrap();
    assert_eq!(reason(&world.standing(&gate, &name, &id).await), "unsigned-allowed");
    assert_eq!(reason(&world.standing(&gate, &name, &other).await), "digest-not-allowed");
    allow(&Digest::of(b"another"));
    assert_eq!(reason(&world.standing(&gate, &name, &id).await), "digest-not-allowed");
}
