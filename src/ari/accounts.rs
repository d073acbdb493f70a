//! The SIP accounts of agents: pushed into Asterisk's own database, so that ours never stands in the way of a call.

use super::http::{AriClient, AriError, Request};
use super::requests::done;
use crate::core::ids::EndpointName;
use crate::core::input::Carried;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The realm in the digest of every account. Asterisk's own default.
pub const REALM: &str = "asterisk";
/// The context of the dialplan that leads agents to us and nowhere else.
const CONTEXT: &str = "cordboard-agents";

/// One SIP login.
#[derive(Clone, Debug)]
pub struct SipAccount {
    /// Its endpoint; also the names of its `auth` and `aor`.
    pub endpoint: EndpointName,
    /// The user name of the login. Phones and browsers must use the endpoint's name here too, because that is how Asterisk
    /// finds the endpoint.
    pub username: EndpointName,
    /// `MD5(username:realm:password)` in hexadecimal.
    pub ha1: SecretString,
    /// What kind of phone.
    pub kind: AccountKind,
}

/// What kind of phone an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A phone or softphone, SIP over UDP or TLS.
    Phone,
    /// A browser, SIP over WebSocket with WebRTC media.
    Browser,
}

impl AriClient {
    /// Makes or replaces an account. In order, and stops at the first part that fails; doing it again is safe.
    pub async fn put_sip_account(&self, account: &SipAccount) -> Carried {
        for (kind, fields) in objects(account) {
            let path = ["asterisk", "config", "dynamic", "res_pjsip", kind, account.endpoint.as_ref()];
            let fields: Vec<Value> =
                fields.iter().map(|(name, value)| json!({ "attribute": name, "value": value })).collect();
            let body = Some(json!({ "fields": fields }));
            let end = done(self.send(Request { method: Method::PUT, path: &path, query: &[], body }).await, &[]);
            if end != Carried::Done {
                return end;
            }
        }
        Carried::Done
    }

    /// Removes an account; that it is not there is fine. Its calls go on.
    pub async fn delete_sip_account(&self, endpoint: &EndpointName) -> Carried {
        for kind in ["endpoint", "aor", "auth"] {
            let path = ["asterisk", "config", "dynamic", "res_pjsip", kind, endpoint.as_ref()];
            let end = done(self.delete(&path, &[]).await, &[404]);
            if end != Carried::Done {
                return end;
            }
        }
        Carried::Done
    }

    /// Whether a phone is registered or reachable under this account; none if Asterisk does not know the account.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn endpoint_online(&self, endpoint: &EndpointName) -> Result<Option<bool>, AriError> {
        #[derive(serde::Deserialize)]
        struct WireEndpoint {
            state: String,
        }
        let path = ["endpoints", "PJSIP", endpoint.as_ref()];
        match self.get::<WireEndpoint>("an endpoint", &path, &[]).await {
            Ok(found) => Ok(Some(found.state == "online")),
            Err(AriError::Refused { status: 404 }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

type Fields<'a> = Vec<(&'static str, &'a str)>;

/// The three objects, in the order in which each finds what it names.
fn objects(account: &SipAccount) -> [(&'static str, Fields<'_>); 3] {
    let name = account.endpoint.as_ref();
    let auth = vec![
        ("auth_type", "md5"),
        ("username", account.username.as_ref()),
        ("md5_cred", account.ha1.expose_secret()),
        ("realm", REALM),
    ];
    let aor = vec![
        ("max_contacts", "1"),
        ("remove_existing", "yes"),
        ("default_expiration", "120"),
        ("maximum_expiration", "600"),
    ];
    let mut endpoint = vec![
        ("auth", name),
        ("aors", name),
        ("context", CONTEXT),
        ("disallow", "all"),
        ("allow_subscribe", "no"),
        ("direct_media", "no"),
        ("rtp_timeout", "60"),
        ("rtp_timeout_hold", "3600"),
    ];
    match account.kind {
        AccountKind::Phone => endpoint.extend([
            ("allow", "ulaw,alaw"),
            ("rtp_symmetric", "yes"),
            ("force_rport", "yes"),
            ("rewrite_contact", "yes"),
        ]),
        AccountKind::Browser => endpoint.extend([
            ("allow", "opus,ulaw,alaw"),
            ("webrtc", "yes"),
            ("dtls_auto_generate_cert", "yes"),
            ("transport", "transport-wss"),
        ]),
    }
    [("auth", auth), ("aor", aor), ("endpoint", endpoint)]
}
