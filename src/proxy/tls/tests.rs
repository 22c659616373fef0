//! Client, proxy and server in one process: the client trusts the play's authority, the proxy the server's.

use super::*;
use rustls::ClientConnection;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

fn ring() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn intercept(hosts: &[&str]) -> Intercept {
    Intercept::new(&hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()).expect("hosts")
}

/// A client that trusts the play's authority alone, and offers what browsers offer.
fn browser(intercept: &Intercept) -> Arc<ClientConfig> {
    let root = CertificateDer::from_pem_slice(intercept.certificate().as_bytes()).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let config = ClientConfig::builder_with_provider(ring()).with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), HTTP_1_1.to_vec()];
    Arc::new(config)
}

type Both = (io::Result<client::TlsStream<DuplexStream>>, io::Result<server::TlsStream<DuplexStream>>);

/// A browser asks for `name` in a tunnel to `host`.
async fn meet(intercept: &Intercept, host: &str, name: &str) -> Both {
    let (near, far) = duplex(1 << 16);
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    tokio::join!(TlsConnector::from(browser(intercept)).connect(name, near), intercept.accept(far, host))
}

/// A server on loopback for `name` that answers each connection with "pong"; its port and its own authority's
/// certificate.
async fn origin(name: &str) -> (u16, CertificateDer<'static>) {
    let ca = Ca::new(&[name.parse().expect("a host")]).expect("an authority");
    let (leaf, key) = ca.leaf(name).expect("a leaf");
    let config = ServerConfig::builder_with_provider(ring()).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![leaf], key).expect("a server"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut tls) = tokio_rustls::TlsAcceptor::from(config.clone()).accept(socket).await {
                let mut word = [0; 4];
                let read = tls.read_exact(&mut word).await;
                assert!(read.is_err() || &word == b"ping");
                let _ = tls.write_all(b"pong").await;
                let _ = tls.shutdown().await;
            }
        }
    });
    (port, CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("a certificate"))
}

async fn to(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.expect("connects")
}

#[tokio::test]
async fn what_the_browser_says_reaches_the_server_and_comes_back() {
    let (port, root) = origin("media.test").await;
    let intercept = intercept(&["media.test"]).with_roots(&[root]).expect("roots");
    let (browser, proxy) = meet(&intercept, "media.test", "media.test").await;
    let (mut browser, mut proxy) = (browser.expect("trusted"), proxy.expect("accepted"));
    let mut server = intercept.connect(to(port).await, "media.test").await.expect("checked");
    let pump = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut proxy, &mut server).await });
    browser.write_all(b"ping").await.expect("written");
    browser.flush().await.expect("flushed");
    let mut word = [0; 4];
    browser.read_exact(&mut word).await.expect("read");
    assert_eq!(&word, b"pong");
    browser.shutdown().await.expect("closed");
    pump.await.expect("no panic").expect("both ended well");
}

#[tokio::test]
async fn both_sides_agree_on_http_1_1() {
    let intercept = intercept(&["media.test"]);
    let (browser, _proxy) = meet(&intercept, "media.test", "media.test").await;
    assert_eq!(browser.expect("trusted").get_ref().1.alpn_protocol(), Some(HTTP_1_1));
}

#[tokio::test]
async fn a_browser_refuses_a_host_that_was_not_named() {
    let intercept = intercept(&["media.test"]);
    let (browser, proxy) = meet(&intercept, "bank.test", "bank.test").await;
    let why = certificate_fault(&browser.expect_err("refused")).expect("for its certificate");
    assert!(why.contains("NameConstraintViolation"), "{why}");
    assert!(proxy.is_err(), "the refusal is seen here too");
}

