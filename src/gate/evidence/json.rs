//! JSON that says everything once: of a key that stands twice in an object, one value would be lost without a word.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use std::fmt;

/// A value in which no object has a key twice.
pub struct Once(pub Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Once)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, own: bool) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_u64<E: Error>(self, own: u64) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_i64<E: Error>(self, own: i64) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_f64<E: Error>(self, own: f64) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_str<E: Error>(self, own: &str) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut own = Vec::new();
        while let Some(Once(value)) = list.next_element()? {
            own.push(value);
        }
        Ok(own.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut own = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            match own.entry(key) {
                Entry::Occupied(known) => {
                    return Err(A::Error::custom(format_args!("`{}` stands twice in an object", known.key())));
                }
                Entry::Vacant(new) => new.insert(object.next_value::<Once>()?.0),
            };
        }
        Ok(own.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Value, String> {
        serde_json::from_str::<Once>(text).map(|own| own.0).map_err(|e| e.to_string())
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_wherever_it_is() {
        for text in [
            r#"{"state": "open", "state": "closed"}"#,
            r#"[{"a": [{"state": 1, "b": 2, "state": 1}]}]"#,
            r#"{"state": 1, "st\u0061te": 2}"#,
        ] {
            let why = read(text).expect_err(text);
            assert!(why.starts_with("`state` stands twice in an object at line 1 column "), "{why}");
        }
        assert!(read("{\"a\": 1} {}").is_err());
    }

    proptest! {
        #[test]
        fn all_else_reads_as_before(text in r#"(\{"a":(1|-2|1\.5|1e3|null|true|"x\\n"|\[1,\{"a":\[\]\}\])\}|\[\]|[0-9]{1,25}|[\[\]{}:,"a1]{0,8})"#) {
            let plain = serde_json::from_str::<Value>(&text).map_err(|e| e.to_string());
            match read(&text) {
                Err(why) if why.contains("stands twice") => prop_assert!(plain.is_ok()),
                own => prop_assert_eq!(own.is_ok().then_some(own.clone().ok()), plain.is_ok().then_some(plain.ok())),
            }
        }
    }
}
