"""S3 through boto3: what was written is there, and behaves as in AWS."""

import hashlib
import io
import json
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from serve import Standin

REGION = "eu-west-1"
HERE = {"LocationConstraint": REGION}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Remembers, unlike the one of the other tests."""
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("data"))) as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def s3(client, admin):
    return client("s3")


@pytest.fixture
def bucket(s3):
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=HERE)
    return "bucket"


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def refused(call, **arguments):
    """Code and HTTP status of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body(answer):
    return answer["Body"].read()


def keys(answer, name="Contents", member="Key"):
    return [item[member] for item in answer.get(name, [])]


# Buckets


def test_buckets_live(s3, client):
    assert s3.list_buckets()["Buckets"] == []
    made = s3.create_bucket(Bucket="first.bucket", CreateBucketConfiguration=HERE)
    assert made["Location"].endswith("/first.bucket/")
    assert refused(s3.create_bucket, Bucket="first.bucket", CreateBucketConfiguration=HERE) == ("BucketAlreadyOwnedByYou", 409)
    assert s3.head_bucket(Bucket="first.bucket")["BucketRegion"] == REGION
    assert s3.get_bucket_location(Bucket="first.bucket")["LocationConstraint"] == REGION
    assert keys(s3.list_buckets(), "Buckets", "Name") == ["first.bucket"]
    # Names are unique per account: tests of one do not meet those of another.
    other = client("s3", account="999988887777")
    assert other.list_buckets()["Buckets"] == []
    assert refused(other.head_bucket, Bucket="first.bucket") == ("404", 404)
    other.create_bucket(Bucket="first.bucket", CreateBucketConfiguration=HERE)
    s3.put_object(Bucket="first.bucket", Key="k", Body=b"x")
    assert refused(s3.delete_bucket, Bucket="first.bucket") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="first.bucket", Key="k")
    s3.delete_bucket(Bucket="first.bucket")
    assert refused(s3.delete_bucket, Bucket="first.bucket") == ("NoSuchBucket", 404)
    assert refused(s3.list_objects_v2, Bucket="first.bucket") == ("NoSuchBucket", 404)


def test_where_buckets_may_be(s3, client):
    assert refused(s3.create_bucket, Bucket="b-1") == ("IllegalLocationConstraintException", 400)
    assert refused(s3.create_bucket, Bucket="Not_good", CreateBucketConfiguration=HERE) == ("InvalidBucketName", 400)
    first = client("s3", region_name="us-east-1")
    first.create_bucket(Bucket="b-1")
    first.create_bucket(Bucket="b-1")
    assert "LocationConstraint" not in first.get_bucket_location(Bucket="b-1") or first.get_bucket_location(Bucket="b-1")["LocationConstraint"] is None
    assert refused(first.create_bucket, Bucket="b-2", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})[1] == 400
    first.create_bucket(Bucket="b-2", CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
    assert first.head_bucket(Bucket="b-2")["BucketRegion"] == "ap-south-1"
    assert keys(first.list_buckets(BucketRegion="ap-south-1"), "Buckets", "Name") == ["b-2"]


def test_lists_of_buckets_have_pages(s3):
    names = [f"page-{at:02}" for at in range(25)]
    for name in names:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=HERE)
    pages = list(s3.get_paginator("list_buckets").paginate(Prefix="page-", PaginationConfig={"PageSize": 10}))
    assert [len(page["Buckets"]) for page in pages] == [10, 10, 5]
    assert [name for page in pages for name in keys(page, "Buckets", "Name")] == names
    assert refused(s3.list_buckets, ContinuationToken="abc") == ("InvalidArgument", 400)


POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}]})
SETTINGS = [
    ("bucket_policy", {"Policy": POLICY}, "NoSuchBucketPolicy", True),
    ("bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}}, "NoSuchTagSet", True),
    ("bucket_cors", {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}, "NoSuchCORSConfiguration", True),
    ("bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}}, "NoSuchWebsiteConfiguration", True),
    ("bucket_ownership_controls", {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}, "OwnershipControlsNotFoundError", True),
    ("bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}, "BucketKeyEnabled": True}]}}, None, True),
    ("bucket_logging", {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "bucket", "TargetPrefix": "log/"}}}, None, False),
    ("bucket_notification_configuration", {"NotificationConfiguration": {"QueueConfigurations": [{"Id": "q", "QueueArn": "arn:aws:sqs:eu-west-1:444455556666:q", "Events": ["s3:ObjectCreated:*"]}]}}, None, False),
    ("bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Enabled"}}, None, False),
    ("bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "Requester"}}, None, False),
]


