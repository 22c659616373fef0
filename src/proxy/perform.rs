//! A response that something is to be done about: its body is taken out of its framing, changed where the steps say,
//! and framed anew.

use super::body::{Kind, Track};
use super::plan::Planned;
use super::response::{Down, Response, stays};
use super::tap::{Stop, Tap};
use crate::fault::head::{Body, Head};
use crate::fault::seed::Draw;
use crate::fault::{Action, Cut, Framing, Mangle, Point};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// The body as it leaves.
struct Leaving<'a, 'b> {
    tap: &'a mut Tap<'b>,
    framing: Framing,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// Octets sent of it, as they left.
    sent: u64,
    /// Something was put outside the framing: nothing after it can be trusted.
    broken: bool,
    /// From this octet of the server's body on nothing is left out.
    skipped: u64,
    /// What is spoilt up to which octet, and which one of the file the body begins with.
    mangles: Vec<(u64, Mangle, u64, Draw)>,
}

impl Response<'_> {
    /// Passes the response on with everything that is to be done about it.
    pub(super) async fn perform(&mut self, head: Head, body: Body) -> Down {
        let framing = match body {
            Body::Chunked => Framing::Chunked,
            Body::Close => Framing::Close,
            Body::Length(_) | Body::Empty => Framing::Length,
        };
        let mut told = head.clone();
        let mut leaving = Leaving {
            tap: &mut self.tap,
            framing,
            gzip: None,
            sent: 0,
            broken: false,
            skipped: 0,
            mangles: Vec::new(),
        };
        for step in self.plan.take(|at| at == Point::Head) {
            if let Err(stop) = leaving.before_head(step, &mut told).await {
                return stop.into();
            }
        }
        self.lead.clear();
        told.write(self.lead);
        leaving.tap.told.answered(told.clone());
        if let Err(stop) = leaving.tap.send(self.lead, false, false).await {
            return stop.into();
        }
        // Those at the first octet come after the head, whether there is a body or not.
        for step in self.plan.take(|at| at == Point::Body(0)) {
            if let Err(stop) = leaving.within(step, 0, body != Body::Empty).await {
                return stop.into();
            }
        }
        if told.status().is_some_and(|(status, _)| status == 101) {
            return Down::Upgrade;
        }
        let mut track = Track::new(body);
        let mut trailers = Vec::new();
        let mut offset = 0;
        let read = loop {
            // A step may come before the octet that it is before has come.
            if track.left().is_some_and(|left| left > 0)
                && let Err(stop) = leaving.due(self.plan.take(is_due(offset)), offset).await
            {
                return stop.into();
            }
            if track.done() || leaving.nothing_more(self.plan.next_octet(), &track) {
                break track.done();
            }
            let data = self.buf.data();
            let Some(first) = data.first() else {
                match self.buf.fill(self.input).await {
                    Ok(1..) => continue,
                    Ok(0) if track.until_close() => break true,
                    Ok(0) => return leaving.flush().await.map_or_else(Down::from, |()| Down::Short),
                    Err(_) => return Down::Reset,
                }
            };
            if track.is_payload(*first)
                && let Err(stop) = leaving.due(self.plan.take(is_due(offset)), offset).await
            {
                return stop.into();
            }
            let most = self.plan.next_octet().map_or(u64::MAX, |next| next.saturating_sub(offset).max(1));
            let data = &data[..most.min(data.len() as u64) as usize];
            let Ok((n, kind)) = track.step(data) else { return self.raw("chunks that are malformed").await };
            match kind {
                Kind::Payload => {
                    leaving.tap.told.received += n as u64;
                    if let Err(stop) = leaving.payload(&data[..n], offset).await {
                        return stop.into();
                    }
                    offset += n as u64;
                }
                Kind::Trailer => trailers.extend_from_slice(&data[..n]),
                Kind::Framing => {}
            }
            self.buf.eat(n);
        };
        for step in self.plan.take(|at| at == Point::End) {
            if let Err(stop) = leaving.within(step, offset, body != Body::Empty).await {
                return stop.into();
            }
        }
        if let Err(stop) = leaving.end(&trailers, body != Body::Empty).await {
            return stop.into();
        }
        let consistent = leaving.consistent(&told);
        let (close, left) = (track.until_close() || !stays(&head), !read || !self.buf.data().is_empty());
        match consistent {
            Consistent::No => Down::Cut(Cut::Fin),
            Consistent::ToTheEnd => Down::Close,
            Consistent::Yes if !self.keep || !stays(&told) || close => Down::Close,
            Consistent::Yes if left => Down::Left,
            Consistent::Yes => Down::Keep,
        }
    }
}

/// Whether a step is at this octet of the body, or was before.
fn is_due(offset: u64) -> impl Fn(Point) -> bool {
    move |at| matches!(at, Point::Body(n) if n <= offset)
}

/// Whether what was sent is what the head promised.
enum Consistent {
    Yes,
    /// If the connection ends now.
    ToTheEnd,
    No,
}

impl Leaving<'_, '_> {
    async fn before_head(&mut self, step: Planned, head: &mut Head) -> Result<(), Stop> {
        self.tap.told.applied(&step);
        match step.action {
            Action::Edit(edit) | Action::Prepare(edit) => head.edit(&edit),
            Action::Frame(framing) => self.framing = framing,
            Action::Gzip => self.gzip = Some(GzEncoder::new(Vec::new(), Compression::fast())),
            action => self.any(action, step.by.draw).await?,
        }
        Ok(())
    }

