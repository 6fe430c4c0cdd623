//! Bundles that were read a moment ago: unpacking and parsing one takes longer than everything else that a deployment does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundle::Bundle;

/// So many are kept; each is some hundred kilobytes at most, and nearly always far less.
const KEPT: usize = 32;

/// The bundles that were used last, the newest first.
#[derive(Default)]
pub struct ReadBundles(Mutex<VecDeque<(String, u64, Arc<Bundle>)>>);

impl ReadBundles {
    /// The bundle of a template version, if its row still has that version of the store.
    pub fn find(&self, key: &str, version: u64) -> Option<Arc<Bundle>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, of, _)| known == key && *of == version)?;
        let found = kept.remove(at)?;
        let bundle = found.2.clone();
        kept.push_front(found);
        Some(bundle)
    }

    pub fn keep(&self, key: String, version: u64, bundle: Arc<Bundle>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, ..)| *known != key);
        kept.push_front((key, version, bundle));
        kept.truncate(KEPT);
    }
}
