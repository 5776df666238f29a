"""TLS sessions: records that are joined, answers that a slow client takes late, sessions that are resumed."""

from __future__ import annotations

import select
import socket
import ssl
from urllib.parse import urlsplit

import pytest

from harness import Daemon, receive

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


def test_a_client_that_sends_much_and_reads_late(daemon):
    """The server stops where the socket is full, and loses nothing: neither a head that waits for its body, nor a record
    that was sent in part."""
    d = daemon(settings={"limits": {"reads_per_minute": 1000000, "request_s": 60}})
    parts = urlsplit(d.url)
    count = 20000
    left, answers = count * GET.replace(b"Host", b"X-Padding: " + 800 * b"x" + b"\r\nHost"), []
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(20)
    plain.connect((parts.hostname, parts.port))
    with d.tls_context().wrap_socket(plain, server_hostname=parts.hostname) as connection:
        connection.setblocking(False)

        def send() -> None:
            nonlocal left
            while left:
                left = left[connection.send(left[:16000]) :]

        with pytest.raises(ssl.SSLWantWriteError):
            while True:
                send()
                assert left, "all was taken; send more"
        # Both directions are full: nothing moves for so long.
        while select.select([], [connection], [], 0.3)[1]:
            with pytest.raises(ssl.SSLWantWriteError):
                send()
        while len(answers) < count:
            try:
                answers.append(connection.recv(65536))
                assert answers[-1], "the server closed the connection"
            except ssl.SSLWantReadError:
                assert select.select([connection], [], [], 20)[0], f"{len(answers)} answers, then silence"
            try:
                send()
            except ssl.SSLWantWriteError:
                pass
    assert all(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"}") for answer in answers)
    assert len({len(answer) for answer in answers}) == 1
