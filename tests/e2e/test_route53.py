"""Updates that land in Route 53, seen through its own clients, and what must never be overwritten."""

from __future__ import annotations

import threading

import pytest

from harness import BEHIND_PROXY, host, merged
from harness.aws import aws, boto
from harness.updates import Background

BOTH = ["A", "AAAA"]
FAST = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})
HOME = "home.example.com."


def changes_of(r53) -> list:
    return r53.calls_of("ChangeResourceRecordSets")


@pytest.fixture
def r53(route53, request):
    """Every call that reached it was signed right and fit the service model, unless the test says otherwise."""
    made = route53("example.com.")
    yield made
    if "refusals_expected" not in request.keywords:
        assert set(made.results()) <= {"ok"}


# ---- an update ----


@pytest.mark.parametrize("over_https", [False, True], ids=["http", "https"])
def test_a_set_lands_in_route_53(daemon, r53, client, zone, over_https):
    d = daemon(route53=r53, https_endpoint=over_https, settings=FAST, hosts=[host(HOME, BOTH)])
    answer = d.set(HOME, via="198.18.7.9")
    assert answer.status == 200 and HOME in answer.message and "198.18.7.9" in answer.message
    assert d.set(HOME, via="2001:db8::9").status == 200
    pages = client.list_resource_record_sets(HostedZoneId=zone.id)["ResourceRecordSets"]
    found = {(row["Name"], row["Type"]): row for row in pages}
    assert found[HOME, "A"]["ResourceRecords"] == [{"Value": "198.18.7.9"}] and found[HOME, "A"]["TTL"] == 60
    assert found[HOME, "AAAA"]["ResourceRecords"] == [{"Value": "2001:db8::9"}]
    listed = aws(r53, "list-resource-record-sets", "--hosted-zone-id", zone.id)["ResourceRecordSets"]
    assert {(row["Name"], row["Type"]) for row in listed} == set(found)


def test_every_answer_of_success_is_already_true(daemon, r53, zone):
    """What is told to the client can be seen in DNS at that moment, however slow the provider is."""
    r53.change_latency_s = 0.2
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    for number in range(1, 4):
        address = f"198.18.7.{number}"
        assert d.set(HOME, via=address).status == 200
        assert r53.values(HOME) == [address]


def test_already_so_needs_no_call(daemon, r53):
    r53.put_record(HOME, "A", ["198.18.7.9"], ttl=60)
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    d.wait_read_back()
    first = d.set(HOME, via="198.18.7.9")  # not in the state yet, so DNS was looked at
    before = len(r53.calls)
    again = d.set(HOME, via="198.18.7.9")
    assert first.status == again.status == 200
    assert "already" in again.message
    assert len(r53.calls) == before and not changes_of(r53)
    changed = d.set(HOME, via="198.18.7.10")
    assert changed.message != again.message.replace("198.18.7.9", "198.18.7.10")
    assert len(changes_of(r53)) == 1


def test_one_family_does_not_touch_the_other(daemon, r53):
    r53.put_record(HOME, "AAAA", ["2001:db8::1", "2001:db8::2"], ttl=7)
    r53.put_record(HOME, "TXT", ['"text"'], ttl=8)
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert r53.values(HOME, "AAAA") == ["2001:db8::1", "2001:db8::2"] and r53.values(HOME, "TXT") == ['"text"']
    assert r53.values(HOME) == ["198.18.7.9"]


def test_ttl_of_the_host_and_of_the_zone(daemon, r53):
    zones = [{"name": "example.com.", "zone_id": r53.zone("example.com.").id, "default_ttl": 300}]
    rows = [host(HOME), host("short.example.com.", ttl=5)]
    d = daemon(route53=r53, settings={**FAST, "zones": zones}, hosts=rows)
    assert d.set(HOME, via="198.18.7.9").status == d.set("short.example.com.", via="198.18.7.9").status == 200
    assert r53.record(HOME).ttl == 300 and r53.record("short.example.com.").ttl == 5
    d.hosts[1]["ttl"] = 30
    d.write_config()
    d.reload()
    assert r53.record("short.example.com.").ttl == 5  # applied with the next update, same address or not
    assert d.set("short.example.com.", via="198.18.7.9").status == 200
    assert r53.record("short.example.com.").ttl == 30
    assert len(changes_of(r53)) == 3


