//! What a host name says: service, region, and what stands before them (a bucket, a host prefix).

use standin_model::partition::Partitions;

use super::Index;

/// What a host name says. All parts borrow from the index or the host.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct HostFacts<'h> {
    /// Places in the catalogue of the services that the host names; empty when it names none.
    pub(crate) services: &'h [u32],
    pub(crate) region: Option<&'h str>,
    /// Labels before the service's: a bucket, or a host prefix such as `api`.
    pub(crate) before: Option<&'h str>,
    /// The host is one of AWS's own names.
    pub(crate) aws: bool,
}

const LOCAL_BASES: [&str; 3] = ["localhost.localstack.cloud", "localhost", "host.docker.internal"];

/// Reads a `Host` value (with or without port), lower case.
pub(crate) fn read<'h>(index: &'h Index, partitions: &Partitions, host: &'h str) -> HostFacts<'h> {
    let host = without_port(host);
    if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') {
        return HostFacts::default();
    }
    let suffixes = partitions.all().iter().flat_map(|p| [p.dns_suffix, p.dual_stack_dns_suffix]);
    let aws = suffixes.filter(|suffix| is_under(host, suffix)).max_by_key(|suffix| suffix.len());
    let local = LOCAL_BASES.into_iter().find(|base| is_under(host, base));
    let Some(base) = aws.or(local) else { return HostFacts::default() };
    let Some(labels) = host.strip_suffix(base).and_then(|labels| labels.strip_suffix('.')) else {
        return HostFacts::default();
    };
    let mut facts = HostFacts { aws: aws.is_some(), ..HostFacts::default() };
    // From the right: [before.]service[.dualstack][.region]
    let mut rest = labels;
    let last = rest.rsplit('.').next().unwrap_or_default();
    if partitions.knows_region(last) {
        facts.region = Some(last);
        rest = rest.strip_suffix(last).and_then(|rest| rest.strip_suffix('.')).unwrap_or_default();
    }
    rest = rest.strip_suffix(".dualstack").unwrap_or(rest);
    // The longest run of labels that names a service: `api.ecr` before `ecr`.
    let starts = std::iter::once(0).chain(rest.match_indices('.').map(|(at, _)| at + 1));
    for start in starts {
        let name = &rest[start..];
        let plain = name.strip_suffix("-fips").unwrap_or(name);
        if let Some(services) = index.by_host_label(plain).or_else(|| index.by_host_label(s3_endpoint(plain)?)) {
            facts.services = services;
            facts.before = start.checked_sub(1).map(|end| &rest[..end]);
            return facts;
        }
    }
    // `bucket.localhost`, or a region before a service (`us-east-1.s3`), or nothing that we know.
    facts.before = (!rest.is_empty()).then_some(rest);
    facts
}

/// S3's further endpoints: `s3express-use1-az4`, `s3-accelerate` …
fn s3_endpoint(label: &str) -> Option<&'static str> {
    match label {
        "s3express-control" => Some("s3-control"),
        "s3-accelerate" | "s3-external-1" | "s3-object-lambda" | "s3-website" => Some("s3"),
        _ if label.starts_with("s3express-") => Some("s3"),
        _ => None,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_under(host: &str, base: &str) -> bool {
    host.strip_suffix(base).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    fn check(host: &str, service: Option<&str>, region: Option<&str>, before: Option<&str>) {
        let catalogue = Catalogue::shared();
        let index = Index::new(catalogue);
        let facts = read(&index, catalogue.partitions(), host);
        let first = facts.services.first().map(|at| catalogue.entries()[*at as usize].id);
        assert_eq!((first, facts.region, facts.before), (service, region, before), "{host}");
    }

    #[test]
    fn hosts_name_services() {
        check("127.0.0.1:4566", None, None, None);
        check("localhost:4566", None, None, None);
        check("[::1]:4566", None, None, None);
        check("proton.us-east-1.amazonaws.com", Some("proton"), Some("us-east-1"), None);
        check("api.airflow.eu-west-1.amazonaws.com", Some("mwaa"), Some("eu-west-1"), Some("api"));
        check("airflow.localhost:4566", Some("mwaa"), None, None);
        check("mwaa.localhost", Some("mwaa"), None, None);
        check("iam.amazonaws.com", Some("iam"), None, None);
        check("my.bucket.s3.localhost:4566", Some("s3"), None, Some("my.bucket"));
        check("my-bucket.s3.us-west-2.amazonaws.com", Some("s3"), Some("us-west-2"), Some("my-bucket"));
        check("my-bucket.localhost", None, None, Some("my-bucket"));
        check(
            "123456789012.s3-control.us-east-1.amazonaws.com",
            Some("s3control"),
            Some("us-east-1"),
            Some("123456789012"),
        );
        check("sts-fips.us-east-1.amazonaws.com", Some("sts"), Some("us-east-1"), None);
        check("s3.cn-north-1.amazonaws.com.cn", Some("s3"), Some("cn-north-1"), None);
        check("api.ecr.us-east-1.amazonaws.com", Some("ecr"), Some("us-east-1"), None);
        check("ec2.us-east-1.api.aws", Some("ec2"), Some("us-east-1"), None);
        check("example.org", None, None, None);
        check("", None, None, None);
        check(".", None, None, None);
    }
}
