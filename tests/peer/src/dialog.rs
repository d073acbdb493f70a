//! Dialog state (RFC 3261, section 12), requests within it, and replies.

use crate::log::Entry;
use crate::message::Message;
use crate::shared::Shared;
use crate::uri::{address_of, host_of, param};
use std::net::SocketAddr;

/// Methods the peer takes.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY";

/// A fresh token for tags, branches and Call-IDs.
pub(crate) fn token() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The peer's `Contact` for this user.
pub(crate) fn contact(user: &str, addr: SocketAddr) -> String {
    format!("<sip:{user}@{addr}>")
}

/// A new top `Via`.
pub(crate) fn via(addr: SocketAddr) -> String {
    format!("SIP/2.0/UDP {addr};rport;branch=z9hG4bK{}", token())
}

/// A response with all that must be copied from the request; `tag` is put on `To` if it has none.
pub(crate) fn reply(request: &Entry, status: u16, tag: Option<&str>) -> Message {
    let mut message = Message::response(status);
    for (at, via) in request.all("Via").enumerate() {
        if at == 0 && via.split(';').any(|p| p.trim() == "rport") {
            let (ip, port) = (request.remote.ip(), request.remote.port());
            let seen = via.replacen(";rport", &format!(";rport={port};received={ip}"), 1);
            message.push("Via", seen);
        } else {
            message.push("Via", via);
        }
    }
    if (101..300).contains(&status) {
        for route in request.all("Record-Route") {
            message.push("Record-Route", route);
        }
    }
    message.push("From", request.header("From").unwrap_or_default());
    let to = request.header("To").unwrap_or_default();
    match tag {
        Some(tag) if request.to_tag().is_none() => message.push("To", format!("{to};tag={tag}")),
        _ => message.push("To", to),
    }
    message.push("Call-ID", request.call_id());
    message.push("CSeq", request.header("CSeq").unwrap_or_default());
    message.push("Allow", ALLOW);
    message
}

/// Takes part in the session timer the other side runs.
pub(crate) fn with_session_timer(response: Message, request: &Entry) -> Message {
    let supported = request.all("Supported").any(|s| s.split(',').any(|one| one.trim() == "timer"));
    match request.header("Session-Expires") {
        Some(value) if supported && param(value, "refresher") != Some("uas") => {
            let seconds = value.split(';').next().unwrap_or(value).trim();
            response.with("Session-Expires", format!("{seconds};refresher=uac")).with("Require", "timer")
        }
        _ => response,
    }
}

pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// This side, with tag: `From` of our requests.
    pub(crate) local: String,
    /// The other side: `To` of our requests.
    pub(crate) remote: String,
    pub(crate) local_tag: String,
    pub(crate) contact: String,
    /// Number of our latest request.
    pub(crate) cseq: u32,
    /// Request-URI of our requests.
    pub(crate) target: String,
    pub(crate) routes: Vec<String>,
    /// Where to send if the URIs hold no IP address.
    pub(crate) hop: SocketAddr,
}

impl Dialog {
    /// As caller, before any response.
    pub(crate) fn calling(shared: &Shared, user: &str, to: &str, proxy: SocketAddr, call_id: Option<String>) -> Self {
        let tag = token();
        Self {
            call_id: call_id.unwrap_or_else(|| format!("{}@{}", token(), shared.addr.ip())),
            local: format!("<sip:{user}@{proxy}>;tag={tag}"),
            remote: format!("<sip:{to}@{proxy}>"),
            local_tag: tag,
            contact: contact(user, shared.addr),
            cseq: 1,
            target: format!("sip:{to}@{proxy}"),
            routes: Vec::new(),
            hop: proxy,
        }
    }

    /// As callee; From and To change places.
    pub(crate) fn called(shared: &Shared, invite: &Entry) -> Self {
        let tag = token();
        Self {
            call_id: invite.call_id().to_owned(),
            local: format!("{};tag={tag}", invite.header("To").unwrap_or_default()),
            remote: invite.header("From").unwrap_or_default().to_owned(),
            local_tag: tag,
            contact: contact(invite.uri_user().unwrap_or(&shared.config.account.user), shared.addr),
            cseq: 0,
            target: invite.contact_uri().unwrap_or_default().to_owned(),
            routes: invite.all("Record-Route").map(str::to_owned).collect(),
            hop: invite.remote,
        }
    }

    /// Takes the other side's tag, target and routes from a response to our INVITE.
    pub(crate) fn learn(&mut self, response: &Entry) {
        if let (Some(to), Some(_)) = (response.header("To"), response.to_tag()) {
            to.clone_into(&mut self.remote);
        }
        if let Some(uri) = response.contact_uri() {
            uri.clone_into(&mut self.target);
        }
        self.routes = response.all("Record-Route").map(str::to_owned).collect();
        self.routes.reverse();
    }

    /// A request of ours with a new branch; `ACK` takes the number given, others the next one.
    pub(crate) fn request(&mut self, method: &str, ack_of: Option<u32>, addr: SocketAddr) -> Message {
        let cseq = ack_of.unwrap_or_else(|| {
            self.cseq += 1;
            self.cseq
        });
        let mut message = Message::request(method, &self.target)
            .with("Via", via(addr))
            .with("Max-Forwards", "70")
            .with("From", self.local.as_str())
            .with("To", self.remote.as_str())
            .with("Call-ID", self.call_id.as_str())
            .with("CSeq", format!("{cseq} {method}"));
        for route in &self.routes {
            message.push("Route", route.as_str());
        }
        if method != "ACK" && method != "BYE" {
            message.push("Contact", self.contact.as_str());
        }
        message
    }

    /// Next hop: the first route, else the target, if they hold an IP address.
    pub(crate) fn next_hop(&self) -> SocketAddr {
        let uri = self.routes.first().map_or(self.target.as_str(), |route| address_of(route));
        let host = host_of(uri);
        host.parse().ok().or_else(|| host.parse().ok().map(|ip| SocketAddr::new(ip, 5060))).unwrap_or(self.hop)
    }
}
