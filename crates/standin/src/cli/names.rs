//! Services and operations by the names that people type.

use std::borrow::Cow;

use standin_model::{Catalogue, Entry, Operation, Service, nearest};

use crate::error::{Attempt as _, CommandError};

/// At most this many near misses are offered.
const NEAR_MAX: usize = 4;

/// Finds a service by id, SDK id, endpoint prefix, signing name or title; the newest API version, or the one asked for.
///
/// # Errors
/// A usage error with near misses.
pub fn service<'c>(catalogue: &'c Catalogue, name: &str, version: Option<&str>) -> Result<&'c Entry, CommandError> {
    let Some(newest) = catalogue.find(name) else {
        let names = catalogue.services().flat_map(|entry| [entry.id, entry.endpoint_prefix]);
        let near = nearest(name, names, NEAR_MAX);
        let error = CommandError::usage(anyhow::anyhow!("there is no service {name:?}")).near(&near);
        return Err(error.hint("`standin services` lists them all"));
    };
    let Some(version) = version else { return Ok(newest) };
    catalogue.versions(newest.id).find(|entry| entry.version == version).ok_or_else(|| {
        let versions: Vec<&str> = catalogue.versions(newest.id).map(|entry| entry.version).collect();
        CommandError::usage(anyhow::anyhow!("{} has no API version {version:?}", newest.id))
            .hint(format!("it has {}", versions.join(", ")))
    })
}

/// Opens the model of a service.
///
/// # Errors
/// When the catalogue is damaged.
pub fn open(entry: &Entry) -> Result<&'static Service, CommandError> {
    entry.open().attempt(format_args!("cannot open the model of {}", entry.id))
}

/// Finds an operation by its name in any spelling: `ListTagsForResource`, `list-tags-for-resource`, `list_tags_for_resource`.
///
/// # Errors
/// A usage error with near misses.
pub fn operation<'s>(service: &'s Service, name: &str) -> Result<&'s Operation, CommandError> {
    let squash = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = squash(name);
    service.operation(name).or_else(|| service.operations.iter().find(|op| squash(op.name) == wanted)).ok_or_else(
        || {
            let near = nearest(name, service.operations.iter().map(|op| op.name), NEAR_MAX);
            CommandError::usage(anyhow::anyhow!("{} has no operation {name:?}", service.id))
                .near(&near)
                .hint(format!("`standin describe {}` lists them all", service.id))
        },
    )
}

/// Brand names whose capitals are no word boundaries to the AWS CLI (botocore's table of exceptions).
const BRANDS: &[(&str, &str)] = &[
    ("iSCSI", "Iscsi"),
    ("PartiQL", "Partiql"),
    ("OAuth2", "Oauth2"),
    ("WhatsApp", "Whatsapp"),
    ("HITs", "Hits"),
    ("OTelEnr", "OtelEnr"),
];

/// An operation's name as the AWS CLI spells it (`xform_name` of botocore): `ListTagsForResource` is `list-tags-for-resource`.
pub fn kebab(name: &str) -> String {
    // Newer than the table in botocore.
    let is_too_new = name == "CreateOAuth2TokenWithTokenExchange";
    let mut name = Cow::Borrowed(name);
    for (brand, plain) in BRANDS {
        if name.contains(brand) && !is_too_new {
            name = name.replace(brand, plain).into();
        }
    }
    // A plural of capitals at the end is one word: `ListARNs`.
    if let Some(stem) = name.strip_suffix('s') {
        let word = stem.trim_end_matches(|c: char| c.is_ascii_uppercase());
        if stem.len() - word.len() >= 2 {
            name = format!("{word}-{}s", stem[word.len()..].to_ascii_lowercase()).into();
        }
    }
    let chars: Vec<char> = name.chars().collect();
    let mut words = String::with_capacity(name.len() + 8);
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || chars.get(at + 1).is_some_and(char::is_ascii_lowercase)
            });
        if starts_word && before != Some('-') {
            words.push('-');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The AWS CLI's command for a service, where it is not the catalogue's id.
pub fn aws_command(service: &str) -> &str {
    match service {
        "s3" => "s3api",
        "codedeploy" => "deploy",
        "config" => "configservice",
        "runtime.sagemaker" => "sagemaker-runtime",
        id => id,
    }
}

/// Quotes a word for POSIX shells, where it needs quotes.
pub fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_spelt_as_the_aws_cli_does() {
        for (name, expect) in [
            ("ListTagsForResource", "list-tags-for-resource"),
            ("DescribeDBInstances", "describe-db-instances"),
            ("ListStreamsARNs", "list-streams-arns"),
            ("CreateCachediSCSIVolume", "create-cached-iscsi-volume"),
            ("CreateOAuth2TokenWithIAM", "create-oauth2-token-with-iam"),
            ("ExecutePartiQLStatement", "execute-partiql-statement"),
            ("CreateOAuth2TokenWithTokenExchange", "create-o-auth2-token-with-token-exchange"),
            ("StartOTelEnrichment", "start-otel-enrichment"),
            ("GetIPSet", "get-ip-set"),
            ("ListObjectsV2", "list-objects-v2"),
            ("GetMLModel", "get-ml-model"),
            ("DescribeEC2InstanceLimits", "describe-ec2-instance-limits"),
            ("ListHITsForQualificationType", "list-hits-for-qualification-type"),
        ] {
            assert_eq!(kebab(name), expect);
        }
    }

    #[test]
    fn any_spelling_finds_the_operation() {
        let entry = service(Catalogue::shared(), "Airflow", None).expect("MWAA's endpoint prefix");
        assert_eq!(entry.id, "mwaa");
        let mwaa = open(entry).expect("opens");
        for name in ["ListEnvironments", "list-environments", "list_environments", "LISTENVIRONMENTS"] {
            assert_eq!(operation(mwaa, name).expect("found").name, "ListEnvironments");
        }
        let error = operation(mwaa, "list-enviroments").expect_err("misspelt");
        assert_eq!(error.hints[0], "did you mean ListEnvironments?");
    }

    #[test]
    fn unknown_services_and_versions_are_explained() {
        let error = service(Catalogue::shared(), "porton", None).expect_err("misspelt");
        assert_eq!(error.hints[0], "did you mean proton?");
        let error = service(Catalogue::shared(), "cloudfront", Some("1999-01-01")).expect_err("no such version");
        assert!(error.hints[0].contains("2020-05-31"), "{:?}", error.hints);
    }

    #[test]
    fn words_are_quoted_where_they_must_be() {
        assert_eq!(quote("a-b"), "a-b");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
