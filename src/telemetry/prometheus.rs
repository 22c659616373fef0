//! Metrics as Prometheus reads them: text format 0.0.4, names by OpenTelemetry's rules for it.

use crate::error::{Operator, Result};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics, SumDataPoint,
};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// All of it as text.
pub(super) fn write(all: &ResourceMetrics) -> String {
    let mut out = String::new();
    let resource: Vec<KeyValue> =
        all.resource().iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())).collect();
    head(&mut out, "target_info", "gauge", "Who measured: the resource's attributes");
    line(&mut out, "target_info", &labels(resource.iter(), None), 1.0);
    let mut metrics: Vec<&Metric> = all.scope_metrics().flat_map(|scope| scope.metrics()).collect();
    metrics.sort_by_key(|metric| metric.name());
    for metric in metrics {
        match metric.data() {
            AggregatedMetrics::F64(data) => family(&mut out, metric, data),
            AggregatedMetrics::U64(data) => family(&mut out, metric, data),
            AggregatedMetrics::I64(data) => family(&mut out, metric, data),
        }
    }
    out
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

fn family<T: Number>(out: &mut String, metric: &Metric, data: &MetricData<T>) {
    let base = exposed(metric.name(), metric.unit());
    match data {
        MetricData::Gauge(gauge) => {
            head(out, &base, "gauge", metric.description());
            let points = gauge.data_points().map(|p| (labels(p.attributes(), None), p.value().number()));
            sorted(points).iter().for_each(|(labels, value)| line(out, &base, labels, *value));
        }
        MetricData::Sum(sum) => {
            let (name, kind) = match sum.is_monotonic() {
                true => (format!("{base}_total"), "counter"),
                false => (base, "gauge"),
            };
            head(out, &name, kind, metric.description());
            let point = |p: &SumDataPoint<T>| (labels(p.attributes(), None), p.value().number());
            sorted(sum.data_points().map(point)).iter().for_each(|(labels, value)| line(out, &name, labels, *value));
        }
        MetricData::Histogram(histogram) => {
            head(out, &base, "histogram", metric.description());
            let mut points: Vec<_> = histogram.data_points().map(|p| (labels(p.attributes(), None), p)).collect();
            points.sort_by(|a, b| a.0.cmp(&b.0));
            points.iter().for_each(|(labels, point)| buckets(out, &base, labels, point));
        }
        // Nothing here is measured so.
        MetricData::ExponentialHistogram(_) => {}
    }
}

fn buckets<T: Number>(out: &mut String, name: &str, own: &str, point: &HistogramDataPoint<T>) {
    let (bucket, mut count) = (format!("{name}_bucket"), 0);
    let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
    for (bound, many) in bounds.zip(point.bucket_counts()) {
        count += many;
        line(out, &bucket, &labels(point.attributes(), Some(&bound)), count as f64);
    }
    line(out, &format!("{name}_sum"), own, point.sum().number());
    line(out, &format!("{name}_count"), own, point.count() as f64);
}

fn sorted(points: impl Iterator<Item = (String, f64)>) -> Vec<(String, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.cmp(&b.0));
    points
}

fn head(out: &mut String, name: &str, kind: &str, about: &str) {
    let about = about.replace('\\', r"\\").replace('\n', r"\n");
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(out, "{name}{labels} {value}");
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
