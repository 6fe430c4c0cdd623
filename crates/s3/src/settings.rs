//! What belongs to a bucket and is stored, read back and deleted: policy, tags, lifecycle and so on. A table says which
//! operations each has and what a bucket without it answers.

use standin_core::{CallContext, OperationError};
use standin_model::{Document, Fields, Str};
use standin_store::{Batch, Scan};

use crate::bucket::{Bucket, Versioning};
use crate::error::{Fail, invalid_request, malformed_xml, refused, until_settled};
use crate::input::{Input, Put as _};
use crate::rows::Of;
use crate::storage::Account;
use crate::{acl, tags, token};

/// One thing that a bucket may have.
pub(crate) struct Setting {
    /// Of its row.
    row: Str,
    put: Str,
    get: Str,
    delete: Str,
    /// The payload of `put`; `get` answers with a member of the same name, or with its members.
    payload: Str,
    missing: Missing,
    prepare: Prepare,
}

/// What a bucket answers that has none.
enum Missing {
    /// A code and a message, with status 404.
    Refused(Str, Str),
    /// An answer without members.
    Nothing,
    /// What every bucket has.
    Default(fn() -> Document),
}

/// Checks what is to be stored and completes it.
type Prepare = fn(&CallContext, &Bucket, Document) -> Result<Document, OperationError>;

const fn setting(row: Str, operations: [Str; 3], payload: Str, missing: Missing, prepare: Prepare) -> Setting {
    let [put, get, delete] = operations;
    Setting { row, put, get, delete, payload, missing, prepare }
}

/// Operations that there are not.
const NONE: Str = "";

