//! How MWAA calls Airflow's metrics: names, units and dimensions.
//!
//! Facts: "Apache Airflow environment metrics in CloudWatch" of the MWAA user guide.

/// A metric of CloudWatch's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub metric: &'static str,
    pub unit: &'static str,
    /// Beside that of the environment.
    pub dimensions: Vec<(&'static str, String)>,
}

/// Airflow's name, with `{}` for what becomes a dimension; CloudWatch's name, the unit, and the dimensions: those with a value have it
/// always, the others take what stands in the name.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const COUNT: &str = "Count";
const SECONDS: &str = "Seconds";
const MILLISECONDS: &str = "Milliseconds";
const PERCENT: &str = "Percent";

const SCHEDULER: &[(&str, &str)] = &[("Function", "Scheduler")];
const PROCESSING: &[(&str, &str)] = &[("Function", "DAG Processing")];
const EXECUTOR: &[(&str, &str)] = &[("Function", "Executor")];
const TRIGGER: &[(&str, &str)] = &[("Function", "Trigger")];
const CELERY: &[(&str, &str)] = &[("Function", "Celery")];
const ALL: &[(&str, &str)] = &[("DAG", "All"), ("Task", "All")];
const DAG: &[(&str, &str)] = &[("DAG", "")];
const DAG_TASK: &[(&str, &str)] = &[("DAG", ""), ("Task", "")];
const FILE: &[(&str, &str)] = &[("DAG Filename", "")];
const POOL: &[(&str, &str)] = &[("Pool", "")];
const JOB: &[(&str, &str)] = &[("Job", "")];
const OPERATOR: &[(&str, &str)] = &[("Operator", "")];

