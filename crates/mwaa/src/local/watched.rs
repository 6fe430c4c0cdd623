//! What an environment's Airflow tells while it runs: its logs and its metrics, on their way to CloudWatch.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use standin_core::Place;
use standin_model::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::logs::Collector;
use super::metrics::Listener;
use crate::neighbours::Neighbours;
use crate::runtime::Target;
use crate::types::LoggingConfiguration;

/// The time of standin's clock.
pub(super) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Tells until it is stopped.
pub(super) struct Watched {
    logging: watch::Sender<LoggingConfiguration>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Where metrics are listened to; nothing where no port was to be had.
    port: Option<u16>,
}

impl Watched {
    /// Begins to tell of an environment, whose files lie in a folder.
    pub(super) fn begin(neighbours: &Neighbours, now: &Now, folder: &Path, target: &Target) -> Self {
        let (logging, configured) = watch::channel(logging_of(target));
        let (stop, stopped) = watch::channel(false);
        let place = |target: &Target| {
            let (partition, account, region) =
                (target.partition.clone(), target.account.clone(), target.region.clone());
            let now = now.clone();
            move || Place {
                partition: partition.clone(),
                account: account.clone(),
                region: region.clone(),
                access_key: None,
                now: now(),
            }
        };
        let collector = Collector {
            folder: folder.to_owned(),
            name: target.name().to_owned(),
            neighbours: neighbours.clone(),
            place: Box::new(place(target)),
            logging: configured,
        };
        let mut tasks = vec![tokio::spawn(collector.run(stopped.clone()))];
        let port = match Listener::open() {
            Ok((listener, port)) => {
                let (neighbours, name) = (neighbours.clone(), target.name().to_owned());
                tasks.push(tokio::spawn(listener.run(neighbours, name, Box::new(place(target)), stopped)));
                Some(port)
            }
            Err(error) => {
                tracing::warn!(%error, environment = target.name(), "Airflow's metrics cannot be listened to");
                None
            }
        };
        Self { logging, stop, tasks, port }
    }

    /// What Airflow is told of it, as variables.
    pub(super) fn variables(port: Option<u16>) -> BTreeMap<String, String> {
        let Some(port) = port else { return BTreeMap::new() };
        [("ON", "True"), ("HOST", "127.0.0.1"), ("PORT", &port.to_string()), ("PREFIX", super::metrics::PREFIX)]
            .into_iter()
            .map(|(name, value)| (format!("AIRFLOW__METRICS__STATSD_{name}"), value.to_owned()))
            .collect()
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Tells from now on what an environment is now to tell.
    pub(super) fn configure(&self, target: &Target) {
        self.logging.send_replace(logging_of(target));
    }

    /// Tells what is left, and ends.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

fn logging_of(target: &Target) -> LoggingConfiguration {
    target.environment.logging_configuration.clone().unwrap_or_default()
}
