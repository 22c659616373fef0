//! HAR 1.2 as its specification has it: every field that an archive must have, of its kind, none that the format does not
//! know, and those of one's own begin with `_`.

use serde_json::Value;

/// A field's name, and whether a value fits.
type Rule = (&'static str, fn(&Value) -> bool);

fn text(value: &Value) -> bool {
    value.is_string()
}

fn list(value: &Value) -> bool {
    value.is_array()
}

fn object(value: &Value) -> bool {
    value.is_object()
}

fn truth(value: &Value) -> bool {
    value.is_boolean()
}

/// How many octets; -1 where unknown.
fn size(value: &Value) -> bool {
    value.as_i64().is_some_and(|octets| octets >= -1)
}

/// Milliseconds.
fn span(value: &Value) -> bool {
    value.as_f64().is_some_and(|ms| ms >= 0.0)
}

/// The same; -1 where it does not apply.
fn span_or_none(value: &Value) -> bool {
    span(value) || value.as_f64() == Some(-1.0)
}

/// ISO 8601 with its parts of a second and a zone: `2009-07-24T19:20:30.45+01:00`.
fn time(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (seconds, rest) = text.split_once('.').unwrap_or((text, ""));
    let (part, zone) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let shape = seconds.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b }).eq(*b"0000-00-00T00:00:00");
    let zoned = zone == "Z" || zone.len() == 6 && zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':';
    shape && digits(part) && zoned && text.parse::<jiff::Timestamp>().is_ok()
}

fn url(value: &Value) -> bool {
    value.as_str().is_some_and(|text| url::Url::parse(text).is_ok())
}

const COMMENT: Rule = ("comment", text);
const LOG: &[Rule] = &[("version", |v| v == "1.2"), ("creator", object), ("entries", list)];
const LOG_MAY: &[Rule] = &[("browser", object), ("pages", list), COMMENT];
const MAKER: &[Rule] = &[("name", text), ("version", text)];
const PAGE: &[Rule] = &[("startedDateTime", time), ("id", text), ("title", text), ("pageTimings", object)];
const PAGE_TIMINGS_MAY: &[Rule] = &[("onContentLoad", span_or_none), ("onLoad", span_or_none), COMMENT];
const ENTRY: &[Rule] = &[
    ("startedDateTime", time),
    ("time", span),
    ("request", object),
    ("response", object),
    ("cache", object),
    ("timings", object),
];
const ENTRY_MAY: &[Rule] = &[("pageref", text), ("serverIPAddress", text), ("connection", text), COMMENT];
const REQUEST: &[Rule] = &[
    ("method", text),
    ("url", url),
    ("httpVersion", text),
    ("cookies", list),
    ("headers", list),
    ("queryString", list),
    ("headersSize", size),
    ("bodySize", size),
];
const REQUEST_MAY: &[Rule] = &[("postData", object), COMMENT];
const RESPONSE: &[Rule] = &[
    ("status", Value::is_u64),
    ("statusText", text),
    ("httpVersion", text),
    ("cookies", list),
    ("headers", list),
    ("content", object),
    ("redirectURL", text),
    ("headersSize", size),
    ("bodySize", size),
];
const CONTENT: &[Rule] = &[("size", Value::is_u64), ("mimeType", text)];
const CONTENT_MAY: &[Rule] = &[("compression", Value::is_i64), ("text", text), ("encoding", text), COMMENT];
const CACHE_MAY: &[Rule] = &[("beforeRequest", object), ("afterRequest", object), COMMENT];
const TIMINGS: &[Rule] = &[("send", span), ("wait", span), ("receive", span)];
const TIMINGS_MAY: &[Rule] =
    &[("blocked", span_or_none), ("dns", span_or_none), ("connect", span_or_none), ("ssl", span_or_none), COMMENT];
const PAIR: &[Rule] = &[("name", text), ("value", text)];
const COOKIE_MAY: &[Rule] =
    &[("path", text), ("domain", text), ("expires", time), ("httpOnly", truth), ("secure", truth), COMMENT];

