//! A process that is killed while it writes, and a disk that is full: nothing that was acknowledged is lost, nothing is
//! there by half, and the next start is clean.
//!
//! The process is this program again, running the test [`child`] alone.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use standin_model::Document;
use standin_store::jobs::{self, NewJob};
use standin_store::{Batch, Durability, IndexEntry, Row, Scan, Selector, Space, SqliteStore, Store, Table};
use support::Directory;

/// How often the process is killed.
const RUNS: u64 = 200;
/// Tasks that write at the same time.
const WRITERS: u64 = 4;
/// Acknowledgements after which a run is killed at the latest.
const ACKS_MAX: u64 = 40;
/// Rows of a space that is filled and cleared as a whole.
const SCRATCH_ROWS: usize = 20;
/// What says to the child what to do, and where.
const TASK: &str = "STANDIN_STORE_TEST_CHILD";
/// A user who is not root.
const NOBODY: u32 = 65534;

fn tables() -> [Table; 3] {
    [("1", "s", "last"), ("1", "s", "all"), ("2", "t", "last")]
        .map(|(account, service, name)| Space::new(account, "r", service).table(name))
}

fn scratch() -> Table {
    Space::new("3", "r", "scratch").table("t")
}

/// The other side of this file's tests. Without a task there is nothing to test.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let words: Vec<&str> = task.split(' ').collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match words[..] {
            ["write", run, directory] => write(directory.as_ref(), run.parse().unwrap()).await,
            ["fill", directory] => fill(directory.as_ref()).await,
            ["open", directory] => match SqliteStore::open(directory.as_ref(), Durability::Normal).await {
                Ok(_) => say("opened"),
                Err(error) => say(&error.chain()),
            },
            _ => panic!("{task}"),
        }
    });
}

/// Past the test harness, which keeps what is printed.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nchild: {line}").and_then(|()| out.flush()).unwrap();
}

