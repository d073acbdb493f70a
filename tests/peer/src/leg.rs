//! One call: a task that reacts to messages, commands and timers. Caller and callee have their own
//! parts in `caller` and `callee`; here is what both do once there is a dialog.

use crate::call::{Core, End, Ending, Progress};
use crate::callee::Callee;
use crate::caller::Caller;
use crate::clock::now_ns;
use crate::dialog::{Dialog, reply, with_session_timer};
use crate::log::Entry;
use crate::message::Message;
use crate::rtp::{Meter, Stream};
use crate::sdp::{Flow, Sdp};
use crate::shared::{Key, Route, Shared, locked};
use crate::timers::{Due, LINGER, Timers, Waiting};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What a handle asks of its leg.
#[derive(Debug)]
pub(crate) enum Command {
    HangUp,
    Hold(bool),
    Ring { early_media: bool },
    Answer,
    Reject(u16),
}

pub(crate) enum Input {
    Message(Arc<Entry>),
    Command(Command),
}

pub(crate) enum Role {
    Caller(Caller),
    Callee(Callee),
}

/// The audio of one leg.
pub(crate) struct Media {
    stream: Option<Stream>,
    addr: SocketAddr,
    session: u32,
    version: u32,
    /// What we want; what the other side wants is in its SDP.
    wanted: Flow,
    remote: Option<Sdp>,
}

impl Media {
    /// SDP that offers what we want.
    pub(crate) fn offer(&mut self) -> String {
        self.version += 1;
        Sdp::write(self.addr, self.session, self.version, self.wanted)
    }

    /// SDP that answers the SDP taken last.
    pub(crate) fn answer(&mut self) -> String {
        self.version += 1;
        let theirs = self.remote.map_or(Flow::Both, |r| r.flow.mirrored());
        let flow = if theirs == Flow::Both { self.wanted } else { theirs };
        Sdp::write(self.addr, self.session, self.version, flow)
    }

    /// Takes the other side's SDP; whether it was usable and whether it puts us on hold.
    pub(crate) fn take(&mut self, body: &str) -> Option<bool> {
        let sdp = Sdp::parse(body).filter(|sdp| sdp.pcmu)?;
        self.remote = Some(sdp);
        Some(!sdp.flow.receives())
    }

    /// Sends, or pauses, as both sides want.
    pub(crate) fn start(&self) {
        if let (Some(stream), Some(remote)) = (&self.stream, self.remote) {
            stream.send_to(remote.addr, self.wanted.sends() && remote.flow.receives());
        }
    }
}

pub(crate) struct Leg {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dialog: Dialog,
    pub(crate) media: Media,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) timers: Timers,
    pub(crate) role: Option<Role>,
    /// Our replies to requests within the dialog, by branch and method, for their repetitions.
    replies: Vec<(String, String, Arc<Entry>)>,
    /// Our ACKs by `CSeq`, for repeated 200s.
    acks: Vec<(u32, Arc<Entry>)>,
    /// A re-INVITE of ours that has no final response yet.
    reinvite: Option<u32>,
    /// Hold or resume, asked for while a re-INVITE was open.
    hold_next: Option<bool>,
}

/// A leg ready to run, its inbox, and what a handle needs.
pub(crate) struct Fresh {
    pub(crate) leg: Leg,
    pub(crate) inbox: mpsc::UnboundedReceiver<Input>,
    pub(crate) core: Core,
}

impl Leg {
    pub(crate) fn create(shared: &Arc<Shared>, dialog: Dialog, role: Role, invited_ns: u64) -> std::io::Result<Fresh> {
        let (meter, rtp_changed) = (Meter::default(), watch::Sender::new(0));
        let listening = rtp_changed.subscribe();
        let (stream, addr) = if let Some(addr) = shared.sink_addr() {
            (None, addr)
        } else {
            let stream = Stream::open(shared.addr.ip(), shared.config.tone_hz, &meter, rtp_changed)?;
            let addr = stream.addr;
            (Some(stream), addr)
        };
        let media = Media { stream, addr, session: rand::random::<u32>() >> 1, version: 0, wanted: Flow::Both, remote: None };
        let progress = watch::Sender::new(Progress { invited_ns, ..Progress::default() });
        let (sender, inbox) = mpsc::unbounded_channel();
        let core = Core {
            call_id: dialog.call_id.clone(),
            invite: None,
            inbox: sender,
            progress: progress.subscribe(),
            meter,
            rtp_changed: listening,
        };
        let leg = Self {
            shared: shared.clone(),
            dialog,
            media,
            progress,
            timers: Timers::default(),
            role: Some(role),
            replies: Vec::new(),
            acks: Vec::new(),
            reinvite: None,
            hold_next: None,
        };
        let key = Key::Local(core.call_id.clone(), leg.dialog.local_tag.clone());
        leg.enlist(key, &core);
        Ok(Fresh { leg, inbox, core })
    }

