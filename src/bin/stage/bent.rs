//! How a media server bends what it serves: the `media-*` defects, as one value that `media` obeys.

use crate::clips::Clip;
use crate::defect::Defects;

/// Bytes that arrive before a defect within the body begins: the index has, and a second or two of picture.
const EARLY: u64 = 300_000;
/// Where `video-truncated` cuts: the index has arrived, the pictures have hardly begun.
const CUT: u64 = 60_000;
/// How far `media-wrong-range` lies about the place.
const LIE: u64 = 1000;

/// What is wrong with an answer. The default is nothing.
#[derive(Debug, Default)]
pub struct Bent {
    /// Another file is sent under the clip's name and type.
    pub other: Option<&'static str>,
    /// Another type than the clip's is told.
    pub mime: Option<&'static str>,
    /// Only so much of the file, out of 30 parts, is there at all.
    pub parts: Option<u64>,
    /// The connection breaks at this byte.
    pub cut: Option<u64>,
    /// Nothing comes from this byte on, and no end.
    pub hang: Option<u64>,
    /// Bytes from here on are zero.
    pub zero: Option<u64>,
    /// All bytes are noise.
    pub noise: bool,
    /// Milliseconds between two chunks.
    pub pause_ms: Option<u64>,
    /// Ranges are ignored: the whole file, as 200.
    pub whole: bool,
    /// A range that does not begin at 0 is not satisfiable.
    pub refuses_later: bool,
    /// A range that does not begin at 0 has no body.
    pub empty_later: bool,
    /// A part does not say which part it is.
    pub no_content_range: bool,
    /// A part says that it lies so many bytes further on than it does.
    pub shift: u64,
    /// A range behind the end is no error: it ends before it begins.
    pub past_end: bool,
    /// The answer claims to be compressed.
    pub gzip: bool,
    /// Every answer has another validator, and no `If-Range` fits.
    pub etag_changes: bool,
}

impl Bent {
    /// What these defects make of answers for this clip.
    pub fn by(defects: &Defects, clip: &Clip) -> Self {
        let on = |name| defects.on(name);
        let one_of =
            |all: &[(&'static str, &'static str)]| all.iter().find(|(defect, _)| on(defect)).map(|(_, file)| *file);
        // Only MP4 is swapped for another MP4: a page that asks for WebM would fail for its container.
        let swaps = [("audio-only", "picture-ends.mp4"), ("fps-half", "half.mp4"), ("media-hevc", "hevc.mp4")];
        let swapped = one_of(&swaps).filter(|_| clip.mime == "video/mp4");
        Self {
            other: one_of(&[("video-codec", "mpeg4.mp4")]).or(swapped),
            mime: one_of(&[("media-wrong-type", "text/plain")]),
            parts: on("media-truncated").then_some(7),
            cut: on("video-truncated").then_some(CUT),
            hang: on("media-hang").then_some(EARLY),
            zero: on("media-zeroed").then_some(EARLY),
            noise: on("media-noise"),
            // 64 KiB each: 0.65 Mbit/s for a clip of 1.2.
            pause_ms: on("media-slow").then_some(800),
            whole: on("media-range-ignored"),
            refuses_later: on("media-416-later"),
            empty_later: on("media-empty-206"),
            no_content_range: on("media-no-content-range"),
            shift: if on("media-wrong-range") { LIE } else { 0 },
            past_end: on("media-range-past-end"),
            gzip: on("media-gzip-lie"),
            etag_changes: on("media-etag-changes"),
        }
    }

    /// How many bytes from `at` on are alike: none, gone or sent.
    pub fn until(&self, at: u64) -> u64 {
        let edges = [self.cut, self.hang, self.zero].into_iter().flatten();
        edges.filter(|edge| *edge > at).map(|edge| edge - at).min().unwrap_or(u64::MAX)
    }

    /// Spoils the bytes that stand at `at` in the file.
    pub fn spoil(&self, at: u64, bytes: &mut [u8]) {
        if self.zero.is_some_and(|zero| at >= zero) {
            bytes.fill(0);
        }
        if self.noise {
            // A multiplicative generator is noise enough, and the same each time.
            let mut state = at | 1;
            for byte in bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
        }
    }
}
