//! How a peer behaves.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What an incoming call meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// 100 only; the test rings, answers or rejects by [`crate::InCall`].
    Manual,
    /// 180 (or 183 with RTP), then 200.
    Answer {
        /// Time from the INVITE to the 200.
        ring: Duration,
        /// 183 with SDP and the peer's tone instead of 180.
        early_media: bool,
        /// BYE this long after the 200; `None` leaves it to the caller.
        hang_up_after: Option<Duration>,
    },
    /// A final refusal.
    Reject {
        /// SIP status, 400 to 699.
        status: u16,
        /// 180 and this long before it; zero refuses at once, without 180.
        ring: Duration,
    },
    /// 180, then nothing until a CANCEL.
    RingForever,
    /// Never answers at all, not even a CANCEL.
    Silent,
    /// 302 to this URI.
    Redirect {
        /// `sip:` URI of the `Contact`.
        contact: String,
    },
}

impl Behaviour {
    /// Answers after `ring`, never hangs up.
    pub fn answer(ring: Duration) -> Self {
        Self::Answer { ring, early_media: false, hang_up_after: None }
    }

    /// Refuses at once with `status`.
    pub fn reject(status: u16) -> Self {
        Self::Reject { status, ring: Duration::ZERO }
    }
}

/// Chooses the behaviour by the user dialled.
#[derive(Clone)]
pub struct Rules(Arc<dyn Fn(&str) -> Behaviour + Send + Sync>);

impl Rules {
    /// By a closure on the dialled user (as in the Request-URI).
    pub fn by(choose: impl Fn(&str) -> Behaviour + Send + Sync + 'static) -> Self {
        Self(Arc::new(choose))
    }

    /// By the longest prefix of the dialled user (a leading `+` on either side is ignored).
    pub fn by_prefix(table: Vec<(String, Behaviour)>, otherwise: Behaviour) -> Self {
        Self::by(move |user| {
            let user = user.trim_start_matches('+');
            let fits = table.iter().filter(|(prefix, _)| user.starts_with(prefix.trim_start_matches('+')));
            fits.max_by_key(|(prefix, _)| prefix.len()).map_or_else(|| otherwise.clone(), |(_, b)| b.clone())
        })
    }

    /// Behaviour for one call.
    pub fn choose(&self, user: &str) -> Behaviour {
        (self.0)(user)
    }
}

impl From<Behaviour> for Rules {
    fn from(behaviour: Behaviour) -> Self {
        Self::by(move |_| behaviour.clone())
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

/// A SIP user and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// User part of `From`, and digest username.
    pub user: String,
    /// Digest password.
    pub password: Option<String>,
}

impl Account {
    /// A user without password.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), password: None }
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.user)
    }
}

/// One call to place.
#[derive(Debug, Clone)]
pub struct Dial {
    /// User part of the Request-URI.
    pub to: String,
    /// Caller; `None` is the peer's own account.
    pub account: Option<Account>,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// `Some` fixes the Call-ID, to repeat one after a lost answer.
    pub call_id: Option<String>,
}

impl Dial {
    /// A plain call.
    pub fn to(user: impl Into<String>) -> Self {
        Self { to: user.into(), account: None, headers: Vec::new(), call_id: None }
    }
}

/// What [`crate::Peer::bind`] needs.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// The peer's own user and password.
    pub account: Account,
    /// Address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Registrar and outbound proxy.
    pub proxy: Option<SocketAddr>,
    /// What incoming calls meet.
    pub rules: Rules,
    /// Send and count RTP; without it one silent port serves all calls.
    pub rtp: bool,
    /// The peer's tone, 300 to 1200 Hz in steps of 50.
    pub tone_hz: u16,
    /// Messages the log holds before it forgets the oldest.
    pub log_capacity: usize,
}

impl PeerConfig {
    /// A peer on a free port of 127.0.0.1 that answers at once, with RTP.
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            account: Account::new(user),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            proxy: None,
            rules: Behaviour::answer(Duration::ZERO).into(),
            rtp: true,
            tone_hz: 450,
            log_capacity: 200_000,
        }
    }

    /// Binds this address.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Registers with and calls through this address.
    #[must_use]
    pub fn proxy(mut self, addr: SocketAddr) -> Self {
        self.proxy = Some(addr);
        self
    }

    /// Answers challenges with this password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.account.password = Some(password.into());
        self
    }

    /// Treats incoming calls by these rules, or by one behaviour.
    #[must_use]
    pub fn rules(mut self, rules: impl Into<Rules>) -> Self {
        self.rules = rules.into();
        self
    }

    /// Sends this tone.
    #[must_use]
    pub fn tone_hz(mut self, hz: u16) -> Self {
        self.tone_hz = hz;
        self
    }

    /// Neither sends nor counts RTP.
    #[must_use]
    pub fn without_rtp(mut self) -> Self {
        self.rtp = false;
        self
    }
}
