//! What a proof came to: a row for each case, and the two numbers that count: what was missed, and what rang for nothing.

use super::{Case, Catalogue, Done, Held, Rings, Trial};
use crate::fault::rule::glob;
use crate::stats;
use crate::unit::{many, show_ms, show_percent};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A case in one browser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Trials that count.
    pub trials: u64,
    /// Of them, noticed; where nothing may ring: false alarms.
    pub rang: u64,
    /// Of the noticed, those of the wrong class.
    pub wrong_class: u64,
    /// Times from the fault to its notice, milliseconds.
    pub notice_ms: Vec<f64>,
    /// Trials that are *broken* or whose fault never came.
    pub void: u64,
    /// Trials that rightly say no more than that the host was busy; they are among those that count.
    pub busy: u64,
    /// Trials whose play ran more than 5 s past its budget, whatever came of it.
    pub overran: u64,
}

/// A whole proof.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// By case in the catalogue's order, and browser.
    pub rows: Vec<(String, &'static str, Row)>,
    /// Defects that were noticed, of how many.
    pub noticed: (u64, u64),
    /// Plays in which something rang for nothing, of how many.
    pub false_alarms: (u64, u64),
    /// Noticed with the right class, or rightly without any, of all that were noticed by an objective or by their play.
    pub classes: (u64, u64),
    /// Plays that were over in time, of how many: also of those that say nothing else.
    pub in_time: (u64, u64),
    /// Lost pages and contexts whose cause was told, the app or what came from outside, of how many.
    pub causes: (u64, u64),
    /// Whose cause `soundcheck why` named, of how many that say what it is: of defects in the app or upstream of it, and of
    /// those that this monitor planted itself.
    pub named: [(u64, u64); 2],
    /// What the reconciliation had to find of the app's own telemetry, or had not to, of how many plays that ask it.
    pub reconciled: (u64, u64),
    /// What it named instead, a sentence each, with the folder to look at. It says how good an answer is, and fails no proof.
    pub unnamed: Vec<String>,
    /// Trials that say nothing: broken, or the fault never came.
    pub void: Vec<String>,
    /// Videos that were played on an app whose clips carry no number, of all videos in trials that count.
    pub bare: (u64, u64),
    /// Trials that are not in the record.
    pub missing: usize,
    /// Trials of another program or catalogue that are in the record.
    pub left_out: usize,
    /// What is wrong, a sentence each, with the folder to look at.
    pub wrong: Vec<String>,
}

impl Matrix {
    /// Folds a record. Of a trial played twice the later counts.
    pub fn fold(catalogue: &Catalogue, wanted: &[Trial], record: &Held) -> Self {
        let last: BTreeMap<String, &Done> = record.trials.iter().map(|d| (d.key(), d)).collect();
        let mut matrix = Matrix { left_out: record.left_out, ..Matrix::default() };
        for case in &catalogue.cases {
            for browser in crate::browser::Kind::ALL {
                let own: Vec<&Trial> =
                    wanted.iter().filter(|t| t.case.id == case.id && t.browser == *browser).collect();
                if own.is_empty() {
                    continue;
                }
                let done: Vec<&Done> = own.iter().filter_map(|t| last.get(&t.key()).copied()).collect();
                matrix.missing += own.len() - done.len();
                matrix.videos(catalogue, case, &done);
                let row = matrix.row(case, &done);
                matrix.rows.push((case.id.clone(), browser.name(), row));
            }
        }
        matrix
    }

    fn row(&mut self, case: &Case, done: &[&Done]) -> Row {
        let mut row = Row::default();
        for one in done {
            self.ended(case, one, &mut row);
            if !one.counts(case) {
                row.void += 1;
                let why = one.reason.as_deref().unwrap_or("no reason recorded");
                self.void.push(format!("{}: {why} ({})", one.key(), one.folder.display()));
                continue;
            }
            row.trials += 1;
            self.cause_of(case, one);
            self.words_of(case, one);
            let told = |what: &str| {
                let reason = one.reason.as_deref().unwrap_or("the play passed");
                format!("{}: {what}: {reason} ({})", one.key(), one.folder.display())
            };
            if case.rings == Rings::Nothing {
                self.false_alarms.1 += 1;
                row.busy += u64::from(one.is_busy(case));
                if one.alarmed() {
                    row.rang += 1;
                    self.false_alarms.0 += 1;
                    let rang = if one.rang.is_empty() { "breached".to_owned() } else { one.rang.join(", ") };
                    self.wrong.push(told(&format!("false alarm: {rang}")));
                }
                continue;
            }
            let causes = case.loses();
            self.noticed.1 += 1;
            self.causes.1 += u64::from(causes);
            if !one.noticed(&case.rings) {
                let what = match one.rang.as_slice() {
                    [] => "missed".to_owned(),
                    rang => format!("missed, rang instead: {}", rang.join(", ")),
                };
                self.wrong.push(told(&what));
                continue;
            }
            row.rang += 1;
            self.noticed.0 += 1;
            self.causes.0 += u64::from(causes);
            row.notice_ms.extend(one.notice_ms);
            if let Rings::Objective(..) = &case.rings {
                self.classes.1 += 1;
                if one.wrong_class(&case.rings) {
                    row.wrong_class += 1;
                    let [class, wanted] =
                        [one.class.as_deref(), one.wanted_class(&case.rings)].map(|class| class.unwrap_or("none"));
                    self.wrong.push(told(&format!("class `{class}`, not `{wanted}`")));
                } else {
                    self.classes.0 += 1;
                }
            }
        }
        row
    }

