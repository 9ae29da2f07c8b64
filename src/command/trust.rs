//! `pullgate trust …`

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::{self, DaemonConfig};
use crate::telemetry::log;
use crate::tuf_client::{self, State, TrustRepository};
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::error_chain;

/// Subcommands of `pullgate trust`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TrustCommand {
    /// Refresh trusted roots from the TUF repositories in pullgate.toml
    Fetch(Fetch),
}

impl TrustCommand {
    pub(super) fn run(self, root: &Path) -> Outcome {
        match self {
            Self::Fetch(fetch) => fetch.run(root),
        }
    }
}

/// Arguments of `pullgate trust fetch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "If a trusted root cannot be refreshed, its file is left unchanged. After an update, reload the \
                  daemon.

Exit codes: 0 all trusted roots are up to date, 2 usage, configuration or output error, 3 at \
                  least one could not be refreshed."
)]
pub(super) struct Fetch {
    /// Names of the repositories in [[trust.repository]] to refresh (default: all repositories)
    names: Vec<String>,
    #[command(flatten)]
    output: OutputOption,
}

/// The outcome for one repository.
#[derive(Serialize)]
struct Row {
    name: String,
    file: String,
    /// Whether the file is another than before; `None` if it could not be refreshed.
    changed: Option<bool>,
    root_version: Option<u64>,
    expires: Option<String>,
    problem: Option<String>,
}

impl Fetch {
    fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::WARN);
        let config = match config::load_daemon(&root.join(config::DAEMON_FILE)) {
            Ok(config) => config,
            Err(problems) => {
                output::note(&problems.to_string());
                return Outcome::Usage;
            }
        };
        let repositories = match self.chosen(&config) {
            Ok(repositories) => repositories,
            Err(why) => {
                output::note(&format!("error: {why}"));
                return Outcome::Usage;
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else {
            output::note("error: cannot start the async runtime");
            return Outcome::Undetermined;
        };
        let rows = runtime.block_on(refresh(&config, &repositories));
        let failed = rows.iter().any(|row| row.problem.is_some());
        self.output.show(&rows, |rows| rows.iter().map(line).collect::<Vec<_>>().join("\n"));
        if failed { Outcome::Undetermined } else { Outcome::Success }
    }

    fn chosen<'a>(&self, config: &'a DaemonConfig) -> Result<Vec<&'a TrustRepository>, String> {
        let all = &config.trust.repositories;
        if all.is_empty() {
            let file = config::DAEMON_FILE;
            return Err(format!("{file} has no [[trust.repository]]; add one for each trusted root"));
        }
        if self.names.is_empty() {
            return Ok(all.iter().collect());
        }
        let find = |name: &String| {
            let found = all.iter().find(|repository| repository.name == *name);
            let known: Vec<_> = all.iter().map(|repository| repository.name.as_str()).collect();
            found.ok_or_else(|| {
                format!(
                    "no [[trust.repository]] has the name {name:?}; the configured names are {}",
                    known.join(", ")
                )
            })
        };
        self.names.iter().map(find).collect()
    }
}

/// Refreshes one after the other, so that each message is about one.
async fn refresh(config: &DaemonConfig, repositories: &[&TrustRepository]) -> Vec<Row> {
    let mut rows = Vec::new();
    for repository in repositories {
        let directory = &config.trust.directory;
        let result =
            tuf_client::refresh(repository, directory, config.trust.service(), Timestamp::now()).await;
        let refreshed = result.as_ref().ok();
        rows.push(Row {
            name: repository.name.clone(),
            file: State::file_of(directory, &repository.name).display().to_string(),
            changed: refreshed.map(|it| it.changed),
            root_version: refreshed.map(|it| it.root_version),
            expires: refreshed.map(|it| it.expires.to_string()),
            problem: result.as_ref().err().map(|error| error_chain(error)),
        });
    }
    rows
}

fn line(row: &Row) -> String {
    let Row { name, file, .. } = row;
    match (&row.problem, row.changed) {
        (Some(problem), _) => format!("{name}: not refreshed, {file} is unchanged: {problem}"),
        (None, Some(true)) => format!("{name}: {file} was updated; reload the daemon to use it"),
        (None, _) => format!("{name}: {file} is up to date"),
    }
}
