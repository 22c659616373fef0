//! Starting the app under test, where its file says how, and waiting until it is ready.

use crate::app::App;
use crate::browser::leash::{Leash, Life, Program, tail};
use crate::browser::which;
use crate::error::{Error, Operator, Result};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long an app that is only visited may take to answer.
const VISITED: Duration = Duration::from_secs(15);

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
    let Some(ready) = &app.ready else { return Ok(Launched { base, version: None }) };
    let url = format!("{base}{ready}");
    let client = client(app.access.insecure_certificates)?;
    // Nothing was launched: what does not answer soon is down, or the address is wrong.
    let within = if pid.is_some() { app.ready_within } else { app.ready_within.min(VISITED) };
    let deadline = Instant::now() + within;
    loop {
        let problem = match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => {
                let body: Option<serde_json::Value> = answer.json().await.ok();
                let version = body.and_then(|b| b.get("version")?.as_str().map(str::to_owned));
                return Ok(Launched { base, version });
            }
            Ok(answer) => format!("it answers {}", answer.status()),
            Err(e) => format!("it does not answer: {e}"),
        };
        if let Some(pid) = pid
            && let Life::Ended(how) = leash.alive(pid).await?
        {
            return Err(Error::operator(format!("the app ended ({how}) before it was ready: {}", tail(&log, 8)))
                .remedy(format!("run it by hand: {}", app.launch.join(" ").replace("{port}", &port))));
        }
        if Instant::now() > deadline {
            let said = if pid.is_some() { format!("; it said: {}", tail(&log, 8)) } else { String::new() };
            return Err(Error::operator(format!("{url} was not ready in {within:?}: {problem}{said}"))
                .remedy("start the app, or raise `ready_within` in its file"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
