//! What people do, and what the daemon hears of it.

use crate::world::{Next, World};
use cordboard::ari::Translated;
use cordboard::core::ids::{CallId, ChannelId, RequestId};
use cordboard::core::input::{Dialled, Input};
use model_asterisk::{Event, Kind, MILLI};
use uuid::Uuid;

impl World {
    /// Takes what Asterisk tells and puts it on the wire.
    pub fn listen(&mut self) {
        for event in self.asterisk.take_events() {
            if !self.hearing || event.translated().is_none() {
                continue;
            }
            let mut delay = self.dice.between(200, 2 * MILLI);
            if self.chance(self.options.delayed) {
                delay += self.dice.between(0, 300 * MILLI);
            }
            let id = event.channel.as_ref().map_or_else(String::new, |channel| channel.id.clone());
            let last = self.last_event.entry(id.clone()).or_default();
            let mut at = (self.now + delay).max(*last);
            *last = at;
            if event.kind == Kind::Dial("") && self.dice.permille(50) {
                // The real one has told of the ringing before the beginning.
                at += self.dice.between(0, 6 * MILLI);
            }
            let socket = self.socket;
            let call = id.parse().ok().and_then(|id: ChannelId| id.owner());
            if delay > 2 * MILLI {
                self.fault("event delayed", call);
            }
            if self.chance(self.options.doubled) {
                self.fault("event doubled", call);
                let again = at + self.dice.between(0, 20 * MILLI);
                self.at(again, Next::Event { socket, event: Box::new(event.clone()) });
            }
            self.at(at, Next::Event { socket, event: Box::new(event) });
        }
    }

    pub fn event(&mut self, socket: u32, event: &Event) {
        if socket != self.socket || !self.hearing {
            return;
        }
        match event.translated() {
            Some(Translated::Input(input)) => self.step(input),
            Some(Translated::AgentDialled { channel, name, raw, at }) => {
                let call = self.fresh_call();
                let plan = self.channels.iter().position(|known| known.as_deref() == Some(channel.as_str()));
                if let Some(plan) = plan
                    && self.calls[plan].is_none()
                {
                    self.calls[plan] = Some(call);
                }
                let dialled = Dialled { raw, emergency: false, call_back: None, campaign: None };
                self.step(Input::AgentDialled { call, channel, name, dialled, at });
            }
            Some(_) | None => {}
        }
    }

    pub fn fresh_call(&mut self) -> CallId {
        self.ordinal += 1;
        CallId(Uuid::from_u128((u128::from(self.options.seed) << 64) | u128::from(self.ordinal)))
    }

    pub fn arrive(&mut self, index: usize) {
        let plan = self.plans[index].clone();
        if !plan.by_api {
            if self.boots {
                return; // its INVITE is answered by nobody
            }
            let channel = self.asterisk.phone_dials(&plan.endpoint, &plan.customer_number);
            self.channels[index] = Some(channel);
            return;
        }
        if self.engine.is_none() {
            return; // nobody answers the request
        }
        let call = self.fresh_call();
        self.calls[index] = Some(call);
        let dialled = Dialled { raw: plan.customer_number.clone(), emergency: false, call_back: None, campaign: None };
        let endpoint = plan.endpoint.parse().expect("an endpoint");
        self.step(Input::CallAsked { call, request: RequestId(index as u64), endpoint, dialled });
    }

    pub fn agent_leaves(&mut self, index: usize) {
        let by_api = self.plans[index].by_api;
        let ours = self.calls[index].filter(|_| by_api).map(|call| call.agent_channel(1).as_str().to_owned());
        let call = self.calls[index];
        let Some(channel) = ours.or_else(|| self.channels[index].clone()) else { return };
        if self.asterisk.channel(&channel).is_some() {
            self.fault("the agent leaves", call);
        }
        if by_api {
            self.asterisk.far_end_hangs_up(&channel);
        } else {
            self.asterisk.phone_hangs_up(&channel);
        }
    }
}
