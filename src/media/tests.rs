//! The matrices of what was measured in both browsers (Chromium 156, Firefox 153), row by row, and what must always hold.

use super::class::{Class, Classed, Element, Ending, Facts, Looked, classify};
use super::lint::{Lint, RULES, Severity, alone};
use super::*;
use crate::table::Row;
use proptest::prelude::*;
use serde_json::json;

const TOTAL: u64 = 8_828_825;
/// When the failure is declared.
const AT: f64 = 30_000.0;
const HOME: &str = "http://app.example/media/v.mp4";
const ELSEWHERE: &str = "http://cdn.example/v.mp4";

/// A right answer to `bytes=from-`, which the browser left when it had enough.
fn later(from: u64) -> Exchange {
    Exchange {
        leg: "browser".into(),
        method: "GET".into(),
        url: HOME.into(),
        resource: Some(Resource::Media),
        range: Some(format!("bytes={from}-")),
        status: Some(206),
        content_range: Some(format!("bytes {from}-{}/{TOTAL}", TOTAL - 1)),
        content_type: Some("video/mp4".into()),
        promised: Some(TOTAL - from),
        sent: 400_000,
        received: 400_000,
        ended: "client_gone".into(),
        ms: 200.0,
        at: 1000.0,
        ..Exchange::default()
    }
}

fn first() -> Exchange {
    later(0)
}

fn whole200() -> Exchange {
    Exchange {
        status: Some(200),
        content_range: None,
        promised: Some(TOTAL),
        sent: TOTAL,
        ended: "whole".into(),
        ..first()
    }
}

/// Cut after a million octets.
fn cut(how: &str) -> Exchange {
    Exchange { sent: 1_000_000, cut: Some(how.into()), ended: "upstream_cut".into(), ..first() }
}

fn status(code: u16) -> Exchange {
    Exchange {
        status: Some(code),
        content_range: None,
        content_type: Some("text/html".into()),
        promised: Some(5),
        sent: 5,
        ended: "whole".into(),
        ..first()
    }
}

fn mid(code: u16) -> Exchange {
    Exchange { range: Some("bytes=1000000-".into()), ..status(code) }
}

fn unanswered(cut: Option<&str>) -> Exchange {
    Exchange {
        status: None,
        content_range: None,
        content_type: None,
        promised: None,
        sent: 0,
        cut: cut.map(str::to_owned),
        ended: "upstream_cut".into(),
        ..first()
    }
}

/// Still open when the failure is declared.
fn open(x: Exchange) -> Exchange {
    Exchange { ended: "play_over".into(), at: AT + 500.0, ms: AT - 1000.0, cut: None, ..x }
}

fn redirect(from: &str, to: &str) -> Exchange {
    Exchange { url: from.into(), location: Some(to.into()), ..status(302) }
}

fn unframed(what: &str) -> Exchange {
    Exchange { unframed: Some(what.into()), ended: "whole".into(), ..unanswered(None) }
}

/// The page asks in CORS mode, and no answer of this kind allows it.
fn cross(x: Exchange, acao: Option<&str>) -> Exchange {
    Exchange { url: ELSEWHERE.into(), origin: Some("http://app.example".into()), acao: acao.map(str::to_owned), ..x }
}

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

