//! A run of a workflow. How far it is follows from the time: it is `STARTING`, then `QUEUED`, each for as long as a transition takes;
//! then its tasks run, as long each, together where none waits for another.

use standin_core::Twist;
use standin_model::{Document, Fields, Timestamp};
use standin_typed::{optional, required};

use super::definition::{Rule, Task};
use super::types::{TaskInstanceStatus, WorkflowRunStatus};

/// The override that lists tasks which are to fail; `*` for all.
const FAIL: &str = "standin_fail";
/// The transitions of a run before its first task.
const BEFORE_TASKS: i64 = 2;

/// A run as it is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub id: String,
    /// Of the workflow that it runs.
    pub version: String,
    pub created_at: Timestamp,
    /// How long a transition takes, in milliseconds.
    pub pace_ms: i64,
    /// By which it was asked for.
    pub token: Option<String>,
    pub overrides: Document,
    pub stopped_at: Option<Timestamp>,
    /// Where a fault rule lets it end.
    pub twist: Option<Twist>,
    pub tasks: Vec<Task>,
}

/// A task of a run, at some time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Instance<'r> {
    pub id: String,
    pub task: &'r Task,
    pub status: TaskInstanceStatus,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub error: Option<String>,
}

/// How a task ends that nobody stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Success,
    Failed,
    UpstreamFailed,
}

impl Run {
    /// The moment so many transitions after it was asked for.
    fn moment(&self, transitions: i64) -> Timestamp {
        Timestamp::from_millis(self.created_at.as_millis().saturating_add(self.pace_ms.saturating_mul(transitions)))
    }

