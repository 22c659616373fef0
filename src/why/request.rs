//! A request as the record tells it: what became of it, in words.

use crate::event::Event;
use crate::media::octets;
use crate::unit::show_ms;

/// A request that took less is not worth a word, and one that nobody answered for less was given up by the page itself.
pub(super) const LONG_MS: f64 = 1000.0;

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
        (told && !event.flag("background")).then(|| Self {
            event,
            started: event.t_ms - event.number("ms").unwrap_or_default(),
            ended: event.t_ms,
            status: event.number("status").map(|s| s as u64),
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

    /// What was wrong with it, where something was.
    pub(super) fn wrong(&self) -> Option<String> {
        let event = self.event;
        let (ended, lasted) = (event.text("ended").unwrap_or_default(), self.ended - self.started);
        let left = matches!(ended, "client_gone" | "play_over");
        let Some(status) = self.status else {
            return match (event.text("error"), ended) {
                (_, "refused") => Some("was not let through".to_owned()),
                (Some(why), _) => Some(format!("got no answer: {why}")),
                (None, _) if left => (lasted >= LONG_MS).then(|| format!("got no answer in {}", show_ms(lasted))),
                (None, _) => Some("got no answer: the connection was closed".to_owned()),
            };
        };
        if status >= 400 {
            return Some(format!("was answered with {status}"));
        }
        let (promised, sent) = (event.number("bytes_promised"), event.number("bytes_sent").unwrap_or_default());
        let broke_off = matches!(ended, "upstream_cut" | "fault") && promised.is_none_or(|promised| sent < promised);
        broke_off.then(|| {
            let of = promised.map_or(String::new(), |promised| format!(" of {}", octets(promised as u64)));
            format!("was answered with {status}, and broke off after {}{of} octets", octets(sent as u64))
        })
    }

    /// That it had not ended when its step did, at `until`, if it had lasted for `least` milliseconds. What stays open is often meant to: a socket, a stream of events,
    /// a buffer that is full.
    pub(super) fn open(&self, until: f64, least: f64) -> Option<String> {
        let (event, lasted) = (self.event, self.ended - self.started);
        let stream = event.text("content_type").is_some_and(|t| t.starts_with("text/event-stream"));
        let left = matches!(event.text("ended"), Some("client_gone" | "play_over"));
        let status = self.status.filter(|s| *s < 400 && *s != 101 && left && !stream && !self.is_media())?;
        let open = lasted >= least && self.ended >= until;
        let came = octets(event.number("bytes_sent").unwrap_or_default() as u64);
        open.then(|| {
            format!("was answered with {status}, and had not ended after {}: {came} octets came", show_ms(lasted))
        })
    }

    /// That it took a good part of the time, where it did.
    pub(super) fn slow(&self, of_ms: f64) -> Option<String> {
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
