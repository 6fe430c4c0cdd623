//! Who waits for objects to change, and who tells.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// The places in S3 that somebody waits for. Telling costs one atomic load where nobody does.
#[derive(Debug, Default)]
pub struct Changes {
    watched: Mutex<Vec<Weak<Watch>>>,
    count: AtomicUsize,
}

/// A place in S3 that is waited for, as long as this lives.
#[derive(Debug)]
pub struct Watch {
    bucket: String,
    prefix: String,
    changed: Notify,
}

impl Watch {
    /// Waits for a change; returns at once where there was one since the last wait.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Changes {
    /// Waits for objects whose keys begin so.
    pub fn watch(&self, bucket: &str, prefix: &str) -> Arc<Watch> {
        let watch =
            Arc::new(Watch { bucket: bucket.to_owned(), prefix: prefix.to_owned(), changed: Notify::default() });
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|watch| watch.strong_count() > 0);
        watched.push(Arc::downgrade(&watch));
        self.count.store(watched.len(), Ordering::Release);
        watch
    }

    /// Tells that an object has changed; without a key, that any of the bucket may have.
    pub fn tell(&self, bucket: &str, key: Option<&str>) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in watched.iter().filter_map(Weak::upgrade) {
            if watch.bucket == bucket && key.is_none_or(|key| key.starts_with(&watch.prefix)) {
                watch.changed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;

    fn check(told: (&str, Option<&str>), expect: bool) {
        let changes = Changes::default();
        let watch = changes.watch("birds", "dags/");
        changes.tell(told.0, told.1);
        let mut waited = Box::pin(watch.changed());
        assert_eq!(waited.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), expect, "{told:?}");
    }

    #[test]
    fn only_what_is_waited_for_wakes() {
        check(("birds", Some("dags/a.py")), true);
        check(("birds", None), true);
        check(("birds", Some("said/hello")), false);
        check(("fish", Some("dags/a.py")), false);
        check(("fish", None), false);
    }

    #[test]
    fn who_waits_no_more_is_forgotten() {
        let changes = Changes::default();
        drop(changes.watch("birds", ""));
        let _other = changes.watch("fish", "");
        assert_eq!(changes.count.load(Ordering::Acquire), 1);
    }
}
