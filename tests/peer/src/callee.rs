//! The INVITE of a call that came to the peer: ringing, answers, refusals, CANCEL.

use crate::call::{Ending, Provisional};
use crate::clock::now_ns;
use crate::config::Behaviour;
use crate::dialog::{Dialog, reply, with_session_timer};
use crate::leg::{Command, Fresh, Leg, Role};
use crate::log::Entry;
use crate::shared::{Key, Shared};
use crate::timers::{Due, GIVE_UP, Waiting};
use std::sync::Arc;

pub(crate) struct Callee {
    invite: Arc<Entry>,
    behaviour: Behaviour,
    /// The response sent last, for a repeated INVITE.
    last: Option<Arc<Entry>>,
    hang_up: bool,
}

impl Leg {
    /// A new call came in: starts its task, and follows the peer's rules.
    pub(crate) fn answering(shared: &Arc<Shared>, invite: &Arc<Entry>) {
        let behaviour = shared.config.rules.choose(invite.uri_user().unwrap_or_default());
        let callee = Callee { invite: invite.clone(), behaviour, last: None, hang_up: false };
        let key = callee.key();
        let dialog = Dialog::called(shared, invite);
        let Ok(Fresh { mut leg, inbox, mut core }) = Leg::create(shared, dialog, Role::Callee(callee), invite.at_ns)
        else {
            shared.send(reply(invite, 500, Some("broken")), invite.remote);
            return;
        };
        leg.enlist(key, &core);
        core.invite = Some(invite.clone());
        leg.with_callee(Callee::begin);
        shared.offer_incoming(core);
        tokio::spawn(leg.run(inbox));
    }
}

impl Callee {
    /// How requests without To tag find this leg.
    pub(crate) fn key(&self) -> Key {
        Key::Remote(self.invite.call_id().to_owned(), self.invite.from_tag().unwrap_or_default().to_owned())
    }

    fn begin(&mut self, leg: &mut Leg) {
        if self.behaviour == Behaviour::Silent {
            leg.timers.after(GIVE_UP, Due::Abandoned);
            return;
        }
        self.last = Some(leg.shared.send(reply(&self.invite, 100, None), self.invite.remote));
        if !self.invite.body.is_empty() && leg.media.take(&self.invite.body).is_none() {
            return self.refuse(leg, 488, None);
        }
        match self.behaviour.clone() {
            Behaviour::Manual | Behaviour::Silent => {}
            Behaviour::RingForever => self.ring(leg, false),
            Behaviour::Redirect { contact } => self.refuse(leg, 302, Some(&contact)),
            Behaviour::Reject { status, ring } if ring.is_zero() => self.refuse(leg, status, None),
            Behaviour::Reject { ring, .. } => {
                self.ring(leg, false);
                leg.timers.after(ring, Due::Rung);
            }
            Behaviour::Answer { ring, early_media, .. } => {
                self.ring(leg, early_media);
                if ring.is_zero() {
                    self.rung(leg);
                } else {
                    leg.timers.after(ring, Due::Rung);
                }
            }
        }
    }

    /// The ringing time is over.
    pub(crate) fn rung(&mut self, leg: &mut Leg) {
        match self.behaviour.clone() {
            Behaviour::Answer { hang_up_after, .. } => {
                self.answer(leg);
                if let Some(talk) = hang_up_after {
                    leg.timers.after(talk, Due::Talked);
                }
            }
            Behaviour::Reject { status, .. } => self.refuse(leg, status, None),
            Behaviour::Manual | Behaviour::RingForever | Behaviour::Silent | Behaviour::Redirect { .. } => {}
        }
    }

    pub(crate) fn command(&mut self, leg: &mut Leg, command: &Command) {
        match command {
            Command::Ring { early_media } => self.ring(leg, *early_media),
            Command::Answer => self.answer(leg),
            Command::Reject(status) => self.refuse(leg, *status, None),
            Command::HangUp => self.refuse(leg, 480, None),
            Command::Hold(_) => {}
        }
    }

    fn ring(&mut self, leg: &mut Leg, early_media: bool) {
        let status = if early_media { 183 } else { 180 };
        let mut response = leg.reply(&self.invite, status).with("Contact", leg.dialog.contact.as_str());
        if early_media {
            response = response.with_sdp(leg.media.answer());
            leg.media.start();
        }
        let sent = leg.shared.send(response, self.invite.remote);
        leg.progress.send_modify(|p| {
            p.provisionals.push(Provisional { status, sdp: early_media, at_ns: sent.at_ns });
        });
        self.last = Some(sent);
    }

    fn answer(&mut self, leg: &mut Leg) {
        let response = leg.reply(&self.invite, 200).with("Contact", leg.dialog.contact.as_str());
        let response = with_session_timer(response, &self.invite).with_sdp(leg.media.answer());
        self.finally(leg, response);
        let at = self.last.as_ref().map_or_else(now_ns, |sent| sent.at_ns);
        leg.progress.send_modify(|p| p.answered_ns = Some(at));
        leg.media.start();
    }

    fn refuse(&mut self, leg: &mut Leg, status: u16, contact: Option<&str>) {
        let mut response = leg.reply(&self.invite, status);
        if let Some(contact) = contact {
            response.push("Contact", format!("<{contact}>"));
        }
        self.finally(leg, response);
        leg.finish(Ending::Refused(status), None);
    }

    /// Sends a final response until it is `ACKed`.
    fn finally(&mut self, leg: &mut Leg, response: crate::message::Message) {
        let sent = leg.shared.send(response, self.invite.remote);
        let cseq = self.invite.cseq().map_or(0, |(number, _)| number);
        leg.timers.repeat(Waiting::Ack(cseq), sent.clone());
        self.last = Some(sent);
    }

    /// The ACK of a final response came.
    pub(crate) fn confirmed(&mut self, leg: &mut Leg) {
        if leg.answered() {
            leg.progress.send_modify(|p| p.confirmed_ns = p.confirmed_ns.or_else(|| Some(now_ns())));
            if self.hang_up {
                leg.bye(Ending::WeHungUp);
            } else {
                leg.hold_if_asked();
            }
        }
    }

    /// A callee may not send BYE before the ACK.
    pub(crate) fn hang_up_when_confirmed(&mut self) {
        self.hang_up = true;
    }

    /// BYE in the early dialog ends the INVITE as a CANCEL does.
    pub(crate) fn bye_before_answer(&mut self, leg: &mut Leg) {
        if !leg.answered() {
            let response = leg.reply(&self.invite, 487);
            self.finally(leg, response);
        }
    }

    /// Takes requests that belong to the INVITE transaction: its repetition and its CANCEL.
    pub(crate) fn request(&mut self, leg: &mut Leg, entry: &Entry) -> bool {
        let same = entry.cseq().map(|(n, _)| n) == self.invite.cseq().map(|(n, _)| n);
        let method = entry.method().unwrap_or_default();
        if self.behaviour == Behaviour::Silent {
            if method == "CANCEL" {
                leg.finish_lingering(Ending::Cancelled, entry.reason_cause(), GIVE_UP * 2);
            }
            return true;
        }
        match method {
            "INVITE" if same => {
                if let Some(last) = &self.last {
                    leg.shared.resend(last);
                }
                true
            }
            "CANCEL" if same && entry.branch() == self.invite.branch() => {
                leg.shared.send(leg.reply(entry, 200), entry.remote);
                if !leg.answered() && !leg.over() {
                    let response = leg.reply(&self.invite, 487);
                    self.finally(leg, response);
                    leg.finish(Ending::Cancelled, entry.reason_cause());
                }
                true
            }
            _ => false,
        }
    }
}
