//! Spec files: the inputs of an environment, or of a service's instances and pipeline.

use serde_json::{Map, Value};
use standin_model::nearest;

use crate::finding::Finding;
use crate::schema::{self, Schema, Type};
use crate::yaml::{self, Kind, Node};

/// What findings call a spec that came with a call.
pub const FILE: &str = "spec";
/// A value that keeps what is stored.
pub const CURRENT_VALUE: &str = "${Proton::CURRENT_VAL}";

/// Inputs by name, with defaults.
pub type Inputs = Map<String, Value>;

/// `proton: EnvironmentSpec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvironmentSpec {
    pub inputs: Inputs,
}

/// `proton: ServiceSpec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSpec {
    /// Of the pipeline, where the service has one.
    pub pipeline: Option<Inputs>,
    /// In the order of the file; at least one.
    pub instances: Vec<InstanceSpec>,
}

impl ServiceSpec {
    pub fn instance(&self, name: &str) -> Option<&InstanceSpec> {
        self.instances.iter().find(|instance| instance.name == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct InstanceSpec {
    pub name: String,
    pub environment: String,
    pub inputs: Inputs,
    /// As written, without defaults: what tells whether an instance was edited.
    pub given: Value,
}

/// Reads the spec of an environment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn environment(text: &str, schema: &Schema, file: &str) -> Result<EnvironmentSpec, Vec<Finding>> {
    let mut reader = Reader { schema, file, findings: Vec::new() };
    let found = reader.environment(text).unwrap_or_default();
    if reader.findings.is_empty() { Ok(found) } else { Err(reader.findings) }
}

/// Reads the spec of a service. Inputs of the pipeline are taken where the schema has a type for them.
///
/// # Errors
/// Everything that is wrong with it.
pub fn service(text: &str, schema: &Schema, file: &str) -> Result<ServiceSpec, Vec<Finding>> {
    let mut reader = Reader { schema, file, findings: Vec::new() };
    let found = reader.service(text).unwrap_or_default();
    if reader.findings.is_empty() { Ok(found) } else { Err(reader.findings) }
}

struct Reader<'s> {
    schema: &'s Schema,
    file: &'s str,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, rule: &'static str, place: yaml::Place, message: impl Into<String>) {
        self.findings.push(Finding::error(rule, self.file, place, message));
    }

    /// The document, if it is a spec of that kind.
    fn root(&mut self, text: &str, kind: &str, keys: &[&str]) -> Option<Node> {
        let root = match yaml::parse(text) {
            Ok(root) => root,
            Err(error) => {
                self.wrong("yaml", error.place, format!("not valid YAML: {}", error.message));
                return None;
            }
        };
        if root.entries().is_none() {
            self.wrong("spec-layout", root.place, format!("a spec must be an object, not {}", root.what()));
            return None;
        }
        match root.get("proton") {
            None => self.wrong("spec-kind", root.place, format!("the line \"proton: {kind}\" is missing")),
            Some(node) if node.text() != Some(kind) => {
                let given = node.text().unwrap_or_default();
                self.wrong(
                    "spec-kind",
                    node.place,
                    format!("this is a spec of the kind \"{given}\"; \"{kind}\" is needed"),
                );
                return None;
            }
            Some(_) => {}
        }
        for (key, _) in root.entries().unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if name != "proton" && !keys.contains(&name) {
                let near = nearest(name, keys.iter().copied(), 1);
                let hint = near.first().map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                self.wrong("spec-layout", key.place, format!("\"{name}\" has no place at the top of a {kind}{hint}"));
            }
        }
        Some(root)
    }

    fn environment(&mut self, text: &str) -> Option<EnvironmentSpec> {
        let root = self.root(text, "EnvironmentSpec", &["spec"])?;
        let inputs = self.inputs(self.schema.main_type(), root.get("spec"), &root, "spec");
        Some(EnvironmentSpec { inputs })
    }

    fn service(&mut self, text: &str) -> Option<ServiceSpec> {
        let root = self.root(text, "ServiceSpec", &["pipeline", "instances"])?;
        let mut found = ServiceSpec::default();
        match (self.schema.pipeline_type(), root.get("pipeline")) {
            (Some(wanted), node) => found.pipeline = Some(self.inputs(Some(wanted), node, &root, "pipeline")),
            (None, Some(node)) if node.entries().is_none_or(|entries| !entries.is_empty()) && !node.is_null() => {
                self.wrong(
                    "spec-pipeline",
                    node.place,
                    "\"pipeline\" has no place here: the service template has no pipeline",
                );
            }
            (None, _) => {}
        }
        let Some(instances) = root.get("instances") else {
            self.wrong("spec-layout", root.place, "\"instances\" is missing; a service has at least one instance");
            return None;
        };
        let Some(items) = instances.items() else {
            self.wrong(
                "spec-layout",
                instances.place,
                format!("\"instances\" must be a list, not {}", instances.what()),
            );
            return None;
        };
        if items.is_empty() {
            self.wrong("spec-layout", instances.place, "\"instances\" is empty; a service has at least one instance");
        }
        for (at, item) in items.iter().enumerate() {
            if let Some(instance) = self.instance(item, at) {
                if found.instance(&instance.name).is_some() {
                    self.wrong(
                        "spec-instance",
                        item.place,
                        format!("there is a second instance \"{}\"", instance.name),
                    );
                }
                found.instances.push(instance);
            }
        }
        Some(found)
    }

    fn instance(&mut self, node: &Node, at: usize) -> Option<InstanceSpec> {
        let path = format!("instances[{at}]");
        if node.entries().is_none() {
            self.wrong("spec-layout", node.place, format!("{path} must be an object, not {}", node.what()));
            return None;
        }
        for (key, _) in node.entries().unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if !["name", "environment", "spec"].contains(&name) {
                self.wrong(
                    "spec-layout",
                    key.place,
                    format!("{path} takes name, environment and spec, not \"{name}\""),
                );
            }
        }
        let name = self.name(node, &path, "name");
        let environment = self.name(node, &path, "environment");
        let shown = name.as_deref().unwrap_or(&path).to_owned();
        let inputs = self.inputs(self.schema.main_type(), node.get("spec"), node, &format!("instances.{shown}.spec"));
        let given = node.get("spec").map_or(Value::Null, Node::to_json);
        Some(InstanceSpec { name: name?, environment: environment?, inputs, given })
    }

    /// A member that names a resource.
    fn name(&mut self, node: &Node, path: &str, member: &str) -> Option<String> {
        let Some(value) = node.get(member) else {
            self.wrong("spec-layout", node.place, format!("{path}.{member} is missing"));
            return None;
        };
        let name = value.text().filter(|name| is_resource_name(name));
        if name.is_none() {
            let given = value.text().map_or_else(|| value.what().to_owned(), |text| format!("\"{text}\""));
            self.wrong("spec-instance", value.place,
                format!("{path}.{member} must begin with a letter or digit and have letters, digits, - and _, 100 at most; it is {given}"));
        }
        name.map(str::to_owned)
    }

    /// Inputs with their defaults. Absent inputs are as empty ones.
    fn inputs(&mut self, wanted: Option<&Type>, node: Option<&Node>, around: &Node, path: &str) -> Inputs {
        let Some(wanted) = wanted else { return Inputs::new() };
        let empty = Node { kind: Kind::Map([].into()), ..around.clone() };
        let node = node.filter(|node| !node.is_null()).unwrap_or(&empty);
        let checked = schema::check(self.schema, wanted, node, self.file, path);
        self.findings.extend(checked.findings);
        match checked.value {
            Value::Object(inputs) => inputs,
            _ => Inputs::new(),
        }
    }
}

