//! The variables that people set for LocalStack, each also with the prefix `LOCALSTACK_`. Those that say nothing to
//! standin are left alone.

use super::{ConfigError, Listen, Settings, default_data_dir};
use crate::env::{self, Get};

/// Reads LocalStack's variables as a layer of settings.
///
/// # Errors
/// When one that standin heeds cannot be read; the message names it.
pub fn settings(get: Get<'_>) -> Result<Settings, ConfigError> {
    // LOCALSTACK_HOST is itself a name with the prefix.
    let read = |name: &str| env::text(get, &format!("LOCALSTACK_{name}")).or_else(|| env::text(get, name));
    let on = |name: &str| read(name).map(|value| is_on(&value));
    let list = |name: &str| read(name).map(|value| items(&value)).filter(|items| !items.is_empty());

    let listen = match (list(env::GATEWAY_LISTEN), read(env::GATEWAY_PORT).or_else(|| read(env::EDGE_PORT))) {
        (Some(addresses), _) => Some((env::GATEWAY_LISTEN, addresses)),
        (None, Some(port)) => Some((env::GATEWAY_PORT, vec![port])),
        (None, None) => None,
    };
    let listen = listen
        .map(|(name, addresses)| {
            let parse = |address: &String| {
                let reason = |reason| ConfigError::Variable { name: name.to_owned(), reason };
                address.parse::<Listen>().map_err(reason)
            };
            addresses.iter().map(parse).collect::<Result<Vec<_>, _>>()
        })
        .transpose()?;

    let services = list(env::LOCALSTACK_SERVICES)
        .filter(|_| on(env::STRICT_SERVICE_LOADING) != Some(false))
        .map(|services| services.iter().map(|service| without_port(service).to_owned()).collect());

    let log = match read(env::LS_LOG).as_deref() {
        Some("trace" | "trace-internal") => Some("trace".to_owned()),
        Some("warning") => Some("warn".to_owned()),
        Some(level @ ("debug" | "info" | "warn" | "error")) => Some(level.to_owned()),
        _ => on(env::DEBUG).filter(|on| *on).map(|_| "debug".to_owned()),
    };

    Ok(Settings {
        listen,
        services,
        log,
        data_dir: on(env::PERSISTENCE).filter(|on| *on).and_then(|_| default_data_dir(get)),
        allow_host: env::text(get, env::LOCALSTACK_HOST).map(|host| vec![without_port(&host).to_owned()]),
        cors_origin: list(env::EXTRA_CORS_ALLOWED_ORIGINS),
        ..Settings::default()
    })
}

fn items(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn is_on(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
}

fn without_port(text: &str) -> &str {
    text.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(text, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        settings(&get).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_people_set() {
        let settings = check(&[
            ("GATEWAY_LISTEN", "0.0.0.0:4566, :443"),
            ("EDGE_PORT", "1"),
            ("LOCALSTACK_SERVICES", "s3,sqs:4576"),
            ("LOCALSTACK_HOST", "aws.example:4566"),
            ("DEBUG", "1"),
            ("USE_SSL", "1"),
            ("LOCALSTACK_AUTH_TOKEN", "ls-x"),
        ])
        .expect("readable");
        let listen: Vec<String> = settings.listen.iter().flatten().map(|listen| listen.0.to_string()).collect();
        assert_eq!(listen, ["0.0.0.0:4566", "127.0.0.1:443"]);
        assert_eq!(settings.services, Some(vec!["s3".to_owned(), "sqs".to_owned()]));
        assert_eq!(settings.allow_host, Some(vec!["aws.example".to_owned()]));
        assert_eq!(settings.log.as_deref(), Some("debug"));
    }

    #[test]
    fn empty_and_lax_ones_say_nothing() {
        let variables = [("GATEWAY_LISTEN", ""), ("SERVICES", "s3"), ("STRICT_SERVICE_LOADING", "0"), ("DEBUG", "0")];
        assert_eq!(check(&variables), Ok(Settings::default()));
    }

    #[test]
    fn ports_alone_are_enough() {
        let settings = check(&[("LOCALSTACK_EDGE_PORT", "5000")]).expect("readable");
        assert_eq!(settings.listen.expect("set")[0].0.to_string(), "127.0.0.1:5000");
        let error = check(&[("GATEWAY_LISTEN", "example.com:1")]).expect_err("a name");
        assert!(error.starts_with("GATEWAY_LISTEN: \"example.com\""), "{error}");
    }
}
