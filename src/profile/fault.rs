//! One `[[fault]]` of a profile. The keys that all faults share are read here; the rest are the fault's own, and go to
//! its row.

use super::matching::MatchFile;
use super::words;
use crate::fault::rule::{Rule, Scope};
use crate::fault::{FAULTS, Fault, Kind, Leg};
use crate::source::{Problem, Source, in_plain_words};
use crate::table::{Row, did_you_mean, find};
use crate::unit::Share;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::{Spanned, Value};

/// The keys that every fault may have.
const SHARED: [&str; 8] = ["do", "id", "leg", "match", "probability", "times", "scope", "armed"];

/// A fault as the file has it. Not derived: whatever is no shared key is the fault's own, and keeps its place.
#[derive(Default)]
pub(super) struct FaultFile {
    kind: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    leg: Leg,
    when: Option<MatchFile>,
    probability: Option<Spanned<Share>>,
    times: Option<Spanned<i64>>,
    scope: Scope,
    armed: Option<bool>,
    own: Vec<(Spanned<String>, Spanned<Value>)>,
}

impl<'de> Deserialize<'de> for FaultFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = FaultFile;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table: [[fault]] with `do = ...`")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<FaultFile, M::Error> {
                let mut file = FaultFile::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.get_ref().as_str() {
                        "do" => file.kind = Some(map.next_value()?),
                        "id" => file.id = Some(map.next_value()?),
                        "leg" => file.leg = map.next_value()?,
                        "match" => file.when = Some(map.next_value()?),
                        "probability" => file.probability = Some(map.next_value()?),
                        "times" => file.times = Some(map.next_value()?),
                        "scope" => file.scope = map.next_value()?,
                        "armed" => file.armed = Some(map.next_value()?),
                        _ => file.own.push((key, map.next_value()?)),
                    }
                }
                // Keys come sorted by name; people read them as they stand.
                file.own.sort_by_key(|(key, _)| key.span().start);
                if file.kind.is_some() { Ok(file) } else { Err(M::Error::missing_field("do")) }
            }
        }
        from.deserialize_map(Keys)
    }
}

