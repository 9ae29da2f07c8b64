//! From the arguments of the process to its exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::{Outcome, Retired, output};

/// Runs a program: `parse` reads the arguments of the process, and `run` does what they ask for.
pub fn run<A>(
    parse: impl FnOnce(&[OsString]) -> Result<A, clap::Error>,
    run: impl FnOnce(A) -> Outcome,
) -> ExitCode {
    // Every subcommand may hold credentials or keys: no core dump, whatever the limit and the kernel's core_pattern say,
    // and no debugger of the same user. It cannot fail for the process itself; the units set LimitCORE=0 as well.
    let _ = nix::sys::prctl::set_dumpable(false);
    let words: Vec<OsString> = std::env::args_os().collect();
    let outcome = match parse(&words) {
        Ok(arguments) => run(arguments),
        Err(error) => {
            // Help and version are not errors; clap knows which stream each belongs to.
            output::record_failure(error.print());
            if error.use_stderr() { Outcome::Usage } else { Outcome::Success }
        }
    };
    output::finish(outcome).into()
}

/// Matches the words of a command line. The error for a retired name names its replacement.
///
/// # Errors
/// When the words are not a valid command line, or ask for help or the version.
pub fn parse(
    mut command: Command,
    words: &[OsString],
    retired: &[Retired],
) -> Result<ArgMatches, clap::Error> {
    let matches = command.clone().try_get_matches_from(words);
    matches.map_err(|error| crate::retired::explain(error, &mut command, words, retired))
}
