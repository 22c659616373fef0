//! Does the visualizer's picture go on as its preset declares, while the viewer just looks?
//!
//! A loop that draws proves nothing: Hydra draws black at 60 frames a second, and a texture may keep a video's first frame
//! for ever. So it is the frames' pixels that are looked at, and the uploads of video frames that they were drawn from.

use super::{Declared, Picture, Seen};
use crate::browser::probe::Frame;
use crate::unit::show_ms;

/// So long a picture may be black, or a moving one stand still, milliseconds: a film may have such a scene.
const WRONG_MS: f64 = 5000.0;
/// And so many frames must have been read in that time.
const FRAMES: u32 = 4;
/// A moving picture changes some cell by at least this, of 255.
const MOVES: u8 = 2;
/// A video's texture may wait for so long for the next frame of a video that shows frames, milliseconds.
const STUCK_MS: f64 = 3000.0;

/// Something that has held since some frame.
#[derive(Clone, Copy, Debug)]
struct Since {
    t: f64,
    frames: u32,
}

impl Since {
    fn new(t: f64) -> Self {
        Self { t, frames: 1 }
    }

    fn long(self, t: f64) -> bool {
        self.frames >= FRAMES && t - self.t >= WRONG_MS
    }
}

/// What is wrong with a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// In words for 2 a.m.
    pub words: String,
    /// From when to when on the run's clock, where it is nothing but what did not come: a busy machine explains that.
    pub missed: Option<(f64, f64)>,
}

/// Watches the picture of one stay.
#[derive(Debug)]
pub struct Screen {
    declared: Declared,
    began: f64,
    /// The last frame that was read, and when; one of before counts from when it began to look.
    last: Option<(f64, Frame)>,
    /// One was read since it began to look.
    read: bool,
    still: Option<(Since, Frame)>,
    black: Option<Since>,
    other: Option<Since>,
    /// Since when no frame of a video was uploaded, and frames that the video itself showed since.
    stuck: Option<(f64, u64, f64)>,
    /// Frames that the page's videos have shown, by video.
    shown: std::collections::BTreeMap<u64, f64>,
    wrong: Option<Wrong>,
}

impl Screen {
    /// Begins to look at `t` on the run's clock; `before` is the frame of the page that was read last.
    pub fn new(t: f64, before: Option<Frame>) -> Self {
        Self {
            declared: Declared::default(),
            began: t,
            last: before.map(|frame| (t, frame)),
            read: false,
            still: None,
            black: None,
            other: None,
            stuck: None,
            shown: Default::default(),
            wrong: None,
        }
    }

    /// The app says that it shows another preset, declared so.
    pub fn declare(&mut self, t: f64, declared: Declared) {
        let t = t.max(self.began);
        let (shown, wrong) = (std::mem::take(&mut self.shown), self.wrong.take());
        let last = self.last.take().map(|(_, frame)| frame);
        *self = Self { declared, shown, wrong, read: self.read, ..Self::new(t, last) };
    }

    /// Takes what was seen at `t`. What was seen before it began to look is of the picture before.
    pub fn see(&mut self, t: f64, seen: &Seen) {
        if t < self.began {
            return;
        }
        match seen {
            Seen::Frame(frame) => self.frame(t, frame),
            Seen::Video(video) if !video.audio => {
                if let Some(frames) = video.frames {
                    self.shown.insert(video.id, frames);
                }
            }
            Seen::Gl(gl) if gl.ev == "lost" => self.say("the WebGL context was lost".to_owned(), None),
            _ => {}
        }
    }

