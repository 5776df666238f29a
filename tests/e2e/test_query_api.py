"""The query API on the wire: every row of its table, and the bytes that deployed clients rely on."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
from contextlib import ExitStack

import pytest

from harness import Daemon, Response, hash_token, host, receive

OTHER = "another-shared-secret-of-a-group-02"
GROUP = "the-shared-secret-of-the-group-0003"
HOSTS = [
    host("home.example.test", ["A", "AAAA"], allow_internal=True),
    host("Mixed.Example.TEST.", "A", allow_internal=True),
    host("strict.example.test.", ["A", "AAAA"]),
    host("locked.example.test.", "A", allow_internal=True, lock_record=True),
    host("four.example.test.", "A", allow_internal=True),
    host("signed.example.test.", "A", auth=["signed"], allow_internal=True),
    host("other.example.test.", "A", OTHER, read_privilege=True, mac_address="00:00:5E:00:53:01"),
    host("z-first.example.test.", ["AAAA", "A"], GROUP, read_privilege=True, mac_address="51:6B:00:A6:F5:77"),
    host("quiet.example.test.", "A", GROUP),
    host("a-last.example.test", "A", GROUP, read_privilege=True),
]


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    """One daemon for the tests that leave nothing behind; they come from addresses of their own."""
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("api"), ca, hosts=HOSTS)
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def api(shared):
    yield shared
    shared.check_confidential()


_numbers = itertools.count()


@pytest.fixture
def source() -> str:
    """A loopback address that no other test of this process uses: limits are per source."""
    number = next(_numbers)
    return f"127.1.{number // 200}.{number % 200 + 1}"


def fails(answer: Response, status: int, *words: str) -> None:
    """A refusal in the API's form, whose sentence has the words."""
    assert answer.status == status, answer.text
    assert list(answer.json()) == ["return_message", "return_status"]
    assert answer.result == "fail"
    for word in words:
        assert word in answer.message
    check_headers(answer)


def succeeds(answer: Response, *words: str) -> None:
    assert answer.status == 200, answer.text
    assert list(answer.json()) == ["return_message", "return_status"]
    assert answer.result == "success"
    for word in words:
        assert word in answer.message
    check_headers(answer)


def check_headers(answer: Response) -> None:
    """What every answer has, whatever it says."""
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Transfer-Encoding" not in answer.headers
    assert answer.headers["Content-Type"]


# ---- get ----


def test_get_is_byte_for_byte_what_clients_cut_up(api, source):
    answer = api.get(source=source)
    assert answer.body == b'{"return_message": "%s", "return_status": "success"}' % source.encode()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    check_headers(answer)
    assert answer.text.split('"')[3] == source  # cut -d '"' -f 4


def test_get_ignores_unknown_parameters_and_needs_no_authentication(api, source):
    assert api.request("/?system=x&mode=get&%66oo=bar&&hash=&x", source=source).message == source


def test_get_by_post(api, source):
    answer = api.request(
        "/", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, "mode=get", source=source
    )
    assert answer.body == b'{"return_message": "%s", "return_status": "success"}' % source.encode()


@pytest.mark.parametrize(
    "target", ["/", "/?", "/?mode=", "/?mode=SET", "/?Mode=get", "/?mode=delete", "/?hostname=home.example.test"]
)
def test_no_or_unknown_mode(api, source, target):
    fails(api.request(target, source=source), 400, "mode")


# ---- set ----


def test_set_then_already(daemon):
    d = daemon(hosts=[host("home.example.test.", "A", allow_internal=True)])
    first = d.set("home.example.test.", source="127.0.0.7")
    succeeds(first, "home.example.test.", "127.0.0.7")
    assert "127.0.0.7" in d.zone_file().read_text()
    again = d.set("home.example.test.", source="127.0.0.7")
    succeeds(again, "home.example.test.", "127.0.0.7")
    assert again.message != first.message
    changed = d.set("home.example.test.", source="127.0.0.8")
    assert changed.message == first.message.replace("127.0.0.7", "127.0.0.8")
    assert d.metrics().value("ddns53_updates_total", dialect="query", result="good") == 2
    assert d.metrics().value("ddns53_updates_total", dialect="query", result="nochg") == 1


