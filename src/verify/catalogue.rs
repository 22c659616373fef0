//! The catalogue's file.

use super::outside::Outside;
use super::trial::{CRASH_FREE, PLAY};
use crate::app::App;
use crate::browser::Kind;
use crate::error::Result;
use crate::journey::Journey;
use crate::measure::Fed;
use crate::media::class::CLASSES;
use crate::plan::{fed_by, known_words};
use crate::profile::{Faults, Profile};
use crate::record::Kind as Wrong;
use crate::secret::Secrets;
use crate::slo::{Objective, Objectives};
use crate::source::{Problem, Source};
use crate::table::{Row, did_you_mean, find};
use crate::unit::{Time, many};
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
    /// What is played. Where the file says `gives_up`, no step of it takes longer to fail than that, and where it says
    /// `watches`, none stays for longer.
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

    /// Whether a video is what it plays: what a visualizer shows besides is another matter.
    pub fn plays_a_video(&self) -> bool {
        self.journey.steps.iter().any(|step| step.expect.is_some_and(|name| VIDEO.contains(&name)))
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
    /// This objective, by its requirement, or [`PLAY`], with these failure classes in Chromium and Firefox; `None`: without
    /// any.
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
    class: Option<Spanned<ClassFile>>,
    why: Option<Spanned<String>>,
    cause: Option<Spanned<String>>,
    finds: Option<Vec<Spanned<String>>>,
    gives_up: Option<Time>,
    watches: Option<Time>,
    times: Option<Spanned<u32>>,
    #[serde(default)]
    hogs: u32,
    outside: Option<Outside>,
    #[serde(default)]
    again: bool,
    #[serde(default)]
    fault: Faults,
}

/// A class for both browsers, or one for each.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a class in quotes, or { chromium = ..., firefox = ... }")]
enum ClassFile {
    Both(String),
    Each { chromium: String, firefox: String },
}

impl ClassFile {
    /// In Chromium, and in Firefox.
    fn each(&self) -> [&str; 2] {
        match self {
            Self::Both(class) => [class, class],
            Self::Each { chromium, firefox } => [chromium, firefox],
        }
    }
}

/// Expectations that are about a video.
const VIDEO: [&str; 2] = ["first video frame", "it reconnects"];
/// What a case says where nothing may ring.
const NOTHING: &str = "nothing";
/// What a case says where the play must come out broken.
const BROKEN: &str = "broken";
/// What a case says where no failure class applies: what goes wrong is no video's.
const NO_CLASS: &str = "none";

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
            // One that is not started here cannot be given anything.
            if !app.launch.is_empty() {
                app.launch.extend(file.launch.iter().cloned());
            }
            read.push(app);
        }
        let objectives = match slo {
            Ok(slo) => Objectives::read(&slo)?.all().to_vec(),
            Err(()) => Vec::new(),
        };
        let mut cases: Vec<Case> = Vec::new();
        for (case, journey) in file.case.into_iter().zip(journeys.into_iter().flatten()) {
            let at = case.id.span();
            let made = {
                // Every name of its own was opened above.
                let own = case.apps.iter().filter_map(|a| known.iter().position(|k| k == a.get_ref())).collect();
                let apps = if case.apps.is_empty() { all.clone() } else { own };
                case.check(&source, apps, &read, &objectives, &journey, &mut problems)?
            };
            if cases.iter().any(|c| c.id == made.id) {
                let what = format!("two cases called `{}`", made.id);
                problems.push(Problem::at(at, what, "give each an `id` of its own: the record tells them apart by it"));
            }
            cases.push(made);
        }
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        Ok(Self { question: file.question, apps: read, objectives, cases })
    }

    /// What each seed plays, in words.
    pub fn words(&self) -> Vec<String> {
        let all = super::trials(self, &[1]);
        let count = |is: fn(&Rings) -> bool| all.iter().filter(|trial| is(&trial.case.rings)).count();
        let rings = count(|rings| matches!(rings, Rings::Objective(..)));
        let broken = count(|rings| matches!(rings, Rings::Broken(_)));
        let quiet = count(|rings| *rings == Rings::Nothing);
        vec![
            format!(
                "{} in both browsers are {} with each seed",
                many(self.cases.len() as u64, "case", "cases"),
                many(all.len() as u64, "play", "plays")
            ),
            format!("{rings} must ring, {broken} come out broken, {quiet} stay quiet"),
        ]
    }
}

