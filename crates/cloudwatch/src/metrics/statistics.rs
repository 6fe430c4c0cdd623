//! GetMetricStatistics, and the reading of blocks.

use std::collections::BTreeMap;

use standin_core::{OperationError, Place};
use standin_model::Timestamp;
use standin_store::{Scan, Space};

use super::series::{self, Block, Resolution, Series};
use super::slot::{Slot, Statistic};
use super::{Metrics, SERVICE, combination, metrics, missing, value};
use crate::types::metrics::{Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput, StandardUnit};

/// Data points of one answer (of the documentation).
const POINTS_MAX: i64 = 1440;
/// Blocks that are read in one go.
const PAGE: usize = 32;
/// How far back it is looked for a metric's newest value.
const NEWEST_SECONDS: i64 = 60 * 60;

/// Spans of time: all of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Periods {
    /// Seconds since 1970.
    pub start: i64,
    /// Not included.
    pub end: i64,
    pub seconds: i64,
}

impl Periods {
    /// Where the period of a time begins.
    fn of(self, seconds: i64) -> i64 {
        self.start + (seconds - self.start).div_euclid(self.seconds) * self.seconds
    }

    fn resolution(self) -> Resolution {
        if self.seconds < Resolution::Minutes.seconds() { Resolution::Seconds } else { Resolution::Minutes }
    }
}

/// Whether a period is one of the lengths that there are.
pub(super) fn is_period(seconds: i64) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || seconds > 0 && seconds % 60 == 0
}

impl Metrics {
    /// What is known of a metric: its key and itself.
    pub(super) async fn known(
        &self,
        place: &Place,
        wanted: &Series,
    ) -> Result<Option<(String, Series)>, OperationError> {
        let key = wanted.key();
        let row = self.store.get(&metrics(place), &key).await.map_err(OperationError::internal)?;
        row.map(|row| Ok((key, Series::from_row(&row)?))).transpose()
    }

    /// The values of a metric in one unit, by the begin of their periods.
    pub(super) async fn values(
        &self,
        space: &Space,
        key: &str,
        unit: &str,
        periods: Periods,
    ) -> Result<BTreeMap<i64, Slot>, OperationError> {
        let (resolution, table) = (periods.resolution(), space.table(series::BLOCKS));
        let prefix = series::blocks_in(key, unit, resolution);
        let first = resolution.block(periods.start.max(0));
        // Behind the block before.
        let mut after = series::block_key(&prefix, first - 1);
        let mut found: BTreeMap<i64, Slot> = BTreeMap::new();
        'blocks: loop {
            let scan = Scan { prefix: &prefix, after: Some(&after), limit: PAGE };
            let rows = self.store.scan(&table, scan).await.map_err(OperationError::internal)?;
            for row in &rows {
                let block = Block::from_row(row)?;
                for (at, slot) in &block.slots {
                    let time = block.begin + at * resolution.seconds();
                    if time >= periods.end {
                        break 'blocks;
                    }
                    if time >= periods.start {
                        found.entry(periods.of(time)).or_default().add(slot);
                    }
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = last.key.to_string(),
                _ => break,
            }
        }
        Ok(found)
    }

    /// The average of the newest minute of a metric, where it is not long ago.
    pub(super) async fn newest(
        &self,
        space: &Space,
        key: &str,
        series: &Series,
        now: Timestamp,
    ) -> Result<Option<f64>, OperationError> {
        let end = now.seconds + NEWEST_SECONDS;
        let periods = Periods { start: now.seconds.div_euclid(60) * 60 - NEWEST_SECONDS, end, seconds: 60 };
        let mut newest = None;
        for unit in &series.units {
            let values = self.values(space, key, unit, periods).await?;
            let last = values.last_key_value().map(|(time, slot)| (*time, slot.tell(Statistic::Average)));
            newest = newest.max_by_time(last);
        }
        Ok(newest.and_then(|(_, average)| average))
    }

    pub(super) async fn statistics(
        &self,
        place: &Place,
        input: &GetMetricStatisticsInput,
    ) -> Result<GetMetricStatisticsOutput, OperationError> {
        if !is_period(input.period) {
            return Err(value(format!(
                "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60; it is {}.",
                input.period
            )));
        }
        let (start, end) = (input.start_time.seconds, input.end_time.seconds);
        if start >= end {
            return Err(value("The parameter StartTime must be less than the parameter EndTime."));
        }
        let points = (end - start).div_euclid(input.period);
        if points > POINTS_MAX {
            return Err(combination(format!(
                "You have requested up to {points} datapoints, which exceeds the limit of {POINTS_MAX}. You may reduce the \
                 datapoints requested by increasing Period, or decreasing the time range."
            )));
        }
        let plain = input.statistics.as_deref().unwrap_or_default();
        let extended = input.extended_statistics.as_deref().unwrap_or_default();
        if plain.is_empty() && extended.is_empty() {
            return Err(missing("At least one of the parameters Statistics and ExtendedStatistics must be specified."));
        }
        let extended = extended.iter().map(|text| match Statistic::parse(text) {
            Some(statistic @ Statistic::Percentile(_)) => Ok((text.clone(), statistic)),
            _ => Err(value(format!(
                "The value {text} for parameter ExtendedStatistics is not supported; percentiles are, as p99.9."
            ))),
        });
        let extended: Vec<(String, Statistic)> = extended.collect::<Result<_, _>>()?;
        let wanted = Series::new(&input.namespace, &input.metric_name, input.dimensions.as_deref().unwrap_or_default());
        let mut output =
            GetMetricStatisticsOutput { label: Some(input.metric_name.clone()), datapoints: Some(Vec::new()) };
        let Some((key, known)) = self.known(place, &wanted).await? else { return Ok(output) };
        let start = if input.period < 60 { start } else { start.div_euclid(60) * 60 };
        let periods = Periods { start, end, seconds: input.period };
        let space = Space::new(&place.account, &place.region, SERVICE);
        let mut points = Vec::new();
        for unit in StandardUnit::ALL.iter().filter(|unit| known.units.iter().any(|known| known == unit.as_str())) {
            if input.unit.is_some_and(|wanted| wanted != *unit) {
                continue;
            }
            for (time, slot) in self.values(&space, &key, unit.as_str(), periods).await? {
                let told = |name: &str| {
                    let asked = plain.iter().any(|statistic| statistic.as_str() == name);
                    asked.then(|| Statistic::parse(name).and_then(|statistic| slot.tell(statistic))).flatten()
                };
                let more: BTreeMap<String, f64> = extended
                    .iter()
                    .filter_map(|(name, statistic)| Some((name.clone(), slot.tell(*statistic)?)))
                    .collect();
                points.push(Datapoint {
                    timestamp: Some(Timestamp::from_seconds(time)),
                    sample_count: told("SampleCount"),
                    average: told("Average"),
                    sum: told("Sum"),
                    minimum: told("Minimum"),
                    maximum: told("Maximum"),
                    unit: Some(*unit),
                    extended_statistics: (!more.is_empty()).then_some(more),
                });
            }
        }
        points.sort_by_key(|point| point.timestamp);
        output.datapoints = Some(points);
        Ok(output)
    }
}

/// The later of two values.
trait Later {
    fn max_by_time(self, other: Self) -> Self;
}

impl Later for Option<(i64, Option<f64>)> {
    fn max_by_time(self, other: Self) -> Self {
        match (self, other) {
            (Some(one), Some(two)) => Some(if two.0 > one.0 { two } else { one }),
            (one, two) => one.or(two),
        }
    }
}
