use super::*;
use crate::fault::seed::Dice;

fn between(dice: &mut Dice, low: f64, high: f64) -> f64 {
    low + (high - low) * dice.unit()
}

/// About normal, deviation 1.
fn normal(dice: &mut Dice) -> f64 {
    (0..12).map(|_| dice.unit()).sum::<f64>() - 6.0
}

/// Whether the known sound is on at a time, milliseconds; read from its samples.
fn on(ms: f64) -> bool {
    static BITS: std::sync::OnceLock<Vec<bool>> = std::sync::OnceLock::new();
    let bits = BITS.get_or_init(|| {
        let bit = u64::from(RATE * BIT_MS / 1000);
        (0..16).map(|n| Sound::Tone.pcm(n * bit, n * bit + 1000).iter().any(|b| *b != 0)).collect()
    });
    bits[(ms / f64::from(BIT_MS)).floor().rem_euclid(16.0) as usize]
}

/// What an analyser of 2048 samples reads: RMS over the last 43 ms.
fn level(ms: f64) -> f64 {
    let on = (0..43).filter(|back| on(ms - f64::from(*back))).count();
    0.28 * (on as f64 / 43.0).sqrt()
}

fn audio(ev: &str, state: Option<&str>, ok: Option<bool>) -> Seen {
    let error = (ok == Some(false)).then(|| "NotAllowedError".to_owned());
    Seen::Audio(Audio { ev: ev.to_owned(), state: state.map(str::to_owned), ok, error })
}

/// A player whose audio was started; `level` is what it hears, `picture` what it shows, both by milliseconds since
/// the input; read some 12 times a second.
fn played(
    dice: &mut Dice,
    said: Vec<Seen>,
    level: impl Fn(f64) -> Option<f64>,
    mut picture: impl FnMut(f64, u64, &mut Dice) -> Frame,
) -> Book {
    let mut book = Book::new("picture follows the sound", before()).see(INPUT, Seen::Input).preset(
        at(0),
        "pulse",
        declared(Picture::Sound, &["b"]),
    );
    for seen in said {
        book = book.see(at(0), seen);
    }
    let mut t = 100.0;
    while INPUT + t < book.give_up && book.outcome.is_none() {
        let n = 1000 + (t / TICK) as u64;
        let frame = Frame { lvl: level(t), ..picture(t, n, dice) };
        book = book.see(INPUT + t, Seen::Frame(frame));
        t += between(dice, 75.0, 92.0);
    }
    book
}

fn running() -> Vec<Seen> {
    vec![audio("context", Some("running"), None), audio("gum", None, Some(true))]
}

/// A picture of one brightness, with a pattern in it.
fn plain(n: u64, brightness: f64) -> Frame {
    frame(n, "b", |cell| brightness + 8.0 * cell.sin())
}

/// How many of these players are taken to follow.
fn taken(seeds: u64, play: impl Fn(&mut Dice) -> Book) -> usize {
    (0..seeds).filter(|seed| play(&mut Dice::new(*seed)).end().failed.is_none()).count()
}

fn follower(dice: &mut Dice, lag: f64, noise: f64) -> Book {
    let (offset, speed, smooth) = (between(dice, 0.0, 4800.0), between(dice, 0.0005, 0.003), between(dice, 0.0, 120.0));
    let (mut shown, mut last) = (0.0, 0.0);
    played(
        dice,
        running(),
        |t| Some(level(t + offset)),
        |t, n, dice| {
            let wanted = level(t + offset - lag) / 0.28;
            shown += (wanted - shown) * if smooth < 1.0 { 1.0 } else { 1.0 - (-(t - last) / smooth).exp() };
            last = t;
            let drift = 12.0 * (speed * t).sin();
            plain(n, 70.0 + 80.0 * shown + drift + noise * normal(dice))
        },
    )
}

#[test]
fn a_picture_that_follows_is_taken_at_every_lag_up_to_400_ms() {
    for lag in 0..=400 {
        let outcome = follower(&mut Dice::new(lag), lag as f64, 0.0).end();
        assert_eq!(outcome.failed, None, "lag {lag} ms");
        let (name, _, fields) = outcome.events.last().expect("events");
        assert_eq!(*name, "sound_followed", "lag {lag} ms: {fields}");
    }
}

#[test]
fn more_than_99_per_cent_of_noisy_followers_are_taken() {
    // Noise of a fifth of the swing, any lag.
    let taken = taken(1000, |dice| {
        let lag = between(dice, 0.0, 400.0);
        follower(dice, lag, 16.0)
    });
    println!("noisy followers taken: {taken} of 1000");
    assert!(taken > 990, "{taken} of 1000");
}

