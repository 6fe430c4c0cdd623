//! `/_standin/proton/adopt`: what Proton made before its end comes to this Proton. `/_standin/proton/drift`: whether the stack of
//! a resource still is what its template says.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use standin_aws::Whose;
use standin_proton::engine::Scope;
use standin_proton::engine::adopt::{Found, Hints, Outcome, Source, Stack};

use super::{Asked, Reply, fail, json_reply};

/// What is to be adopted, and what stacks do not tell of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    /// Where stacks are looked for, and where what they stand for goes to unless their tags name another.
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    region: Option<String>,
    /// The role that looks.
    #[serde(default)]
    lookup_role: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    component_role: Option<String>,
    /// `MAJOR.MINOR` by the names of templates.
    #[serde(default)]
    templates: BTreeMap<String, String>,
    #[serde(default)]
    specs: BTreeMap<String, String>,
    #[serde(default)]
    sources: BTreeMap<String, WantedSource>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WantedSource {
    connection_arn: String,
    repository_id: String,
    branch: String,
}

pub(super) async fn serve(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let wanted = match asked.parsed::<Wanted>().await {
        Ok(wanted) => wanted,
        Err(reply) => return *reply,
    };
    let mut versions = BTreeMap::new();
    for (name, version) in &wanted.templates {
        match version.split_once('.') {
            Some((major, minor)) => versions.insert(name.clone(), (major.to_owned(), minor.to_owned())),
            None => return fail(StatusCode::BAD_REQUEST, format!("`{version}` is not of the form MAJOR.MINOR")),
        };
    }
    let region = wanted.region.clone().unwrap_or_else(|| app.defaults.region.to_string());
    let partition = standin_model::Catalogue::shared().partitions().of_region(&region).id;
    let account = wanted.account.clone().unwrap_or_else(|| app.defaults.account.to_string());
    let now = app.clock.now();
    let whose = Whose {
        account: &account,
        region: &region,
        partition,
        role: wanted.lookup_role.as_deref(),
        session: "AWSProton-adopt",
    };
    let stacks = match app.survey.stacks(&whose, now).await {
        Ok(stacks) => stacks,
        Err(trouble) => return fail(StatusCode::BAD_GATEWAY, format!("stacks cannot be looked for: {trouble}")),
    };
    let sources = wanted.sources.into_iter().map(|(service, source)| {
        let WantedSource { connection_arn, repository_id, branch } = source;
        (service, Source { connection_arn, repository_id, branch })
    });
    let hints = Hints {
        versions,
        specs: wanted.specs,
        sources: sources.collect(),
        role: wanted.role,
        component_role: wanted.component_role,
        dry_run: wanted.dry_run,
    };
    // Those of other accounts were made for a Proton there.
    let mut homes: BTreeMap<String, Vec<Stack>> = BTreeMap::new();
    for stack in stacks {
        let home =
            wanted.account.clone().or_else(|| stack.home().map(str::to_owned)).unwrap_or_else(|| account.clone());
        homes.entry(home).or_default().push(stack);
    }
    let mut told = Vec::new();
    for (home, stacks) in homes {
        let scope = Scope {
            partition: partition.to_owned(),
            account: home.clone(),
            region: region.clone(),
            now,
            dice: app.dice,
            nonce: format!("adopt/{home}"),
        };
        match app.proton.adopt(&scope, &stacks, &hints).await {
            Ok(outcomes) => told.extend(outcomes.iter().map(|outcome| tell(&home, outcome))),
            Err(error) => return fail(StatusCode::INTERNAL_SERVER_ERROR, error.message),
        }
    }
    json_reply(StatusCode::OK, &json!({"dryRun": hints.dry_run, "region": region, "stacks": told}))
}

/// The resource whose stack is compared with its template.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drifting {
    arn: String,
}

/// Compares the stack of a resource with its template, now.
pub(super) async fn drift(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let arn = match asked.parsed::<Drifting>().await {
        Ok(Drifting { arn }) => arn,
        Err(reply) => return *reply,
    };
    let part = |text: &str, at: usize| text.split(':').nth(at).unwrap_or_default().to_owned();
    let now = app.clock.now();
    let scope = Scope {
        partition: part(&arn, 1),
        account: part(&arn, 4),
        region: part(&arn, 3),
        now,
        dice: app.dice,
        nonce: format!("drift/{arn}"),
    };
    let placed = match app.proton.placed(&scope, &arn).await {
        Ok(placed) => placed,
        Err(error) if error.code == "ResourceNotFoundException" => return fail(StatusCode::NOT_FOUND, error.message),
        Err(error) if error.code == "ValidationException" => return fail(StatusCode::CONFLICT, error.message),
        Err(error) => return fail(StatusCode::INTERNAL_SERVER_ERROR, error.message),
    };
    let (account, region) = (part(&placed.stack, 4), part(&placed.stack, 3));
    let whose = Whose {
        account: &account,
        region: &region,
        partition: &scope.partition,
        role: placed.role.as_deref(),
        session: "AWSProton-drift",
    };
    match standin_provision::stacks::drift(&*app.survey, &whose, &placed.stack, now).await {
        Ok((drift, resources)) => {
            let resources = resources.iter().map(|it| {
                json!({"resource": it.resource, "type": it.kind, "status": it.status, "properties": it.properties})
            });
            let resources: Vec<Value> = resources.collect();
            json_reply(
                StatusCode::OK,
                &json!({"arn": arn, "stack": placed.stack, "drift": drift, "resources": resources}),
            )
        }
        Err(trouble) => fail(StatusCode::BAD_GATEWAY, format!("the stack cannot be compared: {trouble}")),
    }
}

fn tell(account: &str, outcome: &Outcome) -> Value {
    let (result, reason) = match &outcome.result {
        Found::Adopted => ("adopted", None),
        Found::Known => ("known", None),
        Found::Refused(why) => ("refused", Some(why)),
    };
    let inputs = outcome.inputs.iter();
    json!({
        "account": account,
        "stack": outcome.stack,
        "resource": outcome.resource,
        "result": result,
        "reason": reason,
        "template": outcome.template,
        "inputs": inputs.map(|it| json!({"name": it.name, "value": it.value, "from": it.from})).collect::<Vec<_>>(),
        "same": outcome.same,
        "notes": outcome.notes,
    })
}
