//! What can go wrong.

use crate::call::End;
use std::fmt;

/// Why a peer could not do what it was asked.
#[derive(Debug)]
pub enum PeerError {
    /// A socket or a file failed.
    Io(std::io::Error),
    /// Nothing happened within the time given; says what was awaited.
    Timeout(&'static str),
    /// The other side refused with this final SIP status.
    Rejected {
        /// SIP status, 300 to 699.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The call ended before what was awaited.
    Ended(End),
    /// A message that is not SIP, or lacks what the standard demands; says what.
    Malformed(&'static str),
    /// The configuration names no proxy to send to.
    NoProxy,
    /// A challenge came, and there is no password for it (or it was refused).
    Unauthorized,
    /// The peer was shut down.
    Closed,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Timeout(what) => write!(f, "no {what} in time"),
            Self::Rejected { status, reason } => write!(f, "refused: {status} {reason}"),
            Self::Ended(end) => write!(f, "the call ended: {end}"),
            Self::Malformed(what) => write!(f, "malformed SIP: {what}"),
            Self::NoProxy => f.write_str("no proxy is configured"),
            Self::Unauthorized => f.write_str("the credentials were refused"),
            Self::Closed => f.write_str("the peer is shut down"),
        }
    }
}

impl std::error::Error for PeerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(error) = self { Some(error) } else { None }
    }
}

impl From<std::io::Error> for PeerError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
