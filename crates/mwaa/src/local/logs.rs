//! Airflow's logs, from the files of an environment into its log groups.
//!
//! Files are read from where they were left, and the places are written down behind each round: a server that stops loses nothing and
//! tells nothing twice; one that is killed tells again what it had told since the last round.

mod files;
mod lines;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use standin_core::Place;
use standin_model::Timestamp;
use tokio::sync::watch;

use crate::neighbours::{LogEvent, Neighbours};
use crate::types::{LoggingConfiguration, LoggingLevel, ModuleLoggingConfiguration};
use files::{Found, Module};
use lines::Reader;

/// The file with the places up to which files have been told.
const PLACES: &str = "logs-told.json";
/// How long it rests between rounds.
const ROUND: Duration = Duration::from_millis(500);
/// Of one file in one round, in bytes.
const READ_BYTES_MAX: u64 = 512 << 10;
/// Of all files in one round.
const ROUND_BYTES_MAX: u64 = 4 << 20;
/// Events of one call.
const CALL_EVENTS_MAX: usize = 2000;
/// Of one call: half of what CloudWatch takes, as events count more than their messages.
const CALL_BYTES_MAX: usize = 512 << 10;
/// Between the first and the last event of a call, in milliseconds.
const CALL_SPAN_MAX: i64 = 23 * 60 * 60 * 1000;

/// Where and for whom logs are told.
pub(super) struct Collector {
    /// Of the environment.
    pub folder: PathBuf,
    /// The environment's name.
    pub name: String,
    pub neighbours: Neighbours,
    /// The place of the environment, as of now.
    pub place: Box<dyn Fn() -> Place + Send + Sync>,
    /// What is to be told.
    pub logging: watch::Receiver<LoggingConfiguration>,
}

/// How far a file has been told.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    /// In bytes.
    offset: u64,
    /// How long the file was at the last look.
    length: u64,
    /// When it was first seen, in seconds since 1970: a part of the names of streams.
    since: i64,
    reader: Reader,
}

/// What one file has to tell.
struct Part {
    module: Module,
    stream: String,
    events: Vec<LogEvent>,
}

impl Collector {
    /// Tells what comes until it is to stop, and then what is left.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut told = read_places(&self.folder);
        loop {
            let stop = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => true,
                () = tokio::time::sleep(ROUND) => false,
            };
            let folder = self.folder.clone();
            let now = (self.place)().now;
            let looked = tokio::task::spawn_blocking(move || {
                let parts = look(&folder, &mut told, now);
                (told, parts)
            });
            let Ok((after, parts)) = looked.await else { return };
            told = after;
            match parts {
                Ok(parts) if parts.is_empty() => {}
                Ok(parts) => {
                    self.tell(parts).await;
                    if let Err(error) = write_places(&self.folder, &told) {
                        tracing::warn!(%error, environment = self.name, "how far logs have been told cannot be kept");
                    }
                }
                Err(error) => tracing::debug!(%error, environment = self.name, "logs cannot be read"),
            }
            if stop {
                return;
            }
        }
    }

    async fn tell(&self, parts: Vec<Part>) {
        let logging = self.logging.borrow().clone();
        for Part { module, stream, events } in parts {
            for group in module.groups() {
                let Some(level) = level_of(&logging, *group) else { continue };
                // The gravest level is the first.
                let events: Vec<LogEvent> =
                    events.iter().filter(|event| event.level <= level || !module.has_levels()).cloned().collect();
                let name = format!("airflow-{}-{}", self.name, group.suffix());
                for call in calls(&events) {
                    let told = self.neighbours.put_log_events(&(self.place)(), &name, &stream, call).await;
                    if let Err(error) = told {
                        tracing::warn!(%error, group = name, "logs of Airflow could not be told");
                        break;
                    }
                }
            }
        }
    }
}

/// The least level that a module tells; nothing where it tells nothing.
fn level_of(logging: &LoggingConfiguration, module: Module) -> Option<LoggingLevel> {
    let configured: &Option<ModuleLoggingConfiguration> = match module {
        Module::Task => &logging.task_logs,
        Module::Scheduler => &logging.scheduler_logs,
        Module::DagProcessing => &logging.dag_processing_logs,
        Module::WebServer => &logging.webserver_logs,
        Module::Worker => &logging.worker_logs,
        Module::Everywhere => return None,
    };
    let configured = configured.as_ref().filter(|module| module.enabled == Some(true))?;
    Some(configured.log_level.unwrap_or(LoggingLevel::Info))
}

