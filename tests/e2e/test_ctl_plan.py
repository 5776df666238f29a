"""`ddns53ctl plan` and `repair`: what was set last against what DNS has."""

from __future__ import annotations

import re

import pytest

from harness import BEHIND_PROXY, host, merged
from harness.updates import history, wait_until

ZONE = "example.com."
FINE, DRIFTED, TTL, MISSING, LOCKED, FOREIGN, NEVER = (
    f"{name}.{ZONE}" for name in ("fine", "drifted", "ttl", "missing", "locked", "foreign", "never")
)
HOSTS = [host(name) for name in (FINE, DRIFTED, TTL, MISSING, LOCKED, FOREIGN, NEVER)]
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})


@pytest.fixture
def d(daemon, r53):
    """A daemon with a record in each state, which it has read back."""
    made = daemon(route53=r53, settings=SETTINGS, hosts=[dict(row) for row in HOSTS])
    for name in (FINE, DRIFTED, TTL, MISSING, LOCKED):
        assert made.set(name, via="198.18.7.9").status == 200
    made.stop()
    r53.put_record(DRIFTED, "A", ["192.0.2.5"], 60)
    r53.put_record(TTL, "A", ["198.18.7.9"], 3600)
    r53.delete_record(MISSING)
    r53.put_record(LOCKED, "A", ["192.0.2.6"], 60)
    r53.put_record(FOREIGN, "A", ["192.0.2.1", "192.0.2.2"])
    made.hosts = [{**row, "lock_record": True} if row["hostname"] == LOCKED else row for row in made.hosts]
    made.write_config()
    made.start()
    wait_until(lambda: made.ctl_json("plan", status=None)["counts"]["unknown"] == 0, "the zone is read back")
    return made


def states(d, *arguments: str, status: int = 1) -> dict[str, str]:
    return {row["hostname"]: row["state"] for row in d.ctl_json("plan", *arguments, status=status)["records"]}


TROUBLES = {DRIFTED: "drifted", TTL: "drifted", LOCKED: "drifted", MISSING: "missing", FOREIGN: "not_ours"}


def test_plan(d):
    plan = d.ctl_json("plan", status=1)
    assert plan["counts"] == {
        "in_step": 1, "unset": 1, "waiting": 0, "drifted": 3, "missing": 1, "not_ours": 1, "unknown": 0
    }  # fmt: skip
    assert states(d) == TROUBLES
    assert states(d, "--all") == {**TROUBLES, FINE: "in_step", NEVER: "unset"}
    by_name = {row["hostname"]: row for row in plan["records"]}
    assert by_name[DRIFTED]["set"] == {"value": "198.18.7.9", "ttl": 60}
    assert by_name[DRIFTED]["dns"] == {"value": "192.0.2.5", "ttl": 60}
    assert by_name[TTL]["dns"] == {"value": "198.18.7.9", "ttl": 3600}
    assert by_name[MISSING]["dns"] is None and by_name[FOREIGN]["foreign"] == "several_values"
    assert by_name[LOCKED]["locked"] is True
    text = d.ctl("plan", status=1).stdout
    assert re.search(rf"{DRIFTED} +A +drifted +198.18.7.9 ttl 60 +192.0.2.5 ttl 60", text)
    assert re.search(rf"{LOCKED} +A +drifted, locked", text)
    assert re.search(rf"{FOREIGN} +A +not ours +- +several_values", text)
    assert "1 in step, 1 not set by us, 3 drifted, 1 missing, 1 not ours" in text and "ddns53ctl repair" in text


def test_plan_of_one_host(d):
    assert states(d, MISSING) == {MISSING: "missing"}
    assert states(d, FINE, status=0) == {FINE: "in_step"}
    assert "no such host" in d.ctl("plan", "no.example.com", status=66).stderr


