//! Jinja with Proton's meaning: nothing outside the inputs can be reached, what is not defined is an error, and time,
//! memory and output are bounded.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indexmap::IndexMap;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Map;
use standin_model::nearest;

use super::{column, filters, methods};
use crate::bundle::{Bundle, Infrastructure};
use crate::finding::Finding;
use crate::schema::{self, Schema};

/// Bounds both the steps of a template and what it allocates, at 64 bytes a unit: 64 MB.
const FUEL: u64 = 1_000_000;
/// Longer results are refused. CloudFormation takes 1 MB.
const OUTPUT_BYTES_MAX: usize = 4 << 20;
const RECURSION_MAX: usize = 50;
/// Fuel bounds what a template does, but not how long single operations on nested lists may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Of the thread that renders: nested values are taken apart by recursion.
const STACK_BYTES: usize = 256 << 20;

fn environment<'s>() -> Environment<'s> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(methods::print);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // The names of undefined variables and the columns of errors are kept in this mode only.
    environment.set_debug(true);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    environment.set_syntax(syntax.build().expect("the delimiters are Jinja's own"));
    environment.remove_global("debug");
    // What it holds can hold itself, or nest without an end.
    environment.remove_global("namespace");
    filters::add(&mut environment);
    environment
}

/// A text rendered, with the way back from its lines to those of the template.
pub struct Text {
    pub text: String,
    /// The line of the template that each line comes from.
    lines: Vec<usize>,
}

impl Text {
    /// The line of the template that a line of the text comes from.
    pub fn source_line(&self, line: usize) -> usize {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Renders a template. `path` is what the error names.
///
/// # Errors
/// What is wrong, with its line.
pub fn render(source: &str, path: &str, namespaces: &Map<String, serde_json::Value>) -> Result<Text, Finding> {
    let failed = |message: String| Finding::error("jinja", path, (0, 0), message);
    let (tell, told) = mpsc::sync_channel(1);
    let (owned, at, values) = (source.to_owned(), path.to_owned(), namespaces.clone());
    let work = move || {
        // Nobody listens any more where it took too long.
        let _ = tell.send(render_here(&owned, &at, &values));
    };
    let renderer = thread::Builder::new().name("render".to_owned()).stack_size(STACK_BYTES);
    renderer.spawn(work).map_err(|error| failed(format!("no thread can be started: {error}")))?;
    told.recv_timeout(TIME_MAX).unwrap_or_else(|error| {
        Err(failed(match error {
            RecvTimeoutError::Timeout => format!("the template takes longer than {} s", TIME_MAX.as_secs()),
            RecvTimeoutError::Disconnected => "the template cannot be rendered".to_owned(),
        }))
    })
}

fn render_here(source: &str, path: &str, namespaces: &Map<String, serde_json::Value>) -> Result<Text, Finding> {
    let environment = environment();
    let told = |error: &Error| Finding::error("jinja", path, place(error), explain(error, source, namespaces));
    let template = environment.template_from_named_str("", source).map_err(|error| told(&error))?;
    let values = to_object(namespaces);
    let (rendered, spans) = template.render_with_spans(values).map_err(|error| told(&error))?;
    if rendered.len() > OUTPUT_BYTES_MAX {
        return Err(Finding::error(
            "jinja",
            path,
            (0, 0),
            format!("the result has {} bytes; {OUTPUT_BYTES_MAX} are allowed", rendered.len()),
        ));
    }
    let mut lines = Vec::new();
    let mut spans = spans.iter().peekable();
    let starts = std::iter::once(0).chain(
        rendered.char_indices().filter(|(_, char)| column::is_line_break(*char)).map(|(at, char)| at + char.len_utf8()),
    );
    // Newlines of the template before each place, counted once along the way.
    let (mut counted, mut line) = (0, 1);
    for start in starts {
        while spans.peek().is_some_and(|span| span.output_range().end <= start) {
            spans.next();
        }
        if let Some(span) = spans.peek() {
            let (made, from) = (span.output_range(), span.source_range());
            let within = if made.len() == from.len() { start.saturating_sub(made.start) } else { 0 };
            let at = (from.start + within).min(source.len());
            // Loops jump back.
            if at < counted {
                (counted, line) = (0, 1);
            }
            line += source.as_bytes()[counted..at].iter().filter(|byte| **byte == b'\n').count();
            counted = at;
        }
        lines.push(line);
    }
    Ok(Text { text: column::aligned(&rendered), lines })
}

/// A short text, such as a command. Most have no Jinja in them.
///
/// # Errors
/// As [`render`]; the line is that of the text.
pub fn render_short(source: &str, path: &str, namespaces: &Map<String, serde_json::Value>) -> Result<String, Finding> {
    if source.contains("{{") || source.contains("{%") || source.contains("{#") {
        let rendered = render(source, path, namespaces).map_err(|finding| Finding {
            line: 0,
            column: 0,
            message: format!("{} (in: {source})", finding.message),
            ..finding
        })?;
        return Ok(rendered.text);
    }
    Ok(source.to_owned())
}

/// JSON as values of the template: objects keep their order, whole numbers stay whole.
fn to_value(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            _ => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        Json::Object(entries) => to_object(entries),
    }
}

fn to_object(entries: &Map<String, serde_json::Value>) -> Value {
    Value::from(
        entries
            .iter()
            .map(|(name, value)| (Value::from(name.as_str()), to_value(value)))
            .collect::<IndexMap<Value, Value>>(),
    )
}

fn place(error: &Error) -> (usize, usize) {
    let line = error.line().unwrap_or_default();
    let column = error.range().zip(error.template_source()).and_then(|(range, source)| {
        let before = source.get(..range.start)?;
        Some(before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
    });
    (line, column.unwrap_or_default())
}

/// The error in a sentence.
fn explain(error: &Error, source: &str, namespaces: &Map<String, serde_json::Value>) -> String {
    let part = error.range().and_then(|range| source.get(range)).map(str::trim).unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            // The engine says `x.y is undefined`; otherwise the expression itself is what there is to tell.
            let named = error.detail().and_then(|detail| detail.strip_suffix(" is undefined"));
            let expression = part
                .trim_start_matches("{{")
                .trim_start_matches('-')
                .trim_end_matches("}}")
                .trim_end_matches('-')
                .trim();
            let name = named.map_or(expression, |name| name.trim_matches(['`', '"', '\'', ' ']));
            let name = name.strip_prefix("value of ").unwrap_or(name);
            format!("\"{name}\" is not defined{}", known_at(name, namespaces))
        }
        ErrorKind::SyntaxError => {
            let detail = error.detail().unwrap_or("cannot be read");
            let hint = if source.contains("{{resolve:") {
                "; dynamic references of CloudFormation must stand in {% raw %} … {% endraw %} or in {{ '…' }}"
            } else {
                ""
            };
            format!("not valid Jinja: {detail}{hint}")
        }
        ErrorKind::UnknownFilter => {
            let detail = error.detail().unwrap_or("unknown filter");
            let known = [
                "proton_cfn_sanitize",
                "proton_cfn_iam_policy_arns",
                "proton_cfn_lambda_function_formatted_env_vars",
                "proton_cfn_ecs_task_definition_formatted_env_vars",
            ];
            let name = part
                .rsplit('|')
                .next()
                .unwrap_or_default()
                .trim_start()
                .split(['(', ' ', '}'])
                .next()
                .unwrap_or_default();
            let near = nearest(name, known, 1);
            near.first().map_or_else(|| detail.to_owned(), |near| format!("{detail}; did you mean {near}?"))
        }
        ErrorKind::OutOfFuel => "the template takes too many steps or too much memory".to_owned(),
        _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    }
}

