//! Runs of workflows, and the instances of their tasks.

use standin_core::OperationError;
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, IndexEntry, Row};
use standin_typed::{Shape as _, convert};

use super::definition::{self, Wrong};
use super::run::{Instance, Run};
use super::types::{
    GetTaskInstanceRequest, GetTaskInstanceResponse, GetWorkflowRunRequest, GetWorkflowRunResponse,
    ListTaskInstancesRequest, ListTaskInstancesResponse, ListWorkflowRunsRequest, ListWorkflowRunsResponse,
    RunDetailSummary, RunType, StartWorkflowRunRequest, StartWorkflowRunResponse, StopWorkflowRunRequest,
    StopWorkflowRunResponse, WorkflowRunDetail, WorkflowRunSummary,
};
use super::workflows::Workflow;
use super::{
    BY_ID, BY_TOKEN, Decided, Engine, LISTED, RUNS, Scope, damaged, invalid, letters, not_found, table, wrong,
};

const RUN_LETTERS: usize = 20;
/// The mode of workflows that do not run at all.
const DISABLED: &str = "disabled";

impl Engine {
    pub(super) async fn start(
        &self,
        scope: &Scope,
        input: &StartWorkflowRunRequest,
    ) -> Result<Decided, OperationError> {
        let (workflow, _) = self.workflow(scope, &input.workflow_arn).await?;
        let runs = table(scope, RUNS);
        let token = input.client_token.as_ref().map(|token| format!("{}/{token}", workflow.id));
        if let Some(token) = &token
            && let Some(row) = self.find(&runs, BY_TOKEN, token).await?
        {
            return Ok((started(&run_of(&row)?, scope.now()), Batch::default()));
        }
        let version = self.version(scope, &workflow, input.workflow_version.as_deref()).await?;
        if version.trigger_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case(DISABLED)) {
            return Err(wrong("The workflow is disabled: update it with another TriggerMode to run it.", "other"));
        }
        let text = version.workflow_definition.unwrap_or_default();
        let definition = definition::read(&text).map_err(|wrong| {
            let (Wrong::Syntax(message) | Wrong::Content(message)) = wrong;
            OperationError::internal(format!("a definition that was read before: {message}"))
        })?;
        let mut overrides = Fields::new();
        for (name, value) in input.override_parameters.iter().flatten() {
            overrides.push(name.clone(), value.clone());
        }
        let mut draw = scope.draw(&format!("run of {}", workflow.id));
        let run = Run {
            id: letters(&mut draw, RUN_LETTERS),
            version: version.workflow_version.unwrap_or_default(),
            created_at: scope.now(),
            pace_ms: i64::try_from((self.pace)().as_millis()).unwrap_or(i64::MAX),
            token,
            overrides: Document::Map(overrides),
            twist: scope.twist,
            tasks: definition.tasks,
            ..Run::default()
        };
        // The latest first.
        let key = format!("{}/{:016x}-{}", workflow.id, u64::MAX - run.created_at.as_millis().unsigned_abs(), run.id);
        let mut batch = Batch::default();
        batch.check(&runs, key.as_str(), None);
        put(scope, &mut batch, &workflow, &key, &run);
        Ok((started(&run, scope.now()), batch))
    }

    pub(super) async fn stop(&self, scope: &Scope, input: &StopWorkflowRunRequest) -> Result<Decided, OperationError> {
        let (workflow, _) = self.workflow(scope, &input.workflow_arn).await?;
        let (mut run, row) = self.run_row(scope, &workflow, &input.run_id).await?;
        let mut batch = Batch::default();
        // Asked for twice, it is stopped once.
        if run.stopped_at.is_none() {
            if run.ended_at(scope.now()).is_some() {
                let status = run.status(scope.now()).as_str();
                return Err(wrong(format!("The run cannot be stopped: it ended with {status}."), "other"));
            }
            run.stopped_at = Some(scope.now());
            batch.check(&table(scope, RUNS), row.key.clone(), Some(row.version));
            put(scope, &mut batch, &workflow, &row.key, &run);
        }
        let output = StopWorkflowRunResponse {
            workflow_arn: Some(input.workflow_arn.clone()),
            workflow_version: Some(run.version.clone()),
            run_id: Some(run.id.clone()),
            status: Some(run.status(scope.now())),
        };
        Ok((output.write(), batch))
    }

    pub(super) async fn run(&self, scope: &Scope, input: &GetWorkflowRunRequest) -> Result<Decided, OperationError> {
        let (workflow, _) = self.workflow(scope, &input.workflow_arn).await?;
        let (run, _) = self.run_row(scope, &workflow, &input.run_id).await?;
        let now = scope.now();
        let (started_on, completed_on) = (run.started_at(now), run.ended_at(now));
        let detail = WorkflowRunDetail {
            workflow_arn: Some(input.workflow_arn.clone()),
            workflow_version: Some(run.version.clone()),
            run_id: Some(run.id.clone()),
            run_type: Some(RunType::OnDemand),
            started_on,
            created_at: Some(run.created_at),
            completed_on,
            modified_at: Some(run.modified_at(now)),
            duration: completed_on.map(|end| seconds(started_on.unwrap_or(run.created_at), end)),
            error_message: run.error(now),
            task_instances: Some(run.instances(now).into_iter().map(|instance| instance.id).collect()),
            run_state: Some(run.status(now)),
        };
        let output = GetWorkflowRunResponse {
            override_parameters: run
                .overrides
                .as_map()
                .filter(|given| !given.is_empty())
                .map(|given| given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()),
            run_detail: Some(detail.clone()),
            ..convert(&detail)
        };
        Ok((output.write(), Batch::default()))
    }

    pub(super) async fn runs(&self, scope: &Scope, input: &ListWorkflowRunsRequest) -> Result<Decided, OperationError> {
        // The operation models nothing for what is not there.
        let Some(workflow) = self.known(scope, &input.workflow_arn).await? else {
            return Ok((ListWorkflowRunsResponse::default().write(), Batch::default()));
        };
        let asked = (input.max_results, input.next_token.as_deref());
        let of_version = |row: &Row| match &input.workflow_version {
            Some(version) => row.body.get("version").and_then(Document::as_str) == Some(version),
            None => true,
        };
        let page = self.page(&table(scope, RUNS), &format!("{}/", workflow.id), asked, of_version).await?;
        let summary = |row: &Row| -> Result<WorkflowRunSummary, OperationError> {
            let (run, now) = (run_of(row)?, scope.now());
            Ok(WorkflowRunSummary {
                run_detail_summary: Some(RunDetailSummary {
                    status: Some(run.status(now)),
                    created_on: Some(run.created_at),
                    started_at: run.started_at(now),
                    ended_at: run.ended_at(now),
                }),
                run_id: Some(run.id),
                workflow_arn: Some(input.workflow_arn.clone()),
                workflow_version: Some(run.version),
                run_type: Some(RunType::OnDemand),
            })
        };
        let output = ListWorkflowRunsResponse {
            workflow_runs: Some(page.rows.iter().map(summary).collect::<Result<_, _>>()?),
            next_token: page.next_token,
        };
        Ok((output.write(), Batch::default()))
    }

    pub(super) async fn instance(
        &self,
        scope: &Scope,
        input: &GetTaskInstanceRequest,
    ) -> Result<Decided, OperationError> {
        let (workflow, _) = self.workflow(scope, &input.workflow_arn).await?;
        let (run, _) = self.run_row(scope, &workflow, &input.run_id).await?;
        let instances = run.instances(scope.now());
        let found = instances.into_iter().find(|instance| instance.id == input.task_instance_id);
        let instance = found.ok_or_else(|| not_found("task-instance", &input.task_instance_id))?;
        Ok((shown(&input.workflow_arn, &run, &instance).write(), Batch::default()))
    }

    pub(super) async fn instances(
        &self,
        scope: &Scope,
        input: &ListTaskInstancesRequest,
    ) -> Result<Decided, OperationError> {
        // The operation models nothing for what is not there.
        let Some(workflow) = self.known(scope, &input.workflow_arn).await? else {
            return Ok((ListTaskInstancesResponse::default().write(), Batch::default()));
        };
        let (run, _) = match self.run_row(scope, &workflow, &input.run_id).await {
            Err(error) if error.code == "ResourceNotFoundException" => {
                return Ok((ListTaskInstancesResponse::default().write(), Batch::default()));
            }
            run => run?,
        };
        let mut instances = run.instances(scope.now());
        if let Some(token) = input.next_token.as_deref().filter(|token| !token.is_empty()) {
            let place = instances.iter().position(|instance| instance.id == token);
            let place = place.ok_or_else(|| invalid("NextToken", "it was not returned by this operation"))?;
            instances.drain(..place);
        }
        let wanted = usize::try_from(input.max_results.unwrap_or(LISTED)).unwrap_or_default();
        let output = ListTaskInstancesResponse {
            next_token: instances.get(wanted).map(|next| next.id.clone()),
            task_instances: Some(
                instances
                    .iter()
                    .take(wanted)
                    .map(|instance| convert(&shown(&input.workflow_arn, &run, instance)))
                    .collect(),
            ),
        };
        Ok((output.write(), Batch::default()))
    }

    async fn run_row(&self, scope: &Scope, workflow: &Workflow, id: &str) -> Result<(Run, Row), OperationError> {
        let row = self.find(&table(scope, RUNS), BY_ID, &format!("{}/{id}", workflow.id)).await?;
        let row = row.ok_or_else(|| not_found("workflow-run", id))?;
        Ok((run_of(&row)?, row))
    }
}

