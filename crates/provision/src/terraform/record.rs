//! What is known of a state beside its bytes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use standin_model::Document;

/// The body of a lock is never longer, in bytes: Terraform's own has a few hundred.
pub const LOCK_BYTES_MAX: usize = 16 * 1024;
/// What a state says of itself is kept so far, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// The longest id of a lock, in bytes.
const LOCK_ID_BYTES_MAX: usize = 256;

/// The row of a state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The number of the version that was written last; none is used twice.
    pub last: u64,
    /// The number of the version that is read; none where the state was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// The oldest first.
    pub versions: Vec<Version>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// One version of a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    pub number: u64,
    pub bytes: u64,
    /// In hexadecimal digits.
    pub md5: String,
    /// When it was written, in milliseconds since 1970.
    pub at_ms: i64,
    #[serde(flatten)]
    pub head: Head,
}

/// What a state says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename(serialize = "terraformVersion"),
        alias = "terraformVersion"
    )]
    pub terraform_version: Option<String>,
}

/// A lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    pub id: String,
    /// As the holder told it, as JSON: others are shown it.
    pub info: String,
    pub at_ms: i64,
    /// Where a run of standin's own took it: the id of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
}

impl Record {
    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The version that is read.
    pub fn present(&self) -> Option<&Version> {
        self.current.and_then(|number| self.version(number))
    }

    pub(super) fn read(document: &Document) -> Option<Self> {
        serde_json::from_value(document.to_json()).ok()
    }

    pub(super) fn write(&self) -> Option<Document> {
        serde_json::to_value(self).ok().map(|value| Document::from_json(&value))
    }
}

impl Head {
    /// What a state says of itself.
    ///
    /// # Errors
    /// Where the bytes are no JSON object.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err("a state is a JSON object".to_owned());
        }
        let wrong = |error| format!("the state is not one of Terraform: {error}");
        let mut head: Self = serde_json::from_slice(bytes).map_err(wrong)?;
        for text in [&mut head.lineage, &mut head.terraform_version].into_iter().flatten() {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        }
        Ok(head)
    }
}

impl Lock {
    /// Reads what a client asks to lock with: an object with an `ID`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn read(body: &[u8], deployment: Option<&str>, at_ms: i64) -> Result<Self, String> {
        let mut info = object(body)?;
        let id = id_of(&info).ok_or("a lock needs an `ID`, a text that is not empty")?;
        if let Some(deployment) = deployment {
            info["Info"] = format!("deployment {deployment} of Proton").into();
        }
        Ok(Self { id, info: info.to_string(), at_ms, deployment: deployment.map(str::to_owned) })
    }
}

/// The id in the body of an unlock; `None` where it names none, as `terraform force-unlock` does.
///
/// # Errors
/// Where the body is neither empty nor an object.
pub(super) fn unlocked(body: &[u8]) -> Result<Option<String>, String> {
    if body.trim_ascii().is_empty() || body.trim_ascii() == b"null" {
        return Ok(None);
    }
    let info = object(body)?;
    match info.get("ID") {
        None => Ok(None),
        Some(Value::String(id)) if id.is_empty() => Ok(None),
        Some(_) => id_of(&info).map(Some).ok_or_else(|| "the `ID` of a lock is a text".to_owned()),
    }
}

fn object(body: &[u8]) -> Result<Value, String> {
    if body.len() > LOCK_BYTES_MAX {
        return Err(format!("what tells of a lock has {LOCK_BYTES_MAX} bytes at most"));
    }
    match serde_json::from_slice(body) {
        Ok(info @ Value::Object(_)) => Ok(info),
        Ok(_) => Err("what tells of a lock is a JSON object".to_owned()),
        Err(error) => Err(format!("what tells of a lock is not JSON: {error}")),
    }
}

fn id_of(info: &Value) -> Option<String> {
    let id = info.get("ID")?.as_str()?;
    (!id.is_empty() && id.len() <= LOCK_ID_BYTES_MAX).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let head = Head { serial: Some(i64::MAX), lineage: Some("l".into()), terraform_version: Some("1.11.4".into()) };
        let version = Version { number: 7, bytes: 12, md5: "m".into(), at_ms: 5, head };
        let lock = Lock::read(br#"{"ID":"a","Big":18446744073709551615,"$x":1e300}"#, Some("d"), 9).expect("a lock");
        assert!(lock.info.contains("deployment d of Proton"), "{}", lock.info);
        let record = Record { last: 7, current: Some(7), versions: vec![version], lock: Some(lock) };
        assert_eq!(Record::read(&record.write().expect("written")), Some(record));
        let empty = Record::default();
        assert_eq!(Record::read(&empty.write().expect("written")), Some(empty));
    }

    #[test]
    fn states_tell_of_themselves() {
        let head =
            Head::read(br#"{"version":4,"terraform_version":"1.11.4","serial":3,"lineage":"x","resources":[{}]}"#);
        let expect = Head { serial: Some(3), lineage: Some("x".into()), terraform_version: Some("1.11.4".into()) };
        assert_eq!(head, Ok(expect));
        // Encrypted ones say less.
        assert_eq!(Head::read(br#" {"encrypted_data":"x"}"#), Ok(Head::default()));
        for no in ["", "[]", "null", "\"{}\"", "{", "{\"serial\":\"x\"}", "{} {}", "\u{feff}{}"] {
            assert!(Head::read(no.as_bytes()).is_err(), "{no}");
        }
        let long = format!("{{\"lineage\":\"{}\"}}", "ä".repeat(TEXT_BYTES_MAX));
        assert_eq!(
            Head::read(long.as_bytes()).map(|head| head.lineage.map(|text| text.len())),
            Ok(Some(TEXT_BYTES_MAX))
        );
    }

    #[test]
    fn locks_need_an_id() {
        for no in ["", "null", "[]", "{}", "{\"ID\":\"\"}", "{\"ID\":7}", "{\"ID\":null}", "{", "\"x\""] {
            assert!(Lock::read(no.as_bytes(), None, 0).is_err(), "{no}");
        }
        let long = format!("{{\"ID\":\"a\",\"Info\":\"{}\"}}", "x".repeat(LOCK_BYTES_MAX));
        assert!(Lock::read(long.as_bytes(), None, 0).is_err());
        let deep = format!("{{\"ID\":\"a\",\"Info\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
        assert!(Lock::read(deep.as_bytes(), None, 0).is_err());
    }

    #[test]
    fn unlocks_may_name_a_lock() {
        assert_eq!(unlocked(b""), Ok(None));
        assert_eq!(unlocked(b"null"), Ok(None));
        assert_eq!(unlocked(b"{}"), Ok(None));
        assert_eq!(unlocked(br#"{"ID":"a"}"#), Ok(Some("a".to_owned())));
        assert!(unlocked(br#"{"ID":7}"#).is_err());
        assert!(unlocked(b"[]").is_err());
        assert!(unlocked(b"x").is_err());
    }
}
