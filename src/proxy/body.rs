//! Where a body ends on the wire. What is read here is passed on as it came; a reader that is lenient where another is
//! strict is how requests are smuggled, so this one is strict.

use crate::fault::head::Body;

/// Octets of a chunk's size line, its extensions included, at most.
const LONGEST_LINE: usize = 16 * 1024;
/// Octets of all trailers, at most.
const LONGEST_TRAILERS: usize = 64 * 1024;

/// Follows a body through its framing.
#[derive(Clone, Debug)]
pub(super) struct Track(At);

#[derive(Clone, Debug)]
enum At {
    Done,
    /// So many octets are to come.
    Length(u64),
    /// To the stream's end.
    Close,
    Chunked(Chunk, usize),
}

/// Where in the chunked framing; with [`At::Chunked`]'s length of the present line, or of all trailers.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// In a size: its value so far, and digits.
    Size(u64, u32),
    /// In an extension of this size.
    Extension(u64),
    /// After the CR of a size line.
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer line, or of the last empty one.
    Line,
    /// In a trailer: whether its colon came.
    Trailer(bool),
    TrailerLf,
    /// After the CR of the last, empty line.
    LastLf,
    End,
}

/// What a run of octets is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The body's own.
    Payload,
    /// Sizes, extensions, line ends.
    Framing,
    /// Trailer lines, with their ends.
    Trailer,
}

/// What [`Track::take`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Octets on the wire that belong to the message.
    pub wire: usize,
    /// Octets of the body among them.
    pub payload: u64,
}

impl Track {
    /// Follows a body that ends so.
    pub(super) fn new(body: Body) -> Self {
        Self(match body {
            Body::Empty | Body::Length(0) => At::Done,
            Body::Length(n) => At::Length(n),
            Body::Chunked => At::Chunked(Chunk::Size(0, 0), 0),
            Body::Close => At::Close,
        })
    }

    /// Whether its last octet came.
    pub(super) fn done(&self) -> bool {
        matches!(self.0, At::Done)
    }

    /// Whether the stream's end is its end.
    pub(super) fn until_close(&self) -> bool {
        matches!(self.0, At::Close)
    }

    /// Octets of the body that are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self.0 {
            At::Done => Some(0),
            At::Length(n) => Some(n),
            At::Close | At::Chunked(..) => None,
        }
    }

    /// Whether the next octet is the body's own.
    pub(super) fn is_payload(&self, next: u8) -> bool {
        matches!(self.clone().step(&[next]), Ok((1, Kind::Payload)))
    }

    /// How many of these octets are the message's, up to its end.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Taken, &'static str> {
        let mut taken = Taken::default();
        while taken.wire < bytes.len() && !self.done() {
            let (n, kind) = self.step(&bytes[taken.wire..])?;
            taken.wire += n;
            if kind == Kind::Payload {
                taken.payload += n as u64;
            }
        }
        Ok(taken)
    }

    /// The first run of octets of one kind: at least one, if any are given and it is not done.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<(usize, Kind), &'static str> {
        match &mut self.0 {
            At::Done => Ok((0, Kind::Framing)),
            At::Close => Ok((bytes.len(), Kind::Payload)),
            At::Length(left) => {
                let n = (*left).min(bytes.len() as u64);
                *left -= n;
                if *left == 0 {
                    self.0 = At::Done;
                }
                Ok((n as usize, Kind::Payload))
            }
            At::Chunked(Chunk::Data(left), _) => {
                let n = (*left).min(bytes.len() as u64);
                *left -= n;
                if *left == 0 {
                    self.0 = At::Chunked(Chunk::DataCr, 0);
                }
                Ok((n as usize, Kind::Payload))
            }
            At::Chunked(state, length) => {
                let (mut n, mut run) = (0, None);
                for byte in bytes {
                    let kind = state.kind(*byte);
                    if run.is_some_and(|r| r != kind) || matches!(state, Chunk::Data(_)) {
                        break;
                    }
                    run = Some(kind);
                    *state = state.next(*byte)?;
                    n += 1;
                    *length += 1;
                    let most = if kind == Kind::Trailer { LONGEST_TRAILERS } else { LONGEST_LINE };
                    match state {
                        Chunk::Size(..) | Chunk::Data(_) if *byte == b'\n' => *length = 0,
                        Chunk::Line if kind == Kind::Framing => *length = 0,
                        Chunk::End => {
                            self.0 = At::Done;
                            return Ok((n, Kind::Framing));
                        }
                        _ if *length > most => return Err("a chunk's line, or its trailers, without an end"),
                        _ => {}
                    }
                }
                Ok((n, run.unwrap_or(Kind::Framing)))
            }
        }
    }
}

impl Chunk {
    /// What this octet is, coming now.
    fn kind(self, byte: u8) -> Kind {
        match self {
            Chunk::Line if byte != b'\r' => Kind::Trailer,
            Chunk::Trailer(_) | Chunk::TrailerLf => Kind::Trailer,
            _ => Kind::Framing,
        }
    }

