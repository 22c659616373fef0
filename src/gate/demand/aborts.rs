//! P5.4: no unexplained spike of 413 or of idle-timeout aborts: as our plays met them, and as the app's own media proxy
//! counts them, each against its own days before. The baseline ends before this version was first seen. A spike may be
//! explained: that is attested.

use super::super::{Context, Demand, Line, evidence};
use super::{at_most, fresh, without};
use crate::error::{Error, Result};
use crate::history::Asked;
use crate::secret::Secrets;
use crate::signal::{Abort, Counts, Log, Promql, Scrape, Span, Told};
use crate::slo::Verdict;
use crate::source::Problem;
use crate::stats::spike::{self, DAYS, HOURS, Lack, Spike};
use crate::unit::{Days, Time};
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;
use toml::Spanned;

/// What explains a spike of 413.
pub const TOO_LARGE: &str = "413 spike";
/// What explains one of idle-timeout aborts.
pub const IDLE: &str = "idle-timeout spike";

/// The time that is judged, where the file does not say.
const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Days before it.
const BASELINE: u16 = 14;
const DAY_MS: i64 = 86_400_000;
/// Hours of the window that a source need not have seen: a look an hour, and it may be late.
const UNSEEN: f64 = 1.25;

/// The table: how long is judged, against how many days, and who in the app counts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aborts {
    window: Option<Time>,
    baseline: Option<Spanned<Days>>,
    fresh: Option<Time>,
    #[serde(default)]
    log: Vec<Spanned<Log>>,
    #[serde(default)]
    promql: Vec<Promql>,
    #[serde(default)]
    metrics: Vec<Scrape>,
}

impl Demand for Aborts {
    fn check(&self, _app: &str, problems: &mut Vec<Problem>) {
        if let Some(days) = self.baseline.as_ref().filter(|days| usize::from(days.get_ref().0) < DAYS) {
            let what = format!("no spike is told from {} of baseline", days.get_ref());
            problems.push(Problem::at(days.span(), what, format!("write at least \"{DAYS} d\"")));
        }
        for log in &self.log {
            let Log { files, response, idle, .. } = log.get_ref();
            if files.is_empty() || (response.is_none() && idle.is_none()) {
                let help =
                    "name its `files`, and what a line holds that is a `response`, or tells of an `idle` timeout";
                problems.push(Problem::at(log.span(), "nothing is asked of this log", help));
            }
        }
        let promql = self.promql.iter().map(|own| (&own.url, own.token.as_ref()));
        for (url, token) in promql.chain(self.metrics.iter().map(|own| (&own.url, own.token.as_ref()))) {
            evidence::check(url, token, problems);
        }
    }

    fn words(&self) -> Vec<String> {
        let hours = self.window().as_secs() as i64;
        let mut words = vec![format!(
            "no spike of {} or {} in the last {}, by our plays and the app's own count, against {} d before",
            Abort::TooLarge.name(),
            Abort::Idle.name(),
            super::super::show_age(hours),
            self.days()
        )];
        words.extend(
            self.sources()
                .iter()
                .map(|source| source.name())
                .map(|name| format!("counted by {name}, {}", at_most(self.fresh))),
        );
        words
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let (span, of) = match self.span(asked) {
            Ok(found) => found,
            Err(e) => {
                return Abort::ALL
                    .map(|abort| without(Line::of("P5.4", format!("no spike of {}", abort.name())), &e))
                    .into();
            }
        };
        let mut lines: Vec<Line> = match asked.history().and_then(|history| history.aborts(&of, &span)) {
            Ok(both) => {
                let met = |(abort, (counts, newest)): (Abort, (Counts, Option<i64>))| {
                    let told = Told { newest, ..Told::default() };
                    self.hold(line(abort, "our plays"), abort, &counts, &told, &span, asked)
                };
                Abort::ALL.into_iter().zip(both).map(met).collect()
            }
            Err(e) => Abort::ALL.map(|abort| without(line(abort, "our plays"), &e)).into(),
        };
        let told: Vec<(String, Result<Told>)> =
            self.sources().into_iter().map(|source| (source.name(), source.ask(&span, asked))).collect();
        for abort in Abort::ALL {
            let before = lines.len();
            for (name, told) in &told {
                match told {
                    Err(e) => {
                        lines.push(line(abort, name).lacks(e.what(), e.fix().unwrap_or("see that it can be read")))
                    }
                    Ok(told) => {
                        let own = told.counts.iter().filter(|(own, _)| *own == abort);
                        let held =
                            own.map(|(_, counts)| self.hold(line(abort, name), abort, counts, told, &span, asked));
                        lines.extend(held.collect::<Vec<_>>());
                    }
                }
            }
            if lines.len() == before {
                lines.push(line(abort, "the app").lacks(
                    "nobody asks the app's own media proxy",
                    "name its log or its metrics: [[aborts.log]], [[aborts.promql]] or [[aborts.metrics]]",
                ));
            }
        }
        lines
    }
}

