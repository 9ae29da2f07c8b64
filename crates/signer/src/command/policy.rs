//! `pullgate-signer policy …`: policies and deny lists that nodes follow in a registry.

mod files;
mod push;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::push::{PushError, Pushed, push};
use super::key_options::{KeyOptions, LocationParser};
use pullgate_cli::{LoginArgs, Outcome, output};
use pullgate_config::duration::parse_duration;
use pullgate_core::followed::{Content, Document, FilePath, Kind, Label, Version};
use pullgate_core::reference::Reference;
use pullgate_core::trust::Algorithm;
use pullgate_keys::Location;

/// Subcommands of `pullgate-signer policy`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum PolicyCommand {
    /// Push the policy in the configuration directory, with all files that it names, for nodes that follow it
    Push(Push),
    /// Push a deny list, for nodes that follow it
    PushDenyList(PushDenyList),
}

/// Arguments of `pullgate-signer policy push`.
#[derive(Debug, clap::Args)]
pub(super) struct Push {
    #[command(flatten)]
    options: PushOptions,
}

/// Arguments of `pullgate-signer policy push-deny-list`.
#[derive(Debug, clap::Args)]
pub(super) struct PushDenyList {
    /// TOML file with a table [deny] and nothing else
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    options: PushOptions,
}

/// What both commands need.
#[derive(Debug, clap::Args)]
struct PushOptions {
    /// Where to push: registry, repository and tag, as nodes have it in [follow]
    #[arg(value_name = "REFERENCE", value_parser = reference)]
    reference: Reference,
    /// Version: higher than that of every document that these nodes have seen
    #[arg(long, value_name = "NUMBER", value_parser = version)]
    version: Version,
    /// Another reference under which nodes may follow it, such as that of a copy; repeatable
    #[arg(long = "also-for", value_name = "REFERENCE", value_parser = reference)]
    also_for: Vec<Reference>,
    /// Only for nodes with this label; with several, nodes must have all of them
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<Label>,
    /// When nodes should have another one, such as 30d; later they report it as frozen
    #[arg(long, value_name = "TIME", value_parser = expires_in)]
    expires_in: Option<Duration>,
    /// Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY; no key that signs images
    #[arg(long, value_name = "LOCATION", value_parser = LocationParser)]
    key: Location,
    /// Signature algorithm; nodes accept EC and Ed25519 keys
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    key_options: KeyOptions,
    #[command(flatten)]
    login: LoginArgs,
}

impl PolicyCommand {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let pushed = match self {
            Self::Push(Push { options }) => options.push_policy(root),
            Self::PushDenyList(PushDenyList { file, options }) => options.push_deny_list(root, &file),
        };
        match pushed {
            Ok(Pushed { digest, reference, version }) => {
                output::line(&format!("{reference}: version {version} pushed and signed, {digest}"));
                Outcome::Success
            }
            Err(error) => {
                output::error(&error);
                error.outcome()
            }
        }
    }
}

impl PushOptions {
    fn push_policy(self, root: &Path) -> Result<Pushed, PushError> {
        let (files, policy) = files::of_policy(root)?;
        let document = self.write(Kind::Policy, files)?;
        files::check(&Document::parse(Kind::Policy, &document)?, root)?;
        push((Kind::Policy, document), self, root, Some(&policy))
    }

    fn push_deny_list(self, root: &Path, file: &Path) -> Result<Pushed, PushError> {
        let text = files::of_deny_list(file)?;
        let document = self.write(Kind::DenyList, BTreeMap::from([(FilePath::deny_list(), text)]))?;
        push((Kind::DenyList, document), self, root, None)
    }

    fn write(&self, kind: Kind, files: BTreeMap<FilePath, Vec<u8>>) -> Result<Vec<u8>, PushError> {
        let references = std::iter::once(&self.reference).chain(&self.also_for).cloned();
        let expires = match self.expires_in {
            Some(time) => Some(jiff::Timestamp::now().checked_add(time).map_err(|_| PushError::Expiry)?),
            None => None,
        };
        let content = Content {
            version: self.version,
            references: references.collect(),
            labels: self.labels.iter().cloned().collect::<BTreeSet<_>>(),
            expires,
            files,
        };
        Ok(Document::write(kind, content)?)
    }
}

fn reference(text: &str) -> Result<Reference, &'static str> {
    let parsed = Reference::parse(text).ok().filter(|it| it.tag().is_some() && it.to_string() == text);
    parsed.ok_or("write registry, repository and tag in full, such as registry.example/fleet/policy:stable")
}

fn version(text: &str) -> Result<Version, &'static str> {
    text.parse().ok().and_then(Version::new).ok_or("write a number from 1 on")
}

fn label(text: &str) -> Result<Label, &'static str> {
    Label::parse(text).ok_or("write a label such as pool=edge")
}

fn expires_in(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).filter(|time| !time.is_zero()).ok_or("write a time such as 720m or 30d")
}
