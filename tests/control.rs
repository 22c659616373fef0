//! The proxy's control over HTTP, on a real proxy in front of a real server: who is let in, and what the switches do.

mod common;

use common::people::{exchange, origin, soon};
use serde_json::{Value, json};
use soundcheck::error::{Error, Whose};
use soundcheck::event::{Log, Now};
use soundcheck::fault::link::{Part, Spread};
use soundcheck::fault::rule::{Rule, Scope, When};
use soundcheck::fault::seed::Draw;
use soundcheck::fault::{Action, Answer, Fault, Leg, Point, Request, Step, at};
use soundcheck::proxy::control::{Control, Loaded, Setup};
use soundcheck::proxy::{Armed, Config, Proxy, Reach, Route};
use soundcheck::secret::Secrets;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Answers in the server's place.
#[derive(Debug)]
struct Unavailable;

impl Fault for Unavailable {
    fn request(&self, _: &Request, _: &Draw) -> Vec<Step> {
        let answer = Answer { status: 503, fields: Vec::new(), body: b"planned".to_vec() };
        vec![at(Point::Request, Action::Answer(answer))]
    }
}

/// A wide link: changes nothing, and is no matter of a request.
#[derive(Debug)]
struct Wide;

impl Fault for Wide {
    fn link(&self) -> Option<Part> {
        Some(Part::Bandwidth { down: Some(1e9), up: None, queue: 65536 })
    }
}

/// A long way: 600 ms there and back.
#[derive(Debug)]
struct Far;

impl Fault for Far {
    fn link(&self) -> Option<Part> {
        let (rtt, none) = (Duration::from_millis(600), Duration::ZERO);
        Some(Part::Latency { rtt, jitter: none, spread: Spread::Uniform, correlation: 0.0 })
    }
}

fn rule(id: &str, path: Option<&str>, probability: f64, fault: Arc<dyn Fault>) -> Rule {
    Rule {
        id: id.to_owned(),
        kind: "status",
        leg: Leg::Browser,
        when: When { path: path.map(str::to_owned), ..When::default() },
        probability,
        times: None,
        scope: Scope::Link,
        armed: true,
        fault,
    }
}

fn loaded(name: &str, rules: Vec<Rule>) -> Loaded {
    let says = rules.iter().map(|r| format!("{} in words", r.id)).collect();
    let armed = Armed { rules, seed: 7, journey: String::new() };
    Loaded { name: name.to_owned(), question: "What if?".to_owned(), toml: format!("# {name}\n"), armed, says }
}

/// A proxy in front of a server, and its control.
struct Bench {
    proxy: SocketAddr,
    control: Control,
}

