//! Jobs and tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use standin_model::Document;
use standin_store::jobs::{self, Backoff, Claim, Job, JobState, NewJob};
use standin_store::{Batch, Selector, Space, StoreError, tokens};

use super::{Shared, body, table};

const BACKOFF: Backoff = Backoff { first_ms: 10, most_ms: 15 };

fn job(key: &str, run_at_ms: i64) -> NewJob {
    NewJob {
        queue: "steps".into(),
        key: key.into(),
        kind: "create".into(),
        space: table().space,
        payload: body(run_at_ms),
        run_at_ms,
        attempts_max: 3,
    }
}

async fn enqueue(store: &Shared, jobs: impl IntoIterator<Item = NewJob>) {
    let mut batch = Batch::default();
    for job in jobs {
        batch.enqueue(job);
    }
    store.commit(batch).await.unwrap();
}

async fn claim(store: &Shared, owner: &str, now_ms: i64, limit: usize) -> Vec<Job> {
    store.claim(Claim { queue: "steps", owner, now_ms, lease_ms: 100, limit }).await.unwrap()
}

fn names(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| &*job.key).collect()
}

async fn stored(store: &Shared, key: &str) -> Option<Job> {
    let table = jobs::table("steps");
    let row = store.get(&table, key).await.unwrap()?;
    Some(Job::from_row(&table, &row).unwrap())
}

async fn complete(store: &Shared, job: &Job) -> Result<u64, StoreError> {
    let mut batch = Batch::default();
    batch.complete(job);
    store.commit(batch).await
}

pub async fn runs_jobs(store: Shared) {
    assert_eq!(jobs::next_due(&*store, "steps").await.unwrap(), None);
    enqueue(&store, [job("c", 30), job("a", 20), job("b", 10), job("later", 5000)]).await;
    enqueue(&store, [NewJob { queue: "other".into(), ..job("x", 0) }]).await;
    assert_eq!(jobs::next_due(&*store, "steps").await.unwrap(), Some(10));
    assert!(claim(&store, "me", 9, 9).await.is_empty());
    let first = claim(&store, "me", 1000, 2).await;
    assert_eq!(names(&first), ["b", "a"], "the longest due first");
    assert_eq!(first[0].payload, body(10));
    assert_eq!((first[0].attempts, &*first[0].kind, &first[0].space), (1, "create", &table().space));
    assert_eq!(first[0].state, JobState::Running { owner: "me".into() });
    assert_eq!(names(&claim(&store, "me", 1000, 9).await), ["c"]);
    assert!(claim(&store, "me", 1000, 9).await.is_empty());
    for job in &first {
        complete(&store, job).await.unwrap();
    }
    assert!(matches!(complete(&store, &first[0]).await, Err(StoreError::Conflict)), "done once");
    assert_eq!(stored(&store, "a").await, None);
    assert_eq!(jobs::next_due(&*store, "steps").await.unwrap(), Some(1100), "when the lease ends");
}

pub async fn releases_the_jobs_of_dead_owners(store: Shared) {
    enqueue(&store, [job("a", 0), job("b", 0), job("later", 5000)]).await;
    assert_eq!(claim(&store, "dead", 10, 9).await.len(), 2);
    assert_eq!(jobs::release(&*store, "steps", 11).await.unwrap(), 2);
    let taken = claim(&store, "next", 11, 9).await;
    assert_eq!((names(&taken), taken[0].attempts), (vec!["a", "b"], 2));
    assert_eq!(jobs::release(&*store, "none", 11).await.unwrap(), 0);
}

pub async fn takes_over_from_dead_owners(store: Shared) {
    enqueue(&store, [job("a", 0)]).await;
    let dead = claim(&store, "dead", 0, 1).await.remove(0);
    assert!(claim(&store, "next", 99, 1).await.is_empty(), "the lease lasts");
    let taken = claim(&store, "next", 100, 1).await.remove(0);
    assert_eq!((taken.attempts, &taken.state), (2, &JobState::Running { owner: "next".into() }));
    let mut late = Batch::default();
    late.complete(&dead).put(&table(), "result", body(1), []);
    assert!(matches!(store.commit(late).await, Err(StoreError::Conflict)), "it is not dead but lost its lease");
    assert_eq!(store.get(&table(), "result").await.unwrap(), None);
    claim(&store, "third", 200, 1).await.remove(0);
    assert!(claim(&store, "fourth", 300, 1).await.is_empty(), "three attempts are allowed");
    let job = stored(&store, "a").await.unwrap();
    assert!(matches!(&job.state, JobState::Dead { error } if error.contains("third")), "{:?}", job.state);
    assert_eq!(jobs::next_due(&*store, "steps").await.unwrap(), None);
}

