//! The SIP accounts of agents: pushed into Asterisk's own database, so that ours never stands in the way of a call.

use super::http::{AriClient, AriError, Request};
use super::leave::Purpose;
use super::requests::done;
use crate::core::ids::EndpointName;
use crate::core::input::Carried;
use hyper::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
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
            let end = done(
                self.send(Request { method: Method::PUT, purpose: Purpose::Act, path: &path, query: &[], body }).await,
                &[],
            );
            if end != Carried::Done {
                return end;
            }
        }
        Carried::Done
    }

    /// Whether Asterisk has this account already, with this password and for this kind of phone. Asking is cheap; each push
    /// makes Asterisk read all its endpoints again, so that pushing what is there would cost a large floor minutes of CPU.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn has_sip_account(&self, account: &SipAccount) -> Result<bool, AriError> {
        let browser = if account.kind == AccountKind::Browser { "yes" } else { "no" };
        let auth = self.pushed("auth", &account.endpoint).await?;
        if !has(&auth, "md5_cred", account.ha1.expose_secret()) || !has(&auth, "username", account.username.as_ref()) {
            return Ok(false);
        }
        let endpoint = self.pushed("endpoint", &account.endpoint).await?;
        Ok(has(&endpoint, "context", CONTEXT) && has(&endpoint, "webrtc", browser))
    }

    /// The fields of a pushed object; none if it is not there.
    async fn pushed(&self, kind: &str, endpoint: &EndpointName) -> Result<Vec<WireField>, AriError> {
        let path = ["asterisk", "config", "dynamic", "res_pjsip", kind, endpoint.as_ref()];
        match self.get("a pushed object", &path, &[]).await {
            Err(AriError::Refused { status: 404 }) => Ok(Vec::new()),
            found => found,
        }
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

    /// Whether a phone can be reached under this account; none if Asterisk does not know the account.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn endpoint_online(&self, endpoint: &EndpointName) -> Result<Option<bool>, AriError> {
        match self.get::<WireEndpoint>("an endpoint", &["endpoints", "PJSIP", endpoint.as_ref()], &[]).await {
            Ok(found) => Ok(Some(found.is_online())),
            Err(AriError::Refused { status: 404 }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every PJSIP endpoint, with whether a phone can be reached under it: the accounts, also those that should be gone,
    /// and the trunks of the configuration, which cannot be removed from here.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn list_endpoints(&self) -> Result<Vec<(EndpointName, bool)>, AriError> {
        let found: Vec<WireEndpoint> = self.get("endpoints", &["endpoints", "PJSIP"], &[]).await?;
        Ok(found.into_iter().filter_map(|e| Some((e.resource.parse().ok()?, e.is_online()))).collect())
    }
}

#[derive(Deserialize)]
struct WireField {
    attribute: String,
    value: String,
}

fn has(fields: &[WireField], attribute: &str, value: &str) -> bool {
    fields.iter().any(|field| field.attribute == attribute && field.value == value)
}

#[derive(Deserialize)]
struct WireEndpoint {
    resource: String,
    state: String,
}

impl WireEndpoint {
    fn is_online(&self) -> bool {
        self.state == "online"
    }
}

type Fields<'a> = Vec<(&'static str, &'a str)>;

/// The three objects, in the order in which each finds what it names.
fn objects(account: &SipAccount) -> [(&'static str, Fields<'_>); 3] {
    let name = account.endpoint.as_ref();
    let auth = vec![
        ("auth_type", "md5"),
        ("username", account.username.as_ref()),
        ("realm", REALM),
        ("md5_cred", account.ha1.expose_secret()),
    ];
    let aor = vec![
        ("max_contacts", "1"),
        ("remove_existing", "yes"),
        ("default_expiration", "120"),
        ("maximum_expiration", "600"),
    ];
    // `set_var` cannot be pushed: Asterisk 22.10 then refuses every later push of that endpoint.
    let mut endpoint = vec![
        ("auth", name),
        ("aors", name),
        ("context", CONTEXT),
        ("disallow", "all"),
        // Not Opus: nothing here can turn it into what prompts and carriers speak.
        ("allow", "ulaw,alaw"),
        ("allow_subscribe", "no"),
        ("direct_media", "no"),
        ("rtp_timeout", "60"),
        ("rtp_timeout_hold", "3600"),
    ];
    match account.kind {
        AccountKind::Phone => {
            endpoint.extend([("rtp_symmetric", "yes"), ("force_rport", "yes"), ("rewrite_contact", "yes")]);
        }
        AccountKind::Browser => {
            endpoint.extend([("webrtc", "yes"), ("dtls_auto_generate_cert", "yes"), ("transport", "transport-wss")]);
        }
    }
    [("auth", auth), ("aor", aor), ("endpoint", endpoint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ari::test_server::{Reaction, Server};

    fn account(kind: AccountKind) -> SipAccount {
        let name: EndpointName = "acme-ann".parse().expect("a name");
        SipAccount { endpoint: name.clone(), username: name, ha1: "0123456789abcdef0123456789abcdef".into(), kind }
    }

    fn lines(server: &Server) -> Vec<String> {
        let short = |line: String| line.replace("asterisk/config/dynamic/res_pjsip/", "");
        server.seen().into_iter().map(|seen| short(seen.line)).collect()
    }

    #[tokio::test]
    async fn an_account_is_three_objects_and_goes_in_the_reverse_order() {
        let server = Server::start(|_| Reaction::Answer(200, "[]")).await;
        let account = account(AccountKind::Phone);
        assert_eq!(server.client().put_sip_account(&account).await, Carried::Done);
        assert_eq!(server.client().delete_sip_account(&account.endpoint).await, Carried::Done);
        let expected = ["PUT auth", "PUT aor", "PUT endpoint", "DELETE endpoint", "DELETE aor", "DELETE auth"];
        assert_eq!(lines(&server), expected.map(|line| format!("{line}/acme-ann")));
        let bodies = server.seen();
        assert!(bodies[0].body.contains(r#"{"attribute":"md5_cred","value":"0123456789abcdef0123456789abcdef"}"#));
        for (name, value) in [("context", "cordboard-agents"), ("auth", "acme-ann"), ("allow", "ulaw,alaw")] {
            let field = json!({ "attribute": name, "value": value }).to_string();
            assert!(bodies[2].body.contains(&field), "{field} in {}", bodies[2].body);
        }
    }

    #[tokio::test]
    async fn a_push_stops_at_what_fails_and_a_removal_at_what_is_not_just_gone() {
        let server =
            Server::start(|seen| Reaction::Answer(if seen.line.contains("/aor/") { 403 } else { 404 }, "")).await;
        let account = account(AccountKind::Browser);
        assert_eq!(server.client().put_sip_account(&account).await, Carried::Refused { status: 404 });
        assert_eq!(server.client().delete_sip_account(&account.endpoint).await, Carried::Refused { status: 403 });
        assert_eq!(lines(&server), ["PUT auth/acme-ann", "DELETE endpoint/acme-ann", "DELETE aor/acme-ann"]);
    }

    #[test]
    fn no_attribute_comes_twice_and_none_is_printed() {
        for kind in [AccountKind::Phone, AccountKind::Browser] {
            let account = account(kind);
            for (_, fields) in objects(&account) {
                let mut names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), fields.len());
            }
            assert!(!format!("{account:?}").contains("0123456789abcdef"));
        }
    }
}
