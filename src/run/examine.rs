//! What this machine can do, found out by doing it: every browser is started as a play starts it.

use crate::browser::action::Ready;
use crate::browser::display::Display;
use crate::browser::driver::Driver;
use crate::browser::leash::Leash;
use crate::browser::options::Options;
use crate::browser::probe;
use crate::browser::session::Session;
use crate::browser::sound::{PulseAudio, Sound};
use crate::browser::trust::certutil;
use crate::browser::{Kind, which};
use crate::error::{Error, Operator, Result};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One thing examined.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was examined.
    pub part: String,
    /// It does what plays need.
    pub ok: bool,
    /// What was found.
    pub what: String,
    /// The command or the sentence that mends it.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(part: impl Into<String>, found: Result<String>) -> Self {
        match found {
            Ok(what) => Self { part: part.into(), ok: true, what, remedy: None },
            Err(e) => {
                Self { part: part.into(), ok: false, what: e.what().to_owned(), remedy: e.fix().map(str::to_owned) }
            }
        }
    }
}

const SHORT: Duration = Duration::from_secs(10);
/// The page asks for the microphone on a real click, as apps do, and tells the loudest it heard within a second.
const PAGE: &str = "<!doctype html><title>soundcheck doctor</title><button id=go style='width:200px;height:80px'>go</button>\
<script>window.heard = new Promise((done) => { document.getElementById('go').onclick = async () => { try { \
const context = new AudioContext(); \
const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } }); \
const analyser = context.createAnalyser(); context.createMediaStreamSource(stream).connect(analyser); \
const wave = new Float32Array(analyser.fftSize); let top = 0; \
const timer = setInterval(() => { analyser.getFloatTimeDomainData(wave); for (const v of wave) top = Math.max(top, Math.abs(v)); }, 20); \
setTimeout(() => { clearInterval(timer); done(context.state + ' ' + top.toFixed(3)); }, 1500); \
} catch (e) { done('refused: ' + e); } }; });</script>";

/// Examines the machine for plays in these browsers.
pub async fn examine(exe: &Path, browsers: &[Kind]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let leash = match Leash::start(exe, "doctor").await {
        Ok(leash) => leash,
        Err(e) => return vec![Finding::new("processes", Err(e))],
    };
    let display = Display::start(&leash).await;
    findings
        .push(Finding::new("display", display.as_ref().map(|d| format!("Xvfb on {}", d.name())).map_err(Clone::clone)));
    let pulse = PulseAudio::start(&leash, Sound::default()).await;
    findings.push(Finding::new(
        "sound server",
        pulse.as_ref().map(|_| "PulseAudio, private".to_owned()).map_err(Clone::clone),
    ));
    findings.push(Finding::new(
        "ffmpeg",
        which("ffmpeg").map(|p| p.display().to_string()).ok_or_else(|| {
            Error::operator("not found: the bundled stage cannot make its clips").remedy("apt-get install ffmpeg")
        }),
    ));
    findings.push(interception(certutil()));
    let page = match serve().await {
        Ok(page) => page,
        Err(e) => return vec![Finding::new("loopback", Err(e))],
    };
    for kind in browsers {
        let display = display.as_ref().ok().map(|d| d.name().to_owned());
        let pulse = pulse.as_ref().ok().map(|p| p.server().to_owned());
        findings.extend(browser(exe, *kind, display, pulse, &page).await);
    }
    if let Err(e) = leash.end().await {
        findings.push(Finding::new("processes", Err(e)));
    }
    findings
}

/// Only plays of apps with `intercept` need it: without it the machine is still fit for the others.
fn interception(certutil: Result<PathBuf>) -> Finding {
    let part = "interception".to_owned();
    match certutil {
        Ok(path) => Finding { part, ok: true, what: path.display().to_string(), remedy: None },
        Err(e) => {
            let what = "no certutil; only an app file's `intercept` needs it".to_owned();
            Finding { part, ok: true, what, remedy: e.fix().map(str::to_owned) }
        }
    }
}