impl Bench {
    async fn start(rules: Vec<Rule>, log: Option<Log>) -> Self {
        let origin = origin();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            route: Route::Reverse(format!("http://{origin}").parse().expect("a URL")),
            leg: Leg::Browser,
            reach: Reach { named: vec![origin.to_string()], public: false },
            map: Default::default(),
            intercept: None,
            trace: Vec::new(),
            storm: None,
            media_proxy: None,
            telemetry: None,
            log: log.clone(),
            now: Now::default(),
        };
        let proxy = Arc::new(Proxy::start(config).await.expect("listens"));
        let profile = loaded("first", rules);
        proxy.arm(profile.armed.clone());
        let address = proxy.address();
        let control = Control::start(Setup {
            listen: ([127, 0, 0, 1], 0).into(),
            proxy,
            to: Some(format!("http://{origin}")),
            profile,
            read: Box::new(|text| match text.strip_prefix("profile ") {
                Some(name) => Ok(loaded(name, vec![rule("other", None, 1.0, Arc::new(Unavailable))])),
                None => Err(Error::author("error: line 1 ^^^").remedy("write a profile")),
            }),
            log,
        })
        .await
        .expect("listens");
        Self { proxy: address, control }
    }

    /// Asks the API as its page does.
    fn ask(&self, request: &str) -> (u16, Value) {
        self.put(request, "")
    }

    fn put(&self, request: &str, body: &str) -> (u16, Value) {
        let (address, token) = (self.control.address(), self.control.token());
        let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}");
        let (status, _, body) = exchange(address, &head, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn fault(&self, id: &str) -> Value {
        let (_, told) = self.ask("GET /api/faults");
        told["faults"].as_array().and_then(|f| f.iter().find(|f| f["id"] == id)).cloned().unwrap_or_default()
    }

    /// The status of a request through the proxy.
    fn get(&self, path: &str) -> u16 {
        exchange(self.proxy, &format!("GET {path} HTTP/1.1\r\nHost: {}", self.proxy), "").0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_the_token_and_asks_from_here_is_let_in() {
    let bench = Bench::start(vec![rule("down", None, 1.0, Arc::new(Unavailable))], None).await;
    let (address, token) = (bench.control.address(), bench.control.token().to_owned());
    assert_eq!(token.len(), 32);
    let ask = |target: &str, fields: &str| exchange(address, &format!("{target} HTTP/1.1\r\n{fields}"), "");
    let host = format!("Host: {address}");
    let bearer = format!("{host}\r\nAuthorization: Bearer {token}");

    let (status, head, page) = ask("GET /", &host);
    assert_eq!(status, 200);
    assert!(page.contains("<title>Soundcheck proxy</title>") && !page.contains(&token), "the page has no secret");
    assert!(head.contains("content-security-policy: default-src 'none'") && head.contains("cache-control: no-store"));
    assert!(!head.contains("set-cookie"), "cookies know no ports: {head}");
    assert_eq!(ask("GET /api/faults", &bearer).0, 200);

    for (target, fields, refused) in [
        ("GET /api/faults", host.clone(), 401),
        ("GET /api/requests", format!("{host}\r\nAuthorization: Bearer {}0", token), 401),
        (&format!("GET /api/faults?token={token}"), host.clone(), 401),
        ("POST /api/faults/down/disarm", format!("{host}\r\nCookie: token={token}"), 401),
        // A name of somebody else's that was made to point here: DNS rebinding.
        ("GET /", format!("Host: rebound.example:{}", address.port()), 403),
        ("GET /", format!("Host: localhost:{}", address.port()), 403),
        ("POST /api/faults/down/disarm", bearer.replace("127.0.0.1", "127.0.0.2"), 403),
        ("GET http://rebound.example/api/faults", bearer.clone(), 403),
        // Another site's page, or the app's own, which listens on another port.
        ("POST /api/faults/down/disarm", format!("{bearer}\r\nOrigin: http://127.0.0.1:3000"), 403),
        ("POST /api/faults/down/disarm", format!("{bearer}\r\nOrigin: null"), 403),
        ("POST /api/faults/down/disarm", format!("{bearer}\r\nSec-Fetch-Site: same-site"), 403),
        ("GET /", format!("{host}\r\nSec-Fetch-Site: cross-site"), 403),
        ("GET /api/nothing", bearer.clone(), 404),
        ("GET /api/faults/down/disarm", bearer.clone(), 405),
    ] {
        let (status, head, body) = ask(target, &fields);
        assert_eq!(status, refused, "{target} {fields}: {body}");
        assert!(!head.contains("access-control-") && !body.contains(&token), "{target}: {head}");
    }
    // What a browser asks before it sends another site's request with a token: no word that it may.
    let asked = format!("{host}\r\nOrigin: http://a.example\r\nAccess-Control-Request-Method: PUT");
    let (status, head, _) = ask("OPTIONS /api/profile", &asked);
    assert!(status == 403 && !head.contains("access-control-"), "{head}");
    assert_eq!(bench.fault("down")["armed"], true, "none of them changed anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_is_json_with_its_status() {
    let bench = Bench::start(vec![rule("down", None, 1.0, Arc::new(Unavailable))], None).await;
    for (request, status, words) in [
        ("GET /api/nothing", 404, "no such thing"),
        ("GET /nothing", 404, "no such thing"),
        ("POST /api/faults/none/arm", 404, "no fault `none`"),
        ("DELETE /api/faults", 405, "DELETE is not for this"),
        ("POST /", 405, "POST is not for this"),
        ("GET /api/requests?since=x", 400, "since=N"),
        ("GET /api/requests?since=-1", 400, "since=N"),
        ("GET /api/requests?since=1&since=2", 400, "since=N"),
        ("POST /api/faults/%ff/arm", 400, "UTF-8"),
    ] {
        let (got, told) = bench.ask(request);
        assert_eq!(got, status, "{request}: {told}");
        assert!(told["error"].as_str().is_some_and(|e| e.contains(words)), "{request}: {told}");
    }
    let (address, token) = (bench.control.address(), bench.control.token());
    for (request, allowed) in
        [("POST /api/faults", "get,head"), ("GET /api/reset", "post"), ("POST /api/profile", "put")]
    {
        let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}");
        let (status, head, _) = exchange(address, &head, "");
        let allow = head.lines().find_map(|l| l.strip_prefix("allow: ")).unwrap_or_default();
        assert!(status == 405 && allow.contains(allowed), "{request}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_counts_from_the_next_request_on() {
    let bench = Bench::start(vec![rule("down", Some("/media/*"), 1.0, Arc::new(Unavailable))], None).await;
    assert_eq!((bench.get("/media/a"), bench.get("/page")), (503, 200));
    assert_eq!(bench.ask("POST /api/faults/down/disarm"), (200, json!({ "id": "down", "armed": false })));
    assert_eq!((bench.get("/media/a"), bench.get("/media/a")), (200, 200));
    assert_eq!(bench.fault("down")["armed"], false);
    assert_eq!(bench.ask("POST /api/faults/down/arm").0, 200);
    assert_eq!(bench.get("/media/a"), 503);
    soon("two of three", || {
        let fault = bench.fault("down");
        (&fault["requests"], &fault["matched"], &fault["applied"]) == (&json!(3), &json!(2), &json!(2))
    });
    let fault = bench.fault("down");
    assert_eq!(
        (&fault["do"], &fault["says"], &fault["armed"]),
        (&json!("status"), &json!("down in words"), &json!(true))
    );
    assert_eq!(bench.ask("POST /api/faults/none/arm").0, 404);

    assert_eq!(bench.ask("POST /api/reset").0, 200);
    let fault = bench.fault("down");
    assert_eq!((&fault["requests"], &fault["applied"], &fault["armed"]), (&json!(0), &json!(0), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firing_by_hand_happens_once_on_the_next_request_it_is_for() {
    let never = rule("never", Some("/media/*"), 0.0, Arc::new(Unavailable));
    let bench = Bench::start(vec![never, rule("wide", None, 1.0, Arc::new(Wide))], None).await;
    assert_eq!(bench.get("/media/a"), 200, "its probability is none");
    assert_eq!(bench.ask("POST /api/faults/never/disarm").0, 200);
    assert_eq!(bench.ask("POST /api/faults/never/fire"), (200, json!({ "id": "never", "waiting": 1 })));
    assert_eq!(bench.fault("never")["waiting"], 1);
    assert_eq!(bench.get("/page"), 200, "it is not for this one");
    assert_eq!((bench.get("/media/a"), bench.get("/media/a")), (503, 200));
    soon("applied once", || bench.fault("never")["applied"] == 1);
    assert_eq!(bench.fault("never")["waiting"], 0);

    let (status, told) = bench.ask("POST /api/faults/wide/fire");
    assert!(status == 409 && told["error"].as_str().is_some_and(|e| e.contains("of the link")), "{status} {told}");
    assert_eq!((&bench.fault("wide")["fires"], &bench.fault("never")["fires"]), (&json!(false), &json!(true)));
    assert_eq!(bench.ask("POST /api/faults/none/fire").0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_is_switched_as_well() {
    let bench = Bench::start(vec![rule("far", None, 1.0, Arc::new(Far))], None).await;
    let took = || {
        let start = Instant::now();
        assert_eq!(bench.get("/"), 200);
        start.elapsed()
    };
    let far = took();
    assert!(far >= Duration::from_millis(600), "{far:?}");
    assert_eq!(bench.ask("POST /api/faults/far/disarm").0, 200);
    // The best of some: the machine may be busy.
    let near = (0..5).map(|_| took()).min().unwrap_or_default();
    assert!(near < Duration::from_millis(300), "{near:?}");
    assert_eq!(bench.ask("POST /api/faults/far/arm").0, 200);
    let far = took();
    assert!(far >= Duration::from_millis(600), "{far:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_profile_is_armed_while_it_runs_and_a_wrong_one_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let log = Log::open(&path, "r1", &Secrets::default()).expect("opens");
    let bench = Bench::start(Vec::new(), Some(log.clone())).await;
    assert_eq!(bench.get("/"), 200);
    let (status, told) = bench.ask("GET /api/profile");
    assert_eq!((status, &told["name"], &told["toml"]), (200, &json!("first"), &json!("# first\n")));

    let (status, told) = bench.put("PUT /api/profile", "nonsense");
    assert_eq!(status, 400);
    assert_eq!(told["error"], "error: line 1 ^^^\n  remedy: write a profile", "as the command line shows it");
    assert_eq!(bench.put("PUT /api/profile", &"#".repeat(300_000)).0, 413);
    assert_eq!((bench.get("/"), &bench.ask("GET /api/profile").1["name"]), (200, &json!("first")));

    let (status, told) = bench.put("PUT /api/profile", "profile second");
    assert_eq!((status, &told["name"], &told["seed"]), (200, &json!("second"), &json!(7)));
    assert_eq!(bench.get("/"), 503);
    let (_, told) = bench.ask("GET /api/faults");
    assert_eq!((&told["profile"], &told["faults"][0]["id"]), (&json!("second"), &json!("other")));
    log.sync().expect("syncs");
    let events: Vec<_> = soundcheck::event::read(&path).expect("opens").map(|e| e.expect("an event")).collect();
    let armed: Vec<_> = events.iter().filter(|e| e.event == "profile_armed").collect();
    assert_eq!((armed.len(), &armed[0].fields["faults"]), (1, &json!(["other"])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_told_with_what_was_promised_sent_and_applied() {
    let bench = Bench::start(vec![rule("down", Some("/down"), 1.0, Arc::new(Unavailable))], None).await;
    let head = format!("GET /media/a?x=1 HTTP/1.1\r\nHost: {}\r\nRange: bytes=4-", bench.proxy);
    assert_eq!(exchange(bench.proxy, &head, "").0, 206);
    assert_eq!(bench.get("/down"), 503);
    let all = || bench.ask("GET /api/requests").1;
    soon("both ended", || {
        all()["requests"].as_array().is_some_and(|r| r.len() == 2 && r.iter().all(|r| !r["ended"].is_null()))
    });
    let told = all();
    let (one, two) = (&told["requests"][0], &told["requests"][1]);
    for (key, value) in [
        ("method", json!("GET")),
        ("path", json!("/media/a?x=1")),
        ("range", json!("bytes=4-")),
        ("status", json!(206)),
        ("content_range", json!("bytes 4-9/10")),
        ("content_length", json!("6")),
        ("content_type", json!("video/mp4")),
        ("promised", json!(6)),
        ("sent", json!(6)),
        ("faults", json!([])),
    ] {
        assert_eq!(one[key], value, "{key} of {one}");
    }
    assert!(one["ttfb_ms"].as_f64().is_some_and(|ms| ms > 0.0) && one["total_ms"].as_f64() >= one["ttfb_ms"].as_f64());
    assert_eq!((&two["status"], &two["faults"]), (&json!(503), &json!(["down"])));
    let version = told["version"].as_u64().expect("a version");
    let (_, news) = bench.ask(&format!("GET /api/requests?since={version}"));
    assert_eq!((&news["requests"], news["kept"].as_array().map(Vec::len)), (&json!([]), Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_listens_on_loopback_only_and_ends_when_it_is_dropped() {
    let bench = Bench::start(Vec::new(), None).await;
    let taken = bench.control.address();
    let start = |listen: SocketAddr, proxy: Arc<Proxy>| {
        let read = Box::new(|_: &str| Err(Error::author("no")));
        Control::start(Setup { listen, proxy, to: None, profile: loaded("p", Vec::new()), read, log: None })
    };
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        route: Route::Forward,
        leg: Leg::Browser,
        reach: Reach::default(),
        map: Default::default(),
        intercept: None,
        trace: Vec::new(),
        storm: None,
        media_proxy: None,
        telemetry: None,
        log: None,
        now: Now::default(),
    };
    let proxy = Arc::new(Proxy::start(config).await.expect("listens"));
    let open = start(([0, 0, 0, 0], 0).into(), proxy.clone()).await.err().expect("refused");
    assert_eq!(open.whose(), Whose::Author);
    let busy = start(taken, proxy).await.err().expect("refused");
    assert_eq!(busy.whose(), Whose::Operator);
    assert!(busy.fix().is_some_and(|f| f.contains("--control")), "{busy}");

    drop(bench);
    soon("it listens no more", || TcpStream::connect(taken).is_err());
}
