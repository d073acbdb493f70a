//! Shows the settings in force.

use toml::{Table, Value};

use crate::core::settings::EmergencyRoute;

use super::{Calls, Carrier, Config, Http, Journal, Log, Node, Postgres, Shutdown, Webhooks};

/// Stands for a secret.
pub(super) const MASK: &str = "***";

pub(super) fn redacted_toml(config: &Config) -> String {
    let sections = [
        ("postgres", Value::Table(postgres(&config.postgres))),
        ("journal", Value::Table(journal(&config.journal))),
        ("node", Value::Array(config.nodes.iter().map(|one| Value::Table(node(one))).collect())),
        ("calls", Value::Table(calls(&config.calls))),
        ("http", Value::Table(http(&config.http))),
        ("webhooks", Value::Table(webhooks(&config.webhooks))),
        ("log", Value::Table(log(&config.log))),
        ("shutdown", Value::Table(shutdown(&config.shutdown))),
    ];
    let emergency = config.emergency.as_ref().map(emergency);
    let emergency = emergency.map(|table| ("emergency", Value::Table(table)));
    let one = |(name, value): (&str, Value)| Table::from_iter([(name.to_owned(), value)]).to_string();
    let carriers = config.carriers.iter().map(|one| Value::Table(carrier(one))).collect();
    let carriers = (!config.carriers.is_empty()).then_some(("carrier", Value::Array(carriers)));
    let texts: Vec<String> = sections.into_iter().chain(emergency).chain(carriers).map(one).collect();
    texts.join("\n")
}

fn postgres(postgres: &Postgres) -> Table {
    table([
        ("url", postgres.redacted_url().into()),
        ("max_connections", i64::from(postgres.max_connections).into()),
        ("acquire_timeout_ms", number(postgres.acquire_timeout.as_millis())),
        ("admission_timeout_ms", number(postgres.admission_timeout.as_millis())),
        ("migrate_at_start", postgres.migrate_at_start.into()),
    ])
}

fn journal(journal: &Journal) -> Table {
    let directory = journal.directory.display().to_string();
    table([("directory", directory.into()), ("max_mib", number(journal.max_bytes >> 20))])
}

fn node(node: &Node) -> Table {
    table([
        ("name", node.name.to_string().into()),
        ("url", node.url.as_str().into()),
        ("username", node.username.clone().into()),
        ("password", MASK.into()),
        ("app", node.app.clone().into()),
        ("max_http_connections", number(node.max_http_connections)),
        ("request_timeout_ms", number(node.request_timeout.as_millis())),
        ("weight", i64::from(node.weight).into()),
        ("allow_vulnerable_asterisk", node.allow_vulnerable_asterisk.into()),
        ("allow_live_dangerously", node.allow_live_dangerously.into()),
        ("allow_missing_safety_net", node.allow_missing_safety_net.into()),
    ])
}

fn calls(calls: &Calls) -> Table {
    let classes = calls.allow_classes.iter().map(|class| Value::from(class.to_string()));
    let prefixes = calls.extra_prefixes.iter().map(|extra| {
        Value::Table(table([
            ("prefix", extra.prefix.clone().into()),
            ("region", extra.region.to_string().into()),
            ("class", extra.class.to_string().into()),
        ]))
    });
    table([
        ("ring_timeout_s", number(calls.ring_timeout.as_secs())),
        ("agent_ring_timeout_s", number(calls.agent_ring_timeout.as_secs())),
        ("max_call_s", number(calls.max_call.as_secs())),
        ("allow_classes", Value::Array(classes.collect())),
        ("extra_prefixes", Value::Array(prefixes.collect())),
        ("auto_answer_header", calls.auto_answer_header.into()),
    ])
}

fn emergency(emergency: &EmergencyRoute) -> Table {
    table([("trunk", emergency.trunk.to_string().into()), ("caller_id", emergency.caller_id.to_string().into())])
}

fn carrier(carrier: &Carrier) -> Table {
    let mut out = table([
        ("name", carrier.name.clone().into()),
        ("kind", carrier.kind.as_str().into()),
        ("url", carrier.url.as_str().into()),
        ("page_size", i64::from(carrier.page_size).into()),
    ]);
    let trunk = carrier.trunk.as_ref().map(ToString::to_string);
    let secret = carrier.secret.as_ref().map(|_| MASK.to_owned());
    for (name, value) in [
        ("account", carrier.account.clone()),
        ("username", carrier.username.clone()),
        ("secret", secret),
        ("organization", carrier.organization.clone()),
        ("trunk", trunk),
    ] {
        if let Some(value) = value {
            out.insert(name.to_owned(), value.into());
        }
    }
    out
}

fn http(http: &Http) -> Table {
    let mut out = table([
        ("listen", http.listen.to_string().into()),
        ("behind_proxy", http.behind_proxy.into()),
        ("max_body_bytes", number(http.max_body_bytes)),
    ]);
    if let Some(address) = http.metrics_listen {
        out.insert("metrics_listen".to_owned(), address.to_string().into());
    }
    out
}

fn webhooks(webhooks: &Webhooks) -> Table {
    let networks = webhooks.private_networks.iter().map(|network| Value::from(network.to_string()));
    table([("private_networks", Value::Array(networks.collect()))])
}

fn log(log: &Log) -> Table {
    table([("format", log.format.as_str().into()), ("level", log.level.clone().into())])
}

fn shutdown(shutdown: &Shutdown) -> Table {
    table([("drain_timeout_s", number(shutdown.drain_timeout.as_secs()))])
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Every number here has passed a bound far below 2⁶³.
fn number<N: TryInto<i64>>(n: N) -> Value {
    Value::Integer(n.try_into().unwrap_or(i64::MAX))
}
