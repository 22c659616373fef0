//! The table of defects. Page defects reach the page's scripts by name, through its config.

use std::fmt::Write;

/// One defect the stage can have.
#[derive(Debug, PartialEq, Eq)]
pub struct Defect {
    /// Its name on the command line.
    pub name: &'static str,
    /// What goes wrong, and when.
    pub what: &'static str,
}

macro_rules! defects {
    ($($name:literal: $what:literal,)*) => { &[$(Defect { name: $name, what: $what }),*] };
}

/// Every defect. "3rd Next" is the third press of Next since the page was loaded; later presses behave again unless
/// the row says otherwise.
#[rustfmt::skip]
pub const DEFECTS: &[Defect] = defects! {
    "bad-glsl": "3rd Next: the preset's shader does not compile; hydra's browser build says nothing, the picture is black",
    "eval-throw": "3rd Next: the preset's code throws a ReferenceError; console and status line say so",
    "eval-throw-silent": "3rd Next: the same, swallowed: nothing in the console, nothing in the status line",
    "missing-out": "3rd Next: the preset's code never calls .out()",
    "tick-throw": "3rd Next: a source throws in every tick until the next preset; no draw reaches the canvas",
    "speed-undefined": "3rd Next: the preset sets speed to undefined and nothing resets it: time-based presets stay black",
    "context-lost": "3rd Next: the WebGL context is lost and never restored",
    "dead-button": "3rd Next: the press does nothing at all",
    "wrong-preset": "3rd Next: name and id are right, the picture is another preset's",
    "stale-graph": "3rd Next: name and id change, the old picture stays (hydra warns in the console)",
    "black-preset": "3rd Next: a preset declared moving draws black",
    "frozen-picture": "3rd Next: the render loop stops: no draws until the next press",
    "slow-preset": "3rd Next: name and id change at once, the picture 3 s later",
    "leak": "every switch keeps 2 MB of committed memory",
    "audio-suspended": "the AudioContext is suspended right after Start audio",
    "audio-unconnected": "the microphone feeds nothing: level() is always 0.5",
    "audio-denied": "the microphone is refused and nobody is told",
    "video-404": "every clip answers 404, on both origins",
    "video-403": "every clip answers 403, on both origins",
    "video-cors": "the page takes its clips from the second origin, which sends no CORS headers",
    "video-tainted": "a clip comes from the second origin without asking for CORS: it plays, and no texture may take it",
    "video-redirects": "a clip is sent on to the second origin, and asked for without CORS: it plays, and no texture may take it",
    "video-html": "every clip answers 200 with an HTML page, on both origins",
    "video-truncated": "no byte of a clip after the first 60000 arrives: the connection is reset there, on both origins",
    "video-silent": "the headers of a clip never come, on both origins",
    "video-codec": "every clip is MPEG-4 part 2, which no browser plays, on both origins",
    "video-hushed": "hush() right after the clip was started: it plays, and nothing draws it",
    "video-bound-black": "the clip plays, but the picture is solid black instead of the clip",
    "video-slow": "the headers of a clip come 4 s late, on both origins",
    "media-truncated": "a clip ends after 7 of its 30 parts, with a Content-Length to match: nothing says that it is short",
    "media-zeroed": "every byte of a clip after the first 300000 is zero",
    "media-noise": "a clip is noise under the right headers",
    "media-416-later": "every range that does not begin at 0 answers 416",
    "media-no-content-range": "206 without a Content-Range",
    "media-wrong-range": "the Content-Range of a 206 names a place 1000 bytes further on than the bytes are from",
    "media-range-ignored": "every range answers 200 with the whole clip",
    "media-empty-206": "every range that does not begin at 0 answers 206 without a body",
    "media-gzip-lie": "a clip claims to be gzip, and is not",
    "media-wrong-type": "a clip claims to be text/plain",
    "media-etag-changes": "every answer has another ETag, and no If-Range ever fits",
    "media-hang": "no byte of a clip after the first 300000 ever comes; the connection stays",
    "media-slow": "a clip of 1.2 Mbit/s comes at 0.65",
    "media-hevc": "every MP4 is HEVC",
    "audio-only": "the picture of every MP4 stands after 5 s, its sound and its clock run on",
    "fps-half": "every other frame of every MP4 is missing",
    "picture-nan": "3rd Next: the preset's colours are not a number",
    "texture-stuck": "a video's first frame reaches the visualizer, no later one does; the video itself plays on",
    "reconnect-silent": "/watch: nothing is said while the picture stands; it is retried all the same",
    "reconnect-never": "/watch: it says that it retries, and never does",
    "reconnect-restarts": "/watch: a retry plays from the start instead of where the picture stood",
    "reconnect-stuck": "/watch: it says that it retries for ever, also when it plays again",
    "ui-lies": "/watch: it says that it plays, whatever the picture does",
    "video-no-retry": "/watch: a picture that stands is never retried, and given up after 4 s",
    "video-pauses": "/watch: the video pauses by itself after 5 s, and the page says that it plays",
    "video-ends-early": "/watch: the video ends after 5 s as if it had been watched to its end",
    "video-half-speed": "/watch: the video plays at half its speed",
    "video-covered": "/watch: a still of the first frame lies over the video, which plays on unseen",
    "seek-elsewhere": "/watch: the seek buttons lead 5 s further on than they say",
    "tab-crash": "3rd Next: the page's process runs out of memory at once, where the browser lets a page do that (Chromium)",
    "tab-closes": "3rd Next: the page closes its own tab, where the browser lets it (Firefox)",
    "busy-loop": "3rd Next: a script never ends, and the page stands still",
    "dialog-loop": "3rd Next: alert after alert, for ever",
    "dialog-step": "every Next asks by confirm and prompt before it switches",
    "dialog-load": "alert, confirm and prompt while the page loads",
    "dialog-leave": "the page asks whether to leave it, whenever it is left",
    "fetch-auth": "the page fetches what asks for a name and a password",
    "page-auth": "/player asks for a name and a password",
    "page-silent": "/player never answers",
    "page-endless": "/player never ends",
    "page-redirects": "/player leads to itself",
    "page-download": "/player is a download that never ends",
    "script-silent": "the page's first script never comes",
    "console-noise": "console.error every 5 s",
    "exception": "an uncaught exception 1 s after Start audio",
    "page-500": "/player answers 500",
    "no-start-button": "the page has no Start audio button",
    "overlay": "3rd Next, for good: a transparent layer over the page swallows every click",
    "login-broken": "every login answers 500",
    "join-broken": "/room: whoever joins a room, as a guest or not, gets 500",
    "refresh-broken": "no login is ever renewed: that answers 500",
    "role-missing": "/room: a guest may remove what others have put into the queue",
    "queue-lost": "/room: every 2nd command is acknowledged and never applied",
    "queue-rejects": "/room: every 2nd command is refused",
    "queue-no-ack": "/room: commands are applied and never acknowledged",
    "queue-duplicates": "/room: after every 2nd command the connection breaks before the acknowledgement; sent again it is applied again",
    "queue-limit-silent": "/room: commands over the rate limit vanish without a word",
    "room-no-reconnect": "/room: a lost connection is never opened again, and the page says that it tries",
    "room-no-resync": "/room: whoever comes back is not told the queue",
    "room-stale-resync": "/room: whoever comes back is told the queue as they first saw it",
    "library-slow": "every search takes the server a second longer",
    "media-range-past-end": "a range that begins behind the end of a clip answers 206 with a Content-Range whose end lies before its beginning",
    "telemetry-batch-lost": "telemetry: the server takes 2 events a batch, and the page forgets the larger ones it sent",
    "telemetry-no-reconnect": "telemetry: /room: that a lost connection is back is never told",
    "telemetry-no-fallback": "telemetry: that the picture fell back is never told",
    "telemetry-rate-limit": "telemetry: hydra_* within 2 s and video_init_* within 1 s of one of its name is left out",
    "telemetry-restamps": "telemetry: what is sent to the server carries the time at which it is sent",
    "telemetry-first-frame-early": "telemetry: the first frame is told when the preset's code has run",
    "telemetry-no-stall": "telemetry: that a video stood still is never told",
    "telemetry-video-silent": "telemetry: that a video could not be started is never told",
    "telemetry-error-terminal": "telemetry: a video is told to have failed before it has begun, and its frames never",
};

