//! Events from the lines of a log, in the forms in which parts of Airflow write them.

use serde_json::Value;
use standin_model::Timestamp;

use crate::neighbours::LogEvent;
use crate::types::LoggingLevel;

/// Of one event; longer ones are cut.
const EVENT_BYTES_MAX: usize = 250 << 10;
/// Times that lie further from now are not believed: the clock of standin may be another one.
const APART_MS_MAX: i64 = 24 * 60 * 60 * 1000;

/// Reads lines; what a line does not tell is as the one before told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reader {
    level: LoggingLevel,
    time: i64,
}

impl Default for Reader {
    fn default() -> Self {
        Self { level: LoggingLevel::Info, time: 0 }
    }
}

impl Reader {
    /// The events of whole lines. A line that begins none belongs to the event before.
    pub(super) fn read(&mut self, text: &str, now: Timestamp) -> Vec<LogEvent> {
        let now = now.as_millis();
        let mut events: Vec<LogEvent> = Vec::new();
        // Whether the last event has a head of its own: then what is indented below it is more of it; and whether it does.
        let (mut headed, mut inside) = (false, false);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (time, level) = head(line);
            let inner = line.starts_with(char::is_whitespace) || line.starts_with("Traceback ");
            if time.is_none()
                && level.is_none()
                && (inner && headed || inside)
                && let Some(last) = events.last_mut()
                && last.message.len() + line.len() < EVENT_BYTES_MAX
            {
                last.message.push('\n');
                last.message.push_str(line);
                // Behind a traceback stands the error, without a blank before it.
                inside = inner;
                continue;
            }
            (headed, inside) = (time.is_some(), false);
            if let Some(level) = level {
                self.level = level;
            }
            let believed = time.filter(|time| (time - now).abs() <= APART_MS_MAX);
            // Never backward: CloudWatch wants them in order.
            self.time = believed.unwrap_or(now).max(self.time.min(now));
            let message = line[..line.floor_char_boundary(EVENT_BYTES_MAX)].to_owned();
            events.push(LogEvent { time: self.time, level: self.level, message });
        }
        events
    }
}

/// When a line says that it was written, and its level.
fn head(line: &str) -> (Option<i64>, Option<LoggingLevel>) {
    if line.starts_with('{') {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return (None, None) };
        let time = value["timestamp"].as_str().and_then(time);
        return (time, value["level"].as_str().and_then(level));
    }
    // `[2024-01-01T00:00:00.000+0000] {file.py:1} INFO - text`, `[2024-01-01 00:00:00 +0000] [7] [INFO] text`,
    // `2024-01-01T00:00:00.000000Z [info     ] text`, `INFO:     text`.
    let (stamp, rest) = match line.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((stamp, rest)) if stamp.starts_with("20") => (time(stamp), rest),
            _ => (None, line),
        },
        None if line.starts_with("20") => {
            // Date and time may be two words.
            let words = if line.split(' ').nth(1).is_some_and(|word| word.contains(':')) { 2 } else { 1 };
            let end = line.match_indices(' ').nth(words - 1).map_or(line.len(), |(at, _)| at);
            (time(&line[..end]), &line[end..])
        }
        None => (None, line),
    };
    let head = &rest[..rest.floor_char_boundary(200)];
    let found = match head.split_once("} ") {
        Some((_, behind)) if head.trim_start().starts_with('{') => behind.split([' ', '-']).next().and_then(level),
        _ => head
            .split(['[', ']'])
            .map(str::trim)
            .find_map(level)
            .or_else(|| level(head.split_whitespace().next()?.trim_end_matches(':'))),
    };
    (stamp, found)
}

fn time(text: &str) -> Option<i64> {
    let mut text = text.trim().replace(',', ".");
    if let Some(at) = text.find(" +").or_else(|| text.find(" -")) {
        text.remove(at);
    }
    text = text.replacen(' ', "T", 1);
    // `+0000` and `+00:00`.
    if let Some(at) = text.rfind(['+', '-']).filter(|at| text.len() - at == 5) {
        text.insert(at + 3, ':');
    }
    Timestamp::parse_date_time(&text).map(Timestamp::as_millis)
}

