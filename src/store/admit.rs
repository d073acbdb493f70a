//! Admission: may this call be made, and from which number. It decides, counts and writes, or does nothing.
//!
//! 1. What is true now is read by one statement. Or, if this agent called before, it is what that call left behind
//!    ([`memory`](super::memory)), and step 3 makes sure of all of it.
//! 2. The rules rank the numbers ([`policy::choose`](crate::policy::choose), handed in as a closure).
//! 3. One statement locks the agent's row, makes sure that what was read still holds, counts agent, assignment and number and
//!    writes the call ([`reserve`](super::reserve)); or all of it is undone, because another call came in between. It is a
//!    transaction of its own, so that a call costs one round trip or two, and nothing is locked while the rules think.
//!
//! Who lost goes the careful way: a transaction in which the agent's row is locked *before* anything is read, by a statement of
//! its own. A statement sees what was committed when it began, so one that waited for the lock and read at the same time would
//! decide by what was true before it waited. The careful way loses only a number, to another agent.
//!
//! **Why nobody waits in a circle.** Rows that belong to this agent alone come first. Only the last wait, for the number's day,
//! is for a row that other agents want, and whoever has it waits for nothing more but such rows in the order of their ids. And
//! it asks for one number only: a row on which a conditional update fails stays locked until the transaction ends, so going on
//! to the next number in the same transaction would hold one number and wait for another, and two agents that rank two exhausted
//! numbers the other way round would wait for each other. So a number lost to another agent ends the transaction, and the next
//! one begins with a new snapshot, in which that number is seen to be exhausted, with its reason. Each number is lost once, so
//! rounds are few.

