//! What the browser tells unasked, in our words. Pure: a BiDi event goes in, a [`Notice`] comes out.

use serde_json::Value;

use super::bidi::Event;

/// The channel's name through which the probe speaks.
pub const CHANNEL: &str = "soundcheck";

/// Response headers worth keeping; the others may hold secrets, and nobody asks for them.
const KEPT: [&str; 6] =
    ["content-type", "content-range", "content-length", "accept-ranges", "location", "server-timing"];

/// Something that the browser told. Times are milliseconds since 1970 on the browser machine's clock.
///
/// Order and completeness are the browser's: Chromium sends `Completed` before a body is complete, and a `FetchError`
/// after it when the body breaks off.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they hold, and the units are in the names")]
pub enum Notice {
    /// The probe sent a message.
    Probe { json: String, context: String },
    /// A `console` call; the level is "debug", "info", "warn" or "error". Where it `holds_error`, the probe says what.
    Console { level: String, text: String, at_epoch_ms: f64, url: Option<String>, line: Option<u64>, holds_error: bool },
    /// An exception or a rejection that nothing caught. The stack has one frame a line.
    Exception { text: String, at_epoch_ms: f64, url: Option<String>, line: Option<u64>, stack: String },
    /// A request is about to be sent. A redirect keeps the id and counts up.
    Request { id: String, method: String, url: String, redirects: u64, at_epoch_ms: f64, context: Option<String> },
    /// The head of a response came.
    Response {
        id: String,
        url: String,
        status: u64,
        headers: Vec<(String, String)>,
        mime: String,
        from_cache: bool,
        at_epoch_ms: f64,
    },
    /// The response is over, as far as the browser says. `bytes` is what came over the wire.
    Completed { id: String, url: String, status: u64, bytes: u64, from_cache: bool, at_epoch_ms: f64 },
    /// The request failed; the text is the browser's: `net::ERR_…`, `NS_ERROR_…`.
    FetchError { id: String, url: String, error_text: String, at_epoch_ms: f64 },
    /// A server or proxy asked for credentials; whether it got them (else it was told no).
    Auth { url: String, answered: bool },
    /// The page asked a question ("alert", "confirm", "prompt", "beforeunload"); it was answered at once.
    Prompt { kind: String, message: String, accepted: bool },
    /// The document can be used: DOMContentLoaded.
    Interactive { url: String, context: String, at_epoch_ms: f64 },
    /// The page and all that holds up its `load` event is there.
    Load { url: String, context: String, at_epoch_ms: f64 },
    /// A navigation ended without a document.
    NavigationFailed { url: String, message: String, context: String, at_epoch_ms: f64 },
    /// The browser, or the page's process, is no more. Nothing useful comes after this.
    Gone { what: String },
}

/// The events that a session subscribes to.
pub const SUBSCRIBED: &[&str] = &[
    "log.entryAdded",
    "network.beforeRequestSent",
    "network.responseStarted",
    "network.responseCompleted",
    "network.fetchError",
    "network.authRequired",
    "browsingContext.load",
    "browsingContext.domContentLoaded",
    "browsingContext.navigationFailed",
    "browsingContext.userPromptOpened",
    "browsingContext.contextDestroyed",
    "script.message",
];

