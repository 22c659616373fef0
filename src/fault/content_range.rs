//! `content_range_missing`, `content_range_shift`, `total`: the body is right, its `Content-Range` is not.

use super::seed::Draw;
use super::steps::{part, remove, set, tell};
use super::{ContentRange, Fault, Request, Response, Step};
use serde::Deserialize;

/// `content_range_missing`: a 206 that does not say which part it is. Chromium takes it for an error, Firefox plays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {}

impl Fault for Missing {
    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        part(response).map(|_| tell(remove("Content-Range"))).into_iter().collect()
    }
}

/// `content_range_shift`: it says another part than it is. Behind the file's end no part can lie: there it is cut.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    by: i64,
}

impl Fault for Shift {
    fn check(&self) -> Result<(), String> {
        if self.by == 0 { Err("shifted by 0 octets is right".to_owned()) } else { Ok(()) }
    }

    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let shifted = part(response).and_then(|is| {
            let first = is.first.checked_add_signed(self.by)?;
            let last = is.last.checked_add_signed(self.by)?;
            let last = is.total.map_or(last, |total| last.min(total.saturating_sub(1)));
            (first <= last).then_some(ContentRange { first, last, total: is.total })
        });
        shifted.map(|told| tell(set("Content-Range", told))).into_iter().collect()
    }
}

/// `total`: the whole file's length is wrong by so many octets, or (`"*"`) is not told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Total {
    off: Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
enum Off {
    By(i64),
    Untold,
}

impl TryFrom<toml::Value> for Off {
    type Error = String;
    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(0) => Err("`off = 0` is the true total".to_owned()),
            toml::Value::Integer(by) => Ok(Off::By(by)),
            toml::Value::String(star) if star == "*" => Ok(Off::Untold),
            other => Err(format!("`{other}` is neither a number of octets nor \"*\"")),
        }
    }
}

impl Fault for Total {
    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let another = part(response).and_then(|is| {
            let true_total = is.total?;
            let total = match self.off {
                Off::By(by) => Some(true_total.checked_add_signed(by)?),
                Off::Untold => None,
            };
            Some(ContentRange { total, ..is })
        });
        another.map(|told| tell(set("Content-Range", told))).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_response, play, refused};

    /// What is told of the part 500-599 of 1000 octets, whose body stays right.
    fn told(name: &str, keys: &str, range: &str) -> String {
        let seen = play(&fault(name, keys), range);
        assert_eq!((seen.status(), seen.asked.as_deref()), (206, Some(range)));
        assert!(octets(0, 1000).windows(seen.body.len()).any(|part| part == seen.body));
        seen.field("content-range").to_owned()
    }

    #[test]
    fn only_the_field_is_wrong() {
        for (name, keys, range, field) in [
            ("content_range_missing", "", "bytes=500-599", ""),
            ("content_range_shift", "by = 7", "bytes=500-599", "bytes 507-606/1000"),
            ("content_range_shift", "by = -7", "bytes=500-599", "bytes 493-592/1000"),
            ("content_range_shift", "by = 7", "bytes=500-", "bytes 507-999/1000"),
            ("total", "off = 5", "bytes=500-599", "bytes 500-599/1005"),
            ("total", "off = -5", "bytes=500-599", "bytes 500-599/995"),
            ("total", "off = \"*\"", "bytes=500-599", "bytes 500-599/*"),
        ] {
            assert_eq!(told(name, keys, range), field, "{name} {keys}");
        }
    }

    #[test]
    fn whole_files_and_parts_of_nothing_known_are_left_alone() {
        let alone = |name: &str, keys: &str, response: &str| {
            assert_eq!(on_response(&fault(name, keys), "GET / HTTP/1.1", response), [], "{name} {keys} {response}");
        };
        for (name, keys) in [("content_range_missing", ""), ("content_range_shift", "by = 7"), ("total", "off = 5")] {
            alone(name, keys, "HTTP/1.1 200 OK\nContent-Length: 5");
            alone(name, keys, "HTTP/1.1 206 Partial Content\nContent-Type: multipart/byteranges; boundary=x");
            alone(name, keys, "HTTP/1.1 416 Range Not Satisfiable\nContent-Range: bytes */5");
        }
        alone("content_range_shift", "by = -7", "HTTP/1.1 206 x\nContent-Range: bytes 0-5/9");
        alone("content_range_shift", "by = 9", "HTTP/1.1 206 x\nContent-Range: bytes 0-5/9");
        alone("total", "off = \"*\"", "HTTP/1.1 206 x\nContent-Range: bytes 0-5/*");
    }

    #[test]
    fn what_would_be_right_is_refused() {
        assert!(refused("content_range_shift", "by = 0").contains("is right"));
        assert!(refused("total", "off = 0").contains("true total"));
        assert!(refused("total", "off = \"many\"").contains("neither"));
        assert!(refused("content_range_missing", "by = 1").contains("by"));
    }
}
