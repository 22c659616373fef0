//! What a fault can say: at which point of an exchange what is done.

use super::seed::Draw;
use std::time::Duration;

/// Where in an exchange something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The client's connection was accepted, nothing of it was read.
    Accept,
    /// The request's head was read, nothing was sent on.
    Request,
    /// The response's head has come, nothing of it was sent to the client.
    Head,
    /// Before the octet of this number of the body (payload, without transfer framing). `Body(0)` comes after the head
    /// was sent.
    Body(u64),
    /// Before the server's WebSocket message of this number, from 0.
    Message(u64),
    /// After the body's last octet, before the end of its transfer framing.
    End,
    /// After this many octets in all were sent to the client on this connection, heads included.
    Sent(u64),
    /// The server's end is known, the client's is about to be closed.
    Close,
}

/// What is done there. The vocabulary is complete: whatever a fault must be able to say is a variant, and the proxy
/// carries out each.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Hold here for so long; what comes later waits behind it.
    Wait(Duration),
    /// At [`Point::Request`]: answer in the server's place; nothing is sent on, and no other fault sees the answer.
    Answer(Answer),
    /// At [`Point::Request`]: answer from a full local copy, fetched when it is first asked for.
    Cache,
    /// Change the head that is about to leave: the request's at [`Point::Request`], the response's at [`Point::Head`].
    Edit(Edit),
    /// At [`Point::Request`]: the same, but only so that a later step comes out right. It is not the fault: a rule that
    /// did no more than this was not applied.
    Prepare(Edit),
    /// At [`Point::Head`]: frame the body so, whatever the head says about it. The head's fields are edited apart.
    Frame(Framing),
    /// At [`Point::Head`] or [`Point::Body`]: from here on no more than `bytes` (give or take `variation`) at once, each
    /// followed by a pause of `every`. A later one takes the place of an earlier; [`Action::FULL_SPEED`] ends it.
    Pace {
        /// Octets at once, at least 1.
        bytes: u64,
        /// How many more or fewer, at most; drawn anew each time.
        variation: u64,
        /// The pause after each.
        every: Duration,
    },
    /// At [`Point::Body`] or [`Point::End`]: put these octets into the body here.
    Insert(Vec<u8>),
    /// At [`Point::Body`]: leave out so many octets from here on ([`u64::MAX`]: all that follow); the body still ends
    /// as its framing says. At [`Point::Message`]: so many messages.
    Skip(u64),
    /// At [`Point::Body`]: spoil the octets from here up to `to` (not included).
    Mangle {
        /// The first octet not spoilt.
        to: u64,
        /// How they are spoilt.
        how: Mangle,
        /// Which octet of the file the body begins with: of a file the same octets are wrong, whatever parts of it come.
        first: u64,
    },
    /// At [`Point::Head`]: the body leaves compressed, truly.
    Gzip,
    /// Put these bytes on the wire as they are, outside all framing: a bad status line, a bad chunk, a WebSocket frame.
    Raw(Vec<u8>),
    /// End it here.
    Cut(Cut),
}

impl Action {
    /// No pace any more.
    pub const FULL_SPEED: Action = Action::Pace { bytes: u64::MAX, variation: 0, every: Duration::ZERO };
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// FIN: what was sent arrives, then the end of the stream.
    #[serde(rename = "close")]
    Fin,
    /// RST: the connection is reset.
    #[serde(rename = "reset")]
    Rst,
    /// Half-open: no more bytes and no end, until the client gives up or the play ends.
    Silence,
}

/// A change of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Take out every field of this name.
    Remove(String),
    /// One field of this name with this value, in the first one's place, else at the end.
    Set(String, String),
    /// One more field at the end.
    Add(String, String),
    /// One more raw line at the end, without its CRLF: what no library would write.
    Line(Vec<u8>),
    /// Another start line, without its CRLF.
    Start(Vec<u8>),
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As so many octets: the head says so, whatever is sent.
    Length,
    /// In chunks, ended by the last chunk.
    Chunked,
    /// In chunks, and the last chunk never comes: FIN instead.
    ChunkedUnended,
    /// By the connection's end.
    Close,
}

/// How octets are spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mangle {
    /// One bit of every `every`-th octet.
    Flip {
        /// Octets from one spoilt to the next, at least 1.
        every: u64,
    },
    /// All zero.
    Zero,
    /// Random, from the draw: the same for the same seed.
    Random,
    /// Neighbours change places.
    Swap,
}

impl Mangle {
    /// Spoils `bytes`, the first of which is the file's octet `offset`. The same octets come out however they are cut
    /// into pieces, but for [`Mangle::Swap`], which never crosses a piece.
    pub fn spoil(self, bytes: &mut [u8], offset: u64, draw: &Draw) {
        match self {
            Mangle::Flip { every } => {
                let first = (every - offset % every) % every;
                for at in (first..bytes.len() as u64).step_by(every as usize) {
                    bytes[at as usize] ^= 1 << (draw.bits(offset + at) % 8);
                }
            }
            Mangle::Zero => bytes.fill(0),
            Mangle::Random => {
                (offset..).zip(bytes).for_each(|(at, b)| *b = draw.bits(at / 8).to_le_bytes()[(at % 8) as usize]);
            }
            Mangle::Swap => bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1)),
        }
    }
}

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Fields besides `Content-Length` and `Date`.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where.
    pub at: Point,
    /// What.
    pub action: Action,
}

/// Short for one step.
pub fn at(at: Point, action: Action) -> Step {
    Step { at, action }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 octets of 7, spoilt in pieces of this length.
    fn spoilt(how: Mangle, piece: usize) -> Vec<u8> {
        let mut bytes = vec![7; 100];
        let draw = Draw::of_link(1, "x");
        for (number, piece_of) in bytes.chunks_mut(piece).enumerate() {
            how.spoil(piece_of, (number * piece) as u64, &draw);
        }
        bytes
    }

    #[test]
    fn the_same_octets_are_spoilt_however_they_come() {
        for how in [Mangle::Flip { every: 7 }, Mangle::Flip { every: 1 }, Mangle::Zero, Mangle::Random] {
            let whole = spoilt(how, 100);
            assert!([1, 3, 8, 64].iter().all(|piece| spoilt(how, *piece) == whole), "{how:?}");
        }
    }

    #[test]
    fn a_flip_is_one_bit_of_every_so_manieth_octet() {
        let flipped = spoilt(Mangle::Flip { every: 7 }, 100);
        for (number, octet) in flipped.into_iter().enumerate() {
            assert_eq!((octet ^ 7).count_ones(), u32::from(number % 7 == 0), "octet {number}");
        }
    }

    #[test]
    fn neighbours_change_places() {
        let mut bytes = [1, 2, 3, 4, 5];
        Mangle::Swap.spoil(&mut bytes, 0, &Draw::of_link(1, "x"));
        assert_eq!(bytes, [2, 1, 4, 3, 5]);
    }
}
