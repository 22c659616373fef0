//! Playbooks: what the probe and the browser tell, and the events that come of it.

use super::*;
use crate::browser::notice::Notice;
use crate::browser::probe;
use serde_json::json;

fn place(text: &str) -> Dotted {
    text.parse().expect("a place")
}

fn list(types: &[&str]) -> Vec<String> {
    types.iter().map(|t| (*t).to_owned()).collect()
}

fn socket() -> Socket {
    Socket {
        path: "/ws".into(),
        kind: place("type"),
        id: place("meta.id"),
        error: place("error"),
        sent: list(&["server/QUEUE_*"]),
        ack: list(&["*_SUCCESS"]),
        rejected: list(&["*_ERROR"]),
        resync: list(&["queue/PUSH"]),
        applied: Some(place("applied")),
        entries: Some(place("payload.*.cmdId")),
        version: Some(place("version")),
    }
}

fn places() -> Places {
    Places::new("http://127.0.0.1:4700", &[])
}

/// The sockets of an app, and what each message to them came to: event and fields, without those that are null.
struct Book {
    sockets: Sockets,
    t: f64,
}

impl Book {
    fn new(socket: Option<Socket>) -> Self {
        let declared = Declared { socket, asked: Vec::new() };
        Self { sockets: Sockets::new(&declared, &places()), t: 0.0 }
    }

    fn see(&mut self, message: probe::Socket) -> Vec<String> {
        self.t += 1.0;
        self.sockets.take(self.t, message).iter().map(shown).collect()
    }

    fn new_at(&mut self, id: &str, url: &str) -> Vec<String> {
        let told = self.see(probe::Socket {
            ev: "new".into(),
            id: id.into(),
            url: Some(url.into()),
            ..probe::Socket::default()
        });
        assert!(told.is_empty(), "{told:?}");
        self.see(probe::Socket { ev: "open".into(), id: id.into(), ..probe::Socket::default() })
    }

    fn open(&mut self, id: &str) -> Vec<String> {
        self.new_at(id, "ws://127.0.0.1:4700/ws?room=a")
    }

    fn close(&mut self, id: &str, own: bool) -> Vec<String> {
        self.see(probe::Socket { ev: "close".into(), id: id.into(), own, code: Some(1006), ..probe::Socket::default() })
    }

    fn said(&mut self, ev: &str, id: &str, text: &str) -> Vec<String> {
        self.see(probe::Socket { ev: ev.into(), id: id.into(), text: Some(text.into()), ..probe::Socket::default() })
    }

    fn sent(&mut self, message: &Value) -> Vec<String> {
        self.said("sent", "1", &message.to_string())
    }

    fn got(&mut self, message: &Value) -> Vec<String> {
        self.said("got", "1", &message.to_string())
    }
}

