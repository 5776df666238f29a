"""ddns53d --health: asks the daemon of these settings, for a container's HEALTHCHECK."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from datetime import timedelta

import pytest

from harness import base_environment, binary_path, free_port


@pytest.fixture
def port() -> int:
    return free_port()


def health(d, **variables: str) -> subprocess.CompletedProcess:
    environment = {**d.environment, **variables}
    return subprocess.run(
        [binary_path(), "--config", d.config_path, "--health"], env=environment, capture_output=True, text=True, timeout=30
    )


def settings_at(place: str) -> dict:
    return {"admin": {"listen": place}}


def test_all_is_well_over_tcp(daemon, port):
    d = daemon(settings=settings_at(f"127.0.0.1:{port}"))
    done = health(d)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_all_is_well_over_a_unix_socket(daemon, tmp_path):
    d = daemon(settings=settings_at(f"unix:{tmp_path}/admin.sock"))
    assert (health(d).returncode, health(d).stdout) == (0, "ok\n")


def test_where_the_environment_says(daemon, port):
    d = daemon(environment={"DDNS53_ADMIN__LISTEN": f"127.0.0.1:{port}"})
    assert health(d).returncode == 0
    assert health(d, DDNS53_ADMIN__LISTEN="127.0.0.1:1").returncode == 1


def test_nobody_is_there(daemon, port):
    d = daemon(start=False, settings=settings_at(f"127.0.0.1:{port}"))
    done = health(d)
    assert done.returncode == 1
    assert done.stderr == f"ddns53d: no answer from 127.0.0.1:{port}: Connection refused\n"


def test_it_is_turned_off(daemon):
    d = daemon(start=False, settings=settings_at(""))
    done = health(d)
    assert done.returncode == 1 and 'admin.listen is ""' in done.stderr


def test_settings_that_are_wrong(daemon):
    d = daemon(start=False)
    d.write_settings_text("zones: []\n")
    done = health(d)
    assert done.returncode == 1 and "zones" in done.stderr


def test_trouble_is_told(daemon, port, ca):
    """A certificate that runs out is what /healthz tells of at once."""
    chain, key = ca.issue("old", ["localhost"], valid_for=timedelta(days=2))
    server = {"certificate": str(chain), "private_key": str(key)}
    d = daemon(settings={"server": server, **settings_at(f"127.0.0.1:{port}")})
    done = health(d)
    assert done.returncode == 1
    assert done.stderr == "the certificate expires within 7 days; renew it and send SIGHUP\n" and done.stdout == ""


def test_somebody_else_is_there(daemon, port):
    with socket.create_server(("127.0.0.1", port)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        threading.Thread(target=answer, daemon=True).start()
        done = health(daemon(start=False, settings=settings_at(f"127.0.0.1:{port}")))
    assert done.returncode == 1 and "is no ddns53d" in done.stderr


def test_who_does_not_answer_is_not_waited_for(daemon, port):
    with socket.create_server(("127.0.0.1", port)):
        began = time.monotonic()
        done = health(daemon(start=False, settings=settings_at(f"127.0.0.1:{port}")))
    assert done.returncode == 1 and "it takes too long" in done.stderr
    assert time.monotonic() - began < 20


def test_it_stands_alone():
    for other in ("--check", "--dump-config"):
        done = subprocess.run([binary_path(), "--health", other], env=base_environment(), capture_output=True, timeout=30)
        assert done.returncode == 64
