//! A display without a screen: Xvfb. Firefox has no WebGL without one, and Chromium on one draws with llvmpipe, which
//! is about twice as fast as the SwiftShader of its headless mode.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::leash::{Leash, Life, Program, tail};
use super::which;
use crate::error::{Error, Result};

const READY: Duration = Duration::from_secs(10);

/// An X display that lives as long as its leash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    name: String,
    pid: u32,
}

impl Display {
    /// Starts Xvfb on a free display number, with a screen of 1280 x 1024 and 24 bits; ready in 50 to 300 ms.
    pub async fn start(leash: &Leash) -> Result<Display> {
        let xvfb = which("Xvfb").ok_or_else(|| {
            Error::operator("Xvfb is missing: Firefox has no WebGL without a display").remedy("apt-get install xvfb")
        })?;
        let log = leash.dir().join("xvfb.log");
        // The server picks the number itself and writes it to fd 1. That is the log file: a pipe closed too early
        // would end the server, a file cannot be.
        let argv = ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"];
        let argv = std::iter::once(xvfb.display().to_string()).chain(argv.map(str::to_owned)).collect();
        let pid = leash.spawn(Program { argv, log: log.clone(), ..Program::default() }).await?;
        let deadline = Instant::now() + READY;
        let mut round = 0;
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(number) = number(&text) {
                return Ok(Display { name: format!(":{number}"), pid });
            }
            round += 1;
            if round % 20 == 0
                && let Life::Ended(how) = leash.alive(pid).await?
            {
                return Err(Error::operator(format!("Xvfb ended ({how}): {}", tail(&log, 5)))
                    .remedy("apt-get install --reinstall xvfb xkb-data; check that /tmp can be written"));
            }
            if Instant::now() > deadline {
                return Err(Error::operator(format!("Xvfb gave no display in {READY:?}: {}", tail(&log, 5)))
                    .remedy("the machine is overloaded: let fewer plays run at once"));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The value of DISPLAY, such as ":99".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pid of the X server.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

/// The display number in the log: a whole line, newline included, that is a number. The server writes warnings to the
/// same file, and a line without its end may be half a number.
fn number(log: &str) -> Option<u32> {
    log.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')).find_map(|l| l.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_a_whole_line() {
        assert_eq!(number("_XSERVTransmkdir: warning 1\n12\n"), Some(12));
        assert_eq!(number("_XSERVTransmkdir: warning\n1"), None);
        assert_eq!(number(""), None);
    }
}
