//! Routes of one REST service: method and path to operations.

use http::HeaderMap;
use standin_model::{Location, Operation, Segment, Service, Str, Uri};

/// The compiled routes of one API version. Built on the first request to it.
#[derive(Debug, Default)]
pub(crate) struct Router {
    methods: Vec<(Str, Node)>,
}

#[derive(Debug, Default)]
struct Node {
    literals: Vec<(Str, Node)>,
    label: Option<Box<Node>>,
    greedy: Option<Box<Node>>,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    /// The index in [`Service::operations`].
    operation: u32,
    query: &'static [(Str, Option<Str>)],
    /// Required query parameters and headers, by their names on the wire: what tells `CopyObject` from `PutObject`.
    required: Box<[(Location, Str)]>,
    literal_segments: u32,
    /// The operation's name, which some clients repeat as `x-id`.
    name: Str,
    ends_in_slash: bool,
    deprecated: bool,
}

/// How well a route fits; the greater wins. Fields in order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fit {
    /// The query names the operation: `x-id=GetObject`.
    named: bool,
    query_literals: usize,
    /// All required query parameters and headers are there.
    complete: bool,
    required: usize,
    literal_segments: u32,
    /// The path ends in a slash where the pattern does: Lex V2's `/bots/{botId}/` is not Lex's `/bots/{name}`.
    slash: bool,
    /// Of twins such as `GetBucketNotification` and `GetBucketNotificationConfiguration` the one that is not deprecated.
    current: bool,
}

impl Fit {
    /// Literal path segments that matched: tells services that share a signing name apart.
    pub(crate) fn literal_segments(self) -> u32 {
        self.literal_segments
    }
}

/// A path goes no deeper than this many segments when it is matched; what is beyond stays one piece.
const SEGMENTS_MAX: usize = 256;

impl Router {
    pub(crate) fn new(service: &'static Service) -> Self {
        let mut router = Self::default();
        for (at, operation) in (0..).zip(&service.operations) {
            let http = &operation.http;
            let place = match router.methods.iter().position(|(method, _)| *method == http.method) {
                Some(place) => place,
                None => {
                    router.methods.push((http.method, Node::default()));
                    router.methods.len() - 1
                }
            };
            let route = Route {
                operation: at,
                query: &http.uri.query,
                required: required(service, operation),
                literal_segments: literal_segments(&http.uri),
                name: operation.name,
                ends_in_slash: http.uri.segments.len() > 1 && http.uri.segments.last() == Some(&Segment::Literal("")),
                deprecated: operation.deprecated,
            };
            router.methods[place].1.insert(path_segments(&http.uri), route);
        }
        router
    }

    /// The operation whose route fits best, with how well it fits.
    pub(crate) fn find(&self, method: &str, path: &str, query: &str, headers: &HeaderMap) -> Option<(u32, Fit)> {
        let (_, root) = self.methods.iter().find(|(name, _)| *name == method)?;
        let mut segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).splitn(SEGMENTS_MAX, '/').collect();
        let mut best = None;
        let slash = segments.len() > 1 && segments.last() == Some(&"");
        root.walk(&segments, &mut |route| route.weigh(query, headers, slash, &mut best));
        // `/functions/` is `/functions`.
        if best.is_none() && slash {
            segments.pop();
            root.walk(&segments, &mut |route| route.weigh(query, headers, slash, &mut best));
        }
        best
    }
}

