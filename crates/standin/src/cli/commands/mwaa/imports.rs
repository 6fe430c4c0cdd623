//! Files of DAGs that Airflow could not import.

use std::path::{Path, PathBuf};

use http::Method;
use serde_json::Value;
use standin_model::Timestamp;

use super::project::files;
use super::site::Site;
use crate::cli::commands::remote::{Remote, list, text};
use crate::error::CommandError;

/// Why a file cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// The file as it lies here, where it is found.
    pub file: PathBuf,
    pub line: Option<u32>,
    pub message: String,
    /// When it was found. Airflow keeps an error until it has read the file again.
    pub at: Option<Timestamp>,
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All that Airflow could not import.
///
/// # Errors
/// When Airflow does not tell.
pub fn all(site: &mut Site, remote: &mut Remote, dags: &Path) -> Result<Vec<ImportError>, CommandError> {
    let answer = site.rest(remote, &Method::GET, "/importErrors?limit=100", None)?.good("list import errors")?;
    let known = files(dags).unwrap_or_default();
    Ok(list(&answer, "import_errors").iter().map(|error| read(error, dags, &known)).collect())
}

fn read(error: &Value, dags: &Path, known: &[PathBuf]) -> ImportError {
    // Airflow names the file as it lies on its side.
    let told = Path::new(text(error, "filename"));
    let inner = known.iter().filter(|file| told.ends_with(file)).max_by_key(|file| file.components().count());
    let trace = text(error, "stack_trace");
    let (line, message) = cause(trace, told);
    ImportError {
        file: inner.map_or_else(|| told.to_owned(), |inner| dags.join(inner)),
        line,
        message,
        at: Timestamp::parse_date_time(text(error, "timestamp")),
    }
}

/// The last line of a file that a traceback names, and what it says at its end.
fn cause(trace: &str, file: &Path) -> (Option<u32>, String) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let line = trace.lines().rev().find_map(|text| {
        let rest = text.trim_start().strip_prefix("File \"")?;
        let (path, rest) = rest.split_once("\", line ")?;
        if !Path::new(path).ends_with(&*name) {
            return None;
        }
        rest.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
    });
    let message = trace.lines().map(str::trim).rfind(|text| !text.is_empty()).unwrap_or("it cannot be imported");
    (line, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_line_is_that_of_the_dags_own_file() {
        let trace = "Traceback (most recent call last):\n  File \"<frozen importlib._bootstrap>\", line 241, in _call\n  File \"/x/dags/sub/a.py\", line 7, in <module>\n    import nothing\n  File \"/lib/b.py\", line 9, in <module>\nModuleNotFoundError: No module named 'nothing'\n";
        let error = json!({"filename": "/x/dags/sub/a.py", "stack_trace": trace, "timestamp": "2026-01-01T00:00:00Z"});
        let read = read(&error, Path::new("here/dags"), &[PathBuf::from("a.py"), PathBuf::from("sub/a.py")]);
        assert_eq!(read.to_string(), "here/dags/sub/a.py:7: ModuleNotFoundError: No module named 'nothing'");
        assert!(read.at.is_some());
        assert_eq!(cause("", Path::new("a.py")), (None, "it cannot be imported".to_owned()));
    }
}
