//! A picture that stands from one source to the next, or where no frame is due.

use super::*;

/// The player gives it the same source anew.
fn again(mut film: Film, plays_ms: f64) -> Film {
    film.wait(1500.0);
    film.at.ct = Some(7.0);
    film.say("src");
    film.wait(100.0);
    film.frame = film.t;
    film.say("frame");
    film.plays(plays_ms)
}

fn breaks_off(mut film: Film) -> Film {
    film.at.error = Some(MediaError { code: 3, message: "decode".to_owned() });
    film.say("error");
    film
}

#[test]
fn a_source_tried_again_in_vain_stands_all_the_while() {
    let mut film = breaks_off(film(false).plays(7000.0));
    for _ in 0..4 {
        film = breaks_off(again(film, 200.0));
        // After the error: it says that it plays, and its clock stands.
        film.wait(3000.0);
        film.say("sample");
    }
    assert!(film.oracle.standing(film.t).is_some_and(|ms| ms > 7000.0));
    let why = film.oracle.verdict(film.t, Allowed::USUAL).expect("noticed");
    assert!(why.words.contains("broke off at 00:07.0") && why.words.contains("tried again 4 times"), "{}", why.words);
    film.oracle.end(film.t);
    let stalls: Vec<Told> = film.oracle.told().into_iter().filter(|t| t.event == "playback_stall").collect();
    assert_eq!(stalls.len(), 1);
    assert_eq!((&stalls[0].fields["sources"], &stalls[0].fields["recovered"]), (&json!(5), &json!(false)));
}

#[test]
fn a_source_that_plays_on_at_the_second_try_stood_until_then() {
    let film = again(breaks_off(film(false).plays(7000.0)), 5000.0);
    let stalls: Vec<&Told> = film.told.iter().filter(|t| t.event == "playback_stall").collect();
    assert_eq!((stalls.len(), &stalls[0].fields["ms"]), (1, &json!(1600.0)));
    assert_eq!((&stalls[0].fields["recovered"], &stalls[0].fields["kind"]), (&json!(true), &json!("interrupted")));
    let mut film = film;
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none() && film.oracle.standing(film.t).is_none());
    assert!(film.oracle.verdict(film.t, Allowed::under_faults(Duration::from_secs(1))).is_none(), "told once");
}

/// Looked at every second, without a frame.
fn idles(mut film: Film, ms: f64) -> Film {
    let mut gone = 0.0;
    while gone < ms {
        gone += 1000.0;
        film.t += 1000.0;
        film.say("sample");
    }
    film
}

#[test]
fn a_seek_that_never_lands_is_a_picture_that_stands() {
    let mut film = film(false).plays(3000.0);
    (film.at.seeking, film.at.to) = (true, Some(20.0));
    film.say("seeking");
    let mut film = idles(film, 6000.0);
    assert_eq!(film.oracle.standing(film.t).map(|ms| ms > 5000.0), Some(true));
    let wrong = film.oracle.verdict(film.t, Allowed::USUAL).expect("it stands");
    assert!(wrong.words.starts_with("the video was sent to 00:20.0, never came there, and stood for 6."), "{wrong:?}");
    film.oracle.end(film.t);
    let told = film.oracle.told();
    let stall = told.iter().find(|told| told.event == "playback_stall").expect("it is told");
    assert_eq!((&stall.fields["kind"], &stall.fields["recovered"]), (&json!("rebuffering"), &json!(false)));
    // One that lands is none, however the page got there.
    let mut film = self::film(false).plays(3000.0);
    (film.at.seeking, film.at.to) = (true, Some(20.0));
    film.say("seeking");
    let mut film = idles(film, 1000.0);
    (film.at.seeking, film.at.to, film.at.ct) = (false, None, Some(20.0));
    film.say("seeked");
    let mut film = film.plays(5000.0);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
    // Led on to another place it is a seek anew, and another source has none.
    (film.at.seeking, film.at.to) = (true, Some(3.0));
    film.say("seeking");
    let mut film = idles(film, 2000.0);
    film.at.to = Some(9.0);
    film.say("seeking");
    let mut film = idles(film, 2000.0);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
    (film.at.seeking, film.at.to, film.at.ct) = (false, None, Some(9.0));
    film.say("seeked");
    let mut film = film.plays(1000.0);
    // Nor is one of a video that the viewer has paused.
    (film.at.seeking, film.at.to, film.at.paused) = (true, Some(25.0), true);
    film.say("pause");
    let mut film = idles(film, 6000.0);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
}

