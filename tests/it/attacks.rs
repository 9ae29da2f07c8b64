//! Attacks by registries, mirrors, token services and networks on the whole daemon, with a fake containerd.
//! `docs/attacks.md` lists the numbers.

mod algorithms;
mod attestations;
pub(crate) mod attestor;
mod bounds;
mod busy;
mod calls;
mod catalogue;
mod certified;
mod claims;
pub(crate) mod credentials;
mod crowds;
mod documents;
mod elsewhere;
mod follow;
pub(crate) mod gpg;
mod hostile;
mod indexes;
mod keyless;
mod logged;
mod notation;
mod outcome;
mod parsing;
mod proxies;
mod referrers;
mod rollback;
mod served;
mod signatures;
pub(crate) mod sources;
mod tokens;
mod tuf;
mod world;
