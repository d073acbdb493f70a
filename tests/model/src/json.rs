//! Asterisk's JSON, with the fields that it has and in the forms that it has them.

use crate::asterisk::{Asterisk, Micros, timestamp};
use crate::channel::{Channel, InApp};
use crate::event::{Event, Kind};
use crate::requests::{Body, Reply};
use serde_json::{Map, Value, json};

fn time(at: Micros) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

fn channel(channel: &Channel) -> Value {
    let (app_name, app_data) =
        if channel.in_app == InApp::Yes { ("Stasis", channel.app_data()) } else { ("", String::new()) };
    json!({
        "id": channel.id, "name": channel.name, "state": channel.state.as_str(), "protocol_id": "model",
        "caller": { "name": "", "number": "" },
        "connected": { "name": "", "number": channel.variable("CONNECTEDLINE(num,i)") },
        "accountcode": "",
        "dialplan": {
            "context": if channel.incoming { "cordboard-agents" } else { "cordboard-trunk" },
            "exten": channel.exten, "priority": 1, "app_name": app_name, "app_data": app_data,
        },
        "creationtime": time(channel.created), "language": "en",
    })
}

impl Event {
    /// The message.
    pub fn json(&self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("type", self.kind.name().into());
        put("timestamp", time(self.at).into());
        put("application", "cordboard".into());
        put("asterisk_id", "02:00:00:00:00:01".into());
        let subject = self.channel.as_deref().map(channel);
        match &self.kind {
            Kind::StasisStart => {
                put("args", self.channel.as_ref().map_or_else(Vec::new, |channel| channel.args.clone()).into());
            }
            Kind::Dial(status) => {
                for (name, value) in [("dialstatus", *status), ("forward", ""), ("dialstring", "")] {
                    put(name, value.into());
                }
                put("peer", subject.unwrap_or_default());
                return Value::Object(body);
            }
            Kind::HangupRequest { cause, tech_cause, soft } => {
                if let Some(cause) = cause {
                    put("cause", (*cause).into());
                }
                if let Some(status) = tech_cause {
                    put("tech_cause", (*status).into());
                }
                if *soft {
                    put("soft", true.into());
                }
            }
            Kind::Destroyed { cause, tech_cause } => {
                put("cause", (*cause).into());
                put("cause_txt", "Unknown".into());
                if let Some(status) = tech_cause {
                    put("tech_cause", (*status).into());
                }
            }
            Kind::EnteredBridge(id) | Kind::LeftBridge(id) => {
                put("bridge", json!({ "id": id }));
            }
            Kind::PlaybackFinished => {
                let target =
                    self.channel.as_ref().map_or_else(String::new, |channel| format!("channel:{}", channel.id));
                put("playback", json!({ "id": "model", "target_uri": target, "state": "done", "language": "en" }));
                return Value::Object(body);
            }
            Kind::Userevent(name) => {
                put("eventname", name.as_str().into());
                put("userevent", json!({}));
            }
            Kind::StasisEnd | Kind::StateChange | Kind::Replaced => {}
        }
        if let Some(subject) = subject {
            put("channel", subject);
        }
        Value::Object(body)
    }
}

impl Asterisk {
    /// The body of an answer.
    pub(crate) fn json(&self, reply: &Reply) -> Value {
        match &reply.body {
            Body::None if reply.status == 500 => json!({ "error": "Allocation failed" }),
            Body::None if reply.status >= 400 => json!({ "message": "refused" }),
            Body::None => json!({}),
            Body::Channel(found) => channel(found),
            Body::Channels(all) => all.iter().map(channel).collect(),
            Body::Bridges(all) => all.iter().map(|id| json!({ "id": id })).collect(),
            Body::Info => json!({
                "system": { "version": "22.10.1", "entity_id": "02:00:00:00:00:01" },
                "status": { "startup_time": time(self.started_at), "last_reload_time": time(self.started_at) },
            }),
            Body::Application => {
                let channels: Vec<&str> =
                    self.channels.values().filter(|channel| channel.subscribed).map(|channel| &*channel.id).collect();
                let disallowed: Vec<Value> = self.disallowed.iter().map(|kind| json!({ "type": kind })).collect();
                json!({
                    "name": "cordboard", "channel_ids": channels, "bridge_ids": [], "endpoint_ids": [],
                    "device_names": [], "events_allowed": [], "events_disallowed": disallowed,
                })
            }
        }
    }
}
