//! Floor 5. The release gate: GO or NO-GO, line by line, each with its evidence, how old that is and may be, and who
//! attests what cannot be measured. GO needs every line: what is missing, stale, of another version or unreadable is
//! never taken for good. A kind of line is a leaf and a row.

mod attestation;
mod context;
mod demand;
mod evidence;
mod file;
mod http;
mod line;
pub mod report;
mod results;

use crate::plan::Judge;
use crate::slo::Verdict;
use crate::source::Problem;
use crate::table::Row;
pub use attestation::{Attestations, Decision, Signed};
pub use context::{Context, Question};
pub use file::{Release, attested};
pub use line::{Line, show_age};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

/// What one kind of line demands, as the release file has it.
pub trait Demand: fmt::Debug {
    /// Finds what is wrong in its table; the app is the release's.
    fn check(&self, app: &str, problems: &mut Vec<Problem>);
    /// Its table in words.
    fn words(&self) -> Vec<String>;
    /// Its lines, judged: at least one.
    fn judge(&self, asked: &mut Context) -> Vec<Line>;
}

/// A kind's table of the release file, if it has one.
pub type Table<'t> = Option<Spanned<DeValue<'t>>>;

/// A kind of line.
pub struct Kind {
    name: &'static str,
    about: &'static str,
    /// Lines of it that people attest, where nothing measures them.
    pub attested: &'static [&'static str],
    /// Reads its table of the release file; `None`: the file has none.
    pub read: fn(Table) -> Result<Box<dyn Demand>, toml::de::Error>,
}

impl Row for Kind {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// Every kind of line, in the order of the answer; the name is its table's.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "checks",
        about: "P5.1: typecheck, test and smoke passed; JUnit, GitHub's check runs, or a run's verdict.json",
        attested: &[],
        read: read::<demand::checks::Checks>,
    },
    Kind {
        name: "protected_main",
        about: "P2.2: nothing reaches main unchecked; GitHub's branch protection, or attested",
        attested: &[demand::protected_main::NAME],
        read: read::<demand::protected_main::ProtectedMain>,
    },
    Kind {
        name: "remotes",
        about: "P2.2: no remote but the named ones can be pushed to; read from git, or attested",
        attested: &[demand::remotes::NAME],
        read: read::<demand::remotes::Remotes>,
    },
    Kind {
        name: "sev1",
        about: "P5.2: no open Sev-1 regression in any pillar; a JSON list, or GitHub's issues",
        attested: &[],
        read: read::<demand::sev1::Sev1>,
    },
    Kind {
        name: "firefox_video",
        about: "P5.3: Firefox plays a video on a production-like environment; from the history, never the stage",
        attested: &[],
        read: read::<demand::firefox_video::FirefoxVideo>,
    },
    Kind {
        name: "aborts",
        about: "P5.4: no unexplained spike of 413 or idle-timeout aborts; by our plays, and by the app's own log or metrics",
        attested: &[demand::aborts::TOO_LARGE, demand::aborts::IDLE],
        read: read::<demand::aborts::Aborts>,
    },
    Kind {
        name: "rollback",
        about: "P5.5: the way back is documented, and it is tested: two lines, both attested",
        attested: &[demand::rollback::DOCUMENTED, demand::rollback::TESTED],
        read: read::<demand::rollback::Rollback>,
    },
    Kind {
        name: "objectives",
        about: "P1: every objective of slo.toml, by plays of this version; from the history",
        attested: &[],
        read: read::<demand::objectives::Standings>,
    },
    Kind {
        name: "streak",
        about: "P6.4: all of them on each of the last seven days; from the history",
        attested: &[],
        read: read::<demand::streak::Seven>,
    },
];

fn read<D: Demand + DeserializeOwned + Default + 'static>(table: Table) -> Result<Box<dyn Demand>, toml::de::Error> {
    Ok(Box::new(match table {
        None => D::default(),
        Some(table) => D::deserialize(ValueDeserializer::from(table))?,
    }))
}

/// What others wrote, on one line and without what a terminal obeys: a title must not forge an answer.
fn plain(text: &str) -> String {
    // Marks that turn the direction of writing, or stand for nothing, forge as well.
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if obeyed(c) { ' ' } else { c }).collect()
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// What the file asks.
    pub question: String,
    /// The app.
    pub app: String,
    /// The environment of the objectives.
    pub environment: String,
    /// The version; `None`: none was named.
    pub version: Option<String>,
    /// The moment that is asked about, RFC 3339.
    pub until: String,
    /// How sure the objectives must be.
    pub judge: Judge,
    /// Every line.
    pub lines: Vec<Line>,
    /// What the people decided.
    pub sign_off: Vec<Signed>,
}

