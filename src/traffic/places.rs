//! Where an app is: its base, and the further addresses that its file names.

use url::Url;

/// An app's addresses.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `host:port` of the base, and its path without a trailing slash.
    base: Option<(String, String)>,
    /// `host:port` or `host:*`.
    hosts: Vec<String>,
}

impl Places {
    /// Those of an app at this base, with these further hosts.
    pub fn new(base: &str, hosts: &[String]) -> Self {
        let base =
            Url::parse(base).ok().and_then(|url| Some((host(&url)?, url.path().trim_end_matches('/').to_owned())));
        Self { base, hosts: hosts.to_vec() }
    }

    /// Path below the base, or on a further host of the app's; `None`: it is elsewhere.
    pub fn path(&self, url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        let at = host(&url)?;
        if let Some((base, below)) = &self.base
            && *base == at
        {
            return url.path().strip_prefix(below.as_str()).map(str::to_owned);
        }
        let name = at.rsplit_once(':').map_or(at.as_str(), |(name, _)| name);
        let named = |own: &String| *own == at || own.strip_suffix(":*") == Some(name);
        self.hosts.iter().any(named).then(|| url.path().to_owned())
    }

    /// What a socket there is called: its path, or its whole address where that is not the app's. Never its query, which
    /// may hold a token.
    pub(super) fn name(&self, url: &str) -> String {
        self.path(url).unwrap_or_else(|| url.split(['?', '#']).next().unwrap_or_default().to_owned())
    }

    /// A regular expression for the URLs of sockets at such a path, as JavaScript writes it.
    pub fn sockets(&self, path: &str) -> String {
        let below = self.base.as_ref().map_or("", |(_, below)| below.as_str());
        let parts: Vec<String> = path.split('*').map(escape).collect();
        format!("^wss?://[^/]+(?:{})?{}(?:[?#]|$)", escape(below), parts.join("[^?#]*"))
    }
}

fn host(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() && c != '/' && c != '_' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_base_or_on_a_further_host() {
        let places = Places::new("https://app.example/kes", &["api.example:443".to_owned(), "127.0.0.1:*".to_owned()]);
        for (url, path) in [
            ("https://app.example/kes/api/login?x=1", Some("/api/login")),
            ("wss://app.example/kes/ws?token=1", Some("/ws")),
            ("https://app.example/other", None),
            ("https://api.example/login", Some("/login")),
            ("http://127.0.0.1:9/a", Some("/a")),
            ("https://elsewhere.example/api/login", None),
            ("http://app.example/kes/api/login", None),
            ("data:text/plain,x", None),
        ] {
            assert_eq!(places.path(url).as_deref(), path, "{url}");
        }
        assert_eq!(places.name("wss://app.example/kes/ws?token=1"), "/ws");
        assert_eq!(places.name("wss://other.example/live?token=1"), "wss://other.example/live");
        assert_eq!(places.sockets("/ws.io/*"), r"^wss?://[^/]+(?:/kes)?/ws\.io/[^?#]*(?:[?#]|$)");
    }
}
