//! The one clock. Real time by default; frozen, shifted and advanced for tests.

#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use standin_model::Timestamp;

/// Milliseconds since 1970 at the start of 2026: the reference for synthesised timestamps when the clock is real.
const DEFAULT_ORIGIN_MS: i64 = 1_767_225_600_000;

/// A virtual clock, shared by everything in one server. Resolution: milliseconds.
#[derive(Debug)]
pub struct Clock {
    /// One word, so that whoever reads the time never sees half of a change. The lowest bit: whether it stands still. The
    /// rest: frozen, the time in ms; running, what is added to the system's time.
    state: AtomicI64,
    origin_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

/// What a clock's word says.
#[derive(Clone, Copy)]
enum State {
    Running { ahead_ms: i64 },
    Frozen { at_ms: i64 },
}

impl State {
    fn read(word: i64) -> Self {
        if word & 1 == 1 { Self::Frozen { at_ms: word >> 1 } } else { Self::Running { ahead_ms: word >> 1 } }
    }

    fn word(self) -> i64 {
        let shifted = |value: i64| value.clamp(i64::MIN / 2, i64::MAX / 2) << 1;
        match self {
            Self::Running { ahead_ms } => shifted(ahead_ms),
            Self::Frozen { at_ms } => shifted(at_ms) | 1,
        }
    }

    fn now_ms(self) -> i64 {
        match self {
            Self::Running { ahead_ms } => system_ms().saturating_add(ahead_ms),
            Self::Frozen { at_ms } => at_ms,
        }
    }
}

impl Clock {
    /// The system's time.
    pub fn real() -> Self {
        Self { state: AtomicI64::new(State::Running { ahead_ms: 0 }.word()), origin_ms: DEFAULT_ORIGIN_MS }
    }

    /// Stands still at a time, which is also the origin.
    pub fn frozen_at(time: Timestamp) -> Self {
        let at_ms = time.as_millis();
        Self { state: AtomicI64::new(State::Frozen { at_ms }.word()), origin_ms: at_ms }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.state().now_ms())
    }

    /// The reference point of synthesised timestamps: they must not depend on when a request comes, or two runs with
    /// the same seed would differ. 2026-01-01T00:00:00Z, or where the clock was frozen at start.
    pub fn origin(&self) -> Timestamp {
        Timestamp::from_millis(self.origin_ms)
    }

    /// Moves time forward; a negative duration is none.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.change(|state| match state {
            State::Running { ahead_ms } => State::Running { ahead_ms: ahead_ms.saturating_add(by) },
            State::Frozen { at_ms } => State::Frozen { at_ms: at_ms.saturating_add(by) },
        });
    }

    /// Stands still from now on.
    pub fn freeze(&self) {
        self.change(|state| State::Frozen { at_ms: state.now_ms() });
    }

    /// Stands still at a time from now on.
    pub fn freeze_at(&self, time: Timestamp) {
        self.change(|_| State::Frozen { at_ms: time.as_millis() });
    }

    /// Runs on from where it stood.
    pub fn resume(&self) {
        self.change(|state| match state {
            State::Frozen { at_ms } => State::Running { ahead_ms: at_ms.saturating_sub(system_ms()) },
            running @ State::Running { .. } => running,
        });
    }

    /// Goes with the system's time again.
    pub fn follow_system(&self) {
        self.change(|_| State::Running { ahead_ms: 0 });
    }

    pub fn is_frozen(&self) -> bool {
        matches!(self.state(), State::Frozen { .. })
    }

    /// Whether it shows another time than the system does.
    pub fn is_virtual(&self) -> bool {
        !matches!(self.state(), State::Running { ahead_ms: 0 })
    }

    fn state(&self) -> State {
        State::read(self.state.load(Ordering::Acquire))
    }

    fn change(&self, next: impl Fn(State) -> State) {
        let _ =
            self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(next(State::read(word)).word()));
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
        real.freeze_at(Timestamp::from_seconds(-7));
        assert_eq!(real.now(), Timestamp::from_seconds(-7));
        assert!(real.is_frozen() && real.is_virtual());
        real.follow_system();
        assert!(!real.is_virtual() && real.now() >= then);
    }
}
