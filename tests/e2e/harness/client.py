"""HTTP requests to the daemon as a client on the wire makes them: real TLS, verified, from any loopback address."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import quote, urlencode, urlsplit


# What a test used as a credential, or sent as a query: nothing of it may ever stand in a log. Cleared for each test.
confidential: set[str] = set()
CONFIDENTIAL_MIN = 8  # shorter texts stand in a log by chance


def keep_confidential(*texts: str) -> None:
    confidential.update(text for text in texts if len(text) >= CONFIDENTIAL_MIN)


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> Any:
        """`return_message` of the query API."""
        return self.json()["return_message"]

    @property
    def result(self) -> str:
        """`return_status` of the query API."""
        return self.json()["return_status"]


class Client:
    """One keep-alive connection at a time; opened again when the server closed it. Not thread-safe. `sent_at`: when the
    last request was out, by time.monotonic(), or 0 where it did not get that far."""

    def __init__(
        self,
        base_url: str,
        tls: ssl.SSLContext | None = None,
        source: str | None = None,
        timeout: float = 30.0,
    ):
        parts = urlsplit(base_url)
        assert parts.hostname and parts.port
        origin = (source, 0) if source else None
        self.sent_at = 0.0
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            assert tls is not None, "an https URL needs the context that verifies it"
            self._connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, source_address=origin, context=tls
            )
        else:
            self._connection = http.client.HTTPConnection(
                parts.hostname, parts.port, timeout=timeout, source_address=origin
            )

    def request(
        self,
        target: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
    ) -> Response:
        """One exchange. `target` goes out as it is: percent-encode it yourself, or not."""
        keep_confidential(target.partition("?")[2])
        self.sent_at = 0.0
        try:
            self._connection.request(method, target, body, dict(headers or {}))
            self.sent_at = time.monotonic()
            reply = self._connection.getresponse()
            data = reply.read()
        except BaseException:
            self._connection.close()
            raise
        return Response(reply.status, reply.headers, data)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    base_url: str, tls: ssl.SSLContext | None = None, source: str | None = None, timeout: float = 30.0
) -> socket.socket:
    """A connection, handshake done, for requests that http.client would not send."""
    parts = urlsplit(base_url)
    assert parts.hostname and parts.port
    origin = (source, 0) if source else None
    plain = socket.create_connection((parts.hostname, parts.port), timeout, source_address=origin)
    if parts.scheme != "https":
        return plain
    assert tls is not None, "an https URL needs the context that verifies it"
    try:
        return tls.wrap_socket(plain, server_hostname=parts.hostname)
    except BaseException:
        plain.close()
        raise


def receive(connection: socket.socket, method: str = "GET") -> Response:
    """One answer from a connection that something was sent on."""
    reply = http.client.HTTPResponse(connection, method=method)
    try:
        reply.begin()
        return Response(reply.status, reply.headers, reply.read())
    finally:
        reply.close()


def query_target(parameters: Mapping[str, str | None], path: str = "/") -> str:
    """`/?a=b&c=d`, None left out, spaces as %20."""
    present = {name: value for name, value in parameters.items() if value is not None}
    return path + ("?" + urlencode(present, quote_via=quote) if present else "")


def with_final_dot(hostname: str) -> str:
    return hostname if hostname.endswith(".") else hostname + "."


def hash_token(source: str, hostname: str, secret: str) -> str:
    """`hash` of the query API: over the name with its final dot, added where it is missing."""
    token = hashlib.sha256((source + with_final_dot(hostname) + secret).encode()).hexdigest()
    keep_confidential(secret, token)
    return token


def signed_parameters(
    mode: str,
    hostname: str,
    secret: str,
    address: str,
    at: int | None = None,
    nonce: str | None = None,
    record_type: str | None = None,
) -> dict[str, str]:
    """`time`, `nonce` and `signature` of a signed request; `address` is the internalIp or the source, `record_type` the
    type of mode=clear."""
    moment = str(int(time.time()) if at is None else at)
    nonce = nonce or secrets.token_urlsafe(24)
    text = f"ddns53-1\n{mode}\n{hostname}\n{address}\n{moment}\n{nonce}\n"
    text += f"{record_type}\n" if record_type is not None else ""
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    keep_confidential(secret, signature)
    return {"time": moment, "nonce": nonce, "signature": signature}