pub async fn tries_failed_jobs_again(store: Shared) {
    enqueue(&store, [job("a", 0)]).await;
    let fail = async |now_ms: i64, error: &str| {
        let job = claim(&store, "me", now_ms, 1).await.remove(0);
        let mut batch = Batch::default();
        batch.fail(&job, now_ms, error, BACKOFF);
        store.commit(batch).await.unwrap();
        stored(&store, "a").await.unwrap()
    };
    let job = fail(0, "first").await;
    assert_eq!((job.due_ms, job.state), (10, JobState::Waiting { error: Some("first".into()) }));
    assert!(claim(&store, "me", 9, 1).await.is_empty());
    assert_eq!(fail(10, "second").await.due_ms, 25);
    assert_eq!(fail(25, "third").await.state, JobState::Dead { error: "third".into() });
    assert!(claim(&store, "me", 9999, 1).await.is_empty());
}

pub async fn puts_jobs_off(store: Shared) {
    enqueue(&store, [job("a", 0)]).await;
    let running = claim(&store, "me", 0, 1).await.remove(0);
    let mut prolonged = Batch::default();
    prolonged.prolong(&running, 500).put(&table(), "step", body(1), []);
    let version = store.commit(prolonged).await.unwrap();
    assert!(claim(&store, "next", 499, 1).await.is_empty(), "the lease was prolonged");
    let mut late = Batch::default();
    late.reschedule(&running, 0);
    assert!(matches!(store.commit(late).await, Err(StoreError::Conflict)), "its version is another now");
    let mut put_off = Batch::default();
    put_off.reschedule(&Job { version, ..running }, 900);
    store.commit(put_off).await.unwrap();
    let waiting = jobs::find(&*store, "steps", "a").await.unwrap().unwrap();
    assert_eq!((waiting.due_ms, waiting.attempts, &waiting.state), (900, 0, &JobState::Waiting { error: None }));
    assert!(claim(&store, "me", 899, 1).await.is_empty());
    let mut sooner = Batch::default();
    sooner.reschedule(&waiting, 10);
    store.commit(sooner).await.unwrap();
    assert_eq!(names(&claim(&store, "me", 10, 1).await), ["a"]);
    assert_eq!(jobs::find(&*store, "steps", "b").await.unwrap(), None);
}

pub async fn enqueues_a_key_once(store: Shared) {
    enqueue(&store, [job("a", 1), job("a", 2)]).await;
    enqueue(&store, [job("a", 3)]).await;
    let claimed = claim(&store, "me", 9, 9).await;
    assert_eq!((names(&claimed), &claimed[0].payload), (vec!["a"], &body(1)));
    enqueue(&store, [job("a", 4)]).await;
    let mut again = Batch::default();
    again.complete(&claimed[0]).enqueue(job("a", 5));
    store.commit(again).await.unwrap();
    assert_eq!(claim(&store, "me", 9, 9).await[0].payload, body(5), "done and enqueued anew");
}

pub async fn completes_with_its_results(store: Shared) {
    let table = table();
    enqueue(&store, [job("a", 0)]).await;
    let job = claim(&store, "me", 0, 1).await.remove(0);
    let mut batch = Batch::default();
    batch.check(&table, "row", Some(77)).put(&table, "row", body(1), []).complete(&job);
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict)));
    assert_eq!(stored(&store, "a").await, Some(job.clone()), "still running");
    let mut batch = Batch::default();
    batch.check(&table, "row", None).put(&table, "row", body(1), []).complete(&job);
    store.commit(batch).await.unwrap();
    assert_eq!(stored(&store, "a").await, None);
    assert!(store.get(&table, "row").await.unwrap().is_some());
}

