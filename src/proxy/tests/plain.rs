//! Requests that no fault touches.

use super::*;
use std::time::Instant;

#[tokio::test]
async fn requests_of_one_connection_go_to_the_server_on_one_connection() {
    let server = Server::new().await;
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    let port = server.port;
    let ask = |path: &str| {
        format!("GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Odd:  1 \r\n\r\n")
    };
    client.write(ask("/a?b=1")).await;
    let mut at_server = server.accept().await;
    let wanted = format!("GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Odd:  1 \r\n\r\n");
    assert_eq!(at_server.head().await, wanted);
    let answer = "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-Odd:  1 \r\nETag: \"e\"\r\n\r\nhello";
    at_server.write(answer).await;
    assert_eq!(client.text(answer.len()).await, answer);
    // Two at once: the second waits for its turn.
    client.write(ask("/b") + &ask("/c")).await;
    assert!(at_server.head().await.starts_with("GET /b "));
    assert!(at_server.silent(Duration::from_millis(50)).await);
    at_server.write(answer).await;
    assert!(at_server.head().await.starts_with("GET /c "));
    at_server.write(answer).await;
    assert_eq!(client.text(2 * answer.len()).await, format!("{answer}{answer}"));
    let events = rig.told("proxy_response", 3).await;
    let of = |e: &Event| (e.number("request"), e.number("connection"), e.number("status"), e.number("bytes_sent"));
    assert_eq!(of(&events[0]), (Some(1.0), Some(1.0), Some(200.0), Some(5.0)));
    assert_eq!((events[0].text("ended"), events[0].text("etag")), (Some("whole"), Some("\"e\"")));
    assert_eq!(events[0].text("url"), Some(format!("http://127.0.0.1:{port}/a").as_str()));
    assert_eq!(events.iter().map(|e| e.flag("reused")).collect::<Vec<_>>(), [false, true, true]);
    assert!(events[0].number("connect_ms").is_some() && events[1].number("connect_ms").is_none());
}

