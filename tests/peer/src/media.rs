//! The audio of one call: what was agreed by SDP, and the stream.

use crate::rtp::{Meter, Stream};
use crate::sdp::{Flow, Sdp};
use crate::shared::Shared;
use std::net::SocketAddr;
use tokio::sync::watch;

/// The audio of one leg.
pub(crate) struct Media {
    pub(crate) stream: Option<Stream>,
    addr: SocketAddr,
    session: u32,
    version: u32,
    /// What we want; what the other side wants is in its SDP.
    pub(crate) wanted: Flow,
    remote: Option<Sdp>,
}

impl Media {
    /// Opens an RTP port, or uses the peer's silent one.
    pub(crate) fn open(shared: &Shared, meter: &Meter, changed: watch::Sender<u64>) -> std::io::Result<Self> {
        let (stream, addr) = if let Some(addr) = shared.sink_addr() {
            (None, addr)
        } else {
            let stream = Stream::open(shared.addr.ip(), shared.config.tone_hz, meter, changed)?;
            let addr = stream.addr;
            (Some(stream), addr)
        };
        let session = rand::random::<u32>() >> 1;
        Ok(Self { stream, addr, session, version: 0, wanted: Flow::Both, remote: None })
    }

    /// SDP that offers what we want.
    pub(crate) fn offer(&mut self) -> String {
        self.version += 1;
        Sdp::write(self.addr, self.session, self.version, self.wanted)
    }

    /// SDP that answers the SDP taken last.
    pub(crate) fn answer(&mut self) -> String {
        self.version += 1;
        let theirs = self.remote.map_or(Flow::Both, |r| r.flow.mirrored());
        let flow = if theirs == Flow::Both { self.wanted } else { theirs };
        Sdp::write(self.addr, self.session, self.version, flow)
    }

    /// Takes the other side's SDP; whether it was usable and whether it puts us on hold.
    pub(crate) fn take(&mut self, body: &str) -> Option<bool> {
        let sdp = Sdp::parse(body).filter(|sdp| sdp.pcmu)?;
        self.remote = Some(sdp);
        Some(!sdp.flow.receives())
    }

    /// Sends, or pauses, as both sides want.
    pub(crate) fn start(&self) {
        if let (Some(stream), Some(remote)) = (&self.stream, self.remote) {
            stream.send_to(remote.addr, self.wanted.sends() && remote.flow.receives());
        }
    }
}
