//! What can be asked of Asterisk, and the requests that are no commands of the core.

use super::http::{AriClient, AriError, Request};
use super::leave::Purpose;
use super::requests::done;
use super::wire::{State, UNWANTED, timestamp};
use crate::core::ids::{BridgeId, ChannelId};
use crate::core::input::{Carried, ListedChannel, ListedState};
use hyper::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

/// Who the Asterisk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// As in `22.10.1`. See [`is_vulnerable`](super::is_vulnerable).
    pub version: String,
    /// Changes when it restarts; then every channel of before is gone.
    pub startup_time: Timestamp,
    /// Its `entityid`, which must differ between nodes.
    pub entity: String,
}

/// One channel of a listing.
#[derive(Clone, PartialEq)]
pub struct ChannelRow {
    /// What the core wants to know.
    pub listed: ListedChannel,
    /// It is in our application. Not yet so between its making and its `StasisStart`.
    pub in_app: bool,
    /// The dialled string, for the channel of an agent who dialled.
    pub exten: String,
    /// When Asterisk made it.
    pub created_at: Timestamp,
}

/// One bridge of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct BridgeRow {
    /// Its id.
    pub id: BridgeId,
    /// The channels in it.
    pub channels: Vec<ChannelId>,
}

/// Without the dialled string.
impl std::fmt::Debug for ChannelRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelRow")
            .field("listed", &self.listed)
            .field("in_app", &self.in_app)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// What Asterisk knows of our application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ApplicationInfo {
    /// The channels whose events we get.
    pub channel_ids: Vec<String>,
    /// The bridges whose events we get.
    pub bridge_ids: Vec<String>,
    /// The filter that is set.
    #[serde(default)]
    pub events_disallowed: Vec<FilteredEvent>,
}

impl ApplicationInfo {
    /// The last sign of life of whoever has it, or had it.
    pub(super) fn beat(self) -> Option<String> {
        let mut names = self.events_disallowed.into_iter().map(|event| event.kind);
        names.rfind(|name| !UNWANTED.contains(&name.as_str()))
    }
}

/// One line of the event filter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FilteredEvent {
    /// The event that is not sent.
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Deserialize)]
struct WireInfo {
    system: WireSystem,
    status: WireStatus,
}

#[derive(Deserialize)]
struct WireSystem {
    version: String,
    entity_id: String,
}

#[derive(Deserialize)]
struct WireStatus {
    #[serde(deserialize_with = "timestamp")]
    startup_time: Timestamp,
}

#[derive(Deserialize)]
struct WireChannel {
    id: String,
    name: String,
    state: State,
    dialplan: WireDialplan,
    #[serde(deserialize_with = "timestamp")]
    creationtime: Timestamp,
}

#[derive(Deserialize)]
struct WireDialplan {
    exten: String,
    app_name: String,
    app_data: String,
}

#[derive(Deserialize)]
struct WireState {
    state: State,
}

#[derive(Deserialize)]
struct WireBridge {
    id: String,
    #[serde(default)]
    channels: Vec<String>,
}

impl From<State> for ListedState {
    fn from(state: State) -> Self {
        match state {
            State::Down | State::Reserved => Self::Down,
            State::Up => Self::Up,
            State::Ringing | State::Other => Self::Ringing,
        }
    }
}

