"""Clients that are slow, silent or gone in the middle of a handshake or a request: they wait without costing anything."""

from __future__ import annotations

import os
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import Daemon, receive
from harness.process import check_idle
from harness.updates import wait_until

CONNECTIONS = 64
CPU_MAX = 0.05  # of a core; before handshakes were suspended it was all of them
PLENTY = {"limits": {"connections_per_address": 1000, "request_s": 60}}


def client_hello(version: ssl.TLSVersion) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def open_sockets(pid: int) -> int:
    count = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(path).startswith("socket:")
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


def plain(d: Daemon) -> socket.socket:
    parts = urlsplit(d.url)
    return socket.create_connection((parts.hostname, parts.port), 20)


def wait_taken(d: Daemon) -> None:
    """Until the kernel holds nothing for the daemon, neither a connection nor a byte: it has workers that may be late."""
    place = f"0100007F:{int(d.url.rpartition(':')[2]):04X}"

    def held() -> int:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return sum(int(row[4].partition(":")[2], 16) for row in rows if row[1] == place)  # see proc(5)

    wait_until(lambda: held() == 0, "it does not take what has come")


HELLO_12, HELLO_13 = client_hello(ssl.TLSVersion.TLSv1_2), client_hello(ssl.TLSVersion.TLSv1_3)
BEGINNINGS = {
    "nothing": b"",
    "one byte": b"\x16",
    "half a ClientHello": HELLO_13[: len(HELLO_13) // 2],
    "a ClientHello of TLS 1.3": HELLO_13,
    "a ClientHello of TLS 1.2": HELLO_12,
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_silence_costs_nothing(daemon, beginning):
    d = daemon(settings=PLENTY)
    sent = BEGINNINGS[beginning]
    silent = [plain(d) for _ in range(CONNECTIONS)]
    try:
        for connection in silent:
            connection.sendall(sent)
        if sent in (HELLO_12, HELLO_13):
            assert all(connection.recv(1) == b"\x16" for connection in silent)  # the server's turn is over
        wait_taken(d)  # and so it is here
        check_idle(d.pid, CPU_MAX)
        assert d.get().status == 200
    finally:
        for connection in silent:
            connection.close()


CHUNK = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;"


@pytest.mark.parametrize("length", [24576 - len(CHUNK), 40000], ids=["that fills the memory", "that is longer"])
def test_a_chunk_head_without_an_end_costs_nothing(daemon, length):
    """Where libmicrohttpd has no room to read on, it would go round and round; the longer one is answered."""
    d = daemon(settings=PLENTY)
    connections = [d.connect() for _ in range(8)]
    try:
        for connection in connections:
            connection.sendall(CHUNK + b"x" * length)
        if length == 40000:
            assert all(receive(connection).status == 400 for connection in connections)
        else:
            wait_taken(d)
        assert d.get().status == 200
        check_idle(d.pid, CPU_MAX)
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("piece", [1, 100])
def test_a_client_that_sends_in_small_pieces(daemon, version, piece):
    """Each piece wakes the handshake, and it comes to its end."""
    d = daemon()
    context = d.tls_context()
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with plain(d) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(action):
            while True:
                try:
                    result = action()
                except ssl.SSLWantReadError:
                    result = None
                data = outgoing.read()
                for at in range(0, len(data), piece):
                    connection.sendall(data[at : at + piece])
                if result is not None:
                    return result
                got = connection.recv(65536)
                assert got, "the server closed the connection"
                incoming.write(got)

        step(lambda: tls.do_handshake() or True)
        step(lambda: tls.write(b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert step(lambda: tls.read(65536)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_leaves_in_the_middle(daemon, beginning, reset):
    """Its descriptor is closed at once, whatever it has said."""
    d = daemon(settings=PLENTY)
    before = open_sockets(d.pid)
    left = [plain(d) for _ in range(20)]
    for connection in left:
        connection.sendall(BEGINNINGS[beginning])
    wait_until(lambda: open_sockets(d.pid) >= before + len(left), "they are not all accepted")
    for connection in left:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    wait_until(lambda: open_sockets(d.pid) <= before, "their descriptors are still open")
    assert d.get().status == 200


def test_time_is_up_for_who_says_nothing(daemon):
    d = daemon(settings={"limits": {"request_s": 1}})
    began = time.monotonic()
    with plain(d) as connection:
        assert connection.recv(1) == b""
        assert time.monotonic() - began > 0.5


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_time_is_up_for_a_silent_client(daemon, beginning):
    """A reload makes it short, so that there was time to send all of that."""
    d = daemon(settings=PLENTY)
    began = time.monotonic()
    with plain(d) as connection:
        connection.sendall(BEGINNINGS[beginning])
        wait_taken(d)
        d.reload_with({"limits": {"request_s": 1}})
        while connection.recv(65536):
            pass
        assert time.monotonic() - began > 0.5


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_stopping_with_handshakes_under_way(daemon, beginning):
    """libmicrohttpd aborts over what is suspended when it is stopped."""
    d = daemon(settings=PLENTY)
    silent = [plain(d) for _ in range(CONNECTIONS)]
    for connection in silent:
        connection.sendall(BEGINNINGS[beginning])
    wait_taken(d)
    assert d.get().status == 200
    d.stop()
    for connection in silent:
        connection.close()
