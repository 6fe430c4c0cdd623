//! Workflow definitions: one DAG in YAML, its tasks by operators of Airflow.
//!
//! ```yaml
//! birds:
//!   schedule: "0 4 * * *"
//!   tasks:
//!     count:
//!       operator: airflow.providers.amazon.aws.operators.s3.S3ListOperator
//!       bucket: birds
//!     note:
//!       operator: airflow.providers.amazon.aws.operators.s3.S3CreateObjectOperator
//!       dependencies: [count]
//! ```

use std::collections::BTreeMap;

use yaml_serde::{Mapping, Value};

/// The longest definition, in bytes.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// The most tasks: every run has as many instances.
const TASKS_MAX: usize = 1000;
/// The longest id of a task, as Airflow has it.
const ID_CHARS_MAX: usize = 250;
/// What stands beside the DAG and holds for all its tasks.
const DEFAULT: &str = "default";
/// Of a DAG, all that the service looks at.
const DAG_KEYS: &[&str] = &["dag_id", "schedule", "start_date", "end_date", "default_args", "params", "tasks"];
/// Of a DAG, what Airflow has and the service does not look at.
const IGNORED: &[&str] = &[
    "access_control",
    "catchup",
    "dagrun_timeout",
    "depends_on_past",
    "description",
    "doc_md",
    "email_on_failure",
    "email_on_retry",
    "is_paused_upon_creation",
    "max_active_runs",
    "max_active_tasks",
    "max_consecutive_failed_dag_runs",
    "on_failure_callback",
    "on_success_callback",
    "render_template_as_native_obj",
    "schedule_interval",
    "sla_miss_callback",
    "tags",
    "task_groups",
    "timezone",
];

/// A definition as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Definition {
    /// A cron expression or a preset.
    pub schedule: Option<String>,
    /// In an order in which none comes before one that it waits for.
    pub tasks: Vec<Task>,
    /// For whoever made it.
    pub warnings: Vec<String>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Task {
    pub id: String,
    /// The class of its operator, with its module.
    pub operator: String,
    /// The places of those that it waits for; all before its own.
    pub upstream: Vec<usize>,
    pub rule: Rule,
}

/// When a task runs, by the ends of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rule {
    #[default]
    AllSuccess,
    AllDone,
    AllFailed,
    OneFailed,
    OneSuccess,
}

impl Rule {
    /// Rules that differ in what was skipped alone are the same: nothing is skipped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "all_success" | "none_failed" | "none_failed_min_one_success" => Self::AllSuccess,
            "all_done" | "all_done_min_one_success" | "always" | "one_done" | "none_skipped" => Self::AllDone,
            "all_failed" => Self::AllFailed,
            "one_failed" => Self::OneFailed,
            "one_success" => Self::OneSuccess,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AllSuccess => "all_success",
            Self::AllDone => "all_done",
            Self::AllFailed => "all_failed",
            Self::OneFailed => "one_failed",
            Self::OneSuccess => "one_success",
        }
    }
}

/// What is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no YAML.
    Syntax(String),
    /// It is none of a workflow.
    Content(String),
}

/// Reads a definition.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read(text: &str) -> Result<Definition, Wrong> {
    let value: Value = yaml_serde::from_str(text).map_err(|error| Wrong::Syntax(error.to_string()))?;
    read_value(&value).map_err(Wrong::Content)
}

fn read_value(value: &Value) -> Result<Definition, String> {
    let top = value.as_mapping().ok_or("a workflow is a mapping from its DAG's id to the DAG")?;
    let dags: Vec<(&Value, &Value)> = top.iter().filter(|(name, _)| name.as_str() != Some(DEFAULT)).collect();
    let [(id, dag)] = dags[..] else {
        return Err(format!("a workflow has one DAG; there are {}", dags.len()));
    };
    let id = id.as_str().filter(|id| is_id(id)).ok_or("the id of the DAG is letters, digits, '.', '-' and '_'")?;
    let dag = dag.as_mapping().ok_or_else(|| format!("DAG {id} is a mapping"))?;
    let mut definition = Definition { schedule: schedule(dag)?, ..Definition::default() };
    for name in dag.keys() {
        let name = name.as_str().unwrap_or_default();
        if IGNORED.contains(&name) {
            definition.warnings.push(format!("DAG {id}: {name} has no effect"));
        } else if !DAG_KEYS.contains(&name) {
            return Err(format!("DAG {id} has an unknown parameter {name:?}; it can have {}", DAG_KEYS.join(", ")));
        }
    }
    definition.tasks = in_order(&tasks(dag.get("tasks"))?)?;
    Ok(definition)
}

