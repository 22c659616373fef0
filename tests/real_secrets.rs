//! Canaries: secrets of every kind are given to a page and told by it, and none is in anything that a run writes. What the app's
//! file names is looked for in every encoding; what the page tells by itself, in the one it told.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use common::{Play, SOUNDCHECK, serve};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the app's file says, by the environment or as it is.
const HEADER: &str = "Wombat<header>1";
const COOKIE: &str = "badger-cookie-2";
const BASIC: &str = "otter&basic'3";
const TYPED: &str = "ferret typed\"4";
const LITERAL: &str = "marmot-literal-5";
const STORED: &str = "lynx-stored-6";
const SAVED: &str = "puma-saved-7";
const KNOWN: [&str; 7] = [HEADER, COOKIE, BASIC, TYPED, LITERAL, STORED, SAVED];

/// What only the page and its server know.
const TOLD: [&str; 27] = [
    "heron-password-8",
    "stork-bearer-9",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjcmFuZSJ9.Y3JhbmUtand0LTEw",
    "crow.eleven@example.org",
    "raven-userinfo-12",
    "finch-apikey-13",
    "robin-location-14",
    "egret-fragment-15",
    "swift-socket-16",
    "quail-telemetry-17",
    "dove.eighteen@example.org",
    "snipe-refresh-19",
    "grouse-dialog-20",
    "plover-signature-21",
    "curlew-amz-22",
    "siskin-form-23",
    "linnet-client-24",
    "bunting-encoded-25",
    "dipper-readable-26",
    "wagtail-httponly-27",
    "ghp_0123456789abcdefKestrel28xyz",
    "merlin-hash-29",
    "osprey-header-30",
    "harrier.thirtyone@example.org",
    "condor-thrown-32",
    "tern.thirtythree@example.org",
    "493027934",
];

/// Tells all of it, in every way that a page has. The shown fields are painted so that a picture of them is known.
const PAGE: &str = r##"<!doctype html><title>Members</title>
<style>input, p { position: absolute; left: 0; width: 200px; height: 40px; margin: 0; border: 0; border-radius: 0; color: transparent; }</style>
<input id="who" style="top: 0; background: #00c800">
<input id="password" type="password" style="top: 60px; background: #c800c8">
<p id="mail" data-user-id="harrier.thirtyone@example.org" style="top: 120px; background: #00c8c8">ann</p>
<p style="top: 180px; background: #c86400">anybody may see this</p>
<button style="position: absolute; top: 240px">go</button>
<script>
const ask = (url, options) => fetch(url, options).catch(() => {});
document.querySelector("button").onclick = async () => {
  const typed = who.value, also = password.value, stored = localStorage.getItem("theme");
  const say = (...words) => console.error(...words);
  say("typed", typed, encodeURIComponent(typed), btoa(typed), [...typed].map((c) => c.charCodeAt(0).toString(16)).join(""));
  say("also", also, also.toUpperCase(), JSON.stringify({ note: "it is " + typed }));
  say("stored", stored, btoa("x" + stored + "yz"), btoa("xy" + stored));
  say("markup", "GIVEN_HEADER".replace("<", "&lt;").replace(">", "&gt;"), "GIVEN_HEADER");
  const given = "GIVEN_BASIC";
  say("written", encodeURIComponent(given), new URL("/x?" + given, location).href, new URL("/" + given, location).pathname);
  say(JSON.stringify({ note: given }).replace("&", "\\u0026"), JSON.stringify(given).replace("&", "\\u0026").replace("'", "\\u0027"));
  say(given.replace("&", "&amp;").replace("'", "&#x27;"), given.replace("&", "&#x26;").replace("'", "&#x27;"));
  say(given.replace("&", "&amp;"), JSON.stringify({ typed }).replaceAll('\\"', "\\u0022"), typed.replace('"', "&#x22;"));
  say("login failed: password=heron-password-8");
  say("sent Authorization: Bearer stork-bearer-9");
  say("expired: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjcmFuZSJ9.Y3JhbmUtand0LTEw");
  say("no such user (crow.eleven@example.org), crow.eleven%40example.org");
  say("cannot reach https://svc:raven-userinfo-12@api.example/x");
  say("POST body was user=ann&passwd=siskin-form-23&x=1");
  say(JSON.stringify({ client_secret: "linnet-client-24", n: 1 }));
  say("next=/cb%3Ftoken%3Dbunting-encoded-25%26x%3D1");
  say("cookies: " + document.cookie);
  say("your ticket wagtail-httponly-27 is over");
  say("pushing with ghp_0123456789abcdefKestrel28xyz");
  say({ toString: () => "obj", token: "merlin-hash-29" });
  console.log("[TEL] " + JSON.stringify({ event: "auth_login_failure", token: "quail-telemetry-17",
    detail: "mail dove.eighteen@example.org", nested: { refresh_token: "snipe-refresh-19" },
    otp: 493027934, password: ["heron-password-8"], "crow.eleven@example.org": 1, [stored]: 1 }));
  await ask("/api/items?api_key=finch-apikey-13");
  await ask("/api/items?q=" + given);
  await ask("/api/rooms/tern.thirtythree%40example.org/join", { method: "POST" });
  await ask("/away");
  new Image().src = "/none.png?signature=plover-signature-21";
  const video = document.createElement("video");
  video.src = "/clip.mp4?X-Amz-Signature=curlew-amz-22";
  video.play().catch((e) => say("video: " + e.message));
  new WebSocket(location.origin.replace("http", "ws") + "/ws?token=swift-socket-16");
  location.hash = "access_token=egret-fragment-15";
  setTimeout(() => { throw new Error("at " + location.href + " with apiKey: condor-thrown-32"); }, 50);
  alert("Your link: /reset?token=grouse-dialog-20");
};
</script>"##;

