//! The kinds of line, a leaf each.

pub mod aborts;
pub mod checks;
pub mod firefox_video;
pub mod objectives;
pub mod protected_main;
pub mod remotes;
pub mod rollback;
pub mod sev1;
pub mod streak;

use super::Line;
use crate::error::{Error, Whose};
use crate::slo::Verdict;
use crate::unit::Time;
use std::time::Duration;

/// How old evidence may be, where the file does not say.
const DAY: Duration = Duration::from_secs(24 * 3600);

fn fresh(own: Option<Time>) -> Duration {
    own.map_or(DAY, |time| time.0)
}

/// In words: `at most 24 h old`.
fn at_most(own: Option<Time>) -> String {
    format!("at most {} old", super::show_age(fresh(own).as_secs() as i64))
}

/// What cannot be told because the history cannot be read, or no version is named.
fn without(line: Line, error: &Error) -> Line {
    let fix = error.fix().unwrap_or("see that it can be reached");
    match error.whose() {
        Whose::Author => line.lacks(error.what(), fix),
        Whose::Operator | Whose::Us => line.says(Verdict::Broken, error.what()).todo(fix),
    }
}
