"""Hosts, addresses and checks that the tests of dyndns2 share."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Iterator

from standin import TestCA

from .client import Response
from .daemon import BEHIND_PROXY, Daemon, host, merged
from .dialects import CHALLENGE, check_headers, zone_values

OTHER = "another-shared-secret-of-a-host-02"
ALONE = "the-secret-of-exactly-one-host-003"
PAIR = "the-secret-of-two-rows-of-a-name-4"
# Each belongs to a host of that name.
AWKWARD = {
    "space": "a secret with spaces in it 1",
    "plus": "a+secret+with+plus+signs+012",
    "mixed": "a secret+of both/kinds=%41 &c",
    "umlaut": "ein-gr\u00fcnes-Schl\u00fcsselb\u00e4rtchen",
}
BOTH = ["A", "AAAA"]
DYN = {"auth": ["basic"]}
HOSTS = [
    host("home.example.test.", BOTH, **DYN),
    host("four.example.test.", "A", **DYN),
    host("six.example.test.", "AAAA", **DYN),
    host("locked.example.test.", BOTH, lock_record=True, **DYN),
    host("inside.example.test.", BOTH, allow_internal=True, **DYN),
    host("hashed.example.test.", BOTH, auth=["hash", "signed", "secret"]),
    host("other.example.test.", BOTH, OTHER, **DYN),
    host("alone.example.test.", BOTH, ALONE, **DYN),
    host("split.example.test.", "A", PAIR, **DYN),
    host("split.example.test.", "AAAA", PAIR, **DYN),
    *(host(f"{name}.example.test.", BOTH, secret, auth=["basic", "secret"]) for name, secret in AWKWARD.items()),
    *(host(f"h{number}.example.test.", "A", **DYN) for number in range(1, 22)),
]
FAST = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000}, "route53": {"requests_per_second": 1000}})


@contextlib.contextmanager
def shared_daemon(ca: TestCA, folder: Path) -> Iterator[Daemon]:
    """A daemon with those hosts and a zone file, for a whole module."""
    with contextlib.closing(Daemon(folder, ca, settings=FAST, hosts=HOSTS)) as made:
        yield made.start()


_numbers = itertools.count(1)


def fresh4() -> str:
    number = next(_numbers)
    return f"198.18.{number // 250}.{number % 250 + 1}"


def fresh6() -> str:
    return f"2001:db8::{next(_numbers):x}"


def answers(answer: Response, status: int, body: str) -> None:
    """The whole of it: status, body, and the headers that go with the status."""
    assert (answer.status, answer.text) == (status, body)
    check_headers(answer)
    assert answer.headers["WWW-Authenticate"] == (CHALLENGE if status == 401 else None)
    assert (answer.headers["Retry-After"] is not None) == (status == 503)
    if status == 503:
        assert 1 <= int(answer.headers["Retry-After"]) <= 600


def values(d: Daemon, name: str) -> tuple[list[str], list[str]]:
    path = d.zone_file()
    return zone_values(path, name, "A"), zone_values(path, name, "AAAA")