/// Events as calls take them: in the order of their times, not too many, not too far apart.
fn calls(events: &[LogEvent]) -> Vec<&[LogEvent]> {
    let (mut calls, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, event) in events.iter().enumerate() {
        let size = event.message.len() + 26;
        let full = at - start == CALL_EVENTS_MAX
            || bytes + size > CALL_BYTES_MAX
            || event.time - events[start].time > CALL_SPAN_MAX
            || at > start && event.time < events[at - 1].time;
        if full && at > start {
            calls.push(&events[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < events.len() {
        calls.push(&events[start..]);
    }
    calls
}

/// Reads what has come to the files of an environment.
fn look(folder: &Path, told: &mut BTreeMap<String, Told>, now: Timestamp) -> io::Result<Vec<Part>> {
    let found = files::find(folder)?;
    told.retain(|path, _| found.iter().any(|file| file.path == *path));
    let (mut parts, mut left) = (Vec::new(), ROUND_BYTES_MAX);
    for Found { path, length, source } in found {
        let known = told.entry(path.clone()).or_insert_with(|| Told { since: now.seconds, ..Told::default() });
        if length < known.offset {
            // It was begun anew.
            known.offset = 0;
        }
        let still = length == known.length;
        known.length = length;
        if length == known.offset || left == 0 {
            continue;
        }
        let mut bytes = Vec::new();
        let mut file = std::fs::File::open(folder.join(&path))?;
        file.seek(SeekFrom::Start(known.offset))?;
        file.take(READ_BYTES_MAX.min(left)).read_to_end(&mut bytes)?;
        left -= bytes.len() as u64;
        // A line may still be being written; one that has not changed for a round is whole.
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if still || bytes.len() as u64 == READ_BYTES_MAX => bytes.len(),
            None => 0,
        };
        let events = known.reader.read(&String::from_utf8_lossy(&bytes[..whole]), now);
        known.offset += whole as u64;
        if whole > 0 {
            parts.push(Part { module: source.module, stream: source.stream(known.since), events });
        }
    }
    Ok(parts)
}

fn read_places(folder: &Path) -> BTreeMap<String, Told> {
    let text = std::fs::read_to_string(folder.join(PLACES)).unwrap_or_default();
    let kept: Value = serde_json::from_str(&text).unwrap_or_default();
    let kept = kept.as_object().into_iter().flatten();
    let read = |place: &Value| {
        let offset = place["offset"].as_u64()?;
        Some(Told { offset, length: 0, since: place["since"].as_i64()?, reader: Reader::default() })
    };
    kept.filter_map(|(path, place)| Some((path.clone(), read(place)?))).collect()
}

/// Either as they were before, or all of them.
fn write_places(folder: &Path, told: &BTreeMap<String, Told>) -> io::Result<()> {
    let places: serde_json::Map<String, Value> =
        told.iter().map(|(path, told)| (path.clone(), json!({"offset": told.offset, "since": told.since}))).collect();
    let beside = folder.join(format!("{PLACES}.new"));
    std::fs::write(&beside, Value::Object(places).to_string())?;
    std::fs::rename(beside, folder.join(PLACES))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 0 };

    fn event(time: i64, bytes: usize) -> LogEvent {
        LogEvent { time, level: LoggingLevel::Info, message: "x".repeat(bytes) }
    }

    #[test]
    fn events_are_split_as_calls_take_them() {
        let lengths = |events: &[LogEvent]| calls(events).into_iter().map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[event(1, 1), event(2, 1)]), [2]);
        assert_eq!(lengths(&[event(2, 1), event(1, 1)]), [1, 1]);
        assert_eq!(lengths(&[event(0, 1), event(CALL_SPAN_MAX + 1, 1)]), [1, 1]);
        assert_eq!(lengths(&[event(0, 400_000), event(0, 400_000), event(0, 1)]), [1, 2]);
        assert_eq!(lengths(&vec![event(0, 1); CALL_EVENTS_MAX + 1]), [CALL_EVENTS_MAX, 1]);
    }

    #[test]
    fn files_are_told_once_and_from_where_they_were_left() {
        let folder = std::env::temp_dir().join(format!("standin-logs-{}", std::process::id()));
        let task = folder.join("logs/dag_id=hello/run_id=manual__2024-01-01T00:00:00+00:00/task_id=greet");
        std::fs::create_dir_all(&task).expect("a folder");
        let file = task.join("attempt=1.log");
        let append = |text: &str| {
            use std::io::Write as _;
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&file).expect("a file");
            file.write_all(text.as_bytes()).expect("it can be written");
        };
        let messages = |told: &mut BTreeMap<String, Told>| -> Vec<String> {
            let parts = look(&folder, told, NOW).expect("it can be read");
            parts.into_iter().flat_map(|part| part.events).map(|event| event.message).collect()
        };
        let mut told = read_places(&folder);
        append("one\ntw");
        let parts = look(&folder, &mut told, NOW).expect("it can be read");
        assert_eq!(
            parts[0].stream,
            "dag_id=hello/run_id=manual__2024-01-01T00_00_00+00_00/task_id=greet/attempt=1.log"
        );
        assert_eq!(parts[0].events.len(), 1);
        append("o\n");
        write_places(&folder, &told).expect("it can be written");
        assert_eq!(messages(&mut told), ["two"]);
        assert_eq!(messages(&mut told), [""; 0]);
        // As after a crash: what came since the places were written comes again.
        let mut again = read_places(&folder);
        assert_eq!(messages(&mut again), ["two"]);
        // What has no end of line for a whole round is told without.
        append("three");
        assert_eq!(messages(&mut again), [""; 0]);
        assert_eq!(messages(&mut again), ["three"]);
        std::fs::write(&file, "anew\n").expect("it can be written");
        assert_eq!(messages(&mut again), ["anew"]);
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }

    #[test]
    fn only_what_is_enabled_is_told() {
        let module = |enabled: bool, level: Option<LoggingLevel>| {
            Some(ModuleLoggingConfiguration {
                enabled: Some(enabled),
                log_level: level,
                cloud_watch_log_group_arn: None,
            })
        };
        let logging = LoggingConfiguration {
            task_logs: module(true, Some(LoggingLevel::Error)),
            scheduler_logs: module(false, Some(LoggingLevel::Info)),
            webserver_logs: module(true, None),
            ..LoggingConfiguration::default()
        };
        for (asked, expect) in [
            (Module::Task, Some(LoggingLevel::Error)),
            (Module::Scheduler, None),
            (Module::WebServer, Some(LoggingLevel::Info)),
            (Module::Worker, None),
        ] {
            assert_eq!(level_of(&logging, asked), expect, "{asked:?}");
        }
    }
}
