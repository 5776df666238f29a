"""Both files from the command line: what is accepted, what is refused and how it is told, and the options."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import REPOSITORY, Daemon, base_environment, binary_path, keep_confidential, run_binary

API_KEY = "an-api-key-of-some-length-4711"
HOST_SECRET = "shared-secret-of-the-first-host"
SETTINGS = """\
server:
  listen: ["127.0.0.1:0"]
admin: {listen: ""}
state_dir: state
zones:
  - {name: example.test., provider: zonefile}
"""
HOSTS = f"""\
hosts:
  - hostname: home.example.test.
    record_type: A
    shared_secret: {HOST_SECRET}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keep_confidential(API_KEY, HOST_SECRET)
    write(tmp_path / "ddns53d.yaml", SETTINGS)
    write(tmp_path / "hosts.yaml", HOSTS)
    return tmp_path


def write(path: Path, text: str | bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def check(folder: Path):
    return run_binary("--config", "ddns53d.yaml", "--check", folder=folder)


def problems(folder: Path, status: int = 78) -> list[str]:
    """Every line that --check prints; each must say where."""
    done = check(folder)
    assert done.returncode == status, done.stderr
    assert done.stdout == "" or status == 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    for line in lines:
        assert re.match(r"\S+\.yaml(:\d+:\d+)?: \S", line), line
    assert not any(secret in done.stderr for secret in (API_KEY, HOST_SECRET))
    return lines


# ---- options ----


def test_version_and_help():
    version = run_binary("--version")
    assert version.returncode == 0 and re.fullmatch(r"ddns53d \d+\.\d+(\.\d+)?\n", version.stdout)
    for option in ("--help", "-h"):
        usage = run_binary(option)
        assert usage.returncode == 0 and usage.stdout.startswith("usage: ddns53d") and usage.stderr == ""
        for name in ("--config", "--check", "--dump-config", "--version", "--verbose", "SIGHUP"):
            assert name in usage.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--nothing"], ["-x"], ["file.yaml"], ["--config"], ["--check", "--dump-config"], ["--check", "extra"]],
)
def test_usage_errors(folder, arguments):
    done = run_binary(*arguments, folder=folder)
    assert done.returncode == 64 and "usage: ddns53d" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("option", ["--check", "--dump-config", "--version", "--help"])
def test_output_that_cannot_be_written(folder, option):
    """Into a full disk; whoever asked by a script must not take half an answer for a good one."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [binary_path(), "--config", "ddns53d.yaml", option],
            cwd=folder,
            env=base_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert done.returncode == 74
    assert done.stderr == "ddns53d: standard output: No space left on device; its answer is not complete\n"


# ---- errors at a start ----


def start_under_the_journal(folder: Path, *options: str) -> tuple[int, list[str]]:
    """With standard error the journal's, as systemd tells it; its status and its lines."""
    reader, writer = os.pipe()
    end = os.fstat(writer)
    environment = {**base_environment(), "JOURNAL_STREAM": f"{end.st_dev}:{end.st_ino}"}
    command = [binary_path(), "--config", "ddns53d.yaml", *options]
    with open(reader, encoding="utf-8") as log:
        try:
            done = subprocess.run(command, cwd=folder, env=environment, stderr=writer, timeout=30)
        finally:
            os.close(writer)
        return done.returncode, log.read().splitlines()


@pytest.mark.parametrize("name, where", [("ddns53d.yaml", "8:1"), ("hosts.yaml", "5:1")])
def test_errors_at_a_start_are_events_with_a_priority(folder, name, where):
    """So that `journalctl -p err` shows why it is dead, in the words of --check."""
    write(folder / "ddns53d.yaml", SETTINGS.replace("server:", f"server:\n  api_keys: [{API_KEY}]"))
    (folder / "ddns53d.yaml").chmod(0o644)  # a warning
    with open(folder / name, "a", encoding="utf-8") as file:
        file.write("nothing: 1\n")
    place = f"{name}:{where}: "
    status, lines = start_under_the_journal(folder)
    assert status == 78
    errors = [line for line in lines if line.startswith('<3>event=config_error message="')]
    assert len(errors) == 1 and place in errors[0]
    warnings = [line for line in lines if line.startswith('<4>event=config_warning message="')]
    assert (name == "hosts.yaml") == any("chmod" in line for line in warnings)
    assert errors + warnings == lines or warnings + errors == lines
    assert place in problems(folder)[0]  # for people: no event, no priority


