//! Admission: may this call be made, and from which number. One transaction: it decides, counts and writes, or does nothing.
//!
//! 1. The agent's row is locked, so the calls of one agent are decided one after the other.
//! 2. What is true *then* is read by a statement of its own. A statement sees what was committed when it began, so one that
//!    waited for the lock and read at the same time would decide by what was true before it waited; the day, too, would be
//!    that of before midnight.
//! 3. The rules rank the numbers ([`policy::choose`](crate::policy::choose), handed in as a closure).
//! 4. One statement counts number, assignment and agent and writes the call ([`reserve`](super::reserve)), or does nothing if
//!    the number was used up by another agent in the meantime.
//!
//! **Why nobody waits in a circle.** Only step 4 waits for a row that other agents want: that of the number's day. When it has
//! that row, it waits for nothing more but rows that belong to this agent alone. And it asks for one number only: a row on
//! which a conditional update fails stays locked until the transaction ends, so going on to the next number in the same
//! transaction would hold one number and wait for another, and two agents that rank two exhausted numbers the other way round
//! would wait for each other. So a number lost to another agent ends the transaction, and the next one begins with a new
//! snapshot, in which that number is seen to be exhausted, with its reason. A round is lost only because another agent won, and
//! each number is lost once, so rounds are few.

use super::reserve::Reservation;
use super::{Store, StoreError, columns, reserve};
use crate::core::ids::{CallId, ChannelId, EndpointName, NodeName};
use crate::core::input::Admission;
use crate::core::outcome::RefusalReason;
use crate::core::{fact::Origin, ids::AgentId};
use crate::policy::{Agent, Candidate, Decision, Request, Snapshot};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

/// Who wants to call whom.
#[derive(Clone, Debug)]
pub struct AdmitRequest {
    /// The call's id, made by the caller: asking twice for the same call counts once.
    pub call: CallId,
    /// The agent's phone.
    pub endpoint: EndpointName,
    /// What was dialled, as it came.
    pub dialled_raw: String,
    /// By which door.
    pub origin: Origin,
    /// The agent's channel, if the agent's phone made the call.
    pub agent_channel: Option<ChannelId>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// On which Asterisk.
    pub node: NodeName,
}

/// What the closure handed to [`Store::admit`] makes of a snapshot.
#[derive(Clone, Debug)]
pub struct Decided {
    /// When, by the clock of the daemon.
    pub at: Timestamp,
    /// Whom to call; none if what was dialled is not a number.
    pub destination: Option<Request>,
    /// What is to be done.
    pub outcome: Outcome,
    /// Why; kept with the call.
    pub decision: Decision,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is an emergency number: nothing is counted, and nothing is written here.
    Emergency,
    /// The call may not be made, whatever the numbers.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// What the agent is told.
        sentence: String,
    },
    /// Take the first of the ranked numbers; if the decision is a refusal, refuse.
    Choose,
}

/// What became of an [`AdmitRequest`].
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// The call may be made; its row, its decision and its reservation stand.
    Admitted(Admission),
    /// It may not; its row and its decision stand.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// What the agent is told.
        sentence: String,
    },
    /// It is an emergency number. Nothing was written.
    Emergency,
}

/// How often a stale connection or a deadlock is tolerated.
const STUMBLES: u32 = 2;
/// How often another agent may be faster. An agent can lose each of their numbers once, and nobody has that many.
const ROUNDS: u32 = 64;

/// One transaction's end.
enum Round {
    Done(Admitted),
    /// The number was used up by another agent meanwhile. Nothing was written.
    Lost,
}

enum Failure {
    /// Nothing was written.
    Before(StoreError),
    /// The connection was lost after COMMIT was sent.
    During(sqlx::Error),
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

impl Store {
    /// Decides, reserves and writes, in one transaction. The row of a refused call is written too. If the same call is asked
    /// for again, the answer is the same and nothing more is counted.
    ///
    /// `decide` may run several times, and must not wait for anything: the agent's row is locked meanwhile.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked. Then nothing was counted, unless it is [`StoreError::OutcomeUnknown`].
    pub async fn admit(
        &self,
        request: &AdmitRequest,
        decide: impl Fn(&Snapshot) -> Decided + Send + Sync,
    ) -> Result<Admitted, StoreError> {
        let mut stumbles = 0;
        let mut rounds = 0;
        loop {
            match self.round(request, &decide).await {
                Ok(Round::Done(admitted)) => return Ok(admitted),
                Ok(Round::Lost) if rounds < ROUNDS => rounds += 1,
                Ok(Round::Lost) => return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
                Err(Failure::Before(error)) if error.is_passing() && stumbles < STUMBLES => stumbles += 1,
                Err(Failure::Before(StoreError::Constraint { name, .. })) if name == "calls_pkey" => {
                    // asked for twice: the first answer stands
                    return self.outcome(request).await?.ok_or(StoreError::OutcomeUnknown);
                }
                Err(Failure::Before(error)) => return Err(error),
                Err(Failure::During(error)) => return self.after_lost_commit(request, error).await,
            }
        }
    }

