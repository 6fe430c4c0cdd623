//! GetMetricData.

use std::collections::BTreeMap;

use standin_core::{OperationError, Place};
use standin_model::Timestamp;
use standin_store::Space;

use super::math::{Expression, Points, Surroundings, Value};
use super::series::Series;
use super::slot::{Slot, Statistic};
use super::statistics::{Periods, is_period};
use super::{Metrics, SERVICE};
use crate::types::metrics::{
    GetMetricDataInput, GetMetricDataOutput, MetricDataQuery, MetricDataResult, ScanBy, StandardUnit, StatusCode,
};

/// Queries of one call (of the documentation, like the next).
const QUERIES_MAX: usize = 500;
/// Data points of one answer.
const POINTS_MAX: usize = 100_800;
/// The period of expressions over nothing that has one.
const PERIOD: i64 = 60;

fn invalid(message: impl Into<String>) -> OperationError {
    OperationError::new("ValidationException", message)
}

/// What a query asks for.
enum Asked {
    Metric { series: Series, period: i64, statistic: Statistic, unit: Option<&'static str>, label: String },
    Expression { expression: Expression, period: Option<i64> },
}

impl Asked {
    fn read(query: &MetricDataQuery) -> Result<Self, OperationError> {
        let id = &query.id;
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || !id.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(invalid(format!(
                "The value {id} for parameter Id must begin with a lower case letter, and have letters, digits and underscores only."
            )));
        }
        let checked = |period: i64| {
            let why =
                || invalid(format!("The Period of {id} must be 1, 5, 10, 20, 30 or a multiple of 60; it is {period}."));
            is_period(period).then_some(period).ok_or_else(why)
        };
        match (&query.metric_stat, &query.expression) {
            (Some(asked), None) => {
                let metric = &asked.metric;
                let (Some(namespace), Some(name)) = (&metric.namespace, &metric.metric_name) else {
                    return Err(invalid(format!("The metric of {id} needs a Namespace and a MetricName.")));
                };
                let statistic = Statistic::parse(&asked.stat).ok_or_else(|| {
                    invalid(format!(
                        "The Stat {} of {id} is not supported; SampleCount, Average, Sum, Minimum, Maximum and percentiles (p99.9) are.",
                        asked.stat
                    ))
                })?;
                Ok(Self::Metric {
                    series: Series::new(namespace, name, metric.dimensions.as_deref().unwrap_or_default()),
                    period: checked(asked.period)?,
                    statistic,
                    unit: asked.unit.map(StandardUnit::as_str),
                    label: query.label.clone().unwrap_or_else(|| name.clone()),
                })
            }
            (None, Some(text)) => {
                let expression =
                    Expression::parse(text).map_err(|why| invalid(format!("Error in expression '{id}': {why}.")))?;
                Ok(Self::Expression { expression, period: query.period.map(checked).transpose()? })
            }
            _ => Err(invalid(format!("The query {id} needs either a MetricStat or an Expression."))),
        }
    }
}

/// The queries of a call, and what has been found for them.
struct Work<'w> {
    metrics: &'w Metrics,
    place: &'w Place,
    asked: BTreeMap<String, Asked>,
    start: i64,
    end: i64,
    results: BTreeMap<String, Value>,
    /// Of each result, in seconds.
    periods: BTreeMap<String, i64>,
}

impl Work<'_> {
    async fn metric(
        &self,
        series: &Series,
        period: i64,
        statistic: Statistic,
        unit: Option<&str>,
    ) -> Result<Points, OperationError> {
        let Some((key, known)) = self.metrics.known(self.place, series).await? else { return Ok(Points::new()) };
        let space = Space::new(&self.place.account, &self.place.region, SERVICE);
        let periods = Periods { start: self.start.div_euclid(period) * period, end: self.end, seconds: period };
        let mut all: BTreeMap<i64, Slot> = BTreeMap::new();
        for own in known.units.iter().filter(|own| unit.is_none_or(|unit| unit == *own)) {
            for (time, slot) in self.metrics.values(&space, &key, own, periods).await? {
                all.entry(time).or_default().add(&slot);
            }
        }
        Ok(all.into_iter().filter_map(|(time, slot)| Some((time, slot.tell(statistic)?))).collect())
    }

    /// Reads all metrics, and works out all expressions, each after those that it needs.
    async fn run(&mut self) -> Result<(), OperationError> {
        let ids: Vec<String> = self.asked.keys().cloned().collect();
        let mut metrics = Vec::new();
        for id in &ids {
            if let Asked::Metric { series, period, statistic, unit, .. } = &self.asked[id] {
                let points = self.metric(series, *period, *statistic, *unit).await?;
                self.periods.insert(id.clone(), *period);
                self.results.insert(id.clone(), Value::Points(points));
                metrics.push(id.clone());
            }
        }
        loop {
            let mut left = Vec::new();
            let mut moved = false;
            for id in &ids {
                let Asked::Expression { expression, period } = &self.asked[id] else { continue };
                if self.results.contains_key(id) {
                    continue;
                }
                let (mut needs, mut all) = (Vec::new(), false);
                expression.needs(&mut needs, &mut all);
                if let Some(unknown) = needs.iter().find(|need| !self.asked.contains_key(*need)) {
                    return Err(invalid(format!("Error in expression '{id}': there is no query '{unknown}'.")));
                }
                if !needs.iter().all(|need| self.results.contains_key(need)) {
                    left.push(id.clone());
                    continue;
                }
                if all {
                    needs.extend(metrics.iter().cloned());
                }
                // Of metrics with different periods, the longest.
                let longest = needs.iter().filter_map(|need| self.periods.get(need)).max();
                let period = period.or(longest.copied()).unwrap_or(PERIOD);
                let first = self.start.div_euclid(period) * period;
                let count = (self.end - first).div_euclid(period).saturating_add(1).min(POINTS_MAX as i64);
                let times: Vec<i64> =
                    (0..count).map(|at| first + at * period).filter(|time| *time < self.end).collect();
                let around = Surroundings { results: &self.results, metrics: &metrics, period, times: &times };
                let value = around
                    .work_out(expression)
                    .map_err(|why| invalid(format!("Error in expression '{id}': {why}.")))?;
                let value = match value {
                    Value::Number(number) => Value::Points(times.iter().map(|time| (*time, number)).collect()),
                    other => other,
                };
                self.periods.insert(id.clone(), period);
                self.results.insert(id.clone(), value);
                moved = true;
            }
            if left.is_empty() {
                return Ok(());
            }
            if !moved {
                return Err(invalid(format!("The expressions {} need each other.", left.join(", "))));
            }
        }
    }
}

