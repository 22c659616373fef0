//! What the file says of its own length, and by which words a type, a browser or its abilities say that it cannot be
//! played.

use super::super::{Exchange, octets};
use super::Facts;
use serde_json::Value;

/// What a browser says that understood the container and none of the streams in it.
const WORDS: [&str; 3] = [
    "DEMUXER_ERROR_NO_SUPPORTED_STREAMS",
    "No MP4 audio () or video () tracks",
    "NS_ERROR_DOM_MEDIA_NOT_SUPPORTED_ERR",
];
/// Containers that neither browser opens.
const CONTAINERS: [&str; 6] =
    ["video/x-msvideo", "video/x-ms-wmv", "video/x-flv", "video/mpeg", "video/mp2t", "video/3gpp2"];
/// Codecs as a type names them, and as `canPlayType` was asked for them.
const CODECS: [(&str, &str); 7] = [
    ("avc1", "h264"),
    ("avc3", "h264"),
    ("vp9", "vp9"),
    ("vp09", "vp9"),
    ("av01", "av1"),
    ("hvc1", "hevc"),
    ("hev1", "hevc"),
];

/// A file by what it says of itself.
pub(super) enum File {
    Whole,
    /// The server has less of it.
    Cut(String),
}

/// Whether the server has all of the file, where the file says how long it is.
pub(super) fn file(facts: &Facts) -> Option<File> {
    facts.exchanges.iter().rev().find_map(|l| {
        let (named, total) = (l.x.file_bytes?, l.x.total()?);
        Some(match total < named {
            true => File::Cut(format!(
                "the file names {} octets of itself, the server has {}",
                octets(named),
                octets(total)
            )),
            false => File::Whole,
        })
    })
}

/// Why this browser cannot play it, where the type or the browser's own words tell.
pub(super) fn unplayable(facts: &Facts, x: Option<&Exchange>) -> Option<String> {
    if let Some(words) = WORDS.iter().find(|w| facts.element.message.contains(*w)) {
        return Some(format!("the browser knows none of its streams ({words})"));
    }
    let kind = x?.content_type.as_deref()?.to_ascii_lowercase();
    if let Some(container) = CONTAINERS.iter().find(|c| kind.starts_with(**c)) {
        return Some(format!("no browser opens {container}"));
    }
    let named = kind.split_once("codecs=")?.1.trim_matches('"').to_owned();
    let answer = |name: &str| facts.codecs.and_then(|all| all.get(name)).and_then(Value::as_str).map(str::to_owned);
    let (_, codec) = CODECS
        .iter()
        .find(|(prefix, codec)| named.starts_with(prefix) && answer(codec).is_some_and(|a| a.is_empty()))?;
    Some(format!("canPlayType says no to {codec}, and the answer is {kind}"))
}
