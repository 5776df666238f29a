"""Who may come in: what happens at the door when there is nothing left to let anybody in with."""

from __future__ import annotations

import socket
import time

import pytest

from harness.process import cpu_seconds
from harness.updates import wait_until

FILES = 80  # the daemon needs about half of them for itself
WINDOW_S = 1.5


@pytest.fixture
def short_of_files(daemon):
    return daemon(
        settings={"limits": {"connections": 1000, "connections_per_address": 1000, "request_s": 60}},
        wrapper=["prlimit", f"--nofile={FILES}:{FILES}", "--"],
    )


def test_without_descriptors_it_waits(short_of_files):
    """It says so once, does not try again all the time, and goes on as soon as it can."""
    d = short_of_files
    port = int(d.url.rpartition(":")[2])
    crowd = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(FILES)]
    try:
        d.wait_log("event=accept_failed .*LimitNOFILE")
        before = cpu_seconds(d.pid)
        time.sleep(WINDOW_S)  # what is measured is this time itself
        assert cpu_seconds(d.pid) - before < 0.1 * WINDOW_S
    finally:
        for connection in crowd:
            connection.close()
    wait_until(lambda: d.get().status == 200, "it does not answer")
    assert len(d.log_lines("event=accept_failed")) == 1
