//! Answers of the proxy's own.

use crate::fault::Answer;
use crate::fault::head::Head;

/// An answer's head with its framing, and the body where one may come: `Date` and `Content-Length` are added.
pub(super) fn compose<'a>(answer: &'a Answer, method: &str, close: bool) -> (Head, &'a [u8]) {
    let mut head = Head::new(&format!("HTTP/1.1 {} {}", answer.status, reason(answer.status)), &[]);
    head.add("Date", &date());
    answer.fields.iter().for_each(|(name, value)| head.add(name, value));
    let bodiless = matches!(answer.status, 204 | 304);
    if !bodiless {
        head.add("Content-Length", &answer.body.len().to_string());
    }
    if close {
        head.add("Connection", "close");
    }
    (head, if bodiless || method == "HEAD" { &[] } else { &answer.body })
}

/// Writes an answer.
pub(super) fn write(answer: &Answer, method: &str, close: bool, out: &mut Vec<u8>) {
    let (head, body) = compose(answer, method, close);
    head.write(out);
    out.extend_from_slice(body);
}

/// An answer in a sentence, for whoever reads it.
pub(super) fn sentence(status: u16, text: &str) -> Answer {
    Answer {
        status,
        fields: vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())],
        body: format!("soundcheck proxy: {text}\n").into_bytes(),
    }
}

/// Now, as `Date` wants it (RFC 9110, 5.6.7).
pub(super) fn date() -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&jiff::Timestamp::now()).unwrap_or_default()
}

/// The phrase of a status code.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        _ => "Status",
    }
}
