//! PutMetricData.

use std::collections::BTreeMap;
use std::sync::Arc;

use standin_core::{OperationError, Place};
use standin_store::{Batch, Scan, Table};

use super::series::{self, Block, Resolution, Series};
use super::slot::Slot;
use super::{KEPT_MS, KEPT_SECONDS_MS, Metrics, blocks, combination, metrics, missing, value};
use crate::types::metrics::{MetricDatum, PutMetricDataInput, StandardUnit};

/// Of one call (of the documentation, like the numbers below).
const DATA_MAX: usize = 1000;
const VALUES_MAX: usize = 150;
/// Values lie between this and its negative.
const VALUE_MAX: f64 = 1.174_271e108;
/// Older values are refused.
const AGE_MAX_MS: i64 = 14 * 24 * 60 * 60 * 1000;
/// Values that lie further in the future are refused.
const AHEAD_MAX_MS: i64 = 2 * 60 * 60 * 1000;
/// How long it may take until it is known that a metric was heard of.
const LAST_MS: i64 = 5 * 60 * 1000;
/// Blocks that one call looks at when it makes room.
const DROPPED_MAX: usize = 8;

/// The values of a datum.
fn slot_of(datum: &MetricDatum, at: &str) -> Result<Slot, OperationError> {
    let given = [datum.value.is_some(), datum.values.is_some(), datum.statistic_values.is_some()];
    match given.into_iter().filter(|given| *given).count() {
        0 => return Err(missing(format!("{at} needs one of Value, Values and StatisticValues."))),
        1 => {}
        _ => return Err(combination(format!("{at} has more than one of Value, Values and StatisticValues."))),
    }
    let within = |name: &str, number: f64| {
        if number.is_finite() && number.abs() <= VALUE_MAX {
            Ok(number)
        } else {
            Err(value(format!("The value {number} for parameter {at}.{name} is invalid.")))
        }
    };
    if let Some(set) = &datum.statistic_values {
        let count = within("StatisticValues.SampleCount", set.sample_count)?;
        let (minimum, maximum) =
            (within("StatisticValues.Minimum", set.minimum)?, within("StatisticValues.Maximum", set.maximum)?);
        if count < 0.0 || minimum > maximum {
            return Err(value(format!("{at}.StatisticValues tells {count} values between {minimum} and {maximum}.")));
        }
        return Ok(Slot::of_sums(count, within("StatisticValues.Sum", set.sum)?, minimum, maximum));
    }
    if let Some(number) = datum.value {
        return Ok(Slot::of_values([(within("Value", number)?, 1.0)].into_iter()));
    }
    let values = datum.values.as_deref().unwrap_or_default();
    let counts = datum.counts.as_deref();
    if values.len() > VALUES_MAX {
        return Err(value(format!("{at}.Values has {} values; {VALUES_MAX} are allowed.", values.len())));
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(value(format!("{at}.Values and {at}.Counts must be of the same length.")));
    }
    let count = |at: usize| counts.map_or(1.0, |counts| counts[at]);
    let mut pairs = Vec::with_capacity(values.len());
    for (at, number) in values.iter().enumerate() {
        let count = within("Counts", count(at))?;
        if count < 0.0 {
            return Err(value("Counts must not be negative."));
        }
        pairs.push((within("Values", *number)?, count));
    }
    Ok(Slot::of_values(pairs.into_iter().filter(|(_, count)| *count > 0.0)))
}

/// What a call brings: by metric, and by the blocks that its values go to.
#[derive(Default)]
struct Brought {
    series: BTreeMap<String, Series>,
    /// By key: the block, its prefix and what is older than the blocks that are kept.
    blocks: BTreeMap<String, (Block, String, i64)>,
}

