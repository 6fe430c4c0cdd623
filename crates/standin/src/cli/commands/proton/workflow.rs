//! `proton workflow`: the files by which a repository plans, applies and reports what Proton proposes to it.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use standin_server::Workflows;

use super::files::write;
use crate::cli::Out;
use crate::error::CommandError;

#[derive(Args, Debug)]
pub struct WorkflowArgs {
    /// Where the repository is
    #[arg(long, value_enum, default_value_t = Forge::Github)]
    forge: Forge,

    /// The branch that Proton proposes to
    #[arg(long, default_value = "main")]
    branch: String,

    /// The repository's folder; what is there already stays [default: standard output]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Forge {
    /// GitHub Actions
    Github,
    /// GitLab CI
    Gitlab,
    /// Gitea and Forgejo Actions
    Gitea,
    /// The script alone, which all of them run
    Plain,
}

impl WorkflowArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let workflows = match self.forge {
            Forge::Github => Workflows::GitHub,
            Forge::Gitlab => Workflows::GitLab,
            Forge::Gitea => Workflows::Gitea,
            Forge::Plain => Workflows::Plain,
        };
        let files = workflows.files(&self.branch);
        let files: Vec<(String, Vec<u8>)> =
            files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect();
        let Some(folder) = &self.out else {
            for (path, text) in &files {
                writeln!(out, "# {path}")?;
                out.bytes(text)?;
                writeln!(out)?;
            }
            return Ok(0);
        };
        for path in write(Path::new(folder), &files, false)? {
            writeln!(out, "{}", path.display())?;
        }
        Ok(0)
    }
}
