//! Events for EventBridge: `PutEvents` of whatever speaks its API.

use standin_core::{Call, CallContext, Clock};
use standin_model::{Document, Fields};
use standin_store::Event;

use crate::app::App;
use crate::pass::{Failed, PassOn, Upstream};

/// The catalogue's id of EventBridge.
const SERVICE: &str = "events";

/// Puts one event.
///
/// # Errors
/// Why it was not taken.
pub(super) async fn put(app: &App, upstream: &Upstream, bus: Option<&str>, event: &Event) -> Result<(), String> {
    let unknown = || "the catalogue has no EventBridge".to_owned();
    let service = app.catalogue.newest(SERVICE).ok_or_else(unknown)?.open().map_err(|error| error.to_string())?;
    let operation = service.operation("PutEvents").ok_or_else(unknown)?;
    let text = |name: &str| event.body.get(name).and_then(Document::as_str).unwrap_or_default().to_owned();
    let mut entry = Fields::new();
    entry.push("Time", Clock::real().now());
    entry.push("Source", text("source"));
    entry.push("Resources", event.body.get("resources").cloned().unwrap_or_default());
    entry.push("DetailType", text("detail-type"));
    entry.push("Detail", event.body.get("detail").cloned().unwrap_or_default().to_json().to_string());
    if let Some(bus) = bus {
        entry.push("EventBusName", bus.to_owned());
    }
    let mut input = Fields::new();
    input.push("Entries", vec![Document::Map(entry)]);
    let now = Clock::real().now();
    let context = CallContext {
        request_id: text("id").into(),
        ordinal: 0,
        service,
        operation,
        protocol: service.protocol(),
        partition: "aws",
        account: (*event.space.account).into(),
        region: (*event.space.region).into(),
        // Another stand-in takes the account from the key.
        access_key: Some((*event.space.account).into()),
        base_url: "http://localhost".into(),
        now,
        origin: now,
        dice: app.dice,
        mishap: None,
    };
    let mut call = Call { context, input: Document::Map(input), body: None };
    let answer = PassOn::new(upstream.clone()).pass(&mut call).await.map_err(|failed| match failed {
        Failed::Refused(error) | Failed::Broken(error) => error.to_string(),
    })?;
    match answer.output.get("FailedEntryCount").and_then(Document::as_i64) {
        None | Some(0) => Ok(()),
        Some(_) => {
            let entries = answer.output.get("Entries").and_then(Document::as_list).unwrap_or_default();
            let refused = entries.first().map_or_else(String::new, |entry| entry.to_json().to_string());
            Err(format!("the entry was refused: {refused}"))
        }
    }
}
