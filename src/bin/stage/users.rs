//! Accounts: two seeded users with salted hashes, guests, and sessions that end unless they are renewed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Result, Stage, room};

/// Name of the session cookie.
const COOKIE: &str = "stage_token";
/// The users of a fresh stage.
const SEED: [(&str, &str, Role); 2] =
    [("listener", "listener-pass", Role::Standard), ("admin", "admin-pass", Role::Admin)];
/// Letters a guest's name may have.
const NAME: std::ops::RangeInclusive<usize> = 1..=40;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whatever there is.
    Admin,
    /// Everything in a room.
    Standard,
    /// In a room, what is theirs.
    Guest,
}

impl Role {
    const ALL: [(&'static str, Role); 3] =
        [("admin", Role::Admin), ("standard", Role::Standard), ("guest", Role::Guest)];

    /// As the database has it.
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, role)| *role == self).map_or("guest", |(name, _)| name)
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, role)| *role).ok_or(FromSqlError::InvalidType)
    }
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Stable id, as telemetry carries it.
    pub user_id: String,
    /// Name to show.
    pub username: String,
    /// What they may do.
    pub role: Role,
}

/// Accounts and sessions, in memory: a stage starts the same every time.
pub struct Users {
    db: Mutex<Connection>,
    /// How long a session lasts that is not renewed.
    pub life: Duration,
}

impl Users {
    /// Opens the database and seeds it. A session lasts for `life` unless it is renewed.
    pub fn open(life: Duration) -> Result<Self> {
        let db = Self::seeded().map_err(|e| format!("cannot open the accounts database: {e}"))?;
        Ok(Self { db: Mutex::new(db), life })
    }

