//! `outage`: for a while no octet passes.

use super::Fault;
use super::link::{Outage as Times, OutageMode, Part};
use crate::unit::Time;
use serde::Deserialize;
use std::time::Duration;

/// When, how long, how often, and what becomes of connections.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    at: Begin,
    lasts: Time,
    every: Option<Time>,
    #[serde(default)]
    mode: OutageMode,
}

/// Since the start of the play, or since the profile was armed; other than a [`Time`], it may be `"0"`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Begin(Duration);

impl TryFrom<String> for Begin {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "0" | "0s" | "0 s" | "0ms" | "0 ms" => Ok(Self(Duration::ZERO)),
            text => Time::parse(text).map(|t| Self(t.0)),
        }
    }
}

impl Fault for Outage {
    fn check(&self) -> Result<(), String> {
        if self.every.is_some_and(|every| every.0 <= self.lasts.0) {
            return Err("`every` counts from one's begin to the next one's: it must be longer than `lasts`".to_owned());
        }
        Ok(())
    }

    fn link(&self) -> Option<Part> {
        let every = self.every.map(|t| t.0);
        Some(Part::Outage(Times { at: self.at.0, lasts: self.lasts.0, every, mode: self.mode }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, refused};
    use super::*;

    fn times(keys: &str) -> Times {
        match fault("outage", keys).link() {
            Some(Part::Outage(times)) => times,
            other => panic!("no outage: {other:?}"),
        }
    }

    #[test]
    fn an_outage_comes_once_or_again_and_again() {
        let s = Duration::from_secs;
        let once = times("at = \"15s\"\nlasts = \"11s\"");
        assert_eq!(once.around(s(20)), Some((s(15), s(26))));
        assert_eq!(once.around(s(75)), None);
        let again = times("at = \"10s\"\nlasts = \"4s\"\nevery = \"60s\"\nmode = \"refuse\"");
        assert_eq!((again.around(s(71)), again.mode), (Some((s(70), s(74))), OutageMode::Refuse));
        assert_eq!(times("at = \"0\"\nlasts = \"1s\"").around(s(0)), Some((s(0), s(1))));
    }

    #[test]
    fn an_outage_without_a_pause_is_refused() {
        assert!(refused("outage", "at = \"1s\"\nlasts = \"4s\"\nevery = \"4s\"").contains("longer than `lasts`"));
        assert!(refused("outage", "at = \"1s\"").contains("lasts"));
        assert!(refused("outage", "at = \"1\"\nlasts = \"1s\"").contains("no unit"));
    }
}
