//! Where evidence is read: a file or an address. Both may hold `{version}`, `{commit}` and `{env:NAME}`.

mod json;

use super::context::Context;
use super::http::MOST;
use crate::secret::Secrets;
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
    pub goes_on: bool,
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
    if !token.get_ref().starts_with("env:") {
        wrong(token, "a secret stands in this file".to_owned(), "take it out, and name a variable: \"env:NAME\"");
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
        return Ok(Found { text: answer.text, link, named, goes_on: answer.goes_on, at, live: true });
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
    Ok(Found { text, link, named, goes_on: false, at, live: false })
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

impl Found {
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
