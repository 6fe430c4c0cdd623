//! Lives of resources, through the handler alone.

use std::cell::Cell;
use std::sync::Arc;

use serde_json::{Value, json};
use standin_core::{Call, CallContext, Clock, Dice, Handler as _};
use standin_mock::synthesis::Synthesizer;
use standin_mock::validation::check_shape;
use standin_model::{Catalogue, Document};
use standin_state::Resources;
use standin_store::{MemoryStore, Selector, tokens};

const ACCOUNT: &str = "111122223333";

/// When the first call of a test is made, in seconds.
const BEGIN: i64 = 1_800_000_000;

struct Caller {
    resources: Resources,
    service: &'static str,
    /// How many seconds after the beginning the next call is made.
    later: Cell<i64>,
}

impl Caller {
    fn of(service: &'static str) -> Self {
        let synthesizer = Arc::new(Synthesizer::new(Catalogue::shared()));
        Self { resources: Resources::new(Arc::new(MemoryStore::new()), synthesizer, 0), service, later: Cell::new(0) }
    }

    /// The answer of an operation, or the code of its error.
    async fn try_call(&self, operation: &str, input: Value) -> Result<Value, String> {
        let service = Catalogue::shared().newest(self.service).expect("served").open().expect("opens");
        let context = CallContext {
            request_id: format!("{operation} {input}").into(),
            ordinal: 1,
            service,
            operation: service.operation(operation).expect("modelled"),
            protocol: service.protocols[0],
            partition: "aws",
            account: ACCOUNT.into(),
            region: "us-east-1".into(),
            access_key: None,
            base_url: "http://localhost".into(),
            now: standin_model::Timestamp::from_seconds(BEGIN + self.later.get()),
            origin: Clock::real().origin(),
            dice: Dice::new(0),
            mishap: None,
        };
        let mut call = Call { context, input: Document::from_json(&input), body: None };
        let answer = self.resources.handle(&mut call).await;
        answer.map(|answer| answer.output.to_json()).map_err(|error| error.code.into_owned())
    }

    async fn call(&self, operation: &str, input: Value) -> Value {
        self.try_call(operation, input).await.unwrap_or_else(|code| panic!("{operation}: {code}"))
    }
}

#[tokio::test]
async fn an_outer_resource_may_be_left_out_between_two_that_are_named() {
    let kendra = Caller::of("kendra");
    let index = kendra.call("CreateIndex", json!({"Name": "birds", "RoleArn": "arn:aws:iam::1:role/x"})).await;
    let source = json!({"IndexId": index["Id"], "Name": "nests", "Type": "S3"});
    let source = kendra.call("CreateDataSource", source).await;
    let group = |group: &str| json!({"IndexId": index["Id"], "GroupId": group, "GroupMembers": {}});
    kendra.call("PutPrincipalMapping", group("herons")).await;
    let mut within = group("storks");
    within["DataSourceId"] = source["Id"].clone();
    kendra.call("PutPrincipalMapping", within).await;
    kendra.call("DescribePrincipalMapping", group("herons")).await;
    // It goes with what it lies in.
    kendra.call("DeleteIndex", json!({"Id": index["Id"]})).await;
    let gone = kendra.try_call("DescribePrincipalMapping", group("herons")).await;
    assert_eq!(gone.expect_err("gone"), "ResourceNotFoundException");
}

#[tokio::test]
async fn lists_show_what_lies_in_what_is_named() {
    let chain = Caller::of("qbusiness");
    let mut applications = Vec::new();
    for name in ["one", "other"] {
        let application = chain.call("CreateApplication", json!({"displayName": name})).await;
        let index = json!({"applicationId": application["applicationId"], "displayName": name});
        let index = chain.call("CreateIndex", index).await;
        let mut group = json!({"applicationId": application["applicationId"], "indexId": index["indexId"]});
        group["groupName"] = json!(name);
        group["type"] = json!("INDEX");
        group["groupMembers"] = json!({});
        chain.call("PutGroup", group.clone()).await;
        applications.push(group);
    }
    for group in applications {
        let mut asked = group.clone();
        asked["updatedEarlierThan"] = json!(2_000_000_000);
        let listed = chain.call("ListGroups", asked).await;
        let items = listed["items"].as_array().expect("a list");
        assert_eq!(items.len(), 1, "{listed}");
        assert_eq!(items[0]["groupName"], group["groupName"]);
    }
}

