//! The operations over a store in memory, with log groups that do as told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use standin_core::{
    Answer, BoxFuture, Call, CallContext, Caller, Dice, EventSource, Fidelity, Handler, OperationError, Registry,
};
use standin_model::{Catalogue, Document, Operation, Service, Timestamp};
use standin_store::MemoryStore;

use super::{Logs, SERVICE};

const NOW: i64 = 1_700_000_000_000;

/// Log groups by name, with their retention in days.
#[derive(Default)]
struct Groups(Mutex<BTreeMap<String, Option<i64>>>);

impl Handler for Groups {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        let text = |name: &str| call.input.get(name).and_then(Document::as_str).unwrap_or_default().to_owned();
        let mut groups = self.0.lock().expect("no test panics with it");
        let output = match call.context.operation.name {
            "CreateLogGroup" => {
                groups.insert(text("logGroupName"), None);
                json!({})
            }
            "DeleteLogGroup" => {
                groups.remove(&text("logGroupName"));
                json!({})
            }
            "DescribeLogGroups" => {
                let found = groups.iter().filter(|(name, _)| name.starts_with(&text("logGroupNamePrefix")));
                let found = found.map(|(name, days)| match days {
                    Some(days) => json!({"logGroupName": name, "retentionInDays": days}),
                    None => json!({"logGroupName": name}),
                });
                json!({"logGroups": found.collect::<Vec<_>>()})
            }
            other => panic!("nobody asks for {other}"),
        };
        let answer = Answer::new(Document::from_json(&output), Fidelity::Stateful);
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Stateful
    }
}

struct World {
    logs: Logs,
    groups: Arc<Groups>,
    now: i64,
}

impl World {
    /// With the group `birds`, and the stream `a` in it.
    async fn new() -> Self {
        let groups = Arc::new(Groups::default());
        let registry = Arc::new(Registry::new(groups.clone()));
        let caller = Caller::new(Catalogue::shared(), registry, Timestamp::default(), Dice::new(1));
        let logs = Logs::new(Arc::new(MemoryStore::default()), groups.clone(), caller);
        let world = Self { logs, groups, now: NOW };
        world.ok("CreateLogGroup", json!({"logGroupName": "birds"})).await;
        world.stream("a").await;
        world
    }

    async fn answer(&self, operation: &str, input: Value) -> Result<Answer, OperationError> {
        let service = Catalogue::shared().newest(SERVICE).expect("served").open().expect("opens");
        let operation = service.operation(operation).expect("modelled");
        let now = Timestamp::from_millis(self.now);
        let context = CallContext {
            request_id: "id".into(),
            ordinal: 1,
            service,
            operation,
            protocol: service.protocol(),
            partition: "aws",
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            access_key: None,
            base_url: "http://localhost".into(),
            now,
            origin: now,
            dice: Dice::new(1),
            mishap: None,
        };
        let mut call = Call { context, input: Document::from_json(&input), body: None };
        self.logs.handle(&mut call).await
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let answer = self.answer(operation, input.clone()).await;
        answer.unwrap_or_else(|error| panic!("{operation} {input}: {error}")).output.to_json()
    }

    async fn fails(&self, operation: &str, input: Value, code: &str) {
        let error = self.answer(operation, input.clone()).await.err();
        assert_eq!(error.map(|error| error.code.into_owned()).as_deref(), Some(code), "{operation} {input}");
    }

    async fn stream(&self, name: &str) {
        self.ok("CreateLogStream", json!({"logGroupName": "birds", "logStreamName": name})).await;
    }

    /// Puts events by how long before now they happened, in ms; the message is the number.
    async fn put(&self, stream: &str, ages: &[i64]) -> Value {
        let events: Vec<Value> =
            ages.iter().map(|age| json!({"timestamp": self.now - age, "message": age.to_string()})).collect();
        self.ok("PutLogEvents", json!({"logGroupName": "birds", "logStreamName": stream, "logEvents": events})).await
    }

    async fn get(&self, stream: &str, mut more: Value) -> (Vec<i64>, String, String) {
        more["logGroupName"] = json!("birds");
        more["logStreamName"] = json!(stream);
        let answer = self.ok("GetLogEvents", more).await;
        let text = |name: &str| answer[name].as_str().expect("it is always there").to_owned();
        (messages(&answer), text("nextForwardToken"), text("nextBackwardToken"))
    }

