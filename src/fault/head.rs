//! A request's or response's head, as raw lines. What is not edited leaves byte for byte as it came; what must be
//! known to frame a body is read out of it, strictly.

mod read;

use super::Edit;
use crate::octets::same_but_case;
use memchr::memchr;
use std::borrow::Cow;

/// The longest head that is read, octets.
pub const LONGEST: usize = 256 * 1024;
/// The most fields a head may have.
pub const MOST_FIELDS: usize = 256;

/// A head: its start line and its fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    text: Vec<u8>,
    start: (usize, usize),
    lines: Vec<Line>,
    /// The marks of all names that are, or were, among the lines.
    marks: u64,
    /// The text is the head as it leaves, from its first octet to its last.
    as_came: bool,
}

/// Places of one line in the text: without its CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    from: usize,
    name: usize,
    to: usize,
    /// Of its name.
    mark: u64,
}

/// One bit for a field's name, the same in either case. Of two dozen names that are asked for in each head most are not
/// there: so nobody has to look.
#[inline]
const fn mark(name: &[u8]) -> u64 {
    let ([first, ..], [.., last]) = (name, name) else { return 1 };
    let number = (name.len() as u8).wrapping_mul(7) ^ (*first | 0x20).wrapping_mul(3) ^ (*last | 0x20).wrapping_mul(5);
    1 << (number & 63)
}

/// A request line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// `GET`, `CONNECT` ...
    pub method: &'a str,
    /// As sent: `/path?query`, `http://host/path`, `host:port`, `*`.
    pub target: &'a str,
    /// 0 or 1, of HTTP/1.x.
    pub minor: u8,
}

/// Why a head cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It is longer than [`LONGEST`], or has more than [`MOST_FIELDS`] fields.
    TooLarge,
    /// It is no head of HTTP/1.x: what is wrong, in words.
    Malformed(&'static str),
}

/// How a message's body ends, RFC 9112 section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// After so many octets.
    Length(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// When the connection ends.
    Close,
}

impl Head {
    /// A head of our own: a start line and fields.
    pub fn new(start: &str, fields: &[(&str, &str)]) -> Self {
        let mut head = Head { text: start.as_bytes().to_vec(), start: (0, start.len()), ..Head::default() };
        fields.iter().for_each(|(name, value)| head.add(name, value));
        head
    }

    /// The start line.
    pub fn start(&self) -> &[u8] {
        &self.text[self.start.0..self.start.1]
    }

