//! How long a media file says of itself that it is: read from its first octets as they pass, and from the heads of its
//! boxes. A file that was cut, with a `Content-Length` to match, is whole on the wire; only this tells.

/// `ftyp` begins an MP4 file (ISO/IEC 14496-12, 4.3).
const FTYP: &[u8] = b"ftyp";
/// EBML header and segment (RFC 8794, 11.2.1; Matroska, RFC 9559, 5.1).
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
/// The largest head of a box: size, type, large size.
const HEAD: usize = 16;
/// The EBML header is shorter than this in every file; the segment's head follows it.
const BEGIN: usize = 128;

/// A file that passes from its first octet on.
#[derive(Debug, Default)]
pub struct Container {
    /// Octets so far.
    pos: u64,
    /// Where the head that is waited for begins, and what of it came.
    next: u64,
    head: Vec<u8>,
    is: Is,
    /// Where the last thing that it names of itself ends.
    end: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Is {
    #[default]
    Unknown,
    Mp4,
    WebM,
    /// Nothing more can be learnt.
    Done,
}

impl Container {
    /// The next octets of the file.
    pub fn feed(&mut self, octets: &[u8]) {
        let begin = self.pos;
        self.pos += octets.len() as u64;
        while self.is != Is::Done {
            let most = if self.is == Is::Mp4 { HEAD } else { BEGIN };
            let from = self.next + self.head.len() as u64;
            if from < self.pos && self.head.len() < most {
                // What is before was fed already: a head is taken in without a gap.
                let at = (from - begin) as usize;
                let took = (octets.len() - at).min(most - self.head.len());
                self.head.extend_from_slice(&octets[at..at + took]);
            }
            if !self.step() {
                return;
            }
        }
    }

    /// Octets that the file names of itself; `None`: it does not say, or is none of a known kind.
    pub fn octets(&self) -> Option<u64> {
        self.end
    }

    /// Reads what there is of a head; whether it got any further.
    fn step(&mut self) -> bool {
        if self.is == Is::Unknown {
            let Some(begin) = self.head.get(..8) else { return false };
            self.is = match begin {
                _ if &begin[4..] == FTYP => Is::Mp4,
                _ if begin[..4] == EBML => Is::WebM,
                _ => Is::Done,
            };
            return true;
        }
        match self.is {
            Is::Mp4 => self.mp4(),
            _ => self.webm(),
        }
    }

    fn mp4(&mut self) -> bool {
        let size = match self.head.get(..8).map(|h| be(&h[..4])) {
            None => return false,
            Some(0) => None, // to the end of the file
            Some(1) => match self.head.get(8..HEAD) {
                None => return false,
                Some(large) => Some(be(large)),
            },
            Some(size) => Some(size),
        };
        match size.and_then(|size| self.next.checked_add(size)).filter(|end| *end >= self.next + 8) {
            None => self.is = Is::Done,
            Some(end) => {
                (self.end, self.next) = (Some(end), end);
                self.head.clear();
            }
        }
        true
    }

    fn webm(&mut self) -> bool {
        let Some((length, size)) = self.head.get(4..).and_then(vint) else { return false };
        let Some(size) = size.filter(|s| *s < BEGIN as u64) else {
            self.is = Is::Done;
            return true;
        };
        let at = 4 + length + size as usize;
        let Some(segment) = self.head.get(at..at + 4) else { return self.given_up() };
        let Some((length, size)) = self.head.get(at + 4..).and_then(vint) else { return self.given_up() };
        if segment == SEGMENT {
            // Of unknown size: one that was made while it was watched.
            self.end = size.map(|size| (at + 4 + length) as u64 + size);
        }
        self.is = Is::Done;
        true
    }

    fn given_up(&mut self) -> bool {
        if self.head.len() >= BEGIN {
            self.is = Is::Done;
        }
        self.is == Is::Done
    }
}

fn be(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |n, o| n << 8 | u64::from(*o))
}

/// A variable-size integer: its length, and its value unless it is the unknown one (RFC 8794, 4).
fn vint(octets: &[u8]) -> Option<(usize, Option<u64>)> {
    let length = octets.first()?.leading_zeros() as usize + 1;
    let whole = be(octets.get(..length).filter(|_| length <= 8)?);
    let value = whole & !(1 << (7 * length));
    Some((length, (value != (1 << (7 * length)) - 1).then_some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mp4_box(kind: &[u8; 4], payload: usize) -> Vec<u8> {
        let mut octets = ((payload + 8) as u32).to_be_bytes().to_vec();
        octets.extend_from_slice(kind);
        octets.resize(payload + 8, 7);
        octets
    }

    fn mp4() -> Vec<u8> {
        [mp4_box(b"ftyp", 24), mp4_box(b"moov", 4000), mp4_box(b"mdat", 90_000)].concat()
    }

    fn webm(size: &[u8]) -> Vec<u8> {
        let header = [&EBML[..], &[0x9f], &[1; 0x1f]].concat();
        [header, SEGMENT.to_vec(), size.to_vec(), vec![3; 5000]].concat()
    }

    fn len(octets: &[u8], piece: usize) -> Option<u64> {
        let mut container = Container::default();
        octets.chunks(piece).for_each(|piece| container.feed(piece));
        container.octets()
    }

    #[test]
    fn a_file_says_how_long_it_is_also_when_it_was_cut() {
        let whole = mp4();
        for piece in [1, 7, 1000, 1 << 20] {
            assert_eq!(len(&whole, piece), Some(whole.len() as u64), "{piece}");
            assert_eq!(len(&whole[..9000], piece), Some(whole.len() as u64), "cut, {piece}");
            let file = webm(&[0x01, 0, 0, 0, 0, 0, 0x13, 0x88]);
            assert_eq!(len(&file, piece), Some(file.len() as u64), "{piece}");
            assert_eq!(len(&file[..200], piece), Some(file.len() as u64), "cut, {piece}");
        }
        let large = [&1_u32.to_be_bytes()[..], b"mdat", &1_000_000_u64.to_be_bytes(), &[0; 50]].concat();
        assert_eq!(len(&[mp4_box(b"ftyp", 8), large].concat(), 3), Some(16 + 1_000_000));
    }

    #[test]
    fn what_does_not_say_is_not_guessed() {
        assert_eq!(len(&webm(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 100), None);
        assert_eq!(len(&webm(&[0xff]), 100), None);
        assert_eq!(len(b"<!doctype html><title>Sign in</title>", 100), None);
        assert_eq!(len(&[0; 5000], 100), None);
        let open = [mp4_box(b"ftyp", 8), [&0_u32.to_be_bytes()[..], b"mdat", &[0; 50]].concat()].concat();
        assert_eq!(len(&open, 100), Some(16), "an mdat to the end of the file, wherever that is");
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces_are_read_alike(octets in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..90, mp4: bool) {
            let octets = if mp4 { [mp4_box(b"ftyp", 4), octets].concat() } else { octets };
            prop_assert_eq!(len(&octets, piece), len(&octets, 400));
        }
    }
}
