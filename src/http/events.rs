//! `GET /api/v1/events`: what happens, as it happens (`text/event-stream`). The id of an event is where it stands: whoever was cut
//! off says the last one in `Last-Event-ID`, and misses nothing and gets nothing twice. Who reads too slowly is cut off.
//!
//! Each stream reads what was before from the database, up to where the shared [`Feed`](crate::daemon::Feed) is, and then hears
//! that. What is not theirs is left out here, in one place: [`Filter::sees`].

use super::agents;
use super::auth::Caller;
use super::extract::{Form, Params};
use super::{AppState, Problem};
use crate::access::Action;
use crate::core::ids::{AgentId, OrganizationId};
use crate::daemon::{Batch, Feed, Seat};
use crate::live::{Event, EventType, Place};
use crate::store::StoreError;
use crate::store::events::Of;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures::Stream;
use serde::Deserialize;
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// A stream without news says that it is there, and how far it is, this often.
const BEAT: Duration = Duration::from_secs(15);
/// Then it ends, and the reader comes again.
const LONGEST: Duration = Duration::from_hours(1);
/// How long a reader waits before they come again, in milliseconds.
const AGAIN: Duration = Duration::from_secs(2);
/// Facts that are looked at in one go.
const PAGE: u16 = 2_000;
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![("/api/v1/events", get(stream))]
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "EventQuery")]
pub(super) struct Request {
    /// Names with commas between them.
    types: Option<String>,
    /// Endpoint or id.
    agent: Option<String>,
    /// As `Last-Event-ID`, for those who cannot send it.
    after: Option<String>,
    /// false: what there is, and no more.
    follow: Option<bool>,
}

impl Form for Request {
    const FORM: &'static str = "types=<names of events with commas between them, such as call.answered,call.ended>, \
        agent=<endpoint or id>, after=<id of the last event that you have>, follow=<false: end after what there is>";
}

/// What a stream tells.
#[derive(Clone, Debug)]
struct Filter {
    organization: OrganizationId,
    agent: Option<AgentId>,
    types: Option<BTreeSet<EventType>>,
}

impl Filter {
    /// Whether it is theirs, and wanted. Nothing is told that did not pass here.
    fn sees(&self, event: &Event) -> bool {
        event.organization == self.organization
            && self.agent.is_none_or(|agent| event.agent == Some(agent))
            && self.types.as_ref().is_none_or(|types| types.contains(&event.kind))
    }
}

async fn stream(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Params(request): Params<Request>,
) -> Result<Response, Problem> {
    let sight = caller.may(Action::LiveSee)?;
    let agent = match request.agent {
        Some(agent) => {
            let mut transaction = caller.begin(&state).await?;
            Some(agents::find(&mut transaction, &caller, sight, &agent).await?.id)
        }
        None => sight.only(),
    };
    let types = request.types.map(|types| types.split(',').map(|name| name.trim().parse()).collect()).transpose();
    let types = types.map_err(|_| Problem::wrong_query(Request::FORM))?;
    let filter = Filter { organization: caller.organization, agent, types };
    let after = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?").to_owned()).or(request.after);
    // A browser that never got an id says none.
    let after = after.filter(|after| !after.is_empty()).map(|after| after.parse::<Place>()).transpose();
    let after = after.map_err(|_| wrong_place())?;
    let follow = request.follow.unwrap_or(true);
    if state.status.draining.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Problem::unavailable("draining", "The daemon is about to stop", "Come again in a moment.", 2));
    }
    // Taken before the first look, so that nothing falls between the two.
    let seat = follow.then(|| state.feed.join(caller.organization, caller.standing()));
    let seat = seat.transpose().map_err(|_| too_many())?;
    let now = state.feed.store().horizon().await?;
    let mut reader = Reader {
        feed: state.feed.clone(),
        seat,
        filter,
        place: after.unwrap_or(Place::before(now)),
        reads: after.is_some(),
        queue: VecDeque::new(),
        beat: Instant::now() + BEAT,
        end: Instant::now() + LONGEST,
        over: false,
    };
    if let Some(after) = after {
        // Of a database that was moved, or too long ago.
        if after.transaction > now || state.feed.store().is_long_ago(after.transaction).await? {
            reader.place = Place::before(now);
            reader.queue.push_back(reader.reset());
        }
    }
    if follow {
        reader.queue.push_front(sse::Event::default().retry(AGAIN).id(reader.place.to_string()).comment("hello"));
    }
    // A proxy that gathers an answer before it passes it on would gather for ever.
    Ok(([("x-accel-buffering", "no")], Sse::new(reader.into_stream())).into_response())
}

