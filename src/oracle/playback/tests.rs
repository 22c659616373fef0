mod numbers;
mod stands;
mod unasked;

use super::*;
use crate::browser::probe::MediaError;
use crate::measure::{LONG_STALL_MS, STUTTERS};
use proptest::prelude::*;
use serde_json::json;

/// Told every second, and at once when frames stop and come again, as the probe does.
struct Film {
    oracle: Playback,
    t: f64,
    at: Video,
    frame: f64,
    late: f64,
    told: Vec<Told>,
}

fn film(looping: bool) -> Film {
    let at = Video {
        id: 1,
        src: Some("http://h/film.mp4".to_owned()),
        rs: Some(4),
        ns: Some(1),
        ct: Some(0.0),
        w: Some(640.0),
        rate: Some(1.0),
        dur: Some(30.0),
        buf: Some(30.0),
        frames: Some(0.0),
        looping,
        ..Video::default()
    };
    let mut film = Film { oracle: Playback::default(), t: 1000.0, at, frame: 0.0, late: 0.0, told: Vec::new() };
    film.say("src");
    film.wait(200.0);
    film.frame = film.t;
    film.say("frame");
    film
}

impl Film {
    fn say(&mut self, ev: &str) {
        let sought = self.at.seeking && self.at.to.is_some();
        let none = self.frame == 0.0 || self.at.paused || self.at.ended || sought;
        let gap = (!none).then_some(self.t - self.frame);
        let v = Video { ev: ev.to_owned(), gap, late: Some(self.late), ..self.at.clone() };
        self.oracle.see(self.t, &v);
        self.told.extend(self.oracle.told());
        self.at.error = None;
    }

    fn wait(&mut self, ms: f64) {
        self.t += ms;
    }

    fn add(&mut self, seconds: f64) {
        let at = self.at.ct.unwrap_or(0.0) + seconds;
        self.at.ct = Some(if self.at.looping && at >= 30.0 { at - 30.0 } else { at });
    }

    /// Plays for so long.
    fn plays(mut self, ms: f64) -> Self {
        let mut left = ms;
        while left > 0.0 {
            let step = left.min(1000.0);
            left -= step;
            self.t += step;
            self.add(step / 1000.0);
            self.at.frames = self.at.frames.map(|n| n + (step * 0.03).floor());
            (self.frame, self.at.mt, self.late) = (self.t - 10.0, self.at.ct, 0.0);
            self.say("sample");
        }
        self.frame = self.t;
        self
    }

    /// Stands for so long; the clock runs on for a part of it.
    fn stands(mut self, ms: f64, clock: f64) -> Self {
        let mut gone = 0.0;
        let mut told = 200.0;
        while told < ms {
            self.t += told - gone;
            self.add((told - gone) * clock / 1000.0);
            gone = told;
            self.say(if told > 200.0 { "sample" } else { "gap" });
            told += 1000.0;
        }
        self.t += ms - gone;
        self.add((ms - gone) * clock / 1000.0);
        self
    }

    fn resumes(mut self) -> Self {
        self.say("resume");
        (self.frame, self.at.mt, self.late) = (self.t, self.at.ct, 0.0);
        self
    }

    fn event(mut self, ev: &str, change: impl FnOnce(&mut Video)) -> Self {
        change(&mut self.at);
        if matches!(ev, "play" | "seeked") {
            self.frame = self.t; // frames are due from now on
        }
        self.say(ev);
        self.frame = self.t;
        self
    }

    fn end(mut self) -> Self {
        self.oracle.end(self.t);
        self.told.extend(self.oracle.told());
        self
    }

    fn named(&self, name: &str) -> Vec<&Told> {
        self.told.iter().filter(|e| e.event == name).collect()
    }

    fn stalls(&self) -> Vec<(f64, String)> {
        let of =
            |e: &&Told| (e.fields["ms"].as_f64().expect("ms"), e.fields["kind"].as_str().expect("kind").to_owned());
        self.named("playback_stall").iter().map(of).collect()
    }

    fn summary(&self, field: &str) -> f64 {
        self.named("playback_summary")[0].fields[field].as_f64().expect("a figure")
    }

    fn verdict(&mut self) -> String {
        self.oracle.verdict(f64::INFINITY, Allowed::USUAL).map(|w| w.words).unwrap_or_default()
    }
}

