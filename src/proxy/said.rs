//! What an app tells of itself by POST or beacon: its own events, read from a copy of the request's body.

use super::body::{Kind, Track};
use crate::fault::head::Body;
use serde_json::{Map, Value};

/// Octets of a body that are kept; of a longer one only that it came is told.
const MOST: usize = 256 * 1024;

/// The copy, filled while the body passes.
pub(super) struct Said {
    track: Track,
    octets: Vec<u8>,
    too_long: bool,
}

impl Said {
    /// Nothing yet, of a body that ends so.
    pub(super) fn new(body: Body) -> Self {
        Self { track: Track::new(body), octets: Vec::new(), too_long: false }
    }

    /// These octets pass. What breaks the body's framing is told elsewhere.
    pub(super) fn passes(&mut self, wire: &[u8]) {
        let mut rest = wire;
        while !rest.is_empty() && !self.too_long {
            let Ok((n @ 1.., kind)) = self.track.step(rest) else { return };
            if kind == Kind::Payload {
                self.too_long = self.octets.len() + n > MOST;
                self.octets.extend_from_slice(&rest[..n.min(MOST - self.octets.len())]);
            }
            rest = &rest[n..];
        }
    }

    /// Whether nothing more is wanted of it: all of it came, or too much.
    pub(super) fn is_whole(&self) -> bool {
        self.too_long || self.track.done()
    }

    /// The events in it: `{"events": [...]}`, a list, or an object a line. `None`: it is nothing of the kind, or did not
    /// come whole.
    pub(super) fn events(&self) -> Option<Vec<Map<String, Value>>> {
        if self.too_long || !self.track.done() {
            return None;
        }
        let listed = match serde_json::from_slice(&self.octets) {
            Ok(Value::Object(mut batch)) => match batch.remove("events") {
                Some(Value::Array(events)) => events,
                Some(_) => return None,
                None => vec![Value::Object(batch)],
            },
            Ok(Value::Array(events)) => events,
            Ok(_) => return None,
            Err(_) => {
                let lines = self.octets.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
                lines.map(serde_json::from_slice).collect::<Result<_, _>>().ok()?
            }
        };
        let objects = listed.into_iter().map(|event| match event {
            Value::Object(event) => Some(event),
            _ => None,
        });
        objects.collect()
    }

    /// How long it is, as far as it was kept.
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Option<Vec<String>> {
        let mut said = Said::new(Body::Length(body.len() as u64));
        body.as_bytes().chunks(3).for_each(|part| said.passes(part));
        let name = |event: Map<String, Value>| event["event"].as_str().expect("a name").to_owned();
        said.events().map(|events| events.into_iter().map(name).collect())
    }

    #[test]
    fn a_batch_a_list_and_lines_are_read() {
        let wanted = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(names(r#"{"events":[{"event":"a"},{"event":"b"}]}"#), wanted);
        assert_eq!(names(r#"[{"event":"a"},{"event":"b"}]"#), wanted);
        assert_eq!(names("{\"event\":\"a\"}\n{\"event\":\"b\"}\n"), wanted);
        assert_eq!(names(r#"{"event":"a"}"#), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn what_is_no_event_is_none() {
        for body in ["", "x", "3", "[1]", r#"{"events":3}"#, r#"{"events":["a"]}"#, "{\"event\":\"a\"}\n{"] {
            assert_eq!(names(body), if body.is_empty() { Some(Vec::new()) } else { None }, "{body}");
        }
    }

    #[test]
    fn chunks_are_put_together_and_a_long_body_is_not_kept() {
        let mut said = Said::new(Body::Chunked);
        said.passes(b"5\r\n{\"eve\r\n9\r\nnt\":\"a\"} \r\n");
        assert!(!said.is_whole() && said.events().is_none(), "its end is still to come");
        said.passes(b"0\r\n\r\n");
        assert_eq!((said.events().map(|e| e.len()), said.len()), (Some(1), 14));
        let mut long = Said::new(Body::Length(1 << 30));
        let part = vec![b' '; 100_000];
        (0..9).for_each(|_| long.passes(&part));
        assert_eq!((long.events(), long.len()), (None, MOST));
    }
}
