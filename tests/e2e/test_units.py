"""The daemon under the units that are shipped, run by a systemd that was booted for it: see tests/boot-units."""

from __future__ import annotations

import subprocess

import pytest

from harness.daemon import REPOSITORY, binary_path

CANNOT = 77


def is_sanitized() -> bool:
    """A sanitizer does not live with MemoryDenyWriteExecute= and the filter of system calls."""
    program = binary_path().read_bytes()
    return b"__asan_" in program or b"__tsan_" in program


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer does not run as confined as the unit is")
def test_the_units_in_a_booted_system():
    """A port that is taken, capabilities, reload, restart, the resolver, and a name server's command."""
    done = subprocess.run(
        [REPOSITORY / "tests" / "boot-units", binary_path()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip() or done.stdout.strip())
    assert done.returncode == 0 and done.stdout.rstrip().endswith("all is well"), done.stdout + done.stderr
