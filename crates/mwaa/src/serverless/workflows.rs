//! Workflows, their versions and their tags.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use standin_core::{Arn, OperationError};
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, IndexEntry, Row, Scan, StoreError};
use standin_typed::{Shape, convert, optional, required};

use super::definition::{self, BYTES_MAX, Definition, Wrong};
use super::types::{
    Code, CreateWorkflowRequest, CreateWorkflowResponse, DefinitionS3Location, DeleteWorkflowRequest,
    DeleteWorkflowResponse, GetWorkflowRequest, GetWorkflowResponse, ListTagsForResourceResponse,
    ListWorkflowVersionsRequest, ListWorkflowVersionsResponse, ListWorkflowsRequest, ListWorkflowsResponse,
    LoggingConfiguration, ScheduleConfiguration, TagResourceRequest, TagResourceResponse, UntagResourceRequest,
    UntagResourceResponse, UpdateWorkflowRequest, UpdateWorkflowResponse, WorkflowStatus, WorkflowVersionSummary,
};
use super::{
    BY_ID, BY_TOKEN, Decided, Engine, NAMES, RUNS, Scope, VERSIONS, WORKFLOWS, conflict, damaged, invalid, letters,
    not_found, table, wrong,
};
use crate::neighbours::Found;

/// The version of the service's engine that workflows get.
const ENGINE_VERSION: i64 = 1;
/// Letters behind the name of a workflow, in its id.
const SUFFIX_LETTERS: usize = 10;
const VERSION_LETTERS: usize = 32;
const TAGS_MAX: usize = 50;
/// Rows that are deleted in one go.
const DELETED: usize = 256;
/// The number that versions are counted down from: the latest is the first of a list.
const VERSIONS_MAX: i64 = 99_999_999;

/// What all versions of a workflow share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Workflow {
    /// Its name and some letters, as at the end of its ARN.
    pub id: String,
    pub name: String,
    /// The id of its newest version.
    pub latest: String,
    /// Versions so far.
    pub versions: i64,
    pub created_at: Timestamp,
    pub tags: BTreeMap<String, String>,
    /// By which it was asked for, and a digest of what was asked for.
    pub token: Option<(String, String)>,
}

impl Workflow {
    pub(super) fn from_row(row: &Row) -> Result<Self, OperationError> {
        let fields = row.body.as_map().ok_or_else(|| damaged(row))?;
        Ok(Self {
            id: required(fields, "id"),
            name: required(fields, "name"),
            latest: required(fields, "latest"),
            versions: required(fields, "versions"),
            created_at: required(fields, "createdAt"),
            tags: required(fields, "tags"),
            token: optional(fields, "token").zip(optional(fields, "asked")),
        })
    }

    fn put(&self, scope: &Scope, batch: &mut Batch, version: Option<u64>) {
        let mut fields = Fields::with_capacity(8);
        fields.push("id", self.id.clone());
        fields.push("name", self.name.clone());
        fields.push("latest", self.latest.clone());
        fields.push("versions", self.versions);
        fields.push("createdAt", self.created_at);
        fields.push("tags", self.tags.write());
        let mut index = Vec::new();
        if let Some((token, asked)) = &self.token {
            fields.push("token", token.clone());
            fields.push("asked", asked.clone());
            index.push(IndexEntry::new(BY_TOKEN, token.as_str()));
        }
        let workflows = table(scope, WORKFLOWS);
        batch.check(&workflows, self.id.as_str(), version);
        batch.put(&workflows, self.id.as_str(), Document::Map(fields), index);
    }
}

