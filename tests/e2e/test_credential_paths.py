"""Paths of ${CREDENTIALS_DIRECTORY}/: what systemd's LoadCredential= hands over. tests/boot-units has the real one."""

from __future__ import annotations

import subprocess

import pytest

from harness import SECRET, binary_path, host
from harness.daemon import dump_yaml
from harness.process import base_environment

HERE = "${CREDENTIALS_DIRECTORY}"


@pytest.fixture
def credentials(ca, tmp_path):
    folder = tmp_path / "credentials of the service"
    folder.mkdir(mode=0o700)
    for name, text in (("chain", ca.certificate.read_text()), ("key", ca.private_key.read_text()), ("home", SECRET + "\n")):
        (folder / name).touch(mode=0o400)
        (folder / name).write_text(text)
    return folder


def test_certificate_key_and_a_hosts_secret(daemon, credentials):
    row = host("home.example.test.", allow_internal=True)
    row["shared_secret_file"] = f"{HERE}/home"
    del row["shared_secret"]
    server = {"certificate": f"{HERE}/chain", "private_key": f"{HERE}/key"}
    d = daemon(settings={"server": server}, hosts=[row], environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    d.wait_log(f"event=certificate file=.*{credentials.name}/chain")
    assert d.set("home.example.test.", address="192.0.2.1").result == "success"
    d.reload()


@pytest.mark.parametrize("key", ["server.certificate", "hosts_file", "state_dir", "shared_secret_file"])
def test_nobody_handed_them_over(tmp_path, key):
    settings = {"zones": [{"name": "example.test.", "provider": "zonefile"}]}
    row = host("home.example.test.")
    if key == "server.certificate":
        settings["server"] = {"certificate": f"{HERE}/x", "private_key": "/y"}
    elif key == "shared_secret_file":
        row[key] = f"{HERE}/x"
        del row["shared_secret"]
    else:
        settings[key] = f"{HERE}/x"
    for name, content in (("ddns53d.yaml", settings), ("hosts.yaml", {"hosts": [row]})):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(dump_yaml(content))
    done = subprocess.run(
        [binary_path(), "--config", tmp_path / "ddns53d.yaml", "--check"],
        env=base_environment(), capture_output=True, text=True, timeout=30,
    )
    assert done.returncode == 78
    assert f"{key}: there are no credentials; the service's unit hands them over with LoadCredential=x:PATH" in done.stderr


def test_who_may_not_see_them(daemon, credentials):
    """--check by a process of the service that is not its main one goes on without them; a start does not."""
    row = {**host("home.example.test."), "shared_secret_file": f"{HERE}/home"}
    del row["shared_secret"]
    server = {"certificate": f"{HERE}/chain", "private_key": f"{HERE}/key"}
    hidden = {"CREDENTIALS_DIRECTORY": str(credentials.parent / "hidden")}
    d = daemon(start=False, settings={"server": server}, hosts=[row], environment=hidden)
    check = subprocess.run([*d.process.command, "--check"], env=d.environment, capture_output=True, text=True, timeout=30)
    assert check.returncode == 0, check.stderr
    assert "shared_secret_file: is not checked, for only the service itself sees" in check.stderr
    assert "server.certificate: is not checked" in check.stderr
    assert d.run_to_end() == 78
    assert d.log_lines("event=start_failed .*CREDENTIALS_DIRECTORY")
    # What has nothing to do with them is still told.
    d.write_hosts_text("hosts: [{}]")
    check = subprocess.run([*d.process.command, "--check"], env=d.environment, capture_output=True, text=True, timeout=30)
    assert check.returncode == 78 and "hostname: is missing" in check.stderr
