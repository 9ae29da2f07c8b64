//! The answer to one scrape.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::histogram::{Histogram, Snapshot};
use super::{Family, Kind};

/// The values of families at one moment.
#[derive(Debug, Default)]
pub struct Page(Vec<(&'static Family, Vec<Sample>)>);

#[derive(Debug)]
struct Sample {
    /// In the order of the family's labels.
    labels: Vec<Cow<'static, str>>,
    value: Value,
}

/// The value of one sample.
#[derive(Clone, Debug)]
pub struct Value(Number);

#[derive(Clone, Debug)]
enum Number {
    Whole(u64),
    Real(f64),
    Durations(Snapshot),
}

impl Page {
    /// Adds the only sample of a family without labels.
    pub fn set(&mut self, family: &'static Family, value: impl Into<Value>) {
        self.add(family, [""; 0], value);
    }

    /// Adds one of the samples of a family, with the values of its labels in the order of the table.
    pub fn add<const N: usize>(
        &mut self,
        family: &'static Family,
        labels: [impl Into<Cow<'static, str>>; N],
        value: impl Into<Value>,
    ) {
        debug_assert_eq!(family.labels.len(), N, "{}", family.name);
        let sample = Sample { labels: labels.into_iter().map(Into::into).collect(), value: value.into() };
        match self.0.iter_mut().rfind(|(known, _)| known.name == family.name) {
            Some((_, samples)) => samples.push(sample),
            None => self.0.push((family, vec![sample])),
        }
    }

    /// The page in Prometheus' text format 0.0.4, which node_exporter's textfile collector reads too.
    #[must_use]
    pub fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, samples) in &self.0 {
            // The encoder appends it.
            let name = family.name.strip_suffix("_total").unwrap_or(family.name);
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut encoder = encoder.encode_descriptor(name, family.help, None, kind)?;
            for sample in samples {
                let values = sample.labels.iter().map(|value| &**value);
                let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(values).collect();
                sample.value.encode(family.kind, encoder.encode_family(&labels.as_slice())?)?;
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, kind: Kind, encoder: MetricEncoder<'_>) -> fmt::Result {
        match (&self.0, kind) {
            (Number::Durations(durations), _) => durations.encode(encoder),
            (Number::Whole(value), Kind::Counter) => ConstCounter::new(*value).encode(encoder),
            (Number::Real(value), Kind::Counter) => ConstCounter::new(*value).encode(encoder),
            (Number::Whole(value), _) => ConstGauge::new(*value).encode(encoder),
            (Number::Real(value), _) => ConstGauge::new(*value).encode(encoder),
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self(Number::Whole(value))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        u64::try_from(value).unwrap_or(u64::MAX).into()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        u64::from(value).into()
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self(Number::Real(value))
    }
}

impl From<&Histogram> for Value {
    fn from(histogram: &Histogram) -> Self {
        Self(Number::Durations(histogram.snapshot()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    crate::families! {
        /// Calls, by
        /// outcome.
        CALLS = Counter "test_calls_total" ["outcome", "reason"];
        /// The end.
        END = Gauge "test_end_timestamp_seconds";
        /// Steps.
        STEPS = Histogram "test_step_seconds" ["step"];
    }

    #[test]
    fn a_page_is_text_of_prometheus() {
        let steps = Histogram::default();
        for milliseconds in [1, 2, 40, 700_000] {
            steps.observe(Duration::from_millis(milliseconds));
        }
        let mut page = Page::default();
        page.add(&CALLS, ["ok", "a \"quoted\\\n\" text"], 3_u64);
        page.set(&END, 1.5);
        page.add(&CALLS, ["bad", ""], 0_u64);
        page.add(&STEPS, ["judge"], &steps);
        let bucket = |(bound, count): (&str, u64)| {
            format!("test_step_seconds_bucket{{step=\"judge\",le=\"{bound}\"}} {count}\n")
        };
        let counts = [
            ("0.001", 1),
            ("0.005", 2),
            ("0.01", 2),
            ("0.025", 2),
            ("0.05", 3),
            ("0.1", 3),
            ("0.25", 3),
            ("0.5", 3),
            ("1", 3),
            ("2.5", 3),
            ("10", 3),
            ("60", 3),
            ("600", 3),
            ("+Inf", 4),
        ];
        let expected = format!(
            "# HELP test_calls_total Calls, by outcome.\n# TYPE test_calls_total counter\n\
             test_calls_total{{outcome=\"ok\",reason=\"a \\\"quoted\\\\\\n\\\" text\"}} 3\n\
             test_calls_total{{outcome=\"bad\",reason=\"\"}} 0\n\
             # HELP test_end_timestamp_seconds The end.\n# TYPE test_end_timestamp_seconds gauge\n\
             test_end_timestamp_seconds 1.5\n\
             # HELP test_step_seconds Steps.\n# TYPE test_step_seconds histogram\n{}\
             test_step_seconds_sum{{step=\"judge\"}} 700.043\ntest_step_seconds_count{{step=\"judge\"}} 4\n",
            counts.map(bucket).concat()
        );
        assert_eq!(page.text(), expected);
        let names: Vec<_> = FAMILIES.iter().map(|family| (family.name, family.kind.name())).collect();
        let table = ["test_calls_total", "test_end_timestamp_seconds", "test_step_seconds"];
        assert_eq!(names, table.into_iter().zip(["counter", "gauge", "histogram"]).collect::<Vec<_>>());
    }
}
