"""Route 53's API as its own clients speak it, to look at the stand-in with and to try it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from standin import Route53

AWS = "/usr/bin/aws"  # Debian's: another python's may come first in PATH
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


def boto(r53: Route53, url: str | None = None, key=None):
    """A botocore client of the stand-in that neither retries nor checks what it is given."""
    key = key or r53.keys.default
    return botocore.session.Session().create_client(
        "route53",
        region_name="us-east-1",
        endpoint_url=url or r53.https_url,
        verify=str(r53.ca.path),
        aws_access_key_id=key.key_id,
        aws_secret_access_key=key.secret,
        aws_session_token=key.token,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def aws(r53: Route53, *arguments: str) -> dict:
    """`aws route53 ARGUMENTS` against the stand-in over HTTPS; what it printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **r53.environment()}
    command = [AWS, "--endpoint-url", r53.https_url, "--output", "json", "route53", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def upsert(name: str, *values: str, record_type: str = "A", action: str = "UPSERT", **more) -> dict:
    """A Change; `action` CREATE or DELETE makes it another than an UPSERT."""
    # botocore writes the elements in the order given here, which must be the model's.
    record = {"Name": name, "Type": record_type, **more, "TTL": 60}
    record["ResourceRecords"] = [{"Value": value} for value in values]
    return {"Action": action, "ResourceRecordSet": record}


def change(client, zone, *changes: dict) -> dict:
    return client.change_resource_record_sets(
        HostedZoneId=zone.id, ChangeBatch={"Changes": list(changes)}
    )


def refused(code: str, call, *arguments, status: int = 400, **named) -> str:
    """The call must fail with this code; returns the message."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    return caught.value.response["Error"]["Message"]


def xml_body(inner: str, namespace: str = NAMESPACE, root: str = "ChangeResourceRecordSetsRequest") -> bytes:
    return (
        f'<?xml version="1.0"?><{root} xmlns="{namespace}"><ChangeBatch><Changes>{inner}'
        f"</Changes></ChangeBatch></{root}>"
    ).encode()


def xml_change(name="a.example.com.", value="192.0.2.1", order="Name Type TTL ResourceRecords", **texts) -> str:
    texts = {
        "Name": name,
        "Type": "A",
        "TTL": "60",
        "ResourceRecords": f"<ResourceRecord><Value>{value}</Value></ResourceRecord>",
        **texts,
    }
    inner = "".join(f"<{tag}>{texts[tag]}</{tag}>" for tag in order.split())
    return f"<Change><Action>UPSERT</Action><ResourceRecordSet>{inner}</ResourceRecordSet></Change>"


class Raw:
    """Signs like botocore, then lets a test spoil the request before it is sent."""

    def __init__(self, r53: Route53):
        self.r53 = r53
        parts = urlsplit(r53.url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)

    def signed(self, target: str, method="GET", body=b"", region="us-east-1", extra=None, host=None):
        key = self.r53.keys.default
        request = AWSRequest(method, self.r53.url + target, data=body, headers=extra or {})
        request.headers["Host"] = host or urlsplit(self.r53.url).netloc
        SigV4Auth(Credentials(key.key_id, key.secret), "route53", region).add_auth(request)
        return dict(request.headers.items())

    def send(self, target: str, headers, method="GET", body=b"") -> tuple[int, str, http.client.HTTPMessage]:
        self.connection.request(method, target, body or None, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers

    def post_change(self, body: bytes, zone) -> tuple[int, str]:
        target = f"/2013-04-01/hostedzone/{zone.id}/rrset/"
        status, text, _ = self.send(target, self.signed(target, "POST", body), "POST", body)
        return status, text