    /// How many videos were played without a counter in the picture, by the app that each was really played on.
    fn videos(&mut self, catalogue: &Catalogue, case: &Case, done: &[&Done]) {
        let app = |one: &&&Done| catalogue.apps.iter().find(|app| app.name == one.app);
        for app in done.iter().filter(|one| case.plays_a_video() && one.counts(case)).filter_map(|one| app(&one)) {
            self.bare.0 += u64::from(app.counter.is_none());
            self.bare.1 += 1;
        }
    }

    /// Whether a play was over in time: none may hold up the next, whatever holds it up.
    fn ended(&mut self, case: &Case, one: &Done, row: &mut Row) {
        self.in_time.1 += 1;
        let Some(past) = one.overran(case) else {
            self.in_time.0 += 1;
            return;
        };
        row.overran += 1;
        let budget = case.journey.budget();
        let past = show_ms(past);
        self.wrong.push(format!("{}: {past} past its budget of {budget:?} ({})", one.key(), one.folder.display()));
    }

    /// Whether the cause of a trial was named, where the case says what it is.
    fn cause_of(&mut self, case: &Case, one: &Done) {
        let Some(wanted) = &case.why else { return };
        let count = &mut self.named[usize::from(!case.is_upstream())];
        count.1 += 1;
        let says = one.why.as_deref().unwrap_or("nothing");
        match glob(&format!("*{wanted}*"), says) {
            true => count.0 += 1,
            false => self.unnamed.push(format!("{}: {says} ({})", one.key(), one.folder.display())),
        }
    }

    /// Whether the reconciliation found of the app's own words what the case says.
    fn words_of(&mut self, case: &Case, one: &Done) {
        let Some(right) = one.reconciled(case) else { return };
        self.reconciled.1 += 1;
        if right {
            self.reconciled.0 += 1;
            return;
        }
        let list = |all: &[String]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
        let (wanted, found) = (list(case.finds.as_deref().unwrap_or_default()), list(&one.found));
        let what = format!("the reconciliation must find {wanted}, and found {found}");
        self.wrong.push(format!("{}: {what} ({})", one.key(), one.folder.display()));
    }

    /// Nothing missed, nothing false, nothing late, and nothing missing.
    pub fn holds(&self) -> bool {
        self.wrong.is_empty() && self.void.is_empty() && self.missing == 0
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let width = self.rows.iter().map(|(id, ..)| id.len()).max().unwrap_or(0);
        for (id, browser, row) in &self.rows {
            let Row { trials, rang, wrong_class, notice_ms, void, busy, overran } = row;
            let mut notes = Vec::new();
            notes.extend(stats::quantile(&mut notice_ms.clone(), 0.5).map(|ms| format!("after {}", show_ms(ms))));
            notes.extend((*wrong_class > 0).then(|| format!("{wrong_class} of the wrong class")));
            notes.extend((*busy > 0).then(|| format!("{busy} not enough data: busy host")));
            notes.extend((*overran > 0).then(|| format!("{overran} past the budget")));
            notes.extend((*void > 0).then(|| format!("{void} say nothing")));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{id:width$}  {browser:8}  rang {rang} of {trials}  {}", notes.join(", "));
        }
        let share = |(k, n): (u64, u64)| match n {
            0 => "0 of 0".to_owned(),
            _ => {
                let (low, high) = stats::wilson(k, n);
                format!("{k} of {n} [{} .. {}]", show_percent(low), show_percent(high))
            }
        };
        let _ = writeln!(out, "\ndefects noticed   {}", share(self.noticed));
        let _ = writeln!(out, "false alarms      {}", share(self.false_alarms));
        let _ = writeln!(out, "right class       {}", share(self.classes));
        let _ = writeln!(out, "app or outside    {}", share(self.causes));
        let _ = writeln!(out, "over in time      {}", share(self.in_time));
        let _ = writeln!(out, "app's own words   {}", share(self.reconciled));
        let _ = writeln!(out, "without a counter {} of {} videos", self.bare.0, self.bare.1);
        let _ = writeln!(out, "cause named       {}", share(self.named[0]));
        let _ = writeln!(out, "... of our faults {}", share(self.named[1]));
        for (title, lines) in
            [("\nwrong:", &self.wrong), ("\ncause not named, but:", &self.unnamed), ("\nsays nothing:", &self.void)]
        {
            if !lines.is_empty() {
                let _ = writeln!(out, "{title}\n  {}", lines.join("\n  "));
            }
        }
        if self.left_out > 0 {
            let trials = many(self.left_out as u64, "trial", "trials");
            let are = if self.left_out == 1 { "is" } else { "are" };
            let _ = writeln!(out, "\n{trials} of another program or catalogue {are} left out");
        }
        if self.missing > 0 {
            let _ = writeln!(out, "\n{} trials are still missing: the same command goes on", self.missing);
        }
        out
    }
}