@pytest.mark.parametrize(
    "name, stored", [("*.example.com.", "\\052.example.com."), ("_x.example.com.", "_x.example.com.")]
)
def test_names_with_octal_escapes(daemon, r53, name, stored):
    r53.put_record(stored, "A", ["198.18.7.1"], ttl=60)
    d = daemon(route53=r53, settings=FAST, hosts=[host(name)])
    d.wait_read_back()
    assert "already" in d.set(name, via="198.18.7.1").message  # recognised in the listing
    answer = d.set(name, via="198.18.7.9")
    assert answer.status == 200 and name in answer.message
    assert r53.record(stored).values == ("198.18.7.9",)
    assert len([record for record in r53.records("example.com.") if record.type == "A"]) == 1


# ---- what must not be overwritten ----


def alias(r53):
    r53.put_record(HOME, "A", alias="other.example.com.")


def several(r53):
    r53.put_record(HOME, "A", ["198.18.7.1", "198.18.7.2"])


def weighted(r53):
    r53.put_record(HOME, "A", ["198.18.7.1"], set_identifier="blue", weight=1)
    r53.put_record(HOME, "A", ["198.18.7.2"], set_identifier="green", weight=2)


def weighted_alone(r53):
    r53.put_record(HOME, "A", ["198.18.7.9"], ttl=60, set_identifier="blue", weight=1)


@pytest.mark.parametrize("known", [True, False], ids=["read back", "looked up"])
@pytest.mark.parametrize(
    "put, words", [(alias, "alias"), (several, "several values"), (weighted, "routing"), (weighted_alone, "routing")]
)
def test_foreign_records_are_never_overwritten(daemon, r53, put, words, known):
    put(r53)
    if not known:
        for number in range(2000):  # listing would take more calls than looking up
            r53.put_record(f"x{number}.example.com.", "A", ["192.0.2.1"])
    before = r53.records("example.com.")
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    if known:
        d.wait_read_back()
    answer = d.set(HOME, via="198.18.7.9")
    assert answer.status == 409 and answer.result == "fail"
    assert words in answer.message and HOME in answer.message
    assert answer.headers["Content-Length"] and answer.headers["Cache-Control"] == "no-store"
    assert r53.records("example.com.") == before and not changes_of(r53)
    d.wait_log(f"event=update .*host={HOME} .*result=conflict")


# ---- zones ----


def without_id(r53, **more) -> list[dict]:
    return [{"name": "example.com.", "provider": "route53", **more}]


@pytest.mark.parametrize("is_private", [False, True])
def test_zone_id_is_looked_up_by_name(daemon, r53, is_private):
    private = r53.add_zone("example.com.", private=True)
    r53.add_zone("example.com.au.")
    settings = {**FAST, "zones": without_id(r53, private=is_private)}
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    public = r53.zone("example.com.")
    assert r53.values(HOME, zone=private if is_private else public) == ["198.18.7.9"]
    assert r53.values(HOME, zone=public if is_private else private) == []
    assert len(r53.calls_of("ListHostedZonesByName")) == 1


