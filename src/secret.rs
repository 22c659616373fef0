//! Floor 0. Secrets: files name them only as `env:NAME`, and what they stand for never reaches an event or a report. Nor does
//! what looks like a secret, whoever's it is; what the wire shows to be one is remembered for the rest of the run.

mod shapes;

use crate::error::{Error, Result};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;
use std::sync::{Arc, LazyLock, RwLock};

const HIDDEN: &str = "[redacted]";
/// Shorter secrets are not searched for: `a` would black out every text.
const SHORTEST: usize = 4;
/// What the wire shows is remembered from this length on, and so many of it: an app may set a cookie with every answer.
const LEARNT_SHORTEST: usize = 8;
const LEARNT: usize = 256;
/// An encoding within another has lost some letters at its ends; what is left must still be its own.
const CUT_SHORTEST: usize = 8;
/// A longer value is a document, which nobody encodes into a URL.
const DOCUMENT: usize = 1024;

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
            let all = known.values.iter().flat_map(|v| encodings(v));
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

/// Whether a value of this name is a secret.
pub fn is_told_by(name: &str) -> bool {
    shapes::is_telling(name)
}

/// What is wrong with how a file writes a secret, and what to do about it; `None`: it names a variable.
pub fn in_the_file(text: &str) -> Option<(&'static str, &'static str)> {
    let wrong = ("a secret stands in this file", "take it out, and name a variable: \"env:NAME\"");
    (!text.starts_with("env:")).then_some(wrong)
}

fn names_session(name: &str) -> bool {
    name.to_ascii_lowercase().replace(['-', '_'], "") == "sessionid"
}

/// A value as it may be written: as it is, percent-encoded, in JSON, in HTML, in hexadecimal, and in base64 wherever it begins
/// in what is encoded. The finder sees no difference of case, so each is there once.
fn encodings(value: &str) -> Vec<String> {
    let json = Value::from(value).to_string().trim_matches('"').to_owned();
    if value.len() > DOCUMENT {
        return vec![value.to_owned(), json];
    }
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let double = percent.replace('%', "%25");
    let path = percent.replace("%2F", "/");
    let in_json = Value::from(json.as_str()).to_string().trim_matches('"').to_owned();
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let html_quote = html.replace('\'', "&#39;");
    // As templates write what may not stand in a text.
    let html_number = value.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;");
    let html_number = html_number.replace('\'', "&#39;");
    let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
    let mut all =
        vec![value.to_owned(), form, percent, double, path, json, in_json, html, html_quote, html_number, hex];
    for before in 0..3 {
        let text = [&b"\0\0"[..before], value.as_bytes()].concat();
        // The letters at both ends hold bits of what stands around it.
        let from = (before * 8).div_ceil(6);
        let to = text.len() * 8 / 6;
        let encoded = STANDARD_NO_PAD.encode(&text);
        let whole = if before == 0 { encoded.as_str() } else { &encoded[from..to] };
        let within = &encoded[from..to];
        let least = if before == 0 { SHORTEST } else { CUT_SHORTEST };
        for part in [whole, within].into_iter().filter(|p| p.len() >= least) {
            all.extend([part.to_owned(), part.replace('+', "-").replace('/', "_")]);
            all.push(part.replace('+', "%2B").replace('/', "%2F"));
        }
    }
    all.retain(|e| e.len() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_encoding() {
        let secrets = Secrets::default();
        secrets.add("p@ss w\"rd");
        for shown in
            ["p@ss w\"rd", "p%40ss+w%22rd", "p%40ss%20w%22rd", "cEBzcyB3InJk", "704073732077227264", r#"p@ss w\"rd"#]
        {
            let hidden = secrets.hide(&format!("x {shown} y"));
            assert!(hidden.contains(HIDDEN) && !hidden.contains("ss"), "{shown} -> {hidden}");
        }
    }

    proptest::proptest! {
        /// Basic credentials are one: the value is in the middle of what is encoded.
        #[test]
        fn a_secret_is_hidden_wherever_it_begins_in_base64(before in "[a-z:]{0,7}", after in "[a-z:]{0,7}") {
            let secrets = Secrets::default();
            secrets.add("Zebra-1?quilt>");
            let url = &base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let text = format!("{before}Zebra-1?quilt>{after}");
            for encoded in [STANDARD_NO_PAD.encode(&text), url.encode(&text)] {
                let hidden = secrets.hide(&encoded);
                proptest::prop_assert!(hidden.contains(HIDDEN), "{encoded} -> {hidden}");
                proptest::prop_assert!(secrets.may_be_in(encoded.as_bytes()));
            }
        }
    }

    #[test]
    fn what_the_wire_shows_is_remembered_if_it_is_no_plain_word() {
        let secrets = Secrets::default();
        secrets.learn_cookie("a=quiet-forest-17; Path=/; HttpOnly");
        secrets.learn_cookie("theme=very-dark-theme; Path=/");
        secrets.learn_cookie("my_session=calm-river-99");
        secrets.learn_authorization("Custom loud-thunder-5");
        let hidden = secrets.hide("quiet-forest-17 very-dark-theme CALM-RIVER-99 loud-thunder-5");
        assert_eq!(hidden, format!("{HIDDEN} very-dark-theme {HIDDEN} {HIDDEN}"));
    }

    #[test]
    fn a_value_under_a_telling_name_is_hidden_in_what_an_app_says() {
        let mut said = serde_json::json!({ "app": { "authToken": "plain", "session_id": "s-1", "n": 1 } });
        Secrets::default().hide_in(&mut said);
        assert_eq!(said, serde_json::json!({ "app": { "authToken": HIDDEN, "session_id": "s-1", "n": 1 } }));
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden_and_the_rest_is_not() {
        let s = Secrets::default();
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123";
        assert_eq!(s.hide(&format!("got {jwt}!")), format!("got {HIDDEN}!"));
        assert_eq!(s.hide("sent Bearer abcdef, ok"), format!("sent Bearer {HIDDEN}, ok"));
        assert_eq!(s.hide("mail ann@example.org now"), format!("mail {HIDDEN} now"));
        assert!(!s.hide("at http://me:hunter2@h/x").contains("hunter2"));
        assert!(!s.hide("at http://h/x?a=1&token=abc9").contains("abc9"));
        let plain = "Error at http://h/p.js?v=1:3:9 (@media) a@b";
        assert_eq!(s.hide(plain), plain);
    }

    proptest::proptest! {
        /// Browsers quote URLs with whatever their language does.
        #[test]
        fn any_text_may_come(text in "[‘’“”«»é a-z@:/?=&.]{0,40}", url in "https?://[a-zé]{0,5}[‘’?=&@:a-z]{0,10}") {
            let hidden = Secrets::default().hide(&format!("{text}{url}{text}"));
            let quoted = Secrets::default().hide(&format!("‘http://h/?token=abc9’ {text}"));
            proptest::prop_assert!(!hidden.is_empty() && !quoted.contains("abc9"));
        }
    }

    #[test]
    fn a_missing_variable_is_the_authors_move() {
        let error = Secrets::default().resolve("env:SOUNDCHECK_SURELY_UNSET").expect_err("unset");
        assert_eq!(error.whose(), crate::error::Whose::Author);
    }
}