impl AriClient {
    /// Version, start time and identity.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn info(&self) -> Result<NodeInfo, AriError> {
        let WireInfo { system, status } = self.get("the node", &["asterisk", "info"], &[]).await?;
        Ok(NodeInfo { version: system.version, startup_time: status.startup_time, entity: system.entity_id })
    }

    /// Whether the HTTP side answers. A deadlocked Asterisk still does; [`AriClient::list_channels`] then does not.
    ///
    /// # Errors
    /// No answer.
    pub async fn ping(&self) -> Result<(), AriError> {
        self.get::<IgnoredAny>("a ping", &["asterisk", "ping"], &[]).await.map(drop)
    }

    /// Every channel of the server, ours or not. Those whose id or name we could not give back to Asterisk are left out:
    /// they cannot be ours.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn list_channels(&self) -> Result<Vec<ChannelRow>, AriError> {
        let rows: Vec<WireChannel> = self.get("channels", &["channels"], &[]).await?;
        Ok(rows.into_iter().filter_map(|row| self.row(row)).collect())
    }

    fn row(&self, row: WireChannel) -> Option<ChannelRow> {
        let (id, name) = (row.id.parse().ok()?, row.name.parse().ok()?);
        let app = row.dialplan.app_data.split(',').next();
        Some(ChannelRow {
            listed: ListedChannel { id, name, state: row.state.into(), bridge: None },
            in_app: row.dialplan.app_name == "Stasis" && app == Some(self.app()),
            exten: row.dialplan.exten,
            created_at: row.creationtime,
        })
    }

    /// Every bridge of the server, ours or not.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn list_bridges(&self) -> Result<Vec<BridgeId>, AriError> {
        Ok(self.list_bridged().await?.into_iter().map(|row| row.id).collect())
    }

    /// The same, with the channels in each.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn list_bridged(&self) -> Result<Vec<BridgeRow>, AriError> {
        let rows: Vec<WireBridge> = self.get("bridges", &["bridges"], &[]).await?;
        let row = |row: WireBridge| {
            let channels = row.channels.iter().filter_map(|id| id.parse().ok()).collect();
            Some(BridgeRow { id: row.id.parse().ok()?, channels })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// What Asterisk knows of our application; 404 while no socket holds it.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn application(&self) -> Result<ApplicationInfo, AriError> {
        self.get("our application", &["applications", self.app()], &[]).await
    }

    /// The state of one channel; [`ListedState::Gone`] for 404.
    ///
    /// [`ListedState::Down`] does not say that nothing was dialled: until the first 180 a dialled channel is `Down` too.
    ///
    /// # Errors
    /// No answer, as [`Carried`] so that it reads like the end of a command.
    pub async fn probe(&self, channel: &ChannelId) -> Result<ListedState, Carried> {
        match self.get::<WireState>("a channel", &["channels", channel.as_str()], &[]).await {
            Ok(found) => Ok(found.state.into()),
            Err(AriError::Refused { status: 404 }) => Ok(ListedState::Gone),
            Err(AriError::Unreadable { .. }) => Err(Carried::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for the events of a channel that merely entered our application, or its end would not be told. Not needed for
    /// the originator of a channel we made. 422 if it is gone.
    pub async fn subscribe_channel(&self, channel: &ChannelId) -> Carried {
        let source = format!("channel:{channel}");
        let path = ["applications", self.app(), "subscription"];
        let query = [("eventSource", source.as_str())];
        done(
            self.send(Request { method: Method::POST, purpose: Purpose::Act, path: &path, query: &query, body: None })
                .await,
            &[],
        )
    }

    /// Sends ourselves an event through Asterisk: it comes back as [`Canary`](super::Translated::Canary) if the event path
    /// lives. The name has 1 to 80 of A-Z a-z 0-9 _ -; others are ignored when they come back.
    pub async fn send_canary(&self, name: &str) -> Carried {
        let path = ["events", "user", name];
        let query = [("application", self.app())];
        done(
            self.send(Request {
                method: Method::POST,
                purpose: Purpose::Prove,
                path: &path,
                query: &query,
                body: None,
            })
            .await,
            &[],
        )
    }

    /// Asks Asterisk not to send what we do not need. Filters are lost with the application, so this follows every connect.
    /// With it goes a [sign of life](super::beat), if there is one.
    pub(super) async fn set_event_filter(&self, beat: Option<&str>) -> Result<(), AriError> {
        let unwanted: Vec<_> = UNWANTED.iter().copied().chain(beat).map(|kind| json!({ "type": kind })).collect();
        let path = ["applications", self.app(), "eventFilter"];
        let body = Some(json!({ "disallowed": unwanted }));
        self.send(Request { method: Method::PUT, purpose: Purpose::ConnectIfFree, path: &path, query: &[], body })
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ari::test_server::{Reaction, Server};

    const INFO: &str = r#"{"build":{"os":"Linux"},"system":{"version":"22.10.1+dfsg","entity_id":"02:00:00:00:00:01"},
        "config":{"name":"pbx1"},"status":{"startup_time":"2026-11-21T09:46:30.089+0000","last_reload_time":""}}"#;
    const CHANNELS: &str = r#"[
        {"id":"pbx1-1.46","name":"PJSIP/acme-ann-0000002e","state":"Ring","caller":{"number":"ann"},
         "dialplan":{"context":"cordboard-agents","exten":"12025550123","app_name":"Stasis","app_data":"cordboard,outbound"},
         "creationtime":"2026-11-21T09:51:08.231+0000"},
        {"id":"x y","name":"PJSIP/strange-01","state":"Up","dialplan":{"exten":"s","app_name":"","app_data":""},
         "creationtime":"2026-11-21T09:51:08.231+0000"},
        {"id":"pbx1-1.47","name":"PJSIP/carrier-0000002f","state":"Dialing",
         "dialplan":{"exten":"s","app_name":"Stasis","app_data":"cordboard-other"},
         "creationtime":"2026-11-21T09:51:09.000+0000"}]"#;

    #[tokio::test]
    async fn the_node_says_who_it_is() {
        let server = Server::start(|_| Reaction::Answer(200, INFO)).await;
        let startup_time = "2026-11-21T09:46:30.089Z".parse().expect("a time");
        let (version, entity) = ("22.10.1+dfsg".to_owned(), "02:00:00:00:00:01".to_owned());
        assert_eq!(server.client().info().await, Ok(NodeInfo { version, startup_time, entity }));
    }

    #[tokio::test]
    async fn a_listing_has_the_channels_that_could_be_ours_and_prints_no_number() {
        let server = Server::start(|_| Reaction::Answer(200, CHANNELS)).await;
        let rows = server.client().list_channels().await.expect("a listing");
        let told: Vec<_> = rows.iter().map(|r| (r.listed.id.as_str(), r.listed.state, r.in_app, &*r.exten)).collect();
        let agent = ("pbx1-1.46", ListedState::Ringing, true, "12025550123");
        assert_eq!(told, [agent, ("pbx1-1.47", ListedState::Ringing, false, "s")]);
        assert!(!format!("{rows:?}").contains("2025550123"));
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_an_error_that_repeats_nothing() {
        for body in ["", "<html>", r#"{"id":"12025550123"}"#, r#"[{"id":"12025550123"}]"#] {
            let server = Server::start(move |_| Reaction::Answer(200, body)).await;
            let error = server.client().list_channels().await.expect_err("no listing");
            assert_eq!(error, AriError::Unreadable { about: "channels" });
        }
    }

    #[tokio::test]
    async fn bridges_subscriptions_and_our_application_have_their_addresses() {
        let server = Server::start(|seen| match &*seen.line {
            "GET bridges" => Reaction::Answer(200, r#"[{"id":"a-b","technology":"x"},{"id":"a b"}]"#),
            "GET applications/cordboard" => Reaction::Answer(
                200,
                r#"{"name":"cordboard","channel_ids":["x.1"],"bridge_ids":[],"events_disallowed":[{"type":"Dial"}]}"#,
            ),
            "POST applications/cordboard/subscription?eventSource=channel%3Ax.1" => Reaction::Answer(422, ""),
            "POST events/user/canary-1?application=cordboard" => Reaction::Answer(204, ""),
            _ => Reaction::Close,
        })
        .await;
        let client = server.client();
        assert_eq!(client.list_bridges().await, Ok(vec!["a-b".parse().expect("an id")]));
        let application = client.application().await.expect("our application");
        assert_eq!(application.channel_ids, ["x.1"]);
        assert_eq!(application.events_disallowed, [FilteredEvent { kind: "Dial".to_owned() }]);
        let channel = "x.1".parse().expect("an id");
        assert_eq!(client.subscribe_channel(&channel).await, Carried::Refused { status: 422 });
        assert_eq!(client.send_canary("canary-1").await, Carried::Done);
    }
}
