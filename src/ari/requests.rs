//! The core's commands as requests.

use super::dial_string::{dial_string, digits};
use super::http::{AriClient, AriError, Request};
use super::leave::Purpose;
use crate::core::command::{ChannelSpec, Command, Target};
use crate::core::fact::Leg;
use crate::core::ids::{BridgeId, ChannelId};
use crate::core::input::Carried;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Map, Value, json};

/// The dialplan that ends the other leg with this one, even when no daemon lives.
const HANGUP_HANDLER: &str = "cordboard-hangup,s,1";
/// The channel variable that tells [`HANGUP_HANDLER`] the id of the other leg.
const PEER: &str = "CORDBOARD_PEER";
/// The same, if this leg was answered: before that the agent must first hear or see why.
const PEER_IF_UP: &str = "CORDBOARD_PEER_IF_UP";

impl AriClient {
    /// Carries out one command and says how it ended. Nothing is ever sent twice. What already is as the command wants it,
    /// is [`Carried::Done`]: the channel to create is there (its id is ours), the thing to end is gone.
    ///
    /// The three commands that are not for Asterisk (`Admit`, `Enter`, `Reply`) and `Probe`, whose answer is more than
    /// that, are refused with 501 and sent nowhere; for the last there is [`AriClient::probe`].
    ///
    /// Do not drop the future halfway: the request may have left.
    pub async fn carry_out(&self, command: &Command) -> Carried {
        match command {
            Command::CreateBridge { bridge } => self.create_bridge(bridge).await,
            Command::CreateChannel(spec) => self.create_channel(spec).await,
            Command::AddToBridge { bridge, channels } => {
                let channels = channels.iter().map(ChannelId::as_str).collect::<Vec<_>>().join(",");
                // Without the second parameter the agent's name and number go to the carrier.
                let query = [("channel", channels.as_str()), ("inhibitConnectedLineUpdates", "true")];
                done(self.post(Purpose::Act, &["bridges", bridge.as_str(), "addChannel"], &query, None).await, &[])
            }
            Command::Dial { channel, timeout_s } => {
                // Never with `caller`: it would overwrite the presented number with the agent's.
                let path = ["channels", channel.as_str(), "dial"];
                let timeout = timeout_s.map(|s| s.to_string());
                let query = timeout.as_deref().map(|s| ("timeout", s));
                // Without a time-out it is an emergency.
                let purpose = if timeout.is_some() { Purpose::Ring } else { Purpose::Act };
                done(self.post(purpose, &path, query.as_slice(), None).await, &[])
            }
            Command::Play { channel, prompt } => {
                let media = format!("sound:cordboard/{prompt}");
                done(
                    self.post(Purpose::Act, &["channels", channel.as_str(), "play"], &[("media", &media)], None).await,
                    &[],
                )
            }
            Command::HangUp { channel, cause } => {
                let code = cause.0.to_string();
                done(self.delete(&["channels", channel.as_str()], &[("reason_code", &code)]).await, &[404])
            }
            Command::DestroyBridge { bridge } => {
                // 409: somebody else is just removing it.
                done(self.delete(&["bridges", bridge.as_str()], &[]).await, &[404, 409])
            }
            Command::Admit { .. } | Command::Enter { .. } | Command::Probe { .. } | Command::Reply { .. } => {
                Carried::Refused { status: 501 }
            }
        }
    }

    async fn create_bridge(&self, bridge: &BridgeId) -> Carried {
        let name = bridge.owner().map_or_else(|| "call".to_owned(), |call| format!("call:{call}"));
        let query = [("bridgeId", bridge.as_str()), ("type", "mixing"), ("name", name.as_str())];
        done(self.post(Purpose::Act, &["bridges"], &query, None).await, &[409])
    }

    async fn create_channel(&self, spec: &ChannelSpec) -> Carried {
        if spec.present.is_none() && matches!(spec.target, Target::Number { .. }) {
            // Asterisk would call as "anonymous". The core never asks for that.
            return Carried::Refused { status: 400 };
        }
        let body = create_body(spec, self.app());
        done(self.post(Purpose::Act, &["channels", "create"], &[], Some(body)).await, &[409])
    }

