"""The credentials of dyndns2: where routers put them, how they encode them, and what an answer tells of them."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest

from harness import BEHIND_PROXY, SECRET, keep_confidential, merged
from harness.dialects import basic, nic_update
from harness.dyndns2 import ALONE, AWKWARD, HOSTS, OTHER, answers, fresh4, shared_daemon, values


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    """One daemon for the tests that need no provider; they set addresses that no other test sets."""
    with shared_daemon(ca, tmp_path_factory.mktemp("dyndns2")) as made:
        yield made


@pytest.fixture
def d(shared):
    yield shared
    shared.check_confidential()


def test_challenge_without_credentials(d):
    before = d.metrics().sum("ddns53_requests_total", dialect="dyndns2", result="badauth")
    for headers in ({}, {"Authorization": "Digest username=x"}, {"Authorization": "Negotiate YWJj"}):
        answers(nic_update(d, "home.example.test", user=None, headers=headers, myip=fresh4()), 401, "badauth\n")
    assert d.metrics().sum("ddns53_requests_total", dialect="dyndns2", result="badauth") == before + 3


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic  "])
def test_basic(d, scheme):
    address = fresh4()
    header = {"Authorization": basic("any user name", SECRET)["Authorization"].replace("Basic", scheme)}
    answers(nic_update(d, "home.example.test", user=None, headers=header, myip=address), 200, f"good {address}\n")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_bearer(d, scheme):
    keep_confidential(ALONE)
    for hostname in ("alone.example.test", None):
        address = fresh4()
        header = {"Authorization": f"{scheme} {ALONE}"}
        answers(nic_update(d, hostname, user=None, headers=header, myip=address), 200, f"good {address}\n")


@pytest.mark.parametrize("name", ["password", "token"])
def test_credentials_in_the_query(d, name):
    address = fresh4()
    with_user = {"username": "four.example.test", name: SECRET}
    answers(nic_update(d, user=None, myip=address, **with_user), 200, f"good {address}\n")
    assert values(d, "four.example.test.") == ([address], [])
    answers(nic_update(d, "home.example.test", user=None, myip=address, **{name: "not-its-secret"}), 401, "badauth\n")
    answers(nic_update(d, "home.example.test", user=None, myip=address, **{name: ""}), 401, "badauth\n")
    answers(nic_update(d, "home.example.test", user=None, myip=address, username="user"), 401, "badauth\n")


@pytest.mark.parametrize("secret", AWKWARD.values(), ids=AWKWARD)
def test_secrets_that_clients_encode_in_different_ways(d, secret):
    """One at a time, so that what the first sets is not nochg for the second."""
    name = f"{next(key for key, value in AWKWARD.items() if value == secret)}.example.test"
    keep_confidential(secret, quote(secret), quote_plus(secret), secret.replace(" ", "%20"))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    plus_left_alone = quote(secret, safe="+/")
    spellings = {quote(secret), quote_plus(secret), plus_left_alone}
    for spelling in sorted(spellings):
        for key in ("password", "token"):
            address = fresh4()
            target = f"/nic/update?hostname={name}&myip={address}&{key}={spelling}"
            answers(d.request(target), 200, f"good {address}\n")
            address = fresh4()
            body = f"hostname={name}&myip={address}&{key}={spelling}"
            answers(d.request("/nic/update", "POST", form, body), 200, f"good {address}\n")
            target = f"/nic/update?myip={address}&{key}={spelling}"  # which host, tells the secret
            answers(d.request(target), 200, f"nochg {address}\n")
        for parameters in (f"/?hostname={name}&newip={{0}}&secret={spelling}", f"/?newip={{0}}&secret={spelling}"):
            answer = d.request(parameters.format(fresh4()))
            assert (answer.status, answer.text) == (200, "OK")
        keep_confidential(spelling)
        answer = d.request("/", "POST", form, f"hostname={name}&newip={fresh4()}&secret={spelling}")
        assert (answer.status, answer.text) == (200, "OK")
    for wrong in (quote(secret[:-1]), quote(secret + " "), quote(secret) + "+"):
        answers(d.request(f"/nic/update?hostname={name}&myip={fresh4()}&password={wrong}"), 401, "badauth\n")


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
@pytest.mark.parametrize("hostname", ["umlaut.example.test", None])
def test_basic_in_two_character_sets(d, charset, hostname):
    """RFC 7617 leaves it open; browsers and curl on a UTF-8 terminal send the one, wget and old routers the other."""
    secret = AWKWARD["umlaut"]
    token = base64.b64encode(b"user:" + secret.encode(charset)).decode()
    keep_confidential(secret, token)
    address = fresh4()
    headers = {"Authorization": f"Basic {token}"}
    answers(nic_update(d, hostname, user=None, headers=headers, myip=address), 200, f"good {address}\n")
    assert values(d, "umlaut.example.test.")[0] == [address]
    wrong = base64.b64encode(b"user:" + secret.encode("cp437")).decode()
    answers(nic_update(d, hostname, user=None, headers={"Authorization": f"Basic {wrong}"}), 401, "badauth\n")


def test_the_header_goes_before_the_query(d):
    answer = nic_update(d, "home.example.test", secret="not-its-secret-at-all", token=SECRET, myip=fresh4())
    answers(answer, 401, "badauth\n")


def test_unknown_host_wrong_secret_and_scheme_look_the_same(d):
    refused = [
        nic_update(d, "home.example.test", secret="not-the-secret-of-this-host", myip="198.18.0.1"),
        nic_update(d, "home.example.test", secret=OTHER, myip="198.18.0.1"),
        nic_update(d, "nobody.example.test", myip="198.18.0.1"),
        nic_update(d, "hashed.example.test", myip="198.18.0.1"),
        nic_update(d, "not a name!", myip="198.18.0.1"),
        nic_update(d, "example.org", myip="198.18.0.1"),
        nic_update(d, "nobody.example.test,example.org", myip="198.18.0.1"),
        nic_update(d, "home.example.test", user=None, headers={"Authorization": "Basic !!!"}, myip="198.18.0.1"),
        nic_update(
            d, "home.example.test", user=None, headers={"Authorization": "Basic bm9jb2xvbg=="}, myip="198.18.0.1"
        ),
        nic_update(d, "home.example.test", secret="", myip="198.18.0.1"),
    ]
    for answer in refused:
        answers(answer, 401, "badauth\n")
        assert sorted(answer.headers.keys()) == sorted(refused[0].headers.keys())


def test_only_what_fails_counts_as_a_failed_login(daemon):
    settings = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 3}})
    d = daemon(settings=settings, hosts=HOSTS)
    source, other = "198.18.7.9", "198.18.7.10"
    for _ in range(10):
        answers(nic_update(d, "home.example.test", user=None, via=source), 401, "badauth\n")
    answers(nic_update(d, "home.example.test", via=source), 200, f"good {source}\n")
    d.wait_log("event=update dialect=dyndns2")  # the lines before it have been read as well
    assert not d.log_lines("event=auth_failure")
    for _ in range(3):
        answers(nic_update(d, "home.example.test", secret="wrong-secret", via=source), 401, "badauth\n")
    answers(nic_update(d, "home.example.test", via=source), 503, "abuse\n")
    answers(nic_update(d, "home.example.test", user=None, via=source), 401, "badauth\n")
    answers(nic_update(d, "home.example.test", via=other), 200, f"good {other}\n")
    d.stop()
    line = f"event=auth_failure dialect=dyndns2 source={source} host=home.example.test. reason=wrong_secret$"
    assert len(d.log_lines(line)) == len(d.log_lines("event=auth_failure")) == 3
