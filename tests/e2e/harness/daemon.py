"""The daemon under test: its configuration in a folder of its own, its process, and ways to talk to it."""

from __future__ import annotations

import copy
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Iterable, Mapping

import yaml

from standin import Route53, TestCA

from .client import Client, Response, confidential, connect, hash_token, keep_confidential, query_target, receive
from .metrics import Metrics
from .process import SANITIZER_REPORT, LoggedProcess, ProcessFailed, base_environment

REPOSITORY = Path(__file__).resolve().parents[3]
SECRET = "correct-horse-battery-staple-0001"
SECRET_KEYS = ("shared_secret", "previous_secret", "secret_sha256")
# A daemon with this believes X-Forwarded-For of any loopback address, so that clients may have public addresses.
BEHIND_PROXY = {"server": {"trusted_proxies": ["127.0.0.0/8", "::1"]}}
LISTENING = re.compile(
    r"\bevent=listening\b.*\bwhat=(?P<what>\S+) .*\baddress=(?P<address>\S+)(?: .*\btls=(?P<tls>yes|no))?"
)


def binary_path() -> Path:
    return Path(os.environ.get("DDNS53D") or REPOSITORY / "build" / "ddns53d").absolute()


def ctl_path() -> Path:
    """The tool, beside the daemon."""
    return binary_path().parent / "ddns53ctl"


