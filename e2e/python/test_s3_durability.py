"""Objects survive restarts and crashes, whole or not at all, and large ones go through a small server."""

import hashlib
import io
import os
import signal
import threading
import urllib.request
from pathlib import Path

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from serve import Standin

MEGABYTE = 1024 * 1024
SMALL = 80 * MEGABYTE
LARGE = 320 * MEGABYTE
# What an allocator keeps differs from run to run by tens of megabytes, but not by how much larger the objects are.
GROWTH_MAX = (LARGE - SMALL) // 3


def client(server):
    return boto3.session.Session().client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id="111122223333",
        aws_secret_access_key="standin",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
    )


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def forget_peak(server):
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def blobs(folder):
    return [path for path in (folder / "blobs").rglob("*") if path.is_file() and path.name not in ("lock", "clean")]


def md5(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc to measure memory")
def test_large_objects_go_through_a_small_server(tmp_path):
    with Standin("--log", "warn", "--data-dir", str(tmp_path / "data")) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="bucket")
        peaks = []
        for size in (SMALL, LARGE):
            forget_peak(server)
            up_and_down(s3, tmp_path, size)
            peaks.append(resident(server))
        grown = peaks[1] - peaks[0]
        assert grown < GROWTH_MAX, f"the server grew by {grown // MEGABYTE} MB"


def up_and_down(s3, folder, size):
    source = folder / "source"
    with open(source, "wb") as file:
        for _ in range(size // MEGABYTE):
            file.write(os.urandom(MEGABYTE))
    transfer = TransferConfig(multipart_chunksize=8 * MEGABYTE, max_concurrency=10)
    s3.upload_file(str(source), "bucket", "parts", Config=transfer)
    with open(source, "rb") as file:
        s3.put_object(Bucket="bucket", Key="whole", Body=file)
    s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "parts"})
    for key in ("parts", "whole", "copy"):
        s3.download_file("bucket", key, str(folder / "back"), Config=transfer)
        assert md5(folder / "back") == md5(source)


def test_a_restart_keeps_everything(tmp_path):
    arguments = ("--log", "warn", "--data-dir", str(tmp_path))
    with Standin(*arguments) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        versions = [s3.put_object(Bucket="bucket", Key="k", Body=text, Metadata={"n": text.decode()})["VersionId"] for text in (b"1", b"2")]
        s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
        etag = s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
        kept = len(blobs(tmp_path))
    for ending in (signal.SIGKILL, signal.SIGTERM):
        with Standin(*arguments) as server:
            s3 = client(server)
            assert [body(s3, "k", version) for version in versions] == [b"1", b"2"]
            assert s3.head_object(Bucket="bucket", Key="k")["Metadata"] == {"n": "2"}
            assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == [{"Key": "a", "Value": "b"}]
            assert len(blobs(tmp_path)) == kept
            server.process.send_signal(ending)
            server.process.wait()
    with Standin(*arguments) as server:
        s3 = client(server)
        done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload=done)
        assert body(s3, "parts") == b"part"


def body(s3, key, version=None):
    which = {"VersionId": version} if version else {}
    return s3.get_object(Bucket="bucket", Key=key, **which)["Body"].read()


class Endless:
    """A body that kills the server when a part of it was read."""

    def __init__(self, server, size, at):
        self.server, self.size, self.at, self.sent = server, size, at, 0

    def __len__(self):
        return self.size

    def read(self, count=-1):
        if self.sent >= self.at:
            self.server.process.kill()
        count = self.size - self.sent if count < 0 else min(count, self.size - self.sent)
        self.sent += count
        return b"n" * count