    async fn post(
        &self,
        purpose: Purpose,
        path: &[&str],
        query: &[(&'static str, &str)],
        body: Option<Value>,
    ) -> Result<Bytes, AriError> {
        self.send(Request { method: Method::POST, purpose, path, query, body }).await
    }

    pub(super) async fn delete(&self, path: &[&str], query: &[(&'static str, &str)]) -> Result<Bytes, AriError> {
        self.send(Request { method: Method::DELETE, purpose: Purpose::Act, path, query, body: None }).await
    }
}

/// The end of a request for which some refusals mean that the world is already as wanted.
pub(super) fn done(answer: Result<Bytes, AriError>, also: &[u16]) -> Carried {
    match answer.map(drop) {
        Ok(()) => Carried::Done,
        Err(AriError::Refused { status }) if also.contains(&status) => Carried::Done,
        Err(error) => error.into(),
    }
}

/// The variable that names a leg's peer. A customer's leg that was never answered does not take the agent's with it.
fn rule(channel: &ChannelId) -> &'static str {
    match channel.leg() {
        Some(Leg::Customer) => PEER_IF_UP,
        Some(Leg::Agent) | None => PEER,
    }
}

/// The body of `POST /channels/create`. In the body, not in the URL, because of the numbers.
fn create_body(spec: &ChannelSpec, app: &str) -> Value {
    let mut body = Map::new();
    body.insert("endpoint".into(), dial_string(&spec.target).into());
    body.insert("app".into(), app.into());
    let leg = match spec.channel.leg() {
        Some(Leg::Agent) => "agent",
        Some(Leg::Customer) | None => "customer",
    };
    body.insert("appArgs".into(), leg.into());
    body.insert("channelId".into(), spec.channel.as_str().into());
    if let Some(originator) = &spec.originator {
        body.insert("originator".into(), originator.as_str().into());
    }
    body.insert("variables".into(), Value::Object(variables(spec)));
    Value::Object(body)
}

/// What the channel is born with. Only checked types and constants: a line break in a header variable would be a header.
fn variables(spec: &ChannelSpec) -> Map<String, Value> {
    let mut variables = Map::new();
    let plus = match &spec.target {
        Target::Number { plus, .. } => *plus,
        Target::Emergency { .. } | Target::Agent { .. } => true,
    };
    // A channel calls with the number of its connected line; its own caller id means nothing.
    if let Some(present) = &spec.present {
        variables.insert("CONNECTEDLINE(num,i)".into(), digits(&present.to_string(), plus).into());
    }
    if let Some(seconds) = spec.max_call_s {
        variables.insert("TIMEOUT(absolute)".into(), seconds.to_string().into());
    }
    variables.insert("CHANNEL(hangup_handler_push)".into(), HANGUP_HANDLER.into());
    if let Some(peer) = &spec.peer {
        variables.insert(rule(&spec.channel).into(), peer.as_str().into());
    }
    // A leg that we made was born with its peer. The agent's phone's own leg gets it with the customer's channel: whoever
    // dials that channel has a safety net on both.
    if let (Some(agent), Some(Leg::Customer)) = (&spec.originator, spec.channel.leg())
        && agent.owner().is_none()
    {
        variables.insert(format!("SHARED({PEER},{agent})"), spec.channel.as_str().into());
    }
    if let Target::Agent { auto_answer: true, .. } = spec.target {
        // Two dialects: most phones understand at least one.
        variables.insert("PJSIP_HEADER(add,Call-Info)".into(), json!("<sip:cordboard>;answer-after=0"));
        variables.insert("PJSIP_HEADER(add,Alert-Info)".into(), json!("<http://cordboard>;info=alert-autoanswer"));
    }
    variables
}

#[cfg(test)]
mod tests;