    /// The start line as a request's.
    pub fn request_line(&self) -> Option<RequestLine<'_>> {
        let line = std::str::from_utf8(self.start()).ok()?;
        let (method, rest) = line.split_at_checked(memchr(b' ', line.as_bytes())?)?;
        let rest = &rest[1..];
        let (target, rest) = rest.split_at_checked(memchr(b' ', rest.as_bytes())?)?;
        let version = rest[1..].split(' ').next()?;
        let minor = version.strip_prefix("HTTP/1.")?.parse().ok()?;
        Some(RequestLine { method, target, minor })
    }

    /// The start line as a response's: status code and minor version.
    pub fn status(&self) -> Option<(u16, u8)> {
        let line = self.start();
        let minor = line.get(7)?.checked_sub(b'0')?;
        let code = match *line.get(9..12)? {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                [a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'))
            }
            ref other => std::str::from_utf8(other).ok()?.parse().ok()?,
        };
        Some((code, minor))
    }

    /// Values of every field of this name, in order; octets that are no UTF-8 are replaced.
    #[inline]
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.named(name).map(|l| String::from_utf8_lossy(self.value(l)))
    }

    /// How many fields of this name there are.
    #[inline]
    pub fn count(&self, name: &str) -> usize {
        self.named(name).count()
    }

    /// The first field of this name, if its value is UTF-8.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get_raw(name)?).ok()
    }

    /// The octets of the first field of this name.
    #[inline]
    fn get_raw(&self, name: &str) -> Option<&[u8]> {
        self.named(name).next().map(|line| self.value(line))
    }

    /// Every field's name and value, for a report.
    pub fn fields(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.lines
            .iter()
            .map(|l| (String::from_utf8_lossy(&self.text[l.from..l.name]), String::from_utf8_lossy(self.value(l))))
    }

    /// Whether a comma-separated list, over all fields of this name, has this token.
    #[inline]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|v| v.split(',').any(|t| bare(t).eq_ignore_ascii_case(token)))
    }

    /// Changes it.
    pub fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Remove(name) => self.remove(name),
            Edit::Set(name, value) => self.set(name, value),
            Edit::Add(name, value) => self.add(name, value),
            Edit::Line(raw) => {
                let name = raw.iter().position(|b| *b == b':').unwrap_or(raw.len());
                self.push(raw, name);
            }
            Edit::Start(line) => self.set_start(line),
        }
    }

    /// Takes out every field of this name.
    #[inline]
    pub fn remove(&mut self, name: &str) {
        if self.get_raw(name).is_some() {
            self.take_out(name);
        }
    }

    fn take_out(&mut self, name: &str) {
        let text = &self.text;
        self.lines.retain(|l| !same_but_case(&text[l.from..l.name], name.as_bytes()));
        self.as_came = false;
    }

    /// One field of this name: in the first one's place, else at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        let place = self.lines.iter().position(|l| self.is(l, name));
        self.remove(name);
        self.add(name, value);
        if let Some(place) = place {
            self.lines[place..].rotate_right(1);
        }
    }

    /// One more field at the end.
    pub fn add(&mut self, name: &str, value: &str) {
        self.push(format!("{name}: {value}").as_bytes(), name.len());
    }

    /// Another start line.
    pub fn set_start(&mut self, line: &[u8]) {
        let from = self.text.len();
        self.text.extend_from_slice(line);
        self.start = (from, self.text.len());
        self.as_came = false;
    }

    fn push(&mut self, raw: &[u8], name: usize) {
        let from = self.text.len();
        self.text.extend_from_slice(raw);
        let mark = mark(&raw[..name]);
        self.lines.push(Line { from, name: from + name, to: self.text.len(), mark });
        self.marks |= mark;
        self.as_came = false;
    }

    /// Writes it to `out`, its empty line included.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.as_came {
            return out.extend_from_slice(&self.text);
        }
        out.extend_from_slice(self.start());
        out.extend_from_slice(b"\r\n");
        for line in &self.lines {
            out.extend_from_slice(&self.text[line.from..line.to]);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The lines of this name.
    #[inline]
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        let mark = mark(name.as_bytes());
        let lines = if self.marks & mark == 0 { &[] } else { self.lines.as_slice() };
        lines.iter().filter(move |l| l.mark == mark && self.is(l, name))
    }

    fn is(&self, line: &Line, name: &str) -> bool {
        same_but_case(&self.text[line.from..line.name], name.as_bytes())
    }

    fn value(&self, line: &Line) -> &[u8] {
        self.text.get(line.name + 1..line.to).unwrap_or_default().trim_ascii()
    }

    /// How a request's body ends. Refused where two readers could disagree: that is how requests are smuggled.
    pub fn request_body(&self) -> Result<Body, Bad> {
        let length = self.content_length()?;
        match self.transfer_coding()? {
            Some(_) if length.is_some() => Err(Bad::Malformed("both Transfer-Encoding and Content-Length")),
            Some(true) => Ok(Body::Chunked),
            Some(false) => Err(Bad::Malformed("a Transfer-Encoding that does not end in chunked")),
            None => Ok(length.filter(|n| *n > 0).map_or(Body::Empty, Body::Length)),
        }
    }

    /// How the body of the response to a request of `method` ends.
    pub fn response_body(&self, method: &str) -> Result<Body, Bad> {
        let status = self.status().map_or(0, |(code, _)| code);
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
            return Ok(Body::Empty);
        }
        match (self.transfer_coding()?, self.content_length()?) {
            (Some(_), Some(_)) => Err(Bad::Malformed("both Transfer-Encoding and Content-Length")),
            (Some(true), None) => Ok(Body::Chunked),
            (Some(false), None) | (None, None) => Ok(Body::Close),
            (None, Some(n)) => Ok(Body::Length(n)),
        }
    }

    /// `Content-Length`, if there is one value only.
    pub fn content_length(&self) -> Result<Option<u64>, Bad> {
        let mut found = None;
        if let Some(one) = self.plain_length() {
            return Ok(Some(one));
        }
        for value in self.all("content-length") {
            for one in value.split(',') {
                let one = bare(one);
                let digits = !one.is_empty() && one.len() <= 19 && one.bytes().all(|b| b.is_ascii_digit());
                let n = one.parse::<u64>().ok().filter(|_| digits);
                let n = n.ok_or(Bad::Malformed("a Content-Length that is no number"))?;
                if found.is_some_and(|f| f != n) {
                    return Err(Bad::Malformed("conflicting Content-Lengths"));
                }
                found = Some(n);
            }
        }
        Ok(found)
    }

    /// The one `Content-Length`, where it is digits alone.
    fn plain_length(&self) -> Option<u64> {
        let mut lines = self.named("content-length");
        let (value, None) = (self.value(lines.next()?), lines.next()) else { return None };
        let digit = |n: u64, b: &u8| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0'));
        (1..=19).contains(&value.len()).then(|| value.iter().try_fold(0, digit)).flatten()
    }

    /// Whether the last transfer coding is chunked; `None` without any.
    fn transfer_coding(&self) -> Result<Option<bool>, Bad> {
        if self.count("transfer-encoding") == 0 {
            return Ok(None);
        }
        let codings: Vec<String> = self
            .all("transfer-encoding")
            .flat_map(|v| v.split(',').map(|c| bare(c).to_owned()).collect::<Vec<_>>())
            .collect();
        if codings.iter().filter(|c| c.eq_ignore_ascii_case("chunked")).count() > 1 {
            return Err(Bad::Malformed("chunked twice"));
        }
        Ok(codings.last().map(|c| c.eq_ignore_ascii_case("chunked")))
    }
}

