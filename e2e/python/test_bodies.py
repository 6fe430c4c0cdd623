"""What SDKs do to bodies: checksums, chunks, compression, large blobs, odd characters."""

import base64
import datetime
import hashlib
import http.client
import io
import zlib

import pytest

KEY = "Grüße/日本 語+&=%20'\"<a>.txt"


class Pipe:
    """A body that can be read once and whose length nobody knows."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def read(self, size=-1):
        return self.content.read(size)


def test_object_keys_survive(admin, client):
    client("s3").put_object(Bucket="birds", Key=KEY, Body=b"x", Metadata={"Mood": "calm"})
    seen = admin.last("s3", "PutObject")["input"]
    assert seen["Key"] == KEY
    assert {name.lower(): value for name, value in seen["Metadata"].items()} == {"mood": "calm"}


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_uploads_with_a_checksum_header(admin, client, algorithm):
    assert client("s3").put_object(Bucket="birds", Key="heron", Body=b"x" * 70_000, ChecksumAlgorithm=algorithm)["ETag"]


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_streamed_uploads_with_a_trailing_checksum(admin, client, server, algorithm):
    s3 = client("s3", endpoint_url=server.url.replace("http:", "https:"), verify=False)
    answer = s3.put_object(Bucket="birds", Key="heron", Body=io.BytesIO(b"y" * 300_000), ChecksumAlgorithm=algorithm)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert admin.last("s3", "PutObject")["status"] == 200


def aws_chunked(content, trailer):
    return f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n" + trailer + b"\r\n\r\n"


@pytest.mark.parametrize("right, status", [(True, 200), (False, 400)])
def test_trailing_checksums_are_verified(admin, server, right, status):
    content = b"the quick brown heron" * 100
    sum_ = zlib.crc32(content) ^ (0 if right else 1)
    trailer = b"x-amz-checksum-crc32:" + base64.b64encode(sum_.to_bytes(4, "big"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(
        "PUT",
        "/birds/heron",
        body=aws_chunked(content, trailer),
        headers={
            "Host": f"s3.localhost:{server.port}",
            "Content-Encoding": "aws-chunked",
            "X-Amz-Trailer": "x-amz-checksum-crc32",
            "X-Amz-Decoded-Content-Length": str(len(content)),
            "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        },
    )
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == status, body
    if not right:
        assert b"<Code>BadDigest</Code>" in body
    connection.close()


def test_a_wrong_content_md5_is_refused(admin, client):
    s3 = client("s3")
    wrong = base64.b64encode(hashlib.md5(b"something else").digest()).decode()
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.put_object(Bucket="birds", Key="heron", Body=b"this", ContentMD5=wrong)
    assert caught.value.response["Error"]["Code"] == "BadDigest"


def test_compressed_requests(admin, client):
    data = [{"MetricName": f"flights-{at}", "Value": float(at), "Unit": "Count"} for at in range(300)]
    sent = {}
    cloudwatch = client("cloudwatch", config={"request_min_compression_size_bytes": 100})
    cloudwatch.meta.events.register("before-send", lambda request, **_: sent.update(request.headers))
    cloudwatch.put_metric_data(Namespace="birds", MetricData=data)
    assert sent["Content-Encoding"] in ("gzip", b"gzip")
    seen = admin.last("cloudwatch", "PutMetricData")["input"]["MetricData"]
    assert [datum["MetricName"] for datum in seen] == [datum["MetricName"] for datum in data]


def test_large_blobs(admin, client):
    blob = bytes(range(256)) * 4096
    answer = client("kinesis").put_record(StreamName="birds", Data=blob, PartitionKey="1")
    assert answer["ShardId"]
    assert client("lambda").invoke(FunctionName="heron", Payload=blob)["Payload"].read()
    assert client("lambda").create_function(FunctionName="heron", Role="arn:aws:iam::444455556666:role/r", Code={"ZipFile": blob})["FunctionArn"]


def test_odd_texts_in_every_protocol(admin, client):
    text = "  ünï \U0001f426 <&>\"' \ttab\nline "
    client("sns").publish(TopicArn="arn:aws:sns:eu-west-1:444455556666:birds", Message=text)
    assert admin.last("sns", "Publish")["input"]["Message"] == text
    client("sqs").send_message(QueueUrl="http://localhost/444455556666/birds", MessageBody=text)
    assert admin.last("sqs", "SendMessage")["input"]["MessageBody"] == text
    client("ec2").create_tags(Resources=["i-1"], Tags=[{"Key": "k", "Value": text}])
    assert admin.last("ec2", "CreateTags")["input"]["Tags"] == [{"Key": "k", "Value": text}]
    client("cloudwatch").put_dashboard(DashboardName="birds", DashboardBody=text)
    assert admin.last("cloudwatch", "PutDashboard")["input"]["DashboardBody"] == text
    client("route53").change_tags_for_resource(ResourceType="hostedzone", ResourceId="Z1", AddTags=[{"Key": "k", "Value": text}])
    assert admin.last("route53", "ChangeTagsForResource")["input"]["AddTags"] == [{"Key": "k", "Value": text}]


def test_answers_repeat_odd_texts(admin, client):
    text = "ünï \U0001f426 <&>\"' ]]> end"
    admin.can("sqs", "ReceiveMessage", output={"Messages": [{"MessageId": "1", "Body": text}]})
    assert client("sqs").receive_message(QueueUrl="http://localhost/444455556666/birds")["Messages"][0]["Body"] == text
    admin.can("sns", "ListTopics", output={"Topics": [{"TopicArn": text}]})
    assert client("sns").list_topics()["Topics"] == [{"TopicArn": text}]
    admin.can("cloudwatch", "GetDashboard", output={"DashboardBody": text})
    assert client("cloudwatch").get_dashboard(DashboardName="birds")["DashboardBody"] == text


def test_timestamps_in_every_protocol(admin, client):
    when = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    for service, operation, given in [
        ("cloudwatch", "GetMetricStatistics", {"Namespace": "n", "MetricName": "m", "StartTime": when, "EndTime": when, "Period": 60}),
        ("ec2", "DescribeSpotPriceHistory", {"StartTime": when}),
        ("cloudtrail", "LookupEvents", {"StartTime": when}),
        ("mwaa", "PublishMetrics", {"EnvironmentName": "birds", "MetricData": [{"MetricName": "m", "Timestamp": when}]}),
        ("s3", "GetObject", {"Bucket": "birds", "Key": "heron", "IfModifiedSince": when}),
        ("cloudformation", "DetectStackSetDrift", {"StackSetName": "s"}),
    ]:
        client(service)._make_api_call(operation, given)
        assert admin.last(service, operation)["status"] == 200
    seen = admin.last("cloudwatch", "GetMetricStatistics")["input"]["StartTime"]
    assert str(seen) in ("2026-02-03T04:05:06Z", str(int(when.timestamp())), str(when.timestamp()))


def test_http_answers_are_the_same_for_the_same_request(admin, client):
    first = client("ec2").describe_instances()
    admin("POST", "/_standin/reset")
    second = client("ec2").describe_instances()
    first.pop("ResponseMetadata"), second.pop("ResponseMetadata")
    assert first == second
    assert first["Reservations"]


def test_signed_payloads(admin, client):
    s3 = client("s3", config={"s3": {"payload_signing_enabled": True}})
    assert s3.put_object(Bucket="birds", Key="heron", Body=b"x" * 9000)["ETag"]