/// Translates an event. `None` for those that the session must answer itself, and for messages of other channels.
pub fn translate(event: &Event) -> Option<Notice> {
    let p = &event.params;
    let (request, response) = (&p["request"], &p["response"]);
    let at_epoch_ms = p["timestamp"].as_f64().unwrap_or_default();
    let (url, context) = (text(&p["url"]), text(&p["context"]));
    let id = || text(&request["request"]);
    Some(match event.method.as_str() {
        "script.message" if p["channel"] == CHANNEL => {
            let json = match &p["data"] {
                data if data["type"] == "string" => text(&data["value"]),
                data => super::remote_value::to_json(data).to_string(),
            };
            Notice::Probe { json, context: text(&p["source"]["context"]) }
        }
        "log.entryAdded" => log_entry(p, at_epoch_ms),
        "network.beforeRequestSent" => Notice::Request {
            id: id(),
            method: text(&request["method"]),
            url: text(&request["url"]),
            redirects: p["redirectCount"].as_u64().unwrap_or_default(),
            at_epoch_ms,
            context: p["context"].as_str().map(str::to_owned),
        },
        "network.responseStarted" => Notice::Response {
            id: id(),
            url: text(&response["url"]),
            status: response["status"].as_u64().unwrap_or_default(),
            headers: headers(&response["headers"]),
            mime: text(&response["mimeType"]),
            from_cache: response["fromCache"].as_bool().unwrap_or_default(),
            at_epoch_ms,
        },
        "network.responseCompleted" => Notice::Completed {
            id: id(),
            url: text(&response["url"]),
            status: response["status"].as_u64().unwrap_or_default(),
            bytes: response["bytesReceived"].as_u64().unwrap_or_default(),
            from_cache: response["fromCache"].as_bool().unwrap_or_default(),
            at_epoch_ms,
        },
        "network.fetchError" => {
            Notice::FetchError { id: id(), url: text(&request["url"]), error_text: text(&p["errorText"]), at_epoch_ms }
        }
        "browsingContext.domContentLoaded" => Notice::Interactive { url, context, at_epoch_ms },
        "browsingContext.load" => Notice::Load { url, context, at_epoch_ms },
        "browsingContext.navigationFailed" => {
            Notice::NavigationFailed { url, message: text(&p["message"]), context, at_epoch_ms }
        }
        _ => return None,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn log_entry(p: &Value, at_epoch_ms: f64) -> Notice {
    let frames = p["stackTrace"]["callFrames"].as_array().map(Vec::as_slice).unwrap_or_default();
    // The probe stands between the page and these two, and is no place to look for a fault.
    let own = |f: &&Value| matches!(f["functionName"].as_str(), Some("error" | "warn")) && p["type"] == "console";
    let first = frames.iter().find(|f| !own(f));
    let url = first.map(|f| text(&f["url"]));
    // BiDi counts lines from 0, people from 1.
    let line_of = |f: &Value| f["lineNumber"].as_u64().map(|n| n + 1);
    let line = first.and_then(line_of);
    let words = text(&p["text"]);
    if p["type"] == "javascript" {
        let frame = |f: &Value| {
            let name = f["functionName"].as_str().filter(|n| !n.is_empty()).unwrap_or("(top)");
            format!("{name} {}:{}", f["url"].as_str().unwrap_or_default(), line_of(f).unwrap_or_default())
        };
        let stack = frames.iter().map(frame).collect::<Vec<_>>().join("\n");
        return Notice::Exception { text: words, at_epoch_ms, url, line, stack };
    }
    let holds_error = p["args"].as_array().into_iter().flatten().any(|arg| arg["type"] == "error");
    Notice::Console { level: text(&p["level"]), text: words, at_epoch_ms, url, line, holds_error }
}

fn headers(all: &Value) -> Vec<(String, String)> {
    let pair = |header: &Value| {
        let name = header["name"].as_str()?.to_ascii_lowercase();
        KEPT.contains(&name.as_str()).then(|| (name, text(&header["value"]["value"])))
    };
    all.as_array().into_iter().flatten().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(method: &str, params: Value) -> Option<Notice> {
        translate(&Event { method: method.into(), params })
    }

    #[test]
    fn the_probe_speaks_on_its_own_channel_only() {
        let message = |channel| json!({"channel": channel, "data": {"type": "string", "value": "{}"}, "source": {"context": "c"}});
        assert_eq!(
            told("script.message", message("soundcheck")),
            Some(Notice::Probe { json: "{}".into(), context: "c".into() })
        );
        assert_eq!(told("script.message", message("other")), None);
    }

    #[test]
    fn lines_count_from_one() {
        let params = json!({"type": "javascript", "level": "error", "text": "Error: x", "timestamp": 5,
            "stackTrace": {"callFrames": [{"url": "u", "functionName": "", "lineNumber": 0, "columnNumber": 1}]}});
        let Some(Notice::Exception { line, stack, .. }) = told("log.entryAdded", params) else {
            panic!("not an exception")
        };
        assert_eq!((line, stack.as_str()), (Some(1), "(top) u:1"));
    }

    #[test]
    fn only_named_headers_are_kept() {
        let header = |n: &str| json!({"name": n, "value": {"type": "string", "value": "v"}});
        let kept = headers(&json!([header("Content-Type"), header("Set-Cookie"), header("X-Token")]));
        assert_eq!(kept, vec![("content-type".into(), "v".into())]);
    }
}
