//! What can be said of a template before anything is made of it: all that is wrong, as far as it can be told at once.

use indexmap::IndexMap;

use crate::error::TemplateError;
use crate::evaluate::{Environment, Evaluator};
use crate::resources::Resources;
use crate::source;
use crate::transform::{Prepared, prepare};

/// A template without arguments for its parameters: its form, its names, circles, types, and the functions in it.
pub fn lint(text: &str, resources: &dyn Resources, environment: &Environment) -> Vec<TemplateError> {
    let anything = |_: &str| Some("example".to_owned());
    let prepared = source::parse(text)
        .and_then(|value| prepare(&value, &IndexMap::new(), &IndexMap::new(), environment, &anything));
    let Prepared { template, references, .. } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return vec![error],
    };
    let unknown = template.resources.iter().filter(|(_, resource)| !resources.knows(&resource.kind));
    let mut found: Vec<TemplateError> = unknown
        .map(|(name, resource)| {
            TemplateError::format(format_args!("Unrecognized resource types: [{}]", resource.kind)).at([
                "Resources",
                name,
                "Type",
            ])
        })
        .collect();
    let evaluator = match Evaluator::new(&template, &references, environment, &anything) {
        Ok(evaluator) => evaluator.planning(),
        Err(error) => {
            found.push(error);
            return found;
        }
    };
    found.extend(evaluator.check_rules().err());
    let nothing = IndexMap::new();
    for (name, resource) in &template.resources {
        if evaluator.holds(resource.condition.as_deref()) {
            let error = evaluator.value(&resource.properties, &nothing).err();
            found.extend(error.map(|error| error.at(["Resources", name])));
        }
    }
    for (name, output) in &template.outputs {
        if evaluator.holds(output.condition.as_deref()) {
            let error = evaluator.value(&output.value, &nothing).err();
            found.extend(error.map(|error| error.at(["Outputs", name])));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    use super::*;
    use crate::ServiceResources;

    fn check(text: &str, expect: &[(usize, &str)]) {
        let environment = Environment {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            partition: "aws".into(),
            stack_name: "s".into(),
            stack_id: "s".into(),
            notification_arns: Vec::new(),
        };
        let resources = ServiceResources::simulated(Catalogue::shared());
        let found = lint(text, &resources, &environment);
        let told: Vec<(usize, &str)> =
            found.iter().map(|error| (error.line(text).unwrap_or(0), error.message.as_str())).collect();
        assert_eq!(told.len(), expect.len(), "{told:?}");
        for ((line, message), (expect_line, words)) in told.iter().zip(expect) {
            assert!(line == expect_line && message.contains(words), "{line}: {message}");
        }
    }

    #[test]
    fn everything_wrong_is_told_with_its_line() {
        check("Resources:\n  A:\n    Type: AWS::S3::Bucket\nOutputs:\n  Arn:\n    Value: !GetAtt A.Arn\n", &[]);
        check("Resources: [\n", &[(2, "YAML")]);
        check(
            "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    DependsOn: B\n",
            &[(2, "Unresolved resource dependencies [B]")],
        );
        check(
            "Mappings:\n  M:\n    a: {x: 1}\nResources:\n  A:\n    Type: AWS::Nowhere::Thing\n  B:\n    Type: AWS::SQS::Queue\n    Properties:\n      DelaySeconds: !FindInMap [M, b, x]\n",
            &[(6, "Unrecognized resource types: [AWS::Nowhere::Thing]"), (7, "Unable to get mapping")],
        );
        check(
            "Resources:\n  A:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref B\n  B:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref A\n",
            &[(2, "Circular dependency")],
        );
        check(
            "Parameters:\n  P: {Type: String}\nResources:\n  A:\n    Type: AWS::S3::Bucket\n",
            &[(0, "must have values")],
        );
    }
}
