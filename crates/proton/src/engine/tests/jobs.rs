//! What happens between the steps of a job: others cancel, take over, change, and fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use standin_store::jobs::{Claim, Job};
use standin_store::{
    Batch, Event, IndexEntry, LoadMode, Loader, Range, Row, Scan, Selector, Store, StoreError, Table, View,
};
use tokio::sync::watch;

use super::*;

type Hook = Box<dyn Fn(usize) -> BoxFuture<'static, ()> + Send + Sync>;

/// Provisions as the fake does, after something else has happened meanwhile. The hook is told how often it was called.
struct Meanwhile {
    fake: Arc<Fake>,
    hook: Hook,
    calls: AtomicUsize,
}

impl Meanwhile {
    async fn happens(&self) {
        (self.hook)(self.calls.fetch_add(1, Ordering::SeqCst)).await;
    }
}

impl Provisioner for Meanwhile {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            self.happens().await;
            self.fake.provision(order).await
        })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            self.happens().await;
            self.fake.delete(order).await
        })
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        self.fake.cancel(order)
    }
}

impl World {
    /// Another process on the same store, as it is without hooks.
    fn other(&self) -> Arc<Engine> {
        let store = self.engine.store.clone();
        Arc::new(Engine::new(store, self.objects.clone(), self.fake.clone(), Quotas::default()))
    }

    /// From now on provisioning meets what the hook does.
    fn meanwhile(&mut self, hook: Hook) {
        let provisioner = Meanwhile { fake: self.fake.clone(), hook, calls: AtomicUsize::new(0) };
        let store = self.engine.store.clone();
        self.engine = Engine::new(store, self.objects.clone(), Arc::new(provisioner), Quotas::default());
    }

