//! The video proxy: same-origin access to clips of the second origin, ranges passed through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::telemetry::Metrics;
use crate::{Result, Stage, telemetry, trace};

/// Marks an answer of the proxy.
const MARK: HeaderName = HeaderName::from_static("x-video-proxy");
/// Milliseconds from asking the upstream to its headers.
const FETCH_MS: HeaderName = HeaderName::from_static("x-video-proxy-fetch-ms");
/// What is passed from the upstream to the client.
const PASSED: [HeaderName; 5] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ETAG, header::LAST_MODIFIED];

/// The proxy's settings and its client.
pub struct Proxy {
    client: reqwest::Client,
    allowed: String,
    limit: u64,
}

impl Proxy {
    /// A proxy to this origin alone, for bodies up to `limit` bytes, which gives up on an upstream silent for `idle`, and
    /// fetches `through` another proxy if told.
    pub fn new(allowed: &str, limit: u64, idle: Duration, through: Option<&str>) -> Result<Self> {
        // reqwest asks for a TLS provider even though only plain http is ever fetched. A second install is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder();
        let client = match through {
            Some(url) => client.proxy(reqwest::Proxy::http(url).map_err(|e| format!("--fetch-through {url}: {e}"))?),
            None => client.no_proxy(),
        };
        let client = client
            // A redirect could lead out of the allow-list.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(idle)
            .build()
            .map_err(|e| format!("cannot make an http client: {e}"))?;
        Ok(Self { client, allowed: allowed.to_owned(), limit })
    }
}

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new().route("/api/video-proxy", get(proxy))
}

/// What the page asks for. The ids serve telemetry alone: a video element cannot send headers of its own.
#[derive(Deserialize)]
struct Asked {
    url: String,
    session: Option<String>,
    room: Option<String>,
}

async fn proxy(State(stage): State<Arc<Stage>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let started = Instant::now();
    let mut response = match allowed_url(&asked.url, &stage.proxy.allowed) {
        Some(url) => fetch(&stage.proxy, &stage.metrics, url, &headers).await,
        None => (StatusCode::BAD_REQUEST, "URL not allowed\n").into_response(),
    };
    let fetch_ms = started.elapsed().as_millis() as u64;
    response.headers_mut().insert(MARK, HeaderValue::from_static("1"));
    response.headers_mut().insert(FETCH_MS, fetch_ms.into());
    stage.metrics.proxied(response.status());
    report(&stage, &asked, &headers, &response, fetch_ms);
    response
}

async fn fetch(proxy: &Proxy, metrics: &Arc<Metrics>, url: Url, asked: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    let call = trace::Call::begin(&url, asked, &mut headers);
    let mut request = proxy.client.get(url).headers(headers);
    for name in [header::RANGE, header::IF_RANGE] {
        if let Some(value) = asked.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await;
    call.end(answer.as_ref().map(reqwest::Response::status).map_err(ToString::to_string));
    let upstream = match answer {
        Ok(upstream) => upstream,
        Err(e) => return (StatusCode::BAD_GATEWAY, format!("Upstream failed: {e}\n")).into_response(),
    };
    let status = upstream.status();
    // The client asked for a range the file does not have; that is between the two of them.
    let fits = status == 200 || (status == 206 && upstream.headers().contains_key(header::CONTENT_RANGE));
    if !fits && status != 416 {
        return (StatusCode::BAD_GATEWAY, format!("Upstream answered {status}\n")).into_response();
    }
    let mime = upstream.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if fits && !(mime.starts_with("video/") || mime.starts_with("audio/")) {
        return (StatusCode::FORBIDDEN, "Upstream is neither video nor audio\n").into_response();
    }
    if upstream.content_length().is_some_and(|length| length > proxy.limit) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "Upstream body is too large\n").into_response();
    }
    let mut headers = HeaderMap::new();
    for name in PASSED {
        if let Some(value) = upstream.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // An error of the upstream's body becomes one of ours, and the server breaks the connection: a body that merely
    // ended would look whole to a client that does not count, and one left open would hang it.
    let metrics = metrics.clone();
    let body = upstream.bytes_stream().inspect_err(move |e| {
        let reason = if e.is_timeout() { telemetry::IDLE_TIMEOUT } else { telemetry::UPSTREAM_CUT };
        metrics.aborted(reason);
        tracing::warn!(reason, path = "/api/video-proxy", "video_proxy_abort");
    });
    (status, headers, Body::from_stream(body)).into_response()
}

/// The URL if the proxy may fetch it: a clip of the second origin, written the one plain way. Anything a parser and a
/// resolver might read differently (decimal addresses, user names, other ports, dots in the path) is refused.
fn allowed_url(text: &str, allowed: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.as_str() == text && url.origin().ascii_serialization() == allowed && text.starts_with(allowed);
    let no_extras = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (plain && url.scheme() == "http" && no_extras).then_some(url)
}

