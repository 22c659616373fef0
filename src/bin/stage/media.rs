//! Clips over HTTP with byte ranges (RFC 9110, sections 13 and 14), on both origins, and the defects of a media server.

use std::io::SeekFrom;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::bent::Bent;
use crate::{Stage, clips};

/// Bytes read from disk at a time.
const CHUNK: u64 = 64 * 1024;
/// How late `video-slow` answers.
const SLOW: Duration = Duration::from_secs(4);

/// Routes of the first origin.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new().route("/media/{name}", get(own_clip))
}

/// Routes of the second origin: `/media/` with CORS headers, `/nocors/` without.
pub fn second_origin_routes() -> Router<Arc<Stage>> {
    Router::new()
        .route("/media/{name}", get(clip_with_cors).options(preflight))
        .route("/nocors/{name}", get(clip))
        .route("/not-media.txt", get(|| async { "This is not a video.\n" }))
}

/// A clip of the first origin.
async fn own_clip(stage: State<Arc<Stage>>, name: Path<String>, headers: HeaderMap) -> Response {
    match clips::named(&name).filter(|_| stage.defects.on("video-redirects")) {
        Some(clip) => Redirect::temporary(&format!("{}/nocors/{}", stage.second, clip.name)).into_response(),
        None => clip(stage, name, headers).await,
    }
}

async fn clip_with_cors(stage: State<Arc<Stage>>, name: Path<String>, headers: HeaderMap) -> Response {
    with_cors(clip(stage, name, headers).await)
}

async fn preflight() -> Response {
    with_cors(StatusCode::NO_CONTENT.into_response())
}

fn with_cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Range, If-Range"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Accept-Ranges, Content-Length, Content-Range, ETag"),
    );
    response
}

async fn clip(State(stage): State<Arc<Stage>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    // Only names of the table are served, so no path can lead out of the folder.
    let Some(clip) = clips::named(&name) else {
        return (StatusCode::NOT_FOUND, "No such clip\n").into_response();
    };
    let on = |name| stage.defects.on(name);
    if on("video-404") {
        return (StatusCode::NOT_FOUND, "No such clip\n").into_response();
    }
    if on("video-403") {
        return (StatusCode::FORBIDDEN, "Forbidden\n").into_response();
    }
    if on("video-html") {
        return Html("<!doctype html><title>Please log in</title><p>Please log in.").into_response();
    }
    if on("video-silent") {
        std::future::pending::<()>().await;
    }
    if on("video-slow") {
        tokio::time::sleep(SLOW).await;
    }
    let bent = Bent::by(&stage.defects, clip);
    let name = bent.other.unwrap_or(clip.name);
    match serve(&stage.clips.join(name), clip.mime, &headers, bent).await {
        Ok(response) => response,
        Err(e) => {
            tracing::error!("{name}: {e}");
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error\n").into_response()
        }
    }
}

