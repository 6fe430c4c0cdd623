//! What came of a run: outputs, resources, errors.

use serde::Deserialize;
use serde_json::Value;
use standin_proton::engine::provision::Made;

use super::address::Address;
use super::state::{StateError, States, pieces_of};

/// A name or an identifier of a provisioned resource, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// Resources that are listed; a state may have far more.
const RESOURCES_MAX: usize = 1000;

/// The outputs of a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    pub values: Vec<(String, String)>,
    /// Names of those that are not told.
    pub sensitive: Vec<String>,
}

/// Reads what `terraform output -json` says. Outputs of Proton are text that everybody sees who may see the resource: numbers and
/// truth values become text, lists and objects JSON; what is sensitive is left out, and so is what has no value.
///
/// # Errors
/// Where it is not that.
pub fn outputs(text: &str) -> Result<Outputs, String> {
    #[derive(Deserialize)]
    struct Output {
        #[serde(default)]
        sensitive: bool,
        #[serde(default)]
        value: Value,
    }
    let read: serde_json::Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut found = Outputs::default();
    for (name, value) in read {
        let Output { sensitive, value } = serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))?;
        match value {
            _ if sensitive => found.sensitive.push(name),
            Value::Null => {}
            Value::String(text) => found.values.push((name, text)),
            value => found.values.push((name, value.to_string())),
        }
    }
    Ok(found)
}

/// The errors among what Terraform told, without empty lines; empty where there are none.
pub fn errors(text: &str) -> String {
    let begin = text.lines().position(|line| line.trim_start_matches(['│', ' ', '╷']).starts_with("Error:"));
    let Some(begin) = begin else { return String::new() };
    let lines: Vec<&str> = text.lines().skip(begin).map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    module: Option<String>,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    index_key: Option<Value>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    arn: Value,
    id: Value,
}

/// The resources in a state, by their addresses in the configuration.
///
/// # Errors
/// Where the state cannot be read. One that is encrypted tells nothing.
pub async fn resources(states: &States, address: &Address) -> Result<Vec<Made>, StateError> {
    let Some(record) = states.record(address).await? else { return Ok(Vec::new()) };
    let Some(version) = record.present() else { return Ok(Vec::new()) };
    let mut whole = Vec::new();
    for piece in 0..pieces_of(version) {
        whole.extend_from_slice(&states.piece(address, version.number, piece).await?);
    }
    let listed = tokio::task::spawn_blocking(move || listed(&whole)).await;
    listed.map_err(|error| StateError::Invalid(error.to_string()))
}

fn listed(state: &[u8]) -> Vec<Made> {
    let state: State = serde_json::from_slice(state).unwrap_or(State { resources: Vec::new() });
    let cut = |text: String| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
    let mut made = Vec::new();
    for resource in state.resources.iter().filter(|resource| resource.mode == "managed") {
        let module = resource.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
        for instance in &resource.instances {
            let index = instance.index_key.as_ref().map(|key| format!("[{key}]")).unwrap_or_default();
            let name = format!("{module}{}.{}{index}", resource.kind, resource.name);
            let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            let Attributes { arn, id } = &instance.attributes;
            let identifier = text(arn).or_else(|| text(id)).unwrap_or_else(|| name.clone());
            made.push(Made { name: cut(name), identifier: cut(identifier), engine: "TERRAFORM" });
        }
    }
    made.truncate(RESOURCES_MAX);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_text() {
        let text = r#"{
            "a": {"sensitive": false, "type": "string", "value": "x"},
            "n": {"sensitive": false, "type": "number", "value": 3},
            "l": {"sensitive": false, "type": ["list", "string"], "value": ["x"]},
            "s": {"sensitive": true, "type": "string", "value": "secret"},
            "z": {"sensitive": false, "type": "string", "value": null}
        }"#;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let values = vec![pair("a", "x"), pair("n", "3"), pair("l", "[\"x\"]")];
        assert_eq!(outputs(text), Ok(Outputs { values, sensitive: vec!["s".to_owned()] }));
        assert_eq!(outputs("{}"), Ok(Outputs::default()));
        for no in ["", "[]", "{\"a\": 1}", "{"] {
            assert!(outputs(no).is_err(), "{no}");
        }
    }

    #[test]
    fn errors_are_found_behind_warnings() {
        let text = "\nWarning: old\n\n  it is\n\nError: first\n\n  on main.tf\n\nError: second\n";
        assert_eq!(errors(text), "Error: first\n  on main.tf\nError: second");
        assert_eq!(errors("╷\n│ Error: boxed\n╵\n"), "│ Error: boxed\n╵");
        assert_eq!(errors("Warning: old"), "");
    }

    #[test]
    fn resources_have_their_addresses() {
        let state = r#"{"version": 4, "resources": [
            {"mode": "data", "type": "aws_region", "name": "r", "instances": [{"attributes": {"id": "x"}}]},
            {"mode": "managed", "type": "terraform_data", "name": "d", "instances": [{"attributes": {"id": "u"}}]},
            {"mode": "managed", "type": "aws_vpc", "name": "v", "module": "module.vpc", "instances": [
                {"index_key": 0, "attributes": {"id": "vpc-1", "arn": "arn:vpc"}}, {"index_key": "k", "attributes": {"id": 5}}]},
            {"mode": "managed", "type": "old", "name": "o", "instances": [{"attributes_flat": {"id": "f"}}]}
        ]}"#;
        let found: Vec<(String, String)> =
            listed(state.as_bytes()).into_iter().map(|made| (made.name, made.identifier)).collect();
        let expect = [
            ("terraform_data.d", "u"),
            ("module.vpc.aws_vpc.v[0]", "arn:vpc"),
            ("module.vpc.aws_vpc.v[\"k\"]", "module.vpc.aws_vpc.v[\"k\"]"),
            ("old.o", "old.o"),
        ];
        let expect: Vec<(String, String)> = expect.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, expect);
        assert_eq!(listed(br#"{"encrypted_data": "x"}"#), []);
    }
}
