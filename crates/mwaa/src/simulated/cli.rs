//! The commands of a simulated Airflow.

use serde_json::{Value, json};
use standin_core::OperationError;
use standin_model::Timestamp;

use super::dags::Dag;
use super::folder::{Folder, location};
use super::table::{Format, print, python};
use super::world::{Kind, Run, State, World, stamp};
use crate::runtime::Output;

/// A command line taken apart: what stands by itself, and what follows an option.
#[derive(Debug, Default)]
struct Line<'a> {
    plain: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

/// Options that stand for themselves.
const FLAGS: &[&str] =
    &["-y", "--yes", "-v", "--verbose", "--no-backfill", "-t", "--tree", "-j", "--json", "-s", "--serialize-json"];
/// The short names of options that have long ones.
const SHORT: &[(&str, &str)] = &[
    ("-o", "--output"),
    ("-c", "--conf"),
    ("-r", "--run-id"),
    ("-e", "--exec-date"),
    ("--exec-date", "--exec-date"),
    ("--logical-date", "--exec-date"),
    ("-l", "--exec-date"),
    ("-d", "--dag-id"),
    ("-n", "--num-executions"),
];

impl<'a> Line<'a> {
    fn read(arguments: &'a [String]) -> Self {
        let mut line = Self::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(argument) = rest.next() {
            if !argument.starts_with('-') || argument == "-" {
                line.plain.push(argument);
                continue;
            }
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (argument, None),
            };
            if FLAGS.contains(&name) && given.is_none() {
                line.options.push((name, ""));
                continue;
            }
            let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
            line.options.push((name, given.or_else(|| rest.next()).unwrap_or_default()));
        }
        line
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn flag(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| names.contains(name))
    }
}

/// What a command comes to.
enum Ended {
    Said(Output),
    /// A mistake of whoever wrote the command.
    Usage(String),
    /// An exception, which Airflow shows with its trace.
    Raised(String),
}

type Outcome = Result<Ended, OperationError>;

fn said(text: impl Into<String>) -> Outcome {
    Ok(Ended::Said(Output { stdout: format!("{}\n", text.into()), stderr: String::new() }))
}

fn complained(text: impl Into<String>) -> Outcome {
    Ok(Ended::Said(Output { stdout: String::new(), stderr: format!("{}\n", text.into()) }))
}

/// Runs a command that has been allowed.
///
/// # Errors
/// Where the store or S3 fails. What goes wrong in Airflow is told as Airflow does: on the standard error.
pub(super) async fn run(
    world: &World<'_>,
    folder: &Folder,
    arguments: &[String],
    random: &str,
) -> Result<Output, OperationError> {
    let group = arguments.first().map_or("", String::as_str);
    let command = arguments.get(1).map_or("", String::as_str);
    let line = Line::read(arguments.get(2..).unwrap_or_default());
    let cli = Cli { world, folder, line, group, command, random };
    let format = cli.line.option("--output").unwrap_or("table");
    let outcome = match Format::parse(format) {
        None => Ended::Usage(format!(
            "argument -o/--output: invalid choice: '{format}' (choose from 'json', 'yaml', 'plain', 'table')"
        )),
        Some(format) => match group {
            "version" => said(world.target.version())?,
            "dags" => cli.dags(format).await?,
            "tasks" => cli.tasks(format).await?,
            "variables" => cli.variables(format).await?,
            "pools" => cli.pools(format).await?,
            "connections" => cli.connections().await?,
            "roles" if command == "list" && world.target.major() == 2 => {
                let names = ["Admin", "Op", "Public", "User", "Viewer"];
                Ended::Said(print(&names.map(|name| vec![("name", json!(name))]), format))
            }
            _ => cli.unknown()?,
        },
    };
    Ok(match outcome {
        Ended::Said(output) => output,
        Ended::Usage(message) => Output {
            stdout: format!("Usage: airflow {group} {command} [-h] …\n"),
            stderr: format!("\nairflow {group} {command} command error: {message}, see help above.\n"),
        },
        Ended::Raised(message) => Output {
            stdout: String::new(),
            stderr: format!("Traceback (most recent call last):\n  (in the simulated Airflow)\n{message}\n"),
        },
    })
}

