//! Floor 3. The quarantine: failures that are known, each with a reason, an owner and the last day on which it is borne.
//! What is quarantined is played, recorded and shown as ever, and its samples count; only a plan that is judged to `refute`
//! does not fail by it.

use crate::browser::Kind;
use crate::error::Result;
use crate::source::{Problem, Source, names};
use crate::table::did_you_mean;
use jiff::civil::Date;
use jiff::{Span, Unit};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::Spanned;

/// The most days from `since` to `until`: what takes longer to mend is a decision to be taken anew.
pub const MOST_DAYS: i32 = 30;

/// A quarantine file, checked.
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    /// What the file answers.
    pub question: String,
    /// What is in it, in the file's order.
    pub entries: Vec<Entry>,
}

/// A known failure: of which plays, why, whose, until when. As files and events write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The journey's name.
    pub journey: String,
    /// Only in this browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<Kind>,
    /// Only under this profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Only of this app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Why it fails.
    pub reason: String,
    /// Who mends it.
    pub owner: String,
    /// Where that is followed, an http or https address.
    pub link: String,
    /// Its first day, UTC.
    pub since: Date,
    /// Its last day, UTC.
    pub until: Date,
    /// Days that it is over; 0: it is not.
    #[serde(default)]
    pub expired_days: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
    quarantine: Vec<EntryFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFile {
    journey: Spanned<String>,
    browser: Option<Kind>,
    profile: Option<Spanned<String>>,
    app: Option<Spanned<String>>,
    reason: Spanned<String>,
    owner: Spanned<String>,
    link: Spanned<String>,
    since: Spanned<String>,
    until: Spanned<String>,
}

/// What exists besides what lies beside the file and what ships.
#[derive(Default)]
pub struct Known<'k> {
    /// Journeys of the plan that is read, by name.
    pub journeys: &'k [&'k str],
    /// Its profiles.
    pub profiles: &'k [&'k str],
    /// Its app.
    pub app: Option<&'k str>,
}

impl Quarantine {
    /// Reads and checks a quarantine file.
    pub fn read(source: &Source, known: &Known) -> Result<Self> {
        let file: File = source.parse()?;
        let mut problems = Vec::new();
        let entries = file.quarantine.into_iter().filter_map(|e| e.check(source, known, &mut problems)).collect();
        match problems.is_empty() {
            true => Ok(Self { question: file.question, entries }),
            false => Err(source.error(&problems)),
        }
    }

    /// As it stands on a day (UTC): what is over says by how many days.
    pub fn on(&self, day: Date) -> Self {
        let on = |entry: &Entry| Entry { expired_days: days(entry.until, day).max(0), ..entry.clone() };
        Self { entries: self.entries.iter().map(on).collect(), ..self.clone() }
    }

    /// What bears with a failure of this play on this day, if anything does.
    pub fn bears(&self, app: &str, journey: &str, browser: Kind, profile: &str, day: Date) -> Option<&Entry> {
        let fits = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|wanted| wanted == own);
        self.entries.iter().find(|e| {
            (e.since..=e.until).contains(&day)
                && e.journey == journey
                && e.browser.is_none_or(|wanted| wanted == browser)
                && fits(&e.profile, profile)
                && fits(&e.app, app)
        })
    }
}

impl Entry {
    /// Which plays it is about.
    pub fn plays(&self) -> String {
        let mut words = self.journey.clone();
        let browser = self.browser.map(|b| b.name().to_owned());
        for (before, own) in [(" in ", &browser), (" on ", &self.profile), (" of ", &self.app)] {
            if let Some(own) = own {
                words += &format!("{before}{own}");
            }
        }
        words
    }

    /// The badge of a play that it bears with.
    pub fn badge(&self) -> String {
        format!("quarantined until {}, owner {}: {} ({})", self.until, self.owner, self.reason, self.link)
    }

    /// What is said of one that is over; `None`: it is not.
    pub fn expired(&self) -> Option<String> {
        let days = match self.expired_days {
            0 => return None,
            1 => "1 day".to_owned(),
            n => format!("{n} days"),
        };
        let (plays, owner, reason) = (self.plays(), &self.owner, &self.reason);
        Some(format!("quarantine expired {days} ago: {plays}, owner {owner}: {reason}; remove it or mend it"))
    }

    /// The whole of it in words.
    pub fn words(&self) -> String {
        let Self { since, until, owner, reason, link, .. } = self;
        let words = format!("{}: from {since} until {until}, owner {owner}: {reason} ({link})", self.plays());
        match self.expired_days {
            0 => words,
            n => format!("{words}; expired {n} d ago, so it has no effect: remove it or mend it"),
        }
    }
}

/// Today, UTC.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Days from one to the other.
fn days(from: Date, to: Date) -> i32 {
    from.until((Unit::Day, to)).map_or(0, |span: Span| span.get_days())
}

