//! Pure. What the samples of many plays come to: objective by objective, day by day, up to a moment.

use super::calendar::before;
use super::streak::{Streak, first_day};
use super::{Alert, Calendar, Judged, Objective, Objectives, Severity, Verdict};
use crate::browser::Kind;
use crate::measure::Samples;
use crate::stats::{Burning, Exposure, Spent};
use crate::unit::ms;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// What each day that had any gave.
pub type Daily = BTreeMap<Date, Given>;

/// Samples, and of how many sessions: a play is one.
#[derive(Clone, Debug)]
pub struct Given {
    /// The samples.
    pub samples: Samples,
    /// The plays that gave any.
    pub sessions: u64,
}

impl Given {
    fn none(objective: &Objective) -> Self {
        Self { samples: objective.no_samples(), sessions: 0 }
    }

    fn add(&mut self, samples: &Samples, sessions: u64) {
        // Of one kind: each fits the target, as all before did.
        let _ = self.samples.merge(samples.clone());
        self.sessions += sessions;
    }
}

/// The samples of one app in one environment, sorted by objective and day.
pub struct Ledger<'o> {
    app: String,
    environment: String,
    objectives: &'o Objectives,
    calendar: &'o Calendar,
    accounts: Vec<Account>,
}

/// An objective's.
struct Account {
    days: Daily,
    newest: Option<i64>,
    /// What went wrong within each alert's long window and its short one.
    burnt: Vec<[Spent; 2]>,
    /// Plays within the window that are no samples for their profile's sake, by it; true: because it plans faults.
    left_out: BTreeMap<(bool, String), u64>,
}

const NOTHING: Spent = Spent { bad: 0, of: Exposure::Trials(0) };

impl<'o> Ledger<'o> {
    /// Begins empty.
    pub fn new(app: &str, environment: &str, objectives: &'o Objectives, calendar: &'o Calendar) -> Self {
        let burnt = vec![[NOTHING; 2]; objectives.alerts.len()];
        let account = |_| Account { days: Daily::new(), newest: None, burnt: burnt.clone(), left_out: BTreeMap::new() };
        let accounts = objectives.all().iter().map(account).collect();
        Self { app: app.to_owned(), environment: environment.to_owned(), objectives, calendar, accounts }
    }

    /// From when on samples matter, milliseconds since 1970.
    pub fn since(objectives: &Objectives, calendar: &Calendar) -> i64 {
        calendar.starts(first_day(objectives.all(), calendar))
    }

    /// Takes what a play gave; `counts`: it was played without planned faults; `has` tells what the play has under each key
    /// of a population. The order does not matter.
    pub fn take<'a>(
        &mut self,
        started: i64,
        samples: &[(String, Samples)],
        counts: bool,
        has: impl Copy + Fn(&str) -> Option<&'a str>,
    ) {
        let Some(day) = self.calendar.day(started) else { return };
        let age = (self.calendar.until().as_millisecond() - started) as f64;
        for (objective, account) in self.objectives.all().iter().zip(&mut self.accounts) {
            let browser = objective.browser.map(Kind::name).is_none_or(|wanted| has("browser") == Some(wanted));
            let Some((_, given)) = samples.iter().find(|(measure, _)| measure == objective.measure) else { continue };
            // What fits no target is of an older Soundcheck, that measured something else by this name.
            if !browser || !objective.target.fits(given) || (given.is_empty() && given.lost() == 0) {
                continue;
            }
            let (app, environment, population) = (&self.app, &self.environment, &objective.population);
            if !counts || !population.takes(app, environment, has) {
                let within = before(self.calendar.last(), usize::from(objective.window.0) - 1)..=self.calendar.last();
                if within.contains(&day) && population.takes_but_its_profile(app, environment, has) {
                    let profile = has("profile").unwrap_or_default().to_owned();
                    *account.left_out.entry((!counts, profile)).or_default() += 1;
                }
                continue;
            }
            let sampled = !given.is_empty();
            account.days.entry(day).or_insert_with(|| Given::none(objective)).add(given, u64::from(sampled));
            account.newest = account.newest.max(sampled.then_some(started));
            let spent = objective.target.spent(given);
            for (alert, burnt) in self.objectives.alerts.iter().zip(&mut account.burnt) {
                for (window, burnt) in [alert.long(), alert.short()].into_iter().zip(burnt) {
                    if age <= ms(window) {
                        *burnt = burnt.and(spent);
                    }
                }
            }
        }
    }

    /// Where every objective stands.
    pub fn standing(self) -> Standing {
        let all = || self.objectives.all().iter().zip(&self.accounts);
        let days: Vec<(&Objective, &Daily)> = all().map(|(objective, account)| (objective, &account.days)).collect();
        Standing {
            objectives: all().map(|(o, account)| stands(o, account, &self.objectives.alerts, self.calendar)).collect(),
            streak: Streak::of(&days, self.calendar),
            until: self.calendar.until().to_string(),
            time_zone: self.calendar.zone().to_owned(),
            app: self.app,
            environment: self.environment,
        }
    }
}

