//! `--s3`: an S3-compatible store that answers instead of ours.

use std::sync::Arc;

use http::Uri;
use standin_server::S3Elsewhere;
use standin_wire::value::percent_decode;

use crate::client::Trust;
use crate::error::CommandError;

/// Reads `https://ACCESS_KEY:SECRET_KEY@HOST:PORT?region=REGION`. The system's certificates are trusted.
///
/// # Errors
/// When it is no such URL, or the system's certificates cannot be read.
pub(super) fn read(text: &str) -> Result<S3Elsewhere, CommandError> {
    let parsed = parse(text).ok_or_else(|| {
        // Not the text itself: it may hold a secret.
        CommandError::usage(anyhow::anyhow!("s3: not of the form https://ACCESS_KEY:SECRET_KEY@HOST:PORT"))
    })?;
    let secure = parsed.url.scheme_str() == Some("https");
    let tls = if secure { Some(Arc::new(Trust::default().config().map_err(CommandError::failure)?)) } else { None };
    Ok(S3Elsewhere { tls, ..parsed })
}

fn parse(text: &str) -> Option<S3Elsewhere> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = uri.authority()?.as_str();
    let (keys, host) = authority.rsplit_once('@')?;
    let (access_key, secret_key) = keys.split_once(':')?;
    if !matches!(uri.path(), "" | "/") || host.is_empty() || access_key.is_empty() || secret_key.is_empty() {
        return None;
    }
    let plain = |text: &str| percent_decode(text).ok().map(std::borrow::Cow::into_owned);
    let region = uri.query().and_then(|query| query.strip_prefix("region="));
    Some(S3Elsewhere {
        url: format!("{scheme}://{host}").parse().ok()?,
        access_key: plain(access_key)?,
        secret_key: plain(secret_key)?,
        region: region.map(str::to_owned),
        tls: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_carry_the_keys() {
        let check = |text: &str, expect: Option<(&str, &str, &str, Option<&str>)>| {
            let found = parse(text);
            let found = found.as_ref().map(|found| {
                let url = found.url.to_string();
                (url.trim_end_matches('/').to_owned(), &*found.access_key, &*found.secret_key, found.region.as_deref())
            });
            let found = found.as_ref().map(|(url, access, secret, region)| (&**url, *access, *secret, *region));
            assert_eq!(found, expect, "{text}");
        };
        check("https://a:b@host:9000", Some(("https://host:9000", "a", "b", None)));
        check("http://a:b%2Fc%2B@host/?region=eu-west-1", Some(("http://host", "a", "b/c+", Some("eu-west-1"))));
        for bad in ["", "host:9000", "https://host", "https://a@host", "ftp://a:b@host", "https://a:b@host/path"] {
            check(bad, None);
        }
    }
}
