//! Break-glass for present images.

use super::*;
use pullgate::config::BreakGlassFile;
use pullgate_test::policy::SECURITY;

/// An image with an exception is usable by each of its names, and only while the file exists.
#[tokio::test]
async fn break_glass_admits_present_images() {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    let pulled = world.gate();
    world.pull(&pulled, "team/app:1", &id).await.unwrap();
    // Without the key, only break-glass can admit the image.
    let gate = world.gate();
    world.set_policy(&gate, &[Authenticator { name: "release", ..SECURITY }], r#"all = ["release"]"#, "");
    let root = world.directory.path().join("etc");
    gate.set_break_glass(Box::new(BreakGlassFile::of(&root)));
    let file = root.join("break-glass.toml");
    let (name, other) = (world.image("team/app:1"), world.image("other/app:1"));
    let unknown = config_of("another image");
    let host = world.registry.host();
    let scope = format!("scope = \"{host}/team\"");
    let elsewhere = format!("scope = \"{host}/elsewhere\"");
    let [by_digest, by_id, by_other] =
        [&digest, &id, &unknown].map(|digest| format!("digest = \"{digest}\""));
    let refused = "no-valid-signature";
    for (what, hours, requested, present_id, expected) in [
        (&scope, 1, &name, &id, "break-glass"),
        (&scope, 1, &name, &unknown, "break-glass"),
        (&scope, -1, &name, &id, refused),
        (&scope, 8 * 24, &name, &id, refused),
        (&scope, 1, &other, &id, "not-verified"),
        (&elsewhere, 1, &name, &id, refused),
        // The digest is the image's id, or the evidence of the pull leads from it to the id.
        (&by_digest, 1, &name, &id, "break-glass"),
        (&by_digest, 1, &other, &id, "break-glass"),
        (&by_digest, 1, &name, &unknown, "not-verified"),
        (&by_digest, -1, &name, &id, refused),
        (&by_id, 1, &name, &id, "break-glass"),
        (&by_other, 1, &name, &id, refused),
        (&by_other, 1, &name, &unknown, "break-glass"),
    ] {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        std::fs::write(&file, format!("[[open]]\n{what}\nreason = \"outage\"\nuntil = {until}\n")).unwrap();
        let decided = gate.check_present(requested, &present(present_id, &[]), None).await;
        assert_eq!(reason(&decided), expected, "{what} for {hours} h, {requested} {present_id}: {decided:?}");
    }
    // Requested by id, a scope admits only an image that has a name in it.
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let open = |what: &str| {
        std::fs::write(&file, format!("[[open]]\n{what}\nreason = \"outage\"\nuntil = {until}\n")).unwrap();
    };
    open(&by_id);
    let decided = gate.check_present(id.as_str(), &present(&id, &[&name]), None).await;
    assert_eq!(reason(&decided), "break-glass");
    open("scope = \"registry.example.com\"");
    let decided = gate.check_present(id.as_str(), &present(&id, &[&name]), None).await;
    assert_eq!(reason(&decided), refused);
    // An id could be parsed as a name, `docker.io/library/sha256:…`, but is not one.
    open("scope = \"docker.io/library\"");
    for requested in [id.as_str(), id.hex(), &id.hex()[..12]] {
        let decided = gate.check_present(requested, &present(&id, &[&name]), None).await;
        assert_eq!(reason(&decided), refused, "{requested}: {decided:?}");
    }
    open(&scope);
    for (names, expected) in
        [(vec![name.as_str()], "break-glass"), (vec![&other, &name], "break-glass"), (vec![], refused)]
    {
        let decided = gate.check_present(id.as_str(), &present(&id, &names), None).await;
        assert_eq!(reason(&decided), expected, "{names:?}: {decided:?}");
    }
    // A file with an error admits nothing.
    std::fs::write(&file, format!("[[open]]\n{by_id}\nreason = \"outage\"\nuntil = {until}\n[[open]]\n"))
        .unwrap();
    assert_eq!(reason(&gate.check_present(&name, &present(&id, &[]), None).await), refused);
}
