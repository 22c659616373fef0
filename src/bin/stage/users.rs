//! Accounts: two seeded users, salted hashes, a session cookie.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Result, Stage};

/// Name of the session cookie.
const COOKIE: &str = "stage_token";
/// The users of a fresh stage.
const SEED: [(&str, &str); 2] = [("listener", "listener-pass"), ("admin", "admin-pass")];

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Stable id, as telemetry carries it.
    pub user_id: String,
    /// Name to show.
    pub username: String,
}

/// Accounts and sessions, in memory: a stage starts the same every time.
pub struct Users(Mutex<Connection>);

impl Users {
    /// Opens the database and seeds it.
    pub fn open() -> Result<Self> {
        Self::seeded().map_err(|e| format!("cannot open the accounts database: {e}"))
    }

    fn seeded() -> rusqlite::Result<Self> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(
            "CREATE TABLE user (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, salt TEXT NOT NULL, hash TEXT NOT NULL);
             CREATE TABLE session (token_hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES user (id));",
        )?;
        for (number, (name, password)) in SEED.iter().enumerate() {
            let salt = random_hex();
            let hash = password_hash(&salt, password);
            let id = format!("u{}", number + 1);
            db.execute("INSERT INTO user VALUES (?, ?, ?, ?)", params![id, name, salt, hash])?;
        }
        Ok(Self(Mutex::new(db)))
    }

    /// Opens a session and gives its token, if name and password fit.
    fn log_in(&self, username: &str, password: &str) -> rusqlite::Result<Option<(String, User)>> {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Option<(String, String, String)> = db
            .query_row("SELECT id, salt, hash FROM user WHERE name = ?", [username], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((user_id, salt, hash)) = found else { return Ok(None) };
        if password_hash(&salt, password) != hash {
            return Ok(None);
        }
        let token = random_hex();
        // Only the token's hash is kept: who reads the database cannot take over a session.
        db.execute("INSERT INTO session VALUES (?, ?)", params![token_hash(&token), user_id])?;
        Ok(Some((token, User { user_id, username: username.to_owned() })))
    }

    fn log_out(&self, token: &str) -> rusqlite::Result<()> {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        db.execute("DELETE FROM session WHERE token_hash = ?", [token_hash(token)]).map(drop)
    }

    /// Who sent this request; `None` is a guest.
    pub fn of(&self, headers: &HeaderMap) -> Option<User> {
        let token = token_of(headers)?;
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        db.query_row(
            "SELECT user.id, user.name FROM session JOIN user ON user.id = session.user WHERE token_hash = ?",
            [token_hash(token)],
            |row| Ok(User { user_id: row.get(0)?, username: row.get(1)? }),
        )
        .optional()
        .unwrap_or_else(|e| {
            tracing::error!("accounts database: {e}");
            None
        })
    }
}

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new()
        .route("/api/login", post(log_in))
        .route("/api/logout", post(log_out))
        .route("/api/user", get(who_am_i))
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

async fn log_in(State(stage): State<Arc<Stage>>, Json(credentials): Json<Credentials>) -> Response {
    if stage.defects.on("login-broken") {
        return (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").into_response();
    }
    match stage.users.log_in(&credentials.username, &credentials.password) {
        Ok(Some((token, user))) => {
            let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/");
            ([(header::SET_COOKIE, cookie)], Json(user)).into_response()
        }
        Ok(None) => (StatusCode::UNAUTHORIZED, "Incorrect name or password").into_response(),
        Err(e) => {
            tracing::error!("accounts database: {e}");
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").into_response()
        }
    }
}

async fn log_out(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    if let Some(Err(e)) = token_of(&headers).map(|token| stage.users.log_out(token)) {
        tracing::error!("accounts database: {e}");
    }
    let expired = format!("{COOKIE}=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, expired)]).into_response()
}

async fn who_am_i(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    match stage.users.of(&headers) {
        Some(user) => Json(user).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({"user_id": null}))).into_response(),
    }
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

fn password_hash(salt: &str, password: &str) -> String {
    hex(&Sha256::new().chain_update(salt.as_bytes()).chain_update(password.as_bytes()).finalize())
}

fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// 128 random bits as hex digits.
pub fn random_hex() -> String {
    let mut bytes = [0; 16];
    // Fails only on a system without any source of randomness, where no session can be opened safely.
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    hex(&bytes)
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(value: &str) -> HeaderMap {
        [(header::COOKIE, value.parse().expect("a header value"))].into_iter().collect()
    }

    #[test]
    fn a_session_lasts_from_login_to_logout() {
        let users = Users::open().expect("an in-memory database");
        let (token, user) = users.log_in("listener", "listener-pass").expect("database").expect("right password");
        let headers = cookie(&format!("theme=dark; {COOKIE}={token}"));
        assert_eq!(users.of(&headers), Some(user));
        users.log_out(&token).expect("database");
        assert_eq!(users.of(&headers), None);
    }

    #[test]
    fn wrong_names_and_passwords_are_refused() {
        let users = Users::open().expect("an in-memory database");
        for (name, password) in [("listener", "admin-pass"), ("nobody", "listener-pass"), ("listener", "")] {
            assert_eq!(users.log_in(name, password).expect("database"), None);
        }
        assert_eq!(users.of(&cookie("stage_token=made-up")), None);
        assert_eq!(users.of(&HeaderMap::new()), None);
    }

    #[test]
    fn the_salt_matters() {
        assert_ne!(password_hash("a", "secret"), password_hash("b", "secret"));
        assert_eq!(password_hash("a", "secret").len(), 64);
    }
}
