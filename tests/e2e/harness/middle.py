"""A server between a client and the daemon: it writes down each query, and may answer in the daemon's place."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

from standin import TestCA

from .client import Client, keep_confidential

Query = dict[str, str]
# An answer of the test's own: status, headers, body. None: as the daemon answers.
Answer = "tuple[int, Mapping[str, str], str] | None"


class Middle:
    """`interfere(query, number)` is asked for each request, the number-th with that mode (from 1)."""

    def __init__(
        self, ca: TestCA, upstream: str, interfere: Callable[[Query, int], Answer] = lambda query, number: None
    ):
        self.queries: list[Query] = []
        self.headers: list[dict[str, str]] = []
        self._upstream, self._ca, self._interfere = upstream, ca, interfere
        self._lock = threading.Lock()
        middle = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, headers, body = middle._answer(self.path, dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = ca.server_context().wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that goes away
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, target: str, headers: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(target).query, keep_blank_values=True).items()}
        with self._lock:
            self.queries.append(query)
            self.headers.append(headers)
            number = sum(other.get("mode") == query.get("mode") for other in self.queries)
        own = self._interfere(query, number)
        if own is not None:
            return own[0], own[1], own[2].encode()
        keep_confidential(target.partition("?")[2])
        with Client(self._upstream, self._ca.client_context()) as client:
            response = client.request(target)
        kept = {name: response.headers[name] for name in ("Content-Type", "Retry-After") if response.headers[name]}
        return response.status, kept, response.body

    def modes(self) -> list[str]:
        return [query.get("mode", "") for query in self.queries]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
