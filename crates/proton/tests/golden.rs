//! Bundles rendered as a whole: every starter, and `tests/bundles`, against `tests/golden`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p standin-proton --test golden` writes what is rendered now.

use std::path::{Path, PathBuf};

use standin_proton::author::{Preview, preview};
use standin_proton::{Files, bundle};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn load(root: &Path, below: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(below).expect("the folder can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            load(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it is below").to_str().expect("UTF-8").to_owned();
            files.insert(&name, std::fs::read(&path).expect("it can be read")).expect("a good path");
        }
    }
}

fn outputs(names: &[(&str, &str)]) -> serde_json::Map<String, serde_json::Value> {
    names.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

fn rendered(path: &Path) -> String {
    let mut files = Files::default();
    load(path, path, &mut files);
    let reading = bundle::read(&files, None);
    let mut text: String =
        reading.findings.iter().map(|finding| format!("{}: {finding}\n", finding.severity.name())).collect();
    let spec = files.get("spec.yaml").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let with = Preview {
        environment_outputs: outputs(&[
            ("VpcId", "vpc-1"),
            ("ArtifactsBucket", "artifacts"),
            ("Policy", "arn:aws:iam::123456789012:policy/read"),
            ("Other", "8080"),
        ]),
        instance_outputs: outputs(&[("FunctionName", "front-dev")]),
        component_outputs: path
            .ends_with("every-filter")
            .then(|| outputs(&[("TableName", "table: 1"), ("Port", "80")])),
        ..Preview::default()
    };
    match reading.bundle.map(|bundle| preview(&bundle, spec.as_deref().map(|text| ("spec.yaml", text)), &with)) {
        None => {}
        Some(Ok(files)) => {
            for (path, bytes) in files {
                text += &format!("──── {path}\n{}", String::from_utf8_lossy(&bytes));
            }
        }
        Some(Err(findings)) => {
            text.extend(findings.iter().map(|finding| format!("{}: {finding}\n", finding.severity.name())));
        }
    }
    text
}

#[test]
fn bundles_render_as_they_did() {
    let mut seen = 0;
    for root in [folder("starters"), folder("tests/bundles")] {
        for entry in std::fs::read_dir(root).expect("the folder can be listed") {
            let path = entry.expect("an entry").path();
            let golden = folder("tests/golden").join(path.file_name().expect("a name")).with_extension("txt");
            let text = rendered(&path);
            let is_starter = path.parent().is_some_and(|parent| parent.ends_with("starters"));
            assert!(!is_starter || text.starts_with('─'), "{} has findings: {text}", path.display());
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(folder("tests/golden")).expect("a folder can be made");
                std::fs::write(&golden, &text).expect("it can be written");
            }
            let expected = std::fs::read_to_string(&golden).unwrap_or_default();
            assert_eq!(text, expected, "{} is not as {}", path.display(), golden.display());
            seen += 1;
        }
    }
    assert!(seen >= 16, "only {seen} bundles were found");
}
