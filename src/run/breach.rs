//! Who is told of a breach, and how: a POST of JSON to a URL, or a command with the same JSON on its stdin and the main facts
//! as SOUNDCHECK_* variables. What goes wrong with that is said and recorded, and changes no verdict.

use super::{Progress, Settings, write_reports};
use crate::error::{Error, Result};
use crate::event::{Ids, Log, Origin};
use crate::record::Record;
use crate::secret::Secrets;
use crate::slo::{Judged, Standing, Verdict};
use reqwest::redirect::Policy;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a command may run.
const COMMAND: Duration = Duration::from_secs(30);

/// Who is told.
#[derive(Clone, Debug)]
pub struct Tell {
    to: To,
    /// Where the report can be read; of one that ends with `/`, report.html in it.
    report_url: Option<String>,
    patience: [Duration; 2],
}

#[derive(Clone, Debug)]
enum To {
    Url(url::Url),
    Command(String),
}

impl Tell {
    /// `to` as the command line says it: a URL, a command for the shell, or `env:NAME` for one of these. The link to the
    /// report is `report_url`, or its path.
    pub fn new(to: &str, report_url: Option<String>, secrets: &Secrets) -> Result<Self> {
        let to = secrets.resolve(to)?;
        let to = match to.starts_with("http://") || to.starts_with("https://") {
            true => To::Url(to.parse().map_err(|e| {
                Error::author(format!("--on-breach: no URL: {e}")).remedy("write https://host/path, or a command")
            })?),
            false => To::Command(to),
        };
        if let To::Url(url) = &to
            && url.path().len() > 1
        {
            // Who knows a webhook's address may write to it.
            secrets.add(url.as_str());
        }
        Ok(Self { to, report_url, patience: [ANSWER, COMMAND] })
    }

    /// Waits so long for a server, and for a command.
    pub fn patience(self, server: Duration, command: Duration) -> Self {
        Self { patience: [server, command], ..self }
    }

    /// Who, without what is nobody's business: a webhook's path lets anybody write to it.
    pub fn name(&self) -> String {
        match &self.to {
            To::Url(url) => url.origin().ascii_serialization(),
            To::Command(command) => command.clone(),
        }
    }

    /// Tells it; otherwise why not.
    pub async fn tell(&self, message: &Value) -> Result<(), String> {
        let [server, command] = self.patience;
        match &self.to {
            To::Url(url) => post(url, message, server).await,
            To::Command(line) => hand(line, message, command).await,
        }
    }
}

async fn post(url: &url::Url, message: &Value, patience: Duration) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default(); // a second installation changes nothing
    let client = reqwest::Client::builder().timeout(patience).redirect(Policy::none()).build();
    let sent = client.map_err(|e| e.to_string())?.post(url.clone()).json(message).send().await;
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status())),
        Err(e) if e.is_timeout() => Err(format!("no answer in {patience:?}")),
        // The error's own text would name the whole address.
        Err(e) => Err(chain(&e.without_url())),
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A command's process group: whatever it started ends with it, unless the command itself ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL); // gone already: fine
        }
    }
}

async fn hand(line: &str, message: &Value, patience: Duration) -> Result<(), String> {
    // Stdout is for the run's answer.
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map_err(|e| e.to_string())?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .envs(variables(message))
        .stdin(Stdio::piped())
        .stdout(stderr)
        .process_group(0)
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut group = Group(child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())));
    let stdin = child.stdin.take();
    let text = message.to_string();
    let feed = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(text.as_bytes()).await; // who does not read it wants only the variables
        }
        std::future::pending().await
    };
    let ended = timeout(patience, async {
        tokio::select! {
            ended = child.wait() => ended,
            never = feed => never,
        }
    });
    match ended.await {
        Ok(ended) => {
            group.0 = None;
            match ended.map_err(|e| e.to_string())? {
                status if status.success() => Ok(()),
                status => Err(format!("the command ended with {status}")),
            }
        }
        Err(_) => {
            drop(group);
            let _ = child.wait().await; // it was killed
            Err(format!("the command still ran after {patience:?} and was killed"))
        }
    }
}

/// The main facts of a message, as a shell likes them.
fn variables(message: &Value) -> Vec<(String, String)> {
    let keys = ["verdict", "app", "environment", "version", "plan", "run_id", "first_cause", "report", "ci"];
    let text = |key: &str| message[key].as_str().unwrap_or_default().replace('\0', "\u{fffd}");
    keys.iter().map(|key| (format!("SOUNDCHECK_{}", key.to_uppercase()), text(key))).collect()
}

