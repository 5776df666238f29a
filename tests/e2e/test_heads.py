"""Heads and bodies that two readers could read in two ways: one answer of ours, the connection closed, nothing run."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import ExitStack
from typing import Iterator

import pytest

from harness import BEHIND_PROXY, Daemon, host, merged, receive

OPEN = {"limits": {"reads_per_minute": 100000, "request_s": 20}}
PLAIN = {"server": {"tls": False, "certificate": None, "private_key": None}}
SECOND = b"GET /ip HTTP/1.1\r\nHost: second\r\n\r\n"  # what must never be run as a request of its own
FORM = b"mode=get"


@pytest.fixture(scope="module", params=["tls", "plain"])
def shared(request, ca, tmp_path_factory) -> Iterator[Daemon]:
    settings = merged(merged(BEHIND_PROXY, OPEN), PLAIN if request.param == "plain" else {})
    with ExitStack() as stack:
        hosts = [host("home.example.test.", "A", allow_internal=True)]
        made = Daemon(tmp_path_factory.mktemp(request.param), ca, settings, hosts)
        stack.callback(made.close)
        yield made.start()


def dialogue(d: Daemon, sent: bytes) -> bytes:
    """All that the server says to these bytes until it closes; a server that does not close is a time-out."""
    with d.connect(timeout=20) as connection:
        try:
            connection.sendall(sent)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass  # it has answered before the end
        return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except (ConnectionResetError, ssl.SSLEOFError):
        pass
    return received


def handled(d: Daemon) -> float:
    """Requests that a handler has seen."""
    metrics = d.metrics()
    refused = metrics.sum("ddns53_requests_total", dialect="server")
    return metrics.sum("ddns53_requests_total") - refused - metrics.sum("ddns53_requests_total", dialect="admin")


def heads(received: bytes) -> int:
    return len(re.findall(rb"HTTP/1\.[01] \d{3} ", received))


def one_head(received: bytes) -> tuple[int, bytes]:
    """Status and body of the only answer, which is in our words."""
    assert heads(received) == 1, received
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert headers.count(b"content-length") == 1 and headers.count(b"cache-control") == 1, received
    assert b"Cache-Control: no-store" in lines and b"Connection: close" in lines, received
    assert f"Content-Length: {len(body)}".encode() in lines, received
    assert b"microhttpd" not in received.lower() and b"<html" not in received.lower(), received
    assert body.endswith(b"\n") and len(body) > 20, received
    return int(lines[0].split()[1]), body


def get(*lines: bytes) -> bytes:
    return b"".join([b"GET /?mode=get HTTP/1.1\r\nHost: x\r\n", *(line + b"\r\n" for line in lines), b"\r\n"])


def post(body: bytes, *lines: bytes) -> bytes:
    return b"".join([b"POST / HTTP/1.1\r\nHost: x\r\n", *(line + b"\r\n" for line in lines), b"\r\n", body])


LENGTH = str(len(SECOND)).encode()
REFUSED = {
    # a header that goes on in the next line (RFC 9112 section 5.2)
    "fold that makes a name": get(b"X-Forwarded: 6.6.6.6\r\n -For"),
    "fold that makes a name, tab": get(b"X-Forwarded: 6.6.6.6\r\n\t-For"),
    "fold with a colon": get(b"X-Forwarded: 6.6.6.6\r\n -For: 7.7.7.7"),
    "fold of a value": get(b"X-Test: one\r\n two"),
    "fold of nothing": get(b"X-Test: one\r\n "),
    "fold of the last byte": get(b"A:\r\n b"),
    "two folds": get(b"X-Test: one\r\n two\r\n three"),
    "fold of the request line": get().replace(b"Host: x", b" Host: x"),
    "fold of a length": post(SECOND, b"Content-Length:\r\n " + LENGTH),
    "fold after a length": post(SECOND, b"Content-Length: 0\r\n " + LENGTH),
    "fold of an encoding": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding:\r\n chunked"),
    "fold after an encoding": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding: chunked\r\n , x"),
    # what is no name (section 5.1)
    "blank before the colon": get(b"X-Test : 1"),
    "blank before a length's colon": post(SECOND, b"Content-Length : " + LENGTH),
    "tab before a length's colon": post(SECOND, b"Content-Length\t: " + LENGTH),
    "blank before a length": post(SECOND, b" Content-Length: " + LENGTH),
    "blank before an encoding's colon": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding : chunked"),
    "vertical tab in an encoding's name": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding\x0b: chunked"),
    "no name": get(b": value"),
    "no name and no value": get(b"X-Test: 1", b":", b"X-Forwarded-For: 6.6.6.6"),
    "no name and no value at the end": get(b"X-Test: 1")[:-2] + b":\n" + SECOND,
    "no name and no value, CR LF at the end": get(b"X-Test: 1")[:-2] + b":\r\n" + SECOND,
    "no name and no value after LF alone": get(b"X-Test:")[:-4] + b"\n:\r\n" + SECOND,
    "no name in a first header": get().replace(b"Host", b""),
    "no colon": get(b"X-Test"),
    "blank in a name": get(b"X Test: 1"),
    "bracket in a name": get(b"X(Test): 1"),
    "letter that is not ASCII in a name": get("Größe: 1".encode()),
    # characters that end a text for one reader and not for another
    "NUL in a name": get(b"X-Forwarded\0-For: 1"),
    "NUL in a length's name": post(SECOND, b"Content-Length\0: " + LENGTH),
    "NUL in a value": get(b"X-Test: a\0b"),
    "NUL at the end of a value": get(b"X-Test: a\0"),
    "NUL in a length": post(SECOND, b"Content-Length: 0\0" + LENGTH),
    "NUL at the start of a line": get(b"X-Test: 1", b"\0"),
    "NUL that ends the headers": get(b"X-Test: 1", b"\0X-Api-Key: 1"),
    "NUL in the last line": get(b"X-Test: 1")[:-4] + b"\n\0x\n",
    "NUL and lone LF at the end": get(b"X-Test: 1\0")[:-2] + b"\0\n",
    "NUL after the first line": get().replace(b"Host: x", b"\0Host: x"),
    "NUL in the method": get().replace(b"GET", b"GE\0T"),
    "NUL after the method": get().replace(b"GET", b"GET\0"),
    "NUL in the target": get().replace(b"=get", b"=get\0&x"),
    "NUL after the target": get().replace(b"=get", b"=get\0"),
    "NUL in the version": get().replace(b"/1.1", b"/1.1\0"),
    "CR in a value": get(b"X-Test: a\rb"),
    "CR in a name": get(b"X\r-Test: a"),
    "CR alone as a line's end": get(b"X-Test: a\rX-Forwarded-For: 6.6.6.6"),
    "LF alone as a line's end": get(b"X-Test: a\nX-Forwarded-For: 6.6.6.6"),
    "LF alone after the first line": get().replace(b"1.1\r\n", b"1.1\n"),
    "LF alone after the headers": get()[:-2] + b"\n",
    "CR twice": get(b"X-Test: a\r"),
    "control character in a value": get(b"X-Test: a\x01"),
    "DEL in a value": get(b"X-Test: a\x7f"),
    # the first line (section 3)
    "two blanks before the target": get().replace(b"GET ", b"GET  "),
    "two blanks after the target": get().replace(b" HTTP", b"  HTTP"),
    "tab in the line": get().replace(b" HTTP", b"\tHTTP"),
    "blank after the version": get().replace(b"1.1", b"1.1 "),
    "a method that is no name": get().replace(b"GET", b"G(T)"),
    "no version": b"GET /?mode=get\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
    "a version that is none": get().replace(b"1.1", b"1.x"),
    "lower case": get().replace(b"HTTP", b"http"),
    # the length of the body (section 6.3)
    "a length that is a word": post(SECOND, b"Content-Length: abc"),
    "a length with a word": post(SECOND, b"Content-Length: 3abc"),
    "an empty length": post(SECOND, b"Content-Length:"),
    "a signed length": post(SECOND, b"Content-Length: +" + LENGTH),
    "a negative length": post(SECOND, b"Content-Length: -1"),
    "a list of lengths": post(SECOND, b"Content-Length: " + LENGTH + b", " + LENGTH),
    "a hexadecimal length": post(SECOND, b"Content-Length: 0x10"),
    "two lengths": post(SECOND, b"Content-Length: 0", b"Content-Length: " + LENGTH),
    "a length and an encoding": post(b"0\r\n\r\n" + SECOND, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "an encoding and a bad length": post(b"0\r\n\r\n", b"Transfer-Encoding: chunked", b"Content-Length: x"),
    "an unknown encoding": post(SECOND, b"Transfer-Encoding: identity"),
    "an empty encoding": post(SECOND, b"Transfer-Encoding:"),
    "two encodings": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding: gzip, chunked"),
    "an encoding twice": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "an encoding with a parameter": post(b"0\r\n\r\n" + SECOND, b"Transfer-Encoding: chunked;q=1"),
    "cookies and a bad length": post(SECOND, b"Cookie: " + b"a=b; " * 2000, b"Content-Length: abc"),
    # chunks (section 7.1)
    "a chunk without a size": post(b";x\r\n" + SECOND, b"Transfer-Encoding: chunked"),
    "a chunk size that is none": post(b"zz\r\n" + SECOND, b"Transfer-Encoding: chunked"),
    "a chunk size with a blank": post(b"0 \r\n\r\n" + SECOND, b"Transfer-Encoding: chunked"),
    "a chunk that is longer than it says": post(b"1\r\nabc\r\n0\r\n\r\n" + SECOND, b"Transfer-Encoding: chunked"),
    "a chunk extension of 40 KB": post(b"1;" + b"x" * 40000 + b"\r\n", b"Transfer-Encoding: chunked"),
    "a trailer without a colon": post(b"0\r\nno colon\r\n\r\n" + SECOND, b"Transfer-Encoding: chunked"),
}
TOO_LARGE = {
    "a line of 40 KB": (get().replace(b"=get", b"=" + b"g" * 40000), 414),
    "a line of 5 KB": (get().replace(b"=get", b"=" + b"g" * 5000), 414),
    "a header of 40 KB": (get(b"X-Test: " + b"x" * 40000), 431),
    "a header of 17 KB": (get(b"X-Test: " + b"x" * 17000), 431),
    "2,000 headers": (get(*[b"X: y"] * 2000), 431),
    "a length past all numbers": (post(SECOND, b"Content-Length: " + b"9" * 30), 413),
    "cookies and such a length": (post(SECOND, b"Cookie: " + b"a=b; " * 2000, b"Content-Length: " + b"9" * 30), 413),
    "a long body": (post(b"", b"Content-Length: 8193"), 413),
    "a chunk past all numbers": (post(b"f" * 30 + b"\r\n", b"Transfer-Encoding: chunked"), 413),
    "version 2": (get().replace(b"1.1", b"2.0"), 505),
    "version 0.9": (get().replace(b"1.1", b"0.9"), 505),
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_a_handler_sees_it(shared, sent):
    before = handled(shared)
    status, body = one_head(dialogue(shared, sent))
    assert status == 400 and b";" in body  # says what to do
    assert handled(shared) == before


@pytest.mark.parametrize("sent, status", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_too_large(shared, sent, status):
    before = handled(shared)
    assert one_head(dialogue(shared, sent))[0] == status
    assert handled(shared) == before


@pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"\r\n\r\n\0\r\n", b"GET\r\n\r\n"], ids=["word", "NUL", "method"])
def test_no_request_is_at_most_one_answer(shared, sent):
    before = handled(shared)
    with shared.connect(timeout=20) as connection:
        connection.sendall(sent + SECOND[:-2])  # never complete
        try:
            shared.reload_with({"limits": {"request_s": 1}})  # for those as well that have begun
            received = rest_of(connection)
        finally:
            shared.reload_with(OPEN)
    assert heads(received) <= 1 and handled(shared) == before


def test_a_refusal_is_logged_with_its_reason_and_counted(daemon):
    d = daemon(settings=PLAIN)
    sent = {
        "head": get(b"X-Test: a\x01b"),
        "malformed": get(b"X-Test: a\0b"),
        "ambiguous_body": post(b"", b"Content-Length: x"),
        "headers_too_large": get(b"X-Test: " + b"x" * 40000),
    }
    for result, request in sent.items():
        mark = d.log_mark()
        status = one_head(dialogue(d, request))[0]
        d.wait_log(rf"event=refused dialect=server source=127\.0\.0\.1 status={status} result={result}", since=mark)
    mark = d.log_mark()
    assert one_head(dialogue(d, get().replace(b"1.1", b"1.x")))[0] == 400  # before there is even a target
    d.wait_log(r"event=refused dialect=server source=127\.0\.0\.1 status=400 result=malformed", since=mark)
    counted = {result: d.metrics().sum("ddns53_requests_total", dialect="server", result=result) for result in sent}
    assert counted == {"head": 1, "malformed": 2, "ambiguous_body": 1, "headers_too_large": 1}


# ---- bodies whose end only one reader sees ----

CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "body",
    [
        b"8\r\nmode=get\r\n0\r\n\r\n",
        b"8\r\nmode=get\r\n0\r\n\0: x\r\n",
        b"8\r\nmode=get\r\n0\r\nX-Test: 1\r\n\0\r\n",
        b"8\r\nmode=get\r\n0\r\nX: 1\r\n\0Y: 2\r\n",
        b"8\nmode=get\n0\n\n",
    ],
    ids=["whole", "NUL trailer", "NUL ends the trailers", "NUL before a trailer", "LF alone"],
)
def test_nothing_is_run_after_a_chunked_body(shared, body):
    """Where its end lies is libmicrohttpd's word alone: so it is the last of its connection."""
    before = handled(shared)
    received = dialogue(shared, post(body + SECOND, CHUNKED))
    assert heads(received) == 1 and b"Connection: close" in received
    assert handled(shared) <= before + 1


