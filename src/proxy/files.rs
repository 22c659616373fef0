//! A small server for files: those of a folder that stands for a host, and full copies of what a server gave. Ranges are
//! served; the faults come after it, as after any server.

use super::answer::{self, reason};
use super::kind;
use super::wire::{self, Buf, In, Out};
use crate::fault::Answer;
use crate::fault::head::{Body, Head};
use crate::fault::{ContentRange, Range};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::DuplexStream;
use tokio::task::spawn_blocking;

/// What is served.
#[derive(Clone)]
pub(super) enum Served {
    /// The files below a folder.
    Folder(PathBuf),
    /// One file, whatever path is asked for.
    Copy(Arc<Full>),
}

/// A whole file at hand.
pub(super) struct Full {
    /// It has no name any more: it goes with the process, however that ends.
    pub file: Arc<std::fs::File>,
    pub length: u64,
    /// The fields that are its own: type, validators, who may use it.
    pub fields: Vec<(String, String)>,
}

/// A file found for a request.
struct Found {
    file: Arc<std::fs::File>,
    length: u64,
    fields: Vec<(String, String)>,
}

/// Serves one connection.
pub(super) async fn serve(stream: DuplexStream, served: Served) {
    let (mut input, mut output) = wire::pipe(stream);
    let mut buf = Buf::new(64 * 1024);
    while let Some(head) = read_head(&mut buf, &mut input).await {
        // Requests that carry something are none for files.
        let carries = head.request_body() != Ok(Body::Empty);
        if respond(&head, &served, carries, &mut output).await.is_err() || carries {
            return;
        }
    }
}

async fn read_head(buf: &mut Buf, input: &mut In) -> Option<Head> {
    loop {
        match Head::request(buf.data()) {
            Ok(Some((head, n))) => {
                buf.eat(n);
                return Some(head);
            }
            Ok(None) if buf.full() => buf.grow(crate::fault::head::LONGEST * 2),
            Ok(None) => {}
            Err(_) => return None,
        }
        if buf.fill(input).await.ok()? == 0 {
            return None;
        }
    }
}

async fn respond(request: &Head, served: &Served, close: bool, out: &mut Out) -> std::io::Result<()> {
    let line = request.request_line().map(|l| (l.method.to_owned(), l.target.to_owned()));
    let (method, target) = line.unwrap_or_default();
    let mut bytes = Vec::new();
    if close || !matches!(method.as_str(), "GET" | "HEAD") {
        answer::write(&answer::sentence(405, "only files are here"), &method, true, &mut bytes);
        return out.send(&bytes).await;
    }
    let found = match served {
        Served::Folder(folder) => find(folder, &target).await,
        Served::Copy(full) => Some(Found { file: full.file.clone(), length: full.length, fields: full.fields.clone() }),
    };
    let Some(found) = found else {
        answer::write(&answer::sentence(404, "no such file in the folder"), &method, false, &mut bytes);
        return out.send(&bytes).await;
    };
    let etag = found.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case("etag")).map(|(_, v)| v.as_str());
    if let (Some(etag), Some(known)) = (etag, request.get("if-none-match"))
        && known.split(',').any(|k| k.trim() == etag || k.trim() == "*")
    {
        let fields = found.fields;
        answer::write(&Answer { status: 304, fields, body: Vec::new() }, &method, false, &mut bytes);
        return out.send(&bytes).await;
    }
    let same = request.get("if-range").is_none_or(|known| Some(known) == etag);
    let range = request.get("range").filter(|_| same).and_then(Range::read);
    let (first, count, status) = match range.map(|r| part(r, found.length)) {
        None => (0, found.length, 200),
        Some(Some((first, last))) => (first, last - first + 1, 206),
        Some(None) => {
            let fields = vec![("Content-Range".to_owned(), format!("bytes */{}", found.length))];
            answer::write(&Answer { status: 416, fields, body: Vec::new() }, &method, false, &mut bytes);
            return out.send(&bytes).await;
        }
    };
    let mut head = Head::new(&format!("HTTP/1.1 {status} {}", reason(status)), &[("Accept-Ranges", "bytes")]);
    head.add("Date", &answer::date());
    found.fields.iter().for_each(|(name, value)| head.add(name, value));
    head.add("Content-Length", &count.to_string());
    if status == 206 {
        let range = ContentRange { first, last: first + count - 1, total: Some(found.length) };
        head.add("Content-Range", &range.to_string());
    }
    head.write(&mut bytes);
    out.send(&bytes).await?;
    if method == "GET" {
        copy(&found.file, first, count, out).await?;
    }
    Ok(())
}

