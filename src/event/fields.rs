//! An event's own fields as text: what `serde_json` would write of them, in a fraction of the time. For events of which
//! there are thousands a second.

use super::add_json;
use crate::octets::needs_no_escape;
use crate::unit::thousandths;
use serde::Serialize;

/// The fields written so far: a comma before each.
pub struct Fields<'a> {
    pub(super) text: &'a mut Vec<u8>,
    /// The texts among their values, as they are: what to look for secrets in.
    pub(super) said: &'a mut Vec<u8>,
}

/// A number of milliseconds, or of anything else, to the thousandth.
#[derive(Clone, Copy, Debug)]
pub struct Thousandths(pub f64);

/// A text in parts that follow on each other.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a, const N: usize>(pub [&'a str; N]);

/// Texts in a list.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a>(pub &'a [String]);

/// A word of ours, as `serde_json` writes it: a variant without anything in it.
#[derive(Clone, Copy, Debug)]
pub struct Word<T>(pub T);

/// What a field can be.
pub trait Field {
    /// Adds it as JSON.
    fn add_to(&self, text: &mut Vec<u8>);

    /// Adds the texts in it, with a space behind each; of a number nothing.
    fn say(&self, said: &mut Vec<u8>);
}

impl Fields<'_> {
    /// One more field. Its name must need no escape, and tell of no secret: names are not looked through.
    // Where the name is known at the call it is copied in two or three instructions.
    #[inline(always)]
    pub fn put(&mut self, name: &'static str, value: impl Field) -> &mut Self {
        self.text.reserve(name.len() + 4);
        self.text.extend_from_slice(b",\"");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        value.add_to(self.text);
        value.say(self.said);
        self
    }

    /// One more field, if there is something to say.
    #[inline]
    pub fn put_some(&mut self, name: &'static str, value: Option<impl Field>) -> &mut Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// One more field, if it holds.
    #[inline]
    pub fn put_true(&mut self, name: &'static str, holds: bool) -> &mut Self {
        self.put_some(name, holds.then_some(true))
    }
}

impl Field for &str {
    fn add_to(&self, text: &mut Vec<u8>) {
        Parts([self]).add_to(text);
    }

    fn say(&self, said: &mut Vec<u8>) {
        Parts([self]).say(said);
    }
}

impl<const N: usize> Field for Parts<'_, N> {
    fn add_to(&self, text: &mut Vec<u8>) {
        if !self.0.iter().all(|part| needs_no_escape(part.as_bytes())) {
            return add_json(text, &self.0.concat());
        }
        text.push(b'"');
        self.0.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
        text.push(b'"');
    }

    fn say(&self, said: &mut Vec<u8>) {
        self.0.iter().for_each(|part| said.extend_from_slice(part.as_bytes()));
        said.push(b' ');
    }
}

impl Field for u64 {
    fn add_to(&self, text: &mut Vec<u8>) {
        add_json(text, self);
    }

    fn say(&self, _said: &mut Vec<u8>) {}
}

impl Field for u16 {
    fn add_to(&self, text: &mut Vec<u8>) {
        add_json(text, self);
    }

    fn say(&self, _said: &mut Vec<u8>) {}
}

impl Field for bool {
    #[inline]
    fn add_to(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(if *self { b"true" } else { b"false" });
    }

    fn say(&self, _said: &mut Vec<u8>) {}
}

impl Field for Thousandths {
    fn add_to(&self, text: &mut Vec<u8>) {
        /// Numbers up to here are written without an exponent, and told apart by a double to the thousandth.
        const MOST: f64 = 1e12;
        if !(0.0..MOST).contains(&self.0) {
            return add_json(text, &thousandths(self.0));
        }
        let number = (self.0 * 1000.0).round() as u64;
        add_json(text, &(number / 1000));
        let digits = [100, 10, 1].map(|place| b'0' + (number / place % 10) as u8);
        let most = digits.iter().rposition(|d| *d != b'0').unwrap_or(0);
        text.push(b'.');
        text.extend_from_slice(&digits[..=most]);
    }

