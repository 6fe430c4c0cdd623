//! `cargo xtask locks`: what is installed with each Airflow, resolved anew with `uv`.
//!
//! One file for each version, a requirement a line. Where the Pythons differ, its lines say for which they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const FOLDER: &str = "crates/mwaa/locks";
/// Those that images of MWAA have.
const PYTHONS: [&str; 2] = ["3.11", "3.12"];

/// Resolves all versions, or one.
pub fn run(uv: &Path, only: Option<&str>) -> Result<()> {
    let recipes = std::fs::read_to_string(format!("{FOLDER}/recipes.txt"))?;
    for recipe in recipes.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = recipe.split_whitespace().collect();
        let [version, _, _, before] = fields[..] else { anyhow::bail!("recipes.txt: {recipe:?}") };
        if only.is_some_and(|only| only != version) {
            continue;
        }
        let major = version.split('.').next().unwrap_or_default();
        let wanted = std::fs::read_to_string(format!("{FOLDER}/wanted-{major}.txt"))?;
        let mut pins: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for python in PYTHONS {
            let resolved = resolve(uv, &format!("apache-airflow=={version}\n{wanted}"), python, before)
                .with_context(|| format!("Airflow {version} on Python {python}"))?;
            resolved.lines().for_each(|pin| pins.entry(pin.to_owned()).or_default().push(python));
        }
        let lock: String = pins.iter().map(|(pin, pythons)| line(pin, pythons)).collect();
        std::fs::write(format!("{FOLDER}/{version}.txt"), lock)?;
        println!("Airflow {version}: {} packages", pins.len());
    }
    Ok(())
}

fn line(pin: &str, pythons: &[&str]) -> String {
    match pythons {
        [python] => format!("{pin} ; python_version == '{python}'\n"),
        _ => format!("{pin}\n"),
    }
}

fn resolve(uv: &Path, wanted: &str, python: &str, before: &str) -> Result<String> {
    let file = std::env::temp_dir().join(format!("standin-wanted-{}.txt", std::process::id()));
    std::fs::write(&file, wanted)?;
    let output = Command::new(uv)
        .args(["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", python])
        .args(["--exclude-newer", before])
        .arg(&file)
        .output();
    std::fs::remove_file(&file)?;
    let output = output.with_context(|| format!("{}", uv.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
