//! `cargo xtask tidy`: what the compiler does not check of the layout that ARCHITECTURE.md draws.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Each crate and those of the workspace that it may use. Development dependencies are free.
const MAY_USE: &[(&str, &[&str])] = &[
    ("standin-model", &[]),
    ("standin-core", &["standin-model"]),
    ("standin-typed", &["standin-model"]),
    ("standin-wire", &["standin-model", "standin-core"]),
    ("standin-mock", &["standin-model", "standin-core"]),
    ("standin-store", &["standin-model", "standin-core"]),
    ("standin-template", &["standin-model", "standin-core"]),
    ("standin-mockoon", &["standin-model", "standin-core", "standin-template"]),
    ("standin-lifecycle", &["standin-model", "standin-mock"]),
    ("standin-state", &["standin-model", "standin-core", "standin-mock", "standin-store", "standin-lifecycle"]),
    ("standin-faults", &["standin-model", "standin-core", "standin-mock"]),
    (
        "standin-script",
        &["standin-model", "standin-core", "standin-wire", "standin-mock", "standin-template", "standin-faults"],
    ),
    ("standin-s3", &["standin-model", "standin-core", "standin-wire", "standin-store"]),
    ("standin-retrylab", &["standin-model", "standin-faults"]),
    ("standin-export", &["standin-model", "standin-core", "standin-wire", "standin-mock"]),
    ("standin-proton", &["standin-model", "standin-core", "standin-store", "standin-typed"]),
    ("standin-cloudwatch", &["standin-model", "standin-core", "standin-store", "standin-typed"]),
    ("standin-mwaa", &["standin-model", "standin-core", "standin-store", "standin-typed"]),
    ("standin-host", &["standin-core"]),
    ("standin-aws", &["standin-core"]),
    (
        "standin-provision",
        &["standin-model", "standin-core", "standin-store", "standin-host", "standin-aws", "standin-proton"],
    ),
    (
        "standin-cloudformation",
        &["standin-model", "standin-core", "standin-mock", "standin-store", "standin-lifecycle"],
    ),
    (
        "standin-server",
        &[
            "standin-model",
            "standin-core",
            "standin-wire",
            "standin-mock",
            "standin-store",
            "standin-lifecycle",
            "standin-state",
            "standin-faults",
            "standin-script",
            "standin-s3",
            "standin-cloudformation",
            "standin-proton",
            "standin-mwaa",
            "standin-cloudwatch",
            "standin-aws",
            "standin-host",
            "standin-provision",
        ],
    ),
    (
        "standin",
        &[
            "standin-model",
            "standin-core",
            "standin-wire",
            "standin-mock",
            "standin-store",
            "standin-lifecycle",
            "standin-state",
            "standin-faults",
            "standin-script",
            "standin-s3",
            "standin-template",
            "standin-cloudformation",
            "standin-mockoon",
            "standin-export",
            "standin-retrylab",
            "standin-proton",
            "standin-mwaa",
            "standin-host",
            "standin-aws",
            "standin-provision",
            "standin-server",
        ],
    ),
    ("xtask", &["standin-model"]),
];

/// Longer files have more than one subject.
const LINES_MAX: usize = 800;

pub fn run() -> Result<()> {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut findings = Vec::new();
    for package in packages {
        findings.extend(arrows(package));
        let manifest = Path::new(package["manifest_path"].as_str().context("a package without a manifest")?);
        if !std::fs::read_to_string(manifest)?.contains("[lints]\nworkspace = true") {
            findings.push(format!("{} does not take the lints of the workspace", manifest.display()));
        }
        for file in sources(manifest.parent().context("a manifest without a folder")?)? {
            let lines = std::fs::read_to_string(&file)?.lines().count();
            if lines > LINES_MAX {
                findings.push(format!("{} has {lines} lines; split it by what a reader looks for", file.display()));
            }
        }
    }
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    println!("{} crates are tidy", packages.len());
    Ok(())
}

/// Dependencies that the table above does not allow.
fn arrows(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name} has no line in xtask/src/tidy.rs and ARCHITECTURE.md")];
    };
    let used = package["dependencies"].as_array().into_iter().flatten();
    used.filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|used| MAY_USE.iter().any(|(known, _)| known == used) && !allowed.contains(used))
        .map(|used| format!("{name} must not use {used}"))
        .collect()
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(package: &str, uses: &[(&str, Option<&str>)], expect: &[&str]) {
        let dependencies: Vec<Value> = uses.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        assert_eq!(arrows(&json!({ "name": package, "dependencies": dependencies })), expect);
    }

    #[test]
    fn arrows_point_down_only() {
        check("standin-wire", &[("standin-core", None), ("bytes", None)], &[]);
        check("standin-wire", &[("standin-mock", None)], &["standin-wire must not use standin-mock"]);
        check("standin-core", &[("standin-wire", Some("dev"))], &[]);
        check("stranger", &[], &["stranger has no line in xtask/src/tidy.rs and ARCHITECTURE.md"]);
    }
}
