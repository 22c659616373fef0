//! A stage on a free port, and clients as a page is one.

use std::path::PathBuf;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::*;
use crate::defect;

/// How long anything may take to come; and how long nothing must come to be nothing.
const SOON: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(200);

/// The address of a stage with these defects, whose logins last for `life`.
async fn stage_with(defects: &[&str], life: Duration) -> String {
    let second = "http://127.0.0.1:9".to_owned();
    let stage = Arc::new(Stage {
        defects: Defects::new(defects.iter().map(|name| defect::named(name).expect("in the table"))),
        mode: telemetry::Mode::Full,
        clips: PathBuf::new(),
        hydra: PathBuf::new(),
        users: users::Users::open(life).expect("a database"),
        rooms: Rooms::open().expect("a database"),
        store: telemetry::Store::default(),
        metrics: Arc::default(),
        proxy: crate::proxy::Proxy::new(&second, 0, SOON, None).expect("a client"),
        second,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, crate::routes(stage)).await });
    address
}

async fn stage(defects: &[&str]) -> String {
    stage_with(defects, Duration::from_secs(60)).await
}

/// Posts JSON and gives the status, the cookie that was set and the text.
async fn post_to(stage: &str, path: &str, cookie: &str, body: Value) -> (u16, String, String) {
    let request = reqwest::Client::new().post(format!("http://{stage}{path}")).header("cookie", cookie).json(&body);
    let answer = request.send().await.expect("an answer");
    let cookie = answer.headers().get("set-cookie").map(|c| c.to_str().expect("text").to_owned());
    let cookie = cookie.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
    (answer.status().as_u16(), cookie, answer.text().await.expect("text"))
}

async fn guest(stage: &str) -> String {
    let (status, cookie, _) =
        post_to(stage, "/api/guest/join", "", json!({ "roomId": "main", "guestName": "Kim" })).await;
    assert_eq!(status, 200);
    cookie
}

async fn listener(stage: &str) -> String {
    let who = json!({ "username": "listener", "password": "listener-pass" });
    let (status, cookie, _) = post_to(stage, "/api/login", "", who).await;
    assert_eq!(status, 200);
    cookie
}

/// A page's socket.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(stage: &str, room: &str, cookie: &str) -> std::result::Result<Self, u16> {
        let mut request = format!("ws://{stage}/ws?room={room}").into_client_request().expect("a request");
        request.headers_mut().insert("cookie", cookie.parse().expect("a header"));
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(e) => panic!("{e}"),
        }
    }

    /// In the main room, past the resync.
    async fn enter(stage: &str, cookie: &str) -> Self {
        let mut client = Self::connect(stage, "main", cookie).await.expect("a socket");
        assert_eq!(client.next().await["resync"], true);
        client
    }

    async fn send(&mut self, kind: &str, id: &str, payload: Value) {
        let message = json!({ "type": kind, "payload": payload, "meta": { "id": id } }).to_string();
        self.0.send(message.into()).await.expect("sent");
    }

    async fn add(&mut self, id: &str) {
        self.send("server/QUEUE_ADD", id, json!({ "songId": "s9" })).await;
    }

    async fn next(&mut self) -> Value {
        let message = tokio::time::timeout(SOON, self.0.next()).await.expect("in time").expect("a message");
        serde_json::from_str(message.expect("whole").to_text().expect("text")).expect("JSON")
    }

    async fn quiet(&mut self) -> bool {
        tokio::time::timeout(QUIET, self.0.next()).await.is_err()
    }

    /// Whether the socket ends without a goodbye.
    async fn breaks(&mut self) -> bool {
        let end = tokio::time::timeout(SOON, self.0.next()).await.expect("in time");
        !matches!(end, Some(Ok(_)))
    }
}

fn ack(kind: &str, id: &str) -> Value {
    json!({ "type": format!("{kind}_SUCCESS"), "meta": { "id": id } })
}

