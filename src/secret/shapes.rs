//! What looks like a secret whoever's it is: a value behind a telling name, a token of a known form, an address.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use std::sync::LazyLock;

use super::{HIDDEN, SHORTEST};

/// A name that has one of these in it, without its `-`, `_` and `.`, names a secret.
const TELLING: [&str; 16] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "sessionid",
    "sessid",
    "authorization",
    "signature",
    "csrf",
    "xsrf",
    "jwt",
];
/// Names that are one as a whole.
const WHOLE: [&str; 7] = ["pwd", "pass", "cookie", "setcookie", "sid", "auth", "otp"];
/// Names that are one in the query of a URL, if their value is no short word.
const QUERY: [&str; 6] = ["key", "sig", "code", "session", "ticket", "state"];
const QUERY_SHORTEST: usize = 8;
/// What tokens of well-known makers begin with.
const MAKERS: [&str; 14] = [
    "sk_live_",
    "sk_test_",
    "sk-",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "AIza",
    "npm_",
];
const MAKERS_SHORTEST: usize = 16;

/// An `@`, as it is and encoded.
const AT: [&str; 5] = ["@", "%40", "&#64;", "&#x40;", "\\u0040"];

/// Without one of these in it a text holds nothing that looks like a secret. Made once.
static SIGNS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let signs = ["eyJ", "bearer", "basic", "sid", "pwd", "pass", "cookie", "auth", "otp", "sess"];
    let query = ["key", "sig", "code", "ticket", "state=", "state%3d", "cred"];
    let all = signs.iter().chain(&query).chain(&AT).chain(&TELLING).chain(&MAKERS);
    AhoCorasick::builder().ascii_case_insensitive(true).build(all).ok()
});

/// Whether there may be one in a text. It says no only where [`hide`] would find nothing.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    // Signs that cannot be looked for may be there.
    SIGNS.as_ref().is_none_or(|signs| signs.is_match(text))
}

/// The text without them.
pub(super) fn hide(text: &str) -> String {
    let mut out = pairs(text);
    for find in [user_info, address, jwt, scheme, maker] {
        out = without(&out, find);
    }
    out
}

/// Whether a value of this name is a secret, wherever it stands.
pub(super) fn is_telling(name: &str) -> bool {
    // Of `user.password` the last part tells, and of `token.js` it tells a file.
    let bare = bare(name.rsplit('.').next().unwrap_or(name));
    // `tokens` are counted.
    !bare.ends_with("tokens") && (WHOLE.contains(&bare.as_str()) || TELLING.iter().any(|t| bare.contains(t)))
}

fn bare(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.' | '[' | ']')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Replaces what `find` finds, from left to right: where it begins and ends in the rest of the text.
fn without(text: &str, find: fn(&str) -> Option<(usize, usize)>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((from, to)) = find(rest).filter(|(from, to)| from < to) {
        out.push_str(&rest[..from]);
        out.push_str(HIDDEN);
        rest = &rest[to..];
    }
    out + rest
}

/// Hides the values of telling names: `name=value`, `name: value`, `"name":"value"`, also as URLs encode them.
fn pairs(text: &str) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    let mut at = 0;
    while let Some((sign, len)) = separator(text, at) {
        at = sign + len;
        let Some(name) = name_before(&text[..sign]) else { continue };
        let Some((from, to)) = value_after(text, at, &name) else { continue };
        if from < done || text[from..to].starts_with(HIDDEN) {
            continue;
        }
        out.push_str(&text[done..from]);
        out.push_str(HIDDEN);
        (done, at) = (to, to);
    }
    out.push_str(&text[done..]);
    out
}

/// The next `=` or `:` from here, plain or encoded, and its length.
fn separator(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    (from..bytes.len()).find_map(|at| match bytes[at] {
        b'=' | b':' => Some((at, 1)),
        b'%' if bytes[at..].len() > 2 && matches!(&bytes[at + 1..at + 3], b"3d" | b"3D" | b"3a" | b"3A") => {
            Some((at, 3))
        }
        _ => None,
    })
}

/// What a separator follows.
struct Name {
    telling: bool,
    /// It stands in a query, and is a secret only there.
    in_query: bool,
    /// A header's, whose value goes on to the line's end.
    header: bool,
}

/// Quotes that a name or a value may stand in, the longest first.
const QUOTES: [&str; 8] = ["\\u0022", "&quot;", "&#x22;", "&#34;", "\\\"", "%22", "\"", "'"];

