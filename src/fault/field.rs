//! Names and values of header fields, as profiles write them: what would break a message's framing is refused.

use serde::Deserialize;

/// A field's name. Those that frame a body are not had by it: there are faults of their own for them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub String);

/// A field's value: one line without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Value(pub String);

impl TryFrom<String> for Name {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        // RFC 9110, 5.6.2: a token.
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("`{name}` is no name of a header field"));
        }
        if ["content-length", "transfer-encoding"].iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            return Err(format!("`{name}` says where a body ends: use content_length or chunked"));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for Value {
    type Error = String;
    fn try_from(value: String) -> Result<Self, String> {
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err("a header field's value is one line without control characters".to_owned());
        }
        Ok(Self(value.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_head_is_refused() {
        for bad in ["", "a b", "a:", "é", "Content-Length", "transfer-encoding", "a\r\n"] {
            assert!(Name::try_from(bad.to_owned()).is_err(), "{bad:?} was taken");
        }
        for bad in ["a\r\nb: c", "\0", "a\u{7f}"] {
            assert!(Value::try_from(bad.to_owned()).is_err(), "{bad:?} was taken");
        }
        assert_eq!(Name::try_from("X-A_1".to_owned()), Ok(Name("X-A_1".to_owned())));
        assert_eq!(Value::try_from(" a\tb ".to_owned()), Ok(Value("a\tb".to_owned())));
    }
}
