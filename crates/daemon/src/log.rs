//! Logging to standard error, from which systemd's journal reads, one record per line.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The common prefix of the targets of our crates: `pullgate`, `pullgate_registry` and so on.
const PROGRAM: &str = "pullgate";

/// The format of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// A JSON object for machines.
    Json,
}

/// Writes records of `level` and above to standard error. Only the first call has an effect.
pub fn init(format: Format, level: Level) {
    // Of the libraries only warnings: below that, they log HTTP/2 frames, which contain credentials.
    let ours = Targets::new()
        .with_default(LevelFilter::WARN.min(LevelFilter::from_level(level)))
        .with_target(PROGRAM, level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match format {
        Format::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // Fails if a test binary starts the daemon twice, which is not an error.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}
