"""What befalls the daemon itself and its zones: kill -9, a full disk, a reload, a zone that vanishes."""

from __future__ import annotations

from http.client import HTTPException

import pytest

from harness import SECRET, ProcessFailed, hash_token, host, merged, query_target
from harness.disk import fill, small_disk
from harness.updates import (
    HASTY,
    PATIENT,
    Ledger,
    history,
    state_addresses,
    wait_queue_empty,
    wait_until,
)

HOME, ZONE = "home.example.com.", "example.com."
CHANGE, LIST, GET_ZONE = "ChangeResourceRecordSets", "ListResourceRecordSets", "GetHostedZone"
NAMES = [f"h{number}.example.com." for number in range(1, 21)]


def address_of(name: str, network: int = 7) -> str:
    return f"198.18.{network}.{NAMES.index(name) + 1}"


@pytest.fixture
def started(daemon, r53):
    def make(settings=PATIENT, hosts=(HOME,), **options):
        d = daemon(route53=r53, settings=settings, hosts=[host(name) for name in hosts], **options)
        d.wait_read_back()
        return d, Ledger(d, r53)

    return make


def gather(d, r53, ledger, names, network: int = 7) -> tuple:
    """A call of one change is held, and the changes of all names wait behind it; they go in one batch."""
    held = r53.faults.hold(operation=CHANGE)
    first = ledger.start_set(HOME, f"198.18.{network}.200")
    r53.wait_for(lambda: held.hits == 1)
    asked = [first] + [ledger.start_set(name, address_of(name, network)) for name in names]
    wait_until(lambda: d.metrics().sum("ddns53_queue_depth") == len(asked), "not all is queued")
    return held, asked


# ---- kill -9 ----


@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_kill_in_the_middle_of_a_batch(started, r53, applied):
    """What was acknowledged is there after the start, what was not is either there or not, and is set again."""
    d, ledger = started(hosts=[HOME, *NAMES])
    for name in NAMES[:5]:
        assert ledger.set(name, address_of(name, 1)).status == 200
    held, asked = gather(d, r53, ledger, NAMES[5:])
    r53.faults.stall(operation=CHANGE, applied=applied, when=lambda call: call.changes > 1)
    held.release()
    assert asked[0].result().status == 200
    r53.wait_for(lambda: any(call.changes == 15 for call in r53.calls_of(CHANGE)))
    d.kill()
    for update in asked[1:]:
        assert isinstance(update.error(), (OSError, HTTPException))
    r53.faults.clear()
    assert (r53.values(NAMES[9]) == [address_of(NAMES[9])]) == applied
    ledger.check_state()
    r53.drop_connections()
    r53.reset_calls()
    d.start()
    d.wait_read_back()
    again = [ledger.start_set(name, address_of(name)) for name in NAMES[5:]]
    assert {update.result().status for update in again} == {200}
    assert sum(call.changes for call in r53.calls_of(CHANGE)) == (0 if applied else 15)
    ledger.settle()
    assert history(d.state_dir, NAMES[9]) == [("", address_of(NAMES[9]))]


# ---- the state ----


def test_a_full_disk_with_a_queue(started, r53, tmp_path):
    """DNS has it and the state has not: nobody is told success until the state can be written again."""
    with small_disk(tmp_path / "disk") as disk:
        d, ledger = started(merged(HASTY, {"state_dir": str(disk)}), hosts=[HOME, *NAMES])
        d.state_dir = disk
        assert ledger.set(HOME, "198.18.7.1").status == 200
        ballast = fill(disk)
        asked = [ledger.start_set(name, address_of(name)) for name in NAMES]
        assert {update.result().status for update in asked} == {503}
        r53.wait_for(lambda: all(r53.values(name) == [address_of(name)] for name in NAMES))
        d.wait_log("event=state_trouble")
        assert d.metrics().value("ddns53_queue_depth", zone=ZONE) == len(NAMES)
        healthz = d.healthz()
        assert healthz.status == 503 and "state" in healthz.text
        # Another address while the first one is not saved yet: it is the newest that ends up in both.
        assert ledger.set(NAMES[0], "198.18.9.9").status == 503
        assert state_addresses(disk) == {HOME: "198.18.7.1"}
        ballast.unlink()
        d.wait_log("event=state_recovered", timeout=40)
        wait_queue_empty(d)
        assert d.healthz().status == 200
        assert ledger.set(NAMES[1], "198.18.9.10").status == 200
        ledger.settle()
        assert history(disk, NAMES[0])[-1][1] == "198.18.9.9"


