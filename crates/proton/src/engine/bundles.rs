//! Bundles that were read a moment ago: unpacking and parsing one takes longer than everything else that a deployment does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundle::Bundle;

/// So many are kept.
const KEPT: usize = 32;
/// Bundles with more bytes are read every time: nearly all have far less, but they may unpack to a lot.
const BYTES_MAX: usize = 1024 * 1024;

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
        if bundle.bytes() > BYTES_MAX {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, ..)| *known != key);
        kept.push_front((key, version, bundle));
        kept.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Files;
    use crate::bundle::{self, BundleKind};

    fn bundle(filler: usize) -> Arc<Bundle> {
        let mut files = Files::default();
        for (path, text) in [
            (
                "schema/schema.yaml",
                "schema: {format: {openapi: \"3.0.0\"}, environment_input_type: T, types: {T: {type: object, properties: {a: {type: string}}}}}",
            ),
            (
                "infrastructure/manifest.yaml",
                "infrastructure: {templates: [{file: a.yaml, rendering_engine: jinja, template_language: cloudformation}]}",
            ),
            ("infrastructure/a.yaml", "Resources: {}"),
        ] {
            files.insert(path, text).expect("a path within");
        }
        files.insert("infrastructure/filler", vec![0; filler]).expect("a path within");
        let kind = BundleKind::Environment { provisioned: true };
        Arc::new(bundle::read(&files, Some(kind)).into_result().expect("a good bundle"))
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes() {
        let read = ReadBundles::default();
        for number in 0..=KEPT {
            read.keep(number.to_string(), 1, bundle(0));
        }
        assert!(read.find("0", 1).is_none(), "the oldest has to go");
        assert!(read.find("1", 1).is_some() && read.find("1", 2).is_none());
        read.keep("big".into(), 1, bundle(BYTES_MAX));
        assert!(read.find("big", 1).is_none());
    }
}
