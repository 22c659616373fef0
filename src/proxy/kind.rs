//! What a request asks for, as far as its own head tells.

use crate::fault::Resource;
use crate::fault::head::Head;
use memchr::memrchr;

const MEDIA: &[&str] = &[
    "mp4", "m4v", "m4a", "mov", "webm", "mkv", "ogv", "ogg", "oga", "opus", "mp3", "aac", "flac", "wav", "avi", "3gp",
];
const MANIFEST: &[&str] = &["m3u8", "mpd"];
const SEGMENT: &[&str] = &["ts", "m4s", "cmfv", "cmfa", "cmft", "m2ts"];
const ASSET: &[&str] = &[
    "js", "mjs", "css", "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "woff", "woff2", "ttf", "otf",
    "wasm", "map", "vtt",
];

/// What `GET path` with this head asks for. Browsers say it (`Sec-Fetch-Dest`) to trustworthy origins only; else the
/// path's extension and a range must do.
pub(super) fn resource(method: &str, path: &str, head: &Head) -> Resource {
    if head.has_token("upgrade", "websocket") {
        return Resource::Socket;
    }
    let extension = extension(path);
    let of = |list: &[&str]| extension.is_some_and(|e| list.iter().any(|l| e.eq_ignore_ascii_case(l)));
    if of(MANIFEST) {
        return Resource::Manifest;
    }
    if of(SEGMENT) {
        return Resource::Segment;
    }
    match head.get("sec-fetch-dest") {
        Some("video" | "audio") => return Resource::Media,
        Some("document" | "iframe" | "frame" | "embed" | "object") => return Resource::Page,
        Some("empty") if of(MEDIA) => return Resource::Media,
        Some("empty") => return Resource::Api,
        Some(_) => return Resource::Asset,
        None => {}
    }
    let accept = head.get("accept").unwrap_or_default();
    let accepts = |what: &str| accept.starts_with(what);
    match method {
        "GET" | "HEAD" if of(MEDIA) => Resource::Media,
        "GET" | "HEAD" if of(ASSET) || accepts("image/") || accepts("text/css") => Resource::Asset,
        "GET" if accepts("text/html") => Resource::Page,
        "GET" if head.get("range").is_some() => Resource::Media,
        _ => Resource::Api,
    }
}

fn extension(path: &str) -> Option<&str> {
    let name = memrchr(b'/', path.as_bytes()).map_or(path, |at| &path[at + 1..]);
    memrchr(b'.', name.as_bytes()).map(|at| &name[at + 1..])
}

/// Whether a response of this type is media.
pub(super) fn is_media_type(value: &str) -> bool {
    let is = |prefix: &str| value.get(..prefix.len()).is_some_and(|v| v.eq_ignore_ascii_case(prefix));
    ["video/", "audio/", "application/vnd.apple.mpegurl", "application/x-mpegurl", "application/dash+xml"]
        .into_iter()
        .any(is)
}

/// The type of a file, by its name.
pub(super) fn type_of(path: &std::path::Path) -> &'static str {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "vtt" => "text/vtt",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a browser asks for it on its own behalf: updates, accounts, lists of bad sites.
pub(super) fn is_background(host: &str) -> bool {
    const HOSTS: &[&str] = &[
        "accounts.google.com",
        "update.googleapis.com",
        "clients1.google.com",
        "clients2.google.com",
        "clients2.googleusercontent.com",
        "clientservices.googleapis.com",
        "optimizationguide-pa.googleapis.com",
        "content-autofill.googleapis.com",
        "safebrowsing.googleapis.com",
        "safebrowsingohttpgateway.googleapis.com",
        "android.clients.google.com",
        "mtalk.google.com",
        "detectportal.firefox.com",
        "aus5.mozilla.org",
        "ciscobinary.openh264.org",
    ];
    const BELOW: &[&str] = &[".gvt1.com", ".services.mozilla.com", ".cdn.mozilla.net"];
    HOSTS.contains(&host) || BELOW.iter().any(|b| host.ends_with(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_what_it_asks_for() {
        for (path, fields, wanted) in [
            ("/", &[("Sec-Fetch-Dest", "document")][..], Resource::Page),
            ("/api/video-proxy", &[("Sec-Fetch-Dest", "video")], Resource::Media),
            ("/media/a.MP4", &[], Resource::Media),
            ("/media/a.mp4", &[("Sec-Fetch-Dest", "empty")], Resource::Media),
            ("/live/x.m3u8", &[("Sec-Fetch-Dest", "video")], Resource::Manifest),
            ("/live/1.m4s", &[("Sec-Fetch-Dest", "empty")], Resource::Segment),
            ("/api/rooms", &[("Sec-Fetch-Dest", "empty")], Resource::Api),
            ("/app.js", &[("Sec-Fetch-Dest", "script")], Resource::Asset),
            ("/app.js", &[], Resource::Asset),
            ("/file", &[("Range", "bytes=0-")], Resource::Media),
            ("/page", &[("Accept", "text/html,*/*")], Resource::Page),
            ("/ws", &[("Upgrade", "websocket"), ("Connection", "Upgrade")], Resource::Socket),
            ("/v1.2/rooms", &[], Resource::Api),
        ] {
            assert_eq!(resource("GET", path, &Head::new("GET / HTTP/1.1", fields)), wanted, "{path} {fields:?}");
        }
        assert!(is_media_type("Video/mp4; codecs=x") && !is_media_type("text/html") && !is_media_type(""));
        assert!(is_background("r1---sn.gvt1.com") && !is_background("gvt1.com.evil"));
    }
}