fn name_before(before: &str) -> Option<Name> {
    let mut before = before.trim_end_matches(' ');
    if let Some(quote) = QUOTES.iter().find(|q| before.ends_with(**q)) {
        before = &before[..before.len() - quote.len()];
    }
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '[' | ']');
    let start = before.rfind(|c| !part(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let mut name = &before[start..];
    // What is encoded before a name leaves its digits on it: `%26token`, `%3Ftoken`.
    let encoded = before[..start].ends_with('%') && name.len() > 2 && name.is_char_boundary(2);
    let sign = if encoded { &name[..2] } else { "" };
    if encoded {
        name = &name[2..];
    }
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let ahead = &before[..start];
    let query = ahead.ends_with(['?', '&', '#', ';'])
        || ahead.ends_with("\\u0026")
        || matches!(sign.to_ascii_lowercase().as_str(), "3f" | "26" | "23");
    let bare = bare(name);
    // A parser's complaint names no secret.
    let unexpected = ahead.trim_end().ends_with("nexpected");
    let telling = is_telling(name) && !unexpected;
    let in_query = query && QUERY.contains(&bare.as_str());
    let header = matches!(bare.as_str(), "cookie" | "setcookie" | "authorization" | "proxyauthorization");
    (telling || in_query).then_some(Name { telling, in_query, header })
}

/// Where the value behind a separator begins and ends, if it is one.
fn value_after(text: &str, at: usize, name: &Name) -> Option<(usize, usize)> {
    let spaces = |at: usize| at + text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
    let mut from = spaces(at);
    let quote = QUOTES.iter().find(|q| text[from..].starts_with(**q));
    from += quote.map_or(0, |q| q.len());
    let rest = &text[from..];
    let end = match quote {
        Some(quote) => rest.find(quote).unwrap_or(rest.len()),
        None if name.header => rest.find(['\r', '\n', '"', '\'', '<']).unwrap_or(rest.len()),
        None => {
            let plain = rest.find(|c: char| c.is_whitespace() || "&;,\"'<>()[]{}#|\\".contains(c));
            let encoded = ["%26", "%22", "%23", "%0A", "%0a", "%7D", "%7d", "%2C"];
            let encoded = encoded.iter().filter_map(|e| rest.find(e)).min();
            plain.into_iter().chain(encoded).min().unwrap_or(rest.len())
        }
    };
    let value = &rest[..end];
    let word = ["true", "false", "null", "undefined", "none"].iter().any(|w| value.eq_ignore_ascii_case(w));
    let least = if name.in_query && !name.telling { QUERY_SHORTEST } else { SHORTEST };
    (!word && value.len() >= least).then_some((from, from + end))
}

/// `user:password` of a URL.
fn user_info(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("://")? + 3;
        let end = text[start..].find(|c: char| c.is_whitespace() || "/?#\"'<>\\".contains(c));
        let authority = &text[start..end.map_or(text.len(), |end| start + end)];
        match authority.rfind('@') {
            Some(at) if &authority[..at] != HIDDEN => return Some((start, start + at)),
            _ => from = start,
        }
    }
}

/// An e-mail address, its `@` plain or encoded.
fn address(text: &str) -> Option<(usize, usize)> {
    let local = |c: char| c.is_alphanumeric() || "._+-".contains(c);
    let host = |c: char| c.is_alphanumeric() || ".-".contains(c);
    let mut from = 0;
    loop {
        let (at, sign) = AT.iter().filter_map(|sign| Some((from + text[from..].find(sign)?, sign.len()))).min()?;
        let name = text[from..at].len() - text[from..at].trim_end_matches(local).len();
        let rest = &text[at + sign..];
        let place = rest[..rest.find(|c| !host(c)).unwrap_or(rest.len())].trim_end_matches(['.', '-']);
        let named = place.rsplit_once('.').is_some_and(|(before, top)| {
            !before.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        });
        if name > 0 && named {
            return Some((at - name, at + sign + place.len()));
        }
        from = at + sign;
    }
}

/// A JSON Web Token: its parts begin as an object's base64 does.
fn jwt(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("eyJ")?;
        let token = run(&text[start..], |c| c.is_ascii_alphanumeric() || "._-=".contains(c));
        if token.len() > 20 && token.trim_end_matches('.').matches('.').count() >= 1 {
            return Some((start, start + token.len()));
        }
        from = start + 3;
    }
}

