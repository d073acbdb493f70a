//! Calls as tenants see them. What is added to a row of the store is not shown until it is added here.

use crate::core::fact::{Fact, Leg, Origin, Party};
use crate::core::ids::{AgentId, AssignmentId, CallId, CampaignId, ChannelId, EndpointName, NumberId};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::core::outcome::{Disposition, RefusalReason};
use crate::core::record::Quota;
use crate::policy::decision::{Considered, Decision, Reason};
use crate::store::calls::CallRow;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallState {
    /// It is being decided.
    Deciding,
    /// Click-to-call: the agent's phone rings.
    CallingAgent,
    /// The customer is about to be called.
    Preparing,
    /// The customer is called.
    Dialling,
    /// The two talk.
    Talking,
    /// It is ending.
    Ending,
    /// The record is final.
    Over,
}

impl CallState {
    fn of(row: &CallRow) -> Self {
        if row.settled_at.is_some() {
            Self::Over
        } else if row.ended_at.is_some() {
            Self::Ending
        } else if row.answered_at.is_some() {
            Self::Talking
        } else if row.invite_sent_at.or(row.ringing_at).is_some() {
            Self::Dialling
        } else if row.decided_at.is_none() {
            Self::Deciding
        } else if row.origin == Some(Origin::Api) {
            Self::CallingAgent
        } else {
            Self::Preparing
        }
    }
}

/// Where a call is found.
pub(super) fn location(call: CallId) -> String {
    format!("/api/v1/calls/{call}")
}

/// A call.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Call")]
pub(super) struct CallView {
    id: CallId,
    state: CallState,
    agent: Option<EndpointName>,
    agent_id: Option<AgentId>,
    agent_name: Option<String>,
    /// What the called party saw.
    from: Option<E164>,
    to: Option<E164>,
    /// What was asked for, as it came.
    dialled: Option<String>,
    number_id: Option<NumberId>,
    assignment_id: Option<AssignmentId>,
    campaign_id: Option<CampaignId>,
    /// The campaign's name.
    campaign: Option<String>,
    region: Option<RegionCode>,
    class: Option<NumberClass>,
    day: Option<jiff::civil::Date>,
    quota: Quota,
    origin: Option<Origin>,
    emergency: bool,
    requested_at: Option<Timestamp>,
    decided_at: Option<Timestamp>,
    invite_sent_at: Option<Timestamp>,
    ringing_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    first_end: Option<Leg>,
    hung_up_by: Option<Party>,
    cause: Option<u16>,
    sip_code: Option<u16>,
    refusal: Option<RefusalReason>,
    refusal_sentence: Option<String>,
    disposition: Option<Disposition>,
    ring_ms: Option<i64>,
    talk_ms: Option<i64>,
    estimated: bool,
}

impl From<CallRow> for CallView {
    fn from(row: CallRow) -> Self {
        Self {
            state: CallState::of(&row),
            id: row.id,
            agent: row.endpoint,
            agent_id: row.agent_id,
            agent_name: row.agent,
            from: row.presented,
            to: row.destination,
            dialled: row.dialled,
            number_id: row.number_id,
            assignment_id: row.assignment_id,
            campaign_id: row.campaign_id,
            campaign: row.campaign,
            region: row.region,
            class: row.class,
            day: row.day,
            quota: row.quota,
            origin: row.origin,
            emergency: row.emergency,
            requested_at: row.requested_at,
            decided_at: row.decided_at,
            invite_sent_at: row.invite_sent_at,
            ringing_at: row.ringing_at,
            answered_at: row.answered_at,
            ended_at: row.ended_at,
            settled_at: row.settled_at,
            first_end: row.first_end,
            hung_up_by: row.hung_up_by,
            cause: row.cause,
            sip_code: row.sip_code,
            refusal: row.refusal,
            refusal_sentence: row.refusal_sentence,
            disposition: row.disposition,
            ring_ms: row.ring_ms,
            talk_ms: row.talk_ms,
            estimated: row.estimated,
        }
    }
}

/// One thing that happened; only what belongs to its kind is there.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Fact")]
pub(super) struct FactView {
    kind: &'static str,
    at: Timestamp,
    #[serde(flatten)]
    more: More,
}

#[derive(Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FactMore")]
struct More {
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RefusalReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Party>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leg: Option<Leg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sip_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<Disposition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<bool>,
}

impl From<&Fact> for FactView {
    fn from(fact: &Fact) -> Self {
        let none = More::default();
        let more = match *fact {
            Fact::Requested { origin, ref agent_channel, .. } => {
                More { origin: Some(origin), channel: agent_channel.clone(), ..none }
            }
            Fact::Refused { reason, .. } => More { reason: Some(reason), ..none },
            Fact::Admitted { emergency, .. } => More { emergency: Some(emergency), ..none },
            Fact::AgentDialled { ref channel, .. } | Fact::CustomerDialled { ref channel, .. } => {
                More { channel: Some(channel.clone()), ..none }
            }
            Fact::HangupAsked { by, .. } => More { by: Some(by), ..none },
            Fact::LegEnded { leg, cause, sip_code, .. } => More { leg: Some(leg), cause, sip_code, ..none },
            Fact::Settled { disposition, estimated, .. } => {
                More { disposition: Some(disposition), estimated: Some(estimated), ..none }
            }
            Fact::AgentRinging { .. }
            | Fact::AgentAnswered { .. }
            | Fact::InviteSent { .. }
            | Fact::EarlyMedia { .. }
            | Fact::Ringing { .. }
            | Fact::Answered { .. } => none,
        };
        Self { kind: fact.kind(), at: fact.at(), more }
    }
}

/// Why a number was chosen, or none.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Decision")]
pub(super) struct DecisionView {
    refusal: Option<RefusalReason>,
    agent_used_today: u32,
    agent_daily_limit: Option<u32>,
    /// Best first.
    ranked: Vec<ConsideredView>,
    discarded: Vec<ConsideredView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Considered")]
struct ConsideredView {
    assignment_id: AssignmentId,
    number_id: NumberId,
    number: E164,
    used_today: u32,
    daily_limit: u32,
    last_used_at: Option<Timestamp>,
    reasons: Vec<ReasonView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Reason")]
struct ReasonView {
    /// For people.
    text: String,
    #[serde(flatten)]
    reason: Reason,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let views = |numbers: Vec<Considered>| numbers.into_iter().map(ConsideredView::from).collect();
        Self {
            refusal: decision.refusal,
            agent_used_today: decision.agent_used_today,
            agent_daily_limit: decision.agent_daily_limit,
            ranked: views(decision.ranked),
            discarded: views(decision.discarded),
        }
    }
}

impl From<Considered> for ConsideredView {
    fn from(number: Considered) -> Self {
        let reasons =
            number.reasons.into_iter().map(|reason| ReasonView { text: reason.to_string(), reason }).collect();
        Self {
            assignment_id: number.assignment,
            number_id: number.number,
            number: number.e164,
            used_today: number.used_today,
            daily_limit: number.daily_limit,
            last_used_at: number.last_used_at,
            reasons,
        }
    }
}