def test_a_crash_leaves_no_half_object(tmp_path):
    arguments = ("--log", "warn", "--data-dir", str(tmp_path))
    with Standin(*arguments) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="old", Body=b"old")
    kept = len(blobs(tmp_path))
    for key, at in [("old", 0), ("old", 3 * MEGABYTE), ("new", 7 * MEGABYTE)]:
        with Standin(*arguments) as server:
            s3 = client(server)
            url = s3.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": key})
            size = 8 * MEGABYTE
            request = urllib.request.Request(url, method="PUT", data=Endless(server, size, at), headers={"Content-Length": str(size)})
            with pytest.raises(OSError):
                urllib.request.urlopen(request, timeout=30)
    with Standin(*arguments) as server:
        s3 = client(server)
        assert [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["old"]
        assert body(s3, "old") == b"old"
        assert len(blobs(tmp_path)) == kept


def test_what_was_acknowledged_survives_a_crash(tmp_path):
    """Writers go on until the server is killed under them."""
    arguments = ("--log", "warn", "--data-dir", str(tmp_path))
    # By key: what was acknowledged last, and what was under way.
    acknowledged, under_way = {}, {}
    with Standin(*arguments) as server:
        client(server).create_bucket(Bucket="bucket")
    for turn in range(5):
        with Standin(*arguments) as server:
            begun = threading.Semaphore(0)

            def write(writer):
                s3 = client(server)
                for number in range(1000):
                    key, text = f"{writer}/{number % 7}", f"{turn} {number} ".encode() * 20_000
                    try:
                        if number % 5 == 4:
                            upload = s3.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]
                            part = s3.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=1, Body=text)
                            under_way[key] = text
                            done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
                            s3.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload=done)
                        else:
                            under_way[key] = text
                            s3.put_object(Bucket="bucket", Key=key, Body=text)
                        acknowledged[key] = text
                    except (BotoCoreError, ClientError, HTTPClientError):
                        return
                    begun.release()

            writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
            for writer in writers:
                writer.start()
            for _ in range(10 + 7 * turn):
                begun.acquire(timeout=30)
            server.process.kill()
            for writer in writers:
                writer.join()
    with Standin(*arguments) as server:
        s3 = client(server)
        found = {item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]}
        assert found >= acknowledged.keys()
        for key in found:
            assert body(s3, key) in (acknowledged.get(key), under_way[key]), key
        uploads = s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
        for upload in uploads:
            s3.abort_multipart_upload(Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"])
        assert len(blobs(tmp_path)) == len(found)


def test_calls_are_passed_on_to_a_store_elsewhere(tmp_path):
    with Standin("--log", "warn") as there, Standin("--log", "warn", "--s3", there.url.replace("://", "://123456789012:se%2Fcret@")) as here:
        s3 = client(here)
        s3.create_bucket(Bucket="bucket")
        put = s3.put_object(Bucket="bucket", Key="a b/é", Body=b"0123456789", Metadata={"a": "1"}, ContentType="text/x", Tagging="t=1")
        assert put["ETag"] == '"' + hashlib.md5(b"0123456789").hexdigest() + '"'
        answer = s3.get_object(Bucket="bucket", Key="a b/é", Range="bytes=2-4")
        assert (answer["Body"].read(), answer["ContentRange"], answer["Metadata"], answer["ContentType"]) == (b"234", "bytes 2-4/10", {"a": "1"}, "text/x")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert s3.head_object(Bucket="bucket", Key="a b/é")["ContentLength"] == 10
        assert s3.get_object_tagging(Bucket="bucket", Key="a b/é")["TagSet"] == [{"Key": "t", "Value": "1"}]
        for call, code in [(dict(Key="none"), "NoSuchKey"), (dict(Key="a b/é", IfNoneMatch="*"), "304"), (dict(Key="a b/é", Range="bytes=99-"), "InvalidRange")]:
            with pytest.raises(ClientError) as caught:
                s3.get_object(Bucket="bucket", **call)
            assert caught.value.response["Error"]["Code"] == code
        s3.upload_fileobj(io.BytesIO(b"z" * 20 * MEGABYTE), "bucket", "large")
        assert len(s3.get_object(Bucket="bucket", Key="large")["Body"].read()) == 20 * MEGABYTE
        assert [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["a b/é", "large"]
        s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "large"}]})
        s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]})
        assert s3.get_bucket_lifecycle_configuration(Bucket="bucket")["Rules"][0]["ID"] == "r"
        direct = boto3.session.Session().client("s3", region_name="us-east-1", endpoint_url=there.url, aws_access_key_id="123456789012", aws_secret_access_key="x")
        assert [item["Key"] for item in direct.list_objects_v2(Bucket="bucket")["Contents"]] == ["a b/é"]
        there.process.kill()
        there.process.wait()
        with pytest.raises(ClientError) as caught:
            s3.list_buckets()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
