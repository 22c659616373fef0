//! From the log's lines to all that is told of them.

use super::counts::Counts;
use super::logs::Logs;
use super::meters::Meters;
use super::otlp::Outlet;
use super::queue::Queue;
use super::spans::Spans;
use super::when::When;
use crate::event::{Event, Tap};
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;
use std::sync::{Arc, Mutex, PoisonError};

/// Octets that are handed over at once, and the rest of the line that ends there.
pub(super) const PIECE: usize = 1 << 17;

/// Hands over what the log's writer has written, piece by piece, unless too much waits already.
pub(super) fn tap(input: Arc<Queue<Vec<u8>>>, looked: Arc<Counts>) -> Tap {
    Box::new(move |text, lines| {
        let mut left = text;
        while !left.is_empty() {
            let cut = memchr::memchr(b'\n', left.get(PIECE..).unwrap_or_default());
            let (piece, rest) = left.split_at(cut.map_or(left.len(), |at| PIECE + at + 1));
            if !input.offer(piece.len(), || piece.to_vec()) {
                break;
            }
            left = rest;
        }
        looked.came(lines, memchr::memchr_iter(b'\n', left).count());
    })
}

/// Events to all that is told of them.
pub(super) struct Fold {
    pub(super) when: When,
    pub(super) spans: Option<(Spans, Outlet<SpanData>)>,
    pub(super) logs: Option<(Logs, Outlet<SdkLogRecord>)>,
    pub(super) meters: Arc<Mutex<Meters>>,
    pub(super) looked: Arc<Counts>,
}

impl Fold {
    /// Takes whole lines.
    pub(super) fn feed(&mut self, text: &[u8]) {
        let mut ended = Vec::new();
        let mut records = Vec::new();
        let mut lines = 0;
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.split_inclusive(|octet| *octet == b'\n') {
            lines += 1;
            // They were written by this program a moment ago.
            let Some(event) = std::str::from_utf8(line).ok().and_then(|line| Event::read(line).ok()) else { continue };
            self.when.learn(&event);
            meters.feed(&event);
            if let Some((spans, _)) = &mut self.spans {
                spans.feed(&event, &self.when, &mut ended);
            }
            if let Some((logs, _)) = &mut self.logs {
                records.push(logs.record(&event, &self.when));
            }
        }
        drop(meters);
        self.looked.went(lines, Ok(None));
        if let Some((_, outlet)) = &self.spans {
            outlet.offer(ended);
        }
        if let Some((_, outlet)) = &self.logs {
            outlet.offer(records);
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        if let Some((spans, outlet)) = &mut self.spans {
            let mut ended = Vec::new();
            spans.end(&self.when, &mut ended);
            outlet.offer(ended);
            outlet.close();
        }
        if let Some((_, outlet)) = &self.logs {
            outlet.close();
        }
    }
}
