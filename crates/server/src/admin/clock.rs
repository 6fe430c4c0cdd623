//! `/_standin/clock`: the time that everything goes by.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use standin_core::{duration_text, parse_duration};
use standin_model::Timestamp;

use super::{Asked, Reply, fail, json_reply};
use crate::app::App;

/// What becomes of the clock. Several are done in this order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// True, or the time to stand still at.
    #[serde(default)]
    freeze: Option<Value>,
    /// A duration: `10m`.
    #[serde(default)]
    advance: Option<String>,
    /// Run on from where it stands.
    #[serde(default)]
    resume: bool,
    /// Go with the system's time again.
    #[serde(default)]
    reset: bool,
}

pub(super) fn show(app: &App) -> Reply {
    let clock = &app.clock;
    let answer =
        json!({ "now": clock.now().to_date_time(), "frozen": clock.is_frozen(), "virtual": clock.is_virtual() });
    json_reply(StatusCode::OK, &answer)
}

pub(super) async fn change(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let change: Change = match asked.json().await.map(serde_json::from_value) {
        Ok(Ok(change)) => change,
        Ok(Err(error)) => return fail(StatusCode::BAD_REQUEST, error.to_string()),
        Err(reply) => return reply,
    };
    match apply(app, &change) {
        Ok(()) => show(app),
        Err(reason) => fail(StatusCode::BAD_REQUEST, reason),
    }
}

fn apply(app: &App, change: &Change) -> Result<(), String> {
    let advance = change.advance.as_deref().map(parse_duration).transpose()?;
    let freeze_at = match &change.freeze {
        None | Some(Value::Bool(false) | Value::Null) => None,
        Some(Value::Bool(true)) => Some(None),
        Some(Value::String(text)) => match Timestamp::parse_date_time(text) {
            Some(time) => Some(Some(time)),
            None => return Err(format!("{text:?} is no time such as 2026-01-01T00:00:00Z")),
        },
        Some(_) => return Err("`freeze` is true or a time such as 2026-01-01T00:00:00Z".to_owned()),
    };
    if change.reset {
        app.clock.follow_system();
    }
    match freeze_at {
        Some(Some(time)) => app.clock.freeze_at(time),
        Some(None) => app.clock.freeze(),
        None => {}
    }
    if let Some(by) = advance {
        app.clock.advance(by);
        tracing::debug!(by = duration_text(by), "the clock was advanced");
    }
    if change.resume {
        app.clock.resume();
    }
    Ok(())
}
