"""SIGHUP: what changes while it runs, what stays when a file is broken, and that nobody notices."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BEHIND_PROXY, Client, hash_token, host, merged, query_target
from harness.daemon import SECRET

HOME, WWW, NEW = "home.example.com.", "www.example.com.", "new.example.com."
MANY = {"reads_per_minute": 1000000, "connections_per_address": 1000}
FAST = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}, "limits": MANY})


# ---- hosts ----


def test_a_removed_host_stops_and_a_new_one_works(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME), host(WWW)])
    assert d.set(HOME, via="198.18.7.1").status == d.set(WWW, via="198.18.7.1").status == 200
    assert d.set(NEW, via="198.18.7.1").status == 401
    d.hosts = [host(HOME), host(NEW)]
    d.write_config()
    assert "hosts=2" in d.reload()
    assert d.set(HOME, via="198.18.7.2").status == 200
    assert d.set(NEW, via="198.18.7.2").status == 200
    assert d.set(WWW, via="198.18.7.2").status == 401
    assert r53.values(WWW) == ["198.18.7.1"] and r53.values(NEW) == ["198.18.7.2"]
    assert d.metrics().value("ddns53_hosts") == 2


def test_secret_auth_and_lock_change(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    other = "another-secret-after-the-reload-01"
    d.hosts = [host(HOME, secret=other)]
    d.write_config()
    d.reload()
    assert d.set(HOME, via="198.18.7.1").status == 401
    assert d.set(HOME, other, via="198.18.7.1").status == 200
    d.hosts[0]["lock_record"] = True
    d.write_config()
    d.reload()
    assert d.set(HOME, other, via="198.18.7.2").status == 403
    d.hosts[0].update(lock_record=False, auth=["signed"])
    d.write_config()
    d.reload()
    assert d.set(HOME, other, via="198.18.7.2").status == 401


def test_a_host_that_was_away_is_known_again(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME), host(WWW)])
    assert d.set(HOME, via="198.18.7.1").status == 200
    d.hosts = [host(WWW)]
    d.write_config()
    d.reload()
    r53.put_record(HOME, "A", ["203.0.113.66"], ttl=60)  # while nobody looks after it
    d.hosts = [host(HOME), host(WWW)]
    d.write_config()
    d.reload()
    assert d.set(HOME, via="198.18.7.1").status == 200
    assert r53.values(HOME) == ["198.18.7.1"]


def test_no_hosts_at_all(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[])
    assert d.set(HOME, via="198.18.7.1").status == 401
    d.hosts = [host(HOME)]
    d.write_config()
    d.reload()
    assert d.set(HOME, via="198.18.7.1").status == 200


# ---- settings ----


def test_settings_that_change_while_it_runs(daemon, r53, tmp_path):
    key = "an-api-key-after-the-reload-0001"
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    d.settings["server"]["api_keys"] = [key]
    d.settings["update"] = {"default_auth": ["signed"]}
    d.write_config()
    d.reload()
    assert d.get().status == 403
    assert d.query(mode="get", headers={"x-api-key": key}).status == 200
    token = hash_token("198.18.7.1", HOME, SECRET)
    parameters = {"mode": "set", "hostname": HOME, "hash": token}
    assert d.query(via="198.18.7.1", headers={"x-api-key": key}, **parameters).status == 401
    d.settings["server"].update(api_keys=[], trusted_proxies=[])
    d.settings["update"] = {}
    d.settings["hosts_file"] = "other.yaml"
    d.write_config()
    d.hosts_path.rename(d.hosts_path.with_name("other.yaml"))
    d.reload()
    assert d.get(via="198.18.7.1").message == "127.0.0.1"
    assert d.set(HOME).status == 403  # authenticated, but private
    assert not d.log_lines("event=restart_needed")


@pytest.mark.parametrize(
    "change, name",
    [
        ({"server": {"listen": ["127.0.0.2:0"]}}, "server.listen"),
        ({"server": {"threads": 1}}, "server.threads"),
        ({"admin": {"listen": ""}}, "admin.listen"),
        ({"state_dir": "/nonexistent"}, "admin.socket, state_dir"),
        ({"admin": {"socket": ""}}, "admin.socket"),
        ({"limits": {"connections": 17}}, "limits.connections"),
        ({"route53": {"profile": "other"}}, "route53.profile"),
        ({"zones": [{"name": "example.com.", "default_ttl": 5}]}, "zones"),
    ],
)
def test_settings_that_need_a_restart_are_named(daemon, r53, change, name):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    d.settings = merged(d.settings, change)
    d.write_config()
    d.reload()
    d.wait_log(f"event=restart_needed .*only after a restart: {name}\\b")
    assert d.set(HOME, via="198.18.7.1").status == 200  # as before
    assert r53.record(HOME).ttl == 60


# ---- broken files ----

BROKEN_HOSTS = f"""\
hosts:
  - hostname: home.example.com.
    record_type: B
    shared_secret: {SECRET}
