//! What a machine runs out of: the memory of this program's own control group, and the disk of its temporary folder.
//! Whoever starts it makes both for it (`ci/verify want`): a machine that others use too is never starved.

use crate::error::{Error, Operator, Result};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a control group's name must begin with: the one of a login or of a container is not ours to starve.
const OWN: &str = "soundcheck";
/// A disk of more room than this is others' too.
const SMALL: u64 = 1 << 30;
/// Room that is left when the limit comes down: a limit below what is used would be refused.
const SPARE: u64 = 16 << 20;
/// Takes all memory that there is; so it is ended next where the first choice is not enough, and not this program.
const HOG: [&str; 2] = ["tail", "/dev/zero"];
/// The kernel tries hard before it kills.
const PATIENCE: Duration = Duration::from_secs(10);

/// The memory of our own control group.
pub(super) struct Memory {
    limit: PathBuf,
    used: PathBuf,
    /// Counts whom the kernel ended for it.
    kills: PathBuf,
    /// What lifts the limit again.
    none: &'static str,
}

impl Memory {
    /// Of the control group that was made for this.
    pub(super) fn own() -> Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").operator("reading the control group")?;
        let named = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with(OWN));
        let files = |base: &str, path: &str, [limit, used, kills]: [&str; 3], none| {
            let folder = PathBuf::from(format!("/sys/fs/cgroup{base}{path}"));
            Self { limit: folder.join(limit), used: folder.join(used), kills: folder.join(kills), none }
        };
        let second = ["memory.max", "memory.current", "memory.events"];
        let first = ["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control"];
        let own = groups.lines().find_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (which, path) = line.split_once(':')?;
            match which {
                _ if !named(path) => None,
                "" => Some(files("", path, second, "max")),
                _ if which.split(',').any(|c| c == "memory") => Some(files("/memory", path, first, "-1")),
                _ => None,
            }
        });
        own.filter(|own| own.used.exists()).ok_or_else(|| {
            Error::operator(format!("no control group called {OWN}* whose memory may run out"))
                .remedy("`ci/verify want`, as root, makes one")
        })
    }

    /// Takes all of it until the kernel has ended this process, which is made its first choice.
    pub(super) fn run_out(&self, victim: u32) -> Result<()> {
        let score = format!("/proc/{victim}/oom_score_adj");
        fs::write(&score, "1000").operator(format!("writing {score}"))?;
        let reading = || format!("reading {}", self.used.display());
        let used: u64 = fs::read_to_string(&self.used).operator(reading())?.trim().parse().operator(reading())?;
        self.limit(&(used + SPARE).to_string())?;
        let kills = || fs::read_to_string(&self.kills).unwrap_or_default().lines().last().map(str::to_owned);
        let before = kills();
        let mut hog = Command::new(HOG[0]).arg(HOG[1]).spawn().operator("starting tail")?;
        let begun = Instant::now();
        while kills() == before && begun.elapsed() < PATIENCE {
            // Chromium says again how gladly its pages may be ended.
            let _ = fs::write(&score, "1000");
            sleep(Duration::from_millis(1));
        }
        let lifted = self.limit(self.none);
        let _ = hog.kill();
        hog.wait().operator("waiting for tail")?;
        lifted
    }

    fn limit(&self, most: &str) -> Result<()> {
        fs::write(&self.limit, most).operator(format!("writing {}", self.limit.display()))
    }
}

/// A file that takes all the disk that the temporary folder has; it goes when this is dropped.
pub(super) struct FullDisk(PathBuf);

impl FullDisk {
    /// Whether the temporary folder has a small disk of its own.
    pub(super) fn may_be() -> Result<()> {
        let folder = std::env::temp_dir();
        let disk = rustix::fs::statvfs(&folder).operator(format!("asking for the disk of {}", folder.display()))?;
        let size = disk.f_blocks.saturating_mul(disk.f_frsize);
        if size > SMALL {
            let (folder, gb) = (folder.display(), size as f64 / 1e9);
            let what = format!("{folder} is on a disk of {gb:.0} GB, which is others' too");
            return Err(Error::operator(what).remedy("`ci/verify want`, as root, gives a small one by TMPDIR"));
        }
        Ok(())
    }

    /// Takes it.
    pub(super) fn fill() -> Result<Self> {
        let full = Self(std::env::temp_dir().join(format!("soundcheck-fill-{}", std::process::id())));
        let mut file = fs::File::create(&full.0).operator(format!("making {}", full.0.display()))?;
        let mut piece = 1 << 20;
        while piece > 0 {
            // The last octets, too.
            if file.write_all(&vec![0; piece]).is_err() {
                piece /= 2;
            }
        }
        Ok(full)
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
