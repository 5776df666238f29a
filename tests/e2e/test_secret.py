"""The plain secret: a URL that a router opens, and `OK` or one line that says what is wrong."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from harness import BEHIND_PROXY, SECRET, Daemon, Response, host, merged
from harness.dialects import check_headers, plain_secret, zone_values

ALONE = "the-secret-of-exactly-one-host-003"
SPLIT = "the-secret-of-an-a-and-an-aaaa-row"
BOTH = ["A", "AAAA"]
PLAIN = {"auth": ["secret"]}
HOSTS = [
    host("home.example.test.", BOTH, **PLAIN),
    host("four.example.test.", "A", **PLAIN),
    host("locked.example.test.", BOTH, lock_record=True, **PLAIN),
    host("inside.example.test.", BOTH, allow_internal=True, **PLAIN),
    host("basic.example.test.", BOTH, auth=["basic", "hash", "signed"]),
    host("alone.example.test.", BOTH, ALONE, **PLAIN),
    host("v4.example.test.", "A", SPLIT, **PLAIN),
    host("v6.example.test.", "AAAA", SPLIT, **PLAIN),
]
HOME = "home.example.test"
FAST = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000}})


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("secret"), ca, settings=FAST, hosts=HOSTS)
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def d(shared):
    yield shared
    shared.check_confidential()


def ok(answer: Response) -> None:
    """Scripts compare the whole body with "OK"."""
    assert (answer.status, answer.body) == (200, b"OK")
    check_headers(answer)


def refused(answer: Response, status: int, *words: str) -> None:
    assert answer.status == status, answer.text
    assert answer.text.startswith("error: ")
    assert "\n" not in answer.text and "OK" not in answer.text
    for word in words:
        assert word in answer.text
    check_headers(answer)
    assert answer.headers["WWW-Authenticate"] == ("DDNS-Secret" if status == 401 else None)
    assert (answer.headers["Retry-After"] is not None) == (status in (429, 503))


def values(d: Daemon, name: str) -> tuple[list[str], list[str]]:
    return zone_values(d.zone_file(), name, "A"), zone_values(d.zone_file(), name, "AAAA")


def test_set_and_already_so(d):
    for _ in range(2):
        ok(plain_secret(d, hostname=HOME, newip="198.18.1.1"))
    ok(plain_secret(d, hostname=HOME, newip="2001:DB8::1"))
    assert values(d, "home.example.test.") == (["198.18.1.1"], ["2001:db8::1"])
    assert d.metrics().value("ddns53_updates_total", dialect="secret", result="nochg") == 1


@pytest.mark.parametrize("hostname", ["home.example.test", "home.example.test.", "HOME.Example.test"])
@pytest.mark.parametrize(
    "newip, stored",
    [
        ("198.18.2.1/24", "198.18.2.1"),
        ("2001:db8::2/64", "2001:db8::2"),
        (" 198.18.2.2 ", "198.18.2.2"),
        ("::ffff:198.18.2.3", "198.18.2.3"),
    ],
)
def test_spellings(d, hostname, newip, stored):
    ok(plain_secret(d, hostname=hostname, newip=newip))
    assert stored in sum(values(d, "home.example.test."), [])


@pytest.mark.parametrize("newip", [None, "", "auto"])
def test_source_address(d, newip):
    for via in ("198.18.3.1", "2001:db8::3"):
        ok(plain_secret(d, hostname=HOME, newip=newip, via=via))
    assert values(d, "home.example.test.") == (["198.18.3.1"], ["2001:db8::3"])
    ok(plain_secret(d, hostname=HOME, newip="198.18.3.2"))


def test_order_and_unknown_parameters_do_not_count(d):
    ok(d.request(f"/?x=1&secret={SECRET}&mode2=set&hostname={HOME}&newip=198.18.4.1&newip6=x"))
    ok(d.request(f"/?newip=198.18.4.2&hostname={HOME}&%73ecret={SECRET}"))
    assert values(d, "home.example.test.")[0] == ["198.18.4.2"]


def test_by_form(d):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    ok(d.request("/", "POST", form, f"newip=198.18.5.1&secret={SECRET}&hostname={HOME}"))
    ok(d.request("/?newip=198.18.5.2", "POST", form, f"secret={SECRET}&hostname={HOME}"))
    assert values(d, "home.example.test.")[0] == ["198.18.5.2"]


def test_mode_makes_it_the_query_api(d):
    assert "return_status" in d.request(f"/?mode=get&newip=198.18.7.9&secret={SECRET}").json()


def test_the_one_host_that_the_secret_belongs_to(d):
    ok(plain_secret(d, ALONE, newip="198.18.6.1"))
    ok(plain_secret(d, ALONE, newip="2001:db8::6"))
    assert values(d, "alone.example.test.") == (["198.18.6.1"], ["2001:db8::6"])
    ok(plain_secret(d, SPLIT, newip="198.18.6.2"))
    ok(plain_secret(d, SPLIT, newip="2001:db8::7"))
    assert values(d, "v4.example.test.") == (["198.18.6.2"], [])
    assert values(d, "v6.example.test.") == ([], ["2001:db8::7"])
    refused(plain_secret(d, newip="198.18.6.3"), 400, "hostname")


def test_no_record_of_that_family(d):
    refused(plain_secret(d, hostname="four.example.test", newip="2001:db8::8"), 403, "AAAA")


def test_without_a_secret(d):
    refused(d.request(f"/?newip=198.18.7.9&hostname={HOME}"), 400, "secret")
    refused(d.request(f"/?newip=198.18.7.9&hostname={HOME}&secret="), 400, "secret")


def test_wrong_secret_unknown_host_and_scheme_look_the_same(d):
    answers = [
        plain_secret(d, "not-the-secret-of-this-host", hostname=HOME, newip="198.18.7.9"),
        plain_secret(d, "not-the-secret-of-any-host", newip="198.18.7.9"),
        plain_secret(d, ALONE, hostname=HOME, newip="198.18.7.9"),
        plain_secret(d, hostname="nobody.example.test", newip="198.18.7.9"),
        plain_secret(d, hostname="basic.example.test", newip="198.18.7.9"),
        plain_secret(d, hostname="", newip="198.18.7.9"),
        plain_secret(d, hostname="not a name!", newip="198.18.7.9"),
    ]
    for answer in answers:
        refused(answer, 401, "secret")
        assert answer.body == answers[0].body


@pytest.mark.parametrize(
    "newip", ["x", "198.18.7", "198.18.7.9/33", "198.18.7.9/", "fe80::1%1", "1.2.3.4,1.2.3.5", "AUTO2"]
)
def test_not_an_address(d, newip):
    refused(plain_secret(d, hostname=HOME, newip=newip), 400, "newip")


def test_what_the_host_may_not(d):
    refused(plain_secret(d, hostname="locked.example.test", newip="198.18.7.9"), 403, "locked.example.test.")
    refused(plain_secret(d, hostname=HOME, newip="192.168.1.1"), 403, "private")
    refused(plain_secret(d, hostname=HOME, newip="224.0.0.1"), 400, "224.0.0.1")
    refused(plain_secret(d, hostname=HOME, newip="fe80::1"), 400, "fe80::1")
    ok(plain_secret(d, hostname="inside.example.test", newip="192.168.1.1"))


@pytest.mark.parametrize("query", ["newip=1.2.3.4&newip=1.2.3.4&secret=x", "newip=%zz&secret=x", "newip=a%00&secret=x"])
def test_broken_parameters(d, query):
    refused(d.request("/?" + query), 400)


def test_too_many_failures(daemon):
    d = daemon(settings=merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 2}}), hosts=HOSTS)
    for _ in range(2):
        refused(plain_secret(d, "wrong-secret-of-nobody", newip="198.18.7.9", via="198.18.7.9"), 401)
    refused(plain_secret(d, hostname=HOME, newip="198.18.7.9", via="198.18.7.9"), 429)
    ok(plain_secret(d, hostname=HOME, newip="198.18.7.9", via="198.18.7.10"))
    assert len(d.wait_log_lines("event=auth_failure dialect=secret source=198.18.7.9 reason=wrong_secret$", 2)) == 2


@pytest.mark.refusals_expected
def test_provider(daemon, r53):
    name = "home.example.com."
    rows = [host(name, BOTH, **PLAIN), host("several.example.com.", BOTH, **PLAIN), host("bad.example.com.", **PLAIN)]
    r53.put_record("several.example.com.", "A", ["198.18.7.1", "198.18.7.2"])
    r53.faults.refuse_record("bad.example.com.", "A")
    settings = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}, "update": {"timeout_s": 30}})
    d = daemon(route53=r53, settings=settings, hosts=rows)
    d.wait_log("event=zone_ready")
    ok(plain_secret(d, hostname=name, newip="198.18.7.9"))
    assert r53.values(name) == ["198.18.7.9"]
    refused(plain_secret(d, hostname="several.example.com.", newip="198.18.7.9"), 409, "several values")
    refused(plain_secret(d, hostname="bad.example.com.", newip="198.18.7.9"), 403, "bad.example.com.")
    throttled = r53.faults.throttle(operation="ChangeResourceRecordSets")
    d.reload_with({"update": {"timeout_s": 1}})
    refused(plain_secret(d, hostname=name, newip="198.18.7.10"), 503, "queued")
    throttled.remove()
    r53.wait_value(name, "198.18.7.10")
