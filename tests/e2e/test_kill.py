"""kill -9 at any moment: what was acknowledged is in DNS and in the state, and the daemon starts again."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from harness import BEHIND_PROXY, Client, Daemon, hash_token, host, merged, query_target
from harness.daemon import SECRET
from harness.updates import wait_until

HEAD = "$TTL 60\n@ SOA ns1 hostmaster ( 2020010100 ; serial\n 1h 1h 1w 1h )\n NS ns1\n"
KILLS = 50
CLIENTS = 4
SETTINGS = merged(
    BEHIND_PROXY,
    {
        "route53": {"requests_per_second": 1000},
        "limits": {"reads_per_minute": 1000000, "connections_per_address": 1000},
    },
)


class Stream:
    """Clients that update one host each, without a pause, over restarts: what they were told is kept per host.

    An address that was acknowledged is in DNS and state until a newer request of the same host was sent, whose fate
    nobody knows when the daemon is killed: DNS then has the one or the other, but never an older one.
    """

    def __init__(self, zone: str):
        self.names = [f"h{number}.{zone}" for number in range(CLIENTS)]
        self.possible: dict[str, set[str]] = {}  # once something was acknowledged: that, and what was sent since
        self.errors: list[str] = []
        self.acknowledgements = 0
        self._counts = [0] * CLIENTS

    def run(self, d: Daemon, until_killed: threading.Event) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._client, args=(d, n, until_killed)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        return threads

    def _client(self, d: Daemon, number: int, until_killed: threading.Event) -> None:
        name, url, tls = self.names[number], d.url, d.tls_context()
        with Client(url, tls) as client:
            while not until_killed.is_set():
                self._counts[number] += 1
                count = self._counts[number]
                address = f"198.{18 + number}.{count // 250 % 250}.{count % 250 + 1}"
                target = query_target({"mode": "set", "hostname": name, "hash": hash_token(address, name, SECRET)})
                if name in self.possible:
                    self.possible[name].add(address)
                try:
                    answer = client.request(target, headers={"X-Forwarded-For": address})
                except OSError:
                    return  # killed; whether the last one was made, nobody knows
                except Exception as error:  # half an answer
                    if not until_killed.is_set():
                        self.errors.append(repr(error))
                    return
                if answer.status == 200:
                    self.possible[name] = {address}
                    self.acknowledgements += 1
                else:
                    self.errors.append(f"{name} {answer.status} {answer.text}")


def state_addresses(d: Daemon) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{d.state_dir / 'state.db'}?mode=ro", uri=True, timeout=20)) as database:
        return dict(database.execute("SELECT hostname, address FROM record WHERE type = 'A' AND address <> ''"))


def kill_again_and_again(
    d: Daemon, stream: Stream, in_dns, is_done, seed: int, kills: int, settled: int = 0
) -> None:
    """`is_done`: nothing more comes of what a killed daemon had asked for. `settled`: how many answers each life has at
    least before it is killed, at a random moment after that."""
    chance = random.Random(seed)
    for turn in range(kills):
        killed = threading.Event()
        threads = stream.run(d, killed)
        enough = stream.acknowledgements + settled + chance.randrange(8)
        wait_until(lambda enough=enough: stream.acknowledgements >= enough or stream.errors, "too few answers", 60)
        time.sleep(chance.uniform(0.0, 0.12))  # the random moment
        killed.set()
        d.kill()
        for thread in threads:
            thread.join()
        wait_until(is_done, "what was asked for is not done")
        if chance.random() < 0.2:  # and while it starts
            d.process.spawn()
            time.sleep(chance.uniform(0.0, 0.03))
            d.kill()
            wait_until(is_done, "what was asked for is not done")
        d.start()
        state = state_addresses(d)
        assert stream.errors == []
        for name, possible in stream.possible.items():
            assert in_dns(name) in possible, f"kill {turn}: {name} in DNS"
            assert state.get(name) in possible, f"kill {turn}: {name} in the state"
    assert stream.acknowledgements > kills


def test_kill_9_with_route_53(daemon, r53):
    r53.change_latency_s = 0.01
    stream = Stream("example.com.")
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(name) for name in stream.names])

    def in_dns(name: str) -> str | None:
        return (r53.values(name) or [None])[0]

    kill_again_and_again(d, stream, in_dns, lambda: r53.connections == 0, 1, KILLS)
    for name in stream.names:  # and all goes on as if nothing had been
        assert d.set(name, via="203.0.113.7").status == 200
        assert r53.values(name) == ["203.0.113.7"] and state_addresses(d)[name] == "203.0.113.7"
    assert set(r53.results()) <= {"ok"}


@pytest.mark.parametrize("records, kills, settled", [(0, 20, 0), (30000, 8, 4 * CLIENTS)], ids=["small", "large"])
def test_kill_9_with_a_zone_file(daemon, records, kills, settled):
    """A large file is written into its spare from the third time on."""
    stream = Stream("example.test.")
    d = daemon(start=False, settings=SETTINGS, hosts=[host(name) for name in stream.names])
    if records:
        lines = (f"r{number:06}.example.test. 60 IN A 198.18.0.1\n" for number in range(records))
        d.zone_file().parent.mkdir()
        d.zone_file().write_text(f"{HEAD}; ddns53 begin\n{''.join(lines)}; ddns53 end\n")
    d.start()

    def in_dns(name: str) -> str | None:
        lines = d.zone_file().read_text().splitlines()
        assert sum(line.startswith("r") for line in lines) == records and lines[-1] == "; ddns53 end"
        for line in lines:
            words = line.split()
            if words and words[0] == name and words[3] == "A":
                return words[4]
        return None

    kill_again_and_again(d, stream, in_dns, lambda: True, 2, kills, settled)
    leftovers = {path.name for path in d.zone_file().parent.iterdir()} - {d.zone_file().name}
    spare = {f".{d.zone_file().name}.spare"} if records else set()
    # Being written when it was killed.
    assert all(name.startswith(".new-") for name in leftovers - spare), leftovers
    for name in stream.names:
        assert d.set(name, via="203.0.113.7").status == 200
        assert in_dns(name) == "203.0.113.7"