/// Whether a text can be the name of a resource.
pub fn is_resource_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
}

/// Replaces [`CURRENT_VALUE`] by what a stored spec has at the same place: the same input of the environment, of the
/// pipeline, or of the instance of the same name.
///
/// # Errors
/// Where nothing is stored there, or the new text is not YAML.
pub fn with_current_values(text: &str, stored: &str) -> Result<String, Vec<Finding>> {
    if !text.contains(CURRENT_VALUE) {
        return Ok(text.to_owned());
    }
    let unreadable = |error: yaml::YamlError| {
        vec![Finding::error("yaml", FILE, error.place, format!("not valid YAML: {}", error.message))]
    };
    let root = yaml::parse(text).map_err(unreadable)?;
    let stored = yaml::parse(stored).map_err(unreadable)?;
    let mut found = Vec::new();
    for key in ["spec", "pipeline"] {
        if let Some(node) = root.get(key) {
            wanted(node, stored.get(key).map(Node::to_json).as_ref(), key, &mut found);
        }
    }
    for instance in root.get("instances").and_then(Node::items).unwrap_or_default() {
        let name = instance.get("name").and_then(Node::text).unwrap_or_default();
        let before = stored.get("instances").and_then(Node::items).unwrap_or_default();
        let before = before.iter().find(|other| other.get("name").and_then(Node::text) == Some(name));
        if let Some(node) = instance.get("spec") {
            let before = before.and_then(|before| before.get("spec")).map(Node::to_json);
            wanted(node, before.as_ref(), &format!("instances.{name}.spec"), &mut found);
        }
    }
    let missing: Vec<Finding> = found
        .iter()
        .filter(|(_, value, _)| value.is_none())
        .map(|(node, _, path)| {
            Finding::error(
                "spec-current",
                FILE,
                node.place,
                format!("{path} asks for the current value, but there is none"),
            )
        })
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let mut characters: Vec<char> = text.chars().collect();
    found.sort_by_key(|(node, ..)| std::cmp::Reverse(node.range));
    for (node, value, _) in found {
        let (start, end) = written(&characters, node.range);
        // JSON is YAML, wherever a scalar can stand.
        characters.splice(start..end, value.unwrap_or_default().to_string().chars());
    }
    Ok(characters.into_iter().collect())
}

/// Where [`CURRENT_VALUE`] stands within the range of a scalar, with its quotes: the range may go on to the next token.
fn written(characters: &[char], range: (usize, usize)) -> (usize, usize) {
    let quotes = usize::from(matches!(characters.get(range.0), Some('"' | '\'')));
    (range.0, (range.0 + CURRENT_VALUE.len() + 2 * quotes).min(range.1))
}

/// The scalars that ask for the current value, each with that value.
fn wanted<'n>(node: &'n Node, stored: Option<&Value>, path: &str, found: &mut Vec<(&'n Node, Option<Value>, String)>) {
    match &node.kind {
        Kind::Scalar { text, .. } if text == CURRENT_VALUE => found.push((node, stored.cloned(), path.to_owned())),
        Kind::Scalar { .. } => {}
        Kind::List(items) => {
            for (at, item) in items.iter().enumerate() {
                wanted(item, stored.and_then(|stored| stored.get(at)), &format!("{path}[{at}]"), found);
            }
        }
        Kind::Map(entries) => {
            for (key, value) in entries.iter() {
                let name = key.text().unwrap_or_default();
                wanted(value, stored.and_then(|stored| stored.get(name)), &format!("{path}.{name}"), found);
            }
        }
    }
}

#[cfg(test)]
mod tests;
