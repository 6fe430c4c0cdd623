//! Buckets: their names, their rows, and the operations on them as a whole.

use standin_core::{CallContext, OperationError};
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, Row, Scan};

use crate::error::{Fail, invalid_argument, no_such_bucket, refused, until_settled};
use crate::input::{Input, Put as _};
use crate::rows::{self, Of};
use crate::storage::Account;
use crate::{acl, settings, token};

/// Buckets on a page, where the caller does not say; also the most.
const LIST_MAX: usize = 10_000;
/// Rows of settings that a bucket can have are few but for configurations with ids, of which AWS allows 1000 a kind.
const SETTINGS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Versioning {
    /// Never was on.
    #[default]
    Off,
    Enabled,
    Suspended,
}

impl Versioning {
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Enabled => Some("Enabled"),
            Self::Suspended => Some("Suspended"),
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Suspended].into_iter().find(|versioning| versioning.name() == Some(name))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) created: Timestamp,
    pub(crate) versioning: Versioning,
    /// Object lock is on; it cannot be taken off.
    pub(crate) lock: bool,
    /// Is being deleted: nothing may be added.
    closing: bool,
    /// Of its row.
    pub(crate) revision: u64,
}

impl Bucket {
    pub(crate) fn from_row(row: &Row) -> Self {
        let body = Input::new(&row.body);
        Self {
            name: row.key.to_string(),
            region: body.name("Region").to_owned(),
            created: body.time("Created").unwrap_or_default(),
            versioning: body.text("Versioning").and_then(Versioning::parse).unwrap_or_default(),
            lock: body.flag("Lock"),
            closing: body.flag("Closing"),
            revision: row.version,
        }
    }

    /// The row of a bucket that was being deleted, as if it were not.
    pub(crate) fn reopened(self) -> Option<Document> {
        self.closing.then(|| Self { closing: false, ..self }.to_document())
    }

    fn to_document(&self) -> Document {
        let mut row = Fields::new();
        row.push("Region", self.region.clone());
        row.push("Created", self.created);
        row.put("Versioning", self.versioning.name());
        for (name, set) in [("Lock", self.lock), ("Closing", self.closing)] {
            row.put(name, set.then_some(true));
        }
        Document::Map(row)
    }
}

/// Whether a bucket may be called so. Source: "General purpose bucket naming rules", S3 User Guide.
fn is_bucket_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let prefixes = ["xn--", "sthree-", "amzn-s3-demo-"];
    let suffixes = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    (3..=63).contains(&name.len())
        && name.bytes().all(good)
        && ends(name.as_bytes().first())
        && ends(name.as_bytes().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !prefixes.iter().any(|prefix| name.starts_with(prefix))
        && !suffixes.iter().any(|suffix| name.ends_with(suffix))
}

