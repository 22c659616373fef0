//! Floor 0. Secrets: files name them only as `env:NAME`, and what they stand for never reaches an event or a report. Nor does
//! what looks like a secret, whoever's it is; what the wire shows to be one is remembered for the rest of the run.

mod forms;
mod shapes;

use crate::error::{Error, Result};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde_json::Value;
use std::sync::{Arc, LazyLock, RwLock};

const HIDDEN: &str = "[redacted]";
/// Shorter secrets are not searched for: `a` would black out every text.
const SHORTEST: usize = 4;
/// What the wire shows is remembered from this length on, and so many of it: an app may set a cookie with every answer.
const LEARNT_SHORTEST: usize = 8;
const LEARNT: usize = 256;

static PROCESS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

/// The values to hide. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    values: Vec<String>,
    learnt: usize,
    /// In every encoding, whatever the case of its letters.
    finder: Option<AhoCorasick>,
}

impl Secrets {
    /// The list of this process: what a command resolves is hidden in its own diagnostics too.
    pub fn of_process() -> Self {
        PROCESS.clone()
    }

    /// The text a file means: `env:NAME` is looked up and remembered as secret, anything else is itself.
    pub fn resolve(&self, text: &str) -> Result<String> {
        let Some(name) = text.strip_prefix("env:") else { return Ok(text.to_owned()) };
        let value = std::env::var(name).ok().filter(|v| !v.is_empty()).ok_or_else(|| {
            Error::author(format!("the environment variable {name} is not set"))
                .remedy(format!("export {name}=... before the run, or change `env:{name}`"))
        })?;
        self.add(&value);
        Ok(value)
    }

    /// Remembers a value, as it is and as URLs, forms, headers and pages encode it.
    pub fn add(&self, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        if let Ok(mut known) = self.0.write()
            && !known.values.iter().any(|v| v == value)
        {
            known.values.push(value.to_owned());
            let all = known.values.iter().flat_map(|v| forms::of(v));
            // The longest where one is in the other. There cannot be too many for one automaton.
            let finder = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .match_kind(MatchKind::LeftmostLongest)
                .ascii_case_insensitive(true)
                .build(all.collect::<Vec<_>>());
            known.finder = finder.ok();
        }
    }

    /// Remembers what the wire shows to be secret: the value of a cookie for the server alone, credentials that a request has.
    pub fn learn(&self, value: &str) {
        let room = self.0.read().is_ok_and(|k| k.learnt < LEARNT && !k.values.iter().any(|v| v == value));
        if value.len() >= LEARNT_SHORTEST && room {
            self.add(value);
            if let Ok(mut known) = self.0.write() {
                known.learnt += 1;
            }
        }
    }

    /// Remembers the value that a `Set-Cookie` sets, unless it may be a plain word: one that scripts may read, under a name
    /// that tells nothing.
    pub fn learn_cookie(&self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let Some((name, value)) = pair.split_once('=') else { return };
        let value = value.trim().trim_matches('"');
        let for_server = attributes.split(';').any(|a| a.trim().eq_ignore_ascii_case("httponly"));
        if for_server || shapes::is_telling(name.trim()) || name.to_ascii_lowercase().contains("sess") {
            self.learn(value);
        }
    }

    /// Remembers the credentials of an `Authorization`.
    pub fn learn_authorization(&self, value: &str) {
        self.learn(value.split_once(' ').map_or(value, |(_, credentials)| credentials).trim());
    }

    /// The text without secrets: the known ones, and what looks like one.
    pub fn hide(&self, text: &str) -> String {
        let known = self.0.read().ok().and_then(|known| {
            let finder = known.finder.as_ref().filter(|f| f.is_match(text))?;
            let mut out = String::with_capacity(text.len());
            finder.replace_all_with(text, &mut out, |_, _, out| {
                out.push_str(HIDDEN);
                true
            });
            Some(out)
        });
        let out = known.unwrap_or_else(|| text.to_owned());
        if shapes::may_be_in(out.as_bytes()) { shapes::hide(&out) } else { out }
    }

    /// Whether there may be something to hide in a text. It says no only where [`Secrets::hide`] would find nothing.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        let known = self.0.read().map_or(true, |known| known.finder.as_ref().is_some_and(|f| f.is_match(text)));
        known || shapes::may_be_in(text)
    }

    /// Hides secrets in every string of a value, and every string under a name that tells of one.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|v| self.hide_in(v)),
            Value::Object(map) => map.iter_mut().for_each(|(name, v)| match v {
                // Telemetry names its session, which opens nothing.
                Value::String(text) if text.len() >= SHORTEST && shapes::is_telling(name) && !names_session(name) => {
                    HIDDEN.clone_into(text);
                }
                _ => self.hide_in(v),
            }),
            _ => {}
        }
    }
}

fn names_session(name: &str) -> bool {
    name.to_ascii_lowercase().replace(['-', '_'], "") == "sessionid"
}

#[cfg(test)]
mod tests;
