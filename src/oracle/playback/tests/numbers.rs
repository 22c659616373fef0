//! The number in the picture, and where a viewer's word leads.

use super::super::counter::{BLOCKS, number};
use super::*;

/// The line through the row of `n`, each block so many pixels wide.
fn line(n: u16, side: usize) -> Vec<u8> {
    let odd = |mask: u16| (n & mask).count_ones() % 2 == 1;
    let mut bits = vec![true, false];
    bits.extend((0..16).rev().map(|bit| n >> bit & 1 == 1));
    bits.extend([odd(0x5555), !odd(0xaaaa)]);
    bits.into_iter().flat_map(|bit| vec![if bit { 235 } else { 16 }; side]).collect()
}

/// The film, whose pictures carry their number.
fn numbered(looping: bool) -> Film {
    let mut film = film(looping);
    let counter = Counter { media: vec!["/film*".to_owned()], fps: 30.0 };
    film.oracle = Playback::of(Some(counter));
    film.say("src");
    film.frame = film.t;
    film.say("frame");
    film
}

impl Film {
    /// A picture is read that is `off` seconds from the clock: whether it fits.
    fn reads(&mut self, of: Of, off: f64) -> bool {
        let clock = self.at.ct.unwrap_or(0.0);
        let number = ((clock + off) * 30.0).round() as u16;
        let fits = self.oracle.read(self.t, &Reading { of, number, clock: (clock, clock) });
        self.told.extend(self.oracle.told());
        fits
    }

    fn wrong(&mut self) -> Option<Wrong> {
        self.oracle.verdict(self.t, Allowed::USUAL)
    }
}

fn screen() -> Of {
    Of::Screen("http://h/film.mp4".to_owned())
}

#[test]
fn a_row_is_read_whatever_its_size_and_a_spoilt_one_is_none() {
    for side in [4, 7, 32, 45] {
        for n in [0, 1, 2, 511, 682, 899, 32_768, 65_535] {
            assert_eq!(number(&line(n, side)), Some(n), "{side}");
        }
    }
    let spoilt = |block: usize, to: u8| {
        let mut line = line(682, 32);
        line[block * 32..(block + 1) * 32].fill(to);
        number(&line)
    };
    assert_eq!(spoilt(0, 16), None, "no sync");
    assert_eq!(spoilt(1, 235), None, "no sync");
    assert_eq!(spoilt(9, 128), None, "neither black nor white");
    for block in 2..BLOCKS {
        let flipped = if line(682, 32)[block * 32] > 100 { 16 } else { 235 };
        assert_eq!(spoilt(block, flipped), None, "one block flipped: {block}");
    }
    assert_eq!((number(&[]), number(&[90; 640]), number(&[255; 640])), (None, None, None));
}

#[test]
fn only_clips_that_are_declared_are_counted() {
    let counter = Counter { media: vec!["/media/h264*.mp4".to_owned(), "/proxy?url=*h264*".to_owned()], fps: 30.0 };
    let fps = |url: &str| counter.fps_of(url);
    assert_eq!(fps("http://127.0.0.1:4700/media/h264-tail.mp4"), Some(30.0));
    assert_eq!(fps("http://127.0.0.1:4700/proxy?url=http%3A%2F%2Fx%2Fh264.mp4"), Some(30.0));
    assert_eq!((fps("http://h/media/plain.mp4"), fps("http://h"), fps("blob:http://h/1")), (None, None, None));
    assert_eq!(Counter::default().fps_of("http://h/media/h264.mp4"), None);
}

#[test]
fn a_picture_that_goes_with_the_clock_is_told_and_fits() {
    let mut film = numbered(false).plays(1000.0);
    for _ in 0..8 {
        film = film.plays(1000.0);
        // Three frames behind, as a picture on its way to the screen is.
        assert!(film.reads(Of::Drawn(1), -0.1));
        assert!(film.reads(screen(), 0.0));
    }
    assert!(film.wrong().is_none());
    let told = film.named("picture_number");
    assert!(told.len() == 8 && told.iter().all(|e| e.fields["ok"] == true), "{}", told.len());
    assert_eq!(told[0].fields["off_s"], -0.1);
    assert_eq!(film.end().summary("numbers_read"), 16.0);
}

