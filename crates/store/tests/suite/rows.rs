//! Rows, indexes, batches, events.

use std::sync::Arc;

use bytes::Bytes;
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, Range, Scan, Selector, Space, StoreError};

use super::{Shared, all, body, index, keys, put, table};

pub async fn reads_what_was_written(store: Shared) {
    let table = table();
    assert_eq!(store.get(&table, "a").await.unwrap(), None);
    let entries = index([("color", "red"), ("size", "1")]);
    let mut batch = Batch::default();
    batch.put(&table, "a", body(1), entries.clone());
    let version = store.commit(batch).await.unwrap();
    let row = store.get(&table, "a").await.unwrap().unwrap();
    assert_eq!((&*row.key, row.version, &*row.body, &row.index), ("a", version, &body(1), &entries));
    let mut batch = Batch::default();
    batch.delete(&table, "a").delete(&table, "never there");
    store.commit(batch).await.unwrap();
    assert_eq!(store.get(&table, "a").await.unwrap(), None);
}

pub async fn versions_change_with_every_write(store: Shared) {
    let table = table();
    let mut last = 0;
    for number in 0..5 {
        // The same content is a new version all the same.
        let version = put(&store, &table, "a", number / 2).await;
        assert!(version > last);
        assert_eq!(store.get(&table, "a").await.unwrap().unwrap().version, version);
        last = version;
    }
    let mut batch = Batch::default();
    batch.delete(&table, "a");
    store.commit(batch).await.unwrap();
    assert!(put(&store, &table, "a", 0).await > last, "a row that is made again is another one");
}

/// Keys that collations, terminators and case folding would mix up, in the order of their bytes.
const KEYS: [&str; 14] = ["", "\0", "\0a", " ", "%", "A", "B", "_", "a", "a\0", "a\0b", "a/b", "\u{e9}", "\u{1f980}"];

pub async fn scans_in_the_order_of_bytes(store: Shared) {
    let table = table();
    let mut batch = Batch::default();
    for (at, key) in KEYS.iter().enumerate().rev() {
        batch.put(&table, *key, body(at as i64), index([("key", key)]));
    }
    store.commit(batch).await.unwrap();
    assert_eq!(keys(&all(&store, &table).await), KEYS);
    for (at, key) in KEYS.iter().enumerate() {
        assert_eq!(*store.get(&table, key).await.unwrap().unwrap().body, body(at as i64), "{key:?}");
        let after = store.scan(&table, Scan { after: Some(key), limit: 99, prefix: "" }).await.unwrap();
        assert_eq!(keys(&after), KEYS[at + 1..], "after {key:?}");
        let prefixed: Vec<&str> = KEYS.iter().copied().filter(|other| other.starts_with(key)).collect();
        let found = store.scan(&table, Scan { prefix: key, after: None, limit: 99 }).await.unwrap();
        assert_eq!(keys(&found), prefixed, "prefix {key:?}");
        assert_eq!(store.count(&table, key).await.unwrap(), prefixed.len() as u64, "count of {key:?}");
        assert_eq!(keys(&store.find(&table, "key", key, None, 9).await.unwrap()), [*key]);
    }
}

pub async fn scans_prefixes_and_pages(store: Shared) {
    let table = table();
    let mut batch = Batch::default();
    for number in 0..50 {
        batch.put(&table, format!("{}/{number:03}", if number % 2 == 0 { "even" } else { "odd" }), body(number), []);
    }
    batch.put(&table, "eve", body(0), []).put(&table, "even0", body(0), []);
    store.commit(batch).await.unwrap();
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.scan(&table, Scan { prefix: "even/", after: after.as_deref(), limit: 7 }).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        after = Some(last.key.to_string());
        seen.extend(page.iter().map(|row| row.key.to_string()));
    }
    assert_eq!(seen, (0..25).map(|half| format!("even/{:03}", half * 2)).collect::<Vec<_>>());
    let page = |prefix, after, limit| store.scan(&table, Scan { prefix, after, limit });
    assert_eq!(keys(&page("even/", Some("a"), 1).await.unwrap()), ["even/000"], "after a key before the prefix");
    assert_eq!(keys(&page("even/", Some("even/001"), 1).await.unwrap()), ["even/002"], "after a key that is not there");
    assert!(page("even/", Some("odd/001"), 9).await.unwrap().is_empty(), "after a key behind the prefix");
    assert!(page("even/", None, 0).await.unwrap().is_empty());
    assert!(page("none", None, 9).await.unwrap().is_empty());
}

