//! Events to spans: a trace for each play, its steps below it, and the requests of each step below that. The ids are those
//! of the events: whoever has one finds the other.

use super::http;
use super::names::{self, text};
use super::when::When;
use crate::event::{Event, Origin};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as known;

/// Plays that are open at once, at most: there is one, unless an end was lost.
const OPEN: usize = 16;

/// Folds events to spans.
pub(super) struct Spans {
    scope: InstrumentationScope,
    /// The plan.
    suite: String,
    open: Vec<Play>,
}

/// A play under way.
struct Play {
    start: Event,
    step: Option<Event>,
    /// The last that was heard of it.
    last: f64,
}

impl Spans {
    pub(super) fn new(scope: InstrumentationScope, suite: String) -> Self {
        Self { scope, suite, open: Vec::new() }
    }

    /// Takes an event, and adds the spans that end with it.
    pub(super) fn feed(&mut self, event: &Event, when: &When, out: &mut Vec<SpanData>) {
        let same = |play: &Play| play.start.ids.trace_id == event.ids.trace_id;
        // An app may call its own events as it likes: they begin and end nothing.
        if event.ids.trace_id.is_none() || event.source == Origin::App {
            return;
        }
        if let Some(play) = self.open.iter_mut().rfind(|play| same(play)) {
            play.last = play.last.max(event.t_ms);
        }
        match event.event.as_str() {
            "journey_start" => {
                if self.open.len() >= OPEN {
                    let lost = self.open.remove(0);
                    self.end_unfinished(&lost, when, out);
                }
                self.open.push(Play { start: event.clone(), step: None, last: event.t_ms });
            }
            "step_start" => {
                if let Some(play) = self.open.iter_mut().rfind(|play| same(play)) {
                    play.step = Some(event.clone());
                }
            }
            "step_end" => {
                let play = self.open.iter_mut().rfind(|play| same(play));
                let root = play.as_ref().and_then(|play| play.start.ids.span_id.clone());
                let begun = play.and_then(|play| play.step.take()).map(|step| step.t_ms);
                let start = begun.or_else(|| Some(event.t_ms - event.number("step_ms")?)).unwrap_or(event.t_ms);
                out.extend(self.step(event, root.as_deref(), start, when));
            }
            "journey_end" => {
                let play = self.open.iter().rposition(same).map(|at| self.open.remove(at));
                if let Some((play, step)) = play.as_ref().and_then(|play| Some((play, play.step.as_ref()?))) {
                    out.extend(self.cut_step(play, step, event.t_ms, when));
                }
                let start = play.as_ref().map(|play| &play.start);
                out.extend(self.journey(start, event, when));
            }
            _ if http::is_request(event) => out.extend(self.request(event, when)),
            _ => {}
        }
    }

    /// Everything is over: what has no end has none.
    pub(super) fn end(&mut self, when: &When, out: &mut Vec<SpanData>) {
        for play in std::mem::take(&mut self.open) {
            self.end_unfinished(&play, when, out);
        }
    }

    fn end_unfinished(&self, play: &Play, when: &When, out: &mut Vec<SpanData>) {
        if let Some(step) = &play.step {
            out.extend(self.cut_step(play, step, play.last, when));
        }
        let mut end = play.start.clone();
        (end.t_ms, end.fields) = (play.last, Default::default());
        end.fields.insert("ending".to_owned(), "unfinished".into());
        out.extend(self.journey(Some(&play.start), &end, when));
    }

    fn journey(&self, start: Option<&Event>, end: &Event, when: &When) -> Option<SpanData> {
        let journey = end.ids.journey.clone().unwrap_or_default();
        let ending = end.text("ending").unwrap_or_default();
        let begun = start.map(|start| start.t_ms).unwrap_or_else(|| {
            let took = |field| end.number(field).unwrap_or(0.0);
            end.t_ms - took("ms") - took("start_up_ms")
        });
        let mut attributes = who(end);
        attributes.extend([
            text(known::TEST_SUITE_NAME, self.suite.clone()),
            text(known::TEST_CASE_NAME, journey.clone()),
            text(names::ENDING, ending.to_owned()),
        ]);
        // A broken play, and one with nothing to judge, is neither.
        let result = match ending {
            "passed" => Some("pass"),
            "failed" => Some("fail"),
            _ => None,
        };
        attributes.extend(result.map(|result| text(known::TEST_CASE_RESULT_STATUS, result)));
        attributes.extend(end.text("class").map(|class| text(known::ERROR_TYPE, class.to_owned())));
        if let Some(start) = start {
            attributes.extend(start.text("profile").map(|p| text(names::PROFILE, p.to_owned())));
            for (field, name) in [("number", "synthetic.play.number"), ("attempt", "synthetic.play.attempt")] {
                attributes.extend(start.number(field).map(|n| KeyValue::new(name, n as i64)));
            }
            attributes.push(KeyValue::new("synthetic.faulted", start.flag("faulted")));
            attributes.push(KeyValue::new("synthetic.play.diagnoses", start.flag("diagnoses")));
        }
        let status = match ending {
            "failed" | "broken" | "unfinished" => Status::error(why(ending, end.text("reason"))),
            _ => Status::Unset,
        };
        let span = Made { id: end.ids.span_id.as_deref()?, parent: None, kind: SpanKind::Internal, name: journey };
        self.span(end, span, (begun, end.t_ms), attributes, status, when)
    }