pub async fn no_job_is_claimed_twice(store: Shared) {
    const JOBS: usize = 60;
    enqueue(&store, (0..JOBS).map(|at| job(&format!("{at:03}"), 0))).await;
    let workers: Vec<_> = (0..6)
        .map(|worker| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = Vec::new();
                loop {
                    let claimed = claim(&store, &format!("worker {worker}"), 10, 3).await;
                    if claimed.is_empty() {
                        return done;
                    }
                    for job in claimed {
                        complete(&store, &job).await.unwrap();
                        done.push(job.key);
                    }
                }
            })
        })
        .collect();
    let mut done: Vec<Arc<str>> = Vec::new();
    for worker in workers {
        done.extend(worker.await.unwrap());
    }
    assert_eq!(done.len(), JOBS);
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>().len(), JOBS);
}

pub async fn prolongs_leases(store: Shared) {
    enqueue(&store, [job("a", 0)]).await;
    let mut job = claim(&store, "me", 0, 1).await.remove(0);
    let mut before = job.clone();
    jobs::heartbeat(&*store, &mut job, 500).await.unwrap();
    assert!(claim(&store, "other", 499, 1).await.is_empty());
    assert!(matches!(jobs::heartbeat(&*store, &mut before, 600).await, Err(StoreError::Conflict)));
    assert_eq!(stored(&store, "a").await, Some(job.clone()));
    complete(&store, &job).await.unwrap();
}

pub async fn drops_jobs_with_their_space(store: Shared) {
    let other = Space::new("2", "r", "s");
    enqueue(&store, [job("mine", 0), NewJob { space: other.clone(), ..job("other", 0) }]).await;
    store.clear(&Selector::of(&other)).await.unwrap();
    assert!(stored(&store, "other").await.is_none());
    assert!(stored(&store, "mine").await.is_some());
    store.clear(&Selector::all()).await.unwrap();
    assert!(stored(&store, "mine").await.is_none());
    assert!(claim(&store, "me", 10, 9).await.is_empty());
}

pub async fn wakes_workers(store: Shared) {
    let mut wakeups = store.wakeups();
    let worker = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                let claimed = claim(&store, "me", 10, 1).await;
                if let Some(job) = claimed.first() {
                    return job.key.to_string();
                }
                wakeups.changed().await.unwrap();
            }
        }
    });
    enqueue(&store, [job("a", 0)]).await;
    assert_eq!(worker.await.unwrap(), "a");
}

pub async fn keeps_tokens_until_they_expire(store: Shared) {
    let space = table().space;
    let token = |expires_ms| tokens::Token { fingerprint: "f".into(), result: body(1), expires_ms };
    let unused = tokens::find(&*store, &space, "t", 0).await.unwrap();
    assert_eq!(unused.token, None);
    let keep = async |known: &tokens::KnownToken, expires_ms| {
        let mut batch = Batch::default();
        batch.keep_token(&space, "t", known, token(expires_ms));
        store.commit(batch).await
    };
    keep(&unused, 100).await.unwrap();
    assert!(matches!(keep(&unused, 100).await, Err(StoreError::Conflict)), "used by two at the same time");
    assert_eq!(tokens::find(&*store, &space, "t", 99).await.unwrap().token, Some(token(100)));
    let expired = tokens::find(&*store, &space, "t", 100).await.unwrap();
    assert_eq!(expired.token, None);
    assert_eq!(tokens::find(&*store, &Space::new("9", "", ""), "t", 0).await.unwrap().token, None);
    keep(&expired, 300).await.unwrap();
    tokens::sweep(&*store, 299).await.unwrap();
    assert!(tokens::find(&*store, &space, "t", 0).await.unwrap().token.is_some());
    tokens::sweep(&*store, 300).await.unwrap();
    assert_eq!(tokens::find(&*store, &space, "t", 0).await.unwrap(), unused);
    let odd = tokens::Token { result: Document::Null, ..token(1) };
    let mut batch = Batch::default();
    batch.keep_token(&space, "\0'\"", &unused, odd.clone());
    store.commit(batch).await.unwrap();
    assert_eq!(tokens::find(&*store, &space, "\0'\"", 0).await.unwrap().token, Some(odd));
}
