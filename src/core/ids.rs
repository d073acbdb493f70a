//! Names and ids. Ids of channels and bridges are made from the call's id, so that a daemon that crashed finds its
//! channels again, and an event can be matched before the answer to the request that caused it.

use super::fact::Leg;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A name or id that does not have the form asked for. It does not repeat the text, which may be hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {form}")]
pub struct InvalidName {
    what: &'static str,
    form: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidName { what: stringify!($name), form: "a UUID" })
            }
        }
    };
}

uuid_id!(
    /// One call, from the moment an agent asks for it. Version 7, so that ids sort by time.
    CallId
);
uuid_id!(
    /// A tenant.
    OrganizationId
);
uuid_id!(
    /// Someone who talks.
    AgentId
);
uuid_id!(
    /// An E.164 number that we own.
    NumberId
);
uuid_id!(
    /// One agent × number, for a time.
    AssignmentId
);
uuid_id!(
    /// What calls are made for.
    CampaignId
);
uuid_id!(
    /// Somebody whom a campaign calls.
    ContactId
);
uuid_id!(
    /// Someone who signs in.
    UserId
);
uuid_id!(
    /// A key to the API.
    TokenId
);

impl CallId {
    /// The channel that calls the agent's phone (click-to-call). `attempt` starts at 1 and is never used twice.
    pub fn agent_channel(self, attempt: u16) -> ChannelId {
        ChannelId(format!("{self}-a-{attempt}"))
    }

    /// The channel towards the customer.
    pub fn customer_channel(self, attempt: u16) -> ChannelId {
        ChannelId(format!("{self}-c-{attempt}"))
    }

    /// The bridge in which the two talk.
    pub fn bridge(self) -> BridgeId {
        BridgeId(format!("{self}-b"))
    }
}

/// An Asterisk channel's unique id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelId(String);

impl ChannelId {
    /// The id as Asterisk knows it: letters, digits, `.`, `_` and `-` only, so it is safe in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The call that made this channel, if one of ours did.
    pub fn owner(&self) -> Option<CallId> {
        let (call, rest) = self.0.split_at_checked(36)?;
        let attempt = rest.strip_prefix("-a-").or_else(|| rest.strip_prefix("-c-"))?;
        (!attempt.is_empty() && attempt.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
        call.parse().ok()
    }

    /// Which of its leg's channels it is, from 1, if a call of ours made it.
    pub fn attempt(&self) -> Option<u16> {
        self.owner()?;
        self.0[39..].parse().ok()
    }

    /// Which leg of its call it is, if a call of ours made it.
    pub fn leg(&self) -> Option<Leg> {
        self.owner()?;
        Some(if self.0[36..].starts_with("-a-") { Leg::Agent } else { Leg::Customer })
    }
}

/// An Asterisk bridge's unique id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BridgeId(String);

impl BridgeId {
    /// The id as Asterisk knows it, safe in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The call that made this bridge, if one of ours did.
    pub fn owner(&self) -> Option<CallId> {
        self.0.strip_suffix("-b")?.parse().ok()
    }
}

/// Asterisk's name of a channel, such as `PJSIP/alice-0000002e`. Made by Asterisk, checked by us, because it is given back
/// to the dialplan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(String);

impl ChannelName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a channel towards this carrier.
    pub fn is_of(&self, trunk: &TrunkName) -> bool {
        let endpoint = self.0.strip_prefix("PJSIP/").and_then(|name| name.rsplit_once('-'));
        endpoint.is_some_and(|(endpoint, _)| endpoint == trunk.as_ref())
    }

    /// The PJSIP endpoint whose channel this is: the only answer to "who calls", never the From header.
    pub fn endpoint(&self) -> Option<EndpointName> {
        let (endpoint, _) = self.0.strip_prefix("PJSIP/")?.rsplit_once('-')?;
        endpoint.parse().ok()
    }
}

/// The PJSIP endpoint of an agent: starts with a letter, so that it can never be dialled as a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointName(String);

/// The PJSIP endpoint towards a carrier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrunkName(String);

/// One Asterisk server, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

