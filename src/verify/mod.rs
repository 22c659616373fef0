//! Floor 5. The proof that each alarm rings: a catalogue of planted defects, each with the objective that must ring and
//! the class it must get, and of plays in which nothing may ring. Every case is a run of its own, in an order that the
//! seed decides; what came of each is a line of the record, so that a proof goes on where it was stopped.

mod catalogue;
mod matrix;
mod outside;
mod trial;
mod want;

pub use catalogue::{Case, Catalogue, Rings};
pub use matrix::{Matrix, Row};
pub use outside::Outside;
pub use trial::{Done, Held, PLAY, Setting, program, record, trial};

use crate::browser::Kind;
use crate::fault::rule::glob;
use crate::fault::seed::Draw;

/// One trial to do: a case in a browser, its seed, and the app that it is played on.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// What is planted.
    pub case: &'a Case,
    /// Where it is played.
    pub browser: Kind,
    /// The seed of its order, its app and its faults.
    pub seed: u64,
    /// 1, and more where the case is played more often.
    pub number: u32,
    /// Which of the catalogue's apps it is played on.
    pub app: usize,
}

impl Trial<'_> {
    /// Its name in the record: what tells it from every other.
    pub fn key(&self) -> String {
        format!("{} {} {} {}", self.seed, self.browser, self.case.id, self.number)
    }
}

/// Every trial of these seeds, in an order that the seed decides: nothing can be tuned to a script. The apps take turns
/// in that order, so that each gets its share of them; half of the videos that a browser plays are without a counter in
/// the picture. It is always the whole catalogue in both browsers: whichever part of it is played ([`only`]), the app of
/// a trial is the same.
pub fn trials<'a>(catalogue: &'a Catalogue, seeds: &[u64]) -> Vec<Trial<'a>> {
    let mut all = Vec::new();
    for &seed in seeds {
        let mut own = Vec::new();
        for case in &catalogue.cases {
            for &browser in Kind::ALL.iter().filter(|b| case.browser.is_none_or(|only| only == **b)) {
                own.extend((1..=case.times).map(|number| Trial { case, browser, seed, number, app: 0 }));
            }
        }
        let place = |t: &Trial| Draw::of_link(seed, &t.key()).bits(0);
        own.sort_by_key(|t| (place(t), t.key()));
        for (n, trial) in own.iter_mut().enumerate() {
            let apps = &trial.case.apps;
            trial.app = apps[n % apps.len()];
        }
        for &browser in Kind::ALL {
            let videos = own.iter_mut().filter(|t| t.browser == browser && t.case.plays_a_video()).collect();
            halve(catalogue, videos, Draw::of_link(seed, browser.name()).bits(0) % 2);
        }
        all.extend(own);
    }
    all
}

/// Those of the cases that one of these names, in one of these browsers; without a name all, and so without a browser.
pub fn only<'a>(mut all: Vec<Trial<'a>>, names: &[String], browsers: &[Kind]) -> Vec<Trial<'a>> {
    let named = |t: &Trial| names.is_empty() || names.iter().any(|name| glob(name, &t.case.id));
    all.retain(|t| named(t) && (browsers.is_empty() || browsers.contains(&t.browser)));
    all
}

/// Has half of these played on an app whose clips carry no number, as far as their cases leave the choice: those that do
/// make up, in their order, for those that do not. Of an odd number, `more` decides.
fn halve(catalogue: &Catalogue, videos: Vec<&mut Trial<'_>>, more: u64) {
    let bare = |app: &usize| catalogue.apps[*app].counter.is_none();
    let half = (videos.len() + more as usize) / 2;
    let (free, fixed): (Vec<_>, Vec<_>) =
        videos.into_iter().partition(|t| t.case.apps.iter().any(bare) && !t.case.apps.iter().all(bare));
    let wanted = half.saturating_sub(fixed.iter().filter(|t| bare(&t.app)).count()).min(free.len());
    let of = free.len();
    for (n, trial) in free.into_iter().enumerate() {
        let without = (n + 1) * wanted / of > n * wanted / of;
        let apps: Vec<usize> = trial.case.apps.iter().copied().filter(|app| bare(app) == without).collect();
        trial.app = apps[n % apps.len()];
    }
}

#[cfg(test)]
mod tests;
