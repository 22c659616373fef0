//! `rewrite_range`: the server is asked for another part than the client wants, and answers that truly.

use super::seed::Draw;
use super::steps::{ask, set};
use super::{Fault, Range, Request, Step};
use crate::unit::Size;
use serde::Deserialize;

/// How the range is changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewriteRange {
    #[serde(default)]
    shift: i64,
    length: Option<Size>,
    #[serde(default)]
    open: bool,
}

impl RewriteRange {
    fn of(&self, range: Range) -> Range {
        let length = self.length.map(|size| size.0);
        match range {
            Range::From(from, to) => {
                let shifted = |octet: u64| octet.saturating_add_signed(self.shift);
                let from = shifted(from);
                Range::From(
                    from,
                    match length {
                        Some(length) => Some(from.saturating_add(length - 1)),
                        None if self.open => None,
                        None => to.map(shifted),
                    },
                )
            }
            Range::Last(n) => Range::Last(length.unwrap_or(n)),
        }
    }
}

impl Fault for RewriteRange {
    fn check(&self) -> Result<(), String> {
        match (self.shift, self.length, self.open) {
            (_, Some(Size(0)), _) => Err("`length` is 0: a range has at least 1 B".to_owned()),
            (_, Some(_), true) => Err("a range with a `length` is not open: give one of both".to_owned()),
            (0, None, false) => Err("nothing is rewritten: give `shift`, `length`, or `open = true`".to_owned()),
            _ => Ok(()),
        }
    }

    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        let another = request.range.map(|range| (range, self.of(range))).filter(|(old, new)| old != new);
        another.map(|(_, new)| ask(set("Range", new))).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, play, refused};

    #[test]
    fn the_server_is_asked_for_another_part() {
        for (keys, wanted, asked) in [
            ("shift = 10", "bytes=0-", "bytes=10-"),
            ("shift = 10", "bytes=5-9", "bytes=15-19"),
            ("shift = -10", "bytes=5-29", "bytes=0-19"),
            ("length = \"100 B\"", "bytes=5-", "bytes=5-104"),
            ("length = \"100 B\"", "bytes=-5", "bytes=-100"),
            ("open = true", "bytes=5-9", "bytes=5-"),
            ("shift = 1\nopen = true", "bytes=5-9", "bytes=6-"),
        ] {
            let seen = play(&fault("rewrite_range", keys), wanted);
            assert_eq!(seen.asked.as_deref(), Some(asked), "{keys} {wanted}");
            seen.agrees();
        }
        let seen = play(&fault("rewrite_range", "shift = 10"), "bytes=990-");
        assert_eq!((seen.status(), seen.body), (416, vec![]));
        assert_eq!(play(&fault("rewrite_range", "shift = 10"), "bytes=5-9").body, octets(15, 20));
    }

    #[test]
    fn a_request_without_a_range_is_left_alone() {
        for (keys, wanted) in [("shift = 10", ""), ("open = true", "bytes=5-"), ("shift = 1", "bytes=-5")] {
            let seen = play(&fault("rewrite_range", keys), wanted);
            assert_eq!(seen.asked.unwrap_or_default(), wanted);
        }
    }

    #[test]
    fn keys_that_change_nothing_or_too_much_are_refused() {
        for (keys, why) in [
            ("", "nothing is rewritten"),
            ("shift = 0", "nothing is rewritten"),
            ("length = \"0 B\"", "at least 1 B"),
            ("length = \"5 B\"\nopen = true", "one of both"),
            ("shift = \"5 B\"", "i64"),
        ] {
            assert!(refused("rewrite_range", keys).contains(why), "{keys}: {}", refused("rewrite_range", keys));
        }
    }
}
