//! Why a video did not play: one class for each failure, with the evidence it stands on.
//!
//! No single witness can say. Chromium's `MediaError` reads the same for a 404, a CORS refusal and a broken file; Firefox
//! names the status and nothing else; neither says anything of a connection that went silent. So the proxy's record
//! speaks first, the element second, and the browser's abilities last.
//!
//! # Which answer decides
//! A browser asks again after many a failure, and plays on. What it survived is no cause: the *last* answer that says
//! anything is. Going back from the last one, an answer that ended with the play before it could say anything is passed
//! over; one that brought octets, and has nothing wrong, ends the search: then it is not the network. Where scripts
//! fill the source, many files feed it: there it speaks for its own file only, and the search goes on.
//!
//! # What outranks what, within one answer
//! 1. *refused by status*: an error page has the wrong type and rarely CORS fields; mending those would not bring the video.
//! 2. *blocked by CORS*: the browser drops the answer before it reads the rest of it.
//! 3. *upstream response violation*, of a rule that browsers are known to fail on: the head is wrong before the body ends.
//! 4. *truncated stream*; then *timed out*: the head was right, and the rest of the body did not come.

mod words;

use super::lint::{self, Found};
use super::{Exchange, origin_of};
use crate::table::Row;
use crate::unit::{hundredths, show_ms};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use words::{File, file, unplayable};

/// Why a video did not play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// The media came as it is, and this browser cannot decode its kind.
    #[serde(rename = "codec unsupported")]
    Codec,
    /// The connection, or the file, ended before the video did; also before its first octet.
    #[serde(rename = "truncated stream")]
    Truncated,
    /// An answer that HTTP does not allow, or octets that are not the media they are said to be.
    #[serde(rename = "upstream response violation")]
    Violation,
    /// The browser was not allowed to use what came.
    #[serde(rename = "blocked by CORS")]
    Cors,
    /// The last answer's status brings no media: neither 200 nor 206.
    #[serde(rename = "refused by status")]
    Refused,
    /// The browser still waited for octets that it was promised, or for an answer, when the time was up. No browser ever
    /// gives up by itself (330 s measured), and a trickle is no better than silence.
    #[serde(rename = "timed out")]
    TimedOut,
    /// Nothing was wrong on the wire, nothing was waited for, and the browser gave no cause.
    #[serde(rename = "silent")]
    Silent,
}

/// Every class.
pub const CLASSES: &[Class] =
    &[Class::Codec, Class::Truncated, Class::Violation, Class::Cors, Class::Refused, Class::TimedOut, Class::Silent];

impl Class {
    /// Something on the wire, or the browser's word, proves it: it is no matter of time.
    pub fn is_proved(self) -> bool {
        !matches!(self, Self::TimedOut | Self::Silent)
    }
}

impl Row for Class {
    fn name(&self) -> &'static str {
        match self {
            Class::Codec => "codec unsupported",
            Class::Truncated => "truncated stream",
            Class::Violation => "upstream response violation",
            Class::Cors => "blocked by CORS",
            Class::Refused => "refused by status",
            Class::TimedOut => "timed out",
            Class::Silent => "silent",
        }
    }
    fn about(&self) -> &'static str {
        match self {
            Class::Codec => "the media came whole, and this browser cannot decode its kind",
            Class::Truncated => "the connection, or the file, ended before the video did",
            Class::Violation => "an answer that HTTP does not allow, or octets that are not the media they should be",
            Class::Cors => "the browser was not allowed to use what came",
            Class::Refused => "the last answer's status brings no media",
            Class::TimedOut => "the browser still waited for octets, or for an answer, when the time was up",
            Class::Silent => "nothing wrong on the wire, nothing waited for, and no word from the browser",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A media element, as it was when the failure was noticed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Element {
    /// What it plays.
    pub url: Option<String>,
    /// `MediaError`'s code, if there is one.
    pub code: Option<u8>,
    /// Its text: Chromium's is the same for most causes.
    pub message: String,
    /// `readyState`.
    pub ready_state: Option<u8>,
    /// `networkState`: 1 idle, 2 loading.
    pub network_state: Option<u8>,
    /// A frame was decoded.
    pub decoded: bool,
    /// `currentTime`, seconds.
    pub position: Option<f64>,
    /// Why WebGL would not draw it.
    pub undrawable: Option<String>,
}

impl Element {
    /// What it plays, without query and fragment, where that has an address in the network: a blob, which scripts fill,
    /// has none.
    pub(super) fn address(&self) -> Option<&str> {
        let bare = self.url.as_deref()?.split(['?', '#']).next()?;
        bare.starts_with("http").then_some(bare)
    }

    /// The query of what it plays.
    pub(super) fn query(&self) -> Option<&str> {
        self.url.as_deref()?.split('#').next()?.split_once('?').map(|(_, query)| query)
    }
}

/// How it ended for the viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Ending {
    /// No frame, or none that reached the picture.
    #[default]
    NeverStarted,
    /// It stood still at this second of the media.
    FrozeAt(f64),
    /// It ended at this second, before the media's end.
    EndedEarlyAt(f64),
    /// It was sent to another second of the media, and went to this one; or shows this one, where it is at another.
    WentElsewhere(f64),
    /// It has so many pictures a second, where so many are declared.
    TooFew(f64, f64),
}