/// Where the objectives of one app in one environment stand.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The app file's name.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The moment, RFC 3339.
    pub until: String,
    /// Whose calendar days.
    pub time_zone: String,
    /// Each objective, in the file's order.
    pub objectives: Vec<Stands>,
    /// The last days.
    pub streak: Streak,
}

/// Where one objective stands.
#[derive(Clone, Debug, Serialize)]
pub struct Stands {
    /// Its answer over its own window.
    #[serde(flatten)]
    pub judged: Judged,
    /// The days of that window.
    pub window: u16,
    /// When the play of its newest sample began, milliseconds since 1970; `None`: it has none.
    pub newest: Option<i64>,
    /// The share of the window's budget that is left, as far as samples went; below 0: overspent; `None`: it has none.
    pub budget_left: Option<f64>,
    /// Where it has no sample: which plays are none, and why.
    pub left_out: Vec<String>,
    /// How fast its budget burns, alert by alert.
    pub burns: Vec<Burns>,
    /// What each of the window's days came to, at most of the last 28; `None`: no sample. Infinite, as JSON `null` too, is
    /// what never came.
    pub days: Vec<Option<f64>>,
}

/// How fast a budget burns, by one alert.
#[derive(Clone, Debug, Serialize)]
pub struct Burns {
    /// Who must be told.
    pub severity: Severity,
    /// The share of the budget.
    pub budget: f64,
    /// The long window, hours.
    pub within: f64,
    /// How many times too fast that is.
    pub threshold: f64,
    /// How many times too fast it burns over the long window; `None`: no sample.
    pub long: Option<f64>,
    /// The same over the short one.
    pub short: Option<f64>,
    /// Whether it rings.
    pub burning: Burning,
}

impl Standing {
    /// The answer of all that is demanded; without any sample: not enough data.
    pub fn verdict(&self) -> Verdict {
        let demanded = self.objectives.iter().filter(|o| !o.judged.goal).map(|o| o.judged.verdict);
        demanded.max().unwrap_or(Verdict::NotEnoughData)
    }

    /// Whether the judge is satisfied: nothing breached and something seen; to `prove`, all of it met.
    pub fn satisfies(&self, prove: bool) -> bool {
        let seen = self.objectives.iter().any(|o| !o.judged.goal && o.judged.samples > 0);
        match self.verdict() {
            Verdict::Met => seen,
            Verdict::NotEnoughData => seen && !prove,
            Verdict::Breached | Verdict::Broken => false,
        }
    }
}

/// What an objective's window that ends with this day was given.
pub(super) fn over_window(objective: &Objective, days: &Daily, last: Date) -> Given {
    let mut all = Given::none(objective);
    for (_, day) in days.range(before(last, usize::from(objective.window.0) - 1)..=last) {
        all.add(&day.samples, day.sessions);
    }
    all
}

fn stands(objective: &Objective, account: &Account, alerts: &[Alert], calendar: &Calendar) -> Stands {
    let Given { samples, sessions } = over_window(objective, &account.days, calendar.last());
    let budget = objective.target.budget();
    let days = calendar.days(usize::from(objective.window.0).min(28));
    let burns = alerts.iter().zip(&account.burnt).filter_map(|(alert, [long, short])| {
        Some(Burns {
            severity: alert.severity,
            budget: alert.budget.0,
            within: alert.long().as_secs_f64() / 3600.0,
            threshold: alert.burn(objective.window),
            long: long.burn(budget?),
            short: short.burn(budget?),
            burning: objective.burning(alert, long, short),
        })
    });
    let judged = objective.judge(&samples, sessions);
    let left_out = account.left_out.iter().filter(|_| judged.samples == 0).map(|((faulted, profile), plays)| {
        let plays = if *plays == 1 { "1 play".to_owned() } else { format!("{plays} plays") };
        let why = match (faulted, &objective.population.profile) {
            (false, Some(wanted)) => format!("the population is the profile {wanted}"),
            _ => "that profile plans faults".to_owned(),
        };
        format!("{plays} under {profile}, and none counts: {why}")
    });
    let left_out = left_out.collect();
    Stands {
        judged,
        left_out,
        window: objective.window.0,
        newest: account.newest,
        budget_left: budget.and_then(|b| Some(1.0 - objective.target.spent(&samples).burn(b)?)),
        burns: burns.collect(),
        days: days.iter().map(|day| Some(account.days.get(day)?.samples.value()?.1)).collect(),
    }
}
