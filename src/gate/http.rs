//! Reading over HTTP: 10 s, 4 MB, five redirects; whatever else comes is a reason in words.

use crate::error::{Operator, Result};
use futures_util::StreamExt;
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

/// What was answered with 2xx.
pub struct Answer {
    /// The body.
    pub text: String,
    /// The list goes on at another address (RFC 8288, `rel="next"`).
    pub goes_on: bool,
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
            if !answer.status().is_success() {
                return Err(format!("it answered {}", answer.status()));
            }
            let links = answer.headers().get_all("link").iter();
            let goes_on =
                links.into_iter().any(|link| String::from_utf8_lossy(link.as_bytes()).contains("rel=\"next\""));
            let (mut body, mut bytes) = (answer.bytes_stream(), Vec::new());
            while let Some(chunk) = body.next().await {
                bytes.extend_from_slice(&chunk.map_err(why)?);
                if bytes.len() > MOST {
                    return Err(format!("its answer is longer than {} MB", MOST / 1_000_000));
                }
            }
            let text = String::from_utf8(bytes).map_err(|_| "its answer is not UTF-8".to_owned())?;
            Ok(Answer { text, goes_on })
        })
    }
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
