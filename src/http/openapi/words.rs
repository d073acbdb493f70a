//! How the words of other rooms look to programs. Those rooms do not know what a schema is, so it is said here.

use crate::access::{Action, Role};
use crate::core::fact::{Leg, Origin, Party};
use crate::core::ids::{
    AgentId, AssignmentId, CallId, CampaignId, ChannelId, ContactId, EndpointName, NodeName, NumberId, OrganizationId,
    TokenId, TrunkName, UserId,
};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::core::outcome::{Disposition, RefusalReason};
use crate::core::record::Quota;
use crate::inventory::listed::CarrierKind;
use crate::inventory::{Capabilities, Label, Metadata, NumberKind, Provider, ProviderId, Set};
use crate::policy::NumberState;
use crate::policy::decision::Reason;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use std::borrow::Cow;

macro_rules! word {
    ($($name:ident = $schema:tt;)+) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

word! {
    AgentId = { "type": "string", "format": "uuid" };
    AssignmentId = { "type": "string", "format": "uuid" };
    CampaignId = { "type": "string", "format": "uuid" };
    ContactId = { "type": "string", "format": "uuid" };
    CallId = { "type": "string", "format": "uuid" };
    NumberId = { "type": "string", "format": "uuid" };
    OrganizationId = { "type": "string", "format": "uuid" };
    TokenId = { "type": "string", "format": "uuid" };
    UserId = { "type": "string", "format": "uuid" };
    E164 = { "type": "string", "pattern": "^\\+[1-9][0-9]{6,14}$", "examples": ["+12025550123"] };
    RegionCode = { "type": "string", "pattern": "^([A-Z]{2}|001)$", "examples": ["US"] };
    EndpointName = { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,39}$", "examples": ["alice"] };
    NodeName = { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,30}$", "examples": ["pbx1"] };
    TrunkName = { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,39}$", "examples": ["carrier"] };
    ChannelId = { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,148}$" };
    Label = { "type": "string", "minLength": 1, "maxLength": 100 };
    Provider = { "type": "string", "minLength": 1, "maxLength": 50, "examples": ["telnyx"] };
    ProviderId = { "type": "string", "minLength": 1, "maxLength": 100 };
    Capabilities = {
        "type": "object", "maxProperties": 16, "additionalProperties": { "type": "boolean" },
        "propertyNames": { "pattern": "^[A-Za-z0-9_]{1,30}$" },
        "description": "What a number can do, such as {\"voice\": true}"
    };
    Metadata = {
        "type": "object", "additionalProperties": true,
        "description": "Whatever else is to be known of a number, 12 KiB at most, such as {\"department\": \"sales\"}"
    };
    Reason = {
        "type": "object",
        "properties": {
            "rule": {
                "type": "string",
                "description": "Which rule it is; what belongs to it stands beside it",
                "enum": ["assignment_limit", "class_not_allowed", "country_not_allowed", "no_trunk", "number_limit",
                    "number_state"]
            },
            "used": { "type": "integer", "minimum": 0, "description": "Calls today" },
            "limit": { "type": "integer", "minimum": 0, "description": "Calls allowed" },
            "class": { "type": "string" },
            "region": { "type": "string" },
            "state": { "type": "string" }
        },
        "required": ["rule"]
    };
}

macro_rules! choice {
    ($($name:ident: $says:literal;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": names::<$name>(), "description": $says })
            }
        }
    )+};
}

choice! {
    Action: "Something that can be done. Tokens can be narrowed to some of them.";
    Disposition: "How a call ended.";
    Leg: "One side of a call.";
    NumberClass: "What kind of number was called.";
    NumberState: "What is to be done with a number at the moment.";
    Origin: "Who began: `agent` dialled on their phone, `api` asked for click-to-call.";
    Party: "Who hung up.";
    Quota: "What became of the reservation of the number's quota.";
    RefusalReason: "Why a call was not made. The same word is the `code` of the problem.";
    Role: "Who somebody is in an organization; each may do what those before it may: agent, manager, admin, owner.";
}

impl JsonSchema for NumberKind {
    fn schema_name() -> Cow<'static, str> {
        "NumberKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Self::ALL.map(Self::as_str);
        json_schema!({ "type": "string", "enum": names, "description": "What sort of number was bought." })
    }
}

impl JsonSchema for CarrierKind {
    fn schema_name() -> Cow<'static, str> {
        "CarrierKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Self::ALL.map(Self::as_str);
        json_schema!({ "type": "string", "enum": names, "description": "Whose account it is." })
    }
}

impl<T: JsonSchema> JsonSchema for Set<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Set_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// The names of an enum's variants, as its own reader knows them.
fn names<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It always fails; what it was told before is what is wanted.
    let _ = T::deserialize(Names(&mut names));
    names
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = variants;
        Err(Error::custom("only asked"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_word_are_all_its_names() {
        assert_eq!(names::<Role>(), ["agent", "manager", "admin", "owner"]);
        assert_eq!(names::<Action>(), Action::ALL.iter().map(|action| action.as_str()).collect::<Vec<_>>());
        assert_eq!(names::<RefusalReason>().len(), RefusalReason::ALL.len());
        assert!(names::<String>().is_empty());
    }
}
