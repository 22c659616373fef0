//! Pages that never come, never end, or ask who is there: how a server holds a viewer up.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::{StreamExt, stream};

use crate::defect::Defects;

/// How often a page that never ends gets some more.
const DRIP: Duration = Duration::from_millis(200);

/// What becomes of `/player` instead of the page, if a defect says so.
pub async fn player(defects: &Defects) -> Option<Response> {
    if defects.on("page-silent") {
        std::future::pending::<()>().await;
    }
    if defects.on("page-auth") {
        return Some(challenge());
    }
    if defects.on("page-redirects") {
        return Some(Redirect::temporary("/player").into_response());
    }
    if defects.on("page-download") {
        let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
        return Some((kind, [(header::CONTENT_DISPOSITION, "attachment")], endless("0123456789")).into_response());
    }
    if defects.on("page-endless") {
        return Some(([(header::CONTENT_TYPE, "text/html")], endless("<p>Loading</p>\n")).into_response());
    }
    None
}

/// Who is there?
pub fn challenge() -> Response {
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"stage\"")], "Who is there?\n").into_response()
}

fn endless(text: &'static str) -> Body {
    Body::from_stream(stream::repeat(text).then(|text| async {
        tokio::time::sleep(DRIP).await;
        Ok::<_, Infallible>(Bytes::from_static(text.as_bytes()))
    }))
}