impl Engine {
    pub(super) async fn create(&self, scope: &Scope, input: &CreateWorkflowRequest) -> Result<Decided, OperationError> {
        let asked = digest(input);
        if let Some(token) = &input.client_token
            && let Some(row) = self.find(&table(scope, WORKFLOWS), BY_TOKEN, token).await?
        {
            let workflow = Workflow::from_row(&row)?;
            if workflow.token.as_ref().is_some_and(|(_, before)| *before == asked) {
                let version = self.version(scope, &workflow, None).await?;
                return Ok((created(&version, Vec::new()), Batch::default()));
            }
            return Err(invalid("ClientToken", "it was used for another workflow"));
        }
        let names = table(scope, NAMES);
        if let Some(row) = self.store.get(&names, &input.name).await.map_err(OperationError::internal)? {
            let message = format!("There is a workflow {} already.", input.name);
            return Err(conflict(message, row.body.as_str().unwrap_or_default()));
        }
        let (definition, content) = self.definition(scope, &input.definition_s3_location).await?;
        let code_at = self.look_for_code(scope, input.code.as_ref()).await?;
        let mut draw = scope.draw(&format!("workflow {}", input.name));
        let id = format!("{}-{}", input.name, letters(&mut draw, SUFFIX_LETTERS));
        let logging = input.logging_configuration.clone();
        let logging =
            logging.unwrap_or_else(|| LoggingConfiguration { log_group_name: format!("/aws/mwaa-serverless/{id}/") });
        self.neighbours.make_log_group(&scope.place, &logging.log_group_name).await?;
        let version = GetWorkflowResponse {
            workflow_arn: arn(scope, &id),
            workflow_version: Some(letters(&mut draw, VERSION_LETTERS)),
            name: Some(input.name.clone()),
            description: input.description.clone(),
            created_at: Some(scope.now()),
            modified_at: Some(scope.now()),
            encryption_configuration: input.encryption_configuration.clone(),
            logging_configuration: Some(logging),
            engine_version: Some(input.engine_version.unwrap_or(ENGINE_VERSION)),
            workflow_status: Some(WorkflowStatus::Ready),
            definition_s3_location: Some(input.definition_s3_location.clone()),
            code: input.code.clone(),
            code_snapshotted_at: code_at,
            schedule_configuration: schedule(&definition),
            role_arn: Some(input.role_arn.clone()),
            network_configuration: input.network_configuration.clone(),
            environment: input.environment.clone(),
            trigger_mode: input.trigger_mode.clone(),
            workflow_definition: Some(content),
        };
        let mut workflow = Workflow {
            id,
            name: input.name.clone(),
            created_at: scope.now(),
            tags: input.tags.clone().unwrap_or_default(),
            token: input.client_token.clone().map(|token| (token, asked)),
            ..Workflow::default()
        };
        let mut batch = Batch::default();
        put_version(scope, &mut batch, &mut workflow, &version);
        workflow.put(scope, &mut batch, None);
        // Of two at once, the second is decided anew.
        batch.check(&names, input.name.as_str(), None);
        batch.put(&names, input.name.as_str(), Document::from(workflow.id), Vec::new());
        Ok((created(&version, definition.warnings), batch))
    }

    pub(super) async fn update(&self, scope: &Scope, input: &UpdateWorkflowRequest) -> Result<Decided, OperationError> {
        let (mut workflow, row_version) = self.workflow(scope, &input.workflow_arn).await?;
        let before = self.version(scope, &workflow, None).await?;
        let (definition, content) = self.definition(scope, &input.definition_s3_location).await?;
        let code_at = self.look_for_code(scope, input.code.as_ref()).await?;
        if let Some(logging) = &input.logging_configuration {
            self.neighbours.make_log_group(&scope.place, &logging.log_group_name).await?;
        }
        let mut draw = scope.draw(&format!("version of {}", workflow.id));
        let version = GetWorkflowResponse {
            workflow_version: Some(letters(&mut draw, VERSION_LETTERS)),
            description: input.description.clone().or(before.description),
            modified_at: Some(scope.now()),
            logging_configuration: input.logging_configuration.clone().or(before.logging_configuration),
            engine_version: input.engine_version.or(before.engine_version),
            definition_s3_location: Some(input.definition_s3_location.clone()),
            code: input.code.clone(),
            code_snapshotted_at: code_at,
            schedule_configuration: schedule(&definition),
            role_arn: Some(input.role_arn.clone()),
            network_configuration: input.network_configuration.clone().or(before.network_configuration),
            environment: input.environment.clone(),
            trigger_mode: input.trigger_mode.clone().or(before.trigger_mode),
            workflow_definition: Some(content),
            ..before
        };
        let mut batch = Batch::default();
        put_version(scope, &mut batch, &mut workflow, &version);
        workflow.put(scope, &mut batch, Some(row_version));
        let output = UpdateWorkflowResponse {
            workflow_arn: version.workflow_arn,
            modified_at: version.modified_at,
            workflow_version: version.workflow_version,
            warnings: Some(definition.warnings).filter(|warnings| !warnings.is_empty()),
        };
        Ok((output.write(), batch))
    }

