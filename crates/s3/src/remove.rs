//! Removing objects: one, or many at once.

use standin_core::OperationError;
use standin_model::{Document, Fields, Timestamp};

use crate::conditions::WriteConditions;
use crate::error::{malformed_xml, precondition_failed};
use crate::input::{Input, Put as _};
use crate::storage::Account;
use crate::versions::{Removal, Removed};

/// The most that one request removes.
const BATCH_MAX: usize = 1000;

impl Account {
    pub(crate) async fn delete_object(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let removal = Removal {
            key: input.name("Key"),
            version: input.text("VersionId"),
            bypass_governance: input.flag("BypassGovernanceRetention"),
            conditions: WriteConditions { if_match: input.text("IfMatch"), if_none_match: None },
        };
        let removed = self.remove(&bucket.name, removal).await?;
        let mut output = Fields::new();
        output.put("DeleteMarker", removed.marker.then_some(true));
        output.put("VersionId", removed.version);
        Ok(output)
    }

    pub(crate) async fn delete_objects(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let asked = input.structure("Delete").ok_or_else(malformed_xml)?;
        let objects = asked.list("Objects");
        if objects.is_empty() || objects.len() > BATCH_MAX {
            return Err(malformed_xml());
        }
        let bypass_governance = input.flag("BypassGovernanceRetention");
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in objects {
            let object = Input::new(object);
            let (key, version) = (object.name("Key"), object.text("VersionId").filter(|version| !version.is_empty()));
            match self.delete_one(&bucket.name, object, key, version, bypass_governance).await {
                Ok(removed) => deleted.push(told(key, version, removed)),
                Err(error) => {
                    let mut item = Fields::new();
                    item.push("Key", key.to_owned());
                    item.put("VersionId", version.map(str::to_owned));
                    item.push("Code", error.code.into_owned());
                    item.push("Message", error.message);
                    errors.push(Document::Map(item));
                }
            }
        }
        let mut output = Fields::new();
        if !asked.flag("Quiet") && !deleted.is_empty() {
            output.push("Deleted", deleted);
        }
        if !errors.is_empty() {
            output.push("Errors", errors);
        }
        Ok(output)
    }

    async fn delete_one(
        &self,
        bucket: &str,
        object: Input<'_>,
        key: &str,
        version: Option<&str>,
        bypass_governance: bool,
    ) -> Result<Removed, OperationError> {
        let (size, modified) = (object.int("Size"), object.time("LastModifiedTime"));
        if (size.is_some() || modified.is_some())
            && let Some(stored) = self.current(bucket, key).await?
        {
            let stored = stored.object;
            let seconds = |stamp: Timestamp| stamp.seconds;
            if size.is_some_and(|size| u64::try_from(size).ok() != Some(stored.size)) {
                return Err(precondition_failed("x-amz-if-match-size"));
            }
            if modified.is_some_and(|modified| seconds(modified) != seconds(stored.modified)) {
                return Err(precondition_failed("x-amz-if-match-last-modified-time"));
            }
        }
        let conditions = WriteConditions { if_match: object.text("ETag"), if_none_match: None };
        self.remove(bucket, Removal { key, version, bypass_governance, conditions }).await
    }
}

/// What was removed, as the answer tells it.
fn told(key: &str, version: Option<&str>, removed: Removed) -> Document {
    let mut item = Fields::new();
    item.push("Key", key.to_owned());
    item.put("VersionId", version.map(str::to_owned));
    if removed.marker {
        item.push("DeleteMarker", true);
        item.put("DeleteMarkerVersionId", removed.version);
    }
    Document::Map(item)
}
