//! PublishMetrics: what environments tell of themselves.

use std::sync::Arc;

use standin_core::OperationError;
use standin_store::Batch;
use standin_typed::Shape as _;

use super::{Decided, Engine, Scope};
use crate::types::{MetricDatum, PublishMetricsInput, PublishMetricsOutput};

/// The table of the newest value of each metric, by environment and name.
const TABLE: &str = "metric";

impl Engine {
    /// Keeps the newest value of each metric, and hands all on to CloudWatch. What names no environment is accepted and dropped,
    /// as the operation models no error for it.
    pub(super) async fn publish(&self, scope: &Scope, input: &PublishMetricsInput) -> Result<Decided, OperationError> {
        let mut batch = Batch::default();
        if self.existing(scope, &input.environment_name).await.is_ok() {
            let table = scope.space().table(TABLE);
            for datum in &input.metric_data {
                let key = format!("{}/{}", input.environment_name, datum.metric_name);
                batch.put(&table, key, datum.write(), Arc::new([]) as Arc<[_]>);
            }
            if let Err(error) = self.neighbours.put_metrics(&scope.place, &input.metric_data).await {
                tracing::debug!(%error, "metrics were kept, but CloudWatch did not take them");
            }
        }
        Ok((PublishMetricsOutput {}.write(), batch))
    }

    /// Metrics of all environments in the format of Prometheus; empty where there are none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn exposition(&self) -> Result<String, OperationError> {
        let ours = standin_store::Selector { service: Some(super::SERVICE.to_owned()), ..Default::default() };
        let tables = self.store.tables(&ours).await.map_err(OperationError::internal)?;
        let mut text = String::new();
        for table in tables.iter().filter(|table| &*table.name == TABLE) {
            for row in Self::rows(&*self.store, table, "").await? {
                let Some(datum) = MetricDatum::read(&row.body) else { continue };
                let sum = datum.statistic_values.as_ref().and_then(|set| set.sum);
                let Some(value) = datum.value.or(sum) else { continue };
                let environment = row.key.split('/').next().unwrap_or_default();
                let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                text.push_str(&format!(
                    "standin_mwaa_metric{{account=\"{}\",region=\"{}\",environment=\"{environment}\",metric=\"{}\"}} {value}\n",
                    table.space.account,
                    table.space.region,
                    quoted(&datum.metric_name),
                ));
            }
        }
        if !text.is_empty() {
            text.insert_str(
                0,
                "# HELP standin_mwaa_metric The newest values that were told through PublishMetrics.\n# TYPE standin_mwaa_metric gauge\n",
            );
        }
        Ok(text)
    }

    /// Takes the metrics of an environment away.
    pub(super) async fn drop_metrics(
        &self,
        scope: &Scope,
        batch: &mut Batch,
        name: &str,
    ) -> Result<(), OperationError> {
        let table = scope.space().table(TABLE);
        for row in Self::rows(&*self.store, &table, &format!("{name}/")).await? {
            batch.delete(&table, row.key);
        }
        Ok(())
    }
}
