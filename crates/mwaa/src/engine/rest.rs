//! InvokeRestApi: a call of Airflow's REST API as a call of AWS.

use standin_core::OperationError;
use standin_model::Document;
use standin_store::Batch;
use standin_typed::Shape as _;

use super::{Decided, Engine, Scope, validation};
use crate::runtime::{RestCall, RestReply};
use crate::types::{InvokeRestApiRequest, InvokeRestApiResponse, RestApiMethod};

/// AWS's limit of what an answer may be, in bytes.
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

impl Engine {
    pub(super) async fn invoke(&self, scope: &Scope, input: &InvokeRestApiRequest) -> Result<Decided, OperationError> {
        let kept = self.reachable(scope, &input.name).await?;
        let call = call(input)?;
        let target = self.target(&scope.place, scope.dice, &kept);
        let (_, identity) = self.visitor(scope, &kept, "airflow:InvokeRestApi").await?;
        let RestReply { status, body } = self.runtime.rest(&target, &call, &identity).await?;
        let response = if body.is_null() { Document::map() } else { Document::from_json(&body) };
        let too_long = body.to_string().len() > ANSWER_BYTES_MAX;
        let refused = |code: &'static str, message: String| {
            Err(OperationError::new(code, message)
                .with_member("RestApiStatusCode", i64::from(status))
                .with_member("RestApiResponse", response.clone()))
        };
        match status {
            _ if too_long => {
                let message = format!("The response is longer than {ANSWER_BYTES_MAX} bytes; ask for less at a time.");
                Err(OperationError::new("RestApiServerException", message).with_member("RestApiStatusCode", 500_i64))
            }
            200..=299 => {
                let output = InvokeRestApiResponse {
                    rest_api_status_code: Some(i64::from(status)),
                    rest_api_response: Some(response),
                };
                Ok((output.write(), Batch::default()))
            }
            500.. => refused("RestApiServerException", format!("The Airflow REST API answered with status {status}.")),
            _ => refused("RestApiClientException", format!("The Airflow REST API answered with status {status}.")),
        }
    }
}

fn call(input: &InvokeRestApiRequest) -> Result<RestCall, OperationError> {
    let path = &input.path;
    let steps_out = path.split('/').any(|part| part == "..") || path.to_ascii_lowercase().contains("%2e%2e");
    if !path.starts_with('/')
        || path.starts_with("//")
        || path.contains("://")
        || path.contains(['?', '#'])
        || steps_out
    {
        return Err(validation(format!(
            "Invalid Path {path}: it must be a path of the Airflow REST API without version prefix, such as /dags"
        )));
    }
    let method = input.method;
    // The client of Airflow's own provider sends an empty body with every call.
    let empty = |body: &Document| body.is_null() || body.as_map().is_some_and(standin_model::Fields::is_empty);
    let bodiless = matches!(method, RestApiMethod::Get | RestApiMethod::Delete);
    let body = input.body.as_ref().filter(|body| !(bodiless && empty(body))).map(Document::to_json);
    Ok(RestCall {
        method: method.as_str().to_owned(),
        path: path.clone(),
        query: input.query_parameters.as_ref().map(query).transpose()?.unwrap_or_default(),
        body,
    })
}

/// Query parameters as texts; those of a list are repeated.
fn query(parameters: &Document) -> Result<Vec<(String, String)>, OperationError> {
    let wrong = || validation("QueryParameters must be an object of texts, numbers, booleans and lists of these");
    let mut pairs = Vec::new();
    for (name, value) in parameters.as_map().ok_or_else(wrong)?.iter() {
        let values = value.as_list().unwrap_or(std::slice::from_ref(value));
        for value in values {
            let text = match value {
                Document::String(text) => text.to_string(),
                Document::Null => continue,
                Document::Bool(_) | Document::Int(_) | Document::Float(_) | Document::BigNumber(_) => {
                    value.to_json().to_string()
                }
                _ => return Err(wrong()),
            };
            pairs.push((name.to_string(), text));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_path(path: &str, allowed: bool) {
        let input = InvokeRestApiRequest { path: path.to_owned(), ..InvokeRestApiRequest::default() };
        assert_eq!(call(&input).is_ok(), allowed, "{path}");
    }

    #[test]
    fn paths_stay_below_the_api() {
        check_path("/dags/my%20dag/dagRuns", true);
        check_path("dags", false);
        check_path("//evil.example/dags", false);
        check_path("/dags/../../admin", false);
        check_path("/dags/%2E%2e/x", false);
        check_path("/dags?limit=1", false);
    }

    #[test]
    fn parameters_become_texts() {
        let given = json!({"limit": 5, "tags": ["a", "b"], "only_active": true, "none": null});
        let pairs = query(&Document::from_json(&given)).expect("they are fine");
        let expect = [("limit", "5"), ("tags", "a"), ("tags", "b"), ("only_active", "true")];
        assert_eq!(pairs, expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(query(&Document::from_json(&json!({"a": {"b": 1}}))).is_err());
        assert!(query(&Document::from_json(&json!([1]))).is_err());
    }
}
