//! Requests within the dialog, of either side: re-INVITE, UPDATE, ACK, BYE.

use crate::call::Ending;
use crate::callee::Callee;
use crate::dialog::with_session_timer;
use crate::leg::Leg;
use crate::log::Entry;
use crate::message::Message;
use crate::sdp::Flow;
use crate::timers::Waiting;
use std::sync::Arc;

impl Leg {
    /// re-INVITE or UPDATE: 200, with SDP where there was some (or where a re-INVITE asks for it).
    pub(crate) fn refresh(&mut self, entry: &Entry, method: &str) -> Message {
        self.progress.send_modify(|p| p.refreshes += 1);
        if let Some(uri) = entry.contact_uri() {
            uri.clone_into(&mut self.dialog.target);
        }
        let response = with_session_timer(self.reply(entry, 200), entry);
        if entry.body.is_empty() {
            return if method == "INVITE" { response.with_sdp(self.media.offer()) } else { response };
        }
        let Some(held) = self.media.take(&entry.body) else {
            return self.reply(entry, 488);
        };
        self.progress.send_modify(|p| p.held = held);
        self.media.start();
        response.with_sdp(self.media.answer())
    }

    pub(crate) fn acked(&mut self, entry: &Entry) {
        let Some((cseq, _)) = entry.cseq() else {
            return;
        };
        if !self.timers.stop(&Waiting::Ack(cseq)) || self.over() {
            return;
        }
        if self.media.take(&entry.body).is_some() {
            self.media.start();
        }
        self.with_callee(Callee::confirmed);
    }

    pub(crate) fn hold_if_asked(&mut self) {
        if let Some(hold) = self.hold_next.take() {
            self.hold(hold);
        }
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        if self.reinvite.is_some() || !self.confirmed() {
            self.hold_next = Some(hold);
            return;
        }
        self.media.wanted = if hold { Flow::SendOnly } else { Flow::Both };
        let sdp = self.media.offer();
        let request = self.dialog.request("INVITE", None, self.shared.addr).with_sdp(sdp);
        self.reinvite = Some(self.dialog.cseq);
        self.transact(request);
    }

    /// Sends a request of the dialog and repeats it until a response comes.
    pub(crate) fn transact(&mut self, request: Message) -> Arc<Entry> {
        let hop = self.dialog.next_hop();
        let sent = self.shared.send(request, hop);
        let branch = sent.branch().unwrap_or_default().to_owned();
        let method = sent.method().unwrap_or_default().to_owned();
        self.timers.repeat(Waiting::Response(branch, method), sent.clone());
        sent
    }

    pub(crate) fn bye(&mut self, how: Ending) {
        let request = self.dialog.request("BYE", None, self.shared.addr);
        self.transact(request);
        self.finish(how, None);
    }

    /// ACK of a 200: a request of its own, along the routes.
    pub(crate) fn send_ack(&mut self, cseq: u32) {
        let ack = self.dialog.request("ACK", Some(cseq), self.shared.addr);
        let sent = self.shared.send(ack, self.dialog.next_hop());
        self.acks.push((cseq, sent));
    }

    /// ACK of a refused re-INVITE.
    pub(crate) fn refuse_ack(&mut self, refusal: &Entry, cseq: u32) {
        let mut ack = self.dialog.request("ACK", Some(cseq), self.shared.addr);
        ack.replace("Via", refusal.header("Via").unwrap_or_default().to_owned());
        let sent = self.shared.send(ack, self.dialog.next_hop());
        self.acks.push((cseq, sent));
    }

    pub(crate) fn keep_ack(&mut self, cseq: u32, ack: Arc<Entry>) {
        self.acks.push((cseq, ack));
    }
}
