//! The shape graph as the rest of standin walks it.
//!
//! Names and traits follow Smithy's vocabulary; where botocore's `service-2.json` uses another word,
//! the item says so.

use std::fmt;

/// A name from a model. Lives as long as the process (see the crate's invariants).
pub type Str = &'static str;

/// The index of a shape within [`Service::shapes`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ShapeIx(pub u32);

/// A wire protocol, in Smithy's names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Protocol {
    AwsJson1_0 = 0,
    AwsJson1_1 = 1,
    RestJson1 = 2,
    RestXml = 3,
    AwsQuery = 4,
    Ec2Query = 5,
    RpcV2Cbor = 6,
}

impl Protocol {
    /// All protocols, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::AwsJson1_0,
        Self::AwsJson1_1,
        Self::RestJson1,
        Self::RestXml,
        Self::AwsQuery,
        Self::Ec2Query,
        Self::RpcV2Cbor,
    ];

    /// The protocol's name as Smithy's trait spells it.
    pub fn name(self) -> Str {
        match self {
            Self::AwsJson1_0 => "awsJson1_0",
            Self::AwsJson1_1 => "awsJson1_1",
            Self::RestJson1 => "restJson1",
            Self::RestXml => "restXml",
            Self::AwsQuery => "awsQuery",
            Self::Ec2Query => "ec2Query",
            Self::RpcV2Cbor => "rpcv2Cbor",
        }
    }

    /// Whether operations are told apart by HTTP method and path.
    pub fn is_rest(self) -> bool {
        matches!(self, Self::RestJson1 | Self::RestXml)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One API version of one service.
#[derive(Debug, PartialEq)]
pub struct Service {
    /// The catalogue's id: botocore's folder, which is also the AWS CLI's command (`mwaa`, `accessanalyzer`).
    pub id: Str,
    /// The API version, a date (`2020-07-01`).
    pub version: Str,
    /// The SDK id (`serviceId`: `MWAA`, `Elastic Transcoder`).
    pub sdk_id: Str,
    /// The full name (`serviceFullName`).
    pub title: Str,
    /// The first label of the service's host name (`airflow`).
    pub endpoint_prefix: Str,
    /// The name in the credential scope (`signingName`, else the endpoint prefix).
    pub signing_name: Str,
    /// The one host of a global service, where the model names it.
    pub global_endpoint: Option<Str>,
    /// Supported protocols; the model's own preference first. Never empty.
    pub protocols: Box<[Protocol]>,
    /// The prefix of `X-Amz-Target`, also the service name in RPC v2 paths.
    pub target_prefix: Option<Str>,
    /// The XML namespace of the whole service.
    pub xml_namespace: Option<Str>,
    /// Whether errors also carry their legacy query code (`awsQueryCompatible`).
    pub query_compatible: bool,
    /// Whether SHA-256 etc. are ignored and the service takes no signature at all (`signatureVersion`/`auth` of `none`, `bearer` …).
    pub auth: Box<[Str]>,
    /// Whether AWS has dropped this service and standin keeps it alive.
    pub retired: bool,
    /// Sorted by name.
    pub operations: Box<[Operation]>,
    /// All shapes; [`ShapeIx`] points in here. Sorted by name.
    pub shapes: Box<[Shape]>,
    pub waiters: Box<[Waiter]>,
}

impl Service {
    /// The shape behind an index of this service.
    pub fn shape(&self, ix: ShapeIx) -> &Shape {
        &self.shapes[ix.0 as usize]
    }

    /// The operation of that exact name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        let at = self.operations.binary_search_by(|op| op.name.cmp(name)).ok()?;
        Some(&self.operations[at])
    }

    /// The shape of that exact name.
    pub fn shape_named(&self, name: &str) -> Option<ShapeIx> {
        let at = self.shapes.binary_search_by(|shape| shape.name.cmp(name)).ok()?;
        Some(ShapeIx(u32::try_from(at).expect("a service has fewer than 2^32 shapes")))
    }

    /// The structure behind an index, if it is one.
    pub fn structure(&self, ix: ShapeIx) -> Option<&Structure> {
        match &self.shape(ix).kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    /// The protocol that the model prefers.
    pub fn protocol(&self) -> Protocol {
        self.protocols[0]
    }

    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// The shape that a list or map member, or a structure's member, targets in the end (itself here; kept as one name for readers).
    pub fn target<'s>(&'s self, member: &Member) -> &'s Shape {
        self.shape(member.target)
    }
}

