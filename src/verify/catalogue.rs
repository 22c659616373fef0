//! The catalogue's file.

use super::outside::Outside;
use super::trial::{CRASH_FREE, PLAY};
use crate::app::App;
use crate::browser::Kind;
use crate::error::Result;
use crate::journey::Journey;
use crate::plan::known_words;
use crate::profile::{Faults, Profile};
use crate::record::Kind as Wrong;
use crate::secret::Secrets;
use crate::slo::{Objective, Objectives};
use crate::source::{Problem, Source};
use crate::table::did_you_mean;
use crate::unit::Time;
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// A catalogue, checked, with everything it names.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The question it answers.
    pub question: String,
    /// The apps that cases are played on.
    pub apps: Vec<App>,
    /// What may ring.
    pub objectives: Vec<Objective>,
    /// What is planted, in the file's order.
    pub cases: Vec<Case>,
}

/// What is planted, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// What goes wrong, in words.
    pub about: Option<String>,
    /// What is added to the app's `launch`: its own defects.
    pub launch: Vec<String>,
    /// What is played. Where the file says `gives_up`, no step of it takes longer to fail than that.
    pub journey: Journey,
    /// The apps it can be played on, by their place in the catalogue.
    pub apps: Vec<usize>,
    /// What the network does meanwhile.
    pub profile: Profile,
    /// Only in this browser; `None`: in all.
    pub browser: Option<Kind>,
    /// What must ring.
    pub rings: Rings,
    /// What `soundcheck why` must name as the cause; `*` stands for any characters.
    pub why: Option<String>,
    /// What `reconciliation.md` must find wrong with what the app tells, as [`crate::record::Finding::title`] has it; none:
    /// nothing may be found. `None`: it is not asked.
    pub finds: Option<Vec<String>>,
    /// Plays of it with each seed.
    pub times: u32,
    /// Processes that keep the processors busy meanwhile.
    pub hogs: u32,
    /// What is done to the play from outside, at a moment that the seed decides.
    pub outside: Option<Outside>,
    /// It is done to the second attempt too, at the same step.
    pub again: bool,
}

impl Case {
    /// Whether the app itself or what it fetches from has the defect, and no fault of this monitor's does it.
    pub fn is_upstream(&self) -> bool {
        !self.launch.is_empty()
    }

    /// Whether a page or a context is lost in it: what is asked is whose fault that is.
    pub fn loses(&self) -> bool {
        matches!(&self.rings, Rings::Objective(id, _) if id == CRASH_FREE) || matches!(self.rings, Rings::Broken(_))
    }
}

/// What must come of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rings {
    /// Nothing may ring.
    Nothing,
    /// The play must be *broken*: no sample, and nothing rings; and its reason must name this cause, where the file does.
    Broken(Option<String>),
    /// This objective, by its requirement, or [`PLAY`], with these failure classes in Chromium and Firefox, where it has one.
    Objective(String, [Option<String>; 2]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    apps: Vec<Spanned<String>>,
    #[serde(default)]
    launch: Vec<String>,
    slo: Option<Spanned<String>>,
    case: Vec<CaseFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    id: Spanned<String>,
    about: Option<String>,
    #[serde(default)]
    launch: Vec<String>,
    journey: Spanned<String>,
    #[serde(default)]
    apps: Vec<Spanned<String>>,
    browser: Option<Kind>,
    rings: Spanned<String>,
    class: Option<Class>,
    why: Option<Spanned<String>>,
    cause: Option<Spanned<String>>,
    finds: Option<Vec<Spanned<String>>>,
    gives_up: Option<Time>,
    #[serde(default = "one")]
    times: u32,
    #[serde(default)]
    hogs: u32,
    outside: Option<Outside>,
    #[serde(default)]
    again: bool,
    #[serde(default)]
    fault: Faults,
}

fn one() -> u32 {
    1
}

/// A class for both browsers, or one for each.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a class in quotes, or { chromium = ..., firefox = ... }")]
enum Class {
    Both(String),
    Each { chromium: String, firefox: String },
}

/// What a case says where nothing may ring.
const NOTHING: &str = "nothing";
/// What a case says where the play must come out broken.
const BROKEN: &str = "broken";

