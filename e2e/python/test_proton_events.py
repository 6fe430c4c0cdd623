"""Proton's events: the log, the stream, webhooks and PutEvents; boto3 is who makes them happen."""

import base64
import hashlib
import hmac
import http.server
import json
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.exceptions import ClientError
from protons import Proton, polled, service_spec, small

from conftest import Admin
from serve import Standin

SECRET = base64.b64encode(b"a secret of thirty-two bytes, so").decode()


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive()


@pytest.fixture
def proton(server):
    return Proton(server)


def log(proton, **filters):
    """All events of an account, page by page."""
    admin, after, found = Admin(proton.server.url), 0, []
    while after is not None:
        query = urllib.parse.urlencode({"account": proton.account, "limit": 7, "after": after, **filters})
        page = admin("GET", f"/_standin/proton/events?{query}")
        assert len(page["events"]) <= 7
        found += page["events"]
        after = page["next"]
    return found


def told(events):
    """Detail type, name and status of each, the status before as well."""
    short = lambda text: text.removeprefix("AWS Proton ").removesuffix(" Status Change")
    return [(short(event["detail-type"]), event["detail"]["previousStatus"], event["detail"]["status"]) for event in events]


def whole_life(proton):
    """From templates to nothing: an environment, a service with a pipeline, a component of no service."""
    proton.environment_template(template_options={"displayName": "E"})
    proton.service_template()
    assert proton.environment(componentRoleArn=proton.role)["deploymentStatus"] == "SUCCEEDED"
    spec = service_spec({"dev": ("env", {})}, pipeline={})
    assert proton.service(spec=spec, **proton.sources())["status"] == "ACTIVE"
    proton.client.delete_service(name="svc")
    missing = proton.client.exceptions.ResourceNotFoundException
    with pytest.raises(missing):
        for _ in polled(lambda: proton.client.get_service(name="svc")):
            pass
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    for kind, name in (("service", "svc"), ("environment", "env")):
        getattr(proton.client, f"delete_{kind}_template_version")(templateName=name, majorVersion="1", minorVersion="0")
        getattr(proton.client, f"delete_{kind}_template")(name=name)


LIFE = [
    ("Environment Template", "", "DRAFT"),
    ("Environment Template Version", "", "REGISTRATION_IN_PROGRESS"),
    ("Environment Template Version", "REGISTRATION_IN_PROGRESS", "DRAFT"),
    ("Environment Template Version", "DRAFT", "PUBLISHED"),
    ("Environment Template", "DRAFT", "PUBLISHED"),
    ("Service Template", "", "DRAFT"),
    ("Service Template Version", "", "REGISTRATION_IN_PROGRESS"),
    ("Service Template Version", "REGISTRATION_IN_PROGRESS", "DRAFT"),
    ("Service Template Version", "DRAFT", "PUBLISHED"),
    ("Service Template", "DRAFT", "PUBLISHED"),
    ("Environment", "", "IN_PROGRESS"),
    ("Environment", "IN_PROGRESS", "SUCCEEDED"),
    ("Service Instance", "", "IN_PROGRESS"),
    ("Service Pipeline", "", "IN_PROGRESS"),
    ("Service", "", "CREATE_IN_PROGRESS"),
    ("Service Instance", "IN_PROGRESS", "SUCCEEDED"),
    ("Service Pipeline", "IN_PROGRESS", "SUCCEEDED"),
    ("Service", "CREATE_IN_PROGRESS", "ACTIVE"),
    ("Service Instance", "SUCCEEDED", "DELETE_IN_PROGRESS"),
    ("Service Pipeline", "SUCCEEDED", "DELETE_IN_PROGRESS"),
    ("Service", "ACTIVE", "DELETE_IN_PROGRESS"),
    ("Service", "DELETE_IN_PROGRESS", "DELETED"),
    ("Environment", "SUCCEEDED", "DELETE_IN_PROGRESS"),
    ("Environment", "DELETE_IN_PROGRESS", "DELETED"),
    # Without a published version, the template is a draft again.
    ("Service Template", "PUBLISHED", "DRAFT"),
    ("Service Template Version", "PUBLISHED", "DELETED"),
    ("Service Template", "DRAFT", "DELETED"),
    # Without a published version, the template is a draft again.
    ("Environment Template", "PUBLISHED", "DRAFT"),
    ("Environment Template Version", "PUBLISHED", "DELETED"),
    ("Environment Template", "DRAFT", "DELETED"),
]


