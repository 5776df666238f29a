"""ddns53ctl beside the running daemon, and where it does not run: status, reload, put, withdraw, list, show, history."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from harness import BEHIND_PROXY, ctl_path, host, merged
from harness.updates import history, wait_until

HOME = "home.example.com."
LOCKED = "locked.example.com."
TEXTS = "texts.example.com."
HOSTS = [
    host(HOME, ["A", "AAAA"]),
    host("b.example.com."),
    host("a.lan.example.com.", allow_internal=True),
    host(LOCKED, lock_record=True),
    host(TEXTS, "TXT"),
]
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})


@pytest.fixture
def d(daemon, r53):
    made = daemon(route53=r53, settings=SETTINGS, hosts=HOSTS)
    r53.wait_calls(1, "ListResourceRecordSets")
    return made


def rows(text: str) -> list[list[str]]:
    """A table's rows below its titles, cut where there are two blanks."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]


# ---- status ----


def test_status(d):
    done = d.ctl("status")
    assert f"process {d.pid}, {d.config_path}" in done.stdout
    assert re.search(r"hosts +5 with 6 records", done.stdout)
    assert re.search(r"example\.com\. +route53 +ok", done.stdout)
    assert re.search(rf"control +unix:{re.escape(str(d.control_path))}", done.stdout)
    assert "\033" not in done.stdout, "no colour but on a terminal"
    assert d.ctl_json("status")["pid"] == d.pid


def test_status_says_what_is_wrong(daemon, r53):
    r53.faults.error(500)
    d = daemon(route53=r53, settings=SETTINGS, hosts=HOSTS)
    d.wait_log("event=zone_trouble")
    done = d.ctl("status", status=1)
    assert re.search(r"example\.com\. +route53 +failing", done.stdout)
    assert "example.com. fails for" in done.stdout and "internal error" in done.stdout
    assert d.ctl_json("status", status=1)["zones"][0]["trouble"]
    assert re.search("zone fails", d.ctl("list").stdout)
    assert {row["failing"] for row in d.ctl_json("list", "--state", "failing")} == {
        d.ctl_json("status", status=1)["zones"][0]["trouble"]
    }
    r53.faults.clear()


def test_status_after_a_reload_that_was_rejected(d):
    d.write_hosts_text("hosts: nothing\n")
    assert "hosts.yaml:1:8" in d.ctl("reload", status=78).stderr
    done = d.ctl("status", status=1)
    assert "rejected" in done.stdout


def test_status_watch(d, tmp_path):
    out = tmp_path / "out"
    with out.open("wb") as file:
        command = [str(ctl_path()), "-c", str(d.config_path), "status", "--watch"]
        watching = subprocess.Popen(command, stdout=file, env=d.environment)
    wait_until(lambda: out.read_text().count("ddns53d ") >= 2, "it is shown again", timeout=30)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == -signal.SIGINT


def test_no_daemon(d):
    d.stop()
    for arguments in (["status"], ["reload"], ["put", HOME, "198.18.7.9"], ["withdraw", HOME], ["plan"], ["repair"]):
        done = d.ctl(*arguments, status=69)
        assert done.stdout == "" and f"no daemon listens at {d.control_path}; start it" in done.stderr
    d.start()
    d.kill()  # leaves its socket behind
    assert "no daemon listens" in d.ctl("status", status=69).stderr


# ---- reload ----


def test_reload(d):
    d.hosts.append(host("new.example.com."))
    d.write_config()
    assert "6 hosts, 1 added, 0 removed, 0 changed" in d.ctl("reload").stdout
    assert d.ctl_json("reload")["hosts"] == 6
    d.settings = merged(d.settings, {"server": {"threads": 1}})
    d.write_config()
    assert re.search("warning: .*server.threads.*restart", d.ctl("reload").stderr)
    d.write_hosts_text("hosts:\n  - hostname: x.example.com\n    record_type: A\n")
    done = d.ctl("reload", status=78)
    assert f"{d.hosts_path}:2:5: shared_secret" in done.stderr and "goes on with what it had" in done.stderr
    assert d.ctl_json("reload", status=78)["errors"]


# ---- put, withdraw, history ----


