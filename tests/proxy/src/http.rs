//! HTTP/1.1 as a client and Asterisk speak it: requests in order, each with a reply, lengths always told; and the events
//! behind an upgrade.

use crate::connection::{Connection, Outlet};
use crate::faults::{On, What};
use crate::pipe::{Source, pass};
use crate::websocket;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// How the other end's silence is told from its absence.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What becomes of the next reply.
enum Expected {
    Pass,
    Twice,
    Swallow,
    /// Nothing comes from the far end.
    Invented(u16),
    /// From here on nothing passes either way.
    Silence,
}

pub(crate) fn run(connection: &Arc<Connection>) {
    let (expect, expected) = mpsc::channel();
    let ours = Arc::clone(connection);
    thread::spawn(move || {
        let _ = replies(&ours, &expected);
        ours.close();
    });
    let silent = matches!(requests(connection, &expect), Ok(true));
    if silent {
        // Held: the near end learns nothing until it gives up.
        if let Ok(near) = connection.near.try_clone() {
            let mut near = Source::new(near);
            while near.some().is_ok() {}
        }
    }
    connection.close();
}

/// Passes requests on. True if it ends because nothing shall be heard any more.
fn requests(connection: &Arc<Connection>, expect: &mpsc::Sender<Expected>) -> io::Result<bool> {
    let mut from = Source::new(connection.near.try_clone()?);
    let to = Outlet::far(connection)?;
    loop {
        let head = from.until(b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let path = target.split('?').next().unwrap_or("");
        let mut message = head;
        message.extend(from.exactly(length(&text).unwrap_or(0))?);
        let on = |on: &On| match on {
            On::Request(m, end) => (m.is_empty() || *m == method) && path.ends_with(end),
            On::Event(_) | On::Commit | On::Batch => false,
        };
        if method != "GET" && !path.contains("/events/user/") {
            connection.shared.ordered(format!("{method} {path}"));
        }
        // The last part of a path is a verb or an id, and neither is a secret.
        let fate = connection.shared.fate(connection.number, &on, &format!("{method} {path}"));
        let upgrade = header(&text, "upgrade").is_some();
        let (passes, then) = match fate {
            None | Some(What::Note | What::DropEvent | What::DoubleEvent | What::CutAfter | What::CutBefore) => {
                (true, Expected::Pass)
            }
            Some(What::DoubleReply) => (true, Expected::Twice),
            Some(What::DropReply) => (true, Expected::Swallow),
            Some(What::HoldReply) => (true, Expected::Silence),
            Some(What::Status(status)) => (false, Expected::Invented(status)),
            Some(What::DropRequest) => return Ok(false),
        };
        let silent = matches!(then, Expected::Silence);
        // The reply is expected before it can come.
        expect.send(then).map_err(|_| io::ErrorKind::BrokenPipe)?;
        if passes {
            to.send(message);
        }
        if silent {
            to.finish();
            return Ok(true);
        }
        if upgrade && passes {
            pass(from, to);
            return Ok(false);
        }
    }
}

fn replies(connection: &Arc<Connection>, expected: &mpsc::Receiver<Expected>) -> io::Result<()> {
    let mut from = Source::new(connection.far.try_clone()?);
    let to = Outlet::near(connection)?;
    loop {
        let then = match expected.recv_timeout(LOOK_EVERY) {
            Ok(then) => then,
            Err(mpsc::RecvTimeoutError::Timeout) if from.has_ended() => break,
            Err(mpsc::RecvTimeoutError::Timeout) => continue,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        };
        if let Expected::Invented(status) = then {
            to.send(format!("HTTP/1.1 {status} Invented\r\nContent-Length: 0\r\n\r\n").into_bytes());
            continue;
        }
        let head = from.until(b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let switches = text.starts_with("HTTP/1.1 101");
        let mut message = head;
        message.extend(from.exactly(if switches { 0 } else { length(&text).unwrap_or(0) })?);
        match then {
            Expected::Pass | Expected::Invented(_) => to.send(message),
            Expected::Twice => {
                to.send(message.clone());
                to.send(message);
            }
            Expected::Swallow => break,
            Expected::Silence => {
                // Reads on, so that the far end is not held up, until the near end gives up.
                while from.some().is_ok() {}
                return Ok(());
            }
        }
        if switches {
            websocket::events(connection, &mut from, &to)?;
            break;
        }
    }
    to.finish();
    Ok(())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn length(head: &str) -> Option<usize> {
    header(head, "content-length")?.parse().ok()
}
