//! A receiver that is dead, silent or refuses costs a play nothing: times of plays in real browsers told nowhere, to a good
//! receiver, and to each of those. Here each of them once; with `SOUNDCHECK_RECEIVER=10` (`ci/verify receiver`) so often, in
//! turns, compared as `soundcheck compare` does.

mod common;
mod receiver;

use common::{BROWSERS, Play};
use receiver::{Mood, Receiver};
use socket2::{Domain, Socket, Type};
use soundcheck::stats::{Shift, quantile, shift};
use std::time::Duration;

/// Where a run is told.
const PLACES: [&str; 5] = ["nowhere", "a good receiver", "a dead one", "a silent one", "one that answers 503"];
/// A run waits 3 s at its end for what is on its way; and takes a moment to fold its own record.
const FLUSH_MS: f64 = 4000.0;
/// By so much of its time a play may be found longer: no machine is quieter.
const NOISE: f64 = 0.05;
/// What would not be noticed must be less than this.
const BLUR: f64 = 0.10;

/// What must live as long as somebody is told there.
enum Place {
    Nowhere,
    Receiver(Receiver),
    /// Bound and never listened at: who connects is refused, and no other program gets the port meanwhile.
    Dead {
        url: String,
        _held: Socket,
    },
}

impl Place {
    fn new(name: &str) -> Self {
        let dead = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            socket.bind(&any.into()).expect("binds");
            let own = socket.local_addr().ok().and_then(|own| own.as_socket()).expect("an address");
            Place::Dead { url: format!("http://{own}"), _held: socket }
        };
        match name {
            "a good receiver" => Place::Receiver(Receiver::http(Mood::Good)),
            "a dead one" => dead(),
            "a silent one" => Place::Receiver(Receiver::http(Mood::Slow(Duration::from_secs(3600)))),
            "one that answers 503" => Place::Receiver(Receiver::http(Mood::Refuses)),
            _ => Place::Nowhere,
        }
    }

    fn url(&self) -> Option<&str> {
        match self {
            Place::Nowhere => None,
            Place::Receiver(receiver) => Some(&receiver.url),
            Place::Dead { url, .. } => Some(url),
        }
    }
}

/// Plays, told there: how long the play took, milliseconds. Demands that it went well, that the run's end was not held up,
/// and that what did not arrive is said.
fn play(browser: &str, name: &str) -> f64 {
    let place = Place::new(name);
    let mut play = Play::on_stage(&[]);
    play.env.extend(place.url().map(|url| ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), url.to_owned())));
    let (verdict, done) = play.run(browser);
    let said = String::from_utf8_lossy(&done.stderr);
    // One that the machine broke is played again.
    let last = verdict["plays"].as_array().and_then(|plays| plays.last()).cloned().unwrap_or_default();
    assert_eq!(last["ending"], "passed", "{browser}, {name}: {verdict:#}{said}");
    let events = play.events();
    let at = |event: &str| events.iter().find(|e| e["event"] == event).and_then(|e| e["t_ms"].as_f64());
    let over = at("run_end").expect("it ended");
    let flush = at("telemetry_export").map(|t| t - over);
    assert_eq!(flush.is_some(), name != "nowhere", "{browser}, {name}");
    assert!(flush.is_none_or(|ms| ms < FLUSH_MS), "{browser}, {name}: {flush:?} ms after the run's end");
    let lost = !["nowhere", "a good receiver"].contains(&name);
    assert_eq!(said.contains("spans did not arrive"), lost, "{browser}, {name}: {said}");
    assert_eq!(said.contains("log records did not arrive"), lost, "{browser}, {name}: {said}");
    let ms = last["ms"].as_f64().expect("a time");
    println!("{browser:8}  {name:20}  {ms:6.0} ms, and {:5.0} ms to flush", flush.unwrap_or_default());
    ms
}

/// Whether plays took longer, by what their times show: proved to, and by more than noise; or too noisy to show it.
fn longer(without: &[f64], with: &[f64]) -> Result<String, String> {
    let usual = quantile(&mut without.to_vec(), 0.5).expect("plays");
    let Shift { by, interval: (low, high), p } = shift(without, with).expect("plays of both");
    let said = format!("{by:+.0} ms [{low:+.0} .. {high:+.0}], p = {p:.3}; of {usual:.0} ms");
    match () {
        () if low > 0.0 && by > NOISE * usual => Err(format!("plays take longer: {said}")),
        () if high - low > 2.0 * BLUR * usual => Err(format!("too noisy to notice a tenth: {said}")),
        () => Ok(said),
    }
}

#[test]
fn a_receiver_in_a_bad_mood_costs_no_play_anything() {
    let Some(plays) = std::env::var("SOUNDCHECK_RECEIVER").ok().and_then(|n| n.parse::<usize>().ok()) else {
        for (n, name) in PLACES[2..].iter().enumerate() {
            play(BROWSERS[n % BROWSERS.len()], name);
        }
        return;
    };
    let asked = std::env::var("SOUNDCHECK_BROWSERS").unwrap_or_default();
    let asked: Vec<&str> = asked.split_whitespace().collect();
    let mut wrong = Vec::new();
    for browser in BROWSERS.into_iter().filter(|browser| asked.is_empty() || asked.contains(browser)) {
        // The first of all makes clips and compiles shaders.
        play(browser, "nowhere");
        let mut times = [const { Vec::new() }; PLACES.len()];
        for round in 0..plays {
            // Each comes at each place of a round as often.
            for n in 0..PLACES.len() {
                let at = (n + round) % PLACES.len();
                times[at].push(play(browser, PLACES[at]));
            }
        }
        for (name, own) in PLACES.iter().zip(&times).skip(1) {
            let found = longer(&times[0], own);
            println!("{browser:8}  {name:20}  {}", found.as_ref().unwrap_or_else(|why| why));
            wrong.extend(found.err().map(|why| format!("{browser}, {name}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn plays_that_take_longer_would_be_noticed_and_noise_is_none() {
    let usual: Vec<f64> = (0..10).map(|n| 9000.0 + f64::from(n * 37 % 10) * 20.0).collect();
    let by = |ms: f64| usual.iter().rev().map(|usual| usual + ms).collect::<Vec<_>>();
    assert!(longer(&usual, &by(0.0)).is_ok());
    assert!(longer(&usual, &by(200.0)).is_ok(), "a fiftieth");
    assert!(longer(&usual, &by(900.0)).is_err_and(|why| why.contains("longer")), "a tenth");
    let wild: Vec<f64> = (0..10).map(|n| 6000.0 + f64::from(n) * 700.0).collect();
    assert!(longer(&usual, &wild).is_err_and(|why| why.contains("noisy")));
}
