"""Every request that is refused leaves one line in the log that says why, and none that shows a secret."""

from __future__ import annotations

import http.client
import itertools
import re
import socket
from datetime import timedelta

import pytest

from harness import BEHIND_PROXY, SECRET, host, keep_confidential, merged, query_target, signed_parameters
from harness.dialects import basic, nic_update, plain_secret

HOME = "home.example.test."
OTHER = "another-shared-secret-of-a-host-02"
OLD = "the-secret-before-this-one-000042"
OLDER = "the-secret-before-that-one-000041"
BOTH = ["A", "AAAA"]
EVERY = ["hash", "signed", "secret", "basic"]
HOSTS = [
    host(HOME, BOTH, auth=EVERY),
    host("four.example.test.", "A", auth=EVERY),
    host("other.example.test.", BOTH, OTHER, auth=EVERY),
    host("strict.example.test.", BOTH, auth=["signed"]),
    host("locked.example.test.", BOTH, auth=EVERY, lock_record=True),
    host("twin1.example.test.", "A", "one-secret-for-the-two-hosts-01", auth=EVERY),
    host("twin2.example.test.", "A", "one-secret-for-the-two-hosts-01", auth=EVERY),
    host("moving.example.test.", "A", OTHER, auth=EVERY, previous_secret=OLD, previous_secret_until="2099-12-31"),
    host("moved.example.test.", "A", OTHER, auth=EVERY, previous_secret=OLDER, previous_secret_until="2020-12-31"),
    host("router.example.test.", "AAAA", auth=EVERY),
    host("kept.example.test.", "AAAA", follows="router.example.test.", interface_id="::7", lock_record=True),
]
OPEN = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000, "reads_per_minute": 100000}})
ZEROS = "0" * 64


def sources():
    """Each case has an address of its own, by which its lines are found."""
    for number in itertools.count(1):
        yield f"198.18.{number // 250}.{number % 250 + 1}"


def line(event: str, dialect: str, source: str, rest: str) -> str:
    return rf"^event={event} dialect={dialect} source={re.escape(source)} {rest}$"


def check_lines(d, wanted: dict[str, str]) -> None:
    """Stops the daemon, so that every line is there; `wanted`: source -> what its one line is."""
    d.stop()
    wrong = []
    for source, pattern in wanted.items():
        lines = d.log_lines(rf"\bsource={re.escape(source)}\b")
        if len(lines) != 1 or not re.search(pattern, lines[0]):
            wrong.append(f"{pattern}\n    {lines}")
    assert not wrong, "\n".join(wrong)


def signed(source: str, name: str = HOME, secret: str = SECRET, **change: str | None) -> str:
    return query_target({"mode": "set", "hostname": name, **signed_parameters("set", name, secret, source), **change})


def refused(status: int, result: str, rest: str = "") -> str:
    return f"status={status} result={result}{' ' + rest if rest else ''}"


def named(name: str, rest: str) -> str:
    return f"host={re.escape(name)} {rest}"


BAD = r'message="[^"]+"'


