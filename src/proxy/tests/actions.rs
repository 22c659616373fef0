//! Every action, carried out.

use super::wants::*;
use super::*;
use crate::fault::{Action, Answer, Cut, Edit, Framing, Mangle, Point, at};
use std::io::ErrorKind::ConnectionReset;
use std::time::Instant;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6;x\r\n456789\r\n0\r\nX: y\r\n\r\n";

#[tokio::test]
async fn a_cut_at_each_point_ends_as_it_says() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    for (point, sent) in [
        (Point::Head, String::new()),
        (Point::Body(0), head.to_owned()),
        (Point::Body(4), format!("{head}0123")),
        (Point::End, format!("{head}0123456789")),
    ] {
        for cut in [Cut::Fin, Cut::Rst, Cut::Silence] {
            let rig = rig(&ten(), vec![on_response(vec![at(point, Action::Cut(cut))])]).await;
            let mut client = rig.client().await;
            client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
            assert_eq!(client.text(sent.len()).await, sent, "{point:?} {cut:?}");
            match cut {
                Cut::Fin => assert_eq!(client.rest().await, (String::new(), Ok(())), "{point:?}"),
                Cut::Rst => assert_eq!(client.rest().await, (String::new(), Err(ConnectionReset)), "{point:?}"),
                Cut::Silence => assert!(client.silent(Duration::from_millis(30)).await, "{point:?}"),
            }
            let told = &rig.told("fault_applied", 1).await[0];
            assert_eq!((told.text("fault"), told.text("path")), (Some("f"), Some("/a")));
            drop(client);
            let event = &rig.told("proxy_response", 1).await[0];
            assert_eq!(event.text("ended"), Some("fault"), "{event:?}");
            assert_eq!(rig.proxy.tally()[0].applied, 1);
        }
    }
}

