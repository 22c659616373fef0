//! The number in the picture, of clips that carry one: what is shown, whatever the element says that it shows. A clock may
//! run on over a picture that stands, a seek may land at another place than it names, a still may lie over the video.
//!
//! A picture says its number in a row of 20 blocks along its top, as high as wide, each black or white: white, black (to
//! find it by), 16 bits of the number with the highest first, the XOR of bits 0, 2, .. 14, and the NOT of the XOR of bits
//! 1, 3, .. 15 (to check it by). The page's probe reads it in what a visualizer draws, with the pixels that are read there
//! anyway; of a video in the document it is read in the screenshots that are taken anyway.

use super::showing::Showing;
use super::{ELSEWHERE_S, Out, Wrong, position};
use crate::fault::rule::glob;
use crate::unit::hundredths;
use serde_json::json;

/// What an app file declares of its clips whose pictures carry their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counter {
    /// Paths of the clips, with the query where there is one; `*` stands for any characters.
    pub media: Vec<String>,
    /// Their pictures a second.
    pub fps: f64,
}

impl Counter {
    /// Pictures a second of the clip at this address, if its pictures carry their number.
    pub fn fps_of(&self, url: &str) -> Option<f64> {
        let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        self.media.iter().any(|clip| glob(clip, path.unwrap_or(url))).then_some(self.fps)
    }
}

/// Blocks of the row.
pub const BLOCKS: usize = 20;
/// A block brighter than this is white, a darker one than this black; between them it is neither. Of 255.
const WHITE: f64 = 0.6 * 255.0;
const BLACK: f64 = 0.4 * 255.0;
/// The inner half of a block is of one colour: no pixel of it is further from another. Of 255.
const ALIKE: u8 = 80;

/// The number in a line of brightness that leads through the blocks from the picture's left edge to its right one.
pub fn number(line: &[u8]) -> Option<u16> {
    let side = line.len() as f64 / BLOCKS as f64;
    let mut bits = [false; BLOCKS];
    for (column, bit) in bits.iter_mut().enumerate() {
        let at = |part: f64| ((column as f64 + part) * side).round() as usize;
        let inner = line.get(at(0.25)..at(0.75)).filter(|inner| inner.len() > 1)?;
        let (darkest, brightest) = (inner.iter().min()?, inner.iter().max()?);
        let mean = inner.iter().map(|v| f64::from(*v)).sum::<f64>() / inner.len() as f64;
        *bit = match mean {
            _ if brightest - darkest > ALIKE => return None,
            mean if mean > WHITE => true,
            mean if mean < BLACK => false,
            _ => return None,
        };
    }
    let n = bits[2..18].iter().fold(0, |n: u16, bit| n << 1 | u16::from(*bit));
    let odd = |mask: u16| (n & mask).count_ones() % 2 == 1;
    (bits[0] && !bits[1] && bits[18] == odd(0x5555) && bits[19] != odd(0xaaaa)).then_some(n)
}

/// A number that was read in a picture.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Whose picture it is.
    pub of: Of,
    /// The number, from 0.
    pub number: u16,
    /// The element's own clock meanwhile, seconds of the media: at the earliest, and at the latest.
    pub clock: (f64, f64),
}

/// Whose picture was read, and where.
#[derive(Clone, Debug)]
pub enum Of {
    /// Of this element, in what a visualizer drew.
    Drawn(u64),
    /// Of an element that shows this source, in a picture of the screen.
    Screen(String),
}

/// Two readings as far apart say what one alone may say by chance, milliseconds: a picture of before a seek is drawn a
/// moment longer.
pub const CONFIRM_MS: f64 = 300.0;
/// Between two readings that are told, where nothing is wrong, milliseconds.
const TELL_MS: f64 = 950.0;
/// Readings no further apart see every picture, milliseconds.
const DENSE_MS: f64 = 100.0;
/// Frames that a clip is known by, seconds of the media, and the share of those it should have that is too few.
const KNOWN_S: f64 = 5.0;
const FEW: f64 = 0.75;

/// What the numbers of one source came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// When one was told.
    told: Option<f64>,
    /// The last: when, and since when it was the same.
    last: Option<(f64, u16, f64)>,
    /// The first of those that do not fit the clock: when, the number, and by how many seconds it is off.
    astray: Option<(f64, u16, f64)>,
    /// It stands, though the clock runs.
    stands: Option<Wrong>,
    elsewhere: bool,
    few: bool,
    pub(super) read: u32,
    pub(super) skipped: u32,
    pub(super) repeated: u32,
    /// Media seconds that went by while frames came.
    pub(super) ran: f64,
}

