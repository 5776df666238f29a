"""zonefile.on_change with real name servers: the examples of ddns53d.yaml(5), and what comes of a command that fails.

The servers run on high ports with files in the test's folder; only their control sockets and keys are put into the
commands of the page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
import yaml

from harness import BEHIND_PROXY, REPOSITORY, Daemon, LoggedProcess, base_environment, free_port, host, merged

PAGE = REPOSITORY / "man" / "ddns53d.yaml.5"
NAMES = [f"h{number}.example.com." for number in range(3)]
ZONE = [{"name": "example.com.", "provider": "zonefile"}]


def example(server: str, folder: Path) -> tuple[list[str], str]:
    """What the page says for a name server: the command, and the server's own configuration with paths in `folder`."""
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if f"\n# {server}\n" in block)
    ours, theirs = block.split(f"# {server}\n")
    return yaml.safe_load(ours)["zonefile"]["on_change"], theirs.replace("/srv/ddns53", str(folder))


class Server:
    """A name server; `command` is what on_change has to be to reach it."""

    def __init__(self, name: str, folder: Path, zones: Path):
        self.folder, self.port, self.control_port = folder, free_port(), free_port()
        self.command, text = example(f"{name}.conf", zones)
        self.config = folder / f"{name}.conf"
        self.process = LoggedProcess(getattr(self, name)(text), base_environment(), folder)

    def nsd(self, text: str) -> list[str]:
        self.config.write_text(
            f'server:\n    ip-address: 127.0.0.1@{self.port}\n    username: ""\n    chroot: ""\n    database: ""\n'
            f'    zonesdir: "{self.folder}"\n    pidfile: "{self.folder}/nsd.pid"\n    xfrdir: "{self.folder}"\n'
            f'    xfrdfile: "{self.folder}/xfrd.state"\n    zonelistfile: "{self.folder}/zone.list"\n'
            + text.replace("/run/nsd/nsd.ctl", f"{self.folder}/nsd.ctl")
        )
        self.command[1:1] = ["-c", str(self.config)]
        return ["/usr/sbin/nsd", "-d", "-c", str(self.config)]

    def knot(self, text: str) -> list[str]:
        self.config.write_text(
            f'server:\n    rundir: "{self.folder}"\n    user: root\n    listen: 127.0.0.1@{self.port}\n'
            f'database:\n    storage: "{self.folder}/db"\nlog:\n  - target: stderr\n    any: info\n{text}'
        )
        self.command[1:1] = ["-s", f"{self.folder}/knot.sock"]
        return ["/usr/sbin/knotd", "-c", str(self.config)]

    def named(self, text: str) -> list[str]:
        key = self.folder / "rndc.key"
        key.write_text('key "rndc-key" { algorithm hmac-sha256; secret "dGhlIHRlc3QncyBvd24ga2V5"; };\n')
        self.config.write_text(
            f'include "{key}";\noptions {{ directory "{self.folder}"; listen-on port {self.port} {{ 127.0.0.1; }};\n'
            f'listen-on-v6 {{ none; }}; pid-file "{self.folder}/named.pid"; session-keyfile "{self.folder}/session";\n'
            "recursion no; notify no; dnssec-validation no; };\n"
            f"controls {{ inet 127.0.0.1 port {self.control_port} allow {{ 127.0.0.1; }} keys {{ rndc-key; }}; }};\n"
            + text
        )
        self.command[1:1] = ["-s", "127.0.0.1", "-p", str(self.control_port), "-k", str(key)]
        return ["/usr/sbin/named", "-g", "-n", "1", "-c", str(self.config)]

    def query(self, name: str, record_type: str = "A") -> list[str]:
        command = ["dig", "+short", "+tries=1", "+time=2", "@127.0.0.1", "-p", str(self.port), name, record_type]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        return done.stdout.split() if done.returncode == 0 else []

    def wait(self, name: str, expected: list[str], timeout: float = 20.0) -> None:
        wait_until(lambda: self.query(name) == expected, timeout, lambda: f"{self.query(name)}{self.process.tail()}")


def wait_until(condition: Callable[[], bool], timeout: float, explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)  # between two looks


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    servers: list[Server] = []

    def make(name: str) -> Server:
        program = {"nsd": "nsd", "knot": "knotd", "named": "named"}[name]
        if not shutil.which(program, path="/usr/sbin:/usr/bin"):
            pytest.skip(f"{program} is not installed; tests/run --ci and tests/run in a container install it")
        folder, zones = tmp_path / name, tmp_path / "zones"
        folder.mkdir()
        servers.append(Server(name, folder, zones))
        return servers[-1]

    yield make
    for one in servers:
        one.process.kill()


def start(daemon, command: list[str], zones: Path, **more) -> Daemon:
    settings = merged(BEHIND_PROXY, {"zones": ZONE, "zonefile": {"directory": str(zones), "on_change": command}})
    d = daemon(settings=settings, hosts=[host(name) for name in NAMES], start=False, **more)
    return d


