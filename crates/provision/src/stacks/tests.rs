//! The logic over a CloudFormation that does what a test says.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use standin_aws::Trouble;
use standin_model::{Document, Timestamp};
use standin_proton::engine::provision::{Order, Progress, ProvisionedBy, Provisioner as _, Subject};
use standin_proton::render::Rendered;

use super::{Asked, ByStacks, RUN_TAG, Stack, StackEvent, Stacks, Update};

/// A CloudFormation that takes one look for every change.
#[derive(Default)]
struct World {
    stack: Option<Stack>,
    events: Vec<StackEvent>,
    /// What the next change ends as, and with what reason.
    fate: Option<(&'static str, &'static str)>,
    /// Whether updates go by change sets that tell nothing by tags.
    by_change_sets: bool,
    /// Of which deployment, and whether it was executed.
    change_set: Option<(String, bool)>,
    /// What the next calls come to.
    trouble: Vec<Trouble>,
    done: Vec<&'static str>,
}

#[derive(Default)]
struct Fake(Mutex<World>);

impl Fake {
    fn with<T>(&self, ask: impl FnOnce(&mut World) -> Result<T, Trouble>) -> Asked<'_, T>
    where
        T: Send + 'static,
    {
        let mut world = self.0.lock().expect("no test panics in here");
        let answer = match world.trouble.pop() {
            Some(trouble) => Err(trouble),
            None => ask(&mut world),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl World {
    fn begin(&mut self, order: &Order, status: &str, good: &'static str) {
        let event = |resource: &str, kind: &str, status: &str, reason: &str| StackEvent {
            id: format!("{resource}-{status}-{}", order.deployment_id),
            resource: resource.to_owned(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            token: Some(order.deployment_id.clone()),
        };
        self.events.insert(0, event("stack", "AWS::CloudFormation::Stack", status, "User Initiated"));
        if let Some((_, reason)) = self.fate {
            self.events.insert(0, event("Bucket", "AWS::S3::Bucket", "CREATE_FAILED", reason));
            self.events.insert(0, event("Topic", "AWS::SNS::Topic", "CREATE_FAILED", "Resource creation cancelled"));
        }
        let stack = self.stack.get_or_insert_default();
        stack.name = order.stack_name.clone();
        stack.id = format!("arn:{}", order.stack_name);
        stack.status = status.to_owned();
        self.fate.get_or_insert((good, ""));
    }

    /// One look brings what goes on to its end.
    fn look(&mut self) -> Option<Stack> {
        let seen = self.stack.clone();
        if let Some(stack) = &mut self.stack
            && stack.is_busy()
            && let Some((end, _)) = self.fate.take()
        {
            end.clone_into(&mut stack.status);
        }
        if self.stack.as_ref().is_some_and(|stack| stack.status == "DELETE_COMPLETE") {
            self.stack = None;
        }
        seen
    }
}

impl Stacks for Fake {
    fn stack<'a>(&'a self, _: &'a Order) -> Asked<'a, Option<Stack>> {
        self.with(|world| Ok(world.look()))
    }

    fn events<'a>(&'a self, _: &'a Order) -> Asked<'a, Vec<StackEvent>> {
        self.with(|world| Ok(world.events.clone()))
    }

    fn has_begun<'a>(&'a self, order: &'a Order) -> Asked<'a, bool> {
        self.with(|world| {
            Ok(world.events.iter().any(|event| event.token.as_ref() == Some(&order.deployment_id))
                || (world.by_change_sets && world.change_set == Some((order.deployment_id.clone(), true))))
        })
    }

    fn create<'a>(&'a self, order: &'a Order, _: &'a str) -> Asked<'a, ()> {
        self.with(|world| {
            world.done.push("create");
            world.begin(order, "CREATE_IN_PROGRESS", "CREATE_COMPLETE");
            world.stack.get_or_insert_default().tags = vec![(RUN_TAG.to_owned(), order.deployment_id.clone())];
            Ok(())
        })
    }

    fn update<'a>(&'a self, order: &'a Order, template: &'a str, _: &'a Stack) -> Asked<'a, Update> {
        self.with(|world| {
            match template {
                "same" => return Ok(Update::Unchanged),
                "bad" => return Ok(Update::Refused("it cannot be".into())),
                _ => {}
            }
            let prepared = world.change_set.as_ref().is_some_and(|(of, _)| *of == order.deployment_id);
            if world.by_change_sets && !prepared {
                world.change_set = Some((order.deployment_id.clone(), false));
                return Ok(Update::Preparing);
            }
            world.done.push("update");
            world.change_set = Some((order.deployment_id.clone(), true));
            world.begin(order, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE");
            if !world.by_change_sets && world.fate.is_some_and(|(end, _)| end == "UPDATE_COMPLETE") {
                world.stack.get_or_insert_default().tags = vec![(RUN_TAG.to_owned(), order.deployment_id.clone())];
            }
            Ok(Update::Begun)
        })
    }

    fn unprepare<'a>(&'a self, _: &'a Order) -> Asked<'a, ()> {
        self.with(|world| {
            world.done.push("unprepare");
            world.change_set = None;
            Ok(())
        })
    }

    fn continue_rollback<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        self.with(|world| {
            world.done.push("continue");
            let stack = world.stack.get_or_insert_default();
            stack.status = "UPDATE_ROLLBACK_IN_PROGRESS".into();
            stack.name = order.stack_name.clone();
            world.fate = Some(world.fate.unwrap_or(("UPDATE_ROLLBACK_COMPLETE", "")));
            Ok(())
        })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        self.with(|world| {
            world.done.push("delete");
            world.begin(order, "DELETE_IN_PROGRESS", "DELETE_COMPLETE");
            Ok(())
        })
    }

    fn cancel_update<'a>(&'a self, _: &'a Order) -> Asked<'a, ()> {
        self.with(|world| {
            world.done.push("cancel");
            world.stack.get_or_insert_default().status = "UPDATE_ROLLBACK_IN_PROGRESS".into();
            world.fate = Some(("UPDATE_ROLLBACK_COMPLETE", ""));
            Ok(())
        })
    }

    fn pace(&self) -> RangeInclusive<i64> {
        10..=500
    }

    fn is_followed(&self) -> bool {
        false
    }
}

fn order(id: &str, template: &str) -> Order {
    Order {
        deployment_id: id.to_owned(),
        resource_arn: "arn:aws:proton:eu-west-1:111122223333:environment/e".into(),
        subject: Subject::Environment { name: "e".into() },
        home: "111122223333".into(),
        stack_name: "AWSProton-e".into(),
        account: "111122223333".into(),
        region: "eu-west-1".into(),
        partition: "aws".into(),
        role_arn: None,
        repository: None,
        by: ProvisionedBy::CloudFormation,
        tags: Vec::new(),
        rendered: Some(Rendered::CloudFormation { template: template.to_owned() }),
        notes: Document::Null,
        now: Timestamp::default(),
    }
}

#[derive(Clone, Copy)]
enum What {
    Provision,
    Delete,
    Cancel,
}

/// Steps until there is an end, keeping notes as the engine does; the clock goes on by a minute a step.
fn run(fake: &Arc<Fake>, mut order: Order, what: What) -> Progress {
    let by = ByStacks::new(fake.clone());
    for _ in 0..200 {
        let mut step = match what {
            What::Provision => by.provision(&order),
            What::Delete => by.delete(&order),
            What::Cancel => by.cancel(&order),
        };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(progress) = step.as_mut().poll(&mut context) else { panic!("nothing waits") };
        drop(step);
        match progress {
            Progress::Working { notes, .. } => {
                if let Some(notes) = notes {
                    order.notes = notes;
                }
                order.now = Timestamp::from_millis(order.now.as_millis() + 60_000);
            }
            ended => return ended,
        }
    }
    panic!("no end");
}

fn is_done(progress: &Progress) -> bool {
    matches!(progress, Progress::Done { .. })
}

fn check_done(fake: &Arc<Fake>, expect: &[&str]) {
    let mut world = fake.0.lock().expect("no test panics in here");
    assert_eq!(std::mem::take(&mut world.done), expect);
}

fn set(fake: &Arc<Fake>, change: impl FnOnce(&mut World)) {
    change(&mut fake.0.lock().expect("no test panics in here"));
}

#[test]
fn a_stack_lives() {
    for by_change_sets in [false, true] {
        let fake = Arc::new(Fake::default());
        set(&fake, |world| world.by_change_sets = by_change_sets);
        let Progress::Done { resources, .. } = run(&fake, order("a", "1"), What::Provision) else { panic!("not done") };
        assert_eq!((resources[0].name.as_str(), resources[0].engine), ("AWSProton-e", "CLOUDFORMATION"));
        check_done(&fake, &["create"]);
        // Told once more, it is done already.
        assert!(is_done(&run(&fake, order("a", "1"), What::Provision)));
        assert!(is_done(&run(&fake, order("b", "2"), What::Provision)));
        assert!(is_done(&run(&fake, order("b", "2"), What::Provision)));
        check_done(&fake, &["update"]);
        assert!(is_done(&run(&fake, order("c", "same"), What::Provision)));
        assert_eq!(run(&fake, order("d", "bad"), What::Provision), Progress::failed("it cannot be"));
        assert!(is_done(&run(&fake, order("e", ""), What::Delete)));
        assert!(is_done(&run(&fake, order("e", ""), What::Delete)));
        check_done(&fake, &["delete"]);
    }
}

#[test]
fn failures_are_told_by_their_first_event() {
    let fake = Arc::new(Fake::default());
    set(&fake, |world| world.fate = Some(("ROLLBACK_COMPLETE", "the name is taken")));
    assert_eq!(run(&fake, order("a", "1"), What::Provision), Progress::failed("Bucket: the name is taken"));
    // What was never made whole is deleted, and made anew.
    set(&fake, |world| world.done.clear());
    assert!(is_done(&run(&fake, order("b", "1"), What::Provision)));
    check_done(&fake, &["delete", "create"]);
    set(&fake, |world| world.fate = Some(("UPDATE_ROLLBACK_COMPLETE", "no room")));
    assert_eq!(run(&fake, order("c", "2"), What::Provision), Progress::failed("Bucket: no room"));
    assert_eq!(run(&fake, order("c", "2"), What::Provision), Progress::failed("Bucket: no room"));
    check_done(&fake, &["update"]);
    set(&fake, |world| world.fate = Some(("DELETE_FAILED", "it is not empty")));
    assert_eq!(run(&fake, order("d", ""), What::Delete), Progress::failed("Bucket: it is not empty"));
    check_done(&fake, &["delete"]);
    // Another deletion tries again.
    assert!(is_done(&run(&fake, order("e", ""), What::Delete)));
}

#[test]
fn a_change_that_was_not_taken_back_is_taken_back_first() {
    let fake = Arc::new(Fake::default());
    assert!(is_done(&run(&fake, order("a", "1"), What::Provision)));
    set(&fake, |world| world.fate = Some(("UPDATE_ROLLBACK_FAILED", "stuck")));
    assert_eq!(run(&fake, order("b", "2"), What::Provision), Progress::failed("Bucket: stuck"));
    check_done(&fake, &["create", "update"]);
    assert!(is_done(&run(&fake, order("c", "3"), What::Provision)));
    check_done(&fake, &["continue", "update"]);
    // Once for a deployment, not for ever.
    set(&fake, |world| {
        world.stack.get_or_insert_default().status = "UPDATE_ROLLBACK_FAILED".into();
        world.fate = Some(("UPDATE_ROLLBACK_FAILED", "stuck"));
    });
    let Progress::Failed { reason } = run(&fake, order("d", "4"), What::Provision) else { panic!("it failed") };
    assert!(reason.starts_with("an earlier change cannot be taken back"), "{reason}");
    check_done(&fake, &["continue"]);
}

#[test]
fn trouble_that_passes_is_waited_out_and_does_nothing_twice() {
    let fake = Arc::new(Fake::default());
    set(&fake, |world| world.trouble = vec![Trouble::Passing("no answer".into()); 20]);
    assert!(is_done(&run(&fake, order("a", "1"), What::Provision)));
    check_done(&fake, &["create"]);
    set(&fake, |world| world.trouble = vec![Trouble::Passing("no answer".into()); 150]);
    let Progress::Failed { reason } = run(&fake, order("b", "2"), What::Provision) else { panic!("it failed") };
    assert_eq!(reason, "nothing but trouble for an hour, at last: no answer");
    set(&fake, |world| world.trouble = vec![Trouble::refused("AccessDenied", "not yours")]);
    assert_eq!(run(&fake, order("c", "2"), What::Provision), Progress::failed("not yours (AccessDenied)"));
}

#[test]
fn runs_are_cancelled_as_far_as_that_goes() {
    let fake = Arc::new(Fake::default());
    assert_eq!(run(&fake, order("a", "1"), What::Cancel), Progress::Cancelled);
    // A creation that is under way is deleted.
    set(&fake, |world| world.begin(&order("a", "1"), "CREATE_IN_PROGRESS", "CREATE_COMPLETE"));
    assert_eq!(run(&fake, order("a", "1"), What::Cancel), Progress::Cancelled);
    check_done(&fake, &["delete"]);
    assert!(is_done(&run(&fake, order("b", "1"), What::Provision)));
    check_done(&fake, &["create"]);
    // One that has ended stays.
    assert!(is_done(&run(&fake, order("b", "1"), What::Cancel)));
    // An update is taken back; one that has not begun is not begun.
    set(&fake, |world| world.begin(&order("c", "2"), "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"));
    assert_eq!(run(&fake, order("c", "2"), What::Cancel), Progress::Cancelled);
    check_done(&fake, &["cancel"]);
    assert_eq!(run(&fake, order("d", "3"), What::Cancel), Progress::Cancelled);
    check_done(&fake, &["unprepare"]);
}
