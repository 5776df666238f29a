"""The policies in contrib/ allow every call that the daemon makes, and not much else. tests/check-iam asks a policy
engine about the same rows."""

from __future__ import annotations

import json
import subprocess
from fnmatch import fnmatchcase
from typing import Any, Iterable

import pytest

from harness import REPOSITORY, host
from harness.dialects import nic_update

ROWS = json.loads(subprocess.run([REPOSITORY / "tests" / "iam" / "rows.py"], check=True, stdout=subprocess.PIPE).stdout)
PREFIX = "arn:aws:route53:::hostedzone/"


def policy_of(name: str, zone_id: str) -> dict[str, Any]:
    return json.loads((REPOSITORY / "contrib" / name).read_text().replace("ZONE_ID", zone_id))


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def holds(operator: str, context: Any, wanted: Iterable[str]) -> bool:
    """ForAllValues: every value of the request is among those of the policy; so it is where there is none."""
    assert operator == "ForAllValues:StringEquals", f"{operator}: this evaluator does not know it"
    return set(context or ()) <= set(listed(wanted))


def allows(policy: dict[str, Any], action: str, resource: str, context: dict[str, Any]) -> list[str]:
    """Sid of each statement that allows the call; the policies have no Deny."""
    found = []
    for statement in policy["Statement"]:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"} and statement["Effect"] == "Allow"
        conditions = statement.get("Condition", {})
        if (
            any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))
            and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
            and all(holds(operator, context.get(key), wanted) for operator, keys in conditions.items() for key, wanted in keys.items())
        ):
            found.append(statement["Sid"])
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_row(row):
    name, _, action, resource, context, allowed = row
    assert bool(allows(policy_of(name, "Z1FXLQ1OABKR4O"), action, resource, context)) is allowed


def test_every_call_of_the_daemon(daemon, route53):
    """A life with addresses that are set, changed and withdrawn: all of it is allowed, and all that is allowed is used."""
    r53 = route53("example.com.")
    zone = r53.zone("example.com.")
    rows = [host(f"h{number}.example.com.", ["A", "AAAA"], auth=["basic"], allow_internal=True) for number in range(3)]
    d = daemon(route53=r53, hosts=rows)
    for asked in (("h0", "192.0.2.1"), ("h1", "192.0.2.2"), ("h0", "192.0.2.3"), ("h2", "192.0.2.4,2001:db8::4")):
        answer = nic_update(d, asked[0] + ".example.com", myip=asked[1])
        assert answer.body.startswith(b"good"), answer.text
    assert nic_update(d, "h2.example.com", offline="YES").text == "good\n"
    policy = policy_of("iam-policy.json", zone.id)
    used: set[str] = set()
    for call in r53.calls:
        context = {}
        if call.operation == "ChangeResourceRecordSets":
            context = {
                "route53:ChangeResourceRecordSetsActions": [change.action for change in call.batch],
                "route53:ChangeResourceRecordSetsRecordTypes": [change.record.type for change in call.batch],
            }
        by = allows(policy, f"route53:{call.operation}", PREFIX + str(call.id), context)
        assert by, f"{call.operation} of {call.id}, {context}: is not allowed"
        used.update(f"{sid} {call.operation}" for sid in by)
    granted = {
        f"{statement['Sid']} {action.removeprefix('route53:')}"
        for statement in policy["Statement"]
        for action in listed(statement["Action"])
    }
    assert used == granted
