//! `[http]`: the interface for people and programs.

use std::net::SocketAddr;

use serde::Deserialize;

use super::report::{Given, Report};
use super::{Reported, changed};

/// Where the daemon listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// The address of the API and the web pages.
    pub listen: SocketAddr,
    /// Whether a proxy that ends TLS stands in front.
    pub behind_proxy: bool,
    /// The address of `/metrics`, when it shall be apart from the API's.
    pub metrics_listen: Option<SocketAddr>,
    /// A larger request body is refused, in bytes.
    pub max_body_bytes: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    listen: Option<Given<String>>,
    behind_proxy: Option<Given<bool>>,
    metrics_listen: Option<Given<String>>,
    max_body_bytes: Option<Given<u64>>,
}

impl Http {
    pub(super) fn check(raw: RawHttp, report: &mut Report) -> Result<Self, Reported> {
        let default = SocketAddr::from(([127, 0, 0, 1], 8080));
        let listen = address("http.listen", raw.listen, report).map(|a| a.unwrap_or(default));
        let metrics_listen = address("http.metrics_listen", raw.metrics_listen, report);
        let behind_proxy = report.value("http.behind_proxy", raw.behind_proxy);
        let behind_proxy = behind_proxy.map(Option::unwrap_or_default);
        let max_body_bytes = (1024..=16 * 1024 * 1024, 64 * 1024);
        let max_body_bytes =
            report.number("http.max_body_bytes", raw.max_body_bytes, max_body_bytes.1, &max_body_bytes.0);
        let http = Self {
            listen: listen?,
            behind_proxy: behind_proxy?,
            metrics_listen: metrics_listen?,
            max_body_bytes: max_body_bytes?,
        };
        http.cross_check(report)?;
        Ok(http)
    }

    pub(super) fn restart_keys(&self, new: &Self) -> Vec<&'static str> {
        let Self { listen, behind_proxy: _, metrics_listen, max_body_bytes } = self;
        changed([
            ("http.listen", *listen != new.listen),
            ("http.metrics_listen", *metrics_listen != new.metrics_listen),
            ("http.max_body_bytes", *max_body_bytes != new.max_body_bytes),
        ])
    }

    fn cross_check(&self, report: &mut Report) -> Result<(), Reported> {
        if !self.listen.ip().is_loopback() && !self.behind_proxy {
            let message = format!(
                "{} can be reached from other machines without TLS; put a proxy with TLS in front and set \
                 http.behind_proxy = true, or listen on 127.0.0.1",
                self.listen
            );
            report.warn("http.listen", message);
        }
        let Some(metrics) = self.metrics_listen else {
            return Ok(());
        };
        if !metrics.ip().is_loopback() {
            report.warn("http.metrics_listen", format!("{metrics} shows the metrics to other machines, unasked"));
        }
        let same_port = metrics.port() == self.listen.port() && metrics.port() != 0;
        let any = metrics.ip().is_unspecified() || self.listen.ip().is_unspecified();
        if same_port && (any || metrics.ip() == self.listen.ip()) {
            let message = format!("{metrics} is taken by http.listen; use another port or leave it out");
            return Err(report.error("http.metrics_listen", message));
        }
        Ok(())
    }
}

fn address(key: &str, given: Option<Given<String>>, report: &mut Report) -> Result<Option<SocketAddr>, Reported> {
    let Some(text) = report.value(key, given)? else {
        return Ok(None);
    };
    let address = text.parse().map(Some);
    address.map_err(|_| report.error(key, format!("{text:?} is not an address with a port; write 127.0.0.1:8080")))
}
