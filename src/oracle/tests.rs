//! Playbooks: what is seen, in order, and what must be made of it.

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

mod new_picture {
    use super::*;

    #[test]
    fn a_new_program_is_a_new_picture_timed_from_the_input() {
        let book = switched()
            .all(frames(0, 6, |n| drifting(n, "a")))
            .preset(at(6), "waves", declared(Picture::Moving, &["b"]))
            .all(frames(6, 20, |n| drifting(n, "b")));
        let outcome = book.end();
        assert_eq!(outcome.failed, None);
        near(outcome.ms.expect("a time"), 6.0 * TICK);
        let names: Vec<_> = outcome.events.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["hydra_preset_eval_start", "first_visualizer_frame", "hydra_preset_eval_success"]);
        assert_eq!(outcome.events[0].1, INPUT);
        assert_eq!(outcome.events[1].2["programs"], serde_json::json!(["b"]));
    }

    #[test]
    fn an_old_picture_that_drifts_for_ten_seconds_is_not_new() {
        for every in [1, 2, 5, 7, 30] {
            let mut book = switched().preset(at(0), "drift", declared(Picture::Moving, &[]));
            for n in (0..600).filter(|n| n % every == 0) {
                book = book.all(frames(n, n + 1, |n| drifting(n, "a")));
            }
            let why = book.failed();
            assert!(why.starts_with("the old picture stayed for 10.00 s"), "{why}");
            assert!(why.contains("the app still says `drift`"), "{why}");
        }
    }

    #[test]
    fn an_old_picture_read_in_bursts_is_not_new_where_nobody_names_presets() {
        let mut book = Book::new("new picture", silent_about_presets()).see(INPUT, Seen::Input);
        for n in (0..590).step_by(60) {
            book = book.all(frames(n, n + 9, |n| drifting(n, "a")));
        }
        assert!(book.failed().starts_with("the old picture stayed"));
    }

    #[test]
    fn an_old_picture_that_flashes_with_the_sound_is_not_new() {
        let mut old = before();
        old.frames = (970..1000).map(|n| (INPUT - 900.0 + n as f64 * 0.1, frame(n, "a", |_| 20.0))).collect();
        old.preset = Some("pulse".to_owned());
        let book = Book::new("new picture", old)
            .see(INPUT, Seen::Input)
            .preset(at(0), "pulse", declared(Picture::Sound, &["a"]))
            .all(frames(0, 300, |n| frame(n, "a", |_| if n / 18 % 2 == 0 { 20.0 } else { 200.0 })));
        assert!(book.failed().contains("the app still says `pulse`"));
    }

    #[test]
    fn a_dead_button_says_when_programs_were_linked_and_never_drawn() {
        let why = switched()
            .preset(at(0), "waves", Declared::default())
            .see(at(1), gl("program", ""))
            .all(frames(2, 500, |n| drifting(n, "a")))
            .failed();
        assert!(why.contains("1 programs were linked but never drawn"), "{why}");
        assert!(why.contains("though the app says `waves`"), "{why}");
    }

    #[test]
    fn a_cut_between_adjacent_frames_is_new_though_the_programs_are_the_same_if_the_app_says_so() {
        let cut = |book: Book| book.all(frames(0, 5, |n| drifting(n, "a"))).all(frames(5, 300, |n| bright(n, "a")));
        near(cut(switched().preset(at(0), "waves", Declared::default())).held(), 5.0 * TICK);
        let silent = Book::new("new picture", silent_about_presets()).see(INPUT, Seen::Input);
        assert!(cut(silent).failed().contains("must say its preset"));
    }

    #[test]
    fn going_dark_with_the_old_programs_is_no_cut_and_names_what_was_not_linked() {
        let why = switched()
            .preset(at(0), "waves", declared(Picture::Moving, &["b"]))
            .all(frames(0, 5, |n| drifting(n, "a")))
            .all(frames(5, 300, |n| frame(n, "a", |_| 0.0)))
            .failed();
        assert!(why.starts_with("the picture went black"), "{why}");
        assert!(why.contains("no program was linked since the switch, though the app says `waves`"), "{why}");
    }

    #[test]
    fn black_fails_unless_it_is_declared() {
        let black =
            |declared| switched().preset(at(0), "void", declared).all(frames(0, 500, |n| frame(n, "b", |_| 0.0)));
        near(black(super::declared(Picture::Black, &["b"])).held(), 0.0);
        assert_eq!(black(Declared::default()).failed(), "the picture is black");
        assert_eq!(black(super::declared(Picture::Moving, &["b"])).failed(), "the picture is black");
        assert_eq!(black(super::declared(Picture::Static, &[])).failed(), "the picture is black");
        assert_eq!(black(super::declared(Picture::Video, &[])).failed(), "the picture is black");
    }

    #[test]
    fn a_picture_where_black_is_declared_fails() {
        let book = switched().preset(at(0), "void", declared(Picture::Black, &[]));
        let why = book.all(frames(0, 500, |n| drifting(n, "b"))).failed();
        assert_eq!(why, "the picture is a picture, where black is declared");
    }

    #[test]
    fn nan_in_a_uniform_is_named() {
        let poisoned = |n| Frame { nan: vec!["time".to_owned()], ..frame(n, "b", |_| 0.0) };
        let why = switched().preset(at(0), "waves", Declared::default()).all(frames(0, 500, poisoned)).failed();
        assert!(why.contains("poisoned by NaN in the uniform time"), "{why}");
    }

    #[test]
    fn shaders_consoles_and_contexts_fail_at_once_with_their_reason() {
        let warn = |text: &str| Seen::Console("warn".to_owned(), text.to_owned());
        for (seen, words) in [
            (gl("compile_error", "\nERROR: 0:3: 'x' : undeclared"), "a shader did not compile: ERROR: 0:3"),
            (gl("link_error", "no main"), "a program did not link: no main"),
            (gl("lost", ""), "the WebGL context was lost"),
            (warn("Error during tick(): TypeError: no f"), "throws on every tick (\"Error during tick()\": TypeError"),
            (warn("shader could not compile"), "could not build the preset's shader"),
            (warn("function does not return a number 3"), "returns no number"),
        ] {
            let outcome = switched()
                .preset(at(0), "waves", Declared::default())
                .all(frames(0, 2, |n| drifting(n, "a")))
                .see(at(2), seen)
                .outcome
                .expect("at once");
            let why = outcome.failed.expect("it fails");
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn a_failure_just_after_the_first_new_frame_is_held_against_it() {
        let book = switched()
            .preset(at(0), "waves", Declared::default())
            .all(frames(0, 2, |n| drifting(n, "b")))
            .see(at(2), Seen::Console("warn".to_owned(), "Error during tick(): boom".to_owned()))
            .all(frames(3, 60, |n| drifting(n, "b")));
        assert!(book.failed().contains("boom"));
    }

    #[test]
    fn an_unrelated_error_is_no_failure_but_explains_one() {
        let seen = |picture: fn(u64) -> Frame| {
            switched()
                .preset(at(0), "waves", Declared::default())
                .see(at(0), Seen::Exception("TypeError: osc is no function\n  at x".to_owned()))
                .see(at(0), Seen::Console("error".to_owned(), "later".to_owned()))
                .all(frames(0, 500, picture))
        };
        near(seen(|n| drifting(n, "b")).held(), 0.0);
        let why = seen(|n| drifting(n, "a")).failed();
        assert!(why.ends_with("; uncaught: TypeError: osc is no function"), "{why}");
    }

    #[test]
    fn a_new_picture_that_freezes_has_not_settled() {
        let book = switched().preset(at(0), "waves", declared(Picture::Moving, &["b"]));
        let why = book.all(frames(0, 2, |n| drifting(n, "b"))).failed();
        assert!(why.starts_with("the new picture froze: nothing was drawn for the last 9.98 s"), "{why}");
    }

    #[test]
    fn a_picture_declared_moving_that_never_moves_fails_and_a_static_one_does_not() {
        let still = |picture| {
            let book = switched().preset(at(0), "ink", declared(picture, &[]));
            book.all(frames(0, 600, |n| frame(n, "b", |cell| 2.0 * cell)))
        };
        let why = still(Picture::Moving).failed();
        assert_eq!(why, "the new picture never moved in 10.00 s, where moving is declared");
        near(still(Picture::Static).held(), 0.0);
    }

    #[test]
    fn the_wrong_preset_is_told_by_its_programs() {
        let book = switched().preset(at(0), "waves", declared(Picture::Moving, &["b"]));
        let why = book.all(frames(0, 500, |n| drifting(n, "c"))).failed();
        assert_eq!(why, "the picture is the wrong preset: it is drawn by b, the screen by c");
    }

    #[test]
    fn a_late_word_of_the_app_is_waited_for() {
        let book = switched().all(frames(0, 60, |n| drifting(n, "b")));
        assert!(book.outcome.is_none(), "the app has not said what it shows");
        let outcome = book.preset(at(60), "waves", declared(Picture::Moving, &["b"])).outcome.expect("now it has");
        assert_eq!((outcome.failed, outcome.ms.map(f64::round)), (None, Some(0.0)));
    }

    #[test]
    fn a_word_that_stays_away_gives_no_new_picture() {
        let why = switched().all(frames(0, 600, |n| drifting(n, "b"))).failed();
        assert!(!why.is_empty());
    }

    #[test]
    fn a_video_preset_needs_a_videos_frames() {
        let video = |vtex| {
            let mut before = before();
            before.frames.iter_mut().for_each(|(_, f)| f.vtex = 7);
            Book::new("new picture", before)
                .see(INPUT, Seen::Input)
                .preset(at(0), "film", declared(Picture::Video, &["b"]))
                .all(frames(0, 500, |n| Frame { vtex, ..drifting(n, "b") }))
        };
        assert_eq!(video(7).failed(), "the picture is not drawn from a video's frames");
        near(video(8).held(), 0.0);
    }

    #[test]
    fn frames_before_the_input_belong_to_the_old_picture() {
        // The programs of a picture already drawn before the input are no news after it.
        let early = (0..5).map(|n| (BEGAN + f64::from(n) * TICK, drifting(1000 + n as u64, "b")));
        let book = Book::new("new picture", before()).all(early).see(INPUT, Seen::Input);
        let why = book.preset(at(0), "waves", Declared::default()).all(frames(5, 500, |n| drifting(n, "b"))).failed();
        assert!(why.starts_with("the old picture stayed"), "{why}");
    }

    #[test]
    fn without_frames_the_render_loop_stands_still() {
        let why = switched().preset(at(0), "waves", Declared::default()).failed();
        assert_eq!(why, "nothing was drawn to the screen for 10.00 s: the render loop stands still");
    }

    #[test]
    fn the_first_picture_of_a_page_is_new() {
        let before = Before { frames: Vec::new(), preset: None, ..before() };
        let book = Book::new("new picture", before).see(INPUT, Seen::Input);
        let book = book.preset(at(0), "drift", declared(Picture::Moving, &["a"]));
        near(book.all(frames(3, 30, |n| drifting(n, "a"))).held(), 3.0 * TICK);
    }

    #[test]
    fn a_step_without_a_trusted_input_is_timed_from_its_begin() {
        let book = Book::new("new picture", before()).see(INPUT, Seen::Acted);
        let book = book.preset(at(0), "waves", Declared::default()).all(frames(0, 30, |n| drifting(n, "b")));
        near(book.held(), INPUT - BEGAN);
    }
}

mod first_video_frame {
    use super::*;

    fn video(ev: &str) -> Seen {
        let src = Some("http://h/loop.mp4".to_owned());
        let by = (ev == "frame").then(|| "rvfc".to_owned());
        Seen::Video(Video { ev: ev.to_owned(), id: 1, src, by, rs: Some(0), ns: Some(2), ..Video::default() })
    }

    fn error(code: u8, message: &str) -> Seen {
        let error = Some(MediaError { code, message: message.to_owned() });
        Seen::Video(Video { ev: "error".to_owned(), id: 1, error, ..Video::default() })
    }

    fn started() -> Book {
        Book::new("first video frame", before())
            .see(INPUT, Seen::Input)
            .preset(at(0), "drift", Declared::default())
            .see(at(3), video("src"))
    }

    fn drawn(n: u64) -> Frame {
        Frame { vtex: n, ..drifting(n, "v") }
    }

    #[test]
    fn a_frame_decoded_and_shown_holds_at_the_time_it_was_decoded() {
        let outcome = started()
            .see(at(10), video("loadeddata"))
            .see(at(12), video("frame"))
            .see(at(13), Seen::Texture(Ok(())))
            .all(frames(14, 60, drawn))
            .end();
        assert_eq!(outcome.failed, None);
        near(outcome.ms.expect("a time"), 12.0 * TICK);
        let names: Vec<_> = outcome.events.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["video_init_start", "video_init_bound", "video_init_frame_ready", "video_visualizer_frame"]);
        assert_eq!(outcome.events[2].2["by"], "rvfc");
        assert_eq!(outcome.events[2].2["url"], "http://h/loop.mp4");
    }

    #[test]
    fn a_frame_decoded_but_never_shown_fails() {
        let why = started().see(at(12), video("frame")).all(frames(13, 2600, |n| drifting(n, "a"))).failed();
        assert!(why.starts_with("the video decodes, but its picture never reached the visualizer: the old"), "{why}");
    }

    #[test]
    fn an_error_followed_by_a_frame_holds() {
        let book = started().see(at(5), error(4, "later")).see(at(40), video("frame")).all(frames(41, 90, drawn));
        near(book.held(), 40.0 * TICK);
    }

    #[test]
    fn an_error_alone_fails_soon_after_five_seconds() {
        let mut book = started().see(at(30), error(4, "404: Not Found"));
        for n in 31..2700 {
            book = book.all(frames(n, n + 1, |n| drifting(n, "a")));
            if let Some(outcome) = &book.outcome {
                let waited = book.now - at(30);
                assert!((5000.0..5100.0).contains(&waited), "{waited} ms after the error");
                let why = outcome.failed.as_deref().expect("it fails");
                assert_eq!(why, "MediaError 4 (source not supported) 404: Not Found");
                return;
            }
        }
        panic!("it waited until the end");
    }

    #[test]
    fn silence_says_the_elements_state() {
        let why = started().all(frames(4, 2000, |n| drifting(n, "a"))).failed();
        assert_eq!(why, "silent: no frame and no error in 45.00 s (readyState 0, networkState 2)");
    }

    #[test]
    fn a_step_that_starts_no_video_says_so() {
        let book = Book::new("first video frame", before()).see(INPUT, Seen::Input);
        assert_eq!(book.failed(), "no video was given a source in 45.00 s");
    }

    #[test]
    fn a_source_given_late_still_counts_from_the_input() {
        let book = Book::new("first video frame", before())
            .see(INPUT, Seen::Input)
            .preset(at(0), "drift", Declared::default())
            .see(at(1200), video("src"))
            .see(at(1210), video("frame"))
            .all(frames(1211, 1300, drawn));
        near(book.held(), 1210.0 * TICK);
    }

    #[test]
    fn a_page_without_a_canvas_needs_the_decoded_frame_only() {
        let before = Before { t: BEGAN, ..Before::default() };
        let book = Book::new("first video frame", before).see(INPUT, Seen::Input);
        near(book.see(at(1), video("src")).see(at(9), video("frame")).held(), 9.0 * TICK);
    }

    #[test]
    fn an_audio_element_is_no_video() {
        let before = Before { t: BEGAN, ..Before::default() };
        let audio = Seen::Video(Video { ev: "frame".to_owned(), audio: true, ..Video::default() });
        assert!(Book::new("first video frame", before).see(INPUT, Seen::Input).see(at(1), audio).outcome.is_none());
    }

    #[test]
    fn a_tainted_video_is_named_where_its_picture_is_missing() {
        let tainted = Seen::Texture(Err("SecurityError: cross-origin".to_owned()));
        let why = started()
            .see(at(12), video("frame"))
            .see(at(13), tainted)
            .all(frames(14, 2600, |n| drifting(n, "a")))
            .failed();
        assert!(why.contains("the video may not be drawn: SecurityError"), "{why}");
    }
}

