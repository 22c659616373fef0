//! `soundcheck proxy`: faults on demand, in anyone's own browser, or between an app and what it fetches from.

use super::address::{address, targets};
use super::{Done, print, run::watch};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use soundcheck::error::{Error, Result, Whose};
use soundcheck::event::{Ids, Log, Now, Origin, random_hex};
use soundcheck::fault::Leg;
use soundcheck::profile::Profile;
use soundcheck::proxy::control::{Control, Loaded, Setup};
use soundcheck::proxy::live::{Entry, Live};
use soundcheck::proxy::{Armed, Config, Proxy, Tally};
use soundcheck::secret::Secrets;
use soundcheck::source::Source;
use soundcheck::unit::{many, show_ms};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::SignalKind;

#[derive(clap::Args)]
#[command(after_help = "With -v a line for each request goes to stderr when it ends. Ctrl-C ends the proxy.")]
pub struct Args {
    /// A profile: a path, or the name of a shipped one (`soundcheck list profiles`)
    #[arg(default_value = "clean")]
    profile: PathBuf,
    /// Pass everything on to this server, as a reverse proxy; without it, a forward proxy for what --allow names
    #[arg(long, value_name = "URL", conflicts_with = "allow")]
    to: Option<String>,
    /// A target the forward proxy may reach, `name:*` for all its ports; repeat it for more
    #[arg(long, value_name = "HOST:PORT")]
    allow: Vec<String>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080",
        value_parser = |t: &str| address("--listen", t, 8080))]
    listen: SocketAddr,
    /// Serve other machines too: wanted where --listen is not on loopback
    #[arg(long)]
    open: bool,
    /// Where the control page listens, on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0",
        value_parser = |t: &str| address("--control", t, 0))]
    control: SocketAddr,
    /// The faults of this leg are played: `upstream` between an app's media proxy and where it fetches from
    #[arg(long, value_name = "browser|upstream", default_value = "browser", value_parser = leg)]
    leg: Leg,
    /// The seed of every decision [default: the profile's own]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write events to this file: a JSON object a line, as in a run's events.jsonl
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Print the start as one line of JSON: `{"listen", "to", "allow", "control", "token", "profile", "question",
    /// "seed", "leg", "faults": [{"id", "do", "about", "says", "probability", "times", "fires", "armed", "waiting",
    /// "requests", "matched", "applied"}]}`
    #[arg(long)]
    json: bool,
}

fn leg(text: &str) -> Result<Leg, String> {
    match text {
        "browser" => Ok(Leg::Browser),
        "upstream" => Ok(Leg::Upstream),
        _ => Err("write browser or upstream".to_owned()),
    }
}

pub async fn main(args: Args, verbose: bool) -> Done {
    let (route, reach) = targets(args.to.as_deref(), &args.allow)?;
    if !args.listen.ip().is_loopback() && !args.open {
        return Err(Error::author(format!("{} is not on loopback: other machines could use this proxy", args.listen))
            .remedy("say --open if they shall, or --listen 127.0.0.1:8080"));
    }
    let profile = load(Source::open(&args.profile, "proxies")?, args.seed)?;
    take_files();
    let log = args.events.as_deref().map(open_log).transpose()?;
    let config = Config {
        listen: args.listen,
        route,
        leg: args.leg,
        reach,
        map: Default::default(),
        intercept: None,
        trace: Vec::new(),
        // People may send what they like.
        storm: None,
        media_proxy: None,
        telemetry: None,
        log: log.clone(),
        now: Now::default(),
    };
    let busy = "end what listens there, or give another --listen; port 0 takes a free one";
    let proxy =
        Proxy::start(config).await.map_err(|e| if e.whose() == Whose::Operator { e.remedy(busy) } else { e })?;
    let proxy = Arc::new(proxy);
    proxy.arm(profile.armed.clone());
    let (path, seed) = (args.profile.clone(), args.seed);
    let control = Control::start(Setup {
        listen: args.control,
        proxy: proxy.clone(),
        to: args.to.clone(),
        profile: profile.clone(),
        // What is pasted is named after the file it began as; its problems show that name.
        read: Box::new(move |text| load(Source { path: path.clone(), text: text.to_owned() }, seed)),
        log: log.clone(),
    })
    .await?;
    if let Some(log) = &log {
        let fields = json!({ "listen": proxy.address(), "to": args.to, "allow": args.allow, "leg": args.leg,
            "soundcheck": env!("CARGO_PKG_VERSION") });
        log.write("proxy_start", Origin::Proxy, log.now_ms(), &Ids::default(), fields);
        log.write("profile_armed", Origin::Proxy, log.now_ms(), &Ids::default(), profile.event());
    }
    // Only now: until here a signal just ends it, also while a name is being resolved.
    let (mut interrupt, mut terminate, mut hangup) =
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?, watch(SignalKind::hangup())?);
    announce(&args, &proxy, &control, &profile);

    let (how, code) = tokio::select! {
        _ = interrupt.recv() => ("interrupted", 130),
        _ = terminate.recv() => ("terminated", 143),
        _ = hangup.recv() => ("hung up", 129),
        never = follow(proxy.live(), verbose) => match never {},
        never = tell_of_loss(log.as_ref()) => match never {},
    };
    eprint!("{}", farewell(how, &proxy));
    if let Some(log) = &log {
        let fields = json!({ "reason": how, "dropped": log.dropped() });
        log.write("proxy_end", Origin::Proxy, log.now_ms(), &Ids::default(), fields);
        log.sync()?;
    }
    Ok(code)
}

