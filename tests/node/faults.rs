//! Faults during pulls: of the daemon, its disk, its evidence, containerd and the registry.
//!
//! After each fault the tests check the same: nothing unverified reached containerd, every call was answered, and
//! signed images run again.

mod descriptors;
mod disk;
mod gone;
mod kills;
