//! HTTPS that is looked into, in real browsers: they take the play's authority for the hosts that it names, refuse it
//! for every other, and trust it only where it was given to them.

mod common;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use soundcheck::browser::Kind;
use soundcheck::browser::action::Ready;
use soundcheck::browser::driver::Driver;
use soundcheck::browser::leash::Leash;
use soundcheck::browser::options::Options;
use soundcheck::browser::session::Session;
use soundcheck::browser::trust::trust;
use soundcheck::proxy::tls::Intercept;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const SHORT: Duration = Duration::from_secs(15);
const PAGE: &str = "<!doctype html><title>the origin's own page</title>";
/// The app file names the first; the proxy would answer for the second too.
const NAMED: &str = "media.test";
const OTHER: &str = "other.test";

/// A server on loopback with a certificate for both hosts; its port and what it takes to trust it.
async fn origin() -> (u16, CertificateDer<'static>) {
    let (port, made) = origin_for(&[NAMED, OTHER]).await;
    (port, made.der().clone())
}

/// The same, with a certificate for these hosts.
async fn origin_for(hosts: &[&str]) -> (u16, rcgen::Certificate) {
    let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).expect("a certificate");
    let root = made.cert.der().clone();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|c| c.with_no_client_auth().with_single_cert(vec![root.clone()], made.signing_key.into()));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("a server")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut tls = BufReader::new(acceptor.accept(socket).await?);
                head(&mut tls).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
                    PAGE.len()
                );
                tls.write_all(answer.as_bytes()).await?;
                tls.shutdown().await
            });
        }
    });
    (port, made.cert)
}

/// A play of an app on HTTPS with this line in its file: the app's address, and what the play left.
async fn played(browser: &str, line: &str) -> (String, common::Play) {
    let (port, certificate) = origin_for(&["localhost"]).await;
    let base = format!("https://localhost:{port}");
    let mut play = common::Play::on_stage(&[]);
    play.app = format!("base = \"{base}\"\n{line}\n[word]\n\"open the player\" = [{{ open = \"/\" }}]\n");
    play.journey = "question = \"?\"\n[[step]]\ndo = \"open the player\"\nexpect = \"the page\"\n".to_owned();
    let root = play.dir.path().join("root.pem");
    std::fs::write(&root, certificate.pem()).expect("written");
    play.env = vec![("SSL_CERT_FILE".to_owned(), root.display().to_string())];
    let (verdict, play) = tokio::task::spawn_blocking({
        let browser = browser.to_owned();
        move || (play.run(&browser).0, play)
    })
    .await
    .expect("played");
    assert_eq!(common::ending(&verdict).0, "passed", "{browser}: {verdict:#}");
    (format!("{base}/"), play)
}

/// The events of this name about the page, and its entries in the play's archive.
fn of_page(play: &common::Play, event: &str, url: &str) -> (Vec<Value>, Vec<Value>) {
    let events = play.events().into_iter().filter(|e| e["event"] == event && e["url"] == url).collect();
    let mut archives = std::fs::read_dir(play.out().join("har")).expect("archives");
    let archive = archives.next().expect("one").expect("an entry").path();
    let archive: Value = serde_json::from_slice(&std::fs::read(archive).expect("reads")).expect("JSON");
    let entries = archive["log"]["entries"].as_array().expect("entries");
    (events, entries.iter().filter(|e| e["request"]["url"] == url).cloned().collect())
}

#[tokio::test]
async fn a_play_of_an_app_on_https_sees_its_requests() {
    for browser in common::BROWSERS {
        let (url, play) = played(browser, "intercept = [\"localhost\"]").await;
        let (seen, entries) = of_page(&play, "proxy_response", &url);
        assert_eq!(entries.len(), seen.len(), "{browser}: {entries:#?}");
        let seen = seen.first().unwrap_or_else(|| panic!("{browser}: the request was not seen"));
        assert_eq!(seen["status"], 200, "{browser}: {seen}");
        assert_eq!(seen["bytes_sent"], PAGE.len(), "{browser}: {seen}");
        assert_eq!(of_page(&play, "browser_response", &url).0, Vec::<Value>::new(), "{browser}: it is told once");
    }
}

#[tokio::test]
async fn what_is_only_tunnelled_the_browser_tells_of() {
    for browser in common::BROWSERS {
        let (url, play) = played(browser, "insecure_certificates = true").await;
        let (seen, entries) = of_page(&play, "browser_response", &url);
        assert_eq!(entries.len(), seen.len(), "{browser}: {entries:#?}");
        let seen = seen.first().unwrap_or_else(|| panic!("{browser}: it told of no request"));
        assert_eq!((&seen["status"], &seen["method"]), (&json!(200), &json!("GET")), "{browser}: {seen}");
        assert_eq!(seen["content_type"], "text/html", "{browser}: {seen}");
        assert_eq!(seen["step"], "open the player", "{browser}: {seen}");
        assert_eq!(entries[0]["response"]["status"], 200, "{browser}: {entries:#?}");
    }
}

