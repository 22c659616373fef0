//! Pure. The answer as text. Each form is a leaf and a row.

mod json;
mod junit;
mod markdown;
pub mod text;

use super::Gate;
use crate::table::Row;

/// A form that the answer is written in.
pub struct Form {
    name: &'static str,
    about: &'static str,
    /// Writes it.
    pub write: fn(&Gate) -> String,
}

impl Row for Form {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every form; the name is its file's.
pub const FORMS: &[Form] = &[
    Form { name: "gate.json", about: "for programs: the answer and every line", write: json::write },
    Form {
        name: "gate.junit.xml",
        about: "for CI: a line is a test case; what makes it NO-GO is a failure, what is out of reach an error",
        write: junit::write,
    },
    Form {
        name: "gate.md",
        about: "for people: a GitHub step summary, and the record of a release",
        write: markdown::write,
    },
];

/// The form of this name.
pub fn form(name: &str) -> Option<&'static Form> {
    crate::table::find(FORMS, name)
}
