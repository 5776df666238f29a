"""What systemd and the daemon say to each other: notifications, the watchdog, sockets that are handed over."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import Daemon, LoggedProcess, binary_path, free_port, host, receive
from harness.daemon import REPOSITORY, SECRET

# Listens, then becomes the daemon, as systemd does: descriptors from 3 on, their names in LISTEN_FDNAMES.
LAUNCHER = r"""
import os, socket, sys
sockets, names = [], []
for spec in sys.argv[1].split():
    name, _, address = spec.rpartition("=")
    if address.startswith("/"):
        made = socket.socket(socket.AF_UNIX)
        made.bind(address)
    else:
        place, _, port = address.rpartition(":")
        made = socket.socket(socket.AF_INET6 if "[" in place else socket.AF_INET)
        made.bind((place.strip("[]"), int(port)))
    if name != "deaf":
        made.listen()
    sockets.append(os.dup(made.fileno()))
    names.append(name)
spare = [os.dup2(fd, 50 + number) for number, fd in enumerate(sockets)]  # so that no target is also a source
for number, fd in enumerate(spare):
    os.dup2(fd, 3 + number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
if any(names):
    os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.closerange(3 + len(sockets), 100)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """The other end of NOTIFY_SOCKET: every message, as its lines."""

    def __init__(self, path: Path):
        self.path = path
        self.messages: list[list[str]] = []
        self._cond = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while data := self._socket.recv(4096):
            with self._cond:
                self.messages.append(data.decode().splitlines())
                self._cond.notify_all()

    def wait(self, line: str, count: int = 1, since: int = 0) -> list[list[str]]:
        """Until so many messages with the line have come; returns them."""

        def found() -> list[list[str]]:
            return [message for message in self.messages[since:] if line in message]

        with self._cond:
            assert self._cond.wait_for(lambda: len(found()) >= count, 60), (line, self.messages)
            return found()

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", str(self.path))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


# ---- notifications ----


def test_ready_reloading_stopping(daemon, manager):
    d = daemon(environment={"NOTIFY_SOCKET": str(manager.path)})
    ready = manager.wait("READY=1")
    assert any("1 hosts" in line for line in ready[0] if line.startswith("STATUS="))
    since = len(manager.messages)
    d.hosts.append(host("more.example.test."))
    d.write_config()
    d.reload()
    reloading = manager.wait("RELOADING=1", since=since)[0]
    assert int(dict(line.split("=", 1) for line in reloading)["MONOTONIC_USEC"]) > 0
    assert any("2 hosts" in line for line in manager.wait("READY=1", since=since)[0])
    since = len(manager.messages)
    d.write_hosts_text("hosts: [{}]")
    d.reload_fails()
    manager.wait("RELOADING=1", since=since)
    manager.wait("READY=1", since=since)  # or systemd would wait for it until its own time-out
    d.stop()
    manager.wait("STOPPING=1")
    order = [message[0] for message in manager.messages if message[0] != "WATCHDOG=1"]
    assert order == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def statuses(manager: Manager, since: int) -> list[str]:
    return [line for message in manager.messages[since:] for line in message if line.startswith("STATUS=serving")]


def test_a_rejected_reload_shows_until_one_works(daemon, manager):
    d = daemon(environment={"NOTIFY_SOCKET": str(manager.path)})
    manager.wait("READY=1")
    started_s = d.metrics().value("ddns53_last_reload_timestamp_seconds")
    assert d.metrics().value("ddns53_last_reload_success") == 1 and abs(time.time() - started_s) < 60
    good = "STATUS=serving 1 hosts"
    bad = good + "; the last reload was rejected, see event=reload_problem in the log"
    for turn in range(2):
        since = len(manager.messages)
        d.write_hosts_text("hosts: [{}]")
        d.reload_fails()
        manager.wait("READY=1", since=since)
        assert statuses(manager, since) == [bad]
        assert d.metrics().value("ddns53_last_reload_success") == 0
        assert d.metrics().value("ddns53_last_reload_timestamp_seconds") >= started_s
    since = len(manager.messages)
    d.write_config()
    d.reload()
    manager.wait("READY=1", since=since)
    assert statuses(manager, since) == [good]
    assert d.metrics().value("ddns53_last_reload_success") == 1


def long_hosts(count: int) -> str:
    """So many that reading them takes many ticks."""
    row = "  - {{hostname: h{}.example.test., record_type: A, shared_secret: {}}}\n"
    return "hosts:\n" + "".join(row.format(number, SECRET) for number in range(count))


def test_a_long_reload_delays_no_tick_and_signals_become_one(daemon, manager):
    environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "40000"}
    d = daemon(start=False, environment=environment, settings={"limits": {"request_s": 1}})
    d.write_hosts_text(long_hosts(60000))
    for _ in range(10):
        mark, since = d.log_mark(), len(manager.messages)
        d.start()
        # Without a handshake, for which this process has a second.
        with socket.create_connection(("127.0.0.1", int(d.url.rpartition(":")[2])), 30) as silent:
            d.process.signal(signal.SIGHUP)
            manager.wait("RELOADING=1", since=since)
            for _ in range(20):
                d.process.signal(signal.SIGHUP)
            if len(manager.wait("READY=1", since=since)) == 1:  # the start's: all twenty came during the reload
                manager.wait("READY=1", count=3, since=since)  # the start, the reload, and one for the twenty
                assert silent.recv(1) == b""
                break
        d.stop()  # we were too slow; once more
    else:
        pytest.fail("no reload lasts until twenty signals are sent")
    messages = manager.messages[since:]
    beginning = [index for index, message in enumerate(messages) if "RELOADING=1" in message]
    assert len(beginning) == 2
    ticks = [message for message in messages[beginning[0] : beginning[1]] if "WATCHDOG=1" in message]
    assert len(ticks) >= 3
    d.wait_log("event=reloaded number=2 hosts=60000 added=0 removed=0 changed=0", since=mark)
    d.write_config()
    assert "number=3 hosts=1 added=1 removed=60000 changed=0" in d.reload()


