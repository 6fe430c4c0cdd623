//! The static facts of a file of DAGs: what can be told without running it.
//!
//! Understood are `DAG(…)` as a context or a variable, `@dag` and `@task`, operators and sensors by their `task_id`, task groups, and
//! dependencies by `>>`, `<<`, `chain`, `set_upstream`, `set_downstream` and results that are handed on. What a loop or a condition
//! would make is read once.

use std::collections::{BTreeSet, HashMap};

use super::python::{Line, SyntaxError, Token, lines};

/// A DAG as its file tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dag {
    pub id: String,
    /// Below the folder of DAGs.
    pub file: String,
    /// A cron expression, a preset, or the expression as it stands; nothing where it is `None`.
    pub schedule: Option<String>,
    /// Whether the file says anything of a schedule.
    pub schedule_given: bool,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub owner: Option<String>,
    pub catchup: Option<bool>,
    pub paused_upon_creation: Option<bool>,
    pub max_active_runs: Option<i64>,
    pub tasks: Vec<Task>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Task {
    /// With the ids of its groups before it.
    pub id: String,
    /// The class of its operator.
    pub operator: String,
    /// The places of those that it waits for.
    pub upstream: BTreeSet<usize>,
}

impl Dag {
    /// The ids of the tasks that wait for one, sorted.
    pub(super) fn downstream(&self, task: usize) -> Vec<&str> {
        let mut ids: Vec<&str> =
            self.tasks.iter().filter(|other| other.upstream.contains(&task)).map(|other| other.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    /// The places of the tasks such that none comes before one that it waits for.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let (mut order, mut done) = (Vec::new(), BTreeSet::new());
        while order.len() < self.tasks.len() {
            let ready = |at: &usize| !done.contains(at) && self.tasks[*at].upstream.is_subset(&done);
            let next: Vec<usize> = (0..self.tasks.len()).filter(ready).collect();
            if next.is_empty() {
                // A circle, which Airflow would refuse.
                order.extend((0..self.tasks.len()).filter(|at| !done.contains(at)));
                break;
            }
            done.extend(next.iter().copied());
            order.extend(next);
        }
        order
    }
}

/// The most tasks of one file: a folder of DAGs is read on every question.
const TASKS_MAX: usize = 5000;

/// Reads a file.
///
/// # Errors
/// Where it is no Python, as far as that can be seen.
pub(super) fn read(source: &str, file: &str) -> Result<Vec<Dag>, SyntaxError> {
    let mut reader = Reader { file: file.to_owned(), ..Reader::default() };
    for line in lines(source)? {
        reader.line(&line);
    }
    reader.close(0);
    Ok(reader.dags)
}

/// The place of a DAG, and of a task in it.
type TaskAt = (usize, usize);

/// A block of lines that are indented further than its head.
struct Block {
    indent: usize,
    kind: Context,
}

enum Context {
    Dag(usize),
    Group {
        id: String,
        variable: Option<String>,
        members: Vec<TaskAt>,
    },
    /// The body of a task's function: what is called there is called when the task runs.
    Task,
}

#[derive(Default)]
struct Reader {
    file: String,
    dags: Vec<Dag>,
    blocks: Vec<Block>,
    dag_variables: HashMap<String, usize>,
    task_variables: HashMap<String, Vec<TaskAt>>,
    texts: HashMap<String, String>,
    /// The tokens of dictionaries.
    dictionaries: HashMap<String, Vec<Token>>,
    /// The functions of tasks, with the ids of these.
    functions: HashMap<String, String>,
    /// What stands before the next function.
    decorators: Vec<Vec<Token>>,
    /// The DAG that the line under way makes.
    made: Option<usize>,
    tasks: usize,
}

/// A call: `path.of.names(arguments)`.
struct Call<'t> {
    path: Vec<&'t str>,
    arguments: Vec<Argument<'t>>,
    /// The place behind it.
    end: usize,
}

struct Argument<'t> {
    name: Option<&'t str>,
    value: &'t [Token],
}