# ---- what must go on working ----

SERVED = {
    "blanks around a value": get(b"X-Forwarded-For: \t 198.18.7.9 \t "),
    "no blank": get(b"X-Forwarded-For:198.18.7.9"),
    "lower case": get(b"x-forwarded-for: 198.18.7.9"),
    "upper case": get(b"X-FORWARDED-FOR: 198.18.7.9"),
    "an empty value": get(b"X-Test:", b"X-Forwarded-For: 198.18.7.9"),
    "an empty value of blanks": get(b"X-Test: \t ", b"X-Forwarded-For: 198.18.7.9"),
    "an empty last value": get(b"X-Forwarded-For: 198.18.7.9", b"X-Test:"),
    "every character of a name": get(b"!#$%&'*+-.^_`|~09azAZ: x", b"X-Forwarded-For: 198.18.7.9"),
    "a tab and letters that are not ASCII in a value": get(
        b"X-Test: a\tb \xc3\xa4 \xff :;,\"'", b"X-Forwarded-For: 198.18.7.9"
    ),
    "100 headers": get(*[b"X-Test: yes"] * 100, b"X-Forwarded-For: 198.18.7.9"),
    "15 KB of a header": get(b"X-Test: " + b"x" * 15000, b"X-Forwarded-For: 198.18.7.9"),
    "2,000 cookies": get(b"Cookie: " + b"a=b; " * 2000, b"X-Forwarded-For: 198.18.7.9"),
    "an empty line before it": b"\r\n" + get(b"X-Forwarded-For: 198.18.7.9"),
    "HTTP/1.0": get(b"X-Forwarded-For: 198.18.7.9").replace(b"1.1", b"1.0"),
    "HTTP/1.0 without headers but one": b"GET /?mode=get HTTP/1.0\r\nX-Forwarded-For: 198.18.7.9\r\n\r\n",
    "a long target": get(b"X-Forwarded-For: 198.18.7.9").replace(b"?", b"?" + b"x=%20&" * 300),
    "a form": post(FORM, b"Content-Length: 8", b"X-Forwarded-For: 198.18.7.9"),
    "a form, twice its length": post(FORM, *[b"Content-Length: 8"] * 2, b"X-Forwarded-For: 198.18.7.9"),
    "a form, blanks around its length": post(FORM, b"Content-Length: \t8 \t", b"X-Forwarded-For: 198.18.7.9"),
    "a form, its length in lower case": post(FORM, b"content-length:08", b"X-Forwarded-For: 198.18.7.9"),
    "a form in chunks": post(b"5\r\nmode=\r\n3\r\nget\r\n0\r\n\r\n", CHUNKED, b"X-Forwarded-For: 198.18.7.9"),
    "a form in chunks, blanks after the encoding": post(
        b"8\r\nmode=get\r\n0\r\n\r\n", b"Transfer-Encoding: Chunked \t", b"X-Forwarded-For: 198.18.7.9"
    ),
    "a form in chunks with extensions": post(
        b'8;name="value";x\r\nmode=get\r\n0;last\r\n\r\n', CHUNKED, b"X-Forwarded-For: 198.18.7.9"
    ),
    "a form in chunks with a trailer": post(
        b"8\r\nmode=get\r\n0\r\nX-Checksum: 1\r\n\r\n", CHUNKED, b"X-Forwarded-For: 198.18.7.9"
    ),
}


