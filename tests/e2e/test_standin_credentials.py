"""The stand-ins for the credentials services, tried with botocore's own providers."""

from __future__ import annotations

import http.client
import os
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from standin import EcsCredentials, Imds, Sts

ROLE = "arn:aws:iam::210987654321:role/updater"


@pytest.fixture
def clean_environment(monkeypatch):
    """botocore reads the process's own variables: none of them are the caller's."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def found_credentials():
    return botocore.session.Session().get_credentials()


def send(url: str, method: str, path: str, headers: dict | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    result = answer.status, answer.read().decode()
    connection.close()
    return result


def use_key(r53, credentials) -> None:
    """The Route 53 stand-in with the same store accepts the key."""
    client = botocore.session.Session().create_client(
        "route53",
        region_name="us-east-1",
        endpoint_url=r53.url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
    )
    assert client.list_hosted_zones_by_name()["HostedZones"]
    client.close()


def test_imds_with_botocore(route53, keys, clean_environment):
    with Imds(keys) as imds:
        clean_environment.delenv("AWS_EC2_METADATA_DISABLED")
        for name, value in imds.environment().items():
            clean_environment.setenv(name, value)
        frozen = found_credentials().get_frozen_credentials()
        assert frozen.access_key == imds.issued[0].key_id
        use_key(route53(), frozen)
        assert [call[:2] for call in imds.calls][0] == ("PUT", "/latest/api/token")


def test_imds_refuses_what_the_service_refuses(keys):
    roles = "/latest/meta-data/iam/security-credentials/"
    with Imds(keys, lifetime_s=60) as imds:
        assert send(imds.url, "GET", roles)[0] == 401
        assert send(imds.url, "PUT", "/latest/api/token")[0] == 400
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21601"}
        assert send(imds.url, "PUT", "/latest/api/token", ttl)[0] == 400
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        assert send(imds.url, "PUT", "/latest/api/token", {**ttl, "X-Forwarded-For": "1.2.3.4"})[0] == 403
        assert send(imds.url, "GET", "/latest/api/token", ttl)[0] == 405
        status, token = send(imds.url, "PUT", "/latest/api/token", ttl)
        assert status == 200
        good = {"X-aws-ec2-metadata-token": token}
        assert send(imds.url, "GET", roles, good) == (200, "ddns53-role")
        assert send(imds.url, "GET", roles + "other", good)[0] == 404
        imds.forget_tokens()
        assert send(imds.url, "GET", roles, good)[0] == 401
        imds.failing = 503
        assert send(imds.url, "GET", roles, good)[0] == 503


@pytest.mark.parametrize("from_file", [False, True])
def test_ecs_with_botocore(route53, keys, clean_environment, tmp_path, from_file):
    with EcsCredentials(keys, authorization="Bearer abc") as ecs:
        assert send(ecs.url, "GET", ecs.path)[0] == 403
        token = tmp_path / "token"
        token.write_text("Bearer abc")
        # This botocore knows the token only from its variable.
        variables = ecs.environment(token_file=str(token) if from_file else None)
        if from_file:
            assert variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] == str(token)
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = token.read_text()
        for name, value in variables.items():
            clean_environment.setenv(name, value)
        frozen = found_credentials().get_frozen_credentials()
        assert frozen.token == ecs.issued[0].token
        use_key(route53(), frozen)
    assert ecs.environment(relative=True)["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == ecs.path


def sts_client(sts: Sts, key):
    return botocore.session.Session().create_client(
        "sts",
        region_name="us-east-1",
        endpoint_url=sts.https_url if sts.ca else sts.url,
        verify=str(sts.ca.path) if sts.ca else None,
        aws_access_key_id=key.key_id,
        aws_secret_access_key=key.secret,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def test_sts_with_botocore(route53, keys, ca, clean_environment):
    with Sts(keys, ca, lifetime_s=30, web_tokens={"a.web.token"}, roles={ROLE}) as sts:
        client = sts_client(sts, keys.default)
        got = client.assume_role(RoleArn=ROLE, RoleSessionName="ddns53")["Credentials"]
        assert abs(got["Expiration"].timestamp() - keys.clock.now() - 30) < 25
        assert got["AccessKeyId"] == sts.issued[0].key_id and sts.issued[0].account == "210987654321"
        web = client.assume_role_with_web_identity(
            RoleArn=ROLE, RoleSessionName="ddns53", WebIdentityToken="a.web.token"
        )
        assert web["AssumedRoleUser"]["Arn"].endswith("assumed-role/updater/ddns53")
        use_key(
            route53(),
            type("Frozen", (), {
                "access_key": got["AccessKeyId"],
                "secret_key": got["SecretAccessKey"],
                "token": got["SessionToken"],
            }),
        )

        def code(call, **named) -> str:
            with pytest.raises(ClientError) as caught:
                call(RoleSessionName="ddns53", **named)
            return caught.value.response["Error"]["Code"]

        web_identity = client.assume_role_with_web_identity
        assert code(web_identity, RoleArn=ROLE, WebIdentityToken="wrong") == "InvalidIdentityToken"
        assert code(client.assume_role, RoleArn=ROLE + "x") == "AccessDenied"
        assert code(client.assume_role, RoleArn=ROLE, DurationSeconds=60) == "ValidationError"
        sts.fail(count=1)
        assert code(client.assume_role, RoleArn=ROLE) == "ServiceUnavailable"
        keys.reject()
        assert code(client.assume_role, RoleArn=ROLE) == "InvalidClientTokenId"
        keys.accept()
        wrong = type(keys.default)(keys.default.key_id, "wrong")
        other = sts_client(sts, wrong)
        assert code(other.assume_role, RoleArn=ROLE) == "SignatureDoesNotMatch"
        for made in (client, other):
            made.close()
        assert [call.result for call in sts.calls[:2]] == ["ok", "ok"]
