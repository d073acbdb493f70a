//! `Idempotency-Key`: a program's own name for a start. The key's row names the call before the loop is asked, so whoever asks
//! again, even after the daemon died, is told of that call, and no second one is made. The answer is not kept: it is read from the
//! call's record.

use super::start::started;
use crate::core::ids::{CallId, CampaignId};
use crate::http::auth::Caller;
use crate::http::{AppState, Problem};
use crate::store::StoreError;
use crate::store::agents::AgentRow;
use crate::store::calls;
use crate::store::keys::{self, Claim};
use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LONGEST: usize = 255;

/// The key that came with a request.
pub(in crate::http) struct Key(String);

impl OptionalFromRequestParts<AppState> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Option<Self>, Problem> {
        let mut values = parts.headers.get_all(KEY).iter();
        let (Some(value), more) = (values.next(), values.next()) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        let good = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !good || more.is_some() {
            return Err(wrong());
        }
        Ok(Some(Self(text.to_owned())))
    }
}

impl Key {
    /// Makes the key name this call; or gives the answer that belongs to the call that it names already.
    pub async fn claim(
        &self,
        state: &AppState,
        caller: &Caller,
        call: CallId,
        agent: &AgentRow,
        to: &str,
        campaign: Option<CampaignId>,
    ) -> Result<Option<Response>, Problem> {
        // No campaign has this id, so each part has its place.
        let campaign_or_none = campaign.map_or([0; 16], |campaign| campaign.0.into_bytes());
        let request =
            Sha256::new().chain_update(agent.id.0).chain_update(campaign_or_none).chain_update(to).finalize().into();
        let mut transaction = caller.begin(state).await?;
        let claim = keys::claim(&mut transaction, caller.organization, &self.0, &request, call).await?;
        let (known, same) = match claim {
            Claim::New => {
                transaction.commit().await?;
                return Ok(None);
            }
            Claim::Known { call, same } => (call, same),
        };
        if !same {
            return Err(reused());
        }
        let row = match calls::one(&mut transaction, known, Some(caller.organization)).await {
            Ok(row) => row,
            Err(StoreError::NotFound { .. }) => return Err(in_use()),
            Err(error) => return Err(error.into()),
        };
        drop(transaction);
        if let Some(reason) = row.refusal {
            let sentence = row.refusal_sentence.unwrap_or_else(|| reason.sentence().to_owned());
            let problem = Problem::refused(reason, known, sentence);
            if problem.is_ours() {
                // The daemon died before it could give the key back.
                self.free(state, caller, known).await;
            }
            return Err(problem);
        }
        let mut answer = started(known, agent.clone(), Some(&row), campaign);
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(answer))
    }

    /// Gives the key back: nothing was begun. If that fails, the client is told that the key is in use.
    pub async fn free(&self, state: &AppState, caller: &Caller, call: CallId) {
        let free = async {
            let mut transaction = caller.begin(state).await?;
            keys::free(&mut transaction, caller.organization, &self.0, call).await?;
            Ok::<_, Problem>(transaction.commit().await?)
        };
        if let Err(error) = free.await {
            tracing::warn!(%call, ?error, "a key of a call that was not begun stays");
        }
    }
}

fn wrong() -> Problem {
    let detail = "`Idempotency-Key` must be there once, with 1 to 255 printable characters of ASCII, such as a UUID. Nothing was \
        begun.";
    Problem::new(StatusCode::BAD_REQUEST, "wrong_header", "A header is wrong", detail)
}

fn reused() -> Problem {
    let detail = "This `Idempotency-Key` was used for another start within 24 hours, and nothing was begun now. Take a new key for \
        another call.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", "The key names another call", detail)
}

fn in_use() -> Problem {
    let detail = "The first start with this `Idempotency-Key` is still being decided, and none was begun now. Ask again in a moment \
        with the same key. If it stays so for a minute, that start died before any phone rang: take a new key.";
    Problem::new(StatusCode::CONFLICT, "key_in_use", "The key is in use", detail)
}
