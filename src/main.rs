//! The edge: arguments in, exit code out.

mod cli;

use soundcheck::browser::leash;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The reaper and the programs it starts are this binary too. They come before anything with threads.
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("leash") => return leash::leash_main(&args[1..]),
        Some("leash-exec") => return leash::leash_exec_main(&args[1..]),
        _ => {}
    }
    // A panic is a bug of ours, and says so by its exit code; unwinding has ended what was started.
    std::panic::catch_unwind(cli::main).unwrap_or_else(|_| {
        eprintln!("error: a bug in Soundcheck: please report what stands above\n  what to do: run it again with -v");
        ExitCode::from(70)
    })
}