/// An event's name, and of its fields what says which command or socket it is about and how.
fn shown(told: &Told) -> String {
    let keys = ["socket", "clean", "cmd_id", "reason", "must", "status", "server_ms", "ok", "error"];
    let value = |key: &&str| {
        let value = &told.fields[*key];
        (!value.is_null())
            .then(|| format!(" {key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    };
    format!("{}{}", told.event, keys.iter().filter_map(value).collect::<String>())
}

fn add(id: &str) -> Value {
    json!({ "type": "server/QUEUE_ADD", "payload": {}, "meta": { "id": id } })
}

fn push(applied: &[&str]) -> Value {
    json!({ "type": "queue/PUSH", "payload": {}, "applied": applied })
}

#[test]
fn a_command_is_followed_until_it_is_applied() {
    let mut book = Book::new(Some(socket()));
    assert_eq!(book.open("1"), ["socket_connect socket=/ws"]);
    assert_eq!(book.got(&push(&[])), ["socket_resync socket=/ws"]);
    assert_eq!(book.sent(&add("a")), ["queue_cmd_sent socket=/ws cmd_id=a"]);
    let ack = json!({ "type": "server/QUEUE_ADD_SUCCESS", "meta": { "id": "a" } });
    assert_eq!(book.got(&ack), ["queue_cmd_ack socket=/ws cmd_id=a"]);
    assert_eq!(
        book.got(&push(&["a", "b"])),
        ["queue_cmd_applied socket=/ws cmd_id=a", "queue_cmd_applied socket=/ws cmd_id=b"]
    );
    assert_eq!(book.got(&push(&["a"])), ["queue_cmd_applied socket=/ws cmd_id=a"], "once more");
    let error = json!({ "type": "server/QUEUE_ADD_ERROR", "meta": { "id": "c" }, "error": "full" });
    assert_eq!(book.got(&error), ["queue_cmd_rejected socket=/ws cmd_id=c reason=full"]);
    // What is no command, or nothing that can be read, is nothing.
    assert!(book.sent(&json!({ "type": "server/PLAYER_REQ_PLAY" })).is_empty());
    assert!(book.got(&json!({ "type": "library/PUSH" })).is_empty() && book.said("got", "1", "hello").is_empty());
}

#[test]
fn a_socket_that_is_cut_off_comes_back_and_one_that_is_left_is_closed_on_purpose() {
    let mut book = Book::new(Some(socket()));
    book.open("1");
    book.got(&push(&["a"]));
    assert_eq!(book.close("1", false), ["socket_disconnect socket=/ws clean=false"]);
    let failed = probe::Socket { ev: "close".into(), id: "2".into(), ..probe::Socket::default() };
    let new = probe::Socket {
        ev: "new".into(),
        id: "2".into(),
        url: Some("ws://127.0.0.1:4700/ws".into()),
        ..probe::Socket::default()
    };
    assert!(book.see(new).is_empty());
    assert_eq!(book.see(failed), ["socket_failed socket=/ws"]);
    assert_eq!(book.open("3"), ["socket_reconnect socket=/ws"]);
    // What the state brings along was told before; what is new in it was not.
    assert_eq!(
        book.said("got", "3", &push(&["a", "b"]).to_string()),
        ["socket_resync socket=/ws", "queue_cmd_applied socket=/ws cmd_id=b"]
    );
    assert!(book.said("got", "3", &push(&[]).to_string()).is_empty(), "once after a connect");
    assert_eq!(book.open("4"), ["socket_connect socket=/ws 2"], "a second one at the same time");
    assert_eq!(book.close("4", true), ["socket_disconnect socket=/ws 2 clean=true"]);
    let left: Vec<String> = book.sockets.left(9.0).iter().map(shown).collect();
    assert_eq!(left, ["socket_disconnect socket=/ws clean=true"]);
    assert_eq!(book.open("5"), ["socket_connect socket=/ws"], "another page");
    // Firefox cuts off what a page leaves, before it is left; what was down for long before was no part of that.
    book.close("5", false);
    assert_eq!(book.sockets.left(book.t + 100.0).len(), 1);
    book.open("6");
    book.close("6", false);
    assert!(book.sockets.left(book.t + 5000.0).is_empty());
}

#[test]
fn two_entries_of_one_command_are_two_applications_whoever_heard_of_them() {
    let mut book = Book::new(Some(socket()));
    book.open("1");
    let entries = |ids: &[&str], applied: &[&str]| {
        let entries: Vec<Value> = ids.iter().map(|id| json!({ "cmdId": id })).collect();
        json!({ "type": "queue/PUSH", "payload": entries, "applied": applied })
    };
    book.got(&entries(&["x"], &[]));
    assert_eq!(book.got(&entries(&["x", "a"], &["a"])), ["queue_cmd_applied socket=/ws cmd_id=a"]);
    assert_eq!(book.got(&entries(&["x", "a", "a"], &[])), ["queue_cmd_applied socket=/ws cmd_id=a"], "the second time");
    assert!(book.got(&entries(&["x", "a", "a"], &[])).is_empty());
    // The first time was not heard of.
    assert_eq!(
        book.got(&entries(&["x", "a", "a", "b", "b"], &["b"])),
        ["queue_cmd_applied socket=/ws cmd_id=b", "queue_cmd_applied socket=/ws cmd_id=b"]
    );
}

#[test]
fn an_older_state_brings_nothing() {
    let mut book = Book::new(Some(socket()));
    book.open("1");
    let state = |version: u32| json!({ "type": "queue/PUSH", "version": version }).to_string();
    assert_eq!(book.said("got", "1", &state(7)), ["socket_resync socket=/ws"]);
    book.close("1", false);
    book.open("2");
    assert!(book.said("got", "2", &state(5)).is_empty());
    assert_eq!(book.said("got", "2", &state(8)), ["socket_resync socket=/ws"]);
}

#[test]
fn a_socket_that_is_not_declared_is_told_and_not_followed() {
    let mut book = Book::new(Some(socket()));
    assert_eq!(
        book.new_at("9", "wss://metrics.example/live?token=x"),
        ["socket_connect socket=wss://metrics.example/live"]
    );
    assert!(book.said("got", "9", &push(&["a"]).to_string()).is_empty());
    for (id, url, declared) in [("8", "wss://metrics.example/live", false), ("1", "ws://127.0.0.1:4700/ws", true)] {
        let open = probe::Socket { ev: "open".into(), id: id.into(), ..probe::Socket::default() };
        let close = probe::Socket { ev: "close".into(), id: id.into(), ..probe::Socket::default() };
        let new = probe::Socket { ev: "new".into(), id: id.into(), url: Some(url.into()), ..probe::Socket::default() };
        let told: Vec<Told> = [new, open, close].into_iter().flat_map(|m| book.sockets.take(1.0, m)).collect();
        assert!(told.len() == 2 && told.iter().all(|t| t.fields["declared"] == declared), "{told:?}");
    }
    let mut book = Book::new(None);
    assert_eq!(book.open("1"), ["socket_connect socket=/ws"]);
    assert!(book.sent(&add("a")).is_empty());
}

#[test]
fn what_must_be_refused_is_marked_as_long_as_it_is_spoken_of() {
    let mut book = Book::new(Some(socket()));
    book.open("1");
    book.sockets.refusing(true);
    assert_eq!(book.sent(&add("a")), ["queue_cmd_sent socket=/ws cmd_id=a must=be refused"]);
    book.sockets.refusing(false);
    let error = json!({ "type": "server/QUEUE_ADD_ERROR", "meta": { "id": "a" }, "error": "guests may not" });
    assert_eq!(book.got(&error), ["queue_cmd_rejected socket=/ws cmd_id=a reason=guests may not must=be refused"]);
    assert_eq!(book.got(&push(&["a"]))[1], "queue_cmd_applied socket=/ws cmd_id=a must=be refused");
}

#[test]
fn an_answer_of_socket_io_is_known_by_its_number() {
    let declared = Socket { applied: None, entries: None, resync: Vec::new(), ..socket() };
    let mut book = Book::new(Some(declared));
    book.open("1");
    assert_eq!(
        book.said("sent", "1", r#"427["action",{"type":"server/QUEUE_ADD"}]"#),
        ["queue_cmd_sent socket=/ws cmd_id=1 7"]
    );
    // Where nothing names what was applied, the acknowledgement says it.
    assert_eq!(
        book.said("got", "1", r#"437[{"type":"server/QUEUE_ADD_SUCCESS"}]"#),
        ["queue_cmd_ack socket=/ws cmd_id=1 7", "queue_cmd_applied socket=/ws cmd_id=1 7"]
    );
}

fn requests() -> Requests {
    let asked = [
        (What::Login, "/api/login"),
        (What::Login, "/login"),
        (What::Refresh, "/api/refresh"),
        (What::Join, "/api/rooms/*/join"),
        (What::Library, "/api/library"),
        (What::Guarded, "DELETE /api/rooms/*"),
        (What::Login, "/api/guest"),
        (What::Join, "/api/guest"),
    ];
    let asked = asked.map(|(what, text)| Asked::new(what, text).expect("a request")).to_vec();
    Requests::new(&Declared { socket: None, asked }, &places())
}

fn request(method: &str, path: &str, redirects: u64) -> Notice {
    Notice::Request {
        id: "r".into(),
        method: method.into(),
        url: format!("http://127.0.0.1:4700{path}"),
        redirects,
        at_epoch_ms: 0.0,
        context: None,
    }
}

fn response(status: u64, headers: &[(&str, &str)], from_cache: bool) -> Notice {
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let url = "http://127.0.0.1:4700/any".into();
    Notice::Response { id: "r".into(), url, status, headers, mime: String::new(), from_cache, at_epoch_ms: 20.0 }
}

fn broken(why: &str) -> Notice {
    Notice::FetchError { id: "r".into(), url: String::new(), error_text: why.into(), at_epoch_ms: 20.0 }
}

#[test]
fn a_request_is_what_the_app_file_calls_it() {
    let (ok, no) = (response(200, &[], false), response(401, &[], false));
    let timed = [("server-timing", "db;dur=1, total;dur=12.5")];
    let search = request("GET", "/api/library?q=x", 0);
    for (asked, answered, wanted) in [
        (request("POST", "/api/login", 0), &ok, vec!["auth_login_start", "auth_login_success status=200 ok=true"]),
        (request("POST", "/api/login", 0), &no, vec!["auth_login_start", "auth_login_failure status=401 ok=false"]),
        (request("GET", "/login", 0), &ok, vec![]),
        (request("POST", "/elsewhere", 0), &ok, vec![]),
        // A form's answer leads on, or back.
        (
            request("POST", "/login", 0),
            &response(303, &[("location", "/player")], false),
            vec!["auth_login_start", "auth_login_success status=303 ok=true"],
        ),
        (
            request("POST", "/login", 0),
            &response(303, &[("location", "/login?again=1")], false),
            vec!["auth_login_start", "auth_login_failure status=303 ok=false"],
        ),
        (
            request("POST", "/login", 0),
            &request("GET", "/player", 1),
            vec!["auth_login_start", "auth_login_success status=302 ok=true"],
        ),
        (
            request("POST", "/api/login", 0),
            &broken("net::ERR_CONNECTION_RESET"),
            vec!["auth_login_start", "auth_login_failure ok=false error=net::ERR_CONNECTION_RESET"],
        ),
        (
            request("POST", "/api/guest", 0),
            &no,
            vec![
                "auth_login_start",
                "room_join_start",
                "auth_login_failure status=401 ok=false",
                "room_join_failure status=401 ok=false",
            ],
        ),
        (request("POST", "/api/refresh", 0), &no, vec!["auth_login_refresh status=401 ok=false"]),
        (request("POST", "/api/refresh", 0), &broken("NS_BINDING_ABORTED"), vec![]),
        (request("POST", "/api/rooms/b/join", 0), &ok, vec!["room_join_start", "room_join_success status=200 ok=true"]),
        (search.clone(), &response(200, &timed, false), vec!["library_response status=200 server_ms=12.5 ok=true"]),
        (search.clone(), &response(200, &[], false), vec!["library_response status=200 ok=true"]),
        (search.clone(), &response(200, &timed, true), vec![]),
        (search, &broken("net::ERR_ABORTED"), vec![]),
        (request("DELETE", "/api/rooms/b", 0), &no, vec!["guarded_response status=401 ok=false"]),
    ] {
        let mut requests = requests();
        let told: Vec<String> =
            [&asked, answered].iter().flat_map(|n| requests.take(n, 0.0)).map(|t| shown(&t)).collect();
        assert_eq!(told, wanted, "{asked:?}");
    }
    let mut requests = requests();
    let told = requests.take(&request("POST", "/api/rooms/b/join", 0), 0.0);
    assert_eq!(told[0].room.as_deref(), Some("b"));
    requests.refusing(true);
    let told = requests.take(&request("POST", "/api/login", 0), 0.0);
    assert_eq!(shown(&told[0]), "auth_login_start must=be refused");
}
