//! `GET …/numbers`, and the numbers in other lights: for a drop-down, by groups, counted.

use super::view::{NumberView, Status, view, views};
use crate::access::Action;
use crate::core::ids::NumberId;
use crate::core::number::{E164, RegionCode};
use crate::http::auth::{Caller, Sight};
use crate::http::extract::{Form, Params};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem, agents};
use crate::inventory::NumberKind;
use crate::policy::NumberState;
use crate::store::inventory::{self, NumberFilter};
use crate::store::overview::{self, Group, Summary};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const USUAL: u32 = 50;
const MOST: u32 = 200;
/// A drop-down that is longer needs `search`.
const DROPDOWN: u32 = 1000;
const GROUPS: u32 = 500;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NumberQuery")]
pub(in crate::http) struct Request {
    status: Option<Status>,
    assigned: Option<bool>,
    #[schemars(length(min = 1, max = 100))]
    search: Option<String>,
    agent: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    provider: Option<String>,
    #[serde(alias = "region")]
    country_code: Option<RegionCode>,
    r#type: Option<NumberKind>,
    /// `key:value` of the metadata.
    #[schemars(length(max = 100), regex(pattern = "^.*:.*$"))]
    group: Option<String>,
    include_inactive: Option<bool>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<NumberId>,
}

impl Form for Request {
    const FORM: &'static str = "status=<active, inactive, resting or retired>, assigned=<true or false: to an agent>, \
        search=<a part of the number, the name or the provider's id>, agent=<endpoint or id>, provider=<name>, \
        countryCode=<such as US>, type=<such as local>, group=<key:value of the metadata>, \
        includeInactive=<false: only active ones, true: retired ones too>, limit=<1 to 200>, cursor=<`next` of the page before>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberPage")]
pub(in crate::http) struct Page {
    numbers: Vec<NumberView>,
    /// The `cursor` of the next page; null if this is the last.
    next: Option<NumberId>,
}

pub(in crate::http) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(request): Params<Request>,
) -> Result<Json<Page>, Problem> {
    let sight = caller.may(Action::NumbersSee)?;
    let limit = request.limit.unwrap_or(USUAL);
    let group = request.group.as_deref().map(|group| group.split_once(':').ok_or(()));
    let Ok(group) = group.transpose() else { return Err(Problem::wrong_query(Request::FORM)) };
    let fits = |text: &Option<String>| text.as_ref().is_none_or(|text| (1..=100).contains(&text.chars().count()));
    if !(1..=MOST).contains(&limit) || !fits(&request.search) || !fits(&request.provider) || !fits(&request.group) {
        return Err(Problem::wrong_query(Request::FORM));
    }
    let mut transaction = caller.begin(&state).await?;
    let agent = match &request.agent {
        Some(agent) => Some(agents::find(&mut transaction, &caller, sight, agent).await?.id),
        None => sight.only(),
    };
    let states = match (request.status, request.include_inactive) {
        (Some(status), _) => Some(vec![status.state()]),
        (None, Some(false)) => Some(vec![NumberState::Assigned]),
        (None, Some(true)) => {
            Some(vec![NumberState::Assigned, NumberState::Inactive, NumberState::Resting, NumberState::Retired])
        }
        (None, None) => None,
    };
    let filter = NumberFilter {
        states,
        assigned: request.assigned,
        agent,
        group: group.map(|(key, value)| (key.to_owned(), value.to_owned())),
        search: request.search,
        provider: request.provider,
        region: request.country_code,
        kind: request.r#type,
    };
    // One more than asked for tells whether there is a next page.
    let mut rows = inventory::page(&mut transaction, caller.organization, &filter, request.cursor, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Page { numbers: views(&mut transaction, sight, rows).await?, next }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "DropdownQuery")]
pub(in crate::http) struct Choice {
    search: Option<String>,
}

