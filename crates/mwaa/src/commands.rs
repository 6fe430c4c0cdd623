//! Command lines of Airflow as MWAA takes them: quoted as for a shell, run without one, and only those that it allows.

use std::fmt;

/// Groups with the commands of each that MWAA runs. An empty command: the group is a command of its own.
const ALLOWED: &[(&str, &[&str])] = &[
    ("assets", &["details", "list", "materialize"]),
    ("backfill", &["create"]),
    ("cheat-sheet", &[""]),
    ("connections", &["add", "delete"]),
    (
        "dags",
        &[
            "backfill",
            "delete",
            "details",
            "list",
            "list-import-errors",
            "list-jobs",
            "list-runs",
            "next-execution",
            "pause",
            "report",
            "reserialize",
            "show",
            "state",
            "test",
            "trigger",
            "unpause",
        ],
    ),
    ("db", &["clean"]),
    ("pools", &["delete", "get", "list", "set"]),
    ("providers", &["behaviours", "get", "hooks", "links", "list", "widgets"]),
    ("roles", &["create", "list"]),
    ("tasks", &["clear", "failed-deps", "list", "render", "state", "states-for-dag-run", "test"]),
    ("variables", &["delete", "get", "list", "set"]),
    ("version", &[""]),
];
/// The longest command line, in bytes: an argument list of an operating system is no longer.
const BYTES_MAX: usize = 128 * 1024;

/// Why a command line is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The arguments of a command line, without `airflow`.
///
/// # Errors
/// Where a quote is left open, or the command is none that MWAA runs.
pub fn arguments(line: &str) -> Result<Vec<String>, Refused> {
    if line.len() > BYTES_MAX {
        return Err(Refused(format!("the command is longer than {BYTES_MAX} bytes")));
    }
    let arguments = words(line).ok_or_else(|| Refused("No closing quotation".to_owned()))?;
    let command = |at: usize| arguments.get(at).map_or("", String::as_str);
    let Some((_, commands)) = ALLOWED.iter().find(|(group, _)| *group == command(0)) else {
        return Err(Refused(format!("Unsupported command: {:?} is none that MWAA runs", command(0))));
    };
    if commands.contains(&"") || commands.contains(&command(1)) {
        return Ok(arguments);
    }
    Err(Refused(format!(
        "Unsupported command: MWAA runs `{} {}`, not {:?}",
        command(0),
        commands.join("|"),
        command(1)
    )))
}

/// Splits by the quoting rules of a POSIX shell, without any expansion. Nothing where a quote is left open.
pub fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            '\n' => {}
                            other => word.extend(['\\', other]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => {
                let escaped = chars.next()?;
                if escaped != '\n' {
                    word.get_or_insert_default().push(escaped);
                }
            }
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_words(line: &str, expect: Option<&[&str]>) {
        let expect = expect.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(words(line), expect, "{line}");
    }

    #[test]
    fn words_are_those_of_a_shell() {
        check_words(
            "dags trigger d --conf '{\"a\": \"b c\"}'",
            Some(&["dags", "trigger", "d", "--conf", "{\"a\": \"b c\"}"]),
        );
        check_words(r#"a "b \"c\" \n" d\ e"#, Some(&["a", r#"b "c" \n"#, "d e"]));
        check_words("  a\n b ", Some(&["a", "b"]));
        check_words("a '' \"\"", Some(&["a", "", ""]));
        check_words("$(rm -rf /) `x` ; | &", Some(&["$(rm", "-rf", "/)", "`x`", ";", "|", "&"]));
        check_words("", Some(&[]));
        check_words("a 'b", None);
        check_words("a \"b\\", None);
        check_words("a \\", None);
    }

    fn check_allowed(line: &str, allowed: bool) {
        assert_eq!(arguments(line).is_ok(), allowed, "{line}");
    }

    #[test]
    fn only_what_mwaa_runs_is_allowed() {
        for line in
            ["version", "dags list -o json", "dags trigger x", "variables set k v", "roles list", "backfill create"]
        {
            check_allowed(line, true);
        }
        for line in [
            "",
            "users list",
            "webserver",
            "config list",
            "dags",
            "dags nonsense",
            "db init",
            "connections list",
            "shell",
            "scheduler",
            "connections export -",
            "jobs check",
            "celery worker",
            "info",
            "'dags' 'list",
        ] {
            check_allowed(line, false);
        }
    }
}
