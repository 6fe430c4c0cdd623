"""Every protocol's errors arrive as the typed exceptions of the SDK."""

import botocore.exceptions
import pytest

# service, operation, input, error as canned, the code and the exception that callers see
TYPED = [
    pytest.param("dynamodb", "GetItem", {"TableName": "birds", "Key": {"id": {"S": "1"}}}, "ResourceNotFoundException", "ResourceNotFoundException", 400, id="json-1.0"),
    pytest.param("codecommit", "GetRepository", {"repositoryName": "birds"}, "RepositoryDoesNotExistException", "RepositoryDoesNotExistException", 400, id="json-1.1"),
    pytest.param("mwaa", "GetEnvironment", {"Name": "birds"}, "ResourceNotFoundException", "ResourceNotFoundException", 404, id="rest-json"),
    pytest.param("s3", "GetObject", {"Bucket": "birds", "Key": "heron"}, "NoSuchKey", "NoSuchKey", 404, id="rest-xml-s3"),
    pytest.param("route53", "GetHostedZone", {"Id": "Z1"}, "NoSuchHostedZone", "NoSuchHostedZone", 404, id="rest-xml"),
    pytest.param("iam", "GetUser", {"UserName": "heron"}, "NoSuchEntityException", "NoSuchEntity", 404, id="query"),
    pytest.param("sns", "GetTopicAttributes", {"TopicArn": "arn:aws:sns:eu-west-1:444455556666:birds"}, "NotFoundException", "NotFound", 404, id="query-renamed"),
    pytest.param("cloudwatch", "PutDashboard", {"DashboardName": "birds", "DashboardBody": "{}"}, "DashboardInvalidInputError", "InvalidParameterInput", 400, id="cbor-query-compatible"),
    pytest.param("sqs", "GetQueueUrl", {"QueueName": "birds"}, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, id="json-query-compatible"),
]


@pytest.mark.parametrize("service, operation, given, shape, code, status", TYPED)
def test_canned_errors_are_typed(admin, client, service, operation, given, shape, code, status):
    admin.can(service, operation, error={"code": shape, "message": "gone with the wind"})
    made = client(service)
    with pytest.raises(getattr(made.exceptions, shape)) as caught:
        made._make_api_call(operation, given)
    answer = caught.value.response
    assert answer["Error"]["Code"] == code
    assert answer["Error"]["Message"] == "gone with the wind"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["ResponseMetadata"].get("RequestId") or answer["ResponseMetadata"]["HTTPHeaders"]


def test_ec2_errors_carry_their_code(admin, client):
    admin.can("ec2", "DescribeInstances", error={"code": "InvalidInstanceID.NotFound", "message": "no such instance", "status": 400})
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client("ec2").describe_instances()
    assert caught.value.response["Error"] == {"Code": "InvalidInstanceID.NotFound", "Message": "no such instance"}


def test_error_members_arrive(admin, client):
    reasons = [{"Code": "ConditionalCheckFailed", "Message": "no"}, {"Code": "None"}]
    admin.can("dynamodb", "TransactWriteItems", error={"code": "TransactionCanceledException", "message": "m", "members": {"CancellationReasons": reasons}})
    made = client("dynamodb")
    write = {"Delete": {"TableName": "birds", "Key": {"id": {"S": "1"}}}}
    with pytest.raises(made.exceptions.TransactionCanceledException) as caught:
        made.transact_write_items(TransactItems=[write, write])
    assert caught.value.response["CancellationReasons"] == reasons


def test_head_errors_have_the_status_as_code(admin, client):
    admin.can("s3", "HeadObject", error={"code": "NoSuchKey", "message": "gone"})
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client("s3").head_object(Bucket="birds", Key="heron")
    assert caught.value.response["Error"]["Code"] == "404"


@pytest.mark.parametrize(
    "service, operation, given, code",
    [
        ("dynamodb", "GetItem", {"TableName": "birds"}, "ValidationException"),
        ("mwaa", "CreateEnvironment", {"Name": "birds"}, "ValidationException"),
        ("iam", "CreateUser", {}, "ValidationError"),
        ("ec2", "TerminateInstances", {}, "MissingParameter"),
    ],
)
def test_missing_members_are_refused(admin, client, service, operation, given, code):
    made = client(service, config={"parameter_validation": False})
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        made._make_api_call(operation, given)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_all_violations_are_listed_in_the_words_of_aws(admin, client):
    made = client("dynamodb")
    with pytest.raises(made.exceptions.ClientError) as caught:
        made.create_table(
            TableName="x",
            KeySchema=[{"AttributeName": "id", "KeyType": "NEITHER"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "Z"}],
            BillingMode="SOMETIMES",
        )
    message = caught.value.response["Error"]["Message"]
    assert "validation errors detected:" in message
    assert "failed to satisfy constraint: Member must satisfy enum value set: " in message
    for member in ("keySchema.1.member.keyType", "attributeDefinitions.1.member.attributeType", "billingMode"):
        assert f"at '{member}'" in message
