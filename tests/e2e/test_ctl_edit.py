"""ddns53ctl's changes of hosts.yaml, beside the running daemon and without one: add, set, lock, unlock, remove, rename,
rotate. What a change leaves as it is, byte by byte, is tests/unit/test_hosts_property.c's."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from harness import BEHIND_PROXY, base_environment, ctl_path, keep_confidential, run_ctl
from harness.dialects import nic_update, plain_secret, zone_values
from harness.updates import wait_until

SECRET = "a-secret-of-test-ctl-edit-0001"
HOSTS = f"""# Who may set what.
hosts:
  # the house
  - hostname: home.example.test.   # a name
    record_type: [A, AAAA]
    shared_secret: "{SECRET}"
    auth: [basic, secret]

  - hostname: nas.example.test.
    record_type: AAAA
    follows: home.example.test.
    interface_id: "::9"
# the end
"""
BASE32 = r"[a-z2-7]{32}"


@pytest.fixture(autouse=True)
def secrets():
    keep_confidential(SECRET)


@pytest.fixture
def place(tmp_path):
    """Both files, and no daemon."""

    class Place:
        config = tmp_path / "a folder" / "ddns53d.yaml"
        hosts = tmp_path / "a folder" / "hosts.yaml"

        def ctl(self, *arguments, status=0, **options):
            done = run_ctl(*arguments, config=self.config, **options)
            assert done.returncode == status, done.stdout + done.stderr
            return done

        def write(self, text):
            self.hosts.touch(mode=0o640)
            self.hosts.write_text(text)

        def rows(self):
            return yaml.safe_load(self.hosts.read_text())["hosts"]

    made = Place()
    made.config.parent.mkdir()
    state = tmp_path / "state"
    made.config.write_text(
        "server: {public_url: 'https://ddns.example.test'}\n"
        f"zones: [{{name: example.test, provider: zonefile}}]\nstate_dir: '{state}'\n"
    )
    made.write(HOSTS)
    return made


@pytest.fixture
def d(daemon):
    made = daemon(settings=BEHIND_PROXY, start=False)
    made.hosts_path.write_text(HOSTS)
    made.hosts_path.chmod(0o640)
    made.start()
    return made


def update(d, hostname, secret, address="198.18.7.9"):
    return nic_update(d, hostname, secret=secret, headers={"X-Forwarded-For": address})


def secret_in(text: str) -> str:
    found = re.search(rf"secret: ({BASE32})\n", text)
    assert found, text
    keep_confidential(found[1])
    return found[1]


# ---- add ----


def test_add(place):
    done = place.ctl("add", "Cabin.example.test", "--comment", "the cabin", "--ttl", "120")
    secret = secret_in(done.stdout)
    assert f"cabin.example.test.: added in {place.hosts}\n" in done.stdout
    assert "no daemon runs" in done.stdout
    assert "ddns53ctl client cabin.example.test. --for DEVICE" in done.stdout
    added = (
        "\n  - hostname: cabin.example.test.\n    record_type: [A, AAAA]\n"
        f'    shared_secret: "{secret}"\n    ttl: 120\n    comment: the cabin\n'
    )
    assert place.hosts.read_text() == HOSTS.replace("# the end\n", added + "# the end\n")
    assert stat.S_IMODE(place.hosts.stat().st_mode) == 0o640
    assert place.ctl("list").stdout.count("cabin.example.test.") == 2


def test_add_for_a_device(place):
    done = place.ctl("add", "cabin.example.test", "--type", "A", "--for", "fritzbox", "--allow-internal", "--mac", "0A:00:00:00:00:01")
    row = place.rows()[-1]
    keep_confidential(row["shared_secret"])
    assert re.fullmatch(BASE32, row["shared_secret"])
    assert f"  Password:         {row['shared_secret']}\n" in done.stdout and done.stderr == ""
    assert {key: row[key] for key in row if key != "shared_secret"} == {
        "hostname": "cabin.example.test.",
        "record_type": "A",
        "auth": ["basic"],
        "allow_internal": True,
        "mac_address": "0A:00:00:00:00:01",
    }
    # A device that can do what hosts may do anyway needs no auth of its own.
    place.ctl("add", "laptop.example.test", "--for", "curl")
    assert "auth" not in place.rows()[-1]
    # What was asked for counts, and the recipe says that it does not fit.
    done = place.ctl("add", "x.example.test", "--for", "fritzbox", "--auth", "hash", status=1)
    assert place.rows()[-1]["auth"] == ["hash"] and "auth=basic" in done.stderr


def test_add_to_a_group_and_behind_a_router(place):
    done = place.ctl("add", "b.example.test", "--group-with", "home.example.test")
    row = place.rows()[-1]
    assert (row["shared_secret"], row["read_privilege"], row["auth"]) == (SECRET, True, ["basic", "secret"])
    assert list(row)[:3] == ["hostname", "record_type", "shared_secret"]
    assert "ddns53ctl set home.example.test. read_privilege=true" in done.stderr
    place.ctl("add", "tv.example.test", "--follows", "home.example.test", "--interface-id", "::7", "--subnet-id", "1")
    assert place.rows()[-1] == {
        "hostname": "tv.example.test.",
        "record_type": "AAAA",
        "follows": "home.example.test.",
        "interface_id": "::7",
        "subnet_id": 1,
    }


def test_add_as_json(place):
    added = json.loads(place.ctl("add", "cabin.example.test", "--type", "AAAA", "--json").stdout)
    keep_confidential(added["secret"])
    assert added == {
        "hostname": "cabin.example.test.",
        "record_types": ["AAAA"],
        "secret": place.rows()[-1]["shared_secret"],
        "auth": ["hash", "signed"],
        "follows": None,
        "file": str(place.hosts),
    }


def test_add_refused(place):
    refused = {
        ("home.example.test", "--type", "A"): (73, "is there already"),
        ("other.example.net",): (78, "is in none of the zones"),
        ("x.example.test", "--ttl", "soon"): (78, 'ttl: "soon"'),
        ("x.example.test", "--type", "MX"): (64, "--type"),
        ("x.example.test", "--for", "toaster"): (66, "toaster"),
        ("x.example.test", "--interface-id", "::1"): (64, "--follows"),
        ("x.example.test", "--follows", "home.example.test", "--for", "curl"): (64, "--for"),
        ("x.example.test", "--group-with", "y.example.test"): (66, "there is no host y.example.test."),
        ("x.example.test", "--group-with", "nas.example.test"): (1, "no secret"),
        ("no host",): (64, "is no hostname"),
    }
    for arguments, (status, words) in refused.items():
        done = place.ctl("add", *arguments, status=status)
        assert words in done.stderr and done.stdout == "", arguments
    assert place.hosts.read_text() == HOSTS


def test_added_host_works_at_once(d):
    secret = secret_in(d.ctl("add", "cabin.example.test", "--auth", "basic").stdout)
    assert update(d, "cabin.example.test", secret).text == "good 198.18.7.9\n"
    assert d.ctl("show", "cabin.example.test").stdout.count("198.18.7.9")


# ---- set, lock, unlock ----


def test_set(place):
    place.ctl("set", "home.example.test", "ttl=300", "auth=hash,basic", "comment=a: b")
    expected = HOSTS.replace("auth: [basic, secret]\n", 'auth: [hash, basic]\n    ttl: 300\n    comment: "a: b"\n')
    assert place.hosts.read_text() == expected
    assert "nothing to change" in place.ctl("set", "home.example.test", "ttl=300").stdout
    changed = json.loads(place.ctl("set", "home.example.test", "ttl=", "comment=", "auth=basic,secret", "--json").stdout)
    assert changed == {"hostname": "home.example.test.", "changed": True, "file": str(place.hosts)}
    assert place.hosts.read_text() == HOSTS
    place.ctl("set", "home.example.test", "shared_secret=-", stdin=SECRET + "x\nmore\n")
    assert place.hosts.read_text() == HOSTS.replace(SECRET, SECRET + "x")


def test_set_refused(place):
    refused = {
        ("home.example.test", "ttl"): (64, "KEY=VALUE"),
        ("home.example.test", "hostname=x.example.test"): (64, "rename"),
        ("home.example.test", "ttl=1", "ttl=2"): (64, "twice"),
        ("home.example.test", "tll=1"): (78, "did you mean ttl?"),
        ("home.example.test", "shared_secret="): (78, "shared_secret: is missing"),
        ("home.example.test", "shared_secret=-"): (64, "standard input"),
        ("home.example.test", "ttl=1", "--type", "TXT"): (66, "with that record type"),
        ("x.example.test", "ttl=1"): (66, "there is no host x.example.test."),
    }
    for arguments, (status, words) in refused.items():
        done = place.ctl("set", *arguments, status=status)
        assert words in done.stderr, arguments
    assert place.hosts.read_text() == HOSTS


def test_a_file_with_errors_is_left_alone(place):
    wrong = HOSTS.replace("shared_secret", "secret_shared")
    place.write(wrong)
    done = place.ctl("set", "nas.example.test", "comment=x", status=78)
    assert f"{place.hosts}:6:5: secret_shared: unknown key" in done.stderr and "first mend" in done.stderr
    place.hosts.chmod(0o666)
    assert "chmod go-w" in place.ctl("add", "x.example.test", status=78).stderr
    assert place.hosts.read_text() == wrong
    place.hosts.unlink()
    assert "ddns53ctl init" in place.ctl("add", "x.example.test", status=66).stderr


def test_lock_and_unlock(d):
    d.ctl("lock", "home.example.test")
    assert update(d, "home.example.test", SECRET).text == "abuse\n"
    d.ctl("unlock", "home.example.test")
    assert update(d, "home.example.test", SECRET).text == "good 198.18.7.9\n"
    assert "nothing to change" in d.ctl("unlock", "nas.example.test").stdout
    assert d.hosts_path.read_text() == HOSTS.replace("secret]\n", "secret]\n    lock_record: false\n")


# ---- remove, rename ----


def test_remove(place):
    done = place.ctl("remove", "home.example.test", status=78)
    assert "follows: there is no host home.example.test." in done.stderr
    place.ctl("remove", "nas.example.test")
    rest = HOSTS.split("\n  - hostname: nas")[0]
    assert place.hosts.read_text() == rest + "# the end\n"
    place.ctl("remove", "home.example.test")
    assert place.hosts.read_text() == "# Who may set what.\nhosts: []\n# the end\n"
    place.ctl("remove", "home.example.test", status=66)


def test_remove_with_its_records(d):
    assert update(d, "home.example.test", SECRET).text == "good 198.18.7.9\n"
    # What would be refused does not touch DNS.
    d.ctl("remove", "home.example.test", "--withdraw", status=78)
    assert zone_values(d.zone_file("example.test."), "home.example.test.", "A") == ["198.18.7.9"]
    d.ctl("remove", "nas.example.test")
    removed = d.ctl_json("remove", "home.example.test", "--withdraw")
    assert removed == {"hostname": "home.example.test.", "changed": True, "file": str(d.hosts_path)}
    assert zone_values(d.zone_file("example.test."), "home.example.test.", "A") == []
    assert update(d, "home.example.test", SECRET).status == 401


def test_withdraw_needs_the_daemon(place):
    done = place.ctl("remove", "nas.example.test", "--withdraw", status=69)
    assert "is as it was" in done.stderr and place.hosts.read_text() == HOSTS


def test_rename(d):
    assert update(d, "home.example.test", SECRET).text == "good 198.18.7.9\n"
    d.ctl("rename", "home.example.test", "house.example.test", "--withdraw")
    assert d.hosts_path.read_text() == HOSTS.replace("home.example.test.", "house.example.test.")
    assert update(d, "house.example.test", SECRET).text == "good 198.18.7.9\n"
    assert update(d, "home.example.test", SECRET).status == 401
    assert zone_values(d.zone_file("example.test."), "home.example.test.", "A") == []
    done = d.ctl("rename", "house.example.test", "nas.example.test", status=73)
    assert "there is a host nas.example.test. already" in done.stderr


# ---- rotate ----


def test_rotate(d):
    done = d.ctl("rotate", "home.example.test", "--overlap", "2h")
    secret = secret_in(done.stdout)
    until = re.search(r"valid until (\S+);", done.stdout)[1]
    assert abs(time.mktime(time.strptime(until + " UTC", "%Y-%m-%dT%H:%M:%SZ %Z")) - time.timezone - time.time() - 7200) < 60
    expected = HOSTS.replace(SECRET, secret).replace(
        "secret]\n", f'secret]\n    previous_secret: "{SECRET}"\n    previous_secret_until: {until}\n'
    )
    assert d.hosts_path.read_text() == expected
    assert update(d, "home.example.test", SECRET).text == "good 198.18.7.9\n"
    wait_until(lambda: "home.example.test." in d.ctl("list", "--old-secret").stdout, "the old secret in the list")
    assert update(d, "home.example.test", secret).text == "nochg 198.18.7.9\n"
    wait_until(lambda: "home.example.test." not in d.ctl("list", "--old-secret").stdout, "the new secret in the list")
    last = d.ctl_json("rotate", "home.example.test", "--overlap", "0")
    keep_confidential(last["secret"])
    assert last["previous_secret_until"] is None and d.hosts_path.read_text() == HOSTS.replace(SECRET, last["secret"])
    assert update(d, "home.example.test", secret).status == 401
    assert update(d, "home.example.test", last["secret"]).text == "nochg 198.18.7.9\n"


def test_rotate_a_group(place):
    place.ctl("add", "b.example.test", "--group-with", "home.example.test")
    done = place.ctl("rotate", "b.example.test")
    keep_confidential(place.rows()[-1]["shared_secret"])
    assert "shares its secret with 1 other, which keeps the old one; --group" in done.stderr
    assert place.rows()[0]["shared_secret"] == SECRET
    place.ctl("set", "b.example.test", f"shared_secret={SECRET}", "previous_secret=", "previous_secret_until=")
    done = place.ctl("rotate", "b.example.test", "--group", "--for", "generic")
    home, _, b = place.rows()
    keep_confidential(b["shared_secret"])
    assert home["shared_secret"] == b["shared_secret"] != SECRET
    assert home["previous_secret"] == b["previous_secret"] == SECRET
    assert b["shared_secret"] in done.stdout


def test_rotate_refused(place):
    assert "follows a router" in place.ctl("rotate", "nas.example.test", status=1).stderr
    assert "--overlap soon" in place.ctl("rotate", "home.example.test", "--overlap", "soon", status=64).stderr
    assert place.hosts.read_text() == HOSTS


# ---- others ----


def test_two_at_once_lose_nothing(place):
    tools = [
        subprocess.Popen(
            [ctl_path(), "-c", place.config, "add", f"h{i}.example.test", "--json"],
            env=base_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for i in range(12)
    ]
    for tool in tools:
        out, err = tool.communicate(timeout=60)
        assert tool.returncode == 0, err
        keep_confidential(json.loads(out)["secret"])
    names = [row["hostname"] for row in place.rows()]
    assert sorted(names[2:]) == sorted(f"h{i}.example.test." for i in range(12))


def sleeps_of(pid: int) -> int:
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def test_waits_for_who_holds_the_folder(place):
    folder = os.open(place.hosts.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    tool = subprocess.Popen([ctl_path(), "-c", place.config, "lock", "home.example.test"], env=base_environment())
    # It has its turn among tools, a lock on the file; from then on each sleep is a look at the folder.
    wait_until(lambda: f" {tool.pid} " in Path("/proc/locks").read_text(), "it has begun")
    before = sleeps_of(tool.pid)
    wait_until(lambda: sleeps_of(tool.pid) >= before + 20, "it waits")
    assert tool.poll() is None and place.hosts.read_text() == HOSTS
    os.close(folder)
    assert tool.wait(30) == 0
    assert "lock_record: true" in place.hosts.read_text()


def test_killed_at_any_instant(place):
    """Also tests/unit/test_hosts_edit.c, at each system call."""
    numbers = random.Random(53)
    before = HOSTS
    killed = 0
    for i in range(40):
        tool = subprocess.Popen(
            [ctl_path(), "-c", place.config, "set", "home.example.test", f"ttl={i}"],
            env=base_environment(),
            stdout=subprocess.DEVNULL,
        )
        time.sleep(numbers.random() * 0.02)  # an instant; whichever it is
        tool.send_signal(signal.SIGKILL)
        killed += tool.wait(30) == -signal.SIGKILL
        after = place.hosts.read_text()
        assert after == before or after == HOSTS.replace("secret]\n", f"secret]\n    ttl: {i}\n")
        before = after
    assert killed > 0


def test_plain_secret_of_the_new_host(d):
    """A secret of ours goes through a URL as it is."""
    secret = secret_in(d.ctl("add", "cabin.example.test", "--auth", "secret", "--type", "A").stdout)
    answer = plain_secret(d, secret, newip="198.18.7.9", hostname="cabin.example.test")
    assert answer.text.strip() == "OK"


def test_a_link_stays_one(place):
    real = place.config.parent / "real.yaml"
    place.hosts.rename(real)
    place.hosts.symlink_to(real)
    place.ctl("lock", "home.example.test")
    assert place.hosts.is_symlink() and "lock_record: true" in real.read_text()
