//! The inputs that a stack was made with, as far as it tells.
//!
//! A template with Jinja and the text that came of it tell what was filled in; parameters and outputs often have the names of
//! inputs. Whether all together is right is seen by rendering.

use fancy_regex::Regex;
use serde_json::{Map, Value};

use super::{Input, Stack};
use crate::schema::{Kind, Type};

/// Lines of a template that are looked at: enough for the largest that Proton takes.
const LINES_MAX: usize = 20_000;
/// Lines with inputs that are searched for in the stack's template.
const SEARCHES_MAX: usize = 500;
/// A longer line is no line of a template that somebody wrote.
const LINE_BYTES_MAX: usize = 2_000;

/// Inputs of a type as a stack tells them, best guess first: with values from outputs in the place of defaults, and without.
pub(super) fn guesses(of: &Type, prefix: &str, source: Option<&str>, stack: &Stack) -> Vec<Vec<(Input, Value)>> {
    let filled = source.zip(stack.template.as_deref()).map(|(source, text)| filled_in(source, prefix, text));
    let guess = |outputs_first: bool| -> Vec<(Input, Value)> {
        of.properties
            .iter()
            .filter_map(|(name, wanted)| {
                let told = |from: &'static str, text: &str| {
                    let value = value_of(wanted, text)?;
                    Some((Input { name: name.clone(), value: text.to_owned(), from }, value))
                };
                let like = |pairs: &[(String, String)], from: &'static str| {
                    let (_, text) = pairs.iter().find(|(key, _)| plain(key) == plain(name))?;
                    told(from, text)
                };
                let template = || told("template", filled.as_ref()?.get(name)?.as_str()?);
                let parameter = || like(&stack.parameters, "parameter");
                let output = || like(&stack.outputs, "output");
                let default = || {
                    let value = wanted.default.clone()?;
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    Some((Input { name: name.clone(), value: text, from: "default" }, value))
                };
                let sure = template().or_else(parameter);
                if outputs_first {
                    sure.or_else(output).or_else(default)
                } else {
                    sure.or_else(default).or_else(output)
                }
            })
            .collect()
    };
    let (with, without) = (guess(true), guess(false));
    if with == without { vec![with] } else { vec![with, without] }
}

/// Only letters and digits, in lower case: `vpc_cidr` and `VpcCidr` are the same name.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A text as the type has it.
fn value_of(wanted: &Type, text: &str) -> Option<Value> {
    match wanted.kind {
        Some(Kind::String) => Some(Value::from(text)),
        Some(kind) => {
            let value: Value =
                serde_json::from_str(&text.to_lowercase()).or_else(|_| serde_json::from_str(text)).ok()?;
            let fits = match kind {
                Kind::Integer => value.is_i64() || value.is_u64(),
                Kind::Number => value.is_number(),
                Kind::Boolean => value.is_boolean(),
                Kind::Array => value.is_array(),
                Kind::Object => value.is_object(),
                Kind::String => true,
            };
            fits.then_some(value)
        }
        None => Some(Value::from(text)),
    }
}

/// What was filled in for `{{ PREFIX.NAME }}`: lines that are alike but for these places tell it, if they agree.
fn filled_in(source: &str, prefix: &str, text: &str) -> Map<String, Value> {
    let mut found: Map<String, Value> = Map::new();
    let mut unsure: Vec<String> = Vec::new();
    let lines: Vec<&str> = text.lines().take(LINES_MAX).filter(|line| line.len() <= LINE_BYTES_MAX).collect();
    let with_inputs =
        source.lines().take(LINES_MAX).filter(|line| line.contains(prefix) && line.len() <= LINE_BYTES_MAX);
    for line in with_inputs.take(SEARCHES_MAX) {
        let Some((pattern, names)) = pattern(line, prefix) else { continue };
        let mut seen: Option<Vec<String>> = None;
        let mut agree = true;
        for line in &lines {
            let Ok(Some(captures)) = pattern.captures(line) else { continue };
            let values: Vec<String> = (1..=names.len())
                .map(|at| captures.get(at).map(|value| value.as_str().to_owned()).unwrap_or_default())
                .collect();
            agree &= seen.as_ref().is_none_or(|before| *before == values);
            seen = Some(values);
        }
        for (name, value) in names.into_iter().zip(seen.filter(|_| agree).unwrap_or_default()) {
            match found.get(&name) {
                Some(before) if before.as_str() != Some(&value) => unsure.push(name),
                _ => {
                    found.insert(name, Value::from(value));
                }
            }
        }
    }
    found.retain(|name, _| !unsure.contains(name));
    found
}

/// A pattern for what a line of a template becomes, and the inputs that its groups hold; nothing for lines whose Jinja does
/// more than fill in.
fn pattern(line: &str, prefix: &str) -> Option<(Regex, Vec<String>)> {
    let (mut pattern, mut names, mut rest) = (String::from("^"), Vec::new(), line);
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after.split_once("}}")?;
        pattern.push_str(&escaped(before));
        let expression = inside.trim().trim_matches('-').trim();
        match expression.strip_prefix(prefix) {
            Some(name) if name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') => {
                pattern.push_str("(.*?)");
                names.push(name.to_owned());
            }
            // Something else was filled in here.
            _ => pattern.push_str(".*?"),
        }
        rest = after;
    }
    if names.is_empty() || line.contains("{%") {
        return None;
    }
    pattern.push_str(&escaped(rest.trim_end()));
    pattern.push_str(r"\s*$");
    Some((Regex::new(&pattern).ok()?, names))
}

fn escaped(text: &str) -> String {
    fancy_regex::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_is_read_off_the_lines() {
        let check = |source: &str, text: &str, expect: &[(&str, &str)]| {
            let found = filled_in(source, "environment.inputs.", text);
            let found: Vec<(&str, &str)> =
                found.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect();
            assert_eq!(found, expect, "{source}");
        };
        check("  A: \"{{ environment.inputs.a }}\"", "x\n  A: \"one\"\n", &[("a", "one")]);
        check("A: {{environment.inputs.a}}-{{ environment.inputs.b }}.", "A: 10.0-x.", &[("a", "10.0"), ("b", "x")]);
        check("A: {{ environment.name }}/{{ environment.inputs.a }}", "A: e/one", &[("a", "one")]);
        // Lines that differ tell nothing, nor does Jinja that does more.
        check("A: {{ environment.inputs.a }}", "A: one\nA: two", &[]);
        check("A: {{ environment.inputs.a }}\nB: {{ environment.inputs.a }}", "A: one\nB: two", &[]);
        check("A: {{ environment.inputs.a | upper }}", "A: ONE", &[]);
        check("A: {% if x %}{{ environment.inputs.a }}{% endif %}", "A: one", &[]);
        check("A: {{ environment.inputs.a", "A: one", &[]);
        check("A: (.*{{ environment.inputs.a }})+$", "A: (.*one)+$", &[("a", "one")]);
    }
}
