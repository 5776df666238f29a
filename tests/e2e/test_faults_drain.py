"""The end: SIGTERM finishes what is queued, takes nothing new, and a second one doesn't wait."""

from __future__ import annotations

import signal
import time
from http.client import HTTPException

import pytest

from harness import host
from harness.updates import PATIENT, Background, Ledger, set_target, state_addresses, wait_until

HOME, ZONE = "home.example.com.", "example.com."
CHANGE = "ChangeResourceRecordSets"
NAMES = [f"h{number}.example.com." for number in range(1, 31)]
DRAIN_S = 10  # what cannot be finished is given so long, see ddns53d(8)


@pytest.fixture
def queued(daemon, r53):
    """A daemon with one call in flight, held, and the changes of all names behind it."""
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(name) for name in [HOME, *NAMES]])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    held = r53.faults.hold(operation=CHANGE)
    asked = [ledger.start_set(HOME, "198.18.7.200")]
    r53.wait_for(lambda: held.hits == 1)
    asked += [ledger.start_set(name, f"198.18.7.{number}") for number, name in enumerate(NAMES, 1)]
    wait_until(lambda: d.metrics().value("ddns53_queue_depth", zone=ZONE) == len(asked), "not all is queued")
    return d, ledger, held, asked


def accepts(d) -> bool:
    try:
        d.get(via="198.18.7.201")
    except (OSError, HTTPException):
        return False
    return True


def test_what_is_queued_is_finished(queued, r53):
    """All clients that wait are answered with the truth, new connections are not accepted, and the end is orderly."""
    d, ledger, held, asked = queued
    mark = d.begin_stop()
    wait_until(lambda: not accepts(d), "connections are still accepted")
    assert d.metrics().value("ddns53_queue_depth", zone=ZONE) == len(asked)  # the admin listener still tells
    assert not any(update.done for update in asked)
    held.release()
    assert {update.result().status for update in asked} == {200}
    d.wait_end(mark)
    assert not d.log_lines("event=drain")
    assert all(r53.values(name) == [address] for name, address in ledger.asked.items())
    ledger.check_state()


def test_a_kept_connection_is_told_the_truth(queued, r53):
    """Its request may be the last that is let in, is refused, or finds the connection closed; never lost in between."""
    d, ledger, held, asked = queued
    with d.client() as client:
        via = {"X-Forwarded-For": "198.18.9.9"}
        assert client.request("/?mode=get", headers=via).status == 200
        mark = d.begin_stop()
        late = Background(client.request, set_target(HOME, "198.18.9.9"), headers=via)
        wait_until(lambda: not accepts(d), "connections are still accepted")
        held.release()
        error = late.error()
        status = None if error else late.result().status
    assert isinstance(error, (OSError, HTTPException)) if error else status in (200, 503)
    if status == 503:
        refused = late.result()  # in JSON when it was let in, in plain words when it was not
        assert "stopping" in refused.text and int(refused.headers["Retry-After"]) > 0
    assert {update.result().status for update in asked[1:]} == {200}
    d.wait_end(mark)
    possible = {200: ["198.18.9.9"], 503: ["198.18.7.200"], None: ["198.18.9.9", "198.18.7.200"]}
    assert r53.values(HOME)[0] in possible[status]
    assert state_addresses(d.state_dir)[HOME] == r53.values(HOME)[0]


def test_waits_for_retries_are_cut_short(queued, r53):
    """Retry-After of five minutes doesn't outlive the drain: everything is tried once more at its beginning."""
    d, ledger, held, asked = queued
    fault = r53.faults.unavailable(300, count=1, operation=CHANGE)
    held.release()
    d.wait_metric("ddns53_retries_total", 1, zone=ZONE)
    assert fault.hits == 1
    mark = d.begin_stop()
    assert {update.result().status for update in asked} == {200}
    d.wait_end(mark)
    ledger.check_state()


@pytest.mark.waits
@pytest.mark.slow
def test_what_cannot_be_finished_is_answered_503(queued, r53):
    """After ten seconds; whoever was told so finds nothing done behind their back."""
    d, ledger, held, asked = queued
    r53.faults.error(500, operation=CHANGE)
    held.release()
    began = time.monotonic()
    mark = d.begin_stop()
    answers = [update.result() for update in asked]
    assert 9 <= time.monotonic() - began <= 20
    assert {answer.status for answer in answers} == {503}
    assert all("stopping" in answer.message for answer in answers)
    d.wait_end(mark)
    assert "31 changes" in d.wait_log("event=drain.*", 0.0, since=mark).group()
    assert not state_addresses(d.state_dir) and not any(r53.values(name) for name in [HOME, *NAMES])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(queued, r53, number):
    """Status 0 all the same; nobody was told success, and after a start everything can be set again."""
    d, ledger, held, asked = queued
    mark = d.begin_stop()
    began = time.monotonic()
    d.process.signal(number)
    assert "second signal" in d.wait_end(mark)
    assert time.monotonic() - began < DRAIN_S
    for update in asked:
        assert isinstance(update.error(), (OSError, HTTPException))
    held.release()
    r53.wait_calls(1, CHANGE)  # the one that was under way may be done or not
    assert not state_addresses(d.state_dir)
    d.start()
    again = [ledger.start_set(name, f"198.18.8.{number}") for number, name in enumerate(NAMES, 1)]
    assert {update.result().status for update in again} == {200}
    ledger.settle()


def test_the_end_with_an_empty_queue_is_quick(daemon, r53):
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.9").status == 200
    with d.client() as idle:  # a kept connection without a request holds up nothing
        assert idle.request("/?mode=get", headers={"X-Forwarded-For": "198.18.7.9"}).status == 200
        began = time.monotonic()
        d.stop()
        assert time.monotonic() - began < DRAIN_S
    ledger.check_state()


def test_the_end_before_the_first_answer_of_route_53(daemon, r53):
    """A zone that could not be found yet: its change is refused, not forgotten, and nothing hangs."""
    held = r53.faults.hold(operation="GetHostedZone")
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    asked = ledger.start_set(HOME, "198.18.7.9")
    r53.wait_for(lambda: held.hits == 1)
    d.wait_metric("ddns53_queue_depth", 1)
    mark = d.begin_stop()
    held.release()
    assert asked.result().status == 200  # found, looked up and set within the drain
    d.wait_end(mark)
    ledger.check_state()