fn line(abort: Abort, by: &str) -> Line {
    Line::of("P5.4", format!("no spike of {} in {by}", abort.name()))
}

/// Who in the app counts.
enum Source<'a> {
    Log(&'a Log),
    Promql(&'a Promql),
    Metrics(&'a Scrape),
}

impl Source<'_> {
    /// As its lines call it: the file, or the server.
    fn name(&self) -> String {
        let host = |url: &str| url::Url::parse(url).ok().and_then(|url| Some(url.host_str()?.to_owned()));
        match self {
            Source::Log(log) => {
                let first = log.files.first().map_or("", String::as_str);
                first.rsplit('/').next().unwrap_or(first).to_owned()
            }
            Source::Promql(promql) => format!("Prometheus at {}", host(promql.url.get_ref()).unwrap_or_default()),
            Source::Metrics(scrape) => format!("the metrics of {}", host(scrape.url.get_ref()).unwrap_or_default()),
        }
    }

    fn ask(&self, span: &Span, asked: &mut Context) -> Result<Told> {
        let token = match self {
            Source::Log(_) => None,
            Source::Promql(promql) => promql.token.as_ref(),
            Source::Metrics(scrape) => scrape.token.as_ref(),
        };
        let token = token.map(|name| Secrets::resolve(asked.secrets(), name.get_ref())).transpose()?;
        match self {
            Source::Log(log) => {
                let whole = |file: &String| match file.contains("://") {
                    true => file.clone(),
                    false => asked.beside(file).display().to_string(),
                };
                let log = Log { files: log.files.iter().map(whole).collect(), ..(*log).clone() };
                log.ask(span, &mut get(asked, token.as_deref()))
            }
            Source::Promql(promql) => promql.ask(span, &mut get(asked, token.as_deref())),
            Source::Metrics(scrape) => {
                let at = Timestamp::now().as_millisecond();
                let readings = scrape.read(at, &mut get(asked, token.as_deref()))?;
                let (app, environment) = (asked.app(), asked.environment());
                let history = asked.history()?;
                history.keep(app, environment, &readings)?;
                let mut kept = Vec::new();
                for signal in scrape.signals() {
                    // The reading before the first day's is where that begins.
                    kept.extend(history.readings(app, environment, &signal, span.earliest() - DAY_MS)?);
                }
                Ok(scrape.told(span, &kept))
            }
        }
    }
}

/// Asks as every line of the gate does.
fn get<'g>(asked: &'g mut Context<'_>, token: Option<&'g str>) -> impl FnMut(&str) -> Result<String, String> + 'g {
    move |url| asked.get(url, token).map(|answer| answer.text)
}

impl Aborts {
    fn window(&self) -> Duration {
        self.window.map_or(WINDOW, |time| time.0)
    }

    fn days(&self) -> u16 {
        self.baseline.as_ref().map_or(BASELINE, |days| days.get_ref().0)
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let logs = self.log.iter().map(|log| Source::Log(log.get_ref()));
        logs.chain(self.promql.iter().map(Source::Promql)).chain(self.metrics.iter().map(Source::Metrics)).collect()
    }

