//! `[proton]`: quotas of Proton, who is told of its events, and what provisions.

mod aws;
mod provisioning;

use std::str::FromStr;

use http::Uri;
use serde::Deserialize;
use standin_server::{EventSink, EventTarget, EventsConfig, ProtonQuotas, WebhookSecret};

use crate::error::CommandError;
use crate::serve::elsewhere;
use aws::AwsSettings;
use provisioning::{GitSettings, JobSettings, ProvisioningSettings, PullSettings, Repositories, TerraformSettings};

pub use provisioning::provisioning;

/// How often an event is tried by default: with the rests between, for some four minutes.
const TRIES: u32 = 10;

/// What is said of Proton in one place: the table of the file, or one flag, which is a line of that table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProtonSetting {
    #[serde(default)]
    pub quotas: QuotaSettings,
    #[serde(default)]
    pub events: EventSettings,
    #[serde(default)]
    pub provisioning: ProvisioningSettings,
    #[serde(default)]
    pub terraform: TerraformSettings,
    #[serde(default)]
    pub repositories: Repositories,
    #[serde(default)]
    pub git: GitSettings,
    #[serde(default)]
    pub pulls: PullSettings,
    #[serde(default)]
    pub jobs: JobSettings,
    #[serde(default)]
    pub aws: AwsSettings,
}

/// How much there may be per account and region; what is left out is AWS's number.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuotaSettings {
    pub templates: Option<usize>,
    pub versions: Option<usize>,
    pub environments: Option<usize>,
    pub services: Option<usize>,
    pub instances: Option<usize>,
    pub components: Option<usize>,
    pub connections: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EventSettings {
    /// How many the log keeps.
    pub keep: Option<u64>,
    #[serde(default)]
    pub webhooks: Vec<WebhookSetting>,
    /// `http://HOST:PORT` of something that speaks EventBridge's API, or `aws`.
    pub put_events: Option<String>,
    pub event_bus: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WebhookSetting {
    pub url: String,
    pub secret: Option<String>,
    /// `Service Instance`, `Environment` …; all where it is left out.
    #[serde(default)]
    pub types: Vec<String>,
    pub tries: Option<u32>,
}

impl FromStr for ProtonSetting {
    type Err = String;

    /// Reads lines of the table: `quotas.services=10000`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }
}

/// The quotas and events that all settings together make; the last word counts, webhooks come together.
///
/// # Errors
/// Where an address or a secret is none.
pub fn proton(settings: &[ProtonSetting]) -> Result<(ProtonQuotas, EventsConfig), CommandError> {
    let (mut quotas, mut events) = (ProtonQuotas::default(), EventsConfig::default());
    let (mut put_events, mut bus) = (None, None);
    for ProtonSetting { quotas: changes, events: told, .. } in settings {
        macro_rules! changed {
            ($($name:ident),+) => {$(quotas.$name = changes.$name.unwrap_or(quotas.$name);)+};
        }
        changed!(templates, versions, environments, services, instances, components, connections);
        events.keep = told.keep.unwrap_or(events.keep);
        put_events = told.put_events.as_deref().or(put_events);
        bus = told.event_bus.as_ref().or(bus);
        for hook in &told.webhooks {
            events.targets.push(webhook(hook)?);
        }
    }
    if let Some(url) = put_events {
        let upstream = elsewhere::upstream("proton.events.put-events", url)?;
        let to = EventSink::PutEvents { upstream, bus: bus.cloned() };
        events.targets.push(EventTarget { to, types: Vec::new(), tries: TRIES });
    }
    Ok((quotas, events))
}

fn webhook(setting: &WebhookSetting) -> Result<EventTarget, CommandError> {
    let refuse = |why: String| CommandError::usage(anyhow::anyhow!("proton.events.webhooks: {why}"));
    let WebhookSetting { url, secret, types, tries } = setting;
    let uri = url.parse::<Uri>().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
    let uri = uri.ok_or_else(|| refuse(format!("{url:?} is no URL that begins with http:// or https://")))?;
    let secret = match secret {
        None => None,
        Some(text) => Some(WebhookSecret::parse(text).ok_or_else(|| {
            // Not the text itself: it is secret.
            refuse(format!("the secret of {url} is neither text nor whsec_ and base64"))
        })?),
    };
    let tls = elsewhere::tls(uri.scheme_str() == Some("https"))?;
    let to = EventSink::Webhook { url: uri, secret, tls };
    Ok(EventTarget { to, types: types.clone(), tries: tries.unwrap_or(TRIES).max(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<(ProtonQuotas, EventsConfig), String> {
        let settings: Vec<ProtonSetting> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        proton(&settings).map_err(|error| format!("{:#}", error.error))
    }

    #[test]
    fn lines_and_tables_say_the_same() {
        let (quotas, _) = read(&["quotas.services=9", "quotas.services=10_000\nquotas.templates=1"]).expect("valid");
        assert_eq!((quotas.services, quotas.templates, quotas.environments), (10_000, 1, 100));
        let (_, events) = read(&[
            "[events]\nkeep = 5\nput-events = \"http://127.0.0.1:1\"\nevent-bus = \"b\"\n[[events.webhooks]]\nurl = \"http://h/x\"\nsecret = \"s\"\ntries = 3",
            "events.webhooks=[{url = \"https://h\", types = [\"Service\"]}]",
        ])
        .expect("valid");
        assert_eq!((events.keep, events.targets.len(), events.targets[0].tries), (5, 3, 3));
        assert_eq!(events.targets[1].types, ["Service"]);
        assert!(matches!(&events.targets[2].to, EventSink::PutEvents { bus: Some(bus), .. } if bus == "b"));
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, expect: &str| {
            let error = read(&[text]).expect_err(text);
            assert!(error.contains(expect), "{error}");
        };
        check("quotas.servces=1", "unknown field");
        check("quotas.services=-1", "invalid value");
        check("events.webhooks=[{url=\"ftp://h\"}]", "no URL");
        check("events.webhooks=[{url=\"http://h\", secret=\"whsec_*\"}]", "base64");
        check("events.put-events=\"h\"", "put-events");
    }
}