    /// What [`admit`](Self::admit) would decide now. Nothing is locked, counted or written. None if the phone belongs to no
    /// agent.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn dry_run(
        &self,
        endpoint: &EndpointName,
        decide: impl FnOnce(&Snapshot) -> Decided + Send,
    ) -> Result<Option<Decided>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let agent: Option<AgentId> = sqlx::query_scalar("SELECT id FROM agents WHERE endpoint = $1")
            .bind(endpoint.as_ref())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(agent) = agent else { return Ok(None) };
        let (_, snapshot) = snapshot(&mut connection, agent, endpoint).await?;
        Ok(Some(decide(&snapshot)))
    }

    async fn round(
        &self,
        request: &AdmitRequest,
        decide: &(impl Fn(&Snapshot) -> Decided + Send + Sync),
    ) -> Result<Round, Failure> {
        let mut transaction = self.pool.begin().await?;
        let round = match lock(&mut transaction, &request.endpoint).await? {
            None => {
                let reason = RefusalReason::NotAnAgent;
                let refusal = reserve::Refusal { reason, sentence: reason.sentence(), at: request.requested_at };
                reserve::refuse(&mut transaction, request, None, &refusal, None).await?;
                Round::Done(Admitted::Refused { reason, sentence: reason.sentence().to_owned() })
            }
            Some(agent) => {
                let (day, snapshot) = snapshot(&mut transaction, agent, &request.endpoint).await?;
                let decided = decide(&snapshot);
                carry_out(&mut transaction, request, day, &snapshot, &decided).await?
            }
        };
        match round {
            Round::Done(Admitted::Admitted(_) | Admitted::Refused { .. }) => {}
            Round::Done(Admitted::Emergency) | Round::Lost => {
                transaction.rollback().await?;
                return Ok(round);
            }
        }
        match transaction.commit().await {
            Ok(()) => Ok(round),
            Err(error) if StoreError::was_rolled_back(&error) => Err(Failure::Before(error.into())),
            Err(error) => Err(Failure::During(error)),
        }
    }

    /// Finds out what became of a commit. The call is never written a second time.
    async fn after_lost_commit(&self, request: &AdmitRequest, error: sqlx::Error) -> Result<Admitted, StoreError> {
        for _ in 0..=STUMBLES {
            match self.outcome(request).await {
                Ok(Some(admitted)) => return Ok(admitted),
                // it did not take place, and for certain will not
                Ok(None) => return Err(StoreError::Unavailable(error)),
                Err(failed) if failed.is_passing() => {}
                Err(_) => break,
            }
        }
        Err(StoreError::OutcomeUnknown)
    }

    /// What was decided for a call. The old connection's transaction may still be on its way to its end; it holds the agent's
    /// row, so that whoever gets that row sees how it ended.
    async fn outcome(&self, request: &AdmitRequest) -> Result<Option<Admitted>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, &request.endpoint).await?;
        let admitted = reserve::outcome(&mut transaction, request.call).await?;
        transaction.rollback().await?;
        Ok(admitted)
    }
}

const LOCK: &str = "SELECT id FROM agents WHERE endpoint = $1 FOR NO KEY UPDATE";

/// Lets a new connection plan the statements of an admission, by asking for a call of nobody. Nothing is written. Tables
/// that are not there yet are no error: the first call will say so.
pub(super) async fn plan(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let nobody = uuid::Uuid::nil();
    if sqlx::query(LOCK).bind("").fetch_optional(&mut *transaction).await.is_ok()
        && sqlx::query(SNAPSHOT).bind(nobody).fetch_optional(&mut *transaction).await.is_ok()
    {
        // Planned, then refused: there is no such number.
        let _ = reserve::plan(&mut transaction).await;
    }
    transaction.rollback().await
}

/// Locks the agent. Updates of the row wait; inserting rows that refer to it does not.
async fn lock(connection: &mut PgConnection, endpoint: &EndpointName) -> Result<Option<AgentId>, StoreError> {
    let agent = sqlx::query_scalar(LOCK).bind(endpoint.as_ref()).fetch_optional(connection).await?;
    Ok(agent)
}

async fn carry_out(
    connection: &mut PgConnection,
    request: &AdmitRequest,
    day: jiff_sqlx::Date,
    snapshot: &Snapshot,
    decided: &Decided,
) -> Result<Round, StoreError> {
    let refusal = match &decided.outcome {
        Outcome::Emergency => return Ok(Round::Done(Admitted::Emergency)),
        Outcome::Refused { reason, sentence } => Some((*reason, sentence.clone())),
        Outcome::Choose => decided.decision.refusal.map(|reason| {
            let sentence = decided.decision.sentence().unwrap_or_else(|| reason.sentence().to_owned());
            (reason, sentence)
        }),
    };
    if let Some((reason, sentence)) = refusal {
        let refusal = reserve::Refusal { reason, sentence: &sentence, at: decided.at };
        let decision = Some(&decided.decision);
        let who = reserve::Refused { agent: &snapshot.agent, day, destination: decided.destination.as_ref() };
        reserve::refuse(connection, request, Some(&who), &refusal, decision).await?;
        return Ok(Round::Done(Admitted::Refused { reason, sentence }));
    }

    let best = decided.decision.ranked.first();
    let candidate = best.and_then(|best| snapshot.candidates.iter().find(|c| c.assignment == best.assignment));
    let (Some(candidate), Some(destination)) = (candidate, decided.destination.as_ref()) else {
        return Err(inconsistent_decision(request.call));
    };
    let Some(trunk) = candidate.trunk.clone() else { return Err(inconsistent_decision(request.call)) };
    let reservation = Reservation { request, agent: &snapshot.agent, day, candidate, trunk, destination, decided };
    Ok(match reserve::reserve(connection, reservation).await? {
        Some(admission) => Round::Done(Admitted::Admitted(admission)),
        None => Round::Lost,
    })
}

