//! A changed entry is treated as missing.

use super::*;

/// Each kind of damage at each byte of an entry; with `repair` it is a forgery with a correct checksum.
async fn at_each_byte(repair: bool) {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    let [entry] = entries(&world).try_into().unwrap();
    let good = std::fs::read(&entry).unwrap();
    let (name, other) = (world.image("team/app:1"), config_of("another image"));
    let hint = world.image(&format!("team/app@{digest}"));
    let mut admitted = 0;
    let mut gate = world.gate();
    for at in 0..good.len() {
        if repair {
            // Without caches, so that each signature is verified.
            gate = world.gate();
        }
        let mut flipped = good.clone();
        flipped[at] ^= 0x01;
        let mut damaged = vec![flipped];
        if !repair {
            let mut high = good.clone();
            high[at] ^= 0x80;
            damaged.extend([good[..at].to_vec(), high]);
        }
        for mut bytes in damaged {
            let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
            if repair {
                let first = format!("pullgate evidence 1 {}\n", Digest::of(&bytes[line..]));
                bytes = [first.as_bytes(), &bytes[line..]].concat();
            }
            if bytes == good {
                continue;
            }
            std::fs::write(&entry, &bytes).unwrap();
            let decided = gate.check_present(&name, &present(&id, &[&hint]), None).await;
            if let Ok(decision) = &decided {
                assert!(repair, "byte {at}: damage is noticed");
                assert_eq!(decision.digest(), Some(&digest), "byte {at}");
                admitted += 1;
            } else if !repair {
                assert!(!entry.exists(), "byte {at}: what is damaged is removed");
            }
            let wrong = gate.check_present(&name, &present(&other, &[&hint]), None).await;
            assert_eq!(reason(&wrong), "not-verified", "byte {at}");
        }
    }
    // Only fields that are not evaluated may change.
    assert!(admitted < good.len() / 2, "{admitted} of {}", good.len());
    std::fs::write(&entry, &good).unwrap();
    assert_eq!(reason(&world.check_present(&world.gate(), &name, &id).await), "verified");
}

#[tokio::test]
async fn damage_to_any_byte_is_detected() {
    at_each_byte(false).await;
}

#[tokio::test]
async fn forging_any_byte_admits_nothing_else() {
    at_each_byte(true).await;
}

#[tokio::test]
async fn foreign_files_are_not_read() {
    let world = World::new().await;
    let (_, id) = world.signed("team/app", "app");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    let [entry] = entries(&world).try_into().unwrap();
    let good = std::fs::read(&entry).unwrap();
    let kept = world.directory.path().join("kept");
    std::fs::write(&kept, &good).unwrap();
    let name = world.image("team/app:1");
    type Put<'a> = Box<dyn Fn() + 'a>;
    let mut cases: Vec<(&str, Put<'_>)> = vec![
        ("a link", Box::new(|| std::os::unix::fs::symlink(&kept, &entry).unwrap())),
        (
            "a pipe",
            Box::new(|| {
                nix::unistd::mkfifo(&entry, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap()
            }),
        ),
        ("a directory", Box::new(|| std::fs::create_dir(&entry).unwrap())),
        ("nothing in it", Box::new(|| std::fs::write(&entry, b"").unwrap())),
        (
            "too large",
            Box::new(|| {
                std::fs::write(&entry, &good).unwrap();
                std::fs::OpenOptions::new()
                    .append(true)
                    .open(&entry)
                    .unwrap()
                    .set_len(ledger::MAX_ENTRY_BYTES as u64 + 1)
                    .unwrap();
            }),
        ),
    ];
    if nix::unistd::geteuid().is_root() {
        cases.push((
            "another user's",
            Box::new(|| {
                std::fs::write(&entry, &good).unwrap();
                std::os::unix::fs::chown(&entry, Some(12345), None).unwrap();
            }),
        ));
    }
    for (what, put) in cases {
        let _ = std::fs::remove_file(&entry);
        let _ = std::fs::remove_dir(&entry);
        put();
        let decided = world.check_present(&world.gate(), &name, &id).await;
        assert_eq!(reason(&decided), "not-verified", "{what}: {decided:?}");
        // A pull repairs the entry if possible.
        world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
        let mended = reason(&world.check_present(&world.gate(), &name, &id).await);
        assert_eq!(mended, if what == "a directory" { "not-verified" } else { "verified" }, "{what}");
    }
}

/// A forgery of unsigned parts could otherwise keep a good image from running indefinitely.
#[tokio::test]
async fn a_pull_replaces_evidence_about_another_digest() {
    let world = World::new().await;
    let (_, id) = world.signed("team/app", "app");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    let [entry] = entries(&world).try_into().unwrap();
    let good = std::fs::read(&entry).unwrap();
    let line = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let name = world.image("team/app:1");
    let hex = id.hex();
    let other = hex.chars().rev().collect::<String>();
    for (from, to) in
        [(hex, other.as_str()), ("image.manifest", "image.manifesT"), ("image.manifest", "image.index.v1")]
    {
        let at = good.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut rest = good[line..].to_vec();
        rest.splice(at - line..at - line + from.len(), to.bytes());
        let first = format!("pullgate evidence 1 {}\n", Digest::of(&rest));
        std::fs::write(&entry, [first.as_bytes(), &rest].concat()).unwrap();
        world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
        let mended = world.check_present(&world.gate(), &name, &id).await;
        assert_eq!(reason(&mended), "verified", "{from} -> {to}");
    }
}
