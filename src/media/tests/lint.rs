//! Each rule has its breach, and a right answer breaks none.

use super::super::lint::{Lint, alone};
use super::*;

fn rules_of(x: &Exchange) -> Vec<&'static str> {
    alone(x).iter().map(|f| f.rule.name()).collect()
}

#[test]
fn each_rule_has_its_breach() {
    let with = |change: fn(&mut Exchange)| {
        let mut x = first();
        change(&mut x);
        rules_of(&x)
    };
    assert_eq!(with(|_| {}), Vec::<&str>::new());
    assert_eq!(with(|x| x.content_range = None), ["content_range_missing"]);
    for wrong in ["bytes 5-4/9", "bytes 0-9/9", "octets 0-9/10", "bytes */10", "0-9/10", ""] {
        let x = Exchange { content_range: Some(wrong.into()), ..first() };
        assert_eq!(rules_of(&x), ["content_range_invalid"], "{wrong}");
    }
    let part = |range: &str, answer: &str, promised| {
        let (range, content_range) = (Some(range.to_owned()), Some(answer.to_owned()));
        rules_of(&Exchange { range, content_range, promised: Some(promised), sent: 0, ..first() })
    };
    assert_eq!(part("bytes=0-9", "bytes 1-9/100", 9), ["content_range_elsewhere"]);
    assert_eq!(part("bytes=0-9", "bytes 0-19/100", 20), ["content_range_elsewhere"]);
    assert_eq!(part("bytes=-10", "bytes 80-99/100", 20), ["content_range_elsewhere"]);
    assert_eq!(part("bytes=-10", "bytes 90-99/100", 10), Vec::<&str>::new());
    assert_eq!(part("bytes=-200", "bytes 0-99/100", 100), Vec::<&str>::new());
    assert_eq!(part("bytes=5-", "bytes 5-9/*", 5), Vec::<&str>::new());
    assert_eq!(part("bytes=0-", "bytes 0-9/100", 10), Vec::<&str>::new(), "a part may be shorter");
    assert_eq!(part("bytes=0-", "bytes 0-9/100", 11), ["length_differs"]);
    assert_eq!(part("bytes=0-", "bytes 0-18446744073709551615/*", 11), ["length_differs"]);
    // Several ranges: which part comes is the server's choice.
    assert_eq!(part("bytes=0-1,5-6", "bytes 5-6/100", 2), Vec::<&str>::new());
    assert_eq!(with(|x| x.range = None), ["partial_unasked"]);
    assert_eq!(rules_of(&whole200()), ["range_ignored"]);
    assert_eq!(rules_of(&Exchange { range: Some("bytes=0-999".into()), ..whole200() }), ["range_ignored"]);
    assert_eq!(rules_of(&Exchange { range: Some("bytes=9-".into()), ..whole200() }), ["later_range_ignored"]);
    assert_eq!(rules_of(&Exchange { range: Some("bytes=9-99".into()), ..whole200() }), ["later_range_ignored"]);
    assert_eq!(
        rules_of(&Exchange { range: Some("bytes=9-".into()), if_range: true, ..whole200() }),
        Vec::<&str>::new()
    );
    assert_eq!(rules_of(&Exchange { range: None, ..whole200() }), Vec::<&str>::new());
    assert_eq!(rules_of(&cut("reset")), ["truncated"]);
    assert_eq!(rules_of(&cut("silence")), Vec::<&str>::new(), "silence is no end");
    assert_eq!(with(|x| x.sent = TOTAL + 1), ["too_long"]);
    assert_eq!(
        rules_of(&Exchange { promised: Some(0), sent: 0, content_range: None, ..first() }),
        ["part_empty", "content_range_missing"]
    );
    assert_eq!(rules_of(&mid(416)), ["unsatisfiable_unlabelled"]);
    assert_eq!(rules_of(&Exchange { content_range: Some("bytes */5".into()), ..mid(416) }), Vec::<&str>::new());
    assert_eq!(with(|x| x.content_type = Some("multipart/byteranges; boundary=b".into())), ["multipart_unasked"]);
    assert_eq!(with(|x| x.content_type = Some("application/json".into())), ["wrong_type"]);
    assert_eq!(with(|x| x.content_type = Some("Application/Octet-Stream".into())), ["type_unknown"]);
    assert_eq!(with(|x| x.content_type = None), ["type_unknown"]);
    assert_eq!(with(|x| x.content_encoding = Some("gzip".into())), ["content_encoded"]);
    for decoded in [Resource::Manifest, Resource::Segment] {
        let (resource, content_encoding) = (Some(decoded), Some("gzip".into()));
        assert_eq!(rules_of(&Exchange { resource, content_encoding, ..first() }), Vec::<&str>::new(), "{decoded:?}");
    }
    assert_eq!(rules_of(&cross(first(), None)), ["cors_missing"]);
    assert_eq!(rules_of(&cross(first(), Some("http://app.example"))), Vec::<&str>::new());
    let confirmed = |conditional| rules_of(&cross(Exchange { conditional, ..status(304) }, None));
    assert_eq!((confirmed(true), confirmed(false)), (vec![], vec!["cors_missing"]));
    // A preflight brings no media, whatever its head says.
    let preflight = |acao| rules_of(&cross(Exchange { method: "OPTIONS".into(), ..cut("reset") }, acao));
    assert_eq!((preflight(None), preflight(Some("*"))), (vec!["cors_missing"], vec![]));
    // The page's own origin needs no leave.
    assert_eq!(with(|x| x.origin = Some("http://app.example".into())), Vec::<&str>::new());
    assert_eq!(rules_of(&unframed("no head")), ["unframed"]);
    assert_eq!(
        rules_of(&Exchange { method: "HEAD".into(), sent: 0, cut: Some("close".into()), ..first() }),
        Vec::<&str>::new()
    );
}

