"""The dyndns2 dialect: every row of its tables, byte by byte."""

from __future__ import annotations

import itertools

import pytest

from harness import BEHIND_PROXY, SECRET
from harness.dialects import basic, nic_update
from harness.dyndns2 import ALONE, HOSTS, PAIR, answers, fresh4, fresh6, shared_daemon, values


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    """One daemon for the tests that need no provider; they set addresses that no other test sets."""
    with shared_daemon(ca, tmp_path_factory.mktemp("dyndns2")) as made:
        yield made


@pytest.fixture
def d(shared):
    yield shared
    shared.check_confidential()


# ---- paths and methods ----


@pytest.mark.parametrize(
    "path",
    [
        "/nic/update",
        "/v3/update",
        "/v2/update",
        "/update",
        "/nic/update/",
        "//nic//update",
        "/nic/update///",
        "//update/",
    ],
)
def test_paths(d, path):
    address = fresh4()
    answers(nic_update(d, "home.example.test", path=path, myip=address), 200, f"good {address}\n")


@pytest.mark.parametrize(
    "path", ["/nic", "/nic/updates", "/v4/update", "/nic/update/x", "/NIC/update", "/nic%2fupdate"]
)
def test_other_paths(d, path):
    assert nic_update(d, "home.example.test", path=path, myip=fresh4()).status == 404


def test_by_form(d):
    address = fresh4()
    form = {"Content-Type": "application/x-www-form-urlencoded", **basic("user", SECRET)}
    body = f"hostname=home.example.test&myip={address}"
    answers(d.request("/nic/update", "POST", form, body), 200, f"good {address}\n")
    answers(d.request("/nic/update?hostname=home.example.test", "POST", form, body), 400, "notfqdn\n")


def test_http_1_0(d):
    address = fresh4()
    text = f"GET /nic/update?hostname=home.example.test&myip={address} HTTP/1.0\r\nHost: ddns.example.test\r\n"
    text += "".join(f"{name}: {value}\r\n" for name, value in basic("user", SECRET).items())
    answer = d.raw(text.encode() + b"\r\n")
    assert (answer.status, answer.text) == (200, f"good {address}\n")


# ---- hostname ----


@pytest.mark.parametrize(
    "spelling", ["home.example.test", "home.example.test.", "HOME.Example.TEST", " home.example.test "]
)
def test_spellings_of_a_hostname(d, spelling):
    address = fresh4()
    answers(nic_update(d, spelling, myip=address), 200, f"good {address}\n")
    assert values(d, "home.example.test.")[0] == [address]


@pytest.mark.parametrize("hostname", [None, "", "YES", "yes"])
def test_without_a_hostname_the_user_name_is_one(d, hostname):
    address = fresh4()
    answers(nic_update(d, hostname, user="Four.Example.Test", myip=address), 200, f"good {address}\n")
    assert values(d, "four.example.test.") == ([address], [])


@pytest.mark.parametrize("hostname", [None, "", "YES"])
@pytest.mark.parametrize("name, secret", [("alone.example.test.", ALONE), ("split.example.test.", PAIR)])
def test_without_a_hostname_the_secret_belongs_to_one(d, hostname, name, secret):
    four, six = fresh4(), fresh6()
    answers(nic_update(d, hostname, secret=secret, myip=f"{four},{six}"), 200, f"good {four},{six}\n")
    assert values(d, name) == ([four], [six])


def test_without_a_hostname_that_can_be_found(d):
    answers(nic_update(d, myip=fresh4()), 400, "notfqdn\n")  # the secret belongs to many
    answers(nic_update(d, ",", myip=fresh4()), 400, "notfqdn\n")
    answers(nic_update(d, secret="no-secret-of-any-host-at-all", myip=fresh4()), 401, "badauth\n")


def test_twenty_hostnames_and_one_too_many(d):
    names = [f"h{number}.example.test" for number in range(1, 22)]
    address = fresh4()
    answers(nic_update(d, ",".join(names[:20]), myip=address), 200, f"good {address}\n" * 20)
    answers(nic_update(d, ",".join(names), myip=fresh4()), 400, "numhost\n")
    assert values(d, "h20.example.test.")[0] == [address] and not values(d, "h21.example.test.")[0]


def test_a_line_each_in_the_order_asked(d):
    address = fresh4()
    nic_update(d, "four.example.test", myip=address)
    body = f"nohost\nnochg {address}\nabuse\ngood {address}\nnohost\nnohost\n"
    names = ["six", "four", "locked", "home", "other", "nobody"]
    answer = nic_update(d, ",".join(f"{name}.example.test" for name in names), myip=address)
    answers(answer, 200, body)


