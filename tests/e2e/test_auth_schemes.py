"""`auth` per host: which scheme opens which host, and secrets that are being changed over or kept as a digest."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

import pytest

from harness import (
    BEHIND_PROXY,
    SECRET,
    Daemon,
    Response,
    host,
    keep_confidential,
    merged,
    query_target,
    signed_parameters,
)
from harness.dialects import nic_update, plain_secret

HOME = "home.example.test."
SOURCE = "198.18.7.9"
OLD = "the-secret-before-this-one-000042"
SCHEMES = ("hash", "signed", "secret", "basic")
OPEN = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000}})


def by_hash(d: Daemon, secret: str, hostname: str) -> Response:
    return d.set(hostname, secret, via=SOURCE)


def by_signature(d: Daemon, secret: str, hostname: str) -> Response:
    proof = signed_parameters("set", hostname, secret, SOURCE)
    target = query_target({"mode": "set", "hostname": hostname, **proof})
    return d.request(target, headers={"X-Forwarded-For": SOURCE})


def by_secret(d: Daemon, secret: str, hostname: str) -> Response:
    return plain_secret(d, secret, via=SOURCE, hostname=hostname)


def by_basic(d: Daemon, secret: str, hostname: str) -> Response:
    return nic_update(d, hostname, secret=secret, via=SOURCE)


SENDERS = {"hash": by_hash, "signed": by_signature, "secret": by_secret, "basic": by_basic}


def opened_by(d: Daemon, secret: str = SECRET, hostname: str = HOME) -> set[str]:
    """The schemes that this secret opens the host with; every other must answer 401."""
    statuses = {scheme: send(d, secret, hostname).status for scheme, send in SENDERS.items()}
    assert set(statuses.values()) <= {200, 401}, statuses
    return {scheme for scheme, status in statuses.items() if status == 200}


def test_auth_of_each_host(daemon):
    sets = [{scheme for bit, scheme in enumerate(SCHEMES) if number >> bit & 1} for number in range(1, 16)]
    rows = [host(f"h{number}.example.test.", auth=sorted(schemes)) for number, schemes in enumerate(sets)]
    d = daemon(settings=OPEN, hosts=rows)
    for number, schemes in enumerate(sets):
        assert opened_by(d, hostname=f"h{number}.example.test.") == schemes
    assert opened_by(d, "not-the-secret-of-these-hosts", "h14.example.test.") == set()


@pytest.mark.parametrize("schemes", [None, ["basic"], ["secret", "hash"], ["signed"]])
def test_default_auth(daemon, schemes):
    settings = merged(OPEN, {"update": {"default_auth": schemes}}) if schemes else OPEN
    d = daemon(settings=settings, hosts=[host(HOME), host("own.example.test.", auth=["basic"])])
    assert opened_by(d) == set(schemes or ["hash", "signed"])
    assert opened_by(d, hostname="own.example.test.") == {"basic"}


def test_auth_follows_a_reload(daemon):
    d = daemon(settings=OPEN, hosts=[host(HOME, auth=["basic"])])
    assert opened_by(d) == {"basic"}
    d.hosts[0]["auth"] = ["hash"]
    d.write_config()
    d.reload()
    assert opened_by(d) == {"hash"}


@pytest.mark.parametrize("days, counts", [(1, True), (0, True), (-1, False)])
def test_previous_secret(daemon, days, counts):
    """The day that is named counts whole."""
    now = datetime.now(timezone.utc)
    if days == 0 and now.hour == 23 and now.minute >= 58:
        now += timedelta(days=1)  # the day must not end while the test runs
    until = (now + timedelta(days=days)).strftime("%Y-%m-%d")
    row = host(HOME, auth=list(SCHEMES), previous_secret=OLD, previous_secret_until=until)
    d = daemon(settings=OPEN, hosts=[row])
    assert opened_by(d) == set(SCHEMES)
    assert opened_by(d, OLD) == (set(SCHEMES) if counts else set())


@pytest.mark.parametrize("seconds, counts", [(3600, True), (-3600, False)])
def test_previous_secret_until_a_time(daemon, seconds, counts):
    until = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    row = host(HOME, auth=["basic", "secret"], previous_secret=OLD, previous_secret_until=until)
    d = daemon(settings=OPEN, hosts=[row])
    assert opened_by(d, OLD) == ({"basic", "secret"} if counts else set())
    without_hostname = plain_secret(d, OLD, via=SOURCE)
    assert (without_hostname.status == 200) == counts


def test_previous_secret_ends_while_the_daemon_runs(daemon):
    d = daemon(settings=OPEN, hosts=[host(HOME, auth=["basic"])])
    for seconds in (2, 4, 8, 16):
        until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        d.hosts[0].update(previous_secret=OLD, previous_secret_until=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
        d.write_config()
        d.reload()
        if by_basic(d, OLD, HOME).status == 200:
            break  # else it has ended before the daemon had read it
    else:
        pytest.fail("the previous secret does not count")
    assert by_basic(d, SECRET, HOME).status == 200
    while datetime.now(timezone.utc) < until:
        assert by_basic(d, OLD, HOME).status in (200, 401)
    assert by_basic(d, OLD, HOME).status == 401
    assert by_basic(d, SECRET, HOME).status == 200


def test_secret_as_a_digest(daemon):
    """A stolen hosts file opens nothing: neither the digest nor its bytes are a secret."""
    secret = "0123456789abcdef0123456789abcdef"
    digest = hashlib.sha256(secret.encode()).hexdigest()
    keep_confidential(secret)
    row = {"hostname": HOME, "record_type": ["A", "AAAA"], "secret_sha256": digest, "auth": ["secret", "basic"]}
    d = daemon(settings=OPEN, hosts=[row])
    assert opened_by(d, secret) == {"secret", "basic"}
    assert opened_by(d, digest) == opened_by(d, digest.upper()) == set()


@pytest.mark.parametrize("schemes", [["hash"], ["signed"], ["basic", "hash"], None])
def test_a_digest_cannot_be_hashed_or_signed_with(daemon, schemes):
    row = {"hostname": HOME, "record_type": "A", "secret_sha256": "0" * 64, **({"auth": schemes} if schemes else {})}
    d = daemon(settings=OPEN, hosts=[row], start=False)
    assert d.run_to_end() == 78
    assert d.log_lines("secret_sha256.*(hash|signed)")


def test_only_that_what_a_row_has(daemon):
    """Rows of one name may differ in secret and schemes; each is for its own record."""
    rows = [host(HOME, "A", "the-secret-of-the-row-with-a-00", auth=["basic"]), host(HOME, "AAAA", OLD, auth=["basic"])]
    d = daemon(settings=OPEN, hosts=rows)
    both = "198.18.7.9,2001:db8::9"
    assert nic_update(d, HOME, secret=OLD, myip=both).text == "good 2001:db8::9\n"
    assert nic_update(d, HOME, secret="the-secret-of-the-row-with-a-00", myip=both).text == "good 198.18.7.9\n"
