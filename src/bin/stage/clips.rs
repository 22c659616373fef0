//! The clips: 640x360, 30 frames a second, 30 s, a moving colourful picture with its frame number burnt in. Those named
//! `plain` are 20 s long and have no number: what is noticed on them is noticed without it.
//!
//! # The top row
//!
//! The top 32 lines are a row of 20 blocks of 32x32 pixels, each black or white. From the left, with `n` the frame
//! number from 0:
//!
//! | columns | x | block |
//! |---|---|---|
//! | 0 | 0 | white, always (sync) |
//! | 1 | 32 | black, always (sync) |
//! | 2-17 | 64-575 | bits 15 to 0 of `n`, white is 1 |
//! | 18 | 576 | XOR of bits 0, 2, .. 14 |
//! | 19 | 608 | NOT of the XOR of bits 1, 3, .. 15 |
//!
//! Read the mean luma of the inner 16x16 pixels of a block: above 0.6 is white, below 0.4 black, between is damage.
//! A row of one colour fails at the sync pair, one flipped bit at one of the two check blocks. Scaled by a common
//! factor, the row stays readable as long as a block is some 4 pixels wide.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{Result, args};

/// Frames a second.
const FPS: u32 = 30;
/// Length of a clip.
const SECONDS: u32 = 30;
/// Length of the clips without frame numbers.
const PLAIN_SECONDS: u32 = 20;
/// Side of a block in pixels.
const BLOCK: u32 = 32;
/// Bits of the frame number.
const BITS: u32 = 16;
/// Mean luma of a block above which it is white.
const WHITE_ABOVE: f64 = 0.6;
/// Mean luma of a block below which it is black.
const BLACK_BELOW: f64 = 0.4;

/// A clip: its file name, what is in it, and how ffmpeg makes it.
pub struct Clip {
    /// File name, and last part of the URL.
    pub name: &'static str,
    /// MIME type it is served as.
    pub mime: &'static str,
    /// What is in it, as a `codecs` parameter would say.
    codec: &'static str,
    /// Which end holds the index, and whatever else sets this clip apart.
    note: &'static str,
    /// Whether it holds sound.
    sound: bool,
    from: From,
    /// ffmpeg's output options.
    output: &'static str,
}

