//! `/api/v1/campaigns`: what calls are made for, from which numbers. Whom they call is in [`contacts`].

mod contacts;

use super::auth::Caller;
use super::extract::{Body, Form, Params};
use super::numbers::{NumberPath, upload};
use super::{AppState, Problem, numbers};
use crate::access::Action;
use crate::core::ids::{CampaignId, NumberId};
use crate::inventory::{Label, Set};
use crate::store::campaigns::{self, CampaignRow, CampaignStatus, LinkedNumber};
use crate::store::contacts::ContactRow;
use crate::store::{StoreError, Transaction, inventory};
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

const USUAL: u32 = 50;
const MOST: u32 = 200;
/// So many numbers are linked at a time.
const LINKS: usize = 1000;

/// The addresses, and what is at them.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/api/v1/campaigns", get(list).post(add)),
        ("/api/v1/campaigns/{id}", get(look).patch(edit)),
        ("/api/v1/campaigns/{id}/numbers", get(linked).post(link)),
        ("/api/v1/campaigns/{id}/numbers/{number}", delete(unlink)),
        ("/api/v1/campaigns/{id}/contacts", get(contacts::list).post(contacts::add)),
        ("/api/v1/campaigns/{id}/contacts/{contact}", delete(contacts::remove)),
    ]
}

/// The addresses of what takes long.
pub(super) fn long_routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![("/api/v1/campaigns/{id}/contacts/bulk-upload", post(contacts::upload))]
}

/// The campaign that the address names: by its id, or its name.
struct CampaignPath(String);

impl FromRequestParts<AppState> for CampaignPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let path: Result<Path<Vec<(String, String)>>, _> = Path::from_request_parts(parts, state).await;
        let first = path.ok().and_then(|Path(parts)| parts.into_iter().next());
        Ok(Self(first.map(|(_, text)| text).unwrap_or_default()))
    }
}

async fn find(transaction: &mut Transaction, caller: &Caller, key: &str) -> Result<CampaignRow, Problem> {
    match campaigns::one(transaction, caller.organization, key).await {
        Err(StoreError::NotFound { .. }) => Err(absent()),
        answer => Ok(answer?),
    }
}

fn absent() -> Problem {
    let detail = "Your organization has no campaign of this id or name. Take one from GET /api/v1/campaigns.";
    Problem::new(StatusCode::NOT_FOUND, "campaign_not_found", "No such campaign", detail)
}

/// The campaign that a call is to be made for.
pub(super) async fn open(transaction: &mut Transaction, caller: &Caller, key: &str) -> Result<CampaignId, Problem> {
    let campaign = find(transaction, caller, key).await?;
    match campaign.status {
        CampaignStatus::Active => Ok(campaign.id),
        CampaignStatus::Paused | CampaignStatus::Archived => {
            let detail = format!("The campaign is {}, so no calls are made for it.", campaign.status.as_str());
            Err(Problem::new(StatusCode::CONFLICT, "campaign_not_active", "The campaign is not active", detail))
        }
    }
}

/// Makes a campaign the only one of a number, as users of other systems say it: `{"campaignId": …}` of the number.
pub(super) async fn link_only(
    transaction: &mut Transaction,
    caller: &Caller,
    number: NumberId,
    campaign: &Set<String>,
) -> Result<(), Problem> {
    let campaign = match campaign {
        Set::Keep => return Ok(()),
        Set::Clear => None,
        Set::To(key) => Some(find(transaction, caller, key).await?.id),
    };
    caller.may(Action::CampaignsManage)?;
    Ok(campaigns::link_only(transaction, caller.organization, campaign, number).await?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "CampaignQuery")]
struct Request {
    status: Option<CampaignStatus>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    cursor: Option<CampaignId>,
}