    /// What can be done at every point.
    async fn any(&mut self, action: Action, draw: Draw) -> Result<(), Stop> {
        match action {
            Action::Wait(time) => self.tap.wait(time).await,
            Action::Pace { bytes, variation, every } => self.tap.pace(bytes, variation, every, draw),
            Action::Raw(raw) => {
                self.broken = true;
                if self.framing == Framing::Chunked && !is_chunk_line(&raw) {
                    self.tap.told.unframed = Some("a chunk size that is no hexadecimal number");
                }
                self.tap.put(&raw).await?;
            }
            Action::Cut(cut) => return Err(Stop::Cut(cut)),
            _ => {}
        }
        Ok(())
    }

    async fn due(&mut self, steps: Vec<Planned>, offset: u64) -> Result<(), Stop> {
        for step in steps {
            self.within(step, offset, true).await?;
        }
        Ok(())
    }

    /// A step within the body, before the server's octet `offset`; or where there is none.
    async fn within(&mut self, step: Planned, offset: u64, has_body: bool) -> Result<(), Stop> {
        let changes = matches!(step.action, Action::Insert(_) | Action::Skip(_) | Action::Mangle { .. });
        if changes && !has_body {
            return Ok(());
        }
        self.flush().await?;
        self.tap.told.applied(&step);
        match step.action {
            Action::Insert(octets) => self.body(&octets).await,
            Action::Skip(n) => {
                self.skipped = self.skipped.max(offset.saturating_add(n));
                Ok(())
            }
            Action::Mangle { to, how, first } => {
                self.mangles.push((to, how, first, step.by.file));
                Ok(())
            }
            action => self.any(action, step.by.draw).await,
        }
    }

    /// Octets of the server's body, the first of which is `offset`.
    async fn payload(&mut self, octets: &[u8], offset: u64) -> Result<(), Stop> {
        let skipped = self.skipped.saturating_sub(offset).min(octets.len() as u64);
        let (octets, offset) = (&octets[skipped as usize..], offset + skipped);
        self.mangles.retain(|(to, ..)| *to > offset);
        if self.mangles.is_empty() {
            return self.body(octets).await;
        }
        let mut spoilt = octets.to_vec();
        for (to, how, first, draw) in &self.mangles {
            let n = (to - offset).min(spoilt.len() as u64) as usize;
            how.spoil(&mut spoilt[..n], first.saturating_add(offset), draw);
        }
        self.body(&spoilt).await
    }

    /// Octets of the body that leaves.
    async fn body(&mut self, octets: &[u8]) -> Result<(), Stop> {
        let Some(gzip) = &mut self.gzip else { return self.framed(octets).await };
        // Writing to memory cannot fail.
        let _ = gzip.write_all(octets);
        self.zipped().await
    }

    /// Sends what the compressor gave so far.
    async fn zipped(&mut self) -> Result<(), Stop> {
        let out = self.gzip.as_mut().map(|g| std::mem::take(g.get_mut())).unwrap_or_default();
        self.framed(&out).await
    }

    async fn framed(&mut self, octets: &[u8]) -> Result<(), Stop> {
        self.sent += octets.len() as u64;
        let chunked = matches!(self.framing, Framing::Chunked | Framing::ChunkedUnended);
        self.tap.send(octets, chunked, true).await
    }

    /// Leaves nothing behind in the compressor.
    async fn flush(&mut self) -> Result<(), Stop> {
        match &mut self.gzip {
            Some(gzip) => {
                let _ = gzip.flush();
                self.zipped().await
            }
            None => Ok(()),
        }
    }

    /// Ends the body as its framing says.
    async fn end(&mut self, trailers: &[u8], has_body: bool) -> Result<(), Stop> {
        if let Some(gzip) = self.gzip.take().filter(|_| has_body) {
            let rest = gzip.finish().unwrap_or_default();
            self.framed(&rest).await?;
        }
        if self.framing == Framing::Chunked && has_body {
            let end = [b"0\r\n", trailers, b"\r\n"].concat();
            self.tap.send(&end, false, false).await?;
        }
        Ok(())
    }

    /// Whether all that is still to come of the server's body is left out anyway.
    fn nothing_more(&self, next_step: Option<u64>, track: &Track) -> bool {
        self.skipped == u64::MAX && next_step.is_none() && !track.done()
    }

    fn consistent(&self, head: &Head) -> Consistent {
        let method = &self.tap.told.asked.method;
        match (head.response_body(method), self.framing) {
            _ if self.broken => Consistent::No,
            (Ok(Body::Empty), _) if self.sent == 0 => Consistent::Yes,
            (Ok(Body::Length(n)), Framing::Length | Framing::Close) if self.sent == n => Consistent::Yes,
            (Ok(Body::Chunked), Framing::Chunked) => Consistent::Yes,
            (Ok(Body::Close), Framing::Close | Framing::Length) => Consistent::ToTheEnd,
            _ => Consistent::No,
        }
    }
}

/// A chunk's line without extensions (RFC 9112, 7.1).
fn is_chunk_line(raw: &[u8]) -> bool {
    raw.strip_suffix(b"\r\n").is_some_and(|size| !size.is_empty() && size.iter().all(u8::is_ascii_hexdigit))
}
