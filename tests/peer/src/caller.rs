//! The INVITE of a call the peer places: challenges, provisional responses, CANCEL, ACK.

use crate::call::{Call, Ending, OutCall, Provisional};
use crate::clock::now_ns;
use crate::config::{Account, Dial};
use crate::dialog::{ALLOW, Dialog};
use crate::digest::Challenge;
use crate::error::PeerError;
use crate::leg::{Fresh, Leg, Role};
use crate::log::Entry;
use crate::message::Message;
use crate::shared::Guard;
use crate::timers::{Due, GIVE_UP, Waiting};
use std::sync::Arc;

pub(crate) struct Caller {
    account: Account,
    headers: Vec<(String, String)>,
    /// The INVITE sent last.
    invite: Option<Arc<Entry>>,
    authenticated: bool,
    /// A provisional response came, so a CANCEL may go.
    proceeding: bool,
    cancel: Cancel,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    /// Asked for before any provisional response.
    Wanted,
    Sent,
}

/// Sends the INVITE and starts the call's task.
pub(crate) fn place(guard: &Arc<Guard>, dial: Dial) -> Result<OutCall, PeerError> {
    let shared = &guard.shared;
    let proxy = shared.config.proxy.ok_or(PeerError::NoProxy)?;
    let account = dial.account.unwrap_or_else(|| shared.config.account.clone());
    let dialog = Dialog::calling(shared, &account.user, &dial.to, proxy, dial.call_id);
    let caller = Caller {
        account,
        headers: dial.headers,
        invite: None,
        authenticated: false,
        proceeding: false,
        cancel: Cancel::No,
    };
    let Fresh { mut leg, inbox, mut core } = Leg::create(shared, dialog, Role::Caller(caller), now_ns())?;
    if let Some(Role::Caller(mut caller)) = leg.role.take() {
        caller.invite(&mut leg, None);
        if let Some(invite) = &caller.invite {
            leg.progress.send_modify(|p| p.invited_ns = invite.at_ns);
        }
        core.invite.clone_from(&caller.invite);
        leg.role = Some(Role::Caller(caller));
    }
    tokio::spawn(leg.run(inbox));
    Ok(OutCall(Call { core, guard: guard.clone() }))
}

impl Caller {
    fn invite(&mut self, leg: &mut Leg, authorization: Option<(&'static str, String)>) {
        let number = leg.dialog.cseq;
        let mut request = leg.dialog.request("INVITE", Some(number), leg.shared.addr);
        request.push("Allow", ALLOW);
        request.push("User-Agent", "sip-peer");
        for (name, value) in &self.headers {
            request.push(name, value.as_str());
        }
        if let Some((name, value)) = authorization {
            request.push(name, value);
        }
        let sdp = leg.media.offer();
        self.invite = Some(leg.transact(request.with_sdp(sdp)));
    }

    /// A response to the INVITE sent last, or to an earlier one.
    pub(crate) fn response(&mut self, leg: &mut Leg, entry: &Arc<Entry>, status: u16, cseq: u32) {
        if cseq != leg.dialog.cseq || leg.over() {
            // A repeated refusal of an older INVITE was ACKed by its stored ACK; a late 200 after the end:
            if (200..300).contains(&status) && cseq == leg.dialog.cseq {
                leg.dialog.learn(entry);
                leg.send_ack(cseq);
                let bye = leg.dialog.request("BYE", None, leg.shared.addr);
                leg.transact(bye);
            }
            return;
        }
        match status {
            100..200 => self.provisional(leg, entry, status),
            200..300 => self.answered(leg, entry, cseq),
            _ => self.refused(leg, entry, status, cseq),
        }
    }

    fn provisional(&mut self, leg: &mut Leg, entry: &Entry, status: u16) {
        self.proceeding = true;
        if status > 100 && !entry.repeat {
            let sdp = leg.media.take(&entry.body).is_some();
            if sdp {
                leg.media.start();
            }
            leg.progress.send_modify(|p| {
                p.provisionals.push(Provisional { status, sdp, at_ns: entry.at_ns });
            });
        }
        if self.cancel == Cancel::Wanted {
            self.cancel(leg);
        }
    }

    fn answered(&mut self, leg: &mut Leg, entry: &Entry, cseq: u32) {
        leg.dialog.learn(entry);
        if leg.media.take(&entry.body).is_some() {
            leg.media.start();
        }
        leg.send_ack(cseq);
        leg.progress.send_modify(|p| {
            p.answered_ns = Some(entry.at_ns);
            p.confirmed_ns = Some(now_ns());
        });
        if self.cancel != Cancel::No {
            leg.bye(Ending::WeHungUp); // the answer crossed the CANCEL
        }
    }

    fn refused(&mut self, leg: &mut Leg, entry: &Entry, status: u16, cseq: u32) {
        let Some(invite) = self.invite.clone() else {
            return;
        };
        let mut ack = same_transaction(&invite, "ACK", cseq);
        ack.replace("To", entry.header("To").unwrap_or_default().to_owned());
        let ack = leg.shared.send(ack, invite.remote);
        leg.keep_ack(cseq, ack);
        let challenged = matches!(status, 401 | 407) && !self.authenticated && self.cancel == Cancel::No;
        if let (true, Some(password), Ok(challenge)) = (challenged, &self.account.password, Challenge::of(entry)) {
            let uri = invite.uri().unwrap_or_default();
            let answer = challenge.answer(&self.account.user, password, "INVITE", uri);
            self.authenticated = true;
            self.proceeding = false;
            leg.dialog.cseq += 1;
            self.invite(leg, Some(answer));
            let at = self.invite.as_ref().map(|i| i.at_ns);
            leg.progress.send_modify(|p| p.authenticated_ns = at);
            return;
        }
        // A challenge is not taken up once the call is to end.
        let cancelled = self.cancel != Cancel::No && matches!(status, 401 | 407 | 487);
        let how = if cancelled { Ending::Cancelled } else { Ending::Refused(status) };
        leg.finish(how, entry.reason_cause());
    }

    /// CANCEL now, or as soon as it is allowed.
    pub(crate) fn cancel(&mut self, leg: &mut Leg) {
        if self.cancel == Cancel::Sent {
            return;
        }
        let (true, Some(invite)) = (self.proceeding, &self.invite) else {
            self.cancel = Cancel::Wanted;
            return;
        };
        self.cancel = Cancel::Sent;
        let request = same_transaction(invite, "CANCEL", leg.dialog.cseq);
        let branch = request.branch().unwrap_or_default().to_owned();
        let sent = leg.shared.send(request, invite.remote);
        leg.timers.repeat(Waiting::Response(branch, "CANCEL".to_owned()), sent);
        leg.timers.after(GIVE_UP, Due::Abandoned);
    }
}

/// CANCEL, or ACK of a refusal: Request-URI, branch, From, To, Call-ID and routes of the INVITE.
fn same_transaction(invite: &Entry, method: &str, cseq: u32) -> Message {
    let mut message = Message::request(method, invite.uri().unwrap_or_default());
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "Route"] {
        for value in invite.all(name) {
            message.push(name, value);
        }
    }
    message.with("CSeq", format!("{cseq} {method}"))
}