@pytest.mark.parametrize(
    "sent, hashed, fits",
    [
        ("mixed.example.test.", "mixed.example.test.", True),
        ("mixed.example.test", "mixed.example.test.", True),
        ("mixed.example.test", "mixed.example.test", True),
        ("MIXED.example.Test.", "MIXED.example.Test.", True),
        ("MIXED.example.Test", "MIXED.example.Test.", True),
        ("MIXED.example.Test", "MIXED.example.Test", True),
        ("MIXED.example.Test", "mixed.example.test.", True),
        ("MIXED.example.Test", "mixed.example.test", True),
        ("MIXED.example.Test.", "mixed.example.test.", True),
        ("mixed.example.test.", "mixed.example.test", False),
        ("mixed.example.test.", "Mixed.Example.TEST.", False),
        ("mixed.example.test.", "home.example.test.", False),
    ],
)
def test_spellings_of_the_hostname_in_the_hash(api, source, sent, hashed, fits):
    token = hashlib.sha256((source + hashed + HOSTS[0]["shared_secret"]).encode()).hexdigest()
    answer = api.query(mode="set", hostname=sent, hash=token, source=source)
    if fits:
        succeeds(answer, "mixed.example.test.", source)
    else:
        fails(answer, 401)


@pytest.mark.parametrize("spelling", [str.lower, str.upper, lambda text: text[:32].upper() + text[32:]])
def test_hash_in_either_case(api, source, spelling):
    token = spelling(hash_token(source, "home.example.test.", HOSTS[0]["shared_secret"]))
    succeeds(api.query(mode="set", hostname="home.example.test.", hash=token, source=source))


@pytest.mark.parametrize(
    "address, shown, record_type",
    [
        ("10.1.2.3", "10.1.2.3", "A"),
        ("198.18.7.9", "198.18.7.9", "A"),
        ("2001:DB8:0:0::1", "2001:db8::1", "AAAA"),
        ("fd00::53", "fd00::53", "AAAA"),
        ("::ffff:10.9.8.7", "10.9.8.7", "A"),
        ("0:0:0:0:0:ffff:0a09:0806", "10.9.8.6", "A"),
    ],
)
def test_internal_ip_of_either_family(api, source, address, shown, record_type):
    succeeds(api.set("home.example.test.", address=address, source=source), "home.example.test.", shown)
    lines = [line.split() for line in api.zone_file().read_text().splitlines()]
    found = {(words[-2], words[-1]) for words in lines if words and words[0].startswith("home")}
    assert (record_type, shown) in found


def test_internal_ip_has_that_spelling_only(api, source):
    token = hash_token(source, "home.example.test.", HOSTS[0]["shared_secret"])
    answer = api.request(
        f"/?mode=set&hostname=home.example.test.&hash={token}&internalip=10.0.0.1",
        source=source,
    )
    fails(answer, 400, "capital")
    answer = api.request(
        f"/?mode=set&hostname=home.example.test.&hash={token}&internal_ip=10.0.0.2",
        source=source,
    )
    fails(answer, 400, "names an address")


@pytest.mark.parametrize(
    "address", ["", "10.0.0", "10.0.0.256", "01.2.3.4", "fe80::1%25eth0", "::1::", "10.0.0.1/24", "x"]
)
def test_not_an_address(api, source, address):
    token = hash_token(source, "home.example.test.", HOSTS[0]["shared_secret"])
    fails(
        api.request(f"/?mode=set&hostname=home.example.test.&hash={token}&internalIp={address}", source=source),
        400,
        "internalIp",
    )