fn level(word: &str) -> Option<LoggingLevel> {
    match word.to_ascii_uppercase().as_str() {
        "DEBUG" => Some(LoggingLevel::Debug),
        "INFO" => Some(LoggingLevel::Info),
        "WARN" | "WARNING" => Some(LoggingLevel::Warning),
        "ERROR" | "EXCEPTION" => Some(LoggingLevel::Error),
        "CRITICAL" | "FATAL" => Some(LoggingLevel::Critical),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-01T00:00:00Z
    const DAY: i64 = 1_704_067_200_000;

    fn check(line: &str, expect: (Option<i64>, Option<LoggingLevel>)) {
        assert_eq!(head(line), (expect.0.map(|ms| DAY + ms), expect.1), "{line}");
    }

    #[test]
    fn heads_of_lines_are_read() {
        use LoggingLevel as Level;
        check("[2024-01-01T00:00:01.500+0000] {taskinstance.py:1} INFO - Marking", (Some(1500), Some(Level::Info)));
        check("[2024-01-01T02:00:00.000+0200] {a.py:1} WARNING - x", (Some(0), Some(Level::Warning)));
        check("[2024-01-01 00:00:02 +0000] [17] [ERROR] Worker", (Some(2000), Some(Level::Error)));
        check(
            "2024-01-01T00:00:03.250000Z [info     ] started [airflow.jobs] loc=a.py:1",
            (Some(3250), Some(Level::Info)),
        );
        check("2024-01-01 00:00:03,250 INFO sqlalchemy.log x", (Some(3250), Some(Level::Info)));
        check("INFO:     127.0.0.1:5 - \"GET / HTTP/1.1\" 200", (None, Some(Level::Info)));
        check(
            r#"{"timestamp":"2024-01-01T00:00:04.000001Z","level":"critical","event":"x"}"#,
            (Some(4000), Some(Level::Critical)),
        );
        for line in ["plain words", "  File \"a.py\", line 1", "{no json", "[x", "", "20", "é", "[20é] {"] {
            check(line, (None, None));
        }
    }

    #[test]
    fn lines_become_events() {
        let mut reader = Reader::default();
        let now = Timestamp::from_millis(DAY + 10_000);
        let text = "[2024-01-01T00:00:01.000+0000] {a.py:1} ERROR - failed\nTraceback (most recent call last):\n  File \"a\"\nValueError: x\n\
                    [2024-01-01T00:00:00.500+0000] {a.py:1} INFO - earlier\n[2001-01-01T00:00:00.000+0000] {a.py:1} INFO - another clock\n";
        let events = reader.read(text, now);
        let told: Vec<(i64, LoggingLevel, &str)> =
            events.iter().map(|event| (event.time - DAY, event.level, &*event.message)).collect();
        assert_eq!(told[0], (1000, LoggingLevel::Error, &text[..told[0].2.len()]));
        assert!(told[0].2.ends_with("ValueError: x"));
        assert_eq!((told[1].0, told[1].1), (1000, LoggingLevel::Info), "never backward");
        assert_eq!((told[2].0, told[2].1), (10_000, LoggingLevel::Info));
        assert_eq!(told.len(), 3);
        assert_eq!(reader.read("  File \"later\"\n", now)[0].level, LoggingLevel::Info);
        let access = "[2024-01-01T00:00:01.000+0000] {a.py:1} INFO - x\n127.0.0.1 - - \"GET / HTTP/1.0\" 200\n";
        assert_eq!(reader.read(access, now).len(), 2);
        assert_eq!(reader.read("Collecting pip\nDone\n", now).len(), 2);
        let long = "x".repeat(EVENT_BYTES_MAX + 10);
        assert_eq!(reader.read(&long, now)[0].message.len(), EVENT_BYTES_MAX);
    }
}
