//! Writes: one transaction for all batches that wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::sync::{mpsc, oneshot, watch};

use super::QUEUE;
use super::connection::{Database, is_lost, is_race};
use super::reader::picked;
use crate::plan::{self, Changed, Known, Numbers, Place, Plan, Prepared};
use crate::{IndexEntry, Selector, StoreError, Table};

/// Batches that are applied as one transaction.
const GROUP_MAX: usize = 256;
/// How often a group is tried again because others were faster.
const RACES_MAX: u32 = 100;
/// Revisions that a process takes at once.
const BLOCK: u64 = 1000;
/// Records of dropped tables that are deleted in one transaction.
const DROP_STEP: i64 = 1000;

type Done<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(super) enum Request {
    Commit {
        batch: Prepared,
        done: Done<u64>,
    },
    Clear {
        selector: Selector,
        done: Done<()>,
    },
    TrimEvents {
        keep: u64,
        done: Done<()>,
    },
    /// Deletes what was dropped.
    DropRecords,
    Close {
        done: oneshot::Sender<()>,
    },
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody was faster: try again.
    Race,
    /// A table was cleared: its number is another now.
    StaleNumbers,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if is_race(&error) { Self::Race } else { Self::Database(error) }
    }
}

/// What all connections of a process that write share.
#[derive(Debug)]
pub(super) struct Writes {
    pub(super) database: Arc<Database>,
    numbers: Mutex<HashMap<Table, i64>>,
    /// The next revision, and the end of the block.
    revisions: Mutex<(u64, u64)>,
}

/// What a transaction comes to once it is committed.
pub(super) struct Applied {
    pub(super) revisions: Vec<Option<u64>>,
    pub(super) enqueues: bool,
}

impl Writes {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database, numbers: Mutex::default(), revisions: Mutex::new((0, 0)) }
    }

    fn known_numbers(&self) -> std::sync::MutexGuard<'_, HashMap<Table, i64>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_numbers(&self) {
        self.known_numbers().clear();
    }

    /// The numbers of tables. Those that are not there are made: a table without rows is nobody's business.
    pub(super) async fn numbers(
        &self,
        connection: &mut PgConnection,
        tables: &BTreeSet<&Table>,
    ) -> Result<Numbers, sqlx::Error> {
        const MAKE: &str = "INSERT INTO space_table (account, region, service, name) \
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) \
            ON CONFLICT (account, region, service, name) DO NOTHING";
        const FIND: &str = "SELECT t.id, w.place FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) \
            WITH ORDINALITY AS w (account, region, service, name, place) CROSS JOIN LATERAL \
            (SELECT id FROM space_table t WHERE t.account = w.account AND t.region = w.region \
            AND t.service = w.service AND t.name = w.name OFFSET 0) t";
        let mut found = Numbers::with_capacity(tables.len());
        let mut missing: Vec<&Table> = Vec::new();
        {
            let known = self.known_numbers();
            for table in tables {
                match known.get(*table) {
                    Some(id) => drop(found.insert((*table).clone(), *id)),
                    None => missing.push(table),
                }
            }
        }
        let mut make = false;
        while !missing.is_empty() {
            let column = |part: fn(&Table) -> &str| missing.iter().map(|table| part(table)).collect::<Vec<&str>>();
            let names = [
                column(|table| &table.space.account),
                column(|table| &table.space.region),
                column(|table| &table.space.service),
                column(|table| &table.name),
            ];
            if make {
                let query = names.iter().fold(sqlx::query(MAKE), sqlx::query::Query::bind);
                query.execute(&mut *connection).await?;
            }
            let query = names.iter().fold(sqlx::query(FIND), sqlx::query::Query::bind);
            let mut seen = BTreeSet::new();
            for columns in query.fetch_all(&mut *connection).await? {
                let place: i64 = columns.try_get(1)?;
                let place = usize::try_from(place - 1).expect("counted from one");
                let id = columns.try_get(0)?;
                found.insert(missing[place].clone(), id);
                self.known_numbers().insert(missing[place].clone(), id);
                seen.insert(place);
            }
            let mut place = 0;
            missing.retain(|_| {
                place += 1;
                !seen.contains(&(place - 1))
            });
            make = true;
        }
        Ok(found)
    }

    /// The first of so many revisions that nobody else has.
    pub(super) async fn revisions(&self, connection: &mut PgConnection, count: usize) -> Result<u64, sqlx::Error> {
        let count = count as u64;
        loop {
            {
                let mut block = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
                if block.1 - block.0 >= count {
                    block.0 += count;
                    return Ok(block.0 - count);
                }
            }
            let number: i64 =
                sqlx::query_scalar("SELECT nextval('revision_block')").fetch_one(&mut *connection).await?;
            let start = number.cast_unsigned() * BLOCK;
            *self.revisions.lock().unwrap_or_else(PoisonError::into_inner) = (start, start + BLOCK);
        }
    }

    /// Within a transaction: locks and reads what batches look at, decides them and writes what comes of it.
    pub(super) async fn apply(
        &self,
        connection: &mut PgConnection,
        batches: &[Prepared],
        numbers: &Numbers,
    ) -> Result<Applied, Failure> {
        const HOLD: &str = "SELECT id FROM space_table WHERE id = ANY($1) ORDER BY id FOR KEY SHARE";
        let mut ids: Vec<i64> = numbers.values().copied().collect();
        ids.sort_unstable();
        let held = sqlx::query(HOLD).bind(&ids).fetch_all(&mut *connection).await?;
        if held.len() < ids.len() {
            return Err(Failure::StaleNumbers);
        }
        let before = known(connection, plan::places(batches, numbers)).await?;
        let mut revision = self.revisions(connection, batches.len()).await?;
        let plan = plan::decide(batches, &before, numbers, || {
            revision += 1;
            revision - 1
        });
        if !plan.is_empty() {
            write(connection, &plan, &before).await?;
            append_events(connection, &plan).await?;
            if plan.enqueues {
                sqlx::query("SELECT pg_notify($1, '')").bind(super::CHANNEL).execute(&mut *connection).await?;
            }
        }
        Ok(Applied { revisions: plan.revisions, enqueues: plan.enqueues })
    }
}

