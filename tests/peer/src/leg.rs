//! One call: a task that reacts to messages, commands and timers. Caller and callee have their own
//! parts in `caller` and `callee`; here is what both do once there is a dialog.

use crate::call::{Core, End, Ending, Progress};
use crate::callee::Callee;
use crate::caller::Caller;
use crate::clock::now_ns;
use crate::dialog::{Dialog, reply};
use crate::log::Entry;
use crate::media::Media;
use crate::message::Message;
use crate::rtp::Meter;
use crate::shared::{Key, Route, Shared, locked};
use crate::timers::{Due, LINGER, Timers, Waiting};
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
    pub(crate) acks: Vec<(u32, Arc<Entry>)>,
    /// A re-INVITE of ours that has no final response yet.
    pub(crate) reinvite: Option<u32>,
    /// Hold or resume, asked for while a re-INVITE was open.
    pub(crate) hold_next: Option<bool>,
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
        let media = Media::open(shared, &meter, rtp_changed)?;
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
                Due::Lost(Waiting::Response(_, method)) if method == "INVITE" => {
                    self.finish(Ending::TimedOut, None);
                }
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
                    self.with_callee(super::callee::Callee::bye_before_answer);
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
        if method != "BYE" {
            response.push("Contact", self.dialog.contact.as_str());
        }
        let sent = self.shared.send(response, entry.remote);
        if let (true, Some((cseq, _))) = (method == "INVITE", entry.cseq()) {
            self.timers.repeat(Waiting::Ack(cseq), sent.clone());
        }
        self.replies.push((branch.to_owned(), method.to_owned(), sent));
    }

    /// Gives the message to the part that owns the INVITE transaction; whether it was taken.
    fn role_handles(&mut self, entry: &Arc<Entry>) -> bool {
        let Some(role) = self.role.take() else {
            return false;
        };
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
        let Some((cseq, method)) = entry.cseq() else {
            return;
        };
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
        self.progress.send_modify(|p| {
            p.ended = Some(End { how, cause, at_ns: now_ns() });
        });
    }

    pub(crate) fn over(&self) -> bool {
        self.progress.borrow().ended.is_some()
    }

    pub(crate) fn answered(&self) -> bool {
        self.progress.borrow().answered_ns.is_some()
    }

    pub(crate) fn confirmed(&self) -> bool {
        self.progress.borrow().confirmed_ns.is_some()
    }
}
