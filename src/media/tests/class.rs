//! The matrices of what was measured in both browsers (Chromium 156, Firefox 153), row by row, and what must always hold.

use super::super::class::{Class, Classed, Element, Ending, Facts, Looked, classify};
use super::super::lint::{Lint, Severity, alone};
use super::*;

/// What a browser shows of its failure.
type Shown = (Element, Ending);

fn error(code: u8, message: &str) -> Shown {
    let element = Element {
        url: Some(HOME.into()),
        code: Some(code),
        message: message.into(),
        decoded: code != 4,
        ..Element::default()
    };
    (element, if code == 4 { Ending::NeverStarted } else { Ending::FrozeAt(6.3) })
}

/// Chromium's text for nearly everything.
fn format_error() -> Shown {
    error(4, "MEDIA_ELEMENT_ERROR: Format error")
}

fn frozen(ready: u8, network: u8) -> Shown {
    let element = Element {
        url: Some(HOME.into()),
        ready_state: Some(ready),
        network_state: Some(network),
        decoded: ready > 0,
        ..Element::default()
    };
    (element, if ready > 0 { Ending::FrozeAt(6.3) } else { Ending::NeverStarted })
}

fn ended_early() -> Shown {
    (frozen(2, 1).0, Ending::EndedEarlyAt(7.0))
}

fn undrawn(why: Option<&str>) -> Shown {
    (Element { undrawable: why.map(str::to_owned), ..frozen(4, 1).0 }, Ending::NeverStarted)
}

fn class_of(exchanges: &[Exchange], shown: &Shown, codecs: Value) -> Classed {
    class_starved(exchanges, shown, codecs, None)
}

fn class_starved(
    exchanges: &[Exchange],
    (element, ending): &Shown,
    codecs: Value,
    starved: Option<(f64, f64)>,
) -> Classed {
    let mut lint = Lint::default();
    let looked: Vec<Looked> = exchanges.iter().map(|x| Looked { x: x.clone(), found: lint.feed(x) }).collect();
    let looked: Vec<&Looked> = looked.iter().collect();
    let codecs = codecs.as_object();
    classify(&Facts { exchanges: &looked, element, ending: *ending, codecs, at: AT, waited: 29_000.0, starved })
}

/// A row of a matrix: what went over the wire, what Chromium and Firefox showed (`None`: they played), and its class.
type Measured = (String, Vec<Exchange>, Option<Shown>, Option<Shown>, Class);

