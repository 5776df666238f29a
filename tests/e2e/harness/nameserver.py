"""Real name servers with a zone that takes dynamic updates: BIND, Knot and PowerDNS, as Debian has them, each in a folder
of the test's own, on a port of its own, and set up with what ddns53-rfc2136(7) says. dnspython, which shares no code
with ddns53d, asks and changes them beside it.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterable

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone

from .client import keep_confidential
from .daemon import REPOSITORY
from .process import LoggedProcess, base_environment, free_port

PAGE = REPOSITORY / "man" / "ddns53-rfc2136.7"
ZONE = "example.com."
KEY = "ddns53."
OWNER_KEY = "owner."  # somebody else, who may do everything
OWNER_SECRET = "dGhlIG93bmVyIG9mIHRoZSB6b25lIGhhcyB0aGlzIG9uZQ=="
SERIAL = 1
ZONE_TEXT = f"""\
$ORIGIN {ZONE}
$TTL 300
@ SOA ns hostmaster {SERIAL} 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""


def literals(page: str) -> list[str]:
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page, re.MULTILINE | re.DOTALL)
    return [block.replace(r"\e", "\\").replace(r"\&", "") for block in blocks]


def example(first_words: str) -> str:
    """The page's example that begins so."""
    (found,) = (block for block in literals(PAGE.read_text()) if block.startswith(first_words))
    return found


(SECRET,) = re.findall(r'secret "(.*)";', example("key \""))


