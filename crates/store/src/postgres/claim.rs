//! Claims of jobs that pass by what other workers hold.

use sqlx::Executor as _;

use super::PostgresStore;
use super::connection::is_lost;
use super::reader::{Arguments, DUE, limit_of, row_of};
use super::writer::Failure;
use crate::jobs::{self, Claim, Job};
use crate::{StoreError, plan};

/// How often a claim is tried where connections were lost or tables cleared meanwhile.
const TRIES: u32 = super::CONNECTIONS + 3;

impl PostgresStore {
    pub(super) async fn claim_jobs(&self, claim: Claim<'_>) -> Result<Vec<Job>, StoreError> {
        let mut tries = 0;
        loop {
            match self.try_claim(&claim).await {
                Ok(jobs) => return Ok(jobs),
                Err(Error::Store(error)) => return Err(error),
                Err(Error::Failure(Failure::Database(error))) if !is_lost(&error) || tries >= TRIES => {
                    return Err(self.writes.database.failed("claiming jobs of", error).await);
                }
                Err(Error::Failure(_)) if tries >= TRIES => return Err(StoreError::Conflict),
                Err(Error::Failure(failure)) => {
                    if matches!(failure, Failure::StaleNumbers) {
                        self.writes.forget_numbers();
                    }
                    tries += 1;
                }
            }
        }
    }

    async fn try_claim(&self, claim: &Claim<'_>) -> Result<Vec<Job>, Error> {
        let table = jobs::table(claim.queue);
        let (index, due) = (jobs::index_of(claim.queue), jobs::due_until(claim.now_ms));
        // Rolled back when it is dropped.
        let mut transaction = self.pool.begin().await?;
        let query = Arguments::of(&table).bytes(&index).bytes(&due).number(limit_of(claim.limit)).query(DUE);
        let mut rows = Vec::new();
        for columns in transaction.fetch_all(query).await? {
            let row = row_of(&table, &columns)?;
            // It may have been claimed between being found and being locked.
            if Job::from_row(&table, &row)?.due_ms <= claim.now_ms {
                rows.push(row);
            }
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (batch, running) = jobs::claim_rows(&table, &rows, claim)?;
        let batch = plan::prepare(batch)?;
        let numbers = self.writes.numbers(&mut transaction, &[&table].into()).await?;
        let applied = self.writes.apply(&mut transaction, &[batch], &numbers).await.map_err(Error::Failure)?;
        let Some(Some(version)) = applied.revisions.first().copied() else {
            return Err(Error::Failure(Failure::Race));
        };
        transaction.commit().await?;
        Ok(running.into_iter().map(|job| Job { version, ..job }).collect())
    }
}

enum Error {
    Store(StoreError),
    Failure(Failure),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Failure(error.into())
    }
}
