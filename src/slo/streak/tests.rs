//! Streaks across a gap, a breach, a day without a run and both changes of the clock; and what holds of all of them.

use super::super::{Ledger, Objectives, Population, Standing};
use super::*;
use crate::measure::Samples;
use crate::source::Source;
use crate::unit::Days;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

/// A play of a test: when, what it gave the measure, and that.
type Given = (Timestamp, &'static str, Samples);

const FILE: &str = r#"
question = "?"
[[objective]]
id = "P1.1"
name = "hydra.preset_load"
measure = "preset load"
target = "ratio >= 90 %"
window = "3 d"
day_min = 10
[[objective]]
id = "P1.19"
name = "video.stalls"
measure = "long stalls"
target = "rate <= 0.1 /min"
window = "3 d"
day_min = 2
"#;

fn objectives() -> Objectives {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("slo.toml");
    std::fs::write(&path, FILE).expect("written");
    Objectives::read(&Source::open(&path, "ci").expect("opens")).expect("reads")
}

fn standing(given: &[Given], zone: &str, until: &str) -> Standing {
    let objectives = objectives();
    let calendar = Calendar::new(TimeZone::get(zone).expect("a time zone"), until.parse().expect("a moment"));
    let mut ledger = Ledger::new("stage", "stage", &objectives, &calendar);
    for (at, measure, samples) in given {
        let of = |key: &str| (key != "version").then_some(if key == "profile" { "clean" } else { "stage" });
        ledger.take(at.as_millisecond(), &[((*measure).to_owned(), samples.clone())], true, of);
    }
    ledger.standing()
}

/// A good day's plays, at its noon in this time zone.
fn good(day: &str, zone: &str) -> [Given; 2] {
    let noon = day.parse::<Date>().expect("a day").at(12, 0, 0, 0);
    let noon = noon.to_zoned(TimeZone::get(zone).expect("a time zone")).expect("a time").timestamp();
    [
        (noon, "preset load", Samples::Trials { good: 20, total: 20 }),
        (noon, "long stalls", Samples::Count { count: 0, minutes: 2.0, lost: 0 }),
    ]
}

/// Good days, so many, the last one included.
fn days(last: &str, n: usize, zone: &str) -> Vec<Given> {
    let last: Date = last.parse().expect("a day");
    (0..n).flat_map(|back| good(&before(last, back).to_string(), zone)).collect()
}

fn marks(streak: &Streak) -> String {
    streak.days.iter().map(|day| day.mark.sign()).collect()
}

#[test]
fn seven_good_days_make_a_streak_and_six_do_not() {
    let seven = standing(&days("2026-11-21", 7, "UTC"), "UTC", "2026-11-22T00:00:00Z").streak;
    assert_eq!((marks(&seven).as_str(), seven.met, seven.holds()), ("·······■■■■■■■", 7, true));
    let strips: Vec<(&str, Mark)> = seven.pillars.iter().map(|s| (s.pillar.as_str(), s.days[13])).collect();
    assert_eq!(strips, [("hydra", Mark::Met), ("video", Mark::Met)]);
    let six = standing(&days("2026-11-21", 6, "UTC"), "UTC", "2026-11-22T00:00:00Z").streak;
    assert_eq!((six.met, six.holds()), (6, false));
}

#[test]
fn a_gap_ends_a_streak_whatever_it_lacks() {
    let all = days("2026-11-21", 14, "UTC");
    for (lacks, why) in [
        // A day without any run.
        (&["preset load", "long stalls"][..], &["hydra.preset_load 0 of 10", "video.stalls 0 of 2"][..]),
        (&["long stalls"], &["video.stalls 0 of 2"]),
    ] {
        let given: Vec<Given> = all
            .iter()
            .filter(|(at, measure, _)| !(at.to_string().starts_with("2026-11-18") && lacks.contains(measure)))
            .cloned()
            .collect();
        let streak = standing(&given, "UTC", "2026-11-22T00:00:00Z").streak;
        assert_eq!((marks(&streak).as_str(), streak.met), ("■■■■■■■■■■·■■■", 3));
        assert_eq!(streak.days[10].why, why);
    }
    // One sample short of its day_min.
    let mut short = all.clone();
    short[0].2 = Samples::Trials { good: 9, total: 9 };
    let streak = standing(&short, "UTC", "2026-11-22T00:00:00Z").streak;
    assert_eq!((streak.met, &streak.days[13].why[..]), (0, &["hydra.preset_load 9 of 10".to_owned()][..]));
}

#[test]
fn a_breach_lasts_as_long_as_its_window() {
    let mut given = days("2026-11-21", 14, "UTC");
    let noon = "2026-11-15T12:00:00Z".parse().expect("a moment");
    given.push((noon, "preset load", Samples::Trials { good: 0, total: 30 }));
    let streak = standing(&given, "UTC", "2026-11-22T00:00:00Z").streak;
    assert_eq!((marks(&streak).as_str(), streak.met), ("■■■■■■■✗✗✗■■■■", 4));
    assert_eq!(
        streak.days[7].why,
        ["hydra.preset_load breached over 3 d: 60 of 90 [56.422 % .. 75.546 %]; in 4 sessions"]
    );
}

#[test]
fn today_breaks_a_streak_and_adds_nothing_to_it() {
    let mut given = days("2026-11-21", 7, "UTC");
    let now = "2026-11-22T02:00:00Z";
    let quiet = standing(&given, "UTC", now).streak;
    assert_eq!((marks(&quiet).as_str(), quiet.met, quiet.over), ("······■■■■■■■·", 7, false));
    given.extend(
        good("2026-11-22", "Asia/Tokyo")
            .map(|(_, measure, samples)| ("2026-11-22T01:00:00Z".parse().expect("a moment"), measure, samples)),
    );
    assert_eq!(standing(&given, "UTC", now).streak.met, 7);
    assert_eq!(standing(&given[2..], "UTC", now).streak.met, 0, "yesterday lacks its runs, whatever today has");
    let bad = Samples::Trials { good: 0, total: 60 };
    given.push(("2026-11-22T01:30:00Z".parse().expect("a moment"), "preset load", bad));
    assert_eq!(standing(&given, "UTC", now).streak.met, 0);
}

#[test]
fn days_are_those_of_the_time_zone_on_both_changes_of_the_clock() {
    for (change, ends, hours) in
        [("2026-10-25", "2026-10-25T23:00:00Z", 25), ("2027-03-28", "2027-03-28T22:00:00Z", 23)]
    {
        let zone = "Europe/Berlin";
        let ends: Timestamp = ends.parse().expect("a moment");
        let begins = ends.checked_sub(hours.hours()).expect("a moment");
        let others = days(change, 7, zone).split_off(2);
        // The day's only runs are at its two ends, half of what it needs at each.
        let half = |at: Timestamp| {
            [
                (at, "preset load", Samples::Trials { good: 5, total: 5 }),
                (at, "long stalls", Samples::Count { count: 0, minutes: 1.0, lost: 0 }),
            ]
        };
        let edges = [begins, ends.checked_sub(1.millisecond()).expect("a moment")];
        let given: Vec<Given> = others.iter().cloned().chain(edges.into_iter().flat_map(half)).collect();
        let streak = standing(&given, zone, &ends.to_string()).streak;
        assert_eq!((streak.met, streak.over), (7, true), "{change}: {:?}", streak.days);
        // A millisecond outside: the day has only half.
        for out in [begins.checked_sub(1.millisecond()).expect("a moment"), ends] {
            let edges = [out, edges[usize::from(out < begins)]];
            let given: Vec<Given> = others.iter().cloned().chain(edges.into_iter().flat_map(half)).collect();
            let streak = standing(&given, zone, &ends.to_string()).streak;
            assert_eq!(streak.met, 0, "{change}");
        }
        // In UTC the same hours are of two days.
        let streak = standing(&given, "UTC", &ends.to_string()).streak;
        assert!(!streak.holds(), "{change}");
    }
}

#[test]
fn a_clock_that_jumped_makes_no_day_met() {
    let until = "2026-11-22T00:00:00Z";
    let mut given = days("2026-11-20", 6, "UTC");
    for wrong in ["1970-01-01T00:00:00Z", "2071-01-01T00:00:00Z", "2026-11-22T00:00:00Z"] {
        let at = wrong.parse().expect("a moment");
        given.extend(good("2026-11-21", "UTC").map(|(_, measure, samples)| (at, measure, samples)));
    }
    let streak = standing(&given, "UTC", until).streak;
    assert_eq!((marks(&streak).as_str(), streak.met), ("·······■■■■■■·", 0));
    // Times and counts that no clock gives.
    let odd = [
        ("preset load", Samples::Values(vec![f64::NAN, -1.0])),
        ("long stalls", Samples::Count { count: 0, minutes: 0.0, lost: 9 }),
        ("long stalls", Samples::Count { count: 0, minutes: f64::NAN, lost: 0 }),
        ("long stalls", Samples::Count { count: 0, minutes: -9.0, lost: 0 }),
        ("preset load", Samples::Trials { good: 0, total: 0 }),
    ];
    given.extend(odd.map(|(measure, samples)| ("2026-11-21T12:00:00Z".parse().expect("a moment"), measure, samples)));
    assert_eq!(standing(&given, "UTC", until).streak.met, 0);
}

#[test]
fn where_nothing_is_fed_no_day_is_met() {
    let mut queue = objectives().all()[0].clone();
    queue.day_min = 1;
    queue.window = Days(28);
    queue.population = Population::default();
    let calendar = Calendar::new(TimeZone::UTC, "2026-11-22T00:00:00Z".parse().expect("a moment"));
    let streak = Streak::of(&[(&queue, &Daily::new())], &calendar);
    assert_eq!((marks(&streak).as_str(), streak.met), ("··············", 0));
    assert_eq!(Streak::of(&[], &calendar).met, 0);
    // Until it gives samples.
    let given = crate::slo::Given { samples: Samples::Trials { good: 9, total: 9 }, sessions: 1 };
    let day = Daily::from([("2026-11-21".parse().expect("a day"), given)]);
    let streak = Streak::of(&[(&queue, &day)], &calendar);
    assert_eq!(marks(&streak), "·············■");
}

/// Plays somewhere in twenty days, some of them outside what is asked about.
fn any_plays() -> impl Strategy<Value = Vec<Given>> {
    let trials = (0_u64..40, 0_u64..4).prop_map(|(good, bad)| Samples::Trials { good, total: good + bad });
    let count = (0_u64..2, 0_u64..5).prop_map(|(count, m)| Samples::Count { count, minutes: m as f64, lost: 0 });
    let of = prop_oneof![trials.prop_map(|s| ("preset load", s)), count.prop_map(|s| ("long stalls", s))];
    let until: Timestamp = "2026-11-22T00:00:00Z".parse().expect("a moment");
    let play = (0_i64..20 * 24, of).prop_map(move |(hours, (measure, samples))| {
        (until.checked_sub((hours - 24).hours()).expect("a moment"), measure, samples)
    });
    proptest::collection::vec(play, 0..150)
}

proptest! {
    #[test]
    fn a_met_day_has_its_samples_and_no_breach_and_the_order_is_nothing(plays in any_plays(), turn in 0_usize..150) {
        let until = "2026-11-22T00:00:00Z";
        let one = standing(&plays, "UTC", until);
        let mut turned = plays.clone();
        turned.rotate_left(turn.min(plays.len()));
        turned.reverse();
        let other = standing(&turned, "UTC", until);
        prop_assert_eq!(
            serde_json::to_string(&one.streak).expect("JSON"),
            serde_json::to_string(&other.streak).expect("JSON")
        );
        for day in one.streak.days.iter().filter(|day| day.mark == Mark::Met) {
            let of_day = plays.iter().filter(|(at, ..)| at.to_string().starts_with(&day.day.to_string()));
            let (mut switches, mut minutes) = (0, 0.0);
            for (_, _, samples) in of_day {
                match samples {
                    Samples::Count { minutes: m, .. } => minutes += m,
                    samples => switches += samples.len(),
                }
            }
            prop_assert!(switches >= 10 && minutes >= 2.0 && day.why.is_empty(), "{:?}", day);
        }
        for stands in &one.objectives {
            prop_assert!(stands.budget_left.is_none_or(|left| left <= 1.0), "{stands:?}");
            prop_assert!(stands.judged.samples > 0 || stands.judged.verdict == Verdict::NotEnoughData, "{stands:?}");
        }
        let last = &one.streak.days[7..];
        prop_assert_eq!(one.streak.holds(), last.iter().all(|day| day.mark == Mark::Met));
        prop_assert!(one.streak.days.iter().all(|day| (day.mark == Mark::Met) == day.why.is_empty()));
    }

    #[test]
    fn fewer_days_make_no_longer_streak(plays in any_plays(), without in 0_i64..14) {
        let until = "2026-11-22T00:00:00Z";
        let gone = before("2026-11-21".parse().expect("a day"), without as usize).to_string();
        let fewer: Vec<Given> = plays.iter().filter(|(at, ..)| !at.to_string().starts_with(&gone)).cloned().collect();
        let streak = standing(&fewer, "UTC", until).streak;
        prop_assert_ne!(streak.days[13 - without as usize].mark, Mark::Met, "a day without a run");
        prop_assert!(without >= 7 || streak.met <= without as usize);
    }
}
