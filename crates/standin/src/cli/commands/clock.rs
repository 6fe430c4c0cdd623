//! `clock`: the time of a running server.

use clap::Args;
use serde_json::{Value, json};

use super::introspect::ServerArgs;
use crate::cli::Out;
use crate::config::FrozenTime;
use crate::error::CommandError;

/// Show or move the time of the running server
///
/// Without an option it shows the time. Several options are done in the order reset, freeze, advance, resume.
#[derive(Args, Debug)]
pub struct ClockArgs {
    /// Move on by this much, as in 10m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = standin_core::parse_duration)]
    advance: Option<std::time::Duration>,

    /// Stand still, now or at this time
    #[arg(long, value_name = "TIME", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap's form of an option with an optional value")]
    freeze: Option<Option<FrozenTime>>,

    /// Run on from where it stands
    #[arg(long)]
    resume: bool,

    /// Go with the system's time again
    #[arg(long)]
    reset: bool,

    #[command(flatten)]
    server: ServerArgs,
}

impl ClockArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let mut change = serde_json::Map::new();
        if let Some(by) = self.advance {
            change.insert("advance".to_owned(), standin_core::duration_text(by).into());
        }
        if let Some(freeze) = self.freeze {
            let at = freeze.map_or(Value::Bool(true), |time| time.0.to_date_time().into());
            change.insert("freeze".to_owned(), at);
        }
        for (name, wanted) in [("resume", self.resume), ("reset", self.reset)] {
            if wanted {
                change.insert(name.to_owned(), json!(true));
            }
        }
        let clock = if change.is_empty() {
            self.server.ask("/_standin/clock")?
        } else {
            self.server.tell("/_standin/clock", &Value::Object(change))?
        };
        let how = if clock["frozen"] == json!(true) { " (stands still)" } else { "" };
        writeln!(out, "{}{how}", clock["now"].as_str().unwrap_or_default())?;
        Ok(0)
    }
}
