//! What a template sees while it is rendered.

use jiff::tz::TimeZone;
use standin_core::Clock;

use crate::{Random, Value};

/// The request that a template answers. Without one, the helpers that ask for it do not exist and print nothing.
pub trait Request {
    /// The body as it came.
    fn raw_body(&self) -> &str;

    /// The body as it was parsed by its content type; the raw text where nothing parses that type, `None` without a body.
    fn body(&self) -> Option<&Value>;

    /// The query string as an object.
    fn query(&self) -> &Value;

    /// Parameters of the path as an object; wildcards are lists.
    fn params(&self) -> &Value;

    /// All headers as an object, names in lower case.
    fn headers(&self) -> &Value;

    /// A header by its name in any case.
    fn header(&self, name: &str) -> Option<&str> {
        match self.headers() {
            Value::Object(headers) => match headers.get(&name.to_ascii_lowercase()) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// All cookies as an object.
    fn cookies(&self) -> &Value;

    /// In upper case.
    fn method(&self) -> &str;

    /// Without a port.
    fn hostname(&self) -> &str;

    fn ip(&self) -> &str;

    /// Where the server is reached, with scheme and prefix.
    fn base_url(&self) -> String;
}

/// What outlives a request: data buckets, global variables, and environment variables.
pub trait Data {
    /// A bucket by its id or a part of its name.
    fn bucket(&self, id_or_name: &str) -> Option<Value>;

    /// Changes a bucket as one step; the change is not called if there is no such bucket.
    fn change_bucket(&self, id_or_name: &str, change: &mut dyn FnMut(&mut Value));

    fn global(&self, name: &str) -> Option<Value>;

    fn set_global(&self, name: &str, value: Value);

    /// An environment variable by the name in the template; whose prefix is allowed is for the implementation to say.
    fn env_var(&self, name: &str) -> Option<String>;
}

/// How much one rendering may use, so that a template cannot take the process down.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the output, and bytes that helpers may make besides.
    pub bytes: usize,
    /// Statements, calls and items that are looked at.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, steps: 10_000_000 }
    }
}

/// Everything that one rendering may look at.
pub struct Scope<'a> {
    pub(crate) context: Value,
    pub(crate) request: Option<&'a dyn Request>,
    pub(crate) data: Option<&'a dyn Data>,
    pub(crate) clock: &'a Clock,
    pub(crate) random: &'a Random,
    pub(crate) zone: TimeZone,
    pub(crate) limits: Limits,
    pub(crate) plain: bool,
    pub(crate) takes_status: bool,
    pub(crate) status: Option<u16>,
}

impl<'a> Scope<'a> {
    /// An empty object as context, no request, no data, the zone UTC.
    pub fn new(clock: &'a Clock, random: &'a Random) -> Self {
        Self {
            context: Value::from_members(Default::default()),
            request: None,
            data: None,
            clock,
            random,
            zone: TimeZone::UTC,
            limits: Limits::default(),
            plain: false,
            takes_status: false,
            status: None,
        }
    }

    /// What `{{this}}` is.
    #[must_use]
    pub fn with_context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }

    #[must_use]
    pub fn with_request(mut self, request: &'a dyn Request) -> Self {
        self.request = Some(request);
        self
    }

    #[must_use]
    pub fn with_data(mut self, data: &'a dyn Data) -> Self {
        self.data = Some(data);
        self
    }

    /// The zone in which dates are printed and read.
    #[must_use]
    pub fn with_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Writes texts as they are, not escaped for HTML.
    #[must_use]
    pub fn without_escaping(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Lets the template set the status of the response.
    #[must_use]
    pub fn with_status(mut self) -> Self {
        self.takes_status = true;
        self
    }

    /// The status that the template has set.
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}
