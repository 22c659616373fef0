//! The WebDriver program: chromedriver or geckodriver, started on the leash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::leash::{Leash, Life, Program, tail};
use super::{Kind, which};
use crate::error::{Error, Result};

const READY: Duration = Duration::from_secs(20);

/// A driver that runs and answers.
#[derive(Clone, Debug)]
pub struct Driver {
    /// Where it answers, such as `http://127.0.0.1:40123`.
    pub url: String,
    /// Which browser it drives.
    pub kind: Kind,
    /// Its version, as it says it itself; empty when it does not.
    pub version: String,
    /// Its pid.
    pub pid: u32,
    /// Its log file.
    pub log: PathBuf,
}

impl Driver {
    /// Starts the driver of a browser; ready in 20 to 100 ms. `env` is for the browser: DISPLAY and PULSE_SERVER.
    ///
    /// Both drivers are told port 0 and say in their log which one they got. A port found free beforehand could be
    /// taken by the next play a moment later.
    pub async fn start(
        leash: &Leash,
        kind: Kind,
        binary: Option<PathBuf>,
        env: BTreeMap<String, String>,
    ) -> Result<Driver> {
        let binary = find(kind, binary)?;
        let log = leash.dir().join("driver.log");
        let dir = leash.dir().display().to_string();
        let args: Vec<&str> = match kind {
            Kind::Chromium => vec!["--port=0", "--log-level=WARNING"],
            // Firefox, too, picks the port of its BiDi socket itself; its default is 9222 for everyone.
            Kind::Firefox => vec!["--port", "0", "--websocket-port", "0", "--profile-root", &dir],
        };
        let argv = std::iter::once(binary.display().to_string()).chain(args.into_iter().map(str::to_owned)).collect();
        let mut all = quiet();
        all.extend(env);
        let pid = leash.spawn(Program { argv, env: all, log: log.clone(), own: None }).await?;
        let deadline = Instant::now() + READY;
        let mut round = 0;
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(port) = port(kind, &text) {
                let url = format!("http://127.0.0.1:{port}");
                return Ok(Driver { url, kind, version: version(&text), pid, log });
            }
            round += 1;
            if round % 20 == 0
                && let Life::Ended(how) = leash.alive(pid).await?
            {
                return Err(Error::operator(format!("{} ended ({how}): {}", binary.display(), tail(&log, 8)))
                    .remedy(remedy(kind)));
            }
            if Instant::now() > deadline {
                let what = format!("{} was not ready in {READY:?}: {}", binary.display(), tail(&log, 8));
                return Err(Error::operator(what).remedy("the machine is overloaded: let fewer plays run at once"));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Variables that keep a browser from looking for a desktop that is not there: each search costs up to a second, and
/// an auto-launched D-Bus daemon is one more process to end.
fn quiet() -> BTreeMap<String, String> {
    [
        ("DBUS_SESSION_BUS_ADDRESS", "disabled:"),
        ("NO_AT_BRIDGE", "1"),
        ("GTK_A11Y", "none"),
        ("MOZ_CRASHREPORTER_DISABLE", "1"),
        ("MOZ_CRASHREPORTER_NO_REPORT", "1"),
        ("MOZ_REMOTE_SETTINGS_DEVTOOLS", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn program(kind: Kind) -> &'static str {
    match kind {
        Kind::Chromium => "chromedriver",
        Kind::Firefox => "geckodriver",
    }
}

fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::Chromium => "apt-get install chromium chromium-driver (or run ci/setup)",
        Kind::Firefox => "cargo install geckodriver --locked; apt-get install firefox-esr (or run ci/setup)",
    }
}

fn find(kind: Kind, binary: Option<PathBuf>) -> Result<PathBuf> {
    let name = program(kind);
    match binary {
        Some(given) if is_file(&given) => Ok(given),
        Some(given) => Err(Error::operator(format!("there is no {name} at {}", given.display())).remedy(remedy(kind))),
        None => which(name).ok_or_else(|| {
            Error::operator(format!("{name} is missing: it drives {kind}, and is neither on PATH nor in ~/.cargo/bin"))
                .remedy(remedy(kind))
        }),
    }
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file())
}

/// The port in the driver's log. The line must be whole: half a number is a number.
fn port(kind: Kind, log: &str) -> Option<u16> {
    let mark = match kind {
        Kind::Chromium => "was started successfully on port ",
        Kind::Firefox => "Listening on 127.0.0.1:",
    };
    let (_, rest) = log.split_once(mark)?;
    let (line, _) = rest.split_once('\n')?;
    line.trim().trim_end_matches('.').parse().ok()
}

/// The version in the first line that has one: "Starting ChromeDriver 156.0.1 (…)", "geckodriver 0.37.1 …".
fn version(log: &str) -> String {
    let is_version = |w: &&str| w.contains('.') && w.chars().all(|c| c.is_ascii_digit() || c == '.') && w.len() < 30;
    log.lines().find_map(|l| l.split_whitespace().find(is_version)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_a_whole_line() {
        let log =
            "Starting ChromeDriver 156.0.8078.79 (abc) on port 0\nChromeDriver was started successfully on port 41";
        assert_eq!(port(Kind::Chromium, log), None);
        assert_eq!(port(Kind::Chromium, &format!("{log}233.\n")), Some(41233));
        assert_eq!(version(log), "156.0.8078.79");
        let log = "1763784000000\tgeckodriver\tINFO\tListening on 127.0.0.1:4567\n";
        assert_eq!(port(Kind::Firefox, log), Some(4567));
    }

    #[test]
    fn a_missing_driver_comes_with_its_remedy() {
        let error = find(Kind::Firefox, Some("/nowhere/geckodriver".into())).expect_err("missing");
        assert!(error.fix().is_some_and(|f| f.contains("cargo install geckodriver")));
    }
}
