//! Digest authentication, MD5 (RFC 2617), with and without `qop=auth`.

use crate::error::PeerError;
use crate::message::Message;
use crate::uri::split_list;
use md5::{Digest as _, Md5};
use std::fmt::Write as _;

/// A `WWW-Authenticate` or `Proxy-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Protection space.
    pub realm: String,
    /// Server nonce.
    pub nonce: String,
    /// To be given back unchanged.
    pub opaque: Option<String>,
    /// Whether `qop=auth` is offered.
    pub qop_auth: bool,
    proxy: bool,
}

impl Challenge {
    /// A challenge to send, as server.
    pub fn new(realm: &str, nonce: &str, qop_auth: bool) -> Self {
        Self { realm: realm.to_owned(), nonce: nonce.to_owned(), opaque: None, qop_auth, proxy: false }
    }

    /// Value of the `WWW-Authenticate` header.
    pub fn header(&self) -> String {
        let qop = if self.qop_auth { ", qop=\"auth\"" } else { "" };
        format!("Digest realm=\"{}\", nonce=\"{}\", algorithm=MD5{qop}", self.realm, self.nonce)
    }

    /// The first MD5 challenge of a 401 or 407.
    pub(crate) fn of(response: &Message) -> Result<Self, PeerError> {
        let proxy = response.status() == Some(407);
        let name = if proxy { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let value = response
            .all(name)
            .find(|v| field(v, "algorithm").is_none_or(|a| a.eq_ignore_ascii_case("md5")))
            .ok_or(PeerError::Malformed("no MD5 challenge"))?;
        Ok(Self {
            realm: field(value, "realm").ok_or(PeerError::Malformed("realm"))?.to_owned(),
            nonce: field(value, "nonce").ok_or(PeerError::Malformed("nonce"))?.to_owned(),
            opaque: field(value, "opaque").map(str::to_owned),
            qop_auth: field(value, "qop").is_some_and(|q| q.split(',').any(|one| one.trim() == "auth")),
            proxy,
        })
    }

    /// Name and value of the header that answers the challenge.
    pub(crate) fn answer(&self, user: &str, password: &str, method: &str, uri: &str) -> (&'static str, String) {
        let cnonce = format!("{:08x}", rand::random::<u32>());
        let qop = self.qop_auth.then_some(("00000001", cnonce.as_str()));
        let hash = response(user, &self.realm, password, &self.nonce, method, uri, qop);
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{hash}\", algorithm=MD5",
            self.realm, self.nonce
        );
        if let Some((count, cnonce)) = qop {
            let _ = write!(value, ", qop=auth, nc={count}, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        (if self.proxy { "Proxy-Authorization" } else { "Authorization" }, value)
    }
}

/// Whether an `Authorization` header value proves knowledge of the password, for a tiny registrar in a test.
pub fn verify(authorization: &str, user: &str, password: &str, method: &str) -> bool {
    let get = |name| field(authorization, name).unwrap_or_default();
    let qop = (get("qop") == "auth").then(|| (get("nc"), get("cnonce")));
    get("username") == user
        && get("response") == response(user, get("realm"), password, get("nonce"), method, get("uri"), qop)
}

fn response(
    user: &str,
    realm: &str,
    password: &str,
    nonce: &str,
    method: &str,
    uri: &str,
    qop: Option<(&str, &str)>,
) -> String {
    let a1 = hex(&format!("{user}:{realm}:{password}"));
    let a2 = hex(&format!("{method}:{uri}"));
    match qop {
        Some((count, cnonce)) => hex(&format!("{a1}:{nonce}:{count}:{cnonce}:auth:{a2}")),
        None => hex(&format!("{a1}:{nonce}:{a2}")),
    }
}

fn field<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let list = value.trim().strip_prefix("Digest")?;
    split_list(list).into_iter().find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2617, section 3.5.
    #[test]
    fn agrees_with_the_standard() {
        let qop = Some(("00000001", "0a4f113b"));
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let hash = response("Mufasa", "testrealm@host.com", "Circle Of Life", nonce, "GET", "/dir/index.html", qop);
        assert_eq!(hash, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn what_it_answers_it_accepts() {
        for qop in [true, false] {
            let (_, value) = Challenge::new("r", "n", qop).answer("u", "p", "REGISTER", "sip:x");
            assert!(verify(&value, "u", "p", "REGISTER"));
            assert!(!verify(&value, "u", "q", "REGISTER"));
        }
    }
}