impl EntryFile {
    fn check(self, source: &Source, known: &Known, problems: &mut Vec<Problem>) -> Option<Entry> {
        let before = problems.len();
        let mut there = |said: &Spanned<String>, own: &[&str], folder: &str, key: &str| {
            let name = said.get_ref();
            if own.contains(&name.as_str()) || source.beside(name, folder).is_ok() {
                return;
            }
            let shipped = names(folder);
            let near = did_you_mean(name, own.iter().copied().chain(shipped.iter().map(String::as_str)));
            let stop = if near.ends_with('?') { "" } else { "." };
            let help = format!("{near}{stop} What is gone needs no quarantine: remove it");
            problems.push(Problem::at(said.span(), format!("no {key} `{name}`"), help));
        };
        there(&self.journey, known.journeys, "journeys", "journey");
        if let Some(profile) = &self.profile {
            there(profile, known.profiles, "proxies", "profile");
        }
        if let Some(app) = &self.app {
            there(app, known.app.as_slice(), "journeys/apps", "app");
        }
        for (text, key, help) in [
            (&self.reason, "reason", "say in a sentence why it fails"),
            (&self.owner, "owner", "name who mends it: a person or a team"),
        ] {
            if text.get_ref().trim().is_empty() {
                problems.push(Problem::at(text.span(), format!("`{key}` says nothing"), help));
            }
        }
        let web = url::Url::parse(self.link.get_ref()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !web {
            let help = "write the address where it is followed, such as \"https://issues.example/42\"";
            problems.push(Problem::at(self.link.span(), "`link` is no web address", help));
        }
        let mut date = |said: &Spanned<String>| {
            let read = said.get_ref().parse::<Date>();
            let what = format!("`{}` is no date", said.get_ref());
            read.map_err(|_| problems.push(Problem::at(said.span(), what, "write year, month and day: \"2026-12-24\"")))
        };
        let (since, until) = (date(&self.since), date(&self.until));
        let (Ok(since), Ok(until)) = (since, until) else { return None };
        match days(since, until) {
            n if n < 0 => {
                let help = "`until` is its last day: write one on or after `since`";
                problems.push(Problem::at(self.until.span(), "it ends before it begins", help));
            }
            n if n > MOST_DAYS => {
                let what = format!("{n} days are too long: a quarantine lasts at most {MOST_DAYS}");
                let help = format!("write {} or earlier; then mend it, or decide anew", last(since));
                problems.push(Problem::at(self.until.span(), what, help));
            }
            _ => {}
        }
        (problems.len() == before).then(|| Entry {
            journey: stem(self.journey.into_inner()),
            browser: self.browser,
            profile: self.profile.map(Spanned::into_inner),
            app: self.app.map(|app| stem(app.into_inner())),
            reason: self.reason.into_inner(),
            owner: self.owner.into_inner(),
            link: self.link.into_inner(),
            since,
            until,
            expired_days: 0,
        })
    }
}

/// A journey or an app that is named by its path is called by its stem, as plans call it.
fn stem(name: String) -> String {
    Path::new(&name).file_stem().map_or(name.clone(), |stem| stem.to_string_lossy().into_owned())
}

fn last(since: Date) -> Date {
    since.checked_add(Span::new().days(MOST_DAYS)).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn of(text: &str) -> Quarantine {
        let source = Source { path: "quarantine.toml".into(), text: format!("question = \"?\"\n{text}") };
        Quarantine::read(&source, &Known::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    const ENTRY: &str = "[[quarantine]]\njourney = \"video\"\nbrowser = \"firefox\"\nreason = \"it hangs\"\nowner = \"ann\"\n\
                         link = \"https://issues.example/42\"\nsince = \"2026-11-24\"\nuntil = \"2026-12-24\"\n";

    #[test]
    fn it_bears_from_its_first_day_to_its_last_and_only_what_it_names() {
        let quarantine = of(ENTRY);
        let bears = |browser, profile, day| quarantine.bears("stage", "video", browser, profile, day).is_some();
        for (day, wanted) in [
            (date(2026, 11, 23), false),
            (date(2026, 11, 24), true),
            (date(2026, 12, 24), true),
            (date(2026, 12, 25), false),
        ] {
            assert_eq!(bears(Kind::Firefox, "clean", day), wanted, "{day}");
        }
        let day = date(2026, 12, 1);
        assert!(bears(Kind::Firefox, "bad-wifi", day) && !bears(Kind::Chromium, "clean", day));
        assert!(quarantine.bears("stage", "watch", Kind::Firefox, "clean", day).is_none());
        let narrow = of(&format!("{ENTRY}profile = \"bad-wifi\"\napp = \"stage\"\n"));
        let bears = |app, profile| narrow.bears(app, "video", Kind::Firefox, profile, day).is_some();
        assert!(bears("stage", "bad-wifi") && !bears("stage", "clean") && !bears("other", "bad-wifi"));
    }

    #[test]
    fn one_that_is_over_says_since_when() {
        let said = |day| of(ENTRY).on(day).entries[0].expired();
        assert_eq!(said(date(2026, 12, 24)), None);
        let wanted = "quarantine expired 3 days ago: video in firefox, owner ann: it hangs; remove it or mend it";
        assert_eq!(said(date(2026, 12, 27)).as_deref(), Some(wanted));
        assert!(said(date(2026, 12, 25)).is_some_and(|said| said.contains("expired 1 day ago")));
    }
}
