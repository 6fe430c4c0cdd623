//! The lifecycles of a handful of services, so that changes of the inference show in review. `UPDATE_GOLDEN=1` writes them.

use std::fmt::Write as _;
use std::path::Path;

use standin_lifecycle::{Form, Lifecycle, TypeIx, Verb, infer, written};
use standin_model::Catalogue;

const SERVICES: [&str; 10] =
    ["accessanalyzer", "cloudhsmv2", "events", "iam", "kms", "lambda", "mwaa", "proton", "secretsmanager", "sqs"];

fn text(lifecycle: &Lifecycle) -> String {
    let mut out = String::new();
    let name = |ix: TypeIx| lifecycle.resource(ix).name.as_str();
    for (at, resource) in lifecycle.types.iter().enumerate() {
        let mut facts = vec![format!("{:?}", resource.kind)];
        facts.extend(resource.parent.map(|parent| format!("in {}", name(parent))));
        facts.extend(resource.target.map(|target| format!("to {}", name(target))));
        facts.extend(resource.implicit.then(|| "implicit".to_owned()));
        facts.extend(resource.counter.map(|member| format!("counted by {member}")));
        facts.extend(resource.within.as_ref().map(|(path, _)| format!("within {}", written(path))));
        if let Some(status) = &resource.status {
            let inner = status.inner.map(|inner| format!(".{inner}")).unwrap_or_default();
            facts.push(format!("{}{inner} {:?} {}", status.member, status.creating.unwrap_or("-"), status.settled));
        }
        let _ = writeln!(out, "{}: {}", resource.name, facts.join(", "));
        for (operation, role) in lifecycle.service.operations.iter().zip(&lifecycle.roles) {
            let Some(role) = role.as_ref().filter(|role| usize::from(role.resource.0) == at) else { continue };
            let bindings: Vec<String> = role
                .bindings
                .iter()
                .map(|binding| format!("{}={}.{:?}", written(&binding.path), name(binding.of), binding.part))
                .collect();
            let views: Vec<String> = role
                .views
                .iter()
                .map(|view| match view.form {
                    Form::Structure => format!("{}={}", written(&view.path), name(view.of)),
                    Form::Identifier(part) => format!("{}={}.{part:?}", written(&view.path), name(view.of)),
                })
                .collect();
            let verb = match role.verb {
                Verb::Act(Some(value)) => format!("Act {value}"),
                ref verb => format!("{verb:?}"),
            };
            let _ = writeln!(out, "  {verb} {}({}) -> {}", operation.name, bindings.join(" "), views.join(" "));
        }
    }
    out
}

#[test]
fn lifecycles_are_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for id in SERVICES {
        let service = Catalogue::shared().newest(id).expect("served").open().expect("opens");
        let text = text(&infer(service));
        let file = folder.join(format!("{id}.txt"));
        if update {
            std::fs::write(&file, text).expect("written");
            continue;
        }
        let reviewed = std::fs::read_to_string(&file).unwrap_or_default();
        let first = text.lines().zip(reviewed.lines()).find(|(now, then)| now != then);
        assert!(
            text == reviewed,
            "{id} is not as reviewed; first difference: {first:?}. `UPDATE_GOLDEN=1 cargo test -p standin-lifecycle` writes it"
        );
    }
}
