//! Whom a request means, and the head that is sent on.

use super::asked::Asked;
use super::authority::{self, Authority};
use super::kind;
use crate::fault::Range;
use crate::fault::head::{Bad, Body, Head, bare};
use std::borrow::Cow;
use std::sync::Arc;

/// The host that only the canary asks for. No name ends in `.invalid` (RFC 2606).
pub(super) const CANARY_HOST: &str = "soundcheck.invalid";
const CANARY_PATH: &str = "/.soundcheck/canary/";
/// A canary's token is no longer than this, octets.
const LONGEST_TOKEN: usize = 200;

/// A request that is not passed on: status and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub u16, pub String);

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::TooLarge => Self(431, "the request's head is too long".to_owned()),
            Bad::Malformed(why) => Self(400, format!("the request is malformed: {why}")),
        }
    }
}

fn bad(why: &str) -> Refusal {
    Refusal(400, why.to_owned())
}

/// The one server of a connection, if it has one.
#[derive(Clone, Copy)]
pub(super) enum Only<'a> {
    /// Each request names its own.
    No,
    /// A reverse proxy's, whatever requests say.
    Reverse(&'a Arc<Authority>),
    /// That of a tunnel.
    Tunnel(&'a Arc<Authority>),
}

/// Reads a request's head: whom it means, in origin form and without what is meant for the proxy alone; and how its
/// body ends. What two readers could take differently is refused.
pub(super) fn read(mut head: Head, only: Only, last: &mut Option<Arc<Authority>>) -> Result<(Asked, Body), Refusal> {
    let line = head.request_line().ok_or_else(|| bad("the request line is malformed"))?;
    let (method, target, minor) = (known(line.method), line.target.to_owned(), line.minor);
    if head.count("host") > 1 {
        return Err(bad("more than one Host"));
    }
    if method == "CONNECT" {
        return connect(head, &target, minor, only);
    }
    let body = head.request_body()?;
    if head.count("content-length") > 1 || head.get("content-length").is_some_and(|v| v.contains(',')) {
        return Err(bad("more than one Content-Length"));
    }
    if body == Body::Chunked && minor == 0 {
        return Err(bad("HTTP/1.0 knows no chunks"));
    }
    let is_absolute = !target.starts_with('/');
    let (to, target) = locate(&head, target, only, last)?;
    strip(&mut head).map_err(bad)?;
    if is_absolute {
        head.set_start(format!("{method} {target} HTTP/1.{minor}").as_bytes());
    }
    let path = target.find('?').unwrap_or(target.len());
    let resource = kind::resource(&method, &target[..path], &head);
    let range = head.get("range").and_then(Range::read);
    Ok((Asked { method, to, target, path, resource, range, head, minor }, body))
}

/// A method; those that are mostly used take no memory.
fn known(method: &str) -> Cow<'static, str> {
    ["GET", "HEAD", "POST", "OPTIONS"].into_iter().find(|m| *m == method).map_or(method.to_owned().into(), Cow::from)
}

/// Who is meant, and path and query.
fn locate(
    head: &Head,
    target: String,
    only: Only,
    last: &mut Option<Arc<Authority>>,
) -> Result<(Arc<Authority>, String), Refusal> {
    let absolute = target.get(..7).is_some_and(|s| s.eq_ignore_ascii_case("http://")).then(|| {
        let rest = &target[7..];
        rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
    });
    let Some((named, rest)) = absolute else {
        let origin = target.starts_with('/') || target == "*";
        return match only {
            Only::Reverse(to) | Only::Tunnel(to) if origin => Ok((to.clone(), target)),
            Only::No if canary_path(&target).is_some() => Ok((Arc::new(nowhere()), target)),
            Only::No if origin => Err(bad("this is a forward proxy: it wants a whole URL")),
            _ => Err(bad("a target that is neither a path nor an http URL; https goes by CONNECT")),
        };
    };
    let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let to = Authority::read(named).map_err(bad)?;
    match only {
        Only::Reverse(only) => return Ok((only.clone(), path)),
        Only::Tunnel(only) if (&to.host, to.port) != (&only.host, only.port) => {
            return Err(bad("a URL of another host than the tunnel's"));
        }
        Only::Tunnel(only) => return Ok((only.clone(), path)),
        Only::No => {}
    }
    if let Some(host) = head.get("host") {
        let same = Authority::read(host);
        if same.map_err(bad)? != to {
            return Err(bad("Host and the URL's host differ"));
        }
    } else if head.request_line().is_some_and(|l| l.minor > 0) {
        return Err(bad("no Host"));
    }
    // Mostly the same one over and over.
    let to = match last {
        Some(known) if **known == to => known.clone(),
        _ => last.insert(Arc::new(to)).clone(),
    };
    Ok((to, path))
}

