//! A head read from octets: strictly, and in one pass where there is nothing to say against it.

use super::{Bad, Head, LONGEST, Line, MOST_FIELDS, mark};
use memchr::{memchr_iter, memmem};
use std::mem::MaybeUninit;

/// Places for the fields of a head.
type Places<'a> = [MaybeUninit<httparse::Header<'a>>; MOST_FIELDS];

/// What httparse makes of octets: a head's length and its fields; `None` if more must come.
type Parsed<'a> = Result<Option<(usize, &'a [httparse::Header<'a>])>, httparse::Error>;

impl Head {
    /// Reads a request's head from the beginning of `bytes`: the head and its length, or `None` if more must come.
    /// Bare LF, folded lines, and whitespace before a colon are refused: two readers could take them differently.
    pub fn request(bytes: &[u8]) -> Result<Option<(Self, usize)>, Bad> {
        Self::read(bytes, request)
    }

    /// Reads a response's head, as [`Head::request`] does.
    pub fn response(bytes: &[u8]) -> Result<Option<(Self, usize)>, Bad> {
        if !b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]) {
            return Err(Bad::Malformed("no HTTP/1.x status line"));
        }
        Self::read(bytes, response)
    }

    fn read(
        bytes: &[u8],
        parse: impl for<'a> Fn(&'a [u8], &'a mut Places<'a>) -> Parsed<'a>,
    ) -> Result<Option<(Self, usize)>, Bad> {
        // Mostly all of it is there, and right.
        if let Ok(Some((length, fields))) = parse(bytes, &mut [MaybeUninit::uninit(); MOST_FIELDS])
            && let Some(head) = Self::keep(&bytes[..length], fields)
        {
            return Ok(Some((head, length)));
        }
        let Some(length) = end_of(bytes)? else { return Ok(None) };
        let bytes = &bytes[..length];
        match parse(bytes, &mut [MaybeUninit::uninit(); MOST_FIELDS]) {
            Ok(Some((n, fields))) if n == length => match Self::keep(bytes, fields) {
                Some(head) => Ok(Some((head, length))),
                None => Err(Bad::Malformed("a line that does not end in CRLF")),
            },
            Ok(_) => Err(Bad::Malformed("the head ends before its empty line")),
            Err(e) => Err(refused(e)),
        }
    }

    /// Splits text into the lines that were found in it; `None` if one of them does not end in CRLF, if it is too long,
    /// or begins with an empty line: httparse takes what two readers could take differently.
    fn keep(bytes: &[u8], fields: &[httparse::Header]) -> Option<Self> {
        let is_plain = bytes.len() <= LONGEST && bytes.ends_with(b"\r\n\r\n") && !b"\r\n".contains(&bytes[0]);
        // A line ends where the next one begins.
        let end = |next: Option<&httparse::Header>| match next {
            Some(next) => place(bytes, next.name).checked_sub(2).filter(|at| bytes[*at..].starts_with(b"\r\n")),
            None => Some(bytes.len() - 4),
        };
        if !is_plain {
            return None;
        }
        let mut marks = 0;
        let mut lines = Vec::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            let (from, mark) = (place(bytes, field.name), mark(field.name.as_bytes()));
            lines.push(Line { from, name: from + field.name.len(), to: end(fields.get(at + 1))?, mark });
            marks |= mark;
        }
        Some(Head { text: bytes.to_vec(), start: (0, end(fields.first())?), lines, marks, as_came: true })
    }
}

/// Where a part of a text begins in it.
fn place(text: &[u8], part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

fn request<'a>(bytes: &'a [u8], fields: &'a mut Places<'a>) -> Parsed<'a> {
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, fields)?;
    Ok(whole(status).map(|length| (length, &*request.headers)))
}

fn response<'a>(bytes: &'a [u8], fields: &'a mut Places<'a>) -> Parsed<'a> {
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config.parse_response_with_uninit_headers(&mut response, bytes, fields)?;
    Ok(whole(status).map(|length| (length, &*response.headers)))
}

fn whole(status: httparse::Status<usize>) -> Option<usize> {
    match status {
        httparse::Status::Complete(length) => Some(length),
        httparse::Status::Partial => None,
    }
}

/// Where the head ends, its empty line included. A bare LF is refused.
fn end_of(bytes: &[u8]) -> Result<Option<usize>, Bad> {
    let end = memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    let head = &bytes[..end.unwrap_or(bytes.len())];
    let bare = memchr_iter(b'\n', head).any(|at| at == 0 || head[at - 1] != b'\r');
    match end {
        // Who wants to pass over empty lines before a request does so himself.
        _ if bytes.starts_with(b"\r") => Err(Bad::Malformed("an empty line instead of a start line")),
        _ if bare => Err(Bad::Malformed("a line that ends in a bare LF")),
        Some(end) if end > LONGEST => Err(Bad::TooLarge),
        None if bytes.len() > LONGEST => Err(Bad::TooLarge),
        end => Ok(end),
    }
}

fn refused(e: httparse::Error) -> Bad {
    match e {
        httparse::Error::TooManyHeaders => Bad::TooLarge,
        httparse::Error::HeaderName => Bad::Malformed("a field name with characters it may not have"),
        httparse::Error::HeaderValue => Bad::Malformed("a field value with characters it may not have"),
        httparse::Error::Status => Bad::Malformed("a status that is no number"),
        httparse::Error::Version => Bad::Malformed("not HTTP/1.x"),
        httparse::Error::Token => Bad::Malformed("a start line with characters it may not have"),
        httparse::Error::NewLine => Bad::Malformed("a line that does not end in CRLF"),
    }
}
