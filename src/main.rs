//! The `pullgate` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    pullgate::command::run()
}
