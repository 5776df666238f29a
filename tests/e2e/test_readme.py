"""What README.md shows: its files are accepted, its commands run, its lists are those of the repository."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import BEHIND_PROXY, REPOSITORY, free_port, keep_confidential, merged, run_binary, run_ctl
from harness.dialects import zone_values
from test_ctl_import import GOLDEN, SECRETS, VERSION_1, VERSION_2, VERSION_3
from test_man_ctl import Place, pattern_of
from test_man_examples import CURL, commands

README = REPOSITORY / "README.md"
SOURCE = "198.18.7.9"
HOME, ROUTER, NAS = "home.example.com.", "router.example.com.", "nas.example.com."
ZONE_ID = "Z1FXLQ1OABKR4O"


@pytest.fixture
def text() -> str:
    return README.read_text()


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def indented(text: str) -> list[str]:
    """Every command of an indented block, continuation lines joined, comments off."""
    lines = re.sub(r"\\\n\s+", "", text).splitlines()
    return [line.strip().split("  #")[0].rstrip() for line in lines if line.startswith("    ")]


def only(text: str, beginning: str) -> str:
    (command,) = (line for line in indented(text) if line.startswith(beginning))
    return command


def hosts_of(text: str) -> str:
    (hosts,) = (block for block in fenced(text, "yaml") if block.startswith("hosts:"))
    return hosts


# ---- from a fresh machine to a running service ----


def test_what_building_needs(text):
    """The page names contrib/packages.sh's list, and besides it only what tests install as well."""
    command = only(text, ". contrib/packages.sh")
    more = command.partition("install_packages $BUILD_PACKAGES ")[2].split()
    script = '. contrib/packages.sh && command -v install_packages && echo "$BUILD_PACKAGES" && echo "$TEST_PACKAGES"'
    done = subprocess.run(["sh", "-ec", script], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert "libmicrohttpd-dev" in done.stdout
    assert more and set(more) <= set(done.stdout.split())
    assert re.search(r"^deb:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), "make deb"


def test_what_init_writes_is_accepted(text, tmp_path):
    command = only(text, "sudo ddns53ctl init ")
    done = run_ctl(*command.split()[2:], config=tmp_path / "ddns53d.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    written = yaml.safe_load((tmp_path / "ddns53d.yaml").read_text())
    (shown,) = (yaml.safe_load(block) for block in fenced(text, "yaml") if "acme:" in block)
    assert {key: written["server"][key] for key in shown["server"]} == shown["server"]
    (tmp_path / "hosts.yaml").write_text(hosts_of(text))
    done = run_binary("--check", "--config", tmp_path / "ddns53d.yaml")
    assert done.returncode == 0, done.stderr
    expected = "is an example from the manual|no certificate has been obtained yet"
    assert re.fullmatch(f"(warning: .*({expected}).*\n)+", done.stderr), done.stderr


def test_settings_are_accepted(text, tmp_path):
    """Each block with settings, beside a zone."""
    count = 0
    (tmp_path / "hosts.yaml").touch(mode=0o600)
    (tmp_path / "hosts.yaml").write_text("hosts: []\n")
    for block in fenced(text, "yaml"):
        if not block.startswith("hosts:"):
            more = {"state_dir": str(tmp_path / "state"), "zones": [{"name": "example.com", "provider": "zonefile"}]}
            (tmp_path / "ddns53d.yaml").write_text(block + yaml.safe_dump(more))
            done = run_binary("--check", "--config", tmp_path / "ddns53d.yaml")
            assert done.returncode == 0, block + done.stderr
            count += 1
    assert count == 2


class Machine(Place):
    """The one of the terminal examples: what `init` wrote runs on it, but for places that a test may use."""

    def __init__(self, daemon, r53, ca, folder: Path):
        super().__init__(daemon, r53, ca, folder)
        self.script("sudo", '#!/bin/sh\nexec "$@"\n')

    def start(self, hosts: str) -> None:
        certificate, key = self.ca.issue("readme", ["ddns.example.com"])
        d = self.daemon(start=False, route53=self.r53)
        places = {
            "server": {
                "listen": [f"127.0.0.1:{free_port()}"], "certificate": str(certificate), "private_key": str(key), "acme": None,
                **BEHIND_PROXY["server"],
            },
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
            "state_dir": str(d.state_dir),
            "hosts_file": str(self.folder / "hosts.yaml"),
            "route53": {"endpoint": self.r53.url, "region": self.r53.region},
        }
        d.settings = merged(yaml.safe_load(self.config.read_text()), places)
        self.config.write_text(yaml.safe_dump(d.settings))
        d.write_settings_text(self.config.read_text())
        d.start()
        self.be_the_client_of(d)


def test_the_terminal(text, daemon, r53, ca, tmp_path):
    """init, and what the page shows of add, why, check and list, one after the other."""
    machine = Machine(daemon, r53, ca, tmp_path)
    init = only(text, "sudo ddns53ctl init ").replace(ZONE_ID, r53.zone("example.com.").id)
    (printed,) = machine.run(f"$ {init}\n")
    assert "wrote /etc/ddns53/ddns53d.yaml" in printed
    machine.start("")
    shown = []
    for session in fenced(text, "console"):
        for (command, output), printed in zip(commands(session), machine.run(session), strict=True):
            if not re.fullmatch(pattern_of(output), printed.rstrip("\n") + "\n"):
                pytest.fail(f"$ {command}\n{printed}\n---- the page has:\n{output}")
            shown.append(command.replace("sudo ", "").split()[:2])
    assert [words[1] for words in shown if words[0] == "ddns53ctl"] == ["add", "why", "check", "list"]


# ---- what it names is there ----


def test_the_tool_has_what_the_page_names(text):
    """Each of its commands, with their options; the devices, all of them and no other."""
    table = {command["name"]: command for command in json.loads(run_ctl("--help", "--json").stdout)["commands"]}
    named = re.findall(r"(?:sudo |`)ddns53ctl ([a-z]+)((?: +\\?\n? *[\w.:/=@-]+)*)", text)
    assert {name for name, _ in named} >= {"init", "check", "client", "add", "why", "import", "token", "rotate", "plan", "repair"}
    for name, words in named:
        command = table.get(name) or table.get(f"{name} {words.split()[0]}")
        assert command, f"ddns53ctl {name}{words}"
        options = {option["name"] for option in command["options"]}
        assert set(re.findall(r"--([\w-]+)", words)) <= options, (name, words)
    for options in re.findall(r"`init ([^`]+)`", text):
        assert set(re.findall(r"--([\w-]+)", options)) <= {option["name"] for option in table["init"]["options"]}
    devices = {row["device"] for row in json.loads(run_ctl("client", "--devices", "--json").stdout)}
    section = text.partition("## Routers and other clients")[2].partition("\nMost routers")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if re.match(r"\| \w", line)]
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == devices
    assert f"[{len(devices)} kinds of devices]" in text


def test_every_file_and_page_is_there(text):
    paths = re.findall(r"`((?:\./)?(?:contrib|tests|src|systemd)/[\w./-]*)", text) + re.findall(r"\]\((\w[\w./-]*)\)", text)
    assert len(paths) > 15
    for path in paths:
        assert "://" in path or (REPOSITORY / path).exists(), path
    for section, names in re.findall(r"`man (\d) ([\w.-]+)`", text):
        assert (REPOSITORY / "man" / f"{names}.{section}").exists(), names
    for section, names in re.findall(r"^\| `man (\d) (.*?)` \|", text, re.MULTILINE):
        for name in re.findall(r"[\w.-]+", names):
            assert (REPOSITORY / "man" / f"{name}.{section}").exists(), name
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for anchor in re.findall(r"\]\(#([\w-]+)\)", text):
        assert anchor in anchors, anchor


# ---- clients ----


@pytest.fixture
def example(daemon, ca, text, tmp_path):
    """The daemon of the page, and a shell that thinks it is the page's client."""
    certificate, key = ca.issue("readme", ["ddns.example.com"])
    pair = {"certificate": str(certificate), "private_key": str(key), "public_url": "https://ddns.example.com"}
    more = {"server": pair, "zones": [{"name": "example.com.", "provider": "zonefile"}]}
    d = daemon(settings=merged(BEHIND_PROXY, more), hosts=[], start=False)
    d.write_hosts_text(hosts_of(text))
    d.start()
    script = tmp_path / "bin" / "curl"
    script.parent.mkdir()
    script.write_text(CURL.format(curl=shutil.which("curl"), ca=f"'{ca.path}'", authority=d.url.partition("//")[2]))
    script.chmod(0o700)

    def run(command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["dash", "-c", command],
            env={"PATH": f"{script.parent}:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return d, run


def test_the_update(text, example):
    d, run = example
    (command,) = (block for block in fenced(text, "sh") if "mode=set" in block)
    assert "--fail-with-body" in command and "/ip" in command
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert HOME in done.stdout and SOURCE in done.stdout and '"success"' in done.stdout
    assert zone_values(d.zone_file("example.com."), HOME) == [SOURCE]
    # what goes wrong is shown in the server's words, and is a failure
    wrong = re.sub("secret=[A-Za-z0-9]+", "secret=not-the-secret-of-it", command)
    assert wrong != command
    done = run(wrong)
    assert done.returncode == 22 and "the hostname and the hash do not fit" in done.stdout
    assert d.wait_log(f"event=auth_failure .*host={HOME} reason=wrong_secret")
    # nothing is sent when the address is not known
    done = run(command.replace("$url/ip", "$url/nothing"))
    assert done.returncode == 22 and "mode=set" not in done.stderr
    d.stop()  # the log is whole
    assert len(d.log_lines("event=auth_failure")) == 1


def test_the_router_and_who_follows_it(text, example):
    d, run = example
    done = run(only(text, "curl -u any:"))
    assert (done.returncode, done.stdout) == (0, "good 198.18.7.9\n")
    ((address, prefixed),) = re.findall(r"^sets `router` to ([\d.]+) and `nas` to ([\da-f:]+)\.$", text, re.MULTILINE)
    assert zone_values(d.zone_file("example.com."), ROUTER) == [address]
    assert zone_values(d.zone_file("example.com."), NAS, "AAAA") == [prefixed]


def test_what_is_my_address(text, example):
    _, run = example
    done = run(only(text, "curl https://ddns.example.com/"))
    assert (done.returncode, done.stdout) == (0, f"{SOURCE}\n")


def test_the_log_is_found(text, example):
    d, run = example
    (pattern,) = re.findall(r"grep -E '(event=[^']+)'", text)
    assert run("curl -s https://ddns.example.com/nothing").returncode == 0
    d.wait_log("event=refused")
    assert any(re.search(pattern, line) for line in d.log_lines())


# ---- moving ----


@pytest.mark.parametrize("version, hosts", [(1, VERSION_1), (2, VERSION_2), (3, VERSION_3)])
def test_moving_from_a_version(text, example, version, hosts):
    """import, and the request that `token` foretells is the one that is accepted."""
    keep_confidential(*SECRETS)
    d, run = example
    d.write_hosts_text("hosts: []\n")
    d.ctl("reload")
    done = d.ctl("import", GOLDEN / f"version-{version}.json", "--write", status=75 if version == 2 else 0)
    assert f"{len(hosts)} added" in done.stdout
    moved = [row["hostname"] for row in hosts if row["record_type"] != "AAAA" and not row.get("lock_record")]
    assert moved
    for name in moved:
        (url,) = re.findall(r"^hashed +(\S+)$", d.ctl("token", name, "--ip", SOURCE).stdout, re.MULTILINE)
        done = run(f"curl -sS '{url}'")
        assert '"success"' in done.stdout, done.stdout + done.stderr
        assert zone_values(d.zone_file("example.com."), f"{name}.") == [SOURCE]


def test_moving_from_newip(text, example):
    d, run = example
    add, take = only(text, "sudo ddns53ctl add "), only(text, "sudo ddns53ctl set ")
    assert d.ctl(*add.split()[2:]).returncode == 0
    secret = "the-secret-of-newip-2017"
    keep_confidential(secret)
    done = run_ctl(*take.split()[2:], config=d.config_path, stdin=f"{secret}\n", **d.environment)
    assert done.returncode == 0, done.stderr
    done = run(f'curl -sS "https://ddns.example.com/?newip=198.18.7.20&secret={secret}"')
    assert (done.returncode, done.stdout) == (0, "OK")
    assert zone_values(d.zone_file("example.com."), "cabin.example.com.") == ["198.18.7.20"]


# ---- backup ----


def test_the_backup(text, example, tmp_path):
    """It has what was answered "success" a moment ago, while the daemon runs, and a daemon starts with it."""
    d, run = example
    (block,) = (block for block in fenced(text, "sh") if "mode=set" in block)
    assert '"success"' in run(block).stdout
    command = only(text, "sudo sqlite3 ").removeprefix("sudo ")
    copy = tmp_path / "ddns53-state.db"
    command = command.replace("/var/lib/ddns53/state.db", shlex.quote(str(d.state_dir / "state.db")))
    done = run(command.replace("/var/backups/ddns53-state.db", str(copy)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with sqlite3.connect(copy) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert (SOURCE,) in database.execute("SELECT new_address FROM history").fetchall()
    d.stop()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (d.state_dir / name).unlink(missing_ok=True)
    shutil.copy(copy, d.state_dir / "state.db")
    d.start()
    assert SOURCE in d.ctl("history", HOME).stdout


# ---- how it is written ----


def test_every_secret_that_is_made_needs_no_escaping():
    """`openssl rand -hex` and the like; base64 only for TSIG, for no client sends its secrets."""
    made = []
    for folder in ("README.md", "etc", "man", "contrib"):
        place = REPOSITORY / folder
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file():
                made += [(path, line) for line in path.read_text().splitlines() if re.search(r"\b[a-z]+ rand -", line)]
    assert made
    tsig = REPOSITORY / "man" / "ddns53-rfc2136.7"
    assert not [f"{path}: {line}" for path, line in made if "rand -hex " not in line and path != tsig]


def test_no_block_has_two_columns(text):
    """Two files side by side cannot be copied."""
    assert not re.findall(r"^    # \S+ +# \S", text, re.MULTILINE)


def test_peers_are_dated(text):
    """Each has the commit that was read."""
    section = text.partition("## Others that do this")[2].partition("\n## ")[0]
    assert re.search(r"on 20\d\d-\d\d-\d\d, at the commit", section)
    rows = re.findall(r"^\| \[.*", section, re.MULTILINE)
    assert len(rows) >= 5
    for row in rows:
        assert re.match(r"\| \[[\w.-]+\]\(https://github\.com/[\w./-]+\) [0-9a-f]{7,}, ", row), row
