//! The control API of a proxy, and the page on it. On loopback, for whoever has the token, and for no other site.
//!
//! The token is in the fragment of the page's address, which no browser sends anywhere; the page keeps it for its own
//! tab and shows it as `Authorization: Bearer`. A cookie would not do: cookies know no ports, so the browser would give
//! it to the app as well, through the proxy, in requests that must leave as they came.

mod gate;
mod told;

use crate::error::{Error, Operator as _, Result};
use crate::event::{Ids, Log, Origin};
use crate::proxy::Proxy;
use crate::proxy::live::{Live, News};
use axum::extract::rejection::{PathRejection, QueryRejection, StringRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

pub use told::{Loaded, Read, Told};

const PAGE: &str = include_str!("page.html");
/// The longest profile that is taken, octets.
const LONGEST_PROFILE: usize = 256 * 1024;

/// What the control is about.
pub struct Setup {
    /// Where it listens: loopback only; port 0 for a free one.
    pub listen: SocketAddr,
    /// The proxy it controls.
    pub proxy: Arc<Proxy>,
    /// The server that proxy passes everything to; `None` for a forward proxy.
    pub to: Option<String>,
    /// The profile that is armed.
    pub profile: Loaded,
    /// How another one is read.
    pub read: Read,
    /// Where it writes what was changed.
    pub log: Option<Log>,
}

/// The control, listening. Dropping it ends it.
pub struct Control {
    address: SocketAddr,
    token: String,
    _stop: oneshot::Sender<()>,
}

impl Control {
    /// Starts to listen; an address that is not loopback is refused.
    pub async fn start(setup: Setup) -> Result<Self> {
        let Setup { listen, proxy, to, profile, read, log } = setup;
        if !listen.ip().is_loopback() {
            return Err(Error::author(format!("{listen} is not on loopback: the control is for this machine alone"))
                .remedy("--control 127.0.0.1:0; from elsewhere, through a tunnel: ssh -L"));
        }
        let busy = |e: Error| e.remedy("end what listens there, or give another --control; port 0 takes a free one");
        let doing = format!("listening on {listen} for the control page");
        let listener = tokio::net::TcpListener::bind(listen).await.operator(&doing).map_err(busy)?;
        let address = listener.local_addr().operator(&doing)?;
        let token = new_token()?;
        let live = proxy.live();
        let profile = Mutex::new(profile);
        let desk = Desk { token: token.clone(), address, live, proxy, to, profile, read, log };
        let router = router(Arc::new(desk))?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) });
            if let Err(e) = served.await {
                tracing::error!("the control page ended: {e}");
            }
        });
        Ok(Self { address, token, _stop: stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What lets one in.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The page, with the token.
    pub fn url(&self) -> String {
        format!("http://{}/#token={}", self.address, self.token)
    }
}

/// 128 random bits in hex. Without the system's randomness there is no token, and no control.
fn new_token() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).operator("making a token")?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// What the handlers share.
struct Desk {
    token: String,
    address: SocketAddr,
    proxy: Arc<Proxy>,
    live: Live,
    to: Option<String>,
    profile: Mutex<Loaded>,
    read: Read,
    log: Option<Log>,
}

impl Desk {
    fn profile(&self) -> MutexGuard<'_, Loaded> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &str, fields: Value) {
        if let Some(log) = &self.log {
            log.write(event, Origin::Proxy, log.now_ms(), &Ids::default(), fields);
        }
    }
}

/// Why a request is not served: a status, and words.
#[derive(Debug, PartialEq, Eq)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// An id in the path.
type Id = Result<Path<String>, PathRejection>;

impl From<PathRejection> for Refusal {
    fn from(e: PathRejection) -> Self {
        Self(e.status(), e.body_text())
    }
}

