//! `gate.json`, also what `--json` prints. Stable: fields may come, none goes without a new `format`.

use super::super::Gate;
use serde_json::json;

pub(super) fn write(gate: &Gate) -> String {
    let mut value = json!({
        "format": 1,
        "answer": gate.answer(),
        "exit_code": gate.exit_code(),
        "why": gate.why(),
        "signed": gate.signed(),
    });
    if let (Some(all), Ok(serde_json::Value::Object(own))) = (value.as_object_mut(), serde_json::to_value(gate)) {
        all.extend(own);
    }
    format!("{value:#}\n")
}
