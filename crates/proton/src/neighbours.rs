//! The service that Proton itself is a caller of: S3 for bundles, through its handler.

use standin_core::{BoxFuture, Caller, Place};
use standin_model::{Fields, Timestamp};

use crate::archive::ARCHIVE_BYTES_MAX;
use crate::engine::provision::BundleSource;

/// What other services do for Proton, as the account that something happens in.
pub struct Neighbours {
    caller: Caller,
}

impl Neighbours {
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }
}

impl BundleSource for Neighbours {
    fn fetch<'a>(
        &'a self,
        account: &'a str,
        region: &'a str,
        bucket: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let mut input = Fields::new();
            input.push("Bucket", bucket.to_owned());
            input.push("Key", key.to_owned());
            let nonce = format!("{bucket}/{key}");
            // An archive of more bytes is refused for its size; the rest does not matter.
            let payload = ("Body", ARCHIVE_BYTES_MAX + 1);
            let place = Place {
                partition: "aws".into(),
                account: account.into(),
                region: region.into(),
                access_key: None,
                now,
            };
            let bytes = self.caller.payload(&place, ("s3", "GetObject"), input, &nonce, payload).await;
            bytes.map_err(|error| error.message)
        })
    }
}