impl Metrics {
    pub(super) async fn data(
        &self,
        place: &Place,
        input: &GetMetricDataInput,
    ) -> Result<GetMetricDataOutput, OperationError> {
        let queries = &input.metric_data_queries;
        if queries.is_empty() || queries.len() > QUERIES_MAX {
            return Err(invalid(format!("A call has 1 to {QUERIES_MAX} queries; this one has {}.", queries.len())));
        }
        let (start, end) = (input.start_time.seconds, input.end_time.seconds);
        if start >= end {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let offset = match input.next_token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => token.parse::<usize>().map_err(|_| {
                OperationError::new("InvalidNextToken", "The value for parameter NextToken is invalid.")
            })?,
            None => 0,
        };
        let mut asked = BTreeMap::new();
        for query in queries {
            if asked.insert(query.id.clone(), Asked::read(query)?).is_some() {
                return Err(invalid(format!("The value {} for parameter Id is there twice.", query.id)));
            }
        }
        let (results, periods) = (BTreeMap::new(), BTreeMap::new());
        let mut work = Work { metrics: self, place, asked, start, end, results, periods };
        work.run().await?;
        let mut found = Vec::new();
        for query in queries.iter().filter(|query| query.return_data != Some(false)) {
            let label = match &work.asked[&query.id] {
                Asked::Metric { label, .. } => label.clone(),
                Asked::Expression { .. } => query.label.clone().unwrap_or_else(|| query.id.clone()),
            };
            match work.results.remove(&query.id) {
                Some(Value::Points(points)) => found.push((query.id.clone(), label, points)),
                Some(Value::Many(many)) => found.extend(many.into_iter().map(|(own, points)| {
                    let label = if own.is_empty() { label.clone() } else { format!("{label} {own}") };
                    (query.id.clone(), label, points)
                })),
                Some(Value::Number(_)) | None => {}
            }
        }
        let limit = input.max_datapoints.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        Ok(paged(found, input.scan_by, offset, limit.map_or(POINTS_MAX, |limit| limit.min(POINTS_MAX))))
    }
}

/// A page of results: those of `limit` points from the one at `offset` on, counted over all results.
fn paged(
    found: Vec<(String, String, Points)>,
    order: Option<ScanBy>,
    offset: usize,
    limit: usize,
) -> GetMetricDataOutput {
    let (mut results, mut seen, mut more) = (Vec::new(), 0, false);
    for (id, label, points) in found {
        let mut points: Vec<(i64, f64)> = points.into_iter().collect();
        if order != Some(ScanBy::TimestampAscending) {
            points.reverse();
        }
        let (from, to) = (seen, seen + points.len());
        seen = to;
        let low = offset.clamp(from, to) - from;
        let high = offset.saturating_add(limit).clamp(from, to) - from;
        more |= high < to - from;
        // What an earlier page has told in full is not told again.
        if offset > 0 && offset >= to {
            continue;
        }
        let shown = &points[low..high];
        results.push(MetricDataResult {
            id: Some(id),
            label: Some(label),
            timestamps: Some(shown.iter().map(|(time, _)| Timestamp::from_seconds(*time)).collect()),
            values: Some(shown.iter().map(|(_, value)| *value).collect()),
            status_code: Some(if high < to - from { StatusCode::PartialData } else { StatusCode::Complete }),
            messages: None,
        });
    }
    let next_token = more.then(|| (offset + limit).to_string());
    GetMetricDataOutput { metric_data_results: Some(results), next_token, messages: Some(Vec::new()) }
}
