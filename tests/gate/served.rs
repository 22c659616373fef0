//! A server that answers as it is told, and lies where it is told to.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Serves each connection with what `answer` writes, by the request's head; the address.
pub fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut head = String::new();
                let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|n| n > 0) {}
                answer(&head, &mut socket);
            });
        }
    });
    address
}

/// Whole, with its length.
pub fn whole(socket: &mut TcpStream, head: &str, body: &str) {
    let _ = write!(socket, "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
}

/// For as long as somebody reads.
pub fn endless(socket: &mut TcpStream) {
    let _ = write!(socket, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n[");
    while socket.write_all(&[b' '; 65_536]).is_ok() {}
}

/// Half of what it says.
pub fn cut(socket: &mut TcpStream, body: &str) {
    let _ = write!(socket, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body.len(), &body[..body.len() / 2]);
}

/// Nothing at all, for longer than anybody waits.
pub fn silent() {
    std::thread::sleep(Duration::from_secs(30));
}
