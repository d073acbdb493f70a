//! The frontend's messages of the Postgres protocol, as far as it takes to know that something was asked.

use crate::connection::{Connection, Outlet};
use crate::faults::{On, What};
use crate::pipe::{Source, pass};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;

/// `SSLRequest`, `GSSENCRequest`: answered with one byte, and the start-up follows.
const BEFORE_START: [u32; 2] = [80_877_103, 80_877_104];

pub(crate) fn run(connection: &Arc<Connection>) {
    let ours = Arc::clone(connection);
    thread::spawn(move || {
        if let (Ok(from), Ok(to)) = (ours.far.try_clone(), Outlet::near(&ours)) {
            pass(Source::new(from), to);
        }
        ours.close();
    });
    if !matches!(requests(connection), Ok(true)) {
        connection.close();
    }
}

/// Passes messages on. True if only the near end was cut off and the far end shall still do what it was told.
fn requests(connection: &Arc<Connection>) -> io::Result<bool> {
    let mut from = Source::new(connection.near.try_clone()?);
    let to = Outlet::far(connection)?;
    loop {
        let head = from.exactly(8)?;
        let code = number(&head[4..]);
        let mut message = head;
        message.extend(from.exactly(number(&message[..4]).saturating_sub(8) as usize)?);
        to.send(message);
        if !BEFORE_START.contains(&code) {
            break;
        }
    }
    loop {
        let head = from.exactly(5)?;
        let kind = head[0];
        let body = from.exactly(number(&head[1..]).saturating_sub(4) as usize)?;
        let commit = kind == b'Q' && body.to_ascii_uppercase().starts_with(b"COMMIT");
        let mut message = head;
        message.extend(&body);
        let on = |on: &On| match on {
            On::Commit => commit,
            On::Batch => matches!(kind, b'Q' | b'S'),
            On::Request(..) | On::Event(_) => false,
        };
        let about = if commit { "COMMIT" } else { "a batch" };
        match connection.shared.fate(connection.number, &on, about) {
            Some(What::CutBefore | What::DropRequest) => return Ok(false),
            Some(What::CutAfter | What::DropReply) => {
                // Nothing that the server says to it comes through any more.
                connection.near.shutdown(Shutdown::Both)?;
                to.send(message);
                to.finish();
                // The server reads what was sent, does it, and then finds the end.
                connection.far.shutdown(Shutdown::Write)?;
                return Ok(true);
            }
            Some(What::HoldReply) => {
                to.send(message);
                to.finish();
                connection.abandon();
                while from.some().is_ok() {}
                return Ok(false);
            }
            None | Some(What::Note | What::DoubleReply | What::Status(_) | What::DropEvent | What::DoubleEvent) => {
                to.send(message);
            }
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte))
}
