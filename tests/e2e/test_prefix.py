"""Hosts that follow a router, its IPv6 prefix or its IPv4 address, set in one batch with it."""

from __future__ import annotations

import pytest

from harness import BEHIND_PROXY, SECRET, host, merged, signed_parameters
from harness.dialects import check_headers, nic_update, plain_secret, zone_values

FAST = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})
ROUTER = "router.example.com."
LOCAL = ROUTER.replace(".com", ".test")


def follower(name: str, router: str = ROUTER, **more) -> dict:
    zone = router.partition(".")[2]
    return {"hostname": f"{name}.{zone}", "record_type": "AAAA", "follows": router, **more}


def router(name: str = ROUTER, **more) -> dict:
    return host(name, ["A", "AAAA"], auth=["basic"], **more)


def changes_of(r53) -> list:
    return r53.calls_of("ChangeResourceRecordSets")


def answers(answer, status: int, body: str) -> None:
    assert (answer.status, answer.text) == (status, body)
    check_headers(answer)


def test_router_and_followers_are_one_batch(daemon, r53):
    rows = [
        follower("nas", interface_id="::211:32ff:fe12:3456", subnet_id=1),
        router(),
        follower("printer", mac_address="00:11:32:AB:CD:EF"),
        follower("tv", interface_id="::1", subnet_id=0xFF, ttl=300),
        follower("frozen", interface_id="::2", lock_record=True),
        host("bystander.example.com.", "AAAA", auth=["basic"]),
    ]
    d = daemon(route53=r53, settings=FAST, hosts=rows)
    d.wait_read_back()
    own = {"myip": "198.18.7.9", "ip6addr": "2001:db8:0:ff00::1"}
    answer = nic_update(d, ROUTER, **own, ip6lanprefix="2001:db8:1::/56")
    answers(answer, 200, "good 198.18.7.9,2001:db8:0:ff00::1\n")
    (call,) = changes_of(r53)
    batch = {(change.record.name, change.record.type): change.record for change in call.batch}
    assert {key: record.values for key, record in batch.items()} == {
        (ROUTER, "A"): ("198.18.7.9",),
        (ROUTER, "AAAA"): ("2001:db8:0:ff00::1",),
        ("nas.example.com.", "AAAA"): ("2001:db8:1:1:211:32ff:fe12:3456",),
        ("printer.example.com.", "AAAA"): ("2001:db8:1:0:211:32ff:feab:cdef",),  # modified EUI-64
        ("tv.example.com.", "AAAA"): ("2001:db8:1:ff::1",),
    }
    assert batch["tv.example.com.", "AAAA"].ttl == 300
    again = nic_update(d, ROUTER, **own, ip6lanprefix="2001:db8:1::/56")
    answers(again, 200, "nochg 198.18.7.9,2001:db8:0:ff00::1\n")
    assert len(changes_of(r53)) == 1
    moved = nic_update(d, ROUTER, **own, ip6lanprefix="2001:db8:2::/56")
    answers(moved, 200, "nochg 198.18.7.9,2001:db8:0:ff00::1\n")  # the router is answered for itself alone
    assert {change.record.name for change in changes_of(r53)[1].batch} == {
        f"{name}.example.com." for name in ("nas", "printer", "tv")
    }
    assert r53.values("nas.example.com.", "AAAA") == ["2001:db8:2:1:211:32ff:fe12:3456"]


def test_followers_in_another_zone(daemon, route53):
    r53 = route53("example.com.", "example.net.")
    rows = [router(), {**follower("nas", interface_id="::1"), "hostname": "nas.example.net."}]
    d = daemon(route53=r53, settings=FAST, hosts=rows)
    answers(nic_update(d, ROUTER, myip="198.18.7.9", ip6lanprefix="2001:db8:1::/64"), 200, "good 198.18.7.9\n")
    assert r53.values("nas.example.net.", "AAAA") == ["2001:db8:1::1"]
    assert len(changes_of(r53)) == 2


@pytest.fixture
def local(daemon):
    def make(*rows: dict, **more):
        return daemon(settings=FAST, hosts=[router(LOCAL, **more), *rows])

    return make


def followers(d, name: str) -> list[str]:
    return zone_values(d.zone_file(), f"{name}.example.test.", "AAAA")


