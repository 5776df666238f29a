"""Updates whose every answer is remembered, so that what clients were told can be held against DNS and the state."""

from __future__ import annotations

import base64
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Iterable

from standin import Route53

from .client import Client, Response, hash_token, keep_confidential, query_target
from .daemon import BEHIND_PROXY, SECRET, Daemon, merged
from .process import ProcessFailed

# A pace that is no limit, time for the slowest back-off, and room for every client of a test.
PATIENT = merged(
    BEHIND_PROXY,
    {
        "route53": {"requests_per_second": 1000},
        "update": {"timeout_s": 30},
        "limits": {"connections_per_address": 2000},
    },
)
# Clients are told 503 while the test looks on; long enough for a success where something is late by a second or two.
HASTY = merged(PATIENT, {"update": {"timeout_s": 3}})
MORE_THAN_A_BACKOFF_S = 45.0
# From SIGTERM on: a kept connection's next request that comes by then is answered. The daemon gives it a little longer.
GRACE_S = 0.3
DYNDNS2_HOSTS_MAX = 20


def set_target(hostname: str, address: str) -> str:
    return query_target({"mode": "set", "hostname": hostname, "hash": hash_token(address, hostname, SECRET)})


def set_request(hostname: str, address: str) -> bytes:
    """For a connection of the test's own, from a proxy."""
    target = set_target(hostname, address)
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n\r\n".encode()


class Background:
    """A call in a thread of its own: `result()` waits for it, and raises what it raised."""

    def __init__(self, call: Callable[..., Any], *arguments: Any, **named: Any):
        self._future: Future = Future()
        self._thread = threading.Thread(target=self._run, args=(call, arguments, named), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[..., Any], arguments: tuple, named: dict) -> None:
        try:
            self._future.set_result(call(*arguments, **named))
        except BaseException as error:  # handed to who waits
            self._future.set_exception(error)

    @property
    def done(self) -> bool:
        return self._future.done()

    def result(self, timeout: float = 60.0) -> Any:
        return self._future.result(timeout)

    def error(self, timeout: float = 60.0) -> BaseException | None:
        return self._future.exception(timeout)


class Ledger:
    """What clients asked for and were told. One update of a record at a time, or the record's end is not defined."""

    def __init__(self, daemon: Daemon, r53: Route53):
        self.daemon, self.r53 = daemon, r53
        self._lock = threading.Lock()
        self.asked: dict[str, str] = {}  # of each record the last address that DNS must end up with
        self.told: dict[str, int] = {}
        self.threads = self._thread_count()

    def set(self, hostname: str, address: str, timeout: float = 60.0, client: Client | None = None) -> Response:
        """An update by the query API from `address`, over a connection of its own unless there is a `client`. A success
        must be true at that moment."""
        if client:
            answer = client.request(set_target(hostname, address), headers={"X-Forwarded-For": address})
        else:
            answer = self.daemon.set(hostname, via=address, timeout=timeout)
        self._note(hostname, address, answer.status)
        if answer.status == 200:
            assert self.r53.values(hostname) == [address], f"{hostname}: told {answer.text}"
        return answer

    def start_set(self, hostname: str, address: str) -> Background:
        return Background(self.set, hostname, address)

    def set_many(self, hostnames: Iterable[str], address: str) -> dict[str, str]:
        """The words of dyndns2 for up to 20 hosts in one request; they need `basic` in their auth."""
        names = list(hostnames)
        assert len(names) <= DYNDNS2_HOSTS_MAX
        target = f"/nic/update?hostname={','.join(names)}&myip={address}"
        headers = {**basic(), "X-Forwarded-For": address}
        answer = self.daemon.request(target, headers=headers, timeout=60.0)
        words = dict(zip(names, (line.split(" ")[0] for line in answer.text.splitlines()), strict=True))
        for name, word in words.items():
            # 911 stays queued; what was refused is not going to be there
            self._note(name, address, {"good": 200, "nochg": 200, "911": 503}.get(word, 403))
            if word in ("good", "nochg"):
                assert self.r53.values(name) == [address], f"{name}: told {word}"
        return words

    def start_many(self, hostnames: Iterable[str], address: str) -> list[Background]:
        """All of them at once, twenty in a request."""
        names = list(hostnames)
        parts = [names[at : at + DYNDNS2_HOSTS_MAX] for at in range(0, len(names), DYNDNS2_HOSTS_MAX)]
        return [Background(self.set_many, part, address) for part in parts]

    def _note(self, hostname: str, address: str, status: int) -> None:
        with self._lock:
            self.told[hostname] = status
            if status in (200, 503):
                self.asked[hostname] = address

    def forget(self, hostname: str) -> None:
        """Nothing can be said about the end of this record: its client never got an answer, or was told no."""
        self.asked.pop(hostname, None)

    def settle(self, timeout: float = MORE_THAN_A_BACKOFF_S) -> None:
        """The queue ends empty, what was asked for is in DNS and in the state, and the daemon stops in order."""
        self.r53.wait_for(self._is_in_dns, timeout)
        wait_queue_empty(self.daemon, timeout)
        wait_until(lambda: self._thread_count() <= self.threads, "a thread is left over")
        mark = self.daemon.process.log_mark()
        self.daemon.stop()
        assert not [line for line in self.daemon.log_lines()[mark:] if "event=drain" in line]
        self.check_state()

    def _is_in_dns(self) -> bool:
        return all(self.r53.values(name) == [address] for name, address in self.asked.items())

    def check_state(self) -> None:
        rows = state_addresses(self.daemon.state_dir)
        assert {name: rows.get(name) for name in self.asked} == self.asked

    def _thread_count(self) -> int:
        return len(list(Path(f"/proc/{self.daemon.pid}/task").iterdir()))


def basic(secret: str = SECRET) -> dict[str, str]:
    """The header with the secret as password."""
    credentials = base64.b64encode(f"x:{secret}".encode()).decode()
    keep_confidential(credentials)
    return {"Authorization": f"Basic {credentials}"}


def state_addresses(state_dir: Path) -> dict[str, str]:
    """What state.db says that each A record was last set to."""
    with closing(sqlite3.connect(f"file:{state_dir}/state.db?mode=ro", uri=True)) as state:
        return dict(state.execute("SELECT hostname, address FROM record WHERE type = 'A' AND address <> ''"))


def history(state_dir: Path, hostname: str) -> list[tuple[str, str]]:
    """Every change of a host from the first on: old address, new address."""
    with closing(sqlite3.connect(f"file:{state_dir}/state.db?mode=ro", uri=True)) as state:
        query = "SELECT old_address, new_address FROM history WHERE hostname = ? ORDER BY id"
        return list(state.execute(query, (hostname,)))


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 45.0) -> None:
    """For what neither a log line nor a call tells; looks every 20 ms."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise ProcessFailed(f"{what}, after {timeout} s")
        time.sleep(0.02)


def wait_queue_empty(daemon: Daemon, timeout: float = MORE_THAN_A_BACKOFF_S) -> None:
    wait_until(lambda: daemon.metrics().sum("ddns53_queue_depth") == 0, "the queue is not empty", timeout)
    assert daemon.metrics().sum("ddns53_queue_oldest_seconds") == 0
