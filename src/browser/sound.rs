//! The known sound that the microphone hears, and the private sound server that Firefox needs to hear anything.
//!
//! Chromium reads the sound from a file. Firefox has no such switch, and without a sound server its AudioContext never
//! leaves "suspended"; so it gets a PulseAudio of its own, whose microphone is a FIFO that a task here feeds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::leash::{Leash, Life, Program, tail};
use super::which;
use crate::error::{Error, Operator, Result};

/// Samples per second, mono, signed 16 bits.
pub const RATE: u32 = 48_000;
/// One bit of the rhythm, in milliseconds.
pub const BIT_MS: u32 = 300;
/// When there is a tone. Irregular, so that a picture which merely pulses by itself cannot seem to follow it.
const RHYTHM: [bool; 16] = {
    const T: bool = true;
    const F: bool = false;
    [T, F, T, T, F, T, F, F, T, F, T, T, T, F, F, F]
};
/// Rounds of the rhythm in the WAV file: 9.6 s.
const ROUNDS: u32 = 2;
const READY: Duration = Duration::from_secs(10);

/// What the microphone hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sound {
    /// 440 and 880 Hz together, on and off in an irregular rhythm of 300-ms bits, peak 0.5 of full scale.
    #[default]
    Tone,
    /// Nothing: for a check that must fail when the sound is missing.
    Silence,
}

impl Sound {
    /// The sample at a position; the sound repeats for ever.
    fn sample(self, at: u64) -> i16 {
        let bit = u64::from(RATE * BIT_MS / 1000);
        let on = RHYTHM[(at / bit) as usize % RHYTHM.len()];
        if self == Sound::Silence || !on {
            return 0;
        }
        // 300 ms hold 132 and 264 whole waves: a tone starts and ends at zero, and nothing clicks.
        let at = at % bit;
        let turn = std::f64::consts::TAU * at as f64 / f64::from(RATE);
        let value = ((440.0 * turn).sin() + (880.0 * turn).sin()) / 1.76;
        (value * 0.5 * f64::from(i16::MAX)) as i16
    }

    /// The samples from one position to another, as little-endian bytes.
    pub fn pcm(self, from: u64, to: u64) -> Vec<u8> {
        (from..to).flat_map(|at| self.sample(at).to_le_bytes()).collect()
    }

    /// A few rounds as a WAV file, for Chromium's `--use-file-for-fake-audio-capture`, which plays it in a loop.
    pub fn wav(self) -> Vec<u8> {
        let samples = RATE * BIT_MS / 1000 * RHYTHM.len() as u32 * ROUNDS;
        let data = self.pcm(0, u64::from(samples));
        let size = samples * 2;
        let mut wav = Vec::with_capacity(data.len() + 44);
        wav.extend_from_slice(b"RIFF");
        wav.extend_from_slice(&(36 + size).to_le_bytes());
        wav.extend_from_slice(b"WAVEfmt ");
        wav.extend_from_slice(&16u32.to_le_bytes());
        for word in [1u16, 1] {
            wav.extend_from_slice(&word.to_le_bytes()); // PCM, one channel
        }
        wav.extend_from_slice(&RATE.to_le_bytes());
        wav.extend_from_slice(&(RATE * 2).to_le_bytes());
        for word in [2u16, 16] {
            wav.extend_from_slice(&word.to_le_bytes()); // bytes a frame, bits a sample
        }
        wav.extend_from_slice(b"data");
        wav.extend_from_slice(&size.to_le_bytes());
        wav.extend_from_slice(&data);
        wav
    }