static SETTINGS: &[Setting] = &[
    setting(
        "policy",
        ["PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"],
        "Policy",
        Missing::Refused("NoSuchBucketPolicy", "The bucket policy does not exist"),
        prepare_policy,
    ),
    setting(
        "tagging",
        ["PutBucketTagging", "GetBucketTagging", "DeleteBucketTagging"],
        "Tagging",
        Missing::Refused("NoSuchTagSet", "The TagSet does not exist"),
        prepare_tags,
    ),
    setting(
        "lifecycle",
        ["PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration", "DeleteBucketLifecycle"],
        "LifecycleConfiguration",
        Missing::Refused("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        prepare_lifecycle,
    ),
    setting(
        "lifecycle",
        ["PutBucketLifecycle", "GetBucketLifecycle", NONE],
        "LifecycleConfiguration",
        Missing::Refused("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        prepare_lifecycle,
    ),
    setting(
        "cors",
        ["PutBucketCors", "GetBucketCors", "DeleteBucketCors"],
        "CORSConfiguration",
        Missing::Refused("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        prepare_cors,
    ),
    setting(
        "website",
        ["PutBucketWebsite", "GetBucketWebsite", "DeleteBucketWebsite"],
        "WebsiteConfiguration",
        Missing::Refused("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
        as_it_is,
    ),
    setting(
        "encryption",
        ["PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption"],
        "ServerSideEncryptionConfiguration",
        Missing::Default(default_encryption),
        prepare_encryption,
    ),
    setting(
        "public-access-block",
        ["PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock"],
        "PublicAccessBlockConfiguration",
        Missing::Refused("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
        prepare_public_access_block,
    ),
    setting(
        "ownership",
        ["PutBucketOwnershipControls", "GetBucketOwnershipControls", "DeleteBucketOwnershipControls"],
        "OwnershipControls",
        Missing::Refused("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
        as_it_is,
    ),
    setting(
        "replication",
        ["PutBucketReplication", "GetBucketReplication", "DeleteBucketReplication"],
        "ReplicationConfiguration",
        Missing::Refused("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
        prepare_replication,
    ),
    setting(
        "object-lock",
        ["PutObjectLockConfiguration", "GetObjectLockConfiguration", NONE],
        "ObjectLockConfiguration",
        Missing::Refused(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        prepare_object_lock,
    ),
    setting(
        "notification",
        ["PutBucketNotificationConfiguration", "GetBucketNotificationConfiguration", NONE],
        "NotificationConfiguration",
        Missing::Nothing,
        prepare_notification,
    ),
    setting(
        "old-notification",
        ["PutBucketNotification", "GetBucketNotification", NONE],
        "NotificationConfiguration",
        Missing::Nothing,
        as_it_is,
    ),
    setting(
        "logging",
        ["PutBucketLogging", "GetBucketLogging", NONE],
        "BucketLoggingStatus",
        Missing::Nothing,
        as_it_is,
    ),
    setting(
        "accelerate",
        ["PutBucketAccelerateConfiguration", "GetBucketAccelerateConfiguration", NONE],
        "AccelerateConfiguration",
        Missing::Nothing,
        prepare_accelerate,
    ),
    setting(
        "request-payment",
        ["PutBucketRequestPayment", "GetBucketRequestPayment", NONE],
        "RequestPaymentConfiguration",
        Missing::Default(default_payer),
        as_it_is,
    ),
    setting("abac", ["PutBucketAbac", "GetBucketAbac", NONE], "AbacStatus", Missing::Default(default_abac), as_it_is),
];

/// Configurations of which a bucket has several, by id: the noun in operations and members, and the row.
static BY_ID: &[(Str, Str)] = &[
    ("Analytics", "analytics"),
    ("IntelligentTiering", "intelligent-tiering"),
    ("Inventory", "inventory"),
    ("Metrics", "metrics"),
];

/// How many configurations of one kind are on a page. AWS's own number.
const CONFIGURATIONS_PER_PAGE: usize = 100;

/// Beside the payload, in and out by header.
const MINIMUM_SIZE: Str = "TransitionDefaultMinimumObjectSize";
const DEFAULT_MINIMUM_SIZE: Str = "all_storage_classes_128K";

#[derive(Clone, Copy)]
enum Verb {
    Put,
    Get,
    Delete,
    List,
}

/// The operations that a [`Task`] can be made of.
pub(crate) fn operations() -> impl Iterator<Item = String> {
    let one = SETTINGS.iter().flat_map(|setting| [setting.put, setting.get, setting.delete]);
    let verbs = [("Put", ""), ("Get", ""), ("Delete", ""), ("List", "s")];
    let by_id = BY_ID
        .iter()
        .flat_map(move |(noun, _)| verbs.map(|(verb, plural)| format!("{verb}Bucket{noun}Configuration{plural}")));
    one.filter(|name| *name != NONE).map(str::to_owned).chain(by_id)
}

/// What an operation does to which setting.
pub(crate) struct Task(Kind, Verb);

enum Kind {
    One(&'static Setting),
    /// The row and the payload's name.
    ById(Str, String),
}

impl Task {
    /// The task of an operation, where it is about a setting.
    pub(crate) fn of(operation: &str) -> Option<Self> {
        for setting in SETTINGS {
            let verbs = [(setting.put, Verb::Put), (setting.get, Verb::Get), (setting.delete, Verb::Delete)];
            if let Some((_, verb)) = verbs.into_iter().find(|(name, _)| *name == operation) {
                return Some(Self(Kind::One(setting), verb));
            }
        }
        let verbs = [
            ("PutBucket", Verb::Put),
            ("GetBucket", Verb::Get),
            ("DeleteBucket", Verb::Delete),
            ("ListBucket", Verb::List),
        ];
        let (rest, verb) =
            verbs.into_iter().find_map(|(prefix, verb)| Some((operation.strip_prefix(prefix)?, verb)))?;
        let noun = rest.strip_suffix('s').unwrap_or(rest).strip_suffix("Configuration")?;
        let (noun, row) = BY_ID.iter().find(|(name, _)| *name == noun)?;
        Some(Self(Kind::ById(row, format!("{noun}Configuration")), verb))
    }
}

impl Account {
    pub(crate) async fn do_setting(
        &self,
        task: Task,
        call: &CallContext,
        input: Input<'_>,
    ) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        match task {
            Task(Kind::One(setting), Verb::Put) => self.put_setting(call, &bucket, setting, input).await,
            Task(Kind::One(setting), Verb::Delete) => self.drop_setting(&bucket.name, setting.row).await,
            Task(Kind::One(setting), _) => self.get_setting(call, &bucket, setting).await,
            Task(Kind::ById(row, payload), verb) => self.do_configuration(&bucket, row, payload, verb, input).await,
        }
    }

    /// The value of a setting; `None` where there is none.
    pub(crate) async fn setting(&self, bucket: &str, row: &str) -> Result<Option<Document>, OperationError> {
        let table = self.table(Of::Settings, bucket);
        let row = self.store().get(&table, row).await.map_err(OperationError::internal)?;
        Ok(row.and_then(|row| row.body.get("Value").cloned()))
    }

    pub(crate) async fn store_setting(&self, bucket: &str, row: &str, value: Document) -> Result<(), OperationError> {
        self.store_row(bucket, row, wrapped(value)).await
    }

    async fn store_row(&self, bucket: &str, row: &str, body: Document) -> Result<(), OperationError> {
        until_settled!(async {
            let bucket = self.bucket(bucket).await?;
            let mut batch = Batch::default();
            batch.check(&crate::rows::buckets(&self.space), &*bucket.name, Some(bucket.revision));
            batch.put(&self.table(Of::Settings, &bucket.name), row, body.clone(), []);
            self.store().commit(batch).await?;
            Ok::<(), Fail>(())
        })
    }

    async fn drop_setting(&self, bucket: &str, row: &str) -> Result<Fields, OperationError> {
        let mut batch = Batch::default();
        batch.delete(&self.table(Of::Settings, bucket), row);
        self.store().commit(batch).await.map_err(OperationError::internal)?;
        Ok(Fields::new())
    }

    async fn put_setting(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        setting: &Setting,
        input: Input<'_>,
    ) -> Result<Fields, OperationError> {
        let value = input.get(setting.payload).ok_or_else(malformed_xml)?.clone();
        let mut body = wrapped((setting.prepare)(call, bucket, value)?);
        let mut output = Fields::new();
        if let (Some(size), Some(fields)) = (input.text(MINIMUM_SIZE), body.as_map_mut()) {
            fields.push(MINIMUM_SIZE, size.to_owned());
        }
        if setting.row == "lifecycle" {
            output.push(MINIMUM_SIZE, input.text(MINIMUM_SIZE).unwrap_or(DEFAULT_MINIMUM_SIZE).to_owned());
        }
        self.store_row(&bucket.name, setting.row, body).await?;
        if setting.row == "object-lock" && !bucket.lock {
            self.change_bucket(&bucket.name, |bucket, _| {
                bucket.lock = true;
                Ok(())
            })
            .await?;
        }
        Ok(output)
    }

    async fn get_setting(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        setting: &Setting,
    ) -> Result<Fields, OperationError> {
        let table = self.table(Of::Settings, &bucket.name);
        let row = self.store().get(&table, setting.row).await.map_err(OperationError::internal)?;
        let stored = row.as_ref().and_then(|row| row.body.get("Value"));
        let value = match (stored, &setting.missing) {
            (Some(value), _) => value.clone(),
            (None, Missing::Refused(code, message)) => {
                return Err(refused(code, 404, *message).with_member("BucketName", bucket.name.clone()));
            }
            (None, Missing::Nothing) => return Ok(Fields::new()),
            (None, Missing::Default(value)) => value(),
        };
        let shape = call.operation.output.and_then(|ix| call.service.structure(ix));
        let nested = shape.is_some_and(|shape| shape.member(setting.payload).is_some());
        let mut output = match value {
            Document::Map(fields) if !nested => fields,
            value => Fields::from_iter([(setting.payload.into(), value)]),
        };
        if shape.is_some_and(|shape| shape.member(MINIMUM_SIZE).is_some()) {
            let size = row.as_ref().and_then(|row| row.body.get(MINIMUM_SIZE).cloned());
            output.push(MINIMUM_SIZE, size.unwrap_or_else(|| DEFAULT_MINIMUM_SIZE.into()));
        }
        Ok(output)
    }

    async fn do_configuration(
        &self,
        bucket: &Bucket,
        kind: Str,
        payload: String,
        verb: Verb,
        input: Input<'_>,
    ) -> Result<Fields, OperationError> {
        let row = format!("{kind}/{}", input.name("Id"));
        let missing = || refused("NoSuchConfiguration", 404, "The specified configuration does not exist.");
        match verb {
            Verb::Put => {
                let value = input.get(&payload).ok_or_else(malformed_xml)?;
                if Input::new(value).text("Id").is_some_and(|id| id != input.name("Id")) {
                    return Err(invalid_request("The id of the configuration is not that of the request."));
                }
                self.store_setting(&bucket.name, &row, value.clone()).await?;
                Ok(Fields::new())
            }
            Verb::Get => {
                let value = self.setting(&bucket.name, &row).await?.ok_or_else(missing)?;
                Ok(Fields::from_iter([(payload.into(), value)]))
            }
            Verb::Delete => {
                self.setting(&bucket.name, &row).await?.ok_or_else(missing)?;
                self.drop_setting(&bucket.name, &row).await
            }
            Verb::List => {
                let prefix = format!("{kind}/");
                let binding = [&*bucket.name, kind];
                let after = input.text("ContinuationToken").map(|text| token::read(&binding, text)).transpose()?;
                let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: CONFIGURATIONS_PER_PAGE + 1 };
                let table = self.table(Of::Settings, &bucket.name);
                let mut page = self.store().scan(&table, scan).await.map_err(OperationError::internal)?;
                let more = page.len() > CONFIGURATIONS_PER_PAGE;
                page.truncate(CONFIGURATIONS_PER_PAGE);
                let mut output = Fields::new();
                output.push("IsTruncated", more);
                output.put("ContinuationToken", input.text("ContinuationToken").map(str::to_owned));
                let last = page.last().filter(|_| more).map(|row| token::write(&binding, &row.key));
                output.put("NextContinuationToken", last);
                let items: Vec<Document> = page.iter().filter_map(|row| row.body.get("Value").cloned()).collect();
                if !items.is_empty() {
                    output.push(format!("{payload}List"), items);
                }
                Ok(output)
            }
        }
    }

    pub(crate) async fn policy_status(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let policy = self.setting(&bucket.name, "policy").await?;
        let policy = policy.as_ref().and_then(Document::as_str).and_then(|text| serde_json::from_str(text).ok());
        let Some(policy) = policy else {
            return Err(refused("NoSuchBucketPolicy", 404, "The bucket policy does not exist")
                .with_member("BucketName", bucket.name));
        };
        let mut status = Fields::new();
        status.push("IsPublic", is_public(&policy));
        Ok(Fields::from_iter([("PolicyStatus".into(), Document::Map(status))]))
    }
}

fn wrapped(value: Document) -> Document {
    Document::Map(Fields::from_iter([("Value".into(), value)]))
}

/// What a new bucket has, by row. Source: AWS's defaults since April 2023.
///
/// # Errors
/// Where the input asks for an ACL that its own object ownership rules out.
pub(crate) fn initial(
    account: &Account,
    input: Input<'_>,
    lock: bool,
) -> Result<Vec<(&'static str, Document)>, OperationError> {
    let ownership = input.text("ObjectOwnership").unwrap_or("BucketOwnerEnforced");
    let rule = Fields::from_iter([("ObjectOwnership".into(), Document::from(ownership.to_owned()))]);
    let controls = Fields::from_iter([("Rules".into(), Document::List(vec![Document::Map(rule)]))]);
    let names = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let block: Fields = names.into_iter().map(|name| (name.into(), Document::Bool(true))).collect();
    let mut settings =
        vec![("ownership", wrapped(Document::Map(controls))), ("public-access-block", wrapped(Document::Map(block)))];
    if let Some(acl) = acl::asked(&account.account, input)? {
        if ownership == "BucketOwnerEnforced" && acl != acl::default(&account.account) {
            let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
            return Err(refused("InvalidBucketAclWithObjectOwnership", 400, message));
        }
        settings.push(("acl", wrapped(acl)));
    }
    if lock {
        let enabled = Fields::from_iter([("ObjectLockEnabled".into(), Document::from("Enabled"))]);
        settings.push(("object-lock", wrapped(Document::Map(enabled))));
    }
    let configuration = input.structure("CreateBucketConfiguration");
    let tags = configuration.map(|configuration| configuration.list("Tags")).unwrap_or_default();
    if !tags.is_empty() {
        tags::check(tags, tags::BUCKET_TAGS_MAX)?;
        let set = Fields::from_iter([("TagSet".into(), Document::List(tags.to_vec()))]);
        settings.push(("tagging", wrapped(Document::Map(set))));
    }
    Ok(settings)
}

fn as_it_is(_: &CallContext, _: &Bucket, value: Document) -> Result<Document, OperationError> {
    Ok(value)
}

fn default_encryption() -> Document {
    let by_default = Fields::from_iter([("SSEAlgorithm".into(), Document::from("AES256"))]);
    let mut rule = Fields::new();
    rule.push("ApplyServerSideEncryptionByDefault", by_default);
    rule.push("BucketKeyEnabled", false);
    Document::Map(Fields::from_iter([("Rules".into(), Document::List(vec![Document::Map(rule)]))]))
}

fn default_payer() -> Document {
    Document::Map(Fields::from_iter([("Payer".into(), Document::from("BucketOwner"))]))
}

fn default_abac() -> Document {
    Document::Map(Fields::from_iter([("Status".into(), Document::from("Disabled"))]))
}

fn prepare_policy(_: &CallContext, bucket: &Bucket, value: Document) -> Result<Document, OperationError> {
    let malformed = |message: &str| refused("MalformedPolicy", 400, message);
    let text = value.as_str().ok_or_else(malformed_xml)?;
    let policy: serde_json::Value =
        serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    let statements = match policy.get("Statement") {
        Some(serde_json::Value::Array(list)) => list.as_slice(),
        Some(one @ serde_json::Value::Object(_)) => std::slice::from_ref(one),
        _ => return Err(malformed("Missing required field Statement")),
    };
    let own = format!(":s3:::{}", bucket.name);
    for statement in statements {
        if statement.get("Principal").is_none() && statement.get("NotPrincipal").is_none() {
            return Err(malformed("Missing required field Principal"));
        }
        if statement.get("Action").is_none() && statement.get("NotAction").is_none() {
            return Err(malformed("Missing required field Action"));
        }
        let resources = statement.get("Resource").or_else(|| statement.get("NotResource"));
        let resources = resources.ok_or_else(|| malformed("Missing required field Resource"))?;
        let about = |resource: &serde_json::Value| {
            let resource = resource.as_str().unwrap_or_default();
            let after = resource.find(&own).map(|at| &resource[at + own.len()..]);
            after.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*']))
                || resource.contains(['*', '?', '$'])
        };
        let fits = resources.as_array().map_or_else(|| about(resources), |list| list.iter().all(about));
        if !fits {
            return Err(malformed("Policy has invalid resource"));
        }
    }
    Ok(value)
}

/// Whether a policy lets anybody in: an `Allow` for everybody that no condition narrows.
fn is_public(policy: &serde_json::Value) -> bool {
    let everybody = |principal: &serde_json::Value| {
        let star =
            |value: &serde_json::Value| value == "*" || value.as_array().is_some_and(|list| list.contains(&"*".into()));
        star(principal) || principal.get("AWS").is_some_and(star)
    };
    let public = |statement: &serde_json::Value| {
        statement["Effect"] == "Allow" && everybody(&statement["Principal"]) && statement.get("Condition").is_none()
    };
    match &policy["Statement"] {
        serde_json::Value::Array(list) => list.iter().any(public),
        one => public(one),
    }
}

fn prepare_tags(_: &CallContext, _: &Bucket, value: Document) -> Result<Document, OperationError> {
    tags::check(Input::new(&value).list("TagSet"), tags::BUCKET_TAGS_MAX)?;
    Ok(value)
}

/// Gives ids to the items of a list that have none.
fn name_items(call: &CallContext, value: &mut Document, list: &str, id: Str) {
    let Some(Document::List(items)) = value.as_map_mut().and_then(|fields| fields.get_mut(list)) else { return };
    for (at, item) in items.iter_mut().enumerate() {
        if let Some(fields) = item.as_map_mut()
            && fields.get(id).and_then(Document::as_str).is_none_or(str::is_empty)
        {
            let mut draw = call.key("id of a rule").text(&call.request_id).text(list).number(at as u64).draw();
            fields.insert(id, format!("{:016x}{:016x}", draw.next_u64(), draw.next_u64()));
        }
    }
}

fn prepare_lifecycle(call: &CallContext, _: &Bucket, mut value: Document) -> Result<Document, OperationError> {
    name_items(call, &mut value, "Rules", "ID");
    let rules = Input::new(&value).list("Rules");
    if rules.is_empty() || rules.len() > 1000 {
        return Err(malformed_xml());
    }
    for (at, rule) in rules.iter().enumerate() {
        let rule = Input::new(rule);
        if !matches!(rule.text("Status"), Some("Enabled" | "Disabled")) {
            return Err(malformed_xml());
        }
        let twin = rules[..at].iter().any(|other| Input::new(other).text("ID") == rule.text("ID"));
        if twin {
            return Err(refused(
                "InvalidArgument",
                400,
                "Rule ID must be unique. Found same ID for more than one rule",
            ));
        }
        let actions = [
            "Expiration",
            "Transitions",
            "Transition",
            "NoncurrentVersionTransitions",
            "NoncurrentVersionTransition",
            "NoncurrentVersionExpiration",
            "AbortIncompleteMultipartUpload",
        ];
        if !actions.iter().any(|action| rule.get(action).is_some()) {
            return Err(invalid_request("At least one action needs to be specified in a rule"));
        }
    }
    Ok(value)
}

fn prepare_cors(_: &CallContext, _: &Bucket, value: Document) -> Result<Document, OperationError> {
    let rules = Input::new(&value).list("CORSRules");
    if rules.is_empty() || rules.len() > 100 {
        return Err(malformed_xml());
    }
    for rule in rules {
        let rule = Input::new(rule);
        if rule.list("AllowedOrigins").is_empty() || rule.list("AllowedMethods").is_empty() {
            return Err(malformed_xml());
        }
        let known = ["GET", "PUT", "POST", "DELETE", "HEAD"];
        let methods = rule.list("AllowedMethods").iter().filter_map(Document::as_str);
        if let Some(other) = methods.into_iter().find(|method| !known.contains(method)) {
            let message = format!("Found unsupported HTTP method in CORS config. Unsupported method is {other}");
            return Err(invalid_request(message));
        }
    }
    Ok(value)
}

fn prepare_encryption(_: &CallContext, _: &Bucket, mut value: Document) -> Result<Document, OperationError> {
    let Some(Document::List(rules)) = value.as_map_mut().and_then(|fields| fields.get_mut("Rules")) else {
        return Err(malformed_xml());
    };
    if rules.len() != 1 {
        return Err(malformed_xml());
    }
    for rule in rules.iter_mut().filter_map(Document::as_map_mut) {
        if !rule.contains_key("BucketKeyEnabled") {
            rule.push("BucketKeyEnabled", false);
        }
    }
    Ok(value)
}

fn prepare_public_access_block(_: &CallContext, _: &Bucket, mut value: Document) -> Result<Document, OperationError> {
    let names = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let fields = value.as_map_mut().ok_or_else(malformed_xml)?;
    for name in names {
        if !fields.contains_key(name) {
            fields.push(name, false);
        }
    }
    Ok(value)
}

fn prepare_replication(_: &CallContext, bucket: &Bucket, value: Document) -> Result<Document, OperationError> {
    if bucket.versioning != Versioning::Enabled {
        let message = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
        return Err(invalid_request(message));
    }
    if Input::new(&value).list("Rules").is_empty() {
        return Err(malformed_xml());
    }
    Ok(value)
}

fn prepare_object_lock(_: &CallContext, bucket: &Bucket, value: Document) -> Result<Document, OperationError> {
    if bucket.versioning != Versioning::Enabled {
        let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
        return Err(refused("InvalidBucketState", 409, message));
    }
    if Input::new(&value).text("ObjectLockEnabled") != Some("Enabled") {
        return Err(malformed_xml());
    }
    let retention = Input::new(&value).structure("Rule").and_then(|rule| rule.structure("DefaultRetention"));
    if let Some(retention) = retention
        && retention.int("Days").is_some() == retention.int("Years").is_some()
    {
        return Err(malformed_xml());
    }
    Ok(value)
}

fn prepare_notification(call: &CallContext, _: &Bucket, mut value: Document) -> Result<Document, OperationError> {
    for list in ["TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations"] {
        name_items(call, &mut value, list, "Id");
    }
    Ok(value)
}

fn prepare_accelerate(_: &CallContext, bucket: &Bucket, value: Document) -> Result<Document, OperationError> {
    if bucket.name.contains('.') {
        return Err(invalid_request(
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names",
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    #[test]
    fn every_operation_of_the_table_is_modelled() {
        let s3 = Catalogue::shared().newest("s3").expect("served").open().expect("opens");
        for setting in SETTINGS {
            let put = s3.operation(setting.put).expect("modelled");
            let input = put.input.and_then(|ix| s3.structure(ix)).expect("a structure");
            assert!(input.member(setting.payload).is_some(), "{} of {}", setting.payload, setting.put);
        }
        for name in operations() {
            assert!(s3.operation(&name).is_some() && Task::of(&name).is_some(), "{name}");
        }
        for other in ["PutObject", "GetBucketAcl", "ListBuckets", "CreateBucketMetadataConfiguration"] {
            assert!(Task::of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn policies_that_let_anybody_in_are_public() {
        let check = |statement: serde_json::Value, expect| {
            assert_eq!(is_public(&serde_json::json!({"Statement": statement})), expect, "{statement}");
        };
        check(serde_json::json!({"Effect": "Allow", "Principal": "*"}), true);
        check(serde_json::json!([{"Effect": "Allow", "Principal": {"AWS": ["*"]}}]), true);
        check(serde_json::json!({"Effect": "Deny", "Principal": "*"}), false);
        check(serde_json::json!({"Effect": "Allow", "Principal": {"AWS": "123456789012"}}), false);
        check(serde_json::json!({"Effect": "Allow", "Principal": "*", "Condition": {}}), false);
    }
}
