//! A WebSocket's frames from the server (RFC 6455, 5.2), as far as is needed to tell its messages apart.

/// Follows frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The present frame's head, as far as it came.
    head: Vec<u8>,
    /// Octets of its payload still to come.
    left: u64,
    /// Whether a message goes on after the present frame.
    open: bool,
    /// Whether the present frame is part of a message, and not one for the connection.
    data: bool,
    /// Messages begun.
    messages: u64,
}

/// What the next octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The head of a frame is not whole yet: so many octets of it.
    More(usize),
    /// So many octets; the message's number, if they are of one, and whether they begin it.
    Octets(usize, Option<u64>, bool),
}

impl Frames {
    /// Looks at octets, at least one.
    pub(super) fn next(&mut self, octets: &[u8]) -> Next {
        let number = self.data.then(|| self.messages.saturating_sub(1));
        if self.left > 0 {
            let n = self.left.min(octets.len() as u64);
            self.left -= n;
            return Next::Octets(n as usize, number, false);
        }
        for (at, octet) in octets.iter().enumerate() {
            self.head.push(*octet);
            let Some(length) = payload(&self.head) else { continue };
            let (first, mut begins) = (self.head[0], false);
            self.data = first & 0x08 == 0;
            if self.data {
                // A continuation without a beginning counts as one.
                begins = !self.open;
                self.messages += u64::from(begins);
                self.open = first & 0x80 == 0;
            }
            self.left = length;
            return Next::Octets(at + 1, self.data.then(|| self.messages - 1), begins);
        }
        Next::More(octets.len())
    }

    /// Takes the head of the frame that [`Frames::next`] found last: it may have come in pieces.
    pub(super) fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }
}

/// The payload's length, once the frame's head is whole.
fn payload(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    if head.len() < 2 + extended + mask {
        return None;
    }
    let number = head[2..2 + extended].iter().fold(0, |n, b| n << 8 | u64::from(*b));
    Some(if extended == 0 { u64::from(second & 0x7f) } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of the messages begun, and the payload of each, however the octets are cut.
    fn messages(octets: &[u8], cut: usize) -> Vec<(Option<u64>, Vec<u8>)> {
        let mut frames = Frames::default();
        let mut out: Vec<(Option<u64>, Vec<u8>)> = Vec::new();
        for mut piece in octets.chunks(cut) {
            while !piece.is_empty() {
                let n = match frames.next(piece) {
                    Next::More(n) => n,
                    Next::Octets(n, number, begins) => {
                        let head = frames.take_head();
                        if !head.is_empty() {
                            assert!(!begins || out.iter().all(|(m, _)| *m != number));
                            if begins || number.is_none() {
                                out.push((number, Vec::new()));
                            }
                        } else if let Some((_, octets)) = out.iter_mut().rfind(|(m, _)| *m == number) {
                            octets.extend_from_slice(&piece[..n]);
                        }
                        n
                    }
                };
                piece = &piece[n..];
            }
        }
        out
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let mut octets = b"\x81\x02hi\x02\x01a\x89\x01p\x80\x01b\x82\x7e\x01\x00".to_vec();
        octets.extend([7; 256]);
        octets.extend(b"\x82\x7f\0\0\0\0\0\0\0\x02ok\x81\x00");
        let wanted = vec![
            (Some(0), b"hi".to_vec()),
            (Some(1), b"ab".to_vec()),
            (None, b"p".to_vec()),
            (Some(2), vec![7; 256]),
            (Some(3), b"ok".to_vec()),
            (Some(4), Vec::new()),
        ];
        for cut in 1..20 {
            assert_eq!(messages(&octets, cut), wanted, "by {cut}");
        }
    }
}
