//! One plain HTTP request to see who answers where. No password is ever sent by it.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(2);
const MAX_ANSWER: u64 = 64 << 10;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Nobody listens there, or nothing comes back.
    Nobody,
    /// Somebody listens, who does not speak HTTP.
    Somebody,
    /// An HTTP server answered.
    Answer {
        /// Its status.
        status: u16,
        /// The body.
        body: String,
    },
}

/// Asks for a path.
pub async fn get(address: SocketAddr, path: &str) -> Reached {
    let Ok(Ok(mut stream)) = tokio::time::timeout(LIMIT, TcpStream::connect(address)).await else {
        return Reached::Nobody;
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // A server that closes in the middle has said enough.
        let _ = (&mut stream).take(MAX_ANSWER).read_to_end(&mut answer).await;
        Ok::<_, std::io::Error>(answer)
    };
    let Ok(Ok(answer)) = tokio::time::timeout(LIMIT, exchange).await else { return Reached::Somebody };
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    match status {
        Some(status) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
            Reached::Answer { status, body }
        }
        None => Reached::Somebody,
    }
}
