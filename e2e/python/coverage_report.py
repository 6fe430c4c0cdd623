"""Tells what a conformance run found: on the terminal by cause, in docs/coverage.md by service."""

import collections
import re
from pathlib import Path

BAD = ("invalid", "misunderstood", "error", "broken", "unread", "unsent")


def cause(record):
    """The record's detail without what differs from call to call."""
    detail = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", record.get("detail", ""))
    detail = re.sub(r"[A-Za-z0-9_.\[\]{}]*\.[A-Za-z0-9_.\[\]{}]+:", "MEMBER:", detail)
    return f"{record['outcome']}: {re.sub(r'[0-9]+', 'N', detail)[:130]}"


def tell(results, chosen, alive, seconds, exceptions):
    """Prints the summary, writes the document if wanted, and returns the exit code."""
    calls = [(result, record) for result in results for record in result.get("calls", [])]
    for result, record in calls:
        reason = exceptions["operations"].get(f"{result['api']}.{record['operation']}")
        if reason and record["outcome"] in BAD:
            record["exception"] = reason
        elif reason:
            print(f"no exception any more: {result['api']}.{record['operation']}")
    counted = [record for _, record in calls]
    good = sum(record["outcome"] == "ok" for record in counted)
    loose = sum(bool(record.get("loose")) for record in counted)
    share = 100 * good / len(counted) if counted else 0.0
    unknown = [
        f"{result['api']}.{record['operation']}"
        for result, record in calls
        if re.search(r"UnknownOperation|InvalidAction|NotImplemented|^\d+ \(404\)", record.get("detail", "")) and record["outcome"] == "error"
    ]
    for part in ("calls", "negative", "paginators", "waiters"):
        records = [(result["api"], record) for result in results for record in result.get(part, [])]
        if not records:
            continue
        groups = collections.defaultdict(list)
        for api, record in records:
            if record["outcome"] != "ok" and "exception" not in record:
                groups[cause(record)].append(f"{api}.{record.get('operation', record.get('waiter'))}")
        fine = sum(record["outcome"] == "ok" for _, record in records)
        print(f"\n{part}: {fine} of {len(records)} ok")
        shown = sorted(groups.items(), key=lambda group: -len(group[1]))
        for text, names in shown[:25] if part != "waiters" else []:
            print(f"  {len(names):6}  {text}\n          {', '.join(names[:4])}")
        if len(shown) > 25 and part != "waiters":
            print(f"          and {len(shown) - 25} more causes")
    for result in results:
        if "failed" in result:
            print(f"no client for {result['api']}: {result['failed']}")
    if chosen.docs:
        Path(chosen.docs).write_text(document(results, counted, good, share))
    print(f"\n{good} of {len(counted)} operations model-valid ({share:.2f} %), {loose} of them with a length, range or pattern missed, in {seconds:.0f} s")
    failures = []
    if share < chosen.require:
        failures.append(f"less than {chosen.require} %")
    if unknown:
        failures.append(f"{len(unknown)} operations unknown to the server: {', '.join(unknown[:5])}")
    if not alive:
        failures.append("the server died")
    if any("failed" in result for result in results):
        failures.append("clients that could not be made")
    if any(record["outcome"] == "broken" for record in counted if "exception" not in record):
        failures.append("broken connections")
    if any(record["outcome"] == "endless" for result in results for record in result.get("paginators", [])):
        failures.append("endless pages")
    negative = [record for result in results for record in result.get("negative", [])]
    if negative and sum(record["outcome"] == "ok" for record in negative) < len(negative) * chosen.require / 100:
        failures.append("refusals of invalid inputs")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def plain(text):
    """One short line that is the same for every run."""
    return re.sub(r"127\.0\.0\.1:[0-9]+", "SERVER", " ".join(text.split()))[:160]


def document(results, counted, good, share):
    negative = [record for result in results for record in result.get("negative", [])]
    pages = [record for result in results for record in result.get("paginators", [])]
    waiters = [record for result in results for record in result.get("waiters", [])]

    def part(records):
        return f"{sum(record['outcome'] == 'ok' for record in records):,} of {len(records):,}"

    lines = [
        "# Coverage",
        "",
        "Written by `e2e/python/conformance.py --all-versions --docs docs/coverage.md`: every operation of every API, called through",
        "botocore with a valid input made from the model. An answer is *ok* where the real client parses it and every required member,",
        "type and enumeration is as the model says, and where the server decoded the very input that was sent. Some services share",
        "a signing name and whole requests (Neptune, DocumentDB and RDS): there the answer of one counts for the other if it",
        "satisfies the other's model too.",
        "",
        "| what | ok |",
        "| --- | --- |",
        f"| operations called with a valid input | {good:,} of {len(counted):,} ({share:.2f} %) |",
        f"| calls without a required member, refused with a typed error | {part(negative)} |",
        f"| paginators that end | {part(pages)} |",
        f"| waiters content within two polls | {part(waiters)} |",
        "",
        "## Exceptions",
        "",
    ]
    listed = False
    for result in results:
        for record in result.get("calls", []):
            if record["outcome"] == "ok":
                continue
            listed = True
            reason = record.get("exception") or plain(f"{record['outcome']}: {record['detail']}")
            lines.append(f"- `{result['api']}.{record['operation']}`: {reason}")
    if not listed:
        lines.append("None.")
    lines += ["", "## By service", "", "Retired services carry the botocore version that knew them last.", ""]
    lines += ["| service | operations | ok | refusals |", "| --- | --- | --- | --- |"]
    for result in results:
        records = result.get("calls", [])
        if not records:
            continue
        fine = sum(record["outcome"] == "ok" for record in records)
        refused = result.get("negative", [])
        name = result["api"] + (f" (retired, {result['retired_in']})" if result["retired_in"] else "")
        lines.append(f"| {name} | {len(records)} | {fine} | {sum(record['outcome'] == 'ok' for record in refused)} of {len(refused)} |")
    return "\n".join(lines) + "\n"