mod page {
    use super::*;

    fn opened() -> Book {
        Book::new("the page", Before { t: BEGAN, has_canvas: true, ..Before::default() })
    }

    #[test]
    fn a_page_with_its_canvas_holds_at_its_load() {
        near(opened().see(INPUT, Seen::Document(200)).see(INPUT + 50.0, Seen::Loaded(true)).held(), 150.0);
    }

    #[test]
    fn a_refused_or_unreachable_page_fails_at_once() {
        let at_once = |seen| opened().see(INPUT, seen).outcome.expect("at once").failed.expect("it fails");
        assert_eq!(at_once(Seen::Document(503)), "the page answered 503");
        assert!(at_once(Seen::Unreachable("refused".to_owned())).contains("could not be had: refused"));
    }

    #[test]
    fn a_page_without_its_canvas_or_without_a_load_fails_in_time() {
        assert!(
            opened().see(INPUT, Seen::Loaded(false)).failed().starts_with("the page loaded without the app's canvas")
        );
        let thrown = Seen::Exception("ReferenceError: Hydra".to_owned());
        let why = opened().see(INPUT, thrown).failed();
        assert!(why.starts_with("the page did not finish loading in 30"), "{why}");
        assert!(why.ends_with("uncaught: ReferenceError: Hydra"), "{why}");
    }
}