/// An exchange and what the lint found in it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The exchange.
    pub x: Exchange,
    /// What is wrong with it.
    pub found: Vec<Found>,
}

/// What is known of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The media's exchanges on the browser's leg, redirects included, in the order they started.
    pub exchanges: &'a [&'a Looked],
    /// The element.
    pub element: &'a Element,
    /// How it ended.
    pub ending: Ending,
    /// `canPlayType` by codec, as the environment was told.
    pub codecs: Option<&'a Map<String, Value>>,
    /// When the failure was declared, on the run's clock.
    pub at: f64,
    /// How long was waited for the video, milliseconds.
    pub waited: f64,
    /// From when until when picture and clock stood, as they do for want of data.
    pub starved: Option<(f64, f64)>,
}

/// A class, and what it stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Classed {
    /// The class.
    pub class: Class,
    /// What it stands on.
    pub evidence: Evidence,
}

/// What a class stands on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// In a sentence.
    pub says: String,
    /// The exchange that decided: its number at the proxy.
    pub request: Option<u64>,
    /// The answer's status.
    pub status: Option<u16>,
    /// Octets that its head promised, that the client was sent, and that the server had sent.
    pub bytes_promised: Option<u64>,
    /// See `bytes_promised`.
    pub bytes_sent: Option<u64>,
    /// See `bytes_promised`.
    pub bytes_received: Option<u64>,
    /// The rule it broke.
    pub rule: Option<String>,
    /// How far the player got, in seconds of the media: what it consumed.
    pub consumed_s: Option<f64>,
    /// A fault of this monitor's made the answer, or changed it: nobody else is to blame.
    pub ours: bool,
}

/// A request without an answer tells nothing before this: both browsers call a download stalled after 3 s (HTML, 4.8.11.5).
const PATIENCE_MS: f64 = 3000.0;

/// Rules whose breach is known to end playback in one browser at least (measured; Chromium's and Gecko's sources). Of the
/// others, none by itself is a cause.
const FATAL: [&lint::Rule; 10] = [
    &lint::UNFRAMED,
    &lint::CONTENT_RANGE_MISSING,
    &lint::CONTENT_RANGE_INVALID,
    &lint::CONTENT_RANGE_ELSEWHERE,
    &lint::LENGTH_DIFFERS,
    &lint::MULTIPART_UNASKED,
    &lint::PART_EMPTY,
    &lint::TOTAL_CHANGED,
    &lint::CONTENT_ENCODED,
    &lint::TOO_LONG,
];

/// What one exchange says of the failure.
enum Fate<'a> {
    Cause(Class, String, Option<&'a Found>),
    /// Octets came, and nothing is wrong with them.
    Fine,
    /// Too little happened to say.
    Nothing,
}

