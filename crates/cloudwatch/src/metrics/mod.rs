//! Metrics of CloudWatch: values by the minute (and by the second where that is asked for), and what is told of them.

mod list;
mod math;
mod put;
mod query;
mod series;
mod slot;
mod statistics;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use standin_core::{Answer, BoxFuture, Call, Fidelity, Handler, OperationError, Place, codes};
use standin_model::{Document, Operation, Service, Timestamp};
use standin_store::{Batch, Range, Scan, Selector, Space, Store, Table};
use standin_typed::Shape as _;

use crate::types::metrics::{Input, OPERATIONS};
use series::Series;

/// The catalogue's id of the service.
pub const SERVICE: &str = "cloudwatch";

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long minutes are kept (of the documentation, like the next). Deviation: AWS keeps sums of five minutes and of hours for longer.
const KEPT_MS: i64 = 15 * DAY_MS;
/// How long seconds are kept, of metrics of high resolution.
const KEPT_SECONDS_MS: i64 = 3 * 60 * 60 * 1000;
/// How often it is looked for metrics of which nothing is kept any more.
const SWEEP_MS: i64 = 60 * 60 * 1000;
/// Rows that are read or deleted in one go.
const PAGE: usize = 64;

/// CloudWatch's metrics, for all accounts and regions.
pub struct Metrics {
    store: Arc<dyn Store>,
    /// Whose turn it is to write.
    puts: tokio::sync::Mutex<()>,
    /// When it was last looked for what has expired, in ms since 1970.
    swept: AtomicI64,
}

fn metrics(place: &Place) -> Table {
    Space::new(&place.account, &place.region, SERVICE).table(series::TABLE)
}

fn blocks(place: &Place) -> Table {
    Space::new(&place.account, &place.region, SERVICE).table(series::BLOCKS)
}

impl Metrics {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, puts: tokio::sync::Mutex::default(), swept: AtomicI64::new(0) }
    }

    /// The operations that are answered here.
    pub fn operations() -> impl Iterator<Item = &'static str> {
        OPERATIONS.iter().copied()
    }

    async fn call(&self, call: &mut Call) -> Result<Document, OperationError> {
        let (place, name) = (crate::place_of(&call.context), call.context.operation.name);
        let input = Input::read(name, &call.input).ok_or_else(|| {
            OperationError::new(codes::UNKNOWN_OPERATION, format!("CloudWatch has no operation {name} here."))
        })?;
        Ok(match &input {
            Input::PutMetricData(input) => {
                self.put(&place, input).await?;
                Document::map()
            }
            Input::GetMetricData(input) => self.data(&place, input).await?.write(),
            Input::GetMetricStatistics(input) => self.statistics(&place, input).await?.write(),
            Input::ListMetrics(input) => self.list(&place, input).await?.write(),
        })
    }

    /// Lets go of metrics that nobody has told of for as long as values are kept.
    async fn sweep(&self, now: Timestamp) -> Result<(), OperationError> {
        let (now, swept) = (now.as_millis(), self.swept.load(Ordering::Relaxed));
        if now < swept.saturating_add(SWEEP_MS) {
            return Ok(());
        }
        self.swept.store(now, Ordering::Relaxed);
        let ours = Selector { service: Some(SERVICE.to_owned()), ..Selector::all() };
        let tables = self.store.tables(&ours).await.map_err(OperationError::internal)?;
        for table in tables.iter().filter(|table| &*table.name == series::TABLE) {
            let to = series::by_last(now - KEPT_MS);
            let range = Range { index: series::BY_LAST, from: "", to: &to, limit: PAGE };
            for row in self.store.range(table, range).await.map_err(OperationError::internal)? {
                let blocks = table.space.table(series::BLOCKS);
                loop {
                    let prefix = series::blocks_of(&row.key);
                    let scan = Scan { prefix: &prefix, after: None, limit: PAGE };
                    let rows = self.store.scan(&blocks, scan).await.map_err(OperationError::internal)?;
                    let mut batch = Batch::default();
                    batch.check(table, row.key.clone(), Some(row.version));
                    let through = rows.len() < PAGE;
                    for row in rows {
                        batch.delete(&blocks, row.key);
                    }
                    if through {
                        batch.delete(table, row.key.clone());
                    }
                    // Where it has been told of meanwhile, it stays.
                    if !crate::commit(&*self.store, batch).await? || through {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The newest averages of all metrics of a namespace in the format of Prometheus, as gauges `PREFIX_NAME`; empty where there are
    /// none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn exposition(&self, namespace: &str, prefix: &str, now: Timestamp) -> Result<String, OperationError> {
        let ours = Selector { service: Some(SERVICE.to_owned()), ..Selector::all() };
        let tables = self.store.tables(&ours).await.map_err(OperationError::internal)?;
        let mut text = String::new();
        for table in tables.iter().filter(|table| &*table.name == series::TABLE) {
            let (within, mut after) = (series::prefix(namespace, None), None::<Arc<str>>);
            loop {
                let scan = Scan { prefix: &within, after: after.as_deref(), limit: PAGE };
                let rows = self.store.scan(table, scan).await.map_err(OperationError::internal)?;
                for row in &rows {
                    let series = Series::from_row(row)?;
                    if let Some(value) = self.newest(&table.space, &row.key, &series, now).await? {
                        let _ = writeln!(text, "{}", line(prefix, &table.space, &series, value));
                    }
                }
                match rows.last() {
                    Some(last) if rows.len() == PAGE => after = Some(last.key.clone()),
                    _ => break,
                }
            }
        }
        Ok(text)
    }
}

/// `prefix_name{account="…",…} value`.
fn line(prefix: &str, space: &Space, series: &Series, value: f64) -> String {
    let plain =
        |text: &str| -> String { text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect() };
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut labels = format!("account=\"{}\",region=\"{}\"", space.account, space.region);
    for (name, value) in &series.dimensions {
        let _ = write!(labels, ",{}=\"{}\"", plain(&name.to_lowercase()), quoted(value));
    }
    format!("{prefix}_{}{{{labels}}} {value}", plain(&series.name))
}

impl Handler for Metrics {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move { Ok(Answer::new(self.call(call).await?, Fidelity::Engine)) })
    }

    fn fidelity(&self, _: &'static Service, operation: &'static Operation) -> Fidelity {
        if OPERATIONS.contains(&operation.name) { Fidelity::Engine } else { Fidelity::Synthesized }
    }
}

fn missing(message: impl Into<String>) -> OperationError {
    OperationError::new("MissingRequiredParameterException", message)
}

fn combination(message: impl Into<String>) -> OperationError {
    OperationError::new("InvalidParameterCombinationException", message)
}

fn value(message: impl Into<String>) -> OperationError {
    OperationError::new("InvalidParameterValueException", message)
}
