"""How often boto3's standard retry mode gets through each preset: the rates that docs/how-to/inject-faults.md promises."""

import random
from types import SimpleNamespace

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import Admin
from serve import ROOT, Standin
from test_faults import make_client

CALLS = 300

# The share of single attempts that fail, and of calls that succeed with one attempt and with three, as boto3 makes them.
RATES = {
    "flaky": (1 - 0.95 * 0.97 * 0.98 * 0.99),
    "brownout": 0.33,
    "bad-network": (1 - 0.98 * 0.98 * 0.99 * 0.995),
}


@pytest.fixture
def clock(monkeypatch):
    """Waits of retries move the clock of the server instead of taking time."""

    def set_server(admin):
        def advance(seconds):
            admin("POST", "/_standin/clock", {"advance": f"{max(1, round(seconds * 1000))}ms"})

        monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=advance))
        # The waits are drawn too.
        random.seed(7)

    return set_server


def run(server, attempts, count=CALLS):
    """Which calls succeeded."""
    dynamodb = make_client(server, "dynamodb", attempts=attempts, read_timeout=0.5)
    went_well = []
    for _ in range(count):
        try:
            dynamodb.list_tables()
            went_well.append(True)
        except (BotoCoreError, ClientError):
            went_well.append(False)
    return went_well


def preset_without_latency(admin, name):
    admin("PUT", "/_standin/faults", [])
    for rule in admin("POST", f"/_standin/faults/presets/{name}", {})["faults"]:
        if "latency" in rule:
            admin("DELETE", f"/_standin/faults/{rule['id']}")


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("attempts", [1, 3])
def test_calls_succeed_at_the_documented_rate(clock, name, attempts):
    with Standin("--log", "warn", "--seed", "7", "--clock", "2026-01-01T00:00:00Z") as server:
        admin = Admin(server.url)
        clock(admin)
        preset_without_latency(admin, name)
        succeeded = sum(run(server, attempts))
    rate = 1 - RATES[name] ** attempts
    # Three standard deviations of as many draws, and one call.
    slack = 3 * (CALLS * rate * (1 - rate)) ** 0.5 + 1
    assert abs(succeeded - CALLS * rate) <= slack, (succeeded, CALLS * rate)


def test_throttled_calls_succeed(clock):
    """Of calls one after the other, without a pause, hardly any fails: the waits let the bucket fill."""
    with Standin("--log", "warn", "--seed", "7", "--clock", "2026-01-01T00:00:00Z", "--faults", "throttled") as server:
        admin = Admin(server.url)
        clock(admin)
        assert sum(run(server, 1, 50)) == 10
        admin("POST", "/_standin/clock", {"advance": "10s"})
        assert sum(run(server, 3)) >= 0.97 * CALLS


def test_the_documentation_has_these_rates():
    text = (ROOT / "docs/how-to/inject-faults.md").read_text()
    for name, fails in RATES.items():
        assert f"| `{name}` | {1 - fails:.1%} | {1 - fails**3:.2%} |" in text, name


@pytest.mark.parametrize("name", ["flaky", "bad-network"])
def test_two_servers_with_the_same_seed_fail_alike(name):
    def outcomes(seed):
        with Standin("--log", "warn", "--seed", seed) as server:
            preset_without_latency(Admin(server.url), name)
            return run(server, 1, 120)

    first = outcomes("11")
    assert first == outcomes("11") and False in first
    assert first != outcomes("12")
