//! A folder with what an environment of MWAA runs: DAGs, and what goes with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;
use serde::Deserialize;

use crate::config::MwaaRuntime;
use crate::error::{Attempt as _, CommandError};

/// The file that says more of a folder.
const SETTINGS: &str = "airflow.toml";
/// The folder's own state: what `up` keeps between two times.
pub const STATE: &str = ".standin";
/// Where requirements and startup script are looked for; the second places are those of AWS's local runner.
const REQUIREMENTS: &[&str] = &["requirements.txt", "requirements/requirements.txt", "dags/requirements.txt"];
const STARTUP: &[&str] = &["startup.sh", "startup_script/startup.sh"];
/// What no environment needs.
const SKIPPED: &[&str] = &["__pycache__", ".git", ".venv", "venv", ".standin", ".DS_Store", ".ipynb_checkpoints"];
/// Deeper are only links that lead back.
const DEPTH_MAX: usize = 32;
/// More is hardly a folder of DAGs.
const FILES_MAX: usize = 20_000;
/// How long a name may be. Source: the model of MWAA.
const NAME_CHARS_MAX: usize = 80;

/// What a folder holds.
#[derive(Debug)]
pub struct Project {
    pub dir: PathBuf,
    pub requirements: Option<PathBuf>,
    pub startup: Option<PathBuf>,
    pub plugins: Option<Plugins>,
    pub settings: Settings,
}

/// Plugins: a folder that is packed, or an archive.
#[derive(Debug)]
pub enum Plugins {
    Folder(PathBuf),
    Archive(PathBuf),
}

/// What the settings file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    pub name: Option<String>,
    /// The version of Airflow.
    pub version: Option<String>,
    pub class: Option<String>,
    pub runtime: Option<MwaaRuntime>,
    /// `core.parallelism = 4`, or a table `[options.core]`.
    #[serde(default)]
    pub options: toml::Table,
}

/// A file as it was when it was last looked at.
pub type Look = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Reads what a folder holds.
///
/// # Errors
/// Where it has no DAGs, or its settings make no sense.
pub fn read(dir: &Path) -> Result<Project, CommandError> {
    if !dir.join("dags").is_dir() {
        let error = anyhow!("{} has no folder dags", dir.display());
        return Err(CommandError::usage(error)
            .hint("it holds the files of DAGs; requirements.txt, plugins and startup.sh lie beside it"));
    }
    let file = dir.join(SETTINGS);
    let settings = if file.is_file() {
        let text = fs::read_to_string(&file).attempt(format_args!("cannot read {}", file.display()))?;
        toml::from_str(&text)
            .map_err(|error| CommandError::usage(anyhow!("{}: {}", file.display(), error.message())))?
    } else {
        Settings::default()
    };
    let first = |names: &[&str]| names.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    let archive = dir.join("plugins.zip");
    let folder = dir.join("plugins");
    let plugins = if archive.is_file() {
        Some(Plugins::Archive(archive))
    } else {
        Some(folder)
            .filter(|folder| folder.is_dir() && !files(folder).unwrap_or_default().is_empty())
            .map(Plugins::Folder)
    };
    Ok(Project { dir: dir.to_owned(), requirements: first(REQUIREMENTS), startup: first(STARTUP), plugins, settings })
}

impl Project {
    pub fn dags(&self) -> PathBuf {
        self.dir.join("dags")
    }

    /// The name of the environment: that of the settings, else of the folder.
    pub fn name(&self) -> String {
        if let Some(name) = &self.settings.name {
            return name.clone();
        }
        let folder = fs::canonicalize(&self.dir).ok();
        let name = folder.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        environment_name(&name.unwrap_or_default())
    }

    /// The options of Airflow, as `section.key`.
    pub fn options(&self) -> BTreeMap<String, String> {
        let mut options = BTreeMap::new();
        flatten("", &self.settings.options, &mut options);
        options
    }

    /// All files that count, as they are now.
    pub fn look(&self) -> Look {
        let mut paths: Vec<PathBuf> = Vec::new();
        for folder in [self.dags(), self.dir.join("plugins")] {
            paths.extend(files(&folder).unwrap_or_default().into_iter().map(|file| folder.join(file)));
        }
        paths.extend(
            [SETTINGS, "plugins.zip"].iter().chain(REQUIREMENTS).chain(STARTUP).map(|name| self.dir.join(name)),
        );
        let of = |path: PathBuf| {
            let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((path, (about.modified().ok(), about.len())))
        };
        paths.into_iter().filter_map(of).collect()
    }
}

fn flatten(before: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let name = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, into),
            other => drop(into.insert(name, text_of(other))),
        }
    }
}

/// A value as Airflow reads it.
fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Integer(value) => value.to_string(),
        toml::Value::Float(value) => value.to_string(),
        toml::Value::Datetime(value) => value.to_string(),
        toml::Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        // Tables have become keys of their own.
        toml::Value::Table(_) => String::new(),
    }
}

/// A name that MWAA takes, as like to a text as can be.
fn environment_name(text: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || char == '-' || char == '_' { char } else { '-' };
    let name: String = text.chars().map(plain).take(NAME_CHARS_MAX).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return name;
    }
    format!("airflow-{}", name.trim_start_matches(['-', '_']))
        .chars()
        .take(NAME_CHARS_MAX)
        .collect::<String>()
        .trim_end_matches('-')
        .to_owned()
}

/// The files below a folder that an environment may need: paths within it, in order.
///
/// # Errors
/// Where a folder cannot be read, or there is too much in it.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![(PathBuf::new(), 0)];
    while let Some((inner, depth)) = left.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            if SKIPPED.contains(&&*text) || text.ends_with(".pyc") || text.ends_with(".swp") || text.ends_with('~') {
                continue;
            }
            let path = inner.join(&name);
            // Links count as what they lead to; one that leads nowhere as nothing.
            match fs::metadata(folder.join(&path)) {
                Ok(about) if about.is_dir() && depth < DEPTH_MAX => left.push((path, depth + 1)),
                Ok(about) if about.is_file() => found.push(path),
                _ => {}
            }
            if found.len() > FILES_MAX {
                let message = format!("{} has more than {FILES_MAX} files", folder.display());
                return Err(std::io::Error::other(message));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_what_mwaa_takes() {
        for (text, expect) in [
            ("birds", "birds"),
            ("My Birds.2", "My-Birds-2"),
            ("2nd", "airflow-2nd"),
            ("_x", "airflow-x"),
            ("", "airflow"),
        ] {
            assert_eq!(environment_name(text), expect);
        }
        assert_eq!(environment_name(&"x".repeat(90)).len(), 80);
    }

    #[test]
    fn options_are_named_by_section_and_key() {
        let text = "version = \"3.0.6\"\n[options]\ncore.parallelism = 4\n\"core.dag_concurrency\" = 2\nfoo.user = \"x\"\n[options.webserver]\nexpose = true\n";
        let settings: Settings = toml::from_str(text).expect("valid");
        let mut options = BTreeMap::new();
        flatten("", &settings.options, &mut options);
        let pairs: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["core.dag_concurrency=2", "core.parallelism=4", "foo.user=x", "webserver.expose=true"]);
        assert!(toml::from_str::<Settings>("airflow = \"3\"").is_err());
    }
}
