//! Floor 0. Rows of names: every kind of thing a file may name (a step, an expectation, a measure, a reporter) is a
//! row in a `const` table, in order and greppable; `soundcheck list` prints the tables, so help cannot drift.

/// A row of a table: its name as files write it, and one line that says what it is.
pub trait Row {
    /// The name, as files, events and reports write it.
    fn name(&self) -> &'static str;
    /// One line for `soundcheck list`.
    fn about(&self) -> &'static str;
}

/// The row called `name`.
pub fn find<'t, R: Row>(table: &'t [R], name: &str) -> Option<&'t R> {
    table.iter().find(|row| row.name() == name)
}

/// The help for a name that no row has: the nearest one if it is near, otherwise all of them.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = |k: &str| strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase());
    let nearest = known.iter().map(|k| (near(k), *k)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((score, k)) if score > 0.82 => format!("did you mean `{k}`?"),
        Some(_) => format!("known: {}", known.join(", ")),
        None => "none is known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_lists_all() {
        assert_eq!(did_you_mean("clik", ["open", "click"]), "did you mean `click`?");
        assert_eq!(did_you_mean("CLICK", ["open", "click"]), "did you mean `click`?");
        assert_eq!(did_you_mean("zzz", ["open", "click"]), "known: open, click");
    }
}
