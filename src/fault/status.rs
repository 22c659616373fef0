//! `status`: the server is not asked; an error comes in its place.

use super::seed::Draw;
use super::steps::answer;
use super::{Fault, Request, Step};
use crate::unit::Time;
use serde::Deserialize;

/// Which status, and what comes with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    code: u16,
    body: Option<String>,
    retry_after: Option<Time>,
}

impl Fault for Status {
    fn check(&self) -> Result<(), String> {
        match self.code {
            206 => Err("a 206 has a range of something: use the range faults".to_owned()),
            204 | 205 | 304 if self.body.is_some() => Err(format!("a {} has no body", self.code)),
            200..=599 => Ok(()),
            code => Err(format!("`{code}` is no status of a final response: 200 to 599")),
        }
    }

    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        let body = match (&self.body, self.code) {
            (Some(body), _) => body.clone(),
            (None, 204 | 205 | 304) => return answer(self.code, [], ""),
            (None, code) => format!("{code}\n"),
        };
        let plain = ("Content-Type", "text/plain; charset=utf-8".to_owned());
        match self.retry_after {
            // Whole seconds, and not sooner than was said.
            Some(Time(wait)) => {
                answer(self.code, [plain, ("Retry-After", wait.as_secs_f64().ceil().to_string())], body)
            }
            None => answer(self.code, [plain], body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, refused};
    use super::super::{Action, Answer, Point};
    use super::*;

    fn answered(keys: &str) -> Answer {
        let steps = on_request(&fault("status", keys), "GET / HTTP/1.1");
        match steps.as_slice() {
            [Step { at: Point::Request, action: Action::Answer(answer) }] => answer.clone(),
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn the_answer_says_when_to_come_again() {
        let answer = answered("code = 503\nretry_after = \"1.2s\"\nbody = \"later\"");
        assert_eq!((answer.status, answer.body.as_slice()), (503, &b"later"[..]));
        assert!(answer.fields.contains(&("Retry-After".to_owned(), "2".to_owned())), "{answer:?}");
    }

    #[test]
    fn no_answer_is_kept_and_a_204_is_empty() {
        for (keys, body) in [("code = 410", "410\n"), ("code = 204", ""), ("code = 304", "")] {
            let answer = answered(keys);
            assert_eq!(answer.body, body.as_bytes(), "{keys}");
            assert!(answer.fields.contains(&("Cache-Control".to_owned(), "no-store".to_owned())), "{keys}");
        }
    }

    #[test]
    fn codes_out_of_bounds_are_refused() {
        for (keys, why) in [
            ("code = 600", "200 to 599"),
            ("code = 100", "200 to 599"),
            ("code = 206", "range faults"),
            ("code = 204\nbody = \"x\"", "no body"),
            ("code = 70000", "u16"),
            ("", "code"),
        ] {
            assert!(refused("status", keys).contains(why), "{keys}: {}", refused("status", keys));
        }
    }
}
