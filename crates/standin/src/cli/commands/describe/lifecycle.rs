//! `standin describe SERVICE --lifecycle`: what was inferred of a service's resources, and why.

use serde_json::{Value, json};
use standin_lifecycle::{
    Binding, Form, Lifecycle, Part, ResourceType, Role, Status, TypeIx, TypeKind, Verb, View, written,
};

use crate::cli::Out;
use crate::error::CommandError;

pub(super) fn print(lifecycle: &Lifecycle, out: &mut Out) -> Result<(), CommandError> {
    let service = lifecycle.service;
    writeln!(out, "{} ({})", service.title, service.id)?;
    for (at, resource) in lifecycle.types.iter().enumerate() {
        let ix = TypeIx(u16::try_from(at).unwrap_or(u16::MAX));
        writeln!(out, "\n{}  {}", resource.name, facts(lifecycle, resource).join(", "))?;
        for (operation, role) in service.operations.iter().zip(&lifecycle.roles) {
            let Some(role) = role.as_ref().filter(|role| role.resource == ix) else { continue };
            let bindings: Vec<String> =
                role.bindings.iter().map(|binding| binding_text(lifecycle, binding, ix)).collect();
            let views: Vec<String> = role.views.iter().map(|view| view_text(lifecycle, view, ix)).collect();
            let shown = if views.is_empty() { String::new() } else { format!(" → {}", views.join(", ")) };
            writeln!(out, "  {:<10}{}({}){shown}", verb(&role.verb), operation.name, bindings.join(", "))?;
        }
    }
    let free: Vec<&str> = service
        .operations
        .iter()
        .zip(&lifecycle.roles)
        .filter(|(_, role)| role.is_none())
        .map(|(operation, _)| operation.name)
        .collect();
    if !free.is_empty() {
        writeln!(out, "\nAnswered from the model alone")?;
        for name in free {
            writeln!(out, "  {name}")?;
        }
    }
    Ok(())
}

pub(super) fn json(lifecycle: &Lifecycle) -> Value {
    let service = lifecycle.service;
    let name = |ix: TypeIx| lifecycle.resource(ix).name.as_str();
    let types: Vec<Value> = lifecycle.types.iter().map(|resource| resource_json(lifecycle, resource)).collect();
    let operations: serde_json::Map<String, Value> = service
        .operations
        .iter()
        .zip(&lifecycle.roles)
        .map(|(operation, role)| {
            (operation.name.to_owned(), role.as_ref().map_or(Value::Null, |role| role_json(lifecycle, role, &name)))
        })
        .collect();
    json!({ "service": service.id, "version": service.version, "types": types, "operations": operations })
}

fn resource_json(lifecycle: &Lifecycle, resource: &ResourceType) -> Value {
    let service = lifecycle.service;
    let shape = |ix: &standin_model::ShapeIx| service.shape(*ix).name;
    let name = |ix: TypeIx| lifecycle.resource(ix).name.clone();
    json!({
        "name": resource.name,
        "kind": kind(resource.kind),
        "parent": resource.parent.map(name),
        "target": resource.target.map(name),
        "implicit": resource.implicit,
        "identity": {
            "primary": resource.identity.primary.map(part),
            "name": resource.identity.name,
            "id": resource.identity.id,
            "arn": resource.identity.arn,
        },
        "shapes": resource.shapes.iter().map(shape).collect::<Vec<_>>(),
        "within": resource.within.as_ref().map(|(path, _)| written(path)),
        "status": resource.status.as_ref().map(|status| json!({
            "member": status_member(status),
            "creating": status.creating,
            "settled": status.settled,
            "updating": status.updating,
            "deleting": status.deleting,
            "deleted": status.deleted,
        })),
        "tags": resource.tags,
        "counter": resource.counter,
        "synonyms": resource.synonyms.iter().map(|(given, shown)| json!([given, shown])).collect::<Vec<_>>(),
        "why": resource.why,
    })
}

fn role_json<'l>(lifecycle: &'l Lifecycle, role: &Role, name: &dyn Fn(TypeIx) -> &'l str) -> Value {
    let error = |ix: Option<standin_model::ShapeIx>| ix.map(|ix| lifecycle.service.shape(ix).name);
    json!({
        "verb": verb(&role.verb),
        "status": match role.verb { Verb::Act(value) => value, _ => None },
        "type": name(role.resource),
        "anyType": role.any,
        "bindings": role.bindings.iter().map(|binding| json!({
            "path": written(&binding.path),
            "type": name(binding.of),
            "part": part(binding.part),
            "default": binding.default,
        })).collect::<Vec<_>>(),
        "views": role.views.iter().map(|view| json!({
            "path": written(&view.path),
            "type": name(view.of),
            "form": match view.form { Form::Structure => "structure", Form::Identifier(of) => part(of) },
        })).collect::<Vec<_>>(),
        "batch": role.batch.as_deref().map(written),
        "body": role.body.as_deref().map(written),
        "tags": role.tags.as_deref().map(written),
        "rename": role.rename.as_deref().map(written),
        "clears": role.clears,
        "errors": {
            "missing": error(role.missing),
            "conflict": error(role.conflict),
            "busy": error(role.busy),
        },
        "why": role.why,
    })
}

/// Kind, place, identifiers and status of a type, in few words.
fn facts(lifecycle: &Lifecycle, resource: &ResourceType) -> Vec<String> {
    let mut facts = vec![kind(resource.kind).to_owned()];
    facts.extend(resource.parent.map(|parent| format!("in {}", lifecycle.resource(parent).name)));
    facts.extend(resource.target.map(|target| format!("to {}", lifecycle.resource(target).name)));
    if resource.implicit {
        facts.push("always there".to_owned());
    }
    let identity = &resource.identity;
    let members: Vec<&str> = [identity.name, identity.id, identity.arn].into_iter().flatten().collect();
    if !members.is_empty() {
        facts.push(format!("known by {}", members.join("/")));
    }
    if let Some(status) = &resource.status {
        let way: Vec<&str> = [status.creating, Some(status.settled), status.updating, status.deleting, status.deleted]
            .into_iter()
            .flatten()
            .collect();
        facts.push(format!("{} {}", status_member(status), way.join(" ")));
    }
    facts
}

fn status_member(status: &Status) -> String {
    status.inner.map_or_else(|| status.member.to_owned(), |inner| format!("{}.{inner}", status.member))
}

fn binding_text(lifecycle: &Lifecycle, binding: &Binding, own: TypeIx) -> String {
    let path = written(&binding.path);
    if binding.of == own { path } else { format!("{path}: {}", lifecycle.resource(binding.of).name) }
}

fn view_text(lifecycle: &Lifecycle, view: &View, own: TypeIx) -> String {
    let path = if view.path.is_empty() { "the output".to_owned() } else { written(&view.path) };
    if view.of == own { path } else { format!("{path}: {}", lifecycle.resource(view.of).name) }
}

fn kind(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Named => "named",
        TypeKind::Assigned => "assigned",
        TypeKind::Single => "single",
        TypeKind::Link => "link",
    }
}

fn part(part: Part) -> &'static str {
    match part {
        Part::Name => "name",
        Part::Id => "id",
        Part::Arn => "arn",
        Part::Any => "any",
        Part::Qualifier => "qualifier",
    }
}

fn verb(verb: &Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Put => "put",
        Verb::Read => "read",
        Verb::List => "list",
        Verb::Update => "update",
        Verb::Delete => "delete",
        Verb::Tag => "tag",
        Verb::Untag => "untag",
        Verb::ListTags => "list-tags",
        Verb::Act(_) => "act",
    }
}
