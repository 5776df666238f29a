"""The shells that contrib/clients is for, and a PATH that holds just what a test wants and records every argument."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Iterable, Mapping

from .client import keep_confidential
from .daemon import REPOSITORY

CLIENTS = REPOSITORY / "contrib" / "clients"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
# What ddns53-client needs besides curl and one of DIGESTS.
POSIX_TOOLS = ("awk", "cut", "date", "dd", "ip", "mv", "od", "rm", "sed", "sleep", "tr")
DIGESTS = ("sha256sum", "shasum", "openssl")


class Tools:
    """A folder for PATH. Each program in it is a wrapper that writes down its arguments and becomes the real one."""

    def __init__(self, folder: Path, names: Iterable[str]):
        self.folder = folder / "tools"
        self.folder.mkdir()
        self.log = folder / "arguments"
        self.log.touch()
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        real = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert real, f"{name} is missing; tests/run installs it"
        record = f"printf '%s\\n' {shlex.quote(name)} \"$@\" >>{shlex.quote(str(self.log))}"
        self.script(name, f'{record}\nexec {shlex.quote(real)} "$@"')

    def script(self, name: str, text: str) -> None:
        """A program of the test's own."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def arguments(self) -> str:
        """Of every program that was started so far, one a line."""
        return self.log.read_text()


class ShellClient:
    """Runs a program of contrib/clients with one shell."""

    def __init__(self, shell: str, tools: Tools, variables: Mapping[str, str], prefix: Iterable[str] = ()):
        words = SHELLS[shell]
        interpreter = shutil.which(words[0], path="/usr/bin:/bin")
        assert interpreter, f"{words[0]} is missing; tests/run installs it"
        self.command = [*prefix, interpreter, *words[1:]]
        self.tools = tools
        self.variables = dict(variables)

    def run(
        self, *arguments: str, program: str = "ddns53-client", stdin: str | None = None, timeout=90.0, **variables: str
    ) -> subprocess.CompletedProcess:
        environment = {"PATH": str(self.tools.folder), **self.variables, **variables}
        for name in ("DDNS53_SECRET", "DDNS53_API_KEY"):
            keep_confidential(*filter(None, [environment.get(name)]))
        return subprocess.run(
            [*self.command, str(CLIENTS / program), *arguments],
            env=environment,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
        )


def is_root() -> bool:
    return os.geteuid() == 0