struct Cli<'c> {
    world: &'c World<'c>,
    folder: &'c Folder,
    line: Line<'c>,
    group: &'c str,
    command: &'c str,
    /// For names that nobody gave.
    random: &'c str,
}

impl Cli<'_> {
    fn now(&self) -> Timestamp {
        self.world.target.now
    }

    fn first(&self) -> Option<&str> {
        self.line.plain.first().copied()
    }

    fn unknown(&self) -> Outcome {
        complained(format!(
            "standin: the simulated Airflow does not run `airflow {} {}`; an environment with a real Airflow does",
            self.group, self.command
        ))
    }

    fn printed(rows: &[Vec<(&'static str, Value)>], format: Format) -> Outcome {
        Ok(Ended::Said(print(rows, format)))
    }

    fn missing(names: &str) -> Outcome {
        Ok(Ended::Usage(format!("the following arguments are required: {names}")))
    }

    /// The DAG that a command is about.
    fn dag(&self, id: &str) -> Result<&Dag, Ended> {
        self.folder.dag(id).map(|dag| &**dag).ok_or_else(|| {
            Ended::Raised(format!(
                "airflow.exceptions.AirflowException: Dag '{id}' could not be found; either it does not exist or it \
                 failed to parse."
            ))
        })
    }

    async fn dags(&self, format: Format) -> Outcome {
        match self.command {
            "list" => return self.list(format).await,
            "list-import-errors" => {
                let rows =
                    self.folder.broken.iter().map(|broken| {
                        vec![("filepath", json!(location(&broken.file))), ("error", json!(broken.trace))]
                    });
                return Self::printed(&rows.collect::<Vec<_>>(), format);
            }
            "report" => {
                let mut files: Vec<&str> = self.folder.dags.iter().map(|dag| dag.file.as_str()).collect();
                files.sort_unstable();
                files.dedup();
                let rows: Vec<_> = files.into_iter().map(|file| self.report(file)).collect();
                return Self::printed(&rows, format);
            }
            "reserialize" => return Ok(Ended::Said(Output::default())),
            _ => {}
        }
        let named = self.first().or(self.line.option("--dag-id"));
        let Some(id) = named else {
            let required =
                if self.command == "list-runs" && self.world.target.major() == 2 { "-d/--dag-id" } else { "dag_id" };
            return Self::missing(required);
        };
        match self.command {
            "trigger" => self.trigger(id, format).await,
            "pause" | "unpause" => self.pause(id, self.command == "pause", format).await,
            "delete" => match self.world.delete_dag(id).await? {
                _ if self.folder.dag(id).is_none() => {
                    Ok(Ended::Raised(format!("airflow.exceptions.DagNotFound: Dag id {id} not found")))
                }
                count => said(format!("Removed {count} record(s)")),
            },
            "list-runs" => self.list_runs(id, format).await,
            "state" => match self.run_at(id, self.line.plain.get(1).copied().unwrap_or_default()).await? {
                Some(run) => {
                    let dag = self.folder.dag(id).map(|dag| &**dag);
                    let state = run.state(dag, self.now()).name();
                    said(if run.conf.as_map().is_some_and(|conf| !conf.is_empty()) {
                        format!("{state}, {}", run.conf.to_json())
                    } else {
                        state.to_owned()
                    })
                }
                None => said("None"),
            },
            "details" => match self.dag(id) {
                Ok(dag) => self.details(dag, format).await,
                Err(ended) => Ok(ended),
            },
            "show" => match self.dag(id) {
                Ok(dag) => said(dot(dag)),
                Err(ended) => Ok(ended),
            },
            "list-jobs" => Self::printed(&[], format),
            _ => self.unknown(),
        }
    }

    fn columns(&self, dag: &Dag, paused: bool) -> Vec<(&'static str, Value)> {
        let mut row = vec![
            ("dag_id", json!(dag.id)),
            ("fileloc", json!(location(&dag.file))),
            ("owners", json!([dag.owner.as_deref().unwrap_or("airflow")])),
            ("is_paused", json!(truth(paused))),
        ];
        if self.world.target.major() > 2 {
            row.extend([("bundle_name", json!("dags-folder")), ("bundle_version", Value::Null)]);
        }
        row
    }

    async fn list(&self, format: Format) -> Outcome {
        let mut rows = Vec::with_capacity(self.folder.dags.len());
        for dag in &self.folder.dags {
            rows.push(self.columns(dag, self.world.is_paused(dag).await?));
        }
        let mut output = print(&rows, format);
        if !self.folder.broken.is_empty() {
            output.stderr =
                "Error: Failed to load all files. For details, run `airflow dags list-import-errors`\n".to_owned();
        }
        Ok(Ended::Said(output))
    }

    fn report(&self, file: &str) -> Vec<(&'static str, Value)> {
        let dags: Vec<&Dag> = self.folder.dags.iter().map(|dag| &**dag).filter(|dag| dag.file == file).collect();
        let tasks: usize = dags.iter().map(|dag| dag.tasks.len()).sum();
        vec![
            ("file", json!(format!("/{file}"))),
            ("duration", json!("0:00:00")),
            ("dag_num", json!(dags.len().to_string())),
            ("task_num", json!(tasks.to_string())),
            ("dags", json!(dags.iter().map(|dag| dag.id.as_str()).collect::<Vec<_>>())),
        ]
    }

    async fn details(&self, dag: &Dag, format: Format) -> Outcome {
        let paused = self.world.is_paused(dag).await?;
        let tags = dag.tags.iter().map(|tag| json!({"name": tag}));
        let facts: [(&str, Value); 8] = [
            ("dag_id", json!(dag.id)),
            ("dag_display_name", json!(dag.id)),
            ("is_paused", json!(paused)),
            ("fileloc", json!(location(&dag.file))),
            ("owners", json!([dag.owner.as_deref().unwrap_or("airflow")])),
            ("description", json!(dag.description)),
            (
                if self.world.target.major() == 2 { "schedule_interval" } else { "timetable_summary" },
                json!(dag.schedule),
            ),
            ("tags", tags.collect()),
        ];
        let rows = facts.map(|(name, value)| vec![("property_name", json!(name)), ("property_value", value)]);
        Self::printed(&rows, format)
    }

    async fn trigger(&self, id: &str, format: Format) -> Outcome {
        let Some(dag) = self.folder.dag(id) else {
            return Ok(Ended::Raised(format!("airflow.exceptions.DagNotFound: Dag id {id} not found in DagModel")));
        };
        let conf = match self.line.option("--conf").filter(|conf| !conf.is_empty()).map(serde_json::from_str::<Value>) {
            None => json!({}),
            Some(Ok(conf @ Value::Object(_))) => conf,
            Some(Ok(_)) => return Ok(Ended::Raised("ValueError: conf must be a dictionary".to_owned())),
            Some(Err(error)) => return Ok(Ended::Raised(format!("json.decoder.JSONDecodeError: {error}"))),
        };
        let date = match self.line.option("--exec-date").map(|text| (text, Timestamp::parse_any(text))) {
            Some((text, None)) => {
                return Ok(Ended::Usage(format!("argument -e/--exec-date: invalid parsedate value: '{text}'")));
            }
            other => other.and_then(|(_, date)| date),
        };
        // Airflow 2 gives every run a date.
        let date = date.or((self.world.target.major() == 2).then(|| self.now()));
        let mut name = self.line.option("--run-id").map(str::to_owned);
        if name.is_none()
            && self.world.run(id, &format!("manual__{}", stamp(date.unwrap_or(self.now())))).await?.is_some()
        {
            name = Some(format!("manual__{}_{}", stamp(date.unwrap_or(self.now())), self.random));
        }
        let Some(run) = self.world.trigger(dag, name.clone(), date, &conf, None).await? else {
            return Ok(Ended::Raised(format!(
                "airflow.exceptions.DagRunAlreadyExists: A Dag Run already exists for dag id {id} with run id {}",
                name.unwrap_or_default()
            )));
        };
        let mut row = vec![
            ("conf", run.conf.to_json()),
            ("dag_id", json!(id)),
            ("dag_run_id", json!(run.id)),
            ("data_interval_start", json!(run.logical_date.map(stamp))),
            ("data_interval_end", json!(run.logical_date.map(stamp))),
            ("end_date", Value::Null),
        ];
        if self.world.target.major() == 2 {
            row.push(("external_trigger", json!("True")));
        }
        row.extend([
            ("last_scheduling_decision", Value::Null),
            ("logical_date", json!(run.logical_date.map(stamp))),
            ("run_type", json!("manual")),
            ("start_date", Value::Null),
            ("state", json!("queued")),
        ]);
        if format == Format::Table || format == Format::Plain {
            row[0].1 = json!(python(&row[0].1));
        }
        Self::printed(&[row], format)
    }

    async fn pause(&self, id: &str, paused: bool, format: Format) -> Outcome {
        let Some(dag) = self.folder.dag(id) else {
            let state = if paused { "unpaused" } else { "paused" };
            return said(format!("No {state} DAGs were found"));
        };
        if self.world.is_paused(dag).await? == paused {
            let state = if paused { "unpaused" } else { "paused" };
            return said(format!("No {state} DAGs were found"));
        }
        self.world.set_paused(dag, paused).await?;
        Self::printed(&[vec![("dag_id", json!(id)), ("is_paused", json!(truth(paused)))]], format)
    }

    async fn list_runs(&self, id: &str, format: Format) -> Outcome {
        let dag = self.folder.dag(id).map(|dag| &**dag);
        let runs = self.world.runs(id).await?;
        if dag.is_none() && runs.is_empty() {
            return Ok(Ended::Raised(format!("airflow.exceptions.DagNotFound: Dag id {id} not found")));
        }
        let wanted = self.line.option("--state").and_then(State::parse);
        let major = self.world.target.major();
        let text = |time: Option<Timestamp>| json!(time.map(stamp).unwrap_or_default());
        let runs = runs.iter().filter(|run| wanted.is_none_or(|state| run.state(dag, self.now()) == state));
        let rows = runs.map(|run| {
            let mut row = vec![
                ("dag_id", json!(id)),
                ("run_id", json!(run.id)),
                ("state", json!(run.state(dag, self.now()).name())),
            ];
            if major == 2 {
                row.push(("execution_date", text(run.logical_date)));
            } else {
                row.extend([("run_after", text(Some(run.queued_at))), ("logical_date", text(run.logical_date))]);
            }
            row.extend([("start_date", text(run.started_at)), ("end_date", text(run.end(dag, self.now())))]);
            row
        });
        Self::printed(&rows.collect::<Vec<_>>(), format)
    }

    /// A run by its id or its logical date.
    async fn run_at(&self, dag: &str, named: &str) -> Result<Option<Run>, OperationError> {
        if let Some(run) = self.world.run(dag, named).await? {
            return Ok(Some(run));
        }
        let Some(date) = Timestamp::parse_any(named) else { return Ok(None) };
        Ok(self.world.runs(dag).await?.into_iter().find(|run| run.logical_date == Some(date)))
    }

    async fn tasks(&self, format: Format) -> Outcome {
        let Some(id) = self.first() else { return Self::missing("dag_id") };
        let dag = match self.dag(id) {
            Ok(dag) => dag,
            Err(ended) => return Ok(ended),
        };
        if self.command == "list" {
            let mut ids: Vec<&str> = dag.tasks.iter().map(|task| task.id.as_str()).collect();
            ids.sort_unstable();
            return said(ids.join("\n"));
        }
        let named = if self.command == "state" { 2 } else { 1 };
        let Some(run_id) = self.line.plain.get(named) else { return Self::missing("execution_date_or_run_id") };
        let Some(run) = self.run_at(id, run_id).await? else {
            return Ok(Ended::Raised(format!(
                "airflow.exceptions.DagRunNotFound: DagRun for {id} with run_id or execution_date of '{run_id}' not found"
            )));
        };
        let instances = run.instances(dag, self.now());
        match self.command {
            "state" => {
                let task = self.line.plain[1];
                let found = instances.iter().find(|instance| dag.tasks[instance.task].id == task);
                match found {
                    Some(instance) => said(instance.state.map_or("None", State::name)),
                    None => Ok(Ended::Raised(format!("airflow.exceptions.TaskNotFound: Task {task} not found"))),
                }
            }
            "states-for-dag-run" => {
                let text = |time: Option<Timestamp>| json!(time.map(stamp).unwrap_or_default());
                let date = if self.world.target.major() == 2 { "execution_date" } else { "logical_date" };
                let rows = instances.iter().map(|instance| {
                    vec![
                        ("dag_id", json!(id)),
                        (date, text(run.logical_date)),
                        ("task_id", json!(dag.tasks[instance.task].id)),
                        ("state", json!(instance.state.map(State::name))),
                        ("start_date", text(instance.start)),
                        ("end_date", text(instance.end)),
                    ]
                });
                Self::printed(&rows.collect::<Vec<_>>(), format)
            }
            _ => self.unknown(),
        }
    }

    async fn variables(&self, format: Format) -> Outcome {
        let kind = Kind::Variable;
        if self.command == "list" {
            let things = self.world.things(kind).await?;
            let rows: Vec<_> = things.iter().map(|(key, _)| vec![("key", json!(key))]).collect();
            return Self::printed(&rows, format);
        }
        let Some(key) = self.first() else { return Self::missing("key") };
        match self.command {
            "get" => match (self.world.thing(kind, key).await?, self.line.option("--default")) {
                (Some(variable), _) => said(variable["value"].as_str().unwrap_or_default()),
                (None, Some(default)) => said(default),
                (None, None) => complained(format!("Variable {key} does not exist")),
            },
            "set" => {
                let Some(value) = self.line.plain.get(1) else { return Self::missing("VALUE") };
                let json_wanted = self.line.flag(&["-j", "--json"]);
                let value = if json_wanted && serde_json::from_str::<Value>(value).is_err() {
                    Value::from(*value).to_string()
                } else {
                    (*value).to_owned()
                };
                let description = self.line.option("--description");
                self.world.put_thing(kind, key, &json!({"value": value, "description": description})).await?;
                said(format!("Variable {key} created"))
            }
            "delete" => {
                self.world.delete_thing(kind, key).await?;
                said(format!("Variable {key} deleted"))
            }
            _ => self.unknown(),
        }
    }

    async fn pools(&self, format: Format) -> Outcome {
        let kind = Kind::Pool;
        let row = |(name, pool): &(String, Value)| {
            vec![
                ("pool", json!(name)),
                ("slots", json!(pool["slots"].to_string())),
                ("description", json!(pool["description"].as_str().unwrap_or_default())),
                ("include_deferred", json!(truth(pool["include_deferred"] == true))),
            ]
        };
        if self.command == "list" {
            let things = self.world.things(kind).await?;
            return Self::printed(&things.iter().map(row).collect::<Vec<_>>(), format);
        }
        let Some(name) = self.first() else { return Self::missing("NAME") };
        match (self.command, &self.line.plain[1..]) {
            ("get" | "delete", _) if self.world.thing(kind, name).await?.is_none() => {
                complained(format!("Pool {name} does not exist"))
            }
            ("get", _) => {
                let pool = self.world.thing(kind, name).await?.unwrap_or_default();
                Self::printed(&[row(&(name.to_owned(), pool))], format)
            }
            ("delete", _) if name == super::world::DEFAULT_POOL => {
                Ok(Ended::Raised("airflow.exceptions.AirflowException: default_pool cannot be deleted".to_owned()))
            }
            ("delete", _) => {
                self.world.delete_thing(kind, name).await?;
                said(format!("Pool {name} deleted"))
            }
            ("set", [slots, description, ..]) => match slots.parse::<i64>() {
                Ok(slots) => {
                    let pool = json!({"slots": slots, "description": description, "include_deferred": false});
                    self.world.put_thing(kind, name, &pool).await?;
                    said(format!("Pool {name} created"))
                }
                Err(_) => Ok(Ended::Usage(format!("argument slots: invalid int value: '{slots}'"))),
            },
            ("set", _) => Self::missing("slots, description"),
            _ => self.unknown(),
        }
    }

    async fn connections(&self) -> Outcome {
        let kind = Kind::Connection;
        let Some(id) = self.first() else { return Self::missing("conn_id") };
        let there = self.world.thing(kind, id).await?.is_some();
        match self.command {
            "add" if there => complained(format!("A connection with `conn_id`={id} already exists.")),
            "add" => {
                let option = |name: &str| self.line.option(name);
                let (uri, json_text) = (option("--conn-uri"), option("--conn-json"));
                let mut connection = json!({
                    "conn_type": option("--conn-type"), "host": option("--conn-host"), "login": option("--conn-login"),
                    "port": option("--conn-port").and_then(|port| port.parse::<u16>().ok()),
                    "schema": option("--conn-schema"), "extra": option("--conn-extra"),
                    "description": option("--conn-description"),
                });
                let shown = match (uri, json_text, option("--conn-type")) {
                    (Some(uri), ..) => {
                        connection["conn_type"] = json!(uri.split(':').next().unwrap_or_default());
                        uri.to_owned()
                    }
                    (None, Some(text), _) => match serde_json::from_str::<Value>(text) {
                        Ok(given @ Value::Object(_)) => {
                            connection = given;
                            text.to_owned()
                        }
                        _ => return complained("Cannot create connection: it is not valid JSON"),
                    },
                    (None, None, Some(kind)) => {
                        let login = option("--conn-login").unwrap_or_default();
                        let secret = if option("--conn-password").is_some() { "******" } else { "" };
                        let host = option("--conn-host").unwrap_or_default();
                        let port = option("--conn-port").unwrap_or_default();
                        format!(
                            "{kind}://{login}:{secret}@{host}:{port}/{}",
                            option("--conn-schema").unwrap_or_default()
                        )
                    }
                    (None, None, None) => {
                        return complained(
                            "Must supply either conn-uri or conn-json or conn-type when not using conn-uri",
                        );
                    }
                };
                self.world.put_thing(kind, id, &connection).await?;
                said(format!("Successfully added `conn_id`={id} : {shown}"))
            }
            "delete" if there => {
                self.world.delete_thing(kind, id).await?;
                said(format!("Successfully deleted connection with `conn_id`={id}"))
            }
            "delete" => complained(format!("Did not find a connection with `conn_id`={id}")),
            _ => self.unknown(),
        }
    }
}

fn truth(is: bool) -> &'static str {
    if is { "True" } else { "False" }
}

/// A DAG in the language of Graphviz.
fn dot(dag: &Dag) -> String {
    let mut text = format!("digraph {} {{\n", dag.id);
    for task in &dag.tasks {
        text.push_str(&format!("\t\"{}\"\n", task.id));
        task.upstream.iter().for_each(|at| text.push_str(&format!("\t\"{}\" -> \"{}\"\n", dag.tasks[*at].id, task.id)));
    }
    text.push('}');
    text
}
