//! What a simulated Airflow remembers: runs, what is paused, variables, pools and connections, as rows of the store.

use serde_json::{Value, json};
use standin_core::OperationError;
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, Space, Store, StoreError, Table};
use standin_typed::{optional, required};

use super::dags::Dag;
use super::logs;
use crate::engine::{Engine, SERVICE};
use crate::neighbours::Neighbours;
use crate::runtime::Target;

/// The key of a run's configuration that lists tasks which are to fail; `*` for all.
pub(super) const FAIL: &str = "standin_fail";

/// The state of a run or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Running,
    Success,
    Failed,
    UpstreamFailed,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::UpstreamFailed => "upstream_failed",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Success, Self::Failed].into_iter().find(|state| state.name() == text)
    }

    pub(super) fn ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A run of a DAG. How far it is follows from the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub id: String,
    pub dag: String,
    pub queued_at: Timestamp,
    /// When it began: at once, or when its DAG was unpaused.
    pub started_at: Option<Timestamp>,
    /// How long it takes, in milliseconds.
    pub lasts_ms: i64,
    pub logical_date: Option<Timestamp>,
    pub conf: Document,
    pub note: Option<String>,
    /// Set by somebody.
    pub state: Option<String>,
}

/// A task of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Instance {
    /// The task's place in its DAG.
    pub task: usize,
    /// Nothing before its turn.
    pub state: Option<State>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl Run {
    pub(super) fn state(&self, dag: Option<&Dag>, now: Timestamp) -> State {
        if let Some(set) = self.state.as_deref().and_then(State::parse) {
            return set;
        }
        let Some(end) = self.due() else { return State::Queued };
        if now < end {
            return State::Running;
        }
        let fails = dag.is_some_and(|dag| dag.tasks.iter().any(|task| self.fails(&task.id)));
        if fails { State::Failed } else { State::Success }
    }

    /// When it ends by itself.
    fn due(&self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(self.started_at?.as_millis().saturating_add(self.lasts_ms)))
    }

    pub(super) fn end(&self, dag: Option<&Dag>, now: Timestamp) -> Option<Timestamp> {
        if !self.state(dag, now).ended() {
            return None;
        }
        self.due().filter(|due| *due <= now).or(Some(now).filter(|_| self.state.is_some()))
    }

    fn fails(&self, task: &str) -> bool {
        let listed = self.conf.get(FAIL);
        let is = |value: &Document| value.as_str().is_some_and(|name| name == task || name == "*");
        listed.is_some_and(|listed| is(listed) || listed.as_list().is_some_and(|names| names.iter().any(is)))
    }

    /// Its tasks, one after the other: each has an equal part of the time.
    pub(super) fn instances(&self, dag: &Dag, now: Timestamp) -> Vec<Instance> {
        let run = self.state(Some(dag), now);
        let order = dag.in_order();
        let count = i64::try_from(order.len()).unwrap_or(i64::MAX).max(1);
        let mut states: Vec<Option<State>> = vec![None; dag.tasks.len()];
        let mut instances = Vec::with_capacity(order.len());
        for (place, task) in (0_i64..).zip(order) {
            let moment = |part: i64| {
                let start = self.started_at.unwrap_or(self.queued_at).as_millis();
                Timestamp::from_millis(start.saturating_add(self.lasts_ms / count * part))
            };
            let upstream_failed = dag.tasks[task]
                .upstream
                .iter()
                .any(|at| matches!(states[*at], Some(State::Failed | State::UpstreamFailed)));
            let reached = run != State::Queued && self.started_at.is_some_and(|_| moment(place) <= now);
            let over = run.ended() || moment(place + 1) <= now;
            let fails = self.fails(&dag.tasks[task].id);
            let state = match run {
                _ if !reached => None,
                _ if upstream_failed => Some(State::UpstreamFailed),
                _ if over && (fails || self.state.as_deref() == Some("failed")) => Some(State::Failed),
                _ if over => Some(State::Success),
                _ => Some(State::Running),
            };
            states[task] = state;
            let ran = state.filter(|state| *state != State::UpstreamFailed);
            instances.push(Instance {
                task,
                state,
                start: ran.map(|_| moment(place)),
                end: ran.filter(|state| state.ended()).map(|_| moment(place + 1).min(now)),
            });
        }
        instances
    }

    fn read(body: &Document) -> Option<Self> {
        let fields = body.as_map()?;
        Some(Self {
            id: required(fields, "id"),
            dag: required(fields, "dag"),
            queued_at: required(fields, "queuedAt"),
            started_at: optional(fields, "startedAt"),
            lasts_ms: required(fields, "lastsMs"),
            logical_date: optional(fields, "logicalDate"),
            conf: required(fields, "conf"),
            note: optional(fields, "note"),
            state: optional(fields, "state"),
        })
    }

    fn body(&self) -> Document {
        let mut fields = Fields::with_capacity(9);
        fields.push("id", self.id.clone());
        fields.push("dag", self.dag.clone());
        fields.push("queuedAt", self.queued_at);
        fields.push("lastsMs", self.lasts_ms);
        fields.push("conf", self.conf.clone());
        for (name, moment) in [("startedAt", self.started_at), ("logicalDate", self.logical_date)] {
            moment.into_iter().for_each(|moment| fields.push(name, moment));
        }
        for (name, text) in [("note", &self.note), ("state", &self.state)] {
            text.iter().for_each(|text| fields.push(name, text.clone()));
        }
        Document::Map(fields)
    }
}

