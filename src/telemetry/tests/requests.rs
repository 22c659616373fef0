//! Requests as the conventions for HTTP clients have them.

use super::*;
use opentelemetry::{Array, Value as Attribute};

fn spanned(fields: Value) -> SpanData {
    folded(&[request(fields)]).pop().expect("a span")
}

/// The lines of requests, of these answers.
fn timed(fields: impl IntoIterator<Item = Value>) -> Vec<String> {
    let events: Vec<Event> = fields.into_iter().map(request).collect();
    let text = prometheus::write(&metered(&events).1.read());
    let sums = text.lines().filter(|l| l.starts_with("http_client_request_duration_seconds_sum"));
    sums.map(str::to_owned).collect()
}

#[test]
fn a_header_is_a_list() {
    let span = spanned(json!({ "content_range": "bytes 0-8/9", "content_type": "video/mp4" }));
    for (name, value) in [
        ("http.request.header.range", "bytes=0-"),
        ("http.response.header.content-range", "bytes 0-8/9"),
        ("http.response.header.content-type", "video/mp4"),
    ] {
        let list = Attribute::Array(Array::String(vec![value.into()]));
        let found = span.attributes.iter().find(|a| a.key.as_str() == name).map(|a| &a.value);
        assert_eq!(found, Some(&list), "{name}");
    }
}

#[test]
fn a_server_has_a_port_though_its_host_names_none() {
    for (host, url, address, port) in [
        ("127.0.0.1:4700", "http://127.0.0.1:4700/a", "127.0.0.1", "4700"),
        ("cdn.example", "http://cdn.example/a", "cdn.example", "80"),
        ("cdn.example", "https://cdn.example/a", "cdn.example", "443"),
        ("[::1]", "https://[::1]/a", "::1", "443"),
        ("[::1]:8080", "http://[::1]:8080/a", "::1", "8080"),
    ] {
        let fields = json!({ "host": host, "url": url });
        let span = spanned(fields.clone());
        let got = ["server.address", "server.port"].map(|name| attribute(&span, name));
        assert_eq!(got, [Some(address.to_owned()), Some(port.to_owned())], "{host}");
        let line = timed([fields]).pop().expect("a request");
        let labels = format!("server_address=\"{address}\",server_port=\"{port}\"");
        assert!(line.contains(&labels), "{line}");
    }
}

#[test]
fn a_method_that_nobody_knows_is_other_and_how_it_was_written_is_kept() {
    let span = spanned(json!({ "method": "PURGE" }));
    let names = ["http.request.method", "http.request.method_original"];
    assert_eq!(span.name.as_ref(), "HTTP");
    assert_eq!(names.map(|name| attribute(&span, name)), [Some("_OTHER".to_owned()), Some("PURGE".to_owned())]);
    let line = timed([json!({ "method": "PURGE" })]).pop().expect("a request");
    assert!(line.contains("http_request_method=\"_OTHER\"") && !line.contains("PURGE"), "{line}");
    let span = spanned(json!({ "method": "PATCH" }));
    assert_eq!((span.name.as_ref(), attribute(&span, names[1])), ("PATCH", None));
}

#[test]
fn an_error_says_what_no_code_does() {
    for (fields, class, status) in [
        (json!({ "status": 503 }), Some("503"), Status::error("")),
        (
            json!({ "status": null, "ended": "upstream_cut", "error": "refused" }),
            Some("upstream_cut"),
            Status::error("refused"),
        ),
        (json!({ "status": null, "ended": "fault" }), Some("fault"), Status::error("")),
        // Nobody waited any more.
        (json!({ "status": null, "ended": "client_gone" }), None, Status::Unset),
        (json!({ "status": null, "ended": "play_over" }), None, Status::Unset),
        // A socket that ends is none that was not opened.
        (json!({ "status": 101, "ended": "upstream_cut" }), None, Status::Unset),
    ] {
        let span = spanned(fields.clone());
        assert_eq!(attribute(&span, "error.type").as_deref(), class, "{fields}");
        assert_eq!(span.status, status, "{fields}");
        let line = timed([fields]).pop().expect("a request");
        assert_eq!(line.contains("error_type="), class.is_some(), "{line}");
    }
}

#[test]
fn a_socket_is_timed_to_its_answer_and_a_tunnel_not_at_all() {
    let lines = timed([
        json!({ "status": 101, "ms": 60_000.0, "ttfb_ms": 5.0 }),
        json!({ "method": "CONNECT", "status": 200, "ms": 90_000.0, "ttfb_ms": 7.0 }),
    ]);
    let [socket] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(socket.ends_with(" 0.005"), "{socket}");
}

#[test]
fn what_a_browser_asks_for_on_its_own_behalf_is_none_of_the_apps() {
    let own = json!({ "background": true });
    assert_eq!(timed([own.clone()]), Vec::<String>::new());
    assert_eq!(folded(&[request(own)]), []);
}

#[test]
fn a_page_that_traces_by_itself_is_linked_to() {
    let another = "1".repeat(32);
    let span = spanned(json!({ "traceparent": format!("00-{another}-00000000000000d1-01") }));
    let [link] = span.links.links.as_slice() else { panic!("{:?}", span.links) };
    let context = &link.span_context;
    assert_eq!((context.trace_id().to_string(), context.span_id()), (another, super::span("00000000000000d1")));
    assert!(context.is_remote() && context.is_sampled());
    assert_eq!((span.parent_span_id, span.span_context.trace_id().to_string().as_str()), (super::span(STEP), TRACE));
    for none in [json!(null), json!("own"), json!(format!("00-{}-00000000000000d1-01", "0".repeat(32)))] {
        assert_eq!(spanned(json!({ "traceparent": none })).links.links, []);
    }
}