async fn known(connection: &mut PgConnection, places: BTreeSet<Place>) -> Result<HashMap<Place, Known>, sqlx::Error> {
    // In the order of the places: two that want the same rows wait for each other, but never both.
    const LOCK: &str = "SELECT r.id, r.space_table, r.key, r.version, r.entries \
        FROM unnest($1::bigint[], $2::bytea[]) AS w (t, k) CROSS JOIN LATERAL \
        (SELECT * FROM record r WHERE r.space_table = w.t AND r.key = w.k FOR UPDATE) r";
    let (tables, keys): (Vec<i64>, Vec<&[u8]>) = places.iter().map(|(table, key)| (*table, key.as_bytes())).unzip();
    let rows = sqlx::query(LOCK).bind(&tables).bind(&keys).fetch_all(&mut *connection).await?;
    let mut known = HashMap::with_capacity(rows.len());
    for columns in rows {
        let key = std::str::from_utf8(columns.try_get(2)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let entries = plan::entries_from(columns.try_get(4)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let version: i64 = columns.try_get(3)?;
        let known_row = Known { id: columns.try_get(0)?, version: version.cast_unsigned(), entries };
        known.insert((columns.try_get(1)?, key.into()), known_row);
    }
    Ok(known)
}

async fn write(connection: &mut PgConnection, plan: &Plan<'_>, before: &HashMap<Place, Known>) -> Result<(), Failure> {
    const UPDATE: &str = "UPDATE record r SET version = w.version, entries = w.entries, body = w.body \
        FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS w (id, version, entries, body) \
        WHERE r.id = w.id AND r.id = ANY($1)";
    const FEWER: &str = "DELETE FROM index_entry WHERE ctid = ANY(ARRAY(\
        SELECT e.ctid FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[]) AS w (t, n, v, k) \
        CROSS JOIN LATERAL (SELECT ctid FROM index_entry e \
        WHERE e.space_table = w.t AND e.name = w.n AND e.value = w.v AND e.key = w.k OFFSET 0) e))";
    const UNWRITTEN: &str = "DELETE FROM record WHERE id = ANY(ARRAY(\
        SELECT r.id FROM unnest($1::bigint[], $2::bytea[]) AS w (t, k) CROSS JOIN LATERAL \
        (SELECT id FROM record r WHERE r.space_table = w.t AND r.key = w.k OFFSET 0) r))";
    let (mut gone, mut made, mut fewer, mut more) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut changed = Vec::new();
    for (place, row) in &plan.rows {
        let known = before.get(place);
        match (row, known) {
            (Some(row), Some(known)) => changed.push((known.id, row)),
            (Some(row), None) => made.push((place, row)),
            (None, known) => gone.extend(known.map(|known| known.id)),
        }
        let (old, new) = plan::entries_changed(known, row.as_ref());
        fewer.extend(old.into_iter().map(|entry| (place, entry)));
        more.extend(new.into_iter().map(|entry| (place, entry)));
    }
    // A row that must not be there is written and deleted again: another that writes it now has to wait for us.
    let nothing = Changed { version: 0, body: "null", entries: &[] };
    let absent: Vec<_> = plan.absent.iter().map(|place| (place, &nothing)).collect();
    if !absent.is_empty() {
        made.extend(&absent);
        made.sort_by_key(|(place, _)| *place);
    }
    if !made.is_empty() && insert(connection, &made).await? < made.len() as u64 {
        return Err(Failure::Race);
    }
    if !absent.is_empty() {
        let (tables, keys): (Vec<i64>, Vec<&[u8]>) =
            absent.iter().map(|(place, _)| (place.0, place.1.as_bytes())).unzip();
        sqlx::query(UNWRITTEN).bind(&tables).bind(&keys).execute(&mut *connection).await?;
    }
    if !changed.is_empty() {
        let query = sqlx::query(UPDATE)
            .bind(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind(changed.iter().map(|(_, row)| row.version.cast_signed()).collect::<Vec<_>>())
            .bind(changed.iter().map(|(_, row)| plan::entries_text(row.entries)).collect::<Vec<_>>())
            .bind(changed.iter().map(|(_, row)| row.body).collect::<Vec<_>>());
        query.execute(&mut *connection).await?;
    }
    if !gone.is_empty() {
        sqlx::query("DELETE FROM record WHERE id = ANY($1)").bind(&gone).execute(&mut *connection).await?;
    }
    if !fewer.is_empty() {
        entries_query(FEWER, &fewer).execute(&mut *connection).await?;
    }
    insert_entries(connection, &more).await?;
    Ok(())
}

/// How many rows were made; those that are there stay as they are.
pub(super) async fn insert(connection: &mut PgConnection, rows: &[(&Place, &Changed<'_>)]) -> Result<u64, sqlx::Error> {
    const INSERT: &str = "INSERT INTO record (space_table, key, version, entries, body) \
        SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::text[]) \
        ON CONFLICT (space_table, key) DO NOTHING";
    let query = sqlx::query(INSERT)
        .bind(rows.iter().map(|(place, _)| place.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(place, _)| place.1.as_bytes()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.version.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| plan::entries_text(row.entries)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.body).collect::<Vec<_>>());
    Ok(query.execute(connection).await?.rows_affected())
}

pub(super) async fn insert_entries(
    connection: &mut PgConnection,
    entries: &[(&Place, &IndexEntry)],
) -> Result<(), sqlx::Error> {
    const MORE: &str = "INSERT INTO index_entry (space_table, name, value, key) \
        SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[]) ON CONFLICT DO NOTHING";
    if !entries.is_empty() {
        entries_query(MORE, entries).execute(connection).await?;
    }
    Ok(())
}

fn entries_query<'q>(
    sql: &'static str,
    entries: &'q [(&'q Place, &'q IndexEntry)],
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(sql)
        .bind(entries.iter().map(|(place, _)| place.0).collect::<Vec<_>>())
        .bind(entries.iter().map(|(_, entry)| entry.index.as_bytes()).collect::<Vec<_>>())
        .bind(entries.iter().map(|(_, entry)| entry.value.as_bytes()).collect::<Vec<_>>())
        .bind(entries.iter().map(|(place, _)| place.1.as_bytes()).collect::<Vec<_>>())
}

async fn append_events(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    const APPEND: &str = "WITH counted AS (UPDATE event_counter SET sequence = sequence + $6 RETURNING sequence - $6 AS start) \
        INSERT INTO event (sequence, account, region, service, kind, body) \
        SELECT counted.start + w.place, w.account, w.region, w.service, w.kind, w.body FROM counted, \
        unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) \
        WITH ORDINALITY AS w (account, region, service, kind, body, place)";
    let events = &plan.events;
    if events.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(APPEND)
        .bind(events.iter().map(|event| &*event.space.account).collect::<Vec<_>>())
        .bind(events.iter().map(|event| &*event.space.region).collect::<Vec<_>>())
        .bind(events.iter().map(|event| &*event.space.service).collect::<Vec<_>>())
        .bind(events.iter().map(|event| &*event.kind).collect::<Vec<_>>())
        .bind(events.iter().map(|event| &*event.body).collect::<Vec<_>>())
        .bind(i64::try_from(events.len()).expect("few events"));
    query.execute(connection).await.map(drop)
}

struct Writer {
    /// Nothing after it was lost.
    connection: Option<PgConnection>,
    writes: Arc<Writes>,
    inbox: mpsc::Receiver<Request>,
    wake: watch::Sender<u64>,
    /// There are records of dropped tables.
    dropping: bool,
}

pub(super) fn start(connection: PgConnection, writes: Arc<Writes>, wake: watch::Sender<u64>) -> mpsc::Sender<Request> {
    let (requests, inbox) = mpsc::channel(QUEUE);
    tokio::spawn(Writer { connection: Some(connection), writes, inbox, wake, dropping: false }.run());
    requests
}

impl Writer {
    async fn run(mut self) {
        loop {
            let request = if self.dropping {
                match self.inbox.try_recv() {
                    Ok(request) => Some(request),
                    Err(mpsc::error::TryRecvError::Empty) => {
                        self.drop_some().await;
                        continue;
                    }
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                }
            } else {
                self.inbox.recv().await
            };
            let mut next = request;
            if next.is_none() {
                return self.close().await;
            }
            while let Some(request) = next.take() {
                match request {
                    Request::Commit { batch, done } => next = self.commit(batch, done).await,
                    Request::Clear { selector, done } => drop(done.send(self.clear(selector).await)),
                    Request::TrimEvents { keep, done } => drop(done.send(self.trim_events(keep).await)),
                    Request::DropRecords => self.dropping = true,
                    Request::Close { done } => {
                        self.close().await;
                        let _ = done.send(());
                        return;
                    }
                }
            }
        }
    }

    async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            // The database notices by itself where this fails.
            let _ = connection.close().await;
        }
    }

    async fn connection(&mut self) -> Result<PgConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.writes.database.connect().await,
        }
    }

    async fn commit(&mut self, batch: Prepared, done: Done<u64>) -> Option<Request> {
        let (mut batches, mut waiting) = (vec![batch], vec![done]);
        let mut next = None;
        while batches.len() < GROUP_MAX {
            match self.inbox.try_recv() {
                Ok(Request::Commit { batch, done }) => {
                    batches.push(batch);
                    waiting.push(done);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.apply(&batches).await {
            Ok(revisions) => answer(waiting, revisions),
            Err(error) if batches.len() == 1 => {
                waiting.pop().map(|done| done.send(Err(error)));
            }
            // One may be at fault, such as by its size: the others need not suffer.
            Err(_) => {
                for (batch, done) in batches.iter().zip(waiting) {
                    match self.apply(std::slice::from_ref(batch)).await {
                        Ok(revisions) => answer(vec![done], revisions),
                        Err(error) => drop(done.send(Err(error))),
                    }
                }
            }
        }
        next
    }

    async fn apply(&mut self, batches: &[Prepared]) -> Result<Vec<Option<u64>>, StoreError> {
        let tables = plan::tables(batches);
        let (mut races, mut lost) = (0, false);
        loop {
            let mut connection = self.connection().await?;
            let mut committing = false;
            let writes = self.writes.clone();
            let transaction = async {
                let numbers = writes.numbers(&mut connection, &tables).await?;
                connection.execute("BEGIN").await?;
                let applied = writes.apply(&mut connection, batches, &numbers).await?;
                committing = true;
                connection.execute("COMMIT").await?;
                Ok(applied)
            };
            match transaction.await {
                Ok(applied) => {
                    self.connection = Some(connection);
                    if applied.enqueues {
                        self.wake.send_modify(|count| *count = count.wrapping_add(1));
                    }
                    return Ok(applied.revisions);
                }
                Err(Failure::Database(error)) if is_lost(&error) => {
                    // Whether a commit that got no answer was done cannot be known: it is not done once more.
                    if lost || committing {
                        return Err(self.writes.database.failed("writing to", error).await);
                    }
                    lost = true;
                }
                Err(failure) => {
                    if connection.execute("ROLLBACK").await.is_ok() {
                        self.connection = Some(connection);
                    }
                    races += 1;
                    match failure {
                        Failure::StaleNumbers => self.writes.forget_numbers(),
                        Failure::Race if races <= RACES_MAX => {}
                        Failure::Race => return Err(StoreError::Conflict),
                        Failure::Database(error) => return Err(self.writes.database.failed("writing to", error).await),
                    }
                }
            }
        }
    }

    /// Does something as a transaction, again on a new connection where the old one was lost. True where there is more
    /// of the same to do.
    async fn transaction(&mut self, work: &Work) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            let mut connection = self.connection().await?;
            let result = work.run(&mut connection).await;
            if result.is_ok() || connection.execute("ROLLBACK").await.is_ok() {
                self.connection = Some(connection);
            }
            match result {
                Ok(more) => return Ok(more),
                Err(error) if tries < 3 && (is_lost(&error) || is_race(&error)) => tries += 1,
                Err(error) => return Err(self.writes.database.failed("writing to", error).await),
            }
        }
    }

    async fn clear(&mut self, selector: Selector) -> Result<(), StoreError> {
        self.transaction(&Work::Clear(selector)).await?;
        self.writes.forget_numbers();
        self.dropping = true;
        Ok(())
    }

    async fn trim_events(&mut self, keep: u64) -> Result<(), StoreError> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        self.transaction(&Work::TrimEvents(keep)).await.map(drop)
    }

    async fn drop_some(&mut self) {
        self.dropping = self.transaction(&Work::DropRecords).await.unwrap_or_else(|error| {
            // They stay in the database, to be deleted after the next clear or start.
            tracing::warn!("cleared rows could not be deleted: {}", error.chain());
            false
        });
    }
}

