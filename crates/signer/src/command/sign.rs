//! `pullgate-signer sign`: signs images in a registry.

mod attach;
mod report;
mod source;
mod tagged_images;
mod work;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::attach::{AttachError, AttachOptions};
use self::report::{Item, Report, SignResult};
use self::source::{ImageList, Source, read_list};
use self::tagged_images::TaggedImages;
use self::work::Work;
use super::key_options::{self, KeyOptions, LocationParser};
use pullgate::config;
use pullgate::node;
use pullgate_cli::LoginArgs;
use pullgate_cli::terminal::{Progress, ReportOptions};
use pullgate_cli::{Outcome, output};
use pullgate_core::policy::{Scope, ScopeError, Tags, TagsError};
use pullgate_core::trust::Algorithm;
use pullgate_keys::{self as keys, KeysError, Location};
use pullgate_registry::RegistryError;
use pullgate_sign::{AnnotationError, Annotations, CertificateChainError, Layout};

/// The number of images that are signed concurrently.
const CONCURRENCY: usize = 4;

/// Arguments of `pullgate-signer sign`.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {
    /// Images by digest or tag; for a tag, the output shows the digest that was signed
    #[arg(value_name = "IMAGE", required_unless_present_any = ["from_file", "all_tags"])]
    images: Vec<String>,
    /// Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY
    #[arg(long, value_name = "LOCATION", value_parser = LocationParser)]
    key: Location,
    /// Signature algorithm, as in docs/signing.md: RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …; required for RSA keys; other keys
    /// have a default
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Where to attach signatures: classic, bundle, both or notation
    #[arg(long, value_name = "LAYOUT", default_value_t = Layout::default())]
    layout: Layout,
    /// Sign this text together with the digest; may be repeated
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// For an image index, also sign each manifest that the index lists
    #[arg(long)]
    recursive: bool,
    /// Also sign the images listed in this file, one image on each line (- is standard input)
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Sign every tagged image in a repository and its sub-repositories
    #[arg(long, value_name = "SCOPE")]
    all_tags: Option<String>,
    /// With --all-tags, only tags that match; * matches any characters
    #[arg(long = "tag", value_name = "PATTERN", requires = "all_tags")]
    tags: Vec<String>,
    /// With --all-tags, skip tags that match
    #[arg(long = "exclude-tag", value_name = "PATTERN", requires = "all_tags")]
    excluded_tags: Vec<String>,
    /// Show what would be signed, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOptions,
    #[command(flatten)]
    attach: AttachOptions,
    #[command(flatten)]
    key_options: KeyOptions,
    #[command(flatten)]
    login: LoginArgs,
}

