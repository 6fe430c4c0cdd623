//! The control plane.

use super::*;

#[tokio::test]
async fn an_environment_lives() {
    let world = World::new();
    let made = world.call("CreateEnvironment", input("birds", json!({}))).await;
    assert_eq!(made["Arn"], "arn:aws:airflow:eu-west-1:111122223333:environment/birds");
    let early = world.get("birds").await;
    assert_eq!((&early["Status"], &early["LastUpdate"]["Status"]), (&json!("CREATING"), &json!("PENDING")));
    assert_eq!(early["WebserverUrl"], Value::Null);
    world.work().await;
    let shown = world.get("birds").await;
    assert_eq!((&shown["Status"], &shown["LastUpdate"]["Status"]), (&json!("AVAILABLE"), &json!("SUCCESS")));
    let expect = json!({
        "AirflowVersion": "3.0.6", "EnvironmentClass": "mw1.small", "MinWorkers": 1, "MaxWorkers": 10, "Schedulers": 2,
        "MinWebservers": 2, "MaxWebservers": 2, "WebserverAccessMode": "PRIVATE_ONLY", "EndpointManagement": "SERVICE",
        "AirflowConfigurationOptions": {}, "Tags": {}, "DagS3Path": "dags/",
    });
    for (member, value) in expect.as_object().expect("it is an object") {
        assert_eq!(&shown[member], value, "{member}");
    }
    let group = "arn:aws:logs:eu-west-1:111122223333:log-group:airflow-birds-Task";
    assert_eq!(
        shown["LoggingConfiguration"]["TaskLogs"],
        json!({"Enabled": true, "LogLevel": "INFO", "CloudWatchLogGroupArn": group})
    );
    assert_eq!(shown["LoggingConfiguration"]["WorkerLogs"], json!({"Enabled": false, "LogLevel": "INFO"}));
    assert_eq!(*world.others.asked.lock().expect("it is whole"), ["CreateLogGroup airflow-birds-Task"]);
    assert!(shown["WebserverUrl"].as_str().is_some_and(|url| url.ends_with(".c0.eu-west-1.airflow.localhost:4566")));
    world.advance(5000);
    assert_eq!(world.get("birds").await, shown, "what is made up stays");

    world.call("DeleteEnvironment", json!({"Name": "birds"})).await;
    assert_eq!(world.status("birds").await, "DELETING");
    world.work().await;
    assert_eq!(world.call("ListEnvironments", json!({})).await["Environments"], json!([]));
    for operation in ["GetEnvironment", "DeleteEnvironment"] {
        assert_eq!(world.fails(operation, json!({"Name": "birds"})).await.0, "ResourceNotFoundException");
    }
    world.available(json!({})).await;
}

#[tokio::test]
async fn names_are_taken_once_and_free_when_deleted() {
    let world = World::new();
    world.available(json!({})).await;
    let (code, message) = world.fails("CreateEnvironment", input("birds", json!({}))).await;
    assert_eq!(code, "ValidationException");
    assert!(message.contains("already exists"), "{message}");
    let id = |environment: &Value| environment["WebserverUrl"].as_str().unwrap_or_default()[..36].to_owned();
    let first = id(&world.get("birds").await);
    world.call("DeleteEnvironment", json!({"Name": "birds"})).await;
    world.work().await;
    world.available(json!({})).await;
    assert_ne!(id(&world.get("birds").await), first);
    // No job of the first one touches the second.
    world.advance(60_000);
    world.work().await;
    assert_eq!(world.status("birds").await, "AVAILABLE");
}

