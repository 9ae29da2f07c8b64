//! `[trust]`: trusted roots of Sigstore instances, and the repositories that they come from.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use super::super::document::{Document, Value};
use crate::service::{self, ServiceSettings};
use crate::tuf_client::TrustRepository;
use pullgate_config::bound::DAY;
use pullgate_config::kind::{Form, OptionKind, PATH, Tables, time};
use pullgate_config::options::{Options as _, Pass};

const NAME: Form<String> = Form {
    kind: OptionKind::Pattern("^[a-z0-9-]{1,64}$"),
    bounds: "lower case, digits and `-`",
    read: read_name,
};
const URL: Form<String> =
    Form { kind: OptionKind::Text, bounds: "https://, or http:// on this node", read: read_url };
const TARGET: Form<String> = Form { kind: OptionKind::Text, bounds: "a file name", read: read_target };

pullgate_config::options! {
    /// `[trust]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Trust {
        /// How long in advance the log and `pullgate status` warn that a trusted root ends.
        notice: Duration = "notice", time(30 * DAY, DAY, 366 * DAY);
        /// The directory where `pullgate trust fetch` writes each trusted root, as NAME.json, and keeps the metadata that it
        /// has verified.
        directory: PathBuf = "directory", PATH.or("/var/lib/pullgate/trust");
        /// Files with CA certificates for the repositories, trusted in addition to those of the system.
        authorities: Vec<PathBuf> = "authorities", PATH.list(64, &[]);
        /// The TUF repositories from which `pullgate trust fetch` refreshes trusted roots. The daemon never contacts them.
        repositories: Vec<TrustRepository> = "repository", Tables("[[trust.repository]]", 16, repository);
    }
    check check_names;
}

pullgate_config::options! {
    /// `[[trust.repository]]`
    #[derive(Debug)]
    struct RepositoryOptions {
        /// The name of the trusted root in the directory, without `.json`.
        name: Option<String> = "name", NAME.required("\"public-good\"");
        /// The address of the repository's metadata, or of a mirror of it.
        url: Option<String> = "url", URL.required("\"https://tuf-repo-cdn.sigstore.dev\"");
        /// The address of the repository's files. Set it if the files are not in `targets` below `url`.
        targets: Option<String> = "targets-url", URL.optional("URL/targets", "\"https://mirror.example/targets\"");
        /// The root.json from which pullgate verifies everything else in the repository. Use any version that you have
        /// reason to trust; pullgate fetches the later versions.
        root: Option<PathBuf> = "root", PATH.required("\"/etc/pullgate/trust/public-good.root.json\"");
        /// The name of the trusted root in the repository.
        target: String = "target", TARGET.or("trusted_root.json");
    }
}

fn repository(pass: &mut Pass<'_, '_, '_>) -> Option<TrustRepository> {
    let missing = ["name", "url", "root"].into_iter().find(|key| !pass.has(key));
    if let Some(key) = missing {
        pass.problem("", format!("[[trust.repository]] has no `{key}`"), "set `name`, `url` and `root`");
    }
    let RepositoryOptions { name, url, targets, root, target } = RepositoryOptions::pass(pass);
    Some(TrustRepository { name: name?, url: url?, targets, root: root?, target })
}

fn check_names(trust: &Trust, pass: &mut Pass<'_, '_, '_>) {
    let names = || trust.repositories.iter().map(|repository| &repository.name);
    if let Some(twice) = names().enumerate().find_map(|(at, name)| names().take(at).find(|it| *it == name)) {
        pass.problem(
            "repository",
            format!("more than one [[trust.repository]] has the `name` {twice:?}"),
            "give each [[trust.repository]] its own name",
        );
    }
}

fn read_name(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let problem = ["is not a name", "write up to 64 lower-case letters, digits and `-`"];
    document.parsed(key, value, problem, |text| TrustRepository::is_name(text).then(|| text.to_owned()))
}

fn read_url(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write it as \"https://host/path\"; plain HTTP is possible for a service on this node only";
    document.parsed(key, value, ["is not an address", hint], |text| service::address(text).ok())
}

fn read_target(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let problem = ["is not a file name", "write letters, digits, `-`, `_` and `.`, without a directory"];
    document.parsed(key, value, problem, |text| TrustRepository::is_target(text).then(|| text.to_owned()))
}

impl Trust {
    /// How long before its end a trusted root is reported.
    #[must_use]
    pub fn notice_span(&self) -> SignedDuration {
        SignedDuration::try_from(self.notice).unwrap_or(SignedDuration::MAX)
    }

    /// The settings of requests to repositories.
    #[must_use]
    pub fn service(&self) -> ServiceSettings {
        ServiceSettings { authorities: self.authorities.clone(), ..ServiceSettings::default() }
    }
}
