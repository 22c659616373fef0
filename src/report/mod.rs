//! Floor 3, pure. Reports: a record in, text out. Each is a leaf and a row.

use crate::record::Record;
use crate::table::Row;

mod html;
mod json;
mod junit;
mod summary;
pub mod text;

/// A report that a run leaves in its folder.
pub struct Report {
    name: &'static str,
    about: &'static str,
    /// Writes it.
    pub write: fn(&Record) -> String,
}

impl Row for Report {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every report; the name is its file's.
pub const REPORTS: &[Report] = &[
    Report { name: "report.html", about: "the record for people: one file, no network", write: html::write },
    Report {
        name: "junit.xml",
        about: "for CI: a play is a test case; breached is a failure, broken is an error",
        write: junit::write,
    },
    Report { name: "summary.md", about: "for a pull request: a GitHub step summary", write: summary::write },
    Report { name: "verdict.json", about: "for programs: the verdict and all it stands on", write: json::write },
];
