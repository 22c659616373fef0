//! TLS on both sides of the proxy: the same conversations then go through HTTPS that is looked into.

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Passes one way on to its end, and that end too.
async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..n]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    // Gone already: fine.
    let _ = to.shutdown().await;
}

fn both_ways(one: impl AsyncRead + AsyncWrite + Send + 'static, two: impl AsyncRead + AsyncWrite + Send + 'static) {
    let ((from_one, to_one), (from_two, to_two)) = (tokio::io::split(one), tokio::io::split(two));
    tokio::spawn(one_way(from_one, to_two));
    tokio::spawn(one_way(from_two, to_one));
}

fn listen(runtime: &Runtime) -> (TcpListener, SocketAddr) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// TLS before an origin: the port, and the certificate to trust.
pub fn before_origin(runtime: &Runtime, origin: u16) -> (u16, CertificateDer<'static>) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").der().clone();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.clone()], secret).expect("a server"));
    let (listener, address) = listen(runtime);
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                let (Ok(tls), Ok(plain)) =
                    tokio::join!(acceptor.accept(socket), TcpStream::connect(("127.0.0.1", origin)))
                else {
                    return;
                };
                let _ = plain.set_nodelay(true);
                both_ways(tls, plain);
            });
        }
    });
    (address.port(), certificate)
}

/// TLS before a proxy: CONNECT passes as it is, what follows goes within TLS. `trusted` is the proxy's authority, PEM.
pub fn before_proxy(runtime: &Runtime, proxy: SocketAddr, trusted: &str) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).expect("a certificate")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let (listener, address) = listen(runtime);
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(within_tls(client, proxy, TlsConnector::from(config.clone())));
        }
    });
    address
}

async fn within_tls(mut client: TcpStream, proxy: SocketAddr, connector: TlsConnector) -> std::io::Result<()> {
    let mut proxy = TcpStream::connect(proxy).await?;
    let (_, _) = (client.set_nodelay(true), proxy.set_nodelay(true));
    pass_head(&mut client, &mut proxy).await?;
    pass_head(&mut proxy, &mut client).await?;
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    both_ways(connector.connect(name, proxy).await?, client);
    Ok(())
}

/// Octet by octet: what follows the head stays where it is.
async fn pass_head(from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    to.write_all(&head).await
}
