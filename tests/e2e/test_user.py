"""--user: root binds the port, and the daemon that reads from it is nobody. Only root can test it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from harness import Daemon, binary_path, host
from harness.island import NEW_NETWORK
from harness.updates import wait_until

NOBODY = pwd.getpwnam("nobody")
HOME = "home.example.test."

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def folder():
    """Where nobody may go, which is not so below pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="ddns53 user."))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def make(ca, folder):
    made = []

    def make(settings: dict, user: str = "nobody") -> Daemon:
        program = folder / "ddns53d"
        shutil.copy(binary_path(), program)
        files = {}
        for key in ("certificate", "private_key"):
            shutil.copy(getattr(ca, key), folder / key)
            os.chown(folder / key, NOBODY.pw_uid, NOBODY.pw_gid)
            files[key] = str(folder / key)
        server = {**files, **settings.pop("server", {})}
        d = Daemon(
            folder / "daemon", ca, {"server": server, **settings}, [host(HOME, allow_internal=True)], binary=program,
            arguments=["--user", user], wrapper=["unshare", *NEW_NETWORK],
        )
        (folder / "daemon").chmod(0o755)
        for path in (d.config_path, d.hosts_path, d.state_dir):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        made.append(d)
        return d

    yield make
    for d in made:
        d.close()


def status_of(pid: int) -> dict[str, str]:
    return dict(re.findall(r"^(\w+):\t(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


def test_nothing_of_root_is_left(make):
    d = make({"server": {"listen": ["127.0.0.1:443", "[::1]:443"]}})
    d.start()
    status = status_of(d.pid)
    numbers = {"Uid": NOBODY.pw_uid, "Gid": NOBODY.pw_gid}
    for key, number in numbers.items():
        assert set(status[key].split()) == {str(number)}, status[key]
    assert set(status["Groups"].split()) <= {str(NOBODY.pw_gid)}
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[key], 16) == 0, f"{key} {status[key]}"
    assert status["NoNewPrivs"] == "1"
    # Its threads, too.
    for task in Path(f"/proc/{d.pid}/task").iterdir():
        thread = dict(re.findall(r"^(\w+):\t(.*)$", (task / "status").read_text(), re.M))
        assert int(thread["CapEff"], 16) == int(thread["CapPrm"], 16) == 0 and thread["Uid"] == status["Uid"]
    # Its memory is still hidden: what is not dumpable belongs to root.
    assert Path(f"/proc/{d.pid}/environ").stat().st_uid == 0


def test_it_serves_at_a_port_of_roots(make):
    d = make({"server": {"listen": ["127.0.0.1:443"]}}).start()
    script = (
        "import sys, urllib.request, ssl; "
        f"context = ssl.create_default_context(cafile={str(d.ca.path)!r}); context.check_hostname = False; "
        "print(urllib.request.urlopen('https://127.0.0.1/ip', context=context).read().decode())"
    )
    enter = ["nsenter", f"--net=/proc/{d.pid}/ns/net", "/usr/bin/python3", "-c", script]
    done = subprocess.run(enter, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "127.0.0.1", done.stderr
    d.reload()
    mark = d.begin_stop()
    d.wait_end(mark)


def test_a_unix_socket_is_given_to_the_user(make, folder):
    place = folder / "daemon" / "api.sock"
    settings = {"server": {"listen": [f"unix:{place}"], "tls": False, "certificate": None, "private_key": None}}
    for _ in range(2):  # its file is left behind, and in nobody's way
        d = make(dict(settings)).start()
        assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (NOBODY.pw_uid, 0o660)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(place))
            connection.sendall(b"GET /ip HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")  # who asks, only a proxy could say
        d.stop()


def sockets(pid: int, state: str) -> list[list[str]]:
    """Those at port 443 of the daemon's own network, see proc(5)."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()]
    return [row for row in rows if row[1].endswith(":01BB") and row[3] == state]


def has_read(pid: int) -> bool:
    """There is a connection, and nothing in it that the daemon has not taken."""
    connections = sockets(pid, "01")
    return bool(connections) and all(row[4].endswith(":00000000") for row in connections)


def is_closed_before_the_end(d: Daemon) -> bool:
    """False: it was never seen to run without listening."""
    while True:
        try:
            is_listening = bool(sockets(d.pid, "0A"))
        except OSError:
            is_listening = False
        if not d.process.running:
            return False
        if not is_listening:
            return True
        time.sleep(0.01)


def test_its_port_is_closed_at_the_stop(make):
    """systemd's sockets stay open for the next daemon; these are nobody else's. A request that has begun holds up the end."""
    d = make({"server": {"listen": ["127.0.0.1:443"], "tls": False, "certificate": None, "private_key": None}})
    script = "import socket; c = socket.create_connection(('127.0.0.1', 443)); c.sendall(b'GET /ip HTTP/1.1\\r\\n'); print(flush=True); c.recv(1)"
    for _ in range(10):  # the end may have come before this process looks
        d.start()
        assert sockets(d.pid, "0A")
        with subprocess.Popen(
            ["nsenter", f"--net=/proc/{d.pid}/ns/net", "/usr/bin/python3", "-c", script], stdout=subprocess.PIPE
        ) as client:
            client.stdout.readline()
            wait_until(lambda: has_read(d.pid), "it does not read what the client has sent")
            mark = d.begin_stop()
            is_closed = is_closed_before_the_end(d)
            d.wait_end(mark)
        if is_closed:
            return
    pytest.fail("it listens until its end")


@pytest.mark.parametrize(
    "user, status, message",
    [("no-such-user-here", 67, "there is no such user"), ("root", 64, "is root, or in root's group")],
)
def test_whom_it_does_not_become(make, user, status, message):
    d = make({}, user)
    assert d.run_to_end() == status
    assert message in "\n".join(d.log_lines("event=start_failed"))


def test_settings_that_are_wrong_are_told_by_root(make):
    d = make({"update": {"timeout_s": 0}})
    assert d.run_to_end() == 78
    assert d.log_lines("event=config_error.*timeout_s")