def test_a_whole_life_is_told_in_order(proton):
    whole_life(proton)
    events = log(proton)
    # Instance and pipeline are deleted side by side.
    side = [("Service Instance", "DELETE_IN_PROGRESS", "DELETED"), ("Service Pipeline", "DELETE_IN_PROGRESS", "DELETED")]
    all_told = told(events)
    assert sorted(side) == sorted(one for one in all_told if one in side)
    assert max(all_told.index(one) for one in side) < all_told.index(("Service", "DELETE_IN_PROGRESS", "DELETED"))
    assert [one for one in all_told if one not in side] == LIFE
    # Each status is the one that the next event of the resource comes from.
    last = {}
    for event in events:
        arn = event["resources"][0]
        assert event["detail"]["previousStatus"] == last.get(arn, ""), event
        last[arn] = event["detail"]["status"]
    assert set(last.values()) == {"DELETED"}
    assert len({event["id"] for event in events}) == len(events)


def test_events_have_the_form_of_eventbridge(proton):
    whole_life(proton)
    events = {}
    for event in log(proton):
        assert sorted(event) == ["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"]
        assert (event["version"], event["source"], event["account"], event["region"]) == ("0", "aws.proton", proton.account, proton.region)
        assert len(event["time"]) == len("2026-01-01T00:00:00Z") and event["time"].endswith("Z")
        events[event["detail-type"]] = event
    arn = f"arn:aws:proton:{proton.region}:{proton.account}:"
    expected = {
        "Environment Template": ("environment-template/env", {"name": "env"}),
        "Service Template": ("service-template/svc", {"name": "svc"}),
        "Environment Template Version": ("environment-template/env:1.0", {"name": "env", "majorVersion": "1", "minorVersion": "0"}),
        "Service Template Version": ("service-template/svc:1.0", {"name": "svc", "majorVersion": "1", "minorVersion": "0"}),
        "Environment": ("environment/env", {"name": "env"}),
        "Service": ("service/svc", {"name": "svc"}),
        "Service Instance": ("service/svc/service-instance/dev", {"name": "dev", "serviceName": "svc"}),
        "Service Pipeline": ("service/svc/pipeline", {"serviceName": "svc"}),
    }
    assert events.keys() == {f"AWS Proton {noun} Status Change" for noun in expected}
    for noun, (resource, detail) in expected.items():
        event = events[f"AWS Proton {noun} Status Change"]
        assert event["resources"] == [arn + resource]
        rest = {name: value for name, value in event["detail"].items() if not name.lower().endswith("status")}
        assert rest == detail


def test_connections_tell_events_too(server):
    management, environment = Proton(server), Proton(server)
    ask = dict(managementAccountId=management.account, environmentName="env", roleArn=environment.role)
    made = environment.client.create_environment_account_connection(**ask)["environmentAccountConnection"]
    management.client.accept_environment_account_connection(id=made["id"])
    environment.client.delete_environment_account_connection(id=made["id"])
    events = log(environment) + log(management)
    assert [event["detail"] for event in sorted(events, key=lambda event: event["detail"]["status"])] == [
        {"id": made["id"], "status": "CONNECTED", "previousStatus": "PENDING"},
        {"id": made["id"], "status": "DELETED", "previousStatus": "CONNECTED"},
        {"id": made["id"], "status": "PENDING", "previousStatus": ""},
    ]
    assert {event["resources"][0] for event in events} == {made["arn"]}


