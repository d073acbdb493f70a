//! `POST …/numbers`, and `GET`, `PATCH`, `PUT` and `DELETE …/numbers/{number}`. What is read has an `ETag`; who sends it back
//! as `If-Match` changes nothing that somebody else changed in between.

use super::view::{NumberView, etag, version, view};
use super::{NumberPath, ROOT, find, rules, unprocessable};
use crate::access::Action;
use crate::core::ids::TrunkName;
use crate::core::number::RegionCode;
use crate::http::auth::{Caller, Sight};
use crate::http::etag::outdated;
use crate::http::extract::{Body, Form};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem, campaigns};
use crate::inventory::{Capabilities, Entry, Label, Metadata, NumberKind, Provider, ProviderId, Set};
use crate::numbering;
use crate::policy::NumberState;
use crate::store::inventory::{self, Deleted, Edit, Edited, NumberKey};
use crate::store::numbers;
use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewNumber")]
pub(in crate::http) struct New {
    /// As a person would write it.
    #[serde(alias = "phoneNumber", alias = "phone_number")]
    #[schemars(length(min = 3, max = 80))]
    number: String,
    #[serde(alias = "region")]
    country_code: Option<RegionCode>,
    #[serde(alias = "name")]
    friendly_name: Option<Label>,
    r#type: Option<NumberKind>,
    provider: Option<Provider>,
    #[serde(alias = "providerSid")]
    provider_id: Option<ProviderId>,
    capabilities: Option<Capabilities>,
    metadata: Option<Metadata>,
    #[schemars(range(min = 1, max = 100_000))]
    daily_limit: Option<u32>,
    trunk: Option<TrunkName>,
    is_primary: Option<bool>,
    is_active: Option<bool>,
}

impl Form for New {
    const FORM: &'static str = r#"{"number": "+12025550123", "provider": "telnyx", "countryCode": "US", "friendlyName": …,
        "type": "local", "providerId": …, "capabilities": {"voice": true}, "metadata": {…}, "dailyLimit": 300, "trunk": …,
        "isPrimary": false, "isActive": true}, all but the number may be left out"#;
}

pub(in crate::http) async fn add(
    State(state): State<AppState>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<Response, Problem> {
    caller.may(Action::NumbersManage)?;
    let mut transaction = caller.begin(&state).await?;
    let rules = rules(&state, &mut transaction, &caller).await?;
    let country = new.country_code.or(rules.country);
    let number = numbering::parse_owned_number(&new.number, country.as_ref(), &rules.extra)
        .map_err(|error| unprocessable("invalid_number", "Not a phone number", format!("`number`: {error}")))?;
    if new.trunk.as_ref().is_some_and(|trunk| !rules.trunks.contains(trunk)) {
        return Err(no_trunk());
    }
    let entry = Entry {
        e164: number.e164,
        region: number.region,
        friendly_name: new.friendly_name,
        provider: new.provider,
        provider_id: new.provider_id,
        kind: new.r#type,
        trunk: new.trunk,
        daily_limit: new.daily_limit,
        capabilities: new.capabilities,
        metadata: new.metadata,
    };
    let id = inventory::add(&mut transaction, Some(caller.organization), &entry).await?;
    if new.is_active == Some(false) {
        numbers::set_state(&mut transaction, id, NumberState::Inactive).await?;
    }
    if new.is_primary == Some(true) {
        let edit = Edit { primary: Some(true), ..Edit::default() };
        inventory::edit(&mut transaction, caller.organization, id, &edit, None).await?;
    }
    let row = inventory::one(&mut transaction, caller.organization, NumberKey::Id(id)).await?;
    let tag = etag(row.version);
    let shown = view(&mut transaction, Sight::All, row).await?;
    transaction.commit().await?;
    let location = format!("{ROOT}/{id}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], [(ETAG, tag)], Json(shown)).into_response())
}

pub(in crate::http) async fn look(
    State(state): State<AppState>,
    caller: Caller,
    NumberPath(key): NumberPath,
) -> Result<Response, Problem> {
    let sight = caller.may(Action::NumbersSee)?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, sight, key).await?;
    let tag = etag(row.version);
    let shown = view(&mut transaction, sight, row).await?;
    Ok(([(ETAG, tag)], Json(shown)).into_response())
}

/// What is to be changed; what is left out stays, and what is null is taken away.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "NumberChange")]
pub(in crate::http) struct Changes {
    #[serde(alias = "name")]
    friendly_name: Set<Label>,
    r#type: Set<NumberKind>,
    provider: Set<Provider>,
    #[serde(alias = "providerSid")]
    provider_id: Set<ProviderId>,
    capabilities: Option<Capabilities>,
    metadata: Option<Metadata>,
    #[schemars(range(min = 1, max = 100_000))]
    daily_limit: Set<u32>,
    trunk: Set<TrunkName>,
    is_primary: Option<bool>,
    is_active: Option<bool>,
    /// Id or name of the only campaign that it is to be of.
    #[serde(alias = "campaign")]
    pub(super) campaign_id: Set<String>,
}

impl Form for Changes {
    const FORM: &'static str = r#"{"friendlyName": …, "type": …, "provider": …, "providerId": …, "capabilities": {…},
        "metadata": {…}, "dailyLimit": …, "trunk": …, "isPrimary": …, "isActive": …, "campaignId": …}, only what is to be changed"#;
}

