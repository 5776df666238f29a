"""Which address a request comes from, which addresses may be set, and how much one source may ask."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from harness import BEHIND_PROXY, Daemon, hash_token, host, merged, query_target

OPEN = "open.example.test."  # may set any address, so that only the address itself can be at fault
STRICT = "strict.example.test."
BOTH = ["A", "AAAA"]
HOSTS = [host(OPEN, BOTH, allow_internal=True), host(STRICT, BOTH)]


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    """Trusts every loopback address but those of 127.9/16."""
    proxies = {"server": {"trusted_proxies": ["127.0.0.0/13", "::1", "10.0.0.0/8", "2001:db8:ffff::/48"]}}
    settings = {**proxies, "limits": {"reads_per_minute": 100000, "auth_failures_per_minute": 100000}}
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("proxied"), ca, settings, HOSTS)
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def proxied(shared):
    yield shared
    shared.check_confidential()


@pytest.fixture(scope="module")
def forwarding(ca, tmp_path_factory):
    """The same, but that its proxy writes Forwarded."""
    settings = {"server": {"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"], "proxy_header": "forwarded"}}
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("forwarding"), ca, settings, HOSTS)
        stack.callback(made.close)
        yield made.start()


# ---- 6: which address may be set ----

NEVER = ["0.0.0.0", "0.1.2.3", "169.254.1.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"]
NEVER += ["::", "fe80::1", "febf::1", "ff00::1", "ff02::fb", "::ffff:169.254.1.1"]
PRIVATE = ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"]
PRIVATE += ["127.0.0.1", "127.255.0.1", "::1", "fc00::1", "fdff::1", "fec0::1", "::ffff:192.168.1.1"]
PUBLIC = ["1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1"]
PUBLIC += ["192.0.2.1", "198.18.7.9", "203.0.113.5", "223.255.255.255", "169.253.0.1", "2001:db8::1", "2600::", "::2"]


@pytest.mark.parametrize("address", NEVER)
def test_never(proxied, address):
    answer = proxied.set(OPEN, address=address, via="198.18.7.9")
    assert answer.status == 400 and answer.result == "fail"


@pytest.mark.parametrize("address", PRIVATE)
def test_private_needs_allow_internal(proxied, address):
    assert proxied.set(OPEN, address=address, via="198.18.7.9").status == 200
    assert proxied.set(STRICT, address=address, via="198.18.7.9").status == 403


@pytest.mark.parametrize("address", ["10.9.9.9", "192.168.1.1", "100.64.0.9", "fd00::9"])
def test_private_is_refused_even_as_the_source(daemon, address):
    d = daemon(settings=BEHIND_PROXY, hosts=HOSTS)
    answer = d.set(STRICT, via=address)
    assert answer.status == 403 and address in answer.message
    assert d.set(OPEN, via=address).status == 200


@pytest.mark.parametrize("address", PUBLIC)
def test_public_by_hash_must_be_the_source(proxied, address):
    assert proxied.set(STRICT, via=address).status == 200
    assert proxied.set(STRICT, address=address, via=address).status == 200
    other = proxied.set(STRICT, address=address, via="198.51.100.77")
    assert other.status == 403 and address in other.message
    assert proxied.set(OPEN, address=address, via="198.51.100.77").status == 200


def test_source_and_internal_ip_of_two_spellings_are_one_address(proxied):
    assert proxied.set(STRICT, address="2001:0DB8:0::0:77", via="2001:db8::77").status == 200
    assert proxied.set(STRICT, address="::ffff:198.18.7.9", via="198.18.7.9").status == 200


# ---- 7: the source address ----


@pytest.mark.parametrize(
    "header, source",
    [
        ("198.18.7.9", "198.18.7.9"),
        ("203.0.113.1, 198.18.7.9", "198.18.7.9"),
        ("evil, 198.18.7.9", "198.18.7.9"),
        ("198.18.7.9, ", "198.18.7.9"),  # an empty element does not count (RFC 9110 section 5.6.1.2)
        ("198.18.7.9, 10.1.1.1", "198.18.7.9"),
        ("198.18.7.9,10.1.1.1 ,\t10.1.1.2", "198.18.7.9"),
        ("10.1.1.1, 10.1.1.2", "10.1.1.1"),
        ("198.18.7.9:4711", "198.18.7.9"),
        ("2001:DB8:0:0:0::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("::ffff:198.18.7.9", "198.18.7.9"),
        ("203.0.113.1, 2001:db8:ffff::1", "203.0.113.1"),
    ],
)
def test_x_forwarded_for(proxied, header, source):
    assert proxied.get(via=header).message == source
    assert proxied.set(OPEN, via=header, hash_source=source).status == 200


@pytest.mark.parametrize(
    "header",
    ["unknown", "x", ",", " ", "198.18.7", "198.18.7.9 10.1.1.1", "1.2.3.4:x", "[1.2.3.4]", "a" * 3000],
    ids=lambda header: header[:20],
)
def test_malformed_x_forwarded_for(proxied, header):
    answer = proxied.get(via=header)
    assert answer.status == 400
    assert answer.headers["Content-Length"] and answer.headers["Cache-Control"] == "no-store"


def test_several_x_forwarded_for_are_one_list(proxied):
    answer = proxied.raw(
        b"GET /?mode=get HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.1\r\n"
        b"x-forwarded-for: 198.18.7.9, 10.0.0.1\r\n\r\n"
    )
    assert answer.message == "198.18.7.9"


@pytest.mark.parametrize(
    "header, source",
    [
        ("for=198.18.7.9", "198.18.7.9"),
        ('For="198.18.7.9:80";proto=https;by=10.0.0.1', "198.18.7.9"),
        ('for="[2001:db8::9]:4711"', "2001:db8::9"),
        ("for=203.0.113.1, for=198.18.7.9;proto=http, for=10.0.0.1", "198.18.7.9"),
        ('host="a,b;for=203.0.113.1";for=198.18.7.9', "198.18.7.9"),
        ("for=_hidden, for=198.18.7.9", "198.18.7.9"),
    ],
)
def test_forwarded(forwarding, header, source):
    assert forwarding.query(mode="get", headers={"Forwarded": header}).message == source


@pytest.mark.parametrize(
    "header", ["for=unknown", "for=", "for", 'for="198.18.7.9', "proto=https", "for=198.18.7.9 for=1.2.3.4"]
)
def test_malformed_forwarded(forwarding, header):
    assert forwarding.query(mode="get", headers={"Forwarded": header}).status == 400


# A proxy writes one of the two, and passes on what the client wrote into the other.


def test_a_client_behind_a_proxy_that_writes_only_forwarded(forwarding):
    mine = {"Forwarded": "for=198.18.7.9"}
    assert forwarding.query(mode="get", headers=mine).message == "198.18.7.9"
    for spoofed in ("6.6.6.6", "198.18.7.9, 6.6.6.6", "rubbish"):
        answer = forwarding.query(mode="get", headers={**mine, "X-Forwarded-For": spoofed})
        assert answer.status == 400 and "server.proxy_header" in answer.text
    assert forwarding.query(mode="get", headers={**mine, "X-Forwarded-For": "198.18.7.9"}).message == "198.18.7.9"
    assert forwarding.query(mode="get", headers={"X-Forwarded-For": "6.6.6.6"}).message == "127.0.0.1"
    token = hash_token("6.6.6.6", STRICT, forwarding.hosts[1]["shared_secret"])  # made for another address
    before = forwarding.zone_file().read_text() if forwarding.zone_file().exists() else ""
    target = query_target({"mode": "set", "hostname": STRICT, "hash": token})
    assert forwarding.request(target, headers={**mine, "X-Forwarded-For": "6.6.6.6"}).status == 400
    assert forwarding.request(target, headers=mine).status == 401
    after = forwarding.zone_file().read_text() if forwarding.zone_file().exists() else ""
    assert after == before and "6.6.6.6" not in after


def test_a_client_behind_a_proxy_that_writes_only_x_forwarded_for(proxied):
    for spoofed in ("for=6.6.6.6", "for=unknown", 'for="', "for=198.18.7.9, for=6.6.6.6"):
        answer = proxied.query(mode="get", via="198.18.7.9", headers={"Forwarded": spoofed})
        assert answer.status == 400 and "server.proxy_header" in answer.text
    for harmless in ("for=198.18.7.9", "for=6.6.6.6, for=198.18.7.9", "proto=https;host=x"):
        assert proxied.query(mode="get", via="198.18.7.9", headers={"Forwarded": harmless}).message == "198.18.7.9"
    assert proxied.query(mode="get", headers={"Forwarded": "for=6.6.6.6"}).message == "127.0.0.1"


def test_the_login_limit_is_not_evaded_by_the_other_header(daemon):
    settings = merged(BEHIND_PROXY, {"server": {"proxy_header": "Forwarded"}, "limits": {"auth_failures_per_minute": 3}})
    d = daemon(settings=settings, hosts=HOSTS)
    target = query_target({"mode": "set", "hostname": STRICT, "hash": "0" * 64})

    def attempt(number: int) -> int:
        headers = {"Forwarded": "for=198.18.7.9", "X-Forwarded-For": f"6.6.6.{number}"}
        return d.request(target, headers=headers).status

    assert [d.request(target, headers={"Forwarded": "for=198.18.7.9"}).status for _ in range(4)] == [401, 401, 401, 429]
    assert {attempt(number) for number in range(10)} == {400}


def test_proxy_header_is_in_force_after_a_reload(daemon):
    d = daemon(settings=BEHIND_PROXY)
    headers = {"Forwarded": "for=198.18.7.9"}
    assert d.query(mode="get", headers=headers).message == "127.0.0.1"
    d.settings["server"]["proxy_header"] = "forwarded"
    d.write_config()
    d.reload()
    assert d.query(mode="get", headers=headers).message == "198.18.7.9"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
@pytest.mark.parametrize("value", ["198.18.7.9", "for=198.18.7.9", "rubbish,,"])
def test_headers_from_anyone_else_are_ignored(proxied, name, value):
    answer = proxied.query(mode="get", headers={name: value}, source="127.9.0.1")
    assert answer.status == 200 and answer.message == "127.9.0.1"


def test_without_a_header_the_proxy_is_the_source(proxied):
    assert proxied.get(source="127.0.0.44").message == "127.0.0.44"


def test_ipv4_on_an_ipv6_socket(daemon):
    d = daemon(settings={"server": {"listen": ["[::]:0"]}}, hosts=[host(OPEN, BOTH, allow_internal=True)])
    port = d.url.rpartition(":")[2]
    by_ipv4 = f"https://127.0.0.1:{port}"
    target = query_target({"mode": "get"})
    assert d.request(target, url=by_ipv4, source="127.0.0.6").message == "127.0.0.6"
    assert d.request(target, url=f"https://[::1]:{port}").message == "::1"
    token = hash_token("127.0.0.6", OPEN, d.hosts[0]["shared_secret"])
    set_target = query_target({"mode": "set", "hostname": OPEN, "hash": token})
    assert d.request(set_target, url=by_ipv4, source="127.0.0.6").status == 200
    assert d.set(OPEN, hash_source="::1").status == 200
    records = d.zone_file().read_text()
    assert "127.0.0.6" in records and "::1" in records


def test_a_trusted_proxy_of_ipv4_on_an_ipv6_socket(daemon):
    d = daemon(settings={"server": {"listen": ["[::]:0"], "trusted_proxies": ["127.0.0.1"]}})
    url = f"https://127.0.0.1:{d.url.rpartition(':')[2]}"
    headers = {"X-Forwarded-For": "198.18.7.9"}
    assert d.request("/?mode=get", headers=headers, url=url).message == "198.18.7.9"
    assert d.request("/?mode=get", headers=headers, url=url, source="127.0.0.2").message == "127.0.0.2"
    assert d.request("/?mode=get", headers=headers).message == "::1"


# ---- 429 ----


def limited(daemon, **limits) -> Daemon:
    return daemon(settings={**BEHIND_PROXY, "limits": limits}, hosts=HOSTS)


def is_too_many(answer) -> bool:
    if answer.status != 429:
        return False
    assert answer.result == "fail"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["Retry-After"] in answer.message
    assert answer.headers["Content-Length"] == str(len(answer.body)) and answer.headers["Cache-Control"] == "no-store"
    return True


def test_reads_are_limited_per_source(daemon):
    d = limited(daemon, reads_per_minute=2)  # one more in half a minute
    assert [d.get(via="198.18.7.9").status for _ in range(2)] == [200] * 2
    assert is_too_many(d.get(via="198.18.7.9"))
    assert d.get(via="198.18.7.10").status == 200
    assert is_too_many(d.list_hosts(OPEN, via="198.18.7.9"))
    assert d.set(STRICT, via="198.18.7.9").status == 200  # a set is no read
    assert d.metrics().value("ddns53_requests_total", dialect="query", result="too_many") == 2


def test_an_ipv6_source_is_its_64(daemon):
    d = limited(daemon, reads_per_minute=3)
    answers = [d.get(via=f"2001:db8:1:2::{number}") for number in range(1, 5)]
    assert [answer.status for answer in answers[:3]] == [200] * 3
    assert is_too_many(answers[3])
    assert d.get(via="2001:db8:1:3::1").status == 200


def test_failed_logins_shut_a_source_out(daemon):
    d = limited(daemon, auth_failures_per_minute=3)
    wrong = "wrong-secret-of-nobody-at-all"
    assert [d.set(STRICT, wrong, via="198.18.7.9").status for _ in range(3)] == [401] * 3
    assert is_too_many(d.set(STRICT, wrong, via="198.18.7.9"))
    assert is_too_many(d.set(STRICT, via="198.18.7.9"))  # the right one as well
    assert is_too_many(d.list_hosts(STRICT, via="198.18.7.9"))
    assert d.get(via="198.18.7.9").status == 200
    assert d.set(STRICT, via="198.18.7.10").status == 200
    d.stop()
    assert len(d.log_lines(f"event=auth_failure dialect=query source=198.18.7.9 host={STRICT} reason=wrong_secret$")) == 3


def test_limits_change_with_a_reload(daemon):
    d = limited(daemon, reads_per_minute=2)
    assert [d.get(via="198.18.7.9").status for _ in range(3)] == [200, 200, 429]
    d.settings["limits"]["reads_per_minute"] = 1000
    d.write_config()
    d.reload()
    assert [d.get(via="198.18.7.9").status for _ in range(10)] == [200] * 10
