//! `cargo run --release --manifest-path benches/Cargo.toml -- store [ROWS]`: the store's backends with few rows and with
//! many, told in `docs/benchmarks-store.md`.
//!
//! Everything goes through the trait, in this process: what is measured is the store alone. PostgreSQL is measured where
//! `STANDIN_BENCH_DATABASE` names a database, which is emptied.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, Durability, IndexEntry, Scan, Selector, Space, Store, StoreLocation, Table, open};

use crate::report;

/// Rows of the small table.
const FEW: usize = 1000;
/// Rows of the large one, unless the command line says otherwise.
const MANY: usize = 1_000_000;
/// Tasks that fill a table at the same time.
const FILLERS: usize = 64;
/// Rows of a page.
const PAGE: usize = 100;
/// Rows with the same value in an index.
const SAME: usize = 250;
/// Reads of one kind; the median counts.
const READS: usize = 4000;
/// Writes, one after the other.
const WRITES: usize = 1000;

/// Medians with one number of rows.
#[derive(Clone, Copy, Debug, Default)]
struct Findings {
    rows: usize,
    fill: Duration,
    bytes_per_row: u64,
    create: Duration,
    update: Duration,
    get: Duration,
    first_page: Duration,
    last_page: Duration,
    index_page: Duration,
    count: Duration,
    clear: Duration,
}

pub async fn measure(many: Option<usize>) -> Result<()> {
    let many = many.unwrap_or(MANY);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let directory = std::env::temp_dir().join(format!("standin-bench-{}", std::process::id()));
    let mut found = Vec::new();
    // Memory first: the others would leave something to the allocator.
    for rows in [FEW, many] {
        found.push(("memory", backend(&StoreLocation::Memory, rows, None).await?));
    }
    let location = StoreLocation::Sqlite { directory: directory.clone(), durability: Durability::Normal };
    for rows in [FEW, many] {
        found.push(("SQLite", backend(&location, rows, Some(&directory)).await?));
        std::fs::remove_dir_all(&directory)?;
    }
    if let Ok(url) = std::env::var("STANDIN_BENCH_DATABASE") {
        for rows in [FEW, many] {
            found.push(("PostgreSQL", backend(&StoreLocation::Postgres { url: url.clone() }, rows, None).await?));
        }
    }
    let text = markdown(&found);
    print!("{text}");
    std::fs::write(root.join("docs/benchmarks-store.md"), text)?;
    Ok(())
}

fn table() -> Table {
    Space::new("123456789012", "eu-central-1", "things").table("Thing")
}

fn key(number: usize) -> String {
    // Spread over the table, as names are; the same for every run.
    format!("thing-{:08x}", (number as u32).wrapping_mul(0x9e37_79b1))
}

/// A resource as a service describes it: its own names cost nothing, as those of a model do.
fn body(number: usize) -> Document {
    let name = key(number);
    let mut tag = Fields::new();
    tag.push("Key", "team");
    tag.push("Value", format!("team-{}", number % 100));
    let mut fields = Fields::with_capacity(9);
    fields.push("Arn", format!("arn:aws:things:eu-central-1:123456789012:thing/{name}"));
    fields.push("Name", name);
    fields.push("Status", "ACTIVE");
    fields.push("Description", "What the one who made it wanted to say about it");
    fields.push("CreatedAt", Timestamp::from_millis(1_767_225_600_000 + number as i64));
    fields.push("Size", number as i64);
    fields.push("Enabled", true);
    fields.push("Role", "arn:aws:iam::123456789012:role/service-role/things");
    fields.push("Tags", vec![Document::Map(tag)]);
    Document::Map(fields)
}

fn create(batch: &mut Batch, number: usize) {
    let index = [IndexEntry::new("team", format!("team-{}", number / SAME))];
    batch.check(&table(), key(number), None).put(&table(), key(number), body(number), index);
}