#[tokio::test]
async fn the_default_need_not_be_made() {
    let events = Caller::of("events");
    let buses = events.call("ListEventBuses", json!({})).await;
    assert_eq!(buses["EventBuses"][0]["Name"], "default");
    assert_eq!(buses["EventBuses"][0]["Arn"], "arn:aws:events:us-east-1:111122223333:event-bus/default");
    events.call("PutRule", json!({"Name": "dawn", "ScheduleExpression": "rate(1 day)"})).await;
    let rules = events.call("ListRules", json!({})).await;
    assert_eq!(rules["Rules"][0]["Name"], "dawn");
    let other = events.try_call("PutRule", json!({"Name": "dawn", "EventBusName": "other"})).await;
    assert_eq!(other.expect_err("no such bus"), "ResourceNotFoundException");

    let ecs = Caller::of("ecs");
    assert_eq!(ecs.call("ListClusters", json!({})).await["clusterArns"], json!([]));
    ecs.call("CreateService", json!({"serviceName": "web"})).await;
    let clusters = ecs.call("ListClusters", json!({})).await;
    assert_eq!(clusters["clusterArns"], json!(["arn:aws:ecs:us-east-1:111122223333:cluster/default"]));
}

#[tokio::test]
async fn page_tokens_have_the_modelled_form() {
    let outposts = Caller::of("outposts");
    for name in ["a", "b", "c"] {
        outposts.call("CreateSite", json!({"Name": name})).await;
    }
    let mut names = Vec::new();
    let mut asked = json!({"MaxResults": 1});
    loop {
        let page = outposts.call("ListSites", asked.clone()).await;
        names.extend(page["Sites"].as_array().expect("a list").iter().map(|site| site["SiteId"].clone()));
        let Some(token) = page["NextToken"].as_str() else { break };
        let (number, rest) = token.split_once("##").expect("digits, two hashes, text");
        assert!(number.bytes().all(|digit| digit.is_ascii_digit()) && !rest.is_empty(), "{token}");
        asked["NextToken"] = json!(token);
    }
    assert_eq!(names.len(), 3);
    let foreign = outposts.try_call("ListSites", json!({"MaxResults": 1, "NextToken": "1##x"})).await;
    assert_eq!(foreign.expect_err("no token of this list"), "ValidationException");
}

#[tokio::test]
async fn tickets_of_pages_expire_and_are_swept() {
    let outposts = Caller::of("outposts");
    for name in ["a", "b"] {
        outposts.call("CreateSite", json!({"Name": name})).await;
    }
    let first = outposts.call("ListSites", json!({"MaxResults": 1})).await;
    let second = json!({"MaxResults": 1, "NextToken": first["NextToken"]});
    let hour = 60 * 60;
    outposts.later.set(hour - 1);
    outposts.call("ListSites", second.clone()).await;
    outposts.later.set(hour);
    let expired = outposts.try_call("ListSites", second).await;
    assert_eq!(expired.expect_err("too late"), "ValidationException");
    let store = &**outposts.resources.store();
    let tables = async || store.tables(&Selector::all()).await.expect("reads").len();
    assert_eq!(tables().await, 2, "the sites, and the ticket");
    tokens::sweep(store, (BEGIN + hour) * 1000).await.expect("sweeps");
    assert_eq!(tables().await, 1, "the sites");
}