impl<'t> Call<'t> {
    /// The call that begins at a place.
    fn at(tokens: &'t [Token], start: usize) -> Option<Self> {
        let mut path = vec![tokens.get(start)?.name()?];
        let mut at = start + 1;
        while tokens.get(at)?.is(".") {
            path.push(tokens.get(at + 1)?.name()?);
            at += 2;
        }
        let (arguments, end) = arguments(tokens, at)?;
        Some(Self { path, arguments, end })
    }

    fn last(&self) -> &'t str {
        self.path[self.path.len() - 1]
    }

    fn named(&self, name: &str) -> Option<&'t [Token]> {
        self.arguments.iter().find(|argument| argument.name == Some(name)).map(|argument| argument.value)
    }

    fn first(&self) -> Option<&'t [Token]> {
        self.arguments.first().filter(|argument| argument.name.is_none()).map(|argument| argument.value)
    }
}

/// The arguments in the parentheses that open at a place, and the place behind them.
fn arguments(tokens: &[Token], at: usize) -> Option<(Vec<Argument<'_>>, usize)> {
    if !tokens.get(at)?.is("(") {
        return None;
    }
    let end = closing(tokens, at)?;
    let arguments = split(&tokens[at + 1..end], ",").into_iter().filter(|part| !part.is_empty()).map(|part| {
        match (part[0].name(), part.get(1)) {
            (Some(name), Some(sign)) if sign.is("=") => Argument { name: Some(name), value: &part[2..] },
            _ => Argument { name: None, value: part },
        }
    });
    Some((arguments.collect(), end + 1))
}

/// The place of the bracket that closes the one at a place.
fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The parts between signs that stand in no bracket.
fn split<'t>(tokens: &'t [Token], sign: &str) -> Vec<&'t [Token]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is(sign) {
            parts.push(&tokens[start..at]);
            start = at + 1;
        }
    }
    parts.push(&tokens[start..]);
    parts
}

impl Reader {
    /// Leaves the blocks whose heads are indented so far or further.
    fn close(&mut self, indent: usize) {
        while self.blocks.last().is_some_and(|block| block.indent >= indent) {
            let Some(Block { kind: Context::Group { variable, members, .. }, .. }) = self.blocks.pop() else {
                continue;
            };
            if let Some(Block { kind: Context::Group { members: outer, .. }, .. }) = self.blocks.last_mut() {
                outer.extend(members.iter().copied());
            }
            if let Some(variable) = variable {
                self.task_variables.insert(variable, members);
            }
        }
    }

    fn line(&mut self, line: &Line) {
        self.close(line.indent);
        if self.blocks.iter().any(|block| matches!(block.kind, Context::Task)) {
            return;
        }
        self.made = None;
        let tokens = &line.tokens[..];
        match tokens[0].name() {
            None if tokens[0].is("@") => self.decorators.push(tokens[1..].to_vec()),
            Some("def") => self.function(line.indent, &tokens[1..]),
            Some("async") if tokens.get(1).and_then(Token::name) == Some("def") => {
                self.function(line.indent, &tokens[2..]);
            }
            Some("import" | "from" | "class") => self.decorators.clear(),
            Some("with") => self.context(line.indent, &tokens[1..]),
            Some("return") => drop(self.evaluate(&tokens[1..])),
            Some(name) if tokens.get(1).is_some_and(|sign| sign.is("=")) => self.assign(name, &tokens[2..]),
            _ => drop(self.evaluate(tokens)),
        }
    }