const APP: &str = r##"
base = "http://127.0.0.1:PORT"
session = "session.json"
mask = ["#who", "#mail"]
[read]
user = "#mail@data-user-id"
[word]
"open the player" = [
  { open = "/" },
  { type = "#who", text = "env:TYPED" },
  { type = "#password", text = "marmot-literal-5" },
  { click = "button" },
]
"see it" = [{ wait = "canvas" }]
[headers]
x-canary = "env:CANARY"
[cookies]
consent = "badger-cookie-2"
[basic]
user = "ann"
password = "env:PASSWORD"
[room]
join = "/api/rooms/*/join"
"##;

const JOURNEY: &str = r#"
question = "Does anything leak?"
[[step]]
do = "open the player"
[[step]]
do = "see it"
give_up = "3s"
"#;

/// What the server answers to a request's head.
fn answer(head: &[String]) -> (&'static str, &'static str, String) {
    let target = head.first().and_then(|l| l.split(' ').nth(1)).unwrap_or_default();
    let let_in = head.iter().any(|l| l.to_ascii_lowercase().starts_with("authorization: basic"));
    match target.split('?').next().unwrap_or_default() {
        _ if !let_in => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"members\"\r\n", "no".into()),
        "/" => (
            "200 OK",
            "Set-Cookie: my_session=dipper-readable-26\r\nSet-Cookie: t=wagtail-httponly-27; HttpOnly\r\n\
             X-Auth-Token: osprey-header-30\r\n",
            PAGE.replace("GIVEN_HEADER", HEADER).replace("GIVEN_BASIC", BASIC),
        ),
        "/away" => {
            ("302 Found", "Location: /landed?token=robin-location-14#id_token=robin-location-14\r\n", String::new())
        }
        _ => ("404 Not Found", "X-Auth-Token: osprey-header-30\r\n", "no".into()),
    }
}

/// A secret as it may be found: as it is, and encoded. Case is no matter.
fn forms(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // `encodeURIComponent`, RFC 3986, and a browser's query and path.
    let percent = ["-_.!~*'()", "-._~", "!$%&()*+,-./:;=?@[\\]^_`{|}~", "!$%&'()*+,-./:;=@[\\]_|~"].map(|left| {
        let one = |octet: u8| match octet.is_ascii_alphanumeric() || left.as_bytes().contains(&octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02x}"),
        };
        secret.bytes().map(one).collect::<String>()
    });
    let json = serde_json::Value::from(secret).to_string().trim_matches('"').to_owned();
    let markup = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let quoted = markup.replace('\'', "\\u0027");
    let ascii = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let number = |text: &str, mark: char| text.replace(mark, &format!("&#x{:x};", u32::from(mark)));
    let mut forms = vec![
        secret.to_owned(),
        form.replace('+', "%20"),
        form,
        json.replace('/', "\\/"),
        json.chars().map(ascii).collect(),
        json,
        markup,
        quoted.replace("\\\"", "\\u0022"),
        quoted,
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&#x27;"),
        html.replace('"', "&#x22;").replace('\'', "&#x27;"),
        html,
        ['&', '<', '>', '"', '\''].iter().fold(secret.to_owned(), |text, mark| number(&text, *mark)),
        secret.bytes().map(|b| format!("{b:02x}")).collect(),
    ];
    forms.extend(percent);
    for before in ["", "x", "xy"] {
        let text = format!("{before}{secret}");
        let (from, to) = ((before.len() * 8).div_ceil(6), text.len() * 8 / 6);
        forms.extend([STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)].map(|e| e[from..to].to_owned()));
    }
    forms.into_iter().map(|f| f.to_lowercase()).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, into),
            path => into.push(path),
        }
    }
}

