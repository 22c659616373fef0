use super::*;
use crate::record::Ending;
use crate::secret::Secrets;
use std::path::{Path, PathBuf};

fn catalogue() -> Catalogue {
    shipped("verify")
}

fn shipped(name: &str) -> Catalogue {
    Catalogue::read(Path::new(name), &Secrets::default()).expect("the shipped one reads")
}

fn done(trial: &Trial, ending: Ending, rang: &[&str], class: Option<&str>) -> Done {
    Done {
        of: String::new(),
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

fn held(trials: impl Iterator<Item = Done>) -> Held {
    Held { trials: trials.collect(), left_out: 0 }
}

#[test]
fn the_order_is_the_seeds_and_the_apps_take_turns() {
    let mut catalogue = catalogue();
    catalogue.cases.iter_mut().for_each(|c| c.apps = vec![0, 1]);
    let played = trials(&catalogue, &[1]);
    let second = played.iter().filter(|t| t.app == 1).count();
    assert!(second.abs_diff(played.len() / 2) < played.len() / 10, "{second} of {}", played.len());
    let keys = |seed| trials(&catalogue, &[seed]).iter().map(Trial::key).collect::<Vec<_>>();
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
        let all = trials(&catalogue, &[seed]);
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
        let mut apps: Vec<_> = trials(&catalogue, &[seed])
            .iter()
            .filter(|t| t.browser == Kind::Firefox)
            .map(|t| (t.case.id.clone(), t.app))
            .collect();
        apps.sort();
        apps
    };
    assert!(apps(1) == apps(1) && apps(1) != apps(2));
}

/// What a perfect monitor would have found, but for the first trial that is `wanted`.
fn changed(
    catalogue: &Catalogue,
    all: &[Trial],
    wanted: &dyn Fn(&Trial) -> bool,
    make: &dyn Fn(&Trial) -> Option<Done>,
) -> Matrix {
    let at = all.iter().position(wanted).expect("there is one");
    let changed = all.iter().enumerate().filter_map(|(n, t)| if n == at { make(t) } else { Some(perfect(t)) });
    Matrix::fold(catalogue, all, &held(changed))
}

#[test]
fn what_the_app_tells_wrongly_must_be_found_and_nothing_else() {
    let catalogue = shipped("verify-room");
    let all = trials(&catalogue, &[1]);
    let found = |t: &Trial| Some(Done { found: vec!["late x".to_owned()], ..perfect(t) });
    let tells = |t: &Trial| t.case.finds.as_ref().is_some_and(|finds| !finds.is_empty());
    let deaf = changed(&catalogue, &all, &tells, &found);
    assert!(!deaf.holds() && deaf.reconciled.0 + 1 == deaf.reconciled.1, "{}", deaf.text());
    let right = |t: &Trial| t.case.finds.as_ref().is_some_and(Vec::is_empty);
    let cries = changed(&catalogue, &all, &right, &found);
    assert!(!cries.holds() && cries.text().contains("must find nothing, and found late x"), "{}", cries.text());
}

#[test]
fn a_proof_holds_only_if_nothing_is_missed_false_wrong_void_or_missing() {
    let catalogue = catalogue();
    let all = trials(&catalogue, &[1]);
    let whole = Matrix::fold(&catalogue, &all, &held(all.iter().map(perfect)));
    assert!(whole.holds(), "{}", whole.text());
    assert_eq!(whole.noticed.0, whole.noticed.1);

    let change = |wanted: &dyn Fn(&Trial) -> bool, make: &dyn Fn(&Trial) -> Option<Done>| {
        changed(&catalogue, &all, wanted, make)
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
    let all = only(trials(&catalogue, &[1]), &[], &[Kind::Chromium]);
    let took = |n: usize, ending: Ending, past_ms: f64| {
        let one = &all[n];
        let longest_ms = crate::unit::ms(one.case.journey.budget()) + past_ms;
        let mut record: Vec<Done> = all.iter().map(perfect).collect();
        record[n] = Done { ending, longest_ms, ..perfect(one) };
        Matrix::fold(&catalogue, &all, &held(record.into_iter()))
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

#[test]
fn what_failed_without_its_fault_is_not_noticed() {
    let catalogue = catalogue();
    let all = trials(&catalogue, &[1]);
    let played = |case: &dyn Fn(&Case) -> bool, ending: Ending, applied: &[u64]| {
        let trial = all.iter().find(|t| case(t.case)).expect("there is one");
        let fault = |n: &u64| serde_json::json!({ "id": "f", "matched": 3, "applied": n }).as_object().cloned();
        let faults: Vec<_> = applied.iter().filter_map(fault).collect();
        let mut done = Done { ending, ..perfect(trial) };
        done.unless_unplanted(trial.case, &faults);
        (done.counts(trial.case), done)
    };
    let faulted = |c: &Case| !c.profile.rules.is_empty() && c.hogs == 0 && !c.loses();
    for applied in [&[] as &[u64], &[0], &[0, 0]] {
        let (counts, done) = played(&faulted, Ending::Failed, applied);
        assert!(!counts && done.ending == Ending::Undecided, "{done:?}");
        assert_eq!(done.reason.as_deref(), Some("nothing was planted: none of the faults was applied; why"));
        assert!(!played(&faulted, Ending::Passed, applied).0, "nor is it quiet");
    }
    assert!(played(&faulted, Ending::Failed, &[0, 2]).0);
    assert_eq!(played(&faulted, Ending::Broken, &[]).1.ending, Ending::Broken);
    assert!(played(&|c| c.profile.rules.is_empty() && c.is_upstream(), Ending::Failed, &[]).0, "the app's own defect");
    let mut struck = all.iter().find(|t| faulted(t.case)).expect("there is one").case.clone();
    struck.outside = Some(Outside::Renderer);
    let trial = Trial { case: &struck, ..all[0] };
    let mut done = done(&trial, Ending::Failed, &[], None);
    done.unless_unplanted(&struck, &[]);
    assert_eq!(done.ending, Ending::Failed, "it was struck from outside");
}

#[test]
fn a_record_goes_on_with_trials_of_the_same_program_and_catalogue_only() {
    let catalogue = catalogue();
    let all = trials(&catalogue, &[1]);
    let folder = tempfile::tempdir().expect("a folder");
    let setting = |program: &str| Setting {
        out: folder.path().to_owned(),
        run: crate::run::Settings::default(),
        program: program.to_owned(),
    };
    let line = |trial: &Trial| {
        let done = Done { of: trial::of("one", &catalogue, trial.case), ..perfect(trial) };
        serde_json::to_value(done).expect("serializes")
    };
    let mut lines: Vec<serde_json::Value> = all.iter().map(line).collect();
    // As an older program wrote it, and of a case that there is none of any more.
    lines[0].as_object_mut().expect("an object").remove("of");
    lines[1]["case"] = "gone".into();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join("trials.jsonl"), text).expect("written");

    let same = record(&setting("one"), &catalogue).expect("reads");
    assert_eq!((same.trials.len(), same.left_out), (all.len() - 2, 2));
    let matrix = Matrix::fold(&catalogue, &all, &same);
    assert!(matrix.missing == 2 && !matrix.holds(), "{}", matrix.text());
    assert!(matrix.text().contains("2 trials of another program or catalogue are left out"), "{}", matrix.text());

    let kept = |program: &str, catalogue: &Catalogue| record(&setting(program), catalogue).expect("reads").trials.len();
    assert_eq!(kept("one", &self::catalogue()), all.len() - 2, "read again, it is the same");
    assert_eq!(kept("two", &catalogue), 0);
    let mut other = catalogue.clone();
    other.objectives.pop();
    assert_eq!(kept("one", &other), 0);
    let mut other = catalogue.clone();
    let case = &mut other.cases[5];
    case.hogs += 1;
    let of_it = all.iter().skip(2).filter(|t| t.case.id == case.id).count();
    assert_eq!(kept("one", &other), all.len() - 2 - of_it, "the other cases are what they were");
    // What differs from start to start would make every record another's.
    assert!(catalogue.cases.iter().all(|case| !format!("{case:?}").contains("0x")));
}

#[test]
fn a_program_is_told_by_the_octets_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |octets: &str| {
        let path = folder.path().join("program");
        std::fs::write(&path, octets).expect("written");
        program(&path).expect("reads")
    };
    assert_eq!((of("a"), of("a").len()), (of("a"), 16));
    assert_ne!(of("a"), of("b"));
    assert!(program(&folder.path().join("none")).is_err());
}

#[test]
fn a_part_of_the_catalogue_is_played_on_the_same_apps_as_the_whole() {
    let catalogue = catalogue();
    let app = |all: &[Trial]| all.iter().map(|t| (t.key(), t.app)).collect::<std::collections::BTreeMap<_, _>>();
    let whole = app(&trials(&catalogue, &[1, 2]));
    let id = |from: usize| catalogue.cases.iter().skip(from).step_by(3).map(|c| c.id.clone()).collect::<Vec<_>>();
    let mut parts = std::collections::BTreeMap::new();
    for browser in Kind::ALL {
        for names in [id(0), id(1), id(2)] {
            let part = only(trials(&catalogue, &[1, 2]), &names, &[*browser]);
            assert!(part.iter().all(|t| t.browser == *browser && names.contains(&t.case.id)));
            parts.extend(app(&part));
        }
    }
    assert_eq!(parts, whole);
    let glob = only(trials(&catalogue, &[1]), &["outside-*".to_owned()], &[]);
    assert!(!glob.is_empty() && glob.iter().all(|t| t.case.id.starts_with("outside-")));
}

#[test]
fn the_matrix_says_how_many_videos_were_played_without_a_counter() {
    let catalogue = catalogue();
    let all = trials(&catalogue, &[1]);
    let on = |t: &Trial| Done { app: catalogue.apps[t.app].name.clone(), ..perfect(t) };
    let videos = all.iter().filter(|t| t.case.plays_a_video()).count() as u64;
    let matrix = Matrix::fold(&catalogue, &all, &held(all.iter().map(on)));
    let (bare, of) = matrix.bare;
    assert!(of == videos && bare.abs_diff(videos / 2) <= 1, "{bare} of {of}, {videos} videos");
    assert!(matrix.text().contains(&format!("without a counter {bare} of {of} videos")), "{}", matrix.text());
    // It is what was played that counts, and not what was to be.
    let counted = catalogue.apps.iter().find(|app| app.counter.is_some()).expect("there is one");
    let matrix = Matrix::fold(&catalogue, &all, &held(all.iter().map(|t| Done { app: counted.name.clone(), ..on(t) })));
    assert_eq!(matrix.bare, (0, videos));
}
