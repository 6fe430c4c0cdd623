//! What a shared database promises beyond what every backend does: several processes at once, and coming back.

#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use standin_model::Document;
use standin_store::jobs::{Claim, NewJob};
use standin_store::{Batch, LoadMode, PostgresStore, Scan, Selector, Space, Store, StoreError, Table};
use support::postgres::Server;

fn table() -> Table {
    Space::new("1", "r", "s").table("t")
}

async fn open(url: &str) -> Arc<PostgresStore> {
    PostgresStore::open(url).await.unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// Several stores of one database, as several processes have them.
async fn processes<const N: usize>() -> Option<[Arc<PostgresStore>; N]> {
    let url = Server::shared()?.database().await;
    let mut stores = Vec::new();
    for _ in 0..N {
        stores.push(open(&url).await);
    }
    stores.try_into().ok()
}

fn number(value: i64) -> Document {
    Document::Int(value)
}

async fn put(store: &PostgresStore, key: &str, value: i64) -> Result<u64, StoreError> {
    let mut batch = Batch::default();
    batch.put(&table(), key, number(value), []);
    store.commit(batch).await
}

async fn keys(store: &PostgresStore) -> Vec<String> {
    let rows = store.scan(&table(), Scan { limit: 99, ..Scan::default() }).await.unwrap();
    rows.iter().map(|row| row.key.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_lose_no_update() {
    const ROUNDS: i64 = 20;
    let Some(stores) = processes::<3>().await else { return };
    put(&stores[0], "counter", 0).await.unwrap();
    let tasks: Vec<_> = stores
        .iter()
        .flat_map(|store| [store.clone(), store.clone()])
        .map(|store| {
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    loop {
                        let row = store.get(&table(), "counter").await.unwrap().unwrap();
                        let mut batch = Batch::default();
                        let next = row.body.as_i64().unwrap() + 1;
                        batch.check(&table(), "counter", Some(row.version)).put(&table(), "counter", number(next), []);
                        batch.check(&table(), format!("{next}"), None).put(&table(), format!("{next}"), number(0), []);
                        batch.event(&table().space, "counted", number(next));
                        match store.commit(batch).await {
                            Ok(_) => break,
                            Err(StoreError::Conflict) => {}
                            Err(error) => panic!("{}", error.chain()),
                        }
                    }
                }
            })
        })
        .collect();
    let tasks_count = tasks.len() as i64;
    for task in tasks {
        task.await.unwrap();
    }
    let row = stores[1].get(&table(), "counter").await.unwrap().unwrap();
    assert_eq!(*row.body, number(tasks_count * ROUNDS));
    let events = stores[2].events(0, 999).await.unwrap();
    assert!(events.iter().map(|event| event.body.as_i64().unwrap()).eq(1..=tasks_count * ROUNDS), "in order, no gaps");
}

/// Each of two processes makes its row if the other's is not there: never both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_absent_is_absent() {
    let Some([one, two]) = processes::<2>().await else { return };
    for round in 0..40 {
        let attempt = |store: Arc<PostgresStore>, own: String, other: String| {
            tokio::spawn(async move {
                let mut batch = Batch::default();
                batch.check(&table(), other, None).put(&table(), own, number(0), []);
                store.commit(batch).await.is_ok()
            })
        };
        let (a, b) = (format!("{round} a"), format!("{round} b"));
        let (first, second) = (attempt(one.clone(), a.clone(), b.clone()), attempt(two.clone(), b.clone(), a.clone()));
        let made = u64::from(first.await.unwrap()) + u64::from(second.await.unwrap());
        assert!(made <= 1);
        assert_eq!(one.count(&table(), &format!("{round} ")).await.unwrap(), made);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_clears_is_cleared_for_all() {
    let Some([one, two]) = processes::<2>().await else { return };
    for round in 0..5 {
        put(&one, "a", round).await.unwrap();
        put(&two, "b", round).await.unwrap();
        assert_eq!(keys(&one).await, ["a", "b"]);
        one.clear(&Selector::all()).await.unwrap();
        assert!(keys(&two).await.is_empty());
        // Its number of the table is from before the clear.
        put(&two, "c", round).await.unwrap();
        assert_eq!(keys(&one).await, ["c"]);
        let mode = LoadMode::Replace { picked: Selector::all(), keep: Vec::new() };
        let mut loader = two.clone().load(mode).await.unwrap();
        loader.put(&table(), "loaded".into(), number(1).into(), [].into()).await.unwrap();
        put(&one, "meanwhile", round).await.unwrap();
        loader.finish().await.unwrap();
        assert_eq!(keys(&one).await, ["loaded"]);
        put(&one, "d", round).await.unwrap();
        assert_eq!(keys(&two).await, ["d", "loaded"]);
        one.clear(&Selector::all()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_wake_workers_of_another() {
    let Some([one, two]) = processes::<2>().await else { return };
    let mut wakeups = two.wakeups();
    let worker = tokio::spawn(async move {
        loop {
            let claim = Claim { queue: "q", owner: "two", now_ms: 10, lease_ms: 10, limit: 1 };
            if let Some(job) = two.claim(claim).await.unwrap().pop() {
                return job.key.to_string();
            }
            wakeups.changed().await.unwrap();
        }
    });
    let mut batch = Batch::default();
    batch.enqueue(NewJob {
        queue: "q".into(),
        key: "a".into(),
        kind: "k".into(),
        space: table().space,
        payload: Document::Null,
        run_at_ms: 0,
        attempts_max: 1,
    });
    one.commit(batch).await.unwrap();
    assert_eq!(worker.await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comes_back_with_its_database() {
    let Some(server) = Server::start_or_say() else { return };
    let store = open(&server.database().await).await;
    put(&store, "a", 1).await.unwrap();
    server.stop().unwrap();
    let (read, written) = (store.get(&table(), "a").await, put(&store, "b", 2).await);
    for message in [read.unwrap_err().chain(), written.unwrap_err().chain()] {
        assert!(message.contains("the PostgreSQL database test") && message.contains("No such file"), "{message}");
    }
    server.run().unwrap();
    assert_eq!(*store.get(&table(), "a").await.unwrap().unwrap().body, number(1));
    put(&store, "c", 3).await.unwrap();
    assert_eq!(keys(&store).await, ["a", "c"]);
    // Stopped and back between two calls: nobody notices.
    server.stop().unwrap();
    server.run().unwrap();
    put(&store, "d", 4).await.unwrap();
    assert_eq!(keys(&store).await, ["a", "c", "d"]);
}

#[tokio::test]
async fn says_where_it_cannot_be_reached() {
    let error = PostgresStore::open("postgres://someone:secret@127.0.0.1:1/things").await.unwrap_err().chain();
    assert!(error.contains("connecting to the PostgreSQL database things at 127.0.0.1:1"), "{error}");
    assert!(error.contains("refused") && !error.contains("secret"), "{error}");
    let error = PostgresStore::open("mysql:oops").await.unwrap_err().chain();
    assert!(error.contains("reading the database's URL"), "{error}");
}