def test_the_log_has_filters(proton):
    proton.environment_template()
    proton.environment()
    arn = f"arn:aws:proton:{proton.region}:{proton.account}:environment/env"
    assert told(log(proton, type="Environment")) == told(log(proton, resource=arn)) == LIFE[10:12]
    assert told(log(proton, type="Environment,Environment Template", status="PUBLISHED")) == [LIFE[4]]
    assert told(log(proton, type="AWS Proton Environment Status Change", region=proton.region)) == LIFE[10:12]
    assert log(proton, region="mars-1") == log(proton, type="Nothing") == []
    with pytest.raises(urllib.error.HTTPError, match="400"):
        log(proton, after="x")


def test_a_stream_goes_on_where_it_broke_off(server, proton):
    def read(count, **headers):
        """The next events of the stream, as numbers and events."""
        url = f"{server.url}/_standin/proton/events/stream?account={proton.account}"
        request = urllib.request.Request(url, headers=headers)
        found = []
        with urllib.request.urlopen(request, timeout=20) as stream:
            listening.set()
            assert stream.headers["content-type"] == "text/event-stream"
            number = None
            for line in stream:
                line = line.decode().rstrip("\n")
                if line.startswith("id: "):
                    number = line[4:]
                elif line.startswith("data: "):
                    found.append((number, json.loads(line[6:])))
                    if len(found) == count:
                        return found

    listening, answers = threading.Event(), queue.Queue()
    reader = threading.Thread(target=lambda: answers.put(read(5)))
    reader.start()
    assert listening.wait(20)
    proton.environment_template()
    first = answers.get(timeout=20)
    reader.join()
    proton.environment()
    second = read(2, **{"Last-Event-ID": first[-1][0]})
    assert told(event for _, event in first) == LIFE[:5]
    assert told(event for _, event in second) == LIFE[10:12]


class Receiver:
    """An HTTP server that keeps what it is sent. `answers` are statuses for the first requests; then it takes all."""

    def __init__(self, *answers, respond=lambda body: b""):
        self.requests = queue.Queue()
        statuses = iter(answers)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = next(statuses, 200)
                receiver.requests.put((status, self.path, dict(self.headers), body))
                answer = respond(body)
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def next(self):
        return self.requests.get(timeout=30)

    def taken(self, count):
        """Requests until so many were taken."""
        found = []
        while sum(status == 200 for status, *_ in found) < count:
            found.append(self.next())
        return found


def settings(folder, text):
    file = folder / "standin.toml"
    file.write_text(text)
    return ("--config", str(file), "--log", "warn")


def test_webhooks_are_signed_and_tried_again(tmp_path):
    with Receiver(500, 503) as receiver:
        hook = f'[[proton.events.webhooks]]\nurl = "{receiver.url}/proton?key=1"\nsecret = "whsec_{SECRET}"\n'
        with Standin(*settings(tmp_path, hook)) as server:
            proton = Proton(server)
            proton.environment_template()
            requests = receiver.taken(5)
            events = log(proton)
    assert [status for status, *_ in requests] == [500, 503, 200, 200, 200, 200, 200]
    # The first one came three times, under the same id.
    assert [json.loads(body) for *_, body in requests[2:]] == events
    assert {headers["webhook-id"] for _, _, headers, _ in requests[:3]} == {events[0]["id"]}
    assert [headers["x-standin-attempt"] for _, _, headers, _ in requests[:4]] == ["1", "2", "3", "1"]
    for _, path, headers, body in requests:
        assert path == "/proton?key=1" and headers["content-type"] == "application/json"
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_a_webhook_takes_the_types_that_it_wants_and_gives_up(tmp_path):
    with Receiver(500, 500) as receiver:
        hook = f'[[proton.events.webhooks]]\nurl = "{receiver.url}"\ntypes = ["Environment Template"]\ntries = 2\n'
        with Standin(*settings(tmp_path, hook)) as server:
            proton = Proton(server)
            proton.environment_template()
            requests = receiver.taken(1)
            log_file = server.log.name
    # The first is given up after its second try, and the next has its turn.
    details = [json.loads(body)["detail"]["status"] for *_, body in requests]
    assert details == ["DRAFT", "DRAFT", "PUBLISHED"]
    assert "webhook-signature" not in requests[0][2]
    assert "an event of Proton was given up" in open(log_file).read()


