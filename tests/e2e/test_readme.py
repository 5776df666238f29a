"""What README.md shows: its files are accepted, its commands run, its lists are those of the repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import BEHIND_PROXY, REPOSITORY, merged, run_binary, run_ctl
from harness.dialects import zone_values
from test_man_examples import CURL

README = REPOSITORY / "README.md"
SOURCE = "198.18.7.9"
HOME = "home.example.com."


@pytest.fixture
def text() -> str:
    return README.read_text()


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def indented(text: str) -> list[str]:
    """Every command of an indented block, continuation lines joined, comments off."""
    lines = re.sub(r"\\\n\s+", " ", text).splitlines()
    return [line.strip().split("  #")[0].rstrip() for line in lines if line.startswith("    ")]


def packages(name: str) -> set[str]:
    script = f'. contrib/packages.sh && printf "%s\\n" ${name}'
    return set(subprocess.run(["sh", "-c", script], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split())


def test_what_building_needs(text):
    (command,) = (line for line in indented(text) if line.startswith("sudo apt-get install "))
    assert set(command.split()[3:]) == packages("BUILD_PACKAGES")


def test_both_files_are_accepted(text, tmp_path, ca):
    """What `init` writes with the page's options, and the page's hosts."""
    (hosts,) = fenced(text, "yaml")
    for name, made in (("fullchain.pem", ca.certificate), ("privkey.pem", ca.private_key)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(Path(made).read_bytes())
    (command,) = (line for line in indented(text) if line.startswith("sudo ddns53ctl init "))
    arguments = command.replace("/etc/ddns53/", f"{tmp_path}/").split()[2:]
    done = run_ctl(*arguments, config=tmp_path / "ddns53d.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    written = yaml.safe_load((tmp_path / "ddns53d.yaml").read_text())
    assert written["server"]["public_url"] == "https://ddns.example.com"
    (tmp_path / "hosts.yaml").write_text(hosts)
    done = run_binary("--check", "--config", tmp_path / "ddns53d.yaml")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch("warning: .*is an example from the manual.*\n", done.stderr)


def test_the_tool_has_what_the_page_names(text):
    """Each of its commands, with their options; those of the table that are here run their own tests."""
    table = {command["name"]: command for command in json.loads(run_ctl("--help", "--json").stdout)["commands"]}
    named = re.findall(r"(?:sudo |`)ddns53ctl (\w+)((?: [\w.:/=-]+)*)", text)
    assert {name for name, _ in named} >= {"init", "check", "client", "add"}
    for name, arguments in named:
        if name in table:
            options = {option["name"] for option in table[name]["options"]}
            assert set(re.findall(r"--([\w-]+)", arguments)) <= options, (name, arguments)
    devices = json.loads(run_ctl("client", "--devices", "--json").stdout)
    (listed,) = re.findall(r"for curl, a shell script.*?\(`ddns53ctl client --devices`\)", text, re.DOTALL)
    for device in devices:
        word = re.sub(r"\d$", "", device["device"]).replace("-", "")
        if word not in ("generic", "sh"):
            assert word in re.sub(r"[^a-z]", "", listed.lower()), device["device"]


@pytest.fixture
def example(daemon, ca, text, tmp_path):
    """The daemon of the page, and a shell that thinks it is the page's client."""
    (hosts,) = fenced(text, "yaml")
    certificate, key = ca.issue("readme", ["ddns.example.com"])
    pair = {"certificate": str(certificate), "private_key": str(key)}
    more = {"server": pair, "zones": [{"name": "example.com.", "provider": "zonefile"}]}
    d = daemon(settings=merged(BEHIND_PROXY, more), hosts=[], start=False)
    d.write_hosts_text(hosts)
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
    assert len(d.log_lines("event=auth_failure")) == 1


def test_what_is_my_address(text, example):
    _, run = example
    (command,) = (line for line in indented(text) if line.startswith("curl https://ddns.example.com/"))
    done = run(command)
    assert (done.returncode, done.stdout) == (0, f"{SOURCE}\n")


def test_the_log_is_found(text, example):
    d, run = example
    (pattern,) = re.findall(r"grep -E '(event=[^']+)'", text)
    assert run("curl -s https://ddns.example.com/nothing").returncode == 0
    d.wait_log("event=refused")
    assert any(re.search(pattern, line) for line in d.log_lines())


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
