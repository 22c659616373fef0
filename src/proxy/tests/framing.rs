//! Chunked framing against any octets, in any pieces: it never stands still, and what it takes a stricter reader takes
//! for the same.

use super::super::body::{Kind, Track};
use crate::fault::head::Body;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// How long the message is and what its body is, for a reader of RFC 9112's grammar and nothing more, who sees it whole.
fn strict(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let text = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    let line = |from: usize| -> Option<(usize, usize)> {
        let to = from + bytes[from..].iter().position(|b| !text(b))?;
        (bytes.get(to..to + 2)? == b"\r\n").then_some((to, to + 2))
    };
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let (to, next) = line(at)?;
        let digits = bytes[at..to].iter().position(|b| *b == b';').map_or(to, |n| at + n);
        let size = std::str::from_utf8(&bytes[at..digits]).ok()?;
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::try_from(u64::from_str_radix(size, 16).ok()?).ok()?;
        at = next;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    loop {
        let (to, next) = line(at)?;
        let field = &bytes[at..to];
        at = next;
        if field.is_empty() {
            return Some((at, body));
        }
        let name = &field[..field.iter().position(|b| *b == b':')?];
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        if name.is_empty() || !name.iter().all(token) {
            return None;
        }
    }
}

/// What the proxy makes of it, given in pieces: how long it is and what its body is, once it is whole.
fn read(bytes: &[u8], pieces: &[usize]) -> Result<Option<(usize, Vec<u8>)>, &'static str> {
    let (mut track, mut at, mut body) = (Track::new(Body::Chunked), 0, Vec::new());
    let mut pieces = pieces.iter().cycle();
    while at < bytes.len() && !track.done() {
        let end = (at + pieces.next().unwrap_or(&1)).min(bytes.len());
        while at < end && !track.done() {
            let (n, kind) = track.step(&bytes[at..end])?;
            assert!(n > 0 && n <= end - at, "{n} octets of {}", end - at);
            if kind == Kind::Payload {
                body.extend_from_slice(&bytes[at..at + n]);
            }
            at += n;
        }
    }
    Ok(track.done().then_some((at, body)))
}

const SIZES: [&str; 14] = [
    "0",
    "1",
    "3",
    "5",
    "A",
    "a",
    "05",
    "0003",
    "fffffffffffffff",
    "ffffffffffffffff",
    "10000000000000005",
    "",
    "+3",
    "0x3",
];
const EXTENSIONS: [&str; 8] = ["", "", "", ";a", ";a=b", "; a", ";a=\"x;y\"", " ;a"];
const ENDS: [&str; 5] = ["\r\n", "\r\n", "\r\n", "\n", "\r"];
const TRAILERS: [&str; 9] = ["", "", "", "", "X: y\r\n", "X:\r\nY: z\r\n", " folded\r\n", "no colon\r\n", "X : y\r\n"];
const NASTY: &[u8] = b"\r\n\0 ;:0aF\x7f\xff";

/// A body of chunks, mostly right, then changed in a few places, and what follows it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (0..SIZES.len(), 0..EXTENSIONS.len(), 0..ENDS.len(), prop::bool::weighted(0.95));
    let changes = vec((any::<prop::sample::Index>(), 0..3u8, 0..NASTY.len()), 0..2);
    (vec(chunk, 0..6), 0..TRAILERS.len(), changes, vec(any::<u8>(), 0..6)).prop_map(
        |(chunks, trailer, changes, rest)| {
            let mut bytes = Vec::new();
            for (size, extension, end, fits) in chunks {
                let digits = if fits { ["1", "3", "5", "A", "05"][size % 5] } else { SIZES[size] };
                let length = usize::from_str_radix(digits, 16).unwrap_or(3).min(20);
                let end = if fits { "\r\n" } else { ENDS[end] };
                let extension = EXTENSIONS[if fits { extension % 6 } else { extension }];
                bytes.extend_from_slice(format!("{digits}{extension}{end}").as_bytes());
                bytes.extend(b"0\r\n5\r\nhello\r\n0\r\n\r\nxx".iter().cycle().take(length));
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("0\r\n{}\r\n", TRAILERS[trailer]).as_bytes());
            for (at, how, with) in changes {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes.insert(at, NASTY[with]),
                    1 => bytes[at] = NASTY[with],
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes.extend(rest);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_are_taken_only_if_a_stricter_reader_takes_them_for_the_same(
        bytes in bytes(),
        pieces in vec(1..9usize, 1..6),
    ) {
        let whole = read(&bytes, &[usize::MAX / 2]);
        prop_assert_eq!(&whole, &read(&bytes, &pieces), "in pieces of {:?}", &pieces);
        if let Ok(Some(found)) = whole {
            prop_assert_eq!(Some(found), strict(&bytes));
        }
    }

    #[test]
    fn octets_at_random_are_no_chunks_and_no_harm(bytes in vec(any::<u8>(), 0..200), pieces in vec(1..9usize, 1..6)) {
        prop_assert_eq!(read(&bytes, &[usize::MAX / 2]), read(&bytes, &pieces));
    }
}

#[test]
fn most_of_what_is_made_up_is_taken() {
    // Else the property above would hold of nothing.
    assert_eq!(strict(b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\nrest"), Some((23, b"abc".to_vec())));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let taken = (0..1000).filter(|_| {
        let bytes = bytes().new_tree(&mut runner).expect("a value").current();
        matches!(read(&bytes, &[1000]), Ok(Some(_)))
    });
    let taken = taken.count();
    assert!((300..900).contains(&taken), "{taken} of 1000");
}
