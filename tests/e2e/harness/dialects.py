"""The dialects other than the query API, as their clients send them."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Iterable, Mapping
from urllib.parse import quote

from .client import Response, keep_confidential, query_target
from .daemon import SECRET, Daemon

CHALLENGE = 'Basic realm="ddns53"'


def basic(user: str, password: str) -> dict[str, str]:
    """The header of RFC 7617."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    keep_confidential(password, token)
    return {"Authorization": f"Basic {token}"}


def nic_update(
    d: Daemon,
    hostname: str | None = None,
    *,
    via: str | None = None,
    user: str | None = "user",
    secret: str | None = SECRET,
    path: str = "/nic/update",
    headers: Mapping[str, str] | None = None,
    **parameters: str | None,
) -> Response:
    """A dyndns2 update with Basic; `user` None: without credentials. `via` as in Daemon.set()."""
    every = {**(headers or {}), **({"X-Forwarded-For": via} if via else {})}
    if user is not None and secret is not None:
        every.update(basic(user, secret))
    return d.request(query_target({"hostname": hostname, **parameters}, path), headers=every)


def plain_secret(d: Daemon, secret: str | None = SECRET, via: str | None = None, **parameters: str | None) -> Response:
    """`GET /?newip=...&secret=...`"""
    if secret is not None:
        keep_confidential(secret, quote(secret))
    return d.query(via=via, **parameters, secret=secret)


def zone_values(path: Path, name: str, record_type: str = "A") -> list[str]:
    """What a zone file of the daemon has for a record of its own; `name` with its final dot. No file: nothing yet."""
    if not path.exists():
        return []
    line = re.compile(rf"^{re.escape(name)}\s(?:.*\s)?{record_type}\s+(\S+)$")
    found: Iterable[re.Match | None] = (line.match(row) for row in path.read_text().splitlines())
    return [match[1] for match in found if match]


def check_headers(answer: Response, content_type: str = "text/plain; charset=utf-8") -> None:
    """What every answer has, whatever it says."""
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Transfer-Encoding" not in answer.headers
