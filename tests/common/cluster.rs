//! A PostgreSQL of the test's own: a cluster in a folder of its own, on a Unix socket, ended with the test however that
//! ends. A missing PostgreSQL is a failure: `ci/setup` installs it.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server with the database `postgres`.
pub struct Cluster {
    server: Child,
    dir: tempfile::TempDir,
}

impl Cluster {
    pub fn start() -> Self {
        // Its own user may have to walk through, and a socket's path is short.
        let dir = tempfile::Builder::new().prefix("soundcheck-pg-").tempdir_in("/tmp").expect("a folder");
        if root() {
            let owned = Command::new("chown").arg("postgres").arg(dir.path()).status().expect("chown starts");
            assert!(owned.success(), "Debian's postgresql makes the user postgres: run ci/setup");
        }
        let data = dir.path().join("data");
        let made = as_user(&program("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=soundcheck", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .current_dir(dir.path())
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let quiet = "listen_addresses = ''\n";
        std::fs::write(data.join("postgresql.auto.conf"), quiet).expect("written");
        Self { server: server(dir.path()), dir }
    }

    /// `--history` for this server.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?user=soundcheck&host={}", self.dir.path().display())
    }

    /// Restarts it with TLS and a password (`hunter2`) on a port of this machine: the port, and the certificate to trust.
    pub fn with_tls(&mut self) -> (u16, PathBuf) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound").port();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let (certificate, key) = (self.dir.path().join("cert.pem"), self.dir.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("private");
        if root() {
            assert!(Command::new("chown").arg("postgres").arg(&key).status().expect("chown starts").success());
        }
        let hba = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.dir.path().join("data/pg_hba.conf"), hba).expect("written");
        let mut client = postgres::Client::connect(&self.url(), postgres::NoTls).expect("connects");
        for set in [
            format!("ssl_cert_file = '{}'", certificate.display()),
            format!("ssl_key_file = '{}'", key.display()),
            format!("port = {port}"),
            "ssl = on".to_owned(),
            "listen_addresses = '127.0.0.1'".to_owned(),
        ] {
            client.execute(&format!("ALTER SYSTEM SET {set}"), &[]).expect("set");
        }
        client.batch_execute("ALTER USER soundcheck PASSWORD 'hunter2'").expect("set");
        self.crash();
        self.again();
        (port, certificate)
    }

    /// Kills the server with all its processes, as a power cut would.
    pub fn crash(&mut self) {
        signal(Signal::KILL, &self.server);
        let _ = self.server.wait();
        // Its children end by themselves when it is gone; each has the cluster's name in its title.
        let (old, name) = (Instant::now(), self.dir.path().file_name().expect("a name").display().to_string());
        let title = |pid: PathBuf| std::fs::read(pid.join("cmdline")).unwrap_or_default();
        let there = || {
            let all = std::fs::read_dir("/proc").expect("reads").flatten().map(|e| title(e.path()));
            all.filter(|t| t.starts_with(b"postgres:")).any(|t| String::from_utf8_lossy(&t).contains(&name))
        };
        while there() {
            assert!(old.elapsed() < Duration::from_secs(20), "the killed server's processes stay");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts it again after [`Cluster::crash`].
    pub fn again(&mut self) {
        self.server = server(self.dir.path());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At once, and its shared memory with it.
        signal(Signal::QUIT, &self.server);
        let _ = self.server.wait();
    }
}

fn root() -> bool {
    geteuid().is_root()
}

/// Debian keeps the server's programs out of the PATH.
fn program(name: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|v| v.path().join("bin").join(name)).filter(|p| p.exists()).collect())
        .unwrap_or_default();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no {name} in /usr/lib/postgresql: run ci/setup"))
}

/// PostgreSQL does not run as root. Should this process die, its server ends too.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19", "setpriv", "--pdeathsig", "QUIT"]);
    if root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg("--").arg(program).stdin(Stdio::null());
    command
}

fn server(dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    let server = as_user(&program("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .args(["-c", "max_connections=20", "-k"])
        .arg(dir)
        // Its processes name it: that is how they are found.
        .arg("-c")
        .arg(format!("cluster_name={}", dir.file_name().expect("a name").display()))
        .current_dir(dir)
        .stdout(log.try_clone().expect("twice"))
        .stderr(log)
        .spawn()
        .expect("the server starts");
    let cluster = |ready: &str| std::fs::read_to_string(dir.join("log")).unwrap_or_default().contains(ready);
    let begun = Instant::now();
    while !cluster("ready to accept connections") {
        if begun.elapsed() > Duration::from_secs(60) {
            signal(Signal::QUIT, &server);
            panic!("PostgreSQL: {}", std::fs::read_to_string(dir.join("log")).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn signal(signal: Signal, server: &Child) {
    let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a pid");
    let _ = kill_process(pid, signal);
}
