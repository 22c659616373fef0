//! HTTPS that is looked into, WebSocket messages, hosts that are served from elsewhere, full copies, and storms.

use super::super::To;
use super::super::tls::Intercept;
use super::wants::{on_request, on_response};
use super::*;
use crate::fault::{Action, Cut, Edit, Point, at};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::io::ErrorKind::ConnectionReset;
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// An HTTPS server at 127.0.0.1 that answers every request so; its port and what to trust.
async fn origin(answer: &'static str) -> (u16, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let root = made.cert.der().clone();
    let config = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let config = config.with_single_cert(vec![root.clone()], made.signing_key.into()).expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::new().await;
    let port = server.port;
    tokio::spawn(async move {
        while let Ok((socket, _)) = server.listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut tls = acceptor.accept(socket).await?;
                let mut read = Vec::new();
                while tls.read_buf(&mut read).await? > 0 {
                    if read.ends_with(b"\r\n\r\n") {
                        read.clear();
                        tls.write_all(answer.as_bytes()).await?;
                        tls.flush().await?;
                    }
                }
                std::io::Result::Ok(())
            });
        }
    });
    (port, root)
}

async fn tunnel(rig: &Rig, port: u16) -> Peer {
    let mut client = rig.client().await;
    client.write(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client
}

async fn within_tls(client: Peer, root: CertificateDer<'static>) -> std::io::Result<client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).expect("a root");
    let config = rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    within(TlsConnector::from(Arc::new(config)).connect(name, client.socket)).await
}

async fn ask(tls: &mut client::TlsStream<TcpStream>, wanted: usize) -> std::io::Result<String> {
    tls.write_all(b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let mut got = vec![0; wanted];
    within(tls.read_exact(&mut got)).await?;
    Ok(String::from_utf8_lossy(&got).into_owned())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong";

#[tokio::test]
async fn https_of_a_named_host_is_looked_into_and_faults_apply_to_it() {
    let (port, root) = origin(OK).await;
    let intercept = Intercept::new(&["127.0.0.1".to_owned()]).expect("hosts").with_roots(&[root]).expect("roots");
    let own = CertificateDer::from_pem_slice(intercept.certificate().as_bytes()).expect("a certificate");
    let rig = Rig::with(Route::Forward, |c| c.intercept = Some(intercept)).await;
    let mut tls = within_tls(tunnel(&rig, port).await, own.clone()).await.expect("trusts");
    for _ in 0..2 {
        assert_eq!(ask(&mut tls, OK.len()).await.expect("an answer"), OK);
    }
    let events = rig.told("proxy_response", 2).await;
    assert_eq!(events[0].text("url"), Some(format!("https://127.0.0.1:{port}/a").as_str()));
    assert_eq!(events.iter().map(|e| e.flag("reused")).collect::<Vec<_>>(), [false, true]);
    assert_eq!(rig.proxy.tunnelled(), [""; 0]);
    for (cut, wanted) in [(Cut::Rst, Some(ConnectionReset)), (Cut::Fin, None)] {
        let rules = vec![on_response(vec![at(Point::Body(2), Action::Cut(cut))])];
        rig.proxy.arm(Armed { rules, ..Armed::default() });
        let mut tls = within_tls(tunnel(&rig, port).await, own.clone()).await.expect("trusts");
        let sent = OK.len() - 2;
        assert_eq!(ask(&mut tls, sent).await.expect("a part"), OK[..sent]);
        let end = within(tls.read_u8()).await.expect_err("an end");
        assert_eq!(end.kind(), wanted.unwrap_or(std::io::ErrorKind::UnexpectedEof));
    }
}

#[tokio::test]
async fn a_servers_bad_certificate_reaches_the_client_as_it_is() {
    let (port, root) = origin(OK).await;
    // The proxy trusts another.
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let intercept = Intercept::new(&["127.0.0.1".to_owned()]).expect("hosts");
    let intercept = intercept.with_roots(&[other.cert.der().clone()]).expect("roots");
    let rig = Rig::with(Route::Forward, |c| c.intercept = Some(intercept)).await;
    let mut tls = within_tls(tunnel(&rig, port).await, root).await.expect("the server's own");
    assert_eq!(ask(&mut tls, OK.len()).await.expect("an answer"), OK);
    assert_eq!(rig.proxy.tunnelled(), [format!("127.0.0.1:{port}")]);
    drop(tls);
    assert!(rig.told("proxy_response", 1).await[0].text("error").is_some_and(|e| e.contains("certificate")));
}

#[tokio::test]
async fn https_of_other_hosts_is_tunnelled() {
    let (port, root) = origin(OK).await;
    let rig = Rig::forward().await;
    let mut tls = within_tls(tunnel(&rig, port).await, root).await.expect("the server's own");
    assert_eq!(ask(&mut tls, OK.len()).await.expect("an answer"), OK);
    assert_eq!(rig.proxy.tunnelled(), [format!("127.0.0.1:{port}")]);
}

#[tokio::test]
async fn what_a_browser_fetches_for_itself_is_no_host_that_was_only_tunnelled() {
    let (port, _) = origin(OK).await;
    let rig = Rig::with(Route::Forward, |c| {
        for host in ["update.googleapis.com", "cdn.example"] {
            c.map.insert(host.into(), To::Host(format!("127.0.0.1:{port}")));
        }
    })
    .await;
    for host in ["update.googleapis.com", "cdn.example"] {
        let mut client = rig.client().await;
        client.write(format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n")).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{host}");
        // No handshake that there is: the server hangs up.
        client.write(b"\x16\x03\x01\0\x04\xff\0\0\0").await;
        let (_, _) = client.rest().await;
    }
    assert_eq!(rig.proxy.tunnelled(), ["cdn.example:443"]);
}

/// An open WebSocket, with these steps about it: the client's end and the server's.
async fn websocket(steps: Vec<crate::fault::Step>) -> (Rig, Peer, Peer) {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    rig.proxy.arm(Armed { rules: vec![on_response(steps)], ..Armed::default() });
    let mut client = rig.client().await;
    client.write("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    at_server.write("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    client.head().await;
    (rig, client, at_server)
}

const THREE: &[u8] = b"\x81\x01a\x89\x00\x01\x01b\x80\x01c\x82\x01d";

#[tokio::test]
async fn messages_of_a_websocket_are_dropped_closed_and_held() {
    let (_rig, mut client, mut at_server) = websocket(vec![at(Point::Message(1), Action::Skip(1))]).await;
    for octet in THREE.chunks(1) {
        at_server.write(octet).await;
    }
    assert_eq!(client.octets(8).await, b"\x81\x01a\x89\x00\x82\x01d");
    client.write(b"\x81\x81mask?").await;
    assert_eq!(at_server.octets(7).await, b"\x81\x81mask?");

    let close = vec![0x88, 2, 3, 0xf3];
    let steps = vec![at(Point::Message(1), Action::Raw(close.clone())), at(Point::Message(1), Action::Cut(Cut::Fin))];
    let (rig, mut client, mut at_server) = websocket(steps).await;
    at_server.write(THREE).await;
    assert_eq!(client.octets(9).await, [&THREE[..5], &close].concat());
    assert_eq!(client.rest().await, (String::new(), Ok(())));
    assert_eq!(rig.told("fault_applied", 1).await[0].text("at"), Some("message"));
    assert_eq!(at_server.rest().await.0, "");

    let (rig, mut client, mut at_server) = websocket(vec![at(Point::Message(0), Action::Cut(Cut::Silence))]).await;
    at_server.write(THREE).await;
    assert!(client.silent(Duration::from_millis(40)).await);
    drop(client);
    assert_eq!(rig.told("proxy_response", 1).await[0].text("ended"), Some("fault"));
}

#[tokio::test]
async fn a_host_is_served_from_a_folder_or_by_another_host() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("v.mp4"), "0123456789").expect("writes");
    let other = Server::new().await;
    let port = other.port;
    other.always(OK);
    let rig = Rig::with(Route::Forward, |c| {
        c.map.insert("cdn.example".into(), To::Folder(folder.path().to_owned()));
        c.map.insert("other.example:81".into(), To::Host(format!("127.0.0.1:{port}")));
    })
    .await;
    let mut client = rig.client().await;
    let get = |url: &str, more: &str| {
        let host = url.split('/').next().unwrap_or_default().to_owned();
        format!("GET http://{url} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
    };
    for (more, status, range, body) in [
        ("", "200 OK", None, "0123456789"),
        ("Range: bytes=2-\r\n", "206 Partial Content", Some("bytes 2-9/10"), "23456789"),
        ("Range: bytes=-3\r\n", "206 Partial Content", Some("bytes 7-9/10"), "789"),
        ("Range: bytes=2-\r\nIf-Range: \"old\"\r\n", "200 OK", None, "0123456789"),
        ("Range: bytes=10-\r\n", "416 Range Not Satisfiable", Some("bytes */10"), ""),
    ] {
        client.write(get("cdn.example/v.mp4?x=y", more)).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{more}: {head}");
        assert_eq!(head.lines().find_map(|l| l.strip_prefix("Content-Range: ")), range, "{more}: {head}");
        assert_eq!(client.text(body.len()).await, body, "{more}");
        if status.starts_with('2') {
            assert!(head.contains("Content-Type: video/mp4\r\n") && head.contains("Access-Control-Allow-Origin: *"));
        }
    }
    // Faults apply to it as to any server.
    let rules = vec![on_response(vec![at(Point::Body(4), Action::Skip(2))])];
    rig.proxy.arm(Armed { rules, ..Armed::default() });
    client.write(get("cdn.example/v.mp4", "")).await;
    client.head().await;
    assert_eq!(client.text(8).await, "01236789");
    rig.proxy.arm(Armed::default());
    let mut client = rig.client().await;
    client.write(get("other.example:81/", "")).await;
    client.head().await;
    assert_eq!(client.text(4).await, "pong");
    client.write(get("cdn.example/none", "")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
    // Another port is another server, which is not named.
    let mut client = rig.client().await;
    client.write(get("other.example:82/", "")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_full_copy_is_fetched_once_and_serves_every_range() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let cache = on_request(vec![at(Point::Request, Action::Cache)]);
    let edit = Edit::Add("X".into(), "y".into());
    let mark = crate::fault::rule::Rule { id: "mark".into(), ..on_response(vec![at(Point::Head, Action::Edit(edit))]) };
    rig.proxy.arm(Armed { rules: vec![cache, mark], ..Armed::default() });
    let mut client = rig.client().await;
    client.write("GET /v.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes=2-3\r\n\r\n").await;
    let mut at_server = server.accept().await;
    assert!(!at_server.head().await.contains("Range"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n";
    at_server.write(format!("{head}4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 206 ") && head.contains("ETag: \"e\"\r\n") && head.contains("X: y"), "{head}");
    assert_eq!(client.text(2).await, "23");
    drop((at_server, server));
    for (range, wanted) in [("bytes=0-", "0123456789"), ("bytes=8-", "89")] {
        client.write(format!("GET /v.mp4 HTTP/1.1\r\nHost: x\r\nRange: {range}\r\n\r\n")).await;
        client.head().await;
        assert_eq!(client.text(wanted.len()).await, wanted);
    }
    let events = rig.told("video_proxy_response", 3).await;
    assert!(events.iter().all(|e| e.flag("cached")), "{events:#?}");
    assert_eq!(rig.proxy.tally()[0].applied, 3);
}

#[tokio::test]
async fn a_full_copy_serves_several_at_once() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    // More than everything between holds, so that both are under way.
    let file: Vec<u8> = (0..2_000_000u32).flat_map(u32::to_be_bytes).collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
    server.always([head.as_bytes(), &file].concat());
    let rules = vec![on_request(vec![at(Point::Request, Action::Cache)])];
    rig.proxy.arm(Armed { rules, ..Armed::default() });
    let (mut one, mut two) = (rig.client().await, rig.client().await);
    for client in [&mut one, &mut two] {
        client.write("GET /v.mp4 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.head().await;
    }
    assert!(two.octets(file.len()).await == file, "while another reads");
    assert!(one.octets(file.len()).await == file, "after another has read");
}

#[tokio::test]
async fn what_cannot_be_copied_is_passed_on() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    server.always("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    let rules = vec![on_request(vec![at(Point::Request, Action::Cache)])];
    rig.proxy.arm(Armed { rules, ..Armed::default() });
    let mut client = rig.client().await;
    for _ in 0..2 {
        client.write("GET /v.mp4 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 404 "));
        assert_eq!(client.text(2).await, "no");
    }
    assert_eq!(rig.proxy.tally()[0].applied, 0, "nothing came from a copy");
    assert!(rig.events("fault_applied").is_empty());
}

#[tokio::test]
async fn a_copy_is_tried_again_once_the_server_is_there() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let rules = vec![on_request(vec![at(Point::Request, Action::Cache)])];
    rig.proxy.arm(Armed { rules, ..Armed::default() });
    let mut client = rig.client().await;
    let get = "GET /v.mp4 HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write(get).await;
    // The copy's own connection, then the request's.
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut at_server = server.accept().await;
        at_server.head().await;
        at_server.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
        kept.push(at_server);
    }
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    client.write(get).await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    at_server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!((client.text(2).await.as_str(), rig.proxy.tally()[0].applied), ("ok", 1));
}

#[tokio::test]
async fn a_storm_of_requests_is_told_once_and_held() {
    let server = Server::new().await;
    let port = server.port;
    server.always("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-5/10\r\nContent-Length: 0\r\n\r\n");
    let rig =
        Rig::with(Route::Reverse(format!("http://127.0.0.1:{port}").parse().expect("a URL")), |c| c.storm = Some(20))
            .await;
    let start = std::time::Instant::now();
    let mut client = rig.client().await;
    for _ in 0..25 {
        client.write("GET /v.mp4?a HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.head().await;
    }
    assert!(start.elapsed() >= Duration::from_millis(1200), "{:?}", start.elapsed());
    let storms = rig.events("request_storm");
    assert_eq!(storms.len(), 1);
    assert_eq!((storms[0].text("path"), storms[0].number("per_second")), (Some("/v.mp4"), Some(20.0)));
    // Another URL is not held.
    let start = std::time::Instant::now();
    client.write("GET /v.mp4?b HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    assert!(start.elapsed() < Duration::from_millis(500));
}
