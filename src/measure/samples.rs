//! What a measure gives, and how it is kept: `{"trials":[good,total]}`, `{"ms":[12.5,null]}`, `{"bytes":[1e6]}`,
//! `{"count":[events,minutes]}`. A measurement without a usable time is no sample, and is not lost either: it is kept as
//! -1 among the milliseconds, and as a third number of a count.

use crate::stats;
use crate::unit::many;
use serde::{Deserialize, Serialize};

/// In place of a time that is none: an instrument broke, or a clock jumped. NaN, and whatever is below 0, is as much.
pub const NO_TIME: f64 = -1.0;

/// What a measure gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub enum Samples {
    /// Successes out of trials.
    Trials {
        /// Successes.
        good: u64,
        /// Trials.
        total: u64,
    },
    /// Milliseconds; what never came is infinite, never dropped. See [`NO_TIME`].
    Values(Vec<f64>),
    /// Bytes.
    Bytes(Vec<f64>),
    /// Events over minutes of exposure.
    Count {
        /// Events.
        count: u64,
        /// Minutes.
        minutes: f64,
        /// Measurements without a usable time: neither in the count nor in the minutes.
        lost: u64,
    },
}

impl Samples {
    /// How many; a measurement without a usable time is none.
    pub fn len(&self) -> u64 {
        match self {
            Samples::Trials { total, .. } => *total,
            Samples::Values(values) => values.iter().filter(|v| is_time(**v)).count() as u64,
            Samples::Bytes(values) => values.len() as u64,
            // Events without exposure are no rate yet, and count once there is some.
            Samples::Count { count, minutes, .. } => u64::from(*minutes > 0.0 || *count > 0),
        }
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many measurements are no samples for want of a usable time.
    pub fn lost(&self) -> u64 {
        match self {
            Samples::Values(values) => values.iter().filter(|v| !is_time(**v)).count() as u64,
            Samples::Count { lost, .. } => *lost,
            Samples::Trials { .. } | Samples::Bytes(_) => 0,
        }
    }

    /// What they come to in one number, and what that is: `share`, `p95 ms`, `most bytes` or `per minute`; of none,
    /// nothing.
    pub fn value(&self) -> Option<(&'static str, f64)> {
        match self {
            Samples::Trials { good, total } => (*total > 0).then(|| ("share", *good as f64 / *total as f64)),
            Samples::Values(values) => Some(("p95 ms", stats::quantile(&mut times(values), 0.95)?)),
            Samples::Bytes(values) => Some(("most bytes", values.iter().copied().reduce(f64::max)?)),
            Samples::Count { count, minutes, .. } => (*minutes > 0.0).then(|| ("per minute", *count as f64 / minutes)),
        }
    }

    /// The median of times or sizes; of others, and of none, nothing.
    pub fn middle(&self) -> Option<f64> {
        match self {
            Samples::Values(values) => stats::quantile(&mut times(values), 0.5),
            Samples::Bytes(values) => stats::quantile(&mut values.clone(), 0.5),
            Samples::Trials { .. } | Samples::Count { .. } => None,
        }
    }

    /// Adds samples of the same measure; `false`: those are of another kind, and nothing was added.
    #[must_use]
    pub fn merge(&mut self, other: Self) -> bool {
        match (self, other) {
            (Samples::Trials { good, total }, Samples::Trials { good: g, total: t }) => {
                *good = good.saturating_add(g);
                *total = total.saturating_add(t);
            }
            (Samples::Values(values), Samples::Values(more)) | (Samples::Bytes(values), Samples::Bytes(more)) => {
                values.extend(more);
            }
            (Samples::Count { count, minutes, lost }, Samples::Count { count: c, minutes: m, lost: l }) => {
                *count = count.saturating_add(c);
                *minutes += m;
                *lost = lost.saturating_add(l);
            }
            _ => return false,
        }
        true
    }
}

/// What is said of so many measurements without a usable time; of none, nothing.
pub fn left_out(lost: u64) -> String {
    match lost {
        0 => String::new(),
        lost => format!("; {} without a usable time left out", many(lost, "measurement", "measurements")),
    }
}

/// Whether it is a time: also the infinite one of what never came.
fn is_time(ms: f64) -> bool {
    ms >= 0.0
}

/// The usable ones.
pub fn times(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|v| is_time(*v)).collect()
}

/// The same as JSON has it. It has no infinity: `null` is what never came.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Trials(u64, u64),
    Ms(Vec<Option<f64>>),
    Bytes(Vec<Option<f64>>),
    Count(u64, f64, #[serde(default, skip_serializing_if = "is_none")] u64),
}

fn is_none(lost: &u64) -> bool {
    *lost == 0
}

