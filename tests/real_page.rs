//! The shipped journeys on a page the stage does not serve: plain HTML with hydra-synth, nothing instrumented, no ids to
//! read, nothing declared. One app file is all that knows it.

mod common;

use common::{Play, in_turns, root};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;

const PAGE: &str = r##"<!doctype html><title>A plain page</title>
<canvas id="c" width="640" height="360"></canvas>
<button id="sound">sound</button><button id="more">more</button><button id="film">film</button>
<script src="/hydra.js"></script>
<script>
const hydra = new Hydra({ canvas: document.getElementById("c"), detectAudio: false });
let level = () => 0;
const sketches = [
  () => osc(10, 0.1, 1).out(), () => noise(3, 0.3).out(), () => voronoi(8, 1).out(), () => gradient(0.5).out(),
  () => osc(25, 0.2, 0.4).kaleid(5).out(), () => shape(4, 0.4).rotate(0, 1).out(), () => noise(9, 0.1).invert().out(),
];
let n = 0;
sketches[0]();
document.getElementById("more").onclick = () => sketches[++n % sketches.length]();
document.getElementById("film").onclick = () => { s0.initVideo("/film.mp4"); src(s0).out(); };
document.getElementById("sound").onclick = async () => {
  const context = new AudioContext();
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const wave = new Float32Array(analyser.fftSize);
  level = () => { analyser.getFloatTimeDomainData(wave); return Math.min(1, 4 * Math.sqrt(wave.reduce((s, v) => s + v * v, 0) / wave.length)); };
  shape(3, () => 0.1 + 0.6 * level()).out();
};
</script>"##;

/// The same, as a framework would make it: the canvas comes a while after the document, the button is made anew five times a
/// second and has a toast over it after each press, and a frame of somebody else's cannot be had.
fn lively() -> String {
    let (head, script) = PAGE.split_once("const hydra").expect("its script");
    let (canvas, frame) =
        ("<canvas id=\"c\" width=\"640\" height=\"360\"></canvas>", "<iframe src=\"http://127.0.0.1:1/\"></iframe>");
    let head = head.replace(canvas, &format!("<div id=\"app\"></div>{frame}"));
    let script = script.strip_suffix("</script>").expect("its end");
    format!(
        "{head}setTimeout(() => {{ document.getElementById('app').innerHTML = '{canvas}'; const hydra{script}
        const more = document.getElementById('more'), press = more.onclick, toast = document.createElement('div');
        toast.style = 'position: fixed; inset: 0'; toast.textContent = 'Next!';
        const anew = () => {{
          const button = document.getElementById('more').cloneNode(true);
          button.onpointerdown = () => {{ press(); document.body.append(toast); setTimeout(() => toast.remove(), 400); }};
          document.getElementById('more').replaceWith(button);
        }};
        more.onclick = null; anew(); setInterval(anew, 200); }}, 600);</script>"
    )
}

const APP: &str = r##"
base = "http://127.0.0.1:PORT"
canvas = "#c"
[word]
"open the player" = [{ open = "/" }]
"start the audio" = [{ click = "#sound" }]
"next preset" = [{ click = "#more" }]
"start the video" = [{ click = "#film" }]
"##;

/// Serves the page, hydra and a clip made for it; the port.
fn serve() -> u16 {
    let clip = tempfile::tempdir().expect("a folder");
    let film = clip.path().join("film.mp4");
    let args = "-v error -f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -movflags +faststart";
    let made = Command::new("ffmpeg").args(args.split(' ')).arg(&film).status().expect("ffmpeg");
    assert!(made.success());
    let film = std::fs::read(film).expect("a clip");
    let hydra = root().join("src/bin/stage/node_modules/hydra-synth/dist/hydra-synth.js");
    let hydra = std::fs::read(hydra).expect("hydra-synth: run ci/setup");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (film, hydra) = (film.clone(), hydra.clone());
            std::thread::spawn(move || {
                let mut head = BufReader::new(&socket).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
                let first = head.next().unwrap_or_default();
                head.for_each(drop);
                let (kind, body) = match first.split(' ').nth(1) {
                    Some("/hydra.js") => ("text/javascript", hydra),
                    Some("/film.mp4") => ("video/mp4", film),
                    Some("/lively") => ("text/html", lively().into_bytes()),
                    _ => ("text/html", PAGE.as_bytes().to_vec()),
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let mut socket = &socket;
                let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
            });
        }
    });
    port
}

#[test]
fn the_shipped_journeys_run_on_a_plain_page() {
    let app = APP.replace("PORT", &serve().to_string());
    for browser in in_turns(0) {
        for journey in ["player", "presets", "video"] {
            let mut play = Play::on_stage(&[]).journey(journey);
            play.app.clone_from(&app);
            let (verdict, done) = play.run(browser);
            assert_eq!(done.status.code(), Some(0), "{journey} in {browser}: {verdict:#}");
        }
    }
}

#[test]
fn a_page_that_is_made_late_and_anew_is_waited_for() {
    let app = APP.replace("PORT", &serve().to_string()).replace("open = \"/\"", "open = \"/lively\"");
    for browser in in_turns(1) {
        let mut play = Play::on_stage(&[]).journey("presets");
        play.app.clone_from(&app);
        let (verdict, done) = play.run(browser);
        assert_eq!(done.status.code(), Some(0), "{browser}: {verdict:#}");
    }
}

#[test]
fn a_dead_button_on_a_plain_page_is_noticed() {
    let app = APP.replace("PORT", &serve().to_string()).replace("click = \"#more\"", "click = \"canvas\"");
    for browser in in_turns(1) {
        let mut play = Play::on_stage(&[]);
        play.app.clone_from(&app);
        let (verdict, done) = play.run(browser);
        assert_eq!(done.status.code(), Some(1), "{browser}: {verdict:#}");
        let reason = verdict["plays"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("the old picture stayed"), "{browser}: {reason}");
    }
}