@pytest.mark.parametrize("parameter", ["ip6lanprefix", "prefix"])
def test_only_a_prefix(local, parameter):
    """The router keeps its own addresses, and is answered with the prefix as it was sent."""
    d = local(follower("nas", LOCAL, interface_id="::9"))
    for word in ("good", "nochg"):
        answer = nic_update(d, LOCAL, via="198.18.7.9", **{parameter: "2001:DB8:1:0::/59"})
        answers(answer, 200, f"{word} 2001:DB8:1:0::/59\n")
    assert followers(d, "nas") == ["2001:db8:1::9"]
    assert followers(d, "router") == zone_values(d.zone_file(), LOCAL, "A") == []


@pytest.mark.parametrize("parameter", ["myip", "myipv6", "ip6addr", "ip"])
def test_a_prefix_where_an_address_belongs(local, parameter):
    """IPv6 with a length and nothing behind it: no machine has that address, and no AAAA record gets it."""
    d = local(follower("nas", LOCAL, interface_id="::9"))
    for word in ("good", "nochg"):
        answer = nic_update(d, LOCAL, via="198.18.7.9", **{parameter: "2001:db8:1::/59"})
        answers(answer, 200, f"{word} 2001:db8:1::/59\n")
    assert followers(d, "nas") == ["2001:db8:1::9"]
    assert followers(d, "router") == zone_values(d.zone_file(), LOCAL, "A") == []


def test_a_prefix_beside_an_address(local):
    """As nsupdate.info has it for a FRITZ!Box: myip=<ipaddr>,<ip6lanprefix>"""
    d = local(follower("nas", LOCAL, interface_id="::9", subnet_id=1))
    answers(nic_update(d, LOCAL, myip="198.18.7.9,2001:db8:77:500::/56"), 200, "good 198.18.7.9\n")
    assert followers(d, "nas") == ["2001:db8:77:501::9"]
    assert zone_values(d.zone_file(), LOCAL, "A") == ["198.18.7.9"] and followers(d, "router") == []
    both = "2001:db8:78:500::5/56,2001:db8:78:500::/56,198.18.7.10/24"
    answers(nic_update(d, LOCAL, myip=both), 200, "good 2001:db8:78:500::5,198.18.7.10\n")
    assert (followers(d, "nas"), followers(d, "router")) == (["2001:db8:78:501::9"], ["2001:db8:78:500::5"])


@pytest.mark.parametrize("address", ["100.64.3.4", "0.0.0.0"])
def test_a_prefix_beside_an_address_that_cannot_be_set(local, address):
    """IPv6 with carrier NAT beside it: the followers are what can be set, and are answered for."""
    d = local(follower("nas", LOCAL, interface_id="::9"))
    answers(nic_update(d, LOCAL, myip=f"{address},2001:db8:1::/56"), 200, "good 2001:db8:1::/56\n")
    answers(nic_update(d, LOCAL, myip=address, ip6lanprefix="2001:db8:1::/56"), 200, "nochg 2001:db8:1::/56\n")
    assert followers(d, "nas") == ["2001:db8:1::9"] and zone_values(d.zone_file(), LOCAL, "A") == []


@pytest.mark.parametrize("parameter", ["myip", "ip6lanprefix"])
@pytest.mark.parametrize("prefix", ["::/0", "::/64", "fe80::/64"])
def test_no_prefix_for_an_hour(local, parameter, prefix):
    """It must come again, so not 4xx; and nobody gets an address in that."""
    d = local(follower("nas", LOCAL, interface_id="::9"))
    answers(nic_update(d, LOCAL, **{parameter: prefix}), 503, "dnserr\n")
    assert followers(d, "nas") == followers(d, "router") == []


def test_an_empty_prefix_is_none(local):
    d = local(follower("nas", LOCAL, interface_id="::9"))
    answers(nic_update(d, LOCAL, via="198.18.7.9", ip6lanprefix="", prefix="no"), 200, "good 198.18.7.9\n")
    assert followers(d, "nas") == []


def test_a_prefix_without_followers(local):
    d = local()
    both = {"myip": "198.18.7.9", "ip6lanprefix": "2001:db8:1::/56"}
    answers(nic_update(d, LOCAL, **both), 200, "good 198.18.7.9\n")
    answers(nic_update(d, LOCAL, ip6lanprefix="2001:db8:1::/56"), 400, "nohost\n")


