//! SIP messages: parse, format, and the fields a witness asks for.

use crate::error::PeerError;
use crate::uri::{address_of, after_address, param, split_list, user_of};
use std::fmt::Write as _;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// `METHOD uri SIP/2.0`
    Request {
        /// Upper-case method.
        method: String,
        /// Request-URI as sent.
        uri: String,
    },
    /// `SIP/2.0 status reason`
    Response {
        /// 100 to 699.
        status: u16,
        /// Reason phrase.
        reason: String,
    },
}

/// One SIP message. Header names are compared without case; compact names are spelt out when parsed,
/// and `Via`, `Route` and `Record-Route` lines with several values are split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// First line.
    pub start: Start,
    headers: Vec<(String, String)>,
    /// Body, usually SDP; `Content-Length` is written from it.
    pub body: String,
}

impl Message {
    /// A request without headers.
    pub fn request(method: &str, uri: &str) -> Self {
        Self::new(Start::Request { method: method.to_owned(), uri: uri.to_owned() })
    }

    /// A response without headers, with the usual reason phrase.
    pub fn response(status: u16) -> Self {
        Self::new(Start::Response { status, reason: phrase(status).to_owned() })
    }

    fn new(start: Start) -> Self {
        Self { start, headers: Vec::with_capacity(12), body: String::new() }
    }

    /// Reads one datagram.
    pub fn parse(text: &str) -> Result<Self, PeerError> {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.split("\r\n");
        let first = lines.next().ok_or(PeerError::Malformed("empty"))?;
        let mut message = Self::new(parse_start(first)?);
        for line in lines {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = message.headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(PeerError::Malformed("header"))?;
            let name = long_name(name.trim());
            if ["via", "route", "record-route"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
                for one in split_list(value) {
                    message.push(name, one);
                }
            } else {
                message.push(name, value.trim());
            }
        }
        let length = message.header("Content-Length").and_then(|l| l.parse::<usize>().ok());
        message.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Length"));
        body.get(..length.unwrap_or(body.len())).unwrap_or(body).clone_into(&mut message.body);
        Ok(message)
    }

    /// The datagram, with `Content-Length`.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(512 + self.body.len());
        // Writing to a String cannot fail.
        let _ = match &self.start {
            Start::Request { method, uri } => write!(text, "{method} {uri} SIP/2.0\r\n"),
            Start::Response { status, reason } => write!(text, "SIP/2.0 {status} {reason}\r\n"),
        };
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        text
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Adds a header and gives the message back.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// Sets the SDP body and its type.
    #[must_use]
    pub fn with_sdp(mut self, sdp: String) -> Self {
        self.push("Content-Type", "application/sdp");
        self.body = sdp;
        self
    }

