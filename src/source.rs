//! Floor 0. A text file somebody wrote, and the problems found in it: file, line, caret, remedy.

mod slip;

use crate::error::{Error, Result};
use crate::table::did_you_mean;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;

/// Parses a text as a file was parsed, to see what is wanted where that went wrong.
pub type Reads<'r> = &'r dyn Fn(&str) -> Result<(), toml::de::Error>;

/// The files that ship inside the program, so that an installed binary serves any repository.
#[derive(rust_embed::RustEmbed)]
#[folder = "journeys"]
#[include = "**/*.toml"]
struct Journeys;

#[derive(rust_embed::RustEmbed)]
#[folder = "proxies"]
#[include = "**/*.toml"]
struct Profiles;

#[derive(rust_embed::RustEmbed)]
#[folder = "ci"]
#[include = "*.toml"]
struct Plans;

/// The shipped folders: name, how to get a file, how to list them.
type Folder = (&'static str, fn(&str) -> Option<rust_embed::EmbeddedFile>, fn() -> Vec<String>);
const SHIPPED: &[Folder] = &[
    ("journeys", Journeys::get, || Journeys::iter().map(String::from).collect()),
    ("proxies", Profiles::get, || Profiles::iter().map(String::from).collect()),
    ("ci", Plans::get, || Plans::iter().map(String::from).collect()),
];

/// A file's name as it is shown, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it was read from; for a shipped file its path in the repository.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// One thing wrong in a [`Source`].
#[derive(Clone, Debug)]
pub struct Problem {
    /// Bytes of the text it is about; `None` when it is about the whole file.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl Problem {
    /// A problem at a place.
    pub fn at(span: Range<usize>, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span: Some(span), what: what.into(), help: help.into() }
    }

    /// A problem of the file as a whole.
    pub fn whole(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span: None, what: what.into(), help: help.into() }
    }
}

impl Source {
    /// Reads `path`; where no such file is, the shipped file of that name in `folder` ("journeys", "ci" ...). What ends with
    /// `.toml` is a file of one's own, but for a shipped one's whole path: a missing file is no other one.
    pub fn open(path: &Path, folder: &str) -> Result<Self> {
        Self::open_in(path, &[folder])
    }

