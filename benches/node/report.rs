//! Results, as Markdown.

use std::fs;
use std::time::Duration;

use crate::samples::Pair;
use pullgate_test::node::{Release, environment};

/// Prints a table with its head and rows.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    println!("| {} |", head.join(" | "));
    println!("|---|{}", "---:|".repeat(N - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// The columns of [`ratio`].
pub(crate) const RATIO: [&str; 8] = [
    "call",
    "n",
    "p50 of direct calls",
    "p99",
    "p50 through pullgate",
    "p99",
    "ratio of the two p50",
    "target",
];

/// A row about a call at both sockets, which may cost `most` times as much.
pub(crate) fn ratio(call: &str, pair: &Pair, most: f64) -> [String; 8] {
    [
        call.to_owned(),
        pair.direct.count().to_string(),
        time(pair.direct.median()),
        time(pair.direct.quantile(99)),
        time(pair.proxied.median()),
        time(pair.proxied.quantile(99)),
        format!("{:.2}", pair.ratio()),
        format!("≤ {most}: {}", met(pair.ratio() <= most)),
    ]
}

/// The columns of [`figure`].
pub(crate) const FIGURE: [&str; 3] = ["measurement", "figure", "target"];

/// A row about one figure, with its target and whether it is met.
pub(crate) fn figure(
    what: impl Into<String>,
    figure: impl ToString,
    target: Option<(&str, bool)>,
) -> [String; 3] {
    let target = target.map_or_else(String::new, |(target, is_met)| format!("{target}: {}", met(is_met)));
    [what.into(), figure.to_string(), target]
}

/// Whether a target is met.
pub(crate) fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

pub(crate) fn time(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.3} ms") } else { format!("{milliseconds:.1} ms") }
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// The machine.
pub(crate) fn machine(release: Release) -> String {
    let processors = read("/proc/cpuinfo");
    let mut models = processors.lines().filter_map(|line| line.strip_prefix("model name"));
    let model = models.next().unwrap_or("unknown processor").trim_start_matches([' ', '\t', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let containerd = environment::version_of("containerd", &format!("containerd-{release}/versions"));
    format!("{date}, {model}, {cores} cores, Linux {}, containerd {containerd}; {}", kernel.trim(), load())
}

/// The load of the machine, which affects the figures.
pub(crate) fn load() -> String {
    let load = read("/proc/loadavg");
    format!("load average {}.", load.split(' ').next().unwrap_or_default())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
