//! The frames that a server sends: each text frame is one event.

use crate::connection::{Connection, Outlet};
use crate::faults::{On, What};
use crate::pipe::Source;
use std::io;
use std::sync::Arc;

const TEXT: u8 = 1;

/// Passes events until the socket ends.
pub(crate) fn events(connection: &Arc<Connection>, from: &mut Source, to: &Outlet) -> io::Result<()> {
    loop {
        let (opcode, frame, payload) = frame(from)?;
        if opcode != TEXT {
            to.send(frame);
            continue;
        }
        let text = String::from_utf8_lossy(&payload);
        let kind = kind(&text).to_owned();
        let on = |on: &On| match on {
            On::Event(wanted) => wanted.is_empty() || *wanted == kind,
            On::Request(..) | On::Commit | On::Batch => false,
        };
        match connection.shared.fate(connection.number, &on, &kind) {
            Some(What::DropEvent) => {}
            Some(What::DoubleEvent) => {
                to.send(frame.clone());
                to.send(frame);
            }
            Some(What::CutBefore) => return Ok(()),
            Some(What::CutAfter) => {
                to.send(frame);
                return Ok(());
            }
            None
            | Some(
                What::Note
                | What::DropReply
                | What::HoldReply
                | What::DoubleReply
                | What::DropRequest
                | What::Status(_),
            ) => to.send(frame),
        }
    }
}

/// One unmasked frame: its opcode, all of it, and what it carries.
fn frame(from: &mut Source) -> io::Result<(u8, Vec<u8>, Vec<u8>)> {
    let mut whole = from.exactly(2)?;
    let opcode = whole[0] & 0x0f;
    let wide = match whole[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mut length = usize::from(whole[1] & 0x7f);
    if wide > 0 {
        let bytes = from.exactly(wide)?;
        length = bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
        whole.extend(bytes);
    }
    let payload = from.exactly(length)?;
    whole.extend_from_slice(&payload);
    Ok((opcode, whole, payload))
}

/// The event's type: the first one in it, as Asterisk writes them.
fn kind(text: &str) -> &str {
    let rest = text.split_once("\"type\"").map_or("", |(_, rest)| rest);
    rest.split('"').nth(1).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn an_event_has_a_type() {
        assert_eq!(kind(r#"{"type":"StasisStart","timestamp":"2026"}"#), "StasisStart");
        assert_eq!(kind(r#"{"application":"x", "type" : "Dial" }"#), "Dial");
        assert_eq!(kind("{}"), "");
    }
}
