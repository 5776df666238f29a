"""The control socket: who may use it, where it is, what it answers, and that no other listener does."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from harness import BEHIND_PROXY, SECRET, host, merged, run_binary
from harness.updates import Background, wait_until

HOME = "home.example.com."
WWW = "www.example.com."
LOCKED = "locked.example.com."
TEXTS = "texts.example.com."
HOSTS = [
    host(HOME, ["A", "AAAA"]),
    host(WWW),
    host(LOCKED, lock_record=True),
    host(TEXTS, "TXT"),
]
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})
ROUTES = ("/status", "/zones", "/records", "/reload", "/put", "/withdraw", "/repair")


@pytest.fixture
def d(daemon, r53):
    made = daemon(route53=r53, settings=SETTINGS, hosts=HOSTS)
    made.wait_read_back()
    return made


# ---- the socket ----


def test_it_has_its_mode_and_goes_at_the_end(d):
    info = d.control_path.stat()
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o660
    d.wait_log(f"event=listening what=control address=unix:{d.control_path} tls=no")
    d.stop()
    assert not d.control_path.exists()


def test_one_that_was_left_behind_is_replaced(d):
    d.kill()
    assert d.control_path.exists()
    d.start()
    assert d.control("/status")[0] == 200


def test_a_living_one_refuses_the_start(d, daemon):
    second = daemon(
        start=False, name="second", settings={"admin": {"socket": str(d.control_path)}}, hosts=[host("a.example.test.")]
    )
    done = run_binary("--config", second.config_path)
    assert done.returncode == 69
    assert f"another ddns53d listens at the control socket {d.control_path}" in done.stderr
    assert "its own admin.socket" in done.stderr
    assert d.control("/status")[0] == 200


def test_one_that_cannot_be_made_costs_only_the_tool(daemon):
    d = daemon(settings={"admin": {"socket": "/proc/nowhere/control.sock"}})
    d.wait_log("event=control_failed .*/proc/nowhere/control.sock.*admin.socket")
    assert d.get().status == 200


def test_it_can_be_off(daemon):
    d = daemon(settings={"admin": {"socket": ""}})
    assert not d.control_path.exists()
    done = d.ctl("status", status=69)
    assert 'admin.socket is ""' in done.stderr


def test_its_path_may_be_long(daemon, tmp_path):
    folder = tmp_path / ("long name " * 12)
    folder.mkdir()
    path = folder / "control.sock"
    d = daemon(settings={"admin": {"socket": str(path)}})
    assert len(str(path)) > 107 and stat.S_ISSOCK(path.stat().st_mode)
    assert d.ctl_json("status")["listeners"][-1]["address"] == f"unix:{path}"
    d.stop()
    assert not path.exists()


def test_no_other_listener_has_its_routes(d):
    for path in ROUTES:
        for url in (d.url, d.admin_url):
            for method in ("GET", "POST"):
                assert d.request(path, method, url=url).status == 404, path
    assert d.control("/healthz") == (404, "there is nothing at this path; check the URL against the manual\n")
    assert d.control("/?mode=get")[0] == 404


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_other_users_are_refused_whatever_the_mode(d):
    """The mode keeps them out; and where somebody has widened it, the peer's credentials do."""
    nobody = pwd.getpwnam("nobody")
    for folder in (d.state_dir, d.folder, *d.folder.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "curl", "-s"]
    ask = [*as_nobody, "--unix-socket", os.path.relpath(d.control_path, d.state_dir), "http://x/status"]
    refused = subprocess.run(ask, cwd=d.state_dir, capture_output=True, text=True)
    assert refused.returncode == 7, "the mode lets nobody else connect"
    d.control_path.chmod(0o666)
    answered = subprocess.run(ask, cwd=d.state_dir, capture_output=True, text=True)
    assert answered.returncode == 0 and "root, the daemon's own user and its group" in answered.stdout
    in_group = [word for word in ask if word not in ("--clear-groups", f"--regid={nobody.pw_gid}")]
    in_group[2:2] = [f"--regid={nobody.pw_gid}", f"--groups={os.getegid()}"]
    member = subprocess.run(in_group, cwd=d.state_dir, capture_output=True, text=True)
    assert json.loads(member.stdout)["version"]


# ---- routes ----


def test_status(d):
    status, body = d.control("/status")
    assert status == 200
    assert body["pid"] == d.pid and body["hosts"] == 4 and body["records"] == 5
    assert body["config"] == str(d.config_path) and body["state_dir"] == str(d.state_dir)
    assert [listener["what"] for listener in body["listeners"]] == ["api", "admin", "control"]
    assert body["trouble"] == [] and body["reload"]["ok"] is True and body["store_failing_s"] == -1
    (zone,) = body["zones"]
    assert zone["name"] == "example.com." and zone["provider"] == "route53"
    assert zone["failing_s"] == -1 and zone["trouble"] is None
    assert body["queue"] == {"records": 0, "limit": 100000, "draining": False}