"""


@pytest.mark.parametrize(
    "text, place",
    [
        (BROKEN_HOSTS, "3:18"),
        ("hosts: [", "2:1"),
        ("", "1:1"),
        ("hosts:\n", "1:7"),
        ("hosts: &a []", "1:8"),
        ("hosts:\n- {}\n", "2:3"),
    ],
)
def test_a_broken_hosts_file_keeps_the_old_hosts(daemon, r53, text, place):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    d.write_hosts_text(text)
    *problems, end = d.reload_fails().splitlines()
    assert all(problem.startswith("event=reload_problem number=1 message=") for problem in problems)
    assert f"{d.hosts_path}:{place}: " in problems[0]
    words = "the settings and hosts in force stay"
    assert end.startswith(f'event=reload_failed number=1 problems={len(problems)} message="{words}')
    assert d.set(HOME, via="198.18.7.1").status == 200
    d.write_config()
    d.reload()
    assert d.set(HOME, via="198.18.7.2").status == 200


def test_a_broken_settings_file_keeps_the_old_settings(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    d.hosts.append(host(NEW))
    d.write_config()  # good hosts beside broken settings: neither counts
    d.write_settings_text(d.config_path.read_text() + "update:\n  timeout_s: soon\nnothing: 1\n")
    *problems, end = d.reload_fails().splitlines()
    for problem in problems:
        assert re.match(rf"event=reload_problem number=1 message=\"{re.escape(str(d.config_path))}:\d+:\d+: ", problem)
    assert len(problems) == 2 and "number=1 problems=2 " in end and "in force stay" in end
    assert d.set(HOME, via="198.18.7.1").status == 200
    assert d.set(NEW, via="198.18.7.1").status == 401


def test_missing_files_and_modes(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    for spoil in (d.hosts_path.unlink, d.config_path.unlink, lambda: d.hosts_path.chmod(0o666)):
        spoil()
        assert ".yaml: " in d.reload_fails()
        assert d.set(HOME, via=f"198.18.7.{int(time.monotonic() * 1000) % 250}").status == 200
        d.write_config()
        d.hosts_path.chmod(0o600)
    d.reload()


# ---- under load ----


class Load:
    """Keep-alive clients that ask without a pause; every answer but the expected one is kept."""

    def __init__(self, d, clients: int):
        self.d, self.failures, self.count = d, [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        tls = self.d.tls_context()
        name = f"load{number}.example.com."
        with Client(self.d.url, tls) as client:
            for turn in range(1_000_000):
                if self._stop.is_set():
                    return
                via = f"198.18.{number}.{turn % 3 + 1}"
                token = hash_token(via, name, SECRET)
                parameters = {"mode": "set", "hostname": name, "hash": token} if turn % 2 else {"mode": "get"}
                try:
                    answer = client.request(query_target(parameters), headers={"X-Forwarded-For": via})
                    good = answer.status == 200 and via in answer.message
                    failure = None if good else (name, answer.status, answer.text)
                except OSError as error:
                    failure = (name, repr(error))
                with self._lock:
                    self.count += 1
                    if failure:
                        self.failures.append(failure)

    def wait_more(self, requests: int) -> None:
        """Until so many more have been answered."""
        until, deadline = self.count + requests, time.monotonic() + 60
        while self.count < until:
            assert time.monotonic() < deadline, f"{self.count} answers, not {until}"
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_under_load_no_request_fails(daemon, r53):
    """Eight clients, while hosts, settings and files that are broken are loaded again and again."""
    staying = [host(f"load{number}.example.com.") for number in range(8)]
    d = daemon(route53=r53, settings=FAST, hosts=[*staying, host(WWW)])
    load = Load(d, len(staying))
    try:
        for turn in range(12):
            d.hosts = [*reversed(staying), host(NEW)] if turn % 2 == 0 else [*staying, host(WWW)]
            d.settings["limits"]["reads_per_minute"] = 1000000 - turn
            d.write_config()
            d.reload()
            present, absent = (NEW, WWW) if turn % 2 == 0 else (WWW, NEW)
            assert d.set(present, via=f"198.18.100.{turn}").status == 200
            assert d.set(absent, via=f"198.18.100.{turn}").status == 401
            if turn % 4 == 3:
                d.write_hosts_text("hosts: [{")
                d.reload_fails()
            load.wait_more(40)
    finally:
        load.stop()
    assert load.failures == []
    assert load.count >= 480
    assert set(r53.results()) <= {"ok"}


def test_requests_that_wait_for_the_provider_survive_a_reload(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME), host(WWW)])
    d.wait_read_back()
    held = r53.faults.hold(operation="ChangeResourceRecordSets")
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(d.set, name, via="198.18.7.1") for name in (HOME, WWW)]
        d.wait_metric("ddns53_queue_depth", 2, zone="example.com.")
        d.hosts = [host(HOME)]  # the other leaves while its change is under way
        d.write_config()
        d.reload()
        held.release()
        assert [answer.result().status for answer in answers] == [200, 200]
    assert r53.values(HOME) == r53.values(WWW) == ["198.18.7.1"]


def test_many_signals_at_once(daemon, r53):
    d = daemon(route53=r53, settings=FAST, hosts=[host(HOME)])
    for _ in range(50):
        d.process.signal(1)
    d.hosts.append(host(NEW))
    d.write_config()
    d.reload()
    d.wait_log(r"event=reloaded number=\d+ hosts=2")
    assert d.set(NEW, via="198.18.7.1").status == 200
