//! Floor 3. A journey: what the viewer does, in the app-independent words of [`WORDS`].

use crate::error::Result;
use crate::measure::Fed;
use crate::oracle::EXPECTATIONS;
use crate::source::{Problem, Source, names};
use crate::table::{Row, did_you_mean, find};
use crate::unit::{Time, ms, show_ms};
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// A word a journey may say; an app file says what it means in that app.
pub struct Word {
    name: &'static str,
    about: &'static str,
}

impl Row for Word {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

const fn word(name: &'static str, about: &'static str) -> Word {
    Word { name, about }
}

/// The words of the shipped journeys. An app file may map further ones of its own.
pub const WORDS: &[Word] = &[
    word("log in", "sign in as the viewer"),
    word("open the player", "load the page with the visualizer"),
    word("start the audio", "the user gesture that lets sound in and shows the audio-reactive preset"),
    word("next preset", "switch to the next preset"),
    word("start the video", "show a video texture in the visualizer"),
    word("open the video page", "load the page with a plain video"),
    word("play the video", "start the plain video"),
    word("log in wrongly", "try to sign in with a wrong password"),
    word("log in as a guest", "join a room under a name, without an account"),
    word("open the room", "load the page with a room's queue"),
    word("search the library", "look for something by its name"),
    word("add to the queue", "put something of the library into the queue"),
    word("add many at once", "put something into the queue more often at once than the app allows"),
    word("move the second entry up", "have the queue's second entry played first"),
    word("remove from the queue", "take an entry of one's own out of the queue"),
    word("remove what is another's", "try to take somebody else's entry out of the queue"),
    word("see the refusal", "wait until the page says that something was refused"),
    word("lose the connection", "have the room's socket break off"),
    word("refresh the login", "stay signed in for longer"),
    word("break the preset", "make the preset that is shown throw"),
    word("start a video that is not there", "show a video texture of a clip that there is none of"),
    word("jump ahead", "send the plain video to a place some seconds further on"),
    word("ask past the end", "ask for a part of a clip that lies behind its end"),
];

/// A journey, checked.
#[derive(Clone, Debug)]
pub struct Journey {
    /// The file's stem: how plans, events and reports call it.
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// What the viewer does, in order.
    pub steps: Vec<Step>,
    /// How long a play may take from the browser's being up, where the file says so.
    budget: Option<Duration>,
}

/// How long the actions of a word may take together: each one by itself at most as long.
pub const ACTIONS: Duration = Duration::from_secs(30);

/// One step of a journey.
#[derive(Clone, Debug)]
pub struct Step {
    /// The word to do.
    pub word: String,
    /// Where the file says so, for problems found later (a word the app does not map).
    pub span: Range<usize>,
    /// How many times.
    pub times: u32,
    /// Name of a row in [`EXPECTATIONS`]: what must come of it.
    pub expect: Option<&'static str>,
    /// Where the file says that, for problems found later (an app that cannot show it).
    pub expect_span: Range<usize>,
    /// The time the expectation should take; slower is a slow success, and counts in the percentile.
    pub within: Option<Duration>,
    /// After this long it has failed, what it does included; `None`: the expectation's own, and [`ACTIONS`].
    pub give_up: Option<Duration>,
    /// Watch for this long after it.
    pub stay: Option<Duration>,
}

impl Step {
    /// What events and faults call it the nth time that it is done, from 1.
    pub fn name(&self, nth: u32) -> String {
        if self.times > 1 { format!("{} {nth}", self.word) } else { self.word.clone() }
    }

    /// When its expectation has failed, unless the file says it.
    fn own_give_up(&self) -> Option<Duration> {
        self.expect.and_then(|name| EXPECTATIONS.iter().find(|e| e.name() == name)).map(|e| e.give_up)
    }

    /// How long it may take once where all goes well.
    fn needs(&self) -> Duration {
        self.within.unwrap_or_default() + self.stay.unwrap_or_default()
    }

    fn budget(&self) -> Duration {
        let fails = self.give_up.or(self.own_give_up()).unwrap_or_default().max(ACTIONS);
        (fails + self.stay.unwrap_or_default()) * self.times
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    budget: Option<Spanned<Time>>,
    step: Vec<StepFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    #[serde(rename = "do")]
    word: Spanned<String>,
    times: Option<Spanned<i64>>,
    expect: Option<Spanned<String>>,
    within: Option<Spanned<Time>>,
    give_up: Option<Spanned<Time>>,
    stay: Option<Time>,
}

/// A journey that switches more often than this in one step is a mistake, or a soak plan's `repeat`.
const MOST_TIMES: i64 = 100_000;

impl Journey {
    /// Reads and checks a journey file.
    pub fn read(source: &Source) -> Result<Self> {
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        if file.step.is_empty() {
            problems.push(Problem::whole("a journey without steps", "add a [[step]] with `do = \"open the player\"`"));
        }
        let steps: Vec<Step> = file.step.into_iter().map(|s| s.check(&mut problems)).collect();
        if let Some(budget) = &file.budget {
            let needs: Duration = steps.iter().map(|step| step.needs() * step.times).sum();
            if budget.get_ref().0 < needs {
                let what = format!("its steps may take {} even where all goes well", show_ms(ms(needs)));
                let help = "write a longer `budget`: that sum is of every `within` and every `stay`, as often as they are done";
                problems.push(Problem::at(budget.span(), what, help));
            }
        }
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        let name = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, question: file.question, steps, budget: file.budget.map(|t| t.into_inner().0) })
    }