#[tokio::test]
async fn versions_of_two_numbers_live_apart() {
    let proton = Caller::of("proton");
    proton.call("CreateEnvironmentTemplate", json!({"name": "nest"})).await;
    let mut made = Vec::new();
    for major in [None, None, Some("1"), Some("2")] {
        let mut input = json!({"templateName": "nest", "source": {"s3": {"bucket": "birds", "key": "nest"}}});
        if let Some(major) = major {
            input["majorVersion"] = json!(major);
        }
        let version =
            proton.call("CreateEnvironmentTemplateVersion", input).await["environmentTemplateVersion"].clone();
        made.push((version["majorVersion"].clone(), version["minorVersion"].clone(), version["arn"].clone()));
    }
    let arn = |tail: &str| json!(format!("arn:aws:proton:us-east-1:{ACCOUNT}:environment-template/nest:{tail}"));
    let expect = [("1", "0"), ("2", "0"), ("1", "1"), ("2", "1")];
    let expect = expect.map(|(major, minor)| (json!(major), json!(minor), arn(&format!("{major}.{minor}"))));
    assert_eq!(made, expect);
    let one = json!({"templateName": "nest", "majorVersion": "1", "minorVersion": "1"});
    proton.call("DeleteEnvironmentTemplateVersion", one.clone()).await;
    // The other of that minor number is not meant.
    let gone = proton.try_call("GetEnvironmentTemplateVersion", one).await;
    assert_eq!(gone.expect_err("gone"), "ResourceNotFoundException");
    let other = json!({"templateName": "nest", "majorVersion": "2", "minorVersion": "1"});
    proton.call("GetEnvironmentTemplateVersion", other).await;
}

#[tokio::test]
async fn all_items_of_an_atomic_batch_succeed_or_none() {
    let dns = Caller::of("route53");
    let zone = dns.call("CreateHostedZone", json!({"Name": "birds.example.", "CallerReference": "1"})).await;
    let zone = zone["HostedZone"]["Id"].clone();
    let change = |action: &str, name: &str, ttl: u32| {
        let records = json!([{"Value": "192.0.2.1"}]);
        let set = json!({"Name": name, "Type": "A", "TTL": ttl, "ResourceRecords": records});
        json!({"Action": action, "ResourceRecordSet": set})
    };
    let changes = async |changes: Value| {
        let batch = json!({"HostedZoneId": zone, "ChangeBatch": {"Changes": changes}});
        dns.try_call("ChangeResourceRecordSets", batch).await
    };
    let shown = async || {
        let listed = dns.call("ListResourceRecordSets", json!({"HostedZoneId": zone})).await;
        let sets = listed["ResourceRecordSets"].as_array().expect("a list").iter();
        let shown = sets.map(|set| (set["Name"].as_str().expect("a name").to_owned(), set["TTL"].clone()));
        shown.collect::<Vec<_>>()
    };
    let owl = "owl.birds.example.";
    let failed = changes(json!([change("CREATE", owl, 60), change("DELETE", "kiwi.birds.example.", 60)])).await;
    assert_eq!(failed.expect_err("there is no kiwi"), "InvalidChangeBatch");
    assert_eq!(shown().await, []);
    let twice = changes(json!([change("CREATE", owl, 60), change("CREATE", owl, 60)])).await;
    assert_eq!(twice.expect_err("there is an owl by then"), "InvalidChangeBatch");
    assert_eq!(shown().await, []);
    changes(json!([change("CREATE", owl, 60)])).await.expect("changes");
    // Each item sees what those before it did.
    let moved =
        json!([change("DELETE", owl, 60), change("CREATE", owl, 300), change("UPSERT", "emu.birds.example.", 5)]);
    changes(moved).await.expect("changes");
    let expect = [("emu.birds.example.", json!(5)), (owl, json!(300))];
    assert_eq!(shown().await, expect.map(|(name, ttl)| (name.to_owned(), ttl)));

    // Where items fail by themselves, the others succeed.
    let events = Caller::of("events");
    events.call("PutRule", json!({"Name": "dawn", "ScheduleExpression": "rate(1 day)"})).await;
    let target = |id: &str| json!({"Id": id, "Arn": "arn:aws:sqs:us-east-1:111122223333:birds"});
    events.call("PutTargets", json!({"Rule": "dawn", "Targets": [target("owl")]})).await;
    let removed = events.call("RemoveTargets", json!({"Rule": "dawn", "Ids": ["kiwi", "owl"]})).await;
    assert_eq!(removed["FailedEntryCount"], 1, "{removed}");
    assert_eq!(events.call("ListTargetsByRule", json!({"Rule": "dawn"})).await["Targets"], json!([]));
}

