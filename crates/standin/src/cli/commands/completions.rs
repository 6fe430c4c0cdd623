use clap::Args;
use clap_complete::{Shell, generate};

use crate::cli::{Out, command};
use crate::error::CommandError;

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let mut script = Vec::new();
        generate(self.shell, &mut command(), "standin", &mut script);
        out.bytes(&script)?;
        Ok(0)
    }
}
