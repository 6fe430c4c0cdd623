//! What an environment is where its creator did not say.

use std::collections::BTreeMap;

use super::Scope;
use crate::types::{
    EndpointManagement, Environment, LoggingConfiguration, LoggingConfigurationInput, LoggingLevel,
    ModuleLoggingConfiguration, ModuleLoggingConfigurationInput, WebserverAccessMode,
};
use crate::versions::{DEFAULT_CLASS, DEFAULT_VERSION, class};

/// Fills in what is missing. Sizes come from the class, which [`super::rules::check`] then holds them against.
pub(super) fn fill(environment: &mut Environment) {
    environment.airflow_version.get_or_insert_with(|| DEFAULT_VERSION.to_owned());
    let named = environment.environment_class.get_or_insert_with(|| DEFAULT_CLASS.to_owned());
    if let Some(class) = class(named) {
        environment.schedulers.get_or_insert(class.schedulers.usual);
        // Who names one of a pair wants the other to fit it.
        pair(
            &mut environment.min_workers,
            &mut environment.max_workers,
            class.min_workers.usual,
            class.max_workers.usual,
        );
        let usual = class.webservers.usual;
        pair(&mut environment.min_webservers, &mut environment.max_webservers, usual, usual);
    }
    environment.webserver_access_mode.get_or_insert(WebserverAccessMode::PrivateOnly);
    environment.endpoint_management.get_or_insert(EndpointManagement::Service);
    environment.airflow_configuration_options.get_or_insert_with(BTreeMap::new);
    environment.tags.get_or_insert_with(BTreeMap::new);
}

fn pair(low: &mut Option<i64>, high: &mut Option<i64>, least: i64, most: i64) {
    let (given_low, given_high) = (*low, *high);
    low.get_or_insert(given_high.map_or(least, |high| high.min(least)));
    high.get_or_insert(given_low.map_or(most, |low| low.max(most)));
}

/// A time of the week for maintenance, chosen once.
pub(super) fn maintenance(scope: &Scope) -> String {
    const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let mut draw = scope.draw("maintenance");
    let day = DAYS[draw.below(7) as usize];
    let half_hours = draw.below(48);
    format!("{day}:{:02}:{}", half_hours / 2, if half_hours.is_multiple_of(2) { "00" } else { "30" })
}

/// A module of Airflow that has logs of its own: how its log group's name ends, and whether logs are on by default.
type Module = (&'static str, bool);

const DAG_PROCESSING: Module = ("DAGProcessing", false);
const SCHEDULER: Module = ("Scheduler", false);
const WEB_SERVER: Module = ("WebServer", false);
const WORKER: Module = ("Worker", false);
const TASK: Module = ("Task", true);

/// The logging of an environment: what is given, else what was, else the default.
pub(super) fn logging(
    scope: &Scope,
    name: &str,
    before: Option<&LoggingConfiguration>,
    given: Option<&LoggingConfigurationInput>,
) -> LoggingConfiguration {
    let module = |(suffix, usual): Module,
                  before: Option<&ModuleLoggingConfiguration>,
                  given: Option<&ModuleLoggingConfigurationInput>| {
        let (enabled, level) = match (given, before) {
            (Some(given), _) => (given.enabled, given.log_level),
            (None, Some(before)) => (before.enabled.unwrap_or(usual), before.log_level.unwrap_or(LoggingLevel::Info)),
            (None, None) => (usual, LoggingLevel::Info),
        };
        let group = || scope.arn("logs", &format!("log-group:airflow-{name}-{suffix}"));
        Some(ModuleLoggingConfiguration {
            enabled: Some(enabled),
            log_level: Some(level),
            cloud_watch_log_group_arn: enabled.then(group),
        })
    };
    let (before, given) = (before.cloned().unwrap_or_default(), given.cloned().unwrap_or_default());
    LoggingConfiguration {
        dag_processing_logs: module(
            DAG_PROCESSING,
            before.dag_processing_logs.as_ref(),
            given.dag_processing_logs.as_ref(),
        ),
        scheduler_logs: module(SCHEDULER, before.scheduler_logs.as_ref(), given.scheduler_logs.as_ref()),
        webserver_logs: module(WEB_SERVER, before.webserver_logs.as_ref(), given.webserver_logs.as_ref()),
        worker_logs: module(WORKER, before.worker_logs.as_ref(), given.worker_logs.as_ref()),
        task_logs: module(TASK, before.task_logs.as_ref(), given.task_logs.as_ref()),
    }
}

/// The log groups that an environment writes to.
pub(super) fn log_groups(environment: &Environment) -> Vec<String> {
    let Some(logging) = &environment.logging_configuration else { return Vec::new() };
    let modules = [
        &logging.dag_processing_logs,
        &logging.scheduler_logs,
        &logging.webserver_logs,
        &logging.worker_logs,
        &logging.task_logs,
    ];
    let arns = modules.into_iter().flatten().filter_map(|module| module.cloud_watch_log_group_arn.as_deref());
    arns.filter_map(|arn| arn.rsplit(':').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pair(given: (Option<i64>, Option<i64>), expect: (i64, i64)) {
        let (mut low, mut high) = given;
        pair(&mut low, &mut high, 1, 10);
        assert_eq!((low, high), (Some(expect.0), Some(expect.1)));
    }

    #[test]
    fn one_of_a_pair_draws_the_other_along() {
        check_pair((None, None), (1, 10));
        check_pair((Some(12), None), (12, 12));
        check_pair((None, Some(0)), (0, 0));
        check_pair((Some(5), Some(2)), (5, 2));
    }
}
