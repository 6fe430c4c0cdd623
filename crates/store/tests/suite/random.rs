//! Random changes: every backend answers as memory does.

use std::sync::Arc;

use standin_store::{Batch, IndexEntry, MemoryStore, Range, Row, Scan, Selector, Space, StoreError, Table};

use super::{Draws, Shared, body};

const STEPS: u64 = 300;

pub async fn does_what_memory_does(store: Shared) {
    let model: Shared = Arc::new(MemoryStore::new());
    let mut draws = Draws(7);
    let tables: Vec<Table> = ["1", "2"]
        .iter()
        .flat_map(|account| ["a", "b"].map(|name| Space::new(account, "r", "s").table(name)))
        .collect();
    for step in 0..STEPS {
        if draws.below(60) == 0 {
            let selector = Selector { account: Some(["1", "2"][draws.below(2) as usize].into()), ..Selector::all() };
            store.clear(&selector).await.unwrap();
            model.clear(&selector).await.unwrap();
        }
        let batch = batch(&mut draws, &tables, step);
        let (ours, theirs) = (with_versions(&store, &batch).await, with_versions(&model, &batch).await);
        assert_eq!(ours, theirs, "step {step}");
        let table = &tables[draws.below(4) as usize];
        assert_eq!(
            look(&store, table, &mut Draws(step)).await,
            look(&model, table, &mut Draws(step)).await,
            "step {step}"
        );
        assert_eq!(store.tables(&Selector::all()).await.unwrap(), model.tables(&Selector::all()).await.unwrap());
    }
}

#[derive(Debug)]
enum Step {
    Check(Table, String, CheckKind),
    Put(Table, String, i64, Vec<IndexEntry>, bool),
    Delete(Table, String),
}

#[derive(Clone, Copy, Debug)]
enum CheckKind {
    Absent,
    AsRead,
    Wrong,
}

fn batch(draws: &mut Draws, tables: &[Table], step: u64) -> Vec<Step> {
    let changes = 1 + draws.below(8);
    let mut steps = Vec::new();
    for change in 0..changes {
        let table = tables[draws.below(tables.len() as u64) as usize].clone();
        let key = format!("{}/{}", ["x", "y", "\u{e9}"][draws.below(3) as usize], draws.below(12));
        match draws.below(10) {
            0..5 => {
                let entries = (0..draws.below(3))
                    .map(|at| IndexEntry::new(["i", "j"][at as usize], format!("{}", draws.below(5))));
                let entries = entries.collect();
                steps.push(Step::Put(table, key, (step * 100 + change) as i64, entries, draws.below(4) == 0));
            }
            5..7 => steps.push(Step::Delete(table, key)),
            7 => steps.push(Step::Check(table, key, CheckKind::Absent)),
            8 => steps.push(Step::Check(table, key, CheckKind::AsRead)),
            _ if draws.below(4) == 0 => steps.push(Step::Check(table, key, CheckKind::Wrong)),
            _ => {}
        }
    }
    steps
}

/// Whether it was applied. Versions differ from backend to backend, so checks take those that are read here.
async fn with_versions(store: &Shared, steps: &[Step]) -> bool {
    let mut batch = Batch::default();
    for step in steps {
        match step {
            Step::Check(table, key, kind) => {
                let read = store.get(table, key).await.unwrap().map(|row| row.version);
                let expect = match kind {
                    CheckKind::Absent => None,
                    CheckKind::AsRead => read,
                    CheckKind::Wrong => Some(read.unwrap_or(0) + 1_000_000_000),
                };
                batch.check(table, key.as_str(), expect);
            }
            Step::Put(table, key, number, entries, true) => {
                batch.put_new(table, key.as_str(), body(*number), entries.as_slice());
            }
            Step::Put(table, key, number, entries, false) => {
                batch.put(table, key.as_str(), body(*number), entries.as_slice());
            }
            Step::Delete(table, key) => {
                batch.delete(table, key.as_str());
            }
        }
    }
    match store.commit(batch).await {
        Ok(_) => true,
        Err(StoreError::Conflict) => false,
        Err(error) => panic!("{}", error.chain()),
    }
}

async fn look(store: &Shared, table: &Table, draws: &mut Draws) -> Vec<String> {
    let show = |rows: Vec<Row>| rows.iter().map(|row| format!("{} {:?} {:?}", row.key, row.body, row.index)).collect();
    let number = draws.below(12).to_string();
    let after = format!("x/{number}");
    let value = draws.below(5).to_string();
    let limit = draws.below(20) as usize;
    let after = (draws.below(2) == 0).then_some(after.as_str());
    let mut seen: Vec<String> = show(store.scan(table, Scan { prefix: "", after, limit }).await.unwrap());
    let mut more = |rows| seen.extend::<Vec<String>>(show(rows));
    more(store.scan(table, Scan { prefix: "y/", after, limit }).await.unwrap());
    more(store.find(table, "i", &value, after, limit).await.unwrap());
    more(store.range(table, Range { index: "j", from: &value, to: "9", limit }).await.unwrap());
    more(store.get(table, &format!("y/{number}")).await.unwrap().into_iter().collect());
    for prefix in ["", "x/", "x/1", "\u{e9}"] {
        seen.push(store.count(table, prefix).await.unwrap().to_string());
    }
    seen
}