    /// First header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All headers of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Replaces the first header of that name.
    pub(crate) fn replace(&mut self, name: &str, value: String) {
        if let Some(found) = self.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            found.1 = value;
        }
    }

    /// Method of a request.
    pub fn method(&self) -> Option<&str> {
        if let Start::Request { method, .. } = &self.start { Some(method) } else { None }
    }

    /// Request-URI of a request.
    pub fn uri(&self) -> Option<&str> {
        if let Start::Request { uri, .. } = &self.start { Some(uri) } else { None }
    }

    /// Status of a response.
    pub fn status(&self) -> Option<u16> {
        if let Start::Response { status, .. } = self.start { Some(status) } else { None }
    }

    /// `Call-ID`, or empty.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// `CSeq` number and method.
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.trim().parse().ok()?, method.trim()))
    }

    /// `branch` of the top `Via`.
    pub fn branch(&self) -> Option<&str> {
        param(self.header("Via")?, "branch")
    }

    /// `tag` of `From`.
    pub fn from_tag(&self) -> Option<&str> {
        param(after_address(self.header("From")?), "tag")
    }

    /// `tag` of `To`.
    pub fn to_tag(&self) -> Option<&str> {
        param(after_address(self.header("To")?), "tag")
    }

    /// User part of the Request-URI: the number dialled.
    pub fn uri_user(&self) -> Option<&str> {
        user_of(self.uri()?)
    }

    /// User part of `From`: the number presented.
    pub fn from_user(&self) -> Option<&str> {
        user_of(address_of(self.header("From")?))
    }

    /// User part of `To`.
    pub fn to_user(&self) -> Option<&str> {
        user_of(address_of(self.header("To")?))
    }

    /// User part of the first `P-Asserted-Identity`.
    pub fn pai_user(&self) -> Option<&str> {
        user_of(address_of(self.header("P-Asserted-Identity")?))
    }

    /// URI of `Contact`.
    pub fn contact_uri(&self) -> Option<&str> {
        self.header("Contact").map(address_of)
    }

    /// `cause` of the Q.850 `Reason` header, or of any `Reason` if none is Q.850.
    pub fn reason_cause(&self) -> Option<u16> {
        let q850 = self.all("Reason").find(|r| r.trim_start().starts_with("Q.850"));
        param(q850.or_else(|| self.header("Reason"))?, "cause")?.parse().ok()
    }
}

fn parse_start(line: &str) -> Result<Start, PeerError> {
    let bad = PeerError::Malformed("first line");
    let mut words = line.splitn(3, ' ');
    let (Some(a), Some(b), c) = (words.next(), words.next(), words.next().unwrap_or("")) else {
        return Err(bad);
    };
    if a == "SIP/2.0" {
        let status = b.parse().map_err(|_| bad)?;
        Ok(Start::Response { status, reason: c.to_owned() })
    } else if c == "SIP/2.0" {
        Ok(Start::Request { method: a.to_owned(), uri: b.to_owned() })
    } else {
        Err(bad)
    }
}

fn long_name(name: &str) -> &str {
    match name {
        "v" | "V" => "Via",
        "f" | "F" => "From",
        "t" | "T" => "To",
        "i" | "I" => "Call-ID",
        "m" | "M" => "Contact",
        "c" | "C" => "Content-Type",
        "l" | "L" => "Content-Length",
        "k" | "K" => "Supported",
        "x" | "X" => "Session-Expires",
        other => other,
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Response",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_asterisk_writes() -> Result<(), PeerError> {
        let text = "INVITE sip:+4915551230001@127.0.0.1:25090 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:25060;rport;branch=z9hG4bKa, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb\r\n\
            From: \"Acme, Inc\" <sip:15559990000@pbx.example>;tag=ab\r\nTo: <sip:+4915551230001@127.0.0.1>\r\ni: x1\r\nCSeq: 7 INVITE\r\n\
            P-Asserted-Identity: \"Acme\" <sip:15559990000@pbx.example>\r\nReason: SIP;cause=200, folded\r\n ;x=1\r\nReason: Q.850;cause=17\r\nl: 3\r\n\r\nv=0xx";
        let message = Message::parse(text)?;
        assert_eq!(message.uri_user(), Some("+4915551230001"));
        assert_eq!(message.from_user(), Some("15559990000"));
        assert_eq!(message.pai_user(), Some("15559990000"));
        assert_eq!((message.from_tag(), message.to_tag()), (Some("ab"), None));
        assert_eq!(message.all("Via").count(), 2);
        assert_eq!(message.branch(), Some("z9hG4bKa"));
        assert_eq!(message.cseq(), Some((7, "INVITE")));
        assert_eq!(message.reason_cause(), Some(17));
        assert_eq!(message.body, "v=0");
        assert_eq!(Message::parse(&message.to_text())?, message);
        assert_eq!(crate::uri::host_of("sip:a@127.0.0.1:5;lr"), "127.0.0.1:5");
        assert!(Message::parse("\r\n\r\n").is_err());
        Ok(())
    }
}
