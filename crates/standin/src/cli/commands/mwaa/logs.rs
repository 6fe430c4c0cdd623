//! The logs of a run's tasks, each line once.

use std::collections::HashMap;

use http::Method;
use serde_json::Value;

use super::site::{Site, segment};
use crate::cli::commands::remote::{Remote, list, text};
use crate::error::CommandError;

/// A try of an instance of a task.
type Try = (String, i64, i64);

/// How far the logs have been told.
#[derive(Default)]
pub struct Logs {
    lines: HashMap<Try, usize>,
    /// Whose last line was told.
    ended: Vec<Try>,
}

/// An instance of a task, as Airflow tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub task: String,
    /// -1 where the task is not mapped.
    pub map_index: i64,
    pub tries: i64,
    pub state: String,
    host: String,
    /// In milliseconds.
    pub duration: Option<u64>,
}

impl Instance {
    pub fn read(value: &Value) -> Self {
        Self {
            task: text(value, "task_id").to_owned(),
            map_index: value["map_index"].as_i64().unwrap_or(-1),
            tries: value["try_number"].as_i64().unwrap_or_default(),
            state: text(value, "state").to_owned(),
            host: text(value, "hostname").to_owned(),
            duration: value["duration"].as_f64().map(|seconds| (seconds * 1000.0).max(0.0) as u64),
        }
    }

    /// `load[3]`.
    pub fn name(&self) -> String {
        if self.map_index < 0 { self.task.clone() } else { format!("{}[{}]", self.task, self.map_index) }
    }

    fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "success" | "failed" | "skipped" | "upstream_failed" | "removed")
    }

    fn has_begun(&self) -> bool {
        self.tries > 0 && !matches!(self.state.as_str(), "" | "scheduled" | "queued" | "skipped" | "upstream_failed")
    }
}

impl Logs {
    /// Tells what is new: the task, and the line.
    ///
    /// # Errors
    /// Those of `tell`, and when the connection breaks.
    pub fn follow(
        &mut self,
        site: &mut Site,
        remote: &mut Remote,
        run: &str,
        instances: &[Instance],
        mut tell: impl FnMut(&str, &str) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        for instance in instances.iter().filter(|instance| instance.has_begun()) {
            for number in 1..=instance.tries {
                let which = (instance.task.clone(), instance.map_index, number);
                if self.ended.contains(&which) {
                    continue;
                }
                let path = format!("{run}/taskInstances/{}/logs/{number}", segment(&instance.task));
                let path = format!("{path}?full_content=true&map_index={}", instance.map_index);
                let reply = site.rest(remote, &Method::GET, &path, None)?;
                if reply.status != 200 {
                    continue;
                }
                let lines = lines(&reply.body, &instance.host);
                let told = self.lines.entry(which.clone()).or_default();
                for line in lines.iter().skip(*told) {
                    tell(&instance.name(), line)?;
                }
                *told = lines.len().max(*told);
                if instance.is_over() || number < instance.tries {
                    self.ended.push(which);
                }
            }
        }
        Ok(())
    }
}

/// The lines of a log, without what Airflow says of where it lies.
fn lines(body: &Value, host: &str) -> Vec<String> {
    let content = if body.is_object() { &body["content"] } else { body };
    if let Some(text) = content.as_str() {
        let own = |line: &&str| !line.is_empty() && *line != host && !line.starts_with("***") && !is_mark(line);
        return text.lines().filter(own).map(str::to_owned).collect();
    }
    let mut lines = Vec::new();
    let mut of_place = false;
    for event in content.as_array().into_iter().flatten() {
        let said = event.as_str().unwrap_or_else(|| text(event, "event"));
        if is_mark(said) {
            of_place = said.contains("Log message source details");
            continue;
        }
        if of_place && event["timestamp"].is_null() {
            continue;
        }
        let level = text(event, "level");
        let level = if level.is_empty() { String::new() } else { format!("{} ", level.to_uppercase()) };
        lines.extend(said.lines().map(|line| format!("{level}{line}")));
        lines.extend(traceback(event));
    }
    lines
}

/// What folds a log in Airflow's pages.
fn is_mark(line: &str) -> bool {
    line.contains("::group::") || line.contains("::endgroup::")
}

/// The exception that an event tells of, as Python writes it.
fn traceback(event: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for error in list(event, "error_detail") {
        for frame in list(error, "frames") {
            lines.push(format!(
                "  File \"{}\", line {}, in {}",
                text(frame, "filename"),
                frame["lineno"],
                text(frame, "name")
            ));
        }
        lines.push(format!("{}: {}", text(error, "exc_type"), text(error, "exc_value")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn logs_of_both_airflows_become_lines() {
        let check = |body: Value, expect: &[&str]| assert_eq!(lines(&body, "box"), expect);
        check(
            json!("box\n*** Found local files:\n***   * /x.log\n[2026] INFO - hi\n\n[2026] INFO - ::endgroup::\n"),
            &["[2026] INFO - hi"],
        );
        check(
            json!({"content": [
                {"event": "::group::Log message source details", "sources": ["/x.log"]},
                {"event": "/x.log"},
                {"event": "::endgroup::"},
                {"timestamp": "2026", "level": "info", "event": "hi"},
                {"timestamp": "2026", "level": "error", "event": "Task failed", "error_detail": [
                    {"exc_type": "ValueError", "exc_value": "no", "frames": [{"filename": "/a.py", "lineno": 3, "name": "f"}]}
                ]},
            ]}),
            &["INFO hi", "ERROR Task failed", "  File \"/a.py\", line 3, in f", "ValueError: no"],
        );
    }

    #[test]
    fn only_what_has_begun_has_a_log() {
        let of =
            |state: &str, tries: i64| Instance::read(&json!({"task_id": "t", "state": state, "try_number": tries}));
        assert!(of("running", 1).has_begun() && of("up_for_retry", 1).has_begun() && of("failed", 2).has_begun());
        assert!(!of("queued", 1).has_begun() && !of("success", 0).has_begun() && !of("", 0).has_begun());
    }
}