/// What was found wrong so far.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn object(&mut self, at: &str, value: &Value, must: &[Rule], may: &[Rule]) {
        let Some(fields) = value.as_object() else {
            return self.0.push(format!("{at} is no object: {value}"));
        };
        let absent = must.iter().filter(|(name, _)| !fields.contains_key(*name));
        self.0.extend(absent.map(|(name, _)| format!("{at}.{name} is missing")));
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with('_')) {
            match must.iter().chain(may).find(|(known, _)| known == name) {
                None => self.0.push(format!("{at}.{name} is no field of HAR 1.2")),
                Some((_, fits)) if !fits(value) => self.0.push(format!("{at}.{name} cannot be {value}")),
                Some(_) => {}
            }
        }
    }

    fn all(&mut self, at: &str, values: &Value, must: &[Rule], may: &[Rule]) {
        for value in values.as_array().into_iter().flatten() {
            self.object(at, value, must, may);
        }
    }

    fn message(&mut self, at: &str, message: &Value, must: &[Rule], may: &[Rule]) {
        self.object(at, message, must, may);
        self.all(&format!("{at}.cookies"), &message["cookies"], PAIR, COOKIE_MAY);
        self.all(&format!("{at}.headers"), &message["headers"], PAIR, &[COMMENT]);
    }

    fn entry(&mut self, entry: &Value) {
        self.object("entry", entry, ENTRY, ENTRY_MAY);
        self.message("request", &entry["request"], REQUEST, REQUEST_MAY);
        self.all("request.queryString", &entry["request"]["queryString"], PAIR, &[COMMENT]);
        self.message("response", &entry["response"], RESPONSE, &[COMMENT]);
        self.object("content", &entry["response"]["content"], CONTENT, CONTENT_MAY);
        self.object("cache", &entry["cache"], &[], CACHE_MAY);
        self.object("timings", &entry["timings"], TIMINGS, TIMINGS_MAY);
        // The handshake of TLS is within the time to connect.
        let parts = ["blocked", "dns", "connect", "send", "wait", "receive"];
        let known = parts.iter().filter_map(|part| entry["timings"][part].as_f64()).filter(|ms| *ms >= 0.0);
        let (sum, whole) = (known.sum::<f64>(), entry["time"].as_f64().unwrap_or_default());
        if (sum - whole).abs() >= 0.01 {
            self.0.push(format!("timings are {sum} of {whole} ms: {}", entry["timings"]));
        }
    }
}

/// What HAR 1.2 does not allow of an archive, a sentence each.
pub fn problems(archive: &Value) -> Vec<String> {
    let mut wrong = Wrong::default();
    wrong.object("archive", archive, &[("log", object)], &[]);
    let log = &archive["log"];
    wrong.object("log", log, LOG, LOG_MAY);
    for maker in ["creator", "browser"].into_iter().filter(|maker| !log[maker].is_null()) {
        wrong.object(maker, &log[maker], MAKER, &[COMMENT]);
    }
    wrong.all("page", &log["pages"], PAGE, &[COMMENT]);
    let pages: Vec<&Value> = log["pages"].as_array().into_iter().flatten().collect();
    for (n, page) in pages.iter().enumerate() {
        wrong.object("pageTimings", &page["pageTimings"], &[], PAGE_TIMINGS_MAY);
        if pages[..n].iter().any(|before| before["id"] == page["id"]) {
            wrong.0.push(format!("two pages with the id {}", page["id"]));
        }
    }
    let mut before = "";
    for entry in log["entries"].as_array().into_iter().flatten() {
        wrong.entry(entry);
        if let Some(page) = entry.get("pageref").filter(|page| !pages.iter().any(|p| p["id"] == **page)) {
            wrong.0.push(format!("no page {page}"));
        }
        let began = entry["startedDateTime"].as_str().unwrap_or_default();
        if began < before {
            wrong.0.push(format!("an entry of {began} after one of {before}"));
        }
        before = began;
    }
    wrong.0
}
