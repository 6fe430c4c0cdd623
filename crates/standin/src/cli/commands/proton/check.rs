//! What of a bundle can only be told once it is rendered: names that are not defined, and what CloudFormation would refuse.

use standin_cloudformation::evaluate::Environment;
use standin_cloudformation::lint::lint;
use standin_cloudformation::template::Template;
use standin_cloudformation::{ServiceResources, source};
use standin_model::Catalogue;
use standin_proton::author::{self, Preview};
use standin_proton::manifest::Method;
use standin_proton::{Bundle, Finding, Infrastructure, Severity, lines};

const RULE: &str = "cloudformation";

/// Renders a bundle, and checks the CloudFormation templates that come of it. Lines are those of the bundle's templates,
/// where they are found again.
pub fn rendered(bundle: &Bundle, spec: Option<(&str, &str)>, with: &Preview) -> Vec<Finding> {
    let files = match author::preview(bundle, spec, with) {
        Ok(files) => files,
        Err(findings) => return findings,
    };
    let resources = ServiceResources::simulated(Catalogue::shared());
    let environment = Environment {
        account: with.account_id.clone(),
        region: with.region.clone(),
        partition: "aws".to_owned(),
        stack_name: format!("AWSProton-{}", with.name),
        stack_id: format!(
            "arn:aws:cloudformation:{}:{}:stack/AWSProton-{}/00000000-0000-4000-8000-000000000000",
            with.region, with.account_id, with.name
        ),
        notification_arns: Vec::new(),
    };
    let mut found: Vec<Finding> = Vec::new();
    for (path, bytes) in &files {
        let is_pipeline = path.starts_with("pipeline/") && bundle.pipeline.is_some();
        let Some(of) = (if is_pipeline { &bundle.pipeline } else { &bundle.main }) else { continue };
        let Some((file, template)) = template_of(of) else { continue };
        let text = String::from_utf8_lossy(bytes);
        let mut tell = |severity: Severity, line: Option<usize>, message: String| {
            let finding = placed(severity, &file, &template, &text, line, message);
            // Instances of one template have the same faults.
            if !found.contains(&finding) {
                found.push(finding);
            }
        };
        for error in lint(&text, &resources, &environment) {
            tell(Severity::Error, error.line(&text), error.message.clone());
        }
        let read = source::parse(&text).and_then(|value| Template::read(&value));
        for (name, resource) in read.iter().flat_map(|template| &template.resources) {
            if let Some(near) = resources.near(&resource.kind) {
                let path = ["Resources", name, "Type"].map(str::to_owned);
                let line = standin_cloudformation::error::line_of(&text, &path);
                let message = format!("{} is not known; did you mean {near}?", resource.kind);
                tell(Severity::Warning, line, message);
            }
        }
    }
    found
}

/// The CloudFormation template of an infrastructure: its path in the bundle, and its text.
fn template_of(of: &Infrastructure) -> Option<(String, String)> {
    let Method::CloudFormation { file } = &of.method else { return None };
    Some((of.path(file), String::from_utf8_lossy(of.files.get(file)?).into_owned()))
}

fn placed(
    severity: Severity,
    file: &str,
    template: &str,
    rendered: &str,
    line: Option<usize>,
    message: String,
) -> Finding {
    let own = line.and_then(|line| lines::source_line(template, rendered, line));
    let message = match (line, own) {
        (Some(line), None) => format!("{message} (line {line} when rendered)"),
        _ => message,
    };
    let finding = Finding::error(RULE, file, (own.unwrap_or(0), 0), message);
    Finding { severity, ..finding }
}
