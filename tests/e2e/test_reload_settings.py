"""Every row of the settings table, reloaded twice: what needs a restart stays whole, all else is in force and stays so."""

from __future__ import annotations

import copy
import json
import os
import re
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable

import pytest

from harness import BEHIND_PROXY, Daemon, hash_token, host, keep_confidential, merged, query_target, run_binary
from harness.daemon import SECRET, dump_yaml
from harness.updates import wait_until
from standin import Route53

HOME, WWW = "home.example.com.", "www.example.com."
KEY = "an-api-key-after-the-reload-0001"
MANY = {"reads_per_minute": 1000000, "connections_per_address": 1000, "auth_failures_per_minute": 1000000}
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}, "limits": MANY, "update": {"timeout_s": 20}})


def fingerprint(d: Daemon) -> bytes:
    with d.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        return connection.getpeercert(binary_form=True) or b""


# ---- what a row does, seen from outside ----


@dataclass
class Case:
    d: Daemon
    r53: Route53
    certificate: bytes  # the new one
    mark: int = 0  # of the log, before the reload
    turn: int = 0  # of the reload, from 1

    def source(self, last: int) -> str:
        return f"198.18.{self.turn}.{last}"


def presents_the_new_certificate(case: Case) -> bool:
    return fingerprint(case.d) == case.certificate


def presents_an_rsa_one_too(case: Case) -> bool:
    lines = case.d.log_lines("event=certificate .*file=.*rsa.pem")
    return len(lines) == 1 and fingerprint(case.d) != case.certificate


def warns_of_the_name(case: Case) -> bool:
    case.d.wait_log("event=certificate_warning .*elsewhere.example.net", since=case.mark)
    return True


def believes_no_proxy(case: Case) -> bool:
    return case.d.get(via="198.18.7.1").message == "127.0.0.1"


def believes_forwarded(case: Case) -> bool:
    return case.d.query(mode="get", headers={"Forwarded": "for=198.18.7.2"}).message == "198.18.7.2"


def wants_a_key(case: Case) -> bool:
    with_key = case.d.query(mode="get", headers={"x-api-key": KEY})
    return (case.d.get().status, with_key.status) == (403, 200)


def refuses_hash(case: Case) -> bool:
    return case.d.set(HOME, via="198.18.7.1").status == 401


def reads_the_other_file(case: Case) -> bool:
    statuses = [case.d.set(name, via=case.source(1)).status for name in ("other.example.com.", HOME)]
    return statuses == [200, 401]


def times_out_soon(case: Case) -> bool:
    case.r53.change_latency_s = 4.0
    status = case.d.set(HOME, via=case.source(1)).status
    case.r53.change_latency_s = 0.0
    case.d.wait_log("event=late_change .*result=set", since=case.mark)  # so that the next one begins anew
    return status == 503


def is_read_back_each_second(case: Case) -> bool:
    operation = "ListResourceRecordSets"
    case.r53.wait_calls(len(case.r53.calls_of(operation)) + 2, operation)
    return True


def closes_silent_connections_soon(case: Case) -> bool:
    began = time.monotonic()
    try:
        with case.d.connect(timeout=9) as connection:
            assert connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        pass  # the handshake has taken longer than that
    return time.monotonic() - began < 8


def answers_two_reads(case: Case) -> bool:
    return [case.d.get(via=case.source(1)).status for _ in range(3)] == [200, 200, 429]


def bears_one_failure(case: Case) -> bool:
    wrong = [case.d.set(HOME, "a-wrong-secret-of-it", via=case.source(1)).status for _ in range(2)]
    return wrong == [401, 429]


def queues_one_change(case: Case) -> bool:
    held = case.r53.faults.hold(operation="ChangeResourceRecordSets")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(case.d.set, HOME, via=case.source(1))
        case.d.wait_metric("ddns53_queue_depth", 1, zone="example.com.")
        second = case.d.set(WWW, via=case.source(1)).status
        held.release()
        return (first.result().status, second) == (200, 503)


def calls_at_seven_a_second(case: Case) -> bool:
    pace = "ddns53_pace_requests_per_second"
    wait_until(lambda: case.d.metrics().sum(pace) <= 7, "the I/O thread takes the new pace")
    return True


