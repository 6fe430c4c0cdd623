use super::*;

struct Check {
    index: Index,
    defaults: Defaults,
}

impl Check {
    fn new() -> Self {
        Self {
            index: Index::new(Catalogue::shared()),
            defaults: Defaults { account: "000000000000".into(), region: "us-east-1".into() },
        }
    }

    fn identify(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        form: Option<&str>,
    ) -> Result<Identity, Box<Unidentified>> {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        self.index.identify(&parts, form.map(str::as_bytes), &self.defaults)
    }

    #[track_caller]
    fn is(&self, method: &str, uri: &str, headers: &[(&str, &str)], form: Option<&str>, expect: &str) {
        let found = self.identify(method, uri, headers, form);
        let found = match &found {
            Ok(identity) => format!("{}.{} {}", identity.service.id, identity.operation.name, identity.protocol),
            Err(miss) => format!("{} {}", miss.protocol, miss.error.code),
        };
        assert_eq!(found, expect, "{method} {uri} {headers:?}");
    }
}

fn signed(service: &str) -> String {
    signed_by("test", "us-east-1", service)
}

fn signed_by(key: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261122/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

#[test]
fn by_signature_and_path() {
    let check = Check::new();
    let auth = signed("airflow");
    check.is("GET", "/environments", &[("authorization", &auth)], None, "mwaa.ListEnvironments restJson1");
    check.is("GET", "/a/prefix/environments", &[("authorization", &auth)], None, "mwaa.ListEnvironments restJson1");
    let identity = check.identify("GET", "/p/environments/x", &[("authorization", &auth)], None).expect("found");
    assert_eq!(identity.path.as_deref(), Some("/environments/x"));
    for (signing, uri, expect) in [
        ("ses", "/v2/email/account", "sesv2.GetAccount restJson1"),
        ("ses", "/v1/email/identities", "pinpoint-email.ListEmailIdentities restJson1"),
        ("bedrock", "/foundation-models", "bedrock.ListFoundationModels restJson1"),
        ("apigateway", "/restapis", "apigateway.GetRestApis restJson1"),
        ("apigateway", "/v2/apis", "apigatewayv2.GetApis restJson1"),
        ("execute-api", "/@connections/abc", "apigatewaymanagementapi.GetConnection restJson1"),
        ("es", "/2015-01-01/domain", "es.ListDomainNames restJson1"),
        ("es", "/2021-01-01/domain", "opensearch.ListDomainNames restJson1"),
        ("s3", "/v20180820/jobs", "s3control.ListJobs restXml"),
        ("s3", "/bucket/key", "s3.GetObject restXml"),
        ("cloudfront", "/2020-05-31/distribution", "cloudfront.ListDistributions restXml"),
        ("cloudfront", "/2014-05-31/distribution", "cloudfront.ListDistributions restXml"),
        ("lambda", "/2014-11-13/functions/f/configuration", "lambda.GetFunctionConfiguration restJson1"),
    ] {
        let auth = signed(signing);
        let host = ("host", "127.0.0.1:4566");
        let found = check.identify("GET", uri, &[("authorization", &auth), host], None);
        let name = found.map(|i| format!("{}.{} {}", i.service.id, i.operation.name, i.protocol));
        let name = name.unwrap_or_else(|miss| miss.error.to_string());
        assert_eq!(name, expect, "{uri}");
    }
}

#[test]
fn by_target_rpc_path_and_action() {
    let check = Check::new();
    let json10 = ("content-type", "application/x-amz-json-1.0");
    check.is(
        "POST",
        "/",
        &[("x-amz-target", "AwsProton20200720.ListServices"), json10],
        None,
        "proton.ListServices awsJson1_0",
    );
    check.is("POST", "/", &[("x-amz-target", "AmazonSQS.ListQueues"), json10], None, "sqs.ListQueues awsJson1_0");
    check.is(
        "POST",
        "/",
        &[("x-amz-target", "AmazonSQS.ListQueuez"), json10],
        None,
        "awsJson1_0 UnknownOperationException",
    );
    for prefix in ["com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "CloudTrail_20131101"] {
        let target = format!("{prefix}.ListTrails");
        let found = check.identify("POST", "/", &[("x-amz-target", &target), json10], None).expect("found");
        assert_eq!(found.operation.name, "ListTrails", "{prefix}");
    }
    let cbor = ("smithy-protocol", "rpc-v2-cbor");
    let path = "/service/GraniteServiceVersion20100801/operation/ListMetrics";
    check.is("POST", path, &[cbor], None, "cloudwatch.ListMetrics rpcv2Cbor");
    check.is("POST", "/service/Nobody/operation/Nothing", &[cbor], None, "rpcv2Cbor UnknownOperationException");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let auth = signed("ec2");
    let body = Some("Action=DescribeInstances&Version=2016-11-15");
    check.is("POST", "/", &[form, ("authorization", &auth)], body, "ec2.DescribeInstances ec2Query");
    check.is("POST", "/", &[form], body, "ec2.DescribeInstances ec2Query");
    check.is("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", &[], None, "sts.GetCallerIdentity awsQuery");
    check.is(
        "POST",
        "/",
        &[form],
        Some("Action=DescribeDBInstances&Version=2014-10-31"),
        "rds.DescribeDBInstances awsQuery",
    );
    check.is("POST", "/", &[form], Some("Action=Nonsense&Version=2014-10-31"), "awsQuery InvalidAction");
}

#[test]
fn the_user_agent_and_host_break_ties() {
    let check = Check::new();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let auth = signed("rds");
    let body = Some("Action=DescribeDBClusters&Version=2014-10-31");
    check.is("POST", "/", &[form, ("authorization", &auth)], body, "rds.DescribeDBClusters awsQuery");
    let agent = ("x-amz-user-agent", "aws-sdk-js/3.1 ua/2.1 os/linux lang/js md/nodejs#20 api/neptune#3.1");
    check.is("POST", "/", &[form, ("authorization", &auth), agent], body, "neptune.DescribeDBClusters awsQuery");
}

#[test]
fn siblings_of_one_signing_name() {
    let check = Check::new();
    for (method, signing, uri, expect) in [
        ("GET", "wisdom", "/assistants", "qconnect.ListAssistants restJson1"),
        ("DELETE", "lex", "/bots/A1B2C3D4E5/", "lexv2-models.DeleteBot restJson1"),
        ("DELETE", "lex", "/bots/name", "lex-models.DeleteBot restJson1"),
        ("GET", "s3express", "/", "s3.ListDirectoryBuckets restXml"),
        ("GET", "s3express", "/?max-directory-buckets=1", "s3.ListDirectoryBuckets restXml"),
        ("GET", "s3", "/", "s3.ListBuckets restXml"),
        (
            "GET",
            "s3express",
            "/v20180820/accesspoint/a--usw2-az1--xa-s3/scope",
            "s3control.GetAccessPointScope restXml",
        ),
        ("GET", "s3-outposts", "/S3Outposts/ListEndpoints", "s3outposts.ListEndpoints restJson1"),
        ("PUT", "s3-outposts", "/v20180820/bucket/b", "s3control.CreateBucket restXml"),
        ("POST", "s3-object-lambda", "/WriteGetObjectResponse", "s3.WriteGetObjectResponse restXml"),
    ] {
        let auth = signed(signing);
        check.is(method, uri, &[("authorization", &auth)], None, expect);
    }
}

#[test]
fn siblings_are_told_apart_by_input() {
    let check = Check::new();
    let auth = signed("rds");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", auth.as_str())];
    let form = "Action=DescribeDBInstances&Version=2014-10-31";
    let identity = check.identify("POST", "/", &headers, Some(form)).expect("found");
    let mut request = http::Request::builder().method("POST").uri("/");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let siblings = check.index.siblings(&parts, Some(form.as_bytes()), &identity);
    let ids: Vec<&str> = siblings.iter().map(|sibling| sibling.service.id).collect();
    assert_eq!((identity.service.id, ids), ("rds", vec!["docdb", "neptune"]));
}

#[test]
fn long_queries_come_as_forms() {
    let check = Check::new();
    let auth = signed("cloudsearch");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", auth.as_str())];
    let form = Some("format=sdk&pretty=true&q=heron");
    let found = check.identify("POST", "/2013-01-01/search", &headers, form).expect("found");
    assert_eq!((found.service.id, found.operation.name, found.form_is_query), ("cloudsearchdomain", "Search", true));
}

#[test]
fn s3_by_host_and_as_the_last_guess() {
    let check = Check::new();
    let auth = signed("s3");
    for host in ["my-bucket.s3.localhost:4566", "my-bucket.localhost", "my-bucket.s3.us-east-1.amazonaws.com"] {
        let identity = check.identify("GET", "/key", &[("host", host), ("authorization", &auth)], None).expect("found");
        assert_eq!(identity.operation.name, "GetObject", "{host}");
        assert_eq!(identity.path.as_deref(), Some("/my-bucket/key"), "{host}");
    }
    let express = signed("s3express");
    for (host, path, operation) in [
        ("b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "/key", "GetObject"),
        ("s3express-control.us-east-1.amazonaws.com", "/v20180820/accesspoint/a/scope", "GetAccessPointScope"),
        ("b.s3-accelerate.amazonaws.com", "/key", "GetObject"),
    ] {
        let headers = [("host", host), ("authorization", express.as_str())];
        let found = check.identify("GET", path, &headers, None).expect("found");
        assert_eq!(found.operation.name, operation, "{host}");
        assert!(found.path.is_none_or(|path| path.starts_with("/b")), "{host}");
    }
    let root =
        check.identify("GET", "/", &[("host", "b.s3.localhost"), ("authorization", &auth)], None).expect("found");
    assert_eq!((root.operation.name, root.path.as_deref()), ("ListObjects", Some("/b")));
    check.is("GET", "/some-bucket/some-key", &[], None, "s3.GetObject restXml");
    check.is("GET", "/", &[], None, "restJson1 UnknownOperationException");
    // Never for a signed request of another service.
    check.is(
        "GET",
        "/some-bucket/some-key",
        &[("authorization", &signed("airflow"))],
        None,
        "restJson1 UnknownOperationException",
    );
    check.is(
        "GET",
        "/some-bucket/some-key",
        &[("authorization", &signed("nobody"))],
        None,
        "restJson1 UnknownOperationException",
    );
}

#[test]
fn plain_requests_find_their_service_when_the_path_is_its_own() {
    let check = Check::new();
    check.is("GET", "/2015-03-31/functions", &[], None, "lambda.ListFunctions restJson1");
    check.is("GET", "/environments", &[("host", "mwaa.localhost:4566")], None, "mwaa.ListEnvironments restJson1");
    check.is(
        "GET",
        "/environments",
        &[("host", "api.airflow.us-east-1.amazonaws.com")],
        None,
        "mwaa.ListEnvironments restJson1",
    );
}

#[test]
fn scope_comes_from_key_signature_and_host() {
    let check = Check::new();
    let scope = |headers: &[(&str, &str)]| check.identify("GET", "/environments", headers, None).expect("found").scope;
    let auth = signed_by("123456789012", "eu-west-1", "airflow");
    let found = scope(&[("authorization", &auth)]);
    assert_eq!((&*found.account, &*found.region, found.partition), ("123456789012", "eu-west-1", "aws"));
    let auth = signed_by("AKIAIOSFODNN7EXAMPLE", "cn-north-1", "airflow");
    let found = scope(&[("authorization", &auth)]);
    assert_eq!((&*found.account, &*found.region, found.partition), ("000000000000", "cn-north-1", "aws-cn"));
    let found = scope(&[("host", "airflow.us-gov-west-1.amazonaws.com")]);
    assert_eq!((&*found.region, found.partition, found.signed), ("us-gov-west-1", "aws-us-gov", false));
}

#[test]
fn near_misses_are_told() {
    let check = Check::new();
    let headers = [("x-amz-target", "AwsProton20200720.ListServicez")];
    let miss = check.identify("POST", "/", &headers, None).expect_err("unknown");
    assert!(miss.error.message.contains("ListServices"), "{}", miss.error.message);
    let auth = signed("airflw");
    let miss = check.identify("GET", "/environments", &[("authorization", &auth)], None).expect_err("unknown");
    assert!(miss.error.message.contains("airflow"), "{}", miss.error.message);
}

/// Any mixture of what real and broken clients say gets an answer, and what is signed for another service is never taken
/// for S3.
#[test]
fn mixtures_of_everything() {
    const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];
    const URIS: [&str; 20] = [
        "/",
        "*",
        "//",
        "/%",
        "/%ff/%00",
        "/a//b/../c",
        "/bucket/key?list-type=2",
        "/?Action=ListUsers&Version=2010-05-08",
        "/?Action=&Version=&Action=x",
        "/service/AmazonSQS/operation/SendMessage",
        "/service//operation/",
        "/environments/x",
        "/2015-03-31/functions/f/invocations",
        "/v20180820/jobs",
        "http://s3.amazonaws.com/b/k",
        "/tags/arn:aws:x",
        "/?&=&%",
        "/?X-Amz-Credential=a%2F20260101%2Fus-east-1%2Fiam%2Faws4_request",
        "/prefix/v2/email/account",
        "/bucket?uploads&x=%zz",
    ];
    const HEADERS: [(&str, &[&str]); 6] = [
        (
            "host",
            &[
                "",
                "localhost",
                "b.s3.amazonaws.com",
                "sqs.us-east-1.amazonaws.com",
                "[::1]:1",
                "a..b.",
                "x.execute-api.localhost",
            ],
        ),
        ("x-amz-target", &["", ".", "DynamoDB_20120810.ListTables", "a.b.c.D", "DynamoDB_20120810.", "\u{e9}"]),
        (
            "content-type",
            &["", "application/x-www-form-urlencoded", "application/cbor", "application/x-amz-json-1.1", ";;"],
        ),
        ("smithy-protocol", &["", "rpc-v2-cbor", "rpc-v2-json"]),
        ("user-agent", &["", "api/s3#1.0", "Boto3/1 md/x api/dynamodb#1", "aws-sdk-js/3 api/#"]),
        ("authorization", &["", "AWS a:b", "Bearer x", "AWS4-HMAC-SHA256 Credential=/////"]),
    ];
    const FORMS: [&[u8]; 6] = [
        b"",
        b"Action=ListUsers&Version=2010-05-08",
        b"Action=%",
        b"\xff\xfe=&Action=\xff",
        b"{}",
        b"Version=2012-11-05&Action=SendMessage&Action=x",
    ];
    let check = Check::new();
    let signings = ["iam", "s3", "dynamodb", "airflow", "execute-api", "nonsense", "\u{e9}"].map(signed);
    let mut draw = standin_core::Draw::from_seed(1);
    let mut identified = 0;
    for _ in 0..5000 {
        let mut request =
            http::Request::builder().method(*draw.pick(&METHODS).expect("some")).uri(*draw.pick(&URIS).expect("some"));
        for (name, values) in HEADERS {
            if draw.below(3) == 0 {
                request = request.header(name, *draw.pick(values).expect("some"));
            }
        }
        let signing = (draw.below(2) == 0).then(|| draw.pick(&signings).expect("some"));
        let Ok(request) = request.body(()) else { continue };
        let (mut parts, ()) = request.into_parts();
        if let Some(signing) = signing {
            parts.headers.insert("authorization", signing.parse().expect("a header"));
        }
        let form = (draw.below(2) == 0).then(|| *draw.pick(&FORMS).expect("some"));
        let found = check.index.identify(&parts, form, &check.defaults);
        let Ok(identity) = found else { continue };
        identified += 1;
        if signing.is_some_and(|signing| signing.contains("/iam/") || signing.contains("/dynamodb/")) {
            assert_ne!(identity.service.id, "s3", "{parts:?}");
        }
    }
    assert!(identified > 500, "{identified}");
}
