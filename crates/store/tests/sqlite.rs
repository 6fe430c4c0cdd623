//! What a file promises beyond what every backend does: it is there the next time, and says what is wrong with it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use standin_model::Document;
use standin_store::{
    Batch, Durability, IndexEntry, LoadMode, Scan, Selector, Space, SqliteStore, Store, StoreError, Table,
};
use support::Directory;

fn table() -> Table {
    Space::new("1", "r", "s").table("t")
}

async fn open(directory: &Path) -> Result<std::sync::Arc<SqliteStore>, StoreError> {
    SqliteStore::open(directory, Durability::Full).await
}

async fn put(store: &SqliteStore, key: &str) -> u64 {
    let mut batch = Batch::default();
    batch.put(&table(), key, Document::from(key.to_owned()), [IndexEntry::new("i", "v")]);
    batch.event(&table().space, "put", Document::Null);
    store.commit(batch).await.unwrap()
}

/// The error of opening, in one line.
async fn refusal(directory: &Path) -> String {
    open(directory).await.expect_err("it cannot be opened").chain()
}

/// Runs SQL past the store.
async fn tamper(directory: &Path, sql: &'static str) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("state.sqlite"));
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn is_there_the_next_time() {
    let directory = Directory::new();
    let store = open(directory.path()).await.unwrap();
    let versions = [put(&store, "a").await, put(&store, "b").await];
    store.close().await;
    let store = open(directory.path()).await.unwrap();
    let rows = store.scan(&table(), Scan { limit: 9, ..Scan::default() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.version).collect::<Vec<_>>(), versions);
    assert_eq!(store.find(&table(), "i", "v", None, 9).await.unwrap(), rows);
    assert_eq!(store.count(&table(), "").await.unwrap(), 2);
    assert!(put(&store, "c").await > versions[1], "no version comes twice");
    let events = store.events(0, 9).await.unwrap();
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    store.trim_events(0).await.unwrap();
    store.close().await;
    let store = open(directory.path()).await.unwrap();
    put(&store, "d").await;
    assert_eq!(store.events(0, 9).await.unwrap()[0].sequence, 4);
}

#[tokio::test]
async fn belongs_to_one_process() {
    let directory = Directory::new();
    let store = open(directory.path()).await.unwrap();
    let message = refusal(directory.path()).await;
    assert!(message.contains("state.sqlite"), "{message}");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    store.close().await;
    open(directory.path()).await.unwrap();
}

#[tokio::test]
async fn says_that_a_file_is_damaged() {
    let directory = Directory::new();
    let file = directory.path().join("state.sqlite");
    std::fs::write(&file, "this is no database, and long enough to be asked what it is instead".repeat(99)).unwrap();
    let message = refusal(directory.path()).await;
    assert!(message.contains("state.sqlite") && message.contains("not a database"), "{message}");

    std::fs::remove_file(&file).unwrap();
    let store = open(directory.path()).await.unwrap();
    for number in 0..200 {
        put(&store, &format!("{number}")).await;
    }
    store.close().await;
    let mut bytes = std::fs::read(&file).unwrap();
    // All but the first page, which holds the schema.
    bytes[8192..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let message = match open(directory.path()).await {
        Err(error) => error.chain(),
        Ok(store) => {
            let read = store.scan(&table(), Scan { limit: 999, ..Scan::default() }).await;
            read.expect_err("rows that are not there must not look like none").chain()
        }
    };
    assert!(message.contains("state.sqlite") && message.contains("malformed"), "{message}");
}

#[tokio::test]
async fn says_that_a_row_is_damaged() {
    let directory = Directory::new();
    let store = open(directory.path()).await.unwrap();
    put(&store, "a").await;
    store.close().await;
    tamper(directory.path(), "UPDATE record SET body = '{\"a\":'").await;
    let store = open(directory.path()).await.unwrap();
    let error = store.get(&table(), "a").await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(error.chain().contains("row a of 1/r/s/t"), "{}", error.chain());
}

#[tokio::test]
async fn says_that_it_is_from_a_newer_version() {
    let directory = Directory::new();
    open(directory.path()).await.unwrap().close().await;
    tamper(
        directory.path(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, '', 1, '', 0)",
    )
    .await;
    let message = refusal(directory.path()).await;
    assert!(message.contains("newer version") && message.contains("99"), "{message}");
}

#[tokio::test]
async fn deletes_what_was_dropped() {
    let directory = Directory::new();
    let store = open(directory.path()).await.unwrap();
    for number in 0..1500 {
        put(&store, &format!("{number}")).await;
    }
    store.clear(&Selector::all()).await.unwrap();
    // A load that the end of the process interrupts.
    let mut loader = store.clone().load(LoadMode::Replace { picked: Selector::all(), keep: Vec::new() }).await.unwrap();
    for number in 0..1500 {
        let key = format!("{number}").into();
        loader.put(&table(), key, Document::Null.into(), [IndexEntry::new("i", "v")].into()).await.unwrap();
    }
    store.close().await;
    drop(loader);
    let store = open(directory.path()).await.unwrap();
    put(&store, "kept").await;
    store.settle().await.unwrap();
    store.close().await;
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("state.sqlite"));
    let mut connection = options.connect().await.unwrap();
    for (what, expect) in [("record", 1), ("index_entry", 1), ("space_table", 1), ("dropped_table", 0)] {
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}")));
        let count: i64 = count.fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, expect, "{what}");
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn says_that_the_directory_cannot_be_used() {
    let directory = Directory::new();
    let path = directory.path().join("file");
    std::fs::write(&path, "").unwrap();
    let message = refusal(&path.join("data")).await;
    assert!(message.contains("making") && message.contains("file/data"), "{message}");
}
