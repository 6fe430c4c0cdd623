//! The list of multipart uploads under way: by key, then in the order in which they began.

use standin_core::OperationError;
use standin_model::{Document, Fields};

use crate::acl;
use crate::input::{Input, Put as _, number};
use crate::list::{Asked, Cursor, add_groups};
use crate::multipart::Upload;
use crate::rows::{self, Of};
use crate::storage::Account;

impl Account {
    pub(crate) async fn list_uploads(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let asked = Asked::of(input, "MaxUploads")?;
        let (key_marker, upload_marker) = (input.text("KeyMarker"), input.text("UploadIdMarker"));
        let marker = key_marker.filter(|marker| !marker.is_empty());
        let after = match (marker, upload_marker.filter(|marker| !marker.is_empty())) {
            (Some(key), Some(upload)) => Some(rows::upload_row(key, upload)),
            (Some(key), None) if asked.group(key) == Some(key) => Some(asked.after(key)),
            // Behind all uploads of the key.
            (Some(key), None) => Some(format!("{}~", rows::row_prefix(key))),
            (None, _) => None,
        };
        let mut cursor = Cursor::new(self, self.table(Of::Uploads, &bucket.name), asked.prefix, after);
        let (mut uploads, mut groups) = (Vec::new(), Vec::new());
        let mut last: Option<(String, String)> = None;
        let mut more = false;
        while let Some(row) = cursor.peek().await? {
            let key = rows::unescape(rows::split_row(&row.key).0);
            let group = asked.group(&key).map(str::to_owned);
            if group.is_some() && group.as_deref() == marker {
                cursor.skip(&rows::escape(&group.unwrap_or_default()));
                continue;
            }
            if uploads.len() + groups.len() >= asked.max {
                more = true;
                break;
            }
            if let Some(group) = group {
                cursor.skip(&rows::escape(&group));
                last = Some((group.clone(), String::new()));
                groups.push(group);
                continue;
            }
            let upload = Upload::from_row(row);
            cursor.take();
            last = Some((key.clone(), upload.id.clone()));
            uploads.push(self.item(key, &upload));
        }
        let mut output = Fields::new();
        output.push("Bucket", bucket.name);
        output.push("KeyMarker", key_marker.unwrap_or_default().to_owned());
        output.push("UploadIdMarker", upload_marker.unwrap_or_default().to_owned());
        if more && let Some((key, upload)) = last {
            output.push("NextKeyMarker", key);
            output.push("NextUploadIdMarker", upload);
        }
        output.push("Prefix", asked.prefix.to_owned());
        output.put("Delimiter", asked.delimiter.map(str::to_owned));
        output.push("MaxUploads", number(asked.max));
        output.push("IsTruncated", more);
        output.put("EncodingType", input.text("EncodingType").map(str::to_owned));
        if !uploads.is_empty() {
            output.push("Uploads", uploads);
        }
        add_groups(groups, &mut output);
        Ok(output)
    }

    fn item(&self, key: String, upload: &Upload) -> Document {
        let mut item = Fields::new();
        item.push("UploadId", upload.id.clone());
        item.push("Key", key);
        item.push("Initiated", upload.initiated);
        item.push("StorageClass", upload.object.storage_class());
        item.push("Owner", acl::owner(&self.account));
        item.push("Initiator", acl::owner(&self.account));
        if let Some(asked) = upload.asked {
            item.push("ChecksumAlgorithm", asked.name());
            item.push("ChecksumType", upload.kind());
        }
        Document::Map(item)
    }
}
