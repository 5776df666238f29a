"""A disk that can be full: a file system of its own, small enough to fill."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of 4 MiB at the path; tests run as root."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)  # after a failed test something may still be open


def fill(path: Path) -> Path:
    """Leaves not a block."""
    ballast = path / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(b"x" * size)
                except OSError:
                    break
    return ballast