#[tokio::test]
async fn before_the_request_a_cut_reaches_no_server() {
    for (cut, ended) in [(Cut::Fin, Ok(())), (Cut::Rst, Err(ConnectionReset))] {
        for rule in [
            on_request(vec![at(Point::Request, Action::Cut(cut))]),
            on_accept(vec![at(Point::Accept, Action::Cut(cut))]),
        ] {
            // Nobody listens there: a connection would be refused and answered with 502.
            let rig = Rig::reverse(1).await;
            rig.proxy.arm(Armed { rules: vec![rule], ..Armed::default() });
            assert_eq!(get(&rig).await, (String::new(), ended));
            assert_eq!(rig.told("fault_applied", 1).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_reset_comes_after_what_was_sent_before_it() {
    let body = "x".repeat(3_000_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let rig = rig(&answer, vec![on_response(vec![at(Point::Body(2_000_000), Action::Cut(Cut::Rst))])]).await;
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    let (got, end) = client.rest().await;
    assert_eq!((got.len(), end), (2_000_000, Err(ConnectionReset)));
}

#[tokio::test]
async fn a_cut_beyond_the_end_was_not_applied_and_may_fire_again() {
    let mut beyond = on_response(vec![at(Point::Body(10), Action::Cut(Cut::Rst))]);
    beyond.times = Some(1);
    let rig = rig(&ten(), vec![beyond]).await;
    let mut client = rig.client().await;
    for _ in 0..2 {
        assert_eq!(get_of(&mut client, 10).await.1, "0123456789");
    }
    let tally = &rig.proxy.tally()[0];
    assert_eq!((tally.requests, tally.matched, tally.applied), (2, 2, 0));
    assert_eq!(rig.events("fault_applied"), []);
}

#[tokio::test]
async fn waits_hold_what_comes_later() {
    let wait = Action::Wait(Duration::from_millis(60));
    for rule in [
        on_accept(vec![at(Point::Accept, wait.clone())]),
        on_request(vec![at(Point::Request, wait.clone())]),
        on_response(vec![at(Point::Head, wait.clone())]),
        on_response(vec![at(Point::Body(5), wait.clone())]),
        on_response(vec![at(Point::End, wait.clone()), at(Point::End, Action::Cut(Cut::Fin))]),
        on_accept(vec![at(Point::Sent(20), wait.clone())]),
    ] {
        let rig = rig(&ten(), vec![rule]).await;
        let mut client = rig.client().await;
        let start = Instant::now();
        assert_eq!(get_of(&mut client, 10).await.1, "0123456789");
        client.write("GET /b HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let _ = within(client.try_head()).await;
        assert!((60..5000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_held_ends_the_exchange() {
    let wait = Action::Wait(Duration::from_secs(60));
    for rule in [
        on_request(vec![at(Point::Request, wait.clone())]),
        on_response(vec![at(Point::Head, wait.clone())]),
        on_response(vec![at(Point::Body(5), wait.clone())]),
        on_response(vec![at(Point::Body(5), Action::Pace { bytes: 1, variation: 0, every: Duration::from_secs(60) })]),
    ] {
        let rig = rig(&ten(), vec![rule]).await;
        let mut client = rig.client().await;
        client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
        rig.told("fault_applied", 1).await;
        drop(client);
        assert_eq!(rig.told("proxy_response", 1).await[0].text("ended"), Some("client_gone"));
    }
}

#[tokio::test]
async fn heads_are_edited_both_ways() {
    let server = Server::new().await;
    let rig = Rig::reverse(server.port).await;
    let set = |name: &str, value: &str| Edit::Set(name.into(), value.into());
    let fault = Wants {
        request: vec![
            at(Point::Request, Action::Edit(Edit::Remove("Range".into()))),
            at(Point::Request, Action::Prepare(set("X", "y"))),
        ],
        response: vec![
            at(Point::Head, Action::Edit(Edit::Start(b"HTTP/1.1 206 Odd".to_vec()))),
            at(Point::Head, Action::Edit(Edit::Line(b"no colon".to_vec()))),
        ],
        ..Wants::default()
    };
    rig.proxy.arm(Armed { rules: vec![rule("f", fault)], ..Armed::default() });
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\n\r\n").await;
    let mut at_server = server.accept().await;
    assert_eq!(at_server.head().await, "GET /a HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n");
    at_server.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 206 Odd\r\nContent-Length: 0\r\nno colon\r\n\r\n");
    let event = &rig.told("video_proxy_response", 1).await[0];
    assert_eq!((event.number("status"), event.text("range")), (Some(206.0), Some("bytes=0-")));
}

#[tokio::test]
async fn an_edit_that_prepares_is_no_firing() {
    let prepare = Action::Prepare(Edit::Remove("X".into()));
    let rig = rig(&ten(), vec![on_request(vec![at(Point::Request, prepare)])]).await;
    get_of(&mut rig.client().await, 10).await;
    assert_eq!(rig.proxy.tally()[0].applied, 0);
}

#[tokio::test]
async fn an_answer_comes_in_the_servers_place() {
    let answer = |status| {
        let fields = vec![("Retry-After".to_owned(), "5".to_owned())];
        on_request(vec![at(Point::Request, Action::Answer(Answer { status, fields, body: b"busy".to_vec() }))])
    };
    let rig = Rig::reverse(1).await;
    rig.proxy.arm(Armed { rules: vec![answer(503)], ..Armed::default() });
    let mut client = rig.client().await;
    for _ in 0..2 {
        let (head, body) = get_of(&mut client, 4).await;
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\nDate: ") && head.contains(" GMT\r\n"), "{head}");
        assert!(head.ends_with("\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\n"), "{head}");
        assert_eq!(body, "busy");
    }
    client.write("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.head().await.contains("Content-Length: 4"));
    rig.proxy.arm(Armed { rules: vec![answer(204)], ..Armed::default() });
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!client.head().await.contains("Content-Length"));
    // What a client goes on sending does not become a request.
    client.write("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nGET / HTT").await;
    assert!(client.head().await.contains("Connection: close"));
    assert_eq!(client.rest().await, (String::new(), Ok(())));
    let events = rig.told("proxy_response", 5).await;
    assert!(events.iter().all(|e| e.text("ended") == Some("fault")), "{events:#?}");
}

#[tokio::test]
async fn octets_are_put_in_left_out_and_spoilt() {
    let mangle = |to, how| Action::Mangle { to, how, first: 0 };
    for (steps, wanted) in [
        (vec![at(Point::Body(3), Action::Insert(b"ab".to_vec())), at(Point::Body(3), Action::Skip(2))], "012ab56789"),
        (vec![at(Point::Body(0), Action::Skip(4)), at(Point::End, Action::Insert(b"wxyz".to_vec()))], "456789wxyz"),
        (vec![at(Point::Body(2), mangle(4, Mangle::Zero))], "01\x00\x00456789"),
        (vec![at(Point::Body(2), mangle(6, Mangle::Swap))], "0132546789"),
        (
            vec![
                at(Point::Body(0), Action::Insert(b"9876543210".to_vec())),
                at(Point::Body(0), Action::Skip(u64::MAX)),
            ],
            "9876543210",
        ),
    ] {
        let rig = rig(&ten(), vec![on_response(steps.clone())]).await;
        let mut client = rig.client().await;
        // Twice: the length fits, so the connection stays.
        for _ in 0..2 {
            assert_eq!(get_of(&mut client, 10).await.1, wanted, "{steps:?}");
        }
    }
    let steps = vec![at(Point::Body(2), mangle(8, Mangle::Flip { every: 3 }))];
    let rig = rig(&ten(), vec![on_response(steps)]).await;
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    let got = client.octets(10).await;
    let differ: Vec<usize> = (0..10).filter(|n| got[*n] != b"0123456789"[*n]).collect();
    assert_eq!(differ, [3, 6]);
}

#[tokio::test]
async fn bodies_are_framed_anew() {
    let remove = |name: &str| at(Point::Head, Action::Edit(Edit::Remove(name.into())));
    let set = |name: &str, value: &str| at(Point::Head, Action::Edit(Edit::Set(name.into(), value.into())));
    let frame = |framing| at(Point::Head, Action::Frame(framing));
    let chunks = |framing| vec![remove("Content-Length"), set("Transfer-Encoding", "chunked"), frame(framing)];
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    // Chunks stay, and the connection with them.
    let one = rig(&ten(), vec![on_response(chunks(Framing::Chunked))]).await;
    let mut client = one.client().await;
    for _ in 0..2 {
        assert_eq!(get_of(&mut client, 20).await, (head.to_owned(), "a\r\n0123456789\r\n0\r\n\r\n".to_owned()));
    }
    let unended = rig(&ten(), vec![on_response(chunks(Framing::ChunkedUnended))]).await;
    assert_eq!(get(&unended).await, (format!("{head}a\r\n0123456789\r\n"), Ok(())));
    let close = rig(&ten(), vec![on_response(vec![remove("Content-Length"), frame(Framing::Close)])]).await;
    assert_eq!(get(&close).await, ("HTTP/1.1 200 OK\r\n\r\n0123456789".to_owned(), Ok(())));
    // A length that is not what comes: the connection cannot stay.
    for told in ["15", "4"] {
        let lie = rig(&ten(), vec![on_response(vec![set("Content-Length", told), frame(Framing::Length)])]).await;
        let wanted = format!("HTTP/1.1 200 OK\r\nContent-Length: {told}\r\n\r\n0123456789");
        assert_eq!(get(&lie).await, (wanted, Ok(())));
    }
    // Chunks that came are taken apart and put together again, trailers and all.
    let steps = vec![at(Point::Body(2), Action::Insert(b"ab".to_vec()))];
    let again = rig(CHUNKED, vec![on_response(steps)]).await;
    let mut client = again.client().await;
    let body = "2\r\n01\r\n2\r\nab\r\n2\r\n23\r\n6\r\n456789\r\n0\r\nX: y\r\n\r\n";
    for _ in 0..2 {
        assert_eq!(get_of(&mut client, body.len()).await.1, body);
    }
    let raw = vec![at(Point::Body(4), Action::Raw(b"oops\r\n".to_vec())), at(Point::Body(4), Action::Cut(Cut::Fin))];
    let bad = rig(CHUNKED, vec![on_response(raw)]).await;
    assert_eq!(get(&bad).await, (format!("{head}4\r\n0123\r\noops\r\n"), Ok(())));
}

#[tokio::test]
async fn a_body_is_truly_compressed() {
    use std::io::Read;
    let steps = vec![
        at(Point::Head, Action::Edit(Edit::Remove("Content-Length".into()))),
        at(Point::Head, Action::Frame(Framing::Close)),
        at(Point::Head, Action::Gzip),
    ];
    let rig = rig(&ten(), vec![on_response(steps)]).await;
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    let mut zipped = Vec::new();
    within(client.socket.read_to_end(&mut zipped)).await.expect("reads");
    let zipped = [std::mem::take(&mut client.read), zipped].concat();
    let mut plain = String::new();
    flate2::read::GzDecoder::new(zipped.as_slice()).read_to_string(&mut plain).expect("gzip");
    assert_eq!(plain, "0123456789");
}

#[tokio::test]
async fn a_pace_lets_a_little_through_at_a_time() {
    let pace = |bytes, ms| Action::Pace { bytes, variation: 0, every: Duration::from_millis(ms) };
    let rig =
        rig(&ten(), vec![on_response(vec![at(Point::Body(4), pace(2, 20)), at(Point::Body(8), Action::FULL_SPEED)])])
            .await;
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    let mut sizes = Vec::new();
    let start = Instant::now();
    while sizes.iter().sum::<usize>() < 10 {
        if client.read.is_empty() {
            within(client.socket.read_buf(&mut client.read)).await.expect("reads");
        }
        sizes.push(std::mem::take(&mut client.read).len());
    }
    assert!(start.elapsed() >= Duration::from_millis(20), "{:?}", start.elapsed());
    assert!(sizes.len() >= 2 && sizes.iter().all(|n| *n <= 6), "{sizes:?}");
}

#[tokio::test]
async fn a_connection_carries_so_much_and_no_more() {
    for whole in [true, false] {
        let steps = vec![at(Point::Sent(70), Action::Cut(Cut::Rst))];
        let rule = if whole { on_accept(steps) } else { on_request(steps) };
        let rig = rig(&ten(), vec![rule]).await;
        let mut client = rig.client().await;
        // 49 octets each.
        get_of(&mut client, 10).await;
        client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (got, end) = client.rest().await;
        assert_eq!((got.len(), end), (70 - 49, Err(ConnectionReset)), "{got}");
    }
}

#[tokio::test]
async fn an_end_is_told_late() {
    let rule = on_accept(vec![at(Point::Close, Action::Wait(Duration::from_millis(60)))]);
    let rig = rig("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", vec![rule]).await;
    let mut client = rig.client().await;
    client.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await;
    assert!(client.silent(Duration::from_millis(30)).await);
    assert_eq!(client.rest().await, (String::new(), Ok(())));
}