impl Form for Request {
    const FORM: &'static str = "status=<active, paused or archived; without it all but those that are archived>, \
        limit=<1 to 200>, cursor=<`next` of the page before>";
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CampaignPage")]
struct Page {
    /// In the order in which they were added.
    campaigns: Vec<CampaignRow>,
    /// The `cursor` of the next page; null if this is the last.
    next: Option<CampaignId>,
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(request): Params<Request>,
) -> Result<Json<Page>, Problem> {
    caller.may(Action::CampaignsSee)?;
    let limit = request.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::wrong_query(Request::FORM));
    }
    let mut transaction = caller.begin(&state).await?;
    let mut campaigns =
        campaigns::page(&mut transaction, caller.organization, request.status, request.cursor, limit + 1).await?;
    let more = campaigns.len() > limit as usize;
    campaigns.truncate(limit as usize);
    let next = campaigns.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Page { campaigns, next }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCampaign")]
struct New {
    name: Label,
}

impl Form for New {
    const FORM: &'static str = r#"{"name": "<1 to 100 characters>"}"#;
}

async fn add(State(state): State<AppState>, caller: Caller, Body(new): Body<New>) -> Result<Response, Problem> {
    caller.may(Action::CampaignsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let row = campaigns::add(&mut transaction, caller.organization, &new.name).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/campaigns/{}", row.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(row)).into_response())
}

async fn look(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
) -> Result<Json<CampaignRow>, Problem> {
    caller.may(Action::CampaignsSee)?;
    Ok(Json(find(&mut caller.begin(&state).await?, &caller, &key).await?))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "CampaignChange")]
struct Changes {
    name: Option<Label>,
    status: Option<CampaignStatus>,
}

impl Form for Changes {
    const FORM: &'static str = r#"{"name": …, "status": "<active, paused or archived>"}, only what is to be changed"#;
}