    fn frame(&mut self, t: f64, frame: &Frame) {
        // It is not read whenever it is drawn: its own count tells.
        if let Some((before, last)) = &self.last
            && t - before > WRONG_MS
            && frame.n <= last.n + 1
            // A visualizer that came in place of the one before the stay counts its own.
            && (self.read || frame.n >= last.n)
            && !self.may_stand()
        {
            let words = format!("nothing was drawn for {}: the render loop stood still", show_ms(t - before));
            self.say(words, Some((*before, t)));
        }
        let black_is_fine = matches!(self.declared.picture, Some(Picture::Black | Picture::Sound));
        self.black = match (frame.is_black() && !black_is_fine, self.black) {
            (false, _) => None,
            (true, None) => Some(Since::new(t)),
            (true, Some(since)) => Some(Since { frames: since.frames + 1, ..since }),
        };
        if let Some(since) = self.black.filter(|s| s.long(t)) {
            let nan = match frame.nan.as_slice() {
                [] => String::new(),
                nan => format!(", poisoned by NaN in the uniform {}", nan.join(", ")),
            };
            let missed = nan.is_empty();
            self.say(
                format!("the picture was black for {}{nan}", show_ms(t - since.t)),
                missed.then_some((since.t, t)),
            );
        }
        let must_move = matches!(self.declared.picture, Some(Picture::Moving | Picture::Video));
        self.still = match self.still.take() {
            Some((since, first)) if must_move && first.distance(frame) < MOVES => {
                Some((Since { frames: since.frames + 1, ..since }, first))
            }
            _ => Some((Since::new(t), frame.clone())),
        };
        // A video whose own frames stand still is told by its playback, with the cause.
        if self.declared.picture == Some(Picture::Moving)
            && let Some(since) = self.still.as_ref().filter(|(since, _)| since.long(t)).map(|(since, _)| since.t)
        {
            let stood = show_ms(t - since);
            self.say(format!("the picture stood still for {stood}, where it is declared to move"), Some((since, t)));
        }
        self.texture(t, frame);
        // The app's word for another preset may come later than its picture: only what lasts is wrong.
        let missing = self.declared.programs.iter().find(|p| !frame.programs.contains(p)).cloned();
        self.other = match (&missing, self.other) {
            (None, _) => None,
            (Some(_), None) => Some(Since::new(t)),
            (Some(_), Some(since)) => Some(Since { frames: since.frames + 1, ..since }),
        };
        if let (Some(missing), Some(_)) = (missing, self.other.filter(|s| s.long(t))) {
            let draws = frame.programs.join(" ");
            let what = format!("the picture is another preset's: it should be drawn by {missing}, and is by {draws}");
            self.say(what, None);
        }
        self.last = Some((t, frame.clone()));
        self.read = true;
    }

    /// Whether it is declared to be one that may be drawn once.
    fn may_stand(&self) -> bool {
        self.declared.picture == Some(Picture::Static)
    }

    /// A video plays, and the picture does not get its frames.
    fn texture(&mut self, t: f64, frame: &Frame) {
        let shown: f64 = self.shown.values().sum();
        let (since, uploads, then) = match self.stuck {
            Some(stuck) if stuck.1 == frame.vtex => stuck,
            _ => (t, frame.vtex, shown),
        };
        self.stuck = Some((since, uploads, then));
        let goes_on = shown - then >= 30.0;
        if self.declared.picture == Some(Picture::Video) && goes_on && t - since >= STUCK_MS {
            let frames = shown - then;
            let what =
                format!("the video played on for {frames} frames, and none of them reached the visualizer's picture");
            self.say(what, Some((since, t)));
        }
    }

    fn say(&mut self, words: String, missed: Option<(f64, f64)>) {
        self.wrong.get_or_insert(Wrong { words, missed });
    }

    /// For how long no frame was read by `t`, milliseconds, where that is long. Where reading is dear it is rare: whether the
    /// page draws must be looked at.
    pub fn silent(&self, t: f64) -> Option<f64> {
        let last = self.last.as_ref().filter(|_| !self.may_stand());
        last.map(|(at, _)| t - at).filter(|ms| *ms > WRONG_MS)
    }

    /// No frame was read since it began to look.
    pub fn is_blank(&self) -> bool {
        !self.read
    }

    /// The visualizer is no more on the page: no frame of it is due.
    pub fn put_away(&mut self) {
        self.last = None;
    }