#[test]
fn answers_are_held_against_earlier_ones_of_their_url() {
    let names = |lint: &mut Lint, x: &Exchange| lint.feed(x).iter().map(|f| f.rule.name()).collect::<Vec<_>>();
    let tagged = |tag: &str| Exchange { etag: Some(tag.into()), ..first() };
    let mut lint = Lint::default();
    assert_eq!(names(&mut lint, &tagged("\"a\"")), Vec::<&str>::new());
    assert_eq!(names(&mut lint, &tagged("\"b\"")), ["validator_changed"]);
    assert_eq!(names(&mut lint, &tagged("\"b\"")), Vec::<&str>::new(), "told once");
    assert_eq!(names(&mut lint, &Exchange { url: ELSEWHERE.into(), ..tagged("\"c\"") }), Vec::<&str>::new());
    assert_eq!(names(&mut lint, &Exchange { leg: "upstream".into(), ..tagged("\"c\"") }), Vec::<&str>::new());
    let longer = Exchange {
        content_range: Some(format!("bytes 0-{TOTAL}/{}", TOTAL + 1)),
        promised: Some(TOTAL + 1),
        ..tagged("\"b\"")
    };
    assert_eq!(names(&mut lint, &longer), ["total_changed"]);
    assert_eq!(names(&mut lint, &mid(416)), ["unsatisfiable_unlabelled", "unsatisfiable_wrongly"]);
}

#[test]
fn answers_of_two_files_behind_one_path_are_not_compared() {
    let names = |lint: &mut Lint, x: &Exchange| lint.feed(x).iter().map(|f| f.rule.name()).collect::<Vec<_>>();
    let clip = |query: &str, total: u64| Exchange {
        query_hash: Some(query.into()),
        etag: Some(format!("\"{total}\"")),
        content_range: Some(format!("bytes 0-{}/{total}", total - 1)),
        promised: Some(total),
        sent: total,
        ..first()
    };
    let mut lint = Lint::default();
    assert_eq!(names(&mut lint, &clip("a", 1000)), Vec::<&str>::new());
    assert_eq!(names(&mut lint, &clip("b", 2000)), Vec::<&str>::new());
    assert_eq!(names(&mut lint, &clip("a", 1001)), ["total_changed", "validator_changed"], "it is remembered");
    // There is an end to how many are.
    for n in 0..3000 {
        names(&mut lint, &clip(&format!("at={n}"), 7));
    }
    assert_eq!(names(&mut lint, &clip("b", 2001)), Vec::<&str>::new(), "forgotten");
    assert_eq!(names(&mut lint, &clip("at=2999", 8)), ["total_changed", "validator_changed"]);
}

#[test]
fn a_playlist_may_grow() {
    let list = |total: u64| Exchange {
        range: None,
        etag: Some(format!("\"{total}\"")),
        promised: Some(total),
        sent: total,
        content_type: Some("application/vnd.apple.mpegurl".into()),
        ..whole200()
    };
    for change in [|x: &mut Exchange| x.resource = Some(Resource::Manifest), |x: &mut Exchange| x.resource = None] {
        let mut lint = Lint::default();
        for total in [300, 400] {
            let mut x = list(total);
            change(&mut x);
            assert!(lint.feed(&x).is_empty(), "{x:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_right_part_breaks_nothing(total in 1..u64::MAX, a: u64, b: u64, suffix: bool, unknown: bool) {
        let (first_octet, last) = (a.min(b) % total, a.max(b) % total);
        let (from, to) = (first_octet.min(last), first_octet.max(last));
        let (range, from, to) = match suffix {
            true => (format!("bytes=-{}", total - from), from, total - 1),
            false => (format!("bytes={from}-{to}"), from, to),
        };
        let of = if unknown && !suffix { "*".to_owned() } else { total.to_string() };
        let x = Exchange {
            range: Some(range), content_range: Some(format!("bytes {from}-{to}/{of}")),
            promised: Some(to - from + 1), sent: 0, ..first()
        };
        prop_assert_eq!(rules_of(&x), Vec::<&str>::new());
        let moved = Exchange { range: Some(format!("bytes={}-", from + 1)), ..x };
        prop_assert!(rules_of(&moved).contains(&"content_range_elsewhere"));
    }
}