/// Sends so many octets of a file, each read from its place: several may read one file at once, and it has one cursor.
async fn copy(file: &Arc<std::fs::File>, first: u64, count: u64, out: &mut Out) -> std::io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    let (mut at, end) = (first, first + count);
    while at < end {
        let most = (end - at).min(piece.len() as u64) as usize;
        let file = file.clone();
        let (read, filled) = spawn_blocking(move || {
            let read = file.read_at(&mut piece[..most], at);
            (read, piece)
        })
        .await?;
        piece = filled;
        match read? {
            // It became shorter meanwhile.
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                out.send(&piece[..n]).await?;
                at += n as u64;
            }
        }
    }
    Ok(())
}

/// First and last octet of a range, if it is in a file of this length.
fn part(range: Range, length: u64) -> Option<(u64, u64)> {
    let last = length.checked_sub(1)?;
    match range {
        Range::From(first, to) => {
            (first <= last && to.is_none_or(|to| to >= first)).then(|| (first, to.map_or(last, |to| to.min(last))))
        }
        Range::Last(0) => None,
        Range::Last(n) => Some((length.saturating_sub(n), last)),
    }
}

/// The file of a path below a folder, and nothing outside of it.
async fn find(folder: &Path, target: &str) -> Option<Found> {
    let path = target.split(['?', '#']).next()?;
    let mut full = folder.to_path_buf();
    for name in path.split('/').filter(|n| !n.is_empty()) {
        let name = percent(name)?;
        if name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
            return None;
        }
        full.push(name);
    }
    if tokio::fs::metadata(&full).await.ok()?.is_dir() {
        full.push("index.html");
    }
    // A link may lead anywhere.
    let (root, real) = (tokio::fs::canonicalize(folder).await.ok()?, tokio::fs::canonicalize(&full).await.ok()?);
    if !real.starts_with(&root) {
        return None;
    }
    let file = File::open(&real).await.ok()?;
    let known = file.metadata().await.ok().filter(|m| m.is_file())?;
    let changed = known.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let fields = vec![
        ("Content-Type".to_owned(), kind::type_of(&full).to_owned()),
        ("ETag".to_owned(), format!("\"{:x}-{:x}\"", changed.as_nanos(), known.len())),
        // Whoever serves files for pages of other origins says so, and this stands for such a one.
        ("Access-Control-Allow-Origin".to_owned(), "*".to_owned()),
        ("Timing-Allow-Origin".to_owned(), "*".to_owned()),
    ];
    Some(Found { length: known.len(), file: Arc::new(file.into_std().await), fields })
}

/// Undoes percent-encoding; `None` where it is broken or no text.
fn percent(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |b: u8| (b as char).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        let of = |text| part(Range::read(text).expect("a range"), 10);
        assert_eq!(of("bytes=0-"), Some((0, 9)));
        assert_eq!(of("bytes=2-4"), Some((2, 4)));
        assert_eq!(of("bytes=2-400"), Some((2, 9)));
        assert_eq!(of("bytes=-3"), Some((7, 9)));
        assert_eq!(of("bytes=-30"), Some((0, 9)));
        for outside in ["bytes=10-", "bytes=4-2", "bytes=-0"] {
            assert_eq!(of(outside), None, "{outside}");
        }
        assert_eq!(part(Range::From(0, None), 0), None);
    }

    #[tokio::test]
    async fn nothing_outside_of_the_folder_is_found() {
        let around = tempfile::tempdir().expect("a folder");
        let folder = around.path().join("inside");
        std::fs::create_dir_all(folder.join("deep")).expect("makes");
        std::fs::write(around.path().join("secret"), "secret").expect("writes");
        std::fs::write(folder.join("a b.mp4"), "video").expect("writes");
        std::fs::write(folder.join("deep/index.html"), "page").expect("writes");
        std::os::unix::fs::symlink(around.path().join("secret"), folder.join("link")).expect("links");
        for path in ["/a%20b.mp4", "/a%20b.mp4?x=../y", "//deep/", "/deep"] {
            assert!(find(&folder, path).await.is_some(), "{path}");
        }
        for path in [
            "/../secret",
            "/deep/../../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/deep%2f..%2f..%2fsecret",
            "/link",
            "/",
            "/none",
            "/%00",
            "/%zz",
            "/%ff",
            "/..\\secret",
            "/%2e%2e%5csecret",
        ] {
            assert!(find(&folder, path).await.is_none(), "{path}");
        }
        let absolute = around.path().join("secret").display().to_string();
        assert!(
            find(&folder, &absolute).await.is_none() && find(&folder, &absolute.replace('/', "%2f")).await.is_none()
        );
    }
}
