"""No core dump, and no other program of the same user, gets at the daemon's memory, which holds secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from harness import REPOSITORY, Daemon, binary_path, host
from harness.process import SANITIZER_REPORT

USER = 61234  # of no one; a daemon that runs as root belongs to root in any case

READ_MEMORY = """\
import sys
try:
    open(f"/proc/{sys.argv[1]}/mem", "rb").close()
except PermissionError:
    sys.exit(3)
"""


@pytest.fixture
def d(ca, tmp_path):
    """One that belongs to a user who is not root."""
    wrapper = []
    binary = tmp_path / "ddns53d"  # the other user may not come to where it was built
    shutil.copy(binary_path(), binary)
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.fail("setpriv (util-linux) is needed to run as another user")
        wrapper = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
    made = Daemon(tmp_path / "daemon", ca, hosts=[host("home.example.test.")], wrapper=wrapper, binary=binary)
    if wrapper:
        _give_away(made)
    yield made.start()
    made.close()


def _give_away(d: Daemon) -> None:
    """Lets that user read what the daemon reads, and nobody else."""
    for name in ("certificate", "private_key"):
        copy = d.folder / f"{name}.pem"
        shutil.copy(d.settings["server"][name], copy)
        d.settings["server"][name] = str(copy)
    d.write_config()
    for path in [d.folder, *d.folder.rglob("*")]:
        os.chown(path, USER, USER)
    for folder in [d.folder.parent, *d.folder.parent.parents]:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)


def test_its_memory_is_for_root_alone(d):
    """The kernel gives the files of a process that must not be dumped to root, and lets no other open them (prctl(2),
    PR_SET_DUMPABLE; proc(5)). The folder itself keeps its owner."""
    user = os.stat(f"/proc/{d.pid}").st_uid
    assert user != 0
    assert os.stat(f"/proc/{d.pid}/mem").st_uid == 0
    assert os.stat(f"/proc/{d.pid}/maps").st_uid == 0
    reader = [sys.executable, "-c", READ_MEMORY, str(d.pid)]
    if os.geteuid() == 0:
        reader = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--", *reader]
    assert subprocess.run(reader, capture_output=True).returncode == 3


def test_it_serves_and_knows_itself_all_the_same(d):
    """What it reads about itself in /proc it can still read."""
    assert d.get().status == 200
    metrics = d.metrics()
    assert metrics.value("process_open_fds") > 5
    assert metrics.value("process_max_fds") > 0
    assert metrics.value("process_resident_memory_bytes") > 0
    d.stop()
    assert not [line for line in d.log_lines() if SANITIZER_REPORT.search(line)]


def test_the_unit_allows_no_core():
    unit = (REPOSITORY / "systemd/ddns53d.service").read_text()
    assert "\nLimitCORE=0\n" in unit
