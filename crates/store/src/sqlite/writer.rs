//! The one that writes: a task with the only connection that may.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, QueryBuilder, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::lock::Lock;
use super::view::SqliteView;
use super::{Info, QUEUE, Shared};
use crate::plan::{self, Changed, Known, Numbers, Place, Plan, Prepared};
use crate::{IndexEntry, Selector, Space, StoreError, Table};

/// Batches that are applied as one transaction.
const GROUP_MAX: usize = 256;
/// Rows of one statement: five values each, of the 32,766 that SQLite takes.
const ROWS_MAX: usize = 100;
/// Versions that are set aside at once, so that not every commit has to write how far they are.
const REVISIONS: u64 = 100_000;
/// Records of dropped tables that are deleted in one transaction.
const DROP_STEP: u32 = 1000;
/// Groups after which dropped records are deleted although others wait.
const GROUPS_PER_DROP: u32 = 32;

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
    View {
        done: Done<SqliteView>,
    },
    Stage {
        staged: Staged,
        done: Done<Staged>,
    },
    Swap {
        swap: Box<Swap>,
        done: Done<u64>,
    },
    /// Tables that were staged and are not wanted any more.
    Abandon {
        ids: Vec<i64>,
    },
    Settle {
        done: Done<()>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// Rows of a load that nobody sees yet, in tables that have numbers but no names.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) ids: HashMap<Table, i64>,
    pub(super) revision: Option<u64>,
    /// What is to be staged now.
    pub(super) rows: Vec<StagedRow>,
}

#[derive(Debug)]
pub(super) struct StagedRow {
    pub(super) table: Table,
    pub(super) key: Arc<str>,
    pub(super) body: String,
    pub(super) entries: Arc<[IndexEntry]>,
}

/// The end of a load.
#[derive(Debug)]
pub(super) struct Swap {
    pub(super) picked: Option<Selector>,
    pub(super) keep: Vec<Table>,
    pub(super) staged: HashMap<Table, i64>,
    /// Rows of tables that stay.
    pub(super) merged: Prepared,
}

struct Writer {
    connection: SqliteConnection,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Request>,
    next_table: i64,
    revision: u64,
    /// Revisions up to this one are set aside.
    reserved: u64,
    sequence: u64,
    dropped: VecDeque<i64>,
    settling: Vec<Done<()>>,
    /// Held as long as anything may be written.
    lock: Lock,
}

/// What a transaction changes of what readers know.
#[derive(Default)]
struct Effects {
    revisions: Vec<Option<u64>>,
    /// New tables, and how many rows come and go.
    tables: HashMap<Table, (i64, i64)>,
    enqueues: bool,
    reserved: u64,
    sequence: u64,
}

/// Reads what there is, and starts the task.
pub(super) async fn start(
    mut connection: SqliteConnection,
    shared: Arc<Shared>,
    lock: Lock,
) -> Result<mpsc::Sender<Request>, StoreError> {
    let failed = |error| shared.failed("opening", error);
    let counter = "SELECT value FROM counter WHERE name = 'revision'";
    let revision: i64 = sqlx::query_scalar(counter).fetch_one(&mut connection).await.map_err(failed)?;
    let sequence =
        "SELECT max(value, coalesce((SELECT max(sequence) FROM event), 0)) FROM counter WHERE name = 'sequence'";
    let sequence: i64 = sqlx::query_scalar(sequence).fetch_one(&mut connection).await.map_err(failed)?;
    // Written at once: a file that cannot be written is found now, not by the first client.
    let reserved = revision.cast_unsigned() + REVISIONS;
    reserve(&mut connection, reserved).await.map_err(failed)?;
    let mut next_table = 1;
    let names = "SELECT id, account, region, service, name FROM space_table";
    for columns in sqlx::query(names).fetch_all(&mut connection).await.map_err(failed)? {
        let text = |at: usize| columns.try_get::<&str, _>(at).map_err(failed);
        let table = Space::new(text(1)?, text(2)?, text(3)?).table(text(4)?);
        let id: i64 = columns.try_get(0).map_err(failed)?;
        next_table = next_table.max(id + 1);
        shared.tables_mut().insert(table, Info { id, rows: None, changed: 0, changing: false });
    }
    let dropped =
        sqlx::query_scalar("SELECT id FROM dropped_table").fetch_all(&mut connection).await.map_err(failed)?;
    let dropped: VecDeque<i64> = dropped.into();
    next_table = dropped.iter().fold(next_table, |next, id| next.max(id + 1));
    let (requests, inbox) = mpsc::channel(QUEUE);
    let writer = Writer {
        connection,
        shared,
        inbox,
        next_table,
        revision: revision.cast_unsigned(),
        reserved,
        sequence: sequence.cast_unsigned(),
        dropped,
        settling: Vec::new(),
        lock,
    };
    tokio::spawn(writer.run());
    Ok(requests)
}

