"""Signature Version 4, checked with botocore's signer and by what botocore leaves to the server."""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from datetime import datetime, timezone
from time import strptime
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from .keys import AccessKey, KeyStore
from .pace import Clock
from .web import Request

MAX_SKEW_S = 15 * 60
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^,\s]+) *, *SignedHeaders=([^,\s]+) *, *Signature=([0-9a-f]{64})"
)


class Refused(Exception):
    """A request that AWS refuses; `code`, `message` and `status` are AWS's."""

    def __init__(self, code: str, message: str, status: int = 403):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class _Signer(SigV4Auth):
    """botocore's signer over exactly the headers that the client says it signed."""

    def __init__(self, credentials: Credentials, service: str, region: str, names: list[str]):
        super().__init__(credentials, service, region)
        self._names = names

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name in self._names:
            for value in request.headers.get_all(name):
                headers[name] = value  # email.message.Message appends
        return headers


def _compact(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def _check_date(stamp: str, clock: Clock, skew_code: str) -> None:
    try:
        signed_at = timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refused(
            "IncompleteSignature",
            f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.",
            400,
        ) from None
    now = clock.now()
    if abs(now - signed_at) <= MAX_SKEW_S:
        return
    if skew_code == "RequestTimeTooSkewed":
        message = "The difference between the request time and the current time is too large."
    elif skew_code == "RequestExpired":
        message = "Request has expired."
    elif signed_at < now:
        edge = _compact(now - MAX_SKEW_S)
        message = (
            f"Signature expired: {stamp} is now earlier than {edge} ({_compact(now)} - 15 min.)"
        )
    else:
        edge = _compact(now + MAX_SKEW_S)
        message = (
            f"Signature not yet current: {stamp} is still later than {edge} "
            f"({_compact(now)} + 15 min.)"
        )
    raise Refused(skew_code, message, 400 if skew_code == "RequestExpired" else 403)


def _check_signed_headers(request: Request, signed: list[str]) -> None:
    if signed != sorted(set(signed)) or any(name != name.lower() for name in signed):
        raise Refused(
            "IncompleteSignature", "SignedHeaders must be lower case, sorted and without repeats", 400
        )
    for name in signed:
        if request.header(name) is None:
            raise Refused("SignatureDoesNotMatch", f"Signed header '{name}' was not sent")
    sent = {name.lower() for name, _ in request.headers}
    must = {"host", "x-amz-date"} | {name for name in sent if name.startswith("x-amz-")}
    for name in sorted(must - set(signed)):
        raise Refused("SignatureDoesNotMatch", f"'{name}' must be a 'SignedHeader' in the request")


def _query_pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        pairs.append((unquote(name), unquote(value)))
    return pairs


def _find_key(keys: KeyStore, key_id: str, request: Request) -> AccessKey:
    key = keys.get(key_id)
    token = request.header("x-amz-security-token")
    if key is None or key.rejected:
        raise Refused(
            "InvalidClientTokenId", "The security token included in the request is invalid."
        )
    if (key.token or "") != (token or ""):
        raise Refused(
            "InvalidClientTokenId", "The security token included in the request is invalid."
        )
    if key.expires_at is not None and keys.clock.now() >= key.expires_at:
        raise Refused("ExpiredToken", "The security token included in the request is expired")
    return key


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def verify(
    request: Request,
    keys: KeyStore,
    clock: Clock,
    service: str,
    region: str,
    skew_code: str = "SignatureDoesNotMatch",
) -> AccessKey:
    """Returns the key that signed the request; raises Refused with AWS's own code and words."""
    header = request.header("authorization")
    if header is None:
        raise Refused("MissingAuthenticationToken", "Missing Authentication Token")
    match = AUTHORIZATION.fullmatch(header)
    if match is None:
        raise Refused(
            "IncompleteSignature", "Authorization header is not a Signature Version 4 header", 400
        )
    credential, signed_text, given = match.groups()
    scope = credential.split("/")
    stamp = request.header("x-amz-date")
    if stamp is None or len(scope) != 5:
        raise Refused(
            "IncompleteSignature",
            "Authorization header requires a five-part 'Credential' and an 'X-Amz-Date' header.",
            400,
        )
    signed = signed_text.split(";")
    key = _find_key(keys, scope[0], request)
    _check_signed_headers(request, signed)
    _check_date(stamp, clock, skew_code)
    expected_scope = [stamp[:8], region, service, "aws4_request"]
    if scope[1:] != expected_scope:
        raise Refused(
            "SignatureDoesNotMatch",
            f"Credential should be scoped to '{'/'.join(expected_scope)}', "
            f"not '{'/'.join(scope[1:])}'.",
        )
    body_hash = request.header("x-amz-content-sha256")
    if body_hash is not None and body_hash != hashlib.sha256(request.body).hexdigest():
        raise Refused(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            400,
        )

    aws = AWSRequest(
        method=request.method,
        url=f"{request.scheme}://{request.header('host')}{request.path}",
        data=request.body,
        params=_query_pairs(request.query),
    )
    for name, value in request.headers:
        if name.lower() in signed:
            aws.headers.add_header(name, value)
    aws.context["timestamp"] = stamp
    signer = _Signer(Credentials(key.key_id, key.secret, key.token), service, region, signed)
    canonical_request = signer.canonical_request(aws)
    string_to_sign = signer.string_to_sign(aws, canonical_request)
    if not _same(given, signer.signature(string_to_sign, aws)):
        raise Refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service "
            "documentation for details.\n\n"
            f"The Canonical String for this request should have been\n'{canonical_request}'\n\n"
            f"The String-to-Sign should have been\n'{string_to_sign}'\n",
        )
    if key.denied:
        raise Refused(
            "AccessDenied",
            f"User: arn:aws:iam::{key.account}:user/test is not authorized to perform this action",
        )
    return key
