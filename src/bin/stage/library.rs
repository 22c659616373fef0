//! The library: the songs a room may play, and the search among them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Stage, users};

/// How long the server took, as a browser's developer tools show it too.
const TIMING: HeaderName = HeaderName::from_static("server-timing");
/// How long `library-slow` takes.
const SLOW: Duration = Duration::from_millis(1000);

/// A song.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Song {
    /// Stable id, as commands carry it.
    pub song_id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Who plays it.
    pub artist: &'static str,
}

macro_rules! songs {
    ($($id:literal: $title:literal, $artist:literal;)*) => {
        &[$(Song { song_id: $id, title: $title, artist: $artist }),*]
    };
}

/// Every song, in the order of the list.
#[rustfmt::skip]
pub const SONGS: &[Song] = songs! {
    "s1": "Low Tide", "The Harbour Lights";
    "s2": "Paper Boats", "The Harbour Lights";
    "s3": "North of Noon", "Ada Quill";
    "s4": "Glass Orchard", "Ada Quill";
    "s5": "Slow Machines", "Second Floor";
    "s6": "Stairwell", "Second Floor";
    "s7": "The Long Fuse", "Tin Weather";
    "s8": "Rain on Copper", "Tin Weather";
    "s9": "Half a Lantern", "Mira & the Moths";
    "s10": "Window Seat", "Mira & the Moths";
    "s11": "Ferry at Four", "Osprey";
    "s12": "Salt Letters", "Osprey";
};

/// The song of this id.
pub fn song(id: &str) -> Option<&'static Song> {
    SONGS.iter().find(|song| song.song_id == id)
}

/// The songs whose title or artist holds these words, in any case.
fn search(words: &str) -> impl Iterator<Item = &'static Song> {
    let words = words.trim().to_lowercase();
    SONGS.iter().filter(move |song| format!("{} {}", song.title, song.artist).to_lowercase().contains(&words))
}

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new().route("/api/library", get(browse))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

async fn browse(State(stage): State<Arc<Stage>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let began = Instant::now();
    if stage.users.of(&headers).is_none() {
        return users::nobody();
    }
    if stage.defects.on("library-slow") {
        tokio::time::sleep(SLOW).await;
    }
    let songs: Vec<&Song> = search(&asked.q).collect();
    let took = format!("total;dur={:.3}", began.elapsed().as_secs_f64() * 1000.0);
    ([(TIMING, took)], Json(json!({ "songs": songs }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_looks_at_title_and_artist_in_any_case() {
        let found = |words| search(words).map(|song| song.song_id).collect::<Vec<_>>();
        assert_eq!(found("PAPER"), ["s2"]);
        assert_eq!(found(" osprey "), ["s11", "s12"]);
        assert_eq!(found("").len(), SONGS.len());
        assert_eq!(found("no such song"), [""; 0]);
    }

    #[test]
    fn ids_are_unique() {
        let ids: std::collections::BTreeSet<&str> = SONGS.iter().map(|song| song.song_id).collect();
        assert_eq!(ids.len(), SONGS.len());
        assert_eq!(song("s2").map(|song| song.title), Some("Paper Boats"));
        assert!(song("s99").is_none());
    }
}
