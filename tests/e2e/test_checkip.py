"""What is my address: the two spellings that routers and scripts know."""

from __future__ import annotations

import http.client
import re
import socket

import pytest

from harness import BEHIND_PROXY, merged
from harness.dialects import check_headers

HTML = "<html><head><title>Current IP Check</title></head><body>Current IP Address: {}</body></html>\n"
SOURCES = [("198.18.7.9", "198.18.7.9"), ("2001:DB8:0:0::9", "2001:db8::9"), ("::ffff:198.18.7.9", "198.18.7.9")]


@pytest.mark.parametrize("sent, printed", SOURCES)
def test_plain_and_html(daemon, sent, printed):
    d = daemon(settings=BEHIND_PROXY)
    headers = {"X-Forwarded-For": sent}
    for path in ("/ip", "/ip/", "//ip", "/ip?x=y"):
        answer = d.request(path, headers=headers)
        assert (answer.status, answer.text) == (200, printed + "\n")
        check_headers(answer)
    for path in ("/checkip", "/nic/checkip", "/checkip/", "/nic//checkip"):
        answer = d.request(path, headers=headers)
        assert (answer.status, answer.text) == (200, HTML.format(printed))
        check_headers(answer, "text/html; charset=utf-8")
        found = re.search(r"Current IP Address: ([0-9a-f.:]+)", answer.text)  # as ddclient and inadyn look for it
        assert found and found[1] == printed
    assert d.metrics().value("ddns53_requests_total", dialect="checkip", result="good") == 8
    assert d.request("/ip/x", headers=headers).status == d.request("/checkips", headers=headers).status == 404


def test_no_credentials_but_a_limit(daemon):
    settings = merged(BEHIND_PROXY, {"limits": {"reads_per_minute": 3}})
    d = daemon(settings=settings)
    headers = {"X-Forwarded-For": "198.18.7.9"}
    for path in ("/ip", "/checkip", "/?mode=get"):
        assert d.request(path, headers=headers).status == 200
    for path in ("/ip", "/nic/checkip"):
        answer = d.request(path, headers=headers)
        assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1
        assert not re.search(r"\d+\.\d+\.\d+\.\d+", answer.text)  # what a client would take for its address
        check_headers(answer)
    assert d.request("/ip", headers={"X-Forwarded-For": "198.18.7.10"}).status == 200


def test_behind_a_proxy_that_does_not_say_who_asks(daemon, tmp_path):
    path = tmp_path / "api.sock"
    d = daemon(
        settings={"server": {"listen": [f"unix:{path}"], "tls": False, "certificate": None, "private_key": None}}
    )
    assert d.process.running
    for target in ("/ip", "/checkip"):
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", target)
        answer = connection.getresponse()
        assert (answer.status, b"X-Forwarded-For" in answer.read()) == (400, True)
        connection.close()
