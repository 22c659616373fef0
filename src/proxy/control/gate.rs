//! Who is served: whoever asks this address by its own name, from no other site, and shows the token.

use super::{Desk, Refusal};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// What the page may do: run its own script and style, known by their hashes, and talk to this server. Nothing else,
/// whatever a request's text should manage to become.
pub(super) fn policy(page: &str) -> String {
    let hash = |tag: &str| {
        let inside = page.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
        let digest = Sha256::digest(inside.map_or("", |(text, _)| text));
        base64::engine::general_purpose::STANDARD.encode(digest)
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash("script"),
        hash("style")
    )
}

/// Serves nobody who may not ask, and says of every answer that it is nobody else's.
pub(super) async fn guard(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let refused = refuse(request.uri(), request.headers(), &desk.address.to_string(), &desk.token);
    let of_api = request.uri().path().starts_with("/api/");
    let mut response = match refused {
        Some(refusal) if of_api => refusal.into_response(),
        // Somebody looks at it, in a browser.
        Some(Refusal(status, what)) => (status, what).into_response(),
        None => next.run(request).await,
    };
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whom nothing is served. `address` is where this server listens: a name that was made to point here has another
/// `Host`. The page itself needs no token: it has nothing to tell.
fn refuse(uri: &Uri, headers: &HeaderMap, address: &str, token: &str) -> Option<Refusal> {
    // A field that is there twice, or is no text, is none of ours.
    let only = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|v| v.to_str().unwrap_or("\0"));
        if values.next().is_some() { Some("\0") } else { first }
    };
    // Port 80 is left out by browsers.
    let is_ours = |host: &str| host == address || address.strip_suffix(":80") == Some(host);
    let forbidden = |what: &str| Some(Refusal(StatusCode::FORBIDDEN, what.to_owned()));
    if !only(header::HOST).is_some_and(is_ours) || uri.authority().is_some_and(|a| !is_ours(a.as_str())) {
        return forbidden(&format!("this is http://{address}: ask for it by that name"));
    }
    if only(header::ORIGIN).is_some_and(|o| !o.strip_prefix("http://").is_some_and(is_ours)) {
        return forbidden("not for other sites");
    }
    // Of browsers only; another port is `same-site`, and the app under test listens on one.
    let site = only(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|s| s != "same-origin" && s != "none") {
        return forbidden("not from other sites' links: copy the address that `soundcheck proxy` printed");
    }
    let shown = only(header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer "));
    // Digests are compared, so that the time it takes tells nothing.
    let known = shown.is_some_and(|s| Sha256::digest(s) == Sha256::digest(token));
    if uri.path().starts_with("/api/") && !known {
        let what = "the token is missing or wrong: Authorization: Bearer <the token `soundcheck proxy` printed>";
        return Some(Refusal(StatusCode::UNAUTHORIZED, what.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::PAGE;
    use super::*;

    const ADDRESS: &str = "127.0.0.1:4100";

    fn status(target: &str, fields: &[(&str, &str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(*name).expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        refuse(&target.parse().expect("a target"), &headers, ADDRESS, "secret").map(|r| r.0.as_u16())
    }

    #[test]
    fn the_page_is_for_this_address_alone() {
        let host = ("host", ADDRESS);
        assert_eq!(status("/", &[host]), None);
        assert_eq!(status("http://127.0.0.1:4100/", &[host]), None);
        for other in ["localhost:4100", "rebound.example:4100", "127.0.0.1", "127.0.0.1:41000", "127.0.0.1:4100.", ""] {
            assert_eq!(status("/", &[("host", other)]), Some(403), "{other}");
        }
        assert_eq!(status("/", &[]), Some(403), "no Host at all");
        assert_eq!(status("/", &[host, host]), Some(403), "two of them");
        assert_eq!(status("http://rebound.example/", &[host]), Some(403), "another in the target");
    }

    #[test]
    fn the_api_wants_the_token() {
        let with = |token: &str| status("/api/faults", &[("host", ADDRESS), ("authorization", token)]);
        assert_eq!(with("Bearer secret"), None);
        for wrong in ["Bearer", "Bearer ", "Bearer secre", "Bearer secret2", "bearer secret", "secret", "Basic secret"]
        {
            assert_eq!(with(wrong), Some(401), "{wrong}");
        }
        for query in ["/api/faults", "/api/faults?token=secret", "/api/nothing", "/api/"] {
            assert_eq!(status(query, &[("host", ADDRESS), ("cookie", "token=secret")]), Some(401), "{query}");
        }
    }

    #[test]
    fn other_sites_are_refused_even_with_the_token() {
        let with = |name: &str, value: &str| {
            status("/api/faults", &[("host", ADDRESS), ("authorization", "Bearer secret"), (name, value)])
        };
        assert_eq!(with("origin", "http://127.0.0.1:4100"), None);
        for origin in ["null", "http://127.0.0.1:3000", "https://127.0.0.1:4100", "http://a.example", "127.0.0.1:4100"]
        {
            assert_eq!(with("origin", origin), Some(403), "{origin}");
        }
        for (site, refused) in
            [("same-origin", None), ("none", None), ("same-site", Some(403)), ("cross-site", Some(403))]
        {
            assert_eq!(with("sec-fetch-site", site), refused, "{site}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_is_known_by_its_hashes() {
        let policy = policy(PAGE);
        let empty = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(""));
        assert!(!policy.contains(&empty) && !policy.contains("unsafe"), "{policy}");
        assert_eq!((PAGE.matches("<script").count(), PAGE.matches("<style").count()), (1, 1));
        for never in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "http://", "https://", " style=\""]
        {
            assert!(!PAGE.contains(never), "{never}");
        }
    }
}
