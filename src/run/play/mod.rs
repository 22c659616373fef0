//! One play: a browser of its own, one journey, always torn down. A failing journey is data; only *broken* is the
//! environment's.

mod expect;
mod media;
mod playback;
mod step;

use super::host;
use super::net::{Net, Tallied};
use super::open::open;
use super::watch::{Watch, round};
use super::{Shared, Turn};
use crate::app::App;
use crate::browser::driver::Driver;
use crate::browser::leash::{self, Leash, Life};
use crate::browser::session::Session;
use crate::error::{Error, Result};
use crate::event::{Ids, Origin, random_hex};
use crate::profile::Facts;
use crate::record::Ending;
use crate::step::Failed;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

const SHORT: Duration = Duration::from_secs(5);

/// How a play came out.
pub(super) struct Ended {
    pub ending: Ending,
    pub reason: Option<String>,
    pub ms: f64,
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
        session_id: Some(random_hex::<8>()),
        browser: Some(turn.kind.name().to_owned()),
        journey: Some(turn.journey.name.clone()),
        ..Ids::default()
    };
    let start = shared.log.now_ms();
    let record = media::Since::now(shared);
    let faulted = !turn.profile.rules.is_empty();
    let fields = json!({
        "profile": turn.profile.name, "faulted": faulted, "number": turn.number, "attempt": turn.attempt,
    });
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
    let (ending, reason) = match &came.faults {
        Some(faults) => {
            let slowest = came.slowest.map(|ms| Duration::from_secs_f64(ms / 1000.0));
            let class = classed.as_ref().map(|c| c.class);
            let facts = Facts { held: ending == Ending::Passed, reason: reason.as_deref(), class, slowest };
            shared.log.write("fault_tally", Origin::Monitor, shared.log.now_ms(), &ids, faults.fields());
            faults.judge(turn, ending, &facts)
        }
        None => (ending, reason),
    };
    // An answer that broke a rule did so on a busy machine too.
    let unproved = classed.as_ref().is_none_or(|c| !c.class.is_proved());
    let (ending, reason) = match came.late.filter(|_| ending == Ending::Failed && unproved) {
        Some(busy) => (Ending::Undecided, Some(host::say(&busy, reason.as_deref().unwrap_or_default()))),
        None => (ending, reason),
    };
    let (ending, reason) = match came.undecided {
        Some(why) if ending == Ending::Passed => (Ending::Undecided, Some(why)),
        _ => (ending, reason),
    };
    let now = shared.log.now_ms();
    // The session's length is exposure of the app: it begins when the browser is up.
    let ms = up.map_or(0.0, |up| now - up);
    let mut fields =
        json!({ "ending": ending, "reason": reason, "ms": round(ms), "start_up_ms": up.map(|up| round(up - start)) });
    if let Some(classed) = classed {
        (fields["class"], fields["evidence"]) = (json!(classed.class), json!(classed.evidence));
    }
    shared.log.write("journey_end", Origin::Monitor, now, &ids, fields);
    Ended { ending, reason, ms }
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
    let (driver, session, watch) = open(shared, turn, leash, ids, net.as_ref()).await?;
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
        driver: driver.as_ref().map(|d| d.pid),
        switches: 0,
        opened: false,
        shots: 0,
        pictures: JoinSet::new(),
        slowest: None,
        armed,
        undecided: None,
        late: None,
        held: None,
    };
    let mut done = stage.steps().await;
    if let Err(Stop::Gone(why)) = &done {
        done = Err(stage.gone(why, driver.as_ref()).await);
    }
    stage.watch.catch_up();
    stage.watch.end_playback();
    came.slowest = stage.slowest;
    came.undecided = stage.undecided.take();
    came.late = stage.late.take();
    came.held = stage.held.take();
    came.faults = net.as_ref().filter(|_| !turn.profile.rules.is_empty()).map(|net| net.tally(shared, turn.profile));
    done = done.and(stage.finish_pictures().await);
    match shared.settings.webdriver.is_some() {
        true => session.close_remote(SHORT).await?,
        false => session.close(),
    }
    done
}

/// What a play came to, besides how it ended.
#[derive(Default)]
struct Came {
    faults: Option<Tallied>,
    /// The longest time an expectation took, milliseconds.
    slowest: Option<f64>,
    /// Why an expectation had nothing to judge.
    undecided: Option<String>,
    /// See [`OnStage::late`].
    late: Option<Value>,
    /// See [`OnStage::held`].
    held: Option<(f64, Ids, Value)>,
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
    switches: u32,
    /// A page of the app is open: ids can be read, pictures taken.
    opened: bool,
    shots: u32,
    /// Screenshots being written.
    pictures: JoinSet<Result<(), String>>,
    slowest: Option<f64>,
    /// When the profile's faults were armed.
    armed: f64,
    undecided: Option<String>,
    /// What kept the machine busy while what the play failed for did not come.
    late: Option<Value>,
    /// A `video_init_error` that waits for its class: when, whose, its fields.
    held: Option<(f64, Ids, Value)>,
}

impl OnStage<'_> {
    /// The browser or its tab is gone: the app's crash, unless the driver went first or was taken from outside.
    async fn gone(&self, why: &str, driver: Option<&Driver>) -> Stop {
        if let Some(driver) = driver
            && let Ok(Life::Ended(how)) = self.leash.alive(driver.pid).await
        {
            return Stop::Broken(format!("the driver ended ({how}): {}", leash::tail(&driver.log, 3)));
        }
        let t = self.shared.log.now_ms();
        self.watch.write("browser_crash", Origin::Monitor, t, json!({ "reason": why }));
        Stop::Failed(format!("the browser or its tab crashed: {why}"))
    }
}