const ROWS: &[Row] = &[
    ("sla_missed", "SLAMissed", COUNT, SCHEDULER),
    ("sla_callback_notification_failure", "FailedSLACallback", COUNT, SCHEDULER),
    ("sla_email_notification_failure", "FailedSLAEmailAttempts", COUNT, SCHEDULER),
    ("dataset.updates", "Updates", COUNT, SCHEDULER),
    ("dataset.orphaned", "Orphaned", COUNT, SCHEDULER),
    ("dataset.triggered_dagruns", "TriggeredDagRuns", COUNT, SCHEDULER),
    ("celery.execute_command.failure", "FailedCeleryTaskExecution", COUNT, CELERY),
    ("celery.task_timeout_error", "TaskTimeoutError", COUNT, CELERY),
    ("dag_processing.file_path_queue_update_count", "FilePathQueueUpdateCount", COUNT, SCHEDULER),
    ("dag_processing.other_callback_count", "OtherCallbackCount", COUNT, SCHEDULER),
    ("dag_processing.sla_callback_count", "SlaCallbackCount", COUNT, SCHEDULER),
    ("dag_processing.manager_stalls", "ManagerStalls", COUNT, PROCESSING),
    ("dag_processing.processes", "Processes", COUNT, PROCESSING),
    ("dag_processing.processor_timeouts", "ProcessorTimeouts", COUNT, PROCESSING),
    ("dag_processing.import_errors", "ImportErrors", COUNT, PROCESSING),
    ("dag_processing.total_parse_time", "TotalParseTime", SECONDS, PROCESSING),
    ("dag_processing.last_run.seconds_ago.{}", "DAGFileProcessingLastRunSecondsAgo", SECONDS, FILE),
    ("dag_processing.last_duration.{}", "DAGFileProcessingLastDuration", SECONDS, FILE),
    ("dag_processing.last_num_of_db_queries.{}", "DAGFileProcessingLastNumOfDbQueries", COUNT, FILE),
    ("dagbag_size", "DagBagSize", COUNT, PROCESSING),
    ("dag_file_refresh_error", "DAGFileRefreshError", COUNT, PROCESSING),
    ("collect_db_dags", "CollectDBDags", MILLISECONDS, PROCESSING),
    ("dag.callback_exceptions", "DagCallbackExceptions", COUNT, &[("DAG", "All")]),
    ("scheduler.critical_section_busy", "CriticalSectionBusy", COUNT, SCHEDULER),
    ("scheduler.critical_section_duration", "CriticalSectionDuration", MILLISECONDS, SCHEDULER),
    ("scheduler.critical_section_query_duration", "CriticalSectionQueryDuration", MILLISECONDS, SCHEDULER),
    ("scheduler.scheduler_loop_duration", "SchedulerLoopDuration", MILLISECONDS, SCHEDULER),
    ("scheduler.orphaned_tasks.adopted", "OrphanedTasksAdopted", COUNT, SCHEDULER),
    ("scheduler.orphaned_tasks.cleared", "OrphanedTasksCleared", COUNT, SCHEDULER),
    ("scheduler.tasks.killed_externally", "TasksKilledExternally", COUNT, SCHEDULER),
    ("scheduler.tasks.executable", "TasksExecutable", COUNT, SCHEDULER),
    ("scheduler.tasks.running", "TasksRunning", COUNT, SCHEDULER),
    ("scheduler.tasks.starving", "TasksStarving", COUNT, SCHEDULER),
    ("scheduler.tasks.without_dagrun", "TasksWithoutDagRun", COUNT, SCHEDULER),
    ("scheduler_heartbeat", "SchedulerHeartbeat", COUNT, SCHEDULER),
    ("triggerer_heartbeat", "TriggerHeartbeat", COUNT, &[("Function", "Triggerer")]),
    ("triggers.succeeded", "TriggersSucceeded", COUNT, TRIGGER),
    ("triggers.failed", "TriggersFailed", COUNT, TRIGGER),
    ("triggers.blocked_main_thread", "TriggersBlockedMainThread", COUNT, TRIGGER),
    ("triggers.running.{}", "TriggersRunning", COUNT, &[("Function", "Trigger"), ("HostName", "")]),
    ("executor.open_slots", "OpenSlots", COUNT, EXECUTOR),
    ("executor.queued_tasks", "QueuedTasks", COUNT, EXECUTOR),
    ("executor.running_tasks", "RunningTasks", COUNT, EXECUTOR),
    ("pool.open_slots.{}", "PoolOpenSlots", COUNT, POOL),
    ("pool.queued_slots.{}", "PoolQueuedSlots", COUNT, POOL),
    ("pool.running_slots.{}", "PoolRunningSlots", COUNT, POOL),
    ("pool.deferred_slots.{}", "PoolDeferredSlots", COUNT, POOL),
    ("pool.scheduled_slots.{}", "PoolScheduledSlots", COUNT, POOL),
    ("pool.starving_tasks.{}", "PoolStarvingTasks", COUNT, POOL),
    ("ti_failures", "TaskInstanceFailures", COUNT, ALL),
    ("ti_successes", "TaskInstanceSuccesses", COUNT, ALL),
    ("previously_succeeded", "TaskInstancePreviouslySucceeded", COUNT, ALL),
    ("zombies_killed", "ZombiesKilled", COUNT, ALL),
    ("ti.finish.{}.{}.{}", "TaskInstanceFinished", COUNT, &[("DAG", ""), ("Task", ""), ("State", "")]),
    ("ti.start.{}.{}", "StartedTaskInstances", COUNT, ALL),
    ("task_removed_from_dag.{}", "TaskRemovedFromDAG", COUNT, DAG),
    ("task_restored_to_dag.{}", "TaskRestoredToDAG", COUNT, DAG),
    ("task_instance_created_{}", "TaskInstanceCreatedUsingOperator", COUNT, OPERATOR),
    ("task_instance_created-{}", "TaskInstanceCreatedUsingOperator", COUNT, OPERATOR),
    ("operator_failures_{}", "OperatorFailures", COUNT, OPERATOR),
    ("operator_successes_{}", "OperatorSuccesses", COUNT, OPERATOR),
    ("dagrun.dependency-check.{}", "DAGDependencyCheck", MILLISECONDS, DAG),
    ("dagrun.duration.failed.{}", "DAGDurationFailed", MILLISECONDS, DAG),
    ("dagrun.duration.success.{}", "DAGDurationSuccess", MILLISECONDS, DAG),
    ("dagrun.schedule_delay.{}", "DAGScheduleDelay", MILLISECONDS, DAG),
    ("dagrun.{}.first_task_scheduling_delay", "FirstTaskSchedulingDelay", MILLISECONDS, DAG),
    ("dag.{}.{}.duration", "TaskInstanceDuration", MILLISECONDS, DAG_TASK),
    ("dag.{}.{}.queued_duration", "TaskInstanceQueuedDuration", MILLISECONDS, DAG_TASK),
    ("dag.{}.{}.scheduled_duration", "TaskInstanceScheduledDuration", MILLISECONDS, DAG_TASK),
    ("cpu.usage.{}.{}", "TaskCpuUsage", PERCENT, DAG_TASK),
    ("mem.usage.{}.{}", "TaskMemoryUsage", PERCENT, DAG_TASK),
    ("{}_heartbeat_failure", "JobHeartbeatFailure", COUNT, JOB),
    ("{}_start", "JobStart", COUNT, JOB),
    ("{}_end", "JobEnd", COUNT, JOB),
];

