//! Floor 0. Secrets: files name them only as `env:NAME`, and what they stand for never reaches an event or a report.

use crate::error::{Error, Result};
use base64::Engine as _;
use memchr::{memchr_iter, memchr2, memmem};
use serde_json::Value;
use std::sync::{Arc, LazyLock, RwLock};

const HIDDEN: &str = "[redacted]";
/// Shorter secrets are not searched for: `a` would black out every text.
const SHORTEST: usize = 4;
/// Query parameters whose values are nobody's business.
const QUERY: [&str; 10] =
    ["token", "access_token", "id_token", "key", "api_key", "apikey", "password", "secret", "signature", "sig"];

/// What a JWT begins with. Made once: to make it takes longer than to look for it.
static JWT: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("eyJ"));

/// The values to hide. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<RwLock<Vec<String>>>);

impl Secrets {
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

    /// Remembers a value, as it is and as URLs, forms and headers encode it.
    pub fn add(&self, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let percent = form.replace('+', "%20");
        let json = Value::from(value).to_string().trim_matches('"').to_owned();
        let engines =
            [&base64::engine::general_purpose::STANDARD_NO_PAD, &base64::engine::general_purpose::URL_SAFE_NO_PAD];
        let encoded = engines.map(|e| e.encode(value));
        let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
        if let Ok(mut known) = self.0.write() {
            known.extend([value.to_owned(), form, percent, json, hex]);
            known.extend(encoded);
            known.sort_by_key(|k| std::cmp::Reverse(k.len()));
            known.dedup();
        }
    }

    /// The text without secrets: the known ones, bearer tokens, JWTs, e-mail addresses, and URL credentials.
    pub fn hide(&self, text: &str) -> String {
        let mut out = text.to_owned();
        if let Ok(known) = self.0.read() {
            for secret in known.iter() {
                if out.contains(secret.as_str()) {
                    out = out.replace(secret.as_str(), HIDDEN);
                }
            }
        }
        if out.contains("eyJ")
            || out.contains('@')
            || out.contains("://")
            || out.to_ascii_lowercase().contains("bearer ")
        {
            out = hide_shapes(&out);
        }
        out
    }

    /// Whether there may be something to hide in a text. It says no only where [`Secrets::hide`] would find nothing.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        let is_in = |secret: &String| memmem::find(text, secret.as_bytes()).is_some();
        let known = self.0.read().map_or(true, |known| known.iter().any(is_in));
        let bearer = |at: usize| at >= 6 && text[at - 6..at].eq_ignore_ascii_case(b"bearer");
        // An e-mail address or a URL's credentials; a URL's query; a JWT; a bearer token.
        known || memchr2(b'@', b'?', text).is_some() || JWT.find(text).is_some() || memchr_iter(b' ', text).any(bearer)
    }

    /// Hides secrets in every string of a value.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|v| self.hide_in(v)),
            Value::Object(map) => map.values_mut().for_each(|v| self.hide_in(v)),
            _ => {}
        }
    }
}

/// Hides what looks like a secret whoever's it is.
fn hide_shapes(text: &str) -> String {
    let mut after_bearer = false;
    let ends = |c: char| c.is_whitespace() || "\"'<>(),;".contains(c);
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let word = piece.trim_end_matches(ends);
        let jwt = word.find("eyJ").filter(|at| word[*at..].matches('.').count() == 2 && word.len() - at > 20);
        let shown = if after_bearer && word.len() >= SHORTEST {
            HIDDEN.to_owned()
        } else if let Some(at) = jwt {
            format!("{}{HIDDEN}", &word[..at])
        } else if word.contains("://") {
            hide_in_url(word)
        } else if is_email(word) {
            HIDDEN.to_owned()
        } else {
            word.to_owned()
        };
        after_bearer = word.eq_ignore_ascii_case("bearer");
        out.push_str(&shown);
        out.push_str(&piece[word.len()..]);
    }
    out
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && host.contains('.')
            && host.chars().all(|c| c.is_alphanumeric() || ".-".contains(c))
            && name.chars().all(|c| c.is_alphanumeric() || "._%+-".contains(c))
    })
}

fn hide_in_url(word: &str) -> String {
    let Some(at) = word.find("://") else { return word.to_owned() };
    let start = word[..at].trim_end_matches(char::is_alphanumeric).len();
    let Ok(mut url) = url::Url::parse(&word[start..]) else { return word.to_owned() };
    let secret = |key: &str| QUERY.contains(&key.to_ascii_lowercase().as_str());
    if url.password().is_none() && !url.query_pairs().any(|(k, _)| secret(&k)) {
        return word.to_owned();
    }
    let _ = url.set_password(None); // a URL that cannot have one has none to hide
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(k, v)| (k.to_string(), if secret(&k) { HIDDEN.to_owned() } else { v.to_string() }))
        .collect();
    if !pairs.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    format!("{}{url}", &word[..start])
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

    #[test]
    fn what_looks_like_a_secret_is_hidden_and_the_rest_is_not() {
        let s = Secrets::default();
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123";
        assert_eq!(s.hide(&format!("got {jwt}!")), format!("got {HIDDEN}"));
        assert_eq!(s.hide("Authorization: Bearer abcdef, ok"), format!("Authorization: Bearer {HIDDEN}, ok"));
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
