"""Where the daemon finds its AWS credentials, in the SDKs' order, and how temporary ones are renewed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Callable

import pytest

from harness import BEHIND_PROXY, Daemon, host, keep_confidential, merged
from harness.updates import wait_until
from standin import EcsCredentials, Imds, KeyStore, Route53, Sts

HOME = "home.example.com."
ROLE = "arn:aws:iam::210987654321:role/updater"
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}, "update": {"timeout_s": 30}})
CLONE_NEWNET = 0x40000000


@pytest.fixture
def other(keys: KeyStore):
    """A key that is nobody's default: whoever uses it found it where the test put it."""
    return keys.add("AKIDOTHEREXAMPLE0001", "otherSecretAccessKey/0123456789+abcdefghi")


@pytest.fixture
def found(daemon, r53):
    """Starts a daemon without the harness's own key and sets a record; returns it and the key that was used."""

    def start(settings: dict | None = None, **environment: str | None) -> tuple[Daemon, str | None]:
        variables: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, **environment}
        d = daemon(
            route53=r53, settings=merged(SETTINGS, settings or {}), hosts=[host(HOME)], environment=variables
        )
        d.wait_read_back()  # no call with these credentials is left that the test does not know of
        answer = d.set(HOME, via="198.18.7.9")
        assert answer.status == 200, answer.text + "\n".join(d.log_lines())
        return d, r53.calls[-1].key_id

    return start


