//! How AWS is reached, and who calls.

/// How AWS is reached. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `http://HOST:PORT` of something that speaks AWS's APIs; AWS's own hosts without it.
    pub endpoint: Option<String>,
    /// The profile of the base credentials; the usual chain's choice without it.
    pub profile: Option<String>,
    /// Whether the role of what is provisioned is assumed. Without, the base credentials do all.
    pub assume_role: bool,
    /// What trust policies ask of who assumes a role.
    pub external_id: Option<String>,
    /// A policy that narrows every session, as JSON.
    pub session_policy: Option<String>,
    /// Where templates lie that are too large for a request; `{account}` and `{region}` are filled in.
    pub bucket: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { endpoint: None, profile: None, assume_role: true, external_id: None, session_policy: None, bucket: None }
    }
}

impl Settings {
    /// The bucket for an account and region.
    pub fn bucket_of(&self, whose: &Whose<'_>) -> Option<String> {
        let bucket = self.bucket.as_ref()?;
        Some(bucket.replace("{account}", whose.account).replace("{region}", whose.region))
    }
}

/// Where something is called, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Whose<'w> {
    /// 12 digits. What assumes no role happens in the account of the base credentials.
    pub account: &'w str,
    pub region: &'w str,
    /// The id of a partition.
    pub partition: &'w str,
    /// The ARN of the role to assume.
    pub role: Option<&'w str>,
    /// What the session is called; CloudTrail shows it.
    pub session: &'w str,
}

/// A name that STS takes for a session: 2 to 64 letters, digits and a few signs.
#[cfg_attr(not(feature = "sdk"), expect(dead_code, reason = "sessions are begun by the SDK"))]
pub(crate) fn session_name(wanted: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_=,.@-".contains(letter);
    let mut name: String = wanted.chars().map(|letter| if fits(letter) { letter } else { '-' }).take(64).collect();
    while name.len() < 2 {
        name.push('-');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_by_account_and_region() {
        let whose =
            Whose { account: "111122223333", region: "eu-west-1", partition: "aws", role: None, session: "test" };
        let settings = Settings { bucket: Some("t-{account}-{region}".into()), ..Settings::default() };
        assert_eq!(settings.bucket_of(&whose).as_deref(), Some("t-111122223333-eu-west-1"));
        assert_eq!(Settings::default().bucket_of(&whose), None);
    }

    #[test]
    fn sessions_have_names_that_sts_takes() {
        let check = |wanted: &str, expect: &str| assert_eq!(session_name(wanted), expect, "{wanted}");
        check("AWSProton-0a1b", "AWSProton-0a1b");
        check("a b/ü", "a-b--");
        check("", "--");
        check(&"x".repeat(70), &"x".repeat(64));
    }
}
