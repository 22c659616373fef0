//! What must hold of an app under a profile. A play on a broken network is judged by this, not by the objectives: those
//! are about the app on a network that works.

use crate::browser::Kind;
use crate::fault::rule::glob;
use crate::media::class::{CLASSES, Class};
use crate::source::Problem;
use crate::table::{Row, did_you_mean, find};
use crate::unit::{Time, ms, show_ms};
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// What must hold of some plays.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Of this journey; `*` stands for any run of characters. `None`: of all.
    pub journey: Option<String>,
    /// In this browser; `None`: in both.
    pub browser: Option<Kind>,
    /// How such a play ends.
    pub outcome: Outcome,
    /// Words that the reason of a failure holds; `None`: any reason will do.
    pub reason: Option<String>,
    /// Why its video fails; `None`: for any cause.
    pub class: Option<Class>,
    /// How long each expectation of the journey may take; `None`: until it gives up.
    pub within: Option<Duration>,
    /// How long a video may stand still, before it goes on; `None`: 45 s.
    pub recovers: Option<Duration>,
    /// Where the file names the journey, for problems found later (a journey that no plan has).
    pub span: Range<usize>,
}

/// How long a video may stand still where the profile does not say: as long as it may take to begin.
const RECOVERS: Duration = Duration::from_secs(45);
/// The same of a play that need not play: after so long it has failed.
const FAILED: Duration = Duration::from_secs(10);

/// How a play ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every expectation of the journey holds.
    Plays,
    /// One does not.
    Fails,
    /// Chance decides: the play is looked at, not judged.
    Either,
}

/// What a play came to, as far as an [`Expect`] asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Every expectation of the journey held.
    pub held: bool,
    /// Why not.
    pub reason: Option<&'a str>,
    /// Why its video failed, where that is known.
    pub class: Option<Class>,
    /// The longest that one of them took.
    pub slowest: Option<Duration>,
}

impl Expect {
    /// That every play plays.
    pub fn plays() -> Self {
        Self {
            journey: None,
            browser: None,
            outcome: Outcome::Plays,
            reason: None,
            class: None,
            within: None,
            recovers: None,
            span: 0..0,
        }
    }

    /// How long a video may stand still before it has failed to play.
    pub fn recovers(&self) -> Duration {
        let usual = if self.outcome == Outcome::Plays { RECOVERS } else { FAILED };
        self.recovers.unwrap_or(usual)
    }

    /// Whether it is about a play of this journey in this browser.
    pub fn is_for(&self, journey: &str, browser: Kind) -> bool {
        self.journey.as_ref().is_none_or(|j| glob(j, journey)) && self.browser.is_none_or(|b| b == browser)
    }

    /// Whether it held of a play; otherwise why not. A broken play is none to ask about.
    pub fn judge(&self, facts: &Facts) -> Result<(), String> {
        let reason = facts.reason.unwrap_or("no reason recorded");
        match (self.outcome, facts.held) {
            (Outcome::Either, _) => Ok(()),
            (Outcome::Plays, false) => Err(format!("it must play under this profile, and failed: {reason}")),
            (Outcome::Plays, true) => match self.within.zip(facts.slowest) {
                Some((within, slowest)) if slowest > within => {
                    let (within, slowest) = (show_ms(ms(within)), show_ms(ms(slowest)));
                    Err(format!("it must play within {within} under this profile, and took {slowest}"))
                }
                _ => Ok(()),
            },
            (Outcome::Fails, true) => Err("it must fail under this profile, and played".to_owned()),
            (Outcome::Fails, false) => match &self.reason {
                Some(words) if !reason.contains(words.as_str()) => {
                    Err(format!("it must fail with \"{words}\" under this profile, and failed otherwise: {reason}"))
                }
                _ => match self.class {
                    Some(class) if facts.class != Some(class) => {
                        let found = facts.class.map_or("no class", |found| found.name());
                        Err(format!("its class must be `{class}` under this profile, and is `{found}`: {reason}"))
                    }
                    _ => Ok(()),
                },
            },
        }
    }