/// Answers with a file or a part of it, bent so.
async fn serve(path: &std::path::Path, mime: &'static str, asked: &HeaderMap, bent: Bent) -> std::io::Result<Response> {
    let mut file = File::open(path).await?;
    let meta = file.metadata().await?;
    let (len, modified) = (meta.len(), meta.modified()?);
    let len = bent.parts.map_or(len, |parts| len * parts / 30);
    let etag = etag(len, if bent.etag_changes { SystemTime::now() } else { modified });
    let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());

    let mut headers = HeaderMap::new();
    let mut set = |name, value: String| {
        // All values are made here from digits, dates and table texts, and are valid.
        headers.insert(name, HeaderValue::from_str(&value).expect("a valid header value"));
    };
    if !bent.whole {
        set(header::ACCEPT_RANGES, "bytes".to_owned());
    }
    set(header::ETAG, etag.clone());
    set(header::LAST_MODIFIED, http_date(modified));
    set(header::CACHE_CONTROL, "public, max-age=3600".to_owned());
    if text(header::IF_NONE_MATCH).is_some_and(|known| known == "*" || known.split(',').any(|one| one.trim() == etag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    set(header::CONTENT_TYPE, bent.mime.unwrap_or(mime).to_owned());
    if bent.gzip {
        set(header::CONTENT_ENCODING, "gzip".to_owned());
    }

    // If-Range: a range of another version of the file would not fit to what the client has; it gets the whole.
    let same_version = text(header::IF_RANGE).is_none_or(|known| known == etag || known == http_date(modified));
    let range = match parse_range(text(header::RANGE), len) {
        _ if bent.whole || !same_version => Range::Whole,
        Range::Part { start, .. } if start > 0 && bent.refuses_later => Range::Unsatisfiable,
        range => range,
    };
    let (status, start, mut end) = match range {
        Range::Whole => (StatusCode::OK, 0, len),
        Range::Part { start, end } => {
            if !bent.no_content_range {
                let told = format!("bytes {}-{}/{len}", start + bent.shift, end - 1 + bent.shift);
                set(header::CONTENT_RANGE, told);
            }
            (StatusCode::PARTIAL_CONTENT, start, end)
        }
        Range::Unsatisfiable if bent.past_end => {
            set(header::CONTENT_RANGE, format!("bytes {len}-{}/{len}", len - 1));
            (StatusCode::PARTIAL_CONTENT, len, len)
        }
        Range::Unsatisfiable => {
            set(header::CONTENT_RANGE, format!("bytes */{len}"));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    if start > 0 && bent.empty_later {
        end = start;
    }
    set(header::CONTENT_LENGTH, (end - start).to_string());
    file.seek(SeekFrom::Start(start)).await?;
    Ok((status, headers, stream_file(file, start, end, bent)).into_response())
}

/// The bytes from `start` to before `end`, read as they are sent. At a cut the body errors, which makes the server break
/// the connection.
fn stream_file(file: File, start: u64, end: u64, bent: Bent) -> Body {
    Body::from_stream(stream::try_unfold((file, start, bent), move |(mut file, at, bent)| async move {
        if at >= end {
            return Ok(None);
        }
        if bent.hang.is_some_and(|hang| at >= hang) {
            std::future::pending::<()>().await;
        }
        if let Some(pause) = bent.pause_ms {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        if bent.cut.is_some_and(|cut| at >= cut) {
            // The bytes before the cut must reach the client: a reset sent at once may overtake them.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Err(std::io::Error::other("cut short on purpose"));
        }
        let want = CHUNK.min(end - at).min(bent.until(at));
        // At most CHUNK, so it fits a usize anywhere.
        let mut chunk = vec![0; want as usize];
        let got = file.read(&mut chunk).await?;
        if got == 0 {
            return Err(std::io::Error::other("the clip became shorter while it was sent"));
        }
        chunk.truncate(got);
        bent.spoil(at, &mut chunk);
        Ok(Some((Bytes::from(chunk), (file, at + got as u64, bent))))
    }))
}

/// What a `Range` header asks for. `end` is exclusive.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { start: u64, end: u64 },
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes. A header that is malformed, of another unit or of several ranges
/// is ignored, as RFC 9110 section 14.2 allows: the answer is the whole file.
fn parse_range(header: Option<&str>, len: u64) -> Range {
    let ranges = header.and_then(|header| {
        let (unit, ranges) = header.split_once('=')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some(ranges.trim())
    });
    let Some((first, last)) = ranges.and_then(|ranges| ranges.split_once('-')) else { return Range::Whole };
    match (first, digits(first), last, digits(last)) {
        // The last so many bytes; more than there are is the whole file, as a part.
        ("", None, _, Some(count)) if count > 0 && len > 0 => {
            Range::Part { start: len.saturating_sub(count), end: len }
        }
        ("", None, _, Some(_)) => Range::Unsatisfiable,
        (_, Some(first), "", None) if first < len => Range::Part { start: first, end: len },
        (_, Some(_), "", None) => Range::Unsatisfiable,
        (_, Some(first), _, Some(last)) if first > last => Range::Whole,
        (_, Some(first), _, Some(last)) if first < len => {
            Range::Part { start: first, end: last.saturating_add(1).min(len) }
        }
        (_, Some(_), _, Some(_)) => Range::Unsatisfiable,
        _ => Range::Whole,
    }
}

/// A number of digits alone: no sign, no space. One too large for a file is as good as the largest.
fn digits(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn etag(len: u64, modified: SystemTime) -> String {
    let stamp = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("\"{len:x}-{stamp:x}\"")
}

/// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time: SystemTime) -> String {
    // Times outside jiff's range (years -9999 to 9999) are no file's; the epoch stands in for them.
    let stamp = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defect::{self, Defects};
    use futures_util::StreamExt as _;

    const LEN: u64 = 1000;

    fn part(start: u64, end: u64) -> Range {
        Range::Part { start, end }
    }

    #[test]
    fn satisfiable_ranges() {
        for (header, expected) in [
            ("bytes=0-", part(0, 1000)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=999-", part(999, 1000)),
            ("bytes=100-199", part(100, 200)),
            ("bytes=100-5000", part(100, 1000)),
            ("bytes=100-99999999999999999999999", part(100, 1000)),
            ("bytes=-500", part(500, 1000)),
            ("bytes=-5000", part(0, 1000)),
            ("Bytes=5-6", part(5, 7)),
        ] {
            assert_eq!(parse_range(Some(header), LEN), expected, "{header}");
        }
    }

    #[test]
    fn unsatisfiable_ranges() {
        for header in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(parse_range(Some(header), LEN), Range::Unsatisfiable, "{header}");
        }
        assert_eq!(parse_range(Some("bytes=0-"), 0), Range::Unsatisfiable);
        assert_eq!(parse_range(Some("bytes=-1"), 0), Range::Unsatisfiable);
    }

    #[test]
    fn ignored_headers() {
        for header in
            ["bytes=5-4", "bytes=0-1,5-6", "bytes=-", "bytes=a-b", "bytes=+1-2", "bytes=1- 2", "items=0-1", "0-1"]
        {
            assert_eq!(parse_range(Some(header), LEN), Range::Whole, "{header}");
        }
        assert_eq!(parse_range(None, LEN), Range::Whole);
    }

    #[test]
    fn dates_are_as_http_writes_them() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    async fn get(headers: &[(header::HeaderName, &str)], bent: Bent) -> (Response, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("clip");
        std::fs::write(&path, vec![7; LEN as usize]).expect("a writable folder");
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect();
        (serve(&path, "video/mp4", &headers, bent).await.expect("a readable file"), folder)
    }

    #[tokio::test]
    async fn a_part_says_what_it_is_and_has_its_length() {
        let (response, _folder) = get(&[(header::RANGE, "bytes=-500")], Bent::default()).await;
        assert_eq!(response.status(), 206);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes 500-999/1000");
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "500");
        let body = axum::body::to_bytes(response.into_body(), 2000).await.expect("a whole body");
        assert_eq!(body.len(), 500);
    }

    #[tokio::test]
    async fn a_stale_if_range_gets_the_whole_file() {
        let asked = [(header::RANGE, "bytes=0-9"), (header::IF_RANGE, "\"another\"")];
        let (response, _folder) = get(&asked, Bent::default()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "1000");
    }

    #[tokio::test]
    async fn beyond_the_end_is_416_with_the_length() {
        let (response, _folder) = get(&[(header::RANGE, "bytes=1000-")], Bent::default()).await;
        assert_eq!(response.status(), 416);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */1000");
    }

    #[tokio::test]
    async fn a_cut_breaks_the_body() {
        let (response, _folder) = get(&[], Bent { cut: Some(100), ..Bent::default() }).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "1000");
        assert!(axum::body::to_bytes(response.into_body(), 2000).await.is_err());
    }

    /// Status, headers and the bytes that come within a while of what this defect makes of a file.
    async fn bent(defect: Option<&str>, asked: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clip = clips::named("h264.mp4").expect("a clip");
        let bent = Bent::by(&Defects::new(defect.map(|name| defect::named(name).expect("a defect")).into_iter()), clip);
        let path = folder.path().join("clip");
        let file: Vec<u8> = (0..600_000u32).map(|n| (n % 251) as u8 + 1).collect();
        std::fs::write(&path, file).expect("a writable folder");
        let asked = asked.map(|range| (header::RANGE, range.parse().expect("a header value")));
        let response = serve(&path, "video/mp4", &asked.into_iter().collect(), bent).await.expect("a readable file");
        let (head, body) = response.into_parts();
        let mut came = Vec::new();
        let mut body = body.into_data_stream();
        // What does not come for longer than a slow body's pause never comes.
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(Duration::from_secs(2), body.next()).await {
            came.extend_from_slice(&chunk);
        }
        (head.status, head.headers, came)
    }

    #[tokio::test]
    async fn each_defect_of_a_media_answer_is_on_the_wire() {
        let length = |headers: &HeaderMap| headers[header::CONTENT_LENGTH].to_str().expect("digits").to_owned();
        let (status, headers, whole) = bent(None, None).await;
        assert_eq!((status, whole.len(), length(&headers).as_str()), (StatusCode::OK, 600_000, "600000"));
        assert!(!headers.contains_key(header::CONTENT_ENCODING));

        let (_, headers, came) = bent(Some("media-truncated"), None).await;
        assert_eq!((came.len(), length(&headers).as_str()), (140_000, "140000"), "shorter, and says so");
        assert_eq!(bent(Some("media-truncated"), Some("bytes=140000-")).await.0, 416);
        let (_, _, came) = bent(Some("media-zeroed"), None).await;
        assert!(
            came[..300_000] == whole[..300_000] && came[300_000..].iter().all(|b| *b == 0) && came.len() == 600_000
        );
        let (_, headers, came) = bent(Some("media-hang"), None).await;
        assert_eq!((came.len(), length(&headers).as_str()), (300_000, "600000"));
        assert_eq!(bent(Some("video-truncated"), None).await.2.len(), 60_000);
        let (_, _, came) = bent(Some("media-noise"), None).await;
        assert!(came.len() == 600_000 && came != whole);
        let (_, headers, came) = bent(Some("media-gzip-lie"), None).await;
        assert!(headers[header::CONTENT_ENCODING] == "gzip" && came == whole);
        assert_eq!(bent(Some("media-wrong-type"), None).await.1[header::CONTENT_TYPE], "text/plain");

        let later = Some("bytes=1000-1999");
        let (status, headers, part) = bent(None, later).await;
        assert_eq!(
            (status, part.len(), &headers[header::CONTENT_RANGE]),
            (StatusCode::PARTIAL_CONTENT, 1000, &HeaderValue::from_static("bytes 1000-1999/600000"))
        );
        assert_eq!(bent(Some("media-416-later"), later).await.0, 416);
        assert_eq!(bent(Some("media-416-later"), Some("bytes=0-")).await.0, 206);
        let (status, headers, came) = bent(Some("media-no-content-range"), later).await;
        assert!(status == 206 && !headers.contains_key(header::CONTENT_RANGE) && came == part);
        let (_, headers, came) = bent(Some("media-wrong-range"), later).await;
        assert!(headers[header::CONTENT_RANGE] == "bytes 2000-2999/600000" && came == part);
        let (status, headers, came) = bent(Some("media-range-ignored"), later).await;
        assert!(status == 200 && came == whole && !headers.contains_key(header::ACCEPT_RANGES));
        assert_eq!(bent(None, Some("bytes=600000-")).await.0, 416);
        let (status, headers, came) = bent(Some("media-range-past-end"), Some("bytes=600000-")).await;
        assert!(status == 206 && headers[header::CONTENT_RANGE] == "bytes 600000-599999/600000" && came.is_empty());
        let (status, _, came) = bent(Some("media-empty-206"), later).await;
        assert!(status == 206 && came.is_empty());
        let tag = async || bent(Some("media-etag-changes"), None).await.1[header::ETAG].clone();
        assert_ne!(tag().await, tag().await);
    }

    #[tokio::test]
    async fn a_slow_answer_is_slower_than_the_clip() {
        let began = tokio::time::Instant::now();
        bent(Some("media-slow"), Some("bytes=0-131071")).await;
        assert!(began.elapsed() >= Duration::from_millis(1600), "128 KiB are 0.9 s of the clip");
    }

    #[test]
    fn a_defect_of_another_file_names_a_clip_there_is() {
        for name in ["audio-only", "fps-half", "media-hevc", "video-codec"] {
            let defects = Defects::new([defect::named(name).expect("a defect")].into_iter());
            let other = Bent::by(&defects, clips::named("h264.mp4").expect("a clip")).other.expect("another file");
            assert!(clips::named(other).is_some_and(|clip| clip.mime == "video/mp4"), "{name}: {other}");
        }
    }
}
