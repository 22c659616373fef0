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
    cli::main()
}
