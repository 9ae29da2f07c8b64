//! The result, as Markdown.

use std::fmt;
use std::fs;
use std::time::Duration;

use crate::crossing::Crossing;
use crate::pulls::{Pulled, Pulls, STEPS};
use crate::samples::{Pair, Samples};
use crate::support::node::{Release, environment};

/// Passing through may cost at most this many times the direct call.
const CROSSING: f64 = 1.5;
/// The same for a pull of an image that is not there.
const COLD: f64 = 1.25;
/// The same for a pull of one that is.
const PRESENT: f64 = 1.3;
const IDLE_BYTES: u64 = 12 << 20;
const READY: Duration = Duration::from_millis(50);

pub(crate) struct Report {
    pub(crate) release: Release,
    pub(crate) images: usize,
    pub(crate) pulls_made: usize,
    pub(crate) crossing: Crossing,
    pub(crate) pulls: Pulls,
    pub(crate) resident: Resident,
    pub(crate) start: Samples,
}

/// The daemon's resident memory, in bytes.
pub(crate) struct Resident {
    pub(crate) idle: u64,
    pub(crate) after: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", machine())?;
        let containerd =
            environment::version_of("containerd", &format!("containerd-{}/versions", self.release));
        writeln!(f, "containerd {containerd}.\n")?;
        self.ratios(f)?;
        self.figures(f)?;
        self.steps(f)
    }
}

impl Report {
    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| call | n | direct p50 | p99 | pullgate p50 | p99 | ratio of p50 | target |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---|")?;
        let status = format!("ImageStatus, {} images", self.images);
        let listing = format!("ListImages, {} images", self.images);
        let rows: [(&str, &Pair, Option<f64>); 5] = [
            (&status, &self.crossing.image_status, Some(CROSSING)),
            (&listing, &self.crossing.list_images, Some(CROSSING)),
            ("PullImage, cold, never seen", &self.pulls.first.times, Some(COLD)),
            ("PullImage, cold, signatures known", &self.pulls.again.times, Some(COLD)),
            ("PullImage, present", &self.pulls.present.times, Some(PRESENT)),
        ];
        for (call, pair, target) in rows {
            let target =
                target.map_or_else(String::new, |most| format!("≤ {most}: {}", met(pair.ratio() <= most)));
            writeln!(
                f,
                "| {call} | {} | {} | {} | {} | {} | {:.2} | {target} |",
                pair.direct.count(),
                time(pair.direct.median()),
                time(pair.direct.quantile(99)),
                time(pair.proxied.median()),
                time(pair.proxied.quantile(99)),
                pair.ratio(),
            )?;
        }
        writeln!(f)
    }

    fn figures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resident { idle, after } = self.resident;
        let ready = self.start.median();
        writeln!(f, "| | figure | target |\n|---|---:|---|")?;
        let fits = met(idle <= IDLE_BYTES);
        writeln!(f, "| resident memory, idle | {} | ≤ 12 MiB: {fits} |", mebibytes(idle))?;
        writeln!(f, "| resident memory, after {} pulls | {} | |", self.pulls_made, mebibytes(after))?;
        writeln!(
            f,
            "| start to ready, p50 of {} | {} | ≤ 50 ms: {} |",
            self.start.count(),
            time(ready),
            met(ready <= READY)
        )?;
        writeln!(f, "| start to ready, p99 | {} | |\n", time(self.start.quantile(99)))
    }

    fn steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Where a pull through pullgate spends its time (p50, ms):\n")?;
        writeln!(
            f,
            "| pull | {} |",
            STEPS.map(|step| step.trim_end_matches("_ms").replace('_', " ")).join(" | ")
        )?;
        writeln!(f, "|---|{}", "---:|".repeat(STEPS.len()))?;
        for (pull, Pulled { steps, .. }) in [
            ("cold, never seen", &self.pulls.first),
            ("cold, signatures known", &self.pulls.again),
            ("present", &self.pulls.present),
        ] {
            let steps = steps.map(|step| step.map_or_else(|| "–".to_owned(), |spent| format!("{spent:.2}")));
            writeln!(f, "| {pull} | {} |", steps.join(" | "))?;
        }
        Ok(())
    }
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn time(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.3} ms") } else { format!("{milliseconds:.1} ms") }
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// What it ran on, and how busy that was: the load tells how far to believe the figures.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let mut models = processors.lines().filter_map(|line| line.strip_prefix("model name"));
    let model = models.next().unwrap_or("unknown processor").trim_start_matches([' ', '\t', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    format!("{date}, {model}, {cores} cores, Linux {}, load average at the end {load}.", kernel.trim())
}
