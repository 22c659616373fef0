//! Floor 2. What a run tells others while it goes on: traces, metrics and logs by OTLP, and metrics for Prometheus. All of
//! it is folded from the event stream, behind the writer of the log: nothing here can slow or fail a play, and what does not
//! get through is counted and said.
//!
//! | | |
//! |---|---|
//! | `wanted` | what the `OTEL_*` variables ask for |
//! | `queue` | a bound on all that waits |
//! | `fold` `spans` `logs` `metrics` | events to spans, to log records, to metrics |
//! | `meters` | the instruments, and who reads them |
//! | `names` `http` `resource` | how things are called there; requests as the conventions have them; who tells them |
//! | `otlp` `refused` `counts` | out by OTLP, a thread a signal; what did not arrive |
//! | `scrape` `prometheus` | metrics for a scrape, and as a textfile |

mod counts;
mod fold;
mod http;
mod logs;
mod meters;
mod metrics;
mod names;
mod otlp;
mod prometheus;
mod queue;
mod refused;
mod resource;
mod scrape;
mod spans;
#[cfg(test)]
mod tests;
mod wanted;
mod when;

pub use counts::Sent;
pub use resource::About;
pub use wanted::{Lookup, hide};

use crate::error::{Operator, Result};
use crate::event::{Log, Tap};
use counts::{Counts, Signal};
use fold::{Fold, tap};
use logs::Logs;
use meters::{Meters, Reader, meters};
use opentelemetry::InstrumentationScope;
use otlp::{Outlet, Way};
use queue::Queue;
use scrape::Scrape;
use spans::Spans;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use wanted::{Wanted, wanted};
use when::When;

/// Octets of events that wait to be looked at, at most; past it they are left out, and counted.
const WAITING: usize = 16 << 20;
/// How long a run waits at its end for what is still under way.
const FLUSH: Duration = Duration::from_secs(3);
/// The same for a run that is interrupted.
const GOODBYE: Duration = Duration::from_millis(500);

/// What the command line asks for besides OTLP, which the environment does.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Metrics are served here while the run goes on.
    pub metrics: Option<SocketAddr>,
    /// Metrics are written here at its end.
    pub textfile: Option<PathBuf>,
}

/// What a run tells others.
pub struct Telemetry {
    input: Arc<Queue<Vec<u8>>>,
    /// Lines of the log: come, and looked at.
    looked: Arc<Counts>,
    counts: Vec<(Signal, Arc<Counts>)>,
    meters: Arc<Mutex<Meters>>,
    scraped: Reader,
    scrape: Option<Scrape>,
    textfile: Option<PathBuf>,
    over: Arc<Queue<()>>,
    /// Says when a thread has ended: so many.
    ended: (Receiver<()>, usize),
    /// What is folded is folded.
    folded: Receiver<()>,
    log: Option<Log>,
    notes: Vec<String>,
    grpc: Option<Runtime>,
    finished: bool,
}

