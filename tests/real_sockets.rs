//! What page and server say to each other, seen in real browsers on a small page that knows nothing of the monitor: the
//! probe changes nothing that a page could notice, each of the playbook's events comes, and what goes wrong is noticed.

mod common;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use common::{BROWSERS, Play, ending};
use serde_json::{Value, json};
use std::collections::HashMap;

const PAGE: &str = r##"<!doctype html><title>A room</title><p id="who"></p><p id="left"></p><p id="log"></p>
<button id="add">add</button><button id="drop">drop</button><button id="forbidden">forbidden</button>
<button id="enter">enter</button><script>
const mode = location.search;
const log = [];
let socket;
function open() {
  // A class of its own, as libraries have.
  class Own extends WebSocket { constructor(url) { super(url); this.mine = true; } }
  socket = new Own(`ws://${location.host}/ws${mode}`);
  socket.onopen = () => log.push("open");
  socket.addEventListener("message", (e) => log.push(JSON.parse(e.data).type));
  socket.onclose = (e) => { log.push(e.code); setTimeout(open, 50); };
}
const tell = (type) => socket.send(JSON.stringify({ type, meta: { id: crypto.randomUUID() } }));
document.getElementById("add").onclick = () => tell("ADD");
document.getElementById("forbidden").onclick = () => tell("REMOVE");
document.getElementById("drop").onclick = () => tell("DROP");
document.getElementById("enter").onclick = async () => {
  await fetch("/api/login", { method: "POST" });
  document.getElementById("who").dataset.user = "u1";
  await fetch("/api/rooms/blue/join", { method: "POST" });
  await fetch("/api/refresh", { method: "POST" });
  await fetch("/api/library?q=x");
};
open();
// What a page may rely on.
const thrown = (f) => { try { f(); return "nothing"; } catch (e) { return e.name; } };
setTimeout(() => {
  const early = new WebSocket(`ws://${location.host}/ws${mode}`);
  const facts = [
    WebSocket.name === "WebSocket", WebSocket.length === 1, WebSocket.OPEN === 1, early.CLOSED === 3,
    socket instanceof WebSocket, socket.mine, socket.constructor.name === "Own", early.constructor === WebSocket,
    WebSocket.prototype.constructor === WebSocket, Object.getPrototypeOf(early) === WebSocket.prototype,
    /native code/.test(WebSocket), /native code/.test(WebSocket.prototype.send), /native code/.test(WebSocket.prototype.close),
    WebSocket.prototype.send.name === "send", WebSocket.prototype.send.length === 1,
    thrown(() => WebSocket("ws://x")) === "TypeError", thrown(() => new WebSocket("nonsense:")) === "SyntaxError",
    thrown(() => early.send("x")) === "InvalidStateError", thrown(() => early.close(7)) === "InvalidAccessError",
    thrown(() => WebSocket.prototype.send.call({}, "x")) === "TypeError",
    Object.keys(early).length === 0, log.join() === "open,STATE",
  ];
  const wrong = facts.findIndex((fact) => !fact);
  document.getElementById("left").textContent = wrong < 0 ? "as it was" : "not as it was: " + wrong + " " + log;
  early.onopen = () => early.close();
  early.onclose = () => { if (wrong < 0) document.getElementById("left").id = "intact"; };
}, 1000);
</script>"##;

const APP: &str = r##"
base = "http://127.0.0.1:PORT"
[read]
room = "js:new URLSearchParams(location.search).get('room')"
user = "#who@data-user"
[socket]
path = "/ws"
id = "meta.id"
sent = ["ADD", "REMOVE"]
ack = ["*_SUCCESS"]
rejected = ["*_ERROR"]
applied = "applied"
resync = ["STATE"]
[auth]
login = "/api/login"
refresh = "/api/refresh"
[room]
join = "/api/rooms/*/join"
[library]
path = "/api/library"
[word]
"open the room" = [{ open = "/MODE" }, { wait = "#intact" }]
"log in" = [{ click = "#enter" }]
"add to the queue" = [{ click = "#add" }]
"lose the connection" = [{ click = "#drop" }]
"remove what is another's" = [{ click = "#forbidden" }]
"##;

const JOURNEY: &str = r#"
question = "Do commands arrive once each?"
[[step]]
do = "open the room"
expect = "resync"
[[step]]
do = "log in"
expect = "signed in"
stay = "1s"
[[step]]
do = "add to the queue"
times = 2
expect = "applied"
give_up = "4s"
[[step]]
do = "lose the connection"
expect = "resync"
give_up = "4s"
[[step]]
do = "remove what is another's"
expect = "refused"
give_up = "4s"
"#;

async fn serve_socket(mut socket: WebSocket, odd: String) {
    let state = json!({ "type": "STATE", "applied": [] }).to_string();
    // Mute: who comes back is told nothing. It asks as often as the page was loaded and cut off.
    static OPENED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let nth = OPENED.fetch_add(u32::from(odd == "mute"), std::sync::atomic::Ordering::Relaxed);
    if odd != "mute" || nth < 2 {
        let _ = socket.send(Message::text(state)).await;
    }
    while let Some(Ok(message)) = socket.recv().await {
        let Ok(text) = message.to_text() else { continue };
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let kind = asked["type"].as_str().unwrap_or_default();
        let refuse = kind == "REMOVE";
        if kind == "DROP" {
            return;
        }
        if !["ADD", "REMOVE"].contains(&kind) {
            continue;
        }
        let answer = if refuse { "ERROR" } else { "SUCCESS" };
        let answer = json!({ "type": format!("{kind}_{answer}"), "meta": asked["meta"], "error": "guests may not" });
        let _ = socket.send(Message::text(answer.to_string())).await;
        if !refuse {
            let times = if odd == "twice" { 2 } else { 1 };
            for _ in 0..times {
                let push = json!({ "type": "PUSH", "applied": [asked["meta"]["id"]] });
                let _ = socket.send(Message::text(push.to_string())).await;
            }
        }
    }
}