fn connect(head: Head, target: &str, minor: u8, only: Only) -> Result<(Asked, Body), Refusal> {
    if !matches!(only, Only::No) {
        return Err(bad("CONNECT where there is one server only"));
    }
    if !matches!(head.request_body()?, Body::Empty) {
        return Err(bad("CONNECT with a body"));
    }
    let port = authority::split(target).map_err(bad)?.1;
    port.ok_or_else(|| bad("CONNECT without a port"))?;
    // What is spoken in the tunnel will show.
    let to = Arc::new(Authority::read(target).map_err(bad)?);
    let asked = Asked {
        method: "CONNECT".into(),
        to,
        target: String::new(),
        path: 0,
        resource: crate::fault::Resource::Api,
        range: None,
        head,
        minor,
    };
    Ok((asked, Body::Empty))
}

/// Takes out what is meant for the next hop alone, but leaves `Connection` itself: the two connections go together.
pub(super) fn strip(head: &mut Head) -> Result<(), &'static str> {
    const KEPT: [&str; 3] = ["close", "keep-alive", "upgrade"];
    // Without these, or with others, the next reader would see another message.
    const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "host", "connection", "content-range"];
    let tokens = |head: &Head| -> Vec<String> {
        let of = |value: std::borrow::Cow<str>| value.split(',').map(|t| bare(t).to_owned()).collect::<Vec<_>>();
        head.all("connection").flat_map(of).filter(|t| !t.is_empty()).collect()
    };
    if head.get("connection").is_some_and(|v| !KEPT.iter().any(|k| v.eq_ignore_ascii_case(k)))
        || head.count("connection") > 1
    {
        let all = tokens(head);
        let is_kept = |t: &String| KEPT.iter().any(|k| t.eq_ignore_ascii_case(k));
        let (kept, named): (Vec<String>, Vec<String>) = all.into_iter().partition(is_kept);
        if named.iter().any(|n| FRAMING.iter().any(|f| n.eq_ignore_ascii_case(f))) {
            return Err("a Connection that names a field which frames the message");
        }
        if !named.is_empty() {
            named.iter().for_each(|n| head.remove(n));
            match kept.is_empty() {
                true => head.remove("connection"),
                false => head.set("Connection", &kept.join(", ")),
            }
        }
    }
    for name in ["proxy-connection", "proxy-authorization", "keep-alive"] {
        head.remove(name);
    }
    Ok(())
}

/// Whether the connection stays open after a message with this head, as far as the head tells.
pub(super) fn persists(head: &Head, minor: u8) -> bool {
    if minor == 0 { head.has_token("connection", "keep-alive") } else { !head.has_token("connection", "close") }
}

/// The token, if it is the canary that asks.
pub(super) fn canary(asked: &Asked) -> Option<&str> {
    if asked.to.host == CANARY_HOST {
        return token(asked.path().rsplit('/').next()?);
    }
    canary_path(asked.path())
}

fn canary_path(path: &str) -> Option<&str> {
    token(path.strip_prefix(CANARY_PATH)?)
}

fn token(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() <= LONGEST_TOKEN && !text.contains('/')).then_some(text)
}

fn nowhere() -> Authority {
    Authority::new(CANARY_HOST.to_owned(), authority::HTTP, false)
}
