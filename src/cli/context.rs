//! What every command needs: the settings, the database, and things by their names.

use super::failure::{CONFIG, Failure, Outcome, UNAVAILABLE};
use crate::config::{self, Config, ConfigErrors, Loaded};
use crate::core::ids::EndpointName;
use crate::store::agents::AgentRow;
use crate::store::organizations::Organization;
use crate::store::{Actor, Store, StoreError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An address that swallows packets must not hang a terminal.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many names are listed when one was not found.
const NAMES: usize = 8;

/// What every command needs.
pub struct Context {
    path: PathBuf,
    /// Print JSON.
    pub json: bool,
}

impl Context {
    pub fn new(path: PathBuf, json: bool) -> Self {
        Self { path, json }
    }

    /// The file of the settings.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings. All that is wrong with them is told.
    pub fn config(&self) -> Outcome<Config> {
        self.loaded().map(|(loaded, _)| loaded.config)
    }

    /// The settings with their warnings, and whether the password of Asterisk's HTTP server is among them.
    pub fn loaded(&self) -> Outcome<(Loaded, bool)> {
        let errors = match config::load(&self.path) {
            Ok(loaded) => return Ok((loaded, true)),
            Err(errors) => errors,
        };
        if let Some(loaded) = self.without_asterisk(&errors) {
            return Ok((loaded, false));
        }
        eprintln!("{errors}");
        Err(Failure::silent(CONFIG))
    }

    /// The password of Asterisk's HTTP server may be a credential that systemd gives to the daemon alone. No command needs
    /// it, so none fails without it.
    fn without_asterisk(&self, errors: &ConfigErrors) -> Option<Loaded> {
        let is_password = |key: &str| key.starts_with("node[0].password");
        errors.notices().iter().all(|notice| notice.key().is_some_and(is_password)).then_some(())?;
        let text = std::fs::read_to_string(&self.path).ok()?;
        let own =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let own = own
            .filter(|(name, _)| name.starts_with("CORDBOARD__") && !name.starts_with("CORDBOARD__NODE__0__PASSWORD"));
        let stand_in = ("CORDBOARD__NODE__0__PASSWORD".to_owned(), "not known to this command".to_owned());
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
        config::load_from(&text, own.chain([stand_in]), credentials.as_deref().map(Path::new)).ok()
    }

    /// The database, which answers and whose tables are up to date.
    pub async fn store(&self) -> Outcome<Store> {
        self.store_of(&self.config()?).await
    }

    /// The database of settings that were read already.
    pub async fn store_of(&self, config: &Config) -> Outcome<Store> {
        let store = Self::unchecked_store(config)?;
        let pending = in_time(store.pending_migrations()).await?;
        if !pending.is_empty() {
            return Err(Failure::new(format!("the database lacks {}; run `cordboard migrate`", pending.join(", "))));
        }
        Ok(store)
    }

    /// The database as it is.
    pub fn unchecked_store(config: &Config) -> Outcome<Store> {
        let store = Store::connect(&config.postgres.url, 2, config.postgres.acquire_timeout)?;
        // Who it is at this machine; sudo keeps the name of who called it.
        let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        Ok(store.in_the_name_of(Actor::cli(name.as_deref().unwrap_or("unknown"))))
    }
}

/// What the database answers, unless it does not.
pub async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Outcome<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::with_code(
            UNAVAILABLE,
            "the database does not answer; check that Postgres runs, and the key postgres.url",
        )),
    }
}

/// The organization of that name.
pub async fn organization(store: &Store, slug: &str) -> Outcome<Organization> {
    match store.organization(slug).await {
        Err(StoreError::NotFound { .. }) => {
            let known = store.organizations().await?;
            let add = format!(
                "cordboard organizations add {} --name … --country US --time-zone America/New_York",
                word(slug)
            );
            let names = known.iter().map(|organization| organization.slug.as_str());
            Err(unknown("organization", slug, names, &add))
        }
        answer => Ok(answer?),
    }
}

/// The organization of that name, if one was named.
pub async fn maybe_organization(store: &Store, slug: Option<&str>) -> Outcome<Option<Organization>> {
    match slug {
        Some(slug) => organization(store, slug).await.map(Some),
        None => Ok(None),
    }
}

/// The agent with that phone.
pub async fn agent(store: &Store, endpoint: &EndpointName) -> Outcome<AgentRow> {
    match store.agent(endpoint, None).await {
        Err(StoreError::NotFound { .. }) => {
            let known = store.agents(None).await?;
            let add = format!("cordboard agents add ORGANIZATION NAME --endpoint {endpoint}");
            Err(unknown("agent", endpoint.as_ref(), known.iter().map(|agent| agent.endpoint.as_ref()), &add))
        }
        answer => Ok(answer?),
    }
}

/// Nothing has that name; these are there.
pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>, add: &str) -> Failure {
    let mut known: Vec<&str> = known.take(NAMES + 1).collect();
    if known.is_empty() {
        return Failure::new(format!("there is no {what} {name}, nor any other; add it: {add}"));
    }
    if known.len() > NAMES {
        known[NAMES] = "…";
    }
    Failure::new(format!("there is no {what} {name}, only {}; add it: {add}", known.join(", ")))
}

/// A word as it must be written in a shell.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-_.,:/@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
