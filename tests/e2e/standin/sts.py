"""A stand-in for STS: AssumeRole (signed, checked with botocore) and AssumeRoleWithWebIdentity."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable
from urllib.parse import parse_qsl

from . import signature
from .answers import element, wrap
from .certificates import TestCA
from .keys import AccessKey, KeyStore
from .web import Answer, Request, WebServer

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]{1,512}")
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")


@dataclass
class StsCall:
    action: str
    parameters: dict[str, str]
    result: str = "ok"
    key: AccessKey | None = None


class _Refusal(Exception):
    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class _Fault:
    code: str
    status: int
    count: int | None


@dataclass
class Sts:
    """Keys that it hands out go into `keys`, so a Route53 with the same store accepts them.

    lifetime_s       of a key, whatever DurationSeconds asked (None: as asked)
    web_tokens       web identity tokens that are accepted
    roles            role ARNs that may be assumed; empty: all
    issued           the keys handed out, in order; calls: every call
    """

    keys: KeyStore
    ca: TestCA | None = None
    region: str = "us-east-1"
    lifetime_s: float | None = None
    web_tokens: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    issued: list[AccessKey] = field(default_factory=list)
    calls: list[StsCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cond = threading.Condition()
        self._fault: _Fault | None = None
        self._servers = [WebServer(self._handle)]
        if self.ca is not None:
            self._servers.append(WebServer(self._handle, self.ca.server_context()))

    @property
    def url(self) -> str:
        return self._servers[0].url

    @property
    def https_url(self) -> str:
        return self._servers[1].url

    def stop(self) -> None:
        for server in self._servers:
            server.stop()

    def __enter__(self) -> "Sts":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(self, code: str = "ServiceUnavailable", status: int = 503, count: int | None = None) -> None:
        """So many calls (None: all, until `mend`) fail."""
        self._fault = _Fault(code, status, count)

    def mend(self) -> None:
        self._fault = None

    def wait_for(self, predicate: Callable[[], Any], timeout: float = 45.0) -> Any:
        with self._cond:
            result = self._cond.wait_for(predicate, timeout)
        if not result:
            raise AssertionError(f"not true within {timeout} s; calls: {self.calls}")
        return result

    def _handle(self, request: Request) -> Answer:
        text = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
        parameters = dict(parse_qsl(text, keep_blank_values=True))
        call = StsCall(parameters.get("Action", ""), parameters)
        try:
            answer = self._answer(request, call)
        except (_Refusal, signature.Refused) as refusal:
            call.result = refusal.code
            error = element("Error", Type="Sender", Code=refusal.code, Message=refusal.message)
            answer = _document("ErrorResponse", error, refusal.status)
        answer.headers["Date"] = self.keys.clock.http_date()
        with self._cond:
            self.calls.append(call)
            self._cond.notify_all()
        return answer

    def _answer(self, request: Request, call: StsCall) -> Answer:
        with self._cond:
            fault = self._fault
            if fault is not None and fault.count != 0:
                if fault.count is not None:
                    fault.count -= 1
                raise _Refusal(fault.code, "injected by the test", fault.status)
        parameters = call.parameters
        if request.path != "/" or request.method not in ("GET", "POST"):
            raise _Refusal("InvalidAction", "No such operation", 404)
        if parameters.get("Version") != "2011-06-15":
            raise _Refusal("NoSuchVersion", "The requested version is not 2011-06-15")
        if call.action == "AssumeRole":
            signature.verify(request, self.keys, self.keys.clock, "sts", self.region)
        elif call.action == "AssumeRoleWithWebIdentity":
            if request.header("authorization") is not None:
                raise _Refusal("InvalidAction", "AssumeRoleWithWebIdentity must not be signed")
            token = parameters.get("WebIdentityToken", "")
            if token not in self.web_tokens:
                raise _Refusal("InvalidIdentityToken", "The token is not one this account trusts")
        else:
            raise _Refusal("InvalidAction", f"Could not find operation {call.action}")
        call.key = self._issue(parameters)
        return self._success(call)

    def _issue(self, parameters: dict[str, str]) -> AccessKey:
        role = ROLE_ARN.fullmatch(parameters.get("RoleArn", ""))
        if role is None:
            raise _Refusal("ValidationError", "RoleArn is not a role's ARN")
        if not SESSION_NAME.fullmatch(parameters.get("RoleSessionName", "")):
            raise _Refusal("ValidationError", "RoleSessionName must match [\\w+=,.@-]{2,64}")
        duration = parameters.get("DurationSeconds", "3600")
        if not duration.isdigit() or not 900 <= int(duration) <= 43200:
            raise _Refusal("ValidationError", "DurationSeconds must be from 900 to 43200")
        if self.roles and role.group() not in self.roles:
            raise _Refusal("AccessDenied", f"Not authorized to assume {role.group()}", 403)
        lifetime_s = float(duration) if self.lifetime_s is None else self.lifetime_s
        key = self.keys.issue(lifetime_s, role.group(1))
        self.issued.append(key)
        return key

    def _success(self, call: StsCall) -> Answer:
        key = call.key
        assert key is not None
        credentials = element(
            "Credentials",
            AccessKeyId=key.key_id,
            SecretAccessKey=key.secret,
            SessionToken=key.token,
            Expiration=key.expiration,
        )
        role = call.parameters["RoleArn"].replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
        user = element(
            "AssumedRoleUser",
            AssumedRoleId="AROATEST:" + call.parameters["RoleSessionName"],
            Arn=f"{role}/{call.parameters['RoleSessionName']}",
        )
        return _document(f"{call.action}Response", wrap(f"{call.action}Result", credentials, user))


def _document(tag: str, inner: str, status: int = 200) -> Answer:
    metadata = element("ResponseMetadata", RequestId=uuid.uuid4()) if status == 200 else ""
    text = f'<{tag} xmlns="{NAMESPACE}">{inner}{metadata}</{tag}>'
    return Answer(status, text.encode(), {"Content-Type": "text/xml"})
