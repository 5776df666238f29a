"""Signed requests: what a signature covers, how long it is good for, and that none is taken twice."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from harness import BEHIND_PROXY, SECRET, Daemon, Response, host, merged, query_target, signed_parameters
from harness.dialects import check_headers, zone_values

HOME = "home.example.test."
OTHER = "another-shared-secret-of-a-host-02"
BOTH = ["A", "AAAA"]
HOSTS = [
    host(HOME, BOTH, auth=["signed"], read_privilege=True),
    host("both.example.test.", BOTH, auth=["hash", "signed"]),
    host("twin.example.test.", BOTH, auth=["signed"]),
    host("hash.example.test.", BOTH, auth=["hash"]),
    host("inside.example.test.", BOTH, auth=["signed"], allow_internal=True),
    host("other.example.test.", BOTH, OTHER, auth=["signed"]),
]
SOURCE = "198.18.7.9"
OPEN = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000, "reads_per_minute": 100000}})


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("signed"), ca, settings=OPEN, hosts=HOSTS)
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def d(shared):
    yield shared
    shared.check_confidential()


def send(d: Daemon, parameters: dict[str, str | None], via: str = SOURCE) -> Response:
    return d.request(query_target(parameters), headers={"X-Forwarded-For": via})


def signed(
    hostname: str = HOME,
    internal: str | None = None,
    secret: str = SECRET,
    mode: str = "set",
    via: str = SOURCE,
    **more,
) -> dict[str, str | None]:
    proof = signed_parameters(mode, hostname, secret, internal or via, **more)
    return {"mode": mode, "hostname": hostname, "internalIp": internal, **proof}


def succeeds(answer: Response) -> None:
    assert (answer.status, answer.result) == (200, "success"), answer.text
    check_headers(answer, "application/json")


def fails(answer: Response, status: int, *words: str) -> None:
    assert (answer.status, answer.result) == (status, "fail"), answer.text
    for word in words:
        assert word in answer.message
    check_headers(answer, "application/json")


@pytest.mark.parametrize("hostname", [HOME, HOME[:-1], "Home.Example.TEST", "HOME.example.test."])
def test_the_hostname_is_signed_as_it_is_sent(d, hostname):
    succeeds(send(d, signed(hostname)))
    proof = signed(hostname)
    fails(send(d, {**proof, "hostname": hostname.swapcase()}), 401)


@pytest.mark.parametrize("via", ["198.18.8.1", "2001:db8::1"])
def test_source_address(d, via):
    succeeds(send(d, signed(via=via), via))
    assert zone_values(d.zone_file(), HOME, "AAAA" if ":" in via else "A") == [via]


@pytest.mark.parametrize("internal", ["198.18.9.1", "2001:DB8:0::9", "::ffff:198.18.9.2"])
def test_any_public_address_is_covered(d, internal):
    succeeds(send(d, signed(internal=internal)))


def test_private_addresses_need_allow_internal(d):
    fails(send(d, signed(internal="10.0.0.1")), 403, "private")
    succeeds(send(d, signed("inside.example.test.", internal="10.0.0.1")))


def test_signature_is_lower_case_hex_or_upper(d):
    proof = signed()
    succeeds(send(d, {**proof, "signature": str(proof["signature"]).upper()}))


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "list_hosts"},
        {"hostname": "twin.example.test."},
        {"internalIp": "198.18.7.10"},
        {"internalIp": SOURCE + "0"},
        {"nonce": "another-nonce-than-the-signed"},
        {"signature": "0" * 64},
    ],
    ids=lambda change: f"{next(iter(change))}",
)
def test_what_is_signed_cannot_be_changed(d, change):
    fails(send(d, {**signed(), **change}), 401, "fit")


def test_the_time_cannot_be_changed(d):
    proof = signed()
    fails(send(d, {**proof, "time": str(int(str(proof["time"])) + 1)}), 401, "fit")


def test_a_signature_is_good_from_its_source_only_unless_it_names_the_address(d):
    fails(send(d, signed(), via="198.18.7.10"), 401)
    succeeds(send(d, signed(internal=SOURCE), via="198.18.7.10"))


def test_a_nonce_counts_once(d):
    proof = signed(internal="198.18.10.1")
    succeeds(send(d, proof))
    for _ in range(3):
        fails(send(d, proof), 409, "nonce")
    succeeds(send(d, signed(internal="198.18.10.2")))
    fails(send(d, proof), 409, "nonce")
    assert zone_values(d.zone_file(), HOME) == ["198.18.10.2"]
    nonce = str(proof["nonce"])
    fails(send(d, signed(internal="198.18.10.3", nonce=nonce)), 409)  # whatever else it is signed with
    fails(send(d, signed(mode="list_hosts", nonce=nonce)), 409)


def test_nonces_are_of_a_host(d):
    nonce = "one-nonce-for-two-hosts"
    succeeds(send(d, signed(nonce=nonce)))
    succeeds(send(d, signed("twin.example.test.", nonce=nonce)))
    fails(send(d, signed("twin.example.test.", nonce=nonce)), 409)


def test_a_signature_that_is_wrong_uses_no_nonce(d):
    nonce = "nonce-of-a-wrong-signature"
    fails(send(d, signed(secret=OTHER, nonce=nonce)), 401)
    succeeds(send(d, signed(nonce=nonce)))


@pytest.mark.parametrize(
    "nonce, fits",
    [
        ("0123456789abcde", False),
        ("0123456789abcdef", True),
        ("ABCXYZabcxyz0189_-", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("0123456789abcde.", False),
        ("0123456789 abcdef", False),
        ("0123456789abcdef\n", False),
        ("", False),
    ],
)
def test_nonces(d, nonce, fits):
    answer = send(
        d, {**signed(), **signed_parameters("set", HOME, SECRET, SOURCE, nonce=nonce or "0" * 16), "nonce": nonce}
    )
    if fits:
        succeeds(answer)
    else:
        fails(answer, 400, "nonce")


def test_when_no_more_nonces_can_be_remembered_requests_are_refused(daemon):
    """256 of a host; another host is not touched by that."""
    d = daemon(settings=OPEN, hosts=HOSTS)
    client = d.client()
    headers = {"X-Forwarded-For": SOURCE}
    for _ in range(256):
        assert client.request(query_target(signed()), headers=headers).status == 200
    answer = send(d, signed())
    fails(answer, 429, "too many")
    assert answer.headers["Retry-After"] == "600"
    fails(send(d, signed(secret=OTHER)), 401)
    succeeds(send(d, signed("twin.example.test.")))


@pytest.mark.parametrize("away", [-3000, -310, 310, 3000])
def test_far_from_our_time(d, away):
    fails(send(d, signed(at=int(time.time()) + away)), 401, "300 seconds")


def test_within_our_time(d):
    succeeds(send(d, signed(at=int(time.time()) + 280)))


def test_what_was_signed_before_the_start_is_stale(daemon):
    """Its nonce may have been used with the process before this one, which nobody remembers."""
    d = daemon(settings=OPEN, hosts=HOSTS)
    proof = signed()
    succeeds(send(d, proof))
    while int(time.time()) <= int(str(proof["time"])):
        time.sleep(0.01)  # so that the next process starts in a later second than the signature's
    d.stop()
    d.start()
    fails(send(d, proof), 401, "before it started")
    succeeds(send(d, signed()))


@pytest.mark.parametrize("moment", ["", "x", "-5", "1.5", "+1790000000", "0x10", "99999999999999999999"])
def test_times_that_are_none(d, moment):
    fails(send(d, {**signed(), "time": moment}), 400, "time")


def test_missing_parts(d):
    fails(send(d, {**signed(), "time": None}), 400, "time")
    fails(send(d, {**signed(), "nonce": None}), 400, "nonce")
    fails(send(d, {**signed(), "signature": None}), 400, "hash")
    fails(send(d, {**signed(), "hostname": None}), 400, "hostname")
    for signature in ("", "0" * 63, "0" * 65, "g" * 64):
        fails(send(d, {**signed(), "signature": signature}), 400, "signature")


def test_schemes_of_the_host(d):
    fails(d.set(HOME, via=SOURCE), 401)
    fails(send(d, signed("hash.example.test.")), 401)
    succeeds(d.set("both.example.test.", via=SOURCE))
    succeeds(send(d, signed("both.example.test.")))
    assert d.set(HOME, via=SOURCE).body == send(d, signed("nobody.example.test.")).body


def test_list_hosts(d):
    answer = send(d, signed(mode="list_hosts"))
    succeeds(answer)
    assert [row["hostname"] for row in answer.message] == [HOME, HOME]


def test_log(daemon):
    d = daemon(settings=OPEN, hosts=HOSTS)
    succeeds(send(d, signed()))
    fails(send(d, signed(secret=OTHER)), 401)
    d.wait_log(f"event=update dialect=query source={SOURCE} host={HOME} type=A address={SOURCE} result=good")
    d.wait_log(f"event=auth_failure dialect=query source={SOURCE} host={HOME} reason=wrong_secret$")
