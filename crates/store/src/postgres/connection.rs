//! Which database, and how its errors are told.

use std::fmt;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::StoreError;

/// All queries go by an index. A plan that was made while a table was small must not scan it when it is large.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan";

#[derive(Debug)]
pub(super) struct Database {
    pub(super) options: PgConnectOptions,
}

/// Where it is, without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        };
        let name = self.options.get_database().unwrap_or(self.options.get_username());
        write!(f, "the PostgreSQL database {name} at {host}:{}", self.options.get_port())
    }
}

impl Database {
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        const DOING: &str = "reading the database's URL";
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            // Not repeated: there may be a password in it.
            return Err(StoreError::backend(DOING, "it does not begin with postgres://"));
        }
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| StoreError::backend(DOING, error))?;
        let options = options.application_name("standin").statement_cache_capacity(256).disable_statement_logging();
        Ok(Self { options })
    }

    pub(super) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connect = async {
            let mut connection = self.options.connect().await?;
            self.prepare(&mut connection).await?;
            Ok(connection)
        };
        connect.await.map_err(|error: sqlx::Error| StoreError::backend(format!("connecting to {self}"), error))
    }

    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(SETTINGS).execute(connection).await.map(drop)
    }

    pub(super) async fn failed(&self, doing: &str, error: sqlx::Error) -> StoreError {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            // The pool does not say why. Connecting does, unless the database is just back.
            if let Err(error) = self.connect().await {
                return error;
            }
        }
        StoreError::backend(format!("{doing} {self}"), error)
    }
}

/// Whether it is the connection that failed: with a new one the same may succeed.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => true,
        // 08: connection exceptions; 57P: the server is stopped, has crashed or starts.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
        }
        _ => false,
    }
}

/// Whether another transaction was in the way: the same may succeed when it is tried again.
pub(super) fn is_race(error: &sqlx::Error) -> bool {
    // Serialization failure, deadlock.
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "40001" || code == "40P01")
}
