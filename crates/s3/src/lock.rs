//! Object lock: legal holds and retention, stored with versions and in the way of their removal.

use standin_core::OperationError;
use standin_model::{Document, Fields, Timestamp};

use crate::bucket::Bucket;
use crate::error::{access_denied, invalid_argument, invalid_request, malformed_xml, refused};
use crate::input::Input;
use crate::object::Object;
use crate::storage::Account;

const MODE: &str = "ObjectLockMode";
const UNTIL: &str = "ObjectLockRetainUntilDate";
const HOLD: &str = "ObjectLockLegalHoldStatus";
const DAY_SECONDS: i64 = 86_400;

fn until(object: &Object) -> Option<Timestamp> {
    match object.headers.get(UNTIL) {
        Some(Document::Timestamp(stamp)) => Some(*stamp),
        _ => None,
    }
}

/// Whether a version may be removed.
///
/// # Errors
/// `AccessDenied` while it is held or retained.
pub(crate) fn allow_removal(object: &Object, now: Timestamp, bypass_governance: bool) -> Result<(), OperationError> {
    let denied = || access_denied("Access Denied because object protected by object lock.");
    if object.header(HOLD) == Some("ON") {
        return Err(denied());
    }
    let retained = until(object).is_some_and(|until| until > now);
    match object.header(MODE) {
        Some("GOVERNANCE") if retained && !bypass_governance => Err(denied()),
        Some("COMPLIANCE") if retained => Err(denied()),
        _ => Ok(()),
    }
}

/// Checks what an input says of a new version's lock.
fn check_new(bucket: &Bucket, input: Input<'_>, now: Timestamp) -> Result<bool, OperationError> {
    let asked = [MODE, UNTIL, HOLD].into_iter().any(|member| input.get(member).is_some());
    if asked && !bucket.lock {
        return Err(invalid_request("Bucket is missing Object Lock Configuration"));
    }
    match (input.text(MODE), input.time(UNTIL)) {
        (None, None) => Ok(input.get(HOLD).is_some()),
        (Some(_), Some(until)) if until <= now => {
            let message = "The retain until date must be in the future!";
            Err(invalid_argument("x-amz-object-lock-retain-until-date", until.to_date_time(), message))
        }
        (Some(_), Some(_)) => Ok(true),
        _ => {
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            Err(refused("InvalidArgument", 400, message))
        }
    }
}

impl Account {
    /// Adds the lock of a new version: the one that is asked for, else the bucket's default.
    pub(crate) async fn lock_new(
        &self,
        bucket: &Bucket,
        input: Input<'_>,
        headers: &mut Fields,
    ) -> Result<(), OperationError> {
        if check_new(bucket, input, self.now)? {
            for member in [MODE, UNTIL, HOLD] {
                if let Some(value) = input.get(member) {
                    headers.push(member, value.clone());
                }
            }
        }
        if !bucket.lock || headers.contains_key(MODE) {
            return Ok(());
        }
        let configuration = self.setting(&bucket.name, "object-lock").await?;
        let default = configuration
            .as_ref()
            .and_then(|configuration| Input::new(configuration).structure("Rule"))
            .and_then(|rule| rule.structure("DefaultRetention"));
        if let Some(default) = default
            && let Some(mode) = default.text("Mode")
        {
            let days = default.int("Days").or(default.int("Years").map(|years| years.saturating_mul(365)));
            let seconds = days.unwrap_or_default().saturating_mul(DAY_SECONDS);
            headers.push(MODE, mode.to_owned());
            headers.push(UNTIL, self.now.plus_seconds(seconds));
        }
        Ok(())
    }

    async fn locked_bucket(&self, input: Input<'_>) -> Result<Bucket, OperationError> {
        let bucket = self.bucket_of(input).await?;
        if !bucket.lock {
            return Err(invalid_request("Bucket is missing Object Lock Configuration"));
        }
        Ok(bucket)
    }

