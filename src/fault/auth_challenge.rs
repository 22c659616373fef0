//! `auth_challenge`: who are you? Firefox without a screen waits for a person on a Basic 401, and its page with it.

use super::seed::Draw;
use super::steps::answer;
use super::{Fault, Request, Step};
use serde::Deserialize;

/// 401 from the server, or 407 from a proxy on the way, and the scheme it asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthChallenge {
    #[serde(default = "unauthorized")]
    code: u16,
    #[serde(default)]
    scheme: Scheme,
}

fn unauthorized() -> u16 {
    401
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Scheme {
    #[default]
    Basic,
    Bearer,
    Digest,
    Negotiate,
}

impl Fault for AuthChallenge {
    fn check(&self) -> Result<(), String> {
        match self.code {
            401 | 407 => Ok(()),
            code => Err(format!("`{code}` asks nobody who they are: 401 or 407")),
        }
    }

    fn request(&self, _: &Request, draw: &Draw) -> Vec<Step> {
        let field = if self.code == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        let challenge = match self.scheme {
            Scheme::Digest => {
                format!("Digest realm=\"fault\", qop=\"auth\", algorithm=SHA-256, nonce=\"{:016x}\"", draw.bits(0))
            }
            // RFC 4559: no realm.
            Scheme::Negotiate => "Negotiate".to_owned(),
            scheme => format!("{scheme:?} realm=\"fault\""),
        };
        let plain = ("Content-Type", "text/plain; charset=utf-8".to_owned());
        answer(self.code, [(field, challenge), plain], format!("{}\n", self.code))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::super::playbook::{fault, on_request, refused};

    fn challenge(keys: &str) -> (u16, String) {
        let steps = on_request(&fault("auth_challenge", keys), "GET / HTTP/1.1");
        match &steps[0].action {
            Action::Answer(answer) => (answer.status, format!("{}: {}", answer.fields[0].0, answer.fields[0].1)),
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn a_server_and_a_proxy_ask_in_their_own_fields() {
        assert_eq!(challenge(""), (401, "WWW-Authenticate: Basic realm=\"fault\"".to_owned()));
        let (code, field) = challenge("code = 407\nscheme = \"Digest\"");
        assert!(
            code == 407 && field.starts_with("Proxy-Authenticate: Digest realm=") && field.contains("nonce"),
            "{field}"
        );
        assert_eq!(challenge("scheme = \"Negotiate\"").1, "WWW-Authenticate: Negotiate");
    }

    #[test]
    fn other_codes_and_schemes_are_refused() {
        assert!(refused("auth_challenge", "code = 403").contains("401 or 407"));
        assert!(refused("auth_challenge", "scheme = \"NTLM\"").contains("NTLM"));
    }
}