impl Numbers {
    /// The picture stands while the clock runs on, and has not gone on by now.
    pub(super) fn standing(&self) -> Option<Wrong> {
        self.stands.clone()
    }

    /// From now on pictures of another place may come, or none.
    pub(super) fn rest(&mut self) {
        (self.last, self.astray, self.stands) = (None, None, None);
    }

    /// Counts what was left out and what stood for longer than it should, where every picture was seen.
    fn tally(&mut self, t: f64, number: u16, fps: f64) {
        self.read += 1;
        let (since, dense) = match self.last {
            Some((at, before, since)) if t - at <= DENSE_MS => {
                let (due, came) = ((t - at) * fps / 1000.0, f64::from(number) - f64::from(before));
                if came > 0.0 {
                    self.skipped += (came - 1.0 - due.floor()).max(0.0) as u32;
                    self.repeated += (((t - since) * fps / 1000.0).floor() - 1.0).max(0.0) as u32;
                }
                (since, came == 0.0)
            }
            _ => (t, false),
        };
        self.last = Some((t, number, if dense { since } else { t }));
    }
}

impl Showing {
    /// Takes the number of the picture that is shown: whether it fits the clock.
    pub(super) fn numbered(&mut self, t: f64, reading: &Reading, fps: f64, out: &mut Out<'_>) -> bool {
        if !self.due {
            self.numbers.rest();
            return true;
        }
        let number = reading.number;
        self.numbers.tally(t, number, fps);
        let shows = f64::from(number) / fps;
        let (early, late) = reading.clock;
        let clock = shows.clamp(early.min(late), late.max(early));
        let mut off = shows - clock;
        // Where a loop begins anew the clock may be round already, and the picture not yet.
        if self.looping && self.duration > 0.0 && off.abs() > self.duration / 2.0 {
            off -= off.signum() * self.duration;
        }
        let from = if matches!(reading.of, Of::Screen(_)) { "screen" } else { "canvas" };
        let fits = off.abs() <= ELSEWHERE_S;
        let mut fields = json!({
            "number": number, "picture_s": hundredths(shows), "clock_s": hundredths(clock), "off_s": hundredths(off), "from": from,
            "ok": fits,
        });
        let astray = self.numbers.astray.filter(|(at, ..)| !fits && t - at >= CONFIRM_MS);
        if fits {
            self.numbers.astray = None;
            out.wrongs.extend(self.numbers.stands.take());
        } else {
            self.numbers.astray.get_or_insert((t, number, off));
        }
        if let Some((since, first, before)) = astray {
            // What is on the screen and no longer the video's is the page's doing.
            let own = from == "screen";
            if first == number && off < 0.0 {
                // It stands at least since the clock was where the picture is.
                let ms = (t - since).max(-off * 1000.0);
                let what = if own {
                    "the picture on the screen stood"
                } else {
                    "the picture that reached the visualizer stood"
                };
                let words = format!(
                    "{what} at {} for {:.1} s while the video played on to {}: its number was {number} all the while",
                    position(shows),
                    ms / 1000.0,
                    position(clock)
                );
                self.numbers.stands = Some(Wrong { stood: Some((t - ms, ms)), own, ..Wrong::new(words) });
            } else if !self.numbers.elsewhere && (off - before).abs() <= ELSEWHERE_S {
                self.numbers.elsewhere = true;
                fields["elsewhere"] = json!(!own);
                let words = format!(
                    "the picture is that of {} (number {number}) while the video says that it is at {}",
                    position(shows),
                    position(clock)
                );
                out.wrongs.push(Wrong { own, ..Wrong::new(words) });
            }
        }
        if !fits || self.numbers.told.is_none_or(|told| t - told >= TELL_MS) {
            self.numbers.told = Some(t);
            self.tell(out, "picture_number", t, fields);
        }
        fits
    }

    /// Whether the clip has as many pictures as it is declared to have: by what its decoder took of it, shown or not.
    pub(super) fn counts(&mut self, t: f64, fps: Option<f64>, out: &mut Out<'_>) {
        let Some(fps) = fps.filter(|_| !self.numbers.few && self.numbers.ran >= KNOWN_S) else { return };
        let has = self.decoded.get() / self.numbers.ran;
        if self.decoded.get() == 0.0 || has >= FEW * fps {
            return;
        }
        self.numbers.few = true;
        let fields = json!({ "fps": hundredths(has), "declared_fps": fps, "counted_s": hundredths(self.numbers.ran) });
        self.tell(out, "playback_few_pictures", t, fields);
        let words = format!("the video has {has:.1} pictures a second, where {fps} are declared");
        out.wrongs.push(Wrong::new(words));
    }
}