def test_put_and_withdraw(d, r53):
    assert re.match(rf"{HOME} A: good, .*; change C\w+\n", d.ctl("put", "HOME.example.com", "198.18.7.9").stdout)
    assert r53.values(HOME) == ["198.18.7.9"]
    assert d.ctl("put", HOME, "2001:db8::9").returncode == 0
    assert r53.values(HOME, "AAAA") == ["2001:db8::9"]
    assert "nochg" in d.ctl("put", HOME, "198.18.7.9").stdout
    assert d.ctl_json("put", LOCKED, "10.0.0.1")["ok"], "a locked host, and any address"
    assert d.ctl("put", TEXTS, "--txt", "one", "--txt", "two words").returncode == 0
    assert sorted(r53.values(TEXTS, "TXT")) == ['"one"', '"two words"']
    assert d.ctl("withdraw", HOME, "--type", "AAAA").stdout.startswith(f"{HOME} AAAA: good")
    assert r53.values(HOME) and not r53.values(HOME, "AAAA")
    assert history(d.state_dir, HOME) == [("", "198.18.7.9"), ("", "2001:db8::9"), ("2001:db8::9", "")]
    changes = d.ctl_json("history", HOME)["changes"]
    assert [change["dialect"] for change in changes] == ["operator"] * 3 and changes[0]["after"] == ""
    assert changes[0]["change_id"].startswith("C")


def test_put_refused(d, r53):
    r53.put_record("b.example.com.", "A", ["192.0.2.1", "192.0.2.2"])
    d.stop()
    d.start()
    done = d.ctl("put", "b.example.com", "198.18.7.9", status=1)
    assert "conflict" in done.stdout and "delete it in DNS first" in done.stdout
    assert r53.values("b.example.com.") == ["192.0.2.1", "192.0.2.2"]
    assert "no_record" in d.ctl("put", "b.example.com", "2001:db8::1", status=1).stdout
    assert "no such host" in d.ctl("put", "c.example.com", "198.18.7.9", status=66).stderr
    for arguments in ([HOME], [HOME, "here"], [HOME, "198.18.7.9", "--txt", "x"], ["not a name", "198.18.7.9"]):
        assert d.ctl("put", *arguments, status=64).stderr.startswith("ddns53ctl: ")
    assert "--type" in d.ctl("withdraw", HOME, "--type", "MX", status=64).stderr


def test_history(d):
    for number in range(1, 4):
        assert d.set(HOME, via=f"198.18.7.{number}").status == 200
    d.stop()
    table = rows(d.ctl("history").stdout)
    assert [row[4:6] for row in table] == [["198.18.7.2", "198.18.7.3"], ["198.18.7.1", "198.18.7.2"], ["-", "198.18.7.1"]]
    assert table[0][6:8] == ["198.18.7.3", "query"]
    assert len(rows(d.ctl("history", "-n", "2").stdout)) == 2
    assert d.ctl("history", "b.example.com").stdout == ""
    assert len(d.ctl_json("history", HOME, "--since", "1h")["changes"]) == 3
    assert d.ctl_json("history", "--since", "2099-01-01")["changes"] == []
    assert "--since" in d.ctl("history", "--since", "yesterday", status=64).stderr
    left = {path.name for path in d.state_dir.iterdir()}
    assert not left & {"state.db-wal", "state.db-shm"}, "a look leaves nothing behind"


def test_history_before_the_first_start(daemon, r53):
    d = daemon(start=False, route53=r53, settings=SETTINGS, hosts=HOSTS)
    assert d.ctl_json("history") == {"changes": []}
    assert [row["value"] for row in d.ctl_json("list")] == [None] * 6


# ---- list, show ----


def test_list(d):
    assert d.set(HOME, via="198.18.7.9").status == 200
    wait_until(lambda: d.ctl_json("list", "home.*")[0]["last_accessed_from"], "it is saved")
    table = rows(d.ctl("list").stdout)
    assert [row[:2] for row in table] == [
        [HOME, "A"], [HOME, "AAAA"], ["b.example.com.", "A"], ["a.lan.example.com.", "A"], [LOCKED, "A"], [TEXTS, "TXT"]
    ]  # fmt: skip
    assert table[0][2] == "198.18.7.9" and table[0][5] == "198.18.7.9"
    assert re.fullmatch(r"now|\d+ s ago", table[0][3])
    assert table[1][2:6] == ["-", "never", "never", "-"]
    assert table[4][-1] == "locked"
    first = d.ctl_json("list")[0]
    assert first["hostname"] == HOME and first["state"] == "in_step" and first["ttl"] == 60
    assert set(first) == {"hostname", "type", "zone", "value", "ttl", "last_updated_s", "last_checked_s",
                          "last_accessed_from", "locked", "state", "dns", "failing", "secret_used"}  # fmt: skip


def names(d, *arguments: str) -> list[str]:
    return [row["hostname"] for row in d.ctl_json("list", *arguments)]