#[test]
fn a_picture_whose_contrast_or_motion_follows_is_taken() {
    let contrast = taken(200, |dice| {
        let offset = between(dice, 0.0, 4800.0);
        played(
            dice,
            running(),
            |t| Some(level(t + offset)),
            |t, n, dice| {
                let wide = 10.0 + 80.0 * level(t + offset - 100.0) / 0.28;
                let bright = between(dice, 120.0, 123.0);
                frame(n, "b", |cell| bright + wide * (cell * 0.8 + t * 0.001).sin())
            },
        )
    });
    let motion = taken(200, |dice| {
        let offset = between(dice, 0.0, 4800.0);
        let mut phase = 0.0;
        played(
            dice,
            running(),
            |t| Some(level(t + offset)),
            |t, n, dice| {
                phase += 0.05 + 0.9 * level(t + offset - 50.0) / 0.28 + 0.02 * normal(dice);
                frame(n, "b", |cell| 120.0 + 60.0 * (cell * 0.8 + phase).sin())
            },
        )
    });
    println!("followers by contrast {contrast}, by motion {motion}, of 200");
    assert!(contrast >= 199 && motion >= 196, "contrast {contrast}, motion {motion} of 200");
}

/// Unrelated pictures, by kind. Every one hears the sound from another moment on.
fn unrelated(kind: &str, dice: &mut Dice) -> Book {
    let offset = between(dice, 0.0, 4800.0);
    let (phase, period) = (between(dice, 0.0, std::f64::consts::TAU), 300.0 * 40_f64.powf(dice.unit()));
    let (mut value, mut last, mut flip, mut lit) = (between(dice, 60.0, 190.0), 0.0, 0.0, false);
    let (beat, pull) = (between(dice, 200.0, 900.0), between(dice, 0.02, 0.5));
    let hears = move |t: f64| Some(level(t + offset));
    let kind = kind.to_owned();
    played(dice, running(), hears, move |t, n, dice| {
        let gone = t - last;
        last = t;
        let turn = phase + std::f64::consts::TAU * t / period;
        match kind.as_str() {
            "still" => plain(n, 120.0),
            "sine" => plain(n, 120.0 + 70.0 * turn.sin()),
            "drift" => frame(n, "b", |cell| 120.0 + 90.0 * (turn + 0.3 * cell).sin()),
            "walk" => {
                value = (value + 8.0 * normal(dice)).clamp(20.0, 235.0);
                plain(n, value)
            }
            "noise" => {
                value += (120.0 - value) * pull + 20.0 * normal(dice);
                plain(n, value)
            }
            "beat" => {
                flip -= gone;
                if flip <= 0.0 {
                    flip = beat * if phase > 3.0 { 1.0 } else { between(dice, 0.4, 1.6) };
                    lit = !lit;
                }
                plain(n, if lit { 190.0 } else { 60.0 })
            }
            other => unreachable!("{other}"),
        }
    })
}

#[test]
fn fewer_than_2_per_cent_of_unrelated_pictures_are_taken() {
    let kinds = ["still", "sine", "drift", "walk", "noise", "beat"];
    let counts = kinds.map(|kind| taken(200, |dice| unrelated(kind, dice)));
    println!("unrelated pictures taken, of 200 each: {kinds:?} {counts:?}");
    for (kind, count) in kinds.iter().zip(counts) {
        assert!(count < 4, "{kind}: {count} of 200 were taken");
    }
}

#[test]
fn what_keeps_the_sound_away_is_named() {
    let still = |_: f64, n: u64, _: &mut Dice| plain(n, 120.0);
    let why = |said: Vec<Seen>, level: fn(f64) -> Option<f64>| {
        played(&mut Dice::new(1), said, level, still).end().failed.expect("it fails")
    };
    let gum = || audio("gum", None, Some(true));
    let suspended = vec![audio("context", Some("suspended"), None), gum()];
    assert!(why(suspended, |_| Some(0.0)).starts_with("the AudioContext is suspended"));
    assert!(why(running(), |_| Some(0.001)).starts_with("the device is silent"));
    assert!(why(running(), |_| None).contains("connects nothing"));
    assert!(why(vec![audio("gum", None, Some(false))], |_| None).ends_with("refused: NotAllowedError"));
    assert_eq!(why(vec![], |_| None), "the page never asked for the microphone");
    let deaf = why(running(), |t| Some(level(t)));
    assert!(deaf.starts_with("the picture does not follow the sound"), "{deaf}");
}

#[test]
fn a_context_resumed_in_time_is_no_fault() {
    let said = vec![
        audio("context", Some("suspended"), None),
        audio("gum", None, Some(true)),
        audio("state", Some("running"), None),
    ];
    let book = played(&mut Dice::new(3), said, |t| Some(level(t)), |t, n, _| plain(n, 60.0 + 400.0 * level(t - 90.0)));
    assert_eq!(book.end().failed, None);
}

#[test]
fn a_silence_after_the_start_is_waited_out() {
    let sound = |t: f64| if t < 5000.0 { 0.0 } else { level(t) };
    let book =
        played(&mut Dice::new(3), running(), |t| Some(sound(t)), |t, n, _| plain(n, 60.0 + 400.0 * sound(t - 90.0)));
    assert_eq!(book.end().failed, None);
}

#[test]
fn a_picture_that_follows_but_is_the_old_one_fails() {
    let book = played(
        &mut Dice::new(5),
        running(),
        |t| Some(level(t)),
        |t, n, _| Frame { programs: vec!["a".to_owned()], ..drifting((t / TICK) as u64 + n, "a") },
    );
    let why = book.end().failed.expect("it fails");
    assert!(why.starts_with("the old picture stayed"), "{why}");
}
