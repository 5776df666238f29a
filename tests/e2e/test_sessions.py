"""TLS sessions: records that are joined, answers that a slow client takes late, sessions that are resumed."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import Daemon, free_port, receive

GET = b"GET /?mode=get HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = GET.replace(b"GET ", b"HEAD ", 1)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def context_of(d: Daemon, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = d.tls_context()
    context.minimum_version = context.maximum_version = version
    return context


# ---- records ----


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_is_one_record(daemon, version):
    """OpenSSL hands over one record at a time, so that one recv() is one record."""
    d = daemon()
    parts = urlsplit(d.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as plain:
        with context_of(d, version).wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            for request, ends in ((GET, b"}"), (HEAD, b"\r\n\r\n"), (GET, b"}")):
                connection.sendall(request)
                answer = connection.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(ends), answer
            connection.sendall(GET.replace(b"?mode=get", b"nowhere"))
            assert connection.recv(65536).endswith(b"check the URL against the manual\n")


def held_for(connection: socket.socket) -> int:
    """Bytes that the kernel holds for this client, and has no room for in the client's socket (proc(5))."""
    place, of_client = (f"0100007F:{name[1]:04X}" for name in (connection.getpeername(), connection.getsockname()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if row[1:3] == [place, of_client])


def test_a_client_that_sends_much_and_reads_late(daemon):
    """The server stops where the socket is full, and loses nothing: neither a head that waits for its body, nor a record
    that was sent in part."""
    d = daemon(settings={"limits": {"reads_per_minute": 1000000, "request_s": 60}})
    count = 60000

    def answered() -> float:
        return d.metrics().sum("ddns53_requests_total", dialect="query", result="good")

    answers: list[bytes] = []
    with d.connect() as connection:
        connection.sendall(count * GET)
        before = -1.0
        while (now := answered()) < count and (now != before or not held_for(connection)):  # it is busy, or late
            before = now
            time.sleep(0.1)
        assert now < count, "all answers fit into the socket; ask for more"
        while len(answers) < count:
            answers.append(connection.recv(65536))
            assert answers[-1], "the server closed the connection"
    assert all(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"}") for answer in answers)
    assert len({len(answer) for answer in answers}) == 1


# ---- sessions that are resumed ----


def visit(d: Daemon, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> tuple[bool, ssl.SSLSession]:
    """Was the session resumed, and the one to come back with: its ticket has come with the answer."""
    parts = urlsplit(d.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as plain:
        with context.wrap_socket(plain, server_hostname=parts.hostname, session=session) as connection:
            connection.sendall(GET)
            assert receive(connection).status == 200
            resumed = bool(connection.session_reused)
            assert connection.session is not None and connection.session.has_ticket
            return resumed, connection.session


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed(daemon, version):
    d = daemon()
    context = context_of(d, version)
    resumed, session = visit(d, context)
    assert not resumed
    for _ in range(3):
        resumed, session = visit(d, context, session)
        assert resumed


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_after_a_reload(daemon, version):
    """Also where the reload brings other settings of the server."""
    d = daemon()
    context = context_of(d, version)
    _, session = visit(d, context)
    d.settings["limits"] = {"request_s": 20}
    d.write_config()
    d.reload()
    assert visit(d, context, session)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_not_resumed_by_another_process(daemon, version):
    """The key is nowhere but in the process. The client makes a full handshake, and is served."""
    d = daemon(settings={"server": {"listen": [f"127.0.0.1:{free_port()}"]}})
    context = context_of(d, version)
    _, session = visit(d, context)
    d.stop()
    d.start()
    resumed, session = visit(d, context, session)
    assert not resumed
    assert visit(d, context, session)[0]


def test_openssl_resumes(daemon, tmp_path):
    d = daemon()
    address = d.url.partition("//")[2]
    tls = tmp_path / "session.pem"

    def s_client(*arguments: str) -> str:
        command = ["openssl", "s_client", "-connect", address, "-CAfile", str(d.ca.path), "-ign_eof", *arguments]
        request = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        return subprocess.run(command, input=request, capture_output=True, timeout=30, check=True).stdout.decode()

    assert "\nNew, TLSv1.3" in s_client("-sess_out", str(tls))
    d.reload()
    assert "\nReused, TLSv1.3" in s_client("-sess_in", str(tls))
