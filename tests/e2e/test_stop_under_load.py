"""SIGTERM in the middle of everything: scrapers, kept connections that each set an address at that moment, and a storm of
new ones. TEST_STOPS says how often; `tests/run --long` asks for many."""

from __future__ import annotations

import os
import threading
import time
from http.client import HTTPException

import pytest

from harness import Daemon, host, receive
from harness.updates import GRACE_S, set_request, state_addresses, wait_until

STOPS = int(os.environ.get("TEST_STOPS", "4"))
KEPT = 60
SCRAPERS = 3
STORM = 3
NAMES = [f"h{number}.example.test." for number in range(KEPT)]
GET = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.18.0.1\r\n\r\n"


class Repeated:
    """A thread that does something again and again until it is told to stop. Errors of the network are no errors."""

    def __init__(self, action):
        self.action, self.done, self.times = action, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.done.is_set():
            try:
                self.action()
                self.times += 1
            except (OSError, HTTPException):
                self.done.wait(0.01)

    def end(self) -> None:
        self.done.set()
        self.thread.join()


def stop_under_load(d: Daemon, number: int) -> None:
    d.start()
    addresses = {name: f"198.18.{number % 250 + 1}.{index + 1}" for index, name in enumerate(NAMES)}
    loads = [Repeated(lambda: d.request("/metrics", url=d.admin_url, timeout=20)) for _ in range(SCRAPERS)]
    loads += [Repeated(lambda: d.get(via="198.18.0.2")) for _ in range(STORM)]
    kept = [d.connect() for _ in NAMES]
    try:
        for connection in kept:
            connection.sendall(GET)
        for connection in kept:
            assert receive(connection).status == 200
        wait_until(lambda: all(load.times > 0 for load in loads), "there is no load")
        began = time.monotonic()
        mark = d.begin_stop()
        for connection, (name, address) in zip(kept, addresses.items()):
            connection.sendall(set_request(name, address))
        in_time = time.monotonic() - began < GRACE_S
        answers = {}
        for name, connection in zip(addresses, kept):
            try:
                answers[name] = receive(connection).status
            except (OSError, HTTPException):
                assert not in_time, "a kept connection was cut off"
        d.wait_end(mark, 60)
    finally:
        for load in loads:
            load.end()
        for connection in kept:
            connection.close()
    assert set(answers.values()) <= {200, 503}
    state = state_addresses(d.state_dir)
    lost = [name for name, status in answers.items() if status == 200 and state.get(name) != addresses[name]]
    assert not lost, f"acknowledged, but not in the state: {lost}"


@pytest.mark.slow
@pytest.mark.timeout_s(120 + 12 * STOPS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_stop_under_load(daemon, tls):
    server = {"trusted_proxies": ["127.0.0.0/8"]}
    if not tls:
        server.update(tls=False, certificate=None, private_key=None)
    # request_s: the connections are made one after the other, and ask when all are there.
    limits = {"connections_per_address": 2000, "reads_per_minute": 100000, "request_s": 30}
    hosts = [host(name) for name in NAMES]
    d = daemon(start=False, settings={"server": server, "limits": limits}, hosts=hosts)
    for number in range((STOPS + 1) // 2):
        stop_under_load(d, number)