    /// The same with shipped files of several folders: the first that has one of that name.
    pub fn open_in(path: &Path, folders: &[&str]) -> Result<Self> {
        let shipped = || folders.iter().find_map(|folder| Self::shipped(path, folder));
        match std::fs::read(path) {
            Ok(bytes) => Self::text(path, bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => shipped().ok_or_else(|| no_such_file(path, folders)),
            // A folder hides no file that ships.
            Err(e) if e.kind() == ErrorKind::IsADirectory => shipped().ok_or_else(|| {
                Error::author(format!("{}: it is a folder", path.display())).remedy("name a file in it")
            }),
            Err(e) => {
                Err(Error::author(format!("{}: {e}", path.display()))
                    .remedy("give a text file that this user may read"))
            }
        }
    }

    /// Opens what another file refers to: `reference` as a path beside `self`, else a shipped file.
    pub fn beside(&self, reference: &str, folder: &str) -> Result<Self> {
        let wanted = Path::new(reference);
        let local = self.path.parent().unwrap_or(Path::new("")).join(wanted);
        let with_ending = |p: &Path| if p.extension().is_some() { p.to_owned() } else { p.with_extension("toml") };
        let sibling = self.path.parent().and_then(Path::parent).unwrap_or(Path::new("")).join(folder).join(wanted);
        for candidate in [with_ending(&local), with_ending(&sibling)] {
            // A plan `login.toml` that plays the journey `login` does not mean itself.
            if candidate.is_file() && candidate != self.path {
                return Self::open(&candidate, folder);
            }
        }
        // What a shipped file names beside itself ships with it.
        let shipped = if self.path.is_file() { None } else { Self::shipped(&with_ending(&local), folder) };
        shipped.map_or_else(|| Self::open(wanted, folder), Ok)
    }

    /// Opens what this file names under `key`, or tells what is wrong with the name.
    pub fn named(&self, name: &Spanned<String>, folder: &str, key: &str) -> Result<Self, Problem> {
        let said = name.get_ref();
        self.beside(said, folder).map_err(|_| {
            if self.path.parent().unwrap_or(Path::new("")).join(said).is_dir() {
                return Problem::at(name.span(), format!("{key} `{said}`: it is a folder"), "name a file in it");
            }
            let help = did_you_mean(said, names(folder).iter().map(String::as_str));
            Problem::at(name.span(), format!("{key} `{said}`: no such file, and none of that name ships"), help)
        })
    }

    fn text(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            Error::author(format!("{}: line {line} is not UTF-8", path.display())).remedy("save it as UTF-8 text")
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    fn shipped(path: &Path, folder: &str) -> Option<Self> {
        let wanted = path.to_str()?.trim_start_matches("./").trim_start_matches("../");
        let bare = wanted.strip_suffix(".toml").unwrap_or(wanted);
        SHIPPED.iter().find_map(|(root, get, _)| {
            // `ci/smoke.toml`, `journeys/apps/stage.toml`: said in full. `smoke`, `stage`: said by name.
            let inside = folder.strip_prefix(root)?.trim_start_matches('/');
            let said_in_full = bare.strip_prefix(root).and_then(|r| r.strip_prefix('/'));
            let by_name = if inside.is_empty() { bare.to_owned() } else { format!("{inside}/{bare}") };
            let name = [said_in_full.map(str::to_owned), Some(by_name).filter(|_| bare == wanted)]
                .into_iter()
                .flatten()
                .map(|n| format!("{n}.toml"))
                .find(|n| get(n).is_some())?;
            Self::text(&Path::new(root).join(&name), get(&name)?.data.into_owned()).ok()
        })
    }

    /// Parses the text as TOML of a known shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|e| self.error(&[self.problem(&e, &reads::<T>)]))
    }

    /// What the parser found wrong.
    pub fn problem(&self, e: &toml::de::Error, reads: Reads) -> Problem {
        if self.text.trim().is_empty() {
            let help =
                "begin with the question it answers: question = \"...\"; `soundcheck list` names files that ship";
            return Problem::whole("the file is empty", help);
        }
        if let Some(slip) = slip::found(&self.text, e, reads) {
            return slip;
        }
        // "missing field" has the span of the whole table: the first line of it is where people look.
        let span = e.span().map(|s| s.start..s.end.min(self.line_end(s.start)));
        if let Some(names) = self.names_wanted(e, reads) {
            return Problem {
                span,
                what: format!("expected {names}"),
                help: "write one of them, in quotes".to_owned(),
            };
        }
        let help = self.remedy(e, reads).unwrap_or_else(|| remedy_for(e.message()));
        Problem { span, what: in_plain_words(e.message()), help }
    }

    /// The key on the line at `at` as a slip, where it is one of the whole file `T` and stands below a table.
    pub fn below<T: DeserializeOwned>(&self, at: usize) -> Option<Problem> {
        slip::below(&self.text, at, &reads::<T>)
    }

    /// The keys at the top of the file, as far as it can be read: they tell what kind of file it is.
    pub fn keys(&self) -> toml::Table {
        toml::from_str(&self.text).unwrap_or_else(|_| slip::keys(&self.text))
    }

    /// The same with the place of each, as they stand.
    pub fn spanned_keys(&self) -> Result<Vec<Spanned<String>>> {
        let table = DeTable::parse(&self.text).map_err(|e| self.error(&[self.problem(&e, &reads::<toml::Table>)]))?;
        let mut keys: Vec<Spanned<String>> =
            table.get_ref().keys().map(|key| Spanned::new(key.span(), key.get_ref().to_string())).collect();
        keys.sort_by_key(|key| key.span().start);
        Ok(keys)
    }

    /// The names that may stand where something else than a text stands: the parser tells them of a wrong one.
    fn names_wanted(&self, e: &toml::de::Error, reads: Reads) -> Option<String> {
        let span = e.span().filter(|_| e.message().starts_with(NO_NAME))?;
        let other = reads(&format!("{}\"?\"{}", &self.text[..span.start], &self.text[span.end..])).err()?;
        other.message().strip_prefix("unknown variant `?`, expected ").map(str::to_owned)
    }

    /// What to do about an error, where the text around it tells more than its message.
    fn remedy(&self, e: &toml::de::Error, reads: Reads) -> Option<String> {
        let message = e.message();
        if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            let listed = reads(&format!("[[{field}]]")).err()?;
            let inner = listed.message().starts_with("missing field") && listed.message() != message;
            return inner.then(|| format!("add a table `[[{field}]]`; the shipped files show how"));
        }
        let wanted = message.rsplit_once("expected ")?.1;
        if !["struct ", "a map", "a table"].iter().any(|table| wanted.starts_with(table)) {
            return None;
        }
        let span = e.span()?;
        let value = &self.text[span.clone()];
        let form = wanted.strip_prefix("a table: ").unwrap_or("{ ... }");
        // What stands there may well be what the form has room for.
        let form = if value.starts_with('"') { form.replace("= ...", &format!("= {value}")) } else { form.to_owned() };
        let before = &self.text[self.text[..span.start].rfind('\n').map_or(0, |end| end + 1)..span.start];
        match before.trim_end().strip_suffix('=') {
            Some(key) if !key.contains(['{', '[']) => Some(format!("write `{} = {form}`", key.trim())),
            _ => Some(format!("write a table: {form}")),
        }
    }