    /// Writes the WAV file into a directory and gives its path.
    pub fn write_wav(self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join("mic.wav");
        std::fs::write(&path, self.wav()).operator(format_args!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// A private sound server; its microphone plays the known sound for as long as this value lives.
#[derive(Debug)]
pub struct PulseAudio {
    server: String,
    feeder: JoinHandle<()>,
}

impl Drop for PulseAudio {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}

impl PulseAudio {
    /// Starts the server on the leash, ready in about 50 ms, and starts to feed its microphone.
    pub async fn start(leash: &Leash, sound: Sound) -> Result<PulseAudio> {
        let pulseaudio = which("pulseaudio").ok_or_else(|| {
            Error::operator("pulseaudio is missing: without a sound server Firefox never starts an AudioContext")
                .remedy("apt-get install pulseaudio")
        })?;
        let dir = leash.dir().join("pulse");
        std::fs::create_dir(&dir).operator(format_args!("making {}", dir.display()))?;
        let (socket, fifo, log) = (dir.join("native"), dir.join("mic"), leash.dir().join("pulse.log"));
        let modules = [
            format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display()),
            // Without "norewinds" the sink works in blocks of 2 s, and so does the clock of every AudioContext at first.
            format!("module-null-sink sink_name=out rate={RATE} norewinds=1"),
            format!("module-pipe-source source_name=mic file={} rate={RATE} channels=1 format=s16le", fifo.display()),
        ];
        let fixed = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"];
        let mut argv = vec![pulseaudio.display().to_string()];
        argv.extend(fixed.map(str::to_owned));
        argv.extend(modules.into_iter().flat_map(|m| ["-L".to_owned(), m]));
        let pid = leash.spawn(Program { argv, log: log.clone(), ..Program::default() }).await?;
        let deadline = Instant::now() + READY;
        while !(socket.exists() && fifo.exists()) {
            sleep(Duration::from_millis(5)).await;
            let ended = match leash.alive(pid).await? {
                Life::Ended(how) => format!("ended ({how})"),
                Life::Runs if Instant::now() > deadline => format!("gave no socket in {READY:?}"),
                Life::Runs => continue,
            };
            return Err(Error::operator(format!("pulseaudio {ended}: {}", tail(&log, 5)))
                .remedy("apt-get install --reinstall pulseaudio"));
        }
        Ok(PulseAudio { server: format!("unix:{}", socket.display()), feeder: tokio::spawn(feed(fifo, sound)) })
    }

    /// The value of PULSE_SERVER for the browser.
    pub fn server(&self) -> &str {
        &self.server
    }
}

/// Keeps the FIFO supplied in real time. The position follows the clock and not what could be written: when nobody
/// listens the samples are dropped, so the tone's rhythm never drifts and a late listener hears no backlog.
async fn feed(fifo: PathBuf, sound: Sound) {
    const LEAD: Duration = Duration::from_millis(60);
    let sender = loop {
        match pipe::OpenOptions::new().open_sender(&fifo) {
            Ok(sender) => break sender,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    };
    // 16 KiB hold 170 ms; the default of 64 KiB would delay the first sound of a listener by 0.7 s.
    let _ = rustix::pipe::fcntl_setpipe_size(&sender, 16 * 1024);
    let begun = Instant::now();
    let mut tick = interval(Duration::from_millis(20));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut written = 0;
    loop {
        tick.tick().await;
        let due = (begun.elapsed() + LEAD).as_millis() as u64 * u64::from(RATE) / 1000;
        // After a pause only the newest 100 ms matter.
        let from = written.max(due.saturating_sub(u64::from(RATE) / 10));
        let _ = sender.try_write(&sound.pcm(from, due));
        written = due;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wav_holds_whole_rounds() {
        let wav = Sound::Tone.wav();
        assert_eq!(wav.len(), 44 + 460_800 * 2);
        assert_eq!(&wav[..4], b"RIFF");
        assert_eq!(u32::from_le_bytes([wav[4], wav[5], wav[6], wav[7]]) as usize, wav.len() - 8);
    }

    #[test]
    fn the_tone_keeps_its_rhythm() {
        let bit = 14_400;
        let peak =
            |n: u64| (n * bit..(n + 1) * bit).map(|i| Sound::Tone.sample(i).unsigned_abs()).max().unwrap_or_default();
        for (n, on) in (0..).zip(RHYTHM) {
            assert_eq!((15_500..=16_500).contains(&peak(n)), on, "bit {n} peaks at {}", peak(n));
            assert_eq!(peak(n) == 0, !on);
        }
        assert_eq!(Sound::Tone.pcm(0, 100), Sound::Tone.pcm(16 * bit, 16 * bit + 100));
        assert!(Sound::Silence.pcm(0, bit).iter().all(|b| *b == 0));
    }
}
