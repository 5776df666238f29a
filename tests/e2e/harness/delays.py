"""Pauses at random between the steps of a test and in the stand-ins' threads: what a pause decides would fail on a busy
machine one day. Only with TEST_DELAYS, the seed. A failed test says which of its steps were late, and by how much."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Iterator

import pytest

E2E = Path(__file__).resolve().parent.parent
HARNESS, STANDIN, TESTS = f"{E2E}/harness/", f"{E2E}/standin/", f"{E2E}/test_"
# Of the calls and returns of a test's own thread; of those in the threads of a stand-in, which are many more.
STEP_SHARE, STANDIN_SHARE = 0.4, 0.01
LONGEST_S = (0.02, 0.1, 0.5)
STEPS_S, STANDIN_S = 4.0, 4.0  # the most in one test
PAUSES_PER_STEP = 2  # a loop shall not use it all up
NOTED_S = 0.01


class Pauses:
    """Those of one test."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.left_s = {"step": STEPS_S, "standin": STANDIN_S}
        self.per_step: Counter[tuple[str, int, str]] = Counter()
        self.notes: list[str] = []

    def perhaps(self, kind: str, share: float, what: str) -> bool:
        if self.left_s[kind] <= 0 or self.random.random() >= share:
            return False
        pause_s = self.random.choice(LONGEST_S) * self.random.random()
        self.left_s[kind] -= pause_s
        if pause_s >= NOTED_S:
            self.notes.append(f"{pause_s:.3f} s: {what}")
        time.sleep(pause_s)
        return True

    def profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        """For sys.setprofile: at the begin and the end of each function."""
        code, caller = frame.f_code, frame.f_back
        if event not in ("call", "return") or not code.co_filename.startswith((HARNESS, STANDIN)):
            return
        if caller and caller.f_code.co_filename.startswith(TESTS):
            step = (caller.f_code.co_filename, caller.f_lineno, event)
            what = f"{Path(step[0]).name}:{step[1]}, {code.co_name}, {event}"
            if self.per_step[step] < PAUSES_PER_STEP and self.perhaps("step", STEP_SHARE, what):
                self.per_step[step] += 1
        elif code.co_filename.startswith(STANDIN) and threading.current_thread() is not threading.main_thread():
            self.perhaps("standin", STANDIN_SHARE, f"stand-in, {code.co_name}, {event}")


_PAUSES = pytest.StashKey[Pauses]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    pauses = Pauses(zlib.crc32(f"{os.environ['TEST_DELAYS']} {item.nodeid}".encode()))
    item.stash[_PAUSES] = pauses
    threading.setprofile(pauses.profile)
    sys.setprofile(pauses.profile)
    yield
    sys.setprofile(None)
    threading.setprofile(None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and _PAUSES in item.stash:
        report.sections.append(("pauses", "\n".join(item.stash[_PAUSES].notes)))