    fn line_end(&self, from: usize) -> usize {
        self.text[from..].find('\n').map_or(self.text.len(), |n| from + n).max(from)
    }

    /// One error for all the problems found, each with its line, caret and remedy.
    pub fn error(&self, problems: &[Problem]) -> Error {
        let shown: Vec<String> = problems.iter().map(|p| self.show(p, Level::ERROR)).collect();
        Error::author(shown.join("\n\n"))
    }

    /// What may be wrong, or right for a reason that this file does not know.
    pub fn note(&self, problem: &Problem) -> String {
        self.show(problem, Level::NOTE)
    }

    fn show(&self, problem: &Problem, level: Level<'_>) -> String {
        let name = tidy(&self.path).display().to_string();
        let title = level.primary_title(problem.what.as_str());
        let group = match &problem.span {
            Some(span) => title.element(
                Snippet::source(self.text.as_str())
                    .path(name.as_str())
                    .annotation(AnnotationKind::Primary.span(span.clone())),
            ),
            None => Group::with_title(title).element(annotate_snippets::Origin::path(name.as_str())),
        };
        let report = [group.element(Level::HELP.message(problem.help.as_str()))];
        Renderer::plain().render(&report)
    }
}

/// `ci/../app.toml` as `app.toml`: one file has one name, whoever named it.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

