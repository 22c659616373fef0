//! The instruments that events feed; OTLP and Prometheus read the same.

use super::counts::{Counts, Signal};
use super::metrics::{Kind, METRICS, Metric};
use super::names::{self, text};
use crate::event::{Event, Origin};
use crate::measure::{busy, in_vain};
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Plays that are remembered.
const PLAYS_KEPT: usize = 16;

/// A play, as its beginning told it.
struct Play {
    trace: String,
    profile: String,
    /// It only says whether a failure repeats.
    diagnoses: bool,
}

enum Instrument {
    Counter(Counter<f64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram<f64>),
}

/// The instruments, and who reads them.
pub(super) struct Meters {
    instruments: Vec<Instrument>,
    judged: Gauge<f64>,
    ended: Gauge<f64>,
    exit_code: Gauge<f64>,
    /// The last plays.
    plays: VecDeque<Play>,
}

/// Reads the instruments.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    reader: Arc<ManualReader>,
    /// The instruments end with it.
    _provider: SdkMeterProvider,
}

impl Reader {
    /// All there is, as it stands.
    pub(super) fn read(&self) -> ResourceMetrics {
        let mut all = ResourceMetrics::default();
        // It fails once the provider is shut down, which nobody does.
        let _ = self.reader.collect(&mut all);
        all
    }
}

/// A reader that somebody else holds too.
#[derive(Debug)]
struct Shared(Arc<ManualReader>);

impl MetricReader for Shared {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }
    fn collect(&self, all: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(all)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

/// Makes the instruments. Two read them: what leaves by OTLP, in the temporality that is asked for, and what is scraped.
pub(super) fn meters(
    resource: Resource,
    scope: InstrumentationScope,
    temporality: Temporality,
    counts: Vec<(Signal, Arc<Counts>)>,
    looked: Arc<Counts>,
) -> (Meters, Reader, Reader) {
    let readers = [temporality, Temporality::Cumulative]
        .map(|temporality| Arc::new(ManualReader::builder().with_temporality(temporality).build()));
    let provider = readers.iter().fold(SdkMeterProvider::builder().with_resource(resource), |builder, reader| {
        builder.with_reader(Shared(reader.clone()))
    });
    let provider = provider.build();
    let meter = provider.meter_with_scope(scope);
    let instruments = METRICS.iter().map(|metric| instrument(&meter, metric)).collect();
    let gauge = |name: &'static str, unit: &'static str, about: &'static str| {
        meter.f64_gauge(name).with_unit(unit).with_description(about).build()
    };
    let judged = gauge("synthetic.objective.verdict", "", "1 for the verdict on each objective of the run");
    let ended = gauge("synthetic.run.end.time", "s", "When the run ended, since the epoch");
    let exit_code = gauge("synthetic.run.exit_code", "", "0: the judge is satisfied; 1: breached; 3: broken");
    // What is observed stays with the meter.
    let _ = meter
        .u64_observable_counter("synthetic.telemetry.items")
        .with_unit("{item}")
        .with_description("What was exported by OTLP, dropped for want of room, or refused")
        .with_callback(move |seen| {
            for (signal, counts) in &counts {
                for (outcome, count) in counts.so_far() {
                    let of = [text("synthetic.signal", signal.name()), text(names::OUTCOME, outcome)];
                    seen.observe(count, &of);
                }
            }
        })
        .build();
    // What is observed stays with the meter.
    let _ = meter
        .u64_observable_counter("synthetic.telemetry.unseen_events")
        .with_unit("{event}")
        .with_description("Events that came too fast to be exported, and are in the record only")
        .with_callback(move |seen| seen.observe(looked.lost(), &[]))
        .build();
    let [otlp, scraped] = readers.map(|reader| Reader { reader, _provider: provider.clone() });
    (Meters { instruments, judged, ended, exit_code, plays: VecDeque::new() }, otlp, scraped)
}

fn instrument(meter: &Meter, metric: &Metric) -> Instrument {
    let Metric { name, unit, about, .. } = *metric;
    match metric.kind {
        Kind::Counter => Instrument::Counter(meter.f64_counter(name).with_unit(unit).with_description(about).build()),
        Kind::Gauge => Instrument::Gauge(meter.f64_gauge(name).with_unit(unit).with_description(about).build()),
        Kind::Histogram(bounds) => Instrument::Histogram(
            meter.f64_histogram(name).with_unit(unit).with_description(about).with_boundaries(bounds.to_vec()).build(),
        ),
    }
}

impl Meters {
    /// Takes an event. What an app says of itself is counted, and measures nothing. Nor does what no objective takes for a
    /// sample: what had to fail, what was seen while others kept the machine busy, and a play that only diagnoses.
    pub(super) fn feed(&mut self, event: &Event) {
        let own = event.source != Origin::App;
        if let ("journey_start", true, Some(trace)) = (event.event.as_str(), own, &event.ids.trace_id) {
            let profile = event.text("profile").unwrap_or_default().to_owned();
            self.plays.push_back(Play { trace: trace.clone(), profile, diagnoses: event.flag("diagnoses") });
            if self.plays.len() > PLAYS_KEPT {
                self.plays.pop_front();
            }
        }
        let play = self.plays.iter().rev().find(|play| Some(&play.trace) == event.ids.trace_id.as_ref());
        let measures = own && !in_vain(event) && !busy(event) && !play.is_some_and(|play| play.diagnoses);
        for (metric, instrument) in METRICS.iter().zip(&self.instruments) {
            if !measures && metric.name != "synthetic.events" {
                continue;
            }
            let Some((value, mut attributes)) = (metric.of)(event) else { continue };
            attributes.extend(of_play(event, play));
            match instrument {
                Instrument::Counter(counter) => counter.add(value, &attributes),
                Instrument::Gauge(gauge) => gauge.record(value, &attributes),
                Instrument::Histogram(histogram) => histogram.record(value, &attributes),
            }
        }
    }

    /// How the run was judged: each objective and its verdict, and what the program ends with.
    pub(super) fn judged(&self, verdicts: &[(String, &'static str)], exit_code: u8, epoch_s: f64) {
        for (objective, verdict) in verdicts {
            self.judged.record(1.0, &[text(names::OBJECTIVE, objective.clone()), text(names::VERDICT, *verdict)]);
        }
        self.exit_code.record(f64::from(exit_code), &[]);
        self.ended.record(epoch_s, &[]);
    }
}

/// The play's own attributes.
fn of_play(event: &Event, play: Option<&Play>) -> impl Iterator<Item = KeyValue> {
    let all = [
        (names::BROWSER, event.ids.browser.clone()),
        (names::JOURNEY, event.ids.journey.clone()),
        (names::PROFILE, play.map(|play| play.profile.clone())),
    ];
    all.into_iter().filter_map(|(name, value)| Some(text(name, value?)))
}
