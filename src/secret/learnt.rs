//! What the wire shows to be secret: the newest values of each name. An app may set a cookie anew with every answer, so that
//! learning one must cost little, and so must forgetting: a form is found by its first eight octets, and nothing is built.
//!
//! An older value is forgotten. What then still tells it, other than behind a telling name, tells it in the open.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// Nothing shorter is learnt: a form is found by so many of its octets.
pub(super) const SHORTEST: usize = 8;
/// Values of one name that are known at once: more than there are answers on their way together.
pub(super) const OF_A_NAME: usize = 32;
/// Octets of all forms of all values.
const OCTETS: usize = 1 << 20;

/// The values.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// By name, the oldest of each first.
    named: BTreeMap<String, VecDeque<One>>,
    /// Every form, by what it begins with.
    forms: HashMap<u64, Vec<Arc<[u8]>>, BuildHasherDefault<Spread>>,
    octets: usize,
    /// Of all that were ever learnt.
    count: u64,
}

/// A value.
#[derive(Debug)]
struct One {
    /// Which of all it was.
    number: u64,
    forms: Vec<Arc<[u8]>>,
}

impl Learnt {
    /// Whether a text as a whole is a form of a value.
    pub(super) fn has(&self, text: &[u8]) -> bool {
        let same = self.forms.get(&beginning(text));
        same.is_some_and(|forms| forms.iter().any(|form| form.eq_ignore_ascii_case(text)))
    }

    /// One more value of this name, in these forms.
    pub(super) fn add(&mut self, name: String, forms: &[String]) {
        let long = forms.iter().filter(|form| form.len() >= SHORTEST);
        let forms: Vec<Arc<[u8]>> = long.map(|form| Arc::from(form.as_bytes())).collect();
        for form in &forms {
            self.octets += form.len();
            self.forms.entry(beginning(form)).or_default().push(form.clone());
        }
        self.count += 1;
        let of_name = self.named.entry(name).or_default();
        of_name.push_back(One { number: self.count, forms });
        if of_name.len() > OF_A_NAME
            && let Some(oldest) = of_name.pop_front()
        {
            self.forget(oldest);
        }
        while self.octets > OCTETS {
            // Of the name that has the most; of several the one whose oldest is the oldest.
            let oldest = |all: &VecDeque<One>| Reverse(all.front().map(|one| one.number));
            let most = self.named.values_mut().max_by_key(|all| (all.len(), oldest(all)));
            let Some(one) = most.and_then(VecDeque::pop_front) else { return };
            self.forget(one);
            self.named.retain(|_, all| !all.is_empty());
        }
    }

    fn forget(&mut self, one: One) {
        for form in one.forms {
            self.octets -= form.len();
            let Entry::Occupied(mut same) = self.forms.entry(beginning(&form)) else { continue };
            same.get_mut().retain(|other| !Arc::ptr_eq(other, &form));
            if same.get().is_empty() {
                same.remove();
            }
        }
    }

    /// The first place from here on where there is one, in whatever case: of several that begin there the longest.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        if self.forms.is_empty() {
            return None;
        }
        let mut word = 0;
        text.iter().enumerate().skip(from).find_map(|(at, octet)| {
            word = with(word, octet);
            let start = (at + 1).checked_sub(SHORTEST).filter(|start| *start >= from)?;
            let rest = &text[start..];
            let here = |form: &&Arc<[u8]>| rest.get(..form.len()).is_some_and(|own| own.eq_ignore_ascii_case(form));
            let longest = self.forms.get(&word)?.iter().filter(here).map(|form| form.len()).max()?;
            Some(start..start + longest)
        })
    }

    /// All places in a text, from left to right.
    pub(super) fn find_all(&self, text: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.find(text, from)?;
            from = found.end;
            Some(found)
        })
    }
}

/// What a text begins with, in small letters.
fn beginning(text: &[u8]) -> u64 {
    text.iter().take(SHORTEST).fold(0, with)
}

/// A word of the last octets, and this one.
fn with(word: u64, octet: &u8) -> u64 {
    word << 8 | u64::from(octet.to_ascii_lowercase())
}

/// Spreads words over a table: each octet of a text is looked up in it, which a hash against enemies would make slow.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.write_u64(u64::from(*octet)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Learnt {
        let mut learnt = Learnt::default();
        values.iter().for_each(|value| learnt.add("h n".to_owned(), &[(*value).to_owned()]));
        learnt
    }

    #[test]
    fn the_newest_of_each_name_are_known_and_the_others_leave_nothing() {
        let mut learnt = of(&[]);
        learnt.add("h other".to_owned(), &["set-only-once".to_owned()]);
        for n in 0..1000 {
            learnt.add("h n".to_owned(), &[format!("session-{n:04}"), format!("{n:04}-noisses")]);
        }
        let has = |n: usize| learnt.has(format!("SESSION-{n:04}").as_bytes());
        assert!(learnt.has(b"set-only-once") && !learnt.has(b"set-only") && !learnt.has(b"set-only-once-more"));
        assert!((0..1000).all(|n| has(n) == (n >= 1000 - OF_A_NAME)), "only the newest");
        let kept: usize = learnt.forms.values().map(Vec::len).sum();
        assert_eq!(kept, 2 * OF_A_NAME + 1);
        assert_eq!(learnt.octets, kept_octets(&learnt));
    }

    fn kept_octets(learnt: &Learnt) -> usize {
        learnt.forms.values().flatten().map(|form| form.len()).sum()
    }

    #[test]
    fn all_together_are_bounded_whatever_they_are_called() {
        let mut learnt = of(&["the very first"]);
        let long = "x".repeat(10_000);
        for n in 0..1000 {
            learnt.add(format!("h {n}"), &[format!("{n:08}{long}")]);
        }
        assert!(learnt.octets <= OCTETS && learnt.octets > OCTETS / 2);
        assert_eq!(learnt.octets, kept_octets(&learnt));
        assert!(learnt.has(format!("00000999{long}").as_bytes()) && !learnt.has(b"the very first"));
        assert!(learnt.named.len() < 200, "names without values are gone");
        // One that is too long for all leaves none behind.
        learnt.add("h".to_owned(), &["y".repeat(OCTETS + 1)]);
        assert!(learnt.octets <= OCTETS && learnt.octets == kept_octets(&learnt));
    }

    proptest! {
        #[test]
        fn each_is_found_as_by_looking_for_it_everywhere(
            values in proptest::collection::vec("[abé]{8,10}", 0..6),
            text in "[abABé]{0,40}",
        ) {
            let learnt = of(&values.iter().map(String::as_str).collect::<Vec<_>>());
            let (lower, mut wanted, mut at) = (text.to_ascii_lowercase(), Vec::new(), 0);
            while at < lower.len() {
                let here = |v: &&String| v.len() >= SHORTEST && lower.as_bytes()[at..].starts_with(v.as_bytes());
                match values.iter().filter(here).map(String::len).max() {
                    Some(longest) => {
                        wanted.push(at..at + longest);
                        at += longest;
                    }
                    None => at += 1,
                }
            }
            prop_assert_eq!(learnt.find_all(text.as_bytes()).collect::<Vec<_>>(), wanted.clone());
            prop_assert!(wanted.iter().all(|place| text.is_char_boundary(place.start) && text.is_char_boundary(place.end)));
        }
    }
}