async fn check_refused(more: Value, part: &str) {
    let world = World::new();
    world.put("dags/requirements.txt", "");
    let (code, message) = world.fails("CreateEnvironment", input("birds", more)).await;
    assert_eq!(code, "ValidationException");
    assert!(message.contains(part), "{message}");
    assert_eq!(world.fails("GetEnvironment", json!({"Name": "birds"})).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_environments_must_be_like() {
    check_refused(json!({"AirflowVersion": "1.10.12"}), "AirflowVersion 1.10.12 is not supported").await;
    check_refused(json!({"EnvironmentClass": "mw1.tiny"}), "EnvironmentClass mw1.tiny").await;
    check_refused(json!({"EnvironmentClass": "mw1.micro", "MaxWorkers": 2}), "MaxWorkers must be exactly 1").await;
    check_refused(json!({"MinWorkers": 5, "MaxWorkers": 2}), "MinWorkers must not be greater").await;
    check_refused(json!({"Schedulers": 1}), "Schedulers must be between 2 and 5").await;
    check_refused(json!({"MaxWorkers": 26}), "MaxWorkers must be between 1 and 25").await;
    check_refused(json!({"SourceBucketArn": "arn:aws:s3:::missing"}), "bucket missing does not exist").await;
    check_refused(json!({"PluginsS3Path": "plugins.zip"}), "plugins.zip at s3://dags/plugins.zip").await;
    check_refused(
        json!({"RequirementsS3Path": "requirements.txt", "RequirementsS3ObjectVersion": "9"}),
        "version 9 of requirements.txt",
    )
    .await;
    check_refused(json!({"Tags": {"aws:x": "1"}}), "aws:x is reserved").await;
    check_refused(json!({"AirflowConfigurationOptions": {"parallelism": "3"}}), "has no section").await;
    check_refused(
        json!({"Teams": {"red": {"SourceBucketArn": "arn:aws:s3:::dags", "DagS3Path": "dags/red"}}}),
        "Teams need an IdentityCenterConfiguration; the DAG folders of the environment and red overlap",
    )
    .await;
}

#[tokio::test]
async fn small_environments_have_one_of_everything() {
    let world = World::new();
    world.available(json!({"EnvironmentClass": "mw1.micro"})).await;
    let shown = world.get("birds").await;
    for member in ["Schedulers", "MinWebservers", "MaxWebservers", "MinWorkers", "MaxWorkers"] {
        assert_eq!(shown[member], 1, "{member}");
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let world = World::with(false, 1000);
    world.put("dags/requirements.txt", "");
    let more = json!({
        "AirflowVersion": "2.10.1", "AirflowConfigurationOptions": {"core.parallelism": "4", "a.b": "c"},
        "RequirementsS3Path": "requirements.txt", "Tags": {"team": "birds"},
    });
    world.call("CreateEnvironment", input("birds", more)).await;
    world.work().await;
    assert_eq!(world.status("birds").await, "CREATING");
    world.advance(1000);
    world.work().await;
    let before = world.get("birds").await;
    assert_eq!((&before["Status"], &before["RequirementsS3ObjectVersion"]), (&json!("AVAILABLE"), &json!("1")));

    let change = json!({
        "Name": "birds", "AirflowConfigurationOptions": {}, "RequirementsS3Path": "", "MaxWorkers": 5,
        "LoggingConfiguration": {"WorkerLogs": {"Enabled": true, "LogLevel": "DEBUG"}},
        "NetworkConfiguration": {"SecurityGroupIds": ["sg-2"]}, "WorkerReplacementStrategy": "GRACEFUL",
    });
    world.call("UpdateEnvironment", change).await;
    let shown = world.get("birds").await;
    let last = &shown["LastUpdate"];
    assert_eq!((&shown["Status"], &last["Status"]), (&json!("UPDATING"), &json!("PENDING")));
    assert_eq!(last["WorkerReplacementStrategy"], "GRACEFUL");
    let busy = "Environments with UPDATING status must complete previous operation before initiating a new operation";
    for operation in ["UpdateEnvironment", "DeleteEnvironment"] {
        assert_eq!(world.fails(operation, json!({"Name": "birds"})).await.1, busy);
    }
    world.call("TagResource", json!({"ResourceArn": shown["Arn"], "Tags": {"more": "1"}})).await;
    world.advance(1000);
    world.work().await;
    let shown = world.get("birds").await;
    assert_eq!((&shown["Status"], &shown["LastUpdate"]["Status"]), (&json!("AVAILABLE"), &json!("SUCCESS")));
    assert_eq!(shown["AirflowConfigurationOptions"], json!({}));
    assert_eq!((&shown["RequirementsS3Path"], &shown["RequirementsS3ObjectVersion"]), (&Value::Null, &Value::Null));
    assert_eq!(
        shown["NetworkConfiguration"],
        json!({"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-2"]})
    );
    assert_eq!(shown["LoggingConfiguration"]["WorkerLogs"]["LogLevel"], "DEBUG");
    assert_eq!(shown["LoggingConfiguration"]["TaskLogs"], before["LoggingConfiguration"]["TaskLogs"]);
    assert_eq!(shown["Tags"], json!({"team": "birds", "more": "1"}));
    assert_eq!((&shown["AirflowVersion"], &shown["MaxWorkers"]), (&json!("2.10.1"), &json!(5)));

    world
        .call(
            "UpdateEnvironment",
            json!({"Name": "birds", "AirflowVersion": "2.10.3", "EnvironmentClass": "mw1.micro"}),
        )
        .await;
    assert_eq!(world.status("birds").await, "CREATING_SNAPSHOT");
    world.advance(1000);
    world.work().await;
    assert_eq!(world.status("birds").await, "UPDATING");
    world.advance(1000);
    world.work().await;
    let shown = world.get("birds").await;
    assert_eq!(
        (&shown["Status"], &shown["Schedulers"], &shown["MaxWorkers"]),
        (&json!("AVAILABLE"), &json!(1), &json!(1))
    );
    for (version, part) in [("3.0.6", "another major version"), ("2.9.2", "downgraded")] {
        let (code, message) =
            world.fails("UpdateEnvironment", json!({"Name": "birds", "AirflowVersion": version})).await;
        assert!(code == "ValidationException" && message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn failures_are_told_and_updates_rolled_back() {
    let world = World::with(true, 0);
    let fails = |step| (step, Progress::Failed { code: "INCORRECT_CONFIGURATION".into(), message: "no luck".into() });
    let script = |steps: Vec<(&'static str, Progress)>| *world.script.steps.lock().expect("it is whole") = steps;
    script(vec![("prepare", Progress::Working { again_after_ms: 100 }), fails("start")]);
    world.call("CreateEnvironment", input("birds", json!({}))).await;
    world.work().await;
    assert_eq!(world.status("birds").await, "CREATING");
    world.advance(100);
    world.work().await;
    let shown = world.get("birds").await;
    let error = json!({"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": "no luck"});
    assert_eq!((&shown["Status"], &shown["LastUpdate"]["Error"]), (&json!("CREATE_FAILED"), &error));
    let refused = world.fails("UpdateEnvironment", json!({"Name": "birds"})).await.1;
    assert_eq!(refused, "Environments with CREATE_FAILED status cannot be updated");
    world.call("DeleteEnvironment", json!({"Name": "birds"})).await;
    world.work().await;

    world.available(json!({})).await;
    script(vec![fails("update")]);
    world.call("UpdateEnvironment", json!({"Name": "birds", "MaxWorkers": 3})).await;
    world.step().await;
    assert_eq!(world.status("birds").await, "ROLLING_BACK");
    world.work().await;
    let shown = world.get("birds").await;
    assert_eq!((&shown["Status"], &shown["MaxWorkers"]), (&json!("UPDATE_FAILED"), &json!(10)));
    assert_eq!((&shown["LastUpdate"]["Status"], &shown["LastUpdate"]["Error"]), (&json!("FAILED"), &error));
    script(vec![fails("update"), fails("update")]);
    world.call("UpdateEnvironment", json!({"Name": "birds", "MaxWorkers": 3})).await;
    world.work().await;
    assert_eq!(world.status("birds").await, "UNAVAILABLE");
}

#[tokio::test]
async fn fault_rules_let_transitions_fail_or_hang() {
    let world = World::new();
    world.twisted("CreateEnvironment", input("fails", json!({})), Twist::Failed).await;
    world.twisted("CreateEnvironment", input("hangs", json!({})), Twist::Stuck).await;
    world.work().await;
    world.advance(1_000_000);
    world.work().await;
    assert_eq!(world.status("fails").await, "CREATE_FAILED");
    assert_eq!(world.status("hangs").await, "CREATING");
}

#[tokio::test]
async fn customers_endpoints_are_waited_for() {
    let world = World::new();
    world.call("CreateEnvironment", input("birds", json!({"EndpointManagement": "CUSTOMER"}))).await;
    world.work().await;
    assert_eq!(world.status("birds").await, "PENDING");
    world.advance(5000);
    world.work().await;
    assert_eq!(world.status("birds").await, "PENDING");
    *world.others.endpoints.lock().expect("it is whole") = true;
    world.advance(5000);
    world.work().await;
    assert_eq!(world.status("birds").await, "AVAILABLE");

    *world.others.endpoints.lock().expect("it is whole") = false;
    world.call("CreateEnvironment", input("late", json!({"EndpointManagement": "CUSTOMER"}))).await;
    world.work().await;
    world.advance(72 * 60 * 60 * 1000);
    world.work().await;
    assert_eq!(world.status("late").await, "CREATE_FAILED");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new();
    for name in ["wren", "robin", "owl"] {
        world.call("CreateEnvironment", input(name, json!({}))).await;
    }
    let first = world.call("ListEnvironments", json!({"MaxResults": 2})).await;
    assert_eq!(first["Environments"], json!(["owl", "robin"]));
    let second = world.call("ListEnvironments", json!({"MaxResults": 2, "NextToken": first["NextToken"]})).await;
    assert_eq!(second, json!({"Environments": ["wren"]}));
    assert_eq!(world.fails("ListEnvironments", json!({"NextToken": "nonsense"})).await.0, "ValidationException");
    let all = world.call("ListEnvironments", json!({"MaxResults": 3})).await;
    assert_eq!(all.get("NextToken"), None);
}

#[tokio::test]
async fn tags_are_merged_and_taken_away() {
    let world = World::new();
    world.available(json!({"Tags": {"a": "1"}})).await;
    let arn = "arn:aws:airflow:eu-west-1:111122223333:environment/birds";
    world.call("TagResource", json!({"ResourceArn": arn, "Tags": {"a": "2", "b": "3"}})).await;
    world.call("UntagResource", json!({"ResourceArn": arn, "tagKeys": ["a", "unknown"]})).await;
    assert_eq!(world.call("ListTagsForResource", json!({"ResourceArn": arn})).await["Tags"], json!({"b": "3"}));
    let many: serde_json::Map<String, Value> = (0..50).map(|at| (format!("t{at}"), json!("x"))).collect();
    assert_eq!(world.fails("TagResource", json!({"ResourceArn": arn, "Tags": many})).await.0, "ValidationException");
    let foreign = "arn:aws:airflow:eu-west-1:999999999999:environment/birds";
    assert_eq!(
        world.fails("ListTagsForResource", json!({"ResourceArn": foreign})).await.0,
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn metrics_are_kept_and_handed_on() {
    let world = World::new();
    world.available(json!({})).await;
    let datum = json!({"MetricName": "QueuedTasks", "Value": 3.5, "Unit": "Count"});
    let input = Document::from_json(&json!({"EnvironmentName": "birds", "MetricData": [datum]}));
    world.engine.call(&world.scope(), "PublishMetrics", &input).await.expect("it is accepted");
    let text = world.engine.exposition().await.expect("memory does not fail");
    assert!(text.contains("environment=\"birds\",metric=\"QueuedTasks\"} 3.5\n"), "{text}");
    assert!(world.others.asked.lock().expect("it is whole").contains(&"PutMetricData AmazonMWAA".to_owned()));
    world.call("DeleteEnvironment", json!({"Name": "birds"})).await;
    world.work().await;
    assert_eq!(world.engine.exposition().await.expect("memory does not fail"), "");
    world.call("PublishMetrics", json!({"EnvironmentName": "nobody", "MetricData": []})).await;
}

#[tokio::test]
async fn what_runs_is_unavailable_while_it_is_not_well() {
    let world = World::with(true, 0);
    world.available(json!({})).await;
    let look = async || {
        world.engine.look_after(world.now(), Dice::new(1)).await.expect("the store is there");
        let environment = world.get("birds").await;
        let last = &environment["LastUpdate"];
        [&environment["Status"], &last["Status"], &last["Error"]["ErrorMessage"]]
            .map(|value| value.as_str().map(str::to_owned))
    };
    let seen = |texts: [&str; 3]| texts.map(|text| Some(text).filter(|text| !text.is_empty()).map(str::to_owned));
    let fails =
        || ("start", Progress::Failed { code: "INTERNAL_ERROR".into(), message: "the scheduler is not well".into() });
    let well = seen(["AVAILABLE", "SUCCESS", ""]);
    let unwell = seen(["UNAVAILABLE", "FAILED", "the scheduler is not well"]);
    assert_eq!(look().await, well);
    let steps = vec![fails(), fails(), ("start", Progress::Working { again_after_ms: 1 })];
    *world.script.steps.lock().expect("no test panics with it") = steps;
    for _ in 0..3 {
        assert_eq!(look().await, unwell);
    }
    assert_eq!(look().await, well, "its error is gone with what it told of");
}