impl Sign {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let result = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CommandError::Start)
            .and_then(|runtime| {
                runtime.block_on(async {
                    let (work, source) = self.prepare(root).await?;
                    Ok(self.sign_all(Arc::new(work), source).await)
                })
            });
        result.unwrap_or_else(|error| {
            output::error(&error);
            error.outcome()
        })
    }

    /// Checks everything that can be checked before the first request to a registry.
    async fn prepare(&self, root: &Path) -> Result<(Work, Source), CommandError> {
        let config =
            config::load_daemon(&root.join(config::DAEMON_FILE)).map_err(CommandError::Configuration)?;
        let annotations = Annotations::parse(&self.annotations).map_err(CommandError::Annotation)?;
        let readers = [
            self.from_file.as_deref() == Some(Path::new("-")),
            self.login.reads_standard_input(),
            self.key_options.reads_standard_input(),
        ];
        if readers.into_iter().filter(|reads| *reads).count() > 1 {
            return Err(CommandError::StandardInput);
        }
        let scope = self.all_tags.as_deref().map(Scope::parse).transpose().map_err(CommandError::Scope)?;
        let tags = Tags::new(&self.tags, &self.excluded_tags).map_err(CommandError::Tags)?;
        if scope
            .as_ref()
            .is_some_and(|it| it.as_str().split('/').next().is_none_or(|host| host.contains('*')))
        {
            return Err(CommandError::NoHost);
        }
        let (notation, timestamps) = self.attach.read(self.layout).map_err(CommandError::Attach)?;
        let of_certificate = notation.as_ref().map(|notation| notation.certificates.algorithm());
        let credentials = self.login.credentials().map_err(CommandError::Password)?;
        let list = self.from_file.as_deref().map(open_list).transpose()?;
        let registry = node::registry(&config).map_err(CommandError::Registry)?;
        let key =
            keys::open(&self.key, self.algorithm.or(of_certificate), &self.key_options.settings()).await;
        let tagged = scope.map(|scope| TaggedImages::new(registry.clone(), credentials.clone(), scope, tags));
        let source = Source { named: self.images.iter().cloned().collect(), list, tagged };
        let key = key.map_err(CommandError::Key)?;
        if let Some(notation) = &notation {
            notation.certificates.check_key(key.public()).map_err(CommandError::Chain)?;
        }
        let work = Work {
            registry,
            credentials,
            key,
            notation,
            timestamps,
            layout: self.layout,
            annotations,
            recursive: self.recursive,
            dry_run: self.dry_run,
        };
        Ok((work, source))
    }

    /// Signs a few images concurrently, and shows the results in order.
    async fn sign_all(&self, work: Arc<Work>, mut source: Source) -> Outcome {
        let mut running = VecDeque::new();
        let mut totals = Totals::default();
        loop {
            let mut exhausted = false;
            while running.len() < CONCURRENCY && !exhausted {
                match source.next().await {
                    Some(Item::Image(image)) => {
                        let task = tokio::spawn(Arc::clone(&work).sign_image(image.clone()));
                        running.push_back((image, task));
                    }
                    Some(Item::Failed(report)) => self.show(&report, &mut totals),
                    None => exhausted = true,
                }
            }
            let Some((image, task)) = running.pop_front() else { break };
            let progress = Progress::start(&format!("signing {image}"));
            let result = task.await;
            drop(progress);
            match result {
                Ok(reports) => reports.iter().for_each(|report| self.show(report, &mut totals)),
                Err(_) => {
                    let lost = Report::not_listed(&image, RegistryError::Lost);
                    self.show(&lost, &mut totals);
                }
            }
        }
        if self.all_tags.is_some() || self.from_file.is_some() {
            output::note(&totals.text());
        }
        totals.outcome.unwrap_or(Outcome::Success)
    }

    fn show(&self, report: &Report, totals: &mut Totals) {
        totals.add(report);
        self.output.show(report, Report::page);
    }
}

fn open_list(path: &Path) -> Result<ImageList, CommandError> {
    read_list(path).map_err(|error| CommandError::List { path: path.to_owned(), error })
}

/// Number of images by result.
#[derive(Default)]
struct Totals {
    counts: [usize; 4],
    outcome: Option<Outcome>,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        let [signed, already, would, failed] = &mut self.counts;
        *match report.result {
            SignResult::Signed => signed,
            SignResult::AlreadySigned => already,
            SignResult::WouldSign => would,
            SignResult::Failed => failed,
        } += 1;
        self.outcome = self.outcome.max(Some(report.outcome));
    }

    fn text(&self) -> String {
        let [signed, already, would, failed] = self.counts;
        let would = if would > 0 { format!(", {would} would be signed") } else { String::new() };
        format!("{signed} signed, {already} already signed{would}, {failed} failed")
    }
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Attach(AttachError),
    #[error("cannot use the certificate chain")]
    Chain(#[source] CertificateChainError),
    #[error("invalid annotations")]
    Annotation(#[source] AnnotationError),
    #[error("invalid pullgate.toml")]
    Configuration(#[source] config::Problems),
    #[error("--all-tags needs a scope that begins with the host of one registry, without `*`")]
    NoHost,
    #[error("cannot use the key")]
    Key(#[source] KeysError),
    #[error("cannot read the list {path}")]
    List {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("cannot read the password")]
    Password(#[source] std::io::Error),
    #[error("cannot create the registry client")]
    Registry(#[source] RegistryError),
    #[error("the scope of --all-tags is not valid")]
    Scope(#[source] ScopeError),
    #[error("cannot start the async runtime")]
    Start(#[source] std::io::Error),
    #[error("invalid tag pattern")]
    Tags(#[source] TagsError),
    #[error("standard input can provide only one of the list, the password and the passphrase")]
    StandardInput,
}

impl CommandError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Start(_) => Outcome::Undetermined,
            Self::Key(error) => key_options::outcome(error),
            _ => Outcome::Usage,
        }
    }
}
