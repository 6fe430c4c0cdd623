//! The lines that `mockoon-cli` writes.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use standin_core::Clock;
use standin_mockoon::{Environment, Transaction};

/// Writes lines about one environment.
#[derive(Clone, Debug)]
pub struct Log {
    /// What every line has, up to the level.
    head: Arc<str>,
    whole: bool,
}

impl Log {
    /// `whole` logs requests and answers with headers and bodies.
    pub fn new(environment: &Environment, whole: bool) -> Self {
        let members = json!({
            "app": "mockoon-server",
            "environmentName": environment.name,
            "environmentUUID": environment.uuid,
        });
        let head = members.to_string();
        Self { head: Arc::from(head.trim_end_matches('}')), whole }
    }

    pub fn info(&self, message: &str) {
        self.write("info", message, "");
    }

    pub fn warn(&self, message: &str) {
        self.write("warn", message, "");
    }

    pub fn error(&self, message: &str) {
        self.write("error", message, "");
    }

    /// A message with members of its own.
    pub fn info_with(&self, message: &str, more: &Map<String, Value>) {
        let more = Value::from(more.clone()).to_string();
        let more = more.trim_start_matches('{').trim_end_matches('}');
        self.write("info", message, &format!(",{more}"));
    }

    /// A request that was answered.
    pub fn transaction(&self, method: &str, path: &str, status: u16, transaction: Option<&Transaction>, proxied: bool) {
        let whole = transaction.filter(|_| self.whole).map(Transaction::to_json);
        let whole = whole.map(|whole| format!(",\"transaction\":{whole}")).unwrap_or_default();
        let path = Value::from(path);
        let more = format!(
            ",\"requestMethod\":\"{method}\",\"requestPath\":{path},\"requestProxied\":{proxied},\"responseStatus\":{status}{whole}"
        );
        self.write("info", "Transaction recorded", &more);
    }

    fn write(&self, level: &str, message: &str, more: &str) {
        let now = Clock::real().now().to_date_time();
        let message = Value::from(message);
        let line =
            format!("{},\"level\":\"{level}\",\"message\":{message}{more},\"timestamp\":\"{now}\"}}\n", self.head);
        // Nobody to read it is no reason not to serve.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_json_to_go_on() {
        let environment = Environment::load(br#"{"lastMigration":33,"name":"a \"}\" b"}"#, false).expect("loads");
        let log = Log::new(&environment, false);
        let line: Value = serde_json::from_str(&format!("{}}}", log.head)).expect("JSON");
        assert_eq!(line["environmentName"], "a \"}\" b");
    }
}