@pytest.mark.parametrize("name, given, missing, deletable", SETTINGS, ids=[row[0] for row in SETTINGS])
def test_settings_are_stored(s3, bucket, name, given, missing, deletable):
    get = getattr(s3, f"get_{name}")

    def read():
        answer = get(Bucket=bucket)
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    before = None
    if missing and name != "bucket_ownership_controls":
        assert refused(get, Bucket=bucket) == (missing, 404)
    else:
        before = read()
    getattr(s3, f"put_{name}")(Bucket=bucket, **given)
    (value,) = given.values()
    assert read() in (given, value)
    if deletable:
        getattr(s3, f"delete_{name}")(Bucket=bucket)
        if missing:
            assert refused(get, Bucket=bucket) == (missing, 404)
        else:
            assert read() == before


def test_further_settings(s3, bucket):
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert answer["Rules"] == [rule] and answer["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)

    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] is False
    s3.delete_public_access_block(Bucket=bucket)
    assert refused(s3.get_public_access_block, Bucket=bucket) == ("NoSuchPublicAccessBlockConfiguration", 404)

    assert refused(s3.get_bucket_policy_status, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    s3.put_bucket_policy(Bucket=bucket, Policy=POLICY)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy="{") == ("MalformedPolicy", 400)

    replication = {"Role": "arn:aws:iam::444455556666:role/r", "Rules": [{"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::bucket"}}]}
    assert refused(s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=replication) == ("InvalidRequest", 400)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=replication)
    assert s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"] == replication
    s3.delete_bucket_replication(Bucket=bucket)
    assert refused(s3.get_bucket_replication, Bucket=bucket) == ("ReplicationConfigurationNotFoundError", 404)


CONFIGURATIONS = {
    "analytics": {"Id": "x", "StorageClassAnalysis": {}},
    "metrics": {"Id": "x", "Filter": {"Prefix": "p"}},
    "inventory": {
        "Id": "x",
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::bucket", "Format": "CSV"}},
    },
    "intelligent_tiering": {"Id": "x", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]},
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_configurations_by_id(s3, bucket, kind):
    member = "".join(part.title() for part in kind.split("_")) + "Configuration"
    call = {verb: getattr(s3, f"{verb}_bucket_{kind}_configuration") for verb in ("put", "get", "delete")}
    listed = getattr(s3, f"list_bucket_{kind}_configurations")
    assert refused(call["get"], Bucket=bucket, Id="x") == ("NoSuchConfiguration", 404)
    call["put"](Bucket=bucket, Id="x", **{member: CONFIGURATIONS[kind]})
    assert call["get"](Bucket=bucket, Id="x")[member] == CONFIGURATIONS[kind]
    assert listed(Bucket=bucket)[member + "List"] == [CONFIGURATIONS[kind]]
    call["delete"](Bucket=bucket, Id="x")
    assert refused(call["delete"], Bucket=bucket, Id="x") == ("NoSuchConfiguration", 404)
    assert member + "List" not in listed(Bucket=bucket)


def test_acls(s3, bucket):
    owner = s3.list_buckets()["Owner"]["ID"]
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Owner"]["ID"] == owner and [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == ("AccessControlListNotSupported", 400)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert [grant["Permission"] for grant in s3.get_bucket_acl(Bucket=bucket)["Grants"]] == ["FULL_CONTROL", "READ"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"", GrantRead=f'id="{owner}"')
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"][0]["Grantee"]["ID"] == owner
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert [grant["Permission"] for grant in s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]] == ["FULL_CONTROL"]
    assert refused(s3.get_object_acl, Bucket=bucket, Key="none") == ("NoSuchKey", 404)


# Objects


ODD_KEYS = ["a b", "a+b", "é/ü", "a//b", "/lead", "trail/", "../up", "a/./b/../c", "100%", "?q=1#x", "a&b=c", "~'()*!", "\u65e5\u672c", "x\ty", "😀"]