fn schedule(dag: &Mapping) -> Result<Option<String>, String> {
    let schedule = match dag.get("schedule") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str().ok_or("schedule is a cron expression, a preset such as @daily, or null")?.trim(),
    };
    let presets = ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"];
    let of_cron = |letter: char| letter.is_ascii_alphanumeric() || "*/,-#?".contains(letter);
    let parts: Vec<&str> = schedule.split_whitespace().collect();
    let wrapped =
        |name: &str| schedule.strip_prefix(name).is_some_and(|rest| rest.starts_with('(') && rest.ends_with(')'));
    match schedule {
        "None" | "@once" => Ok(None),
        _ if presets.contains(&schedule)
            || wrapped("cron")
            || wrapped("rate")
            || parts.len() == 5 && parts.iter().all(|part| part.chars().all(of_cron)) =>
        {
            Ok(Some(schedule.to_owned()))
        }
        _ => Err(format!("{schedule:?} is no schedule: a cron expression has five fields")),
    }
}

/// A task, and the names of those that it waits for.
type Named = (Task, Vec<String>);

fn tasks(tasks: Option<&Value>) -> Result<Vec<Named>, String> {
    let mut found = Vec::new();
    match tasks {
        Some(Value::Mapping(tasks)) => {
            for (id, task) in tasks {
                let id = id.as_str().ok_or("ids of tasks are texts")?;
                found.push(task_of(id, task)?);
            }
        }
        Some(Value::Sequence(tasks)) => {
            for task in tasks {
                let id = task.get("task_id").and_then(Value::as_str).ok_or("a task of a list has a task_id")?;
                found.push(task_of(id, task)?);
            }
        }
        _ => return Err("a DAG has tasks: a mapping from their ids, or a list".to_owned()),
    }
    match found.len() {
        0 => Err("a DAG has at least one task".to_owned()),
        1..=TASKS_MAX => Ok(found),
        count => Err(format!("a DAG has at most {TASKS_MAX} tasks; there are {count}")),
    }
}

fn task_of(id: &str, task: &Value) -> Result<Named, String> {
    if !is_id(id) {
        return Err(format!("the id of task {id:?} is letters, digits, '.', '-' and '_', at most {ID_CHARS_MAX}"));
    }
    let task = task.as_mapping().ok_or_else(|| format!("task {id} is a mapping with an operator"))?;
    let operator = task.get("operator").and_then(Value::as_str).ok_or_else(|| format!("task {id} has no operator"))?;
    if !is_operator(operator) {
        return Err(format!(
            "task {id}: {operator:?} is no operator; give the class with its module, as in \
             airflow.providers.amazon.aws.operators.s3.S3ListOperator"
        ));
    }
    let rule = match task.get("trigger_rule") {
        None | Some(Value::Null) => Rule::default(),
        Some(rule) => rule
            .as_str()
            .and_then(Rule::parse)
            .ok_or_else(|| format!("task {id}: {rule:?} is no trigger_rule that Airflow has"))?,
    };
    let waits = match task.get("dependencies") {
        None | Some(Value::Null) => Vec::new(),
        Some(names) => names
            .as_sequence()
            .and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>())
            .ok_or_else(|| format!("task {id}: dependencies is a list of ids of tasks"))?,
    };
    Ok((Task { id: id.to_owned(), operator: operator.to_owned(), upstream: Vec::new(), rule }, waits))
}

/// Whether a text is a class of Airflow or one of its providers, with its module.
fn is_operator(path: &str) -> bool {
    let Some((module, class)) = path.rsplit_once('.') else { return false };
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    module.starts_with("airflow.")
        && module.split('.').all(is_name)
        && is_name(class)
        && class.starts_with(|first: char| first.is_ascii_uppercase())
}

fn is_id(id: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    !id.is_empty() && id.len() <= ID_CHARS_MAX && id.chars().all(fits)
}

