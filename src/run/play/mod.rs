//! One play: a browser of its own, one journey, always torn down. A failing journey is data; only *broken* is the
//! environment's.

mod expect;
mod loss;
mod media;
mod playback;
mod present;
mod screen;
mod step;

use super::host;
use super::net::{Net, Tallied};
use super::open::open;
use super::watch::Watch;
use super::{Shared, Turn};
use crate::app::App;
use crate::browser::driver::Driver;
use crate::browser::exits::Exits;
use crate::browser::leash::Leash;
use crate::browser::session::{OPEN_REMOTE, Session};
use crate::error::{Error, Result};
use crate::event::{Ids, Origin, random_hex};
use crate::profile::{Facts, Outcome};
use crate::record::Ending;
use crate::step::Failed;
use crate::unit::{hundredths, ms, show_ms};
use expect::Loaded;
use loss::{Lost, OomKills};
use present::Present;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_secs(5);
/// A browser that is not up after this long will not come: driver, session, probe, proof of the proxy, and the session's
/// cookies. The journey's own budget begins when it is up.
const START_UP: Duration = Duration::from_secs(90);

/// How a play came out.
pub(super) struct Ended {
    pub ending: Ending,
    pub reason: Option<String>,
    pub ms: f64,
    /// The step in which the page, the browser or a WebGL context was lost.
    pub lost: Option<String>,
}

/// Why a play stopped before its last step.
enum Stop {
    Failed(String),
    Gone(String),
    Broken(String),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Stop::Broken(e.to_string())
    }
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::App(why) => Stop::Failed(why),
            Failed::Gone(why) => Stop::Gone(why),
            Failed::Broken(why) => Stop::Broken(why),
        }
    }
}

pub(super) async fn play(shared: &Shared<'_>, turn: &Turn<'_>) -> Ended {
    let ids = Ids {
        trace_id: Some(random_hex::<16>()),
        span_id: Some(random_hex::<8>()),
        session_id: Some(random_hex::<8>()),
        browser: Some(turn.kind.name().to_owned()),
        journey: Some(turn.journey.name.clone()),
        ..Ids::default()
    };
    // What the browser asks for while it starts is this play's too.
    shared.now.set(&ids);
    let start = shared.log.now_ms();
    let record = media::Since::now(shared);
    let faulted = !turn.profile.rules.is_empty();
    let mut fields = json!({
        "profile": turn.profile.name, "faulted": faulted, "number": turn.number, "attempt": turn.attempt,
        "budget_ms": ms(turn.journey.budget()),
    });
    if turn.diagnoses {
        fields["diagnoses"] = json!(true);
    }
    if let Some(entry) = shared.borne(turn) {
        fields["quarantine"] = json!(entry);
    }
    shared.log.write("journey_start", Origin::Monitor, start, &ids, fields);
    let mut up = None;
    let mut came = Came::default();
    let label = turn.kind.name();
    let done = match Leash::start(&shared.settings.exe, label).await {
        Ok(leash) => {
            let done = with_leash(shared, turn, &leash, ids.clone(), &mut up, &mut came).await;
            // All of it dies here, at once: a browser that hangs cannot hold up the next play.
            let ended = leash.end().await;
            done.and(ended.map_err(Stop::from))
        }
        Err(e) => Err(e.into()),
    };
    let (ending, reason) = match done {
        Ok(()) => (Ending::Passed, None),
        Err(Stop::Failed(why) | Stop::Gone(why)) => (Ending::Failed, Some(why)),
        Err(Stop::Broken(why)) => (Ending::Broken, Some(why)),
    };
    // Its proxy is gone, and every request told.
    let failed = ending == Ending::Failed;
    let classed = record.tell(shared, &ids, failed, came.held.take()).await;
    if let Some(faults) = &came.faults {
        shared.log.write("fault_tally", Origin::Monitor, shared.log.now_ms(), &ids, faults.fields());
    }
    let (ending, reason) = match &came.faults {
        // A crash is what no profile asks for.
        Some(faults) if !came.crashed => {
            let slowest = came.slowest.map(|ms| Duration::from_secs_f64(ms / 1000.0));
            let class = classed.as_ref().map(|c| c.class);
            let facts = Facts { held: ending == Ending::Passed, reason: reason.as_deref(), class, slowest };
            faults.judge(turn, ending, &facts)
        }
        _ => (ending, reason),
    };
    let expected = turn.profile.expected(&turn.journey.name, turn.kind);
    let wanted = expected.map(|expect| expect.outcome);
    let proved = classed.as_ref().is_some_and(|c| c.class.is_proved());
    let within = expected.and_then(|expect| expect.within);
    let slow = came.slow.and_then(|(ms, busy)| Some((ms, within.filter(|within| self::ms(*within) < ms)?, busy)));
    let too_long = slow.as_ref().map(|(took, within, _)| {
        let (within, took) = (show_ms(self::ms(*within)), show_ms(*took));
        format!("it must play within {within} under this profile, and took {took}")
    });
    let excused = excuse(failed, ending, wanted, came.late.filter(|_| !proved), slow.map(|(.., busy)| busy));
    let (ending, reason) = match &excused {
        Some(busy) => (Ending::Undecided, Some(host::say(busy, &reason.or(too_long).unwrap_or_default()))),
        None => (ending, reason),
    };
    let (ending, reason) = match came.undecided {
        Some(why) if ending == Ending::Passed => (Ending::Undecided, Some(why)),
        _ => (ending, reason),
    };
    let now = shared.log.now_ms();
    // The session's length is exposure of the app: it begins when the browser is up.
    let took = up.map_or(0.0, |up| now - up);
    let mut fields = json!({ "ending": ending, "reason": reason, "ms": hundredths(took), "start_up_ms": up.map(|up| hundredths(up - start)) });
    if let Some(busy) = excused {
        fields["busy"] = busy;
    }
    if let Some(classed) = classed {
        (fields["class"], fields["evidence"]) = (json!(classed.class), json!(classed.evidence));
    }
    shared.log.write("journey_end", Origin::Monitor, now, &ids, fields);
    Ended { ending, reason, ms: took, lost: came.lost.take() }
}