fn child_command(task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(TASK, task);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// What a child said.
fn said(line: &str) -> Option<&str> {
    line.strip_prefix("child: ")
}

fn batch_of(run: u64, writer: u64, number: u64) -> Batch {
    let [last, all, mirror] = tables();
    let mut batch = Batch::default();
    let key = format!("{run}/{writer}");
    let text = "x".repeat(usize::try_from(number * 37 % 3000).unwrap());
    let body =
        |text: &str| Document::List(vec![Document::from(i64::try_from(number).unwrap()), text.to_owned().into()]);
    batch.put(&last, key.as_str(), body(""), [IndexEntry::new("run", run.to_string())]);
    batch.put(&all, format!("{key}/{number:04}"), body(&text), [IndexEntry::new("writer", key.as_str())]);
    batch.put(&mirror, key.as_str(), body(&text), []);
    batch.event(&last.space, key.as_str(), body(""));
    batch.enqueue(NewJob {
        queue: "q".into(),
        key: format!("{key}/{number:04}").into(),
        kind: "k".into(),
        space: last.space.clone(),
        payload: Document::Null,
        run_at_ms: 0,
        attempts_max: 1,
    });
    batch
}

/// Writes until it is killed.
async fn write(directory: &Path, run: u64) {
    let store = SqliteStore::open(directory, Durability::Normal).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    store.commit(batch_of(run, writer, number)).await.unwrap();
                    say(&format!("{writer} {number}"));
                    if writer == 0 {
                        let mut batch = Batch::default();
                        for at in 0..SCRATCH_ROWS {
                            batch.put(&scratch(), format!("{at}"), Document::Null, [IndexEntry::new("i", "v")]);
                        }
                        store.commit(batch).await.unwrap();
                        store.clear(&Selector::of(&scratch().space)).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn rows(store: &SqliteStore, table: &Table, prefix: &str) -> Vec<Row> {
    store.scan(table, Scan { prefix, after: None, limit: usize::MAX }).await.unwrap()
}

fn number(row: &Row) -> u64 {
    let number = row.body.as_list().and_then(|list| list[0].as_i64()).unwrap();
    u64::try_from(number).unwrap()
}

/// Looks at all that one run wrote. `acknowledged`: by writer, the last number that was.
async fn check(store: &SqliteStore, run: u64, acknowledged: &BTreeMap<u64, u64>) {
    let [last, all, mirror] = tables();
    let lasts = rows(store, &last, &format!("{run}/")).await;
    assert_eq!(store.find(&last, "run", &run.to_string(), None, 99).await.unwrap(), lasts);
    for writer in 0..WRITERS {
        let key = format!("{run}/{writer}");
        let wrote = lasts.iter().find(|row| *row.key == *key).map(number);
        assert!(wrote >= acknowledged.get(&writer).copied(), "run {run}: {wrote:?} of {acknowledged:?}");
        let count = wrote.map_or(0, |last| last + 1);
        let found = rows(store, &all, &format!("{key}/")).await;
        assert!(found.iter().map(number).eq(0..count), "run {run}: no batch is there by half");
        assert_eq!(store.find(&all, "writer", &key, None, usize::MAX).await.unwrap(), found);
        assert_eq!(store.get(&mirror, &key).await.unwrap().as_ref().map(number), wrote);
        assert_eq!(rows(store, &jobs::table("q"), &format!("{key}/")).await.len() as u64, count);
    }
    let left = rows(store, &scratch(), "").await.len();
    assert!(left == 0 || left == SCRATCH_ROWS, "{left} rows of a batch, or of a clear");
    assert_eq!(store.find(&scratch(), "i", "v", None, 99).await.unwrap().len(), left);
}

#[tokio::test]
async fn is_killed_at_any_moment() {
    let directory = Directory::new();
    let mut seed: u64 = 20_261_122;
    let mut draw = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % end
    };
    let mut history = Vec::new();
    for run in 0..RUNS {
        let task = format!("write {run} {}", directory.path().display());
        let mut child = child_command(&task).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
        let mut note = |line: &str| {
            if let Some((writer, number)) = said(line).and_then(|words| words.split_once(' ')) {
                acknowledged.insert(writer.parse().unwrap(), number.parse().unwrap());
            }
        };
        // Some are killed before they have opened the file.
        if draw(8) > 0 {
            for line in lines
                .by_ref()
                .map_while(Result::ok)
                .filter(|line| said(line).is_some())
                .take(1 + draw(ACKS_MAX) as usize)
            {
                note(&line);
            }
        }
        for _ in 0..draw(200_000) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died counts too; a line that was cut does not.
        lines.map_while(Result::ok).for_each(|line| note(&line));
        let store = SqliteStore::open(directory.path(), Durability::Normal).await;
        let store = store.unwrap_or_else(|error| panic!("run {run}: {}", error.chain()));
        check(&store, run, &acknowledged).await;
        store.close().await;
        history.push(acknowledged);
    }
    let store = SqliteStore::open(directory.path(), Durability::Normal).await.unwrap();
    for (run, acknowledged) in history.iter().enumerate() {
        check(&store, run as u64, acknowledged).await;
    }
    let total: u64 = history.iter().flat_map(BTreeMap::values).map(|last| last + 1).sum();
    let events = store.events(0, usize::MAX).await.unwrap();
    assert!(events.iter().map(|event| event.sequence).eq(1..=events.len() as u64), "in order, no gaps");
    assert!(events.len() as u64 >= total);
    assert!(total > RUNS, "most runs got to write");
    store.close().await;
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("state.sqlite"));
    let mut connection = options.connect().await.unwrap();
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(integrity, "ok");
    connection.close().await.unwrap();
}

/// Writes until it fails, and shows that what was acknowledged can be read all the same.
async fn fill(directory: &Path) {
    let store = SqliteStore::open(directory, Durability::Normal).await.unwrap();
    let text = Document::from("x".repeat(5000));
    let [table, ..] = tables();
    for number in 0.. {
        let mut batch = Batch::default();
        batch.put(&table, format!("{number}a"), text.clone(), []).put(&table, format!("{number}b"), text.clone(), []);
        if let Err(error) = store.commit(batch).await {
            say(&format!("failed {number} {}", error.chain()));
            break;
        }
    }
    say(&format!("reads {}", rows(&store, &table, "").await.len()));
}

/// What [`fill`] said: why it failed, and that all that was acknowledged can be read. How many batches were.
fn check_failed(output: &std::process::Output) -> usize {
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.lines().filter_map(said).collect();
    let [failed, reads] = words[..] else { panic!("{text}") };
    let (count, message) = failed.strip_prefix("failed ").and_then(|rest| rest.split_once(' ')).unwrap();
    let count: usize = count.parse().unwrap();
    assert!(count > 0);
    assert!(message.contains("writing") && message.contains("state.sqlite"), "{message}");
    assert!(["full", "I/O"].iter().any(|cause| message.contains(cause)), "{message}");
    assert_eq!(reads, format!("reads {}", 2 * count));
    count
}

#[tokio::test]
async fn may_not_write_more() {
    let directory = Directory::new();
    // The signal would end the process; without it the write fails, as on a full disk.
    let mut command = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact child --nocapture --test-threads=1";
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command.env(TASK, format!("fill {}", directory.path().display())).stdin(Stdio::null());
    let count = check_failed(&command.output().unwrap());
    // With space again all is as it was acknowledged, and goes on.
    let store = SqliteStore::open(directory.path(), Durability::Normal).await.unwrap();
    let [table, ..] = tables();
    assert_eq!(rows(&store, &table, "").await.len(), 2 * count);
    store.commit(batch_of(0, 0, 0)).await.unwrap();
}

#[test]
fn fills_the_disk() {
    let directory = Directory::new();
    let disk = directory.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        writeln!(std::io::stderr(), "SKIPPED: the test with a full disk: no tmpfs can be mounted here").unwrap();
        return;
    }
    let output = child_command(&format!("fill {}", disk.display())).output();
    Command::new("umount").arg(&disk).status().unwrap();
    check_failed(&output.unwrap());
}

#[tokio::test]
async fn cannot_write_at_all() {
    let directory = Directory::new();
    SqliteStore::open(directory.path(), Durability::Normal).await.unwrap().close().await;
    let file = directory.path().join("state.sqlite");
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = child_command(&format!("open {}", directory.path().display()));
    if is_root {
        // Root may write whatever it likes: somebody else tries, who owns all but the database.
        for path in [directory.path().to_owned(), directory.path().join("state.lock")] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
    } else {
        let mut permissions = std::fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&file, permissions).unwrap();
    }
    let Ok(output) = command.output() else {
        writeln!(std::io::stderr(), "SKIPPED: the test of a read-only file: the user nobody may not run it").unwrap();
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let message = text.lines().find_map(said).unwrap_or_else(|| panic!("{text}"));
    assert!(message.contains("state.sqlite") && message.contains("readonly"), "{message}");
}
