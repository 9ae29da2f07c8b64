//! `pullgate signer`

mod ask;

use std::path::{Path, PathBuf};

use super::{Outcome, key_options, output};
use crate::config::{self, DaemonConfig, Problems};
use crate::keys::{KeysError, Location, PassphraseError};
use crate::node::signer::{self, ServeError};
use crate::signer::{
    FailedReload, InForceError, KeySettings, SignerError, Status, Taken, Wanted, check as check_files,
};
use crate::telemetry::{log, plain};

/// Arguments of `pullgate signer`.
#[derive(Debug, clap::Args)]
pub(super) struct Signer {
    #[command(subcommand)]
    command: Option<SignerCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum SignerCommand {
    /// Look at signer.toml and pullgate.toml, and open the files with keys and passwords
    Check,
    /// Ask the signer that runs how it is
    Status(StatusArguments),
    /// Have the signer that runs sign images that it would not by itself: older ones, by manual rules, or parked
    Request(RequestArguments),
}

#[derive(Debug, clap::Args)]
struct StatusArguments {
    /// How it is written: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    output: String,
}

#[derive(Debug, clap::Args)]
struct RequestArguments {
    /// The rule; without, every rule that is for the image
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Everything that is in the rule's scope
    #[arg(long, required_unless_present = "images")]
    existing: bool,
    /// Images, by tag or digest
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Signer {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let ended = match self.command {
            None => serve(root),
            Some(SignerCommand::Check) => check(root),
            Some(SignerCommand::Status(arguments)) => arguments.run(root),
            Some(SignerCommand::Request(arguments)) => arguments.run(root),
        };
        ended.unwrap_or_else(|error| {
            output::error(&error);
            error.outcome()
        })
    }
}

fn serve(root: &Path) -> Result<Outcome, CommandError> {
    // Logging has settings of its own in pullgate.toml, for all of pullgate's services.
    let daemon = load_daemon(root)?;
    log::init(daemon.log.format, daemon.log.level);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Start)?;
    runtime.block_on(signer::run(root)).map_err(|error| CommandError::Serve(Box::new(error)))?;
    Ok(Outcome::Fine)
}

fn check(root: &Path) -> Result<Outcome, CommandError> {
    // The service does not start without it either.
    load_daemon(root)?;
    let settings = crate::signer::load_signer(&signer_file(root)).map_err(CommandError::Configuration)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let wrong = runtime.map_err(CommandError::Start)?.block_on(check_files(&settings));
    let closed: Vec<&PathBuf> = wrong.iter().filter_map(without_passphrase).collect();
    for error in wrong.iter().filter(|error| without_passphrase(error).is_none()) {
        output::error(error);
    }
    if closed.len() < wrong.len() {
        return Ok(Outcome::Usage);
    }
    let (rules, keys) = (settings.rules.len(), settings.authenticators.len());
    output::line(&format!("signer.toml is fine: {rules} rules, {keys} authenticators"));
    for path in closed {
        let why = "it is encrypted, `[keys] passphrase-file` is not set, and COSIGN_PASSWORD neither, here";
        output::line(&format!("not looked at: {}: {why}", path.display()));
    }
    let elsewhere = |key: &&KeySettings| !matches!(key.location, Location::File(_));
    for key in settings.authenticators.values().filter(elsewhere) {
        output::line(&format!("not looked at: {}", key.location));
    }
    Ok(Outcome::Fine)
}

/// An encrypted file whose passphrase may be in the environment of the service, which is not this one.
fn without_passphrase(error: &InForceError) -> Option<&PathBuf> {
    match error {
        InForceError::Key {
            error: KeysError::Passphrase { path, error: PassphraseError::Missing }, ..
        } => Some(path),
        _ => None,
    }
}

fn load_daemon(root: &Path) -> Result<DaemonConfig, CommandError> {
    config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(CommandError::Daemon)
}

fn signer_file(root: &Path) -> PathBuf {
    root.join(crate::signer::SIGNER_FILE)
}

