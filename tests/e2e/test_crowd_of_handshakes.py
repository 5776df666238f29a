"""Hundreds of handshakes at a time, of every kind and pace, while certificates change: each comes to its end. TEST_HANDSHAKES
says how many of each kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import Daemon
from test_two_certificates import ECDSA, RSA, Pairs

CROWD = Path(__file__).parent / "standin" / "crowd.py"
COUNT = int(os.environ.get("TEST_HANDSHAKES", "300"))
LIMIT_S = 60  # of a client; more than the daemon lets a request take
SEED = 1
RELOADS = 4  # at least, while all of them go on: both files twice
PLENTY = {"connections": 4096, "connections_per_address": 4096, "reads_per_minute": 1000000, "request_s": 30}
# What OpenSSL offers. X448 is a group that the daemon doesn't have: it asks such a client to begin again.
KINDS = {
    "whatever": "Groups = X25519:P-256",
    "RSA only": "SignatureAlgorithms = RSA-PSS+SHA256:RSA+SHA256",
    "begins again": "Groups = X448:P-256",
}
OPENSSL_CONF = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n{}\n"


class Crowd:
    def __init__(self, d: Daemon, folder: Path, kind: str, count: int, at_once: int, seed: int):
        self.kind = kind
        settings = folder / f"{kind}.cnf"
        settings.write_text(OPENSSL_CONF.format(KINDS[kind]))
        port = d.url.rpartition(":")[2]
        words = (CROWD, port, d.ca.path, count, at_once, LIMIT_S, seed)
        self.process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            env={**os.environ, "OPENSSL_CONF": str(settings)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> dict:
        output = self.process.stdout.read()
        self.process.wait()
        assert self.process.returncode == 0
        return json.loads(output)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def let_end(crowds: list[Crowd]) -> None:
    """Each, once as many have begun as it was told."""
    for crowd in crowds:
        crowd.process.stdin.close()


@pytest.mark.timeout_s(600)
@pytest.mark.parametrize("count, at_once", [(COUNT // 5, 2), (COUNT, 100)], ids=["a few at a time", "many at a time"])
@pytest.mark.parametrize("reloads", [False, True], ids=["in peace", "over reloads"])
def test_each_handshake_comes_to_its_end(daemon, ca, tmp_path, request, count, at_once, reloads):
    """A few at a time, so that no other connection's event wakes the worker of one that was forgotten."""
    label = f"crowd-{at_once}-{reloads}"
    pairs, renewals = Pairs(ca, label), [Pairs(ca, f"{label}-{number}") for number in range(2)]
    d = daemon(settings={"server": pairs.settings(), "limits": PLENTY})
    crowds = [Crowd(d, tmp_path, kind, count, at_once, SEED + number) for number, kind in enumerate(KINDS)]
    for crowd in crowds:
        request.addfinalizer(crowd.close)
    reload_count = 0
    while reloads and any(crowd.process.poll() is None for crowd in crowds):
        pairs.put((RSA, ECDSA)[reload_count // 2 % 2], renewals[reload_count % 2])
        d.reload()
        reload_count += 1
        if reload_count == RELOADS:
            let_end(crowds)
    let_end(crowds)
    for crowd in crowds:
        told = crowd.end()
        assert told["stories"] == [], crowd.kind
        assert told["fates"]["full"] > 0 and told["fates"]["resumed"] > 0, (crowd.kind, told)
    assert reload_count >= (RELOADS if reloads else 0)
