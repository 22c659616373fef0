//! Where evidence is read: a file or an address. Both may hold `{version}`, `{commit}` and `{env:NAME}`.

mod json;

use super::context::Context;
use super::http::MOST;
use crate::secret::{Secrets, in_the_file};
use crate::source::Problem;
use jiff::Timestamp;
use serde_json::Value;
use std::io::Read as _;
use toml::Spanned;

/// What was read.
pub struct Found {
    /// All of it.
    pub text: String,
    /// Where, as it may be shown.
    pub link: String,
    /// Its address names the version or the commit, so it is of no other unless it says so.
    pub named: bool,
    /// The list goes on at another address.
    goes_on: bool,
    /// How many entries the whole list has, as the answer's head tells.
    total: u64,
    /// When it was read, or when the file was written.
    pub at: Timestamp,
    /// It was read from where it is kept up to date: it tells how things are now.
    pub live: bool,
}

/// Holds what a file says of a source against what one can be.
pub fn check(from: &Spanned<String>, token: Option<&Spanned<String>>, problems: &mut Vec<Problem>) {
    let text = from.get_ref();
    let mut wrong = |at: &Spanned<String>, what: String, help: &str| problems.push(Problem::at(at.span(), what, help));
    if text.trim().is_empty() {
        wrong(from, "nothing is named".to_owned(), "write a path relative to this file, or https://...");
    }
    let kind = text.split_once("://").map(|(kind, _)| kind).filter(|kind| !kind.contains('{'));
    if let Some(kind) = kind.filter(|kind| !matches!(*kind, "http" | "https")) {
        wrong(from, format!("nothing can be read by `{kind}:`"), "write a path relative to this file, or https://...");
    }
    for name in text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)) {
        if !matches!(name, "version" | "commit") && !name.starts_with("env:") {
            wrong(from, format!("nothing stands for `{{{name}}}`"), "write {version}, {commit} or {env:NAME}");
        }
    }
    let Some(token) = token else { return };
    if let Some((what, help)) = in_the_file(token.get_ref()) {
        wrong(token, what.to_owned(), help);
    }
    // Where a variable holds the host, it is known when it is read.
    let host = text.split('/').nth(2).unwrap_or_default();
    if !host.contains('{') && is_in_the_clear(&text.replace(['{', '}'], "")) {
        wrong(from, CLEAR.to_owned(), "write https://");
    }
}

const CLEAR: &str = "a token goes to nobody in the clear";

/// Plain HTTP to another machine, or to what cannot be told.
fn is_in_the_clear(address: &str) -> bool {
    if !address.starts_with("http://") {
        return false;
    }
    let host = url::Url::parse(address).ok().and_then(|url| Some(url.host_str()?.to_owned()));
    !host.is_some_and(|host| matches!(host.as_str(), "127.0.0.1" | "localhost" | "[::1]"))
}

/// The text of an environment variable, where `env:NAME` names one. It is no secret.
pub fn named(text: &str) -> Result<String, String> {
    let Some(name) = text.strip_prefix("env:") else { return Ok(text.to_owned()) };
    let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| format!("the environment variable {name} is not set"))
}

/// Reads a source; an error is the reason in words.
pub fn read(asked: &mut Context, from: &Spanned<String>, token: Option<&Spanned<String>>) -> Result<Found, String> {
    let template = from.get_ref();
    let address = fill(asked, template)?;
    let named = template.contains("{version}") || template.contains("{commit}");
    let link = asked.secrets().hide(&address);
    if is_url(&address) {
        if token.is_some() && is_in_the_clear(&address) {
            return Err(format!("{link}: {CLEAR}"));
        }
        let token = token.map(|t| Secrets::resolve(asked.secrets(), t.get_ref())).transpose();
        let token = token.map_err(|e| format!("{link}: {}", e.what()))?;
        let answer = asked.get(&address, token.as_deref()).map_err(|why| format!("{link}: {why}"))?;
        let at = Timestamp::now();
        // Sent on, it may be of any other: `/latest` instead of the commit.
        let (link, named) = match &answer.moved {
            Some(moved) => (asked.secrets().hide(moved), named && still_named(asked, template, moved)),
            None => (link, named),
        };
        return Ok(Found {
            text: answer.text,
            link,
            named,
            goes_on: answer.goes_on,
            total: answer.total,
            at,
            live: true,
        });
    }
    let path = asked.beside(&address);
    let say = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => format!("{link}: no such file"),
        _ => format!("{link}: {e}"),
    };
    let about = std::fs::metadata(&path).map_err(say)?;
    if !about.is_file() {
        // A pipe would be read for ever.
        return Err(format!("{link}: it is no file"));
    }
    let written = about.modified().map_err(say)?;
    let file = std::fs::File::open(&path).map_err(say)?;
    let mut text = String::new();
    file.take(MOST as u64 + 1).read_to_string(&mut text).map_err(say)?;
    if text.len() > MOST {
        return Err(format!("{link}: longer than {} MB", MOST / 1_000_000));
    }
    let at = Timestamp::try_from(written).map_err(|_| format!("{link}: the file's own time is none"))?;
    Ok(Found { text, link, named, goes_on: false, total: 0, at, live: false })
}