fn router(desk: Arc<Desk>) -> Result<Router> {
    let policy =
        HeaderValue::from_str(&gate::policy(PAGE)).map_err(|e| Error::us(format!("the page's policy: {e}")))?;
    let page = move || async move { ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE)) };
    Ok(Router::new()
        .route("/", get(page))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/api/faults", get(faults))
        .route("/api/faults/{id}/arm", post(|desk, id| switch(desk, id, true)))
        .route("/api/faults/{id}/disarm", post(|desk, id| switch(desk, id, false)))
        .route("/api/faults/{id}/fire", post(fire))
        .route("/api/profile", get(profile).put(change_profile))
        .route("/api/requests", get(requests))
        .route("/api/reset", post(reset))
        .fallback(|| async { Refusal(StatusCode::NOT_FOUND, "no such thing here".to_owned()) })
        .method_not_allowed_fallback(|method: Method| async move {
            Refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for this: `Allow` names what is"))
        })
        .layer(DefaultBodyLimit::max(LONGEST_PROFILE))
        .layer(from_fn_with_state(desk.clone(), gate::guard))
        .with_state(desk))
}

async fn faults(State(desk): State<Arc<Desk>>) -> Json<Value> {
    // Within the lock, as in `change_profile`: words and faults are of one profile.
    let profile = desk.profile();
    let told = profile.told(desk.proxy.standing());
    Json(json!({
        "listen": desk.proxy.address(),
        "to": desk.to,
        "profile": profile.name,
        "question": profile.question,
        "seed": profile.armed.seed,
        "faults": told,
    }))
}

fn no_such(id: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("no fault `{id}` in this profile"))
}

async fn switch(State(desk): State<Arc<Desk>>, id: Id, armed: bool) -> Result<Json<Value>, Refusal> {
    let Path(id) = id?;
    if !desk.proxy.set_armed(&id, armed) {
        return Err(no_such(&id));
    }
    desk.note(if armed { "fault_armed" } else { "fault_disarmed" }, json!({ "fault": id }));
    Ok(Json(json!({ "id": id, "armed": armed })))
}

async fn fire(State(desk): State<Arc<Desk>>, id: Id) -> Result<Json<Value>, Refusal> {
    let Path(id) = id?;
    let standing = desk.proxy.standing().into_iter().find(|s| s.rule.id == id).ok_or_else(|| no_such(&id))?;
    if standing.rule.fault.link().is_some() {
        let what = format!("`{id}` is of the link, not of a request: arm it or disarm it");
        return Err(Refusal(StatusCode::CONFLICT, what));
    }
    if !desk.proxy.fire(&id) {
        return Err(no_such(&id));
    }
    desk.note("fault_fired", json!({ "fault": id }));
    Ok(Json(json!({ "id": id, "waiting": standing.waiting + 1 })))
}

fn tell(profile: &Loaded) -> Json<Value> {
    let Loaded { name, question, toml, armed, .. } = profile;
    Json(json!({ "name": name, "question": question, "seed": armed.seed, "toml": toml }))
}

async fn profile(State(desk): State<Arc<Desk>>) -> Json<Value> {
    tell(&desk.profile())
}

async fn change_profile(
    State(desk): State<Arc<Desk>>,
    text: Result<String, StringRejection>,
) -> Result<Json<Value>, Refusal> {
    let text = text.map_err(|e| Refusal(e.status(), e.body_text()))?;
    let loaded = (desk.read)(&text).map_err(|e| Refusal(StatusCode::BAD_REQUEST, e.to_string()))?;
    // Within the lock, so that what is told is what is armed, whoever comes second.
    let mut profile = desk.profile();
    desk.proxy.arm(loaded.armed.clone());
    desk.note("profile_armed", loaded.event());
    *profile = loaded;
    Ok(tell(&profile))
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn requests(
    State(desk): State<Arc<Desk>>,
    query: Result<Query<Since>, QueryRejection>,
) -> Result<Json<News>, Refusal> {
    let wrong = "since=N: a whole number from 0, the `version` of an answer before";
    let Query(Since { since }) = query.map_err(|e| Refusal(e.status(), wrong.to_owned()))?;
    Ok(Json(desk.live.since(since)))
}

async fn reset(State(desk): State<Arc<Desk>>) -> Json<Value> {
    desk.proxy.reset();
    desk.note("counts_reset", json!({}));
    Json(json!({ "reset": true }))
}