/// The defect of this name, for the command line.
pub fn named(name: &str) -> Result<&'static Defect, String> {
    DEFECTS
        .iter()
        .find(|defect| defect.name == name.trim())
        .ok_or_else(|| "no such defect; --list-defects prints them all".to_owned())
}

/// The table as text, one defect a line.
pub fn listing() -> String {
    let width = DEFECTS.iter().map(|defect| defect.name.len()).max().unwrap_or(0);
    DEFECTS.iter().fold(String::new(), |mut text, Defect { name, what }| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:width$}  {what}");
        text
    })
}

/// The defects switched on.
#[derive(Debug, Default)]
pub struct Defects(Vec<&'static str>);

impl Defects {
    /// Switches these on.
    pub fn new(defects: impl Iterator<Item = &'static Defect>) -> Self {
        Self(defects.map(|defect| defect.name).collect())
    }

    /// Whether this one is on. The name must be in the table, so that a slip of the pen fails in the first debug run.
    pub fn on(&self, name: &str) -> bool {
        debug_assert!(named(name).is_ok(), "{name} is not in the table of defects");
        self.0.contains(&name)
    }

    /// The names switched on.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for defect in DEFECTS {
            assert_eq!(named(defect.name), Ok(defect), "a name stands twice");
        }
        assert!(named("no-such-thing").is_err());
        assert_eq!(listing().lines().count(), DEFECTS.len());
    }

    /// All that a defect's name may be asked for in.
    const CODE: &[&str] = &[
        include_str!("bent.rs"),
        include_str!("library.rs"),
        include_str!("media.rs"),
        include_str!("pages.rs"),
        include_str!("room.rs"),
        include_str!("stuck.rs"),
        include_str!("telemetry.rs"),
        include_str!("users.rs"),
        include_str!("web/defects.js"),
        include_str!("web/link.js"),
        include_str!("web/player.js"),
        include_str!("web/reconnect.js"),
        include_str!("web/sound.js"),
        include_str!("web/telemetry.js"),
        include_str!("web/video.js"),
        include_str!("web/watch.js"),
    ];

    #[test]
    fn each_has_words_and_does_something() {
        for Defect { name, what } in DEFECTS {
            assert!(what.len() > 10 && what.trim() == *what && !what.ends_with('.'), "{name}: {what}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
            let quoted = [format!("\"{name}\""), format!("'{name}'")];
            let asked = CODE.iter().filter_map(|code| code.split("#[cfg(test)]").next());
            let found = asked.filter(|code| quoted.iter().any(|q| code.contains(q))).count();
            assert!(found > 0, "{name} is in the table, and nothing asks whether it is on");
        }
    }

    #[test]
    fn off_unless_asked_for() {
        let defects = Defects::new([named("leak").expect("in the table")].into_iter());
        assert!(defects.on("leak"));
        assert!(!defects.on("overlay"));
    }
}
