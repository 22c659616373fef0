//! BiDi's `RemoteValue` as plain JSON.

use serde_json::{Map, Value, json};

/// Converts a remote value. What JSON does not have becomes: `undefined` and symbols `null`; NaN and the infinities
/// their names; a bigint or date its text; a Map an object and a Set a list; anything else `[type]`, such as
/// `[function]` or `[node]`.
pub fn to_json(remote: &Value) -> Value {
    let value = &remote["value"];
    match remote["type"].as_str().unwrap_or("undefined") {
        "undefined" | "null" | "symbol" => Value::Null,
        "number" if value == "-0" => json!(0),
        "string" | "boolean" | "number" | "bigint" | "date" => value.clone(),
        "array" | "set" | "nodelist" | "htmlcollection" if value.is_array() => {
            value.as_array().into_iter().flatten().map(to_json).collect()
        }
        "object" | "map" if value.is_array() => {
            let mut object = Map::new();
            for pair in value.as_array().into_iter().flatten() {
                let key = match &pair[0] {
                    Value::String(key) => key.clone(),
                    other => match to_json(other) {
                        Value::String(key) => key,
                        key => key.to_string(),
                    },
                };
                object.insert(key, to_json(&pair[1]));
            }
            Value::Object(object)
        }
        "regexp" => json!(format!(
            "/{}/{}",
            value["pattern"].as_str().unwrap_or_default(),
            value["flags"].as_str().unwrap_or_default()
        )),
        other => json!(format!("[{other}]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_json() {
        let remote = json!({"type": "object", "value": [
            ["n", {"type": "number", "value": 1.5}],
            ["nan", {"type": "number", "value": "NaN"}],
            ["zero", {"type": "number", "value": "-0"}],
            ["list", {"type": "array", "value": [{"type": "null"}, {"type": "undefined"}]}],
            ["f", {"type": "function"}],
            [{"type": "string", "value": "k"}, {"type": "regexp", "value": {"pattern": "a", "flags": "g"}}],
        ]});
        let plain = json!({"n": 1.5, "nan": "NaN", "zero": 0, "list": [null, null], "f": "[function]", "k": "/a/g"});
        assert_eq!(to_json(&remote), plain);
        assert_eq!(to_json(&json!({"type": "undefined"})), Value::Null);
    }
}
