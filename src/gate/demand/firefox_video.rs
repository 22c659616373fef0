//! P5.3: Firefox plays a video, on a production-like environment. That is what the file declares to be one, and never
//! the stage: neither by its name, nor by its app file, nor at an address of the machine that plays.

use super::super::context::show_refused;
use super::super::{Context, Demand, Line};
use super::{at_most, fresh, without};
use crate::browser::Kind;
use crate::error::Result;
use crate::history::{Filter, Run};
use crate::measure::Samples;
use crate::record::Ending;
use crate::slo::Verdict;
use crate::source::{Problem, names};
use crate::unit::Time;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

const MEASURE: &str = "video init";
const STAGE: &str = "stage";
/// So far before the limit the history is looked at: for what is stale, and because a run begins before its plays do.
const LONGEST: i64 = 7 * 86_400_000;

/// The table: where a play counts, and the journey that is the smoke.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirefoxVideo {
    #[serde(default)]
    environments: Vec<Spanned<String>>,
    journey: Option<String>,
    fresh: Option<Time>,
}

impl Demand for FirefoxVideo {
    fn check(&self, app: &str, problems: &mut Vec<Problem>) {
        for environment in &self.environments {
            let name = environment.get_ref();
            if name.trim().eq_ignore_ascii_case(STAGE) {
                let help = "name where the app runs as it does for its viewers, such as \"staging\"";
                problems.push(Problem::at(environment.span(), "the stage is never production-like", help));
            } else if is_stage(app) {
                let what = format!("`{app}` is the reference app: `{name}` of it is no production-like environment");
                problems.push(Problem::at(environment.span(), what, "leave it out, or release an app of your own"));
            }
        }
    }

    fn words(&self) -> Vec<String> {
        let all: Vec<&str> = self.environments.iter().map(|e| e.get_ref().as_str()).collect();
        let plays = format!("plays of `{}` in Firefox pass", self.journey());
        vec![match all.as_slice() {
            [] => format!("{plays}: no environment is declared production-like, so it is never met"),
            all => format!("{plays} in {}, {}", all.join(" or "), at_most(self.fresh)),
        }]
    }

    fn judge(&self, asked: &mut Context) -> Vec<Line> {
        let line = Line::of("P5.3", "Firefox video init");
        if self.environments.is_empty() {
            let todo =
                "play the smoke where the app runs as for its viewers, and name that: [firefox_video] environments";
            return vec![line.lacks("no environment is declared production-like", todo)];
        }
        let seen = match self.see(asked) {
            Ok(seen) => seen,
            Err(e) => return vec![without(line, &e)],
        };
        let limit = fresh(self.fresh);
        let version = asked.version().cloned().unwrap_or_default();
        let mut what = match (seen.newest, seen.older) {
            (None, Some(_)) => vec!["it passed then".to_owned()],
            _ => seen.what(),
        };
        what.extend(show_refused(&seen.of_others, &version));
        what.extend((seen.stage > 0).then(|| format!("{} of the stage or of this machine refused", seen.stage)));
        let what = what.join("; ");
        let line = line.link(seen.link.clone()).says(seen.verdict(), &what);
        let line = match seen.verdict() {
            Verdict::Met => line,
            Verdict::Breached => line.todo("see why: soundcheck history --browser firefox"),
            _ => line.todo(format!("soundcheck run smoke --journey {} --browser firefox --base URL", self.journey())),
        };
        vec![match (seen.newest, seen.older) {
            (None, None) => Line { fresh_s: Some(limit.as_secs()), ..line },
            (None, older) => line.says(Verdict::Met, what).dated(older, limit, asked.until()),
            (newest, _) => line.dated(newest, limit, asked.until()),
        }]
    }
}

/// What the history has of it.
#[derive(Default)]
struct Seen {
    passed: usize,
    failed: usize,
    undecided: usize,
    good: u64,
    total: u64,
    newest: Option<Timestamp>,
    /// The newest pass that is too old to count.
    older: Option<Timestamp>,
    reason: Option<String>,
    link: Option<String>,
    of_others: BTreeMap<String, usize>,
    stage: usize,
}

impl Seen {
    /// One that failed is no less so for one that passed afterwards: it is of the same version.
    fn verdict(&self) -> Verdict {
        match () {
            () if self.failed > 0 || self.good < self.total => Verdict::Breached,
            () if self.passed > self.undecided && self.total > 0 => Verdict::Met,
            () => Verdict::NotEnoughData,
        }
    }

