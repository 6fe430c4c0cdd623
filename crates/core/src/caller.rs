//! Services that call each other.

use std::sync::{Arc, OnceLock};

use standin_model::{Catalogue, Document, Fields, Operation, Service, Timestamp};

use crate::{Answer, Call, CallContext, Dice, OperationError, Registry};

/// Where the server is found as long as it does not listen.
const NOWHERE: &str = "http://localhost";

/// Calls operations of other services through their handlers, as a service does for its user: no socket, no protocol.
#[derive(Clone)]
pub struct Caller {
    catalogue: &'static Catalogue,
    registry: Arc<Registry>,
    /// The reference of synthesised timestamps.
    origin: Timestamp,
    dice: Dice,
    base_url: Arc<OnceLock<Arc<str>>>,
}

/// Where and when something is called, and for whom.
#[derive(Clone, Debug)]
pub struct Place {
    /// The id of a partition; one that nobody knows is `aws`.
    pub partition: String,
    /// 12 digits.
    pub account: String,
    pub region: String,
    /// Whose key the call counts as signed with.
    pub access_key: Option<Arc<str>>,
    pub now: Timestamp,
}

impl Caller {
    pub fn new(catalogue: &'static Catalogue, registry: Arc<Registry>, origin: Timestamp, dice: Dice) -> Self {
        Self { catalogue, registry, origin, dice, base_url: Arc::default() }
    }

    /// With what URLs in answers begin with: scheme, host and port, known at the latest when the server listens.
    #[must_use]
    pub fn with_base_url(mut self, base_url: Arc<OnceLock<Arc<str>>>) -> Self {
        self.base_url = base_url;
        self
    }

    /// With draws of its own.
    #[must_use]
    pub fn with_dice(mut self, dice: Dice) -> Self {
        self.dice = dice;
        self
    }

    /// An operation by the catalogue's id of its service and its name.
    pub fn operation(&self, service: &str, operation: &str) -> Option<(&'static Service, &'static Operation)> {
        let service = self.catalogue.newest(service)?.open().ok()?;
        Some((service, service.operation(operation)?))
    }

    /// Calls `service:operation`. `nonce` makes its draws its own: what the call is for.
    ///
    /// # Errors
    /// Those of the operation, and an internal one where the catalogue has no such operation.
    pub async fn call(
        &self,
        place: &Place,
        (service, operation): (&str, &str),
        input: Fields,
        nonce: &str,
    ) -> Result<Answer, OperationError> {
        let unknown = || OperationError::internal(format!("the catalogue has no {service}:{operation}"));
        let called = self.operation(service, operation).ok_or_else(unknown)?;
        self.call_known(place, called, input, nonce).await
    }

    /// Calls an operation that [`Self::operation`] found.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn call_known(
        &self,
        place: &Place,
        (service, operation): (&'static Service, &'static Operation),
        input: Fields,
        nonce: &str,
    ) -> Result<Answer, OperationError> {
        let known = self.catalogue.partitions().all().iter().find(|known| known.id == place.partition);
        let mut key = self.dice.key("caller");
        key.text(nonce).text(service.id).text(operation.name).number(place.now.as_millis().cast_unsigned());
        let mut draw = key.draw();
        let context = CallContext {
            request_id: format!("{:016x}{:016x}", draw.next_u64(), draw.next_u64()).into(),
            ordinal: 0,
            service,
            operation,
            protocol: service.protocol(),
            partition: known.map_or("aws", |known| known.id),
            account: place.account.as_str().into(),
            region: place.region.as_str().into(),
            access_key: place.access_key.clone(),
            base_url: self.base_url.get().cloned().unwrap_or_else(|| NOWHERE.into()),
            now: place.now,
            origin: self.origin,
            dice: self.dice,
            mishap: None,
        };
        let handler = self.registry.find(&context);
        let mut call = Call { context, input: Document::Map(input), body: None };
        handler.handle(&mut call).await
    }

    /// Calls an operation whose answer has a payload, and reads it whole: at most `bytes_max` of it.
    ///
    /// # Errors
    /// As [`Self::call`], and an internal one where the payload breaks off.
    pub async fn payload(
        &self,
        place: &Place,
        called: (&str, &str),
        input: Fields,
        nonce: &str,
        (member, bytes_max): (&str, usize),
    ) -> Result<Vec<u8>, OperationError> {
        let mut answer = self.call(place, called, input, nonce).await?;
        let mut bytes = match answer.output.get(member) {
            Some(Document::Blob(bytes)) => bytes.to_vec(),
            _ => Vec::new(),
        };
        if let Some(body) = &mut answer.body {
            while bytes.len() < bytes_max
                && let Some(piece) = body.next().await
            {
                bytes.extend_from_slice(&piece.map_err(OperationError::internal)?);
            }
        }
        bytes.truncate(bytes_max);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxFuture, Fidelity, Handler};
    use standin_model::{Operation, Service};

    /// Answers with who asked for what.
    struct Echo;

    impl Handler for Echo {
        fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
            let context = &call.context;
            let text = format!("{} {} {}", context.operation.name, context.account, context.region);
            let mut output = Fields::new();
            output.push("Body", Document::Blob(text.into_bytes().into()));
            Box::pin(std::future::ready(Ok(Answer::new(Document::Map(output), Fidelity::Engine))))
        }

        fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
            Fidelity::Engine
        }
    }

    fn check(called: (&str, &str), bytes_max: usize, expect: Result<&str, &str>) {
        let registry = Arc::new(Registry::new(Arc::new(Echo)));
        let caller = Caller::new(Catalogue::shared(), registry, Timestamp::default(), Dice::new(1));
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            access_key: None,
            now: Timestamp::default(),
        };
        let mut future = Box::pin(caller.payload(&place, called, Fields::new(), "test", ("Body", bytes_max)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(answer) = future.as_mut().poll(&mut context) else { panic!("nothing waits") };
        let answer = answer.map(|bytes| String::from_utf8(bytes).expect("it is text")).map_err(|error| error.code);
        assert_eq!(answer.as_deref().map_err(|code| &**code), expect);
    }

    #[test]
    fn calls_go_to_the_handler_of_the_operation() {
        check(("s3", "GetObject"), 100, Ok("GetObject 123456789012 eu-west-1"));
        check(("s3", "GetObject"), 9, Ok("GetObject"));
        check(("s3", "GetNothing"), 100, Err(crate::codes::INTERNAL_FAILURE));
        check(("nothing", "GetObject"), 100, Err(crate::codes::INTERNAL_FAILURE));
    }
}