#[tokio::test]
async fn some_creates_may_be_repeated() {
    let sqs = Caller::of("sqs");
    let slow = json!({"QueueName": "owl", "Attributes": {"DelaySeconds": "5"}});
    let first = sqs.call("CreateQueue", slow.clone()).await;
    assert_eq!(sqs.call("CreateQueue", slow).await["QueueUrl"], first["QueueUrl"]);
    assert_eq!(sqs.call("CreateQueue", json!({"QueueName": "owl"})).await["QueueUrl"], first["QueueUrl"]);
    let other = json!({"QueueName": "owl", "Attributes": {"DelaySeconds": "6"}});
    assert_eq!(sqs.try_call("CreateQueue", other).await, Err("QueueNameExists".to_owned()));
    // All others are conflicts, however equal.
    let glue = Caller::of("glue");
    glue.call("CreateDatabase", json!({"DatabaseInput": {"Name": "owl"}})).await;
    let again = glue.try_call("CreateDatabase", json!({"DatabaseInput": {"Name": "owl"}})).await;
    assert_eq!(again, Err("AlreadyExistsException".to_owned()));
}

#[tokio::test]
async fn statuses_are_those_that_waiters_want() {
    let config = Caller::of("appconfig");
    let application = config.call("CreateApplication", json!({"Name": "birds"})).await["Id"].clone();
    let nest = config.call("CreateEnvironment", json!({"ApplicationId": application, "Name": "nest"})).await;
    assert_eq!(nest["State"], "ReadyForDeployment", "the model spells it otherwise");

    let ecs = Caller::of("ecs");
    ecs.call("CreateService", json!({"serviceName": "web"})).await;
    ecs.call("DeleteService", json!({"service": "web"})).await;
    let seen = ecs.call("DescribeServices", json!({"services": ["web"]})).await;
    assert_eq!(seen["services"][0]["status"], "INACTIVE");
    assert_eq!(ecs.call("ListServices", json!({})).await["serviceArns"], json!([]));
    ecs.later.set(60 * 60);
    let gone = ecs.try_call("DescribeServices", json!({"services": ["web"]})).await;
    assert!(gone.is_err(), "{gone:?}");
}

#[tokio::test]
async fn identifiers_suit_whatever_takes_them() {
    let check = async |service: &'static str, create: &str, input: Value, member: &str, asked: (&str, &str)| {
        let made = Caller::of(service).call(create, input).await;
        let text = made.pointer(member).cloned().unwrap_or_else(|| panic!("{create}: {made}"));
        let model = Catalogue::shared().newest(service).expect("served").open().expect("opens");
        let shape = model.operation(asked.0).and_then(|operation| operation.input).expect("an input");
        let target = model.structure(shape).and_then(|input| input.member(asked.1)).expect("a member").target;
        let wrong = check_shape(model, target, &Document::from_json(&text));
        assert!(wrong.is_empty(), "{create}: {text} as {asked:?}: {wrong:?}");
    };
    let quota = ("CreateComputeQuota", "ClusterArn");
    check("sagemaker", "CreateCluster", json!({"ClusterName": "birds"}), "/ClusterArn", quota).await;
    let connection = json!({"Name": "birds", "AuthorizationType": "BASIC", "AuthParameters": {}});
    let destination = ("CreateApiDestination", "ConnectionArn");
    check("events", "CreateConnection", connection, "/ConnectionArn", destination).await;
    let archive = json!({"ArchiveName": "birds"});
    check("mailmanager", "CreateArchive", archive, "/ArchiveId", ("StartArchiveSearch", "ArchiveId")).await;
}

#[tokio::test]
async fn a_secret_has_the_value_that_it_was_made_with_until_another_is_put() {
    let secrets = Caller::of("secretsmanager");
    let value = async || secrets.call("GetSecretValue", json!({"SecretId": "nest"})).await["SecretString"].clone();
    secrets.call("CreateSecret", json!({"Name": "nest", "SecretString": "one"})).await;
    assert_eq!(value().await, "one");
    secrets.call("UpdateSecret", json!({"SecretId": "nest", "SecretString": "two"})).await;
    assert_eq!(value().await, "two");
    secrets.call("PutSecretValue", json!({"SecretId": "nest", "SecretString": "three"})).await;
    assert_eq!(value().await, "three");
}