#[tokio::test]
async fn a_connection_to_another_server_is_made_where_a_request_names_one() {
    let (one, two) = (Server::new().await, Server::new().await);
    let (first, second) = (one.port, two.port);
    one.always("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    two.always("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    for (port, body) in [(first, "1"), (second, "2"), (first, "1")] {
        client.write(format!("GET http://127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await;
        client.head().await;
        assert_eq!(client.text(1).await, body);
    }
}

#[tokio::test]
async fn every_framing_passes_octet_by_octet() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    let mut at_server = None;
    for (method, answer) in [
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nDigest: z\r\n\r\n"),
        (
            "GET",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ("GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
        ("GET", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nto the end"),
    ] {
        client.write(format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        if at_server.is_none() {
            at_server = Some(server.accept().await);
        }
        let peer = at_server.as_mut().expect("a connection");
        peer.head().await;
        for octet in answer.as_bytes().chunks(7) {
            peer.write(octet).await;
        }
        if answer.starts_with("HTTP/1.0") {
            at_server = None;
            assert_eq!(client.rest().await, (answer.to_owned(), Ok(())));
        } else {
            assert_eq!(client.text(answer.len()).await, answer);
        }
    }
    let events = rig.told("proxy_response", 7).await;
    assert!(events.iter().all(|e| e.text("ended") == Some("whole")), "{events:#?}");
    let sent: Vec<_> = events.iter().map(|e| e.number("bytes_sent").unwrap_or(-1.0)).collect();
    assert_eq!(sent, [3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 10.0]);
}

#[tokio::test]
async fn what_is_for_the_next_hop_alone_is_taken_out() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    let hop =
        "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n";
    client.write(format!("GET / HTTP/1.1\r\nHost: x\r\n{hop}Connection: X-Hop, keep-alive\r\n\r\n")).await;
    let mut at_server = server.accept().await;
    assert_eq!(at_server.head().await, "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    at_server.write("HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n").await;
    let wanted = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned();
    assert_eq!(client.rest().await, (wanted, Ok(())));
}

#[tokio::test]
async fn a_request_body_goes_on_while_the_response_comes_back() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    client.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    at_server.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("3\r\nabc\r\n").await;
    assert_eq!(at_server.text(8).await, "3\r\nabc\r\n");
    at_server.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxy").await;
    client.head().await;
    assert_eq!(client.text(2).await, "xy");
    client.write("0\r\nX: y\r\n\r\n").await;
    assert_eq!(at_server.text(11).await, "0\r\nX: y\r\n\r\n");
    at_server.write("z").await;
    assert_eq!(client.text(1).await, "z");
    client.write("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(at_server.head().await.starts_with("GET /next "));
}

/// How long after its head the one octet of a body comes that is sent a little later, milliseconds.
async fn apart(from: &mut Peer, to: &mut Peer, head: &str) -> u128 {
    from.write(head).await;
    to.head().await;
    let since = Instant::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    from.write("x").await;
    to.octets(1).await;
    since.elapsed().as_millis()
}

#[tokio::test]
async fn a_small_piece_goes_on_at_once_in_both_directions() {
    /// Who speaks in turns acknowledges late, by 40 ms; a kernel that waits for that holds the second small piece so long.
    const LATE: u128 = 30;
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut at_server = server.accept().await;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for turn in 0..20 {
        match turn {
            0 => drop(at_server.head().await),
            _ => up.push(
                apart(&mut client, &mut at_server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n").await,
            ),
        }
        down.push(apart(&mut at_server, &mut client, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n").await);
    }
    for (way, mut all) in [("up", up), ("down", down)] {
        all.sort_unstable();
        assert!(all[all.len() / 2] < LATE, "{way}: {all:?} ms");
    }
}

#[tokio::test]
async fn an_early_413_reaches_a_client_that_is_still_sending() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let mut client = rig.client().await;
    client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n").await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    client.write(vec![b'x'; 100_000]).await;
    at_server.write("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig").await;
    assert!(client.head().await.starts_with("HTTP/1.1 413"));
    assert_eq!(client.rest().await, ("big".to_owned(), Ok(())));
}

#[tokio::test]
async fn what_ends_the_servers_connection_ends_the_clients_the_same_way() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    // While idle.
    let mut client = rig.client().await;
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    at_server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
    drop(at_server);
    assert_eq!(client.rest().await, (String::new(), Ok(())));
    // Within a body, by FIN and by RST; before the head.
    for (sent, reset, wanted) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false, Ok(())),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, Err(std::io::ErrorKind::ConnectionReset)),
        ("", false, Ok(())),
        ("", true, Err(std::io::ErrorKind::ConnectionReset)),
    ] {
        let mut client = rig.client().await;
        client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut at_server = server.accept().await;
        at_server.head().await;
        at_server.write(sent).await;
        assert_eq!(client.text(sent.len()).await, sent);
        if reset {
            at_server.reset()
        } else {
            drop(at_server)
        }
        assert_eq!(client.rest().await, (String::new(), wanted), "{sent:?} {reset}");
    }
    let events = rig.told("proxy_response", 5).await;
    let ended: Vec<_> = events.iter().filter_map(|e| e.text("ended")).collect();
    assert_eq!(ended, ["whole", "upstream_cut", "upstream_cut", "upstream_cut", "upstream_cut"]);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_server() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"] {
        let mut client = rig.client().await;
        client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut at_server = server.accept().await;
        at_server.head().await;
        at_server.write(answer).await;
        client.text(answer.len()).await;
        drop(client);
        assert_eq!(at_server.rest().await.0, "");
        drop(at_server);
    }
    let events = rig.told("proxy_response", 2).await;
    assert!(events.iter().all(|e| e.text("ended") == Some("client_gone")), "{events:#?}");
}

#[tokio::test]
async fn the_canary_is_answered_seen_and_not_told_of() {
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    for ask in [
        "GET http://soundcheck.invalid/one HTTP/1.1\r\nHost: soundcheck.invalid\r\n\r\n",
        "GET http://a.example/.soundcheck/canary/two HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /.soundcheck/canary/three HTTP/1.1\r\nHost: whatever\r\n\r\n",
    ] {
        client.write(ask).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 204 ") && head.contains("Access-Control-Allow-Origin: *"), "{head}");
    }
    assert!(["one", "two", "three"].iter().all(|t| rig.proxy.saw(t)) && !rig.proxy.saw("four"));
    assert_eq!(rig.events("proxy_response"), []);
}

#[tokio::test]
async fn a_request_carries_the_trace_of_the_step_it_started_in() {
    let server = Server::new().await;
    let port = server.port;
    let rig = Rig::with(Route::Forward, |c| c.trace = vec![format!("127.0.0.1:{port}")]).await;
    let mut ids = crate::event::Ids {
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        session_id: Some("s1".into()),
        step: Some("one".into()),
        ..Default::default()
    };
    rig.now.set(&ids);
    let mut client = rig.client().await;
    client.write(format!("GET http://127.0.0.1:{port}/v.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await;
    let mut at_server = server.accept().await;
    let head = at_server.head().await;
    ids.step = Some("two".into());
    rig.now.set(&ids);
    at_server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
    let event = rig.told("video_proxy_response", 1).await.remove(0);
    let span = event.text("request_span_id").expect("a span");
    assert!(head.contains(&format!("\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-{span}-01\r\n")), "{head}");
    assert!(head.contains("\r\nbaggage: soundcheck.run_id=r,soundcheck.session_id=s1\r\n"), "{head}");
    assert_eq!(event.ids.step.as_deref(), Some("one"));
    let hash = crate::event::url_hash(&format!("http://127.0.0.1:{port}/v.mp4"));
    assert_eq!(event.ids.media_url_hash, Some(hash));
    // Its own is kept, and other hosts get none.
    client
        .write(format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTraceparent: own\r\n\r\n"))
        .await;
    let head = at_server.head().await;
    assert!(head.contains("Traceparent: own") && !head.contains("traceparent: 00"), "{head}");
}

#[tokio::test]
async fn every_port_of_a_host_is_traced_and_who_is_of_the_trace_already_is_named() {
    let server = Server::new().await;
    let port = server.port;
    let rig = Rig::with(Route::Forward, |c| c.trace = vec!["127.0.0.1:*".into()]).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    rig.now.set(&crate::event::Ids { trace_id: Some(trace.into()), ..Default::default() });
    let mut client = rig.client().await;
    let mut at_server = None;
    let another = format!("00-{}-00000000000000d1-01", "1".repeat(32));
    let all = [
        (String::new(), None, None),
        (format!("traceparent: 00-{trace}-00000000000000d1-01\r\n"), Some("00000000000000d1"), None),
        (format!("traceparent: {another}\r\n"), None, Some(another.as_str())),
        (format!("traceparent: {another}-more\r\n"), None, None),
        (format!("traceparent: 00-{trace}\r\n"), None, None),
    ];
    for (n, (said, parent, of_another)) in all.into_iter().enumerate() {
        let request = format!("GET http://127.0.0.1:{port}/a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{said}\r\n");
        client.write(request).await;
        if at_server.is_none() {
            at_server = Some(server.accept().await);
        }
        let at_server = at_server.as_mut().expect("a connection");
        let head = at_server.head().await;
        at_server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
        client.head().await;
        let events = rig.told("proxy_response", n + 1).await;
        let event = events.last().expect("one");
        assert_eq!((event.text("parent_span_id"), event.text("traceparent")), (parent, of_another), "{said}");
        let span = event.text("request_span_id").expect("a span");
        assert_eq!(head.contains(span), said.is_empty(), "{head}");
        assert!(head.contains("traceparent: 00-") && head.contains("baggage: "), "{head}");
    }
}

#[tokio::test]
async fn nothing_listens_after_the_end_and_no_connection_stays() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let address = rig.proxy.address();
    let mut client = rig.client().await;
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    let Rig { proxy, log, folder, .. } = rig;
    drop(proxy);
    assert_eq!(client.rest().await.0, "");
    assert_eq!(at_server.rest().await.0, "");
    within(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    // What went on is told all the same.
    log.sync().expect("syncs");
    let text = std::fs::read_to_string(folder.path().join("events.jsonl")).expect("reads");
    assert!(text.contains("\"ended\":\"play_over\""), "{text}");
}

#[tokio::test]
async fn the_apps_own_media_proxy_is_told_as_such_and_how_long_it_was_silent() {
    let server = Server::new().await;
    let authority = format!("127.0.0.1:{}", server.port);
    let own = format!("http://{authority}/api/video-proxy");
    let rig = Rig::with(Route::Forward, |config| config.media_proxy = Some(own)).await;
    for path in ["/api/video-proxy?url=x", "/api/video-proxy/a", "/api/video-proxies"] {
        let mut client = rig.client().await;
        let range = if path.ends_with("ies") { "Range: bytes=0-\r\n" } else { "" };
        client.write(format!("GET http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\n{range}\r\n")).await;
        let mut at_server = server.accept().await;
        at_server.head().await;
        let sent = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        at_server.write(sent).await;
        assert_eq!(client.text(sent.len()).await, sent);
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(at_server);
        assert_eq!(client.rest().await, (String::new(), Ok(())));
    }
    let events = rig.told("video_proxy_response", 3).await;
    assert_eq!(events.iter().map(|e| e.flag("app_proxy")).collect::<Vec<_>>(), [true, true, false]);
    for event in &events {
        let silent = event.number("silent_ms").expect("it was silent");
        // 200 ms by the server; a busy machine lets the proxy see the last octet late, and so less of them.
        let all = event.number("ms").expect("a time");
        assert!(100.0 < silent && silent <= all, "{silent} of {all}");
    }
}
