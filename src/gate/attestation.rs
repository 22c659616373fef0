//! What cannot be measured, and who says it is so: a name, a day, a link to the evidence, the version it is about, and
//! the day through which it holds. In a file of its own, so that who signs changes no rule, and who changes a rule signs
//! nothing.

use super::context::Context;
use super::http::MOST;
use super::line::Line;
use super::results;
use crate::error::Result;
use crate::slo::Verdict;
use crate::source::{Problem, Source};
use crate::table::did_you_mean;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Who signs a release off.
pub const ROLES: [&str; 2] = ["operator", "engineering"];
/// What nobody has said yet.
const PENDING: &str = "PENDING";
/// Longer than this, days, no attestation holds.
const LONGEST: i32 = 366;

/// What an operator or engineering decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    /// It may go live.
    Pass,
    /// It may not.
    Hold,
    /// Nothing yet.
    #[default]
    Pending,
}

impl Decision {
    /// As files and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Pass => "PASS",
            Decision::Hold => "HOLD",
            Decision::Pending => PENDING,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    attestation: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    line: Spanned<String>,
    name: Option<String>,
    date: Option<Spanned<toml::Value>>,
    evidence: Option<String>,
    version: Option<String>,
    expires: Option<Spanned<toml::Value>>,
    decision: Option<Spanned<Decision>>,
}

/// One of them. What is PENDING, empty or left out is `None`.
#[derive(Clone, Debug)]
pub struct Attestation {
    line: String,
    name: Option<String>,
    date: Option<Date>,
    evidence: Option<String>,
    version: Option<String>,
    expires: Option<Date>,
    decision: Decision,
}

/// All of a file's.
#[derive(Clone, Debug, Default)]
pub struct Attestations {
    /// What the file answers.
    pub question: String,
    path: Option<PathBuf>,
    all: Vec<Attestation>,
}

impl Attestations {
    /// Reads and checks a file; `known` are the lines that may be attested.
    pub fn read(source: &Source, known: &[String]) -> Result<Self> {
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        let mut all: Vec<Attestation> = Vec::new();
        for entry in file.attestation {
            let span = entry.line.span();
            let one = entry.check(known, &mut problems);
            let twice = |before: &&Attestation| before.line == one.line && before.version == one.version;
            if let Some(before) = all.iter().find(twice) {
                let version = before.version.as_deref().unwrap_or("no version");
                let what = format!("`{}` of {version} is attested twice", one.line);
                problems.push(Problem::at(span, what, "keep the one that holds"));
            }
            all.push(one);
        }
        if !problems.is_empty() {
            return Err(source.error(&problems));
        }
        Ok(Self { question: file.question, path: Some(source.path.clone()), all })
    }

    /// Each in words.
    pub fn words(&self) -> Vec<String> {
        let or_pending = |text: Option<String>| text.unwrap_or_else(|| PENDING.to_owned());
        let day = |date: Option<Date>| or_pending(date.map(|d| d.to_string()));
        let told = |a: &Attestation| {
            let decision = if is_sign_off(&a.line) { format!(": {}", a.decision.name()) } else { String::new() };
            format!(
                "{}{decision}, of {} by {} on {}, evidence {}, through {}",
                a.line,
                or_pending(a.version.clone()),
                or_pending(a.name.clone()),
                day(a.date),
                or_pending(a.evidence.clone()),
                day(a.expires),
            )
        };
        self.all.iter().map(told).collect()
    }

    /// A line that a person answers for.
    pub fn line(&self, id: &str, name: &str, asked: &Context) -> Line {
        let own = self.all.iter().filter(|a| a.line == name);
        // The one that holds, or else what is said of this very version, or else of another.
        let judged = own.map(|a| {
            let this = asked.version().is_ok_and(|version| a.version.as_ref() == Some(version));
            (a.judge(Line::of(id, name), asked, self.path.as_deref()), this)
        });
        match judged.max_by_key(|(line, this)| (line.holds(), *this)) {
            Some((line, _)) => line,
            None => {
                let todo = format!("an [[attestation]] with line = \"{name}\" {}", self.place());
                Line::of(id, name).lacks("nobody attests it", todo)
            }
        }
    }

