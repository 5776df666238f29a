"""Connections that nobody needs fill the table: who is served all the same, who has to go, and what is told of it.

`tests/bench/run flood` measures the same with thousands that come back as soon as they are closed.
"""

from __future__ import annotations

import os
import select
import socket
import time

import pytest

from harness import Daemon, host, receive
from harness.updates import set_target, wait_until

HOME = "home.example.test."
GET = b"GET /?mode=get HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTIONS = 64
PER_ADDRESS = 8
STRANGERS = CONNECTIONS - CONNECTIONS // 8  # the last eighth is for who has logged in
SHARE = CONNECTIONS // 4


@pytest.fixture
def d(daemon):
    limits = {"connections": CONNECTIONS, "connections_per_address": PER_ADDRESS, "request_s": 60}
    return daemon(settings={"limits": limits}, hosts=[host(HOME, "A", allow_internal=True)])


def silent(d: Daemon, source: str) -> socket.socket:
    """A connection that was accepted and says nothing, not even a handshake."""
    port = int(d.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), 20, (source, 0))


def wait_open(d: Daemon, count: int) -> None:
    deadline = time.monotonic() + 20
    while (there := d.metrics().value("ddns53_connections", server="api")) != count:
        assert time.monotonic() < deadline, f"{there} connections, not {count}"
        time.sleep(0.02)


def sent_away(d: Daemon) -> float:
    metrics = d.metrics()
    names = ("ddns53_connections_refused_total", "ddns53_connections_closed_total")
    return sum(metrics.sum(name, server="api") for name in names)


def ends(connection: socket.socket) -> None:
    """The server has closed it."""
    connection.settimeout(20)
    try:
        assert connection.recv(1) == b""
    except ConnectionResetError:
        pass


def one_ends(connections: list[socket.socket]) -> None:
    """The server has closed one of them at least: nothing else makes them readable."""
    readable, _, _ = select.select(connections, [], [], 20)
    assert readable


def is_served(d: Daemon, source: str) -> None:
    answer = d.get(source=source)
    assert (answer.status, answer.message) == (200, source)


def test_silent_connections_from_many_networks_keep_nobody_out(d):
    first = [silent(d, "127.0.1.1") for _ in range(PER_ADDRESS)]
    wait_open(d, PER_ADDRESS)  # of two workers that accept, one may be late
    sources = [f"127.0.{network}.1" for network in range(2, STRANGERS // PER_ADDRESS + 1)]
    others = [silent(d, source) for source in sources for _ in range(PER_ADDRESS)]
    wait_open(d, STRANGERS)
    for number in range(10):
        is_served(d, f"127.1.{number}.1")
    metrics = d.metrics()
    assert metrics.value("ddns53_connections_closed_total", server="api", limit="connections") >= 1
    line = d.wait_log(r"event=connection_limit .*limit=connections closed=").string
    assert "server=api" in line and "raise limits.connections" in line
    one_ends(first)
    for connection in [*first, *others]:
        connection.close()


def test_coming_again_is_of_no_use_to_a_network_that_is_heavier(d):
    """Who has been let in keeps its place against those who have more."""
    sources = [f"127.0.{network}.1" for network in range(1, STRANGERS // PER_ADDRESS + 1)]
    flood = [silent(d, source) for source in sources for _ in range(PER_ADDRESS)]
    wait_open(d, STRANGERS)
    with d.connect("127.1.1.1") as slow:
        slow.sendall(GET[:10])
        again = 20 * len(sources)
        for source in sources * 20:
            flood.append(silent(d, source))
        wait_until(lambda: sent_away(d) >= again - CONNECTIONS // 8, "not all have come")
        slow.sendall(GET[10:])
        assert receive(slow).status == 200
    for connection in flood:
        connection.close()


def test_one_network_gets_its_share(d):
    """What floods from one /24 leaves three quarters of the table alone."""
    flood = [silent(d, f"127.0.0.{number}") for number in range(1, SHARE // PER_ADDRESS + 1) for _ in range(PER_ADDRESS)]
    wait_open(d, SHARE)
    refused = silent(d, "127.0.0.200")
    ends(refused)
    assert d.wait_metric("ddns53_connections_refused_total", 1, server="api", limit="network") == 1
    d.wait_log(r"event=connection_limit .*limit=network refused=1 last=127.0.0.200 ")
    wait_open(d, SHARE)
    is_served(d, "127.0.1.1")
    assert d.metrics().sum("ddns53_connections_closed_total", server="api") == 0
    for connection in [*flood, refused]:
        connection.close()


def test_who_has_logged_in_is_let_in_amid_the_flood(d):
    regular = "127.0.0.200"
    assert d.set(HOME, source=regular).status in (200, 201)
    wait_open(d, 0)
    flood = [silent(d, f"127.0.0.{number}") for number in range(1, SHARE // PER_ADDRESS + 1) for _ in range(PER_ADDRESS)]
    wait_open(d, SHARE)
    ends(silent(d, "127.0.0.201"))  # the network has its share
    is_served(d, regular)
    for connection in flood:
        connection.close()


def test_idle_connections_after_a_request_keep_nobody_out_either(d):
    idle = []
    for network in range(1, CONNECTIONS // PER_ADDRESS + 1):
        for _ in range(PER_ADDRESS):
            idle.append(d.connect(f"127.0.{network}.1"))
            idle[-1].sendall(GET)
            assert receive(idle[-1]).status == 200
    wait_open(d, STRANGERS)
    for number in range(10):
        is_served(d, f"127.1.{number}.1")
    for connection in idle:
        connection.close()


def test_an_answer_under_way_is_never_cut(daemon, route53):
    """Who waits for the provider stays, however many come."""
    r53 = route53("example.com.")
    held = r53.faults.hold(operation="ChangeResourceRecordSets")
    d = daemon(
        route53=r53,
        settings={"limits": {"connections": 8, "connections_per_address": 4}, "update": {"timeout_s": 30}},
        hosts=[host("home.example.com.", "A", allow_internal=True)],
    )
    with d.connect("127.0.9.9") as waiting:
        target = set_target("home.example.com.", "127.0.9.9")
        waiting.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        r53.wait_for(lambda: held.hits == 1)
        flood = [silent(d, f"127.0.{number % 4}.1") for number in range(200)]
        d.wait_metric("ddns53_connections_refused_total", 100, server="api")
        held.release()
        assert receive(waiting).status in (200, 201)
    for connection in flood:
        connection.close()


def test_files_stay_bounded(d):
    """What has to go is closed: thousands that come leave no more files open than the limit and what is about to go."""
    before = len(os.listdir(f"/proc/{d.pid}/fd"))
    most = 0
    for number in range(600):
        silent(d, f"127.{1 + number % 200}.0.1").close()
        most = max(most, len(os.listdir(f"/proc/{d.pid}/fd")))
    assert most <= before + CONNECTIONS + 128
    wait_open(d, 0)
