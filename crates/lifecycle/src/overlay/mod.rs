//! What is said better than it can be inferred: a short TOML file per service.
//!
//! The format is described in `docs/how-to/write-an-overlay.md`. What an overlay says of operations and types is taken
//! into account before identifiers and parents are looked for, so that one line often sets much right.

mod embedded;
mod patch;
mod place;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(crate) use embedded::embedded;
pub(crate) use patch::patch;
pub(crate) use place::{Hints, kind};

/// An overlay, parsed. Names in it are looked up when it is applied.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Where it comes from, for messages.
    pub(crate) file: String,
    pub(crate) spec: Spec,
    /// What the model does not know is passed over: of the embedded overlays, for older API versions.
    pub(crate) lenient: bool,
}

/// Why an overlay is refused.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("{file} is not an overlay: {message}")]
    Format { file: String, message: String },
    #[error("{file}: {key}: {message}")]
    Unknown { file: String, key: String, message: String },
}

impl Overlay {
    /// Parses the text of an overlay. `file` is for messages.
    ///
    /// # Errors
    /// When it is not TOML, or has a key that is none of the format's.
    pub fn parse(file: &str, text: &str) -> Result<Self, OverlayError> {
        let spec = toml::from_str(text)
            .map_err(|error| OverlayError::Format { file: file.to_owned(), message: error.to_string() })?;
        Ok(Self { file: file.to_owned(), spec, lenient: false })
    }

    /// The service that it is for, by the catalogue's id.
    pub fn service(&self) -> &str {
        &self.spec.service
    }

    pub(crate) fn unknown(&self, key: impl Into<String>, message: impl Into<String>) -> OverlayError {
        OverlayError::Unknown { file: self.file.clone(), key: key.into(), message: message.into() }
    }
}

