//! Access control lists: whose they are, canned ones, and the headers that spell them out. Stored, not enforced.

use standin_core::{Dice, OperationError};
use standin_model::{Document, Fields, Str};

use crate::error::{invalid_argument, malformed_xml, refused};
use crate::input::Input;
use crate::storage::Account;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// Canned ACLs: what they grant to groups beside the owner's full control.
/// `aws-exec-read` grants to a user of EC2 that does not exist here. Source: "Canned ACL", S3 User Guide.
const CANNED: &[(&str, &[(&str, Str)])] = &[
    ("private", &[]),
    ("public-read", &[(ALL_USERS, "READ")]),
    ("public-read-write", &[(ALL_USERS, "READ"), (ALL_USERS, "WRITE")]),
    ("authenticated-read", &[(AUTHENTICATED_USERS, "READ")]),
    ("aws-exec-read", &[]),
    ("bucket-owner-read", &[]),
    ("bucket-owner-full-control", &[]),
    ("log-delivery-write", &[(LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")]),
];

/// Members of inputs that grant something.
const GRANTS: &[(&str, Str)] = &[
    ("GrantFullControl", "FULL_CONTROL"),
    ("GrantRead", "READ"),
    ("GrantReadACP", "READ_ACP"),
    ("GrantWrite", "WRITE"),
    ("GrantWriteACP", "WRITE_ACP"),
];

/// The canonical user id of an account: 64 hexadecimal digits, always the same.
pub(crate) fn canonical_id(account: &str) -> String {
    let mut draw = Dice::new(0).key("canonical user").text(account).draw();
    (0..4).map(|_| format!("{:016x}", draw.next_u64())).collect()
}

pub(crate) fn owner(account: &str) -> Document {
    let mut owner = Fields::new();
    owner.push("ID", canonical_id(account));
    Document::Map(owner)
}

fn grant(grantee: Fields, permission: Str) -> Document {
    let mut grant = Fields::new();
    grant.push("Grantee", grantee);
    grant.push("Permission", permission);
    Document::Map(grant)
}

fn user(id: &str) -> Fields {
    let mut grantee = Fields::new();
    grantee.push("ID", id.to_owned());
    grantee.push("Type", "CanonicalUser");
    grantee
}

fn group(uri: &str) -> Fields {
    let mut grantee = Fields::new();
    grantee.push("Type", "Group");
    grantee.push("URI", uri.to_owned());
    grantee
}

fn policy(account: &str, grants: Vec<Document>) -> Document {
    let mut policy = Fields::new();
    policy.push("Owner", owner(account));
    policy.push("Grants", grants);
    Document::Map(policy)
}

/// The ACL of what nobody gave one.
pub(crate) fn default(account: &str) -> Document {
    policy(account, vec![grant(user(&canonical_id(account)), "FULL_CONTROL")])
}

/// The ACL that an input asks for, by a canned name, by headers or in its body; `None` where it asks for none.
///
/// # Errors
/// Where it asks in several ways, or for what there is not.
pub(crate) fn asked(account: &str, input: Input<'_>) -> Result<Option<Document>, OperationError> {
    let canned = input.text("ACL");
    let spelled = GRANTS.iter().any(|(member, _)| input.get(member).is_some());
    let body = input.structure("AccessControlPolicy");
    if canned.is_some() && spelled {
        let message = "Specifying both Canned ACLs and Header Grants is not allowed";
        return Err(refused("InvalidRequest", 400, message));
    }
    if body.is_some() && (canned.is_some() || spelled) {
        return Err(refused("UnexpectedContent", 400, "This request does not support content"));
    }
    if let Some(name) = canned {
        let groups = CANNED.iter().find(|(canned, _)| *canned == name);
        let (_, groups) = groups.ok_or_else(|| invalid_argument("x-amz-acl", name, ""))?;
        let mine = grant(user(&canonical_id(account)), "FULL_CONTROL");
        let others = groups.iter().map(|(uri, permission)| grant(group(uri), permission));
        return Ok(Some(policy(account, std::iter::once(mine).chain(others).collect())));
    }
    if spelled {
        let mut grants = Vec::new();
        for (member, permission) in GRANTS {
            for grantee in input.text(member).into_iter().flat_map(|text| text.split(',')) {
                grants.push(grant(read_grantee(grantee)?, permission));
            }
        }
        return Ok(Some(policy(account, grants)));
    }
    let Some(body) = body else { return Ok(None) };
    if body.structure("Owner").and_then(|owner| owner.text("ID")).is_none() {
        return Err(malformed_xml());
    }
    Ok(Some(policy(account, body.list("Grants").to_vec())))
}

/// `id="…"`, `uri="…"` or `emailAddress="…"`.
fn read_grantee(text: &str) -> Result<Fields, OperationError> {
    let (kind, value) = text.trim().split_once('=').unwrap_or((text, ""));
    let value = value.trim_matches('"');
    match kind.to_ascii_lowercase().as_str() {
        "id" => Ok(user(value)),
        "uri" => Ok(group(value)),
        // AWS looks the account up; here nobody has a mail address.
        "emailaddress" => Ok(user(&canonical_id(value))),
        _ => Err(invalid_argument("x-amz-grant", text.trim(), "Argument format not recognized")),
    }
}

/// Whether an ACL grants nothing but the owner's full control: allowed also where ACLs are off.
fn is_owners_alone(account: &str, acl: &Document) -> bool {
    acl.get("Grants") == default(account).get("Grants")
}

impl Account {
    /// Checks an ACL against the bucket's object ownership.
    ///
    /// # Errors
    /// `AccessControlListNotSupported`.
    pub(crate) async fn allow_acl(&self, bucket: &str, acl: &Document) -> Result<(), OperationError> {
        let controls = self.setting(bucket, "ownership").await?;
        let rules = controls.as_ref().map(|controls| Input::new(controls).list("Rules")).unwrap_or_default();
        let enforced = rules.iter().any(|rule| Input::new(rule).text("ObjectOwnership") == Some("BucketOwnerEnforced"));
        if enforced && !is_owners_alone(&self.account, acl) {
            return Err(refused("AccessControlListNotSupported", 400, "The bucket does not allow ACLs"));
        }
        Ok(())
    }

    pub(crate) async fn put_bucket_acl(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let acl = asked(&self.account, input)?.ok_or_else(missing_acl)?;
        self.allow_acl(&bucket.name, &acl).await?;
        self.store_setting(&bucket.name, "acl", acl).await?;
        Ok(Fields::new())
    }

    pub(crate) async fn bucket_acl(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let acl = self.setting(&bucket.name, "acl").await?;
        Ok(acl.unwrap_or_else(|| default(&self.account)).as_map().cloned().unwrap_or_default())
    }
}

pub(crate) fn missing_acl() -> OperationError {
    refused("MissingSecurityHeader", 400, "Your request was missing a required header")
        .with_member("MissingHeaderName", "x-amz-acl")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &serde_json::Value, expect: Result<usize, &str>) {
        let document = Document::from_json(input);
        let found = asked("000000000000", Input::new(&document));
        let grants = found.as_ref().map(|acl| acl.as_ref().map_or(0, |acl| Input::new(acl).list("Grants").len()));
        assert_eq!(grants.map_err(|error| &*error.code), expect, "{input}");
    }

    #[test]
    fn acls_are_asked_for_in_three_ways() {
        use serde_json::json;
        check(&json!({}), Ok(0));
        check(&json!({"ACL": "private"}), Ok(1));
        check(&json!({"ACL": "public-read-write"}), Ok(3));
        check(&json!({"ACL": "no-such"}), Err("InvalidArgument"));
        check(&json!({"GrantRead": "id=\"a\", uri=\"b\"", "GrantWriteACP": "emailAddress=x@y"}), Ok(3));
        check(&json!({"GrantRead": "a"}), Err("InvalidArgument"));
        check(&json!({"ACL": "private", "GrantRead": "id=a"}), Err("InvalidRequest"));
        check(&json!({"AccessControlPolicy": {"Grants": [{}]}}), Err("MalformedXML"));
        check(&json!({"AccessControlPolicy": {"Owner": {"ID": "x"}, "Grants": [{}, {}]}}), Ok(2));
    }

    #[test]
    fn the_owners_own_acl_is_always_allowed() {
        let document = Document::from_json(&serde_json::json!({"ACL": "bucket-owner-full-control"}));
        let acl = asked("000000000000", Input::new(&document)).expect("known").expect("asked for");
        assert!(is_owners_alone("000000000000", &acl));
        assert!(!is_owners_alone("000000000001", &acl));
        assert_eq!(canonical_id("000000000000").len(), 64);
    }
}
