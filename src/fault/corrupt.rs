//! `corrupt`: octets of a file are wrong, and nothing about it tells.

use super::head::Body;
use super::seed::Draw;
use super::steps::{body, has_octet, is_file};
use super::{Action, Fault, Mangle, Point, Request, Response, Step, at};
use crate::unit::Size;
use serde::Deserialize;

/// How, and between which octets of the whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    #[serde(default)]
    how: How,
    every: Option<Size>,
    #[serde(default = "start")]
    from: Size,
    to: Option<Size>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Flip,
    Zero,
    Random,
    Swap,
}

fn start() -> Size {
    Size(0)
}

impl Fault for Corrupt {
    fn check(&self) -> Result<(), String> {
        match (self.how, self.every) {
            (_, Some(Size(0))) => Err("`every` is 0: every octet is `1 B`".to_owned()),
            (How::Zero | How::Random | How::Swap, Some(_)) => Err("`every` is for `how = \"flip\"` only".to_owned()),
            _ if self.to.is_some_and(|to| to.0 <= self.from.0) => {
                Err("nothing lies between `from` and `to`".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        if !is_file(response) || body(request, response) == Body::Empty {
            return Vec::new();
        }
        // Of a part, the body's octets begin later in the file.
        let first = response.range.map_or(0, |part| part.first);
        let from = self.from.0.saturating_sub(first);
        let to = self.to.map_or(u64::MAX, |to| to.0.saturating_sub(first));
        if from >= to || !has_octet(request, response, from) {
            return Vec::new();
        }
        let how = match self.how {
            How::Flip => Mangle::Flip { every: self.every.map_or(10_000, |size| size.0) },
            How::Zero => Mangle::Zero,
            How::Random => Mangle::Random,
            How::Swap => Mangle::Swap,
        };
        vec![at(Point::Body(from), Action::Mangle { to, how, first })]
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, octets, on_response, play, refused};
    use super::*;

    /// Which octets of the file differ.
    fn wrong(keys: &str, range: &str, from: u64) -> Vec<u64> {
        let seen = play(&fault("corrupt", keys), range);
        seen.agrees();
        let right = octets(from, from + seen.body.len() as u64);
        (from..).zip(right.iter().zip(&seen.body)).filter(|(_, (a, b))| a != b).map(|(number, _)| number).collect()
    }

    #[test]
    fn only_octets_between_from_and_to_are_wrong() {
        assert_eq!(
            wrong("how = \"zero\"\nfrom = \"500 B\"\nto = \"510 B\"", "", 0),
            (500..510).filter(|n| n % 251 != 0).collect::<Vec<_>>()
        );
        assert_eq!(wrong("every = \"100 B\"\nfrom = \"250 B\"", "", 0), [300, 400, 500, 600, 700, 800, 900]);
        assert!(wrong("how = \"random\"\nfrom = \"900 B\"", "", 0).iter().all(|n| *n >= 900));
    }

    #[test]
    fn of_a_part_the_same_octets_of_the_file_are_wrong() {
        let keys = "how = \"zero\"\nfrom = \"500 B\"\nto = \"502 B\"";
        for (range, from) in [("bytes=0-", 0), ("bytes=490-", 490), ("bytes=490-509", 490)] {
            assert_eq!(wrong(keys, range, from), [500, 501], "{range}");
        }
        for how in ["every = \"100 B\"", "how = \"random\""] {
            let whole = wrong(how, "", 0);
            for from in [1, 490] {
                let part = wrong(how, &format!("bytes={from}-"), from);
                assert_eq!(part, whole.iter().copied().filter(|n| *n >= from).collect::<Vec<_>>(), "{how} from {from}");
            }
        }
        assert_eq!(wrong(keys, "bytes=501-", 501), [501]);
        assert_eq!(wrong(keys, "bytes=502-", 502), [0; 0]);
        assert_eq!(wrong(keys, "bytes=0-499", 0), [0; 0]);
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let it = fault("corrupt", "");
        for response in ["HTTP/1.1 404 x\nContent-Length: 9", "HTTP/1.1 304 x", "HTTP/1.1 200 OK\nContent-Length: 0"] {
            assert_eq!(on_response(&it, "GET / HTTP/1.1", response), [], "{response}");
        }
        let swap = on_response(&fault("corrupt", "how = \"swap\""), "GET / HTTP/1.1", "HTTP/1.1 200 OK");
        assert_eq!(swap, [at(Point::Body(0), Action::Mangle { to: u64::MAX, how: Mangle::Swap, first: 0 })]);
    }

    #[test]
    fn steps_of_zero_and_empty_spans_are_refused() {
        assert!(refused("corrupt", "every = \"0 B\"").contains("1 B"));
        assert!(refused("corrupt", "how = \"zero\"\nevery = \"5 B\"").contains("flip"));
        assert!(refused("corrupt", "from = \"5 B\"\nto = \"5 B\"").contains("nothing lies between"));
        assert!(refused("corrupt", "how = \"melt\"").contains("melt"));
    }
}
