//! The listener.

use super::doors::Peer;
use super::patience::Patient;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// More connections than this wait in the system's own queue.
const CONNECTIONS: usize = 1024;
/// A connection on which no whole head of a request comes for so long is closed. Longer than proxies keep an idle
/// connection, so that none sends a request on one that is just being closed.
const HEAD: Duration = Duration::from_secs(65);
/// Who takes nothing of an answer for so long gets no more of it.
const TAKING: Duration = Duration::from_secs(30);
/// No more files can be opened, or the like: it passes, or somebody sees the log.
const BREATH: Duration = Duration::from_millis(200);
/// Requests under way at the end have this long.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Serves until it is told to stop; then takes no new connections, closes the idle ones and finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let router = router.clone().layer(Extension(Peer(peer.ip())));
                let connection = graceful.watch(connection(stream, router));
                tokio::spawn(async move {
                    // A client that went away or talks nonsense.
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended badly");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWERS, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not answered before the end");
    }
}

fn connection(
    stream: TcpStream,
    router: Router,
) -> http1::Connection<TokioIo<Patient<TcpStream>>, TowerToHyperService<Router>> {
    // Only a hint to the system.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream, TAKING)), TowerToHyperService::new(router))
}
