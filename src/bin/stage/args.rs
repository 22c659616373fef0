//! The command line, and where hydra-synth is.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::Result;
use crate::defect::{self, Defect};
use crate::telemetry::Mode;

/// Where hydra-synth's browser build is below a folder that holds the stage's sources.
const IN_SOURCES: &str = "src/bin/stage/node_modules/hydra-synth/dist/hydra-synth.js";
/// The same below the cache folder.
const IN_CACHE: &str = "soundcheck/node_modules/hydra-synth/dist/hydra-synth.js";

/// Soundcheck's reference app: a small music player, on loopback only.
#[derive(Debug, Parser)]
#[command(name = "soundcheck-stage", version)]
pub struct Args {
    /// Port of the app; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// A defect to switch on; repeatable, or comma separated
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = defect::named)]
    defect: Vec<&'static Defect>,
    /// How much the app tells of itself; said twice, the last word counts
    #[arg(long, value_enum, default_value_t = Mode::Full, overrides_with = "telemetry")]
    pub telemetry: Mode,
    /// Print the table of defects and end
    #[arg(long)]
    pub list_defects: bool,
    /// hydra-synth.js, if it is not where it is looked for
    #[arg(long, value_name = "PATH")]
    pub hydra: Option<PathBuf>,
    /// The video proxy answers 413 for a longer upstream body
    #[arg(long, value_name = "BYTES", default_value_t = 500_000_000)]
    pub proxy_limit: u64,
    /// The video proxy gives up on an upstream that sends nothing for so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 120_000)]
    pub proxy_idle: u64,
    /// A login ends after so many milliseconds unless it is renewed
    #[arg(long, value_name = "MS", default_value_t = 86_400_000)]
    pub token_life: u64,
    /// Log as lines of JSON
    #[arg(long)]
    pub log_json: bool,
    /// An HTTP proxy that the video proxy fetches through: where a monitor breaks its upstream
    #[arg(long, value_name = "URL")]
    pub fetch_through: Option<String>,
}

impl Args {
    /// The defects asked for.
    pub fn defects(&self) -> impl Iterator<Item = &'static Defect> + '_ {
        self.defect.iter().copied()
    }
}

/// Finds hydra-synth's browser build: the path given, else near the program, else in the cache folder.
pub fn find_hydra(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return match path.is_file() {
            true => Ok(path.to_owned()),
            false => Err(format!("--hydra {}: no such file", path.display())),
        };
    }
    let starts = [std::env::current_exe().ok(), std::env::current_dir().ok()];
    let in_sources = starts.iter().flatten().flat_map(|start| start.ancestors()).map(|folder| folder.join(IN_SOURCES));
    let in_cache = cache_folder().into_iter().map(|cache| cache.join(IN_CACHE));
    in_sources.chain(in_cache).find(|path| path.is_file()).ok_or_else(|| {
        "hydra-synth is not installed. Run `npm ci` in src/bin/stage, \
         or `npm install --prefix ~/.cache/soundcheck hydra-synth@1.4.0`"
            .to_owned()
    })
}

/// The user's cache folder: `$XDG_CACHE_HOME`, else `~/.cache`.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}