/// The class of a failure.
pub fn classify(facts: &Facts) -> Classed {
    let element = facts.element;
    let mixed = element.undrawable.as_deref().filter(|_| element.code.is_none());
    let last = facts.exchanges.last().copied();
    // Frames came, and no word of an error: the wire brought them, whatever it broke.
    if element.decoded && element.code.is_none() && facts.ending == Ending::NeverStarted {
        return match mixed {
            Some(why) => {
                told(facts, Class::Cors, format!("the video decodes, and may not be drawn: {why}"), last, None)
            }
            None => {
                let says = "the video decodes, its picture never reached the visualizer, and nothing says why";
                told(facts, Class::Silent, says.to_owned(), last, None)
            }
        };
    }
    match (facts.ending, element.code) {
        (Ending::WentElsewhere(at), None) => return astray(facts, at),
        (Ending::TooFew(has, declared), None) => {
            let says = format!("the media has {has:.1} pictures a second, where {declared} are declared");
            return told(facts, Class::Violation, says, last, None);
        }
        _ => {}
    }
    let mut fine: Option<&Looked> = None;
    // Files that came well in the end.
    let mut well = BTreeSet::new();
    for (n, looked) in facts.exchanges.iter().copied().enumerate().rev() {
        let x = &looked.x;
        // A playlist that came again may have come too late.
        let late = x.is_playlist() && x.at >= facts.at - facts.waited;
        if well.contains(&x.file()) && !late {
            continue;
        }
        match fate(facts, looked, n) {
            Fate::Cause(class, says, rule) => return told(facts, class, says, Some(looked), rule),
            Fate::Fine => {
                // A playlist has no octets of the video.
                if fine.is_none_or(|fine| fine.x.is_playlist() && !x.is_playlist()) {
                    fine = Some(looked);
                }
                if facts.element.address().is_some() {
                    break;
                }
                well.insert(x.file());
            }
            Fate::Nothing => {}
        }
    }
    match (fine, element.code) {
        (Some(looked), Some(code)) => undecodable(facts, looked, code),
        (Some(looked), None) => match facts.ending {
            Ending::EndedEarlyAt(at) => {
                let says = format!("all of {} came, and ended at {at:.1} s of the media", looked.x.came());
                match file(facts) {
                    Some(File::Whole) => {
                        let says = format!("{says}, though the file is as long as it names itself: spoilt octets");
                        told(facts, Class::Violation, says, Some(looked), None)
                    }
                    Some(File::Cut(how)) => told(facts, Class::Truncated, format!("{says}: {how}"), Some(looked), None),
                    None => told(facts, Class::Truncated, says, Some(looked), None),
                }
            }
            Ending::NeverStarted | Ending::FrozeAt(_) | Ending::WentElsewhere(_) | Ending::TooFew(..) => {
                if let Some(waited) = starved(facts, &looked.x) {
                    let says = format!("it waited {} for octets that came later", show_ms(waited));
                    return told(facts, Class::TimedOut, says, Some(looked), None);
                }
                let says =
                    format!("{} came, nothing is wrong with them, and the browser said nothing", looked.x.came());
                told(facts, Class::Silent, says, Some(looked), None)
            }
        },
        (None, Some(code)) => match unplayable(facts, last.map(|l| &l.x)) {
            Some(why) => told(facts, Class::Codec, why, last, None),
            None => {
                let says = format!("MediaError {code}, and no answer in the record that could be its cause");
                told(facts, Class::Silent, says, last, None)
            }
        },
        // NETWORK_LOADING: it has asked, and waits (HTML, 4.8.11.4).
        (None, None) if element.network_state == Some(2) => {
            let says = format!("it waited for its data, and none came in {}", show_ms(facts.waited));
            told(facts, Class::TimedOut, says, last, None)
        }
        (None, None) if element.url.is_none() && last.is_none() => {
            told(facts, Class::Silent, "no video was given a source".to_owned(), None, None)
        }
        (None, None) => {
            told(facts, Class::Silent, "no answer in the record, and no word from the browser".to_owned(), last, None)
        }
    }
}

/// A place in the media where it was not sent, of which no browser says a word. A server may well answer ranges with the
/// whole file: that breaks no rule, and where it does, it is why.
fn astray(facts: &Facts, at: f64) -> Classed {
    let ignores =
        |f: &&Found| [&lint::RANGE_IGNORED, &lint::LATER_RANGE_IGNORED].iter().any(|r| std::ptr::eq(*r, f.rule));
    let ignored = facts.exchanges.iter().rev().find_map(|l| Some((*l, l.found.iter().find(ignores)?)));
    let why = match ignored {
        Some(_) => "the server answers ranges with the whole file",
        None => "nothing on the wire says why",
    };
    let says = format!("it shows {at:.1} s of the media, where it was not sent, and the browser said nothing: {why}");
    let looked = ignored.map(|(looked, _)| looked).or(facts.exchanges.last().copied());
    told(facts, Class::Silent, says, looked, ignored.map(|(_, rule)| rule))
}

