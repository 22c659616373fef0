//! What a page does that nobody asked for.

use super::*;

/// Looked on at from 2 s on.
fn looked_at() -> Film {
    let mut film = film(false);
    film.at.attached = true;
    let mut film = film.plays(2000.0);
    film.oracle.looks_on(Some(film.t));
    film.plays(5000.0)
}

fn wrong(mut film: Film) -> String {
    let wrong = film.oracle.verdict(film.t, Allowed::USUAL);
    assert!(wrong.as_ref().is_none_or(|w| w.own), "the page's own doing: {wrong:?}");
    wrong.map(|w| w.words).unwrap_or_default()
}

#[test]
fn what_the_page_does_unasked_is_noticed() {
    let paused = |input: bool, attached: bool, ms: f64| {
        let mut film = looked_at();
        film.at.attached = attached;
        if input {
            film.oracle.input(film.t - 50.0);
        }
        film.at.paused = true;
        film.say("pause");
        film.wait(ms);
        wrong(film)
    };
    assert!(paused(false, true, 5000.0).contains("the page paused the video at 00:07.0 for 5.0 s"));
    assert_eq!([paused(true, true, 5000.0), paused(false, false, 5000.0), paused(false, true, 2000.0)], [""; 3]);

    let ended = |input: bool| {
        let mut film = looked_at();
        if input {
            film.oracle.input(film.t - 50.0);
        }
        (film.at.to, film.at.seeking) = (Some(30.0), true);
        film.say("seeking");
        film.wait(50.0);
        (film.at.ct, film.at.ended, film.at.to, film.at.seeking) = (Some(30.0), true, None, false);
        film.say("ended");
        wrong(film)
    };
    assert!(ended(false).contains("sent the video from 00:07.0 to its end at 00:30.0"), "{}", ended(false));
    assert_eq!(ended(true), "");

    let rate = |rate: f64| {
        let mut film = looked_at();
        film.at.rate = Some(rate);
        wrong(film.plays(5000.0))
    };
    assert!(rate(0.5).contains("at 0.5 times its speed"));
    assert_eq!([rate(1.0), rate(1.1)], [""; 2]);
}