impl Catalogue {
    /// Reads a catalogue and every file it names, and checks all.
    pub fn read(path: &Path, secrets: &Secrets) -> Result<Self> {
        let source = Source::open(path, "ci")?;
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        let mut open = |name: &Spanned<String>, folder: &str, key: &str| {
            source.named(name, folder, key).map_err(|problem| problems.push(problem))
        };
        // Those that cases are played on by themselves come after the ones that all are played on.
        let mut said: Vec<&Spanned<String>> = Vec::new();
        for name in file.apps.iter().chain(file.case.iter().flat_map(|c| &c.apps)) {
            if !said.iter().any(|s| s.get_ref() == name.get_ref()) {
                said.push(name);
            }
        }
        let apps: Vec<_> = said.iter().map(|a| open(a, "journeys/apps", "app")).collect();
        let slo = match &file.slo {
            Some(name) => open(name, "ci", "slo"),
            None => source.beside("slo", "ci").map_err(|_| ()),
        };
        let known: Vec<String> = said.into_iter().map(|name| name.get_ref().clone()).collect();
        let all: Vec<usize> = (0..file.apps.len()).collect();
        let journeys: Vec<_> = file.case.iter().map(|c| open(&c.journey, "journeys", "journey")).collect();
        if file.apps.is_empty() {
            problems.push(Problem::whole("no app to play on", "apps = [\"stage\"]"));
        }
        if file.case.is_empty() {
            let help = "add a [[case]] with `id`, `journey` and `rings`; `ci/verify.toml` shows how";
            problems.push(Problem::whole("a catalogue without a case", help));
        }
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        let mut read = Vec::new();
        for app in apps.iter().flatten() {
            let mut app = App::read(app, secrets)?;
            app.launch.extend(file.launch.iter().cloned());
            read.push(app);
        }
        let objectives = match slo {
            Ok(slo) => Objectives::read(&slo)?.all().to_vec(),
            Err(()) => Vec::new(),
        };
        let mut cases: Vec<Case> = Vec::new();
        for (case, journey) in file.case.into_iter().zip(journeys.into_iter().flatten()) {
            let made = {
                // Every name of its own was opened above.
                let own = case.apps.iter().filter_map(|a| known.iter().position(|k| k == a.get_ref())).collect();
                let apps = if case.apps.is_empty() { all.clone() } else { own };
                case.check(&source, apps, &read, &objectives, &journey, &mut problems)?
            };
            if cases.iter().any(|c| c.id == made.id) {
                let what = format!("two cases called `{}`", made.id);
                problems.push(Problem::whole(what, "give each an `id` of its own: the record tells them apart by it"));
            }
            cases.push(made);
        }
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        Ok(Self { question: file.question, apps: read, objectives, cases })
    }
}

impl CaseFile {
    fn check(
        self,
        source: &Source,
        apps: Vec<usize>,
        known: &[App],
        objectives: &[Objective],
        journey: &Source,
        problems: &mut Vec<Problem>,
    ) -> Result<Case> {
        let id = self.id.get_ref().clone();
        let mut words = None;
        for app in &apps {
            words = Some(known_words(journey, &known[*app])?);
        }
        let is_known = objectives.iter().any(|o| o.id == *self.rings.get_ref());
        let rings = match self.rings.get_ref().as_str() {
            NOTHING => Rings::Nothing,
            BROKEN => Rings::Broken(self.cause.as_ref().map(|cause| cause.get_ref().clone())),
            said => {
                if !is_known && said != PLAY {
                    let ids = objectives.iter().map(|o| o.id.as_str()).chain([PLAY, NOTHING, BROKEN]);
                    let what = format!("no objective has the id `{said}`");
                    problems.push(Problem::at(self.rings.span(), what, did_you_mean(said, ids)));
                }
                let class = match self.class {
                    None => [None, None],
                    Some(Class::Both(class)) => [Some(class.clone()), Some(class)],
                    Some(Class::Each { chromium, firefox }) => [Some(chromium), Some(firefox)],
                };
                Rings::Objective(said.to_owned(), class)
            }
        };
        if let Some(cause) = self.cause.as_ref().filter(|_| !matches!(rings, Rings::Broken(_))) {
            let help = "leave it out, or say `rings = \"broken\"`";
            problems.push(Problem::at(
                cause.span(),
                "only what must come out broken has a cause outside the app",
                help,
            ));
        }
        if let Some(why) = self.why.as_ref().filter(|_| matches!(rings, Rings::Nothing)) {
            problems.push(Problem::at(why.span(), "where nothing rings there is no cause to name", "leave it out"));
        }
        for found in self.finds.iter().flatten() {
            let known = |kind: &Wrong| found.get_ref().strip_prefix(kind.name()).is_some_and(|of| of.starts_with(' '));
            if !Wrong::ALL.iter().any(known) {
                let kinds: Vec<&str> = Wrong::ALL.iter().map(|kind| kind.name()).collect();
                let help =
                    format!("write one of these and the event, such as \"missing video_stall\": {}", kinds.join(", "));
                let what = format!("`{}` is no finding of the reconciliation", found.get_ref());
                problems.push(Problem::at(found.span(), what, help));
            }
        }
        let profile =
            Profile::planted(id.clone(), self.about.clone().unwrap_or_default(), &self.fault, source, problems);
        // Without an app there is a problem already.
        let mut journey = words.map_or_else(|| Journey::read(journey), Ok)?;
        if let Some(most) = self.gives_up {
            journey.give_up_after(most.0);
        }
        Ok(Case {
            about: self.about,
            launch: self.launch,
            journey,
            apps,
            profile,
            browser: self.browser,
            rings,
            why: self.why.map(Spanned::into_inner),
            finds: self.finds.map(|all| all.into_iter().map(Spanned::into_inner).collect()),
            times: self.times.max(1),
            hogs: self.hogs,
            outside: self.outside,
            again: self.again,
            id,
        })
    }
}
