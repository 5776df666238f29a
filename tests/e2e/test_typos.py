"""A slip of the pen beside a secret: whatever is told about the file, no piece of the secret is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Daemon, run_binary

# None of these words is anywhere else. Letters only: nothing gives it away as a secret.
SECRET = "zebrafish-walnut-ocarina"
PIECES = ["zebra", "walnut", "ocarina", "kumquat"]
SETTINGS = """\
server: {listen: ["127.0.0.1:0"]}
admin: {listen: ""}
state_dir: state
zones:
  - {name: example.test., provider: zonefile}
"""
GOOD_HOST = "hosts:\n  - {hostname: home.example.test., record_type: A, shared_secret: a-secret-that-is-all-right-0001}\n"

# One host, in block style; LINE is where the secret should have been.
BLOCK = "hosts:\n  - hostname: home.example.test.\n    record_type: A\n{line}\n"
BLOCK_LINES = [
    "    shared_secret:{s}",
    "    shared_secret:{s}:",
    "    shared_secret:{s}: x",
    "    shared_secret:{s} : x",
    "    shared_secret={s}",
    "    shared_secret={s}: x",
    "    shared_secret ={s}: x",
    "    shared_secret {s}",
    "    shared_secret {s}: x",
    "    shared_secret{s}: x",
    "    shared_secretwalnut: x",
    "    shared_secret-{s}: x",
    "    shared_secret;{s}: x",
    "    shared_secret->{s}: x",
    '    shared_secret"{s}": x',
    "    shared_secret: {s}: x",
    "    shared_secret: &{s}",
    "    shared_secret: *{s}",
    "    shared_secret: !{s} x",
    "    shared_secret: [{s}]",
    "    shared_secret: {{{s}: 1}}",
    "    shared_secret: {{{s}}}",
    "    shared_secret:\n      {s}: x",
    "    shared_secret:\n      - {s}",
    "    shared_secrets: {s}",
    "    Shared_Secret: {s}",
    "    secret: {s}",
    "    secret:{s}: x",
    "    password={s}: x",
    "    ? {s}\n    : x",
    "    ? [{s}]\n    : x",
    "      shared_secret:{s}",
    "      shared_secret={s}",
    "   shared_secret: {s}",
    "    ttl: 60\n      shared_secret:{s}",
    "    ttl: 60\n      shared_secret={s}",
    "    ttl: 60 shared_secret:{s}",
    "    ttl: 60\n      secret {s}",
    "    lock_record: true\n      shared_secret:{s}",
    "    comment: x\n    shared_secret:{s}: y\n    shared_secret:{s}: z",
    "    shared_secret: {s}\n    shared_secret: {s}",
    "    shared_secret: '{s}",
    '    shared_secret: "{s}',
    '    shared_secret: "{s}" {s}',
    "    shared_secret: |{s}",
    "    shared_secret: %{s}\n    x",
    "    shared_secret: @{s}",
    "    shared_secret: `{s}",
    "    previous_secret:{s}: 1",
    "    secret_sha256: {s}",
    "    secret_sha256:{s}: 1",
    "    shared_secret_file:{s}: 1",
    "  - shared_secret:{s}",
    "  - shared_secret={s}",
    "shared_secret: {s}",
    "shared_secret:{s}: x",
    "shared_secret={s}",
    "shared_secret={s}: x",
]
# The same in flow style, where a comma ends a value.
FLOW = "hosts:\n  - {{hostname: home.example.test., record_type: A, {line}}}\n"
FLOW_LINES = [
    "shared_secret:{s}",
    "shared_secret={s}",
    "shared_secret {s}",
    "shared_secret, {s}",
    "shared_secret: kumquat,{s}",
    "shared_secret: kumquat, {s}",
    "shared_secret: kumquat, {s}: x",
    "shared_secret: kumquat,walnut: x",
    "shared_secret: kumquat, {s}, {s}",
    "shared_secret: kumquat, walnut, ocarina: zebrafish",
    "previous_secret: kumquat, walnut: 1, previous_secret_until: 2026-12-31",
    "shared_secret: kumquat: {s}",
    "shared_secret: kumquat}}{s}",
    "shared_secret: {{{s}",
    "shared_secret: [{s}",
    "shared_secret: [kumquat, {s}]",
    "\"shared_secret\":\"kumquat\"{s}",
    "\"shared_secret:{s}\"",
    "\"shared_secret:{s}\": 1",
    "ttl: 60 shared_secret:{s}",
    "ttl: 60 shared_secret={s}",
    "shared_secret:{s}, shared_secret:{s}",
    "{s}",
    "{s}: 1",
]
HOSTS = [BLOCK.format(line=line.format(s=SECRET)) for line in BLOCK_LINES]
HOSTS += [FLOW.format(line=line.format(s=SECRET)) for line in FLOW_LINES]

SETTING_LINES = [
    "server: {{api_keys:{s}}}",
    "server: {{api_keys={s}}}",
    "server: {{api_keys: {s}}}",
    "server: {{api_keys: kumquat, {s}}}",
    "server: {{api_keys: kumquat, {s}: 1}}",
    "server: {{api_keys: [kumquat], {s}}}",
    "server: {{api_keys: {{{s}: 1}}}}",
    "server:\n  api_keys:{s}: 1",
    "server:\n  api_keys={s}: 1",
    "server:\n  api_keys:\n    {s}: 1",
    "server:\n  api_keys:\n    - {s}: 1",
    "server:\n  api_key {s}: 1",
    "server:\n  api_keys{s}: 1",
    "server:\n  apikeys-{s}: 1",
    "server:\n  tls: true\n    api_keys={s}",
    "server:\n  threads: 2\n    api_keys:{s}",
    "server: api_keys={s}",
    "api_keys: [{s}]",
    "api_keys={s}: 1",
    "api_keys:{s}: 1",
]
SETTING_TEXTS = ["zones:\n  - {name: example.test., provider: zonefile}\n" + line.format(s=SECRET) + "\n"
                 for line in SETTING_LINES]


def write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def leaks(output: str) -> list[str]:
    return [line for line in output.splitlines() for piece in PIECES if piece in line]


def refused(folder: Path) -> None:
    for arguments in (["--check"], []):
        done = run_binary("--config", "ddns53d.yaml", *arguments, folder=folder)
        assert done.returncode == 78, done.stdout + done.stderr
        assert done.stderr, "nothing was told"
        assert leaks(done.stdout + done.stderr) == []


@pytest.mark.parametrize("text", HOSTS, ids=[f"{number}" for number in range(len(HOSTS))])
def test_in_the_hosts_file(tmp_path, text):
    write(tmp_path / "ddns53d.yaml", SETTINGS)
    write(tmp_path / "hosts.yaml", text)
    refused(tmp_path)


@pytest.mark.parametrize("text", SETTING_TEXTS, ids=[f"{number}" for number in range(len(SETTING_TEXTS))])
def test_in_the_settings(tmp_path, text):
    write(tmp_path / "ddns53d.yaml", text)
    write(tmp_path / "hosts.yaml", GOOD_HOST)
    refused(tmp_path)


def test_at_a_reload(daemon):
    d: Daemon = daemon()
    for text in HOSTS:
        d.write_hosts_text(text)
        d.reload_fails()
    for text in SETTING_TEXTS:
        d.write_settings_text(text)
        d.reload_fails()
    assert leaks("\n".join(d.log_lines())) == []


def test_what_helps_is_still_told(tmp_path):
    """A slip that can be recognized names the key that was meant."""
    for line, hint in (
        ("shared_secret:{s}", "shared_secret: unknown key, did you mean shared_secret?"),
        ("shared_secrte: {s}", "shared_secrte: unknown key, did you mean shared_secret?"),
        ("shared_secret{s}: x", "shared_secret...: unknown key, did you mean shared_secret?"),
    ):
        write(tmp_path / "ddns53d.yaml", SETTINGS)
        write(tmp_path / "hosts.yaml", FLOW.format(line=line.format(s=SECRET)))
        assert hint in run_binary("--config", "ddns53d.yaml", "--check", folder=tmp_path).stderr
