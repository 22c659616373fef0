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
    let second = trials(&catalogue, &[1], Kind::ALL).iter().filter(|t| t.app == 1).count();
    assert_eq!(second, trials(&catalogue, &[1], Kind::ALL).len() / 2);
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
