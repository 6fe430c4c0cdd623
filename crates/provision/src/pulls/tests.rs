use standin_model::{Document, Timestamp};
use standin_proton::engine::provision::{Order, ProvisionedBy, Subject};

use super::change::{body, branch_of, message};
use super::notes::Notes;
use super::*;

fn order(subject: Subject, deployment: &str) -> Order {
    Order {
        deployment_id: deployment.to_owned(),
        resource_arn: "arn:aws:proton:us-east-1:123456789012:environment/prod".to_owned(),
        subject,
        home: "123456789012".to_owned(),
        stack_name: "s".to_owned(),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        partition: "aws".to_owned(),
        role_arn: None,
        repository: None,
        by: ProvisionedBy::Terraform,
        tags: Vec::new(),
        rendered: None,
        notes: Document::Null,
        now: Timestamp::from_seconds(1_700_000_000),
    }
}

fn environment(deployment: &str) -> Order {
    order(Subject::Environment { name: "prod".to_owned() }, deployment)
}

#[test]
fn branches_are_named_by_the_deployment() {
    let branch = branch_of(&environment("a"));
    let id = branch.strip_prefix("proton--proton-environment-").unwrap();
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert_eq!(&id[14..15], "4");
    assert!("89ab".contains(&id[19..20]), "{id}");
    assert_eq!(branch, branch_of(&environment("a")));
    assert_ne!(branch, branch_of(&environment("b")));
    assert!(!branch.contains("-a-"));
}

#[test]
fn titles_and_bodies_name_the_resource() {
    let order = environment("d-1");
    assert_eq!(message(&order), "Update requested for Proton - environment/prod");
    let body = body(&order);
    assert!(body.contains(&order.resource_arn) && body.contains("--deployment-id d-1"), "{body}");
}

#[test]
fn notes_come_back_as_they_were() {
    let id = |digit: &str| ObjectId::parse(&digit.repeat(40)).ok();
    let notes = Notes {
        since: 5,
        cancelling: Some(6),
        base: id("a"),
        at: 7,
        folder: "environments/prod".to_owned(),
        commit: id("b"),
        number: Some(8),
        url: Some("u".to_owned()),
        seen: id("c"),
        trouble: Some("t".to_owned()),
    };
    let now = Timestamp::from_seconds(1);
    assert_eq!(Notes::read(&notes.write(), now), notes);
    let fresh = Notes::read(&Document::Null, now);
    assert_eq!(fresh, Notes { since: 1000, ..Notes::default() });
    assert_eq!(Notes::read(&fresh.write(), Timestamp::from_seconds(9)), fresh);
}
