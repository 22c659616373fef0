//! Full copies of what servers gave: a rule may want media to be served from one ([`crate::fault::Action::Cache`]).
//! Fetched once, by the first who asks; kept in files without a name until the proxy ends.

use super::Shared;
use super::asked::Asked;
use super::body::{Kind, Track};
use super::dial::dial;
use super::files::{Full, Served};
use super::lock;
use crate::fault::head::Head;
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

/// Copies kept, at most, and octets of one.
const KEPT: usize = 64;
const LARGEST: u64 = 1 << 30;

/// The copies of a proxy.
#[derive(Default)]
pub(super) struct Copies(Mutex<HashMap<String, Copy>>);

/// A copy by its URL, once there is one; `None`: it is known that there can be none.
type Copy = Arc<OnceCell<Option<Arc<Full>>>>;

/// No copy now, for a reason that may pass: the next who asks tries again.
struct NotNow;

impl<E: std::error::Error> From<E> for NotNow {
    fn from(_: E) -> Self {
        Self
    }
}

impl Copies {
    /// The copy for a request; made now if there is none. `None` if there can be none: too large, no room; and where the
    /// server is not there now, or does not give the file.
    pub(super) async fn get(&self, shared: &Shared, asked: &Asked) -> Option<Served> {
        let url = format!("{}://{}{}", asked.to.scheme(), asked.to.name, asked.target);
        let cell = {
            let mut copies = lock(&self.0);
            if copies.len() >= KEPT && !copies.contains_key(&url) {
                return None;
            }
            copies.entry(url).or_default().clone()
        };
        let made = async || fetch(shared, asked).await.map(|full| full.map(Arc::new));
        let copy = cell.get_or_try_init(made).await.ok()?;
        copy.clone().map(Served::Copy)
    }
}

/// Fetches the whole file; `None` if it is too large.
async fn fetch(shared: &Shared, asked: &Asked) -> Result<Option<Full>, NotNow> {
    let mut server = dial(shared, &asked.to).await.map_err(|_| NotNow)?;
    let mut head = asked.head.clone();
    for name in ["range", "if-range", "if-none-match", "if-modified-since", "accept-encoding"] {
        head.remove(name);
    }
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    server.output.send(&bytes).await?;
    let head = loop {
        match Head::response(server.buf.data()).map_err(|_| NotNow)? {
            Some((head, n)) => {
                server.buf.eat(n);
                // Not what goes before it.
                if head.status().is_none_or(|(status, _)| status >= 200) {
                    break head;
                }
            }
            None if server.buf.full() => return Err(NotNow),
            None if server.buf.fill(&mut server.input).await? == 0 => return Err(NotNow),
            None => {}
        }
    };
    if !matches!(head.status(), Some((200, _))) {
        return Err(NotNow);
    }
    let mut file = tokio::fs::File::from_std(nameless()?);
    let (mut track, mut length) = (Track::new(head.response_body("GET").map_err(|_| NotNow)?), 0);
    while !track.done() {
        if server.buf.data().is_empty() {
            match server.buf.fill(&mut server.input).await? {
                0 if track.until_close() => break,
                0 => return Err(NotNow),
                _ => {}
            }
        }
        let (n, kind) = track.step(server.buf.data()).map_err(|_| NotNow)?;
        if kind == Kind::Payload {
            length += n as u64;
            file.write_all(&server.buf.data()[..n]).await?;
        }
        server.buf.eat(n);
        if length > LARGEST {
            return Ok(None);
        }
    }
    file.flush().await?;
    Ok(Some(Full { file: Arc::new(file.into_std().await), length, fields: own_fields(&head) }))
}

/// The fields that are the file's, and not this response's.
fn own_fields(head: &Head) -> Vec<(String, String)> {
    const OTHERS: [&str; 9] = [
        "content-length",
        "transfer-encoding",
        "connection",
        "date",
        "accept-ranges",
        "content-range",
        "trailer",
        "upgrade",
        "set-cookie",
    ];
    let fields = head.fields().map(|(name, value)| (name.into_owned(), value.into_owned()));
    fields.filter(|(name, _)| !OTHERS.iter().any(|o| name.eq_ignore_ascii_case(o))).collect()
}

/// A file that nothing on the disk shows, so that nothing is left behind however the process ends.
fn nameless() -> io::Result<std::fs::File> {
    let folder = std::env::temp_dir();
    let nameless = rustix::fs::OFlags::TMPFILE.bits() as i32;
    let opened = std::fs::File::options().read(true).write(true).mode(0o600).custom_flags(nameless).open(&folder);
    opened.or_else(|_| {
        // A file system that knows no such files.
        let path = folder.join(format!("soundcheck-{}", crate::event::random_hex::<8>()));
        let file = std::fs::File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    })
}
