//! A request as the record tells it: what became of it, in words.

use crate::event::{Event, Origin};
use crate::media::octets;
use crate::unit::show_ms;

/// A request that took less is not worth a word, and one that nobody answered for less was given up by the page itself.
pub(super) const LONG_MS: f64 = 1000.0;
/// The outcome of one that only took long.
pub(super) const LASTING: &str = "lasting";

/// A request and its answer, by the proxy (`proxy_response`, `video_proxy_response`).
pub(super) struct Request<'e> {
    event: &'e Event,
    /// When it began and ended on the run's clock.
    pub started: f64,
    pub ended: f64,
    /// The answer's status.
    pub status: Option<u64>,
}

impl<'e> Request<'e> {
    /// None where the event is no request of the page's.
    pub(super) fn read(event: &'e Event) -> Option<Self> {
        let told = matches!(event.event.as_str(), "proxy_response" | "video_proxy_response");
        let status = event.number("status").map(|s| s as u64);
        // A tunnel that was opened did its part, and stays open for as long as the page likes.
        let tunnel = event.text("method") == Some("CONNECT") && matches!(status, Some(200..=299));
        (told && event.source != Origin::App && !event.flag("background") && !tunnel).then(|| Self {
            event,
            started: event.t_ms - event.number("ms").unwrap_or_default(),
            ended: event.t_ms,
            status,
        })
    }

    pub(super) fn is_media(&self) -> bool {
        self.event.event == "video_proxy_response"
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.event.number("request").map(|n| n as u64)
    }

    pub(super) fn url(&self) -> &'e str {
        self.event.text("url").unwrap_or_default()
    }

    /// Such as `GET http://h/x`, and whose it was where not the browser's.
    pub(super) fn name(&self) -> String {
        let behind = if self.event.text("leg") == Some("upstream") { ", which the app sent on" } else { "" };
        format!("{} {}{behind}", self.event.text("method").unwrap_or("GET"), self.url())
    }

    /// A fault of this monitor's was applied to it.
    pub(super) fn ours(&self) -> bool {
        self.event.flag("ours")
            || self.event.fields.get("faults").and_then(|f| f.as_array()).is_some_and(|f| !f.is_empty())
    }

    fn how(&self) -> &'e str {
        self.event.text("ended").unwrap_or_default()
    }

    /// The page or the play ended it.
    fn left(&self) -> bool {
        matches!(self.how(), "client_gone" | "play_over")
    }

    fn broke_off(&self) -> bool {
        let (promised, sent) = (self.event.number("bytes_promised"), self.event.number("bytes_sent"));
        let short = promised.is_none_or(|promised| sent.unwrap_or_default() < promised);
        matches!(self.how(), "upstream_cut" | "fault") && short
    }

    /// How long it was waited for: of media the head counts, the rest comes while it plays.
    pub(super) fn waited(&self) -> f64 {
        let first = self.event.number("ttfb_ms").filter(|_| self.is_media());
        first.unwrap_or(self.ended - self.started)
    }

    /// What became of it, in a word that two of the same have in common; none where all was well.
    pub(super) fn outcome(&self) -> Option<String> {
        let lasting = || (self.waited() >= LONG_MS).then(|| LASTING.to_owned());
        match self.status {
            Some(status @ 400..) => Some(format!("status {status}")),
            Some(_) if self.broke_off() => Some("broke off".to_owned()),
            Some(_) => lasting(),
            None if self.left() && self.event.text("error").is_none() => lasting(),
            None => Some("no answer".to_owned()),
        }
    }

    /// What was wrong with it, where something was.
    pub(super) fn wrong(&self) -> Option<String> {
        let (event, lasted) = (self.event, self.ended - self.started);
        let Some(status) = self.status else {
            return match (event.text("error"), self.how()) {
                (_, "refused") => Some("was not let through".to_owned()),
                (Some(why), _) => Some(format!("got no answer: {why}")),
                (None, _) if self.left() => {
                    (lasted >= LONG_MS).then(|| format!("got no answer in {}", show_ms(lasted)))
                }
                (None, _) => Some("got no answer: the connection was closed".to_owned()),
            };
        };
        if status >= 400 {
            return Some(format!("was answered with {status}"));
        }
        self.broke_off().then(|| {
            let (promised, sent) = (event.number("bytes_promised"), event.number("bytes_sent").unwrap_or_default());
            let of = promised.map_or(String::new(), |promised| format!(" of {}", octets(promised as u64)));
            format!("was answered with {status}, and broke off after {}{of} octets", octets(sent as u64))
        })
    }

    /// Whether it is meant to stay open: a socket, or a stream of events.
    fn stays_open(&self) -> bool {
        self.status == Some(101) || self.event.text("content_type").is_some_and(|t| t.starts_with("text/event-stream"))
    }

    /// That it had not ended when its step did, at `until`, if it had lasted for `least` milliseconds. What stays open
    /// is often meant to: a socket, a stream of events, a buffer that is full.
    pub(super) fn open(&self, until: f64, least: f64) -> Option<String> {
        let (event, lasted) = (self.event, self.ended - self.started);
        let status = self.status.filter(|s| *s < 400 && self.left() && !self.stays_open() && !self.is_media())?;
        let open = lasted >= least && self.ended >= until;
        let came = octets(event.number("bytes_sent").unwrap_or_default() as u64);
        open.then(|| {
            format!("was answered with {status}, and had not ended after {}: {came} octets came", show_ms(lasted))
        })
    }

    /// That it took a good part of the time, where it did. How long one lasts that is meant to stay open says nothing.
    pub(super) fn slow(&self, of_ms: f64) -> Option<String> {
        if self.stays_open() {
            return None;
        }
        let (first, all) = (self.event.number("ttfb_ms")?, self.ended - self.started);
        // Of media the head counts: the rest comes while it plays.
        let took = if self.is_media() { first } else { all };
        let words = match self.is_media() {
            true => format!("took {} to its first octet", show_ms(first)),
            false => format!("took {}, {} of it to its first octet", show_ms(all), show_ms(first)),
        };
        (took >= LONG_MS && took * 2.0 >= of_ms).then_some(words)
    }
}