def test_odd_keys_survive(s3, bucket):
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted(ODD_KEYS, key=str.encode)
    assert keys(s3.list_objects(Bucket=bucket)) == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        assert body(s3.get_object(Bucket=bucket, Key=key)) == key.encode()
        s3.copy_object(Bucket=bucket, Key="copies/" + key, CopySource={"Bucket": bucket, "Key": key})
        assert body(s3.get_object(Bucket=bucket, Key="copies/" + key)) == key.encode()
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    assert sorted(keys(deleted, "Deleted")) == sorted(ODD_KEYS)
    assert len(keys(s3.list_objects_v2(Bucket=bucket))) == len(ODD_KEYS)


def test_headers_and_metadata(s3, bucket):
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    given = dict(ContentType="text/x", CacheControl="no-store", ContentDisposition="inline", ContentEncoding="gzip", ContentLanguage="de", Metadata={"a": "1", "b-c": "two"}, WebsiteRedirectLocation="/x")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"12345", Expires=expires, **given)
    assert put["ETag"] == '"' + hashlib.md5(b"12345").hexdigest() + '"' and put["ServerSideEncryption"] == "AES256"
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in given} == given
        assert answer["ContentLength"] == 5 and answer["ETag"] == put["ETag"] and answer["AcceptRanges"] == "bytes"
        assert answer["Expires"] == expires
        assert abs(answer["LastModified"] - datetime.now(timezone.utc)) < timedelta(seconds=60)
    overridden = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/y", ResponseCacheControl="max-age=1", ResponseContentDisposition="attachment")
    assert (overridden["ContentType"], overridden["CacheControl"], overridden["ContentDisposition"]) == ("text/y", "max-age=1", "attachment")
    s3.put_object(Bucket=bucket, Key="plain", Body=b"")
    plain = s3.get_object(Bucket=bucket, Key="plain")
    assert plain["ContentType"] == "binary/octet-stream" and body(plain) == b"" and "VersionId" not in plain
    assert plain["ResponseMetadata"]["HTTPHeaders"]["server"] == "AmazonS3"
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025) == ("KeyTooLongError", 400)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Metadata={"m": "x" * 3000}) == ("MetadataTooLarge", 400)


def test_what_is_not_there(s3, bucket):
    assert refused(s3.get_object, Bucket=bucket, Key="none") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="none") == ("404", 404)
    assert refused(s3.get_object, Bucket="no-bucket", Key="none") == ("NoSuchBucket", 404)
    assert refused(s3.put_object, Bucket="no-bucket", Key="none", Body=b"x" * 100_000) == ("NoSuchBucket", 404)
    with pytest.raises(s3.exceptions.NoSuchKey) as caught:
        s3.get_object(Bucket=bucket, Key="none")
    assert caught.value.response["Error"]["Key"] == "none"
    s3.delete_object(Bucket=bucket, Key="none")


