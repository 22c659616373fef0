//! What an app tells of itself by POST and beacon is told on, and passes as it came.

use super::*;
use crate::event::Origin;
use serde_json::{Value, json};

/// Sends a request with this body and answers it; what came to the server.
async fn pass(rig: &Rig, server: &Server, lead: &str, body: &str, status: &str) -> String {
    let authority = format!("127.0.0.1:{}", server.port);
    let (method, path) = lead.split_once(' ').expect("a method and a path");
    let mut client = rig.client().await;
    client.write(format!("{method} http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\n")).await;
    client.write(format!("Content-Length: {}\r\n\r\n", body.len())).await;
    for part in body.as_bytes().chunks(7) {
        client.write(part).await;
    }
    let mut at_server = server.accept().await;
    at_server.head().await;
    let came = at_server.text(body.len()).await;
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    at_server.write(&answer).await;
    assert_eq!(client.text(answer.len()).await, answer);
    came
}

#[tokio::test]
async fn the_apps_own_events_are_told_as_it_said_them_and_pass_as_they_came() {
    let server = Server::new().await;
    let own = format!("http://127.0.0.1:{}/api/telemetry", server.port);
    let rig = Rig::with(Route::Forward, |config| config.telemetry = Some(own)).await;
    let batch = r#"{"events":[{"event":"socket_connect","session_id":"p","n":1},{"event":"socket_resync"}]}"#;
    assert_eq!(pass(&rig, &server, "POST /api/telemetry?x=1", batch, "200 OK").await, batch);
    assert_eq!(pass(&rig, &server, "POST /api/telemetry/ingest", "no json", "413 Too Large").await, "no json");
    for elsewhere in ["POST /api/telemetries", "PUT /api/telemetry"] {
        assert_eq!(pass(&rig, &server, elsewhere, batch, "200 OK").await, batch);
    }

    rig.told("proxy_response", 4).await;
    let mut sent = rig.events("app_telemetry_sent");
    // Each is told when its connection is done with it.
    sent.sort_by_key(|e| e.fields["request"].as_u64());
    let of = |name: &str| sent.iter().map(|e| e.fields[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), [json!(200), json!(413)]);
    assert_eq!(of("events"), [json!(2), json!(null)]);
    assert_eq!((of("ended"), of("error")), (vec![json!("whole"); 2], vec![json!(null); 2]));
    let told = rig.events("socket_connect");
    assert_eq!((told.len(), told[0].source, told[0].text("via")), (1, Origin::App, Some("beacon")));
    assert_eq!(told[0].fields["app"], json!({ "session_id": "p", "n": 1 }));
    assert_eq!(rig.events("socket_resync").len(), 1);
}

#[tokio::test]
async fn what_an_app_says_to_nobody_is_told_with_what_became_of_it() {
    let batch = r#"{"events":[{"event":"socket_connect","session_id":"p"}]}"#;
    for there in [false, true] {
        let server = Server::new().await;
        let authority = format!("127.0.0.1:{}", server.port);
        let own = format!("http://{authority}/api/telemetry");
        let rig = Rig::with(Route::Forward, |config| config.telemetry = Some(own)).await;
        let server = Some(server).filter(|_| there);
        let mut client = rig.client().await;
        client.write(format!("POST http://{authority}/api/telemetry HTTP/1.1\r\nHost: {authority}\r\n")).await;
        client.write(format!("Content-Length: {}\r\n\r\n", batch.len())).await;
        for part in batch.as_bytes().chunks(7) {
            client.write(part).await;
        }
        let mut hears = None;
        match &server {
            // It hears all of it, and says nothing.
            Some(server) => {
                let at_server = hears.insert(server.accept().await);
                at_server.head().await;
                assert_eq!(at_server.text(batch.len()).await, batch);
                client.reset();
            }
            None => assert!(client.head().await.starts_with("HTTP/1.1 502 ")),
        }
        let sent = rig.told("app_telemetry_sent", 1).await.remove(0);
        assert_eq!((&sent.fields["status"], sent.number("events")), (&Value::Null, Some(1.0)));
        assert_eq!(sent.text("ended"), Some(if there { "client_gone" } else { "upstream_cut" }));
        assert_eq!(sent.text("error").is_some(), !there, "{:?}", sent.fields);
        let told = rig.told("socket_connect", 1).await;
        assert_eq!((told[0].source, &told[0].fields["request"]), (Origin::App, &sent.fields["request"]));
    }
}

#[tokio::test]
async fn what_an_app_says_when_the_play_ends_is_told() {
    let server = Server::new().await;
    let authority = format!("127.0.0.1:{}", server.port);
    let own = format!("http://{authority}/api/telemetry");
    let Rig { proxy, log, folder, .. } = Rig::with(Route::Forward, |config| config.telemetry = Some(own)).await;
    let mut client = Peer::to(proxy.address()).await;
    let lead = format!("POST http://{authority}/api/telemetry HTTP/1.1\r\nHost: {authority}\r\n");
    client.write(format!("{lead}Content-Length: 22\r\n\r\n[{{\"event\":\"a_thing\"}}]\n")).await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    at_server.octets(22).await;
    drop(proxy);
    within(async {
        loop {
            log.sync().expect("syncs");
            let text = std::fs::read_to_string(folder.path().join("events.jsonl")).expect("reads");
            if text.contains("app_telemetry_sent") && text.contains("a_thing") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
