"""What stays in the process's memory after a reload: no secret that was rotated, and no table of before."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import BEHIND_PROXY, Daemon, binary_path, hash_token, host, merged, receive
from harness.daemon import SECRET
from harness.updates import Background, wait_until

HOME, OLD_HOME, WWW = "home.example.test.", "old-home.example.test.", "www.example.test."


def memory_of(pid: int) -> list[bytes]:
    """Every mapping that can be read."""
    pieces = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not match or "[v" in line:  # [vvar], [vsyscall]
                continue
            start, end = (int(text, 16) for text in match.groups())
            try:
                memory.seek(start)
                pieces.append(memory.read(end - start))
            except (OSError, OverflowError):
                continue  # gone since, or never filled
    return pieces


def count_in_memory(d: Daemon, text: str) -> int:
    return sum(piece.count(text.encode()) for piece in memory_of(d.pid))


def may_look() -> bool:
    return os.geteuid() == 0


# A sanitizer's runtime keeps freed memory and shadows of it.
needs_a_plain_build = pytest.mark.skipif(
    binary_path().parent.name in ("address-undefined", "thread"), reason="memory is looked at in plain builds"
)


@needs_a_plain_build
def test_a_rotated_secret_leaves_the_memory(daemon):
    if not may_look():
        pytest.skip("only root may read the daemon's memory")
    old = {
        "current": "rotated-6f1d0c9a77e2b41f",
        "previous": "rotated-0aa97c3e5d11f04b",
        "quoted": 'rotated "quoted" 2b9d7714c0ffee55',
        "long": "rotated-" + "0123456789abcdef" * 12 + "-long",
        "key": "rotated-api-key-91c04d3b7a",
        "file": "rotated-in-a-file-58ed30aa12",
    }
    hosts = [
        host(HOME, secret=old["current"], previous_secret=old["previous"], previous_secret_until="2999-01-01"),
        host(OLD_HOME, secret=old["quoted"]),
        host(WWW, secret=old["long"]),
        host("file.example.test.", secret="x"),
    ]
    settings = merged(BEHIND_PROXY, {"server": {"api_keys": [old["key"], "an-api-key-that-stays-01"]}})
    d = daemon(start=False, settings=settings, hosts=hosts)
    d.hosts[3].pop("shared_secret")
    d.hosts[3]["shared_secret_file"] = "a secret"
    (d.folder / "a secret").write_text(old["file"] + "\n")
    (d.folder / "a secret").chmod(0o600)
    d.write_config()
    d.start()
    for name, secret in ((HOME, old["current"]), (OLD_HOME, old["quoted"]), (WWW, old["long"])):
        token = hash_token("198.18.7.1", name, secret)
        headers = {"x-api-key": "an-api-key-that-stays-01"}
        assert d.query(via="198.18.7.1", mode="set", hostname=name, hash=token, headers=headers).status == 200
    for secret in old.values():
        assert count_in_memory(d, secret) == 1, secret  # it can be found, and parsing left no copy

    new = {key: f"afterwards-{number}-c41e77d2a8b90f" for number, key in enumerate(old)}
    d.hosts = [
        host(HOME, secret=new["current"], previous_secret=new["previous"], previous_secret_until="2999-01-01"),
        host(WWW, secret=new["long"]),
        d.hosts[3],
    ]
    (d.folder / "a secret").write_text(new["file"] + "\n")
    d.settings["server"]["api_keys"] = [new["key"]]
    d.write_config()
    d.reload()
    # A thread that has just answered may hold the hosts of before for a moment.
    for secret in old.values():
        wait_until(lambda: count_in_memory(d, secret) == 0, f"{secret} is still there")
    for key in ("current", "previous", "long", "key", "file"):
        assert count_in_memory(d, new[key]) == 1, key


@needs_a_plain_build
def test_memory_goes_back_after_a_reload(daemon):
    """The table of before, the tree of the file and libyaml's buffers: after each reload there is only one table."""
    row = "  - {{hostname: h{}.example.test., record_type: A, shared_secret: {}-{:06}}}\n"
    d = daemon(start=False, hosts=[])

    def write(turn: int) -> None:
        rows = (row.format(number, SECRET, number + turn) for number in range(60000))
        d.write_hosts_text("hosts:\n" + "".join(rows))

    write(0)
    d.start()
    resident = []
    for turn in range(1, 4):
        write(turn)
        assert "hosts=60000 added=0 removed=0 changed=60000" in d.reload()
        resident.append(d.metrics().value("process_resident_memory_bytes"))
    assert resident[-1] <= 1.3 * resident[0], resident
    assert resident[0] <= 1.3 * start_resident(d, write), resident


