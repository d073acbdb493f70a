//! `GET …/numbers/export`: all numbers as CSV, which can be uploaded again. Nothing in it is a formula to a spreadsheet.

use super::list::everything;
use crate::access::Action;
use crate::core::ids::NumberId;
use crate::http::auth::Caller;
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem};
use crate::inventory::csv;
use crate::policy::NumberState;
use crate::store::inventory::{self, NumberFilter};
use crate::store::numbers::NumberRow;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::stream;

/// So many are read at a time.
const PAGE: u32 = 500;

/// What comes next.
enum Next {
    Header,
    After(NumberId),
    Nothing,
}

pub(in crate::http) async fn export(State(state): State<AppState>, caller: Caller) -> Result<Response, Problem> {
    everything(&caller)?;
    let pages = stream::try_unfold((state, caller, Next::Header), |(state, caller, next)| async move {
        let (after, mut text) = match next {
            Next::Nothing => return Ok::<_, std::io::Error>(None),
            Next::Header => (None, csv::header_line()),
            Next::After(id) => (Some(id), String::new()),
        };
        let rows = page(&state, &caller, after).await.map_err(|_| std::io::Error::other("the database is away"))?;
        let next = match rows.last() {
            Some(last) if rows.len() == PAGE as usize => Next::After(last.id),
            _ => Next::Nothing,
        };
        for row in &rows {
            csv::write(&row.cells(), &mut text);
        }
        Ok(Some((Bytes::from(text), (state, caller, next))))
    });
    let headers =
        [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"numbers.csv\"")];
    Ok((headers, Body::from_stream(pages)).into_response())
}

async fn page(state: &AppState, caller: &Caller, after: Option<NumberId>) -> Result<Vec<NumberRow>, Problem> {
    let states = Some(vec![NumberState::Assigned, NumberState::Inactive, NumberState::Resting]);
    let filter = NumberFilter { states, ..NumberFilter::default() };
    let mut transaction = caller.begin(state).await?;
    Ok(inventory::page(&mut transaction, caller.organization, &filter, after, PAGE).await?)
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/numbers/export", "exportNumbers", "All numbers as CSV, which can be uploaded again")
            .needs(Action::NumbersSee)
            .gives_media(200, "text/csv", "The list"),
    ]
}
