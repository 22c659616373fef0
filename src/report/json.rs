//! `verdict.json`, also what `--json` prints. Stable: fields may come, none goes without a new `format`.

use crate::record::Record;
use serde_json::json;

pub(super) fn write(record: &Record) -> String {
    let plays: Vec<_> = record
        .plays
        .iter()
        .map(|play| {
            let mut value = json!(play);
            value["title"] = json!(play.title());
            value
        })
        .collect();
    let mut value = json!({
        "format": 1,
        "verdict": record.verdict(),
        "exit_code": record.exit_code(),
        "first_cause": record.first_cause(),
        "run_id": record.run_id,
        "started": record.started,
        "ms": record.ms,
        "about": record.about,
        "objectives": record.objectives,
        "plays": plays,
        "dropped_events": record.dropped,
        "complete": record.complete,
    });
    if let Some(told) = &record.told {
        value["on_breach"] = json!(told);
    }
    if let Some(sent) = &record.sent {
        value["telemetry"] = sent.fields();
    }
    format!("{value:#}\n")
}
