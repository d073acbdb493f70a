//! The user agent.

use crate::call::{Call, InCall, OutCall};
use crate::caller;
use crate::clock::now_ns;
use crate::config::{Account, Dial, PeerConfig};
use crate::dialog::{contact, token, via};
use crate::digest::Challenge;
use crate::error::PeerError;
use crate::leg::{Command, Input};
use crate::log::{Direction, Entry, Log};
use crate::message::Message;
use crate::shared::{Guard, Key, Shared, locked};
use crate::timers::{GIVE_UP, T1, T2};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// One UDP socket that is a phone, a carrier, or many phones. Cheap to clone; when the last clone and
/// the last call handle are dropped the socket closes, without BYE (see [`Peer::shut_down`]).
#[derive(Clone)]
pub struct Peer {
    guard: Arc<Guard>,
    /// Call-ID and last `CSeq` of each account's registration.
    registrations: Arc<Mutex<HashMap<String, (String, u32)>>>,
}

impl Peer {
    /// Binds the socket and starts to serve it.
    #[expect(clippy::unused_async, reason = "needs a runtime, and says so")]
    pub async fn bind(config: PeerConfig) -> Result<Self, PeerError> {
        let sending = UdpSocket::bind(config.listen)?;
        sending.set_nonblocking(true)?;
        let receiving = tokio::net::UdpSocket::from_std(sending.try_clone()?)?;
        let (open, closed) = watch::channel(());
        let shared = Arc::new(Shared::new(config, sending, closed)?);
        tokio::spawn(serve(receiving, shared.clone()));
        let guard = Arc::new(Guard { shared, _open: open });
        Ok(Self { guard, registrations: Arc::default() })
    }

    /// The address it is bound to.
    pub fn addr(&self) -> SocketAddr {
        self.guard.shared.addr
    }

    /// Its user.
    pub fn user(&self) -> &str {
        &self.guard.shared.config.account.user
    }

    /// Every message sent and received.
    pub fn log(&self) -> Log {
        self.guard.shared.log.clone()
    }

    /// Registers its own account for that many seconds; 0 unregisters. Nothing refreshes it.
    pub async fn register(&self, expires_s: u32) -> Result<(), PeerError> {
        let account = self.guard.shared.config.account.clone();
        self.register_as(&account, expires_s).await
    }

