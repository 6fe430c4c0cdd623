//! Measures how long a template of 500 resources takes: `cargo run --release --example large -p standin-cloudformation`.

use std::fmt::Write as _;
use std::io::Write as _;

use indexmap::IndexMap;
use standin_cloudformation::evaluate::{Environment, Evaluator, Made};
use standin_cloudformation::references::order;
use standin_cloudformation::{source, transform};
use standin_core::Stopwatch;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::from(
        "Parameters:\n  Env: {Type: String, Default: dev}\nMappings:\n  M: {dev: {n: 1}}\nConditions:\n  Dev: !Equals [!Ref Env, dev]\nResources:\n",
    );
    for at in 0..500 {
        let needs = if at == 0 { String::new() } else { format!("      Before: !GetAtt R{}.Arn\n", at - 1) };
        write!(
            text,
            "  R{at}:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Sub \"${{AWS::StackName}}-${{Env}}-{at}\"\n      DelaySeconds: !FindInMap [M, !Ref Env, n]\n      Tags: [{{Key: a, Value: !If [Dev, !Join [\"-\", [!Ref Env, {at}]], x]}}]\n{needs}"
        )?;
    }
    let environment = Environment {
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        partition: "aws".to_owned(),
        stack_name: "large".to_owned(),
        stack_id: "arn:aws:cloudformation:eu-west-1:111122223333:stack/large/1".to_owned(),
        notification_arns: Vec::new(),
    };
    let mut out = std::io::stdout();
    for _ in 0..5 {
        let all = Stopwatch::start();
        let value = source::parse(&text)?;
        let read = all.elapsed();
        let watch = Stopwatch::start();
        let prepared = transform::prepare(&value, &IndexMap::new(), &IndexMap::new(), &environment, &|_| None)?;
        let checked = watch.elapsed();
        let watch = Stopwatch::start();
        let none = |_: &str| None;
        let evaluator = Evaluator::new(&prepared.template, &prepared.references, &environment, &none)?;
        let mut made: IndexMap<String, Made> = IndexMap::new();
        for name in order(&prepared.template, Some(&evaluator.conditions), &|_| true)? {
            let properties = evaluator.value(&prepared.template.resources[&name].properties, &made)?;
            let mut one = Made { reference: name.clone(), ..Made::default() };
            one.attributes.insert("Arn".to_owned(), properties["QueueName"].clone());
            made.insert(name, one);
        }
        let evaluated = watch.elapsed();
        writeln!(
            out,
            "{} bytes: read {read:?}, checked {checked:?}, evaluated {evaluated:?}, all {:?}",
            text.len(),
            all.elapsed()
        )?;
    }
    Ok(())
}