/// A member of a list without the white space around it: HTTP's own (RFC 9110, 5.6.3) and no other, which the next reader
/// would take for a part of it.
pub fn bare(member: &str) -> &str {
    member.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Option<(Head, usize)>, Bad> {
        Head::request(text.as_bytes())
    }

    fn response(text: &str) -> Head {
        Head::response(text.as_bytes()).expect("reads").expect("whole").0
    }

    #[test]
    fn what_is_not_edited_leaves_as_it_came() {
        let text = "GET /a?b HTTP/1.1\r\nhost:x\r\nX-Odd :".replace(" :", ":") + "  y \r\nx-odd: \r\n\r\n";
        let (head, length) = request(&format!("{text}rest")).expect("reads").expect("whole");
        assert_eq!(length, text.len());
        let mut out = Vec::new();
        head.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), text);
        assert_eq!(head.all("X-ODD").collect::<Vec<_>>(), ["y", ""]);
        let line = head.request_line().expect("a request line");
        assert_eq!((line.method, line.target, line.minor), ("GET", "/a?b", 1));
    }

    #[test]
    fn a_head_that_has_not_come_whole_is_waited_for() {
        assert_eq!(request("GET / HTTP/1.1\r\nhost: x\r\n"), Ok(None));
        assert_eq!(Head::response(b"HT"), Ok(None));
        assert_eq!(Head::response(b""), Ok(None));
        assert!(Head::response(b"Hello").is_err());
    }

    #[test]
    fn edits_keep_places() {
        let mut head = response("HTTP/1.1 206 Partial\r\nA: 1\r\nB: 2\r\na: 3\r\nC: 4\r\n\r\n");
        head.set("a", "9");
        head.set("D", "5");
        head.remove("B");
        head.edit(&Edit::Line(b"bad line".to_vec()));
        head.edit(&Edit::Start(b"HTTP/1.1 200 OK".to_vec()));
        let mut out = Vec::new();
        head.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), "HTTP/1.1 200 OK\r\na: 9\r\nC: 4\r\nD: 5\r\nbad line\r\n\r\n");
        assert_eq!(head.status(), Some((200, 1)));
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        for text in [
            "GET / HTTP/1.1\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "G\0T / HTTP/1.1\r\n\r\n",
        ] {
            assert!(matches!(request(text), Err(Bad::Malformed(_))), "{text:?}: {:?}", request(text));
        }
        for fields in [
            "content-length: 1\r\ntransfer-encoding: chunked",
            "content-length: 1\r\ncontent-length: 2",
            "content-length: +1",
            "content-length: 1,2",
            "content-length: 0x1",
            "content-length:",
            "transfer-encoding: chunked, identity",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: xchunked",
        ] {
            let head = request(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")).expect("reads").expect("whole").0;
            assert!(head.request_body().is_err(), "{fields}");
        }
    }

    #[test]
    fn a_bodys_end_is_told_by_its_head() {
        let of = |text: &str, method| response(&format!("HTTP/1.1 {text}\r\n\r\n")).response_body(method);
        assert_eq!(of("200 OK\r\ncontent-length: 5", "GET"), Ok(Body::Length(5)));
        assert_eq!(of("200 OK\r\ncontent-length: 5, 5", "GET"), Ok(Body::Length(5)));
        assert_eq!(of("200 OK\r\ncontent-length: 5", "HEAD"), Ok(Body::Empty));
        assert_eq!(of("304 Not Modified\r\ncontent-length: 5", "GET"), Ok(Body::Empty));
        assert_eq!(of("200 OK\r\nTransfer-Encoding: gzip, Chunked", "GET"), Ok(Body::Chunked));
        assert_eq!(of("200 OK", "GET"), Ok(Body::Close));
        assert!(of("200 OK\r\ncontent-length: 5\r\ncontent-length: 6", "GET").is_err());
    }
}
