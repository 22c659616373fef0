//! Floor 1, pure. Media on the wire and in the element: what an answer broke, and why a video did not play. Folds over a
//! play's events, so that a record can be judged again; no sockets, no clock.

pub mod class;
pub mod container;
pub mod lint;
mod story;
mod watched;

pub use story::{Story, Violation};
pub use watched::Watched;

use crate::event::Event;
use crate::fault::Resource;
use serde::Deserialize;
use serde_json::Value;

/// One request for media and its answer, as the proxy told it (`video_proxy_response`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// Its number at its proxy.
    pub request: u64,
    /// Which way it went: `browser` or `upstream`.
    pub leg: String,
    /// The request's method.
    pub method: String,
    /// Its URL without the query.
    pub url: String,
    /// Of its query: one path may serve many files.
    pub query_hash: Option<String>,
    /// What was asked for.
    pub resource: Option<Resource>,
    /// The request's `Range`.
    pub range: Option<String>,
    /// The request has an `If-Range`.
    pub if_range: bool,
    /// The request has an `If-None-Match` or an `If-Modified-Since`.
    pub conditional: bool,
    /// The request's `Origin`.
    pub origin: Option<String>,
    /// The answer's status; `None`: none came.
    pub status: Option<u16>,
    /// The answer's fields of these names.
    pub content_range: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
    /// `Access-Control-Allow-Origin`.
    pub acao: Option<String>,
    /// Where it redirects to, without the query.
    pub location: Option<String>,
    /// `Content-Length`.
    #[serde(rename = "bytes_promised")]
    pub promised: Option<u64>,
    /// Octets of the body that the client was sent.
    #[serde(rename = "bytes_sent")]
    pub sent: u64,
    /// Octets of the body that the server sent.
    #[serde(rename = "bytes_received")]
    pub received: u64,
    /// `whole`, `upstream_cut`, `fault`, `client_gone`, `play_over`, `refused`.
    pub ended: String,
    /// How long the file says of itself that it is, where it was sent from its first octet on.
    pub file_bytes: Option<u64>,
    /// How the client's connection was cut within: `close`, `reset` or `silence`.
    pub cut: Option<String>,
    /// How long the server had sent nothing when it broke off, or the client gave up, milliseconds.
    pub silent_ms: Option<f64>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// The proxy itself made the answer, or changed it.
    pub ours: bool,
    /// A browser's own request, none of the page's.
    pub background: bool,
    /// How long it lasted, milliseconds.
    pub ms: f64,
    /// When it ended on the run's clock, milliseconds.
    #[serde(skip)]
    pub at: f64,
    /// The step it started in.
    #[serde(skip)]
    pub step: Option<String>,
    /// Why its framing cannot be read: as it was sent, or as it came (`upstream_violation`).
    pub unframed: Option<String>,
}

impl Exchange {
    /// Reads a `video_proxy_response`; `None` where it is none of the page's.
    pub fn read(event: &Event) -> Option<Self> {
        if event.event != "video_proxy_response" {
            return None;
        }
        let mut read: Self = serde_json::from_value(Value::Object(event.fields.clone())).ok()?;
        (read.at, read.step) = (event.t_ms, event.ids.step.clone());
        (!read.background).then_some(read)
    }

    /// When it started, on the run's clock.
    pub fn started(&self) -> f64 {
        self.at - self.ms
    }

    /// The origin that asked in CORS mode, where it is another than the one asked (Fetch, 4.3): a request of the page's
    /// own origin needs no leave, and one without CORS has no `Origin`.
    pub fn cross_origin(&self) -> Option<&str> {
        let origin = self.origin.as_deref()?;
        (self.origin_of_url().as_deref() != Some(origin)).then_some(origin)
    }

    /// The origin that was asked.
    pub fn origin_of_url(&self) -> Option<String> {
        origin_of(&self.url)
    }

    /// Which file it is about, as far as its address tells: the way, the URL and the query.
    fn file(&self) -> (&str, &str, Option<&str>) {
        (&self.leg, &self.url, self.query_hash.as_deref())
    }

    /// It is about a playlist: a text, which may be another one at each reload.
    fn is_playlist(&self) -> bool {
        let typed = |t: &str| {
            let t = t.to_ascii_lowercase();
            t.contains("mpegurl") || t.starts_with("application/dash+xml")
        };
        self.resource == Some(Resource::Manifest) || self.content_type.as_deref().is_some_and(typed)
    }

    /// A browser asks whether it may ask (Fetch, 4.8): no answer to it brings media.
    fn is_preflight(&self) -> bool {
        self.method == "OPTIONS"
    }

    /// The copy that the browser has is the file still (RFC 9110, 15.4.5). To one that has none, 304 brings nothing.
    fn is_copy_confirmed(&self) -> bool {
        self.conditional && self.status == Some(304)
    }

    /// There is no body, whatever the head says (RFC 9112, 6.3).
    fn is_bodiless(&self) -> bool {
        self.method == "HEAD" || matches!(self.status, Some(204 | 304 | 100..200) | None)
    }

    /// It ended within the body, and not because the client left: how. Silence is no end.
    fn broke_off(&self) -> Option<&'static str> {
        let how = match self.cut.as_deref()? {
            "close" => "the connection was closed",
            "reset" => "the connection was reset",
            _ => return None,
        };
        // A chunked body that was cut is not whole, though nobody knows how much is missing.
        self.promised.is_none_or(|promised| self.sent < promised).then_some(how)
    }

    /// How long the server says the file is.
    pub fn total(&self) -> Option<u64> {
        match self.status? {
            206 => self.content_range.as_deref()?.rsplit_once('/')?.1.trim().parse().ok(),
            200 if self.promised.is_some() => self.promised,
            200 => (self.ended == "whole").then_some(self.sent),
            _ => None,
        }
    }

    /// No answer, none that has the media, or less of it than its head says.
    fn went_wrong(&self) -> bool {
        let allowed = self.is_preflight() && matches!(self.status, Some(200..300));
        !allowed && !matches!(self.status, Some(200 | 206 | 300..400))
            || self.promised.is_some_and(|promised| self.sent < promised)
    }

    /// How much of its body came: `1,000,000 of 8,828,825 octets`.
    fn came(&self) -> String {
        match self.promised {
            _ if self.is_copy_confirmed() => "the octets of the browser's copy".to_owned(),
            Some(promised) if promised != self.sent => format!("{} of {} octets", octets(self.sent), octets(promised)),
            _ => format!("{} octets", octets(self.sent)),
        }
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> Option<String> {
    Some(url::Url::parse(url).ok()?.origin().ascii_serialization())
}

/// A number people can read: 8,828,825.
pub(crate) fn octets(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
