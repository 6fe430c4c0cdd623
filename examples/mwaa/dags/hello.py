"""Two tasks that talk to each other: `standin mwaa run examples/mwaa hello`."""

from datetime import datetime

from airflow.decorators import dag, task


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, tags=["example"])
def hello():
    @task
    def greet():
        return "Hello from a task"

    @task
    def repeat(greeting):
        print(f"{greeting}, and from the next one")

    repeat(greet())


hello()