def write_private(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def section(key, name: str = "default") -> str:
    lines = [f"[{name}]", f"aws_access_key_id = {key.key_id}", f"aws_secret_access_key = {key.secret}"]
    return "\n".join(lines + ([f"aws_session_token = {key.token}"] if key.token else [])) + "\n"


# ---- 1: environment ----


def test_environment(found, other):
    d, used = found(**other.environment())
    assert used == other.key_id
    assert "origin=environment" in d.wait_log("event=credentials .*").string


def test_environment_with_a_session_token(found, keys):
    key = keys.issue(3600)
    assert found(**key.environment())[1] == key.key_id


def test_the_environment_comes_before_files(found, other, keys, tmp_path):
    path = write_private(tmp_path / "credentials", section(other))
    assert found(**keys.default.environment(), AWS_SHARED_CREDENTIALS_FILE=path)[1] == keys.default.key_id


# ---- 2: shared files ----


def test_shared_file(found, other, tmp_path):
    path = write_private(tmp_path / "shared credentials", "# comment\n\n" + section(other))
    d, used = found(AWS_SHARED_CREDENTIALS_FILE=path)
    assert used == other.key_id
    assert path in d.wait_log("event=credentials .*origin=.*").string


@pytest.mark.parametrize("how", ["setting", "variable", "setting before variable"])
def test_profiles(found, other, keys, tmp_path, how):
    text = section(keys.add("AKIDWRONG", "wrong" * 8)) + section(other, "updates") + section(keys.default, "else")
    path = write_private(tmp_path / "credentials", text)
    settings = {"route53": {"profile": "updates"}} if how.startswith("setting") else {}
    profile = {"variable": "updates", "setting before variable": "else"}.get(how)
    assert found(settings, AWS_SHARED_CREDENTIALS_FILE=path, AWS_PROFILE=profile)[1] == other.key_id


def test_home_folder(found, other, tmp_path):
    write_private(tmp_path / ".aws" / "credentials", section(other))
    used = found(AWS_SHARED_CREDENTIALS_FILE=None, AWS_CONFIG_FILE=None, HOME=str(tmp_path))[1]
    assert used == other.key_id


def test_config_file(found, other, tmp_path):
    path = write_private(tmp_path / "config", section(other, "profile updates"))
    assert found(AWS_CONFIG_FILE=path, AWS_PROFILE="updates")[1] == other.key_id


def test_systemd_credential_comes_first(found, other, keys, tmp_path):
    shared = write_private(tmp_path / "credentials", section(keys.default))
    write_private(tmp_path / "systemd" / "aws", section(other))
    used = found(AWS_SHARED_CREDENTIALS_FILE=shared, CREDENTIALS_DIRECTORY=str(tmp_path / "systemd"))[1]
    assert used == other.key_id


def test_a_file_that_changes_is_read_again_with_a_reload(found, other, keys, r53, tmp_path):
    path = write_private(tmp_path / "credentials", section(keys.default))
    d, used = found(AWS_SHARED_CREDENTIALS_FILE=path)
    assert used == keys.default.key_id
    write_private(Path(path), section(other))
    d.reload()
    assert d.set(HOME, via="198.18.7.10").status == 200
    assert r53.calls[-1].key_id == other.key_id


def test_a_key_that_is_refused_is_looked_for_again(found, other, keys, r53, tmp_path):
    """Rotated in the file and taken away at AWS: the next update succeeds, without a reload."""
    path = write_private(tmp_path / "credentials", section(keys.default))
    d, _ = found(AWS_SHARED_CREDENTIALS_FILE=path)
    write_private(Path(path), section(other))
    keys.reject(keys.default.key_id)
    assert d.set(HOME, via="198.18.7.10").status == 200
    assert r53.results()["InvalidClientTokenId"] == 1 and r53.calls[-1].key_id == other.key_id


# ---- 3: STS ----


def test_web_identity(found, keys, ca, tmp_path):
    token = "a.web.identity.token.of.the.test"
    keep_confidential(token)
    path = write_private(tmp_path / "token", token + "\n")
    with Sts(keys, ca, web_tokens={token}, roles={ROLE}) as sts:
        d, used = found(
            AWS_WEB_IDENTITY_TOKEN_FILE=path,
            AWS_ROLE_ARN=ROLE,
            AWS_ROLE_SESSION_NAME="from-the-test",
            AWS_ENDPOINT_URL_STS=sts.https_url,
        )
        assert used == sts.issued[0].key_id
        assert sts.calls[0].parameters["RoleSessionName"] == "from-the-test"
        d.stop()


def test_assumed_role(found, other, keys, ca, tmp_path):
    config = f"[profile updates]\nrole_arn = {ROLE}\nsource_profile = base\n"
    shared = write_private(tmp_path / "credentials", section(other, "base"))
    path = write_private(tmp_path / "config", config)
    with Sts(keys, ca, roles={ROLE}) as sts:
        environment = {"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_CONFIG_FILE": path}
        d, used = found({"route53": {"profile": "updates"}}, AWS_ENDPOINT_URL_STS=sts.https_url, **environment)
        assert used == sts.issued[0].key_id
        assert [call.action for call in sts.calls] == ["AssumeRole"]
        d.stop()


# ---- 4: container ----


@pytest.mark.parametrize("how", ["open", "token", "token file"])
def test_container(found, keys, tmp_path, how):
    token = None if how == "open" else "container-authorization-token-0123"
    keep_confidential(token or "")
    with EcsCredentials(keys, authorization=token) as ecs:
        path = write_private(tmp_path / "token", f"{token}\n") if how == "token file" else None
        d, used = found(**ecs.environment(token_file=path))
        assert used == ecs.issued[0].key_id
        d.stop()


def in_network_namespace(run: Callable[[], Any]) -> Any:
    """Runs it in a thread whose sockets and children have a network of their own, with the loopback device alone."""
    result: Future = Future()

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            for command in ("ip link set lo up", "ip address add 169.254.170.2/32 dev lo"):
                subprocess.run(command.split(), check=True)
            result.set_result(run())
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return result.result()


def test_container_by_relative_uri(ca, tmp_path):
    """The address is fixed, 169.254.170.2 port 80, so that it needs a network of its own; tests run as root."""

    def run() -> None:
        keys = KeyStore()
        with Route53(["example.com."], ca=ca, keys=keys) as r53:
            with EcsCredentials(keys, host="169.254.170.2", port=80) as ecs:
                variables = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
                variables.update(ecs.environment(relative=True))
                d = Daemon(tmp_path / "d", ca, SETTINGS, [host(HOME)], route53=r53, environment=variables)
                try:
                    d.start()
                    assert d.set(HOME, via="198.18.7.9").status == 200
                    assert r53.calls[-1].key_id == ecs.issued[0].key_id
                finally:
                    d.close()

    in_network_namespace(run)


# ---- 5: instance metadata ----


def issued_by(service: Imds | EcsCredentials) -> list[str]:
    """Usually one; another one where the first was not handed over within the second that the daemon waits for it."""
    return [key.key_id for key in service.issued]


def instance(imds: Imds) -> dict[str, str | None]:
    return {"AWS_EC2_METADATA_DISABLED": None, **imds.environment()}


def test_instance_metadata(found, keys):
    with Imds(keys) as imds:
        d, used = found(**instance(imds))
        assert used in issued_by(imds)
        assert imds.calls[0][:2] == ("PUT", "/latest/api/token")
        assert all(status == 200 for _, _, status in imds.calls)
        d.stop()


def test_instance_metadata_may_be_disabled(daemon, r53, keys):
    with Imds(keys) as imds:
        environment = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, **imds.environment()}
        settings = merged(SETTINGS, {"update": {"timeout_s": 1}})
        d = daemon(route53=r53, settings=settings, hosts=[host(HOME)], environment=environment)
        answer = d.set(HOME, via="198.18.7.9")
        line = d.wait_log("event=zone_trouble .*").string
        assert "AWS_ACCESS_KEY_ID" in line  # it says where it has looked
        assert answer.status == 503 and imds.calls == [] and r53.calls == []
        d.kill()


