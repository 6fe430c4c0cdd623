//! `docs/cli.md` is written from the definitions of the command line; this test says when it is stale.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command};
use standin::{cli, env};

/// Set to anything, it makes the test write the file.
const UPDATE: &str = "UPDATE_DOCS";

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let reference = reference();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, reference).expect("docs/cli.md can be written");
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == reference, "docs/cli.md is stale; run: {UPDATE}=1 cargo test -p standin --test reference");
}

fn reference() -> String {
    let command = cli::command();
    let mut text = String::from(
        "# Command line\n\n\
         <!-- Written by a test from the definitions; to renew it: \
         UPDATE_DOCS=1 cargo test -p standin --test reference -->\n",
    );
    section(&mut text, "##", &command, "standin", &[]);
    let own: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        // `standin serve` and `standin run` take all flags of `standin`: once is enough.
        let known: &[&str] = if ["serve", "run", "retrylab"].contains(&sub.get_name()) { &own } else { &[] };
        let name = format!("standin {}", sub.get_name());
        section(&mut text, "##", sub, &name, known);
        for inner in sub.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            section(&mut text, "###", inner, &format!("{name} {}", inner.get_name()), known);
        }
    }
    text.push_str(
        "\n## Environment variables\n\n\
         Flags win over variables, variables over `standin.toml`. A variable set to nothing counts as not set.\n",
    );
    variables(&mut text, "Of standin", env::STANDIN);
    variables(&mut text, "Of LocalStack, each also with the prefix `LOCALSTACK_`", env::LOCALSTACK);
    text.push_str("\nOther variables of LocalStack are ignored; `USE_SSL` need not be set: the port speaks both.\n");
    variables(&mut text, "Of Mockoon, read by `standin mockoon`", env::MOCKOON_CLI);
    variables(&mut text, "Of git, handed on to it with `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE`", env::GIT);
    variables(&mut text, "Of `docker`, handed on to it where Airflow runs in containers", env::DOCKER);
    variables(&mut text, "Of AWS's tools, read by `standin call`, set by `standin env` and `standin run`", env::AWS);
    text
}

fn section(text: &mut String, level: &str, command: &Command, name: &str, known: &[&str]) {
    let _ = writeln!(text, "\n{level} {name}\n");
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "{}\n", prose(&about));
    let usage = command.clone().bin_name(name).render_usage().to_string();
    let _ = writeln!(text, "```text\n{}\n```", usage.trim_start_matches("Usage: ").replace("\n       ", "\n"));
    let shown = |argument: &&Arg| {
        let is_built_in = argument.get_long().is_some_and(|long| ["help", "version"].contains(&long));
        !argument.is_hide_set() && !is_built_in
    };
    let is_known = |argument: &&Arg| argument.get_long().is_some_and(|long| known.contains(&long));
    let (shared, own): (Vec<&Arg>, Vec<&Arg>) = command.get_arguments().filter(shown).partition(is_known);
    if !own.is_empty() {
        text.push('\n');
    }
    for argument in own {
        flag(text, argument);
    }
    if !shared.is_empty() {
        text.push_str("\nAlso all flags of `standin`.\n");
    }
}

fn flag(text: &mut String, argument: &Arg) {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let variable = argument.get_env().map(|name| format!(" (`{}`)", name.display())).unwrap_or_default();
    let _ = writeln!(text, "- `{}`{variable}: {}", invocation(argument), prose(&help).replace('\n', "\n  "));
    let is_switch = !takes_values(argument) || argument.get_value_names().is_some_and(|names| names == ["BOOL"]);
    for value in argument.get_possible_values().iter().filter(|_| !is_switch) {
        let help = value.get_help().map(|help| format!(": {help}")).unwrap_or_default();
        let _ = writeln!(text, "  - `{}`{help}", value.get_name());
    }
}

/// `--seed <NUMBER>`, `-i, --input <JSON>`, `<SERVICE>`
fn invocation(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    let values = if takes_values(argument) { values.join(" ") } else { String::new() };
    let Some(long) = argument.get_long() else { return values };
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let is_optional = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
    match (values.is_empty(), is_optional) {
        (true, _) => format!("{short}--{long}"),
        (false, true) => format!("{short}--{long}[={values}]"),
        (false, false) => format!("{short}--{long} {values}"),
    }
}

fn takes_values(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// Paragraphs as lines; what looks like HTML is kept from being it.
fn prose(text: &str) -> String {
    text.replace("\n\n", "\n").replace('<', "&lt;")
}

fn variables(text: &mut String, title: &str, list: &[(&str, &str)]) {
    let _ = writeln!(text, "\n### {title}\n");
    for (name, description) in list {
        let _ = writeln!(text, "- `{name}`: {}", description.trim());
    }
}
