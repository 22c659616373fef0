//! `replace`: something else comes instead, and says it is fine: a captive portal's page, an empty file.

use super::field::Value;
use super::seed::Draw;
use super::steps::answer;
use super::{Fault, Request, Step};
use serde::Deserialize;

/// What comes, and what it is said to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    with: String,
    #[serde(rename = "type")]
    kind: Option<Value>,
}

const PORTAL: &str = "<!doctype html>\n<title>Sign in</title>\n<p>Sign in to use this network.</p>\n";

impl Fault for Replace {
    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        let (body, usual) = match self.with.as_str() {
            "html" => (PORTAL, "text/html; charset=utf-8"),
            "empty" => ("", "application/octet-stream"),
            text => (text, "text/plain; charset=utf-8"),
        };
        let kind = self.kind.as_ref().map_or(usual, |kind| &kind.0);
        answer(200, [("Content-Type", kind.to_owned())], body)
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, refused};
    use super::super::{Action, Answer};

    fn replaced(keys: &str) -> Answer {
        match on_request(&fault("replace", keys), "GET /v.mp4 HTTP/1.1\nRange: bytes=5-").remove(0).action {
            Action::Answer(answer) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn a_portal_nothing_or_a_text_comes_with_200() {
        for (keys, begins, kind) in [
            ("with = \"html\"", "<!doctype", "text/html; charset=utf-8"),
            ("with = \"html\"\ntype = \"video/mp4\"", "<!doctype", "video/mp4"),
            ("with = \"empty\"", "", "application/octet-stream"),
            ("with = \"#EXTM3U\"", "#EXTM3U", "text/plain; charset=utf-8"),
        ] {
            let answer = replaced(keys);
            assert_eq!((answer.status, answer.fields[0].1.as_str()), (200, kind), "{keys}");
            assert!(answer.body.starts_with(begins.as_bytes()), "{keys}");
        }
        assert!(replaced("with = \"empty\"").body.is_empty());
    }

    #[test]
    fn a_type_of_two_lines_is_refused() {
        assert!(refused("replace", "with = \"html\"\ntype = \"a\\nb\"").contains("one line"));
        assert!(refused("replace", "").contains("with"));
    }
}
