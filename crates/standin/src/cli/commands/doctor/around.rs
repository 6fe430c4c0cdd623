//! What every server needs, and what clients need to find it.

use std::net::{TcpListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use standin_core::Clock;
use standin_model::Timestamp;

use super::Finding;
use crate::cli::commands::run::introspection;
use crate::client::Endpoint;
use crate::env;

/// Clocks that are before this release are wrong: certificates would not hold.
const RELEASED: &str = "2026-11-01T00:00:00Z";
/// Less room than this is soon used up by state, objects and logs.
const DISK_BYTES_MIN: u64 = 1 << 30;

/// All of them.
pub fn all(data_dir: Option<&Path>, port: u16) -> Vec<Finding> {
    vec![
        self::port(port),
        folder(data_dir),
        certificate(data_dir),
        clock(Clock::real().now()),
        names(),
        host_prefix(),
        endpoint(),
        proxy(),
    ]
}

/// The first part of a path that exists.
pub fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn port(port: u16) -> Finding {
    let endpoint = Endpoint { tls: false, host: "127.0.0.1".to_owned(), port, prefix: String::new() };
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Finding::good("port", format!("{port} is free")),
        Err(_) if introspection(&endpoint).is_ok_and(|mut server| server.is_standin()) => {
            Finding::good("port", format!("a standin answers at {endpoint}"))
        }
        Err(error) => Finding::bad("port", format!("{port} cannot be had: {error}"), "--listen takes another, or 0"),
    }
}

fn folder(data_dir: Option<&Path>) -> Finding {
    let Some(folder) = data_dir else {
        return Finding::warning("data folder", "there is none", "--data-dir names one, for state that is kept");
    };
    let there = existing(folder);
    let shown = folder.display();
    // Only a file that was written tells that one can be.
    let trial = there.join(format!(".standin-doctor-{}", std::process::id()));
    let written = std::fs::write(&trial, b"").and_then(|()| std::fs::remove_file(&trial));
    if let Err(error) = written {
        return Finding::bad(
            "data folder",
            format!("{shown} cannot be written to: {error}"),
            "--data-dir names another",
        );
    }
    match room(&there) {
        Some(bytes) if bytes < DISK_BYTES_MIN => Finding::warning(
            "data folder",
            format!("{shown}, with {} left", gigabytes(bytes)),
            format!("make room: {} is what a server may soon need", gigabytes(DISK_BYTES_MIN)),
        ),
        Some(bytes) => Finding::good("data folder", format!("{shown}, with {} left", gigabytes(bytes))),
        None => Finding::good("data folder", shown.to_string()),
    }
}

/// How many bytes are left where a folder lies.
#[cfg(unix)]
pub fn room(folder: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(folder).ok()?;
    Some(about.f_bavail * about.f_frsize)
}

#[cfg(not(unix))]
pub fn room(_: &Path) -> Option<u64> {
    None
}

pub fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}

fn certificate(data_dir: Option<&Path>) -> Finding {
    let what = "certificate";
    let Some(folder) = data_dir.filter(|folder| folder.join("ca").exists() || folder.join("ca.pem").exists()) else {
        return Finding::good(what, "an authority is made with the first server on the data folder");
    };
    match crate::serve::ca_pem(folder) {
        Ok(_) => Finding::good(what, format!("there is an authority in {}", folder.display())),
        Err(error) => Finding::bad(
            what,
            format!("{:#}", error.error),
            "remove the authority from the folder: the next server makes another",
        ),
    }
}

fn clock(now: Timestamp) -> Finding {
    let shown = now.to_date_time();
    let shown = shown.split('.').next().unwrap_or_default();
    match Timestamp::parse_date_time(RELEASED) {
        Some(released) if now < released => Finding::bad(
            "clock",
            format!("{shown} is before this release"),
            "set the system's clock: certificates and signatures have dates",
        ),
        _ => Finding::good("clock", format!("{} UTC", shown.trim_end_matches('Z').replace('T', " "))),
    }
}

