"""Starting and stopping: nothing is accepted before all is bound, and at the end nobody is cut off."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Iterator

import pytest

from harness import Daemon, host, merged, receive
from harness.updates import GRACE_S, PATIENT, Background, set_request, wait_until

PLAIN = {"server": {"tls": False, "certificate": None, "private_key": None, "trusted_proxies": ["127.0.0.0/8"]}}
GET = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Becomes the daemon, with the descriptor that the first argument names as a socket of systemd's.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="api")
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def socket_unit(daemon) -> Iterator:
    """Daemons, one after the other, that get the same listening socket, which stays open as systemd's does."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        fd = listening.fileno()

        def make(**options) -> Daemon:
            made = daemon(start=False, wrapper=[sys.executable, "-c", ACTIVATE, str(fd)], **options)
            made.process.pass_fds = (fd,)
            return made

        make.port = listening.getsockname()[1]
        yield make


# ---- start ----


def taken_admin(listening: socket.socket) -> dict:
    return {"admin": {"listen": f"127.0.0.1:{listening.getsockname()[1]}"}}


def test_a_failed_start_ends_with_its_reason(daemon):
    """The last line says it, and no work has begun."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        d = daemon(start=False, settings=taken_admin(other))
        assert d.run_to_end() == 69
    last = d.log_lines()[-1]
    assert "event=start_failed" in last and d.settings["admin"]["listen"] in last
    assert not d.log_lines("event=(listening|zone_file_made)")
    assert not d.zone_file().exists()


def test_a_failed_start_takes_nobody(socket_unit):
    """Who waits at systemd's socket is served by the daemon that does start."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        d = socket_unit(settings={**PLAIN, **taken_admin(other)})
        waiting = [socket.create_connection(("127.0.0.1", socket_unit.port), 20) for _ in range(20)]
        for connection in waiting:
            connection.sendall(GET)
        assert d.run_to_end() == 69
    d.start()
    for connection in waiting:
        with connection:
            assert receive(connection).status == 200


# ---- stop ----


class Looper:
    """A client that keeps its connection, asks again and again, and remembers how it was answered. Nothing is said about
    a request that came later than a stop waits for those of kept connections."""

    def __init__(self, d: Daemon, port: int):
        self.client = d.client(url=f"https://127.0.0.1:{port}")
        self.statuses: list[int] = []
        self.cut: list[BaseException] = []
        self.asked = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        kept_since = 0.0  # without a request; 0: not kept
        while not self.ended.wait(0.01):
            answer, error = None, None
            try:
                answer = self.client.request("/?mode=get")
            except (OSError, HTTPException) as caught:
                error = caught
            is_late = kept_since and (self.client.sent_at or time.monotonic()) - kept_since >= GRACE_S
            if error and not is_late:
                self.cut.append(error)
            if answer and not is_late:
                self.statuses.append(answer.status)
            kept_since = time.monotonic() if answer and answer.headers["Connection"] != "close" else 0.0
            self.asked += 1

    def wait_more(self, count: int) -> None:
        wanted = self.asked + count
        wait_until(lambda: self.asked >= wanted, "a client is not answered")


def test_restarts_with_a_socket_unit_cut_nobody(socket_unit):
    d = socket_unit(settings={"limits": {"reads_per_minute": 100000}})
    d.start()
    clients = [Looper(d, socket_unit.port) for _ in range(4)]
    try:
        for _ in range(3):
            for client in clients:
                client.wait_more(10)
            d.stop()
            d.start()
        for client in clients:
            client.wait_more(3)
    finally:
        for client in clients:
            client.ended.set()
        for client in clients:
            client.thread.join()
    assert [error for client in clients for error in client.cut] == []
    assert {status for client in clients for status in client.statuses} == {200}


def test_idle_kept_connections_end_cleanly(daemon):
    """TLS says so and TCP has no reset; a client can tell that nothing is lost."""
    d = daemon()
    context = d.tls_context()
    kept = []
    for _ in range(10):
        plain = socket.create_connection(("127.0.0.1", int(d.url.rpartition(":")[2])), 20)
        kept.append(context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False))
        kept[-1].sendall(GET)
        assert receive(kept[-1]).status == 200
    d.stop()
    for connection in kept:
        with connection:
            assert connection.recv(1) == b""


def test_the_last_answer_says_so(daemon):
    d = daemon(start=False, settings=merged(PLAIN, {"limits": {"reads_per_minute": 1000000}}))
    for _ in range(10):
        d.start()
        if stop_says_so(d):
            return
    pytest.fail("no request is in time")


def stop_says_so(d: Daemon) -> bool:
    """False: this process was too slow to ask while kept connections may."""
    with d.connect() as kept, d.connect() as other:
        for connection in (kept, other):
            connection.sendall(GET)
            assert receive(connection).headers["Connection"] != "close"
        mark = d.log_mark()
        d._may_end = True
        last_s = time.monotonic()
        d.process.signal(signal.SIGTERM)
        says_so = False
        while not says_so:  # without a pause, for a kept connection without a request is closed soon
            sent_s, answer = 0.0, None
            try:
                kept.sendall(GET)
                sent_s = time.monotonic()
                answer = receive(kept)
            except (OSError, HTTPException):
                pass
            if (sent_s or time.monotonic()) - last_s >= GRACE_S:
                break
            assert answer, "a kept connection was cut off"
            last_s = time.monotonic()
            assert answer.status == 200
            says_so = answer.headers["Connection"] == "close"
        assert not says_so or kept.recv(1) == b""
        d.wait_end(mark)
    return says_so


