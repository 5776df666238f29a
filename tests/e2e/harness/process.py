"""A child process whose stderr is read line by line and waited for on a condition, never by sleeping."""

from __future__ import annotations

import functools
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator, Mapping, Sequence

SANITIZER_REPORT = re.compile(
    r"ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer|ERROR: ThreadSanitizer"
    r"|LeakSanitizer|WARNING: MemorySanitizer|AddressSanitizer:DEADLYSIGNAL"
)
PRIORITY = re.compile(r"^<[0-7]>")


class ProcessFailed(AssertionError):
    """The process ended, or did not say what was waited for; the message holds the end of its log."""


class LoggedProcess:
    """Runs a command in a process of its own that dies with the test run, whatever happens."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path):
        self.command = [str(word) for word in command]
        self._environment, self._folder = dict(environment), folder
        self.pass_fds: Sequence[int] = ()  # descriptors that it inherits, by the same numbers
        self._process: subprocess.Popen | None = None
        self._reader: threading.Thread | None = None
        self._cond = threading.Condition()
        self._lines: list[str] = []
        self._ended = True
        self._may_read = threading.Event()
        self._may_read.set()

    def spawn(self) -> None:
        assert self._process is None or self._process.poll() is not None, "already running"
        command = self.command
        setpriv = shutil.which("setpriv")
        # The parent-death signal is of the thread that forks, so only the main one may ask for it.
        if setpriv and threading.current_thread() is threading.main_thread():
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        self._ended = False
        self._process = subprocess.Popen(
            command,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=self.pass_fds,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen) -> None:
        assert process.stderr is not None
        for raw in process.stderr:
            self._may_read.wait()
            line = PRIORITY.sub("", raw.decode("utf-8", "backslashreplace").rstrip("\n"))
            with self._cond:
                self._lines.append(line)
                self._cond.notify_all()
        process.stderr.close()
        process.wait()
        with self._cond:
            self._ended = True
            self._cond.notify_all()

    @property
    def pid(self) -> int:
        assert self._process is not None, "never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return self._process.poll() if self._process else None

    def log_lines(self, pattern: str | None = None) -> list[str]:
        """Every line so far (over all starts), without its priority prefix."""
        with self._cond:
            lines = list(self._lines)
        return [line for line in lines if pattern is None or re.search(pattern, line)]

    def log_mark(self) -> int:
        """Where the log is now, for wait_log(since=...)."""
        with self._cond:
            return len(self._lines)

    def wait_log(self, pattern: str, timeout: float = 45.0, since: int = 0) -> re.Match:
        """The first line from `since` on that matches; fails at once when the process has ended."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + timeout
        position = since
        with self._cond:
            while True:
                for line in self._lines[position:]:
                    match = regex.search(line)
                    if match:
                        return match
                position = len(self._lines)
                if self._ended:
                    raise ProcessFailed(
                        f"ended with status {self.returncode} before a line matched {pattern!r}"
                        f"{self.tail()}"
                    )
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise ProcessFailed(
                        f"no line matched {pattern!r} within {timeout} s{self.tail()}"
                    )
                self._cond.wait(remaining)

    def wait_log_lines(self, pattern: str, count: int, timeout: float = 45.0) -> list[str]:
        """Every line that matches, once there are so many: what is logged before an answer may be read after it."""
        with self._cond:
            self._cond.wait_for(lambda: self._ended or len(self._matching(pattern)) >= count, timeout)
            lines = self._matching(pattern)
        if len(lines) < count:
            raise ProcessFailed(f"{len(lines)} lines match {pattern!r}, not {count}, by its end or {timeout} s{self.tail()}")
        return lines

    def _matching(self, pattern: str) -> list[str]:
        return [line for line in self._lines if re.search(pattern, line)]

    def hold_log(self) -> None:
        """Stops to read the log after at most one more buffer, so that the pipe fills up."""
        self._may_read.clear()

    def release_log(self) -> None:
        self._may_read.set()

    def wait_exit(self, timeout: float = 30.0) -> int:
        """Waits for the end of the process alone, whoever reads its log; returns the status."""
        assert self._process is not None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessFailed(f"still running after {timeout} s{self.tail()}") from None

    def signal(self, number: int) -> None:
        """By pid, and only while it is ours: a process that was reaped is not signalled."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout: float = 30.0) -> int:
        """Waits for the end and for the last line of the log; returns the status."""
        assert self._process is not None and self._reader is not None
        with self._cond:
            self._cond.wait_for(lambda: self._ended, timeout)
            if not self._ended:
                raise ProcessFailed(f"still running after {timeout} s{self.tail()}")
        self._reader.join()
        assert self._process.returncode is not None
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL, then waits until it is gone."""
        self.release_log()
        if self._process is None:
            return
        if self.running:
            self.signal(signal.SIGKILL)
        self.wait()

    def check_sanitizers(self) -> None:
        reports = self.log_lines(SANITIZER_REPORT.pattern)
        if reports:
            lines = self.log_lines()
            first = lines.index(reports[0])
            raise ProcessFailed("sanitizer report:\n" + "\n".join(lines[first : first + 80]))

    def tail(self, count: int = 40) -> str:
        """The end of the log, for a failure's message."""
        lines = self._lines[-count:]
        return "\nlog:\n" + "\n".join(f"  {line}" for line in lines)