/// The octets of every picture that a page holds in itself.
fn pictures(html: &str) -> Vec<u8> {
    let data = html.split("data:image/png;base64,").skip(1).map(|d| d.split('"').next().unwrap_or_default());
    data.flat_map(|d| base64::engine::general_purpose::STANDARD.decode(d).expect("base64")).collect()
}

/// How many pixels of a picture have this colour.
fn count(png: &Path, colour: [u8; 3]) -> usize {
    let file = std::io::BufReader::new(std::fs::File::open(png).expect("a picture"));
    let mut decoder = png::Decoder::new(file);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("reads");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("a frame");
    pixels.chunks(info.color_type.samples()).filter(|p| p[..3] == colour).count()
}

fn nothing_leaks(browser: &str) {
    let port = serve(answer);
    let mut play = Play::on_stage(&[]);
    play.journey = JOURNEY.to_owned();
    play.app = APP.replace("PORT", &port.to_string());
    let session = format!(
        r#"{{"cookies": [{{"name": "sid", "value": "{SAVED}", "domain": "127.0.0.1", "path": "/"}}],
            "origins": [{{"origin": "http://127.0.0.1:{port}", "localStorage": [{{"name": "theme", "value": "{STORED}"}}]}}]}}"#
    );
    std::fs::write(play.dir.path().join("session.json"), session).expect("written");
    let (out, temporary) = (play.out(), play.dir.path().join("tmp"));
    std::fs::create_dir_all(&temporary).expect("a folder");
    let done = Command::new(SOUNDCHECK)
        .arg("run")
        .arg(play.plan(browser))
        .arg("-vv")
        .arg("--history")
        .arg(out.with_extension("db"))
        .arg("--out")
        .arg(&out)
        .env("TMPDIR", &temporary)
        .env_remove("RUST_LOG")
        .envs([("TYPED", TYPED), ("CANARY", HEADER), ("PASSWORD", BASIC)])
        .output()
        .expect("runs");
    let why = Command::new(SOUNDCHECK).arg("why").arg(&out).output().expect("runs");
    let said = [done.stdout, done.stderr, why.stdout, why.stderr].concat();
    std::fs::write(out.join("said"), said).expect("written");
    assert!(done.status.code() == Some(1), "{}", std::fs::read_to_string(out.join("said")).unwrap_or_default());

    let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
    for told in
        ["login failed: password=", "cannot reach https://", "your ticket", "Your link", "finch", "mail [redacted]"]
    {
        assert!(events.contains(told) != (told == "finch"), "{browser}: {told}: the page did tell it:\n{events}");
    }
    let mut written = vec![out.with_extension("db")];
    files(&out, &mut written);
    files(&temporary, &mut written);
    let mut leaks = Vec::new();
    for path in &written {
        // What a browser that is still ending leaves goes meanwhile: only what stays counts.
        let Ok(mut octets) = std::fs::read(path) else {
            assert!(path.starts_with(&temporary), "{} can be read", path.display());
            continue;
        };
        if path.ends_with("report.html") {
            octets.extend(pictures(&String::from_utf8_lossy(&octets)));
        }
        let text = String::from_utf8_lossy(&octets).to_lowercase();
        for secret in KNOWN.iter().chain(&TOLD) {
            if let Some((form, at)) = forms(secret).iter().find_map(|f| Some((f.clone(), text.find(f.as_str())?))) {
                let around: String = text[..at].chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
                leaks.push(format!("{secret} as {form} in {}: ...{around}", path.display()));
            }
        }
    }
    assert!(leaks.is_empty(), "{browser}:\n{}", leaks.join("\n"));
    for name in ["events.jsonl", "report.html", "verdict.json", "junit.xml", "summary.md"] {
        assert!(written.contains(&out.join(name)), "{name} was looked into");
    }
    assert!(written.iter().any(|p| p.extension().is_some_and(|e| e == "har")), "an archive was looked into");

    let shots: Vec<&PathBuf> = written.iter().filter(|p| p.extension().is_some_and(|e| e == "png")).collect();
    assert!(!shots.is_empty(), "pictures were taken");
    for shot in shots {
        assert!(count(shot, [0xc8, 0x64, 0]) > 1000, "{}: what anybody may see is there", shot.display());
        for (what, colour) in [("#who", [0, 0xc8, 0]), ("the password", [0xc8, 0, 0xc8]), ("#mail", [0, 0xc8, 0xc8])] {
            assert_eq!(count(shot, colour), 0, "{}: {what} is painted over", shot.display());
        }
    }
}

#[test]
fn nothing_of_it_is_written_in_chromium() {
    nothing_leaks("chromium");
}

#[test]
fn nothing_of_it_is_written_in_firefox() {
    nothing_leaks("firefox");
}