#[tokio::test]
async fn the_name_asked_for_counts_and_an_address_is_never_asked_for() {
    let intercept = intercept(&["media.test", "127.0.0.1"]);
    for (host, name) in [("10.0.0.1", "media.test"), ("127.0.0.1", "127.0.0.1"), ("MEDIA.test.", "media.test")] {
        let (browser, proxy) = meet(&intercept, host, name).await;
        browser.expect("trusted");
        proxy.expect("accepted");
    }
    assert!(intercept.intercepts("127.0.0.1") && !intercept.intercepts("10.0.0.1"));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused_and_the_reason_is_kept() {
    let (port, root) = origin("media.test").await;
    let checked = intercept(&["media.test"]);
    let error = checked.connect(to(port).await, "media.test").await.expect_err("unknown");
    assert!(certificate_fault(&error).expect("its certificate").contains("UnknownIssuer"), "{error}");
    let known = checked.with_roots(&[root]).expect("roots");
    known.connect(to(port).await, "media.test").await.expect("known now");
    let error = known.connect(to(port).await, "other.test").await.expect_err("another's certificate");
    assert!(certificate_fault(&error).is_some(), "{error}");
    let any = known.insecure().expect("TLS");
    any.connect(to(port).await, "other.test").await.expect("anyone's is taken");
}

#[tokio::test]
async fn a_server_without_tls_is_no_certificate_fault() {
    let (near, mut far) = duplex(1 << 16);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
    drop(far);
    let error = intercept(&["a.test"]).connect(near, "a.test").await.expect_err("no TLS");
    assert_eq!(certificate_fault(&error), None, "{error}");
}

#[test]
fn a_host_keeps_its_certificate_and_made_up_hosts_cost_a_bounded_memory() {
    let intercept = intercept(&["*.media.test"]);
    let first = intercept.server("a.media.test").expect("a server");
    assert!(Arc::ptr_eq(&first, &intercept.server("a.media.test").expect("the same")));
    for n in 0..KEPT + 10 {
        intercept.server(&format!("{n}.media.test")).expect("a server");
    }
    assert!(intercept.servers.lock().expect("not poisoned").len() <= KEPT);
}

#[test]
fn a_wrong_host_is_its_authors_error() {
    let error = Intercept::new(&["https://cdn.example".into()]).err().expect("refused");
    assert_eq!(error.whose(), crate::error::Whose::Author);
}

#[test]
fn a_greeting_is_read_as_soon_as_it_is_whole() {
    let name = ServerName::try_from("media.test").expect("a name");
    let mut client = ClientConnection::new(browser(&intercept(&[])), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a greeting");
    for cut in 0..hello.len() {
        assert_eq!(Hello::peek(&hello[..cut]), Hello::More, "{cut} of {}", hello.len());
    }
    let whole = Hello::Tls(Some("media.test".into()));
    assert_eq!(Hello::peek(&hello), whole);
    // The same in records of 20 octets: greetings with post-quantum keys come in several segments, and may so too.
    let pieces = hello[5..].chunks(20).flat_map(|c| [&[0x16, 3, 1, 0, c.len() as u8], c].concat());
    assert_eq!(Hello::peek(&pieces.collect::<Vec<u8>>()), whole);
    assert_eq!(Hello::peek(&[hello, vec![0; 9000]].concat()), whole);
}

#[test]
fn what_is_no_greeting_is_told_apart_by_its_first_octet() {
    assert_eq!(Hello::peek(b""), Hello::More);
    for other in [&b"G"[..], b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0", &[0x16, 0x02], &[0x17, 3, 3, 0, 1, 0], &[0; 9]] {
        assert_eq!(Hello::peek(other), Hello::Other, "{other:?}");
    }
    // A handshake record with another message than a greeting.
    assert_eq!(Hello::peek(&[0x16, 3, 3, 0, 4, 2, 0, 0, 0]), Hello::Other);
    // It only says that it is long.
    assert_eq!(Hello::peek(&[0x16, 3, 1, 0xff, 0xff, 1, 0, 0xff]), Hello::Other);
}

#[test]
fn any_octets_are_looked_at_without_a_panic() {
    proptest::proptest!(|(octets: Vec<u8>)| {
        Hello::peek(&octets);
        Hello::peek(&[&[0x16, 3, 1], octets.as_slice()].concat());
    });
}