#[derive(Debug, PartialEq)]
pub struct Operation {
    pub name: Str,
    pub http: Http,
    /// Always a structure where present.
    pub input: Option<ShapeIx>,
    /// Always a structure where present.
    pub output: Option<ShapeIx>,
    /// Error structures, as listed.
    pub errors: Box<[ShapeIx]>,
    /// `awsQuery`: the element around the output (`XResult`).
    pub result_wrapper: Option<Str>,
    /// REST-XML: the root element of the input, where the operation names it.
    pub input_root: Option<Str>,
    pub input_namespace: Option<Str>,
    /// EC2: the element that holds the output, where the operation names it.
    pub output_root: Option<Str>,
    /// Goes before the endpoint's host (`api.`, `{AccountId}.`).
    pub host_prefix: Option<Str>,
    /// Auth schemes of this operation alone (`none`, `v4-unsigned-body`, `smithy.api#noAuth` …); empty = the service's.
    pub auth: Box<[Str]>,
    pub idempotent: bool,
    pub readonly: bool,
    pub deprecated: bool,
    pub checksum_required: bool,
    pub endpoint_operation: bool,
    pub http_checksum: Option<Box<HttpChecksum>>,
    /// Encodings that the client may use for the request body (`gzip`).
    pub request_compression: Box<[Str]>,
    pub paginator: Option<Box<Paginator>>,
}

#[derive(Debug, PartialEq)]
pub struct Http {
    pub method: Str,
    pub uri: Uri,
    /// Status of a success; 200 where the model is silent.
    pub status: u16,
}

/// A parsed URI pattern, `/environments/{Name}/tags/{Path+}?list-type=2`.
#[derive(Debug, PartialEq)]
pub struct Uri {
    /// As written in the model.
    pub text: Str,
    pub segments: Box<[Segment]>,
    /// Query literals: the key, and the value where one is given. All must be in the request.
    pub query: Box<[(Str, Option<Str>)]>,
}

impl Uri {
    /// Parses a pattern as models write it. Unbalanced braces make a literal.
    pub fn parse(text: Str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let segments = path
            .strip_prefix('/')
            .unwrap_or(path)
            .split('/')
            .map(|segment| match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(label) => match label.strip_suffix('+') {
                    Some(greedy) => Segment::Greedy(greedy),
                    None => Segment::Label(label),
                },
                None => Segment::Literal(segment),
            })
            .collect();
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (pair, None),
            })
            .collect();
        Self { text, segments, query }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    Literal(Str),
    Label(Str),
    /// Matches one or more segments, slashes included.
    Greedy(Str),
}

#[derive(Debug, PartialEq)]
pub struct HttpChecksum {
    pub request_required: bool,
    /// The input member that names the algorithm.
    pub request_algorithm_member: Option<Str>,
    /// The input member that asks for checksums in the answer.
    pub request_validation_mode_member: Option<Str>,
    pub response_algorithms: Box<[Str]>,
}

/// From botocore's `paginators-1.json`. Members are `JMESPath` expressions over the input or output.
#[derive(Debug, PartialEq)]
pub struct Paginator {
    pub input_token: Box<[Str]>,
    pub output_token: Box<[Str]>,
    pub limit_key: Option<Str>,
    pub more_results: Option<Str>,
    pub result_key: Box<[Str]>,
}

/// From botocore's `waiters-2.json`.
#[derive(Debug, PartialEq)]
pub struct Waiter {
    pub name: Str,
    pub operation: Str,
    pub delay_seconds: u32,
    pub max_attempts: u32,
    pub acceptors: Box<[Acceptor]>,
}

#[derive(Debug, PartialEq)]
pub struct Acceptor {
    pub state: WaiterState,
    /// `path`, `pathAll`, `pathAny`, `status` or `error`.
    pub matcher: Str,
    /// A `JMESPath` expression; empty for `status` and `error`.
    pub argument: Str,
    /// The expected value, as JSON text.
    pub expected: Str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WaiterState {
    Success = 0,
    Failure = 1,
    Retry = 2,
}

/// One modelled example of an operation. Values are as botocore writes them: JSON by member name.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub input: serde_json::Value,
    pub output: serde_json::Value,
}

#[derive(Debug, PartialEq)]
pub struct Shape {
    pub name: Str,
    pub kind: Kind,
    pub sensitive: bool,
    /// Query: the element around each item is this shape's name (`wrapper`); legacy.
    pub wrapper: bool,
    /// XML: the element name at the root only.
    pub location_name: Option<Str>,
    pub xml_namespace: Option<XmlNamespace>,
    pub constraints: Option<Box<Constraints>>,
}

