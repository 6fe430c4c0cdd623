//! One file per subcommand: its arguments, whose doc comments are the help, and what it does.

pub mod aws;
pub mod ca;
pub mod call;
pub mod clock;
pub mod completions;
pub mod describe;
pub mod doctor;
pub mod env;
pub mod export;
pub mod faults;
pub mod incident;
#[cfg(target_os = "linux")]
pub mod inside;
pub mod introspect;
pub mod mockoon;
pub mod mwaa;
pub mod proton;
pub mod recording;
mod remote;
pub mod retrylab;
pub mod run;
pub mod serve;
pub mod services;
#[cfg(unix)]
pub mod shepherd;
pub mod state;