fn path_segments(uri: &'static Uri) -> &'static [Segment] {
    // A pattern that ends in a slash is matched without it; the request's own is dropped likewise.
    match &uri.segments[..] {
        [rest @ .., Segment::Literal("")] if !rest.is_empty() => rest,
        all => all,
    }
}

pub(super) fn literal_segments(uri: &Uri) -> u32 {
    let literals = uri.segments.iter().filter(|segment| matches!(segment, Segment::Literal(text) if !text.is_empty()));
    u32::try_from(literals.count()).unwrap_or(u32::MAX)
}

fn required(service: &Service, operation: &Operation) -> Box<[(Location, Str)]> {
    let input = operation.input.and_then(|ix| service.structure(ix));
    input
        .into_iter()
        .flat_map(|input| input.members.iter())
        .filter(|member| member.required && matches!(member.location, Location::Query | Location::Header))
        .map(|member| (member.location, member.wire_name()))
        .collect()
}

impl Node {
    fn insert(&mut self, segments: &[Segment], route: Route) {
        let Some((first, rest)) = segments.split_first() else {
            self.routes.push(route);
            return;
        };
        let next = match first {
            Segment::Literal(text) => {
                let place = match self.literals.iter().position(|(literal, _)| literal == text) {
                    Some(place) => place,
                    None => {
                        self.literals.push((text, Self::default()));
                        self.literals.len() - 1
                    }
                };
                &mut self.literals[place].1
            }
            Segment::Label(_) => self.label.get_or_insert_default(),
            Segment::Greedy(_) => self.greedy.get_or_insert_default(),
        };
        next.insert(rest, route);
    }

    /// Shows every route that matches. The number of labels in a row bounds the branches: models are shallow.
    fn walk<'n>(&'n self, segments: &[&str], found: &mut impl FnMut(&'n Route)) {
        let Some((first, rest)) = segments.split_first() else {
            self.routes.iter().for_each(found);
            return;
        };
        if let Some((_, node)) = self.literals.iter().find(|(literal, _)| literal == first) {
            node.walk(rest, found);
        }
        if let Some(node) = &self.label
            && !first.is_empty()
        {
            node.walk(rest, found);
        }
        if let Some(node) = &self.greedy {
            if node.literals.is_empty() && node.label.is_none() && node.greedy.is_none() {
                if !(first.is_empty() && rest.is_empty()) {
                    node.routes.iter().for_each(found);
                }
            } else {
                for taken in 1..=segments.len() {
                    node.walk(&segments[taken..], found);
                }
            }
        }
    }
}

impl Route {
    fn weigh(&self, query: &str, headers: &HeaderMap, slash: bool, best: &mut Option<(u32, Fit)>) {
        // Only some clients send `x-id`, so that it decides between routes but is not needed for one.
        let literals = self.query.iter().filter(|(key, _)| *key != "x-id");
        let mut query_literals = 0;
        for (key, value) in literals {
            if !has_parameter(query, key, *value) {
                return;
            }
            query_literals += 1;
        }
        let present = |(location, name): &&(Location, Str)| match location {
            Location::Header => headers.contains_key(*name),
            _ => has_parameter(query, name, None),
        };
        let required = self.required.iter().filter(present).count();
        let fit = Fit {
            named: query.contains("x-id=") && has_parameter(query, "x-id", Some(self.name)),
            query_literals,
            complete: required == self.required.len(),
            required,
            literal_segments: self.literal_segments,
            slash: slash == self.ends_in_slash,
            current: !self.deprecated,
        };
        if best.is_none_or(|(_, best)| fit > best) {
            *best = Some((self.operation, fit));
        }
    }
}

/// Whether a raw query string has that parameter (with that value). Names in models need no percent-decoding,
/// but clients may encode them all the same.
fn has_parameter(query: &str, key: &str, value: Option<&str>) -> bool {
    query.split('&').any(|pair| {
        let (have, have_value) = pair.split_once('=').unwrap_or((pair, ""));
        same(have, key) && value.is_none_or(|value| same(have_value, value))
    })
}

fn same(raw: &str, text: &str) -> bool {
    raw == text || (raw.contains('%') && standin_wire::value::percent_decode(raw).is_ok_and(|plain| plain == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    fn check(service: &str, method: &str, target: &str, headers: &[(&'static str, &str)], expect: Option<&str>) {
        let service = Catalogue::shared().newest(service).expect("served").open().expect("opens");
        let router = Router::new(service);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a header")))
            .collect();
        let found = router.find(method, path, query, &headers).map(|(at, _)| service.operations[at as usize].name);
        assert_eq!(found, expect, "{method} {target}");
    }

    #[test]
    fn s3_operations_are_told_apart_by_query_and_headers() {
        check("s3", "GET", "/", &[], Some("ListBuckets"));
        check("s3", "GET", "/b", &[], Some("ListObjects"));
        check("s3", "GET", "/b/", &[], Some("ListObjects"));
        check("s3", "GET", "/b?list-type=2&prefix=x", &[], Some("ListObjectsV2"));
        check("s3", "PUT", "/b/k/with/slashes", &[], Some("PutObject"));
        check("s3", "PUT", "/b/k?x-id=PutObject", &[], Some("PutObject"));
        check("s3", "GET", "/?x-id=ListDirectoryBuckets", &[], Some("ListDirectoryBuckets"));
        check("s3", "PUT", "/b/k", &[("x-amz-copy-source", "/a/b")], Some("CopyObject"));
        check("s3", "PUT", "/b/k?partNumber=1&uploadId=u", &[], Some("UploadPart"));
        check("s3", "GET", "/b/k?uploadId=u", &[], Some("ListParts"));
        check("s3", "GET", "/b/k", &[], Some("GetObject"));
        check("s3", "POST", "/b?delete", &[], Some("DeleteObjects"));
        check("s3", "GET", "/b?notification", &[], Some("GetBucketNotificationConfiguration"));
        check("s3", "PATCH", "/b", &[], None);
    }

    #[test]
    fn literals_go_before_labels() {
        check("mwaa", "PUT", "/environments/my-env", &[], Some("CreateEnvironment"));
        check("mwaa", "GET", "/environments", &[], Some("ListEnvironments"));
        check("mwaa", "GET", "/environments/", &[], Some("ListEnvironments"));
        check("mwaa", "GET", "/tags/arn%3Aaws%3Aairflow", &[], Some("ListTagsForResource"));
        check("lambda", "GET", "/2015-03-31/functions/f/policy", &[], Some("GetPolicy"));
        check("lambda", "GET", "/2018-10-31/layers", &[], Some("ListLayers"));
        check("lambda", "GET", "/2018-10-31/layers?find=LayerVersion", &[], Some("GetLayerVersionByArn"));
        check("route53", "POST", "/2013-04-01/hostedzone/Z1/rrset/", &[], Some("ChangeResourceRecordSets"));
        check("mwaa", "GET", "/nothing/here/at/all", &[], None);
    }

    #[test]
    fn every_rest_operation_is_found_by_its_own_pattern() {
        for entry in Catalogue::shared().entries() {
            let service = entry.open().expect("opens");
            if !service.protocols.iter().any(|protocol| protocol.is_rest()) {
                continue;
            }
            let router = Router::new(service);
            for operation in &service.operations {
                let uri = &operation.http.uri;
                let path: String = uri
                    .segments
                    .iter()
                    .map(|segment| match segment {
                        Segment::Literal(text) => format!("/{text}"),
                        Segment::Label(_) => "/label".to_owned(),
                        Segment::Greedy(_) => "/greedy/path".to_owned(),
                    })
                    .collect();
                let mut query: Vec<String> =
                    uri.query.iter().map(|(key, value)| format!("{key}={}", value.unwrap_or_default())).collect();
                let mut headers = HeaderMap::new();
                for (location, name) in required(service, operation) {
                    match location {
                        Location::Header => {
                            let name: http::HeaderName = name.parse().expect("a header name");
                            headers.insert(name, http::HeaderValue::from_static("x"));
                        }
                        _ => query.push(format!("{name}=x")),
                    }
                }
                let found = router.find(operation.http.method, &path, &query.join("&"), &headers);
                let name = found.map(|(at, _)| &service.operations[at as usize]);
                // Two operations of one route and the same required parameters cannot be told apart by anybody.
                let twin = |other: &Operation| {
                    other.http.method == operation.http.method && other.http.uri.segments.len() == uri.segments.len()
                };
                assert!(
                    name.is_some_and(|found| found.name == operation.name || twin(found)),
                    "{} {}: {name:?}",
                    entry.id,
                    operation.name
                );
            }
        }
    }
}
