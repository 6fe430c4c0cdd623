//! The overlays that are built in: every file of `overlays/`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Overlay;

/// Services and their overlays: the files of `overlays/`, which the build script lists.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/overlays.rs"));

/// The overlay of a service, if it has one.
pub(crate) fn embedded(service: &str) -> &'static [Overlay] {
    static PARSED: LazyLock<HashMap<&str, Vec<Overlay>>> = LazyLock::new(|| {
        let parsed = FILES.iter().map(|(service, text)| {
            let file = format!("overlays/{service}.toml");
            let mut overlay = Overlay::parse(&file, text).expect("a test parses every built-in overlay");
            overlay.lenient = true;
            (*service, vec![overlay])
        });
        parsed.collect()
    });
    PARSED.get(service).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    use super::*;
    use crate::infer_with;

    #[test]
    fn every_file_fits_its_service() {
        let mut faults = Vec::new();
        for (id, text) in FILES {
            let overlay =
                Overlay::parse(&format!("overlays/{id}.toml"), text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(overlay.service(), *id);
            let entry = Catalogue::shared().newest(id).expect("an overlay is named after a service");
            let service = entry.open().expect("opens");
            faults.extend(infer_with(service, &[overlay]).err().map(|fault| fault.to_string()));
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(!FILES.is_empty());
    }
}
