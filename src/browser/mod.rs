//! Floor 1. The browser: its processes, its WebDriver session, its BiDi socket, and the probe in its pages.
//!
//! Everything with a side effect on the machine is in this folder. From below: [`leash`] (processes that end with
//! the monitor), [`display`] and [`sound`] (what a browser without a screen and a microphone needs), [`driver`],
//! [`exits`] (how processes ended), [`trust`] (one more authority), [`options`] (capabilities, pure), [`bidi`] (the socket), [`notice`] (events in our words, pure), [`session`].

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Operator, Result};

pub mod action;
pub mod bidi;
pub mod display;
pub mod driver;
pub mod exits;
pub mod leash;
pub mod notice;
pub mod options;
mod pidfd;
pub mod probe;
pub(crate) mod procfs;
mod reaper;
pub mod remote_value;
pub mod session;
pub mod sound;
pub mod trust;
mod zip;

/// The two browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Chromium or Chrome, by chromedriver.
    Chromium,
    /// Firefox, by geckodriver.
    Firefox,
}

impl Kind {
    /// Both.
    pub const ALL: &[Kind] = &[Kind::Chromium, Kind::Firefox];

    /// The name in files and reports: "chromium" or "firefox".
    pub fn name(self) -> &'static str {
        match self {
            Kind::Chromium => "chromium",
            Kind::Firefox => "firefox",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = crate::error::Error;

    fn from_str(name: &str) -> Result<Kind> {
        match name {
            "chromium" | "chrome" => Ok(Kind::Chromium),
            "firefox" => Ok(Kind::Firefox),
            _ => {
                Err(crate::error::Error::author(format!("no browser is called `{name}`"))
                    .remedy("use chromium or firefox"))
            }
        }
    }
}

/// Finds a program on PATH, then in cargo's own directory, where `cargo install geckodriver` puts it and which
/// services and cron jobs do not have on their PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .map(|home| home.join("bin"));
    std::env::split_paths(&path)
        .chain(cargo)
        .map(|dir| dir.join(program))
        .find(|file| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

/// An HTTP client for short talks with a driver, outside fantoccini's one-command queue. Never through a proxy.
fn out_of_band(timeout: Duration) -> Result<reqwest::Client> {
    // The provider must exist before a client is built, also for plain HTTP; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(timeout).build().operator("making an HTTP client")
}
