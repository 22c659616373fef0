//! One more authority that a play's browser trusts, in that play's private profile and nowhere else. The browsers read
//! it from NSS databases, which `certutil` of Debian's libnss3-tools writes; they enforce what its certificate limits
//! it to. Never by taking any certificate: that would hide the app's own faults.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use tokio::time::{Instant, sleep};

use super::leash::{Leash, Life, Program, tail};
use super::{Kind, which, zip};
use crate::error::{Error, Operator, Result};

const READY: Duration = Duration::from_secs(20);
const REMEDY: &str = "apt-get install libnss3-tools (or run ci/setup)";
/// A certificate authority for servers; not for mail, not for programs.
const SERVERS: &str = "C,,";

/// Makes the browser that will start on this leash trust the authority whose certificate this is, as PEM. Call it
/// before the browser starts; takes some 100 ms.
///
/// Chromium finds it in its home, which is the leash's folder. Firefox is given a profile: what this returns belongs
/// into [`super::options::Options::profile`].
pub async fn trust(leash: &Leash, kind: Kind, pem: &str) -> Result<Option<String>> {
    let certificate = Certificate::write(leash.dir(), pem)?;
    match kind {
        Kind::Chromium => {
            database(leash, &leash.dir().join(".pki/nssdb"), &certificate).await?;
            Ok(None)
        }
        Kind::Firefox => {
            let folder = leash.dir().join("trust");
            database(leash, &folder, &certificate).await?;
            let profile = profile(&folder);
            let _ = fs::remove_dir_all(&folder); // it goes with the leash, too
            profile.map(Some)
        }
    }
}

/// `certutil`, where it is installed.
pub fn certutil() -> Result<PathBuf> {
    which("certutil").ok_or_else(|| {
        Error::operator("certutil is missing: without it no browser trusts the proxy for the hosts of `intercept`")
            .remedy(REMEDY)
    })
}

/// The authority's certificate in a file, because certutil's input is one; erased when this is dropped.
struct Certificate(PathBuf);

impl Certificate {
    fn write(folder: &Path, pem: &str) -> Result<Self> {
        let path = folder.join("authority.pem");
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = file.operator(format!("making {}", path.display()))?;
        let certificate = Self(path);
        file.write_all(pem.as_bytes()).operator(format!("writing {}", certificate.0.display()))?;
        Ok(certificate)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // the leash's end removes what is left
    }
}

/// A database in `folder`, with no password, that holds this one certificate.
async fn database(leash: &Leash, folder: &Path, certificate: &Certificate) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.operator(format!("making {}", folder.display()))?;
    let database = format!("sql:{}", folder.display());
    run(leash, &["-N", "-d", &database, "--empty-password"]).await?;
    let file = certificate.0.display().to_string();
    run(leash, &["-A", "-d", &database, "-t", SERVERS, "-n", "soundcheck", "-i", &file]).await
}

async fn run(leash: &Leash, args: &[&str]) -> Result<()> {
    let log = leash.dir().join("certutil.log");
    let argv = std::iter::once(certutil()?.display().to_string()).chain(args.iter().map(|a| (*a).to_owned()));
    let pid = leash.spawn(Program { argv: argv.collect(), log: log.clone(), ..Program::default() }).await?;
    let deadline = Instant::now() + READY;
    loop {
        match leash.alive(pid).await? {
            Life::Ended(how) if how == "exit 0" => return Ok(()),
            Life::Ended(how) => {
                return Err(Error::operator(format!("certutil {} ended ({how}): {}", args[0], tail(&log, 5)))
                    .remedy("free some disk space; or apt-get install --reinstall libnss3-tools"));
            }
            Life::Runs if Instant::now() > deadline => {
                leash.kill(pid).await?;
                return Err(Error::operator(format!("certutil {} was not done in {READY:?}", args[0]))
                    .remedy("the machine is overloaded: let fewer plays run at once"));
            }
            Life::Runs => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A Firefox profile that is nothing but the database, zipped, in base64.
fn profile(folder: &Path) -> Result<String> {
    const NAME: &str = "cert9.db";
    let database = fs::read(folder.join(NAME)).operator(format!("reading certutil's {NAME}"))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(zip::archive(NAME, &database)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_certificates_file_is_private_and_erased() {
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = Certificate::write(folder.path(), "PEM").expect("written");
        let path = certificate.0.clone();
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).expect("readable"), "PEM");
        assert!(Certificate::write(folder.path(), "PEM").is_err(), "a file that is there is never written into");
        drop(certificate);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
    }
}