/// What stands in a name for each `{}` of a pattern. Names of DAGs and tasks have points, too: of several, the first is taken to the first
/// point, the last from the last, and the one between has the rest.
fn captures<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let mut parts = pattern.split("{}");
    let mut rest = name.strip_prefix(parts.next()?)?;
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else { return rest.is_empty().then(Vec::new) };
    rest = rest.strip_suffix(end)?;
    let mut found = Vec::with_capacity(parts.len() + 1);
    let last = if parts.len() > 1 {
        let separator = parts.pop()?;
        let (before, last) = rest.rsplit_once(separator)?;
        rest = before;
        Some(last)
    } else {
        None
    };
    for separator in parts {
        let (first, behind) = rest.split_once(separator)?;
        found.push(first);
        rest = behind;
    }
    found.push(rest);
    found.extend(last);
    found.iter().all(|part| !part.is_empty()).then_some(found)
}

impl Named {
    /// MWAA's metric for one of Airflow's; nothing where it has none.
    pub(super) fn of(name: &str) -> Option<Self> {
        /// Of the value of a dimension, in characters.
        const VALUE_CHARS_MAX: usize = 250;
        ROWS.iter().find_map(|(pattern, metric, unit, dimensions)| {
            let mut found = captures(pattern, name)?.into_iter();
            let dimensions = dimensions.iter().map(|(name, value)| {
                let value = if value.is_empty() { found.next()? } else { value };
                Some((*name, value.chars().take(VALUE_CHARS_MAX).collect()))
            });
            Some(Self { metric, unit, dimensions: dimensions.collect::<Option<_>>()? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: Option<(&str, &[(&str, &str)])>) {
        let named = Named::of(name);
        let told = named.as_ref().map(|named| {
            (named.metric, named.dimensions.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
        });
        assert_eq!(told, expect.map(|(metric, dimensions)| (metric, dimensions.to_vec())), "{name}");
    }

    #[test]
    fn names_are_those_of_the_guide() {
        check("scheduler_heartbeat", Some(("SchedulerHeartbeat", &[("Function", "Scheduler")])));
        check("ti_failures", Some(("TaskInstanceFailures", &[("DAG", "All"), ("Task", "All")])));
        check(
            "ti.finish.a.group.b.success",
            Some(("TaskInstanceFinished", &[("DAG", "a"), ("Task", "group.b"), ("State", "success")])),
        );
        check("dag.hello.greet.duration", Some(("TaskInstanceDuration", &[("DAG", "hello"), ("Task", "greet")])));
        check(
            "dag.hello.greet.queued_duration",
            Some(("TaskInstanceQueuedDuration", &[("DAG", "hello"), ("Task", "greet")])),
        );
        check("dagrun.duration.success.my.dag", Some(("DAGDurationSuccess", &[("DAG", "my.dag")])));
        check("dagrun.hello.first_task_scheduling_delay", Some(("FirstTaskSchedulingDelay", &[("DAG", "hello")])));
        check("pool.open_slots.default_pool", Some(("PoolOpenSlots", &[("Pool", "default_pool")])));
        check("triggers.running.host", Some(("TriggersRunning", &[("Function", "Trigger"), ("HostName", "host")])));
        check("SchedulerJob_start", Some(("JobStart", &[("Job", "SchedulerJob")])));
        check("operator_successes_BashOperator", Some(("OperatorSuccesses", &[("Operator", "BashOperator")])));
        for name in ["", "_start", "ti.finish", "ti.finish.a.b", "ti.finish...", "asset.updates.x", "dag..duration"] {
            check(name, None);
        }
    }
}
