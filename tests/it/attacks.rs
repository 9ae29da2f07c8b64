//! Attacks by registries, mirrors, token services and networks, each through the whole daemon but containerd. The numbers
//! are those of the catalogue of attacks that the project keeps.

mod credentials;
mod documents;
mod hostile;
mod indexes;
mod load;
mod outcome;
mod proxies;
mod served;
mod signatures;
mod sources;
mod world;
