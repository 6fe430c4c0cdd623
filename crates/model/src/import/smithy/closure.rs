//! What a service reaches: operations through resources, shapes through members.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::super::ImportError;
use super::Result;
use super::ast::{self, Ast, local_name};
use crate::ir::ShapeIx;

/// The members of a resource that name operations: one by one, and as lists.
const LIFECYCLE: [&str; 6] = ["create", "put", "read", "update", "delete", "list"];
const OPERATION_LISTS: [&str; 2] = ["operations", "collectionOperations"];

/// Traits that narrow a member beyond its target.
pub(super) const CONSTRAINTS: [&str; 3] = ["smithy.api#length", "smithy.api#range", "smithy.api#pattern"];

pub(super) struct Closure<'a> {
    /// Ids, sorted by name.
    pub(super) operations: Vec<&'a str>,
    /// Sorted by name, as [`ShapeIx`] counts them.
    pub(super) shapes: Vec<Entry<'a>>,
}

/// A shape to be.
pub(super) struct Entry<'a> {
    /// The id of the shape (`ns#Name`), or of the member whose own constraints make it one (`ns#Name$member`).
    pub(super) key: String,
    pub(super) name: String,
    /// The shape's id; for a constrained member that of its target.
    pub(super) id: &'a str,
    pub(super) shape: &'a Value,
    /// The member that narrows the shape.
    pub(super) narrowed_by: Option<&'a Value>,
    /// A member of an event stream.
    pub(super) event: bool,
    pub(super) role: Role,
}

/// Which HTTP bindings of a structure's members count.
#[derive(Clone, Copy, Default)]
pub(super) struct Role {
    /// The input of an operation.
    pub(super) input: bool,
    /// The output of an operation, or an error.
    pub(super) output: bool,
}

impl<'a> Closure<'a> {
    pub(super) fn of_service(ast: &'a Ast<'_>, id: &'a str, service: &'a Value) -> Result<Self> {
        let mut operations = BTreeSet::new();
        collect_operations(ast, id, service, &mut operations, &mut HashSet::new())?;
        let mut operations: Vec<&str> = operations.into_iter().collect();
        operations.sort_by_key(|operation| local_name(operation));

        let mut walk = Walk { ast, entries: HashMap::new(), events: HashSet::new() };
        let mut roles: HashMap<&str, Role> = HashMap::new();
        for operation in &operations {
            let node = ast.shape(id, operation)?;
            for role in ["input", "output"] {
                if let Some(target) = node.get(role).and_then(|role| role.get("target")?.as_str())
                    && target != ast::UNIT
                {
                    walk.visit(operation, target)?;
                    if ast::type_of(ast.shape(operation, target)?) != "structure" {
                        return Err(ImportError::new(*operation, format!("its {role} is not a structure")));
                    }
                    let known = roles.entry(target).or_default();
                    known.input |= role == "input";
                    known.output |= role == "output";
                }
            }
            for error in ast::targets(node, "errors") {
                walk.visit(operation, error)?;
                roles.entry(error).or_default().output = true;
            }
        }
        for error in ast::targets(service, "errors") {
            walk.visit(id, error)?;
            roles.entry(error).or_default().output = true;
        }
        let Walk { entries, events, .. } = walk;
        let mut shapes: Vec<Entry<'a>> = entries.into_values().collect();
        for entry in &mut shapes {
            entry.event = entry.narrowed_by.is_none() && events.contains(entry.id);
            entry.role = roles.get(entry.id).copied().unwrap_or_default();
        }
        name(&mut shapes, id, service);
        shapes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { operations, shapes })
    }

    pub(super) fn places(&self) -> HashMap<&str, ShapeIx> {
        self.shapes.iter().zip(0..).map(|(entry, at)| (entry.key.as_str(), ShapeIx(at))).collect()
    }
}