    fn seeded() -> rusqlite::Result<Connection> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(
            "CREATE TABLE user (id TEXT PRIMARY KEY, name TEXT NOT NULL, salt TEXT, hash TEXT, role TEXT NOT NULL);
             CREATE UNIQUE INDEX account ON user (name) WHERE role <> 'guest';
             CREATE TABLE session (token_hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES user (id),
                                   ends INTEGER NOT NULL);",
        )?;
        for (number, (name, password, role)) in SEED.iter().enumerate() {
            let salt = random_hex();
            let hash = password_hash(&salt, password);
            let id = format!("u{}", number + 1);
            db.execute("INSERT INTO user VALUES (?, ?, ?, ?, ?)", params![id, name, salt, hash, role.name()])?;
        }
        Ok(db)
    }

    fn db(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a session ends that begins now, or is renewed.
    fn ends(&self) -> i64 {
        now().saturating_add(i64::try_from(self.life.as_millis()).unwrap_or(i64::MAX))
    }

    /// Opens a session and gives its token, if name and password fit.
    fn log_in(&self, username: &str, password: &str) -> rusqlite::Result<Option<(String, User)>> {
        let db = self.db();
        let found: Option<(String, String, String, Role)> = db
            .query_row("SELECT id, salt, hash, role FROM user WHERE name = ? AND role <> 'guest'", [username], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((user_id, salt, hash, role)) = found else { return Ok(None) };
        if password_hash(&salt, password) != hash {
            return Ok(None);
        }
        let token = self.session(&db, &user_id)?;
        Ok(Some((token, User { user_id, username: username.to_owned(), role })))
    }

    /// Makes a guest of this name and opens a session for them. A name may be several guests'.
    pub fn join(&self, name: &str) -> rusqlite::Result<(String, User)> {
        let db = self.db();
        let user_id = format!("g{}", &random_hex()[..8]);
        let role = Role::Guest;
        db.execute("INSERT INTO user VALUES (?, ?, NULL, NULL, ?)", params![user_id, name, role.name()])?;
        let token = self.session(&db, &user_id)?;
        Ok((token, User { user_id, username: name.to_owned(), role }))
    }

    fn session(&self, db: &Connection, user: &str) -> rusqlite::Result<String> {
        let token = random_hex();
        // Only the token's hash is kept: who reads the database cannot take over a session.
        db.execute("INSERT INTO session VALUES (?, ?, ?)", params![token_hash(&token), user, self.ends()])?;
        Ok(token)
    }

    /// Renews a session that has not ended yet. Its token stays: requests under way still carry it.
    fn renew(&self, token: &str) -> rusqlite::Result<bool> {
        let renewed = params![self.ends(), token_hash(token), now()];
        Ok(self.db().execute("UPDATE session SET ends = ? WHERE token_hash = ? AND ends > ?", renewed)? > 0)
    }

    fn log_out(&self, token: &str) -> rusqlite::Result<()> {
        self.db().execute("DELETE FROM session WHERE token_hash = ?", [token_hash(token)]).map(drop)
    }

    /// Who sent this request; `None` is nobody the stage knows.
    pub fn of(&self, headers: &HeaderMap) -> Option<User> {
        let token = token_of(headers)?;
        self.db()
            .query_row(
                "SELECT user.id, user.name, user.role FROM session JOIN user ON user.id = session.user
                 WHERE token_hash = ? AND ends > ?",
                params![token_hash(token), now()],
                |row| Ok(User { user_id: row.get(0)?, username: row.get(1)?, role: row.get(2)? }),
            )
            .optional()
            .unwrap_or_else(|e| {
                tracing::error!("accounts database: {e}");
                None
            })
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Routes of this module.
pub fn routes() -> Router<Arc<Stage>> {
    Router::new()
        .route("/api/login", post(log_in))
        .route("/api/guest/join", post(join))
        .route("/api/refresh", post(refresh))
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
        return broken();
    }
    match stage.users.log_in(&credentials.username, &credentials.password) {
        Ok(Some((token, user))) => ([(header::SET_COOKIE, cookie(&token))], Json(user)).into_response(),
        Ok(None) => (StatusCode::UNAUTHORIZED, "Incorrect name or password").into_response(),
        Err(e) => failed(&e),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Guest {
    room_id: String,
    guest_name: String,
}

async fn join(State(stage): State<Arc<Stage>>, Json(guest): Json<Guest>) -> Response {
    if stage.defects.on("join-broken") {
        return broken();
    }
    let name = guest.guest_name.trim();
    if !room::is_room(&guest.room_id) {
        return room::none();
    }
    if !NAME.contains(&name.chars().count()) {
        return (StatusCode::BAD_REQUEST, "A guest needs a name of up to 40 letters").into_response();
    }
    match stage.users.join(name) {
        Ok((token, user)) => ([(header::SET_COOKIE, cookie(&token))], Json(user)).into_response(),
        Err(e) => failed(&e),
    }
}

async fn refresh(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    if stage.defects.on("refresh-broken") {
        return broken();
    }
    match token_of(&headers).map(|token| stage.users.renew(token)) {
        Some(Ok(true)) => Json(json!({ "life_ms": stage.users.life.as_millis() as u64 })).into_response(),
        Some(Err(e)) => failed(&e),
        Some(Ok(false)) | None => nobody(),
    }
}

fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/")
}

/// The answer to who is not logged in, or no longer.
pub fn nobody() -> Response {
    (StatusCode::UNAUTHORIZED, "Not logged in").into_response()
}

/// The answer where something of the stage's own went wrong.
pub fn broken() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").into_response()
}

fn failed(e: &rusqlite::Error) -> Response {
    tracing::error!("accounts database: {e}");
    broken()
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

    const LIFE: Duration = Duration::from_secs(60);

    fn headers(value: &str) -> HeaderMap {
        [(header::COOKIE, value.parse().expect("a header value"))].into_iter().collect()
    }

    #[test]
    fn a_session_lasts_from_login_to_logout() {
        let users = Users::open(LIFE).expect("an in-memory database");
        let (token, user) = users.log_in("listener", "listener-pass").expect("database").expect("right password");
        let headers = headers(&format!("theme=dark; {COOKIE}={token}"));
        assert_eq!(users.of(&headers), Some(user));
        users.log_out(&token).expect("database");
        assert_eq!(users.of(&headers), None);
    }

    #[test]
    fn wrong_names_and_passwords_are_refused() {
        let users = Users::open(LIFE).expect("an in-memory database");
        for (name, password) in [("listener", "admin-pass"), ("nobody", "listener-pass"), ("listener", "")] {
            assert_eq!(users.log_in(name, password).expect("database"), None);
        }
        assert_eq!(users.of(&headers("stage_token=made-up")), None);
        assert_eq!(users.of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_session_ends_unless_it_is_renewed_in_time() {
        let users = Users::open(Duration::from_secs(1)).expect("an in-memory database");
        let (token, user) = users.log_in("admin", "admin-pass").expect("database").expect("right password");
        let headers = headers(&format!("{COOKIE}={token}"));
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(400));
            assert_eq!(users.renew(&token), Ok(true));
        }
        assert_eq!(users.of(&headers), Some(user));
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(users.of(&headers), None);
        assert_eq!(users.renew(&token), Ok(false));
    }

    #[test]
    fn guests_have_a_session_and_no_password() {
        let users = Users::open(LIFE).expect("an in-memory database");
        let (token, first) = users.join("Kim").expect("database");
        let (_, second) = users.join("Kim").expect("database");
        assert_ne!(first.user_id, second.user_id);
        assert_eq!(first.role, Role::Guest);
        assert_eq!(users.of(&headers(&format!("{COOKIE}={token}"))), Some(first));
        assert_eq!(users.log_in("Kim", "").expect("database"), None);
    }

    #[test]
    fn the_salt_matters() {
        assert_ne!(password_hash("a", "secret"), password_hash("b", "secret"));
        assert_eq!(password_hash("a", "secret").len(), 64);
    }
}
