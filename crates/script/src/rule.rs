//! A rule, as people write it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use standin_faults::Matcher;
use standin_model::nearest;

/// Which calls, and what they are answered. In TOML, YAML, JSON alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rule {
    /// Unique among the rules; made up where it is missing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Off rules stay in the list and answer nothing.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub enabled: bool,
    #[serde(flatten)]
    pub matcher: Matcher,
    /// What texts with `{{` or `{%` are written in.
    #[serde(skip_serializing_if = "Language::is_usual")]
    pub templates: Language,
    #[serde(flatten)]
    pub answer: AnswerRule,
    /// Answers one after another, behind the rule's own if it has one. The last one stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sequence: Vec<Step>,
    /// After the last answer of the sequence comes the first again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cycle: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Answers only while the scenario is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_state: Option<String>,
    /// The scenario's state from this answer on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_state: Option<String>,
}

/// One answer; exactly one of its members is given. Values are checked against the model, so their form is the model's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AnswerRule {
    /// The whole output, by member names.
    #[serde(alias = "replace", skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What is different in the output that standin answers: structures and maps member by member, anything else as a
    /// whole; null takes a member away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge: Option<Value>,
    /// A code, or `{code, message, members, status}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// `{status, headers, body}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// One answer of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Step {
    #[serde(flatten)]
    pub answer: AnswerRule,
    /// How often it is given before the next one.
    pub times: u64,
}

/// A language of templates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    #[default]
    Handlebars,
    Jinja,
    /// Braces are just braces.
    Off,
}

impl Language {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            id: String::new(),
            description: String::new(),
            enabled: true,
            matcher: Matcher::default(),
            templates: Language::default(),
            answer: AnswerRule::default(),
            sequence: Vec::new(),
            cycle: false,
            scenario: None,
            required_state: None,
            new_state: None,
        }
    }
}

impl Default for Step {
    fn default() -> Self {
        Self { answer: AnswerRule::default(), times: 1 }
    }
}

/// All members of a rule.
const MEMBERS: &[&str] = &[
    "id",
    "description",
    "enabled",
    "service",
    "operation",
    "region",
    "account",
    "key",
    "resource",
    "input",
    "class",
    "from",
    "until",
    "every",
    "after",
    "first",
    "times",
    "burst",
    "probability",
    "templates",
    "output",
    "replace",
    "merge",
    "error",
    "raw",
    "sequence",
    "cycle",
    "scenario",
    "required-state",
    "new-state",
];
/// All members of a step of a sequence.
const STEP_MEMBERS: &[&str] = &["output", "replace", "merge", "error", "raw", "times"];

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// Names the first member that there is not, or whose value is of another kind.
    pub fn read(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or("a rule is an object: {service, operation, output …}")?;
        known(members, MEMBERS).map_err(|why| format!("a rule has {why}"))?;
        for (at, step) in members.get("sequence").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let step = step.as_object().ok_or_else(|| format!("sequence[{at}] is an object: {{output …}}"))?;
            known(step, STEP_MEMBERS).map_err(|why| format!("sequence[{at}]: an answer has {why}"))?;
        }
        Self::deserialize(value).map_err(|error| {
            // Which member it is does not show in the message.
            let alone = members.iter().find_map(|(name, value)| {
                let one = Map::from_iter([(name.clone(), value.clone())]);
                let error = Self::deserialize(&Value::Object(one)).err()?;
                Some(format!("`{name}`: {error}"))
            });
            alone.unwrap_or_else(|| error.to_string())
        })
    }
}

/// Refuses members that there are not.
pub(crate) fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let near = nearest(unknown, names.iter().copied(), 1);
            let hint = match near.first() {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("it has {}", names.join(", ")),
            };
            Err(format!("no member `{unknown}`; {hint}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_member_is_known() {
        let answer = AnswerRule { output: Some(json!({})), merge: Some(json!({})), error: Some(json!("E")), raw: None };
        let written = serde_json::to_value(Rule {
            id: "a".into(),
            description: "b".into(),
            enabled: false,
            matcher: Matcher { service: "s3".into(), first: Some(1), ..Matcher::default() },
            templates: Language::Jinja,
            answer,
            sequence: vec![Step::default()],
            cycle: true,
            scenario: Some("c".into()),
            required_state: Some("d".into()),
            new_state: Some("e".into()),
        })
        .unwrap();
        for name in written.as_object().unwrap().keys() {
            assert!(MEMBERS.contains(&name.as_str()), "{name}");
        }
        let samples = json!({
            "id": "a", "description": "b", "enabled": true, "service": "s3", "operation": "Get*", "region": "r",
            "account": "a", "key": "k", "resource": "r", "input": {}, "class": "read", "from": "+1s", "until": "+2s",
            "every": 1, "after": 1, "first": 1, "times": 1, "burst": "1/2", "probability": 1, "templates": "off",
            "output": {}, "replace": {}, "merge": {}, "error": "E", "raw": {}, "sequence": [], "cycle": true,
            "scenario": "s", "required-state": "a", "new-state": "b",
        });
        for name in MEMBERS {
            let one = Map::from_iter([((*name).to_owned(), samples[name].clone())]);
            Rule::read(&Value::Object(one)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (rule, expect) in [
            (json!([]), "a rule is an object"),
            (json!({"outptu": {}}), "did you mean `output`"),
            (json!({"first": "often"}), "`first`: invalid type"),
            (
                json!({"sequence": [{"output": {}}, {"eror": "X"}]}),
                "sequence[1]: an answer has no member `eror`; did you mean `error`",
            ),
            (json!({"templates": "mustache"}), "`templates`: unknown variant `mustache`"),
        ] {
            let error = Rule::read(&rule).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }
}
