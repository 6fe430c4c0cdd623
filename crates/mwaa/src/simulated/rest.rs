//! The REST API of a simulated Airflow: `/api/v1` of Airflow 2, `/api/v2` of Airflow 3.

mod things;

use serde_json::{Value, json};
use standin_core::OperationError;
use standin_model::Timestamp;

use super::dags::Dag;
use super::folder::{Folder, location};
use super::world::{Instance, Run, State, World, stamp};
use crate::runtime::{RestCall, RestReply};
use crate::token::Identity;

/// How many entries a page has where the caller does not say, and at most.
const PAGE: usize = 100;

/// Answers a call.
///
/// # Errors
/// Where the store or S3 fails. What Airflow would refuse is a reply.
pub(super) async fn answer(
    world: &World<'_>,
    folder: &Folder,
    call: &RestCall,
    caller: &Identity,
) -> Result<RestReply, OperationError> {
    let segments: Vec<String> = call.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let api = Api { world, folder, call };
    let reads = call.method == "GET";
    if caller.role == "Public" || (caller.role == "Viewer" && !reads) {
        return Ok(api.refuse(403, "Forbidden", "Forbidden"));
    }
    let reply = match (call.method.as_str(), &segments[..]) {
        ("GET", ["version"]) => api.version(),
        ("GET", ["health"]) if api.old() => api.health(),
        ("GET", ["monitor", "health"]) if !api.old() => api.health(),
        ("GET", ["dags"]) => api.dags().await?,
        ("GET", ["importErrors"]) => api.import_errors(),
        (_, ["dags", "~", "dagRuns"]) if reads => api.all_runs().await?,
        (_, ["dags", id, rest @ ..]) => match folder.dag(id) {
            Some(dag) => api.of_dag(dag, rest).await?,
            None if api.old() && rest.first() == Some(&"dagRuns") => {
                api.refuse(404, "DAG not found", &format!("DAG with dag_id: '{id}' not found"))
            }
            None if api.old() => api.refuse(404, "DAG not found", &format!("The DAG with dag_id: {id} was not found")),
            None if rest == ["dagRuns"] => api.refuse(404, "", &format!("DAG with dag_id: '{id}' not found")),
            None => api.refuse(404, "", &format!("Dag with id {id} was not found")),
        },
        (_, [kind, rest @ ..]) => match things::of(kind) {
            Some(thing) => api.things(thing, rest).await?,
            None => api.nowhere(),
        },
        _ => api.nowhere(),
    };
    Ok(reply)
}

struct Api<'a> {
    world: &'a World<'a>,
    folder: &'a Folder,
    call: &'a RestCall,
}

fn reply(status: u16, body: Value) -> RestReply {
    RestReply { status, body }
}