def test_ranges(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    for given, expect, told in [("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=7-", b"789", "bytes 7-9/10"), ("bytes=-2", b"89", "bytes 8-9/10"), ("bytes=5-99", b"56789", "bytes 5-9/10")]:
        answer = s3.get_object(Bucket=bucket, Key="k", Range=given)
        assert (body(answer), answer["ContentRange"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (expect, told, 206)
        assert s3.head_object(Bucket=bucket, Key="k", Range=given)["ContentLength"] == len(expect)
    assert body(s3.get_object(Bucket=bucket, Key="k", Range="lines=1-2")) == b"0123456789"
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == ("InvalidRange", 416)


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    earlier, later = datetime(2001, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc)
    assert body(s3.get_object(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince=earlier)) == b"x"
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refused(s3.head_object, Bucket=bucket, Key="k", IfMatch='"other"') == ("412", 412)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == ("304", 304)
    assert refused(s3.head_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == ("304", 304)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=later) == ("304", 304)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=earlier) == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="none", Body=b"y", IfMatch=etag) == ("NoSuchKey", 404)
    s3.put_object(Bucket=bucket, Key="new", Body=b"y", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfMatch=etag)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"y"
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == ("PreconditionFailed", 412)


ALGORITHMS = {"CRC32": "y/Q5Jg==", "SHA1": "98O8HYCOBHMq32eZZczDTKeuNEE=", "SHA256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksums(s3, bucket, algorithm):
    member, digest = f"Checksum{algorithm}", ALGORITHMS[algorithm]
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", ChecksumAlgorithm=algorithm)
    assert (put[member], put["ChecksumType"]) == (digest, "FULL_OBJECT")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == digest
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ETag", "ObjectSize", "StorageClass"])
    assert attributes["Checksum"] == {member: digest, "ChecksumType": "FULL_OBJECT"}
    assert (attributes["ObjectSize"], attributes["StorageClass"], attributes["ETag"]) == (9, "STANDARD", put["ETag"].strip('"'))
    (listed,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert listed["ChecksumAlgorithm"] == [algorithm]
    wrong = {member: ALGORITHMS[algorithm][:-4] + "AAA="} if algorithm != "CRC32" else {member: "AAAAAA=="}
    assert refused(s3.put_object, Bucket=bucket, Key="bad", Body=b"123456789", **wrong)[0] in ("BadDigest", "InvalidRequest")
    assert refused(s3.head_object, Bucket=bucket, Key="bad") == ("404", 404)


def test_a_checksum_is_computed_where_none_is_given(client, admin, bucket):
    quiet = client("s3", config={"request_checksum_calculation": "when_required"})
    put = quiet.put_object(Bucket=bucket, Key="k", Body=b"123456789")
    assert put["ChecksumCRC64NVME"] == "rosUhgp5mIg="
    assert refused(quiet.put_object, Bucket=bucket, Key="k", Body=b"1", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==") == ("BadDigest", 400)
    assert body(quiet.get_object(Bucket=bucket, Key="k")) == b"123456789"


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1&b=two%20words")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}]
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": ""}]
    twice = {"TagSet": [{"Key": "c", "Value": ""}, {"Key": "c", "Value": "x"}]}
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice) == ("InvalidTag", 400)
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="none") == ("NoSuchKey", 404)


def test_copies(s3, bucket):
    s3.create_bucket(Bucket="other", CreateBucketConfiguration=HERE)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentType="text/x", Metadata={"a": "1"}, Tagging="t=1")["ETag"]
    source = {"Bucket": bucket, "Key": "k"}
    copied = s3.copy_object(Bucket="other", Key="same", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == etag
    same = s3.get_object(Bucket="other", Key="same")
    assert (body(same), same["ContentType"], same["Metadata"], same["TagCount"]) == (b"hello", "text/x", {"a": "1"}, 1)
    s3.copy_object(Bucket="other", Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, TaggingDirective="REPLACE", Tagging="u=2", StorageClass="STANDARD_IA")
    new = s3.get_object(Bucket="other", Key="new")
    assert (new["ContentType"], new["Metadata"], new["StorageClass"]) == ("binary/octet-stream", {"b": "2"}, "STANDARD_IA")
    assert s3.get_object_tagging(Bucket="other", Key="new")["TagSet"] == [{"Key": "u", "Value": "2"}]
    sha = s3.copy_object(Bucket="other", Key="sha", CopySource=source, ChecksumAlgorithm="SHA256")
    assert "ChecksumSHA256" in sha["CopyObjectResult"]
    s3.delete_object(Bucket=bucket, Key="k")
    assert body(s3.get_object(Bucket="other", Key="same")) == b"hello"
    itself = dict(Bucket="other", Key="same", CopySource={"Bucket": "other", "Key": "same"})
    assert refused(s3.copy_object, **itself) == ("InvalidRequest", 400)
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"c": "3"})
    assert s3.head_object(Bucket="other", Key="same")["Metadata"] == {"c": "3"}
    assert refused(s3.copy_object, Bucket="other", Key="x", CopySource=source) == ("NoSuchKey", 404)
    for condition in ({"CopySourceIfMatch": '"x"'}, {"CopySourceIfNoneMatch": etag}, {"CopySourceIfModifiedSince": datetime.now(timezone.utc)}, {"CopySourceIfUnmodifiedSince": datetime(2001, 1, 1)}):
        assert refused(s3.copy_object, Bucket="other", Key="x", CopySource={"Bucket": "other", "Key": "same"}, **condition) == ("PreconditionFailed", 412)


