//! The state as a whole: views and loads.

use standin_store::{LoadMode, Selector, Space};

use super::{Shared, all, body, index, keys, put, table};

pub async fn a_view_is_of_one_moment(store: Shared) {
    let (table, other) = (table(), Space::new("2", "", "s").table("t"));
    for number in 0..10 {
        put(&store, &table, &format!("{number}"), number).await;
    }
    let mut view = store.view().await.unwrap();
    store.clear(&Selector::all()).await.unwrap();
    put(&store, &other, "new", 1).await;
    put(&store, &table, "0", 99).await;
    assert_eq!(view.tables(&Selector::all()).await.unwrap(), std::slice::from_ref(&table));
    assert!(view.tables(&Selector::of(&other.space)).await.unwrap().is_empty());
    let first = view.page(&table, None, 4).await.unwrap();
    assert_eq!((keys(&first), &*first[0].body), (vec!["0", "1", "2", "3"], &body(0)));
    assert_eq!(keys(&view.page(&table, Some("3"), 99).await.unwrap()), ["4", "5", "6", "7", "8", "9"]);
    assert!(view.page(&other, None, 9).await.unwrap().is_empty());
    let mut now = store.view().await.unwrap();
    assert_eq!(keys(&now.page(&table, None, 9).await.unwrap()), ["0"]);
}

pub async fn loads_at_once(store: Shared) {
    let (one, two, other) = (
        Space::new("1", "r", "s").table("t"),
        Space::new("1", "r", "s").table("u"),
        Space::new("2", "r", "s").table("t"),
    );
    for table in [&one, &two, &other] {
        put(&store, table, "old", 1).await;
    }
    let picked = Selector { account: Some("1".into()), ..Selector::all() };
    let mut loader = store.clone().load(LoadMode::Replace { picked, keep: Vec::new() }).await.unwrap();
    for number in 0..1500 {
        let key = format!("{number:04}").into();
        loader.put(&one, key, body(number).into(), index([("i", "v")])).await.unwrap();
    }
    assert_eq!(keys(&all(&store, &one).await), ["old"], "nothing is visible before the end");
    put(&store, &two, "meanwhile", 1).await;
    let revision = loader.finish().await.unwrap();
    assert!(revision > 0);
    assert_eq!(store.count(&one, "").await.unwrap(), 1500);
    assert_eq!(store.get(&one, "old").await.unwrap(), None);
    assert_eq!(*store.get(&one, "0007").await.unwrap().unwrap().body, body(7));
    assert_eq!(store.find(&one, "i", "v", Some("1000"), 9999).await.unwrap().len(), 499);
    assert!(all(&store, &two).await.is_empty());
    assert_eq!(keys(&all(&store, &other).await), ["old"]);
    let row = store.get(&one, "0007").await.unwrap().unwrap();
    let mut batch = standin_store::Batch::default();
    batch.check(&one, "0007", Some(row.version)).put(&one, "0007", body(0), []);
    assert!(store.commit(batch).await.unwrap() > row.version, "loaded rows are rows as others");
}

pub async fn merges(store: Shared) {
    let table = table();
    for key in ["a", "b"] {
        put(&store, &table, key, 1).await;
    }
    let mut loader = store.clone().load(LoadMode::Merge).await.unwrap();
    for key in ["b", "c"] {
        loader.put(&table, key.into(), body(2).into(), index([("i", key)])).await.unwrap();
    }
    assert_eq!(keys(&all(&store, &table).await), ["a", "b"]);
    loader.finish().await.unwrap();
    let rows = all(&store, &table).await;
    let numbers: Vec<_> = rows.iter().map(|row| (&*row.key, &*row.body)).collect();
    assert_eq!(numbers, [("a", &body(1)), ("b", &body(2)), ("c", &body(2))]);
    assert_eq!(keys(&store.find(&table, "i", "b", None, 9).await.unwrap()), ["b"]);
}

pub async fn leaves_no_trace_of_a_dropped_load(store: Shared) {
    let table = table();
    put(&store, &table, "a", 1).await;
    let mut loader = store.clone().load(LoadMode::Replace { picked: Selector::all(), keep: Vec::new() }).await.unwrap();
    for number in 0..1500 {
        loader.put(&table, format!("{number}").into(), body(2).into(), index([("i", "v")])).await.unwrap();
    }
    drop(loader);
    assert_eq!(keys(&all(&store, &table).await), ["a"]);
    assert!(store.find(&table, "i", "v", None, 9).await.unwrap().is_empty());
}

pub async fn keeps_tables_that_it_is_told_to(store: Shared) {
    let (table, kept) = (table(), Space::new("2", "", "s").table("t"));
    put(&store, &table, "a", 1).await;
    put(&store, &kept, "a", 1).await;
    let mode = LoadMode::Replace { picked: Selector::all(), keep: vec![kept.clone()] };
    store.clone().load(mode).await.unwrap().finish().await.unwrap();
    assert_eq!(store.tables(&Selector::all()).await.unwrap(), [kept]);
}