# ---- --check ----


def test_check_of_good_files(folder):
    done = check(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ddns53d.yaml: ok, 1 zones, 1 hosts, 1 records\n"
    assert not (folder / "state").exists()  # it only looks


def test_the_installed_samples_are_good(tmp_path):
    for name in ("ddns53d.yaml", "hosts.yaml"):
        write(tmp_path / name, (REPOSITORY / "etc" / name).read_bytes())
    assert check(tmp_path).returncode == 0


def test_every_error_of_both_kinds_in_one_go(folder):
    write(
        folder / "ddns53d.yaml",
        """\
server:
  listen: ["nowhere"]
  thread: 4
  tls: yes please
limits:
  connections: 0
  request_s: ten
update: 5
zones:
  - name: example.test.
    provider: bind
  - provider: zonefile
colour: red
""",
    )
    lines = problems(folder)
    places = [line.split(": ")[0] for line in lines]
    for place in ("2:12", "3:3", "4:8", "6:16", "7:14", "8:9", "11:15", "12:5", "13:1"):
        assert f"ddns53d.yaml:{place}" in places, lines
    assert any("server.threads" in line for line in lines)  # what was probably meant


def test_every_error_of_the_hosts_in_one_go(folder):
    write(
        folder / "hosts.yaml",
        f"""\
hosts:
  - hostname: home.example.test.
    record_type: AAA
    shared_secret: {HOST_SECRET}
  - hostname: home.elsewhere.test.
    record_type: A
    shared_secret: {HOST_SECRET}
  - hostname: bad..name.example.test.
    record_type: [A, A]
    ttl: -1
  - {{hostname: twice.example.test., record_type: A, shared_secret: {HOST_SECRET}, colour: red}}
  - {{hostname: TWICE.example.test, record_type: [AAAA, A], shared_secret: {HOST_SECRET}}}
""",
    )
    path = f"{folder}/hosts.yaml:"
    lines = problems(folder)
    assert all(line.startswith(path) for line in lines)
    places = [line.removeprefix(path).split(": ")[0] for line in lines]
    for place in ("3:18", "5:15", "8:15", "8:5", "9:22", "10:10", "11:101", "12:16"):
        assert place in places, (place, lines)
    assert any('3:18: record_type: "AAA" is none of A, AAAA and TXT' in line for line in lines)


@pytest.mark.parametrize(
    "name, good",
    [
        ("*.example.test.", True),
        ("_acme.home.example.test", True),
        ("xn--bcher-kva.example.test", True),
        ("example.test.", True),
        ("a" * 63 + ".example.test.", True),
        ("a" * 64 + ".example.test.", False),
        ("home.*.example.test.", False),
        ("a*.example.test.", False),
        ("b\u00fccher.example.test.", False),
        ("-.example.test.", None),
        ("home .example.test.", False),
        (".example.test.", False),
        ("a." * 122 + "example.test.", False),
        ("notexample.test.", False),
    ],
)
def test_names(folder, name, good):
    text = yaml.safe_dump(
        {"hosts": [{"hostname": name, "record_type": "A", "shared_secret": HOST_SECRET}]}, allow_unicode=True
    )
    write(folder / "hosts.yaml", text)
    status = check(folder).returncode
    assert status in (0, 78) if good is None else status == (0 if good else 78)


@pytest.mark.parametrize(
    "text, place, words",
    [
        ("zones: &z [{name: example.test.}]\n", "1:8", "anchor"),
        ("zones: [{name: example.test.}]\nserver: *x\n", None, "alias"),
        ("--- {}\n--- {}\n", "2:1", "second document"),
        ("zones: !!seq [{name: example.test.}]\n", "1:8", "tag"),
        ("%TAG ! tag:example.com,2000:\n---\nzones: []\n", None, "%TAG"),
        ("server: {listen: [}\n", None, "YAML"),
        ("server:\n\tlisten: []\n", "2:1", "tab"),
        ("zones: []\nzones: []\n", "2:1", "twice"),
        ("server: {tls: true, tls: false}\n", "1:21", "twice"),
        ("[1, 2]\n", "1:1", "mapping"),
        ("just text\n", "1:1", "mapping"),
        ("", None, "zones"),
        ("zones: \xff\n".encode("latin-1"), "1:8", "UTF-8"),
        ("zones: \x07\n", "1:8", "U+0007"),
        (b"zones: \xef\xbf\xbe\n", "1:8", "U+FFFE"),
        ("? [a, b]\n: c\n", "1:3", "key"),
        ("server:\n  api_keys: ['a\\0b', \"a\\0b\"]\n", "2:22", "NUL"),
        ("[" * 100000, None, "nested"),
        ("{a: " * 100000, None, "nested"),
        ("- " * 100000, None, "nested"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "1:4", "anchor"),
    ],
)
def test_what_yaml_offers_and_we_refuse(folder, text, place, words):
    for name in ("ddns53d.yaml", "hosts.yaml"):
        write(folder / "ddns53d.yaml", SETTINGS)
        write(folder / name, text)
        if name == "hosts.yaml" and words in ("zones", "key", "mapping"):
            continue
        lines = problems(folder)
        assert any(words in line for line in lines), lines
        if place:
            assert any(f"{name}:{place}: " in line for line in lines), lines
        write(folder / "hosts.yaml", HOSTS)


@pytest.mark.parametrize("name", ["ddns53d.yaml", "hosts.yaml"])
def test_a_file_of_100_mb_is_refused_at_once(folder, name):
    path = folder / name
    with open(path, "r+b") as file:
        file.truncate(100 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = check(folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before.ru_utime
    assert done.returncode == 78 and name in done.stderr
    if name == "ddns53d.yaml":
        assert "larger than" in done.stderr
    assert used < 10


def test_many_problems_are_bounded(folder):
    write(folder / "ddns53d.yaml", "".join(f"key{number}: x\n" for number in range(500)))
    done = check(folder)
    assert done.returncode == 78 and len(done.stderr) < 50_000


def test_missing_and_unreadable_files(folder):
    assert run_binary("--check", "--config", "missing.yaml", folder=folder).returncode == 78
    (folder / "hosts.yaml").unlink()
    done = check(folder)
    assert done.returncode == 78 and "hosts.yaml: no such file" in done.stderr
    (folder / "hosts.yaml").mkdir()
    assert check(folder).returncode == 78


@pytest.mark.parametrize("name", ["ddns53d.yaml", "hosts.yaml"])
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(folder, name, mode):
    (folder / name).chmod(mode)
    done = check(folder)
    assert done.returncode == 78 and f"{name}: " in done.stderr and "chmod" in done.stderr


def test_secrets_that_others_may_read_are_warned_about(folder):
    (folder / "hosts.yaml").chmod(0o644)
    done = check(folder)
    assert done.returncode == 0 and re.search(r"warning: .*hosts\.yaml.*chmod", done.stderr)
    (folder / "hosts.yaml").chmod(0o640)
    assert check(folder).stderr == ""
    (folder / "ddns53d.yaml").chmod(0o644)
    assert check(folder).stderr == ""  # no secret in there
    write(folder / "ddns53d.yaml", SETTINGS.replace("server:", f"server:\n  api_keys: [{API_KEY}]"))
    done = check(folder)
    assert done.returncode == 0 and re.search(r"warning: .*ddns53d\.yaml.*chmod", done.stderr)


def test_secret_files(folder):
    hosts = HOSTS.replace(f"shared_secret: {HOST_SECRET}", "shared_secret_file: secret.txt")
    write(folder / "hosts.yaml", hosts)
    assert "hosts.yaml:4:25: shared_secret_file: cannot read" in problems(folder)[0]
    write(folder / "secret.txt", HOST_SECRET + "\nsecond line\n")
    assert check(folder).stderr == ""
    (folder / "secret.txt").chmod(0o604)
    assert "warning: " in check(folder).stderr
    (folder / "secret.txt").chmod(0o660)
    assert "chmod" in problems(folder)[0]
    write(folder / "empty.txt", "\n")
    write(folder / "hosts.yaml", hosts.replace("secret.txt", "empty.txt"))
    assert "empty" in problems(folder)[0]


# ---- --dump-config ----


def dump(folder: Path, name: str = "ddns53d.yaml") -> str:
    done = run_binary("--config", name, "--dump-config", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_dump_has_every_key_and_its_default(folder):
    settings = yaml.safe_load(dump(folder))
    sample = yaml.safe_load((REPOSITORY / "etc" / "ddns53d.yaml").read_text())
    for section in ("server", "admin", "update", "limits", "route53", "zonefile"):
        assert set(sample.get(section) or {}) <= set(settings[section])
    assert settings["limits"] == {
        "connections": 4096,
        "connections_per_address": 64,
        "request_s": 10,
        "reads_per_minute": 120,
        "auth_failures_per_minute": 10,
        "queued_changes": 100000,
        "decisions_mib": 32,
    }
    assert settings["admin"]["socket"] == str(folder / "state" / "control.sock")
    assert settings["update"] == {"timeout_s": 10, "reconcile_s": 3600, "default_auth": ["hash", "signed"]}
    assert settings["state_dir"] == str(folder / "state") and settings["hosts_file"] == str(folder / "hosts.yaml")


def test_dump_is_a_fixed_point(folder):
    write(folder / "other.yaml", dump(folder))
    assert dump(folder, "other.yaml") == dump(folder)


def test_dump_keeps_what_was_set(folder):
    server = "server:\n  public_url: https://ddns.example.test/x\n  trusted_proxies: [10.0.0.0/8]"
    more = "limits: {request_s: 3}\nroute53: {profile: 'a \"quoted\" \\ one'}\n"
    write(folder / "ddns53d.yaml", SETTINGS.replace("server:", server) + more)
    settings = yaml.safe_load(dump(folder))
    assert settings["server"]["public_url"] == "https://ddns.example.test/x"
    assert settings["server"]["trusted_proxies"] == ["10.0.0.0/8"]
    assert settings["limits"]["request_s"] == 3
    assert settings["route53"]["profile"] == 'a "quoted" \\ one'


def test_dump_masks_secrets(folder):
    write(folder / "ddns53d.yaml", SETTINGS.replace("server:", f"server:\n  api_keys: [{API_KEY}, {API_KEY}2]"))
    text = dump(folder)
    assert API_KEY not in text and API_KEY[:6] not in text and HOST_SECRET not in text
    assert len(yaml.safe_load(text)["server"]["api_keys"]) == 2


# ---- starting ----


def test_nothing_is_started_with_a_broken_file(folder):
    write(folder / "hosts.yaml", "hosts: [{}]\n")
    done = run_binary("--config", "ddns53d.yaml", folder=folder)
    assert done.returncode == 78 and "event=listening" not in done.stderr
    assert not (folder / "state").exists()


@pytest.mark.parametrize(
    "server, words",
    [
        ({"certificate": "missing.pem", "private_key": "missing.key"}, "missing.pem"),
        ({"listen": ["198.51.100.1:0"]}, "198.51.100.1"),
    ],
)
def test_a_start_that_fails_says_why(daemon, server, words):
    d: Daemon = daemon(start=False, settings={"server": server})
    assert d.run_to_end() in (69, 78)
    assert words in d.log_lines("event=start_failed")[0]
    assert not d.log_lines("event=ready")


def test_tls_may_be_off_on_loopback_only(folder):
    write(folder / "ddns53d.yaml", SETTINGS.replace('["127.0.0.1:0"]', '["127.0.0.1:0", "[::]:0"]\n  tls: false'))
    assert ":3:8: server.tls" in problems(folder)[0]
    write(folder / "ddns53d.yaml", SETTINGS.replace('["127.0.0.1:0"]', '["[::1]:0", "unix:/run/x"]\n  tls: false'))
    assert check(folder).returncode == 0


def test_the_binary_is_hardened():
    def readelf(option: str) -> str:
        command = ["readelf", "-W", option, binary_path()]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    dynamic = readelf("-d")
    assert re.search(r"Type:\s+DYN", readelf("-h"))
    if re.search(r"NEEDED.*lib(a|t|ub)san", dynamic) or b"__gcov_" in binary_path().read_bytes():
        return  # a build for tests, whose sanitizer or counters the rest would hinder
    assert re.search(r"FLAGS_1.*\bNOW\b.*\bPIE\b", dynamic)
    segments = readelf("-l")
    assert "GNU_RELRO" in segments and re.search(r"GNU_STACK .* RW ", segments)