    /// What was wrong first; `t` is the end of the stay.
    pub fn wrong(&self, t: f64) -> Option<Wrong> {
        // Of a page that never drew anything the step before would have told.
        let stopped = self.silent(t).map(|ms| Wrong {
            words: format!("nothing was drawn for the last {}: the render loop stands still", show_ms(ms)),
            missed: Some((t - ms, t)),
        });
        self.wrong.clone().or(stopped).filter(|_| t > self.began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::probe::Video;

    fn declared(picture: Option<Picture>) -> Screen {
        let mut screen = Screen::new(0.0, None);
        screen.declare(0.0, Declared { picture, programs: vec!["p".into()] });
        screen
    }

    fn frame(n: u64, luma: u8, vtex: u64) -> Seen {
        Seen::Frame(Frame { n, programs: vec!["p".into()], luma: vec![luma; 64], vtex, ..Frame::default() })
    }

    /// A quarter of a second apart, for twenty seconds.
    fn watch(screen: &mut Screen, mut at: impl FnMut(u64) -> Seen) -> Option<String> {
        (0..80).for_each(|n| screen.see(n as f64 * 250.0, &at(n)));
        screen.wrong(20_000.0).map(|wrong| wrong.words)
    }

    #[test]
    fn a_picture_that_goes_on_is_fine() {
        for picture in [None, Some(Picture::Moving), Some(Picture::Video), Some(Picture::Static), Some(Picture::Sound)]
        {
            assert_eq!(watch(&mut declared(picture), |n| frame(n, 10 + (n % 200) as u8, n)), None, "{picture:?}");
        }
        // A scene of four seconds that is black, or stands.
        let scene = |n: u64| if (20..36).contains(&n) { 0 } else { 10 + (n % 100) as u8 };
        assert_eq!(watch(&mut declared(Some(Picture::Moving)), |n| frame(n, scene(n), n)), None);
        assert_eq!(watch(&mut declared(Some(Picture::Black)), |n| frame(n, 0, 0)), None);
        assert_eq!(watch(&mut declared(Some(Picture::Static)), |n| frame(n, 77, 0)), None);
        assert_eq!(watch(&mut declared(Some(Picture::Sound)), |n| frame(n, 0, 0)), None);
    }

    #[test]
    fn what_goes_wrong_is_said_in_words() {
        let says = |picture, at: &mut dyn FnMut(u64) -> Seen, words: &str| {
            let wrong = watch(&mut declared(picture), at).unwrap_or_else(|| panic!("not noticed: {words}"));
            assert!(wrong.contains(words), "{wrong}");
        };
        says(Some(Picture::Moving), &mut |n| frame(n, if n < 20 { n as u8 + 10 } else { 0 }, 0), "black for 5");
        says(None, &mut |n| frame(n, 0, 0), "black for 5");
        says(Some(Picture::Moving), &mut |n| frame(n, n.min(20) as u8 + 10, 0), "stood still for 5");
        says(Some(Picture::Moving), &mut |n| frame(n.min(20), 0, 0), "black");
        let lost: &mut dyn FnMut(u64) -> Seen = &mut |n| match n {
            30 => Seen::Gl(crate::browser::probe::Gl { ev: "lost".into(), ..Default::default() }),
            _ => frame(n, n as u8 + 10, 0),
        };
        says(Some(Picture::Moving), lost, "context was lost");
        let other: &mut dyn FnMut(u64) -> Seen = &mut |n| match frame(n, n as u8 + 10, 0) {
            Seen::Frame(f) if n > 30 => Seen::Frame(Frame { programs: vec!["q".into()], ..f }),
            seen => seen,
        };
        says(Some(Picture::Moving), other, "another preset's");
    }

    #[test]
    fn a_loop_that_ends_is_noticed() {
        let mut screen = declared(Some(Picture::Moving));
        (0..20).for_each(|n| screen.see(n as f64 * 250.0, &frame(n, n as u8 + 10, 0)));
        assert_eq!(screen.wrong(6000.0), None);
        assert!(screen.wrong(12_000.0).expect("noticed").words.contains("render loop stands still"));
    }

    #[test]
    fn a_loop_that_had_ended_before_is_noticed_where_the_page_had_drawn() {
        let stay = |drew: bool| {
            let mut screen = Screen::new(1000.0, drew.then(|| Frame { n: 70, ..Frame::default() }));
            screen.declare(1100.0, Declared::default());
            screen
        };
        let says = |screen: &Screen| screen.wrong(11_000.0).map(|wrong| wrong.words);
        assert!(says(&stay(true)).expect("noticed").starts_with("nothing was drawn for the last 9.9"));
        assert_eq!(says(&stay(false)), None, "a page without a visualizer");
        let mut gone = stay(true);
        assert!(gone.is_blank());
        gone.put_away();
        assert_eq!(says(&gone), None);
        // One that is declared to be drawn once.
        let mut still = stay(true);
        still.declare(1200.0, Declared { picture: Some(Picture::Static), programs: Vec::new() });
        assert_eq!((says(&still), still.silent(11_000.0)), (None, None));
        // It was drawn, and not read; a visualizer that came instead counts its own.
        for (n, stood) in [(700, false), (70, true), (71, true), (3, false)] {
            let mut screen = stay(true);
            screen.see(10_900.0, &frame(n, 100, 0));
            assert_eq!((says(&screen).is_some(), screen.is_blank()), (stood, false), "{n}");
        }
    }

    #[test]
    fn a_loop_that_stood_before_the_canvas_was_made_anew_stood() {
        let mut screen = declared(Some(Picture::Moving));
        (0..20).for_each(|n| screen.see(n as f64 * 250.0, &frame(600 + n, n as u8 + 10, 0)));
        screen.see(17_000.0, &frame(1, 99, 0));
        assert!(screen.wrong(18_000.0).is_some_and(|wrong| wrong.words.starts_with("nothing was drawn for 12")));
    }

    #[test]
    fn a_texture_that_gets_no_frame_of_a_video_that_plays_is_noticed() {
        let play = |moving: bool, stuck: bool| {
            let mut screen = declared(Some(Picture::Video));
            for n in 0..80 {
                let frames = if moving { Some(n as f64 * 7.5) } else { Some(7.0) };
                screen.see(n as f64 * 250.0, &Seen::Video(Video { id: 1, frames, ..Video::default() }));
                screen.see(n as f64 * 250.0 + 1.0, &frame(n, 90, if stuck { 1 } else { n * 8 }));
            }
            screen.wrong(20_000.0).map(|wrong| wrong.words)
        };
        assert!(play(true, true).expect("noticed").contains("none of them reached"));
        // A video that stands still itself is told by its playback; one that is drawn shows no wrong.
        assert_eq!((play(false, true), play(true, false)), (None, None));
    }

    #[test]
    fn frames_of_before_and_a_word_that_comes_late_are_no_wrong() {
        let mut screen = Screen::new(1000.0, None);
        screen.declare(900.0, Declared { picture: Some(Picture::Moving), programs: vec!["p".into()] });
        let of = |n: u64, programs: &str| match frame(n, 10 + (n % 100) as u8, 0) {
            Seen::Frame(f) => Seen::Frame(Frame { programs: vec![programs.into()], ..f }),
            seen => seen,
        };
        (0..4).for_each(|n| screen.see(n as f64 * 250.0, &of(n, "old")));
        (4..60).for_each(|n| screen.see(n as f64 * 250.0, &of(n, "p")));
        // The next preset's picture comes a second before the app's word for it.
        (60..64).for_each(|n| screen.see(n as f64 * 250.0, &of(n, "q")));
        screen.declare(16_000.0, Declared { picture: Some(Picture::Moving), programs: vec!["q".into()] });
        (64..80).for_each(|n| screen.see(n as f64 * 250.0, &of(n, "q")));
        assert_eq!(screen.wrong(20_000.0), None);
    }

    #[test]
    fn another_preset_begins_anew() {
        let mut screen = declared(Some(Picture::Moving));
        (0..19).for_each(|n| screen.see(n as f64 * 250.0, &frame(n, 0, 0)));
        screen.declare(4700.0, Declared { picture: Some(Picture::Black), programs: Vec::new() });
        (19..80).for_each(|n| screen.see(n as f64 * 250.0, &frame(n, 0, 0)));
        assert_eq!(screen.wrong(20_000.0), None);
    }

    #[test]
    fn a_frame_that_is_not_read_may_have_been_drawn_and_a_static_one_need_not_be() {
        let mut screen = declared(Some(Picture::Moving));
        // Read every eight seconds, drawn sixty times a second.
        (0..4).for_each(|n| screen.see(n as f64 * 8000.0, &frame(n * 480, 10 + n as u8 * 20, 0)));
        assert_eq!((screen.wrong(28_000.0), screen.silent(28_000.0)), (None, None));
        assert!(screen.wrong(50_000.0).is_some_and(|wrong| wrong.words.starts_with("nothing was drawn for the last")));
        screen.see(52_000.0, &frame(1441, 99, 0));
        assert!(screen.wrong(52_100.0).is_some_and(|wrong| wrong.words.starts_with("nothing was drawn for 28")));
        let mut still = declared(Some(Picture::Static));
        (0..2).for_each(|n| still.see(n as f64 * 8000.0, &frame(n, 100, 0)));
        assert_eq!(still.wrong(30_000.0), None);
    }

    #[test]
    fn a_line_on_black_is_a_picture() {
        let dark = |max| Frame { luma: vec![3; 64], max, ..Frame::default() };
        assert!(dark(12).is_black() && !dark(255).is_black());
    }
}
