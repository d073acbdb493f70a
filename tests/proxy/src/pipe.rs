//! Bytes as they come, and a reader that can be asked for just so many.

use crate::connection::{Connection, Outlet};
use std::io::{self, Read as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

/// Passes everything, both ways, until one end closes.
pub(crate) fn run(connection: &Arc<Connection>) {
    let ours = Arc::clone(connection);
    thread::spawn(move || {
        if let (Ok(from), Ok(to)) = (ours.far.try_clone(), Outlet::near(&ours)) {
            pass(Source::new(from), to);
        }
        ours.close();
    });
    if let (Ok(from), Ok(to)) = (connection.near.try_clone(), Outlet::far(connection)) {
        pass(Source::new(from), to);
    }
    connection.close();
}

/// Passes everything one way.
pub(crate) fn pass(mut from: Source, to: Outlet) {
    while let Ok(bytes) = from.some() {
        to.send(bytes);
    }
    to.finish();
}

/// What comes from one end.
pub(crate) struct Source {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Source {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Whatever there is; waits for something.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.more()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Just so many bytes.
    pub fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.more()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Everything up to this end, and that too.
    pub fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.exactly(at + end.len());
            }
            self.more()?;
        }
    }

    /// Whether the other end has closed; does not wait.
    pub fn has_ended(&self) -> bool {
        if !self.buffer.is_empty() || self.stream.set_nonblocking(true).is_err() {
            return false;
        }
        let ended = matches!(self.stream.peek(&mut [0]), Ok(0));
        let _ = self.stream.set_nonblocking(false);
        ended
    }

    fn more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16_384];
        let count = self.stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}
