//! Addresses on the command line of `soundcheck proxy`: where it listens, and whom it may reach. What is short of one is
//! said in full, with what was given.

use soundcheck::error::{Error, Result};
use soundcheck::proxy::{Reach, Route};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `127.0.0.1:8080`. What is short of that is said in full, with what it has of host and port.
pub fn address(flag: &str, text: &str, port: u16) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (ip, said) = match (bare.parse(), bare.rsplit_once(':')) {
            (Ok(ip), _) => (ip, ""),
            (_, Some((host, said))) => (host.parse().unwrap_or(loopback), said),
            (_, None) => (loopback, bare),
        };
        let meant = SocketAddr::new(ip, said.parse().unwrap_or(port));
        format!("an IP address and a port are wanted: {flag} {meant}")
    })
}

/// To whom, and whom it may reach: what it was given, and nothing else.
pub fn targets(to: Option<&str>, allow: &[String]) -> Result<(Route, Reach)> {
    let Some(to) = to else {
        if allow.is_empty() {
            return Err(Error::author("no target is given, and a proxy to everywhere is not to be had")
                .remedy("--to http://127.0.0.1:3000 (a reverse proxy), or --allow HOST:PORT for each target"));
        }
        let named = allow.iter().map(|text| target(text)).collect::<Result<_>>()?;
        return Ok((Route::Forward, Reach { named, public: false }));
    };
    let wrong = |why: &str| Error::author(format!("--to {to}: {why}")).remedy(server_meant(to));
    if !to.contains("://") {
        return Err(wrong("http:// is missing"));
    }
    let url = url::Url::parse(to).map_err(|e| wrong(&format!("no URL: {e}")))?;
    if url.scheme() != "http" {
        return Err(wrong("only plain http is passed on to"));
    }
    let userinfo = !url.username().is_empty() || url.password().is_some();
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || userinfo {
        return Err(wrong("a server, without a path: paths are passed on as they come"));
    }
    let host = url.host_str().ok_or_else(|| wrong("it has no host"))?;
    let named = vec![format!("{host}:{}", url.port_or_known_default().unwrap_or(80))];
    Ok((Route::Reverse(url), Reach { named, public: false }))
}

/// The `--to` that was meant; for HTTPS a tunnel, where it can be one.
fn server_meant(to: &str) -> String {
    let (scheme, rest) = to.split_once("://").unwrap_or(("", to));
    let server = rest.split(['/', '?', '#']).next().and_then(|s| s.rsplit('@').next()).unwrap_or_default();
    let server = server.trim_start_matches(':');
    if scheme == "https" && !server.is_empty() {
        let target = if server.contains(':') { server.to_owned() } else { format!("{server}:443") };
        return format!("a forward proxy passes it on as a tunnel: --allow {target}");
    }
    let host = if server.parse::<u16>().is_ok() { "127.0.0.1:" } else { "" };
    let meant = format!("http://{host}{server}");
    let fits = url::Url::parse(&meant).is_ok_and(|url| url.has_host());
    format!("--to {}", if fits { meant.as_str() } else { "http://127.0.0.1:3000" })
}

/// `host:port`, or `host:*`.
fn target(text: &str) -> Result<String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let named = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(named),
    };
    let port_fits = port == "*" || port.parse::<u16>().is_ok_and(|p| p > 0);
    if host_fits && port_fits {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Error::author(format!("--allow {text}: that is no host and port"))
        .remedy("--allow cdn.example:443, --allow 127.0.0.1:3000, or --allow cdn.example:* for all its ports"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for good in ["127.0.0.1:3000", "cdn.example:443", "cdn.example:*", "[::1]:80", "LOCALHOST:1"] {
            assert_eq!(target(good), Ok(good.to_ascii_lowercase()));
        }
        for bad in
            ["", "a", "a:", ":80", "*:80", "*", "a:0", "a:65536", "http://a:80", "a:80/x", "::1:80", "[x]:80", "a b:80"]
        {
            assert!(target(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn an_address_is_said_in_full_with_what_was_given() {
        assert_eq!(address("--listen", "[::1]:80", 1), Ok(([0, 0, 0, 0, 0, 0, 0, 1], 80).into()));
        for (text, meant) in [
            ("8080", "127.0.0.1:8080"),
            (":9000", "127.0.0.1:9000"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("http://127.0.0.1:9000/", "127.0.0.1:9000"),
            ("localhost", "127.0.0.1:7"),
            ("10.0.0.1", "10.0.0.1:7"),
            ("::1", "[::1]:7"),
            ("99999", "127.0.0.1:7"),
            ("", "127.0.0.1:7"),
        ] {
            let said = address("--listen", text, 7).expect_err("it is short of something");
            assert!(said.ends_with(&format!("wanted: --listen {meant}")), "{text}: {said}");
        }
    }

    #[test]
    fn a_server_is_said_in_full_with_what_was_given() {
        for (to, meant) in [
            ("localhost:3000", "--to http://localhost:3000"),
            ("127.0.0.1:1", "--to http://127.0.0.1:1"),
            ("3000", "--to http://127.0.0.1:3000"),
            (":3000", "--to http://127.0.0.1:3000"),
            ("ftp://me@a.example:1/x?y", "--to http://a.example:1"),
            ("http://a.example/x", "--to http://a.example"),
            ("https://a.example/x", "a forward proxy passes it on as a tunnel: --allow a.example:443"),
            ("https://a.example:8443", "a forward proxy passes it on as a tunnel: --allow a.example:8443"),
            ("", "--to http://127.0.0.1:3000"),
            ("a b", "--to http://127.0.0.1:3000"),
        ] {
            assert_eq!(server_meant(to), meant, "{to}");
        }
    }
}