macro_rules! text_name {
    ($name:ident, $what:literal, $form:literal, $valid:expr) => {
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&[u8]) -> bool = $valid;
                if valid(text.as_bytes()) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { what: $what, form: $form })
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn word(bytes: &[u8], max: usize, extra: &[u8]) -> bool {
    (1..=max).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || extra.contains(b))
}

fn lettered(bytes: &[u8]) -> bool {
    word(bytes, 40, b"_-") && bytes[0].is_ascii_alphabetic()
}

/// Never `.` or `..`, which mean something else in a path.
fn plain_id(bytes: &[u8]) -> bool {
    word(bytes, 149, b"._-") && bytes[0].is_ascii_alphanumeric()
}

text_name!(ChannelId, "a channel id", "a letter or digit, then up to 148 of A-Z a-z 0-9 . _ -", plain_id);
text_name!(BridgeId, "a bridge id", "a letter or digit, then up to 148 of A-Z a-z 0-9 . _ -", plain_id);
text_name!(ChannelName, "a channel name", "technology/name, of A-Z a-z 0-9 / . _ - @ ;", |b| word(b, 149, b"/._-@;"));
text_name!(EndpointName, "an endpoint name", "a letter, then up to 39 of A-Z a-z 0-9 _ -", lettered);
text_name!(TrunkName, "a trunk name", "a letter, then up to 39 of A-Z a-z 0-9 _ -", lettered);
text_name!(NodeName, "a node name", "a lower-case letter, then up to 30 of a-z 0-9 -", |b| word(b, 31, b"-")
    && b[0].is_ascii_lowercase()
    && !b.iter().any(u8::is_ascii_uppercase));

/// Joins an answer to the API request that waits for it. Unique within one run of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "01998f2a-7c00-7000-8000-000000000001";

    #[test]
    fn a_channel_made_for_a_call_names_its_call() {
        let call: CallId = CALL.parse().expect("a uuid");
        assert_eq!(call.customer_channel(2).as_str(), format!("{CALL}-c-2"));
        assert_eq!(call.customer_channel(2).owner(), Some(call));
        assert_eq!(call.customer_channel(12).attempt(), Some(12));
        assert_eq!(call.agent_channel(1).owner(), Some(call));
        assert_eq!(call.bridge().owner(), Some(call));
    }

    #[test]
    fn a_channel_of_somebody_else_names_no_call() {
        for other in [
            "pbx1-1795256619.46",
            "x",
            "01998f2a-7c00-7000-8000-000000000001-z-1",
            "01998f2a-7c00-7000-8000-000000000001-c-",
            "01998f2a-7c00-7000-8000-000000000001-c-1x",
        ] {
            assert_eq!(other.parse::<ChannelId>().expect("a channel id").owner(), None, "{other}");
        }
    }

    #[test]
    fn the_endpoint_is_read_from_the_channel_name() {
        let name: ChannelName = "PJSIP/acme-alice-0000002e".parse().expect("a channel name");
        assert_eq!(name.endpoint().map(String::from).as_deref(), Some("acme-alice"));
        let local: ChannelName = "Local/1555@cordboard-agents-00000001;1".parse().expect("a channel name");
        assert_eq!(local.endpoint(), None);
    }

    #[test]
    fn names_refuse_what_could_change_a_dial_string_or_a_path() {
        for bad in ["", "a b", "a/b", "a@b", "a&b", "a;b", "a%41", "a\r\nb", "1alice", "élan", &"a".repeat(41)] {
            assert!(bad.parse::<EndpointName>().is_err(), "{bad:?}");
            assert!(bad.parse::<TrunkName>().is_err(), "{bad:?}");
        }
        for bad in ["../x", ".", "..", "-", ""] {
            assert!(bad.parse::<ChannelId>().is_err(), "{bad:?}");
        }
        for good in ["a", "pbx-1", &"a".repeat(31)] {
            assert_eq!(good.parse::<NodeName>().map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "1pbx", "-pbx", "Pbx", "pBX", "pbx_1", "pbx.1", "pbx/1", &"a".repeat(32)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }
}
