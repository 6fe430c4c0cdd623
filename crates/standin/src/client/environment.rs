//! The variables that make a program talk to a server instead of AWS.

use std::path::{Path, PathBuf};

use super::{DUMMY_KEY, Endpoint, system_roots};
use crate::env::{self, Get};

/// One variable: what to set it to (`None` unsets it), and who needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    pub value: Option<String>,
    pub why: &'static str,
}

/// Files with certificates that clients are told to trust.
#[derive(Clone, Debug)]
pub struct CaFiles {
    /// The server's own CA alone.
    pub own: PathBuf,
    /// The same with the system's certificates, for programs that trust one file only.
    pub bundle: PathBuf,
}

/// How a program reaches the server.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    pub endpoint: &'a Endpoint,
    pub region: &'a str,
    /// For `https:`; needed with `proxy`.
    pub ca: Option<&'a CaFiles>,
    /// The server is the proxy for everything: for programs that have no endpoint setting, or whose endpoint gets a
    /// host prefix.
    pub proxy: bool,
}

/// All variables for programs that call AWS APIs.
pub fn client_variables(access: Access<'_>, get: Get<'_>) -> Vec<Variable> {
    let Access { endpoint, region, ca, proxy } = access;
    let mut variables = Vec::new();
    let mut set = |name, value: &str, why| variables.push(Variable { name, value: Some(value.to_owned()), why });
    // An access key of twelve digits chooses the account: a real key is never of that form.
    let account_key = env::text(get, env::AWS_ACCESS_KEY_ID)
        .filter(|key| key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()));
    set(env::AWS_ENDPOINT_URL, &endpoint.to_string(), "all SDKs and the AWS CLI: where requests go");
    set(
        env::AWS_ACCESS_KEY_ID,
        account_key.as_deref().unwrap_or(DUMMY_KEY),
        "all SDKs: any key will do; twelve digits name the account",
    );
    set(env::AWS_SECRET_ACCESS_KEY, DUMMY_KEY, "all SDKs: a key that opens nothing");
    set(env::AWS_REGION, region, "most SDKs");
    set(env::AWS_DEFAULT_REGION, region, "boto3 and the AWS CLI");
    set(
        env::AWS_DISABLE_HOST_PREFIX_INJECTION,
        "true",
        "boto3 and the AWS CLI: no api. before the endpoint's host, which would resolve nowhere",
    );
    set(env::AWS_EC2_METADATA_DISABLED, "true", "all SDKs: do not look for credentials of an EC2 instance");
    if proxy {
        let url = format!("http://{}", endpoint.authority());
        for name in [env::HTTP_PROXY, "http_proxy"] {
            set(name, &url, "programs without an endpoint setting, and host prefixes: http goes through standin");
        }
        for name in [env::HTTPS_PROXY, "https_proxy"] {
            set(name, &url, "the same for https");
        }
        for name in [env::NO_PROXY, "no_proxy"] {
            set(name, "localhost,127.0.0.1,::1", "what is local is reached without the proxy");
        }
        set(env::NODE_USE_ENV_PROXY, "1", "Node.js 24 and later: obey the proxy variables");
    }
    if let Some(ca) = ca {
        let (own, bundle) = (ca.own.to_string_lossy(), ca.bundle.to_string_lossy());
        set(env::AWS_CA_BUNDLE, &bundle, "boto3, the AWS CLI and standin call: trust standin's certificates");
        set(env::REQUESTS_CA_BUNDLE, &bundle, "Python's requests: the same");
        set(env::SSL_CERT_FILE, &bundle, "OpenSSL, Go, Ruby and others: the same");
        set(env::CURL_CA_BUNDLE, &bundle, "curl and PHP: the same");
        set(env::NODE_EXTRA_CA_CERTS, &own, "Node.js: the same, besides its own");
    }
    for (name, why) in [
        (env::AWS_SESSION_TOKEN, "a token of real credentials does not belong to the dummy keys"),
        (env::AWS_PROFILE, "some SDKs prefer a profile, and its real credentials, to the keys above"),
        (env::AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, "would make SDKs ignore AWS_ENDPOINT_URL"),
    ] {
        variables.push(Variable { name, value: None, why });
    }
    variables
}

/// The content of [`CaFiles::bundle`]: the system's certificates, where they are found, and the server's own.
pub fn bundle(own_pem: &str, get: Get<'_>) -> String {
    let system = system_roots(get).and_then(|path: PathBuf| std::fs::read_to_string(path).ok()).unwrap_or_default();
    // A shell that was set up before has a bundle with this CA in its SSL_CERT_FILE already.
    if system.contains(own_pem.trim()) {
        return system;
    }
    let line_end = if system.is_empty() || system.ends_with('\n') { "" } else { "\n" };
    format!("{system}{line_end}{own_pem}")
}

impl CaFiles {
    /// Writes both files into a folder, which must exist.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(folder: &Path, own_pem: &str, get: Get<'_>) -> std::io::Result<Self> {
        let files = Self { own: folder.join("ca.pem"), bundle: folder.join("ca-bundle.pem") };
        std::fs::write(&files.own, own_pem)?;
        std::fs::write(&files.bundle, bundle(own_pem, get))?;
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(variables: &[Variable], name: &str) -> Option<String> {
        variables.iter().find(|variable| variable.name == name).and_then(|variable| variable.value.clone())
    }

    #[test]
    fn real_keys_are_replaced_and_account_keys_kept() {
        let endpoint: Endpoint = "http://127.0.0.1:4566".parse().unwrap();
        for (key, expect) in [("AKIAIOSFODNN7EXAMPLE", "test"), ("123456789012", "123456789012"), ("", "test")] {
            let get = |name: &str| (name == env::AWS_ACCESS_KEY_ID).then(|| key.into());
            let access = Access { endpoint: &endpoint, region: "eu-west-1", ca: None, proxy: false };
            let variables = client_variables(access, &get);
            assert_eq!(value(&variables, env::AWS_ACCESS_KEY_ID).as_deref(), Some(expect));
            assert_eq!(value(&variables, env::AWS_REGION).as_deref(), Some("eu-west-1"));
            assert!(variables.contains(&Variable {
                name: env::AWS_PROFILE,
                value: None,
                why: "some SDKs prefer a profile, and its real credentials, to the keys above",
            }));
            assert_eq!(value(&variables, env::HTTPS_PROXY), None);
        }
    }

    #[test]
    fn the_bundle_has_system_and_own_certificates_once() {
        let folder = std::env::temp_dir().join(format!("standin-bundle-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let system = folder.join("system.pem");
        std::fs::write(&system, "SYSTEM").unwrap();
        let get = |name: &str| (name == env::SSL_CERT_FILE).then(|| system.clone().into_os_string());
        let first = bundle("OWN\n", &get);
        assert_eq!(first, "SYSTEM\nOWN\n");
        std::fs::write(&system, &first).unwrap();
        assert_eq!(bundle("OWN\n", &get), first);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