    /// Those that ship.
    pub fn shipped() -> Vec<Self> {
        let read = |name: &String| Self::read(&Source::open(Path::new(name), "journeys").ok()?).ok();
        names("journeys").iter().filter_map(read).collect()
    }

    /// Whether it does what feeds a measure. What the app must declare for that is another matter.
    pub fn feeds(&self, fed: Fed) -> bool {
        let says = |words: &[&str]| self.steps.iter().any(|step| words.contains(&step.word.as_str()));
        match fed {
            Fed::Always | Fed::ByDeclaring([], _) => true,
            Fed::ByDeclaring(words, _) => says(words),
            Fed::ByExpectingOrSaying(expected, words) => {
                says(words) || self.steps.iter().any(|step| step.expect == Some(expected))
            }
            Fed::ByExpecting(expected, times) => {
                let steps = self.steps.iter().filter(|step| step.expect.is_some_and(|e| expected.contains(&e)));
                steps.map(|step| step.times).sum::<u32>() >= times
            }
        }
    }

    /// How long a play of it may take, from the browser's being up: a play that still goes on then is ended, and its step has
    /// failed. Unless the file says it: every step's time to fail and to stay, as often as it is done.
    pub fn budget(&self) -> Duration {
        self.budget.unwrap_or_else(|| self.steps.iter().map(Step::budget).sum())
    }

    /// What it does, and how long it may take, a line each.
    pub fn words(&self) -> Vec<String> {
        let step = |step: &Step| {
            let times = if step.times > 1 { format!(" {} times", step.times) } else { String::new() };
            let expect = step.expect.map_or(String::new(), |expect| format!(" ({expect})"));
            format!("{}{times}{expect}", step.word)
        };
        let steps: Vec<String> = self.steps.iter().map(step).collect();
        vec![steps.join(", "), format!("ended after {}, if it still goes on then", show_ms(ms(self.budget())))]
    }

    /// Words that no shipped journey says: a slip of the pen, or one that an app file maps by itself.
    pub fn unknown_words(&self) -> Vec<Problem> {
        let unknown = self.steps.iter().filter(|step| find(WORDS, &step.word).is_none());
        unknown
            .map(|step| {
                let near = did_you_mean(&step.word, WORDS.iter().map(Row::name));
                let stop = if near.ends_with('?') { "" } else { "." };
                let help = format!("{near}{stop} Or add \"{}\" = [...] under [word] of the app file", step.word);
                Problem::at(step.span.clone(), format!("`{}` is a word of no shipped journey", step.word), help)
            })
            .collect()
    }

    /// From here on no step takes longer than this to fail.
    pub fn give_up_after(&mut self, most: Duration) {
        for step in &mut self.steps {
            step.give_up = Some(step.give_up.or(step.own_give_up()).map_or(most, |own| own.min(most)));
        }
    }

    /// From here on nothing is watched for longer than this after a step.
    pub fn stay_at_most(&mut self, most: Duration) {
        for stay in self.steps.iter_mut().filter_map(|step| step.stay.as_mut()) {
            *stay = most.min(*stay);
        }
    }
}

impl StepFile {
    fn check(self, problems: &mut Vec<Problem>) -> Step {
        let times = self.times.map_or(1, |times| {
            let n = *times.get_ref();
            if !(1..=MOST_TIMES).contains(&n) {
                let what = format!("`times = {n}` is out of bounds");
                problems.push(Problem::at(times.span(), what, format!("write 1 to {MOST_TIMES}")));
            }
            n.clamp(1, MOST_TIMES) as u32
        });
        let expect_span = self.expect.as_ref().map_or(self.word.span(), Spanned::span);
        let unknown = self.expect.as_ref().is_some_and(|e| find(EXPECTATIONS, e.get_ref()).is_none());
        let expect = self.expect.and_then(|e| {
            let row = find(EXPECTATIONS, e.get_ref());
            if row.is_none() {
                let help = did_you_mean(e.get_ref(), EXPECTATIONS.iter().map(Row::name));
                problems.push(Problem::at(e.span(), format!("unknown expectation `{}`", e.get_ref()), help));
            }
            row
        });
        if let (None, Some(within)) = (&expect, &self.within)
            && !unknown
        {
            let help = "add `expect = \"new picture\"`, or remove it; to watch for a while, write `stay`";
            problems.push(Problem::at(within.span(), "`within` without `expect`: nothing is timed", help));
        }
        let span = self.within.as_ref().map(Spanned::span);
        let within = self.within.map(|t| t.into_inner().0);
        if let (Some(row), Some(span), Some(within), None) = (expect, span, within, &self.give_up)
            && within > row.give_up
        {
            let what = format!("`{}` has failed after {:?} already", row.name(), row.give_up);
            problems.push(Problem::at(span, what, "write a shorter `within`, or a longer `give_up` beside it"));
        }
        let give_up = self.give_up.map(|t| {
            if within.is_some_and(|w| w > t.get_ref().0) {
                let help = "give_up is when it has failed: at least as long as within";
                problems.push(Problem::at(t.span(), "give_up is shorter than within", help));
            }
            t.into_inner().0
        });
        Step {
            span: self.word.span(),
            word: self.word.into_inner(),
            times,
            expect: expect.map(Row::name),
            expect_span,
            within,
            give_up,
            stay: self.stay.map(|t| t.0),
        }
    }
}
