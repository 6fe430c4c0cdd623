//! The lines that `mockoon-cli` writes.

use std::io::Write as _;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use standin_core::Clock;
use standin_mockoon::{Environment, Transaction};

/// How long lines about requests are gathered.
const GATHERING: Duration = Duration::from_millis(20);

/// More bytes are written at once.
const GATHERED_MAX: usize = 64 << 10;

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
        lines().later(&self.line("info", "Transaction recorded", &more));
    }

    fn write(&self, level: &str, message: &str, more: &str) {
        lines().now(&self.line(level, message, more));
    }

    fn line(&self, level: &str, message: &str, more: &str) -> String {
        let mut now = Clock::real().now().to_date_time();
        if !now.contains('.') {
            // Milliseconds are always there.
            now.insert_str(now.len() - 1, ".000");
        }
        let message = Value::from(message);
        format!("{},\"level\":\"{level}\",\"message\":{message}{more},\"timestamp\":\"{now}\"}}\n", self.head)
    }
}

/// Lines on their way to standard output. Those about requests are gathered: to write each would cost as much as to
/// answer the request.
struct Lines {
    gathered: Mutex<String>,
    /// Told when the first line is gathered.
    some: Condvar,
}

/// Writes what is gathered, in a thread of its own.
fn lines() -> &'static Lines {
    static LINES: LazyLock<&'static Lines> = LazyLock::new(|| {
        let lines = Box::leak(Box::new(Lines { gathered: Mutex::default(), some: Condvar::new() }));
        // Without the thread, lines are written when they are many.
        drop(std::thread::Builder::new().name("mockoon-log".to_owned()).spawn(|| lines.write_in_turns()));
        lines
    });
    *LINES
}

/// Writes everything that is gathered. The process is about to end.
pub fn flush() {
    lines().now("");
}

impl Lines {
    fn gathered(&self) -> MutexGuard<'_, String> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn later(&self, line: &str) {
        let mut gathered = self.gathered();
        if gathered.is_empty() {
            self.some.notify_one();
        }
        gathered.push_str(line);
        if gathered.len() > GATHERED_MAX {
            write(&mut gathered);
        }
    }

    /// Writes a line, behind those that are gathered.
    fn now(&self, line: &str) {
        let mut gathered = self.gathered();
        gathered.push_str(line);
        write(&mut gathered);
    }

    fn write_in_turns(&self) {
        loop {
            let gathered = self.gathered();
            let waited = self.some.wait_while(gathered, |gathered| gathered.is_empty());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            std::thread::sleep(GATHERING);
            write(&mut self.gathered());
        }
    }
}

/// Holding the lock keeps lines in their order.
fn write(gathered: &mut String) {
    // Nobody to read it is no reason not to serve.
    let _ = std::io::stdout().write_all(gathered.as_bytes());
    let _ = std::io::stdout().flush();
    gathered.clear();
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
