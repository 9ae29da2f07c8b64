//! An old image that was validly signed, under a tag that was moved back to it: T72.

use pullgate_test::signer::sign_classic;

use super::outcome::{Expect, NOTHING, SIGNED};
use super::world::{World, node, p256};

/// A signature by a key has no time, so a policy cannot tell an old image from a new one by it: the deny list can.
#[tokio::test]
async fn t72_an_old_signed_image_runs_until_the_deny_list_names_it() {
    let world = World::start(node()).await;
    let old = world.signed();
    let new = world.registry.image("team/app", "1", "new");
    sign_classic(&world.registry, "team/app", &new, &p256());
    let [old_verdict, new_verdict] = [&old, &new].map(|digest| world.pinned("team/app", digest));
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("new", Expect { requests: SIGNED, ..Expect::verified(&new_verdict) });
    world.registry.tag("team/app", "1", &old);
    let outcome = world.outcome("team/app:1").await;
    outcome.assert("moved back", Expect { requests: SIGNED, ..Expect::verified(&old_verdict) });
    let policy = std::fs::read_to_string(world.directory.path().join("etc/policy.toml")).unwrap();
    world.set_policy(&format!(
        "{policy}[deny]\ndigests = [{{ digest = \"{old}\", reason = \"CVE-2026-0001\" }}]\n"
    ));
    let outcome = world.outcome("team/app:1").await;
    assert!(outcome.line.contains("CVE-2026-0001"), "{}", outcome.line);
    outcome.assert("denied", Expect { requests: "tag", ..Expect::refused("digest-denied") });
    let outcome = world.outcome(&format!("team/app@{old}")).await;
    let denied = Expect::refused("digest-denied");
    outcome.assert("by digest", Expect { requests: "", bytes: NOTHING, ..denied });
}
