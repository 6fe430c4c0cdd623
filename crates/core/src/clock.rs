//! The one clock. Real time by default; frozen, shifted and advanced for tests.

#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use standin_model::Timestamp;

/// Milliseconds since 1970 at the start of 2026: the reference for synthesised timestamps when the clock is real.
const DEFAULT_ORIGIN_MS: i64 = 1_767_225_600_000;

/// A virtual clock, shared by everything in one server. Resolution: milliseconds.
#[derive(Debug)]
pub struct Clock {
    frozen: AtomicBool,
    /// Frozen: the time in ms. Running: what is added to the system's time.
    value_ms: AtomicI64,
    origin_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

impl Clock {
    /// The system's time.
    pub fn real() -> Self {
        Self { frozen: AtomicBool::new(false), value_ms: AtomicI64::new(0), origin_ms: DEFAULT_ORIGIN_MS }
    }

    /// Stands still at a time, which is also the origin.
    pub fn frozen_at(time: Timestamp) -> Self {
        let at = time.as_millis();
        Self { frozen: AtomicBool::new(true), value_ms: AtomicI64::new(at), origin_ms: at }
    }

    pub fn now(&self) -> Timestamp {
        let value = self.value_ms.load(Ordering::Acquire);
        if self.frozen.load(Ordering::Acquire) {
            return Timestamp::from_millis(value);
        }
        Timestamp::from_millis(system_ms().saturating_add(value))
    }

    /// The reference point of synthesised timestamps: they must not depend on when a request comes, or two runs with
    /// the same seed would differ. 2026-01-01T00:00:00Z, or where the clock was frozen at start.
    pub fn origin(&self) -> Timestamp {
        Timestamp::from_millis(self.origin_ms)
    }

    /// Moves time forward; a negative duration is none.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ = self.value_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, |value| Some(value.saturating_add(by)));
    }

    /// Stands still from now on.
    pub fn freeze(&self) {
        let now = self.now().as_millis();
        if !self.frozen.swap(true, Ordering::AcqRel) {
            self.value_ms.store(now, Ordering::Release);
        }
    }

    /// Runs on from where it stood.
    pub fn resume(&self) {
        let now = self.now().as_millis();
        if self.frozen.swap(false, Ordering::AcqRel) {
            self.value_ms.store(now.saturating_sub(system_ms()), Ordering::Release);
        }
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }
}

fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Measures real durations, for logs and metrics only; never part of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freezes_advances_and_resumes() {
        let clock = Clock::frozen_at(Timestamp::from_seconds(100));
        assert_eq!(clock.now(), Timestamp::from_seconds(100));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_seconds(105));
        clock.resume();
        assert!((105..110).contains(&clock.now().seconds));
        let real = Clock::real();
        real.freeze();
        let then = real.now();
        assert_eq!(real.now(), then);
        assert!(then > real.origin());
    }
}
