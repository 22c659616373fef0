//! Floor 3. A plan: which journeys to play in which browsers under which profiles, how often, and what must hold.

mod repeat;
mod words;

use crate::app::App;
use crate::browser::Kind;
use crate::browser::sound::Sound;
use crate::error::{Error, Result};
use crate::fault::Leg;
use crate::journey::Journey;
use crate::profile::Profile;
use crate::quarantine::{Known, Quarantine};
use crate::secret::Secrets;
use crate::slo::{Objective, Objectives};
use crate::source::{Problem, Source, names};
use crate::table::did_you_mean;
pub use repeat::Repeat;
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;
pub use words::fed_by;

/// How sure a plan wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// A pull request: nothing may be shown to fail. Too little data is said, and passes.
    Refute,
    /// A release: the bound must clear the target. Too little data does not pass.
    Prove,
}

impl Judge {
    /// As files write it.
    pub fn name(self) -> &'static str {
        match self {
            Judge::Refute => "refute",
            Judge::Prove => "prove",
        }
    }
}

/// A plan, checked, with everything it names.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The file's stem.
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// The app it plays.
    pub app: App,
    /// What to play.
    pub journeys: Vec<Journey>,
    /// Where.
    pub browsers: Vec<Kind>,
    /// Under which network.
    pub profiles: Vec<Profile>,
    /// What must hold.
    pub objectives: Vec<Objective>,
    /// How sure it must be.
    pub judge: Judge,
    /// Plays of each journey, in each browser and under each profile.
    pub repeat: Repeat,
    /// Failures that are known.
    pub quarantine: Quarantine,
    /// What the microphone hears.
    pub sound: Sound,
    /// What may be wrong with it and with what it names, and may not.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    app: Spanned<String>,
    journeys: Spanned<Vec<Spanned<String>>>,
    browsers: Spanned<Vec<Kind>>,
    #[serde(default = "clean")]
    profiles: Vec<Spanned<String>>,
    leg: Option<Spanned<Leg>>,
    slo: Option<Spanned<String>>,
    objectives: Option<Spanned<Vec<Spanned<String>>>>,
    judge: Judge,
    repeat: Option<Spanned<repeat::File>>,
    quarantine: Option<Spanned<String>>,
    #[serde(default)]
    sound: Sound,
}

fn clean() -> Vec<Spanned<String>> {
    vec![Spanned::new(0..0, "clean".to_owned())]
}

/// What the command line changes in a plan.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Only these browsers, or these instead.
    pub browsers: Vec<Kind>,
    /// Visit this address instead; nothing is launched.
    pub base: Option<String>,
    /// Another app file.
    pub app: Option<String>,
    /// Other journeys.
    pub journeys: Vec<String>,
    /// Another number of plays.
    pub repeat: Option<u32>,
    /// Other profiles.
    pub profiles: Vec<String>,
    /// Another seed, for every profile.
    pub seed: Option<u64>,
}

impl Plan {
    /// Reads a plan and every file it names, checks all, and applies the command line's changes.
    pub fn read(path: &Path, overrides: &Overrides, secrets: &Secrets) -> Result<Self> {
        let source = Source::open(path, "ci").map_err(|e| no_plan(path, None).unwrap_or(e))?;
        let file: File = source.parse().map_err(|e| no_plan(path, Some(&source)).unwrap_or(e))?;
        let mut problems = Vec::new();
        let mut open = |name: &Spanned<String>, folder: &str, key: &str| {
            source.named(name, folder, key).map_err(|problem| problems.push(problem))
        };
        let said_app = overrides.app.as_ref().map_or(file.app.clone(), |a| Spanned::new(file.app.span(), a.clone()));
        let app = match &overrides.app {
            Some(path) => Ok(Source::open(Path::new(path), "journeys/apps")?),
            None => open(&said_app, "journeys/apps", "app"),
        };
        let (journeys, profiles) = (&overrides.journeys, &overrides.profiles);
        let journeys = said_instead(file.journeys.get_ref(), journeys, &source, "journeys", "journey")?;
        let profiles = said_instead(&file.profiles, profiles, &source, "proxies", "profile")?;
        let journeys: Vec<_> = journeys.iter().map(|j| open(j, "journeys", "journey")).collect();
        let profiles: Vec<_> = profiles.iter().map(|p| open(p, "proxies", "profile")).collect();
        let slo =
            file.slo.as_ref().map_or_else(|| source.beside("slo", "ci").map_err(|_| ()), |s| open(s, "ci", "slo"));
        // Where none lies beside the plan, the one that ships, which is empty.
        let quarantine = match &file.quarantine {
            Some(said) => open(said, "ci", "quarantine"),
            None => Ok(source.beside("quarantine", "ci")?),
        };
        let planned: Vec<&str> =
            file.journeys.get_ref().iter().filter_map(|j| Path::new(j.get_ref()).file_stem()?.to_str()).collect();
        let repeat = repeat::File::check(file.repeat, &planned, &mut problems);
        if file.journeys.get_ref().is_empty() {
            let help = format!("name one or more; these ship: {}", names("journeys").join(", "));
            problems.push(Problem::at(file.journeys.span(), "nothing to play", help));
        }
        if file.browsers.get_ref().is_empty() {
            problems.push(Problem::at(file.browsers.span(), "nowhere to play", "name chromium, firefox, or both"));
        }
        let (Ok(app), Ok(slo), Ok(quarantine)) = (app, slo, quarantine) else { return Err(source.error(&problems)) };
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }

