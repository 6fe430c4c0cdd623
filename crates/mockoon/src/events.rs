//! What listeners at the admin API are told as it happens.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Takes one event as JSON; false when nobody listens any more.
pub type Listener = Box<dyn Fn(&str) -> bool + Send>;

/// Events of buckets that new listeners are told; older ones are forgotten.
const REPLAYED_MAX: usize = 100;

/// Passes events to all who listen.
#[derive(Default)]
pub struct Feed {
    listeners: Mutex<Vec<Listener>>,
    /// Their number, so that nothing is written for nobody.
    count: AtomicUsize,
    replayed: Mutex<VecDeque<String>>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Feed").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Feed {
    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replayed(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.replayed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all listeners.
    pub fn send(&self, event: impl FnOnce() -> Value) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.tell(&event().to_string());
        }
    }

    fn tell(&self, event: &str) {
        let mut listeners = self.listeners();
        listeners.retain(|listener| listener(event));
        self.count.store(listeners.len(), Ordering::Relaxed);
    }

    /// Tells all listeners, and those that come later.
    pub fn replay(&self, event: &Value) {
        let event = event.to_string();
        self.tell(&event);
        let mut replayed = self.replayed();
        if replayed.len() >= REPLAYED_MAX {
            replayed.pop_front();
        }
        replayed.push_back(event);
    }
}

/// A listener's request, accepted.
#[derive(Debug)]
pub struct Events {
    /// Status and headers.
    pub response: http::Response<()>,
    pub(crate) feed: Arc<Feed>,
    /// Transactions from before.
    pub(crate) earlier: Vec<Value>,
}

impl Events {
    /// Tells the listener what was before, and then all that comes.
    pub fn listen(self, listener: Listener) {
        let replayed: Vec<String> = self.feed.replayed().iter().cloned().collect();
        let earlier = self.earlier.iter().map(Value::to_string);
        // Deviation: Mockoon tells it to all other listeners once more.
        if replayed.into_iter().chain(earlier).all(|event| listener(&event)) {
            let mut listeners = self.feed.listeners();
            listeners.push(listener);
            self.feed.count.store(listeners.len(), Ordering::Relaxed);
        }
    }
}