/// How long it waited for what this exchange was bringing: it stood meanwhile, and was loading (HTML, 4.8.11.4).
fn starved(facts: &Facts, x: &Exchange) -> Option<f64> {
    let (from, until) = facts.starved.filter(|_| facts.element.network_state == Some(2))?;
    (x.started() <= until && x.at >= from).then_some(until - from)
}

fn fate<'a>(facts: &Facts, looked: &'a Looked, n: usize) -> Fate<'a> {
    let Looked { x, found } = looked;
    let rule = |rule: &lint::Rule| found.iter().find(|f| std::ptr::eq(f.rule, rule));
    if let Some(broken) = rule(&lint::UNFRAMED) {
        return Fate::Cause(Class::Violation, broken.says.clone(), Some(broken));
    }
    let open = matches!(x.ended.as_str(), "client_gone" | "play_over") && x.at >= facts.at;
    let silent = x.cut.as_deref() == Some("silence");
    let Some(status) = x.status else { return unanswered(facts, x, silent) };
    let is_last = n + 1 == facts.exchanges.len();
    if matches!(status, 300..=303 | 307 | 308) {
        if let Some(broken) = rule(&lint::CORS_MISSING).filter(|_| is_last) {
            return Fate::Cause(Class::Cors, broken.says.clone(), Some(broken));
        }
        return redirected(facts, x, status, is_last);
    }
    if x.is_copy_confirmed() {
        return Fate::Fine;
    }
    let brings = matches!(status, 200 | 206) || x.is_preflight() && matches!(status, 200..300);
    if !brings {
        return Fate::Cause(Class::Refused, format!("the answer was {status}"), None);
    }
    if let Some(broken) = rule(&lint::CORS_MISSING) {
        return Fate::Cause(Class::Cors, broken.says.clone(), Some(broken));
    }
    if x.is_preflight() {
        return Fate::Nothing;
    }
    if let Some(broken) = found.iter().find(|f| FATAL.iter().any(|fatal| std::ptr::eq(*fatal, f.rule))) {
        return Fate::Cause(Class::Violation, broken.says.clone(), Some(broken));
    }
    if let Some(broken) = rule(&lint::TRUNCATED) {
        return Fate::Cause(Class::Truncated, broken.says.clone(), Some(broken));
    }
    let missing = x.promised.map_or(x.ended != "whole", |promised| x.sent < promised);
    // A browser with enough in its buffer stops to read, and says that it is idle: it does not wait then.
    let waits = facts.element.code.is_none() && facts.element.network_state.is_none_or(|state| state == 2);
    // Whoever gives up on a server that says nothing more has waited for it, whatever the element said by then.
    let given_up = x.ended == "client_gone" && x.silent_ms.is_some_and(|ms| ms >= PATIENCE_MS);
    if missing && (silent || given_up || open && waits) {
        let says = format!("{} came, then nothing more", x.came());
        return Fate::Cause(Class::TimedOut, says, None);
    }
    if x.promised == Some(0) && x.method != "HEAD" {
        return Fate::Cause(Class::Violation, format!("{status} without an octet"), None);
    }
    match x.sent {
        0 => Fate::Nothing,
        _ => Fate::Fine,
    }
}

/// A request that no answer came to: in the time there was, or until the client gave up.
fn unanswered<'a>(facts: &Facts, x: &Exchange, silent: bool) -> Fate<'a> {
    let waited = x.at.min(facts.at) - x.started();
    let hung = matches!(x.ended.as_str(), "client_gone" | "play_over") && waited >= PATIENCE_MS;
    match (&x.error, x.cut.as_deref()) {
        _ if x.ended == "refused" => {
            let why = x.error.clone().unwrap_or_default();
            Fate::Cause(Class::Refused, format!("the proxy may not reach it: {why}"), None)
        }
        (Some(why), _) if why.contains("timed out") => {
            Fate::Cause(Class::TimedOut, format!("no connection: {why}"), None)
        }
        (Some(why), _) => Fate::Cause(Class::Truncated, format!("no connection: {why}"), None),
        (None, Some("close")) => {
            Fate::Cause(Class::Truncated, "the connection was closed before an answer".to_owned(), None)
        }
        (None, Some("reset")) => {
            Fate::Cause(Class::Truncated, "the connection was reset before an answer".to_owned(), None)
        }
        _ if silent || hung => {
            let waited = if silent { facts.at - x.started() } else { waited };
            Fate::Cause(Class::TimedOut, format!("no answer in {}", show_ms(waited.max(0.0))), None)
        }
        _ => Fate::Nothing,
    }
}

