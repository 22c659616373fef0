//! Live progress in a terminal, plain lines everywhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use soundcheck::plan::Plan;
use soundcheck::record::Ending;
use soundcheck::run::Progress;
use soundcheck::unit::show_ms;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

/// Draws one line that moves while a play goes on, and leaves one line for each that ended. All on stderr: stdout is
/// for the answer.
pub struct Terminal {
    bar: ProgressBar,
    live: bool,
    now: Mutex<String>,
}

impl Terminal {
    pub fn new(plan: &Plan) -> Self {
        let live = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        let this = Self { bar, live, now: Mutex::default() };
        this.line(&format!("{} ({}, judged to {})", plan.question, plan.app.name, plan.judge.name()));
        this
    }

    fn line(&self, text: &str) {
        if self.live {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Terminal {
    fn play_starts(&self, number: usize, of: usize, title: &str) {
        let text = format!("[{number}/{of}] {title}");
        self.bar.set_message(text.clone());
        if let Ok(mut now) = self.now.lock() {
            *now = text;
        }
    }

    fn step_starts(&self, step: &str) {
        // How a test provokes a bug of ours; no such thing in a release.
        #[cfg(debug_assertions)]
        assert!(std::env::var_os("SOUNDCHECK_PANIC").is_none(), "asked to panic by SOUNDCHECK_PANIC");
        let now = self.now.lock().map(|n| n.clone()).unwrap_or_default();
        self.bar.set_message(format!("{now}: {step}"));
    }

    fn play_ends(&self, title: &str, ending: Ending, ms: f64, reason: Option<&str>) {
        let word = match ending {
            Ending::Passed => "passed",
            Ending::Failed => "FAILED",
            Ending::Broken | Ending::Unfinished => "BROKEN",
        };
        let now = self.now.lock().map(|n| n.clone()).unwrap_or_default();
        let count = now.split(' ').next().unwrap_or_default();
        let reason = reason.map_or(String::new(), |r| format!("\n        {}", r.replace('\n', "\n        ")));
        self.line(&format!("{count} {word}  {title}  {}{reason}", show_ms(ms)));
    }

    fn note(&self, text: &str) {
        self.line(&format!("note: {text}"));
    }
}