pub async fn finds_by_index(store: Shared) {
    let table = table();
    let mut batch = Batch::default();
    for number in 0..30 {
        let color = ["red", "green", "Red"][number % 3];
        batch.put(&table, format!("{number:02}"), body(0), index([("color", color), ("other", "red")]));
    }
    store.commit(batch).await.unwrap();
    let find = |value, after, limit| store.find(&table, "color", value, after, limit);
    assert_eq!(keys(&find("red", None, 3).await.unwrap()), ["00", "03", "06"]);
    assert_eq!(keys(&find("red", Some("06"), 2).await.unwrap()), ["09", "12"]);
    assert_eq!(keys(&find("red", Some("07"), 1).await.unwrap()), ["09"]);
    assert!(find("re", None, 9).await.unwrap().is_empty());
    assert!(find("red", Some("27"), 9).await.unwrap().is_empty());
    assert_eq!(find("red", None, 99).await.unwrap().len(), 10);

    // Entries follow their row.
    let mut batch = Batch::default();
    batch.put(&table, "00", body(7), index([("color", "blue"), ("color", "white")])).delete(&table, "03");
    store.commit(batch).await.unwrap();
    assert_eq!(keys(&find("red", None, 1).await.unwrap()), ["06"]);
    assert_eq!(store.find(&table, "other", "red", None, 99).await.unwrap().len(), 28);
    for color in ["blue", "white"] {
        let rows = find(color, None, 9).await.unwrap();
        assert_eq!((keys(&rows), &*rows[0].body), (vec!["00"], &body(7)));
    }
    // A row that keeps its entries is found as it is now.
    let mut batch = Batch::default();
    batch.put(&table, "06", body(8), index([("color", "red"), ("other", "red")]));
    let version = store.commit(batch).await.unwrap();
    let row = find("red", None, 1).await.unwrap().remove(0);
    assert_eq!((&*row.key, &*row.body, row.version), ("06", &body(8), version));
}

pub async fn ranges_of_an_index(store: Shared) {
    let table = table();
    let mut batch = Batch::default();
    for (key, time) in [("c", "01"), ("a", "02"), ("b", "02"), ("d", "03"), ("e", "10")] {
        batch.put(&table, key, body(0), index([("time", time), ("noise", "02")]));
    }
    store.commit(batch).await.unwrap();
    let range = |from, to, limit| store.range(&table, Range { index: "time", from, to, limit });
    assert_eq!(keys(&range("", "\u{10ffff}", 99).await.unwrap()), ["c", "a", "b", "d", "e"]);
    assert_eq!(keys(&range("02", "10", 99).await.unwrap()), ["a", "b", "d"]);
    assert_eq!(keys(&range("02", "10", 2).await.unwrap()), ["a", "b"]);
    assert!(range("04", "1", 99).await.unwrap().is_empty());
    assert!(range("10", "02", 99).await.unwrap().is_empty());
}

pub async fn counts(store: Shared) {
    let table = table();
    assert_eq!(store.count(&table, "").await.unwrap(), 0);
    for number in 0..7 {
        put(&store, &table, &format!("{}{number}", if number < 3 { "x" } else { "y" }), number).await;
    }
    let counts = async || [store.count(&table, "").await.unwrap(), store.count(&table, "x").await.unwrap()];
    assert_eq!(counts().await, [7, 3]);
    let mut batch = Batch::default();
    batch.delete(&table, "x0").delete(&table, "x9").put(&table, "x1", body(9), []).put_new(&table, "x2", body(9), []);
    store.commit(batch).await.unwrap();
    assert_eq!(counts().await, [6, 2]);
}

pub async fn checks_must_hold(store: Shared) {
    let table = table();
    let version = put(&store, &table, "a", 1).await;
    let attempt = async |key: &str, expect: Option<u64>| {
        let mut batch = Batch::default();
        batch.check(&table, key, expect).put(&table, "result", body(0), []);
        store.commit(batch).await
    };
    for (key, expect) in [("a", None), ("a", Some(version + 1)), ("a", Some(0)), ("b", Some(version)), ("b", Some(0))] {
        let result = attempt(key, expect).await;
        assert!(matches!(result, Err(StoreError::Conflict)), "{key} {expect:?}: {result:?}");
        assert_eq!(store.get(&table, "result").await.unwrap(), None);
    }
    attempt("a", Some(version)).await.unwrap();
    attempt("b", None).await.unwrap();
    assert!(store.get(&table, "result").await.unwrap().is_some());
    assert_eq!(store.get(&table, "b").await.unwrap(), None, "a check writes nothing");
    let absent = Space::new("1", "2", "3").table("no such table");
    let mut batch = Batch::default();
    batch.check(&absent, "a", None).put(&table, "result", body(1), []);
    store.commit(batch).await.unwrap();
}