    fn function(&mut self, indent: usize, tokens: &[Token]) {
        let Some(name) = tokens.first().and_then(Token::name) else { return };
        for decorator in std::mem::take(&mut self.decorators) {
            let call = Call::at(&decorator, 0);
            let path: Vec<&str> = match &call {
                Some(call) => call.path.clone(),
                None => decorator.iter().filter_map(Token::name).collect(),
            };
            let of_module =
                |wanted: &str| path.iter().rposition(|part| *part == wanted).is_some_and(|at| at + 2 >= path.len());
            if of_module("task_group") {
                let id = call.as_ref().and_then(|call| self.text(call.named("group_id").or(call.first())?));
                let id = id.unwrap_or_else(|| name.to_owned());
                self.blocks.push(Block { indent, kind: Context::Group { id, variable: None, members: Vec::new() } });
            } else if of_module("task") {
                let id = call.as_ref().and_then(|call| self.text(call.named("task_id")?));
                self.functions.insert(name.to_owned(), id.unwrap_or_else(|| name.to_owned()));
                self.blocks.push(Block { indent, kind: Context::Task });
            } else if path.last() == Some(&"dag") {
                let dag = match &call {
                    Some(call) => self.dag(call, name),
                    None => self.new_dag(Dag { id: name.to_owned(), ..Dag::default() }),
                };
                self.blocks.push(Block { indent, kind: Context::Dag(dag) });
            }
        }
    }

    fn context(&mut self, indent: usize, tokens: &[Token]) {
        for part in split(tokens, ",") {
            let variable = part.iter().position(|token| token.name() == Some("as"));
            let variable = variable.and_then(|at| part.get(at + 1)?.name()).map(str::to_owned);
            let first = part.first().and_then(Token::name).unwrap_or_default();
            let kind = match Call::at(part, 0) {
                Some(call) if call.last() == "DAG" => {
                    let dag = self.dag(&call, variable.as_deref().unwrap_or_default());
                    if let Some(variable) = variable {
                        self.dag_variables.insert(variable, dag);
                    }
                    Context::Dag(dag)
                }
                Some(call) if call.last() == "TaskGroup" => {
                    let id = call.named("group_id").or(call.first()).and_then(|value| self.text(value));
                    Context::Group { id: id.unwrap_or_default(), variable, members: Vec::new() }
                }
                None if self.dag_variables.contains_key(first) => Context::Dag(self.dag_variables[first]),
                _ => {
                    self.evaluate(part);
                    continue;
                }
            };
            self.blocks.push(Block { indent, kind });
        }
    }

    fn assign(&mut self, name: &str, value: &[Token]) {
        if let Some(text) = value.iter().all(|token| token.text().is_some()).then(|| self.text(value)).flatten() {
            self.texts.insert(name.to_owned(), text);
            return;
        }
        if value.first().is_some_and(|token| token.is("{")) {
            self.dictionaries.insert(name.to_owned(), value.to_vec());
        }
        if value.iter().any(|token| token.name() == Some("__file__")) {
            let stem = self.stem();
            self.texts.insert(name.to_owned(), stem);
            return;
        }
        let tasks = self.evaluate(value);
        if let Some(dag) = self.made {
            self.dag_variables.insert(name.to_owned(), dag);
        }
        self.task_variables.insert(name.to_owned(), tasks);
    }

    /// Reads an expression: makes what it makes, links what it links, and tells the tasks that it stands for.
    fn evaluate(&mut self, tokens: &[Token]) -> Vec<TaskAt> {
        let (mut left, mut downstream) = (None::<Vec<TaskAt>>, true);
        let mut rest = tokens;
        loop {
            // Shifts are read from left to right, and either may follow the other.
            let cut = {
                let (right, back) = (split(rest, ">>")[0].len(), split(rest, "<<")[0].len());
                right.min(back)
            };
            let operand = self.operand(&rest[..cut]);
            if let Some(left) = &left {
                let (from, to) = if downstream { (left, &operand) } else { (&operand, left) };
                self.link(from, to);
            }
            let Some(sign) = rest.get(cut) else { return operand };
            downstream = sign.is(">>");
            rest = &rest[cut + 1..];
            left = Some(operand);
        }
    }