/// What has a name and members of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Variable,
    Pool,
    Connection,
}

impl Kind {
    fn table(self) -> &'static str {
        match self {
            Self::Variable => "airflow-variable",
            Self::Pool => "airflow-pool",
            Self::Connection => "airflow-connection",
        }
    }
}

const RUNS: &str = "airflow-run";
const PAUSED: &str = "airflow-paused";
const TABLES: [&str; 5] = [RUNS, PAUSED, "airflow-variable", "airflow-pool", "airflow-connection"];

/// The memory of one environment's Airflow.
pub(super) struct World<'w> {
    store: &'w dyn Store,
    neighbours: &'w Neighbours,
    space: Space,
    pub(super) target: &'w Target,
}

impl<'w> World<'w> {
    pub(super) fn new(store: &'w dyn Store, neighbours: &'w Neighbours, target: &'w Target) -> Self {
        Self { store, neighbours, space: Space::new(&target.account, &target.region, SERVICE), target }
    }

    fn table(&self, name: &'static str) -> Table {
        self.space.table(name)
    }

    fn key(&self, parts: &[&str]) -> String {
        // No part has a slash but the last: ids of DAGs and names are refused with one.
        format!("{}/{}", self.target.id, parts.join("/"))
    }

    async fn commit(&self, batch: Batch) -> Result<bool, OperationError> {
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(OperationError::internal(error)),
        }
    }

    /// Forgets everything of the environment.
    pub(super) async fn clear(&self) -> Result<(), OperationError> {
        let mut batch = Batch::default();
        for table in TABLES.map(|name| self.table(name)) {
            for row in Engine::rows(self.store, &table, &self.key(&[])).await? {
                batch.delete(&table, row.key);
            }
        }
        self.commit(batch).await.map(drop)
    }

    pub(super) async fn is_paused(&self, dag: &Dag) -> Result<bool, OperationError> {
        let row = self.store.get(&self.table(PAUSED), &self.key(&[&dag.id])).await.map_err(OperationError::internal)?;
        let set = row.and_then(|row| row.body.get("paused").and_then(Document::as_bool));
        Ok(set.or(dag.paused_upon_creation).unwrap_or_else(|| self.paused_at_creation()))
    }

    /// What is configured for all DAGs.
    fn paused_at_creation(&self) -> bool {
        let options = self.target.environment.airflow_configuration_options.as_ref();
        let option = options.and_then(|options| options.get("core.dags_are_paused_at_creation"));
        option.is_none_or(|value| !value.eq_ignore_ascii_case("false"))
    }

    /// Pauses a DAG, or unpauses it: runs that were waiting begin then.
    pub(super) async fn set_paused(&self, dag: &Dag, paused: bool) -> Result<(), OperationError> {
        let mut fields = Fields::new();
        fields.push("paused", paused);
        let mut batch = Batch::default();
        batch.put(&self.table(PAUSED), self.key(&[&dag.id]), Document::Map(fields), Vec::new());
        let mut begun = Vec::new();
        for mut run in self.runs(&dag.id).await?.into_iter().filter(|run| !paused && run.started_at.is_none()) {
            run.started_at = Some(self.target.now);
            self.write_run(&mut batch, &run);
            begun.push(run);
        }
        self.commit(batch).await?;
        for run in &begun {
            logs::tell(self.neighbours, self.target, dag, run).await;
        }
        Ok(())
    }

    /// The runs of a DAG, the latest first.
    pub(super) async fn runs(&self, dag: &str) -> Result<Vec<Run>, OperationError> {
        let rows = Engine::rows(self.store, &self.table(RUNS), &self.key(&[dag, ""])).await?;
        let mut runs: Vec<Run> = rows.iter().filter_map(|row| Run::read(&row.body)).collect();
        runs.sort_by(|one, other| (other.queued_at, &other.id).cmp(&(one.queued_at, &one.id)));
        Ok(runs)
    }

    pub(super) async fn run(&self, dag: &str, id: &str) -> Result<Option<Run>, OperationError> {
        let row = self.store.get(&self.table(RUNS), &self.key(&[dag, id])).await.map_err(OperationError::internal)?;
        Ok(row.and_then(|row| Run::read(&row.body)))
    }

    fn write_run(&self, batch: &mut Batch, run: &Run) {
        batch.put(&self.table(RUNS), self.key(&[&run.dag, &run.id]), run.body(), Vec::new());
    }

    /// Makes a run; false where there is one of that id.
    pub(super) async fn make_run(&self, run: &Run) -> Result<bool, OperationError> {
        let mut batch = Batch::default();
        batch.check(&self.table(RUNS), self.key(&[&run.dag, &run.id]), None);
        self.write_run(&mut batch, run);
        self.commit(batch).await
    }

    pub(super) async fn put_run(&self, run: &Run) -> Result<(), OperationError> {
        let mut batch = Batch::default();
        self.write_run(&mut batch, run);
        self.commit(batch).await.map(drop)
    }

    pub(super) async fn delete_run(&self, dag: &str, id: &str) -> Result<(), OperationError> {
        let mut batch = Batch::default();
        batch.delete(&self.table(RUNS), self.key(&[dag, id]));
        self.commit(batch).await.map(drop)
    }

    /// Triggers a run of a DAG by hand; nothing where there is one of that id.
    pub(super) async fn trigger(
        &self,
        dag: &Dag,
        id: Option<String>,
        logical_date: Option<Timestamp>,
        conf: &Value,
        note: Option<String>,
    ) -> Result<Option<Run>, OperationError> {
        let now = self.target.now;
        let named = id.unwrap_or_else(|| format!("manual__{}", stamp(logical_date.unwrap_or(now))));
        let run = Run {
            id: named,
            dag: dag.id.clone(),
            queued_at: now,
            started_at: (!self.is_paused(dag).await?).then_some(now),
            lasts_ms: self.target.pace_ms,
            logical_date,
            conf: Document::from_json(conf),
            note,
            state: None,
        };
        if !self.make_run(&run).await? {
            return Ok(None);
        }
        logs::tell(self.neighbours, self.target, dag, &run).await;
        Ok(Some(run))
    }

    /// Removes all that is remembered of a DAG; how many rows.
    pub(super) async fn delete_dag(&self, dag: &str) -> Result<usize, OperationError> {
        let mut batch = Batch::default();
        for run in self.runs(dag).await? {
            batch.delete(&self.table(RUNS), self.key(&[dag, &run.id]));
        }
        batch.delete(&self.table(PAUSED), self.key(&[dag]));
        let count = batch.writes.len();
        self.commit(batch).await?;
        Ok(count)
    }

    /// All things of a kind, by their names.
    pub(super) async fn things(&self, kind: Kind) -> Result<Vec<(String, Value)>, OperationError> {
        let prefix = self.key(&[""]);
        let rows = Engine::rows(self.store, &self.table(kind.table()), &prefix).await?;
        let mut things: Vec<(String, Value)> =
            rows.iter().map(|row| (row.key[prefix.len()..].to_owned(), row.body.to_json())).collect();
        if kind == Kind::Pool && !things.iter().any(|(name, _)| name == DEFAULT_POOL) {
            things.insert(0, (DEFAULT_POOL.to_owned(), default_pool()));
        }
        Ok(things)
    }

    pub(super) async fn thing(&self, kind: Kind, name: &str) -> Result<Option<Value>, OperationError> {
        let row =
            self.store.get(&self.table(kind.table()), &self.key(&[name])).await.map_err(OperationError::internal)?;
        let built_in = || (kind == Kind::Pool && name == DEFAULT_POOL).then(default_pool);
        Ok(row.map(|row| row.body.to_json()).or_else(built_in))
    }

    pub(super) async fn put_thing(&self, kind: Kind, name: &str, value: &Value) -> Result<(), OperationError> {
        let mut batch = Batch::default();
        batch.put(&self.table(kind.table()), self.key(&[name]), Document::from_json(value), Vec::new());
        self.commit(batch).await.map(drop)
    }

    /// Removes a thing; whether it was there.
    pub(super) async fn delete_thing(&self, kind: Kind, name: &str) -> Result<bool, OperationError> {
        let there = self.thing(kind, name).await?.is_some();
        let mut batch = Batch::default();
        batch.delete(&self.table(kind.table()), self.key(&[name]));
        self.commit(batch).await?;
        Ok(there)
    }
}

