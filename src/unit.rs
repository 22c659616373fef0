//! Floor 0. Quantities with units and bounds, as files write them: `"2s"`, `"300 ms"`, `"150 MB"`.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
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

/// How far through a film a file leads, seconds: as a [`Time`], with `-` before it where it leads back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead(pub f64);

impl Lead {
    /// Reads `"10s"`, `"-1.5 min"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (times, bare) = text.trim().strip_prefix('-').map_or((1.0, text), |bare| (-1.0, bare));
        let Time(far) = Time::parse(bare)?;
        Ok(Self(times * far.as_secs_f64()))
    }
}

impl<'de> Deserialize<'de> for Lead {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Whole days a file gives: `"28 d"`; at least one, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub u16);

impl Days {
    /// Reads `"28 d"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match split(text)? {
            (days, "d") if days.fract() == 0.0 && (1.0..=366.0).contains(&days) => Ok(Self(days as u16)),
            _ => Err(format!("`{text}` is no window: write whole days, 1 d to 366 d")),
        }
    }

    /// So long in all, of days of 24 hours.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 24 * 3600)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} d", self.0)
    }
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A number of octets a file gives: `B`, `kB`, `MB`, `GB` (decimal), `KiB`, `MiB`, `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    /// Reads `"262144 B"`, `"256 KiB"`, `"1.5 MB"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text)?;
        let times = match unit {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            "" => return Err(format!("`{text}` has no unit: write `{text} B` or `{text} kB`")),
            _ => return Err(format!("unknown unit `{unit}`: write B, kB, MB, GB, KiB, MiB or GiB")),
        };
        let octets = number * times;
        if octets > 1e15 || octets.fract() != 0.0 {
            return Err(format!("`{text}` is out of bounds: a whole number of octets, at most 1000000 GB"));
        }
        Ok(Self(octets as u64))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A rate a file gives, in bits per second: `bit/s`, `kbit/s`, `Mbit/s`, `Gbit/s`, decimal as networks count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub f64);

impl Rate {
    /// Reads `"1600 kbit/s"`, `"5Mbit/s"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text)?;
        let times = match unit {
            "bit/s" => 1.0,
            "kbit/s" => 1e3,
            "Mbit/s" => 1e6,
            "Gbit/s" => 1e9,
            "" => return Err(format!("`{text}` has no unit: write `{text} kbit/s` or `{text} Mbit/s`")),
            _ => return Err(format!("unknown unit `{unit}`: write bit/s, kbit/s, Mbit/s or Gbit/s")),
        };
        let rate = number * times;
        if !(1e3..=1e11).contains(&rate) {
            return Err(format!("`{text}` is out of bounds: 1 kbit/s to 100 Gbit/s; for no rate at all use an outage"));
        }
        Ok(Self(rate))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A share a file gives, from 0 to 1: `"2.5 %"`, or the number itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Share {
    /// Reads `"2.5 %"`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text)?;
        match unit {
            "%" if (0.0..=100.0).contains(&number) => Ok(Self(number / 100.0)),
            "" if (0.0..=1.0).contains(&number) => Ok(Self(number)),
            _ => Err(format!("`{text}` is no share: write \"2.5 %\", or a number from 0 to 1")),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Share;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a share such as \"2.5 %\"")
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Share, E> {
                Share::parse(&n.to_string()).map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Share, E> {
                Share::parse(&n.to_string()).map_err(E::custom)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Share, E> {
                Share::parse(text).map_err(E::custom)
            }
        }
        from.deserialize_any(Written)
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

/// So many of something: `1 play`, `2 plays`.
pub fn many(n: u64, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

/// Milliseconds of a duration, as the events carry them.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// To the hundredth: finer than any clock of a page.
pub fn hundredths(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// To the thousandth.
pub fn thousandths(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
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
    fn a_film_is_led_on_or_back() {
        assert_eq!(Lead::parse("10s"), Ok(Lead(10.0)));
        assert_eq!(Lead::parse(" -1.5 min"), Ok(Lead(-90.0)));
        for bad in ["-", "--1s", "-0s", "- ", "10"] {
            assert!(Lead::parse(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn sizes_rates_and_shares_have_units_and_bounds() {
        assert_eq!(Size::parse("256 KiB"), Ok(Size(262_144)));
        assert_eq!(Size::parse("1.5MB"), Ok(Size(1_500_000)));
        assert_eq!(Size::parse("0 B"), Ok(Size(0)));
        assert_eq!(Rate::parse("1600 kbit/s"), Ok(Rate(1.6e6)));
        assert_eq!(Share::parse("2.5 %"), Ok(Share(0.025)));
        assert_eq!(Share::parse("0.5"), Ok(Share(0.5)));
        for bad in ["5", "0.5 B", "5 KB", "-1 B", "9999999 GB"] {
            assert!(Size::parse(bad).is_err(), "{bad} was taken");
        }
        for bad in ["5", "0 kbit/s", "5 MB/s", "900 bit/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad} was taken");
        }
        for bad in ["101 %", "1.5", "-1 %", "x"] {
            assert!(Share::parse(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn only_one_is_one() {
        assert_eq!([0, 1, 2].map(|n| many(n, "retry", "retries")), ["0 retries", "1 retry", "2 retries"]);
    }

    #[test]
    fn a_ratio_below_one_never_shows_as_a_hundred() {
        assert_eq!(show_percent(0.999_999), "99.999 %");
        assert_eq!(show_percent(1.0), "100 %");
        assert_eq!(show_percent(0.995), "99.5 %");
    }
}