def query_cases(d):
    """What is sent for a source, the status, the event and the rest of its line."""
    ask = lambda **p: lambda via: d.query(via=via, **p)
    send = lambda **change: lambda via: d.request(signed(via, **change), headers={"X-Forwarded-For": via})
    put = lambda *a, **p: lambda via: d.set(*a, via=via, **p)
    bad = refused(400, "bad_request", BAD)
    for asked in (
        {},
        {"mode": "nothing"},
        {"mode": "set"},
        {"mode": "set", "hostname": HOME},
        {"mode": "set", "hostname": HOME, "hash": "zz"},
        {"mode": "set", "hostname": HOME, "hash": ZEROS, "internalIp": "here"},
        {"mode": "set", "hostname": HOME, "hash": ZEROS, "clear": "true"},
        {"mode": "set", "hostname": HOME, "signature": "zz"},
        {"mode": "set", "hostname": HOME, "signature": ZEROS},
        {"mode": "set", "hostname": HOME, "signature": ZEROS, "time": "1"},
    ):
        yield ask(**asked), 400, "refused", named(HOME, bad) if "hostname" in asked else bad
    yield lambda via: d.request("/?mode=get&mode=get", headers={"X-Forwarded-For": via}), 400, "refused", bad
    yield send(time="1"), 401, "refused", named(HOME, refused(401, "stale", BAD))
    yield send(signature=ZEROS), 401, "auth_failure", named(HOME, "reason=wrong_secret")
    yield put(HOME, OTHER), 401, "auth_failure", named(HOME, "reason=wrong_secret")
    yield put("hmoe.example.test."), 401, "auth_failure", named("hmoe.example.test.", "reason=unknown_host")
    yield put("HOME.exmaple.test"), 401, "auth_failure", named("home.exmaple.test.", "reason=unknown_host")
    yield put("strict.example.test."), 401, "auth_failure", named(
        "strict.example.test.", "reason=scheme_not_allowed"
    )
    yield put("moved.example.test.", OLDER), 401, "auth_failure", named(
        "moved.example.test.", "reason=previous_secret_expired"
    )
    yield lambda via: d.list_hosts(HOME, via=via), 403, "refused", named(HOME, refused(403, "no_read_privilege", BAD))
    update = rf"type=A address=\S+ result={{}} ms=[0-9]+( {BAD})?"
    yield put("locked.example.test."), 403, "update", named("locked.example.test.", update.format("locked"))
    yield put(HOME, address="10.0.0.1"), 403, "update", named(HOME, update.format("private_address"))
    yield put(HOME, address="198.51.100.1"), 403, "update", named(HOME, update.format("not_source_address"))
    yield put(HOME, address="0.0.0.0"), 400, "update", named(HOME, update.format("unusable_address"))
    six = update.format("no_record").replace("type=A", "type=AAAA")
    yield put("four.example.test.", address="2001:db8::7"), 403, "update", named("four.example.test.", six)


def json_cases(d):
    def post(body):
        return lambda via: d.request("/", "POST", {"X-Forwarded-For": via, "Content-Type": "application/json"}, body)

    for body in ("{", '{"execution_mode": ["set"]}', '{"execution_mode": "nothing"}'):
        yield post(body), 400, "refused", refused(400, "bad_request", BAD)
    body = '{"execution_mode": "set", "ddns_hostname": "home.example.test.", "validation_hash": "%s"}' % ZEROS
    yield post(body), 401, "auth_failure", named(HOME, "reason=wrong_secret")


def secret_cases(d):
    ask = lambda **p: lambda via: plain_secret(d, via=via, **p)
    bad = refused(400, "bad_request", BAD)
    yield ask(secret=None, newip="198.18.0.1"), 400, "refused", bad
    yield ask(newip="here"), 400, "refused", bad
    yield lambda via: d.request("/?newip=%zz&secret=x", headers={"X-Forwarded-For": via}), 400, "refused", bad
    yield ask(secret="one-secret-for-the-two-hosts-01"), 400, "refused", bad
    yield ask(secret="nobody-has-this-secret"), 401, "auth_failure", "reason=wrong_secret"
    yield ask(secret=OLDER), 401, "auth_failure", "reason=previous_secret_expired"
    yield ask(secret="nobody-has-this-secret", hostname=HOME), 401, "auth_failure", named(HOME, "reason=wrong_secret")
    yield ask(secret=OTHER, hostname=HOME), 401, "auth_failure", named(HOME, "reason=other_hosts_secret")
    yield ask(hostname="strict.example.test"), 401, "auth_failure", named(
        "strict.example.test.", "reason=scheme_not_allowed"
    )