/// Web servers of environments, buckets as hosts and host prefixes are names below `localhost`.
fn names() -> Finding {
    let name = "standin-doctor.localhost";
    let what = "*.localhost";
    match (name, 1).to_socket_addrs() {
        Ok(found) if found.clone().all(|address| address.ip().is_loopback()) => {
            Finding::good(what, "resolves to this machine")
        }
        Ok(_) => Finding::warning(
            what,
            "resolves to another machine",
            "whoever runs the name server is wrong: RFC 6761 gives these names to the own machine",
        ),
        Err(_) => Finding::warning(
            what,
            "does not resolve for programs; browsers and curl do without",
            "for other programs: systemd-resolved or nss-myhostname, lines in /etc/hosts, or the proxy (standin run --proxy)",
        ),
    }
}

fn host_prefix() -> Finding {
    let what = "host prefixes";
    let name = env::AWS_DISABLE_HOST_PREFIX_INJECTION;
    match env::text(&env::process, name) {
        Some(value) if value.eq_ignore_ascii_case("true") => Finding::good(what, format!("{name} is true")),
        _ => Finding::warning(
            what,
            format!("{name} is not set: boto3 and the AWS CLI put api. and the like before the host"),
            "eval \"$(standin env)\" sets it; docs/clients.md tells of other SDKs",
        ),
    }
}

fn endpoint() -> Finding {
    let what = "endpoint";
    match env::text(&env::process, env::AWS_ENDPOINT_URL) {
        None => {
            Finding::warning(what, "AWS_ENDPOINT_URL is not set: clients go to AWS", "eval \"$(standin env)\" sets it")
        }
        Some(url) => match url.parse::<Endpoint>() {
            Err(reason) => Finding::bad(what, format!("AWS_ENDPOINT_URL: {reason}"), "eval \"$(standin env)\" sets it"),
            Ok(endpoint) if introspection(&endpoint).is_ok_and(|mut server| server.is_standin()) => {
                Finding::good(what, format!("AWS_ENDPOINT_URL is {endpoint}, where a standin answers"))
            }
            Ok(endpoint) => Finding::warning(
                what,
                format!("AWS_ENDPOINT_URL is {endpoint}, where no standin answers"),
                "start one: standin serve",
            ),
        },
    }
}

fn proxy() -> Finding {
    let what = "proxy";
    let set = |name: &str| env::text(&env::process, name).or_else(|| env::text(&env::process, &name.to_lowercase()));
    let Some(proxy) = set(env::HTTP_PROXY).or_else(|| set(env::HTTPS_PROXY)) else {
        return Finding::good(what, "none is set");
    };
    let spared = set(env::NO_PROXY).unwrap_or_default();
    let spared: Vec<&str> = spared.split(',').map(str::trim).collect();
    if spared.iter().any(|name| matches!(*name, "*" | "127.0.0.1" | "localhost")) {
        return Finding::good(what, format!("{} is set, and spares this machine", without_keys(&proxy)));
    }
    Finding::warning(
        what,
        format!("{} is set, also for this machine", without_keys(&proxy)),
        "set NO_PROXY=127.0.0.1,localhost, or many clients will look for standin behind the proxy",
    )
}

/// A proxy's URL may have a password.
fn without_keys(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::doctor::Verdict;

    #[test]
    fn clocks_are_not_before_the_release() {
        let check = |text: &str, expect: Verdict| {
            assert_eq!(clock(Timestamp::parse_date_time(text).expect("a time")).verdict, expect, "{text}");
        };
        check("1970-01-01T00:00:00Z", Verdict::Bad);
        check("2030-01-01T00:00:00.5Z", Verdict::Good);
    }

    #[test]
    fn taken_ports_are_told() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let number = taken.local_addr().expect("bound").port();
        assert_eq!(port(number).verdict, Verdict::Bad);
        drop(taken);
        assert_eq!(port(0).verdict, Verdict::Good);
    }

    #[test]
    fn folders_are_tried() {
        let folder = std::env::temp_dir().join("no/such/folder/of/standin");
        assert_eq!(existing(&folder), std::env::temp_dir().join(""));
        assert_ne!(self::folder(Some(&folder)).verdict, Verdict::Bad);
        assert_eq!(self::folder(Some(Path::new("/proc/nothing"))).verdict, Verdict::Bad);
    }

    #[test]
    fn passwords_are_not_told() {
        assert_eq!(without_keys("http://me:secret@proxy:8080"), "http://proxy:8080");
        assert_eq!(without_keys("http://proxy:8080"), "http://proxy:8080");
    }
}
