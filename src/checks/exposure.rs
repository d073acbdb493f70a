//! Whether ARI can be reached by those who have no business there. Tried from outside of the loopback, without a password.

use super::finding::Finding;
use super::reach::{self, Reached};
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

const CHECK: &str = "ari_exposure";
const ADVICE: &str = "bind it to 127.0.0.1 in local/http.conf, or let only the daemon's host in by [/ari] there";

/// Looks at the address in the settings, and tries this machine's others if that is the loopback.
pub async fn exposure(url: &Url) -> Finding {
    let Some(port) = url.port_or_known_default() else { return Finding::ok(CHECK, "no port to look at") };
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> =
        if host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse().ok() };
    match address {
        Some(address) if !address.is_loopback() && is_public(address) => {
            Finding::warning(CHECK, format!("{address} is an address of the Internet"), ADVICE)
        }
        Some(address) if address.is_loopback() => from_outside(port, &own_addresses()).await,
        Some(_) | None => Finding::ok(CHECK, "on another host; its http.conf and firewall decide who gets in"),
    }
}

async fn from_outside(port: u16, addresses: &[IpAddr]) -> Finding {
    let attempts = addresses.iter().map(async |ip| {
        let address = SocketAddr::new(*ip, port);
        match reach::get(address, "/ari/asterisk/ping").await {
            // The list of [/ari] in http.conf answers 403 before anybody is asked for a password.
            Reached::Nobody | Reached::Answer { status: 403 | 404, .. } => None,
            Reached::Somebody | Reached::Answer { .. } => Some(address.to_string()),
        }
    });
    let open: Vec<String> = futures::future::join_all(attempts).await.into_iter().flatten().collect();
    if open.is_empty() {
        let tried = match addresses.len() {
            0 => "loopback only: this machine has no other address".to_owned(),
            n => format!("closed at {n} other addresses of this machine"),
        };
        return Finding::ok(CHECK, tried);
    }
    let found = format!("answers at {}, where only a password keeps others out", open.join(" and "));
    Finding::warning(CHECK, found, ADVICE)
}

/// The addresses by which this machine would leave for the Internet. Connecting a UDP socket sends nothing.
fn own_addresses() -> Vec<IpAddr> {
    let ways: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(198, 51, 100, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    let leave = |(from, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    ways.into_iter().filter_map(leave).filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).collect()
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private() || ip.is_link_local() || ip.is_loopback() || ip.is_documentation() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Level;

    #[tokio::test]
    async fn an_address_of_the_internet_is_told_and_a_private_one_is_not() {
        for (url, level) in [
            ("http://203.0.114.7:8088/", Level::Warning),
            ("https://[2a00:1450::1]:8089/", Level::Warning),
            ("http://10.0.0.5:8088/", Level::Ok),
            ("http://100.64.0.5:8088/", Level::Ok),
            ("https://[fd00::5]:8089/", Level::Ok),
            ("https://pbx.example/", Level::Ok),
        ] {
            assert_eq!(exposure(&url.parse().expect("a URL")).await.level, level, "{url}");
        }
    }
}