/// What is written but batches.
enum Work {
    Clear(Selector),
    /// All but the last so many.
    TrimEvents(i64),
    /// Some records of a dropped table; its number too when none is left.
    DropRecords,
}

impl Work {
    async fn run(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        connection.execute("BEGIN").await?;
        let more = match self {
            Self::Clear(selector) => {
                lock_names(connection).await?;
                drop_names(connection, selector, &[]).await?;
                false
            }
            Self::TrimEvents(keep) => {
                const TRIM: &str = "DELETE FROM event WHERE sequence <= (SELECT sequence FROM event_counter) - $1";
                sqlx::query(TRIM).bind(keep).execute(&mut *connection).await?;
                false
            }
            Self::DropRecords => drop_records(connection).await?,
        };
        connection.execute("COMMIT").await?;
        Ok(more)
    }
}

async fn drop_records(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    const FIRST: &str = "SELECT id FROM dropped_table ORDER BY id LIMIT 1";
    const STEPS: [&str; 2] = [
        "DELETE FROM record WHERE id = ANY(ARRAY(SELECT id FROM record WHERE space_table = $1 LIMIT $2))",
        "DELETE FROM index_entry WHERE ctid = ANY(ARRAY(SELECT ctid FROM index_entry WHERE space_table = $1 LIMIT $2))",
    ];
    let first: Option<i64> = sqlx::query_scalar(FIRST).fetch_optional(&mut *connection).await?;
    let Some(id) = first else { return Ok(false) };
    let mut left = 0;
    for sql in STEPS {
        let query = sqlx::query(sql).bind(id).bind(DROP_STEP);
        left += query.execute(&mut *connection).await?.rows_affected();
    }
    if left == 0 {
        sqlx::query("DELETE FROM dropped_table WHERE id = $1").bind(id).execute(&mut *connection).await?;
    }
    Ok(true)
}

