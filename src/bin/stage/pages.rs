//! Pages, their scripts, the config, health.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::{Stage, clips, stuck};

/// What the pages load: name, MIME type, content.
const ASSETS: &[(&str, &str, &str)] = &[
    ("style.css", "text/css", include_str!("web/style.css")),
    ("presets.js", "text/javascript", include_str!("web/presets.js")),
    ("telemetry.js", "text/javascript", include_str!("web/telemetry.js")),
    ("sound.js", "text/javascript", include_str!("web/sound.js")),
    ("video.js", "text/javascript", include_str!("web/video.js")),
    ("defects.js", "text/javascript", include_str!("web/defects.js")),
    ("player.js", "text/javascript", include_str!("web/player.js")),
    ("reconnect.js", "text/javascript", include_str!("web/reconnect.js")),
    ("watch.js", "text/javascript", include_str!("web/watch.js")),
    ("login.js", "text/javascript", include_str!("web/login.js")),
    ("link.js", "text/javascript", include_str!("web/link.js")),
    ("room.js", "text/javascript", include_str!("web/room.js")),
];
const PLAYER: &str = include_str!("web/player.html");
const WATCH: &str = include_str!("web/watch.html");
const LOGIN: &str = include_str!("web/login.html");
const ROOM: &str = include_str!("web/room.html");
/// The line of the player page that the defect `no-start-button` leaves out.
const START_BUTTON: &str = r#"<button name="start" type="button" class="strong">Start audio</button>"#;

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/player") }))
        .route("/player", get(player))
        .route("/watch", get(watch))
        .route("/login", get(login))
        .route("/room", get(room))
        .route("/assets/{name}", get(asset))
        .route("/hydra-synth.js", get(hydra))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/healthz", get(health))
        .route("/api/private", get(|| async { stuck::challenge() }))
        .route("/api/config", get(api_config))
        .route("/api/clips", get(|| async { Json(clips::describe()) }))
}

async fn player(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    if let Some(answer) = stuck::player(&stage.defects).await {
        return answer;
    }
    if stage.defects.on("page-500") {
        return (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error\n").into_response();
    }
    let mut html = with_config(PLAYER, &stage, &headers);
    if stage.defects.on("no-start-button") {
        html = html.replace(START_BUTTON, "");
    }
    page(html)
}

async fn watch(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    page(with_config(WATCH, &stage, &headers))
}

async fn login(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    page(with_config(LOGIN, &stage, &headers))
}

async fn room(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    page(with_config(ROOM, &stage, &headers))
}

fn page(html: String) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(asset, ..)| *asset == name) {
        Some((_, mime, text)) => {
            ([(header::CONTENT_TYPE, *mime), (header::CACHE_CONTROL, "no-cache")], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn hydra(State(stage): State<Arc<Stage>>) -> Response {
    if stage.defects.on("script-silent") {
        std::future::pending::<()>().await;
    }
    match tokio::fs::read(&stage.hydra).await {
        Ok(script) => {
            ([(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "no-cache")], script).into_response()
        }
        Err(e) => {
            tracing::error!("{}: {e}", stage.hydra.display());
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error\n").into_response()
        }
    }
}

/// The stage listens only once its clips exist, so an answer at all is good news.
async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

async fn api_config(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Json<Value> {
    Json(config(&stage, &headers))
}

fn config(stage: &Stage, headers: &HeaderMap) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "telemetry": stage.mode,
        "defects": stage.defects.names(),
        "second_origin": stage.second,
        "video_proxy": "/api/video-proxy",
        "user": stage.users.of(headers),
        "token_life_ms": stage.users.life.as_millis() as u64,
    })
}

/// A page with the config in it: the visualizer starts without waiting for another request.
fn with_config(page: &str, stage: &Stage, headers: &HeaderMap) -> String {
    // A `<` could end the script element that holds the JSON.
    let json = config(stage, headers).to_string().replace('<', "\\u003c");
    page.replace("{{config}}", &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_hold_what_is_replaced_in_them() {
        assert_eq!(PLAYER.matches(START_BUTTON).count(), 1);
        assert_eq!(PLAYER.matches("{{config}}").count(), 1);
        assert_eq!(WATCH.matches("{{config}}").count(), 1);
        assert_eq!(LOGIN.matches("{{config}}").count(), 1);
        assert_eq!(ROOM.matches("{{config}}").count(), 1);
    }

    #[test]
    fn every_script_and_style_of_the_pages_is_served() {
        for part in [PLAYER, WATCH, LOGIN, ROOM].iter().flat_map(|page| page.split("/assets/").skip(1)) {
            let name = part.split('"').next().unwrap_or("");
            assert!(ASSETS.iter().any(|(asset, ..)| *asset == name), "{name}");
        }
    }
}