    pub(crate) fn enlist(&self, key: Key, core: &Core) {
        let route = Route { inbox: core.inbox.clone(), progress: core.progress.clone() };
        locked(&self.shared.legs).insert(key, route);
    }

    /// Lives until nothing more is expected, or the peer is dropped.
    pub(crate) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Input>) {
        let mut closed = self.shared.closed.clone();
        loop {
            let next = self.timers.next();
            let sleep = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                input = inbox.recv() => match input {
                    Some(Input::Message(entry)) => self.message(&entry),
                    Some(Input::Command(command)) => self.command(&command),
                    None => break,
                },
                () = sleep => if self.fire() { break },
                _ = closed.changed() => break,
            }
        }
        let call_id = &self.dialog.call_id;
        let mut legs = locked(&self.shared.legs);
        legs.remove(&Key::Local(call_id.clone(), self.dialog.local_tag.clone()));
        if let Some(Role::Callee(callee)) = &self.role {
            legs.remove(&callee.key());
        }
    }

    /// Whether the leg is to be forgotten.
    fn fire(&mut self) -> bool {
        let (again, events) = self.timers.due();
        for entry in again {
            self.shared.resend(&entry);
        }
        for event in events {
            match event {
                Due::Forget => return true,
                Due::Abandoned => self.finish(Ending::TimedOut, None),
                Due::Talked => self.command(&Command::HangUp),
                Due::Rung => self.with_callee(Callee::rung),
                Due::Lost(Waiting::Response(_, method)) if method == "INVITE" => self.finish(Ending::TimedOut, None),
                Due::Lost(Waiting::Response(..)) => {}
                Due::Lost(Waiting::Ack(_)) => {
                    if self.answered() && !self.over() {
                        self.bye(Ending::TimedOut);
                    }
                }
            }
        }
        false
    }

    fn message(&mut self, entry: &Arc<Entry>) {
        if entry.status().is_some() {
            return self.response(entry);
        }
        if self.role_handles(entry) {
            return;
        }
        let (method, branch) = (entry.method().unwrap_or_default(), entry.branch().unwrap_or_default());
        if let Some((_, _, sent)) = self.replies.iter().find(|(b, m, _)| b == branch && m == method) {
            return self.shared.resend(&sent.clone());
        }
        let mut response = match method {
            "ACK" => return self.acked(entry),
            "BYE" => {
                if !self.over() {
                    self.with_callee(|callee, leg| callee.bye_before_answer(leg));
                    self.finish(Ending::TheyHungUp, entry.reason_cause());
                }
                self.reply(entry, 200)
            }
            _ if self.over() => self.reply(entry, 481),
            "INVITE" if self.reinvite.is_some() => self.reply(entry, 491),
            "INVITE" | "UPDATE" => self.refresh(entry, method),
            "OPTIONS" | "INFO" | "NOTIFY" | "MESSAGE" => self.reply(entry, 200),
            "REFER" => self.reply(entry, 603),
            "CANCEL" | "PRACK" => self.reply(entry, 481),
            _ => self.reply(entry, 405),
        };
        if entry.status().is_none() && method != "BYE" {
            response.push("Contact", self.dialog.contact.as_str());
        }
        let sent = self.shared.send(response, entry.remote);
        if let (true, Some((cseq, _))) = (method == "INVITE", entry.cseq()) {
            self.timers.repeat(Waiting::Ack(cseq), sent.clone());
        }
        self.replies.push((branch.to_owned(), method.to_owned(), sent));
    }

    /// re-INVITE or UPDATE: 200, with SDP where there was some (or where a re-INVITE asks for it).
    fn refresh(&mut self, entry: &Entry, method: &str) -> Message {
        self.progress.send_modify(|p| p.refreshes += 1);
        if let Some(uri) = entry.contact_uri() {
            uri.clone_into(&mut self.dialog.target);
        }
        let response = with_session_timer(self.reply(entry, 200), entry);
        if entry.body.is_empty() {
            return if method == "INVITE" { response.with_sdp(self.media.offer()) } else { response };
        }
        let Some(held) = self.media.take(&entry.body) else { return self.reply(entry, 488) };
        self.progress.send_modify(|p| p.held = held);
        self.media.start();
        response.with_sdp(self.media.answer())
    }

    fn acked(&mut self, entry: &Entry) {
        let Some((cseq, _)) = entry.cseq() else { return };
        if !self.timers.stop(&Waiting::Ack(cseq)) || self.over() {
            return;
        }
        if self.media.take(&entry.body).is_some() {
            self.media.start();
        }
        self.with_callee(Callee::confirmed);
    }

    /// Gives the message to the part that owns the INVITE transaction; whether it was taken.
    fn role_handles(&mut self, entry: &Arc<Entry>) -> bool {
        let Some(role) = self.role.take() else { return false };
        let (role, taken) = match role {
            Role::Callee(mut callee) => {
                let taken = callee.request(self, entry);
                (Role::Callee(callee), taken)
            }
            caller @ Role::Caller(_) => (caller, false),
        };
        self.role = Some(role);
        taken
    }

    pub(crate) fn with_callee(&mut self, act: impl FnOnce(&mut Callee, &mut Self)) {
        match self.role.take() {
            Some(Role::Callee(mut callee)) => {
                act(&mut callee, self);
                self.role = Some(Role::Callee(callee));
            }
            other => self.role = other,
        }
    }

    fn response(&mut self, entry: &Arc<Entry>) {
        let Some((cseq, method)) = entry.cseq() else { return };
        let status = entry.status().unwrap_or_default();
        let waiting = Waiting::Response(entry.branch().unwrap_or_default().to_owned(), method.to_owned());
        self.timers.stop(&waiting);
        if method != "INVITE" {
            return;
        }
        if self.reinvite == Some(cseq) && status >= 200 {
            self.reinvite = None;
            if status < 300 {
                let _ = self.media.take(&entry.body);
                self.media.start();
                self.send_ack(cseq);
            } else {
                self.refuse_ack(entry, cseq);
            }
            self.hold_if_asked();
        } else if let Some((_, ack)) = self.acks.iter().find(|(c, _)| *c == cseq) {
            if status >= 200 {
                self.shared.resend(&ack.clone());
            }
        } else if let Some(Role::Caller(mut caller)) = self.role.take() {
            caller.response(self, entry, status, cseq);
            self.role = Some(Role::Caller(caller));
        }
    }

    pub(crate) fn command(&mut self, command: &Command) {
        if self.over() {
            return;
        }
        if self.answered() {
            match command {
                Command::HangUp if self.confirmed() => self.bye(Ending::WeHungUp),
                Command::HangUp => self.with_callee(|callee, _| callee.hang_up_when_confirmed()),
                Command::Hold(hold) => self.hold(*hold),
                Command::Ring { .. } | Command::Answer | Command::Reject(_) => {}
            }
            return;
        }
        match self.role.take() {
            Some(Role::Caller(mut caller)) => {
                if matches!(command, Command::HangUp) {
                    caller.cancel(self);
                }
                self.role = Some(Role::Caller(caller));
            }
            Some(Role::Callee(mut callee)) => {
                callee.command(self, command);
                self.role = Some(Role::Callee(callee));
            }
            None => {}
        }
    }

    pub(crate) fn hold_if_asked(&mut self) {
        if let Some(hold) = self.hold_next.take() {
            self.hold(hold);
        }
    }

    fn hold(&mut self, hold: bool) {
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
    fn refuse_ack(&mut self, refusal: &Entry, cseq: u32) {
        let mut ack = self.dialog.request("ACK", Some(cseq), self.shared.addr);
        ack.replace("Via", refusal.header("Via").unwrap_or_default().to_owned());
        let sent = self.shared.send(ack, self.dialog.next_hop());
        self.acks.push((cseq, sent));
    }

    pub(crate) fn keep_ack(&mut self, cseq: u32, ack: Arc<Entry>) {
        self.acks.push((cseq, ack));
    }

    pub(crate) fn reply(&self, request: &Entry, status: u16) -> Message {
        reply(request, status, Some(&self.dialog.local_tag))
    }

    pub(crate) fn finish(&mut self, how: Ending, cause: Option<u16>) {
        self.finish_lingering(how, cause, LINGER);
    }

    /// Records the end once, closes the audio, and answers repetitions for `linger` more.
    pub(crate) fn finish_lingering(&mut self, how: Ending, cause: Option<u16>, linger: Duration) {
        if self.over() {
            return;
        }
        self.media.stream = None;
        self.timers.wind_up(linger);
        self.progress.send_modify(|p| p.ended = Some(End { how, cause, at_ns: now_ns() }));
    }

    pub(crate) fn over(&self) -> bool {
        self.progress.borrow().ended.is_some()
    }

    pub(crate) fn answered(&self) -> bool {
        self.progress.borrow().answered_ns.is_some()
    }

    fn confirmed(&self) -> bool {
        self.progress.borrow().confirmed_ns.is_some()
    }
}