async fn backend(location: &StoreLocation, rows: usize, directory: Option<&Path>) -> Result<Findings> {
    let store = open(location).await?;
    store.clear(&Selector::all()).await?;
    let before = resident_bytes()?;
    let start = Instant::now();
    fill(&store, rows).await?;
    let mut found = Findings { rows, fill: start.elapsed(), ..Findings::default() };
    let bytes = match directory {
        Some(directory) => {
            let files = std::fs::read_dir(directory)?;
            files.map(|file| Ok(file?.metadata()?.len())).sum::<Result<u64>>()?
        }
        None if *location == StoreLocation::Memory => resident_bytes()?.saturating_sub(before),
        None => 0,
    };
    found.bytes_per_row = bytes / rows as u64;

    let table = table();
    let mut keys: Vec<String> = (0..rows).map(key).collect();
    keys.sort_unstable();
    let at = |number: usize| &keys[(number.wrapping_mul(7_919_993)) % rows];
    let mut times = Times::default();
    for number in 0..READS {
        times.of(async { store.get(&table, at(number)).await }).await?.context("a row that was made")?;
    }
    found.get = times.median();
    let last = &keys[rows - PAGE - 1];
    for _ in 0..READS / 8 {
        let page = times.of(async { store.scan(&table, Scan { prefix: "", after: None, limit: PAGE }).await }).await?;
        anyhow::ensure!(page.len() == PAGE && *page[0].key == *keys[0]);
    }
    found.first_page = times.median();
    for _ in 0..READS / 8 {
        let page =
            times.of(async { store.scan(&table, Scan { prefix: "", after: Some(last), limit: PAGE }).await }).await?;
        anyhow::ensure!(page.len() == PAGE && *page[PAGE - 1].key == *keys[rows - 1]);
    }
    found.last_page = times.median();
    for number in 0..READS / 8 {
        let team = format!("team-{}", number % (rows / SAME));
        let page = times.of(async { store.find(&table, "team", &team, None, PAGE).await }).await?;
        anyhow::ensure!(page.len() == PAGE);
    }
    found.index_page = times.median();
    for _ in 0..9 {
        anyhow::ensure!(times.of(async { store.count(&table, "").await }).await? == rows as u64);
    }
    found.count = times.median();
    for number in 0..WRITES {
        let row = store.get(&table, at(number)).await?.context("a row that was made")?;
        let mut batch = Batch::default();
        batch.check(&table, row.key.clone(), Some(row.version)).put(&table, row.key, row.body, row.index);
        times.of(async { store.commit(batch).await }).await?;
    }
    found.update = times.median();
    for number in rows..rows + WRITES {
        let mut batch = Batch::default();
        create(&mut batch, number);
        times.of(async { store.commit(batch).await }).await?;
    }
    found.create = times.median();
    times.of(async { store.clear(&Selector::all()).await }).await?;
    found.clear = times.median();
    eprintln!("{location:?}: {found:?}");
    Ok(found)
}

/// Makes rows one by one, many at the same time, as clients do.
async fn fill(store: &Arc<dyn Store>, rows: usize) -> Result<()> {
    let fillers = FILLERS.min(rows);
    let tasks: Vec<_> = (0..fillers)
        .map(|filler| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (filler..rows).step_by(fillers) {
                    let mut batch = Batch::default();
                    create(&mut batch, number);
                    store.commit(batch).await?;
                }
                Ok::<(), standin_store::StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    async fn of<T>(&mut self, call: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let answer = call.await;
        self.0.push(start.elapsed());
        answer
    }

    fn median(&mut self) -> Duration {
        self.0.sort_unstable();
        let median = self.0[self.0.len() / 2];
        self.0.clear();
        median
    }
}

fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).context("the second number")?.parse()?;
    Ok(pages * 4096)
}

fn markdown(found: &[(&str, Findings)]) -> String {
    let micros = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
    let mut text = String::from(
        "# The store at size\n\nWritten by `cargo run --release --manifest-path benches/Cargo.toml -- store`. Medians in \
        microseconds of single\ncalls of the store, in one process, without HTTP. A row is a resource of nine members with \
        one index entry; a page is\n100 rows; creates and updates check the row's version. `fill` is with 64 tasks at the \
        same time.\n\n\
        | backend | rows | fill, rows/s | bytes/row | create | update | get | first page | last page | index page | count | clear |\n\
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (name, one) in found {
        let per_second = one.rows as f64 / one.fill.as_secs_f64();
        let bytes = if one.bytes_per_row == 0 { "-".to_owned() } else { one.bytes_per_row.to_string() };
        let times =
            [one.create, one.update, one.get, one.first_page, one.last_page, one.index_page, one.count, one.clear];
        let times = times.map(micros).join(" | ");
        let _ = writeln!(text, "| {name} | {} | {per_second:.0} | {bytes} | {times} |", one.rows);
    }
    text.push_str("\nFrom few rows to many, and compared to memory with many:\n\n");
    text.push_str("| backend | | create | update | get | first page | last page | index page |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    let times = |one: &Findings| [one.create, one.update, one.get, one.first_page, one.last_page, one.index_page];
    let ratio = |one: &Findings, other: &Findings| report::ratios(&times(one), &times(other));
    let memory = found.iter().rfind(|(name, _)| *name == "memory").map(|(_, one)| *one);
    for pair in found.chunks(2) {
        let [(name, few), (_, many)] = pair else { continue };
        let _ = writeln!(text, "| {name} | {} rows to {} | {} |", few.rows, many.rows, ratio(many, few));
        if let Some(memory) = memory.filter(|_| *name != "memory") {
            let _ = writeln!(text, "| {name} | to memory | {} |", ratio(many, &memory));
        }
    }
    text
}
