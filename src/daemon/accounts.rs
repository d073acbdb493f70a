//! The SIP accounts of agents: an agent who is added can register at once, one who is removed cannot any more. Asterisk
//! keeps them over its own restarts; nothing is edited and nothing is reloaded.

use crate::ari::{AccountKind, AriClient, NodeInfo, SipAccount};
use crate::core::ids::{EndpointName, NodeName};
use crate::core::input::Carried;
use crate::store::Store;
use crate::store::agents::{DirectoryEntry, PhoneKind};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// Who is who, as the database has it.
pub(super) type Agents = Vec<DirectoryEntry>;

/// The loop's end.
pub(super) struct Accounts {
    poke: Poke,
    agents: mpsc::UnboundedReceiver<Agents>,
}

/// Wakes the task that pushes accounts.
#[derive(Clone, Debug)]
pub(super) struct Poke(mpsc::UnboundedSender<NodeInfo>);

impl Poke {
    /// The node answered. If it is another than before, or restarted, everything is pushed again.
    pub fn node_seen(&self, node: NodeInfo) {
        let _ = self.0.send(node);
    }
}

/// After a push that failed.
const AGAIN: Duration = Duration::from_secs(5);

impl Accounts {
    pub fn spawn(store: Store, client: AriClient, name: NodeName, url: String) -> Self {
        let (poke, nodes) = mpsc::unbounded_channel();
        let (told, agents) = mpsc::unbounded_channel();
        let worker =
            Worker { store, client, name, url, told, node_started_at: None, unstored: None, pushed: BTreeMap::new() };
        tokio::spawn(worker.run(nodes));
        Self { poke: Poke(poke), agents }
    }

    pub fn poke(&self) -> Poke {
        self.poke.clone()
    }

    /// The agents, each time they changed.
    pub async fn changed(&mut self) -> Option<Agents> {
        self.agents.recv().await
    }
}

struct Worker {
    store: Store,
    client: AriClient,
    name: NodeName,
    url: String,
    told: mpsc::UnboundedSender<Agents>,
    node_started_at: Option<Timestamp>,
    /// The node, as long as the database does not know of its start.
    unstored: Option<NodeInfo>,
    /// What Asterisk has from us, so that only what changed is pushed.
    pushed: BTreeMap<EndpointName, String>,
}

impl Worker {
    async fn run(mut self, mut nodes: mpsc::UnboundedReceiver<NodeInfo>) {
        let mut changes = self.store.agent_changes();
        let mut behind = false;
        loop {
            tokio::select! {
                node = nodes.recv() => match node {
                    Some(node) if self.node_started_at == Some(node.startup_time) => continue,
                    Some(node) => self.new_node(node),
                    None => return,
                },
                _ = changes.next() => self.tell_agents().await,
                () = tokio::time::sleep(AGAIN), if behind => {}
            }
            self.store_start().await;
            behind = self.unstored.is_some() || self.node_started_at.is_some() && !self.push().await;
            if let Err(error) = self.remember().await {
                tracing::warn!(node = %self.name, %error, "the agents' numbers could not be read ahead");
            }
        }
    }

    /// Lets the store know the agents before they call, one after the other. Those it knows already cost nothing.
    async fn remember(&self) -> Result<(), crate::store::StoreError> {
        for agent in self.store.directory().await? {
            self.store.remember(&agent.endpoint).await?;
        }
        Ok(())
    }

    fn new_node(&mut self, node: NodeInfo) {
        let started = node.startup_time;
        tracing::info!(node = %self.name, version = node.version, %started, "connected with asterisk");
        self.node_started_at = Some(started);
        self.unstored = Some(node);
        self.pushed.clear();
    }

    async fn store_start(&mut self) {
        let Some(node) = self.unstored.take() else { return };
        if let Err(error) = self.store.node_seen(&self.name, &self.url, &node.version, node.startup_time).await {
            tracing::warn!(node = %self.name, %error, "the node's start could not be stored");
            self.unstored = Some(node);
        }
    }

    async fn tell_agents(&self) {
        match self.store.directory().await {
            Ok(agents) => {
                let _ = self.told.send(agents);
            }
            Err(error) => tracing::warn!(%error, "the agents could not be read"),
        }
    }

    /// True if Asterisk has now what the database has.
    async fn push(&mut self) -> bool {
        match self.try_push().await {
            Ok(complete) => complete,
            Err(error) => {
                tracing::warn!(%error, "the SIP accounts could not be read");
                false
            }
        }
    }

    async fn try_push(&mut self) -> Result<bool, crate::store::StoreError> {
        let mut complete = true;
        for endpoint in self.store.gone_sip_accounts(&self.name).await? {
            if self.client.delete_sip_account(&endpoint).await == Carried::Done {
                self.pushed.remove(&endpoint);
                self.store.forget_gone(&endpoint, &self.name).await?;
                tracing::info!(%endpoint, "SIP account removed");
            } else {
                complete = false;
            }
        }
        for account in self.store.sip_accounts().await? {
            let kind = match account.phone_kind {
                PhoneKind::Phone => AccountKind::Phone,
                PhoneKind::Browser => AccountKind::Browser,
            };
            let endpoint = account.endpoint;
            let fingerprint = format!("{kind:?} {}", account.ha1.expose_secret());
            if self.pushed.get(&endpoint) == Some(&fingerprint) {
                continue;
            }
            let (username, ha1) = (endpoint.clone(), account.ha1);
            let account = SipAccount { endpoint: endpoint.clone(), username, ha1, kind };
            if matches!(self.client.has_sip_account(&account).await, Ok(true)) {
                self.pushed.insert(endpoint, fingerprint);
            } else if self.client.put_sip_account(&account).await == Carried::Done {
                tracing::info!(%endpoint, "SIP account pushed");
                self.pushed.insert(endpoint, fingerprint);
            } else {
                complete = false;
                tracing::warn!(%endpoint, "SIP account could not be pushed");
            }
        }
        Ok(complete)
    }
}