impl Api<'_> {
    /// Whether it is the API of Airflow 2.
    fn old(&self) -> bool {
        self.world.target.major() == 2
    }

    fn now(&self) -> Timestamp {
        self.world.target.now
    }

    /// A time as this API writes it.
    fn time(&self, time: Option<Timestamp>) -> Value {
        let text = time.map(stamp);
        json!(if self.old() { text } else { text.map(|text| text.replace("+00:00", "Z")) })
    }

    fn refuse(&self, status: u16, title: &str, detail: &str) -> RestReply {
        if !self.old() {
            return reply(status, json!({"detail": detail}));
        }
        let kind = match status {
            400 => "BadRequest",
            403 => "PermissionDenied",
            404 => "NotFound",
            409 => "AlreadyExists",
            _ => "Unknown",
        };
        let version = self.world.target.version();
        let kind = format!(
            "https://airflow.apache.org/docs/apache-airflow/{version}/stable-rest-api-ref.html#section/Errors/{kind}"
        );
        reply(status, json!({"detail": detail, "status": status, "title": title, "type": kind}))
    }

    fn nowhere(&self) -> RestReply {
        if !self.old() {
            return reply(404, json!({"error": "API route not found"}));
        }
        let detail = "The requested URL was not found on the server. If you entered the URL manually please check your \
                      spelling and try again.";
        reply(404, json!({"detail": detail, "status": 404, "title": "Not Found", "type": "about:blank"}))
    }

    fn no_method(&self) -> RestReply {
        if self.old() {
            let detail = "The method is not allowed for the requested URL.";
            return reply(
                405,
                json!({"detail": detail, "status": 405, "title": "Method Not Allowed", "type": "about:blank"}),
            );
        }
        reply(405, json!({"detail": "Method Not Allowed"}))
    }

    /// What is wrong with a member of the body.
    fn invalid(&self, member: &str, message: &str) -> RestReply {
        if self.old() {
            return self.refuse(400, "Bad Request", &format!("{{'{member}': ['{message}']}}"));
        }
        let kind = if message == MISSING { "missing" } else { "value_error" };
        let input = self.call.body.clone().unwrap_or_default();
        reply(422, json!({"detail": [{"type": kind, "loc": ["body", member], "msg": message, "input": input}]}))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.call.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The part of a list that is asked for, with the number of all.
    fn page(&self, name: &str, all: Vec<Value>) -> RestReply {
        let number = |name: &str| self.parameter(name).and_then(|text| text.parse::<usize>().ok());
        let (limit, offset) = (number("limit").unwrap_or(PAGE).min(PAGE), number("offset").unwrap_or(0));
        let total = all.len();
        let part: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
        reply(200, json!({name: part, "total_entries": total}))
    }

    fn version(&self) -> RestReply {
        reply(200, json!({"version": self.world.target.version(), "git_version": null}))
    }

    fn health(&self) -> RestReply {
        reply(200, health(self.world))
    }

    fn import_errors(&self) -> RestReply {
        let errors = (1_i64..).zip(&self.folder.broken).map(|(id, broken)| {
            json!({"import_error_id": id, "filename": location(&broken.file), "stack_trace": broken.trace,
                   "timestamp": self.time(Some(self.now()))})
        });
        self.page("import_errors", errors.collect())
    }

    async fn dag(&self, dag: &Dag) -> Result<Value, OperationError> {
        let paused = self.world.is_paused(dag).await?;
        let mut facts = json!({
            "dag_id": dag.id,
            "dag_display_name": dag.id,
            "is_paused": paused,
            "last_parsed_time": self.time(Some(self.now())),
            "last_expired": null,
            "fileloc": location(&dag.file),
            "description": dag.description,
            "timetable_description": dag.schedule.as_deref().map_or("Never, external triggers only", |schedule| schedule),
            "max_active_tasks": 16,
            "max_active_runs": dag.max_active_runs.unwrap_or(16),
            "max_consecutive_failed_dag_runs": 0,
            "has_task_concurrency_limits": false,
            "has_import_errors": false,
            "owners": [dag.owner.as_deref().unwrap_or("airflow")],
            "file_token": null,
        });
        let more = if self.old() {
            let schedule = match (&dag.schedule, dag.schedule_given) {
                (Some(text), _) => json!({"__type": "CronExpression", "value": text}),
                (None, true) => Value::Null,
                // Airflow 2's own default.
                (None, false) => json!({"__type": "TimeDelta", "days": 1, "seconds": 0, "microseconds": 0}),
            };
            json!({
                "default_view": "grid", "is_active": true, "is_subdag": false, "root_dag_id": null, "pickle_id": null,
                "last_pickled": null, "scheduler_lock": null, "schedule_interval": schedule,
                "tags": dag.tags.iter().map(|tag| json!({"name": tag})).collect::<Vec<_>>(),
                "next_dagrun": null, "next_dagrun_create_after": null, "next_dagrun_data_interval_start": null,
                "next_dagrun_data_interval_end": null,
            })
        } else {
            json!({
                "is_stale": false, "bundle_name": "dags-folder", "bundle_version": null, "relative_fileloc": dag.file,
                "timetable_summary": dag.schedule,
                "tags": dag.tags.iter().map(|tag| json!({"name": tag, "dag_id": dag.id})).collect::<Vec<_>>(),
                "next_dagrun_logical_date": null, "next_dagrun_data_interval_start": null,
                "next_dagrun_data_interval_end": null, "next_dagrun_run_after": null,
            })
        };
        extend(&mut facts, more);
        Ok(facts)
    }

    async fn dags(&self) -> Result<RestReply, OperationError> {
        let pattern = self.parameter("dag_id_pattern").map(str::to_lowercase);
        let paused = self.parameter("paused").and_then(truth);
        let tags: Vec<&str> =
            self.call.query.iter().filter(|(name, _)| name == "tags").map(|(_, tag)| tag.as_str()).collect();
        let mut found = Vec::new();
        for dag in &self.folder.dags {
            let tagged = tags.is_empty() || dag.tags.iter().any(|tag| tags.contains(&tag.as_str()));
            let named =
                pattern.as_ref().is_none_or(|pattern| dag.id.to_lowercase().contains(pattern.trim_matches('%')));
            if !tagged || !named {
                continue;
            }
            let facts = self.dag(dag).await?;
            if paused.is_none_or(|paused| facts["is_paused"] == paused) {
                found.push(facts);
            }
        }
        Ok(self.page("dags", found))
    }

    async fn of_dag(&self, dag: &Dag, rest: &[&str]) -> Result<RestReply, OperationError> {
        match (self.call.method.as_str(), rest) {
            ("GET", []) => Ok(reply(200, self.dag(dag).await?)),
            ("GET", ["details"]) => {
                let mut facts = self.dag(dag).await?;
                extend(
                    &mut facts,
                    json!({
                        "catchup": dag.catchup.unwrap_or(self.old()), "concurrency": 16, "doc_md": null,
                        "is_paused_upon_creation": dag.paused_upon_creation, "params": {}, "start_date": null,
                        "end_date": null, "render_template_as_native_obj": false, "timezone": "UTC",
                    }),
                );
                Ok(reply(200, facts))
            }
            ("PATCH", []) => {
                let Some(paused) = self.call.body.as_ref().and_then(|body| body["is_paused"].as_bool()) else {
                    return Ok(self
                        .invalid("is_paused", if self.old() { "Missing data for required field." } else { MISSING }));
                };
                self.world.set_paused(dag, paused).await?;
                Ok(reply(200, self.dag(dag).await?))
            }
            ("DELETE", []) => {
                self.world.delete_dag(&dag.id).await?;
                Ok(reply(204, Value::Null))
            }
            ("GET", ["tasks"]) => {
                let tasks: Vec<Value> = (0..dag.tasks.len()).map(|at| self.task(dag, at)).collect();
                let total = tasks.len();
                Ok(reply(200, json!({"tasks": tasks, "total_entries": total})))
            }
            ("GET", ["tasks", id]) => Ok(match dag.tasks.iter().position(|task| task.id == *id) {
                Some(at) => reply(200, self.task(dag, at)),
                None => self.refuse(404, "Task not found", &format!("Task with id {id} was not found")),
            }),
            ("GET", ["dagRuns"]) => {
                let runs = self.world.runs(&dag.id).await?;
                let states: Vec<&str> = self
                    .call
                    .query
                    .iter()
                    .filter(|(name, _)| name == "state")
                    .map(|(_, state)| state.as_str())
                    .collect();
                let runs = runs.iter().map(|run| self.run(Some(dag), run));
                let wanted =
                    |run: &Value| states.is_empty() || run["state"].as_str().is_some_and(|is| states.contains(&is));
                Ok(self.page("dag_runs", runs.filter(wanted).collect()))
            }
            ("POST", ["dagRuns"]) => self.trigger(dag).await,
            (_, ["dagRuns", id, rest @ ..]) => match self.world.run(&dag.id, id).await? {
                Some(run) => self.of_run(dag, run, rest).await,
                None if self.old() => Ok(self.refuse(
                    404,
                    "DAGRun not found",
                    &format!("DAGRun with DAG ID: '{}' and DagRun ID: '{id}' not found", dag.id),
                )),
                None => Ok(self.refuse(
                    404,
                    "",
                    &format!("The DagRun with dag_id: `{}` and run_id: `{id}` was not found", dag.id),
                )),
            },
            (_, [] | ["details" | "tasks" | "dagRuns"]) => Ok(self.no_method()),
            _ => Ok(self.nowhere()),
        }
    }

    fn task(&self, dag: &Dag, at: usize) -> Value {
        let task = &dag.tasks[at];
        let mut facts = json!({
            "task_id": task.id, "task_display_name": task.id, "owner": dag.owner.as_deref().unwrap_or("airflow"),
            "trigger_rule": "all_success", "depends_on_past": false, "wait_for_downstream": false, "retries": 0.0,
            "queue": "default", "pool": "default_pool", "pool_slots": 1.0, "execution_timeout": null,
            "retry_exponential_backoff": false, "priority_weight": 1.0, "weight_rule": "downstream",
            "downstream_task_ids": dag.downstream(at), "doc_md": null, "operator_name": task.operator, "params": {},
            "class_ref": {"class_name": task.operator, "module_path": null}, "is_mapped": false, "extra_links": [],
            "start_date": null, "end_date": null, "template_fields": [], "ui_color": "#fff", "ui_fgcolor": "#000",
        });
        extend(
            &mut facts,
            json!({"retry_delay": {"__type": "TimeDelta", "days": 0, "seconds": 300, "microseconds": 0}}),
        );
        facts
    }

    fn run(&self, dag: Option<&Dag>, run: &Run) -> Value {
        self.run_in(run, run.state(dag, self.now()), run.started_at, run.end(dag, self.now()))
    }

    fn run_in(&self, run: &Run, state: State, start: Option<Timestamp>, end: Option<Timestamp>) -> Value {
        let mut facts = json!({
            "dag_run_id": run.id, "dag_id": run.dag, "logical_date": self.time(run.logical_date),
            "start_date": self.time(start), "end_date": self.time(end),
            "data_interval_start": self.time(run.logical_date), "data_interval_end": self.time(run.logical_date),
            "last_scheduling_decision": self.time(end), "run_type": "manual", "state": state.name(),
            "conf": run.conf.to_json(), "note": run.note,
        });
        extend(
            &mut facts,
            if self.old() {
                json!({"execution_date": self.time(run.logical_date), "external_trigger": true})
            } else {
                json!({"queued_at": self.time(Some(run.queued_at)), "run_after": self.time(Some(run.queued_at)),
                       "triggered_by": "rest_api", "dag_versions": [], "bundle_version": null})
            },
        );
        facts
    }

    async fn all_runs(&self) -> Result<RestReply, OperationError> {
        let mut found = Vec::new();
        for dag in &self.folder.dags {
            found.extend(self.world.runs(&dag.id).await?.iter().map(|run| self.run(Some(dag), run)));
        }
        Ok(self.page("dag_runs", found))
    }

    async fn trigger(&self, dag: &Dag) -> Result<RestReply, OperationError> {
        let body = self.call.body.clone().unwrap_or_else(|| json!({}));
        let date = match (&body["logical_date"], &body["execution_date"]) {
            (Value::Null, _) if self.old() && body.get("logical_date").is_some() => {
                return Ok(self.invalid("logical_date", "Field may not be null."));
            }
            (Value::String(text), _) | (Value::Null, Value::String(text)) => match Timestamp::parse_any(text) {
                Some(date) => Some(date),
                None => return Ok(self.invalid("logical_date", "Not a valid datetime.")),
            },
            (Value::Null, _) if self.old() => Some(self.now()),
            (Value::Null, _) if body.get("logical_date").is_none() => return Ok(self.invalid("logical_date", MISSING)),
            (Value::Null, _) => None,
            _ => return Ok(self.invalid("logical_date", "Not a valid datetime.")),
        };
        let conf = match &body["conf"] {
            Value::Null => json!({}),
            conf @ Value::Object(_) => conf.clone(),
            _ => return Ok(self.invalid("conf", "Not a valid mapping type.")),
        };
        let id = body["dag_run_id"].as_str().map(str::to_owned);
        if id.as_deref().is_some_and(|id| id.is_empty() || id.len() > 250 || id.contains('/')) {
            return Ok(self.invalid("dag_run_id", "Not a valid run id."));
        }
        let note = body["note"].as_str().map(str::to_owned);
        let named = id.clone().unwrap_or_else(|| format!("manual__{}", stamp(date.unwrap_or(self.now()))));
        Ok(match self.world.trigger(dag, Some(named.clone()), date, &conf, note).await? {
            // As it is when it is made; the scheduler takes it up after that.
            Some(run) => reply(200, self.run_in(&run, State::Queued, None, None)),
            None if self.old() => self.refuse(
                409,
                "Conflict",
                &format!("DAGRun with DAG ID: '{}' and DAGRun ID: '{named}' already exists", dag.id),
            ),
            None => reply(
                409,
                json!({"detail": {"reason": "Unique constraint violation",
                "orig_error": "UNIQUE constraint failed: dag_run.dag_id, dag_run.run_id"}}),
            ),
        })
    }

    async fn of_run(&self, dag: &Dag, mut run: Run, rest: &[&str]) -> Result<RestReply, OperationError> {
        match (self.call.method.as_str(), rest) {
            ("GET", []) => Ok(reply(200, self.run(Some(dag), &run))),
            ("PATCH", []) => {
                let body = self.call.body.clone().unwrap_or_default();
                let state = body["state"].as_str();
                match state {
                    Some(state @ ("success" | "failed" | "queued")) => {
                        run.state = Some(state.to_owned()).filter(|state| state != "queued");
                        if state == "queued" {
                            run.started_at = Some(self.now());
                        }
                    }
                    None if body.get("note").is_some() => {}
                    _ => return Ok(self.invalid("state", "Must be one of: queued, success, failed.")),
                }
                if let Some(note) = body["note"].as_str() {
                    run.note = Some(note.to_owned());
                }
                self.world.put_run(&run).await?;
                Ok(reply(200, self.run(Some(dag), &run)))
            }
            ("DELETE", []) => {
                self.world.delete_run(&dag.id, &run.id).await?;
                Ok(reply(204, Value::Null))
            }
            ("POST", ["clear"]) => {
                let dry = self.call.body.as_ref().is_none_or(|body| body["dry_run"] != false);
                if !dry {
                    run.state = None;
                    run.started_at = (!self.world.is_paused(dag).await?).then_some(self.now());
                    self.world.put_run(&run).await?;
                }
                let shown = self.run(Some(dag), &run);
                let tasks: Vec<Value> =
                    run.instances(dag, self.now()).iter().map(|instance| self.instance(dag, &run, instance)).collect();
                Ok(reply(200, if dry { json!({"task_instances": tasks, "total_entries": tasks.len()}) } else { shown }))
            }
            ("GET", ["taskInstances"]) => {
                let instances = run.instances(dag, self.now());
                Ok(self.page(
                    "task_instances",
                    instances.iter().map(|instance| self.instance(dag, &run, instance)).collect(),
                ))
            }
            ("GET", ["taskInstances", id, rest @ ..]) => {
                let instances = run.instances(dag, self.now());
                let Some(instance) = instances.iter().find(|instance| dag.tasks[instance.task].id == *id) else {
                    return Ok(if self.old() {
                        self.refuse(
                            404,
                            "Task instance not found",
                            &format!("Task instance with id {id} was not found"),
                        )
                    } else {
                        let (dag, run) = (&dag.id, &run.id);
                        self.refuse(404, "", &format!("The Task Instance with dag_id: `{dag}`, run_id: `{run}` and task_id: `{id}` was not found"))
                    });
                };
                match rest {
                    [] => Ok(reply(200, self.instance(dag, &run, instance))),
                    ["logs", _] => Ok(reply(200, self.log(dag, &run, instance))),
                    _ => Ok(self.nowhere()),
                }
            }
            (_, [] | ["clear" | "taskInstances"]) => Ok(self.no_method()),
            _ => Ok(self.nowhere()),
        }
    }

    fn instance(&self, dag: &Dag, run: &Run, instance: &Instance) -> Value {
        let task = &dag.tasks[instance.task];
        let seconds = match (instance.start, instance.end) {
            (Some(start), Some(end)) => Some((end.as_millis() - start.as_millis()) as f64 / 1000.0),
            _ => None,
        };
        let ran = instance.start.is_some();
        let mut facts = json!({
            "task_id": task.id, "task_display_name": task.id, "dag_id": dag.id, "dag_run_id": run.id, "map_index": -1,
            "logical_date": self.time(run.logical_date), "start_date": self.time(instance.start),
            "end_date": self.time(instance.end), "duration": seconds, "state": instance.state.map(State::name),
            "try_number": i64::from(ran), "max_tries": 0, "hostname": if ran { "simulated" } else { "" },
            "unixname": "airflow", "pool": "default_pool", "pool_slots": 1, "queue": "default", "priority_weight": 1,
            "operator": task.operator, "queued_when": self.time(instance.start), "pid": null, "executor": null,
            "executor_config": "{}", "note": null, "rendered_map_index": null, "rendered_fields": {}, "trigger": null,
            "triggerer_job": null,
        });
        extend(
            &mut facts,
            if self.old() {
                json!({"execution_date": self.time(run.logical_date), "sla_miss": null})
            } else {
                json!({"run_after": self.time(Some(run.queued_at)), "scheduled_when": self.time(instance.start),
                       "dag_version": null})
            },
        );
        facts
    }

    fn log(&self, dag: &Dag, run: &Run, instance: &Instance) -> Value {
        let text = super::logs::text(dag, run, instance);
        if self.old() {
            let at = stamp(instance.start.unwrap_or(run.queued_at));
            return json!(format!("[{at}] {{simulated}} INFO - {text}\n"));
        }
        let event =
            json!({"timestamp": self.time(instance.start), "event": text, "level": "info", "logger": "simulated"});
        json!({"content": [event], "continuation_token": null})
    }
}

/// What Airflow 3 says of a member that is not there.
const MISSING: &str = "Field required";

/// How all parts of Airflow are.
pub(super) fn health(world: &World<'_>) -> Value {
    let beat = stamp(world.target.now);
    let part = |name: &str| json!({"status": "healthy", format!("latest_{name}_heartbeat"): beat});
    json!({"metadatabase": {"status": "healthy"}, "scheduler": part("scheduler"), "triggerer": part("triggerer"),
           "dag_processor": part("dag_processor")})
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(members), Value::Object(more)) = (value, more) {
        members.extend(more);
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A segment of a path without its percent escapes; one that is no text stays as it is.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = (*byte == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (given, expect) in [
            ("manual__2024-01-01T00%3A00%3A00%2B00%3A00", "manual__2024-01-01T00:00:00+00:00"),
            ("100%", "100%"),
            ("%ff", "%ff"),
            ("%zz", "%zz"),
        ] {
            assert_eq!(decoded(given), expect);
        }
    }
}
