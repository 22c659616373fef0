//! Slips of the pen that TOML takes for something else: a key below a table, a table with a bracket too many or too few. The
//! parser's own words mislead there, so it is asked what it wants before anything is said.

use super::{Problem, Reads};
use std::ops::Range;
use toml::de::Error;

/// Lines that a value may take.
const LONGEST: usize = 40;

/// The slip behind an error, if it is one.
pub(super) fn found(text: &str, e: &Error, reads: Reads) -> Option<Problem> {
    // What takes any key does not tell which it wants.
    if reads("\"?\" = 0").is_ok() {
        return None;
    }
    let at = e.span()?.start;
    brackets(text, at, e.message(), reads)
        .or_else(|| missing(text, e.message(), reads))
        .or_else(|| below(text, at, reads))
}

/// `[step]` where a list of tables is wanted, and `[[word]]` where one is.
fn brackets(text: &str, at: usize, message: &str, reads: Reads) -> Option<Problem> {
    let line = line(text, at);
    let (name, is_list) = header(&text[line.clone()])?;
    let wants_list = reads(&format!("{name} = 0")).err()?.message().contains("expected a sequence");
    let one = message == "invalid type: map, expected a sequence" || message.starts_with("duplicate key");
    let (what, help) = match (is_list, wants_list) {
        (false, true) if one => (
            format!("`[{name}]` is one table, and a list of them is wanted"),
            format!("write `[[{name}]]`, for each of them"),
        ),
        (true, false) if message.starts_with("invalid type") => {
            (format!("`[[{name}]]` is a list of tables, and one is wanted"), format!("write `[{name}]`, once"))
        }
        _ => return None,
    };
    Some(Problem::at(trimmed(text, line), what, help))
}

/// A key that is missing, and stands below a table.
fn missing(text: &str, message: &str, reads: Reads) -> Option<Problem> {
    let field = message.strip_prefix("missing field `")?.split('`').next()?;
    let mut end = 0;
    text.split_inclusive('\n').find_map(|line| {
        let start = end;
        end += line.len();
        if key(line) == Some(field) { below(text, start, reads) } else { None }
    })
}

/// The key on the line at `at`, if it is one of the whole file and stands below a table.
pub(super) fn below(text: &str, at: usize, reads: Reads) -> Option<Problem> {
    let line = line(text, at);
    let own = key(&text[line.clone()])?;
    let (table, is_list) = text[..line.start].lines().rev().find_map(header)?;
    if text.lines().take_while(|line| header(line).is_none()).any(|line| key(line) == Some(own)) {
        return None; // it stands above too
    }
    // Its value ends before the next table does: what that lacks is no word about this key.
    let after = text[line.end..].split_inclusive('\n');
    let ours: usize = after.take_while(|line| header(line).is_none()).map(str::len).sum();
    let rest = &text[line.start..line.end + ours];
    let mut ends = rest.match_indices('\n').map(|(end, _)| end).chain([rest.len()]).take(LONGEST);
    let is_good_alone = ends.any(|end| match reads(&rest[..end]) {
        Ok(()) => true,
        Err(e) => e.message().starts_with("missing field"),
    });
    let table = if is_list { format!("[[{table}]]") } else { format!("[{table}]") };
    is_good_alone.then(|| {
        let what = format!("`{own}` stands below `{table}`, and is taken for one of its keys");
        Problem::at(trimmed(text, line), what, "move it above the first table")
    })
}

/// The keys at the top of a text that does not parse, as far as its lines show them.
pub(super) fn keys(text: &str) -> toml::Table {
    let first = |name: &str| name.split('.').next().unwrap_or(name).trim_matches(['"', '\'']).to_owned();
    let mut keys = toml::Table::new();
    for key in text.lines().take_while(|line| header(line).is_none()).filter_map(key) {
        keys.insert(first(key), toml::Value::Boolean(true));
    }
    for (name, is_list) in text.lines().filter_map(header) {
        let table = toml::Value::Table(toml::Table::new());
        keys.insert(first(name), if is_list { toml::Value::Array(vec![table]) } else { table });
    }
    keys
}

/// The line at `at`, without its end.
fn line(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    start..text[at..].find('\n').map_or(text.len(), |end| at + end)
}

/// A line without its indent and its comment.
fn trimmed(text: &str, line: Range<usize>) -> Range<usize> {
    let all = &text[line.clone()];
    let start = line.start + all.len() - all.trim_start().len();
    start..start + all.trim_start().split(" #").next().unwrap_or_default().trim_end().len()
}