/// A decision that admits without a usable number or destination. `policy::choose` makes none such.
fn inconsistent_decision(call: CallId) -> StoreError {
    StoreError::Inconsistent { table: "call_decisions", column: "ranked".to_owned(), row: call.to_string() }
}

const SNAPSHOT: &str = "
    WITH agent AS MATERIALIZED (
        SELECT g.id, g.organization_id, o.country, g.active AND o.active AS active, g.daily_limit,
            cordboard_local_day(o.time_zone) AS day
        FROM agents g JOIN organizations o ON o.id = g.organization_id
        WHERE g.id = $1
    )
    SELECT agent.organization_id, agent.country, agent.active, agent.daily_limit AS agent_limit, agent.day,
        coalesce(gd.used, 0) AS agent_used,
        c.*
    FROM agent
    LEFT JOIN agent_days gd ON gd.agent_id = agent.id AND gd.day = agent.day
    LEFT JOIN LATERAL (
        SELECT a.id AS assignment_id, a.number_id, n.e164, n.state, t.name AS trunk, coalesce(t.plus, true) AS plus,
            coalesce(ad.used, 0) AS used, a.daily_limit, coalesce(nd.used, 0) AS number_used,
            n.daily_limit AS number_limit, a.allowed_countries, a.allowed_classes,
            coalesce(nd.last_used_at, (
                SELECT x.last_used_at FROM number_days x WHERE x.number_id = n.id ORDER BY x.day DESC LIMIT 1
            )) AS last_used_at
        FROM assignments a
        JOIN numbers n ON n.id = a.number_id AND n.organization_id = a.organization_id
        LEFT JOIN trunks t ON t.id = n.trunk_id AND t.active
        LEFT JOIN number_days nd ON nd.number_id = n.id AND nd.day = agent.day
        LEFT JOIN assignment_days ad ON ad.assignment_id = a.id AND ad.day = agent.day
        WHERE a.agent_id = agent.id AND a.starts_at <= clock_timestamp()
            AND (a.ends_at IS NULL OR a.ends_at > clock_timestamp())
    ) c ON true";

/// What is true now: the day where the agent is, and all that a decision needs.
async fn snapshot(
    connection: &mut PgConnection,
    agent: AgentId,
    endpoint: &EndpointName,
) -> Result<(jiff_sqlx::Date, Snapshot), StoreError> {
    let rows = sqlx::query(SNAPSHOT).bind(agent.0).fetch_all(connection).await?;
    let Some(first) = rows.first() else {
        return Err(StoreError::NotFound { what: "agent", key: agent.to_string() });
    };
    let read = || -> Result<_, sqlx::Error> {
        let agent = Agent {
            id: agent,
            organization: first.try_get("organization_id")?,
            endpoint: endpoint.clone(),
            country: first.try_get("country")?,
            active: first.try_get("active")?,
            used_today: columns::count(first, "agent_used")?,
            daily_limit: columns::maybe_count(first, "agent_limit")?,
        };
        let assigned = rows.iter().filter_map(|row| candidate(row).transpose());
        Ok((first.try_get("day")?, Snapshot { agent, candidates: assigned.collect::<Result<_, _>>()? }))
    };
    read().map_err(StoreError::reading("assignments", endpoint))
}

/// The candidate of one row; none in the only row of an agent without numbers.
fn candidate(row: &PgRow) -> Result<Option<Candidate>, sqlx::Error> {
    let Some(assignment) = row.try_get("assignment_id")? else { return Ok(None) };
    Ok(Some(Candidate {
        assignment,
        number: row.try_get("number_id")?,
        e164: row.try_get("e164")?,
        state: row.try_get("state")?,
        trunk: row.try_get("trunk")?,
        plus: row.try_get("plus")?,
        used_today: columns::count(row, "used")?,
        daily_limit: columns::count(row, "daily_limit")?,
        number_used_today: columns::count(row, "number_used")?,
        number_daily_limit: columns::maybe_count(row, "number_limit")?,
        last_used_at: columns::maybe_time(row, "last_used_at")?,
        countries: columns::set(row, "allowed_countries")?,
        classes: columns::set(row, "allowed_classes")?,
    }))
}
