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

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a run of the program comes to; of several images the last in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Admitted, or nothing to complain about.
    Fine,
    /// It could not be told: a registry or runtime cannot be reached.
    Unknown,
    /// Refused, or something found.
    Refused,
    /// The command line or the configuration is wrong.
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
Exit codes: 0 admitted or fine, 1 refused or found something, 2 usage or configuration, 3 could not tell."
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

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    // Every subcommand may hold credentials or keys: no core file, whatever the limit and the kernel's core_pattern say,
    // and no debugger of the same user. It cannot fail for a process of its own; the unit sets LimitCORE=0 as well.
    let _ = nix::sys::prctl::set_dumpable(false);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors; clap knows where each belongs.
            let outcome = if error.use_stderr() { Outcome::Usage } else { Outcome::Fine };
            let _ = error.print();
            return outcome.into();
        }
    };
    let root = &arguments.config;
    match arguments.command {
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
    .into()
}
