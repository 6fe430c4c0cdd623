"""Makes and drops databases of a PostgreSQL server: `STANDIN_DATABASE_URL` names one to connect to, the arguments tell what to do."""

import os
import sys

import psycopg2
from psycopg2 import sql


def main(operation, *names):
    connection = psycopg2.connect(os.environ["STANDIN_DATABASE_URL"], connect_timeout=10)
    connection.autocommit = True
    cursor = connection.cursor()

    def run(statement, *identifiers):
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, identifiers)))

    def exists(name):
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None

    if operation == "copy":
        name, template = names
        if exists(name):
            print("kept")
        elif exists(template):
            run("CREATE DATABASE {} TEMPLATE {}", name, template)
            print("copied")
        else:
            print("missing")
    elif operation == "create":
        run("DROP DATABASE IF EXISTS {} WITH (FORCE)", *names)
        run("CREATE DATABASE {} TEMPLATE template0", *names)
    elif operation == "rename":
        run("ALTER DATABASE {} RENAME TO {}", *names)
    elif operation == "drop":
        run("DROP DATABASE IF EXISTS {} WITH (FORCE)", *names)


main(*sys.argv[1:])
