//! `POST …/numbers/bulk-upload`: a list of numbers, as CSV, as lines like `+12025550123,telnyx,US`, or as JSON. CSV is read as
//! it arrives; a list takes no memory here, however long it is. One wrong line keeps all of it out, unless `onError=skip`
//! is said; in both cases each line gets its answer.

use super::rules;
use crate::access::Action;
use crate::http::auth::Caller;
use crate::http::extract::{Form, IdPath, Params};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem};
use crate::inventory::{Field, Line, Rules, Unreadable, csv, json};
use crate::store::Transaction;
use crate::store::uploads::{self, Mode, Outcome, UploadId, UploadRow};
use axum::Json;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Lists that are taken at the same time. They share the database with the calls.
pub(super) const AT_ONCE: usize = 2;
/// For a list, from its head to the answer.
pub(super) const TIME: Duration = Duration::from_mins(5);
/// A sender who says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(20);
/// Of CSV.
const MAX_BYTES: usize = 32 << 20;
/// Of JSON, which must be here whole.
const MAX_JSON_BYTES: usize = 4 << 20;
/// Of either.
const MAX_ROWS: usize = 200_000;
/// So many lines, or bytes, are written down at a time.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;
/// So many lines are in the answer; the others are at `…/uploads/{id}`.
const SHOWN: u32 = 1000;

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "UploadOnError")]
enum OnError {
    #[default]
    Refuse,
    Skip,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UploadQuery")]
pub(in crate::http) struct How {
    #[serde(default)]
    on_error: OnError,
}

impl How {
    pub fn mode(self) -> Mode {
        match self.on_error {
            OnError::Refuse => Mode::AllOrNothing,
            OnError::Skip => Mode::SkipWrong,
        }
    }
}

impl Form for How {
    const FORM: &'static str =
        "onError=<refuse: one wrong line keeps all out, the usual; skip: wrong lines are left out>";
}

/// What became of a list.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "UploadReport")]
pub(in crate::http) struct Report {
    id: UploadId,
    #[serde(flatten)]
    outcome: Outcome,
    rows: Vec<UploadRow>,
    /// Where the lines that are not in `rows` can be read, for an hour.
    more: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
}

pub(in crate::http) async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    Params(how): Params<How>,
    request: Request,
) -> Result<Json<Report>, Problem> {
    caller.may(Action::NumbersManage)?;
    let rules = rules(&state, &mut caller.begin(&state).await?, &caller).await?;
    let (upload, staged) = receive(&state, &caller, request, rules, &Field::ALL).await?;
    let mut transaction = caller.begin(&state).await?;
    let outcome = uploads::settle(&mut transaction, upload, Some(caller.organization), how.mode()).await?;
    told(transaction, upload, outcome, staged).await
}

/// Takes a list of such lines in and writes it down beside the inventory, line by line. Tells how many there are.
pub(in crate::http) async fn receive(
    state: &AppState,
    caller: &Caller,
    request: Request,
    rules: Rules,
    fields: &'static [Field],
) -> Result<(UploadId, usize), Problem> {
    let kind = kind(request.headers())?;
    let limit = if kind == Kind::Csv { MAX_BYTES } else { MAX_JSON_BYTES };
    if request.body().size_hint().lower() > limit as u64 {
        return Err(Problem::too_large(limit));
    }
    let mut transaction = caller.begin(state).await?;
    let upload = uploads::begin(&mut transaction, Some(caller.organization)).await?;
    transaction.commit().await?;
    let mut list = List { state, caller, upload, staged: 0, fields };
    let read = match kind {
        Kind::Csv => list.read_csv(request.into_body(), rules).await,
        Kind::Json => list.read_json(request.into_body(), &rules).await,
    };
    if let Err(problem) = read {
        let mut transaction = caller.begin(state).await?;
        uploads::forget(&mut transaction, upload).await?;
        transaction.commit().await?;
        return Err(problem);
    }
    Ok((upload, list.staged))
}

/// Commits, and tells what became of a list.
pub(in crate::http) async fn told(
    mut transaction: Transaction,
    upload: UploadId,
    outcome: Outcome,
    staged: usize,
) -> Result<Json<Report>, Problem> {
    let short = staged <= SHOWN as usize;
    let rows = uploads::rows(&mut transaction, upload, None, SHOWN, !short).await?;
    transaction.commit().await?;
    let more = (!short).then(|| format!("/api/v1/numbers/uploads/{}", upload.0));
    let report = Report { id: upload, outcome, rows, more };
    if outcome.written { Ok(Json(report)) } else { Err(refused(&report, staged)) }
}

fn refused(report: &Report, lines: usize) -> Problem {
    let Outcome { errors, not_written, .. } = report.outcome;
    let detail = format!(
        "Nothing was written: {errors} of {lines} lines are wrong. Correct them, or write the other {not_written} with \
         ?onError=skip."
    );
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "list_refused", "The list has wrong lines", detail);
    let Ok(serde_json::Value::Object(members)) = serde_json::to_value(report) else { return problem };
    members.into_iter().fold(problem, |problem, (name, value)| problem.with(&name, value))
}

fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| part.to_ascii_lowercase().strip_prefix("charset=").map(str::to_owned));
    let known = charset.is_none_or(|set| matches!(set.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
    match essence.as_str() {
        "text/csv" | "text/plain" if known => Ok(Kind::Csv),
        "application/json" if known => Ok(Kind::Json),
        _ => {
            let detail = "Send the list in UTF-8 as text/csv, text/plain (lines like +12025550123,telnyx,US) or \
                application/json, and say which in the header Content-Type.";
            let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
            Err(Problem::new(status, code, "The list must be CSV or JSON", detail))
        }
    }
}

/// A list that is coming in.
struct List<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    upload: UploadId,
    staged: usize,
    fields: &'static [Field],
}

