//! What the standard `OTEL_*` variables ask for. Headers, compression and the rest that is not read here are read by the
//! exporters themselves.

use super::counts::Signal;
use crate::secret::Secrets;
use std::time::Duration;

/// How an OTLP receiver is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Protobuf over HTTP.
    Http,
    /// gRPC.
    Grpc,
}

/// Where one signal goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) endpoint: String,
    pub(super) protocol: Protocol,
    /// For one export, with all its attempts.
    pub(super) timeout: Duration,
    /// How long a batch waits to be full; for metrics, how often they are exported.
    pub(super) every: Duration,
    /// Most things that wait.
    pub(super) queue: usize,
    /// Most things in a batch.
    pub(super) batch: usize,
}

/// Looks an environment variable up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a signal goes; `None`: nowhere. What cannot be done as asked is said in `notes`.
pub(super) fn wanted(signal: Signal, env: Lookup, notes: &mut Vec<String>) -> Option<Wanted> {
    // What is empty is not set, as the specification has it.
    let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let own = |rest: &str| format!("OTEL_EXPORTER_OTLP_{}_{rest}", signal.upper());
    let both = |rest: &str| {
        let shared = format!("OTEL_EXPORTER_OTLP_{rest}");
        [own(rest), shared].into_iter().find_map(|name| Some((env(&name)?, name)))
    };
    if env("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return None;
    }
    // What is said for all signals is said once.
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    let exporter = format!("OTEL_{}_EXPORTER", signal.upper());
    match env(&exporter).as_deref() {
        None | Some("otlp") => {}
        Some("none") => return None,
        Some(other) => {
            note(format!("{exporter}={other} is not known here: write otlp or none; no {} leave", signal.name()));
            return None;
        }
    }
    let (endpoint, from) = both("ENDPOINT")?;
    let protocol = match both("PROTOCOL") {
        None => Protocol::Http,
        Some((said, name)) => match said.as_str() {
            "http/protobuf" => Protocol::Http,
            "grpc" => Protocol::Grpc,
            other => {
                note(format!("{name}={other} is not known here: http/protobuf is spoken instead (or write grpc)"));
                Protocol::Http
            }
        },
    };
    let endpoint = match protocol {
        // An address for all signals is where their paths begin; one of a signal's own is taken as it is.
        Protocol::Http if from != own("ENDPOINT") => {
            format!("{}/v1/{}", endpoint.trim_end_matches('/'), signal.name())
        }
        _ => endpoint,
    };
    if let Some((_, name)) = both("CERTIFICATE") {
        note(format!("{name} is not read here: SSL_CERT_FILE names the certificates to trust"));
    }
    let number = |name: &str| env(name).and_then(|text| text.trim().parse::<u64>().ok());
    let time = |name: &str, usual: u64| Duration::from_millis(number(name).unwrap_or(usual));
    let count = |name: &str, usual: usize| number(name).map_or(usual, |n| (n as usize).max(1));
    let (every, queue, batch) = match signal {
        Signal::Metrics => (time("OTEL_METRIC_EXPORT_INTERVAL", 60_000), 1, 1),
        Signal::Traces => (
            time("OTEL_BSP_SCHEDULE_DELAY", 1000),
            count("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE),
            count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        ),
        Signal::Logs => (
            time("OTEL_BLRP_SCHEDULE_DELAY", 1000),
            count("OTEL_BLRP_MAX_QUEUE_SIZE", QUEUE),
            count("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 512),
        ),
    };
    let timeout = both("TIMEOUT").and_then(|(text, _)| text.trim().parse().ok()).unwrap_or(10_000);
    let timeout = Duration::from_millis(timeout);
    Some(Wanted { endpoint, protocol, timeout, every, queue, batch: batch.min(queue) })
}

/// What headers are called that let somebody in.
const KEYS: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// Remembers what the receiver is shown to let us in: it is nobody else's business.
pub fn hide(env: Lookup, secrets: &Secrets) {
    let is_key = |name: &str| KEYS.iter().any(|key| name.to_ascii_lowercase().contains(key));
    let own = Signal::ALL.map(|signal| format!("OTEL_EXPORTER_OTLP_{}_HEADERS", signal.upper()));
    let all = own.iter().map(String::as_str).chain(["OTEL_EXPORTER_OTLP_HEADERS"]);
    for headers in all.filter_map(env) {
        let pairs = headers.split(',').filter_map(|header| header.split_once('='));
        for (name, value) in pairs.filter(|(name, _)| is_key(name)) {
            let value = value.trim();
            let sent = decoded(value).unwrap_or_else(|| value.to_owned());
            secrets.add(value);
            secrets.add(&sent);
            // A receiver complains of the credentials alone.
            let of_scheme = sent.split_once(' ').filter(|_| name.to_ascii_lowercase().contains("authorization"));
            of_scheme.into_iter().for_each(|(_, credentials)| secrets.add(credentials.trim()));
        }
    }
}

/// A header's value as it is sent: the variable has it percent-encoded.
fn decoded(value: &str) -> Option<String> {
    let mut parts = value.split('%');
    let mut octets = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

/// More than the specification's 2048: a page of a video player alone asks for hundreds of things at once.
const QUEUE: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(signal: Signal, set: &[(&str, &str)]) -> (Option<Wanted>, Vec<String>) {
        let mut notes = Vec::new();
        let env = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        (wanted(signal, &env, &mut notes), notes)
    }

    const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318/");

    #[test]
    fn nothing_leaves_unless_an_endpoint_is_set() {
        for off in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://h")],
            &[AT, ("OTEL_SDK_DISABLED", "True")],
            &[AT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(Signal::Traces, off), (None, vec![]), "{off:?}");
        }
        assert!(read(Signal::Logs, &[AT, ("OTEL_TRACES_EXPORTER", "none")]).0.is_some());
    }

    #[test]
    fn a_signals_own_variables_outrank_the_shared_ones() {
        let (shared, _) = read(Signal::Traces, &[AT]);
        let shared = shared.expect("wanted");
        assert_eq!((shared.endpoint.as_str(), shared.protocol), ("http://h:4318/v1/traces", Protocol::Http));
        assert_eq!((shared.timeout, shared.every), (Duration::from_secs(10), Duration::from_secs(1)));
        let own = [
            AT,
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/here"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "8"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "9"),
        ];
        let (own, _) = read(Signal::Metrics, &own);
        let own = own.expect("wanted");
        assert_eq!(own.endpoint, "http://m/here");
        assert_eq!((own.timeout, own.every), (Duration::from_millis(8), Duration::from_millis(9)));
        let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        let (grpc, _) = read(Signal::Logs, &grpc);
        let grpc = grpc.expect("wanted");
        assert_eq!((grpc.endpoint.as_str(), grpc.protocol), ("http://h:4317", Protocol::Grpc));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let (wanted, notes) = read(Signal::Logs, &[AT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
        assert_eq!(wanted.map(|w| w.protocol), Some(Protocol::Http));
        assert!(notes[0].contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/json"), "{notes:?}");
        let (_, notes) = read(Signal::Logs, &[AT, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem")]);
        assert!(notes[0].contains("OTEL_EXPORTER_OTLP_CERTIFICATE is not read here"), "{notes:?}");
        let (wanted, notes) = read(Signal::Traces, &[AT, ("OTEL_TRACES_EXPORTER", "zipkin")]);
        assert_eq!(wanted, None);
        assert!(notes[0].contains("no traces leave"), "{notes:?}");
    }

    #[test]
    fn the_headers_that_let_us_in_are_secrets() {
        let secrets = Secrets::default();
        let set = [("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme,authorization=Basic%20abcdef12")];
        hide(&|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()), &secrets);
        assert_eq!(secrets.hide("401 for Basic%20abcdef12 of acme"), "401 for [redacted] of acme");
        assert_eq!(secrets.hide("401 for Basic abcdef12 of acme: abcdef12"), "401 for [redacted] of acme: [redacted]");
    }

    #[test]
    fn a_header_is_a_secret_as_the_variable_has_it_and_as_it_is_sent() {
        let secrets = Secrets::default();
        let set =
            [("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-api-key=w%C3%B6mbat%2F7%20ok,x-token=100%25%,x-tenant=acme%2Fone")];
        hide(&|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()), &secrets);
        for (told, shown) in [
            ("no key w%C3%B6mbat%2F7%20ok", "no key [redacted]"),
            ("no key wömbat/7 ok", "no key [redacted]"),
            ("100%25% or 100%", "[redacted] or 100%"),
            ("acme/one", "acme/one"),
            ("ok", "ok"),
        ] {
            assert_eq!(secrets.hide(told), shown);
        }
    }

    #[test]
    fn a_batch_is_no_larger_than_the_queue() {
        let small = [AT, ("OTEL_BSP_MAX_QUEUE_SIZE", "0"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9")];
        let (wanted, _) = read(Signal::Traces, &small);
        assert_eq!(wanted.map(|w| (w.queue, w.batch)), Some((1, 1)));
    }
}
