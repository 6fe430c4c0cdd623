//! An input to try an operation with.

use serde_json::{Value, json};
use standin_core::Draw;
use standin_mock::synthesis::{Fill, example_input};
use standin_mock::validation::input_from_json;
use standin_model::{Entry, Operation, Service};

/// The modelled example with the smallest input that has all required members, else one made up from the model.
pub(super) fn input(entry: &Entry, service: &'static Service, operation: &'static Operation) -> Value {
    let Some((ix, structure)) = operation.input.and_then(|ix| Some((ix, service.structure(ix)?))) else {
        return json!({});
    };
    let modelled = entry.examples().map_or(&[][..], |examples| examples.of(operation.name));
    let fits = |input: &&Value| {
        structure.members.iter().filter(|member| member.required).all(|member| input.get(member.name).is_some())
            && input_from_json(service, ix, input).is_ok()
    };
    let smallest = modelled.iter().map(|example| &example.input).filter(fits);
    match smallest.min_by_key(|input| input.to_string().len()) {
        Some(example) => example.clone(),
        None => {
            let mut made = example_input(service, operation, Fill::Required, &mut Draw::from_seed(0)).to_json();
            // It may hold optional members at the root; an example to read and paste is better without.
            if let Some(entries) = made.as_object_mut().filter(|_| !structure.union) {
                entries.retain(|name, _| structure.member(name).is_some_and(|member| member.required));
            }
            made
        }
    }
}

#[cfg(test)]
mod tests {
    use standin_mock::validation::{Strictness, validate};
    use standin_model::Catalogue;

    use super::*;

    fn check(service: &str, operation: &str) -> Value {
        let entry = Catalogue::shared().newest(service).expect("served");
        let service = entry.open().expect("opens");
        input(entry, service, service.operation(operation).expect("modelled"))
    }

    #[test]
    fn examples_have_what_is_required() {
        let example = check("mwaa", "CreateEnvironment");
        for name in ["Name", "DagS3Path", "ExecutionRoleArn", "SourceBucketArn", "NetworkConfiguration"] {
            assert!(example.get(name).is_some(), "{name}: {example}");
        }
        assert_eq!(check("mwaa", "ListEnvironments"), json!({}));
    }

    #[test]
    fn made_up_examples_are_accepted_in_every_service() {
        for entry in Catalogue::shared().services() {
            let service = entry.open().expect("opens");
            for operation in service.operations.iter().step_by(23) {
                // Modelled examples are AWS's own, and some break AWS's own constraints.
                let is_modelled = !entry.examples().expect("read").of(operation.name).is_empty();
                let Some(ix) = operation.input.filter(|_| !is_modelled) else { continue };
                let example = input(entry, service, operation);
                let document = input_from_json(service, ix, &example).expect("fits its shape");
                let checked = validate(service, operation, &document, Strictness::Strict);
                assert!(checked.is_ok(), "{} {}: {example}: {checked:?}", service.id, operation.name);
            }
        }
    }
}
