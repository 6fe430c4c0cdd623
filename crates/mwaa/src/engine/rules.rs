//! What environments must be like, beyond what the shapes of the API say.

use std::collections::BTreeMap;

use standin_core::OperationError;

use super::validation;
use crate::types::{Environment, EnvironmentStatus, TeamConfig};
use crate::versions::{self, Class, Limits, class, numbers, version};

/// Tags of one environment.
pub(super) const TAGS_MAX: usize = 50;

/// Whether a status is on its way to another: nothing else can be begun then.
pub(super) fn is_busy(status: EnvironmentStatus) -> bool {
    use EnvironmentStatus as Status;
    matches!(
        status,
        Status::Creating
            | Status::Updating
            | Status::Deleting
            | Status::CreatingSnapshot
            | Status::RollingBack
            | Status::Maintenance
    )
}

pub(super) fn busy(status: EnvironmentStatus) -> OperationError {
    validation(format!(
        "Environments with {} status must complete previous operation before initiating a new operation",
        status.as_str()
    ))
}

/// Whether an environment can be updated now.
///
/// # Errors
/// `ValidationException`, in AWS's words.
pub(super) fn updatable(status: EnvironmentStatus) -> Result<(), OperationError> {
    use EnvironmentStatus as Status;
    match status {
        status if is_busy(status) => Err(busy(status)),
        Status::CreateFailed | Status::Pending => {
            Err(validation(format!("Environments with {} status cannot be updated", status.as_str())))
        }
        _ => Ok(()),
    }
}

/// Checks an environment as it is to be, with all defaults in it.
///
/// # Errors
/// `ValidationException` with all that is wrong.
pub(super) fn check(environment: &Environment) -> Result<(), OperationError> {
    let mut wrong = Vec::new();
    let named = environment.airflow_version.as_deref().unwrap_or_default();
    if version(named).is_none() {
        let known: Vec<&str> = versions::VERSIONS.iter().map(|version| version.name).collect();
        wrong.push(format!("AirflowVersion {named} is not supported; supported are {}", known.join(", ")));
    }
    let named = environment.environment_class.as_deref().unwrap_or_default();
    match class(named) {
        Some(class) => sizes(environment, class, &mut wrong),
        None => {
            let known: Vec<&str> = versions::CLASSES.iter().map(|class| class.name).collect();
            wrong.push(format!("EnvironmentClass {named} is not supported; supported are {}", known.join(", ")));
        }
    }
    let options = environment.airflow_configuration_options.iter().flatten();
    for (key, _) in options.filter(|(key, _)| !key.contains('.')) {
        wrong.push(format!("the Airflow configuration option {key} has no section; write it as section.{key}"));
    }
    if let Some(teams) = &environment.teams {
        if environment.identity_center_configuration.is_none() {
            wrong.push("Teams need an IdentityCenterConfiguration".to_owned());
        }
        folders(environment, teams, &mut wrong);
    }
    if environment.tags.as_ref().is_some_and(|tags| tags.len() > TAGS_MAX) {
        wrong.push(format!("an environment has at most {TAGS_MAX} tags"));
    }
    wrong.extend(reserved(environment.tags.iter().flatten().map(|(key, _)| key.as_str())));
    if wrong.is_empty() { Ok(()) } else { Err(validation(wrong.join("; "))) }
}

/// Tag keys that only AWS may set. Those that CloudFormation gives come by the same way as a user's.
pub(super) fn reserved<'k>(mut keys: impl Iterator<Item = &'k str>) -> Option<String> {
    let key = keys.find(|key| {
        let key = key.to_ascii_lowercase();
        key.starts_with("aws:") && !key.starts_with("aws:cloudformation:")
    });
    key.map(|key| format!("the tag key {key} is reserved for AWS"))
}

fn sizes(environment: &Environment, class: &Class, wrong: &mut Vec<String>) {
    let sizes: [(&str, Option<i64>, Limits); 5] = [
        ("Schedulers", environment.schedulers, class.schedulers),
        ("MinWebservers", environment.min_webservers, class.webservers),
        ("MaxWebservers", environment.max_webservers, class.webservers),
        ("MinWorkers", environment.min_workers, class.min_workers),
        ("MaxWorkers", environment.max_workers, class.max_workers),
    ];
    for (member, size, limits) in sizes {
        let Some(size) = size.filter(|size| !(limits.least..=limits.most).contains(size)) else { continue };
        let Limits { least, most, .. } = limits;
        let allowed = if least == most { format!("exactly {least}") } else { format!("between {least} and {most}") };
        wrong.push(format!("{member} must be {allowed} for environments of class {}; it is {size}", class.name));
    }
    for (low, high, least, most) in [
        ("MinWorkers", "MaxWorkers", environment.min_workers, environment.max_workers),
        ("MinWebservers", "MaxWebservers", environment.min_webservers, environment.max_webservers),
    ] {
        if least > most {
            wrong.push(format!("{low} must not be greater than {high}"));
        }
    }
}

/// Folders of DAGs must not lie in each other: a plain test of prefixes within a bucket, as S3 has no folders.
fn folders(environment: &Environment, teams: &BTreeMap<String, TeamConfig>, wrong: &mut Vec<String>) {
    let own = (
        "the environment",
        environment.source_bucket_arn.as_deref().unwrap_or_default(),
        environment.dag_s3_path.as_deref().unwrap_or_default(),
    );
    let of_teams =
        teams.iter().map(|(name, team)| (name.as_str(), team.source_bucket_arn.as_str(), team.dag_s3_path.as_str()));
    let all: Vec<_> = std::iter::once(own).chain(of_teams).collect();
    for (at, (name, bucket, path)) in all.iter().enumerate() {
        for (other, other_bucket, other_path) in &all[at + 1..] {
            if bucket == other_bucket && (path.starts_with(other_path) || other_path.starts_with(path)) {
                wrong.push(format!("the DAG folders of {name} and {other} overlap"));
            }
        }
    }
}

/// Whether an environment of one version can become one of another.
///
/// # Errors
/// `ValidationException`: there is no way back, and none to another major version.
pub(super) fn upgrade(from: &str, to: &str) -> Result<(), OperationError> {
    if versions::major(from) != versions::major(to) {
        return Err(validation(format!(
            "An environment cannot be updated from Airflow {from} to {to}, another major version. Create a new \
             environment instead"
        )));
    }
    if numbers(to) < numbers(from) {
        return Err(validation(format!("An environment cannot be downgraded from Airflow {from} to {to}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_upgrade(from: &str, to: &str, allowed: bool) {
        assert_eq!(upgrade(from, to).is_ok(), allowed, "{from} to {to}");
    }

    #[test]
    fn versions_go_up_within_their_major() {
        check_upgrade("2.9.2", "2.10.1", true);
        check_upgrade("2.10.1", "2.10.1", true);
        check_upgrade("2.10.3", "2.10.1", false);
        check_upgrade("2.11.2", "3.0.6", false);
        check_upgrade("3.0.6", "2.11.2", false);
    }
}
