//! What is answered: made up by the synthesizer, written by the protocol's encoder, with templates where a value may vary.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use standin_core::{CallContext, Dice, OperationError};
use standin_mock::synthesis::{Fill, Synthesizer, example_input, synthesize_error};
use standin_model::{Catalogue, Protocol, Service, ShapeIx, Timestamp};
use standin_wire::Response;
use standin_wire::server::{encode_error, encode_response};

use super::echo;
use super::requests::Claim;
use super::vary::{self, Marks};

/// Stands for the id of the request until it becomes a template, as every other UUID.
pub(super) const REQUEST_ID: &str = "7d9c1e5a-0b64-4f0e-9a35-4c1f6d2be801";

/// 2026-01-01T00:00:00Z, as the origin of standin's clock.
const ORIGIN_SECONDS: i64 = 1_767_225_600;

/// What Mockoon does by itself, what would tell of a body that the template changes, and what only a real service knows.
const LEFT_OUT: [&str; 4] = ["x-amz-crc32", "content-md5", "x-amz-id-2", "date"];

/// A response as Mockoon is to send it.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) is_template: bool,
}

impl Answer {
    /// Turns a message into a template.
    pub(super) fn of(response: Response, marks: &Marks) -> Self {
        let Response { status, headers, body } = response;
        let mut sent = Vec::with_capacity(headers.len());
        for (name, value) in &headers {
            let of_mockoon = [CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING].contains(name);
            if of_mockoon || LEFT_OUT.contains(&name.as_str()) || name.as_str().starts_with("x-amz-checksum-") {
                continue;
            }
            // Headers are templates whatever the response says.
            if let Some(value) = value.to_str().ok().filter(|value| !value.contains("{{")) {
                sent.push((name.as_str().to_owned(), marks.in_header(value)));
            }
        }
        let (body, is_template) = match std::str::from_utf8(&body) {
            Ok(text) if !is_binary(text) => marks.in_body(text),
            _ => {
                // Mockoon keeps bodies as text; this charset makes bytes of the first 256 characters.
                for (_, value) in sent.iter_mut().filter(|(name, _)| name == CONTENT_TYPE.as_str()) {
                    *value = format!("{}; charset=iso-8859-1", value.split(';').next().unwrap_or_default());
                }
                (body.iter().map(|byte| char::from(*byte)).collect(), false)
            }
        };
        Self { status: status.as_u16(), headers: sent, body, is_template }
    }
}

/// Whether a body would not survive as text.
fn is_binary(text: &str) -> bool {
    text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
}

/// Makes the answers of one export.
pub(super) struct Answers {
    synthesizer: Synthesizer,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self { synthesizer: Synthesizer::new(Catalogue::shared()) }
    }

    pub(super) fn success(&self, service: &'static Service, claim: &Claim) -> Answer {
        let operation = claim.operation;
        let context = context(service, claim);
        let mut draw = context.dice.key("input").text(operation.name).draw();
        let input = example_input(service, operation, Fill::Required, &mut draw);
        let mut output = self.synthesizer.synthesize(&context, &input);
        let mut marks = Marks::default();
        echo::mark(service, claim, &input, &mut marks);
        if claim.protocol != Protocol::RpcV2Cbor {
            vary::mark(service, operation.output, &mut output, &mut marks);
        }
        Answer::of(encode_response(claim.protocol, service, operation, REQUEST_ID, &output), &marks)
    }

    /// `None` where the shape is no error.
    pub(super) fn error(&self, service: &'static Service, claim: &Claim, shape: ShapeIx) -> Option<Answer> {
        service.structure(shape)?.error.as_ref()?;
        let operation = claim.operation;
        let name = service.shape(shape).name;
        let context = context(service, claim);
        let mut error = OperationError::new(name, format!("{name}, as this mock was asked to answer"));
        error.members = synthesize_error(&context, service, Some(operation), shape);
        let sent = encode_error(claim.protocol, Some(service), Some(operation), REQUEST_ID, &error);
        Some(Answer::of(sent, &Marks::default()))
    }
}

fn context(service: &'static Service, claim: &Claim) -> CallContext {
    let origin = Timestamp::from_seconds(ORIGIN_SECONDS);
    CallContext {
        request_id: REQUEST_ID.into(),
        ordinal: 1,
        service,
        operation: claim.operation,
        protocol: claim.protocol,
        partition: "aws",
        account: Arc::from("000000000000"),
        region: Arc::from("us-east-1"),
        access_key: None,
        base_url: Arc::from("http://localhost:3000"),
        now: origin,
        origin,
        dice: Dice::new(0),
        mishap: None,
    }
}