@pytest.mark.parametrize(
    "prefix, subnet_id, address",
    [
        ("2001:db8:1:2::/64", 0, "2001:db8:1:2::9"),
        ("2001:db8:1:2::/63", 1, "2001:db8:1:3::9"),
        ("2001:db8::/48", 0xFFFF, "2001:db8:0:ffff::9"),
        ("2001:db8::/32", 0x10002, "2001:db8:1:2::9"),
        ("2001:db8:1:2::5/60", 3, "2001:db8:1:3::9"),  # what stands behind the prefix does not count
    ],
)
def test_addresses_in_a_prefix(local, prefix, subnet_id, address):
    d = local(follower("nas", LOCAL, interface_id="::9", subnet_id=subnet_id))
    assert nic_update(d, LOCAL, ip6lanprefix=prefix).status == 200
    assert followers(d, "nas") == [address]


@pytest.mark.parametrize(
    "prefix, subnet_id",
    [
        ("2001:db8::/65", 0),
        ("2001:db8::1/128", 0),
        ("2001:db8::/64", 1),
        ("2001:db8::/56", 0x100),
        ("2001:db8::/63", 2),
    ],
)
def test_what_does_not_fit_is_refused(local, prefix, subnet_id):
    """As a whole: half an update would have to be noticed by someone."""
    fitting = follower("printer", LOCAL, interface_id="::8")
    d = local(fitting, follower("nas", LOCAL, interface_id="::9", subnet_id=subnet_id))
    answers(nic_update(d, LOCAL, myip="198.18.7.9", ip6lanprefix=prefix), 400, "dnserr\n")
    assert followers(d, "nas") == followers(d, "printer") == zone_values(d.zone_file(), LOCAL, "A") == []


@pytest.mark.parametrize(
    "prefix", ["x", "2001:db8::", "2001:db8::/129", "2001:db8::/-1", "198.18.0.0/16", "/56", "2001:db8::/"]
)
def test_not_a_prefix(local, prefix):
    d = local(follower("nas", LOCAL, interface_id="::9"))
    if prefix == "2001:db8::":  # without a length it is the address of one machine
        assert nic_update(d, LOCAL, ip6lanprefix=prefix).status == 400
    else:
        answers(nic_update(d, LOCAL, ip6lanprefix=prefix), 400, "dnserr\n")
    assert followers(d, "nas") == []


def test_two_prefixes(local):
    d = local(follower("nas", LOCAL, interface_id="::9"))
    answers(nic_update(d, LOCAL, ip6lanprefix="2001:db8:1::/56", prefix="2001:db8:2::/56"), 400, "dnserr\n")
    assert nic_update(d, LOCAL, ip6lanprefix="2001:db8:1::/56", prefix="2001:DB8:1:0::/56").status == 200


def test_a_locked_router_and_locked_followers(local):
    d = local(follower("nas", LOCAL, interface_id="::9"), lock_record=True)
    answers(nic_update(d, LOCAL, myip="198.18.7.9", ip6lanprefix="2001:db8:1::/56"), 503, "abuse\n")
    frozen = follower("frozen", LOCAL, interface_id="::9", lock_record=True)
    d.hosts[:] = [router(LOCAL), frozen]
    d.write_config()
    d.reload()
    answers(nic_update(d, LOCAL, myip="198.18.7.9", ip6lanprefix="2001:db8:1::/56"), 200, "good 198.18.7.9\n")
    answers(nic_update(d, LOCAL, ip6lanprefix="2001:db8:1::/56"), 503, "abuse\n")  # nobody else to speak for it
    assert followers(d, "frozen") == []


def test_private_prefixes_need_allow_internal_of_the_follower(local):
    d = local(
        follower("nas", LOCAL, interface_id="::9"),
        follower("inside", LOCAL, interface_id="::9", allow_internal=True),
    )
    answers(nic_update(d, LOCAL, myip="198.18.7.9", ip6lanprefix="fd00:1::/56"), 200, "good 198.18.7.9\n")
    assert (followers(d, "nas"), followers(d, "inside")) == ([], ["fd00:1::9"])
    d.wait_log(r"event=update .*host=nas\.example\.test\. type=AAAA address=fd00:1::9 result=private_address")