class _Dumper(yaml.SafeDumper):
    """Aliases are refused by the daemon, so that what stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump_yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def run_binary(
    *arguments: str | Path, folder: Path | None = None, timeout: float = 30.0
) -> subprocess.CompletedProcess:
    """Runs it to its end with these arguments; .returncode, .stdout and .stderr are text."""
    done = subprocess.run(
        [binary_path(), *arguments],
        env=base_environment(),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if SANITIZER_REPORT.search(done.stderr):
        raise ProcessFailed("sanitizer report:\n" + done.stderr)
    return done


def run_ctl(
    *arguments: str | Path,
    config: Path | None = None,
    stdin: str = "",
    folder: Path | None = None,
    timeout: float = 60.0,
    **variables: str,
) -> subprocess.CompletedProcess:
    """Runs ddns53ctl to its end, with these settings; .returncode, .stdout and .stderr are text."""
    command = [ctl_path(), *(["-c", config] if config else []), *arguments]
    done = subprocess.run(
        [str(word) for word in command],
        env=base_environment(**variables),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if SANITIZER_REPORT.search(done.stderr):
        raise ProcessFailed("sanitizer report:\n" + done.stderr)
    return done


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, mappings key by key; a value of None takes the key away."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def host(hostname: str, record_type: str | list[str] = "A", secret: str = SECRET, **more: Any) -> dict[str, Any]:
    """A row of hosts.yaml."""
    return {"hostname": hostname, "record_type": record_type, "shared_secret": secret, **more}


class Daemon:
    """One ddns53d. Most tests get theirs from the `daemon` fixture, which also cleans up after it."""

    def __init__(
        self,
        folder: Path,
        ca: TestCA,
        settings: Mapping[str, Any] | None = None,
        hosts: Iterable[Mapping[str, Any]] | None = None,
        route53: Route53 | None = None,
        https_endpoint: bool = False,
        environment: Mapping[str, str | None] | None = None,
        arguments: Iterable[str] = (),
        binary: Path | None = None,
        wrapper: Iterable[str] = (),
    ):
        self.folder, self.ca, self.route53 = folder, ca, route53
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_dir = folder / "state"
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        self.config_path = folder / "ddns53d.yaml"
        self.hosts_path = folder / "hosts.yaml"
        self.settings = merged(self._defaults(https_endpoint), settings or {})
        if hosts is None:
            hosts = [host("home." + self.settings["zones"][0]["name"])]
        self.hosts = [dict(row) for row in hosts]
        self.write_config()
        variables: dict[str, str | None] = {"AWS_CA_BUNDLE": str(ca.path)}
        if route53 is not None:
            variables.update(route53.keys.default.environment())
        variables.update(environment or {})
        present = {name: value for name, value in variables.items() if value is not None}
        self.environment = base_environment(**present)
        for name, value in variables.items():
            if value is None:
                self.environment.pop(name, None)
        command = [*wrapper, str(binary or binary_path()), "--config", str(self.config_path), *arguments]
        self.process = LoggedProcess(command, self.environment, folder)
        self.listeners: dict[str, list[str]] = {}
        self._life = 0  # where the log of the process that runs begins
        self._may_end = True  # False while it is meant to run: an end is then a crash
        self._clients: list[Client] = []

    def _defaults(self, https_endpoint: bool) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "server": {
                "listen": ["127.0.0.1:0"],
                "certificate": str(self.ca.certificate),
                "private_key": str(self.ca.private_key),
                "threads": 2,
            },
            "admin": {"listen": "127.0.0.1:0"},
            "hosts_file": "hosts.yaml",
            "state_dir": str(self.state_dir),
            "zones": [{"name": "example.test.", "provider": "zonefile"}],
        }
        if self.route53 is not None:
            url = self.route53.https_url if https_endpoint else self.route53.url
            defaults["route53"] = {"endpoint": url, "region": self.route53.region}
            defaults["zones"] = [
                {"name": zone.name, "provider": "route53", "zone_id": zone.id}
                for zone in self.route53.zones
                if not zone.private
            ]
        return defaults

    # -- configuration ----------------------------------------------------------

    def write_config(self) -> None:
        """Writes both files from `settings` and `hosts`; change those, write, then `reload()`."""
        for row in self.hosts:
            keep_confidential(*(str(row[key]) for key in SECRET_KEYS if key in row))
        keep_confidential(*(str(key) for key in self.settings["server"].get("api_keys", ())))
        self.write_settings_text(dump_yaml(self.settings))
        self.write_hosts_text(dump_yaml({"hosts": self.hosts}))

    def write_settings_text(self, text: str) -> None:
        _replace(self.config_path, text)

    def write_hosts_text(self, text: str) -> None:
        _replace(self.hosts_path, text)

    def zone_file(self, zone: str = "example.test.") -> Path:
        """Where the zonefile provider keeps a zone: DIRECTORY/NAME without the final dot."""
        directory = self.settings.get("zonefile", {}).get("directory", "zones")
        return self.state_dir / directory / f"{zone.rstrip('.')}.zone"

    # -- life -------------------------------------------------------------------

    def start(self, timeout: float = 30.0) -> "Daemon":
        """Starts it and waits for `event=ready`; the addresses are read from `event=listening`."""
        mark = self._life = self.process.log_mark()
        self.listeners = {}
        self._may_end = False
        self.process.spawn()
        self.process.wait_log(r"\bevent=ready\b", timeout, mark)
        for line in self.process.log_lines()[mark:]:
            match = LISTENING.search(line)
            if match:
                scheme = "https" if match["tls"] == "yes" else "http"
                address = _reachable(match["address"])
                self.listeners.setdefault(match["what"], []).append(f"{scheme}://{address}")
        return self

    def stop(self, timeout: float = 30.0, status: int = 0) -> None:
        """SIGTERM; it must drain, log `event=stopped` and exit with the status."""
        mark = self.process.log_mark()
        if not self.process.running:
            raise ProcessFailed(f"ended by itself, status {self.process.returncode}{self.process.tail()}")
        self._may_end = True
        self.process.signal(signal.SIGTERM)
        actual = self.process.wait(timeout)
        self.process.check_sanitizers()
        if actual != status:
            raise ProcessFailed(f"exit status {actual}, not {status}{self.process.tail()}")
        if status == 0:
            self.process.wait_log(r"\bevent=stopped\b", 0.0, mark)

    def begin_stop(self) -> int:
        """SIGTERM; once it is stopping, the place in the log from where on `wait_end` looks."""
        mark = self.process.log_mark()
        self._may_end = True
        self.process.signal(signal.SIGTERM)
        self.process.wait_log(r"\bevent=stopping\b", since=mark)
        return mark

    def wait_end(self, mark: int, timeout: float = 30.0) -> str:
        """After begin_stop: it must end with status 0; returns what it logged as `event=stopped`."""
        actual = self.process.wait(timeout)
        self.process.check_sanitizers()
        if actual != 0:
            raise ProcessFailed(f"exit status {actual}{self.process.tail()}")
        return self.process.wait_log(r"\bevent=stopped\b", 0.0, mark).string

    def stop_at_once(self) -> None:
        """SIGTERM, and a second one, which keeps it from finishing what is queued; all is freed as ever."""
        mark = self.begin_stop()
        self.process.signal(signal.SIGTERM)
        self.wait_end(mark)

    def kill(self) -> None:
        """SIGKILL, by its pid."""
        self._may_end = True
        self.process.kill()
        self.process.check_sanitizers()

    def reload(self, timeout: float = 45.0) -> str:
        """SIGHUP; waits for the end of that reload, returns its `event=reloaded` line, and fails on another."""
        line = self.signal_reload(timeout)
        if "event=reload_failed" in line:
            raise ProcessFailed(line)
        return line

    def reload_with(self, settings: Mapping[str, Any]) -> str:
        """The same, with these laid over the settings that it has. Leaves the file of hosts alone."""
        self.settings = merged(self.settings, settings)
        self.write_settings_text(dump_yaml(self.settings))
        return self.reload()

    def reload_fails(self, timeout: float = 45.0) -> str:
        """SIGHUP; returns all lines of that reload, `event=reload_failed` last, and fails when it was accepted."""
        line = self.signal_reload(timeout)
        if "event=reload_failed" not in line:
            raise ProcessFailed(f"the reload was accepted: {line}")
        return line

    def signal_reload(self, timeout: float = 45.0) -> str:
        """A line of an earlier reload that comes late has that one's number, and is not taken for this one's."""
        number = self._last_reload() + 1
        self.process.signal(signal.SIGHUP)
        self.process.wait_log(rf"\bevent=reload(ed|_failed) number={number}\b", timeout, self._life)
        return "\n".join(self._lines_of_life(rf"\bevent=reload(ed|_failed|_problem) number={number}\b"))

    def _last_reload(self) -> int:
        """The number of the last reload of this life, 0 before the first."""
        ends = self._lines_of_life(r"\bevent=reload(ed|_failed) number=")
        return int(re.search(r"number=(\d+)", ends[-1])[1]) if ends else 0

    def _lines_of_life(self, pattern: str) -> list[str]:
        return [line for line in self.process.log_lines()[self._life :] if re.search(pattern, line)]

    def run_to_end(self, timeout: float = 30.0) -> int:
        """For starts that are meant to fail, `--check` and the like: runs it, returns its exit status."""
        self._may_end = True
        self.process.spawn()
        try:
            return self.process.wait(timeout)
        except ProcessFailed:
            self.process.kill()
            raise
        finally:
            self.process.check_sanitizers()

    def close(self) -> None:
        """What the fixture does at the end: stop it properly if it runs, look for sanitizer reports."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        try:
            if self.process.running or not self._may_end:
                self.stop()
        finally:
            self.process.kill()
            self.process.check_sanitizers()
        self.check_confidential()

    def check_confidential(self) -> None:
        """No secret, token or query string that the test used is in the log, or in the decisions that are kept."""
        texts = set(confidential)
        if self.route53 is not None:
            for key in self.route53.keys.all():
                texts.update(text for text in (key.secret, key.token) if text)
        log = "\n".join(self.process.log_lines())
        leaked = sorted(text for text in texts if text in log)
        if leaked:
            lines = [line for line in self.process.log_lines() if any(text in line for text in leaked)]
            raise ProcessFailed(f"confidential text in the log: {leaked}\n" + "\n".join(lines))
        for path in sorted((self.state_dir / "decisions").glob("*")):
            kept = path.read_text(encoding="utf-8")
            leaked = sorted(text for text in texts if text in kept)
            if leaked:
                raise ProcessFailed(f"confidential text in {path.name}: {leaked}")

    # -- the operator's tool ------------------------------------------------------

    @property
    def control_path(self) -> Path:
        """The control socket, where the settings leave it at its place."""
        return self.state_dir / "control.sock"

    def ctl(self, *arguments: str | Path, status: int | None = 0, **variables: str) -> subprocess.CompletedProcess:
        """Runs ddns53ctl with the daemon's settings and environment; fails on another exit status (None: any)."""
        done = run_ctl(*arguments, config=self.config_path, **{**self.environment, **variables})
        if status is not None and done.returncode != status:
            raise ProcessFailed(f"{arguments}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done

    def ctl_json(self, *arguments: str | Path, status: int | None = 0) -> Any:
        return json.loads(self.ctl(*arguments, "--json", status=status).stdout)

    def control(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """One request at the control socket: its status, and its JSON. With a body it is a POST."""
        connection = _UnixConnection(self.control_path)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method or ("GET" if body is None else "POST"), path, text)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data.startswith((b"{", b"[")) else data.decode()
        finally:
            connection.close()

    # -- log --------------------------------------------------------------------

    def wait_log(self, pattern: str, timeout: float = 45.0, since: int = 0) -> re.Match:
        return self.process.wait_log(pattern, timeout, since)

    def wait_log_lines(self, pattern: str, count: int, timeout: float = 45.0) -> list[str]:
        return self.process.wait_log_lines(pattern, count, timeout)

    def wait_read_back(self, timeout: float = 60.0) -> None:
        """Until it has noted what it read of every zone: what follows is about known records, and no such call is left.
        (A provider that has answered says less: the answer may be on its way.)"""
        for zone in self.settings["zones"]:
            name = re.escape(zone["name"].rstrip("."))
            self.wait_log(rf"\bevent=zone_ready zone={name}\. ", timeout, self._life)

    def log_lines(self, pattern: str | None = None) -> list[str]:
        return self.process.log_lines(pattern)

    def log_mark(self) -> int:
        return self.process.log_mark()

    @property
    def pid(self) -> int:
        return self.process.pid

    # -- requests ---------------------------------------------------------------

    @property
    def url(self) -> str:
        """Base URL of the first API listener."""
        return self._listener("api")

    @property
    def admin_url(self) -> str:
        return self._listener("admin")

    def _listener(self, what: str) -> str:
        if what not in self.listeners:
            raise ProcessFailed(f"no event=listening what={what} in the log{self.process.tail()}")
        return self.listeners[what][0]

    def tls_context(self) -> ssl.SSLContext:
        return self.ca.client_context()

    def client(self, source: str | None = None, timeout: float = 30.0, url: str | None = None) -> Client:
        """A keep-alive client; `source` is the loopback address it comes from (127.0.0.2, ...)."""
        url = url or self.url
        tls = self.tls_context() if url.startswith("https") else None
        client = Client(url, tls, source, timeout)
        self._clients.append(client)
        return client

    def request(
        self,
        target: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        source: str | None = None,
        timeout: float = 30.0,
        url: str | None = None,
    ) -> Response:
        """One request over a connection of its own."""
        url = url or self.url
        tls = self.tls_context() if url.startswith("https") else None
        with Client(url, tls, source, timeout) as client:
            return client.request(target, method, headers, body)

    def connect(self, source: str | None = None, timeout: float = 30.0, url: str | None = None) -> socket.socket:
        """A connection to send bytes on; `receive(connection)` reads an answer."""
        url = url or self.url
        return connect(url, self.tls_context() if url.startswith("https") else None, source, timeout)

    def raw(self, data: bytes, source: str | None = None, timeout: float = 30.0) -> Response:
        """Sends the bytes as they are over a connection of their own."""
        with self.connect(source, timeout) as connection:
            connection.sendall(data)
            return receive(connection)

    def query(
        self,
        source: str | None = None,
        timeout: float = 30.0,
        via: str | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: str | None,
    ) -> Response:
        """`GET /?name=value&...`; None leaves a parameter out. `via`: as a trusted proxy, for this client."""
        headers = {**(headers or {}), **({"X-Forwarded-For": via} if via else {})}
        return self.request(query_target(parameters), headers=headers, source=source, timeout=timeout)

    def get(self, source: str | None = None, via: str | None = None) -> Response:
        return self.query(mode="get", source=source, via=via)

    def set(
        self,
        hostname: str,
        secret: str = SECRET,
        address: str | None = None,
        source: str | None = None,
        hash_source: str | None = None,
        timeout: float = 30.0,
        via: str | None = None,
    ) -> Response:
        """mode=set with the hash token; `address` is internalIp, `hash_source` the address hashed. `via`: the
        client's address as a trusted proxy names it (see BEHIND_PROXY)."""
        token = hash_token(hash_source or via or source or self._own_address(), hostname, secret)
        return self.query(
            mode="set", hostname=hostname, hash=token, internalIp=address, source=source, timeout=timeout, via=via
        )

    def list_hosts(
        self, hostname: str, secret: str = SECRET, source: str | None = None, via: str | None = None
    ) -> Response:
        token = hash_token(via or source or self._own_address(), hostname, secret)
        return self.query(mode="list_hosts", hostname=hostname, hash=token, source=source, via=via)

    def _own_address(self) -> str:
        """The source address that a loopback connection without a chosen one has."""
        return "::1" if "[" in self.url else "127.0.0.1"

    # -- admin ------------------------------------------------------------------

    def healthz(self) -> Response:
        return self.request("/healthz", url=self.admin_url)

    def metrics(self) -> Metrics:
        response = self.request("/metrics", url=self.admin_url)
        if response.status != 200:
            raise ProcessFailed(f"/metrics answered {response.status}")
        return Metrics(response.text)

    def wait_metric(self, name: str, minimum: float, timeout: float = 45.0, **labels: str) -> float:
        """Waits until the sum of the samples reaches `minimum`; for what no log line or call tells."""
        deadline = time.monotonic() + timeout
        while True:
            value = self.metrics().sum(name, **labels)
            if value >= minimum:
                return value
            if time.monotonic() >= deadline:
                raise ProcessFailed(f"{name}{labels} is {value}, not {minimum}, after {timeout} s")
            time.sleep(0.02)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float = 60.0):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        # By its folder, for a path may be longer than an address has room for.
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        folder = os.open(self._path.parent, os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def _reachable(address: str) -> str:
    """An address to connect to for one that is listened on."""
    for wildcard, loopback in (("[::]:", "[::1]:"), ("0.0.0.0:", "127.0.0.1:")):
        if address.startswith(wildcard):
            return loopback + address[len(wildcard) :]
    return address


def _replace(path: Path, text: str) -> None:
    """Written aside and renamed, so that a reload never sees half a file; readable by the owner alone."""
    aside = path.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_text(text, encoding="utf-8")
    aside.rename(path)
