//! CloudFormation templates: rendered as texts, so that short forms (`!Sub`) stay what they are, then looked at.

use super::{Target, jinja};
use crate::finding::Finding;
use crate::yaml::{self, Kind, Node};

/// Short forms of intrinsic functions.
const TAGS: &[&str] = &[
    "!Ref",
    "!Sub",
    "!GetAtt",
    "!Join",
    "!Select",
    "!Split",
    "!If",
    "!Equals",
    "!And",
    "!Or",
    "!Not",
    "!FindInMap",
    "!ImportValue",
    "!Base64",
    "!Cidr",
    "!GetAZs",
    "!Transform",
    "!Condition",
    "!Length",
    "!ToJsonString",
    "!ForEach",
    "!ValueOf",
    "!ValueOfAll",
    "!RefAll",
    "!Contains",
    "!EachMemberEquals",
    "!EachMemberIn",
];

/// Renders a template and checks that CloudFormation could read it.
///
/// # Errors
/// Each with the line of the template, as far as that can be told.
pub fn render(source: &str, path: &str, target: &Target<'_>) -> Result<String, Vec<Finding>> {
    let rendered = jinja::render(source, path, &target.namespaces()).map_err(|finding| vec![finding])?;
    let findings = check(&rendered.text, path, |line| rendered.source_line(line));
    if findings.is_empty() { Ok(rendered.text) } else { Err(findings) }
}

/// What keeps a text from being a CloudFormation template. `source_line` leads from a line of the text to that of its source.
pub fn check(text: &str, path: &str, source_line: impl Fn(usize) -> usize) -> Vec<Finding> {
    let wrong = |place: yaml::Place, message: String| {
        let shown = text.lines().nth(place.0.saturating_sub(1)).unwrap_or_default().trim();
        let message = format!("{message} (line {} of what was rendered: {shown})", place.0);
        Finding::error("cloudformation", path, (source_line(place.0), 0), message)
    };
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(error) => return vec![wrong(error.place, format!("not valid YAML: {}", error.message))],
    };
    let mut findings = Vec::new();
    match root.get("Resources") {
        None => findings.push(Finding::error("cloudformation", path, (0, 0), "the template has no \"Resources\"")),
        Some(resources) => match resources.entries() {
            Some(entries) => {
                let untyped =
                    entries.iter().filter(|(_, resource)| resource.get("Type").and_then(Node::text).is_none());
                findings.extend(untyped.filter(|(key, _)| !key.text().unwrap_or_default().starts_with("Fn::")).map(
                    |(key, _)| {
                        wrong(key.place, format!("the resource \"{}\" has no Type", key.text().unwrap_or_default()))
                    },
                ));
            }
            None => findings
                .push(wrong(resources.place, format!("\"Resources\" must be an object, not {}", resources.what()))),
        },
    }
    tags(&root, &mut |node, tag| findings.push(wrong(node.place, format!("{tag} is no function of CloudFormation"))));
    findings
}

fn tags(node: &Node, found: &mut dyn FnMut(&Node, &str)) {
    if let Some(tag) = node.tag.as_deref().filter(|tag| !TAGS.contains(tag) && !tag.starts_with("tag:yaml.org")) {
        found(node, tag);
    }
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter().for_each(|item| tags(item, found)),
        Kind::Map(entries) => entries.iter().for_each(|(_, value)| tags(value, found)),
    }
}
