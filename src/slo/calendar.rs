//! The calendar days up to a moment, as a time zone has them: some are of 23 hours, some of 25.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The days up to a moment.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    until: Timestamp,
    last: Date,
    over: bool,
}

impl Calendar {
    /// The days of a time zone before this moment.
    pub fn new(zone: TimeZone, until: Timestamp) -> Self {
        let before = Timestamp::from_millisecond(until.as_millisecond().saturating_sub(1)).unwrap_or(until);
        let last = before.to_zoned(zone.clone()).date();
        let over = last.tomorrow().ok().and_then(|next| starts(next, &zone)).is_some_and(|next| next <= until);
        Self { zone, until, last, over }
    }

    /// The moment.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The time zone's name.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The day the moment ends, or falls into.
    pub fn last(&self) -> Date {
        self.last
    }

    /// Whether the last day is over at that moment.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The last so many days, oldest first.
    pub fn days(&self, n: usize) -> Vec<Date> {
        (0..n).rev().map(|back| before(self.last, back)).collect()
    }

    /// The day of a moment, milliseconds since 1970; `None`: it is not before the calendar's own.
    pub fn day(&self, ms: i64) -> Option<Date> {
        let moment = Timestamp::from_millisecond(ms).ok().filter(|m| *m < self.until)?;
        Some(moment.to_zoned(self.zone.clone()).date())
    }

    /// When a day begins, milliseconds since 1970.
    pub fn starts(&self, day: Date) -> i64 {
        starts(day, &self.zone).map_or(i64::MIN, Timestamp::as_millisecond)
    }
}

fn starts(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.to_zoned(zone.clone()).ok()?.timestamp())
}

/// So many days earlier.
pub(super) fn before(day: Date, days: usize) -> Date {
    day.saturating_sub(Span::new().days(i64::try_from(days).unwrap_or(i64::MAX).min(100_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn berlin(until: &str) -> Calendar {
        Calendar::new(TimeZone::get("Europe/Berlin").expect("a time zone"), at(until))
    }

    #[test]
    fn a_day_is_as_long_as_its_time_zone_makes_it() {
        // The clocks go back on 25 October 2026 and forward on 28 March 2027.
        for (day, hours) in [("2026-10-25", 25), ("2026-10-26", 24), ("2027-03-28", 23)] {
            let calendar = berlin("2027-06-01T00:00:00Z");
            let day: Date = day.parse().expect("a day");
            let (begins, ends) = (calendar.starts(day), calendar.starts(day.tomorrow().expect("a day")));
            assert_eq!(ends - begins, hours * 3_600_000, "{day}");
            assert_eq!((calendar.day(begins), calendar.day(ends - 1)), (Some(day), Some(day)));
            assert_ne!(calendar.day(begins - 1), Some(day));
            // At its last millisecond it is not over; at the next midnight it is.
            let until = |ms| Calendar::new(calendar.zone.clone(), Timestamp::from_millisecond(ms).expect("a moment"));
            assert!(until(ends).is_over() && until(ends).last() == day);
            assert!(!until(ends - 1).is_over() && until(ends - 1).last() == day);
        }
    }

    #[test]
    fn what_comes_later_has_no_day() {
        let calendar = berlin("2026-11-22T22:30:00Z");
        assert_eq!(calendar.last().to_string(), "2026-11-22");
        assert_eq!(calendar.day(at("2026-11-21T23:00:00Z").as_millisecond()), Some(calendar.last()));
        assert_eq!(calendar.day(at("2026-11-22T22:30:00Z").as_millisecond()), None);
        assert_eq!((calendar.day(i64::MAX), calendar.day(i64::MIN)), (None, None));
        let days: Vec<String> = calendar.days(3).iter().map(Date::to_string).collect();
        assert_eq!(days, ["2026-11-20", "2026-11-21", "2026-11-22"]);
    }
}
