//! `reset`, `close`, `stall`: connections that end, or fall silent, when they should not.

use super::seed::Draw;
use super::steps::has_octet;
use super::{Action, Cut, Fault, Made, Point, Request, Response, Step, at};
use crate::unit::{Size, Time};
use serde::Deserialize;
use std::sync::Arc;

/// Where it ends: `before_request` (no request is sent on), `before_headers` (the server has answered, the client sees
/// nothing of it), `after_headers`, or after so many octets of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Place {
    Request,
    Head,
    Body(u64),
}

impl TryFrom<String> for Place {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "before_request" => Ok(Place::Request),
            "before_headers" => Ok(Place::Head),
            "after_headers" => Ok(Place::Body(0)),
            size => match Size::parse(size) {
                Ok(octets) => Ok(Place::Body(octets.0)),
                Err(e) => Err(format!("{e}; or before_request, before_headers, after_headers")),
            },
        }
    }
}

fn after_headers() -> Place {
    Place::Body(0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default = "after_headers")]
    at: Place,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StallKeys {
    #[serde(default = "after_headers")]
    at: Place,
    lasts: Option<Time>,
}

/// One action at one place.
#[derive(Debug)]
struct Placed {
    at: Place,
    action: Action,
}

/// `reset`: RST.
pub fn reset(keys: toml::Table) -> Made {
    let Keys { at } = keys.try_into()?;
    Ok(Arc::new(Placed { at, action: Action::Cut(Cut::Rst) }))
}

/// `close`: FIN.
pub fn close(keys: toml::Table) -> Made {
    let Keys { at } = keys.try_into()?;
    Ok(Arc::new(Placed { at, action: Action::Cut(Cut::Fin) }))
}

/// `stall`: silence, for a while or for ever.
pub fn stall(keys: toml::Table) -> Made {
    let StallKeys { at, lasts } = keys.try_into()?;
    Ok(Arc::new(Placed { at, action: lasts.map_or(Action::Cut(Cut::Silence), |t| Action::Wait(t.0)) }))
}

impl Fault for Placed {
    /// Where no request in particular is meant, "before the request" is as soon as a connection is there.
    fn accept(&self, _: &Draw) -> Vec<Step> {
        if self.at == Place::Request { vec![at(Point::Accept, self.action.clone())] } else { Vec::new() }
    }

    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        if self.at == Place::Request { vec![at(Point::Request, self.action.clone())] } else { Vec::new() }
    }

    fn response(&self, request: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        match self.at {
            Place::Head => vec![at(Point::Head, self.action.clone())],
            Place::Body(n) if n == 0 || has_octet(request, response, n) => {
                vec![at(Point::Body(n), self.action.clone())]
            }
            Place::Request | Place::Body(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{draw, fault, on_request, on_response, refused};
    use super::*;
    use std::time::Duration;

    const GET: &str = "GET /v.mp4 HTTP/1.1";

    #[test]
    fn it_ends_where_it_is_told_to() {
        let (rst, fin, silence) = (Action::Cut(Cut::Rst), Action::Cut(Cut::Fin), Action::Cut(Cut::Silence));
        for (name, keys, point, action) in [
            ("reset", "", Point::Body(0), &rst),
            ("reset", "at = \"before_headers\"", Point::Head, &rst),
            ("close", "at = \"after_headers\"", Point::Body(0), &fin),
            ("close", "at = \"1 kB\"", Point::Body(1000), &fin),
            ("stall", "at = \"1 kB\"", Point::Body(1000), &silence),
            ("stall", "at = \"1 kB\"\nlasts = \"5s\"", Point::Body(1000), &Action::Wait(Duration::from_secs(5))),
        ] {
            let it = fault(name, keys);
            let steps = on_response(&it, GET, "HTTP/1.1 200 OK\nContent-Length: 1001");
            assert_eq!(steps, [at(point, action.clone())], "{name} {keys}");
            assert_eq!((it.accept(&draw()), on_request(&it, GET)), (vec![], vec![]), "{name} {keys}");
        }
    }

    #[test]
    fn before_the_request_nothing_is_sent_on() {
        let it = fault("reset", "at = \"before_request\"");
        assert_eq!(on_request(&it, GET), [at(Point::Request, Action::Cut(Cut::Rst))]);
        assert_eq!(it.accept(&draw()), [at(Point::Accept, Action::Cut(Cut::Rst))]);
        assert_eq!(on_response(&it, GET, "HTTP/1.1 200 OK\nContent-Length: 5"), []);
    }

    #[test]
    fn a_body_that_does_not_get_so_far_is_left_alone() {
        let it = fault("reset", "at = \"1 kB\"");
        for response in ["HTTP/1.1 200 OK\nContent-Length: 1000", "HTTP/1.1 204 No Content"] {
            assert_eq!(on_response(&it, GET, response), [], "{response}");
        }
        assert_eq!(on_response(&it, "HEAD /v.mp4 HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 5000"), []);
        for response in ["HTTP/1.1 200 OK\nTransfer-Encoding: chunked", "HTTP/1.1 200 OK"] {
            assert_eq!(on_response(&it, GET, response).len(), 1, "{response}: its length is not known");
        }
        let headers_only = fault("reset", "at = \"after_headers\"");
        assert_eq!(on_response(&headers_only, GET, "HTTP/1.1 204 No Content").len(), 1);
    }

    #[test]
    fn keys_out_of_bounds_are_refused() {
        for (name, keys, why) in [
            ("reset", "at = \"soon\"", "before_headers"),
            ("close", "when = \"1 kB\"", "unknown field"),
            ("reset", "lasts = \"1s\"", "unknown field"),
        ] {
            assert!(refused(name, keys).contains(why), "{name} {keys}: {}", refused(name, keys));
        }
    }
}