#[test]
fn a_picture_of_another_place_is_wrong_if_it_goes_on_there() {
    for (off, words) in [(5.0, "that of 00:12.0 (number 360)"), (-5.0, "that of 00:02.0 (number 60)")] {
        let mut film = numbered(false).plays(6000.0);
        assert!(!film.reads(Of::Drawn(1), off));
        assert!(film.wrong().is_none(), "one alone may be of before a seek");
        film = film.plays(1000.0);
        film.reads(Of::Drawn(1), off);
        let wrong = film.wrong().expect("noticed");
        assert!(wrong.words.contains(words) && wrong.words.ends_with("at 00:07.0") && !wrong.own, "{}", wrong.words);
        assert!(film.named("picture_number").iter().any(|e| e.fields["elsewhere"] == true));
        film = film.plays(1000.0);
        film.reads(Of::Drawn(1), off);
        assert!(film.wrong().is_none(), "said once");
    }
    // One picture of the place before, and then those of where it went.
    let mut film = numbered(false).plays(6000.0);
    film.reads(Of::Drawn(1), 5.0);
    film = film.plays(500.0);
    film.reads(Of::Drawn(1), 0.0);
    film = film.plays(500.0);
    film.reads(Of::Drawn(1), 5.0);
    assert!(film.wrong().is_none());
}

#[test]
fn a_still_over_a_video_that_plays_on_is_noticed_by_its_number() {
    let mut film = numbered(false).plays(15_000.0);
    assert!(!film.reads(screen(), -15.0), "the first frame");
    film = film.plays(400.0);
    film.reads(screen(), -15.4);
    let wrong = film.wrong().expect("noticed");
    assert!(wrong.words.starts_with("the picture on the screen stood at 00:00.0 for 15.4 s"), "{}", wrong.words);
    assert!(wrong.own && wrong.stood.is_some_and(|(_, ms)| ms > 15_000.0), "{wrong:?}");
    // Read after the last step, nothing is looked at any more.
    let mut film = numbered(false).plays(15_000.0);
    film.reads(screen(), -15.0);
    film = film.plays(400.0);
    film.reads(screen(), -15.4);
    assert!(film.end().wrong().is_some_and(|wrong| wrong.own));
    // Two seconds are as short as a stall may be.
    let mut film = numbered(false).plays(8000.0);
    film.reads(Of::Drawn(1), -1.6);
    film = film.plays(400.0);
    film.reads(Of::Drawn(1), -2.0);
    assert!(film.oracle.is_wrong(film.t, Allowed { at_once: 1000.0, ..Allowed::USUAL }));
    assert!(film.wrong().is_none());
    film = film.plays(400.0);
    film.reads(Of::Drawn(1), 0.0);
    assert!(film.wrong().is_none(), "it went on");
}

#[test]
fn a_loop_a_pause_and_a_seek_are_no_other_place() {
    let mut film = numbered(true).plays(29_000.0);
    film = film.event("seeking", |v| v.ct = Some(0.1));
    for _ in 0..3 {
        assert!(film.reads(Of::Drawn(1), 29.8), "the clock is round already");
        film.wait(400.0);
    }
    let mut film = numbered(false).plays(6000.0).event("pause", |v| v.paused = true);
    assert!(film.reads(screen(), 9.0) && film.reads(screen(), 9.0), "nobody plays it");
    let mut film = numbered(false).plays(6000.0).event("seeking", |v| (v.seeking, v.to) = (true, Some(20.0)));
    assert!(film.reads(Of::Drawn(1), 9.0), "it is on its way");
}