    /// The time that is judged, and whom it is about. What no play has seen cannot be told from what was before.
    fn span(&self, asked: &mut Context) -> Result<(Span, Asked)> {
        let version = asked.known_version()?;
        let of = Asked {
            app: Some(asked.app().to_owned()),
            environment: Some(asked.environment().to_owned()),
            version: Some(version.clone()),
        };
        let until = asked.until().as_millisecond();
        let since = asked.history()?.first_seen(&of, until)?.ok_or_else(|| {
            Error::author(format!("no run of {version} in {}: what is counted may be another's", asked.environment()))
                .remedy("soundcheck run, and then the gate")
        })?;
        Ok((Span::new(asked.zone(), asked.until(), self.window(), usize::from(self.days()), Some(since)), of))
    }

    /// Holds counts against the days before, and the newest of them against its age.
    fn hold(&self, line: Line, abort: Abort, counts: &Counts, told: &Told, span: &Span, asked: &Context) -> Line {
        let days: Vec<_> = counts.days.iter().map(|(_, day)| *day).collect();
        let and_notes = |what: String| told.notes.iter().fold(what, |all, note| format!("{all}; {note}"));
        let line = match spike::judge(&counts.now, &days) {
            Spike::No(compared) => {
                let what = and_notes(format!("{compared}{}", covered(told, span)));
                match unseen(told, span) {
                    Some((why, todo)) => line.lacks(format!("{why}: {what}"), todo),
                    None => line.says(Verdict::Met, what),
                }
            }
            Spike::Yes(compared) => explained(line, abort, &and_notes(compared.to_string()), span, asked),
            Spike::NotEnough(lack) => {
                let todo = match lack {
                    Lack::Days(_) | Lack::ResponsesBefore(_) => "older logs, or some days more",
                    Lack::Responses(_) | Lack::Hours(_) => "play videos through the app's media proxy, or wait",
                    Lack::OneSource(..) => "soundcheck run, once more",
                };
                let seen = format!("{lack}; {}, {} days before", counts.now, days.len());
                line.lacks(and_notes(seen), todo)
            }
        };
        let line = match told.lacks.iter().find(|own| own.abort.is_none_or(|own| own == abort)) {
            Some(lacking) if line.holds() => {
                let seen = format!("{}; {}", lacking.what, line.evidence);
                line.lacks(seen, lacking.todo)
            }
            _ => line,
        };
        let newest = told.newest.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        // Of nothing, no age is told: that nothing is there is said already.
        match (&newest, line.answer) {
            (None, Verdict::NotEnoughData) => line,
            _ => line.dated(newest, fresh(self.fresh), asked.until()),
        }
    }
}

/// How much of the window a source saw.
fn covered(told: &Told, span: &Span) -> String {
    told.covers.map_or(String::new(), |hours| format!("; covers {hours:.0} of {:.0} h", span.window_hours()))
}

/// Why a source has not seen enough of the window to say that nothing happened in it, and what to do.
fn unseen(told: &Told, span: &Span) -> Option<(&'static str, &'static str)> {
    let (hours, window) = (told.covers?, span.window_hours());
    if window < HOURS {
        return Some(("this version was first seen less than an hour ago", "wait until it has run for an hour"));
    }
    let short = hours < (window - UNSEEN).max(window / 2.0);
    short.then_some(("parts of the window were not seen", "name every rotated file, and look at metrics every hour"))
}

/// A spike, which people may explain: once it is there.
fn explained(line: Line, abort: Abort, what: &str, span: &Span, asked: &Context) -> Line {
    let name = match abort {
        Abort::TooLarge => TOO_LARGE,
        Abort::Idle => IDLE,
    };
    let explained = asked.attestations().line("P5.4", name, asked);
    let day = |at: Timestamp| at.to_zoned(asked.zone()).date();
    let began = Timestamp::from_millisecond(span.from()).unwrap_or(asked.until());
    let early = explained.at.is_some_and(|at| day(at) < day(began));
    if explained.holds() && !early {
        let line = Line { by: explained.by, expires: explained.expires, ..line.link(explained.link) };
        return line.says(Verdict::Met, format!("{what}; a spike, explained"));
    }
    let before = if early { format!(", before the window began on {}", day(began)) } else { String::new() };
    let why = explained.by.map_or(String::new(), |by| format!(" (by {by}: {}{before})", explained.evidence));
    line.says(Verdict::Breached, format!("{what}; a spike that nobody explains{why}"))
        .todo(format!("mend it, or explain it: an [[attestation]] with line = \"{name}\""))
}
