//! `pullgate sign`

mod existing;
mod report;
mod source;
mod work;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::existing::Existing;
use self::report::{Report, Verdict};
use self::source::{Item, List, Source, read_list};
use self::work::Work;
use super::key_options::{self, KeyOptions, LocationParser};
use super::login::Login;
use super::{Outcome, output};
use crate::config;
use crate::keys::{self, KeysError, Location};
use crate::node;
use crate::policy::{Scope, ScopeError, Tags, TagsError};
use crate::registry::RegistryError;
use crate::sign::{AnnotationError, Annotations, Layout};
use crate::trust::Algorithm;

/// Images that are worked on at a time.
const AT_ONCE: usize = 4;

/// Arguments of `pullgate sign`.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {
    /// Images by digest or by tag; what a tag leads to is shown
    #[arg(value_name = "IMAGE", required_unless_present_any = ["list", "existing"])]
    images: Vec<String>,
    /// The private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY
    #[arg(long, value_name = "LOCATION", value_parser = LocationParser)]
    key: Location,
    /// The algorithm: RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, ECDSA_SHA_256, ECDSA_SHA_384, ED25519 or ED25519PH; only an RSA
    /// key leaves a choice
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Where signatures go: classic, bundle or both
    #[arg(long, value_name = "LAYOUT", default_value_t = Layout::Classic)]
    layout: Layout,
    /// Text that is signed with the digest; may be given several times
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Of an index, sign what it lists as well
    #[arg(long)]
    recursive: bool,
    /// Sign the images of a list too, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Sign what is under the tags of a repository, and of all repositories below it
    #[arg(long, value_name = "SCOPE")]
    existing: Option<String>,
    /// With --existing, only tags like this; * stands for any characters
    #[arg(long = "tag", value_name = "PATTERN", requires = "existing")]
    tags: Vec<String>,
    /// With --existing, no tags like this
    #[arg(long = "exclude-tag", value_name = "PATTERN", requires = "existing")]
    excluded_tags: Vec<String>,
    /// Say what would be signed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// How to show what was done; json is one object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    key_options: KeyOptions,
    #[command(flatten)]
    login: Login,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Sign {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let done = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CommandError::Start)
            .and_then(|runtime| {
                runtime.block_on(async {
                    let (work, source) = self.prepare(root).await?;
                    Ok(self.all(Arc::new(work), source).await)
                })
            });
        done.unwrap_or_else(|error| {
            output::error(&error);
            error.outcome()
        })
    }

    /// Everything that can be wrong before a registry is asked.
    async fn prepare(&self, root: &Path) -> Result<(Work, Source), CommandError> {
        let config =
            config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(CommandError::Configuration)?;
        let annotations = Annotations::parse(&self.annotations).map_err(CommandError::Annotation)?;
        let readers = [
            self.list.as_deref() == Some(Path::new("-")),
            self.login.reads_standard_input(),
            self.key_options.reads_standard_input(),
        ];
        if readers.into_iter().filter(|reads| *reads).count() > 1 {
            return Err(CommandError::Twice);
        }
        let scope = self.existing.as_deref().map(Scope::parse).transpose().map_err(CommandError::Scope)?;
        let tags = Tags::new(&self.tags, &self.excluded_tags).map_err(CommandError::Tags)?;
        if scope
            .as_ref()
            .is_some_and(|it| it.as_str().split('/').next().is_none_or(|host| host.contains('*')))
        {
            return Err(CommandError::Everywhere);
        }
        let credentials = self.login.credentials().map_err(CommandError::Password)?;
        let list = self.list.as_deref().map(listed).transpose()?;
        let registry = node::registry(&config).map_err(CommandError::Registry)?;
        let key = keys::open(&self.key, self.algorithm, &self.key_options.settings()).await;
        let existing = scope.map(|scope| Existing::new(registry.clone(), credentials.clone(), scope, tags));
        let source = Source { named: self.images.iter().cloned().collect(), list, existing };
        let work = Work {
            registry,
            credentials,
            key: key.map_err(CommandError::Key)?,
            layout: self.layout,
            annotations,
            recursive: self.recursive,
            dry_run: self.dry_run,
        };
        Ok((work, source))
    }

    /// A few at a time, shown in their order.
    async fn all(&self, work: Arc<Work>, mut source: Source) -> Outcome {
        let mut running = VecDeque::new();
        let mut totals = Totals::default();
        loop {
            let mut ended = false;
            while running.len() < AT_ONCE && !ended {
                match source.next().await {
                    Some(Item::Image(image)) => {
                        let task = tokio::spawn(Arc::clone(&work).image(image.clone()));
                        running.push_back((image, task));
                    }
                    Some(Item::Failed(report)) => self.show(&report, &mut totals),
                    None => ended = true,
                }
            }
            let Some((image, task)) = running.pop_front() else { break };
            match task.await {
                Ok(reports) => reports.iter().for_each(|report| self.show(report, &mut totals)),
                Err(_) => {
                    let lost = Report::not_listed(&image, RegistryError::Lost);
                    self.show(&lost, &mut totals);
                }
            }
        }
        if self.existing.is_some() || self.list.is_some() {
            output::note(&totals.text());
        }
        totals.outcome.unwrap_or(Outcome::Fine)
    }

    fn show(&self, report: &Report, totals: &mut Totals) {
        totals.add(report);
        match self.output {
            Format::Text => output::line(&report.text()),
            Format::Json => output::line(&serde_json::to_string(report).unwrap_or_default()),
        }
    }
}

fn listed(path: &Path) -> Result<List, CommandError> {
    read_list(path).map_err(|error| CommandError::List { path: path.to_owned(), error })
}

/// How many came to what.
#[derive(Default)]
struct Totals {
    counts: [usize; 4],
    outcome: Option<Outcome>,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        let [signed, already, would, failed] = &mut self.counts;
        *match report.result {
            Verdict::Signed => signed,
            Verdict::SignedAlready => already,
            Verdict::WouldSign => would,
            Verdict::Failed => failed,
        } += 1;
        self.outcome = self.outcome.max(Some(report.outcome));
    }

    fn text(&self) -> String {
        let [signed, already, would, failed] = self.counts;
        let would = if would > 0 { format!(", {would} would be signed") } else { String::new() };
        format!("{signed} signed, {already} signed already{would}, {failed} not signed")
    }
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("the annotations cannot be used")]
    Annotation(#[source] AnnotationError),
    #[error("pullgate.toml cannot be used")]
    Configuration(#[source] config::Problems),
    #[error("--existing needs the host of one registry, without *")]
    Everywhere,
    #[error("the key cannot be used")]
    Key(#[source] KeysError),
    #[error("the list {path} cannot be read")]
    List {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("the password cannot be read")]
    Password(#[source] std::io::Error),
    #[error("the registry client cannot be made")]
    Registry(#[source] RegistryError),
    #[error("what --existing names is no namespace or repository")]
    Scope(#[source] ScopeError),
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    #[error("the tags cannot be used")]
    Tags(#[source] TagsError),
    #[error("standard input is one of the list, the password and the passphrase")]
    Twice,
}

impl CommandError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Start(_) => Outcome::Unknown,
            Self::Key(error) => key_options::outcome(error),
            _ => Outcome::Usage,
        }
    }
}
