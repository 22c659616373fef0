//! What is told of an exchange has no secret in it that the wire shows.

use super::*;
use serde_json::json;

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

#[tokio::test]
async fn a_client_that_gave_up_tells_how_long_it_had_waited_and_what_it_asked() {
    let server = Server::new().await;
    let port = server.port;
    let rig = Rig::forward().await;
    let ask = |query: &str, more: &str| {
        format!("GET http://127.0.0.1:{port}/v.mp4?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n")
    };
    let mut client = rig.client().await;
    client.write(ask("url=http://a.example/?clip=1", "If-None-Match: \"a\"\r\n")).await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    at_server.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await;
    client.head().await;
    client.text(3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.reset();
    let waited = rig.told("video_proxy_response", 1).await.remove(0);
    assert_eq!((waited.text("ended"), waited.flag("conditional")), (Some("client_gone"), true));
    let hash = crate::event::query_hash("url=http://a.example/?clip=1");
    assert_eq!(waited.text("query_hash"), Some(hash.as_str()));
    let silent = waited.number("silent_ms").expect("it was silent");
    assert!(100.0 < silent && silent <= waited.number("ms").expect("a time"), "{silent}");
    // One that does not take what comes is not waiting for it.
    let mut client = rig.client().await;
    client.write(ask("url=http://a.example/?clip=2", "")).await;
    let mut at_server = server.accept().await;
    at_server.head().await;
    let all = vec![b'x'; 64 << 20];
    at_server.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", all.len())).await;
    let much = at_server.socket.write_all(&all);
    assert!(tokio::time::timeout(Duration::from_millis(300), much).await.is_err(), "it had room for all");
    client.reset();
    let full = rig.told("video_proxy_response", 2).await.remove(1);
    assert_eq!((full.text("ended"), full.flag("conditional")), (Some("client_gone"), false));
    assert_eq!(full.number("silent_ms"), None);
    assert_ne!(full.text("query_hash"), waited.text("query_hash"), "what follows the second `?` counts");
}

/// The names of the fields are not looked through when an event is told, which is right while none tells of a secret.
#[test]
fn no_field_of_an_exchange_is_called_like_a_secret() {
    let calls = include_str!("../told.rs").split(".put").skip(1);
    let name = |call: &'static str| {
        let call = call.strip_prefix("_some").or_else(|| call.strip_prefix("_true")).unwrap_or(call);
        call.strip_prefix("(\"")?.split('"').next()
    };
    let names: Vec<&str> = calls.map(|call| name(call).unwrap_or_else(|| panic!("no name: .put{call}"))).collect();
    assert!(names.len() > 30 && names.contains(&"url") && names.contains(&"silent_ms"), "{names:?}");
    for name in names {
        let field = json!({ name: "a plain text" });
        let mut shown = field.clone();
        Secrets::default().hide_said(&mut shown);
        assert_eq!(shown, field);
    }
}
