//! ListMetrics.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use standin_core::{OperationError, Place};
use standin_store::Scan;

use super::series::{self, Series};
use super::{KEPT_MS, Metrics, metrics, value};
use crate::types::metrics::{Dimension, DimensionFilter, ListMetricsInput, ListMetricsOutput, Metric};

/// Metrics of one answer (of the documentation, like the time below).
const LISTED: usize = 500;
/// What `PT3H` means.
const RECENT_MS: i64 = 3 * 60 * 60 * 1000;
/// Rows that are read in one go.
const PAGE: usize = 256;

fn has(series: &Series, wanted: &DimensionFilter) -> bool {
    let is = |(name, value): &(String, String)| {
        *name == wanted.name && wanted.value.as_ref().is_none_or(|wanted| wanted == value)
    };
    series.dimensions.iter().any(is)
}

/// A metric as answers show it.
pub(super) fn shown(series: Series) -> Metric {
    let dimensions = series.dimensions.into_iter().map(|(name, value)| Dimension { name, value });
    Metric { namespace: Some(series.namespace), metric_name: Some(series.name), dimensions: Some(dimensions.collect()) }
}

impl Metrics {
    pub(super) async fn list(
        &self,
        place: &Place,
        input: &ListMetricsInput,
    ) -> Result<ListMetricsOutput, OperationError> {
        let mut after = match input.next_token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => {
                let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(key.ok_or_else(|| value("The value for parameter NextToken is invalid."))?)
            }
            None => None,
        };
        let prefix = input
            .namespace
            .as_deref()
            .map_or_else(String::new, |namespace| series::prefix(namespace, input.metric_name.as_deref()));
        let now = place.now.as_millis();
        let since = now - if input.recently_active.is_some() { RECENT_MS } else { KEPT_MS };
        let dimensions = input.dimensions.as_deref().unwrap_or_default();
        let wanted = |series: &Series| {
            input.metric_name.as_ref().is_none_or(|name| *name == series.name)
                && dimensions.iter().all(|dimension| has(series, dimension))
                && series.last >= since
        };
        let (mut found, mut next_token) = (Vec::new(), None);
        'pages: loop {
            let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: PAGE };
            let rows = self.store.scan(&metrics(place), scan).await.map_err(OperationError::internal)?;
            for row in &rows {
                let series = Series::from_row(row)?;
                if !wanted(&series) {
                    continue;
                }
                if found.len() == LISTED {
                    next_token = after.as_deref().map(|key| URL_SAFE_NO_PAD.encode(key));
                    break 'pages;
                }
                found.push(shown(series));
                after = Some(row.key.to_string());
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
                _ => break,
            }
        }
        Ok(ListMetricsOutput { metrics: Some(found), next_token, owning_accounts: None })
    }
}
