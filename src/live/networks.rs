//! To which addresses nothing is sent, whoever asks for it: a webhook must not reach what only this machine can reach.

use reqwest::Url;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A private network that the operator lets webhooks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(ipnet::IpNet);

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address and a length, such as 10.1.2.0/24")]
pub struct UnknownNetwork;

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        let network: ipnet::IpNet = text.parse().map_err(|_| UnknownNetwork)?;
        Ok(Self(network.trunc()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where webhooks may go.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    named: Vec<Network>,
}

/// Why nothing may be sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no address at all.
    #[error("it must be an address such as https://example.org/hooks")]
    NotAnAddress,
    /// It would go over the network for all to read.
    #[error("it must begin with https://")]
    NotHttps,
    /// A name or password would stand in it.
    #[error("it must not hold a user name, a password or a part behind #")]
    TooMuch,
    /// It is an address of this machine, of a private network or of none.
    #[error("it must be an address of the public internet")]
    NotPublic,
}

impl Networks {
    /// The public internet, and these.
    pub fn and(named: Vec<Network>) -> Self {
        Self { named }
    }

    /// The networks that were named.
    pub fn named(&self) -> &[Network] {
        &self.named
    }

    /// Whether something may be sent to this address.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.names(address) || is_public(address)
    }

    /// Whether it lies in a network that was named.
    pub fn names(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        self.named.iter().any(|Network(network)| network.contains(&canonical))
    }

    /// Reads to where a webhook is to go. A host's name is looked up only when something is sent, each time.
    ///
    /// # Errors
    ///
    /// If nothing may be sent there.
    pub fn url(&self, text: &str) -> Result<Url, UrlError> {
        let url = Url::parse(text.trim()).map_err(|_| UrlError::NotAnAddress)?;
        match url.scheme() {
            "https" => {}
            // Into a network that the operator named, and nowhere else.
            "http" if !self.named.is_empty() => {}
            "http" => return Err(UrlError::NotHttps),
            _ => return Err(UrlError::NotAnAddress),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(UrlError::TooMuch);
        }
        if url.as_str().len() > 2_000 || url.host_str().is_none() {
            return Err(UrlError::NotAnAddress);
        }
        match literal(&url) {
            Some(address) if !self.allows(&url, address) => Err(UrlError::NotPublic),
            _ => Ok(url),
        }
    }

    /// Whether what goes to this URL may go to this address.
    pub(super) fn allows(&self, url: &Url, address: IpAddr) -> bool {
        if url.scheme() == "https" { self.allow(address) } else { self.names(address) }
    }
}

/// The address that a URL names instead of a host. The URL has its usual form already: `0x7f.1` is `127.0.0.1`.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let text = url.host_str()?;
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// All that IANA keeps for special purposes is left out, and one more.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let special = matches!(
        v4.octets(),
        // this network; private; this machine; multicast, class E and broadcast
        [0 | 10 | 127 | 224..=255, ..]
            // shared by carriers' customers
            | [100, 64..=127, ..]
            // link-local, where clouds keep their metadata
            | [169, 254, ..]
            // private
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // protocols, documentation, 6to4 relays
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            // benchmarks
            | [198, 18 | 19, ..]
            // a public address at which one cloud keeps its metadata
            | [168, 63, 129, 16]
    );
    !special
}

/// Only what is given out, and of that nothing in which another address is hidden.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    match segments {
        // The public side of a translator: what counts is whom it leads to.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Teredo and other protocols; documentation; 6to4
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_refused_in_every_disguise() {
        let none = Networks::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!none.allow(address.parse().expect("an address")), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert!(none.allow(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn a_network_that_is_named_lets_itself_in_and_no_other() {
        let some =
            Networks::and(vec!["10.1.0.0/16".parse().expect("a network"), "::1/128".parse().expect("a network")]);
        for (address, allowed) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("::1", true), ("127.0.0.1", false)]
        {
            assert_eq!(some.allow(address.parse().expect("an address")), allowed, "{address}");
        }
        for wrong in ["10.1.0.0", "x", "10.1.0.0/33", ""] {
            assert_eq!(wrong.parse::<Network>(), Err(UnknownNetwork), "{wrong}");
        }
    }

    #[test]
    fn urls_are_https_whole_and_public() {
        let none = Networks::default();
        for (text, wanted) in [
            ("https://example.org/hooks?x=1", None),
            ("https://1.1.1.1:8443/", None),
            ("http://example.org/", Some(UrlError::NotHttps)),
            ("ftp://example.org/", Some(UrlError::NotAnAddress)),
            ("file:///etc/passwd", Some(UrlError::NotAnAddress)),
            ("example.org", Some(UrlError::NotAnAddress)),
            ("https://user@example.org/", Some(UrlError::TooMuch)),
            ("https://user:secret@example.org/", Some(UrlError::TooMuch)),
            ("https://example.org/#x", Some(UrlError::TooMuch)),
            ("https://127.0.0.1/", Some(UrlError::NotPublic)),
            ("https://2130706433/", Some(UrlError::NotPublic)),
            ("https://0x7f.1/", Some(UrlError::NotPublic)),
            ("https://127.1/", Some(UrlError::NotPublic)),
            ("https://[::1]/", Some(UrlError::NotPublic)),
            ("https://[::ffff:a9fe:a9fe]/", Some(UrlError::NotPublic)),
        ] {
            assert_eq!(none.url(text).err(), wanted, "{text}");
        }
        let some = Networks::and(vec!["127.0.0.0/8".parse().expect("a network")]);
        assert!(some.url("http://127.0.0.1:1/").is_ok() && some.url("https://127.0.0.1/").is_ok());
        assert_eq!(
            some.url("http://1.1.1.1/").err(),
            Some(UrlError::NotPublic),
            "in the clear only where it was named"
        );
    }
}
