"""Certificate authorities for ACME: pebble, Let's Encrypt's test server, and one that refuses what it is asked."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterable

from standin import TestCA

from .process import LoggedProcess, base_environment, free_port

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def trusting(folder: Path, ca: TestCA) -> list[str]:
    """A wrapper for a program that is to trust the test's CA as one of the system's: uacme has no option for that."""
    bundle = folder / "bundle.pem"
    bundle.write_bytes(Path(BUNDLE).read_bytes() + ca.path.read_bytes())
    unshare = ["unshare"] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    bind = f'mount --bind "$1" {BUNDLE} && shift && exec "$@"'
    return [*unshare, "--mount", "--", "sh", "-c", bind, "sh", str(bundle)]


class Apart:
    """A network of its own, in which port 53 is free, the resolver asks 127.0.0.1, and the system trusts the test's CA."""

    def __init__(self, folder: Path, ca: TestCA):
        resolver = folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        script = f'ip link set lo up && mount --bind "{resolver}" /etc/resolv.conf && echo there && exec cat'
        command = trusting(folder, ca)
        command.insert(1, "--net")
        self.process = subprocess.Popen(
            [*command, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "there\n"
        space = f"/proc/{self.process.pid}/ns"
        self.wrapper = ["nsenter", f"--net={space}/net", f"--mount={space}/mnt"]
        if os.geteuid() != 0:
            self.wrapper += [f"--user={space}/user", "--preserve-credentials"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Pebble:
    """It validates challenges by DNS alone, at the name server of that port."""

    def __init__(
        self, folder: Path, ca: TestCA, dns_port: int, validity_s: int | None = None, wrapper: Iterable[str] = ()
    ):
        folder.mkdir()
        self.ca, self.folder, self.dns_port = ca, folder, dns_port
        self.port, self.management_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}/dir"
        self.root = folder / "root.pem"
        settings: dict[str, Any] = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(ca.certificate),
            "privateKey": str(ca.private_key),
            "httpPort": free_port(),
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        if validity_s is not None:
            settings["certificateValidityPeriod"] = validity_s
        config = folder / "pebble.json"
        config.write_text(json.dumps({"pebble": settings}))
        program = shutil.which("pebble")
        assert program, "pebble is missing; tests/run installs it"
        command = [program, "-config", str(config), "-strict", "-dnsserver", f"127.0.0.1:{dns_port}"]
        environment = base_environment(PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0")
        # It logs to standard output, which nobody reads but by way of standard error.
        self.process = LoggedProcess([*wrapper, "sh", "-c", 'exec "$@" >&2', "sh", *command], environment, folder)
        self.is_apart = bool(wrapper)

    def start(self) -> "Pebble":
        """Anew: it keeps nothing, neither accounts nor its own root."""
        mark = self.process.log_mark()
        self.process.spawn()
        if self.is_apart:  # in a network where we are not: uacme waits some seconds for it
            self.process.wait_log(r"Listening on: ", 30.0, mark)
            return self
        for port in (self.port, self.management_port):  # it says that it listens before it does
            self._wait_for(port)
        context = self.ca.client_context()
        url = f"https://localhost:{self.management_port}/roots/0"
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            self.root.write_bytes(answer.read())
        return self

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 30.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5.0).close()
                return
            except ConnectionRefusedError:
                assert self.process.running and time.monotonic() < deadline, self.process.tail()
                time.sleep(0.02)  # between two tries

    def stop(self) -> None:
        self.process.kill()

    def check_issued(self, count: int) -> None:
        """So many certificates, and no more; what it says of the last one may come after the certificate."""
        assert len(self.process.wait_log_lines(r"Issued certificate serial", count)) == count


class Refusing:
    """An authority that makes accounts and refuses every order with the problem that the test wants."""

    def __init__(self, ca: TestCA):
        self.problem: dict[str, Any] = {}
        self.orders = 0
        self.is_known = False  # whoever asks has an account
        authority = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(200, {})

            def do_GET(self) -> None:
                if self.path == "/dir":
                    self._answer(200, authority.directory())
                else:
                    self._answer(204, None)  # a nonce: RFC 8555 section 7.2

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                payload = base64.urlsafe_b64decode(body["payload"] + "==")
                if self.path == "/order":
                    authority.orders += 1
                    self._answer(authority.problem["status"], authority.problem, "application/problem+json")
                elif authority.is_known:
                    self._answer(200, {"status": "valid"})
                elif b"onlyReturnExisting" in payload:
                    problem = {"type": "urn:ietf:params:acme:error:accountDoesNotExist", "status": 400}
                    self._answer(400, problem, "application/problem+json")
                else:
                    authority.is_known = True
                    self._answer(201, {"status": "valid"})

            def _answer(self, status: int, body: dict[str, Any] | None, kind: str = "application/json") -> None:
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Replay-Nonce", "bm9uY2U")
                self.send_header("Location", f"{authority.base}/account/1")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ca.certificate, ca.private_key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.base = f"https://localhost:{self._server.server_address[1]}"
        self.url = f"{self.base}/dir"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def directory(self) -> dict[str, Any]:
        paths = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "revokeCert": "revoke"}
        return {name: f"{self.base}/{path}" for name, path in paths.items()}

    def refuse(self, kind: str, detail: str, status: int) -> None:
        self.problem = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def certificate_of(port: int, name: str) -> str:
    """What a server presents, as PEM, whether or not anybody trusts it."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )
    begin = done.stdout.index("-----BEGIN CERTIFICATE-----")
    return done.stdout[begin : done.stdout.index("-----END CERTIFICATE-----") + 26]