    pub(super) async fn delete(&self, scope: &Scope, input: &DeleteWorkflowRequest) -> Result<Decided, OperationError> {
        let (mut workflow, row_version) = self.workflow(scope, &input.workflow_arn).await?;
        let output = DeleteWorkflowResponse {
            workflow_arn: input.workflow_arn.clone(),
            workflow_version: input.workflow_version.clone(),
        };
        let (prefix, versions) = (format!("{}/", workflow.id), table(scope, VERSIONS));
        let mut batch = Batch::default();
        if let Some(version) = &input.workflow_version {
            let row = self.version_row(scope, &workflow, Some(version)).await?;
            let scan = Scan { prefix: &prefix, after: None, limit: 2 };
            let newest = self.store.scan(&versions, scan).await.map_err(OperationError::internal)?;
            if let Some(next) = newest.iter().find(|other| other.key != row.key) {
                workflow.latest = version_of(next)?.workflow_version.unwrap_or_default();
                batch.check(&versions, row.key.clone(), Some(row.version)).delete(&versions, row.key);
                workflow.put(scope, &mut batch, Some(row_version));
                return Ok((output.write(), batch));
            }
        }
        for of_workflow in [table(scope, RUNS), versions] {
            loop {
                let scan = Scan { prefix: &prefix, after: None, limit: DELETED };
                let rows = self.store.scan(&of_workflow, scan).await.map_err(OperationError::internal)?;
                if rows.is_empty() {
                    break;
                }
                let mut page = Batch::default();
                for row in &rows {
                    page.delete(&of_workflow, row.key.clone());
                }
                match self.store.commit(page).await {
                    // What another did meanwhile is seen by the next look.
                    Ok(_) | Err(StoreError::Conflict) => {}
                    Err(error) => return Err(OperationError::internal(error)),
                }
            }
        }
        let workflows = table(scope, WORKFLOWS);
        batch.check(&workflows, workflow.id.as_str(), Some(row_version)).delete(&workflows, workflow.id.as_str());
        batch.delete(&table(scope, NAMES), workflow.name.as_str());
        Ok((output.write(), batch))
    }

    pub(super) async fn get(&self, scope: &Scope, input: &GetWorkflowRequest) -> Result<Decided, OperationError> {
        let (workflow, _) = self.workflow(scope, &input.workflow_arn).await?;
        let version = self.version(scope, &workflow, input.workflow_version.as_deref()).await?;
        Ok((version.write(), Batch::default()))
    }