def test_a_follower_cannot_speak_for_itself_without_a_secret(local):
    d = local(follower("nas", LOCAL, interface_id="::9"), follower("own", LOCAL, interface_id="::8", **OWN))
    answers(nic_update(d, "nas.example.test", myip="2001:db8::1"), 401, "badauth\n")
    answers(nic_update(d, "own.example.test", myip="2001:db8::1"), 200, "good 2001:db8::1\n")
    assert nic_update(d, LOCAL, ip6lanprefix="2001:db8:1::/56").status == 200
    assert followers(d, "own") == ["2001:db8:1::8"]


OWN = {"shared_secret": SECRET, "auth": ["basic"]}


def test_rows_of_the_router(daemon):
    """A name with a row per family; the followers hang on the one that has AAAA."""
    rows = [
        host(LOCAL, "A", auth=["basic"]),
        host(LOCAL, "AAAA", auth=["basic"]),
        follower("nas", LOCAL, interface_id="::9"),
    ]
    d = daemon(settings=FAST, hosts=rows)
    answers(nic_update(d, LOCAL, myip="198.18.7.9", ip6lanprefix="2001:db8:1::/56"), 200, "good 198.18.7.9\n")
    assert followers(d, "nas") == ["2001:db8:1::9"]


def test_several_routers_in_one_request(daemon):
    rows = [router(LOCAL), router("other.example.test."), follower("nas", LOCAL, interface_id="::9")]
    rows.append({**follower("pc", LOCAL, interface_id="::8"), "follows": "other.example.test."})
    d = daemon(settings=FAST, hosts=rows)
    names = "router.example.test,other.example.test"
    answers(nic_update(d, names, ip6lanprefix="2001:db8:1::/56"), 200, "good 2001:db8:1::/56\n" * 2)
    assert (followers(d, "nas"), followers(d, "pc")) == (["2001:db8:1::9"], ["2001:db8:1::8"])


# ---- IPv4 ----


FOUR = {"record_type": "A", "follows": ROUTER}


def test_followers_of_the_ipv4_address_are_in_the_routers_batch(daemon, r53):
    rows = [
        {"hostname": "cam.example.com.", **FOUR},
        router(),
        follower("nas", record_type=["A", "AAAA"], interface_id="::1", subnet_id=1),
        follower("six", interface_id="::2"),
        {"hostname": "frozen.example.com.", **FOUR, "lock_record": True},
        {"hostname": "slow.example.com.", **FOUR, "ttl": 300},
    ]
    d = daemon(route53=r53, settings=FAST, hosts=rows)
    d.wait_read_back()
    answers(nic_update(d, ROUTER, myip="198.18.7.9", prefix="2001:db8:1::/56"), 200, "good 198.18.7.9\n")
    (call,) = changes_of(r53)
    batch = {(change.record.name, change.record.type): change.record for change in call.batch}
    assert {key: record.values for key, record in batch.items()} == {
        (ROUTER, "A"): ("198.18.7.9",),
        ("cam.example.com.", "A"): ("198.18.7.9",),
        ("nas.example.com.", "A"): ("198.18.7.9",),
        ("slow.example.com.", "A"): ("198.18.7.9",),
        ("nas.example.com.", "AAAA"): ("2001:db8:1:1::1",),
        ("six.example.com.", "AAAA"): ("2001:db8:1::2",),
    }
    assert batch["slow.example.com.", "A"].ttl == 300
    answers(nic_update(d, ROUTER, myip="198.18.7.9"), 200, "nochg 198.18.7.9\n")
    answers(nic_update(d, ROUTER, myip="2001:db8::5"), 200, "good 2001:db8::5\n")  # IPv6 follows the prefix alone
    assert len(changes_of(r53)) == 2
    answers(nic_update(d, ROUTER, myip="198.18.7.10,2001:db8::5"), 200, "good 198.18.7.10,2001:db8::5\n")
    assert r53.values("cam.example.com.") == r53.values("nas.example.com.") == ["198.18.7.10"]
    assert r53.values("nas.example.com.", "AAAA") == ["2001:db8:1:1::1"]


def four(d, name: str) -> list[str]:
    return zone_values(d.zone_file(), f"{name}.example.test.", "A")