def test_a_hostname_twice(d):
    address = fresh4()
    answer = nic_update(d, "home.example.test,home.example.test", myip=address)
    assert (answer.status, answer.text.splitlines()[0]) == (200, f"good {address}")
    assert answer.text.splitlines()[1] in (f"good {address}", f"nochg {address}")
    assert len(answer.text.splitlines()) == 2


def test_rows_of_a_name_are_one_host(d):
    four, six = fresh4(), fresh6()
    answers(nic_update(d, "split.example.test", secret=PAIR, myip=f"{six},{four}"), 200, f"good {six},{four}\n")
    assert values(d, "split.example.test.") == ([four], [six])


# ---- addresses ----


@pytest.mark.parametrize("name", ["myip", "myipv4", "ip", "ipv4", "ipaddr"])
def test_parameters_with_an_ipv4_address(d, name):
    address = fresh4()
    before = values(d, "home.example.test.")[1]
    answers(nic_update(d, "home.example.test", **{name: address}), 200, f"good {address}\n")
    assert values(d, "home.example.test.") == ([address], before)


@pytest.mark.parametrize("name", ["myip", "myipv6", "myip6", "ipv6", "ip6addr", "ip"])
def test_parameters_with_an_ipv6_address(d, name):
    address = fresh6()
    before = values(d, "home.example.test.")[0]
    answers(nic_update(d, "home.example.test", **{name: address}), 200, f"good {address}\n")
    assert values(d, "home.example.test.") == (before, [address])


@pytest.mark.parametrize("name", ["myipv4", "ipv4", "ipaddr"])
def test_an_ipv6_address_where_ipv4_belongs(d, name):
    answers(nic_update(d, "home.example.test", **{name: fresh6()}), 400, "dnserr\n")


@pytest.mark.parametrize("name", ["myipv6", "myip6", "ipv6", "ip6addr"])
def test_an_ipv4_address_where_ipv6_belongs(d, name):
    answers(nic_update(d, "home.example.test", **{name: fresh4()}), 400, "dnserr\n")


def test_both_families(d):
    four, six = fresh4(), fresh6()
    answers(nic_update(d, "home.example.test", myip=f"{four},{six}"), 200, f"good {four},{six}\n")
    answers(nic_update(d, "home.example.test", myip=f"{six},{four}"), 200, f"nochg {six},{four}\n")
    next4, next6 = fresh4(), fresh6()
    answers(nic_update(d, "home.example.test", myip=next4, ip6addr=next6), 200, f"good {next4},{next6}\n")
    answers(
        nic_update(d, "home.example.test", myip=f"{next4},{six}"), 200, f"good {next4},{six}\n"
    )  # one of them is new
    assert values(d, "home.example.test.") == ([next4], [six])


@pytest.mark.parametrize(
    "sent, answered, stored",
    [
        ("198.19.0.1/24", "198.19.0.1", "198.19.0.1"),
        ("2001:DB8:0:0::A1", "2001:DB8:0:0::A1", "2001:db8::a1"),
        ("2001:db8:0:0:0:0:0:a2/64", "2001:db8:0:0:0:0:0:a2", "2001:db8::a2"),
        ("::ffff:198.19.0.3", "::ffff:198.19.0.3", "198.19.0.3"),
        (" 198.19.0.4 ", "198.19.0.4", "198.19.0.4"),
        ("198.19.0.5,", "198.19.0.5", "198.19.0.5"),
        (",198.19.0.6", "198.19.0.6", "198.19.0.6"),
        ("198.19.0.7,198.19.0.7", "198.19.0.7", "198.19.0.7"),
    ],
)
def test_an_address_is_answered_as_it_was_sent(d, sent, answered, stored):
    answers(nic_update(d, "home.example.test", myip=sent), 200, f"good {answered}\n")
    answers(nic_update(d, "home.example.test", myip=sent), 200, f"nochg {answered}\n")
    assert stored in sum(values(d, "home.example.test."), [])


@pytest.mark.parametrize("family", ["", "empty", "no other"])
def test_the_source_address_where_none_is_named(d, family):
    parameters = {"": {}, "empty": {"myip": ""}, "no other": {"myip": "", "myipv6": "", "ip6lanprefix": ""}}[family]
    four, six = fresh4(), fresh6()
    before = values(d, "home.example.test.")
    answers(nic_update(d, "home.example.test", via=four, **parameters), 200, f"good {four}\n")
    assert values(d, "home.example.test.") == ([four], before[1])
    answers(nic_update(d, "home.example.test", via=six, **parameters), 200, f"good {six}\n")
    assert values(d, "home.example.test.") == ([four], [six])