    pub(crate) async fn put_legal_hold(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.locked_bucket(input).await?;
        let status = input.structure("LegalHold").and_then(|hold| hold.text("Status")).ok_or_else(malformed_xml)?;
        self.change_object(&bucket.name, input.name("Key"), input.text("VersionId"), |object| {
            object.headers.insert(HOLD, status.to_owned());
            Ok(())
        })
        .await?;
        Ok(Fields::new())
    }

    pub(crate) async fn legal_hold(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.locked_bucket(input).await?;
        let stored = self.object(&bucket.name, input.name("Key"), input.text("VersionId")).await?;
        let status = stored.object.header(HOLD).ok_or_else(no_lock)?.to_owned();
        let hold = Fields::from_iter([("Status".into(), Document::from(status))]);
        Ok(Fields::from_iter([("LegalHold".into(), Document::Map(hold))]))
    }

    pub(crate) async fn put_retention(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.locked_bucket(input).await?;
        let retention = input.structure("Retention").ok_or_else(malformed_xml)?;
        let (mode, date) = (retention.text("Mode"), retention.time("RetainUntilDate"));
        if mode.is_some() != date.is_some() {
            return Err(malformed_xml());
        }
        if date.is_some_and(|date| date <= self.now) {
            let message = "The retain until date must be in the future!";
            return Err(refused("InvalidArgument", 400, message));
        }
        let bypass = input.flag("BypassGovernanceRetention");
        self.change_object(&bucket.name, input.name("Key"), input.text("VersionId"), |object| {
            let longer = date.is_some_and(|date| until(object).is_none_or(|until| date >= until));
            let harder = mode == object.header(MODE) || mode == Some("COMPLIANCE");
            if !(longer && harder) {
                let unheld = Object {
                    headers: object
                        .headers
                        .iter()
                        .filter(|(name, _)| *name != HOLD)
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect(),
                    ..Object::default()
                };
                allow_removal(&unheld, self.now, bypass)?;
            }
            object.headers.remove(MODE);
            object.headers.remove(UNTIL);
            if let (Some(mode), Some(date)) = (mode, date) {
                object.headers.push(MODE, mode.to_owned());
                object.headers.push(UNTIL, date);
            }
            Ok(())
        })
        .await?;
        Ok(Fields::new())
    }

    pub(crate) async fn retention(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.locked_bucket(input).await?;
        let stored = self.object(&bucket.name, input.name("Key"), input.text("VersionId")).await?;
        let (Some(mode), Some(date)) = (stored.object.header(MODE), until(&stored.object)) else {
            return Err(no_lock());
        };
        let mut retention = Fields::new();
        retention.push("Mode", mode.to_owned());
        retention.push("RetainUntilDate", date);
        Ok(Fields::from_iter([("Retention".into(), Document::Map(retention))]))
    }
}

fn no_lock() -> OperationError {
    let message = "The specified object does not have a ObjectLock configuration";
    refused("NoSuchObjectLockConfiguration", 404, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mode: Option<&'static str>, until: i64, hold: Option<&'static str>, bypass: bool, allowed: bool) {
        let mut object = Object::default();
        if let Some(mode) = mode {
            object.headers.push(MODE, mode);
            object.headers.push(UNTIL, Timestamp::from_seconds(until));
        }
        if let Some(hold) = hold {
            object.headers.push(HOLD, hold);
        }
        let outcome = allow_removal(&object, Timestamp::from_seconds(100), bypass);
        assert_eq!(outcome.is_ok(), allowed, "{mode:?} {until} {hold:?} {bypass}");
    }

    #[test]
    fn locks_stand_in_the_way_of_removal() {
        check(None, 0, None, false, true);
        check(Some("GOVERNANCE"), 101, None, false, false);
        check(Some("GOVERNANCE"), 101, None, true, true);
        check(Some("GOVERNANCE"), 99, None, false, true);
        check(Some("COMPLIANCE"), 101, None, true, false);
        check(Some("COMPLIANCE"), 99, None, true, true);
        check(None, 0, Some("ON"), true, false);
        check(None, 0, Some("OFF"), false, true);
    }
}