def test_every_dialect_carries_them(daemon):
    rows = [host(LOCAL, ["A", "AAAA"], auth=["basic", "hash", "secret", "signed"])]
    rows.append({"hostname": "cam.example.test.", "record_type": "A", "follows": LOCAL})
    d = daemon(settings=FAST, hosts=rows)
    assert d.set(LOCAL, via="198.18.7.1").status == 200
    assert four(d, "cam") == ["198.18.7.1"]
    assert plain_secret(d, hostname=LOCAL, newip="198.18.7.2").text == "OK"
    assert four(d, "cam") == ["198.18.7.2"]
    signed = signed_parameters("set", LOCAL, SECRET, "198.18.7.3")
    assert d.query(mode="set", hostname=LOCAL, internalIp="198.18.7.3", via="198.18.7.9", **signed).status == 200
    assert four(d, "cam") == ["198.18.7.3"]
    d.wait_log("event=update dialect=query .*host=cam.example.test. type=A address=198.18.7.3 result=good")


@pytest.mark.parametrize(
    "more, send",
    [
        ({"lock_record": True}, lambda d: nic_update(d, LOCAL, myip="198.18.7.9")),
        ({}, lambda d: nic_update(d, LOCAL, myip="192.168.1.9")),
        ({}, lambda d: nic_update(d, LOCAL, myip="0.0.0.0")),
        ({}, lambda d: d.set(LOCAL, via="198.18.7.9", address="198.18.7.10")),  # the hash does not cover it
    ],
    ids=["locked", "private", "unusable", "not the source"],
)
def test_what_the_router_may_not_have_no_follower_gets(daemon, more, send):
    cam = {"hostname": "cam.example.test.", "record_type": "A", "follows": LOCAL, "allow_internal": True}
    d = daemon(settings=FAST, hosts=[host(LOCAL, "A", auth=["basic", "hash"], **more), cam])
    assert send(d).status in (403, 503)
    assert four(d, "cam") == []


def test_a_prefix_says_nothing_to_followers_of_ipv4_alone(daemon):
    cam = {"hostname": "cam.example.test.", "record_type": "A", "follows": LOCAL}
    d = daemon(settings=FAST, hosts=[router(LOCAL), cam])
    answers(nic_update(d, LOCAL, prefix="2001:db8:1::/80"), 400, "dnserr\n")
    answers(nic_update(d, LOCAL, prefix="2001:db8:1::/56"), 400, "nohost\n")
    answers(nic_update(d, LOCAL, prefix="::/56"), 400, "nohost\n")
    assert followers(d, "cam") == four(d, "cam") == []


def test_rows_of_the_router_with_followers_of_ipv4(daemon):
    """The A row sets the followers' A records, whichever row they hang on."""
    other = "another-shared-secret-of-a-host-02"
    rows = [
        host(LOCAL, "A", auth=["basic"]),
        host(LOCAL, "AAAA", other, auth=["basic"]),
        follower("nas", LOCAL, record_type=["A", "AAAA"], interface_id="::9"),
    ]
    d = daemon(settings=FAST, hosts=rows)
    answers(nic_update(d, LOCAL, myip="198.18.7.9"), 200, "good 198.18.7.9\n")
    assert (four(d, "nas"), followers(d, "nas")) == (["198.18.7.9"], [])
    answers(nic_update(d, LOCAL, secret=other, prefix="2001:db8:1::/56"), 200, "good 2001:db8:1::/56\n")
    assert (four(d, "nas"), followers(d, "nas")) == (["198.18.7.9"], ["2001:db8:1::9"])
    answers(nic_update(d, LOCAL, secret=other, myip="198.18.7.10"), 400, "nohost\n")
    assert four(d, "nas") == ["198.18.7.9"]


def test_private_addresses_of_the_router_need_allow_internal_of_the_follower(daemon):
    rows = [host(LOCAL, "A", auth=["basic"], allow_internal=True)]
    for name, more in (("cam", {}), ("inside", {"allow_internal": True})):
        rows.append({"hostname": f"{name}.example.test.", "record_type": "A", "follows": LOCAL, **more})
    d = daemon(settings=FAST, hosts=rows)
    answers(nic_update(d, LOCAL, myip="192.168.1.9"), 200, "good 192.168.1.9\n")
    assert (four(d, "cam"), four(d, "inside")) == ([], ["192.168.1.9"])
