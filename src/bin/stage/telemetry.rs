//! The app's own events and counters.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Stage, users};

/// Events kept; the oldest go first.
const KEPT: usize = 10_000;
/// Events a batch may hold.
const BATCH: usize = 256;

/// Events that a batch may hold under `telemetry-batch-lost`: fewer than the page sends at once.
const SMALL_BATCH: usize = 2;

/// Why the video proxy broke off within a body: the upstream said nothing for too long.
pub const IDLE_TIMEOUT: &str = "idle_timeout";
/// Why it did: the upstream broke off.
pub const UPSTREAM_CUT: &str = "upstream_cut";

/// How much the app tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every event with every id
    Full,
    /// As a public app of this kind does: fewer fields, rate limits, events that never come
    Poor,
    /// Nothing
    Off,
}

/// The last events, of the page and of the server.
#[derive(Default)]
pub struct Store(Mutex<VecDeque<Value>>);

impl Store {
    fn add(&self, event: Value) {
        let mut events = lock(&self.0);
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(event);
    }
}

/// Counters of `/metrics`.
pub struct Metrics {
    requests: Mutex<BTreeMap<u16, u64>>,
    proxied: Mutex<BTreeMap<u16, u64>>,
    aborted: Mutex<BTreeMap<&'static str, u64>>,
    evals: Mutex<BTreeMap<&'static str, u64>>,
}

/// What somebody waits for begins at nought: of a counter that is not there yet, nobody sees the first increase.
impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            proxied: Mutex::new([(StatusCode::PAYLOAD_TOO_LARGE.as_u16(), 0)].into()),
            aborted: Mutex::new([(IDLE_TIMEOUT, 0), (UPSTREAM_CUT, 0)].into()),
            evals: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Counts a body that the video proxy broke off.
    pub fn aborted(&self, reason: &'static str) {
        *lock(&self.aborted).entry(reason).or_default() += 1;
    }

    /// Counts an answer of the video proxy.
    pub fn proxied(&self, status: StatusCode) {
        *lock(&self.proxied).entry(status.as_u16()).or_default() += 1;
    }

    fn page_event(&self, name: &str) {
        let result = match name {
            "hydra_preset_eval_success" => "success",
            "hydra_preset_eval_error" => "error",
            _ => return,
        };
        *lock(&self.evals).entry(result).or_default() += 1;
    }

    /// All of them, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        family(&mut text, "stage_http_requests_total", "Requests by status.", "status", &lock(&self.requests));
        family(&mut text, "stage_video_proxy_responses_total", "Video proxy answers.", "status", &lock(&self.proxied));
        family(
            &mut text,
            "stage_video_proxy_aborts_total",
            "Video proxy bodies broken off.",
            "reason",
            &lock(&self.aborted),
        );
        family(&mut text, "stage_preset_evals_total", "Presets evaluated in pages.", "result", &lock(&self.evals));
        text
    }
}

fn family<K: std::fmt::Display>(text: &mut String, name: &str, help: &str, label: &str, counts: &BTreeMap<K, u64>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for (key, count) in counts {
        let _ = writeln!(text, "{name}{{{label}=\"{key}\"}} {count}");
    }
}

/// A lock that outlives a panic elsewhere: the maps are whole after every single operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new().route("/api/telemetry", post(take).get(recent)).route("/metrics", get(metrics))
}

/// Middleware: counts every answer of the first origin.
pub async fn count(State(stage): State<Arc<Stage>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    *lock(&stage.metrics.requests).entry(response.status().as_u16()).or_default() += 1;
    response
}