/// The name of the table that a line begins, and whether it is one of a list.
fn header(line: &str) -> Option<(&str, bool)> {
    let bare = line.trim_start();
    let (rest, end, is_list) = match bare.strip_prefix("[[") {
        Some(rest) => (rest, "]]", true),
        None => (bare.strip_prefix('[')?, "]", false),
    };
    let (name, after) = rest.split_once(end)?;
    let (name, after) = (name.trim(), after.trim_start());
    let alone = after.is_empty() || after.starts_with('#');
    (alone && !name.is_empty() && !name.contains([',', '{', '[', '='])).then_some((name, is_list))
}

/// The key that a line gives a value.
fn key(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim().trim_matches(['"', '\'']);
    (!key.is_empty() && !key.starts_with(['#', '[', '{'])).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct File {
        base: String,
        canvas: Option<String>,
        mask: Option<Vec<String>>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        word: BTreeMap<String, Vec<String>>,
        read: Option<Inner>,
        #[serde(default)]
        step: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Inner {
        room: String,
        mask: Option<i64>,
    }

    fn said(text: &str) -> String {
        let source = Source { path: "x.toml".into(), text: text.to_owned() };
        source.parse::<File>().expect_err("it was taken").to_string()
    }

    #[test]
    fn a_key_of_the_file_below_a_table_is_told_to_be_moved() {
        for (text, key, table) in [
            ("base = \"h\"\n[word]\ncanvas = \"#c\"\n", "canvas", "[word]"),
            ("base = \"h\"\n[word]\n\"a\" = []\n[read]\ncanvas = \"#c\" # here\n", "canvas", "[read]"),
            ("base = \"h\"\n[[step]]\nroom = \"r\"\n  'canvas' = \"#c\"", "canvas", "[[step]]"),
            ("base = \"h\"\n[[step]]\nroom = \"r\"\nmask = [\n  \"#a\",\n  \"#b\",\n]\n", "mask", "[[step]]"),
            ("canvas = \"#c\"\n[read]\nroom = \"r\"\nbase = \"h\"\n", "base", "[read]"),
            // Taken there, and missed.
            ("[word]\nbase = [\"h\"]\n[headers]\nx = \"y\"\nbase = \"h\"\n", "base", "[headers]"),
        ] {
            let said = said(text);
            let what = format!("error: `{key}` stands below `{table}`, and is taken for one of its keys");
            assert!(said.starts_with(&what) && said.contains("help: move it above the first table"), "{text}{said}");
            assert!(said.lines().any(|l| l.contains(key) && l.contains(" = ") && l.contains(" | ")), "{text}{said}");
        }
    }

    #[test]
    fn what_belongs_where_it_stands_is_told_to_be_mended_there() {
        for text in [
            // Wrong by itself, known only there, standing above too, of no table.
            "base = \"h\"\n[[step]]\nroom = \"r\"\nmask = \"7\"\n",
            "base = \"h\"\n[word]\n\"a\" = \"b\"\n",
            "base = \"h\"\ncanvas = \"#c\"\n[read]\ncanvas = \"#c\"\n",
            "base = 3\n[read]\nroom = \"r\"\n",
            // The table after it lacks something.
            "base = \"h\"\n[[step]]\nroom = \"r\"\nmusk = 1\n[[step]]\nmask = 1\n",
            "base = \"h\"\n[read]\nroom = \"r\n",
        ] {
            assert!(!said(text).contains("stands below"), "{text}{}", said(text));
        }
    }

    #[test]
    fn a_bracket_too_many_or_too_few_is_told() {
        for (text, wanted) in [
            ("base = \"h\"\n[step]\nroom = \"r\"\n", "write `[[step]]`"),
            ("base = \"h\"\n[step]\nroom = \"r\"\n[step]\nroom = \"s\"\n", "write `[[step]]`"),
            ("base = \"h\"\n[[word]]\na = []\n", "write `[word]`"),
            ("base = \"h\"\n[[read]]\nroom = \"r\"\n", "write `[read]`"),
            ("base = \"h\"\n[word]\na = []\n[word]\nb = []\n", "keep one of the two"),
            ("base = \"h\"\n[read]\nroom = \"r\"\n[read]\nroom = \"s\"\n", "keep one of the two"),
            ("base = \"h\"\n[[step]]\nroom = 3\n", "write it in quotes"),
        ] {
            assert!(said(text).contains(wanted), "{text}{}", said(text));
        }
    }
}
