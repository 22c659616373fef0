//! Requests that no proxy of ours tells of: HTTPS that is only tunnelled, and all of a browser that has no proxy. What the
//! browser tells of them anyway is kept, each when it is over, as `browser_response`. Pure: notices in, events out.

use crate::browser::notice::Notice;
use crate::event::{Ids, Now, query_hash};
use crate::proxy::Host;
use crate::unit::hundredths;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

/// Requests of one play that are told; past it that there are more is told once (`browser_responses_capped`).
const MOST: usize = 10_000;

/// The requests of one play that only its browser tells of.
pub(super) struct Exchanges {
    /// The hosts whose HTTPS the play's proxy looks into; `None`: there is no proxy.
    proxied: Option<Vec<Host>>,
    /// By the browser's name for the request.
    under_way: HashMap<String, UnderWay>,
    begun: usize,
}

struct UnderWay {
    method: String,
    /// Without user, query and fragment.
    url: Url,
    query_hash: Option<String>,
    began: f64,
    /// Of the step it began in.
    ids: Arc<Ids>,
    head: Option<Head>,
}

/// The head of its answer.
struct Head {
    t: f64,
    status: u64,
    content_type: Option<String>,
    content_length: Option<u64>,
    /// Where it leads, without the query.
    location: Option<String>,
    from_cache: bool,
}

/// How it ended.
enum End<'a> {
    Whole {
        status: u64,
        bytes: u64,
        from_cache: bool,
    },
    /// It goes on elsewhere under the same name, and nothing more was told of it.
    Redirected,
    Failed(&'a str),
    PlayOver,
}

/// An event to be written.
pub(super) struct Over {
    pub(super) event: &'static str,
    pub(super) t: f64,
    pub(super) ids: Arc<Ids>,
    pub(super) fields: Value,
}

impl Exchanges {
    /// Of a play whose proxy looks into the HTTPS of these hosts; `None`: it has no proxy.
    pub(super) fn new(intercepted: Option<&[String]>) -> Self {
        // They were read when the app file was.
        let hosts = |hosts: &[String]| -> Vec<Host> { hosts.iter().filter_map(|host| host.parse().ok()).collect() };
        Self { proxied: intercepted.map(hosts), under_way: HashMap::new(), begun: 0 }
    }

    /// Takes a notice; `zero` is the run's clock at the browser's epoch zero.
    pub(super) fn take(&mut self, notice: &Notice, zero: f64, now: &Now) -> Vec<Over> {
        let over = match notice {
            Notice::Request { id, method, url, at_epoch_ms, .. } => {
                let t = zero + at_epoch_ms;
                let before = self.end(id, t, &End::Redirected);
                return before.into_iter().chain(self.begin(id, method, url, t, now)).collect();
            }
            Notice::Response { id, url, status, headers, mime, from_cache, at_epoch_ms } => {
                if let Some(own) = self.under_way.get_mut(id) {
                    let header =
                        |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
                    let kind = header("content-type").unwrap_or(mime.as_str());
                    let to = header("location").and_then(|to| Url::parse(url).ok()?.join(to).ok());
                    own.head = Some(Head {
                        t: zero + at_epoch_ms,
                        status: *status,
                        content_type: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
                        content_length: header("content-length").and_then(|n| n.trim().parse().ok()),
                        location: to.map(|to| bare(to).into()),
                        from_cache: *from_cache,
                    });
                }
                None
            }
            Notice::Completed { id, status, bytes, from_cache, at_epoch_ms, .. } => {
                let end = End::Whole { status: *status, bytes: *bytes, from_cache: *from_cache };
                self.end(id, zero + at_epoch_ms, &end)
            }
            Notice::FetchError { id, error_text, at_epoch_ms, .. } => {
                self.end(id, zero + at_epoch_ms, &End::Failed(error_text))
            }
            _ => None,
        };
        over.into_iter().collect()
    }

    /// The play is over: what has no end yet has none.
    pub(super) fn play_over(&mut self, t: f64) -> Vec<Over> {
        let mut left: Vec<UnderWay> = self.under_way.drain().map(|(_, own)| own).collect();
        left.sort_by(|a, b| a.began.total_cmp(&b.began));
        left.into_iter().map(|own| own.over(t, &End::PlayOver)).collect()
    }

