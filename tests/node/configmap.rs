//! A policy that is mounted as a ConfigMap: all files are links through one link, which is replaced.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;

use serde_json::Value;

use crate::held::{At, Held};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::pullgate::Pullgate;
use pullgate_test::node::{Node, Release, directory, require_release};

on_every_release!(a_configmap_update_is_atomic);

/// Writes `policy` beside the one in force, without effect yet. Returns the name of its directory.
fn put(pullgate: &Pullgate, number: u32, policy: &Policy) -> String {
    let name = format!("..2026_01_01_00_00_{number:02}.1");
    policy.write(&pullgate.configuration().join(&name));
    name
}

/// The one atomic step of kubelet's `AtomicWriter`: a new `..data` is renamed over the old one.
fn swap(pullgate: &Pullgate, to: &str) {
    let root = pullgate.configuration();
    symlink(to, root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
}

/// Arranges the files of a configuration as in a ConfigMap.
fn mount(node: &mut Node) {
    node.pullgate.stop();
    let root = node.pullgate.configuration().to_owned();
    fs::remove_file(root.join("policy.toml")).unwrap();
    fs::remove_dir_all(root.join("keys")).unwrap();
    let first = put(&node.pullgate, 0, &require_release(Policy::deny(), &node.release));
    swap(&node.pullgate, &first);
    for name in ["policy.toml", "keys"] {
        symlink(format!("..data/{name}"), root.join(name)).unwrap();
    }
    node.pullgate.start_again();
}

fn generation(record: &Value) -> (&str, u64, &str) {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    (text("level"), record["generation"].as_u64().unwrap_or_default(), text("hash"))
}

fn a_configmap_update_is_atomic(release: Release) {
    let mut held = Held::start(release);
    mount(&mut held.node);
    let first = held.node.pullgate.wait_for_record(0, |record| record["message"] == "policy in force");
    let (_, number, hash) = generation(&first);
    let hash = hash.to_owned();
    held.assert_in_order("mounted");

    // A running pull keeps its policy; the next one uses the new policy.
    held.forget(true);
    let at = At::Ours(&["/team/app/manifests/sha256-", "/team/app/referrers/"]);
    held.hold(at);
    let name = held.signed.by_tag();
    let (pulled, second) = thread::scope(|scope| {
        let pull = scope.spawn(|| held.node.kubelet().pull(&Pod::of(&name)));
        held.held("a running pull", at);
        let second = put(&held.node.pullgate, 1, &Policy::deny());
        swap(&held.node.pullgate, &second);
        let reloaded = held.node.pullgate.reload_as_it_is();
        let waiting = held.kubelet.ensure_image(&Pod::of(held.unsigned.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "denied-by-rule", "the new policy is in force: {}", waiting.message);
        held.relay.hold().release();
        (pull.join().unwrap(), reloaded)
    });
    assert_eq!(pulled.as_ref().ok(), Some(&held.id), "{pulled:?}");
    let (level, new, other) = generation(&second);
    assert_eq!((level, new), ("INFO", number + 1), "{second}");
    assert_ne!(other, hash);
    let waiting = held.kubelet.ensure_image(&Pod::of(&name)).unwrap_err();
    assert_eq!(waiting.code(), "denied-by-rule", "{}", waiting.message);

    let third = put(&held.node.pullgate, 2, &require_release(Policy::deny(), &held.node.release));
    swap(&held.node.pullgate, &third);
    let third = held.node.pullgate.reload_as_it_is();
    assert_eq!(generation(&third), ("INFO", number + 2, hash.as_str()), "the same policy has the same hash");
    held.assert_in_order("swapped back");
    a_broken_one_changes_nothing(&held, number + 2, &hash);
}

/// The last good policy stays in force, unchanged, and is reported.
fn a_broken_one_changes_nothing(held: &Held, number: u64, hash: &str) {
    let pullgate = &held.node.pullgate;
    let root = pullgate.configuration();
    let good = require_release(Policy::deny(), &held.node.release);
    type Break<'a> = (&'a str, Box<dyn Fn(&str) + 'a>);
    let breaks: [Break<'_>; 6] = [
        (
            "cut short",
            Box::new(|name| directory::write(&root.join(name).join("policy.toml"), "default = \"de")),
        ),
        ("without its keys", Box::new(|name| fs::remove_dir_all(root.join(name).join("keys")).unwrap())),
        (
            "with another key",
            Box::new(|name| {
                let key = root.join(name).join("keys/release-release.pem");
                assert!(key.exists());
                directory::write(&key, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
            }),
        ),
        (
            "writable by others",
            Box::new(|name| {
                let mode = fs::Permissions::from_mode(0o666);
                fs::set_permissions(root.join(name).join("policy.toml"), mode).unwrap();
            }),
        ),
        ("without a policy", Box::new(|name| fs::remove_file(root.join(name).join("policy.toml")).unwrap())),
        ("that is not there", Box::new(|name| fs::remove_dir_all(root.join(name)).unwrap())),
    ];
    for (at, (case, damage)) in breaks.into_iter().enumerate() {
        let name = put(pullgate, 10 + u32::try_from(at).unwrap(), &good);
        damage(&name);
        swap(pullgate, &name);
        let reloaded = pullgate.reload_as_it_is();
        assert_eq!(generation(&reloaded), ("ERROR", number, hash), "{case}: {reloaded}");
        held.assert_in_order(case);
    }
}
