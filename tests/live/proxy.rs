//! A network between the daemon and a server that can be cut, or hold everything back. It has a thread of its own, because it stands before the
//! floor does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Passes TCP connections on to one address.
pub struct Proxy {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    connections: Vec<TcpStream>,
}

impl Proxy {
    pub fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("its address");
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let gate: Arc<Gate> = Arc::default();
        let shared_gate = Arc::clone(&gate);
        // It ends with the process; a refused connection costs nothing until then.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(target) else { continue };
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if state.is_cut {
                    continue;
                }
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (Ok(from), Ok(to), Ok(kept)) = (from.try_clone(), to.try_clone(), from.try_clone()) else {
                        continue;
                    };
                    state.connections.push(kept);
                    let gate = Arc::clone(&shared_gate);
                    thread::spawn(move || pass(from, to, &gate));
                }
            }
        });
        Self { addr, state, gate }
    }

    /// Closes every connection, and every new one at once until [`Proxy::mend`].
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_cut = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Holds everything back until [`Proxy::thaw`], as a server does that is stopped: it can be connected with, takes what it
    /// is sent, and says nothing.
    pub fn freeze(&self) {
        self.gate.set(true);
    }

    pub fn thaw(&self) {
        self.gate.set(false);
    }

    pub fn mend(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_cut = false;
    }
}

#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = is_shut;
        self.moved.notify_all();
    }

    fn wait(&self) {
        let is_shut = self.is_shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.moved.wait_while(is_shut, |is_shut| *is_shut));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut buffer = [0; 16_384];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        gate.wait();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
