//! One RTP stream each way: sends the peer's tone, counts what comes.

use crate::clock::now_ns;
use crate::shared::locked;
use crate::tone;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// What one call's RTP did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rtp {
    /// Packets sent, 20 ms each.
    pub sent: u64,
    /// PCMU packets received.
    pub received: u64,
    /// Packets missing, by the gaps in the sequence numbers.
    pub lost: u64,
    /// Packets received with a clear tone in them, which silence and noise have not.
    pub toned: u64,
    /// The tone heard last, in Hz: whose audio it was.
    pub heard_hz: Option<u16>,
    /// Longest time between two packets received, in ms.
    pub longest_gap_ms: u64,
    /// From opening the port to the first packet.
    pub first_received_after: Option<Duration>,
    /// First packet, ns of [`now_ns`].
    pub first_received_ns: Option<u64>,
    /// Last packet, ns of [`now_ns`].
    pub last_received_ns: Option<u64>,
    /// Whether the peer sends at present.
    pub sending: bool,
}

/// Sequence state of the source heard at present.
#[derive(Default)]
struct Source {
    ssrc: Option<u32>,
    highest: u16,
    /// Lost before the newest packet; late packets take from it.
    lost: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Target {
    remote: Option<SocketAddr>,
    sending: bool,
}

/// Statistics, readable after the stream is gone.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<Rtp>>);

impl Meter {
    pub(crate) fn read(&self) -> Rtp {
        *locked(&self.0)
    }
}

/// An open RTP port; closing is dropping.
pub(crate) struct Stream {
    pub(crate) addr: SocketAddr,
    target: watch::Sender<Target>,
}

impl Stream {
    /// Opens a port on `ip` and starts to listen; sends nothing before [`Stream::send_to`].
    pub(crate) fn open(ip: IpAddr, tone_hz: u16, meter: &Meter, changed: watch::Sender<u64>) -> std::io::Result<Self> {
        let socket = std::net::UdpSocket::bind((ip, 0))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let addr = socket.local_addr()?;
        let (target, follow) = watch::channel(Target { remote: None, sending: false });
        tokio::spawn(run(socket, tone::packet(tone_hz), meter.clone(), follow, changed));
        Ok(Self { addr, target })
    }

    /// Sends to `remote` from now on, or pauses.
    pub(crate) fn send_to(&self, remote: SocketAddr, sending: bool) {
        let new = Target { remote: Some(remote), sending };
        self.target.send_if_modified(|old| std::mem::replace(old, new) != new);
    }
}

async fn run(
    socket: UdpSocket,
    audio: [u8; tone::SAMPLES],
    meter: Meter,
    mut follow: watch::Receiver<Target>,
    changed: watch::Sender<u64>,
) {
    let opened = now_ns();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let ssrc: u32 = rand::random();
    let mut sequence: u16 = rand::random();
    let mut timestamp: u32 = rand::random();
    let mut marker = true;
    let mut source = Source::default();
    let mut target = *follow.borrow_and_update();
    let mut buffer = [0; 2048];
    loop {
        tokio::select! {
            next = follow.changed() => {
                if next.is_err() {
                    locked(&meter.0).sending = false;
                    return;
                }
                let new = *follow.borrow_and_update();
                if new.sending && !target.sending {
                    tick.reset_immediately();
                    marker = true;
                }
                target = new;
                locked(&meter.0).sending = target.sending;
            }
            _ = tick.tick(), if target.sending => {
                let Some(remote) = target.remote else { continue };
                let mut packet = [0; 12 + tone::SAMPLES];
                packet[0] = 0x80;
                packet[1] = if std::mem::take(&mut marker) { 0x80 } else { 0 };
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
                packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
                packet[12..].copy_from_slice(&audio);
                // A closed port at the other end shows as an error here; the receiver's count tells.
                if socket.send_to(&packet, remote).await.is_ok() {
                    locked(&meter.0).sent += 1;
                }
                sequence = sequence.wrapping_add(1);
                timestamp = timestamp.wrapping_add(160);
            }
            got = socket.recv_from(&mut buffer) => {
                if let Ok((length, _)) = got {
                    count(&buffer[..length], opened, &mut source, &meter);
                    changed.send_modify(|n| *n += 1);
                }
            }
        }
    }
}

fn count(packet: &[u8], opened: u64, source: &mut Source, meter: &Meter) {
    let [0x80..=0xbf, kind, s0, s1, _, _, _, _, c0, c1, c2, c3, payload @ ..] = packet else {
        return;
    };
    if kind & 0x7f != 0 {
        return; // RTCP, or another codec
    }
    let now = now_ns();
    let sequence = u16::from_be_bytes([*s0, *s1]);
    let ssrc = u32::from_be_bytes([*c0, *c1, *c2, *c3]);
    let mut lost = source.lost;
    if source.ssrc == Some(ssrc) {
        let ahead = sequence.wrapping_sub(source.highest);
        if ahead == 0 {
            return; // a duplicate
        } else if ahead < 0x8000 {
            lost += u64::from(ahead - 1);
            source.highest = sequence;
        } else {
            lost = lost.saturating_sub(1); // late, was counted as lost
        }
    } else {
        source.ssrc = Some(ssrc);
        source.highest = sequence;
    }
    source.lost = lost;
    let tone = tone::heard(payload);
    let mut rtp = locked(&meter.0);
    rtp.received += 1;
    rtp.lost = lost;
    if let Some(hz) = tone {
        rtp.toned += 1;
        rtp.heard_hz = Some(hz);
    }
    if let Some(last) = rtp.last_received_ns {
        rtp.longest_gap_ms = rtp.longest_gap_ms.max(now.saturating_sub(last) / 1_000_000);
    } else {
        rtp.first_received_ns = Some(now);
        rtp.first_received_after = Some(Duration::from_nanos(now.saturating_sub(opened)));
    }
    rtp.last_received_ns = Some(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_gaps_and_ignores_rtcp() {
        let (meter, mut source) = (Meter::default(), Source::default());
        let audio = tone::packet(450);
        let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        packet.extend_from_slice(&audio);
        for sequence in [65_534_u16, 65_535, 2, 1, 3] {
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            count(&packet, 0, &mut source, &meter);
        }
        packet[1] = 200;
        count(&packet, 0, &mut source, &meter);
        let rtp = meter.read();
        assert_eq!((rtp.received, rtp.lost, rtp.toned, rtp.heard_hz), (5, 1, 5, Some(450)));
    }
}
