//! Every service of the catalogue has a lifecycle that holds together.

use standin_lifecycle::{Form, Lifecycle, Path, Step, TypeKind, Verb, infer};
use standin_model::{Catalogue, Kind, Service, ShapeIx};

fn services() -> impl Iterator<Item = &'static Service> {
    Catalogue::shared().services().map(|entry| entry.open().expect("opens"))
}

/// The shape at the end of a path; `None` where the path leads nowhere.
fn follow(service: &Service, root: Option<ShapeIx>, path: &Path) -> Option<ShapeIx> {
    let mut at = root?;
    for step in path {
        at = match (step, &service.shape(at).kind) {
            (Step::Member(name), Kind::Structure(structure)) => structure.member(name)?.target,
            (Step::Items, Kind::List(list)) => list.member.target,
            (Step::Values, Kind::Map(map)) => map.value.target,
            _ => return None,
        };
    }
    Some(at)
}

fn faults(lifecycle: &Lifecycle) -> Vec<String> {
    let service = lifecycle.service;
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(format!("{}: {what}", service.id));
    for (at, resource) in lifecycle.types.iter().enumerate() {
        if resource.parent.is_some_and(|parent| usize::from(parent.0) >= at) {
            fault(format!("{} stands before its parent", resource.name));
        }
        if lifecycle.types[..at].iter().any(|other| other.name == resource.name) {
            fault(format!("two types {}", resource.name));
        }
        let verbs = || {
            let roles = lifecycle.roles.iter().flatten();
            roles.filter(|role| usize::from(role.resource.0) == at).map(|role| &role.verb)
        };
        let single = resource.kind == TypeKind::Single;
        if let (Some((path, _)), Some(parent)) = (&resource.within, resource.parent) {
            let shapes = lifecycle.resource(parent).shapes.iter();
            if !shapes.map(|shape| follow(service, Some(*shape), path)).any(|found| found.is_some()) {
                fault(format!("{} is not within its parent at {path:?}", resource.name));
            }
        }
        if !single && !verbs().any(|verb| matches!(verb, Verb::Create | Verb::Put)) {
            fault(format!("nothing makes {}", resource.name));
        }
        let mut views = lifecycle.roles.iter().flatten().flat_map(|role| &role.views);
        let viewed = views.any(|view| usize::from(view.of.0) == at);
        let shown = verbs().any(|verb| matches!(verb, Verb::Read | Verb::List));
        if !viewed && !shown && resource.within.is_none() {
            fault(format!("nothing shows {}", resource.name));
        }
    }
    for (operation, role) in service.operations.iter().zip(&lifecycle.roles) {
        let Some(role) = role else { continue };
        let line = lifecycle.lineage(role.resource);
        for binding in &role.bindings {
            let target = follow(service, operation.input, &binding.path).map(|ix| &service.shape(ix).kind);
            if !matches!(target, Some(Kind::String { .. } | Kind::Integer | Kind::Long)) {
                fault(format!("{} has no text at {:?}", operation.name, binding.path));
            }
            if !role.any && !line.contains(&binding.of) {
                fault(format!("{} names what its resource does not lie in", operation.name));
            }
        }
        for view in &role.views {
            let target = follow(service, operation.output, &view.path).map(|ix| &service.shape(ix).kind);
            let fits = match view.form {
                Form::Structure => matches!(target, Some(Kind::Structure(_))),
                Form::Identifier(_) => matches!(target, Some(Kind::String { .. })),
            };
            if !fits {
                fault(format!("{} shows nothing at {:?}", operation.name, view.path));
            }
        }
        if let Some(path) = &role.tags {
            let shown = matches!(role.verb, Verb::ListTags | Verb::Read);
            let root = if shown { operation.output } else { operation.input };
            let target = follow(service, root, path).map(|ix| &service.shape(ix).kind);
            let bare = path.is_empty() && role.verb == Verb::Untag;
            if !bare && !matches!(target, Some(Kind::List(_) | Kind::Map(_))) {
                fault(format!("{} has no tags at {path:?}", operation.name));
            }
        }
        for path in role.batch.iter() {
            let target = follow(service, operation.input, path).map(|ix| &service.shape(ix).kind);
            if !matches!(target, Some(Kind::List(_))) {
                fault(format!("{} has no list at {path:?}", operation.name));
            }
        }
    }
    faults
}

#[test]
fn every_lifecycle_holds_together() {
    let faults: Vec<String> = services().flat_map(|service| faults(&infer(service))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_same_model_gives_the_same_lifecycle() {
    for service in services() {
        assert_eq!(format!("{:?}", infer(service)), format!("{:?}", infer(service)), "{}", service.id);
    }
}