#[test]
fn an_error_that_the_page_answers_with_a_pause_is_none_the_less_one() {
    let failed = |goes_on: bool| {
        let mut film = film(false).plays(3000.0);
        film.at.error = Some(MediaError { code: 2, message: "network".to_owned() });
        film.say("error");
        film.at.paused = true;
        film.say("pause");
        let mut film = idles(film, 1000.0);
        if goes_on {
            let mut next = Video { id: 2, ev: "src".to_owned(), paused: false, frames: Some(0.0), ..film.at.clone() };
            film.oracle.see(film.t, &next);
            (next.ev, next.gap) = ("frame".to_owned(), Some(0.0));
            film.oracle.see(film.t + 500.0, &next);
        }
        idles(film, 5000.0)
    };
    let mut film = failed(false);
    let wrong = film.oracle.verdict(film.t, Allowed::USUAL).expect("it broke off");
    assert!(wrong.words.starts_with("the video broke off at 00:03."), "{wrong:?}");
    assert!(wrong.words.contains("and did not go on") && wrong.words.contains("MediaError 2"), "{wrong:?}");
    // The page shows another in its place: that is how long it stood.
    let mut film = failed(true);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
}

#[test]
fn a_video_in_anothers_place_must_begin() {
    let next = |at: &Video, ev: &str| Video {
        ev: ev.to_owned(),
        src: Some("http://h/next.mp4".to_owned()),
        ct: Some(0.0),
        rs: Some(0),
        ..at.clone()
    };
    let mut film = film(false).plays(3000.0);
    (film.at.ended, film.at.ct) = (true, Some(30.0));
    film.say("ended");
    let at = Video { ended: false, ..film.at.clone() };
    film.oracle.see(film.t, &next(&at, "src"));
    film.oracle.see(film.t + 4000.0, &next(&at, "sample"));
    let wrong = film.oracle.open(film.t + 4000.0).find(|wrong| wrong.is_beyond(Allowed::USUAL));
    assert!(wrong.is_some_and(|w| w.words.starts_with("the video that came next never showed a frame")));
    // Behind one that plays, nobody waits for it; and one that is heard of no more is no more.
    let mut ahead = self::film(false).plays(3000.0);
    let behind = |at: &Video, ev: &str| Video { id: 2, ..next(at, ev) };
    ahead.oracle.see(ahead.t, &behind(&at, "src"));
    let mut ahead = ahead.plays(5000.0);
    ahead.oracle.see(ahead.t, &behind(&at, "sample"));
    assert!(!ahead.oracle.open(ahead.t).any(|wrong| wrong.is_beyond(Allowed::USUAL)));
    (ahead.at.ended, ahead.at.ct) = (true, Some(30.0));
    ahead.say("ended");
    assert!(!ahead.oracle.open(ahead.t + 9000.0).any(|w| w.stood.is_some_and(|(_, ms)| ms > 7000.0)));
    // The first of a page is looked at by the step that starts it, and one that nobody plays by none.
    let mut first = Playback::default();
    first.see(0.0, &next(&at, "src"));
    first.see(9000.0, &next(&at, "sample"));
    assert!(first.open(9000.0).next().is_none());
    let paused = Video { paused: true, ..at };
    film.oracle.see(film.t + 4100.0, &next(&paused, "pause"));
    assert!(!film.oracle.open(film.t + 9000.0).any(|wrong| wrong.is_beyond(Allowed::USUAL)));
}

/// The picture of `film` stands in a seek; its element is taken away, and another plays, or hangs.
#[test]
fn a_page_that_goes_on_in_another_element_stood_until_then() {
    let sought = |plays: bool| {
        let mut film = film(false).plays(3000.0);
        (film.at.seeking, film.at.to) = (true, Some(20.0));
        film.say("seeking");
        let mut film = idles(film, 1000.0);
        (film.at.seeking, film.at.to, film.at.src, film.at.rs) = (false, None, Some(String::new()), Some(0));
        film.say("emptied");
        (film.at.id, film.at.src, film.at.ct) = (2, Some("http://h/film.mp4".to_owned()), Some(0.0));
        (film.frame, film.at.frames) = (0.0, Some(0.0));
        film.say("src");
        if !plays {
            return idles(film, 9000.0);
        }
        film.wait(500.0);
        film.frame = film.t;
        (film.at.ct, film.at.rs) = (Some(20.0), Some(4));
        film.say("frame");
        film.plays(9000.0)
    };
    let mut film = sought(true);
    assert_eq!(film.oracle.verdict(film.t, Allowed::USUAL).map(|wrong| wrong.words), None);
    let stall = film.named("playback_stall")[0].fields.clone();
    assert_eq!(
        (&stall["ms"], &stall["recovered"], &stall["kind"]),
        (&json!(1500.0), &json!(true), &json!("interrupted"))
    );
    let mut film = sought(false);
    let wrong = film.oracle.verdict(film.t, Allowed::USUAL).expect("it never went on");
    assert!(wrong.words.starts_with("the video broke off at 00:03.0 and stood for 10."), "{wrong:?}");
}

