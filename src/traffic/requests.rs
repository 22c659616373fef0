//! Requests that an app file gives a meaning, from the browser's notices: logins, refreshes, joins, the library, and what a
//! role may. They are seen with and without a proxy, and what a redirect or a cookie does to them is the browser's own.

use super::{Asked, Declared, Places, Told, What, must};
use crate::browser::notice::Notice;
use crate::unit::hundredths;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The requests of one play.
#[derive(Debug, Default)]
pub struct Requests {
    asked: Vec<Asked>,
    places: Places,
    /// By the browser's name for the request: one may mean several things, such as a guest's login and join.
    under_way: HashMap<String, Vec<UnderWay>>,
    /// What is asked now must be refused.
    refusing: bool,
}

#[derive(Debug)]
struct UnderWay {
    what: What,
    began: f64,
    path: String,
    room: Option<String>,
    must_be_refused: bool,
}

/// How a request ended.
#[derive(Default)]
struct Ended {
    /// `None`: without an answer, for this error.
    status: Option<u64>,
    error: Option<String>,
    /// Where a redirect leads.
    to: Option<String>,
    /// The server's own time, milliseconds.
    server_ms: Option<f64>,
    from_cache: bool,
}

impl Requests {
    /// Those that an app declares.
    pub fn new(declared: &Declared, places: &Places) -> Self {
        Self { asked: declared.asked.clone(), places: places.clone(), ..Self::default() }
    }

    /// What begins from here on must be refused, or must not.
    pub fn refusing(&mut self, refusing: bool) {
        self.refusing = refusing;
    }

    /// Takes a notice; `zero` is the run's clock at the browser's epoch zero.
    pub fn take(&mut self, notice: &Notice, zero: f64) -> Vec<Told> {
        match notice {
            Notice::Request { id, method, url, redirects, at_epoch_ms, .. } => {
                let t = zero + at_epoch_ms;
                match redirects {
                    0 => self.begin(id, method, url, t),
                    _ => self.end(id, t, &Ended::answered(302, Some(url.clone()))),
                }
            }
            Notice::Response { id, url, status, headers, from_cache, at_epoch_ms, .. } => {
                let header = |name: &str| {
                    let own = headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
                    Some(own.collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
                };
                let to = header("location").filter(|_| (300..400).contains(status));
                let to = to.and_then(|to| Some(url::Url::parse(url).ok()?.join(&to).ok()?.to_string()));
                let server_ms = header("server-timing").and_then(|text| server_ms(&text));
                let ended = Ended { server_ms, from_cache: *from_cache, ..Ended::answered(*status, to) };
                self.end(id, zero + at_epoch_ms, &ended)
            }
            Notice::FetchError { id, error_text, at_epoch_ms, .. } => {
                let ended = Ended { error: Some(error_text.clone()), ..Ended::default() };
                self.end(id, zero + at_epoch_ms, &ended)
            }
            _ => Vec::new(),
        }
    }

    fn begin(&mut self, id: &str, method: &str, url: &str, t: f64) -> Vec<Told> {
        let Some(path) = self.places.path(url) else { return Vec::new() };
        let means = |asked: &Asked| UnderWay {
            what: asked.what,
            began: t,
            path: path.clone(),
            room: asked.named(&path),
            must_be_refused: self.refusing,
        };
        let all: Vec<UnderWay> = self.asked.iter().filter(|asked| asked.is(method, &path)).map(means).collect();
        let start = |own: &UnderWay| match own.what {
            What::Login => Some(own.told("auth_login_start", t, json!({}))),
            What::Join => Some(own.told("room_join_start", t, json!({}))),
            What::Refresh | What::Library | What::Guarded => None,
        };
        let told = all.iter().filter_map(start).collect();
        if !all.is_empty() {
            self.under_way.insert(id.to_owned(), all);
        }
        told
    }

    fn end(&mut self, id: &str, t: f64, ended: &Ended) -> Vec<Told> {
        let all = self.under_way.remove(id).unwrap_or_default();
        all.iter().filter_map(|own| self.ended(own, t, ended)).collect()
    }

    fn ended(&self, own: &UnderWay, t: f64, ended: &Ended) -> Option<Told> {
        let ok = match (ended.status, &ended.to) {
            (Some(200..300), _) => true,
            // Where a form was posted the answer leads on; back to where it was posted leads nowhere.
            (Some(300..400), Some(to)) => {
                let path = self.places.path(to);
                let back = |path: String| self.asked.iter().any(|asked| asked.what == own.what && asked.is_at(&path));
                !path.is_some_and(back)
            }
            _ => false,
        };
        let mut fields = json!({ "ok": ok, "status": ended.status, "ms": hundredths(t - own.began), "path": own.path });
        if let Some(why) = &ended.error {
            fields["error"] = json!(why);
        }
        let aborted = ended.error.as_ref().is_some_and(|why| why.contains("ABORT"));
        let event = match (own.what, ok) {
            (What::Login, true) => "auth_login_success",
            (What::Login, false) => "auth_login_failure",
            (What::Join, true) => "room_join_success",
            (What::Join, false) => "room_join_failure",
            // What a page that is left, or a search that is typed on, breaks off by itself says nothing.
            _ if aborted => return None,
            (What::Refresh, _) => "auth_login_refresh",
            // What the browser kept, no server answered.
            (What::Library, _) if ended.from_cache => return None,
            (What::Library, _) => {
                fields["server_ms"] = json!(ended.server_ms);
                "library_response"
            }
            (What::Guarded, _) => "guarded_response",
        };
        Some(own.told(event, t, fields))
    }
}

impl Ended {
    fn answered(status: u64, to: Option<String>) -> Self {
        Self { status: Some(status), to, ..Self::default() }
    }
}

impl UnderWay {
    fn told(&self, event: &'static str, t: f64, fields: Value) -> Told {
        Told { room: self.room.clone(), ..Told::new(event, t, must(fields, self.must_be_refused)) }
    }
}

/// The server's own time, milliseconds, as its `Server-Timing` says: its entry `total`, else the sum of its entries.
fn server_ms(header: &str) -> Option<f64> {
    let entries: Vec<(&str, f64)> = header
        .split(',')
        .filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let name = parts.next()?;
            let dur = parts.find_map(|part| part.strip_prefix("dur="))?;
            Some((name, dur.trim_matches('"').parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0)?))
        })
        .collect();
    let total = entries.iter().find(|(name, _)| *name == "total").map(|(_, ms)| *ms);
    total.or_else(|| (!entries.is_empty()).then(|| entries.iter().map(|(_, ms)| ms).sum()))
}

#[cfg(test)]
mod tests {
    use super::server_ms;

    #[test]
    fn the_servers_own_time_is_its_total_or_the_sum() {
        for (header, wanted) in [
            ("total;dur=12.5", Some(12.5)),
            ("db;dur=3, total;dur=12;desc=\"all\"", Some(12.0)),
            ("db;dur=3, render;desc=x;dur=4", Some(7.0)),
            ("cache;desc=hit", None),
            ("total;dur=soon", None),
            ("total;dur=-1", None),
            ("", None),
        ] {
            assert_eq!(server_ms(header), wanted, "{header}");
        }
    }
}
