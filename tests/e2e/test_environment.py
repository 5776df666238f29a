"""DDNS53_* variables: each setting can come from the environment, and counts more than the file."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from harness import REPOSITORY, binary_path, host
from harness.daemon import dump_yaml
from harness.process import base_environment

FILE = {"server": {"listen": ["127.0.0.1:1"], "threads": 3}, "zones": [{"name": "example.test.", "provider": "zonefile"}]}


@pytest.fixture
def run(tmp_path):
    """ddns53d with these variables; the file is FILE unless another is given."""
    (tmp_path / "hosts.yaml").write_text(dump_yaml({"hosts": [host("home.example.test.")]}))
    (tmp_path / "hosts.yaml").chmod(0o600)

    def run(*arguments: str, text: str | None = None, **variables: str) -> subprocess.CompletedProcess:
        path = tmp_path / "ddns53d.yaml"
        path.touch(mode=0o600)
        path.write_text(dump_yaml(FILE) if text is None else text)
        return subprocess.run(
            [binary_path(), "--config", path, *(arguments or ["--dump-config"])],
            env=base_environment(**{f"DDNS53_{name}": value for name, value in variables.items()}),
            capture_output=True, text=True, timeout=30,
        )

    return run


def dumped(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def test_they_count_more_than_the_file(run):
    settings = dumped(run(SERVER__LISTEN='["127.0.0.1:2", "[::1]:2"]', UPDATE__TIMEOUT_S="7", STATE_DIR="/srv/ddns53"))
    assert settings["server"]["listen"] == ["127.0.0.1:2", "[::1]:2"]
    assert settings["update"]["timeout_s"] == 7
    assert settings["state_dir"] == "/srv/ddns53"
    assert settings["server"]["threads"] == 3  # of the same section, from the file


@pytest.mark.parametrize("text", ["", "server:\n", "server: {}\n"])
def test_all_of_them_from_the_environment(run, text):
    zones = '[{name: example.test, provider: zonefile}, {name: example.com, zone_id: Z1FXLQ1OABKR4O}]'
    settings = dumped(run(text=text, ZONES=zones, SERVER__TLS="false", SERVER__LISTEN='["127.0.0.1:80"]', ADMIN__LISTEN='""'))
    assert [zone["name"] for zone in settings["zones"]] == ["example.test.", "example.com."]
    assert settings["server"]["tls"] is False and settings["admin"]["listen"] == ""


def test_every_setting_can_come_from_there(run):
    """What --dump-config prints of the defaults, given as variables, gives the same."""
    plain = run()
    settings = dumped(plain)
    variables = {}

    def add(name, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}__{key.upper()}" if name else key.upper(), inner)
        else:
            variables[name] = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()

    add("", settings)
    assert len(variables) > 20
    done = run(text="", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain.stdout


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"SERVER__LISTN": "x"}, "DDNS53_SERVER__LISTN in the environment: no setting is called that, did you mean DDNS53_SERVER__LISTEN?"),
        ({"SERVER_LISTEN": "x"}, "DDNS53_SERVER_LISTEN in the environment: no setting is called that, did you mean DDNS53_SERVER__LISTEN?"),
        ({"ZONES__NAME": "x"}, "DDNS53_ZONES__NAME in the environment: no setting is called that"),
        ({"SOMETHING": "x"}, "DDNS53_SOMETHING in the environment: no setting is called that; write DDNS53_SERVER__LISTEN for server.listen"),
        ({"server__listen": "x"}, "DDNS53_server__listen in the environment: no setting is called that"),
        ({"UPDATE__TIMEOUT_S": "soon"}, 'update.timeout_s: "soon" is '),
        ({"SERVER__LISTEN": '["127.0.0.1:2'}, "DDNS53_SERVER__LISTEN:1:.*never closed"),
        ({"SERVER__THREADS": "1\nother: 2"}, "DDNS53_SERVER__THREADS in the environment: is not one value in YAML"),
        ({"SERVER__TLS": "false"}, "server.tls: must be true, for "),
        ({"SERVER__CERTIFICATE": "x.pem"}, "server.certificate: comes without server.private_key"),
        ({"ZONES": "[{name: example.test, provider: nobody}]"}, "zones.*provider: "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong(run, variables, message):
    text = None if "SERVER__TLS" not in variables else dump_yaml({**FILE, "server": {"listen": ["[::]:1"]}})
    done = run("--check", text=text, **variables)
    assert done.returncode == 78
    assert re.search(message, done.stderr), done.stderr
    name = f"DDNS53_{next(iter(variables))}"
    if "no setting" not in message and "DDNS53_" not in message:
        assert f"the environment counts more than this file: {name}\n" in done.stderr, done.stderr


def test_a_file_without_fault_is_not_blamed(run):
    done = run("--check", text="server: {thread: 1}\n")
    assert done.returncode == 78 and "the environment" not in done.stderr


def test_secrets_are_not_shown(run):
    key, tsig = "an-api-key-of-this-test-0001", "c2VjcmV0LW9mLXRoaXMtdGVzdC0wMDAwMDAwMDE="
    zones = f"[{{name: example.test, provider: rfc2136, server: 127.0.0.1, tsig: {{name: k, secret: {tsig}}}}}]"
    done = run(SERVER__API_KEYS=f"[{key}]", ZONES=zones)
    assert dumped(done)["server"]["api_keys"] == ["***"]
    assert key not in done.stdout + done.stderr and tsig not in done.stdout + done.stderr
    for variables in ({"SERVER__API_KEYS": key}, {"SERVER__API_KEYS": f'["{key}'}, {"SERVER__API_KEYS": f"{{{key}: 1}}"}):
        done = run("--check", **variables)
        assert done.returncode == 78 and key not in done.stdout + done.stderr, done.stderr


def test_those_of_the_client_are_not_ours(run):
    page = (REPOSITORY / "man" / "ddns53-client.1").read_text()
    names = sorted(set(re.findall(r"\bDDNS53_(\w+)", page)))
    assert len(names) == 7
    dumped(run(**{name: "x" for name in [*names, "CLIENT"]}))


def test_a_reload_keeps_them(daemon):
    d = daemon(environment={"DDNS53_LIMITS__READS_PER_MINUTE": "1"})
    assert [d.get().status for _ in range(2)] == [200, 429]
    d.settings["limits"] = {"reads_per_minute": 1000}
    d.write_config()
    d.reload()
    # from another source: what the first one used up is not given back at once, whatever the limit is
    assert [d.get(source="127.0.0.2").status for _ in range(2)] == [200, 429]