/// A clip has ended; the one that comes next is loaded `times` times, each for 2 s, and never shows a frame.
fn next_clips(times: u32, skipped: bool) -> Film {
    let mut film = film(false).plays(30_000.0);
    (film.at.ended, film.at.ct) = (true, Some(30.0));
    film.say("ended");
    (film.at.ended, film.at.ct, film.at.rs, film.frame) = (false, Some(0.0), Some(0), 0.0);
    for nth in 0..times {
        if skipped {
            film.oracle.input(film.t - 50.0);
        }
        film.at.src = Some(format!("http://h/next.mp4?try={nth}"));
        film.say("src");
        film = idles(film, 2000.0);
    }
    film
}

#[test]
fn a_next_clip_that_is_tried_again_in_vain_stands_all_the_while() {
    let mut film = next_clips(3, false);
    let wrong = film.oracle.verdict(film.t, Allowed::USUAL).expect("nothing came for 6 s");
    let begins = "the video that came next never showed a frame: the picture stood for 6.0 s";
    assert!(wrong.words.starts_with(begins), "{wrong:?}");
    film.frame = film.t;
    (film.at.rs, film.at.ct) = (Some(4), Some(0.0));
    film.say("frame");
    let mut film = film.plays(3000.0);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
    // One that the page holds back, and the viewer plays later, is waited for from then on.
    let mut film = next_clips(1, false);
    film.at.src = Some("http://h/held.mp4".to_owned());
    film.at.paused = true;
    film.say("src");
    film.wait(30_000.0);
    film.at.paused = false;
    film.say("play");
    let mut film = idles(film, 2000.0);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
    // A viewer who skips from one to the next waits for each by itself, for as long as it hangs.
    let mut film = next_clips(3, true);
    assert!(film.oracle.verdict(film.t, Allowed::USUAL).is_none());
    let mut film = idles(film, 2000.0);
    film.oracle.input(film.t - 50.0);
    film.at.src = Some("http://h/third.mp4".to_owned());
    film.say("src");
    let wrong = film.oracle.verdict(film.t, Allowed::USUAL).expect("it hung for 4 s before it was skipped");
    assert!(wrong.words.contains("the picture stood for 4.0 s and did not go on"), "{wrong:?}");
}

#[test]
fn a_stall_that_the_page_answers_by_taking_the_source_away_goes_on() {
    let taken_away = |asked: bool| {
        let mut film = film(false).plays(3000.0).stands(4000.0, 0.0);
        if asked {
            film.oracle.input(film.t);
        }
        (film.at.paused, film.at.rs) = (true, Some(0));
        film.say("abort");
        film.at.src = Some(String::new());
        film.say("emptied");
        idles(film, 6000.0)
    };
    let mut film = taken_away(false);
    let allowed = Allowed::under_faults(Duration::from_secs(6));
    let wrong = film.oracle.verdict(film.t, allowed).expect("nothing came any more");
    assert!(wrong.words.starts_with("the video broke off at 00:03.0 and stood for 10."), "{wrong:?}");
    // The viewer had it put away: it stood until then.
    let mut film = taken_away(true);
    assert!(film.oracle.verdict(film.t, allowed).is_none() && film.oracle.standing(film.t).is_none());
    let stalls: Vec<&Told> = film.told.iter().filter(|told| told.event == "playback_stall").collect();
    assert_eq!((stalls.len(), &stalls[0].fields["kind"]), (1, &json!("rebuffering")));
    assert!(stalls[0].fields["ms"].as_f64().is_some_and(|ms| (3900.0..4100.0).contains(&ms)), "{:?}", stalls[0]);
}
