//! From push to pod, and through a key rotation: images that are pushed into a namespace are signed by rule, pulled through
//! the gate, and run. `make demo` shows it, and the node tests assert it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::images::{self, Image};
use super::keys::{Kind, PrivateKey};
use super::kubelet::Pod;
use super::policy::Policy;
use super::process;
use super::seen::{RUNS, Seen};
use super::signer::{self, Signer};
use super::{Node, RELEASE, signing};

/// The longest time from the start of a push to the signature.
pub const SOON: Duration = Duration::from_secs(2);

/// An action, and the expected result.
pub struct Step {
    pub what: &'static str,
    pub expected: &'static str,
    pub take: fn(&mut Circle<'_>) -> Seen,
}

/// Each step depends on those before it.
pub const STEPS: &[Step] = &[
    Step {
        what: "pushed into the namespace",
        expected: "signed by the old key",
        take: |circle| circle.push("team/first:1"),
    },
    Step { what: "  pulled and run", expected: RUNS, take: |circle| circle.run("team/first:1") },
    Step {
        what: "pushed outside the namespace",
        expected: "unsigned",
        take: |circle| circle.push_outside("other/app:1"),
    },
    Step { what: "  pulled", expected: "refused: no-signature", take: |circle| circle.run("other/app:1") },
    Step {
        what: "new key: the gate takes both",
        expected: "in force",
        take: |circle| circle.put_in_force(|policy, _| policy),
    },
    Step {
        what: "new key: the rule signs with it",
        expected: "in force",
        take: |circle| circle.change_rule(),
    },
    Step {
        what: "pushed after that",
        expected: "signed by the new key",
        take: |circle| circle.push("team/second:1"),
    },
    Step { what: "  pulled and run", expected: RUNS, take: |circle| circle.run("team/second:1") },
    Step {
        what: "signed by the old key: pulled and run",
        expected: RUNS,
        take: |circle| circle.run("team/first:1"),
    },
    Step {
        what: "old key: revoked at the gate",
        expected: "in force",
        take: |circle| circle.put_in_force(|policy, old| policy.deny_key(old)),
    },
    Step {
        what: "signed by the old key: pulled",
        expected: "refused: key-revoked",
        take: |circle| circle.run("team/first:1"),
    },
    Step {
        what: "  used as it is on the node",
        expected: "not shown: key-revoked",
        take: |circle| circle.run_what_is_present("team/first:1"),
    },
    Step {
        what: "signed by the new key: pulled and run",
        expected: RUNS,
        take: |circle| circle.run("team/second:1"),
    },
    Step {
        what: "old image, on request",
        expected: "signed by the old and new key",
        take: |circle| circle.request("team/first:1"),
    },
    Step { what: "  pulled and run", expected: RUNS, take: |circle| circle.run("team/first:1") },
];

/// A node whose registry notifies a signer, with a rule for the namespace `team`.
pub struct Circle<'a> {
    node: &'a Node,
    signer: Signer,
    new: PrivateKey,
    images: BTreeMap<&'static str, Image>,
    patience: Duration,
}

impl<'a> Circle<'a> {
    /// The node's release key is the old one. Waits at most `patience` for a signature.
    pub fn start(node: &'a mut Node, patience: Duration) -> Self {
        let signer = Signer::start(node, "team");
        let new = node.key("new", Kind::P256);
        Self { node, signer, new, images: BTreeMap::new(), patience }
    }

    /// Pushes an image into the namespace. The time is from the start of the push to the signature.
    fn push(&mut self, name: &'static str) -> Seen {
        let layout = images::make(self.node.directory(), &[]);
        let begin = Instant::now();
        let image = layout.push(&self.node.registry, name);
        let signed = self.wait_for_signatures(&image, 1);
        let seen = self.seen(&image, signed, begin.elapsed());
        self.images.insert(name, image);
        seen
    }

    /// Pushes an image that no rule applies to. The registry notifies in order, so the signer has received it when a later
    /// push into the namespace is signed.
    fn push_outside(&mut self, name: &'static str) -> Seen {
        let begin = Instant::now();
        let image = self.node.push(name);
        let after = self.node.push("team/after:1");
        let after_is_signed = self.wait_for_signatures(&after, 1);
        self.signer.until_idle();
        let result = match signing::count(&self.node.registry, &image) {
            0 if after_is_signed => "unsigned".to_owned(),
            0 => "nothing is signed".to_owned(),
            count => format!("{count} signatures"),
        };
        self.images.insert(name, image);
        Seen { result, message: self.signer.log(), time: begin.elapsed(), late: false }
    }

    /// Requests a signature for an image that is older than the rule.
    fn request(&mut self, name: &'static str) -> Seen {
        let image = self.image(name);
        let begin = Instant::now();
        let request = ["request", "--rule", signer::RULE, &image.by_tag()];
        process::must_run(self.signer.command().args(request));
        let signed = self.wait_for_signatures(image, 2);
        self.seen(image, signed, begin.elapsed())
    }

    fn wait_for_signatures(&self, image: &Image, count: usize) -> bool {
        let signed = process::wait(self.patience, || {
            assert!(self.node.directory().exists(), "the node was cleared away");
            (signing::count(&self.node.registry, image) >= count).then_some(())
        });
        signed.is_some()
    }

    fn seen(&self, image: &Image, signed: bool, time: Duration) -> Seen {
        let result = if signed {
            format!("signed by the {} key", self.signed_by(image).join(" and "))
        } else {
            "not signed".to_owned()
        };
        Seen { result, message: self.signer.log(), time, late: signed && time > SOON }
    }

    /// The keys whose signatures cosign accepts.
    fn signed_by(&self, image: &Image) -> Vec<&'static str> {
        let cosign = self.node.cosign();
        let keys = [("old", &self.node.release), ("new", &self.new)];
        let accepted = keys.iter().filter(|(_, key)| cosign.verify(&image.by_digest(), key, &[]).is_ok());
        accepted.map(|(name, _)| *name).collect()
    }

    fn run(&self, name: &str) -> Seen {
        Seen::of_pod(self.node, &Pod::of(self.image(name).by_tag()))
    }

    /// Runs an image that is present on the node, without a pull.
    fn run_what_is_present(&self, name: &str) -> Seen {
        let name = self.image(name).by_tag();
        self.node.id_in_runtime(&name);
        Seen::of_pod(self.node, &Pod::of(name).if_not_present())
    }

    /// Activates a policy that accepts both keys, as extended by `write`.
    fn put_in_force(&self, write: fn(Policy, &PrivateKey) -> Policy) -> Seen {
        let (old, new) = (&self.node.release, &self.new);
        let both = Policy::deny().authenticator(RELEASE, &[old, new]).require("**", &[RELEASE]);
        let begin = Instant::now();
        let record = self.node.pullgate.reload(&write(both, old));
        let is_in_force = record["message"].as_str().is_some_and(|it| it.starts_with("policy in force"));
        let result = if is_in_force { "in force" } else { "refused" }.to_owned();
        Seen { result, message: record.to_string(), time: begin.elapsed(), late: false }
    }

    /// Changes the rule to the new key, which makes it a new rule.
    fn change_rule(&self) -> Seen {
        let begin = Instant::now();
        self.signer.change_key(&self.new);
        Seen { result: "in force".to_owned(), message: self.signer.log(), time: begin.elapsed(), late: false }
    }

    fn image(&self, name: &str) -> &Image {
        self.images.get(name).unwrap_or_else(|| panic!("{name} was not pushed"))
    }
}
