//! Playbooks: what is seen, in order, and what must be made of it.

mod first_video_frame;
mod new_picture;
mod page;
mod sound;
mod spoken;

use super::*;
use crate::browser::probe::MediaError;
use crate::browser::sound::{BIT_MS, RATE, Sound};
use crate::table::find;

/// Milliseconds between two frames at 60 a second.
const TICK: f64 = 1000.0 / 60.0;
/// When the step begins and, a little later, its input comes.
const BEGAN: f64 = 9_900.0;
const INPUT: f64 = 10_000.0;

/// One step's playbook. What an oracle says first stands, as in a play.
struct Book {
    oracle: Box<dyn Oracle>,
    give_up: f64,
    now: f64,
    outcome: Option<Outcome>,
}

impl Book {
    fn new(expectation: &str, before: Before) -> Self {
        let row = find(EXPECTATIONS, expectation).expect("a known expectation");
        let give_up = INPUT + row.give_up.as_secs_f64() * 1000.0;
        Self { oracle: (row.oracle)(before), give_up, now: BEGAN, outcome: None }
    }

    fn see(mut self, t: f64, seen: Seen) -> Self {
        assert!(t >= self.now, "a playbook goes forward");
        self.now = t;
        if self.outcome.is_none() {
            self.outcome = self.oracle.see(t, &seen);
        }
        self
    }

    fn all(self, seen: impl IntoIterator<Item = (f64, Frame)>) -> Self {
        seen.into_iter().fold(self, |book, (t, frame)| book.see(t, Seen::Frame(frame)))
    }

    fn preset(self, t: f64, id: &str, declared: Declared) -> Self {
        self.see(t, Seen::Preset(Some(id.to_owned()), declared))
    }

    /// What came of it, at the latest when time is up.
    fn end(mut self) -> Outcome {
        let at = self.give_up.max(self.now);
        self.outcome.unwrap_or_else(|| self.oracle.give_up(at))
    }

    fn failed(self) -> String {
        let outcome = self.end();
        let ends = outcome.events.iter().filter(|(name, ..)| name.ends_with("_error")).count();
        assert!(outcome.events.is_empty() || ends == 1, "one end: {:?}", outcome.events);
        outcome.failed.expect("it fails")
    }

    /// Milliseconds from the input.
    fn held(self) -> f64 {
        let outcome = self.end();
        assert_eq!(outcome.failed, None);
        outcome.ms.expect("a time")
    }
}

fn frame(n: u64, program: &str, luma: impl Fn(f64) -> f64) -> Frame {
    Frame {
        n,
        programs: vec![program.to_owned()],
        luma: (0..64).map(|cell| luma(f64::from(cell)).clamp(0.0, 255.0) as u8).collect(),
        ..Frame::default()
    }
}

/// A picture that drifts by some 3 of 255 a frame.
fn drifting(n: u64, program: &str) -> Frame {
    frame(n, program, |cell| 110.0 + 60.0 * (0.05 * n as f64 + 0.3 * cell).sin())
}

/// Another one, brighter, far from the first.
fn bright(n: u64, program: &str) -> Frame {
    frame(n, program, |cell| 225.0 + 15.0 * (0.1 * n as f64 + cell).sin())
}

fn at(n: u64) -> f64 {
    INPUT + n as f64 * TICK
}

/// Frames `from..to` counted from the input.
fn frames(from: u64, to: u64, picture: impl Fn(u64) -> Frame) -> Vec<(f64, Frame)> {
    (from..to).map(|n| (at(n), picture(n + 1000))).collect()
}

/// The app shows `drift`, thirty frames of it were read.
fn before() -> Before {
    let old = (970..1000).map(|n| (INPUT - (1000 - n) as f64 * TICK - 150.0, drifting(n, "a"))).collect();
    Before {
        t: BEGAN,
        frames: old,
        preset: Some("drift".to_owned()),
        names_presets: true,
        has_canvas: true,
        ..Before::default()
    }
}

fn silent_about_presets() -> Before {
    Before { preset: None, names_presets: false, ..before() }
}

fn switched() -> Book {
    Book::new("new picture", before()).see(INPUT, Seen::Input)
}

fn declared(picture: Picture, programs: &[&str]) -> Declared {
    Declared { picture: Some(picture), programs: programs.iter().map(|p| (*p).to_owned()).collect() }
}

fn gl(ev: &str, log: &str) -> Seen {
    Seen::Gl(Gl { ev: ev.to_owned(), log: Some(log.to_owned()), renderer: None, ok: None })
}

fn near(ms: f64, wanted: f64) {
    assert!((ms - wanted).abs() < 0.1, "{ms} ms, wanted {wanted}");
}