def obtains_certificates(case: Case) -> bool:
    wait_until(lambda: case.d.ctl_json("certificate", "show", status=None)["acme"]["on"], "it does not obtain them")
    return True


def asks_that_authority(case: Case) -> bool:
    case.d.wait_log("event=acme_started .* directory=https://localhost:2/other")
    return True


def wants_those_names(case: Case) -> bool:
    case.d.wait_log("event=acme_started names=a.example.com,b.example.com ")
    return True


def asks_that_server(case: Case) -> bool:
    body = {"hostname": "a.example.com", "value": f"turn{case.turn}"}
    # It is answered at the end, since the server never answers.
    threading.Thread(target=case.d.control, args=("/acme/challenge", body), daemon=True).start()
    return b"_acme-challenge" in ASKED.recv(512)


ASKED = socket.socket(type=socket.SOCK_DGRAM)
ASKED.bind(("127.0.0.1", 0))
ASKED.settimeout(30.0)


def with_acme(**acme: Any) -> dict[str, Any]:
    """It never reaches an authority: nobody listens at these ports."""
    settings = {"email": "me@example.com", "directory": "https://localhost:1/dir", "names": ["a.example.com"], **acme}
    return {"server": {"certificate": "", "private_key": "", "acme": settings}}


RESTART = None
PAIR = {"server": {"certificate": "new.pem", "private_key": "new.key"}}
BESIDE = {"server": {"second_certificate": "rsa.pem", "second_private_key": "rsa.key"}}
TWO_ZONES = {"zones": [{"name": "example.com.", "default_ttl": 5}, {"name": "b.test", "provider": "zonefile"}]}
# The key: a change of it, and how the change shows; RESTART: only in the log.
ROWS: dict[str, tuple[dict[str, Any], Callable[[Case], bool] | None]] = {
    "server.listen": ({"server": {"listen": ["127.0.0.2:0"]}}, RESTART),
    "server.certificate": (PAIR, presents_the_new_certificate),
    "server.private_key": (PAIR, presents_the_new_certificate),
    "server.second_certificate": (BESIDE, presents_an_rsa_one_too),
    "server.second_private_key": (BESIDE, presents_an_rsa_one_too),
    "server.tls": ({"server": {"tls": False}}, RESTART),
    "server.threads": ({"server": {"threads": 1}}, RESTART),
    "server.public_url": ({"server": {"public_url": "https://elsewhere.example.net"}}, warns_of_the_name),
    "server.trusted_proxies": ({"server": {"trusted_proxies": []}}, believes_no_proxy),
    "server.proxy_header": ({"server": {"proxy_header": "forwarded"}}, believes_forwarded),
    "server.api_keys": ({"server": {"api_keys": [KEY]}}, wants_a_key),
    "server.acme.email": (with_acme(), obtains_certificates),
    "server.acme.directory": (with_acme(directory="https://localhost:2/other"), asks_that_authority),
    "server.acme.names": (with_acme(names=["a.example.com", "b.example.com"]), wants_those_names),
    "server.acme.ask": (with_acme(ask=[f"127.0.0.1:{ASKED.getsockname()[1]}"]), asks_that_server),
    "admin.listen": ({"admin": {"listen": ""}}, RESTART),
    "admin.socket": ({"admin": {"socket": ""}}, RESTART),
    "hosts_file": ({"hosts_file": "other.yaml"}, reads_the_other_file),
    "state_dir": ({"state_dir": "/nonexistent"}, RESTART),
    "update.timeout_s": ({"update": {"timeout_s": 1}}, times_out_soon),
    "update.reconcile_s": ({"update": {"reconcile_s": 1}}, is_read_back_each_second),
    "update.default_auth": ({"update": {"default_auth": ["signed"]}}, refuses_hash),
    "limits.connections": ({"limits": {"connections": 17}}, RESTART),
    "limits.connections_per_address": ({"limits": {"connections_per_address": 18}}, RESTART),
    "limits.request_s": ({"limits": {"request_s": 1}}, closes_silent_connections_soon),
    "limits.reads_per_minute": ({"limits": {"reads_per_minute": 2}}, answers_two_reads),
    "limits.auth_failures_per_minute": ({"limits": {"auth_failures_per_minute": 1}}, bears_one_failure),
    "limits.queued_changes": ({"limits": {"queued_changes": 1}}, queues_one_change),
    "limits.decisions_mib": ({"limits": {"decisions_mib": 1}}, RESTART),
    "zones": (TWO_ZONES, RESTART),
    "route53.endpoint": ({"route53": {"endpoint": "http://127.0.0.1:9"}}, RESTART),
    "route53.region": ({"route53": {"region": "eu-west-1"}}, RESTART),
    "route53.profile": ({"route53": {"profile": "other"}}, RESTART),
    "route53.requests_per_second": ({"route53": {"requests_per_second": 7}}, calls_at_seven_a_second),
    "zonefile.directory": ({"zonefile": {"directory": "elsewhere"}}, RESTART),
    "zonefile.on_change": ({"zonefile": {"on_change": ["/bin/true", "{zone}"]}}, RESTART),
}