@pytest.mark.parametrize("name", ["nsd", "knot", "named"])
def test_changes_reach_the_name_server(daemon, server, tmp_path, name):
    zones = tmp_path / "zones"
    dns = server(name)
    d = start(daemon, dns.command, zones)
    d.start()
    d.wait_log("event=zone_file_made")
    dns.process.spawn()
    wait_until(lambda: dns.query("example.com.", "SOA") != [], 30, dns.process.tail)
    assert d.set(NAMES[0], via="198.18.7.1").status == 200
    dns.wait(NAMES[0], ["198.18.7.1"])
    for number in range(40):  # more than one a second, and several names
        assert d.set(NAMES[number % 3], via=f"198.18.8.{number}").status == 200
    for number in (37, 38, 39):
        dns.wait(NAMES[number % 3], [f"198.18.8.{number}"])
    # The owner's edit is the owner's to tell; it goes along with the next change of ours.
    path = d.zone_file("example.com.")
    aside = path.with_suffix(".editor")
    aside.write_text(path.read_text() + "www A 192.0.2.80\n")
    aside.rename(path)
    assert d.set(NAMES[0], via="198.18.7.2").status == 200
    dns.wait("www.example.com.", ["192.0.2.80"])
    # The last change before the end is told, too.
    assert d.set(NAMES[1], via="198.18.7.3").status == 200
    assert d.set(NAMES[1], via="198.18.7.4").status == 200
    d.stop()
    dns.wait(NAMES[1], ["198.18.7.4"])
    assert d.log_lines("on_change_failed") in ([], d.log_lines("on_change_failed")[:1])


def test_a_name_server_that_is_down(daemon, server, tmp_path):
    """Told in the log and in /healthz, tried again, and over once the server is back."""
    dns = server("nsd")
    d = start(daemon, dns.command, tmp_path / "zones")
    d.start()
    line = d.wait_log("event=on_change_failed .*").group()
    assert "zone=example.com." in line and "nsd-control" in line and "status 1" in line
    assert d.set(NAMES[0], via="198.18.7.1").status == 200  # nobody waits for it
    health = d.healthz()
    assert health.status == 503 and "zonefile.on_change for example.com.: " in health.text
    dns.process.spawn()
    d.wait_log("event=on_change_recovered zone=example.com.", timeout=60)
    assert d.healthz().status == 200
    assert len(d.log_lines("event=on_change_failed")) == 1
    dns.wait(NAMES[0], ["198.18.7.1"])


def script(folder: Path, text: str) -> list[str]:
    path = folder / "on change"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o700)
    return [str(path), "{zone}", "{file}", "one; argument $HOME"]


def test_the_command_is_run_as_it_stands(daemon, tmp_path):
    output = tmp_path / "output"
    zones = tmp_path / "zones"
    d = start(daemon, script(tmp_path, f"printf '%s|' \"$@\" >>'{output}'; echo >>'{output}'\n"), zones)
    d.start()
    expected = f"example.com|{zones}/example.com.zone|one; argument $HOME|\n"
    wait_until(lambda: output.exists() and output.read_text() == expected, 20, lambda: output.read_text())
    begun = time.monotonic()
    count = 0
    while time.monotonic() - begun < 2.5 or count <= 10:
        assert d.set(NAMES[0], via=f"198.18.{count // 250}.{count % 250}").status == 200
        count += 1
    wait_until(lambda: output.read_text().count("\n") >= 2, 20, lambda: output.read_text())
    runs = output.read_text().count("\n")
    assert runs <= 2 + (time.monotonic() - begun)  # the one at the start, one with the first change, and one a second


@pytest.mark.waits
def test_a_command_that_hangs_delays_neither_updates_nor_the_end(daemon, tmp_path):
    pid = tmp_path / "pid"
    d = start(daemon, script(tmp_path, f"echo $$ >'{pid}.new'; mv '{pid}.new' '{pid}'\nexec sleep 600\n"), tmp_path / "zones")
    d.start()
    wait_until(pid.exists, 20, lambda: "the command was not run")
    for number in range(5):
        begun = time.monotonic()
        assert d.set(NAMES[0], via=f"198.18.7.{number}").status == 200
        assert time.monotonic() - begun < 8  # the command is let run for 10 s
    begun = time.monotonic()
    d.stop()
    assert time.monotonic() - begun < 20
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


@pytest.mark.parametrize(
    "value, words",
    [
        ("rndc", "must be a list"),
        (["rndc", "reload"], "absolute path"),
        (["/usr/sbin/rndc", "reload", "{name}"], "placeholder"),
    ],
)
def test_settings_that_make_no_sense(daemon, value, words):
    d = daemon(settings={"zonefile": {"on_change": value}}, start=False)
    d.write_config()
    assert d.run_to_end() == 78
    assert re.search(f"zonefile.on_change: .*{words}", "\n".join(d.log_lines())), d.log_lines()