def test_systemctl_reload_fails_where_the_files_are_wrong(daemon):
    """Runs the unit's ExecReload= lines as systemd does: one after the other, until one fails."""
    d = daemon()
    unit = (REPOSITORY / "systemd" / "ddns53d.service").read_text()
    places = {"/usr/sbin/ddns53d": binary_path(), "/etc/ddns53/ddns53d.yaml": d.config_path, "$MAINPID": d.pid}

    def systemctl_reload() -> int:
        for line in re.findall(r"^ExecReload=(.*)$", unit, re.MULTILINE):
            words = [str(places.get(word, word)) for word in line.split()]
            status = subprocess.run(words, env=d.environment, capture_output=True, check=False).returncode
            if status:
                return status
        return 0

    d.write_hosts_text("hosts: [{}]")
    assert systemctl_reload() == 78
    d.write_config()
    assert systemctl_reload() == 0
    d.wait_log("event=reloaded number=1 ")  # the first one did not get that far


def test_a_stop_during_a_reload(daemon, manager):
    d = daemon(start=False, environment={"NOTIFY_SOCKET": str(manager.path)})
    for _ in range(10):
        d.write_config()
        mark, since = d.log_mark(), len(manager.messages)
        d.start()
        d.write_hosts_text(long_hosts(20000))
        d.process.signal(signal.SIGHUP)
        manager.wait("RELOADING=1", since=since)
        d.stop()
        ends = [line for line in d.log_lines()[mark:] if re.search("event=(reloaded|stopping)", line)]
        if "event=stopping" in ends[0]:
            break
        # we were too slow; once more
    else:
        pytest.fail("no reload lasts until a signal is sent")


def test_ready_means_that_it_answers(daemon, manager):
    """Whoever is started after READY=1 may connect at once."""
    d = daemon(start=False, environment={"NOTIFY_SOCKET": str(manager.path)})
    answers = []

    def ask_when_ready() -> None:
        manager.wait("READY=1")
        address = d.wait_log(r"event=listening what=api .*address=127\.0\.0\.1:(\d+)").group(1)
        answers.append(d.request("/?mode=get", url=f"https://127.0.0.1:{address}").status)

    thread = threading.Thread(target=ask_when_ready)
    thread.start()
    d.start()
    thread.join()
    assert answers == [200]


