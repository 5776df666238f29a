"""Stand-ins for the two places where a machine finds its own credentials: EC2 and ECS."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any, Callable

from .answers import json_answer, text_answer
from .keys import AccessKey, KeyStore
from .pace import iso_time
from .web import Answer, Request, WebServer

ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
TOKEN_TTL_MAX_S = 21600


class _Endpoint:
    """What both share: lifetime of the keys, a switch that breaks them, a log.

    lifetime_s   of each key handed out
    key          the one handed out now; None: a new one for each call
    failing      a status: every call is answered with it
    calls        (method, path, status) of every call; issued: the keys handed out
    """

    def __init__(self, keys: KeyStore, lifetime_s: float, host: str, port: int):
        self.keys, self.lifetime_s = keys, lifetime_s
        self.failing: int | None = None
        self.key: AccessKey | None = None
        self.issued: list[AccessKey] = []
        self.calls: list[tuple[str, str, int]] = []
        self._cond = threading.Condition()
        self._server = WebServer(self._handle, None, host, port)

    @property
    def url(self) -> str:
        return self._server.url

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for(self, predicate: Callable[[], Any], timeout: float = 45.0) -> Any:
        with self._cond:
            result = self._cond.wait_for(predicate, timeout)
        if not result:
            raise AssertionError(f"not true within {timeout} s; calls: {self.calls}")
        return result

    def _handle(self, request: Request) -> Answer:
        if self.failing is not None:
            answer = text_answer("injected by the test", self.failing)
        else:
            answer = self._answer(request)
        with self._cond:
            self.calls.append((request.method, request.path, answer.status))
            self._cond.notify_all()
        return answer

    def _answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def _current_key(self) -> AccessKey:
        key = self.key or self.keys.issue(self.lifetime_s)
        with self._cond:
            self.issued.append(key)
        return key


class Imds(_Endpoint):
    """EC2 instance metadata, version 2 only: without a token every GET is 401."""

    def __init__(
        self,
        keys: KeyStore,
        role: str = "ddns53-role",
        lifetime_s: float = 6 * 3600,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        self.role = role
        self._tokens: dict[str, float] = {}
        super().__init__(keys, lifetime_s, host, port)

    def environment(self) -> dict[str, str]:
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url}

    def forget_tokens(self) -> None:
        """As after a restart of the service: tokens handed out so far are 401."""
        self._tokens.clear()

    def _answer(self, request: Request) -> Answer:
        if request.path == "/latest/api/token":
            return self._token(request)
        if request.method != "GET":
            return text_answer("", 405)
        token = request.header("x-aws-ec2-metadata-token") or ""
        if self._tokens.get(token, 0.0) <= time.monotonic():
            return text_answer("", 401)
        if request.path in (ROLE_PATH, ROLE_PATH.rstrip("/")):
            return text_answer(self.role)
        if request.path == ROLE_PATH + self.role:
            key = self._current_key()
            return json_answer(
                {
                    "Code": "Success",
                    "LastUpdated": iso_time(self.keys.clock.now()),
                    "Type": "AWS-HMAC",
                    "AccessKeyId": key.key_id,
                    "SecretAccessKey": key.secret,
                    "Token": key.token,
                    "Expiration": key.expiration,
                },
                content_type="text/plain",
            )
        return text_answer("", 404)

    def _token(self, request: Request) -> Answer:
        if request.method != "PUT":
            return text_answer("", 405)
        if request.header("x-forwarded-for") is not None:
            return text_answer("", 403)
        ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds") or ""
        if not ttl.isdigit() or not 1 <= int(ttl) <= TOKEN_TTL_MAX_S:
            return text_answer("", 400)
        token = secrets.token_urlsafe(40)
        self._tokens[token] = time.monotonic() + int(ttl)
        answer = text_answer(token)
        answer.headers["X-aws-ec2-metadata-token-ttl-seconds"] = ttl
        return answer


class EcsCredentials(_Endpoint):
    """The container endpoint. `authorization` None: no token needed. On 169.254.170.2 port 80 for relative URIs."""

    def __init__(
        self,
        keys: KeyStore,
        authorization: str | None = None,
        lifetime_s: float = 6 * 3600,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/v2/credentials/0123abcd",
    ):
        self.authorization, self.path = authorization, path
        super().__init__(keys, lifetime_s, host, port)

    @property
    def full_uri(self) -> str:
        return self.url + self.path

    def environment(self, relative: bool = False, token_file: str | None = None) -> dict[str, str]:
        if relative:
            variables = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": self.path}
        else:
            variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.full_uri}
        if token_file is not None:
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = token_file
        elif self.authorization is not None:
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = self.authorization
        return variables

    def _answer(self, request: Request) -> Answer:
        if request.method != "GET" or request.path != self.path:
            return json_answer({"code": "NotFound", "message": "no such credentials"}, 404)
        if self.authorization is not None and request.header("authorization") != self.authorization:
            return json_answer({"code": "AccessDenied", "message": "wrong Authorization"}, 403)
        key = self._current_key()
        return json_answer(
            {
                "RoleArn": f"arn:aws:iam::{key.account}:role/task",
                "AccessKeyId": key.key_id,
                "SecretAccessKey": key.secret,
                "Token": key.token,
                "Expiration": key.expiration,
            }
        )
