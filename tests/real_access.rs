//! Being let in: headers, cookies, a saved session, HTTP Basic and typed secrets reach the app, and nothing else.

mod common;

use common::{BROWSERS, Play, SOUNDCHECK, serve};
use std::process::Command;

/// The page shows its canvas only to whoever brought everything.
const PAGE: &str = r#"<!doctype html><title>Members</title><input id="who"><button onclick="
if (who.value === 'typed-secret-5' && localStorage.getItem('theme') === 'stored-secret-4')
  document.body.append(document.createElement('canvas'))">go</button><p id="mail">ann@example.org</p>
<script>console.error('mail of ann@example.org, token ' + localStorage.getItem('theme'))</script>"#;

const APP: &str = r##"
base = "http://127.0.0.1:PORT"
session = "session.json"
mask = ["#mail"]
[word]
"open the player" = [{ open = "/" }, { type = "#who", text = "env:TYPED" }, { click = "button" }]
[headers]
x-canary = "env:CANARY"
[cookies]
consent = "cookie-secret-2"
[basic]
user = "ann"
password = "env:PASSWORD"
"##;

const JOURNEY: &str = r#"
question = "Are we let in?"
[[step]]
do = "open the player"
[[step]]
do = "see it"
"#;

/// What the server answers to a request's head.
fn answer(head: &[String]) -> (&'static str, &'static str, &'static str) {
    let has = |words: &str| head.iter().any(|l| l.to_ascii_lowercase().contains(&words.to_ascii_lowercase()));
    // ann:basic-secret-3
    if !has("authorization: basic YW5uOmJhc2ljLXNlY3JldC0z") {
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"members\"\r\n", "no")
    } else if has("x-canary: header-secret-1") && has("consent=cookie-secret-2") && has("sid=saved-secret-6") {
        ("200 OK", "", PAGE)
    } else {
        ("403 Forbidden", "", "no")
    }
}

#[test]
fn the_app_is_reached_as_its_file_says_and_no_secret_is_written() {
    let port = serve(answer);
    for browser in BROWSERS {
        let mut play = Play::on_stage(&[]);
        play.journey = JOURNEY.to_owned();
        play.app = APP
            .replace("PORT", &port.to_string())
            .replace("[headers]", "\"see it\" = [{ wait = \"canvas\" }]\n[headers]");
        let session = format!(
            r#"{{"cookies": [{{"name": "sid", "value": "saved-secret-6", "domain": "127.0.0.1", "path": "/"}}],
                "origins": [{{"origin": "http://127.0.0.1:{port}", "localStorage": [{{"name": "theme", "value": "stored-secret-4"}}]}}]}}"#
        );
        std::fs::write(play.dir.path().join("session.json"), session).expect("written");
        let out = play.out();
        let done = Command::new(SOUNDCHECK)
            .env("SOUNDCHECK_HISTORY", "none")
            .arg("run")
            .arg(play.plan(browser))
            .arg("--out")
            .arg(&out)
            .envs([("TYPED", "typed-secret-5"), ("CANARY", "header-secret-1"), ("PASSWORD", "basic-secret-3")])
            .output()
            .expect("runs");
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let verdict = std::fs::read_to_string(out.join("verdict.json")).expect("a verdict");
        assert!(verdict.contains("\"ending\": \"passed\""), "{browser}: {said}\n{verdict}");

        let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
        assert!(events.contains("mail of [redacted]"), "{browser}: the console line is there, without its secrets");
        for file in ["events.jsonl", "report.html", "junit.xml", "summary.md", "verdict.json"] {
            let text = std::fs::read_to_string(out.join(file)).expect("a report") + &said;
            for secret in ["secret-1", "secret-2", "secret-3", "secret-4", "secret-5", "secret-6", "ann@example"] {
                assert!(!text.contains(secret), "{browser}: {secret} in {file}");
            }
        }
    }
}

/// An older build still listens where the one that is launched should: it is not what is judged.
#[test]
fn what_answers_in_place_of_a_launched_app_is_not_judged() {
    let port = serve(|_| ("200 OK", "", "an older build"));
    let mut play = Play::on_stage(&[]);
    play.journey = "question = \"Is it up?\"\n[[step]]\ndo = \"open it\"\nexpect = \"the page\"\n".to_owned();
    let app =
        |more: &str| format!("base = \"http://127.0.0.1:{port}\"\n{more}[word]\n\"open it\" = [{{ open = \"/\" }}]\n");
    play.app = app("launch = [\"sleep\", \"60\"]\nready = \"/\"\n");
    let (_, done) = play.run("chromium");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("http://127.0.0.1:{port} answers before the app is started")), "{said}");
    // Visited, it is.
    play.app = app("");
    let (verdict, done) = play.run("chromium");
    assert_eq!(done.status.code(), Some(0), "{verdict:#}");
}

/// A click leads to the next page after a while: that one is what is asked, and not the one with the button.
#[test]
fn the_page_that_a_click_leads_to_is_the_one_that_is_judged() {
    const CANVAS: &str = "document.body.append(document.createElement('canvas'))";
    let port = serve(|head| {
        let first = head.first().map_or("", String::as_str);
        let button = |does: &str| {
            format!(
                "<!doctype html><title>Login</title><body><button onclick=\"setTimeout(() => {{ {does} }}, 1300)\">go</button>"
            )
        };
        match first.split(' ').nth(1) {
            Some("/to-a-broken-one") => ("200 OK", "", button("location = '/broken'") + "<canvas></canvas>"),
            Some("/to-another") => ("200 OK", "", button("location = '/player'") + "<canvas></canvas>"),
            Some("/to-itself") => ("200 OK", "", button(CANVAS)),
            Some("/broken") => ("500 Internal Server Error", "", "<canvas></canvas>".to_owned()),
            _ => ("200 OK", "", "<!doctype html><canvas></canvas>".to_owned()),
        }
    });
    for (browser, path, fails) in [
        ("chromium", "to-a-broken-one", "answered 500"),
        ("chromium", "to-itself", ""),
        ("firefox", "to-a-broken-one", "answered 500"),
        ("firefox", "to-another", ""),
    ] {
        let mut play = Play::on_stage(&[]);
        play.journey = "question = \"Are we let in?\"\n[[step]]\ndo = \"log in\"\nexpect = \"the page\"\n".to_owned();
        let word = format!("\"log in\" = [{{ open = \"/{path}\" }}, {{ click = \"button\" }}]");
        play.app = format!("base = \"http://127.0.0.1:{port}\"\ncanvas = \"canvas\"\n[word]\n{word}\n");
        let (verdict, done) = play.run(browser);
        let (_, reason) = common::ending(&verdict);
        assert_eq!(done.status.code(), Some(i32::from(!fails.is_empty())), "{path} in {browser}: {verdict:#}");
        assert!(reason.contains(fails), "{path} in {browser}: {reason}");
        if fails.is_empty() {
            let events = play.events();
            let load = events.iter().find(|e| e["event"] == "page_load").and_then(|e| e["ms"].as_f64());
            assert!(load.is_some_and(|ms| ms > 1300.0), "{path} in {browser}: {load:?}");
        }
    }
}
