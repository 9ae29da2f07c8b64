//! The command line: one module for each subcommand, and what they share.

mod daemon;
mod image_verifier;
mod import;
mod key_options;
mod keys;
mod local_gate;
mod login;
mod outcome;
mod output;
mod policy;
mod retired;
mod scan;
mod serve;
mod sign;
mod signer;
mod status;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, value_parser};
use outcome::Outcome;

/// The one option of all commands.
const CONFIG: &str = "config";

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
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = "/etc/pullgate")]
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
    /// Show daemon status
    Status(status::Status),
    /// Verify one image for containerd's image verifier plugin
    ImageVerifier(image_verifier::ImageVerifier),
    /// Sign images
    Sign(sign::Sign),
    /// Sign pushed images by rule: the service beside a registry
    #[command(subcommand)]
    Signer(signer::SignerCommand),
    /// Convert another system's policy to pullgate's format
    Import(import::Import),
    /// Generate signing keys, and show keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Replaces `--config` in a command that reads no configuration, where help does not show it.
fn no_config() -> Arg {
    Arg::new(CONFIG).long(CONFIG).value_parser(value_parser!(PathBuf)).global(true).hide(true)
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    // Every subcommand may hold credentials or keys: no core dump, whatever the limit and the kernel's core_pattern say,
    // and no debugger of the same user. It cannot fail for the process itself; the unit sets LimitCORE=0 as well.
    let _ = nix::sys::prctl::set_dumpable(false);
    let arguments = match parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not errors; clap knows which stream each belongs to.
            let outcome = if error.use_stderr() { Outcome::Usage } else { Outcome::Success };
            output::record_failure(error.print());
            return output::finish(outcome).into();
        }
    };
    output::finish(arguments.run()).into()
}

fn parse<T: Into<OsString>>(arguments: impl IntoIterator<Item = T>) -> Result<Arguments, clap::Error> {
    let words: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut command = Arguments::command();
    let matches = command.clone().try_get_matches_from(&words);
    let matches = matches.map_err(|error| retired::explain(error, &mut command, &words))?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    if !arguments.command.reads_configuration()
        && matches.value_source(CONFIG) == Some(ValueSource::CommandLine)
    {
        return Err(command.error(ErrorKind::ArgumentConflict, "this command does not use --config"));
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
            Command::ImageVerifier(verifier) => verifier.run(root),
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
    fn config_is_an_option_of_commands_that_read_it() {
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
                        assert!(
                            !reads && error.to_string().contains("does not use --config"),
                            "{line}: {error}"
                        )
                    }
                }
            }
            let help = parse(words(&format!("{line} --help"))).map(drop).unwrap_err().to_string();
            assert_eq!(help.contains("--config"), reads, "{line}: {help}");
        }
        Arguments::command().debug_assert();
    }
}
