"""Amazon's Lambda operators: a function is made, waited for, and invoked.

standin keeps functions and answers their invocations; it does not run their code."""

import io
import json
import zipfile
from datetime import datetime

from airflow.decorators import dag, task
from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook
from airflow.providers.amazon.aws.operators.lambda_function import (
    LambdaCreateFunctionOperator,
    LambdaInvokeFunctionOperator,
)

NAME = "airflow-example-greet"


def package():
    """A function's code as the archive that Lambda takes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", "def handler(event, context):\n    return {'greeting': 'Hello ' + event['name']}\n")
    return archive.getvalue()


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, max_active_runs=1, tags=["example", "lambda"])
def lambda_pipeline():
    @task
    def remove():
        client = LambdaHook().conn
        try:
            client.delete_function(FunctionName=NAME)
        except client.exceptions.ResourceNotFoundException:
            print(f"{NAME} is not there")

    create = LambdaCreateFunctionOperator(
        task_id="create",
        function_name=NAME,
        runtime="python3.12",
        role="arn:aws:iam::000000000000:role/lambda",
        handler="index.handler",
        code={"ZipFile": package()},
    )
    invoke = LambdaInvokeFunctionOperator(task_id="invoke", function_name=NAME, payload=json.dumps({"name": "Airflow"}))
    remove.override(task_id="remove_old")() >> create >> invoke >> remove()


lambda_pipeline()
