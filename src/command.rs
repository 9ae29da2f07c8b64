//! The command line: one module a subcommand, and what they share.

mod daemon;
mod decider;
mod import;
mod key_options;
mod keys;
mod login;
mod output;
mod policy;
mod scan;
mod serve;
mod sign;
mod signer;
mod status;
mod verifier;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, value_parser};

/// The one option of all commands.
const CONFIG: &str = "config";

/// What a run of the program comes to; of several images the last in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Admitted, or nothing to complain about.
    Fine,
    /// It could not be told: a registry or runtime cannot be reached.
    Unknown,
    /// Refused, or something found.
    Refused,
    /// The command line or the configuration is wrong, or what is to be told cannot be written.
    Usage,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Refused => 1,
            Outcome::Usage => 2,
            Outcome::Unknown => 3,
        })
    }
}

/// Lets a Kubernetes node run only images that were signed.
#[derive(Debug, Parser)]
#[command(
    name = "pullgate",
    version,
    after_help = "\
Exit codes: 0 admitted or fine, 1 refused or found something, 2 usage, configuration or output, 3 could not tell."
)]
struct Arguments {
    /// Directory with pullgate.toml, policy.toml and policy.d
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = "/etc/pullgate")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand between kubelet and containerd
    Serve(serve::Serve),
    /// Decide about images as the daemon would, and show how
    Verify(verify::Verify),
    /// Look at the policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Judge every image and running container on this node by the policy
    Scan(scan::Scan),
    /// Tell how the daemon is
    Status(status::Status),
    /// Answer containerd's question whether an image may be pulled
    Verifier(verifier::Verifier),
    /// Sign images
    Sign(sign::Sign),
    /// Sign what is pushed, by rule: the service beside a registry
    Signer(signer::Signer),
    /// Write the policy of another system as one of ours
    Import(import::Import),
    /// Make signing keys, and look at keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Takes the place of `--config` in a command that reads no configuration, and is not shown there.
fn no_config() -> Arg {
    Arg::new(CONFIG).long(CONFIG).value_parser(value_parser!(PathBuf)).global(true).hide(true)
}

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    // Every subcommand may hold credentials or keys: no core file, whatever the limit and the kernel's core_pattern say,
    // and no debugger of the same user. It cannot fail for a process of its own; the unit sets LimitCORE=0 as well.
    let _ = nix::sys::prctl::set_dumpable(false);
    let arguments = match parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors; clap knows where each belongs.
            let outcome = if error.use_stderr() { Outcome::Usage } else { Outcome::Fine };
            output::note_lost(error.print());
            return output::finish(outcome).into();
        }
    };
    output::finish(arguments.run()).into()
}

fn parse<T: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = T>,
) -> Result<Arguments, clap::Error> {
    let matches = Arguments::command().try_get_matches_from(arguments)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    if !arguments.command.reads_configuration()
        && matches.value_source(CONFIG) == Some(ValueSource::CommandLine)
    {
        let text = "this command reads no configuration, so --config has no meaning for it";
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, text));
    }
    Ok(arguments)
}

impl Command {
    fn reads_configuration(&self) -> bool {
        match self {
            Self::Import(_) => false,
            Self::Keys(keys) => keys.reads_configuration(),
            _ => true,
        }
    }
}

impl Arguments {
    fn run(self) -> Outcome {
        let root = &self.config;
        match self.command {
            Command::Serve(serve) => serve.run(root),
            Command::Verify(verify) => verify.run(root),
            Command::Policy(policy) => policy.run(root),
            Command::Scan(scan) => scan.run(root),
            Command::Status(status) => status.run(root),
            Command::Verifier(verifier) => verifier.run(root),
            Command::Sign(sign) => sign.run(root),
            Command::Signer(signer) => signer.run(root),
            Command::Import(import) => import.run(),
            Command::Keys(keys) => keys.run(root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_an_option_of_what_reads_configuration() {
        let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        for (line, reads) in [
            ("pullgate policy check", true),
            ("pullgate keys list", true),
            ("pullgate signer check", true),
            ("pullgate sign x --key k", true),
            ("pullgate import kritis f", false),
            ("pullgate import cosign f --scope s", false),
            ("pullgate keys public k", false),
            ("pullgate keys generate k --kind EC_P256", false),
        ] {
            let arguments = parse(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(arguments.command.reads_configuration(), reads, "{line}");
            assert_eq!(arguments.config, PathBuf::from("/etc/pullgate"), "{line}");
            let (before, after) = (line.replacen(' ', " --config /c ", 1), format!("{line} --config /c"));
            for line in [before, after] {
                match parse(words(&line)) {
                    Ok(arguments) => assert!(reads && arguments.config.as_os_str() == "/c", "{line}"),
                    Err(error) => {
                        assert!(!reads && error.to_string().contains("no meaning"), "{line}: {error}")
                    }
                }
            }
            let help = parse(words(&format!("{line} --help"))).map(drop).unwrap_err().to_string();
            assert_eq!(help.contains("--config"), reads, "{line}: {help}");
        }
        Arguments::command().debug_assert();
    }
}
