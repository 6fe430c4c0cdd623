//! `proton adopt`: takes over what Proton made before its end.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::Out;
use crate::cli::commands::call::region_from_env;
use crate::cli::commands::introspect::ServerArgs;
use crate::cli::commands::remote::{list, text};
use crate::cli::paint::{Cell, Paint, Tone, table};
use crate::env;
use crate::error::{Attempt as _, CommandError};

#[derive(Args, Debug)]
pub struct AdoptArgs {
    /// The account to adopt in [default: that of the tags of each stack]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// The region of the stacks [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Look for stacks with this role, as in another account
    #[arg(long = "as", value_name = "ROLE_ARN")]
    lookup: Option<String>,

    /// The version of a template that its stacks are of; can be given several times [default: the recommended one]
    #[arg(long, value_name = "NAME=MAJOR.MINOR", value_parser = pair)]
    template: Vec<(String, String)>,

    /// The spec of environment/NAME or service/NAME; can be given several times [default: what the stacks tell]
    #[arg(long, value_name = "RESOURCE=FILE", value_parser = pair)]
    spec: Vec<(String, String)>,

    /// Where the code of a service with a pipeline is; can be given several times
    #[arg(long, value_name = "SERVICE=CONNECTION_ARN,REPOSITORY,BRANCH", value_parser = pair)]
    source: Vec<(String, String)>,

    /// The role that provisions environments from now on
    #[arg(long, value_name = "ROLE_ARN")]
    role: Option<String>,

    /// The role that provisions components from now on
    #[arg(long, value_name = "ROLE_ARN")]
    component_role: Option<String>,

    /// Only tell what would be adopted, and how
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| format!("{text:?} is not of the form NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl AdoptArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let answer = self.server.tell("/_standin/proton/adopt", &self.body()?)?;
        if self.json {
            out.json(&answer)?;
        } else {
            write!(out, "{}", tables(&answer, Paint::of(&std::io::stdout(), &env::process)))?;
        }
        Ok(u8::from(list(&answer, "stacks").iter().any(|stack| text(stack, "result") == "refused")))
    }

    fn body(&self) -> Result<Value, CommandError> {
        let mut specs = Map::new();
        for (resource, path) in &self.spec {
            if !matches!(resource.split_once('/'), Some(("environment" | "service", name)) if !name.is_empty()) {
                return Err(CommandError::usage(anyhow::anyhow!(
                    "--spec {resource}=…: it is of environment/NAME or service/NAME"
                )));
            }
            let path = PathBuf::from(path);
            let read = std::fs::read_to_string(&path).attempt(format!("cannot read {}", path.display()))?;
            specs.insert(resource.clone(), Value::from(read));
        }
        let mut sources = Map::new();
        for (service, source) in &self.source {
            let parts: Vec<&str> = source.split(',').collect();
            let [connection, repository, branch] = parts[..] else {
                return Err(CommandError::usage(anyhow::anyhow!(
                    "--source {service}=…: it is CONNECTION_ARN,REPOSITORY,BRANCH"
                )));
            };
            let source = json!({"connectionArn": connection, "repositoryId": repository, "branch": branch});
            sources.insert(service.clone(), source);
        }
        let templates: Map<String, Value> =
            self.template.iter().map(|(name, version)| (name.clone(), Value::from(version.as_str()))).collect();
        Ok(json!({
            "account": self.account,
            "region": self.region.clone().unwrap_or_else(region_from_env),
            "lookupRole": self.lookup,
            "role": self.role,
            "componentRole": self.component_role,
            "templates": templates,
            "specs": specs,
            "sources": sources,
            "dryRun": self.dry_run,
        }))
    }
}

fn tables(answer: &Value, paint: Paint) -> String {
    let stacks = list(answer, "stacks");
    if stacks.is_empty() {
        return format!("no stacks of Proton in {}\n", text(answer, "region"));
    }
    let rows: Vec<Vec<Cell>> = stacks
        .iter()
        .map(|stack| {
            let resource = stack["resource"].as_str().unwrap_or("?");
            let (result, tone) = match text(stack, "result") {
                "adopted" if answer["dryRun"] == json!(true) => ("would be adopted", Tone::Good),
                "adopted" => ("adopted", Tone::Good),
                "known" => ("known already", Tone::Plain),
                _ => ("refused", Tone::Bad),
            };
            let same = match stack["same"].as_bool() {
                Some(true) => Cell { text: "the same".into(), tone: Tone::Good },
                Some(false) => Cell { text: "differs".into(), tone: Tone::Busy },
                None => Cell::from(""),
            };
            vec![
                resource.into(),
                Cell { text: result.into(), tone },
                text(stack, "template").into(),
                same,
                text(stack, "stack").into(),
            ]
        })
        .collect();
    let mut out = table(&["RESOURCE", "", "TEMPLATE", "RENDERED", "STACK"], &rows, paint);
    for stack in stacks {
        let resource = stack["resource"].as_str().unwrap_or_else(|| text(stack, "stack"));
        let mut say = |what: &str| out.push_str(&format!("\n{resource}: {what}"));
        if let Some(why) = stack["reason"].as_str() {
            say(why);
        }
        for input in list(stack, "inputs") {
            say(&format!(
                "{} = {} (from the {})",
                text(input, "name"),
                text(input, "value"),
                from(text(input, "from"))
            ));
        }
        list(stack, "notes").iter().filter_map(Value::as_str).for_each(say);
    }
    out.push('\n');
    out
}

fn from(what: &str) -> &str {
    match what {
        "template" => "stack's template",
        "parameter" => "stack's parameters",
        "output" => "stack's outputs",
        "default" => "schema's default",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told() {
        let answer = json!({"dryRun": true, "region": "eu-west-1", "stacks": [
            {"resource": "environment/e", "result": "adopted", "template": "env 1.0", "same": true, "stack": "AWSProton-e",
             "inputs": [{"name": "size", "value": "s", "from": "template"}], "notes": []},
            {"resource": null, "result": "refused", "reason": "no tags", "stack": "AWSProton-x", "inputs": [], "notes": []},
        ]});
        let told = tables(&answer, Paint::NONE);
        for expect in
            ["environment/e  would be adopted  env 1.0", "size = s (from the stack's template)", "AWSProton-x: no tags"]
        {
            assert!(told.contains(expect), "{told}");
        }
        assert_eq!(tables(&json!({"region": "r"}), Paint::NONE), "no stacks of Proton in r\n");
    }

    #[test]
    fn pairs_are_pairs() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("a").is_err() && pair("=b").is_err() && pair("a=").is_err());
    }
}