def test_the_table_above_has_every_row(tmp_path):
    (tmp_path / "d.yaml").write_text("zones: [{name: example.com}]\n")
    (tmp_path / "hosts.yaml").write_text("hosts: []\n")
    names, section, inner = set(), "", ""
    for line in run_binary("--config", tmp_path / "d.yaml", "--dump-config").stdout.splitlines():
        top = re.match(r"(\w+):(.*)", line)
        below = re.match(r"  (\w+):(.*)", line)
        inmost = re.match(r"    (\w+):", line)
        if top:
            section = top[1]
            names |= {section} if top[2] or section == "zones" else set()
        elif below:
            inner = below[1]
            names |= {f"{section}.{inner}"} if below[2] else set()
        elif inmost and section != "zones":
            names.add(f"{section}.{inner}.{inmost[1]}")
    assert names == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_reloaded_twice(daemon, r53, ca, name):
    change, effect = ROWS[name]
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME), host(WWW)])
    pair = ca.issue(f"of-{name}")
    other = ca.issue(f"rsa-of-{name}", rsa_bits=2048)
    for made, file in zip(pair + other, ("new.pem", "new.key", "rsa.pem", "rsa.key")):
        (d.folder / file).write_bytes(made.read_bytes())
        (d.folder / file).chmod(0o600)
    (d.folder / "other.yaml").write_text(dump_yaml({"hosts": [host("other.example.com.")]}))
    (d.folder / "other.yaml").chmod(0o600)
    leaf = pair[0].read_text().partition("-----END CERTIFICATE-----")
    case = Case(d, r53, ssl.PEM_cert_to_DER_cert(leaf[0] + leaf[1]))
    before = fingerprint(d)
    d.settings = merged(d.settings, change)
    for case.turn, extra in ((1, "one.example.com."), (2, "two.example.com.")):
        case.mark = d.log_mark()
        d.hosts.append(host(extra))
        d.write_config()
        assert f"number={case.turn} " in d.reload()
        named = d.log_lines("event=restart_needed")
        if effect:
            assert not named
            assert effect(case), f"reload {case.turn}"
            continue
        # A folder takes with it what is placed in it.
        assert len(named) == case.turn and all(re.search(rf"restart: ([\w.]+, )*{name}\b", line) for line in named)
        # At the same place, over TLS as before, by the same provider.
        assert d.set(extra, via=case.source(1)).status == 200
        assert r53.record(extra).ttl == 60 and fingerprint(d) == before
        assert d.metrics().value("ddns53_hosts") == 2 + case.turn


def test_a_zone_that_needs_a_restart_does_not_bring_back_old_settings(daemon, r53):
    """Rows that need a restart and rows that do not, in two reloads that each change one of them."""
    settings = merged(SETTINGS, {"update": {"default_auth": ["secret"]}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    secret_mode = {"mode": "set", "hostname": HOME, "secret": SECRET}
    before = copy.deepcopy(d.settings["zones"])
    assert d.set(HOME, via="198.18.7.1").status == 401
    d.settings["update"]["default_auth"] = ["hash"]
    d.write_config()
    d.reload()
    assert d.set(HOME, via="198.18.7.1").status == 200
    d.settings["zones"] = [*before, {"name": "b.test.", "provider": "zonefile"}]
    d.write_config()
    d.reload()
    d.wait_log("event=restart_needed .*: zones\"")
    assert d.set(HOME, via="198.18.7.2").status == 200, "default_auth is that of the start again"
    assert d.query(via="198.18.7.3", **secret_mode).status in (400, 401)
    assert not [line for line in d.log_lines("event=restart_needed") if "default_auth" in line]


def test_hosts_of_a_new_zone_wait_for_the_restart(daemon, r53):
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)])
    d.settings["zones"] = [*d.settings["zones"], {"name": "b.test.", "provider": "zonefile"}]
    d.hosts.append(host("a.b.test."))
    d.write_config()
    lines = d.reload_fails()
    assert "a.b.test." in lines and "needs a restart: zones" in lines
    assert d.set(HOME, via="198.18.7.1").status == 200
    d.stop()
    d.start()
    assert d.set("a.b.test.", via="198.18.7.1").status == 200