impl FaultFile {
    fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |k| k.get_ref())
    }

    /// Its name within the profile.
    pub(super) fn id(&self) -> &str {
        self.id.as_ref().map_or(self.kind(), |id| id.get_ref())
    }

    /// Where its name stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.id.as_ref().or(self.kind.as_ref()).map_or(0..0, Spanned::span)
    }

    /// The step that it is for, if it names one.
    pub(super) fn step(&self) -> Option<&Spanned<String>> {
        self.when.as_ref()?.step()
    }

    /// The rule it makes, and the rule in words.
    pub(super) fn rule(&self, source: &Source, problems: &mut Vec<Problem>) -> Option<(Rule, String)> {
        let before = problems.len();
        let probability = self.probability(problems);
        let times = self.times(problems);
        let when = self.when.as_ref().map(|m| m.when(problems)).unwrap_or_default();
        let Some(kind) = find(FAULTS, self.kind()) else {
            let what = format!("unknown fault `{}`", self.kind());
            let help = did_you_mean(self.kind(), FAULTS.iter().map(Row::name));
            problems.push(Problem::at(self.kind.as_ref().map_or(0..0, Spanned::span), what, help));
            return None;
        };
        let fault = self.fault(kind, source, problems)?;
        if fault.link().is_some() {
            self.check_link(problems);
        }
        if problems.len() > before {
            return None;
        }
        let (leg, scope, armed) = (self.leg, self.scope, self.armed.unwrap_or(true));
        let (id, kind) = (self.id().to_owned(), kind.name());
        let rule = Rule { id, kind, leg, when, probability, times, scope, armed, fault };
        let own = self.own.iter().map(|(key, value)| format!("{} = {}", key.get_ref(), value.get_ref()));
        let says = words::rule(&rule, &own.collect::<Vec<_>>().join(", "));
        Some((rule, says))
    }

    fn fault(&self, kind: &Kind, source: &Source, problems: &mut Vec<Problem>) -> Option<Arc<dyn Fault>> {
        let mut own = toml::Table::new();
        for (key, value) in &self.own {
            let value = match file(value.get_ref()) {
                Some(name) => Value::String(text(source, name, value, problems)?),
                None => value.get_ref().clone(),
            };
            own.insert(key.get_ref().clone(), value);
        }
        (kind.make)(own).map_err(|e| problems.push(self.own_problem(kind, source, &e))).ok()
    }

    /// The problem its row found in its own keys, put where it is. A row sees no places, only names.
    fn own_problem(&self, kind: &Kind, source: &Source, e: &toml::de::Error) -> Problem {
        let (name, message) = (kind.name(), e.message());
        let example = match kind.example {
            "" => format!("`{name}` has no keys of its own"),
            // A row gives them as lines.
            keys => format!("for instance do = \"{name}\", {}", keys.replace('\n', ", ")),
        };
        let own = |wanted: &str| self.own.iter().find(|(key, _)| key.get_ref() == wanted);
        let mut quoted = message.split('`').skip(1).step_by(2);
        let named = quoted.next().unwrap_or_default();
        if message.starts_with("unknown field") {
            let near = did_you_mean(named, quoted.chain(SHARED));
            let help = if near.ends_with('?') { near } else { example };
            let span = own(named).map_or(self.span(), |(key, _)| key.span());
            let slip = source.below::<super::File>(span.start);
            return slip.unwrap_or_else(|| Problem::at(span, format!("`{name}` has no key `{named}`"), help));
        }
        let span = self.kind.as_ref().map_or(0..0, Spanned::span);
        if message.starts_with("missing field") {
            return Problem::at(span, format!("`{name}` needs `{named}`"), example);
        }
        // The first line is the message; the path of the value comes last: "in `down`". What is wrong with several keys
        // together has none, but quotes a key or its value.
        let shown = e.to_string();
        let path = shown.lines().last().and_then(|l| l.strip_prefix("in `")?.strip_suffix('`'));
        let worth = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned) == named;
        let found = path
            .and_then(|path| own(path.split('.').next().unwrap_or(path)))
            .or_else(|| own(named))
            .or_else(|| self.own.iter().find(|(_, value)| worth(value.get_ref())));
        Problem::at(found.map_or(span, |(_, value)| value.span()), in_plain_words(message), example)
    }

    fn probability(&self, problems: &mut Vec<Problem>) -> f64 {
        self.probability.as_ref().map_or(1.0, |p| {
            if p.get_ref().0 <= 0.0 {
                let help = "write a share such as \"50 %\", or remove the fault";
                problems.push(Problem::at(p.span(), "a fault that never happens", help));
            }
            p.get_ref().0
        })
    }

    fn times(&self, problems: &mut Vec<Problem>) -> Option<u64> {
        self.times.as_ref().map(|times| {
            if *times.get_ref() < 1 {
                let help = "write 1 or more, or remove the fault";
                problems.push(Problem::at(times.span(), "a fault that never happens", help));
            }
            times.get_ref().unsigned_abs()
        })
    }

    /// A link is one thing for the whole play: what could be asked of a request, or at a time, would never be asked of it,
    /// and nobody would know why.
    fn check_link(&self, problems: &mut Vec<Problem>) {
        let matching = self.when.iter().flat_map(MatchFile::given);
        let probability = self.probability.as_ref().map(|p| ("probability", p.span()));
        let times = self.times.as_ref().map(|t| ("times", t.span()));
        for (key, span) in matching.chain(probability).chain(times) {
            let what = format!("`{}` is about the whole link and the whole play: it has no `{key}`", self.kind());
            let help = "remove it; `outage` breaks the link for a while, `ttfb` and `trickle` slow single requests";
            problems.push(Problem::at(span, what, help));
        }
    }
}

/// A value that stands in a file of its own: `{ file = "lte.down" }`.
fn file(value: &Value) -> Option<&str> {
    value.as_table().filter(|t| t.len() == 1)?.get("file")?.as_str()
}

/// What such a file beside the profile says.
fn text(source: &Source, name: &str, at: &Spanned<Value>, problems: &mut Vec<Problem>) -> Option<String> {
    let path = source.path.parent().unwrap_or(Path::new("")).join(name);
    let read = std::fs::read_to_string(&path);
    let help = "give a text file by its path from this one";
    read.map_err(|e| problems.push(Problem::at(at.span(), format!("{}: {e}", path.display()), help))).ok()
}