fn class_of(exchanges: &[Exchange], (element, ending): &Shown, codecs: Value) -> Classed {
    let mut lint = Lint::default();
    let looked: Vec<Looked> = exchanges.iter().map(|x| Looked { x: x.clone(), found: lint.feed(x) }).collect();
    let looked: Vec<&Looked> = looked.iter().collect();
    let codecs = codecs.as_object();
    classify(&Facts { exchanges: &looked, element, ending: *ending, codecs, at: AT, waited: 29_000.0 })
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
    assert_eq!(rules_of(&Exchange { range: Some("bytes=9-".into()), ..whole200() }), ["later_range_ignored"]);
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
    assert_eq!(rules_of(&cross(first(), None)), ["cors_missing"]);
    assert_eq!(rules_of(&cross(first(), Some("http://app.example"))), Vec::<&str>::new());
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
fn names_of_rules_and_classes_are_unique() {
    let mut names: Vec<&str> = RULES.iter().map(|r| r.name()).chain(class::CLASSES.iter().map(Row::name)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for class in class::CLASSES {
        assert_eq!(json!(class), class.name(), "events and files write one word");
    }
}

/// A story of these events: name, when, fields.
fn story(events: &[(&str, f64, Value)]) -> Story {
    let mut story = Story::default();
    for (name, t_ms, fields) in events {
        let fields = fields.as_object().cloned().unwrap_or_default();
        let ids = crate::event::Ids { step: Some("start the video".into()), ..Default::default() };
        let (event, timestamp) = ((*name).to_owned(), String::new());
        let source = crate::event::Origin::Monitor;
        story.feed(&Event { v: 1, event, source, timestamp, t_ms: *t_ms, seq: 0, ids, fields });
    }
    story
}

/// Fields of a `video_proxy_response`: the whole film, of which so much came.
fn response(sent: u64, more: Value) -> Value {
    let mut fields = json!({
        "request": 3, "leg": "browser", "method": "GET", "url": HOME, "resource": "media", "status": 206, "range": "bytes=0-",
        "content_range": format!("bytes 0-{}/{TOTAL}", TOTAL - 1), "content_type": "video/mp4", "etag": "\"a\"",
        "bytes_promised": TOTAL, "bytes_sent": sent, "bytes_received": sent, "ended": "play_over", "ms": 9000.0,
    });
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        fields[key] = value;
    }
    fields
}

#[test]
fn a_story_finds_the_cause_of_what_stopped_while_it_played() {
    let stall = json!({
        "url": format!("{HOME}?k=1"), "kind": "freeze", "ms": 12_000.0, "end_ms": 9000.0, "position_s": 6.3, "recovered": false,
        "ready_state": 4, "network_state": 2, "error": null,
    });
    let told = |events: &[(&str, f64, Value)]| story(events).class().map(|c| (c.class, c.evidence.consumed_s));
    let silent = ("video_proxy_response", 9500.0, response(1_000_000, json!({})));
    assert_eq!(told(&[("playback_stall", 1.0, stall.clone()), silent.clone()]), Some((Class::TimedOut, Some(6.3))));
    let short = json!({ "kind": "rebuffering", "ms": 900.0, "recovered": true, "url": HOME });
    assert_eq!(told(&[("playback_stall", 1.0, short), silent]), None, "a short one is no failure");
    for (stalled, class) in [(1400.0, None), (5500.0, Some((Class::TimedOut, None)))] {
        let summary = json!({ "url": HOME, "watched_ms": 15_000.0, "stalled_ms": stalled });
        let slow = ("video_proxy_response", 16_000.0, response(1_000_000, json!({ "ms": 15_000.0 })));
        assert_eq!(told(&[("playback_summary", 15_500.0, summary), slow]), class, "many short ones");
    }
    let whole = ("video_proxy_response", 400.0, response(TOTAL, json!({ "ended": "whole", "ms": 300.0 })));
    let early = json!({ "url": HOME, "premature": true, "position_s": 7.0 });
    assert_eq!(told(&[whole.clone(), ("playback_end", 8000.0, early)]), Some((Class::Truncated, Some(7.0))));
    let error = json!({ "url": HOME, "kind": "freeze", "recovered": false, "error": "MediaError 3 PIPELINE_ERROR_DECODE", "end_ms": 9000.0 });
    assert_eq!(told(&[whole, ("playback_stall", 1.0, error)]), Some((Class::Violation, None)));
}

#[test]
fn a_story_tells_what_the_apps_own_proxy_got() {
    let element = json!({ "ok": false, "step_ms": 5000.0, "video": { "url": HOME, "code": 4 } });
    let own = response(11, json!({ "status": 502, "request": 4, "ms": 900.0, "content_range": null, "promised": 11 }));
    let far = |status: u16| {
        response(0, json!({ "leg": "upstream", "url": ELSEWHERE, "status": status, "request": 1, "ms": 5.0 }))
    };
    let says = |upstream: Value| {
        let x = "video_proxy_response";
        let class =
            story(&[(x, 8500.0, upstream), (x, 9000.0, own.clone()), ("step_end", 9500.0, element.clone())]).class();
        class.expect("a class").evidence.says
    };
    assert!(
        says(far(503)).ends_with(&format!("; behind it, GET {ELSEWHERE}: 503, 0 of 8,828,825 octets")),
        "{}",
        says(far(503))
    );
    assert!(!says(response(TOTAL, json!({ "leg": "upstream", "url": ELSEWHERE }))).contains("behind"));
}

#[test]
fn a_story_follows_redirects_and_tells_each_rule_once() {
    let element = json!({ "ok": false, "step_ms": 5000.0, "video": { "url": HOME, "code": 4 } });
    let to = response(5, json!({ "status": 302, "location": ELSEWHERE, "ended": "whole", "content_range": null }));
    let bare = json!({ "url": ELSEWHERE, "origin": "null", "request": 4, "ms": 5.0 });
    let end = response(0, bare);
    let other = response(5, json!({ "url": "http://app.example/other.mp4", "status": 500, "request": 9, "ms": 1.0 }));
    let x = "video_proxy_response";
    let events = [
        (x, 9100.0, to),
        (x, 9200.0, end.clone()),
        (x, 9300.0, end),
        (x, 9400.0, other),
        ("step_end", 9500.0, element),
    ];
    let story = story(&events);
    let class = story.class().expect("a class");
    assert_eq!((class.class, class.evidence.request), (Class::Cors, Some(4)));
    let broken: Vec<_> = story.violations().iter().map(|v| (v.rule, v.times, v.url.as_str())).collect();
    assert_eq!(broken, [("cors_missing", 2, ELSEWHERE)]);
}

#[test]
fn an_app_that_tells_of_responses_itself_is_not_believed() {
    let mut story = Story::default();
    let fields = response(1, json!({ "content_range": null })).as_object().cloned().unwrap_or_default();
    let source = crate::event::Origin::App;
    let ids = crate::event::Ids::default();
    let event = "video_proxy_response".to_owned();
    story.feed(&Event { v: 1, event, source, timestamp: String::new(), t_ms: 1.0, seq: 0, ids, fields });
    assert_eq!(story.violations(), []);
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let text = || proptest::option::of("[ -~]{0,20}");
    let head = (
        proptest::option::of(prop_oneof![Just(200), Just(206), Just(302), Just(416), 100..600u16]),
        text(),
        text(),
        text(),
    );
    let body = (proptest::option::of(any::<u64>()), any::<u64>(), text(), text(), "[a-z_]{0,8}", 0.0..60_000.0f64);
    (head, body, prop_oneof!["whole", "fault", "client_gone", "play_over"], text()).prop_map(
        |((status, range, content_range, content_type), (promised, sent, origin, location, cut, at), ended, error)| {
            Exchange {
                status,
                range,
                content_range,
                content_type,
                promised,
                sent,
                origin,
                location,
                ended,
                error,
                at,
                cut: Some(cut).filter(|c| !c.is_empty()),
                ..first()
            }
        },
    )
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