impl Form for Choice {
    const FORM: &'static str = "search=<a part of the number or the name>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DropdownItem")]
pub(in crate::http) struct Item {
    id: NumberId,
    number: E164,
    label: String,
    is_primary: bool,
}

/// The numbers in use, the primary one first, then by their names; 1000 at most.
pub(in crate::http) async fn dropdown(
    State(state): State<AppState>,
    caller: Caller,
    Params(Choice { search }): Params<Choice>,
) -> Result<Json<Vec<Item>>, Problem> {
    let sight = caller.may(Action::NumbersSee)?;
    let mut transaction = caller.begin(&state).await?;
    let states = Some(vec![NumberState::Assigned]);
    let filter = NumberFilter { states, search, agent: sight.only(), ..NumberFilter::default() };
    let rows = inventory::page(&mut transaction, caller.organization, &filter, None, DROPDOWN).await?;
    let item = |row: crate::store::numbers::NumberRow| Item {
        id: row.id,
        number: row.e164,
        label: row.friendly_name.unwrap_or_else(|| row.e164.to_string()),
        is_primary: row.is_primary,
    };
    let mut items: Vec<Item> = rows.into_iter().map(item).collect();
    items.sort_by(|a, b| (!a.is_primary, &a.label, a.number).cmp(&(!b.is_primary, &b.label, b.number)));
    Ok(Json(items))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "GroupQuery")]
pub(in crate::http) struct By {
    #[schemars(length(min = 1, max = 100))]
    by: Option<String>,
}

impl Form for By {
    const FORM: &'static str = "by=<a key of the metadata, such as department>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", untagged)]
#[schemars(rename = "NumberGroups")]
pub(in crate::http) enum Groups {
    Of { by: String, groups: Vec<Group> },
    Keys { keys: Vec<KeyView> },
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GroupKey")]
pub(in crate::http) struct KeyView {
    key: String,
    numbers: i64,
}

/// By the values of a key of the metadata; without one, the keys that there are.
pub(in crate::http) async fn groups(
    State(state): State<AppState>,
    caller: Caller,
    Params(By { by }): Params<By>,
) -> Result<Json<Groups>, Problem> {
    everything(&caller)?;
    let mut transaction = caller.begin(&state).await?;
    Ok(Json(match by {
        Some(by) if by.is_empty() || by.chars().count() > 100 => return Err(Problem::wrong_query(By::FORM)),
        Some(by) => {
            let groups = overview::groups(&mut transaction, caller.organization, &by, GROUPS).await?;
            Groups::Of { by, groups }
        }
        None => {
            let keys = overview::group_keys(&mut transaction, caller.organization, GROUPS).await?;
            Groups::Keys { keys: keys.into_iter().map(|(key, numbers)| KeyView { key, numbers }).collect() }
        }
    }))
}

/// How many agents, and numbers with and without one.
pub(in crate::http) async fn summary(State(state): State<AppState>, caller: Caller) -> Result<Json<Summary>, Problem> {
    everything(&caller)?;
    let mut transaction = caller.begin(&state).await?;
    Ok(Json(overview::summary(&mut transaction, caller.organization).await?))
}

/// The number the organization is known by.
pub(in crate::http) async fn primary(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Option<NumberView>>, Problem> {
    everything(&caller)?;
    let mut transaction = caller.begin(&state).await?;
    Ok(Json(match inventory::primary(&mut transaction, caller.organization).await? {
        Some(row) => Some(view(&mut transaction, Sight::All, row).await?),
        None => None,
    }))
}

/// What counts over all numbers is not for those who see only their own.
pub(super) fn everything(caller: &Caller) -> Result<(), Problem> {
    match caller.may(Action::NumbersSee)? {
        Sight::All => Ok(()),
        Sight::Own(_) => Err(Problem::forbidden(Action::NumbersSee)),
    }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/numbers", "listNumbers", "The organization's numbers with their agents")
            .says("Without `status` and `includeInactive`: all but retired ones. An agent sees their own.")
            .needs(Action::NumbersSee)
            .asks::<Request>()
            .gives::<Page>(200, "A page of numbers"),
        Operation::get(
            "/api/v1/numbers/dropdown",
            "getNumbersDropdown",
            "The numbers in use, with labels, the primary one first",
        )
        .says("1000 at most.")
        .needs(Action::NumbersSee)
        .asks::<Choice>()
        .gives::<Vec<Item>>(200, "The items"),
        Operation::get("/api/v1/numbers/groups", "groupNumbers", "Numbers by the values of a key of their metadata")
            .says("Without `by`: the keys that there are.")
            .needs(Action::NumbersSee)
            .asks::<By>()
            .gives::<Groups>(200, "The groups"),
        Operation::get("/api/v1/numbers/summary", "countNumbers", "How many agents, and numbers with and without one")
            .needs(Action::NumbersSee)
            .gives::<Summary>(200, "The counts"),
        Operation::get(
            "/api/v1/numbers/primary/current",
            "getPrimaryNumber",
            "The number the organization is known by",
        )
        .needs(Action::NumbersSee)
        .gives::<Option<NumberView>>(200, "The number; null if there is none"),
    ]
}