    fn statuses(&self, arn: &str) -> Vec<String> {
        let events = self.runtime.block_on(self.engine.store.events(0, 10_000)).expect("the store works");
        let of = |event: &Value| event.to_string().contains(&format!("{arn}\""));
        let bodies = events.iter().map(|event| event.body.to_json()).filter(|event| of(event));
        bodies.map(|event| event["detail"]["status"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn update_dev(&mut self) -> String {
        let update = json!({"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION"});
        let begun = self.ok("UpdateServiceInstance", &update);
        begun["serviceInstance"]["lastAttemptedDeploymentId"].as_str().unwrap_or_default().to_owned()
    }
}

/// A step that is about to make something is not overtaken by the one that cancels: that one would find nothing to take away.
#[test]
fn a_cancellation_waits_for_the_step_that_is_under_way() {
    let mut world = World::new();
    world.environment();
    let other = world.other();
    let (mut scope, now_ms) = (world.scope(), world.now_ms + 2);
    scope.nonce = "cancels".into();
    world.fake.stacks.lock().expect("no test panics with it").clear();
    world.meanwhile(Box::new(move |call| {
        let (other, scope) = (other.clone(), scope.clone());
        Box::pin(async move {
            if call == 0 {
                let input = Document::from_json(&json!({"environmentName": "env"}));
                other.call(&scope, "CancelEnvironmentDeployment", &input).await.expect("it is in progress");
                let now = Timestamp::from_millis(now_ms);
                assert_eq!(other.work(now, Dice::new(1), "other").await.expect("the store works"), 1);
            }
        })
    }));
    let update = json!({"name": "env", "deploymentType": "CURRENT_VERSION", "spec": ENVIRONMENT_SPEC});
    world.ok("UpdateEnvironment", &update);
    world.work();
    world.later(1000);
    assert_eq!(world.environment_now()["deploymentStatus"], "SUCCEEDED", "it came too late");
    assert_eq!(world.fake.stacks.lock().expect("no test panics with it").len(), 1);
}

#[test]
fn a_cancellation_that_races_with_success_is_too_late() {
    let mut world = World::new();
    world.service();
    let id = world.update_dev();
    let (other, mut scope) = (world.other(), world.scope());
    scope.nonce = "cancels".into();
    world.meanwhile(Box::new(move |calls| {
        let (other, scope) = (other.clone(), scope.clone());
        Box::pin(async move {
            let input = Document::from_json(&json!({"serviceName": "svc", "serviceInstanceName": "dev"}));
            if calls == 0 {
                let cancelled = other.call(&scope, "CancelServiceInstanceDeployment", &input);
                let status = cancelled.await.expect("it is in progress").to_json();
                assert_eq!(status["serviceInstance"]["deploymentStatus"], "CANCELLING");
            }
        })
    }));
    world.work();
    let instance = world.instance_now("dev");
    assert_eq!(
        (&instance["deploymentStatus"], &instance["lastSucceededDeploymentId"]),
        (&json!("SUCCEEDED"), &json!(id))
    );
    let statuses = world.statuses("service/svc/service-instance/dev");
    assert_eq!(statuses, ["IN_PROGRESS", "SUCCEEDED", "IN_PROGRESS", "CANCELLING", "SUCCEEDED"]);
}

#[test]
fn a_worker_that_takes_longer_than_its_lease_changes_nothing_any_more() {
    let mut world = World::new();
    world.service();
    let id = world.update_dev();
    let (other, later) = (world.other(), Timestamp::from_millis(world.now_ms + 61_000));
    world.meanwhile(Box::new(move |calls| {
        let other = other.clone();
        Box::pin(async move {
            if calls == 0 {
                // Another takes the job over and ends it, while the first still thinks that it has it.
                assert_eq!(other.work(later, Dice::new(1), "other").await.expect("the store works"), 1);
            }
        })
    }));
    world.work();
    let instance = world.instance_now("dev");
    assert_eq!(
        (&instance["deploymentStatus"], &instance["lastSucceededDeploymentId"]),
        (&json!("SUCCEEDED"), &json!(id))
    );
    let record = world.ok("GetDeployment", &json!({"id": id}))["deployment"].clone();
    // The end is that of who held the lease.
    assert_eq!(record["completedAt"], Document::from(later).to_json());
    let statuses = world.statuses("service/svc/service-instance/dev");
    assert_eq!(statuses, ["IN_PROGRESS", "SUCCEEDED", "IN_PROGRESS", "SUCCEEDED"]);
    world.later(120_000);
    assert_eq!(world.statuses("service/svc/service-instance/dev").len(), 4, "nothing is done twice");
}

/// A store in which something else happens right before the first commit.
struct Interrupted {
    inner: Arc<dyn Store>,
    hook: Hook,
    commits: AtomicUsize,
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupted").finish_non_exhaustive()
    }
}

impl Store for Interrupted {
    fn get<'a>(&'a self, table: &'a Table, key: &'a str) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.inner.get(table, key)
    }

    fn scan<'a>(&'a self, table: &'a Table, scan: Scan<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.inner.scan(table, scan)
    }

    fn find<'a>(
        &'a self,
        table: &'a Table,
        index: &'a str,
        value: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.inner.find(table, index, value, after, limit)
    }

    fn range<'a>(&'a self, table: &'a Table, range: Range<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.inner.range(table, range)
    }

    fn count<'a>(&'a self, table: &'a Table, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.count(table, prefix)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            (self.hook)(self.commits.fetch_add(1, Ordering::SeqCst)).await;
            self.inner.commit(batch).await
        })
    }

    fn clear<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.clear(selector)
    }

    fn tables<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        self.inner.tables(selector)
    }

    fn events(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        self.inner.events(after, limit)
    }

    fn trim_events(&self, keep: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.trim_events(keep)
    }

    fn claim<'a>(&'a self, claim: Claim<'a>) -> BoxFuture<'a, Result<Vec<Job>, StoreError>> {
        self.inner.claim(claim)
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.inner.wakeups()
    }

    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, StoreError>> {
        self.inner.view()
    }

    fn load(self: Arc<Self>, mode: LoadMode) -> BoxFuture<'static, Result<Box<dyn Loader>, StoreError>> {
        self.inner.clone().load(mode)
    }
}

