//! Challenges, against a registrar of a few lines.

use sip_peer::{Challenge, Dial, Direction, Ending, Message, Peer, PeerConfig, PeerError, verify};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

const SOON: Duration = Duration::from_secs(5);

/// Challenges REGISTER and INVITE of `agent1`, accepts REGISTER and refuses INVITE with 486 when the password is right.
async fn registrar(qop: bool) -> Result<SocketAddr, PeerError> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let addr = socket.local_addr()?;
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, remote)) = socket.recv_from(&mut buffer).await {
            let Ok(request) = Message::parse(&String::from_utf8_lossy(&buffer[..length])) else {
                continue;
            };
            let method = request.method().unwrap_or_default();
            if method == "ACK" {
                continue;
            }
            let proven = request.header("Authorization").is_some_and(|a| verify(a, "agent1", "s3cret", method));
            let status = match (proven, method) {
                (false, _) => 401,
                (true, "INVITE") => 486,
                (true, _) => 200,
            };
            let mut response = Message::response(status);
            for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
                response.push(name, request.header(name).unwrap_or_default());
            }
            if status == 401 {
                response.push("WWW-Authenticate", Challenge::new("asterisk", "1763/ab==", qop).header());
            }
            if socket.send_to(response.to_text().as_bytes(), remote).await.is_err() {
                return;
            }
        }
    });
    Ok(addr)
}

#[tokio::test]
async fn the_right_password_registers_and_calls_with_and_without_qop() -> Result<(), PeerError> {
    for qop in [true, false] {
        let phone = Peer::bind(PeerConfig::new("agent1").password("s3cret").proxy(registrar(qop).await?)).await?;
        phone.register(60).await?;
        phone.register(0).await?;
        assert_eq!(phone.log().count(Direction::Sent, "REGISTER"), 4);
        let call = phone.call("1555").await?;
        assert_eq!(call.ended(SOON).await?.how, Ending::Refused(486));
        let progress = call.progress();
        assert!(progress.authenticated_ns.is_some_and(|at| at > progress.invited_ns));
        let invites: Vec<_> = call.messages().into_iter().filter(|e| e.is("INVITE")).collect();
        assert_eq!(invites.len(), 2);
        assert_eq!(invites[0].from_tag(), invites[1].from_tag());
        assert_ne!(invites[0].branch(), invites[1].branch());
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() -> Result<(), PeerError> {
    let phone = Peer::bind(PeerConfig::new("agent1").password("wrong").proxy(registrar(true).await?)).await?;
    assert!(matches!(phone.register(60).await, Err(PeerError::Unauthorized)));
    let call = phone.dial(Dial::to("1555"))?;
    assert_eq!(call.ended(SOON).await?.how, Ending::Refused(401));
    assert_eq!(phone.log().count(Direction::Sent, "INVITE"), 2);
    Ok(())
}