/// A redirect; one that was followed says nothing, its end does.
fn redirected<'a>(facts: &Facts, x: &Exchange, status: u16, is_last: bool) -> Fate<'a> {
    if !is_last {
        return Fate::Nothing;
    }
    let to = x.location.as_deref();
    let elsewhere = to.is_some_and(|to| origin_of(to) != x.origin_of_url());
    if elsewhere && facts.element.code.is_some() {
        let says = format!("{status} to another origin, which was not followed");
        return Fate::Cause(Class::Cors, says, None);
    }
    let times = facts.exchanges.iter().filter(|l| l.x.status == Some(status)).count();
    Fate::Cause(Class::Refused, format!("the answer was {status}, {times} times, and never a video"), None)
}

/// The octets came as promised, and the browser reports an error.
fn undecodable(facts: &Facts, looked: &Looked, code: u8) -> Classed {
    let element = facts.element;
    let x = &looked.x;
    // HTML, 4.8.11.5: parts of two origins are not joined without CORS. A load begins with the first octet.
    let begins = |l: &Looked| match l.x.status {
        Some(200) => true,
        Some(206) => l.x.part().is_some_and(|part| part.first == 0),
        _ => false,
    };
    let continues = x.origin.is_none() && x.part().is_some_and(|part| part.first > 0);
    let earlier = facts.exchanges.iter().filter(|l| continues && l.x.started() <= x.started());
    let before = earlier.filter(|l| begins(l)).max_by(|one, other| one.x.started().total_cmp(&other.x.started()));
    if let Some(before) = before.filter(|b| b.x.origin_of_url() != x.origin_of_url()) {
        let from = before.x.origin_of_url().unwrap_or_default();
        let to = x.origin_of_url().unwrap_or_default();
        return told(
            facts,
            Class::Cors,
            format!("a part came from {to}, the beginning from {from}"),
            Some(looked),
            None,
        );
    }
    if let Some(why) = unplayable(facts, Some(x)) {
        return told(facts, Class::Codec, why, Some(looked), None);
    }
    // Firefox names it; Chromium's "PIPELINE_ERROR_DECODE" says the same of a file that is spoilt.
    let file = file(facts);
    let short = element.message.contains("beyond end of resource") || matches!(facts.ending, Ending::EndedEarlyAt(_));
    if matches!(file, Some(File::Cut(_))) || short && file.is_none() {
        let how = match file {
            Some(File::Cut(how)) => how,
            _ => "less than the file's index names".to_owned(),
        };
        let says = format!("all of {} came, and {how}", x.came());
        return told(facts, Class::Truncated, says, Some(looked), None);
    }
    let hint = looked.found.iter().find(|f| f.violates());
    let hint_says = hint.map_or(String::new(), |f| format!("; {}", f.says));
    let says = format!("{} came, and do not decode: MediaError {code}{hint_says}", x.came());
    told(facts, Class::Violation, says, Some(looked), hint)
}

fn told(facts: &Facts, class: Class, says: String, looked: Option<&Looked>, broken: Option<&Found>) -> Classed {
    let x = looked.map(|l| &l.x);
    let evidence = Evidence {
        says,
        request: x.map(|x| x.request),
        status: x.and_then(|x| x.status),
        bytes_promised: x.and_then(|x| x.promised),
        bytes_sent: x.map(|x| x.sent),
        bytes_received: x.map(|x| x.received),
        rule: broken.map(|f| f.rule.name().to_owned()),
        consumed_s: facts.element.position.map(hundredths),
        ours: x.is_some_and(|x| x.ours),
    };
    Classed { class, evidence }
}
