//! Requests that an app file gives a meaning.

use crate::fault::rule::{METHODS, glob};
use crate::table::did_you_mean;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A viewer signs in.
    Login,
    /// A session is prolonged.
    Refresh,
    /// A viewer joins a room.
    Join,
    /// The library is browsed or searched.
    Library,
    /// Its answer tells whether this viewer may.
    Guarded,
}

/// A request by method and path.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What it is.
    pub what: What,
    /// In capitals; `None`: any that can mean it.
    method: Option<String>,
    /// `*` stands for any run of characters.
    path: String,
}

impl Asked {
    /// One from its text: `/api/login`, or `PUT /api/login`.
    pub fn new(what: What, text: &str) -> Result<Self, String> {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method.to_owned()), path.trim()),
            None => (None, text),
        };
        let odd = |m: &String| m.is_empty() || !m.bytes().all(|b| b.is_ascii_uppercase());
        if method.as_ref().is_some_and(odd) || !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(format!("`{text}` is no request"));
        }
        if let Some(method) = method.as_deref().filter(|method| !METHODS.contains(method)) {
            return Err(format!("`{method}` is no HTTP method: {}", did_you_mean(method, METHODS)));
        }
        Ok(Self { what, method, path: path.to_owned() })
    }

    /// Whether a request with this method and path below the app's base is one.
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        let by = match (&self.method, self.what) {
            (Some(own), _) => own == method,
            // Loading the page with the form is no login, and a preflight is nothing.
            (None, What::Login | What::Refresh | What::Join) => !matches!(method, "GET" | "HEAD" | "OPTIONS"),
            (None, What::Library | What::Guarded) => !matches!(method, "HEAD" | "OPTIONS"),
        };
        by && self.is_at(path)
    }

    /// Whether its path is this, by whatever method.
    pub(super) fn is_at(&self, path: &str) -> bool {
        glob(&self.path, path)
    }

    /// What stands for the first `*` of its path.
    pub(super) fn named(&self, path: &str) -> Option<String> {
        let (before, after) = self.path.split_once('*')?;
        let rest = path.strip_prefix(before)?;
        let end = match after.chars().next() {
            Some('*') | None => rest.len(),
            Some(next) => rest.find(next)?,
        };
        Some(rest[..end].to_owned()).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_method_and_path() {
        let asked = |what, text: &str| Asked::new(what, text).expect("a request");
        let join = asked(What::Join, "/api/rooms/*/join");
        assert!(join.is("POST", "/api/rooms/a/join") && !join.is("GET", "/api/rooms/a/join"));
        assert!(!join.is("POST", "/api/rooms/a/leave"));
        assert_eq!(join.named("/api/rooms/a/join").as_deref(), Some("a"));
        assert_eq!(asked(What::Join, "/rooms/*").named("/rooms/b").as_deref(), Some("b"));
        assert_eq!(asked(What::Join, "/join").named("/join"), None);
        assert!(asked(What::Join, "GET /join/*").is("GET", "/join/a"));
        assert!(asked(What::Library, "/library").is("GET", "/library"));
        assert!(!asked(What::Library, "/library").is("OPTIONS", "/library"));
        for odd in ["api", "post /api", "POST", "/a b", "/a?b=1", " /a", "PSOT /a"] {
            assert!(Asked::new(What::Login, odd).is_err(), "{odd}");
        }
    }
}
