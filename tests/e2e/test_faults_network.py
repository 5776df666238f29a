"""Route 53 cannot be reached, or is not who it says: nothing is sent to anybody else, and nothing is lost."""

from __future__ import annotations

import os
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from harness import free_port, host, merged
from harness.updates import HASTY, MORE_THAN_A_BACKOFF_S, Background, Ledger, history
from standin import Route53, TestCA

HOME, OTHER = "home.example.com.", "www.example.org."
CHANGE = "ChangeResourceRecordSets"
NAME = "route53.endpoint.test"
# The daemon's own view of the files that resolve names, which the test writes.
OWN_NAMES = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'


@pytest.fixture
def pair(daemon, route53):
    """Two zones that are known, so that one can be seen to go on while the other cannot."""

    def make(settings=HASTY, **options):
        r53 = route53("example.com.", "example.org.")
        d = daemon(route53=r53, settings=settings, hosts=[host(HOME), host(OTHER)], **options)
        d.wait_read_back()
        return d, r53, Ledger(d, r53)

    return make


# ---- silence ----


@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_a_stall_that_ends_with_the_connection(pair, applied):
    """The client is told 503 in time, other zones go on, and the change is made once the silence has ended."""
    d, r53, ledger = pair()
    stalled = r53.faults.stall(count=1, operation=CHANGE, zone="example.com.", applied=applied)
    assert ledger.set(HOME, "198.18.7.9").status == 503
    r53.wait_calls(1, CHANGE)
    assert stalled.hits == 1 and (r53.values(HOME) == ["198.18.7.9"]) == applied
    for number in range(1, 4):
        assert ledger.set(OTHER, f"198.18.7.{number}").status == 200
    r53.drop_connections()
    d.wait_log(f"event=late_change host={HOME} .*result=set")
    ledger.settle()
    assert history(d.state_dir, HOME) == [("", "198.18.7.9")]


@pytest.mark.waits
@pytest.mark.slow
@pytest.mark.timeout_s(180)
def test_a_stall_for_longer_than_a_call_may_take(pair):
    """30 seconds after it was sent a call counts as failed, whatever the other end does, and is made again."""
    d, r53, ledger = pair()
    stalled = r53.faults.stall(count=1, operation=CHANGE, zone="example.com.")
    assert ledger.set(HOME, "198.18.7.9").status == 503
    d.wait_log(f"event=late_change host={HOME} .*result=set", timeout=60)
    first, second = r53.calls_of(CHANGE, "example.com.")
    # The stand-in's clock: the first may have been noticed late, the second may have come late.
    assert stalled.hits == 1 and 25 <= second.started_at - first.started_at <= 40
    assert "timed out" in d.wait_log("event=zone_trouble .*").group().lower()
    assert d.metrics().value("ddns53_provider_calls_total", operation=CHANGE, result="transient") == 1
    ledger.settle()


