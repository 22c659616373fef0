//! `redirect`: go elsewhere, or round in a circle.

use super::field::Value;
use super::seed::Draw;
use super::steps::answer;
use super::{Fault, Request, Step};
use serde::Deserialize;

/// Where to; `{url}` stands for the request's own path and query: `{url}` alone is a loop, `https://b.example{url}`
/// the same at another origin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    #[serde(default = "found")]
    code: u16,
    to: Value,
}

fn found() -> u16 {
    302
}

impl Fault for Redirect {
    fn check(&self) -> Result<(), String> {
        match self.code {
            301 | 302 | 303 | 307 | 308 if self.to.0.is_empty() => Err("`to` is empty: where to?".to_owned()),
            301 | 302 | 303 | 307 | 308 => Ok(()),
            code => Err(format!("`{code}` is no redirect: 301, 302, 303, 307 or 308")),
        }
    }

    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        answer(self.code, [("Location", self.to.0.replace("{url}", request.target))], "")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::super::playbook::{fault, on_request, refused};

    fn location(keys: &str) -> (u16, String) {
        let steps = on_request(&fault("redirect", keys), "GET /v.mp4?a=b HTTP/1.1");
        match &steps[0].action {
            Action::Answer(answer) => (answer.status, answer.fields[0].1.clone()),
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_sent_elsewhere_or_to_itself() {
        assert_eq!(location("to = \"{url}\""), (302, "/v.mp4?a=b".to_owned()));
        let keys = "code = 307\nto = \"https://b.example{url}\"";
        assert_eq!(location(keys), (307, "https://b.example/v.mp4?a=b".to_owned()));
    }

    #[test]
    fn what_is_no_redirect_is_refused() {
        assert!(refused("redirect", "to = \"/\"\ncode = 304").contains("308"));
        assert!(refused("redirect", "to = \"\"").contains("where to"));
        assert!(refused("redirect", "to = \"/\\r\\na: b\"").contains("one line"));
        assert!(refused("redirect", "").contains("to"));
    }
}
