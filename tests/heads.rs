//! The reading of heads against any bytes: it never panics, it takes nothing that a stricter reader would refuse or
//! frame differently, and how the bytes came in pieces changes nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use soundcheck::fault::head::{Bad, Body, Head, LONGEST, MOST_FIELDS};

/// What a stricter reader makes of a head: RFC 9112's grammar and nothing more. Written apart from the code under test.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    length: usize,
    fields: Vec<(String, Vec<u8>)>,
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Lines up to the empty one; `None` unless each ends in CRLF and has no other CR or LF.
fn lines(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (mut lines, mut from) = (Vec::new(), 0);
    loop {
        let to = from + bytes[from..].iter().position(|b| *b == b'\n' || *b == b'\r')?;
        if bytes.get(to) != Some(&b'\r') || bytes.get(to + 1) != Some(&b'\n') {
            return None;
        }
        let line = &bytes[from..to];
        from = to + 2;
        if line.is_empty() {
            return Some((lines, from));
        }
        lines.push(line);
    }
}

fn fields(lines: &[&[u8]]) -> Option<Vec<(String, Vec<u8>)>> {
    let one = |line: &&[u8]| {
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let named = !name.is_empty() && name.iter().all(|b| is_token(*b));
        let valued = value.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f));
        let text = String::from_utf8(name.to_vec()).ok()?.to_ascii_lowercase();
        (named && valued).then(|| (text, value.trim_ascii().to_vec()))
    };
    lines.iter().map(one).collect()
}

fn strict(bytes: &[u8], start: impl Fn(&[u8]) -> bool) -> Option<Read> {
    let (lines, length) = lines(bytes)?;
    let (first, rest) = lines.split_first()?;
    start(first).then(|| fields(rest).map(|fields| Read { length, fields }))?
}

fn strict_request(bytes: &[u8]) -> Option<Read> {
    strict(bytes, |line| {
        let parts: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let [method, target, version] = parts[..] else { return false };
        !method.is_empty()
            && method.iter().all(|b| is_token(*b))
            && !target.is_empty()
            && target.iter().all(|b| *b > b' ' && *b != 0x7f)
            && matches!(version, b"HTTP/1.0" | b"HTTP/1.1")
    })
}

fn strict_response(bytes: &[u8]) -> Option<Read> {
    strict(bytes, |line| {
        let reason = line.get(12..).unwrap_or_default();
        (line.starts_with(b"HTTP/1.0 ") || line.starts_with(b"HTTP/1.1 "))
            && line.len() >= 12
            && line[9..12].iter().all(u8::is_ascii_digit)
            && (reason.is_empty() || reason[0] == b' ')
            && reason.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f))
    })
}

/// How a request's body ends for a reader that takes one way of saying it only.
fn strict_framing(head: &Read) -> Option<Body> {
    let values = |name: &str| -> Vec<Vec<u8>> {
        let own = head.fields.iter().filter(|(n, _)| n == name);
        own.flat_map(|(_, v)| v.split(|b| *b == b',').map(|part| part.trim_ascii().to_vec()).collect::<Vec<_>>())
            .collect()
    };
    let (codings, lengths) = (values("transfer-encoding"), values("content-length"));
    match (&codings[..], &lengths[..]) {
        ([], []) => Some(Body::Empty),
        ([.., last], []) => {
            let chunked = codings.iter().filter(|c| c.eq_ignore_ascii_case(b"chunked")).count();
            (last.eq_ignore_ascii_case(b"chunked") && chunked == 1).then_some(Body::Chunked)
        }
        ([], [first, rest @ ..]) => {
            let number = |digits: &Vec<u8>| -> Option<u64> {
                let digit = |sum: u64, b: &u8| sum.checked_mul(10)?.checked_add(u64::from(b - b'0'));
                let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                all.then(|| digits.iter().try_fold(0, digit))?
            };
            let n = number(first)?;
            rest.iter().all(|other| number(other) == Some(n)).then_some(if n == 0 {
                Body::Empty
            } else {
                Body::Length(n)
            })
        }
        _ => None,
    }
}

const STARTS: [&str; 10] = [
    "\r\nGET / HTTP/1.1",
    "GET / HTTP/1.1",
    "POST /a?b HTTP/1.1",
    "GET http://h:1/ HTTP/1.0",
    "CONNECT h:1 HTTP/1.1",
    "HTTP/1.1 200 OK",
    "HTTP/1.0 206",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 999 \u{e9}",
    "GET /\u{e9} HTTP/1.1",
];
const FIELDS: [&str; 26] = [
    "Host: h",
    "Content-Length: 5",
    "content-length:5 ",
    "Content-Length: 05",
    "Content-Length: 5, 5",
    "Content-Length: 5,6",
    "Content-Length: +5",
    "Content-Length: 18446744073709551615",
    "Content-Length: 99999999999999999999",
    "Content-Length:",
    "Content-Length: 0",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding:\tCHUNKED",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked\u{a0}",
    "Content-Length: \u{3000}5",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \"chunked\"",
    "X: a\tb",
    "x-empty:",
    " folded",
    "no colon",
    "\u{e9}: x",
];
const NASTY: &[u8] = b"\r\n\r\n\0 \t:,;\x0b\x0c\x7f\x80\xff/HG1";