/// The tasks such that none comes before one that it waits for.
fn in_order(named: &[Named]) -> Result<Vec<Task>, String> {
    let mut places = BTreeMap::new();
    for (at, (task, _)) in named.iter().enumerate() {
        if places.insert(task.id.as_str(), at).is_some() {
            return Err(format!("there are two tasks {}", task.id));
        }
    }
    // How many each waits for, and who waits for it.
    let (mut waits, mut waiting) = (vec![0_usize; named.len()], vec![Vec::new(); named.len()]);
    for (at, (task, names)) in named.iter().enumerate() {
        for name in names {
            let of = *places
                .get(name.as_str())
                .ok_or_else(|| format!("task {} depends on {name}, which is no task of the DAG", task.id))?;
            waits[at] += 1;
            waiting[of].push(at);
        }
    }
    let mut order: Vec<usize> = (0..named.len()).filter(|at| waits[*at] == 0).collect();
    let mut next = 0;
    while let Some(done) = order.get(next).copied() {
        next += 1;
        for at in &waiting[done] {
            waits[*at] -= 1;
            if waits[*at] == 0 {
                order.push(*at);
            }
        }
    }
    if order.len() < named.len() {
        let circle: Vec<&str> =
            (0..named.len()).filter(|at| waits[*at] > 0).map(|at| named[at].0.id.as_str()).collect();
        return Err(format!("the dependencies go in a circle: {}", circle.join(", ")));
    }
    let mut new_places = vec![0; named.len()];
    order.iter().enumerate().for_each(|(new, old)| new_places[*old] = new);
    let upstream = |names: &[String]| names.iter().map(|name| new_places[places[name.as_str()]]).collect();
    Ok(order.iter().map(|old| Task { upstream: upstream(&named[*old].1), ..named[*old].0.clone() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "airflow.providers.amazon.aws.operators.s3.S3ListOperator";

    fn check(text: &str, expect: Result<&str, &str>) {
        let text = text.replace("LIST", LIST);
        let shown = read(&text).map(|definition| {
            let tasks = definition.tasks.iter().map(|task| {
                let upstream: Vec<String> = task.upstream.iter().map(ToString::to_string).collect();
                format!("{}({})", task.id, upstream.join(","))
            });
            format!("{} {}", definition.schedule.as_deref().unwrap_or("-"), tasks.collect::<Vec<_>>().join(" "))
        });
        match (shown, expect) {
            (Ok(shown), Ok(expect)) => assert_eq!(shown, expect, "{text}"),
            (Err(Wrong::Syntax(message) | Wrong::Content(message)), Err(part)) => {
                assert!(message.contains(part), "{text}\n{message}");
            }
            (shown, _) => panic!("{text}\n{shown:?}"),
        }
    }

    #[test]
    fn tasks_come_in_an_order_in_which_they_can_run() {
        check("d:\n  tasks:\n    a: {operator: LIST}\n", Ok("- a()"));
        check(
            "d:\n  schedule: '0 4 * * *'\n  tasks:\n    c: {operator: LIST, dependencies: [a, b]}\n    b: {operator: LIST, dependencies: [a]}\n    a: {operator: LIST}\n",
            Ok("0 4 * * * a() b(0) c(0,1)"),
        );
        check("d:\n  schedule: null\n  tasks: [{task_id: a, operator: LIST}]\n", Ok("- a()"));
        check("default: {}\nd:\n  schedule: '@daily'\n  tasks: {a: {operator: LIST, bucket: b}}\n", Ok("@daily a()"));
        check("d: {schedule: cron(0 4 * * ? *), tasks: {a: {operator: LIST}}}", Ok("cron(0 4 * * ? *) a()"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        check("d: [", Err("line"));
        check("- a", Err("a mapping from its DAG's id"));
        check("", Err("a mapping from its DAG's id"));
        check("a: {}\nb: {}\n", Err("has one DAG; there are 2"));
        check("d: 1", Err("DAG d is a mapping"));
        check("d: {}", Err("has tasks"));
        check("d: {tasks: {}}", Err("at least one task"));
        check("d: {tasks: {a: {}}}", Err("task a has no operator"));
        check("d: {tasks: {a: {operator: S3ListOperator}}}", Err("no operator; give the class with its module"));
        check("d: {tasks: {a: {operator: airflow.os.system}}}", Err("no operator; give the class with its module"));
        check("d: {tasks: {a: {operator: LIST, dependencies: [b]}}}", Err("b, which is no task"));
        check("d: {tasks: {a: {operator: LIST, dependencies: b}}}", Err("is a list of ids"));
        check("d: {tasks: {a: {operator: LIST, dependencies: [a]}}}", Err("in a circle: a"));
        check(
            "d: {tasks: {a: {operator: LIST, dependencies: [b]}, b: {operator: LIST, dependencies: [a]}, c: {operator: LIST}}}",
            Err("in a circle: a, b"),
        );
        check("d: {tasks: [{task_id: a, operator: LIST}, {task_id: a, operator: LIST}]}", Err("two tasks a"));
        check("d: {tasks: {'a b': {operator: LIST}}}", Err("the id of task"));
        check("d: {schedule: sometimes, tasks: {a: {operator: LIST}}}", Err("is no schedule"));
        check("d: {shedule: x, tasks: {a: {operator: LIST}}}", Err("unknown parameter \"shedule\""));
        check("d: {tasks: {a: {operator: LIST, trigger_rule: maybe}}}", Err("no trigger_rule"));
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let text = format!("d: {{catchup: true, tasks: {{a: {{operator: {LIST}}}}}}}");
        assert_eq!(read(&text).map(|read| read.warnings), Ok(vec!["DAG d: catchup has no effect".to_owned()]));
    }
}