use super::at_hand::Lent;
use super::doubt::was_lost;
use super::leases::Fence;
use super::reserve::Reservation;
use super::snapshot::{Read, read};
use super::{Store, StoreError, campaigns, reserve, snapshot};
use crate::core::fact::Origin;
use crate::core::ids::{CallId, CampaignId, ChannelId, EndpointName, NodeName};
use crate::core::input::Admission;
use crate::core::outcome::RefusalReason;
use crate::policy::{Decision, Request, Snapshot};
use jiff::Timestamp;
use sqlx::{Connection, PgConnection};

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
pub(super) const STUMBLES: u32 = 2;
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
        self.admit_in(request, None, decide, |_| ()).await
    }

    /// The same, and tells what was chosen while the reservation is still on its way. What is reserved in the end may be
    /// another number, or none.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub async fn admit_telling(
        &self,
        request: &AdmitRequest,
        decide: impl Fn(&Snapshot) -> Decided + Send + Sync,
        chosen: impl Fn(&Admission) + Send + Sync,
    ) -> Result<Admitted, StoreError> {
        self.admit_in(request, None, decide, chosen).await
    }

    /// The same for a campaign, which goes the careful way only; or for none.
    pub(super) async fn admit_in(
        &self,
        request: &AdmitRequest,
        campaign: Option<CampaignId>,
        decide: impl Fn(&Snapshot) -> Decided + Send + Sync,
        chosen: impl Fn(&Admission) + Send + Sync,
    ) -> Result<Admitted, StoreError> {
        let mut stumbles = 0;
        let mut rounds = 0;
        let mut remembered = if campaign.is_none() { self.remembered(request, &decide) } else { None };
        loop {
            let was_remembered = remembered.is_some();
            let round = match (remembered.take(), rounds) {
                (Some(plan), _) => self.remembered_round(request, plan, &chosen).await,
                (None, 0) if campaign.is_none() => self.quick_round(request, &decide, &chosen).await,
                (None, _) => self.careful_round(request, &decide, campaign).await,
            };
            match round {
                Ok(Round::Done(admitted)) => return Ok(admitted),
                Ok(Round::Lost) if was_remembered => {}
                Ok(Round::Lost) if rounds < ROUNDS => rounds += 1,
                Ok(Round::Lost) => return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
                Err(Failure::Before(error)) if error.is_passing() && stumbles < STUMBLES => stumbles += 1,
                Err(Failure::Before(StoreError::Constraint { name, .. })) if name == "calls_pkey" => {
                    // asked for twice: the first answer stands
                    return self.outcome(request).await?.ok_or(StoreError::OutcomeUnknown);
                }
                Err(Failure::Before(error)) => return Err(error),
                Err(Failure::During(error)) => match self.after_lost_commit(request, error).await {
                    // The connection may have been dead for long, and this was the first to notice. It is known that nothing
                    // was reserved; should that change, the call's row stands and is found.
                    Err(StoreError::Unavailable(error)) if was_remembered && was_lost(&error) => {}
                    known => return known,
                },
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
        let read = read(&mut connection, endpoint).await?;
        Ok(read.map(|read| decide(&read.snapshot)))
    }

    /// What would be decided by what the agent's last call left behind; none unless the call would be admitted. A refusal
    /// deserves a look at what is true now.
    fn remembered(&self, request: &AdmitRequest, decide: impl Fn(&Snapshot) -> Decided) -> Option<(Read, Decided)> {
        let read = self.memory.take(&request.endpoint)?;
        let decided = decide(&read.snapshot);
        (decided.outcome == Outcome::Choose && decided.decision.refusal.is_none()).then_some((read, decided))
    }

    /// The quickest way: one statement, which reserves if all that was decided by still holds.
    async fn remembered_round(
        &self,
        request: &AdmitRequest,
        (read, decided): (Read, Decided),
        chosen: &(impl Fn(&Admission) + Send + Sync),
    ) -> Result<Round, Failure> {
        crash_point!(K02);
        let inputs = Some(read.inputs());
        let mut connection = self.at_hand.take(&self.pool).await?;
        let carried_out =
            carry_out(&mut connection, request, read, &decided, inputs, chosen, self.fence.as_ref()).await;
        self.alone(connection, carried_out)
    }

    /// The quick way: two statements, each a transaction of its own.
    async fn quick_round(
        &self,
        request: &AdmitRequest,
        decide: &(impl Fn(&Snapshot) -> Decided + Send + Sync),
        chosen: &(impl Fn(&Admission) + Send + Sync),
    ) -> Result<Round, Failure> {
        let mut connection = self.at_hand.take(&self.pool).await?;
        let Some(read) = read(&mut connection, &request.endpoint).await? else {
            return Ok(not_an_agent(&mut connection, request, self.fence.as_ref()).await?);
        };
        let decided = decide(&read.snapshot);
        crash_point!(K02);
        let carried_out = carry_out(&mut connection, request, read, &decided, None, chosen, self.fence.as_ref()).await;
        self.alone(connection, carried_out)
    }

    /// The end of a statement that is a transaction of its own. What it left behind is remembered.
    fn alone(&self, connection: Lent<'_>, carried_out: Result<(Round, Read), StoreError>) -> Result<Round, Failure> {
        if carried_out.is_err() {
            // What happened to this one may have happened to the others.
            self.at_hand.clear();
        }
        match carried_out {
            Ok((round, read)) => {
                connection.keep();
                if let Round::Done(_) = round {
                    self.memory.keep(read.snapshot.agent.endpoint.clone(), read);
                }
                Ok(round)
            }
            Err(StoreError::Unavailable(error)) if !StoreError::was_not_done(&error) => Err(Failure::During(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// The careful way: one transaction, in which nothing is read before the agent's row is locked.
    async fn careful_round(
        &self,
        request: &AdmitRequest,
        decide: &(impl Fn(&Snapshot) -> Decided + Send + Sync),
        campaign: Option<CampaignId>,
    ) -> Result<Round, Failure> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, &request.endpoint).await?;
        let round = match read(&mut transaction, &request.endpoint).await? {
            None => not_an_agent(&mut transaction, request, self.fence.as_ref()).await?,
            Some(mut read) => {
                if let Some(id) = campaign {
                    let organization = read.snapshot.agent.organization;
                    read.snapshot.campaign = Some(campaigns::of_call(&mut transaction, organization, id).await?);
                }
                let decided = decide(&read.snapshot);
                carry_out(&mut transaction, request, read, &decided, None, |_| (), self.fence.as_ref()).await?.0
            }
        };
        match round {
            Round::Done(Admitted::Admitted(_) | Admitted::Refused { .. }) => {}
            Round::Done(Admitted::Emergency) | Round::Lost => {
                transaction.rollback().await?;
                return Ok(round);
            }
        }
        if let Some(id) = campaign {
            campaigns::note(&mut transaction, request.call, id).await?;
        }
        crash_point!(K02);
        match transaction.commit().await {
            Ok(()) => Ok(round),
            Err(error) if StoreError::was_rolled_back(&error) => Err(Failure::Before(error.into())),
            Err(error) => Err(Failure::During(error)),
        }
    }
}

const LOCK: &str = "SELECT id FROM agents WHERE endpoint = $1 FOR NO KEY UPDATE";

/// Lets a new connection plan the statements of an admission, by asking for a call of nobody. Nothing is written. Tables
/// that are not there yet are no error: the first call will say so.
pub(super) async fn plan(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    if sqlx::query(LOCK).bind("").fetch_optional(&mut *transaction).await.is_ok()
        && sqlx::query(snapshot::SNAPSHOT).bind("").fetch_optional(&mut *transaction).await.is_ok()
    {
        // Planned, then undone: there is no such agent.
        let _ = reserve::plan(&mut transaction).await;
    }
    transaction.rollback().await
}

/// Locks the agent, if there is one. Updates of the row wait; inserting rows that refer to it does not.
pub(super) async fn lock(connection: &mut PgConnection, endpoint: &EndpointName) -> Result<(), StoreError> {
    sqlx::query(LOCK).bind(endpoint.as_ref()).fetch_optional(connection).await?;
    Ok(())
}

async fn not_an_agent(
    connection: &mut PgConnection,
    request: &AdmitRequest,
    fence: Option<&Fence>,
) -> Result<Round, StoreError> {
    let reason = RefusalReason::NotAnAgent;
    let refusal = reserve::Refusal { reason, sentence: reason.sentence(), at: request.requested_at };
    reserve::refuse(connection, request, None, &refusal, None, fence).await?;
    Ok(Round::Done(Admitted::Refused { reason, sentence: reason.sentence().to_owned() }))
}

async fn carry_out(
    connection: &mut PgConnection,
    request: &AdmitRequest,
    mut read: Read,
    decided: &Decided,
    inputs: Option<Vec<String>>,
    chosen: impl Fn(&Admission) + Send + Sync,
    fence: Option<&Fence>,
) -> Result<(Round, Read), StoreError> {
    let snapshot = &read.snapshot;
    let refusal = match &decided.outcome {
        Outcome::Emergency => return Ok((Round::Done(Admitted::Emergency), read)),
        Outcome::Refused { reason, sentence } => Some((*reason, sentence.clone())),
        Outcome::Choose => decided.decision.refusal.map(|reason| {
            let sentence = decided.decision.sentence().unwrap_or_else(|| reason.sentence().to_owned());
            (reason, sentence)
        }),
    };
    if let Some((reason, sentence)) = refusal {
        let refusal = reserve::Refusal { reason, sentence: &sentence, at: decided.at };
        let decision = Some(&decided.decision);
        let who = reserve::Refused { agent: &snapshot.agent, day: read.day, destination: decided.destination.as_ref() };
        reserve::refuse(connection, request, Some(&who), &refusal, decision, fence).await?;
        return Ok((Round::Done(Admitted::Refused { reason, sentence }), read));
    }

    let best = decided.decision.ranked.first();
    let candidate = best.and_then(|best| snapshot.candidates.iter().find(|c| c.assignment == best.assignment));
    let (Some(candidate), Some(destination)) = (candidate, decided.destination.as_ref()) else {
        return Err(inconsistent_decision(request.call));
    };
    let Some(trunk) = candidate.trunk.clone() else { return Err(inconsistent_decision(request.call)) };
    let version = read.version(candidate.assignment);
    let assignment = candidate.assignment;
    let reservation = Reservation {
        request,
        agent: &snapshot.agent,
        day: read.day,
        agent_last_used_at: read.agent_last_used_at,
        version: &version,
        inputs,
        candidate,
        trunk,
        destination,
        decided,
    };
    let admission = reservation.admission();
    chosen(&admission);
    // What was made of that goes out first: the database may get this processor as soon as it is asked.
    tokio::task::yield_now().await;
    let Some(at) = reserve::reserve(connection, &reservation, fence).await? else { return Ok((Round::Lost, read)) };
    read.count(assignment, at);
    Ok((Round::Done(Admitted::Admitted(admission)), read))
}

/// A decision that admits without a usable number or destination. `policy::choose` makes none such.
fn inconsistent_decision(call: CallId) -> StoreError {
    StoreError::Inconsistent { table: "call_decisions", column: "ranked".to_owned(), row: call.to_string() }
}
