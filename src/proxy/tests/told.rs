//! What is told of an exchange has no secret in it that the wire shows.

use super::*;

#[tokio::test]
async fn a_cookie_of_an_answer_is_hidden_in_what_is_asked_later() {
    let server = Server::new().await;
    let port = server.port;
    let cookies = "Set-Cookie: a=quiet-forest-17; HttpOnly\r\nSet-Cookie: theme=very-dark-theme\r\n";
    server.always(format!("HTTP/1.1 200 OK\r\n{cookies}Content-Length: 0\r\n\r\n"));
    let rig = Rig::forward().await;
    let mut client = rig.client().await;
    for path in ["/a", "/b/quiet-forest-17/very-dark-theme", "/c/loud-thunder-5"] {
        let more = if path == "/a" { "Authorization: Custom loud-thunder-5\r\n" } else { "" };
        client
            .write(format!("GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n"))
            .await;
        client.head().await;
    }
    let told = rig.told("proxy_response", 3).await;
    let urls: Vec<&str> = told.iter().filter_map(|event| event.text("url")).collect();
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    assert_eq!(urls, [at("/a"), at("/b/[redacted]/very-dark-theme"), at("/c/[redacted]")]);
}