/// What kept the machine busy, where a play may have ended so for no other reason. `failed` is how it went, `ending` how that
/// was judged by what a profile wants; `late`: what it failed for did not come, `slow`: its slowest step took so long.
fn excuse(
    failed: bool,
    ending: Ending,
    wanted: Option<Outcome>,
    late: Option<Value>,
    slow: Option<Value>,
) -> Option<Value> {
    match (failed, ending, wanted) {
        // It would be taken for a failure of the app's, or for the one that must be.
        (true, Ending::Failed, _) | (true, Ending::Passed, Some(Outcome::Fails)) => late,
        // All that was timed else was quick enough.
        (false, Ending::Passed, Some(Outcome::Plays)) => slow,
        _ => None,
    }
}

async fn with_leash(
    shared: &Shared<'_>,
    turn: &Turn<'_>,
    leash: &Leash,
    ids: Ids,
    up: &mut Option<f64>,
    came: &mut Came,
) -> Result<(), Stop> {
    let net = match shared.settings.webdriver {
        None => Some(Net::start(shared).await?),
        // A browser on another machine cannot reach a listener of this one's loopback.
        Some(_) => None,
    };
    let oom_before = OomKills::now();
    // On a Grid it may stand in a queue first; one that was asked for and comes later would have nobody to end it.
    let within = START_UP + shared.settings.webdriver.as_ref().map_or(Duration::ZERO, |_| OPEN_REMOTE);
    let opened = timeout(within, open(shared, turn, leash, ids, net.as_ref())).await;
    let (driver, session, watch) =
        opened.map_err(|_| Stop::Broken(format!("the browser was not up in {within:?}")))??;
    let driver_pid = driver.as_ref().map(|d| d.pid);
    let named = [(driver_pid, "driver"), (session.facts().browser_pid, "browser")];
    let named: HashMap<u32, &str> = named.into_iter().filter_map(|(pid, name)| Some((pid?, name))).collect();
    *up = Some(shared.log.now_ms());
    if let Some(net) = &net {
        net.arm(shared, turn);
    }
    let armed = shared.log.now_ms();
    let mut stage = OnStage {
        shared,
        app: &shared.plan.app,
        turn,
        session: &session,
        watch,
        leash,
        driver: driver_pid,
        exits: Exits::watch(leash.reaper_pid(), named),
        oom_before,
        switches: 0,
        opened: false,
        shots: 0,
        pictures: JoinSet::new(),
        slowest: None,
        slow: None,
        leaves: None,
        crashed: false,
        armed,
        undecided: None,
        late: None,
        held: None,
        lost: None,
        present: None,
    };
    let done = match timeout(turn.journey.budget(), stage.steps()).await {
        Ok(done) => done,
        Err(_) => Err(stage.overran(turn.journey.budget())),
    };
    let mut done = stage.whose(done, driver.as_ref()).await;
    stage.watch.catch_up();
    stage.watch.end();
    (came.slowest, came.slow) = (stage.slowest, stage.slow.take());
    came.crashed = stage.crashed;
    came.lost = stage.lost.take();
    came.undecided = stage.undecided.take();
    came.late = stage.late.take();
    came.held = stage.held.take();
    came.faults = net.as_ref().filter(|_| !turn.profile.rules.is_empty()).map(|net| net.tally(shared, turn.profile));
    done = done.and(stage.finish_pictures().await);
    match shared.settings.webdriver.is_some() {
        // How the play came out is known, however its session ends.
        true => done.and(session.close_remote(SHORT).await.map_err(Stop::from)),
        false => {
            session.close();
            done
        }
    }
}

