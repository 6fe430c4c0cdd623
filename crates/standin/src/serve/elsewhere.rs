//! `--s3`: an S3-compatible store that answers instead of ours.

use std::sync::Arc;

use http::Uri;
use standin_server::{OwnedKeys, Upstream};
use standin_wire::value::percent_decode;

use tokio_rustls::rustls::ClientConfig;

use crate::client::{CredentialChain, Trust};
use crate::env;
use crate::error::CommandError;

/// Reads `https://ACCESS_KEY:SECRET_KEY@HOST:PORT?region=REGION`. The system's certificates are trusted.
///
/// # Errors
/// When it is no such URL, or the system's certificates cannot be read.
pub(super) fn read(text: &str) -> Result<Upstream, CommandError> {
    let parsed = parse(text).ok_or_else(|| {
        // Not the text itself: it may hold a secret.
        CommandError::usage(anyhow::anyhow!("s3: not of the form https://ACCESS_KEY:SECRET_KEY@HOST:PORT"))
    })?;
    let Parsed { url, keys, region } = parsed;
    let tls = tls(url.scheme_str() == Some("https"))?;
    Ok(Upstream { url: Some(url), credentials: Arc::new(keys), region, tls })
}

/// Reads `aws`, or the URL of another stand-in. Calls are signed with the keys of the usual chain; without any, what is at
/// a URL gets the access key of the caller. `setting` is its name, for messages.
///
/// # Errors
/// When it is neither, or the system's certificates cannot be read.
pub fn upstream(setting: &str, text: &str) -> Result<Upstream, CommandError> {
    let url = match text {
        "aws" => None,
        text => {
            let url = text.parse::<Uri>().ok().filter(|url| {
                matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some() && url.path() == "/"
            });
            let why =
                || CommandError::usage(anyhow::anyhow!("{setting}: {text:?} is neither `aws` nor http://HOST:PORT"));
            Some(url.ok_or_else(why)?)
        }
    };
    let tls = tls(url.as_ref().is_none_or(|url| url.scheme_str() == Some("https")))?;
    let credentials = Arc::new(CredentialChain::new(url.is_some()));
    Ok(Upstream { url, credentials, region: None, tls })
}

/// What `https` is checked by: the system's certificates.
///
/// # Errors
/// When they cannot be read.
pub fn tls(secure: bool) -> Result<Option<Arc<ClientConfig>>, CommandError> {
    if !secure {
        return Ok(None);
    }
    let file = env::text(&env::process, env::AWS_CA_BUNDLE).map(Into::into);
    Ok(Some(Arc::new(Trust::new(file).config().map_err(CommandError::failure)?)))
}

/// What stands in a URL.
struct Parsed {
    url: Uri,
    keys: OwnedKeys,
    region: Option<String>,
}

fn parse(text: &str) -> Option<Parsed> {
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
    Some(Parsed {
        url: format!("{scheme}://{host}").parse().ok()?,
        keys: OwnedKeys { access_key: plain(access_key)?, secret_key: plain(secret_key)?, session_token: None },
        region: region.map(str::to_owned),
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
                (
                    url.trim_end_matches('/').to_owned(),
                    &*found.keys.access_key,
                    &*found.keys.secret_key,
                    found.region.as_deref(),
                )
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
