"""Log events and metrics through boto3: what is put can be read, filtered, tailed and aggregated, and survives a crash."""

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from conftest import ACCOUNT, REGION, make
from serve import Standin

GROUP = "/birds/seen"
TAIL_SECONDS_MAX = 15


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("cloudwatch"))) as running:
        yield running


@pytest.fixture
def logs(client):
    logs = client("logs", config={"inject_host_prefix": False})
    logs.create_log_group(logGroupName=GROUP)
    yield logs
    logs.delete_log_group(logGroupName=GROUP)


def now_ms():
    return int(time.time() * 1000)


def put(logs, stream, *messages, at=None):
    at = at or now_ms()
    events = [{"timestamp": at + number, "message": message} for number, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_events_are_put_and_read(logs):
    logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    at = now_ms() - 10_000
    put(logs, "a", *[f"bird {number}" for number in range(500)], at=at)
    seen, token = [], None
    while True:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(logGroupName=GROUP, logStreamName="a", startFromHead=True, limit=120, **more)
        seen += messages(page)
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert seen == [f"bird {number}" for number in range(500)]
    newest = logs.get_log_events(logGroupName=GROUP, logStreamName="a", limit=2)
    assert messages(newest) == ["bird 498", "bird 499"]
    put(logs, "a", "late")
    assert messages(logs.get_log_events(logGroupName=GROUP, logStreamName="a", nextToken=token)) == ["late"]
    stream = logs.describe_log_streams(logGroupName=GROUP)["logStreams"][0]
    assert stream["firstEventTimestamp"] == at
    assert stream["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:log-stream:a"


def test_events_of_many_streams_are_filtered(logs):
    at = now_ms() - 60_000
    for number in range(12):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=f"s{number:02}")
        put(logs, f"s{number:02}", f"INFO {number}", f"ERROR {number}", at=at + number * 100)
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 5})
    found = [event for page in pages for event in page["events"]]
    assert [event["timestamp"] for event in found] == sorted(event["timestamp"] for event in found)
    assert len({event["eventId"] for event in found}) == 24
    errors = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="s0", filterPattern="ERROR")
    assert messages(errors) == [f"ERROR {number}" for number in range(10)]
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.x }")
    last = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=2)
    assert [stream["logStreamName"] for stream in last["logStreams"]] == ["s11", "s10"]


