//! CreateEnvironment, and the files in S3 that environments are made of.

use standin_core::{Arn, OperationError};
use standin_store::Batch;
use standin_typed::Shape as _;

use super::{Decided, Engine, Kept, Scope, defaults, rules, validation};
use crate::neighbours::Found;
use crate::runtime::Contents;
use crate::types::{
    CreateEnvironmentInput, CreateEnvironmentOutput, Environment, EnvironmentStatus, LastUpdate, UpdateStatus,
};

impl Engine {
    pub(super) async fn create(
        &self,
        scope: &Scope,
        input: &CreateEnvironmentInput,
    ) -> Result<Decided, OperationError> {
        let name = &input.name;
        let mut environment = Environment {
            name: Some(name.clone()),
            status: Some(EnvironmentStatus::Creating),
            arn: Some(scope.arn("airflow", &format!("environment/{name}"))),
            created_at: Some(scope.now()),
            execution_role_arn: Some(input.execution_role_arn.clone()),
            service_role_arn: Some(service_role(scope)),
            kms_key: input.kms_key.clone(),
            airflow_version: input.airflow_version.clone(),
            source_bucket_arn: Some(input.source_bucket_arn.clone()),
            dag_s3_path: Some(input.dag_s3_path.clone()),
            plugins_s3_path: given(&input.plugins_s3_path),
            plugins_s3_object_version: given(&input.plugins_s3_object_version),
            requirements_s3_path: given(&input.requirements_s3_path),
            requirements_s3_object_version: given(&input.requirements_s3_object_version),
            startup_script_s3_path: given(&input.startup_script_s3_path),
            startup_script_s3_object_version: given(&input.startup_script_s3_object_version),
            airflow_configuration_options: input.airflow_configuration_options.clone(),
            environment_class: input.environment_class.clone(),
            max_workers: input.max_workers,
            network_configuration: Some(input.network_configuration.clone()),
            logging_configuration: Some(defaults::logging(scope, name, None, input.logging_configuration.as_ref())),
            last_update: Some(LastUpdate {
                status: Some(UpdateStatus::Pending),
                created_at: Some(scope.now()),
                ..LastUpdate::default()
            }),
            weekly_maintenance_window_start: input
                .weekly_maintenance_window_start
                .clone()
                .or_else(|| Some(defaults::maintenance(scope))),
            tags: input.tags.clone(),
            webserver_access_mode: input.webserver_access_mode,
            min_workers: input.min_workers,
            schedulers: input.schedulers,
            endpoint_management: input.endpoint_management,
            min_webservers: input.min_webservers,
            max_webservers: input.max_webservers,
            identity_center_configuration: input.identity_center_configuration.clone(),
            teams: input.teams.clone(),
            ..Environment::default()
        };
        defaults::fill(&mut environment);
        rules::check(&environment)?;
        if self.find(scope, name).await?.is_some() {
            return Err(validation(format!("Environment with name {name} already exists.")));
        }
        let contents = self.resolve_files(scope, &mut environment).await?;
        let mut draw = scope.draw(&format!("environment {name}"));
        let mut uuid = || uuid(draw.next_u64(), draw.next_u64());
        let (id, secret, queue) = (uuid(), format!("{}{}", uuid(), uuid()), uuid());
        let (web, database) = (endpoint_service(scope, &uuid()), endpoint_service(scope, &uuid()));
        environment.celery_executor_queue = Some(scope.arn("sqs", &format!("airflow-celery-{queue}")));
        environment.webserver_vpc_endpoint_service = Some(web);
        environment.database_vpc_endpoint_service = Some(database);
        let output = CreateEnvironmentOutput { arn: environment.arn.clone() };
        let kept = Kept { environment, contents, id, secret, twist: scope.twist, ..Kept::default() };
        let mut batch = Batch::default();
        self.put(scope, &mut batch, kept, None, Some(self.pace_ms()));
        Ok((output.write(), batch))
    }

    /// Looks for the bucket and the files of an environment, and notes the versions that the files have now; their contents.
    ///
    /// # Errors
    /// `ValidationException` where something is not there.
    pub(super) async fn resolve_files(
        &self,
        scope: &Scope,
        environment: &mut Environment,
    ) -> Result<Contents, OperationError> {
        let mut contents = Contents::default();
        let arn = environment.source_bucket_arn.clone().unwrap_or_default();
        let bucket = Arn::parse(&arn).map_or("", |arn| arn.resource);
        if !self.neighbours.has_bucket(&scope.place, bucket).await {
            return Err(validation(format!("Invalid request provided: The bucket {bucket} does not exist.")));
        }
        let files = [
            (
                "plugins.zip",
                &environment.plugins_s3_path,
                &mut environment.plugins_s3_object_version,
                &mut contents.plugins,
            ),
            (
                "requirements.txt",
                &environment.requirements_s3_path,
                &mut environment.requirements_s3_object_version,
                &mut contents.requirements,
            ),
            (
                "startup script",
                &environment.startup_script_s3_path,
                &mut environment.startup_script_s3_object_version,
                &mut contents.startup_script,
            ),
        ];
        for (what, path, version, content) in files {
            let Some(path) = path else {
                if version.is_some() {
                    return Err(validation(format!(
                        "Invalid request provided: a version of the {what} needs its path."
                    )));
                }
                continue;
            };
            match self.neighbours.find_object(&scope.place, bucket, path, version.as_deref()).await? {
                Found::Object { etag, version: now } => {
                    *version = version.take().or(now);
                    *content = Some(etag);
                }
                Found::Nothing => {
                    let of = version.as_ref().map_or_else(String::new, |version| format!(" version {version} of"));
                    return Err(validation(format!("Unable to access{of} {what} at s3://{bucket}/{path}")));
                }
            }
        }
        Ok(contents)
    }
}

/// An empty text removes, or was never there.
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn service_role(scope: &Scope) -> String {
    let (partition, account) = (&scope.place.partition, &scope.place.account);
    format!("arn:{partition}:iam::{account}:role/aws-service-role/airflow.amazonaws.com/AWSServiceRoleForAmazonMWAA")
}

fn endpoint_service(scope: &Scope, uuid: &str) -> String {
    let hex: String = uuid.chars().filter(char::is_ascii_hexdigit).take(17).collect();
    format!("com.amazonaws.vpce.{}.vpce-svc-{hex}", scope.place.region)
}

pub(super) fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}