/// Whether an address still holds each of version and commit that the template names.
fn still_named(asked: &Context, template: &str, address: &str) -> bool {
    let all = [("{version}", asked.version()), ("{commit}", asked.commit())];
    all.into_iter().filter(|(name, _)| template.contains(name)).all(|(_, own)| own.is_ok_and(|own| holds(address, own)))
}

/// Whether an address holds a name, encoded or not, as a whole: `1.4.2` is not in `/11.4.2/` or `/1.4.2.1/`.
fn holds(address: &str, name: &str) -> bool {
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    [name, &encoded].into_iter().any(|name| {
        address.match_indices(name).any(|(at, _)| {
            let before = address[..at].strip_suffix('v').unwrap_or(&address[..at]);
            let after = &address[at + name.len()..];
            let after =
                after.strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(after);
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '.') && !after.starts_with(char::is_alphanumeric)
        })
    })
}

fn is_url(address: &str) -> bool {
    address.starts_with("http://") || address.starts_with("https://")
}

fn fill(asked: &Context, template: &str) -> Result<String, String> {
    // A variable may hold the address itself.
    let url = is_url(template) || template.starts_with("{env:");
    let mut parts = template.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once('}') else { return Err(format!("`{template}` has a {{ too many")) };
        let own = match name {
            "version" => asked.version()?,
            "commit" => asked.commit()?,
            name => &self::named(name)?,
        };
        match url && !name.starts_with("env:") {
            true => out.extend(url::form_urlencoded::byte_serialize(own.as_bytes())),
            false => out += own,
        }
        out += rest;
    }
    Ok(out)
}

/// Whether an answer tells that its list goes on after so many entries; an error where it tells of a failure beside them,
/// or of no number.
pub fn goes_on(answer: &Value, read: usize) -> Result<bool, String> {
    let told = |key: &str| answer.get(key).filter(|own| !is_nothing(own));
    if let Some(key) = ["message", "errors", "error"].into_iter().find(|key| told(key).is_some()) {
        return Err(format!("it has a `{key}` beside its list"));
    }
    let total = match told("total_count") {
        None => 0,
        Some(own) => own
            .as_u64()
            .or_else(|| own.as_str()?.trim().parse().ok())
            .ok_or_else(|| format!("its `total_count` is no number: {own}"))?,
    };
    let more = ["incomplete_results", "has_more", "next", "next_page"].into_iter().any(|key| told(key).is_some());
    Ok(more || total > read as u64)
}

/// `null`, `false`, and what is empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

impl Found {
    /// Whether the list goes on after so many entries, as the answer's head tells.
    pub fn goes_on(&self, read: usize) -> bool {
        self.goes_on || self.total > read as u64
    }

    /// Its JSON.
    pub fn json(&self) -> Result<Value, String> {
        if self.text.trim_start().starts_with('<') {
            return Err(format!("{}: it is HTML or XML, and no JSON", self.link));
        }
        let read = serde_json::from_str::<json::Once>(&self.text);
        read.map(|json| json.0).map_err(|e| match e.is_data() {
            true => format!("{}: {e}", self.link),
            false => format!("{}: no whole JSON: {e}", self.link),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_that_goes_on_is_told_in_many_words() {
        for more in [
            json!({"total_count": 2}),
            json!({"total_count": "2"}),
            json!({"has_more": true}),
            json!({"has_more": "true"}),
            json!({"next": "https://example/2"}),
            json!({"incomplete_results": true}),
        ] {
            assert_eq!(goes_on(&more, 1), Ok(true), "{more}");
        }
        for all in
            [json!([]), json!({"total_count": "1", "has_more": false, "next": null, "errors": [], "message": ""})]
        {
            assert_eq!(goes_on(&all, 1), Ok(false), "{all}");
        }
        for bad in [json!({"total_count": "many"}), json!({"message": "rate limit"}), json!({"errors": [1]})] {
            assert!(goes_on(&bad, 1).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_holds_a_name_as_a_whole() {
        for address in
            ["https://a/1.4.2/junit.xml", "https://a/junit-1.4.2.xml", "https://a/v1.4.2", "https://a/?of=1.4.2"]
        {
            assert!(holds(address, "1.4.2"), "{address}");
        }
        for address in
            ["https://a/latest", "https://a/11.4.2/", "https://a/1.4.20", "https://a/1.4.2.1", "https://a/2.1.4.2"]
        {
            assert!(!holds(address, "1.4.2"), "{address}");
        }
        assert!(holds("https://a/1.4.2%2B7/x", "1.4.2+7"));
    }
}