def cpu_seconds(pid: int) -> float:
    """What all threads of the process have used that still live."""
    total_ns = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total_ns += int(path.read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has ended meanwhile
    return total_ns / 1e9


IDLE_WINDOW_S = 2.0
IDLE_WINDOWS = 3


def check_idle(pid: int, share_max: float) -> None:
    """It uses no more than that share of a core: what came before may be under way still, but not three times as long."""
    shares: list[float] = []
    while len(shares) < IDLE_WINDOWS:
        before = cpu_seconds(pid)
        time.sleep(IDLE_WINDOW_S)  # what is measured is this time itself
        shares.append((cpu_seconds(pid) - before) / IDLE_WINDOW_S)
        if shares[-1] <= share_max:
            return
    raise AssertionError(f"it uses {shares} of a core, not {share_max}")


PORTS_FIRST, PORT_BLOCKS, PORTS_OF_A_BLOCK = 10000, 100, 200  # below those that connections, and listeners at port 0, get


@functools.cache
def _own_ports() -> tuple[socket.socket, Iterator[int]]:
    """A block of ports that no other test process gets while this one lives: the name of the socket is the lock."""
    for block in random.sample(range(PORT_BLOCKS), PORT_BLOCKS):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0ddns53 test ports {block}")
        except OSError:
            lock.close()
            continue
        first = PORTS_FIRST + block * PORTS_OF_A_BLOCK
        return lock, itertools.cycle(range(first, first + PORTS_OF_A_BLOCK))
    raise RuntimeError(f"{PORT_BLOCKS} other test processes run")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET6) as tcp, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        try:
            tcp.bind(("::", port))
            udp.bind(("::", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody has by TCP or UDP, of either family, and that nobody but the test gets. So it is free until
    somebody listens there, and again when that ends."""
    _, ports = _own_ports()
    return next(port for port in ports if _is_free(port))


def base_environment(**extra: str) -> dict[str, str]:
    """A clean environment: nothing of the caller's AWS set-up, no proxies, strict sanitizers."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
    environment["AWS_CONFIG_FILE"] = "/dev/null"
    environment["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"
    environment["ASAN_OPTIONS"] = "abort_on_error=0:exitcode=99:detect_leaks=1:strict_string_checks=1"
    environment["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:exitcode=99"
    suppressions = Path(__file__).resolve().parent.parent / "tsan.supp"
    tsan = "exitcode=66:second_deadlock_stack=1"
    if suppressions.exists():
        tsan += f":suppressions='{suppressions}'"  # quoted: the path may hold spaces
    environment["TSAN_OPTIONS"] = tsan
    environment.update(extra)
    return environment
