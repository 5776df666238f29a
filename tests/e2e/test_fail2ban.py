"""contrib/fail2ban with the real fail2ban and lines that the daemon wrote."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from harness import BEHIND_PROXY, REPOSITORY, host, merged
from harness.dialects import nic_update, plain_secret

FOLDER = REPOSITORY / "contrib" / "fail2ban"
HOME = "home.example.test."
THIEF, THIEF6, CUSTOMER = "198.18.7.9", "2001:db8:7::9", "198.18.7.10"
MANY = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 1000}})

pytestmark = pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="fail2ban is not installed")


@pytest.fixture
def journal(daemon, tmp_path) -> Path:
    """What the daemon says of two thieves and a customer who mistypes once, as syslog and the journal show it."""
    d = daemon(settings=MANY, hosts=[host(HOME, ["A", "AAAA"], auth=["basic", "hash", "signed", "secret"])])
    for number in range(6):
        nic_update(d, HOME, secret=f"guess-number-{number}", via=THIEF)
        nic_update(d, f"other{number}.example.test", secret="guess", via=THIEF6)
    plain_secret(d, secret="another-guess-0001", newip=THIEF, via=THIEF)
    d.query(mode="set", hostname=HOME, hash="0" * 64, via=THIEF)
    d.query(mode="set", hostname=f"x source={CUSTOMER} ", hash="0" * 64, via=THIEF)
    nic_update(d, f'"\nevent=auth_failure dialect=query source={CUSTOMER} ', secret="guess-9999", via=THIEF)
    nic_update(d, HOME, secret="mistyped-0001", via=CUSTOMER)
    assert nic_update(d, HOME, via=CUSTOMER).text.startswith("good")
    d.request("/no-such-path", headers={"X-Forwarded-For": CUSTOMER})
    d.stop()
    log = tmp_path / "syslog"
    stamp = time.strftime("%b %d %H:%M:%S")
    log.write_text("".join(f"{stamp} vps ddns53d[161]: {line}\n" for line in d.log_lines()))
    return log


def test_the_filter(journal, tmp_path):
    lines = [line for line in journal.read_text().splitlines() if "event=auth_failure" in line]
    rules = shutil.copy(FOLDER / "filter.d" / "ddns53.conf", tmp_path)  # its path may have no space in it
    done = subprocess.run(
        ["fail2ban-regex", "--out", "<ip>", str(journal), rules],
        capture_output=True, text=True, timeout=60, check=True,
    )
    found = done.stdout.split()
    assert len(found) == len(lines) == 16 + 1, done.stdout
    assert {address: found.count(address) for address in set(found)} == {THIEF: 10, THIEF6: 6, CUSTOMER: 1}


def test_the_jail(journal, tmp_path):
    """A server of fail2ban's own bans the thief who tried ten times, and nobody else."""
    conf = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", conf, ignore=shutil.ignore_patterns("jail.d", "defaults-debian.conf"))
    (conf / "jail.d").mkdir()
    shutil.copy(FOLDER / "filter.d" / "ddns53.conf", conf / "filter.d" / "ddns53.conf")
    shutil.copy(FOLDER / "jail.d" / "ddns53.conf", conf / "jail.d" / "ddns53.conf")
    # A file instead of the journal, and no firewall.
    (conf / "jail.local").write_text(f"[ddns53]\nbackend = polling\nlogpath = {journal}\naction =\n")
    (conf / "fail2ban.local").write_text("[Definition]\ndbfile = None\n")
    client = ["fail2ban-client", "-c", conf, "-s", tmp_path / "socket", "-p", tmp_path / "pid"]
    said = subprocess.run([*client, "--test"], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    log = tmp_path / "log"
    server = subprocess.Popen(
        [*client, "--logtarget", "stdout", "-f", "start"], stdout=log.open("w"), stderr=subprocess.STDOUT
    )
    try:
        end = time.monotonic() + 90
        while (banned := get(client, "banned")) != [THIEF]:
            assert time.monotonic() < end, f"banned: {banned}\n{log.read_text()}"
            time.sleep(0.1)
        assert get(client, "maxretry") == ["10"]
    finally:
        server.terminate()
        server.wait(30)


def get(client: list, what: str) -> list[str]:
    done = subprocess.run([*client, "get", "ddns53", what], capture_output=True, text=True, timeout=60)
    return [word.strip("[]',") for word in done.stdout.split()] if done.returncode == 0 else []
