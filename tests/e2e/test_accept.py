"""Who may come in: what happens at the door when there is nothing left to let anybody in with."""

from __future__ import annotations

import socket

import pytest

from harness.process import check_idle
from harness.updates import wait_until

FILES = 80  # the daemon needs about half of them for itself


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
        check_idle(d.pid, 0.1)
    finally:
        for connection in crowd:
            connection.close()
    wait_until(lambda: d.get().status == 200, "it does not answer")
    assert len(d.log_lines("event=accept_failed")) == 1
