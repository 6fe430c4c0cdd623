"""Tells what a run of lifecycle.py found: failures by step on the terminal, a table in docs/lifecycle.md."""

import collections
import re

from lives import STEPS
from resources import KNOWN

# The services that most programs use: all their types must live correctly.
NAMED = (
    "mwaa", "proton", "mediatailor", "lambda", "elastictranscoder", "appstream", "cloudhsmv2", "cloudhsm", "codecommit", "connect", "auditmanager",
    "accessanalyzer", "devops-guru", "codepipeline", "amp", "translate", "managedblockchain", "applicationcostprofiler", "kinesisanalytics",
    "kinesisanalyticsv2", "autoscaling-plans", "iotevents", "cloud9", "ebs", "personalize", "network-firewall",
)


# Failures of one step that the document lists.
TOLD_MAX = 100


def correct(one):
    """Whether a type lives correctly: it was made and read, and no step went wrong."""
    return "read" in one["steps"] and not any(one["steps"].values())


def failures(results):
    """`(step, service, type, detail)` of all that went wrong, by step."""
    found = [(step, result["service"], one["type"], plain(detail)) for result in results for one in result["types"] for step, detail in one["steps"].items() if detail]
    order = {step: at for at, step in enumerate(STEPS)}
    return sorted(found, key=lambda each: (order.get(each[0], 99), each[1], each[2]))


def plain(text):
    return re.sub(r"127\.0\.0\.1:[0-9]+", "SERVER", " ".join(str(text).split()))[:260]


def tell(results, lost, chosen, alive, seconds):
    types = [one for result in results for one in result["types"]]
    good = sum(correct(one) for one in types)
    total = len(types) + len(lost)
    found = failures(results)
    lines = []
    counts = collections.Counter(step for step, *_ in found)
    for step in [*STEPS, ""]:
        if counts[step]:
            lines.append(f"\n## {step}: {counts[step]} types")
            lines += [f"{service}.{name}: {detail}" for each, service, name, detail in found if each == step]
    if lost:
        lines += [f"\n## operations that the models here lack: {len(lost)} types", ", ".join(lost)]
    share = 100 * good / total if total else 0.0
    if chosen.smithy:
        summary = f"{good} of {total} declared types live correctly ({share:.1f} %), in {seconds:.0f} s"
    else:
        summary = f"{good} of {total} types with a create and a read live correctly ({share:.1f} %), in {seconds:.0f} s"
    steps = ", ".join(f"{step} {counts[step]}" for step in STEPS if counts[step])
    if chosen.list:
        chosen.list.write_text(f"{summary}\nfailing types by step: {steps}\n" + "\n".join(lines) + "\n")
    if not chosen.quiet:
        print("\n".join(lines))
    print(f"\nfailing types by step: {steps}\n{summary}")
    if chosen.docs:
        chosen.docs.write_text(document(results, types, good, share, found))
    if not alive:
        print("FAILED: the server died")
    if share < chosen.require:
        print(f"FAILED: less than {chosen.require} %")
    return 1 if not alive or share < chosen.require else 0


def document(results, types, good, share, found):
    named = [one for result in results if result["service"] in NAMED for one in result["types"]]
    by_step = collections.Counter(step for one in types for step in one["steps"])
    bad = collections.Counter(step for step, *_ in found)
    lines = [
        "# Lifecycle",
        "",
        "Written by `e2e/python/lifecycle.py --docs docs/lifecycle.md`: the life of every resource type that can be created and read,",
        "through botocore. The types are found in botocore's models by code of their own (`e2e/python/resources.py`), which knows nothing",
        "of what standin infers. A type lives *correctly* where every step that applies to it goes as the model and good sense ask: what",
        "was sent is read back, what was not sent is absent, lists hold what exists, once, and page; an update sticks and leaves the rest;",
        "a twin conflicts; tags come and go; before it is made and after it is deleted the modelled error says so.",
        "",
        "| what | correct |",
        "| --- | --- |",
        f"| types with a create and a read | {good:,} of {len(types):,} ({share:.1f} %) |",
        f"| those of the {len(NAMED)} services named first | {sum(map(correct, named)):,} of {len(named):,} |",
    ]
    for step in STEPS:
        if by_step[step] and step != "harness":
            lines.append(f"| {step} | {by_step[step] - bad[step]:,} of {by_step[step]:,} |")
    lines += ["", "Not counted: what an engine answers by rules that the models do not tell. Tests of their own, in `e2e/python`, live these:", ""]
    lines += [f"- `{name}`: {tests}" for name, tests in KNOWN["engines"].items()]
    lines += ["", "## By service", "", "| service | types | correct |", "| --- | --- | --- |"]
    ordered = sorted(results, key=lambda result: (result["service"] not in NAMED, result["service"]))
    for result in ordered:
        if result["types"]:
            name = result["service"] + (f" (retired, {result['retired_in']})" if result["retired_in"] else "")
            name = f"**{name}**" if result["service"] in NAMED else name
            lines.append(f"| {name} | {len(result['types'])} | {sum(map(correct, result['types']))} |")
    lines += ["", "## Failures", "", "The first of each type.", ""]
    seen = set()
    for step in STEPS:
        these = [each for each in found if each[0] == step and each[1:3] not in seen]
        seen |= {each[1:3] for each in these}
        if these:
            lines += [f"### {step}: {len(these)}", ""]
            lines += [f"- `{service}.{name}`: {detail[:160]}" for _, service, name, detail in these[:TOLD_MAX]]
            if len(these) > TOLD_MAX:
                lines.append(f"- and {len(these) - TOLD_MAX} more")
            lines.append("")
    if not found:
        lines.append("None.")
    return "\n".join(lines).rstrip() + "\n"