@needs_a_plain_build
@pytest.mark.parametrize("table_of", ["the start", "a reload"])
def test_hosts_that_left_leave_the_memory(daemon, table_of):
    """Their table, and what was known of their records. What a reload makes lies in a heap of its thread, the end of which
    malloc_trim leaves alone."""
    few = daemon(hosts=[host(HOME)], name="few").metrics().value("process_resident_memory_bytes")
    d = daemon(start=False, hosts=[host(HOME)])
    row = "  - {{hostname: h{}.example.test., record_type: [A, AAAA], shared_secret: {}}}\n"
    d.write_hosts_text("hosts:\n" + "".join(row.format(number, SECRET) for number in range(100000)))
    d.start()
    if table_of == "a reload":
        d.reload()
    many = d.metrics().value("process_resident_memory_bytes")
    d.write_config()
    assert "hosts=1 added=1 removed=100000 changed=0" in d.reload()
    deadline = time.monotonic() + 45
    while (resident := d.metrics().value("process_resident_memory_bytes")) > few + 0.2 * (many - few):
        assert time.monotonic() < deadline, (few, many, resident)
        time.sleep(0.05)
    assert d.get().status == 200


def resident_pages(d: Daemon) -> int:
    return int(Path(f"/proc/{d.pid}/statm").read_text().split()[1])


def serving_cpu_ms(d: Daemon) -> float:
    """Of the threads that clients and zones wait for."""
    threads = [path.parent for path in Path(f"/proc/{d.pid}/task").glob("*/comm") if path.read_text() in ("web\n", "io\n")]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def wait_idle(d: Daemon) -> None:
    """It has used nothing since the tenth look before this one."""
    used: list[float] = []

    def is_idle() -> bool:
        used.append(serving_cpu_ms(d))
        return len(used) > 10 and used[-1] == used[-11]

    wait_until(is_idle, "there is always something to do")


@needs_a_plain_build
def test_a_request_over_a_reload_does_not_free_the_hosts_of_before(daemon, r53):
    """It had them from before; the thread that ends it has others to serve."""
    home = host("home.example.com.", "A")
    d = daemon(start=False, route53=r53, hosts=[home], settings=merged(BEHIND_PROXY, {"update": {"timeout_s": 60}}))
    row = "  - {{hostname: h{}.example.com., record_type: A, shared_secret: {}-{:06}}}\n"
    rows = "".join(row.format(number, SECRET, number) for number in range(300000))
    own = f"  - {{hostname: {home['hostname']}, record_type: A, shared_secret: {SECRET}}}\n"
    d.write_hosts_text("hosts:\n" + own + rows)
    d.start()
    held = r53.faults.hold(count=1, operation="ChangeResourceRecordSets")
    asked = Background(d.set, home["hostname"], via="198.18.7.9")
    wait_until(lambda: held.hits == 1, "no change is made")
    assert "hosts=300001 added=0 removed=0 changed=0" in d.reload(60)
    wait_idle(d)  # what is left to do after the reload is not what is measured
    pages, cpu_ms = resident_pages(d), serving_cpu_ms(d)
    held.release()
    assert asked.result().status == 200
    wait_until(lambda: resident_pages(d) < 0.9 * pages, "the hosts of before stay")
    cpu_ms = serving_cpu_ms(d) - cpu_ms
    assert cpu_ms < 5, cpu_ms


@needs_a_plain_build
def test_memory_of_connections_goes_back(daemon):
    """What each takes while it waits for its next request, and what is left of all when they have closed."""
    count = 1000
    d = daemon(settings={"limits": {"connections": 4000, "connections_per_address": 4000, "request_s": 60}})

    def resident() -> float:
        return d.metrics().value("process_resident_memory_bytes")

    request = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"  # not limited
    with d.connect() as connection:
        connection.sendall(request)
        assert receive(connection).status == 404
    before = resident()
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(d.connect())
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request)
            assert receive(connection).status == 404
        each = (resident() - before) / count
        assert each < 41 * 1024, f"{each:.0f} bytes for each connection"
    deadline = time.monotonic() + 45
    while (left := resident() - before) > 0.2 * count * each:
        assert time.monotonic() < deadline, f"{left:.0f} bytes are left of {count * each:.0f}"
        time.sleep(0.1)
    assert d.get().status == 200


@needs_a_plain_build
def test_memory_goes_back_while_connections_close(daemon):
    """An answer fills what its connection has of memory. Of many that are answered and closed at once it is given back on
    the way, so that they never have it all together."""
    count, portion = 3000, 100  # what a worker finds ready is answered before it closes any of it: not all together
    plain = {"tls": False, "certificate": None, "private_key": None}
    limits = {"connections": 4000, "connections_per_address": 4000, "request_s": 60}
    d = daemon(settings={"server": plain, "limits": limits})

    def kib(which: str) -> int:
        return int(re.search(rf"^{which}:\s+(\d+)", Path(f"/proc/{d.pid}/status").read_text(), re.MULTILINE)[1])

    with ExitStack() as stack:
        connections = [stack.enter_context(d.connect()) for _ in range(count)]
        d.wait_metric("ddns53_connections", count, server="api")
        waiting = kib("VmRSS")
        for first in range(0, count, portion):
            some = connections[first : first + portion]
            for connection in some:
                connection.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            for connection in some:
                assert receive(connection).status == 404
    grown = kib("VmHWM") - waiting
    assert grown < 6 * count, f"{grown} KiB more than {waiting}"


def start_resident(d: Daemon, write) -> float:
    """What a fresh start with the same file takes."""
    d.stop()
    write(4)
    d.start()
    return d.metrics().value("process_resident_memory_bytes")
