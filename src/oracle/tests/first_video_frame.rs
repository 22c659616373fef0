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
    let why =
        started().see(at(12), video("frame")).see(at(13), tainted).all(frames(14, 2600, |n| drifting(n, "a"))).failed();
    assert!(why.contains("the video may not be drawn: SecurityError"), "{why}");
}

#[test]
fn a_picture_that_nobody_makes_play_is_none() {
    let still = |ev: &str| match video(ev) {
        Seen::Video(v) => Seen::Video(Video { paused: true, ..v }),
        other => other,
    };
    let waits = || started().see(at(10), still("loadeddata")).see(at(12), still("frame"));
    let why = waits().see(at(13), Seen::Texture(Ok(()))).all(frames(14, 2600, drawn)).failed();
    assert!(why.starts_with("its first picture was there, and it stayed paused for 45"), "{why}");
    // Played a little later, that picture was its first.
    let plays = waits().see(at(13), Seen::Texture(Ok(()))).see(at(20), video("frame")).all(frames(21, 90, drawn));
    near(plays.held(), 12.0 * TICK);
    // The browser says why it may not.
    let rejected = |name: &str| match video("play_rejected") {
        Seen::Video(v) => {
            let error = Some(MediaError { code: 0, message: format!("{name}: x") });
            Seen::Video(Video { error, paused: true, ..v })
        }
        other => other,
    };
    let why = waits().see(at(14), rejected("NotAllowedError")).all(frames(15, 2600, |n| drifting(n, "a"))).failed();
    assert!(why.starts_with("the browser did not let it play: NotAllowedError"), "{why}");
    let muted =
        waits().see(at(14), rejected("NotAllowedError")).all(frames(15, 700, drawn)).see(at(700), video("play"));
    near(muted.see(at(701), video("frame")).all(frames(702, 760, drawn)).held(), 12.0 * TICK);
    let why = waits().see(at(14), rejected("AbortError")).all(frames(15, 2600, |n| drifting(n, "a"))).failed();
    assert!(why.starts_with("its first picture was there"), "{why}");
}

#[test]
fn the_frame_of_a_video_that_was_there_before_is_not_the_new_ones() {
    let other = match video("frame") {
        Seen::Video(v) => Seen::Video(Video { id: v.id + 1, ..v }),
        other => other,
    };
    let why = started().see(at(12), other.clone()).all(frames(13, 2600, drawn)).failed();
    assert!(why.starts_with("silent: no frame"), "{why}");
    // One that was loaded ahead and is asked to play now is what the step starts, whatever is loaded ahead of the next.
    let asked = match &other {
        Seen::Video(v) => Seen::Video(Video { ev: "play".to_owned(), ..v.clone() }),
        other => other.clone(),
    };
    let plays =
        started().see(at(4), asked).see(at(12), other).see(at(13), Seen::Texture(Ok(()))).all(frames(14, 60, drawn));
    near(plays.held(), 12.0 * TICK);
}

#[test]
fn what_a_worker_draws_is_not_judged() {
    let before = Before { in_worker: true, frames: Vec::new(), ..before() };
    let book = Book::new("first video frame", before).see(INPUT, Seen::Input).see(at(3), video("src"));
    let outcome = book.see(at(12), video("frame")).end();
    assert_eq!((outcome.failed.as_deref(), outcome.undecided().is_some()), (None, true));
}
