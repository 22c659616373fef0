//! A module uses its own floor and the floors below, never one above. The table in `src/lib.rs` says who lives where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Floor of each module, from the table in the doc comment of `lib.rs`.
fn floors(lib: &str) -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for row in lib.lines().filter_map(|l| l.strip_prefix("//! | ")) {
        let mut cells = row.split('|');
        let number = cells.next().and_then(|c| c.split_whitespace().next()?.parse().ok());
        if let (Some(number), Some(modules)) = (number, cells.next()) {
            let names = modules.split('`').skip(1).step_by(2);
            // A link to a module whose name is a function's or a type's too says which is meant: `mod@unit`.
            floors.extend(names.map(|name| (name.trim_start_matches("mod@").to_owned(), number)));
        }
    }
    floors
}

/// Top-level modules that a file names, each with its line: `crate::x`, `crate::{x, y::z}`, and `super::` as often as
/// it leads to the crate's root.
fn uses(text: &str, depth: usize) -> Vec<(usize, String)> {
    // Comments may name anything; their lines stay, so that numbers fit.
    let code: Vec<&str> = text.lines().map(|l| if l.trim_start().starts_with("//") { "" } else { l }).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for root in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[at + root.len()..];
            let line = code[..at].matches('\n').count() + 1;
            found.extend(names(rest).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first names of a path, or of each path of a group.
fn names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| -> String { text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(String::new()),
            _ if depth == 0 => parts.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    parts.iter().map(|p| name(p)).filter(|n| !n.is_empty()).collect()
}

/// The upward uses of one file, in words.
fn upward(file: &Path, text: &str, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let mut parts = file.iter().map(|p| p.to_string_lossy().trim_end_matches(".rs").to_owned());
    let module = parts.next().expect("a path");
    // `x.rs` and `x/mod.rs` are one below the root, `x/y.rs` is two.
    let depth = 1 + parts.filter(|p| p != "mod").count();
    let Some(own) = floors.get(&module) else { return vec![format!("src/lib.rs: `{module}` has no floor")] };
    let above = |(line, name): (usize, String)| {
        let floor = floors.get(&name)?;
        (floor > own).then(|| format!("src/{}:{line}: floor {own} uses `{name}` of floor {floor}", file.display()))
    };
    uses(text, depth).into_iter().filter_map(above).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn lib() -> (PathBuf, BTreeMap<String, u32>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = std::fs::read_to_string(src.join("lib.rs")).expect("lib.rs is there");
    let floors = floors(&lib);
    (src, floors)
}

#[test]
fn no_module_uses_a_floor_above_its_own() {
    let (src, floors) = lib();
    let mut all = Vec::new();
    files(&src, &mut all);
    let (mut wrong, mut links) = (Vec::new(), 0);
    for path in all {
        let file = path.strip_prefix(&src).expect("inside");
        let edge = ["bin", "cli"].iter().any(|e| file.starts_with(e))
            || file.iter().count() == 1 && { file == Path::new("main.rs") || file == Path::new("lib.rs") };
        if edge {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        links += uses(&text, 9).iter().filter(|(_, name)| floors.contains_key(name)).count();
        wrong.extend(upward(file, &text, &floors));
    }
    assert!(links > 100, "only {links} uses seen: the reader of `use` lines is blind");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_library_has_a_floor_and_every_floor_its_modules() {
    let (src, floors) = lib();
    let lib = std::fs::read_to_string(src.join("lib.rs")).expect("lib.rs is there");
    let modules: Vec<&str> = lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut listed: Vec<&str> = floors.keys().map(String::as_str).collect();
    listed.sort_unstable();
    assert_eq!(modules, listed, "the `pub mod` lines (sorted) and the table differ");
}

#[test]
fn a_made_up_upward_use_is_caught_with_its_line() {
    let (_, floors) = lib();
    let seen = |file: &str, text: &str| upward(Path::new(file), text, &floors);
    let one = |file: &str, text: &str| {
        let found = seen(file, text);
        assert_eq!(found.len(), 1, "{text:?} in {file}: {found:?}");
        found.into_iter().next().expect("one")
    };
    assert_eq!(one("event.rs", "\nuse crate::run::run;\n"), "src/event.rs:2: floor 0 uses `run` of floor 4");
    assert_eq!(
        one("oracle/page.rs", "use crate::{error::{Error, Result}, slo};"),
        "src/oracle/page.rs:1: floor 1 uses `slo` of floor 2"
    );
    assert!(one("stats.rs", "fn f() {\n    let r = crate::record::Record::default();\n}").contains("stats.rs:2"));
    assert!(one("oracle/page.rs", "use super::super::plan::Plan;").contains("`plan`"));
    assert!(one("unit.rs", "use super::report;").contains("`report`"));
    assert!(one("nowhere.rs", "").contains("has no floor"));
    for (file, text) in [
        ("run/mod.rs", "use crate::record::Record; use crate::run::x;"),
        ("event.rs", "// use crate::run::run;\n/// [`crate::run`]\n"),
        ("oracle/page.rs", "use super::{Before, record};\nuse crate::browser::probe;"),
        ("event.rs", "use other_crate::run::x; use crate::{error::{run, plan}, unit};"),
    ] {
        assert_eq!(seen(file, text), Vec::<String>::new(), "{text:?} in {file}");
    }
}