fn wrong_place() -> Problem {
    let detail =
        "`Last-Event-ID`, or `after`, must be the id of an event of this stream. Leave it out to begin with now.";
    Problem::new(axum::http::StatusCode::BAD_REQUEST, "wrong_event_id", "That is no event", detail)
}

fn too_many() -> Problem {
    Problem::rate_limited(Duration::from_secs(10))
}

/// One stream.
struct Reader {
    feed: Feed,
    /// None: it ends after what there is.
    seat: Option<Seat>,
    filter: Filter,
    /// All before and this itself have been told.
    place: Place,
    /// What was before is read from the database first.
    reads: bool,
    queue: VecDeque<sse::Event>,
    beat: Instant,
    end: Instant,
    over: bool,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        futures::stream::unfold(self, async |mut reader| {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            // Whoever may not any more hears nothing any more, not even what is there.
            if self.seat.as_ref().is_some_and(|seat| seat.end.is_cancelled()) {
                return None;
            }
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            if self.reads {
                if let Err(error) = self.read().await {
                    tracing::debug!(%error, "a stream cannot read what was before");
                    return None;
                }
            } else {
                self.hear().await;
            }
        }
    }

    /// Reads one page from the database.
    async fn read(&mut self) -> Result<(), StoreError> {
        let of = Of { organization: Some(self.filter.organization), agent: self.filter.agent };
        let news = self.feed.store().news(self.place.transaction, of, Event::told(), PAGE).await?;
        let events = Event::of_all(&news.happenings);
        self.tell(&events, news.next);
        self.reads = news.more;
        self.over = !news.more && self.seat.is_none();
        Ok(())
    }

    /// Waits for what happens next.
    async fn hear(&mut self) {
        let Some(seat) = &mut self.seat else {
            self.over = true;
            return;
        };
        let beat = tokio::time::sleep_until(self.beat.min(self.end));
        tokio::select! {
            () = seat.end.cancelled() => self.over = true,
            batch = seat.batches.recv() => match batch {
                Ok(Batch { from, until, events }) => {
                    if Place::before(from) > self.place {
                        // The feed rested in between: what is missing is in the database.
                        self.reads = true;
                    } else if Place::before(until) > self.place {
                        self.tell(&events, until);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    self.feed.is_too_slow();
                    self.over = true;
                }
                Err(RecvError::Closed) => self.over = true,
            },
            () = beat => {
                if Instant::now() >= self.end {
                    self.over = true;
                } else {
                    // With the place, so that who comes again does not read what was not theirs once more.
                    self.beat = Instant::now() + BEAT;
                    self.queue.push_back(sse::Event::default().id(self.place.to_string()).comment("beat"));
                }
            }
        }
    }

    /// What of it is theirs and new; all before `until` is then told.
    fn tell(&mut self, events: &[Event], until: u64) {
        for event in events.iter().filter(|event| event.place > self.place && self.filter.sees(event)) {
            let told = sse::Event::default().id(event.place.to_string()).event(event.kind.as_str()).data(&event.json);
            self.queue.push_back(told);
            self.beat = Instant::now() + BEAT;
        }
        self.place = self.place.max(Place::before(until));
    }

    /// Tells that something is missing, and that lists are to be read anew.
    fn reset(&self) -> sse::Event {
        let data = r#"{"type":"stream.reset","data":{"detail":"Too much happened since. Read the lists anew."}}"#;
        sse::Event::default().id(self.place.to_string()).event("stream.reset").data(data)
    }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<crate::http::openapi::Operation> {
    use crate::http::openapi::Operation;
    vec![
        Operation::get("/api/v1/events", "streamEvents", "What happens, as it happens")
            .says("Server-sent events. Who was cut off says the last id in `Last-Event-ID`, misses nothing and gets nothing twice. An agent \
                hears of their own calls. With `follow=false` it ends after what there is.")
            .needs(Action::LiveSee)
            .asks::<Request>()
            .header("Last-Event-ID", "The id of the last event that you have")
            .gives_media(200, "text/event-stream", "The stream"),
    ]
}
