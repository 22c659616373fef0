use super::*;
use crate::fault::rule::{Nth, Part, Scope};
use crate::fault::{Leg, Resource};
use std::time::Duration;

fn read_at(path: &str, text: &str) -> Result<Profile> {
    Profile::read(&Source { path: path.into(), text: format!("question = \"?\"\n{text}") })
}

fn read(text: &str) -> Profile {
    read_at("p.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(text: &str) -> String {
    read_at("p.toml", text).expect_err("it was taken").to_string()
}

const PLAYS: &str = "\n[[expect]]\noutcome = \"plays\"\n";

fn one(fault: &str) -> Rule {
    read(&format!("[[fault]]\n{fault}{PLAYS}")).rules.remove(0)
}

#[test]
fn a_fault_without_shared_keys_is_for_everything_always() {
    let rule = one("do = \"range_ignored\"");
    assert_eq!((rule.id.as_str(), rule.kind), ("range_ignored", "range_ignored"));
    assert_eq!((rule.leg, rule.scope, rule.times), (Leg::Browser, Scope::Link, None));
    assert!((rule.probability - 1.0).abs() < f64::EPSILON);
    assert_eq!(rule.when, crate::fault::rule::When::default());
}

#[test]
fn shared_keys_come_to_the_rule() {
    let rule = one(
        "do = \"status\"\ncode = 503\nid = \"down\"\nleg = \"upstream\"\nprobability = \"25 %\"\ntimes = 2\nscope = \"client\"\n\
         match = { host = \"*:80\", path = \"/m/*\", method = \"GET\", resource = \"segment\", range = \"later\", nth = \"2+\", \
         after = \"1s\", until = \"2s\", step = \"init*\" }",
    );
    assert_eq!((rule.id.as_str(), rule.leg, rule.scope, rule.times), ("down", Leg::Upstream, Scope::Client, Some(2)));
    assert!((rule.probability - 0.25).abs() < f64::EPSILON);
    let when = rule.when;
    assert_eq!((when.host.as_deref(), when.path.as_deref()), (Some("*:80"), Some("/m/*")));
    assert_eq!((when.method.as_deref(), when.step.as_deref()), (Some("GET"), Some("init*")));
    assert_eq!((when.resource, when.range, when.nth), (Some(Resource::Segment), Some(Part::Later), Some(Nth::From(2))));
    assert_eq!((when.after, when.until), (Some(Duration::from_secs(1)), Some(Duration::from_secs(2))));
}

#[test]
fn a_run_plans_no_fault_that_nobody_arms() {
    let text = format!(
        "[[fault]]\ndo = \"status\"\ncode = 503\n[[fault]]\ndo = \"ttfb\"\ntime = \"2s\"\narmed = false\n{PLAYS}"
    );
    let profile = read(&text);
    assert_eq!(profile.rules.iter().map(|r| r.armed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(profile.words()[1], "ttfb time = \"2s\"; every request; disarmed at first");
    let source = Source { path: "p.toml".into(), text };
    let played = profile.for_plays(&source).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((played.rules.len(), played.rules[0].kind, played.says.len()), (1, "status", 1));
    assert!(refused(&format!("[[fault]]\ndo = \"status\"\ncode = 503\narmed = 1{PLAYS}")).contains("armed = 1\n"));
}

#[test]
fn what_says_nothing_of_plays_is_for_the_proxy_command_alone() {
    let text = "[[fault]]\ndo = \"ttfb\"\ntime = \"2s\"\n";
    let profile = read(text);
    assert_eq!(profile.words()[1], "expects: nothing, so it is for `soundcheck proxy` only");
    let source = Source { path: "p.toml".into(), text: text.to_owned() };
    let said = profile.for_plays(&source).expect_err("a run needs it").to_string();
    assert!(said.contains("only `soundcheck proxy` can play it") && said.contains("add [[expect]]"), "{said}");
    let disarmed = read(&format!("{text}armed = false\n")).for_plays(&source).unwrap_or_else(|e| panic!("{e}"));
    assert!(disarmed.rules.is_empty(), "nothing is planned: nothing need be said");
}

#[test]
fn a_journey_that_nobody_knows_is_found_where_it_stands() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("own.toml"), "").expect("written");
    let expect = |journey: &str| {
        let text = format!(
            "[[fault]]\ndo = \"status\"\ncode = 503\n[[expect]]\njourney = \"{journey}\"\noutcome = \"fails\"{PLAYS}"
        );
        let source = Source { path: dir.path().join("p.toml"), text: format!("question = \"?\"\n{text}") };
        let profile = Profile::read(&source).unwrap_or_else(|e| panic!("{e}"));
        profile.unknown_journeys(&["far"], &source, "here").iter().map(|p| source.note(p)).collect::<String>()
    };
    for known in ["video", "preset*", "own", "far"] {
        assert_eq!(expect(known), "", "{known}");
    }
    let said = expect("vidio");
    assert!(said.starts_with("note: no journey `vidio` here, or among the shipped"), "{said}");
    assert!(
        said.contains("journey = \"vidio\"") && said.contains("^^^^^^^") && said.contains("did you mean `video`?"),
        "{said}"
    );
    assert!(expect("nothing*").contains("no journey `nothing*`"), "a pattern of none");
}

#[test]
fn a_profile_is_called_by_its_path_below_the_profiles() {
    for (path, wanted) in [
        ("clean", "clean"),
        ("proxies/clean.toml", "clean"),
        ("./proxies/chrome/3g.toml", "chrome/3g"),
        ("ci/../proxies/chrome/3g.toml", "chrome/3g"),
        ("elsewhere/mine.toml", "mine"),
        ("proxies/wpt/3g-fast.v2.toml", "wpt/3g-fast.v2"),
    ] {
        assert_eq!(name(Path::new(path)), wanted, "{path}");
    }
}

#[test]
fn published_profiles_play_and_others_say_what_holds() {
    let fault = "[[fault]]\ndo = \"latency\"\nrtt = \"40 ms\"\n";
    let published = read_at("proxies/chrome/x.toml", fault).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(published.expect, [Expect::plays()]);
    assert!(read_at("proxies/x.toml", fault).is_ok_and(|own| own.expect.is_empty()));
    assert!(read("").expect.is_empty() && read("").expected("video", Kind::Firefox).is_none());
}

#[test]
fn the_first_expectation_that_fits_counts() {
    let profile = read(
        "[[fault]]\ndo = \"status\"\ncode = 413\n[[expect]]\njourney = \"video\"\nbrowser = \"firefox\"\noutcome = \"fails\"\n\
         reason = \"413\"\n[[expect]]\njourney = \"video\"\noutcome = \"either\"\n[[expect]]\noutcome = \"plays\"\nwithin = \"3s\"\n",
    );
    let outcome = |journey, browser| profile.expected(journey, browser).map(|e| e.outcome);
    assert_eq!(outcome("video", Kind::Firefox), Some(Outcome::Fails));
    assert_eq!(outcome("video", Kind::Chromium), Some(Outcome::Either));
    assert_eq!(outcome("player", Kind::Firefox), Some(Outcome::Plays));
}

#[test]
fn seeds_are_told_or_one() {
    assert_eq!((read("").seed, read("seed = 0").seed, read("seed = 77").seed), (1, 0, 77));
}

#[test]
fn a_problem_of_a_faults_own_keys_is_shown_where_it_is() {
    let said = refused(&format!("[[fault]]\ndo = \"latency\"\nrtt = \"40 ms\"\njitter = \"41 ms\"{PLAYS}"));
    assert!(said.contains("jitter = \"41 ms\"\n  |          ^^^^^^^"), "{said}");
    let said = refused(&format!("[[fault]]\ndo = \"status\"\ncode = 999{PLAYS}"));
    assert!(said.contains("code = 999\n  |        ^^^"), "{said}");
    let said = refused(&format!("[[fault]]\ndo = \"latency\"\nrtt = 40{PLAYS}"));
    assert!(said.contains("rtt = 40\n  |       ^^"), "{said}");
    let said = refused(&format!("[[fault]]\ndo = \"latency\"\nprobabilty = 1\nrtt = \"4 ms\"{PLAYS}"));
    assert!(said.contains("did you mean `probability`?"), "{said}");
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let said = refused(
        "seed = -1\n[[fault]]\ndo = \"staus\"\n[[fault]]\ndo = \"status\"\ncode = 413\ntimes = 0\nprobability = 0\n\
         [[expect]]\noutcome = \"plays\"\nreason = \"x\"\n",
    );
    assert_eq!(said.matches("error: ").count(), 5, "{said}");
}

#[test]
fn a_value_may_stand_in_a_file_beside_the_profile() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("lte.down"), "0\n5\n5\n12\n").expect("written");
    let at = dir.path().join("p.toml").display().to_string();
    let text = format!("[[fault]]\ndo = \"trace\"\ndown = {{ file = \"lte.down\" }}{PLAYS}");
    let profile = read_at(&at, &text).unwrap_or_else(|e| panic!("{e}"));
    let wanted = crate::fault::link::Part::Trace { down: vec![0, 5, 5, 12], up: vec![] };
    assert_eq!(profile.rules[0].fault.link(), Some(wanted));
    let missing = read_at(&at, &text.replace("lte.down", "no.down")).expect_err("no such file").to_string();
    assert!(missing.contains("no.down") && missing.contains("help: give a text file"), "{missing}");
}

#[test]
fn it_says_what_it_does() {
    let profile = read(
        "[[fault]]\ndo = \"bandwidth\"\ndown = \"1 Mbit/s\"\n[[fault]]\ndo = \"status\"\ncode = 503\nid = \"now-and-then\"\n\
         probability = \"20 %\"\ntimes = 3\nscope = \"connection\"\nmatch = { resource = \"media\", range = \"later\", nth = \"/3\" }\n\
         [[expect]]\njourney = \"video\"\noutcome = \"fails\"\nreason = \"MediaError 4\"\n\
         [[expect]]\noutcome = \"plays\"\nwithin = \"2s\"\n",
    );
    assert_eq!(
        profile.words(),
        [
            "bandwidth down = \"1 Mbit/s\"; the whole link",
            "now-and-then: status code = 503; every request for media of a later part (each 3. of a URL); 20 % of them; \
             at most 3 times a URL; each connection by itself",
            "expects: video in both browsers fails with \"MediaError 4\"",
            "expects: every other play plays, each expectation within 2s",
        ]
    );
}
