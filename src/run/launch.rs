//! Starting the app under test, where its file says how, and waiting until it is ready.

use crate::app::App;
use crate::browser::leash::{Leash, Life, Program, tail};
use crate::browser::which;
use crate::error::{Error, Operator, Result};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an app that is only visited may take to answer.
const VISITED: Duration = Duration::from_secs(15);

/// How long a connection may take to come about.
const CONNECTS: Duration = Duration::from_secs(1);

/// The app, reachable.
#[derive(Clone, Debug)]
pub struct Launched {
    /// Its address, `{port}` filled in.
    pub base: String,
    /// Its version, if its readiness answer is JSON with a `version`.
    pub version: Option<String>,
}

/// Starts the app, if its file says how, and waits until it is ready; `proxy` is what `{proxy}` stands for.
pub(super) async fn launch(app: &App, leash: &Leash, exe: &Path, proxy: Option<&str>) -> Result<Launched> {
    let port = match app.base.contains("{port}") || app.launch.iter().any(|a| a.contains("{port}")) {
        true => free_port()?.to_string(),
        false => String::new(),
    };
    let base = app.base.replace("{port}", &port);
    let log = leash.dir().join("app.log");
    let mut pid = None;
    if let [program, args @ ..] = app.launch.as_slice() {
        if accepts(&base).await {
            let words = format!("app {}: {base} answers before the app is started", app.name);
            return Err(Error::operator(words).remedy("end what listens there, or take `launch` out of the app file"));
        }
        let path = find(program, exe).ok_or_else(|| {
            Error::author(format!("app {}: the program `{program}` of `launch` is not found", app.name))
                .remedy("give its path, or put it on PATH")
        })?;
        let fill = |a: &String| a.replace("{port}", &port).replace("{proxy}", proxy.unwrap_or_default());
        let argv = std::iter::once(path).chain(args.iter().map(fill)).collect();
        let own = Some(std::env::current_dir().operator("finding this folder")?);
        // It names this program; the app has a name of its own.
        let env = [("OTEL_SERVICE_NAME".to_owned(), String::new())].into();
        pid = Some(leash.spawn(Program { argv, log: log.clone(), own, env }).await?);
    }
    if pid.is_none() && app.ready.is_none() {
        return Ok(Launched { base, version: None });
    }
    let client = client(app.access.insecure_certificates)?;
    // Nothing was launched: what does not answer soon is down, or the address is wrong.
    let within = if pid.is_some() { app.ready_within } else { app.ready_within.min(VISITED) };
    let deadline = Instant::now() + within;
    loop {
        let asked = match &app.ready {
            Some(ready) => ask(&client, &format!("{base}{ready}")).await,
            None if accepts(&base).await => Ok(None),
            None => Err(format!("{base} takes no connection")),
        };
        // What answers may be another's, where what was started could not.
        if let Some(pid) = pid
            && let Life::Ended(how) = leash.alive(pid).await?
        {
            return Err(Error::operator(format!("the app ended ({how}) before it was ready: {}", tail(&log, 8)))
                .remedy(format!("run it by hand: {}", app.launch.join(" ").replace("{port}", &port))));
        }
        let problem = match asked {
            Ok(version) => return Ok(Launched { base, version }),
            Err(problem) => problem,
        };
        if Instant::now() > deadline {
            let said = if pid.is_some() { format!("; it said: {}", tail(&log, 8)) } else { String::new() };
            return Err(Error::operator(format!("the app was not ready in {within:?}: {problem}{said}"))
                .remedy("start the app, or raise `ready_within` in its file"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks whether the app is ready: its version, if it tells one; else what is missing.
async fn ask(client: &reqwest::Client, url: &str) -> std::result::Result<Option<String>, String> {
    match client.get(url).send().await {
        Ok(answer) if answer.status().is_success() => {
            let body: Option<serde_json::Value> = answer.json().await.ok();
            Ok(body.and_then(|b| b.get("version")?.as_str().map(str::to_owned)))
        }
        Ok(answer) => Err(format!("{url} answers {}", answer.status())),
        Err(e) => Err(format!("{url} does not answer: {e}")),
    }
}

/// Whether anything takes connections at this address.
async fn accepts(base: &str) -> bool {
    let Ok(url) = url::Url::parse(base) else { return false };
    let Some((host, port)) = url.host_str().zip(url.port_or_known_default()) else { return false };
    let host = host.trim_matches(['[', ']']);
    let connected = timeout(CONNECTS, TcpStream::connect((host, port))).await;
    connected.is_ok_and(|connected| connected.is_ok())
}

/// A program named by an app file: as a path, beside `soundcheck` itself, or on PATH.
fn find(program: &str, exe: &Path) -> Option<String> {
    let path = if program.contains('/') {
        Some(Path::new(program).to_owned()).filter(|p| p.is_file())
    } else {
        exe.parent().map(|dir| dir.join(program)).filter(|p| p.is_file()).or_else(|| which(program))
    };
    path.map(|p| p.display().to_string())
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").operator("looking for a free port")?;
    Ok(listener.local_addr().operator("looking for a free port")?.port())
}

fn client(insecure: bool) -> Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default(); // a second installation changes nothing
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .tls_danger_accept_invalid_certs(insecure)
        .build()
        .operator("making an HTTP client")
}