mod sound {
    use super::*;

    /// SplitMix64: a small source of seeded numbers.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn between(&mut self, low: f64, high: f64) -> f64 {
            low + (high - low) * self.roll()
        }

        /// About normal, deviation 1.
        fn noise(&mut self) -> f64 {
            (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
        }
    }

    /// Whether the known sound is on at a time, milliseconds; read from its samples.
    fn on(ms: f64) -> bool {
        static BITS: std::sync::OnceLock<Vec<bool>> = std::sync::OnceLock::new();
        let bits = BITS.get_or_init(|| {
            let bit = u64::from(RATE * BIT_MS / 1000);
            (0..16).map(|n| Sound::Tone.pcm(n * bit, n * bit + 1000).iter().any(|b| *b != 0)).collect()
        });
        bits[(ms / f64::from(BIT_MS)).floor().rem_euclid(16.0) as usize]
    }

    /// What an analyser of 2048 samples reads: RMS over the last 43 ms.
    fn level(ms: f64) -> f64 {
        let on = (0..43).filter(|back| on(ms - f64::from(*back))).count();
        0.28 * (on as f64 / 43.0).sqrt()
    }

    fn audio(ev: &str, state: Option<&str>, ok: Option<bool>) -> Seen {
        let error = (ok == Some(false)).then(|| "NotAllowedError".to_owned());
        Seen::Audio(Audio { ev: ev.to_owned(), state: state.map(str::to_owned), ok, error })
    }

    /// A player whose audio was started; `level` is what it hears, `picture` what it shows, both by milliseconds since
    /// the input; read some 12 times a second.
    fn played(
        dice: &mut Dice,
        said: Vec<Seen>,
        level: impl Fn(f64) -> Option<f64>,
        mut picture: impl FnMut(f64, u64, &mut Dice) -> Frame,
    ) -> Book {
        let mut book = Book::new("picture follows the sound", before()).see(INPUT, Seen::Input).preset(
            at(0),
            "pulse",
            declared(Picture::Sound, &["b"]),
        );
        for seen in said {
            book = book.see(at(0), seen);
        }
        let mut t = 100.0;
        while INPUT + t < book.give_up && book.outcome.is_none() {
            let n = 1000 + (t / TICK) as u64;
            let frame = Frame { lvl: level(t), ..picture(t, n, dice) };
            book = book.see(INPUT + t, Seen::Frame(frame));
            t += dice.between(75.0, 92.0);
        }
        book
    }

    fn running() -> Vec<Seen> {
        vec![audio("context", Some("running"), None), audio("gum", None, Some(true))]
    }

    /// A picture of one brightness, with a pattern in it.
    fn plain(n: u64, brightness: f64) -> Frame {
        frame(n, "b", |cell| brightness + 8.0 * cell.sin())
    }

    /// How many of these players are taken to follow.
    fn taken(seeds: u64, play: impl Fn(&mut Dice) -> Book) -> usize {
        (0..seeds).filter(|seed| play(&mut Dice(*seed)).end().failed.is_none()).count()
    }

    fn follower(dice: &mut Dice, lag: f64, noise: f64) -> Book {
        let (offset, speed, smooth) =
            (dice.between(0.0, 4800.0), dice.between(0.0005, 0.003), dice.between(0.0, 120.0));
        let (mut shown, mut last) = (0.0, 0.0);
        played(
            dice,
            running(),
            |t| Some(level(t + offset)),
            |t, n, dice| {
                let wanted = level(t + offset - lag) / 0.28;
                shown += (wanted - shown) * if smooth < 1.0 { 1.0 } else { 1.0 - (-(t - last) / smooth).exp() };
                last = t;
                let drift = 12.0 * (speed * t).sin();
                plain(n, 70.0 + 80.0 * shown + drift + noise * dice.noise())
            },
        )
    }

    #[test]
    fn a_picture_that_follows_is_taken_at_every_lag_up_to_400_ms() {
        for lag in 0..=400 {
            let outcome = follower(&mut Dice(lag), lag as f64, 0.0).end();
            assert_eq!(outcome.failed, None, "lag {lag} ms");
            let (name, _, fields) = outcome.events.last().expect("events");
            assert_eq!(*name, "sound_followed", "lag {lag} ms: {fields}");
        }
    }

    #[test]
    fn more_than_99_per_cent_of_noisy_followers_are_taken() {
        // Noise of a fifth of the swing, any lag.
        let taken = taken(1000, |dice| {
            let lag = dice.between(0.0, 400.0);
            follower(dice, lag, 16.0)
        });
        println!("noisy followers taken: {taken} of 1000");
        assert!(taken > 990, "{taken} of 1000");
    }

    #[test]
    fn a_picture_whose_contrast_or_motion_follows_is_taken() {
        let contrast = taken(200, |dice| {
            let offset = dice.between(0.0, 4800.0);
            played(
                dice,
                running(),
                |t| Some(level(t + offset)),
                |t, n, dice| {
                    let wide = 10.0 + 80.0 * level(t + offset - 100.0) / 0.28;
                    frame(n, "b", |cell| 120.0 + wide * (cell * 0.8 + t * 0.001).sin() + dice.0 as f64 % 3.0)
                },
            )
        });
        let motion = taken(200, |dice| {
            let offset = dice.between(0.0, 4800.0);
            let mut phase = 0.0;
            played(
                dice,
                running(),
                |t| Some(level(t + offset)),
                |t, n, dice| {
                    phase += 0.05 + 0.9 * level(t + offset - 50.0) / 0.28 + 0.02 * dice.noise();
                    frame(n, "b", |cell| 120.0 + 60.0 * (cell * 0.8 + phase).sin())
                },
            )
        });
        println!("followers by contrast {contrast}, by motion {motion}, of 200");
        assert!(contrast >= 199 && motion >= 196, "contrast {contrast}, motion {motion} of 200");
    }

    /// Unrelated pictures, by kind. Every one hears the sound from another moment on.
    fn unrelated(kind: &str, dice: &mut Dice) -> Book {
        let offset = dice.between(0.0, 4800.0);
        let (phase, period) = (dice.between(0.0, std::f64::consts::TAU), 300.0 * 40_f64.powf(dice.roll()));
        let (mut value, mut last, mut flip, mut lit) = (dice.between(60.0, 190.0), 0.0, 0.0, false);
        let (beat, pull) = (dice.between(200.0, 900.0), dice.between(0.02, 0.5));
        let hears = move |t: f64| Some(level(t + offset));
        let kind = kind.to_owned();
        played(dice, running(), hears, move |t, n, dice| {
            let gone = t - last;
            last = t;
            let turn = phase + std::f64::consts::TAU * t / period;
            match kind.as_str() {
                "still" => plain(n, 120.0),
                "sine" => plain(n, 120.0 + 70.0 * turn.sin()),
                "drift" => frame(n, "b", |cell| 120.0 + 90.0 * (turn + 0.3 * cell).sin()),
                "walk" => {
                    value = (value + 8.0 * dice.noise()).clamp(20.0, 235.0);
                    plain(n, value)
                }
                "noise" => {
                    value += (120.0 - value) * pull + 20.0 * dice.noise();
                    plain(n, value)
                }
                "beat" => {
                    flip -= gone;
                    if flip <= 0.0 {
                        flip = beat * if phase > 3.0 { 1.0 } else { dice.between(0.4, 1.6) };
                        lit = !lit;
                    }
                    plain(n, if lit { 190.0 } else { 60.0 })
                }
                other => unreachable!("{other}"),
            }
        })
    }

    #[test]
    fn fewer_than_2_per_cent_of_unrelated_pictures_are_taken() {
        let kinds = ["still", "sine", "drift", "walk", "noise", "beat"];
        let counts = kinds.map(|kind| taken(200, |dice| unrelated(kind, dice)));
        println!("unrelated pictures taken, of 200 each: {kinds:?} {counts:?}");
        for (kind, count) in kinds.iter().zip(counts) {
            assert!(count < 4, "{kind}: {count} of 200 were taken");
        }
    }

    #[test]
    fn what_keeps_the_sound_away_is_named() {
        let still = |_: f64, n: u64, _: &mut Dice| plain(n, 120.0);
        let why = |said: Vec<Seen>, level: fn(f64) -> Option<f64>| {
            played(&mut Dice(1), said, level, still).end().failed.expect("it fails")
        };
        let gum = || audio("gum", None, Some(true));
        let suspended = vec![audio("context", Some("suspended"), None), gum()];
        assert!(why(suspended, |_| Some(0.0)).starts_with("the AudioContext is suspended"));
        assert!(why(running(), |_| Some(0.001)).starts_with("the device is silent"));
        assert!(why(running(), |_| None).contains("connects nothing"));
        assert!(why(vec![audio("gum", None, Some(false))], |_| None).ends_with("refused: NotAllowedError"));
        assert_eq!(why(vec![], |_| None), "the page never asked for the microphone");
        let deaf = why(running(), |t| Some(level(t)));
        assert!(deaf.starts_with("the picture does not follow the sound"), "{deaf}");
    }

    #[test]
    fn a_context_resumed_in_time_is_no_fault() {
        let said = vec![
            audio("context", Some("suspended"), None),
            audio("gum", None, Some(true)),
            audio("state", Some("running"), None),
        ];
        let book = played(&mut Dice(3), said, |t| Some(level(t)), |t, n, _| plain(n, 60.0 + 400.0 * level(t - 90.0)));
        assert_eq!(book.end().failed, None);
    }

    #[test]
    fn a_silence_after_the_start_is_waited_out() {
        let sound = |t: f64| if t < 5000.0 { 0.0 } else { level(t) };
        let book =
            played(&mut Dice(3), running(), |t| Some(sound(t)), |t, n, _| plain(n, 60.0 + 400.0 * sound(t - 90.0)));
        assert_eq!(book.end().failed, None);
    }

    #[test]
    fn a_picture_that_follows_but_is_the_old_one_fails() {
        let book = played(
            &mut Dice(5),
            running(),
            |t| Some(level(t)),
            |t, n, _| Frame { programs: vec!["a".to_owned()], ..drifting((t / TICK) as u64 + n, "a") },
        );
        let why = book.end().failed.expect("it fails");
        assert!(why.starts_with("the old picture stayed"), "{why}");
    }
}
