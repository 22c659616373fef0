//! The command line: one file a command.

mod address;
mod check;
mod chosen;
mod compare;
mod doctor;
mod gate;
mod history;
mod judge;
mod kept;
mod list;
mod progress;
mod proxy;
mod records;
mod run;
mod slo;
mod verify;
mod why;

use clap::{Parser, Subcommand};
use soundcheck::error::Result;
use soundcheck::secret::Secrets;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Is this app fit to go live? Plays journeys in real Chromium and real Firefox, and answers with evidence.
#[derive(Parser)]
#[command(name = "soundcheck", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Soundcheck's own diagnostics on stderr: -v, -vv; RUST_LOG says it finer
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Those diagnostics as JSON, an object a line
    #[arg(long, global = true)]
    log_json: bool,
}

const EXIT_CODES: &str = "Exit codes:
  0    the judge is satisfied; GO
  1    breached; NO-GO; or not enough data, where the plan says `judge = \"prove\"` or nothing gave a sample
  2    a file or an argument is wrong
  3    broken: the environment, and nothing was breached
  70   a bug in Soundcheck
  130  interrupted (SIGINT); 143: terminated (SIGTERM); 129: hung up (SIGHUP)";

#[derive(Subcommand)]
enum Command {
    /// Play a plan and judge it
    Run(Box<run::Args>),
    /// Parse and cross-check files; nothing is started
    Check(check::Args),
    /// Judge a run again, from its record
    Judge(judge::Args),
    /// Why a run went wrong: from what failed to the request, the line or the fault that did it
    Why(why::Args),
    /// Every run that was kept: verdicts, flakes, trends; and records taken in
    History(history::Args),
    /// Whether two lots of plays differ, measure by measure, and by how much
    Compare(Box<compare::Args>),
    /// What files may say: words, verbs, expectations, measures, and what ships
    List(list::Args),
    /// Where each objective stands, by the history: value, budget, burn, verdict, streak; and exports for other programs
    Slo(slo::Args),
    /// May this version be released? GO or NO-GO, line by line, each with its evidence
    Gate(gate::Args),
    /// Plant known defects, and see that each is noticed and nothing else rings
    Verify(verify::Args),
    /// Faults on demand, for your own browser or between an app and what it fetches from
    Proxy(proxy::Args),
    /// What this machine can do: browsers, drivers, WebGL, codecs, sound; and the command that mends it
    Doctor(doctor::Args),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = ["warn", "soundcheck=debug", "debug"][usize::from(cli.verbose.min(2))];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let diagnostics = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Hiding);
    match cli.log_json {
        true => diagnostics.json().init(),
        false => diagnostics.init(),
    }
    let done = match cli.command {
        Command::Run(args) => block_on(run::main(*args)),
        Command::Check(args) => check::main(&args),
        Command::Judge(args) => judge::main(&args),
        Command::Why(args) => why::main(&args),
        Command::History(args) => history::main(args),
        Command::Compare(args) => compare::main(*args),
        Command::List(args) => list::main(&args),
        Command::Slo(args) => slo::main(args),
        Command::Gate(args) => gate::main(&args),
        Command::Verify(args) => block_on(verify::main(args)),
        Command::Proxy(args) => block_on(proxy::main(args, cli.verbose > 0)),
        Command::Doctor(args) => block_on(doctor::main(args)),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{}", Secrets::of_process().hide(&show(&error)));
            ExitCode::from(error.whose().exit_code())
        }
    }
}

/// Standard error without secrets: libraries that tell what they do know nothing of them. A line comes in one piece.
struct Hiding;

impl std::io::Write for Hiding {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = Secrets::of_process().hide(&String::from_utf8_lossy(line));
        std::io::stderr().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

fn show(error: &soundcheck::error::Error) -> String {
    let text = error.to_string();
    // Problems in files are titled already.
    if text.starts_with("error") { text } else { format!("error: {text}") }
}

/// A command's exit code.
type Done = Result<u8>;

fn block_on(work: impl Future<Output = Done>) -> Done {
    use soundcheck::error::Operator as _;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().operator("starting the runtime")?;
    let done = runtime.block_on(work);
    // A blocking write that hangs must not hold up the exit.
    runtime.shutdown_background();
    done
}

/// Prints as JSON, for programs.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    use soundcheck::error::Operator as _;
    let text = serde_json::to_string_pretty(value).operator("writing JSON")?;
    print(&format!("{text}\n"));
    Ok(())
}

/// Prints, and takes a closed pipe for what it is: the reader has seen enough.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