impl Brought {
    fn read(place: &Place, input: &PutMetricDataInput) -> Result<Self, OperationError> {
        let grouped = input.entity_metric_data.iter().flatten().flat_map(|data| data.metric_data.iter().flatten());
        let data: Vec<&MetricDatum> = input.metric_data.iter().flatten().chain(grouped).collect();
        if data.is_empty() {
            return Err(missing("The parameter MetricData is required."));
        }
        if data.len() > DATA_MAX {
            return Err(value(format!("MetricData has {} members; {DATA_MAX} are allowed.", data.len())));
        }
        let now = place.now.as_millis();
        let mut brought = Self::default();
        for (at, datum) in data.into_iter().enumerate() {
            let at = format!("MetricData.member.{}", at + 1);
            let slot = slot_of(datum, &at)?;
            let time = datum.timestamp.map_or(now, standin_model::Timestamp::as_millis);
            if time < now - AGE_MAX_MS || time > now + AHEAD_MAX_MS {
                return Err(value(format!(
                    "The parameter {at}.Timestamp must specify a time within the past two weeks and the next two hours."
                )));
            }
            if let Some(wrong) = datum.storage_resolution.filter(|resolution| !matches!(resolution, 1 | 60)) {
                return Err(value(format!(
                    "The value {wrong} for parameter {at}.StorageResolution is neither 1 nor 60."
                )));
            }
            let mut series =
                Series::new(&input.namespace, &datum.metric_name, datum.dimensions.as_deref().unwrap_or_default());
            if let Some(twice) = series.dimensions.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(value(format!("{at} has the dimension {} twice.", twice[0].0)));
            }
            let key = series.key();
            let unit = datum.unit.unwrap_or(StandardUnit::None).as_str();
            let mut keep = |resolution: Resolution, kept_ms: i64| {
                let seconds = time.div_euclid(1000);
                let (begin, prefix) = (resolution.block(seconds), series::blocks_in(&key, unit, resolution));
                let entry = brought.blocks.entry(series::block_key(&prefix, begin));
                let (block, ..) = entry
                    .or_insert_with(|| (Block { begin, ..Block::default() }, prefix, (now - kept_ms).div_euclid(1000)));
                block.slots.entry((seconds - begin) / resolution.seconds()).or_default().add(&slot);
            };
            keep(Resolution::Minutes, KEPT_MS);
            if datum.storage_resolution == Some(1) {
                keep(Resolution::Seconds, KEPT_SECONDS_MS);
            }
            series.last = time;
            let known = brought.series.entry(key).or_insert(series);
            known.last = known.last.max(time);
            if !known.units.iter().any(|known| known == unit) {
                known.units.push(unit.to_owned());
                known.units.sort();
            }
        }
        Ok(brought)
    }
}

impl Metrics {
    pub(super) async fn put(&self, place: &Place, input: &PutMetricDataInput) -> Result<(), OperationError> {
        let brought = Brought::read(place, input)?;
        // Calls about the same metric would only make each other decide anew.
        let turn = self.puts.lock().await;
        for _ in 0..crate::ATTEMPTS_MAX {
            let batch = self.decide(place, &brought).await?;
            if crate::commit(&*self.store, batch).await? {
                drop(turn);
                return self.sweep(place.now).await;
            }
        }
        Err(OperationError::new(
            "InternalServiceFault",
            "The metrics are being written to by too many others; try again.",
        ))
    }

    async fn decide(&self, place: &Place, brought: &Brought) -> Result<Batch, OperationError> {
        let mut batch = Batch::default();
        let table = metrics(place);
        for (key, series) in &brought.series {
            let row = self.store.get(&table, key).await.map_err(OperationError::internal)?;
            let mut merged = series.clone();
            if let Some(row) = &row {
                let known = Series::from_row(row)?;
                let told = series.units.iter().all(|unit| known.units.contains(unit));
                if told && series.last < known.last + LAST_MS {
                    continue;
                }
                merged.last = merged.last.max(known.last);
                merged.units.extend(known.units);
                merged.units.sort();
                merged.units.dedup();
            }
            batch.check(&table, key.as_str(), row.map(|row| row.version));
            batch.put(&table, key.as_str(), merged.body(), merged.index());
        }
        let table = blocks(place);
        for (key, (block, prefix, oldest)) in &brought.blocks {
            let row = self.store.get(&table, key).await.map_err(OperationError::internal)?;
            let mut merged = match &row {
                Some(row) => Block::from_row(row)?,
                None => {
                    self.make_room(&table, prefix, *oldest, &mut batch).await?;
                    Block { begin: block.begin, ..Block::default() }
                }
            };
            for (at, slot) in &block.slots {
                merged.slots.entry(*at).or_default().add(slot);
            }
            batch.check(&table, key.as_str(), row.map(|row| row.version));
            batch.put(&table, key.as_str(), merged.body(), Arc::new([]) as Arc<[_]>);
        }
        Ok(batch)
    }

    /// Lets go of the oldest blocks of a metric that begins a new one.
    async fn make_room(
        &self,
        table: &Table,
        prefix: &str,
        oldest: i64,
        batch: &mut Batch,
    ) -> Result<(), OperationError> {
        let scan = Scan { prefix, after: None, limit: DROPPED_MAX };
        let end = series::block_key(prefix, oldest - Resolution::Minutes.seconds() * series::SLOTS);
        for row in self.store.scan(table, scan).await.map_err(OperationError::internal)? {
            if *row.key < *end {
                batch.delete(table, row.key);
            }
        }
        Ok(())
    }
}
