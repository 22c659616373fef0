//! Every play ends: none runs more than 5 s past its budget, whatever the page, the server or the network holds it up with.
//! A sixth of the cases, in turns in the browsers; `SOUNDCHECK_BUDGET=all` (`ci/verify budget`) plays each in both.

mod common;

use common::{BROWSERS, Play, ending};
use serde_json::Value;

/// The budget of a play that is held up for good, seconds: shorter than the time its step has by itself.
const SHORT: f64 = 8.0;
/// The same, where some steps come first.
const SOME: f64 = 16.0;
/// The budget of a play that is to come to its end, on a machine that is busy.
const LONG: f64 = 40.0;
/// How much later a play may end, seconds: the browser is ended, and what was lost is looked into.
const PAST: f64 = 5.0;

/// What holds the play up, its budget in seconds, how it ends, and words of its reason.
struct Held {
    name: &'static str,
    by: By,
    budget: f64,
    ends: &'static str,
    words: &'static str,
}

enum By {
    /// A defect of the stage.
    Stage(&'static str),
    /// The head of what has this path never comes.
    Silence(&'static str),
    /// This script, as a word of the journey.
    Script(&'static str),
}

const fn held(name: &'static str, by: By, budget: f64, ends: &'static str, words: &'static str) -> Held {
    Held { name, by, budget, ends, words }
}

const CASES: &[Held] = &[
    held("alerts without end", By::Stage("dialog-loop"), SOME, "failed", "Are you still there?"),
    held("dialogs while it loads", By::Stage("dialog-load"), LONG, "passed", ""),
    held("a script that never ends", By::Stage("busy-loop"), SOME, "failed", "next preset 3"),
    held("a question at every switch", By::Stage("dialog-step"), LONG, "passed", ""),
    held("a page that never answers", By::Stage("page-silent"), SHORT, "failed", "open the player"),
    held("a question at leaving", By::Stage("dialog-leave"), LONG, "passed", ""),
    held("a page that leads to itself", By::Stage("page-redirects"), SHORT, "failed", "open the player"),
    held("a page behind a password", By::Stage("page-auth"), SHORT, "failed", "401"),
    held("a first script that never comes", By::Stage("script-silent"), SHORT, "failed", "open the player"),
    held("a fetch behind a password", By::Stage("fetch-auth"), LONG, "passed", ""),
    held("a page that never ends", By::Stage("page-endless"), SHORT, "failed", "open the player"),
    held("a download that never ends", By::Stage("page-download"), SHORT, "failed", "open the player"),
    held("a black hole at the page", By::Silence("/player"), SHORT, "failed", "open the player"),
    held("a black hole at a script", By::Silence("/assets/*"), SHORT, "failed", "open the player"),
    held("a black hole at the clip", By::Silence("/media/*"), SOME, "failed", "start the video"),
    held("a black hole at a socket", By::Script(SOCKET), SOME, "failed", "wait here"),
    held("a promise that is never kept", By::Script("new Promise(() => {})"), SOME, "failed", "wait here"),
];

const SOCKET: &str =
    "new Promise((r) => { const s = new WebSocket(`ws://${location.host}/black`); s.onopen = s.onclose = r })";

const OPEN: &str = "[[step]]\ndo = \"open the player\"\nexpect = \"the page\"\n";

impl Held {
    fn play(&self) -> Play {
        let mut play = match self.by {
            By::Stage(defect) => Play::on_stage(&[defect]),
            By::Silence(_) | By::Script(_) => Play::on_stage(&[]),
        };
        match self.by {
            By::Stage("dialog-leave") => play.journey.push_str(OPEN),
            By::Stage(_) => {}
            By::Silence(path) => {
                if path.starts_with("/media") {
                    play = play.journey("video");
                }
                silence(&mut play, path);
            }
            By::Script(script) => {
                play.app =
                    play.app.replace("[word]\n", &format!("[word]\n\"wait here\" = [{{ script = {script:?} }}]\n"));
                play.journey = format!("question = \"?\"\n{OPEN}[[step]]\ndo = \"wait here\"\n");
                silence(&mut play, "/black");
            }
        }
        play.journey = format!("budget = \"{}s\"\n{}", self.budget, play.journey);
        play.args = vec!["--retries".to_owned(), "0".to_owned()];
        play
    }
}

fn silence(play: &mut Play, path: &str) {
    let profile = format!(
        "question = \"What if nothing comes?\"\nsource = \"this test\"\n[[fault]]\ndo = \"ttfb\"\ntime = \"90s\"\n\
         match = {{ path = \"{path}\" }}\n[[expect]]\noutcome = \"plays\"\n"
    );
    std::fs::write(play.dir.path().join("silence.toml"), profile).expect("written");
    play.extra = "profiles = [\"silence.toml\"]\n".to_owned();
}

/// What is wrong with how a play ended, and how long it took.
fn played(case: &Held, browser: &str) -> (Option<String>, String) {
    let play = case.play();
    let (verdict, done) = play.run(browser);
    let (ends, reason) = ending(&verdict);
    let events = play.events();
    let find = |name: &str| events.iter().find(|e| e["event"] == name).unwrap_or(&Value::Null);
    let end = find("journey_end");
    let seconds = |v: &Value| v.as_f64().unwrap_or(f64::INFINITY) / 1000.0;
    let (took, budget) = (seconds(&end["ms"]), seconds(&find("journey_start")["budget_ms"]));
    let row = format!("{browser:8}  {:32} {took:5.1} s  {ends}: {reason}", case.name);
    let wrong = if budget != case.budget {
        Some(format!("its budget is {budget} s"))
    } else if took > budget + PAST {
        Some("it ran past its budget".to_owned())
    } else if ends != case.ends || !reason.contains(case.words) {
        Some(format!("wanted {} with `{}`, exit {:?}", case.ends, case.words, done.status.code()))
    } else {
        None
    };
    (wrong.map(|why| format!("{row}\n    {why}")), row)
}

#[test]
fn no_play_runs_past_its_budget() {
    let all = std::env::var("SOUNDCHECK_BUDGET").is_ok_and(|which| which == "all");
    let mut wrong = Vec::new();
    for (place, browser) in BROWSERS.into_iter().enumerate() {
        for (_, case) in CASES.iter().enumerate().filter(|(n, _)| all || n % 12 == 6 * place) {
            let (why, row) = played(case, browser);
            println!("{row}");
            wrong.extend(why);
        }
    }
    assert!(wrong.is_empty(), "past the budget, or not for what it is:\n{}", wrong.join("\n"));
}