pub async fn puts_new_rows_only(store: Shared) {
    let table = table();
    for number in 0..3 {
        let mut batch = Batch::default();
        batch.put_new(&table, "a", body(number), index([("n", &number.to_string())]));
        batch.put(&table, format!("{number}"), body(number), []);
        store.commit(batch).await.unwrap();
    }
    assert_eq!(*store.get(&table, "a").await.unwrap().unwrap().body, body(0));
    assert!(store.find(&table, "n", "1", None, 9).await.unwrap().is_empty());
    assert_eq!(store.count(&table, "").await.unwrap(), 4);
}

pub async fn the_last_write_of_a_key_counts(store: Shared) {
    let table = table();
    let mut batch = Batch::default();
    batch.put(&table, "a", body(1), index([("n", "1")])).put(&table, "a", body(2), index([("n", "2")]));
    batch.put(&table, "b", body(1), index([("n", "1")])).delete(&table, "b");
    batch.delete(&table, "c").put_new(&table, "c", body(3), []);
    batch.put(&table, "d", body(1), []).put_new(&table, "d", body(2), []);
    store.commit(batch).await.unwrap();
    let rows = all(&store, &table).await;
    let numbers: Vec<_> = rows.iter().map(|row| (&*row.key, &*row.body)).collect();
    assert_eq!(numbers, [("a", &body(2)), ("c", &body(3)), ("d", &body(1))]);
    assert!(store.find(&table, "n", "1", None, 9).await.unwrap().is_empty());
    // A job that is done and enqueued anew.
    let mut batch = Batch::default();
    batch.delete(&table, "a").put_new(&table, "a", body(9), []);
    store.commit(batch).await.unwrap();
    assert_eq!(*store.get(&table, "a").await.unwrap().unwrap().body, body(9));
}

pub async fn a_batch_is_applied_as_a_whole(store: Shared) {
    let (table, other) = (table(), Space::new("1", "", "global").table("one"));
    let version = put(&store, &table, "a", 1).await;
    let mut batch = Batch::default();
    batch.check(&table, "a", Some(version)).check(&other, "x", Some(5));
    batch.put(&table, "a", body(2), []).put(&other, "x", body(2), []).delete(&table, "a");
    batch.event(&table.space, "never", Document::Null);
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict)));
    assert_eq!(*store.get(&table, "a").await.unwrap().unwrap().body, body(1));
    assert_eq!(store.tables(&Selector::all()).await.unwrap(), [table]);
    assert!(store.events(0, 9).await.unwrap().is_empty());
    // One that conflicts does not hurt those that are committed at the same time.
    let (good, bad) = (async { put(&store, &other, "y", 1).await }, async {
        let mut batch = Batch::default();
        batch.check(&other, "z", Some(1)).put(&other, "z", body(1), []);
        store.commit(batch).await
    });
    let (_, bad) = tokio::join!(good, bad);
    assert!(matches!(bad, Err(StoreError::Conflict)));
    assert_eq!(keys(&all(&store, &other).await), ["y"]);
}

const TASKS: i64 = 8;
const ROUNDS: i64 = 25;

pub async fn loses_no_update(store: Shared) {
    let table = table();
    put(&store, &table, "counter", 0).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, table) = (store.clone(), table.clone());
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    loop {
                        let row = store.get(&table, "counter").await.unwrap().unwrap();
                        let number = row.body.get("Number").unwrap().as_i64().unwrap();
                        let mut batch = Batch::default();
                        batch.check(&table, "counter", Some(row.version)).put(&table, "counter", body(number + 1), []);
                        batch.event(&table.space, "counted", body(number + 1));
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
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*store.get(&table, "counter").await.unwrap().unwrap().body, body(TASKS * ROUNDS));
    let events = store.events(0, usize::MAX).await.unwrap();
    assert!(events.iter().map(|event| (*event.body).clone()).eq((1..=TASKS * ROUNDS).map(body)), "in order, no gaps");
    assert!(events.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
}