def test_deliveries_go_on_after_a_crash(tmp_path):
    """What nobody took before the server was killed comes after it was started again, each once, in order."""
    with Receiver(*[503] * 3) as receiver:
        hook = f'data-dir = "{tmp_path / "data"}"\n[[proton.events.webhooks]]\nurl = "{receiver.url}"\n'
        with Standin(*settings(tmp_path, hook)) as server:
            proton = Proton(server)
            proton.environment_template()
            assert receiver.next()[0] == 503
            server.process.kill()
            server.process.wait()
        with Standin(*settings(tmp_path, hook)) as server:
            proton.server = server
            requests = receiver.taken(5)
            events = log(proton)
    assert told(events) == LIFE[:5]
    assert [json.loads(body) for status, _, _, body in requests if status == 200] == events


def test_a_dead_receiver_is_in_nobodys_way(tmp_path):
    hook = '[[proton.events.webhooks]]\nurl = "http://127.0.0.1:9/nobody"\n'
    with Receiver() as receiver:
        second = f'[[proton.events.webhooks]]\nurl = "{receiver.url}"\n'
        with Standin(*settings(tmp_path, hook + second)) as server:
            proton = Proton(server)
            whole_life(proton)
            assert [json.loads(body) for *_, body in receiver.taken(len(LIFE) + 2)] == log(proton)


def test_put_events_speaks_the_api_of_eventbridge(tmp_path):
    taken = json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}).encode()
    refused = json.dumps({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}).encode()
    answers = iter([refused])
    with Receiver(respond=lambda _: next(answers, taken)) as receiver:
        events = f'[proton.events]\nput-events = "{receiver.url}"\nevent-bus = "platform"\n'
        with Standin(*settings(tmp_path, events), env={"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}) as server:
            proton = Proton(server)
            proton.template("environment", "env")
            requests = [receiver.next(), receiver.next()]
            event = log(proton)[0]
    for _, path, headers, body in requests:
        headers = {name.lower(): value for name, value in headers.items()}
        assert (path, headers["x-amz-target"], headers["content-type"]) == ("/", "AWSEvents.PutEvents", "application/x-amz-json-1.1")
        assert f"/{proton.region}/events/aws4_request" in headers["authorization"] and "AKID" in headers["authorization"]
        (entry,) = json.loads(body)["Entries"]
        assert json.loads(entry.pop("Detail")) == event["detail"]
        assert entry.pop("Time") > 1_700_000_000
        assert entry == {"Source": "aws.proton", "DetailType": event["detail-type"], "Resources": event["resources"], "EventBusName": "platform"}


def test_put_events_of_another_standin(tmp_path):
    with Standin("--log", "warn") as other:
        with Standin("--log", "warn", "--proton", f'events.put-events="{other.url}"') as server:
            proton = Proton(server)
            proton.template("environment", "env")
            for call in polled(lambda: Admin(other.url).requests(service="events", operation="PutEvents")):
                if call:
                    break
    assert (call[0]["account"], call[0]["region"], call[0]["status"]) == (proton.account, proton.region, 200)


def test_a_reset_forgets_events_and_deliveries_go_on(tmp_path):
    with Receiver() as receiver:
        with Standin(*settings(tmp_path, f'[[proton.events.webhooks]]\nurl = "{receiver.url}"\n')) as server:
            proton = Proton(server)
            proton.template("environment", "before")
            receiver.taken(1)
            Admin(server.url)("POST", "/_standin/reset")
            assert log(proton) == []
            proton.template("environment", "after")
            *_, body = receiver.next()
            assert json.loads(body)["detail"]["name"] == "after"


def test_quotas_are_settings(tmp_path):
    quotas = "[proton.quotas]\ntemplates = 1\nversions = 1\n"
    with Standin(*settings(tmp_path, quotas), "--proton", "quotas.versions=2") as server:
        proton = Proton(server)
        proton.template("environment", "env")
        with pytest.raises(ClientError, match="limit of 1 templates"):
            proton.template("environment", "other")
        proton.register("environment", "env", small())
        proton.register("environment", "env", small())
        with pytest.raises(ClientError, match="limit of 2 versions"):
            proton.register("environment", "env", small())
