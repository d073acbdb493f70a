//! A real listener.

use crate::support::{CUSTOMER, Floor, Mode};
use cordboard::core::command::Answer;
use cordboard::http;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

async fn serve(floor: &Floor) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let server = tokio::spawn(http::serve(listener, floor.router.clone(), stop.clone()));
    (address, stop, server)
}

/// Sends this and reads until the other side closes.
async fn talk(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer));
    read.await.expect("the connection is closed").expect("read");
    String::from_utf8(answer).expect("text")
}

async fn ended(server: JoinHandle<()>) {
    tokio::time::timeout(Duration::from_secs(5), server).await.expect("in time").expect("without a panic");
}

#[tokio::test]
async fn a_request_is_answered_over_a_real_connection() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (address, stop, server) = serve(&floor).await;
    let body = format!(r#"{{"agent": "{}", "to": "{CUSTOMER}"}}"#, tenant.agent.endpoint);
    let request = format!(
        "POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        tenant.token,
        body.len()
    );
    let answer = talk(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    let injected = "GET /api/v1/calls/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         X-Request-Id: a%0d%0aSet-Cookie: a=b\r\n\r\n";
    let answer = talk(address, injected).await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    let answer = talk(address, "\x16\x03\x01 this is not HTTP\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    stop.cancel();
    ended(server).await;
}

#[tokio::test]
async fn a_body_longer_than_allowed_is_refused_before_it_has_come() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (address, stop, server) = serve(&floor).await;
    let request = format!(
        "POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000000000\r\n\r\n{{",
        tenant.token
    );
    let answer = talk(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    stop.cancel();
    ended(server).await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_and_what_is_idle_is_closed() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    // Takes 350 ms, because the record of the call does not become final.
    floor.set(Mode::Say(Answer::NoSuchCall));
    let (address, stop, server) = serve(&floor).await;
    let _silent = TcpStream::connect(address).await.expect("a connection");
    let mut idle = TcpStream::connect(address).await.expect("a connection");
    idle.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut some = [0_u8; 12];
    idle.read_exact(&mut some).await.expect("an answer");

    let request =
        format!("DELETE /api/v1/calls/{call} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", tenant.token);
    let under_way = tokio::spawn(async move { talk(address, &request).await });
    while floor.stand.hung_up.lock().expect("lock").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    stop.cancel();
    let answer = under_way.await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("not_settled"), "{answer}");
    ended(server).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("closed by the server");
}
