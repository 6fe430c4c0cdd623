use standin_store::{MemoryStore, Space};

use super::*;

fn address(key: &str) -> Address {
    let path = format!("000000000000/eu-west-1/{key}");
    Address::parse(&path.split('/').collect::<Vec<_>>()).expect("an address")
}

fn states() -> States {
    States::new(Arc::new(MemoryStore::default()))
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000)
}

fn state(serial: u64) -> Bytes {
    format!("{{\"version\":4,\"serial\":{serial},\"lineage\":\"l\"}}").into()
}

fn lock(id: &str) -> Vec<u8> {
    format!("{{\"ID\":\"{id}\",\"Who\":\"me\"}}").into_bytes()
}

async fn read(states: &States, address: &Address) -> Option<Bytes> {
    let record = states.record(address).await.expect("read")?;
    let version = record.present()?;
    let mut whole = Vec::new();
    for number in 0..pieces_of(version) {
        whole.extend_from_slice(&states.piece(address, version.number, number).await.expect("a piece"));
    }
    assert_eq!(whole.len() as u64, version.bytes);
    Some(whole.into())
}

#[tokio::test]
async fn states_are_written_and_read() {
    let (states, address) = (states(), address("environment/prod"));
    assert_eq!(read(&states, &address).await, None);
    assert_eq!(states.write(&address, state(1), None, None, now()).await.expect("written"), 1);
    assert_eq!(read(&states, &address).await, Some(state(1)));
    // A write that is sent again, because its answer was lost, is the same one.
    assert_eq!(states.write(&address, state(1), None, None, now()).await.expect("written"), 1);
    assert_eq!(states.write(&address, state(2), None, None, now()).await.expect("written"), 2);
    assert_eq!(read(&states, &address).await, Some(state(2)));
    let record = states.record(&address).await.expect("read").expect("a record");
    assert_eq!(record.versions.len(), 2);
    assert_eq!(record.present().expect("present").head.serial, Some(2));
}

#[tokio::test]
async fn a_digest_that_does_not_hold_is_refused() {
    let (states, address) = (states(), address("a"));
    let wrong = states.write(&address, state(1), Some([0; 16]), None, now()).await;
    assert!(matches!(wrong, Err(StateError::Invalid(_))), "{wrong:?}");
    assert_eq!(states.record(&address).await.expect("read"), None);
    let right: [u8; 16] = Md5::digest(state(1)).into();
    states.write(&address, state(1), Some(right), None, now()).await.expect("written");
}

#[tokio::test]
async fn a_lock_keeps_others_out() {
    let (states, address) = (states(), address("a"));
    states.lock(&address, &lock("one"), None, now()).await.expect("locked");
    // Asked again by its holder.
    states.lock(&address, &lock("one"), None, now()).await.expect("locked");
    let other = states.lock(&address, &lock("two"), None, now()).await;
    assert!(matches!(&other, Err(StateError::Locked { holder }) if holder.contains("\"ID\":\"one\"")), "{other:?}");
    let without = states.write(&address, state(1), None, None, now()).await;
    assert!(matches!(without, Err(StateError::Locked { .. })), "{without:?}");
    let stolen = states.write(&address, state(1), None, Some("two"), now()).await;
    assert!(matches!(stolen, Err(StateError::LockLost { holder: Some(_), .. })), "{stolen:?}");
    assert!(matches!(states.delete(&address, None, true).await, Err(StateError::Locked { .. })));
    assert!(matches!(states.unlock(&address, &lock("two")).await, Err(StateError::LockLost { .. })));
    states.write(&address, state(1), None, Some("one"), now()).await.expect("written");
    states.unlock(&address, &lock("one")).await.expect("unlocked");
    states.unlock(&address, &lock("one")).await.expect("unlocked again");
    // Whoever lost the lock does not write over what others may have written.
    let late = states.write(&address, state(2), None, Some("one"), now()).await;
    assert!(matches!(late, Err(StateError::LockLost { holder: None, .. })), "{late:?}");
    states.write(&address, state(2), None, None, now()).await.expect("written");
}

#[tokio::test]
async fn a_lock_alone_is_no_state() {
    let (states, address) = (states(), address("a"));
    states.lock(&address, &lock("one"), None, now()).await.expect("locked");
    assert_eq!(read(&states, &address).await, None);
    states.unlock(&address, b"").await.expect("taken away");
    assert_eq!(states.record(&address).await.expect("read"), None);
}

