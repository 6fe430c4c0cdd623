//! How Airflow's commands print what they list.

use serde_json::Value;

use crate::runtime::Output;

/// A format of `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Yaml,
    Plain,
}

impl Format {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "table" => Some(Self::Table),
            "json" => Some(Self::Json),
            "yaml" => Some(Self::Yaml),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// Prints rows, each with the same columns.
pub(super) fn print(rows: &[Vec<(&'static str, Value)>], format: Format) -> Output {
    let stdout = match format {
        Format::Json => {
            let objects = rows.iter().map(|row| {
                let members = row.iter().map(|(name, value)| format!("{}: {}", Value::from(*name), python_json(value)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            });
            format!("[{}]\n", objects.collect::<Vec<_>>().join(", "))
        }
        Format::Yaml if rows.is_empty() => "[]\n".to_owned(),
        Format::Yaml => rows.iter().map(|row| yaml(row)).collect::<String>() + "\n",
        _ if rows.is_empty() => "No data found\n".to_owned(),
        Format::Table => grid(rows, true),
        Format::Plain => grid(rows, false),
    };
    Output { stdout, stderr: String::new() }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) => python(value),
        Value::Number(number) => number.to_string(),
    }
}

/// A value as Python shows it.
pub(super) fn python(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("'{name}': {}", python(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => cell(other),
    }
}

/// A value as Python's `json.dumps` writes it: with a space behind commas and colons.
fn python_json(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), python_json(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn yaml(row: &[(&'static str, Value)]) -> String {
    let mut text = String::new();
    for (at, (name, value)) in row.iter().enumerate() {
        text.push_str(if at == 0 { "- " } else { "  " });
        match value {
            Value::Array(items) => {
                text.push_str(&format!("{name}:\n"));
                items.iter().for_each(|item| text.push_str(&format!("  - {}\n", cell(item))));
            }
            Value::Null => text.push_str(&format!("{name}: null\n")),
            // As JSON, a text is also one of YAML.
            Value::String(quoted) if quoted.is_empty() || quoted.contains([':', '#', '\'', '"', '{', '[']) => {
                text.push_str(&format!("{name}: {}\n", Value::from(quoted.as_str())));
            }
            Value::String(plain) if matches!(plain.as_str(), "True" | "False") => {
                text.push_str(&format!("{name}: '{plain}'\n"));
            }
            other => text.push_str(&format!("{name}: {}\n", cell(other))),
        }
    }
    text
}

fn grid(rows: &[Vec<(&'static str, Value)>], ruled: bool) -> String {
    let names: Vec<&str> = rows[0].iter().map(|(name, _)| *name).collect();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|(_, value)| cell(value)).collect()).collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.chain([names[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let padded = |cells: &[&str]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width));
        cells.collect::<Vec<_>>().join(if ruled { " | " } else { " " })
    };
    let mut text = padded(&names);
    text.push('\n');
    if ruled {
        let rules: Vec<String> = widths.iter().map(|width| "=".repeat(*width)).collect();
        text.push_str(&rules.join("=+="));
        text.push('\n');
    }
    for row in &cells {
        text.push_str(&padded(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(format: Format, expect: &str) {
        let row = |id: &str, paused: bool| {
            vec![
                ("dag_id", json!(id)),
                ("owners", json!(["a", "b"])),
                ("is_paused", json!(if paused { "True" } else { "False" })),
                ("end", json!(null)),
            ]
        };
        assert_eq!(print(&[row("hello", true), row("x", false)], format).stdout, expect);
    }

    #[test]
    fn rows_look_as_airflow_prints_them() {
        check(
            Format::Table,
            "dag_id | owners | is_paused | end \n=======+========+===========+=====\nhello  | a, b   | True      | None\n\
             x      | a, b   | False     | None\n",
        );
        check(
            Format::Json,
            "[{\"dag_id\": \"hello\", \"owners\": [\"a\", \"b\"], \"is_paused\": \"True\", \"end\": null}, \
             {\"dag_id\": \"x\", \"owners\": [\"a\", \"b\"], \"is_paused\": \"False\", \"end\": null}]\n",
        );
        check(
            Format::Plain,
            "dag_id owners is_paused end \nhello  a, b   True      None\nx      a, b   False     None\n",
        );
        check(
            Format::Yaml,
            "- dag_id: hello\n  owners:\n  - a\n  - b\n  is_paused: 'True'\n  end: null\n\
             - dag_id: x\n  owners:\n  - a\n  - b\n  is_paused: 'False'\n  end: null\n\n",
        );
        assert_eq!(print(&[], Format::Table).stdout, "No data found\n");
        assert_eq!(print(&[], Format::Json).stdout, "[]\n");
    }
}
