//! `pullgate-signer serve`, `check`, `status` and `request`: the signing service.

mod ask;

use std::path::{Path, PathBuf};

use pullgate::config::{self, DaemonConfig, Problems};
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;
use pullgate_daemon::log;
use pullgate_keys::{KeysError, Location, PassphraseError};
use pullgate_signer::serve::{self, ServeError};
use pullgate_signer::{
    ActiveConfigError, AuthenticatorSettings, CertificateStatus, FailedReload, RuleStatus, SignerError,
    Status, SubmitRequest, SubmitResponse, check as check_files,
};

use super::key_options;

/// The commands of the signing service.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ServiceCommand {
    /// Run the signing service
    Serve,
    /// Check signer.toml and pullgate.toml, and open the key and password files
    Check,
    /// Show the status of the running signer
    Status(StatusArguments),
    /// Ask the running signer to sign images that it does not sign by itself: older images, parked images, and images of
    /// manual rules
    Request(RequestArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    output: OutputOption,
}

#[derive(Debug, clap::Args)]
pub(super) struct RequestArguments {
    /// Rule that signs the images (default: every rule that applies to an image)
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Sign every tagged image in the scope of the rule
    #[arg(long, required_unless_present = "images")]
    all_tags: bool,
    /// Images, by tag or digest
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl ServiceCommand {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let result = match self {
            Self::Serve => serve(root),
            Self::Check => check(root),
            Self::Status(arguments) => arguments.run(root),
            Self::Request(arguments) => arguments.run(root),
        };
        result.unwrap_or_else(|error| {
            output::error(&error);
            error.outcome()
        })
    }
}

fn serve(root: &Path) -> Result<Outcome, CommandError> {
    // The log settings are in pullgate.toml, for all services of pullgate.
    let daemon = load_daemon(root)?;
    log::init(daemon.log.format, daemon.log.level);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Start)?;
    runtime.block_on(serve::run(root)).map_err(|error| CommandError::Serve(Box::new(error)))?;
    Ok(Outcome::Success)
}

fn check(root: &Path) -> Result<Outcome, CommandError> {
    // The service does not start with an invalid pullgate.toml.
    load_daemon(root)?;
    let settings = pullgate_signer::load_signer(&signer_file(root)).map_err(CommandError::Configuration)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let errors = runtime.map_err(CommandError::Start)?.block_on(check_files(&settings));
    let locked: Vec<&PathBuf> = errors.iter().filter_map(without_passphrase).collect();
    for error in errors.iter().filter(|error| without_passphrase(error).is_none()) {
        output::error(error);
    }
    if locked.len() < errors.len() {
        return Ok(Outcome::Usage);
    }
    output::line(&format!(
        "signer.toml is valid: {}, {}",
        output::counted(settings.rules.len(), "rule"),
        output::counted(settings.authenticators.len(), "authenticator")
    ));
    for path in locked {
        let why = "the key is encrypted, but this command has neither `passphrase-file` in [keys] nor COSIGN_PASSWORD in \
                   its environment";
        output::line(&format!("not checked: {}: {why}", path.display()));
    }
    let is_remote = |key: &&AuthenticatorSettings| !matches!(key.location, Location::File(_));
    for key in settings.authenticators.values().filter(is_remote) {
        output::line(&format!("not checked, because the key is not in a file: {}", key.location));
    }
    Ok(Outcome::Success)
}

/// The file, if the error is a missing passphrase. The service may have it in its own environment.
fn without_passphrase(error: &ActiveConfigError) -> Option<&PathBuf> {
    let ActiveConfigError::Key { error, .. } = error else { return None };
    match &**error {
        KeysError::Passphrase { path, error: PassphraseError::Missing } => Some(path),
        _ => None,
    }
}

fn load_daemon(root: &Path) -> Result<DaemonConfig, CommandError> {
    config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(CommandError::Daemon)
}

fn signer_file(root: &Path) -> PathBuf {
    root.join(pullgate_signer::SIGNER_FILE)
}

/// The control socket of the running signer. Other problems in the file are ignored: they may be why status is asked.
fn control(root: &Path) -> Result<PathBuf, CommandError> {
    pullgate_signer::load_signer_control(&signer_file(root)).map_err(CommandError::Configuration)
}

