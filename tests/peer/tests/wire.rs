//! What a peer does byte by byte, seen from a bare socket.

use sip_peer::{Behaviour, Ending, Message, Peer, PeerConfig, PeerError};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

type Outcome = Result<(), PeerError>;
const SOON: Duration = Duration::from_secs(5);

/// The far end: one socket that writes requests by hand.
struct Wire {
    socket: UdpSocket,
    addr: SocketAddr,
}

impl Wire {
    async fn to(peer: &Peer) -> Result<Self, PeerError> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(peer.addr()).await?;
        let addr = socket.local_addr()?;
        Ok(Self { socket, addr })
    }

    fn request(&self, method: &str, cseq: u32, to_tag: Option<&str>) -> Message {
        let to = to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        Message::request(method, "sip:1555@127.0.0.1")
            .with("Via", format!("SIP/2.0/UDP {};rport;branch=z9hG4bK{method}{cseq}", self.addr))
            .with("From", "\"A, B\" <sip:me@x>;tag=mine")
            .with("To", format!("<sip:1555@x>{to}"))
            .with("Call-ID", "one")
            .with("CSeq", format!("{cseq} {method}"))
            .with("Contact", "<sip:me@host.invalid>")
    }

    async fn send(&self, message: &Message) -> Outcome {
        self.socket.send(message.to_text().as_bytes()).await?;
        Ok(())
    }

    /// The next message that `wanted` takes; others are skipped.
    async fn until(&self, wanted: impl Fn(&Message) -> bool) -> Result<Message, PeerError> {
        let search = async {
            let mut buffer = [0; 4096];
            loop {
                let length = self.socket.recv(&mut buffer).await?;
                let message = Message::parse(&String::from_utf8_lossy(&buffer[..length]))?;
                if wanted(&message) {
                    return Ok(message);
                }
            }
        };
        tokio::time::timeout(SOON, search).await.map_err(|_| PeerError::Timeout("message"))?
    }

    async fn answer_to(&self, message: &Message) -> Result<Option<u16>, PeerError> {
        self.send(message).await?;
        let cseq = message.cseq();
        Ok(self.until(|m| m.cseq() == cseq && m.status().is_some_and(|s| s >= 200)).await?.status())
    }
}

#[tokio::test]
async fn repetitions_are_answered_alike_and_the_callee_hangs_up_along_the_route() -> Outcome {
    let peer = Peer::bind(PeerConfig::new("c").rules(Behaviour::answer(Duration::ZERO))).await?;
    let wire = Wire::to(&peer).await?;
    let invite = wire
        .request("INVITE", 7, None)
        .with("Record-Route", format!("<sip:{};lr>, <sip:far.invalid;lr>", wire.addr))
        .with("Supported", "timer")
        .with("Session-Expires", "90");
    wire.send(&invite).await?;
    let first = wire.until(|m| m.status() == Some(200)).await?;
    wire.send(&invite).await?;
    assert_eq!(wire.until(|m| m.status() == Some(200)).await?, first);
    // Without an ACK the 200 is repeated by itself.
    assert_eq!(wire.until(|m| m.status() == Some(200)).await?, first);
    assert_eq!(first.header("Session-Expires"), Some("90;refresher=uac"));
    assert_eq!(first.all("Record-Route").count(), 2);
    let call = peer.next_incoming(SOON).await?;
    assert_eq!(peer.log().invites().len(), 1);
    let tag = first.to_tag();
    wire.send(&wire.request("ACK", 7, tag)).await?;
    call.wait_for("ACK", SOON, |p| p.confirmed_ns).await?;

    assert_eq!(wire.answer_to(&wire.request("UPDATE", 8, tag)).await?, Some(200));
    assert_eq!(wire.answer_to(&wire.request("OPTIONS", 9, tag)).await?, Some(200));
    assert_eq!(wire.answer_to(&wire.request("BYE", 10, Some("unknown"))).await?, Some(481));
    assert_eq!(call.progress().refreshes, 1);

    call.hang_up();
    let bye = wire.until(|m| m.method() == Some("BYE")).await?;
    assert_eq!(bye.uri(), Some("sip:me@host.invalid"));
    assert_eq!((bye.from_tag(), bye.to_tag()), (tag, Some("mine")));
    assert_eq!(bye.all("Route").count(), 2);
    assert_eq!(call.ended(SOON).await?.how, Ending::WeHungUp);
    Ok(())
}

#[tokio::test]
async fn strangers_get_an_answer_and_noise_gets_none() -> Outcome {
    let peer = Peer::bind(PeerConfig::new("c")).await?;
    let wire = Wire::to(&peer).await?;
    wire.socket.send(b"\r\n\r\n").await?;
    wire.socket.send(b"\xff\xfe not SIP").await?;
    peer.log().wait_for("noise", SOON, |l| (l.malformed() == 1).then_some(())).await?;
    assert_eq!(wire.answer_to(&wire.request("OPTIONS", 1, None)).await?, Some(200));
    assert_eq!(wire.answer_to(&wire.request("CANCEL", 2, None)).await?, Some(481));
    assert_eq!(wire.answer_to(&wire.request("SUBSCRIBE", 3, None)).await?, Some(405));
    Ok(())
}

#[tokio::test]
async fn reasons_of_the_other_side_are_kept() -> Outcome {
    let peer = Peer::bind(PeerConfig::new("c").rules(Behaviour::RingForever)).await?;
    let wire = Wire::to(&peer).await?;
    wire.send(&wire.request("INVITE", 1, None)).await?;
    wire.until(|m| m.status() == Some(180)).await?;
    let mut cancel = wire.request("CANCEL", 1, None).with("Reason", "Q.850;cause=26");
    assert_eq!(wire.answer_to(&cancel).await?, Some(481), "a CANCEL with another branch");
    cancel = Message::parse(&cancel.to_text().replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1"))?;
    assert_eq!(wire.answer_to(&cancel).await?, Some(200));
    let end = peer.next_incoming(SOON).await?.ended(SOON).await?;
    assert_eq!((end.how, end.cause), (Ending::Cancelled, Some(26)));
    Ok(())
}