    fn what(&self) -> Vec<String> {
        let Self { passed, failed, undecided, .. } = self;
        let mut what = vec![match passed + failed {
            0 => "no play of it".to_owned(),
            all => format!("{passed} of {all} plays passed, {} of {} videos begun", self.good, self.total),
        }];
        what.extend((*undecided > 0).then(|| format!("{undecided} came to no answer")));
        what.extend(self.reason.clone());
        what
    }
}

impl FirefoxVideo {
    fn journey(&self) -> &str {
        self.journey.as_deref().unwrap_or("video")
    }

    fn see(&self, asked: &mut Context) -> Result<Seen> {
        let version = asked.known_version()?;
        let since = asked.until().as_millisecond().saturating_sub(fresh(self.fresh).as_millis() as i64);
        let filter = Filter {
            app: Some(asked.app().to_owned()),
            browser: Some(Kind::Firefox.name().to_owned()),
            profile: Some("clean".to_owned()),
            until: Some(asked.until().as_millisecond()),
            since: Some(since.saturating_sub(LONGEST)),
            ..Filter::default()
        };
        let runs = Filter { browser: None, profile: None, ..filter.clone() };
        let declared: BTreeSet<&str> = self.environments.iter().map(|e| e.get_ref().as_str()).collect();
        let history = asked.history()?;
        let (mut seen, mut own) = (Seen::default(), BTreeMap::new());
        for run in history.runs(&runs)?.into_iter().filter(|run| declared.contains(run.environment.as_str())) {
            if run.app_version != version {
                *seen.of_others.entry(run.app_version).or_default() += 1;
            } else if is_of_stage(&run) {
                seen.stage += 1;
            } else {
                own.insert(run.run_id, run.folder);
            }
        }
        history.plays(&filter, |run, play| {
            let Some(folder) = own.get(run).filter(|_| play.journey == self.journey() && !play.faulted) else {
                return Ok(());
            };
            let started = Timestamp::from_millisecond(play.started).ok();
            match play.ending {
                _ if play.started < since => {
                    seen.older = started.filter(|_| play.ending == Ending::Passed && play.counts).max(seen.older);
                    return Ok(());
                }
                Ending::Passed if play.counts => seen.passed += 1,
                Ending::Failed => {
                    seen.failed += 1;
                    seen.reason = Some(play.reason).filter(|why| !why.is_empty());
                }
                _ => {
                    seen.undecided += 1;
                    return Ok(());
                }
            }
            seen.newest = started.max(seen.newest);
            // The newest, or the newest that failed.
            if play.ending == Ending::Failed || seen.failed == 0 {
                seen.link = Some(folder.clone()).filter(|folder| !folder.is_empty());
            }
            Ok(())
        })?;
        history.samples(&[MEASURE], &filter, |sampled| {
            let counts = sampled.started >= since && own.contains_key(&sampled.run_id);
            if counts && sampled.has("journey") == Some(self.journey()) {
                for (_, samples) in sampled.samples {
                    let Samples::Trials { good, total } = samples else { continue };
                    seen.good += good;
                    seen.total += total;
                }
            }
            Ok(())
        })?;
        Ok(seen)
    }
}

/// The apps that ship are all the stage.
fn is_stage(app: &str) -> bool {
    app == STAGE || names("journeys/apps").iter().any(|name| name == app)
}

fn is_of_stage(run: &Run) -> bool {
    let base = url::Url::parse(&run.base).ok();
    // An address that names no host may be anywhere, this machine too.
    let own = base.as_ref().and_then(url::Url::host).is_none_or(|host| match host {
        url::Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        url::Host::Ipv4(ip) => ip.is_loopback() || ip.is_unspecified(),
        url::Host::Ipv6(ip) => {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        }
    });
    is_stage(&run.app) || run.environment == STAGE || own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_known_by_its_name_its_file_and_its_address() {
        let run = |app: &str, environment: &str, base: &str| Run {
            app: app.to_owned(),
            environment: environment.to_owned(),
            base: base.to_owned(),
            ..Run::default()
        };
        for (app, environment, base) in [
            ("stage", "production", "https://app.example"),
            ("stage-proxied", "production", "https://app.example"),
            ("player", "stage", "https://app.example"),
            ("player", "production", "http://127.0.0.1:4700"),
            ("player", "production", "http://localhost:4700"),
            ("player", "production", "http://[::1]:4700"),
            ("player", "production", "http://[::ffff:127.0.0.1]:4700"),
            ("player", "production", "http://localhost.:4700"),
            ("player", "production", "localhost:4700"),
            ("player", "production", ""),
        ] {
            assert!(is_of_stage(&run(app, environment, base)), "{app} {environment} {base}");
        }
        assert!(!is_of_stage(&run("player", "staging", "https://staging.app.example")));
        assert!(!is_of_stage(&run("player", "staging", "http://10.0.0.7:8080")));
    }
}