impl Shape {
    pub fn is_streaming(&self) -> bool {
        match &self.kind {
            Kind::Blob { streaming, .. } => *streaming,
            Kind::Structure(structure) => structure.event_stream,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XmlNamespace {
    pub prefix: Option<Str>,
    pub uri: Str,
}

#[derive(Debug, PartialEq)]
pub enum Kind {
    Structure(Box<Structure>),
    List(Box<ListShape>),
    Map(Box<MapShape>),
    /// `enum_values` is empty for a free string.
    String {
        enum_values: Box<[Str]>,
    },
    Blob {
        streaming: bool,
        /// Streaming only with a known length.
        requires_length: bool,
    },
    Boolean,
    Byte,
    Short,
    Integer,
    Long,
    BigInteger,
    Float,
    Double,
    BigDecimal,
    Timestamp(Option<TimestampFormat>),
    /// Any JSON-like value (`document: true` in botocore).
    Document,
}

impl Kind {
    /// The kind's name in Smithy's words, lower case.
    pub fn name(&self) -> Str {
        match self {
            Self::Structure(structure) if structure.union => "union",
            Self::Structure(_) => "structure",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::String { enum_values } if !enum_values.is_empty() => "enum",
            Self::String { .. } => "string",
            Self::Blob { .. } => "blob",
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Integer => "integer",
            Self::Long => "long",
            Self::BigInteger => "bigInteger",
            Self::Float => "float",
            Self::Double => "double",
            Self::BigDecimal => "bigDecimal",
            Self::Timestamp(_) => "timestamp",
            Self::Document => "document",
        }
    }
}

#[derive(Debug, PartialEq, Default)]
pub struct Structure {
    pub members: Box<[Member]>,
    /// The index of the member that is the whole HTTP body.
    pub payload: Option<u16>,
    /// At most one member is set.
    pub union: bool,
    /// Set on error shapes.
    pub error: Option<Box<ErrorTrait>>,
    /// A union of events that travel as a stream.
    pub event_stream: bool,
    /// A member of an event stream.
    pub event: bool,
}

impl Structure {
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The member bound to the whole body.
    pub fn payload_member(&self) -> Option<&Member> {
        self.payload.map(|at| &self.members[at as usize])
    }
}

#[derive(Debug, PartialEq, Default)]
pub struct ErrorTrait {
    /// The code on the wire where it is not the shape's name.
    pub code: Option<Str>,
    /// The HTTP status; 400 for a client's fault and 500 for a server's where the model is silent.
    pub status: Option<u16>,
    /// The server is to blame.
    pub fault: bool,
    pub sender_fault: bool,
    pub retryable: bool,
    pub throttling: bool,
}

impl ErrorTrait {
    /// The HTTP status, derived from whose fault it is where the model gives none (AWS's protocol specifications).
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or(if self.fault { 500 } else { 400 })
    }
}

#[derive(Debug, PartialEq)]
pub struct Member {
    pub name: Str,
    pub target: ShapeIx,
    pub required: bool,
    pub location: Location,
    /// `locationName`: the name on the wire where it differs from `name`. Of an XML payload: the root element's name.
    pub location_name: Option<Str>,
    /// EC2 query only: the name in requests.
    pub query_name: Option<Str>,
    pub flattened: bool,
    pub xml_attribute: bool,
    pub xml_namespace: Option<Box<XmlNamespace>>,
    pub timestamp_format: Option<TimestampFormat>,
    pub idempotency_token: bool,
    pub json_value: bool,
    pub host_label: bool,
    pub streaming: bool,
    pub event_payload: bool,
    pub event_header: bool,
    pub deprecated: bool,
}

impl Member {
    /// The name on the wire: `locationName`, else the member's own.
    pub fn wire_name(&self) -> Str {
        self.location_name.unwrap_or(self.name)
    }
}

/// Where a member travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Location {
    #[default]
    Body = 0,
    Uri = 1,
    Query = 2,
    /// All query parameters that no other member claims (`httpQueryParams`): a query member whose target is a map.
    QueryParams = 3,
    Header = 4,
    /// All headers with a prefix (`headers` in botocore).
    PrefixHeaders = 5,
    StatusCode = 6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimestampFormat {
    DateTime = 0,
    EpochSeconds = 1,
    HttpDate = 2,
}

#[derive(Debug, PartialEq)]
pub struct ListShape {
    pub member: Member,
    pub flattened: bool,
    /// Items may be null.
    pub sparse: bool,
}

#[derive(Debug, PartialEq)]
pub struct MapShape {
    pub key: Member,
    pub value: Member,
    pub flattened: bool,
    pub sparse: bool,
}

/// Length of strings (characters), blobs (bytes), lists and maps (items); range of numbers; pattern of strings.
#[derive(Debug, PartialEq, Default)]
pub struct Constraints {
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    pub pattern: Option<Str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    Int(i64),
    Float(f64),
}

impl Bound {
    pub fn as_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "bounds beyond 2^53 are compared approximately")]
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The bound as an integer; fractions are cut.
    pub fn as_i64(self) -> i64 {
        match self {
            Self::Int(value) => value,
            #[expect(clippy::cast_possible_truncation, reason = "documented: fractions are cut")]
            Self::Float(value) => value as i64,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}
