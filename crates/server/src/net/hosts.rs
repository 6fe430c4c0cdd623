//! Host names: which ones standin answers for, and what a request's authority says.

use std::net::IpAddr;
use std::sync::Arc;

use standin_model::partition::Partitions;

/// Domains of AWS that are not some partition's suffix. `aws` is Amazon's own top-level domain (`api.aws`, `on.aws`).
const MORE_AWS_SUFFIXES: &[&str] = &[
    "amazonaws.com",
    "aws",
    "amazonaws.cn",
    "amazonaws-us-gov.com",
    "amazonwebservices.com.cn",
    "amazonwebservices.eu",
    "signin.aws.amazon.com",
];

/// Suffixes that nobody can get in public DNS, so that no web page can come from a host of that name:
/// RFC 6761 (`localhost`, `test`), ICANN's private-use domain (`internal`, which has `host.docker.internal`), and the
/// domain of services within a Kubernetes cluster. The last one is LocalStack's public name for 127.0.0.1.
const PRIVATE_SUFFIXES: &[&str] = &["localhost", "test", "internal", "cluster.local", "localhost.localstack.cloud"];

/// 253 characters are the longest name that DNS can carry.
pub(super) const NAME_CHARS_MAX: usize = 253;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What a host name is to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// A name of this machine, container or cluster, or one that was configured.
    Local,
    /// A host of AWS, which standin stands in for.
    Aws,
    /// Somebody else's.
    Foreign,
}

/// The host and port by which a client reached this server, or thinks it did. Made once per connection and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    pub scheme: Scheme,
    /// `HOST[:PORT]` as the client wrote it.
    pub text: Box<str>,
    /// Lower case, without port, brackets and the dot at the end.
    pub host: Box<str>,
    /// As the client wrote it; `None` stands for the scheme's.
    pub port: Option<u16>,
    /// `SCHEME://HOST[:PORT]`, the base of URLs in answers.
    pub base_url: Arc<str>,
    pub kind: HostKind,
}

impl Authority {
    /// Reads `HOST[:PORT]`. `None` when that is not what the text is.
    pub fn parse(scheme: Scheme, text: &str, policy: &HostPolicy) -> Option<Self> {
        let (host, port) = split(text)?;
        let host = normal(host)?;
        let kind = policy.kind(&host);
        let base_url = format!("{}://{text}", scheme.name()).into();
        Some(Self { scheme, text: text.into(), host, port, base_url, kind })
    }

    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Splits `HOST[:PORT]`; brackets around IPv6 addresses are taken off.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        // `host:` is allowed by RFC 3986 and means the default port.
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    Some((host, port))
}

/// Lower case and without the dot of the root; `None` for what cannot be a host's name.
pub(super) fn normal(host: &str) -> Option<Box<str>> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let fits = !host.is_empty()
        && host.len() <= NAME_CHARS_MAX
        && (host.parse::<IpAddr>().is_ok()
            || host.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            }));
    fits.then(|| host.to_ascii_lowercase().into_boxed_str())
}

/// Which hosts are served.
///
/// The danger is DNS rebinding: a web page of `evil.example` lets its name point to 127.0.0.1, and the browser takes
/// standin for the page's own server. Such a request always carries the attacker's name as its host. So a name is
/// harmless when no attacker can own it: IP addresses, names without a dot (containers, `localhost`), names below
/// suffixes that public DNS does not delegate, names that end in an IP address (`api.127.0.0.1`, which SDKs make by
/// prepending host prefixes), and hosts of AWS, whose DNS nobody else controls. Others must be configured.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    aws_suffixes: Vec<Box<str>>,
    names: Vec<Box<str>>,
    any: bool,
}

impl HostPolicy {
    pub fn new(partitions: &Partitions) -> Self {
        let of_partitions =
            partitions.all().iter().flat_map(|partition| [partition.dns_suffix, partition.dual_stack_dns_suffix]);
        let mut aws_suffixes: Vec<Box<str>> = Vec::new();
        for suffix in of_partitions.chain(MORE_AWS_SUFFIXES.iter().copied()) {
            if !suffix.is_empty() && !aws_suffixes.iter().any(|known| **known == *suffix) {
                aws_suffixes.push(suffix.into());
            }
        }
        Self { aws_suffixes, names: Vec::new(), any: false }
    }

