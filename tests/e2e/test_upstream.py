"""The programs of contrib/upstream build by the line that they name, run, and show what they are there for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import REPOSITORY

SOURCE = REPOSITORY / "contrib/upstream/tls-handshake-busy-loop.c"


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler; install Debian's package gcc")
def test_the_busy_loop_of_a_tls_handshake(tmp_path: Path) -> None:
    shutil.copy(SOURCE, tmp_path)
    build = re.search(r"^ \*     (cc .*)$", SOURCE.read_text(), re.MULTILINE)
    assert build and f"    {build[1]}\n" in (SOURCE.parent / "README.md").read_text()
    built = subprocess.run(["sh", "-c", build[1] + " -Wall -Wextra -Werror"], cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([tmp_path / SOURCE.stem], capture_output=True, text=True, timeout=60)
    first, *rows, verdict = done.stdout.splitlines()
    assert len(rows) == 6 and all(re.fullmatch(r"(epoll|poll) .* \d+\.\d % of a core", row) for row in rows), done.stdout
    version = re.match(r"libmicrohttpd (\d+)\.(\d+)\.(\d+), GnuTLS ", first)
    assert version, first
    if (int(version[1]), int(version[2]), int(version[3])) <= (1, 0, 1):
        assert done.returncode == 1 and verdict.startswith("BUSY"), done.stdout
    else:
        assert done.returncode in (0, 1)