    /// Whether every play that `other` is for is also one of this one's.
    fn covers(&self, other: &Self) -> bool {
        let journey = match (&self.journey, &other.journey) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => glob(own, other),
        };
        journey && (self.browser.is_none() || self.browser == other.browser)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectFile {
    journey: Option<Spanned<Journeys>>,
    browser: Option<Kind>,
    outcome: Spanned<Outcome>,
    reason: Option<Spanned<String>>,
    class: Option<Spanned<String>>,
    within: Option<Spanned<Time>>,
    recovers: Option<Spanned<Time>>,
}

/// A journey, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a journey in quotes, or a list of them")]
enum Journeys {
    One(String),
    Each(Vec<String>),
}

impl ExpectFile {
    /// `None` once, where no journey is named.
    fn journeys(&self) -> Vec<Option<String>> {
        match self.journey.as_ref().map(Spanned::get_ref) {
            None => vec![None],
            Some(Journeys::One(name)) => vec![Some(name.clone())],
            Some(Journeys::Each(names)) => names.iter().cloned().map(Some).collect(),
        }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.outcome.span()
    }

    fn check(&self, problems: &mut Vec<Problem>) -> Vec<Expect> {
        let outcome = *self.outcome.get_ref();
        if let (Some(reason), true) = (&self.reason, outcome != Outcome::Fails) {
            let help = "write `outcome = \"fails\"`, or remove the reason";
            problems.push(Problem::at(reason.span(), "a `reason` for a play that need not fail", help));
        }
        if let (Some(class), true) = (&self.class, outcome != Outcome::Fails) {
            let help = "write `outcome = \"fails\"`, or remove the class";
            problems.push(Problem::at(class.span(), "a `class` for a play that need not fail", help));
        }
        let class = self.class.as_ref().and_then(|named| {
            let known = find(CLASSES, named.get_ref());
            if known.is_none() {
                let help = did_you_mean(named.get_ref(), CLASSES.iter().map(Row::name));
                problems.push(Problem::at(named.span(), format!("no class is called `{}`", named.get_ref()), help));
            }
            known.copied()
        });
        if let (Some(within), true) = (&self.within, outcome != Outcome::Plays) {
            let help = "write `outcome = \"plays\"`, or remove the time";
            problems.push(Problem::at(within.span(), "`within` for a play that need not play", help));
        }
        if let (Some(recovers), true) = (&self.recovers, outcome != Outcome::Plays) {
            let help = "write `outcome = \"plays\"`, or remove the time";
            problems.push(Problem::at(recovers.span(), "`recovers` for a play that need not play", help));
        }
        let journeys = self.journeys();
        let named = self.journey.as_ref().map_or(0..0, Spanned::span);
        let empty = |text: &str| text.trim().is_empty();
        let places = [
            self.reason.as_ref().filter(|r| empty(r.get_ref())).map(Spanned::span),
            (journeys.is_empty() || journeys.iter().flatten().any(|j| empty(j))).then(|| named.clone()),
        ];
        for place in places.into_iter().flatten() {
            problems.push(Problem::at(place, "nothing is written here", "write it, or remove the line"));
        }
        let of = |journey: Option<String>| Expect {
            span: named.clone(),
            journey,
            browser: self.browser,
            outcome,
            reason: self.reason.as_ref().map(|r| r.get_ref().clone()),
            class,
            within: self.within.as_ref().map(|t| t.get_ref().0),
            recovers: self.recovers.as_ref().map(|t| t.get_ref().0),
        };
        journeys.into_iter().map(of).collect()
    }
}

/// Checks the expectations of a file, each and together: one must be for every play there may be, and each for some.
pub(super) fn check(files: &[ExpectFile], problems: &mut Vec<Problem>) -> Vec<Expect> {
    let mut all: Vec<Expect> = Vec::new();
    for file in files {
        for expect in file.check(problems) {
            if all.iter().any(|earlier| earlier.covers(&expect)) {
                let help = "put it before the wider one, or remove it: the first that fits a play counts";
                problems.push(Problem::at(file.span(), "an earlier expectation takes every play of this one", help));
            }
            all.push(expect);
        }
    }
    let free = |browser: &Kind| !all.iter().any(|e| e.covers(&Expect { browser: Some(*browser), ..Expect::plays() }));
    let open: Vec<&str> = [Kind::Chromium, Kind::Firefox].iter().filter(|b| free(b)).map(|b| b.name()).collect();
    if let (Some(last), false) = (files.last(), open.is_empty()) {
        let what = format!("nothing says what must hold of other journeys in {}", open.join(" and "));
        let help = "end with an [[expect]] that names neither journey nor browser";
        problems.push(Problem::at(last.span(), what, help));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plays(within: Option<u64>) -> Expect {
        Expect { within: within.map(Duration::from_secs), ..Expect::plays() }
    }

    fn fails(reason: Option<&str>) -> Expect {
        Expect { outcome: Outcome::Fails, reason: reason.map(str::to_owned), ..Expect::plays() }
    }

    const FAILED: Facts = Facts {
        held: false,
        reason: Some("MediaError 4 (source not supported)"),
        class: Some(Class::Refused),
        slowest: None,
    };

    fn played(seconds: u64) -> Facts<'static> {
        Facts { held: true, slowest: Some(Duration::from_secs(seconds)), ..Facts::default() }
    }

    #[test]
    fn what_must_play_plays_in_time_or_the_reason_is_told() {
        assert_eq!(plays(None).judge(&played(500)), Ok(()));
        assert_eq!(plays(Some(10)).judge(&played(10)), Ok(()));
        let slowest = Some(Duration::from_micros(11_296_443));
        let late = plays(Some(10)).judge(&Facts { slowest, ..played(11) }).expect_err("too late");
        assert_eq!(late, "it must play within 10.00 s under this profile, and took 11.30 s");
        let failed = plays(Some(10)).judge(&FAILED).expect_err("it failed");
        assert!(failed.contains("MediaError 4"), "{failed}");
        // Nothing was timed: nothing was late.
        assert_eq!(plays(Some(10)).judge(&Facts { held: true, ..Facts::default() }), Ok(()));
    }

    #[test]
    fn what_must_fail_fails_for_its_own_reason() {
        assert_eq!(fails(None).judge(&FAILED), Ok(()));
        assert_eq!(fails(None).judge(&Facts::default()), Ok(()));
        assert_eq!(fails(Some("MediaError 4")).judge(&FAILED), Ok(()));
        let otherwise = fails(Some("silent")).judge(&FAILED).expect_err("another reason");
        assert!(otherwise.contains("silent") && otherwise.contains("MediaError 4"), "{otherwise}");
        assert!(fails(Some("silent")).judge(&Facts::default()).is_err(), "no reason is not that reason");
        assert!(fails(None).judge(&played(1)).expect_err("it played").contains("must fail"));
    }

    #[test]
    fn what_must_fail_fails_of_its_own_class() {
        let of = |class| Expect { class: Some(class), ..fails(Some("MediaError 4")) };
        assert_eq!(of(Class::Refused).judge(&FAILED), Ok(()));
        let other = of(Class::Cors).judge(&FAILED).expect_err("another class");
        assert!(other.contains("blocked by CORS") && other.contains("refused by status"), "{other}");
        let none = of(Class::Cors).judge(&Facts { class: None, ..FAILED }).expect_err("no class");
        assert!(none.contains("no class"), "{none}");
    }

    #[test]
    fn a_video_may_stand_still_for_as_long_as_is_written() {
        assert_eq!(plays(None).recovers(), Duration::from_secs(45));
        assert_eq!(Expect { recovers: Some(Duration::from_secs(8)), ..plays(None) }.recovers(), Duration::from_secs(8));
        assert_eq!(fails(None).recovers(), Duration::from_secs(10), "sooner known where it must fail");
    }

    #[test]
    fn either_is_never_wrong() {
        let either = Expect { outcome: Outcome::Either, ..Expect::plays() };
        assert_eq!((either.judge(&FAILED), either.judge(&played(1))), (Ok(()), Ok(())));
    }

    #[test]
    fn an_expectation_is_for_its_journeys_and_its_browser() {
        let video = Expect { journey: Some("video".into()), browser: Some(Kind::Firefox), ..Expect::plays() };
        assert!(video.is_for("video", Kind::Firefox));
        assert!(!video.is_for("video", Kind::Chromium) && !video.is_for("presets", Kind::Firefox));
        let preset = Expect { journey: Some("preset*".into()), ..Expect::plays() };
        assert!(preset.is_for("presets", Kind::Firefox) && preset.is_for("preset-churn", Kind::Chromium));
        assert!(preset.covers(&Expect { journey: Some("presets".into()), ..video.clone() }));
        assert!(Expect::plays().covers(&video) && !video.covers(&Expect::plays()) && !preset.covers(&video));
    }
}