impl Changes {
    /// What the store is to change, and whether the number is to be switched on or off.
    pub fn split(self) -> (Edit, Option<bool>) {
        let edit = Edit {
            friendly_name: self.friendly_name,
            kind: self.r#type,
            provider: self.provider,
            provider_id: self.provider_id,
            capabilities: self.capabilities,
            metadata: self.metadata,
            daily_limit: self.daily_limit,
            trunk: self.trunk,
            primary: self.is_primary,
        };
        (edit, self.is_active)
    }
}

pub(in crate::http) async fn edit(
    State(state): State<AppState>,
    caller: Caller,
    NumberPath(key): NumberPath,
    headers: HeaderMap,
    Body(changes): Body<Changes>,
) -> Result<Response, Problem> {
    let sight = caller.may(Action::NumbersManage)?;
    let wanted = if_match(&headers)?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, sight, key).await?;
    let campaign = changes.campaign_id.clone();
    let (edit, active) = changes.split();
    let edited = inventory::edit(&mut transaction, caller.organization, row.id, &edit, wanted).await;
    let mut row = match edited {
        Ok(Edited::Done(row)) => *row,
        Ok(Edited::Outdated { .. }) => return Err(outdated()),
        Err(crate::store::StoreError::NotFound { what: "trunk", .. }) => return Err(no_trunk()),
        Err(error) => return Err(error.into()),
    };
    if let Some(active) = active {
        super::acts::switch(&mut transaction, &caller, &row, active).await?;
        row = inventory::one(&mut transaction, caller.organization, NumberKey::Id(row.id)).await?;
    }
    campaigns::link_only(&mut transaction, &caller, row.id, &campaign).await?;
    let tag = etag(row.version);
    let shown: NumberView = view(&mut transaction, Sight::All, row).await?;
    transaction.commit().await?;
    Ok(([(ETAG, tag)], Json(shown)).into_response())
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeletedNumber")]
struct Gone {
    result: Deleted,
}

pub(in crate::http) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    NumberPath(key): NumberPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sight = caller.may(Action::NumbersManage)?;
    let wanted = if_match(&headers)?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, sight, key).await?;
    if wanted.is_some_and(|version| version != row.version) {
        return Err(outdated());
    }
    let result = inventory::delete(&mut transaction, caller.organization, row.id).await?;
    transaction.commit().await?;
    Ok(Json(Gone { result }).into_response())
}

/// The version that the number must still have; none: any.
fn if_match(headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    match value.to_str() {
        Ok("*") => Ok(None),
        Ok(tag) => version(tag).map(Some).ok_or_else(outdated),
        Err(_) => Err(outdated()),
    }
}

fn no_trunk() -> Problem {
    let detail =
        "There is no trunk of that name. Leave it out if there is just one, or ask your administrator.".to_owned();
    unprocessable("no_such_trunk", "No such trunk", detail)
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    let example = r#"{"friendlyName": "Support", "dailyLimit": 300, "metadata": {"department": "support"}}"#;
    let changes = |operation: Operation| {
        let operation = operation.needs(Action::NumbersManage).takes::<Changes>(example);
        operation.gives::<NumberView>(200, "The number as it is now").guarded()
    };
    vec![
        Operation::post("/api/v1/numbers", "addNumber", "A number that the organization has")
            .says("`phoneNumber` is taken for `number`, `region` for `countryCode`, `name` for `friendlyName`, `providerSid` for \
                `providerId`. Without a country code the number is read as of the organization's country.")
            .needs(Action::NumbersManage)
            .takes::<New>(r#"{"number": "+12025550123", "provider": "telnyx", "friendlyName": "Sales", "dailyLimit": 300}"#)
            .gives::<NumberView>(201, "Added")
            .located()
            .tagged(),
        Operation::get("/api/v1/numbers/{number}", "getNumber", "One number with its agents")
            .needs(Action::NumbersSee)
            .gives::<NumberView>(200, "The number")
            .tagged(),
        changes(
            Operation::patch("/api/v1/numbers/{number}", "changeNumber", "Change a number")
                .says("What is left out stays, and what is null is taken away."),
        ),
        changes(
            Operation::put("/api/v1/numbers/{number}", "putNumber", "Change a number, for programs that only know PUT")
                .says("The same as PATCH: what is left out stays."),
        ),
        Operation::delete("/api/v1/numbers/{number}", "deleteNumber", "Delete a number that no agent has")
            .says("One from which calls were made is kept for their sake, as retired.")
            .needs(Action::NumbersManage)
            .gives::<Gone>(200, "It is gone")
            .header("If-Match", "The `ETag` that you read. If somebody changed it since, nothing happens: 412 `outdated`."),
    ]
}
