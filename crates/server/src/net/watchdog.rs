//! Ends connections that hold a place without using it.
//!
//! A timer per request would cost every request; instead each connection is looked at now and then, and what was
//! counted since the last look tells what state it is in. Limits are kept to within a quarter.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use super::io::Activity;

/// What to do about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Keep,
    /// Let it end in order: it is idle.
    Close,
    /// Drop it: its peer does not do its part.
    Cut,
}

pub(super) struct Watchdog {
    pub(super) period: Duration,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_stall_timeout: Duration,
    /// HTTP/2 brings bytes without requests, so that idle and slow cannot be told apart.
    reads_are_headers: bool,
    /// Since when no request has been open.
    quiet_since: Option<Instant>,
    requests_done: u64,
    /// Since when the peer has taken nothing, and how much it had taken.
    stalled_since: Option<(Instant, u64)>,
    closing_since: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(limits: &Limits, now: Instant, reads_are_headers: bool) -> Self {
        let (header, idle, stall) = (limits.header_timeout(), limits.idle_timeout(), limits.write_stall_timeout());
        Self {
            period: (header.min(idle).min(stall) / 4).clamp(Duration::from_millis(10), Duration::from_secs(5)),
            header_timeout: header,
            idle_timeout: idle,
            write_stall_timeout: stall,
            reads_are_headers,
            quiet_since: Some(now),
            requests_done: 0,
            stalled_since: None,
            closing_since: None,
        }
    }

    pub(super) fn look(&mut self, activity: &Activity, now: Instant) -> Step {
        if self.is_stalled(activity, now) {
            return Step::Cut;
        }
        if activity.requests_open.load(Relaxed) > 0 {
            self.quiet_since = None;
            return Step::Keep;
        }
        let done = activity.requests_done.load(Relaxed);
        if done != self.requests_done {
            self.requests_done = done;
            self.quiet_since = None;
        }
        let quiet = now - *self.quiet_since.get_or_insert(now);
        if let Some(since) = self.closing_since {
            return if now - since >= self.header_timeout { Step::Cut } else { Step::Keep };
        }
        let within_headers =
            self.reads_are_headers && activity.reads.load(Relaxed) != activity.reads_when_done.load(Relaxed);
        if within_headers && quiet >= self.header_timeout {
            return Step::Cut;
        }
        if quiet >= self.idle_timeout {
            self.closing_since = Some(now);
            return Step::Close;
        }
        Step::Keep
    }

    fn is_stalled(&mut self, activity: &Activity, now: Instant) -> bool {
        if !activity.write_blocked.load(Relaxed) {
            self.stalled_since = None;
            return false;
        }
        let written = activity.bytes_written.load(Relaxed);
        match self.stalled_since {
            Some((since, then)) if then == written => now - since >= self.write_stall_timeout,
            _ => {
                self.stalled_since = Some((now, written));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits are 100 s for headers, 1000 s idle, 10 s for writes.
    fn watchdog(start: Instant) -> Watchdog {
        let limits = Limits {
            header_timeout_ms: 100_000,
            idle_timeout_ms: 1_000_000,
            write_stall_timeout_ms: 10_000,
            ..Limits::default()
        };
        Watchdog::new(&limits, start, true)
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn slow_headers_are_cut_and_idle_connections_closed() {
        let start = Instant::now();
        let activity = Activity::default();
        let mut dog = watchdog(start);
        assert_eq!(dog.look(&activity, after(start, 999)), Step::Keep);
        activity.reads.store(1, Relaxed);
        assert_eq!(dog.look(&activity, after(start, 1)), Step::Keep);
        assert_eq!(dog.look(&activity, after(start, 100)), Step::Cut);

        let mut dog = watchdog(start);
        activity.requests_done.store(1, Relaxed);
        activity.reads_when_done.store(1, Relaxed);
        assert_eq!(dog.look(&activity, after(start, 50)), Step::Keep);
        assert_eq!(dog.look(&activity, after(start, 1000)), Step::Keep);
        assert_eq!(dog.look(&activity, after(start, 1050)), Step::Close);
        assert_eq!(dog.look(&activity, after(start, 1149)), Step::Keep);
        assert_eq!(dog.look(&activity, after(start, 1150)), Step::Cut);
    }

    #[test]
    fn a_long_request_is_not_disturbed() {
        let start = Instant::now();
        let activity = Activity::default();
        let mut dog = watchdog(start);
        activity.reads.store(1, Relaxed);
        activity.requests_open.store(1, Relaxed);
        assert_eq!(dog.look(&activity, after(start, 5000)), Step::Keep);
        activity.requests_open.store(0, Relaxed);
        activity.requests_done.store(1, Relaxed);
        activity.reads_when_done.store(1, Relaxed);
        assert_eq!(dog.look(&activity, after(start, 9000)), Step::Keep);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_cut() {
        let start = Instant::now();
        let activity = Activity::default();
        let mut dog = watchdog(start);
        activity.requests_open.store(1, Relaxed);
        activity.write_blocked.store(true, Relaxed);
        assert_eq!(dog.look(&activity, after(start, 0)), Step::Keep);
        activity.bytes_written.store(5, Relaxed);
        assert_eq!(dog.look(&activity, after(start, 11)), Step::Keep);
        assert_eq!(dog.look(&activity, after(start, 20)), Step::Keep);
        assert_eq!(dog.look(&activity, after(start, 21)), Step::Cut);
    }
}