def test_many_are_deleted_at_once(s3, bucket):
    for at in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{at}", Body=b"")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k0"}, {"Key": "none"}]})
    assert keys(answer, "Deleted") == ["k0", "none"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": "k1"}, {"Key": "k2", "VersionId": "no-such"}]})
    assert "Deleted" not in answer and keys(answer, "Errors") == ["k2"] and answer["Errors"][0]["Code"] == "InvalidArgument"
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k2", "k3", "k4"]
    assert refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": "x"}] * 1001}) == ("MalformedXML", 400)


def test_customer_keys(client, admin, server):
    s3 = client("s3", endpoint_url=server.url.replace("http:", "https:"), verify=False)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=HERE)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    s3.put_object(Bucket="bucket", Key="k", Body=b"secret", **key)
    assert body(s3.get_object(Bucket="bucket", Key="k", **key)) == b"secret"
    assert refused(s3.get_object, Bucket="bucket", Key="k") == ("InvalidRequest", 400)
    assert refused(s3.get_object, Bucket="bucket", Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=b"x" * 32) == ("AccessDenied", 403)


def test_archives(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"cold", StorageClass="GLACIER")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("InvalidObjectState", 403)
    assert s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1})["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1})["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="k")["Restore"]
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"cold"
    s3.put_object(Bucket=bucket, Key="warm", Body=b"")
    assert refused(s3.restore_object, Bucket=bucket, Key="warm", RestoreRequest={"Days": 1}) == ("InvalidObjectState", 403)


# Lists


@pytest.fixture
def tree(s3, bucket):
    names = [f"{a}/{b}/{c}" for a in "xyz" for b in range(4) for c in range(3)] + ["top", "zz/last"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"1")
    return sorted(names)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_lists_have_pages(s3, bucket, tree, operation):
    paginator = s3.get_paginator(operation)

    def walk(size, **more):
        pages = list(paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **more))
        assert all(len(keys(page)) + len(keys(page, "CommonPrefixes", "Prefix")) <= size for page in pages)
        assert [page["IsTruncated"] for page in pages] == [True] * (len(pages) - 1) + [False]
        return [key for page in pages for key in keys(page)], [key for page in pages for key in keys(page, "CommonPrefixes", "Prefix")]

    for size in (1, 2, 5, 7, 1000):
        assert walk(size) == (tree, [])
        assert walk(size, Prefix="y/") == ([key for key in tree if key.startswith("y/")], [])
        assert walk(size, Delimiter="/") == (["top"], ["x/", "y/", "z/", "zz/"])
        assert walk(size, Prefix="x/", Delimiter="/") == ([], ["x/0/", "x/1/", "x/2/", "x/3/"])
        assert walk(size, Prefix="x/1/", Delimiter="/") == (["x/1/0", "x/1/1", "x/1/2"], [])
        assert walk(size, Prefix="nothing") == ([], [])


def test_lists_in_detail(s3, bucket, tree):
    v2 = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (v2["KeyCount"], v2["IsTruncated"]) == (0, False)
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="y/3/1")) == ["y/3/2"] + [key for key in tree if key > "y/3/2"]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="zz", FetchOwner=True), member="Owner") == [{"ID": s3.list_buckets()["Owner"]["ID"]}]
    assert keys(s3.list_objects(Bucket=bucket, Marker="z/")) == [key for key in tree if key > "z/"]
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=3)
    assert first["KeyCount"] == 3 and first["IsTruncated"]
    assert refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken="garbage") == ("InvalidArgument", 400)
    assert refused(s3.list_objects_v2, Bucket=bucket, Prefix="x", ContinuationToken=first["NextContinuationToken"]) == ("InvalidArgument", 400)
    assert refused(s3.list_objects_v2, Bucket=bucket, MaxKeys=-1) == ("InvalidArgument", 400)


# Versions