#[test]
fn a_film_that_plays_is_told_with_its_figures() {
    let mut film = film(false).plays(10_000.0).end();
    assert_eq!(film.stalls(), []);
    assert_eq!(film.verdict(), "");
    assert_eq!(film.named("playback_start")[0].fields["ms"], 200.0);
    assert_eq!(film.summary("watched_ms"), 10_000.0);
    assert_eq!(film.summary("playing_ms"), 10_000.0);
    assert_eq!(film.summary("frames"), 300.0);
    assert_eq!(film.named("playback_end")[0].fields["premature"], false);
    assert_eq!(film.told[0].url.as_deref(), Some("http://h/film.mp4"));
}

#[test]
fn a_stall_begins_with_the_last_frame_and_ends_with_the_next() {
    let film = film(false).plays(6000.0);
    let start = film.t;
    let mut film = film.stands(5200.0, 0.0).resumes().plays(1000.0).end();
    assert_eq!(film.stalls(), [(5200.0, "rebuffering".to_owned())]);
    let stall = film.named("playback_stall")[0];
    assert_eq!((stall.t, stall.fields["end_ms"].as_f64()), (start, Some(start + 5200.0)));
    assert_eq!((&stall.fields["waiting"], &stall.fields["recovered"]), (&json!(false), &json!(true)));
    assert_eq!(film.summary("stalled_ms"), 5200.0);
    assert_eq!(film.summary("watched_ms"), 12_200.0);
    let why = film.verdict();
    assert!(why.starts_with("the video stood still for 5.2 s at 00:06.0 (readyState 4"), "{why}");
    assert!(why.ends_with("the browser told nothing)"), "{why}");
    assert_eq!(film.verdict(), "", "said once");
}

#[test]
fn what_the_browser_told_is_recorded_and_decides_nothing() {
    let waits =
        film(false).plays(3000.0).event("waiting", |_| {}).plays(2000.0).event("stalled", |_| {}).plays(1000.0).end();
    assert_eq!(waits.stalls(), [], "it told, and played on");
    let mut film = film(false).plays(3000.0);
    film.say("waiting");
    let mut film = film.stands(4000.0, 0.0);
    film.at.error = Some(MediaError { code: 2, message: "gone".to_owned() });
    film.say("error");
    let mut film = film.resumes();
    let why = film.verdict();
    assert!(why.contains("the browser told waiting, MediaError 2 gone"), "{why}");
}

#[test]
fn one_that_never_goes_on_is_silent_without_an_error() {
    let mut film = film(false).plays(3000.0).stands(12_000.0, 0.0);
    assert!(film.oracle.standing(0.0).is_some_and(|ms| ms > 11_000.0));
    let why = film.verdict();
    assert!(why.contains("did not go on, silent: no error"), "{why}");
    let film = film.end();
    assert_eq!(film.named("playback_stall")[0].fields["recovered"], false);
    assert_eq!(film.named("playback_stall")[0].fields["ended_by"], "end of the play");
}

#[test]
fn a_picture_that_stands_while_the_clock_runs_is_a_freeze() {
    let mut film = film(false).plays(4000.0);
    film.at.audible = true;
    let mut film = film.stands(5000.0, 1.0).resumes().end();
    assert_eq!(film.stalls(), [(5000.0, "freeze".to_owned())]);
    assert_eq!(film.summary("freezes"), 1.0);
    let why = film.verdict();
    assert!(why.contains("the picture stood still while clock and sound ran on for 5.0 s"), "{why}");
}

#[test]
fn a_pause_a_seek_and_a_loop_are_no_stalls() {
    let paused = film(false).plays(2000.0).event("pause", |v| v.paused = true);
    let mut paused = Film { t: paused.t + 9000.0, ..paused };
    paused.say("sample");
    let paused = paused.event("play", |v| v.paused = false).plays(2000.0).end();
    assert_eq!(paused.stalls(), []);
    assert_eq!(paused.summary("watched_ms"), 4000.0, "a pause is no watching");

    let sought = film(false).plays(2000.0).event("seeking", |v| (v.seeking, v.to) = (true, Some(20.0)));
    let sought = Film { t: sought.t + 2000.0, ..sought };
    let sought = sought.event("seeked", |v| (v.seeking, v.ct) = (false, Some(20.0)));
    let mut sought = sought.event("sample", |v| v.to = None).plays(2000.0).end();
    assert_eq!(sought.stalls(), []);
    assert_eq!(sought.named("playback_seek")[0].fields["ok"], true);
    assert_eq!(sought.verdict(), "");

    let mut looped = film(true).plays(75_000.0).end();
    assert_eq!((looped.stalls(), looped.verdict()), (vec![], String::new()));
    assert_eq!(looped.summary("loops"), 2.0);
    // The start of a loop may take a moment.
    let mut slow = film(true).plays(30_000.0).stands(600.0, 0.0).resumes().end();
    assert_eq!((slow.stalls(), slow.verdict()), (vec![], String::new()));
}