#[test]
fn pictures_left_out_and_pictures_repeated_are_counted_where_all_are_seen() {
    let mut film = numbered(false).plays(2000.0);
    let read = |film: &mut Film, after: f64, number: u16| {
        film.t += after;
        film.at.ct = film.at.ct.map(|ct| ct + after / 1000.0);
        film.oracle.read(film.t, &Reading { of: Of::Drawn(1), number, clock: (0.0, 60.0) });
    };
    // Drawn 60 times a second: each picture twice, then one is left out, then one stands for as long as three should.
    for number in [60, 60, 61, 61, 63, 63, 64, 64, 64, 64, 64, 64, 65] {
        read(&mut film, 16.7, number);
    }
    // Looked at now and then, nothing is known of those between.
    for number in [90, 120, 121] {
        read(&mut film, 1000.0, number);
    }
    let film = film.end();
    assert_eq!((film.summary("numbers_skipped"), film.summary("numbers_repeated")), (1.0, 2.0));
}

#[test]
fn a_clip_with_fewer_pictures_than_it_should_have_is_noticed_and_a_slow_screen_is_none() {
    let plays = |shown: f64, decoded: f64| {
        let mut film = numbered(false);
        (film.at.frames, film.at.decoded) = (Some(0.0), Some(3.0));
        film.say("sample");
        for _ in 0..10 {
            film.at.frames = film.at.frames.map(|n| n - 30.0 + shown);
            film.at.decoded = film.at.decoded.map(|n| n + decoded);
            film = film.plays(1000.0);
        }
        film.wrong().map(|w| w.words)
    };
    assert_eq!(plays(15.0, 15.0).as_deref(), Some("the video has 15.0 pictures a second, where 30 are declared"));
    assert_eq!(plays(12.0, 30.0), None, "shown by a machine that is busy");
    assert_eq!(plays(30.0, 30.0), None);
    assert_eq!(plays(30.0, 0.0), None, "a browser that does not count them");
}

#[test]
fn a_word_that_leads_elsewhere_or_nowhere_is_the_pages_doing() {
    let sent = |on: f64, to: Option<f64>| {
        let mut film = numbered(false).plays(5000.0);
        film.oracle.leads(Some(on));
        film.wait(500.0);
        film.at.ct = film.at.ct.map(|ct| ct + 0.5);
        if let Some(to) = to {
            film = film.event("seeking", |v| (v.seeking, v.to, v.ct) = (true, Some(to), Some(to)));
            film = film.event("seeked", |v| (v.seeking, v.to) = (false, None));
            assert!(!film.oracle.is_to_lead());
        }
        film.oracle.led_nowhere();
        let wrong = film.wrong();
        assert!(wrong.as_ref().is_none_or(|w| w.own), "{wrong:?}");
        (wrong.map(|w| w.words).unwrap_or_default(), film)
    };
    let leads = |to: Option<f64>| sent(10.0, to);
    let (right, film) = leads(Some(15.5));
    assert_eq!(right, "");
    assert_eq!((&film.named("playback_led")[0].fields["ok"], film.named("playback_seek").len()), (&json!(true), 0));
    let (astray, _) = leads(Some(20.5));
    let words = "the viewer asked for 10 s further on, from 00:05.5 to 00:15.5, and the page sent the video to 00:20.5";
    assert_eq!(astray, words);
    assert!(leads(None).0.ends_with("no video was sent anywhere"));
    assert_eq!(leads(Some(15.0)).0, "", "to the second");
    // And back, to its beginning at most.
    assert_eq!((sent(-3.0, Some(2.5)).0, sent(-10.0, Some(0.0)).0), (String::new(), String::new()));
    let astray = "the viewer asked for 3 s back, from 00:05.5 to 00:02.5, and the page sent the video to 00:08.5";
    assert_eq!(sent(-3.0, Some(8.5)).0, astray);
    // Near its end there is no ten seconds further on.
    let mut film = numbered(false).plays(25_000.0);
    film.oracle.leads(Some(10.0));
    let mut film = film.event("seeking", |v| (v.seeking, v.to) = (true, Some(30.0)));
    film.oracle.led_nowhere();
    assert!(film.wrong().is_none());
    // A word that leads nowhere by what is declared of it may do as it likes.
    film.oracle.leads(None);
    film.oracle.led_nowhere();
    assert!(film.wrong().is_none());
}