def dyndns_cases(d):
    ask = lambda *a, **p: lambda via: nic_update(d, *a, via=via, **p)
    login = "auth_failure"
    yield ask(HOME, user=None), 401, "refused", named(HOME, refused(401, "badauth", "reason=no_credentials"))
    yield ask(HOME, user=None, headers={"Authorization": "Basic !!!"}), 401, login, named(HOME, "reason=unreadable")
    yield ask(HOME, secret=""), 401, login, named(HOME, "reason=unreadable")
    yield ask(HOME, secret="not-the-secret-of-it"), 401, login, named(HOME, "reason=wrong_secret")
    yield ask(HOME, secret=OTHER), 401, login, named(HOME, "reason=other_hosts_secret")
    yield ask("hmoe.example.test"), 401, login, named("hmoe.example.test.", "reason=unknown_host")
    yield ask("not a name!"), 401, login, named("withheld", "reason=unknown_host")
    yield ask("strict.example.test"), 401, login, named("strict.example.test.", "reason=scheme_not_allowed")
    yield ask("moved.example.test", secret=OLDER), 401, login, named(
        "moved.example.test.", "reason=previous_secret_expired"
    )
    yield ask("no1.example.test,no2.example.test"), 401, login, named("no1.example.test.", "reason=unknown_host")
    yield ask(None, secret="nobody-has-this-secret"), 401, login, "reason=wrong_secret"
    yield ask(None, user="home.example.test", secret="not-the-secret-of-it"), 401, login, named(
        HOME, "reason=wrong_secret"
    )
    yield ask(None, user="hmoe.example.test", secret="not-the-secret-of-it"), 401, login, "reason=wrong_secret"
    yield ask(None, secret="one-secret-for-the-two-hosts-01"), 400, "refused", refused(
        400, "notfqdn", "reason=several_hosts_have_the_secret"
    )
    yield ask(",".join(["a.example.test"] * 21)), 400, "refused", named(
        "a.example.test.", refused(400, "numhost", "reason=too_many_hosts")
    )
    yield ask(","), 400, "refused", refused(400, "notfqdn", "reason=no_hostname")
    yield lambda via: d.request(
        f"/nic/update?hostname={HOME}&myip=%zz", headers={"X-Forwarded-For": via, **basic("u", SECRET)}
    ), 400, "refused", refused(400, "notfqdn", f"reason=bad_parameters {BAD}")
    yield ask(HOME, myip="here"), 400, "refused", named(HOME, refused(400, "dnserr", "reason=not_an_address"))
    yield ask("router.example.test", ip6lanprefix="2001:db8:1:2:3::/80"), 400, "refused", named(
        "router.example.test.", refused(400, "dnserr", "reason=prefix_too_long")
    )
    yield ask("router.example.test", myip="198.18.0.1"), 400, "refused", named(
        "router.example.test.", refused(400, "nohost", "reason=no_such_record")
    )
    yield ask("router.example.test", ip6lanprefix="2001:db8:1:2::/64"), 503, "refused", named(
        "router.example.test.", refused(503, "abuse", "reason=followers_locked")
    )
    yield ask(HOME, txt="something"), 400, "refused", named(HOME, refused(400, "badagent", f"reason=unspoken {BAD}"))
    yield lambda via: d.request(
        f"/nic/update?hostname={HOME}",
        "POST",
        {"X-Forwarded-For": via, "Content-Type": "application/json", **basic("u", SECRET)},
        "{}",
    ), 415, "refused", refused(415, "badagent", f"reason=bad_body {BAD}")
    yield ask(HOME, offline="on"), 400, "refused", named(HOME, refused(400, "badagent", "reason=offline"))
    yield ask(HOME, path="/nic/delete", type="MX"), 400, "refused", named(
        HOME, refused(400, "notfqdn", "reason=no_such_type")
    )
    yield ask(None, path="/nic/delete"), 400, "refused", refused(400, "notfqdn", "reason=no_hostname")
    yield ask(HOME, path="/nic/delete", myip="198.18.0.1"), 400, "refused", named(
        HOME, refused(400, "badagent", f"reason=unspoken {BAD}")
    )
    yield ask(HOME, path="/nic/delete", type="TXT"), 400, "refused", named(
        HOME, refused(400, "nohost", "reason=no_such_record")
    )
    yield ask("locked.example.test"), 503, "update", named(
        "locked.example.test.", r"type=A address=\S+ result=locked ms=[0-9]+"
    )


