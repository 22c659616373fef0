//! What an app tells of itself by POST and beacon is told on, and passes as it came.

use super::*;
use crate::event::Origin;
use serde_json::json;

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
    let sent = rig.events("app_telemetry_sent");
    let of = |name: &str| sent.iter().map(|e| e.fields[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), [json!(200), json!(413)]);
    assert_eq!(of("events"), [json!(2), json!(null)]);
    let told = rig.events("socket_connect");
    assert_eq!((told.len(), told[0].source, told[0].text("via")), (1, Origin::App, Some("beacon")));
    assert_eq!(told[0].fields["app"], json!({ "session_id": "p", "n": 1 }));
    assert_eq!(rig.events("socket_resync").len(), 1);
}