    fn begin(&mut self, id: &str, method: &str, url: &str, t: f64, now: &Now) -> Option<Over> {
        let url = self.unseen(url)?;
        let ids = now.share();
        self.begun += 1;
        if self.begun > MOST {
            let first = self.begun == MOST + 1;
            let fields = json!({ "most": MOST });
            return first.then_some(Over { event: "browser_responses_capped", t, ids, fields });
        }
        let query_hash = url.query().map(query_hash);
        let own = UnderWay { method: method.to_owned(), url: bare(url), query_hash, began: t, ids, head: None };
        self.under_way.insert(id.to_owned(), own);
        None
    }

    fn end(&mut self, id: &str, t: f64, end: &End<'_>) -> Option<Over> {
        Some(self.under_way.remove(id)?.over(t, end))
    }

    /// A URL of the network's that the proxy does not tell of.
    fn unseen(&self, url: &str) -> Option<Url> {
        let clear = self.proxied.is_none() && url.starts_with("http://");
        if !clear && !url.starts_with("https://") {
            return None;
        }
        let url = Url::parse(url).ok()?;
        let host = url.host_str()?;
        let told = self.proxied.iter().flatten().any(|own| own.is(host));
        (!told).then_some(url)
    }
}

impl UnderWay {
    fn over(self, t: f64, end: &End<'_>) -> Over {
        let head = self.head.as_ref();
        let (status, bytes, from_cache) = match end {
            End::Whole { status, bytes, from_cache } => (Some(*status), Some(*bytes), Some(*from_cache)),
            _ => (None, None, None),
        };
        let took = |until: f64| hundredths((until - self.began).max(0.0));
        let mut fields = json!({
            "method": self.method,
            "url": self.url.as_str(),
            "status": head.map(|h| h.status).or(status),
            "content_type": head.and_then(|h| h.content_type.as_deref()),
            "content_length": head.and_then(|h| h.content_length),
            "bytes": bytes,
            "from_cache": from_cache.or(head.map(|h| h.from_cache)).unwrap_or_default(),
            "ended": match end {
                End::Whole { .. } | End::Redirected => "whole",
                End::Failed(_) => "failed",
                End::PlayOver => "play_over",
            },
            "ttfb_ms": head.map(|h| took(h.t)),
            "ms": took(t),
        });
        let mut some = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                fields[name] = json!(value);
            }
        };
        some("query_hash", self.query_hash.as_deref());
        some("location", head.and_then(|h| h.location.as_deref()));
        if let End::Failed(why) = end {
            some("error", Some(why));
        }
        Over { event: "browser_response", t, ids: self.ids, fields }
    }
}

