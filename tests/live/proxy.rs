//! A network between the daemon and Asterisk that can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes TCP connections on to one address.
pub struct Proxy {
    pub addr: SocketAddr,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    open: tokio::sync::watch::Sender<bool>,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("its address");
        let connections: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let all = Arc::clone(&connections);
        let (open, is_open) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if !*is_open.borrow() {
                    continue;
                }
                let passing = tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        let _ = near.set_nodelay(true);
                        let _ = far.set_nodelay(true);
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                all.lock().unwrap_or_else(PoisonError::into_inner).push(passing);
            }
        });
        Self { addr, connections, open }
    }

    /// Closes every connection, and every new one at once until [`Proxy::mend`].
    pub fn cut(&self) {
        self.open.send_replace(false);
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            connection.abort();
        }
    }

    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}