def test_versions(s3, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=text)["VersionId"] for text in (b"1", b"2", b"3")]
    assert len(set(ids)) == 3
    assert body(s3.get_object(Bucket=versioned, Key="k")) == b"3"
    assert [body(s3.get_object(Bucket=versioned, Key="k", VersionId=version)) for version in ids] == [b"1", b"2", b"3"]
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert deleted["DeleteMarker"] is True
    with pytest.raises(s3.exceptions.NoSuchKey) as caught:
        s3.get_object(Bucket=versioned, Key="k")
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true" and headers["x-amz-version-id"] == deleted["VersionId"]
    assert refused(s3.get_object, Bucket=versioned, Key="k", VersionId=deleted["VersionId"]) == ("MethodNotAllowed", 405)
    assert keys(s3.list_objects_v2(Bucket=versioned)) == []
    listed = s3.list_object_versions(Bucket=versioned)
    assert [(item["VersionId"], item["IsLatest"]) for item in listed["Versions"]] == [(version, False) for version in reversed(ids)]
    assert [(item["VersionId"], item["IsLatest"]) for item in listed["DeleteMarkers"]] == [(deleted["VersionId"], True)]
    assert refused(s3.delete_bucket, Bucket=versioned) == ("BucketNotEmpty", 409)
    # Without the marker the newest version is the object again.
    assert s3.delete_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])["DeleteMarker"] is True
    assert body(s3.get_object(Bucket=versioned, Key="k")) == b"3"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[2])
    assert body(s3.get_object(Bucket=versioned, Key="k")) == b"2"
    copied = s3.copy_object(Bucket=versioned, Key="old", CopySource={"Bucket": versioned, "Key": "k", "VersionId": ids[0]})
    assert copied["CopySourceVersionId"] == ids[0] and body(s3.get_object(Bucket=versioned, Key="old")) == b"1"
    assert refused(s3.get_object, Bucket=versioned, Key="k", VersionId=ids[2]) == ("NoSuchVersion", 404)
    assert refused(s3.get_object, Bucket=versioned, Key="k", VersionId="nonsense") == ("InvalidArgument", 400)


