//! Entry point of both programs.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::{Outcome, Retired, output};

/// Runs a program: `parse` parses the arguments of the process, `run` executes them.
pub fn run<A>(
    parse: impl FnOnce(&[OsString]) -> Result<A, clap::Error>,
    run: impl FnOnce(A) -> Outcome,
) -> ExitCode {
    // Every subcommand may have credentials or keys in memory: no core dump, whatever the limit and the kernel's
    // core_pattern are, and no debugger of the same user. Cannot fail for the own process; the units set LimitCORE=0 as
    // well.
    let _ = nix::sys::prctl::set_dumpable(false);
    let words: Vec<OsString> = std::env::args_os().collect();
    let outcome = match parse(&words) {
        Ok(arguments) => run(arguments),
        Err(error) => {
            // Help and version are not errors; clap selects the stream.
            output::record_failure(error.print());
            if error.use_stderr() { Outcome::Usage } else { Outcome::Success }
        }
    };
    output::finish(outcome).into()
}

/// Parses the words of a command line. The error for a retired name contains its replacement.
///
/// # Errors
/// When the words are not a valid command line, or request help or the version.
pub fn parse(
    mut command: Command,
    words: &[OsString],
    retired: &[Retired],
) -> Result<ArgMatches, clap::Error> {
    let matches = command.clone().try_get_matches_from(words);
    matches.map_err(|error| crate::retired::explain(error, &mut command, words, retired))
}