/// No names come or go until the transaction ends.
pub(super) async fn lock_names(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("LOCK TABLE space_table IN SHARE ROW EXCLUSIVE MODE").await.map(drop)
}

/// Drops the tables that are picked, but those to keep.
pub(super) async fn drop_names(
    connection: &mut PgConnection,
    selector: &Selector,
    keep: &[Table],
) -> Result<(), sqlx::Error> {
    const NAMES: &str = "SELECT account, region, service, name, id FROM space_table \
        WHERE ($1::text IS NULL OR account = $1) AND ($2::text IS NULL OR region = $2) \
        AND ($3::text IS NULL OR service = $3)";
    const DROP: &str = "WITH gone AS (DELETE FROM space_table WHERE id = ANY($1) RETURNING id) \
        INSERT INTO dropped_table (id) SELECT id FROM gone";
    let mut gone: Vec<i64> = Vec::new();
    for columns in picked(selector).query(NAMES).fetch_all(&mut *connection).await? {
        let table = super::reader::table_of(&columns).map_err(|error| sqlx::Error::Decode(error.into()))?;
        if !keep.contains(&table) {
            gone.push(columns.try_get(4)?);
        }
    }
    // In the order in which commits hold them.
    gone.sort_unstable();
    sqlx::query(DROP).bind(&gone).execute(connection).await.map(drop)
}

fn answer(waiting: Vec<Done<u64>>, revisions: Vec<Option<u64>>) {
    for (done, revision) in waiting.into_iter().zip(revisions) {
        // Who does not wait any more does not want to know.
        let _ = done.send(revision.ok_or(StoreError::Conflict));
    }
}