    fn operand(&mut self, tokens: &[Token]) -> Vec<TaskAt> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < tokens.len() {
            if let Some(call) = Call::at(tokens, at) {
                at = call.end;
                let tasks = self.call(&call);
                // `task.override(…)(…)`, `task.partial(…).expand(…)`
                while let Some((more, end)) = further(tokens, at) {
                    let given: Vec<TaskAt> = more.iter().flat_map(|argument| self.evaluate(argument.value)).collect();
                    self.link(&given, &tasks);
                    at = end;
                }
                found.extend(tasks);
                continue;
            }
            let attribute = at > 0 && tokens[at - 1].is(".");
            if let Some(name) = tokens[at].name().filter(|_| !attribute) {
                found.extend(self.task_variables.get(name).into_iter().flatten().copied());
            }
            if tokens[at].is("(")
                && let Some(end) = closing(tokens, at)
            {
                // Parentheses may hold shifts of their own.
                found.extend(self.evaluate(&tokens[at + 1..end]));
                at = end;
            }
            at += 1;
        }
        found
    }

    fn call(&mut self, call: &Call<'_>) -> Vec<TaskAt> {
        let last = call.last();
        match last {
            "DAG" => {
                self.dag(call, "");
                return Vec::new();
            }
            "chain" => {
                let parts: Vec<Vec<TaskAt>> =
                    call.arguments.iter().map(|argument| self.evaluate(argument.value)).collect();
                parts.windows(2).for_each(|pair| self.link(&pair[0], &pair[1]));
                return Vec::new();
            }
            "set_downstream" | "set_upstream" if call.path.len() == 2 => {
                let own = self.task_variables.get(call.path[0]).cloned().unwrap_or_default();
                let others: Vec<TaskAt> =
                    call.arguments.iter().flat_map(|argument| self.evaluate(argument.value)).collect();
                if last == "set_downstream" {
                    self.link(&own, &others);
                } else {
                    self.link(&others, &own);
                }
                return Vec::new();
            }
            _ => {}
        }
        let given = |reader: &mut Self| -> Vec<TaskAt> {
            call.arguments.iter().flat_map(|argument| reader.evaluate(argument.value)).collect()
        };
        let of_function = matches!(call.path[1..], [] | ["override" | "partial" | "expand" | "expand_kwargs"]);
        if let Some(id) = self.functions.get(call.path[0]).filter(|_| of_function).cloned() {
            let id =
                call.named("task_id").filter(|_| call.path.len() > 1).and_then(|value| self.text(value)).unwrap_or(id);
            let upstream = given(self);
            return self.task(None, &id, "_PythonDecoratedOperator", true, &upstream);
        }
        let id = call.named("task_id").and_then(|value| self.text(value));
        let operator = match (last, call.path.len()) {
            // `BashOperator.partial(task_id=…).expand(…)`
            ("partial", 2..) => call.path[call.path.len() - 2],
            _ => last,
        };
        let upstream = given(self);
        match id {
            Some(id) => {
                let dag = call.named("dag").and_then(|value| self.dag_variables.get(value.first()?.name()?).copied());
                self.task(dag, &id, operator, false, &upstream)
            }
            None => upstream,
        }
    }

    fn new_dag(&mut self, mut dag: Dag) -> usize {
        dag.file.clone_from(&self.file);
        self.dags.push(dag);
        self.made = Some(self.dags.len() - 1);
        self.dags.len() - 1
    }

    fn dag(&mut self, call: &Call<'_>, name: &str) -> usize {
        let id = call.named("dag_id").or(call.first()).and_then(|value| self.text(value));
        let id = id.unwrap_or_else(|| if name.is_empty() || name == "dag" { self.stem() } else { name.to_owned() });
        let text = |name: &str| call.named(name).and_then(|value| self.text(value));
        let truth = |name: &str| match call.named(name)?.first()?.name()? {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        let schedule = call.named("schedule").or(call.named("schedule_interval")).or(call.named("timetable"));
        let tags = call.named("tags").unwrap_or_default().iter().filter_map(Token::text);
        let owner = call.named("default_args").and_then(|value| {
            let named = value.first().and_then(Token::name).and_then(|name| self.dictionaries.get(name));
            let value = named.map_or(value, |tokens| &tokens[..]);
            let at = value.iter().position(|token| token.text() == Some("owner"))?;
            self.text(value.get(at + 2..at + 3)?)
        });
        let number = |name: &str| match call.named(name)?.first()? {
            Token::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        let dag = Dag {
            id,
            schedule: schedule.and_then(|value| self.schedule(value)),
            schedule_given: schedule.is_some(),
            description: text("description"),
            tags: tags.map(str::to_owned).collect(),
            owner,
            catchup: truth("catchup"),
            paused_upon_creation: truth("is_paused_upon_creation"),
            max_active_runs: number("max_active_runs"),
            ..Dag::default()
        };
        self.new_dag(dag)
    }

    fn schedule(&self, value: &[Token]) -> Option<String> {
        if value.first().and_then(Token::name) == Some("None") {
            return None;
        }
        self.text(value).or_else(|| {
            let shown = value.iter().map(|token| match token {
                Token::Name(text) | Token::Number(text) => text.clone(),
                Token::Text(text) => format!("{text:?}"),
                Token::Sign(sign) => (*sign).to_owned(),
            });
            Some(shown.collect())
        })
    }

    /// Makes a task, in a DAG that is named or the one whose block is open. `again`: whether one of the same id is another.
    fn task(&mut self, dag: Option<usize>, id: &str, operator: &str, again: bool, upstream: &[TaskAt]) -> Vec<TaskAt> {
        let open = self.blocks.iter().rev().find_map(|block| match block.kind {
            Context::Dag(dag) => Some(dag),
            _ => None,
        });
        let Some(dag) = dag.or(open).or(self.dags.len().checked_sub(1)) else { return Vec::new() };
        let groups = self.blocks.iter().filter_map(|block| match &block.kind {
            Context::Group { id, .. } if !id.is_empty() => Some(id.as_str()),
            _ => None,
        });
        let full: Vec<&str> = groups.chain([id]).collect();
        let full = full.join(".");
        let tasks = &self.dags[dag].tasks;
        let known = |id: &str| tasks.iter().position(|task| task.id == id);
        let id = match known(&full) {
            None => full,
            Some(at) if !again => return vec![(dag, at)],
            Some(_) => {
                let mut copies = (1_usize..).map(|copy| format!("{full}__{copy}"));
                copies.find(|id| known(id).is_none()).unwrap_or(full)
            }
        };
        if self.tasks == TASKS_MAX {
            return Vec::new();
        }
        self.tasks += 1;
        let made = (dag, tasks.len());
        self.dags[dag].tasks.push(Task { id, operator: operator.to_owned(), ..Task::default() });
        for block in &mut self.blocks {
            if let Context::Group { members, .. } = &mut block.kind {
                members.push(made);
                break;
            }
        }
        self.link(upstream, &[made]);
        vec![made]
    }

    fn link(&mut self, from: &[TaskAt], to: &[TaskAt]) {
        for (dag, task) in to {
            let upstream = from.iter().filter(|(other, at)| other == dag && at != task).map(|(_, at)| *at);
            let upstream: Vec<usize> = upstream.collect();
            self.dags[*dag].tasks[*task].upstream.extend(upstream);
        }
    }

    /// What a text says: itself, a constant, or the file's name.
    fn text(&self, value: &[Token]) -> Option<String> {
        match value {
            [Token::Name(name)] => self.texts.get(name).cloned(),
            _ if value.iter().any(|token| token.name() == Some("__file__")) => Some(self.stem()),
            _ => {
                let texts: Option<String> = value.iter().map(Token::text).collect();
                texts.filter(|_| !value.is_empty())
            }
        }
    }

    fn stem(&self) -> String {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".py").unwrap_or(name).to_owned()
    }
}

/// A further call of what a call gives: `(…)` or `.name(…)` behind it.
fn further(tokens: &[Token], at: usize) -> Option<(Vec<Argument<'_>>, usize)> {
    let open = if tokens.get(at)?.is(".") { at + 2 } else { at };
    arguments(tokens, open)
}

#[cfg(test)]
mod tests;
