//! A request, and whose it is.

use super::authority::Authority;
use crate::fault::head::Head;
use crate::fault::rule::Scope;
use crate::fault::{Range, Request, Resource};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// A request, kept for as long as its exchange goes on.
pub(super) struct Asked {
    pub method: Cow<'static, str>,
    pub to: Arc<Authority>,
    /// Path and query.
    pub target: String,
    /// How much of the target is the path.
    pub path: usize,
    pub resource: Resource,
    pub range: Option<Range>,
    pub head: Head,
    /// Of HTTP/1.x.
    pub minor: u8,
}

impl Asked {
    /// The path without the query.
    pub(super) fn path(&self) -> &str {
        &self.target[..self.path]
    }

    /// The URL without the query.
    pub(super) fn bare_url(&self) -> String {
        format!("{}://{}{}", self.to.scheme(), self.to.name, self.path())
    }

    /// As faults see it; `nth` is its number.
    pub(super) fn request(&self, nth: u64) -> Request<'_> {
        Request {
            method: &self.method,
            host: &self.to.name,
            path: self.path(),
            target: &self.target,
            resource: self.resource,
            range: self.range,
            nth,
            head: &self.head,
        }
    }
}

/// Whose request, or connection, it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose {
    pub connection: u64,
    pub client: IpAddr,
}

impl Whose {
    /// A key of a count, within a scope.
    pub(super) fn key(self, scope: Scope, rest: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        match scope {
            Scope::Connection => (1, self.connection).hash(&mut hasher),
            Scope::Client => (2, self.client).hash(&mut hasher),
            Scope::Link => 3.hash(&mut hasher),
        }
        rest.hash(&mut hasher);
        hasher.finish()
    }
}
