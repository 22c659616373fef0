//! The page probe: what is installed before the page's own scripts, and the messages it pushes.
//!
//! Times in messages are `performance.now()` of the page that sent them, in milliseconds.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The probe's files, in the order they run; each is one arrow function.
const FILES: [&str; 7] = [
    include_str!("probe/core.js"),
    include_str!("probe/video.js"),
    include_str!("probe/gl.js"),
    include_str!("probe/errors.js"),
    include_str!("probe/audio.js"),
    include_str!("probe/marks.js"),
    include_str!("probe/sockets.js"),
];

/// What the probe is told of an app before its first page.
#[derive(Clone, Debug)]
pub struct Config {
    /// Regular expressions: the URLs of sockets whose messages are told.
    pub sockets: Vec<String>,
    /// A JavaScript expression that reads [`PageIds`].
    pub ids: String,
    /// Patterns of the performance entries that are the app's own events.
    pub marks: Vec<String>,
    /// Pictures of the app's clips carry their number: it is looked for in what a visualizer draws.
    pub counter: bool,
    /// CSS of the canvas that the app's picture is on: where that one draws, no other is looked at.
    pub canvas: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { sockets: Vec::new(), ids: "null".to_owned(), marks: Vec::new(), counter: false, canvas: None }
    }
}

/// The probe as one function declaration for `script.addPreloadScript`, taking the channel.
pub fn script(config: &Config) -> String {
    let [core, rest @ ..] = FILES;
    let Config { sockets, ids, marks, counter, canvas } = config;
    let canvas = Value::from(canvas.clone());
    let [sockets, marks] = [sockets, marks].map(|list| Value::from(list.as_slice()));
    let parts: String = rest.iter().map(|file| format!("(\n{file}\n)(sc);\n")).collect();
    format!(
        "(channel) => {{\nconst sc = (\n{core}\n)(channel);\nsc.config = {{ sockets: {sockets}, marks: {marks}, counter: {counter}, canvas: {canvas}, ids: () => {ids} }};\n{parts}}}"
    )
}

/// How Rust speaks to the probe: an object under a registered symbol, so that no page meets it by name.
pub const HANDLE: &str = "window[Symbol.for('soundcheck')]";

/// One message of the probe.
#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    /// When, on the page's clock.
    pub t: f64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What a message says.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub enum What {
    /// The first message of each page.
    Hello {
        /// The page clock's zero, milliseconds since the epoch.
        origin: f64,
        /// The page.
        url: String,
        /// Not in a frame.
        top: bool,
    },
    /// The first trusted input since the probe was armed: t0.
    Input {
        /// The event's type.
        #[serde(rename = "type")]
        kind: String,
    },
    /// A frame drawn to the screen whose pixels were read in the same task.
    Frame(Frame),
    /// WebGL: contexts, programs, failures.
    Gl(Gl),
    /// A video reached a texture, or could not.
    Texture {
        /// `first` or `error`.
        ev: String,
        /// Why not.
        error: Option<String>,
    },
    /// A media element.
    Video(Video),
    /// The audio graph.
    Audio(Audio),
    /// A WebSocket.
    Socket(Socket),
    /// A page error that BiDi's log may not carry.
    Error {
        /// `exception`, `rejection` or `resource`.
        ev: String,
        /// Its text.
        #[serde(default)]
        message: String,
        /// Where.
        url: Option<String>,
        /// Line.
        line: Option<f64>,
    },
    /// A console line with an `Error` in it, in full.
    Console {
        /// `error` or `warn`.
        level: String,
        /// The line.
        text: String,
    },
    /// A `performance.mark` or `measure` of a name that the app file declares.
    Mark {
        /// The event that it stands for.
        name: String,
        /// How long the measure took.
        ms: Option<f64>,
        /// What the app said with it.
        #[serde(default)]
        detail: Map<String, Value>,
    },
    /// The probe itself failed somewhere; the page was not touched.
    ProbeError {
        /// In which hook.
        #[serde(default, rename = "where")]
        place: String,
        /// Why.
        #[serde(default)]
        message: String,
    },
    /// A kind this version does not read.
    #[serde(other)]
    Other,
}

/// Room, user and preset as a page tells them, and whether it says that it fell back; `None` where it tells none.
pub type PageIds = [Option<String>; 4];

/// A frame drawn to the screen.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Frame {
    /// The canvas's own count of frames.
    #[serde(default)]
    pub n: u64,
    /// Hashes of the programs that took part, failed ones left out.
    #[serde(default)]
    pub programs: Vec<String>,
    /// 8x8 averages of luma, 0..=255, as 128 hex digits.
    #[serde(default, deserialize_with = "luma")]
    pub luma: Vec<u8>,
    /// The brightest of the points that the averages are taken of, 0..=255.
    #[serde(default)]
    pub max: u8,
    /// Uniforms that were given NaN in this frame.
    #[serde(default)]
    pub nan: Vec<String>,
    /// Texture uploads from a video so far.
    #[serde(default)]
    pub vtex: u64,
    /// Sound level (RMS) heard by the page, if it listens.
    pub lvl: Option<f64>,
    /// What the page told of itself with this frame, while armed.
    pub ids: Option<PageIds>,
    /// The number that the picture of the video last drawn carries, that element, and its `currentTime`, seconds.
    pub number: Option<u16>,
    /// See `number`.
    pub vid: Option<u64>,
    /// See `number`.
    pub vct: Option<f64>,
}

