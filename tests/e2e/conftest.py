"""Fixtures of the end-to-end tests; harness/__init__.py describes them."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import Daemon, binary_path, confidential
from harness.aws import Raw, boto
from standin import KeyStore, Route53, TestCA, Zone

_STDERR = pytest.StashKey[int]()
pytest_plugins = ["harness.delays"] if os.environ.get("TEST_DELAYS") else []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("test_timeout_s", "seconds after which a test's process is ended", default="120")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STDERR] = os.dup(sys.__stderr__.fileno())  # while a test runs, fd 2 is pytest's
    # A shell's background jobs ignore it, and so would all that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that hangs prints every thread's stack and ends its process, which ends its daemons."""
    marker = item.get_closest_marker("timeout_s")
    seconds = float(marker.args[0] if marker else item.config.getini("test_timeout_s"))
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[_STDERR])
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def forget_confidential() -> None:
    confidential.clear()


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestCA:
    return TestCA(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def keys() -> KeyStore:
    return KeyStore()


@pytest.fixture
def route53(ca: TestCA, keys: KeyStore) -> Iterator[Callable[..., Route53]]:
    with ExitStack() as stack:

        def make(*zones: str, **options: Any) -> Route53:
            options = {"ca": ca, "keys": keys, **options}
            return stack.enter_context(Route53(zones or ("example.com.",), **options))

        yield make


@pytest.fixture
def daemon(ca: TestCA, tmp_path: Path, route53: object) -> Iterator[Callable[..., Daemon]]:
    # Asks for route53 so that daemons are stopped before the stand-ins that they drain to.
    with ExitStack() as stack:

        def make(start: bool = True, name: str = "daemon", **options: Any) -> Daemon:
            if "binary" not in options and not binary_path().exists():
                pytest.fail(f"{binary_path()}: not there; run make, or set DDNS53D to the binary")
            made = Daemon(tmp_path / name, ca, **options)
            stack.callback(made.close)
            return made.start() if start else made

        yield make


@pytest.fixture
def r53(route53: Callable[..., Route53]) -> Route53:
    """The plain case: one zone, example.com."""
    return route53("example.com.")


@pytest.fixture
def zone(r53: Route53) -> Zone:
    return r53.zone("example.com.")


@pytest.fixture
def client(r53: Route53) -> Iterator[Any]:
    """A botocore client of `r53`."""
    made = boto(r53)
    yield made
    made.close()


@pytest.fixture
def raw(r53: Route53) -> Iterator[Raw]:
    sender = Raw(r53)
    yield sender
    sender.connection.close()