def test_what_is_missing_or_wrong_is_told(logs):
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="log stream"):
        put(logs, "none", "x")
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="log group"):
        logs.create_log_stream(logGroupName="none", logStreamName="a")
    logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    old = put(logs, "a", "old", at=now_ms() - 15 * 24 * 3600 * 1000)
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    expired = put(logs, "a", "old", at=now_ms() - 2 * 24 * 3600 * 1000)
    assert expired["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}


def test_a_live_tail_shows_what_comes(server, logs):
    logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
    stream = logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    events = iter(stream)
    assert next(events)["sessionStart"]["logGroupIdentifiers"] == [arn]
    threading.Thread(target=put, args=(make(server, "logs"), "a", "live")).start()
    until = time.monotonic() + TAIL_SECONDS_MAX
    while time.monotonic() < until:
        if results := next(events)["sessionUpdate"]["sessionResults"]:
            assert [result["message"] for result in results] == ["live"]
            break
    else:
        raise AssertionError("nothing came")
    stream.close()


def test_followers_see_each_event_once(logs):
    """As `aws logs tail --follow` asks: from the time of the last event on, leaving out what was seen."""
    logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    start, seen, shown = now_ms() - 1000, set(), []
    for round_ in range(4):
        at = now_ms()
        put(logs, "a", f"{round_} one", at=at)
        put(logs, "a", f"{round_} two", at=at)
        for event in logs.filter_log_events(logGroupName=GROUP, startTime=start, interleaved=True)["events"]:
            start = max(start, event["timestamp"])
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                shown.append(event["message"])
    assert shown == [f"{round_} {word}" for round_ in range(4) for word in ("one", "two")]


def test_a_deleted_group_takes_its_events_along(client):
    logs = client("logs")
    for _ in range(2):
        logs.create_log_group(logGroupName="gone")
        logs.create_log_stream(logGroupName="gone", logStreamName="a")
        assert logs.get_log_events(logGroupName="gone", logStreamName="a")["events"] == []
        logs.put_log_events(logGroupName="gone", logStreamName="a", logEvents=[{"timestamp": now_ms(), "message": "x"}])
        logs.delete_log_group(logGroupName="gone")
    with pytest.raises(ClientError, match="log group"):
        logs.describe_log_streams(logGroupName="gone")


def test_metrics_are_aggregated(client):
    cloudwatch = client("cloudwatch")
    end = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    dimensions = [{"Name": "Place", "Value": "reed"}]

    def datum(minutes, **more):
        return {"MetricName": "Seen", "Dimensions": dimensions, "Unit": "Count", "Timestamp": end - timedelta(minutes=minutes), **more}

    cloudwatch.put_metric_data(
        Namespace="Birds",
        MetricData=[
            datum(3, Value=1.0),
            datum(3, Values=[2.0, 4.0], Counts=[1.0, 2.0]),
            datum(1, StatisticValues={"SampleCount": 2.0, "Sum": 6.0, "Minimum": 1.0, "Maximum": 5.0}),
        ],
    )
    metric = {"Namespace": "Birds", "MetricName": "Seen", "Dimensions": dimensions}

    def asked(name, stat, **more):
        return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}

    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            asked("sums", "Sum"),
            asked("counts", "SampleCount", ReturnData=False),
            asked("middle", "p50"),
            {"Id": "mean", "Expression": "sums / counts", "Label": "the mean"},
        ],
        StartTime=end - timedelta(minutes=10),
        EndTime=end + timedelta(minutes=1),
        ScanBy="TimestampAscending",
    )
    results = {result["Id"]: result for result in answer["MetricDataResults"]}
    times = [end - timedelta(minutes=3), end - timedelta(minutes=1)]
    assert (results["sums"]["Timestamps"], results["sums"]["Values"]) == (times, [11.0, 6.0])
    assert (results["mean"]["Label"], results["mean"]["Values"]) == ("the mean", [2.75, 3.0])
    # Of sums, nobody knows the median.
    assert results["middle"]["Values"] == [2.0]
    statistics = cloudwatch.get_metric_statistics(
        **metric, StartTime=end - timedelta(minutes=10), EndTime=end, Period=600, Statistics=["Average", "Maximum"], Unit="Count"
    )
    assert [(point["Average"], point["Maximum"], point["Unit"]) for point in statistics["Datapoints"]] == [(17 / 6, 5.0, "Count")]
    assert cloudwatch.list_metrics(Namespace="Birds", RecentlyActive="PT3H")["Metrics"] == [metric]
    with pytest.raises(ClientError, match="ValidationError"):
        cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "a", "Expression": "SEARCH('x')"}], StartTime=times[0], EndTime=end)


def test_events_and_metrics_survive_a_crash(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crash")
    with Standin("--log", "warn", "--data-dir", str(folder)) as running:
        logs, cloudwatch = make(running, "logs"), make(running, "cloudwatch")
        logs.create_log_group(logGroupName=GROUP)
        logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
        put(logs, "a", *map(str, range(100)))
        cloudwatch.put_metric_data(Namespace="Birds", MetricData=[{"MetricName": "Seen", "Value": 3.0}])
        running.process.kill()
        running.process.wait()
    with Standin("--log", "warn", "--data-dir", str(folder)) as running:
        logs, cloudwatch = make(running, "logs"), make(running, "cloudwatch")
        assert messages(logs.filter_log_events(logGroupName=GROUP)) == [str(number) for number in range(100)]
        assert [metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace="Birds")["Metrics"]] == ["Seen"]
