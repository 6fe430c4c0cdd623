//! Airflow's metrics: StatsD over UDP, put into CloudWatch under the names that MWAA gives them.

mod names;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use standin_core::Place;
use standin_model::{Document, Fields};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::neighbours::Neighbours;
use names::Named;

/// What Airflow puts before all its names.
pub(super) const PREFIX: &str = "airflow";
/// How often what has come is handed on; CloudWatch makes minutes of it.
const ROUND: Duration = Duration::from_secs(10);
/// The longest datagram that there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Metrics of one round; of others nothing is kept.
const SERIES_MAX: usize = 5_000;
/// Different values of a metric in one round: as many as CloudWatch takes in one datum.
const VALUES_MAX: usize = 150;
/// Data of one call.
const CALL_DATA_MAX: usize = 500;

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample<'d> {
    name: &'d str,
    value: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// So many more.
    Counted(f64),
    /// It is so much now.
    Is(f64),
    /// So much more, or less, than before.
    Changed(f64),
    /// It took so long, in milliseconds.
    Took(f64),
}

/// Reads `name:value|type|@rate|#tags`; nothing where it is none.
fn parse(line: &str) -> Option<Sample<'_>> {
    let mut parts = line.trim().split('|');
    let (name, value) = parts.next()?.split_once(':')?;
    let kind = parts.next()?;
    let number: f64 = value.parse().ok().filter(|number: &f64| number.is_finite())?;
    let rate = parts.find_map(|part| part.strip_prefix('@')?.parse::<f64>().ok());
    let rate = rate.filter(|rate| *rate > 0.0 && *rate <= 1.0).unwrap_or(1.0);
    let value = match kind {
        "c" => Reading::Counted(number / rate),
        "g" if value.starts_with(['+', '-']) => Reading::Changed(number),
        "g" => Reading::Is(number),
        "ms" => Reading::Took(number),
        _ => return None,
    };
    let name = name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix('.')).unwrap_or(name);
    (!name.is_empty()).then_some(Sample { name, value })
}

/// What has come since the last round.
#[derive(Default)]
struct Gathered {
    /// By metric: each value, as bits, with how often it came.
    series: BTreeMap<Named, BTreeMap<u64, f64>>,
    /// The newest value of each gauge.
    gauges: BTreeMap<Named, f64>,
}

impl Gathered {
    fn take(&mut self, datagram: &str) {
        for sample in datagram.lines().filter_map(parse) {
            let Some(named) = Named::of(sample.name) else { continue };
            let known = self.series.contains_key(&named);
            if !known && (self.series.len() >= SERIES_MAX || self.gauges.len() >= SERIES_MAX) {
                continue;
            }
            let value = match sample.value {
                // Airflow counts by nothing to make a name known.
                Reading::Counted(0.0) => continue,
                Reading::Counted(number) => number,
                Reading::Took(ms) if named.unit == "Seconds" => ms / 1000.0,
                Reading::Took(ms) => ms,
                Reading::Is(number) => {
                    self.gauges.insert(named.clone(), number);
                    number
                }
                Reading::Changed(by) => {
                    let gauge = self.gauges.entry(named.clone()).or_default();
                    *gauge += by;
                    *gauge
                }
            };
            let values = self.series.entry(named).or_default();
            if values.len() < VALUES_MAX || values.contains_key(&value.to_bits()) {
                *values.entry(value.to_bits()).or_default() += 1.0;
            }
        }
    }

    /// What has come, as data of CloudWatch's; gauges go on from where they are.
    fn data(&mut self, environment: &str, place: &Place) -> Vec<Document> {
        let dimension = |name: &str, value: &str| {
            let mut fields = Fields::with_capacity(2);
            fields.push("Name", name.to_owned());
            fields.push("Value", value.to_owned());
            Document::Map(fields)
        };
        std::mem::take(&mut self.series)
            .into_iter()
            .map(|(named, values)| {
                let mut dimensions: Vec<Document> =
                    named.dimensions.iter().map(|(name, value)| dimension(name, value)).collect();
                dimensions.push(dimension("Environment", environment));
                let mut fields = Fields::with_capacity(6);
                fields.push("MetricName", named.metric);
                fields.push("Dimensions", dimensions);
                fields.push("Timestamp", place.now);
                fields.push(
                    "Values",
                    values.keys().map(|bits| Document::from(f64::from_bits(*bits))).collect::<Vec<_>>(),
                );
                fields.push("Counts", values.values().map(|count| Document::from(*count)).collect::<Vec<_>>());
                fields.push("Unit", named.unit);
                Document::Map(fields)
            })
            .collect()
    }
}

