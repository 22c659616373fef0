//! Reading over HTTP: 10 s, 4 MB, five redirects; whatever else comes is a reason in words.

use crate::error::{Operator, Result};
use futures_util::StreamExt;
use reqwest::StatusCode;
use std::error::Error as _;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long an answer may take, all of it.
const WITHIN: Duration = Duration::from_secs(10);
/// How long it may be, and a file too.
pub const MOST: usize = 4_000_000;

/// A client; it blocks.
pub struct Http {
    runtime: Runtime,
    client: reqwest::Client,
}

/// What was answered with 2xx, and whole.
pub struct Answer {
    /// The body.
    pub text: String,
    /// The list goes on at another address (RFC 8288, `rel="next"`; GitLab's `X-Next-Page`).
    pub goes_on: bool,
    /// How many entries the whole list has, as `X-Total` or `X-Total-Count` tells; where it is no number, the most.
    pub total: u64,
    /// The address that answered, where the one that was asked sent on to it.
    pub moved: Option<String>,
}

impl Http {
    /// Makes one. Proxies of the environment are used, as by every other program.
    pub fn new() -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // a second installation changes nothing
        let client = reqwest::Client::builder()
            .timeout(WITHIN)
            .redirect(reqwest::redirect::Policy::limited(5))
            .user_agent(concat!("soundcheck/", env!("CARGO_PKG_VERSION")))
            .build()
            .operator("making an HTTP client")?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().operator("starting the runtime")?;
        Ok(Self { runtime, client })
    }

    /// What an address answers; a token goes as `Authorization: Bearer`, and to no other host.
    pub fn get(&self, url: &str, token: Option<&str>) -> Result<Answer, String> {
        self.runtime.block_on(async {
            let mut request =
                self.client.get(url).header("accept", "application/json, application/xml;q=0.9, */*;q=0.8");
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.map_err(why)?;
            if !answer.status().is_success() || answer.status() == StatusCode::PARTIAL_CONTENT {
                return Err(format!("it answered {}", answer.status()));
            }
            let told = |name: &str| {
                let all = answer.headers().get_all(name).iter();
                all.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect::<Vec<_>>()
            };
            let goes_on = told("link").iter().any(|link| has_next(link))
                || told("x-next-page").iter().any(|page| !page.is_empty());
            let totals = [told("x-total"), told("x-total-count")].concat();
            let total = totals.iter().map(|total| total.parse().unwrap_or(u64::MAX)).max().unwrap_or(0);
            let asked = reqwest::Url::parse(url).ok();
            let moved = (asked.as_ref() != Some(answer.url())).then(|| answer.url().to_string());
            let (mut body, mut bytes) = (answer.bytes_stream(), Vec::new());
            while let Some(chunk) = body.next().await {
                bytes.extend_from_slice(&chunk.map_err(why)?);
                if bytes.len() > MOST {
                    return Err(format!("its answer is longer than {} MB", MOST / 1_000_000));
                }
            }
            let text = String::from_utf8(bytes).map_err(|_| "its answer is not UTF-8".to_owned())?;
            Ok(Answer { text, goes_on, total, moved })
        })
    }
}

/// Whether a `Link` header has a `rel` with `next` among its types, quoted or not, in any case (RFC 8288, section 3.3).
fn has_next(link: &str) -> bool {
    let link = link.to_ascii_lowercase();
    let parameters = link.split('<').filter_map(|one| Some(one.split_once('>')?.1)).flat_map(|p| p.split([';', ',']));
    parameters.filter_map(|parameter| parameter.split_once('=')).any(|(name, types)| {
        name.trim() == "rel" && types.trim().trim_matches(['"', '\'']).split_whitespace().any(|own| own == "next")
    })
}

/// Without the address, which may hold a secret; with the innermost cause, which says most.
fn why(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {} s", WITHIN.as_secs());
    }
    if error.is_redirect() {
        return "it redirects without end".to_owned();
    }
    if error.is_decode() || error.is_body() {
        return "its answer broke off".to_owned();
    }
    let error = error.without_url();
    let mut inner = error.source();
    while let Some(next) = inner.and_then(|e| e.source()) {
        inner = Some(next);
    }
    format!("it cannot be reached: {}", inner.map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::has_next;

    #[test]
    fn a_next_page_is_seen_however_it_is_written() {
        for link in [
            r#"<http://a/2>; rel="next""#,
            "<http://a/2>; rel=next",
            "<http://a/2>;rel=next;title=x",
            r#"<http://a/2>; rel="next last""#,
            r#"<http://a/2>; REL="NEXT""#,
            r#"<http://a/2>; rel = "next""#,
            r#"<http://a/1>; rel="prev", <http://a/2,3>; title="x"; rel="next""#,
        ] {
            assert!(has_next(link), "{link}");
        }
        for link in [r#"<http://a/1>; rel="prev""#, "<http://a/?rel=next>; rel=last", "<http://a/1>; rel=nextish", ""] {
            assert!(!has_next(link), "{link}");
        }
    }
}