fn collect_operations<'a>(
    ast: &'a Ast<'_>,
    at: &'a str,
    node: &'a Value,
    operations: &mut BTreeSet<&'a str>,
    resources: &mut HashSet<&'a str>,
) -> Result<()> {
    let single = LIFECYCLE.iter().filter_map(|role| node.get(*role)?.get("target")?.as_str());
    let listed = OPERATION_LISTS.iter().flat_map(|list| ast::targets(node, list));
    for operation in single.chain(listed) {
        ast.shape(at, operation)?;
        operations.insert(operation);
    }
    for resource in ast::targets(node, "resources") {
        if resources.insert(resource) {
            collect_operations(ast, resource, ast.shape(at, resource)?, operations, resources)?;
        }
    }
    Ok(())
}

struct Walk<'a, 'd> {
    ast: &'a Ast<'d>,
    entries: HashMap<String, Entry<'a>>,
    /// The ids of structures that travel as events.
    events: HashSet<&'a str>,
}

impl<'a> Walk<'a, '_> {
    /// Adds a shape and all that it reaches. Iterative: recursion depth would be the model's to choose.
    fn visit(&mut self, at: &str, id: &'a str) -> Result<()> {
        let mut waiting: Vec<(String, &'a str)> = vec![(at.to_owned(), id)];
        while let Some((at, id)) = waiting.pop() {
            let id = ast::boxed(id);
            if self.entries.contains_key(id) {
                continue;
            }
            let shape = self.ast.shape(&at, id)?;
            let entry = Entry {
                key: id.to_owned(),
                name: String::new(),
                id,
                shape,
                narrowed_by: None,
                event: false,
                role: Role::default(),
            };
            self.entries.insert(id.to_owned(), entry);
            let is_stream = ast::type_of(shape) == "union" && ast::has(shape, "smithy.api#streaming");
            for (name, member) in ast::members(shape) {
                let key = format!("{id}${name}");
                let target = member
                    .get("target")
                    .and_then(Value::as_str)
                    .ok_or_else(|| ImportError::new(&key, "has no target"))?;
                let target = ast::boxed(target);
                if is_stream {
                    self.events.insert(target);
                }
                if CONSTRAINTS.iter().any(|constraint| ast::has(member, constraint)) {
                    let shape = self.ast.shape(&key, target)?;
                    let narrowed_by = Some(member);
                    let entry = Entry {
                        key: key.clone(),
                        name: String::new(),
                        id: target,
                        shape,
                        narrowed_by,
                        event: false,
                        role: Role::default(),
                    };
                    self.entries.insert(key.clone(), entry);
                }
                waiting.push((key, target));
            }
        }
        Ok(())
    }
}

/// The type as botocore's names end: enums are strings there.
fn type_name(shape: &Value) -> String {
    let name = match ast::type_of(shape) {
        "enum" => "string",
        "intEnum" => "integer",
        "set" => "list",
        other => other,
    };
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Gives every shape its name: the local one, what the service renames it to, or container, member and type for a
/// constrained member, as botocore's models have it. Where two would be the same, all but one keep their whole id: the
/// service's own namespace comes first, the prelude last.
fn name(shapes: &mut [Entry<'_>], service_id: &str, service: &Value) {
    let own_namespace = service_id.split('#').next().unwrap_or_default();
    let rank = |key: &str| match key.split('#').next() {
        Some(namespace) if namespace == own_namespace => 0,
        Some("smithy.api") => 2,
        _ => 1,
    };
    shapes.sort_by(|a, b| (rank(&a.key), &a.key).cmp(&(rank(&b.key), &b.key)));
    let renamed = |id: &str| service.get("rename").and_then(|rename| rename.get(id)?.as_str());
    let mut taken = HashSet::new();
    for entry in shapes {
        let name = match entry.key.split_once('$') {
            None => renamed(&entry.key).unwrap_or(local_name(&entry.key)).to_owned(),
            Some((container, member)) => {
                let container = renamed(container).unwrap_or(local_name(container));
                let mut letters = member.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                let member: String = first.into_iter().chain(letters).collect();
                format!("{container}{member}{}", type_name(entry.shape))
            }
        };
        entry.name = if taken.contains(&name) { entry.key.clone() } else { name };
        taken.insert(entry.name.clone());
    }
}