    fn say(&self, _said: &mut Vec<u8>) {}
}

impl Field for Texts<'_> {
    fn add_to(&self, text: &mut Vec<u8>) {
        add_json(text, &self.0);
    }

    fn say(&self, said: &mut Vec<u8>) {
        self.0.iter().for_each(|text| text.as_str().say(said));
    }
}

impl<T: Serialize> Field for Word<T> {
    fn add_to(&self, text: &mut Vec<u8>) {
        add_json(text, &self.0);
    }

    fn say(&self, said: &mut Vec<u8>) {
        self.add_to(said);
    }
}

impl<F: Field> Field for Option<F> {
    #[inline]
    fn add_to(&self, text: &mut Vec<u8>) {
        match self {
            Some(value) => value.add_to(text),
            None => text.extend_from_slice(b"null"),
        }
    }

    #[inline]
    fn say(&self, said: &mut Vec<u8>) {
        if let Some(value) = self {
            value.say(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: impl Field) -> String {
        let mut text = Vec::new();
        value.add_to(&mut text);
        String::from_utf8(text).expect("text")
    }

    fn json(value: impl serde::Serialize) -> String {
        serde_json::to_string(&value).expect("JSON")
    }

    proptest! {
        #[test]
        fn a_field_is_what_serde_json_writes(one in ".*", two in "[ -~\\x00-\\x1f]*", n: u64, x in 0.0..2e12f64) {
            prop_assert_eq!(text(one.as_str()), json(&one));
            prop_assert_eq!(text(Parts([&one, &two])), json(one.clone() + &two));
            prop_assert_eq!(text(n), json(n));
            for number in [x, x / 1e6, x / 1e12, -x] {
                prop_assert_eq!(text(Thousandths(number)), json(thousandths(number)));
            }
        }
    }

    #[test]
    fn every_octet_that_needs_an_escape_gets_it_wherever_it_is() {
        for odd in (0..=0x7f_u8).map(char::from) {
            for before in 0..9 {
                for after in [0, 3, 8] {
                    let one = "x".repeat(before) + &odd.to_string() + &"é".repeat(after);
                    assert_eq!(text(one.as_str()), json(&one));
                }
            }
        }
        let numbers = [0.0, 0.001, 0.0004, 0.01, 0.1, 1.0, 1.5, 12.34, 999.9995, 1e11 + 0.001, 1e12, f64::NAN];
        for number in numbers {
            assert_eq!(text(Thousandths(number)), json(thousandths(number)));
        }
    }

    #[test]
    fn what_is_not_there_is_null_or_left_out() {
        let (mut written, mut said) = (Vec::new(), Vec::new());
        let faults = ["a".to_owned(), "\"".to_owned()];
        Fields { text: &mut written, said: &mut said }
            .put("one", None::<&str>)
            .put_some("two", None::<u64>)
            .put_true("three", false)
            .put_true("four", true)
            .put("five", Texts(&faults))
            .put("six", false);
        let wanted = r#","one":null,"four":true,"five":["a","\""],"six":false"#;
        assert_eq!(String::from_utf8_lossy(&written), wanted);
    }

    #[test]
    fn texts_are_said_once_more_as_they_are_and_names_and_numbers_are_not() {
        let (mut written, mut said) = (Vec::new(), Vec::new());
        Fields { text: &mut written, said: &mut said }
            .put("key", "\"one\\")
            .put("code", 4711_u64)
            .put("sid", Thousandths(47.11))
            .put_true("password", true)
            .put_some("auth", Some(Parts(["two", "three"])))
            .put("token", None::<u16>)
            .put("otp", Texts(&["four".to_owned(), "\n".to_owned()]))
            .put("cookie", Word(crate::event::Origin::Proxy));
        assert_eq!(String::from_utf8_lossy(&said), "\"one\\ twothree four \n \"proxy\"");
    }
}
