//! What every backend promises, as tests. `suite::of!(fresh)` makes them of a function that gives an empty store, and
//! what must live as long as it; `None` where there is no such backend here.

#![expect(clippy::unwrap_used, reason = "tests")]

pub mod jobs;
pub mod random;
pub mod rows;
pub mod whole;

use std::sync::Arc;

use standin_model::Document;
use standin_store::{IndexEntry, Row, Scan, Space, Store, Table};

macro_rules! of {
    ($fresh:path) => {
        crate::suite::of! { $fresh;
            rows: reads_what_was_written, versions_change_with_every_write, scans_in_the_order_of_bytes,
                scans_prefixes_and_pages, finds_by_index, ranges_of_an_index, counts, checks_must_hold,
                puts_new_rows_only, the_last_write_of_a_key_counts, a_batch_is_applied_as_a_whole,
                loses_no_update, only_one_creates, clears_what_is_picked, is_quick_to_clear_and_to_write_again,
                keeps_spaces_apart, keeps_every_document, keeps_large_rows, logs_events, refuses_nothing_silently;
            jobs: runs_jobs, takes_over_from_dead_owners, releases_the_jobs_of_dead_owners, tries_failed_jobs_again, enqueues_a_key_once, puts_jobs_off,
                completes_with_its_results, no_job_is_claimed_twice, prolongs_leases, drops_jobs_with_their_space,
                wakes_workers, keeps_tokens_until_they_expire;
            random: does_what_memory_does;
            whole: a_view_is_of_one_moment, loads_at_once, merges, leaves_no_trace_of_a_dropped_load,
                keeps_tables_that_it_is_told_to;
        }
    };
    ($fresh:path; $($module:ident: $($case:ident),+;)+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            if let Some((store, _guard)) = $fresh().await {
                crate::suite::$module::$case(store).await;
            }
        }
    )+)+};
}
pub(crate) use of;

pub type Shared = Arc<dyn Store>;

pub fn table() -> Table {
    Space::new("123456789012", "eu-central-1", "things").table("thing")
}

pub fn body(number: i64) -> Document {
    Document::Map([("Number".into(), Document::Int(number))].into_iter().collect())
}

pub fn index<const N: usize>(entries: [(&'static str, &str); N]) -> Arc<[IndexEntry]> {
    entries.into_iter().map(|(index, value)| IndexEntry::new(index, value)).collect()
}

pub fn keys(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| &*row.key).collect()
}

pub async fn put(store: &Shared, table: &Table, key: &str, number: i64) -> u64 {
    let mut batch = standin_store::Batch::default();
    batch.put(table, key, body(number), []);
    store.commit(batch).await.unwrap()
}

pub async fn all(store: &Shared, table: &Table) -> Vec<Row> {
    store.scan(table, Scan { limit: usize::MAX, ..Scan::default() }).await.unwrap()
}

/// Small, seeded, the same everywhere.
pub struct Draws(pub u64);

impl Draws {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}
