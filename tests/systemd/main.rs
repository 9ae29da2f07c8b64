//! pullgate on a Debian node that systemd has booted: installed from its package, started, updated, removed.
//!
//! Run `tests/environment/install`, `tests/environment/node-packages` and `cargo build --workspace --bins` first. Needs root. A test that cannot run fails.
//!
//! What differs from a real machine: the kernel is shared, so its settings and devices cannot be changed, and CAP_SYS_RESOURCE
//! may be missing, without which systemd cannot lower OOM scores. kubelet is a unit that connects to the socket, or `crates/test-support/src/bin/play_kubelet.rs`.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod boot;
mod credentials;
mod directives;
mod doctor;
mod ends;
mod install;
mod proxied;
mod reload;
mod removal;
mod sandbox;
mod signer;

use pullgate_test::node::debian::SOCKET;
use pullgate_test::node::policy::Policy;

/// Denies the images of one registry with this text.
fn denying(text: &str) -> Policy {
    Policy::deny().add_lines(&format!("[[namespace]]\nscope = \"registry.example.com\"\ndeny = \"{text}\""))
}

/// An image that [`denying`] refuses without asking a registry.
const DENIED: &str = "registry.example.com/app:1";