async fn upgrade(Query(asked): Query<HashMap<String, String>>, socket: WebSocketUpgrade) -> Response {
    let odd = asked.get("odd").cloned().unwrap_or_default();
    socket.on_upgrade(|socket| serve_socket(socket, odd))
}

async fn join(Path(_): Path<String>) -> Json<Value> {
    Json(json!({}))
}

/// Serves page and socket; the port.
fn serve() -> u16 {
    let (send, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let app = Router::new()
                .route("/", get(|| async { Html(PAGE) }))
                .route("/ws", get(upgrade))
                .route("/api/login", post(|| async { "" }))
                .route("/api/refresh", post(|| async { (StatusCode::SERVICE_UNAVAILABLE, "") }))
                .route("/api/rooms/{id}/join", post(join))
                .route(
                    "/api/library",
                    get(|| async {
                        ([(header::HeaderName::from_static("server-timing"), "total;dur=12.5")], "[]").into_response()
                    }),
                );
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            send.send(listener.local_addr().expect("an address").port()).expect("told");
            axum::serve(listener, app).await.expect("served");
        });
    });
    port.recv().expect("a port")
}

fn play(odd: &str) -> Play {
    let mut play = Play::on_stage(&[]);
    play.app = APP.replace("PORT", &serve().to_string()).replace("MODE", &format!("?room=green&odd={odd}"));
    play.journey = JOURNEY.to_owned();
    play.args = vec!["--retries".into(), "0".into()];
    play
}

#[test]
fn a_page_notices_nothing_and_every_event_comes() {
    for browser in BROWSERS {
        let play = play("");
        let (verdict, _) = play.run(browser);
        assert_eq!(ending(&verdict).0, "passed", "{browser}: {verdict:#}");
        let events = play.events();
        let named = |name: &str| events.iter().filter(|e| e["event"] == name).collect::<Vec<_>>();
        for name in
            ["auth_login_start", "auth_login_success", "room_join_start", "room_join_success", "socket_reconnect"]
        {
            assert_eq!(named(name).len(), 1, "{name} in {browser}");
        }
        // The page's second socket is one of its own.
        let connects: Vec<&str> = named("socket_connect").iter().filter_map(|e| e["socket"].as_str()).collect();
        assert_eq!(connects, ["/ws", "/ws 2"], "{browser}");
        assert!(named("socket_disconnect").iter().any(|e| e["socket"] == "/ws" && e["clean"] == false), "{browser}");
        for name in ["queue_cmd_sent", "queue_cmd_ack", "queue_cmd_applied"] {
            let ids: Vec<&Value> = named(name).iter().filter(|e| e["must"].is_null()).map(|e| &e["cmd_id"]).collect();
            assert_eq!(ids.len(), 2, "{name} in {browser}");
            assert!(ids.iter().all(|id| id.is_string()), "{name} in {browser}");
        }
        assert_eq!(named("queue_cmd_rejected")[0]["must"], "be refused");
        assert_eq!(named("permission_check")[0]["ok"], true);
        let (refresh, library) = (named("auth_login_refresh"), named("library_response"));
        assert_eq!((&refresh[0]["ok"], &refresh[0]["status"]), (&false.into(), &503.into()), "{browser}");
        assert_eq!((library.len(), &library[0]["server_ms"]), (1, &12.5.into()), "{browser}");
        // Whose they are, as the page tells; the room a request names is that one's.
        assert_eq!(named("room_join_start")[0]["room_id"], "blue");
        let sent = named("queue_cmd_sent")[0];
        assert_eq!(
            (&sent["room_id"], &sent["user_id"], &sent["preset_id"]),
            (&"green".into(), &"u1".into(), &Value::Null)
        );
        assert_eq!(named("auth_login_start")[0]["user_id"], Value::Null, "nobody was signed in yet");
        assert!(named("queue_cmd_sent").iter().all(|e| e["source"] == "browser"), "{browser}");
        let objective = |name: &str| {
            let all = verdict["objectives"].as_array().expect("objectives");
            all.iter().find(|o| o["name"] == name).unwrap_or_else(|| panic!("{name}: {verdict:#}")).clone()
        };
        for (name, samples) in [
            ("queue.apply", 2),
            ("queue.lost", 2),
            ("queue.duplicates", 2),
            ("queue.reconcile", 1),
            ("queue.library", 1),
            ("users.login", 1),
            ("users.join_room", 1),
            ("users.permissions", 1),
            ("users.token_refresh", 1),
        ] {
            assert_eq!(objective(name)["samples"], samples, "{name} in {browser}");
        }
        assert_eq!(objective("users.token_refresh")["verdict"], "breached", "{browser}");
    }
}

#[test]
fn what_a_server_does_wrong_fails_the_step_that_met_it() {
    for (odd, browser, words) in [
        ("twice", "chromium", "ADD was applied twice"),
        ("mute", "firefox", "lose the connection: the socket came back, and brought no state"),
    ] {
        let (verdict, done) = play(odd).run(browser);
        let (ending, reason) = ending(&verdict);
        assert_eq!(ending, "failed", "{odd} in {browser}: {verdict:#}");
        assert!(reason.contains(words), "{odd} in {browser}: {reason}");
        assert_eq!(done.status.code(), Some(1), "{odd} in {browser}");
    }
}