/// The last of the instances moves its service on, also where each saw the other one busy.
#[test]
fn instances_that_end_at_once_move_their_service_on() {
    let mut world = World::new();
    world.service_template();
    world.ok("CreateService", &World::service_input("svc", services::TWO));
    // One of the two jobs is for the other process.
    let claim = Claim { queue: super::super::QUEUE, owner: "none", now_ms: world.now_ms, lease_ms: 1, limit: 1 };
    assert_eq!(world.runtime.block_on(world.engine.store.claim(claim)).expect("the store works").len(), 1);
    let (other, soon) = (world.other(), Timestamp::from_millis(world.now_ms + 5));
    let hook: Hook = Box::new(move |commits| {
        let other = other.clone();
        Box::pin(async move {
            if commits == 0 {
                assert_eq!(other.work(soon, Dice::new(1), "other").await.expect("the store works"), 1);
            }
        })
    });
    let store = Interrupted { inner: world.engine.store.clone(), hook, commits: AtomicUsize::new(0) };
    world.engine = Engine::new(Arc::new(store), world.objects.clone(), world.fake.clone(), Quotas::default());
    world.work();
    for name in ["dev", "prod"] {
        assert_eq!(world.instance_now(name)["deploymentStatus"], "SUCCEEDED");
    }
    world.later(1000);
    assert_eq!(world.service_now()["status"], "ACTIVE");
}

/// A job that always fails ends its deployment instead of being tried for ever.
#[test]
fn jobs_that_fail_too_often_end_their_deployment() {
    let mut world = World::new();
    world.service();
    let table = standin_store::Space::new(&world.account, "us-east-1", super::super::SERVICE).table("environment");
    let whole = world.runtime.block_on(world.engine.store.get(&table, "env")).expect("the store works").expect("a row");
    let write = |world: &World, body: Arc<Document>, index: Arc<[IndexEntry]>| {
        let mut batch = Batch::default();
        batch.put(&table, "env", body, index);
        world.runtime.block_on(world.engine.store.commit(batch)).expect("the store works");
    };
    let id = world.update_dev();
    write(&world, Arc::new(Document::Null), whole.index.clone());
    world.work();
    assert_eq!(world.ok("GetDeployment", &json!({"id": id}))["deployment"]["deploymentStatus"], "IN_PROGRESS");
    for _ in 0..12 {
        world.later(31_000);
    }
    let record = world.ok("GetDeployment", &json!({"id": id}))["deployment"].clone();
    assert_eq!(record["deploymentStatus"], "FAILED");
    let message = record["deploymentStatusMessage"].as_str().unwrap_or_default();
    assert!(message.starts_with("the deployment failed 10 times, the last time by: "), "{message}");
    write(&world, whole.body.clone(), whole.index.clone());
    world.update_dev();
    world.work();
    assert_eq!(world.instance_now("dev")["deploymentStatus"], "SUCCEEDED");
}

/// Many workers on one queue: every run ends once.
#[test]
fn workers_share_the_work() {
    let mut world = World::new();
    world.service_template();
    for at in 0..20 {
        let name = format!("svc{at}");
        world.ok("CreateService", &World::service_input(&name, services::TWO));
    }
    let engines: Vec<Arc<Engine>> = (0..4).map(|_| world.other()).collect();
    let start = world.now_ms;
    std::thread::scope(|threads| {
        for (at, engine) in engines.iter().enumerate() {
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
                for round in 0..40 {
                    // Leases that others have never end here.
                    let now = Timestamp::from_millis(start + round * 1000);
                    runtime.block_on(engine.work(now, Dice::new(1), &at.to_string())).expect("the store works");
                }
            });
        }
    });
    world.later(600_000);
    let services = world.ok("ListServices", &json!({}))["services"].as_array().cloned().unwrap_or_default();
    assert_eq!(services.iter().filter(|service| service["status"] == "ACTIVE").count(), 20);
    let records = world.ok("ListDeployments", &json!({}))["deployments"].as_array().cloned().unwrap_or_default();
    assert_eq!(records.iter().filter(|record| record["deploymentStatus"] == "SUCCEEDED").count(), 61);
    let orders = world.fake.orders.lock().expect("not poisoned");
    let mut carried: Vec<&str> = orders.iter().map(|order| order.deployment_id.as_str()).collect();
    carried.sort_unstable();
    carried.dedup();
    assert_eq!(carried.len(), 61);
}