def test_a_full_disk_that_is_freed_while_clients_wait(started, r53, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        d, ledger = started(merged(PATIENT, {"state_dir": str(disk)}), hosts=[HOME, *NAMES])
        d.state_dir = disk
        ballast = fill(disk)
        asked = [ledger.start_set(name, address_of(name)) for name in NAMES]
        r53.wait_for(lambda: all(r53.values(name) for name in NAMES))
        d.wait_log("event=state_trouble")
        assert not any(update.done for update in asked)
        ballast.unlink()
        d.reload()  # looks at once, as after every other trouble
        assert {update.result().status for update in asked} == {200}
        ledger.settle()


# ---- a reload ----


def test_reload_removes_a_host_whose_change_is_queued(started, r53):
    """Its client was let in, so the change is made and told; from then on the host is unknown."""
    d, ledger = started(hosts=[HOME, *NAMES])
    held, asked = gather(d, r53, ledger, NAMES)
    d.hosts = [row for row in d.hosts if row["hostname"] != NAMES[3]]
    d.write_config()
    d.reload()
    refused = d.set(NAMES[3], via="198.18.9.9")
    assert refused.status == 401
    held.release()
    assert {update.result().status for update in asked} == {200}
    assert r53.values(NAMES[3]) == [address_of(NAMES[3])]
    d.hosts.append(host(NAMES[3]))
    d.write_config()
    d.reload()
    assert ledger.set(NAMES[3], "198.18.9.10").status == 200  # and it is known again
    ledger.settle()


def test_reload_in_the_middle_of_a_failing_batch(started, r53):
    """SIGHUP tries everything again at once, over and over, and nothing gets lost or doubled."""
    d, ledger = started(hosts=[HOME, *NAMES])
    r53.faults.unavailable(300, operation=CHANGE)
    asked = [ledger.start_set(name, address_of(name)) for name in NAMES]
    wait_until(lambda: d.metrics().sum("ddns53_queue_depth") == len(asked), "not all is queued")
    for tries in range(1, 6):
        d.wait_metric("ddns53_retries_total", tries, zone=ZONE)  # it has failed, and waits for five minutes
        d.reload()
    d.wait_metric("ddns53_retries_total", 6, zone=ZONE)
    r53.faults.clear()
    d.reload()
    assert {update.result().status for update in asked} == {200}
    ledger.settle()
    assert all(len(history(d.state_dir, name)) == 1 for name in NAMES)


def test_reload_with_a_ttl_for_a_change_that_is_queued(started, r53):
    d, ledger = started(hosts=[HOME, *NAMES])
    held, asked = gather(d, r53, ledger, NAMES[:1])
    d.hosts[1]["ttl"] = 7
    d.write_config()
    d.reload()
    asked.append(ledger.start_set(NAMES[0], address_of(NAMES[0])))  # the same address, but no longer the same record
    d.wait_metric("ddns53_changes_total", 1, zone=ZONE, result="superseded")
    held.release()
    assert {update.result().status for update in asked} == {200}
    assert r53.record(NAMES[0]).ttl == 7
    ledger.settle()


# ---- a zone ----


def test_a_zone_that_vanishes_and_returns(daemon, route53):
    """Its changes are refused at once and truly not made; the other zone doesn't notice."""
    r53 = route53(ZONE, "example.org.")
    other = "www.example.org."
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME), host(NAMES[0]), host(other)])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.1").status == 200
    r53.hide_zone(ZONE)
    gone = d.set(HOME, via="198.18.7.2")
    assert gone.status == 503 and "zone" in gone.message and int(gone.headers["Retry-After"]) > 0
    assert r53.zone(ZONE).id in d.wait_log("event=zone_trouble zone=example.com.* message=.*").group()
    assert d.set(NAMES[0], via="198.18.7.2").status == 503
    assert ledger.set(other, "198.18.7.3").status == 200
    calls = len(r53.calls_of(None, ZONE))
    assert d.set(HOME, via="198.18.7.2").status == 503  # known to be gone: no call for each
    assert len(r53.calls_of(None, ZONE)) == calls
    r53.show_zone(ZONE)
    r53.put_record(HOME, "A", ["203.0.113.66"], ttl=60)  # it may be another one: nothing is taken for known
    d.reload()  # or within a minute by itself
    d.wait_log("event=zone_recovered zone=example.com")
    assert ledger.set(HOME, "198.18.7.1").status == 200
    assert ledger.set(NAMES[0], "198.18.7.4").status == 200
    ledger.settle()