/// What a play came to, besides how it ended.
#[derive(Default)]
struct Came {
    faults: Option<Tallied>,
    /// The longest time an expectation took, milliseconds.
    slowest: Option<f64>,
    /// See [`OnStage::slow`].
    slow: Option<(f64, Value)>,
    /// See [`OnStage::crashed`].
    crashed: bool,
    /// Why an expectation had nothing to judge.
    undecided: Option<String>,
    /// See [`OnStage::late`].
    late: Option<Value>,
    /// See [`OnStage::held`].
    held: Option<(f64, Ids, Value)>,
    /// See [`Ended::lost`].
    lost: Option<String>,
}

/// A play with its browser up.
struct OnStage<'a> {
    shared: &'a Shared<'a>,
    app: &'a App,
    turn: &'a Turn<'a>,
    session: &'a Session,
    watch: Watch,
    leash: &'a Leash,
    driver: Option<u32>,
    /// How the browser's processes end.
    exits: Exits,
    /// What the kernel had killed for want of memory before the play.
    oom_before: OomKills,
    /// See [`Ended::lost`].
    lost: Option<String>,
    /// The step that began last.
    present: Option<Present<'a>>,
    switches: u32,
    /// A page of the app is open: ids can be read, pictures taken.
    opened: bool,
    shots: u32,
    /// Screenshots being written.
    pictures: JoinSet<Result<(), String>>,
    /// The longest time an expectation took, milliseconds; and the longest while others kept the machine busy, with their load.
    slowest: Option<f64>,
    slow: Option<(f64, Value)>,
    /// The document that the present step's click may lead away from.
    leaves: Option<Loaded>,
    /// The browser or its tab crashed, and nothing outside the app explains it.
    crashed: bool,
    /// When the profile's faults were armed.
    armed: f64,
    undecided: Option<String>,
    /// What kept the machine busy while what the play failed for did not come.
    late: Option<Value>,
    /// A `video_init_error` that waits for its class: when, whose, its fields.
    held: Option<(f64, Ids, Value)>,
}

impl OnStage<'_> {
    /// The budget is over.
    fn overran(&mut self, budget: Duration) -> Stop {
        self.watch.catch_up();
        let why = self.cut_short(budget);
        Stop::Failed(format!("{}: {why}", self.watch.ids.step.as_deref().unwrap_or("before the first step")))
    }

    /// Whose fault it is that a play did not go well: the app's, unless a cause outside it is recorded.
    async fn whose(&mut self, done: Result<(), Stop>, driver: Option<&Driver>) -> Result<(), Stop> {
        self.watch.catch_up();
        let context = self.watch.contexts_lost > 0;
        let (lost, why) = match &done {
            Err(Stop::Gone(why)) => (Lost::Page, why.clone()),
            Err(Stop::Failed(why) | Stop::Broken(why)) if self.watch.gone.is_some() => (Lost::Page, why.clone()),
            _ if context => (Lost::Context, "a WebGL context was lost".to_owned()),
            Err(Stop::Failed(why)) => (Lost::Answers, why.clone()),
            _ => return done,
        };
        if lost == Lost::Page {
            let t = self.shared.log.now_ms();
            self.watch.write("browser_crash", Origin::Monitor, t, json!({ "reason": why }));
        }
        match self.outside(lost, &why, driver).await {
            Some(cause) => Err(Stop::Broken(format!("{cause}; so {why}"))),
            None => {
                self.crashed = lost == Lost::Page;
                match done {
                    Err(Stop::Gone(why)) => Err(Stop::Failed(format!("the browser or its tab crashed: {why}"))),
                    done => done,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_processors_excuse_what_comes_late_and_nothing_else() {
        let (late, slow) = (Some(json!("late")), Some(json!("slow")));
        let of = |failed, ending, wanted| excuse(failed, ending, wanted, late.clone(), slow.clone());
        for wanted in [None, Some(Outcome::Plays), Some(Outcome::Fails)] {
            assert_eq!(of(true, Ending::Failed, wanted), late);
        }
        assert_eq!(
            of(true, Ending::Passed, Some(Outcome::Fails)),
            late,
            "it may not be the planned fault that made it fail"
        );
        assert_eq!(of(true, Ending::Passed, Some(Outcome::Either)), None);
        assert_eq!(of(false, Ending::Passed, Some(Outcome::Plays)), slow, "too slow for its profile");
        assert_eq!(
            of(false, Ending::Failed, Some(Outcome::Plays)),
            None,
            "and so was another step, on a quiet machine"
        );
        assert_eq!(of(false, Ending::Failed, Some(Outcome::Fails)), None, "it should have failed, and played");
        assert_eq!((of(false, Ending::Passed, None), of(true, Ending::Broken, None)), (None, None));
        assert_eq!(excuse(true, Ending::Failed, None, None, slow), None, "it failed, and not by coming late");
    }
}
