//! Attacks by registries, mirrors, token services and networks, each through the whole daemon but containerd. The numbers
//! are those of the catalogue of attacks that the project keeps.

mod bounds;
mod busy;
mod calls;
mod catalogue;
pub(crate) mod credentials;
mod crowds;
mod documents;
mod elsewhere;
mod hostile;
mod indexes;
mod outcome;
mod proxies;
mod referrers;
mod served;
mod signatures;
pub(crate) mod sources;
mod tokens;
mod world;