async fn edit(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
    Body(changes): Body<Changes>,
) -> Result<Json<CampaignRow>, Problem> {
    caller.may(Action::CampaignsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let id = find(&mut transaction, &caller, &key).await?.id;
    let name = changes.name.as_ref();
    let row = campaigns::edit(&mut transaction, caller.organization, id, name, changes.status).await?;
    transaction.commit().await?;
    Ok(Json(row))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CampaignNumbers")]
struct Linked {
    /// In their order.
    numbers: Vec<LinkedNumber>,
}

async fn linked(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
) -> Result<Json<Linked>, Problem> {
    caller.may(Action::CampaignsSee)?;
    let mut transaction = caller.begin(&state).await?;
    let id = find(&mut transaction, &caller, &key).await?.id;
    Ok(Json(Linked { numbers: campaigns::numbers(&mut transaction, caller.organization, id).await? }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NumberLinks")]
struct Links {
    /// Ids, or the numbers themselves.
    numbers: Vec<String>,
}

impl Form for Links {
    const FORM: &'static str = r#"{"numbers": ["<number or its id>", …]}, 1000 at most"#;
}

async fn link(
    State(state): State<AppState>,
    caller: Caller,
    CampaignPath(key): CampaignPath,
    Body(links): Body<Links>,
) -> Result<Json<Linked>, Problem> {
    caller.may(Action::CampaignsManage)?;
    if links.numbers.is_empty() || links.numbers.len() > LINKS {
        return Err(Problem::wrong_field("numbers", "1 to 1000 numbers or their ids"));
    }
    let mut transaction = caller.begin(&state).await?;
    let campaign = find(&mut transaction, &caller, &key).await?;
    let mut ids = Vec::with_capacity(links.numbers.len());
    for text in &links.numbers {
        let key = numbers::key(text).ok_or_else(|| Problem::absent("number"))?;
        ids.push(inventory::one(&mut transaction, caller.organization, key).await?.id);
    }
    campaigns::link(&mut transaction, caller.organization, campaign.id, &ids).await?;
    let numbers = campaigns::numbers(&mut transaction, caller.organization, campaign.id).await?;
    transaction.commit().await?;
    Ok(Json(Linked { numbers }))
}

/// The number of an address behind a campaign.
struct LinkPath(String, String);

impl FromRequestParts<AppState> for LinkPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, state).await;
        Ok(path.map_or_else(|_| Self(String::new(), String::new()), |Path((campaign, what))| Self(campaign, what)))
    }
}

async fn unlink(
    State(state): State<AppState>,
    caller: Caller,
    LinkPath(key, number): LinkPath,
) -> Result<Json<Linked>, Problem> {
    caller.may(Action::CampaignsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let campaign = find(&mut transaction, &caller, &key).await?;
    let NumberPath(number) = numbers::key(&number).map(NumberPath).ok_or_else(|| Problem::absent("number"))?;
    let number = inventory::one(&mut transaction, caller.organization, number).await?;
    campaigns::unlink(&mut transaction, caller.organization, campaign.id, &[number.id]).await?;
    let numbers = campaigns::numbers(&mut transaction, caller.organization, campaign.id).await?;
    transaction.commit().await?;
    Ok(Json(Linked { numbers }))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<crate::http::openapi::Operation> {
    use crate::http::openapi::Operation;
    let sees = |operation: Operation| operation.needs(Action::CampaignsSee);
    let manages = |operation: Operation| operation.needs(Action::CampaignsManage);
    vec![
        sees(Operation::get("/api/v1/campaigns", "listCampaigns", "Campaigns; without `status` all but archived ones"))
            .asks::<Request>()
            .gives::<Page>(200, "A page of campaigns"),
        manages(Operation::post("/api/v1/campaigns", "addCampaign", "A new campaign"))
            .takes::<New>(r#"{"name": "Spring"}"#)
            .gives::<CampaignRow>(201, "Added")
            .located(),
        sees(Operation::get("/api/v1/campaigns/{id}", "getCampaign", "One campaign, by its id or name"))
            .gives::<CampaignRow>(200, "The campaign"),
        manages(Operation::patch("/api/v1/campaigns/{id}", "changeCampaign", "Change a campaign"))
            .takes::<Changes>(r#"{"status": "paused"}"#)
            .gives::<CampaignRow>(200, "The campaign as it is now"),
        sees(Operation::get(
            "/api/v1/campaigns/{id}/numbers",
            "listCampaignNumbers",
            "From which numbers its calls are made",
        ))
        .gives::<Linked>(200, "The numbers"),
        manages(Operation::post("/api/v1/campaigns/{id}/numbers", "linkNumbers", "Numbers for a campaign"))
            .takes::<Links>(r#"{"numbers": ["+12025550123"]}"#)
            .gives::<Linked>(200, "Its numbers"),
        manages(Operation::delete(
            "/api/v1/campaigns/{id}/numbers/{number}",
            "unlinkNumber",
            "Take a number from a campaign",
        ))
        .gives::<Linked>(200, "The numbers that are left"),
        sees(Operation::get("/api/v1/campaigns/{id}/contacts", "listContacts", "Whom a campaign calls"))
            .asks::<contacts::Which>()
            .gives::<contacts::Page>(200, "A page of contacts"),
        manages(Operation::post("/api/v1/campaigns/{id}/contacts", "addContact", "Somebody to call"))
            .takes::<contacts::New>(r#"{"number": "+12025550123", "name": "Bob"}"#)
            .gives::<ContactRow>(201, "Added"),
        manages(Operation::delete(
            "/api/v1/campaigns/{id}/contacts/{contact}",
            "removeContact",
            "Somebody not to call any more",
        ))
        .gives_nothing(204, "Removed"),
        manages(Operation::post(
            "/api/v1/campaigns/{id}/contacts/bulk-upload",
            "uploadContacts",
            "A list of people to call",
        ))
        .says("One wrong line keeps all of it out, unless `onError=skip`. Each line gets its answer.")
        .asks::<upload::How>()
        .takes_media(
            &[("text/csv", "With a first line that names the columns"), ("application/json", "A list of contacts")],
            "number,name
+12025550123,Bob
",
        )
        .gives::<upload::Report>(200, "What became of it"),
    ]
}
