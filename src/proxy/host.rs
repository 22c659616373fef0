//! A host as an app file names it where its HTTPS is to be looked into. Pure.

use crate::error::{Error, Result};
use std::net::IpAddr;
use std::str::FromStr;

const HOW: &str = "write a host such as \"cdn.example\", all below one as \"*.cdn.example\", or an address";

/// One host, or all below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Exactly this name, in lower case, international ones in their ASCII form.
    Name(String),
    /// `*.name`: every name below it, however deep, and not the name itself.
    Below(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Whether a request's host is meant: a name or an address, in brackets or not, without a port.
    pub fn is(&self, host: &str) -> bool {
        let host = plain(host);
        match self {
            Host::Name(name) => host == *name,
            Host::Below(name) => host.strip_suffix(name).is_some_and(|left| left.len() > 1 && left.ends_with('.')),
            Host::Address(address) => host.parse() == Ok(*address),
        }
    }
}

impl FromStr for Host {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::author(format!("`{text}` {why}")).remedy(HOW);
        if let Ok(address) = plain(text).parse() {
            return Ok(Host::Address(address));
        }
        if text.contains('/') {
            return Err(wrong("is no host: write only the host of this address"));
        }
        if text.contains(':') {
            return Err(wrong("is no host: leave the port out, all ports of a host are meant"));
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        if name.contains('*') {
            return Err(wrong("is no host: `*` stands only for what is below a name"));
        }
        let name = match url::Host::parse(name) {
            Ok(url::Host::Domain(name)) => plain(&name),
            Ok(_) => return Err(wrong("is no host: write the address with all its parts")),
            Err(e) => return Err(wrong(&format!("is no host: {e}"))),
        };
        if rustls::pki_types::DnsName::try_from(name.as_str()).is_err() {
            return Err(wrong("is no host that a certificate can name"));
        }
        match below {
            true if !name.contains('.') => Err(wrong("means a whole top-level domain: name the hosts")),
            true => Ok(Host::Below(name)),
            false => Ok(Host::Name(name)),
        }
    }
}

/// A host as everything here compares it: lower case, no brackets, no dot at its end.
pub(super) fn plain(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        text.parse().expect(text)
    }

    #[test]
    fn a_name_means_itself_and_a_star_what_is_below() {
        assert!(host("cdn.example").is("CDN.example."));
        assert!(!host("cdn.example").is("a.cdn.example") && !host("cdn.example").is("xcdn.example"));
        let below = host("*.cdn.example");
        assert!(below.is("a.cdn.example") && below.is("a.b.cdn.example"));
        for other in ["cdn.example", ".cdn.example", "xcdn.example", "cdn.example.evil", "a.cdn.example.evil"] {
            assert!(!below.is(other), "{other}");
        }
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        assert!(host("::1").is("[0:0::1]") && host("[::1]").is("::1"));
        assert!(host("127.0.0.1").is("127.0.0.1") && !host("127.0.0.1").is("127.0.0.2"));
    }

    #[test]
    fn an_international_name_is_kept_as_browsers_send_it() {
        assert_eq!(host("bücher.example"), Host::Name("xn--bcher-kva.example".into()));
    }

    #[test]
    fn what_is_no_host_is_refused_with_a_reason() {
        let bad = [
            ("https://cdn.example", "only the host"),
            ("cdn.example/media", "only the host"),
            ("cdn.example:443", "port"),
            ("*", "below a name"),
            ("cdn.*.example", "below a name"),
            ("*.example", "top-level"),
            ("", "is no host"),
            ("a b", "is no host"),
            ("cdn..example", "certificate"),
            ("1.2.3", "all its parts"),
        ];
        for (text, why) in bad {
            let error = text.parse::<Host>().expect_err(text);
            assert!(error.what().contains(why), "{text}: {error}");
            assert!(error.fix().is_some());
        }
    }
}