class NameServer:
    """One primary of example.com. Changed before `start`: `zone_text`, `lets_transfer`, `permits`, `knows_key`."""

    program = ""
    ready = ""

    def __init__(self, folder: Path, wrapper: Iterable[str] = ()):
        self.folder, self.wrapper = folder, list(wrapper)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        # The path of a unix socket has 107 characters at most, and that of the test's folder may have more.
        self.sockets = tempfile.TemporaryDirectory(prefix="ns-")
        self.zone_text = ZONE_TEXT
        self.lets_transfer = True
        self.permits = True  # the key may update the zone
        self.secret = SECRET
        self.has_zone = True
        self.process: LoggedProcess | None = None
        keep_confidential(SECRET)

    # -- life -------------------------------------------------------------------

    def configure(self) -> list[str]:
        """Writes what it needs; returns its command."""
        raise NotImplementedError

    def start(self) -> "NameServer":
        path = shutil.which(self.program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert path, f"{self.program} is missing; tests/run installs it"
        if self.process is None:
            command = [*self.wrapper, path, *self.configure()]
            self.process = LoggedProcess(command, base_environment(), self.folder)
        mark = self.process.log_mark()
        self.process.spawn()
        self.process.wait_log(self.ready, 30.0, mark)
        self._wait_for_zone()
        return self

    def _wait_for_zone(self) -> None:
        """Until it answers for the zone; what it logs comes earlier."""
        deadline = time.monotonic() + 30.0
        while True:
            try:
                answer = self._exchange(dns.message.make_query(ZONE, "SOA"), timeout=2.0)
                if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.REFUSED):
                    return
            except (OSError, EOFError, dns.exception.DNSException):
                pass
            assert time.monotonic() < deadline, f"{self.program} does not serve{self.process.tail()}"
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None and self.process.running:
            self.process.signal(15)
            self.process.wait(30.0)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def close(self) -> None:
        self.kill()
        self.sockets.cleanup()

    # -- beside the daemon ------------------------------------------------------

    def _exchange(self, message: dns.message.Message, timeout: float = 10.0) -> dns.message.Message:
        return dns.query.tcp(message, "127.0.0.1", timeout=timeout, port=self.port)

    def _key(self) -> dict[str, Any]:
        name = dns.name.from_text(OWNER_KEY)
        return {"keyring": {name: dns.tsig.Key(name, OWNER_SECRET, "hmac-sha256")}, "keyname": name}

    def values(self, name: str, record_type: str = "A") -> list[str]:
        """What it answers to a question, in order; "" of no record."""
        return [value for value, _ in self.rows(name, record_type)]

    def rows(self, name: str, record_type: str = "A") -> list[tuple[str, int]]:
        """(value, TTL) of each record at exactly that name and type in the answer."""
        answer = self._exchange(dns.message.make_query(name, record_type))
        wanted = dns.name.from_text(name)
        return sorted(
            (value.to_text(), found.ttl)
            for found in answer.answer
            if found.name == wanted and found.rdtype == dns.rdatatype.from_text(record_type)
            for value in found
        )

    def update(self, change: Callable[[dns.update.Update], None], check: bool = True) -> int:
        """An update by the owner of the zone; returns the RCODE."""
        message = dns.update.Update(ZONE, **self._key())
        change(message)
        rcode = self._exchange(message).rcode()
        assert not check or rcode == dns.rcode.NOERROR, dns.rcode.to_text(rcode)
        return rcode

    def transfer(self) -> dns.zone.Zone:
        return dns.zone.from_xfr(
            dns.query.xfr("127.0.0.1", ZONE, port=self.port, relativize=False, **self._key()), relativize=False
        )

    def addresses(self) -> dict[str, str]:
        """Every A record that is the only one of its name."""
        found: dict[str, str] = {}
        for name, _, value in self.transfer().iterate_rdatas("A"):
            found[name.to_text()] = value.address
        return found

    def serial(self) -> int:
        answer = self._exchange(dns.message.make_query(ZONE, "SOA"))
        return answer.answer[0][0].serial

    # -- the daemon's settings --------------------------------------------------

    def zone_settings(self, secret: str | None = None, **more: Any) -> dict[str, Any]:
        tsig = {"name": KEY, "algorithm": "hmac-sha256", "secret": secret or SECRET}
        return {
            "name": ZONE, "provider": "rfc2136", "server": "127.0.0.1", "port": self.port, "tsig": tsig, **more
        }

    def _write_zone(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            path.write_text(self.zone_text if self.has_zone else self.zone_text.replace(ZONE, "other.test."))
        return path


class Bind(NameServer):
    program = "named"
    ready = r"\brunning$"

    def configure(self) -> list[str]:
        text = example('key "').replace("/var/lib/bind/example.com.zone", str(self._write_zone("zone")))
        text = text.replace(SECRET, self.secret)
        text += f'key "{OWNER_KEY}" {{ algorithm hmac-sha256; secret "{OWNER_SECRET}"; }};\n'
        text = text.replace("update-policy {", f"update-policy {{ grant {OWNER_KEY} zonesub ANY;")
        text = text.replace("allow-transfer {", f'allow-transfer {{ key "{OWNER_KEY}";')
        if not self.permits:
            text = re.sub(r"update-policy \{.*\};", "allow-update { none; };", text)
        if not self.lets_transfer:
            text = text.replace(f'key "{KEY}"; }};\n}};', "};\n};")
        if not self.has_zone:
            text = text.replace('zone "example.com"', 'zone "other.test"')
        options = (
            f'options {{ directory "{self.folder}"; pid-file none; session-keyfile none; recursion no;\n'
            f"listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; dnssec-validation no; }};\n"
            "controls { };\n"
        )
        (self.folder / "named.conf").write_text(options + text)
        return ["-g", "-n", "1", "-c", str(self.folder / "named.conf")]


class Knot(NameServer):
    program = "knotd"
    ready = r"server started"

    def configure(self) -> list[str]:
        text = example("key:\n").replace("/var/lib/knot/example.com.zone", f'"{self._write_zone("zone")}"')
        text = text.replace(SECRET, self.secret)
        if not self.permits:
            text = re.sub(r"action: \[.*\]\n.*update-type.*", "action: [query, transfer]", text)
        if not self.lets_transfer:
            text = text.replace(", transfer]", "]")
        owner = f"  - id: {OWNER_KEY}\n    algorithm: hmac-sha256\n    secret: {OWNER_SECRET}\n"
        acl = f"  - id: owner\n    key: {OWNER_KEY}\n    action: [query, update, transfer]\n"
        text = text.replace("key:\n", "key:\n" + owner, 1).replace("acl:\n", "acl:\n" + acl, 1)
        text = text.replace("    acl: ddns53\n", "    acl: [owner, ddns53]\n")
        if not self.has_zone:
            text = text.replace("domain: example.com", "domain: other.test")
        server = (
            f"server:\n    rundir: \"{self.sockets.name}\"\n    listen: 127.0.0.1@{self.port}\n"
            "    tcp-workers: 1\n    udp-workers: 1\n    background-workers: 1\n"
            "    tcp-io-timeout: 20000\n"  # for dnspython on a machine that is busy
            "log:\n  - target: stderr\n    any: info\n"
            f"database:\n    storage: \"{self.folder}\"\n    journal-db-max-size: 64M\n"
            "    timer-db-max-size: 8M\n    kasp-db-max-size: 8M\n    catalog-db-max-size: 8M\n"
        )
        (self.folder / "knot.conf").write_text(server + text)
        return ["-c", str(self.folder / "knot.conf")]


class PowerDns(NameServer):
    program = "pdns_server"
    ready = r"TCP server bound to"

    def configure(self) -> list[str]:
        schema = Path("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql")
        database = self.folder / "db"
        subprocess.run(["sqlite3", database], input=schema.read_text(), text=True, check=True, capture_output=True)
        settings = {
            "launch": "gsqlite3",
            "gsqlite3-database": database,
            "gsqlite3-pragma-synchronous": 0,
            "local-address": "127.0.0.1",
            "local-port": self.port,
            "socket-dir": self.sockets.name,
            "allow-axfr-ips": "",
            "receiver-threads": 1,
            "distributor-threads": 1,
            "version-string": "anonymous",
        }
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "pdns.conf").write_text(lines + example("dnsupdate="))
        name = "example.com" if self.has_zone else "other.test"
        self._util("load-zone", name, self._write_zone("zone"))
        for line in example("$ pdnsutil").splitlines():
            words = line.split()[2:]
            if not self.permits and "TSIG-ALLOW-DNSUPDATE" in words:
                words[-1] = "another"
            if self.lets_transfer or "TSIG-ALLOW-AXFR" not in words:
                self._util(*(word.replace("example.com", name).replace(SECRET, self.secret) for word in words))
        self._util("import-tsig-key", OWNER_KEY.rstrip("."), "hmac-sha256", OWNER_SECRET)
        self._util("add-meta", name, "TSIG-ALLOW-DNSUPDATE", OWNER_KEY.rstrip("."))
        self._util("add-meta", name, "TSIG-ALLOW-AXFR", OWNER_KEY.rstrip("."))
        return [f"--config-dir={self.folder}"]

    def _util(self, *words: str | Path) -> None:
        command = ["pdnsutil", f"--config-dir={self.folder}", *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


SERVERS: dict[str, type[NameServer]] = {"bind": Bind, "knot": Knot, "powerdns": PowerDns}


class UdpOnly:
    """A way to a name server by UDP alone: by TCP it refuses connections. As a firewall may do."""

    def __init__(self, server: NameServer):
        self.target = ("127.0.0.1", server.port)
        self.port = free_port()
        self.tcp = socket.socket()  # bound, so that nobody else gets the port; nobody listens
        self.tcp.bind(("127.0.0.1", self.port))
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.messages = 0
        self._ends, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.udp, selectors.EVENT_READ)
            selector.register(self._ends, selectors.EVENT_READ)
            while True:
                if self._ends in (key.fileobj for key, _ in selector.select()):
                    return
                self._forward()

    def _forward(self) -> None:
        request, client = self.udp.recvfrom(65535)
        self.messages += 1
        with socket.socket(type=socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(5.0)
            upstream.sendto(request, self.target)
            try:
                self.udp.sendto(upstream.recv(65535), client)
            except (TimeoutError, ConnectionError):
                pass

    def close(self) -> None:
        self._end.send(b"x")
        self._thread.join()
        for one in (self.tcp, self.udp, self._ends, self._end):
            one.close()
