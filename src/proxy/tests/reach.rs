//! Not an open proxy.

use super::*;

#[tokio::test]
async fn no_trick_reaches_what_is_not_named() {
    let secret = Server::new().await;
    let named = Server::new().await;
    let (inside, outside) = (secret.port, named.port);
    secret.always("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    named.always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let reach = Reach { named: vec![format!("127.0.0.1:{outside}")], public: true };
    let rig = Rig::with(Route::Forward, |c| c.reach = reach).await;
    let own = rig.proxy.address().port();
    let hosts: Vec<String> = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.2",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0177.0.0.01",
        "127.0.0.1.",
        "127.000.000.001",
        "127.0.0.1%00",
        "127.0.0.1%2f",
        "127.0.0.1%20",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[::1%25lo]",
        "[fc00::1]",
        "[ff02::1]",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "255.255.255.255",
        "224.0.0.1",
        "user@127.0.0.1",
        "127.0.0.1@8.8.8.8",
        "8.8.8.8@127.0.0.1",
        "a:b@127.0.0.1",
        "8.8.8.8#@127.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "ｌｏｃａｌｈｏｓｔ",
        "127.0.0.1\\@8.8.8.8",
        "8.8.8.8\\.127.0.0.1",
        "127.0.0.1..",
        ".127.0.0.1",
        "[127.0.0.1]",
        "::1",
        "127.0.0.1:80",
    ]
    .into_iter()
    .map(|h| format!("{h}:{inside}"))
    .chain([
        format!("127.0.0.1:{outside}@127.0.0.1:{inside}"),
        format!("127.0.0.1:{own}"),
        format!("localhost:{own}"),
        "127.0.0.1:0".to_owned(),
        format!("127.0.0.1:+{inside}"),
        format!("127.0.0.1:0{inside}"),
        "127.0.0.1:".to_owned(),
    ])
    .collect();
    let mut passed = Vec::new();
    for host in &hosts {
        for ask in [
            format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET http://127.0.0.1:{outside}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET //{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET HTTP:{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET ftp://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET http:/{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET http://127.0.0.1:{outside}\\@{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        ] {
            let mut client = rig.client().await;
            client.write(&ask).await;
            let head = client.head().await;
            if !["HTTP/1.1 403 ", "HTTP/1.1 400 "].iter().any(|s| head.starts_with(s)) {
                passed.push(format!("{ask:?} -> {head:?}"));
            }
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
    // And what is named is reached.
    let mut client = rig.client().await;
    client.write(format!("GET http://127.0.0.1:{outside}/ HTTP/1.1\r\nHost: 127.0.0.1:{outside}\r\n\r\n")).await;
    client.head().await;
    assert_eq!(client.text(2).await, "ok");
    assert!(rig.events("proxy_refused").len() > hosts.len());
}

#[tokio::test]
async fn a_server_that_is_down_is_a_502_and_the_connection_stays() {
    let rig = Rig::forward().await;
    let closed = Server::new().await.port;
    let mut client = rig.client().await;
    for _ in 0..2 {
        client.write(format!("GET http://127.0.0.1:{closed}/ HTTP/1.1\r\nHost: 127.0.0.1:{closed}\r\n\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
        let length =
            head.split("Content-Length: ").nth(1).and_then(|l| l.split('\r').next()?.parse().ok()).expect("a length");
        assert!(client.text(length).await.contains("refused"));
    }
    let event = &rig.told("proxy_response", 2).await[0];
    assert_eq!(event.text("ended"), Some("upstream_cut"));
}

#[tokio::test]
async fn tunnels_carry_anything_both_ways() {
    let server = Server::new().await;
    let port = server.port;
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    client.write(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    let mut at_server = server.accept().await;
    client.write(b"\x16\x03\x01 not really TLS").await;
    assert_eq!(at_server.octets(18).await, b"\x16\x03\x01 not really TLS");
    at_server.write("GET / HTTP/1.1\r\n").await;
    assert_eq!(client.text(16).await, "GET / HTTP/1.1\r\n");
    // Each half ends by itself.
    client.socket.shutdown().await.expect("shuts");
    assert_eq!(at_server.rest().await, (String::new(), Ok(())));
    at_server.write("late").await;
    assert_eq!(client.text(4).await, "late");
    drop(at_server);
    assert_eq!(client.rest().await, (String::new(), Ok(())));
    assert_eq!(rig.proxy.tunnelled(), [format!("127.0.0.1:{port}")]);
    let event = &rig.told("proxy_response", 1).await[0];
    assert_eq!((event.text("method"), event.number("bytes_sent")), (Some("CONNECT"), Some(20.0)));
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    let server = Server::new().await;
    let port = server.port;
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    client.write(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await;
    client.head().await;
    let mut at_server = server.accept().await;
    at_server.write("220 ready\r\n").await;
    assert_eq!(client.text(11).await, "220 ready\r\n");
    client.write("EHLO x\r\n").await;
    assert_eq!(at_server.text(8).await, "EHLO x\r\n");
}

#[tokio::test]
async fn plain_http_in_a_tunnel_is_looked_into_and_websockets_pass() {
    let server = Server::new().await;
    let port = server.port;
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    client.write(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await;
    client.head().await;
    let ask = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for octet in ask.as_bytes().chunks(3) {
        client.write(octet).await;
    }
    let mut at_server = server.accept().await;
    assert_eq!(at_server.head().await, ask);
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x01\x02early";
    at_server.write(answer).await;
    assert_eq!(client.text(answer.len()).await, answer);
    client.write("\x01\x02echo").await;
    assert_eq!(at_server.text(6).await, "\x01\x02echo");
    at_server.write("\x01\x02back").await;
    assert_eq!(client.text(6).await, "\x01\x02back");
    at_server.reset();
    assert_eq!(client.rest().await, (String::new(), Err(std::io::ErrorKind::ConnectionReset)));
    let event = &rig.told("proxy_response", 1).await[0];
    assert_eq!((event.number("status"), event.text("ended")), (Some(101.0), Some("upstream_cut")));
    assert_eq!(event.text("url"), Some(format!("http://127.0.0.1:{port}/ws").as_str()));
    assert_eq!(rig.proxy.tunnelled(), [""; 0]);
}