/// The lines up to the empty one.
async fn head(io: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    while io.read_line(&mut line).await.is_ok_and(|n| n > 2) {
        lines.push(std::mem::take(&mut line));
    }
    lines
}

/// Host by host, how the browser took the proxy for it.
type Met = Arc<Mutex<Vec<(String, Result<(), String>)>>>;

/// A proxy that looks into what goes to either host, and sends it to the origin.
async fn proxy(intercept: Arc<Intercept>, origin: u16) -> (SocketAddr, Met) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let met = Met::default();
    let log = met.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (intercept, log) = (intercept.clone(), log.clone());
            tokio::spawn(async move {
                let mut io = BufReader::new(socket);
                let asked = head(&mut io).await.first().cloned().unwrap_or_default();
                let host = asked.strip_prefix("CONNECT ").and_then(|a| a.split(':').next()).unwrap_or_default();
                if host != NAMED && host != OTHER {
                    // What a browser asks of its vendor.
                    return io.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
                }
                io.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                let taken = intercept.accept(io, host).await;
                let told = taken.as_ref().map(drop).map_err(ToString::to_string);
                log.lock().expect("not poisoned").push((host.to_owned(), told));
                let upstream = TcpStream::connect(("127.0.0.1", origin)).await?;
                let mut upstream = intercept.connect(upstream, host).await?;
                copy_bidirectional(&mut taken?, &mut upstream).await.map(drop)
            });
        }
    });
    (address, met)
}

/// A browser behind that proxy, which trusts its authority or not; `see` is done in it.
async fn with_browser(kind: Kind, trusts: bool, see: impl AsyncFnOnce(&Session, &Met, &Path)) {
    let (port, root) = origin().await;
    let intercept = Intercept::new(&[NAMED.to_owned()]).and_then(|i| i.with_roots(&[root])).expect("an interception");
    assert!(intercept.intercepts(NAMED) && !intercept.intercepts(OTHER));
    let intercept = Arc::new(intercept);
    let leash = Leash::start(Path::new(env!("CARGO_BIN_EXE_soundcheck")), "tls").await.expect("a leash");
    let dir = leash.dir().to_owned();
    let profile = match trusts {
        true => trust(&leash, kind, &intercept.certificate()).await.expect("certutil: run ci/setup"),
        false => None,
    };
    let (address, met) = proxy(intercept, port).await;
    let options = Options { proxy: Some(address), profile, ..Options::new(kind, &dir) };
    let driver = Driver::start(&leash, kind, None, BTreeMap::new()).await.expect("a driver");
    let (session, _notices) = Session::open(&driver.url, &options).await.expect("a session");
    see(&session, &met, &dir).await;
    leash.end().await.expect("all ended");
    assert!(!dir.exists(), "{} is still there", dir.display());
}

/// How the browser took the proxy for a host. It may have told the page before the proxy noticed.
async fn met(met: &Met, host: &str) -> Vec<Result<(), String>> {
    for _ in 0..500 {
        let all: Vec<_> =
            met.lock().expect("not poisoned").iter().filter(|m| m.0 == host).map(|m| m.1.clone()).collect();
        if !all.is_empty() {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Vec::new()
}

async fn takes_one_and_refuses_the_other(kind: Kind) {
    with_browser(kind, true, async |session, log, dir| {
        session.navigate(&format!("https://{NAMED}/"), Ready::Interactive, SHORT).await.expect("the page");
        let title = session.evaluate("document.title", false, SHORT).await.expect("a title");
        assert_eq!(title, "the origin's own page");
        assert!(met(log, NAMED).await.iter().any(Result::is_ok), "{kind}: it came through the interception");

        let ask = format!("fetch('https://{OTHER}/', {{mode: 'no-cors'}}).then(() => 'reached', () => 'refused')");
        let answer = session.evaluate(&ask, true, SHORT).await.expect("an answer");
        assert_eq!(answer, "refused", "{kind}");
        let handshakes = met(log, OTHER).await;
        assert!(!handshakes.is_empty() && handshakes.iter().all(Result::is_err), "{kind}: {handshakes:?}");
        session.navigate(&format!("https://{OTHER}/"), Ready::Interactive, SHORT).await.expect_err("no such page");

        assert!(!dir.join("authority.pem").exists(), "{kind}: the certificate's file is erased once it was read");
    })
    .await;
}

async fn refuses_without_being_told(kind: Kind) {
    with_browser(kind, false, async |session, log, _| {
        session.navigate(&format!("https://{NAMED}/"), Ready::Interactive, SHORT).await.expect_err("refused");
        let handshakes = met(log, NAMED).await;
        assert!(!handshakes.is_empty() && handshakes.iter().all(Result::is_err), "{kind}: {handshakes:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_takes_the_host_that_was_named_and_refuses_another() {
    takes_one_and_refuses_the_other(Kind::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_takes_the_host_that_was_named_and_refuses_another() {
    takes_one_and_refuses_the_other(Kind::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_was_not_told_to_trust_it_refuses_the_authority() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        refuses_without_being_told(kind).await;
    }
}
