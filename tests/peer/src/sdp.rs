//! Just enough SDP for one PCMU stream.

use std::net::{IpAddr, SocketAddr};

/// Who sends, seen from the side that wrote the SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Both,
    SendOnly,
    RecvOnly,
    Neither,
}

impl Flow {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Both, "sendrecv"),
        (Self::SendOnly, "sendonly"),
        (Self::RecvOnly, "recvonly"),
        (Self::Neither, "inactive"),
    ];

    /// The answer that agrees with this offer.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Both | Self::Neither => self,
        }
    }

    /// Whether the writer sends.
    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::Both | Self::SendOnly)
    }

    /// Whether the writer wants to receive.
    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::Both | Self::RecvOnly)
    }
}

/// Where the writer of the SDP wants its RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sdp {
    pub(crate) addr: SocketAddr,
    pub(crate) flow: Flow,
    /// PCMU is among the formats.
    pub(crate) pcmu: bool,
}

impl Sdp {
    pub(crate) fn parse(body: &str) -> Option<Self> {
        let (mut ip, mut audio, mut flow) = (None::<IpAddr>, None, Flow::Both);
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("c=") {
                ip = rest.split(' ').nth(2).and_then(|a| a.trim().parse().ok()).or(ip);
            } else if let Some(rest) = line.strip_prefix("m=audio ") {
                let mut words = rest.split_ascii_whitespace();
                let port = words.next().and_then(|p| p.parse::<u16>().ok())?;
                audio = Some((port, words.skip(1).any(|format| format == "0")));
            } else if line.starts_with("m=") && audio.is_some() {
                break;
            } else if let Some(name) = line.strip_prefix("a=") {
                flow = Flow::NAMES.iter().find(|(_, n)| *n == name.trim()).map_or(flow, |(f, _)| *f);
            }
        }
        let (ip, (port, pcmu)) = (ip?, audio?);
        if ip.is_unspecified() {
            flow = Flow::Neither; // the hold of old phones
        }
        Some(Self { addr: SocketAddr::new(ip, port), flow, pcmu })
    }

    /// The SDP of this side; `version` rises with every change.
    pub(crate) fn write(addr: SocketAddr, session: u32, version: u32, flow: Flow) -> String {
        let (ip, port) = (addr.ip(), addr.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let flow = Flow::NAMES.iter().find(|(f, _)| *f == flow).map_or("sendrecv", |(_, n)| n);
        format!(
            "v=0\r\no=peer {session} {version} IN {family} {ip}\r\ns=peer\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={flow}\r\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 4000));
        let sdp = Sdp::parse(&Sdp::write(addr, 1, 2, Flow::SendOnly));
        assert_eq!(sdp, Some(Sdp { addr, flow: Flow::SendOnly, pcmu: true }));
        assert_eq!(Sdp::parse("v=0\r\n"), None);
    }
}