@pytest.mark.refusals_expected
@pytest.mark.parametrize(
    "zone, words",
    [
        ({"name": "nowhere.test."}, "nowhere.test."),
        ({"name": "example.com.", "private": True}, "private"),
        ({"name": "example.com.", "zone_id": "Z000000000000"}, "Z000000000000"),
        ({"name": "example.org.", "zone_id": "OF EXAMPLE.COM"}, "zone_id"),
    ],
)
def test_a_zone_that_is_not_there(daemon, r53, zone, words):
    """Its changes are refused, and the log says what to do about it."""
    if zone.get("zone_id") == "OF EXAMPLE.COM":
        zone["zone_id"] = r53.zone("example.com.").id
    name = "home." + zone["name"]
    d = daemon(route53=r53, settings={**FAST, "zones": [zone]}, hosts=[host(name)])
    answer = d.set(name, via="198.18.7.9")
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    assert words in d.wait_log("event=zone_trouble .*").group()
    assert not changes_of(r53)


def test_a_zone_that_was_read_is_told_at_once(daemon, r53):
    """Without any update: keys, permissions and zone are right."""
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME, BOTH), host("nas.example.com.")])
    d.wait_log(r"event=zone_ready zone=example.com\. records=3 ms=[0-9]+$")


def test_a_name_of_several_zones_needs_an_id(daemon, r53):
    r53.add_zone("example.com.")
    d = daemon(route53=r53, settings={**FAST, "zones": without_id(r53)}, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 503
    assert "zone_id" in d.wait_log("event=zone_trouble .*").group()


def test_several_zones_the_longest_name_wins(daemon, route53):
    r53 = route53("example.com.", "home.example.com.", "example.org.")
    names = ["a.example.com.", "home.example.com.", "b.home.example.com.", "example.org."]
    d = daemon(route53=r53, settings=FAST, hosts=[host(name) for name in names])
    for number, name in enumerate(names, 1):
        assert d.set(name, via=f"198.18.7.{number}").status == 200
    for zone, expected in {
        "example.com.": {"a.example.com.": "198.18.7.1"},
        "home.example.com.": {"home.example.com.": "198.18.7.2", "b.home.example.com.": "198.18.7.3"},
        "example.org.": {"example.org.": "198.18.7.4"},
    }.items():
        found = {record.name: record.values[0] for record in r53.records(zone) if record.type == "A"}
        assert found == expected
    assert set(r53.results()) == {"ok"}


def test_a_zones_trouble_stays_its_own(daemon, route53):
    r53 = route53("example.com.", "example.org.")
    r53.faults.error(500, zone="example.com.")
    settings = merged(FAST, {"update": {"timeout_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME), host("www.example.org.")])
    assert d.set(HOME, via="198.18.7.9").status == 503
    d.reload_with({"update": {"timeout_s": 30}})
    stuck = Background(d.set, HOME, via="198.18.7.9", timeout=60)
    assert d.set("www.example.org.", via="198.18.7.9").status == 200
    assert not stuck.done and r53.values(HOME) == []
    r53.faults.clear()  # and the change that timed out is still made
    r53.wait_value(HOME, "198.18.7.9", timeout=40)
    assert stuck.result().status == 200


# ---- read back ----


def test_paging_over_more_than_a_page(daemon, r53):
    """All is known after 300 a page, routing policies at the border of a page included."""
    for number in range(700):
        r53.put_record(f"r{number:04}.example.com.", "A", ["198.18.7.1"], ttl=60)
    names = [f"r{number:04}.example.com." for number in range(700)]
    d = daemon(route53=r53, settings=FAST, hosts=[host(name) for name in names])
    d.wait_read_back()
    for name in (names[0], names[299], names[300], names[699]):
        assert "already" in d.set(name, via="198.18.7.1").message
    assert len(r53.calls_of("ListResourceRecordSets")) == 3 and not changes_of(r53)


def test_a_large_zone_is_asked_for_single_records(daemon, r53):
    for number in range(3000):
        r53.put_record(f"r{number:04}.example.com.", "A", ["198.18.7.1"], ttl=60)
    names = ["r0007.example.com.", "r2999.example.com.", "new.example.com."]
    d = daemon(route53=r53, settings=FAST, hosts=[host(name) for name in names])
    assert "already" in d.set(names[0], via="198.18.7.1").message
    assert "already" in d.set(names[1], via="198.18.7.1").message
    assert "already" not in d.set(names[2], via="198.18.7.1").message
    r53.wait_calls(3, "ListResourceRecordSets")
    looks = r53.calls_of("ListResourceRecordSets")
    assert len(looks) <= 2 * len(names)  # by the read-back, and by a set that came before it
    assert not [look.request.target for look in looks if "maxitems=2" not in look.request.target]
    assert [change.record.name for call in changes_of(r53) for change in call.batch] == [names[2]]


def test_an_unknown_record_is_looked_up_before_it_is_set(daemon, r53):
    """A set that comes before the zone has been read waits for whichever look knows the record first."""
    r53.put_record(HOME, "A", ["198.18.7.1"], ttl=60)
    r53.latency_s = 0.15
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    operations = [call.operation for call in r53.calls]
    assert operations.index("ListResourceRecordSets") < operations.index("ChangeResourceRecordSets")
    assert r53.values(HOME) == ["198.18.7.9"]


def test_drift_is_seen_and_mended_at_the_next_update(daemon, r53):
    settings = merged(FAST, {"update": {"reconcile_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    r53.put_record(HOME, "A", ["203.0.113.66"], ttl=60)  # somebody in the console
    d.wait_log(f'event=drift zone=example.com. count=1 records="{HOME} A"')
    assert d.metrics().value("ddns53_drift_total", zone="example.com.") == 1
    assert r53.values(HOME) == ["203.0.113.66"]  # the next update mends it, nothing else
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert r53.values(HOME) == ["198.18.7.9"]
    mark = d.log_mark()
    r53.delete_record(HOME)
    d.wait_log(f'event=drift .*records="{HOME} A"', since=mark)
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert r53.values(HOME) == ["198.18.7.9"]


def test_drift_is_told_once(daemon, r53):
    settings = merged(FAST, {"update": {"reconcile_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    r53.put_record(HOME, "A", ["203.0.113.66"], ttl=60)
    d.wait_log("event=drift")
    r53.wait_calls(len(r53.calls_of("ListResourceRecordSets")) + 2, "ListResourceRecordSets")
    d.stop()  # all is logged by then
    assert len(d.log_lines("event=drift")) == 1


def test_after_a_restart_a_known_record_needs_one_look(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    d.stop()
    r53.reset_calls()
    d.start()
    assert "already" in d.set(HOME, via="198.18.7.9").message
    assert not changes_of(r53)
    d.stop()
    r53.put_record(HOME, "A", ["203.0.113.66"], ttl=60)
    d.start()
    d.wait_log("event=drift")
    assert "already" not in d.set(HOME, via="198.18.7.9").message
    assert r53.values(HOME) == ["198.18.7.9"]


# ---- many, slow and failing: the simple cases ----


def test_one_batch_while_another_is_in_flight(daemon, r53):
    """The second batch collects what comes meanwhile; nothing is sent twice."""
    names = [f"h{number}.example.com." for number in range(30)]
    settings = merged(FAST, {"limits": {"connections_per_address": 1000}, "update": {"timeout_s": 30}})
    d = daemon(route53=r53, settings=settings, hosts=[host(name) for name in names])
    d.wait_read_back()
    held = r53.faults.hold(operation="ChangeResourceRecordSets")
    answers: dict[str, int] = {}

    def update(number: int) -> None:
        answers[names[number]] = d.set(names[number], via=f"198.18.8.{number}").status

    threads = [threading.Thread(target=update, args=(number,)) for number in range(len(names))]
    for thread in threads:
        thread.start()
    d.wait_metric("ddns53_queue_depth", len(names))
    held.release()
    for thread in threads:
        thread.join()
    assert set(answers.values()) == {200}
    assert all(r53.values(name) == [f"198.18.8.{number}"] for number, name in enumerate(names))
    calls = changes_of(r53)
    assert sum(call.changes for call in calls) == len(names) and len(calls) <= 2
    assert all(first.finished_at <= second.started_at for first, second in zip(calls, calls[1:]))


@pytest.mark.refusals_expected
def test_not_accepted_in_time_is_503_and_stays_queued(daemon, r53):
    d = daemon(route53=r53, settings=merged(FAST, {"update": {"timeout_s": 1}}), hosts=[host(HOME)])
    d.wait_read_back()
    fault = r53.faults.error(500, operation="ChangeResourceRecordSets")
    answer = d.set(HOME, via="198.18.7.9")
    assert answer.status == 503 and answer.result == "fail" and int(answer.headers["Retry-After"]) > 0
    assert r53.values(HOME) == []
    fault.remove()
    r53.wait_value(HOME, "198.18.7.9", timeout=40)
    d.wait_log("event=late_change .*result=set")


@pytest.mark.refusals_expected
def test_queue_full(daemon, r53):
    settings = merged(FAST, {"limits": {"queued_changes": 1}, "update": {"timeout_s": 2}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME), host("www.example.com.")])
    d.wait_read_back()
    fault = r53.faults.throttle(operation="ChangeResourceRecordSets")
    first = threading.Thread(target=lambda: d.set(HOME, via="198.18.7.9"))
    first.start()
    d.wait_metric("ddns53_queue_depth", 1)
    full = d.set("www.example.com.", via="198.18.7.9")
    assert full.status == 503 and "queue" in full.message and int(full.headers["Retry-After"]) > 0
    fault.remove()
    first.join()
    r53.wait_value(HOME, "198.18.7.9", timeout=40)


@pytest.mark.refusals_expected
def test_what_route_53_refuses_is_told_in_its_words(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    d.wait_read_back()
    r53.put_record(HOME, "CNAME", ["elsewhere.example.org."])
    answer = d.set(HOME, via="198.18.7.9")
    assert answer.status == 403 and "conflicts with other records" in answer.message
    assert r53.values(HOME, "CNAME") == ["elsewhere.example.org."]


@pytest.mark.refusals_expected
def test_a_proxy_in_between_cannot_change_the_request(daemon, r53, keys):
    """The stand-in refuses what is signed with another secret: a daemon with a wrong one sets nothing."""
    environment = {"AWS_SECRET_ACCESS_KEY": "a-wrong-secret-access-key-0123456789"}
    settings = merged(FAST, {"update": {"timeout_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)], environment=environment)
    assert d.set(HOME, via="198.18.7.9").status == 503
    assert "signature" in d.wait_log("event=zone_trouble .*").group()
    assert r53.results()["SignatureDoesNotMatch"] > 0 and r53.values(HOME) == []
    d.kill()  # or it would try to finish the change first


def test_https_endpoint_must_be_verified(daemon, r53, tmp_path):
    """Nobody but the endpoint gets a signed request."""
    settings = merged(FAST, {"update": {"timeout_s": 1}})
    environment = {"AWS_CA_BUNDLE": None}
    d = daemon(route53=r53, https_endpoint=True, settings=settings, hosts=[host(HOME)], environment=environment)
    assert d.set(HOME, via="198.18.7.9").status == 503
    assert "certificate" in d.wait_log("event=zone_trouble .*").group().lower()
    assert r53.calls == []
    d.kill()  # or it would try to finish the change first


def test_botocore_and_the_daemon_see_one_account(daemon, r53, zone):
    """A record that the daemon set is deleted by another client, and set again."""
    settings = merged(FAST, {"update": {"reconcile_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    client = boto(r53)
    record = {"Name": HOME, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "198.18.7.9"}]}
    change = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
    client.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch=change)
    client.close()
    d.wait_log("event=drift")
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert r53.values(HOME) == ["198.18.7.9"]