/// The pool that every Airflow has.
pub(super) const DEFAULT_POOL: &str = "default_pool";

fn default_pool() -> Value {
    json!({"slots": 128, "description": "Default pool", "include_deferred": false})
}

/// A time as Airflow writes it: `2026-11-22T20:12:47.123000+00:00`.
pub(super) fn stamp(time: Timestamp) -> String {
    let text = time.to_date_time();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // Python leaves the fraction out where there is none, and has six digits else.
    if fraction.bytes().all(|digit| digit == b'0') {
        return format!("{whole}+00:00");
    }
    format!("{whole}.{fraction:0<6}+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::dags;

    fn dag() -> Dag {
        let source = "with DAG('d'):\n A(task_id='a') >> A(task_id='b') >> A(task_id='c')\n";
        dags::read(source, "d.py").expect("it is Python").remove(0)
    }

    fn run(conf: &Value) -> Run {
        let start = Timestamp::from_seconds(100);
        let conf = Document::from_json(conf);
        Run {
            id: "r".into(),
            dag: "d".into(),
            queued_at: start,
            started_at: Some(start),
            lasts_ms: 30_000,
            conf,
            ..Run::default()
        }
    }

    fn check(run: &Run, seconds: i64, expect: &str) {
        let (dag, now) = (dag(), Timestamp::from_seconds(seconds));
        let tasks = run.instances(&dag, now).into_iter().map(|instance| instance.state.map_or("-", State::name));
        let shown = format!("{}: {}", run.state(Some(&dag), now).name(), tasks.collect::<Vec<_>>().join(" "));
        assert_eq!(shown, expect, "after {seconds} s");
    }

    #[test]
    fn runs_go_on_with_the_time() {
        let well = run(&json!({}));
        check(&well, 100, "running: running - -");
        check(&well, 110, "running: success running -");
        check(&well, 129, "running: success success running");
        check(&well, 130, "success: success success success");
        check(&Run { started_at: None, ..well.clone() }, 500, "queued: - - -");
        check(&Run { lasts_ms: 0, ..well.clone() }, 100, "success: success success success");
        check(&run(&json!({FAIL: ["b"]})), 130, "failed: success failed upstream_failed");
        check(&run(&json!({FAIL: "*"})), 115, "running: failed upstream_failed -");
        check(&Run { state: Some("failed".into()), ..well }, 100, "failed: failed - -");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let run =
            Run { note: Some("n".into()), logical_date: Some(Timestamp::from_seconds(5)), ..run(&json!({"a": 1})) };
        assert_eq!(Run::read(&run.body()), Some(run));
    }

    #[test]
    fn times_are_written_as_airflow_does() {
        assert_eq!(stamp(Timestamp::from_millis(1_700_000_000_120)), "2023-11-14T22:13:20.120000+00:00");
        assert_eq!(stamp(Timestamp::from_seconds(0)), "1970-01-01T00:00:00+00:00");
    }
}