def test_empty_beside_another_is_nothing(d):
    before, six = values(d, "home.example.test."), fresh6()
    answers(nic_update(d, "home.example.test", via=fresh4(), myip="", myipv6=six), 200, f"good {six}\n")
    assert values(d, "home.example.test.") == (before[0], [six])


@pytest.mark.parametrize("word", ["no", "NO", "preserve", "Preserve"])
def test_a_family_can_be_left_alone(d, word):
    before, six = values(d, "home.example.test."), fresh6()
    answers(nic_update(d, "home.example.test", via=fresh4(), myipv4=word, myipv6=six), 200, f"good {six}\n")
    four = fresh4()
    answers(nic_update(d, "home.example.test", via=fresh6(), myip=four, myipv6=word), 200, f"good {four}\n")
    assert values(d, "home.example.test.") == ([four], [six])
    answers(nic_update(d, "home.example.test", via=fresh4(), myip=word), 400, "nohost\n")
    assert values(d, "home.example.test.") == ([four], [six])
    assert before != ([four], [six])


@pytest.mark.parametrize(
    "address",
    ["home", "198.18.1", "198.18.1.256", "198.018.1.1", "fe80::1%eth0", "198.18.1.1/33", "198.18.1.1/x", "1;2"],
)
def test_not_an_address(d, address):
    before = values(d, "home.example.test.")
    answers(nic_update(d, "home.example.test", myip=address), 400, "dnserr\n")
    answers(nic_update(d, "home.example.test", myip=f"{fresh4()},{address}"), 400, "dnserr\n")
    assert values(d, "home.example.test.") == before


def test_two_addresses_of_a_family(d):
    answers(nic_update(d, "home.example.test", myip=f"{fresh4()},{fresh4()}"), 400, "dnserr\n")
    answers(nic_update(d, "home.example.test", myip=fresh4(), ip=fresh4()), 400, "dnserr\n")


def test_a_host_without_the_family_ignores_it(d):
    four, six = fresh4(), fresh6()
    answers(nic_update(d, "four.example.test", myip=f"{four},{six}"), 200, f"good {four}\n")
    answers(nic_update(d, "six.example.test", myip=f"{four},{six}"), 200, f"good {six}\n")
    assert values(d, "four.example.test.") == ([four], []) and values(d, "six.example.test.") == ([], [six])
    answers(nic_update(d, "four.example.test", myip=fresh6()), 400, "nohost\n")
    answers(nic_update(d, "six.example.test", myip=fresh4()), 400, "nohost\n")


# ---- outcomes ----


def test_repeats_are_nochg_and_never_abuse(d):
    address = fresh4()
    answers(nic_update(d, "home.example.test", myip=address), 200, f"good {address}\n")
    for _ in range(30):
        answers(nic_update(d, "home.example.test", myip=address), 200, f"nochg {address}\n")


def test_locked(d):
    answers(nic_update(d, "locked.example.test", myip=fresh4()), 503, "abuse\n")
    answers(nic_update(d, "locked.example.test", myip=f"{fresh4()},{fresh6()}"), 503, "abuse\n")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "fd00::1", "::1"])
def test_private_addresses(d, address):
    answers(nic_update(d, "home.example.test", myip=address), 503, "dnserr\n")
    answers(nic_update(d, "inside.example.test", myip=address), 200, f"good {address}\n")


@pytest.mark.parametrize("address", ["0.0.0.0", "169.254.1.1", "255.255.255.255", "::", "fe80::1", "ff02::1"])
def test_unusable_addresses(d, address):
    """A router whose WAN is down names such; it must come again, so not 4xx."""
    for name in ("home", "inside"):
        answers(nic_update(d, f"{name}.example.test", myip=address), 503, "dnserr\n")


@pytest.mark.parametrize("address", ["10.0.0.1", "100.64.3.4", "0.0.0.0", "169.254.1.1"])
def test_the_family_that_can_be_set_is_answered_for(d, address):
    """Behind carrier NAT for ever: what matters is done, and a client that is told 503 fails every five minutes."""
    four = values(d, "home.example.test.")[0]
    for myip in ("{four},{six}", "{six},{four}"):
        six = fresh6()
        myip = myip.format(four=address, six=six)
        answers(nic_update(d, "home.example.test", myip=myip), 200, f"good {six}\n")
        assert values(d, "home.example.test.") == (four, [six])
        answers(nic_update(d, "home.example.test", myip=myip), 200, f"nochg {six}\n")


