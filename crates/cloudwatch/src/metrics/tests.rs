//! The operations over a store in memory.

use std::sync::Arc;

use serde_json::{Value, json};
use standin_core::{Call, CallContext, Dice, Handler, OperationError};
use standin_model::{Catalogue, Document, Timestamp};
use standin_store::MemoryStore;

use super::{Metrics, SERVICE};

/// A full hour.
const NOW: i64 = 1_699_999_200;

struct World {
    metrics: Metrics,
    /// Seconds since 1970.
    now: i64,
}

/// Inputs name times by seconds.
fn document(value: &Value) -> Document {
    let mut document = Document::from_json(value);
    fn times(document: &mut Document) {
        match document {
            Document::Map(fields) => {
                for (name, value) in fields.iter_mut() {
                    match value {
                        Document::Int(seconds) if name.ends_with("Time") || name == "Timestamp" => {
                            *value = Document::from(Timestamp::from_seconds(*seconds));
                        }
                        other => times(other),
                    }
                }
            }
            Document::List(items) => items.iter_mut().for_each(times),
            _ => {}
        }
    }
    times(&mut document);
    document
}

impl World {
    fn new() -> Self {
        Self { metrics: Metrics::new(Arc::new(MemoryStore::default())), now: NOW }
    }

    async fn answer(&self, operation: &str, input: Value) -> Result<Value, OperationError> {
        let service = Catalogue::shared().newest(SERVICE).expect("served").open().expect("opens");
        let now = Timestamp::from_seconds(self.now);
        let context = CallContext {
            request_id: "id".into(),
            ordinal: 1,
            service,
            operation: service.operation(operation).expect("modelled"),
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
        let mut call = Call { context, input: document(&input), body: None };
        self.metrics.handle(&mut call).await.map(|answer| answer.output.to_json())
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        let answer = self.answer(operation, input.clone()).await;
        answer.unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    async fn fails(&self, operation: &str, input: Value, code: &str) {
        let error = self.answer(operation, input.clone()).await.err();
        assert_eq!(error.map(|error| error.code.into_owned()).as_deref(), Some(code), "{operation} {input}");
    }

    async fn put(&self, data: Value) {
        self.ok("PutMetricData", json!({"Namespace": "Birds", "MetricData": data})).await;
    }

    /// Values of `Seen` by how many seconds before now they were seen.
    async fn seen(&self, values: &[(i64, f64)]) {
        let data = values.iter().map(
            |(age, value)| json!({"MetricName": "Seen", "Value": value, "Unit": "Count", "Timestamp": self.now - age}),
        );
        self.put(data.collect()).await;
    }

    /// The points of a query of `Seen`, as minutes before now and values.
    async fn points(&self, query: Value, since: i64) -> Vec<(i64, f64)> {
        let mut all = vec![query];
        all[0]["Id"] = json!("q");
        if all[0]["Expression"].is_string() {
            all.push(json!({"Id": "m", "MetricStat": stat("Average", 60), "ReturnData": false}));
        }
        let input = json!({"MetricDataQueries": all, "StartTime": self.now - since, "EndTime": self.now + 60});
        let answer = self.ok("GetMetricData", input).await;
        let result = &answer["MetricDataResults"][0];
        let list = |name: &str| result[name].as_array().expect("it is always there").clone();
        let times = list("Timestamps").into_iter().map(|time| {
            let time = Timestamp::parse_date_time(time.as_str().expect("a text")).expect("a time");
            (self.now - time.seconds) / 60
        });
        times.zip(list("Values").into_iter().filter_map(|value| value.as_f64())).collect()
    }
}

fn stat(stat: &str, period: i64) -> Value {
    json!({"Metric": {"Namespace": "Birds", "MetricName": "Seen"}, "Period": period, "Stat": stat})
}

#[tokio::test]
async fn values_are_told_by_period() {
    let world = World::new();
    world.seen(&[(600, 1.0), (590, 3.0), (300, 5.0), (0, 7.0)]).await;
    for (statistic, period, expect) in [
        ("Average", 60, vec![(0, 7.0), (5, 5.0), (10, 2.0)]),
        ("Sum", 300, vec![(0, 7.0), (5, 5.0), (10, 4.0)]),
        ("SampleCount", 3600, vec![(0, 1.0), (60, 3.0)]),
        ("p50", 3600, vec![(0, 7.0), (60, 3.0)]),
    ] {
        let told = world.points(json!({"MetricStat": stat(statistic, period)}), 3600).await;
        assert_eq!(told, expect, "{statistic} {period}");
    }
    let since = world.points(json!({"MetricStat": stat("Sum", 60)}), 300).await;
    assert_eq!(since, [(0, 7.0), (5, 5.0)]);
    assert_eq!(world.points(json!({"Expression": "m * 2"}), 300).await, [(0, 14.0), (5, 10.0)]);
    assert_eq!(world.points(json!({"Expression": "SUM(m)"}), 300).await[0], (0, 12.0));
}

#[tokio::test]
async fn values_come_in_all_forms_and_units() {
    let world = World::new();
    let dimensions = json!([{"Name": "Place", "Value": "reed"}, {"Name": "Kind", "Value": "heron"}]);
    world
        .put(json!([
            {"MetricName": "Size", "Dimensions": dimensions, "Values": [1, 2], "Counts": [3, 1], "Unit": "Bytes"},
            {"MetricName": "Size", "Dimensions": dimensions, "Unit": "Bytes",
             "StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 9, "Maximum": 11}},
            {"MetricName": "Size", "Dimensions": dimensions, "Value": 0.5},
        ]))
        .await;
    let reversed = json!([dimensions[1], dimensions[0]]);
    let mut input = json!({
        "Namespace": "Birds", "MetricName": "Size", "Dimensions": reversed, "Period": 60,
        "StartTime": NOW - 60, "EndTime": NOW + 60, "Statistics": ["Sum", "SampleCount", "Maximum"], "Unit": "Bytes",
    });
    let answer = world.ok("GetMetricStatistics", input.clone()).await;
    assert_eq!(answer["Label"], "Size");
    let points = answer["Datapoints"].as_array().expect("there");
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(
        (&points[0]["Sum"], &points[0]["SampleCount"], &points[0]["Maximum"]),
        (&json!(25.0), &json!(6.0), &json!(11.0))
    );
    assert!(points[0].get("Average").is_none());
    input["Unit"] = json!("None");
    input["ExtendedStatistics"] = json!(["p90"]);
    let answer = world.ok("GetMetricStatistics", input.clone()).await;
    assert_eq!(answer["Datapoints"][0]["ExtendedStatistics"], json!({"p90": 0.5}));
    input["Dimensions"] = json!([]);
    assert_eq!(world.ok("GetMetricStatistics", input).await["Datapoints"], json!([]));
}

#[tokio::test]
async fn seconds_are_kept_where_they_are_asked_for() {
    let mut world = World::new();
    let datum = |age: i64, value: f64| json!({"MetricName": "Fast", "Value": value, "StorageResolution": 1, "Timestamp": NOW - age});
    world.put(json!([datum(2, 1.0), datum(1, 2.0), datum(1, 4.0)])).await;
    let fast = |period: i64| {
        let metric = json!({"Namespace": "Birds", "MetricName": "Fast"});
        json!({"MetricDataQueries": [{"Id": "a", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}}],
               "StartTime": NOW - 60, "EndTime": NOW, "ScanBy": "TimestampAscending"})
    };
    assert_eq!(world.ok("GetMetricData", fast(1)).await["MetricDataResults"][0]["Values"], json!([1.0, 6.0]));
    assert_eq!(world.ok("GetMetricData", fast(60)).await["MetricDataResults"][0]["Values"], json!([7.0]));
    world.now += 5 * 60 * 60;
    world.put(json!([{"MetricName": "Fast", "Value": 1.0, "StorageResolution": 1}])).await;
    assert_eq!(world.ok("GetMetricData", fast(1)).await["MetricDataResults"][0]["Values"], json!([]));
}

#[tokio::test]
async fn metrics_are_listed_by_what_they_have() {
    let mut world = World::new();
    for (name, kind) in [("A", "heron"), ("A", "stork"), ("B", "heron")] {
        world.put(json!([{"MetricName": name, "Value": 1, "Dimensions": [{"Name": "Kind", "Value": kind}]}])).await;
    }
    world.ok("PutMetricData", json!({"Namespace": "Other", "MetricData": [{"MetricName": "A", "Value": 1}]})).await;
    for (input, expect) in [
        (json!({}), 4),
        (json!({"Namespace": "Birds"}), 3),
        (json!({"MetricName": "A"}), 3),
        (json!({"Namespace": "Birds", "MetricName": "A"}), 2),
        (json!({"Dimensions": [{"Name": "Kind"}]}), 3),
        (json!({"Dimensions": [{"Name": "Kind", "Value": "heron"}], "RecentlyActive": "PT3H"}), 2),
        (json!({"Namespace": "Bird"}), 0),
    ] {
        let answer = world.ok("ListMetrics", input.clone()).await;
        assert_eq!(answer["Metrics"].as_array().map(Vec::len), Some(expect), "{input}");
    }
    world.now += 4 * 60 * 60;
    let recent = world.ok("ListMetrics", json!({"RecentlyActive": "PT3H"})).await;
    assert_eq!(recent["Metrics"], json!([]));
    let data: Vec<Value> = (0..600).map(|at| json!({"MetricName": format!("M{at:03}"), "Value": 1})).collect();
    world.ok("PutMetricData", json!({"Namespace": "Many", "MetricData": data})).await;
    let first = world.ok("ListMetrics", json!({"Namespace": "Many"})).await;
    let second = world.ok("ListMetrics", json!({"Namespace": "Many", "NextToken": first["NextToken"]})).await;
    assert_eq!(
        (first["Metrics"].as_array().map(Vec::len), second["Metrics"].as_array().map(Vec::len)),
        (Some(500), Some(100))
    );
    assert_eq!(second["Metrics"][0]["MetricName"], "M500");
    assert!(second.get("NextToken").is_none());
}

#[tokio::test]
async fn results_come_in_pages() {
    let world = World::new();
    world.seen(&[(240, 1.0), (180, 2.0), (120, 3.0), (60, 4.0), (0, 5.0)]).await;
    let queries = json!([{"Id": "a", "MetricStat": stat("Sum", 60)}, {"Id": "b", "MetricStat": stat("Sum", 60)}]);
    let (mut told, mut token, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let mut input =
            json!({"MetricDataQueries": queries, "StartTime": NOW - 600, "EndTime": NOW + 60, "MaxDatapoints": 3});
        if token.is_string() {
            input["NextToken"] = token;
        }
        let answer = world.ok("GetMetricData", input).await;
        for result in answer["MetricDataResults"].as_array().expect("there") {
            for value in result["Values"].as_array().expect("there") {
                told.push((result["Id"].as_str().expect("there").to_owned(), value.as_f64().expect("a number") as i64));
            }
        }
        pages += 1;
        token = answer["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let expect: Vec<(String, i64)> =
        ["a", "b"].iter().flat_map(|id| (1..=5).rev().map(|value| ((*id).to_owned(), value))).collect();
    assert_eq!((pages, told), (4, expect));
}

#[tokio::test]
async fn metrics_that_nobody_tells_of_are_forgotten() {
    let mut world = World::new();
    world.seen(&[(0, 1.0)]).await;
    world.now += 16 * 24 * 60 * 60;
    world.put(json!([{"MetricName": "New", "Value": 1}])).await;
    let answer = world.ok("ListMetrics", json!({})).await;
    assert_eq!(answer["Metrics"].as_array().map(Vec::len), Some(1));
    let place = place();
    for table in [super::metrics(&place), super::blocks(&place)] {
        assert_eq!(world.metrics.store.count(&table, "").await.expect("memory does not fail"), 1);
    }
}

fn place() -> standin_core::Place {
    standin_core::Place {
        partition: "aws".into(),
        account: "111122223333".into(),
        region: "eu-west-1".into(),
        access_key: None,
        now: Timestamp::default(),
    }
}

#[tokio::test]
async fn the_newest_values_are_exposed() {
    let world = World::new();
    world.seen(&[(60, 1.0), (0, 3.0)]).await;
    let text =
        world.metrics.exposition("Birds", "birds", Timestamp::from_seconds(NOW)).await.expect("memory does not fail");
    assert_eq!(text, "birds_Seen{account=\"111122223333\",region=\"eu-west-1\"} 3\n");
    let later = Timestamp::from_seconds(NOW + 7200);
    assert_eq!(world.metrics.exposition("Birds", "birds", later).await.expect("memory does not fail"), "");
}

#[tokio::test]
async fn what_breaks_a_rule_is_told() {
    let world = World::new();
    let put = |datum: Value| json!({"Namespace": "Birds", "MetricData": [datum]});
    for (input, code) in [
        (json!({"Namespace": "Birds"}), "MissingRequiredParameterException"),
        (put(json!({"MetricName": "A"})), "MissingRequiredParameterException"),
        (put(json!({"MetricName": "A", "Value": 1, "Values": [1]})), "InvalidParameterCombinationException"),
        (put(json!({"MetricName": "A", "Values": [1, 2], "Counts": [1]})), "InvalidParameterValueException"),
        (put(json!({"MetricName": "A", "Value": 1e300})), "InvalidParameterValueException"),
        (
            put(json!({"MetricName": "A", "Value": 1, "Timestamp": NOW - 15 * 24 * 3600})),
            "InvalidParameterValueException",
        ),
        (put(json!({"MetricName": "A", "Value": 1, "Timestamp": NOW + 3 * 3600})), "InvalidParameterValueException"),
        (put(json!({"MetricName": "A", "Value": 1, "StorageResolution": 5})), "InvalidParameterValueException"),
        (
            put(
                json!({"MetricName": "A", "Value": 1, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}),
            ),
            "InvalidParameterValueException",
        ),
    ] {
        world.fails("PutMetricData", input, code).await;
    }
    let data = |query: Value| json!({"MetricDataQueries": [query], "StartTime": NOW - 60, "EndTime": NOW});
    for query in [
        json!({"Id": "A", "MetricStat": stat("Sum", 60)}),
        json!({"Id": "a"}),
        json!({"Id": "a", "MetricStat": stat("Sum", 61)}),
        json!({"Id": "a", "MetricStat": stat("tm99", 60)}),
        json!({"Id": "a", "Expression": "a + 1"}),
        json!({"Id": "a", "Expression": "b + 1"}),
        json!({"Id": "a", "Expression": "1 +"}),
    ] {
        world.fails("GetMetricData", data(query), "ValidationException").await;
    }
    let statistics = |more: Value| {
        let mut input =
            json!({"Namespace": "Birds", "MetricName": "A", "StartTime": NOW - 60, "EndTime": NOW, "Period": 60});
        for (name, value) in more.as_object().expect("a map") {
            input[name] = value.clone();
        }
        input
    };
    for (input, code) in [
        (statistics(json!({})), "MissingRequiredParameterException"),
        (statistics(json!({"Statistics": ["Sum"], "StartTime": NOW})), "InvalidParameterValueException"),
        (statistics(json!({"Statistics": ["Sum"], "Period": 61})), "InvalidParameterValueException"),
        (statistics(json!({"ExtendedStatistics": ["tm99"]})), "InvalidParameterValueException"),
        (statistics(json!({"Statistics": ["Sum"], "StartTime": 0})), "InvalidParameterCombinationException"),
    ] {
        world.fails("GetMetricStatistics", input, code).await;
    }
}