impl Account {
    /// A bucket of this account.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) async fn bucket(&self, name: &str) -> Result<Bucket, OperationError> {
        let row = self.store().get(&rows::buckets(&self.space), name).await.map_err(OperationError::internal)?;
        match row.as_ref().map(Bucket::from_row) {
            Some(bucket) if !bucket.closing => Ok(bucket),
            _ => Err(no_such_bucket(name)),
        }
    }

    /// The bucket that an input names; its owner is checked where the caller expects one.
    pub(crate) async fn bucket_of(&self, input: Input<'_>) -> Result<Bucket, OperationError> {
        let expected = input.text("ExpectedBucketOwner");
        if expected.is_some_and(|owner| *owner != *self.account) {
            return Err(crate::error::access_denied("Access Denied"));
        }
        self.bucket(input.name("Bucket")).await
    }

    /// Changes a bucket's row, and whatever else belongs to that change.
    pub(crate) async fn change_bucket(
        &self,
        name: &str,
        change: impl Fn(&mut Bucket, &mut Batch) -> Result<(), OperationError>,
    ) -> Result<(), OperationError> {
        until_settled!(self.try_change_bucket(name, &change))
    }

    async fn try_change_bucket(
        &self,
        name: &str,
        change: &impl Fn(&mut Bucket, &mut Batch) -> Result<(), OperationError>,
    ) -> Result<(), Fail> {
        let mut bucket = self.bucket(name).await?;
        let table = rows::buckets(&self.space);
        let mut batch = Batch::default();
        batch.check(&table, name, Some(bucket.revision));
        change(&mut bucket, &mut batch)?;
        batch.put(&table, name, bucket.to_document(), []);
        self.store().commit(batch).await?;
        Ok(())
    }

    pub(crate) async fn create_bucket(&self, call: &CallContext, input: Input<'_>) -> Result<Fields, OperationError> {
        let name = input.name("Bucket");
        if !is_bucket_name(name) {
            return Err(refused("InvalidBucketName", 400, "The specified bucket is not valid.")
                .with_member("BucketName", name.to_owned()));
        }
        let configuration = input.structure("CreateBucketConfiguration");
        let constraint = configuration.and_then(|configuration| configuration.text("LocationConstraint"));
        let region = region_of(&call.region, constraint.filter(|constraint| !constraint.is_empty()))?;
        let lock = input.flag("ObjectLockEnabledForBucket");
        let bucket = Bucket {
            name: name.to_owned(),
            region: region.to_owned(),
            created: self.now,
            versioning: if lock { Versioning::Enabled } else { Versioning::Off },
            lock,
            closing: false,
            revision: 0,
        };
        let initial = settings::initial(self, input, lock)?;
        until_settled!(self.try_create_bucket(call, &bucket, &initial))?;
        let mut output = Fields::new();
        let location =
            if *call.region == *"us-east-1" { format!("/{name}") } else { format!("{}/{name}/", call.base_url) };
        output.push("Location", location);
        output.push("BucketArn", format!("arn:{}:s3:::{name}", call.partition));
        Ok(output)
    }

    async fn try_create_bucket(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        initial: &[(&'static str, Document)],
    ) -> Result<(), Fail> {
        let table = rows::buckets(&self.space);
        let there = self.store().get(&table, &bucket.name).await?;
        if let Some(row) = &there
            && !Bucket::from_row(row).closing
        {
            // In the first region, creating what one has is no error.
            if *call.region == *"us-east-1"
                && bucket.region == "us-east-1"
                && Bucket::from_row(row).region == "us-east-1"
            {
                return Ok(());
            }
            let message = "Your previous request to create the named bucket succeeded and you already own it.";
            let error = refused("BucketAlreadyOwnedByYou", 409, message);
            return Err(error.with_member("BucketName", bucket.name.clone()).into());
        }
        let mut batch = Batch::default();
        batch.check(&table, &*bucket.name, there.map(|row| row.version));
        batch.put(&table, &*bucket.name, bucket.to_document(), []);
        let settings = self.table(Of::Settings, &bucket.name);
        for (name, document) in initial {
            batch.put(&settings, *name, document.clone(), []);
        }
        self.store().commit(batch).await?;
        Ok(())
    }

    pub(crate) async fn delete_bucket(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let name = self.bucket_of(input).await?.name;
        // From here on nothing is added: whoever reads the row finds no bucket, and whoever read it before conflicts.
        self.change_bucket(&name, |bucket, _| {
            bucket.closing = true;
            Ok(())
        })
        .await?;
        let table = rows::buckets(&self.space);
        let emptied = self.is_empty(&name).await;
        let row = self.store().get(&table, &name).await.map_err(OperationError::internal)?;
        let Some(row) = row else { return Ok(Fields::new()) };
        let mut batch = Batch::default();
        batch.check(&table, &*name, Some(row.version));
        let mut blobs = Vec::new();
        if matches!(emptied, Ok(true)) {
            batch.delete(&table, &*name);
            for of in [Of::Settings, Of::Uploads, Of::Parts] {
                let table = self.table(of, &name);
                let scan = Scan { prefix: "", after: None, limit: SETTINGS_MAX };
                for row in self.store().scan(&table, scan).await.map_err(OperationError::internal)? {
                    if of == Of::Parts {
                        blobs.push(crate::object::Part::from_document(&row.body).blob);
                    }
                    batch.delete(&table, row.key);
                }
            }
        } else {
            batch.put(&table, &*name, Bucket { closing: false, ..Bucket::from_row(&row) }.to_document(), []);
        }
        self.store().commit(batch).await.map_err(|error| OperationError::from(Fail::from(error)))?;
        self.free(blobs).await;
        if emptied? {
            return Ok(Fields::new());
        }
        let message = "The bucket you tried to delete is not empty. You must delete all versions in the bucket.";
        Err(refused("BucketNotEmpty", 409, message).with_member("BucketName", name))
    }

    async fn is_empty(&self, bucket: &str) -> Result<bool, OperationError> {
        for of in [Of::Objects, Of::Versions] {
            let scan = Scan { prefix: "", after: None, limit: 1 };
            let page = self.store().scan(&self.table(of, bucket), scan).await.map_err(OperationError::internal)?;
            if !page.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn list_buckets(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let prefix = input.text("Prefix").unwrap_or_default();
        let region = input.text("BucketRegion");
        let limit = match input.int("MaxBuckets") {
            None => LIST_MAX,
            Some(limit @ 1..=10_000) => limit as usize,
            Some(limit) => {
                let message = "MaxBuckets must be between 1 and 10000";
                return Err(invalid_argument("max-buckets", limit.to_string(), message));
            }
        };
        let binding = ["ListBuckets", prefix, region.unwrap_or_default()];
        let mut after = input.text("ContinuationToken").map(|text| token::read(&binding, text)).transpose()?;
        let mut found: Vec<Bucket> = Vec::new();
        let table = rows::buckets(&self.space);
        while found.len() <= limit {
            let wanted = limit + 1 - found.len();
            let scan = Scan { prefix, after: after.as_deref(), limit: wanted };
            let page = self.store().scan(&table, scan).await.map_err(OperationError::internal)?;
            let more = page.len() == wanted;
            after = page.last().map(|row| row.key.to_string());
            let fits = |bucket: &Bucket| !bucket.closing && region.is_none_or(|region| region == bucket.region);
            found.extend(page.iter().map(Bucket::from_row).filter(fits));
            if !more {
                break;
            }
        }
        let mut output = Fields::new();
        if found.len() > limit {
            found.truncate(limit);
            let last = found.last().map(|bucket| token::write(&binding, &bucket.name));
            output.put("ContinuationToken", last);
        }
        let paginated = input.get("MaxBuckets").is_some() || region.is_some();
        let buckets = found.into_iter().map(|bucket| {
            let mut item = Fields::new();
            item.push("Name", bucket.name);
            item.push("CreationDate", bucket.created);
            item.put("BucketRegion", paginated.then_some(bucket.region));
            Document::Map(item)
        });
        output.push("Buckets", buckets.collect::<Vec<_>>());
        output.push("Owner", acl::owner(&self.account));
        output.put("Prefix", input.text("Prefix").map(str::to_owned));
        Ok(output)
    }

    pub(crate) async fn head_bucket(&self, call: &CallContext, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let mut output = Fields::new();
        output.push("BucketArn", format!("arn:{}:s3:::{}", call.partition, bucket.name));
        output.push("BucketRegion", bucket.region);
        output.push("AccessPointAlias", false);
        Ok(output)
    }

    pub(crate) async fn bucket_location(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let region = self.bucket_of(input).await?.region;
        let mut output = Fields::new();
        // The first region has no name here.
        output.put("LocationConstraint", (region != "us-east-1").then_some(region));
        Ok(output)
    }

    pub(crate) async fn put_versioning(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let name = self.bucket_of(input).await?.name;
        let asked = input.structure("VersioningConfiguration").and_then(|asked| asked.text("Status"));
        // A configuration without status changes nothing.
        let Some(status) = asked else { return Ok(Fields::new()) };
        let Some(versioning) = Versioning::parse(status) else { return Err(crate::error::malformed_xml()) };
        self.change_bucket(&name, |bucket, _| {
            if bucket.lock && versioning == Versioning::Suspended {
                let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
                return Err(refused("InvalidBucketState", 409, message));
            }
            bucket.versioning = versioning;
            Ok(())
        })
        .await?;
        Ok(Fields::new())
    }

    pub(crate) async fn versioning(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let mut output = Fields::new();
        output.put("Status", self.bucket_of(input).await?.versioning.name());
        Ok(output)
    }
}

/// The region of a bucket from the region of the request and its location constraint.
fn region_of<'r>(region: &'r str, constraint: Option<&'r str>) -> Result<&'r str, OperationError> {
    let illegal = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        refused("IllegalLocationConstraintException", 400, message)
    };
    match constraint {
        None if region == "us-east-1" => Ok(region),
        None => Err(illegal("unspecified")),
        Some("us-east-1") => {
            let error = refused("InvalidLocationConstraint", 400, "The specified location-constraint is not valid");
            Err(error.with_member("LocationConstraint", "us-east-1"))
        }
        Some("EU") if matches!(region, "us-east-1" | "eu-west-1") => Ok("eu-west-1"),
        Some(constraint) if constraint == region || region == "us-east-1" => Ok(constraint),
        Some(constraint) => Err(illegal(constraint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for good in ["abc", "my-bucket.1", "0ab", &"a".repeat(63)] {
            assert!(is_bucket_name(good), "{good}");
        }
        let bad =
            ["", "ab", "Abc", "a_b", "-ab", "ab-", "a..b", "1.2.3.4", "xn--abc", "abc-s3alias", "ab/c", "é-bucket"];
        for bad in bad.into_iter().chain([&*"a".repeat(64)]) {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }

    #[test]
    fn regions_follow_from_request_and_constraint() {
        let check = |region, constraint, expect: Result<&str, &str>| {
            let found = region_of(region, constraint);
            assert_eq!(
                found.as_ref().map(|region| *region).map_err(|error| &*error.code),
                expect,
                "{region} {constraint:?}"
            );
        };
        check("us-east-1", None, Ok("us-east-1"));
        check("us-east-1", Some("eu-west-1"), Ok("eu-west-1"));
        check("us-east-1", Some("us-east-1"), Err("InvalidLocationConstraint"));
        check("eu-west-1", None, Err("IllegalLocationConstraintException"));
        check("eu-west-1", Some("eu-west-1"), Ok("eu-west-1"));
        check("eu-west-1", Some("EU"), Ok("eu-west-1"));
        check("eu-west-1", Some("us-west-2"), Err("IllegalLocationConstraintException"));
    }
}