def test_repair(d, r53):
    done = d.ctl_json("repair")
    assert done["ok"] and {row["hostname"]: row["verdict"] for row in done["records"]} == {
        DRIFTED: "good", TTL: "good", MISSING: "good", LOCKED: "good"
    }  # fmt: skip
    for name in (DRIFTED, TTL, MISSING, LOCKED):
        record = r53.record(name)
        assert record.values == ("198.18.7.9",) and record.ttl == 60
    assert r53.values(FOREIGN) == ["192.0.2.1", "192.0.2.2"], "what is not ours stays"
    assert states(d) == {FOREIGN: "not_ours"}
    assert d.ctl("repair").stdout == "nothing has drifted or is missing\n"
    d.stop()
    assert history(d.state_dir, DRIFTED)[-1] == ("192.0.2.5", "198.18.7.9")


def test_repair_of_one_host(d, r53):
    assert d.ctl("repair", DRIFTED).stdout.startswith(f"{DRIFTED} A: good")
    assert r53.values(DRIFTED) == ["198.18.7.9"] and r53.values(MISSING) == []
    assert "no such host" in d.ctl("repair", "no.example.com", status=66).stderr


def test_a_withdrawn_record_is_not_missing(d):
    assert d.ctl("withdraw", FINE).returncode == 0
    assert states(d, FINE, status=0) == {FINE: "unset"}


def test_what_cannot_be_looked_at(daemon, r53):
    r53.faults.error(403, "AccessDenied")
    d = daemon(route53=r53, settings=SETTINGS, hosts=HOSTS)
    d.wait_log("event=zone_trouble")
    assert set(states(d).values()) == {"unknown"}
    assert "7 unknown" in d.ctl("plan", status=1).stdout
    r53.faults.clear()


def test_more_hosts_than_a_page(daemon, r53):
    """A page has 1,000 records and repairs 500."""
    names = [f"h{number}.{ZONE}" for number in range(1200)]
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(name) for name in names])
    r53.wait_calls(1, "ListResourceRecordSets")
    for name in names[:3] + names[-3:]:
        assert d.ctl("put", name, "198.18.7.9").returncode == 0
    d.stop()
    for name in names[:3] + names[-3:]:
        r53.delete_record(name)
    d.start()
    wait_until(lambda: d.ctl_json("plan", status=None)["counts"]["unknown"] == 0, "the zone is read back", timeout=30)
    plan = d.ctl_json("plan", status=1)
    assert plan["counts"]["missing"] == 6 and sum(plan["counts"].values()) == 1200
    assert len(d.ctl_json("repair")["records"]) == 6
    assert all(r53.values(name) == ["198.18.7.9"] for name in names[:3] + names[-3:])


def test_hosts_that_come_with_a_reload(daemon, r53):
    """They are looked at soon, although the next read-back is an hour away."""
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(FINE), host(DRIFTED)])
    for name in (FINE, DRIFTED):
        assert d.set(name, via="198.18.7.9").status == 200
    d.ctl("remove", DRIFTED)
    r53.put_record(NEVER, "A", ["192.0.2.7"], 60)
    r53.put_record(FOREIGN, "A", ["192.0.2.1", "192.0.2.2"])
    lists = len(r53.calls_of("ListResourceRecordSets"))
    for name in (DRIFTED, NEVER, FOREIGN, MISSING):
        d.ctl("add", name.rstrip("."), "--type", "A")
    wait_until(lambda: d.ctl_json("plan", status=None)["counts"]["unknown"] == 0, "the new hosts are looked at")
    found = {row["hostname"]: row for row in d.ctl_json("plan", "--all", status=None)["records"]}
    assert found[NEVER]["dns"] == {"value": "192.0.2.7", "ttl": 60} and found[NEVER]["state"] == "unset"
    assert found[FOREIGN]["state"] == "not_ours" and found[MISSING]["state"] == "unset"
    assert found[DRIFTED]["dns"] == {"value": "198.18.7.9", "ttl": 60}
    assert len(r53.calls_of("ListResourceRecordSets")) - lists <= 8