    pub(super) async fn list(&self, scope: &Scope, input: &ListWorkflowsRequest) -> Result<Decided, OperationError> {
        let asked = (input.max_results, input.next_token.as_deref());
        let page = self.page(&table(scope, WORKFLOWS), "", asked, |_| true).await?;
        let mut workflows = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let workflow = Workflow::from_row(row)?;
            match self.version(scope, &workflow, None).await {
                Ok(version) => workflows.push(convert(&version)),
                // Deleted while the list was made.
                Err(error) if error.code == "ResourceNotFoundException" => {}
                Err(error) => return Err(error),
            }
        }
        Ok((ListWorkflowsResponse { workflows, next_token: page.next_token }.write(), Batch::default()))
    }

    pub(super) async fn versions(
        &self,
        scope: &Scope,
        input: &ListWorkflowVersionsRequest,
    ) -> Result<Decided, OperationError> {
        // The operation models nothing for what is not there.
        let Some(workflow) = self.known(scope, &input.workflow_arn).await? else {
            return Ok((ListWorkflowVersionsResponse::default().write(), Batch::default()));
        };
        let asked = (input.max_results, input.next_token.as_deref());
        let page = self.page(&table(scope, VERSIONS), &format!("{}/", workflow.id), asked, |_| true).await?;
        let summary = |row: &Row| -> Result<WorkflowVersionSummary, OperationError> {
            let version = version_of(row)?;
            let is_latest = version.workflow_version.as_ref() == Some(&workflow.latest);
            Ok(WorkflowVersionSummary { is_latest_version: Some(is_latest), ..convert(&version) })
        };
        let output = ListWorkflowVersionsResponse {
            workflow_versions: Some(page.rows.iter().map(summary).collect::<Result<_, _>>()?),
            next_token: page.next_token,
        };
        Ok((output.write(), Batch::default()))
    }

    pub(super) async fn tag(&self, scope: &Scope, input: &TagResourceRequest) -> Result<Decided, OperationError> {
        let (mut workflow, version) = self.workflow(scope, &input.resource_arn).await?;
        workflow.tags.extend(input.tags.clone());
        if workflow.tags.len() > TAGS_MAX {
            return Err(invalid("Tags", &format!("a workflow has at most {TAGS_MAX} tags")));
        }
        let mut batch = Batch::default();
        workflow.put(scope, &mut batch, Some(version));
        Ok((TagResourceResponse {}.write(), batch))
    }

    pub(super) async fn untag(&self, scope: &Scope, input: &UntagResourceRequest) -> Result<Decided, OperationError> {
        let (mut workflow, version) = self.workflow(scope, &input.resource_arn).await?;
        workflow.tags.retain(|key, _| !input.tag_keys.contains(key));
        let mut batch = Batch::default();
        workflow.put(scope, &mut batch, Some(version));
        Ok((UntagResourceResponse {}.write(), batch))
    }

    pub(super) async fn tags(&self, scope: &Scope, arn: &str) -> Result<Decided, OperationError> {
        let (workflow, _) = self.workflow(scope, arn).await?;
        Ok((ListTagsForResourceResponse { tags: Some(workflow.tags) }.write(), Batch::default()))
    }

    /// The workflow of an ARN, with the version of its row; those of other accounts and regions are not there.
    pub(super) async fn workflow(&self, scope: &Scope, arn: &str) -> Result<(Workflow, u64), OperationError> {
        let parsed = Arn::parse(arn)
            .filter(|arn| *arn.account == *scope.place.account && *arn.region == *scope.place.region)
            .and_then(|arn| arn.resource.strip_prefix("workflow/"));
        let id = parsed.ok_or_else(|| not_found("workflow", arn))?;
        let row = self.store.get(&table(scope, WORKFLOWS), id).await.map_err(OperationError::internal)?;
        let row = row.ok_or_else(|| not_found("workflow", arn))?;
        Ok((Workflow::from_row(&row)?, row.version))
    }

    /// The workflow of an ARN, for operations that model no error where there is none.
    pub(super) async fn known(&self, scope: &Scope, arn: &str) -> Result<Option<Workflow>, OperationError> {
        match self.workflow(scope, arn).await {
            Ok((workflow, _)) => Ok(Some(workflow)),
            Err(error) if error.code == "ResourceNotFoundException" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A version of a workflow: the newest, unless one is named.
    pub(super) async fn version(
        &self,
        scope: &Scope,
        workflow: &Workflow,
        version: Option<&str>,
    ) -> Result<GetWorkflowResponse, OperationError> {
        version_of(&self.version_row(scope, workflow, version).await?)
    }

    async fn version_row(
        &self,
        scope: &Scope,
        workflow: &Workflow,
        version: Option<&str>,
    ) -> Result<Row, OperationError> {
        let version = version.unwrap_or(&workflow.latest);
        let row = self.find(&table(scope, VERSIONS), BY_ID, &format!("{}/{version}", workflow.id)).await?;
        row.ok_or_else(|| not_found("workflow-version", version))
    }

    /// Reads a definition from S3.
    async fn definition(
        &self,
        scope: &Scope,
        location: &DefinitionS3Location,
    ) -> Result<(Definition, String), OperationError> {
        let DefinitionS3Location { bucket, object_key, version_id } = location;
        let path = format!("s3://{bucket}/{object_key}");
        let member = "DefinitionS3Location";
        let read = self
            .neighbours
            .read_beginning(&scope.place, (bucket, object_key, version_id.as_deref()), BYTES_MAX + 1)
            .await;
        let bytes = read.map_err(|error| match error.status {
            Some(500..) => error,
            _ => invalid(member, &format!("{path} cannot be read: {}: {}", error.code, error.message)),
        })?;
        if bytes.len() > BYTES_MAX {
            return Err(invalid(member, &format!("{path} has more than {BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| invalid(member, &format!("{path} is no UTF-8")))?;
        match definition::read(&text) {
            Ok(definition) => Ok((definition, text)),
            Err(Wrong::Syntax(message)) => Err(wrong(format!("{path} is no YAML: {message}"), "cannotParse")),
            Err(Wrong::Content(message)) => Err(invalid(member, &format!("{path}: {message}"))),
        }
    }

    /// Makes sure that code is there; when that was.
    async fn look_for_code(&self, scope: &Scope, code: Option<&Code>) -> Result<Option<Timestamp>, OperationError> {
        let Some(at) = code.and_then(|code| code.s3_location.as_ref()) else { return Ok(None) };
        let version = at.version_id.as_deref();
        match self.neighbours.find_object(&scope.place, &at.bucket, &at.object_key, version).await? {
            Found::Nothing => Err(invalid("Code", &format!("there is no s3://{}/{}", at.bucket, at.object_key))),
            _ => Ok(Some(scope.now())),
        }
    }
}

pub(super) fn arn(scope: &Scope, id: &str) -> String {
    scope.arn("airflow-serverless", &format!("workflow/{id}"))
}

fn version_of(row: &Row) -> Result<GetWorkflowResponse, OperationError> {
    GetWorkflowResponse::read(&row.body).ok_or_else(|| damaged(row))
}

/// Writes the newest version of a workflow, and notes that it is.
fn put_version(scope: &Scope, batch: &mut Batch, workflow: &mut Workflow, version: &GetWorkflowResponse) {
    let id = version.workflow_version.clone().unwrap_or_default();
    let key = format!("{}/{:08}", workflow.id, VERSIONS_MAX - workflow.versions);
    let index = vec![IndexEntry::new(BY_ID, format!("{}/{id}", workflow.id))];
    batch.put(&table(scope, VERSIONS), key, version.write(), index);
    workflow.versions += 1;
    workflow.latest = id;
}

fn created(version: &GetWorkflowResponse, warnings: Vec<String>) -> Document {
    let output = CreateWorkflowResponse {
        workflow_arn: version.workflow_arn.clone(),
        created_at: version.created_at,
        revision_id: version.workflow_version.clone(),
        workflow_status: version.workflow_status,
        workflow_version: version.workflow_version.clone(),
        is_latest_version: Some(true),
        warnings: Some(warnings).filter(|warnings| !warnings.is_empty()),
    };
    output.write()
}

fn schedule(definition: &Definition) -> Option<ScheduleConfiguration> {
    let schedule = definition.schedule.clone()?;
    Some(ScheduleConfiguration { cron_expression: Some(schedule) })
}

/// Tells one request from another.
fn digest(input: &impl Shape) -> String {
    let text = input.write().to_json().to_string();
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