#[test]
#[rustfmt::skip]
fn every_measured_failure_has_its_class() {
    use Class::*;
    let decode = || error(3, "PIPELINE_ERROR_DECODE: Failed to send video packet for decoding");
    let network = || error(2, "PIPELINE_ERROR_READ: FFmpegDemuxer: data source error");
    let beyond = || error(3, "NS_ERROR_DOM_MEDIA_DEMUXER_ERR: Sample data byte range beyond end of resource");
    let fx = |text: &str| error(4, text);
    let fx2 = || error(2, "NS_ERROR_NET_PARTIAL_TRANSFER");
    let repeated = |n: usize, x: Exchange| vec![x; n];
    let then = |x: Exchange| vec![cut("reset"), x];
    let empty = Exchange { promised: Some(0), sent: 0, ended: "whole".into(), ..later(1_000_000) };
    let html = Exchange { content_type: Some("text/html".into()), promised: Some(40), sent: 40, ..whole200() };
    let short = |n: u64| Exchange { promised: Some(n), sent: n, ..whole200() };
    let chunked = |ended: &str, cut: Option<&str>, sent| Exchange { promised: None, sent, ended: ended.into(), cut: cut.map(str::to_owned), ..whole200() };
    let webm = |x: Exchange| Exchange { content_type: Some("video/webm".into()), ..x };
    let gzip = |sent| Exchange { content_encoding: Some("gzip".into()), sent, ..first() };
    let pending = Exchange { ended: "play_over".into(), at: AT + 1.0, ms: 40.0, ..unanswered(None) };
    let storm: Vec<Exchange> = repeated(1752, gzip(0)).into_iter().chain([pending]).collect();
    let mut rows: Vec<Measured> = Vec::new();
    for code in [404, 403, 410, 413, 429, 500, 502, 503, 504, 204, 304, 416, 400, 408] {
        rows.push((format!("status{code}"), vec![status(code)], Some(format_error()), Some(fx(&format!("{code}: Reason"))), Refused));
    }
    let mut row = |name: &str, exchanges: Vec<Exchange>, cr: Option<Shown>, fx: Option<Shown>, class: Class| {
        rows.push((name.to_owned(), exchanges, cr, fx, class));
    };
    // The 60 s clip.
    row("status401", vec![status(401)], Some(format_error()), Some(frozen(0, 2)), Refused);
    row("status503once", vec![status(503)], Some(format_error()), Some(fx("503: Service Unavailable")), Refused);
    row("status503mid", then(mid(503)), Some(network()), Some(fx2()), Refused);
    row("status404mid", then(mid(404)), Some(network()), Some(fx2()), Refused);
    row("status416mid", then(mid(416)), Some(frozen(2, 1)), Some(decode()), Refused);
    row("rst_pre", repeated(10, unanswered(Some("reset"))), Some(format_error()), Some(fx("Request failed")), Truncated);
    row("fin_pre", repeated(2, unanswered(Some("close"))), Some(format_error()), Some(fx("Request failed")), Truncated);
    row("rst_mid_always", repeated(22, cut("reset")), Some(frozen(2, 2)), Some(fx2()), Truncated);
    row("fin_mid_always", repeated(26, cut("close")), Some(frozen(2, 2)), Some(fx2()), Truncated);
    row("blackhole_pre", vec![open(unanswered(None))], Some(frozen(0, 2)), Some(frozen(0, 2)), TimedOut);
    row("blackhole_pre by a fault", vec![unanswered(Some("silence"))], Some(frozen(0, 2)), Some(frozen(0, 2)), TimedOut);
    row("stall_mid", vec![open(cut("x"))], Some(frozen(2, 2)), Some(frozen(4, 2)), TimedOut);
    row("stall_mid by a fault", vec![cut("silence")], Some(frozen(2, 2)), Some(frozen(3, 2)), TimedOut);
    row("cr_missing", vec![Exchange { content_range: None, ..first() }], Some(format_error()), None, Violation);
    row("cr_wrong_start", vec![Exchange { content_range: Some("bytes 1000-8828824/8828825".into()), promised: Some(TOTAL - 1000), ..first() }], Some(format_error()), Some(fx("")), Violation);
    row("cr_wrong_start_mid", then(Exchange { content_range: later(1_001_000).content_range, ..later(1_000_000) }), Some(network()), Some(decode()), Violation);
    row("range_shift_body_mid", then(later(1_000_000)), Some(decode()), Some(decode()), Violation);
    row("size_changed_mid", then(Exchange { content_range: Some(format!("bytes 1000000-{}/{}", TOTAL + 9, TOTAL + 10)), promised: Some(TOTAL - 999_990), ..later(1_000_000) }), None, Some(fx2()), Violation);
    row("multipart_first", vec![Exchange { content_range: None, content_type: Some("multipart/byteranges; boundary=x".into()), ..first() }], Some(format_error()), Some(fx("")), Violation);
    row("multipart_mid", then(Exchange { content_range: None, content_type: Some("multipart/byteranges; boundary=x".into()), ..later(1_000_000) }), Some(network()), Some(decode()), Violation);
    row("cl_too_small", vec![Exchange { unframed: Some("octets after the response's end".into()), ..short(1_000_000) }], Some(decode()), Some(decode()), Violation);
    row("cl_too_big", vec![Exchange { promised: Some(TOTAL + 1000), cut: Some("close".into()), ended: "upstream_cut".into(), ..whole200() }], None, Some(fx2()), Truncated);
    // Its length is right, its end is missing: Chromium's words are those of a spoilt file.
    row("truncated_file mp4", vec![short(1_000_000)], Some(decode()), None, Violation);
    row("truncated_file mp4", vec![short(1_000_000)], None, Some(beyond()), Truncated);
    row("eof_delim_cut", vec![chunked("whole", None, 1_048_576)], Some(decode()), None, Violation);
    row("eof_delim_cut", vec![chunked("whole", None, 1_048_576)], None, Some(beyond()), Truncated);
    row("chunked_bad", vec![Exchange { unframed: Some("chunks that are malformed".into()), ..chunked("whole", None, 983_040) }], Some(frozen(2, 2)), Some(fx("")), Violation);
    row("chunked_noterm", vec![chunked("upstream_cut", Some("close"), TOTAL)], None, Some(fx2()), Truncated);
    row("chunked_cut", repeated(27, chunked("upstream_cut", Some("close"), 1_048_576)), Some(frozen(2, 2)), Some(fx("")), Truncated);
    row("ce_gzip_lie", storm, Some(format_error()), Some(frozen(0, 2)), Violation);
    row("ce_gzip_true", vec![gzip(8_000_000)], Some(format_error()), None, Violation);
    row("flip_mdat", vec![first()], Some(decode()), Some(decode()), Violation);
    row("flip_moov", vec![first()], Some(format_error()), Some(fx("NS_ERROR_DOM_MEDIA_METADATA_ERR (0x806e0006)")), Violation);
    row("zero_mid mp4", vec![first()], Some(decode()), Some(decode()), Violation);
    row("flip_mdat_500 webm", vec![webm(first())], Some(decode()), Some(decode()), Violation);
    row("truncated_file webm", vec![webm(short(1_000_000))], Some(ended_early()), Some(ended_early()), Truncated);
    row("zero_mid webm", vec![webm(whole200())], None, Some(ended_early()), Truncated);
    row("html_body", vec![html.clone()], Some(format_error()), Some(fx("Failed to init decoder")), Violation);
    row("html_body_as_mp4", vec![short(40)], Some(format_error()), Some(fx("NS_ERROR_DOM_MEDIA_METADATA_ERR")), Violation);
    row("empty200", vec![short(0)], Some(format_error()), Some(fx("")), Violation);
    row("empty206_mid", then(empty), Some(network()), Some(frozen(3, 2)), Violation);
    row("redir_loop", repeated(21, redirect(HOME, HOME)), Some(format_error()), Some(fx("")), Refused);
    row("redir_mid_xorigin", then(redirect(HOME, ELSEWHERE)), Some(network()), None, Cors);
    row("redir_mid_xorigin", vec![cut("reset"), redirect(HOME, ELSEWHERE), Exchange { url: ELSEWHERE.into(), ..later(1_000_000) }], None, Some(fx2()), Cors);
    row("bad_status_line", vec![unframed("a malformed status line")], Some(format_error()), Some(fx("")), Violation);
    row("garbage", vec![unframed("no head")], Some(format_error()), Some(fx("")), Violation);
    row("dup_cl", vec![unframed("two lengths")], Some(format_error()), Some(fx("")), Violation);
    row("huge_header", vec![unframed("a head that is too long")], Some(format_error()), None, Violation);
    row("trickle", vec![open(Exchange { sent: 300_120, ..first() })], Some(frozen(2, 2)), Some(frozen(3, 2)), TimedOut);
    // The 30 s clip.
    row("cut after 10 kB each time", repeated(3, Exchange { sent: 10_000, ..cut("reset") }), Some(format_error()), Some(frozen(2, 2)), Truncated);
    row("cut, no range support", vec![cut("reset"), Exchange { sent: 1_000_000, cut: Some("reset".into()), ended: "upstream_cut".into(), range: Some("bytes=1000000-".into()), ..whole200() }], Some(network()), Some(fx2()), Truncated);
    row("chunked 200, clean early end", vec![chunked("whole", None, 1_500_000)], None, Some(beyond()), Truncated);
    row("hang after 10 kB", vec![open(Exchange { sent: 10_000, ..first() })], Some(frozen(0, 2)), Some(frozen(0, 2)), TimedOut);
    row("moov at end, 503 on the tail", vec![first(), Exchange { range: Some("bytes=8800000-".into()), ..status(503) }], Some(error(4, "PIPELINE_ERROR_READ")), Some(fx("NS_ERROR_FAILURE: HTTP error")), Refused);
    row("right header, wrong bytes", vec![first()], Some(error(4, "DEMUXER_ERROR_COULD_NOT_OPEN")), Some(fx("NS_ERROR_DOM_MEDIA_METADATA_ERR")), Violation);
    row("no crossorigin attribute", vec![Exchange { url: ELSEWHERE.into(), ..first() }], Some(undrawn(Some("SecurityError"))), Some(undrawn(Some("SecurityError"))), Cors);
    row("302 to another origin, no attribute", vec![redirect(HOME, ELSEWHERE), Exchange { url: ELSEWHERE.into(), ..first() }], Some(undrawn(Some("SecurityError"))), Some(undrawn(Some("SecurityError"))), Cors);
    row("crossorigin, no ACAO", vec![cross(Exchange { sent: 0, ..first() }, None)], Some(format_error()), Some(fx("Failed to open media")), Cors);
    row("ACAO on the first answer only", [vec![cross(first(), Some("*"))], repeated(30, cross(later(8_000_000), None))].concat(), Some(error(4, "PIPELINE_ERROR_READ")), Some(fx("")), Cors);
    row("ACAO of somebody else", vec![cross(first(), Some("http://other.example"))], Some(format_error()), Some(fx("")), Cors);
    row("302 with ACAO, the last without", vec![cross(redirect(HOME, ELSEWHERE), Some("*")), cross(first(), None)], Some(format_error()), Some(fx("")), Cors);
    row("302 without ACAO", vec![cross(redirect(HOME, ELSEWHERE), None)], Some(format_error()), Some(fx("")), Cors);
    // What is no fault of the wire.
    row("a codec nobody has", vec![first()], Some(error(4, "DEMUXER_ERROR_NO_SUPPORTED_STREAMS: FFmpegDemuxer: no supported streams")), Some(fx("NS_ERROR_DOM_MEDIA_DEMUXER_ERR (0x806e000c) - MP4Demuxer::Init(): No MP4 audio () or video () tracks")), Codec);
    row("a container nobody opens", vec![Exchange { content_type: Some("video/x-msvideo".into()), ..first() }], Some(format_error()), Some(fx("")), Codec);
    row("never drawn", vec![first()], Some(undrawn(None)), Some(undrawn(None)), Silent);
    row("frozen, and nothing wrong", vec![whole200()], Some(frozen(4, 1)), Some(frozen(4, 1)), Silent);
    let astray = |x: Exchange| (vec![x], Some((frozen(2, 2).0, Ending::WentElsewhere(0.4))));
    let (ignored, went) = astray(Exchange { range: Some("bytes=0-".into()), ended: "play_over".into(), sent: 2_000_000, ..whole200() });
    row("seek, no ranges", ignored, went, None, Silent);
    let (right, went) = astray(first());
    row("seek, by an index that is wrong", right, went.clone(), went, Silent);
    row("nothing asked for", vec![], Some((Element::default(), Ending::NeverStarted)), Some((Element::default(), Ending::NeverStarted)), Silent);
    row("asked for, and held before the proxy", vec![], Some(frozen(0, 2)), Some(frozen(0, 2)), TimedOut);
    row("no server there", vec![Exchange { error: Some("connection refused".into()), ..unanswered(None) }], Some(format_error()), Some(fx("")), Truncated);
    let mut wrong = Vec::new();
    for (name, exchanges, cr, fx, class) in &rows {
        for (browser, shown) in [("Chromium", cr), ("Firefox", fx)] {
            let Some(shown) = shown else { continue };
            let found = class_of(exchanges, shown, json!({}));
            if found.class != *class {
                wrong.push(format!("{name} in {browser}: {} ({}), wanted {class}", found.class, found.evidence.says));
            }
            assert!(!found.evidence.says.is_empty(), "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() > 70, "{}", rows.len());
}

#[test]
fn the_evidence_counts_octets() {
    let found = class_of(&[Exchange { request: 3, ours: true, ..cut("close") }], &frozen(2, 2), json!({}));
    let evidence = found.evidence;
    assert_eq!(evidence.says, "1,000,000 of 8,828,825 octets came, then the connection was closed");
    assert_eq!(
        (evidence.request, evidence.bytes_promised, evidence.bytes_sent),
        (Some(3), Some(TOTAL), Some(1_000_000))
    );
    assert_eq!((evidence.rule.as_deref(), evidence.ours), (Some("truncated"), true));
}

#[test]
fn what_the_browser_cannot_decode_is_asked_by_its_type() {
    let hevc = Exchange { content_type: Some("video/mp4; codecs=\"hvc1.1.6.L93.B0\"".into()), ..first() };
    let of = |answer: &str| class_of(std::slice::from_ref(&hevc), &format_error(), json!({ "hevc": answer })).class;
    assert_eq!((of(""), of("probably")), (Class::Codec, Class::Violation));
}

#[test]
fn where_scripts_fill_the_source_a_file_that_came_excuses_itself_only() {
    let (element, ending) = frozen(2, 2);
    let shown = (Element { url: Some("blob:http://app.example/1".into()), ..element }, ending);
    let part = |x: Exchange, name: &str, at| Exchange {
        resource: Some(Resource::Segment),
        url: format!("http://app.example/{name}"),
        at,
        ..x
    };
    let missing = |at| part(status(404), "7.m4s", at);
    let sound = |at| part(whole200(), "sound.m4s", at);
    let list = |at| Exchange { resource: Some(Resource::Manifest), ..part(whole200(), "live.m3u8", at) };
    let of = |all: &[Exchange]| {
        let found = class_of(all, &shown, json!({}));
        (found.class, found.evidence)
    };
    assert_eq!(of(&[missing(9000.0), sound(9100.0), missing(9200.0), sound(9300.0)]).0, Class::Refused);
    assert_eq!(of(&[missing(9000.0), part(whole200(), "7.m4s", 9100.0)]).0, Class::Silent, "it came at last");
    let other = Exchange { query_hash: Some("b".into()), ..part(whole200(), "7.m4s", 9100.0) };
    assert_eq!(of(&[missing(9000.0), other]).0, Class::Refused, "another file behind the path");
    let late = [part(status(503), "8.m4s", 9000.0), missing(9100.0), sound(9200.0)];
    assert_eq!((of(&late).0, of(&late).1.says.as_str()), (Class::Refused, "the answer was 404"), "the last one");
    let gone = |at| Exchange { resource: Some(Resource::Manifest), ..part(status(404), "live.m3u8", at) };
    assert_eq!(of(&[gone(9000.0), list(9100.0)]).0, Class::Refused, "it came while the video waited: too late");
    assert_eq!(of(&[gone(500.0), list(600.0), sound(700.0)]).0, Class::Silent, "it came before");
    let found = of(&[Exchange { request: 5, ..sound(9000.0) }, Exchange { request: 6, ..list(9100.0) }]);
    assert_eq!((found.0, found.1.request), (Class::Silent, Some(5)), "a playlist is no video");
    assert_eq!(of(&[Exchange { request: 6, ..list(9100.0) }]).1.request, Some(6));
    // What has an address is one file: its last answer speaks for all before.
    assert_eq!(class_of(&[mid(404), whole200()], &frozen(2, 2), json!({})).class, Class::Silent);
}

#[test]
fn what_came_after_a_long_wait_was_waited_for() {
    let of = |x: &Exchange, shown: &Shown, starved| class_starved(std::slice::from_ref(x), shown, json!({}), starved);
    let late = Exchange { at: 20_000.0, ms: 19_000.0, ..whole200() };
    let stood = Some((12_000.0, 19_900.0));
    let found = of(&late, &frozen(2, 2), stood);
    assert_eq!(found.class, Class::TimedOut);
    assert!(found.evidence.says.contains("for octets that came later"), "{}", found.evidence.says);
    for (x, shown, starved) in [
        (late.clone(), frozen(2, 2), None),
        (late, frozen(2, 1), stood),
        (Exchange { at: 11_000.0, ms: 900.0, ..whole200() }, frozen(2, 2), stood),
        (Exchange { at: 25_000.0, ms: 900.0, ..whole200() }, frozen(2, 2), stood),
    ] {
        assert_eq!(of(&x, &shown, starved).class, Class::Silent, "{starved:?} {x:?}");
    }
}

#[test]
fn what_the_app_gave_up_on_was_waited_for() {
    let of = |all: &[Exchange]| class_of(all, &frozen(2, 1), json!({})).class;
    let left = |ms| Exchange { ended: "client_gone".into(), at: 20_000.0, ms, ..unanswered(None) };
    assert_eq!(of(&[left(12_000.0)]), Class::TimedOut);
    assert_eq!(of(&[left(2000.0)]), Class::Silent, "too short a time to say");
    assert_eq!(of(&[left(12_000.0), whole200()]), Class::Silent, "it came when it was asked for again");
    let within = |ms| Exchange { silent_ms: Some(ms), at: 20_000.0, ms: 15_000.0, ..first() };
    assert_eq!(of(&[within(12_000.0)]), Class::TimedOut);
    assert_eq!(of(&[within(200.0)]), Class::Silent);
    assert_eq!(of(&[Exchange { ended: "whole".into(), ..within(12_000.0) }]), Class::Silent, "nobody gave up");
    let all = Exchange { silent_ms: Some(12_000.0), ended: "client_gone".into(), ..whole200() };
    assert_eq!(of(&[all]), Class::Silent, "all of it came");
}

#[test]
fn parts_of_two_origins_are_of_one_load() {
    let of = |all: &[Exchange]| class_of(all, &error(3, "PIPELINE_ERROR_DECODE"), json!({})).class;
    let at = |nth: u32, x: Exchange| Exchange { at: 1000.0 * f64::from(nth), ms: 100.0, ..x };
    let far = |x: Exchange| Exchange { url: ELSEWHERE.into(), ..x };
    assert_eq!(of(&[at(1, first()), at(2, far(later(1_000_000)))]), Class::Cors);
    // What the page loaded before, from elsewhere, is no part of it.
    let anew = [at(1, first()), at(2, far(first())), at(3, far(later(1_000_000)))];
    assert_eq!(of(&anew), Class::Violation);
    assert_eq!(of(&[at(1, first()), at(2, far(whole200()))]), Class::Violation);
}

#[test]
fn a_304_brings_the_copy_to_whoever_has_one() {
    let asked = Exchange { conditional: true, promised: None, sent: 0, ..status(304) };
    let of = |x: &Exchange| class_of(std::slice::from_ref(x), &frozen(4, 1), json!({}));
    let found = of(&asked);
    assert_eq!(found.class, Class::Silent, "{}", found.evidence.says);
    assert!(found.evidence.says.starts_with("the octets of the browser's copy came"), "{}", found.evidence.says);
    assert_eq!(of(&cross(asked.clone(), None)).class, Class::Silent, "the copy's fields allow it");
    assert_eq!(of(&Exchange { conditional: false, ..asked }).class, Class::Refused);
}

#[test]
fn a_preflight_says_nothing_unless_it_forbids() {
    let asked = |code| Exchange { method: "OPTIONS".into(), range: None, promised: None, sent: 0, ..status(code) };
    let open = |code| cross(asked(code), Some("*"));
    for code in [200, 204] {
        let all = [cross(first(), Some("*")), open(code)];
        assert_eq!(class_of(&all, &frozen(4, 1), json!({})).class, Class::Silent, "{code}");
        assert_eq!(class_of(&[cross(asked(code), None)], &format_error(), json!({})).class, Class::Cors, "{code}");
    }
    assert_eq!(class_of(&[open(405)], &format_error(), json!({})).class, Class::Refused);
}

proptest! {
    #[test]
    fn anything_gets_one_class_and_a_sentence(
        exchanges in proptest::collection::vec(any_exchange(), 0..6), code in proptest::option::of(0..6u8),
        network in 0..4u8, decoded: bool, message in "[ -~]{0,40}",
    ) {
        let element = Element { code, message, decoded, network_state: Some(network), ..Element::default() };
        let shown = (element, Ending::NeverStarted);
        let found = class_of(&exchanges, &shown, json!({}));
        prop_assert!(!found.evidence.says.is_empty());
        prop_assert_eq!(found, class_of(&exchanges, &shown, json!({})));
    }

    #[test]
    fn a_refusal_outranks_whatever_its_page_breaks(
        code in 400..600u16, x in any_exchange(), before in proptest::collection::vec(any_exchange(), 0..4),
    ) {
        let last = Exchange { status: Some(code), ..x };
        let all: Vec<Exchange> = before.into_iter().chain([last]).collect();
        prop_assert_eq!(class_of(&all, &format_error(), json!({})).class, Class::Refused);
    }

    #[test]
    fn what_was_survived_is_no_cause(before in proptest::collection::vec(any_exchange(), 0..4)) {
        let before = before.into_iter().map(|x| Exchange { status: Some(500), ..x });
        let all: Vec<Exchange> = before.chain([cut("reset")]).collect();
        let class = class_of(&all, &frozen(2, 2), json!({})).class;
        prop_assert!(matches!(class, Class::Truncated), "{}", class);
    }

    #[test]
    fn advice_is_never_a_cause(kind in proptest::option::of("application/octet-stream")) {
        let x = Exchange { content_type: kind, ..whole200() };
        let found = alone(&x);
        prop_assert!(found.iter().all(|f| f.rule.severity == Severity::Advice));
        prop_assert_eq!(class_of(&[x], &frozen(4, 1), json!({})).class, Class::Silent);
    }
}
