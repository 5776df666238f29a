"""ddns53ctl(8) has every command of the table, with every option, and its examples do what it says they do.

The examples run in order against a daemon and a Route 53 stand-in. A `ddns53ctl` of the test's own comes first in PATH:
it uses the test's settings, and calls their folder /etc/ddns53 as the page does.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import REPOSITORY, Daemon, base_environment, ctl_path, free_port, keep_confidential, merged, run_ctl
from test_man_examples import CURL, commands, literals, sessions

PAGE = REPOSITORY / "man" / "ddns53ctl.8"
MARK = "---- end of a command ----"
# Who asks why shall find it: what was decided is written soon after the answer, not before.
CURL_AND_WAIT = """#!/bin/sh
kept() {{ cat {decisions}/*.jsonl 2>/dev/null | grep -c '"source":"[0-9]'; }}
before=$(kept)
{plain} "$@"
status=$?
until [ "$(kept)" -gt "$before" ]; do sleep 0.02; done
exit $status
"""
CTL = """#!/bin/sh
{{ {ctl} -c {config} "$@" 2>&1; echo $? >{status}; }} | sed 's#{folder}/#/etc/ddns53/#g'
exit $(cat {status})
"""


@pytest.fixture
def page() -> str:
    return PAGE.read_text()


@pytest.fixture(scope="module")
def table() -> dict:
    return json.loads(run_ctl("--help", "--json").stdout)


def section_of(page: str, name: str) -> str:
    """The text of a command: from its `.Ss` to the next one."""
    found = re.search(rf"^\.Ss {re.escape(name)}(?: (?:Op |Ar )[^\n]*)?\n(.*?)(?=^\.S[sh] |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"ddns53ctl(8) has no .Ss {name}"
    return found[1]


def test_every_command_is_in_it(page, table):
    assert len(table["commands"]) >= 5
    for command in table["commands"]:
        section = section_of(page, command["name"])
        for option in command["options"]:
            assert re.search(rf"^\.It .*\bFl -{option['name']}\b", section, re.MULTILINE) or re.search(
                rf"^\.It Fl \w , -{option['name']}\b", section, re.MULTILINE
            ), f"{command['name']} --{option['name']}"
        assert (command["json"] is False) or re.search("JSON", section), command["name"]
        ran = [line[2:] for block in sessions(section) for line in block.splitlines() if line.startswith("$ ")]
        assert any(line.startswith(command["example"]) for line in ran), f"{command['name']}: {command['example']}"


def test_it_knows_no_other_command(page, table):
    names = {command["name"] for command in table["commands"]}
    found = re.findall(r"^\.Ss ([a-z ]+?)(?: (?:Op |Ar ).*)?$", page, re.MULTILINE)
    assert set(found) == names


def test_every_exit_status_is_in_it(page, table):
    section = page.split(".Sh EXIT STATUS", 1)[1].split(".Sh ", 1)[0]
    documented = [int(number) for number in re.findall(r"^\.It (\d+)$", section, re.MULTILINE)]
    statuses = {entry["status"] for entry in table["exit_statuses"]}
    for command in table["commands"]:
        statuses |= {entry["status"] for entry in command["exit_statuses"]}
    assert documented == sorted(statuses)


def test_common_options_are_in_it(page, table):
    for option in table["options"]:
        assert re.search(rf"^\.It Fl (\w , )?-{option['name']}\b", page, re.MULTILINE), option["name"]


# ---- the examples ----


class Place:
    """The page's machine."""

    def __init__(self, daemon, r53, ca, folder: Path):
        self.folder = folder / "etc ddns53"
        self.folder.mkdir()
        self.config = self.folder / "ddns53d.yaml"
        self.daemon, self.r53, self.ca = daemon, r53, ca
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.authority = ""
        words = {"ctl": ctl_path(), "config": self.config, "status": folder / "status"}
        quoted = {name: shlex.quote(str(word)) for name, word in words.items()}
        self.script("ddns53ctl", CTL.format(**quoted, folder=self.folder))

    def script(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o700)

    def be_the_client_of(self, d: Daemon) -> None:
        """`curl` reaches this daemon, and comes back when it has written what it decided."""
        words = {"curl": shutil.which("curl"), "ca": self.ca.path, "authority": d.url.partition("//")[2]}
        self.script("plain-curl", CURL.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
        places = {"decisions": d.state_dir / "decisions", "plain": self.bin / "plain-curl"}
        self.script("curl", CURL_AND_WAIT.format(**{name: shlex.quote(str(place)) for name, place in places.items()}))

    def run(self, session: str) -> list[str]:
        """What each command of a session printed."""
        lines = "".join(f"{command}\necho; echo {shlex.quote(MARK)}\n" for command, _ in commands(session))
        variables = {**self.r53.keys.default.environment(), "AWS_ENDPOINT_URL_ROUTE_53": self.r53.url}
        environment = base_environment(**variables)
        environment["PATH"] = f"{self.bin}:/usr/bin:/bin"
        done = subprocess.run(["sh"], input=lines, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=90)
        printed = done.stdout.split(f"\n{MARK}\n")
        assert printed.pop() == "", done.stdout + done.stderr
        return printed

    def start(self, hosts: str) -> None:
        """The daemon with what `init` wrote, but for places that a test may use."""
        written = yaml.safe_load(self.config.read_text())
        assert written["zones"] == [
            {"name": "example.com.", "provider": "route53", "zone_id": self.r53.zone("example.com.").id}
        ]
        certificate, key = self.ca.issue("ctl", ["ddns.example.com"])
        d = self.daemon(start=False, route53=self.r53)
        places = {
            "server": {"listen": [f"127.0.0.1:{free_port()}"], "certificate": str(certificate), "private_key": str(key)},
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
            "state_dir": str(d.state_dir),
            "hosts_file": str(self.folder / "hosts.yaml"),
            "route53": {"endpoint": self.r53.url, "region": self.r53.region},
        }
        d.settings = merged(written, places)
        self.config.write_text(yaml.safe_dump(d.settings))
        (self.folder / "hosts.yaml").write_text(hosts)
        d.write_settings_text(self.config.read_text())
        for secret in re.findall(r'shared_secret: "(.*)"', hosts):
            keep_confidential(secret)
        d.start()
        self.be_the_client_of(d)


def pattern_of(output: str) -> str:
    """`...` stands for anything within its line, alone in a line for any number of lines."""
    lines = []
    for line in output.rstrip("\n").split("\n"):
        lines.append("(.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + "\n")
    return "".join(lines)


def test_examples(page, daemon, r53, ca, tmp_path):
    for program in ("curl", "jq", "awk"):
        assert shutil.which(program), f"{program} is missing; tests/run installs it"
    place = Place(daemon, r53, ca, tmp_path)
    (hosts,) = (block for block in literals(page) if block.startswith("hosts:\n"))
    (table,) = (block for block in literals(page) if block.startswith('{"Items"'))
    (place.folder / "table.json").write_text(table)
    count = 0
    for session in sessions(page):
        for (command, output), printed in zip(commands(session), place.run(session), strict=True):
            wanted = pattern_of(output)
            if not re.fullmatch(wanted, printed.rstrip("\n") + "\n" if printed.strip() else printed):
                pytest.fail(f"$ {command}\n{printed}\n---- the page has:\n{output}")
            count += 1
            if " init " in command:
                place.start(hosts)
    assert count >= 9