def test_none_at_first_and_some_later(daemon, r53, other, tmp_path):
    """Changes wait for credentials; a reload makes it look at once."""
    path = tmp_path / "credentials"
    environment = {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_SHARED_CREDENTIALS_FILE": str(path),
    }
    settings = merged(SETTINGS, {"update": {"timeout_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)], environment=environment)
    assert d.set(HOME, via="198.18.7.9").status == 503
    write_private(path, section(other))
    d.reload()
    r53.wait_value(HOME, "198.18.7.9")
    d.wait_log("event=late_change .*result=set")


# ---- renewal ----


@pytest.mark.waits
@pytest.mark.slow
def test_renewed_before_they_expire_in_the_background(found, keys, r53):
    """No update waits for it or fails, and the old ones serve until then: a life of 60 s is renewed after its half."""
    with Imds(keys, lifetime_s=60) as imds:
        d, used = found(**instance(imds))
        started, count = time.monotonic(), len(imds.issued)
        assert used in issued_by(imds)
        imds.wait_for(lambda: len(imds.issued) > count, timeout=50)
        assert time.monotonic() - started < 45
        wait_until(
            lambda: any(d.log_lines(f"event=credentials .*access_key={key}") for key in issued_by(imds)[count:]),
            "no new ones are in use",
        )
        assert d.set(HOME, via="198.18.7.10").status == 200
        assert r53.calls[-1].key_id in issued_by(imds)[count:]
        assert set(r53.results()) == {"ok"}
        d.stop()


def test_expired_ones_are_renewed_without_a_failed_update(found, keys, r53):
    with Imds(keys) as imds:
        d, used = found(**instance(imds))
        keys.expire(used)
        assert d.set(HOME, via="198.18.7.10").status == 200
        assert r53.calls[-1].key_id in issued_by(imds) and r53.calls[-1].key_id != used
        assert r53.results()["ExpiredToken"] == 1
        d.stop()


def test_a_metadata_service_that_forgot_its_tokens(found, keys, r53):
    with Imds(keys) as imds:
        d, used = found(**instance(imds))
        imds.forget_tokens()
        keys.expire(used)
        assert d.set(HOME, via="198.18.7.10").status == 200
        d.stop()


def test_a_metadata_service_that_is_down_for_a_while(daemon, r53, keys):
    with Imds(keys) as imds:
        imds.failing = 503
        environment = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, **instance(imds)}
        settings = merged(SETTINGS, {"update": {"timeout_s": 1}})
        d = daemon(route53=r53, settings=settings, hosts=[host(HOME)], environment=environment)
        assert d.set(HOME, via="198.18.7.9").status == 503
        imds.failing = None
        d.reload()
        r53.wait_value(HOME, "198.18.7.9")
        d.stop()
