//! A shell script with the AWS CLI.

use serde_json::Value;

use super::{Part, Path, Run, Step, words};

pub(super) fn write(run: &Run<'_>, endpoint: &str) -> String {
    let mut out = format!(
        "#!/usr/bin/env bash\n\
         # {} requests, as standin recorded them. AWS_ENDPOINT_URL says where they go.\n\
         set -euo pipefail\n\
         export AWS_ENDPOINT_URL=\"${{AWS_ENDPOINT_URL:-{endpoint}}}\" AWS_SECRET_ACCESS_KEY=standin AWS_PAGER=\n\
         export AWS_DISABLE_HOST_PREFIX_INJECTION=true AWS_MAX_ATTEMPTS=1\n\
         # Some services of the CLI do not heed the variable.\n\
         aws() {{ command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }}\n",
        run.steps.len(),
    );
    let mut caller = None;
    for (at, step) in run.steps.iter().enumerate() {
        let now = (step.caller(), &*step.record.scope.region);
        if caller != Some(now) {
            caller = Some(now);
            let (account, region) = now;
            out.push_str(&format!(
                "export AWS_ACCESS_KEY_ID={} AWS_REGION={region} AWS_DEFAULT_REGION={region}\n",
                quoted(account),
                region = quoted(region)
            ));
        }
        call(run, at, step, &mut out);
    }
    if run.skipped > 0 {
        out.push_str(&format!("# {} requests could not be identified and are left out\n", run.skipped));
    }
    out
}

fn call(run: &Run<'_>, at: usize, step: &Step<'_>, out: &mut String) {
    let mut call = format!("aws {} {}", command(step.service.id), words(step.operation.name, '-'));
    if !step.input.as_object().is_none_or(serde_json::Map::is_empty) {
        let mut json = String::new();
        value(run, &step.input, &mut json);
        call.push_str(&format!(" --cli-input-json '{json}'"));
    }
    if let Some(body) = step.body() {
        out.push_str("# the journal has no bodies\n");
        call.push_str(&format!(" --{} /dev/null", words(body, '-')));
    }
    if step.operation.paginator.is_some() {
        call.push_str(" --no-paginate");
    }
    if step.is_cut {
        out.push_str("# long values were cut in the journal\n");
    }
    if step.answers_with_stream().is_some() {
        call.push_str(" /dev/null");
    }
    match step.error() {
        Some(code) => out.push_str(&format!("{call} || true # {code}\n")),
        None if step.gives.is_empty() => out.push_str(&format!("{call} >/dev/null\n")),
        None => {
            let names: Vec<String> = (0..step.gives.len()).map(|place| variable(at, place)).collect();
            let paths: Vec<String> = step.gives.iter().map(query).collect();
            if let ([name], [path]) = (&names[..], &paths[..]) {
                out.push_str(&format!("{name}=$({call} --output text --query '{path}')\n"));
            } else {
                // In two steps: a failure within a here-string would not end the script.
                let whole = format!("answer_{}", at + 1);
                let (names, paths) = (names.join(" "), paths.join(", "));
                out.push_str(&format!("{whole}=$({call} --output text --query '[{paths}]')\n"));
                out.push_str(&format!("IFS=$'\\t' read -r {names} <<<\"${whole}\"\n"));
            }
        }
    }
}

/// The command of a service, which is its name in botocore but for three.
fn command(service: &str) -> &str {
    match service {
        "s3" => "s3api",
        "config" => "configservice",
        "codedeploy" => "deploy",
        other => other,
    }
}

fn variable(step: usize, place: usize) -> String {
    format!("answer_{}_{}", step + 1, place + 1)
}

/// A place as JMESPath has it.
fn query(path: &Path) -> String {
    let mut out = String::new();
    for part in path {
        match part {
            Part::Member(name) => {
                out.push_str(if out.is_empty() { "" } else { "." });
                out.push_str(&Value::from(name.as_str()).to_string());
            }
            Part::Item(at) => out.push_str(&format!("[{at}]")),
        }
    }
    out.replace('\'', "'\\''")
}

/// JSON within single quotes of the shell, variables in the places of values that come from answers.
fn value(run: &Run<'_>, content: &Value, out: &mut String) {
    match content {
        Value::String(text) => match run.handed_on.get(text) {
            Some((step, place)) => out.push_str(&format!("\"'\"${}\"'\"", variable(*step, *place))),
            None => out.push_str(&Value::from(text.as_str()).to_string().replace('\'', "'\\''")),
        },
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                value(run, item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (name, member)) in members.iter().filter(|(_, member)| !member.is_null()).enumerate() {
                let name = Value::from(name.as_str()).to_string().replace('\'', "'\\''");
                out.push_str(&format!("{}{name}: ", if at > 0 { ", " } else { "" }));
                value(run, member, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
