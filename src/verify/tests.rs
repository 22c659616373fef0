use super::*;
use crate::record::Ending;
use crate::secret::Secrets;
use std::path::{Path, PathBuf};

fn catalogue() -> Catalogue {
    Catalogue::read(Path::new("verify"), &Secrets::default()).expect("the shipped one reads")
}

fn done(trial: &Trial, ending: Ending, rang: &[&str], class: Option<&str>) -> Done {
    Done {
        seed: trial.seed,
        browser: trial.browser.name().to_owned(),
        case: trial.case.id.clone(),
        number: trial.number,
        app: "stage".to_owned(),
        ending,
        rang: rang.iter().map(|r| (*r).to_owned()).collect(),
        breached: false,
        class: class.map(str::to_owned),
        notice_ms: Some(1200.0),
        reason: Some("why".to_owned()),
        why: trial.case.why.clone(),
        found: trial.case.finds.clone().unwrap_or_default(),
        ms: 5000.0,
        longest_ms: 5000.0,
        folder: PathBuf::from("x"),
    }
}

fn undecided(trial: &Trial, why: &str) -> Done {
    Done { reason: Some(why.to_owned()), ..done(trial, Ending::Undecided, &[], None) }
}

/// What a perfect monitor would have written.
fn perfect(trial: &Trial) -> Done {
    match &trial.case.rings {
        Rings::Nothing => done(trial, Ending::Passed, &[], None),
        Rings::Broken(cause) => {
            let done = done(trial, Ending::Broken, &[], None);
            Done { reason: cause.clone().or(done.reason.clone()), ..done }
        }
        Rings::Objective(id, classes) => {
            let class = classes[usize::from(trial.browser == Kind::Firefox)].as_deref();
            done(trial, Ending::Failed, &[id.as_str()], class)
        }
    }
}

#[test]
fn the_order_is_the_seeds_and_the_apps_take_turns() {
    let mut catalogue = catalogue();
    catalogue.cases.iter_mut().for_each(|c| c.apps = vec![0, 1]);
    let played = trials(&catalogue, &[1], Kind::ALL);
    let second = played.iter().filter(|t| t.app == 1).count();
    assert!(second.abs_diff(played.len() / 2) < played.len() / 10, "{second} of {}", played.len());
    let keys = |seed| trials(&catalogue, &[seed], Kind::ALL).iter().map(Trial::key).collect::<Vec<_>>();
    let bare = |key: &String| key.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    assert_eq!(keys(1), keys(1));
    let (one, two): (Vec<_>, Vec<_>) = (keys(1).iter().map(bare).collect(), keys(2).iter().map(bare).collect());
    assert_ne!(one, two);
    let sorted = |mut k: Vec<String>| {
        k.sort();
        k
    };
    assert_eq!(sorted(one), sorted(two), "another order of the same trials");
}

#[test]
fn half_of_the_videos_of_each_browser_are_without_a_counter() {
    let catalogue = catalogue();
    for seed in 1..=5 {
        let all = trials(&catalogue, &[seed], Kind::ALL);
        for &browser in Kind::ALL {
            let videos: Vec<&Trial> = all.iter().filter(|t| t.browser == browser && t.case.plays_a_video()).collect();
            let bare = videos.iter().filter(|t| catalogue.apps[t.app].counter.is_none()).count();
            assert!(
                (videos.len() / 2..=videos.len().div_ceil(2)).contains(&bare),
                "{browser}: {bare} of {}",
                videos.len()
            );
            assert!(videos.len() > 60, "{}", videos.len());
            // It is no list of cases: the seed decides which of them are.
            let free = |t: &&&Trial| t.case.apps.len() == 2;
            let of = |app: usize| videos.iter().filter(free).filter(|t| t.app == app).count();
            assert!(of(0) > 10 && of(1) > 10, "{} and {}", of(0), of(1));
        }
        assert!(all.iter().all(|t| t.case.apps.contains(&t.app)));
    }
    let apps = |seed: u64| {
        let mut apps: Vec<_> =
            trials(&catalogue, &[seed], &[Kind::Firefox]).iter().map(|t| (t.case.id.clone(), t.app)).collect();
        apps.sort();
        apps
    };
    assert!(apps(1) == apps(1) && apps(1) != apps(2));
}

