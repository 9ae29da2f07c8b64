//! pullgate on a real node: containerd 1.6, 1.7 and 2.1, a registry, and kubelet's calls.
//!
//! Run `tests/environment/install` first. A test that cannot run fails.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

/// Makes a test for each function and each release of containerd.
macro_rules! on_every_release {
    ($($name:ident),+ $(,)?) => {
        on_every_release!(@ containerd_1_6, V1_6, $($name),+);
        on_every_release!(@ containerd_1_7, V1_7, $($name),+);
        on_every_release!(@ containerd_2_1, V2_1, $($name),+);
    };
    (@ $module:ident, $release:ident, $($name:ident),+) => {
        mod $module {
            $(
                #[test]
                fn $name() {
                    super::$name(pullgate_test::node::Release::$release);
                }
            )+
        }
    };
}

mod activation;
mod admitted;
mod around;
mod attested;
mod attestor;
mod cancelled;
mod charts;
mod circle;
mod clock;
mod command;
mod configmap;
mod connections;
mod cosign;
mod crossing;
mod denied;
mod doctor;
mod effects;
mod faults;
mod gpg;
mod handed;
mod held;
mod keyless;
mod keys;
mod lazy;
mod metrics;
mod notation;
mod options;
mod policy;
mod readme;
mod refused;
mod registries;
mod report;
mod rows;
mod sandbox;
mod scan;
mod secrets;
mod sign;
mod signed;
mod signer;
mod skopeo;
mod status;
mod together;
mod verifier;
mod ways;
