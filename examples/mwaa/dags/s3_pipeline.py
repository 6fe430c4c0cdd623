"""Amazon's S3 operators and a sensor, against the S3 that the environment's own files are in.

`words.count` comes from the folder of plugins, `humanize` from requirements.txt."""

from datetime import datetime

import humanize
from airflow.decorators import dag, task
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.s3 import (
    S3CopyObjectOperator,
    S3CreateBucketOperator,
    S3CreateObjectOperator,
    S3DeleteBucketOperator,
)
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor

import words

BUCKET = "airflow-example-words"


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, max_active_runs=1, tags=["example", "s3"])
def s3_pipeline():
    make = S3CreateBucketOperator(task_id="make_bucket", bucket_name=BUCKET)
    write = S3CreateObjectOperator(
        task_id="write", s3_bucket=BUCKET, s3_key="in/text.txt", data="one two three two one two", replace=True
    )
    arrived = S3KeySensor(
        task_id="arrived", bucket_name=BUCKET, bucket_key="in/*.txt", wildcard_match=True, poke_interval=1, timeout=60
    )
    copy = S3CopyObjectOperator(
        task_id="copy",
        source_bucket_name=BUCKET,
        source_bucket_key="in/text.txt",
        dest_bucket_name=BUCKET,
        dest_bucket_key="out/text.txt",
    )

    @task
    def count(bucket):
        text = S3Hook().read_key("out/text.txt", bucket)
        found = words.count(text)
        print(f"{humanize.apnumber(len(found))} words: {found}")
        return found

    remove = S3DeleteBucketOperator(task_id="remove_bucket", bucket_name=BUCKET, force_delete=True)
    make >> write >> arrived >> copy >> count(BUCKET) >> remove


s3_pipeline()
