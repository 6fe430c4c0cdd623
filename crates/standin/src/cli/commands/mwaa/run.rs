//! `mwaa run`: one run of a DAG, for continuous integration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use standin_core::Clock;
use standin_model::{Timestamp, nearest};

use super::host::{Event, Host};
use super::imports::{self, ImportError};
use super::logs::{Instance, Logs};
use super::project;
use super::session::{Session, SessionArgs, seconds};
use super::site::segment;
use crate::cli::Out;
use crate::cli::commands::remote::{list, text};
use crate::cli::output::to_stderr;
use crate::cli::paint::{Cell, Paint, Tone, table};
use crate::env;
use crate::error::{CommandError, Kind};

/// Between two looks at a run.
const LOOK: Duration = Duration::from_millis(500);
/// How long Airflow may take to read a DAG that it has not yet; it reads files every few seconds.
const READ_MAX: Duration = Duration::from_secs(120);

#[derive(Args, Debug)]
pub struct RunArgs {
    /// A folder with dags/
    dir: PathBuf,

    /// The DAG to run
    #[arg(value_name = "DAG_ID")]
    dag: String,

    #[command(flatten)]
    session: SessionArgs,

    /// The run's configuration: a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = object)]
    conf: Value,

    /// End with 124 where it all takes longer than this, as in 90s or 1h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = standin_core::parse_duration)]
    timeout: Duration,

