//! UpdateEnvironment: only what is sent changes.

use std::collections::BTreeMap;

use standin_core::OperationError;
use standin_store::Batch;
use standin_typed::Shape as _;

use super::{Decided, Engine, Scope, defaults, rules};
use crate::types::{
    Environment, EnvironmentStatus, LastUpdate, UpdateEnvironmentInput, UpdateEnvironmentOutput, UpdateStatus,
    UpdateTeamsInput,
};

impl Engine {
    pub(super) async fn update(
        &self,
        scope: &Scope,
        input: &UpdateEnvironmentInput,
    ) -> Result<Decided, OperationError> {
        let (mut kept, version) = self.existing(scope, &input.name).await?;
        rules::updatable(kept.status())?;
        let before = kept.environment.clone();
        let after = &mut kept.environment;
        apply(scope, after, input);
        rules::check(after)?;
        let of = |environment: &Environment| environment.airflow_version.clone().unwrap_or_default();
        rules::upgrade(&of(&before), &of(after))?;
        let contents = self.resolve_files(scope, after).await?;
        let moves = of(&before) != of(after) || before.environment_class != after.environment_class;
        after.last_update = Some(LastUpdate {
            status: Some(UpdateStatus::Pending),
            created_at: Some(scope.now()),
            worker_replacement_strategy: input.worker_replacement_strategy,
            ..LastUpdate::default()
        });
        // What another version or class may break is kept first.
        kept.set_status(if moves { EnvironmentStatus::CreatingSnapshot } else { EnvironmentStatus::Updating });
        kept.before = Some(before);
        kept.contents_before = std::mem::replace(&mut kept.contents, contents);
        kept.twist = scope.twist;
        let output = UpdateEnvironmentOutput { arn: kept.environment.arn.clone() };
        let mut batch = Batch::default();
        self.put(scope, &mut batch, kept, Some(version), Some(self.pace_ms()));
        Ok((output.write(), batch))
    }
}

fn apply(scope: &Scope, environment: &mut Environment, input: &UpdateEnvironmentInput) {
    /// Takes over what was sent.
    fn set<T: Clone>(member: &mut Option<T>, sent: Option<&T>) {
        if let Some(sent) = sent {
            *member = Some(sent.clone());
        }
    }
    set(&mut environment.execution_role_arn, input.execution_role_arn.as_ref());
    set(&mut environment.airflow_configuration_options, input.airflow_configuration_options.as_ref());
    set(&mut environment.airflow_version, input.airflow_version.as_ref());
    set(&mut environment.dag_s3_path, input.dag_s3_path.as_ref());
    set(&mut environment.source_bucket_arn, input.source_bucket_arn.as_ref());
    set(&mut environment.max_workers, input.max_workers.as_ref());
    set(&mut environment.min_workers, input.min_workers.as_ref());
    set(&mut environment.max_webservers, input.max_webservers.as_ref());
    set(&mut environment.min_webservers, input.min_webservers.as_ref());
    set(&mut environment.schedulers, input.schedulers.as_ref());
    set(&mut environment.webserver_access_mode, input.webserver_access_mode.as_ref());
    set(&mut environment.weekly_maintenance_window_start, input.weekly_maintenance_window_start.as_ref());
    set(&mut environment.identity_center_configuration, input.identity_center_configuration.as_ref());
    if environment.environment_class != input.environment_class && input.environment_class.is_some() {
        environment.environment_class.clone_from(&input.environment_class);
        // Sizes that were not sent are those of the new class, where the old ones are out of its limits.
        resize(environment, input);
    }
    if let Some(network) = &input.network_configuration {
        // Subnets never change.
        environment.network_configuration.get_or_insert_default().security_group_ids =
            Some(network.security_group_ids.clone());
    }
    if input.logging_configuration.is_some() {
        let name = environment.name.clone().unwrap_or_default();
        let before = environment.logging_configuration.take();
        environment.logging_configuration =
            Some(defaults::logging(scope, &name, before.as_ref(), input.logging_configuration.as_ref()));
    }
    file(
        (&mut environment.plugins_s3_path, &mut environment.plugins_s3_object_version),
        (&input.plugins_s3_path, &input.plugins_s3_object_version),
    );
    file(
        (&mut environment.requirements_s3_path, &mut environment.requirements_s3_object_version),
        (&input.requirements_s3_path, &input.requirements_s3_object_version),
    );
    file(
        (&mut environment.startup_script_s3_path, &mut environment.startup_script_s3_object_version),
        (&input.startup_script_s3_path, &input.startup_script_s3_object_version),
    );
    if let Some(teams) = &input.teams {
        merge_teams(environment, teams);
    }
}

/// A file's path and version. An empty path removes both; a path without a version means the current one.
fn file(
    (path, version): (&mut Option<String>, &mut Option<String>),
    (sent_path, sent_version): (&Option<String>, &Option<String>),
) {
    match sent_path.as_deref() {
        Some("") => (*path, *version) = (None, None),
        Some(sent) => (*path, *version) = (Some(sent.to_owned()), None),
        None => {}
    }
    match sent_version.as_deref() {
        Some("") => *version = None,
        Some(sent) => *version = Some(sent.to_owned()),
        None => {}
    }
}

fn resize(environment: &mut Environment, input: &UpdateEnvironmentInput) {
    let Some(class) = environment.environment_class.as_deref().and_then(crate::versions::class) else { return };
    let sizes = [
        (&mut environment.schedulers, input.schedulers, class.schedulers),
        (&mut environment.min_webservers, input.min_webservers, class.webservers),
        (&mut environment.max_webservers, input.max_webservers, class.webservers),
        (&mut environment.min_workers, input.min_workers, class.min_workers),
        (&mut environment.max_workers, input.max_workers, class.max_workers),
    ];
    for (size, sent, limits) in sizes {
        if sent.is_none() && size.is_none_or(|size| !(limits.least..=limits.most).contains(&size)) {
            *size = Some(limits.usual);
        }
    }
}

fn merge_teams(environment: &mut Environment, sent: &UpdateTeamsInput) {
    let mut teams: BTreeMap<_, _> = environment.teams.take().unwrap_or_default();
    sent.remove.iter().flatten().for_each(|name| drop(teams.remove(name)));
    teams.extend(sent.add_or_update.clone().unwrap_or_default());
    environment.teams = Some(teams).filter(|teams| !teams.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(
        before: (Option<&str>, Option<&str>),
        sent: (Option<&str>, Option<&str>),
        after: (Option<&str>, Option<&str>),
    ) {
        let owned =
            |(path, version): (Option<&str>, Option<&str>)| (path.map(str::to_owned), version.map(str::to_owned));
        let (mut path, mut version) = owned(before);
        let (sent_path, sent_version) = owned(sent);
        file((&mut path, &mut version), (&sent_path, &sent_version));
        assert_eq!((path, version), owned(after));
    }

    #[test]
    fn files_are_kept_changed_and_removed() {
        let there = (Some("r.txt"), Some("1"));
        check_file(there, (None, None), there);
        check_file(there, (Some("r.txt"), Some("2")), (Some("r.txt"), Some("2")));
        check_file(there, (Some("s.txt"), None), (Some("s.txt"), None));
        check_file(there, (None, Some("3")), (Some("r.txt"), Some("3")));
        check_file(there, (Some(""), None), (None, None));
    }
}
