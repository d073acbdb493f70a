//! `/api/v1/campaigns/{id}/contacts`: whom a campaign calls.

use super::{CampaignPath, LinkPath, MOST, USUAL, find};
use crate::access::Action;
use crate::core::ids::ContactId;
use crate::core::number::RegionCode;
use crate::http::auth::Caller;
use crate::http::extract::{Body, Form, Params};
use crate::http::numbers::{rules, upload as list_upload};
use crate::http::{AppState, Problem};
use crate::inventory::{Field, Label, Metadata};
use crate::numbering;
use crate::store::StoreError;
use crate::store::contacts::{self, Contact, ContactRow};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ContactQuery")]
pub(super) struct Which {
    search: Option<String>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    cursor: Option<ContactId>,
}

impl Form for Which {
    const FORM: &'static str =
        "search=<a part of the name or the number>, limit=<1 to 200>, cursor=<`next` of the page before>";
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ContactPage")]
pub(super) struct Page {
    /// In the order in which they came.
    contacts: Vec<ContactRow>,
    /// The `cursor` of the next page; null if this is the last.
    next: Option<ContactId>,
}

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
    Params(which): Params<Which>,
) -> Result<Json<Page>, Problem> {
    caller.may(Action::CampaignsSee)?;
    let limit = which.limit.unwrap_or(USUAL);
    let fits = which.search.as_ref().is_none_or(|text| (1..=100).contains(&text.chars().count()));
    if !(1..=MOST).contains(&limit) || !fits {
        return Err(Problem::wrong_query(Which::FORM));
    }
    let mut transaction = caller.begin(&state).await?;
    let campaign = find(&mut transaction, &caller, &key).await?.id;
    let (search, organization) = (which.search.as_deref(), caller.organization);
    let mut contacts =
        contacts::page(&mut transaction, organization, campaign, search, which.cursor, limit + 1).await?;
    let more = contacts.len() > limit as usize;
    contacts.truncate(limit as usize);
    let next = contacts.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Page { contacts, next }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewContact")]
pub(super) struct New {
    #[serde(alias = "phoneNumber", alias = "phone_number")]
    number: String,
    #[serde(alias = "region")]
    country_code: Option<RegionCode>,
    name: Option<Label>,
    metadata: Option<Metadata>,
}

impl Form for New {
    const FORM: &'static str = r#"{"number": "+12025550123", "countryCode": "US", "name": …, "metadata": {…}}, all but the
        number may be left out"#;
}

pub(super) async fn add(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<ContactRow>), Problem> {
    caller.may(Action::CampaignsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let campaign = find(&mut transaction, &caller, &key).await?.id;
    let rules = rules(&state, &mut transaction, &caller).await?;
    let country = new.country_code.or(rules.country);
    let number = numbering::parse_owned_number(&new.number, country.as_ref(), &rules.extra).map_err(|error| {
        let detail = format!("`number`: {error}");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_number", "Not a phone number", detail)
    })?;
    let (name, metadata) = (new.name.as_ref(), new.metadata.as_ref());
    let row = contacts::add(&mut transaction, caller.organization, campaign, number.e164, name, metadata).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(row)))
}

pub(super) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    LinkPath(key, contact): LinkPath,
) -> Result<StatusCode, Problem> {
    caller.may(Action::CampaignsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let campaign = find(&mut transaction, &caller, &key).await?.id;
    let contact = contact.parse().map(Contact::Id).map_err(|_| absent())?;
    match contacts::remove(&mut transaction, caller.organization, campaign, contact).await {
        Err(StoreError::NotFound { .. }) => return Err(absent()),
        answer => answer?,
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn absent() -> Problem {
    let detail = "The campaign has no contact of this id. Take the id from the list of its contacts.";
    Problem::new(StatusCode::NOT_FOUND, "contact_not_found", "No such contact", detail)
}

/// A list of contacts, as lines like `+12025550123,Alice`, as CSV with the columns number, name and metadata, or as JSON.
pub(super) async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
    Params(how): Params<list_upload::How>,
    request: Request,
) -> Result<Json<list_upload::Report>, Problem> {
    caller.may(Action::CampaignsManage)?;
    let (campaign, rules) = {
        let mut transaction = caller.begin(&state).await?;
        let campaign = find(&mut transaction, &caller, &key).await?.id;
        (campaign, rules(&state, &mut transaction, &caller).await?)
    };
    let (upload, staged) = list_upload::receive(&state, &caller, request, rules, &Field::OF_CONTACTS).await?;
    let mut transaction = caller.begin(&state).await?;
    let outcome = contacts::settle(&mut transaction, upload, caller.organization, campaign, how.mode()).await?;
    list_upload::told(transaction, upload, outcome, staged).await
}
