//! Looking into HTTPS, for the hosts that an app file names: toward the browser the proxy is the server, with a
//! certificate of the play's own authority; toward the server it is a client that checks the server's certificate.
//!
//! Both sides speak HTTP/1.1 only, which the record must say: browsers open six connections to such a host instead of
//! one.

use super::ca::Ca;
use super::host::{Host, plain};
use crate::error::{Error, Operator, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::Acceptor;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};

/// Certificates kept. A page that makes up names below `*.name` costs this much memory and no more.
const KEPT: usize = 256;
const HTTP_1_1: &[u8] = b"http/1.1";

/// The hosts of a play whose HTTPS is looked into.
pub struct Intercept {
    hosts: Vec<Host>,
    ca: Ca,
    ring: Arc<CryptoProvider>,
    servers: Mutex<HashMap<String, Arc<ServerConfig>>>,
    upstream: Arc<ClientConfig>,
}

impl Intercept {
    /// For these hosts, as [`Host`] reads them: `name`, `*.name` or an address. Servers are checked against the
    /// machine's roots (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`). Its certificates hold for a day: make one for
    /// each play. A wrong host is its author's error.
    pub fn new(hosts: &[String]) -> Result<Self> {
        let hosts = hosts.iter().map(|h| h.parse()).collect::<Result<Vec<Host>>>()?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let upstream = upstream(&ring, Servers::Checked(SYSTEM.clone()))?;
        Ok(Self { ca: Ca::new(&hosts)?, hosts, ring, servers: Mutex::default(), upstream })
    }

    /// Takes any server's certificate: where the app file says `insecure_certificates`, and the browser would too.
    pub fn insecure(self) -> Result<Self> {
        Ok(Self { upstream: upstream(&self.ring, Servers::Any)?, ..self })
    }

    /// Checks servers against these roots and no other.
    pub fn with_roots(self, roots: &[CertificateDer<'static>]) -> Result<Self> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).operator("reading a root certificate")?;
        }
        Ok(Self { upstream: upstream(&self.ring, Servers::Checked(Arc::new(store)))?, ..self })
    }

    /// Whether connections to this host are looked into; others are tunnelled.
    pub fn intercepts(&self, host: &str) -> bool {
        self.hosts.iter().any(|h| h.is(host))
    }

    /// The certificate that the play's browser is to trust, as PEM (see [`crate::browser::trust`]). It vouches for the
    /// hosts alone, and browsers refuse it for any other.
    pub fn certificate(&self) -> String {
        self.ca.pem()
    }

    /// Is the server toward the browser. The certificate is for the name that the browser asks for (SNI), or for
    /// `host`, the one it said to CONNECT, where it asks for none: it asks for no address.
    ///
    /// The stream holds what is written until it is flushed. A client that leaves without TLS's own good-bye gives
    /// `UnexpectedEof`.
    pub async fn accept<S>(&self, io: S, host: &str) -> io::Result<server::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        let asked = hello.client_hello().server_name().map(plain);
        let config = self.server(&asked.unwrap_or_else(|| plain(host))).map_err(io::Error::other)?;
        hello.into_stream(config).await
    }

    /// Is the browser toward the server: `host` is what the browser asked for, wherever `io` leads. The same holds for
    /// the stream as for [`Intercept::accept`]'s. [`certificate_fault`] knows a certificate that was refused.
    pub async fn connect<S>(&self, io: S, host: &str) -> io::Result<client::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(plain(host)).map_err(io::Error::other)?;
        TlsConnector::from(self.upstream.clone()).connect(name, io).await
    }

    fn server(&self, host: &str) -> Result<Arc<ServerConfig>> {
        let mut kept = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = kept.get(host) {
            return Ok(config.clone());
        }
        let (leaf, key) = self.ca.leaf(host)?;
        let mut config = ServerConfig::builder_with_provider(self.ring.clone())
            .with_safe_default_protocol_versions()
            .and_then(|c| c.with_no_client_auth().with_single_cert(vec![leaf], key))
            .map_err(ours)?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        let config = Arc::new(config);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(host.to_owned(), config.clone());
        Ok(config)
    }
}

/// Why a server's certificate was refused, where that is what [`Intercept::connect`] failed of. It is the server's own
/// fault, and no proxy may hide it: tunnel that host, and the browser judges for itself.
pub fn certificate_fault(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref()? {
        fault @ rustls::Error::InvalidCertificate(_) => Some(fault.to_string()),
        _ => None,
    }
}

/// What the first octets of a tunnel begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// They are too few to tell.
    More,
    /// TLS, with the name that is asked for, if any is.
    Tls(Option<String>),
    /// Something else, or a greeting that no TLS server would take.
    Other,
}

impl Hello {
    /// Looks at all that came so far, from the first octet on.
    pub fn peek(mut octets: &[u8]) -> Hello {
        // A handshake record of SSL 3 or later. Anything else is told apart by its first octets.
        const RECORD: [u8; 2] = [0x16, 3];
        let first = &octets[..octets.len().min(RECORD.len())];
        if !RECORD.starts_with(first) {
            return Hello::Other;
        }
        let mut acceptor = Acceptor::default();
        while !octets.is_empty() {
            match acceptor.read_tls(&mut octets) {
                Ok(1..) => {}
                _ => return Hello::Other,
            }
            match acceptor.accept() {
                Ok(Some(hello)) => return Hello::Tls(hello.client_hello().server_name().map(plain)),
                Ok(None) => {}
                Err(_) => return Hello::Other,
            }
        }
        Hello::More
    }
}

/// The machine's roots, read once: it takes some 10 ms.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let read = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(read.certs);
    if roots.is_empty() {
        let why = read.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
        tracing::warn!("no root certificates ({why}), so no server is trusted: apt-get install ca-certificates");
    }
    Arc::new(roots)
});

/// Which servers are spoken to.
enum Servers {
    Checked(Arc<RootCertStore>),
    Any,
}

fn upstream(ring: &Arc<CryptoProvider>, servers: Servers) -> Result<Arc<ClientConfig>> {
    let config =
        ClientConfig::builder_with_provider(ring.clone()).with_safe_default_protocol_versions().map_err(ours)?;
    let mut config = match servers {
        Servers::Checked(roots) => config.with_root_certificates(roots).with_no_client_auth(),
        Servers::Any => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(ring.clone()))).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

fn ours(e: rustls::Error) -> Error {
    Error::us(format!("setting up TLS: {e}"))
}

/// Takes every certificate; what is signed with its key must still be.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
