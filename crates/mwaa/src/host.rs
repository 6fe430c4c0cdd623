//! The hosts of environments' web servers: `ID.c0.REGION.airflow.localhost`, and AWS's own names.

/// The part between the id and the region. AWS numbers its cells; here is one.
const CELL: &str = "c0";

/// The id of the environment whose web server a host is; the host in lower case, without port.
///
/// Private environments' hosts have `-vpce` behind the id, and environments made since 2025 are under `on.aws`.
pub fn environment_of(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    let (cell, rest) = rest.split_once('.')?;
    let numbered = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !cell.strip_prefix('c').is_some_and(numbered) {
        return None;
    }
    let labels: Vec<&str> = rest.split('.').collect();
    let ours = matches!(
        labels[..],
        [_, "airflow", "localhost"]
            | [_, "airflow", "localhost", "localstack", "cloud"]
            | [_, "airflow", "amazonaws", "com"]
            | [_, "airflow", "amazonaws", "com", "cn"]
            | ["airflow", _, "on", "aws"]
    );
    let id = id.strip_suffix("-vpce").unwrap_or(id);
    (ours && is_id(id)).then_some(id)
}

/// Whether a text is of the form of an environment's id: a UUID.
pub fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The name by which a caller reaches the web server of an environment, without a scheme: where the caller itself came by a name
/// of AWS (through a proxy, or its own DNS), one of AWS's; else one below `localhost`, with the port that the caller used.
///
/// `base_url`: as [`standin_core::CallContext::base_url`].
pub fn of(id: &str, region: &str, base_url: &str) -> String {
    let authority = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    };
    let china = host.ends_with(".amazonaws.com.cn");
    if china || host.ends_with(".amazonaws.com") || host.ends_with(".aws") {
        let suffix = if china { "amazonaws.com.cn" } else { "amazonaws.com" };
        return format!("{id}.{CELL}.{region}.airflow.{suffix}");
    }
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{id}.{CELL}.{region}.airflow.localhost{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123abcd-0000-4000-8000-0123456789ab";

    fn check(rest: &str, ours: bool) {
        let host = format!("{ID}{rest}");
        assert_eq!(environment_of(&host), ours.then_some(ID), "{host}");
    }

    #[test]
    fn hosts_of_web_servers_are_known() {
        check(".c0.eu-west-1.airflow.localhost", true);
        check(".c12.eu-west-1.airflow.amazonaws.com", true);
        check("-vpce.c5.eu-west-1.airflow.amazonaws.com", true);
        check(".c3.airflow.eu-west-1.on.aws", true);
        check(".eu-west-1.airflow.localhost", false);
        check(".c0.eu-west-1.airflow.example.org", false);
        check(".cx.eu-west-1.airflow.localhost", false);
        check("", false);
        assert_eq!(environment_of("api.airflow.eu-west-1.amazonaws.com"), None);
        assert_eq!(environment_of("bucket.c0.eu-west-1.airflow.localhost"), None);
    }

    #[test]
    fn callers_get_a_name_that_leads_where_they_are() {
        let name = |base| of(ID, "eu-west-1", base);
        assert_eq!(name("http://127.0.0.1:4566"), format!("{ID}.c0.eu-west-1.airflow.localhost:4566"));
        assert_eq!(name("https://[::1]:4566"), format!("{ID}.c0.eu-west-1.airflow.localhost:4566"));
        assert_eq!(name("http://localhost"), format!("{ID}.c0.eu-west-1.airflow.localhost"));
        let aws = "https://api.airflow.eu-west-1.amazonaws.com";
        assert_eq!(name(aws), format!("{ID}.c0.eu-west-1.airflow.amazonaws.com"));
        for base in ["http://127.0.0.1:4566", aws] {
            let host = name(base);
            assert_eq!(environment_of(host.split(':').next().unwrap_or_default()), Some(ID));
        }
    }
}
