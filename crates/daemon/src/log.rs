//! Where log records go: standard error, which systemd's journal reads, one record a line.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The beginning of the targets of our own crates: `pullgate`, `pullgate_registry` and so on.
const PROGRAM: &str = "pullgate";

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object for machines.
    Json,
}

/// Sends records of `level` and above to standard error. The first call counts; later ones change nothing.
pub fn init(format: Format, level: Level) {
    // Of the libraries only warnings: below that they write HTTP/2 frames, and with them credentials.
    let ours = Targets::new()
        .with_default(LevelFilter::WARN.min(LevelFilter::from_level(level)))
        .with_target(PROGRAM, level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match format {
        Format::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // A test binary that starts the daemon twice keeps its first subscriber.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}
