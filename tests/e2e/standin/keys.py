"""Access keys: the long-term ones a test sets, and temporary ones that services hand out."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

from .pace import Clock, iso_time

DEFAULT_KEY = "AKIDDNS53TESTEXAMPLE"
DEFAULT_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
DEFAULT_ACCOUNT = "123456789012"


@dataclass
class AccessKey:
    """One key. `expires_at` is in seconds on the clock of the store; None never expires."""

    key_id: str
    secret: str
    token: str | None = None
    expires_at: float | None = None
    account: str = DEFAULT_ACCOUNT
    rejected: bool = False
    denied: bool = False

    @property
    def expiration(self) -> str:
        """ISO 8601, as the credentials services print it."""
        return iso_time(self.expires_at) if self.expires_at is not None else ""

    def environment(self) -> dict[str, str]:
        variables = {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}
        if self.token is not None:
            variables["AWS_SESSION_TOKEN"] = self.token
        return variables


class KeyStore:
    """Every key that stand-ins sharing this store accept. Thread-safe."""

    def __init__(self, clock: Clock | None = None):
        self.clock = clock or Clock()
        self._lock = threading.Lock()
        self._keys: dict[str, AccessKey] = {}
        self.default = self.add(DEFAULT_KEY, DEFAULT_SECRET)

    def add(
        self, key_id: str, secret: str, token: str | None = None, account: str = DEFAULT_ACCOUNT
    ) -> AccessKey:
        key = AccessKey(key_id, secret, token, account=account)
        with self._lock:
            self._keys[key_id] = key
        return key

    def issue(self, lifetime_s: float, account: str = DEFAULT_ACCOUNT) -> AccessKey:
        """A new temporary key with a session token."""
        key = AccessKey(
            "ASIA" + secrets.token_hex(8).upper(),
            secrets.token_urlsafe(30),
            "IQoJb3JpZ2luX2Vj" + secrets.token_urlsafe(200),
            self.clock.now() + lifetime_s,
            account,
        )
        with self._lock:
            self._keys[key.key_id] = key
        return key

    def all(self) -> list[AccessKey]:
        with self._lock:
            return list(self._keys.values())

    def get(self, key_id: str) -> AccessKey | None:
        with self._lock:
            return self._keys.get(key_id)

    def reject(self, key_id: str = DEFAULT_KEY) -> None:
        """From now on the key is InvalidClientTokenId, until `accept`."""
        self._set(key_id, rejected=True)

    def deny(self, key_id: str = DEFAULT_KEY) -> None:
        """From now on the key is good but AccessDenied, until `accept`."""
        self._set(key_id, denied=True)

    def accept(self, key_id: str = DEFAULT_KEY) -> None:
        self._set(key_id, rejected=False, denied=False)

    def expire(self, key_id: str) -> None:
        self._set(key_id, expires_at=self.clock.now() - 1)

    def _set(self, key_id: str, **changes: object) -> None:
        with self._lock:
            for name, value in changes.items():
                setattr(self._keys[key_id], name, value)