/// What the message of an unknown name adds: those that may have been meant.
pub(crate) fn meant<'c>(wanted: &str, known: impl IntoIterator<Item = &'c str>) -> String {
    let near = standin_model::nearest(wanted, known, 3);
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub service: String,
    #[serde(default)]
    pub errors: ErrorsSpec,
    #[serde(default)]
    pub types: BTreeMap<String, TypeSpec>,
    #[serde(default)]
    pub operations: BTreeMap<String, OperationSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorsSpec {
    pub missing: Option<String>,
    pub conflict: Option<String>,
    pub busy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TypeSpec {
    #[serde(default)]
    pub ignore: bool,
    pub merge: Option<String>,
    pub rename: Option<String>,
    pub kind: Option<KindSpec>,
    pub parent: Option<String>,
    pub target: Option<String>,
    pub implicit: Option<bool>,
    #[serde(default)]
    pub named_by: Vec<String>,
    pub qualifiers: Option<Vec<String>>,
    #[serde(default)]
    pub shown_as: ShownSpec,
    pub shapes: Option<Vec<String>>,
    pub status: Option<StatusSpec>,
    pub within: Option<String>,
    pub tags: Option<String>,
    /// What names it where a member that may name it is left out.
    pub default: Option<String>,
    pub counter: Option<CounterSpec>,
    pub id: Option<String>,
    pub arn: Option<String>,
    #[serde(default)]
    pub defaults: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub absent: Vec<String>,
    #[serde(default)]
    pub synonyms: BTreeMap<String, String>,
    #[serde(default)]
    pub errors: ErrorsSpec,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KindSpec {
    Named,
    Assigned,
    Single,
    Link,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShownSpec {
    pub name: Option<String>,
    pub id: Option<String>,
    pub arn: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusSpec {
    /// `State`, or `State.Name`. Empty: it has no status.
    pub member: String,
    pub creating: Option<String>,
    pub settled: Option<String>,
    pub updating: Option<String>,
    pub updated: Option<String>,
    pub deleting: Option<String>,
    pub deleted: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CounterSpec {
    pub member: String,
    pub form: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OperationSpec {
    #[serde(default)]
    pub ignore: bool,
    pub verb: Option<VerbSpec>,
    /// Of an act: the status that it leads to.
    pub value: Option<String>,
    #[serde(rename = "type")]
    pub of: Option<String>,
    /// Path → `Type.part`, or `part` for the operation's own type.
    pub bind: Option<BTreeMap<String, String>>,
    /// Path → `Type`, `Type.part`, `part`, or an empty text for the operation's own type.
    pub views: Option<BTreeMap<String, String>>,
    pub batch: Option<String>,
    pub body: Option<String>,
    pub tags: Option<String>,
    pub rename: Option<String>,
    pub action: Option<String>,
    /// Of a batch: whether all of its items succeed, or none.
    #[serde(default)]
    pub atomic: bool,
    /// Of a create: whether asking again for what is there, with nothing that differs, gets it.
    #[serde(default)]
    pub repeatable: bool,
    pub clears: Option<Vec<String>>,
    #[serde(default)]
    pub sets: BTreeMap<String, String>,
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    #[serde(default)]
    pub errors: ErrorsSpec,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VerbSpec {
    Create,
    Put,
    Read,
    List,
    Update,
    Delete,
    Tag,
    Untag,
    ListTags,
    Act,
}

#[cfg(test)]
mod tests {
    use standin_model::{Catalogue, Service};

    use super::*;
    use crate::{Lifecycle, Part, TypeKind, infer_with, written};

    fn service(id: &str) -> &'static Service {
        Catalogue::shared().newest(id).expect("served").open().expect("opens")
    }

    fn with(id: &str, text: &str) -> Result<Lifecycle, OverlayError> {
        infer_with(service(id), &[Overlay::parse("mine.toml", text)?])
    }

    fn check_refused(text: &str, expect: &str) {
        let error = with("mwaa", text).expect_err("refused").to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn what_the_model_does_not_have_is_refused_with_what_may_be_meant() {
        check_refused("service = \"mwaa\"\n[operations.GetEnvironmant]\nverb = \"read\"", "GetEnvironment?");
        check_refused("service = \"mwaa\"\n[types.Enviroment]\nimplicit = true", "Environment?");
        check_refused(
            "service = \"mwaa\"\n[types.Environment.status]\nmember = \"Status\"\nsettled = \"AVAILABEL\"",
            "AVAILABLE?",
        );
        check_refused(
            "service = \"mwaa\"\n[operations.GetEnvironment.bind]\nNam = \"name\"",
            "operations.GetEnvironment.bind: GetEnvironmentInput has no member Nam; did you mean Name?",
        );
        check_refused(
            "service = \"mwaa\"\n[types.Environmant]\nignore = true",
            "types.Environmant: mwaa has no type Environmant; did you mean Environment?",
        );
        let environment = "service = \"mwaa\"\n[types.Environment]\n";
        check_refused(&format!("{environment}named-by = [\"Nome\"]"), "types.Environment.named-by: no input");
        check_refused(&format!("{environment}qualifiers = [\"Nome\"]"), "types.Environment.qualifiers: no input");
        check_refused(&format!("{environment}counter.member = \"Nome\""), "types.Environment.counter: no input");
        check_refused(&format!("{environment}merge = \"Nest\""), "types.Environment.merge: mwaa has no type Nest");
        check_refused(&format!("{environment}parent = \"Nest\""), "types.Environment.parent: mwaa has no type Nest");
        check_refused("service = \"mwaa\"\n[types.Environment]\nknid = \"named\"", "mine.toml is not an overlay");
        check_refused("service = ", "mine.toml is not an overlay");
    }

    #[test]
    fn an_overlay_says_better() {
        let text = r#"
            service = "mwaa"
            [errors]
            missing = "No{Noun}"
            [types.Environment]
            arn = "arn:{partition}:airflow:{region}:{account}:environment/{name}"
            defaults = { WebserverAccessMode = "PRIVATE_ONLY" }
            synonyms = { Name = "EnvironmentClass" }
            [types.WebLoginToken]
            kind = "single"
            parent = "Environment"
            [operations.CreateWebLoginToken]
            verb = "read"
            type = "WebLoginToken"
            bind = { Name = "Environment.name" }
            views = { WebToken = "any" }
            [operations.CreateCliToken]
            verb = "put"
            type = "WebLoginToken"
            [operations.InvokeRestApi]
            ignore = true
        "#;
        let lifecycle = with("mwaa", text).expect("applies");
        let environment = &lifecycle.types[0];
        assert_eq!(environment.codes.missing.as_deref(), Some("NoEnvironment"));
        assert_eq!(environment.defaults[0].0, "WebserverAccessMode");
        assert!(environment.arn_form.is_some());
        let token = &lifecycle.types[1];
        assert_eq!((token.name.as_str(), token.kind), ("WebLoginToken", TypeKind::Single));
        assert_eq!(token.parent.map(|parent| lifecycle.resource(parent).name.as_str()), Some("Environment"));
        let operation = service("mwaa").operation("CreateWebLoginToken").expect("modelled");
        let role = lifecycle.role(operation).expect("placed");
        assert_eq!((written(&role.bindings[0].path), role.bindings[0].part), ("Name".to_owned(), Part::Name));
        assert_eq!(written(&role.views[0].path), "WebToken");
        let free = service("mwaa").operation("InvokeRestApi").expect("modelled");
        assert!(lifecycle.role(free).is_none());
    }

    #[test]
    fn a_later_overlay_calls_types_as_an_earlier_one_does_or_as_the_model() {
        let overlay = |text: &str| Overlay::parse("mine.toml", &format!("service = \"mwaa\"\n{text}")).expect("parses");
        let renames = overlay("[types.Environment]\nrename = \"Airflow\"\nid = \"one\"");
        for name in ["Airflow", "Environment"] {
            let later = overlay(&format!("[types.{name}]\nkind = \"assigned\"\narn = \"arn:x\""));
            let lifecycle = infer_with(service("mwaa"), &[renames.clone(), later]).expect("applies");
            let resource = &lifecycle.types[0];
            assert_eq!((resource.name.as_str(), resource.kind), ("Airflow", TypeKind::Assigned));
            assert!(resource.id_form.is_some() && resource.arn_form.is_some());
        }
    }

    #[test]
    fn overlays_of_other_services_are_passed_over() {
        let overlay = Overlay::parse("mine.toml", "service = \"sqs\"\n[types.Nothing]\nignore = true").expect("parses");
        assert!(infer_with(service("mwaa"), &[overlay]).is_ok());
    }
}