    /// What the roles decided of this version. A HOLD holds whatever else is missing in it.
    pub fn sign_off(&self, asked: &Context) -> Vec<Signed> {
        let signed = |role: &&str| {
            let name = format!("sign-off {role}");
            let version = asked.version().ok();
            let all = || self.all.iter().filter(|a| a.line == name);
            let holds = |a: &&Attestation| a.decision == Decision::Hold;
            // One that names no version may be about any.
            let of_this = |a: &&Attestation| version.is_none() || a.version.is_none() || a.version.as_ref() == version;
            let this = || all().find(|a| version.is_some() && a.version.as_ref() == version);
            let own = all().filter(holds).find(of_this).or_else(this);
            let line = self.line("D9", &name, asked);
            let decision = match own {
                Some(own) if holds(&own) => Decision::Hold,
                Some(_) if line.holds() => Decision::Pass,
                _ => Decision::Pending,
            };
            let another = all().filter(holds).find(|a| !of_this(a)).and_then(|a| a.version.as_ref());
            let why = match decision {
                Decision::Pending => Some(line.evidence),
                _ => another.map(|another| format!("{another} was on HOLD")),
            };
            Signed {
                role: (*role).to_owned(),
                decision,
                by: own.and_then(|own| own.name.clone()),
                date: own.and_then(|own| Some(own.date?.to_string())),
                link: own.and_then(|own| own.evidence.clone()),
                why,
            }
        };
        ROLES.iter().map(signed).collect()
    }

    fn place(&self) -> String {
        match &self.path {
            Some(path) => format!("in {}", path.display()),
            None => "in a file that `attestations` names".to_owned(),
        }
    }
}

/// What a role decided.
#[derive(Clone, Debug, Serialize)]
pub struct Signed {
    /// `operator` or `engineering`.
    pub role: String,
    /// What was decided.
    pub decision: Decision,
    /// Who.
    pub by: Option<String>,
    /// On which day.
    pub date: Option<String>,
    /// The evidence.
    pub link: Option<String>,
    /// Why it does not count yet, or what was decided of another version.
    pub why: Option<String>,
}

fn is_sign_off(line: &str) -> bool {
    line.starts_with("sign-off ")
}

impl Entry {
    fn check(self, known: &[String], problems: &mut Vec<Problem>) -> Attestation {
        let line = self.line.get_ref();
        if !known.contains(line) {
            let help = did_you_mean(line, known.iter().map(String::as_str));
            let what = format!("`{line}` is no line that a person attests");
            problems.push(Problem::at(self.line.span(), what, help));
        }
        if let Some(decision) = self.decision.as_ref().filter(|_| !is_sign_off(line)) {
            let help = "leave it out: an attestation says that it is so";
            problems.push(Problem::at(decision.span(), "only a sign-off decides", help));
        }
        let mut day = |value: &Option<Spanned<toml::Value>>| {
            let value = value.as_ref()?;
            let text = match value.get_ref() {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let text = said(Some(text))?;
            let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
            if date.is_none() {
                let what = format!("`{text}` is no day");
                problems.push(Problem::at(value.span(), what, "write 2026-11-22, or \"PENDING\""));
            }
            date
        };
        let (date, expires) = (day(&self.date), day(&self.expires));
        if let (Some(date), Some(expires), Some(at)) = (date, expires, &self.expires) {
            let days = date.until(expires).map_or(i32::MAX, |span| span.get_days());
            if days < 0 {
                problems.push(Problem::at(at.span(), "it expires before its date", "write a later day"));
            } else if days > LONGEST {
                let help = "write an earlier day: things change, and who attested it may have left";
                problems.push(Problem::at(at.span(), "no attestation holds for longer than a year", help));
            }
        }
        Attestation {
            name: said(self.name),
            evidence: said(self.evidence),
            version: said(self.version),
            decision: self.decision.map_or(Decision::Pending, Spanned::into_inner),
            line: self.line.into_inner(),
            date,
            expires,
        }
    }
}

/// Text that says something.
fn said(text: Option<String>) -> Option<String> {
    let nothing = |text: &str| {
        let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
        // `PENDING: ask Ann` says no more than `PENDING`.
        let first = bare.split(|c: char| c.is_whitespace() || ",:;(".contains(c)).next().unwrap_or_default();
        let is = |own: &str, words: &[&str]| words.iter().any(|word| own.eq_ignore_ascii_case(word));
        is(first, &[PENDING, "TODO", "TBD", "FIXME"]) || is(bare, &["", "NONE", "N/A"])
    };
    text.map(|t| t.trim().to_owned()).filter(|t| !nothing(t))
}

/// Where evidence can be followed.
enum Link {
    /// On the web: whether it is there, nobody asks.
    Web,
    /// In a file with something in it that is not the attestations' own.
    File(PathBuf),
}

impl Link {
    fn of(evidence: &str, folder: &Path, own: Option<&Path>) -> Option<Self> {
        if url::Url::parse(evidence).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Some(Link::Web);
        }
        let written = |file: &PathBuf| file.metadata().is_ok_and(|about| about.is_file() && about.len() > 0);
        let file = folder.join(evidence).canonicalize().ok().filter(written)?;
        (Some(&file) != own.and_then(|own| own.canonicalize().ok()).as_ref()).then_some(Link::File(file))
    }