/// What there is instead of a name that is not there.
fn known_at(name: &str, namespaces: &Map<String, serde_json::Value>) -> String {
    let mut parts = name.split('.');
    let Some(first) = parts.next() else { return String::new() };
    let mut at = String::new();
    let mut names: Vec<&str> = namespaces.keys().map(String::as_str).collect();
    let mut inside = namespaces.get(first);
    let mut missing = first;
    while let Some(value) = inside {
        at = if at.is_empty() { missing.to_owned() } else { format!("{at}.{missing}") };
        names = value.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let Some(next) = parts.next() else { return String::new() };
        missing = next;
        inside = value.get(next);
    }
    if let Some(near) = nearest(missing, names.iter().copied(), 1).first() {
        let full = if at.is_empty() { (*near).to_owned() } else { format!("{at}.{near}") };
        return format!("; did you mean {full}?");
    }
    let place = if at.is_empty() { "here".to_owned() } else { format!("in {at}") };
    if names.is_empty() {
        format!("; there is nothing {place}")
    } else {
        format!("; {place} there are {}", names.join(", "))
    }
}

/// What can be told of a template without inputs: its syntax, and names that no input could ever have.
pub fn lint(source: &str, path: &str, infrastructure: &Infrastructure, bundle: &Bundle) -> Vec<Finding> {
    let environment = environment();
    let template = match environment.template_from_named_str("", source) {
        Ok(template) => template,
        Err(error) => {
            return vec![Finding::error("jinja", path, place(&error), explain(&error, source, &Map::new()))];
        }
    };
    let is_pipeline = bundle.pipeline.as_ref().is_some_and(|pipeline| pipeline.folder == infrastructure.folder);
    let is_environment = matches!(bundle.kind, crate::bundle::BundleKind::Environment { .. });
    let names: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
    let mut findings = Vec::new();
    for name in &names {
        let parts: Vec<&str> = name.split('.').collect();
        let message = match *parts.as_slice() {
            [namespace, "inputs", input, ..] => {
                let (schema, expected) = match &bundle.schema {
                    Some(schema) if is_pipeline => (schema, "pipeline"),
                    Some(schema) if is_environment => (schema, "environment"),
                    Some(schema) => (schema, "service_instance"),
                    None => continue,
                };
                if namespace == "environment" && !is_environment {
                    Some("inputs of an environment are not visible to services; use its outputs".to_owned())
                } else if namespace != expected {
                    None
                } else {
                    unknown_input(schema, is_pipeline, input)
                }
            }
            ["environment", "outputs", ..] if is_environment => {
                Some("an environment does not see outputs, only inputs".to_owned())
            }
            _ => None,
        };
        if let Some(message) = message {
            findings.push(Finding::warning(
                "reference",
                path,
                (line_of(source, name), 0),
                format!("{name}: {message}"),
            ));
        }
    }
    findings
}

fn unknown_input(schema: &Schema, is_pipeline: bool, input: &str) -> Option<String> {
    let inputs = if is_pipeline { schema.pipeline_type() } else { schema.main_type() }?;
    let names: Vec<String> = schema::fields(schema, inputs).into_iter().map(|field| field.path).collect();
    if names.iter().any(|name| name == input) {
        return None;
    }
    let near = nearest(input, names.iter().map(String::as_str), 1);
    let hint = near.first().map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Some(format!("the schema has no input \"{input}\"{hint}"))
}

/// The first line that holds a name; 0 where it is written in another way.
fn line_of(source: &str, name: &str) -> usize {
    source.lines().position(|line| line.contains(name)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests;
