"""The rfc2136 provider at real name servers, which are set up as ddns53-rfc2136(7) says."""

from __future__ import annotations

import glob
import re
import shutil
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import BEHIND_PROXY, Daemon, binary_path, host, merged
from harness.dialects import basic
from harness.nameserver import SERIAL, SERVERS, ZONE, NameServer, UdpOnly
from harness.updates import wait_until

HOME = "home.example.com."
BOTH = ["A", "AAAA"]
OTHER_SECRET = "YW5vdGhlciBzZWNyZXQgdGhhdCBub2JvZHkga25vd3M="
SETTINGS = merged(BEHIND_PROXY, {"update": {"timeout_s": 30}, "limits": {"connections_per_address": 2000}})
HASTY = merged(SETTINGS, {"update": {"timeout_s": 1}})
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


@pytest.fixture(params=list(SERVERS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def made_servers() -> Iterator[list[Any]]:
    servers: list[Any] = []
    yield servers
    for one in reversed(servers):
        one.close()


@pytest.fixture
def make_server(made_servers: list, tmp_path: Path) -> Callable[..., NameServer]:
    """Not started yet."""

    def make(kind: str, **options: Any) -> NameServer:
        program = SERVERS[kind].program
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            pytest.skip(f"{program} is not installed; tests/run --ci and tests/run in a container install it")
        made_servers.append(SERVERS[kind](tmp_path / f"{kind} {len(made_servers)}", **options))
        return made_servers[-1]

    return make


@pytest.fixture
def server(make_server, kind: str) -> NameServer:
    return make_server(kind)


@pytest.fixture
def serve(made_servers, daemon):
    """A daemon whose one zone is at the name server. (It asks for the servers, so that it is stopped before them.)"""

    def make(server: NameServer, hosts=(host(HOME, BOTH),), settings=SETTINGS, zone=None, start=True, **more) -> Daemon:
        settings = merged(settings, {"zones": [zone or server.zone_settings()]})
        return daemon(settings=settings, hosts=hosts, start=start, **more)

    return make


# ---- the plain way ----


def test_set_unchanged_and_another_address(serve, server):
    d = serve(server.start())
    answer = d.set(HOME, via="198.18.7.9")
    assert answer.status == 200, answer.text
    assert server.rows(HOME) == [("198.18.7.9", 60)]
    after_one = server.serial()
    assert after_one > SERIAL
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert server.serial() == after_one
    assert d.set(HOME, via="2001:db8::9").status == 200
    assert d.set(HOME, via="198.18.7.10").status == 200
    assert server.rows(HOME) == [("198.18.7.10", 60)]
    assert server.rows(HOME, "AAAA") == [("2001:db8::9", 60)]
    assert server.serial() >= after_one + 2
    d.stop()


def test_names_and_ttls(serve, server):
    names = {ZONE: 5, "*.wild.example.com.": 7, "x-a.example.com.": 0, "a.b.c.d.example.com.": 2147483647}
    d = serve(server.start(), hosts=[host(name, ttl=ttl) for name, ttl in names.items()])
    for name in names:
        assert d.set(name, via="198.18.7.9").status == 200
    for name, ttl in names.items():
        assert server.rows(name) == [("198.18.7.9", ttl)]
    assert server.values(ZONE, "NS") == ["ns.example.com."]


@pytest.mark.parametrize("algorithm", ["hmac-sha384", "hmac-sha512"])
def test_other_algorithms(serve, make_server, algorithm):
    server = make_server("bind")
    server.configure()
    config = server.folder / "named.conf"
    text = config.read_text()
    server.configure = lambda: config.write_text(text.replace("hmac-sha256", algorithm)) and ["-g", "-n", "1", "-c", str(config)]
    d = serve(server.start(), zone=merged(server.zone_settings(), {"tsig": {"algorithm": algorithm}}))
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert server.values(HOME) == ["198.18.7.9"]


def test_a_secret_in_a_file(serve, server):
    server.start()
    zone = server.zone_settings()
    secret = zone["tsig"].pop("secret")
    d = serve(server, zone=merged(zone, {"tsig": {"secret_file": "ddns53.key"}}), start=False)
    path = d.folder / "ddns53.key"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    d.start()
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert server.values(HOME) == ["198.18.7.9"]


def test_without_a_key_on_loopback(serve, make_server):
    server = make_server("bind")
    server.configure()
    config = server.folder / "named.conf"
    text = re.sub(r"update-policy \{.*\};", "allow-update { 127.0.0.1; };", config.read_text())
    server.configure = lambda: config.write_text(text) and ["-g", "-n", "1", "-c", str(config)]
    zone = server.zone_settings()
    del zone["tsig"]
    d = serve(server.start(), zone=zone)
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert server.values(HOME) == ["198.18.7.9"]


# ---- reading ----


@pytest.mark.parametrize("lets_transfer", [True, False])
def test_a_restart_of_the_daemon_reads_the_zone(serve, server, lets_transfer):
    server.lets_transfer = lets_transfer
    names = [f"h{number}.example.com." for number in range(30)]
    d = serve(server.start(), hosts=[host(name) for name in names])
    for name in names:
        assert d.set(name, via="198.18.7.9").status == 200
    d.stop()
    (d.state_dir / "state.db").unlink()
    serial = server.serial()
    d.start()
    for name in names:
        assert d.set(name, via="198.18.7.9").status == 200
    assert server.serial() == serial
    assert d.set(names[3], via="198.18.7.10").status == 200
    assert server.values(names[3]) == ["198.18.7.10"]


@pytest.mark.parametrize("lets_transfer", [True, False])
def test_what_a_wildcard_makes_up_does_not_count(serve, server, lets_transfer):
    """The address is already the answer to a question, yet the record is not there."""
    server.lets_transfer = lets_transfer
    server.zone_text += "*.w A 198.18.7.9\n*.c CNAME ns\n"
    names = ["a.w.example.com.", "a.c.example.com."]
    d = serve(server.start(), hosts=[host(name) for name in names])
    for name in names:
        assert d.set(name, via="198.18.7.9").status == 200
    server.update(lambda update: update.present("a.w", "A"))
    for name in names:
        assert server.values(name) == ["198.18.7.9"]
    assert server.values("b.c.example.com.", "CNAME") == ["ns.example.com."]


@pytest.mark.parametrize("lets_transfer", [True, False])
def test_somebody_elses_change_is_seen(serve, server, lets_transfer):
    server.lets_transfer = lets_transfer
    d = serve(server.start(), settings=merged(SETTINGS, {"update": {"reconcile_s": 1}}))
    assert d.set(HOME, via="198.18.7.9").status == 200
    server.update(lambda update: update.replace("home", 99, "A", "192.0.2.77"))
    d.wait_log("event=drift .*home", 30)
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert server.rows(HOME) == [("198.18.7.9", 60)]


def test_a_delegated_name_is_refused(serve, server):
    server.lets_transfer = False
    server.zone_text += "sub NS ns.other.test.\n"
    name = "a.sub.example.com."
    d = serve(server.start(), hosts=[host(name)])
    answer = d.set(name, via="198.18.7.9")
    assert answer.status == 403
    assert "handed sub.example.com. to other name servers" in answer.text


# ---- what is not ours ----


@pytest.mark.parametrize("lets_transfer", [True, False])
def test_a_foreign_record_is_never_overwritten(serve, server, lets_transfer):
    """It came after the daemon had looked: the update's prerequisites keep it."""
    server.lets_transfer = lets_transfer
    names = ["cname.example.com.", "second.example.com.", "first.example.com."]
    d = serve(server.start(), hosts=[host(name) for name in names])
    for name in names[1:]:
        assert d.set(name, via="198.18.7.9").status == 200
    assert d.set(names[0], via="198.18.7.9").status == 200

    def meddle(update) -> None:
        update.delete("cname", "A")
        update.add("cname", 300, "CNAME", "ns")
        update.add("second", 300, "A", "192.0.2.1")
        update.replace("first", 300, "A", "192.0.2.2")

    server.update(meddle, check=False)
    answers = [d.set(name, via="198.18.7.10") for name in names]
    assert [answer.status for answer in answers] == [409, 409, 200], [answer.text for answer in answers]
    assert server.values(names[0], "CNAME") == ["ns.example.com."]
    assert server.values(names[1]) == ["192.0.2.1", "198.18.7.9"]
    assert server.values(names[2]) == ["198.18.7.10"]  # one address of a plain record is ours to change


def test_one_foreign_record_does_not_spoil_a_batch(serve, server):
    """Forty changes go in one message, of which the server makes all or none."""
    names = [f"h{number}.example.com." for number in range(40)]
    d = serve(server.start(), hosts=[host(name, auth=["basic"]) for name in names])
    d.wait_read_back()
    server.update(lambda update: update.add("h17", 300, "CNAME", "ns"), check=False)
    words = set_many(d, names, "198.18.7.9")
    assert words.pop(names[17]) == "dnserr"
    assert set(words.values()) == {"good"}
    assert server.values(names[17], "CNAME") == ["ns.example.com."]
    found = server.addresses()
    assert {name: found.get(name) for name in words} == {name: "198.18.7.9" for name in words}


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_a_change_that_the_servers_rules_forbid_is_refused_alone(serve, make_server, kind):
    """BIND has no addresses at names that are no hosts' (check-names); Knot has what its acl says."""
    server = make_server(kind)
    command = server.configure()
    if kind == "knot":
        config = server.folder / "knot.conf"
        rule = "    update-owner: name\n    update-owner-match: sub\n    update-owner-name: [ours]\n"
        text = config.read_text().replace("    update-type:", rule + "    update-type:")
        config.write_text(text)
    server.configure = lambda: command
    names = [*(f"h{number}.ours.example.com." for number in range(20)), "_wrong.example.com."]
    d = serve(server.start(), hosts=[host(name, auth=["basic"]) for name in names])
    d.wait_read_back()
    words = set_many(d, names, "198.18.7.9")
    assert words.pop(names[-1]) == "dnserr"
    assert set(words.values()) == {"good"}
    d.stop()  # all is logged by then
    assert not d.log_lines("event=zone_trouble")


# ---- many ----


def set_many(d: Daemon, names: list[str], address: str) -> dict[str, str]:
    """dyndns2, twenty hosts in a request, eight connections."""
    words: dict[str, str] = {}
    parts = [names[at : at + 20] for at in range(0, len(names), 20)]
    lock = threading.Lock()

    def work() -> None:
        client = d.client(timeout=120.0)
        headers = {**basic("x", host("x")["shared_secret"]), "X-Forwarded-For": address}
        while True:
            with lock:
                if not parts:
                    return
                part = parts.pop()
            answer = client.request(f"/nic/update?hostname={','.join(part)}&myip={address}", headers=headers)
            with lock:
                words.update(zip(part, (line.split(" ")[0] for line in answer.text.splitlines()), strict=True))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(words) == set(names)
    return words


@pytest.mark.slow
@pytest.mark.timeout_s(300)
def test_a_storm_of_ten_thousand_records(serve, server):
    names = [f"h{number}.example.com." for number in range(10000)]
    d = serve(server.start(), hosts=[host(name, auth=["basic"]) for name in names])
    d.wait_read_back()
    assert set(set_many(d, names, "198.18.7.9").values()) == {"good"}
    found = server.addresses()
    del found["ns.example.com."]
    assert found == {name: "198.18.7.9" for name in names}
    # far fewer messages than records
    assert server.serial() - SERIAL < 5000 or server.serial() > 2020000000


@pytest.mark.slow
@pytest.mark.timeout_s(300)
def test_no_change_is_lost_when_the_server_restarts(serve, server):
    names = [f"h{number}.example.com." for number in range(2000)]
    d = serve(server.start(), hosts=[host(name, auth=["basic"]) for name in names])
    d.wait_read_back()
    words: dict[str, str] = {}
    before, meanwhile = (
        threading.Thread(target=lambda part=part: words.update(set_many(d, part, "198.18.7.9")))
        for part in (names[:1500], names[1500:])
    )
    before.start()
    # By what the daemon counts: a look at the whole zone takes as long as a good part of the storm.
    d.wait_metric("ddns53_changes_total", 200, timeout=60, result="set")
    server.kill()
    meanwhile.start()
    d.wait_log("event=zone_trouble", 60)
    server.start()
    before.join()
    meanwhile.join()
    assert set(words.values()) <= {"good", "911"}
    wait_until(lambda: d.metrics().sum("ddns53_queue_depth") == 0, "the queue is not empty", 120)
    found = server.addresses()
    assert {name: found.get(name) for name in names} == {name: "198.18.7.9" for name in names}


# ---- what servers say ----


def trouble(d: Daemon) -> str:
    return d.wait_log("event=zone_trouble.*", 30).string


def test_another_secret(serve, server):
    """The change stays in the queue until the keys agree."""
    server.secret = OTHER_SECRET
    d = serve(server.start(), settings=HASTY)
    assert ("without a signature" if server.program == "pdns_server" else "BADSIG") in trouble(d)
    assert d.set(HOME, via="198.18.7.9").status == 503
    assert server.values(HOME) == []
    server.stop()
    mark = d.log_mark()
    d.settings["zones"] = [server.zone_settings(secret=OTHER_SECRET)]
    d.settings["update"]["timeout_s"] = 30
    d.write_config()
    assert "zones" in d.reload() or d.wait_log("event=restart_needed.*zones", 15, mark)
    server.start()
    d.stop_at_once()
    d.start()
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert server.values(HOME) == ["198.18.7.9"]


def test_changes_wait_until_the_key_is_right(serve, server):
    server.secret = OTHER_SECRET
    d = serve(server.start(), settings=HASTY)
    trouble(d)
    assert d.set(HOME, via="198.18.7.9").status == 503
    server.stop()
    server.process = None
    again = type(server)(server.folder.with_name("again"))
    again.port = server.port
    try:
        again.start()
        d.reload()  # tries at once
        d.wait_log("event=late_change.*home", 30)
        assert again.values(HOME) == ["198.18.7.9"]
    finally:
        again.close()


def test_a_key_that_is_not_known(serve, server):
    zone = merged(server.start().zone_settings(), {"tsig": {"name": "nobody."}})
    d = serve(server, settings=HASTY, zone=zone)
    assert ("without a signature" if server.program == "pdns_server" else "BADKEY") in trouble(d)
    assert d.set(HOME, via="198.18.7.9").status == 503
    d.stop_at_once()  # or it would try to finish the change first


def test_a_key_that_may_not_update(serve, server):
    server.permits = False
    d = serve(server.start(), settings=HASTY)
    assert re.search("REFUSED|BADKEY", trouble(d))
    assert d.set(HOME, via="198.18.7.9").status == 503
    assert server.values(HOME) == []
    d.stop_at_once()  # or it would try to finish the change first


def test_a_zone_that_is_not_there(serve, server):
    server.has_zone = False
    d = serve(server.start(), settings=HASTY)
    assert re.search("does not serve it|without a signature", trouble(d))
    assert d.set(HOME, via="198.18.7.9").status in (403, 503)
    d.stop_at_once()  # or it would try to finish the change first


def with_clock(offset_s: int) -> dict[str, str]:
    """An environment in which a program's clock is wrong. (The monotonic one is right.)"""
    program = binary_path().read_bytes()
    if b"__asan_" in program or b"__tsan_" in program:
        pytest.skip("a sanitizer and libfaketime do not go together")
    found = glob.glob(FAKETIME)
    assert found, "faketime is missing; tests/run installs it"
    return {"LD_PRELOAD": found[0], "FAKETIME": f"{offset_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("offset_s", [1000, -1000])
def test_clocks_that_are_apart(serve, server, offset_s):
    d = serve(server.start(), settings=HASTY, environment=with_clock(offset_s))
    line = trouble(d)
    if server.program == "pdns_server":
        assert "both clocks are right" in line
    else:
        apart = re.search(r"BADTIME: its clock is (\d+) seconds (ahead of|behind) ours", line)
        assert apart, line
        assert apart[2] == ("behind" if offset_s > 0 else "ahead of")
        assert 990 <= int(apart[1]) <= 1010
    assert d.set(HOME, via="198.18.7.9").status == 503
    d.kill()  # libfaketime spoils the waits of an orderly end


def test_nobody_listens(serve, server):
    d = serve(server, settings=HASTY)
    assert "Connection refused" in trouble(d)
    assert d.set(HOME, via="198.18.7.9").status == 503
    server.start()
    d.wait_log("event=late_change.*home", 60)
    assert server.values(HOME) == ["198.18.7.9"]


# ---- UDP ----


def test_by_udp_where_tcp_is_closed(serve, server, made_servers):
    many = "".join(f"many A 192.0.2.{number}\n" for number in range(1, 100))
    server.zone_text += many
    names = [f"h{number}.example.com." for number in range(60)]
    way = UdpOnly(server.start())
    made_servers.append(way)
    hosts = [host(name, auth=["basic"]) for name in names] + [host("many.example.com.")]
    d = serve(server, hosts=hosts, zone=server.zone_settings(port=way.port))
    assert set(set_many(d, names, "198.18.7.9").values()) == {"good"}
    assert way.messages > 0
    found = server.addresses()
    assert {name: found.get(name) for name in names} == {name: "198.18.7.9" for name in names}
    # an answer that does not fit says so, and is not taken for less than it is
    d.settings["update"]["timeout_s"] = 1
    d.write_config()
    d.reload()
    assert d.set("many.example.com.", via="198.18.7.9").status == 503
    d.wait_log("event=zone_trouble.*short, for UDP", 30)
    assert len(server.values("many.example.com.")) == 99
    d.stop_at_once()  # or it would try to finish the change first