impl Telemetry {
    /// Starts what is asked for. `None`: nothing is.
    pub fn start(ask: &Ask, about: &About, env: Lookup) -> Result<Option<(Self, Tap)>> {
        let mut notes = Vec::new();
        let asked = Signal::ALL.map(|signal| wanted(signal, env, &mut notes));
        if asked.iter().all(Option::is_none) && ask.metrics.is_none() && ask.textfile.is_none() {
            return Ok(None);
        }
        if let Some(path) = &ask.textfile {
            prometheus::can_write(path)?;
        }
        let [to_traces, to_metrics, to_logs] = asked;
        let resource = resource::resource(about);
        let scope = InstrumentationScope::builder("soundcheck").with_version(env!("CARGO_PKG_VERSION")).build();
        let mut grpc = None;
        let (end, ended) = channel();
        let mut made = Maker { grpc: &mut grpc, notes: &mut notes };
        let traces = made.exporter(Signal::Traces, to_traces, |wanted| otlp::spans(wanted, &resource))?;
        let metrics = made.exporter(Signal::Metrics, to_metrics, otlp::metrics)?;
        let logs = made.exporter(Signal::Logs, to_logs, |wanted| otlp::logs(wanted, &resource))?;
        let looked = Arc::<Counts>::default();
        let counted = |signal, is_made: bool| is_made.then(|| (signal, Arc::<Counts>::default()));
        let counts: Vec<_> = [
            counted(Signal::Traces, traces.is_some()),
            counted(Signal::Metrics, metrics.is_some()),
            counted(Signal::Logs, logs.is_some()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let temporality = otlp::temporality(metrics.as_ref().map(|(exporter, ..)| exporter));
        let (meters, leaving, scraped) = meters(resource, scope.clone(), temporality, counts.clone(), looked.clone());
        let meters = Arc::new(Mutex::new(meters));
        let of =
            |signal| counts.iter().find(|(of, _)| *of == signal).map(|(_, counts)| counts.clone()).unwrap_or_default();
        let over = Arc::new(Queue::new(1));
        let traces = traces
            .map(|(exporter, way, wanted)| Outlet::spans(&wanted, exporter, way, of(Signal::Traces), end.clone()))
            .transpose()?;
        let logs = logs
            .map(|(exporter, way, wanted)| {
                Outlet::logs(&wanted, exporter, (way, scope.clone()), of(Signal::Logs), end.clone())
            })
            .transpose()?;
        if let Some((exporter, way, wanted)) = metrics {
            let at_end = (over.clone(), end.clone());
            otlp::export_metrics(&wanted, exporter, (way, leaving), of(Signal::Metrics), at_end)?;
        }
        let scrape = ask.metrics.map(|address| Scrape::start(address, scraped.clone())).transpose()?;
        notes.extend(scrape.iter().map(|scrape| format!("metrics to scrape: {}", scrape.url())));
        let input = Arc::new(Queue::<Vec<u8>>::new(WAITING));
        let (fold_end, folded) = channel();
        let mut fold = Fold {
            when: When::default(),
            spans: traces.map(|outlet| (Spans::new(scope.clone(), about.plan.clone()), outlet)),
            logs: logs.map(|outlet| (Logs::new(scope), outlet)),
            meters: meters.clone(),
            looked: looked.clone(),
        };
        let lines = input.clone();
        background("telemetry", move || {
            while let Some(pieces) = lines.take(1, Duration::ZERO) {
                pieces.iter().for_each(|text| fold.feed(text));
            }
            fold.end();
            let _ = fold_end.send(()); // nobody may wait any more
        })?;
        let tap = tap(input.clone(), looked.clone());
        let ended = (ended, counts.len());
        let telemetry = Self {
            input,
            looked,
            counts,
            meters,
            scraped,
            scrape,
            over,
            ended,
            folded,
            notes,
            grpc,
            textfile: ask.textfile.clone(),
            log: None,
            finished: false,
        };
        Ok(Some((telemetry, tap)))
    }

    /// What is to be said of it at the start.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The log that its tap is in.
    pub fn listens_to(&mut self, log: &Log) {
        self.log = Some(log.clone());
    }

    /// The run is over, judged and ends with this code: all that is on its way gets a few seconds to arrive, and the textfile
    /// is written. What became of it; and why the textfile could not be written.
    pub fn finish(mut self, verdicts: &[(String, &'static str)], exit_code: u8) -> (Sent, Result<()>) {
        let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
        let judged = || {
            self.meters.lock().unwrap_or_else(PoisonError::into_inner).judged(verdicts, exit_code, now);
        };
        self.end(FLUSH, judged);
        self.finished = true;
        let tallies = self.counts.iter().map(|(signal, counts)| counts.tally(*signal)).collect();
        (Sent { tallies, unseen: self.looked.dropped() }, self.write_textfile())
    }

    fn write_textfile(&self) -> Result<()> {
        self.textfile.as_ref().map_or(Ok(()), |path| prometheus::textfile(path, &self.scraped.read()))
    }

    /// Waits for what is on its way, so long at most.
    fn end(&self, patience: Duration, judged: impl FnOnce()) {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        if let Some(log) = &self.log {
            // A disk that failed is told of elsewhere.
            let _ = log.sync();
        }
        self.input.close();
        let folded = self.folded.recv_timeout(left()).is_ok();
        judged();
        self.over.close();
        if folded {
            let (ended, threads) = &self.ended;
            (0..*threads).take_while(|_| ended.recv_timeout(left()).is_ok()).for_each(drop);
        }
        self.input.abandon();
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // An interrupted run is told as far as it came.
        if !self.finished {
            self.end(GOODBYE, || ());
            if let Err(why) = self.write_textfile() {
                tracing::warn!("{why}");
            }
        }
        if let Some(grpc) = self.grpc.take() {
            grpc.shutdown_background();
        }
        drop(self.scrape.take());
    }
}

/// Makes exporters.
struct Maker<'a> {
    grpc: &'a mut Option<Runtime>,
    notes: &'a mut Vec<String>,
}

impl Maker<'_> {
    /// A signal's exporter, if it is wanted and can be made.
    fn exporter<E>(
        &mut self,
        signal: Signal,
        wanted: Option<Wanted>,
        make: impl Fn(&Wanted) -> Result<E, opentelemetry_otlp::ExporterBuildError>,
    ) -> Result<Option<(E, Way, Wanted)>> {
        let Some(wanted) = wanted else { return Ok(None) };
        let way = Way::new(wanted.protocol, self.grpc)?;
        match way.within(|| make(&wanted)) {
            Ok(exporter) => Ok(Some((exporter, way, wanted))),
            Err(why) => {
                self.notes.push(format!("no {} are exported: {why}", signal.name()));
                Ok(None)
            }
        }
    }
}

/// Starts a thread that gives way to all that plays.
fn background(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let named = std::thread::Builder::new().name(format!("otlp {name}"));
    named
        .spawn(|| {
            yield_to_others();
            work();
        })
        .map(drop)
        .operator("starting a thread")
}

/// Lowers this thread's priority: whatever else is to be done comes first.
fn yield_to_others() {
    const LOW: i32 = 10;
    // Of the calling thread alone: Linux has a priority for each. Not allowed to: then it stays as it is.
    let _ = rustix::process::setpriority_process(None, LOW);
}
