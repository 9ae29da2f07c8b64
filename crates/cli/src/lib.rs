//! Command line code that both programs share.
#![forbid(unsafe_code)]

mod configuration;
mod generate;
mod login;
mod outcome;
pub mod output;
mod program;
mod retired;
pub mod terminal;

pub use configuration::configuration_directory;
pub use generate::{DocumentedFile, Generate};
pub use login::LoginArgs;
pub use outcome::Outcome;
pub use program::{parse, run};
pub use retired::Retired;