impl CaseFile {
    /// The classes that it must get: a case that does not say so would be proved by any.
    fn classes(&self, problems: &mut Vec<Problem>) -> [Option<String>; 2] {
        let Some(class) = &self.class else {
            let what = format!("`{}` does not say which failure class it must get", self.id.get_ref());
            let help = "add one of `soundcheck list classes`, or `class = \"none\"` where it is no video that fails";
            problems.push(Problem::at(self.rings.span(), what, help));
            return [None, None];
        };
        let each = class.get_ref().each();
        let known = |name: &str| name == NO_CLASS || find(CLASSES, name).is_some();
        if let Some(unknown) = each.into_iter().find(|name| !known(name)) {
            let names = CLASSES.iter().map(Row::name).chain([NO_CLASS]);
            let what = format!("unknown failure class `{unknown}`");
            problems.push(Problem::at(class.span(), what, did_you_mean(unknown, names)));
        }
        each.map(|name| Some(name.to_owned()).filter(|name| name != NO_CLASS))
    }

    /// What nobody could plant, or what would be proved by anything.
    fn plantable(&self, apps: &[usize], known: &[App], problems: &mut Vec<Problem>) {
        let id = self.id.get_ref();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            let help = "write letters, digits, `-`, `_` and `.`: the folder of its run is called so";
            problems.push(Problem::at(self.id.span(), format!("`{id}` is no name of a case"), help));
        }
        if let Some(times) = self.times.as_ref().filter(|times| *times.get_ref() == 0) {
            let help = "leave it out, or write how often each seed plays it";
            problems.push(Problem::at(times.span(), "a case that is never played", help));
        }
        if let Some(why) = self.why.as_ref().filter(|why| why.get_ref().trim_matches('*').is_empty()) {
            let help = "write words of the cause that `soundcheck why` must name";
            problems.push(Problem::at(why.span(), "any cause would do", help));
        }
        let idle = apps.iter().map(|app| &known[*app]).find(|app| app.launch.is_empty());
        if let Some(app) = idle.filter(|_| !self.launch.is_empty()) {
            let what = format!("`{}` adds to the `launch` of {}, which has none", self.id.get_ref(), app.name);
            let help = "say in the app's file how it is started, or name `apps` that do";
            problems.push(Problem::at(self.id.span(), what, help));
        }
    }

    /// That what must ring never can: nothing of this journey is a sample of it, or not in the browser it is played in.
    fn unfed(&self, objective: &Objective, journey: &Journey) -> Option<Problem> {
        let fed = objective.measure().map_or(Fed::Always, |measure| measure.fed);
        if !journey.feeds(fed) {
            let what = format!("nothing in the journey {} feeds {}", journey.name, objective.id);
            return Some(Problem::at(self.rings.span(), what, fed_by(objective, &Journey::shipped())));
        }
        let only = objective.browser.filter(|only| self.browser != Some(*only))?;
        let what = format!("{} is judged in {} only", objective.id, only.name());
        Some(Problem::at(self.rings.span(), what, format!("add browser = \"{}\"", only.name())))
    }

    /// What must ring, and that what else the file says fits it.
    fn rings(&self, objectives: &[Objective], problems: &mut Vec<Problem>) -> Rings {
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
                Rings::Objective(said.to_owned(), self.classes(problems))
            }
        };
        if let Some(class) = self.class.as_ref().filter(|_| !matches!(rings, Rings::Objective(..))) {
            let what = format!("`rings = \"{}\"` has no failure class", self.rings.get_ref());
            problems.push(Problem::at(class.span(), what, "leave it out"));
        }
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
        rings
    }

    /// That the reconciliation may find what it must.
    fn findings(&self, problems: &mut Vec<Problem>) {
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
    }

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
        let rings = self.rings(objectives, problems);
        self.findings(problems);
        self.plantable(&apps, known, problems);
        let profile =
            Profile::planted(id.clone(), self.about.clone().unwrap_or_default(), &self.fault, source, problems);
        // Without an app there is a problem already.
        let mut journey = words.map_or_else(|| Journey::read(journey), Ok)?;
        if let Some(most) = self.gives_up {
            journey.give_up_after(most.0);
        }
        if let Some(most) = self.watches {
            journey.stay_at_most(most.0);
        }
        if let Some(objective) = objectives.iter().find(|o| o.id == *self.rings.get_ref()) {
            problems.extend(self.unfed(objective, &journey));
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
            times: self.times.map_or(1, Spanned::into_inner),
            hogs: self.hogs,
            outside: self.outside,
            again: self.again,
            id,
        })
    }
}