async fn reserve(connection: &mut SqliteConnection, reserved: u64) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE counter SET value = ?1 WHERE name = 'revision'").bind(reserved.cast_signed());
    query.execute(connection).await.map(drop)
}

impl Writer {
    async fn run(mut self) {
        let mut groups: u32 = 0;
        loop {
            let request = if self.dropped.is_empty() {
                for done in self.settling.drain(..) {
                    let _ = done.send(Ok(()));
                }
                self.inbox.recv().await
            } else {
                match self.inbox.try_recv() {
                    Ok(request) => {
                        groups += 1;
                        if groups.is_multiple_of(GROUPS_PER_DROP) {
                            self.drop_some().await;
                        }
                        Some(request)
                    }
                    Err(mpsc::error::TryRecvError::Empty) => {
                        self.drop_some().await;
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                }
            };
            let mut next = request;
            if next.is_none() {
                return self.close().await;
            }
            while let Some(request) = next.take() {
                match request {
                    Request::Close { done } => {
                        self.close().await;
                        let _ = done.send(());
                        return;
                    }
                    Request::Commit { batch, done } => next = self.commit(batch, done).await,
                    other => self.handle(other).await,
                }
            }
        }
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "{} was not closed properly", self.shared.file.display());
        }
        drop(self.lock);
    }

    /// Applies a batch and all that wait behind it; returns the request that is something else.
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
        match self.transaction(&batches, None).await {
            Ok(revisions) => answer(waiting, revisions),
            Err(error) if batches.len() == 1 => {
                let error = self.shared.failed("writing", error);
                waiting.pop().map(|done| done.send(Err(error)));
            }
            // One may be at fault, such as by its size: the others need not suffer.
            Err(_) => {
                for (batch, done) in batches.iter().zip(waiting) {
                    match self.transaction(std::slice::from_ref(batch), None).await {
                        Ok(revisions) => answer(vec![done], revisions),
                        Err(error) => drop(done.send(Err(self.shared.failed("writing", error)))),
                    }
                }
            }
        }
        next
    }

    async fn handle(&mut self, request: Request) {
        let shared = self.shared.clone();
        let failed = |error| shared.failed("writing", error);
        match request {
            Request::Commit { .. } | Request::Close { .. } => unreachable!("seen to before"),
            Request::Clear { selector, done } => {
                let nothing = Prepared { checks: Vec::new(), writes: Vec::new(), events: Vec::new(), enqueues: false };
                let swap = Swap { picked: Some(selector), keep: Vec::new(), staged: HashMap::new(), merged: nothing };
                drop(done.send(self.swap(&swap).await.map(drop).map_err(failed)));
            }
            Request::TrimEvents { keep, done } => drop(done.send(self.trim_events(keep).await.map_err(failed))),
            Request::View { done } => drop(done.send(self.view().await.map_err(failed))),
            Request::Stage { staged, done } => drop(done.send(self.stage(staged).await.map_err(failed))),
            Request::Swap { swap, done } => drop(done.send(self.swap(&swap).await.map_err(failed))),
            Request::Abandon { ids } => self.dropped.extend(ids),
            Request::Settle { done } => self.settling.push(done),
        }
    }

    /// Applies batches, and exchanges tables before if so wanted, in one transaction.
    async fn transaction(
        &mut self,
        batches: &[Prepared],
        swap: Option<(&Swap, &[i64])>,
    ) -> Result<Vec<Option<u64>>, sqlx::Error> {
        self.connection.execute("BEGIN IMMEDIATE").await?;
        let effects = async {
            if let Some((swap, ids)) = swap {
                self.exchange(swap, ids).await?;
            }
            self.apply(batches).await
        };
        let effects = match effects.await {
            Ok(effects) => effects,
            Err(error) => return Err(self.roll_back(error).await),
        };
        self.set_changing(effects.tables.keys(), true);
        if let Err(error) = self.connection.execute("COMMIT").await {
            let error = self.roll_back(error).await;
            self.set_changing(effects.tables.keys(), false);
            return Err(error);
        }
        Ok(self.publish(effects))
    }

    async fn roll_back(&mut self, error: sqlx::Error) -> sqlx::Error {
        // Fails where SQLite has rolled back by itself, as it does when the disk is full.
        let _ = self.connection.execute("ROLLBACK").await;
        error
    }

    fn set_changing<'t>(&self, tables: impl Iterator<Item = &'t Table>, changing: bool) {
        let mut known = self.shared.tables_mut();
        for table in tables {
            if let Some(info) = known.get_mut(table) {
                info.changing = changing;
            }
        }
    }

    /// Lets readers know of what is committed.
    fn publish(&mut self, effects: Effects) -> Vec<Option<u64>> {
        let revision = effects.revisions.iter().flatten().max().copied().unwrap_or(self.revision);
        self.revision = self.revision.max(revision);
        self.reserved = effects.reserved;
        self.sequence = effects.sequence;
        let mut known = self.shared.tables_mut();
        for (table, (id, more)) in effects.tables {
            let new = Info { id, rows: Some(0), changed: 0, changing: false };
            let info = known.entry(table).or_insert(new);
            info.rows = info.rows.map(|rows| rows.saturating_add_signed(more));
            info.changed = revision;
            info.changing = false;
        }
        drop(known);
        if effects.enqueues {
            self.shared.wake.send_modify(|count| *count = count.wrapping_add(1));
        }
        effects.revisions
    }

    /// Within a transaction: reads what batches look at, decides them and writes what comes of it.
    async fn apply(&mut self, batches: &[Prepared]) -> Result<Effects, sqlx::Error> {
        let mut numbers = Numbers::new();
        let mut new = BTreeMap::new();
        {
            let known = self.shared.tables();
            for table in plan::tables(batches) {
                let next = self.next_table + i64::try_from(new.len()).expect("few tables");
                let id = known.get(table).map_or(next, |info| info.id);
                if id == next {
                    new.insert(id, table);
                }
                numbers.insert(table.clone(), id);
            }
        }
        let before =
            self.known(plan::places(batches, &numbers).into_iter().filter(|place| !new.contains_key(&place.0))).await?;
        let mut revision = self.revision;
        let plan = plan::decide(batches, &before, &numbers, || {
            revision += 1;
            revision
        });
        let mut effects = Effects { reserved: self.reserved, sequence: self.sequence, ..Effects::default() };
        if !plan.is_empty() {
            if revision > self.reserved {
                effects.reserved = revision + REVISIONS;
                reserve(&mut self.connection, effects.reserved).await?;
            }
            // Numbers of tables that come to nothing are not used again either.
            self.next_table += i64::try_from(new.len()).expect("few tables");
            self.write(&plan, &before, &new).await?;
            effects.sequence = self.append_events(&plan).await?;
        }
        let by_id: HashMap<i64, &Table> = numbers.iter().map(|(table, id)| (*id, table)).collect();
        for (place, row) in &plan.rows {
            let more = i64::from(row.is_some()) - i64::from(before.contains_key(place));
            effects.tables.entry(by_id[&place.0].clone()).or_insert((place.0, 0)).1 += more;
        }
        effects.enqueues = plan.enqueues;
        effects.revisions = plan.revisions;
        Ok(effects)
    }

    async fn known(&mut self, places: impl Iterator<Item = Place>) -> Result<HashMap<Place, Known>, sqlx::Error> {
        let places: Vec<Place> = places.collect();
        let mut known = HashMap::with_capacity(places.len());
        for chunk in places.chunks(ROWS_MAX) {
            let mut query = QueryBuilder::<Sqlite>::new("WITH wanted (t, k) AS (");
            query.push_values(chunk, |mut values, place| {
                values.push_bind(place.0).push_bind(&*place.1);
            });
            query.push(
                ") SELECT r.id, r.space_table, r.key, r.version, r.entries FROM wanted CROSS JOIN record r \
                ON r.space_table = t AND r.key = k",
            );
            for columns in query.build().fetch_all(&mut self.connection).await? {
                let place = (columns.try_get(1)?, columns.try_get::<&str, _>(2)?.into());
                let entries =
                    plan::entries_from(columns.try_get(4)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
                let version: i64 = columns.try_get(3)?;
                known.insert(place, Known { id: columns.try_get(0)?, version: version.cast_unsigned(), entries });
            }
        }
        Ok(known)
    }

    async fn write(
        &mut self,
        plan: &Plan<'_>,
        before: &HashMap<Place, Known>,
        new: &BTreeMap<i64, &Table>,
    ) -> Result<(), sqlx::Error> {
        let (mut gone, mut put, mut fewer, mut more) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut used = std::collections::BTreeSet::new();
        for (place, row) in &plan.rows {
            let known = before.get(place);
            match row {
                Some(row) => put.push((place, row)),
                None => gone.extend(known.map(|known| known.id)),
            }
            if known.is_none() {
                used.insert(place.0);
            }
            let (old, new) = plan::entries_changed(known, row.as_ref());
            fewer.extend(old.into_iter().map(|entry| (place, entry)));
            more.extend(new.into_iter().map(|entry| (place, entry)));
        }
        let named: Vec<(i64, &Table)> =
            new.iter().filter(|(id, _)| used.contains(id)).map(|(id, t)| (*id, *t)).collect();
        self.name_tables(&named).await?;
        for chunk in gone.chunks(ROWS_MAX) {
            self.by_ids("DELETE FROM record WHERE id IN (", chunk).await?;
        }
        for chunk in fewer.chunks(ROWS_MAX) {
            let mut query = QueryBuilder::<Sqlite>::new("WITH gone (t, n, v, k) AS (");
            push_entries(&mut query, chunk);
            query.push(
                ") DELETE FROM index_entry WHERE (space_table, name, value, key) IN (SELECT t, n, v, k FROM gone)",
            );
            query.build().execute(&mut self.connection).await?;
        }
        self.put(&put).await?;
        self.put_entries(&more).await
    }

    async fn put(&mut self, rows: &[(&Place, &Changed<'_>)]) -> Result<(), sqlx::Error> {
        for chunk in rows.chunks(ROWS_MAX) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT INTO record (space_table, key, version, entries, body) ");
            query.push_values(chunk, |mut values, (place, row)| {
                values.push_bind(place.0).push_bind(&*place.1).push_bind(row.version.cast_signed());
                values.push_bind(plan::entries_text(row.entries)).push_bind(row.body);
            });
            query.push(
                " ON CONFLICT (space_table, key) DO UPDATE SET version = excluded.version, \
                entries = excluded.entries, body = excluded.body",
            );
            query.build().execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn put_entries(&mut self, entries: &[(&Place, &IndexEntry)]) -> Result<(), sqlx::Error> {
        for chunk in entries.chunks(ROWS_MAX) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO index_entry (space_table, name, value, key) ");
            push_entries(&mut query, chunk);
            query.build().execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn name_tables(&mut self, tables: &[(i64, &Table)]) -> Result<(), sqlx::Error> {
        for chunk in tables.chunks(ROWS_MAX) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT INTO space_table (id, account, region, service, name) ");
            query.push_values(chunk, |mut values, (id, table)| {
                let Space { account, region, service } = &table.space;
                values.push_bind(*id).push_bind(&**account).push_bind(&**region).push_bind(&**service);
                values.push_bind(&*table.name);
            });
            query.build().execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn by_ids(&mut self, sql: &str, ids: &[i64]) -> Result<(), sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new(sql);
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")").build().execute(&mut self.connection).await.map(drop)
    }

    async fn append_events(&mut self, plan: &Plan<'_>) -> Result<u64, sqlx::Error> {
        let mut sequence = self.sequence;
        for chunk in plan.events.chunks(ROWS_MAX) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT INTO event (sequence, account, region, service, kind, body) ");
            query.push_values(chunk, |mut values, event| {
                sequence += 1;
                let Space { account, region, service } = &event.space;
                values.push_bind(sequence.cast_signed()).push_bind(&**account).push_bind(&**region);
                values.push_bind(&**service).push_bind(&*event.kind).push_bind(&*event.body);
            });
            query.build().execute(&mut self.connection).await?;
        }
        Ok(sequence)
    }

    async fn trim_events(&mut self, keep: u64) -> Result<(), sqlx::Error> {
        let last = self.sequence.cast_signed();
        let gone = self.sequence.saturating_sub(keep).cast_signed();
        self.connection.execute("BEGIN IMMEDIATE").await?;
        let done = async {
            let counter = sqlx::query("UPDATE counter SET value = ?1 WHERE name = 'sequence'").bind(last);
            counter.execute(&mut self.connection).await?;
            sqlx::query("DELETE FROM event WHERE sequence <= ?1").bind(gone).execute(&mut self.connection).await?;
            self.connection.execute("COMMIT").await.map(drop)
        };
        match done.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.roll_back(error).await),
        }
    }

    async fn view(&mut self) -> Result<SqliteView, sqlx::Error> {
        let mut connection = self.shared.options.clone().pragma("query_only", "on").connect().await?;
        connection.execute("BEGIN").await?;
        // The first read fixes the moment; nothing is written before this function returns.
        sqlx::query("SELECT count(*) FROM counter").fetch_one(&mut connection).await?;
        Ok(SqliteView::new(connection, self.shared.clone(), self.shared.tables().clone()))
    }

    /// Writes rows where nobody sees them. Their tables count as dropped until the swap: a load that never ends leaves
    /// nothing behind.
    async fn stage(&mut self, mut staged: Staged) -> Result<Staged, sqlx::Error> {
        let revision = *staged.revision.get_or_insert(self.revision + 1);
        self.revision = self.revision.max(revision);
        let mut new = Vec::new();
        for row in &staged.rows {
            if !staged.ids.contains_key(&row.table) {
                staged.ids.insert(row.table.clone(), self.next_table);
                new.push(self.next_table);
                self.next_table += 1;
            }
        }
        let rows = std::mem::take(&mut staged.rows);
        let placed: Vec<(Place, Changed<'_>)> = rows
            .iter()
            .map(|row| {
                let place = (staged.ids[&row.table], row.key.clone());
                (place, Changed { version: revision, body: &row.body, entries: &row.entries })
            })
            .collect();
        self.connection.execute("BEGIN IMMEDIATE").await?;
        let done = async {
            if revision > self.reserved {
                reserve(&mut self.connection, revision + REVISIONS).await?;
                self.reserved = revision + REVISIONS;
            }
            for chunk in new.chunks(ROWS_MAX) {
                let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO dropped_table (id) ");
                query.push_values(chunk, |mut values, id| {
                    values.push_bind(*id);
                });
                query.build().execute(&mut self.connection).await?;
            }
            self.put(&placed.iter().map(|(place, row)| (place, row)).collect::<Vec<_>>()).await?;
            let entries: Vec<_> =
                placed.iter().flat_map(|(place, row)| row.entries.iter().map(move |entry| (place, entry))).collect();
            self.put_entries(&entries).await?;
            self.connection.execute("COMMIT").await.map(drop)
        };
        match done.await {
            Ok(()) => Ok(staged),
            Err(error) => Err(self.roll_back(error).await),
        }
    }

    /// Drops tables and gives staged ones their names, at once for everybody.
    async fn swap(&mut self, swap: &Swap) -> Result<u64, sqlx::Error> {
        let gone: Vec<(Table, i64)> = {
            let known = self.shared.tables();
            let picked = |table: &Table| swap.picked.as_ref().is_some_and(|picked| picked.picks(&table.space));
            let gone = known.iter().filter(|(table, _)| picked(table) && !swap.keep.contains(table));
            gone.map(|(table, info)| (table.clone(), info.id)).collect()
        };
        let ids: Vec<i64> = gone.iter().map(|(_, id)| *id).collect();
        let revisions = self.transaction(std::slice::from_ref(&swap.merged), Some((swap, &ids))).await?;
        self.revision += 1;
        let changed = self.revision;
        let mut known = self.shared.tables_mut();
        for (table, id) in &gone {
            // Not the one of the same name that has just been merged: it cannot be, since what is merged stays.
            if known.get(table).is_some_and(|info| info.id == *id) {
                known.remove(table);
            }
        }
        for (table, id) in &swap.staged {
            known.insert(table.clone(), Info { id: *id, rows: None, changed, changing: false });
        }
        drop(known);
        self.dropped.extend(ids);
        self.shared.wake.send_modify(|count| *count = count.wrapping_add(1));
        Ok(revisions.into_iter().flatten().max().unwrap_or(changed).max(changed))
    }

    async fn exchange(&mut self, swap: &Swap, gone: &[i64]) -> Result<(), sqlx::Error> {
        for chunk in gone.chunks(ROWS_MAX) {
            self.by_ids("INSERT INTO dropped_table (id) SELECT id FROM space_table WHERE id IN (", chunk).await?;
            self.by_ids("DELETE FROM space_table WHERE id IN (", chunk).await?;
        }
        let staged: Vec<(i64, &Table)> = swap.staged.iter().map(|(table, id)| (*id, table)).collect();
        self.name_tables(&staged).await?;
        let ids: Vec<i64> = swap.staged.values().copied().collect();
        for chunk in ids.chunks(ROWS_MAX) {
            self.by_ids("DELETE FROM dropped_table WHERE id IN (", chunk).await?;
        }
        Ok(())
    }

    /// Deletes some records of the first dropped table; the table's number too when none is left.
    async fn drop_some(&mut self) {
        let Some(id) = self.dropped.front().copied() else { return };
        match self.drop_step(id).await {
            Ok(true) => drop(self.dropped.pop_front()),
            Ok(false) => {}
            Err(error) => {
                // It stays in the database, to be tried again at the next start.
                tracing::warn!(%error, "cleared rows could not be deleted from {}", self.shared.file.display());
                self.dropped.pop_front();
            }
        }
    }

    async fn drop_step(&mut self, id: i64) -> Result<bool, sqlx::Error> {
        const RECORDS: &str = "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE space_table = ?1 LIMIT ?2)";
        const ENTRIES: &str = "DELETE FROM index_entry WHERE (space_table, name, value, key) IN \
            (SELECT space_table, name, value, key FROM index_entry WHERE space_table = ?1 LIMIT ?2)";
        self.connection.execute("BEGIN IMMEDIATE").await?;
        let done = async {
            let mut left = 0;
            for sql in [RECORDS, ENTRIES] {
                let query = sqlx::query(sql).bind(id).bind(DROP_STEP);
                left += query.execute(&mut self.connection).await?.rows_affected();
            }
            if left == 0 {
                sqlx::query("DELETE FROM dropped_table WHERE id = ?1").bind(id).execute(&mut self.connection).await?;
            }
            self.connection.execute("COMMIT").await?;
            Ok(left == 0)
        };
        match done.await {
            Ok(done) => Ok(done),
            Err(error) => Err(self.roll_back(error).await),
        }
    }
}

fn push_entries(query: &mut QueryBuilder<Sqlite>, entries: &[(&Place, &IndexEntry)]) {
    query.push_values(entries, |mut values, (place, entry)| {
        values.push_bind(place.0).push_bind(&*entry.index).push_bind(&*entry.value).push_bind(&*place.1);
    });
}

fn answer(waiting: Vec<Done<u64>>, revisions: Vec<Option<u64>>) {
    for (done, revision) in waiting.into_iter().zip(revisions) {
        // Who does not wait any more does not want to know.
        let _ = done.send(revision.ok_or(StoreError::Conflict));
    }
}