fn run_of(row: &Row) -> Result<Run, OperationError> {
    Run::read(&row.body).ok_or_else(|| damaged(row))
}

fn put(scope: &Scope, batch: &mut Batch, workflow: &Workflow, key: &str, run: &Run) {
    let mut index = vec![IndexEntry::new(BY_ID, format!("{}/{}", workflow.id, run.id))];
    index.extend(run.token.as_deref().map(|token| IndexEntry::new(BY_TOKEN, token)));
    batch.put(&table(scope, RUNS), key, run.body(), index);
}

fn started(run: &Run, now: Timestamp) -> Document {
    let output = StartWorkflowRunResponse {
        run_id: Some(run.id.clone()),
        // Where nothing takes time it is over already; who has just asked for it sees its beginning.
        status: Some(if run.created_at == now { super::types::WorkflowRunStatus::Starting } else { run.status(now) }),
        started_at: Some(run.created_at),
    };
    output.write()
}

fn shown(arn: &str, run: &Run, instance: &Instance<'_>) -> GetTaskInstanceResponse {
    let Instance { id, task, started_at, ended_at, .. } = instance;
    GetTaskInstanceResponse {
        workflow_arn: arn.to_owned(),
        run_id: run.id.clone(),
        task_instance_id: id.clone(),
        workflow_version: Some(run.version.clone()),
        status: Some(instance.status),
        duration_in_seconds: started_at.zip(*ended_at).map(|(start, end)| seconds(start, end)),
        operator_name: Some(task.operator.clone()),
        modified_at: ended_at.or(*started_at).or(Some(run.created_at)),
        ended_at: *ended_at,
        started_at: *started_at,
        attempt_number: started_at.map(|_| 1),
        error_message: instance.error.clone(),
        task_id: Some(task.id.clone()),
        log_stream: started_at.map(|_| format!("{}_{}_1", run.id, task.id)),
        xcom: None,
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_millis() - from.as_millis()) / 1000
}
