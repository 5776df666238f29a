"""A peer for what concerns TLS and HTTP: nginx, which gives every request the same answer."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from harness import free_port
from setup import program

JSON_ANSWER = ("application/json", '{"return_status": "success", "return_message": "127.0.0.1"}')
CONFIG = """\
daemon off;
{user}
worker_processes {workers};
worker_rlimit_nofile 20000;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log";
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_timeout 300;
    keepalive_requests 1000000000;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate "{certificate}";
        ssl_certificate_key "{private_key}";
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets {tickets};
        ssl_session_cache off;
        location / {{ default_type {answer[0]}; return 200 '{answer[1]}'; }}
    }}
}}
"""


def children(pid: int) -> list[int]:
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(
    folder: Path,
    certificate: Path,
    private_key: Path,
    tickets: bool = False,
    workers: int = 1,
    answer: tuple[str, str] = JSON_ANSWER,
) -> Iterator[tuple[int, list[int]]]:
    """Its port, and the ids of its workers. `answer`: content type and body."""
    port = free_port()
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(
            folder=folder,
            port=port,
            user="user root;" if os.geteuid() == 0 else "",
            workers=workers,
            tickets="on" if tickets else "off",
            certificate=certificate,
            private_key=private_key,
            answer=answer,
        )
    )
    command = [program("nginx", "nginx-light"), "-p", folder, "-c", config, "-e", folder / "error.log"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while len(pids := children(process.pid)) < workers or not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("tests/bench/run: nginx does not start: " + (folder / "error.log").read_text())
            time.sleep(0.02)
        yield port, pids
    finally:
        process.terminate()
        process.wait(20)
