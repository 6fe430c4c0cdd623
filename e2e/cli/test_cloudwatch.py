"""Log events and metrics by the AWS CLI."""

import json
import time

import pytest
from test_cli import AWS, environment, run
from serve import Standin

REGION = "eu-west-1"


@pytest.fixture
def aws():
    """Runs `aws …` against a server of its own; its answer, parsed."""
    with Standin("--log", "warn") as server:
        more = {"AWS_ACCESS_KEY_ID": "111122223333", "AWS_SECRET_ACCESS_KEY": "standin", "AWS_DEFAULT_REGION": REGION}
        env = {name: value for name, value in environment(AWS_ENDPOINT_URL=server.url, **more).items() if name != "STANDIN_STATELESS"}

        def aws(*arguments, status=0):
            said = run(AWS, *arguments, env=env, status=status)
            return json.loads(said) if said.startswith("{") else said

        yield aws


def test_events_are_put_and_filtered(aws):
    stream = ("--log-group-name", "birds", "--log-stream-name", "a")
    aws("logs", "create-log-group", "--log-group-name", "birds")
    aws("logs", "create-log-stream", *stream)
    now = int(time.time() * 1000)
    aws("logs", "put-log-events", *stream, "--log-events", f"timestamp={now - 1},message=heron", f"timestamp={now},message=stork")
    read = aws("logs", "get-log-events", *stream, "--start-from-head")
    assert [event["message"] for event in read["events"]] == ["heron", "stork"]
    found = aws("logs", "filter-log-events", "--log-group-name", "birds", "--filter-pattern", "?stork ?egret")
    assert [(event["logStreamName"], event["message"]) for event in found["events"]] == [("a", "stork")]
    aws("logs", "delete-log-group", "--log-group-name", "birds")
    aws("logs", "get-log-events", *stream, status=255)


def test_metrics_are_put_and_read(aws):
    for value in ("1", "3"):
        aws("cloudwatch", "put-metric-data", "--namespace", "Birds", "--metric-name", "Seen", "--value", value, "--dimensions", "Place=reed")
    listed = aws("cloudwatch", "list-metrics", "--namespace", "Birds")["Metrics"]
    assert [(metric["MetricName"], metric["Dimensions"]) for metric in listed] == [("Seen", [{"Name": "Place", "Value": "reed"}])]
    day = 24 * 3600
    times = ("--start-time", str(int(time.time()) // day * day - day), "--end-time", str(int(time.time()) + 60))
    metric = ("--namespace", "Birds", "--metric-name", "Seen", "--dimensions", "Name=Place,Value=reed")
    answer = aws("cloudwatch", "get-metric-statistics", *metric, *times, "--period", str(2 * day), "--statistics", "Average", "--extended-statistics", "p100")
    assert [(point["Average"], point["ExtendedStatistics"]) for point in answer["Datapoints"]] == [(2.0, {"p100": 3.0})]
