"""The query API's JSON form."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest

from harness import (
    BEHIND_PROXY,
    SECRET,
    Daemon,
    Response,
    hash_token,
    host,
    keep_confidential,
    merged,
    signed_parameters,
)
from harness.dialects import check_headers, zone_values

HOME = "home.example.test."
HOSTS = [
    host(HOME, ["A", "AAAA"], allow_internal=True, read_privilege=True, mac_address="00:00:5E:00:53:01"),
    host("locked.example.test.", "A", lock_record=True),
    host("quiet.example.test.", "A", "the-secret-of-a-host-without-group"),
]
SOURCE = "198.18.7.9"


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    settings = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000, "reads_per_minute": 100000}})
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("json"), ca, settings=settings, hosts=HOSTS)
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def d(shared):
    yield shared
    shared.check_confidential()


def post(d: Daemon, value: Any, via: str = SOURCE, content_type: str = "application/json", path: str = "/") -> Response:
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return d.request(path, "POST", {"Content-Type": content_type, "X-Forwarded-For": via}, body)


def setting(hostname: str = HOME, secret: str = SECRET, via: str = SOURCE, **more: Any) -> dict[str, Any]:
    token = hash_token(via, hostname, secret)
    return {"execution_mode": "set", "ddns_hostname": hostname, "validation_hash": token, **more}


def succeeds(answer: Response, status: int) -> None:
    assert (answer.status, answer.result) == (status, "success"), answer.text
    assert list(answer.json()) == ["return_message", "return_status"]
    check_headers(answer, "application/json")


def fails(answer: Response, status: int, *words: str) -> None:
    assert (answer.status, answer.result) == (status, "fail"), answer.text
    for word in words:
        assert word in answer.message
    check_headers(answer, "application/json")


# What index.py of route53-dynamic-dns-with-lambda, version 3 (353b7f6), returns with every answer. A page may then read
# it; it needs no preflight as long as it sends no Content-Type of its own.
CORS = {
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
}


def cors_of(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


def test_pages_in_a_browser_may_read_the_answers(d):
    wrong = setting(secret="not-the-secret-of-that-host", via="198.18.9.1")
    for value, status in (
        ({"execution_mode": "get"}, 200),
        (setting(via="198.18.9.1"), 201),
        (setting(via="198.18.9.1"), 200),
        (wrong, 401),
        (setting("locked.example.test.", via="198.18.9.1"), 403),
        ({"execution_mode": "nothing"}, 400),
        ("{", 400),
    ):
        answer = post(d, value, "198.18.9.1", "text/plain;charset=UTF-8")
        assert (answer.status, cors_of(answer)) == (status, CORS)
    assert answer.headers["WWW-Authenticate"] is None
    assert post(d, wrong, "198.18.9.1").headers["WWW-Authenticate"] == "DDNS-Hash"


def test_only_this_form_has_those_headers(d):
    """A page that is anywhere must not be able to read what the paths with a secret in the URL answer."""
    for target in ("/?mode=get", "/ip", "/checkip", "/?secret=x", "/nic/update?hostname=x", "/nothing"):
        assert cors_of(d.request(target, headers={"Origin": "https://example.org"})) == {}, target
    assert d.request("/", "OPTIONS", {"Origin": "https://example.org"}).status == 405


def test_get(d):
    answer = post(d, {"execution_mode": "get"})
    assert answer.body == b'{"return_message": "198.18.7.9", "return_status": "success"}'
    succeeds(answer, 200)
    assert post(d, {"execution_mode": "get"}, via="2001:DB8::1").message == "2001:db8::1"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize(
    "body", ['{"execution_mode":"get"}', ' \r\n\t{ "execution_mode" : "get" }\n', '{"execution_mode":"g\\u0065t"}']
)
def test_spellings_of_a_body(d, content_type, body):
    succeeds(post(d, body, content_type=content_type), 200)


def test_201_where_a_record_was_changed(d):
    via = "198.18.8.1"
    succeeds(post(d, setting(via=via), via), 201)
    succeeds(post(d, setting(via=via), via), 200)
    succeeds(post(d, setting(via=via, internal_ip="10.0.0.1"), via), 201)
    succeeds(post(d, setting(via=via, internal_ip="fd00::1"), via), 201)
    succeeds(post(d, setting(via=via, internal_ip="FD00:0::1"), via), 200)
    assert zone_values(d.zone_file(), HOME, "A") == ["10.0.0.1"]
    assert zone_values(d.zone_file(), HOME, "AAAA") == ["fd00::1"]


def test_list_hosts(d):
    answer = post(d, {**setting(), "execution_mode": "list_hosts"})
    succeeds(answer, 200)
    assert [(row["hostname"], row["record_type"]) for row in answer.message] == [(HOME, "A"), (HOME, "AAAA")]
    quiet = setting("quiet.example.test.", "the-secret-of-a-host-without-group")
    fails(post(d, {**quiet, "execution_mode": "list_hosts"}), 403, "read_privilege")


@pytest.mark.parametrize("as_number", [False, True])
def test_signed(d, as_number):
    address = f"10.1.0.{1 + as_number}"
    proof: dict[str, Any] = dict(signed_parameters("set", HOME, SECRET, address))
    if as_number:
        proof["time"] = int(proof["time"])
    request = {"execution_mode": "set", "ddns_hostname": HOME, "internal_ip": address, **proof}
    succeeds(post(d, request), 201)
    fails(post(d, request), 409, "nonce")


def test_refusals(d):
    fails(post(d, setting(secret="not-the-secret-of-it")), 401, "hash")
    assert post(d, setting("nobody.example.test.")).headers["WWW-Authenticate"] == "DDNS-Hash"
    fails(post(d, setting("locked.example.test.")), 403, "locked")
    fails(post(d, setting(internal_ip="x")), 400, "internalIp")
    fails(post(d, setting(internal_ip="")), 400, "internalIp")
    fails(post(d, {"execution_mode": "set", "ddns_hostname": HOME}), 400, "hash")
    fails(post(d, {"execution_mode": "set", "validation_hash": "0" * 64}), 400, "hostname")
    fails(post(d, {"execution_mode": "delete"}), 400, "mode")
    fails(post(d, {}), 400, "mode")
    fails(post(d, {"execution_mode": None}), 400, "mode")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "{}{}",
        "{'execution_mode': 'get'}",
        '{"execution_mode": "get",}',
        '{"execution_mode": "get", "execution_mode": "get"}',
        '{"execution_mode": ["get"]}',
        '{"execution_mode": {"a": 1}}',
        '{"execution_mode": true}',
        '{"execution_mode": 1.5}',
        '{"execution_mode": "get\\u0000"}',
        b'{"execution_mode": "get", "x": "\xff"}',
    ],
)
def test_bodies_that_are_not_what_is_expected(d, body):
    fails(post(d, body), 400, "JSON")


def test_nesting_bombs(d):
    for body in ('{"a":' * 1600, '{"a":' + "[" * 4000 + "]" * 4000 + "}", '{"execution_mode": ' + "[" * 8000):
        fails(post(d, body), 400, "JSON")


@pytest.mark.parametrize("body", ['["execution_mode", "get"]', '"get"', "get", "null"])
def test_what_is_no_object_is_not_this_dialect(d, body):
    fails(post(d, body), 415, "form")
    fails(post(d, body, content_type="application/x-www-form-urlencoded"), 400, "mode")


def test_an_empty_body_is_not_this_dialect(d):
    fails(post(d, ""), 400, "mode")


def test_unknown_keys_are_ignored(d):
    succeeds(post(d, {"execution_mode": "get", "x": {"y": [1, 2.5, None, "\u00fc"]}, "validation_hash": "x"}), 200)


def test_other_paths_do_not_take_it(d):
    assert post(d, {"execution_mode": "get"}, path="/nic/update").status == 415
    assert post(d, {"execution_mode": "get"}, path="/nothing").status == 404


def test_secrets_in_a_body_are_not_logged(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=HOSTS)
    request = setting(via=SOURCE)
    keep_confidential(json.dumps(request))
    succeeds(post(d, request), 201)
    d.wait_log(f"event=update dialect=json source={SOURCE} host={HOME} type=A address={SOURCE} result=good")
