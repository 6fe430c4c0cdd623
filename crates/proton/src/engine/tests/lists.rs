//! Lists by the indexes behind them.

use serde_json::{Value, json};
use standin_core::Dice;
use standin_model::Timestamp;

use super::super::kept::Kept;
use super::super::tx::Tx;
use super::{Scope, World};
use crate::types::*;

fn scope(world: &World) -> Scope {
    Scope {
        partition: "aws".into(),
        account: world.account.clone(),
        region: "us-east-1".into(),
        now: Timestamp::from_millis(world.now_ms),
        dice: Dice::new(1),
        nonce: "lists".into(),
    }
}

/// Puts deployed instances, and the services that they belong to, as if they had been made.
fn with_instances(names: impl IntoIterator<Item = (String, String, &'static str)>) -> World {
    let world = World::new();
    let mut tx = Tx::new(&world.engine, scope(&world));
    for (service, name, environment) in names {
        tx.put(&Kept::new(Service { name: service.clone(), ..Service::default() }));
        tx.put(&Kept::new(ServiceInstance {
            service_name: service,
            name,
            environment_name: environment.to_owned(),
            deployment_status: DeploymentStatus::Succeeded,
            ..ServiceInstance::default()
        }));
    }
    world.runtime.block_on(tx.commit()).expect("nothing is there yet");
    world
}

/// All pages of a list: the names in it, and how many pages there were.
fn pages(world: &mut World, input: &Value) -> (Vec<String>, usize) {
    let (mut input, mut names, mut count) = (input.clone(), Vec::new(), 0);
    loop {
        let page = world.ok("ListServiceInstances", &input);
        count += 1;
        for instance in page["serviceInstances"].as_array().expect("a list") {
            let text = |name: &str| instance[name].as_str().unwrap_or_default().to_owned();
            names.push(format!("{}/{}", text("serviceName"), text("name")));
        }
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return (names, count),
        }
    }
}

#[test]
fn instances_come_by_service_and_name() {
    let names = [("a-b", "x", "one"), ("a", "y", "two"), ("a", "x", "one"), ("B", "x", "two"), ("a0", "x-y", "two")];
    let mut world = with_instances(names.map(|(service, name, at)| (service.to_owned(), name.to_owned(), at)));
    let all = ["B/x", "a/x", "a/y", "a-b/x", "a0/x-y"];
    let check = |world: &mut World, input: Value, expect: &[&str]| {
        for size in [1, 2, 5, 100] {
            let mut input = input.clone();
            input["maxResults"] = json!(size);
            let (names, count) = pages(world, &input);
            assert_eq!(
                (names, count),
                (expect.iter().map(ToString::to_string).collect(), expect.len().div_ceil(size).max(1)),
                "{input}"
            );
        }
    };
    check(&mut world, json!({}), &all);
    check(&mut world, json!({"sortBy": "serviceName", "sortOrder": "ASCENDING"}), &all);
    let reversed: Vec<&str> = all.iter().rev().copied().collect();
    check(&mut world, json!({"sortOrder": "DESCENDING"}), &reversed);
    check(&mut world, json!({"serviceName": "a"}), &["a/x", "a/y"]);
    let filter = |key: &str, value: &str| json!({"key": key, "value": value});
    check(&mut world, json!({"filters": [filter("environmentName", "two")]}), &["B/x", "a/y", "a0/x-y"]);
    check(&mut world, json!({"filters": [filter("serviceName", "a")]}), &["a/x", "a/y"]);
    let both = json!({"filters": [filter("serviceName", "a"), filter("environmentName", "one")]});
    check(&mut world, both, &["a/x"]);
    let either = json!({"filters": [filter("serviceName", "a"), filter("serviceName", "B")]});
    check(&mut world, either, &["B/x", "a/x", "a/y"]);
    check(&mut world, json!({"serviceName": "a", "filters": [filter("serviceName", "B")]}), &[]);
}

/// A filter that nothing passes looks at a bounded part of an account for a page, and goes on where it stopped.
#[test]
fn filters_look_at_a_bounded_number_of_instances() {
    let names = (0..4100)
        .map(|number| (format!("s{number:04}"), if number == 4000 { "last" } else { "one" }.to_owned(), "env"));
    let mut world = with_instances(names);
    let input = json!({"filters": [{"key": "name", "value": "last"}]});
    assert_eq!(pages(&mut world, &input), (vec!["s4000/last".to_owned()], 3));
    let first = world.ok("ListServiceInstances", &input);
    assert_eq!((first["serviceInstances"].as_array().map(Vec::len), first["nextToken"].is_string()), (Some(0), true));
}