/// What follows `Bearer`, and what follows `Basic` where it is a name with a password.
fn scheme(text: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let after = |word: &str, from: usize| {
        let mut end = from + word.len();
        let rest = &text[end..];
        let gap = ["%20", "+", " ", ":", "="].iter().find(|g| rest.starts_with(**g))?;
        end += gap.len();
        end += text[end..].len() - text[end..].trim_start_matches([' ', '"', '\'']).len();
        let token = run(&text[end..], |c| c.is_ascii_alphanumeric() || "._-~+/=".contains(c));
        Some((end, token))
    };
    let bearer =
        lower.match_indices("bearer").filter_map(|(at, word)| after(word, at)).find(|(_, t)| t.len() >= SHORTEST);
    let credentials = |token: &str| {
        let engine = &base64::engine::general_purpose::STANDARD_NO_PAD;
        let decoded = engine.decode(token.trim_end_matches('=')).unwrap_or_default();
        decoded.contains(&b':') && decoded.iter().all(|b| *b >= b' ')
    };
    let basic = lower.match_indices("basic").filter_map(|(at, word)| after(word, at)).find(|(_, t)| credentials(t));
    let (from, token) = bearer.into_iter().chain(basic).min_by_key(|(from, _)| *from)?;
    Some((from, from + token.len()))
}

/// A token of a well-known maker.
fn maker(text: &str) -> Option<(usize, usize)> {
    let of = |maker: &&str| {
        text.match_indices(*maker).find_map(|(at, _)| {
            let alone = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let token = run(&text[at..], |c| c.is_ascii_alphanumeric() || "_-".contains(c));
            (alone && token.len() >= maker.len() + MAKERS_SHORTEST).then_some((at, at + token.len()))
        })
    };
    MAKERS.iter().filter_map(of).min()
}

/// The characters that it begins with and that fit.
fn run(text: &str, fits: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !fits(c)).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_behind_a_telling_name_is_hidden_however_it_is_written() {
        for (text, wanted) in [
            ("at /cb?x=1&token=abc9&y=2", "at /cb?x=1&token=[redacted]&y=2"),
            ("to=/cb%3Ftoken%3Dabc9%26y=2", "to=/cb%3Ftoken%3D[redacted]%26y=2"),
            ("wss://h/s?apiKey=abc9#access_token=def8&z", "wss://h/s?apiKey=[redacted]#access_token=[redacted]&z"),
            (r#"{"password":"hunter two","n":1}"#, r#"{"password":"[redacted]","n":1}"#),
            (r#"{\"client-secret\": \"s3cr\"}"#, r#"{\"client-secret\": \"[redacted]\"}"#),
            ("Cookie: sid=abc; theme=dark\nHost: h", "Cookie: [redacted]\nHost: h"),
            ("Authorization: Digest a=b, c=d", "Authorization: [redacted]"),
            ("&quot;x-auth-token&quot;:&quot;abc9&quot;", "&quot;x-auth-token&quot;:&quot;[redacted]&quot;"),
            ("&#x22;password&#x22;: &#x22;abc9&#x22;", "&#x22;password&#x22;: &#x22;[redacted]&#x22;"),
            ("/cb?code=abcdefgh&key=12345678", "/cb?code=[redacted]&key=[redacted]"),
            ("sid=abcd", "sid=[redacted]"),
        ] {
            assert_eq!(hide(text), wanted);
            assert!(may_be_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_only_looks_a_little_like_it_stays() {
        for text in [
            "SyntaxError: Unexpected token: punc",
            "tokens: 1500, key: ArrowRight, code=404, token=true",
            "the author: somebody, session: 12345678901",
            "/v.js?v=1:3:9 (@media) a@b jquery@3.7.1",
            "basic settings: done; eyJ is no token",
            "task-sk-1",
            "--> app-secret.toml:6:32, at http://h/token.js:12:5",
        ] {
            assert_eq!(hide(text), text);
        }
    }

    #[test]
    fn tokens_and_addresses_are_hidden_wherever_they_stand() {
        for (text, wanted) in [
            ("mailto:ann.b+c@example.org?x", "mailto:[redacted]?x"),
            ("u=ann%40example.org&z", "u=[redacted]&z"),
            ("ann\\u0040example.org, ann&#x40;example.org", "[redacted], [redacted]"),
            ("http://ann:hunter2@h:80/x http://tok@h", "http://[redacted]@h:80/x http://[redacted]@h"),
            ("Basic YW5uOmh1bnRlcjI= ok", "Basic [redacted] ok"),
            ("bearer%20abcd1234&x", "bearer%20[redacted]&x"),
            ("a ghp_0123456789abcdef0123 b", "a [redacted] b"),
            ("[eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123]", "[[redacted]]"),
        ] {
            assert_eq!(hide(text), wanted);
            assert!(may_be_in(text.as_bytes()), "{text}");
        }
    }
}