    /// Print JSON once it is over: the run and its tasks. Logs go to standard error then
    #[arg(long)]
    json: bool,
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it is no object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl RunArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let began = Instant::now();
        let project = project::read(&self.dir)?;
        let mut host = self.session.host.open(&self.dir)?;
        let outcome = self.on(project, &mut host, began, out);
        let closed = host.close();
        // A run that fails is told by 1: what kept it from being one has another code.
        let outcome = outcome.and_then(|code| closed.map(|()| code));
        outcome.map_err(|error| {
            if error.kind == Kind::Failure { CommandError { kind: Kind::Prevented, ..error } } else { error }
        })
    }

    fn on(
        &self,
        project: project::Project,
        host: &mut Host,
        began: Instant,
        out: &mut Out,
    ) -> Result<u8, CommandError> {
        let uploaded_at = Clock::real().now();
        let mut session = Session::begin(&self.session, project, host, self.timeout)?;
        let dag = format!("/dags/{}", segment(&self.dag));
        let was_paused = self.known(&mut session, &dag, uploaded_at)?;
        if was_paused {
            pause(&mut session, &dag, false)?;
        }
        let mut input = json!({ "conf": self.conf });
        if session.site.major > 2 {
            input["logical_date"] = Value::Null;
        }
        let begun =
            session.site.rest(&mut session.host.remote, &Method::POST, &format!("{dag}/dagRuns"), Some(&input))?;
        let begun = begun.good(&format!("trigger {}", self.dag))?;
        let id = text(&begun, "dag_run_id").to_owned();
        let run = format!("{dag}/dagRuns/{}", segment(&id));
        to_stderr(&format!("run {id} of {} begins\n", self.dag));
        let outcome = self.follow(&mut session, &run, began, out);
        if outcome.is_err() {
            // Nobody waits for it: it would go on with the next start.
            let _ =
                session.site.rest(&mut session.host.remote, &Method::PATCH, &run, Some(&json!({ "state": "failed" })));
        }
        if was_paused {
            let _ = pause(&mut session, &dag, true);
        }
        let (state, instances) = outcome?;
        self.tell(&id, &state, &instances, began, out)?;
        Ok(u8::from(state != "success"))
    }

    /// Waits until Airflow has read the DAG as it is now. Whether it is paused.
    fn known(&self, session: &mut Session<'_>, dag: &str, uploaded_at: Timestamp) -> Result<bool, CommandError> {
        let began = Instant::now();
        let tags = session.found()?.unwrap_or_default()["Tags"].clone();
        // A simulated one reads the files anew for each question, and its clock may stand still.
        let is_simulated = text(&tags, standin_mwaa::runtimes::TAG) == "simulated";
        let is_new = |at: Option<Timestamp>| is_simulated || at.is_none_or(|at| at >= uploaded_at);
        loop {
            let found = session.site.rest(&mut session.host.remote, &Method::GET, dag, None)?;
            let is_there = found.status == 200;
            let found = if is_there { found.body } else { Value::Null };
            let errors = imports::all(&mut session.site, &mut session.host.remote, &session.project.dags())?;
            let new: Vec<&ImportError> = errors.iter().filter(|error| is_new(error.at)).collect();
            let own = self.own_errors(&new, session, text(&found, "fileloc"), is_there);
            if !own.is_empty() {
                let lines: Vec<String> = own.iter().map(ToString::to_string).collect();
                return Err(CommandError::failure(anyhow!(
                    "the DAG {} cannot be imported\n{}",
                    self.dag,
                    lines.join("\n")
                )));
            }
            let is_live = found["is_active"] != json!(false) && found["is_stale"] != json!(true);
            if is_there && is_live && is_new(Timestamp::parse_date_time(text(&found, "last_parsed_time"))) {
                return Ok(found["is_paused"] == json!(true));
            }
            if is_simulated || began.elapsed() > READ_MAX {
                return Err(self.unknown(session));
            }
            session.host.events.pause(LOOK)?;
        }
    }

    /// The errors in the file of the DAG: that which Airflow says it is in, else all that have its name in them, else all.
    fn own_errors<'e>(
        &self,
        errors: &[&'e ImportError],
        session: &Session<'_>,
        place: &str,
        is_there: bool,
    ) -> Vec<&'e ImportError> {
        if is_there {
            let file =
                |error: &ImportError| error.file.strip_prefix(session.project.dags()).map(std::path::Path::to_owned);
            let of =
                |error: &&&ImportError| file(error).is_ok_and(|inner| std::path::Path::new(place).ends_with(inner));
            return errors.iter().filter(of).copied().collect();
        }
        let named =
            |error: &&&ImportError| std::fs::read_to_string(&error.file).is_ok_and(|text| text.contains(&self.dag));
        let named: Vec<&ImportError> = errors.iter().filter(named).copied().collect();
        if named.is_empty() { errors.to_vec() } else { named }
    }

    fn unknown(&self, session: &mut Session<'_>) -> CommandError {
        let error =
            CommandError::failure(anyhow!("there is no DAG {:?} in {}", self.dag, session.project.dags().display()));
        let answer = session.site.rest(&mut session.host.remote, &Method::GET, "/dags?limit=100", None);
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else { return error };
        let names: Vec<&str> = list(&answer.body, "dags").iter().map(|dag| text(dag, "dag_id")).collect();
        let near = nearest(&self.dag, names.iter().copied(), 3);
        if near.is_empty() && !names.is_empty() {
            return error.hint(format!("there are {}", names.join(", ")));
        }
        error.near(&near)
    }

    /// Waits until the run is over, and writes the logs of its tasks. The run's state, and its tasks.
    fn follow(
        &self,
        session: &mut Session<'_>,
        run: &str,
        began: Instant,
        out: &mut Out,
    ) -> Result<(String, Vec<Instance>), CommandError> {
        let mut logs = Logs::default();
        let mut states: BTreeMap<String, String> = BTreeMap::new();
        let paint = Paint::of(&std::io::stderr(), &env::process);
        loop {
            // The run first: once it is over, so is what its tasks have written.
            let found =
                session.site.rest(&mut session.host.remote, &Method::GET, run, None)?.good("tell of the run")?;
            let state = text(&found, "state").to_owned();
            let path = format!("{run}/taskInstances?limit=1000");
            let answer = session.site.rest(&mut session.host.remote, &Method::GET, &path, None)?.good("list tasks")?;
            let instances: Vec<Instance> = list(&answer, "task_instances").iter().map(Instance::read).collect();
            logs.follow(&mut session.site, &mut session.host.remote, run, &instances, |task, line| {
                if self.json {
                    to_stderr(&format!("[{task}] {line}\n"));
                    return Ok(());
                }
                writeln!(out, "[{task}] {line}")
            })?;
            out.flush()?;
            for instance in instances.iter().filter(|instance| !instance.state.is_empty()) {
                let before = states.insert(instance.name(), instance.state.clone());
                if before.as_deref() != Some(&instance.state) {
                    to_stderr(&format!("{} {}\n", instance.name(), paint.text(tone(&instance.state), &instance.state)));
                }
            }
            if matches!(state.as_str(), "success" | "failed") {
                return Ok((state, instances));
            }
            if began.elapsed() > self.timeout {
                let error = anyhow!("the run is {state} after {}", standin_core::duration_text(self.timeout));
                let error = CommandError { kind: Kind::TimedOut, ..CommandError::failure(error) };
                return Err(error.hint("--timeout waits longer"));
            }
            match session.host.events.wait(LOOK) {
                Some(Event::Stop) => session.host.events.pause(Duration::ZERO)?,
                Some(Event::Line) | None => {}
            }
        }
    }

    fn tell(
        &self,
        id: &str,
        state: &str,
        instances: &[Instance],
        began: Instant,
        out: &mut Out,
    ) -> Result<(), CommandError> {
        if self.json {
            let task = |instance: &Instance| json!({ "task": instance.name(), "state": instance.state, "tries": instance.tries, "durationMs": instance.duration });
            let tasks: Vec<Value> = instances.iter().map(task).collect();
            return out.json(&json!({ "dag": self.dag, "run": id, "state": state, "tasks": tasks }));
        }
        let paint = Paint::of(&std::io::stderr(), &env::process);
        let row = |instance: &Instance| {
            let took = instance.duration.map(|millis| format!("{}.{} s", millis / 1000, millis / 100 % 10));
            let state = Cell { text: instance.state.clone(), tone: tone(&instance.state) };
            vec![instance.name().into(), state, instance.tries.to_string().into(), took.unwrap_or_default().into()]
        };
        let rows: Vec<Vec<Cell>> = instances.iter().map(row).collect();
        to_stderr(&table(&["TASK", "STATE", "TRIES", "TOOK"], &rows, paint));
        to_stderr(&format!("{} {} after {}\n", self.dag, paint.text(tone(state), state), seconds(began)));
        Ok(())
    }
}

fn pause(session: &mut Session<'_>, dag: &str, paused: bool) -> Result<(), CommandError> {
    let input = json!({ "is_paused": paused });
    let doing = if paused { "pause the DAG" } else { "unpause the DAG" };
    session.site.rest(&mut session.host.remote, &Method::PATCH, dag, Some(&input))?.good(doing).map(drop)
}

fn tone(state: &str) -> Tone {
    match state {
        "success" => Tone::Good,
        "failed" | "upstream_failed" => Tone::Bad,
        "skipped" | "removed" => Tone::Faint,
        _ => Tone::Busy,
    }
}
