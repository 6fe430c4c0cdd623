//! The address of a Terraform state: whose it is, where, and what it is called.

use std::fmt;

use standin_store::{Space, Table};

/// The longest name of a state, in bytes.
pub const KEY_BYTES_MAX: usize = 512;
/// The rows of states lie beside Proton's own: what resets or saves an account does so with its states.
const SERVICE: &str = "proton";

/// Names one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// 12 digits.
    pub account: String,
    pub region: String,
    /// Segments with slashes between them: `environment/prod`.
    pub key: String,
}

impl Address {
    /// Reads the segments of a path: account, region, then the name.
    ///
    /// # Errors
    /// A sentence that says what an address looks like.
    pub fn parse(segments: &[&str]) -> Result<Self, String> {
        let [account, region, key @ ..] = segments else {
            return Err("an address of a state is ACCOUNT/REGION/KEY".to_owned());
        };
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("`{}` is not an account: 12 digits", account.escape_default()));
        }
        let of_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || region.len() > 32 || !region.bytes().all(of_region) {
            return Err(format!("`{}` is not a region", region.escape_default()));
        }
        let key = key.join("/");
        if key.len() > KEY_BYTES_MAX {
            return Err(format!("the name of a state has {KEY_BYTES_MAX} bytes at most"));
        }
        if !key.split('/').all(is_segment) {
            return Err(format!(
                "`{}` is not the name of a state: letters, digits and . _ - + = @ in segments between slashes, none of them empty, . or ..",
                key.escape_default()
            ));
        }
        Ok(Self { account: (*account).to_owned(), region: (*region).to_owned(), key })
    }

    pub(super) fn space(&self) -> Space {
        Space::new(&self.account, &self.region, SERVICE)
    }

    /// What is known of each state, by its name.
    pub(super) fn records(&self) -> Table {
        records(&self.space())
    }

    /// The bytes of all versions.
    pub(super) fn pieces(&self) -> Table {
        self.space().table("terraform-pieces")
    }

    /// The key of a piece. Names have no colon, so no name is the beginning of another's pieces.
    pub(super) fn piece(&self, version: u64, number: usize) -> String {
        format!("{}:{version:012}:{number:05}", self.key)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, region, key } = self;
        write!(f, "{account}/{region}/{key}")
    }
}

/// The table of records of a space.
pub(super) fn records(space: &Space) -> Table {
    space.table(RECORDS)
}

/// The name of that table.
pub(super) const RECORDS: &str = "terraform-states";

pub(super) fn service() -> String {
    SERVICE.to_owned()
}

fn is_segment(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+=@".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Result<&str, &str>) {
        let segments: Vec<&str> = path.split('/').collect();
        match (Address::parse(&segments), expect) {
            (Ok(address), Ok(key)) => assert_eq!(address.key, key, "{path}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{path}: {error}"),
            (got, _) => panic!("{path}: {got:?}"),
        }
    }

    #[test]
    fn addresses_are_read() {
        check("000000000000/eu-west-1/prod", Ok("prod"));
        check("000000000000/eu-west-1/environment/prod", Ok("environment/prod"));
        check("000000000000/us-gov-west-1/a/b/..c/d.tfstate", Ok("a/b/..c/d.tfstate"));
        check("000000000000/eu-west-1", Err("not the name"));
        check("000000000000", Err("ACCOUNT/REGION/KEY"));
        check("prod/eu-west-1/x", Err("12 digits"));
        check("000000000000/EU/x", Err("not a region"));
    }

    #[test]
    fn names_lead_nowhere_else() {
        for key in ["..", "a/../b", "a//b", ".", "a/./b", "%2e%2e", "a%2fb", "a:b", "a\\b", "a b", "a\0b", "ä"] {
            check(&format!("000000000000/eu-west-1/{key}"), Err("not the name"));
        }
        check(&format!("000000000000/eu-west-1/{}", "k".repeat(KEY_BYTES_MAX)), Ok(&"k".repeat(KEY_BYTES_MAX)));
        check(&format!("000000000000/eu-west-1/{}", "k".repeat(KEY_BYTES_MAX + 1)), Err("512 bytes"));
    }
}
