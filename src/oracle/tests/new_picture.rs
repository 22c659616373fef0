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
    let black = |declared| switched().preset(at(0), "void", declared).all(frames(0, 500, |n| frame(n, "b", |_| 0.0)));
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

#[test]
fn a_picture_that_may_stand_still_may_be_drawn_once() {
    let once = |picture| switched().preset(at(0), "dots", declared(picture, &[])).all(frames(3, 4, |n| bright(n, "b")));
    near(once(Picture::Static).see(at(40), Seen::Tick).held(), 3.0 * TICK);
    let why = once(Picture::Moving).see(at(40), Seen::Tick).failed();
    assert!(why.starts_with("the new picture froze"), "{why}");
}
