//! The logs of simulated tasks, in the environment's log group.
//!
//! When a run begins it is known how it will go, so its logs are told then, with the times at which its tasks will be there.

use standin_core::Place;
use standin_model::Timestamp;

use super::dags::Dag;
use super::world::{Instance, Run, State};
use crate::neighbours::{LogEvent, Neighbours};
use crate::runtime::Target;
use crate::types::LoggingLevel;

/// What the log of a task says.
pub(super) fn text(dag: &Dag, run: &Run, instance: &Instance) -> String {
    let task = &dag.tasks[instance.task];
    let state = instance.state.map_or("none", State::name);
    format!("simulated: task {} of run {} is {state}; its code was not run", task.id, run.id)
}

/// Tells the logs of a run that has begun, where the environment keeps logs of tasks.
pub(super) async fn tell(neighbours: &Neighbours, target: &Target, dag: &Dag, run: &Run) {
    let logging = target.environment.logging_configuration.as_ref().and_then(|logging| logging.task_logs.as_ref());
    let Some(module) = logging.filter(|module| module.enabled == Some(true)) else { return };
    let least = module.log_level.unwrap_or(LoggingLevel::Info);
    let Some(started) = run.started_at else { return };
    let end = Timestamp::from_millis(started.as_millis().saturating_add(run.lasts_ms));
    let place = Place {
        partition: target.partition.clone(),
        account: target.account.clone(),
        region: target.region.clone(),
        access_key: None,
        now: target.now,
    };
    for instance in run.instances(dag, end) {
        let Some(ended) = instance.end else { continue };
        let level = if instance.state == Some(State::Failed) { LoggingLevel::Error } else { LoggingLevel::Info };
        // The gravest level is the first.
        if level > least {
            continue;
        }
        let event = LogEvent { time: ended.as_millis(), level, message: text(dag, run, &instance) };
        let task = &dag.tasks[instance.task].id;
        let stream = format!("dag_id={}/run_id={}/task_id={task}/attempt=1.log", dag.id, run.id);
        let group = format!("airflow-{}-Task", target.name());
        // Names of streams have neither.
        let told = neighbours.put_log_events(&place, &group, &stream.replace([':', '*'], "_"), &[event]).await;
        if let Err(error) = told {
            tracing::debug!(%error, group, "logs of a simulated task could not be told");
            return;
        }
    }
}
