//! What breaks in the middle of things: the daemon, its disk, its evidence, containerd and the registry.
//!
//! After each fault the same has to hold: nothing unverified was handed to containerd, nobody waits for an answer that
//! does not come, and what is signed runs again.

mod descriptors;
mod disk;
mod gone;
mod kills;