def test_list_filters_sorts_and_pages(d):
    for name, address in (("b.example.com.", "198.18.7.1"), (HOME, "198.18.7.2")):
        assert d.set(name, via=address).status == 200
    assert names(d, "*.LAN.example.com") == ["a.lan.example.com."]
    assert names(d, "--locked") == [LOCKED] and names(d, "--type", "TXT") == [TEXTS]
    assert names(d, "--zone", "example.com") == names(d) and names(d, "--zone", "other.com") == []
    assert names(d, "--sort", "name", "--type", "A") == sorted([HOME, "b.example.com.", "a.lan.example.com.", LOCKED])
    assert names(d, "--sort", "name", "-r", "--type", "A")[0] == LOCKED
    assert set(names(d, "--sort", "updated", "--count", "3")) == {HOME, "b.example.com."}
    assert names(d, "--count", "2", "--skip", "2") == ["b.example.com.", "a.lan.example.com."]
    stale = names(d, "--stale", "1h")
    assert "b.example.com." not in stale and LOCKED in stale
    assert names(d, "nothing.*") == [] and d.ctl("list", "nothing.*").stdout == ""
    for wrong in (["--sort", "size"], ["--type", "MX"], ["--stale", "x"], ["--count", "x"], ["--state", "x"]):
        assert d.ctl("list", *wrong, status=64).stderr.startswith("ddns53ctl: --")


def test_list_and_show_see_drift(d, r53):
    assert d.set(HOME, via="198.18.7.9").status == 200
    r53.put_record(HOME, "A", ["192.0.2.5"], 60)
    d.stop()
    d.start()
    wait_until(lambda: names(d, "--state", "drifted") == [HOME], "the zone is read back")
    assert "drifted" in d.ctl("list", "home.*").stdout
    text = d.ctl("show", HOME).stdout
    assert "A 198.18.7.9  drifted" in text and "in DNS now: 192.0.2.5 ttl 60" in text
    assert d.ctl_json("show", HOME)["records"][0]["dns"] == {"value": "192.0.2.5", "ttl": 60}


def test_without_the_daemon_list_and_show_work_from_files(d):
    assert d.set(HOME, via="198.18.7.9").status == 200
    d.stop()
    assert names(d) and d.ctl_json("list")[0]["state"] is None
    done = d.ctl("show", HOME)
    assert "A 198.18.7.9" in done.stdout and "no daemon runs" in done.stdout
    assert "only a running daemon" in d.ctl("list", "--state", "drifted", status=69).stderr


def test_show(d):
    text = d.ctl("show", "locked.example.com").stdout
    assert text.startswith(f"{LOCKED}  zone example.com.\n") and f"{d.hosts_path}:" in text and "locked" in text
    shown = d.ctl_json("show", HOME)
    assert shown["hostname"] == HOME and shown["rows"][0]["record_type"] == "A, AAAA"
    assert [record["type"] for record in shown["records"]] == ["A", "AAAA"]
    assert "ddns53ctl list" in d.ctl("show", "no.example.com", status=66).stderr
    d.hosts.append(host("unloaded.example.com."))
    d.write_config()
    assert "unloaded" in d.ctl("show", "unloaded.example.com").stdout, "the daemon does not know it yet"


def test_a_hundred_thousand_hosts_stream(daemon, r53):
    d = daemon(start=False, route53=r53, settings=SETTINGS, hosts=HOSTS)
    rows_text = "".join(f"- {{hostname: h{i}.example.com, record_type: A, shared_secret: secret-of-host-{i:08}}}\n"
                        for i in range(100_000))  # fmt: skip
    d.write_hosts_text("hosts:\n" + rows_text)
    done = d.ctl("list", "--json")
    assert len(json.loads(done.stdout)) == 100_000
    first = subprocess.run(
        f"'{ctl_path()}' -c '{d.config_path}' list | head -3", shell=True, capture_output=True, text=True, env=d.environment
    )
    assert first.stdout.count("\n") == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_root_leaves_no_files_of_its_own_in_the_state(d):
    """The daemon's user must be able to write whatever SQLite makes beside state.db."""
    d.set(HOME, via="198.18.7.9")
    d.kill()  # its log of changes is still there
    for path in (d.state_dir, *d.state_dir.iterdir()):
        os.chown(path, 12345, 12345)
    for folder in d.folder.parents:
        if folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    d.folder.chmod(0o755)
    # A process that has changed its user cannot be looked at by LeakSanitizer.
    done = d.ctl("list", "home.*", "--json", ASAN_OPTIONS="detect_leaks=0")
    assert json.loads(done.stdout)[0]["value"] == "198.18.7.9"
    assert {path.stat().st_uid for path in d.state_dir.iterdir()} == {12345}
