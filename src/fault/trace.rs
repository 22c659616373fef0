//! `trace`: the link delivers as one was recorded to.

use super::Fault;
use super::link::{Part, check_trace};
use serde::Deserialize;

/// Delivery opportunities of 1500 octets each way, in mahimahi's format.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    down: Opportunities,
    up: Option<Opportunities>,
}

/// Milliseconds, ascending: a list of numbers, or a recorded file's text with one on each line.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
struct Opportunities(Vec<u64>);

/// The most opportunities a trace may have.
const MOST: usize = 2_000_000;

impl TryFrom<toml::Value> for Opportunities {
    type Error = String;
    fn try_from(value: toml::Value) -> Result<Self, String> {
        let number = |n: i64| u64::try_from(n).map_err(|_| format!("`{n}` is before the trace's begin"));
        let all: Vec<u64> = match value {
            toml::Value::Array(list) => {
                let numbers = list.iter().map(|v| v.as_integer().ok_or(format!("`{v}` is no whole millisecond")));
                numbers.map(|n| n.and_then(number)).collect::<Result<_, _>>()?
            }
            toml::Value::String(text) => {
                let numbers =
                    text.split_whitespace().map(|w| w.parse().map_err(|_| format!("`{w}` is no whole millisecond")));
                numbers.collect::<Result<_, _>>()?
            }
            _ => return Err("a trace is a list of milliseconds, or text with one on each line".to_owned()),
        };
        if all.len() > MOST {
            return Err(format!("{} delivery opportunities: at most {MOST}", all.len()));
        }
        check_trace(&all)?;
        Ok(Self(all))
    }
}

impl Fault for Trace {
    fn link(&self) -> Option<Part> {
        let up = self.up.as_ref().map_or(Vec::new(), |up| up.0.clone());
        Some(Part::Trace { down: self.down.0.clone(), up })
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, refused};
    use super::*;

    #[test]
    fn a_list_and_a_recorded_text_say_the_same() {
        let list = fault("trace", "down = [0, 5, 5, 12]\nup = [3]").link();
        assert_eq!(list, Some(Part::Trace { down: vec![0, 5, 5, 12], up: vec![3] }));
        let text = fault("trace", "down = \"0\\n5\\n5\\n12\\n\"").link();
        assert_eq!(text, Some(Part::Trace { down: vec![0, 5, 5, 12], up: vec![] }));
    }

    #[test]
    fn a_trace_that_cannot_be_run_is_refused() {
        for (keys, why) in [
            ("down = []", "delivers nothing"),
            ("down = [0, 0]", "its length"),
            ("down = [2, 1]", "`1` comes after `2`"),
            ("down = [700000000]", "longer than a week"),
            ("down = [-1, 2]", "before"),
            ("down = [1.5]", "no whole millisecond"),
            ("down = \"1 two\"", "`two`"),
            ("down = 7", "a list"),
            ("up = [1]", "down"),
        ] {
            assert!(refused("trace", keys).contains(why), "{keys}: {}", refused("trace", keys));
        }
    }
}