/// What ffmpeg makes a clip from.
enum From {
    /// The picture with its frame numbers.
    Picture,
    /// Another moving picture, shorter, without the row: nothing in it says which frame it is.
    Plain,
    /// An earlier clip, repacked.
    Clip(&'static str),
    /// An earlier clip, repacked with a tone beside it.
    ClipAndTone(&'static str),
    /// The first seconds of an earlier clip's picture, and a tone for the whole length.
    StartAndTone(&'static str, u32),
}

/// The clips, in the order they are made.
pub const CLIPS: &[Clip] = &[
    Clip {
        name: "h264.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e",
        note: "moov first",
        sound: false,
        from: From::Picture,
        output: "-c:v libx264 -preset veryfast -profile:v main -level 3.0 -g 60 -b:v 1200k -maxrate 1500k \
                 -bufsize 1500k -movflags +faststart",
    },
    Clip {
        name: "h264-tail.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e, mp4a.40.2",
        note: "moov last, a quiet tone",
        sound: true,
        from: From::ClipAndTone("h264.mp4"),
        output: "-c:v copy -c:a aac -b:a 64k -shortest",
    },
    Clip {
        name: "h264-frag.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e",
        note: "fragmented",
        sound: false,
        from: From::Clip("h264.mp4"),
        output: "-c:v copy -movflags frag_keyframe+empty_moov+default_base_moof",
    },
    Clip {
        name: "vp9.webm",
        mime: "video/webm",
        codec: "vp09.00.30.08",
        note: "",
        sound: false,
        from: From::Picture,
        output: "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -threads 2 -g 60 -b:v 1200k",
    },
    Clip {
        name: "h264-sound.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e, mp4a.40.2",
        note: "moov first, a quiet tone",
        sound: true,
        from: From::ClipAndTone("h264.mp4"),
        output: "-c:v copy -c:a aac -b:a 64k -shortest -movflags +faststart",
    },
    Clip {
        name: "plain.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e",
        note: "moov first, no frame numbers",
        sound: false,
        from: From::Plain,
        output: "-c:v libx264 -preset veryfast -profile:v main -level 3.0 -g 60 -b:v 1200k -maxrate 1500k \
                 -bufsize 1500k -movflags +faststart",
    },
    Clip {
        name: "plain.webm",
        mime: "video/webm",
        codec: "vp09.00.30.08",
        note: "no frame numbers",
        sound: false,
        from: From::Clip("plain.mp4"),
        output: "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -threads 2 -g 60 -b:v 1200k",
    },
    Clip {
        name: "picture-ends.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e, mp4a.40.2",
        note: "for the defect audio-only: the picture ends after 5 s, the tone does not",
        sound: true,
        from: From::StartAndTone("h264.mp4", 5),
        output: "-c:v copy -c:a aac -b:a 64k -movflags +faststart",
    },
    Clip {
        name: "half.mp4",
        mime: "video/mp4",
        codec: "avc1.4d401e",
        note: "for the defect fps-half: every other frame is missing",
        sound: false,
        from: From::Clip("h264.mp4"),
        output: "-vf framestep=2 -c:v libx264 -preset ultrafast -profile:v main -level 3.0 -g 30 -b:v 1200k \
                 -movflags +faststart",
    },
    Clip {
        name: "hevc.mp4",
        mime: "video/mp4",
        codec: "hvc1.1.6.L63.B0",
        note: "for the defect media-hevc: HEVC, which few browsers play",
        sound: false,
        from: From::Clip("h264.mp4"),
        output: "-t 10 -c:v libx265 -preset ultrafast -x265-params log-level=error -b:v 1200k -tag:v hvc1 \
                 -movflags +faststart",
    },
    Clip {
        name: "mpeg4.mp4",
        mime: "video/mp4",
        codec: "mp4v.20.9",
        note: "for the defect video-codec: browsers do not play it",
        sound: false,
        from: From::Clip("h264.mp4"),
        output: "-c:v mpeg4 -b:v 1200k -movflags +faststart",
    },
];

/// The clip of this file name.
pub fn named(name: &str) -> Option<&'static Clip> {
    CLIPS.iter().find(|clip| clip.name == name)
}

/// What `/api/clips` answers: each clip, and how to read the frame number back.
pub fn describe() -> Value {
    let clips: Vec<Value> = CLIPS
        .iter()
        .map(|clip| {
            let numbered = !clip.name.starts_with("plain");
            let seconds = if numbered { SECONDS } else { PLAIN_SECONDS };
            json!({
                "name": clip.name, "url": format!("/media/{}", clip.name), "mime": clip.mime, "codec": clip.codec,
                "note": clip.note, "sound": clip.sound, "width": BLOCK * columns(), "height": 360, "fps": FPS,
                "duration_s": seconds, "frames": FPS * seconds, "numbered": numbered,
            })
        })
        .collect();
    json!({
        "clips": clips,
        "layout": {
            "block_px": BLOCK, "row_y": 0, "columns": columns(), "sample_inset_px": BLOCK / 4,
            "white_above": WHITE_ABOVE, "black_below": BLACK_BELOW,
            "white_sync_column": 0, "black_sync_column": 1,
            "first_bit_column": 2, "bits": BITS, "bit_order": "most significant first",
            "even_parity_column": 18, "even_parity": "XOR of bits 0, 2, .. 14",
            "odd_parity_column": 19, "odd_parity": "NOT of the XOR of bits 1, 3, .. 15",
        },
    })
}

/// Blocks in the row: the sync pair, the bits, the two check blocks.
const fn columns() -> u32 {
    2 + BITS + 2
}

/// Makes the clips unless this machine has them, and says where they are.
///
/// The folder's name holds a hash of the recipe, so a changed recipe makes new clips. It is filled under another name
/// and then renamed: it is whole or absent, and of two stages that start together one wins and both are content.
pub async fn ensure() -> Result<PathBuf> {
    let cache = args::cache_folder().unwrap_or_else(std::env::temp_dir).join("soundcheck");
    let folder = cache.join(format!("clips-{}", recipe_hash()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let started = std::time::Instant::now();
    tracing::info!("making the clips, once per machine");
    let draft = cache.join(format!("draft-{}-{}", std::process::id(), &recipe_hash()));
    let cannot = |e: std::io::Error| format!("cannot make {}: {e}; set XDG_CACHE_HOME to a folder", draft.display());
    tokio::fs::create_dir_all(&draft).await.map_err(cannot)?;
    let made = make_all(&draft).await;
    if made.is_ok() && tokio::fs::rename(&draft, &folder).await.is_ok() {
        tracing::info!(seconds = started.elapsed().as_secs_f64(), "made the clips");
        return Ok(folder);
    }
    // Failed, or another stage was first. What is left of the draft is of no use; failing to remove it harms nobody.
    let _ = tokio::fs::remove_dir_all(&draft).await;
    made?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(format!("cannot rename the clips to {}", folder.display())),
    }
}

async fn make_all(folder: &Path) -> Result<()> {
    for clip in CLIPS {
        let output = Command::new("ffmpeg")
            .args(arguments(clip))
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|e| format!("cannot run ffmpeg ({e}). Run `apt-get install ffmpeg`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("ffmpeg could not make {}: {}", clip.name, said.trim()));
        }
    }
    Ok(())
}

/// ffmpeg's arguments for a clip, run in the folder of the clips.
fn arguments(clip: &Clip) -> Vec<String> {
    let mut all: Vec<String> = "-v error -nostdin -y".split(' ').map(str::to_owned).collect();
    let mut push = |text: &[&str]| all.extend(text.iter().map(|part| (*part).to_owned()));
    match clip.from {
        From::Picture => {
            let picture = format!("testsrc2=size=640x360:rate={FPS}:duration={SECONDS}");
            push(&["-f", "lavfi", "-i", &picture, "-vf", &blocks()]);
        }
        From::Plain => {
            // The quarter of the test picture that holds no text, mirrored.
            let picture = format!("testsrc2=size=1280x720:rate={FPS}:duration={PLAIN_SECONDS}");
            push(&["-f", "lavfi", "-i", &picture, "-vf", "crop=640:360:640:360,hflip,format=yuv420p"]);
        }
        From::Clip(name) => push(&["-i", name]),
        From::StartAndTone(name, seconds) => {
            let tone = format!("sine=frequency=330:sample_rate=48000:duration={SECONDS},volume=0.3");
            push(&["-t", &seconds.to_string(), "-i", name, "-f", "lavfi", "-i", &tone]);
        }
        From::ClipAndTone(name) => {
            push(&["-i", name, "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000,volume=0.3"]);
        }
    }
    all.extend(clip.output.split_whitespace().map(str::to_owned));
    all.push(clip.name.to_owned());
    all
}

/// The filter chain that burns in the row of blocks. `drawbox` with a timeline condition is some ten times faster
/// than `geq`, and needs no font as `drawtext` would.
fn blocks() -> String {
    let bit = |bit: u32| format!("gt(bitand(n\\,{})\\,0)", 1u32 << bit);
    let parity = |first: u32| (first..BITS).step_by(2).map(bit).collect::<Vec<_>>().join("+");
    let white = |column: u32, when: String| {
        format!("drawbox=x={}:y=0:w={BLOCK}:h={BLOCK}:color=white:t=fill:enable='{when}'", column * BLOCK)
    };
    let mut chain = vec![format!("drawbox=x=0:y=0:w={}:h={BLOCK}:color=black:t=fill", columns() * BLOCK)];
    chain.push(white(0, "1".to_owned()));
    chain.extend((0..BITS).map(|column| white(2 + column, bit(BITS - 1 - column))));
    chain.push(white(18, format!("mod({}\\,2)", parity(0))));
    chain.push(white(19, format!("1-mod({}\\,2)", parity(1))));
    chain.push("format=yuv420p".to_owned());
    chain.join(",")
}

/// Changes whenever an argument of any clip does.
fn recipe_hash() -> String {
    let mut hash = Sha256::new();
    for clip in CLIPS {
        hash.update(arguments(clip).join(" ").as_bytes());
    }
    crate::users::hex(&hash.finalize())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_fills_the_width() {
        assert_eq!(columns() * BLOCK, 640);
        assert_eq!(blocks().matches("drawbox").count(), 1 + 1 + 16 + 2);
    }

    #[test]
    fn the_recipe_is_stable_and_names_are_unique() {
        assert_eq!(recipe_hash(), recipe_hash());
        for clip in CLIPS {
            assert_eq!(CLIPS.iter().filter(|other| other.name == clip.name).count(), 1);
        }
    }
}
