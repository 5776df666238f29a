"""Each program's options: those of --help are those of its manual page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness import REPOSITORY, binary_path
from harness.process import base_environment

CLIENTS = REPOSITORY / "contrib" / "clients"
PROGRAMS = {"ddns53d.8": binary_path(), "ddns53-client.1": CLIENTS / "ddns53-client", "ddns53-discover.1": CLIENTS / "ddns53-discover"}
OPTION = re.compile(r"(?<![\w-])(-[\w]|--[\w][\w-]*)\b")


def helped(program: Path) -> str:
    return subprocess.run(
        [program, "--help"], env=base_environment(), check=True, capture_output=True, text=True, timeout=30
    ).stdout


def listed(page: str) -> set[str]:
    """The options of lines .It Fl, .Op Fl and .Fl: `Fl -check` is --check, `Fl c , -config Ar file` are -c and --config."""
    found = set()
    for line in re.findall(r"^\.(?:It |Op )?Fl (.*)$", page, re.M):
        for part in line.replace(" , ", " Fl ").split(" Fl "):
            found.add(f"-{part.split()[0]}")
    return found


@pytest.mark.parametrize("page", PROGRAMS)
def test_options(page):
    text = (REPOSITORY / "man" / page).read_text()
    said = helped(PROGRAMS[page])
    in_help = set(OPTION.findall(said))
    in_page = listed(text)
    assert in_help, said
    assert in_help - in_page == set(), f"{page} lacks options of --help"
    assert in_page - in_help == set(), f"--help lacks options of {page}"


def test_variables():
    """What the clients read of the environment."""
    described = set(re.findall(r"\bDDNS53_\w+", "".join((REPOSITORY / "man" / page).read_text() for page in PROGRAMS)))
    for program in (CLIENTS / "ddns53-client", CLIENTS / "ddns53-discover"):
        used = set(re.findall(r"\$\{(DDNS53_\w+)", program.read_text()))
        assert used and used <= described, f"no page has {used - described}"


def test_each_page_is_named_by_another():
    """A page to which nothing leads is not found."""
    pages = {path.name for path in (REPOSITORY / "man").glob("*.[1-9]")}
    for page in pages:
        name, section = page.rsplit(".", 1)
        named = [other for other in pages - {page} if f".Xr {name} {section}" in (REPOSITORY / "man" / other).read_text()]
        assert named, f"no page refers to {page}"


def test_each_reference_leads_to_a_page():
    pages = {path.name for path in (REPOSITORY / "man").glob("*.[1-9]")}
    for path in (REPOSITORY / "man").glob("*.[1-9]"):
        for name, section in re.findall(r"^\.Xr (\S+) (\d)", path.read_text(), re.M):
            assert not name.startswith("ddns53") or f"{name}.{section}" in pages, f"{path.name}: {name}({section})"