impl StatusArguments {
    fn run(&self, root: &Path) -> Result<Outcome, CommandError> {
        let status: Status = ask::ask(&control(root)?, "GET", "/status", Vec::new())?;
        self.output.show(&status, text);
        let started = status.rules.iter().all(|rule| rule.started && stopped(rule).is_none());
        let healthy = status.parked == 0 && started && status.reload_failed.is_none();
        Ok(if healthy { Outcome::Success } else { Outcome::Refused })
    }
}

impl RequestArguments {
    fn run(self, root: &Path) -> Result<Outcome, CommandError> {
        let Self { rule, all_tags: existing, images } = self;
        let wanted = serde_json::to_vec(&SubmitRequest { rule, images, existing }).unwrap_or_default();
        let SubmitResponse { queued, known } = ask::ask(&control(root)?, "POST", "/requests", wanted)?;
        output::line(&format!("{queued} images queued, {known} already in the queue"));
        Ok(Outcome::Success)
    }
}

/// Why a rule signs nothing although it has started.
fn stopped(rule: &RuleStatus) -> Option<&str> {
    rule.certificate.as_ref()?.error.as_deref()
}

fn text(status: &Status) -> String {
    let Status {
        waiting,
        busy,
        parked,
        parked_images,
        rules,
        reload_failed,
        needs_restart,
        errors,
        renewing,
    } = status;
    let mut lines = Vec::new();
    if let Some(FailedReload { at, reasons }) = reload_failed {
        lines.push(format!("RELOAD FAILED at {at}: the previous configuration stays in force"));
        lines.extend(reasons.iter().flat_map(|it| it.lines()).map(|line| format!("  {}", sanitize(line))));
    }
    if !needs_restart.is_empty() {
        lines.push(format!("RESTART NEEDED to apply: {}", sanitize(&needs_restart.join(", "))));
    }
    let renewing =
        if *renewing > 0 { format!(", {renewing} signed and waiting for renewal") } else { String::new() };
    lines.push(format!("queue: {waiting} waiting, {busy} being signed, {parked} parked{renewing}"));
    for rule in rules {
        let state = if rule.started {
            ""
        } else {
            ", NOT STARTED, because the first listing of the registry is not complete"
        };
        let key = rule.key.as_deref().unwrap_or("no key");
        let (name, trigger, since, algorithm) = (&rule.name, &rule.trigger, &rule.since, &rule.algorithm);
        lines.push(format!("rule {name}: {trigger}, since {since}, {algorithm} with {key}{state}"));
        if let Some(error) = stopped(rule) {
            let error = sanitize(error);
            lines.push(format!("rule {name}: STOPPED, renew the certificate and reload the signer: {error}"));
        } else if let Some(CertificateStatus { ends, ends_soon: true, .. }) = &rule.certificate {
            lines.push(format!(
                "rule {name}: the certificate expires at {ends}: renew the certificate and reload the signer"
            ));
        }
    }
    for image in parked_images {
        let error = sanitize(image.error.as_deref().unwrap_or_default());
        let (name, rule, attempts) = (&image.image, &image.rule, image.attempts);
        lines.push(format!("parked: {name} (rule {rule}, {attempts} attempts): {error}"));
    }
    lines.extend(errors.iter().map(|error| format!("error: {}", sanitize(error))));
    lines.join("\n")
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("cannot query the signer")]
    Ask(#[source] ask::AskError),
    #[error("the signer refused the request: {0}")]
    Refused(String),
    #[error("invalid signer.toml:\n{0}")]
    Configuration(Problems),
    #[error("invalid pullgate.toml:\n{0}")]
    Daemon(Problems),
    #[error("the signing service failed")]
    Serve(#[source] Box<ServeError>),
    #[error("cannot start the async runtime")]
    Start(#[source] std::io::Error),
}

impl From<ask::AskError> for CommandError {
    fn from(error: ask::AskError) -> Self {
        match error {
            ask::AskError::Refused { reason } => Self::Refused(sanitize(&reason)),
            error => Self::Ask(error),
        }
    }
}

impl CommandError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) => Outcome::Refused,
            Self::Ask(_) | Self::Start(_) => Outcome::Undetermined,
            Self::Serve(error) => match &**error {
                ServeError::Signer(SignerError::Settings(ActiveConfigError::Key { error, .. })) => {
                    key_options::outcome(error)
                }
                _ => Outcome::Usage,
            },
            Self::Configuration(_) | Self::Daemon(_) => Outcome::Usage,
        }
    }
}
