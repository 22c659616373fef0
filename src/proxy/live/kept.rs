//! What is kept of a request for people who look on, in memory that serves one after the other.

use super::Entry;
use crate::unit::ms;
use std::time::Duration;

/// Characters of a text kept, at most: a target may be 256 KiB long.
pub(super) const TEXT: usize = 300;
/// Rules of one request kept, at most: one may be applied often, by pieces of a long body; the first times tell.
const FAULTS: usize = 20;

/// What is kept of a request: an [`Entry`] is made of it when somebody looks. Its memory serves one request after the
/// other.
#[derive(Debug, Default)]
pub struct Kept {
    pub(super) version: u64,
    connection: u64,
    /// Since the proxy's start, and since its own.
    at: Duration,
    pub(super) head: Option<Duration>,
    pub(super) total: Option<Duration>,
    status: Option<u16>,
    promised: Option<u64>,
    /// One after the other, and where each lies.
    texts: String,
    parts: [Option<(usize, usize)>; 7],
    faults: Vec<String>,
    pub(super) ended: Option<&'static str>,
}

/// A text of an entry.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// [`Entry::method`].
    Method,
    /// [`Entry::host`].
    Host,
    /// [`Entry::path`].
    Path,
    /// [`Entry::range`].
    Range,
    /// [`Entry::content_range`].
    ContentRange,
    /// [`Entry::content_length`].
    ContentLength,
    /// [`Entry::content_type`].
    ContentType,
}

impl Kept {
    /// Begins another request.
    pub(super) fn restart(&mut self, connection: u64, at: Duration) {
        let (mut texts, mut faults) = (std::mem::take(&mut self.texts), std::mem::take(&mut self.faults));
        texts.clear();
        faults.clear();
        *self = Self { connection, at, texts, faults, ..Self::default() };
    }

    /// Sets a text, if it is known: no more than 300 characters of it, so that nobody can make the ring hold more.
    pub fn set(&mut self, part: Part, text: Option<&str>) {
        let Some(text) = text else { return };
        let from = self.texts.len();
        let end = if text.len() > TEXT { text.char_indices().nth(TEXT) } else { None };
        match end {
            Some((end, _)) => self.texts.extend([&text[..end], "…"]),
            None => self.texts.push_str(text),
        }
        self.parts[part as usize] = Some((from, self.texts.len()));
    }

    /// What was sent to the client: its status, and the octets of the body that it promises.
    pub fn answer(&mut self, status: u16, promised: Option<u64>) {
        (self.status, self.promised) = (Some(status), promised);
    }

    /// A rule was applied to it.
    pub(super) fn fault(&mut self, rule: &str) {
        if self.faults.len() < FAULTS {
            self.faults.push(rule.to_owned());
        }
    }

    /// As people see it.
    pub(super) fn entry(&self, request: u64, sent: u64) -> Entry {
        let part = |part: Part| self.parts[part as usize].map(|(from, to)| self.texts[from..to].to_owned());
        Entry {
            request,
            connection: self.connection,
            at_ms: ms(self.at),
            method: part(Part::Method).unwrap_or_default(),
            host: part(Part::Host).unwrap_or_default(),
            path: part(Part::Path).unwrap_or_default(),
            range: part(Part::Range),
            status: self.status,
            content_range: part(Part::ContentRange),
            content_length: part(Part::ContentLength),
            content_type: part(Part::ContentType),
            promised: self.promised,
            sent,
            ttfb_ms: self.head.map(ms),
            total_ms: self.total.map(ms),
            faults: self.faults.clone(),
            ended: self.ended.map(str::to_owned),
        }
    }
}
