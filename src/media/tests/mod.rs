//! What holds of answers: what each broke (`lint`), why a video failed (`class`), and what a play's events come to
//! (`story`). Here the exchanges that all of them are made of.

mod class;
mod lint;
mod story;

use super::class::CLASSES;
use super::lint::RULES;
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

#[test]
fn names_of_rules_and_classes_are_unique() {
    let mut names: Vec<&str> = RULES.iter().map(|r| r.name()).chain(CLASSES.iter().map(Row::name)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for class in CLASSES {
        assert_eq!(json!(class), class.name(), "events and files write one word");
    }
}