def test_wrong_requests(d):
    assert d.control("/put", method="GET")[0] == 405
    assert d.control("/status", {})[0] == 405
    for body in ({}, {"hostname": 5}, {"hostname": HOME}, {"hostname": HOME, "address": "here"},
                 {"hostname": HOME, "address": "198.18.7.9", "type": "AAAA"},
                 {"hostname": HOME, "address": "198.18.7.9", "values": ["x"]},
                 {"hostname": TEXTS, "type": "TXT", "values": []},
                 {"hostname": TEXTS, "type": "TXT", "values": [5]},
                 {"hostname": HOME, "type": "A", "values": ["198.18.7.9"]},
                 {"hostname": TEXTS, "type": "TXT", "values": ["x", 5]},
                 {"hostname": HOME, "type": "MX", "address": "198.18.7.9"}):  # fmt: skip
        status, answer = d.control("/put", body)
        assert status == 400 and answer["error"], body
    assert d.control("/put", [1])[0] == 400
    assert d.control("/records", {"states": ["nothing"]})[0] == 400
    for path in ("/put", "/withdraw", "/repair", "/records"):
        status, answer = d.control(path, {"hostname": "no.example.com", "address": "198.18.7.9"})
        assert status == 404 and "no such host" in answer["error"], path


def test_put_goes_through_the_queue(d, r53):
    status, answer = d.control("/put", {"hostname": "HOME.example.com", "address": "198.18.7.9"})
    assert status == 200 and answer["ok"]
    (record,) = answer["records"]
    assert record["hostname"] == HOME and record["type"] == "A" and record["verdict"] == "good"
    assert record["change_id"].startswith("C")
    assert r53.values(HOME) == ["198.18.7.9"]
    _, answer = d.control("/put", {"hostname": HOME, "address": "198.18.7.9"})
    assert answer["records"][0]["verdict"] == "nochg"
    d.wait_log(f"event=operator uid={os.geteuid()} action=put host={HOME} type=A")
    d.wait_log(f"event=update dialect=operator source=local host={HOME} type=A address=198.18.7.9 result=good")


def test_put_of_a_locked_host_and_of_texts(d, r53):
    assert d.set(LOCKED, via="198.18.7.1").status == 403
    assert d.control("/put", {"hostname": LOCKED, "address": "10.1.2.3"})[1]["ok"]
    assert r53.values(LOCKED) == ["10.1.2.3"]
    assert d.control("/put", {"hostname": TEXTS, "type": "TXT", "values": ["one", 'two "x"']})[1]["ok"]
    assert sorted(r53.values(TEXTS, "TXT")) == ['"one"', '"two \\042x\\042"']


@pytest.mark.parametrize(
    "body, verdict",
    [
        ({"hostname": WWW, "address": "2001:db8::9"}, "no_record"),
        ({"hostname": WWW, "address": "0.0.0.0"}, "unusable_address"),
        ({"hostname": TEXTS, "address": "198.18.7.9"}, "no_record"),
    ],
)
def test_what_put_refuses(d, body, verdict):
    status, answer = d.control("/put", body)
    assert status == 409 and not answer["ok"] and answer["records"][0]["verdict"] == verdict


def test_what_is_not_ours_is_never_overwritten(daemon, r53):
    r53.put_record(HOME, "A", ["192.0.2.1", "192.0.2.2"])
    d = daemon(route53=r53, settings=SETTINGS, hosts=HOSTS)
    for path in ("/put", "/withdraw"):
        status, answer = d.control(path, {"hostname": HOME, "address": "198.18.7.9", "type": "A"})
        assert status == 409 and answer["records"][0]["verdict"] == "conflict"
    assert r53.values(HOME) == ["192.0.2.1", "192.0.2.2"]


def test_withdraw(d, r53):
    d.control("/put", {"hostname": HOME, "address": "198.18.7.9"})
    d.control("/put", {"hostname": HOME, "address": "2001:db8::9"})
    assert d.control("/withdraw", {"hostname": HOME, "type": "AAAA"})[1]["ok"]
    assert r53.values(HOME) and not r53.values(HOME, "AAAA")
    status, answer = d.control("/withdraw", {"hostname": HOME})
    assert status == 200 and [record["verdict"] for record in answer["records"]] == ["good", "nochg"]
    assert not r53.values(HOME)


