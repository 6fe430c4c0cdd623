//! Runs the compiled binary in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for one test, gone at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("standin-test-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The binary, with nothing of the caller's environment but the search path.
    pub fn standin(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standin"));
        command.args(arguments).current_dir(&self.0).env_clear().env("HOME", &self.0);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs to the end; exit code, standard output and standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(&self.standin(arguments).output().expect("the binary runs"))
    }

    /// Runs to a successful end and gives standard output.
    pub fn output(&self, arguments: &[&str]) -> String {
        let (code, output, error) = self.run(arguments);
        assert_eq!((code, error.as_str()), (0, ""), "standin {}", arguments.join(" "));
        output
    }

    /// The same as JSON.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.output(arguments)).expect("the output is JSON")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