impl List<'_> {
    async fn read_csv(&mut self, body: Body, rules: Rules) -> Result<(), Problem> {
        let (mut reader, mut lines) = (csv::Reader::of(rules, self.fields), Vec::new());
        let (mut bytes, mut since) = (0, 0);
        let mut pieces = body.into_data_stream();
        while let Some(piece) = next(&mut pieces).await? {
            bytes += piece.len();
            since += piece.len();
            if bytes > MAX_BYTES {
                return Err(Problem::too_large(MAX_BYTES));
            }
            reader.feed(&piece, &mut lines).map_err(unreadable)?;
            if lines.len() >= BATCH || since >= BATCH_BYTES {
                self.stage(&mut lines).await?;
                since = 0;
            }
        }
        reader.finish(&mut lines).map_err(unreadable)?;
        self.stage(&mut lines).await
    }

    async fn read_json(&mut self, body: Body, rules: &Rules) -> Result<(), Problem> {
        let mut text = Vec::new();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = next(&mut pieces).await? {
            if text.len() + piece.len() > MAX_JSON_BYTES {
                return Err(Problem::too_large(MAX_JSON_BYTES));
            }
            text.extend_from_slice(&piece);
        }
        let mut lines = Vec::new();
        json::read_of(&text, rules, self.fields, |line| lines.push(line)).map_err(unreadable)?;
        self.stage(&mut lines).await
    }

    /// Writes down what was read until now.
    async fn stage(&mut self, lines: &mut Vec<Line>) -> Result<(), Problem> {
        if self.staged + lines.len() > MAX_ROWS {
            let detail = format!("A list may have {MAX_ROWS} lines at most. Cut it into several.");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_lines", "The list is too long", detail));
        }
        for batch in lines.chunks(BATCH) {
            let mut transaction = self.caller.begin(self.state).await?;
            let place = i32::try_from(self.staged).unwrap_or(i32::MAX);
            uploads::stage(&mut transaction, self.upload, place, batch).await?;
            transaction.commit().await?;
            self.staged += batch.len();
        }
        lines.clear();
        Ok(())
    }
}

async fn next(pieces: &mut axum::body::BodyDataStream) -> Result<Option<axum::body::Bytes>, Problem> {
    let piece = tokio::time::timeout(SILENCE, pieces.next()).await.map_err(|_| Problem::slow_body())?;
    piece.transpose().map_err(|_| Problem::unreadable_body())
}

fn unreadable(error: Unreadable) -> Problem {
    let Unreadable { line, column, message } = error;
    let detail = format!("Nothing was written: line {line}, column {column}: {message}.");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable_list", "The list cannot be read", detail)
        .with("line", line.into())
        .with("column", column.into())
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UploadPageQuery")]
pub(in crate::http) struct Where {
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    cursor: Option<i32>,
    /// Only what was not simply added.
    remarkable: Option<bool>,
}

impl Form for Where {
    const FORM: &'static str =
        "limit=<1 to 1000>, cursor=<`next` of the page before>, remarkable=<true: only lines with a remark>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "UploadPage")]
pub(in crate::http) struct Page {
    id: UploadId,
    #[serde(flatten)]
    outcome: Outcome,
    rows: Vec<UploadRow>,
    next: Option<i32>,
}

/// What became of a list, line by line, for an hour.
pub(in crate::http) async fn look(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(upload): IdPath<Uuid>,
    Params(page): Params<Where>,
) -> Result<Json<Page>, Problem> {
    caller.may(Action::NumbersManage)?;
    let limit = page.limit.unwrap_or(SHOWN);
    if !(1..=SHOWN).contains(&limit) {
        return Err(Problem::wrong_query(Where::FORM));
    }
    let upload = upload.map(UploadId).ok_or_else(absent)?;
    let mut transaction = caller.begin(&state).await?;
    if uploads::owner(&mut transaction, upload).await? != Some(Some(caller.organization)) {
        return Err(absent());
    }
    let outcome = uploads::outcome(&mut transaction, upload).await?.ok_or_else(absent)?;
    let only = page.remarkable.unwrap_or(false);
    let mut rows = uploads::rows(&mut transaction, upload, page.cursor, limit + 1, only).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.place);
    Ok(Json(Page { id: upload, outcome, rows, next }))
}

fn absent() -> Problem {
    let detail = "Your organization sent no list with this id in the last hour, or it is still coming in.";
    Problem::new(StatusCode::NOT_FOUND, "list_not_found", "No such list", detail)
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::post("/api/v1/numbers/bulk-upload", "uploadNumbers", "A list of numbers")
            .says("One wrong line keeps all of it out, unless `onError=skip`. Each line gets its answer; with more than 1000 lines \
                only the remarkable ones are in it, and the others at `more`.")
            .needs(Action::NumbersManage)
            .asks::<How>()
            .takes_media(
                &[
                    ("text/csv", "With a first line that names the columns, as `GET /api/v1/numbers/export` has them; 32 MiB"),
                    ("text/plain", "Lines like `+12025550123,telnyx,US`; 32 MiB"),
                    ("application/json", "`{\"phoneNumbers\": [{\"phoneNumber\": …, \"provider\": …}]}`; 4 MiB"),
                ],
                "number,provider,country_code\n+12025550123,telnyx,US\n",
            )
            .gives::<Report>(200, "It is written"),
        Operation::get("/api/v1/numbers/uploads/{upload}", "getUpload", "What became of a list, line by line, for an hour")
            .needs(Action::NumbersManage)
            .asks::<Where>()
            .gives::<Page>(200, "A page of lines"),
    ]
}