/// Where the signer that runs is asked: what is wrong with the rest of the file may be why.
fn control(root: &Path) -> Result<PathBuf, CommandError> {
    crate::signer::load_signer_control(&signer_file(root)).map_err(CommandError::Configuration)
}

impl StatusArguments {
    fn run(&self, root: &Path) -> Result<Outcome, CommandError> {
        let status: Status = ask::ask(&control(root)?, "GET", "/status", Vec::new())?;
        if self.output == "json" {
            output::line(&serde_json::to_string_pretty(&status).unwrap_or_default());
        } else {
            show(&status);
        }
        let started = status.rules.iter().all(|rule| rule.started);
        let healthy = status.parked == 0 && started && status.reload_failed.is_none();
        Ok(if healthy { Outcome::Fine } else { Outcome::Refused })
    }
}

impl RequestArguments {
    fn run(self, root: &Path) -> Result<Outcome, CommandError> {
        let Self { rule, existing, images } = self;
        let wanted = serde_json::to_vec(&Wanted { rule, images, existing }).unwrap_or_default();
        let Taken { queued, known } = ask::ask(&control(root)?, "POST", "/requests", wanted)?;
        output::line(&format!("{queued} images wait to be signed, {known} waited already"));
        Ok(Outcome::Fine)
    }
}

fn show(status: &Status) {
    let Status { waiting, busy, parked, parked_images, rules, reload_failed, needs_restart, errors } = status;
    if let Some(FailedReload { at, reasons }) = reload_failed {
        output::line(&format!("RELOAD FAILED at {at}: what was in force before still is"));
        for line in reasons.iter().flat_map(|reason| reason.lines()) {
            output::line(&format!("  {}", plain(line)));
        }
    }
    if !needs_restart.is_empty() {
        output::line(&format!("RESTART NEEDED to put in force: {}", plain(&needs_restart.join(", "))));
    }
    output::line(&format!("queue: {waiting} waiting, {busy} being signed, {parked} parked"));
    for rule in rules {
        let state = if rule.started { "" } else { ", NOT STARTED: what was there before is not known yet" };
        let key = rule.key.as_deref().unwrap_or("no key");
        let (name, trigger, since, algorithm) = (&rule.name, &rule.trigger, &rule.since, &rule.algorithm);
        output::line(&format!("rule {name}: {trigger}, since {since}, {algorithm} with {key}{state}"));
    }
    for image in parked_images {
        let error = image.error.as_deref().unwrap_or_default().escape_debug();
        output::line(&format!(
            "parked: {} (rule {}, {} attempts): {error}",
            image.image, image.rule, image.attempts
        ));
    }
    for error in errors {
        output::line(&format!("error: {}", error.escape_debug()));
    }
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("the signer does not answer")]
    Ask(#[source] ask::AskError),
    #[error("the signer refuses: {0}")]
    Refused(String),
    #[error("signer.toml cannot be used:\n{0}")]
    Configuration(Problems),
    #[error("pullgate.toml cannot be used:\n{0}")]
    Daemon(Problems),
    #[error("the signer does not serve")]
    Serve(#[source] Box<ServeError>),
    #[error("cannot start")]
    Start(#[source] std::io::Error),
}

impl From<ask::AskError> for CommandError {
    fn from(error: ask::AskError) -> Self {
        match error {
            ask::AskError::Refused { reason } => Self::Refused(plain(&reason)),
            error => Self::Ask(error),
        }
    }
}

impl CommandError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) => Outcome::Refused,
            Self::Ask(_) | Self::Start(_) => Outcome::Unknown,
            Self::Serve(error) => match &**error {
                ServeError::Signer(SignerError::Settings(InForceError::Key { error, .. })) => {
                    key_options::outcome(error)
                }
                _ => Outcome::Usage,
            },
            Self::Configuration(_) | Self::Daemon(_) => Outcome::Usage,
        }
    }
}