    /// All pages of FilterLogEvents.
    async fn filter(&self, more: Value) -> Vec<i64> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let mut input = more.clone();
            input["logGroupName"] = json!("birds");
            if let Some(token) = &token {
                input["nextToken"] = json!(token);
            }
            let answer = self.ok("FilterLogEvents", input).await;
            all.extend(messages(&answer));
            match answer["nextToken"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return all,
            }
        }
    }
}

fn messages(answer: &Value) -> Vec<i64> {
    let events = answer["events"].as_array().expect("it is always there");
    events.iter().map(|event| event["message"].as_str().and_then(|text| text.parse().ok()).expect("a number")).collect()
}

#[tokio::test]
async fn events_are_read_in_both_directions() {
    let world = World::new().await;
    world.put("a", &[50, 40, 30]).await;
    // Late, and in between.
    world.put("a", &[45, 35]).await;
    world.put("a", &[20, 10]).await;
    let (all, forward, backward) = world.get("a", json!({"startFromHead": true})).await;
    assert_eq!(all, [50, 45, 40, 35, 30, 20, 10]);
    let (none, same, _) = world.get("a", json!({"nextToken": forward})).await;
    assert_eq!((none, same), (vec![], forward));
    assert_eq!(world.get("a", json!({"nextToken": backward})).await.0, [0_i64; 0]);
    // Without a direction the newest ones come, the oldest of them first.
    let (newest, forward, backward) = world.get("a", json!({"limit": 3})).await;
    assert_eq!(newest, [30, 20, 10]);
    let (before, again, further) = world.get("a", json!({"limit": 3, "nextToken": backward})).await;
    assert_eq!(before, [45, 40, 35]);
    assert_eq!(world.get("a", json!({"limit": 9, "nextToken": further})).await.0, [50]);
    assert_eq!(world.get("a", json!({"limit": 2, "nextToken": again})).await.0, [30, 20]);
    world.put("a", &[5]).await;
    assert_eq!(world.get("a", json!({"nextToken": forward})).await.0, [5]);
    let between = json!({"startTime": NOW - 40, "endTime": NOW - 20, "startFromHead": true});
    assert_eq!(world.get("a", between).await.0, [40, 35, 30]);
    world
        .fails("GetLogEvents", json!({"logGroupName": "birds", "logStreamName": "b"}), "ResourceNotFoundException")
        .await;
    let bad = json!({"logGroupName": "birds", "logStreamName": "a", "nextToken": "x"});
    world.fails("GetLogEvents", bad, "InvalidParameterException").await;
}

#[tokio::test]
async fn many_events_take_few_rows_and_all_come_back() {
    let world = World::new().await;
    let message = "x".repeat(1000);
    for round in 0..40_i64 {
        let events: Vec<Value> = (0..10_i64)
            .map(|at| json!({"timestamp": NOW - 1000 + round * 10 + at, "message": format!("{}{message}", round * 10 + at)}))
            .collect();
        let input = json!({"logGroupName": "birds", "logStreamName": "a", "logEvents": events});
        world.ok("PutLogEvents", input).await;
    }
    let rows = world.logs.store.count(&super::chunks(&place()), "").await.expect("memory does not fail");
    assert!(rows <= 25, "{rows} rows for 400 KB");
    let mut seen = Vec::new();
    let mut token = None::<String>;
    loop {
        let mut input = json!({"logGroupName": "birds", "logStreamName": "a", "startFromHead": true, "limit": 37});
        if let Some(token) = &token {
            input["nextToken"] = json!(token);
        }
        let answer = world.ok("GetLogEvents", input).await;
        let events = answer["events"].as_array().expect("there").clone();
        seen.extend(events.iter().map(|event| event["timestamp"].as_i64().expect("there")));
        let next = answer["nextForwardToken"].as_str().map(str::to_owned);
        if next == token {
            break;
        }
        token = next;
    }
    assert_eq!(seen, (0..400).map(|at| NOW - 1000 + at).collect::<Vec<_>>());
    // One event larger than a chunk is a chunk.
    let large = json!([{"timestamp": NOW, "message": "y".repeat(500_000)}, {"timestamp": NOW, "message": "z"}]);
    world.ok("PutLogEvents", json!({"logGroupName": "birds", "logStreamName": "a", "logEvents": large})).await;
    let answer = world.ok("GetLogEvents", json!({"logGroupName": "birds", "logStreamName": "a", "limit": 2})).await;
    assert_eq!(answer["events"][0]["message"].as_str().map(str::len), Some(500_000));
}

