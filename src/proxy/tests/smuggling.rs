//! Requests and responses that two readers could take differently: no crash, no hang, no desync.

use super::*;

/// A proxy before a server that keeps everything it reads, and answers nothing.
async fn recorded(sent: &[u8]) -> (String, String) {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    client.write(sent).await;
    client.socket.shutdown().await.expect("shuts");
    let got = tokio::time::timeout(Duration::from_millis(50), server.listener.accept()).await;
    let seen = match got {
        Ok(Ok((socket, _))) => within(Peer::new(socket).rest()).await.0,
        _ => String::new(),
    };
    drop(server);
    (seen, client.rest().await.0)
}

#[tokio::test]
async fn a_request_that_could_be_taken_differently_reaches_no_server() {
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n{body}");
    let smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut corpus = vec![
        // CL.TE, TE.CL, TE.TE.
        post("Content-Length: 6\r\nTransfer-Encoding: chunked", smuggled),
        post("Transfer-Encoding: chunked\r\nContent-Length: 4", smuggled),
        post("Content-Length: 5\r\nContent-Length: 6", "hello!"),
        post("Content-Length: 5, 6", "hello!"),
        post("Content-Length: 5, 5", "hello"),
        post("Content-Length: 5\r\nContent-Length: 5", "hello"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", smuggled),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", smuggled),
        // White space that is none of HTTP's.
        post("Transfer-Encoding: chunked\u{a0}", smuggled),
        post("Transfer-Encoding: \u{2003}chunked", smuggled),
        post("Content-Length: \u{a0}5", "hello"),
        post("Content-Length: 5\u{85}", "hello"),
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        // Line ends and spaces.
        "GET / HTTP/1.1\nHost: x\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 5\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n Host: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n folded\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nX\0: y\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n".to_owned(),
        "GET /\tHTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(),
        // Versions, methods, targets.
        "GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_owned(),
        "GET / http/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/11\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        "G ET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_owned(),
        // Fields that frame the message must not be taken out on the way.
        post("Content-Length: 5\r\nConnection: Content-Length", "hello"),
        post("Transfer-Encoding: chunked\r\nConnection: close, transfer-encoding", smuggled),
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: host\r\n\r\n".to_owned(),
    ];
    for value in [
        "xchunked",
        "chunked, identity",
        "identity",
        "",
        "\"chunked\"",
        "chunked;q=1",
        "chunk",
        "chunked\u{b}",
        "\u{c}chunked",
        "chunked,",
        "gzip",
    ] {
        corpus.push(post(&format!("Transfer-Encoding: {value}"), smuggled));
    }
    for value in ["+5", "-5", "5 5", "0x5", "5.0", "5e0", "٥", "", "99999999999999999999", "5;", "'5'", "5\u{b}"] {
        corpus.push(post(&format!("Content-Length: {value}"), "hello"));
    }
    for text in &corpus {
        let (seen, answer) = recorded(text.as_bytes()).await;
        assert_eq!(seen, "", "{text:?}");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{text:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{text:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_that_breaks_its_framing_takes_nothing_after_it_along() {
    for chunks in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "-1\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "10000000000000005\r\nhello\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "0\r\n\n",
        "0\n\r\n",
        "\r\n5\r\nhello\r\n",
        "5\r\n\r\nhello",
        "g\r\n",
    ] {
        let text = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let (seen, _) = recorded(text.as_bytes()).await;
        assert!(!seen.contains("GET /admin"), "{chunks:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_where_it_says_gives_way_to_the_next_request() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    let inner = "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n";
    let posts = format!(
        "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{inner}POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x};x\r\n{inner}\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
        inner.len(),
        inner.len()
    );
    client.write(&posts).await;
    let mut at_server = server.accept().await;
    for path in ["/1", "/2", "/3"] {
        assert!(at_server.head().await.contains(&format!(" {path} ")));
        match path {
            "/1" => drop(at_server.octets(inner.len()).await),
            "/2" => drop(at_server.octets(inner.len() + 13).await),
            _ => {}
        }
        at_server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 204"));
    }
    assert_eq!(rig.told("proxy_response", 3).await.len(), 3);
}

#[tokio::test]
async fn a_response_that_cannot_be_framed_passes_raw_and_ends_the_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "just some octets",
        "H",
        "<html>HTTP/0.9</html>",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello",
        "HTTP/1.1 204 No Content\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsplit!",
        "HTTP/1.1 200 OK\r\nConnection: close, content-length\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let server = Server::new().await;
        let rig = Rig::reverse(server.port).await;
        let mut client = rig.client().await;
        // The next request is already there: it must not be sent on after this.
        client.write("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut at_server = server.accept().await;
        at_server.head().await;
        at_server.write(answer).await;
        at_server.socket.shutdown().await.expect("shuts");
        assert_eq!(client.rest().await, (answer.to_owned(), Ok(())));
        assert_eq!(at_server.rest().await.0, "", "{answer:?}");
        assert_eq!(rig.told("upstream_violation", 1).await.len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_refused_and_holds_little() {
    let (_, answer) = recorded(format!("GET /{} HTTP/1.1\r\n", "x".repeat(300_000)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = "X: y\r\n".repeat(300);
    let (_, answer) = recorded(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    server.always(format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(200_000)));
    let mut client = rig.client().await;
    for _ in 0..2 {
        client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(client.head().await.len() > 200_000);
        assert_eq!(client.text(2).await, "ok");
    }
}
