"""dyndns2 before Route 53: batches, what must not be overwritten, and a provider that is down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import host, merged
from harness.dialects import nic_update
from harness.dyndns2 import BOTH, DYN, FAST, answers


def changes_of(r53, zone: str | None = None) -> list:
    return r53.calls_of("ChangeResourceRecordSets", zone=zone) if zone else r53.calls_of("ChangeResourceRecordSets")


def test_twenty_hosts_are_one_batch_per_zone(daemon, route53):
    r53 = route53("example.com.", "example.net.")
    names = [f"h{number}.example.{zone}." for number in range(10) for zone in ("com", "net")]
    d = daemon(route53=r53, settings=FAST, hosts=[host(name, BOTH, **DYN) for name in names])
    d.wait_read_back()
    answers(nic_update(d, ",".join(names), myip="198.18.7.9,2001:db8::9"), 200, "good 198.18.7.9,2001:db8::9\n" * 20)
    for zone in ("example.com.", "example.net."):
        calls = changes_of(r53, zone)
        assert [len(call.batch) for call in calls] == [20]
    for name in names:
        assert (r53.values(name), r53.values(name, "AAAA")) == (["198.18.7.9"], ["2001:db8::9"])


def test_one_family_never_touches_the_other(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host("home.example.com.", BOTH, **DYN)])
    r53.put_record("home.example.com.", "AAAA", ["2001:db8::1", "2001:db8::2"], ttl=7)
    answers(nic_update(d, "home.example.com", myip="198.18.7.9"), 200, "good 198.18.7.9\n")
    assert r53.values("home.example.com.", "AAAA") == ["2001:db8::1", "2001:db8::2"]
    assert [change.record.type for call in changes_of(r53) for change in call.batch] == ["A"]


def test_both_families_at_the_same_second(daemon, r53):
    """Routers with a section per family send both at once."""
    r53.change_latency_s = 0.1
    d = daemon(route53=r53, settings=FAST, hosts=[host("home.example.com.", BOTH, **DYN)])
    d.wait_read_back()
    for number in range(1, 4):
        before = len(changes_of(r53))
        addresses = [f"198.18.7.{number}", f"2001:db8::{number}"]
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda address: nic_update(d, "home.example.com", via=address), addresses))
        for address, answer in zip(addresses, both):
            answers(answer, 200, f"good {address}\n")
        assert (r53.values("home.example.com."), r53.values("home.example.com.", "AAAA")) == tuple(
            [a] for a in addresses
        )
        assert 1 <= len(changes_of(r53)) - before <= 2


def test_records_that_must_not_be_overwritten(daemon, r53):
    r53.put_record("several.example.com.", "A", ["198.18.7.1", "198.18.7.2"])
    r53.put_record("alias.example.com.", "A", alias="other.example.com.")
    rows = [host(f"{name}.example.com.", BOTH, **DYN) for name in ("several", "alias", "free")]
    d = daemon(route53=r53, settings=FAST, hosts=rows)
    for name in ("several", "alias"):
        answers(nic_update(d, f"{name}.example.com", myip="198.18.7.9"), 503, "dnserr\n")
    names = "several.example.com,free.example.com,alias.example.com"
    answers(nic_update(d, names, myip="198.18.7.9"), 200, "dnserr\ngood 198.18.7.9\ndnserr\n")
    assert r53.values("several.example.com.") == ["198.18.7.1", "198.18.7.2"]


@pytest.mark.refusals_expected
def test_refused_by_the_provider(daemon, r53):
    r53.faults.refuse_record("home.example.com.", "A")
    d = daemon(route53=r53, settings=FAST, hosts=[host("home.example.com.", BOTH, **DYN)])
    answers(nic_update(d, "home.example.com", myip="198.18.7.9"), 503, "dnserr\n")


def test_one_host_to_try_again_makes_the_status_503(daemon, route53):
    """OPNsense takes any 2xx for "set", whatever the lines say. What was set stays set: to send it again is nochg."""
    r53 = route53("example.com.", "example.net.")
    rows = [host("home.example.com.", "A", **DYN), host("home.example.net.", "A", **DYN)]
    rows += [host("locked.example.com.", "A", lock_record=True, **DYN)]
    d = daemon(route53=r53, settings=merged(FAST, {"update": {"timeout_s": 5}}), hosts=rows)
    d.wait_read_back()
    r53.faults.error(503, operation="ChangeResourceRecordSets", zone="example.net.")
    names = ["home.example.com", "home.example.net"]
    for order, words in ((names, "good {0}\n911\n"), (names[::-1], "911\nnochg {0}\n")):
        answer = nic_update(d, ",".join(order), myip="198.18.7.9")
        answers(answer, 503, words.format("198.18.7.9"))
        d.reload_with({"update": {"timeout_s": 1}})  # the second time nothing is to be set in it
    assert r53.values("home.example.com.") == ["198.18.7.9"]
    # what must be mended here is no reason to come again, and would be one for ever
    answers(nic_update(d, "home.example.com,locked.example.com", myip="198.18.7.9"), 200, "nochg 198.18.7.9\nabuse\n")
    d.kill()  # as below


@pytest.mark.parametrize("fault", ["error", "throttle", "stall"])
def test_provider_down_or_throttled(daemon, r53, fault):
    """911 now, and the change stays queued."""
    settings = merged(FAST, {"update": {"timeout_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host("home.example.com.", BOTH, **DYN)])
    d.wait_read_back()
    make = {
        "error": lambda: r53.faults.error(503, operation="ChangeResourceRecordSets"),
        "throttle": lambda: r53.faults.throttle(operation="ChangeResourceRecordSets"),
        "stall": lambda: r53.faults.stall(2, operation="ChangeResourceRecordSets"),
    }
    make[fault]()
    answers(nic_update(d, "home.example.com", myip="198.18.7.9"), 503, "911\n")
    assert d.metrics().sum("ddns53_queue_depth") == 1
    d.kill()  # test_faults_* has what becomes of it; here there is no need to wait for the next try
