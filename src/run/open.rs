//! Opening a play's browser: driver, session, probe, and what lets the viewer in.

use super::ids::readers;
use super::net::Net;
use super::watch::Watch;
use super::{Shared, Turn};
use crate::browser::Kind;
use crate::browser::driver::Driver;
use crate::browser::leash::Leash;
use crate::browser::options::{BasicAuth, Options};
use crate::browser::probe;
use crate::browser::session::Session;
use crate::browser::trust::trust;
use crate::error::{Operator, Result};
use crate::event::Ids;
use crate::traffic::Places;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(5);

/// Starts the driver, unless one runs elsewhere, and opens a session that is watched and probed.
pub(super) async fn open(
    shared: &Shared<'_>,
    turn: &Turn<'_>,
    leash: &Leash,
    ids: Ids,
    net: Option<&Net>,
) -> Result<(Option<Driver>, Session, Watch)> {
    let settings = shared.settings;
    let access = &shared.plan.app.access;
    let origin = url::Url::parse(&shared.base).map(|u| u.origin().ascii_serialization()).unwrap_or_default();
    let basic = access.basic.clone().map(|(user, password)| BasicAuth { origin: origin.clone(), user, password });
    let profile = match net.and_then(Net::authority) {
        Some(pem) => trust(leash, turn.kind, pem).await?,
        None => None,
    };
    let options = Options {
        profile,
        headed: settings.headed,
        display: shared.display.clone(),
        wav: match turn.kind {
            Kind::Chromium if settings.webdriver.is_none() => Some(shared.plan.sound.write_wav(leash.dir())?),
            _ => None,
        },
        pulse: shared.pulse.clone(),
        browser_binary: settings.browser_binary.clone(),
        insecure_certs: access.insecure_certificates,
        remote: settings.webdriver.is_some(),
        basic_auth: basic,
        proxy: net.map(Net::address),
        ..Options::new(turn.kind, leash.dir())
    };
    let (driver, address) = match &settings.webdriver {
        Some(address) => (None, address.clone()),
        None => {
            let display = shared.display.clone().map(|d| ("DISPLAY".to_owned(), d));
            let pulse = shared.pulse.clone().map(|p| ("PULSE_SERVER".to_owned(), p));
            let env: BTreeMap<String, String> = display.into_iter().chain(pulse).chain(shader_cache()).collect();
            let driver = Driver::start(leash, turn.kind, settings.driver.clone(), env).await?;
            let address = driver.url.clone();
            (Some(driver), address)
        }
    };
    let (session, notices) = Session::open(&address, &options).await?;
    let app = &shared.plan.app;
    let places = Places::new(&shared.base, &app.hosts);
    let sockets = app.traffic.socket.iter().map(|socket| places.sockets(&socket.path)).collect();
    let (ids_of_page, marks) = (readers(&app.read), app.telemetry.marks.clone());
    let config =
        probe::Config { sockets, ids: ids_of_page, marks, counter: app.counter.is_some(), canvas: app.canvas.clone() };
    session.install_probe(&probe::script(&config)).await?;
    if let Err(why) = session.keep_no_bodies(SHORT).await {
        tracing::warn!("the browser keeps response bodies, and its memory is sampled with them: {why}");
    }
    let facts = session.facts().clone();
    let ids = Ids { platform: Some(facts.platform.clone()), ..ids };
    if let Some(net) = net {
        net.prove(&session, &shared.base).await?;
    }
    let watch = Watch::new(notices, session.context(), shared, ids, &places, net.is_some());
    if !access.headers.is_empty() {
        session.set_extra_headers(&access.headers, SHORT).await?;
    }
    let host = url::Url::parse(&shared.base).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_default();
    for (name, value) in &access.cookies {
        session.set_cookie(name, value, &host, "/", SHORT).await?;
    }
    if let Some(saved) = &access.session {
        restore(&session, saved).await?;
    }
    Ok((driver, session, watch))
}

/// A lasting cache for the software renderer's compiled shaders. Every play has a home of its own; without this each
/// would compile everything anew, and measure the renderer's compiler instead of the app.
fn shader_cache() -> Option<(String, String)> {
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let dir = cache.join("soundcheck/mesa");
    std::fs::create_dir_all(&dir).ok()?;
    Some(("MESA_SHADER_CACHE_DIR".to_owned(), dir.display().to_string()))
}

/// Puts a saved session back: cookies at once, local storage by a script that runs before the page's own.
async fn restore(session: &Session, saved: &Value) -> Result<()> {
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    for cookie in saved["cookies"].as_array().into_iter().flatten() {
        let (name, value, domain) = (text(cookie, "name"), text(cookie, "value"), text(cookie, "domain"));
        let path = cookie["path"].as_str().unwrap_or("/");
        session.set_cookie(&name, &value, domain.trim_start_matches('.'), path, SHORT).await?;
    }
    let origins = saved["origins"].clone();
    let script = format!(
        "() => {{ for (const o of {origins}) if (o.origin === location.origin) \
         for (const item of o.localStorage || []) localStorage.setItem(item.name, item.value); }}"
    );
    let params = json!({ "functionDeclaration": script });
    let set = session.bidi().command("script.addPreloadScript", params, SHORT).await;
    set.map(drop).operator("restoring the saved session")
}