def test_set_by_form(api, source):
    token = hash_token(source, "home.example.test.", HOSTS[0]["shared_secret"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"mode=set&hostname=home.example.test.&hash={token}"
    succeeds(api.request("/", "POST", form, body, source=source), source)
    mixed = api.request("/?mode=set&internalIp=10.7.7.7", "POST", form, body.partition("&")[2], source=source)
    succeeds(mixed, "10.7.7.7")
    fails(api.request("/?mode=set", "POST", form, body, source=source), 400, "twice")


def test_set_without_what_it_needs(api, source):
    token = "0" * 64
    fails(api.request(f"/?mode=set&hash={token}", source=source), 400, "hostname")
    fails(api.request(f"/?mode=set&hostname=&hash={token}", source=source), 400, "hostname")
    for wrong in (None, "", token[:-1], token + "0", "g" + token[1:], " " + token[1:]):
        fails(api.query(mode="set", hostname="home.example.test.", hash=wrong, source=source), 400, "hash")


def test_unknown_host_wrong_hash_and_scheme_look_the_same(api, source):
    answers = [
        api.set("home.example.test.", "not-the-secret-of-this-host", source=source),
        api.set("nobody.example.test.", source=source),
        api.set("signed.example.test.", source=source),
        api.set("not.our.zone.", source=source),
        api.set("not a name!", source=source),
        api.set("x" * 300 + ".example.test.", source=source),
        api.set("home.example.test.", source=source, hash_source="127.99.99.99"),
        api.list_hosts("home.example.test.", "not-the-secret-of-this-host", source=source),
    ]
    for answer in answers:
        fails(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "DDNS-Hash"
        assert answer.body == answers[0].body
        assert sorted(answer.headers.keys()) == sorted(answers[0].headers.keys())


def test_what_the_host_may_not(api, source):
    fails(api.set("locked.example.test.", source=source), 403, "locked.example.test.", "lock")
    fails(api.set("strict.example.test.", source=source), 403, source, "private")
    fails(api.set("strict.example.test.", address="198.18.7.9", source=source), 403, "198.18.7.9")
    fails(api.set("four.example.test.", address="2001:db8::1", source=source), 403, "AAAA")
    fails(api.set("home.example.test.", address="224.0.0.1", source=source), 400, "224.0.0.1")


# ---- list_hosts ----


def test_list_hosts_has_the_group_in_file_order(api, source):
    answer = api.list_hosts("a-last.example.test", GROUP, source=source)
    assert answer.status == 200
    check_headers(answer)
    expected = (
        '{"return_message": ['
        '{"record_type": "A", "hostname": "z-first.example.test.", "mac_address": "51:6B:00:A6:F5:77"}, '
        '{"record_type": "AAAA", "hostname": "z-first.example.test.", "mac_address": "51:6B:00:A6:F5:77"}, '
        '{"record_type": "A", "hostname": "a-last.example.test.", "mac_address": null}'
        '], "return_status": "success"}'
    )
    assert answer.text == expected


def test_list_hosts_shows_no_other_group(api, source):
    answer = api.list_hosts("other.example.test.", OTHER, source=source)
    assert [row["hostname"] for row in answer.message] == ["other.example.test."]


def test_list_hosts_needs_the_privilege_and_the_hash(api, source):
    fails(api.list_hosts("quiet.example.test.", GROUP, source=source), 403, "read_privilege")
    fails(api.list_hosts("a-last.example.test.", OTHER, source=source), 401)
    fails(api.query(mode="list_hosts", hostname="a-last.example.test.", source=source), 400, "hash")
    fails(api.query(mode="list_hosts", hash="0" * 64, source=source), 400, "hostname")


# ---- requests that are wrong as such ----


@pytest.mark.parametrize(
    "query",
    [
        "mode=get&mode=get",
        "mode=get&%6Dode=set",
        "mode=ge%74&hostname=%zz",
        "mode=get&hostname=%4",
        "mode=get&hostname=a%00b",
        "mode=get&x=%00",
        "mode=get&hostname=%ff",
        "mode=get&hostname=%c0%80",
        "mode=get&hostname=%ed%a0%80",
        "mode=get&%=1",
    ],
)
def test_broken_parameters(api, source, query):
    fails(api.request("/?" + query, source=source), 400)
    answer = api.request("/", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, query, source=source)
    fails(answer, 400)


def test_percent_decoding(api, source):
    token = hash_token(source, "home.example.test.", HOSTS[0]["shared_secret"])
    escaped = "".join(f"%{ord(letter):02x}" for letter in "home.example.test.")
    succeeds(api.request(f"/?mode=%73et&hostname={escaped}&%68ash={token}", source=source))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW", "head"])
def test_other_methods(api, source, method):
    answer = api.request("/?mode=get", method, source=source)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Length"]


@pytest.mark.parametrize("path", ["/nothing", "/healthz", "/metrics", "/..%2f", "/%00", "/nic/nothing?mode=get"])
def test_other_paths(api, source, path):
    answer = api.request(path, source=source)
    assert answer.status == 404
    check_headers(answer)


def test_sizes_at_their_limits(api, source):
    line = 4096 - len("GET  HTTP/1.1")
    target = "/?mode=get&x="
    assert api.request(target + "y" * (line - len(target)), source=source).status == 200
    assert api.request("/?mode=get", headers={"X": "y" * 15000}, source=source).status == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "mode=get&x="
    assert api.request("/", "POST", form, body + "y" * (8192 - len(body)), source=source).status == 200


@pytest.mark.parametrize("excess", [1, 5000, 40_000, 200_000])
def test_sizes_past_their_limits(api, source, excess):
    line = b"GET /?mode=get&x=%s HTTP/1.1\r\n"
    long_line = line % (b"y" * (4096 + excess - len(line % b"") + 2))
    for status, request in (
        (414, long_line + b"Host: x\r\n\r\n"),
        (431, line % b"" + b"Host: x\r\nX: " + b"y" * (16384 + excess) + b"\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (8192 + excess)),
    ):
        try:
            answer = api.raw(request, source)
        except (OSError, http.client.HTTPException):
            # It was closed while we were still sending, and the answer was lost with it (RFC 9112 section 9.6).
            assert excess > 100_000
            continue
        assert answer.status == status
        assert answer.headers["Content-Length"] == str(len(answer.body))
        if excess < 10_000:  # what does not fit into libmicrohttpd's memory it answers itself
            check_headers(answer)


def test_a_body_too_large_is_refused_however_it_comes(api, source):
    with api.connect(source) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n" + b"1001\r\n" + b"a" * 4097 + b"\r\n0\r\n\r\n")
        answer = receive(connection)
    assert answer.status == 413
    check_headers(answer)


def test_a_chunked_form(api, source):
    answer = api.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n4\r\nmode\r\n4\r\n=get\r\n0\r\n\r\n",
        source,
    )
    succeeds(answer, source)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 8\r\nContent-Length: 9",
        b"Content-Length: 8\r\nTransfer-Encoding: chunked",
        b"Content-Length: +8",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
    ],
)
def test_a_body_of_unclear_length(api, source, headers):
    answer = api.raw(b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\nmode=get", source)
    assert answer.status == 400


def test_http_1_0(api, source):
    with api.connect(source) as connection:
        connection.sendall(b"GET /?mode=get HTTP/1.0\r\n\r\n")
        received = b""
        while part := connection.recv(4096):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.") and b" 200 " in head.split(b"\r\n")[0]
    assert body == b'{"return_message": "%s", "return_status": "success"}' % source.encode()
    assert b"content-length: %d" % len(body) in head.lower()
    assert b"transfer-encoding" not in head.lower()


def test_keep_alive_goes_on_after_a_refusal(api, source):
    with api.connect(source) as connection:
        for target, status in (("/?mode=x", 400), ("/nothing", 404), ("/?mode=get", 200)):
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert receive(connection).status == status


# ---- api_keys ----


def test_api_keys(daemon):
    keys = ["first-api-key-0123456789", "second-api-key-987654321"]
    d = daemon(settings={"server": {"api_keys": keys}})
    for key in keys:
        assert d.query(mode="get", headers={"x-api-key": key}).status == 200
        assert d.query(mode="get", headers={"X-API-Key": key}).status == 200
    for headers in ({}, {"x-api-key": ""}, {"x-api-key": keys[0][:-1]}, {"x-api-key": keys[0] + " " + keys[1]}):
        answer = d.query(mode="get", headers=headers)
        assert answer.status == 403
        check_headers(answer)
        assert d.set("home.example.test.").status == 403
    assert d.healthz().status == 200  # the admin listener has none


def test_every_answer_is_json_that_names_a_next_step(api, source):
    """The sentences are whole: none is cut, none has a placeholder left."""
    for answer in (
        api.request("/", source=source),
        api.query(mode="set", source=source),
        api.set("home.example.test.", "wrong-secret-wrong-secret", source=source),
        api.set("locked.example.test.", source=source),
        api.set("strict.example.test.", source=source),
    ):
        sentence = json.loads(answer.body)["return_message"]
        assert "%" not in sentence and ";" in sentence and not sentence.endswith(".")
        assert sentence == sentence.strip()