async fn browser(exe: &Path, kind: Kind, display: Option<String>, pulse: Option<String>, page: &str) -> Vec<Finding> {
    let leash = match Leash::start(exe, "doctor").await {
        Ok(leash) => leash,
        Err(e) => return vec![Finding::new(kind.name(), Err(e))],
    };
    let mut findings = Vec::new();
    if let Err(e) = look(&leash, kind, display, pulse, page, &mut findings).await {
        findings.push(Finding::new(kind.name(), Err(e)));
    }
    if let Err(e) = leash.end().await {
        findings.push(Finding::new(format!("{kind} end"), Err(e)));
    }
    findings
}

async fn look(
    leash: &Leash,
    kind: Kind,
    display: Option<String>,
    pulse: Option<String>,
    page: &str,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let named = [("DISPLAY", &display), ("PULSE_SERVER", &pulse)];
    let env: BTreeMap<String, String> =
        named.iter().filter_map(|(k, v)| Some(((*k).to_owned(), (*v).clone()?))).collect();
    let driver = Driver::start(leash, kind, None, env).await?;
    let wav = Some(Sound::default().write_wav(leash.dir())?);
    let options = Options { display, pulse, wav, ..Options::new(kind, leash.dir()) };
    let (session, _notices) = Session::open(&driver.url, &options).await?;
    let facts = session.facts();
    let versions = format!("{} with driver {}", facts.browser_version, facts.driver_version);
    findings.push(Finding::new(kind.name(), Ok(versions)));
    session.install_probe(&probe::script(&probe::Config::default())).await?;
    session.navigate(page, Ready::Interactive, SHORT).await?;
    let told = session.evaluate(&format!("{}.facts(true)", probe::HANDLE), false, SHORT).await?;
    let told: Value = serde_json::from_str(told.as_str().unwrap_or("{}")).unwrap_or_default();
    findings.push(Finding::new(format!("{kind} WebGL"), webgl(&told)));
    findings.push(Finding::new(format!("{kind} codecs"), codecs(&told)));
    session.click("#go", SHORT).await?;
    let heard = session.evaluate("window.heard", true, SHORT).await;
    let heard = heard.map(|v| v.as_str().unwrap_or_default().to_owned()).unwrap_or_else(|e| e.to_string());
    findings.push(Finding::new(format!("{kind} sound"), sound(&heard)));
    Ok(())
}

fn webgl(told: &Value) -> Result<String> {
    match told["webgl"].as_u64() {
        Some(version @ 1..) => {
            Ok(format!("WebGL {version}, {}", told["renderer"].as_str().unwrap_or("unnamed renderer")))
        }
        _ => Err(Error::operator("no WebGL context").remedy("apt-get install xvfb libgl1-mesa-dri")),
    }
}

fn codecs(told: &Value) -> Result<String> {
    let plays = |codec: &str| !told["codecs"][codec].as_str().unwrap_or_default().is_empty();
    let (can, cannot): (Vec<&str>, Vec<&str>) = ["h264", "vp9", "av1", "hevc"].into_iter().partition(|c| plays(c));
    if plays("h264") && plays("vp9") {
        return Ok(format!(
            "plays {}; not {}",
            can.join(", "),
            if cannot.is_empty() { "-".to_owned() } else { cannot.join(", ") }
        ));
    }
    Err(Error::operator(format!("plays {} only", can.join(", ")))
        .remedy("use Debian's chromium and firefox-esr, or a branded browser: they come with H.264"))
}

fn sound(heard: &str) -> Result<String> {
    let (state, level) = heard.split_once(' ').unwrap_or((heard, "0"));
    let level: f64 = level.parse().unwrap_or(0.0);
    if state == "running" && level > 0.1 {
        return Ok(format!("AudioContext running, microphone heard the known tone (peak {level})"));
    }
    Err(Error::operator(format!("the microphone's known tone was not heard: {heard}"))
        .remedy("apt-get install pulseaudio; without it a Firefox AudioContext never starts"))
}

/// One page on loopback: a microphone is given to secure contexts only, and 127.0.0.1 is one.
async fn serve() -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.operator("listening on loopback")?;
    let address = listener.local_addr().operator("listening on loopback")?;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let _ = socket.read(&mut head).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
                PAGE.len()
            );
            let _ = socket.write_all(answer.as_bytes()).await; // a browser that left asks again
        }
    });
    Ok(format!("http://{address}/"))
}