async fn take(State(stage): State<Arc<Stage>>, headers: HeaderMap, body: String) -> Response {
    // A string and not Json: sendBeacon posts text/plain.
    let Ok(mut batch) = serde_json::from_str::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "Not JSON\n").into_response();
    };
    let Some(Value::Array(events)) = batch.get_mut("events").map(Value::take) else {
        return (StatusCode::BAD_REQUEST, "No events\n").into_response();
    };
    let most = if stage.defects.on("telemetry-batch-lost") { SMALL_BATCH } else { BATCH };
    if events.len() > most {
        return (StatusCode::BAD_REQUEST, format!("Batch too large (max {most} events)\n")).into_response();
    }
    let user = stage.users.of(&headers);
    let mut accepted = 0;
    for mut event in events.into_iter().filter(Value::is_object) {
        stage.metrics.page_event(event["event"].as_str().unwrap_or(""));
        if let Some(user) = &user {
            // The page may claim to be anybody; the cookie knows.
            event["user_id"] = json!(user.user_id);
        }
        stage.store.add(event);
        accepted += 1;
    }
    Json(json!({"accepted": accepted})).into_response()
}

async fn recent(State(stage): State<Arc<Stage>>) -> Json<Value> {
    let events: Vec<Value> = lock(&stage.store.0).iter().cloned().collect();
    Json(json!({"events": events}))
}

async fn metrics(State(stage): State<Arc<Stage>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], stage.metrics.text()).into_response()
}

/// Records an event the server itself emits.
pub fn server_event(stage: &Stage, name: &str, fields: Value) {
    /// In poor mode all of a server's events share one session: that of its start.
    static BOOT: LazyLock<String> = LazyLock::new(users::random_hex);
    if stage.mode == Mode::Off {
        return;
    }
    let mut event = json!({
        "v": 1, "event": name, "source": "server", "timestamp": format!("{:.3}", jiff::Timestamp::now()),
        "session_id": *BOOT,
    });
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        // A session the page did not name stays the server's own.
        event.extend(fields.into_iter().filter(|(key, value)| !(key == "session_id" && value.is_null())));
    }
    stage.store.add(event);
}

/// What telemetry calls a URL: the first 16 hex digits of its SHA-256. The page computes the same.
pub fn url_hash(url: &str) -> String {
    users::hex(&Sha256::digest(url.as_bytes()))[..16].to_owned()
}

/// The browser's family, from its user agent string.
pub fn browser_of(agent: &str) -> &'static str {
    match agent {
        _ if agent.contains("Firefox/") => "firefox",
        _ if agent.contains("Chrome/") => "chromium",
        _ => "other",
    }
}

/// The platform, from the user agent string.
pub fn platform_of(agent: &str) -> &'static str {
    match agent {
        _ if agent.contains("Android") => "android",
        _ if agent.contains("Linux") => "linux",
        _ if agent.contains("Mac OS") => "mac",
        _ if agent.contains("Windows") => "windows",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_hashes_are_sha256_prefixes() {
        assert_eq!(url_hash("abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn metrics_are_prometheus_text() {
        let metrics = Metrics::default();
        metrics.proxied(StatusCode::PARTIAL_CONTENT);
        metrics.proxied(StatusCode::PARTIAL_CONTENT);
        metrics.page_event("hydra_preset_eval_error");
        metrics.page_event("something_else");
        let text = metrics.text();
        assert!(text.contains("stage_video_proxy_responses_total{status=\"206\"} 2\n"), "{text}");
        assert!(text.contains("stage_preset_evals_total{result=\"error\"} 1\n"), "{text}");
        assert!(text.contains("stage_video_proxy_aborts_total{reason=\"idle_timeout\"} 0\n"), "{text}");
        assert!(text.contains("stage_video_proxy_responses_total{status=\"413\"} 0\n"), "{text}");
        assert_eq!(text.matches("# TYPE").count(), 4);
    }

    #[test]
    fn the_store_forgets_the_oldest() {
        let store = Store::default();
        for number in 0..=KEPT {
            store.add(json!(number));
        }
        let events = lock(&store.0);
        assert_eq!((events.len(), &events[0]), (KEPT, &json!(1)));
    }
}