def test_started_without_standard_files(daemon, manager):
    """The files that it opens first don't take the log's place."""
    d = daemon(start=False)
    command = f"exec '{binary_path()}' --config '{d.config_path}' 0<&- 1>&- 2>&-"
    environment = {**d.environment, "NOTIFY_SOCKET": str(manager.path)}
    with subprocess.Popen(["sh", "-c", command], env=environment) as process:
        manager.wait("READY=1")
        process.terminate()
        assert process.wait(20) == 0
    written = [path for path in d.state_dir.rglob("*") if path.is_file()]
    assert written and not [path for path in written if b"event=" in path.read_bytes()]


def test_watchdog(daemon, manager):
    daemon(environment={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"})
    manager.wait("WATCHDOG=1", count=4)


def test_nothing_is_sent_without_a_socket(daemon):
    d = daemon(environment={"WATCHDOG_USEC": "400000"})
    assert d.get().status == 200


# ---- sockets ----


@pytest.fixture
def activated(daemon, tmp_path: Path):
    """A daemon that gets the sockets "NAME=ADDRESS ..."; what its settings say it could not listen at."""
    launcher = tmp_path / "launcher.py"
    launcher.write_text(LAUNCHER)

    def make(sockets: str, **options) -> Daemon:
        settings = {"server": {"listen": ["198.51.100.1:443"]}, **options.pop("settings", {})}
        return daemon(settings=settings, wrapper=[sys.executable, str(launcher), sockets], **options)

    return make


def test_sockets_take_the_place_of_listen(activated):
    d = activated("api=127.0.0.1:0 api=[::1]:0 admin=127.0.0.1:0", settings={"admin": {"listen": "127.0.0.1:1"}})
    assert [d.request("/?mode=get", url=url).message for url in d.listeners["api"]] == ["127.0.0.1", "::1"]
    assert len(d.listeners["admin"]) == 1 and not d.admin_url.endswith(":1")
    assert d.healthz().text == "ok\n"
    assert d.request("/metrics").status == 404  # not on the API's socket


@pytest.mark.parametrize("name", ["", "ddns53d.socket", "connection"])
def test_a_socket_of_another_name_is_the_apis(activated, name):
    d = activated(f"{name}=127.0.0.1:0")
    assert d.get().message == "127.0.0.1"
    assert d.healthz().status == 200  # by its settings


def test_a_unix_socket_is_handed_over(activated, tmp_path):
    path = tmp_path / "handed.sock"
    server = {"listen": ["127.0.0.1:0"], "tls": False, "certificate": None, "private_key": None}
    d = activated(f"api={path}", settings={"server": server})
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(b"GET /?mode=get HTTP/1.0\r\nX-Forwarded-For: 198.18.7.9\r\n\r\n")
        assert receive(connection).message == "198.18.7.9"
    d.stop()
    assert path.exists()  # it is systemd's


def test_a_socket_that_does_not_listen_is_refused(daemon, tmp_path):
    launcher = tmp_path / "launcher.py"
    launcher.write_text(LAUNCHER)
    d = daemon(start=False, wrapper=[sys.executable, str(launcher), "deaf=127.0.0.1:0"])
    assert d.run_to_end() in (69, 78)
    assert "ListenStream" in d.log_lines("event=start_failed")[0]


def test_under_systemd_socket_activate(daemon):
    """systemd's own: the program starts with the first connection, which must not be lost."""
    program = shutil.which("systemd-socket-activate")
    assert program, "systemd-socket-activate is missing; tests/run installs systemd"
    port = free_port()
    d = daemon(start=False)
    passed = [f"--setenv={name}={value}" for name, value in d.environment.items()]
    activate = [program, f"--listen=127.0.0.1:{port}", "--fdname=api", *passed]
    process = LoggedProcess([*activate, *d.process.command], d.environment, d.folder)
    process.spawn()
    try:
        process.wait_log("Listening on")
        assert d.request("/?mode=get", url=f"https://127.0.0.1:{port}").message == "127.0.0.1"
        process.wait_log(f"event=listening what=api address=127.0.0.1:{port}")
        process.signal(15)
        assert process.wait() == 0
    finally:
        process.kill()
        process.check_sanitizers()