/// What to write instead of a name that no file has: a near one that ships, or any.
fn no_such_file(path: &Path, folders: &[&str]) -> Error {
    let name = path.display().to_string();
    let shipped: Vec<Vec<String>> = folders.iter().map(|folder| names(folder)).collect();
    let near = did_you_mean(&name, shipped.iter().flatten().map(String::as_str));
    let near = if near.ends_with('?') { format!("{near} Or ") } else { String::new() };
    let told = folders.iter().zip(&shipped).map(|(folder, names)| match *folder {
        "proxies" => "the profiles of `soundcheck list profiles`".to_owned(),
        _ => names.join(", "),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    Error::author(format!("{name}: no such file"))
        .remedy(format!("{near}write a path, or the name of a shipped one: {told}"))
}

/// Whether a text is a `T`.
fn reads<T: DeserializeOwned>(text: &str) -> Result<(), toml::de::Error> {
    toml::from_str::<T>(text).map(drop)
}

/// How the parser begins where a name is wanted, and no text stands there.
const NO_NAME: &str = "wanted ";

/// What the parser calls after Rust's types, whose names follow.
const TYPES: [(&str, &str); 7] = [
    ("struct variant", "a table"),
    ("tuple variant", "a list"),
    ("unit variant", "a name in quotes"),
    ("tuple struct", "a list"),
    ("unit struct", "nothing"),
    ("struct", "a table"),
    ("enum", "a name in quotes"),
];

/// The parser's words for Rust's types, as the people who write TOML call them.
pub fn in_plain_words(message: &str) -> String {
    if message.starts_with("data did not match any variant") {
        return "nothing of this kind may stand here".to_owned();
    }
    if message.starts_with(NO_NAME) {
        return "expected a name in quotes".to_owned();
    }
    let of_type = |wanted: &str| {
        TYPES.iter().find_map(|(kind, plain)| {
            let name = wanted.strip_prefix(kind).filter(|name| name.is_empty() || name.starts_with(' '))?;
            let after = name.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'));
            Some(format!("{plain}{after}"))
        })
    };
    if let Some((before, wanted)) = message.rsplit_once("expected ")
        && let Some(plain) = of_type(wanted)
    {
        return in_plain_words(&format!("{before}expected {plain}"));
    }
    let words = [
        ("invalid type: newtype variant", "invalid type: table"),
        ("expected i64", "expected a whole number"),
        ("expected u64", "expected a whole number from 0"),
        ("expected u32", "expected a whole number from 0"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("invalid type: map", "invalid type: table"),
        ("invalid type: sequence", "invalid type: list"),
        ("unknown variant", "unknown name"),
    ];
    words.iter().fold(message.to_owned(), |text, (rust, plain)| text.replace(rust, plain))
}

fn remedy_for(message: &str) -> String {
    // "unknown field `a`, expected one of `b`, `c`": the quoted names.
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let expects = |what: &str| message.contains(&format!("expected {what}"));
    match (message, quoted.as_slice()) {
        (m, [said, known @ ..]) if m.starts_with("unknown field") || m.starts_with("unknown variant") => {
            let near = did_you_mean(said, known.iter().copied());
            match (near.ends_with('?'), m.starts_with("unknown field")) {
                (true, true) => format!("{near} Or remove it"),
                (true, false) => near,
                (false, true) => "write one of the names listed, or remove it".to_owned(),
                (false, false) => "write one of the names listed".to_owned(),
            }
        }
        (m, [field, ..]) if m.starts_with("missing field") => {
            // With a `=` it would read like a secret where the field is a password, and be blacked out.
            format!("add a line for `{field}` here; the shipped files show how")
        }
        (m, _) if m.starts_with("duplicate key") => "keep one of the two".to_owned(),
        (m, _) if m.contains("share") => "write a share such as \"2.5 %\", or a number from 0 to 1".to_owned(),
        (m, _) if m.contains("unit") || m.contains("is out of bounds: more than 0") => {
            "write a time such as \"2s\", \"300ms\" or \"1.5min\"".to_owned()
        }
        (m, _) if m.contains(": write ") => "mend it so; the rest of the file was not read".to_owned(),
        _ if expects("a string") => "write it in quotes; a time with its unit, such as \"2s\"".to_owned(),
        _ if ["i64", "u64", "u32", "u16"].iter().any(|number| expects(number)) => {
            "write a whole number, without quotes".to_owned()
        }
        _ if expects("a boolean") => "write true or false, without quotes".to_owned(),
        _ if expects("a sequence") => "put it in brackets: [ ... ]".to_owned(),
        _ => "mend this line; the rest of the file was not read".to_owned(),
    }
}

/// The shipped files of a folder ("journeys", "journeys/apps", "proxies", "ci"), by the names files use for them.
pub fn names(folder: &str) -> Vec<String> {
    let (root, inside) = folder.split_once('/').map_or((folder, String::new()), |(r, i)| (r, format!("{i}/")));
    let Some((_, _, list)) = SHIPPED.iter().find(|(name, ..)| *name == root) else { return Vec::new() };
    let mut names: Vec<String> = list()
        .iter()
        .filter_map(|path| path.strip_prefix(&inside)?.strip_suffix(".toml"))
        // Profiles are grouped by who published them (`chrome/3g`); the apps under journeys are no journeys.
        .filter(|name| root == "proxies" || !name.contains('/'))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_type_is_told() {
        for (message, plain) in [
            ("invalid type: string \"x\", expected struct PresetFile", "invalid type: string \"x\", expected a table"),
            (
                "invalid length 0, expected struct X::Y with 2 elements",
                "invalid length 0, expected a table with 2 elements",
            ),
            ("invalid type: map, expected tuple struct Two", "invalid type: table, expected a list"),
            ("invalid type: newtype variant, expected unit variant", "invalid type: table, expected a name in quotes"),
            ("data did not match any variant of untagged enum Journeys", "nothing of this kind may stand here"),
            ("wanted exactly 1 element, found 0 elements", "expected a name in quotes"),
            (
                "invalid type: string \"struct A\", expected a map",
                "invalid type: string \"struct A\", expected a table",
            ),
            ("unknown variant `a`, expected `struct` or `enum`", "unknown name `a`, expected `struct` or `enum`"),
            ("bad structure, expected structure", "bad structure, expected structure"),
        ] {
            assert_eq!(in_plain_words(message), plain);
        }
    }
}