    /// How many tasks each has before it, on its longest way.
    fn depths(&self) -> Vec<i64> {
        let mut depths: Vec<i64> = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            // Those before a task have places before its own.
            let before = task.upstream.iter().filter_map(|at| depths.get(*at)).max();
            depths.push(before.map_or(0, |depth| depth + 1));
        }
        depths
    }

    fn fails(&self, task: &str) -> bool {
        let is = |value: &Document| value.as_str().is_some_and(|name| name == task || name == "*");
        let listed = self.overrides.get(FAIL);
        listed.is_some_and(|listed| is(listed) || listed.as_list().is_some_and(|names| names.iter().any(is)))
    }

    fn ends(&self) -> Vec<End> {
        let mut ends: Vec<End> = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            let before: Vec<End> = task.upstream.iter().filter_map(|at| ends.get(*at).copied()).collect();
            let failed = before.iter().filter(|end| **end != End::Success).count();
            let runs = before.is_empty()
                || match task.rule {
                    Rule::AllSuccess => failed == 0,
                    Rule::AllDone => true,
                    Rule::AllFailed => failed == before.len(),
                    Rule::OneFailed => failed > 0,
                    Rule::OneSuccess => failed < before.len(),
                };
            ends.push(match runs {
                false => End::UpstreamFailed,
                true if self.twist == Some(Twist::Failed) || self.fails(&task.id) => End::Failed,
                true => End::Success,
            });
        }
        ends
    }

    /// When it ends where nobody stops it.
    fn due(&self) -> Option<Timestamp> {
        let levels = self.depths().into_iter().max().map_or(0, |deepest| deepest + 1);
        (self.twist != Some(Twist::Stuck)).then(|| self.moment(BEFORE_TASKS + levels))
    }

    /// Those that no other waits for decide how a run ends.
    fn is_good(&self) -> bool {
        let last = |at: &usize| !self.tasks.iter().any(|task| task.upstream.contains(at));
        let ends = self.ends();
        (0..self.tasks.len()).filter(last).all(|at| ends[at] == End::Success)
    }

    /// Whether somebody stopped it before its end.
    fn stop(&self) -> Option<Timestamp> {
        self.stopped_at.filter(|stop| self.due().is_none_or(|due| *stop < due))
    }

    pub(super) fn status(&self, now: Timestamp) -> WorkflowRunStatus {
        use WorkflowRunStatus as Status;
        if let Some(stop) = self.stop() {
            let until = stop.as_millis().saturating_add(self.pace_ms);
            return if now.as_millis() < until { Status::Stopping } else { Status::Stopped };
        }
        match self.due() {
            Some(due) if due <= now => {
                if self.is_good() {
                    Status::Success
                } else {
                    Status::Failed
                }
            }
            _ if now < self.moment(1) => Status::Starting,
            _ if now < self.moment(BEFORE_TASKS) => Status::Queued,
            _ => Status::Running,
        }
    }

    /// When its first task began.
    pub(super) fn started_at(&self, now: Timestamp) -> Option<Timestamp> {
        let start = self.moment(BEFORE_TASKS);
        let until = self.stop().unwrap_or(now).min(now);
        (start <= until).then_some(start)
    }

    pub(super) fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        let end = match self.stop() {
            Some(stop) => Some(Timestamp::from_millis(stop.as_millis().saturating_add(self.pace_ms))),
            None => self.due(),
        };
        end.filter(|end| *end <= now)
    }

    /// When it was last another than before.
    pub(super) fn modified_at(&self, now: Timestamp) -> Timestamp {
        let moments = [self.ended_at(now), self.stop().filter(|stop| *stop <= now), self.started_at(now)];
        moments.into_iter().flatten().max().unwrap_or(self.created_at)
    }

    pub(super) fn error(&self, now: Timestamp) -> Option<String> {
        if self.status(now) != WorkflowRunStatus::Failed {
            return None;
        }
        if self.twist.is_some() {
            return Some("A fault rule let this run fail.".to_owned());
        }
        let ends = self.ends();
        let failed =
            self.tasks.iter().zip(ends).filter(|(_, end)| *end == End::Failed).map(|(task, _)| task.id.as_str());
        let text = format!("Tasks failed: {}", failed.collect::<Vec<_>>().join(", "));
        Some(text.chars().take(255).collect())
    }

    /// Its tasks, as they are at a time.
    pub(super) fn instances(&self, now: Timestamp) -> Vec<Instance<'_>> {
        use TaskInstanceStatus as Status;
        let (depths, ends) = (self.depths(), self.ends());
        let stop = self.stop();
        let seen = stop.unwrap_or(now).min(now);
        let running = self.moment(BEFORE_TASKS) <= seen;
        let instance = |(at, task)| {
            let depth = depths[at];
            let (start, end) = (self.moment(BEFORE_TASKS + depth), self.moment(BEFORE_TASKS + depth + 1));
            let ended = end <= seen && self.twist != Some(Twist::Stuck);
            // What is stuck never gets beyond its first tasks.
            let begun = start <= seen && (depth == 0 || self.twist != Some(Twist::Stuck));
            let status = match ends[at] {
                _ if !running => Status::None,
                _ if !begun && stop.is_some() => Status::None,
                _ if !begun => Status::Scheduled,
                End::UpstreamFailed => Status::UpstreamFailed,
                _ if !ended && stop.is_some() => Status::Cancelled,
                _ if !ended => Status::Running,
                End::Success => Status::Success,
                End::Failed => Status::Failed,
            };
            let ran = begun && running && status != Status::UpstreamFailed;
            let over = match status {
                Status::Cancelled => stop,
                _ => Some(end),
            };
            Instance {
                id: format!("{}-{at}", self.id),
                task,
                status,
                started_at: ran.then_some(start),
                ended_at: over.filter(|_| ran && (ended || status == Status::Cancelled)),
                error: (status == Status::Failed).then(|| format!("Task {} failed, as was asked for.", task.id)),
            }
        };
        self.tasks.iter().enumerate().map(instance).collect()
    }

    pub(super) fn read(body: &Document) -> Option<Self> {
        let fields = body.as_map()?;
        let twist: Option<String> = optional(fields, "twist");
        let task = |task: &Document| {
            let fields = task.as_map()?;
            let upstream: Vec<i64> = required(fields, "upstream");
            Some(Task {
                id: required(fields, "id"),
                operator: required(fields, "operator"),
                upstream: upstream.into_iter().filter_map(|at| usize::try_from(at).ok()).collect(),
                rule: Rule::parse(&required::<String>(fields, "rule")).unwrap_or_default(),
            })
        };
        Some(Self {
            id: required(fields, "id"),
            version: required(fields, "version"),
            created_at: required(fields, "createdAt"),
            pace_ms: required(fields, "paceMs"),
            token: optional(fields, "token"),
            overrides: required(fields, "overrides"),
            stopped_at: optional(fields, "stoppedAt"),
            twist: twist.map(|text| if text == "failed" { Twist::Failed } else { Twist::Stuck }),
            tasks: fields.get("tasks")?.as_list()?.iter().filter_map(task).collect(),
        })
    }

    pub(super) fn body(&self) -> Document {
        let task = |task: &Task| {
            let upstream = task.upstream.iter().map(|at| Document::from(i64::try_from(*at).unwrap_or_default()));
            let mut fields = Fields::with_capacity(4);
            fields.push("id", task.id.clone());
            fields.push("operator", task.operator.clone());
            fields.push("upstream", upstream.collect::<Vec<_>>());
            fields.push("rule", task.rule.name());
            Document::Map(fields)
        };
        let mut fields = Fields::with_capacity(9);
        fields.push("id", self.id.clone());
        fields.push("version", self.version.clone());
        fields.push("createdAt", self.created_at);
        fields.push("paceMs", self.pace_ms);
        fields.push("overrides", self.overrides.clone());
        fields.push("tasks", self.tasks.iter().map(task).collect::<Vec<_>>());
        if let Some(token) = &self.token {
            fields.push("token", token.clone());
        }
        if let Some(stopped) = self.stopped_at {
            fields.push("stoppedAt", stopped);
        }
        if let Some(twist) = self.twist {
            fields.push("twist", if twist == Twist::Failed { "failed" } else { "stuck" });
        }
        Document::Map(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// `a`, then `b` and `c`, then `d`.
    fn run(overrides: &Value) -> Run {
        let task = |id: &str, upstream: &[usize]| Task {
            id: id.to_owned(),
            operator: "airflow.x.X".to_owned(),
            upstream: upstream.to_vec(),
            rule: Rule::default(),
        };
        Run {
            id: "r".into(),
            version: "v".into(),
            created_at: Timestamp::from_seconds(100),
            pace_ms: 10_000,
            overrides: Document::from_json(overrides),
            tasks: vec![task("a", &[]), task("b", &[0]), task("c", &[0]), task("d", &[1, 2])],
            ..Run::default()
        }
    }

    fn check(run: &Run, seconds: i64, expect: &str) {
        let now = Timestamp::from_seconds(seconds);
        let tasks: Vec<&str> = run.instances(now).iter().map(|instance| instance.status.as_str()).collect();
        assert_eq!(format!("{}: {}", run.status(now).as_str(), tasks.join(" ")), expect, "at {seconds}");
        for instance in run.instances(now) {
            assert!(instance.ended_at.is_none_or(|end| instance.started_at.is_some_and(|start| start <= end)));
        }
    }

    #[test]
    fn runs_go_on_with_the_time() {
        let well = run(&json!({}));
        check(&well, 100, "STARTING: NONE NONE NONE NONE");
        check(&well, 110, "QUEUED: NONE NONE NONE NONE");
        check(&well, 120, "RUNNING: RUNNING SCHEDULED SCHEDULED SCHEDULED");
        check(&well, 130, "RUNNING: SUCCESS RUNNING RUNNING SCHEDULED");
        check(&well, 149, "RUNNING: SUCCESS SUCCESS SUCCESS RUNNING");
        check(&well, 150, "SUCCESS: SUCCESS SUCCESS SUCCESS SUCCESS");
        check(&Run { pace_ms: 0, ..well.clone() }, 100, "SUCCESS: SUCCESS SUCCESS SUCCESS SUCCESS");
        assert_eq!(well.ended_at(Timestamp::from_seconds(149)), None);
        assert_eq!(well.ended_at(Timestamp::from_seconds(200)), Some(Timestamp::from_seconds(150)));
    }

    #[test]
    fn what_fails_takes_along_what_waits_for_it() {
        let failing = run(&json!({FAIL: ["b"]}));
        check(&failing, 140, "RUNNING: SUCCESS FAILED SUCCESS UPSTREAM_FAILED");
        check(&failing, 150, "FAILED: SUCCESS FAILED SUCCESS UPSTREAM_FAILED");
        assert_eq!(failing.error(Timestamp::from_seconds(150)).as_deref(), Some("Tasks failed: b"));
        let mut late = failing.clone();
        late.tasks[3].rule = Rule::OneFailed;
        check(&late, 150, "SUCCESS: SUCCESS FAILED SUCCESS SUCCESS");
        check(
            &Run { twist: Some(Twist::Failed), ..run(&json!({})) },
            150,
            "FAILED: FAILED UPSTREAM_FAILED UPSTREAM_FAILED UPSTREAM_FAILED",
        );
        check(
            &Run { twist: Some(Twist::Stuck), ..run(&json!({})) },
            9999,
            "RUNNING: RUNNING SCHEDULED SCHEDULED SCHEDULED",
        );
    }

    #[test]
    fn what_is_stopped_ends() {
        let stopped = Run { stopped_at: Some(Timestamp::from_seconds(135)), ..run(&json!({})) };
        check(&stopped, 140, "STOPPING: SUCCESS CANCELLED CANCELLED NONE");
        check(&stopped, 145, "STOPPED: SUCCESS CANCELLED CANCELLED NONE");
        check(
            &Run { stopped_at: Some(Timestamp::from_seconds(105)), ..run(&json!({})) },
            150,
            "STOPPED: NONE NONE NONE NONE",
        );
        check(
            &Run { stopped_at: Some(Timestamp::from_seconds(200)), ..run(&json!({})) },
            300,
            "SUCCESS: SUCCESS SUCCESS SUCCESS SUCCESS",
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let run = Run {
            token: Some("t".into()),
            stopped_at: Some(Timestamp::from_seconds(1)),
            twist: Some(Twist::Stuck),
            ..run(&json!({"a": [1]}))
        };
        assert_eq!(Run::read(&run.body()), Some(run));
        assert_eq!(Run::read(&Document::Null), None);
    }
}
