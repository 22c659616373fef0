//! A play's network: its own listener between browser and app, the profile's faults armed on it and on the app's
//! upstream, a canary that proves the browser really goes through it, and what the faults came to.

use super::{Shared, Turn};
use crate::browser::session::Session;
use crate::error::{Error, Result};
use crate::event::{Log, Now, random_hex};
use crate::fault::Leg;
use crate::fault::link::Part;
use crate::profile::{Facts, Outcome, Profile};
use crate::proxy::tls::Intercept;
use crate::proxy::{Armed, Config, Proxy, Reach, Route, STORM, Tally};
use crate::record::Ending;
use crate::unit::ms;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long the canary may take to come by.
const CANARY: Duration = Duration::from_secs(10);

/// The listener of one play.
pub(super) struct Net {
    proxy: Proxy,
    authority: Option<String>,
}

/// What an app's own addresses are: what its file names, and where it is itself.
fn own_hosts(shared: &Shared<'_>) -> Vec<String> {
    let app = &shared.plan.app;
    app.hosts.iter().cloned().chain(authority(&shared.base)).collect()
}

/// `host:port` of a URL.
fn authority(base: &str) -> Option<String> {
    let url = url::Url::parse(base).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// A URL as the proxy tells it: without query and fragment.
fn bare(url: &str) -> Option<String> {
    let mut url = url::Url::parse(url).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

/// Starts a listener for the app's own upstream: what an app with `{proxy}` in its `launch` fetches through.
pub(super) async fn upstream(hosts: &[String], log: &Log, now: &Now) -> Result<Proxy> {
    let reach = Reach { named: hosts.to_vec(), public: true };
    Proxy::start(config(Leg::Upstream, reach, hosts.to_vec(), log, now)).await
}

fn config(leg: Leg, reach: Reach, trace: Vec<String>, log: &Log, now: &Now) -> Config {
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        route: Route::Forward,
        leg,
        reach,
        map: std::collections::BTreeMap::new(),
        intercept: None,
        trace,
        log: Some(log.clone()),
        now: now.clone(),
        storm: Some(STORM),
        media_proxy: None,
        telemetry: None,
    }
}

impl Net {
    /// Starts the play's listener. Nothing is armed yet: the faults' clock starts with the journey.
    pub(super) async fn start(shared: &Shared<'_>) -> Result<Self> {
        let hosts = own_hosts(shared);
        let reach = Reach { named: hosts.clone(), public: true };
        let mut config = config(Leg::Browser, reach, hosts, &shared.log, &shared.now);
        let app = &shared.plan.app;
        config.map.clone_from(&app.map);
        config.media_proxy = app.media_proxy.as_ref().and_then(|path| bare(&format!("{}{path}", shared.base)));
        config.telemetry = app.telemetry.path.as_ref().and_then(|path| bare(&format!("{}{path}", shared.base)));
        config.intercept = match app.intercept.as_slice() {
            [] => None,
            hosts => Some(Intercept::new(hosts)?),
        };
        if app.access.insecure_certificates {
            config.intercept = config.intercept.map(Intercept::insecure).transpose()?;
        }
        let authority = config.intercept.as_ref().map(Intercept::certificate);
        Ok(Self { proxy: Proxy::start(config).await?, authority })
    }

    /// The certificate that the play's browser is to trust, as PEM, where HTTPS is looked into.
    pub(super) fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Where the browser is sent.
    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Asks for a token at the app's own address, which only the listener can answer. A browser that went around the
    /// proxy would show a fine page, and no fault would ever fire.
    pub(super) async fn prove(&self, session: &Session, base: &str) -> Result<()> {
        let token = random_hex::<8>();
        let host = authority(base).unwrap_or_else(|| "soundcheck.invalid".to_owned());
        let script = format!(
            "fetch('http://{host}/.soundcheck/canary/{token}', {{ mode: 'no-cors', cache: 'no-store' }})\
             .then(() => 'answered', (e) => String(e))"
        );
        let answer = session.evaluate(&script, true, CANARY).await;
        if self.proxy.saw(&token) {
            return Ok(());
        }
        let answer = answer.map_or_else(|e| e.to_string(), |v| v.as_str().unwrap_or_default().to_owned());
        Err(Error::operator(format!("the browser goes around the proxy: its canary never came by ({answer})"))
            .remedy("look for a proxy policy or an extension in this browser, or give another --browser-binary"))
    }

    /// Arms the profile's faults, here and upstream, and starts their clock.
    pub(super) fn arm(&self, shared: &Shared<'_>, turn: &Turn<'_>) {
        let of = |leg| Armed {
            rules: turn.profile.rules.iter().filter(|r| r.leg == leg).cloned().collect(),
            seed: turn.profile.seed,
            journey: turn.journey.name.clone(),
        };
        self.proxy.arm(of(Leg::Browser));
        if let Some(upstream) = &shared.upstream {
            upstream.arm(of(Leg::Upstream));
        }
    }

    /// What the planned faults came to, for the record; and why they cannot have, where that is known.
    pub(super) fn tally(&self, shared: &Shared<'_>, profile: &Profile) -> Tallied {
        let mut found = self.proxy.tally();
        found.extend(shared.upstream.iter().flat_map(Proxy::tally));
        let rules = profile.rules.iter().map(|rule| {
            let tally = found.iter().find(|t| t.id == rule.id).cloned().unwrap_or_default();
            Planned { leg: rule.leg, kind: rule.kind, tally: Tally { id: rule.id.clone(), ..tally } }
        });
        let upstream = shared.upstream.as_ref().map(Proxy::tunnelled);
        Tallied { rules: rules.collect(), tunnelled: self.proxy.tunnelled(), upstream }
    }
}

/// A planned fault, and what it came to.
struct Planned {
    leg: Leg,
    kind: &'static str,
    tally: Tally,
}

/// What the planned faults of a play came to.
pub(super) struct Tallied {
    rules: Vec<Planned>,
    tunnelled: Vec<String>,
    /// The hosts that the app's own proxy reached by tunnels, if it fetches through ours.
    upstream: Option<Vec<String>>,
}

impl Tallied {
    /// As the event's fields.
    pub(super) fn fields(&self) -> Value {
        let faults: Vec<Value> = self
            .rules
            .iter()
            .map(|Planned { leg, kind, tally: t }| {
                json!({
                    "id": t.id, "kind": kind, "leg": leg,
                    "requests": t.requests, "matched": t.matched, "applied": t.applied,
                })
            })
            .collect();
        let tunnelled: Vec<&String> = self.tunnelled.iter().chain(self.upstream.iter().flatten()).collect();
        json!({ "faults": faults, "tunnelled": tunnelled })
    }

    /// Why a planned fault never came about; `None` when each of them did. Where a profile plans for both legs, those of one
    /// are enough: it is the app that decides which of them meets it.
    fn missing(&self) -> Option<String> {
        let came = |of: &Planned| of.tally.applied > 0;
        let whole = |leg| {
            let mut own = self.rules.iter().filter(|r| r.leg == leg).peekable();
            own.peek().is_some() && own.all(came)
        };
        if whole(Leg::Browser) || whole(Leg::Upstream) {
            return None;
        }
        let Planned { leg, tally, .. } = self.rules.iter().find(|r| !came(r))?;
        let id = &tally.id;
        let why = match (leg, tally) {
            (Leg::Upstream, _) if self.upstream.is_none() => {
                "the app is not launched to fetch through the proxy (`{proxy}` in `launch`)".to_owned()
            }
            (_, Tally { matched: 0, requests, .. }) => {
                let hidden = match (leg, self.tunnelled.as_slice(), self.upstream.as_deref()) {
                    (Leg::Browser, hosts @ [_, ..], _) => {
                        format!(": HTTPS is not intercepted for {}", hosts.join(", "))
                    }
                    (Leg::Upstream, _, Some(hosts @ [_, ..])) => {
                        format!(
                            ": upstream HTTPS is never looked into, and the app fetches it from {}",
                            hosts.join(", ")
                        )
                    }
                    _ => String::new(),
                };
                format!("0 of {requests} requests matched{hidden}")
            }
            (_, Tally { matched, .. }) => format!("{matched} requests matched, and it applied to none of them"),
        };
        Some(format!("the planned fault `{id}` never came about: {why}"))
    }

    /// How the play counts, given how it went: what the profile says must hold decides.
    pub(super) fn judge(&self, turn: &Turn<'_>, went: Ending, facts: &Facts) -> (Ending, Option<String>) {
        let profile = turn.profile;
        if profile.rules.is_empty() || went == Ending::Broken {
            return (went, facts.reason.map(str::to_owned));
        }
        let applied = self.rules.iter().any(|r| r.tally.applied > 0);
        let expected = profile.expected(&turn.journey.name, turn.kind);
        let must_fail = expected.is_some_and(|expect| expect.outcome == Outcome::Fails);
        let held = match expected {
            // What went wrong without any fault is the app's own failure.
            _ if !applied && went == Ending::Failed => Err(facts.reason.unwrap_or_default().to_owned()),
            Some(expect) => expect.judge(facts),
            None => return (Ending::Undecided, Some(format!("`{}` says nothing of this journey", profile.name))),
        };
        match (held, self.missing()) {
            // What should have made it fail was not there, or not all of it.
            (Err(_), Some(why)) if went == Ending::Passed && (must_fail || !applied) => (Ending::Undecided, Some(why)),
            (Err(why), _) => (Ending::Failed, Some(why)),
            (Ok(()), Some(why)) => (Ending::Undecided, Some(why)),
            (Ok(()), None) => {
                (Ending::Passed, facts.reason.map(|why| format!("failed, as the profile expects: {why}")))
            }
        }
    }
}

/// When a profile takes the browser's network away, from the time its faults were armed on: begin and end, on the run's
/// clock.
pub(super) fn outages(profile: &Profile, armed: f64, now: f64) -> Vec<(f64, f64)> {
    /// Longer than any expectation is waited for.
    const AHEAD_MS: f64 = 3_600_000.0;
    let browser = profile.rules.iter().filter(|rule| rule.leg == Leg::Browser);
    let mut all = Vec::new();
    for rule in browser {
        let Some(Part::Outage(outage)) = rule.fault.link() else { continue };
        let mut begin = armed + ms(outage.at);
        while begin < now + AHEAD_MS {
            all.push((begin, begin + ms(outage.lasts)));
            match outage.every {
                Some(every) => begin += ms(every),
                None => break,
            }
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// The address that an app's `{proxy}` stands for.
pub(super) fn url(proxy: &Proxy) -> String {
    format!("http://{}", proxy.address())
}

/// Waits for nothing; says what is wrong with a profile that cannot be played here.
pub(super) fn playable(profile: &Profile, remote: bool) -> Result<()> {
    match remote && !profile.rules.is_empty() {
        true => Err(Error::author(format!("profile {} cannot be played with --webdriver", profile.name)).remedy(
            "the other machine's browser cannot reach a proxy on this one: play it on browsers of this machine",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an app has an upstream of ours, what was only tunnelled, and of each fault its leg, and how many requests
    /// came, matched and met it.
    fn missing(tunnelled: &[&str], upstream: Option<&[&str]>, rules: &[(Leg, u64, u64, u64)]) -> Option<String> {
        let hosts = |hosts: &[&str]| hosts.iter().map(|h| (*h).to_owned()).collect();
        let planned = |(n, (leg, requests, matched, applied)): (usize, &(Leg, u64, u64, u64))| Planned {
            leg: *leg,
            kind: "test",
            tally: Tally { id: format!("f{n}"), requests: *requests, matched: *matched, applied: *applied },
        };
        let rules = rules.iter().enumerate().map(planned).collect();
        Tallied { rules, tunnelled: hosts(tunnelled), upstream: upstream.map(hosts) }.missing()
    }

    #[test]
    fn a_fault_that_never_came_about_says_why() {
        use Leg::{Browser, Upstream};
        let said = |why: &str| Some(format!("the planned fault `f0` never came about: {why}"));
        let cdn = &["cdn.example:443"];
        assert_eq!(missing(&[], None, &[(Browser, 14, 0, 0)]), said("0 of 14 requests matched"));
        assert_eq!(
            missing(cdn, None, &[(Browser, 14, 0, 0)]),
            said("0 of 14 requests matched: HTTPS is not intercepted for cdn.example:443")
        );
        assert_eq!(
            missing(cdn, None, &[(Browser, 14, 3, 0)]),
            said("3 requests matched, and it applied to none of them")
        );
        // What the browser only tunnelled hides nothing from a fault upstream, nor the other way round.
        assert_eq!(missing(cdn, Some(&[]), &[(Upstream, 2, 0, 0)]), said("0 of 2 requests matched"));
        assert_eq!(missing(&[], Some(cdn), &[(Browser, 2, 0, 0)]), said("0 of 2 requests matched"));
        assert_eq!(
            missing(&[], Some(cdn), &[(Upstream, 2, 0, 0)]),
            said(
                "0 of 2 requests matched: upstream HTTPS is never looked into, and the app fetches it from cdn.example:443"
            )
        );
        assert_eq!(
            missing(cdn, None, &[(Upstream, 0, 0, 0)]),
            said("the app is not launched to fetch through the proxy (`{proxy}` in `launch`)")
        );
    }

    #[test]
    fn every_fault_of_one_leg_is_enough_and_less_is_not() {
        use Leg::{Browser, Upstream};
        let (came, never) = ((3, 1, 1), (3, 0, 0));
        let of = |leg, (requests, matched, applied)| (leg, requests, matched, applied);
        for (rules, enough) in [
            (vec![of(Browser, came), of(Browser, came)], true),
            (vec![of(Browser, came), of(Browser, never)], false),
            (vec![of(Browser, came), of(Upstream, never)], true),
            (vec![of(Browser, never), of(Upstream, came)], true),
            (vec![of(Browser, came), of(Browser, never), of(Upstream, never)], false),
        ] {
            assert_eq!(missing(&[], Some(&[]), &rules).is_none(), enough, "{rules:?}");
        }
    }
}