def test_a_zone_that_vanishes_with_a_queue(started, r53):
    d, ledger = started(hosts=[HOME, *NAMES])
    held, asked = gather(d, r53, ledger, NAMES)
    r53.hide_zone(ZONE)
    held.release()
    assert {update.result().status for update in asked} == {503}
    wait_queue_empty(d)
    r53.show_zone(ZONE)
    assert not any(r53.values(name) for name in NAMES)  # refused is refused
    d.reload()
    d.wait_log("event=zone_recovered zone=example.com")
    ledger.asked.clear()
    again = [ledger.start_set(name, address_of(name)) for name in NAMES]
    assert {update.result().status for update in again} == {200}
    ledger.settle()


def test_a_zone_that_is_made_anew_under_another_id(daemon, r53):
    """Found by its name again, as the deleted one was."""
    zones = [{"name": ZONE, "provider": "route53"}]
    d = daemon(route53=r53, settings=merged(PATIENT, {"zones": zones}), hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.1").status == 200
    r53.hide_zone(ZONE)
    assert d.set(HOME, via="198.18.7.2").status == 503
    ledger.forget(HOME)
    anew = r53.add_zone(ZONE)
    d.reload()
    d.wait_log("event=zone_recovered zone=example.com")
    assert d.set(HOME, via="198.18.7.1").status == 200
    assert r53.values(HOME, zone=anew) == ["198.18.7.1"]
    ledger.settle()


def test_a_client_that_leaves_before_its_answer(started, r53):
    """The change goes on without it."""
    d, ledger = started(hosts=[HOME, *NAMES])
    held, asked = gather(d, r53, ledger, NAMES[:2])
    address = address_of(NAMES[2])
    target = query_target({"mode": "set", "hostname": NAMES[2], "hash": hash_token(address, NAMES[2], SECRET)})
    with d.connect() as leaver:
        leaver.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
        d.wait_metric("ddns53_queue_depth", len(asked) + 1)
    ledger.asked[NAMES[2]] = address
    held.release()
    assert {update.result().status for update in asked} == {200}
    ledger.settle()


def test_the_ledger_notices(started, r53):
    """A check that cannot fail checks nothing."""
    d, ledger = started()
    assert ledger.set(HOME, "198.18.7.9").status == 200
    r53.put_record(HOME, "A", ["203.0.113.66"], ttl=60)
    with pytest.raises(AssertionError):
        ledger.settle(timeout=0.1)
    r53.put_record(HOME, "A", ["198.18.7.9"], ttl=60)
    ledger.asked[NAMES[0]] = "198.18.7.1"
    r53.put_record(NAMES[0], "A", ["198.18.7.1"], ttl=60)
    with pytest.raises((AssertionError, ProcessFailed)):
        ledger.settle()
