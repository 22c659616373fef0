//! Which targets may be reached. Not an open proxy: what is named, and public addresses if the play allows them.

use super::authority::{self, Authority};
use super::{Reach, lock};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Names kept with their addresses, at most.
const KEPT: usize = 10_000;

/// The policy with what was resolved so far: a name keeps its addresses, so that it cannot turn inward later.
pub(super) struct Reached {
    named: Vec<(String, Option<u16>)>,
    public: bool,
    /// The proxy's own address: asking itself for itself would never end.
    own: SocketAddr,
    pinned: Mutex<Pinned>,
}

/// Addresses of a host and a port.
type Pinned = HashMap<(String, u16), Arc<[SocketAddr]>>;

/// Why a target is not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Not {
    /// It is forbidden.
    Allowed(String),
    /// Its name has no address.
    Found(String),
}

impl Reached {
    pub(super) fn new(reach: &Reach, own: SocketAddr) -> Result<Self> {
        let named = reach.named.iter().map(|n| read_named(n)).collect::<Result<_>>()?;
        Ok(Self { named, public: reach.public, own, pinned: Mutex::default() })
    }

    /// Whether it is named, and so reached wherever it lies.
    pub(super) fn names(&self, to: &Authority) -> bool {
        self.named.iter().any(|(host, port)| *host == to.host && port.is_none_or(|p| p == to.port))
    }

    /// The addresses that may be connected to, resolved once.
    pub(super) async fn addresses(&self, to: &Authority) -> Result<Arc<[SocketAddr]>, Not> {
        let named = self.names(to);
        if !named && !self.public {
            return Err(Not::Allowed(format!("{}:{} is not among the targets named", to.host, to.port)));
        }
        let key = (to.host.clone(), to.port);
        if let Some(known) = lock(&self.pinned).get(&key) {
            return Ok(known.clone());
        }
        let found = resolve(to).await.map_err(|e| Not::Found(format!("{}: {e}", to.host)))?;
        if found.is_empty() {
            return Err(Not::Found(format!("{} has no address", to.host)));
        }
        if let Some(inside) = found.iter().find(|a| !named && !public(a.ip())) {
            return Err(Not::Allowed(format!(
                "{} is at {}, which is not public, and it is not named",
                to.host,
                inside.ip()
            )));
        }
        if found.iter().any(|a| leads_to(*a, self.own)) {
            return Err(Not::Allowed("it is the proxy itself".to_owned()));
        }
        let found: Arc<[SocketAddr]> = found.into();
        let mut pinned = lock(&self.pinned);
        if pinned.len() >= KEPT {
            pinned.clear();
        }
        // Whoever came first stays: two connections may have asked at once.
        Ok(pinned.entry(key).or_insert(found).clone())
    }
}

fn read_named(text: &str) -> Result<(String, Option<u16>)> {
    let wrong = |why: &str| Error::author(format!("target `{text}`: {why}")).remedy("write `host:port` or `host:*`");
    let (host, port) = authority::split(text).map_err(wrong)?;
    let port = match port {
        Some("*") => None,
        Some(digits) => Some(digits.parse().map_err(|_| wrong("a port is a number, or `*`"))?),
        None => return Err(wrong("it has no port")),
    };
    Ok((authority::read_host(host).map_err(wrong)?, port))
}

/// Addresses of a host, for any use that is already allowed.
pub(super) async fn resolve(to: &Authority) -> std::io::Result<Vec<SocketAddr>> {
    if let Some(address) = to.address() {
        return Ok(vec![SocketAddr::new(address, to.port)]);
    }
    // RFC 6761: these are never asked for.
    if to.host == "localhost" || to.host.ends_with(".localhost") {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(both.map(|a| SocketAddr::new(a, to.port)).to_vec());
    }
    Ok(tokio::net::lookup_host((to.host.as_str(), to.port)).await?.collect())
}

/// Whether who connects to this address comes to a listener at `own`. The unspecified address means all of this
/// machine's for who listens, and this machine for who connects.
pub(super) fn leads_to(address: SocketAddr, own: SocketAddr) -> bool {
    let (to, at) = (address.ip().to_canonical(), own.ip().to_canonical());
    let here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let any = to.is_unspecified() || at.is_unspecified();
    address.port() == own.port() && (to == at || any && here(to) && here(at))
}

