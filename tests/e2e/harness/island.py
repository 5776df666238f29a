"""A daemon and its clients in a network of their own: loopback only, any port, and names as the test wants them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Iterable, Mapping

from standin import TestCA

from .daemon import Daemon

NEW_NETWORK = ["--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
OWN_HOSTS = ["--mount", "--", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh"]


class Island:
    """The daemon runs in a network namespace; run() starts a program in it, with a hosts file of its own. Needs root, or
    a kernel that lets users make namespaces."""

    def __init__(self, folder: Path, ca: TestCA, **options: Any):
        self.folder = folder
        self.is_root = os.geteuid() == 0
        unshare = ["unshare"] if self.is_root else ["unshare", "--map-root-user"]
        self.daemon = Daemon(folder, ca, wrapper=[*unshare, *NEW_NETWORK], **options)

    def start(self) -> "Island":
        self.daemon.start()
        return self

    def close(self) -> None:
        self.daemon.close()

    def enter(self) -> list[str]:
        """What stands before a command that is to run in the daemon's network."""
        enter = ["nsenter", f"--net=/proc/{self.daemon.pid}/ns/net"]
        if not self.is_root:
            enter += [f"--user=/proc/{self.daemon.pid}/ns/user", "--preserve-credentials"]
        return enter

    def run(
        self,
        command: Iterable[str | Path],
        names: Mapping[str, str | tuple[str, ...]],
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess:
        """`names`: the address or addresses that names have for this program; all others are unknown to it."""
        hosts = self.folder / "hosts"
        each = {name: (value,) if isinstance(value, str) else value for name, value in names.items()}
        hosts.write_text("".join(f"{address} {name}\n" for name, values in each.items() for address in values))
        return subprocess.run(
            [*self.enter(), "unshare", *OWN_HOSTS, str(hosts), *(str(word) for word in command)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), **(environment or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
