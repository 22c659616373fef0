//! A host and a port as a request names them. One plain spelling each: what a parser here and a resolver there might
//! take differently is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The schemes' own ports.
pub(super) const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// Where a request wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// Name in lower case without a dot at its end, or address; version 6 in brackets.
    pub host: String,
    /// The port, the scheme's own where none was named.
    pub port: u16,
    /// Whether it is spoken to by TLS.
    pub tls: bool,
    /// As URLs write it: with the port unless it is the scheme's own.
    pub name: String,
}

impl Authority {
    /// Reads `host` or `host:port`, as far as is known spoken to in the clear.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (host, named) = split(text)?;
        let port = named.map_or(Ok(HTTP), read_port)?;
        Ok(Self::new(read_host(host)?, port, false))
    }

    /// Of a host in its plain spelling.
    pub(super) fn new(host: String, port: u16, tls: bool) -> Self {
        let own = port == if tls { HTTPS } else { HTTP };
        let name = if own { host.clone() } else { format!("{host}:{port}") };
        Self { host, port, tls, name }
    }

    /// Its address, if it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().ok()
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// Splits a port off; the brackets of an address stay with it.
pub(super) fn split(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if text.contains('@') {
        return Err("user information in a host");
    }
    let after = match text.find(']') {
        Some(end) if text.starts_with('[') => end + 1,
        _ if text.contains(['[', ']']) => return Err("a bracket out of place"),
        _ => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(after);
    match (host, port.strip_prefix(':')) {
        ("", _) => Err("no host"),
        (_, None) if !port.is_empty() => Err("characters after an address"),
        (host, port) => Ok((host, port)),
    }
}

fn read_port(digits: &str) -> Result<u16, &'static str> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain).ok_or("a port that is no number from 1 to 65535")
}

/// A host in its one plain spelling.
pub(super) fn read_host(text: &str) -> Result<String, &'static str> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Option<Ipv6Addr> = inner.strip_suffix(']').and_then(|a| a.parse().ok());
        return address.map(|a| format!("[{a}]")).ok_or("no address within the brackets");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if !text.bytes().all(plain) {
        return Err("a host with characters that no name has");
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(address.to_string());
    }
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('.').unwrap_or(&lower);
    let labels = bare.split('.').all(|l| (1..=63).contains(&l.len()));
    if !labels || bare.len() > 253 {
        return Err("a name with a part that is empty or too long");
    }
    match url::Host::parse(bare) {
        Ok(url::Host::Domain(name)) if name == bare => Ok(name),
        Ok(url::Host::Ipv4(_)) => Err("an address in another spelling than four decimal numbers"),
        Ok(_) => Err("a name in another spelling than its own"),
        Err(_) => Err("no name that could be resolved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_spellings_are_read() {
        for (text, host, port) in [
            ("Example.COM", "example.com", 80),
            ("example.com.:8080", "example.com", 8080),
            ("127.0.0.1:4700", "127.0.0.1", 4700),
            ("[0:0::1]:1", "[::1]", 1),
            ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", 80),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", 80),
            ("a_b.example", "a_b.example", 80),
        ] {
            let read = Authority::read(text).expect(text);
            assert_eq!((read.host.as_str(), read.port), (host, port), "{text}");
        }
        let tls = Authority::new("example.com".to_owned(), 443, true);
        assert_eq!((tls.name.as_str(), tls.scheme()), ("example.com", "https"));
        assert_eq!(Authority::read("example.com:8").expect("reads").name, "example.com:8");
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:080",
            "a:65536",
            "a:+80",
            "a:8o",
            "a:80:80",
            "user@a",
            "a@b:80",
            "a:1@b",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "127.0.0.01",
            "127.0.0.1.",
            "127.0.0.256",
            "1.2.3.4.5",
            "0",
            "0x",
            "a..b",
            ".a",
            "a b",
            "a\\b",
            "a/b",
            "a?b",
            "a#b",
            "a%2eb",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "bücher.example",
            "a\0b",
            "a\tb",
            "localhost%00.example",
        ] {
            assert!(Authority::read(text).is_err(), "{text:?}: {:?}", Authority::read(text));
        }
    }
}