    fn step(&self, end: &Event, parent: Option<&str>, start: f64, when: &When) -> Option<SpanData> {
        let name = end.ids.step.clone().unwrap_or_default();
        let mut attributes = who(end);
        attributes.push(text(names::STEP, name.clone()));
        attributes.extend(end.text("expect").map(|expect| text("synthetic.step.expect", expect.to_owned())));
        attributes.push(KeyValue::new("synthetic.step.slow", end.flag("slow")));
        attributes.extend(end.number("ms").map(|ms| KeyValue::new("synthetic.step.expected_after_ms", ms)));
        let status = match end.flag("ok") {
            true => Status::Unset,
            false => Status::error(why("failed", end.text("reason"))),
        };
        let span = Made { id: end.ids.span_id.as_deref()?, parent, kind: SpanKind::Internal, name: bare(&name) };
        self.span(end, span, (start, end.t_ms), attributes, status, when)
    }

    /// A step that never came to its end.
    fn cut_step(&self, play: &Play, step: &Event, t_ms: f64, when: &When) -> Option<SpanData> {
        let mut end = step.clone();
        (end.t_ms, end.fields) = (t_ms.max(step.t_ms), Default::default());
        end.fields.insert("reason".to_owned(), "the play ended within it".into());
        self.step(&end, play.start.ids.span_id.as_deref(), step.t_ms, when)
    }

    fn request(&self, event: &Event, when: &When) -> Option<SpanData> {
        let (method, original) = http::method(event);
        let mut attributes = who(event);
        attributes.push(text(known::HTTP_REQUEST_METHOD, method));
        attributes.extend(original.map(|said| text(known::HTTP_REQUEST_METHOD_ORIGINAL, said.to_owned())));
        attributes.push(text(known::URL_FULL, event.text("url").unwrap_or_default().to_owned()));
        attributes.extend(http::server(event));
        let status = http::status(event);
        attributes.extend(status.map(|status| KeyValue::new(known::HTTP_RESPONSE_STATUS_CODE, status)));
        let size = event.number("bytes_sent").map(|n| n as i64);
        attributes.extend(size.map(|size| KeyValue::new(known::HTTP_RESPONSE_BODY_SIZE, size)));
        for (field, name) in HEADERS {
            attributes.extend(event.text(field).map(|value| http::header(name, value)));
        }
        for (field, name) in OWN {
            attributes.extend(event.text(field).map(|value| text(name, value.to_owned())));
        }
        let error = http::error(event);
        attributes.extend(error.clone().map(|error| text(known::ERROR_TYPE, error)));
        let faults = event.fields.get("faults").and_then(|f| f.as_array()).map_or(0, Vec::len);
        attributes.push(KeyValue::new("fault.count", faults as i64));
        let status = match error {
            // By the conventions a description repeats nothing that a code or `error.type` says.
            Some(_) => Status::error(event.text("error").unwrap_or_default().to_owned()),
            None => Status::Unset,
        };
        let parent = event.text("parent_span_id").or(event.ids.span_id.as_deref());
        let name = if method == http::OTHER { "HTTP" } else { method }.to_owned();
        let span = Made { id: event.text("request_span_id")?, parent, kind: SpanKind::Client, name };
        let took = event.number("ms").unwrap_or(0.0);
        let mut span = self.span(event, span, (event.t_ms - took, event.t_ms), attributes, status, when)?;
        // A page that traces by itself goes on doing so: from its trace there is no way here, from here there is one.
        span.links.links.extend(http::of_another(event).map(Link::with_context));
        Some(span)
    }

    fn span(
        &self,
        event: &Event,
        made: Made<'_>,
        (start, end): (f64, f64),
        attributes: Vec<KeyValue>,
        status: Status,
        when: &When,
    ) -> Option<SpanData> {
        let trace = trace_id(event)?;
        let span = SpanId::from_hex(made.id).ok().filter(|id| *id != SpanId::INVALID)?;
        let parent = made.parent.and_then(|id| SpanId::from_hex(id).ok()).unwrap_or(SpanId::INVALID);
        Some(SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: made.kind,
            name: made.name.into(),
            start_time: when.at(start),
            end_time: when.at(end),
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        })
    }
}

/// What a span is made of.
struct Made<'a> {
    id: &'a str,
    parent: Option<&'a str>,
    kind: SpanKind,
    name: String,
}

/// What headers are called.
const HEADERS: [(&str, &str); 3] = [
    ("range", "http.request.header.range"),
    ("content_range", "http.response.header.content-range"),
    ("content_type", "http.response.header.content-type"),
];

/// What a response's other fields are called.
const OWN: [(&str, &str); 3] =
    [("ended", "synthetic.proxy.ended"), ("leg", "synthetic.proxy.leg"), ("resource", "synthetic.resource")];

/// Who it was.
fn who(event: &Event) -> Vec<KeyValue> {
    let ids = &event.ids;
    let all = [
        (known::SESSION_ID, &ids.session_id),
        (names::BROWSER, &ids.browser),
        (known::BROWSER_PLATFORM, &ids.platform),
        (names::JOURNEY, &ids.journey),
    ];
    all.into_iter().filter_map(|(name, id)| Some(text(name, id.clone()?))).collect()
}

/// The play's trace.
pub(super) fn trace_id(event: &Event) -> Option<TraceId> {
    TraceId::from_hex(event.ids.trace_id.as_deref()?).ok().filter(|id| *id != TraceId::INVALID)
}

fn why(ending: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| ending.to_owned(), str::to_owned)
}

/// A step's words without their count: a span's name has few values.
fn bare(step: &str) -> String {
    match step.rsplit_once(' ') {
        Some((words, number)) if number.parse::<u32>().is_ok() => words.to_owned(),
        _ => step.to_owned(),
    }
}
