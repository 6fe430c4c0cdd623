//! What of a manifest's image, runtimes and project properties has a meaning for a job.

use std::time::Duration;

use serde_json::Value;
use standin_proton::render::codebuild::Build;

/// The settings of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub time: Option<Duration>,
    pub image: Option<String>,
    pub variables: Vec<(String, String)>,
    /// For the log: what has no meaning here.
    pub remarks: Vec<String>,
}

/// Reads what a build says of its surroundings.
pub fn read(build: &Build) -> Settings {
    let mut settings = Settings { image: build.image.clone(), ..Settings::default() };
    if !build.runtimes.is_empty() {
        let runtimes = build.runtimes.iter().map(|(name, version)| format!("{name} {}", plain(version)));
        let runtimes = runtimes.collect::<Vec<_>>().join(", ");
        settings
            .remarks
            .push(format!("the manifest asks for {runtimes}: commands find what is installed where they run"));
    }
    for (name, value) in &build.project_properties {
        match (name.as_str(), value) {
            ("TimeoutInMinutes", value) => match minutes(value) {
                Some(time) => settings.time = Some(time),
                None => settings
                    .remarks
                    .push(format!("the project property TimeoutInMinutes is no number of minutes: {value}")),
            },
            ("Environment", Value::Object(of)) => {
                for (name, value) in of {
                    match (name.as_str(), value) {
                        ("Image", Value::String(image)) if settings.image.is_none() => {
                            settings.image = Some(image.clone());
                        }
                        ("EnvironmentVariables", Value::Array(list)) => {
                            settings.variables.extend(list.iter().filter_map(variable));
                        }
                        _ => settings.remarks.push(without_meaning(&format!("Environment.{name}"))),
                    }
                }
            }
            (name, _) => settings.remarks.push(without_meaning(name)),
        }
    }
    settings
}

fn without_meaning(name: &str) -> String {
    format!("the project property {name} has no meaning where this job runs")
}

/// CodeBuild takes 5 minutes to 36 hours; less is fine here.
fn minutes(value: &Value) -> Option<Duration> {
    let minutes = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (1..=36 * 60).contains(&minutes).then(|| Duration::from_secs(minutes * 60))
}

/// A plain variable; others are kept elsewhere.
fn variable(entry: &Value) -> Option<(String, String)> {
    let is_plain = entry.get("Type").and_then(Value::as_str).is_none_or(|kind| kind == "PLAINTEXT");
    let name = entry.get("Name")?.as_str().filter(|_| is_plain)?;
    Some((name.to_owned(), plain(entry.get("Value")?)))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use standin_proton::archive::Files;

    use super::*;

    fn check(runtimes: &Value, properties: &Value, expect: &Settings) {
        let map = |value: &Value| value.as_object().cloned().unwrap_or_else(Map::new);
        let build = Build {
            image: None,
            runtimes: map(runtimes),
            variables: Vec::new(),
            secrets: Vec::new(),
            install: Vec::new(),
            provision: Ok(Vec::new()),
            deprovision: Ok(Vec::new()),
            project_properties: map(properties),
            files: Files::default(),
        };
        assert_eq!(read(&build), *expect, "{properties}");
    }

    #[test]
    fn what_has_a_meaning_is_taken_and_the_rest_is_told() {
        check(&json!({}), &json!({}), &Settings::default());
        let properties = json!({
            "TimeoutInMinutes": "15",
            "Environment": {
                "Image": "example/build:1",
                "EnvironmentVariables": [{"Name": "A", "Value": "a"}, {"Name": "B", "Value": "b", "Type": "PARAMETER_STORE"}],
            },
            "VpcConfig": {"VpcId": "vpc-1"},
        });
        let expect = Settings {
            time: Some(Duration::from_secs(900)),
            image: Some("example/build:1".to_owned()),
            variables: vec![("A".to_owned(), "a".to_owned())],
            remarks: vec![
                "the manifest asks for nodejs 20: commands find what is installed where they run".to_owned(),
                "the project property VpcConfig has no meaning where this job runs".to_owned(),
            ],
        };
        check(&json!({"nodejs": 20}), &properties, &expect);
    }
}