#[tokio::test]
async fn of_fifty_one_locks() {
    let (states, address) = (states(), address("a"));
    let clients = (0..50).map(|number| {
        let (states, address) = (states.clone(), address.clone());
        tokio::spawn(async move { states.lock(&address, &lock(&format!("c{number}")), None, now()).await.is_ok() })
    });
    let mut won = 0;
    for client in clients.collect::<Vec<_>>() {
        won += usize::from(client.await.expect("no panic"));
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn locks_of_runs_that_are_gone_are_released() {
    let (states, address) = (states(), address("a"));
    assert!(!states.release(&address, |_| true).await.expect("looked"));
    states.lock(&address, &lock("one"), None, now()).await.expect("locked");
    assert!(!states.release(&address, |_| true).await.expect("looked"), "a lock of somebody else's");
    states.unlock(&address, b"null").await.expect("taken away");
    states.lock(&address, &lock("two"), Some("d-1"), now()).await.expect("locked");
    assert!(!states.release(&address, |deployment| deployment == "d-2").await.expect("looked"));
    assert!(states.release(&address, |deployment| deployment == "d-1").await.expect("looked"));
    states.lock(&address, &lock("three"), None, now()).await.expect("locked");
}

#[tokio::test]
async fn old_versions_are_kept_and_come_back() {
    let (states, address) = (states(), address("a"));
    let last = VERSIONS_KEPT as u64 + 5;
    for serial in 1..=last {
        states.write(&address, state(serial), None, None, now()).await.expect("written");
    }
    let record = states.record(&address).await.expect("read").expect("a record");
    assert_eq!(
        record.versions.iter().map(|version| version.number).collect::<Vec<_>>(),
        (6..=last).collect::<Vec<_>>()
    );
    assert!(matches!(states.piece(&address, 5, 0).await, Err(StateError::Missing(_))));
    assert!(matches!(states.restore(&address, 5, now()).await, Err(StateError::Missing(_))));
    assert_eq!(states.restore(&address, 6, now()).await.expect("restored"), last + 1);
    assert_eq!(read(&states, &address).await, Some(state(6)));
    states.delete(&address, None, false).await.expect("deleted");
    assert_eq!(read(&states, &address).await, None);
    assert_eq!(states.restore(&address, last, now()).await.expect("restored"), last + 2);
    assert_eq!(read(&states, &address).await, Some(state(last)));
    states.delete(&address, None, true).await.expect("deleted");
    assert_eq!(states.record(&address).await.expect("read"), None);
    assert!(states.store.tables(&Selector::all()).await.expect("tables").is_empty(), "nothing is left");
}

#[tokio::test]
async fn large_states_are_whole() {
    let (states, address) = (states(), address("a"));
    let text: String = (0..400_000).map(|number| format!("{number},")).collect();
    let large = Bytes::from(format!("{{\"serial\":1,\"resources\":[{text}0]}}"));
    assert!(large.len() > 2 * PIECE_BYTES);
    states.write(&address, large.clone(), None, None, now()).await.expect("written");
    assert_eq!(read(&states, &address).await, Some(large));
    let over = Bytes::from(vec![b' '; STATE_BYTES_MAX + 1]);
    assert!(matches!(states.write(&address, over, None, None, now()).await, Err(StateError::TooLong)));
}

#[tokio::test]
async fn what_is_no_state_is_refused() {
    let (states, address) = (states(), address("a"));
    for no in ["", "[]", "x", "{\"serial\":\"x\"}"] {
        let refused = states.write(&address, Bytes::from(no), None, None, now()).await;
        assert!(matches!(refused, Err(StateError::Invalid(_))), "{no}: {refused:?}");
    }
}

#[tokio::test]
async fn states_are_listed_page_by_page() {
    let states = states();
    let mut expect = Vec::new();
    for (account, region, key) in [
        ("000000000000", "eu-west-1", "a"),
        ("000000000000", "eu-west-1", "b/c"),
        ("000000000000", "us-east-1", "a"),
        ("111111111111", "eu-west-1", "a"),
    ] {
        let address = Address { account: account.into(), region: region.into(), key: key.into() };
        states.write(&address, state(1), None, None, now()).await.expect("written");
        expect.push(address);
    }
    // Other rows of Proton are none.
    let mut batch = Batch::default();
    batch.put(&Space::new("000000000000", "eu-west-1", "proton").table("environments"), "x", Document::map(), []);
    states.store.commit(batch).await.expect("committed");
    let all = Selector::all();
    let mut found: Vec<Address> = Vec::new();
    loop {
        let page = states.list(&all, "", found.last(), 1).await.expect("listed");
        let Some(listed) = page.into_iter().next() else { break };
        found.push(listed.address);
    }
    assert_eq!(found, expect);
    let account = Selector { account: Some("111111111111".into()), ..Selector::all() };
    assert_eq!(states.list(&account, "", None, 10).await.expect("listed").len(), 1);
    assert_eq!(states.list(&all, "b/", None, 10).await.expect("listed").len(), 1);
}

#[tokio::test]
async fn what_a_run_could_not_write_is_rescued() {
    let (states, address) = (states(), address("a"));
    assert!(states.rescue(&address, state(3), "d-1", now()).await.expect("written"), "the first there is");
    states.lock(&address, &lock("one"), Some("d-1"), now()).await.expect("locked");
    assert!(!states.rescue(&address, state(3), "d-1", now()).await.expect("looked"), "as new as what is there");
    assert!(states.rescue(&address, state(4), "d-1", now()).await.expect("written"));
    let other = Bytes::from("{\"serial\":9,\"lineage\":\"other\"}");
    assert!(!states.rescue(&address, other, "d-1", now()).await.expect("looked"), "another state altogether");
    assert!(states.rescue(&address, state(5), "d-2", now()).await.is_err(), "another run has the lock");
    assert!(states.rescue(&address, Bytes::from("{\"serial\":"), "d-1", now()).await.is_err());
    assert_eq!(read(&states, &address).await, Some(state(4)));
}
