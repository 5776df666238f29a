"""The examples of ddns53-api(7), executed: its hosts, its commands as they stand there, and what it says they print.

A `curl` of the test's own comes first in PATH. It makes the commands reach the daemon: it leads their URL to where that
listens, trusts the test's CA, and names the address that the page's client has.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BEHIND_PROXY, REPOSITORY, merged
from harness.dialects import zone_values

PAGE = REPOSITORY / "man" / "ddns53-api.7"
MARK = "---- end of a command ----"
CURL = """#!/bin/sh
via=198.18.7.9
for word; do
    shift
    case $word in
    -4) ;;
    -6) via=2001:db8::9 ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec {curl} --cacert {ca} --connect-to ddns.example.com:443:{authority} -H "X-Forwarded-For: $via" "$@"
"""


def literals(page: str) -> list[str]:
    """The text of each `.Bd -literal` block, as a reader sees it."""
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page, re.MULTILINE | re.DOTALL)
    return [block.replace(r"\e", "\\").replace(r"\&", "") for block in blocks]


def sessions(page: str) -> list[str]:
    return [block for block in literals(page) if block.startswith("$ ")]


def commands(session: str) -> list[tuple[str, str]]:
    """Each command, with its continuation lines, and what the page says that it prints."""
    found: list[tuple[str, str]] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("> "):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", "")
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


@pytest.fixture
def page() -> str:
    return PAGE.read_text()


@pytest.fixture
def example(daemon, ca, page, tmp_path: Path):
    """The page's daemon, and a shell that thinks it is the page's client."""
    for program in ("curl", "jq", "openssl", "sha256sum"):
        assert shutil.which(program), f"{program} is missing; tests/run installs it"
    certificate, key = ca.issue("man", ["ddns.example.com"])
    pair = {"certificate": str(certificate), "private_key": str(key)}
    settings = merged(BEHIND_PROXY, {"server": pair, "zones": [{"name": "example.com.", "provider": "zonefile"}]})
    d = daemon(settings=settings, hosts=[], start=False)
    (hosts,) = (block for block in literals(page) if block.startswith("hosts:\n"))
    d.write_hosts_text(hosts)
    d.start()
    script = tmp_path / "bin" / "curl"
    script.parent.mkdir()
    words = {"curl": shutil.which("curl"), "ca": str(ca.path), "authority": d.url.partition("//")[2]}
    script.write_text(CURL.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
    script.chmod(0o700)

    def run(session: str) -> list[str]:
        """What each command of a session printed; they share one shell, as a reader's do."""
        lines = "".join(f"{command}\necho; echo {shlex.quote(MARK)}\n" for command, _ in commands(session))
        done = subprocess.run(
            ["sh"],
            input=lines,
            env={"PATH": f"{script.parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        printed = done.stdout.split(f"\n{MARK}\n")
        assert printed.pop() == "", done.stdout + done.stderr
        return printed

    return d, run


def test_examples(example, page):
    d, run = example
    count = 0
    for session in sessions(page):
        expected = commands(session)
        for (command, output), printed in zip(expected, run(session), strict=True):
            assert printed.rstrip("\n") == output.rstrip("\n"), f"{command}\n{session}"
            count += 1
    assert count > 40
    assert zone_values(d.zone_file("example.com."), "nas.example.com.", "AAAA") == ["2001:db8:1:1:211:32ff:fe12:3456"]


def test_every_dialect_has_an_example(page):
    sections = re.split(r"^\.S[hs] ", page, flags=re.MULTILINE)
    shown = {section.split("\n", 1)[0] for section in sections if sessions(section)}
    assert shown >= {
        "mode=get",
        "mode=set",
        "mode=list_hosts",
        "JSON form",
        "Signed requests",
        "PLAIN SECRET",
        "DYNDNS2",
        "HOSTS THAT FOLLOW A ROUTER",
        "WHAT IS MY ADDRESS",
    }


def test_the_page_knows_every_parameter_and_word(page):
    """What dialects read and answer stands in the page, spelled as in their sources."""
    for source, names in (
        ("query.c", r'\[[A-Z_]+\] = "(\w+)"'),
        ("json.c", r'\[[A-Z_]+\] = "(\w+)"'),
        ("plain_secret.c", r'\[[A-Z_]+\] = "(\w+)"'),
        ("dyndns.c", r'\[[A-Z_0-9]+\] = "(\w+)"'),
        ("dyndns_answer.c", r'struct dyndns_word \w+ = \{"([\w!]+)"'),
        ("unspoken.c", r'\{"([\w-]+)", MEANS_'),
        ("routes.c", r'\{"(/[\w/]*)"'),
    ):
        found = re.findall(names, (REPOSITORY / "src" / "api" / source).read_text())
        assert found, f"{source}: the expression finds nothing any more"
        for name in found:
            assert re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", page, re.IGNORECASE), f"{source}: {name}"
