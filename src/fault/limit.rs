//! `limit`: a connection carries so many octets and no more, as some firewalls and quotas have it.

use super::seed::Draw;
use super::{Action, Cut, Fault, Point, Request, Step, at};
use crate::unit::Size;
use serde::Deserialize;

/// How many, heads included, and how it ends then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    bytes: Size,
    #[serde(default = "close_it")]
    how: Cut,
}

fn close_it() -> Cut {
    Cut::Fin
}

impl Limit {
    fn steps(&self) -> Vec<Step> {
        vec![at(Point::Sent(self.bytes.0), Action::Cut(self.how))]
    }
}

impl Fault for Limit {
    fn check(&self) -> Result<(), String> {
        match (self.bytes.0, self.how) {
            (0, _) => Err("a limit of 0 octets: use `reset` or `close` at before_request".to_owned()),
            (_, Cut::Silence) => Err("unknown `how`: write close or reset; for silence use `stall`".to_owned()),
            _ => Ok(()),
        }
    }

    fn accept(&self, _: &Draw) -> Vec<Step> {
        self.steps()
    }

    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        self.steps()
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{draw, fault, on_request, refused};
    use super::*;

    #[test]
    fn it_counts_for_the_connection_or_from_a_request_on() {
        let it = fault("limit", "bytes = \"200 kB\"\nhow = \"reset\"");
        assert_eq!(it.accept(&draw()), [at(Point::Sent(200_000), Action::Cut(Cut::Rst))]);
        assert_eq!(on_request(&it, "GET / HTTP/1.1"), it.accept(&draw()));
        let gently = fault("limit", "bytes = \"1 B\"");
        assert_eq!(gently.accept(&draw()), [at(Point::Sent(1), Action::Cut(Cut::Fin))]);
    }

    #[test]
    fn none_at_all_and_other_ends_are_refused() {
        assert!(refused("limit", "bytes = \"0 B\"").contains("before_request"));
        assert!(refused("limit", "bytes = \"1 kB\"\nhow = \"silence\"").contains("use `stall`"));
        assert!(refused("limit", "bytes = \"1 kB\"\nhow = \"bang\"").contains("bang"));
    }
}