    /// Where this octet of the framing leads.
    fn next(self, byte: u8) -> Result<Self, &'static str> {
        let text = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
        match (self, byte) {
            (Chunk::Size(size, digits @ 0..16), b) if b.is_ascii_hexdigit() => {
                let digit = (b as char).to_digit(16).unwrap_or_default();
                Ok(Chunk::Size(size << 4 | u64::from(digit), digits + 1))
            }
            (Chunk::Size(size, 1..), b';') => Ok(Chunk::Extension(size)),
            (Chunk::Size(size, 1..), b'\r') | (Chunk::Extension(size), b'\r') => Ok(Chunk::SizeLf(size)),
            (Chunk::Size(..), _) => Err("a chunk size that is no plain hexadecimal number"),
            (Chunk::Extension(size), b) if text(b) => Ok(Chunk::Extension(size)),
            (Chunk::SizeLf(0), b'\n') => Ok(Chunk::Line),
            (Chunk::SizeLf(size), b'\n') => Ok(Chunk::Data(size)),
            (Chunk::DataCr, b'\r') => Ok(Chunk::DataLf),
            (Chunk::DataLf, b'\n') => Ok(Chunk::Size(0, 0)),
            (Chunk::DataCr | Chunk::DataLf, _) => Err("a chunk longer than its size"),
            (Chunk::Line, b'\r') => Ok(Chunk::LastLf),
            (Chunk::Line, b) if token(b) => Ok(Chunk::Trailer(false)),
            (Chunk::Trailer(false), b) if token(b) => Ok(self),
            (Chunk::Trailer(_), b':') => Ok(Chunk::Trailer(true)),
            (Chunk::Trailer(true), b'\r') => Ok(Chunk::TrailerLf),
            (Chunk::Trailer(true), b) if text(b) => Ok(self),
            (Chunk::TrailerLf, b'\n') => Ok(Chunk::Line),
            (Chunk::LastLf, b'\n') => Ok(Chunk::End),
            (Chunk::Line | Chunk::Trailer(_), _) => Err("a trailer with characters it may not have"),
            _ => Err("a line within the chunks that does not end in CRLF"),
        }
    }
}

/// Whether a field's name may have it (RFC 9110, 5.6.2).
fn token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads in pieces of `cut` octets: the kinds of each octet, or what is wrong.
    fn kinds(text: &str, cut: usize) -> Result<(String, bool), &'static str> {
        let mut track = Track::new(Body::Chunked);
        let mut kinds = String::new();
        for piece in text.as_bytes().chunks(cut) {
            let mut rest = piece;
            while !rest.is_empty() && !track.done() {
                let (n, kind) = track.step(rest)?;
                assert!(n > 0, "no progress in {text:?}");
                let letter = match kind {
                    Kind::Payload => 'p',
                    Kind::Framing => '.',
                    Kind::Trailer => 't',
                };
                kinds.extend(std::iter::repeat_n(letter, n));
                rest = &rest[n..];
            }
        }
        Ok((kinds, track.done()))
    }

    #[test]
    fn the_same_octets_are_payload_however_they_are_cut() {
        for (text, wanted) in [
            ("5\r\nhello\r\n0\r\n\r\n", "...ppppp......."),
            ("3;a=\"b\"\r\nabc\r\n00\r\nX: y\r\nZ:\r\n\r\n", ".........ppp......tttttttttt.."),
            ("1\r\na\r\n1\r\nb\r\n0\r\n\r\nrest", "...p.....p......."),
        ] {
            for cut in 1..=text.len() {
                assert_eq!(kinds(text, cut), Ok((wanted.to_owned(), true)), "{text:?} by {cut}");
            }
        }
    }

    #[test]
    fn chunked_framing_that_two_readers_could_take_differently_is_refused() {
        for text in [
            "0x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "+5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "\r\n5\r\nhello",
            ";\r\n",
            "5\nhello\r\n",
            "5\rhello",
            "5;\n\r\nhello",
            "5;a\0\r\nhello",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "00000000000000005\r\nhello",
            "FFFFFFFFFFFFFFFFF\r\n",
            "5_0\r\nhello",
            "0\r\n\nX: y\r\n\r\n",
            "0\r\n x: folded\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\n\rx",
        ] {
            for cut in [1, 2, 3, text.len()] {
                assert!(kinds(text, cut).is_err(), "{text:?} by {cut}: {:?}", kinds(text, cut));
            }
        }
    }

    #[test]
    fn a_line_or_trailers_without_an_end_are_refused() {
        assert!(kinds(&format!("5;{}", "x".repeat(LONGEST_LINE)), 1000).is_err());
        assert!(kinds(&format!("0\r\n{}", "x: y\r\n".repeat(LONGEST_TRAILERS / 6 + 1)), 1000).is_err());
        let many = "1;extension\r\na\r\n".repeat(10_000) + "0\r\n\r\n";
        assert_eq!(kinds(&many, 999).map(|(_, done)| done), Ok(true));
    }

    #[test]
    fn a_counted_body_ends_where_it_should() {
        let mut track = Track::new(Body::Length(5));
        assert_eq!(track.take(b"abc"), Ok(Taken { wire: 3, payload: 3 }));
        assert_eq!((track.left(), track.done()), (Some(2), false));
        assert_eq!(track.take(b"deGET /"), Ok(Taken { wire: 2, payload: 2 }));
        assert!(track.done());
        let mut close = Track::new(Body::Close);
        assert_eq!(close.take(b"abc"), Ok(Taken { wire: 3, payload: 3 }));
        assert!(!close.done() && close.until_close());
        assert!(Track::new(Body::Length(0)).done() && Track::new(Body::Empty).done());
    }
}