@pytest.mark.parametrize("sent", SERVED.values(), ids=SERVED.keys())
@pytest.mark.parametrize("pieces", ["whole", "byte by byte"])
def test_served(shared, sent, pieces):
    if pieces == "byte by byte" and len(sent) > 600:
        sent = sent[:100] + sent[100:]  # whole as well: thousands of TLS records teach nothing more
        pieces = "whole"
    with shared.connect(timeout=20) as connection:
        for part in [sent] if pieces == "whole" else [sent[i : i + 1] for i in range(len(sent))]:
            connection.sendall(part)
        answer = receive(connection)
    assert answer.status == 200 and answer.message == "198.18.7.9"


def test_kept_connections_and_pipelines(shared):
    requests = [
        get(b"X-Forwarded-For: 198.18.7.1"),
        post(FORM, b"Content-Length: 8", b"X-Forwarded-For: 198.18.7.2"),
        get(b"Cookie: " + b"a=b; " * 2000, b"X-Forwarded-For: 198.18.7.3"),
        get(b"X-Forwarded-For: 198.18.7.4"),
        get(b"X-Test: a\0b", b"X-Forwarded-For: 198.18.7.5"),
        get(b"X-Forwarded-For: 198.18.7.6"),
    ]
    received = dialogue(shared, b"".join(requests))
    assert [number for number in range(1, 7) if b"198.18.7.%d" % number in received] == [1, 2, 3, 4]
    assert received.count(b"HTTP/1.1 200") == 4 and heads(received) == 5
    one_head(received[received.rindex(b"HTTP/1.1 ") :])
    with shared.connect(timeout=20) as kept:
        for request in requests[:4]:
            kept.sendall(request)
            assert receive(kept).status == 200


def test_expect_continue(shared):
    with shared.connect(timeout=20) as connection:
        connection.sendall(
            post(b"", b"Content-Length: 8", b"Expect: 100-continue", b"X-Forwarded-For: 198.18.7.9")
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        assert received == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(FORM)
        assert receive(connection).message == "198.18.7.9"


def test_no_continue_for_what_is_refused(shared):
    for line in (b"Content-Length : 8", b"Content-Length: x", b"Transfer-Encoding:\r\n chunked"):
        assert one_head(dialogue(shared, post(b"", line, b"Expect: 100-continue")))[0] == 400


def test_the_admin_listener_is_as_strict(shared):
    port = int(shared.admin_url.rpartition(":")[2])
    for sent in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length : 37\r\n\r\n" + SECOND,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n" + SECOND,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Test: a\0b\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
    ):
        received = b""
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(sent)
            while part := connection.recv(4096):
                received += part
        assert one_head(received)[0] in (400, 505)
