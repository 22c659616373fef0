//! Options that choose runs, where they mean the same to several commands; and the moments that people write.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use soundcheck::error::{Error, Operator, Result};
use soundcheck::slo::Calendar;
use std::path::{Path, PathBuf};

/// Whose runs.
#[derive(clap::Args)]
pub struct Whose {
    /// Only runs of this app file
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// Only in this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only of this version of the app
    #[arg(long = "app-version", alias = "version", value_name = "VERSION")]
    pub version: Option<String>,
}

/// Runs of which time, milliseconds since 1970.
#[derive(clap::Args)]
pub struct When {
    /// From this moment on: 2026-11-01 (UTC), an RFC 3339 time, or how long ago: 12h, 7d
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = moment)]
    pub since: i64,
    /// Before this moment
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<i64>,
}

fn moment(text: &str) -> Result<i64, String> {
    moment_in(text, &TimeZone::UTC).map(Timestamp::as_millisecond)
}

/// The file of that name that lies here or in `ci/`, or else the one that ships.
pub fn own_or_shipped(name: &str) -> PathBuf {
    let file = PathBuf::from(name).with_extension("toml");
    [file.clone(), Path::new("ci").join(file)].into_iter().find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// The days before a moment; where none is given, before now.
pub fn calendar(zone: TimeZone, until: Option<&str>) -> Result<Calendar> {
    let until = match until {
        None => Timestamp::now().round(Unit::Second).operator("reading the clock")?,
        Some(text) => moment_in(text, &zone).map_err(|why| Error::author("--until is no moment").remedy(why))?,
    };
    Ok(Calendar::new(zone, until))
}

/// A moment; a time without an offset is this time zone's, and a date is when its day begins there.
fn moment_in(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let ago = |unit: char, hours: i64| Some(text.strip_suffix(unit)?.parse::<u32>().ok()? as i64 * hours * 3_600_000);
    let there = |at: DateTime| at.to_zoned(zone.clone()).map(|at| at.timestamp());
    let moment = match ago('h', 1).or_else(|| ago('d', 24)) {
        Some(ago) => Timestamp::from_millisecond(Timestamp::now().as_millisecond() - ago),
        None => text.parse().or_else(|_| text.parse().and_then(there)),
    };
    moment.map_err(|_| "write 2026-11-01, 2026-11-01T03:17:00Z, 12h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_of_the_time_zone_a_time_or_so_long_ago() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a time zone");
        let said = |text: &str, zone: &TimeZone| moment_in(text, zone).map(|moment| moment.to_string());
        assert_eq!(said("2026-11-23", &TimeZone::UTC).as_deref(), Ok("2026-11-23T00:00:00Z"));
        assert_eq!(said("2026-11-23", &berlin).as_deref(), Ok("2026-11-22T23:00:00Z"));
        assert_eq!(said("2026-11-23T03:17:00+01:00", &berlin).as_deref(), Ok("2026-11-23T02:17:00Z"));
        assert_eq!(said("2026-11-23T03:17", &berlin).as_deref(), Ok("2026-11-23T02:17:00Z"));
        for (text, hours) in [("0h", 0), ("12h", 12), ("7d", 168)] {
            let then = moment(text).expect("a moment");
            let ago = Timestamp::now().as_millisecond() - then;
            assert!((0..60_000).contains(&(ago - hours * 3_600_000)), "{text}: {ago} ms ago");
        }
        // More days than the calendar has.
        for wrong in ["", "yesterday", "h", "-1h", "1.5d", "2026-02-30", "03:17", "4294967295d"] {
            assert!(moment(wrong).is_err_and(|why| why.starts_with("write 2026-11-01")), "{wrong} was taken");
        }
    }
}
