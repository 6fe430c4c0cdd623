//! The services that MWAA itself is a caller of: S3 for files, CloudWatch for logs and metrics, STS for who calls, EC2 for
//! endpoints that customers manage.

use serde_json::{Value, json};
use standin_core::{Arn, Caller, OperationError, Place};
use standin_model::{Document, Fields};

use crate::types::{LoggingLevel, MetricDatum, StatisticSet};
use crate::web::decoded;
use standin_typed::Shape as _;

/// Objects of a folder that are looked at, at most: real environments allow a few thousand DAGs.
const OBJECTS_MAX: usize = 20_000;
/// Where CloudWatch shows the metrics of environments.
pub const NAMESPACE: &str = "AmazonMWAA";

/// What IAM tells of the policies of users and roles: the names of inline ones, one of these, and which are attached.
const OF_USERS: [&str; 3] = ["ListUserPolicies", "GetUserPolicy", "ListAttachedUserPolicies"];
const OF_ROLES: [&str; 3] = ["ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies"];

/// What other services do for environments.
#[derive(Clone)]
pub struct Neighbours {
    caller: Caller,
}

/// An object, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// Changes with the content.
    pub etag: String,
    pub size: i64,
}

/// Credentials of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Whether an object is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// With its entity tag, and the id of its version, where the bucket has versions.
    Object {
        etag: String,
        version: Option<String>,
    },
    Nothing,
}

/// An event of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEvent {
    /// Milliseconds since 1970.
    pub time: i64,
    pub level: LoggingLevel,
    pub message: String,
}

impl Neighbours {
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    async fn call(&self, place: &Place, called: (&str, &str), input: Fields) -> Result<Document, OperationError> {
        self.caller.call(place, called, input, "mwaa").await.map(|answer| answer.output)
    }

    /// Whether a bucket is there. One that cannot be looked at is taken to be.
    pub async fn has_bucket(&self, place: &Place, bucket: &str) -> bool {
        let input = fields([("Bucket", bucket)]);
        !matches!(self.call(place, ("s3", "HeadBucket"), input).await, Err(error) if is_missing(&error))
    }

