//! Floor 0. Quantities with units and bounds, as files write them: `"2s"`, `"300 ms"`, `"150 MB"`.

use serde::{Deserialize, Deserializer, de::Error as _};
use std::time::Duration;

/// A span of time a file gives: `ms`, `s`, `min` or `h`; more than zero, at most a week.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub Duration);

const WEEK_S: f64 = 7.0 * 24.0 * 3600.0;

impl Time {
    /// Reads `"2s"`, `"300 ms"`, `"1.5 min"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text)?;
        let seconds = match unit {
            "ms" => number / 1000.0,
            "s" => number,
            "min" => number * 60.0,
            "h" => number * 3600.0,
            "" => return Err(format!("`{text}` has no unit: write `{text}s` or `{text}ms`")),
            _ => return Err(format!("unknown unit `{unit}`: write ms, s, min or h")),
        };
        if seconds <= 0.0 || seconds > WEEK_S {
            return Err(format!("`{text}` is out of bounds: more than 0, at most 168h"));
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse::<f64>().map_err(|_| format!("`{text}` is not a number with a unit"))?;
    Ok((number, text[end..].trim()))
}

/// Milliseconds for people: `87 ms`, `1.24 s`, `3.5 min`.
pub fn show_ms(ms: f64) -> String {
    match ms {
        _ if ms.is_infinite() => "never".to_owned(),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ if ms < 120_000.0 => format!("{:.2} s", ms / 1000.0),
        _ => format!("{:.1} min", ms / 60_000.0),
    }
}

/// A ratio as per cent, with as many decimals as it needs and at most three, never rounded up to 100.
pub fn show_percent(ratio: f64) -> String {
    let floored = (ratio * 100_000.0 + 1e-7).floor() / 1000.0;
    format!("{floored} %")
}

/// Milliseconds of a duration, as the events carry them.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit_and_a_sane_size() {
        assert_eq!(Time::parse("2s"), Ok(Time(Duration::from_secs(2))));
        assert_eq!(Time::parse("300 ms"), Ok(Time(Duration::from_millis(300))));
        assert_eq!(Time::parse("1.5min"), Ok(Time(Duration::from_secs(90))));
        for bad in ["2", "", "s", "0s", "2 parsecs", "-1s", "1e9h", "999h", "1.2.3s"] {
            assert!(Time::parse(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_ratio_below_one_never_shows_as_a_hundred() {
        assert_eq!(show_percent(0.999_999), "99.999 %");
        assert_eq!(show_percent(1.0), "100 %");
        assert_eq!(show_percent(0.995), "99.5 %");
    }
}
