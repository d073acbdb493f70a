//! The acts of the rooms for those who see everything, the daemon and the people at this machine: each in a transaction of its
//! own, in the name of whom the [`Store`] is.

use super::agents::{self, AgentRow, NewAgent};
use super::assignments::{self, AssignmentFilter, AssignmentUsage, NewAssignment};
use super::audit::{self, AuditFilter, AuditRow, Chain};
use super::calls::{self, CallFilter, CallRow};
use super::numbers::{self, NewNumber, NumberRow};
use super::organizations::{self, NewOrganization, Organization};
use super::tokens::{self, NewToken, TokenInfo};
use super::users::{self, NewUser, UserChange, UserRow};
use super::webhooks::{self, Delivery, NewWebhook, Webhook, WebhookChange};
use super::{Scope, Store, StoreError};
use crate::core::fact::Fact;
use crate::core::ids::{AgentId, AssignmentId, CallId, EndpointName, NumberId, OrganizationId, UserId};
use crate::core::number::E164;
use crate::policy::{Decision, NumberState};
use secrecy::SecretString;
use uuid::Uuid;

macro_rules! everything {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty = $room:ident::$act:ident;)+) => {
        impl Store {
            $(
                #[doc = concat!("[`", stringify!($room), "::", stringify!($act), "`], over everything.")]
                ///
                /// # Errors
                ///
                /// As there.
                pub async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                    let mut transaction = self.begin_as(Scope::Everything, &self.actor).await?;
                    let answer = $room::$act(&mut transaction, $($argument),*).await?;
                    transaction.commit().await?;
                    Ok(answer)
                }
            )+
        }
    };
}

everything! {
    add_agent(new: &NewAgent) -> AgentRow = agents::add;
    agents(organization: Option<OrganizationId>) -> Vec<AgentRow> = agents::list;
    agent(endpoint: &EndpointName, organization: Option<OrganizationId>) -> AgentRow = agents::one;
    set_agent_active(agent: AgentId, active: bool) -> () = agents::set_active;
    set_sip_secret(agent: AgentId, ha1: Option<&SecretString>) -> () = agents::set_secret;
    set_agent_limit(agent: AgentId, limit: Option<u32>) -> () = agents::set_limit;
    remove_agent(agent: AgentId) -> () = agents::remove;

    assign(new: &NewAssignment) -> AssignmentUsage = assignments::assign;
    unassign(assignment: AssignmentId) -> () = assignments::unassign;
    assignment(assignment: AssignmentId) -> AssignmentUsage = assignments::one;
    assignments(filter: &AssignmentFilter) -> Vec<AssignmentUsage> = assignments::list;

    call(call: CallId, organization: Option<OrganizationId>) -> CallRow = calls::one;
    list_calls(filter: &CallFilter, before: Option<CallId>, limit: u32) -> Vec<CallRow> = calls::list;
    facts(call: CallId) -> Vec<Fact> = calls::facts;
    decision(call: CallId) -> Option<Decision> = calls::decision;

    add_number(new: &NewNumber) -> NumberRow = numbers::add;
    numbers(organization: Option<OrganizationId>, state: Option<NumberState>) -> Vec<NumberRow> = numbers::list;
    number(e164: E164, organization: Option<OrganizationId>) -> NumberRow = numbers::one;
    set_number_state(number: NumberId, state: NumberState) -> () = numbers::set_state;
    retire_number(number: NumberId) -> () = numbers::retire;
    release_number(number: NumberId) -> () = numbers::release;

    add_organization(new: &NewOrganization) -> Organization = organizations::add;
    organizations() -> Vec<Organization> = organizations::list;
    organization(slug: &str) -> Organization = organizations::one;
    set_organization_active(slug: &str, active: bool) -> Organization = organizations::set_active;

    add_token(new: &NewToken) -> TokenInfo = tokens::add;
    tokens(organization: OrganizationId) -> Vec<TokenInfo> = tokens::list;
    verify_audit(organization: OrganizationId) -> Chain = audit::verify;
    audit_chains() -> Vec<OrganizationId> = audit::chains;
    audit(organization: OrganizationId, filter: &AuditFilter, limit: u32) -> Vec<AuditRow> = audit::list;

    revoke_token(organization: OrganizationId, name: &str) -> () = tokens::revoke;

    add_user(new: &NewUser) -> UserRow = users::add;
    users(organization: Option<OrganizationId>) -> Vec<UserRow> = users::list;
    user_by_email(email: &str) -> UserRow = users::by_email;
    change_user(user: UserId, organization: OrganizationId, change: &UserChange) -> UserRow = users::change;
    tie_user(user: UserId, organization: OrganizationId, agent: Option<AgentId>) -> () = users::tie;

    add_webhook(new: &NewWebhook) -> Webhook = webhooks::add;
    webhooks(organization: OrganizationId) -> Vec<Webhook> = webhooks::list;
    webhook(organization: OrganizationId, webhook: Uuid) -> Webhook = webhooks::one;
    change_webhook(organization: OrganizationId, webhook: Uuid, change: &WebhookChange) -> Webhook = webhooks::change;
    remove_webhook(organization: OrganizationId, webhook: Uuid) -> () = webhooks::remove;
    rotate_webhook_secret(organization: OrganizationId, webhook: Uuid, secret: &SecretString) -> Webhook = webhooks::rotate;
    webhook_deliveries(organization: OrganizationId, webhook: Uuid, state: Option<&str>, before: Option<i64>, limit: u32)
        -> Vec<Delivery> = webhooks::deliveries;
    send_again(organization: OrganizationId, webhook: Uuid, delivery: Uuid) -> Delivery = webhooks::send_again;
}