/// A URL without user, query and fragment.
fn bare(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    // They fail where a URL can have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, url: &str, at_epoch_ms: f64) -> Notice {
        let (id, method, url) = (id.to_owned(), "GET".to_owned(), url.to_owned());
        Notice::Request { id, method, url, redirects: 0, at_epoch_ms, context: None }
    }

    fn response(id: &str, url: &str, status: u64, headers: &[(&str, &str)]) -> Notice {
        Notice::Response {
            id: id.to_owned(),
            url: url.to_owned(),
            status,
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            mime: "text/html".to_owned(),
            from_cache: false,
            at_epoch_ms: 40.0,
        }
    }

    fn completed(id: &str, bytes: u64) -> Notice {
        Notice::Completed {
            id: id.to_owned(),
            url: String::new(),
            status: 200,
            bytes,
            from_cache: false,
            at_epoch_ms: 100.0,
        }
    }

    fn failed(id: &str) -> Notice {
        let (id, error_text) = (id.to_owned(), "net::ERR_FAILED".to_owned());
        Notice::FetchError { id, url: String::new(), error_text, at_epoch_ms: 70.0 }
    }

    /// What comes of notices: times and fields, without those that are null.
    fn told(of: &mut Exchanges, notices: &[Notice]) -> Vec<(f64, Value)> {
        let all = notices.iter().flat_map(|n| of.take(n, 1000.0, &Now::default()));
        all.map(|over| (over.t, shown(over.fields))).collect()
    }

    fn shown(mut fields: Value) -> Value {
        fields.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        fields
    }

    #[test]
    fn a_tunnelled_request_is_told_when_it_is_over_without_its_query() {
        let url = "https://me:pw@app.example/api/rooms?token=abc9#x";
        let headers = [("content-type", "application/json"), ("content-length", "12")];
        let all = told(
            &mut Exchanges::new(Some(&[])),
            &[request("1", url, 10.0), response("1", url, 201, &headers), completed("1", 345)],
        );
        let wanted = json!({
            "method": "GET", "url": "https://app.example/api/rooms", "status": 201, "content_type": "application/json",
            "content_length": 12, "bytes": 345, "from_cache": false, "ended": "whole", "ttfb_ms": 30.0, "ms": 90.0,
            "query_hash": query_hash("token=abc9"),
        });
        assert_eq!(all, [(1100.0, wanted)]);
    }

    #[test]
    fn two_clips_behind_one_path_have_two_hashes() {
        let hash = |clip: &str| {
            let url = format!("https://app.example/proxy?url=https://cdn.example/v.mp4?clip={clip}");
            let all = told(&mut Exchanges::new(None), &[request("1", &url, 0.0), completed("1", 1)]);
            all[0].1["query_hash"].clone()
        };
        assert_ne!(hash("a"), hash("b"), "what follows the second `?` counts");
    }

    #[test]
    fn what_the_proxy_tells_is_not_told_again() {
        let intercepted = ["*.media.example".to_owned()];
        let urls = [
            ("https://app.example/a", true, true),
            ("https://cdn.media.example/a", false, true),
            ("http://app.example/a", false, true),
            ("wss://app.example/ws", false, false),
            ("data:text/plain,x", false, false),
            ("blob:https://app.example/1", false, false),
        ];
        for (url, tunnelled, without_proxy) in urls {
            let of =
                |mut exchanges: Exchanges| told(&mut exchanges, &[request("1", url, 0.0), completed("1", 1)]).len();
            assert_eq!(of(Exchanges::new(Some(&intercepted))), usize::from(tunnelled), "{url}");
            assert_eq!(of(Exchanges::new(None)), usize::from(without_proxy), "{url}");
        }
    }

    #[test]
    fn each_way_to_end_is_told_once() {
        let url = "https://app.example/a";
        let mut exchanges = Exchanges::new(Some(&[]));
        let to = [("location", "/b?code=quiet-forest-17")];
        // A redirect whose end nobody tells, then where it leads, which fails, and is then told to fail once more.
        let all = told(
            &mut exchanges,
            &[
                request("1", url, 0.0),
                response("1", url, 302, &to),
                request("1", "https://app.example/b", 50.0),
                failed("1"),
                failed("1"),
                completed("1", 9),
            ],
        );
        assert_eq!(all.len(), 2, "{all:#?}");
        let of = |n: usize| ["url", "status", "location", "ended", "error", "ms"].map(|name| all[n].1[name].clone());
        let location = "https://app.example/b";
        assert_eq!(of(0), [json!(url), json!(302), json!(location), json!("whole"), json!(null), json!(50.0)]);
        assert_eq!(
            of(1),
            [json!(location), json!(null), json!(null), json!("failed"), json!("net::ERR_FAILED"), json!(20.0)]
        );
        assert_eq!(told(&mut exchanges, &[request("2", url, 5.0), request("3", url, 4.0)]), []);
        let left = exchanges.play_over(2000.0);
        let left: Vec<Value> = left.into_iter().map(|over| shown(over.fields)).collect();
        assert_eq!([&left[0]["ms"], &left[1]["ms"]], [&json!(996.0), &json!(995.0)], "in the order they began");
        assert!(left.iter().all(|own| own["ended"] == "play_over" && own.get("status").is_none()), "{left:#?}");
        assert_eq!(exchanges.play_over(3000.0).len(), 0);
    }

    #[test]
    fn a_request_is_of_the_step_it_began_in() {
        let now = Now::default();
        let set = |step: &str| now.set(&Ids { step: Some(step.to_owned()), ..Ids::default() });
        let mut exchanges = Exchanges::new(None);
        set("one");
        exchanges.take(&request("1", "https://app.example/a", 0.0), 0.0, &now);
        set("two");
        let over = exchanges.take(&completed("1", 1), 0.0, &now).pop().expect("it is over");
        assert_eq!(over.ids.step.as_deref(), Some("one"));
    }

    #[test]
    fn there_is_an_end_to_how_many_are_told_and_that_is_told_once() {
        let (mut exchanges, now) = (Exchanges::new(None), Now::default());
        let mut events = Vec::new();
        for n in 0..MOST + 5 {
            let id = n.to_string();
            for notice in [request(&id, "https://app.example/a", 0.0), completed(&id, 1)] {
                events.extend(exchanges.take(&notice, 0.0, &now).into_iter().map(|over| over.event));
            }
        }
        assert_eq!(events.iter().filter(|event| **event == "browser_responses_capped").count(), 1);
        assert_eq!((events.len(), exchanges.under_way.len()), (MOST + 1, 0));
    }
}