#[test]
fn a_proof_holds_only_if_nothing_is_missed_false_wrong_void_or_missing() {
    let catalogue = catalogue();
    let all = trials(&catalogue, &[1], Kind::ALL);
    let good: Vec<Done> = all.iter().map(perfect).collect();
    let whole = Matrix::fold(&catalogue, &all, &good);
    assert!(whole.holds(), "{}", whole.text());
    assert_eq!(whole.noticed.0, whole.noticed.1);

    let change = |wanted: &dyn Fn(&Trial) -> bool, make: &dyn Fn(&Trial) -> Option<Done>| {
        let at = all.iter().position(wanted).expect("there is one");
        let changed: Vec<Done> =
            all.iter().enumerate().filter_map(|(n, t)| if n == at { make(t) } else { Some(perfect(t)) }).collect();
        Matrix::fold(&catalogue, &all, &changed)
    };
    let rings = |t: &Trial| matches!(&t.case.rings, Rings::Objective(..)) && !t.case.loses();
    let quiet = |t: &Trial| t.case.rings == Rings::Nothing;
    let missed = change(&rings, &|t| Some(done(t, Ending::Passed, &[], None)));
    assert!(!missed.holds() && missed.noticed.0 + 1 == missed.noticed.1, "{}", missed.text());
    let other = change(&rings, &|t| Some(done(t, Ending::Failed, &["P0"], None)));
    assert!(!other.holds() && other.text().contains("rang instead: P0"), "{}", other.text());
    let alarm = change(&quiet, &|t| Some(done(t, Ending::Failed, &[], None)));
    assert!(!alarm.holds() && alarm.false_alarms.0 == 1, "{}", alarm.text());
    // What is enough to notice a defect by is no less of an alarm where there is none: one slow frame, too.
    let slow = change(&quiet, &|t| Some(done(t, Ending::Passed, &["P1.2"], None)));
    assert!(!slow.holds() && slow.false_alarms.0 == 1, "{}", slow.text());
    assert!(slow.text().contains("false alarm: P1.2"), "{}", slow.text());
    let void = change(&rings, &|t| Some(done(t, Ending::Undecided, &[], None)));
    assert!(!void.holds() && void.void.len() == 1 && void.noticed.1 + 1 == whole.noticed.1, "{}", void.text());
    let hogged = |t: &Trial| t.case.hogs > 0;
    let busy = change(&hogged, &|t| Some(undecided(t, "busy host: others had the processors")));
    assert!(busy.holds() && busy.text().contains("1 not enough data: busy host"), "{}", busy.text());
    let idle = change(&hogged, &|t| Some(undecided(t, "another reason")));
    assert!(!idle.holds() && idle.void.len() == 1, "{}", idle.text());
    let ours = |t: &Trial| t.case.loses() && !matches!(t.case.rings, Rings::Broken(_));
    let excused = change(&ours, &|t| Some(done(t, Ending::Broken, &[], None)));
    assert!(!excused.holds() && excused.causes.0 + 1 == excused.causes.1, "{}", excused.text());
    let broken = |t: &Trial| matches!(t.case.rings, Rings::Broken(Some(_)));
    let blamed = change(&broken, &|t| Some(done(t, Ending::Failed, &["P1.3"], None)));
    assert!(!blamed.holds() && blamed.causes.0 + 1 == blamed.causes.1, "{}", blamed.text());
    let other = change(&broken, &|t| Some(done(t, Ending::Broken, &[], None)));
    assert!(!other.holds() && other.causes.0 + 1 == other.causes.1, "another cause: {}", other.text());
    let tells = |t: &Trial| t.case.finds.as_ref().is_some_and(|finds| !finds.is_empty());
    let deaf = change(&tells, &|t| Some(Done { found: vec!["late x".to_owned()], ..perfect(t) }));
    assert!(!deaf.holds() && deaf.reconciled.0 + 1 == deaf.reconciled.1, "{}", deaf.text());
    let right = |t: &Trial| t.case.finds.as_ref().is_some_and(Vec::is_empty);
    let cries = change(&right, &|t| Some(Done { found: vec!["late x".to_owned()], ..perfect(t) }));
    assert!(!cries.holds() && cries.text().contains("must find nothing, and found late x"), "{}", cries.text());
    let missing = change(&rings, &|_| None);
    assert!(!missing.holds() && missing.missing == 1, "{}", missing.text());
    let classed = |t: &Trial| matches!(&t.case.rings, Rings::Objective(_, [Some(_), Some(_)]));
    if all.iter().any(classed) {
        let wrong = change(&classed, &|t| Some(Done { class: Some("other".to_owned()), ..perfect(t) }));
        assert!(!wrong.holds() && wrong.classes.0 + 1 == wrong.classes.1, "{}", wrong.text());
    }
}

#[test]
fn no_trial_runs_past_its_budget_whatever_comes_of_it() {
    let catalogue = catalogue();
    let all = trials(&catalogue, &[1], &[Kind::Chromium]);
    let took = |n: usize, ending: Ending, past_ms: f64| {
        let one = &all[n];
        let longest_ms = crate::unit::ms(one.case.journey.budget()) + past_ms;
        let mut record: Vec<Done> = all.iter().map(perfect).collect();
        record[n] = Done { ending, longest_ms, ..perfect(one) };
        Matrix::fold(&catalogue, &all, &record)
    };
    let quiet = all.iter().position(|t| t.case.rings == Rings::Nothing).expect("there is one");
    let in_time = took(quiet, Ending::Passed, 4999.0);
    assert!(in_time.holds() && in_time.in_time == (all.len() as u64, all.len() as u64), "{}", in_time.text());
    let late = took(quiet, Ending::Passed, 6000.0);
    assert!(!late.holds() && late.in_time.0 + 1 == late.in_time.1, "{}", late.text());
    assert!(late.text().contains("1 past the budget") && late.text().contains("6.00 s past its"), "{}", late.text());
    let broken = took(quiet, Ending::Broken, 6000.0);
    assert!(broken.wrong.len() == 1 && broken.void.len() == 1, "of one that says nothing else too: {}", broken.text());
}
