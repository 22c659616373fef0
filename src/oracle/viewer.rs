//! Is the viewer signed in, as the page shows it?

use super::{Before, Held, Oracle, Outcome, Seen};
use crate::unit::show_ms;

/// For so long the page must go on showing nobody, before nobody is signed in.
const SETTLE_MS: f64 = 1000.0;

pub(super) struct Viewer {
    /// Somebody must be signed in; else nobody may.
    wanted: bool,
    before: Before,
    held: Held,
    acted: Option<f64>,
    /// When the login was asked for, and how it was refused.
    asked: Option<f64>,
    refused: Option<String>,
}

impl Viewer {
    pub(super) fn new(before: Before, wanted: bool) -> Self {
        Self { wanted, before, held: Held::default(), acted: None, asked: None, refused: None }
    }

    fn ended(&self, t: f64, failed: Option<String>) -> Option<Outcome> {
        let ms = (t - self.asked.unwrap_or(self.before.t)).max(0.0);
        let failed = failed.map(|why| self.held.explain(why));
        Some(Outcome { ms: Some(ms).filter(|_| failed.is_none()), failed, ..Outcome::default() })
    }
}

impl Oracle for Viewer {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        match seen {
            Seen::Acted | Seen::Input => drop(self.acted.get_or_insert(t)),
            Seen::Told(told) if self.before.is_in_it(told.t) => match told.event {
                "auth_login_start" => self.asked = Some(told.t),
                "auth_login_failure" => {
                    let status = told.fields["status"].as_u64();
                    let said = status.map_or_else(|| told.text("error").to_owned(), |status| status.to_string());
                    self.refused = Some(format!("the login was answered {said}"));
                    if self.wanted {
                        return self.ended(t, self.refused.clone());
                    }
                }
                _ => {}
            },
            Seen::User(user) => {
                let since = self.asked.or(self.acted)?;
                return match (user, self.wanted) {
                    (Some(_), true) => self.ended(t, None),
                    (Some(_), false) => self.ended(t, Some("somebody is signed in, and nobody should be".to_owned())),
                    (None, false) if t - since >= SETTLE_MS => self.ended(t, None),
                    (None, _) => None,
                };
            }
            other => self.held.see(other),
        }
        None
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        let waited = show_ms(t - self.before.t);
        let why = match self.wanted {
            true => format!("the page showed nobody signed in for {waited}"),
            false => format!("the page did not say in {waited} that nobody is signed in"),
        };
        Outcome { failed: Some(self.held.explain(why)), late: true, ..Outcome::default() }
    }
}