/// A port of 127.0.0.1 to which an environment's Airflow sends its metrics.
pub(super) struct Listener {
    socket: tokio::net::UdpSocket,
}

impl Listener {
    /// Takes a free port.
    pub(super) fn open() -> io::Result<(Self, u16)> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok((Self { socket: tokio::net::UdpSocket::from_std(socket)? }, port))
    }

    /// Hands on what comes until it is to stop.
    pub(super) async fn run(
        self,
        neighbours: Neighbours,
        environment: String,
        place: Box<dyn Fn() -> Place + Send + Sync>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut gathered = Gathered::default();
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stop = tokio::select! {
                received = self.socket.recv(&mut buffer) => {
                    if let Ok(length) = received {
                        gathered.take(&String::from_utf8_lossy(&buffer[..length]));
                    }
                    continue;
                }
                _ = rounds.tick() => false,
                _ = stopped.wait_for(|stop| *stop) => true,
            };
            let place = place();
            let data = gathered.data(&environment, &place);
            for call in data.chunks(CALL_DATA_MAX) {
                if let Err(error) = neighbours.put_data(&place, call.to_vec()).await {
                    tracing::warn!(%error, environment, "CloudWatch did not take metrics of Airflow");
                    break;
                }
            }
            if stop {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read() {
        for (line, expect) in [
            ("airflow.scheduler_heartbeat:1|c", Some(("scheduler_heartbeat", Reading::Counted(1.0)))),
            ("airflow.x:2|c|@0.5", Some(("x", Reading::Counted(4.0)))),
            ("executor.open_slots:32|g", Some(("executor.open_slots", Reading::Is(32.0)))),
            ("airflow.x:-3|g", Some(("x", Reading::Changed(-3.0)))),
            ("airflow.dag.a.b.duration:1.5|ms|#dag_id:a", Some(("dag.a.b.duration", Reading::Took(1.5)))),
            ("airflow.x:1|c|@0", Some(("x", Reading::Counted(1.0)))),
            ("airflow.x:NaN|g", None),
            ("airflow.x:1|h", None),
            ("airflow.x:1", None),
            ("airflow.:1|c", None),
            ("", None),
            ("|:|", None),
        ] {
            assert_eq!(parse(line).map(|sample| (sample.name, sample.value)), expect, "{line}");
        }
    }

    #[test]
    fn what_comes_is_gathered() {
        let place = Place {
            partition: "aws".into(),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            access_key: None,
            now: standin_model::Timestamp::from_seconds(7),
        };
        let mut gathered = Gathered::default();
        gathered.take("airflow.scheduler_heartbeat:1|c\nairflow.scheduler_heartbeat:1|c\nairflow.unknown.thing:1|c\n");
        gathered.take("airflow.ti.finish.hello.greet.skipped:0|c");
        gathered.take("airflow.executor.open_slots:30|g\nairflow.executor.open_slots:-2|g\nbroken");
        gathered.take("airflow.dag_processing.last_duration.hello.py:2500|ms");
        let data: Vec<_> = gathered.data("birds", &place).iter().map(Document::to_json).collect();
        let of = |name: &str| data.iter().find(|datum| datum["MetricName"] == name).expect("it came");
        assert_eq!(data.len(), 3);
        assert_eq!(
            (&of("SchedulerHeartbeat")["Values"][0], &of("SchedulerHeartbeat")["Counts"][0]),
            (&1.0.into(), &2.0.into())
        );
        assert_eq!(of("OpenSlots")["Values"], serde_json::json!([28.0, 30.0]));
        assert_eq!(of("OpenSlots")["Dimensions"][1], serde_json::json!({"Name": "Environment", "Value": "birds"}));
        assert_eq!(of("DAGFileProcessingLastDuration")["Values"], serde_json::json!([2.5]));
        // Gauges go on.
        gathered.take("airflow.executor.open_slots:+1|g");
        assert_eq!(gathered.data("birds", &place)[0].to_json()["Values"], serde_json::json!([29.0]));
        for at in 0..2 * SERIES_MAX {
            gathered.take(&format!("airflow.dagrun.duration.success.d{at}:1|ms"));
        }
        assert_eq!(gathered.data("birds", &place).len(), SERIES_MAX);
    }
}
