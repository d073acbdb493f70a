//! A connection to Asterisk that changes a word of what it answers: so that it seems to be another version.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Passes TCP connections on, with the first word replaced by the second, which has the same length, in what comes back. It
/// ends with the process.
pub fn rewriting(target: SocketAddr, word: (&'static str, &'static str)) -> SocketAddr {
    assert_eq!(word.0.len(), word.1.len());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(target) else { continue };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            for (from, to, word) in [(&near, &far, None), (&far, &near, Some(word))] {
                if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                    thread::spawn(move || pass(from, to, word));
                }
            }
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, word: Option<(&str, &str)>) {
    let mut buffer = [0; 16_384];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        let bytes = &mut buffer[..count];
        if let Some((wanted, other)) = word {
            while let Some(at) = bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes()) {
                bytes[at..at + wanted.len()].copy_from_slice(other.as_bytes());
            }
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