#[test]
fn a_source_taken_away_is_no_stall() {
    let mut film = film(true).plays(4000.0).event("emptied", |v| (v.rs, v.ct) = (Some(0), Some(0.0)));
    film.t += 20_000.0;
    let mut film = film.end();
    assert_eq!(film.stalls(), []);
    assert_eq!(film.verdict(), "");
    assert_eq!(film.named("playback_end")[0].fields["reason"], "replaced");
    assert_eq!(film.summary("watched_ms"), 4000.0);
}

#[test]
fn an_end_is_premature_by_the_clock_on_the_wall() {
    let full = film(false).plays(30_000.0).event("ended", |v| v.ended = true);
    let mut full = full.end();
    assert_eq!(full.verdict(), "");
    assert_eq!(full.named("playback_end").len(), 1);
    // What a truncated WebM does: it ends at its full duration after seven seconds.
    let mut cut = film(false).plays(7000.0).event("ended", |v| (v.ended, v.ct) = (true, Some(30.0))).end();
    let why = cut.verdict();
    assert!(why.contains("premature end: the video ended at 00:07.0 of 00:30.0, the last 23.0 s"), "{why}");
    assert_eq!(cut.named("playback_end").len(), 1, "{:?}", cut.told);
    assert_eq!(cut.named("playback_end")[0].fields["premature"], true);
    // The jump may be seen before the end, and a browser may take back the duration it claimed.
    let jumps = film(false).plays(7000.0).event("sample", |v| v.ct = Some(30.0));
    assert!(jumps.event("ended", |v| v.ended = true).verdict().contains("premature end"));
    let shorter = film(false).plays(7000.0).event("ended", |v| (v.ended, v.dur) = (true, Some(7.0)));
    assert!(Film { ..shorter }.verdict().contains("premature end"));
    let mut looped = film(true).plays(12_000.0).event("seeking", |v| v.ct = Some(0.0));
    let why = looped.verdict();
    assert!(why.contains("premature end: the video began anew at 00:12.0"), "{why}");
}

#[test]
fn a_seek_that_lands_elsewhere_is_wrong() {
    let sought = film(false).plays(2000.0).event("seeking", |v| (v.seeking, v.to) = (true, Some(20.0)));
    let mut at_once = sought.event("seeked", |v| (v.seeking, v.ct) = (false, Some(0.0)));
    let why = at_once.verdict();
    assert!(why.contains("was sent to 00:20.0 and went to 00:00.0"), "{why}");
    let sought = film(false).plays(2000.0).event("seeking", |v| (v.seeking, v.to) = (true, Some(20.0)));
    let sought = sought.event("seeked", |v| (v.seeking, v.ct) = (false, Some(20.0)));
    let mut later = sought.event("sample", |v| (v.to, v.ct) = (None, Some(0.0)));
    assert!(later.verdict().contains("was sent to 00:20.0"));
}

#[test]
fn sound_without_a_picture_is_wrong_for_a_film() {
    for (src, wrong) in [("http://h/film.mp4", true), ("http://h/song.ogg", false)] {
        let mut oracle = Playback::default();
        for n in 0..8 {
            let (src, ct) = (Some(src.to_owned()), Some(f64::from(n)));
            let v = Video { ev: "sample".to_owned(), id: 3, src, ct, rs: Some(4), audible: true, ..Video::default() };
            oracle.see(f64::from(n) * 1000.0, &v);
        }
        let why = oracle.verdict(f64::INFINITY, Allowed::USUAL).map(|w| w.words).unwrap_or_default();
        assert_eq!(why.contains("sound without a picture"), wrong, "{src}: {why}");
    }
}

#[test]
fn a_busy_page_is_no_stall() {
    let mut film = film(false).plays(2000.0);
    film.t += 4000.0;
    film.late = 3900.0;
    film.say("gap");
    let mut film = film.resumes().plays(1000.0).end();
    assert_eq!((film.stalls(), film.verdict()), (vec![], String::new()));
    assert_eq!(film.named("playback_busy").len(), 1);
    assert_eq!(film.summary("busy_ms"), 4000.0);
}

#[test]
fn a_first_frame_that_stands_belongs_to_the_start() {
    let mut film = film(false).stands(1500.0, 0.0).resumes().plays(2000.0).end();
    assert_eq!(film.stalls(), [(1500.0, "start".to_owned())]);
    assert_eq!((film.summary("stalls"), film.summary("start_stalled_ms")), (0.0, 1500.0));
    assert_eq!(film.verdict(), "");
}

