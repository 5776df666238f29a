"""Records that clients withdraw: dyndns2's offline=YES, /nic/delete and mode=clear."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from harness import (
    BEHIND_PROXY,
    SECRET,
    Client,
    hash_token,
    host,
    merged,
    query_target,
    run_binary,
    signed_parameters,
)
from harness.dialects import basic, check_headers, nic_update, plain_secret, zone_values
from harness.updates import PATIENT, Background, history, wait_queue_empty, wait_until

FAST = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})
SOURCE = "198.18.7.9"
HOME, LOCAL = "home.example.com.", "home.example.test."
ALL = ["A", "AAAA", "TXT"]
OPEN = {"auth": ["basic", "hash", "signed", "secret"]}
V4, V6 = "198.18.7.9", "2001:db8::9"
TEXT = '"a text of the owner\'s"'


def answers(answer, status: int, body: str) -> None:
    assert (answer.status, answer.text) == (status, body)
    check_headers(answer)


def set_both(d, hostname: str, v4: str = V4, v6: str = V6) -> None:
    answers(nic_update(d, hostname, myip=f"{v4},{v6}"), 200, f"good {v4},{v6}\n")


def delete(d, hostname: str | None, **parameters):
    return nic_update(d, hostname, path="/nic/delete", **parameters)


def clear(d, hostname: str, via: str = SOURCE, secret: str = SECRET, **more: str | None):
    token = hash_token(via, hostname, secret)
    return d.query(mode="clear", hostname=hostname, hash=token, via=via, **more)


def clear_json(d, hostname: str, via: str = SOURCE, **more):
    value = {"execution_mode": "clear", "ddns_hostname": hostname, "validation_hash": hash_token(via, hostname, SECRET)}
    headers = {"Content-Type": "application/json", "X-Forwarded-For": via}
    return d.request("/", "POST", headers, json.dumps({**value, **more}))


def said(answer, status: int, message: str) -> None:
    assert (answer.status, answer.message) == (status, message)
    assert answer.result == ("success" if status in (200, 201) else "fail")


def changes_of(r53) -> list:
    return r53.calls_of("ChangeResourceRecordSets")


def actions(call) -> dict[tuple[str, str], str]:
    return {(change.record.name, change.record.type): change.action for change in call.batch}


def state(d, hostname: str) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{d.state_dir}/state.db?mode=ro", uri=True, timeout=20)) as database:
        rows = database.execute("SELECT type, address FROM record WHERE hostname = ?", (hostname,))
        return {kind: address for kind, address in rows if address}


def zone_of(d, hostname: str) -> dict[str, list[str]]:
    return {kind: zone_values(d.zone_file(), hostname, kind) for kind in ("A", "AAAA")}


# ---- what each of them withdraws ----


def test_offline_withdraws_the_addresses(daemon, r53):
    r53.put_record(HOME, "TXT", [TEXT], ttl=60)
    r53.put_record(HOME, "MX", ["10 mx.example.com."])
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, ALL, **OPEN)])
    d.wait_read_back()
    set_both(d, HOME)
    answers(nic_update(d, HOME, offline="YES", via=SOURCE), 200, "good\n")
    assert r53.values(HOME) == r53.values(HOME, "AAAA") == []
    assert r53.values(HOME, "TXT") == [TEXT] and r53.values(HOME, "MX")
    assert actions(changes_of(r53)[-1]) == {(HOME, "A"): "DELETE", (HOME, "AAAA"): "DELETE"}
    for kind in ("A", "AAAA"):
        line = rf"event=update dialect=dyndns2 source={SOURCE} host={HOME} type={kind} withdraw=yes result=good ms="
        d.wait_log(line)
    assert state(d, HOME) == {}
    assert sorted(history(d.state_dir, HOME)) == sorted([("", V4), ("", V6), (V4, ""), (V6, "")])
    before = len(r53.calls)
    answers(nic_update(d, HOME, offline="yes", myip=V4), 200, "nochg\n")
    assert len(r53.calls) == before
    answers(nic_update(d, HOME, offline="NO", myip=V4), 200, f"good {V4}\n")
    answers(nic_update(d, HOME, offline="YES"), 200, "good\n")  # of two, one was there
    set_both(d, HOME)
    assert (r53.values(HOME), r53.values(HOME, "AAAA")) == ([V4], [V6])
    assert set(r53.results()) == {"ok"}


def test_offline_for_several_hosts(daemon):
    rows = [host(f"{name}.example.test.", ["A", "AAAA"], **OPEN) for name in ("one", "two")]
    rows += [host("locked.example.test.", "A", lock_record=True, **OPEN), host("six.example.test.", "TXT", **OPEN)]
    d = daemon(settings=BEHIND_PROXY, hosts=rows)
    set_both(d, "one.example.test.")
    names = "one.example.test,two.example.test,locked.example.test,six.example.test,nobody.example.test"
    answers(nic_update(d, names, offline="YES"), 200, "good\nnochg\nabuse\nnohost\nnohost\n")
    assert zone_of(d, "one.example.test.") == {"A": [], "AAAA": []}


@pytest.mark.parametrize("value", ["true", "1", "on", "Y", "YES "])
def test_offline_is_yes_or_no(daemon, value):
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, ["A", "AAAA"], **OPEN)])
    set_both(d, LOCAL)
    answers(nic_update(d, LOCAL, offline=value), 400, "badagent\n")
    answers(nic_update(d, LOCAL, offline="YES", secret="not-the-secret-of-it"), 401, "badauth\n")
    assert zone_of(d, LOCAL) == {"A": [V4], "AAAA": [V6]}


def test_nic_delete(daemon, r53):
    r53.put_record(HOME, "TXT", [TEXT, '"another"'], ttl=3600)
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, ALL, **OPEN)])
    set_both(d, HOME)
    answers(delete(d, HOME, type="AAAA"), 200, "good\n")
    answers(delete(d, HOME, type="AAAA"), 200, "nochg\n")
    assert (r53.values(HOME), r53.values(HOME, "AAAA")) == ([V4], [])
    answers(delete(d, HOME, type="TXT"), 200, "good\n")
    assert r53.values(HOME, "TXT") == [] and r53.values(HOME) == [V4]
    r53.put_record(HOME, "TXT", [TEXT], ttl=60)
    set_both(d, HOME, "198.18.7.10")
    answers(delete(d, HOME), 200, "good\n")
    assert r53.values(HOME) == r53.values(HOME, "AAAA") == []
    d.wait_log(f"event=update dialect=dyndns2 .*host={HOME} type=TXT withdraw=yes result=good")


def test_nic_delete_by_post_and_in_the_url(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, ["A", "AAAA"], **OPEN)])
    for send in (
        lambda: d.request(f"/nic/delete?hostname={LOCAL}&type=A&token={SECRET}"),
        lambda: d.request(
            "/nic/delete", "POST", {"Content-Type": "application/x-www-form-urlencoded"},
            f"hostname={LOCAL}&type=A&username=u&password={SECRET}",
        ),
        lambda: d.request(f"/nic/delete/?hostname={LOCAL}&type=A", headers={"Authorization": f"Bearer {SECRET}"}),
    ):
        set_both(d, LOCAL, f"198.18.8.{random.randrange(1, 250)}") if not zone_of(d, LOCAL)["AAAA"] else nic_update(
            d, LOCAL, myip=V4
        )
        answers(send(), 200, "good\n")
        assert zone_of(d, LOCAL) == {"A": [], "AAAA": [V6]}


@pytest.mark.parametrize(
    "query, word",
    [
        ("", "notfqdn"),
        ("hostname=", "notfqdn"),
        ("hostname=YES", "notfqdn"),
        ("hostname=,", "notfqdn"),
        ("hostname={}&type=", "notfqdn"),
        ("hostname={}&type", "notfqdn"),
        ("hostname={}&type=CNAME", "notfqdn"),
        ("hostname={}&type=aaaa", "notfqdn"),
        ("hostname={}&type=A,AAAA", "notfqdn"),
        ("hostname={}&type=A&type=AAAA", "notfqdn"),
        ("hostname={}&myip=198.18.7.9", "badagent"),
        ("hostname={}&foo=bar", "badagent"),
        ("hostname={}&offline=NO", "badagent"),
        ("hostname={}&action=update", "badagent"),
        ("hostname={}&dryrun=0", "badagent"),
    ],
)
def test_a_deletion_says_exactly_what(daemon, query, word):
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, ["A", "AAAA"], **OPEN)])
    set_both(d, LOCAL)
    headers = basic(LOCAL, SECRET)
    answers(d.request("/nic/delete?" + query.format(LOCAL), headers=headers), 400, f"{word}\n")
    assert zone_of(d, LOCAL) == {"A": [V4], "AAAA": [V6]}


def test_clear(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, ["A", "AAAA"], **OPEN)])
    set_both(d, HOME)
    said(clear(d, HOME, type="AAAA"), 200, f"{HOME} now has no AAAA record")
    said(clear(d, HOME, type="AAAA"), 200, f"{HOME} already has no AAAA record; nothing to do")
    assert (r53.values(HOME), r53.values(HOME, "AAAA")) == ([V4], [])
    said(clear(d, HOME), 200, f"{HOME} now has no A record; {HOME} already has no AAAA record; nothing to do")
    assert r53.values(HOME) == []
    d.wait_log(f"event=update dialect=query source={SOURCE} host={HOME} type=A withdraw=yes result=good ms=")
    said(clear(d, HOME, type="TXT"), 403, f"{HOME} has no TXT in its record_type in hosts.yaml; name a type that it has")
    assert d.set(HOME, via=SOURCE).status == 200
    assert r53.values(HOME) == [SOURCE]
    assert clear(d, HOME, secret="not-the-secret-of-it").status == 401
    assert d.query(mode="clear", hostname=HOME, via=SOURCE).status == 400
    assert r53.values(HOME) == [SOURCE]


def test_clear_in_json(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, ["A", "AAAA"], **OPEN)])
    set_both(d, LOCAL)
    said(clear_json(d, LOCAL, record_type="A"), 201, f"{LOCAL} now has no A record")
    said(clear_json(d, LOCAL, record_type="A"), 200, f"{LOCAL} already has no A record; nothing to do")
    assert zone_of(d, LOCAL) == {"A": [], "AAAA": [V6]}
    # "record_type": null is a variable that was not set, and must not mean all of them
    for more in ({"record_type": None}, {"record_type": ""}, {"record_type": ["AAAA"]}, {"type": "A"}, {"comment": "x"}):
        assert clear_json(d, LOCAL, **more).status == 400, more
    assert zone_of(d, LOCAL)["AAAA"] == [V6]
    both = clear_json(d, LOCAL)
    assert both.status == 201 and both.headers["Access-Control-Allow-Origin"] == "*"
    assert zone_of(d, LOCAL) == {"A": [], "AAAA": []}


def signed_clear(d, signed_mode: str = "clear", signed_type: str | None = None, **sent: str | None):
    parameters = signed_parameters(signed_mode, LOCAL, SECRET, SOURCE, record_type=signed_type)
    return d.query(via=SOURCE, **{"mode": "clear", "hostname": LOCAL, "type": signed_type, **parameters, **sent})


def test_clear_signed(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, ["A", "AAAA"], auth=["signed", "basic"])])
    set_both(d, LOCAL)
    for answer in (
        signed_clear(d, "set"),
        signed_clear(d, "list_hosts"),
        signed_clear(d, signed_type="A", type="AAAA"),
        signed_clear(d, signed_type="A", type=None),
        signed_clear(d, type="AAAA"),
    ):
        assert answer.status == 401
    assert zone_of(d, LOCAL) == {"A": [V4], "AAAA": [V6]}
    parameters = signed_parameters("clear", LOCAL, SECRET, SOURCE, record_type="A")
    once = {"mode": "clear", "hostname": LOCAL, "type": "A", **parameters}
    said(d.query(via=SOURCE, **once), 200, f"{LOCAL} now has no A record")
    assert d.query(via=SOURCE, **once).status == 409
    assert zone_of(d, LOCAL) == {"A": [], "AAAA": [V6]}
    assert signed_clear(d).status == 200
    assert zone_of(d, LOCAL) == {"A": [], "AAAA": []}


# ---- what may not be withdrawn ----


def test_locked_records_stay(daemon, r53):
    rows = [host(HOME, "A", lock_record=True, **OPEN), host(HOME, "AAAA", **OPEN)]
    r53.put_record(HOME, "A", [V4], ttl=60)
    r53.put_record(HOME, "AAAA", [V6], ttl=60)
    d = daemon(route53=r53, settings=FAST, hosts=rows)
    answers(delete(d, HOME, type="A"), 503, "abuse\n")
    locked = f"the A record of {HOME} is locked; remove lock_record from it in hosts.yaml"
    said(clear(d, HOME, type="A"), 403, locked)
    assert r53.values(HOME, "AAAA") == [V6]
    said(clear(d, HOME), 403, f"{locked}; {HOME} now has no AAAA record")
    answers(nic_update(d, HOME, offline="YES"), 503, "abuse\n")
    assert r53.values(HOME) == [V4] and r53.values(HOME, "AAAA") == []
    d.wait_log(f"event=update .*host={HOME} type=A withdraw=yes result=locked")


def test_rows_with_other_secrets_are_not_withdrawn(daemon):
    other = "another-shared-secret-of-a-host-02"
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, "A", **OPEN), host(LOCAL, "AAAA", other, **OPEN)])
    nic_update(d, LOCAL, myip=V4)
    nic_update(d, LOCAL, myip=V6, secret=other)
    assert zone_of(d, LOCAL) == {"A": [V4], "AAAA": [V6]}
    answers(delete(d, LOCAL, type="AAAA"), 400, "nohost\n")
    assert clear(d, LOCAL, type="AAAA").status == 403
    said(clear(d, LOCAL), 200, f"{LOCAL} now has no A record")
    assert zone_of(d, LOCAL) == {"A": [], "AAAA": [V6]}


def alias(r53):
    r53.put_record(HOME, "A", alias="other.example.com.")


def several(r53):
    r53.put_record(HOME, "A", ["198.18.7.1", "198.18.7.2"])


def weighted(r53):
    r53.put_record(HOME, "A", ["198.18.7.1"], ttl=60, set_identifier="blue", weight=1)


@pytest.mark.parametrize("known", [True, False], ids=["read back", "behind our back"])
@pytest.mark.parametrize("put", [alias, several, weighted])
def test_foreign_records_are_never_deleted(daemon, r53, put, known):
    d = daemon(start=False, route53=r53, settings=FAST, hosts=[host(HOME, **OPEN)])
    if known:
        put(r53)
    d.start()
    d.wait_read_back()
    if not known:
        assert d.set(HOME, via=SOURCE).status == 200
        r53.delete_record(HOME, "A")
        put(r53)
    before = r53.records("example.com.")
    answer = clear(d, HOME)
    assert answer.status == 409 and "never withdrawn" in answer.message
    answers(delete(d, HOME), 503, "dnserr\n")
    answers(nic_update(d, HOME, offline="YES"), 503, "dnserr\n")
    assert r53.records("example.com.") == before
    d.wait_log(f"event=update .*host={HOME} type=A withdraw=yes result=conflict")


def test_what_the_owner_wrote_is_not_deleted(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=[host(LOCAL, **OPEN)])
    assert d.set(LOCAL, via=SOURCE).status == 200
    path = d.zone_file()
    path.write_text(path.read_text().replace("; ddns53 begin", f"{LOCAL} A 192.0.2.5\n; ddns53 begin", 1))
    answer = clear(d, LOCAL)
    assert answer.status == 409, answer.text
    assert f"{LOCAL} A 192.0.2.5" in path.read_text()


def test_followers_keep_their_records(daemon):
    rows = [
        host(LOCAL, ["A", "AAAA"], **OPEN),
        {"hostname": "nas.example.test.", "record_type": ["A", "AAAA"], "follows": LOCAL, "interface_id": "::1"},
    ]
    d = daemon(settings=BEHIND_PROXY, hosts=rows)
    assert nic_update(d, LOCAL, myip=V4, prefix="2001:db8:1::/56").status == 200
    answers(nic_update(d, LOCAL, offline="YES"), 200, "good\n")
    assert zone_of(d, LOCAL) == {"A": [], "AAAA": []}
    assert zone_of(d, "nas.example.test.") == {"A": [V4], "AAAA": ["2001:db8:1::1"]}


# ---- TXT ----


def test_a_txt_record_is_read_and_never_set(daemon, r53):
    r53.put_record(HOME, "TXT", [TEXT], ttl=60)
    only = "only.example.com."
    r53.put_record(only, "TXT", ['"one"', '"two"'], ttl=60)
    rows = [host(HOME, ALL, read_privilege=True, **OPEN), host(only, "TXT", read_privilege=True, **OPEN)]
    d = daemon(route53=r53, settings=FAST, hosts=rows)
    checked = run_binary("--config", d.config_path, "--check")
    assert checked.returncode == 0 and "2 hosts, 4 records" in checked.stdout + checked.stderr
    listed = [row["record_type"] for row in d.list_hosts(HOME, via=SOURCE).message]
    assert listed == ["A", "AAAA", "TXT", "TXT"]
    set_both(d, HOME)
    answers(nic_update(d, only, myip=V4), 400, "nohost\n")
    assert d.set(only, via=SOURCE).status == 403
    assert plain_secret(d, hostname=only, newip=V4).status == 403
    assert r53.values(HOME, "TXT") == [TEXT] and len(r53.values(only, "TXT")) == 2
    answers(nic_update(d, only, offline="YES"), 400, "nohost\n")
    answers(delete(d, only), 200, "good\n")
    answers(delete(d, only), 200, "nochg\n")
    assert r53.values(only, "TXT") == [] and r53.values(HOME, "TXT") == [TEXT]
    d.stop()
    assert set(r53.results()) == {"ok"}


# ---- DNS that changes meanwhile ----


@pytest.mark.parametrize("ttl, value", [(60, "198.18.7.77"), (61, V4)])
def test_a_record_that_was_changed_behind_our_back_is_looked_up(daemon, r53, ttl, value):
    names = [f"h{number}.example.com." for number in range(5)]
    d = daemon(route53=r53, settings=FAST, hosts=[host(name, **OPEN) for name in [HOME, *names]])
    d.wait_read_back()
    for name in [HOME, *names]:
        assert d.set(name, via=V4).status == 200
    r53.put_record(HOME, "A", [value], ttl=ttl)
    r53.reset_calls()
    answers(nic_update(d, ",".join([HOME, *names]), offline="YES"), 200, "good\n" * 6)
    assert all(r53.values(name) == [] for name in [HOME, *names])
    assert r53.results("ChangeResourceRecordSets")["InvalidChangeBatch"] == 2  # with the others, and alone
    assert len(r53.calls_of("ListResourceRecordSets")) == 1


def test_a_record_that_is_gone_behind_our_back(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, **OPEN)])
    assert d.set(HOME, via=V4).status == 200
    r53.delete_record(HOME, "A")
    answers(delete(d, HOME), 200, "nochg\n")
    assert state(d, HOME) == {}
    answers(delete(d, HOME), 200, "nochg\n")


def test_a_record_that_was_never_there(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, ["A", "AAAA"], **OPEN)])
    answers(delete(d, HOME), 200, "nochg\n")
    assert not changes_of(r53)
    assert history(d.state_dir, HOME) == []


def test_a_withdrawal_that_overtakes_a_set(daemon, r53):
    """What was asked for last counts; what never came into DNS needs no call."""
    other = "other.example.com."
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME, **OPEN), host(other, **OPEN)])
    d.wait_read_back()
    held = r53.faults.hold(operation="ChangeResourceRecordSets")
    first = Background(d.set, other, via=V4)  # the zone is busy with it
    r53.wait_for(lambda: held.hits == 1)
    second = Background(d.set, HOME, via=V4)
    d.wait_metric("ddns53_queue_depth", 2)
    third = Background(clear, d, HOME)
    d.wait_metric("ddns53_changes_total", 1, zone="example.com.", result="superseded")
    held.release()
    assert first.result().status == second.result().status == third.result().status == 200
    wait_queue_empty(d)
    assert r53.values(HOME) == [] and state(d, HOME) == {}
    assert set(r53.results()) == {"ok"}


def test_a_failed_call_may_have_set_it(daemon, r53):
    """The answer to a set is lost; what is withdrawn next may be in DNS or not, and nobody believes either."""
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME, **OPEN)])
    d.wait_read_back()
    held = r53.faults.hold(operation="ChangeResourceRecordSets", applied=True)
    first = Background(d.set, HOME, via=V4)
    r53.wait_value(HOME, V4)
    second = Background(clear, d, HOME)
    d.wait_metric("ddns53_queue_depth", 2)
    r53.drop_connections()
    held.release()
    assert second.result().status == 200
    assert first.result().status == 200  # it was set, or the newer wish took its place
    assert r53.values(HOME) == [] and state(d, HOME) == {}


def test_a_withdrawn_record_stays_away_over_a_restart(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, **OPEN)])
    assert d.set(HOME, via=V4).status == 200
    answers(delete(d, HOME), 200, "good\n")
    d.stop()
    d.start()
    answers(delete(d, HOME), 200, "nochg\n")
    d.wait_read_back()
    assert d.metrics().sum("ddns53_drift_total") == 0 and r53.values(HOME) == []
    assert d.set(HOME, via=V4).status == 200
    assert history(d.state_dir, HOME) == [("", V4), (V4, ""), ("", V4)]


# ---- many, and a kill ----


def storm(d, names: list[str], values) -> None:
    """Each host is set, withdrawn or both, at the same time as all others; the last word of each counts."""
    chance = random.Random(9)
    plans = {name: [chance.choice(("set", "clear")) for _ in range(3)] for name in names}

    def run(name: str, number: int) -> None:
        for step, what in enumerate(plans[name]):
            address = f"198.18.{step + 1}.{number % 250 + 1}"
            answer = d.set(name, via=address, timeout=60) if what == "set" else clear(d, name, via=address)
            assert answer.status == 200, f"{name} {what}: {answer.text}"
            assert values(name) == ([address] if what == "set" else []), f"{name} {what}: {answer.text}"

    with ThreadPoolExecutor(60) as pool:
        for done in [pool.submit(run, name, number) for number, name in enumerate(names)]:
            done.result()
    wait_queue_empty(d)
    with closing(sqlite3.connect(f"file:{d.state_dir}/state.db?mode=ro", uri=True, timeout=20)) as database:
        known = dict(database.execute("SELECT hostname, address FROM record WHERE type = 'A'"))
    for name in names:
        assert known.get(name, "") == (values(name) or [""])[0]


@pytest.mark.timeout_s(300)
def test_a_storm_of_both(daemon, r53):
    r53.change_latency_s = 0.05
    names = [f"h{number}.example.com." for number in range(300)]
    for name in names[::7]:
        r53.put_record(name, "A", ["192.0.2.1"], ttl=60)
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(name, **OPEN) for name in names])
    storm(d, names, r53.values)
    assert any(len(set(actions(call).values())) == 2 for call in changes_of(r53)), "no batch had both"


@pytest.mark.timeout_s(300)
def test_a_storm_of_both_in_a_zone_file(daemon):
    names = [f"h{number}.example.test." for number in range(300)]
    d = daemon(settings=PATIENT, hosts=[host(name, **OPEN) for name in names])
    storm(d, names, lambda name: zone_values(d.zone_file(), name))


@pytest.mark.timeout_s(300)
@pytest.mark.parametrize("provider", ["route53", "zonefile"])
def test_kill_9_between_sets_and_withdrawals(daemon, r53, provider):
    """What was acknowledged is in DNS and in the state; of what was under way, the one or the other."""
    r53.change_latency_s = 0.01
    zone = "example.com." if provider == "route53" else "example.test."
    names = [f"h{number}.{zone}" for number in range(4)]
    settings = merged(PATIENT, {"limits": {"reads_per_minute": 1000000}})
    d = daemon(route53=r53 if provider == "route53" else None, settings=settings, hosts=[host(n, **OPEN) for n in names])
    possible: dict[str, set[str]] = {}
    told, errors = [0, 0], []

    def in_dns(name: str) -> str:
        found = r53.values(name) if provider == "route53" else zone_values(d.zone_file(), name)
        return (found or [""])[0]

    def client(number: int, turn: int, killed: threading.Event) -> None:
        name = names[number]
        with Client(d.url, d.tls_context()) as connection:
            for count in range(10**6):
                if killed.is_set():
                    return
                mode = ("set", "clear")[count % 2]
                address = f"198.{18 + number}.{turn}.{count % 250 + 1}"
                wanted = address if mode == "set" else ""
                token = hash_token(address, name, SECRET)
                if name in possible:
                    possible[name].add(wanted)
                try:
                    target = query_target({"mode": mode, "hostname": name, "hash": token})
                    answer = connection.request(target, headers={"X-Forwarded-For": address})
                except OSError:
                    return
                except Exception as error:  # half an answer
                    if not killed.is_set():
                        errors.append(repr(error))
                    return
                if answer.status == 200:
                    possible[name] = {wanted}
                    told[count % 2] += 1
                else:
                    errors.append(f"{name} {mode} {answer.status} {answer.text}")

    chance = random.Random(5)
    for turn in range(15):
        killed = threading.Event()
        threads = [threading.Thread(target=client, args=(n, turn, killed)) for n in range(len(names))]
        for thread in threads:
            thread.start()
        wanted = sum(told) + chance.randrange(12)
        wait_until(lambda: sum(told) >= wanted or errors, "nobody is answered", 60)
        time.sleep(chance.uniform(0.0, 0.02))  # the random moment
        killed.set()
        d.kill()
        for thread in threads:
            thread.join()
        wait_until(lambda: provider != "route53" or r53.connections == 0, "what was asked for is not done")
        d.start()
        assert errors == []
        for name, values in possible.items():
            assert in_dns(name) in values, f"kill {turn}: {name} in DNS"
            assert state(d, name).get("A", "") in values, f"kill {turn}: {name} in the state"
    assert min(told) > 5
    for name in names:
        assert d.set(name, via="203.0.113.7").status == 200
        assert clear(d, name).status == 200
        assert in_dns(name) == "" and state(d, name) == {}
