//! Logging to standard error, from which systemd's journal reads, one record per line.

use std::fmt;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
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
    let journal = is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref(), std::io::stderr());
    let event = format::format().with_target(false);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        Format::Text => {
            let layer = layer.with_ansi(std::io::stderr().is_terminal());
            layer.event_format(WithPriority { event, journal }).boxed()
        }
        Format::Json => {
            let event = event.json().flatten_event(true).with_current_span(false);
            layer.json().event_format(WithPriority { event, journal }).boxed()
        }
    };
    // Fails if a test binary starts the daemon twice, which is not an error.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}

/// Whether `stream` leads to systemd's journal, by the variable that systemd sets (systemd.exec(5)): device and inode.
fn is_journal(variable: Option<&str>, stream: impl AsFd) -> bool {
    let metadata = stream.as_fd().try_clone_to_owned().and_then(|stream| File::from(stream).metadata());
    metadata.is_ok_and(|found| variable == Some(&format!("{}:{}", found.dev(), found.ino())))
}

/// Begins each record for the journal with its priority (sd-daemon(3)), which the journal removes.
struct WithPriority<F> {
    event: F,
    journal: bool,
}

impl<S, N, F> FormatEvent<S, N> for WithPriority<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.journal {
            writer.write_str(priority(*event.metadata().level()))?;
        }
        self.event.format_event(context, writer, event)
    }
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_of_the_variable_is_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let found = file.metadata().unwrap();
        let its = format!("{}:{}", found.dev(), found.ino());
        assert!(is_journal(Some(&its), &file));
        assert!(!is_journal(None, &file));
        assert!(!is_journal(Some(&format!("{its}0")), &file));
        assert!(!is_journal(Some(&its), tempfile::tempfile().unwrap()));
    }
}
