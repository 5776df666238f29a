"""A peer for what concerns zones: Knot DNS with a zone file of its own, which takes dynamic updates from this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.update

from harness import free_port

CONFIG = """\
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
    tcp-workers: 1
    udp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
    journal-db-max-size: 256M
    timer-db-max-size: 8M
    kasp-db-max-size: 8M
    catalog-db-max-size: 8M
acl:
  - id: here
    address: 127.0.0.1
    action: update
zone:
  - domain: {zone}
    file: "{folder}/zone"
    zonefile-sync: 0
    acl: here
"""


def name_of(index: int, zone: str) -> str:
    return f"h{index:07d}.{zone}"


def write_zone(path: Path, zone: str, count: int, addresses: tuple[str, ...]) -> None:
    """One line a record; `addresses` of each name."""
    types = [("AAAA" if ":" in address else "A", address) for address in addresses]
    with path.open("w") as file:
        file.write(f"{zone} 60 IN SOA ns.{zone} hostmaster.{zone} 1 3600 600 1209600 60\n{zone} 60 IN NS ns.other.test.\n")
        file.writelines(
            f"{name_of(index, zone)} 60 IN {kind} {address}\n" for index in range(count) for kind, address in types
        )


class Knot:
    def __init__(self, folder: Path, zone: str, count: int, addresses: tuple[str, ...]):
        self.program = shutil.which("knotd", path="/usr/sbin:/usr/bin:/sbin:/bin")
        if not self.program:
            raise SystemExit("Knot DNS, the peer in this benchmark, is missing; install Debian's package knot")
        self.folder, self.zone, self.port = folder, zone, free_port()
        folder.mkdir()
        write_zone(folder / "zone", zone, count, addresses)
        (folder / "knot.conf").write_text(CONFIG.format(folder=folder, port=self.port, zone=zone))
        self.process: subprocess.Popen | None = None

    def start(self) -> "Knot":
        """Returns once it answers for the zone."""
        self.process = subprocess.Popen(
            [self.program, "-c", self.folder / "knot.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        query = dns.message.make_query(self.zone, "SOA")
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5).rcode() == dns.rcode.NOERROR:
                    return self
            except (OSError, dns.exception.Timeout):
                pass
            time.sleep(0.005)
        raise SystemExit("knotd does not serve its zone")

    def update(self, name: str, address: str) -> None:
        update = dns.update.UpdateMessage(self.zone)
        update.replace(name, 60, "A", address)
        answer = dns.query.tcp(update, "127.0.0.1", port=self.port, timeout=30)
        if answer.rcode() != dns.rcode.NOERROR:
            raise SystemExit(f"knotd answers an update with {dns.rcode.to_text(answer.rcode())}")

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


def process_cpu(pid: int) -> float:
    """Seconds, those of threads that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident now, and at the peak since the last reset_peak."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024, int(status["VmHWM"].split()[0]) / 1024


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
