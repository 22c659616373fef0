//! A text message: JSON, or JSON in a frame of socket.io.

use serde_json::Value;
use std::str::FromStr;

/// A place in a message: names, or numbers of a list, with dots between; `*` stands for each of those there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dotted(Vec<String>);

impl FromStr for Dotted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split('.').map(|name| name.trim().to_owned()).collect();
        match names.iter().any(String::is_empty) {
            true => Err(format!("`{text}` is no place in a message")),
            false => Ok(Self(names)),
        }
    }
}

impl Dotted {
    /// All that stands there.
    pub(super) fn all<'v>(&self, message: &'v Value) -> Vec<&'v Value> {
        self.0.iter().fold(vec![message], |at, name| at.into_iter().flat_map(|value| below(value, name)).collect())
    }

    /// What stands there first.
    pub(super) fn of<'v>(&self, message: &'v Value) -> Option<&'v Value> {
        self.all(message).into_iter().next()
    }

    /// What stands there, as text.
    pub(super) fn text(&self, message: &Value) -> Option<String> {
        as_text(self.of(message)?)
    }

    /// What stands there, each a text or a list of them.
    pub(super) fn texts(&self, message: &Value) -> Vec<String> {
        let list = |value: &'_ Value| match value {
            Value::Array(list) => list.iter().filter_map(as_text).collect(),
            one => as_text(one).into_iter().collect::<Vec<_>>(),
        };
        self.all(message).into_iter().flat_map(list).collect()
    }
}

fn below<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    match (value, name) {
        (Value::Array(list), "*") => list.iter().collect(),
        (Value::Object(object), "*") => object.values().collect(),
        (Value::Array(list), number) => number.parse::<usize>().ok().and_then(|n| list.get(n)).into_iter().collect(),
        (at, name) => at.get(name).into_iter().collect(),
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A message, read.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    /// What it says.
    pub message: Value,
    /// The event's name, and the number that its answer will have, or that it answers: socket.io's.
    pub name: Option<String>,
    pub number: Option<u64>,
}

impl Frame {
    /// Reads a message; `None` for one that is no JSON, and for what socket.io says on its own behalf.
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &text[..text.len() - rest.len()];
        if digits.is_empty() {
            return Some(Self { message: serde_json::from_str(text).ok()?, name: None, number: None });
        }
        // `4`: a message of engine.io; `2`: an event, `3`: an answer; then `/place,` where it is not the root's, and a number.
        let number = digits.strip_prefix("42").or_else(|| digits.strip_prefix("43"))?;
        let (digits, rest) = match rest.strip_prefix('/').filter(|_| number.is_empty()) {
            Some(placed) => {
                let (_, placed) = placed.split_once(',')?;
                let rest = placed.trim_start_matches(|c: char| c.is_ascii_digit());
                (&placed[..placed.len() - rest.len()], rest)
            }
            None => (number, rest),
        };
        let parts: Vec<Value> = serde_json::from_str(rest).ok()?;
        let name = parts.first().and_then(Value::as_str).map(str::to_owned);
        let message = parts.into_iter().find(Value::is_object).unwrap_or_default();
        Some(Self { message, name, number: digits.parse().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_json_or_a_frame_of_socket_io() {
        let frame =
            |message, name: Option<&str>, number| Some(Frame { message, name: name.map(str::to_owned), number });
        let message = json!({ "type": "a" });
        for (text, wanted) in [
            (r#"{"type":"a"}"#, frame(message.clone(), None, None)),
            (r#"42["action",{"type":"a"}]"#, frame(message.clone(), Some("action"), None)),
            (r#"4217["action",{"type":"a"}]"#, frame(message.clone(), Some("action"), Some(17))),
            (r#"42/room,17["action",{"type":"a"}]"#, frame(message.clone(), Some("action"), Some(17))),
            (r#"4317[{"type":"a"}]"#, frame(message.clone(), None, Some(17))),
            (r#"43/room,7[{"type":"a"}]"#, frame(message, None, Some(7))),
            (r#"431["late"]"#, frame(Value::Null, Some("late"), Some(1))),
            ("2", None),
            (r#"0{"sid":"x"}"#, None),
            ("40", None),
            ("hello", None),
            ("", None),
            ("42[", None),
        ] {
            assert_eq!(Frame::read(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_place_in_a_message_is_named_with_dots() {
        let message = json!({ "meta": { "id": "a", "ids": ["b", 3, null] }, "empty": "" });
        let at = |place: &str| place.parse::<Dotted>().expect("a place").texts(&message);
        assert_eq!(at("meta.id"), ["a"]);
        assert_eq!(at("meta.ids"), ["b", "3"]);
        assert_eq!(at("meta.ids.0"), ["b"]);
        assert_eq!(at("*.id"), ["a"]);
        assert_eq!(at("meta.ids.*"), ["b", "3"]);
        assert!(at("meta.none").is_empty() && at("empty").is_empty() && at("meta").is_empty());
        assert!("meta..id".parse::<Dotted>().is_err() && "".parse::<Dotted>().is_err());
    }
}