#[test]
fn short_stalls_add_up() {
    let played = |stalls: usize, stands: f64, plays: f64| {
        (0..stalls).fold(film(false).plays(1000.0), |film, _| film.stands(stands, 0.0).resumes().plays(plays)).end()
    };
    let mut film = played(8, 450.0, 900.0);
    assert_eq!(film.verdict(), "the video stood still 7 times, 3.15 s in all: 33 % of the time watched");
    // Where a profile of faults allows longer ones, half of the time is too much; where it does not, a tenth.
    assert_eq!(Allowed::under_faults(Duration::from_secs(3)), Allowed::USUAL);
    let allowed = Allowed::under_faults(Duration::from_secs(10));
    let planned = |stands, plays| played(14, stands, plays).oracle.verdict(f64::INFINITY, allowed).is_some();
    assert!(!planned(900.0, 1000.0) && !planned(600.0, 300.0) && planned(900.0, 300.0));
    for (stalls, stands, plays) in [(6, 450.0, 900.0), (8, 450.0, 9000.0), (1, 2900.0, 100.0)] {
        assert_eq!(played(stalls, stands, plays).verdict(), "", "{stalls} of {stands}");
    }
}

#[test]
fn two_videos_are_watched_each_by_itself() {
    let mut film = film(false).plays(2000.0).stands(4000.0, 0.0);
    let other = Video { id: 2, ..film.at.clone() };
    for (ev, gap) in [("src", None), ("frame", Some(0.0)), ("sample", Some(20.0))] {
        film.oracle.see(film.t, &Video { ev: ev.to_owned(), gap, ..other.clone() });
    }
    let film = film.resumes().end();
    assert_eq!(film.stalls(), [(4000.0, "rebuffering".to_owned())]);
    assert_eq!(film.named("playback_summary").len(), 2);
}

proptest! {
    #[test]
    fn stalls_are_counted_as_they_are(parts in prop::collection::vec((500.0..3000.0_f64, 20.0..6000.0_f64), 1..6)) {
        let mut film = film(true).plays(1000.0);
        let mut wanted = Vec::new();
        for (plays, stands) in &parts {
            film = film.plays(*plays).stands(*stands, 0.0).resumes();
            if *stands >= STALL_MS {
                wanted.push(*stands);
            }
        }
        let long = wanted.iter().any(|ms| *ms > LONG_STALL_MS);
        let mut film = film.plays(500.0).end();
        let found: Vec<f64> = film.stalls().iter().map(|s| s.0).collect();
        prop_assert_eq!(found.len(), wanted.len());
        prop_assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 0.1), "{:?} {:?}", found, wanted);
        let watched = film.summary("watched_ms");
        let stalled: f64 = wanted.iter().sum();
        let often = wanted.len() > 1 && stalled > LONG_STALL_MS && stalled > STUTTERS * watched;
        // A single stall is never told as many.
        prop_assert!(!film.verdict().is_empty() || !long && !often);
        prop_assert!(long || often || film.verdict().is_empty());
        let all = film.summary("playing_ms") + film.summary("stalled_ms");
        prop_assert!((watched - all).abs() < 0.1);
    }

    #[test]
    fn nothing_told_in_any_order_upsets_it(says in prop::collection::vec((0..14_usize, 0.0..2000.0_f64, any::<u8>(), -5.0..40.0_f64), 0..60)) {
        const EVENTS: [&str; 14] = ["src", "loadstart", "frame", "sample", "gap", "resume", "seeking", "seeked", "pause", "play",
            "ended", "emptied", "waiting", "error"];
        let mut oracle = Playback::default();
        let mut t = 0.0;
        for (ev, dt, bits, x) in says {
            t += dt;
            let bit = |n: u8| bits & (1 << n) != 0;
            oracle.see(t, &Video {
                ev: EVENTS[ev].to_owned(), id: u64::from(bits & 1), src: Some("http://h/a.webm".to_owned()), ct: Some(x),
                rs: Some(bits >> 6), dur: bit(1).then_some(30.0), paused: bit(2), ended: bit(3), seeking: bit(4),
                to: bit(5).then_some(x), looping: bit(6), gap: bit(7).then_some(x.abs() * 100.0), ..Video::default()
            });
        }
        oracle.end(t);
        for told in oracle.told() {
            prop_assert!(told.t <= t + 0.01);
            let ms = told.fields["ms"].as_f64();
            prop_assert!(ms.is_none_or(|ms| ms >= -0.01), "{:?}", told);
            if told.event == "playback_summary" {
                prop_assert!(told.fields["playing_ms"].as_f64() <= told.fields["watched_ms"].as_f64());
            }
        }
    }
}