def dialects(d):
    for dialect, cases in (
        ("query", query_cases),
        ("json", json_cases),
        ("secret", secret_cases),
        ("dyndns2", dyndns_cases),
    ):
        for send, status, event, rest in cases(d):
            yield dialect, send, status, event, rest


def test_each_dialect(daemon):
    d = daemon(settings=OPEN, hosts=HOSTS)
    wanted = {}
    for source, (dialect, send, status, event, rest) in zip(sources(), dialects(d)):
        answer = send(source)
        assert answer.status == status, f"{answer.status} {answer.text}\n{rest}"
        wanted[source] = line(event, dialect, source, rest)
    check_lines(d, wanted)


def test_what_the_server_itself_refuses(daemon):
    """These come from loopback addresses of their own: not all get as far as the proxy's header."""
    d = daemon(settings={"server": {"api_keys": ["the-only-key-of-this-server"]}}, hosts=HOSTS)
    get = "GET /?mode=get HTTP/1.1\r\nHost: x\r\nx-api-key: the-only-key-of-this-server\r\n"
    post = get.replace("GET", "POST")
    cases = [
        (f"GET /?{'x' * 4200} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "line_too_long"),
        (f"{get}X-Long: {'x' * 17000}\r\n\r\n", 431, "headers_too_large"),
        (get.replace("?mode=get", "?mode=\x7f") + "\r\n", 400, "target"),
        (get.replace("Host: x\r\n", "") + "\r\n", 400, "host"),
        (f"{post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "ambiguous_body"),
        (f"{post}Content-Length: 9000\r\n\r\n", 413, "body_too_large"),
        (get.replace("GET", "DELETE") + "\r\n", 405, "method"),
        (get.replace("/?mode=get", "/nothing") + "\r\n", 404, "not_found"),
        (get.replace("the-only-key", "another-key") + "\r\n", 403, "api_key"),
    ]
    wanted = {}
    for number, (sent, status, result) in enumerate(cases, 2):
        source = f"127.0.0.{number}"
        answer = d.raw(sent.encode(), source)
        assert answer.status == status, f"{result}: {answer.status} {answer.text}"
        wanted[source] = line("refused", "server", source, refused(status, result))
    check_lines(d, wanted)


def test_a_proxy_that_does_not_say_who_asks(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=HOSTS)
    assert d.get(via="rubbish, 198.18.0.1, 127.0.0.1, x").status == 400
    d.stop()
    assert len(d.log_lines("^event=refused dialect=server source=\\S+ status=400 result=forwarded$")) == 1


def test_a_unix_socket_without_a_source(daemon, tmp_path):
    path = tmp_path / "api.sock"
    plain = {"server": {"listen": [f"unix:{path}"], "tls": False, "certificate": None, "private_key": None}}
    d = daemon(settings=plain, hosts=HOSTS)
    for target in ("/ip", "/?mode=get", "/?secret=" + SECRET):
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", target)
        assert connection.getresponse().status == 400
        connection.close()
    d.stop()
    assert len(d.log_lines("^event=refused ")) == 3
    local = "source=local status=400 result=bad_request"
    assert len(d.log_lines(f"^event=refused dialect=checkip {local} reason=unknown_source$")) == 1
    assert len(d.log_lines(f"^event=refused dialect=query {local} {BAD}$")) == 1
    assert len(d.log_lines(f"^event=refused dialect=secret {local} {BAD}$")) == 1


def test_limits(daemon):
    d = daemon(settings=merged(BEHIND_PROXY, {"limits": {"reads_per_minute": 1, "auth_failures_per_minute": 1}}))
    refusals = []
    for target in ("/?mode=get", "/ip"):
        source = f"198.18.7.{len(refusals) + 1}"
        assert d.request(target, headers={"X-Forwarded-For": source}).status == 200
        assert d.request(target, headers={"X-Forwarded-For": source}).status == 429
        refusals.append(source)
    wrong = {
        "query": lambda via: d.set(HOME, OTHER, via=via),
        "secret": lambda via: plain_secret(d, OTHER, via=via),
        "dyndns2": lambda via: nic_update(d, HOME, secret=OTHER, via=via),
    }
    for dialect, send in wrong.items():
        source = f"198.18.8.{len(dialect)}"
        assert send(source).status == 401
        assert send(source).status == (503 if dialect == "dyndns2" else 429)
    d.stop()
    for source in refusals:
        assert len(d.log_lines(f"^event=refused .*source={source} status=429 result=too_many (reason|message)=.*")) == 1
    assert len(d.log_lines("^event=auth_failure ")) == 3
    found = d.log_lines("^event=refused .*source=198.18.8.*")
    assert [re.sub(" (message|reason)=.*", "", text.split(" source=")[0]) for text in found] == [
        f"event=refused dialect={dialect}" for dialect in wrong
    ]
    assert all("result=too_many" in text or "reason=too_many_failures" in text for text in found)


@pytest.mark.refusals_expected
def test_what_the_provider_refuses_or_does_not_take(daemon, r53):
    names = {"several.example.com.": 409, "bad.example.com.": 403, "home.example.com.": 503}
    rows = [host(name, "A", auth=EVERY) for name in names]
    r53.put_record("several.example.com.", "A", ["198.18.7.1", "198.18.7.2"])
    r53.faults.refuse_record("bad.example.com.", "A")
    settings = merged(OPEN, {"route53": {"requests_per_second": 1000}, "update": {"timeout_s": 60}})
    d = daemon(route53=r53, settings=settings, hosts=rows)
    d.wait_log("event=zone_ready")
    wanted = {}
    results = {409: "conflict", 403: "refused", 503: "timed_out"}
    places = sources()
    for name, status in names.items():
        if status == 503:
            throttled = r53.faults.throttle(operation="ChangeResourceRecordSets")
            d.reload_with({"update": {"timeout_s": 1}})
        source = next(places)
        assert d.set(name, via=source).status == status
        rest = named(name, rf"type=A address=\S+ result={results[status]} ms=[0-9]+( {BAD})?")
        wanted[source] = line("update", "query", source, rest)
    throttled.remove()
    r53.wait_value("home.example.com.", source, timeout=40)  # it was still queued
    check_lines(d, wanted)


def test_hosts_that_are_refused_among_others(daemon):
    """The answer is 200 for the one that was set; each of the others has its line."""
    d = daemon(settings=OPEN, hosts=HOSTS)
    names = "home.example.test,other.example.test,hmoe.example.test,four.example.test"
    answer = nic_update(d, names, via="198.18.7.9", myip="198.18.7.9")
    assert (answer.status, answer.text) == (200, "good 198.18.7.9\nnohost\nnohost\ngood 198.18.7.9\n")
    d.stop()
    lines = d.log_lines("^event=refused ")
    assert lines == [
        "event=refused dialect=dyndns2 source=198.18.7.9 host=other.example.test. status=400 result=nohost"
        " reason=other_hosts_secret",
        "event=refused dialect=dyndns2 source=198.18.7.9 host=hmoe.example.test. status=400 result=nohost"
        " reason=unknown_host",
    ]
    assert not d.log_lines("event=auth_failure")


def test_a_login_by_the_previous_secret_is_told(daemon):
    d = daemon(settings=OPEN, hosts=HOSTS)
    name = "moving.example.test."
    for send in (
        lambda: d.set(name, OLD, via="198.18.7.9"),
        lambda: plain_secret(d, OLD, hostname=name, via="198.18.7.9"),
        lambda: nic_update(d, name, secret=OLD, via="198.18.7.9"),
        lambda: nic_update(d, None, secret=OLD, via="198.18.7.9"),
    ):
        assert send().status == 200
    assert d.set(name, OTHER, via="198.18.7.9").status == 200
    d.stop()
    lines = d.log_lines("^event=previous_secret ")
    assert lines == [
        f"event=previous_secret dialect={dialect} source=198.18.7.9 host={name}"
        for dialect in ("query", "secret", "dyndns2", "dyndns2")
    ]


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        SECRET.upper(),  # is no secret of ours, but might be somebody's
        "q7Xk2m9pLd4vT8sW1zR5",
        "secret.with.dots.and.no.domain",
        "looks.like.a.domain.test",  # is in hosts.yaml
        "Looks.Like.Another.TEST",
        "10.0.0.1",
        "user:password",
    ],
)
def test_a_secret_in_the_place_of_the_hostname_is_not_shown(daemon, text):
    rows = [
        *HOSTS,
        host("dotted1.example.test.", "A", "looks.like.a.domain.test", auth=EVERY),
        host("dotted2.example.test.", "A", "Looks.Like.Another.TEST", auth=EVERY),
    ]
    d = daemon(settings=OPEN, hosts=rows)
    keep_confidential(text, text.lower())
    for send in (
        lambda: nic_update(d, text, secret="not-the-secret", via="198.18.7.9"),
        lambda: nic_update(d, text, secret=text, via="198.18.7.9"),
        lambda: nic_update(d, f"nobody.example.test,{text}", secret=text, via="198.18.7.9"),
        lambda: nic_update(d, None, user=text, secret="not-the-secret", via="198.18.7.9"),
        lambda: plain_secret(d, "not-the-secret", hostname=text, newip="198.18.7.9", via="198.18.7.9"),
        lambda: d.query(mode="set", hostname=text, hash=ZEROS, via="198.18.7.9"),
        lambda: d.list_hosts(text, "not-the-secret", via="198.18.7.9"),
    ):
        assert send().status == 401
    d.stop()
    assert len(d.log_lines("^event=auth_failure .*host=withheld reason=unknown_host$")) == 5
    assert len(d.log_lines("^event=auth_failure ")) == 7
    assert not [logged for logged in d.log_lines() if text in logged or text.lower() in logged]