@pytest.mark.waits
@pytest.mark.slow
def test_an_endpoint_that_does_not_even_accept(daemon, route53, ca, keys):
    """A firewall that drops packets: the connection is given up after 5 seconds and tried again."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port), backlog=0):
        filler = [socket.socket() for _ in range(4)]  # once the backlog is full, whoever comes gets no answer
        for connection in filler:
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
        zones = [{"name": "example.com.", "provider": "route53"}]
        settings = merged(HASTY, {"zones": zones, "route53": {"endpoint": f"http://127.0.0.1:{port}"}})
        d = daemon(settings=settings, hosts=[host(HOME)], environment=keys.default.environment())
        assert d.set(HOME, via="198.18.7.9").status == 503
        assert "timeout was reached" in d.wait_log("event=zone_trouble .*").group().lower()
        for connection in filler:
            connection.close()
    r53 = route53("example.com.", port=port)
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.9").status in (200, 503)
    ledger.settle()


# ---- nobody there ----


def test_an_endpoint_that_is_down_and_comes_back(daemon, ca, keys):
    port = free_port()
    with Route53(["example.com."], ca=ca, keys=keys, port=port) as before:
        d = daemon(route53=before, settings=HASTY, hosts=[host(HOME)])
        d.wait_read_back()
        ledger = Ledger(d, before)
        assert ledger.set(HOME, "198.18.7.1").status == 200
    assert ledger.set(HOME, "198.18.7.2").status == 503
    assert d.get(via="198.18.7.2").message == "198.18.7.2"  # what needs no provider goes on
    d.wait_log("event=zone_trouble zone=example.com")
    with Route53(["example.com."], ca=ca, keys=keys, port=port) as after:
        ledger.r53 = after
        after.wait_value(HOME, "198.18.7.2", timeout=MORE_THAN_A_BACKOFF_S)
        d.wait_log("event=zone_recovered zone=example.com")
        ledger.settle()


def test_connections_that_are_dropped_between_calls(pair):
    """A kept connection that the other end has closed costs nobody an answer."""
    d, r53, ledger = pair()
    for number in range(1, 6):
        assert ledger.set(HOME, f"198.18.7.{number}").status == 200
        r53.drop_connections()
    ledger.settle()


# ---- names ----


@pytest.mark.waits
def test_a_name_that_does_not_resolve_and_then_does(daemon, route53, tmp_path):
    """No answer of a resolver is kept for longer than it is of use."""
    r53 = route53("example.com.")
    names, switch = tmp_path / "hosts", tmp_path / "nsswitch.conf"
    names.write_text("127.0.0.1 localhost\n")
    switch.write_text("hosts: files\n")
    port = r53.url.rpartition(":")[2]
    d = daemon(
        route53=r53,
        settings=merged(HASTY, {"route53": {"endpoint": f"http://{NAME}:{port}"}}),
        hosts=[host(HOME)],
        wrapper=["unshare", "--mount", "sh", "-c", OWN_NAMES, "sh", str(names), str(switch)],
    )
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.9").status == 503
    trouble = d.wait_log("event=zone_trouble .*").group()
    assert NAME in trouble and "resolve" in trouble.lower()
    assert not r53.calls
    names.write_text(f"127.0.0.1 localhost {NAME}\n")
    r53.wait_value(HOME, "198.18.7.9", timeout=MORE_THAN_A_BACKOFF_S)
    ledger.settle()


# ---- who is there is somebody else ----


def expired(ca: TestCA) -> None:
    ca.certificate, ca.private_key = ca.issue("old", valid_from=timedelta(days=-9), valid_for=timedelta(days=8))


def of_another_name(ca: TestCA) -> None:
    ca.certificate, ca.private_key = ca.issue("elsewhere", ["route53.example.net"])


def of_another_ca(ca: TestCA) -> None:
    elsewhere = TestCA(ca.folder / "elsewhere")
    ca.certificate, ca.private_key = elsewhere.certificate, elsewhere.private_key


@pytest.mark.parametrize("spoil", [expired, of_another_name, of_another_ca])
def test_an_endpoint_whose_certificate_is_not_to_be_trusted(daemon, keys, tmp_path, spoil):
    """It gets no request at all; once it has a good certificate, what stayed queued is done."""
    good, bad = TestCA(tmp_path / "good"), TestCA(tmp_path / "bad")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(good.path.read_bytes() + bad.path.read_bytes())
    spoil(bad)
    port = free_port()
    with Route53(["example.com."], ca=bad, keys=keys, tls_port=port) as impostor:
        environment = {"AWS_CA_BUNDLE": str(bundle)}
        d = daemon(route53=impostor, https_endpoint=True, settings=HASTY, hosts=[host(HOME)], environment=environment)
        ledger = Ledger(d, impostor)
        assert ledger.set(HOME, "198.18.7.9").status == 503
        assert not impostor.calls
        assert "certificate" in d.wait_log("event=zone_trouble .*").group().lower()
    with Route53(["example.com."], ca=good, keys=keys, tls_port=port) as real:
        ledger.r53 = real
        real.wait_value(HOME, "198.18.7.9", timeout=MORE_THAN_A_BACKOFF_S)
        ledger.settle()


def test_a_ca_that_is_added_to_the_bundle_while_it_runs(daemon, keys, ca, tmp_path):
    other = TestCA(tmp_path / "other")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(ca.path.read_bytes())
    with Route53(["example.com."], ca=other, keys=keys) as r53:
        environment = {"AWS_CA_BUNDLE": str(bundle)}
        d = daemon(route53=r53, https_endpoint=True, settings=HASTY, hosts=[host(HOME)], environment=environment)
        ledger = Ledger(d, r53)
        assert ledger.set(HOME, "198.18.7.9").status == 503 and not r53.calls
        bundle.write_bytes(ca.path.read_bytes() + other.path.read_bytes())
        d.reload()  # and nobody has to wait for the back-off
        r53.wait_value(HOME, "198.18.7.9")
        ledger.settle()


def trusting_as_the_system(folder: Path, ca: TestCA) -> list[str]:
    """A wrapper for a daemon whose system trusts this CA and no other."""
    folder.mkdir()
    for name in ("ca-certificates.crt", "one.pem"):
        (folder / name).write_bytes(ca.path.read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    bind = 'mount --bind "$1" /etc/ssl/certs && shift && exec "$@"'
    unshare = ["unshare"] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    return [*unshare, "--mount", "--", "sh", "-c", bind, "sh", str(folder)]


def test_who_the_system_trusts(daemon, keys, ca, tmp_path):
    with Route53(["example.com."], ca=ca, keys=keys) as r53:
        wrapper = trusting_as_the_system(tmp_path / "certs", ca)
        options = {"wrapper": wrapper, "environment": {"AWS_CA_BUNDLE": None}}
        d = daemon(route53=r53, https_endpoint=True, settings=HASTY, hosts=[host(HOME)], **options)
        d.wait_read_back()
        assert d.set(HOME, via="198.18.7.9").status == 200


def test_a_bundle_takes_the_place_of_what_the_system_trusts(daemon, keys, ca, tmp_path):
    other = TestCA(tmp_path / "other")
    with Route53(["example.com."], ca=ca, keys=keys) as r53:
        d = daemon(
            route53=r53,
            https_endpoint=True,
            settings=HASTY,
            hosts=[host(HOME)],
            wrapper=trusting_as_the_system(tmp_path / "certs", ca),
            environment={"AWS_CA_BUNDLE": str(other.path)},
        )
        assert d.set(HOME, via="198.18.7.9").status == 503
        assert not r53.calls
        assert "certificate" in d.wait_log("event=zone_trouble .*").group().lower()
        d.kill()  # or it would try to finish the change first


@pytest.mark.waits
@pytest.mark.slow
def test_a_tls_handshake_that_is_never_answered(daemon, r53):
    """The other end waits for the end of a plain request: the connection is given up after 5 seconds."""
    endpoint = r53.url.replace("http:", "https:")
    d = daemon(route53=r53, settings=merged(HASTY, {"route53": {"endpoint": endpoint}}), hosts=[host(HOME)])
    asked = Background(d.set, HOME, via="198.18.7.9")
    d.wait_log("event=zone_trouble zone=example.com")
    assert asked.result().status == 503 and not r53.calls
    d.kill()  # or it would try to finish the change first
