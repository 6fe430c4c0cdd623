//! `cargo xtask pack`: botocore packages in, one packed catalogue out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use standin_model::import::botocore::{self, Files};
use standin_model::pack::{Model, catalogue};
use standin_model::partition::Partition;

#[derive(Deserialize)]
struct Sources {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    version: String,
    sha256: String,
}

/// Files of one API version, by name without `.gz`.
type Version = BTreeMap<String, Value>;
/// API versions by service and date.
type Services = BTreeMap<String, BTreeMap<String, Version>>;

pub fn run(folder: &Path) -> Result<()> {
    let sources: Sources = toml::from_str(&std::fs::read_to_string("catalogue/sources.toml")?)?;
    let mut models = Vec::new();
    let mut known = BTreeSet::new();
    let mut partitions = Vec::new();
    for (generation, package) in sources.package.iter().enumerate() {
        let wheel = find_or_download(folder, package)?;
        let (services, partition_file) = read_wheel(&wheel)?;
        if generation == 0 {
            partitions = read_partitions(&partition_file)?;
        }
        let mut added = 0;
        for (id, versions) in services {
            if !known.insert(id.clone()) {
                continue;
            }
            for (version, files) in &versions {
                if let Some(model) =
                    read_version(&id, files, generation > 0).with_context(|| format!("{id} {version}"))?
                {
                    models.push(model);
                    added += 1;
                }
            }
        }
        println!("botocore {}: {added} API versions", package.version);
    }
    let operations: usize = models.iter().map(|model| model.service.operations.len()).sum();
    let count = models.len();
    let bytes = catalogue(models, partitions)?;
    std::fs::write("catalogue/catalogue.bin", &bytes)?;
    println!("{} services, {count} API versions, {operations} operations, {} bytes", known.len(), bytes.len());
    Ok(())
}

fn find_or_download(folder: &Path, package: &Package) -> Result<PathBuf> {
    let wheel = folder.join(format!("botocore-{}-py3-none-any.whl", package.version));
    if !wheel.exists() {
        let status = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"])
            .arg(folder)
            .arg(format!("botocore=={}", package.version))
            .status()
            .context("python3 with pip is needed to download botocore")?;
        ensure!(status.success(), "pip could not download botocore {}", package.version);
    }
    let sum = Sha256::digest(std::fs::read(&wheel).with_context(|| wheel.display().to_string())?);
    let sum = sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if sum != package.sha256 {
        bail!("{} has sha256 {sum}, but catalogue/sources.toml pins {}", wheel.display(), package.sha256);
    }
    Ok(wheel)
}

fn read_wheel(wheel: &Path) -> Result<(Services, Value)> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(wheel)?)?;
    let mut services = Services::new();
    let mut partitions = Value::Null;
    for at in 0..archive.len() {
        let mut file = archive.by_index(at)?;
        let name = file.name()?.into_owned();
        let Some(path) = name.strip_prefix("botocore/data/") else {
            continue;
        };
        let wanted = path.split('/').next_back().unwrap_or_default().trim_end_matches(".gz").to_owned();
        let kinds = ["service-2", "paginators-1", "waiters-2", "examples-1"];
        if path != "partitions.json" && !kinds.iter().any(|kind| wanted.starts_with(kind)) {
            continue;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if path.ends_with(".gz") {
            let mut plain = Vec::new();
            GzDecoder::new(&bytes[..]).read_to_end(&mut plain)?;
            bytes = plain;
        }
        let value: Value = serde_json::from_slice(&bytes).with_context(|| name.clone())?;
        match path.split('/').collect::<Vec<_>>()[..] {
            [_] => partitions = value,
            [id, version, _] => {
                services.entry(id.to_owned()).or_default().entry(version.to_owned()).or_default().insert(wanted, value);
            }
            _ => {}
        }
    }
    Ok((services, partitions))
}

fn read_version(id: &str, files: &Version, retired: bool) -> Result<Option<Model>> {
    let Some(service) = merged(files, "service-2") else {
        return Ok(None);
    };
    let paginators = merged(files, "paginators-1");
    let waiters = merged(files, "waiters-2");
    let service = botocore::service(&Files {
        id: Some(id),
        service: &service,
        paginators: paginators.as_ref(),
        waiters: waiters.as_ref(),
        retired,
    })?;
    let examples = files.get("examples-1.json").and_then(examples);
    Ok(Some(Model { service, examples }))
}

/// A file with its `sdk-extras` merged in, as botocore's loader does.
fn merged(files: &Version, kind: &str) -> Option<Value> {
    let mut value = files.get(&format!("{kind}.json"))?.clone();
    if let Some(extras) = files.get(&format!("{kind}.sdk-extras.json")).and_then(|extras| extras.get("merge")) {
        merge(&mut value, extras);
    }
    Some(value)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Inputs and outputs by operation; titles, descriptions and comments are documentation and stay out.
fn examples(file: &Value) -> Option<Value> {
    let mut kept = Map::new();
    for (operation, list) in file.get("examples")?.as_object()? {
        let pairs: Vec<Value> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(|example| {
                let part = |key: &str| example.get(key).cloned().unwrap_or_else(|| json!({}));
                json!([part("input"), part("output")])
            })
            .collect();
        if !pairs.is_empty() {
            kept.insert(operation.clone(), Value::Array(pairs));
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

fn read_partitions(file: &Value) -> Result<Vec<Partition>> {
    let list = file.get("partitions").and_then(Value::as_array).context("partitions.json has no partitions")?;
    Ok(list.iter().map(partition).collect())
}

fn partition(from: &Value) -> Partition {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let output = |key: &str| leak(from["outputs"][key].as_str().unwrap_or_default());
    Partition {
        id: leak(from["id"].as_str().unwrap_or_default()),
        dns_suffix: output("dnsSuffix"),
        dual_stack_dns_suffix: output("dualStackDnsSuffix"),
        implicit_global_region: output("implicitGlobalRegion"),
        region_prefixes: region_prefixes(from["regionRegex"].as_str().unwrap_or_default())
            .iter()
            .map(|prefix| leak(prefix))
            .collect(),
        regions: from["regions"].as_object().into_iter().flatten().map(|(region, _)| leak(region)).collect(),
    }
}

/// `^(us|eu)\-\w+\-\d+$` → `us`, `eu`; `^us\-gov\-\w+\-\d+$` → `us-gov`.
fn region_prefixes(pattern: &str) -> Vec<String> {
    let plain = pattern.trim_start_matches('^').split("\\-\\w+").next().unwrap_or_default().replace('\\', "");
    match plain.split_once('(').and_then(|(before, rest)| Some((before, rest.split_once(')')?.0))) {
        Some((before, choices)) => choices.split('|').map(|choice| format!("{before}{choice}")).collect(),
        None => vec![plain],
    }
}