/// Lets itself open as many files as the system allows: a connection takes two, and a shell's own limit is mostly 1024.
fn take_files() {
    let limit = getrlimit(Resource::Nofile);
    // Refused, the old one holds, and whoever comes then waits.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn load(source: Source, seed: Option<u64>) -> Result<Loaded> {
    let profile = Profile::read(&source)?;
    let armed = Armed { rules: profile.rules, seed: seed.unwrap_or(profile.seed), journey: String::new() };
    Ok(Loaded { name: profile.name, question: profile.question, toml: source.text, armed, says: profile.says })
}

fn open_log(path: &Path) -> Result<Log> {
    if std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0) {
        return Err(Error::author(format!("{} holds events already", path.display()))
            .remedy("give another --events: each start gets its own file"));
    }
    Log::open(path, &random_hex::<8>(), &Secrets::of_process())
}

fn announce(args: &Args, proxy: &Proxy, control: &Control, profile: &Loaded) {
    if args.open && !args.listen.ip().is_loopback() {
        eprintln!("warning: whoever reaches {} can use this proxy, and what it may reach", proxy.address());
    }
    let other = profile.armed.rules.iter().filter(|r| r.leg != args.leg).count();
    if other > 0 {
        let leg = if args.leg == Leg::Browser { "upstream" } else { "browser" };
        eprintln!("note: {other} faults of this profile are of the other leg, and quiet here: --leg {leg} plays them");
    }
    let faults = profile.told(proxy.standing());
    if args.json {
        let start = json!({ "listen": proxy.address(), "to": args.to, "allow": args.allow, "control": control.url(),
            "token": control.token(), "profile": profile.name, "question": profile.question,
            "seed": profile.armed.seed, "leg": args.leg, "faults": faults });
        return print(&format!("{start}\n"));
    }
    let what = match &args.to {
        Some(to) => format!("listening on http://{}, passing on to {to}", proxy.address()),
        // As an app's setting wants it, and as a browser's.
        None => {
            format!("listening on http://{0} ({0}), a forward proxy for {1}", proxy.address(), args.allow.join(", "))
        }
    };
    let mut out = format!(
        "{what}\ncontrol page: {}\nprofile {}, seed {}: {}\n",
        control.url(),
        profile.name,
        profile.armed.seed,
        profile.question
    );
    for fault in &faults {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {:<8}  {}", if fault.armed { "armed" } else { "disarmed" }, fault.says);
    }
    if faults.is_empty() {
        out.push_str("  no faults: everything passes as it is\n");
    }
    out.push_str("Ctrl-C ends it.\n");
    print(&out);
}

fn farewell(how: &str, proxy: &Proxy) -> String {
    let mut out = format!("\n{how}\n");
    for standing in proxy.standing() {
        let Tally { id, requests, matched, applied } = standing.tally;
        // Writing to a string cannot fail.
        let _ = match standing.rule.fault.link() {
            Some(_) => {
                let connections = many(applied, "connection", "connections");
                writeln!(out, "  {id}: applied to {connections}; {matched} of {requests} requests came while it held")
            }
            None => writeln!(out, "  {id}: applied {applied}, matched {matched} of {requests} requests"),
        };
    }
    out
}

/// Says once that events are lost, when they begin to be: at the end it would be too late to mend.
async fn tell_of_loss(log: Option<&Log>) -> std::convert::Infallible {
    const EVERY: Duration = Duration::from_secs(1);
    let Some(log) = log else { return std::future::pending().await };
    while log.dropped() == 0 {
        tokio::time::sleep(EVERY).await;
    }
    eprintln!(
        "warning: events cannot be written and are lost: free space on the disk, and start with another --events"
    );
    std::future::pending().await
}

/// Prints a line for each request that ended, for as long as the proxy runs.
async fn follow(live: Live, verbose: bool) -> std::convert::Infallible {
    // Often enough that none of the requests kept is missed.
    const EVERY: Duration = Duration::from_millis(20);
    if !verbose {
        return std::future::pending().await;
    }
    let mut version = 0;
    loop {
        let news = live.since(version);
        version = news.version;
        for entry in news.requests.iter().filter(|e| e.ended.is_some()) {
            eprintln!("{}", Secrets::of_process().hide(&line(entry)));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// `12.35 s GET 127.0.0.1:3000 /a.mp4 bytes=0- 206 bytes 0-9/10 10 of 10 B 12 ms [short-206] whole`.
fn line(entry: &Entry) -> String {
    let Entry {
        at_ms, method, host, path, range, status, content_range, promised, sent, total_ms, faults, ended, ..
    } = entry;
    let status = status.map_or("no answer".to_owned(), |s| s.to_string());
    let bytes = promised.map_or(format!("{sent} B"), |promised| format!("{sent} of {promised} B"));
    let mut parts = vec![show_ms(*at_ms), method.clone(), host.clone(), path.clone()];
    parts.extend(range.clone());
    parts.push(status);
    parts.extend(content_range.clone());
    parts.push(bytes);
    parts.extend(total_ms.map(show_ms));
    if !faults.is_empty() {
        parts.push(format!("[{}]", faults.join(", ")));
    }
    parts.extend(ended.clone());
    // What a request says must not be able to steer the terminal.
    let text = parts.iter().filter(|p| !p.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_and_steers_no_terminal() {
        let entry = Entry {
            at_ms: 12_345.0,
            method: "GET".into(),
            host: "a:1".into(),
            path: "/x\u{1b}[2J\r\n".into(),
            range: Some("bytes=0-".into()),
            status: Some(206),
            promised: Some(10),
            sent: 4,
            total_ms: Some(12.4),
            faults: vec!["cut".into(), "late".into()],
            ended: Some("reset".into()),
            ..Entry::default()
        };
        let said = "12.35 s GET a:1 /x\u{fffd}[2J\u{fffd}\u{fffd} bytes=0- 206 4 of 10 B 12 ms [cut, late] reset";
        assert_eq!(line(&entry), said);
    }
}