impl From<Samples> for Kept {
    fn from(samples: Samples) -> Self {
        let kept = |values: Vec<f64>| values.into_iter().map(|v| v.is_finite().then_some(v)).collect();
        match samples {
            Samples::Trials { good, total } => Kept::Trials(good, total),
            Samples::Values(values) => {
                let known = |v: f64| if is_time(v) { v } else { NO_TIME };
                Kept::Ms(kept(values.into_iter().map(known).collect()))
            }
            Samples::Bytes(values) => Kept::Bytes(kept(values)),
            Samples::Count { count, minutes, lost } => {
                Kept::Count(count, if minutes.is_finite() { minutes } else { 0.0 }, lost)
            }
        }
    }
}

impl From<Kept> for Samples {
    fn from(kept: Kept) -> Self {
        let values = |kept: Vec<Option<f64>>| kept.into_iter().map(|v| v.unwrap_or(f64::INFINITY)).collect();
        match kept {
            // More successes than trials there cannot be, whoever wrote so.
            Kept::Trials(good, total) => Samples::Trials { good: good.min(total), total },
            Kept::Ms(kept) => Samples::Values(values(kept)),
            Kept::Bytes(kept) => Samples::Bytes(values(kept)),
            Kept::Count(count, minutes, lost) => Samples::Count { count, minutes: minutes.max(0.0), lost },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_samples() -> impl Strategy<Value = Samples> {
        // The reader of JSON may be off by the last bit beyond 15 digits.
        let value = prop_oneof![9 => (0_u64..1 << 40).prop_map(|v| v as f64 / 1000.0), 1 => Just(f64::INFINITY)];
        let time = prop_oneof![9 => value.clone(), 1 => Just(NO_TIME)];
        let (times, values) = (proptest::collection::vec(time, 0..20), proptest::collection::vec(value, 0..20));
        prop_oneof![
            (0_u64..1000, 0_u64..1000).prop_map(|(good, bad)| Samples::Trials { good, total: good + bad }),
            times.prop_map(Samples::Values),
            values.prop_map(Samples::Bytes),
            (0_u64..1000, 0..1000, 0_u64..3).prop_map(|(count, m, lost)| Samples::Count {
                count,
                minutes: f64::from(m) / 8.0,
                lost
            }),
        ]
    }

    #[test]
    fn they_are_kept_in_few_letters() {
        for (samples, json) in [
            (Samples::Trials { good: 3, total: 4 }, r#"{"trials":[3,4]}"#),
            (Samples::Values(vec![12.5, f64::INFINITY]), r#"{"ms":[12.5,null]}"#),
            (Samples::Bytes(vec![]), r#"{"bytes":[]}"#),
            (Samples::Count { count: 1, minutes: 0.5, lost: 0 }, r#"{"count":[1,0.5]}"#),
            (Samples::Count { count: 1, minutes: 0.5, lost: 2 }, r#"{"count":[1,0.5,2]}"#),
            (Samples::Values(vec![f64::NAN, f64::NEG_INFINITY, -7.0]), r#"{"ms":[-1.0,-1.0,-1.0]}"#),
        ] {
            assert_eq!(serde_json::to_string(&samples).expect("JSON"), json);
            let again: Samples = serde_json::from_str(json).expect("it reads");
            assert_eq!((again.len(), again.lost()), (samples.len(), samples.lost()), "{json}");
        }
        let more_than_all: Samples = serde_json::from_str(r#"{"trials":[9,4]}"#).expect("it reads");
        assert_eq!(more_than_all, Samples::Trials { good: 4, total: 4 });
    }

    #[test]
    fn no_samples_have_no_value() {
        let none = [
            Samples::Trials { good: 0, total: 0 },
            Samples::Values(vec![]),
            Samples::Values(vec![NO_TIME, f64::NAN]),
            Samples::Count { count: 0, minutes: 0.0, lost: 3 },
        ];
        assert!(none.iter().all(|s| s.value().is_none() && s.is_empty() && s.middle().is_none()));
        assert_eq!(none.map(|s| s.lost()), [0, 0, 2, 3]);
        assert_eq!(Samples::Trials { good: 3, total: 4 }.value(), Some(("share", 0.75)));
        assert_eq!(Samples::Values(vec![9.0, f64::INFINITY]).value(), Some(("p95 ms", f64::INFINITY)));
        assert_eq!(Samples::Values(vec![9.0, NO_TIME]).value(), Some(("p95 ms", 9.0)));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_found_again(samples in any_samples()) {
            let kept = serde_json::to_string(&samples).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Samples>(&kept).expect("it reads"), samples);
        }

        #[test]
        fn merged_they_are_as_many_and_kinds_never_mix(a in any_samples(), b in any_samples()) {
            let mut sum = a.clone();
            if sum.merge(b.clone()) {
                prop_assert_eq!(sum.lost(), a.lost() + b.lost());
                match &a {
                    Samples::Count { .. } => prop_assert!(sum.is_empty() == (a.is_empty() && b.is_empty())),
                    _ => prop_assert_eq!(sum.len(), a.len() + b.len()),
                }
            } else {
                prop_assert_eq!(sum, a);
            }
        }
    }
}
