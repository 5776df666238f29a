"""The clock that a test can shift, and the limit on requests a second of an account."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Protocol


class Clock:
    """Wall clock of the stand-in; set `offset_s` to make it disagree with the world."""

    def __init__(self, offset_s: float = 0.0):
        self.offset_s = offset_s

    def now(self) -> float:
        return time.time() + self.offset_s

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now(), timezone.utc)

    def http_date(self) -> str:
        return formatdate(self.now(), usegmt=True)


def iso_time(seconds: float, milliseconds: bool = False) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    if milliseconds:
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Limit(Protocol):
    def admit(self) -> bool: ...


class TokenBucket:
    """Up to `burst` requests at once, refilled at `per_second`. A refused request costs nothing."""

    def __init__(self, per_second: float, burst: float | None = None):
        self.per_second = per_second
        self.burst = per_second if burst is None else burst
        self._tokens = float(self.burst)
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()

    def admit(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.per_second)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class SlidingWindow:
    """Never more than `count` accepted requests in any span of `span_s`: the strict reading."""

    def __init__(self, count: int, span_s: float = 1.0):
        self.count, self.span_s = count, span_s
        self._admitted: deque[float] = deque()
        self._lock = threading.Lock()

    def admit(self) -> bool:
        with self._lock:
            now = time.monotonic()
            while self._admitted and self._admitted[0] <= now - self.span_s:
                self._admitted.popleft()
            if len(self._admitted) >= self.count:
                return False
            self._admitted.append(now)
            return True
