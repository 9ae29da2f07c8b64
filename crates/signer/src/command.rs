//! The command line: one module for each subcommand, and what they share.

mod generate;
mod import;
mod key_options;
mod keys;
mod policy;
mod service;
mod sign;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, value_parser};
use pullgate_cli::{Outcome, Retired, configuration_directory};

/// The one option of all commands.
const CONFIG: &str = "config";

/// What these commands had when they were commands of `pullgate`.
const RETIRED: [Retired; 6] = [
    Retired { name: "--existing", command: "sign", replacement: "--all-tags SCOPE" },
    Retired { name: "--existing", command: "request", replacement: "--all-tags" },
    Retired { name: "--list", command: "sign", replacement: "--from-file FILE" },
    Retired { name: "--output", command: "import", replacement: "--out-file FILE" },
    Retired { name: "--json", command: "keys", replacement: "--output json" },
    Retired { name: "--format", command: "keys", replacement: "--output FORMAT" },
];

/// Signs container images, manages signing keys, and converts policies of other systems.
#[derive(Debug, Parser)]
#[command(
    name = "pullgate-signer",
    version,
    after_help = "\
Exit codes: 0 success, 1 refused or findings present, 2 usage, configuration or output error, 3 undetermined."
)]
struct Arguments {
    /// Directory with signer.toml, pullgate.toml and policy.toml
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = "/etc/pullgate", value_parser = configuration_directory())]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(service::ServiceCommand),
    /// Sign images
    Sign(Box<sign::Sign>),
    /// Generate, list and fetch keys
    #[command(subcommand)]
    Keys(Box<keys::KeysCommand>),
    /// Push policies and deny lists that nodes follow
    #[command(subcommand)]
    Policy(Box<policy::PolicyCommand>),
    /// Convert another system's policy to pullgate's format
    Import(import::Import),
    /// Generate man pages, completions and schemas
    #[command(subcommand, arg = no_config())]
    Generate(pullgate_cli::Generate<generate::File>),
}

/// Replaces `--config` in a command that reads no configuration, where help does not show it.
fn no_config() -> Arg {
    Arg::new(CONFIG).long(CONFIG).value_parser(value_parser!(PathBuf)).global(true).hide(true)
}

/// Runs the program with the arguments of the process.
pub(crate) fn run() -> ExitCode {
    pullgate_cli::run(parse, Arguments::run)
}

fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let matches = pullgate_cli::parse(Arguments::command(), words, &RETIRED)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    if !arguments.command.reads_configuration()
        && matches.value_source(CONFIG) == Some(ValueSource::CommandLine)
    {
        let text = "this command does not use --config";
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, text));
    }
    Ok(arguments)
}

impl Command {
    fn reads_configuration(&self) -> bool {
        match self {
            Self::Import(_) | Self::Generate(_) => false,
            Self::Keys(keys) => keys.reads_configuration(),
            Self::Service(_) | Self::Sign(_) | Self::Policy(_) => true,
        }
    }
}

impl Arguments {
    fn run(self) -> Outcome {
        let root = &self.config;
        match self.command {
            Command::Service(service) => service.run(root),
            Command::Sign(sign) => sign.run(root),
            Command::Keys(keys) => keys.run(root),
            Command::Policy(policy) => policy.run(root),
            Command::Import(import) => import.run(),
            Command::Generate(generate) => generate.run(Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_an_option_of_commands_that_read_it() {
        let words = |line: &str| -> Vec<OsString> { line.split(' ').map(OsString::from).collect() };
        for (line, reads) in [
            ("pullgate-signer keys list", true),
            ("pullgate-signer check", true),
            ("pullgate-signer sign x --key k", true),
            ("pullgate-signer import kritis f", false),
            ("pullgate-signer import cosign f --scope s", false),
            ("pullgate-signer keys public k", false),
            ("pullgate-signer keys generate k --kind EC_P256", false),
        ] {
            let arguments = parse(&words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(arguments.command.reads_configuration(), reads, "{line}");
            assert_eq!(arguments.config, PathBuf::from("/etc/pullgate"), "{line}");
            let (before, after) = (line.replacen(' ', " --config /c ", 1), format!("{line} --config /c"));
            for line in [before, after] {
                match parse(&words(&line)) {
                    Ok(arguments) => assert!(reads && arguments.config.as_os_str() == "/c", "{line}"),
                    Err(error) => {
                        assert!(
                            !reads && error.to_string().contains("does not use --config"),
                            "{line}: {error}"
                        );
                    }
                }
            }
            let help = parse(&words(&format!("{line} --help"))).map(drop).unwrap_err().to_string();
            assert_eq!(help.contains("--config"), reads, "{line}: {help}");
        }
        Arguments::command().debug_assert();
    }
}
