//! The command line: one module per subcommand.

mod daemon;
mod doctor;
mod generate;
mod image_verifier;
mod local_gate;
mod node;
mod policy;
mod report;
mod scan;
mod serve;
mod status;
mod trust;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use pullgate_cli::{Outcome, Retired, configuration_directory};

/// Retired names, and commands that are now in `pullgate-signer`.
const RETIRED: [Retired; 10] = [
    Retired { name: "verifier", command: "", replacement: "pullgate image-verifier" },
    Retired { name: "sign", command: "", replacement: "pullgate-signer sign" },
    Retired { name: "signer", command: "check", replacement: "pullgate-signer check" },
    Retired { name: "signer", command: "status", replacement: "pullgate-signer status" },
    Retired { name: "signer", command: "request", replacement: "pullgate-signer request" },
    Retired { name: "signer", command: "", replacement: "pullgate-signer serve" },
    Retired { name: "keys", command: "", replacement: "pullgate-signer keys" },
    Retired { name: "import", command: "", replacement: "pullgate-signer import" },
    Retired { name: "--json", command: "status", replacement: "--output json" },
    Retired { name: "table", command: "scan", replacement: "text" },
];

/// Lets a Kubernetes node run only signed images.
#[derive(Debug, Parser)]
#[command(
    name = "pullgate",
    version,
    after_help = "\
Exit codes: 0 admitted or no findings, 1 refused or findings present, 2 usage, configuration or output error, 3 undetermined."
)]
struct Arguments {
    /// Directory with pullgate.toml, policy.toml and policy.d
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = "/etc/pullgate", value_parser = configuration_directory())]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon between kubelet and containerd
    Serve(serve::Serve),
    /// Evaluate images as the daemon would, and explain the decision
    Verify(verify::Verify),
    /// Check, explain and test the policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Check every image and running container on this node against the policy
    Scan(scan::Scan),
    /// Show the decisions of this node, beginning with what audit mode let through
    Report(report::Report),
    /// Show daemon status
    Status(status::Status),
    /// Find out whether this node enforces its policy
    Doctor(doctor::Doctor),
    /// Refresh trusted roots
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Make this node's kubelet use pullgate, or restore the previous state
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Generate man pages, completions and schemas
    #[command(subcommand)]
    Generate(pullgate_cli::Generate<generate::File>),
    /// Verify one image for containerd's image verifier plugin
    ImageVerifier(image_verifier::ImageVerifier),
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    pullgate_cli::run(parse, Arguments::run)
}

fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let words = image_verifier::with_command(words);
    let matches = pullgate_cli::parse(Arguments::command(), &words, &RETIRED)?;
    Arguments::from_arg_matches(&matches)
}

impl Arguments {
    fn run(self) -> Outcome {
        let root = &self.config;
        match self.command {
            Command::Serve(serve) => serve.run(root),
            Command::Verify(verify) => verify.run(root),
            Command::Policy(policy) => policy.run(root),
            Command::Scan(scan) => scan.run(root),
            Command::Report(report) => report.run(root),
            Command::Status(status) => status.run(root),
            Command::Doctor(doctor) => doctor.run(root),
            Command::Trust(trust) => trust.run(root),
            Command::Node(node) => node.run(root),
            Command::Generate(generate) => generate.run(Self::command()),
            Command::ImageVerifier(verifier) => verifier.run(root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
