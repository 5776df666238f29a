"""list_hosts of a group so large that its answer is made while it is sent."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import pytest

from harness import BEHIND_PROXY, SECRET, hash_token, merged, query_target

COUNT = 20000
FIRST = "h00000.example.test."
# A client that does not read for a while is not to be late for the limit on that.
SETTINGS = merged(BEHIND_PROXY, {"server": {"threads": 1}, "limits": {"reads_per_minute": 100000, "request_s": 60}})


def target(source: str) -> str:
    return query_target({"mode": "list_hosts", "hostname": FIRST, "hash": hash_token(source, FIRST, SECRET)})


@pytest.fixture
def many(daemon):
    d = daemon(start=False, settings=SETTINGS, hosts=[])
    rows = (
        f"- hostname: h{number:05}.example.test.\n  record_type: A\n  shared_secret: {SECRET}\n  read_privilege: true\n"
        for number in range(COUNT)
    )
    d.write_hosts_text("hosts:\n" + "".join(rows))
    return d.start()


def check(body: bytes) -> None:
    answer = json.loads(body)
    assert answer["return_status"] == "success"
    assert [row["hostname"] for row in answer["return_message"]] == [f"h{n:05}.example.test." for n in range(COUNT)]


def test_a_long_list_is_whole(many):
    """In chunks, and the connection lives on; or up to its end, as HTTP/1.0 has it."""
    client = many.client()
    for _ in range(2):
        answer = client.request(target("198.18.7.9"), headers={"X-Forwarded-For": "198.18.7.9"})
        assert answer.status == 200
        assert answer.headers["Transfer-Encoding"] == "chunked" and answer.headers["Content-Length"] is None
        assert answer.headers["Cache-Control"] == "no-store"
        check(answer.body)
    assert client.request("/?mode=get", headers={"X-Forwarded-For": "198.18.7.9"}).status == 200
    with many.connect() as connection:
        connection.sendall(f"GET {target('198.18.7.9')} HTTP/1.0\r\nX-Forwarded-For: 198.18.7.9\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.headers["Transfer-Encoding"] is None
        check(response.read())


def test_who_does_not_read_it_holds_nobody(many):
    """A client that stops reading, with the only worker: others are served meanwhile, and a reload does not change what
    is sent."""
    with many.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(
            f"GET {target('198.18.7.9')} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.18.7.9\r\n\r\n".encode()
        )
        assert slow.recv(1) == b"H"
        assert many.get(via="198.18.7.10").status == 200
        many.write_config()  # no hosts
        assert "removed=20000" in many.reload()
        assert many.get(via="198.18.7.10").status == 200
        rest = bytearray()
        while not rest.endswith(b"0\r\n\r\n"):
            part = slow.recv(65536)
            assert part
            rest += part
    assert b'"h00000.example.test."' in rest and b"h19999.example.test." in rest


def test_who_leaves_in_the_middle(many):
    threads = []
    for _ in range(4):

        def ask() -> None:
            with many.connect() as connection:
                connection.sendall(
                    f"GET {target('198.18.7.9')} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.18.7.9\r\n\r\n".encode()
                )
                assert connection.recv(4096)

        threads.append(threading.Thread(target=ask))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert many.get(via="198.18.7.10").status == 200
