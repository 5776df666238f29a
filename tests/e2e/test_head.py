"""HEAD: what monitors ask. As GET without a body where nothing can change, and refused where something can."""

from __future__ import annotations

import base64

import pytest

from harness import BEHIND_PROXY, SECRET, hash_token, host, merged, query_target, receive

HOME = "home.example.test."
PATHS = ["/?mode=get", "/ip", "/ip/", "/checkip", "/nic/checkip", "/ip?x=y"]


def answered(d, method: str, target: str, *headers: str):
    """The answer's status and headers; that of HEAD must not have a body, or the next one would begin with it."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]
    with d.connect(timeout=20) as connection:
        for _ in range(2):
            connection.sendall("\r\n".join(lines).encode())
            answer = receive(connection, method)
        connection.sendall(b"GET /ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert receive(connection).text == "127.0.0.1\n"
    sent = {name: value for name, value in answer.headers.items() if name != "Date"}
    return answer.status, sent


@pytest.mark.parametrize("target", PATHS)
def test_head_is_get_without_a_body(daemon, target):
    d = daemon()
    assert answered(d, "HEAD", target) == answered(d, "GET", target)
    status, headers = answered(d, "HEAD", target)
    assert status == 200 and int(headers["Content-Length"]) > 0 and headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("target", ["/healthz", "/metrics"])
def test_head_of_the_admin_listener(daemon, target):
    d = daemon()
    by_get, by_head = (d.request(target, method, url=d.admin_url) for method in ("GET", "HEAD"))
    assert by_head.status == by_get.status == 200 and by_head.body == b""
    assert by_head.headers["Content-Type"] == by_get.headers["Content-Type"]
    assert int(by_head.headers["Content-Length"]) > 0
    if target == "/healthz":
        assert by_head.headers["Content-Length"] == by_get.headers["Content-Length"]


def test_head_counts_for_the_limit(daemon):
    d = daemon(settings=merged(BEHIND_PROXY, {"limits": {"reads_per_minute": 3}}))
    statuses = [d.request("/ip", "HEAD", {"X-Forwarded-For": "198.18.7.9"}).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_head_never_changes_anything(daemon):
    d = daemon(hosts=[host(HOME, "A", allow_internal=True, auth=["hash", "secret", "basic"])])
    token = hash_token("127.0.0.1", HOME, SECRET)
    basic = {"Authorization": "Basic " + base64.b64encode(f"any:{SECRET}".encode()).decode()}
    asked = [
        (query_target({"mode": "set", "hostname": HOME, "hash": token}), {}),
        (query_target({"mode": "list_hosts", "hostname": HOME, "hash": token}), {}),
        (query_target({"mode": "nonsense"}), {}),
        (query_target({"mode": "get", "x": None}) + "&mode=set", {}),
        ("/", {}),
        (query_target({"secret": SECRET, "hostname": HOME, "newip": "198.18.7.9"}), {}),
        (query_target({"hostname": HOME, "myip": "198.18.7.9"}, "/nic/update"), basic),
        (query_target({"hostname": HOME, "myip": "198.18.7.9"}, "/update"), basic),
        (query_target({"hostname": HOME, "myip": "198.18.7.9"}, "/v3/update"), basic),
    ]
    for target, headers in asked:
        answer = d.request(target, "HEAD", headers)
        assert answer.status == 405 and answer.headers["Allow"] == "GET, POST" and answer.body == b""
    assert d.request("/nothing", "HEAD").status == 404
    assert d.metrics().sum("ddns53_requests_total", result="good") == 0
    d.stop()
    assert not d.log_lines("event=(update|auth_failure)")
    assert "198.18.7.9" not in d.zone_file().read_text()