/// Tells telemetry and the log of an answer's headers; its body may go on for long.
fn report(stage: &Stage, asked: &Asked, request: &HeaderMap, response: &Response, fetch_ms: u64) {
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let range = request.get(header::RANGE).and_then(|value| value.to_str().ok());
    let status = response.status().as_u16();
    tracing::info!(status, fetch_ms, range, content_range = header(header::CONTENT_RANGE), "video_proxy_response");
    let mut event = json!({
        "status": status, "fetch_ms": fetch_ms, "content_type": header(header::CONTENT_TYPE),
        "is_range": range.is_some(), "is_cache_hit": false, "redirects": 0,
    });
    if stage.mode == telemetry::Mode::Full {
        event["range"] = json!(range);
        event["content_range"] = json!(header(header::CONTENT_RANGE));
        event["content_length"] = json!(header(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()));
        event["media_url_hash"] = json!(telemetry::url_hash(&asked.url));
        event["session_id"] = json!(asked.session);
        event["room_id"] = json!(asked.room);
        event["user_id"] = json!(stage.users.of(request).map(|user| user.user_id));
        let agent = request.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
        event["browser"] = json!(telemetry::browser_of(agent));
        event["platform"] = json!(telemetry::platform_of(agent));
    }
    telemetry::server_event(stage, "video_proxy_response", event);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &str = "http://127.0.0.1:4001";

    #[test]
    fn clips_of_the_second_origin_are_allowed() {
        for path in ["/media/h264.mp4", "/nocors/vp9.webm", "/not-media.txt", "/media/h264.mp4?v=1"] {
            assert!(allowed_url(&format!("{ALLOWED}{path}"), ALLOWED).is_some(), "{path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "http://127.0.0.1:4002/media/h264.mp4",
            "http://127.0.0.1/media/h264.mp4",
            "http://127.0.0.1:40011/media/h264.mp4",
            "https://127.0.0.1:4001/media/h264.mp4",
            "http://2130706433:4001/media/h264.mp4",
            "http://0x7f.1:4001/media/h264.mp4",
            "http://localhost:4001/media/h264.mp4",
            "http://[::1]:4001/media/h264.mp4",
            "http://user@127.0.0.1:4001/media/h264.mp4",
            "http://127.0.0.1:4001@example.org/media/h264.mp4",
            "http://127.0.0.1:4001/media/../api/user",
            "http://127.0.0.1:4001/media/h264.mp4#t=1",
            "http:\\\\127.0.0.1:4001/media/h264.mp4",
            "file:///etc/passwd",
            "/media/h264.mp4",
            "",
        ] {
            assert_eq!(allowed_url(url, ALLOWED), None, "{url}");
        }
    }

    /// An upstream that answers every request the same way, by the letter, and then says nothing for so long.
    async fn upstream(answer: &'static str, silent: Duration) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                tokio::time::sleep(silent).await;
            }
        });
        format!("http://{address}")
    }

    async fn answer_to(upstream_answer: &'static str) -> Response {
        answer_after(upstream_answer, Duration::ZERO, &Arc::default()).await
    }

    async fn answer_after(upstream_answer: &'static str, silent: Duration, metrics: &Arc<Metrics>) -> Response {
        let origin = upstream(upstream_answer, silent).await;
        let proxy = Proxy::new(&origin, 1000, Duration::from_millis(200), None).expect("a client");
        let url = allowed_url(&format!("{origin}/media/x"), &origin).expect("its own origin");
        fetch(&proxy, metrics, url, &HeaderMap::new()).await
    }

    #[tokio::test]
    async fn the_upstream_decides_the_status() {
        for (said, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 2\r\n\r\nok", 200),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno", 403),
            ("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1001\r\n\r\n", 413),
            ("HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nContent-Length: 2\r\n\r\nno", 502),
            ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 502),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 502),
            ("this is not http", 502),
        ] {
            assert_eq!(answer_to(said).await.status(), expected, "{said}");
        }
    }

    #[tokio::test]
    async fn a_body_cut_short_upstream_breaks_ours() {
        let response = answer_to("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 9\r\n\r\nshort").await;
        assert_eq!(response.status(), 200);
        assert!(axum::body::to_bytes(response.into_body(), 100).await.is_err());
    }

    #[tokio::test]
    async fn what_broke_off_is_counted_by_its_reason() {
        let short = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 9\r\n\r\nshort";
        let metrics = Arc::default();
        for silent in [Duration::ZERO, Duration::from_secs(60)] {
            let response = answer_after(short, silent, &metrics).await;
            assert!(axum::body::to_bytes(response.into_body(), 100).await.is_err());
        }
        for reason in [telemetry::IDLE_TIMEOUT, telemetry::UPSTREAM_CUT] {
            let line = format!("stage_video_proxy_aborts_total{{reason=\"{reason}\"}} 1\n");
            assert!(metrics.text().contains(&line), "{}", metrics.text());
        }
    }
}