    /// Adds a name, with everything below it. `*` allows every host, which gives up the protection.
    pub fn allow(&mut self, name: &str) {
        let name = name.trim();
        if name == "*" {
            self.any = true;
        } else if let Some(name) = normal(name.strip_prefix("*.").or(name.strip_prefix('.')).unwrap_or(name)) {
            self.names.push(name);
        }
    }

    /// `host` in lower case, without port, brackets and final dot.
    pub fn kind(&self, host: &str) -> HostKind {
        // First what is asked most.
        if host == "localhost" || host.parse::<IpAddr>().is_ok() {
            return HostKind::Local;
        }
        if self.aws_suffixes.iter().any(|suffix| is_or_below(host, suffix)) {
            return HostKind::Aws;
        }
        if !host.contains('.')
            || PRIVATE_SUFFIXES.iter().any(|suffix| is_or_below(host, suffix))
            || ends_in_ip(host)
            || self.names.iter().any(|name| is_or_below(host, name))
            || self.any
        {
            return HostKind::Local;
        }
        HostKind::Foreign
    }
}

/// Whether a name is that domain or in it.
pub(super) fn is_or_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `LABELS.a.b.c.d`: a host prefix before an IPv4 address. No top-level domain is a number.
fn ends_in_ip(host: &str) -> bool {
    let Some(start) = host.rmatch_indices('.').nth(3) else { return false };
    host[start.0 + 1..].parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    fn policy() -> HostPolicy {
        HostPolicy::new(Catalogue::embedded().partitions())
    }

    #[test]
    fn names_that_nobody_else_can_have_are_local() {
        let policy = policy();
        for host in [
            "localhost",
            "bucket.s3.localhost",
            "127.0.0.1",
            "::1",
            "192.168.1.7",
            "standin",
            "api.127.0.0.1",
            "a.b.10.0.0.3",
            "host.docker.internal",
            "standin.default.svc.cluster.local",
            "localhost.localstack.cloud",
            "q.sqs.localhost.localstack.cloud",
        ] {
            assert_eq!(policy.kind(host), HostKind::Local, "{host}");
        }
    }

    #[test]
    fn hosts_of_every_partition_are_aws() {
        let policy = policy();
        for host in [
            "api.airflow.us-east-1.amazonaws.com",
            "s3.cn-north-1.amazonaws.com.cn",
            "ec2.us-east-1.api.aws",
            "abc.lambda-url.eu-west-1.on.aws",
            "sts.us-iso-east-1.c2s.ic.gov",
        ] {
            assert_eq!(policy.kind(host), HostKind::Aws, "{host}");
        }
    }

    #[test]
    fn what_an_attacker_can_register_is_foreign() {
        let mut policy = policy();
        for host in [
            "evil.example",
            "evilamazonaws.com",
            "amazonaws.com.evil.example",
            "localhost.evil.example",
            "localstack.cloud",
            "xlocalhost.localstack.cloud",
            "1.2.3.4.nip.io",
            "api.1.2.3.444",
        ] {
            assert_eq!(policy.kind(host), HostKind::Foreign, "{host}");
        }
        policy.allow("*.Corp.Example");
        assert_eq!(policy.kind("aws.corp.example"), HostKind::Local);
        assert_eq!(policy.kind("corp.example"), HostKind::Local);
        assert_eq!(policy.kind("evilcorp.example"), HostKind::Foreign);
        policy.allow("*");
        assert_eq!(policy.kind("evil.example"), HostKind::Local);
    }

    #[test]
    fn authorities_are_taken_apart() {
        let policy = policy();
        let parse = |text: &str| {
            Authority::parse(Scheme::Http, text, &policy).map(|found| (found.host.into_string(), found.port))
        };
        for (text, host, port) in [
            ("LocalHost:4566", "localhost", Some(4566)),
            ("localhost.", "localhost", None),
            ("localhost:", "localhost", None),
            ("[::1]:4566", "::1", Some(4566)),
            ("[::1]", "::1", None),
            ("my_bucket.s3.localhost", "my_bucket.s3.localhost", None),
        ] {
            assert_eq!(parse(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["", ":80", "a:b", "a:99999", "a:+1", "::1", "[::1", "[x]", "[::1]x", "a..b", "user@host", "a b"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let authority = Authority::parse(Scheme::Https, "Localhost:4566", &policy).expect("an authority");
        assert_eq!(&*authority.base_url, "https://Localhost:4566");
    }
}
