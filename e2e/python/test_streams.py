"""Event streams and streamed blobs end properly."""

import pytest

STREAMS = [
    ("lambda", "InvokeWithResponseStream", {"FunctionName": "heron"}, "EventStream"),
    ("bedrock-runtime", "ConverseStream", {"modelId": "heron-1", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "stream"),
    ("bedrock-runtime", "InvokeModelWithResponseStream", {"modelId": "heron-1", "body": b"{}"}, "body"),
    ("kinesis", "SubscribeToShard", {"ConsumerARN": "arn:aws:kinesis:eu-west-1:444455556666:stream/birds/consumer/c:1700000000", "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"}}, "EventStream"),
    ("s3", "SelectObjectContent", {"Bucket": "birds", "Key": "heron", "Expression": "select 1", "ExpressionType": "SQL", "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}, "Payload"),
    ("logs", "StartLiveTail", {"logGroupIdentifiers": ["arn:aws:logs:eu-west-1:444455556666:log-group:birds"]}, "responseStream"),
    ("sagemaker-runtime", "InvokeEndpointWithResponseStream", {"EndpointName": "heron", "Body": b"x"}, "Body"),
]


@pytest.mark.parametrize("service, operation, given, member", STREAMS, ids=[f"{row[0]}-{row[1]}" for row in STREAMS])
def test_event_streams(admin, client, service, operation, given, member):
    made = client(service)
    answer = made._make_api_call(operation, given)
    events = list(answer[member])
    assert events
    assert all(len(event) == 1 for event in events), events
    # The connection is whole: the same client can go on.
    assert made._make_api_call(operation, given)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_streamed_blobs_have_the_promised_length(admin, client):
    answer = client("s3").get_object(Bucket="birds", Key="heron")
    body = answer["Body"].read()
    assert body and len(body) == answer["ContentLength"]
    speech = client("polly").synthesize_speech(OutputFormat="mp3", Text="hi", VoiceId="Joanna")
    assert speech["AudioStream"].read()


def test_head_and_get_agree(admin, client):
    s3 = client("s3")
    head = s3.head_object(Bucket="birds", Key="heron")
    get = s3.get_object(Bucket="birds", Key="heron")
    assert head["ETag"] == get["ETag"]