pub async fn only_one_creates(store: Shared) {
    let table = table();
    for round in 0..ROUNDS {
        let key: Arc<str> = format!("row {round}").into();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (store, table, key) = (store.clone(), table.clone(), key.clone());
                tokio::spawn(async move {
                    let mut batch = Batch::default();
                    batch.check(&table, key.clone(), None).put(&table, key, body(task), []);
                    store.commit(batch).await.map(|_| task)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(task) => winners.push(task),
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{}", error.chain()),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(*store.get(&table, &key).await.unwrap().unwrap().body, body(winners[0]));
    }
}

pub async fn clears_what_is_picked(store: Shared) {
    let spaces = [("1", "r1", "a"), ("1", "r1", "b"), ("1", "", "a"), ("2", "r1", "a"), ("2", "r2", "b")];
    let fill = async || {
        for (account, region, service) in spaces {
            put(&store, &Space::new(account, region, service).table("t"), "k", 1).await;
        }
    };
    let check = async |selector: Selector, left: &[(&str, &str, &str)]| {
        fill().await;
        store.clear(&selector).await.unwrap();
        let mut left: Vec<_> = left.iter().map(|(a, r, s)| Space::new(a, r, s).table("t")).collect();
        left.sort();
        assert_eq!(store.tables(&Selector::all()).await.unwrap(), left, "{selector:?}");
        for (account, region, service) in spaces {
            let table = Space::new(account, region, service).table("t");
            assert_eq!(store.get(&table, "k").await.unwrap().is_some(), left.contains(&table));
            assert_eq!(store.count(&table, "").await.unwrap(), u64::from(left.contains(&table)));
        }
    };
    let some = |text: &str| Some(text.to_owned());
    check(Selector { account: some("1"), ..Selector::all() }, &[spaces[3], spaces[4]]).await;
    check(Selector { region: some(""), ..Selector::all() }, &[spaces[0], spaces[1], spaces[3], spaces[4]]).await;
    let one = Selector { service: some("b"), account: some("1"), region: None };
    check(one, &[spaces[0], spaces[2], spaces[3], spaces[4]]).await;
    check(Selector { service: some("none"), ..Selector::all() }, &spaces).await;
    check(Selector::all(), &[]).await;
}

pub async fn is_quick_to_clear_and_to_write_again(store: Shared) {
    let table = table();
    for round in 0..3 {
        let mut batch = Batch::default();
        for number in 0..2000 {
            batch.put(&table, format!("{number}"), body(round), index([("n", "x")]));
        }
        store.commit(batch).await.unwrap();
        store.clear(&Selector::all()).await.unwrap();
        // What is cleared in the background must not take what is written now.
        put(&store, &table, "1", 100 + round).await;
        assert_eq!(keys(&all(&store, &table).await), ["1"]);
        assert!(store.find(&table, "n", "x", None, 9).await.unwrap().is_empty());
    }
    assert_eq!(*store.get(&table, "1").await.unwrap().unwrap().body, body(102));
}

pub async fn keeps_spaces_apart(store: Shared) {
    let spaces =
        [Space::new("1", "r", "s"), Space::new("1", "r", "s2"), Space::new("1", "", "s"), Space::new("2", "r", "s")];
    for (at, space) in spaces.iter().enumerate() {
        for name in ["t", "u"] {
            let mut batch = Batch::default();
            batch.put(&space.table(name), "k", Document::from(format!("{at}{name}")), index([("i", "v")]));
            store.commit(batch).await.unwrap();
        }
    }
    for (at, space) in spaces.iter().enumerate() {
        for name in ["t", "u"] {
            let (table, expect) = (space.table(name), Document::from(format!("{at}{name}")));
            assert_eq!(*store.get(&table, "k").await.unwrap().unwrap().body, expect);
            let found = store.find(&table, "i", "v", None, 9).await.unwrap();
            assert_eq!(found.iter().map(|row| &*row.body).collect::<Vec<_>>(), [&expect]);
            assert_eq!(store.count(&table, "").await.unwrap(), 1);
        }
        let of_space = store.tables(&Selector::of(space)).await.unwrap();
        assert_eq!(of_space, [space.table("t"), space.table("u")]);
    }
}

pub async fn keeps_every_document(store: Shared) {
    let table = table();
    let mut fields = Fields::new();
    fields.push("", Document::Null);
    fields.push("\0", "\0\u{1f980}\"\\\n");
    fields.push("$blob", "not one");
    fields.push("twin", 1i64);
    fields.push("twin", 2i64);
    fields.push("blob", Bytes::from_static(&[0, 255, 128]));
    fields.push("time", Timestamp { seconds: -1, nanos: 1 });
    fields.push("far", Timestamp { seconds: i64::MAX, nanos: 999_999_999 });
    fields.push("int", i64::MIN);
    fields.push("whole", 1.0);
    fields.push("tiny", 5e-324);
    fields.push("minus", -0.0);
    fields.push("infinite", f64::NEG_INFINITY);
    fields.push("big", Document::BigNumber("18446744073709551616.5".into()));
    fields.push("list", vec![Document::map(), Document::List(Vec::new()), Document::from(true)]);
    let document = Document::Map(fields);
    let mut batch = Batch::default();
    batch.put(&table, "a", document.clone(), []);
    for (at, document) in [Document::Null, Document::from("text"), Document::List(Vec::new())].into_iter().enumerate() {
        batch.put(&table, format!("{at}"), document, []);
    }
    store.commit(batch).await.unwrap();
    let read = store.get(&table, "a").await.unwrap().unwrap();
    assert_eq!(*read.body, document);
    assert!(
        read.body.get("minus").is_some_and(|zero| matches!(zero, Document::Float(zero) if zero.is_sign_negative()))
    );
    assert_eq!(*store.get(&table, "0").await.unwrap().unwrap().body, Document::Null);
}

pub async fn keeps_large_rows(store: Shared) {
    let table = table();
    let large = Document::from("x\u{e9}".repeat(1 << 20));
    let mut batch = Batch::default();
    batch.put(&table, "large", large.clone(), index([("i", "v")])).put(&table, "small", body(1), index([("i", "v")]));
    batch.put(&table, "k".repeat(1024), body(2), index([("long", &"v".repeat(1024))]));
    store.commit(batch).await.unwrap();
    assert_eq!(*store.get(&table, "large").await.unwrap().unwrap().body, large);
    assert_eq!(store.find(&table, "i", "v", None, 9).await.unwrap().len(), 2);
    assert_eq!(store.find(&table, "long", &"v".repeat(1024), None, 9).await.unwrap().len(), 1);
    assert_eq!(store.scan(&table, Scan { limit: 9, ..Scan::default() }).await.unwrap().len(), 3);
}

pub async fn logs_events(store: Shared) {
    let (one, two) = (Space::new("1", "r", "a"), Space::new("2", "", "b"));
    assert!(store.events(0, 9).await.unwrap().is_empty());
    for number in 0..5 {
        let mut batch = Batch::default();
        batch.event(&one, "made", body(number)).event(&two, "changed", body(number));
        store.commit(batch).await.unwrap();
    }
    let events = store.events(0, 99).await.unwrap();
    let first = events[0].sequence;
    assert!(events.iter().map(|event| event.sequence).eq(first..first + 10));
    assert_eq!((&events[0].space, &*events[0].kind, &*events[0].body), (&one, "made", &body(0)));
    assert_eq!((&events[9].space, &*events[9].kind, &*events[9].body), (&two, "changed", &body(4)));
    assert_eq!(store.events(first + 3, 2).await.unwrap(), events[4..6]);
    assert!(store.events(first + 9, 2).await.unwrap().is_empty());
    store.clear(&Selector::all()).await.unwrap();
    store.trim_events(3).await.unwrap();
    assert_eq!(store.events(0, 99).await.unwrap(), events[7..]);
    let mut batch = Batch::default();
    batch.event(&one, "made", Document::Null);
    store.commit(batch).await.unwrap();
    assert_eq!(store.events(first + 9, 2).await.unwrap()[0].sequence, first + 10);
    store.trim_events(0).await.unwrap();
    assert!(store.events(0, 99).await.unwrap().is_empty());
}

/// What cannot be kept is said to the one who writes it, and nobody else suffers.
pub async fn refuses_nothing_silently(store: Shared) {
    let table = table();
    let mut deep = Document::Null;
    for _ in 0..300 {
        deep = Document::List(vec![deep]);
    }
    let mut batch = Batch::default();
    batch.put(&table, "deep", deep.clone(), []).put(&table, "other", body(1), []);
    match store.commit(batch).await {
        Ok(_) => assert_eq!(*store.get(&table, "deep").await.unwrap().unwrap().body, deep),
        Err(error) => {
            assert!(matches!(error, StoreError::Refused { .. }), "{}", error.chain());
            assert!(all(&store, &table).await.is_empty());
        }
    }
    put(&store, &table, "after", 1).await;
}
