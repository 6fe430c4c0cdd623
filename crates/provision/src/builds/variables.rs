//! What commands see of their surroundings: the variables of a build on AWS, and the values of secrets.

use serde_json::Value;
use standin_core::{Caller, Place};
use standin_model::{Document, Fields};
use standin_proton::engine::provision::Order;

/// The variables of every build. `endpoint` is where standin is found: `aws` and the SDKs call it, as the account of the role.
pub fn usual(order: &Order, endpoint: Option<&str>) -> Vec<(String, String)> {
    let account = account(order);
    let build = format!("{}:{}", order.stack_name, order.deployment_id);
    let Order { region, partition, .. } = order;
    let mut variables = vec![
        ("STACK_NAME", order.stack_name.clone()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region.clone()),
        ("AWS_ACCESS_KEY_ID", account.clone()),
        ("AWS_SECRET_ACCESS_KEY", "standin".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_PAGER", String::new()),
        ("CODEBUILD_BUILD_ARN", format!("arn:{partition}:codebuild:{region}:{account}:build/{build}")),
        ("CODEBUILD_BUILD_ID", build),
        ("CODEBUILD_INITIATOR", "proton".to_owned()),
        ("CI", "true".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ];
    if let Some(url) = endpoint {
        // A manifest may send commands to AWS itself; Proton stays here.
        variables.extend([("AWS_ENDPOINT_URL", url.to_owned()), ("AWS_ENDPOINT_URL_PROTON", url.to_owned())]);
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The account of the role that provisions.
fn account(order: &Order) -> String {
    let of_role = order.role_arn.as_deref().and_then(|arn| arn.split(':').nth(4)).filter(|account| account.len() == 12);
    of_role.unwrap_or(&order.account).to_owned()
}

/// A reference to a secret: `ID`, `ID:KEY`, `ID:KEY:STAGE` or `ID:KEY:STAGE:VERSION`, where the id may be an ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reference<'r> {
    id: &'r str,
    key: Option<&'r str>,
    stage: Option<&'r str>,
    version: Option<&'r str>,
}

impl<'r> Reference<'r> {
    fn parse(text: &'r str) -> Self {
        let parts = if text.starts_with("arn:") { 7 } else { 1 };
        let end = text.match_indices(':').nth(parts - 1).map_or(text.len(), |(at, _)| at);
        let mut rest = text[end..].split(':').skip(1).map(|part| Some(part).filter(|part| !part.is_empty()));
        let mut next = || rest.next().flatten();
        Self { id: &text[..end], key: next(), stage: next(), version: next() }
    }
}

/// The values of secrets, by the names of their variables.
///
/// # Errors
/// Which secret cannot be had, and why.
pub async fn secrets(
    caller: &Caller,
    order: &Order,
    secrets: &[(String, String)],
) -> Result<Vec<(String, String)>, String> {
    let place = Place {
        partition: order.partition.clone(),
        account: account(order),
        region: order.region.clone(),
        access_key: None,
        now: order.now,
    };
    let mut found = Vec::new();
    for (name, text) in secrets {
        let reference = Reference::parse(text);
        let wrong = |why: &str| format!("the secret {text} of the variable {name}: {why}");
        let mut input = Fields::new();
        input.push("SecretId", reference.id.to_owned());
        for (member, value) in [("VersionStage", reference.stage), ("VersionId", reference.version)] {
            if let Some(value) = value {
                input.push(member, value.to_owned());
            }
        }
        let answer = caller.call(&place, ("secretsmanager", "GetSecretValue"), input, &order.deployment_id).await;
        let answer = answer.map_err(|error| wrong(&error.message))?;
        let value =
            answer.output.get("SecretString").and_then(Document::as_str).ok_or_else(|| wrong("it is not text"))?;
        found.push((name.clone(), value_of(value, reference.key).map_err(|why| wrong(&why))?));
    }
    Ok(found)
}

/// The value under a key of a secret, or the whole.
fn value_of(secret: &str, key: Option<&str>) -> Result<String, String> {
    let Some(key) = key else { return Ok(secret.to_owned()) };
    let document: Value = serde_json::from_str(secret).map_err(|_| "it is no JSON, so it has no keys".to_owned())?;
    match document.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => Err(format!("it has no key {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: [Option<&str>; 4]) {
        let Reference { id, key, stage, version } = Reference::parse(text);
        assert_eq!([Some(id), key, stage, version], expect, "{text}");
    }

    #[test]
    fn references_to_secrets_are_read() {
        check("name", [Some("name"), None, None, None]);
        check("name:key", [Some("name"), Some("key"), None, None]);
        check("name::AWSPREVIOUS", [Some("name"), None, Some("AWSPREVIOUS"), None]);
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:name-AbCdEf";
        check(arn, [Some(arn), None, None, None]);
        check(&format!("{arn}:key:stage:version"), [Some(arn), Some("key"), Some("stage"), Some("version")]);
    }

    #[test]
    fn keys_of_secrets_are_looked_up() {
        assert_eq!(value_of("plain", None).as_deref(), Ok("plain"));
        assert_eq!(value_of(r#"{"a": "b", "n": 5}"#, Some("a")).as_deref(), Ok("b"));
        assert_eq!(value_of(r#"{"a": "b", "n": 5}"#, Some("n")).as_deref(), Ok("5"));
        assert_eq!(value_of("{}", Some("a")).unwrap_err(), "it has no key a");
        assert_eq!(value_of("plain", Some("a")).unwrap_err(), "it is no JSON, so it has no keys");
    }
}
