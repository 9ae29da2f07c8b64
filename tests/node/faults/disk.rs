//! The directory of evidence is full, read-only, or damaged.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use pullgate_test::node::directory::files;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::{Node, Release};

/// A node that has pulled `known` before the fault, and that has an unsigned image in the runtime.
struct World {
    node: Node,
    known: Image,
    unsigned: Image,
    imported: String,
}

const IMPORTED: &str = "registry.example.com/imported:1";

fn start() -> World {
    let node = Node::start(Release::V2_1);
    let (known, unsigned) = (node.push_signed("team/known:1"), node.push("team/unsigned:1"));
    node.kubelet().pull(&Pod::of(known.by_tag())).unwrap();
    let imported = node.import(IMPORTED);
    World { node, known, unsigned, imported }
}

impl World {
    /// Starts pullgate in a separate mount namespace, after `script` has changed the directory `$E` there. Its mounts
    /// end with the process.
    fn start_where(&mut self, script: &str) {
        self.node.pullgate.stop();
        let evidence = self.node.pullgate.evidence();
        let script = format!("set -e; E='{}'; {script}\nexec \"$@\"", evidence.display());
        self.node.pullgate.start_in(&[
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
    }

    fn assert_nothing_unsigned(&self, case: &str) {
        let kubelet = self.node.kubelet_through_pullgate();
        let waiting = kubelet.ensure_image(&Pod::of(self.unsigned.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-signature", "{case}: {}", waiting.message);
        let waiting = kubelet.ensure_image(&Pod::of(IMPORTED).never()).unwrap_err();
        assert_eq!(waiting.reason, "ErrImageNeverPull", "{case}: {}", waiting.message);
        let waiting = kubelet.create(&Pod::of(IMPORTED), &self.imported).unwrap_err();
        assert_eq!(waiting.reason, "CreateContainerError", "{case}: {}", waiting.message);
    }

    fn assert_runs(&self, case: &str, pod: &Pod) {
        let ran = self.node.kubelet_through_pullgate().run(pod);
        assert_eq!(ran.as_ref().map(|ran| ran.user), Ok(1000), "{case}: {}", pod.image());
    }
}

/// Existing evidence stays, and evidence that cannot be written is kept until the daemon ends.
#[test]
fn an_unwritable_disk_costs_only_memory() {
    let mut world = start();
    // The existing evidence is copied, then the disk is full.
    let full = "cp -a \"$E\" \"$E.before\"; mount -t tmpfs -o size=1m,mode=0700 none \"$E\"; \
                cp -a \"$E.before/.\" \"$E/\"; rm -rf \"$E.before\"; \
                dd if=/dev/zero of=\"$E/filler\" bs=4k 2>/dev/null || true";
    let read_only = "mount --bind \"$E\" \"$E\"; mount -o remount,bind,ro \"$E\"";
    let empty = "mount -t tmpfs -o ro,mode=0700 none \"$E\"";
    for (case, script, known) in
        [("full", full, true), ("read-only", read_only, true), ("read-only and empty", empty, false)]
    {
        world.start_where(script);
        world.assert_nothing_unsigned(case);
        let offline = world.node.kubelet_through_pullgate().run(&Pod::of(world.known.by_tag()).never());
        assert_eq!(offline.is_ok(), known, "{case}: {offline:?}");
        let later = world.node.push_signed("team/later:1");
        world.assert_runs(case, &Pod::of(later.by_tag()));
        world.assert_runs(case, &Pod::of(later.by_tag()).never());
        world.assert_runs(case, &Pod::of(world.known.by_tag()).if_not_present());
        let reported = world.node.pullgate.records().into_iter().any(|record| {
            record["level"] != "INFO"
                && record["message"].as_str().is_some_and(|message| message.contains("in memory only"))
        });
        assert!(reported, "{case}: it is logged");
        // The disk works again: the old evidence is there, and the missing evidence is fetched.
        world.node.pullgate.stop();
        world.node.pullgate.start_again();
        world.assert_runs(case, &Pod::of(world.known.by_tag()).never());
        let forgotten = world.node.kubelet().ensure_image(&Pod::of(later.by_tag()).never()).unwrap_err();
        assert_eq!(forgotten.reason, "ErrImageNeverPull", "{case}: {}", forgotten.message);
        world.assert_runs(case, &Pod::of(later.by_tag()).if_not_present());
        world.assert_nothing_unsigned(case);
    }
}

/// Changes the files; `id` is that of an unsigned image.
type Damage = fn(root: &Path, id: &str);

const DAMAGES: [(&str, Damage); 14] = [
    ("entries are truncated", |root, _| each(root, "entries", |path| cut(path, 2))),
    ("entries are empty", |root, _| each(root, "entries", |path| fs::write(path, b"").unwrap())),
    ("a bit of each entry is flipped", |root, _| each(root, "entries", flip)),
    ("a bit of each link is flipped", |root, _| each(root, "images", flip)),
    ("links are truncated", |root, _| each(root, "images", |path| cut(path, 2))),
    ("entries are directories", |root, _| {
        each(root, "entries", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        });
    }),
    ("entries are pipes", |root, _| {
        each(root, "entries", |path| {
            fs::remove_file(path).unwrap();
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        });
    }),
    ("entries are links to other files", |root, _| {
        each(root, "entries", |path| {
            let moved = path.with_extension("moved");
            fs::rename(path, &moved).unwrap();
            symlink(&moved, path).unwrap();
        });
    }),
    ("foreign files are everywhere", |root, _| {
        for part in ["", "entries", "entries/00", "images", "images/ff", "tmp"] {
            fs::create_dir_all(root.join(part)).unwrap();
            fs::write(root.join(part).join("foreign"), b"pullgate evidence 1 \xff\n{}").unwrap();
        }
    }),
    ("the parts are files", |root, _| {
        for part in ["entries", "images", "tmp"] {
            fs::remove_dir_all(root.join(part)).unwrap();
            fs::write(root.join(part), b"in the way").unwrap();
        }
    }),
    ("the ledger is a file", |root, _| {
        fs::remove_dir_all(root).unwrap();
        fs::write(root, b"in the way").unwrap();
    }),
    ("the lock is a directory", |root, _| {
        let _ = fs::remove_file(root.join("lock"));
        fs::create_dir(root.join("lock")).unwrap();
    }),
    ("evidence of one image is linked to another", |root, id| {
        let line = files(&root.join("images")).first().map(|path| fs::read(path).unwrap()).unwrap();
        let hex = id.strip_prefix("sha256:").unwrap();
        fs::create_dir_all(root.join("images").join(&hex[..2])).unwrap();
        fs::write(root.join("images").join(&hex[..2]).join(&hex[2..]), line).unwrap();
    }),
    ("evidence is declared to be of another image", |root, id| {
        each(root, "entries", |path| {
            // With a correct checksum: it only detects damage, and a forger can compute it.
            let entry = fs::read(path).unwrap();
            let line = entry.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let hex = id.strip_prefix("sha256:").unwrap();
            let known = files(&root.join("images")).first().map(|path| {
                let shard = path.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
                format!("{shard}{}", path.file_name().unwrap().to_string_lossy())
            });
            let rest = replaced(&entry[line..], known.unwrap().as_bytes(), hex.as_bytes());
            let first = format!("pullgate evidence 1 {}\n", pullgate::digest::Digest::of(&rest));
            fs::write(path, [first.as_bytes(), &rest].concat()).unwrap();
        });
    }),
];

/// Damage costs one pull at most. It admits nothing and delays nothing.
#[test]
fn a_damaged_ledger_costs_at_most_a_pull() {
    let mut world = start();
    let root = world.node.pullgate.evidence();
    for (case, damage) in DAMAGES {
        world.node.pullgate.stop();
        damage(&root, &world.imported);
        world.node.pullgate.start_again();
        world.assert_nothing_unsigned(case);
        world.assert_runs(case, &Pod::of(world.known.by_tag()).if_not_present());
        world.assert_nothing_unsigned(case);
        world.node.pullgate.stop();
        let _ = fs::remove_file(&root);
        let _ = fs::remove_dir_all(&root);
        world.node.pullgate.start_again();
        world.assert_runs(case, &Pod::of(world.known.by_tag()));
        assert_eq!(files(&root.join("entries")).len(), 1, "{case}: there is evidence for the next one");
    }
}

fn each(root: &Path, part: &str, work: impl Fn(&Path)) {
    let found = files(&root.join(part));
    assert!(!found.is_empty(), "there is something to damage");
    found.iter().for_each(|path| work(path));
}

fn cut(path: &Path, by: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / by).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + from.len()].copy_from_slice(to);
    }
    bytes
}