def test_who_waits_in_the_backlog_is_answered(daemon):
    """Also at a socket of ours, which closes: closing it would reset them."""
    d = daemon(settings=PLAIN)
    d.process.signal(signal.SIGSTOP)
    waiting = [d.connect() for _ in range(40)]
    for connection in waiting:
        connection.sendall(GET)
    mark = d.log_mark()
    d._may_end = True
    d.process.signal(signal.SIGTERM)
    d.process.signal(signal.SIGCONT)
    for connection in waiting:
        with connection:
            assert receive(connection).status in (200, 503)
    d.wait_end(mark)


def test_a_late_request_is_refused_by_the_server(daemon, r53):
    """While the queue drains; its handler is never called."""
    d = daemon(route53=r53, settings={**PATIENT, "server": {**PATIENT["server"], **PLAIN["server"]}}, hosts=[
        host("home.example.com."), host("late.example.com.")
    ])
    d.wait_read_back()
    held = r53.faults.hold(operation="ChangeResourceRecordSets")
    queued = Background(d.set, "home.example.com.", via="198.18.7.1")
    r53.wait_for(lambda: held.hits == 1)
    with d.connect() as idle, d.connect() as late:
        idle.sendall(GET)
        assert receive(idle).status == 200
        mark = d.begin_stop()
        assert idle.recv(1) == b""  # from now on requests are refused
        late.sendall(set_request("late.example.com.", "198.18.7.2"))
        answer = receive(late)
        assert answer.status == 503 and "stopping" in answer.text
        assert answer.headers["Connection"] == "close" and int(answer.headers["Retry-After"]) > 0
        assert late.recv(1) == b""
    assert not queued.done
    held.release()
    assert queued.result().status == 200
    d.wait_end(mark)
    assert not r53.values("late.example.com.")


# ---- what hangs ----

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
# poll, ppoll, epoll_wait, epoll_pwait
WAITING_CALLS = {"x86_64": (7, 271, 232, 281), "aarch64": (73, 22)}[platform.machine()]


def ptrace(request: int, tid: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(request, tid, None, None) != 0:
        pytest.fail(f"ptrace: {os.strerror(ctypes.get_errno())}; tests need to trace their own children")


def is_waiting(task: Path) -> bool:
    words = (task / "syscall").read_text().split()  # or "running"
    return words[0].isdigit() and int(words[0]) in WAITING_CALLS


def stop_where_it_waits(task: Path) -> int:
    """Elsewhere it may hold a lock, of the sanitizer's too, which no thread does that waits for something slow."""
    tid = int(task.name)
    while True:
        wait_until(lambda: is_waiting(task), "the thread is never idle")
        ptrace(PTRACE_SEIZE, tid)
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, WALL)
        if is_waiting(task):
            return tid
        ptrace(PTRACE_DETACH, tid)


def stop_thread(pid: int, name: str) -> list[int]:
    """Stops the threads of that name and no others, as a hanging disk would. The process can end all the same."""
    tasks = [path for path in Path(f"/proc/{pid}/task").iterdir() if (path / "comm").read_text() == name + "\n"]
    assert tasks, f"no thread is called {name}"
    return [stop_where_it_waits(task) for task in tasks]


def wait_end_of(tids: list[int], timeout: float) -> None:
    """A tracer has to take note of the end of each thread that it traces."""
    deadline = time.monotonic() + timeout
    left = list(tids)
    while left:
        assert time.monotonic() < deadline, "it does not end"
        for tid in list(left):
            done, status = os.waitpid(tid, WALL | os.WNOHANG)
            if done and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
                left.remove(tid)
        time.sleep(0.05)


@pytest.mark.waits
@pytest.mark.slow
@pytest.mark.parametrize("name", ["io", "web"])
def test_a_thread_that_hangs(daemon, name):
    """The end comes all the same, but not as if nothing had been: the status and the log's last line tell."""
    d = daemon(settings=PATIENT)
    assert d.get(via="198.18.7.1").status == 200
    tids = stop_thread(d.pid, name)
    with ExitStack() as stack:
        if name == "io":
            waiting = stack.enter_context(d.connect())
            waiting.sendall(set_request("home.example.test.", "198.18.7.1"))  # it is there before the signal
        mark = d.begin_stop()
        wait_end_of(tids, 40)
        assert d.process.wait(20) == 70
        d.process.check_sanitizers()
        last = d.log_lines()[-1]
        assert "event=stop_failed" in last, d.log_lines()[mark:]
        if name == "io":
            with pytest.raises((OSError, HTTPException)):
                receive(waiting)
            assert "1 requests were never answered" in last
