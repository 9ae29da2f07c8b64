//! How long a verdict on a present image may be used again without asking.

use std::collections::BTreeSet;

use super::*;
use pullgate::config::BreakGlassFile;
use pullgate::gate::HeldContent;
use pullgate_test::policy::SECURITY;

/// Something that changes on the node, for the image `id` of `world`.
type Change = fn(&World, &Gate, &Digest);

fn break_glass(world: &World, until: &str) {
    let text = format!(
        "[[open]]\nscope = \"{}/elsewhere\"\nreason = \"outage\"\nuntil = {until}\n",
        world.registry.host()
    );
    std::fs::write(world.directory.path().join("etc/break-glass.toml"), text).unwrap();
}

#[tokio::test]
async fn a_verdict_is_used_again_until_something_that_it_depends_on_changes() {
    let changes: [(&str, Change, bool); 8] = [
        ("nothing", |_, _, _| {}, true),
        (
            "the same policy is loaded",
            |world, gate, _| world.set_policy(gate, &[RELEASE], REQUIRED, ""),
            false,
        ),
        (
            "the key is revoked",
            |world, gate, _| world.set_policy(gate, &[SECURITY], SECURITY_ONLY, ""),
            false,
        ),
        (
            "an exception is opened",
            |world, _, _| {
                let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
                break_glass(world, &until.to_string());
            },
            false,
        ),
        ("an exception is over", |world, _, _| break_glass(world, "2020-01-01T00:00:00Z"), true),
        (
            "the evidence is removed",
            |world, _, _| entries(world).iter().for_each(|file| std::fs::remove_file(file).unwrap()),
            false,
        ),
        (
            "the evidence is damaged",
            |world, _, _| entries(world).iter().for_each(|file| std::fs::write(file, "damaged").unwrap()),
            false,
        ),
        (
            "the links are removed",
            |world, _, _| {
                let links = files(&world.ledger_directory().join("images"));
                links.iter().for_each(|file| std::fs::remove_file(file).unwrap());
            },
            false,
        ),
    ];
    for (what, change, same) in changes {
        let world = World::new().await;
        let (_, id) = world.signed("team/app", "app");
        let name = world.image("team/app:1");
        world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
        let gate = world.gate();
        std::fs::create_dir_all(world.directory.path().join("etc")).unwrap();
        gate.set_break_glass(Box::new(BreakGlassFile::of(&world.directory.path().join("etc"))));
        // Files that were written just now are not compared.
        let mut verdict = None;
        for _ in 0..200 {
            verdict = gate.check_present_to_cache(&name, &present(&id, &[])).await.unwrap().1;
            if verdict.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let verdict = verdict.expect("it rests on evidence on the disk");
        assert!(gate.is_current(&verdict), "{what}");
        change(&world, &gate, &id);
        assert_eq!(gate.is_current(&verdict), same, "{what}");
    }
}

const REQUIRED: &str = r#"all = ["release"]"#;
const SECURITY_ONLY: &str = r#"all = ["security"]"#;

/// Where digests are denied, the runtime's content decides, which is read again each time.
#[tokio::test]
async fn a_verdict_is_not_used_again_where_digests_are_denied_or_a_rule_only_audits() {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    let gate = world.gate();
    let free = world.image("free/tool:1");
    let ask = async || gate.check_present_to_cache(&free, &present(&id, &[])).await.unwrap().1.is_some();
    assert!(ask().await, "the policy alone decides");
    let audited = "[[namespace]]\nscope = \"%HOST/free/tool\"\ndeny = \"a test\"\nmode = \"audit\"";
    world.set_policy(&gate, &[RELEASE], REQUIRED, audited);
    assert!(!ask().await, "what audit mode admits is decided each time");
    let denied = format!("[deny]\ndigests = [{{ digest = \"{digest}\", reason = \"a test\" }}]");
    world.set_policy(&gate, &[RELEASE], REQUIRED, &denied);
    let read = Present { content: HeldContent::Read(BTreeSet::new()), ..present(&id, &[]) };
    assert!(gate.check_present_to_cache(&free, &read).await.is_ok_and(|(_, verdict)| verdict.is_none()));
}

#[tokio::test]
async fn a_verdict_ends_with_its_time() {
    let world = World::new().await;
    let gate = world.gate();
    let name = world.image("free/tool:1");
    let (_, verdict) = gate.check_present_to_cache(&name, &present(&config_of("tool"), &[])).await.unwrap();
    let verdict = verdict.expect("the policy alone decides");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59 * 60)).await;
    assert!(gate.is_current(&verdict));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!gate.is_current(&verdict));
}