fn breached<'j>(all: impl Iterator<Item = &'j Judged>) -> Vec<Value> {
    let breached = all.filter(|o| o.verdict == Verdict::Breached && !o.goal && !o.quarantined);
    breached.map(|o| json!({ "id": o.id, "name": o.name, "target": o.target, "value": o.value })).collect()
}

/// An objective of [`breached`] in words.
fn cause(objectives: &[Value]) -> Option<String> {
    let first = objectives.first()?;
    let text = |key: &str| first[key].as_str().unwrap_or_default();
    Some(format!("{} {}, {}: {}", text("id"), text("name"), text("target"), text("value")))
}

/// Text as Slack and what takes its messages want it.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is told of a run that is breached.
pub fn of_run(record: &Record, settings: &Settings) -> Value {
    let about = |key: &str| record.about.get(key).cloned().unwrap_or_default();
    let said = |key: &str| record.about.get(key).and_then(Value::as_str).unwrap_or_default();
    let out = settings.out.canonicalize().unwrap_or_else(|_| settings.out.clone());
    let report_url = settings.on_breach.as_ref().and_then(|tell| tell.report_url.as_deref());
    let report = match report_url {
        Some(url) if url.ends_with('/') => format!("{url}report.html"),
        Some(url) => url.to_owned(),
        None => out.join("report.html").display().to_string(),
    };
    let verdict = record.verdict().name();
    let objectives = breached(record.objectives.iter());
    let first_cause = record.first_cause().or_else(|| cause(&objectives)).unwrap_or_default();
    let app = format!("{} {}", said("app"), said("version"));
    let text =
        format!("Soundcheck {}: {verdict}, {} in {}\n{first_cause}", said("plan"), app.trim(), said("environment"));
    json!({
        "text": format!("{}\n{report}", plain(&text)),
        "verdict": verdict,
        "app": about("app"),
        "environment": about("environment"),
        "version": about("version"),
        "plan": about("plan"),
        "run_id": record.run_id,
        "started": record.started,
        "first_cause": first_cause,
        "objectives": objectives,
        "report": report,
        "ci": about("ci"),
    })
}

/// What is told of an app whose objectives are breached by its history.
pub fn of_standing(standing: &Standing) -> Value {
    let Standing { app, environment, until, .. } = standing;
    let verdict = standing.verdict().name();
    let objectives = breached(standing.objectives.iter().map(|o| &o.judged));
    let first_cause = cause(&objectives).unwrap_or_default();
    let text = format!("Soundcheck slo: {verdict}, {app} in {environment}, until {until}\n{first_cause}");
    json!({
        "text": plain(&text),
        "verdict": verdict,
        "app": app,
        "environment": environment,
        "version": null,
        "plan": null,
        "run_id": null,
        "until": until,
        "first_cause": first_cause,
        "objectives": objectives,
        "report": null,
        "ci": std::env::var("GITHUB_RUN_ID").ok(),
    })
}

/// Tells of a run's breach whom the settings name, and puts into the record what came of it. Nothing is told of a run that is
/// broken, or has not enough data.
pub(super) async fn told(
    record: Record,
    settings: &Settings,
    log: &Log,
    secrets: &Secrets,
    progress: &dyn Progress,
) -> Result<Record> {
    let Some(tell) = settings.on_breach.as_ref().filter(|_| record.verdict() == Verdict::Breached) else {
        return Ok(record);
    };
    let mut message = of_run(&record, settings);
    secrets.hide_in(&mut message);
    let problem = tell.tell(&message).await.err();
    if let Some(why) = &problem {
        progress.note(&secrets.hide(&format!("the breach could not be told to {}: {why}", tell.name())));
    }
    let fields = json!({ "to": tell.name(), "problem": problem });
    log.write("breach_told", Origin::Monitor, log.now_ms(), &Ids::default(), fields);
    // The verdict is on the disk already, and stays what it is.
    match log.sync().and_then(|()| write_reports(&settings.out)) {
        Ok(record) => Ok(record),
        Err(e) => {
            progress.note(&format!("whether the breach was told is not in the record: {}", e.what()));
            Ok(record)
        }
    }
}

#[cfg(test)]
mod tests;