    /// The object of a key, in a version or as it is now.
    ///
    /// # Errors
    /// Where S3 fails otherwise than by not finding it.
    pub async fn find_object(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Found, OperationError> {
        let mut input = fields([("Bucket", bucket), ("Key", key)]);
        if let Some(version) = version {
            input.push("VersionId", version.to_owned());
        }
        match self.call(place, ("s3", "HeadObject"), input).await {
            Ok(output) => {
                let id = output.get("VersionId").and_then(Document::as_str).filter(|id| *id != "null");
                Ok(Found::Object { etag: text(&output, "ETag"), version: id.map(str::to_owned) })
            }
            Err(error) if is_missing(&error) || error.code.contains("Version") => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The objects whose keys begin so, sorted by key. None where the bucket is gone.
    ///
    /// # Errors
    /// Where S3 fails otherwise.
    pub async fn list(&self, place: &Place, bucket: &str, prefix: &str) -> Result<Vec<Object>, OperationError> {
        let (mut objects, mut next) = (Vec::new(), None::<String>);
        loop {
            let mut input = fields([("Bucket", bucket), ("Prefix", prefix)]);
            if let Some(token) = next.take() {
                input.push("ContinuationToken", token);
            }
            let output = match self.call(place, ("s3", "ListObjectsV2"), input).await {
                Ok(output) => output,
                Err(error) if is_missing(&error) => return Ok(objects),
                Err(error) => return Err(error),
            };
            for entry in output.get("Contents").and_then(Document::as_list).unwrap_or_default() {
                objects.push(Object {
                    key: text(entry, "Key"),
                    etag: text(entry, "ETag"),
                    size: entry.get("Size").and_then(Document::as_i64).unwrap_or_default(),
                });
            }
            next = output.get("NextContinuationToken").and_then(Document::as_str).map(str::to_owned);
            if next.is_none() || objects.len() >= OBJECTS_MAX {
                return Ok(objects);
            }
        }
    }

    /// The first bytes of an object.
    ///
    /// # Errors
    /// Where there is none, or S3 fails.
    pub async fn read(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
        bytes_max: usize,
    ) -> Result<Vec<u8>, OperationError> {
        let input = fields([("Bucket", bucket), ("Key", key)]);
        self.caller.payload(place, ("s3", "GetObject"), input, key, ("Body", bytes_max)).await
    }

    /// A whole object, in a version or as it is now: at most `bytes_max` of it.
    ///
    /// # Errors
    /// Where there is none, it is larger, or S3 fails.
    pub async fn read_whole(
        &self,
        place: &Place,
        (bucket, key, version): (&str, &str, Option<&str>),
        bytes_max: usize,
    ) -> Result<Vec<u8>, OperationError> {
        let mut input = fields([("Bucket", bucket), ("Key", key)]);
        if let Some(version) = version {
            input.push("VersionId", version.to_owned());
        }
        let bytes = self.caller.payload(place, ("s3", "GetObject"), input, key, ("Body", bytes_max + 1)).await?;
        if bytes.len() > bytes_max {
            return Err(OperationError::internal(format!(
                "s3://{bucket}/{key} is larger than {bytes_max} bytes, the most that can be read"
            )));
        }
        Ok(bytes)
    }

    /// Opens a session of a role.
    ///
    /// # Errors
    /// Where STS refuses it, or answers without credentials.
    pub async fn assume_role(
        &self,
        place: &Place,
        role: &str,
        session: &str,
        seconds: i64,
    ) -> Result<Credentials, OperationError> {
        let mut input = fields([("RoleArn", role), ("RoleSessionName", session)]);
        input.push("DurationSeconds", seconds);
        let output = self.call(place, ("sts", "AssumeRole"), input).await?;
        let credentials = output.get("Credentials").cloned().unwrap_or_default();
        let given = Credentials {
            access_key_id: text(&credentials, "AccessKeyId"),
            secret_access_key: text(&credentials, "SecretAccessKey"),
            session_token: text(&credentials, "SessionToken"),
        };
        if given.access_key_id.is_empty() {
            return Err(OperationError::internal("STS answered AssumeRole without credentials"));
        }
        Ok(given)
    }

    /// Makes sure of a log group.
    ///
    /// # Errors
    /// Where CloudWatch Logs fails otherwise than by having it already.
    pub async fn make_log_group(&self, place: &Place, name: &str) -> Result<(), OperationError> {
        match self.call(place, ("logs", "CreateLogGroup"), fields([("logGroupName", name)])).await {
            Ok(_) => Ok(()),
            Err(error) if error.code.contains("AlreadyExists") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts events into a stream of a log group; both are made where they are not there. At most as many as one call takes, in the
    /// order of their times.
    ///
    /// # Errors
    /// Where CloudWatch Logs refuses them.
    pub async fn put_log_events(
        &self,
        place: &Place,
        group: &str,
        stream: &str,
        events: &[LogEvent],
    ) -> Result<(), OperationError> {
        let shown: Vec<Document> = events
            .iter()
            .map(|event| {
                let mut shown = fields([("message", &event.message)]);
                shown.push("timestamp", event.time);
                Document::Map(shown)
            })
            .collect();
        let names = || fields([("logGroupName", group), ("logStreamName", stream)]);
        let mut input = names();
        input.push("logEvents", shown);
        for _ in 0..2 {
            match self.call(place, ("logs", "PutLogEvents"), input.clone()).await {
                Err(error) if is_missing(&error) => {}
                ended => return ended.map(drop),
            }
            self.make_log_group(place, group).await?;
            match self.call(place, ("logs", "CreateLogStream"), names()).await {
                Err(error) if !error.code.contains("AlreadyExists") => return Err(error),
                _ => {}
            }
        }
        self.call(place, ("logs", "PutLogEvents"), input).await.map(drop)
    }

    /// Puts data into the metrics of environments.
    ///
    /// # Errors
    /// Where CloudWatch refuses them.
    pub async fn put_data(&self, place: &Place, data: Vec<Document>) -> Result<(), OperationError> {
        let mut input = fields([("Namespace", NAMESPACE)]);
        input.push("MetricData", data);
        self.call(place, ("cloudwatch", "PutMetricData"), input).await.map(drop)
    }

    /// Hands metrics of an environment on to CloudWatch.
    ///
    /// # Errors
    /// Where CloudWatch refuses them.
    pub async fn put_metrics(&self, place: &Place, data: &[MetricDatum]) -> Result<(), OperationError> {
        let data = data.iter().map(|datum| {
            let mut datum = datum.clone();
            if let Some(StatisticSet { sample_count: Some(count), .. }) = datum.statistic_values {
                let mut document = datum.write();
                // CloudWatch counts in fractions.
                if let Some(Document::Map(set)) =
                    document.as_map_mut().and_then(|fields| fields.get_mut("StatisticValues"))
                {
                    set.insert("SampleCount", count as f64);
                }
                return document;
            }
            datum.statistic_values = None;
            datum.write()
        });
        let data: Vec<Document> = data.collect();
        self.put_data(place, data).await
    }

    /// Who calls, as MWAA tells it: `user/bob`, `assumed-role/Admin/alice`.
    pub async fn identity(&self, place: &Place) -> String {
        let output = self.call(place, ("sts", "GetCallerIdentity"), Fields::new()).await.unwrap_or_default();
        let arn = text(&output, "Arn");
        match Arn::parse(&arn).map(|arn| arn.resource) {
            Some(resource) if !resource.is_empty() => resource.to_owned(),
            _ => "root".to_owned(),
        }
    }

    /// The first bytes of an object in a version, or as it is now.
    ///
    /// # Errors
    /// Where there is none, or S3 fails.
    pub async fn read_beginning(
        &self,
        place: &Place,
        (bucket, key, version): (&str, &str, Option<&str>),
        bytes_max: usize,
    ) -> Result<Vec<u8>, OperationError> {
        let mut input = fields([("Bucket", bucket), ("Key", key)]);
        if let Some(version) = version {
            input.push("VersionId", version.to_owned());
        }
        self.caller.payload(place, ("s3", "GetObject"), input, key, ("Body", bytes_max)).await
    }

    /// The policies of a user or a role, inline and attached ones, as documents. `identity`: as [`Self::identity`] tells it; whoever is
    /// neither has none. What of IAM cannot be read counts as not there.
    pub async fn policies(&self, place: &Place, identity: &str) -> Vec<Value> {
        let mut parts = identity.split('/');
        let (who, operations) = match (parts.next(), parts.next(), parts.next_back()) {
            (Some("user"), Some(name), last) => (("UserName", last.unwrap_or(name)), OF_USERS),
            (Some("assumed-role"), Some(name), _) => (("RoleName", name), OF_ROLES),
            _ => return Vec::new(),
        };
        let [list, read, list_attached] = operations;
        let mut policies = Vec::new();
        let named = self.call(place, ("iam", list), fields([who])).await.unwrap_or_default();
        for name in named.get("PolicyNames").and_then(Document::as_list).unwrap_or_default() {
            let name = name.as_str().unwrap_or_default();
            let policy = self.call(place, ("iam", read), fields([who, ("PolicyName", name)])).await.unwrap_or_default();
            policies.push(document(&text(&policy, "PolicyDocument")));
        }
        let attached = self.call(place, ("iam", list_attached), fields([who])).await.unwrap_or_default();
        for policy in attached.get("AttachedPolicies").and_then(Document::as_list).unwrap_or_default() {
            policies.push(self.managed_policy(place, &text(policy, "PolicyArn")).await);
        }
        policies
    }

    /// The document of a managed policy as it is now.
    async fn managed_policy(&self, place: &Place, arn: &str) -> Value {
        // IAM here has none of AWS's own; this one matters.
        if arn.ends_with(":aws:policy/AdministratorAccess") {
            return json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        }
        let policy = self.call(place, ("iam", "GetPolicy"), fields([("PolicyArn", arn)])).await.unwrap_or_default();
        let Some(version) = policy.get("Policy").map(|policy| text(policy, "DefaultVersionId")) else {
            return Value::Null;
        };
        let input = fields([("PolicyArn", arn), ("VersionId", &version)]);
        let version = self.call(place, ("iam", "GetPolicyVersion"), input).await.unwrap_or_default();
        version.get("PolicyVersion").map_or(Value::Null, |version| document(&text(version, "Document")))
    }

    /// Whether there is an endpoint for each of these endpoint services.
    pub async fn has_endpoints(&self, place: &Place, services: &[String]) -> bool {
        let mut filter = fields([("Name", "service-name")]);
        filter.push("Values", services.iter().map(|name| Document::from(name.clone())).collect::<Vec<_>>());
        let mut input = Fields::new();
        input.push("Filters", vec![Document::Map(filter)]);
        let output = self.call(place, ("ec2", "DescribeVpcEndpoints"), input).await.unwrap_or_default();
        let endpoints = output.get("VpcEndpoints").and_then(Document::as_list).unwrap_or_default();
        services.iter().all(|service| endpoints.iter().any(|endpoint| text(endpoint, "ServiceName") == *service))
    }
}

fn fields<const N: usize>(entries: [(&'static str, &str); N]) -> Fields {
    entries.into_iter().map(|(name, value)| (name.into(), Document::from(value.to_owned()))).collect()
}

fn text(document: &Document, name: &str) -> String {
    document.get(name).and_then(Document::as_str).unwrap_or_default().to_owned()
}

/// A policy's document, which IAM shows as JSON with or without the escapes of URLs.
fn document(text: &str) -> Value {
    let plain = if text.starts_with('%') { decoded(text) } else { text.to_owned() };
    serde_json::from_str(&plain).unwrap_or_default()
}

/// Whether an error of S3 says that something is not there.
fn is_missing(error: &OperationError) -> bool {
    ["NotFound", "NoSuch", "404"].iter().any(|part| error.code.contains(part))
}