    /// Registers another account at this socket.
    pub async fn register_as(&self, account: &Account, expires_s: u32) -> Result<(), PeerError> {
        let shared = &self.guard.shared;
        let proxy = shared.config.proxy.ok_or(PeerError::NoProxy)?;
        let uri = format!("sip:{proxy}");
        let aor = format!("<sip:{}@{proxy}>", account.user);
        let mut authorization: Option<(&'static str, String)> = None;
        loop {
            let (call_id, cseq) = {
                let mut all = locked(&self.registrations);
                let entry = all.entry(account.user.clone()).or_insert_with(|| (token(), 0));
                entry.1 += 1;
                entry.clone()
            };
            let mut request = Message::request("REGISTER", &uri)
                .with("Via", via(shared.addr))
                .with("Max-Forwards", "70")
                .with("From", format!("{aor};tag={}", token()))
                .with("To", aor.as_str())
                .with("Call-ID", call_id)
                .with("CSeq", format!("{cseq} REGISTER"))
                .with("Contact", contact(&account.user, shared.addr))
                .with("Expires", expires_s.to_string());
            let tried = authorization.is_some();
            if let Some((name, value)) = authorization.take() {
                request.push(name, value);
            }
            let answer = transact(shared, request, proxy).await?;
            match (answer.status().unwrap_or_default(), &account.password) {
                (200..300, _) => return Ok(()),
                (401 | 407, Some(password)) if !tried => {
                    authorization = Some(Challenge::of(&answer)?.answer(&account.user, password, "REGISTER", &uri));
                }
                (401 | 407, _) => return Err(PeerError::Unauthorized),
                (status, _) => {
                    let reason = answer.text.lines().next().unwrap_or_default();
                    return Err(PeerError::Rejected { status, reason: reason.to_owned() });
                }
            }
        }
    }

    /// Calls this user through the proxy.
    #[expect(clippy::unused_async, reason = "needs a runtime, and says so")]
    pub async fn call(&self, to_user: &str) -> Result<OutCall, PeerError> {
        self.dial(Dial::to(to_user))
    }

    /// Calls with another account, with further headers, or with a Call-ID of choice; needs a runtime.
    pub fn dial(&self, dial: Dial) -> Result<OutCall, PeerError> {
        caller::place(&self.guard, dial)
    }

    /// The next call that came in, whatever the rules do with it; calls queue until fetched.
    pub async fn next_incoming(&self, within: Duration) -> Result<InCall, PeerError> {
        let shared = &self.guard.shared;
        let search = async {
            loop {
                let core = locked(&shared.incoming).pop_front();
                if let Some(core) = core
                    && let Some(invite) = core.invite.clone()
                {
                    return InCall { call: Call { core, guard: self.guard.clone() }, invite };
                }
                shared.arrived.notified().await;
            }
        };
        tokio::time::timeout(within, search).await.map_err(|_| PeerError::Timeout("incoming call"))
    }

    /// Hangs up all calls and waits until the other side has confirmed every BYE and CANCEL.
    pub async fn shut_down(&self, within: Duration) -> Result<(), PeerError> {
        let shared = &self.guard.shared;
        let mut waiting = Vec::new();
        for (key, leg) in locked(&shared.legs).iter() {
            if let Key::Local(call_id, _) = key {
                let _ = leg.inbox.send(Input::Command(Command::HangUp));
                waiting.push((call_id.clone(), leg.progress.clone()));
            }
        }
        let confirmed = |call_id: &str| {
            let byes = shared.log.filter(|e| e.call_id() == call_id && e.cseq().is_some_and(|(_, m)| m == "BYE"));
            let ours = byes.iter().any(|e| e.direction == Direction::Sent && e.is("BYE"));
            !ours || byes.iter().any(|e| e.received() && e.status().is_some())
        };
        let all = async {
            for (call_id, mut progress) in waiting {
                if progress.wait_for(|p| p.ended.is_some()).await.is_ok() {
                    shared.log.wait_for("200 of the BYE", within, |_| confirmed(&call_id).then_some(())).await?;
                }
            }
            Ok(())
        };
        tokio::time::timeout(within, all).await.map_err(|_| PeerError::Timeout("end of all calls"))?
    }
}

async fn serve(socket: tokio::net::UdpSocket, shared: Arc<Shared>) {
    let mut closed = shared.closed.clone();
    let mut buffer = vec![0; 65_536];
    loop {
        tokio::select! {
            got = socket.recv_from(&mut buffer) => {
                // An ICMP refusal of something sent shows here as an error; the socket lives on.
                if let Ok((length, remote)) = got {
                    shared.received(now_ns(), &buffer[..length], remote);
                }
            }
            _ = closed.changed() => return,
        }
    }
}

/// A request outside any dialog: repeated until the final response.
async fn transact(shared: &Shared, request: Message, remote: SocketAddr) -> Result<Arc<Entry>, PeerError> {
    let branch = request.branch().unwrap_or_default().to_owned();
    let (sender, mut answers) = mpsc::unbounded_channel();
    locked(&shared.transactions).insert(branch.clone(), sender);
    let sent = shared.send(request, remote);
    let exchange = async {
        let mut interval = T1;
        loop {
            match tokio::time::timeout(interval, answers.recv()).await {
                Ok(Some(answer)) if answer.status().is_some_and(|s| s >= 200) => return Ok(answer),
                Ok(Some(_)) => interval = T2,
                Ok(None) => return Err(PeerError::Closed),
                Err(_) => {
                    shared.resend(&sent);
                    interval = (interval * 2).min(T2);
                }
            }
        }
    };
    let result = tokio::time::timeout(GIVE_UP, exchange).await;
    locked(&shared.transactions).remove(&branch);
    result.map_err(|_| PeerError::Timeout("final response"))?
}
