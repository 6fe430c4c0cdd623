//! Proton's own filters, and those of Jinja that templates call in Python's way.

use std::sync::LazyLock;

use fancy_regex::Regex;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::{column, methods};

static PLAIN: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[a-zA-Z0-9_-]*$").expect("a correct pattern"));
static ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^arn:[a-zA-Z-]+:[a-zA-Z0-9-]+:[a-zA-Z0-9-]*:(\d{12})?:[^\s]+$").expect("a correct pattern")
});
static POLICY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^arn:[a-zA-Z-]+:iam::\d{12}:policy/").expect("a correct pattern"));

pub fn add(environment: &mut Environment<'_>) {
    environment.add_filter("proton_cfn_ecs_task_definition_formatted_env_vars", ecs_variables);
    environment.add_filter("proton_cfn_lambda_function_formatted_env_vars", lambda_variables);
    environment.add_filter("proton_cfn_iam_policy_arns", policy_arns);
    environment.add_filter("proton_cfn_sanitize", sanitize);
    environment.add_filter("truncate", truncate);
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// The error of a filter that is applied to what is not defined; it knows the name.
fn undefined(state: &mut State<'_, '_>, value: &Value) -> Error {
    state
        .apply_filter("upper", std::slice::from_ref(value))
        .err()
        .unwrap_or_else(|| Error::from(ErrorKind::UndefinedError))
}

/// The entries of a map, as texts.
fn entries(state: &mut State<'_, '_>, value: &Value, filter: &str) -> Result<Vec<(String, String)>, Error> {
    if value.is_undefined() {
        return Err(undefined(state, value));
    }
    if value.kind() != ValueKind::Map {
        return Err(wrong(format!("{filter} takes an object, such as environment.outputs, not {}", value.kind())));
    }
    let mut found = Vec::new();
    for name in value.try_iter()? {
        found.push((methods::text(state, &name)?, methods::text(state, &value.get_item(&name)?)?));
    }
    Ok(found)
}

/// Refuses values with characters that could change what the template means.
fn harmless(entries: &[(String, String)]) -> Result<(), Error> {
    match entries.iter().find(|(_, value)| !is_plain(value)) {
        Some((_, value)) => {
            Err(wrong(format!("Illegal character(s) detected in \"{value}\". Must match regex ^[a-zA-Z0-9_-]*$")))
        }
        None => Ok(()),
    }
}

fn is_plain(text: &str) -> bool {
    PLAIN.is_match(text).unwrap_or(false)
}

/// A scalar that YAML reads as this very string.
fn scalar(text: &str) -> String {
    let survives = !text.is_empty()
        && !text.contains(['\n', '\r'])
        && crate::yaml::parse(&format!("x: {text}")).is_ok_and(|node| {
            node.get("x").and_then(|node| node.string().map(|read| node.tag.is_none() && read == text)).unwrap_or(false)
        });
    // A JSON string is a YAML string.
    if survives { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn raw(options: &Kwargs, positional: Option<bool>) -> Result<bool, Error> {
    let raw: Option<bool> = options.get("raw")?;
    options.assert_all_used()?;
    Ok(raw.or(positional).unwrap_or(true))
}

#[expect(clippy::needless_pass_by_value, reason = "filters are called so")]
fn ecs_variables(
    state: &mut State<'_, '_>,
    value: &Value,
    positional: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let entries = entries(state, value, "proton_cfn_ecs_task_definition_formatted_env_vars")?;
    if !raw(&options, positional)? {
        harmless(&entries)?;
    }
    let lines = entries
        .iter()
        .flat_map(|(name, value)| [format!("- Name: {}", scalar(name)), format!("  Value: {}", scalar(value))]);
    Ok(column::block(&lines.collect::<Vec<_>>()))
}

#[expect(clippy::needless_pass_by_value, reason = "filters are called so")]
fn lambda_variables(
    state: &mut State<'_, '_>,
    value: &Value,
    positional: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let entries = entries(state, value, "proton_cfn_lambda_function_formatted_env_vars")?;
    if !raw(&options, positional)? {
        harmless(&entries)?;
    }
    let lines = entries.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(value)));
    Ok(column::block(&lines.collect::<Vec<_>>()))
}

fn policy_arns(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    let entries = entries(state, value, "proton_cfn_iam_policy_arns")?;
    let policies = entries.into_iter().map(|(_, value)| value).filter(|value| POLICY.is_match(value).unwrap_or(false));
    Ok(column::block(&policies.map(|arn| format!("- {arn}")).collect::<Vec<_>>()))
}

fn sanitize(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(undefined(state, value));
    }
    let text = methods::text(state, value)?;
    if is_plain(&text) || ARN.is_match(&text).unwrap_or(false) {
        return Ok(text);
    }
    Err(wrong(format!(
        "Illegal character(s) detected in \"{text}\". Must match regex ^[a-zA-Z0-9_-]*$ or be a valid ARN"
    )))
}

/// Jinja's `truncate(length=255, killwords=False, end='...', leeway=5)`, by position or by name.
#[expect(clippy::needless_pass_by_value, reason = "filters are called so")]
fn truncate(
    state: &mut State<'_, '_>,
    value: &Value,
    positional: Rest<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(undefined(state, value));
    }
    let option = |at: usize, name: &str| -> Result<Option<Value>, Error> {
        Ok(options.get::<Option<Value>>(name)?.or_else(|| positional.get(at).cloned()))
    };
    let count = |value: Option<Value>, otherwise: usize| value.map_or(Ok(otherwise), usize::try_from);
    let length = count(option(0, "length")?, 255)?;
    let kill_words = option(1, "killwords")?.is_some_and(|value| value.is_true());
    let end = option(2, "end")?.map_or_else(|| Ok("...".to_owned()), |value| methods::text(state, &value))?;
    let leeway = count(option(3, "leeway")?, 5)?;
    options.assert_all_used()?;
    let text = methods::text(state, value)?;
    let end_length = end.chars().count();
    if length < end_length {
        return Err(wrong(format!("truncate to {length} characters leaves no room for \"{end}\"")));
    }
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let kept: String = text.chars().take(length - end_length).collect();
    let kept = if kill_words { &kept } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words) };
    Ok(format!("{kept}{end}"))
}