impl Gate {
    /// Judges every line. One that cannot be answered does not keep the others from it.
    pub fn judge(release: &Release, question: &Question) -> Self {
        let mut asked = Context::new(release, question);
        let mut lines = Vec::new();
        for (kind, demand) in KINDS.iter().zip(&release.demands) {
            let mut own = demand.judge(&mut asked);
            if own.is_empty() {
                own.push(Line::of("P5", kind.name).lacks("nothing is known of it", kind.about));
            }
            lines.append(&mut own);
        }
        for line in &mut lines {
            // Who attests may be told by an address that is hidden elsewhere.
            let texts = [Some(&mut line.evidence), line.missing.as_mut(), line.link.as_mut()];
            texts.into_iter().flatten().for_each(|text| *text = plain(&asked.secrets().hide(text)));
            line.by = line.by.as_deref().map(plain);
        }
        let mut sign_off = release.attestations.sign_off(&asked);
        for signed in &mut sign_off {
            let texts = [signed.why.as_mut(), signed.link.as_mut()];
            texts.into_iter().flatten().for_each(|text| *text = plain(&asked.secrets().hide(text)));
            signed.by = signed.by.as_deref().map(plain);
        }
        Self {
            question: release.question.clone(),
            app: release.app.clone(),
            environment: release.environment.clone(),
            version: asked.version().ok().cloned(),
            until: asked.until().to_string(),
            judge: release.judge,
            sign_off,
            lines,
        }
    }

    /// Every line that is demanded is met, and there are some.
    pub fn holds(&self) -> bool {
        self.lines.iter().any(|line| line.demanded) && self.lines.iter().all(Line::holds)
    }

    /// What the people decided, together: one HOLD holds, and PASS is both.
    pub fn signed(&self) -> Decision {
        let all = |decision| !self.sign_off.is_empty() && self.sign_off.iter().all(|s| s.decision == decision);
        match self.sign_off.iter().any(|s| s.decision == Decision::Hold) {
            true => Decision::Hold,
            false if all(Decision::Pass) => Decision::Pass,
            false => Decision::Pending,
        }
    }

    /// GO: every line is met, and operator and engineering say PASS.
    pub fn go(&self) -> bool {
        self.holds() && self.signed() == Decision::Pass
    }

    /// `GO` or `NO-GO`.
    pub fn answer(&self) -> &'static str {
        if self.go() { "GO" } else { "NO-GO" }
    }

    /// 0 GO, 1 NO-GO; 3 where what holds the evidence is out of reach and nothing is shown to fail.
    pub fn exit_code(&self) -> u8 {
        let any = |answer| self.lines.iter().any(|line| line.demanded && line.answer == answer);
        match () {
            () if self.go() => 0,
            () if any(Verdict::Broken) && !any(Verdict::Breached) && self.signed() != Decision::Hold => 3,
            () => 1,
        }
    }

    /// So many lines of this answer that are demanded.
    pub fn count(&self, answer: Verdict) -> usize {
        self.lines.iter().filter(|line| line.demanded && line.answer == answer).count()
    }

    /// The answer's reason, in a sentence.
    pub fn why(&self) -> String {
        let lines = self.lines.iter().filter(|line| line.demanded).count();
        let open =
            [Verdict::Breached, Verdict::Broken, Verdict::NotEnoughData].map(|verdict| (self.count(verdict), verdict));
        let open: Vec<String> = open
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, verdict)| match verdict {
                Verdict::NotEnoughData => format!("{n} without enough data"),
                verdict => format!("{n} {}", verdict.name()),
            })
            .collect();
        let lines = match self.holds() {
            true => format!("all {lines} lines are met"),
            false => format!("of {lines} lines {} met, {}", self.count(Verdict::Met), open.join(", ")),
        };
        match self.signed() {
            Decision::Pass => format!("{lines}; signed off"),
            Decision::Hold => format!("{lines}; the sign-off says HOLD"),
            Decision::Pending => format!("{lines}; the sign-off is PENDING"),
        }
    }
}