@pytest.mark.parametrize("address", ["fd00::5", "fe80::5", "::"])
def test_the_other_family_as_well(d, address):
    four, six = fresh4(), values(d, "home.example.test.")[1]
    answers(nic_update(d, "home.example.test", myip=f"{four},{address}"), 200, f"good {four}\n")
    assert values(d, "home.example.test.") == ([four], six)


def test_what_can_be_set_but_was_not_is_the_answer(d):
    """Only an address that cannot stand in DNS is passed over, no other reason."""
    answers(nic_update(d, "locked.example.test", myip=f"10.0.0.1,{fresh6()}"), 503, "abuse\n")
    answers(nic_update(d, "home.example.test", myip="10.0.0.1,fd00::1"), 503, "dnserr\n")
    six = fresh6()
    answers(nic_update(d, "inside.example.test", myip=f"10.0.0.1,{six}"), 200, f"good 10.0.0.1,{six}\n")


def test_none_done_has_the_status_of_the_first_that_failed(d):
    names = {"locked": "abuse", "nobody": "nohost", "six": "nohost"}
    for order in itertools.permutations(names):
        answer = nic_update(d, ",".join(f"{name}.example.test" for name in order), myip=fresh4())
        answers(answer, 503 if order[0] == "locked" else 400, "".join(f"{names[name]}\n" for name in order))


@pytest.mark.parametrize("word", ["YES", "yes"])
def test_offline(d, word):
    """test_withdraw.py has more."""
    address = fresh4()
    answers(nic_update(d, "home.example.test", offline="NO", myip=address), 200, f"good {address}\n")
    answers(nic_update(d, "home.example.test", offline=word), 200, "good\n")
    answers(nic_update(d, "home.example.test", offline=word), 200, "nochg\n")


@pytest.mark.parametrize("query", ["hostname=a&hostname=b", "hostname=%zz", "hostname=%00", "hostname=%ff", "myip=1%4"])
def test_broken_parameters(d, query):
    answers(d.request(f"/nic/update?{query}", headers=basic("user", SECRET)), 400, "notfqdn\n")


def test_unknown_parameters_are_ignored(d):
    address = fresh4()
    more = {"system": "dyndns", "wildcard": "NOCHG", "mx": "", "backmx": "NO", "url": "https://x/?y", "mode": "set"}
    answers(nic_update(d, "home.example.test", myip=address, **more), 200, f"good {address}\n")


def test_no_answer_holds_a_word_of_success_by_chance(d):
    """Clients look for these in the body of whatever comes back, some without a look at the status."""
    words = ("good", "nochg", "true", "updated", "success", "no change", "update ok")
    headers = basic("user", SECRET)
    refused = [
        nic_update(d, "nobody.example.test"),
        nic_update(d, "home.example.test", user=None),
        nic_update(d, "home.example.test", myip="x"),
        nic_update(d, "locked.example.test", myip=fresh4()),
        nic_update(d, "home.example.test", path="/nic/nothing"),
        d.request("/nic/update", "PUT", headers),
        d.request("/nic/update?" + "x" * 5000, headers=headers),
        d.request("/nic/update", headers={**headers, "X": "y" * 17000}),
        d.request("/nic/update", "POST", headers, "x" * 9000),
        d.request("/nic/update", headers={**headers, "X-Forwarded-For": "rubbish"}),
    ]
    assert {answer.status for answer in refused} == {400, 401, 404, 405, 413, 414, 431, 503}
    for answer in refused:
        assert not any(word in answer.text.lower() for word in words), answer.text
        assert "ok" not in answer.text.lower(), answer.text


# ---- the log ----


def test_log_and_metrics(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=HOSTS)
    nic_update(d, "home.example.test,six.example.test", via="198.18.7.9", myip="2001:db8::9")
    for name in ("home", "six"):
        d.wait_log(
            f"event=update dialect=dyndns2 source=198.18.7.9 host={name}.example.test. "
            r"type=AAAA address=2001:db8::9 result=good ms=\d+"
        )
    assert d.metrics().value("ddns53_updates_total", dialect="dyndns2", result="good") == 2
    assert d.metrics().value("ddns53_requests_total", dialect="dyndns2", result="good") == 1