/// Whether an address is one of the public Internet (IANA's special-purpose registries, RFC 6890). Ways to write a
/// version-4 address as one of version 6 are not: what they lead to is the gateway's affair.
pub(super) fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let within =
                |net: [u8; 4], bits: u32| a.to_bits() >> (32 - bits) == Ipv4Addr::from(net).to_bits() >> (32 - bits);
            ![
                ([0, 0, 0, 0], 8),       // this network
                ([10, 0, 0, 0], 8),      // private
                ([100, 64, 0, 0], 10),   // carrier-grade NAT
                ([127, 0, 0, 0], 8),     // loopback
                ([169, 254, 0, 0], 16),  // link-local, and cloud metadata
                ([172, 16, 0, 0], 12),   // private
                ([192, 0, 0, 0], 24),    // protocol assignments
                ([192, 0, 2, 0], 24),    // documentation
                ([192, 88, 99, 0], 24),  // 6to4 relays
                ([192, 168, 0, 0], 16),  // private
                ([198, 18, 0, 0], 15),   // benchmarks
                ([198, 51, 100, 0], 24), // documentation
                ([203, 0, 113, 0], 24),  // documentation
                ([224, 0, 0, 0], 3),     // multicast, reserved, broadcast
            ]
            .into_iter()
            .any(|(net, bits)| within(net, bits))
        }
        IpAddr::V6(a) => {
            let within = |net: Ipv6Addr, bits: u32| a.to_bits() >> (128 - bits) == net.to_bits() >> (128 - bits);
            let net = |one: u16, two: u16| Ipv6Addr::new(one, two, 0, 0, 0, 0, 0, 0);
            // Only global unicast: that leaves out loopback, unspecified, mapped, compatible, NAT64, unique local,
            // link-local, site-local and multicast.
            within(net(0x2000, 0), 3)
                && ![
                    (net(0x2001, 0), 23),     // protocol assignments, Teredo
                    (net(0x2001, 0xdb8), 32), // documentation
                    (net(0x2002, 0), 16),     // 6to4
                    (net(0x3fff, 0), 20),     // documentation
                ]
                .into_iter()
                .any(|(net, bits)| within(net, bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(named: &[&str], public: bool) -> Reached {
        let reach = Reach { named: named.iter().map(|n| (*n).to_owned()).collect(), public };
        Reached::new(&reach, "127.0.0.1:9".parse().expect("an address")).expect("a policy")
    }

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:0808:0808::1",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!public(text.parse().expect(text)), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(public(text.parse().expect(text)), "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_named_is_reached_wherever_it_lies_and_nothing_else_inside() {
        let policy = reached(&["127.0.0.1:4700", "localhost:*", "[::1]:80"], true);
        let ask = async |text: &str| policy.addresses(&Authority::read(text).expect(text)).await;
        for text in ["127.0.0.1:4700", "localhost:1", "LOCALHOST.:2", "[::1]", "[0:0:0::1]:80"] {
            assert!(ask(text).await.is_ok(), "{text}");
        }
        for text in [
            "127.0.0.1:4701",
            "127.0.0.2:4700",
            "[::1]:81",
            "a.localhost",
            "[::ffff:127.0.0.1]:4700",
            "0.0.0.0:4700",
            "localhost:9",
        ] {
            assert!(matches!(ask(text).await, Err(Not::Allowed(_))), "{text}: {:?}", ask(text).await);
        }
        assert_eq!(ask("8.8.8.8").await.expect("public").to_vec(), ["8.8.8.8:80".parse().expect("an address")]);
        let closed = reached(&["127.0.0.1:4700"], false);
        assert!(closed.addresses(&Authority::read("8.8.8.8").expect("reads")).await.is_err());
    }

    #[test]
    fn an_address_of_the_proxys_own_is_known_however_it_is_written() {
        for (address, own, wanted) in [
            ("127.0.0.1:9", "127.0.0.1:9", true),
            ("0.0.0.0:9", "127.0.0.1:9", true),
            ("[::ffff:127.0.0.1]:9", "127.0.0.1:9", true),
            ("127.0.0.1:9", "0.0.0.0:9", true),
            ("[::1]:9", "[::]:9", true),
            ("127.0.0.1:8", "127.0.0.1:9", false),
            ("127.0.0.2:9", "127.0.0.1:9", false),
            ("8.8.8.8:9", "0.0.0.0:9", false),
        ] {
            let read = |text: &str| -> SocketAddr { text.parse().expect("an address") };
            assert_eq!(leads_to(read(address), read(own)), wanted, "{address} for {own}");
        }
    }

    #[test]
    fn a_target_that_is_not_written_so_is_its_authors_error() {
        for text in ["127.0.0.1", "x:", "x:y", "http://x:80", "127.1:80", "*:80", "x:99999"] {
            let reach = Reach { named: vec![text.to_owned()], public: false };
            let error = Reached::new(&reach, "127.0.0.1:9".parse().expect("an address")).err().expect(text);
            assert_eq!(error.whose(), crate::error::Whose::Author, "{text}");
        }
    }
}
