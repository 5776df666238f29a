"""The frame of ddns53ctl: its table of commands in --help and in the completion of three shells, options, exit statuses,
and what goes where."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from harness import REPOSITORY, base_environment, ctl_path, run_ctl

HOSTS = """hosts:
  - {hostname: home.example.com, record_type: A, shared_secret: a-secret-of-this-test-only-0001}
  - {hostname: house.example.com, record_type: A, shared_secret: a-secret-of-this-test-only-0002}
  - {hostname: other.example.com, record_type: A, shared_secret: a-secret-of-this-test-only-0003}
"""


@pytest.fixture(scope="module")
def table() -> dict:
    return json.loads(run_ctl("--help", "--json").stdout)


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "a folder" / "ddns53d.yaml"
    path.parent.mkdir()
    path.write_text("zones: [{name: example.com, provider: zonefile}]\n")
    (path.parent / "hosts.yaml").touch(mode=0o600)
    (path.parent / "hosts.yaml").write_text(HOSTS)
    return path


# ---- help ----


def test_help_has_every_command(table):
    text = run_ctl("--help").stdout
    assert run_ctl("-h").stdout == text
    for command in table["commands"]:
        line = rf"^  {re.escape(command['name'])}( {re.escape(command['arguments'])})? +{re.escape(command['summary'])}$"
        assert re.search(line, text, re.MULTILINE), command["name"]
    columns = {line.index(c["summary"]) for c in table["commands"] for line in text.splitlines() if line.endswith(c["summary"])}
    assert len(columns) == 1, "the summaries are not aligned"


def test_help_of_each_command(table):
    for command in table["commands"]:
        done = run_ctl(*command["name"].split(), "--help")
        assert (done.returncode, done.stderr) == (0, "")
        text = done.stdout
        assert text.startswith(f"usage: ddns53ctl {command['name']}")
        assert command["example"].startswith(f"ddns53ctl {command['name']}") and f"  {command['example']}\n" in text
        for option in command["options"] + table["options"]:
            assert re.search(rf"^  (-\w, |    )--{option['name']}\b.*{re.escape(option['help'])}", text, re.MULTILINE)
        for entry in command["exit_statuses"]:
            assert f"  {entry['status']:<3}  {entry['help']}\n" in text


def test_rows_are_sound(table):
    names = [command["name"] for command in table["commands"]]
    assert len(set(names)) == len(names)
    common = {option["name"] for option in table["options"]}
    letters = {option.get("letter") for option in table["options"]} - {None}
    for command in table["commands"]:
        own = [option["name"] for option in command["options"]]
        assert len(set(own)) == len(own) and not common & set(own), command["name"]
        assert not letters & {option.get("letter") for option in command["options"]}
        for words in (command["summary"], *(option["help"] for option in command["options"])):
            assert words[0].islower() or words.split()[0] in ("AWS", "DNS", "JSON", "PEM", "TTL", "Route", "IPv4", "IPv6"), words
            assert not words.endswith("."), words
        # Each example is a command line that this program takes.
        words = shlex.split(command["example"])[1:]
        assert run_ctl(*words, "--help").returncode == 0, command["example"]


def test_version():
    done = run_ctl("--version")
    version = re.search(r"^AC_INIT\(\[ddns53\],\[(.*)\]\)$", (REPOSITORY / "configure.ac").read_text(), re.MULTILINE)
    assert (done.returncode, done.stdout) == (0, f"ddns53ctl {version[1]}\n")


# ---- the command line ----


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "name a command"),
        (["frobnicate"], "frobnicate: there is no such command"),
        (["--frobnicate"], "--frobnicate: there is no such option"),
        (["completion", "--frobnicate", "bash"], "--frobnicate: there is no such option"),
        (["completion", "bash", "--frobnicate"], "--frobnicate: there is no such option"),
        (["completion"], "it wants SHELL"),
        (["completion", "a", "b", "c"], "it wants SHELL"),
        (["completion", "csh"], "name one of bash, zsh and fish"),
        (["init", "too", "many"], "it wants no arguments"),
        (["init", "--zone"], "--zone needs its NAME"),
        (["init", "--zone", "a.example", "--zone", "b.example"], "--zone is given twice"),
        (["-c"], "--config needs its FILE"),
        (["init", "--json"], "no --json"),
        (["\x1b[31mred"], "\\x1b[31mred: there is no such command"),
    ],
)
def test_what_is_wrong_is_said(arguments, words):
    done = run_ctl(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("ddns53ctl: ") and done.stderr.count("\n") == 1 and words in done.stderr
    assert "--help" in done.stderr or "no --json" in words or "twice" in words or "bash" in words


def test_options_may_stand_anywhere(config):
    expected = run_ctl("token", "home.example.com", "--ip", "198.18.7.9", config=config).stdout.split("\n")[0]
    for arguments in (
        ["-c", config, "token", "--ip=198.18.7.9", "home.example.com"],
        ["token", "-c", config, "--ip", "198.18.7.9", "--", "home.example.com"],
        ["token", "home.example.com", "--ip", "198.18.7.9", "--config", config],
    ):
        done = run_ctl(*arguments)
        assert done.stdout.split("\n")[0] == expected, done.stderr


def test_settings_with_errors(tmp_path, config):
    for text, hosts, words in (
        ("zones: []\n", HOSTS, "zones"),
        ("zones: [{name: example.com, provider: zonefile}]\n", "hosts: [{}]\n", "hosts.yaml:1"),
    ):
        config.write_text(text)
        (config.parent / "hosts.yaml").write_text(hosts)
        done = run_ctl("client", "home.example.com", "--for", "curl", config=config)
        assert (done.returncode, done.stdout) == (78, "") and words in done.stderr
    done = run_ctl("client", "home.example.com", "--for", "curl", config=tmp_path / "nothing.yaml")
    assert done.returncode == 78 and "nothing.yaml" in done.stderr


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [ctl_path(), "--help"], env=base_environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=30
        )
    assert done.returncode == 74 and "No space left" in done.stderr


def on_terminal(*arguments: str, **variables: str) -> str:
    """What it prints where standard output is a terminal."""
    parent, child = pty.openpty()
    with open(parent, "rb", buffering=0) as terminal:
        try:
            done = subprocess.run(
                [ctl_path(), *arguments], env=base_environment(TERM="xterm", **variables), stdin=child, stdout=child,
                stderr=subprocess.PIPE, timeout=30,
            )  # fmt: skip
        finally:
            os.close(child)  # it is nobody's any more: what is still on its way comes, and then an end
        assert done.returncode == 0, done.stderr
        text = b""
        with contextlib.suppress(OSError):  # EIO: the end
            while data := terminal.read(65536):
                text += data
        return text.decode()


def test_colour_is_for_terminals():
    plain = run_ctl("client", "--devices").stdout
    assert "\x1b" not in plain
    coloured = on_terminal("client", "--devices")
    assert "\x1b[1mcurl" in coloured
    assert re.sub(r"\x1b\[\d*m|\r", "", coloured) == plain
    assert "\x1b" not in on_terminal("client", "--devices", NO_COLOR="1")
    assert "\x1b" in on_terminal("client", "--devices", NO_COLOR="")
    assert "\x1b" not in on_terminal("client", "--devices", "--json")


# ---- completion ----


@pytest.fixture
def shell_environment(tmp_path):
    place = tmp_path / "bin"
    place.mkdir()
    (place / "ddns53ctl").symlink_to(ctl_path())
    environment = base_environment(HOME=str(tmp_path), TERM="dumb")
    environment["PATH"] = f"{place}:/usr/bin:/bin"
    return environment


def bash(environment: dict[str, str], *words: str) -> list[str]:
    """What bash offers for the last word."""
    script = "source <(ddns53ctl completion bash)\ncompopt() { :; }\nCOMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n"
    script += "_ddns53ctl\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", "ddns53ctl", *words], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def fish(environment: dict[str, str], *words: str) -> list[str]:
    line = " ".join(word if word == "" else shlex.quote(word) for word in ("ddns53ctl", *words))
    script = f"ddns53ctl completion fish | source; complete -C {shlex.quote(line)}"
    done = subprocess.run(["fish", "--no-config", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("offer", [bash, fish], ids=["bash", "fish"])
def test_completion(offer, shell_environment, config, table):
    assert shutil.which(offer.__name__), f"{offer.__name__} is missing; tests/run installs it"

    def complete(*words: str) -> set[str]:
        return set(offer(shell_environment, *words))

    firsts = {command["name"].split()[0] for command in table["commands"]}
    assert complete("") == firsts
    assert complete("in") == {name for name in firsts if name.startswith("in")}
    assert "--json" in complete("--j") and "--zone-id" in complete("init", "--zone")
    assert complete("client", "--for", "open") == {"openwrt"}
    assert complete("completion", "") >= {"bash", "zsh", "fish"}
    # names come from the hosts file that -c names
    found = complete("-c", str(config), "client", "ho")
    assert found == {"home.example.com", "house.example.com"}
    assert complete("-c", str(config.parent / "none.yaml"), "client", "ho") == set()
    for command in table["commands"]:
        if " " in command["name"]:
            first, second = command["name"].split()
            assert second in complete(first, "")
        for option in command["options"]:
            assert f"--{option['name']}" in complete(*command["name"].split(), "--"), command["name"]


def test_completion_of_zsh(shell_environment, tmp_path, table):
    """Typed at a zsh, which is waited for: a word that has one way to go on is filled in."""
    assert shutil.which("zsh"), "zsh is missing; tests/run installs it"
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "_ddns53ctl").write_text(run_ctl("completion", "zsh").stdout)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**shell_environment, "PS1": "> "})
    seen = ""

    def wait_for(pattern: str) -> str:
        nonlocal seen
        deadline = time.monotonic() + 60
        while not re.search(pattern, seen):
            assert select.select([terminal], [], [], deadline - time.monotonic())[0], f"no {pattern!r} in {seen!r}"
            seen += os.read(terminal, 65536).decode(errors="replace")
        found, seen = seen, ""
        return found

    def type_in(text: str) -> None:
        os.write(terminal, text.encode())

    try:
        setup = f"fpath=({shlex.quote(str(folder))} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste"
        type_in(f"{setup}; echo set''up\n")
        wait_for(r"setup\r?\n")
        for typed, wanted in (
            ("ddns53ctl comp", "completion"),
            ("ddns53ctl client --for openw", "openwrt"),
            ("ddns53ctl init --zone-i", "--zone-id"),
            ("ddns53ctl completion zs", "zsh"),
        ):
            type_in(f"{typed}\t")
            wait_for(re.escape(wanted))
            type_in("\x15")  # the line is forgotten
        for command in table["commands"]:
            if " " in command["name"]:
                first, second = command["name"].split()
                type_in(f"ddns53ctl {first} {second[:-1]}\t")
                wait_for(rf"{first} .*{second}")
                type_in("\x15")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def test_completion_is_made_at_the_build():
    folder = ctl_path().parent / "completion"
    for name, shell in (("ddns53ctl", "bash"), ("_ddns53ctl", "zsh"), ("ddns53ctl.fish", "fish")):
        assert (folder / name).read_text() == run_ctl("completion", shell).stdout