def test_the_hash_of_a_token_uses_the_new_secret_after_two_reloads(daemon, r53):
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)])
    for turn in range(2):
        secret = f"a-secret-after-reload-number-{turn}"
        d.hosts[0]["shared_secret"] = secret
        d.write_config()
        assert "changed=1" in d.reload()
        token = hash_token("198.18.7.1", HOME, secret)
        assert d.query(via="198.18.7.1", mode="set", hostname=HOME, hash=token).status == 200
        assert d.set(HOME, via="198.18.7.1").status == 401


# ---- limits.request_s, while an answer goes out ----

SHARED = "one-secret-of-many-hosts-0001"
LONG = "h{}." + ".".join(["a" * 60] * 2) + ".example.test."


def with_a_long_answer(daemon, request_s: int) -> Daemon:
    """list_hosts answers some 9 MB, more than the kernel takes for a client that does not read."""
    settings = {
        "server": {"tls": False, "certificate": None, "private_key": None},
        "limits": {"request_s": request_s},
        "update": {"default_auth": ["hash"]},
    }
    d = daemon(start=False, settings=settings, hosts=[])
    keep_confidential(SHARED)
    row = f"  - {{{{hostname: {LONG}, record_type: A, shared_secret: {SHARED}, read_privilege: true}}}}\n"
    d.write_hosts_text("hosts:\n" + "".join(row.format(number) for number in range(40000)))
    return d.start()


def ask_for_it(d: Daemon) -> socket.socket:
    name = LONG.format(1)
    target = query_target({"mode": "list_hosts", "hostname": name, "hash": hash_token("127.0.0.1", name, SHARED)})
    for _ in range(10):
        began = time.monotonic()
        connection = d.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        try:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            asked_s = time.monotonic() - began
            if head := connection.recv(12):
                assert head == b"HTTP/1.1 200"
                return connection
        except ConnectionError:
            asked_s = time.monotonic() - began
        connection.close()
        assert asked_s > 0.5 * d.settings["limits"]["request_s"], "the connection was closed though it had asked"
    pytest.fail("this process never asks in time")


def joined(chunks: bytes) -> bytes:
    """The body, which must be whole."""
    body, at = bytearray(), 0
    while True:
        line, _, _ = chunks[at : at + 20].partition(b"\r\n")
        size = int(line, 16)
        at += len(line) + 2
        body += chunks[at : at + size]
        at += size
        assert chunks[at : at + 2] == b"\r\n"
        at += 2
        if size == 0:
            assert at == len(chunks)
            return bytes(body)


def test_who_takes_no_answer_is_closed_by_the_new_limit(daemon):
    d = with_a_long_answer(daemon, 300)
    d.reload_with({"limits": {"request_s": 1}})
    before = len(os.listdir(f"/proc/{d.pid}/fd"))
    with ask_for_it(d):
        deadline = time.monotonic() + 20
        while len(os.listdir(f"/proc/{d.pid}/fd")) > before:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_who_pauses_is_borne_with_by_the_new_limit(daemon):
    d = with_a_long_answer(daemon, 1)
    d.reload_with({"limits": {"request_s": 60}})
    with ask_for_it(d) as connection:
        time.sleep(3)  # thrice what it was
        answer = bytearray()
        while piece := connection.recv(1 << 20):
            answer += piece
    head, _, chunks = answer.partition(b"\r\n\r\n")
    assert re.search(rb"transfer-encoding: chunked", head, re.IGNORECASE)
    body = joined(bytes(chunks))
    assert len(body) > 8_000_000 and len(json.loads(body)["return_message"]) == 40000