#[tokio::test]
async fn chunks_do_not_reach_far() {
    let mut world = World::new().await;
    const HOUR: i64 = 60 * 60 * 1000;
    world.put("a", &[20 * HOUR, 10 * HOUR, 9 * HOUR, 0]).await;
    for _ in 0..30 {
        world.now += HOUR / 4;
        world.put("a", &[0]).await;
    }
    let (stream, _) =
        world.logs.find(&place(), "birds", "a").await.expect("memory does not fail").expect("it is there");
    assert!(stream.span <= HOUR, "{} ms", stream.span);
    assert_eq!(
        world.get("a", json!({"startFromHead": true, "endTime": NOW})).await.0,
        [20 * HOUR, 10 * HOUR, 9 * HOUR]
    );
    let since = world.now - HOUR;
    assert_eq!(world.get("a", json!({"startTime": since})).await.0.len(), 5);
    let rows = world.logs.store.count(&super::chunks(&place()), "").await.expect("memory does not fail");
    assert!(rows < 12, "{rows} rows");
}

fn place() -> standin_core::Place {
    standin_core::Place {
        partition: "aws".into(),
        account: "111122223333".into(),
        region: "eu-west-1".into(),
        access_key: None,
        now: Timestamp::from_millis(NOW),
    }
}

#[tokio::test]
async fn streams_are_filtered_together() {
    let world = World::new().await;
    for name in ["b", "c/1", "c/2", "empty"] {
        world.stream(name).await;
    }
    world.put("a", &[90, 60, 30]).await;
    world.put("b", &[80, 60, 20]).await;
    world.put("c/1", &[70, 10]).await;
    world.put("c/2", &[60, 50]).await;
    let all = [90, 80, 70, 60, 60, 60, 50, 30, 20, 10];
    for limit in [1, 2, 3, 100] {
        assert_eq!(world.filter(json!({"limit": limit})).await, all, "{limit}");
    }
    assert_eq!(world.filter(json!({"logStreamNamePrefix": "c/", "limit": 1})).await, [70, 60, 50, 10]);
    assert_eq!(world.filter(json!({"logStreamNames": ["b", "a"]})).await, [90, 80, 60, 60, 30, 20]);
    assert_eq!(world.filter(json!({"startTime": NOW - 50, "endTime": NOW - 20})).await, [50, 30, 20]);
    assert_eq!(world.filter(json!({"filterPattern": "?80 ?10", "limit": 1})).await, [80, 10]);
    let answer = world.ok("FilterLogEvents", json!({"logGroupName": "birds"})).await;
    let mut ids: Vec<&str> =
        answer["events"].as_array().expect("there").iter().filter_map(|e| e["eventId"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    let by_arn = json!({"logGroupIdentifier": "arn:aws:logs:eu-west-1:111122223333:log-group:birds:*"});
    assert_eq!(messages(&world.ok("FilterLogEvents", by_arn).await).len(), all.len());
    for (input, code) in [
        (json!({"logGroupName": "none"}), "ResourceNotFoundException"),
        (json!({"logGroupName": "birds", "logStreamNames": ["none"]}), "ResourceNotFoundException"),
        (json!({"logGroupName": "birds", "filterPattern": "{ x }"}), "InvalidParameterException"),
        (json!({"logGroupName": "birds", "nextToken": "%"}), "InvalidParameterException"),
        (json!({}), "InvalidParameterException"),
    ] {
        world.fails("FilterLogEvents", input, code).await;
    }
}

#[tokio::test]
async fn streams_are_described_in_either_order() {
    let world = World::new().await;
    for name in ["b", "c", "d"] {
        world.stream(name).await;
    }
    world.put("a", &[10]).await;
    world.put("b", &[30, 20]).await;
    world.put("c", &[10]).await;
    let names = async |mut input: Value| {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            input["logGroupName"] = json!("birds");
            input["limit"] = json!(1);
            if let Some(token) = &token {
                input["nextToken"] = json!(token);
            }
            let answer = world.ok("DescribeLogStreams", input.clone()).await;
            let found = answer["logStreams"].as_array().expect("there");
            all.extend(found.iter().map(|stream| stream["logStreamName"].as_str().expect("there").to_owned()));
            match answer["nextToken"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return all.concat(),
            }
        }
    };
    assert_eq!(names(json!({})).await, "abcd");
    assert_eq!(names(json!({"descending": true})).await, "dcba");
    assert_eq!(names(json!({"logStreamNamePrefix": "c"})).await, "c");
    assert_eq!(names(json!({"orderBy": "LastEventTime"})).await, "dbac");
    assert_eq!(names(json!({"orderBy": "LastEventTime", "descending": true})).await, "acbd");
    let answer = world.ok("DescribeLogStreams", json!({"logGroupName": "birds", "logStreamNamePrefix": "b"})).await;
    let stream = &answer["logStreams"][0];
    assert_eq!((&stream["firstEventTimestamp"], &stream["lastEventTimestamp"]), (&json!(NOW - 30), &json!(NOW - 20)));
    assert_eq!(stream["arn"], "arn:aws:logs:eu-west-1:111122223333:log-group:birds:log-stream:b");
    let both = json!({"logGroupName": "birds", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"});
    world.fails("DescribeLogStreams", both, "InvalidParameterException").await;
}

#[tokio::test]
async fn what_is_deleted_takes_its_events_along() {
    let world = World::new().await;
    world.put("a", &[10]).await;
    let stream = json!({"logGroupName": "birds", "logStreamName": "a"});
    world.fails("CreateLogStream", stream.clone(), "ResourceAlreadyExistsException").await;
    world.ok("DeleteLogStream", stream.clone()).await;
    world.fails("DeleteLogStream", stream.clone(), "ResourceNotFoundException").await;
    world.stream("a").await;
    assert_eq!(world.get("a", json!({})).await.0, [0_i64; 0]);
    world.put("a", &[10]).await;
    world.ok("DeleteLogGroup", json!({"logGroupName": "birds"})).await;
    world.fails("CreateLogStream", stream, "ResourceNotFoundException").await;
    for table in [super::chunks(&place()), super::streams(&place())] {
        assert_eq!(world.logs.store.count(&table, "").await.expect("memory does not fail"), 0);
    }
}

#[tokio::test]
async fn what_has_expired_is_hidden_and_then_gone() {
    let mut world = World::new().await;
    world.stream("b").await;
    world.put("a", &[2000, 1000]).await;
    world.put("b", &[1000]).await;
    world.groups.0.lock().expect("no test panics with it").insert("birds".into(), Some(1));
    assert_eq!(world.filter(json!({})).await, [2000, 1000, 1000]);
    world.now += 24 * 60 * 60 * 1000 - 1500;
    assert_eq!(world.filter(json!({})).await.len(), 2);
    assert_eq!(world.get("a", json!({"startFromHead": true})).await.0, [1000]);
    world.now += 1500;
    world.put("a", &[0]).await;
    assert_eq!(world.filter(json!({})).await, [0]);
    let rows = world.logs.store.count(&super::chunks(&place()), "").await.expect("memory does not fail");
    assert_eq!(rows, 1, "of both streams");
}

#[tokio::test(start_paused = true)]
async fn a_live_tail_tells_what_comes() {
    let world = World::new().await;
    let input = json!({"logGroupIdentifiers": ["arn:aws:logs:eu-west-1:111122223333:log-group:birds"], "logEventFilterPattern": "-30"});
    let answer = world.answer("StartLiveTail", input).await.expect("the group is there");
    let mut events: Box<dyn EventSource> = answer.events.expect("it goes on");
    let mut next = async || events.next().await.expect("it goes on").to_json();
    assert!(next().await["sessionStart"]["sessionId"].is_string());
    assert_eq!(next().await["sessionUpdate"]["sessionResults"], json!([]));
    world.put("a", &[40, 30, 20]).await;
    let update = next().await;
    let results = update["sessionUpdate"]["sessionResults"].as_array().expect("a list").clone();
    let told: Vec<&str> = results.iter().filter_map(|result| result["message"].as_str()).collect();
    assert_eq!(told, ["40", "20"]);
    assert_eq!(results[0]["logStreamName"], "a");
    world
        .fails(
            "StartLiveTail",
            json!({"logGroupIdentifiers": ["arn:aws:logs:eu-west-1:111122223333:log-group:none"]}),
            "ResourceNotFoundException",
        )
        .await;
}
