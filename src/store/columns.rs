//! How our words are read from columns.

use super::campaigns::CampaignStatus;
use crate::access::Role;
use crate::core::fact::{Leg, Origin, Party};
use crate::core::ids::{
    AgentId, AssignmentId, CallId, CampaignId, ChannelId, ContactId, EndpointName, NodeName, NumberId, OrganizationId,
    TokenId, TrunkName, UserId,
};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::core::outcome::{Disposition, RefusalReason};
use crate::core::record::Quota;
use crate::inventory::NumberKind;
use crate::policy::NumberState;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Row, Type};
use uuid::Uuid;

/// A word by its name in JSON, which is its name in the database too.
pub(super) fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    T::deserialize(StrDeserializer::<Error>::new(text))
}

/// Words are read as text; what is not one of them is an error, never a default.
macro_rules! words {
    ($($name:ty),+ $(,)?) => {$(
        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <str as Type<Postgres>>::type_info()
            }
            fn compatible(ty: &PgTypeInfo) -> bool {
                <str as Type<Postgres>>::compatible(ty)
            }
        }
        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(word(<&str as Decode<Postgres>>::decode(value)?)?)
            }
        }
    )+};
}

words!(
    CampaignStatus,
    ChannelId,
    Disposition,
    E164,
    EndpointName,
    Leg,
    NodeName,
    NumberClass,
    NumberKind,
    NumberState,
    Origin,
    Party,
    Quota,
    RefusalReason,
    RegionCode,
    Role,
    TrunkName,
);

macro_rules! ids {
    ($($name:ident),+) => {$(
        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <Uuid as Type<Postgres>>::type_info()
            }
        }
        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(Self(<Uuid as Decode<Postgres>>::decode(value)?))
            }
        }
    )+};
}

ids!(AgentId, AssignmentId, CallId, CampaignId, ContactId, NumberId, OrganizationId, TokenId, UserId);

/// A point in time that is always there.
pub(super) fn time(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    row.try_get::<jiff_sqlx::Timestamp, _>(column).map(jiff_sqlx::Timestamp::to_jiff)
}

/// A point in time that may be missing.
pub(super) fn maybe_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<jiff_sqlx::Timestamp>, _>(column)?.map(jiff_sqlx::Timestamp::to_jiff))
}

/// A count. A constraint keeps it from being negative.
pub(super) fn count(row: &PgRow, column: &str) -> Result<u32, sqlx::Error> {
    let number: i64 = row.try_get::<i32, _>(column)?.into();
    u32::try_from(number).map_err(|source| decode_error(column, source))
}

/// A count that may be missing.
pub(super) fn maybe_count(row: &PgRow, column: &str) -> Result<Option<u32>, sqlx::Error> {
    let number: Option<i32> = row.try_get(column)?;
    number.map(|number| u32::try_from(number).map_err(|source| decode_error(column, source))).transpose()
}

/// A small number that may be missing.
pub(super) fn maybe_code(row: &PgRow, column: &str) -> Result<Option<u16>, sqlx::Error> {
    let number: Option<i32> = row.try_get(column)?;
    number.map(|number| u16::try_from(number).map_err(|source| decode_error(column, source))).transpose()
}

/// An array of words.
pub(super) fn set<T: for<'de> Deserialize<'de>, C: FromIterator<T>>(
    row: &PgRow,
    column: &str,
) -> Result<C, sqlx::Error> {
    let texts: Vec<String> = row.try_get(column)?;
    texts.iter().map(|text| word(text)).collect::<Result<C, Error>>().map_err(|source| decode_error(column, source))
}

/// A limit as the database has it.
pub(super) fn limit(limit: u32) -> i32 {
    // more than fits is refused by a constraint just as well
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// A point in time as the database has it.
pub(super) fn at(time: Timestamp) -> jiff_sqlx::Timestamp {
    time.to_sqlx()
}

/// What was dialled, fit to be stored: short, and without control characters, which the database refuses or a terminal obeys.
pub(super) fn clean(dialled: &str) -> String {
    dialled.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(80).collect()
}

pub(super) fn decode_error(column: &str, source: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(source) }
}
