//! Prometheus' text exposition format, and OpenMetrics' as far as the two agree: what an app's `/metrics` says now.

use std::collections::BTreeMap;

/// A sample of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value; what the app calls NaN or infinite is so.
    pub value: f64,
}

/// Reads all of it; an error says which line is none of the format.
pub fn read(text: &str) -> Result<Vec<Sample>, String> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(n, line)| sample(line).ok_or_else(|| format!("line {n} is no sample of a metric"))).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            matchers(rest).map(|(own, rest)| (own.into_iter().map(|m| (m.label, m.value)).collect(), rest))?
        }
        None => (BTreeMap::new(), rest),
    };
    // After the value comes a time, or an exemplar: neither matters.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Whether a metric may be called so.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// What a label must be, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    label: String,
    is: bool,
    value: String,
}

impl Matcher {
    /// A label that is not there is empty.
    pub fn takes(&self, sample: &Sample) -> bool {
        (sample.labels.get(&self.label).map_or("", String::as_str) == self.value) == self.is
    }
}

/// `a="b",c!="d"}` and what follows it.
pub(super) fn matchers(mut text: &str) -> Option<(Vec<Matcher>, &str)> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Some((all, rest));
        }
        let (label, rest) = text.split_once('=')?;
        let (label, is) = label.trim().strip_suffix('!').map_or((label.trim(), true), |label| (label.trim(), false));
        let (value, rest) = quoted(rest.trim_start().strip_prefix('"')?)?;
        if !is_name(label) {
            return None;
        }
        all.push(Matcher { label: label.to_owned(), is, value });
        text = rest.trim_start();
        text = text.strip_prefix(',').or_else(|| text.starts_with('}').then_some(text))?;
    }
}

/// Up to the closing quote: `\\`, `\"` and `\n` are escaped.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            c => value.push(c),
        }
    }
    None
}
