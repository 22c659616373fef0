//! Reading an app's ids from its page, as its file says.

use crate::app::Read;
use serde_json::Value;

/// JavaScript that reads room, user and preset, and whether the app fell back: a list of four.
pub(super) fn readers(read: &Read) -> String {
    format!("[{}]", [&read.room, &read.user, &read.preset, &read.fallback].map(|at| reader(at.as_deref())).join(","))
}

/// JavaScript that reads an id: `css`, `css@attribute` or `js:expression`; text or null.
fn reader(at: Option<&str>) -> String {
    let Some(at) = at else { return "null".to_owned() };
    if let Some(expression) = at.strip_prefix("js:") {
        return format!(
            "(() => {{ try {{ const v = ({expression}); return v == null ? null : String(v); }} catch {{ return null; }} }})()"
        );
    }
    let (css, attribute) = at.rsplit_once('@').map_or((at, None), |(css, name)| (css, Some(name)));
    let css = Value::from(css);
    match attribute {
        Some(name) => format!("document.querySelector({css})?.getAttribute({}) ?? null", Value::from(name)),
        None => format!("document.querySelector({css})?.textContent.trim() ?? null"),
    }
}

#[cfg(test)]
mod tests {
    use super::reader;

    #[test]
    fn ids_are_read_by_selector_attribute_or_expression() {
        assert_eq!(reader(None), "null");
        assert_eq!(reader(Some("#room")), r##"document.querySelector("#room")?.textContent.trim() ?? null"##);
        assert_eq!(
            reader(Some("#preset@data-preset-id")),
            r##"document.querySelector("#preset")?.getAttribute("data-preset-id") ?? null"##
        );
        assert!(reader(Some("js:app.room.id")).contains("(app.room.id)"));
    }
}