    /// What a report that can be read says against what is attested by it: a failure, another version, a day that had not
    /// come. Of anything else, nothing: whether it shows what it is to show is the attester's word.
    fn against(&self, attested: Date, asked: &Context) -> Option<String> {
        let Link::File(path) = self else { return None };
        let mut text = String::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MOST as u64).read_to_string(&mut text));
        let done = match read.ok().and_then(|_| results::recognised(&text, asked.app()))? {
            Ok(done) => done,
            Err(why) => return Some(why),
        };
        if done.verdict == Verdict::Breached {
            return Some(done.what);
        }
        if let Err(why) = done.is_of(asked) {
            return Some(why);
        }
        if done.later_than(asked.until()).is_some() {
            return Some("it is dated in the future".to_owned());
        }
        // Nobody saw on a day what came after it.
        let over = asked.calendar().starts(attested.tomorrow().ok()?);
        let newest = done.newest.filter(|newest| newest.as_millisecond() >= over)?;
        Some(format!("it is of {newest}, and was attested on {attested}"))
    }
}

impl Attestation {
    fn judge(&self, line: Line, asked: &Context, own: Option<&Path>) -> Line {
        let folder = own.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut line = line;
        line.by.clone_from(&self.name);
        line.link.clone_from(&self.evidence);
        line.expires = self.expires.map(|day| day.to_string());
        let calendar = asked.calendar();
        if let Some(date) = self.date {
            let at = calendar.starts(date);
            line.at = jiff::Timestamp::from_millisecond(at).ok();
            line.age_s = Some(asked.until().as_millisecond().saturating_sub(at) / 1000);
        }
        let missing: Vec<&str> = [
            ("name", self.name.is_none()),
            ("date", self.date.is_none()),
            ("evidence", self.evidence.is_none()),
            ("version", self.version.is_none()),
            ("expires", self.expires.is_none()),
            ("decision", is_sign_off(&self.line) && self.decision == Decision::Pending),
        ]
        .into_iter()
        .filter_map(|(key, none)| none.then_some(key))
        .collect();
        let version = match asked.version() {
            Ok(version) => version,
            Err(why) => return line.lacks(format!("of which version? {why}"), "name the version"),
        };
        if let Some(own) = self.version.as_ref().filter(|own| *own != version) {
            return line.lacks(format!("attested for {own}; this is {version}"), format!("attest it for {version}"));
        }
        let (Some(name), Some(date), Some(evidence), Some(expires), []) =
            (&self.name, self.date, &self.evidence, self.expires, missing.as_slice())
        else {
            return line.lacks(format!("{PENDING}: {}", missing.join(", ")), "fill in what is pending");
        };
        if date > calendar.last() {
            return line.lacks(format!("dated {date}, which is in the future"), "attest it on the day it is so");
        }
        if expires < calendar.last() {
            return line
                .lacks(format!("expired: it held through {expires}"), "see that it is still so, and attest it anew");
        }
        let Some(link) = Link::of(evidence, folder, own) else {
            let why = format!("its evidence `{evidence}` is no link, and no such file with something in it is there");
            return line.lacks(why, "link what shows it");
        };
        if let Some(why) = link.against(date, asked) {
            return line.lacks(format!("its evidence `{evidence}` shows it not: {why}"), "link what shows it");
        }
        if self.decision == Decision::Hold {
            return line.says(Verdict::Breached, format!("HOLD by {name} on {date}"));
        }
        line.says(Verdict::Met, format!("attested on {date}"))
    }
}