        let all = Objectives::read(&slo)?;
        let patterns = file.objectives.as_ref().map_or(&[][..], |own| own.get_ref().as_slice());
        let objectives = all.choose(&source, patterns)?;
        let mut app = App::read(&app, secrets)?;
        if let Some(base) = &overrides.base {
            app.base = base.trim_end_matches('/').to_owned();
            app.launch = Vec::new();
        }
        let mut read = Vec::new();
        for journey in journeys.into_iter().flatten() {
            read.push(known_words(&journey, &app)?);
        }
        // The plan's own too, where the command line plays others: a profile may name them all the same.
        let own: Vec<&str> = read.iter().map(|j| j.name.as_str()).chain(planned).collect();
        let mut notes = [all.notes, std::mem::take(&mut app.notes)].concat();
        let mut under = Vec::new();
        for profile in profiles.into_iter().flatten() {
            let mut played = known_journeys(&profile, &source, &own)?;
            notes.extend(played.unknown_steps(&read).iter().map(|problem| profile.note(problem)));
            played.seed = overrides.seed.unwrap_or(played.seed);
            if let Some(leg) = &file.leg {
                let before = played.rules.len();
                played.rules.retain(|rule| rule.leg == *leg.get_ref());
                if played.rules.is_empty() && before > 0 {
                    let help = "play other profiles, or remove the line: then the faults of both legs are armed";
                    let what = format!("no fault of `{}` is of this leg", played.name);
                    problems.push(Problem::at(leg.span(), what, help));
                }
            }
            under.push(played);
        }
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        let profiles: Vec<&str> = under.iter().map(|p| p.name.as_str()).collect();
        let known = Known { journeys: &own, profiles: &profiles, app: Some(&app.name) };
        let quarantine = Quarantine::read(&quarantine, &known)?;
        let mut plan = Self {
            name: source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            question: file.question,
            app,
            journeys: read,
            browsers: match overrides.browsers.as_slice() {
                [] => file.browsers.into_inner(),
                said => said.to_vec(),
            },
            profiles: under,
            objectives,
            judge: file.judge,
            repeat: overrides.repeat.map_or(repeat, Repeat::every),
            quarantine,
            sound: file.sound,
            notes,
        };
        let unfed = plan.unfed(patterns).into_iter().chain(plan.unjudged(file.objectives.as_ref().map(Spanned::span)));
        let unfed: Vec<String> = unfed.map(|problem| source.note(&problem)).collect();
        plan.notes.extend(unfed);
        Ok(plan)
    }
}

/// What the command line names in place of the plan's own. That is nowhere in the plan: no line of it is to blame.
fn said_instead(
    own: &[Spanned<String>],
    said: &[String],
    plan: &Source,
    folder: &str,
    key: &str,
) -> Result<Vec<Spanned<String>>> {
    for name in said {
        if plan.beside(name, folder).is_err() {
            let help = did_you_mean(name, names(folder).iter().map(String::as_str));
            let near = if help.ends_with('?') { help } else { format!("`soundcheck list {key}s` names them") };
            return Err(
                Error::author(format!("--{key} {name}: no such file, and none of that name ships")).remedy(near)
            );
        }
    }
    if said.is_empty() {
        return Ok(own.to_vec());
    }
    Ok(said.iter().map(|name| Spanned::new(0..0, name.clone())).collect())
}

/// Where a plan is wanted and a journey or a profile is named: how to play only that.
fn no_plan(path: &Path, source: Option<&Source>) -> Option<Error> {
    let of = |folder, key: &str| match source {
        Some(source) => toml::from_str::<toml::Table>(&source.text).is_ok_and(|keys| keys.contains_key(key)),
        None => Source::open(path, folder).is_ok(),
    };
    let kind = if of("journeys", "step") {
        "journey"
    } else if of("proxies", "fault") {
        "profile"
    } else {
        return None;
    };
    let name = path.display();
    let what = format!("{name} is a {kind}; what is played is a plan");
    Some(Error::author(what).remedy(format!("soundcheck run smoke --{kind} {name}, or another plan for smoke")))
}

/// Reads a journey; every word of it must be mapped by the app, and what it expects declared.
pub(crate) fn known_words(source: &Source, app: &App) -> Result<Journey> {
    let journey = Journey::read(source)?;
    let mut problems: Vec<Problem> = journey
        .steps
        .iter()
        .filter(|step| !app.words.contains_key(&step.word))
        .map(|step| {
            let near = did_you_mean(&step.word, app.words.keys().map(String::as_str));
            let stop = if near.ends_with('?') { "" } else { "." };
            let help = format!("{near}{stop} Or add \"{}\" = [...] under [word] of the app file", step.word);
            Problem::at(step.span.clone(), format!("app `{}` has no word `{}`", app.name, step.word), help)
        })
        .collect();
    for step in &journey.steps {
        if let Some((why, help)) = step.expect.and_then(|expectation| app.cannot(expectation)) {
            problems.push(Problem::at(step.expect_span.clone(), format!("app `{}` {why}", app.name), help));
        }
    }
    if problems.is_empty() { Ok(journey) } else { Err(source.error(&problems)) }
}

/// Reads a profile; every journey its expectations name must be known here.
fn known_journeys(source: &Source, plan: &Source, own: &[&str]) -> Result<Profile> {
    let profile = Profile::read(source)?.for_plays(source)?;
    let problems = profile.unknown_journeys(own, plan, "in the plan, beside it");
    if problems.is_empty() { Ok(profile) } else { Err(source.error(&problems)) }
}
