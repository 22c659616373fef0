//! A saved session: what Playwright's `storageState` writes.

use super::Check;
use crate::error::{Error, Operator};
use serde_json::Value;
use std::path::Path;
use toml::Spanned;

impl Check<'_> {
    pub(super) fn session(&mut self, path: &Spanned<String>) -> Option<Value> {
        let named = self.secret(path);
        let file = self.source.path.parent().unwrap_or(Path::new("")).join(named);
        let read = std::fs::read_to_string(&file)
            .operator("reading the saved session")
            .and_then(|text| serde_json::from_str::<Value>(&text).map_err(|e| Error::author(e.to_string())))
            .and_then(|saved| shape(&saved).map(|()| saved).map_err(Error::author));
        read.map_err(|e| {
            let help = "give a JSON file with `cookies` and `origins`, as Playwright's storageState writes it";
            self.problem(path, format!("{}: {}", file.display(), e.what()), help);
        })
        .ok()
    }
}

/// Why a file is no saved session, if it is none. Its values are secrets, and are not told.
fn shape(saved: &Value) -> Result<(), String> {
    each(saved, "cookies", &["name", "value", "domain"])?;
    for origin in each(saved, "origins", &["origin"])? {
        // One without is one that stored nothing.
        if origin.get("localStorage").is_some() {
            each(origin, "localStorage", &["name", "value"])?;
        }
    }
    Ok(())
}

/// A list of tables that have these texts.
fn each<'v>(holder: &'v Value, key: &str, texts: &[&str]) -> Result<&'v [Value], String> {
    let list = holder.get(key).and_then(Value::as_array).ok_or_else(|| format!("it has no list of `{key}`"))?;
    for (n, item) in list.iter().enumerate() {
        if let Some(missing) = texts.iter().find(|text| !item[**text].is_string()) {
            return Err(format!("number {} of its `{key}` has no text as `{missing}`", n + 1));
        }
    }
    Ok(list)
}

/// The values of a saved session: cookies and local storage.
pub(super) fn values(saved: &Value) -> Vec<&str> {
    fn list<'v>(holder: &'v Value, key: &str) -> &'v [Value] {
        holder[key].as_array().map(Vec::as_slice).unwrap_or_default()
    }
    let stored = list(saved, "origins").iter().flat_map(|origin| list(origin, "localStorage"));
    list(saved, "cookies").iter().chain(stored).filter_map(|item| item["value"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_session_is_what_playwright_saves() {
        for good in [
            json!({"cookies": [], "origins": []}),
            json!({"cookies": [{"name": "sid", "value": "", "domain": ".a.example", "path": "/", "expires": -1}],
                "origins": [{"origin": "https://a.example", "localStorage": [{"name": "theme", "value": "dark"}]},
                    {"origin": "https://b.example"}]}),
        ] {
            assert_eq!(shape(&good), Ok(()), "{good}");
        }
        for (bad, why) in [
            (json!([]), "no list of `cookies`"),
            (json!({}), "no list of `cookies`"),
            (json!("cookies"), "no list of `cookies`"),
            (json!({"cookies": 5, "origins": []}), "no list of `cookies`"),
            (json!({"cookies": []}), "no list of `origins`"),
            (json!({"cookies": ["sid=1"], "origins": []}), "number 1 of its `cookies` has no text as `name`"),
            (json!({"cookies": [{"name": "sid", "value": 1}], "origins": []}), "no text as `value`"),
            (json!({"cookies": [{"name": "sid", "value": "1"}], "origins": []}), "no text as `domain`"),
            (json!({"cookies": [], "origins": [{}]}), "number 1 of its `origins` has no text as `origin`"),
            (json!({"cookies": [], "origins": [{"origin": "a", "localStorage": {}}]}), "no list of `localStorage`"),
        ] {
            assert!(shape(&bad).is_err_and(|own| own.contains(why)), "{bad}");
        }
    }
}
