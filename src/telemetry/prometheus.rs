//! Metrics as Prometheus reads them: text format 0.0.4, names by OpenTelemetry's rules for it.

use super::names;
use crate::error::{Operator, Result};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics, SumDataPoint,
};
use opentelemetry_semantic_conventions::attribute as known;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What every line says besides its own: of which plan, which app, and where. Without it the files of two runs on one machine
/// would hold the same series, and the collector would take neither.
const EVERY: [&str; 3] = [known::TEST_SUITE_NAME, names::APP, known::DEPLOYMENT_ENVIRONMENT_NAME];

/// All of it as text.
pub(super) fn write(all: &ResourceMetrics) -> String {
    let resource: Vec<KeyValue> =
        all.resource().iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())).collect();
    let is_every =
        |attribute: &&KeyValue| EVERY.contains(&attribute.key.as_str()) && !attribute.value.as_str().is_empty();
    let mut text = Text { out: String::new(), every: resource.iter().filter(is_every).cloned().collect() };
    text.head("target_info", "gauge", "Who measured: the resource's attributes");
    text.line("target_info", &labels(resource.iter(), None), 1.0);
    let mut metrics: Vec<&Metric> = all.scope_metrics().flat_map(|scope| scope.metrics()).collect();
    metrics.sort_by_key(|metric| metric.name());
    for metric in metrics {
        match metric.data() {
            AggregatedMetrics::F64(data) => text.family(metric, data),
            AggregatedMetrics::U64(data) => text.family(metric, data),
            AggregatedMetrics::I64(data) => text.family(metric, data),
        }
    }
    text.out
}

/// A number as it is exposed.
trait Number: Copy {
    fn number(self) -> f64;
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Number for u64 {
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for i64 {
    fn number(self) -> f64 {
        self as f64
    }
}

/// The text as it grows.
struct Text {
    out: String,
    every: Vec<KeyValue>,
}

impl Text {
    fn family<T: Number>(&mut self, metric: &Metric, data: &MetricData<T>) {
        let base = exposed(metric.name(), metric.unit());
        match data {
            MetricData::Gauge(gauge) => {
                let points = gauge.data_points().map(|p| (self.labels(p.attributes(), None), p.value().number()));
                let points = sorted(points);
                self.head(&base, "gauge", metric.description());
                points.iter().for_each(|(labels, value)| self.line(&base, labels, *value));
            }
            MetricData::Sum(sum) => {
                let (name, kind) = match sum.is_monotonic() {
                    true => (format!("{base}_total"), "counter"),
                    false => (base, "gauge"),
                };
                let point = |p: &SumDataPoint<T>| (self.labels(p.attributes(), None), p.value().number());
                let points = sorted(sum.data_points().map(point));
                self.head(&name, kind, metric.description());
                points.iter().for_each(|(labels, value)| self.line(&name, labels, *value));
            }
            MetricData::Histogram(histogram) => {
                let mut points: Vec<_> =
                    histogram.data_points().map(|p| (self.labels(p.attributes(), None), p)).collect();
                points.sort_by(|a, b| a.0.cmp(&b.0));
                self.head(&base, "histogram", metric.description());
                points.iter().for_each(|(labels, point)| self.buckets(&base, labels, point));
            }
            // Nothing here is measured so.
            MetricData::ExponentialHistogram(_) => {}
        }
    }

    fn buckets<T: Number>(&mut self, name: &str, own: &str, point: &HistogramDataPoint<T>) {
        let (bucket, mut count) = (format!("{name}_bucket"), 0);
        let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
        for (bound, many) in bounds.zip(point.bucket_counts()) {
            count += many;
            let labels = self.labels(point.attributes(), Some(&bound));
            self.line(&bucket, &labels, count as f64);
        }
        self.line(&format!("{name}_sum"), own, point.sum().number());
        self.line(&format!("{name}_count"), own, point.count() as f64);
    }

    fn labels<'a>(&'a self, own: impl Iterator<Item = &'a KeyValue>, le: Option<&str>) -> String {
        labels(own.chain(&self.every), le)
    }

    fn head(&mut self, name: &str, kind: &str, about: &str) {
        let about = about.replace('\\', r"\\").replace('\n', r"\n");
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.out, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.out, "{name}{labels} {value}");
    }
}

fn sorted(points: impl Iterator<Item = (String, f64)>) -> Vec<(String, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.cmp(&b.0));
    points
}

/// A metric's name: underscores, and its unit in words. Units in braces are notes, and left out.
fn exposed(name: &str, unit: &str) -> String {
    let name = plain(name);
    match unit {
        "s" => format!("{name}_seconds"),
        "By" => format!("{name}_bytes"),
        _ => name,
    }
}

fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>, le: Option<&str>) -> String {
    let mut all: Vec<(String, String)> =
        attributes.map(|a| (plain(a.key.as_str()), a.value.as_str().into_owned())).collect();
    all.sort();
    // A name stands once in a line, however many are written alike.
    all.dedup_by(|a, b| a.0 == b.0);
    all.extend(le.map(|le| ("le".to_owned(), le.to_owned())));
    let quoted = |(name, value): &(String, String)| {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        format!("{name}=\"{value}\"")
    };
    match all.as_slice() {
        [] => String::new(),
        all => format!("{{{}}}", all.iter().map(quoted).collect::<Vec<_>>().join(",")),
    }
}

/// Says at once what could not be written in the end.
pub(super) fn can_write(path: &Path) -> Result<()> {
    let beside = beside(path);
    let made = File::create(&beside).and_then(|_| std::fs::remove_file(&beside));
    made.operator(format!("writing {}", path.display())).map_err(|e| e.remedy(REMEDY))
}

const REMEDY: &str = "give --textfile a file in a folder that can be written";

/// Beside it, and with an ending that the collector does not read.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// Writes a file for node-exporter's textfile collector: whole, or not at all.
pub(super) fn textfile(path: &Path, all: &ResourceMetrics) -> Result<()> {
    let doing = format!("writing {}", path.display());
    let beside = beside(path);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(write(all).as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside); // it may not even be there
    }
    written.operator(doing).map_err(|e| e.remedy(REMEDY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_bear_their_unit_and_labels_their_text() {
        assert_eq!(exposed("http.client.request.duration", "s"), "http_client_request_duration_seconds");
        assert_eq!(exposed("browser.memory.usage", "By"), "browser_memory_usage_bytes");
        assert_eq!(exposed("synthetic.plays", "{play}"), "synthetic_plays");
        let attributes = [KeyValue::new("b.c", "x\"y\\\n"), KeyValue::new("a", 3)];
        assert_eq!(labels(attributes.iter(), Some("0.5")), "{a=\"3\",b_c=\"x\\\"y\\\\\\n\",le=\"0.5\"}");
        assert_eq!(labels([].iter(), None), "");
    }
}