/// A head from odd parts, then changed in a few places.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let parts = (0..STARTS.len(), vec(0..FIELDS.len(), 0..6));
    let changes = vec((any::<prop::sample::Index>(), 0..3u8, 0..NASTY.len()), 0..4);
    let tail = vec(any::<u8>(), 0..8);
    (parts, changes, tail).prop_map(|((start, fields), changes, tail)| {
        let mut text = STARTS[start].to_owned();
        fields.iter().for_each(|f| text = format!("{text}\r\n{}", FIELDS[*f]));
        let mut bytes: Vec<u8> = (text + "\r\n\r\n").into_bytes();
        for (at, how, with) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes.insert(at, NASTY[with]),
                1 => bytes[at] = NASTY[with],
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes.extend(tail);
        bytes
    })
}

type Reading = Result<Option<(Head, usize)>, Bad>;

/// What holds for a head however it was read.
fn sound(bytes: &[u8], read: fn(&[u8]) -> Reading, strict: Option<Read>) -> Result<(), TestCaseError> {
    let whole = read(bytes);
    if let Ok(Some((head, length))) = &whole {
        let strict = strict.ok_or_else(|| TestCaseError::fail("a stricter reader refuses it"))?;
        prop_assert_eq!(strict.length, *length);
        let mut out = Vec::new();
        head.write(&mut out);
        prop_assert_eq!(&out[..], &bytes[..*length]);
        let names: Vec<String> = head.fields().map(|(n, _)| n.to_ascii_lowercase()).collect();
        let must: Vec<String> = strict.fields.iter().map(|(n, _)| n.clone()).collect();
        prop_assert_eq!(names, must);
        if head.request_line().is_some()
            && let Ok(body) = head.request_body()
        {
            prop_assert_eq!(strict_framing(&strict), Some(body));
        }
        // Asked for whatever they are, they do not panic.
        let _ = (head.status(), head.response_body("GET"), head.get("host"), head.has_token("connection", "close"));
        let mut edited = head.clone();
        edited.set("Content-Length", "1");
        edited.remove("x");
        edited.write(&mut out);
    }
    // In pieces: no part of it is taken for a whole head, and none is refused if the whole is not.
    for cut in 0..bytes.len() {
        match (read(&bytes[..cut]), &whole) {
            (Ok(Some((_, length))), Ok(Some((_, all)))) => prop_assert_eq!(length, *all),
            (Ok(Some(_)), whole) => prop_assert!(false, "taken at {cut}, but then {whole:?}"),
            (Err(early), Ok(_)) => prop_assert!(false, "refused at {cut}: {early:?}, but not as a whole"),
            (Ok(None) | Err(_), _) => {}
        }
    }
    Ok(())
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_request_is_taken_only_if_a_stricter_reader_takes_it_for_the_same(bytes in bytes()) {
        sound(&bytes, Head::request, strict_request(&bytes))?;
    }

    #[test]
    fn a_response_is_taken_only_if_a_stricter_reader_takes_it_for_the_same(bytes in bytes()) {
        sound(&bytes, Head::response, strict_response(&bytes))?;
    }

    #[test]
    fn bytes_at_random_are_no_head_and_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        sound(&bytes, Head::request, strict_request(&bytes))?;
        sound(&bytes, Head::response, strict_response(&bytes))?;
    }
}

#[test]
fn the_limits_are_where_they_say() {
    let of = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(fields));
    assert!(matches!(Head::request(of(MOST_FIELDS).as_bytes()), Ok(Some(_))));
    assert_eq!(Head::request(of(MOST_FIELDS + 1).as_bytes()), Err(Bad::TooLarge));
    let long = |octets: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(octets - 23));
    assert_eq!(long(LONGEST).len(), LONGEST);
    assert!(matches!(Head::request(long(LONGEST).as_bytes()), Ok(Some(_))));
    assert_eq!(Head::request(long(LONGEST + 1).as_bytes()), Err(Bad::TooLarge));
    assert_eq!(Head::request(&vec![b'x'; LONGEST + 1]), Err(Bad::TooLarge));
}

#[test]
fn the_stricter_reader_reads() {
    assert_eq!(strict_request(b"GET / HTTP/1.1\r\nA: b \r\n\r\nrest").map(|r| r.length), Some(25));
    for refused in [&b"GET / HTTP/1.1\nA: b\r\n\r\n"[..], b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"GET / HTTP/1.2\r\n\r\n"]
    {
        assert_eq!(strict_request(refused), None);
    }
    assert!(strict_response(b"HTTP/1.1 200\r\n\r\n").is_some());
    assert!(strict_response(b"HTTP/1.1 2000\r\n\r\n").is_none());
}
