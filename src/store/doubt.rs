//! A commit of which nobody knows whether it took place. It is looked up, never made again as it was.

use super::admit::{AdmitRequest, Admitted, STUMBLES, lock};
use super::{Store, StoreError, reserve};

impl Store {
    /// Finds out what became of a commit. The call is never written a second time.
    pub(super) async fn after_lost_commit(
        &self,
        request: &AdmitRequest,
        error: sqlx::Error,
    ) -> Result<Admitted, StoreError> {
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

    /// What was decided for a call. The old connection's transaction may still be on its way to its end; as soon as it has begun,
    /// it holds the agent's row, so that whoever gets that row sees how it ended. If it begins later still, it finds the row of
    /// the refused call, or is found by the writer of that row, which settles it.
    pub(super) async fn outcome(&self, request: &AdmitRequest) -> Result<Option<Admitted>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, &request.endpoint).await?;
        let admitted = reserve::outcome(&mut transaction, request.call).await?;
        transaction.rollback().await?;
        Ok(admitted)
    }
}

/// Whether the connection ended, for whatever reason.
pub(super) fn was_lost(error: &sqlx::Error) -> bool {
    error.as_database_error().is_none_or(|error| error.code().is_some_and(|code| code.starts_with("57P")))
}
