//! A certificate authority that lives as long as one play. Its key is made in memory and stays there. It may vouch for
//! the hosts that the app file names and no other: the limit is in its own certificate, and the browsers enforce it.

use super::host::{Host, plain};
use crate::error::{Error, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// How long its certificates hold: no play lasts longer.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How far a clock elsewhere may be behind ours.
const SKEW: Duration = Duration::from_secs(3600);
/// No host is called so (RFC 2606): permitted where only addresses are named, so that every name is refused.
const NOBODY: &str = "nobody.invalid";

/// The authority of a play.
pub(super) struct Ca {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    dates: CertificateParams,
}

impl Ca {
    /// Makes a key and a certificate for these hosts; takes about a millisecond.
    pub(super) fn new(hosts: &[Host]) -> Result<Self> {
        let dates = dates();
        let mut params = named("Soundcheck, for one play", &dates);
        // No authority below this one.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.name_constraints = Some(constraints(hosts));
        let key = KeyPair::generate().map_err(ours)?;
        let certificate = params.self_signed(&key).map_err(ours)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key), dates })
    }

    /// Its certificate, for whoever is to trust it. The key is not in it.
    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate and its key for one host.
    pub(super) fn leaf(&self, host: &str) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        // A key for each: serial numbers come from it, and Firefox refuses one that it saw on another certificate.
        let key = KeyPair::generate().map_err(ours)?;
        let mut params = named("Soundcheck", &self.dates);
        params.subject_alt_names = CertificateParams::new(vec![plain(host)]).map_err(ours)?.subject_alt_names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.issuer).map_err(ours)?;
        Ok((leaf.into(), key.into()))
    }
}

fn ours(e: rcgen::Error) -> Error {
    Error::us(format!("making a certificate: {e}"))
}

/// Parameters that hold only dates. A certificate needs the wall clock's: the browsers compare it with theirs.
fn dates() -> CertificateParams {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = date_time_ymd(1970, 1, 1) + since;
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (now - SKEW, now + DAY);
    params
}

fn named(name: &str, dates: &CertificateParams) -> CertificateParams {
    let mut params = dates.clone();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

/// What it may vouch for. A kind of name that is not mentioned would be unlimited (RFC 5280, 4.2.1.10), so names and
/// addresses both are. A permitted name includes what is below it: no constraint can say otherwise.
fn constraints(hosts: &[Host]) -> NameConstraints {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for host in hosts {
        match host {
            Host::Name(name) | Host::Below(name) => names.push(GeneralSubtree::DnsName(name.clone())),
            Host::Address(address) => {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                addresses.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, whole)));
            }
        }
    }
    if names.is_empty() {
        names.push(GeneralSubtree::DnsName(NOBODY.to_owned()));
    }
    let mut excluded_subtrees = Vec::new();
    if addresses.is_empty() {
        let all = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        excluded_subtrees.extend(all.map(|a| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(a, 0))));
    }
    names.extend(addresses);
    NameConstraints { permitted_subtrees: names, excluded_subtrees }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    use std::sync::Arc;

    /// What a client that trusts the authority says to a certificate for `host`, some seconds later than now: "ok", or
    /// the refusal's name.
    fn verdict(hosts: &str, host: &str, later: i64) -> String {
        let hosts: Vec<Host> = hosts.split_whitespace().map(|h| h.parse().expect("a host")).collect();
        let ca = Ca::new(&hosts).expect("an authority");
        let mut roots = RootCertStore::empty();
        roots.add(ca.certificate.der().clone()).expect("a root");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let client = WebPkiServerVerifier::builder_with_provider(roots.into(), ring).build().expect("a verifier");
        let (leaf, _) = ca.leaf(host).expect("a leaf");
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let now = UnixTime::now().as_secs().checked_add_signed(later).expect("a time");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        match client.verify_server_cert(&leaf, &[], &name, &[], now) {
            Ok(_) => "ok".to_owned(),
            Err(rustls::Error::InvalidCertificate(why)) => format!("{why:?}"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_hosts_named_are_vouched_for_and_no_other() {
        let refused = "NameConstraintViolation";
        for (hosts, host, wanted) in [
            ("cdn.example *.media.test", "cdn.example", "ok"),
            ("cdn.example *.media.test", "a.b.media.test", "ok"),
            ("cdn.example *.media.test", "bank.example", refused),
            ("cdn.example *.media.test", "xcdn.example", refused),
            ("cdn.example", "192.0.2.1", refused),
            ("cdn.example", "2001:db8::1", refused),
            ("192.0.2.1", "192.0.2.1", "ok"),
            ("192.0.2.1", "192.0.2.2", refused),
            ("192.0.2.1", "2001:db8::1", refused),
            ("192.0.2.1", "cdn.example", refused),
            ("2001:db8::1 cdn.example", "2001:db8::1", "ok"),
            ("", "cdn.example", refused),
        ] {
            let said = verdict(hosts, host, 0);
            assert!(said.contains(wanted), "{host} of `{hosts}`: {said}");
        }
    }

    #[test]
    fn the_limit_is_critical_so_that_nobody_may_pass_over_it() {
        let ca = Ca::new(&["cdn.example".parse().expect("a host")]).expect("an authority");
        // The extension's identifier 2.5.29.30, then the boolean true.
        let critical = [6, 3, 0x55, 0x1d, 0x1e, 1, 1, 0xff];
        assert!(ca.certificate.der().windows(critical.len()).any(|w| w == critical));
    }

    #[test]
    fn a_certificate_holds_for_a_day() {
        let day = 24 * 3600;
        for (later, wanted) in [(day - 60, "ok"), (day + 60, "Expired"), (-2 * 3600, "NotValidYet")] {
            let said = verdict("a.test", "a.test", later);
            assert!(said.starts_with(wanted), "{later}: {said}");
        }
    }

    #[test]
    fn no_two_certificates_share_a_serial_number() {
        let ca = Ca::new(&["*.media.test".parse().expect("a host")]).expect("an authority");
        let serial = |host: &str| ca.leaf(host).expect("a leaf").0[10..40].to_vec();
        assert_ne!(serial("a.media.test"), serial("b.media.test"));
        assert_ne!(serial("a.media.test"), serial("a.media.test"));
    }

    #[test]
    fn the_key_is_not_in_what_is_given_away() {
        let pem = Ca::new(&[]).expect("an authority").pem();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("KEY"), "{pem}");
    }
}