fn luma<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let hex = String::deserialize(from)?;
    let digits = hex.as_bytes().chunks_exact(2);
    Ok(digits.filter_map(|d| std::str::from_utf8(d).ok().and_then(|d| u8::from_str_radix(d, 16).ok())).collect())
}

impl Frame {
    /// No cell brighter than what dark video noise gives.
    pub fn is_dark(&self) -> bool {
        self.luma.iter().all(|v| *v <= 6)
    }

    /// Nothing to see anywhere: dark, and no line or star in it.
    pub fn is_black(&self) -> bool {
        /// A line that is drawn is brighter; what a decoder leaves in a dark picture is not.
        const LINE: u8 = 40;
        self.max <= LINE && self.is_dark()
    }

    /// Mean luma, 0..=255.
    pub fn mean(&self) -> f64 {
        self.luma.iter().map(|v| f64::from(*v)).sum::<f64>() / self.luma.len().max(1) as f64
    }

    /// Largest difference of a cell between two frames.
    pub fn distance(&self, other: &Frame) -> u8 {
        self.luma.iter().zip(&other.luma).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }
}

/// WebGL: contexts, programs, failures.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Gl {
    /// `context`, `program`, `compile_error`, `link_error`, `lost`, `restored`.
    pub ev: String,
    /// The driver's words about a failure.
    pub log: Option<String>,
    /// `UNMASKED_RENDERER_WEBGL`.
    pub renderer: Option<String>,
    /// Whether a context came.
    pub ok: Option<bool>,
}

/// A media element's event or sample.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Video {
    /// The event: `src`, `loadeddata`, `frame`, `sample`, `error` ...
    pub ev: String,
    /// The element.
    pub id: u64,
    /// What it plays.
    pub src: Option<String>,
    /// `readyState`.
    pub rs: Option<u8>,
    /// `networkState`.
    pub ns: Option<u8>,
    /// `currentTime`, seconds.
    pub ct: Option<f64>,
    /// Pixels.
    pub w: Option<f64>,
    /// Pixels.
    pub h: Option<f64>,
    /// How the first frame was seen: `rvfc`, `loadeddata` or `quality`.
    pub by: Option<String>,
    /// `MediaError`.
    pub error: Option<MediaError>,
    /// An audio element.
    pub audio: bool,
    /// It is in the document, where a viewer may see it.
    pub attached: bool,
    /// `paused`.
    pub paused: bool,
    /// `ended`.
    pub ended: bool,
    /// `seeking`.
    pub seeking: bool,
    /// `loop`.
    pub looping: bool,
    /// `autoplay`.
    pub auto: bool,
    /// `playbackRate`.
    pub rate: Option<f64>,
    /// `duration`, seconds; `None`: not known, or without end.
    pub dur: Option<f64>,
    /// Where the page wants to be, seconds, while a seek of its own is under way.
    pub to: Option<f64>,
    /// End of what is buffered around `ct`, seconds.
    pub buf: Option<f64>,
    /// It would be heard: it has sound, is not muted and not at volume 0.
    pub audible: bool,
    /// Frames shown of this source.
    pub frames: Option<f64>,
    /// Frames left out.
    pub dropped: Option<f64>,
    /// Times a frame stood for longer than it should, in frames.
    pub repeated: Option<f64>,
    /// Frames that its decoder took of the media, shown or not.
    pub decoded: Option<f64>,
    /// For how long no new frame came, milliseconds; `None` where none should.
    pub gap: Option<f64>,
    /// By how much the probe's own timer came late in that time, milliseconds.
    pub late: Option<f64>,
    /// Media time of the last frame, seconds.
    pub mt: Option<f64>,
}

/// `MediaError`: 1 aborted, 2 network, 3 decode, 4 source not supported.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MediaError {
    /// The code.
    pub code: u8,
    /// The browser's words; only Firefox says why.
    pub message: String,
}

/// The audio graph.
#[derive(Clone, Debug, Deserialize)]
pub struct Audio {
    /// `context`, `state`, `gum`.
    pub ev: String,
    /// The context's state.
    pub state: Option<String>,
    /// Whether the microphone was given.
    pub ok: Option<bool>,
    /// Why not.
    pub error: Option<String>,
}

/// A WebSocket's event or message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Socket {
    /// `new`, `open`, `close`, `sent`, `got`, or `capped`: messages were left out.
    pub ev: String,
    /// The connection, one of its own within the play.
    pub id: String,
    /// Where to, when new.
    pub url: Option<String>,
    /// A message.
    pub text: Option<String>,
    /// Letters of the message that was left out.
    pub size: u64,
    /// Close code.
    pub code: Option<u16>,
    /// `wasClean`: both ends said that they close.
    pub clean: bool,
    /// The page itself closed it.
    pub own: bool,
    /// What the page told of itself at that moment.
    pub ids: Option<PageIds>,
}

/// Reads one push of the probe: a list of messages. What cannot be read is skipped, a newer probe may say more.
pub fn read(json: &str) -> Vec<Message> {
    let raw: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    raw.into_iter().filter_map(|m| serde_json::from_value(m).ok()).collect()
}
