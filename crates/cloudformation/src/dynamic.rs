//! Dynamic references: values that lie in other services. Source: "Get values stored in other services using dynamic references".

use serde_json::Value;
use standin_core::OperationError;
use standin_model::{Document, Fields};

use crate::parameters::scalar_text;
use crate::resources::Place;
use crate::services::ServiceResources;

impl ServiceResources {
    /// What a dynamic reference stands for.
    pub(crate) async fn dynamic(&self, place: &Place, reference: &str) -> Result<String, String> {
        let (service, rest) = reference.split_once(':').unwrap_or((reference, ""));
        match service {
            "ssm" | "ssm-secure" => self.parameter(place, rest, service == "ssm-secure").await,
            "secretsmanager" => self.secret(place, rest).await,
            _ => Err(format!(
                "Template error: unknown service {service} in the dynamic reference {{{{resolve:{reference}}}}}"
            )),
        }
    }

    async fn parameter(&self, place: &Place, name: &str, secure: bool) -> Result<String, String> {
        let (service, operation) = self.operation("ssm", "GetParameter").ok_or("SSM is not in the catalogue")?;
        let mut input = Fields::new();
        input.push("Name", name.to_owned());
        input.push("WithDecryption", secure);
        let told = |error: OperationError| {
            format!("Unable to fetch parameters [{name}] from parameter store for this account: {}", error.message)
        };
        let mut output = self.call(place, service, operation, input.clone(), 0).await;
        if let (Err(_), Some((bare, version))) = (&output, name.rsplit_once(':')) {
            input.insert("Name", bare.to_owned());
            let known = self.call(place, service, operation, input, 0).await;
            let current = |output: &Document| output.get("Parameter")?.get("Version")?.as_i64();
            if known.as_ref().ok().and_then(current).is_some_and(|current| current.to_string() == version) {
                output = known;
            }
        }
        let output = output.map_err(told)?;
        let parameter = output.get("Parameter").ok_or("the parameter has no value")?;
        let text = |name: &str| parameter.get(name).and_then(Document::as_str);
        if text("Type") == Some("SecureString") && !secure {
            return Err(format!("Parameters [{name}] of type SecureString are referred to by ssm-secure, not ssm"));
        }
        text("Value").map(str::to_owned).ok_or_else(|| format!("the parameter {name} has no value"))
    }

    /// `secret-id:SecretString:json-key:version-stage:version-id`, where the id may be an ARN.
    async fn secret(&self, place: &Place, reference: &str) -> Result<String, String> {
        let parts: Vec<&str> = reference.split(':').collect();
        let id_parts = if reference.starts_with("arn:") { 7 } else { 1 };
        if parts.len() < id_parts {
            return Err(format!("{{{{resolve:secretsmanager:{reference}}}}} names no secret"));
        }
        let (id, rest) = (parts[..id_parts].join(":"), &parts[id_parts..]);
        let part = |at: usize| rest.get(at).copied().filter(|text| !text.is_empty());
        if part(0).is_some_and(|kind| kind != "SecretString") {
            return Err(format!("{{{{resolve:secretsmanager:{reference}}}}}: only SecretString can be referred to"));
        }
        let known = self.operation("secretsmanager", "GetSecretValue");
        let (service, operation) = known.ok_or("Secrets Manager is not in the catalogue")?;
        let mut input = Fields::new();
        input.push("SecretId", id.clone());
        for (at, member) in [(2, "VersionStage"), (3, "VersionId")] {
            if let Some(text) = part(at) {
                input.push(member, text.to_owned());
            }
        }
        let told = |error: OperationError| format!("Could not read the secret {id}: {}", error.message);
        let output = self.call(place, service, operation, input, 0).await.map_err(told)?;
        let text = output.get("SecretString").and_then(Document::as_str).unwrap_or_default();
        let Some(key) = part(1) else { return Ok(text.to_owned()) };
        let json: Value =
            serde_json::from_str(text).map_err(|_| format!("Could not parse SecretString JSON of the secret {id}"))?;
        json.get(key)
            .and_then(scalar_text)
            .ok_or_else(|| format!("Could not find a value associated with JSONKey in SecretString: {key}"))
    }
}
