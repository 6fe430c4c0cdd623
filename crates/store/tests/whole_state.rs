//! Saving, loading, comparing, moving between backends, and history.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use standin_model::Document;
use standin_store::dump::{Load, LoadError, Save, copy};
use standin_store::history::{History, HistoryError, HistoryHome};
use standin_store::{
    Batch, Durability, IndexEntry, LoadMode, MemoryStore, Selector, Space, SqliteStore, Store, Table, diff,
};
use support::Directory;

fn table(account: &str) -> Table {
    Space::new(account, "eu-central-1", "sqs").table("queue")
}

fn body(text: &str) -> Document {
    serde_json::from_str(text).map(|json| Document::from_json(&json)).unwrap()
}

async fn put(store: &dyn Store, account: &str, key: &str, text: &str) {
    let mut batch = Batch::default();
    batch.put(&table(account), key, body(text), [IndexEntry::new("name", key)]);
    store.commit(batch).await.unwrap();
}

async fn save(store: &dyn Store, picked: &Selector) -> String {
    let mut out = Vec::new();
    Save::begin(store, picked).await.unwrap().write_to(&mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

fn replace() -> LoadMode {
    LoadMode::Replace { picked: Selector::all(), keep: Vec::new() }
}

async fn load(store: &Arc<dyn Store>, mode: LoadMode, text: &str) -> Result<u64, LoadError> {
    Load::begin(store.clone(), mode).await?.read_from(&mut text.as_bytes()).await
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn changes(one: &str, other: &str) -> Vec<String> {
    let mut before = diff::file(&mut one.as_bytes()).await.unwrap();
    let mut after = diff::file(&mut other.as_bytes()).await.unwrap();
    let changes = diff::diff(&mut *before, &mut *after, &Selector::all()).await.unwrap();
    changes.iter().map(ToString::to_string).collect()
}

const SAVED: &str = r#"{"format":"standin-state","version":1}
{"account":"1","region":"eu-central-1","service":"sqs","table":"queue","key":"a","index":[["name","a"]],"body":{"Delay":1}}
{"account":"1","region":"eu-central-1","service":"sqs","table":"queue","key":"b","index":[["name","b"]],"body":{"$$ref":[1.0,null]}}
{"account":"2","region":"eu-central-1","service":"sqs","table":"queue","key":"a","index":[["name","a"]],"body":{}}
"#;

#[tokio::test]
async fn saves_what_people_can_read() {
    let store = memory();
    put(&*store, "2", "a", "{}").await;
    put(&*store, "1", "b", r#"{"$ref": [1.0, null]}"#).await;
    put(&*store, "1", "a", r#"{"Delay": 1}"#).await;
    assert_eq!(save(&*store, &Selector::all()).await, SAVED);
    let one = Selector { account: Some("2".into()), ..Selector::all() };
    let lines: Vec<&str> = SAVED.lines().collect();
    assert_eq!(save(&*store, &one).await.lines().collect::<Vec<_>>(), [lines[0], lines[3]]);
    assert_eq!(save(&*memory(), &Selector::all()).await.lines().collect::<Vec<_>>(), [lines[0]]);
}

#[tokio::test]
async fn loads_what_was_saved() {
    let store = memory();
    put(&*store, "1", "gone", "{}").await;
    put(&*store, "3", "gone", "{}").await;
    assert_eq!(load(&store, replace(), SAVED).await.unwrap(), 3);
    assert_eq!(save(&*store, &Selector::all()).await, SAVED);
    assert_eq!(store.find(&table("1"), "name", "b", None, 9).await.unwrap().len(), 1);
    put(&*store, "1", "a", "7").await;
    put(&*store, "1", "c", "{}").await;
    load(&store, LoadMode::Merge, SAVED).await.unwrap();
    assert_eq!(*store.get(&table("1"), "a").await.unwrap().unwrap().body, body(r#"{"Delay": 1}"#));
    assert!(store.get(&table("1"), "c").await.unwrap().is_some());
    // As people edit it: in any order, with empty lines, Windows' line ends and none at the end.
    let mut lines: Vec<&str> = SAVED.lines().collect();
    lines[1..].reverse();
    lines.push("");
    load(&store, replace(), &lines.join("\r\n")).await.unwrap();
    assert_eq!(save(&*store, &Selector::all()).await, SAVED);
}

#[tokio::test]
async fn takes_bytes_cut_anywhere() {
    let store = memory();
    let mut loading = Load::begin(store.clone(), replace()).await.unwrap();
    for byte in SAVED.as_bytes() {
        loading.push(std::slice::from_ref(byte)).await.unwrap();
    }
    assert_eq!(loading.finish().await.unwrap(), 3);
    assert_eq!(save(&*store, &Selector::all()).await, SAVED);
}

#[tokio::test]
async fn says_which_line_is_wrong() {
    let store = memory();
    put(&*store, "1", "kept", "{}").await;
    let check = async |text: &str, expect: &str| {
        let error = load(&store, replace(), text).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
        assert_eq!(store.count(&table("1"), "").await.unwrap(), 1, "nothing is loaded");
        assert!(store.get(&table("1"), "kept").await.unwrap().is_some());
    };
    let lines: Vec<&str> = SAVED.lines().collect();
    check("", "before the header").await;
    check("hello\n", "line 1: this is no saved state").await;
    check(&SAVED.replace("\"version\":1", "\"version\":2"), "line 1: version 2 of the format").await;
    check(&SAVED.replace("standin-state", "other"), "line 1: the format is other").await;
    check(&SAVED.replace("\"key\":\"b\"", "\"kee\":\"b\""), "line 3: unknown field `kee`").await;
    check(&SAVED.replace("\"key\":\"b\",", ""), "line 3: missing field `key`").await;
    check(&SAVED.replace("$$ref", "$ref"), "line 3: ").await;
    check(&SAVED.replace("1.0,null]}}", "1.0,null]}"), "line 3: EOF while parsing an object at column").await;
    check(
        &[lines[0], lines[1], lines[2], lines[1]].join("\n"),
        "line 4: row a of 1/eu-central-1/sqs/queue comes twice",
    )
    .await;
}

#[tokio::test]
async fn tells_what_differs() {
    let other = SAVED
        .replace(r#"{"Delay":1}"#, r#"{"Delay":2,"Tags":[{"Key":"k"}]}"#)
        .replace(r#""account":"2""#, r#""account":"3""#);
    assert!(changes(SAVED, SAVED).await.is_empty());
    assert_eq!(
        changes(SAVED, &other).await,
        [
            "~ 1/eu-central-1/sqs/queue a\n    Delay: 1 -> 2\n    Tags: nothing -> [{\"Key\":\"k\"}]",
            "- 2/eu-central-1/sqs/queue a",
            "+ 3/eu-central-1/sqs/queue a",
        ]
    );
    let deeper = other.replace(r#"{"Key":"k"}"#, r#"{"Key":"l"},{}"#);
    assert_eq!(
        changes(&other, &deeper).await,
        ["~ 1/eu-central-1/sqs/queue a\n    Tags[0].Key: \"k\" -> \"l\"\n    Tags[1]: nothing -> {}"]
    );
    let reindexed = SAVED.replace(r#"[["name","b"]]"#, "[]");
    assert_eq!(changes(SAVED, &reindexed).await, ["~ 1/eu-central-1/sqs/queue b"]);
}

#[tokio::test]
async fn moves_between_backends() {
    let directory = Directory::new();
    let mut stores: Vec<Arc<dyn Store>> = vec![memory()];
    stores.push(SqliteStore::open(directory.path(), Durability::Normal).await.unwrap());
    #[cfg(feature = "postgres")]
    if let Some(server) = support::postgres::Server::shared() {
        stores.push(standin_store::PostgresStore::open(&server.database().await).await.unwrap());
    }
    stores.push(memory());
    for number in 0..1200 {
        put(&*stores[0], ["1", "2"][number % 2], &format!("{number}"), &format!(r#"{{"N": {number}}}"#)).await;
    }
    let saved = save(&*stores[0], &Selector::all()).await;
    assert_eq!(saved.lines().count(), 1201);
    for pair in stores.windows(2) {
        put(&*pair[1], "9", "gone", "{}").await;
        assert_eq!(copy(&*pair[0], pair[1].clone(), &Selector::all()).await.unwrap(), 1200);
        assert_eq!(save(&*pair[1], &Selector::all()).await, saved);
        load(&pair[1], replace(), SAVED).await.unwrap();
        assert_eq!(save(&*pair[1], &Selector::all()).await, SAVED);
        load(&pair[1], replace(), &saved).await.unwrap();
    }
}

/// Goes through a history; returns the lines of the state at each of its commits.
async fn live(history: &History, store: &Arc<dyn Store>) {
    assert!(matches!(history.checkout(store.clone(), "main").await, Err(HistoryError::Unknown { .. })));
    put(&**store, "1", "a", "1").await;
    let first = history.commit(&**store, "first", 1).await.unwrap();
    assert!(matches!(history.commit(&**store, "again", 2).await, Err(HistoryError::NothingToCommit)));
    put(&**store, "1", "b", "2").await;
    put(&**store, "2", "x", "1").await;
    let second = history.commit(&**store, "second", 3).await.unwrap();
    assert_eq!((second.parent.as_deref(), first.parent), (Some(&*first.id), None));
    let then = save(&**store, &Selector::all()).await;

    history.branch("try/it", Some(&first.id[..8])).await.unwrap();
    assert!(matches!(history.branch("try/it", None).await, Err(HistoryError::BranchExists { .. })));
    assert!(matches!(history.branch("no good", None).await, Err(HistoryError::BranchName { .. })));
    put(&**store, "1", "lost", "1").await;
    history.checkout(store.clone(), "try/it").await.unwrap();
    assert_eq!(save(&**store, &Selector::all()).await.lines().count(), 2);
    let row = store.get(&table("1"), "a").await.unwrap().unwrap();
    let mut batch = Batch::default();
    batch.check(&table("1"), "a", Some(row.version)).put(&table("1"), "a", body("5"), []);
    store.commit(batch).await.unwrap();
    let third = history.commit(&**store, "third", 4).await.unwrap();
    assert_eq!(third.parent.as_deref(), Some(&*first.id));
    let messages = async |name: Option<&str>| {
        let log = history.log(name).await.unwrap();
        log.into_iter().map(|commit| commit.message).collect::<Vec<_>>()
    };
    assert_eq!(messages(None).await, ["third", "first"]);
    assert_eq!(messages(Some("main")).await, ["second", "first"]);
    let branches: Vec<_> = history.branches().await.into_iter().map(|branch| (branch.name, branch.current)).collect();
    assert_eq!(branches, [("main".into(), false), ("try/it".into(), true)]);

    let lines = async |from: Option<&str>, to: Option<&str>| {
        let changes = history.diff(&**store, from, to, &Selector::all()).await.unwrap();
        changes.iter().map(|change| change.to_string().lines().next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let queue = "eu-central-1/sqs/queue";
    let expect = [format!("~ 1/{queue} a"), format!("- 1/{queue} b"), format!("- 2/{queue} x")];
    assert_eq!(lines(Some("main"), Some("HEAD")).await, expect);
    assert!(lines(None, None).await.is_empty());
    put(&**store, "3", "new", "1").await;
    assert_eq!(lines(None, None).await, [format!("+ 3/{queue} new")]);

    history.checkout(store.clone(), "main").await.unwrap();
    assert_eq!(save(&**store, &Selector::all()).await, then);
    assert!(matches!(history.commit(&**store, "same", 5).await, Err(HistoryError::NothingToCommit)));
    history.checkout(store.clone(), &first.id).await.unwrap();
    assert!(history.branches().await.iter().all(|branch| !branch.current));
    let mut one_file = Vec::new();
    let view = history.view("main").await.unwrap();
    Save::of(view, &Selector::all()).await.unwrap().write_to(&mut one_file).await.unwrap();
    assert_eq!(String::from_utf8(one_file).unwrap(), then);
    history.delete_branch("try/it").await.unwrap();
    assert!(matches!(history.log(Some("try/it")).await, Err(HistoryError::Unknown { .. })));
    assert_eq!(messages(Some(&third.id)).await, ["third", "first"]);
    history.checkout(store.clone(), "main").await.unwrap();
}

#[tokio::test]
async fn a_history_in_memory() {
    live(&History::open(&HistoryHome::Memory).await.unwrap(), &memory()).await;
    let directory = Directory::new();
    let store: Arc<dyn Store> = SqliteStore::open(directory.path(), Durability::Normal).await.unwrap();
    live(&History::open(&HistoryHome::Memory).await.unwrap(), &store).await;
}

#[tokio::test]
async fn a_history_in_a_directory() {
    let (directory, other) = (Directory::new(), Directory::new());
    let home = HistoryHome::Directory(directory.path().join("history"));
    let store: Arc<dyn Store> = SqliteStore::open(directory.path(), Durability::Normal).await.unwrap();
    let history = History::open(&home).await.unwrap();
    live(&history, &store).await;
    let then = save(&*store, &Selector::all()).await;
    let (log, branches) = (history.log(None).await.unwrap(), history.branches().await);
    drop(history);
    // It is there the next time, and for other stores too.
    let history = History::open(&home).await.unwrap();
    assert_eq!((history.log(None).await.unwrap(), history.branches().await), (log, branches));
    let elsewhere = memory();
    history.checkout(elsewhere.clone(), "main").await.unwrap();
    assert_eq!(save(&*elsewhere, &Selector::all()).await, then);
    live(&History::open(&HistoryHome::Directory(other.path().into())).await.unwrap(), &memory()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_history_of_a_shared_database() {
    let Some(server) = support::postgres::Server::shared() else { return };
    let store: Arc<dyn Store> = standin_store::PostgresStore::open(&server.database().await).await.unwrap();
    live(&History::open(&HistoryHome::Memory).await.unwrap(), &store).await;
}

#[tokio::test]
async fn writes_what_has_changed_only() {
    let directory = Directory::new();
    let history = History::open(&HistoryHome::Directory(directory.path().into())).await.unwrap();
    let store = memory();
    let mut batch = Batch::default();
    for number in 0..2000 {
        batch.put(&table("1"), format!("{number:04}"), body("{}"), []);
    }
    batch.put(&table("2"), "a", body("{}"), []);
    store.commit(batch).await.unwrap();
    history.commit(&*store, "all", 0).await.unwrap();
    let files = || {
        let folders = std::fs::read_dir(directory.path().join("rows")).unwrap();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    let before = files();
    assert!((5..100).contains(&before), "{before}");
    put(&*store, "1", "1000", "1").await;
    history.commit(&*store, "one row", 1).await.unwrap();
    assert_eq!(files(), before + 1);
}

#[tokio::test]
async fn says_that_a_history_is_damaged() {
    let directory = Directory::new();
    let home = HistoryHome::Directory(directory.path().into());
    let (history, store) = (History::open(&home).await.unwrap(), memory());
    put(&*store, "1", "a", "1").await;
    history.commit(&*store, "first", 0).await.unwrap();
    let folder = std::fs::read_dir(directory.path().join("rows")).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "[\"b\",null,1]\n").unwrap();
    store.clear(&Selector::all()).await.unwrap();
    let error = history.checkout(store.clone(), "main").await.unwrap_err().to_string();
    assert!(error.contains("is not what was written there"), "{error}");
    std::fs::write(directory.path().join("refs.json"), "{").unwrap();
    let error = History::open(&home).await.unwrap_err().to_string();
    assert!(error.contains("refs.json"), "{error}");
}