def test_the_answers_stay_alike(daemon):
    """Status, headers and body, whatever the reason in the log."""
    d = daemon(settings=OPEN, hosts=HOSTS)
    answers = [
        send
        for secret, name in (
            ("not-the-secret-of-it", HOME),
            (OTHER, HOME),
            (SECRET, "nobody.example.test."),
            (SECRET, "strict.example.test."),
            (OLDER, "moved.example.test."),
            (SECRET, SECRET),
        )
        for send in [
            (
                nic_update(d, name, secret=secret, via="198.18.7.9"),
                plain_secret(d, secret, hostname=name, via="198.18.7.9"),
                d.set(name, secret, via="198.18.7.9"),
            )
        ]
    ]
    for row in answers:
        for answer, first in zip(row, answers[0]):
            assert (answer.status, answer.body) == (first.status, first.body) and answer.status == 401
            assert sorted(answer.headers.keys()) == sorted(first.headers.keys())


def test_a_health_check_in_trouble_is_no_refusal(daemon, ca):
    """A monitor asks every few seconds."""
    certificate, key = ca.issue("nearly-over", valid_for=timedelta(days=3))
    d = daemon(settings={"server": {"certificate": str(certificate), "private_key": str(key)}}, hosts=HOSTS)
    assert d.healthz().status == 503
    assert d.request("/nothing", url=d.admin_url).status == 404
    d.stop()
    assert len(d.log_lines("^event=refused ")) == 1
    assert d.log_lines("^event=refused dialect=server source=127.0.0.1 status=404 result=not_found$")