def test_a_provider_that_does_not_answer_in_time(daemon, r53):
    r53.faults.error(500)
    d = daemon(route53=r53, settings=merged(SETTINGS, {"update": {"timeout_s": 1}}), hosts=HOSTS)
    status, answer = d.control("/put", {"hostname": HOME, "address": "198.18.7.9"})
    assert status == 409 and answer["records"][0]["verdict"] == "timed_out"
    d.wait_log("event=zone_trouble")  # the first call may have been late
    zone = d.control("/status")[1]["zones"][0]
    assert zone["failing_s"] >= 0 and zone["trouble"]
    r53.faults.clear()


# ---- reload ----


def test_reload_says_what_it_brought(d):
    d.hosts.append(host("new.example.com."))
    d.hosts[0]["ttl"] = 300
    d.write_config()
    status, answer = d.control("/reload", {})
    assert status == 200
    assert {key: answer[key] for key in ("ok", "hosts", "added", "removed", "changed", "errors")} == {
        "ok": True, "hosts": 5, "added": 1, "removed": 0, "changed": 1, "errors": []}  # fmt: skip
    assert d.control("/put", {"hostname": "new.example.com", "address": "198.18.7.9"})[1]["ok"]


def test_reload_says_which_line_is_wrong(d):
    d.write_hosts_text("hosts:\n  - hostname: home.example.com\n    record_type: AAA\n    shared_secret: 0123456789abcdef\n")
    status, answer = d.control("/reload", {})
    assert status == 409 and answer["ok"] is False
    (error,) = answer["errors"]
    assert error.startswith(f"{d.hosts_path}:3:18: ")
    assert d.control("/status")[1]["reload"]["ok"] is False
    assert d.set(HOME, via="198.18.7.9").status == 200, "the hosts in force stay"


def test_reload_warns_of_what_needs_a_restart(d):
    d.settings = merged(d.settings, {"server": {"threads": 1}})
    d.write_config()
    (warning,) = d.control("/reload", {})[1]["warnings"]
    assert "server.threads" in warning and "restart" in warning


def test_many_reloads_at_once_are_all_answered(d):
    asked = [Background(d.control, "/reload", {}) for _ in range(20)]
    answers = [one.result() for one in asked]
    assert all(status == 200 and answer["ok"] for status, answer in answers)
    assert len(d.log_lines("event=reloaded")) <= 20


def test_a_reload_under_way_at_the_end_is_answered(d):
    """SIGTERM comes while operators wait for a reload: each is told, and the daemon ends in order."""
    ends = threading.Event()

    def reload_until_it_ends() -> None:
        while True:
            try:
                status, _ = d.control("/reload", {})
            except (ConnectionError, FileNotFoundError):
                assert ends.is_set()
                return
            assert status in (200, 503)

    asking = [Background(reload_until_it_ends) for _ in range(5)]
    d.wait_log_lines("event=reloaded", 2)
    ends.set()
    d.stop()
    for one in asking:
        one.result()


def ask_until_it_ends(d) -> int:
    """How often it answered."""
    count = 0
    while True:
        try:
            assert d.control("/status")[0] in (200, 503)
            count += 1
        except (OSError, http.client.HTTPException):
            return count


def test_who_asks_for_the_status_to_the_end(d):
    """What is told of the other listeners is looked up in them, while they are taken apart."""
    asking = [Background(ask_until_it_ends, d) for _ in range(3)]
    wait_until(lambda: d.metrics().sum("ddns53_requests_total", dialect="control") > 20, "they ask")
    d.stop()
    assert all(one.result() > 0 for one in asking)


def test_a_client_that_waits_holds_up_no_end(d):
    connections = []
    for _ in range(3):
        connection = socket.socket(socket.AF_UNIX)
        folder = os.open(d.control_path.parent, os.O_PATH)
        connection.connect(f"/proc/self/fd/{folder}/{d.control_path.name}")
        os.close(folder)
        connections.append(connection)
    connections[0].sendall(b"POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    d.stop()
    for connection in connections:
        connection.close()


def test_a_secret_is_in_no_answer(d):
    d.control("/put", {"hostname": HOME, "address": "198.18.7.9"})
    for path, body in (("/status", None), ("/zones", None), ("/records", {}), ("/reload", {})):
        assert SECRET not in json.dumps(d.control(path, body)[1])


def test_the_states_of_records_are_counted(d, r53):
    d.control("/put", {"hostname": HOME, "address": "198.18.7.9"})
    (zone,) = d.control("/zones")[1]["zones"]
    counts = zone["records"]
    assert counts["in_step"] == 1 and counts["unset"] == 4
    assert sum(counts.values()) == 5