def test_the_null_version(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"during")["VersionId"]
    assert body(s3.get_object(Bucket=bucket, Key="k", VersionId="null")) == b"before"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"after")
    s3.put_object(Bucket=bucket, Key="k", Body=b"last")
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(item["VersionId"], item["IsLatest"]) for item in listed] == [("null", True), (version, False)]
    assert body(s3.get_object(Bucket=bucket, Key="k", VersionId="null")) == b"last"
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert "DeleteMarkers" in s3.list_object_versions(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"during"


def test_lists_of_versions_have_pages(s3, versioned):
    expect = []
    for key in ("a/1", "a/2", "b", "c/1"):
        for _ in range(3):
            expect.append((key, s3.put_object(Bucket=versioned, Key=key, Body=b"")["VersionId"]))
    expect.append(("b", s3.delete_object(Bucket=versioned, Key="b")["VersionId"]))
    expect = [(key, version) for at, (key, version) in sorted(enumerate(expect), key=lambda item: (item[1][0], -item[0]))]
    for size in (1, 2, 3, 5, 100):
        found, latest, marker = [], [], {}
        while True:
            page = s3.list_object_versions(Bucket=versioned, MaxKeys=size, **marker)
            items = page.get("Versions", []) + page.get("DeleteMarkers", [])
            assert len(items) <= size
            found += [(item["Key"], item["VersionId"]) for item in items]
            latest += [item["Key"] for item in items if item["IsLatest"]]
            if not page["IsTruncated"]:
                break
            marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        assert sorted(found) == sorted(expect) and sorted(latest) == ["a/1", "a/2", "b", "c/1"]
    assert [version for key, version in found if key == "a/1"] == [version for key, version in expect if key == "a/1"]
    grouped = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert keys(grouped, "CommonPrefixes", "Prefix") == ["a/", "c/"] and len(grouped["Versions"]) == 3
    after = s3.list_object_versions(Bucket=versioned, KeyMarker="a/2")
    assert {item["Key"] for item in after["Versions"]} == {"b", "c/1"}


def test_locks(s3):
    s3.create_bucket(Bucket="locked", CreateBucketConfiguration=HERE, ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket="locked")["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket="locked")["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    version = s3.put_object(Bucket="locked", Key="k", Body=b"x")["VersionId"]
    head = s3.head_object(Bucket="locked", Key="k")
    assert head["ObjectLockMode"] == "GOVERNANCE" and head["ObjectLockRetainUntilDate"] > datetime.now(timezone.utc)
    assert refused(s3.delete_object, Bucket="locked", Key="k", VersionId=version) == ("AccessDenied", 403)
    s3.put_object_legal_hold(Bucket="locked", Key="k", LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(Bucket="locked", Key="k")["LegalHold"] == {"Status": "ON"}
    assert refused(s3.delete_object, Bucket="locked", Key="k", VersionId=version, BypassGovernanceRetention=True) == ("AccessDenied", 403)
    s3.put_object_legal_hold(Bucket="locked", Key="k", LegalHold={"Status": "OFF"})
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=3)
    s3.put_object_retention(Bucket="locked", Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    assert s3.get_object_retention(Bucket="locked", Key="k")["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": until - timedelta(days=1)}
    assert refused(s3.put_object_retention, Bucket="locked", Key="k", Retention=shorter) == ("AccessDenied", 403)
    s3.put_object_retention(Bucket="locked", Key="k", Retention=shorter, BypassGovernanceRetention=True)
    s3.delete_object(Bucket="locked", Key="k", VersionId=version, BypassGovernanceRetention=True)
    assert refused(s3.put_bucket_versioning, Bucket="locked", VersioningConfiguration={"Status": "Suspended"}) == ("InvalidBucketState", 409)


# Multipart uploads

PART = 5 * 1024 * 1024


def upload_parts(s3, bucket, key, parts, **more):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    done = []
    for number, part in parts.items():
        algorithm = {"ChecksumAlgorithm": more["ChecksumAlgorithm"]} if "ChecksumAlgorithm" in more else {}
        answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part, **algorithm)
        done.append({"PartNumber": number, **{name: value for name, value in answer.items() if name == "ETag" or (algorithm and name.startswith("Checksum"))}})
    return upload, done


def test_uploads_in_parts(s3, bucket):
    parts = {2: b"a" * PART, 5: b"b" * PART, 9: b"c"}
    upload, done = upload_parts(s3, bucket, "k", parts, ContentType="text/x", Metadata={"a": "1"})
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []
    assert keys(s3.list_multipart_uploads(Bucket=bucket), "Uploads", "UploadId") == [upload]
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=2)
    assert keys(listed, "Parts", "PartNumber") == [2, 5] and listed["IsTruncated"] and listed["NextPartNumberMarker"] == 5
    assert keys(s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, PartNumberMarker=5), "Parts", "PartNumber") == [9]
    name = dict(Bucket=bucket, Key="k", UploadId=upload)
    assert refused(s3.complete_multipart_upload, **name, MultipartUpload={"Parts": done[::-1]}) == ("InvalidPartOrder", 400)
    assert refused(s3.complete_multipart_upload, **name, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}) == ("InvalidPart", 400)
    s3.upload_part(**name, PartNumber=3, Body=b"small")
    small = {"PartNumber": 3, "ETag": hashlib.md5(b"small").hexdigest()}
    assert refused(s3.complete_multipart_upload, **name, MultipartUpload={"Parts": [small, done[1]]}) == ("EntityTooSmall", 400)
    finished = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": done})
    md5s = b"".join(hashlib.md5(part).digest() for part in parts.values())
    assert finished["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    whole = b"".join(parts.values())
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert (body(answer), answer["ContentType"], answer["Metadata"]) == (whole, "text/x", {"a": "1"})
    assert body(s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={PART - 2}-{PART + 1}")) == b"aabb"
    assert body(s3.get_object(Bucket=bucket, Key="k", Range="bytes=-2")) == b"bc"
    second = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (body(second), second["PartsCount"], second["ContentRange"]) == (parts[5], 3, f"bytes {PART}-{2 * PART - 1}/{len(whole)}")
    assert refused(s3.get_object, Bucket=bucket, Key="k", PartNumber=4)[1] == 416
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3 and attributes["ObjectSize"] == len(whole)
    assert refused(s3.list_parts, **name) == ("NoSuchUpload", 404)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    assert body(s3.get_object(Bucket=bucket, Key="copy")) == whole


def test_checksums_of_parts(s3, bucket):
    parts = {1: b"a" * PART, 2: b"b"}
    for algorithm, kind in [("SHA256", "COMPOSITE"), ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT")]:
        upload, done = upload_parts(s3, bucket, "k", parts, ChecksumAlgorithm=algorithm, ChecksumType=kind)
        finished = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
        assert finished["ChecksumType"] == kind and finished[f"Checksum{algorithm}"].endswith("-2") == (kind == "COMPOSITE")
        if kind == "FULL_OBJECT":
            import base64
            import zlib

            assert base64.b64decode(finished["ChecksumCRC32"]) == zlib.crc32(b"".join(parts.values())).to_bytes(4, "big")
        assert body(s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")) == b"".join(parts.values())
    upload, done = upload_parts(s3, bucket, "k", parts)
    assert "ChecksumCRC64NVME" in s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm="SHA1", ChecksumType="FULL_OBJECT") == ("InvalidRequest", 400)


def test_parts_may_be_copied(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789" * (PART // 10 + 1))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    name = dict(Bucket=bucket, Key="k", UploadId=upload)
    source = {"Bucket": bucket, "Key": "source"}
    one = s3.upload_part_copy(**name, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=0-{PART - 1}")
    two = s3.upload_part_copy(**name, PartNumber=2, CopySource=source, CopySourceRange="bytes=3-5")
    done = [{"PartNumber": at, "ETag": part["CopyPartResult"]["ETag"]} for at, part in ((1, one), (2, two))]
    s3.complete_multipart_upload(**name, MultipartUpload={"Parts": done})
    assert body(s3.get_object(Bucket=bucket, Key="k"))[PART:] == b"345"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    beyond = dict(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, CopySource=source, CopySourceRange="bytes=0-99999999")
    assert refused(s3.upload_part_copy, **beyond)[1] == 400


def test_uploads_are_aborted_and_listed(s3, bucket):
    made = [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in ("a/1", "a/2", "a/2", "b")]
    found, marker = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1, **marker)
        found += [(item["Key"], item["UploadId"]) for item in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert sorted(found) == sorted(made) and [key for key, _ in found] == ["a/1", "a/2", "a/2", "b"]
    assert keys(s3.list_multipart_uploads(Bucket=bucket, Delimiter="/"), "CommonPrefixes", "Prefix") == ["a/"]
    for key, upload in made:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    key, upload = made[0]
    assert refused(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=upload) == ("NoSuchUpload", 404)
    assert refused(s3.upload_part, Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    assert refused(s3.upload_part, Bucket=bucket, Key="b", UploadId=made[3][1], PartNumber=0, Body=b"x")[0] in ("InvalidArgument", "NoSuchUpload")


# Beyond the client's own calls


def fetch(url, method="GET", data=None, headers=None):
    request = urllib.request.Request(url, method=method, data=data, headers=headers or {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def test_presigned_urls(s3, bucket):
    name = {"Bucket": bucket, "Key": "a b/é"}
    put = s3.generate_presigned_url("put_object", Params={**name, "ContentType": "text/x"}, ExpiresIn=60)
    fetch(put, "PUT", b"signed", {"Content-Type": "text/x"})
    got, headers = fetch(s3.generate_presigned_url("get_object", Params={**name, "ResponseContentType": "text/y"}, ExpiresIn=60))
    assert got == b"signed" and headers["content-type"] == "text/y"
    short = s3.generate_presigned_url("get_object", Params=name, ExpiresIn=1)
    deadline = time.monotonic() + 10
    while True:
        try:
            fetch(short)
        except urllib.error.HTTPError as error:
            assert error.code == 403 and b"<Code>AccessDenied</Code>" in error.read()
            break
        assert time.monotonic() < deadline, "the URL never expires"


def test_virtual_host_style(client, admin, server, bucket, resolve_localhost_names):
    virtual = client("s3", endpoint_url=server.url.replace("127.0.0.1", "s3.localhost"), config={"s3": {"addressing_style": "virtual"}})
    virtual.put_object(Bucket=bucket, Key="k/x", Body=b"virtual")
    assert keys(virtual.list_objects_v2(Bucket=bucket)) == ["k/x"]
    assert body(virtual.get_object(Bucket=bucket, Key="k/x")) == b"virtual"


def test_waiters_and_transfers(s3, bucket, tmp_path):
    s3.get_waiter("bucket_exists").wait(Bucket=bucket)
    s3.upload_fileobj(io.BytesIO(b"z" * 20_000_000), bucket, "big")
    s3.get_waiter("object_exists").wait(Bucket=bucket, Key="big")
    s3.download_file(bucket, "big", str(tmp_path / "big"))
    assert (tmp_path / "big").read_bytes() == b"z" * 20_000_000
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy")
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == 20_000_000
