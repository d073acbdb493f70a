//! What stands at the doors: how often somebody may knock, and how many passwords are looked at at a time.

use super::limit::{Limiter, Rate};
use super::{Limits, Problem};
use crate::keys;
use axum::http::HeaderMap;
use secrecy::SecretString;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// From where the connection comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

/// Shared by all requests.
#[derive(Clone)]
pub(super) struct Doors(Arc<Inner>);

struct Inner {
    callers: Limiter,
    addresses: Limiter,
    accounts: Limiter,
    passwords: Arc<Semaphore>,
    behind_proxy: bool,
}

/// Who waits for longer than this for their password to be looked at asks again.
const PATIENCE: Duration = Duration::from_secs(3);

impl Doors {
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Inner {
            callers: Limiter::new(limits.caller),
            addresses: Limiter::new(limits.sign_in_address),
            accounts: Limiter::new(limits.sign_in_account),
            // It takes a core and memory, which calls need too.
            passwords: Arc::new(Semaphore::new(1)),
            behind_proxy: limits.behind_proxy,
        }))
    }

    /// One more request of this caller.
    pub fn caller(&self, id: u128) -> Result<(), Problem> {
        self.0.callers.take(id).map_err(Problem::rate_limited)
    }

    /// One more attempt to sign in from there.
    pub fn address(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), Problem> {
        let address = if self.0.behind_proxy { forwarded(headers) } else { None };
        let address = address.or(peer.map(|peer| peer.0));
        self.0.addresses.take(address.map(network)).map_err(Problem::rate_limited)
    }

    /// One more attempt with this account, whether it exists or not.
    pub fn account(&self, email: &str) -> Result<(), Problem> {
        self.0.accounts.take(email.trim().to_lowercase()).map_err(Problem::rate_limited)
    }

    /// Whether it is the password, of which this was kept; with no hash it takes as long.
    pub async fn is_password(&self, password: SecretString, hash: Option<SecretString>) -> Result<bool, Problem> {
        self.work(move || keys::is_password(&password, hash.as_ref())).await
    }

    /// What is to be kept of a password.
    pub async fn hash(&self, password: SecretString) -> Result<SecretString, Problem> {
        keys::check_password(&password).map_err(|_| Problem::weak_password())?;
        self.work(move || keys::hash_password(&password)).await?.map_err(|error| {
            tracing::error!(%error, "a password cannot be kept");
            Problem::internal()
        })
    }

    /// Work that takes a core for tens of milliseconds, which the loop of calls must not wait for. Who goes away meanwhile
    /// keeps the place until it is done.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let slot = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.passwords).acquire_owned()).await;
        let slot = slot.map_err(|_| Problem::busy())?.map_err(|_| Problem::busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        done.await.map_err(|_| Problem::internal())
    }
}

/// The last hop: what the proxy in front says. What stands before it is what the client says.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

/// Whoever has one address of IPv6 has the 2^64 beside it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Default for super::Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            time: Duration::from_secs(10),
            at_once: 64,
            caller: Rate { burst: 300, every_ms: 10 },
            sign_in_address: Rate { burst: 60, every_ms: 2_000 },
            sign_in_account: Rate { burst: 10, every_ms: 30_000 },
            behind_proxy: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_says_nothing_about_where_it_is() {
        let headers = |values: &[&'static str]| {
            let pairs = values.iter().map(|value| {
                (axum::http::HeaderName::from_static("x-forwarded-for"), axum::http::HeaderValue::from_static(value))
            });
            pairs.collect::<HeaderMap>()
        };
        let last: IpAddr = "203.0.113.9".parse().expect("an address");
        assert_eq!(forwarded(&headers(&["198.51.100.1, 203.0.113.9"])), Some(last));
        assert_eq!(forwarded(&headers(&["198.51.100.1", "203.0.113.9"])), Some(last));
        assert_eq!(forwarded(&headers(&["203.0.113.9, garbage"])), None);
        assert_eq!(forwarded(&headers(&[])), None);
    }

    #[test]
    fn neighbours_of_ipv6_are_one() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:203.0.113.9"), of("203.0.113.9"));
        assert_ne!(of("203.0.113.9"), of("203.0.113.8"));
    }
}