fn songs(push: &Value) -> usize {
    push["payload"]["result"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_command_is_acknowledged_to_its_sender_and_told_to_everybody() {
    let stage = stage(&[]).await;
    let (mut one, mut other) =
        (Client::enter(&stage, &guest(&stage).await).await, Client::enter(&stage, &listener(&stage).await).await);
    let mut elsewhere = Client::connect(&stage, "other", &guest(&stage).await).await.expect("a socket");
    elsewhere.next().await;
    one.add("a").await;
    assert_eq!(one.next().await, ack("server/QUEUE_ADD", "a"));
    let push = one.next().await;
    assert_eq!((&push["applied"], &push["payload"]["version"]), (&json!(["a"]), &json!(2)));
    let added = push["payload"]["result"][3].clone();
    assert_eq!(push["payload"]["entities"][added.to_string()]["songId"], "s9");
    assert_eq!(push.get("resync"), None);
    assert_eq!(other.next().await, push);
    assert!(elsewhere.quiet().await);
    one.send("server/QUEUE_MOVE", "b", json!({ "queueId": added, "prevQueueId": -1 })).await;
    assert_eq!(one.next().await, ack("server/QUEUE_MOVE", "b"));
    assert_eq!(other.next().await["payload"]["result"], json!([added, 1, 2, 3]));
}

#[tokio::test]
async fn a_command_sent_again_after_a_reconnect_is_acknowledged_and_not_applied_again() {
    let stage = stage(&[]).await;
    let cookie = guest(&stage).await;
    let mut client = Client::enter(&stage, &cookie).await;
    client.add("a").await;
    client.next().await;
    client.next().await;
    let (status, ..) = post_to(&stage, "/api/room/drop?room=main", &cookie, json!({})).await;
    assert_eq!(status, 204);
    assert!(client.breaks().await);
    let mut client = Client::connect(&stage, "main", &cookie).await.expect("a socket");
    let resync = client.next().await;
    assert_eq!((&resync["resync"], &resync["applied"], songs(&resync)), (&json!(true), &json!([]), 4));
    client.add("a").await;
    assert_eq!(client.next().await, ack("server/QUEUE_ADD", "a"));
    assert!(client.quiet().await);
}

#[tokio::test]
async fn only_ones_own_sockets_are_dropped() {
    let stage = stage(&[]).await;
    let mut other = Client::enter(&stage, &listener(&stage).await).await;
    post_to(&stage, "/api/room/drop?room=main", &guest(&stage).await, json!({})).await;
    assert!(other.quiet().await);
    assert_eq!(post_to(&stage, "/api/room/drop?room=main", "", json!({})).await.0, 401);
}

#[tokio::test]
async fn a_room_wants_a_login_and_a_name() {
    let stage = stage(&[]).await;
    assert_eq!(Client::connect(&stage, "main", "").await.err(), Some(401));
    let cookie = guest(&stage).await;
    assert_eq!(Client::connect(&stage, "a%20room", &cookie).await.err(), Some(404));
    for (room, cookie, wanted) in [("main", &*cookie, 200), ("main", "", 401), ("no~room", &*cookie, 404)] {
        assert_eq!(post_to(&stage, &format!("/api/rooms/{room}/join"), cookie, json!({})).await.0, wanted, "{room}");
    }
    let join = |room: &str, name: &str| json!({ "roomId": room, "guestName": name });
    assert_eq!(post_to(&stage, "/api/guest/join", "", join("no room", "Kim")).await.0, 404);
    assert_eq!(post_to(&stage, "/api/guest/join", "", join("main", " ")).await.0, 400);
    let wrong = json!({ "username": "listener", "password": "wrong" });
    assert_eq!(post_to(&stage, "/api/login", "", wrong).await.0, 401);
}

#[tokio::test]
async fn a_guest_is_refused_what_is_anothers_unless_the_check_is_missing() {
    for (defects, wanted) in
        [(&[][..], "server/QUEUE_REMOVE_ERROR"), (&["role-missing"], "server/QUEUE_REMOVE_SUCCESS")]
    {
        let stage = stage(defects).await;
        let mut client = Client::enter(&stage, &guest(&stage).await).await;
        client.send("server/QUEUE_REMOVE", "a", json!({ "queueId": 1 })).await;
        let said = client.next().await;
        assert_eq!((&said["type"], &said["meta"]["id"]), (&json!(wanted), &json!("a")));
        assert_eq!(said["error"] == "not allowed", defects.is_empty());
    }
}

#[tokio::test]
async fn a_login_lasts_while_it_is_renewed_and_commands_end_with_it() {
    let stage = stage_with(&[], Duration::from_secs(2)).await;
    let cookie = listener(&stage).await;
    let mut client = Client::enter(&stage, &cookie).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(post_to(&stage, "/api/refresh", &cookie, json!({})).await.0, 200);
    }
    client.add("a").await;
    assert_eq!(client.next().await, ack("server/QUEUE_ADD", "a"));
    client.next().await;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    client.add("b").await;
    assert_eq!(client.next().await["error"], "not logged in");
    assert_eq!(post_to(&stage, "/api/refresh", &cookie, json!({})).await.0, 401);
    assert_eq!(post_to(&stage, "/api/refresh", "", json!({})).await.0, 401);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_the_socket_stays() {
    let stage = stage(&[]).await;
    let mut client = Client::enter(&stage, &guest(&stage).await).await;
    client.0.send("no json".into()).await.expect("sent");
    assert_eq!(client.next().await["type"], "server/ERROR");
    client.send("server/QUEUE_SHUFFLE", "a", json!({})).await;
    assert_eq!(client.next().await["error"], "no such command");
    client.add("b").await;
    assert_eq!(client.next().await, ack("server/QUEUE_ADD", "b"));
}

#[tokio::test]
async fn over_the_limit_commands_are_refused_and_then_the_socket_breaks() {
    let stage = stage(&[]).await;
    let mut client = Client::enter(&stage, &guest(&stage).await).await;
    for number in 0..100 {
        let remove = json!({ "type": "server/QUEUE_REMOVE", "payload": { "queueId": 99 }, "meta": { "id": number.to_string() } });
        // The socket breaks at some point of it.
        if client.0.send(remove.to_string().into()).await.is_err() {
            break;
        }
    }
    let (mut obeyed, mut refused) = (0, 0);
    while let Ok(Some(Ok(message))) = tokio::time::timeout(QUIET, client.0.next()).await {
        let said: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        match said["error"].as_str() {
            Some("too many commands") => refused += 1,
            _ => obeyed += 1,
        }
    }
    assert!((10..20).contains(&obeyed), "{obeyed}");
    assert_eq!(refused, 49);
}

#[tokio::test]
async fn a_defect_of_the_queue_is_what_its_row_says() {
    let add = ack("server/QUEUE_ADD", "b");
    for (defect, refused, pushed) in [("queue-lost", false, false), ("queue-rejects", true, false)] {
        let stage = stage(&[defect]).await;
        let mut client = Client::enter(&stage, &guest(&stage).await).await;
        client.add("a").await;
        client.next().await;
        client.next().await;
        client.add("b").await;
        assert_eq!((client.next().await == add, client.quiet().await), (!refused, !pushed), "{defect}");
    }

    let silent = stage(&["queue-no-ack"]).await;
    let mut client = Client::enter(&silent, &guest(&silent).await).await;
    client.add("a").await;
    assert_eq!(client.next().await["applied"], json!(["a"]));
    assert!(client.quiet().await);

    let twice = stage(&["queue-duplicates"]).await;
    let cookie = guest(&twice).await;
    let mut client = Client::enter(&twice, &cookie).await;
    client.add("a").await;
    client.next().await;
    client.next().await;
    client.add("b").await;
    assert_eq!(client.next().await["applied"], json!(["b"]));
    assert!(client.breaks().await);
    let mut client = Client::connect(&twice, "main", &cookie).await.expect("a socket");
    assert_eq!(songs(&client.next().await), 5);
    client.add("b").await;
    assert_eq!(client.next().await, add);
    assert_eq!(songs(&client.next().await), 6);

    let vanish = stage(&["queue-limit-silent"]).await;
    let mut client = Client::enter(&vanish, &guest(&vanish).await).await;
    for number in 0..15 {
        client.add(&number.to_string()).await;
    }
    let mut acked = 0;
    while let Ok(Some(Ok(message))) = tokio::time::timeout(QUIET, client.0.next()).await {
        let text = message.to_text().expect("text");
        assert!(!text.contains("too many"), "{text}");
        acked += u32::from(text.contains("_SUCCESS"));
    }
    assert!((10..15).contains(&acked), "{acked}");
}

#[tokio::test]
async fn a_defect_of_the_resync_strikes_who_comes_back() {
    for (defect, wanted) in [("room-no-resync", None), ("room-stale-resync", Some(3))] {
        let stage = stage(&[defect]).await;
        let cookie = guest(&stage).await;
        let mut client = Client::enter(&stage, &cookie).await;
        client.add("a").await;
        client.next().await;
        client.next().await;
        drop(client);
        let mut again = Client::connect(&stage, "main", &cookie).await.expect("a socket");
        match wanted {
            None => assert!(again.quiet().await, "{defect}"),
            Some(wanted) => assert_eq!(songs(&again.next().await), wanted, "{defect}"),
        }
    }
}

#[tokio::test]
async fn a_defect_of_the_users_is_what_its_row_says() {
    let stage = stage(&["join-broken", "refresh-broken", "library-slow"]).await;
    let join = json!({ "roomId": "main", "guestName": "Kim" });
    assert_eq!(post_to(&stage, "/api/guest/join", "", join).await.0, 500);
    let cookie = listener(&stage).await;
    assert_eq!(post_to(&stage, "/api/rooms/main/join", &cookie, json!({})).await.0, 500);
    assert_eq!(post_to(&stage, "/api/refresh", &cookie, json!({})).await.0, 500);
    let search = reqwest::Client::new().get(format!("http://{stage}/api/library?q=osprey")).header("cookie", cookie);
    let answer = search.send().await.expect("an answer");
    let timing = answer.headers()["server-timing"].to_str().expect("text").to_owned();
    let ms: f64 = timing.strip_prefix("total;dur=").expect("a duration").parse().expect("a number");
    assert!(ms >= 1000.0, "{ms}");
    let found: Value = answer.json().await.expect("JSON");
    assert_eq!(found["songs"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn the_library_is_for_who_is_logged_in() {
    let stage = stage(&[]).await;
    let answer = reqwest::get(format!("http://{stage}/api/library")).await.expect("an answer");
    assert_eq!(answer.status(), 401);
}
